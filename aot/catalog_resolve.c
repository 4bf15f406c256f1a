#include "catalog_resolve.h"

#include <string.h>

/* --- versions --- */

struct version {
    bool present;
    uint32_t part_count;   /* "0.2" has 2: canonical names leave out what does not matter */
    uint32_t parts[3];     /* major, minor, patch */
    struct slice pre;      /* pre-release, without '-'; "" if there is none */
};

/* "wasi:io/streams@0.2.3" taken apart. */
struct interface_name {
    struct slice package, interface;
    struct version version;
};

static struct slice slice_until(struct slice from, char stop, struct slice *rest_out)
{
    const char *at = from.size > 0 ? memchr(from.data, stop, from.size) : NULL;
    if (at == NULL) {
        *rest_out = (struct slice){from.data + from.size, 0};
        return from;
    }
    uint32_t size = (uint32_t)(at - from.data);
    *rest_out = (struct slice){at + 1, from.size - size - 1};
    return (struct slice){from.data, size};
}

static bool slice_is(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

static uint32_t parse_number(struct slice digits)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < digits.size && value <= UINT32_MAX; i++)
        value = value * 10 + (uint64_t)(digits.data[i] - '0');
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* The text has been validated. Build metadata (+...) does not matter to precedence or tracks. */
static struct version parse_version(struct slice text)
{
    struct version version = {.present = text.size > 0};
    struct slice build, pre, rest;
    text = slice_until(text, '+', &build);
    text = slice_until(text, '-', &pre);
    version.pre = pre;
    for (rest = text; rest.size > 0 && version.part_count < 3; version.part_count++)
        version.parts[version.part_count] = parse_number(slice_until(rest, '.', &rest));
    return version;
}

static struct interface_name parse_name(struct slice name)
{
    struct interface_name parsed;
    struct slice version;
    name = slice_until(name, '@', &version);
    parsed.package = slice_until(name, '/', &parsed.interface);
    parsed.version = parse_version(version);
    return parsed;
}

static struct version offered_version(const struct catalog_interface *offer)
{
    const char *pre = offer->pre != NULL ? offer->pre : "";
    return (struct version){
        .present = offer->major > 0 || offer->minor > 0 || offer->patch > 0 || pre[0] != 0,
        .part_count = 3,
        .parts = {offer->major, offer->minor, offer->patch},
        .pre = {pre, (uint32_t)strlen(pre)},
    };
}

static bool version_serves(const struct version *offered, const struct version *asked)
{
    if (!asked->present || !offered->present)
        return asked->present == offered->present;
    if (asked->pre.size != offered->pre.size || memcmp(asked->pre.data, offered->pre.data, asked->pre.size) != 0)
        return false;
    uint32_t significant = asked->pre.size > 0 ? 3 : asked->parts[0] > 0 ? 1 : asked->parts[1] > 0 ? 2 : 3;
    for (uint32_t i = 0; i < significant && i < asked->part_count; i++)
        if (asked->parts[i] != offered->parts[i])
            return false;
    return true;
}

static bool offer_is_newer(const struct catalog_interface *a, const struct catalog_interface *b)
{
    return a->major != b->major ? a->major > b->major : a->minor != b->minor ? a->minor > b->minor : a->patch > b->patch;
}

/* --- offers --- */

static bool same_interface(const struct catalog_interface *offer, const struct interface_name *name)
{
    return slice_is(name->package, offer->package) && slice_is(name->interface, offer->interface);
}

/* The newest offer in the track that is older than `below` (NULL: any). */
static const struct catalog_interface *next_offer(struct catalog catalog, const struct interface_name *name,
                                                  const struct catalog_interface *below)
{
    const struct catalog_interface *best = NULL;
    for (uint32_t i = 0; i < catalog.count; i++) {
        const struct catalog_interface *offer = &catalog.interfaces[i];
        struct version version = offered_version(offer);
        if (!same_interface(offer, name) || !version_serves(&version, &name->version))
            continue;
        if ((below == NULL || offer_is_newer(below, offer)) && (best == NULL || offer_is_newer(offer, best)))
            best = offer;
    }
    return best;
}

