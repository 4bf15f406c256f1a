#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "link_scope.h"

/*
 * Evaluation: a component is its list of definitions; instantiating it evaluates them in order with concrete items in every
 * index space, and an instantiation inside is a recursive call. What is left behind is the plan.
 *
 *   instantiate(component, env, args) -> exports
 *     import         root: the host's; otherwise the argument of that name
 *     core instance  -> plan.core_instances, imports resolved to core items
 *     type           a resource definition makes a new plan_resource: one for each instantiation
 *     canon          -> plan.lifts, plan.lowers, or a resource built-in
 *     export         a new index of the same item
 *
 * The component has been validated: a wrong index is refused here all the same, never followed.
 */

static enum ga_status instantiate(struct linker *linker, struct link_closure closure, const struct ga_map *args,
                                  uint32_t parent, struct slice name, uint64_t offset, struct ga_map *exports_out);

enum ga_status link_step(struct linker *linker, uint64_t offset)
{
    if (++linker->steps > GA_MAX_LINK_STEPS)
        return ga_report_at(linker->report, GA_LIMIT, offset, "too many definitions evaluated while linking (limit is %u)",
                            GA_MAX_LINK_STEPS);
    return GA_OK;
}

static enum ga_status out_of_bounds(struct linker *linker, enum sort sort, uint32_t index, uint64_t offset)
{
    return ga_report_at(linker->report, GA_INVALID, offset, "%s index %u is out of bounds", type_sort_name(sort), index);
}

/* --- index spaces --- */

static enum ga_status push_item(struct linker *linker, struct link_scope *scope, const struct link_item *item,
                                uint64_t offset)
{
    switch (item->sort) {
    case SORT_FUNC:
        *GA_PUSH(linker->arena, &scope->funcs) = item->func;
        return GA_OK;
    case SORT_TYPE:
        return type_push(scope->types, SORT_TYPE, item->type);
    case SORT_INSTANCE:
        *GA_PUSH(linker->arena, &scope->instances) = item->instance;
        return GA_OK;
    case SORT_COMPONENT:
        *GA_PUSH(linker->arena, &scope->components) = item->closure;
        return GA_OK;
    case SORT_CORE_MODULE:
        *GA_PUSH(linker->arena, &scope->modules) = item->module;
        return GA_OK;
    default:
        return ga_report_at(linker->report, GA_UNSUPPORTED, offset, "component-level values are not supported");
    }
}

static enum ga_status get_item(struct linker *linker, const struct link_scope *scope, struct sort_index at,
                               uint64_t offset, struct link_item *out)
{
    uint32_t count = at.sort == SORT_FUNC          ? scope->funcs.count
                     : at.sort == SORT_INSTANCE    ? scope->instances.count
                     : at.sort == SORT_COMPONENT   ? scope->components.count
                     : at.sort == SORT_CORE_MODULE ? scope->modules.count
                                                   : UINT32_MAX;
    if (at.index >= count)
        return out_of_bounds(linker, at.sort, at.index, offset);
    *out = (struct link_item){.sort = at.sort};
    switch (at.sort) {
    case SORT_FUNC:
        out->func = scope->funcs.items[at.index];
        return GA_OK;
    case SORT_TYPE:
        return type_lookup(scope->types, SORT_TYPE, at.index, offset, &out->type);
    case SORT_INSTANCE:
        out->instance = scope->instances.items[at.index];
        return GA_OK;
    case SORT_COMPONENT:
        out->closure = scope->components.items[at.index];
        return GA_OK;
    case SORT_CORE_MODULE:
        out->module = scope->modules.items[at.index];
        return GA_OK;
    default:
        return ga_report_at(linker->report, GA_UNSUPPORTED, offset, "component-level values are not supported");
    }
}

/* --- definitions --- */

static enum ga_status collect_items(struct linker *linker, struct link_scope *scope, const struct def *def,
                                    struct ga_map *out)
{
    for (uint32_t i = 0; i < def->instance.items.count; i++) {
        const struct named_index *named = &def->instance.items.items[i];
        struct link_item *item = GA_NEW(linker->arena, struct link_item);
        enum ga_status status = link_step(linker, named->offset);
        if (status == GA_OK)
            status = get_item(linker, scope, named->item, named->offset, item);
        if (status != GA_OK)
            return status;
        ga_map_set(out, named->name.data, named->name.size, item);
    }
    return GA_OK;
}

