/*
 * A component's world as WIT text.
 *
 * A component knows no interfaces, only instances whose types are equal to each other or new aliases of each
 * other. Interfaces come back like this: every import or export with an interface's name is that interface (one
 * that is both is printed once, with the items of both); a type belongs to the interface where its alias, or its
 * resource, is seen first; where it is seen again it is a `use`.
 *
 * Not every component comes from WIT. What WIT has no words for is a comment (an instance in an instance, a function
 * with the name of an interface), and a type of an interface that nobody can `use`, as it has no name of its own, is
 * defined again where it is mentioned: the text is WIT in any case.
 */
#include "wit_print.h"

#include <string.h>

#include "name.h"
#include "type_surface.h"
#include "val.h"

struct wit_item {
    struct slice name;
    struct type_extern type;
};

/* Something used from another interface under a local name. */
struct wit_use {
    const struct wit_interface *from;
    struct slice name, local;
};

struct wit_interface {
    struct slice name;    /* "streams", or of a world's inline interface its import or export name */
    struct slice package; /* "wasi:io"; empty: inline */
    struct slice version;
    GA_VEC(struct wit_item) items;
    GA_VEC(struct wit_use) uses;
    struct ga_map names;   /* of items and uses: taken */
    struct ga_map aliases; /* of its own items: alias -> home; two imports of one type share its aliases */
};

/* Where a type is defined, or what it is called in an interface. */
struct wit_home {
    const struct wit_interface *interface;
    struct slice name;
};

struct wit_printer {
    struct type_context *context;
    enum ga_status status; /* sticky: GA_LIMIT when it is too much */
    struct ga_arena *arena;
    struct ga_buf *out;
    GA_VEC(struct wit_interface *) interfaces;
    struct ga_map by_name;         /* full name -> interface */
    struct ga_map aliases;         /* alias -> home */
    struct ga_map resources;       /* resource id -> home, where it is seen first */
    struct wit_interface *current; /* whose body is printed; the world has one too */
    const char *indent;
};

/* What types unfold to can be far more than the component; so it is with what searching takes. */
static bool step(struct wit_printer *printer, uint64_t steps)
{
    if (printer->status == GA_OK)
        printer->status = type_work(printer->context, steps, 0);
    return printer->status == GA_OK;
}

/* --- text --- */

static const char *const keywords[] = {
    "as",   "async", "bool",   "borrow", "char",    "constructor", "enum",     "error-context", "export",
    "f32",  "f64",   "flags",  "from",   "func",    "future",      "import",   "include",       "interface",
    "list", "map",   "option", "own",    "package", "record",      "resource", "result",        "s16",
    "s32",  "s64",   "s8",     "static", "stream",  "string",      "tuple",    "type",          "u16",
    "u32",  "u64",   "u8",     "use",    "variant", "with",        "world",
};

static void print_text(struct wit_printer *printer, const char *text)
{
    ga_buf_text(printer->out, text);
}

static void print_slice(struct wit_printer *printer, struct slice text)
{
    ga_buf_append(printer->out, text.data, text.size);
}

static void print_name(struct wit_printer *printer, struct slice name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (name_equal(name, (struct slice){keywords[i], (uint32_t)strlen(keywords[i])}))
            print_text(printer, "%");
    }
    print_slice(printer, name);
}

static void print_interface_name(struct wit_printer *printer, const struct wit_interface *interface)
{
    print_slice(printer, interface->package);
    print_text(printer, "/");
    print_name(printer, interface->name);
    if (interface->version.size > 0) {
        print_text(printer, "@");
        print_slice(printer, interface->version);
    }
}

static bool same_package(const struct wit_interface *a, const struct wit_interface *b)
{
    return a->package.size > 0 && name_equal(a->package, b->package) && name_equal(a->version, b->version);
}

/* --- where types are at home --- */

static struct wit_home *home_find(const struct ga_map *map, uint32_t key)
{
    return ga_map_get(map, (const char *)&key, sizeof key);
}

static void home_add(struct wit_printer *printer, struct ga_map *map, uint32_t key,
                     const struct wit_interface *interface, struct slice name)
{
    struct keyed_home {
        uint32_t key;
        struct wit_home home;
    } *keyed = ga_arena_alloc(printer->arena, sizeof *keyed);
    keyed->key = key;
    keyed->home = (struct wit_home){interface, name};
    ga_map_add(map, (const char *)&keyed->key, sizeof keyed->key, &keyed->home);
}

