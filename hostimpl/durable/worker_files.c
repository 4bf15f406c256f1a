/* The worker's private files: a directory that is empty when the worker starts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker_parts.h"

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat, (void)type, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A durable worker's files begin empty in every process: replay makes them again. */
static const char *make_files(struct worker *worker, char path[static 64])
{
    if (!worker->store) {
        const char *temporary = getenv("TMPDIR");
        snprintf(worker->files_path, sizeof worker->files_path, "%.40s/golem-XXXXXX",
                 temporary && *temporary ? temporary : "/tmp");
        if (mkdtemp(worker->files_path))
            return worker->files_path;
        *worker->files_path = 0;
        return NULL;
    }
    snprintf(path, 64, "/proc/self/fd/%d/files", worker->directory_fd);
    remove_tree(path);
    return mkdir(path, 0700) == 0 ? path : NULL;
}

int worker_files_fd(struct worker *worker)
{
    char buffer[64];
    const char *path = worker->files_fd < 0 && !worker->config->command ? make_files(worker, buffer) : NULL;
    if (path)
        worker->files_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return worker->files_fd;
}

void worker_close_files(struct worker *worker)
{
    if (worker->files_fd >= 0)
        close(worker->files_fd);
    worker->files_fd = -1;
    if (*worker->files_path)
        remove_tree(worker->files_path);
    *worker->files_path = 0;
}
