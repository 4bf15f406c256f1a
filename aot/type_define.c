/* Binary.md, "Type Definitions": the types that definitions stand for, and the rules they must keep. */
#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "name.h"
#include "type_surface.h"

#define SPEC "(Binary.md, Type Definitions)"

struct definer {
    struct type_scope *scope;
    const struct def *def;
};

/* "type 3: record without fields (Binary.md, Type Definitions)" */
static enum ga_status fail(const struct definer *definer, const char *text)
{
    const struct type_scope *scope = definer->scope;
    return ga_report_at(scope->context->report, GA_INVALID, definer->def->offset, "type %u: %s " SPEC,
                        scope->spaces[SORT_TYPE].count, text);
}

static enum ga_status fail_name(const struct definer *definer, const char *what, struct slice name, const char *text)
{
    const struct type_scope *scope = definer->scope;
    return ga_report_at(scope->context->report, GA_INVALID, definer->def->offset, "type %u: %s \"%.*s\" %s " SPEC,
                        scope->spaces[SORT_TYPE].count, what, type_shown(name), name.data, text);
}

/* --- members --- */

static const struct members_rule {
    const char *empty, *name; /* the fault of having none; what a member is called */
} members_rules[] = {
    [VAL_RECORD] = {"record without fields", "field"}, [VAL_VARIANT] = {"variant without cases", "case"},
    [VAL_TUPLE] = {"tuple without elements", NULL},    [VAL_ENUM] = {"enum without cases", "case"},
    [VAL_FLAGS] = {"flags without a flag", "flag"},
};

static enum ga_status check_label(const struct definer *definer, const char *what, struct slice name,
                                  struct ga_map *names)
{
    if (name.size == 0)
        return fail_name(definer, what, name, "has no name");
    if (!name_is_label(name))
        return fail_name(definer, what, name, "is not in kebab case");
    struct slice canonical = name_canonical(definer->scope->context->arena, name);
    if (!ga_map_add(names, canonical.data, canonical.size, definer->scope))
        return fail_name(definer, what, name, "has the name of an earlier one");
    return GA_OK;
}

static enum ga_status members(const struct definer *definer, const char *what, const struct type_member **out)
{
    struct type_scope *scope = definer->scope;
    const struct def_type *type = &definer->def->type;
    struct type_member *list = ga_arena_array(scope->context->arena, type->members.count, sizeof *list);
    struct ga_map names = {.arena = scope->context->arena};
    for (uint32_t i = 0; i < type->members.count; i++) {
        const struct def_member *member = &type->members.items[i];
        list[i].name = member->name;
        enum ga_status status = what != NULL ? check_label(definer, what, member->name, &names) : GA_OK;
        if (status == GA_OK)
            status = type_val_at(scope, member->type, definer->def->offset, &list[i].type);
        if (status != GA_OK)
            return status;
    }
    *out = list;
    return GA_OK;
}

/* --- value types --- */

static enum ga_status define_members(const struct definer *definer, struct type_val *type)
{
    const struct members_rule *rule = &members_rules[type->kind];
    if (definer->def->type.members.count == 0)
        return fail(definer, rule->empty);
    if (type->kind == VAL_FLAGS && definer->def->type.members.count > 32)
        return fail(definer, "more than 32 flags");
    type->member_count = definer->def->type.members.count;
    return members(definer, rule->name, &type->members);
}

static enum ga_status define_handle(const struct definer *definer, struct type_val *type)
{
    struct type_extern item = {0};
    enum ga_status status =
        type_lookup(definer->scope, SORT_TYPE, definer->def->type.resource_index, definer->def->offset, &item);
    if (status != GA_OK)
        return status;
    if (item.kind != EXTERN_RESOURCE)
        return ga_report_at(definer->scope->context->report, GA_INVALID, definer->def->offset,
                            "type %u: type index %u is not a resource type but %s " SPEC,
                            definer->scope->spaces[SORT_TYPE].count, definer->def->type.resource_index,
                            type_extern_a(item.kind));
    type->resource = item.resource;
    type->alias = item.alias;
    return GA_OK;
}

static bool is_key(const struct type_val *type)
{
    return type->kind <= VAL_STRING && type->kind != VAL_F32 && type->kind != VAL_F64;
}

