#define _GNU_SOURCE

#include "io_clock.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "ga_assert.h"

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    GA_ASSERT(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t read_resolution(clockid_t clock)
{
    struct timespec resolution;
    GA_ASSERT(clock_getres(clock, &resolution) == 0);
    uint64_t ns = (uint64_t)resolution.tv_sec * 1000000000u + (uint64_t)resolution.tv_nsec;
    return ns > 0 ? ns : 1;
}

uint64_t io_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t io_clock_wall_resolution_ns(void)
{
    return read_resolution(CLOCK_REALTIME);
}

uint64_t io_clock_monotonic_ns(void)
{
    static uint64_t base; /* added to CLOCK_BOOTTIME; never 0 once it is set */
    uint64_t boot = read_clock(CLOCK_BOOTTIME);
    if (base == 0)
        base = io_clock_wall_ns() - boot;
    return base + boot;
}

uint64_t io_clock_monotonic_resolution_ns(void)
{
    return read_resolution(CLOCK_BOOTTIME);
}

/* CLOCK_BOOTTIME goes on while the machine sleeps, ppoll's timeout does not: wake up now and then. */
static const uint64_t slice_ns = 60u * 1000000000u;

int io_clock_poll(struct pollfd *fds, unsigned count, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now = io_clock_monotonic_ns();
        uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
        uint64_t wait = left < slice_ns ? left : slice_ns;
        struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        int ready = ppoll(fds, count, &timeout, NULL);
        GA_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM);
        if (ready > 0 || (ready == 0 && left == wait))
            return ready;
    }
}
