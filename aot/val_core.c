/* Core modules and core instances: what they import and export, and whether it fits together. */
#include <string.h>

#include "ga_assert.h"
#include "name.h"
#include "val_parts.h"

#define SPEC "(Binary.md, Instance Definitions)"
#define ITEM_WORK 16 /* of copying an export */

/* In a component, two-level names of imports must differ, as they may have to become one (Explainer.md, "Instance
 * Definitions"). */
static enum ga_status check_import_names(struct type_scope *scope, const struct core_module *module, uint64_t offset)
{
    struct ga_arena *arena = scope->context->arena;
    struct ga_map modules = {.arena = arena};
    for (uint32_t i = 0; i < module->import_count; i++) {
        const struct core_import *import = &module->imports[i];
        struct ga_map *names = ga_map_get(&modules, import->module.data, import->module.size);
        if (names == NULL) {
            names = GA_NEW(arena, struct ga_map);
            names->arena = arena;
            ga_map_add(&modules, import->module.data, import->module.size, names);
        }
        if (!ga_map_add(names, import->name.data, import->name.size, scope))
            return val_fail(scope, offset,
                            "core module that imports \"%.*s\" \"%.*s\" twice (Explainer.md, Type Definitions)",
                            type_shown(import->module), import->module.data, type_shown(import->name),
                            import->name.data);
    }
    return GA_OK;
}

enum ga_status val_core_module(struct type_scope *scope, const struct def *def)
{
    struct ga_report inner = {0};
    struct core_module *module;
    enum ga_status status = core_read(scope->context->arena, def->core_module, &module, &inner);
    if (status != GA_OK) /* its offsets count from the beginning of the module */
        return ga_report_at(scope->context->report, status, def->offset + inner.offset, "%s", inner.text);
    status = check_import_names(scope, module, def->offset);
    if (status != GA_OK)
        return status;
    return type_push(scope, SORT_CORE_MODULE, (struct type_extern){.kind = EXTERN_MODULE, .module = module});
}

/* --- core instances --- */

static enum ga_status push_instance(struct type_scope *scope, const struct ga_map *exports)
{
    struct type_extern item = {.kind = EXTERN_CORE_INSTANCE, .core_exports = exports};
    return type_push(scope, SORT_CORE_INSTANCE, item);
}

static struct ga_map *new_exports(struct type_scope *scope)
{
    struct ga_map *exports = GA_NEW(scope->context->arena, struct ga_map);
    exports->arena = scope->context->arena;
    return exports;
}

static enum ga_status bag(struct type_scope *scope, const struct def *def)
{
    struct ga_map *exports = new_exports(scope);
    for (uint32_t i = 0; i < def->instance.items.count; i++) {
        const struct named_index *export = &def->instance.items.items[i];
        struct type_extern item = {0};
        enum ga_status status = type_lookup(scope, export->item.sort, export->item.index, export->offset, &item);
        if (status != GA_OK)
            return status;
        if (!ga_map_add(exports, export->name.data, export->name.size, (void *)item.core))
            return val_fail(scope, export->offset, "two exports of the name \"%.*s\" " SPEC, type_shown(export->name),
                            export->name.data);
    }
    return push_instance(scope, exports);
}

static enum ga_status check_import(struct type_scope *scope, const struct core_import *import,
                                   const struct ga_map *args, uint64_t offset)
{
    const struct ga_map *given = ga_map_get(args, import->module.data, import->module.size);
    if (given == NULL)
        return val_fail(scope, offset, "core instance without the argument \"%.*s\" that its module imports " SPEC,
                        type_shown(import->module), import->module.data);
    const struct core_extern_type *type = ga_map_get(given, import->name.data, import->name.size);
    if (type == NULL || !type_core_matches(type, &import->type))
        return val_fail(scope, offset, "import \"%.*s\" \"%.*s\" of a core module: the argument %s " SPEC,
                        type_shown(import->module), import->module.data, type_shown(import->name), import->name.data,
                        type == NULL ? "does not export this name" : "exports something of another type");
    return GA_OK;
}

