#include <string.h>

#include "abi.h"
#include "gen.h"

/*
 * host/<file>-<interface>.c: for each function a thunk, which takes the parameters out of the native tuple, and its struct
 * host_func; for each resource its struct cabi_resource. One file for each interface, so that the linker takes from the
 * runtime library the implementations, and the libraries they need, of those interfaces only that a component imports.
 */
static const char *resource_ref(void *context, const struct type_resource *resource)
{
    struct gen *gen = context;
    return ga_arena_printf(gen->arena, "&resource_%s", gen_resource_name(gen, (const struct wit_resource *)resource));
}

/* --- resources --- */

static void print_resources(struct gen *gen, const struct wit_interface *interface)
{
    for (uint32_t i = 0; i < interface->items.count; i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->kind != WIT_RESOURCE)
            continue;
        const char *name = gen_resource_name(gen, (const struct wit_resource *)item->resource);
        ga_buf_printf(gen->out, "const struct cabi_resource resource_%s = {.name = \"%.*s\", .host = &%s_type};\n", name,
                      (int)item->resource->name.size, item->resource->name.data, name);
    }
}

/* Types that only the host uses, by pointer. */
static void print_host_types(struct gen *gen, const struct wit_interface *interface)
{
    for (uint32_t i = 0; i < interface->items.count && !gen_is_offered(interface->package); i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->kind == WIT_USE)
            continue;
        const char *expression = abi_type_ref(gen->emitter, item->type);
        ga_buf_printf(gen->out, "const struct cabi_type *const host_type_%s_%s = %s;\n", gen_prefix(gen, interface),
                      gen_field_name(gen, item->name), expression);
    }
}

static void print_asserts(struct gen *gen, const struct wit_interface *interface)
{
    for (uint32_t i = 0; i < interface->items.count; i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->type != NULL)
            gen_layout_asserts(gen, item->type);
    }
    for (uint32_t i = 0; i < interface->funcs.count; i++) {
        const struct type_func *type = &interface->funcs.items[i]->type;
        for (uint32_t j = 0; j < type->param_count; j++)
            gen_layout_asserts(gen, type->params[j].type);
        if (type->result != NULL)
            gen_layout_asserts(gen, type->result);
    }
}

/* --- thunks --- */

static void print_params_struct(struct gen *gen, const struct wit_func *func, const char *name)
{
    const struct abi_layout *layout = abi_layout(gen->arena, abi_params_tuple(gen->arena, &func->type));
    ga_buf_printf(gen->out, "struct params_%s {\n", name);
    for (uint32_t i = 0; i < func->type.param_count; i++)
        ga_buf_printf(gen->out, "    %s %s;\n", gen_c_type(gen, func->type.params[i].type),
                      gen_field_name(gen, func->type.params[i].name));
    ga_buf_printf(gen->out, "};\n_Static_assert(sizeof(struct params_%s) == %u, \"%s\");\n", name, layout->native_size,
                  name);
    for (uint32_t i = 0; i < func->type.param_count; i++)
        ga_buf_printf(gen->out, "_Static_assert(offsetof(struct params_%s, %s) == %u, \"%s\");\n", name,
                      gen_field_name(gen, func->type.params[i].name), layout->native_offsets[i], name);
}

static void print_thunk(struct gen *gen, const struct wit_func *func, const char *name)
{
    const struct type_val *result = func->type.result;
    bool by_value = result != NULL && gen_is_scalar(result);
    if (func->type.param_count > 0)
        print_params_struct(gen, func, name);
    ga_buf_printf(gen->out, "static void call_%s(struct worker *worker, const void *params, void *result)\n{\n", name);
    if (func->type.param_count > 0)
        ga_buf_printf(gen->out, "    const struct params_%s *p = params;\n", name);
    else
        ga_buf_text(gen->out, "    (void)params;\n");
    if (result == NULL)
        ga_buf_text(gen->out, "    (void)result;\n");
    ga_buf_text(gen->out, "    ");
    if (by_value)
        ga_buf_printf(gen->out, "*(%s *)result = ", gen_c_type(gen, result));
    ga_buf_printf(gen->out, "%s(worker", name);
    for (uint32_t i = 0; i < func->type.param_count; i++)
        ga_buf_printf(gen->out, ", %sp->%s", gen_is_struct(func->type.params[i].type) ? "&" : "",
                      gen_field_name(gen, func->type.params[i].name));
    ga_buf_printf(gen->out, "%s);\n}\n", result != NULL && !by_value ? ", result" : "");
}