static enum ga_status eval_instance(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct link_instance *instance = GA_NEW(linker->arena, struct link_instance);
    struct ga_map items = {.arena = linker->arena};
    enum ga_status status = collect_items(linker, scope, def, &items);

    if (status != GA_OK)
        return status;
    if (def->instance.inline_exports) {
        instance->exports = items;
    } else if (def->instance.index >= scope->components.count) {
        return out_of_bounds(linker, SORT_COMPONENT, def->instance.index, def->offset);
    } else {
        char *name = ga_arena_printf(linker->arena, "instance %u", scope->instances.count);
        status = instantiate(linker, scope->components.items[def->instance.index], &items, scope->instance,
                             (struct slice){name, (uint32_t)strlen(name)}, def->offset, &instance->exports);
    }
    *GA_PUSH(linker->arena, &scope->instances) = instance;
    return status;
}

static enum ga_status eval_export_alias(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    if (def->alias.instance >= scope->instances.count)
        return out_of_bounds(linker, SORT_INSTANCE, def->alias.instance, def->offset);
    const struct link_instance *instance = scope->instances.items[def->alias.instance];
    const struct link_item *item = ga_map_get(&instance->exports, def->alias.name.data, def->alias.name.size);
    if (item == NULL || item->sort != def->alias.sort)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "instance %u exports no %s \"%.*s\"",
                            def->alias.instance, type_sort_name(def->alias.sort), (int)def->alias.name.size,
                            def->alias.name.data);
    return push_item(linker, scope, item, def->offset);
}

static enum ga_status eval_outer_alias(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    if (def->alias.sort == SORT_TYPE || def->alias.sort == SORT_CORE_TYPE) {
        struct type_extern type;
        enum ga_status status = type_outer(scope->types, def->alias.sort, def->alias.outer_count, def->alias.index,
                                           def->offset, &type);
        return status == GA_OK ? type_push(scope->types, def->alias.sort, type) : status;
    }
    const struct link_scope *outer = scope;
    for (uint32_t i = 0; i < def->alias.outer_count && outer != NULL; i++)
        outer = outer->parent;
    if (outer == NULL)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "outer alias: there are not %u enclosing components",
                            def->alias.outer_count);
    struct link_item item;
    enum ga_status status =
        get_item(linker, outer, (struct sort_index){def->alias.sort, def->alias.index}, def->offset, &item);
    return status == GA_OK ? push_item(linker, scope, &item, def->offset) : status;
}

static enum ga_status eval_alias(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    switch (def->alias.kind) {
    case ALIAS_EXPORT:
        return eval_export_alias(linker, scope, def);
    case ALIAS_CORE_EXPORT:
        return link_core_alias(linker, scope, def);
    default:
        return eval_outer_alias(linker, scope, def);
    }
}

static enum ga_status make_resource(struct linker *linker, struct link_scope *scope, const struct def *def,
                                    struct type_resource *type)
{
    struct plan_resource *resource = link_resource_new(linker, type, scope->instance);
    if (def->type.rep != CORE_I32)
        return ga_report_at(linker->report, GA_UNSUPPORTED, def->offset,
                            "a resource that is represented by an i64 is not supported");
    if (!def->type.has_dtor)
        return GA_OK;
    if (def->type.dtor_async)
        return ga_report_at(linker->report, GA_UNSUPPORTED, def->offset,
                            "a resource with an asynchronous destructor is not supported");
    resource->has_dtor = true;
    return link_core_item(linker, scope, SORT_CORE_FUNC, def->type.dtor, def->offset, &resource->dtor);
}

static enum ga_status eval_type(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct type_extern type;
    enum ga_status status = type_define(scope->types, def, &type);
    if (status == GA_OK && def->kind == DEF_TYPE && def->type.kind == DEF_TYPE_RESOURCE)
        status = make_resource(linker, scope, def, type.resource);
    return status == GA_OK ? type_push(scope->types, def->kind == DEF_TYPE ? SORT_TYPE : SORT_CORE_TYPE, type) : status;
}

static enum ga_status eval_import(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct link_item item;
    if (scope->args == NULL) {
        enum ga_status status = link_root_import(linker, scope, def, &item);
        return status == GA_OK ? push_item(linker, scope, &item, def->offset) : status;
    }
    const struct link_item *arg = ga_map_get(scope->args, def->import.name.data, def->import.name.size);
    if (arg == NULL || arg->sort != def->import.desc.sort)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "nothing is given for the import \"%.*s\"",
                            (int)def->import.name.size, def->import.name.data);
    return push_item(linker, scope, arg, def->offset);
}

/* A resource is known by the first name under which it is exported. */
static void name_resource(struct linker *linker, const struct link_item *item, struct slice name)
{
    struct plan_resource *resource = item->sort == SORT_TYPE ? link_resource_find(linker, item->type) : NULL;
    if (resource != NULL && resource->name.size == 0)
        resource->name = name;
}

