#define _GNU_SOURCE

#include "wasi_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wasi_filesystem.h"

static void drop_file(struct worker *worker, uint32_t rep, void *record, void *live)
{
    (void)record;
    (void)live;
    worker_file_drop(worker, rep);
}

static const struct host_resource_type file_type = {
    .name = "open file",
    .record_size = sizeof(struct wasi_file),
    .drop = drop_file,
};

struct wasi_file *wasi_file_get(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &file_type, rep);
}

int wasi_file_fd(struct worker *worker, uint32_t rep)
{
    return worker_file_fd(worker, rep);
}

int wasi_file_directory_fd(struct worker *worker, uint32_t rep)
{
    return wasi_file_get(worker, rep)->directory ? wasi_file_fd(worker, rep) : -ENOTDIR;
}

int wasi_file_data_fd(struct worker *worker, uint32_t rep)
{
    return wasi_file_get(worker, rep)->directory ? -EBADF : wasi_file_fd(worker, rep);
}

void wasi_file_keep(struct worker *worker, uint32_t rep)
{
    wasi_file_get(worker, rep)->references++;
}

void wasi_file_release(struct worker *worker, uint32_t rep)
{
    if (--wasi_file_get(worker, rep)->references == 0)
        host_resource_drop(worker, &file_type, rep);
}

/* --- opening --- */

/* What a new record says; the path is already known to be valid. */
static void set_path(struct wasi_file *file, const struct wasi_file *base, struct io_path path)
{
    int size = base == NULL ? snprintf(file->path, sizeof file->path, "%.*s", (int)path.size, path.data)
                            : snprintf(file->path, sizeof file->path, "%.*s/%.*s", (int)base->path_size, base->path,
                                       (int)path.size, path.data);
    file->path_size = (size_t)size < sizeof file->path ? (uint16_t)size : 0;
}

/* The fd becomes the new file's. */
static int file_new(struct worker *worker, int fd, int open_flags, uint32_t *rep_out, struct wasi_file **file_out)
{
    *file_out = host_resource_new(worker, &file_type, rep_out);
    (*file_out)->references = 1;
    int status = worker_file_put(worker, *rep_out, fd, open_flags);
    if (status != 0)
        host_resource_drop(worker, &file_type, *rep_out);
    return status;
}

int wasi_file_open_preopen(struct worker *worker, uint32_t preopen, uint32_t *rep_out)
{
    uint32_t count;
    const struct worker_preopen *preopens = worker_preopens(worker, &count);
    int root = preopen < count ? preopens[preopen].fd : -ENOENT, open_flags = O_RDONLY | O_DIRECTORY;
    int fd = root < 0 ? root : io_path_open(root, (struct io_path){".", 1}, open_flags, 0);
    struct wasi_file *file;
    int status = fd < 0 ? fd : file_new(worker, fd, open_flags, rep_out, &file);
    if (status != 0)
        return status;
    file->mode = S_IFDIR;
    file->directory = true;
    file->flags = WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ | WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_MUTATE_DIRECTORY;
    set_path(file, NULL, (struct io_path){".", 1});
    return 0;
}

static bool is_read_only(struct worker *worker, const struct stat *stat)
{
    return !worker_is_command(worker) && S_ISREG(stat->st_mode) && (stat->st_mode & 0222) == 0;
}

int wasi_file_check_writable(struct worker *worker, const struct stat *stat)
{
    return is_read_only(worker, stat) ? -EPERM : 0;
}

/*
 * Of a worker's own files: writing also reads, for checkpoints; what is read-only is found out before anything is cut off;
 * and a sync would save nothing, since they are made anew from the oplog or from a checkpoint, whatever the disk has.
 */
static int own_flags(int open_flags)
{
    if ((open_flags & O_ACCMODE) == O_WRONLY || (open_flags & O_TRUNC) != 0)
        open_flags = (open_flags & ~O_ACCMODE) | O_RDWR;
    return open_flags & ~(O_SYNC | O_DSYNC | O_RSYNC | O_TRUNC);
}

