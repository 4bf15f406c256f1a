#include "host_functions.h"

/* A worker may run on any machine: its time zone is always UTC. */
void wasi_clocks_timezone_display(struct worker *worker, const struct wasi_clocks_wall_clock_datetime *when,
                                  struct wasi_clocks_timezone_timezone_display *result_out)
{
    (void)when;
    result_out->utc_offset = 0;
    result_out->name = worker_string(worker, "UTC");
    result_out->in_daylight_saving_time = false;
}

int32_t wasi_clocks_timezone_utc_offset(struct worker *worker, const struct wasi_clocks_wall_clock_datetime *when)
{
    (void)worker;
    (void)when;
    return 0;
}