static enum ga_status define_elements(const struct definer *definer, struct type_val *type)
{
    const struct def_type *def = &definer->def->type;
    bool pair = type->kind == VAL_RESULT || type->kind == VAL_MAP;
    struct val_ref first = type->kind == VAL_MAP ? def->err : pair ? def->ok : def->element;
    struct val_ref second = type->kind == VAL_MAP ? def->ok : def->err;
    enum ga_status status = type_val_at(definer->scope, first, definer->def->offset, &type->element);
    if (status == GA_OK && pair)
        status = type_val_at(definer->scope, second, definer->def->offset, &type->err);
    if (status != GA_OK)
        return status;
    type->length = def->length;
    if (type->kind == VAL_FIXED_LIST && type->length == 0)
        return fail(definer, "list of fixed length 0");
    if (type->kind == VAL_MAP && !is_key(type->err))
        return fail(definer, "map whose keys are not of a primitive type other than floats");
    if (type->kind == VAL_STREAM && type->element != NULL && type->element->kind == VAL_CHAR)
        return fail(definer, "stream of char");
    if ((type->kind == VAL_STREAM || type->kind == VAL_FUTURE) && type->element != NULL && type->element->has_borrow)
        return fail(definer, "stream or future with a borrow inside");
    return GA_OK;
}

static enum ga_status define_value(const struct definer *definer, struct type_extern *out)
{
    struct type_val type = {.kind = definer->def->type.value};
    enum ga_status status = GA_OK;
    out->kind = EXTERN_TYPE;
    switch (type.kind) {
    case VAL_RECORD:
    case VAL_TUPLE:
    case VAL_VARIANT:
    case VAL_ENUM:
    case VAL_FLAGS: status = define_members(definer, &type); break;
    case VAL_OWN:
    case VAL_BORROW: status = define_handle(definer, &type); break;
    case VAL_LIST:
    case VAL_FIXED_LIST:
    case VAL_OPTION:
    case VAL_RESULT:
    case VAL_MAP:
    case VAL_STREAM:
    case VAL_FUTURE: status = define_elements(definer, &type); break;
    default: break;
    }
    if (status != GA_OK)
        return status;
    const char *fault;
    out->value = type_val_make(definer->scope->context, &type, &fault);
    return out->value != NULL ? GA_OK : fail(definer, fault);
}

/* --- functions --- */

static uint64_t func_size(const struct type_func *func)
{
    uint64_t size = func->result != NULL ? func->result->size : 0;
    for (uint32_t i = 0; i < func->param_count; i++)
        size += func->params[i].type->size;
    return size;
}

static enum ga_status define_func(const struct definer *definer, struct type_extern *out)
{
    const struct def_type *def = &definer->def->type;
    if (def->members.count > GA_MAX_FUNC_PARAMS)
        return ga_report_at(definer->scope->context->report, GA_LIMIT, definer->def->offset,
                            "type %u: function of %u parameters (limit is %u)", definer->scope->spaces[SORT_TYPE].count,
                            def->members.count, GA_MAX_FUNC_PARAMS);
    struct type_func *func = GA_NEW(definer->scope->context->arena, struct type_func);
    func->async = def->async;
    func->param_count = def->members.count;
    enum ga_status status = members(definer, "parameter", &func->params);
    if (status == GA_OK)
        status = type_val_at(definer->scope, def->result, definer->def->offset, &func->result);
    if (status != GA_OK)
        return status;
    if (func_size(func) > GA_MAX_TYPE_SIZE)
        return fail(definer, "function whose parameters and result have too many parts");
    if (func->result != NULL && func->result->has_borrow)
        return fail(definer, "function whose result contains a borrow");
    out->kind = EXTERN_FUNC_TYPE;
    out->func = func;
    return GA_OK;
}

/* --- component and instance types: their declarators, evaluated in a scope of their own --- */

