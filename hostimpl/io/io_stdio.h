#ifndef IO_STDIO_H
#define IO_STDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The process's standard streams. */

/* Waits until there is input or its end; false at the deadline (io_clock_monotonic_ns). */
bool io_stdin_wait(uint64_t deadline_ns);

/* Bytes read, 0 at the end, or a negative errno. */
ssize_t io_stdin_read(void *buffer, size_t size);

/* Writes everything, and waits where that takes. 0, or an errno: EPIPE if nobody reads any more. */
int io_stdio_write(int fd, const void *data, size_t size);

/* How many bytes a write would take now without waiting: 0, or up to `most`. */
size_t io_stdio_room(int fd, size_t most);

bool io_stdio_is_terminal(int fd);

#endif
