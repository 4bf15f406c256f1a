#define _GNU_SOURCE

#include "io_stdio.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_clock.h"

bool io_stdin_wait(uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return io_clock_poll(&fd, 1, deadline_ns) > 0;
}

ssize_t io_stdin_read(void *buffer, size_t size)
{
    ssize_t got;
    do
        got = read(STDIN_FILENO, buffer, size);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

int io_stdio_write(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EAGAIN) /* somebody else has set the stream to not block */
            (void)io_clock_poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, IO_CLOCK_NEVER);
        else if (written < 0 && errno != EINTR)
            return errno;
        if (written <= 0)
            continue;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Others than files and the like may keep a writer waiting. */
static bool may_block(int fd)
{
    static enum { UNKNOWN, BLOCKS, NEVER_BLOCKS } kinds[STDERR_FILENO + 1];
    if (kinds[fd] == UNKNOWN) {
        struct stat about;
        bool blocks = fstat(fd, &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode) || isatty(fd) == 1);
        kinds[fd] = blocks ? BLOCKS : NEVER_BLOCKS;
    }
    return kinds[fd] == BLOCKS;
}

size_t io_stdio_room(int fd, size_t most)
{
    if (!may_block(fd))
        return most;
    /* poll says that a pipe takes so many (pipe(7), POSIX PIPE_BUF); other streams, at least some. An error, which write
     * tells, counts as room. */
    size_t some = most < PIPE_BUF ? most : PIPE_BUF;
    return io_clock_poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 0) > 0 ? some : 0;
}

bool io_stdio_is_terminal(int fd)
{
    return isatty(fd) == 1;
}
