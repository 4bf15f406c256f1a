#include "type_surface.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "name.h"

#define SPEC "(Binary.md, Import and Export Definitions)"

struct type_surface *type_surface_new(struct ga_arena *arena)
{
    struct type_surface *surface = GA_NEW(arena, struct type_surface);
    surface->items.arena = surface->names.arena = surface->labels.arena = surface->resources.arena =
        surface->visible.arena = arena;
    return surface;
}

int type_shown(struct slice name)
{
    return name.size < 200 ? (int)name.size : 200;
}

static struct slice *slice_copy(struct ga_arena *arena, struct slice text)
{
    struct slice *copy = GA_NEW(arena, struct slice);
    *copy = text;
    return copy;
}

/* A type's identity as a key; the key's bytes are the arena's, as maps borrow them. */
static uint64_t identity(const struct type_resource *resource, uint32_t alias)
{
    return (uint64_t)(resource != NULL ? resource->id : 0) << 32 | alias;
}

static void *map_find(const struct ga_map *map, uint64_t key)
{
    return ga_map_get(map, (const char *)&key, sizeof key);
}

static void map_put(struct ga_map *map, uint64_t key, void *value)
{
    if (map_find(map, key) != NULL)
        return;
    uint64_t *copy = GA_NEW(map->arena, uint64_t);
    *copy = key;
    ga_map_add(map, (const char *)copy, sizeof *copy, value);
}

/* --- names --- */

struct naming {
    struct type_context *context;
    struct type_surface *surface;
    const struct type_surface_name *name;
    bool import;
};

__attribute__((format(printf, 2, 3))) static enum ga_status fail(const struct naming *naming, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ga_report_at(naming->context->report, GA_INVALID, naming->name->offset, "%s name \"%.*s\": %s " SPEC,
                        naming->import ? "import" : "export", type_shown(naming->name->name), naming->name->name.data,
                        text);
}

/* The handle's resource must be known here under the label that the annotated name begins with. */
static enum ga_status check_resource(const struct naming *naming, const struct type_val *handle, struct slice label)
{
    const struct slice *known = map_find(&naming->surface->resources, identity(handle->resource, handle->alias));
    if (known == NULL)
        return fail(naming, "the resource that the function uses has no name here");
    if (!name_equal(*known, label))
        return fail(naming, "the function uses resource \"%.*s\"", type_shown(*known), known->data);
    return GA_OK;
}

static enum ga_status check_constructor(const struct naming *naming, const struct type_func *func, struct slice label)
{
    const struct type_val *result = func->result;
    if (result != NULL && result->kind == VAL_RESULT)
        result = result->element;
    if (result == NULL || result->kind != VAL_OWN)
        return fail(naming, "a constructor must return an own of its resource, or a result of one");
    return check_resource(naming, result, label);
}

static enum ga_status check_method(const struct naming *naming, const struct type_func *func, struct slice label)
{
    const struct type_member *self = func->params;
    if (func->param_count == 0 || !name_equal(self->name, (struct slice){"self", 4}) || self->type->kind != VAL_BORROW)
        return fail(naming, "a method must take a borrow of its resource as its first parameter \"self\"");
    return check_resource(naming, self->type, label);
}

static enum ga_status check_annotation(const struct naming *naming, const struct name *name, struct type_extern item)
{
    if (name->kind == NAME_LABEL || name->kind == NAME_INTERFACE || name->kind == NAME_SOURCE)
        return GA_OK;
    if (item.kind != EXTERN_FUNC)
        return fail(naming, "an annotated name is for a func, not for %s", type_extern_a(item.kind));
    if (name->kind == NAME_CONSTRUCTOR)
        return check_constructor(naming, item.func, name->resource);
    if (name->kind == NAME_METHOD)
        return check_method(naming, item.func, name->resource);
    struct slice label = name_canonical(naming->context->arena, name->resource);
    const struct slice *known = ga_map_get(&naming->surface->labels, label.data, label.size);
    if (known == NULL || !name_equal(*known, name->resource))
        return fail(naming, "there is no resource \"%.*s\" here", type_shown(name->resource), name->resource.data);
    return GA_OK;
}

static enum ga_status check_implements(const struct naming *naming, const struct name *name, struct type_extern item)
{
    struct slice implements = naming->name->implements;
    struct name interface;
    if (implements.data == NULL)
        return GA_OK;
    if (item.kind != EXTERN_INSTANCE)
        return fail(naming, "only an instance can implement an interface");
    if (name->kind != NAME_LABEL)
        return fail(naming, "only a plain name can have an implements attribute");
    if (name_parse(implements, (struct slice){NULL, 0}, &interface) != NULL || interface.kind != NAME_INTERFACE)
        return fail(naming, "it implements \"%.*s\", which is not the name of an interface", type_shown(implements),
                    implements.data);
    return GA_OK;
}

