#include "host_functions.h"
#include "io_clock.h"

static struct wasi_clocks_wall_clock_datetime datetime(uint64_t ns)
{
    return (struct wasi_clocks_wall_clock_datetime){ns / 1000000000u, (uint32_t)(ns % 1000000000u)};
}

void wasi_clocks_wall_clock_now(struct worker *worker, struct wasi_clocks_wall_clock_datetime *result_out)
{
    (void)worker;
    *result_out = datetime(io_clock_wall_ns());
}

void wasi_clocks_wall_clock_resolution(struct worker *worker, struct wasi_clocks_wall_clock_datetime *result_out)
{
    (void)worker;
    *result_out = datetime(io_clock_wall_resolution_ns());
}
