#include "durable.h"
#include "io_clock.h"
#include "wasi_io.h"

uint64_t wasi_clocks_monotonic_clock_now(struct worker *worker)
{
    (void)worker;
    return io_clock_monotonic_ns();
}

uint64_t wasi_clocks_monotonic_clock_resolution(struct worker *worker)
{
    (void)worker;
    return io_clock_monotonic_resolution_ns();
}

uint32_t wasi_clocks_monotonic_clock_subscribe_instant(struct worker *worker, uint64_t when)
{
    return wasi_pollable_new(worker, &wasi_pollable_timer, 0, when < IO_CLOCK_NEVER ? when : IO_CLOCK_NEVER - 1);
}

static void make_now(void *context, void *result)
{
    (void)context;
    *(uint64_t *)result = io_clock_monotonic_ns();
}

/* The time it begins is recorded, so that the deadline survives a restart (poll commits before it waits). */
uint32_t wasi_clocks_monotonic_clock_subscribe_duration(struct worker *worker, uint64_t when)
{
    const struct cabi_func_type *type = host_wasi_clocks_monotonic_clock_subscribe_duration.type;
    uint64_t now = 0, deadline_ns;
    durable_value(worker, host_wasi_clocks_monotonic_clock_subscribe_duration.record_name, DURABLE_READ_LOCAL,
                  type->params_tuple, &when, host_wasi_clocks_monotonic_clock_now.type->result, &now, make_now, NULL);
    if (__builtin_add_overflow(now, when, &deadline_ns))
        deadline_ns = IO_CLOCK_NEVER;
    return wasi_clocks_monotonic_clock_subscribe_instant(worker, deadline_ns);
}