/* What own_flags left for later. */
static int finish_own_open(struct worker *worker, int fd, int open_flags, const struct stat *stat)
{
    bool changes = (open_flags & O_ACCMODE) != O_RDONLY || (open_flags & O_TRUNC) != 0;
    int status = changes ? wasi_file_check_writable(worker, stat) : 0;
    return status == 0 && (open_flags & O_TRUNC) != 0 && ftruncate(fd, 0) != 0 ? -errno : status;
}

static int open_file(struct worker *worker, int root, struct io_path path, int open_flags, struct stat *stat_out)
{
    bool own = !worker_is_command(worker);
    int fd = io_path_open(root, path, own ? own_flags(open_flags) : open_flags, 0666);
    if (fd < 0)
        return fd == -EACCES && own ? -EPERM : fd; /* what the system itself finds read-only */
    int status = fstat(fd, stat_out) != 0 ? -errno : own ? finish_own_open(worker, fd, open_flags, stat_out) : 0;
    if (status == 0)
        return fd;
    close(fd);
    return status;
}

int wasi_file_open_at(struct worker *worker, uint32_t base, struct io_path path, int open_flags, uint32_t flags,
                      uint32_t *rep_out)
{
    struct stat stat;
    struct wasi_file *file;
    int root = wasi_file_directory_fd(worker, base);
    int fd = root < 0 ? root : open_file(worker, root, path, open_flags, &stat);
    int now_flags = worker_is_command(worker) ? open_flags : own_flags(open_flags) | (open_flags & O_TRUNC);
    int status = fd < 0 ? fd : file_new(worker, fd, now_flags, rep_out, &file);
    if (status != 0)
        return status;
    file->mode = stat.st_mode & S_IFMT;
    file->directory = S_ISDIR(stat.st_mode);
    file->read_only = is_read_only(worker, &stat);
    file->flags = flags;
    if (file->directory)
        file->flags |=
            WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ | WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_MUTATE_DIRECTORY;
    set_path(file, wasi_file_get(worker, base), path);
    return 0;
}

int wasi_file_data_fd_for(struct worker *worker, uint32_t rep, uint32_t flag)
{
    const struct wasi_file *file = wasi_file_get(worker, rep);
    int fd = wasi_file_data_fd(worker, rep);
    if (fd >= 0 && flag == WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE && file->read_only)
        return -EPERM;
    return fd < 0 || (file->flags & flag) != 0 ? fd : -EBADF;
}

/* --- data --- */

