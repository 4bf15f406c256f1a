#include <string.h>

#include "wasi_io.h"

const struct host_resource_type wasi_io_error_error_type = {
    .name = "wasi:io/error.error",
    .record_size = sizeof(struct wasi_error),
};

static const char *print_errno(int32_t code)
{
    return strerror(code);
}

const struct wasi_error_kind wasi_error_errno = {"errno", print_errno};

uint32_t wasi_error_new(struct worker *worker, const struct wasi_error_kind *kind, int32_t code)
{
    uint32_t rep;
    struct wasi_error *record = host_resource_new(worker, &wasi_io_error_error_type, &rep);
    *record = (struct wasi_error){kind, code};
    return rep;
}

void wasi_io_error_error_to_debug_string(struct worker *worker, uint32_t self, struct cabi_string *result_out)
{
    const struct wasi_error *error = host_resource_get(worker, &wasi_io_error_error_type, self);
    *result_out = worker_string(worker, error->kind->print(error->code));
}
