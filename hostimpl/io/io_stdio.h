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

/* Writes everything. Errors are nobody's to report: a reader that has gone away does not stop a worker. */
void io_stdio_write(int fd, const void *data, size_t size);

bool io_stdio_is_terminal(int fd);

#endif
