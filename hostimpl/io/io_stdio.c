#define _GNU_SOURCE

#include "io_stdio.h"

#include <errno.h>
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

void io_stdio_write(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        at += written;
        size -= (size_t)written;
    }
}

bool io_stdio_is_terminal(int fd)
{
    return isatty(fd) == 1;
}
