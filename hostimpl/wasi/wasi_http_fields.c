#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ga_limits.h"
#include "wasi_http.h"

enum { FIRST_CAPACITY = 8, FIELD_OVERHEAD = 32 };

/* --- lists --- */

struct wasi_http_fields *wasi_http_fields_new(struct worker *worker)
{
    struct wasi_http_fields *fields = worker_region_alloc(worker, sizeof *fields);
    fields->references = 1;
    return fields;
}

struct wasi_http_fields *wasi_http_fields_keep(struct wasi_http_fields *fields)
{
    fields->references++;
    return fields;
}

static uint32_t data_size(const struct wasi_http_field *field)
{
    return field->name_size + field->value_size;
}

void wasi_http_fields_release(struct worker *worker, struct wasi_http_fields *fields)
{
    if (fields == NULL || --fields->references > 0)
        return;
    for (uint32_t i = 0; i < fields->count; i++)
        worker_region_free(worker, fields->items[i].data, data_size(&fields->items[i]));
    worker_region_free(worker, fields->items, fields->capacity * sizeof *fields->items);
    worker_region_free(worker, fields, sizeof *fields);
}

struct cabi_string wasi_http_field_name(const struct wasi_http_field *field)
{
    return (struct cabi_string){field->data, field->name_size};
}

struct cabi_list wasi_http_field_value(const struct wasi_http_field *field)
{
    return (struct cabi_list){field->data + field->name_size, field->value_size};
}

static bool same_name(const struct wasi_http_field *field, const char *name, size_t size)
{
    return field->name_size == size && strncasecmp(field->data, name, size) == 0;
}

const struct wasi_http_field *wasi_http_fields_find(const struct wasi_http_fields *fields, const char *name,
                                                    uint32_t *at)
{
    for (size_t size = strlen(name); *at < fields->count; ++*at)
        if (same_name(&fields->items[*at], name, size))
            return &fields->items[*at];
    return NULL;
}

static void grow(struct worker *worker, struct wasi_http_fields *fields)
{
    uint32_t capacity = fields->capacity > 0 ? 2 * fields->capacity : FIRST_CAPACITY;
    struct wasi_http_field *items = worker_region_alloc(worker, capacity * sizeof *items);
    if (fields->count > 0)
        memcpy(items, fields->items, fields->count * sizeof *items);
    worker_region_free(worker, fields->items, fields->capacity * sizeof *items);
    fields->items = items;
    fields->capacity = capacity;
}

struct cabi_list wasi_http_fields_entries(struct worker *worker, const struct wasi_http_fields *fields)
{
    struct tuple_string_list *entries = worker_alloc(worker, fields->count * sizeof *entries);
    for (uint32_t i = 0; i < fields->count; i++)
        entries[i] = (struct tuple_string_list){wasi_http_field_name(&fields->items[i]),
                                                wasi_http_field_value(&fields->items[i])};
    return (struct cabi_list){entries, fields->count};
}

/* What the list would count; more than the limit if it is too large. */
static uint64_t size_with(const struct wasi_http_fields *fields, size_t name_size, size_t value_size)
{
    return (uint64_t)fields->size_bytes + name_size + value_size + FIELD_OVERHEAD;
}

/* Returns the name's place. */
static char *add(struct worker *worker, struct wasi_http_fields *fields, struct cabi_string name, struct cabi_list value)
{
    if (fields->count == fields->capacity)
        grow(worker, fields);
    struct wasi_http_field field = {NULL, (uint32_t)name.size, (uint32_t)value.count};
    field.data = worker_region_alloc(worker, data_size(&field));
    memcpy(field.data, name.data, name.size);
    if (value.count > 0)
        memcpy(field.data + name.size, value.items, value.count);
    fields->size_bytes += (uint32_t)(name.size + value.count + FIELD_OVERHEAD);
    fields->items[fields->count++] = field;
    return field.data;
}

void wasi_http_fields_append(struct worker *worker, struct wasi_http_fields *fields, struct cabi_string name,
                             struct cabi_list value)
{
    if (size_with(fields, name.size, value.count) > GA_MAX_HTTP_FIELDS_BYTES)
        worker_trap(worker, "too many bytes of HTTP fields (limit is %d)", GA_MAX_HTTP_FIELDS_BYTES);
    (void)add(worker, fields, name, value);
}

enum wasi_http_received wasi_http_fields_receive(struct worker *worker, struct wasi_http_fields *fields,
                                                 struct cabi_string name, struct cabi_list value)
{
    switch (wasi_http_field_check(name, value)) {
    case WASI_HTTP_FIELD_INVALID: return WASI_HTTP_RECEIVED_INVALID;
    case WASI_HTTP_FIELD_FORBIDDEN: return WASI_HTTP_RECEIVED;
    case WASI_HTTP_FIELD_FINE: break;
    }
    if (size_with(fields, name.size, value.count) > GA_MAX_HTTP_FIELDS_BYTES)
        return WASI_HTTP_RECEIVED_TOO_LARGE;
    char *at = add(worker, fields, name, value);
    for (char *end = at + name.size; at < end; at++)
        *at = (char)tolower((unsigned char)*at);
    return WASI_HTTP_RECEIVED;
}