static const struct catalog_func *find_func(const struct catalog_interface *offer, struct slice name)
{
    for (uint32_t i = 0; i < offer->func_count; i++)
        if (slice_is(name, offer->funcs[i].name))
            return &offer->funcs[i];
    return NULL;
}

/* What there is for one import: the function that serves it, or else the nearest that does not. */
struct search {
    const struct catalog_interface *newest; /* NULL: no offer in the track */
    const struct catalog_func *serves, *other_type;
};

static struct search search_import(struct catalog catalog, const struct plan_import *import, const char *signature)
{
    struct interface_name name = parse_name(import->interface);
    struct search search = {0};
    if (import->interface.size == 0)
        return search;
    for (const struct catalog_interface *offer = next_offer(catalog, &name, NULL); offer != NULL && search.serves == NULL;
         offer = next_offer(catalog, &name, offer)) {
        const struct catalog_func *func = find_func(offer, import->name);
        if (search.newest == NULL)
            search.newest = offer;
        if (func != NULL && strcmp(func->signature, signature) == 0)
            search.serves = func;
        else if (func != NULL && search.other_type == NULL)
            search.other_type = func;
    }
    return search;
}

static const char *find_resource(struct catalog catalog, const struct plan_resource *resource)
{
    struct interface_name name = parse_name(resource->interface);
    if (!resource->imported || resource->interface.size == 0)
        return NULL;
    for (const struct catalog_interface *offer = next_offer(catalog, &name, NULL); offer != NULL;
         offer = next_offer(catalog, &name, offer))
        for (uint32_t i = 0; i < offer->resource_count; i++)
            if (slice_is(resource->name, offer->resources[i]))
                return offer->resource_symbols[i];
    return NULL;
}

/* --- messages --- */

#define LIST_BYTES 400

/* A comma-separated list that ends with "..." when it is longer than limit. */
static void list_add_within(struct ga_buf *list, size_t limit, const char *text, size_t size)
{
    static const char more[] = ", ...";
    if (list->size > limit) {
        if (list->size < sizeof more || memcmp(list->data + list->size - (sizeof more - 1), more, sizeof more - 1) != 0)
            ga_buf_text(list, more);
        return;
    }
    if (list->size > 0)
        ga_buf_text(list, ", ");
    ga_buf_append(list, text, size);
}

static void list_add(struct ga_buf *list, const char *text, size_t size)
{
    list_add_within(list, LIST_BYTES, text, size);
}

static void describe_version(struct ga_buf *out, const struct catalog_interface *offer)
{
    struct version version = offered_version(offer);
    if (version.present)
        ga_buf_printf(out, "@%u.%u.%u%s%s", offer->major, offer->minor, offer->patch, version.pre.size > 0 ? "-" : "",
                      version.pre.data);
}

/* What is offered that is nearest to the interface asked for: other versions of it, else others of its package, else packages. */
static void describe_offers(struct ga_buf *out, struct catalog catalog, const struct interface_name *name)
{
    struct ga_buf versions = {0}, siblings = {0}, packages = {0};
    const char *last_package = "", *last_sibling = "";

    for (uint32_t i = 0; i < catalog.count; i++) {
        const struct catalog_interface *offer = &catalog.interfaces[i];
        struct ga_buf text = {0};
        ga_buf_printf(&text, "%s/%s", offer->package, offer->interface);
        describe_version(&text, offer);
        if (same_interface(offer, name))
            list_add(&versions, (const char *)text.data, text.size);
        if (slice_is(name->package, offer->package) && strcmp(last_sibling, offer->interface) != 0)
            list_add(&siblings, last_sibling = offer->interface, strlen(offer->interface));
        if (strcmp(last_package, offer->package) != 0)
            list_add(&packages, last_package = offer->package, strlen(offer->package));
        ga_buf_free(&text);
    }
    struct ga_buf *best = versions.size > 0 ? &versions : siblings.size > 0 ? &siblings : &packages;
    if (best == &siblings && best->size > 0)
        ga_buf_printf(out, "offered of %.*s: %s", (int)name->package.size, name->package.data, ga_buf_cstr(best));
    else
        ga_buf_printf(out, "offered: %s", best->size > 0 ? ga_buf_cstr(best) : "nothing");
    ga_buf_free(&versions);
    ga_buf_free(&siblings);
    ga_buf_free(&packages);
}

