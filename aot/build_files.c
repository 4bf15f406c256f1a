#define _GNU_SOURCE
#include "build_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* To the end or `size`, whichever comes first: a file that grows meanwhile is cut. */
static enum ga_status read_all(int fd, const char *name, size_t size, struct ga_buf *out, struct ga_report *report)
{
    ga_buf_reserve(out, size + 1);
    while (size) {
        ssize_t count = read(fd, out->data + out->size, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return ga_report_errno(report, errno, "cannot read %s", name);
        if (count == 0)
            break;
        out->size += (size_t)count;
        size -= (size_t)count;
    }
    return GA_OK;
}

enum ga_status build_file_read(const char *path, uint64_t limit, struct ga_buf *out, struct ga_report *report)
{
    return build_file_read_as(path, path, limit, out, report);
}

enum ga_status build_file_read_as(const char *path, const char *name, uint64_t limit, struct ga_buf *out,
                                  struct ga_report *report)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ga_report_errno(report, errno, "cannot open %s", name);
    enum ga_status status = GA_OK;
    struct stat info;
    if (fstat(fd, &info) != 0)
        status = ga_report_errno(report, errno, "cannot read %s", name);
    else if (!S_ISREG(info.st_mode))
        status = ga_report_set(report, GA_INVALID, "%s is no regular file", name);
    else if ((uint64_t)info.st_size > limit)
        status =
            ga_report_set(report, GA_LIMIT, "%s is too large (limit is %llu bytes)", name, (unsigned long long)limit);
    if (status == GA_OK)
        status = read_all(fd, name, (size_t)info.st_size, out, report);
    close(fd);
    return status;
}

static bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t count = write(fd, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        at += count;
        size -= (size_t)count;
    }
    return true;
}

enum ga_status build_file_write(const char *path, const void *data, size_t size, struct ga_report *report)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return ga_report_errno(report, errno, "cannot create %s", path);
    enum ga_status status = GA_OK;
    if (!write_all(fd, data, size))
        status = ga_report_errno(report, errno, "cannot write %s", path);
    if (close(fd) != 0 && status == GA_OK)
        status = ga_report_errno(report, errno, "cannot write %s", path);
    return status;
}

static bool copy_by_blocks(int out_fd, int in_fd)
{
    static char block[1 << 16];
    for (;;) {
        ssize_t count = read(in_fd, block, sizeof block);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == 0;
        if (!write_all(out_fd, block, (size_t)count))
            return false;
    }
}

enum ga_status build_file_append(int out_fd, const char *from, struct ga_report *report)
{
    int in_fd = open(from, O_RDONLY | O_CLOEXEC);
    if (in_fd < 0)
        return ga_report_errno(report, errno, "cannot open %s", from);
    bool copied = false;
    for (;;) {
        ssize_t count = copy_file_range(in_fd, NULL, out_fd, NULL, 1 << 30, 0);
        if (count == 0) {
            copied = true;
            break;
        }
        if (count < 0 && errno != EINTR) /* other file systems, old kernels: from where it stopped */
            break;
    }
    if (!copied)
        copied = copy_by_blocks(out_fd, in_fd);
    int error = errno;
    close(in_fd);
    return copied ? GA_OK : ga_report_errno(report, error, "cannot copy %s", from);
}

enum ga_status build_directory_make(const char *path, struct ga_report *report)
{
    char part[4096];
    size_t size = strlen(path);
    if (size >= sizeof part)
        return ga_report_set(report, GA_LIMIT, "too long a path: %s", path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i])
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST && (!path[i] || errno != EROFS))
            return ga_report_errno(report, errno, "cannot make directory %s", part);
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return ga_report_errno(report, ENOTDIR, "cannot make directory %s", path);
    return GA_OK;
}

static enum ga_status copy_file(const char *from, const char *to, struct ga_report *report)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return ga_report_errno(report, errno, "cannot create %s", to);
    enum ga_status status = build_file_append(fd, from, report);
    if (close(fd) != 0 && status == GA_OK)
        status = ga_report_errno(report, errno, "cannot write %s", to);
    return status;
}

enum ga_status build_directory_copy(const char *from, const char *to, struct ga_report *report)
{
    char from_path[4096], to_path[4096];
    DIR *directory = opendir(from);
    enum ga_status status = directory ? GA_OK : ga_report_errno(report, errno, "cannot read directory %s", from);
    for (struct dirent *entry; status == GA_OK && (entry = readdir(directory));) {
        struct stat info;
        snprintf(from_path, sizeof from_path, "%s/%s", from, entry->d_name);
        snprintf(to_path, sizeof to_path, "%s/%s", to, entry->d_name);
        if (stat(from_path, &info) == 0 && S_ISREG(info.st_mode))
            status = copy_file(from_path, to_path, report);
    }
    if (directory)
        closedir(directory);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info, (void)type, (void)place;
    remove(path);
    return 0;
}

void build_tree_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

double build_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}
