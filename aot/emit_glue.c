#include <string.h>

#include "emit_parts.h"
#include "ga_assert.h"

/*
 * The file, from top to bottom: includes, host symbols, the root struct, prototypes, resources, type tables, bindings (constants
 * that name what a lower calls), functions (lowers, lifts, destructors), the core imports of modules, exports, instantiate(), and
 * golem_component.
 */

static void write_export(struct emitter *emitter, const struct plan_export *export)
{
    struct ga_buf *out = &emitter->exports;
    const struct plan_lift *lift = &emitter->plan->lifts.items[export->index];

    emit_want(emitter, WANT_LIFT, export->index);
    ga_buf_text(out, "    {");
    abi_put_string(out, export->interface.data, export->interface.size);
    ga_buf_text(out, ", ");
    abi_put_string(out, export->name.data, export->name.size);
    ga_buf_printf(out, ", %s, &ROOT->options[%u], lift_%u_call, ", abi_func_type_ref(emitter->types, export->type),
                  emit_options(emitter, &lift->options), export->index);
    if (lift->options.has_post_return)
        ga_buf_printf(out, "lift_%u_post_return},\n", export->index);
    else
        ga_buf_text(out, "NULL},\n");
}

static void write_exports(struct emitter *emitter)
{
    if (emitter->plan->exports.count == 0)
        return;
    ga_buf_text(&emitter->exports, "static const struct rt_export exports[] = {\n");
    for (uint32_t i = 0; i < emitter->plan->exports.count; i++) {
        GA_ASSERT(emitter->plan->exports.items[i].target == TARGET_LIFT); /* link_forward.c */
        write_export(emitter, &emitter->plan->exports.items[i]);
    }
    ga_buf_text(&emitter->exports, "};\n\n");
}

/* Exported resource types of the component itself; returns how many. */
static uint32_t write_exported_resources(struct emitter *emitter)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < emitter->plan->resources.count; i++) {
        const struct plan_resource *resource = &emitter->plan->resources.items[i];
        if (!resource->exported)
            continue;
        if (count++ == 0)
            ga_buf_text(&emitter->exports, "static const struct cabi_resource *const exported_resources[] = {\n");
        ga_buf_printf(&emitter->exports, "    %s,\n", emit_resource_index_ref(emitter, i));
    }
    if (count > 0)
        ga_buf_text(&emitter->exports, "};\n\n");
    return count;
}

/* The host functions in use, so that what the oplog holds of them can be printed. */
static void write_imports_table(struct emitter *emitter)
{
    if (emitter->host_lowers.count == 0)
        return;
    ga_buf_text(&emitter->exports, "static const struct rt_lower *const imports[] = {\n");
    for (uint32_t i = 0; i < emitter->host_lowers.count; i++)
        ga_buf_printf(&emitter->exports, "    &lower_%u_host,\n", emitter->host_lowers.items[i]);
    ga_buf_text(&emitter->exports, "};\n\n");
}

/* A long text as one literal a line. */
static void put_text(struct ga_buf *out, const char *text)
{
    if (*text == 0)
        ga_buf_text(out, " \"\"");
    while (*text != 0) {
        const char *end = strchr(text, '\n');
        size_t size = end != NULL ? (size_t)(end - text) + 1 : strlen(text);
        ga_buf_text(out, "\n        ");
        abi_put_string(out, text, size);
        text += size;
    }
}

static bool is_http_handler(const struct emitter *emitter)
{
    static const char PREFIX[] = "wasi:http/incoming-handler@0.2.";
    for (uint32_t i = 0; i < emitter->plan->exports.count; i++) {
        struct slice interface = emitter->plan->exports.items[i].interface;
        if (interface.size >= sizeof PREFIX - 1 && memcmp(interface.data, PREFIX, sizeof PREFIX - 1) == 0)
            return true;
    }
    return false;
}

static void put_component(struct emitter *emitter, struct ga_buf *out, uint32_t resource_count)
{
    const struct emit_input *input = emitter->input;
    ga_buf_text(out, "const struct rt_component golem_component = {\n    .name = ");
    abi_put_string(out, input->component_name, strlen(input->component_name));
    ga_buf_text(out, ",\n    .component_hash = ");
    abi_put_string(out, input->component_hash, strlen(input->component_hash));
    ga_buf_text(out, ",\n    .wit =");
    put_text(out, input->wit);
    ga_buf_text(out, ",\n    .root_size = sizeof(struct root),\n");
    if (emitter->plan->exports.count > 0)
        ga_buf_printf(out, "    .export_count = %u,\n    .exports = exports,\n", emitter->plan->exports.count);
    if (resource_count > 0)
        ga_buf_printf(out, "    .resource_count = %u,\n    .resources = exported_resources,\n", resource_count);
    if (emitter->host_lowers.count > 0)
        ga_buf_printf(out, "    .import_count = %u,\n    .imports = imports,\n", emitter->host_lowers.count);
    if (is_http_handler(emitter))
        ga_buf_text(out, "    .http_handler = &golem_http_handler,\n");
    ga_buf_text(out, "    .instantiate = instantiate,\n};\n");
}

