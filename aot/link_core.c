#include <string.h>

#include "ga_assert.h"
#include "ga_hash.h"
#include "ga_limits.h"
#include "link_scope.h"

static const enum core_extern extern_of_sort[] = {
    [SORT_CORE_FUNC] = CORE_EXTERN_FUNC,     [SORT_CORE_TABLE] = CORE_EXTERN_TABLE,
    [SORT_CORE_MEMORY] = CORE_EXTERN_MEMORY, [SORT_CORE_GLOBAL] = CORE_EXTERN_GLOBAL,
    [SORT_CORE_TAG] = CORE_EXTERN_TAG,
};

/* Modules with equal bytes are one. */
struct module_entry {
    uint32_t index;
    struct module_entry *next;
};

enum ga_status link_module(struct linker *linker, struct slice bytes, uint32_t *index_out)
{
    struct plan *plan = linker->plan;
    uint64_t *hash = GA_NEW(linker->arena, uint64_t);
    *hash = ga_hash64(bytes.data, bytes.size, 0);
    struct module_entry *entry = ga_map_get(&linker->modules, (const char *)hash, sizeof *hash);
    for (struct module_entry *at = entry; at != NULL; at = at->next) {
        const struct slice *other = &plan->modules.items[at->index].bytes;
        if (other->size == bytes.size && memcmp(other->data, bytes.data, bytes.size) == 0) {
            *index_out = at->index;
            return GA_OK;
        }
    }

    struct core_module *core;
    enum ga_status status = core_read(linker->arena, bytes, &core, linker->report);
    if (status != GA_OK)
        return status;
    struct module_entry *new_entry = GA_NEW(linker->arena, struct module_entry);
    *new_entry = (struct module_entry){plan->modules.count, entry};
    ga_map_set(&linker->modules, (const char *)hash, sizeof *hash, new_entry);
    struct plan_module *module = GA_PUSH(linker->arena, &plan->modules);
    *module = (struct plan_module){bytes, core, {.arena = linker->arena}};
    for (uint32_t i = 0; i < core->export_count; i++)
        ga_map_set(&module->exports, core->exports[i].name.data, core->exports[i].name.size, &core->exports[i]);
    *index_out = new_entry->index;
    return GA_OK;
}

/* The item of that name in a core instance, or false. A tag that the instance imports is its provider's. */
static bool core_export_find(struct linker *linker, const struct link_core_instance *instance, struct slice name,
                             struct core_item *out)
{
    if (!instance->is_real) {
        const struct core_item *item = ga_map_get(&instance->exports, name.data, name.size);
        if (item != NULL)
            *out = *item;
        return item != NULL;
    }
    const struct plan *plan = linker->plan;
    const struct plan_module *module = &plan->modules.items[plan->core_instances.items[instance->index].module];
    const struct core_export *found = ga_map_get(&module->exports, name.data, name.size);
    if (found == NULL)
        return false;
    if (found->import != NULL)
        *out = plan->core_instances.items[instance->index].imports[found->import - module->core->imports];
    else
        *out = (struct core_item){CORE_ITEM_EXPORT, found->type.kind, instance->index, 0, found->name};
    return true;
}

enum ga_status link_core_item(struct linker *linker, const struct link_scope *scope, enum sort sort, uint32_t index,
                              uint64_t offset, struct core_item *out)
{
    if (sort > SORT_CORE_TAG || index >= scope->core_items[sort].count)
        return ga_report_at(linker->report, GA_INVALID, offset, "core %s index %u is out of bounds",
                            type_sort_name(sort), index);
    *out = scope->core_items[sort].items[index];
    return GA_OK;
}