static void settle(struct wit_printer *printer, struct wit_interface *interface, const struct wit_item *item)
{
    if (item->type.kind == EXTERN_TYPE && item->type.value->alias != 0 && item->type.value->resource == NULL) {
        home_add(printer, &interface->aliases, item->type.value->alias, interface, item->name);
        home_add(printer, &printer->aliases, item->type.value->alias, interface, item->name);
    } else if (item->type.kind == EXTERN_RESOURCE)
        home_add(printer, &printer->resources, item->type.resource->id, interface, item->name);
}

/* The home of what this item is only another name of; NULL: it defines something. */
static const struct wit_home *other_home(const struct wit_printer *printer, const struct wit_item *item)
{
    const struct wit_home *home = NULL;
    if (item->type.kind == EXTERN_RESOURCE)
        home = home_find(&printer->resources, item->type.resource->id);
    else if (item->type.kind == EXTERN_TYPE && item->type.value->origin != 0)
        home = home_find(&printer->aliases, item->type.value->origin);
    return home != NULL && (home->interface != printer->current || !name_equal(home->name, item->name)) ? home : NULL;
}

static const struct wit_item *find_item(struct wit_printer *printer, uint32_t resource)
{
    const struct wit_interface *interface = printer->current;
    const struct wit_home *home = home_find(&printer->resources, resource);
    bool here = home == NULL || home->interface == interface; /* its own are found by name */
    for (uint32_t i = 0; !here && i < interface->items.count && step(printer, 1); i++) {
        const struct wit_item *item = &interface->items.items[i];
        if (item->type.kind == EXTERN_RESOURCE && item->type.resource->id == resource)
            return item;
    }
    return NULL;
}

/* The name by which something from elsewhere is used here, which is made if there is none yet. */
static struct slice use_name(struct wit_printer *printer, const struct wit_home *home)
{
    struct wit_interface *current = printer->current;
    for (uint32_t i = 0; i < current->uses.count && step(printer, 1); i++) {
        const struct wit_use *use = &current->uses.items[i];
        if (use->from == home->interface && name_equal(use->name, home->name))
            return use->local;
    }
    struct slice local = home->name;
    for (unsigned number = 2; !ga_map_add(&current->names, local.data, local.size, current); number++) {
        const char *text = ga_arena_printf(printer->arena, "%.*s-x%u", (int)home->name.size, home->name.data, number);
        local = (struct slice){text, (uint32_t)strlen(text)};
    }
    *GA_PUSH(printer->arena, &current->uses) = (struct wit_use){home->interface, home->name, local};
    return local;
}

static struct slice local_name(struct wit_printer *printer, const struct wit_home *home)
{
    return home->interface == printer->current ? home->name : use_name(printer, home);
}

/* --- types --- */

static void print_type(struct wit_printer *printer, const struct type_val *type);

static void print_resource(struct wit_printer *printer, const struct type_resource *resource)
{
    const struct wit_item *item = find_item(printer, resource->id);
    const struct wit_home *home = home_find(&printer->resources, resource->id);
    if (item != NULL)
        print_name(printer, item->name);
    else if (home != NULL)
        print_name(printer, local_name(printer, home));
    else
        print_name(printer, type_resource_label(resource));
}

static void print_list(struct wit_printer *printer, const char *open, const struct type_member *members, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        print_text(printer, i == 0 ? open : ", ");
        print_type(printer, members[i].type);
    }
    print_text(printer, ">");
}

static void print_elements(struct wit_printer *printer, const char *name, const struct type_val *first,
                           const struct type_val *second)
{
    print_text(printer, name);
    if (first == NULL && second == NULL)
        return;
    print_text(printer, "<");
    if (first != NULL)
        print_type(printer, first);
    else
        print_text(printer, "_");
    if (second != NULL) {
        print_text(printer, ", ");
        print_type(printer, second);
    }
    print_text(printer, ">");
}