ssize_t wasi_file_read_at(struct worker *worker, uint32_t rep, void *buffer, size_t size, uint64_t offset)
{
    int fd = wasi_file_data_fd_for(worker, rep, WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ);
    if (fd < 0)
        return fd;
    if (offset > INT64_MAX)
        return -EINVAL;
    ssize_t got;
    do
        got = pread(fd, buffer, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* Some filesystems know no RWF_APPEND. The worker is alone with its files, so the end does not move meanwhile. */
static ssize_t append_some(int fd, const char *data, size_t size)
{
    struct iovec part = {(char *)data, size};
    struct stat stat;
    ssize_t got = pwritev2(fd, &part, 1, 0, RWF_APPEND);
    if (got >= 0 || errno != EOPNOTSUPP)
        return got;
    return fstat(fd, &stat) != 0 ? -1 : pwrite(fd, data, size, stat.st_size);
}

/* One write(2): at an offset, or at the end. */
static ssize_t write_some(int fd, const char *data, size_t size, uint64_t offset, bool append)
{
    ssize_t got;
    do
        got = append ? append_some(fd, data, size) : pwrite(fd, data, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* How large a recorded file may be is the same on every disk. One that takes less is as good as full. */
static uint64_t max_bytes(struct worker *worker)
{
    return worker_is_command(worker) ? INT64_MAX : WASI_FILE_BYTES;
}

static ssize_t size_status(struct worker *worker, ssize_t status)
{
    return wasi_file_status(worker, status == -EFBIG && !worker_is_command(worker) ? -ENOSPC : status);
}

static ssize_t write_all(struct worker *worker, uint32_t rep, const char *data, size_t size, uint64_t offset,
                         bool append)
{
    int fd = wasi_file_data_fd_for(worker, rep, WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE);
    size_t done = 0;
    if (fd < 0)
        return fd;
    if (append && !worker_is_command(worker)) /* whose files may be pipes */
        offset = (uint64_t)lseek(fd, 0, SEEK_END);
    if (size > max_bytes(worker) || offset > max_bytes(worker) - size)
        return -EFBIG;
    while (done < size) {
        ssize_t got = size_status(worker, write_some(fd, data + done, size - done, offset + done, append));
        if (got < 0 && done == 0)
            return got;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    worker_file_written(worker, rep, offset, offset + done);
    return (ssize_t)done;
}

ssize_t wasi_file_write_at(struct worker *worker, uint32_t rep, const void *data, size_t size, uint64_t offset)
{
    return write_all(worker, rep, data, size, offset, false);
}

ssize_t wasi_file_append(struct worker *worker, uint32_t rep, const void *data, size_t size)
{
    return write_all(worker, rep, data, size, 0, true);
}

int wasi_file_set_size(struct worker *worker, uint32_t rep, uint64_t size)
{
    int fd = wasi_file_data_fd_for(worker, rep, WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE);
    if (fd < 0)
        return fd;
    if (size > max_bytes(worker))
        return -EFBIG;
    if (ftruncate(fd, (off_t)size) != 0)
        return (int)size_status(worker, -errno);
    worker_file_resized(worker, rep, size);
    return 0;
}

/* --- streams --- */

static enum wasi_stream_state read_file(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                        size_t size, size_t *count_out, int *error_out)
{
    ssize_t got =
        wasi_file_status(worker, wasi_file_read_at(worker, stream->source, buffer, size, stream->offset));
    *count_out = got > 0 ? (size_t)got : 0;
    stream->offset += *count_out;
    *error_out = got < 0 ? (int)-got : 0;
    return got > 0 || got == -EAGAIN ? WASI_STREAM_OK : got == 0 ? WASI_STREAM_CLOSED : WASI_STREAM_FAILED;
}

static void drop_input(struct worker *worker, struct wasi_input_stream *stream)
{
    wasi_file_release(worker, stream->source);
}

static const struct wasi_input_ops input_ops = {
    .pollable = &wasi_pollable_always,
    .read = read_file,
    .drop = drop_input,
};

static enum wasi_stream_state finish_write(ssize_t got, size_t size, int *error_out)
{
    if (got == (ssize_t)size)
        return WASI_STREAM_OK;
    *error_out = got < 0 ? (int)-got : ENOSPC; /* what a short write runs into next */
    return WASI_STREAM_FAILED;
}

static enum wasi_stream_state write_file(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                         size_t size, int *error_out)
{
    ssize_t got = wasi_file_write_at(worker, stream->sink, data, size, stream->offset);
    stream->offset += got > 0 ? (uint64_t)got : 0;
    return finish_write(got, size, error_out);
}

static enum wasi_stream_state append_file(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                          size_t size, int *error_out)
{
    return finish_write(wasi_file_append(worker, stream->sink, data, size), size, error_out);
}

static void drop_output(struct worker *worker, struct wasi_output_stream *stream)
{
    wasi_file_release(worker, stream->sink);
}

static const struct wasi_output_ops output_ops = {
    .pollable = &wasi_pollable_always,
    .write = write_file,
    .drop = drop_output,
};

static const struct wasi_output_ops append_ops = {
    .pollable = &wasi_pollable_always,
    .write = append_file,
    .drop = drop_output,
};

uint32_t wasi_file_input_stream(struct worker *worker, uint32_t rep, uint64_t offset)
{
    wasi_file_keep(worker, rep);
    return wasi_input_stream_new(worker, &input_ops, rep, offset);
}

uint32_t wasi_file_output_stream(struct worker *worker, uint32_t rep, uint64_t offset)
{
    wasi_file_keep(worker, rep);
    return wasi_output_stream_new(worker, &output_ops, rep, offset);
}

uint32_t wasi_file_append_stream(struct worker *worker, uint32_t rep)
{
    wasi_file_keep(worker, rep);
    return wasi_output_stream_new(worker, &append_ops, rep, 0);
}
