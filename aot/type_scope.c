/* Index spaces, and the small types that need no definition. */
#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "type_surface.h"

/* Names with their articles, for messages. */
static const char *const sort_names[SORT_COUNT] = {
    [SORT_CORE_FUNC] = "a core func",
    [SORT_CORE_TABLE] = "a core table",
    [SORT_CORE_MEMORY] = "a core memory",
    [SORT_CORE_GLOBAL] = "a core global",
    [SORT_CORE_TAG] = "a core tag",
    [SORT_CORE_TYPE] = "a core type",
    [SORT_CORE_MODULE] = "a core module",
    [SORT_CORE_INSTANCE] = "a core instance",
    [SORT_FUNC] = "a func",
    [SORT_VALUE] = "a value",
    [SORT_TYPE] = "a type",
    [SORT_COMPONENT] = "a component",
    [SORT_INSTANCE] = "an instance",
};

static const char *without_article(const char *name)
{
    return strchr(name, ' ') + 1;
}

const char *type_sort_a(enum sort sort)
{
    return sort_names[sort];
}

const char *type_sort_name(enum sort sort)
{
    return without_article(sort_names[sort]);
}

static const struct extern_kind {
    const char *name;
    enum sort sort;
} extern_kinds[] = {
    [EXTERN_FUNC] = {"a func", SORT_FUNC},
    [EXTERN_TYPE] = {"a value type", SORT_TYPE},
    [EXTERN_RESOURCE] = {"a resource type", SORT_TYPE},
    [EXTERN_INSTANCE] = {"an instance", SORT_INSTANCE},
    [EXTERN_COMPONENT] = {"a component", SORT_COMPONENT},
    [EXTERN_MODULE] = {"a core module", SORT_CORE_MODULE},
    [EXTERN_VALUE] = {"a value", SORT_VALUE},
    [EXTERN_FUNC_TYPE] = {"a func type", SORT_TYPE},
    [EXTERN_INSTANCE_TYPE] = {"an instance type", SORT_TYPE},
    [EXTERN_COMPONENT_TYPE] = {"a component type", SORT_TYPE},
    [EXTERN_CORE_ITEM] = {"a core item", SORT_CORE_FUNC},
    [EXTERN_CORE_INSTANCE] = {"a core instance", SORT_CORE_INSTANCE},
    [EXTERN_CORE_TYPE] = {"a core type", SORT_CORE_TYPE},
};

const char *type_extern_name(enum type_extern_kind kind)
{
    return without_article(extern_kinds[kind].name);
}

const char *type_extern_a(enum type_extern_kind kind)
{
    return extern_kinds[kind].name;
}

enum sort type_extern_sort(enum type_extern_kind kind)
{
    return extern_kinds[kind].sort;
}

enum ga_status type_work(struct type_context *context, uint64_t steps, uint64_t offset)
{
    context->work += steps;
    if (context->work <= GA_MAX_TYPE_WORK)
        return GA_OK;
    return ga_report_at(context->report, GA_LIMIT, offset,
                        "too many steps of resolving and comparing types (limit is %u)", GA_MAX_TYPE_WORK);
}

/* --- scopes --- */

struct type_scope *type_scope_new(struct type_context *context, const struct type_scope *parent,
                                  enum type_scope_kind kind)
{
    struct type_scope *scope = GA_NEW(context->arena, struct type_scope);
    scope->context = context;
    scope->parent = parent;
    scope->kind = kind;
    scope->imports = type_surface_new(context->arena);
    scope->exports = type_surface_new(context->arena);
    return scope;
}

void type_scope_own(struct type_scope *scope, struct type_resource *resource, bool imported)
{
    *GA_PUSH(scope->context->arena, imported ? &scope->import_resources : &scope->resources) = resource;
}

