/* Core types in components: function types, module types, and the subtyping of core imports (core specification,
 * "Matching"). */
#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "type_surface.h"

#define SPEC "(Binary.md, Type Definitions)"
#define MEMORY_BYTES_LOG2 32 /* of a memory with 32-bit addresses */

struct module_builder {
    struct type_scope *scope;
    GA_VEC(struct core_import) imports;
    GA_VEC(struct core_export) exports;
    struct ga_map import_names, export_names;
};

static enum ga_status fail(const struct type_scope *scope, const struct def *def, const char *text)
{
    return ga_report_at(scope->context->report, GA_INVALID, def->offset, "core type: %s " SPEC, text);
}

static const char *limits_fault(const struct core_extern_type *type)
{
    if (type->has_max && type->max < type->min)
        return "limits whose maximum is less than their minimum";
    if (type->kind != CORE_EXTERN_MEMORY)
        return NULL;
    if (type->page_size_log2 != 0 && type->page_size_log2 != 16)
        return "memory with pages of another size than 1 and 65536";
    unsigned pages_log2 = (type->is64 ? 64 : MEMORY_BYTES_LOG2) - type->page_size_log2;
    uint64_t pages = pages_log2 >= 64 ? UINT64_MAX : (uint64_t)1 << pages_log2;
    if (type->min > pages || (type->has_max && type->max > pages))
        return "memory with more pages than can be addressed";
    if (type->shared && !type->has_max)
        return "shared memory without a maximum";
    return NULL;
}

/* The types that are mentioned: earlier ones, or of the next `group_left`, which are of the same recursion group. */
static enum ga_status check_refs(const struct type_scope *scope, const core_type_refs *refs, uint32_t group_left,
                                 const struct def *def)
{
    uint32_t defined = scope->spaces[SORT_CORE_TYPE].count;
    for (uint32_t i = 0; i < refs->count; i++) {
        struct type_extern item = {0};
        uint32_t index = refs->items[i];
        if (index >= defined && index - defined < group_left)
            continue;
        enum ga_status status = type_lookup(scope, SORT_CORE_TYPE, index, def->offset, &item);
        if (status != GA_OK)
            return status;
        if (item.core_type->module != NULL)
            return fail(scope, def, "reference to a module type");
    }
    return GA_OK;
}

/* At most one, earlier and open. That the structures match matters to nobody here: only what a module itself
 * defines is compiled. */
static enum ga_status check_supertypes(const struct type_scope *scope, const core_type_refs *supertypes,
                                       const struct def *def)
{
    struct type_extern item = {0};
    if (supertypes->count == 0)
        return GA_OK;
    if (supertypes->count > 1)
        return fail(scope, def, "subtype of more than one type");
    enum ga_status status = type_lookup(scope, SORT_CORE_TYPE, supertypes->items[0], def->offset, &item);
    if (status == GA_OK && !item.core_type->open)
        return fail(scope, def, "subtype of a type that allows none");
    return status;
}

/* The type of an import or export of a module type. */
static enum ga_status core_extern(struct type_scope *scope, const struct extern_desc *desc, const struct def *def,
                                  struct core_extern_type *out)
{
    enum ga_status status = check_refs(scope, &desc->core_refs, 0, def);
    *out = desc->core;
    if (status != GA_OK)
        return status;
    if (out->kind == CORE_EXTERN_TABLE || out->kind == CORE_EXTERN_MEMORY) {
        const char *fault = limits_fault(out);
        return fault == NULL ? GA_OK : fail(scope, def, fault);
    }
    if (out->kind == CORE_EXTERN_GLOBAL)
        return GA_OK;
    struct type_extern item = {0};
    status = type_lookup(scope, SORT_CORE_TYPE, desc->type_index, def->offset, &item);
    if (status != GA_OK)
        return status;
    if (item.core_type->func == NULL)
        return fail(scope, def, "func or tag whose type is not a function type");
    out->func = *item.core_type->func;
    if (out->kind == CORE_EXTERN_TAG && out->func.result_count > 0)
        return fail(scope, def, "tag with results");
    return GA_OK;
}

/* Two-level import names, as one key that cannot be confused with another pair's. */
static struct slice import_key(struct ga_arena *arena, struct slice module, struct slice name)
{
    char *key = ga_arena_alloc(arena, sizeof module.size + (size_t)module.size + name.size);
    memcpy(key, &module.size, sizeof module.size);
    memcpy(key + sizeof module.size, module.data, module.size);
    memcpy(key + sizeof module.size + module.size, name.data, name.size);
    return (struct slice){key, (uint32_t)sizeof module.size + module.size + name.size};
}

static enum ga_status module_import(struct module_builder *builder, const struct def *def)
{
    struct ga_arena *arena = builder->scope->context->arena;
    struct slice key = import_key(arena, def->import.module, def->import.name);
    struct core_import import = {.module = def->import.module, .name = def->import.name};
    if (!ga_map_add(&builder->import_names, key.data, key.size, builder))
        return fail(builder->scope, def, "module type with two imports of the same name");
    enum ga_status status = core_extern(builder->scope, &def->import.desc, def, &import.type);
    *GA_PUSH(arena, &builder->imports) = import;
    return status;
}

static enum ga_status module_export(struct module_builder *builder, const struct def *def)
{
    struct core_export export = {.name = def->export.name};
    if (!ga_map_add(&builder->export_names, export.name.data, export.name.size, builder))
        return fail(builder->scope, def, "module type with two exports of the same name");
    enum ga_status status = core_extern(builder->scope, &def->export.desc, def, &export.type);
    *GA_PUSH(builder->scope->context->arena, &builder->exports) = export;
    return status;
}