static void remove_name(struct worker *worker, struct wasi_http_fields *fields, struct cabi_string name)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        struct wasi_http_field *field = &fields->items[i];
        if (!same_name(field, name.data, name.size)) {
            fields->items[kept++] = *field;
            continue;
        }
        fields->size_bytes -= data_size(field) + FIELD_OVERHEAD;
        worker_region_free(worker, field->data, data_size(field));
    }
    fields->count = kept;
}

/* --- syntax --- */

bool wasi_http_is_token(struct cabi_string text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == 0 || byte >= 0x80 || (!isalnum(byte) && strchr("!#$%&'*+-.^_`|~", byte) == NULL))
            return false;
    }
    return text.size > 0;
}

static bool is_digits(struct cabi_list value)
{
    const uint8_t *digit = value.items;
    uint64_t number = 0;
    for (size_t i = 0; i < value.count; i++)
        if (digit[i] < '0' || digit[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit[i] - '0', &number))
            return false;
    return value.count > 0;
}

static bool is_value(struct cabi_list value)
{
    const uint8_t *byte = value.items;
    for (size_t i = 0; i < value.count; i++)
        if ((byte[i] < 0x20 && byte[i] != '\t') || byte[i] == 0x7f)
            return false;
    return true;
}

/* Those of a connection, and what decides where a message ends or goes to: the transport's own. */
static const char *const forbidden[] = {"connection",
                                        "host",
                                        "http2-settings",
                                        "keep-alive",
                                        "proxy-authenticate",
                                        "proxy-authorization",
                                        "proxy-connection",
                                        "transfer-encoding",
                                        "upgrade"};

static bool is_name(struct cabi_string name, const char *text)
{
    return name.size == strlen(text) && strncasecmp(name.data, text, name.size) == 0;
}

static enum wasi_http_field_check check_name(struct cabi_string name)
{
    if (!wasi_http_is_token(name))
        return WASI_HTTP_FIELD_INVALID;
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (is_name(name, forbidden[i]))
            return WASI_HTTP_FIELD_FORBIDDEN;
    return WASI_HTTP_FIELD_FINE;
}

enum wasi_http_field_check wasi_http_field_check(struct cabi_string name, struct cabi_list value)
{
    enum wasi_http_field_check check = check_name(name);
    if (check != WASI_HTTP_FIELD_FINE)
        return check;
    bool fine = is_name(name, "content-length") ? is_digits(value) : is_value(value);
    return fine ? WASI_HTTP_FIELD_FINE : WASI_HTTP_FIELD_INVALID;
}

bool wasi_http_content_length(const struct wasi_http_fields *fields, uint64_t *size_out, bool *valid_out)
{
    uint32_t at = 0;
    const struct wasi_http_field *field = wasi_http_fields_find(fields, "content-length", &at);
    *valid_out = true;
    if (field == NULL)
        return false;
    char digits[24] = {0};
    struct cabi_list value = wasi_http_field_value(field);
    memcpy(digits, value.items, value.count < sizeof digits ? value.count : sizeof digits - 1);
    *size_out = strtoull(digits, NULL, 10);
    at++;
    *valid_out = wasi_http_fields_find(fields, "content-length", &at) == NULL;
    return *valid_out;
}

/* --- the resource --- */

struct fields_resource {
    struct wasi_http_fields *list;
    bool immutable;
};

static void drop_fields(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct fields_resource *resource = record;
    (void)rep;
    (void)live;
    wasi_http_fields_release(worker, resource->list);
}

const struct host_resource_type wasi_http_types_fields_type = {
    .name = "wasi:http/types.fields",
    .record_size = sizeof(struct fields_resource),
    .drop = drop_fields,
};

static struct fields_resource *get_resource(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_fields_type, rep);
}

static uint32_t resource_new(struct worker *worker, struct wasi_http_fields *list, bool immutable)
{
    uint32_t rep;
    struct fields_resource *resource = host_resource_new(worker, &wasi_http_types_fields_type, &rep);
    *resource = (struct fields_resource){list, immutable};
    return rep;
}

uint32_t wasi_http_fields_resource(struct worker *worker, struct wasi_http_fields *fields)
{
    return resource_new(worker, wasi_http_fields_keep(fields), true);
}

struct wasi_http_fields *wasi_http_fields_take(struct worker *worker, uint32_t rep)
{
    struct wasi_http_fields *fields = wasi_http_fields_keep(get_resource(worker, rep)->list);
    host_resource_drop(worker, &wasi_http_types_fields_type, rep);
    return fields;
}

