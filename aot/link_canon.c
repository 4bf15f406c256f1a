#include "abi.h"
#include "link_scope.h"

static enum ga_status read_options(struct linker *linker, const struct link_scope *scope, const struct def *def,
                                   struct plan_options *out)
{
    const struct canon *canon = &def->canon;
    enum ga_status status = GA_OK;

    *out = (struct plan_options){
        .encoding = canon->has_encoding ? canon->encoding : ENCODING_UTF8,
        .component_instance = scope->instance,
        .has_memory = canon->has_memory,
        .has_realloc = canon->has_realloc,
        .has_post_return = canon->has_post_return,
    };
    if (canon->has_memory)
        status = link_core_item(linker, scope, SORT_CORE_MEMORY, canon->memory, def->offset, &out->memory);
    if (canon->has_realloc && status == GA_OK)
        status = link_core_item(linker, scope, SORT_CORE_FUNC, canon->realloc, def->offset, &out->realloc);
    if (canon->has_post_return && status == GA_OK)
        status = link_core_item(linker, scope, SORT_CORE_FUNC, canon->post_return, def->offset, &out->post_return);
    return status;
}

static enum ga_status make_lift(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct plan_lift lift = {0};
    enum ga_status status =
        link_core_item(linker, scope, SORT_CORE_FUNC, def->canon.func, def->offset, &lift.func);
    if (status == GA_OK)
        status = type_func_at(scope->types, def->canon.type, def->offset, &lift.type);
    if (status == GA_OK)
        status = link_refuse_func(linker, lift.type, (struct slice){0}, (struct slice){0}, def->offset);
    if (status == GA_OK)
        status = read_options(linker, scope, def, &lift.options);
    if (status != GA_OK)
        return status;
    *GA_PUSH(linker->arena, &scope->funcs) =
        (struct link_func){TARGET_LIFT, linker->plan->lifts.count, lift.type};
    *GA_PUSH(linker->arena, &linker->plan->lifts) = lift;
    return GA_OK;
}

static enum ga_status make_lower(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    struct plan *plan = linker->plan;
    struct plan_lower lower = {0};

    if (def->canon.func >= scope->funcs.count)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "func index %u is out of bounds", def->canon.func);
    const struct link_func *func = &scope->funcs.items[def->canon.func];
    lower.target = func->target;
    lower.index = func->index;
    lower.type = func->type;
    enum ga_status status = link_refuse_func(linker, func->type, (struct slice){0}, (struct slice){0}, def->offset);
    if (status == GA_OK)
        status = read_options(linker, scope, def, &lower.options);
    if (status != GA_OK)
        return status;
    if (func->target == TARGET_HOST)
        plan->imports.items[func->index].used = true;
    *GA_PUSH(linker->arena, &scope->core_items[SORT_CORE_FUNC]) =
        (struct core_item){.kind = CORE_ITEM_LOWER, .sort = CORE_EXTERN_FUNC, .index = plan->lowers.count};
    *GA_PUSH(linker->arena, &plan->lowers) = lower;
    return GA_OK;
}

static enum ga_status make_resource_builtin(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    static const enum core_item_kind kinds[] = {
        [CANON_RESOURCE_NEW] = CORE_ITEM_RESOURCE_NEW,
        [CANON_RESOURCE_DROP] = CORE_ITEM_RESOURCE_DROP,
        [CANON_RESOURCE_REP] = CORE_ITEM_RESOURCE_REP,
    };
    struct type_extern type;
    enum ga_status status = type_lookup(scope->types, SORT_TYPE, def->canon.type, def->offset, &type);
    if (status != GA_OK)
        return status;
    if (link_resource_find(linker, type) == NULL)
        return ga_report_at(linker->report, GA_INVALID, def->offset, "type %u is not a resource type", def->canon.type);
    *GA_PUSH(linker->arena, &scope->core_items[SORT_CORE_FUNC]) = (struct core_item){
        .kind = kinds[def->canon.kind],
        .sort = CORE_EXTERN_FUNC,
        .instance = scope->instance,
        .index = type.resource->plan_index,
    };
    return GA_OK;
}

enum ga_status link_canon(struct linker *linker, struct link_scope *scope, const struct def *def)
{
    enum ga_status status = link_refuse_canon(linker, def);
    if (status != GA_OK)
        return status;
    switch (def->canon.kind) {
    case CANON_LIFT:
        return make_lift(linker, scope, def);
    case CANON_LOWER:
        return make_lower(linker, scope, def);
    default:
        return make_resource_builtin(linker, scope, def);
    }
}
