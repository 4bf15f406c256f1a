#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <poll.h>
#include <stdint.h>

/* Nanoseconds since 1970, UTC. */
uint64_t io_clock_wall_ns(void);
uint64_t io_clock_wall_resolution_ns(void);

/*
 * A monotonic clock that goes on where another process of the same worker left it: nanoseconds since 1970 when this
 * process first asked, and from then on CLOCK_BOOTTIME, which setting the time does not move. A deadline on this
 * clock keeps its meaning over restarts, time asleep included.
 */
uint64_t io_clock_monotonic_ns(void);
uint64_t io_clock_monotonic_resolution_ns(void);

#define IO_CLOCK_NEVER UINT64_MAX

/* poll(2) until the deadline on the monotonic clock (IO_CLOCK_NEVER: without one). Interruptions are waited through.
 * Returns how many fds have events; with no fds, it sleeps. */
int io_clock_poll(struct pollfd *fds, unsigned count, uint64_t deadline_ns);

#endif
