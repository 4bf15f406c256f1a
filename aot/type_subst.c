/* Uses of types that leave something open: instance types opened, components instantiated (Explainer.md, "Type
 * Checking"). */
#include "type_subst.h"

#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"

struct type_subst *type_subst_new(struct type_scope *scope, uint64_t offset)
{
    struct ga_arena *arena = scope->context->arena;
    struct type_subst *subst = GA_NEW(arena, struct type_subst);
    subst->scope = scope;
    subst->offset = offset;
    subst->resources.arena = subst->aliases.arena = subst->done.arena = arena;
    return subst;
}

static bool step(struct type_subst *subst, uint64_t nodes)
{
    if (subst->status == GA_OK)
        subst->status = type_work(subst->scope->context, nodes * TYPE_NODE_WORK, subst->offset);
    return subst->status == GA_OK;
}

void type_subst_bind(struct type_subst *subst, const type_resources *resources)
{
    struct ga_arena *arena = subst->scope->context->arena;
    if (!step(subst, resources->count))
        return;
    for (uint32_t i = 0; i < resources->count; i++) {
        struct type_binding *binding = GA_NEW(arena, struct type_binding);
        binding->id = resources->items[i]->id;
        ga_map_set(&subst->resources, (const char *)&binding->id, sizeof binding->id, binding);
    }
}

struct type_binding *type_subst_binding(const struct type_subst *subst, const struct type_resource *resource)
{
    return ga_map_get(&subst->resources, (const char *)&resource->id, sizeof resource->id);
}

void type_subst_alias(struct type_subst *subst, uint32_t alias, struct type_extern item)
{
    struct aliased {
        uint32_t alias;
        struct type_extern item;
    } *aliased = GA_NEW(subst->scope->context->arena, struct aliased);
    aliased->alias = alias;
    aliased->item = item;
    ga_map_set(&subst->aliases, (const char *)&aliased->alias, sizeof aliased->alias, &aliased->item);
}

static const struct type_extern *alias_image(const struct type_subst *subst, uint32_t alias)
{
    return ga_map_get(&subst->aliases, (const char *)&alias, sizeof alias);
}

static void remember(struct type_subst *subst, const void *node, const void *image)
{
    const void **key = GA_NEW(subst->scope->context->arena, const void *);
    *key = node;
    ga_map_set(&subst->done, (const char *)key, sizeof *key, (void *)image);
}

static const void *remembered(const struct type_subst *subst, const void *node)
{
    return ga_map_get(&subst->done, (const char *)&node, sizeof node);
}

/* --- resources --- */

static struct slice prefixed(struct type_subst *subst, struct slice name)
{
    if (subst->prefix.size == 0)
        return name;
    char *text = ga_arena_alloc(subst->scope->context->arena, (size_t)subst->prefix.size + 1 + name.size);
    memcpy(text, subst->prefix.data, subst->prefix.size);
    text[subst->prefix.size] = '.';
    memcpy(text + subst->prefix.size + 1, name.data, name.size);
    return (struct slice){text, subst->prefix.size + 1 + name.size};
}

static struct type_resource *resource_image(struct type_subst *subst, struct type_resource *resource)
{
    struct type_binding *binding = type_subst_binding(subst, resource);
    if (binding == NULL)
        return resource;
    if (binding->resource == NULL && subst->keep_unbound)
        return resource;
    if (binding->resource == NULL && step(subst, 1 + subst->prefix.size / 16)) {
        binding->resource = type_resource_new(subst->scope->context, prefixed(subst, resource->name));
        binding->resource->imported = subst->imported;
        type_scope_own(subst->scope, binding->resource, subst->imported);
    }
    return binding->resource != NULL ? binding->resource : resource;
}

/* --- value types --- */

static struct type_member *subst_members(struct type_subst *subst, const struct type_member *members, uint32_t count,
                                         bool *changed)
{
    struct type_member *images = ga_arena_array(subst->scope->context->arena, count, sizeof *images);
    for (uint32_t i = 0; i < count; i++) {
        images[i] = members[i];
        images[i].type = type_subst_val(subst, members[i].type);
        *changed |= images[i].type != members[i].type;
    }
    return images;
}

