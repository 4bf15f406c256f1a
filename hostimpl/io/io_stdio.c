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

bool io_stdio_is_terminal(int fd)
{
    return isatty(fd) == 1;
}