static enum ga_status check_unique(const struct naming *naming)
{
    struct ga_arena *arena = naming->context->arena;
    struct slice canonical = name_canonical(arena, naming->name->name);
    const struct slice *earlier = ga_map_get(&naming->surface->names, canonical.data, canonical.size);
    if (earlier != NULL)
        return fail(naming, "conflicts with the earlier name \"%.*s\"", type_shown(*earlier), earlier->data);
    ga_map_add(&naming->surface->names, canonical.data, canonical.size, slice_copy(arena, naming->name->name));
    return GA_OK;
}

enum ga_status type_surface_name(struct type_context *context, struct type_surface *surface, bool import,
                                 const struct type_surface_name *name, struct type_extern item)
{
    struct naming naming = {context, surface, name, import};
    struct name parsed;
    const char *fault = name_parse(name->name, name->version_suffix, &parsed);
    if (fault != NULL)
        return fail(&naming, "%s", fault);
    if (parsed.kind == NAME_SOURCE && !import)
        return fail(&naming, "it says where an import is found, but this is an export");
    enum ga_status status = check_unique(&naming);
    if (status == GA_OK)
        status = check_annotation(&naming, &parsed, item);
    if (status == GA_OK)
        status = check_implements(&naming, &parsed, item);
    return status;
}

/* A resource that is imported or exported by this name gives its name to annotated ones. */
static void name_resource(struct type_context *context, struct type_surface *surface, struct slice name,
                          struct type_extern item)
{
    if (item.kind != EXTERN_RESOURCE)
        return;
    struct slice *label = slice_copy(context->arena, name);
    struct slice canonical = name_canonical(context->arena, name);
    ga_map_set(&surface->labels, canonical.data, canonical.size, label);
    map_put(&surface->resources, identity(item.resource, item.alias), label);
}

/* --- external visibility --- */

struct visibility {
    struct type_context *context;
    const struct type_surface *surface;
    uint64_t offset;
    enum ga_status status;
};

static bool step(struct visibility *visibility)
{
    if (visibility->status == GA_OK)
        visibility->status = type_work(visibility->context, 1, visibility->offset);
    return visibility->status == GA_OK;
}

static bool parts_visible(struct visibility *visibility, const struct type_val *type);

/* Records, variants, enums, flags and resources must have a name; what else there is may be anonymous if its parts
 * are visible. */
static bool val_visible(struct visibility *visibility, const struct type_val *type)
{
    if (type == NULL)
        return true;
    switch (type->kind) {
    case VAL_RECORD:
    case VAL_VARIANT:
    case VAL_ENUM:
    case VAL_FLAGS:
    case VAL_OWN:
    case VAL_BORROW: return map_find(&visibility->surface->visible, identity(type->resource, type->alias)) != NULL;
    default: return parts_visible(visibility, type);
    }
}

static bool parts_visible(struct visibility *visibility, const struct type_val *type)
{
    if (!step(visibility))
        return false;
    if (type->kind == VAL_OWN || type->kind == VAL_BORROW)
        return val_visible(visibility, type);
    if (!val_visible(visibility, type->element) || !val_visible(visibility, type->err))
        return false;
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (!val_visible(visibility, type->members[i].type))
            return false;
    }
    return true;
}

static bool func_visible(struct visibility *visibility, const struct type_func *func)
{
    if (!step(visibility) || !val_visible(visibility, func->result))
        return false;
    for (uint32_t i = 0; i < func->param_count; i++) {
        if (!val_visible(visibility, func->params[i].type))
            return false;
    }
    return true;
}

/* An instance type as a type: nothing of it becomes visible, so everything in it must be. */
static bool instance_type_visible(struct visibility *visibility, const struct type_instance *instance)
{
    if (!step(visibility))
        return false;
    for (uint32_t i = 0; i < instance->exports.count; i++) {
        const struct type_extern *item = instance->exports.entries[i].value;
        bool visible = true;
        if (item->kind == EXTERN_FUNC || item->kind == EXTERN_FUNC_TYPE)
            visible = func_visible(visibility, item->func);
        else if (item->kind == EXTERN_INSTANCE || item->kind == EXTERN_INSTANCE_TYPE)
            visible = instance_type_visible(visibility, item->instance);
        else if (item->kind == EXTERN_TYPE)
            visible = parts_visible(visibility, item->value);
        if (!visible)
            return false;
    }
    return true;
}

/* What an import makes visible may also be exported. */
static void make_visible(struct type_scope *scope, bool import, uint64_t key)
{
    if (import)
        map_put(&scope->imports->visible, key, scope);
    map_put(&scope->exports->visible, key, scope);
}

/* A resource that came into being here, by a definition, an instantiation or an export, cannot have been imported. */
static bool is_local(const struct type_scope *scope, struct visibility *visibility, const struct type_resource *resource)
{
    for (uint32_t i = 0; !resource->imported && i < scope->resources.count && step(visibility); i++) {
        if (scope->resources.items[i] == resource)
            return true;
    }
    return false;
}