static enum ga_status eval_export(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct link_item *item = GA_NEW(linker->arena, struct link_item);
    enum ga_status status = get_item(linker, scope, def->export.item, def->offset, item);

    if (status == GA_OK)
        status = push_item(linker, scope, item, def->offset);
    if (status != GA_OK)
        return status;
    name_resource(linker, item, def->export.name);
    ga_map_set(&scope->exports, def->export.name.data, def->export.name.size, item);
    return scope->args == NULL ? link_root_export(linker, scope, def, item) : GA_OK;
}

static enum ga_status eval_module(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    *GA_PUSH(linker->arena, &scope->modules) = def->core_module;
    return GA_OK;
}

static enum ga_status eval_component(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    *GA_PUSH(linker->arena, &scope->components) = (struct link_closure){def->component, scope};
    return GA_OK;
}

static enum ga_status refuse_values(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    (void)scope;
    return ga_report_at(linker->report, GA_UNSUPPORTED, def->offset, "%s are not supported",
                        def->kind == DEF_START ? "component-level start functions" : "component-level values");
}

static enum ga_status (*const evaluators[])(struct linker *, struct link_scope *, const struct def *) = {
    [DEF_CORE_MODULE] = eval_module,
    [DEF_CORE_INSTANCE] = link_core_instance,
    [DEF_CORE_TYPE] = eval_type,
    [DEF_COMPONENT] = eval_component,
    [DEF_INSTANCE] = eval_instance,
    [DEF_ALIAS] = eval_alias,
    [DEF_TYPE] = eval_type,
    [DEF_CANON] = link_canon,
    [DEF_START] = refuse_values,
    [DEF_IMPORT] = eval_import,
    [DEF_EXPORT] = eval_export,
    [DEF_VALUE] = refuse_values,
};

static struct link_scope *new_scope(struct linker *linker, const struct link_scope *env, const struct ga_map *args,
                                    uint32_t instance)
{
    struct link_scope *scope = GA_NEW(linker->arena, struct link_scope);
    scope->parent = env;
    scope->args = args;
    scope->instance = instance;
    scope->types = type_scope_new(&linker->types, env != NULL ? env->types : NULL, SCOPE_COMPONENT);
    scope->exports.arena = linker->arena;
    return scope;
}

static enum ga_status instantiate(struct linker *linker, struct link_closure closure, const struct ga_map *args,
                                  uint32_t parent, struct slice name, uint64_t offset, struct ga_map *exports_out)
{
    struct plan *plan = linker->plan;
    uint32_t instance = plan->component_instances.count;

    if (instance >= GA_MAX_COMPONENT_INSTANCES)
        return ga_report_at(linker->report, GA_LIMIT, offset, "too many component instances (limit is %u)",
                            GA_MAX_COMPONENT_INSTANCES);
    if (linker->depth >= GA_MAX_COMPONENT_DEPTH)
        return ga_report_at(linker->report, GA_LIMIT, offset, "components instantiate each other too deeply (limit is %u)",
                            GA_MAX_COMPONENT_DEPTH);
    linker->depth++;
    *GA_PUSH(linker->arena, &plan->component_instances) = (struct plan_component_instance){parent, name};
    struct link_scope *scope = new_scope(linker, closure.env, args, instance);
    enum ga_status status = GA_OK;
    for (uint32_t i = 0; i < closure.component->defs.count && status == GA_OK; i++) {
        const struct def *def = &closure.component->defs.items[i];
        status = link_step(linker, def->offset);
        if (status == GA_OK)
            status = evaluators[def->kind](linker, scope, def);
    }
    linker->depth--;
    *exports_out = scope->exports;
    return status;
}

enum ga_status link_component(struct ga_arena *arena, const struct component *component, struct plan **plan_out,
                              struct ga_report *report)
{
    struct ga_map exports;
    struct linker linker = {
        .arena = arena,
        .report = report,
        .types = {.arena = arena, .report = report},
        .plan = GA_NEW(arena, struct plan),
        .modules.arena = arena,
    };
    *plan_out = linker.plan;
    enum ga_status status = instantiate(&linker, (struct link_closure){component, NULL}, NULL, 0,
                                        (struct slice){"root", 4}, component->offset, &exports);
    if (status == GA_OK)
        status = link_forwards(&linker);
    if (status == GA_OK) {
        link_shims(arena, linker.plan);
        link_tags(arena, linker.plan);
    }
    return status;
}
