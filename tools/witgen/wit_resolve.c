#include <string.h>

#include "ga_limits.h"
#include "wit.h"

/* What is known while types of one interface are resolved. */
struct scope {
    struct wit_document *document;
    struct wit_interface *interface;
};

bool wit_same_track(struct wit_version a, struct wit_version b)
{
    if (!a.present || !b.present)
        return a.present == b.present;
    return a.major == b.major && (a.major > 0 || a.minor == b.minor);
}

static bool serves(struct wit_version offered, struct wit_version wanted)
{
    return wit_same_track(offered, wanted) &&
           (offered.minor != wanted.minor ? offered.minor > wanted.minor : offered.patch >= wanted.patch);
}

struct wit_package *wit_find_package(const struct wit_document *document, struct slice ns, struct slice name,
                                     struct wit_version version)
{
    for (uint32_t i = 0; i < document->packages.count; i++) {
        struct wit_package *package = document->packages.items[i];
        if (wit_slice_equal(package->ns, ns) && wit_slice_equal(package->name, name) && serves(package->version, version))
            return package;
    }
    return NULL;
}

struct wit_interface *wit_find_interface(const struct wit_package *package, struct slice name)
{
    for (uint32_t i = 0; i < package->interfaces.count; i++)
        if (wit_slice_equal(package->interfaces.items[i]->name, name))
            return package->interfaces.items[i];
    return NULL;
}

/* --- names --- */

static enum ga_status resolve_item(struct scope *scope, struct wit_item *item);

static struct wit_item *find_item(struct scope *scope, struct slice name, struct wit_pos pos)
{
    struct wit_item *item = ga_map_get(&scope->interface->items, name.data, name.size);
    if (item == NULL)
        (void)wit_error(scope->document, pos, "there is no type '%.*s'", (int)name.size, name.data);
    else if (resolve_item(scope, item) != GA_OK)
        return NULL;
    return item;
}

static enum ga_status resolve_use(struct scope *scope, struct wit_item *item)
{
    const struct wit_path *path = &item->path;
    struct wit_package *package = path->ns.size == 0
                                      ? scope->interface->package
                                      : wit_find_package(scope->document, path->ns, path->package, path->version);
    struct scope target = {scope->document, package != NULL ? wit_find_interface(package, path->interface) : NULL};
    if (target.interface == NULL)
        return wit_error(scope->document, item->pos, "there is no interface '%.*s' in that package",
                         (int)path->interface.size, path->interface.data);
    struct wit_item *origin = find_item(&target, item->used_name, item->pos);
    if (origin == NULL)
        return scope->document->report->status;
    item->type = origin->type;
    item->resource = origin->resource;
    return GA_OK;
}

static void resolve_resource(struct scope *scope, struct wit_item *item)
{
    struct ga_arena *arena = scope->document->arena;
    const struct wit_package *package = scope->interface->package;
    struct wit_resource *resource = GA_NEW(arena, struct wit_resource);
    const char *name = ga_arena_printf(arena, "%.*s:%.*s/%.*s.%.*s", (int)package->ns.size, package->ns.data,
                                       (int)package->name.size, package->name.data, (int)scope->interface->name.size,
                                       scope->interface->name.data, (int)item->name.size, item->name.data);
    resource->resource.name = (struct slice){name, (uint32_t)strlen(name)};
    resource->interface = scope->interface;
    resource->name = item->name;
    item->resource = &resource->resource;
}

/* --- types --- */

static const struct type_val *resolve_expr(struct scope *scope, const struct wit_expr *expr);

/* Adds up a part's size and depth. False: too large. */
static bool count_part(struct type_val *type, const struct type_val *part)
{
    if (part == NULL)
        return true;
    type->size += part->size;
    if (type->depth < part->depth + 1)
        type->depth = part->depth + 1;
    return type->size <= GA_MAX_TYPE_SIZE && type->depth <= GA_MAX_TYPE_DEPTH;
}

static bool count_parts(struct type_val *type)
{
    type->size = 1;
    type->depth = 1;
    bool fits = count_part(type, type->element) && count_part(type, type->err);
    for (uint32_t i = 0; i < type->member_count && fits; i++)
        fits = count_part(type, type->members[i].type);
    return fits;
}

static const struct type_val *finish_type(struct scope *scope, struct type_val *type, struct wit_pos pos)
{
    if (count_parts(type))
        return type;
    (void)wit_error(scope->document, pos, "type too large");
    return NULL;
}

static const struct type_val *handle_type(struct scope *scope, enum val_kind kind, const struct type_resource *resource)
{
    struct type_val *type = GA_NEW(scope->document->arena, struct type_val);
    type->kind = kind;
    type->resource = resource;
    (void)count_parts(type);
    return type;
}

/* A name in place of a type: a type of that name, or own<name> of a resource. */
static const struct type_val *resolve_name(struct scope *scope, const struct wit_expr *expr)
{
    struct wit_item *item = find_item(scope, expr->name, expr->pos);
    if (item == NULL)
        return NULL;
    bool handle = expr->kind == VAL_OWN || expr->kind == VAL_BORROW;
    if (handle && item->resource == NULL) {
        (void)wit_error(scope->document, expr->pos, "'%.*s' is no resource", (int)expr->name.size, expr->name.data);
        return NULL;
    }
    if (item->resource == NULL)
        return item->type;
    return handle_type(scope, handle ? expr->kind : VAL_OWN, item->resource);
}

