#ifndef WASI_FILE_H
#define WASI_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "io_path.h"
#include "wasi_io.h"

/*
 * Open files and directories: what descriptors, their streams and directory listings share. An open file is a host
 * resource of its own that no guest names, counted by those who use it; its fd is the worker's (worker_file_put), which
 * brings it back after a restore.
 *
 * All functions return 0 (or what is said) or a negative errno.
 */
#define WASI_FILE_BYTES (1ull << 42) /* of a recorded worker's file, at most: every usual file system takes that */

struct wasi_file {
    uint32_t references;
    uint32_t flags;     /* descriptor-flags */
    uint32_t mode;      /* its type, as in st_mode */
    bool directory, read_only;
    uint16_t path_size;
    char path[512];     /* from the preopen, for the oplog; "" if it is longer */
};

/* The preopened directory itself. Returns the rep of the new file in *rep_out. */
int wasi_file_open_preopen(struct worker *worker, uint32_t preopen, uint32_t *rep_out);

/* open(2) beneath the directory `base`. */
int wasi_file_open_at(struct worker *worker, uint32_t base, struct io_path path, int open_flags, uint32_t flags,
                      uint32_t *rep_out);

struct wasi_file *wasi_file_get(struct worker *worker, uint32_t rep);
int wasi_file_fd(struct worker *worker, uint32_t rep);           /* the fd stays the file's */
int wasi_file_directory_fd(struct worker *worker, uint32_t rep); /* -ENOTDIR for a file */
int wasi_file_data_fd(struct worker *worker, uint32_t rep);      /* -EBADF for a directory */

/* The same, for what this descriptor-flag permits: -EBADF if it was not opened for it, -EPERM if the file is read-only. */
int wasi_file_data_fd_for(struct worker *worker, uint32_t rep, uint32_t flag);
/* -EPERM for a worker's read-only file. */
int wasi_file_check_writable(struct worker *worker, const struct stat *stat);

void wasi_file_keep(struct worker *worker, uint32_t rep);
void wasi_file_release(struct worker *worker, uint32_t rep);

ssize_t wasi_file_read_at(struct worker *worker, uint32_t rep, void *buffer, size_t size, uint64_t offset);
int wasi_file_set_size(struct worker *worker, uint32_t rep, uint64_t size);
/* All of it, unless there is an error at the beginning; what was written is returned. */
ssize_t wasi_file_write_at(struct worker *worker, uint32_t rep, const void *data, size_t size, uint64_t offset);
ssize_t wasi_file_append(struct worker *worker, uint32_t rep, const void *data, size_t size);

/* Streams over a file, which they keep open. */
uint32_t wasi_file_input_stream(struct worker *worker, uint32_t rep, uint64_t offset);
uint32_t wasi_file_output_stream(struct worker *worker, uint32_t rep, uint64_t offset);
uint32_t wasi_file_append_stream(struct worker *worker, uint32_t rep);

#endif