/* A type that needs no name of its own. */
static void print_anonymous(struct wit_printer *printer, const struct type_val *type)
{
    switch (type->kind) {
    case VAL_LIST: print_elements(printer, "list", type->element, NULL); break;
    case VAL_OPTION: print_elements(printer, "option", type->element, NULL); break;
    case VAL_STREAM: print_elements(printer, "stream", type->element, NULL); break;
    case VAL_FUTURE: print_elements(printer, "future", type->element, NULL); break;
    case VAL_RESULT: print_elements(printer, "result", type->element, type->err); break;
    case VAL_MAP: print_elements(printer, "map", type->err, type->element); break;
    case VAL_FIXED_LIST:
        print_text(printer, "list<");
        print_type(printer, type->element);
        ga_buf_printf(printer->out, ", %u>", type->length);
        break;
    case VAL_TUPLE: print_list(printer, "tuple<", type->members, type->member_count); break;
    case VAL_OWN: print_resource(printer, type->resource); break;
    case VAL_BORROW:
        print_text(printer, "borrow<");
        print_resource(printer, type->resource);
        print_text(printer, ">");
        break;
    default: /* a primitive; or what an instance inside an instance names, which WIT cannot say */
        if (step(printer, type->size))
            type_val_signature(type, printer->out);
    }
}

static void print_type(struct wit_printer *printer, const struct type_val *type)
{
    const struct wit_home *home = NULL;
    if (!step(printer, TYPE_NODE_WORK))
        return;
    if (type->resource == NULL && type->alias != 0)
        home = home_find(&printer->current->aliases, type->alias);
    if (home == NULL && type->resource == NULL && type->alias != 0)
        home = home_find(&printer->aliases, type->alias);
    if (home != NULL)
        print_name(printer, local_name(printer, home));
    else
        print_anonymous(printer, type);
}

static void print_params(struct wit_printer *printer, const struct type_func *func, uint32_t first)
{
    print_text(printer, "(");
    for (uint32_t i = first; i < func->param_count; i++) {
        print_text(printer, i > first ? ", " : "");
        print_name(printer, func->params[i].name);
        print_text(printer, ": ");
        print_type(printer, func->params[i].type);
    }
    print_text(printer, ")");
}

static void print_result(struct wit_printer *printer, const struct type_func *func)
{
    if (func->result != NULL) {
        print_text(printer, " -> ");
        print_type(printer, func->result);
    }
}

static void print_func(struct wit_printer *printer, const struct type_func *func, uint32_t first)
{
    print_text(printer, func->async ? "async func" : "func");
    print_params(printer, func, first);
    print_result(printer, func);
}

/* --- items of an interface --- */

static void print_members(struct wit_printer *printer, const char *keyword, struct slice name,
                          const struct type_val *type)
{
    ga_buf_printf(printer->out, "%s%s ", printer->indent, keyword);
    print_name(printer, name);
    print_text(printer, " {\n");
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct type_member *member = &type->members[i];
        ga_buf_printf(printer->out, "%s  ", printer->indent);
        print_name(printer, member->name);
        if (member->type != NULL) {
            print_text(printer, type->kind == VAL_RECORD ? ": " : "(");
            print_type(printer, member->type);
            print_text(printer, type->kind == VAL_RECORD ? "" : ")");
        }
        print_text(printer, ",\n");
    }
    ga_buf_printf(printer->out, "%s}\n", printer->indent);
}

static void print_type_item(struct wit_printer *printer, const struct wit_item *item)
{
    static const char *const keyword[] = {
        [VAL_RECORD] = "record", [VAL_VARIANT] = "variant", [VAL_ENUM] = "enum",
        [VAL_FLAGS] = "flags",   [VAL_FUTURE] = NULL,
    };
    if (keyword[item->type.value->kind] != NULL) {
        print_members(printer, keyword[item->type.value->kind], item->name, item->type.value);
        return;
    }
    ga_buf_printf(printer->out, "%stype ", printer->indent);
    print_name(printer, item->name);
    print_text(printer, " = ");
    print_anonymous(printer, item->type.value);
    print_text(printer, ";\n");
}

static void print_resource_func(struct wit_printer *printer, const struct name *name, const struct type_func *func)
{
    ga_buf_printf(printer->out, "%s  ", printer->indent);
    if (name->kind == NAME_CONSTRUCTOR) {
        print_text(printer, "constructor");
        print_params(printer, func, 0);
        if (func->result->kind == VAL_RESULT)
            print_result(printer, func);
    } else {
        print_name(printer, name->label);
        print_text(printer, name->kind == NAME_STATIC ? ": static " : ": ");
        print_func(printer, func, name->kind == NAME_METHOD);
    }
    print_text(printer, ";\n");
}