static void put_part(struct ga_buf *out, const char *title, const struct ga_buf *part)
{
    if (part->size == 0)
        return;
    if (title[0] != 0)
        ga_buf_printf(out, "/* --- %s --- */\n\n", title);
    ga_buf_append(out, part->data, part->size);
    if (part->size < 2 || memcmp(part->data + part->size - 2, "\n\n", 2) != 0)
        ga_buf_u8(out, '\n');
}

static void put_file(struct emitter *emitter, struct ga_buf *out, uint32_t resource_count)
{
    ga_buf_text(out, "/* Glue of the component ");
    abi_put_comment(out, emitter->input->component_name, strlen(emitter->input->component_name));
    ga_buf_printf(out, ", SHA-256 %s. Generated by golem-aot. */\n\n#include \"golem_rt.h\"\n#include \"rt_transfer.h\"\n\n",
                  emitter->input->component_hash);
    put_part(out, "", &emitter->includes);
    put_part(out, "the host's", &emitter->extern_part);
    put_part(out, "guest state", &emitter->root);
    put_part(out, "", &emitter->prototypes);
    put_part(out, "resources", &emitter->resources);
    put_part(out, "types", &emitter->type_tables);
    put_part(out, "what lowered functions call", &emitter->bindings);
    put_part(out, "lowered and lifted functions", &emitter->functions);
    put_part(out, "imports of core modules", &emitter->imports);
    put_part(out, "exports", &emitter->exports);
    put_part(out, "instantiation", &emitter->instantiate);
    put_component(emitter, out, resource_count);
}

static void start(struct emitter *emitter)
{
    const uint32_t counts[WANT_COUNT] = {
        [WANT_LOWER] = emitter->plan->lowers.count,
        [WANT_LIFT] = emitter->plan->lifts.count,
        [WANT_RESOURCE] = emitter->plan->resources.count,
    };
    for (int kind = 0; kind < WANT_COUNT; kind++)
        emitter->wanted[kind] = ga_arena_array(emitter->arena, counts[kind], sizeof(bool));
    emitter->export_of_lift =
        ga_arena_array(emitter->arena, emitter->plan->lifts.count, sizeof *emitter->export_of_lift);
    for (uint32_t i = emitter->plan->exports.count; i-- > 0;)
        if (emitter->plan->exports.items[i].target == TARGET_LIFT)
            emitter->export_of_lift[emitter->plan->exports.items[i].index] = &emitter->plan->exports.items[i];
    emitter->externs.arena = emitter->options_index.arena = emitter->lists.arena = emitter->arena;
    emitter->types = abi_emitter_new(emitter->arena, &emitter->type_tables, "type_", emit_resource_ref, emitter);
}

static void finish(struct emitter *emitter)
{
    struct ga_buf *parts[] = {
        &emitter->includes, &emitter->root,     &emitter->extern_part, &emitter->prototypes,
        &emitter->resources, &emitter->type_tables, &emitter->bindings, &emitter->functions,
        &emitter->imports,  &emitter->exports,  &emitter->instantiate,
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ga_buf_free(parts[i]);
}

enum ga_status emit_glue(struct ga_arena *arena, const struct emit_input *input, struct ga_buf *c_out,
                         struct ga_buf *defsyms_out, struct ga_report *report)
{
    struct emitter emitter = {
        .arena = arena, .report = report, .input = input, .plan = input->plan, .defsyms = defsyms_out};

    start(&emitter);
    emit_units(&emitter);
    if (emitter.uses_exceptions)
        ga_buf_text(&emitter.includes, "#include \"wasm-rt-exceptions.h\"\n");
    emit_import_bindings(&emitter);
    write_exports(&emitter);
    uint32_t resource_count = write_exported_resources(&emitter);
    emit_instantiate(&emitter);
    write_imports_table(&emitter);
    if (emitter.status == GA_OK)
        put_file(&emitter, c_out, resource_count);
    finish(&emitter);
    return emitter.status;
}
