#define _GNU_SOURCE

#include "io_content.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ga_hash.h"

enum { COPY_BYTES = 1 << 20, SUM_BYTES = 1 << 16 };

/* The next bytes at or after *begin that are no hole, before end: [*begin, *end_out). 0: there are none. */
static int next_extent(int fd, uint64_t *begin, uint64_t end, uint64_t *end_out)
{
    off_t data = lseek(fd, (off_t)*begin, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return 0;
    off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
    if (hole < 0) { /* a file system without holes */
        data = (off_t)*begin;
        hole = lseek(fd, 0, SEEK_END);
    }
    *begin = (uint64_t)data;
    *end_out = (uint64_t)hole < end ? (uint64_t)hole : end;
    return hole < 0 ? -errno : *begin < *end_out;
}

/* --- copying --- */

static bool is_unsupported(int error)
{
    return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EBADF ||
           error == EPERM || error == EISDIR;
}

static int copy_by_hand(int from, int to, off_t at, uint64_t size)
{
    char *buffer = malloc(COPY_BYTES);
    int status = buffer == NULL ? -ENOMEM : 0;
    while (status == 0 && size > 0) {
        ssize_t got = pread(from, buffer, size < COPY_BYTES ? (size_t)size : COPY_BYTES, at);
        if (got < 0 && errno == EINTR)
            continue;
        status = got < 0 ? -errno : got == 0 ? -EIO : 0;
        for (ssize_t done = 0; status == 0 && done < got;) {
            ssize_t put = pwrite(to, buffer + done, (size_t)(got - done), at + done);
            if (put < 0 && errno != EINTR)
                status = -errno;
            done += put > 0 ? put : 0;
        }
        at += got > 0 ? got : 0;
        size -= got > 0 ? (uint64_t)got : 0;
    }
    free(buffer);
    return status;
}

static int copy_extent(int from, int to, uint64_t begin, uint64_t end)
{
    off_t in = (off_t)begin, out = (off_t)begin;
    while ((uint64_t)in < end) {
        ssize_t got = copy_file_range(from, &in, to, &out, end - (uint64_t)in, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0 || (got < 0 && is_unsupported(errno)))
            return copy_by_hand(from, to, in, end - (uint64_t)in);
        if (got < 0)
            return -errno;
    }
    return 0;
}

int io_content_copy(int from, int to, uint64_t begin, uint64_t end)
{
    uint64_t extent_end;
    int got;
    while (begin < end && (got = next_extent(from, &begin, end, &extent_end)) != 0) {
        int status = got < 0 ? got : copy_extent(from, to, begin, extent_end);
        if (status != 0)
            return status;
        begin = extent_end;
    }
    return 0;
}

int io_content_clone(int from, int to, uint64_t size)
{
    if (size == 0 || ioctl(to, FICLONE, from) == 0)
        return 0;
    if (ftruncate(to, (off_t)size) != 0)
        return -errno;
    return io_content_copy(from, to, 0, size);
}

/* --- sums --- */

/* Blocks that are all zero count nothing, as holes do; a block's sum depends on its place. */
static int sum_block(int fd, uint64_t at, uint8_t *buffer, uint64_t *sum)
{
    size_t size = 0;
    ssize_t got;
    while (size < SUM_BYTES && (got = pread(fd, buffer + size, SUM_BYTES - size, (off_t)(at + size))) != 0) {
        if (got < 0 && errno != EINTR)
            return -errno;
        size += got > 0 ? (size_t)got : 0;
    }
    memset(buffer + size, 0, SUM_BYTES - size);
    if (buffer[0] != 0 || memcmp(buffer, buffer + 1, SUM_BYTES - 1) != 0)
        *sum += ga_hash64(buffer, SUM_BYTES, at);
    return 0;
}

int io_content_sum(int fd, uint64_t *sum_out)
{
    uint64_t at = 0, end;
    uint8_t *buffer = malloc(SUM_BYTES);
    int status = buffer == NULL ? -ENOMEM : 0, got;
    *sum_out = 0;
    while (status == 0 && (got = next_extent(fd, &at, UINT64_MAX, &end)) != 0) {
        status = got < 0 ? got : 0;
        for (at = at / SUM_BYTES * SUM_BYTES; status == 0 && at < end; at += SUM_BYTES)
            status = sum_block(fd, at, buffer, sum_out);
    }
    free(buffer);
    return status;
}
