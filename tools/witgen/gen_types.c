#include "abi.h"
#include "ga_assert.h"
#include "gen.h"

/*
 * host_functions.h. A record is a struct of its name; an option, result or tuple one of its shape (struct option_u64), shared by
 * all that have it; the cases of an enum and the flags are constants, the values themselves uint32_t.
 */

static const char *const scalar_types[] = {
    [VAL_BOOL] = "bool",     [VAL_S8] = "int8_t",      [VAL_U8] = "uint8_t",   [VAL_S16] = "int16_t",
    [VAL_U16] = "uint16_t",  [VAL_S32] = "int32_t",    [VAL_U32] = "uint32_t", [VAL_S64] = "int64_t",
    [VAL_U64] = "uint64_t",  [VAL_F32] = "float",      [VAL_F64] = "double",   [VAL_CHAR] = "uint32_t",
    [VAL_ENUM] = "uint32_t", [VAL_FLAGS] = "uint32_t", [VAL_OWN] = "uint32_t", [VAL_BORROW] = "uint32_t",
};

bool gen_is_scalar(const struct type_val *type)
{
    return scalar_types[type->kind] != NULL;
}

const char *gen_c_type(struct gen *gen, const struct type_val *type)
{
    if (gen_is_scalar(type))
        return scalar_types[type->kind];
    if (type->kind == VAL_STRING)
        return "struct cabi_string";
    if (type->kind == VAL_LIST)
        return "struct cabi_list";
    return ga_arena_printf(gen->arena, "struct %s", gen_type_name(gen, type));
}

/* --- structs, parts first --- */

static void print_type(struct gen *gen, const struct type_val *type);

static void print_parts(struct gen *gen, const struct type_val *type)
{
    if (type->element != NULL)
        print_type(gen, type->element);
    if (type->err != NULL)
        print_type(gen, type->err);
    for (uint32_t i = 0; i < type->member_count; i++)
        if (type->members[i].type != NULL)
            print_type(gen, type->members[i].type);
}

static void print_field(struct gen *gen, const char *indent, const struct type_val *type, const char *name)
{
    ga_buf_printf(gen->out, "%s%s %s;\n", indent, gen_c_type(gen, type), name);
}

static void print_fields(struct gen *gen, const struct type_val *type)
{
    for (uint32_t i = 0; i < type->member_count; i++)
        print_field(gen, "    ", type->members[i].type,
                    type->kind == VAL_TUPLE ? ga_arena_printf(gen->arena, "f%u", i)
                                            : gen_field_name(gen, type->members[i].name));
}

static bool has_payload(const struct type_val *type)
{
    bool found = type->element != NULL || type->err != NULL;
    for (uint32_t i = 0; i < type->member_count; i++)
        found = found || type->members[i].type != NULL;
    return found;
}

static void print_payloads(struct gen *gen, const struct type_val *type)
{
    if (type->element != NULL)
        print_field(gen, "        ", type->element, type->kind == VAL_OPTION ? "some" : "ok");
    if (type->err != NULL)
        print_field(gen, "        ", type->err, "err");
    for (uint32_t i = 0; i < type->member_count; i++)
        if (type->members[i].type != NULL)
            print_field(gen, "        ", type->members[i].type, gen_field_name(gen, type->members[i].name));
}

static void print_tagged(struct gen *gen, const struct type_val *type)
{
    ga_buf_text(gen->out, "    uint32_t tag;\n");
    if (!has_payload(type))
        return;
    ga_buf_text(gen->out, "    union {\n");
    print_payloads(gen, type);
    ga_buf_text(gen->out, "    } value;\n");
}

/* Constants of a named variant, enum or flags. */
static void print_constants(struct gen *gen, const struct type_val *type, const char *name)
{
    const char *upper = gen_upper(gen, name);
    ga_buf_printf(gen->out, "enum {\n");
    for (uint32_t i = 0; i < type->member_count; i++) {
        const char *member = gen_upper(gen, gen_field_name(gen, type->members[i].name));
        if (type->kind == VAL_FLAGS)
            ga_buf_printf(gen->out, "    %s_%s = (int)(1u << %u),\n", upper, member, i);
        else
            ga_buf_printf(gen->out, "    %s_%s = %u,\n", upper, member, i);
    }
    ga_buf_printf(gen->out, "};\n\n");
}

bool gen_is_struct(const struct type_val *type)
{
    return !gen_is_scalar(type) && type->kind != VAL_STRING && type->kind != VAL_LIST;
}

static void print_struct(struct gen *gen, const struct type_val *type, const char *name)
{
    ga_buf_printf(gen->out, "struct %s {\n", name);
    if (type->kind == VAL_RECORD || type->kind == VAL_TUPLE)
        print_fields(gen, type);
    else
        print_tagged(gen, type);
    ga_buf_text(gen->out, "};\n\n");
}

static void print_type(struct gen *gen, const struct type_val *type)
{
    const char *name = gen_type_name(gen, type);
    print_parts(gen, type);
    bool constants = type->name.size > 0 && type->kind != VAL_RECORD;
    if (!constants && !gen_is_struct(type))
        return;
    if (!ga_map_add(&gen->structs, name, __builtin_strlen(name), (void *)name))
        return;
    if (constants)
        print_constants(gen, type, name);
    if (gen_is_struct(type))
        print_struct(gen, type, name);
}

/* --- prototypes --- */

static void print_param(struct gen *gen, const struct type_member *param)
{
    const char *type = gen_c_type(gen, param->type), *name = gen_field_name(gen, param->name);
    if (gen_is_struct(param->type))
        ga_buf_printf(gen->out, ", const %s *%s", type, name);
    else
        ga_buf_printf(gen->out, ", %s %s", type, name);
}