static enum ga_status module_type(struct module_builder *builder, const struct def *def)
{
    struct type_scope *scope = builder->scope;
    struct type_extern item = {0};
    enum ga_status status;
    switch (def->kind) {
    case DEF_IMPORT: return module_import(builder, def);
    case DEF_EXPORT: return module_export(builder, def);
    case DEF_CORE_TYPE: status = type_define_core(scope, def, &item); break;
    case DEF_ALIAS:
        status = type_outer(scope, SORT_CORE_TYPE, def->alias.outer_count, def->alias.index, def->offset, &item);
        if (status == GA_OK && item.core_type->module != NULL)
            return fail(scope, def, "alias of a module type inside a module type");
        break;
    default: GA_UNREACHABLE();
    }
    return status == GA_OK ? type_push(scope, SORT_CORE_TYPE, item) : status;
}

static enum ga_status define_module(struct type_scope *scope, const struct component *decls, struct type_core *out)
{
    struct ga_arena *arena = scope->context->arena;
    struct module_builder builder = {
        .scope = type_scope_new(scope->context, scope, SCOPE_MODULE_TYPE),
        .import_names.arena = arena,
        .export_names.arena = arena,
    };
    enum ga_status status = GA_OK;
    for (uint32_t i = 0; i < decls->defs.count && status == GA_OK; i++)
        status = module_type(&builder, &decls->defs.items[i]);
    struct core_module *module = GA_NEW(arena, struct core_module);
    module->import_count = builder.imports.count;
    module->imports = builder.imports.items;
    module->export_count = builder.exports.count;
    module->exports = builder.exports.items;
    out->module = module;
    return status;
}

enum ga_status type_define_core(struct type_scope *scope, const struct def *def, struct type_extern *out)
{
    struct type_core *type = GA_NEW(scope->context->arena, struct type_core);
    *out = (struct type_extern){.kind = EXTERN_CORE_TYPE, .core_type = type};
    if (def->core_type.is_module)
        return define_module(scope, def->core_type.decls, type);
    if (def->core_type.is_func)
        type->func = &def->core_type.func;
    type->open = def->core_type.open;
    enum ga_status status = check_refs(scope, &def->core_type.refs, def->core_type.group_left, def);
    return status == GA_OK ? check_supertypes(scope, &def->core_type.supertypes, def) : status;
}

/* --- matching --- */

static bool same_values(uint32_t count_a, const uint8_t *a, uint32_t count_b, const uint8_t *b)
{
    return count_a == count_b && (count_a == 0 || memcmp(a, b, count_a) == 0);
}

bool type_core_func_equal(const struct core_func_type *a, const struct core_func_type *b)
{
    return same_values(a->param_count, a->params, b->param_count, b->params) &&
           same_values(a->result_count, a->results, b->result_count, b->results);
}

static bool limits_match(const struct core_extern_type *actual, const struct core_extern_type *expected)
{
    return actual->min >= expected->min && actual->is64 == expected->is64 && actual->shared == expected->shared &&
           (!expected->has_max || (actual->has_max && actual->max <= expected->max));
}

bool type_core_matches(const struct core_extern_type *actual, const struct core_extern_type *expected)
{
    if (actual->kind != expected->kind)
        return false;
    switch (actual->kind) {
    case CORE_EXTERN_FUNC:
    case CORE_EXTERN_TAG: return type_core_func_equal(&actual->func, &expected->func);
    case CORE_EXTERN_TABLE: return actual->value == expected->value && limits_match(actual, expected);
    case CORE_EXTERN_MEMORY:
        return actual->page_size_log2 == expected->page_size_log2 && limits_match(actual, expected);
    case CORE_EXTERN_GLOBAL: return actual->value == expected->value && actual->mutable == expected->mutable;
    }
    return false;
}

/* Finds, for each import or export of one module, the one of that name in the other. */
static enum ga_status names_of(struct type_context *context, const struct core_module *module, bool imports,
                               uint64_t offset, struct ga_map *out)
{
    uint32_t count = imports ? module->import_count : module->export_count;
    enum ga_status status = type_work(context, count, offset);
    for (uint32_t i = 0; i < count && status == GA_OK; i++) {
        struct slice key = imports ? import_key(context->arena, module->imports[i].module, module->imports[i].name)
                                   : module->exports[i].name;
        ga_map_add(out, key.data, key.size,
                   imports ? (void *)&module->imports[i].type : (void *)&module->exports[i].type);
    }
    return status;
}

enum ga_status type_core_module_matches(struct type_context *context, const struct core_module *actual,
                                        const struct core_module *expected, uint64_t offset, struct slice *fault_out)
{
    struct ga_map imports = {.arena = context->arena}, exports = {.arena = context->arena};
    *fault_out = (struct slice){NULL, 0};
    enum ga_status status = names_of(context, expected, true, offset, &imports);
    if (status == GA_OK)
        status = names_of(context, actual, false, offset, &exports);
    if (status == GA_OK)
        status = type_work(context, (uint64_t)actual->import_count + expected->export_count, offset);
    for (uint32_t i = 0; status == GA_OK && i < actual->import_count && fault_out->data == NULL; i++) {
        const struct core_import *import = &actual->imports[i];
        struct slice key = import_key(context->arena, import->module, import->name);
        const struct core_extern_type *given = ga_map_get(&imports, key.data, key.size);
        if (given == NULL || !type_core_matches(given, &import->type))
            *fault_out = import->name;
    }
    for (uint32_t i = 0; status == GA_OK && i < expected->export_count && fault_out->data == NULL; i++) {
        const struct core_export *export = &expected->exports[i];
        const struct core_extern_type *given = ga_map_get(&exports, export->name.data, export->name.size);
        if (given == NULL || !type_core_matches(given, &export->type))
            *fault_out = export->name;
    }
    return status;
}
