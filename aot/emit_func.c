#include <string.h>

#include "emit_parts.h"
#include "ga_limits.h"

/* --- what is wanted --- */

void emit_want(struct emitter *emitter, enum emit_wanted kind, uint32_t index)
{
    if (emitter->wanted[kind][index])
        return;
    emitter->wanted[kind][index] = true;
    GA_PUSH(emitter->arena, &emitter->queue)->kind = kind;
    emitter->queue.items[emitter->queue.count - 1].index = index;
}

static void put_item_key(struct ga_buf *out, bool present, const struct core_item *item)
{
    ga_buf_printf(out, "|%d", present);
    if (present)
        ga_buf_printf(out, " %d %u %u %.*s", item->kind, item->instance, item->index, (int)item->name.size, item->name.data);
}

/* post-return is left out: it is not part of struct rt_options. */
uint32_t emit_options(struct emitter *emitter, const struct plan_options *options)
{
    struct ga_buf text = {0};
    ga_buf_printf(&text, "%u %d", options->component_instance, options->encoding);
    put_item_key(&text, options->has_memory, &options->memory);
    put_item_key(&text, options->has_realloc, &options->realloc);
    char *key = ga_arena_strndup(emitter->arena, (char *)text.data, text.size);
    uintptr_t known = (uintptr_t)ga_map_get(&emitter->options_index, key, text.size);
    if (known == 0) {
        *GA_PUSH(emitter->arena, &emitter->options) = *options;
        known = emitter->options.count;
        ga_map_set(&emitter->options_index, key, text.size, (void *)known);
    }
    ga_buf_free(&text);
    return (uint32_t)known - 1;
}

/* --- resources --- */

static void declare_extern(struct emitter *emitter, const char *type, const char *name)
{
    if (ga_map_add(&emitter->externs, name, strlen(name), (void *)name))
        ga_buf_printf(&emitter->extern_part, "extern const struct %s %s;\n", type, name);
}

const char *emit_resource_index_ref(struct emitter *emitter, uint32_t index)
{
    const char *symbol = emitter->input->resources != NULL ? emitter->input->resources[index] : NULL;
    if (symbol != NULL) {
        declare_extern(emitter, "cabi_resource", symbol);
        return ga_arena_printf(emitter->arena, "&%s", symbol);
    }
    emit_want(emitter, WANT_RESOURCE, index);
    return ga_arena_printf(emitter->arena, "&resource_%u", index);
}

const char *emit_resource_ref(void *emitter, const struct type_resource *resource)
{
    return emit_resource_index_ref(emitter, resource->plan_index);
}

static void write_dtor(struct emitter *emitter, uint32_t index, const struct plan_resource *resource)
{
    ga_buf_printf(&emitter->prototypes, "static void resource_%u_dtor(uint32_t rep);\n", index);
    ga_buf_printf(&emitter->functions, "static void resource_%u_dtor(uint32_t rep)\n{\n    ", index);
    emit_core_call(emitter, &emitter->functions, &resource->dtor, "rep");
    ga_buf_text(&emitter->functions, ";\n}\n\n");
}

static void write_resource(struct emitter *emitter, uint32_t index)
{
    const struct plan_resource *resource = &emitter->plan->resources.items[index];
    struct ga_buf *out = &emitter->resources;
    char *name = ga_arena_printf(emitter->arena, "%.*s%s%.*s", (int)resource->interface.size, resource->interface.data,
                                 resource->interface.size > 0 ? "." : "", (int)resource->name.size, resource->name.data);

    ga_buf_printf(out, "static const struct cabi_resource resource_%u = {\n    .name = ", index);
    abi_put_string(out, name, strlen(name));
    ga_buf_text(out, ",\n");
    if (!resource->imported)
        ga_buf_printf(out, "    .owner = &ROOT->instances[%u],\n", resource->component_instance);
    if (resource->has_dtor) {
        ga_buf_printf(out, "    .dtor = resource_%u_dtor,\n", index);
        write_dtor(emitter, index, resource);
    }
    ga_buf_text(out, "};\n");
}

/* --- lifts --- */

static void put_func_comment(struct ga_buf *out, const char *what, struct slice interface, struct slice name)
{
    ga_buf_printf(out, "/* %s: ", what);
    if (interface.size > 0) {
        emit_quoted(out, interface);
        ga_buf_u8(out, ' ');
    }
    emit_quoted(out, name);
    ga_buf_text(out, " */\n");
}

