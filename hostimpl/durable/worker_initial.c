/*
 * Files that a worker finds when it is created (Golem: initial component files). Create lists them, each as
 *
 *   "ro SIZE SUM PATH" or "rw SIZE SUM PATH"    size in decimal, sum of the contents in hex (io_content_sum)
 *
 * and the worker's directory keeps the contents, initial/0 and so on, synced before Create is committed. So they are there
 * for every replay, whatever becomes of the files they were taken from. An ephemeral worker takes them from there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ga_utf8.h"
#include "io_content.h"
#include "io_tree.h"
#include "worker_parts.h"

enum { PATH_BYTES = 4095, NAME_BYTES = 255 };

/* --- what the texts say --- */

struct initial {
    bool read_only;
    uint64_t size, sum;
    const char *path;
};

static bool read_text(const char *text, struct initial *out)
{
    char mode[3];
    int at = 0;
    if (sscanf(text, "%2s %" SCNu64 " %" SCNx64 " %n", mode, &out->size, &out->sum, &at) != 3 || text[at] != '/')
        return false;
    out->read_only = strcmp(mode, "ro") == 0;
    out->path = text + at;
    return true;
}

void worker_set_initial_files(struct worker *worker, const char *const *texts, uint32_t count)
{
    struct initial initial;
    worker->initial = (struct worker_initial){.count = count, .texts = texts};
    for (uint32_t i = 0; i < count; i++)
        worker->initial.read_only_count += read_text(texts[i], &initial) && initial.read_only;
}

/* --- taking them --- */

static bool is_path(const char *path)
{
    size_t size = strlen(path);
    if (*path != '/' || size > PATH_BYTES || !ga_utf8_valid((const uint8_t *)path, size))
        return false;
    for (const char *at = path; *at == '/';) {
        size_t name = strcspn(++at, "/");
        if (name == 0 || name > NAME_BYTES || (name == 1 && *at == '.') || (name == 2 && memcmp(at, "..", 2) == 0))
            return false;
        at += name;
    }
    return true;
}

/* One is the other, or lies in it. */
static bool collide(const char *a, const char *b)
{
    size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
    return memcmp(a, b, shorter) == 0 && (a[shorter] == '/' || b[shorter] == '/' || a[shorter] == b[shorter]);
}

static enum ga_status check_paths(const struct worker_config *config, struct ga_report *report)
{
    for (uint32_t i = 0; i < config->file_count; i++) {
        const char *path = config->files[i].path;
        if (!is_path(path))
            return ga_report_set(report, GA_INVALID,
                                 "\"%s\" is no path for an initial file: it must be absolute, without . and ..", path);
        for (uint32_t j = 0; j < i; j++)
            if (collide(path, config->files[j].path))
                return ga_report_set(report, GA_INVALID, "the initial files %s and %s are in each other's way",
                                     config->files[j].path, path);
    }
    return GA_OK;
}

