/* The worker's side of its files: when their directory is made, what host functions do with open ones (host.h), and
 * their part in checkpoints. files.h has the files themselves. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ga_hash.h"
#include "worker_parts.h"

/* Of the process's fds, this many stay for the store, checkpoints, and what else the host needs. */
enum { RESERVED_FDS = 96 };

/* --- the directory --- */

/* A durable worker's files begin empty in every process, unless a checkpoint has them: replay makes them again. */
int worker_files_root(struct worker *worker, struct ga_report *report)
{
    struct files *files = &worker->files;
    if (files->root_fd >= 0)
        return files->root_fd;
    int status = files_make(files, false);
    if (status != 0)
        ga_report_errno(report, -status, "worker \"%s\": cannot make the directory for its files",
                        worker->config->name);
    if (status == 0 && worker_place_initial_files(worker, report) == GA_OK)
        return files->root_fd;
    files_end(files);
    return -1;
}

void worker_close_files(struct worker *worker)
{
    worker->initial.pinned = NULL;
    worker->initial.pinned_count = 0;
    files_end(&worker->files);
}

/* --- open files --- */

/* fds up to here may be the guest's. The soft limit is for programs that use select(2). */
static int highest_fd(void)
{
    static int highest;
    struct rlimit limit;
    if (highest == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t wanted = GA_MAX_OPEN_FILES + 2 * RESERVED_FDS;
        if (limit.rlim_cur < wanted) {
            limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
            (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
        wanted = limit.rlim_cur < wanted ? limit.rlim_cur : wanted;
        highest = (int)(wanted > 2 * RESERVED_FDS ? wanted - RESERVED_FDS : wanted / 2);
    }
    return highest;
}

int worker_file_put(struct worker *worker, uint32_t rep, int fd, int open_flags)
{
    int status = worker->files.open_count >= GA_MAX_OPEN_FILES ? -EMFILE : fd > highest_fd() ? -ENFILE : 0;
    if (status != 0) {
        close(fd);
        return status;
    }
    files_put(&worker->files, rep, fd, open_flags, (open_flags & (O_CREAT | O_TRUNC)) != 0);
    return 0;
}

int worker_file_fd(struct worker *worker, uint32_t rep)
{
    int fd = files_fd(&worker->files, rep);
    files_touch(&worker->files);
    return fd >= 0 ? fd : -EBADF;
}

void worker_file_drop(struct worker *worker, uint32_t rep)
{
    files_drop(&worker->files, rep);
}

void worker_file_written(struct worker *worker, uint32_t rep, uint64_t begin, uint64_t end)
{
    files_note_write(&worker->files, rep, begin, end);
}

void worker_file_resized(struct worker *worker, uint32_t rep, uint64_t size)
{
    files_note_size(&worker->files, rep, size);
}

/* --- checkpoints --- */

static bool is_pending(void *context, unsigned slot)
{
    return files_is_pending(&((struct worker *)context)->files, slot);
}

static enum ga_status write_files(void *context, unsigned slot, uint64_t *sum_out, struct ga_report *report)
{
    struct worker *worker = context;
    uint64_t start_ns = worker_clock_ns(CLOCK_MONOTONIC);
    enum ga_status status = files_write(&worker->files, slot, sum_out, report);
    worker->checkpoint_files_ns = worker_clock_ns(CLOCK_MONOTONIC) - start_ns;
    return status;
}

void worker_join_files(struct worker *worker)
{
    worker->companion = (struct ckpt_companion){is_pending, write_files, worker};
    ckpt_set_companion(worker->ckpt, &worker->companion);
}

bool worker_restore_files(struct worker *worker, const struct ckpt_info *info)
{
    struct ga_report report = {0};
    worker_close_files(worker);
    (void)highest_fd(); /* as many fds as the guest had */
    if (!info->companion_sum)
        return true;
    if (files_restore(&worker->files, info->slot, info->companion_sum, worker->looking, &report) == GA_OK)
        return true;
    worker_remark(worker, "worker \"%s\": %s", worker->config->name, report.text);
    return false;
}

uint64_t worker_digest(struct worker *worker)
{
    uint64_t parts[2] = {ckpt_digest(), files_digest(&worker->files)};
    return ga_hash64(parts, sizeof parts, 0);
}