static void describe_funcs(struct ga_buf *out, const struct catalog_interface *offer)
{
    struct ga_buf list = {0};
    for (uint32_t i = 0; i < offer->func_count; i++)
        list_add(&list, offer->funcs[i].name, strlen(offer->funcs[i].name));
    ga_buf_printf(out, "%s/%s", offer->package, offer->interface);
    describe_version(out, offer);
    ga_buf_printf(out, " is offered without this function (it has: %s)", list.size > 0 ? ga_buf_cstr(&list) : "none");
    ga_buf_free(&list);
}

static void describe_missing(struct ga_buf *out, struct catalog catalog, const struct plan_import *import,
                             const struct search *search, const char *signature)
{
    struct interface_name name = parse_name(import->interface);

    if (import->interface.size == 0) {
        ga_buf_printf(out, "import \"%.*s\": nothing serves a function without interface (", (int)import->name.size,
                      import->name.data);
        describe_offers(out, catalog, &name);
        ga_buf_text(out, ")");
        return;
    }
    ga_buf_printf(out, "import \"%.*s\" function \"%.*s\": ", (int)import->interface.size, import->interface.data,
                  (int)import->name.size, import->name.data);
    if (search->other_type != NULL) {
        ga_buf_printf(out, "offered with another type: %.300s, but imported as: %.300s", search->other_type->signature,
                      signature);
    } else if (search->newest != NULL) {
        describe_funcs(out, search->newest);
    } else {
        ga_buf_text(out, "nothing serves this interface (");
        describe_offers(out, catalog, &name);
        ga_buf_text(out, ")");
    }
}

/* --- all imports --- */

enum { MAX_MISSING_INTERFACES = 64, FUNCTIONS_BYTES = 60, FIRST_BYTES = 580 };

/* What is missing of one interface, but for what `first` describes. */
struct missing_interface {
    struct slice name;
    uint32_t count;
    struct ga_buf functions; /* the first few, by name */
};

struct missing {
    struct ga_buf first; /* the first, described */
    uint32_t count;
    struct missing_interface interfaces[MAX_MISSING_INTERFACES];
    uint32_t interface_count;
};

