#include "emit_parts.h"

/*
 * The root struct and the function that fills it: component instances, then core instances in the plan's order, each with
 * its data and start function, and canonical options as soon as what they name exists.
 */

static const char *core_struct(struct emitter *emitter, uint32_t core_instance)
{
    uint32_t module = emitter->plan->core_instances.items[core_instance].module;
    return emitter->input->modules[module].prefix;
}

static void write_root(struct emitter *emitter)
{
    struct ga_buf *out = &emitter->root;
    ga_buf_printf(out, "struct root {\n    struct cabi_instance instances[%u];\n", emitter->plan->component_instances.count);
    if (emitter->options.count > 0)
        ga_buf_printf(out, "    struct rt_options options[%u];\n", emitter->options.count);
    for (uint32_t i = 0; i < emitter->plan->core_instances.count; i++)
        ga_buf_printf(out, "    w2c_%s core_%u;\n", core_struct(emitter, i), i);
    ga_buf_text(out, "};\n\n#define ROOT ((struct root *)RT_ROOT)\n\n");
}

/* --- canonical options --- */

/* The last core instance an item needs, plus 1. */
static uint32_t needs(const struct core_item *item)
{
    return item->kind == CORE_ITEM_EXPORT ? item->instance + 1 : 0;
}

static uint32_t options_need(const struct plan_options *options)
{
    uint32_t memory = options->has_memory ? needs(&options->memory) : 0;
    uint32_t realloc = options->has_realloc ? needs(&options->realloc) : 0;
    return memory > realloc ? memory : realloc;
}

/* More may come while the thunks are written: a realloc that is a lowered function wants that. */
static void write_reallocs(struct emitter *emitter)
{
    emit_write_wanted(emitter);
    for (uint32_t i = 0; i < emitter->options.count; i++) {
        const struct core_item realloc = emitter->options.items[i].realloc;
        if (!emitter->options.items[i].has_realloc)
            continue;
        ga_buf_printf(&emitter->functions,
                      "static uint32_t options_%u_realloc(void *instance, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3)\n"
                      "{\n    (void)instance;\n    return ",
                      i);
        emit_core_call(emitter, &emitter->functions, &realloc, "a0, a1, a2, a3");
        ga_buf_text(&emitter->functions, ";\n}\n\n");
        emit_write_wanted(emitter);
    }
}

static void put_options(struct emitter *emitter, uint32_t index)
{
    static const char *const encodings[] = {
        [ENCODING_UTF8] = "RT_UTF8", [ENCODING_UTF16] = "RT_UTF16", [ENCODING_LATIN1_UTF16] = "RT_LATIN1_UTF16"};
    const struct plan_options *options = &emitter->options.items[index];
    struct ga_buf *out = &emitter->instantiate;

    ga_buf_printf(out, "    ROOT->options[%u] = (struct rt_options){\n        .instance = &ROOT->instances[%u],\n", index,
                  options->component_instance);
    if (options->has_memory) {
        ga_buf_text(out, "        .memory = ");
        emit_core_address(emitter, out, &options->memory);
        ga_buf_text(out, ",\n");
    }
    if (options->has_realloc) {
        ga_buf_printf(out, "        .realloc = options_%u_realloc,\n", index);
        if (options->realloc.kind == CORE_ITEM_EXPORT)
            ga_buf_printf(out, "        .realloc_instance = &ROOT->core_%u,\n", options->realloc.instance);
    }
    ga_buf_printf(out, "        .encoding = %s,\n    };\n", encodings[options->encoding]);
}

static void put_options_after(struct emitter *emitter, uint32_t core_instances)
{
    for (uint32_t i = 0; i < emitter->options.count; i++)
        if (options_need(&emitter->options.items[i]) == core_instances)
            put_options(emitter, i);
}

/* --- data segments --- */

