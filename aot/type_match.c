/* Subtyping of what is connected (Explainer.md, "Type Checking"), and equality. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_assert.h"
#include "name.h"
#include "type_subst.h"

#define PATH_SHOWN 8
#define NAME_SHOWN 100

static void print_path(const struct type_path *path, unsigned depth, struct ga_buf *out)
{
    if (path == NULL || depth == PATH_SHOWN)
        return;
    print_path(path->outer, depth + 1, out);
    ga_buf_printf(out, "%s%s \"%.*s\"", out->size > 0 ? ", " : "", path->what,
                  path->name.size < NAME_SHOWN ? (int)path->name.size : NAME_SHOWN, path->name.data);
}

__attribute__((format(printf, 3, 4))) static enum ga_status fail(struct type_subst *subst, const struct type_path *path,
                                                                 const char *format, ...)
{
    struct ga_buf text = {0};
    print_path(path, 0, &text);
    if (text.size > 0)
        ga_buf_text(&text, ": ");
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    ga_buf_text(&text, why);
    enum ga_status status = ga_report_at(subst->scope->context->report, GA_INVALID, subst->offset,
                                         "%s (Explainer.md, Type Checking)", ga_buf_cstr(&text));
    ga_buf_free(&text);
    return status;
}

/* --- value and function types --- */

/* How resources are compared: through a substitution of b's (which may be NULL), or by name. */
struct comparison {
    struct type_subst *subst;
    bool by_name;
    bool out_of_work;
};

static bool resources_equal(const struct comparison *comparison, const struct type_resource *a,
                            const struct type_resource *b)
{
    if (comparison->by_name)
        return name_equal(type_resource_label(a), type_resource_label(b));
    struct type_binding *binding = comparison->subst != NULL ? type_subst_binding(comparison->subst, b) : NULL;
    if (binding != NULL && binding->resource != NULL)
        b = binding->resource;
    return a->id == b->id;
}

static bool vals_equal(struct comparison *comparison, const struct type_val *a, const struct type_val *b);

static bool members_equal(struct comparison *comparison, const struct type_member *a, uint32_t a_count,
                          const struct type_member *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (!name_equal(a[i].name, b[i].name) || !vals_equal(comparison, a[i].type, b[i].type))
            return false;
    }
    return true;
}

static bool vals_equal(struct comparison *comparison, const struct type_val *a, const struct type_val *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->kind != b->kind || a->size != b->size || a->length != b->length)
        return false;
    if (a == b && (!a->has_resource || comparison->subst == NULL))
        return true;
    if (comparison->subst != NULL) {
        struct type_context *context = comparison->subst->scope->context;
        if (type_work(context, 1 + a->member_count, comparison->subst->offset) != GA_OK) {
            comparison->out_of_work = true;
            return false;
        }
    }
    if (a->resource != NULL)
        return resources_equal(comparison, a->resource, b->resource);
    return vals_equal(comparison, a->element, b->element) && vals_equal(comparison, a->err, b->err) &&
           members_equal(comparison, a->members, a->member_count, b->members, b->member_count);
}

static bool funcs_equal(struct comparison *comparison, const struct type_func *a, const struct type_func *b)
{
    return a->async == b->async && vals_equal(comparison, a->result, b->result) &&
           members_equal(comparison, a->params, a->param_count, b->params, b->param_count);
}

bool type_val_equal(const struct type_val *a, const struct type_val *b, bool resources_by_name)
{
    return vals_equal(&(struct comparison){.by_name = resources_by_name}, a, b);
}

bool type_func_equal(const struct type_func *a, const struct type_func *b, bool resources_by_name)
{
    return funcs_equal(&(struct comparison){.by_name = resources_by_name}, a, b);
}

/* For the message: both types as text. */
static enum ga_status fail_different(struct type_subst *subst, const struct type_path *path, struct type_extern actual,
                                     struct type_extern expected)
{
    struct ga_buf texts[2] = {{0}, {0}};
    struct type_extern items[2] = {expected, actual};
    for (unsigned i = 0; i < 2; i++) {
        if (items[i].kind == EXTERN_TYPE && items[i].value->size < NAME_SHOWN)
            type_val_signature(items[i].value, &texts[i]);
        else if (items[i].kind != EXTERN_TYPE && items[i].func->param_count < NAME_SHOWN)
            type_func_signature(items[i].func, &texts[i]);
    }
    enum ga_status status =
        fail(subst, path, "expected %.100s, found %.100s", ga_buf_cstr(&texts[0]), ga_buf_cstr(&texts[1]));
    ga_buf_free(&texts[0]);
    ga_buf_free(&texts[1]);
    return status;
}

/* --- what is connected --- */

static enum ga_status match_val(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                                const struct type_path *path)
{
    struct comparison comparison = {.subst = subst};
    if (!vals_equal(&comparison, actual.value, expected.value))
        return comparison.out_of_work ? GA_LIMIT : fail_different(subst, path, actual, expected);
    if (expected.value->alias != 0 && expected.value->resource == NULL)
        type_subst_alias(subst, expected.value->alias, actual);
    return GA_OK;
}

static enum ga_status match_func(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                                 const struct type_path *path)
{
    struct comparison comparison = {.subst = subst};
    enum ga_status status = type_work(subst->scope->context, 1 + actual.func->param_count, subst->offset);
    if (status != GA_OK || funcs_equal(&comparison, actual.func, expected.func))
        return status;
    return comparison.out_of_work ? GA_LIMIT : fail_different(subst, path, actual, expected);
}