static enum ga_status instantiate(struct type_scope *scope, const struct def *def)
{
    struct ga_map args = {.arena = scope->context->arena};
    struct type_extern module, item;
    enum ga_status status = type_lookup(scope, SORT_CORE_MODULE, def->instance.index, def->offset, &module);
    for (uint32_t i = 0; i < def->instance.items.count && status == GA_OK; i++) {
        const struct named_index *arg = &def->instance.items.items[i];
        status = type_lookup(scope, SORT_CORE_INSTANCE, arg->item.index, arg->offset, &item);
        if (status == GA_OK && !ga_map_add(&args, arg->name.data, arg->name.size, (void *)item.core_exports))
            return val_fail(scope, arg->offset, "two arguments of the name \"%.*s\" " SPEC, type_shown(arg->name),
                            arg->name.data);
    }
    if (status == GA_OK)
        status =
            type_work(scope->context, ITEM_WORK * ((uint64_t)module.module->import_count + module.module->export_count),
                      def->offset);
    for (uint32_t i = 0; status == GA_OK && i < module.module->import_count; i++)
        status = check_import(scope, &module.module->imports[i], &args, def->offset);
    if (status != GA_OK)
        return status;
    struct ga_map *exports = new_exports(scope);
    for (uint32_t i = 0; i < module.module->export_count; i++) {
        const struct core_export *export = &module.module->exports[i];
        ga_map_add(exports, export->name.data, export->name.size, (void *)&export->type);
    }
    return push_instance(scope, exports);
}

enum ga_status val_core_instance(struct type_scope *scope, const struct def *def)
{
    return def->instance.inline_exports ? bag(scope, def) : instantiate(scope, def);
}

enum ga_status val_core_alias(struct type_scope *scope, const struct def *def)
{
    static const enum sort sorts[] = {
        [CORE_EXTERN_FUNC] = SORT_CORE_FUNC,     [CORE_EXTERN_TABLE] = SORT_CORE_TABLE,
        [CORE_EXTERN_MEMORY] = SORT_CORE_MEMORY, [CORE_EXTERN_GLOBAL] = SORT_CORE_GLOBAL,
        [CORE_EXTERN_TAG] = SORT_CORE_TAG,
    };
    struct slice name = def->alias.name;
    struct type_extern instance;
    enum ga_status status = type_lookup(scope, SORT_CORE_INSTANCE, def->alias.instance, def->offset, &instance);
    if (status != GA_OK)
        return status;
    const struct core_extern_type *type = ga_map_get(instance.core_exports, name.data, name.size);
    if (type == NULL)
        return val_fail(scope, def->offset, "core instance %u has no export \"%.*s\" (Binary.md, Alias Definitions)",
                        def->alias.instance, type_shown(name), name.data);
    if (sorts[type->kind] != def->alias.sort)
        return val_fail(scope, def->offset,
                        "export \"%.*s\" of core instance %u is not %s but %s "
                        "(Binary.md, Alias Definitions)",
                        type_shown(name), name.data, def->alias.instance, type_sort_a(def->alias.sort),
                        type_sort_a(sorts[type->kind]));
    return type_push(scope, def->alias.sort, (struct type_extern){.kind = EXTERN_CORE_ITEM, .core = type});
}

/* --- core functions --- */

enum ga_status val_core_func_at(const struct type_scope *scope, uint32_t index, uint64_t offset,
                                const struct core_func_type **out)
{
    struct type_extern item = {0};
    enum ga_status status = type_lookup(scope, SORT_CORE_FUNC, index, offset, &item);
    if (status == GA_OK)
        *out = &item.core->func;
    return status;
}

static const uint8_t *core_vals(struct ga_arena *arena, const char *letters, uint8_t v, uint32_t *count_out)
{
    *count_out = (uint32_t)strlen(letters);
    uint8_t *vals = ga_arena_alloc(arena, *count_out);
    for (uint32_t i = 0; i < *count_out; i++)
        vals[i] = letters[i] == 'i' ? CORE_I32 : letters[i] == 'I' ? CORE_I64 : v;
    return vals;
}

void val_core_func_type(struct ga_arena *arena, const char *params, const char *results, uint8_t v,
                        struct core_func_type *out)
{
    out->params = core_vals(arena, params, v, &out->param_count);
    out->results = core_vals(arena, results, v, &out->result_count);
}

enum ga_status val_core_func_check(const struct type_scope *scope, uint32_t index, const char *params,
                                   const char *results, const char *what, uint64_t offset)
{
    const struct core_func_type *actual;
    struct core_func_type expected;
    enum ga_status status = val_core_func_at(scope, index, offset, &actual);
    if (status != GA_OK)
        return status;
    val_core_func_type(scope->context->arena, params, results, 0, &expected);
    return type_core_func_equal(actual, &expected) ? GA_OK : val_fail(scope, offset, "%s", what);
}

enum ga_status val_push_core_func(struct type_scope *scope, const struct core_func_type *type)
{
    struct core_extern_type *item = GA_NEW(scope->context->arena, struct core_extern_type);
    item->kind = CORE_EXTERN_FUNC;
    item->func = *type;
    return type_push(scope, SORT_CORE_FUNC, (struct type_extern){.kind = EXTERN_CORE_ITEM, .core = item});
}