static void write_segment_tables(struct emitter *emitter)
{
    for (uint32_t i = 0; i < emitter->plan->modules.count; i++) {
        const struct core_prepared *prepared = &emitter->input->modules[i];
        if (prepared->segment_count == 0)
            continue;
        ga_buf_printf(&emitter->extern_part, "extern const unsigned char %s[];\n", prepared->data_symbol);
        ga_buf_printf(&emitter->bindings, "static const struct rt_segment segments_%u[] = { /* offset, size, data */\n", i);
        for (uint32_t s = 0; s < prepared->segment_count; s++) {
            const struct core_segment *segment = &prepared->segments[s];
            ga_buf_printf(&emitter->bindings, "    {%u, %u, %llu},\n",
                          segment->offset_is_global ? segment->addend : segment->offset, segment->size,
                          (unsigned long long)segment->data_offset);
        }
        ga_buf_text(&emitter->bindings, "};\n");
    }
}

static bool same_base(const struct core_segment *a, const struct core_segment *b)
{
    return a->memory == b->memory && a->offset_is_global == b->offset_is_global &&
           (!a->offset_is_global || a->offset == b->offset);
}

/* One call for each run of segments with the same memory and base. */
static void put_segments(struct emitter *emitter, uint32_t core_instance)
{
    uint32_t module = emitter->plan->core_instances.items[core_instance].module;
    const struct core_prepared *prepared = &emitter->input->modules[module];
    struct ga_buf *out = &emitter->instantiate;

    for (uint32_t s = 0, end; s < prepared->segment_count; s = end) {
        const struct core_segment *segment = &prepared->segments[s];
        for (end = s + 1; end < prepared->segment_count && same_base(segment, &prepared->segments[end]);)
            end++;
        ga_buf_printf(out, "    rt_copy_segments(w2c_%s_m%u(&ROOT->core_%u), ", prepared->prefix, segment->memory,
                      core_instance);
        if (segment->offset_is_global)
            ga_buf_printf(out, "*w2c_%s_g%u(&ROOT->core_%u)", prepared->prefix, segment->offset, core_instance);
        else
            ga_buf_text(out, "0");
        ga_buf_printf(out, ", %s, segments_%u + %u, %u);\n", prepared->data_symbol, module, s, end - s);
    }
}

/* --- the function --- */

static void put_component_instances(struct emitter *emitter)
{
    struct ga_buf *out = &emitter->instantiate;
    for (uint32_t i = 0; i < emitter->plan->component_instances.count; i++) {
        const struct plan_component_instance *instance = &emitter->plan->component_instances.items[i];
        ga_buf_printf(out, "    ROOT->instances[%u] = (struct cabi_instance){", i);
        if (i > 0)
            ga_buf_printf(out, ".parent = &ROOT->instances[%u], ", instance->parent);
        ga_buf_printf(out, ".index = %u, .may_leave = true}; /* ", i);
        abi_put_comment(out, instance->name.data, instance->name.size);
        ga_buf_text(out, " */\n");
    }
}

static void put_core_instance(struct emitter *emitter, uint32_t index)
{
    const struct plan_core_instance *instance = &emitter->plan->core_instances.items[index];
    const struct core_prepared *prepared = &emitter->input->modules[instance->module];
    struct ga_buf *out = &emitter->instantiate;

    ga_buf_printf(out, "\n    /* core instance %u: module %u in component instance %u */\n", index, instance->module,
                  instance->component_instance);
    ga_buf_printf(out, "    wasm2c_%s_instantiate(&ROOT->core_%u", prepared->prefix, index);
    emit_import_arguments(emitter, out, index);
    ga_buf_text(out, ");\n");
    put_segments(emitter, index);
    if (prepared->start_exported)
        ga_buf_printf(out, "    w2c_%s_s(&ROOT->core_%u);\n", prepared->prefix, index);
}

void emit_instantiate(struct emitter *emitter)
{
    write_reallocs(emitter);
    write_root(emitter);
    write_segment_tables(emitter);
    ga_buf_text(&emitter->instantiate, "static void instantiate(void)\n{\n");
    put_component_instances(emitter);
    put_options_after(emitter, 0);
    for (uint32_t i = 0; i < emitter->plan->core_instances.count; i++) {
        put_core_instance(emitter, i);
        put_options_after(emitter, i + 1);
    }
    ga_buf_text(&emitter->instantiate, "}\n\n");
}
