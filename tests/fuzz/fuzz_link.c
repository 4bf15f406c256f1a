/* The whole compiler up to the C compiler: what is valid is linked, its modules are prepared, its glue is written; every
 * import is missing. */
#include "emit.h"
#include "fuzz.h"
#include "val.h"

static enum ga_status prepare_modules(struct ga_arena *arena, const struct plan *plan, struct core_prepared *prepared,
                                      struct ga_report *report)
{
    for (uint32_t i = 0; i < plan->modules.count; i++) {
        const struct plan_module *module = &plan->modules.items[i];
        enum ga_status status = core_prepare(arena, module->bytes, module->core, prepared, i, &prepared[i], report);
        if (status != GA_OK)
            return status;
    }
    return GA_OK;
}

static enum ga_status compile(struct ga_arena *arena, const uint8_t *data, size_t size, struct ga_buf *c,
                              struct ga_buf *defsyms, struct plan **plan, struct core_prepared **prepared,
                              struct ga_report *report)
{
    struct component *component;
    enum ga_status status = bin_read(arena, data, size, &component, report);
    if (status == GA_OK)
        status = val_component(arena, component, report);
    if (status == GA_OK)
        status = link_component(arena, component, plan, report);
    if (status != GA_OK)
        return status;
    *prepared = ga_arena_array(arena, (*plan)->modules.count, sizeof **prepared);
    status = prepare_modules(arena, *plan, *prepared, report);
    if (status != GA_OK)
        return status;
    struct emit_input input = {
        .plan = *plan,
        .modules = *prepared,
        .imports = ga_arena_array(arena, (*plan)->imports.count, sizeof *input.imports),
        .component_name = "made",
        .component_hash = "00",
        .wit = "",
    };
    return emit_glue(arena, &input, c, defsyms, report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ga_arena arena = {0};
    struct ga_report report = {0};
    struct ga_buf c = {0}, defsyms = {0};
    struct plan *plan = NULL;
    struct core_prepared *prepared = NULL;
    uint8_t *copy = fuzz_copy(data, size);
    fuzz_check_report(compile(&arena, copy, size, &c, &defsyms, &plan, &prepared, &report), &report);
    for (uint32_t i = 0; prepared != NULL && i < plan->modules.count; i++) {
        ga_buf_free(&prepared[i].wasm);
        ga_buf_free(&prepared[i].data);
    }
    ga_buf_free(&c);
    ga_buf_free(&defsyms);
    ga_arena_free(&arena);
    free(copy);
    return 0;
}