/* Calls a core function with arguments from flat and leaves its result there: the body of a thunk. */
static void put_flat_call(struct emitter *emitter, const struct core_item *item, const uint8_t *params, uint32_t param_count,
                          int result)
{
    struct ga_buf args = {0}, call = {0};
    for (uint32_t i = 0; i < param_count; i++)
        ga_buf_printf(&args, "%s%s", i > 0 ? ", " : "", emit_from_flat(emitter, params[i], i));
    emit_core_call(emitter, &call, item, ga_buf_cstr(&args));
    if (result >= 0)
        ga_buf_printf(&emitter->functions, "    flat[0] = %s;\n", emit_to_flat(emitter, (uint8_t)result, ga_buf_cstr(&call)));
    else
        ga_buf_printf(&emitter->functions, "    %s;\n", ga_buf_cstr(&call));
    ga_buf_free(&args);
    ga_buf_free(&call);
}

/* An exception that leaves a lifted function is a trap: inside there is no unwind target. */
static void open_thunk(struct emitter *emitter, uint32_t index, const char *kind, bool uses_flat)
{
    ga_buf_printf(&emitter->prototypes, "static void lift_%u_%s(uint64_t *flat);\n", index, kind);
    ga_buf_printf(&emitter->functions, "static void lift_%u_%s(uint64_t *flat)\n{\n", index, kind);
    if (!uses_flat)
        ga_buf_text(&emitter->functions, "    (void)flat;\n");
    if (emitter->uses_exceptions)
        ga_buf_text(&emitter->functions, "    WASM_RT_UNWIND_TARGET *outer = wasm_rt_get_unwind_target();\n"
                                         "    wasm_rt_set_unwind_target(NULL);\n");
}

static void close_thunk(struct emitter *emitter)
{
    if (emitter->uses_exceptions)
        ga_buf_text(&emitter->functions, "    wasm_rt_set_unwind_target(outer);\n");
    ga_buf_text(&emitter->functions, "}\n\n");
}

static void write_lift(struct emitter *emitter, uint32_t index)
{
    const struct plan_lift *lift = &emitter->plan->lifts.items[index];
    struct core_func_type core;
    const struct plan_export *export = emitter->export_of_lift[index];
    abi_flatten_func(emitter->arena, lift->type, false, &core);

    if (export != NULL)
        put_func_comment(&emitter->functions, "export", export->interface, export->name);
    open_thunk(emitter, index, "call", core.param_count > 0 || core.result_count > 0);
    put_flat_call(emitter, &lift->func, core.params, core.param_count, core.result_count > 0 ? core.results[0] : -1);
    close_thunk(emitter);
    if (!lift->options.has_post_return)
        return;
    open_thunk(emitter, index, "post_return", core.result_count > 0);
    put_flat_call(emitter, &lift->options.post_return, core.results, core.result_count, -1);
    close_thunk(emitter);
}

/* --- lowers --- */

static void open_lower(struct emitter *emitter, uint32_t index, const struct core_func_type *core)
{
    struct ga_buf params = {0};
    emit_params(emitter, &params, core);
    const char *text = params.size > 0 ? ga_buf_cstr(&params) : "void";
    ga_buf_printf(&emitter->prototypes, "static %s lower_%u(%s);\n", emit_result_type(emitter, core), index, text);
    ga_buf_printf(&emitter->functions, "static %s lower_%u(%s)\n{\n", emit_result_type(emitter, core), index, text);
    ga_buf_free(&params);
}

/* Packs the parameters, calls FUNCTION(&BINDING, flat), and unpacks the result. */
static void put_descriptor_call(struct emitter *emitter, const struct core_func_type *core, const char *function,
                                const char *binding)
{
    struct ga_buf *out = &emitter->functions;
    const char *call = ga_arena_printf(emitter->arena, "%s(&%s, flat)", function, binding);

    ga_buf_text(out, "    uint64_t flat[] = {");
    for (uint32_t i = 0; i < core->param_count; i++)
        ga_buf_printf(out, "%s%s", i > 0 ? ", " : "",
                      emit_to_flat(emitter, core->params[i], ga_arena_printf(emitter->arena, "a%u", i)));
    ga_buf_printf(out, "%s};\n", core->param_count == 0 ? "0" : "");
    if (core->result_count == 0)
        ga_buf_printf(out, "    %s;\n", call);
    else if (core->results[0] == CORE_F32 || core->results[0] == CORE_F64)
        ga_buf_printf(out, "    return rt_f%u_from_flat(%s);\n", core->results[0] == CORE_F32 ? 32 : 64, call);
    else
        ga_buf_printf(out, "    return (%s)%s;\n", emit_core_type(emitter, core->results[0]), call);
}