static const struct type_val *subst_parts(struct type_subst *subst, const struct type_val *type)
{
    struct type_val image = *type;
    bool changed = false;
    image.element = type_subst_val(subst, type->element);
    image.err = type_subst_val(subst, type->err);
    image.members = subst_members(subst, type->members, type->member_count, &changed);
    const struct type_extern *origin = type->origin != 0 ? alias_image(subst, type->origin) : NULL;
    if (origin != NULL && origin->kind == EXTERN_TYPE) {
        image.origin = origin->value->alias;
        changed = true;
    }
    if (!changed && image.element == type->element && image.err == type->err)
        return type;
    const struct type_val *made = type_val_new(subst->scope->context, &image);
    GA_ASSERT(made != NULL || subst->status != GA_OK); /* equal types have equal sizes */
    return made != NULL ? made : type;
}

static const struct type_val *subst_handle(struct type_subst *subst, const struct type_val *type)
{
    struct type_val image = *type;
    const struct type_extern *alias = alias_image(subst, type->alias);
    if (alias != NULL && alias->kind == EXTERN_RESOURCE) {
        image.resource = alias->resource;
        image.alias = alias->alias;
    } else {
        image.resource = resource_image(subst, (struct type_resource *)type->resource);
    }
    if (image.resource == type->resource && image.alias == type->alias)
        return type;
    return type_val_new(subst->scope->context, &image);
}

const struct type_val *type_subst_val(struct type_subst *subst, const struct type_val *type)
{
    if (type == NULL || (type->kind <= VAL_STRING && type->alias == 0) ||
        (!type->has_resource && subst->aliases.count == 0))
        return type;
    const struct type_val *image = remembered(subst, type);
    if (image != NULL)
        return image;
    if (!step(subst, 1 + type->member_count))
        return type;
    const struct type_extern *alias = type->resource == NULL ? alias_image(subst, type->alias) : NULL;
    if (alias != NULL && alias->kind == EXTERN_TYPE)
        image = alias->value;
    else
        image = type->resource != NULL ? subst_handle(subst, type) : subst_parts(subst, type);
    remember(subst, type, image);
    return image;
}

/* --- functions, instances, components --- */

const struct type_func *type_subst_func(struct type_subst *subst, const struct type_func *type)
{
    const struct type_func *known = remembered(subst, type);
    if (known != NULL || !step(subst, 1 + type->param_count))
        return known != NULL ? known : type;
    struct type_func image = *type;
    bool changed = false;
    image.result = type_subst_val(subst, type->result);
    image.params = subst_members(subst, type->params, type->param_count, &changed);
    if (changed || image.result != type->result) {
        struct type_func *copy = GA_NEW(subst->scope->context->arena, struct type_func);
        *copy = image;
        type = copy;
    }
    remember(subst, type, type);
    return type;
}

/* Whether the items of a map changed; the new map in *out. */
static bool subst_items(struct type_subst *subst, const struct ga_map *items, struct ga_map *out)
{
    bool changed = false;
    struct ga_arena *arena = subst->scope->context->arena;
    *out = (struct ga_map){.arena = arena};
    if (!step(subst, items->count))
        return false;
    for (uint32_t i = 0; i < items->count; i++) {
        const struct ga_map_entry *entry = &items->entries[i];
        struct type_extern *image = GA_NEW(arena, struct type_extern);
        *image = type_subst_extern(subst, *(const struct type_extern *)entry->value);
        const struct type_extern *original = entry->value;
        changed |= image->func != original->func || image->alias != original->alias; /* any member of the union */
        ga_map_add(out, entry->key, entry->key_size, image);
    }
    return changed;
}

static const struct type_instance *instance_image(struct type_subst *subst, const struct type_instance *type)
{
    struct ga_map exports;
    if (!subst_items(subst, &type->exports, &exports))
        return type;
    struct type_instance *copy = GA_NEW(subst->scope->context->arena, struct type_instance);
    *copy = *type;
    copy->exports = exports;
    return copy;
}

const struct type_instance *type_subst_instance(struct type_subst *subst, const struct type_instance *type)
{
    const struct type_instance *image = remembered(subst, type);
    if (image == NULL) {
        image = instance_image(subst, type);
        remember(subst, type, image);
    }
    return image;
}

const struct type_component *type_subst_component(struct type_subst *subst, const struct type_component *type)
{
    const struct type_component *image = remembered(subst, type);
    if (image != NULL)
        return image;
    struct ga_map imports, exports;
    bool changed = subst_items(subst, &type->imports, &imports);
    if (subst_items(subst, &type->exports, &exports) || changed) {
        struct type_component *copy = GA_NEW(subst->scope->context->arena, struct type_component);
        *copy = *type;
        copy->imports = imports;
        copy->exports = exports;
        image = copy;
    } else {
        image = type;
    }
    remember(subst, type, image);
    return image;
}

