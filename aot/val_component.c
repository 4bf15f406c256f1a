/* One component: its definitions in order, each in the index spaces that those before it have filled. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_assert.h"
#include "name.h"
#include "val_parts.h"

enum ga_status val_fail(const struct type_scope *scope, uint64_t offset, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ga_report_at(scope->context->report, GA_INVALID, offset, "%s", text);
}

/* --- types --- */

static enum ga_status core_type(struct type_scope *scope, const struct def *def)
{
    struct type_extern item = {0};
    enum ga_status status = type_define(scope, def, &item);
    return status == GA_OK ? type_push(scope, SORT_CORE_TYPE, item) : status;
}

static enum ga_status type(struct type_scope *scope, const struct def *def)
{
    struct type_extern item = {0};
    enum ga_status status = GA_OK;
    if (def->type.kind == DEF_TYPE_RESOURCE && def->type.has_dtor)
        status = val_core_func_check(scope, def->type.dtor, def->type.rep == CORE_I64 ? "I" : "i", "",
                                     "the destructor of a resource must take its representation and return nothing "
                                     "(Binary.md, Type Definitions)",
                                     def->offset);
    if (status == GA_OK)
        status = type_define(scope, def, &item);
    return status == GA_OK ? type_push(scope, SORT_TYPE, item) : status;
}

/* --- components and instances --- */

static enum ga_status all_definitions(struct type_scope *scope, const struct component *component);

static enum ga_status component(struct type_scope *scope, const struct def *def)
{
    struct type_scope *inner = type_scope_new(scope->context, scope, SCOPE_COMPONENT);
    enum ga_status status = type_work(scope->context, TYPE_SCOPE_WORK, def->offset);
    if (status == GA_OK)
        status = all_definitions(inner, def->component);
    if (status != GA_OK)
        return status;
    struct type_extern item = {.kind = EXTERN_COMPONENT, .component = type_of_component(inner)};
    return type_push(scope, SORT_COMPONENT, item);
}

static struct type_extern *extern_copy(struct type_scope *scope, struct type_extern item)
{
    struct type_extern *copy = GA_NEW(scope->context->arena, struct type_extern);
    *copy = item;
    return copy;
}

static enum ga_status instantiate(struct type_scope *scope, const struct def *def)
{
    struct ga_map args = {.arena = scope->context->arena};
    struct type_extern component_item, item;
    enum ga_status status = type_lookup(scope, SORT_COMPONENT, def->instance.index, def->offset, &component_item);
    for (uint32_t i = 0; i < def->instance.items.count && status == GA_OK; i++) {
        const struct named_index *arg = &def->instance.items.items[i];
        status = type_lookup(scope, arg->item.sort, arg->item.index, arg->offset, &item);
        if (status == GA_OK && !ga_map_add(&args, arg->name.data, arg->name.size, extern_copy(scope, item)))
            return val_fail(scope, arg->offset, "two arguments of the name \"%.*s\" (Binary.md, Instance Definitions)",
                            type_shown(arg->name), arg->name.data);
    }
    struct type_instance *instance;
    if (status == GA_OK)
        status = type_instantiate(scope, component_item.component, &args, def->offset, &instance);
    if (status != GA_OK)
        return status;
    return type_push(scope, SORT_INSTANCE, (struct type_extern){.kind = EXTERN_INSTANCE, .instance = instance});
}

/* An instance that is a bag of exports. Its resources have no names here by which annotated names could refer to
 * them. */
static enum ga_status bag(struct type_scope *scope, const struct def *def)
{
    struct type_surface *surface = type_surface_new(scope->context->arena);
    struct type_instance *instance = GA_NEW(scope->context->arena, struct type_instance);
    instance->exports.arena = scope->context->arena;
    for (uint32_t i = 0; i < def->instance.items.count; i++) {
        const struct named_index *export = &def->instance.items.items[i];
        struct type_surface_name name = {export->name, export->version_suffix, export->implements, export->offset};
        struct type_extern item = {0};
        enum ga_status status = type_lookup(scope, export->item.sort, export->item.index, export->offset, &item);
        if (status == GA_OK)
            status = type_surface_name(scope->context, surface, false, &name, item);
        if (status == GA_OK)
            status = type_instance_add(scope->context, instance, export->name, item, export->offset);
        if (status != GA_OK)
            return status;
    }
    return type_push(scope, SORT_INSTANCE, (struct type_extern){.kind = EXTERN_INSTANCE, .instance = instance});
}

