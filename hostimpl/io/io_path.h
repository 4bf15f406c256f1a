#ifndef IO_PATH_H
#define IO_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/*
 * File operations by a guest's path, which never leave the directory they start from: whatever `..`, symbolic links and
 * renames under way do, no object outside is opened, changed, or told from one that is not there (EPERM in all cases).
 * Absolute paths and absolute links are EPERM too.
 *
 * root is a directory (O_PATH will do). A path is bytes with a size: one with a NUL is EINVAL, an empty one ENOENT,
 * one too long ENAMETOOLONG. All functions return 0 (or what is said) or a negative errno.
 */
struct io_path {
    const char *data;
    size_t size;
};

/* open(2) beneath root; O_CLOEXEC, O_NOCTTY and O_NONBLOCK are added, but for O_PATH. The fd is the caller's. */
int io_path_open(int root, struct io_path path, int flags, mode_t mode);

/* follow: a link at the end of the path is followed (a trailing slash does that in any case). */
int io_path_stat(int root, struct io_path path, bool follow, struct stat *out);
int io_path_set_times(int root, struct io_path path, bool follow, const struct timespec times[2]);
ssize_t io_path_readlink(int root, struct io_path path, char *buffer, size_t size);

int io_path_make_directory(int root, struct io_path path);
int io_path_remove_directory(int root, struct io_path path);
int io_path_unlink(int root, struct io_path path);
int io_path_rename(int old_root, struct io_path old_path, int new_root, struct io_path new_path);
int io_path_link(int old_root, struct io_path old_path, int new_root, struct io_path new_path);
int io_path_symlink(struct io_path target, int root, struct io_path path);

/* Sets the times of what fd (O_PATH too) refers to. */
int io_path_set_fd_times(int fd, const struct timespec times[2]);

/* Tests: false makes io_path_open walk by itself, as on kernels before 5.6. */
extern bool io_path_use_openat2;

#endif