/* Checks that what an item mentions is visible, and makes visible what it is itself; the exports of an instance
 * one by one. */
static bool item_visible(struct type_scope *scope, struct visibility *visibility, bool import, struct type_extern item)
{
    const struct ga_map *exports = item.kind == EXTERN_INSTANCE ? &item.instance->exports : NULL;
    if (!step(visibility))
        return false;
    switch (item.kind) {
    case EXTERN_FUNC:
    case EXTERN_FUNC_TYPE: return func_visible(visibility, item.func);
    case EXTERN_INSTANCE_TYPE: return instance_type_visible(visibility, item.instance);
    case EXTERN_RESOURCE:
        if (import && is_local(scope, visibility, item.resource))
            return false;
        make_visible(scope, import, identity(item.resource, item.alias));
        return true;
    case EXTERN_TYPE:
        if (!parts_visible(visibility, item.value))
            return false;
        if (item.value->alias != 0 && item.value->resource == NULL)
            make_visible(scope, import, identity(NULL, item.value->alias));
        return true;
    case EXTERN_INSTANCE:
        for (uint32_t i = 0; i < exports->count; i++) {
            if (!item_visible(scope, visibility, import, *(struct type_extern *)exports->entries[i].value))
                return false;
        }
        return true;
    default: /* components and modules stand for themselves */ return true;
    }
}

static enum ga_status check_visible(struct type_scope *scope, bool import, const struct type_surface_name *name,
                                    struct type_extern item)
{
    const struct type_surface *surface = import ? scope->imports : scope->exports;
    struct visibility visibility = {scope->context, surface, name->offset, GA_OK};
    if (scope->kind == SCOPE_INSTANCE_TYPE || item_visible(scope, &visibility, import, item))
        return GA_OK;
    if (visibility.status != GA_OK)
        return visibility.status;
    return ga_report_at(scope->context->report, GA_INVALID, name->offset,
                        "%s \"%.*s\": this %s mentions a type that is not itself %s before "
                        "(Explainer.md, External Visibility of Types)",
                        import ? "import" : "export", type_shown(name->name), name->name.data,
                        type_extern_name(item.kind), import ? "imported" : "exported or imported");
}

/* --- items --- */

/* What an item adds to the size and depth of that which it is a part of. */
static void measure(struct type_extern item, uint32_t *size, uint32_t *depth)
{
    bool instance = item.kind == EXTERN_INSTANCE || item.kind == EXTERN_INSTANCE_TYPE;
    bool component = item.kind == EXTERN_COMPONENT || item.kind == EXTERN_COMPONENT_TYPE;
    *size = 1 + (instance ? item.instance->size : component ? item.component->size : 0);
    *depth = 1 + (instance ? item.instance->depth : component ? item.component->depth : 0);
}

static enum ga_status grow(struct type_context *context, uint32_t *size, uint32_t *depth, struct type_extern item,
                           uint64_t offset)
{
    uint32_t item_size, item_depth;
    measure(item, &item_size, &item_depth);
    if (item_size > GA_MAX_TYPE_SIZE - *size)
        return ga_report_at(context->report, GA_LIMIT, offset,
                            "instance or component with too many exports (limit is %u)", GA_MAX_TYPE_SIZE);
    if (item_depth > GA_MAX_TYPE_DEPTH)
        return ga_report_at(context->report, GA_LIMIT, offset, "instances nested too deeply (limit is %u)",
                            GA_MAX_TYPE_DEPTH);
    *size += item_size;
    if (item_depth > *depth)
        *depth = item_depth;
    return GA_OK;
}

static struct type_extern *extern_copy(struct ga_arena *arena, struct type_extern item)
{
    struct type_extern *copy = GA_NEW(arena, struct type_extern);
    *copy = item;
    return copy;
}

enum ga_status type_instance_add(struct type_context *context, struct type_instance *instance, struct slice name,
                                 struct type_extern item, uint64_t offset)
{
    instance->exports.arena = context->arena;
    ga_map_add(&instance->exports, name.data, name.size, extern_copy(context->arena, item));
    return grow(context, &instance->size, &instance->depth, item, offset);
}

enum ga_status type_surface_add(struct type_scope *scope, bool import, const struct type_surface_name *name,
                                struct type_extern item)
{
    struct type_context *context = scope->context;
    struct type_surface *surface = import ? scope->imports : scope->exports;
    name_resource(context, surface, name->name, item);
    enum ga_status status = type_surface_name(context, surface, import, name, item);
    if (status == GA_OK)
        status = check_visible(scope, import, name, item);
    if (status == GA_OK)
        status = grow(context, &surface->size, &surface->depth, item, name->offset);
    if (status != GA_OK)
        return status;
    ga_map_add(&surface->items, name->name.data, name->name.size, extern_copy(context->arena, item));
    return type_push(scope, type_extern_sort(item.kind), item);
}