static void write_missing_lower(struct emitter *emitter, const struct plan_import *import, const struct core_func_type *core)
{
    struct ga_buf *out = &emitter->functions;
    for (uint32_t i = 0; i < core->param_count; i++)
        ga_buf_printf(out, "    (void)a%u;\n", i);
    ga_buf_text(out, "    rt_missing_import(");
    abi_put_string(out, import->interface.data, import->interface.size);
    ga_buf_text(out, ", ");
    abi_put_string(out, import->name.data, import->name.size);
    ga_buf_text(out, ");\n");
}

static void write_host_lower(struct emitter *emitter, uint32_t index, const struct plan_lower *lower,
                             const struct core_func_type *core)
{
    const struct plan_import *import = &emitter->plan->imports.items[lower->index];
    const struct catalog_func *callee = emitter->input->imports[lower->index];

    put_func_comment(&emitter->functions, "import", import->interface, import->name);
    open_lower(emitter, index, core);
    if (callee == NULL) {
        write_missing_lower(emitter, import, core);
    } else {
        declare_extern(emitter, "host_func", callee->symbol);
        const char *type = abi_func_type_ref(emitter->types, lower->type);
        ga_buf_printf(&emitter->bindings, "static const struct rt_lower lower_%u_host = {&%s, %s, &ROOT->options[%u]};\n",
                      index, callee->symbol, type, emit_options(emitter, &lower->options));
        *GA_PUSH(emitter->arena, &emitter->host_lowers) = index;
        put_descriptor_call(emitter, core, "rt_call_host",
                            ga_arena_printf(emitter->arena, "lower_%u_host", index));
    }
    ga_buf_text(&emitter->functions, "}\n\n");
}

/* By descriptor. */
static void write_adapter(struct emitter *emitter, uint32_t index, const struct plan_lower *lower,
                          const struct core_func_type *core)
{
    const struct plan_lift *lift = &emitter->plan->lifts.items[lower->index];
    emit_want(emitter, WANT_LIFT, lower->index);
    const char *caller_type = abi_func_type_ref(emitter->types, lower->type);
    const char *callee_type = abi_func_type_ref(emitter->types, lift->type);
    uint32_t caller = emit_options(emitter, &lower->options), callee = emit_options(emitter, &lift->options);
    ga_buf_printf(&emitter->bindings,
                  "static const struct rt_adapter lower_%u_adapter = {\n"
                  "    %s, %s, &ROOT->options[%u], &ROOT->options[%u], lift_%u_call, ",
                  index, caller_type, callee_type, caller, callee, lower->index);
    if (lift->options.has_post_return)
        ga_buf_printf(&emitter->bindings, "lift_%u_post_return,\n};\n", lower->index);
    else
        ga_buf_text(&emitter->bindings, "NULL,\n};\n");
    put_descriptor_call(emitter, core, "rt_call_component", ga_arena_printf(emitter->arena, "lower_%u_adapter", index));
}

static void write_component_lower(struct emitter *emitter, uint32_t index, const struct plan_lower *lower,
                                  const struct core_func_type *core)
{
    const struct plan_lift *lift = &emitter->plan->lifts.items[lower->index];

    bool is_fused = emit_is_fused(emitter, lower, lift);
    struct ga_buf body = {0};

    if (is_fused)
        emit_fused_body(emitter, &body, lower, lift, core);
    ga_buf_printf(&emitter->functions, "/* component instance %u calls component instance %u */\n",
                  lower->options.component_instance, lift->options.component_instance);
    open_lower(emitter, index, core);
    if (is_fused)
        ga_buf_append(&emitter->functions, body.data, body.size);
    else
        write_adapter(emitter, index, lower, core);
    ga_buf_text(&emitter->functions, "}\n\n");
    ga_buf_free(&body);
}

static void write_lower(struct emitter *emitter, uint32_t index)
{
    const struct plan_lower *lower = &emitter->plan->lowers.items[index];
    struct core_func_type core;
    abi_flatten_func(emitter->arena, lower->type, true, &core);
    if (lower->target == TARGET_HOST)
        write_host_lower(emitter, index, lower, &core);
    else
        write_component_lower(emitter, index, lower, &core);
}

void emit_write_wanted(struct emitter *emitter)
{
    static void (*const writers[])(struct emitter *, uint32_t) = {
        [WANT_LOWER] = write_lower,
        [WANT_LIFT] = write_lift,
        [WANT_RESOURCE] = write_resource,
    };
    for (uint32_t i = 0; i < emitter->queue.count; i++)
        writers[emitter->queue.items[i].kind](emitter, emitter->queue.items[i].index);
    emitter->queue.count = 0;
}