static bool is_annotated(struct slice text, struct name *name)
{
    return name_parse(text, (struct slice){NULL, 0}, name) == NULL && name->resource.data != NULL;
}

static void print_resource_item(struct wit_printer *printer, const struct wit_item *item)
{
    bool any = false;
    struct name name;
    ga_buf_printf(printer->out, "%sresource ", printer->indent);
    print_name(printer, item->name);
    for (uint32_t i = 0; i < printer->current->items.count && step(printer, 1); i++) {
        const struct wit_item *func = &printer->current->items.items[i];
        if (func->type.kind != EXTERN_FUNC || !is_annotated(func->name, &name) ||
            !name_equal(name.resource, item->name))
            continue;
        print_text(printer, any ? "" : " {\n");
        print_resource_func(printer, &name, func->type.func);
        any = true;
    }
    if (any)
        ga_buf_printf(printer->out, "%s}\n", printer->indent);
    else
        print_text(printer, ";\n");
}

/* `type x = y` within an interface; from another one it is a use, which comes first. */
static void print_other_name(struct wit_printer *printer, const struct wit_item *item, const struct wit_home *home)
{
    if (home->interface != printer->current) {
        *GA_PUSH(printer->arena, &printer->current->uses) = (struct wit_use){home->interface, home->name, item->name};
        return;
    }
    ga_buf_printf(printer->out, "%stype ", printer->indent);
    print_name(printer, item->name);
    print_text(printer, " = ");
    print_name(printer, home->name);
    print_text(printer, ";\n");
}

static void print_unsayable(struct wit_printer *printer, const struct wit_item *item, const char *keyword)
{
    ga_buf_printf(printer->out, "%s// %s%s \"", printer->indent, keyword, type_extern_name(item->type.kind));
    for (uint32_t i = 0; i < item->name.size; i++) { /* an address may have any bytes, a line end too */
        char c = item->name.data[i];
        ga_buf_u8(printer->out, (uint8_t)(c >= ' ' && c < 0x7f ? c : '?'));
    }
    print_text(printer, "\"\n");
}

/* `keyword`: "import " or "export " of functions in a world, or "". */
static void print_item(struct wit_printer *printer, const struct wit_item *item, const char *keyword)
{
    struct name name;
    const struct wit_home *home = other_home(printer, item);
    if (home != NULL) {
        print_other_name(printer, item, home);
    } else if (item->type.kind == EXTERN_TYPE) {
        print_type_item(printer, item);
    } else if (item->type.kind == EXTERN_RESOURCE) {
        print_resource_item(printer, item);
    } else if (item->type.kind == EXTERN_FUNC && !is_annotated(item->name, &name)) {
        ga_buf_printf(printer->out, "%s%s", printer->indent, keyword);
        print_name(printer, item->name);
        print_text(printer, ": ");
        print_func(printer, item->type.func, 0);
        print_text(printer, ";\n");
    } else if (item->type.kind != EXTERN_FUNC) {
        print_unsayable(printer, item, keyword);
    }
}

/* --- interfaces --- */

/* A type of an inline interface, of the world itself or of an instance in an instance. */
static void define_again(struct wit_printer *printer, const struct wit_use *use)
{
    struct wit_item again = {.name = use->local};
    for (uint32_t i = 0; i < use->from->items.count && step(printer, 1); i++) {
        if (name_equal(use->from->items.items[i].name, use->name))
            again.type = use->from->items.items[i].type;
    }
    if (again.type.kind == EXTERN_TYPE)
        print_type_item(printer, &again);
    else
        print_resource_item(printer, &again);
}

/* What is printed may ask for more. */
static void print_uses(struct wit_printer *printer)
{
    for (uint32_t i = 0; i < printer->current->uses.count; i++) {
        const struct wit_use *use = &printer->current->uses.items[i];
        if (use->from->package.size == 0) {
            define_again(printer, &(struct wit_use){use->from, use->name, use->local});
            continue;
        }
        ga_buf_printf(printer->out, "%suse ", printer->indent);
        if (same_package(use->from, printer->current))
            print_name(printer, use->from->name);
        else
            print_interface_name(printer, use->from);
        print_text(printer, ".{");
        print_name(printer, use->name);
        if (!name_equal(use->name, use->local)) {
            print_text(printer, " as ");
            print_name(printer, use->local);
        }
        print_text(printer, "};\n");
    }
}