static int open_source(const char *host_path)
{
    struct stat stat;
    int fd = open(host_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = fstat(fd, &stat) != 0 ? -errno : S_ISREG(stat.st_mode) ? 0 : S_ISDIR(stat.st_mode) ? -EISDIR : -EINVAL;
    if (status == 0)
        return fd;
    close(fd);
    return status;
}

/* Copies the n-th to where it is kept (directory_fd -1: nowhere); gives its size and sum. */
static int take_one(int directory_fd, uint32_t number, int source, uint64_t *size_out, uint64_t *sum_out)
{
    char name[16];
    struct stat stat;
    if (fstat(source, &stat) != 0)
        return -errno;
    *size_out = (uint64_t)stat.st_size;
    if (directory_fd < 0)
        return io_content_sum(source, sum_out);
    snprintf(name, sizeof name, "%" PRIu32, number);
    int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int status = io_content_clone(source, fd, *size_out);
    if (status == 0 && ftruncate(fd, (off_t)*size_out) != 0) /* the source may have grown meanwhile */
        status = -errno;
    if (status == 0)
        status = io_content_sum(fd, sum_out);
    if (status == 0 && fsync(fd) != 0)
        status = -errno;
    close(fd);
    return status;
}

static enum ga_status take_all(struct worker *worker, int directory_fd, struct ga_report *report)
{
    const struct worker_config *config = worker->config;
    const char **texts = ga_arena_array(&worker->lasting, config->file_count, sizeof *texts);
    for (uint32_t i = 0; i < config->file_count; i++) {
        const struct worker_initial_file *file = &config->files[i];
        uint64_t size = 0, sum = 0;
        int source = open_source(file->host_path);
        int status = source < 0 ? source : take_one(directory_fd, i, source, &size, &sum);
        if (source >= 0)
            close(source);
        if (status != 0)
            return ga_report_errno(report, -status, "%s: cannot take it as the initial file %s", file->host_path,
                                   file->path);
        texts[i] = ga_arena_printf(&worker->lasting, "%s %" PRIu64 " %016" PRIx64 " %s", file->read_only ? "ro" : "rw",
                                   size, sum, file->path);
    }
    worker_set_initial_files(worker, texts, config->file_count);
    return GA_OK;
}

enum ga_status worker_take_initial_files(struct worker *worker, struct ga_report *report)
{
    int home_fd = worker->files.home_fd, directory_fd = -1;
    enum ga_status status = check_paths(worker->config, report);
    if (status != GA_OK || worker->config->file_count == 0)
        return status;
    if (home_fd >= 0) { /* there may be some of a creation that was cut off */
        if (io_tree_remove(home_fd, "initial") != 0 || mkdirat(home_fd, "initial", 0700) != 0 ||
            (directory_fd = openat(home_fd, "initial", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            return ga_report_errno(report, errno, "cannot make the directory for initial files");
    }
    status = take_all(worker, directory_fd, report);
    if (directory_fd < 0)
        return status;
    if (status == GA_OK && (fsync(directory_fd) != 0 || fsync(home_fd) != 0))
        status = ga_report_errno(report, errno, "cannot sync the initial files");
    close(directory_fd);
    return status;
}

/* --- placing them --- */

/* The directory of a path beneath root_fd, made if need be; *name_out: what comes behind it. Returns an fd. */
static int make_parents(int root_fd, const char *path, const char **name_out)
{
    int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (*name_out = path + 1; fd >= 0;) {
        char name[NAME_BYTES + 1];
        const char *slash = strchr(*name_out, '/');
        if (!slash)
            return fd;
        snprintf(name, sizeof name, "%.*s", (int)(slash - *name_out), *name_out);
        int next = mkdirat(fd, name, 0777) == 0 || errno == EEXIST
                       ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                       : -1;
        int error = errno;
        close(fd);
        errno = error;
        fd = next;
        *name_out = slash + 1;
    }
    return -errno;
}

static int fill(int source, int fd, const struct initial *initial)
{
    uint64_t sum;
    struct stat stat;
    int status = fstat(source, &stat) == 0 ? 0 : -errno;
    if (status == 0)
        status = (uint64_t)stat.st_size == initial->size ? io_content_clone(source, fd, initial->size) : -EBADMSG;
    if (status == 0)
        status = io_content_sum(fd, &sum);
    if (status == 0 && sum != initial->sum)
        status = -EBADMSG;
    if (status == 0 && initial->read_only && fchmod(fd, 0444) != 0)
        status = -errno;
    return status;
}

static int place_one(struct worker *worker, int source, const struct initial *initial)
{
    const char *name;
    int parent = make_parents(worker->files.root_fd, initial->path, &name);
    if (parent < 0)
        return parent;
    int fd = openat(parent, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int status = fd < 0 ? -errno : fill(source, fd, initial);
    if (fd >= 0)
        close(fd);
    close(parent);
    return status;
}

static int open_kept(const struct worker *worker, uint32_t number)
{
    char name[32];
    if (worker->files.home_fd < 0)
        return open_source(worker->config->files[number].host_path);
    snprintf(name, sizeof name, "initial/%" PRIu32, number);
    int fd = openat(worker->files.home_fd, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

enum ga_status worker_place_initial_files(struct worker *worker, struct ga_report *report)
{
    for (uint32_t i = 0; i < worker->initial.count; i++) {
        struct initial initial;
        if (!read_text(worker->initial.texts[i], &initial))
            return ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry 1: \"%s\" is no initial file",
                                 worker->config->name, worker->initial.texts[i]);
        int source = open_kept(worker, i), status = source < 0 ? source : place_one(worker, source, &initial);
        if (source >= 0)
            close(source);
        if (status == -ENOENT || status == -EBADMSG)
            return ga_report_set(report, GA_CORRUPT, "worker \"%s\": its initial file %s is %s", worker->config->name,
                                 initial.path, status == -ENOENT ? "missing" : "damaged");
        if (status != 0)
            return ga_report_errno(report, -status, "worker \"%s\": cannot make its initial file %s",
                                   worker->config->name, initial.path);
    }
    return GA_OK;
}

/* --- read-only ones --- */

bool worker_has_read_only_files(struct worker *worker)
{
    return worker->initial.read_only_count > 0;
}

static void pin_parents(struct worker *worker, const char *path)
{
    struct worker_initial *initial = &worker->initial;
    int fd = openat(worker->files.root_fd, ".", O_PATH | O_CLOEXEC);
    for (const char *at = path + 1, *slash; fd >= 0 && (slash = strchr(at, '/')) != NULL; at = slash + 1) {
        char name[NAME_BYTES + 1];
        struct stat stat;
        snprintf(name, sizeof name, "%.*s", (int)(slash - at), at);
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        fd = next;
        if (fd >= 0 && fstat(fd, &stat) == 0)
            initial->pinned[initial->pinned_count++] = stat.st_ino;
    }
    if (fd >= 0)
        close(fd);
}

/* They are pinned from the beginning, so where they are found once, they stay. */
static void find_pinned(struct worker *worker)
{
    struct initial initial;
    size_t names = 1;
    for (uint32_t i = 0; i < worker->initial.count; i++)
        for (const char *at = worker->initial.texts[i]; (at = strchr(at, '/')) != NULL; at++)
            names++;
    worker->initial.pinned = ga_arena_array(&worker->lasting, names, sizeof *worker->initial.pinned);
    for (uint32_t i = 0; i < worker->initial.count; i++)
        if (read_text(worker->initial.texts[i], &initial) && initial.read_only)
            pin_parents(worker, initial.path);
}

bool worker_directory_is_pinned(struct worker *worker, uint64_t inode)
{
    if (!worker->initial.pinned)
        find_pinned(worker);
    for (uint32_t i = 0; i < worker->initial.pinned_count; i++)
        if (worker->initial.pinned[i] == inode)
            return true;
    return false;
}