/* --- the interface --- */

uint32_t wasi_http_types_fields_new(struct worker *worker)
{
    return resource_new(worker, wasi_http_fields_new(worker), false);
}

static uint32_t put_error(enum wasi_http_field_check check, struct wasi_http_types_header_error *error_out)
{
    error_out->tag = check == WASI_HTTP_FIELD_FORBIDDEN ? WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN
                                                        : WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX;
    return check != WASI_HTTP_FIELD_FINE;
}

void wasi_http_types_fields_from_list(struct worker *worker, struct cabi_list entries,
                                      struct result_handle_wasi_http_types_header_error *result_out)
{
    const struct tuple_string_list *entry = entries.items;
    for (size_t i = 0; i < entries.count && result_out->tag == 0; i++)
        result_out->tag = put_error(wasi_http_field_check(entry[i].f0, entry[i].f1), &result_out->value.err);
    if (result_out->tag != 0)
        return;
    struct wasi_http_fields *list = wasi_http_fields_new(worker);
    for (size_t i = 0; i < entries.count; i++)
        wasi_http_fields_append(worker, list, entry[i].f0, entry[i].f1);
    result_out->value.ok = resource_new(worker, list, false);
}

void wasi_http_types_fields_get(struct worker *worker, uint32_t self, struct cabi_string name,
                                struct cabi_list *result_out)
{
    const struct wasi_http_fields *list = get_resource(worker, self)->list;
    struct cabi_list *values = worker_alloc(worker, list->count * sizeof *values);
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (same_name(&list->items[i], name.data, name.size))
            values[count++] = wasi_http_field_value(&list->items[i]);
    *result_out = (struct cabi_list){values, count};
}

bool wasi_http_types_fields_has(struct worker *worker, uint32_t self, struct cabi_string name)
{
    const struct wasi_http_fields *list = get_resource(worker, self)->list;
    for (uint32_t i = 0; i < list->count; i++)
        if (same_name(&list->items[i], name.data, name.size))
            return true;
    return false;
}

/* Whether the list may be changed, and the name is one that the guest may use. */
static bool may_change(struct worker *worker, uint32_t self, struct cabi_string name,
                       struct result_void_wasi_http_types_header_error *result_out)
{
    result_out->tag = get_resource(worker, self)->immutable;
    result_out->value.err.tag = WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE;
    if (result_out->tag == 0)
        result_out->tag = put_error(check_name(name), &result_out->value.err);
    return result_out->tag == 0;
}

void wasi_http_types_fields_set(struct worker *worker, uint32_t self, struct cabi_string name, struct cabi_list value,
                                struct result_void_wasi_http_types_header_error *result_out)
{
    const struct cabi_list *values = value.items;
    bool may = may_change(worker, self, name, result_out);
    for (size_t i = 0; may && i < value.count; i++) {
        result_out->tag = put_error(wasi_http_field_check(name, values[i]), &result_out->value.err);
        may = result_out->tag == 0;
    }
    if (!may)
        return;
    struct wasi_http_fields *list = get_resource(worker, self)->list;
    remove_name(worker, list, name);
    for (size_t i = 0; i < value.count; i++)
        wasi_http_fields_append(worker, list, name, values[i]);
}

void wasi_http_types_fields_delete(struct worker *worker, uint32_t self, struct cabi_string name,
                                   struct result_void_wasi_http_types_header_error *result_out)
{
    if (may_change(worker, self, name, result_out))
        remove_name(worker, get_resource(worker, self)->list, name);
}

void wasi_http_types_fields_append(struct worker *worker, uint32_t self, struct cabi_string name,
                                   struct cabi_list value, struct result_void_wasi_http_types_header_error *result_out)
{
    if (!may_change(worker, self, name, result_out))
        return;
    result_out->tag = put_error(wasi_http_field_check(name, value), &result_out->value.err);
    if (result_out->tag == 0)
        wasi_http_fields_append(worker, get_resource(worker, self)->list, name, value);
}

void wasi_http_types_fields_entries(struct worker *worker, uint32_t self, struct cabi_list *result_out)
{
    *result_out = wasi_http_fields_entries(worker, get_resource(worker, self)->list);
}

uint32_t wasi_http_types_fields_clone(struct worker *worker, uint32_t self)
{
    const struct wasi_http_fields *list = get_resource(worker, self)->list;
    struct wasi_http_fields *copy = wasi_http_fields_new(worker);
    for (uint32_t i = 0; i < list->count; i++)
        wasi_http_fields_append(worker, copy, wasi_http_field_name(&list->items[i]),
                                wasi_http_field_value(&list->items[i]));
    return resource_new(worker, copy, false);
}