static enum ga_status match_resource(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                                     const struct type_path *path)
{
    struct type_binding *binding = type_subst_binding(subst, expected.resource);
    if (binding != NULL && binding->resource == NULL)
        binding->resource = actual.resource;
    const struct type_resource *wanted = binding != NULL ? binding->resource : expected.resource;
    if (wanted->id != actual.resource->id)
        return fail(subst, path, "resource types are not the same");
    type_subst_alias(subst, expected.alias, actual);
    return GA_OK;
}

static enum ga_status match_instance(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                                     const struct type_path *path)
{
    const struct ga_map *wanted = &expected.instance->exports;
    if (expected.kind == EXTERN_INSTANCE_TYPE)
        type_subst_bind(subst, &expected.instance->resources);
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct ga_map_entry *entry = &wanted->entries[i];
        struct type_path inner = {path, "export", {entry->key, (uint32_t)entry->key_size}};
        const struct type_extern *item = ga_map_get(&actual.instance->exports, entry->key, entry->key_size);
        enum ga_status status = type_work(subst->scope->context, 1, subst->offset);
        if (status == GA_OK && item == NULL)
            return fail(subst, &inner, "missing");
        if (status == GA_OK)
            status = type_match(subst, *item, *(const struct type_extern *)entry->value, &inner);
        if (status != GA_OK)
            return status;
    }
    return subst->status;
}

/* Every import of `actual` must be among those of `expected`, which are more or less general the other way round. */
static enum ga_status match_component_imports(struct type_subst *inner, const struct type_component *actual,
                                              const struct type_component *expected, const struct type_path *path)
{
    for (uint32_t i = 0; i < actual->imports.count; i++) {
        const struct ga_map_entry *entry = &actual->imports.entries[i];
        struct type_path at = {path, "import", {entry->key, (uint32_t)entry->key_size}};
        const struct type_extern *given = ga_map_get(&expected->imports, entry->key, entry->key_size);
        if (given == NULL)
            return fail(inner, &at, "missing");
        enum ga_status status = type_match(inner, *given, *(const struct type_extern *)entry->value, &at);
        if (status != GA_OK)
            return status;
    }
    return GA_OK;
}

/*
 * A component is acceptable if it can be instantiated with what `expected` says it will be given (its imported
 * resources being whatever they are: constants), and then exports what `expected` promises (whose own resources
 * stand for what is found there).
 */
static enum ga_status match_component(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                                      const struct type_path *path)
{
    const struct type_component *wanted = type_subst_component(subst, expected.component);
    struct type_subst *inner = type_subst_new(subst->scope, subst->offset);
    inner->keep_unbound = true;
    type_subst_bind(inner, &actual.component->import_resources);
    type_subst_bind(inner, &actual.component->resources);
    if (subst->status != GA_OK || inner->status != GA_OK)
        return subst->status != GA_OK ? subst->status : inner->status;
    enum ga_status status = match_component_imports(inner, actual.component, wanted, path);
    if (status != GA_OK)
        return status;
    struct type_subst *outer = type_subst_new(subst->scope, subst->offset);
    type_subst_bind(outer, &wanted->resources);
    for (uint32_t i = 0; i < wanted->exports.count && status == GA_OK; i++) {
        const struct ga_map_entry *entry = &wanted->exports.entries[i];
        struct type_path at = {path, "export", {entry->key, (uint32_t)entry->key_size}};
        const struct type_extern *item = ga_map_get(&actual.component->exports, entry->key, entry->key_size);
        if (item == NULL)
            return fail(subst, &at, "missing");
        struct type_extern image = type_subst_extern(inner, *item);
        status = inner->status == GA_OK ? type_match(outer, image, *(const struct type_extern *)entry->value, &at)
                                        : inner->status;
    }
    return status;
}

static enum ga_status match_module(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                                   const struct type_path *path)
{
    struct slice fault;
    enum ga_status status =
        type_core_module_matches(subst->scope->context, actual.module, expected.module, subst->offset, &fault);
    if (status != GA_OK || fault.data == NULL)
        return status;
    struct type_path at = {path, "core import or export", fault};
    return fail(subst, &at, "missing, or of another type");
}

enum ga_status type_match(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                          const struct type_path *path)
{
    static enum ga_status (*const matches[])(struct type_subst *subst, struct type_extern actual,
                                             struct type_extern expected, const struct type_path *path) = {
        [EXTERN_FUNC] = match_func,
        [EXTERN_TYPE] = match_val,
        [EXTERN_RESOURCE] = match_resource,
        [EXTERN_INSTANCE] = match_instance,
        [EXTERN_COMPONENT] = match_component,
        [EXTERN_MODULE] = match_module,
        [EXTERN_VALUE] = match_val,
        [EXTERN_FUNC_TYPE] = match_func,
        [EXTERN_INSTANCE_TYPE] = match_instance,
        [EXTERN_COMPONENT_TYPE] = match_component,
    };
    if (actual.kind != expected.kind)
        return fail(subst, path, "expected %s, found %s", type_extern_name(expected.kind),
                    type_extern_name(actual.kind));
    GA_ASSERT(expected.kind < sizeof matches / sizeof matches[0]);
    return matches[expected.kind](subst, actual, expected, path);
}
