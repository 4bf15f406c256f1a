#include "emit_parts.h"

static const struct {
    const char *c;
    char letter; /* wasm2c's, in names of multi-value structs */
} core_types[] = {
    [CORE_I32] = {"uint32_t", 'i'},  [CORE_I64] = {"uint64_t", 'j'},
    [CORE_F32] = {"float", 'f'},     [CORE_F64] = {"double", 'd'},
    [CORE_V128] = {"v128", 'o'},     [CORE_FUNCREF] = {"wasm_rt_funcref_t", 'r'},
    [CORE_EXTERNREF] = {"wasm_rt_externref_t", 'e'},
};

const char *emit_core_type(struct emitter *emitter, uint8_t kind)
{
    if (kind < sizeof core_types / sizeof core_types[0])
        return core_types[kind].c;
    emitter->status = ga_report_set(emitter->report, GA_UNSUPPORTED,
                                    "a core function that several core instances get from different places has a "
                                    "parameter or result of a reference type that is not supported there");
    return "void *";
}

const char *emit_result_type(struct emitter *emitter, const struct core_func_type *type)
{
    if (type->result_count == 0)
        return "void";
    if (type->result_count == 1)
        return emit_core_type(emitter, type->results[0]);
    char *letters = ga_arena_alloc(emitter->arena, type->result_count + 1);
    for (uint32_t i = 0; i < type->result_count; i++) {
        emit_core_type(emitter, type->results[i]);
        letters[i] = type->results[i] <= CORE_EXTERNREF ? core_types[type->results[i]].letter : '_';
    }
    return ga_arena_printf(emitter->arena, "struct wasm_multi_%s", letters);
}

void emit_params(struct emitter *emitter, struct ga_buf *out, const struct core_func_type *type)
{
    for (uint32_t i = 0; i < type->param_count; i++)
        ga_buf_printf(out, "%s%s a%u", i > 0 ? ", " : "", emit_core_type(emitter, type->params[i]), i);
}

const char *emit_arguments(struct emitter *emitter, uint32_t count)
{
    struct ga_buf text = {0};
    for (uint32_t i = 0; i < count; i++)
        ga_buf_printf(&text, "%sa%u", i > 0 ? ", " : "", i);
    char *arguments = ga_arena_strndup(emitter->arena, ga_buf_cstr(&text), text.size);
    ga_buf_free(&text);
    return arguments;
}

/* A core value out of an element of flat: the low bits. */
const char *emit_from_flat(struct emitter *emitter, uint8_t kind, uint32_t index)
{
    switch (kind) {
    case CORE_I32:
        return ga_arena_printf(emitter->arena, "(uint32_t)flat[%u]", index);
    case CORE_F32:
        return ga_arena_printf(emitter->arena, "rt_f32_from_flat(flat[%u])", index);
    case CORE_F64:
        return ga_arena_printf(emitter->arena, "rt_f64_from_flat(flat[%u])", index);
    default:
        return ga_arena_printf(emitter->arena, "flat[%u]", index);
    }
}

const char *emit_to_flat(struct emitter *emitter, uint8_t kind, const char *value)
{
    if (kind == CORE_F32)
        return ga_arena_printf(emitter->arena, "rt_f32_to_flat(%s)", value);
    if (kind == CORE_F64)
        return ga_arena_printf(emitter->arena, "rt_f64_to_flat(%s)", value);
    return value;
}

void emit_quoted(struct ga_buf *out, struct slice name)
{
    ga_buf_u8(out, '"');
    abi_put_comment(out, name.data, name.size);
    ga_buf_u8(out, '"');
}
