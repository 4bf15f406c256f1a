/* The list of a worker's files beside a checkpoint. Its sum always fits, so that what is behind that is reached, and the contents 1 and
 * 2 are there. Whatever the list says, nothing is made beside the directory that is restored, and nothing stays open. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "fuzz.h"
#include "ga_buf.h"
#include "ga_hash.h"
#include "io_tree.h"

static char home[256];
static int home_fd = -1;

static void remove_home(void)
{
    (void)io_tree_remove(AT_FDCWD, home);
}

static void make_home(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(home, sizeof home, "%s/fuzz-files-XXXXXX", parent != NULL ? parent : "/tmp");
    GA_ASSERT(mkdtemp(home) != NULL);
    atexit(remove_home);
    home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    GA_ASSERT(home_fd >= 0 && mkdirat(home_fd, "files-0", 0700) == 0);
}

static void put_file(int directory_fd, const char *name, const void *data, size_t size)
{
    static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    GA_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size && futimens(fd, times) == 0);
    close(fd);
}

static void put_slot(const struct ga_buf *list)
{
    int fd = openat(home_fd, "files-0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    GA_ASSERT(fd >= 0);
    put_file(fd, "list", list->data, list->size);
    put_file(fd, "1", "one", 3);
    put_file(fd, "2", "the second", 10);
    close(fd);
}

/* The slot, and the directory of this process. */
static void check_home(void)
{
    unsigned count = 0;
    DIR *directory = fdopendir(openat(home_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    GA_ASSERT(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    GA_ASSERT(count == 2 + 2);
    closedir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct files files;
    struct ga_report report = {0};
    struct ga_buf list = {0};
    if (home_fd < 0)
        make_home();
    ga_buf_append(&list, "GOLEMFIL\1", 9);
    ga_buf_append(&list, data, size);
    put_slot(&list);
    int next_fd = dup(home_fd);
    close(next_fd);
    files_init(&files, home_fd);
    enum ga_status status = files_restore(&files, 0, ga_hash64(list.data, list.size, 0) | 1, false, &report);
    fuzz_check_report(status, &report);
    if (status == GA_OK)
        (void)files_digest(&files);
    files_end(&files);
    GA_ASSERT(dup(home_fd) == next_fd);
    close(next_fd);
    check_home();
    ga_buf_free(&list);
    return 0;
}
