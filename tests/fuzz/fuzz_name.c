/* Names of functions as callers write them: found or refused, and its pieces lie in the text. */
#include "cabi_types_made.h"
#include "function_name.h"
#include "fuzz.h"

static const struct cabi_resource counter = {.name = "counter"};
static const struct cabi_type own_counter = {.kind = CABI_OWN, .native_size = 4, .native_align = 4, .resource = &counter};
static const struct cabi_member self[] = {{.name = "self", .type = &own_counter}, {.name = "by", .type = &cabi_u64}};
static const struct cabi_func_type free_type, makes = {.result = &own_counter},
                                              method = {.param_count = 2, .params = self};

static const struct rt_export exports[] = {
    {.interface = "", .name = "f", .type = &free_type},
    {.interface = "", .name = "[constructor]counter", .type = &makes},
    {.interface = "", .name = "[method]counter.inc-by", .type = &method},
    {.interface = "a:b/c@1.0.0", .name = "g", .type = &free_type},
    {.interface = "a:b/c@1.0.0", .name = "[constructor]r", .type = &makes},
    {.interface = "a:b/c@1.0.0", .name = "[method]r.m", .type = &method},
    {.interface = "a:b/c@1.0.0", .name = "[static]r.s", .type = &free_type},
    {.interface = "d", .name = "[method]only.m", .type = &method},
};
const struct rt_component golem_component = {.name = "made",
                                             .export_count = sizeof exports / sizeof *exports,
                                             .exports = exports};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct ga_arena arena = {0};
    struct ga_report report = {0};
    struct function_name name;
    char *text = (char *)fuzz_copy(data, size);
    enum ga_status status = function_name_resolve(text, size, &name, &report);
    fuzz_check_report(status, &report);
    if (status == GA_OK) {
        GA_ASSERT(function_name_params(&name, &arena) != NULL);
        GA_ASSERT(name.constructor == NULL || (name.key >= text && name.key + name.key_size <= text + size));
    }
    ga_arena_free(&arena);
    free(text);
    return 0;
}