struct type_extern type_subst_extern(struct type_subst *subst, struct type_extern item)
{
    const struct type_extern *alias;
    switch (item.kind) {
    case EXTERN_FUNC:
    case EXTERN_FUNC_TYPE: item.func = type_subst_func(subst, item.func); break;
    case EXTERN_TYPE:
    case EXTERN_VALUE: item.value = type_subst_val(subst, item.value); break;
    case EXTERN_RESOURCE:
        alias = alias_image(subst, item.alias);
        if (alias != NULL && alias->kind == EXTERN_RESOURCE)
            return *alias;
        item.resource = resource_image(subst, item.resource);
        break;
    case EXTERN_INSTANCE:
    case EXTERN_INSTANCE_TYPE: item.instance = type_subst_instance(subst, item.instance); break;
    case EXTERN_COMPONENT:
    case EXTERN_COMPONENT_TYPE: item.component = type_subst_component(subst, item.component); break;
    default: break;
    }
    return item;
}

/* --- uses --- */

enum ga_status type_instance_open(struct type_scope *scope, const struct type_instance *type, struct slice name,
                                  bool imported, uint64_t offset, const struct type_instance **out)
{
    *out = type;
    if (type->resources.count == 0)
        return GA_OK;
    struct type_subst *subst = type_subst_new(scope, offset);
    subst->imported = imported;
    subst->prefix = name;
    type_subst_bind(subst, &type->resources);
    struct type_instance *copy = GA_NEW(scope->context->arena, struct type_instance);
    *copy = *type_subst_instance(subst, type);
    copy->resources = (type_resources){0};
    *out = copy;
    return subst->status;
}

static enum ga_status match_imports(struct type_subst *subst, const struct type_component *component,
                                    const struct ga_map *args)
{
    for (uint32_t i = 0; i < component->imports.count; i++) {
        const struct ga_map_entry *import = &component->imports.entries[i];
        struct type_path path = {NULL, "argument", {import->key, (uint32_t)import->key_size}};
        const struct type_extern *arg = ga_map_get(args, import->key, import->key_size);
        if (arg == NULL)
            return ga_report_at(subst->scope->context->report, GA_INVALID, subst->offset,
                                "instantiation without the import \"%.*s\" (Binary.md, Instance Definitions)",
                                type_shown(path.name), import->key);
        enum ga_status status = type_match(subst, *arg, *(const struct type_extern *)import->value, &path);
        if (status != GA_OK)
            return status;
    }
    return GA_OK;
}

enum ga_status type_instantiate(struct type_scope *scope, const struct type_component *component,
                                const struct ga_map *args, uint64_t offset, struct type_instance **out)
{
    struct type_subst *subst = type_subst_new(scope, offset);
    type_subst_bind(subst, &component->import_resources);
    type_subst_bind(subst, &component->resources);
    enum ga_status status = subst->status == GA_OK ? match_imports(subst, component, args) : subst->status;
    if (status != GA_OK)
        return status;
    struct type_instance *instance = GA_NEW(scope->context->arena, struct type_instance);
    subst_items(subst, &component->exports, &instance->exports);
    instance->size = component->size;
    instance->depth = component->depth;
    *out = instance;
    return subst->status;
}

enum ga_status type_ascribe(struct type_scope *scope, struct type_extern actual, const struct extern_desc *desc,
                            struct slice name, uint64_t offset, struct type_extern *out)
{
    uint32_t before = scope->resources.count;
    enum ga_status status = type_resolve(scope, desc, name, false, offset, out);
    if (status != GA_OK)
        return status;
    type_resources fresh = {.count = scope->resources.count - before};
    if (fresh.count > 0)
        fresh.items = scope->resources.items + before;
    struct type_subst *subst = type_subst_new(scope, offset);
    struct type_path path = {NULL, "type of the export", name};
    type_subst_bind(subst, &fresh);
    return subst->status == GA_OK ? type_match(subst, actual, *out, &path) : subst->status;
}

