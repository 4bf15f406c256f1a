#define _GNU_SOURCE
#include "function_name.h"

#include <stdio.h>
#include <string.h>

#include "http_handler.h"

/* A piece of the name. */
struct piece {
    const char *text;
    size_t size;
};

static bool piece_is(struct piece piece, const char *text)
{
    return strlen(text) == piece.size && memcmp(piece.text, text, piece.size) == 0;
}

static bool starts_with(struct piece piece, const char *prefix)
{
    return piece.size >= strlen(prefix) && memcmp(piece.text, prefix, strlen(prefix)) == 0;
}

static const struct rt_export *find_virtual(struct piece interface, const char *prefix, struct piece name)
{
    const struct rt_export *export =
        golem_component.http_handler ? golem_component.http_handler->virtual_export() : NULL;
    return export && !*prefix && piece_is(interface, export->interface) && piece_is(name, export->name) ? export : NULL;
}

static const struct rt_export *find_export(struct piece interface, const char *prefix, struct piece name)
{
    size_t prefix_size = strlen(prefix);
    for (uint32_t i = 0; i < golem_component.export_count; i++) {
        const struct rt_export *export = &golem_component.exports[i];
        if (piece_is(interface, export->interface) && strncmp(export->name, prefix, prefix_size) == 0 &&
            piece_is(name, export->name + prefix_size))
            return export;
    }
    return find_virtual(interface, prefix, name);
}

/* "r.m" */
static const struct rt_export *find_member(struct piece interface, const char *prefix, struct piece resource,
                                           struct piece member)
{
    char name[512];
    int size =
        snprintf(name, sizeof name, "%.*s.%.*s", (int)resource.size, resource.text, (int)member.size, member.text);
    if (size < 0 || (size_t)size >= sizeof name)
        return NULL;
    return find_export(interface, prefix, (struct piece){name, (size_t)size});
}

static const struct cabi_resource *own_resource(const struct cabi_type *type)
{
    return type && (type->kind == CABI_OWN || type->kind == CABI_BORROW) ? type->resource : NULL;
}

static const struct cabi_resource *self_resource(const struct rt_export *export)
{
    return export->type->param_count ? own_resource(export->type->params[0].type) : NULL;
}

/* The resource type behind a name, as its functions show it. A resource that only functions of other names give
 * has no drop by name. */
static const struct cabi_resource *find_resource(struct piece interface, struct piece name)
{
    const struct rt_export *constructor = find_export(interface, "[constructor]", name);
    if (constructor)
        return own_resource(constructor->type->result);
    for (uint32_t i = 0; i < golem_component.export_count; i++) {
        const struct rt_export *export = &golem_component.exports[i];
        if (!piece_is(interface, export->interface) || strncmp(export->name, "[method]", 8) != 0)
            continue;
        const char *method = export->name + strlen("[method]"), *dot = strchr(method, '.');
        if (dot && (size_t)(dot - method) == name.size && memcmp(method, name.text, name.size) == 0)
            return self_resource(export);
    }
    return NULL;
}

static void set_drop(struct piece interface, struct piece resource, struct function_name *out)
{
    out->resource = find_resource(interface, resource);
}

static bool resolve_plain(struct piece interface, struct piece function, struct function_name *out)
{
    out->export = find_export(interface, "", function);
    if (out->export && strncmp(out->export->name, "[method]", 8) == 0)
        out->resource = self_resource(out->export);
    if (!out->export && starts_with(function, "[drop]"))
        set_drop(interface, (struct piece){function.text + 6, function.size - 6}, out);
    return out->export || out->resource;
}

/* "r.m" where m may be new and drop, which no kebab-case member of r shadows. */
static bool resolve_member(struct piece interface, struct piece resource, struct piece member, struct function_name *out)
{
    out->export = find_member(interface, "[method]", resource, member);
    if (out->export)
        out->resource = self_resource(out->export);
    else
        out->export = find_member(interface, "[static]", resource, member);
    if (!out->export && piece_is(member, "new"))
        out->export = find_export(interface, "[constructor]", resource);
    if (!out->export && piece_is(member, "drop"))
        set_drop(interface, resource, out);
    return out->export || out->resource;
}

/* "r(...).m": the arguments end at the last ")." */
static bool resolve_indexed(struct piece interface, struct piece function, size_t parenthesis, struct function_name *out)
{
    struct piece resource = {function.text, parenthesis};
    size_t close = function.size;
    while (close > parenthesis + 1 && !(function.text[close - 1] == '.' && function.text[close - 2] == ')'))
        close--;
    if (close <= parenthesis + 1)
        return false;
    struct piece member = {function.text + close, function.size - close};
    out->constructor = find_export(interface, "[constructor]", resource);
    out->key = function.text + parenthesis + 1;
    out->key_size = close - 2 - (parenthesis + 1);
    if (!out->constructor || !resolve_member(interface, resource, member, out))
        return false;
    return out->resource && own_resource(out->constructor->type->result) == out->resource;
}

static bool resolve(struct piece interface, struct piece function, struct function_name *out)
{
    if (resolve_plain(interface, function, out))
        return true;
    const char *parenthesis = memchr(function.text, '(', function.size);
    if (parenthesis)
        return resolve_indexed(interface, function, (size_t)(parenthesis - function.text), out);
    const char *dot = memchr(function.text, '.', function.size);
    if (!dot)
        return false;
    size_t before = (size_t)(dot - function.text);
    return resolve_member(interface, (struct piece){function.text, before},
                          (struct piece){dot + 1, function.size - before - 1}, out);
}

enum ga_status function_name_resolve(const char *name, size_t size, struct function_name *out, struct ga_report *report)
{
    *out = (struct function_name){0};
    if (memchr(name, '\0', size)) /* ends a C string, and no name has one */
        return ga_report_set(report, GA_INVALID, "a function's name has a NUL in it");
    const char *brace = memmem(name, size, ".{", 2);
    struct piece interface = {"", 0}, function = {name, size};
    if (brace) {
        if (name[size - 1] != '}')
            return ga_report_set(report, GA_INVALID,
                                 "\"%.*s\": a function of an interface is written interface.{function}", (int)size,
                                 name);
        interface = (struct piece){name, (size_t)(brace - name)};
        function = (struct piece){brace + 2, size - (size_t)(brace - name) - 3};
    }
    if (resolve(interface, function, out))
        return GA_OK;
    return ga_report_set(report, GA_NOT_FOUND, "there is no function \"%.*s\"", (int)size, name);
}

const struct cabi_func_type *function_name_params(const struct function_name *name, struct ga_arena *arena)
{
    if (name->export && !name->constructor)
        return name->export->type;
    struct cabi_func_type *type = GA_NEW(arena, struct cabi_func_type);
    if (name->export) {
        *type = *name->export->type;
        type->params++;
        type->param_count--;
        return type;
    }
    if (name->constructor)
        return type;
    struct cabi_type *handle = GA_NEW(arena, struct cabi_type);
    *handle = (struct cabi_type){
        .kind = CABI_OWN, .native_align = 4, .native_size = 4, .has_handles = true, .resource = name->resource};
    struct cabi_member *param = GA_NEW(arena, struct cabi_member);
    *param = (struct cabi_member){.name = "handle", .type = handle};
    struct cabi_type *tuple = GA_NEW(arena, struct cabi_type);
    *tuple = (struct cabi_type){.kind = CABI_TUPLE,
                                .native_align = 4,
                                .native_size = 4,
                                .has_handles = true,
                                .member_count = 1,
                                .members = param};
    *type = (struct cabi_func_type){.param_count = 1, .params = param, .params_tuple = tuple};
    return type;
}