static void print_prototype(struct gen *gen, const struct wit_interface *interface, const struct wit_func *func)
{
    const struct type_val *result = func->type.result;
    bool by_value = result != NULL && gen_is_scalar(result);
    ga_buf_printf(gen->out, "%s %s(struct worker *worker", by_value ? gen_c_type(gen, result) : "void",
                  gen_func_name(gen, interface, func));
    for (uint32_t i = 0; i < func->type.param_count; i++)
        print_param(gen, &func->type.params[i]);
    if (result != NULL && !by_value)
        ga_buf_printf(gen->out, ", %s *result_out", gen_c_type(gen, result));
    ga_buf_text(gen->out, ");\n");
}

static void print_interface_types(struct gen *gen, const struct wit_interface *interface)
{
    for (uint32_t i = 0; i < interface->items.count; i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->type != NULL && item->kind != WIT_USE)
            print_type(gen, item->type);
    }
    for (uint32_t i = 0; i < interface->funcs.count; i++) {
        const struct type_func *type = &interface->funcs.items[i]->type;
        for (uint32_t j = 0; j < type->param_count; j++)
            print_type(gen, type->params[j].type);
        if (type->result != NULL)
            print_type(gen, type->result);
    }
}

static void print_resource(struct gen *gen, const struct wit_resource *resource)
{
    const char *name = gen_resource_name(gen, resource);
    ga_buf_printf(gen->out,
                  "extern const struct host_resource_type %s_type;\nextern const struct cabi_resource resource_%s;\n", name,
                  name);
}

static void print_interface(struct gen *gen, const struct wit_interface *interface)
{
    const struct wit_package *package = interface->package;
    ga_buf_printf(gen->out, "/* --- %.*s:%.*s/%.*s%s --- */\n\n", (int)package->ns.size, package->ns.data,
                  (int)package->name.size, package->name.data, (int)interface->name.size, interface->name.data,
                  gen_version(gen, package->version));
    print_interface_types(gen, interface);
    for (uint32_t i = 0; i < interface->items.count; i++) {
        const struct wit_item *item = interface->items.entries[i].value;
        if (item->kind == WIT_RESOURCE)
            print_resource(gen, (const struct wit_resource *)item->resource);
        else if (!gen_is_offered(package) && item->kind != WIT_USE)
            ga_buf_printf(gen->out, "extern const struct cabi_type *const host_type_%s_%s;\n",
                          gen_prefix(gen, interface), gen_field_name(gen, item->name));
    }
    for (uint32_t i = 0; i < interface->funcs.count; i++)
        print_prototype(gen, interface, interface->funcs.items[i]);
    for (uint32_t i = 0; i < interface->funcs.count; i++)
        ga_buf_printf(gen->out, "extern const struct host_func host_%s;\n",
                      gen_func_name(gen, interface, interface->funcs.items[i]));
    ga_buf_text(gen->out, "\n");
}

static void print_map_entries(struct gen *gen, const struct wit_interface *interface)
{
    for (uint32_t i = 0; i < interface->funcs.count; i++)
        ga_buf_printf(gen->out, " \\\n    X(%s)", gen_func_name(gen, interface, interface->funcs.items[i]));
}

void gen_header(struct gen *gen)
{
    gen->structs = (struct ga_map){.arena = gen->arena};
    ga_buf_text(
        gen->out, GEN_HEADER_LINE
        "#ifndef HOST_FUNCTIONS_H\n#define HOST_FUNCTIONS_H\n\n"
        "#include <stdbool.h>\n#include <stdint.h>\n\n#include \"cabi_types.h\"\n#include \"host.h\"\n\n"
        "/*\n * Everything the host offers, in native shapes (cabi_types.h). Records and the like are passed by address and never\n"
        " * NULL; results that are no scalars go to *result_out, which is zeroed. `self` and other handles are reps.\n */\n\n");
    gen_each_interface(gen, print_interface);
    ga_buf_text(gen->out, "/* All functions by their C names. */\n#define HOST_FUNCTION_MAP(X)");
    gen_each_interface(gen, print_map_entries);
    ga_buf_text(gen->out, "\n\n#endif\n");
}

/* --- the compiler agrees with abi_layout --- */

static void assert_offsets(struct gen *gen, const struct type_val *type, const char *name,
                           const struct abi_layout *layout)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        const char *field = type->kind == VAL_TUPLE ? ga_arena_printf(gen->arena, "f%u", i)
                                                    : gen_field_name(gen, type->members[i].name);
        ga_buf_printf(gen->out, "_Static_assert(offsetof(struct %s, %s) == %u, \"%s.%s\");\n", name, field,
                      layout->native_offsets[i], name, field);
    }
}

void gen_layout_asserts(struct gen *gen, const struct type_val *type)
{
    if (type->element != NULL)
        gen_layout_asserts(gen, type->element);
    if (type->err != NULL)
        gen_layout_asserts(gen, type->err);
    for (uint32_t i = 0; i < type->member_count; i++)
        if (type->members[i].type != NULL)
            gen_layout_asserts(gen, type->members[i].type);
    const char *name = gen_type_name(gen, type);
    if (!gen_is_struct(type) || !ga_map_add(&gen->structs, name, __builtin_strlen(name), (void *)name))
        return;
    const struct abi_layout *layout = abi_layout(gen->arena, type);
    ga_buf_printf(gen->out, "_Static_assert(sizeof(struct %s) == %u, \"%s\");\n", name, layout->native_size, name);
    if (type->kind == VAL_RECORD || type->kind == VAL_TUPLE)
        assert_offsets(gen, type, name, layout);
    else if (has_payload(type))
        ga_buf_printf(gen->out, "_Static_assert(offsetof(struct %s, value) == %u, \"%s.value\");\n", name,
                      layout->native_payload_offset, name);
}
