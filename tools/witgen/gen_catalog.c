#include "abi.h"
#include "gen.h"

/* host_catalog.c: what the host offers, for the compiler (aot/host_catalog.h). */

static void print_funcs(struct gen *gen, const struct wit_interface *interface, const char *prefix)
{
    if (interface->funcs.count == 0)
        return;
    ga_buf_printf(gen->out, "static const struct catalog_func funcs_%s[] = {\n", prefix);
    for (uint32_t i = 0; i < interface->funcs.count; i++) {
        const struct wit_func *func = interface->funcs.items[i];
        struct ga_buf signature = {0};
        type_func_signature(&func->type, &signature);
        ga_buf_text(gen->out, "    {");
        abi_put_string(gen->out, func->full_name.data, func->full_name.size);
        ga_buf_text(gen->out, ", ");
        abi_put_string(gen->out, (const char *)signature.data, signature.size);
        ga_buf_printf(gen->out, ", \"host_%s\"},\n", gen_func_name(gen, interface, func));
        ga_buf_free(&signature);
    }
    ga_buf_text(gen->out, "};\n");
}

/* Two arrays: names, and C names. Returns how many. */
static uint32_t print_resources(struct gen *gen, const struct wit_interface *interface, const char *prefix)
{
    struct ga_buf names = {0}, symbols = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < interface->items.count; i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->kind != WIT_RESOURCE)
            continue;
        ga_buf_printf(&names, "\"%.*s\", ", (int)item->name.size, item->name.data);
        ga_buf_printf(&symbols, "\"resource_%s\", ",
                      gen_resource_name(gen, (const struct wit_resource *)item->resource));
        count++;
    }
    if (count > 0)
        ga_buf_printf(
            gen->out,
            "static const char *const resources_%s[] = {%s};\nstatic const char *const resource_symbols_%s[] = {%s};\n",
            prefix, ga_buf_cstr(&names), prefix, ga_buf_cstr(&symbols));
    ga_buf_free(&names);
    ga_buf_free(&symbols);
    return count;
}

static void print_types(struct gen *gen, const struct wit_interface *interface, const char *prefix)
{
    ga_buf_printf(gen->out, "static const char *const types_%s[] = {", prefix);
    for (uint32_t i = 0; i < interface->items.count; i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->type != NULL)
            ga_buf_printf(gen->out, "\"%.*s\", ", (int)item->name.size, item->name.data);
    }
    ga_buf_text(gen->out, "NULL};\n\n");
}

static void print_interface_arrays(struct gen *gen, const struct wit_interface *interface)
{
    if (!gen_is_offered(interface->package))
        return;
    const char *prefix = gen_prefix(gen, interface);
    print_funcs(gen, interface, prefix);
    (void)print_resources(gen, interface, prefix);
    print_types(gen, interface, prefix);
}

static uint32_t count_resources(const struct wit_interface *interface)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < interface->items.count; i++)
        count += ((const struct wit_item *)interface->items.entries[i].value)->kind == WIT_RESOURCE ? 1u : 0u;
    return count;
}

static void print_interface(struct gen *gen, const struct wit_interface *interface)
{
    const struct wit_package *package = interface->package;
    if (!gen_is_offered(package))
        return;
    const char *prefix = gen_prefix(gen, interface);
    uint32_t resource_count = count_resources(interface);
    ga_buf_printf(gen->out, "    {\n        .package = \"%.*s:%.*s\",\n        .interface = \"%.*s\",\n",
                  (int)package->ns.size, package->ns.data, (int)package->name.size, package->name.data,
                  (int)interface->name.size, interface->name.data);
    ga_buf_printf(gen->out, "        .major = %u,\n        .minor = %u,\n        .patch = %u,\n",
                  package->version.major, package->version.minor, package->version.patch);
    if (interface->funcs.count > 0)
        ga_buf_printf(gen->out, "        .func_count = %u,\n        .funcs = funcs_%s,\n", interface->funcs.count,
                      prefix);
    if (resource_count > 0)
        ga_buf_printf(gen->out,
                      "        .resource_count = %u,\n        .resources = resources_%s,\n"
                      "        .resource_symbols = resource_symbols_%s,\n",
                      resource_count, prefix, prefix);
    ga_buf_printf(gen->out, "        .types = types_%s,\n    },\n", prefix);
}

void gen_catalog(struct gen *gen)
{
    ga_buf_text(gen->out, GEN_HEADER_LINE "#include \"host_catalog.h\"\n\n#include <stddef.h>\n\n");
    gen_each_interface(gen, print_interface_arrays);
    ga_buf_text(gen->out, "const struct catalog_interface host_catalog[] = {\n");
    gen_each_interface(gen, print_interface);
    ga_buf_text(gen->out, "};\nconst uint32_t host_catalog_count = sizeof host_catalog / sizeof *host_catalog;\n");
}
