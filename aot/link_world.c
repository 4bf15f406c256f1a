#include <string.h>

#include "ga_limits.h"
#include "link_scope.h"

/*
 * The root's imports become plan_imports and plan_resources; its exports are flattened into plan_exports.
 */

static bool slice_is(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

struct plan_resource *link_resource_new(struct linker *linker, struct type_resource *resource, uint32_t instance)
{
    struct plan *plan = linker->plan;
    struct plan_resource *made = GA_PUSH(linker->arena, &plan->resources);
    made->type = resource;
    made->component_instance = instance;
    resource->plan_index = plan->resources.count - 1;
    return made;
}

struct plan_resource *link_resource_find(struct linker *linker, struct type_extern type)
{
    struct plan *plan = linker->plan;
    if (type.kind != EXTERN_RESOURCE || type.resource->plan_index >= plan->resources.count)
        return NULL;
    struct plan_resource *found = &plan->resources.items[type.resource->plan_index];
    return found->type == type.resource ? found : NULL;
}

/* The interface an import stands for: its name, completed by the attributes of Explainer.md, "Import and Export Names". */
static struct slice import_interface(struct linker *linker, const struct def *def)
{
    struct slice name = def->import.implements.size > 0 ? def->import.implements : def->import.name;
    if (def->import.version_suffix.size == 0)
        return name;
    struct slice suffix = def->import.version_suffix;
    char *text = ga_arena_printf(linker->arena, "%.*s%.*s", (int)name.size, name.data, (int)suffix.size, suffix.data);
    return (struct slice){text, (uint32_t)strlen(text)};
}

static enum ga_status import_func(struct linker *linker, struct slice interface, struct slice name,
                                  const struct type_func *type, uint64_t offset, struct link_item *out)
{
    enum ga_status status = link_refuse_func(linker, type, interface, name, offset);
    if (status != GA_OK)
        return status;
    *out = (struct link_item){SORT_FUNC, .func = {TARGET_HOST, linker->plan->imports.count, type}};
    *GA_PUSH(linker->arena, &linker->plan->imports) =
        (struct plan_import){.interface = interface, .name = name, .type = type};
    return GA_OK;
}

static enum ga_status import_type(struct linker *linker, struct slice interface, struct slice name,
                                  struct type_extern type, struct link_item *out)
{
    if (type.kind == EXTERN_RESOURCE && link_resource_find(linker, type) == NULL) {
        struct plan_resource *resource = link_resource_new(linker, type.resource, 0);
        resource->imported = true;
        resource->interface = interface;
        resource->name = name;
    }
    *out = (struct link_item){SORT_TYPE, .type = type};
    return GA_OK;
}

static enum ga_status import_instance(struct linker *linker, struct slice interface, const struct type_instance *type,
                                      uint64_t offset, struct link_item *out);

/* Nothing in it that somebody would have to provide. */
static bool is_hollow(const struct type_instance *type)
{
    for (uint32_t i = 0; i < type->exports.count; i++) {
        const struct type_extern *export = type->exports.entries[i].value;
        if (export->kind != EXTERN_TYPE && (export->kind != EXTERN_INSTANCE || !is_hollow(export->instance)))
            return false;
    }
    return true;
}

/* One function or type of the host: of an interface, or imported by its bare name (interface ""). */
static enum ga_status import_item(struct linker *linker, struct slice interface, struct slice name,
                                  struct type_extern type, uint64_t offset, struct link_item *out)
{
    switch (type.kind) {
    case EXTERN_FUNC:
        return import_func(linker, interface, name, type.func, offset, out);
    case EXTERN_TYPE:
    case EXTERN_RESOURCE:
    case EXTERN_FUNC_TYPE:
    case EXTERN_INSTANCE_TYPE:
    case EXTERN_COMPONENT_TYPE:
        return import_type(linker, interface, name, type, out);
    case EXTERN_INSTANCE:
        if (is_hollow(type.instance))
            return import_instance(linker, interface, type.instance, offset, out);
        /* fall through */
    default:
        return ga_report_at(linker->report, GA_UNSUPPORTED, offset,
                            "import \"%.*s\": %s \"%.*s\" cannot be imported: the host offers functions, types and "
                            "interfaces of these",
                            (int)interface.size, interface.data, type_extern_name(type.kind), (int)name.size, name.data);
    }
}

static enum ga_status import_instance(struct linker *linker, struct slice interface, const struct type_instance *type,
                                      uint64_t offset, struct link_item *out)
{
    struct link_instance *instance = GA_NEW(linker->arena, struct link_instance);
    instance->exports.arena = linker->arena;
    for (uint32_t i = 0; i < type->exports.count; i++) {
        const struct ga_map_entry *entry = &type->exports.entries[i];
        const struct type_extern *export_type = entry->value;
        struct link_item *item = GA_NEW(linker->arena, struct link_item);
        enum ga_status status = import_item(linker, interface, (struct slice){entry->key, (uint32_t)entry->key_size},
                                            *export_type, offset, item);
        if (status != GA_OK)
            return status;
        ga_map_set(&instance->exports, entry->key, entry->key_size, item);
    }
    *out = (struct link_item){SORT_INSTANCE, .instance = instance};
    return GA_OK;
}

enum ga_status link_root_import(struct linker *linker, struct link_scope *scope, const struct def *def,
                                struct link_item *out)
{
    struct slice name = def->import.name;
    struct type_extern type;
    enum ga_status status = type_resolve(scope->types, &def->import.desc, name, true, def->offset, &type);
    if (status != GA_OK)
        return status;
    if (type.kind == EXTERN_INSTANCE)
        return import_instance(linker, import_interface(linker, def), type.instance, def->offset, out);
    if (type.kind == EXTERN_MODULE || type.kind == EXTERN_COMPONENT || type.kind == EXTERN_VALUE)
        return ga_report_at(linker->report, GA_UNSUPPORTED, def->offset,
                            "import \"%.*s\": a %s cannot be imported: the host offers functions, types and instances "
                            "of these",
                            (int)name.size, name.data, type_extern_name(type.kind));
    return import_item(linker, (struct slice){"", 0}, name, type, def->offset, out);
}

/* --- exports --- */

static void export_func(struct linker *linker, struct slice interface, struct slice name, const struct link_func *func)
{
    struct plan *plan = linker->plan;
    if (func->target == TARGET_HOST)
        plan->imports.items[func->index].used = true;
    *GA_PUSH(linker->arena, &plan->exports) =
        (struct plan_export){interface, name, func->target, func->index, func->type};
}

static void export_type(struct linker *linker, struct slice interface, struct slice name, struct type_extern type)
{
    struct plan_resource *resource = link_resource_find(linker, type);
    if (resource == NULL || resource->imported || resource->exported)
        return;
    resource->exported = true;
    resource->interface = interface;
    resource->name = name;
}

static enum ga_status export_item(struct linker *linker, struct slice interface, struct slice name,
                                  const struct link_item *item, const struct type_instance *ascribed, uint64_t offset);

/* What the ascription does not name is hidden. NULL: nothing is ascribed. */
static enum ga_status export_instance(struct linker *linker, struct slice interface,
                                      const struct link_instance *instance, const struct type_instance *ascribed,
                                      uint64_t offset)
{
    enum ga_status status = GA_OK;
    if (++linker->depth > GA_MAX_COMPONENT_DEPTH)
        return ga_report_at(linker->report, GA_LIMIT, offset, "instances are nested too deeply (limit is %u)",
                            GA_MAX_COMPONENT_DEPTH);
    for (uint32_t i = 0; i < instance->exports.count && status == GA_OK; i++) {
        const struct ga_map_entry *entry = &instance->exports.entries[i];
        const struct type_extern *type =
            ascribed != NULL ? ga_map_get(&ascribed->exports, entry->key, entry->key_size) : NULL;
        if (ascribed != NULL && type == NULL)
            continue;
        status = export_item(linker, interface, (struct slice){entry->key, (uint32_t)entry->key_size}, entry->value,
                             type != NULL && type->kind == EXTERN_INSTANCE ? type->instance : NULL, offset);
    }
    linker->depth--;
    return status;
}

static enum ga_status export_item(struct linker *linker, struct slice interface, struct slice name,
                                  const struct link_item *item, const struct type_instance *ascribed, uint64_t offset)
{
    enum ga_status status = link_step(linker, offset);
    if (status != GA_OK)
        return status;
    switch (item->sort) {
    case SORT_FUNC:
        export_func(linker, interface, name, &item->func);
        return GA_OK;
    case SORT_TYPE:
        export_type(linker, interface, name, item->type);
        return GA_OK;
    case SORT_INSTANCE: {
        const char *separator = slice_is(interface, "") ? "" : "/";
        char *joined = ga_arena_printf(linker->arena, "%.*s%s%.*s", (int)interface.size, interface.data, separator,
                                       (int)name.size, name.data);
        return export_instance(linker, (struct slice){joined, (uint32_t)strlen(joined)}, item->instance, ascribed,
                               offset);
    }
    default:
        return GA_OK; /* a module or component: nobody can call it */
    }
}

enum ga_status link_root_export(struct linker *linker, struct link_scope *scope, const struct def *def,
                                const struct link_item *item)
{
    struct type_extern ascribed = {0};
    bool narrowed = def->export.has_desc && def->export.desc.sort == SORT_INSTANCE;
    if (narrowed) {
        enum ga_status status =
            type_lookup(scope->types, SORT_TYPE, def->export.desc.type_index, def->offset, &ascribed);
        if (status != GA_OK)
            return status;
    }
    return export_item(linker, (struct slice){"", 0}, def->export.name, item, narrowed ? ascribed.instance : NULL,
                       def->offset);
}