static enum ga_status declare_alias(struct type_scope *scope, const struct def *def, struct type_extern *out)
{
    struct type_context *context = scope->context;
    bool outer = def->alias.kind == ALIAS_OUTER;
    if (outer ? def->alias.sort != SORT_TYPE && def->alias.sort != SORT_CORE_TYPE
              : def->alias.kind != ALIAS_EXPORT || (def->alias.sort != SORT_TYPE && def->alias.sort != SORT_INSTANCE))
        return ga_report_at(context->report, GA_INVALID, def->offset,
                            "alias of %s in a type: only types and instances can be aliased here " SPEC,
                            type_sort_a(def->alias.sort));
    if (outer)
        return type_outer(scope, def->alias.sort, def->alias.outer_count, def->alias.index, def->offset, out);
    return type_alias_export(scope, def, out);
}

static enum ga_status declare_extern(struct type_scope *scope, const struct def *def)
{
    bool import = def->kind == DEF_IMPORT;
    struct type_surface_name name = {
        .name = import ? def->import.name : def->export.name,
        .version_suffix = import ? def->import.version_suffix : def->export.version_suffix,
        .implements = import ? def->import.implements : def->export.implements,
        .offset = def->offset,
    };
    struct type_extern item = {0};
    enum ga_status status =
        type_resolve(scope, import ? &def->import.desc : &def->export.desc, name.name, import, def->offset, &item);
    return status == GA_OK ? type_surface_add(scope, import, &name, item) : status;
}

static enum ga_status declare(struct type_scope *scope, const struct def *def)
{
    struct type_extern item = {0};
    enum ga_status status;
    switch (def->kind) {
    case DEF_TYPE:
        if (def->type.kind == DEF_TYPE_RESOURCE)
            return fail(&(struct definer){scope, def}, "resource type defined inside a component or instance type");
        /* fall through */
    case DEF_CORE_TYPE:
        status = type_define(scope, def, &item);
        return status == GA_OK ? type_push(scope, def->kind == DEF_TYPE ? SORT_TYPE : SORT_CORE_TYPE, item) : status;
    case DEF_ALIAS:
        status = declare_alias(scope, def, &item);
        return status == GA_OK ? type_push(scope, def->alias.sort, item) : status;
    case DEF_IMPORT:
    case DEF_EXPORT: return declare_extern(scope, def);
    default: GA_UNREACHABLE();
    }
}

static enum ga_status declare_all(struct type_scope *scope, const struct def *def)
{
    const struct component *decls = def->type.decls;
    enum ga_status status = type_work(scope->context, TYPE_SCOPE_WORK, def->offset);
    for (uint32_t i = 0; i < decls->defs.count && status == GA_OK; i++)
        status = declare(scope, &decls->defs.items[i]);
    return status;
}

static enum ga_status define_instance(const struct definer *definer, struct type_extern *out)
{
    struct type_scope *scope = type_scope_new(definer->scope->context, definer->scope, SCOPE_INSTANCE_TYPE);
    enum ga_status status = declare_all(scope, definer->def);
    if (status != GA_OK)
        return status;
    struct type_instance *instance = GA_NEW(scope->context->arena, struct type_instance);
    instance->exports = scope->exports->items;
    instance->resources = scope->resources;
    instance->size = scope->exports->size;
    instance->depth = scope->exports->depth;
    out->kind = EXTERN_INSTANCE_TYPE;
    out->instance = instance;
    return GA_OK;
}

const struct type_component *type_of_component(const struct type_scope *scope)
{
    struct type_component *component = GA_NEW(scope->context->arena, struct type_component);
    component->imports = scope->imports->items;
    component->exports = scope->exports->items;
    component->import_resources = scope->import_resources;
    component->resources = scope->resources;
    component->size = scope->imports->size + scope->exports->size;
    component->depth = scope->imports->depth > scope->exports->depth ? scope->imports->depth : scope->exports->depth;
    return component;
}

static enum ga_status define_component(const struct definer *definer, struct type_extern *out)
{
    struct type_scope *scope = type_scope_new(definer->scope->context, definer->scope, SCOPE_COMPONENT_TYPE);
    enum ga_status status = declare_all(scope, definer->def);
    if (status != GA_OK)
        return status;
    out->kind = EXTERN_COMPONENT_TYPE;
    out->component = type_of_component(scope);
    return GA_OK;
}