enum ga_status type_alias_export(const struct type_scope *scope, const struct def *def, struct type_extern *out)
{
    struct ga_report *report = scope->context->report;
    struct slice name = def->alias.name;
    struct type_extern instance;
    enum ga_status status = type_lookup(scope, SORT_INSTANCE, def->alias.instance, def->offset, &instance);
    if (status != GA_OK)
        return status;
    const struct type_extern *item = ga_map_get(&instance.instance->exports, name.data, name.size);
    if (item == NULL)
        return ga_report_at(report, GA_INVALID, def->offset,
                            "instance %u has no export \"%.*s\" (Binary.md, Alias Definitions)", def->alias.instance,
                            type_shown(name), name.data);
    if (type_extern_sort(item->kind) != def->alias.sort)
        return ga_report_at(report, GA_INVALID, def->offset,
                            "export \"%.*s\" of instance %u is not %s but %s (Binary.md, Alias Definitions)",
                            type_shown(name), name.data, def->alias.instance, type_sort_a(def->alias.sort),
                            type_extern_a(item->kind));
    *out = *item;
    return GA_OK;
}

/* --- closed types --- */

struct closed_walk {
    struct type_context *context;
    uint64_t offset;
    enum ga_status status;
    struct ga_map bound; /* ids of resources that a type on the way leaves open */
    struct ga_map seen;  /* nodes */
};

static bool items_closed(struct closed_walk *walk, const struct ga_map *items);

static void bind_all(struct closed_walk *walk, const type_resources *resources)
{
    for (uint32_t i = 0; i < resources->count; i++)
        ga_map_add(&walk->bound, (const char *)&resources->items[i]->id, sizeof(uint32_t), walk);
}

static bool resource_closed(struct closed_walk *walk, const struct type_resource *resource)
{
    return ga_map_get(&walk->bound, (const char *)&resource->id, sizeof resource->id) != NULL;
}

/* Whether the walk has to go on below this node. */
static bool enter(struct closed_walk *walk, const void *node)
{
    const void **key = GA_NEW(walk->context->arena, const void *);
    *key = node;
    if (walk->status == GA_OK)
        walk->status = type_work(walk->context, TYPE_NODE_WORK, walk->offset);
    return walk->status == GA_OK && ga_map_add(&walk->seen, (const char *)key, sizeof *key, walk);
}

static bool val_closed(struct closed_walk *walk, const struct type_val *type)
{
    if (type == NULL || !type->has_resource || !enter(walk, type))
        return true;
    if (type->resource != NULL)
        return resource_closed(walk, type->resource);
    if (!val_closed(walk, type->element) || !val_closed(walk, type->err))
        return false;
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (!val_closed(walk, type->members[i].type))
            return false;
    }
    return true;
}

static bool func_closed(struct closed_walk *walk, const struct type_func *func)
{
    if (!enter(walk, func))
        return true;
    for (uint32_t i = 0; i < func->param_count; i++) {
        if (!val_closed(walk, func->params[i].type))
            return false;
    }
    return val_closed(walk, func->result);
}

static bool extern_closed(struct closed_walk *walk, struct type_extern item)
{
    switch (item.kind) {
    case EXTERN_FUNC:
    case EXTERN_FUNC_TYPE: return func_closed(walk, item.func);
    case EXTERN_TYPE:
    case EXTERN_VALUE: return val_closed(walk, item.value);
    case EXTERN_RESOURCE: return resource_closed(walk, item.resource);
    case EXTERN_INSTANCE:
    case EXTERN_INSTANCE_TYPE:
        if (!enter(walk, item.instance))
            return true;
        bind_all(walk, &item.instance->resources);
        return items_closed(walk, &item.instance->exports);
    case EXTERN_COMPONENT:
    case EXTERN_COMPONENT_TYPE:
        if (!enter(walk, item.component))
            return true;
        bind_all(walk, &item.component->import_resources);
        bind_all(walk, &item.component->resources);
        return items_closed(walk, &item.component->imports) && items_closed(walk, &item.component->exports);
    default: return true;
    }
}

static bool items_closed(struct closed_walk *walk, const struct ga_map *items)
{
    for (uint32_t i = 0; i < items->count; i++) {
        if (!extern_closed(walk, *(const struct type_extern *)items->entries[i].value))
            return false;
    }
    return true;
}

enum ga_status type_is_closed(struct type_context *context, struct type_extern item, uint64_t offset, bool *out)
{
    struct closed_walk walk = {.context = context, .offset = offset};
    walk.bound.arena = walk.seen.arena = context->arena;
    *out = extern_closed(&walk, item);
    return walk.status;
}
