/* Core modules: reading, validating and the pre-pass. What the pre-pass writes is a valid module again. */
#include "core.h"
#include "fuzz.h"

static void check_prepared(struct ga_arena *arena, const struct core_prepared *prepared)
{
    struct ga_report report = {0};
    struct core_module *again;
    struct slice bytes = {(const char *)prepared->wasm.data, (uint32_t)prepared->wasm.size};
    enum ga_status status = core_read(arena, bytes, &again, &report);
    GA_ASSERT(status == GA_OK || status == GA_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ga_arena arena = {0};
    struct ga_report report = {0};
    struct core_module *module;
    struct core_prepared prepared = {0};
    uint8_t *copy = fuzz_copy(data, size);
    struct slice bytes = {(const char *)copy, (uint32_t)size};
    enum ga_status status = core_read(&arena, bytes, &module, &report);
    if (status == GA_OK)
        status = core_prepare(&arena, bytes, module, NULL, 0, &prepared, &report);
    fuzz_check_report(status, &report);
    if (status == GA_OK)
        check_prepared(&arena, &prepared);
    ga_buf_free(&prepared.wasm);
    ga_buf_free(&prepared.data);
    ga_arena_free(&arena);
    free(copy);
    return 0;
}