static bool resolve_tuple(struct scope *scope, const struct wit_expr *expr, struct type_val *type)
{
    struct type_member *members = ga_arena_array(scope->document->arena, expr->items.count, sizeof *members);
    for (uint32_t i = 0; i < expr->items.count; i++)
        if ((members[i].type = resolve_expr(scope, expr->items.items[i])) == NULL)
            return false;
    type->members = members;
    type->member_count = expr->items.count;
    return true;
}

static const struct type_val *resolve_expr(struct scope *scope, const struct wit_expr *expr)
{
    if (expr->name.size > 0)
        return resolve_name(scope, expr);
    struct type_val *type = GA_NEW(scope->document->arena, struct type_val);
    type->kind = expr->kind;
    if (expr->first != NULL && (type->element = resolve_expr(scope, expr->first)) == NULL)
        return NULL;
    if (expr->second != NULL && (type->err = resolve_expr(scope, expr->second)) == NULL)
        return NULL;
    if (expr->kind == VAL_TUPLE && !resolve_tuple(scope, expr, type))
        return NULL;
    return finish_type(scope, type, expr->pos);
}

static const struct type_member *resolve_members(struct scope *scope, const wit_members *written)
{
    struct type_member *members = ga_arena_array(scope->document->arena, written->count, sizeof *members);
    for (uint32_t i = 0; i < written->count; i++) {
        members[i].name = written->items[i].name;
        if (written->items[i].type != NULL && (members[i].type = resolve_expr(scope, written->items[i].type)) == NULL)
            return NULL;
    }
    return members;
}

static const struct type_val *resolve_defined(struct scope *scope, struct wit_item *item)
{
    struct wit_named *named = GA_NEW(scope->document->arena, struct wit_named);
    named->interface = scope->interface;
    named->val.kind = item->value;
    named->val.name = item->name;
    named->val.members = resolve_members(scope, &item->members);
    named->val.member_count = item->members.count;
    return named->val.members != NULL ? finish_type(scope, &named->val, item->pos) : NULL;
}

static enum ga_status resolve_item(struct scope *scope, struct wit_item *item)
{
    if (item->type != NULL || item->resource != NULL)
        return GA_OK;
    if (item->resolving)
        return wit_error(scope->document, item->pos, "'%.*s' refers to itself", (int)item->name.size, item->name.data);
    item->resolving = true;
    if (item->kind == WIT_USE)
        return resolve_use(scope, item);
    if (item->kind == WIT_RESOURCE)
        resolve_resource(scope, item);
    else if (item->kind == WIT_ALIAS && item->expr->name.size > 0 && item->expr->kind == VAL_BOOL) {
        /* another name for a type or a resource */
        struct wit_item *origin = find_item(scope, item->expr->name, item->expr->pos);
        item->type = origin != NULL ? origin->type : NULL;
        item->resource = origin != NULL ? origin->resource : NULL;
    } else
        item->type = item->kind == WIT_ALIAS ? resolve_expr(scope, item->expr) : resolve_defined(scope, item);
    return scope->document->report->status;
}

/* --- functions --- */

static enum ga_status resolve_func(struct scope *scope, struct wit_func *func)
{
    const struct type_member *written = resolve_members(scope, &func->params);
    if (written == NULL)
        return scope->document->report->status;
    bool self = func->kind == WIT_METHOD;
    uint32_t count = func->params.count + (self ? 1 : 0);
    struct type_member *params = ga_arena_array(scope->document->arena, count, sizeof *params);
    if (self)
        params[0] = (struct type_member){{"self", 4}, handle_type(scope, VAL_BORROW, func->resource->resource)};
    memcpy(params + (self ? 1 : 0), written, func->params.count * sizeof *params);
    func->type.params = params;
    func->type.param_count = count;
    if (func->result != NULL)
        func->type.result = resolve_expr(scope, func->result);
    else if (func->kind == WIT_CONSTRUCTOR)
        func->type.result = handle_type(scope, VAL_OWN, func->resource->resource);
    return scope->document->report->status;
}

static enum ga_status resolve_interface(struct scope *scope)
{
    for (uint32_t i = 0; i < scope->interface->items.count; i++) {
        enum ga_status status = resolve_item(scope, scope->interface->items.entries[i].value);
        if (status != GA_OK)
            return status;
    }
    for (uint32_t i = 0; i < scope->interface->funcs.count; i++) {
        enum ga_status status = resolve_func(scope, scope->interface->funcs.items[i]);
        if (status != GA_OK)
            return status;
    }
    return GA_OK;
}

enum ga_status wit_resolve(struct wit_document *document)
{
    for (uint32_t i = 0; i < document->packages.count; i++) {
        struct wit_package *package = document->packages.items[i];
        for (uint32_t j = 0; j < package->interfaces.count; j++) {
            struct scope scope = {document, package->interfaces.items[j]};
            enum ga_status status = resolve_interface(&scope);
            if (status != GA_OK)
                return status;
        }
    }
    return GA_OK;
}