/* The body is printed aside, as it tells what must be used, which comes before it. */
static void print_body(struct wit_printer *printer, struct wit_interface *interface, const char *indent)
{
    struct ga_buf body = {0}, *out = printer->out;
    struct wit_interface *outer = printer->current;
    const char *outer_indent = printer->indent;
    printer->out = &body;
    printer->current = interface;
    printer->indent = indent;
    for (uint32_t i = 0; i < interface->items.count; i++)
        print_item(printer, &interface->items.items[i], "");
    printer->out = out;
    print_uses(printer);
    ga_buf_append(out, body.data, body.size);
    printer->current = outer;
    printer->indent = outer_indent;
    ga_buf_free(&body);
}

static void print_package(struct wit_printer *printer, uint32_t first)
{
    const struct wit_interface *package = printer->interfaces.items[first];
    print_text(printer, "\npackage ");
    print_slice(printer, package->package);
    if (package->version.size > 0) {
        print_text(printer, "@");
        print_slice(printer, package->version);
    }
    print_text(printer, " {\n");
    for (uint32_t i = first; i < printer->interfaces.count && step(printer, 1); i++) {
        struct wit_interface *interface = printer->interfaces.items[i];
        if (!same_package(interface, package))
            continue;
        print_text(printer, "  interface ");
        print_name(printer, interface->name);
        print_text(printer, " {\n");
        print_body(printer, interface, "    ");
        print_text(printer, "  }\n");
    }
    print_text(printer, "}\n");
}

static void print_packages(struct wit_printer *printer)
{
    for (uint32_t i = 0; i < printer->interfaces.count; i++) {
        bool printed = printer->interfaces.items[i]->package.size == 0;
        for (uint32_t j = 0; j < i && !printed && step(printer, 1); j++)
            printed = same_package(printer->interfaces.items[i], printer->interfaces.items[j]);
        if (!printed)
            print_package(printer, i);
    }
}

/* --- the world --- */

static struct wit_interface *interface_new(struct wit_printer *printer, struct slice name)
{
    struct wit_interface *interface = GA_NEW(printer->arena, struct wit_interface);
    interface->name = name;
    interface->names.arena = interface->aliases.arena = printer->arena;
    return interface;
}

static void add_item(struct wit_printer *printer, struct wit_interface *interface, struct slice name,
                     struct type_extern type)
{
    struct wit_item item = {name, type};
    if (ga_map_add(&interface->names, name.data, name.size, interface))
        *GA_PUSH(printer->arena, &interface->items) = item;
    settle(printer, interface, &item); /* of an interface imported and exported both: two types of one name */
}

static void add_items(struct wit_printer *printer, struct wit_interface *interface, const struct type_instance *instance)
{
    for (uint32_t i = 0; i < instance->exports.count; i++) {
        const struct ga_map_entry *entry = &instance->exports.entries[i];
        const struct type_extern *type = entry->value;
        struct slice name = {entry->key, (uint32_t)entry->key_size};
        add_item(printer, interface, name, *type);
        if (type->kind == EXTERN_INSTANCE) /* its types are at home there */
            add_items(printer, interface_new(printer, name), type->instance);
    }
}

static bool is_interface(struct slice text, struct name *name)
{
    /* a canonical version with a suffix is kept as it stands */
    return name_parse(text, (struct slice){NULL, 0}, name) == NULL
               ? name->kind == NAME_INTERFACE
               : name->kind == NAME_INTERFACE && name->interface.size > 0;
}

/* Finds or makes the interface of an imported or exported instance. */
static struct wit_interface *collect_instance(struct wit_printer *printer, struct slice text,
                                              const struct type_instance *instance)
{
    struct name name;
    struct wit_interface *interface = NULL;
    if (is_interface(text, &name)) {
        interface = ga_map_get(&printer->by_name, text.data, text.size);
        if (interface == NULL) {
            interface = interface_new(printer, name.interface);
            interface->package = name.package;
            interface->version = name.version;
            ga_map_add(&printer->by_name, text.data, text.size, interface);
            *GA_PUSH(printer->arena, &printer->interfaces) = interface;
        }
    } else {
        interface = interface_new(printer, text);
    }
    add_items(printer, interface, instance);
    return interface;
}

