#include "worker_double.h"

/*
 * That this links says that every function of wit/ has a definition; an executable would only tell when a component
 * imports the missing one.
 */
#define X(name) &host_##name,
static const struct host_func *const all_functions[] = {HOST_FUNCTION_MAP(X)};
#undef X

static bool is_recorded(enum durability durability)
{
    return durability != DURABLE_PURE && durability != DURABLE_OBSERVE && durability != DURABLE_CUSTOM;
}

Test(host_functions, every_one_is_complete)
{
    for (size_t i = 0; i < sizeof all_functions / sizeof *all_functions; i++) {
        const struct host_func *func = all_functions[i];
        cr_expect(func->interface != NULL && func->name != NULL && func->call != NULL && func->type != NULL);
        cr_expect(!is_recorded(func->durability) || func->record_name != NULL, "%s", func->name);
        cr_expect_not_null(func->type->params_tuple, "%s", func->name);
    }
    cr_expect_geq(sizeof all_functions / sizeof *all_functions, 90);
}

/* A thunk takes its parameters from the native tuple and puts the result into the native result. */
Test(host_functions, a_thunk_passes_values_through)
{
    struct {
        uint64_t seconds;
        uint32_t nanoseconds;
    } when = {1, 2};
    int32_t offset = 7;
    host_wasi_clocks_timezone_utc_offset.call(&double_worker, &when, &offset);
    cr_expect_eq(offset, 0);
    struct golem_rpc_types_uuid uuid = {0x0123456789abcdef, 0x8123456789abcdef};
    struct cabi_string text;
    host_golem_rpc_types_uuid_to_string.call(&double_worker, &uuid, &text);
    cr_expect(text.size == 36 && memcmp(text.data, "01234567-89ab-cdef-8123-456789abcdef", 36) == 0);
}
