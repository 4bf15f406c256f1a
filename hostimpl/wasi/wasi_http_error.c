#include "wasi_http.h"

/* Errors of body streams: the number of a case of error-code, which has no payload then. */

/* As the WIT has them, by case number. */
static const char *error_name(int32_t code)
{
    const struct cabi_type *type = host_wasi_http_types_http_error_code.type->result->members[1].type;
    return code >= 0 && (uint32_t)code < type->member_count ? type->members[code].name : "unknown error";
}

const struct wasi_error_kind wasi_http_error_kind = {.name = "wasi:http error-code", .print = error_name};

struct wasi_http_types_error_code wasi_http_error(uint32_t number)
{
    return (struct wasi_http_types_error_code){.tag = number};
}

void wasi_http_types_http_error_code(struct worker *worker, uint32_t err,
                                     struct option_wasi_http_types_error_code *result_out)
{
    const struct wasi_error *error = host_resource_get(worker, &wasi_io_error_error_type, err);
    result_out->tag = error->kind == &wasi_http_error_kind;
    if (result_out->tag == 1)
        result_out->value.some = wasi_http_error((uint32_t)error->code);
}