static enum ga_status define_resource(const struct definer *definer, struct type_extern *out)
{
    struct type_scope *scope = definer->scope;
    out->kind = EXTERN_RESOURCE;
    out->resource = type_resource_new(scope->context, (struct slice){"", 0});
    out->resource->definer = scope;
    out->resource->def = definer->def;
    out->alias = ++scope->context->last_alias;
    type_scope_own(scope, out->resource, false);
    return GA_OK;
}

enum ga_status type_define(struct type_scope *scope, const struct def *def, struct type_extern *out)
{
    static enum ga_status (*const defines[])(const struct definer *definer, struct type_extern *out) = {
        [DEF_TYPE_VALUE] = define_value,         [DEF_TYPE_FUNC] = define_func,
        [DEF_TYPE_COMPONENT] = define_component, [DEF_TYPE_INSTANCE] = define_instance,
        [DEF_TYPE_RESOURCE] = define_resource,
    };
    *out = (struct type_extern){0};
    if (def->kind == DEF_CORE_TYPE)
        return type_define_core(scope, def, out);
    GA_ASSERT(def->kind == DEF_TYPE);
    return defines[def->type.kind](&(struct definer){scope, def}, out);
}

/* --- externtype --- */

static enum ga_status resolve_type(struct type_scope *scope, const struct extern_desc *desc, struct slice name,
                                   bool imported, uint64_t offset, struct type_extern *out)
{
    if (desc->type_sub_resource) {
        out->kind = EXTERN_RESOURCE;
        out->resource = type_resource_new(scope->context, name);
        out->resource->imported = imported;
        out->alias = ++scope->context->last_alias;
        type_scope_own(scope, out->resource, imported);
        return GA_OK;
    }
    enum ga_status status = type_lookup(scope, SORT_TYPE, desc->type_index, offset, out);
    if (status == GA_OK)
        *out = type_rename(scope->context, *out, name);
    return status;
}

static enum ga_status resolve_module(struct type_scope *scope, uint32_t index, uint64_t offset, struct type_extern *out)
{
    enum ga_status status = type_lookup(scope, SORT_CORE_TYPE, index, offset, out);
    if (status != GA_OK)
        return status;
    if (out->core_type->module == NULL)
        return ga_report_at(scope->context->report, GA_INVALID, offset, "core type index %u is not a module type " SPEC,
                            index);
    *out = (struct type_extern){.kind = EXTERN_MODULE, .module = out->core_type->module};
    return GA_OK;
}

/* A type index that must be a type of this kind. */
static enum ga_status resolve_kind(struct type_scope *scope, uint32_t index, enum type_extern_kind kind,
                                   uint64_t offset, struct type_extern *out)
{
    enum ga_status status = type_lookup(scope, SORT_TYPE, index, offset, out);
    if (status == GA_OK && out->kind != kind)
        return ga_report_at(scope->context->report, GA_INVALID, offset, "type index %u is not %s but %s " SPEC, index,
                            type_extern_a(kind), type_extern_a(out->kind));
    return status;
}

enum ga_status type_resolve(struct type_scope *scope, const struct extern_desc *desc, struct slice name, bool imported,
                            uint64_t offset, struct type_extern *out)
{
    enum ga_status status;
    *out = (struct type_extern){0};
    switch (desc->sort) {
    case SORT_FUNC: out->kind = EXTERN_FUNC; return type_func_at(scope, desc->type_index, offset, &out->func);
    case SORT_TYPE: return resolve_type(scope, desc, name, imported, offset, out);
    case SORT_CORE_MODULE: return resolve_module(scope, desc->type_index, offset, out);
    case SORT_COMPONENT:
        status = resolve_kind(scope, desc->type_index, EXTERN_COMPONENT_TYPE, offset, out);
        out->kind = EXTERN_COMPONENT;
        return status;
    case SORT_INSTANCE:
        status = resolve_kind(scope, desc->type_index, EXTERN_INSTANCE_TYPE, offset, out);
        out->kind = EXTERN_INSTANCE;
        return status == GA_OK ? type_instance_open(scope, out->instance, name, imported, offset, &out->instance)
                               : status;
    case SORT_VALUE:
        return ga_report_at(scope->context->report, GA_INVALID, offset,
                            "values are not part of the component model yet " SPEC);
    default: GA_UNREACHABLE();
    }
}