enum ga_status type_push(struct type_scope *scope, enum sort sort, struct type_extern item)
{
    if (scope->spaces[sort].count >= GA_MAX_COMPONENT_TYPES)
        return ga_report_set(scope->context->report, GA_LIMIT, "too many entries of the %s index space (limit is %u)",
                             type_sort_name(sort), GA_MAX_COMPONENT_TYPES);
    *GA_PUSH(scope->context->arena, &scope->spaces[sort]) = item;
    return GA_OK;
}

enum ga_status type_lookup(const struct type_scope *scope, enum sort sort, uint32_t index, uint64_t offset,
                           struct type_extern *out)
{
    if (index >= scope->spaces[sort].count)
        return ga_report_at(scope->context->report, GA_INVALID, offset,
                            "%s index %u is out of bounds: there are %u so far (Binary.md, Instance Definitions)",
                            type_sort_name(sort), index, scope->spaces[sort].count);
    *out = scope->spaces[sort].items[index];
    return GA_OK;
}

/* Binary.md, "Alias Definitions" */
enum ga_status type_outer(const struct type_scope *scope, enum sort sort, uint32_t outer_count, uint32_t index,
                          uint64_t offset, struct type_extern *out)
{
    struct type_context *context = scope->context;
    const struct type_scope *target = scope;
    bool crosses_component = false;
    for (uint32_t left = outer_count; left > 0; left--) {
        crosses_component |= target->kind == SCOPE_COMPONENT;
        target = target->parent;
        if (target == NULL)
            return ga_report_at(context->report, GA_INVALID, offset,
                                "outer alias of %u scopes up, but there are not so many (Binary.md, Alias Definitions)",
                                outer_count);
    }
    enum ga_status status = type_lookup(target, sort, index, offset, out);
    if (status != GA_OK || sort != SORT_TYPE || !crosses_component)
        return status;
    bool closed;
    status = type_is_closed(context, *out, offset, &closed);
    if (status == GA_OK && !closed)
        return ga_report_at(context->report, GA_INVALID, offset,
                            "outer alias of a type that refers to a resource, across a component boundary "
                            "(Binary.md, Alias Definitions)");
    return status;
}

/* --- types at indexes --- */

enum ga_status type_func_at(const struct type_scope *scope, uint32_t index, uint64_t offset,
                            const struct type_func **out)
{
    struct type_extern item = {0};
    enum ga_status status = type_lookup(scope, SORT_TYPE, index, offset, &item);
    if (status != GA_OK)
        return status;
    if (item.kind != EXTERN_FUNC_TYPE)
        return ga_report_at(scope->context->report, GA_INVALID, offset,
                            "type index %u is not a function type but %s (Binary.md, Type Definitions)", index,
                            type_extern_a(item.kind));
    *out = item.func;
    return GA_OK;
}

enum ga_status type_val_at(const struct type_scope *scope, struct val_ref ref, uint64_t offset,
                           const struct type_val **out)
{
    *out = NULL;
    if (!ref.present)
        return GA_OK;
    if (!ref.is_index) {
        *out = type_primitive(scope->context, ref.primitive);
        return GA_OK;
    }
    struct type_extern item = {0};
    enum ga_status status = type_lookup(scope, SORT_TYPE, ref.index, offset, &item);
    if (status != GA_OK)
        return status;
    if (item.kind != EXTERN_TYPE)
        return ga_report_at(scope->context->report, GA_INVALID, offset,
                            "type index %u is not a value type but %s (Binary.md, Type Definitions)", ref.index,
                            type_extern_a(item.kind));
    *out = item.value;
    return GA_OK;
}

struct type_resource *type_resource_new(struct type_context *context, struct slice name)
{
    struct type_resource *resource = GA_NEW(context->arena, struct type_resource);
    resource->id = ++context->last_resource;
    resource->name = name;
    return resource;
}

struct slice type_resource_label(const struct type_resource *resource)
{
    struct slice label = resource->name;
    for (uint32_t i = label.size; i > 0; i--) {
        if (label.data[i - 1] == '.')
            return (struct slice){label.data + i, label.size - i};
    }
    return label;
}