struct world_item {
    bool import;
    struct wit_item item;
    struct wit_interface *interface; /* of an instance */
};

struct world {
    GA_VEC(struct world_item) items;
    struct wit_interface *scope; /* types that belong to the world itself, and their functions */
};

static void collect(struct wit_printer *printer, struct world *world, const struct type_surface *surface, bool import)
{
    for (uint32_t i = 0; i < surface->items.count; i++) {
        const struct ga_map_entry *entry = &surface->items.entries[i];
        struct slice name = {entry->key, (uint32_t)entry->key_size};
        const struct type_extern *type = entry->value;
        struct world_item *item = GA_PUSH(printer->arena, &world->items);
        *item = (struct world_item){import, {name, *type}, NULL};
        if (type->kind == EXTERN_INSTANCE)
            item->interface = collect_instance(printer, name, type->instance);
        else if ((import && type->kind == EXTERN_FUNC) || type->kind == EXTERN_TYPE || type->kind == EXTERN_RESOURCE)
            add_item(printer, world->scope, name, *type);
    }
}

static void print_world_instance(struct wit_printer *printer, const struct world_item *item)
{
    ga_buf_printf(printer->out, "  %s ", item->import ? "import" : "export");
    if (item->interface->package.size > 0) {
        print_interface_name(printer, item->interface);
        print_text(printer, ";\n");
        return;
    }
    print_name(printer, item->interface->name);
    print_text(printer, ": interface {\n");
    print_body(printer, item->interface, "    ");
    print_text(printer, "  }\n");
}

/* Of a function or type of the world itself: a name that WIT has for interfaces, or none at all. */
static bool is_unsayable(const struct world_item *item)
{
    struct name name;
    name_parse(item->item.name, (struct slice){NULL, 0}, &name);
    bool inline_or_none = item->interface == NULL || item->interface->package.size == 0;
    return inline_or_none && (name.kind == NAME_INTERFACE || name.kind == NAME_SOURCE);
}

static void print_world_items(struct wit_printer *printer, const struct world *world)
{
    for (uint32_t i = 0; i < world->items.count; i++) {
        const struct world_item *item = &world->items.items[i];
        bool type = item->item.type.kind == EXTERN_TYPE || item->item.type.kind == EXTERN_RESOURCE;
        if (is_unsayable(item)) {
            print_unsayable(printer, &item->item, item->import ? "import " : "export ");
            continue;
        }
        if (item->interface != NULL) {
            print_world_instance(printer, item);
            continue;
        }
        if (type && !item->import)
            print_text(printer, "  // exported, which WIT cannot say of a type alone:\n");
        print_item(printer, &item->item, type ? "" : item->import ? "import " : "export ");
    }
}

static void print_world(struct wit_printer *printer, const struct world *world)
{
    struct ga_buf body = {0}, *out = printer->out;
    printer->out = &body;
    printer->current = world->scope;
    printer->indent = "  ";
    print_world_items(printer, world);
    printer->out = out;
    print_text(printer, "package root:component;\n\nworld root {\n");
    print_uses(printer);
    ga_buf_append(out, body.data, body.size);
    print_text(printer, "}\n");
    ga_buf_free(&body);
}

enum ga_status wit_print_world(struct ga_arena *arena, const struct component *component, struct ga_buf *out,
                               struct ga_report *report)
{
    struct type_context context = {.arena = arena, .report = report};
    struct type_scope *scope;
    enum ga_status status = val_component_scope(&context, component, &scope);
    if (status != GA_OK)
        return status;
    struct wit_printer printer = {.context = &context, .arena = arena, .out = out};
    printer.by_name.arena = printer.aliases.arena = printer.resources.arena = arena;
    struct world world = {.scope = interface_new(&printer, (struct slice){"root", 4})};
    collect(&printer, &world, scope->imports, true);
    collect(&printer, &world, scope->exports, false);
    print_world(&printer, &world);
    print_packages(&printer);
    return printer.status;
}