static enum ga_status instance(struct type_scope *scope, const struct def *def)
{
    return def->instance.inline_exports ? bag(scope, def) : instantiate(scope, def);
}

/* --- aliases --- */

/* type_outer knows the sorts that types know; modules and components may be aliased too. */
static enum ga_status outer_item(struct type_scope *scope, const struct def *def, struct type_extern *out)
{
    const struct type_scope *target = scope;
    if (def->alias.sort == SORT_TYPE || def->alias.sort == SORT_CORE_TYPE)
        return type_outer(scope, def->alias.sort, def->alias.outer_count, def->alias.index, def->offset, out);
    for (uint32_t left = def->alias.outer_count; left > 0 && target != NULL; left--)
        target = target->parent;
    if (target == NULL)
        return val_fail(scope, def->offset,
                        "outer alias of %u scopes up, but there are not so many (Binary.md, Alias Definitions)",
                        def->alias.outer_count);
    return type_lookup(target, def->alias.sort, def->alias.index, def->offset, out);
}

static enum ga_status alias(struct type_scope *scope, const struct def *def)
{
    struct type_extern item = {0};
    if (def->alias.kind == ALIAS_CORE_EXPORT)
        return val_core_alias(scope, def);
    enum ga_status status =
        def->alias.kind == ALIAS_OUTER ? outer_item(scope, def, &item) : type_alias_export(scope, def, &item);
    return status == GA_OK ? type_push(scope, def->alias.sort, item) : status;
}

/* --- imports and exports --- */

static enum ga_status import(struct type_scope *scope, const struct def *def)
{
    struct type_surface_name name = {def->import.name, def->import.version_suffix, def->import.implements, def->offset};
    struct type_extern item = {0};
    enum ga_status status = type_resolve(scope, &def->import.desc, name.name, true, def->offset, &item);
    return status == GA_OK ? type_surface_add(scope, true, &name, item) : status;
}

static enum ga_status export(struct type_scope *scope, const struct def *def) {
    struct type_surface_name name = {def->export.name, def->export.version_suffix, def->export.implements, def->offset};
    struct type_extern item = {0};
    enum ga_status status = type_lookup(scope, def->export.item.sort, def->export.item.index, def->offset, &item);
    if (status == GA_OK && def->export.has_desc && def->export.desc.sort != def->export.item.sort) return val_fail(
        scope, def->offset, "export of %s that is described as %s (Binary.md, Import and Export Definitions)",
        type_sort_a(def->export.item.sort), type_sort_a(def->export.desc.sort));
    if (status == GA_OK && def->export.has_desc)
        status = type_ascribe(scope, item, &def->export.desc, name.name, def->offset, &item);
    else if (status == GA_OK) item = type_rename(scope->context, item, name.name);
    return status == GA_OK ? type_surface_add(scope, false, &name, item) : status;
}

static enum ga_status refused(struct type_scope *scope, const struct def *def)
{
    return val_fail(scope, def->offset,
                    "%s definitions are not part of the component model yet (Explainer.md, Gated Features)",
                    def->kind == DEF_START ? "start" : "value");
}

static enum ga_status all_definitions(struct type_scope *scope, const struct component *definitions)
{
    static enum ga_status (*const validators[])(struct type_scope *scope, const struct def *def) = {
        [DEF_CORE_MODULE] = val_core_module,
        [DEF_CORE_INSTANCE] = val_core_instance,
        [DEF_CORE_TYPE] = core_type,
        [DEF_COMPONENT] = component,
        [DEF_INSTANCE] = instance,
        [DEF_ALIAS] = alias,
        [DEF_TYPE] = type,
        [DEF_CANON] = val_canon,
        [DEF_START] = refused,
        [DEF_IMPORT] = import,
        [DEF_EXPORT] = export,
        [DEF_VALUE] = refused,
    };
    enum ga_status status = GA_OK;
    for (uint32_t i = 0; i < definitions->defs.count && status == GA_OK; i++)
        status = validators[definitions->defs.items[i].kind](scope, &definitions->defs.items[i]);
    return status;
}

enum ga_status val_component_scope(struct type_context *context, const struct component *definitions,
                                   struct type_scope **scope_out)
{
    *scope_out = type_scope_new(context, NULL, SCOPE_COMPONENT);
    return all_definitions(*scope_out, definitions);
}

enum ga_status val_component(struct ga_arena *arena, const struct component *definitions, struct ga_report *report)
{
    struct type_context context = {.arena = arena, .report = report};
    struct type_scope *scope;
    return val_component_scope(&context, definitions, &scope);
}
