#include <ctype.h>
#include <string.h>

#include "gen.h"

bool gen_is_offered(const struct wit_package *package)
{
    return !wit_slice_is(package->ns, "golem-aot");
}

static char *snake(struct gen *gen, const char *text)
{
    char *copy = ga_arena_strndup(gen->arena, text, strlen(text));
    for (char *at = copy; *at != '\0'; at++)
        *at = isalnum((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '_';
    return copy;
}

static bool version_less(struct wit_version a, struct wit_version b)
{
    return a.major != b.major ? a.major < b.major : a.minor != b.minor ? a.minor < b.minor : a.patch < b.patch;
}

static bool is_newest(struct gen *gen, const struct wit_package *package)
{
    for (uint32_t i = 0; i < gen->document->packages.count; i++) {
        const struct wit_package *other = gen->document->packages.items[i];
        if (wit_slice_equal(other->ns, package->ns) && wit_slice_equal(other->name, package->name) &&
            version_less(package->version, other->version))
            return false;
    }
    return true;
}

const char *gen_prefix(struct gen *gen, const struct wit_interface *interface)
{
    const struct wit_package *package = interface->package;
    const char *track = "";
    if (!is_newest(gen, package))
        track = package->version.major > 0 ? ga_arena_printf(gen->arena, "v%u_", package->version.major)
                                           : ga_arena_printf(gen->arena, "v0_%u_", package->version.minor);
    return snake(gen, ga_arena_printf(gen->arena, "%.*s_%.*s_%s%.*s", (int)package->ns.size, package->ns.data,
                                      (int)package->name.size, package->name.data, track, (int)interface->name.size,
                                      interface->name.data));
}

const char *gen_func_name(struct gen *gen, const struct wit_interface *interface, const struct wit_func *func)
{
    const char *prefix = gen_prefix(gen, interface);
    if (func->kind == WIT_FREE)
        return snake(gen, ga_arena_printf(gen->arena, "%s_%.*s", prefix, (int)func->name.size, func->name.data));
    struct slice resource = func->resource->name;
    struct slice name = func->kind == WIT_CONSTRUCTOR ? (struct slice){"new", 3} : func->name;
    return snake(gen, ga_arena_printf(gen->arena, "%s_%.*s_%.*s", prefix, (int)resource.size, resource.data,
                                      (int)name.size, name.data));
}

const char *gen_resource_name(struct gen *gen, const struct wit_resource *resource)
{
    return snake(gen, ga_arena_printf(gen->arena, "%s_%.*s", gen_prefix(gen, resource->interface),
                                      (int)resource->name.size, resource->name.data));
}

/* What a field or parameter must not be called: C's keywords, macros of the headers, the thunk's own names. */
static const char *const taken[] = {
    "auto",     "break",  "case",     "char",   "const",  "continue", "default", "do",     "double",     "else",
    "enum",     "extern", "float",    "for",    "goto",   "if",       "inline",  "int",    "long",       "register",
    "restrict", "return", "short",    "signed", "sizeof", "static",   "struct",  "switch", "typedef",    "union",
    "unsigned", "void",   "volatile", "while",  "asm",    "typeof",   "bool",    "true",   "false",      "errno",
    "stdin",    "stdout", "stderr",   "unix",   "linux",  "worker",   "params",  "result", "result_out",
};

const char *gen_field_name(struct gen *gen, struct slice name)
{
    char *text = snake(gen, ga_arena_strndup(gen->arena, name.data, name.size));
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(text, taken[i]) == 0)
            return ga_arena_printf(gen->arena, "%s_", text);
    return text;
}

const char *gen_upper(struct gen *gen, const char *name)
{
    char *copy = ga_arena_strndup(gen->arena, name, strlen(name));
    for (char *at = copy; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    return copy;
}

const char *gen_version(struct gen *gen, struct wit_version version)
{
    if (!version.present)
        return "";
    return ga_arena_printf(gen->arena, "@%u.%u.%u", version.major, version.minor, version.patch);
}

static const char *const plain_names[] = {
    [VAL_BOOL] = "bool",     [VAL_S8] = "s8",     [VAL_U8] = "u8",         [VAL_S16] = "s16",   [VAL_U16] = "u16",
    [VAL_S32] = "s32",       [VAL_U32] = "u32",   [VAL_S64] = "s64",       [VAL_U64] = "u64",   [VAL_F32] = "f32",
    [VAL_F64] = "f64",       [VAL_CHAR] = "char", [VAL_STRING] = "string", [VAL_LIST] = "list", [VAL_OWN] = "handle",
    [VAL_BORROW] = "handle", [VAL_FLAGS] = NULL,
};

static const char *payload_name(struct gen *gen, const struct type_val *type)
{
    return type != NULL ? gen_type_name(gen, type) : "void";
}

static const char *tuple_name(struct gen *gen, const struct type_val *type)
{
    const char *name = "tuple";
    for (uint32_t i = 0; i < type->member_count; i++)
        name = ga_arena_printf(gen->arena, "%s_%s", name, gen_type_name(gen, type->members[i].type));
    return name;
}

const char *gen_type_name(struct gen *gen, const struct type_val *type)
{
    if (type->name.size > 0) {
        const struct wit_named *named = (const struct wit_named *)type;
        return snake(gen, ga_arena_printf(gen->arena, "%s_%.*s", gen_prefix(gen, named->interface),
                                          (int)type->name.size, type->name.data));
    }
    if (plain_names[type->kind] != NULL)
        return plain_names[type->kind];
    if (type->kind == VAL_OPTION)
        return ga_arena_printf(gen->arena, "option_%s", gen_type_name(gen, type->element));
    if (type->kind == VAL_RESULT)
        return ga_arena_printf(gen->arena, "result_%s_%s", payload_name(gen, type->element),
                               payload_name(gen, type->err));
    return tuple_name(gen, type);
}

void gen_each_interface(struct gen *gen, void (*visit)(struct gen *gen, const struct wit_interface *interface))
{
    for (uint32_t i = 0; i < gen->document->packages.count; i++) {
        const struct wit_package *package = gen->document->packages.items[i];
        for (uint32_t j = 0; j < package->interfaces.count; j++)
            visit(gen, package->interfaces.items[j]);
    }
}