enum ga_status link_core_alias(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    enum sort sort = def->alias.sort;
    struct core_item item;

    if (sort > SORT_CORE_TAG || def->alias.instance >= scope->core_instances.count)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "core instance index %u is out of bounds",
                            def->alias.instance);
    if (!core_export_find(linker, &scope->core_instances.items[def->alias.instance], def->alias.name, &item) ||
        item.sort != extern_of_sort[sort])
        return ga_report_at(linker->report, GA_INVALID, def->offset, "core instance %u exports no %s \"%.*s\"",
                            def->alias.instance, type_sort_name(sort), (int)def->alias.name.size, def->alias.name.data);
    *GA_PUSH(linker->arena, &scope->core_items[sort]) = item;
    return GA_OK;
}

static enum ga_status make_inline(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct link_core_instance instance = {.exports.arena = linker->arena};

    for (uint32_t i = 0; i < def->instance.items.count; i++) {
        const struct named_index *named = &def->instance.items.items[i];
        struct core_item *item = GA_NEW(linker->arena, struct core_item);
        enum ga_status status = link_step(linker, named->offset);
        if (status == GA_OK)
            status = link_core_item(linker, scope, named->item.sort, named->item.index, named->offset, item);
        if (status != GA_OK)
            return status;
        ga_map_set(&instance.exports, named->name.data, named->name.size, item);
    }
    *GA_PUSH(linker->arena, &scope->core_instances) = instance;
    return GA_OK;
}

/* Import module names -> struct link_core_instance *. */
static enum ga_status collect_args(struct linker *linker, struct link_scope *scope, const struct def *def,
                                   struct ga_map *args)
{
    for (uint32_t i = 0; i < def->instance.items.count; i++) {
        const struct named_index *named = &def->instance.items.items[i];
        if (named->item.index >= scope->core_instances.count)
            return ga_report_at(linker->report, GA_INVALID, named->offset, "core instance index %u is out of bounds",
                                named->item.index);
        ga_map_set(args, named->name.data, named->name.size, &scope->core_instances.items[named->item.index]);
    }
    return GA_OK;
}

static enum ga_status find_import(struct linker *linker, const struct ga_map *args, const struct core_import *import,
                                  uint64_t offset, struct core_item *out)
{
    const struct link_core_instance *provider = ga_map_get(args, import->module.data, import->module.size);
    if (provider == NULL || !core_export_find(linker, provider, import->name, out) || out->sort != import->type.kind)
        return ga_report_at(linker->report, GA_INVALID, offset, "nothing is given for the core import \"%.*s\" \"%.*s\"",
                            (int)import->module.size, import->module.data, (int)import->name.size, import->name.data);
    return link_step(linker, offset);
}

static enum ga_status make_real(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct plan *plan = linker->plan;
    struct ga_map args = {.arena = linker->arena};
    uint32_t module_index = 0;

    if (def->instance.index >= scope->modules.count)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "core module index %u is out of bounds",
                            def->instance.index);
    if (plan->core_instances.count >= GA_MAX_CORE_INSTANCES)
        return ga_report_at(linker->report, GA_LIMIT, def->offset, "too many core instances (limit is %u)",
                            GA_MAX_CORE_INSTANCES);
    enum ga_status status = link_module(linker, scope->modules.items[def->instance.index], &module_index);
    if (status == GA_OK)
        status = collect_args(linker, scope, def, &args);
    if (status != GA_OK)
        return status;

    const struct core_module *core = plan->modules.items[module_index].core;
    struct core_item *imports = ga_arena_array(linker->arena, core->import_count, sizeof *imports);
    for (uint32_t i = 0; i < core->import_count && status == GA_OK; i++)
        status = find_import(linker, &args, &core->imports[i], def->offset, &imports[i]);
    if (status != GA_OK)
        return status;
    *GA_PUSH(linker->arena, &scope->core_instances) =
        (struct link_core_instance){.is_real = true, .index = plan->core_instances.count};
    *GA_PUSH(linker->arena, &plan->core_instances) =
        (struct plan_core_instance){module_index, scope->instance, imports};
    return GA_OK;
}

enum ga_status link_core_instance(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    return def->instance.inline_exports ? make_inline(linker, scope, def) : make_real(linker, scope, def);
}