static bool slices_equal(struct slice a, struct slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* NULL: there are too many. */
static struct missing_interface *missing_interface(struct missing *missing, struct slice name)
{
    for (uint32_t i = 0; i < missing->interface_count; i++)
        if (slices_equal(missing->interfaces[i].name, name))
            return &missing->interfaces[i];
    if (missing->interface_count == MAX_MISSING_INTERFACES)
        return NULL;
    struct missing_interface *added = &missing->interfaces[missing->interface_count++];
    added->name = name;
    return added;
}

static void missing_add(struct missing *missing, struct catalog catalog, const struct plan_import *import,
                        const struct search *search, const char *signature)
{
    if (missing->count++ == 0) {
        describe_missing(&missing->first, catalog, import, search, signature);
        return;
    }
    struct missing_interface *interface = missing_interface(missing, import->interface);
    if (interface == NULL)
        return;
    struct ga_buf text = {0};
    ga_buf_printf(&text, "%.*s%s", (int)import->name.size, import->name.data,
                  search->other_type != NULL ? " (of another type)" : "");
    interface->count++;
    list_add_within(&interface->functions, FUNCTIONS_BYTES, (const char *)text.data, text.size);
    ga_buf_free(&text);
}

static void describe_interface(struct ga_buf *out, const struct missing_interface *interface)
{
    if (interface->name.size == 0)
        ga_buf_text(out, "without interface");
    else
        ga_buf_printf(out, "\"%.*s\"", (int)interface->name.size, interface->name.data);
}

/* Every interface with some of its functions. */
static void list_functions(struct ga_buf *out, struct missing *missing)
{
    for (uint32_t i = 0; i < missing->interface_count; i++) {
        ga_buf_text(out, i > 0 ? "; " : "");
        describe_interface(out, &missing->interfaces[i]);
        ga_buf_printf(out, ": %s", ga_buf_cstr(&missing->interfaces[i].functions));
    }
}

/* Every interface, as many as there is room for. */
static void list_interfaces(struct ga_buf *out, struct missing *missing, size_t limit)
{
    for (uint32_t i = 0; i < missing->interface_count; i++) {
        struct ga_buf text = {0};
        describe_interface(&text, &missing->interfaces[i]);
        ga_buf_printf(&text, " (%u)", missing->interfaces[i].count);
        list_add_within(out, limit > text.size ? limit - text.size : 0, (const char *)text.data, text.size);
        ga_buf_free(&text);
    }
}

/* The first in full; of the others, that no interface goes unnamed matters more than that all functions are. */
static enum ga_status missing_report(struct missing *missing, struct ga_report *report)
{
    struct ga_buf rest = {0};
    size_t first_size = missing->first.size < FIRST_BYTES ? missing->first.size : FIRST_BYTES;
    size_t room = sizeof report->text - first_size - sizeof "; 4294967295 more are missing: , ...";

    if (missing->count == 1)
        return ga_report_set(report, GA_UNSUPPORTED, "%s", ga_buf_cstr(&missing->first));
    list_functions(&rest, missing);
    if (rest.size > room) {
        ga_buf_free(&rest);
        rest = (struct ga_buf){0};
        list_interfaces(&rest, missing, room);
    }
    enum ga_status status = ga_report_set(report, GA_UNSUPPORTED, "%.*s; %u more are missing: %s", FIRST_BYTES,
                                          ga_buf_cstr(&missing->first), missing->count - 1, ga_buf_cstr(&rest));
    ga_buf_free(&rest);
    return status;
}

static void missing_free(struct missing *missing)
{
    ga_buf_free(&missing->first);
    for (uint32_t i = 0; i < missing->interface_count; i++)
        ga_buf_free(&missing->interfaces[i].functions);
}

enum ga_status catalog_resolve(struct ga_arena *arena, struct catalog catalog, const struct plan *plan, bool allow_missing,
                               struct catalog_binding *out, struct ga_report *report)
{
    const struct catalog_func **imports = ga_arena_array(arena, plan->imports.count, sizeof(void *));
    const char **resources = ga_arena_array(arena, plan->resources.count, sizeof(char *));
    struct missing missing = {0};
    enum ga_status status = GA_OK;

    for (uint32_t i = 0; i < plan->imports.count; i++) {
        const struct plan_import *import = &plan->imports.items[i];
        struct ga_buf signature = {0};
        type_func_signature(import->type, &signature);
        struct search search = search_import(catalog, import, ga_buf_cstr(&signature));
        imports[i] = search.serves;
        if (search.serves == NULL)
            missing_add(&missing, catalog, import, &search, ga_buf_cstr(&signature));
        ga_buf_free(&signature);
    }
    for (uint32_t i = 0; i < plan->resources.count; i++)
        resources[i] = find_resource(catalog, &plan->resources.items[i]);
    *out = (struct catalog_binding){imports, resources};
    if (missing.count > 0 && !allow_missing)
        status = missing_report(&missing, report);
    missing_free(&missing);
    return status;
}