static enum ga_status print_func(struct gen *gen, const struct wit_interface *interface, const struct wit_func *func)
{
    const struct wit_package *package = interface->package;
    const struct wit_row *row = wit_table_row(gen->document, gen->table, interface, func);
    if (row == NULL)
        return gen->document->report->status;
    const char *name = gen_func_name(gen, interface, func);
    if (!ga_map_add(&gen->functions, name, strlen(name), (void *)name))
        return wit_error(gen->document, func->pos, "two functions have the C name '%s'", name);
    const char *type = abi_func_type_ref(gen->emitter, &func->type);
    print_thunk(gen, func, name);
    ga_buf_printf(gen->out, "const struct host_func host_%s = {\n    .interface = \"%.*s:%.*s/%.*s%s\",\n", name,
                  (int)package->ns.size, package->ns.data, (int)package->name.size, package->name.data,
                  (int)interface->name.size, interface->name.data, gen_version(gen, package->version));
    ga_buf_printf(gen->out, "    .name = \"%.*s\",\n", (int)func->full_name.size, func->full_name.data);
    if (row->record_name.size > 0)
        ga_buf_printf(gen->out, "    .record_name = \"%.*s\",\n", (int)row->record_name.size, row->record_name.data);
    ga_buf_printf(gen->out, "    .durability = %s,\n    .type = %s,\n    .call = call_%s,\n};\n\n", row->class_constant,
                  type, name);
    return GA_OK;
}

static const char *file_name(struct gen *gen, const struct wit_interface *interface)
{
    const char *slash = strrchr(interface->pos.file, '/'), *file = slash != NULL ? slash + 1 : interface->pos.file;
    int stem = (int)(strlen(file) - strlen(".wit"));
    return ga_arena_printf(gen->arena, "host/%.*s-%.*s.c", stem, file, (int)interface->name.size, interface->name.data);
}

static enum ga_status print_interface(struct gen *gen, const struct wit_interface *interface)
{
    ga_buf_text(gen->out, GEN_HEADER_LINE "#include \"host_functions.h\"\n\n#include <stddef.h>\n\n");
    print_resources(gen, interface);
    print_asserts(gen, interface);
    ga_buf_text(gen->out, "\n");
    gen->emitter = abi_emitter_new(gen->arena, gen->out, "type_", resource_ref, gen);
    print_host_types(gen, interface);
    enum ga_status status = GA_OK;
    for (uint32_t i = 0; i < interface->funcs.count && status == GA_OK; i++)
        status = print_func(gen, interface, interface->funcs.items[i]);
    return status;
}

enum ga_status gen_functions(struct gen *gen, gen_file_writer *write, void *context)
{
    enum ga_status status = GA_OK;
    struct ga_buf text = {0};
    gen->out = &text;
    gen->structs = gen->functions = (struct ga_map){.arena = gen->arena};
    for (uint32_t i = 0; i < gen->document->packages.count; i++) {
        const struct wit_package *package = gen->document->packages.items[i];
        for (uint32_t j = 0; j < package->interfaces.count && status == GA_OK; j++) {
            text.size = 0;
            status = print_interface(gen, package->interfaces.items[j]);
            if (status == GA_OK)
                status = write(context, file_name(gen, package->interfaces.items[j]), &text);
        }
    }
    ga_buf_free(&text);
    return status == GA_OK ? wit_table_check_used(gen->document, gen->table) : status;
}
