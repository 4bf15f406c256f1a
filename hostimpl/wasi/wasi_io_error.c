#include <string.h>

#include "wasi_io.h"

const struct host_resource_type wasi_io_error_error_type = {
    .name = "wasi:io/error.error",
    .record_size = sizeof(struct wasi_error),
};

uint32_t wasi_error_new(struct worker *worker, int error)
{
    uint32_t rep;
    struct wasi_error *record = host_resource_new(worker, &wasi_io_error_error_type, &rep);
    record->error = error;
    return rep;
}

void wasi_io_error_error_to_debug_string(struct worker *worker, uint32_t self, struct cabi_string *result_out)
{
    const struct wasi_error *record = host_resource_get(worker, &wasi_io_error_error_type, self);
    *result_out = worker_string(worker, strerror(record->error));
}
