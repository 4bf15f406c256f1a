#include <ctype.h>
#include <string.h>

#include "ga_limits.h"
#include "wasi_http.h"

/* --- text in the region --- */

static void text_copy(struct worker *worker, struct wasi_http_text *text, struct cabi_string value)
{
    worker_region_free(worker, text->data, text->size);
    *text = (struct wasi_http_text){worker_region_alloc(worker, value.size), value.size};
    memcpy(text->data, value.data, value.size);
}

static void text_free(struct worker *worker, struct wasi_http_text *text)
{
    worker_region_free(worker, text->data, text->size);
    *text = (struct wasi_http_text){0};
}

void wasi_http_text_set(struct worker *worker, struct wasi_http_text *text, const struct option_string *value)
{
    if (value->tag == 1)
        text_copy(worker, text, value->value.some);
    else
        text_free(worker, text);
}

struct option_string wasi_http_text_option(const struct wasi_http_text *text)
{
    struct option_string value = {.tag = text->data != NULL};
    if (value.tag == 1)
        value.value.some = (struct cabi_string){text->data, text->size};
    return value;
}

/* --- method and scheme --- */

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

struct wasi_http_types_method wasi_http_method(struct cabi_string text)
{
    struct wasi_http_types_method method = {.tag = WASI_HTTP_TYPES_METHOD_OTHER};
    method.value.other = text;
    for (uint32_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i]) == text.size && memcmp(methods[i], text.data, text.size) == 0)
            method = (struct wasi_http_types_method){.tag = i};
    return method;
}

void wasi_http_head_set_method(struct worker *worker, struct wasi_http_head *head,
                               const struct wasi_http_types_method *method)
{
    head->method = method->tag;
    text_free(worker, &head->method_text);
    if (method->tag == WASI_HTTP_TYPES_METHOD_OTHER)
        text_copy(worker, &head->method_text, method->value.other);
}

struct wasi_http_types_method wasi_http_head_method(const struct wasi_http_head *head)
{
    struct wasi_http_types_method method = {.tag = head->method};
    if (method.tag == WASI_HTTP_TYPES_METHOD_OTHER)
        method.value.other = (struct cabi_string){head->method_text.data, head->method_text.size};
    return method;
}

struct cabi_string wasi_http_head_method_text(const struct wasi_http_head *head)
{
    if (head->method == WASI_HTTP_TYPES_METHOD_OTHER)
        return (struct cabi_string){head->method_text.data, head->method_text.size};
    return (struct cabi_string){methods[head->method], strlen(methods[head->method])};
}

void wasi_http_head_set_scheme(struct worker *worker, struct wasi_http_head *head,
                               const struct option_wasi_http_types_scheme *scheme)
{
    head->scheme = scheme->tag == 1 ? scheme->value.some.tag + 1 : 0;
    text_free(worker, &head->scheme_text);
    if (scheme->tag == 1 && scheme->value.some.tag == WASI_HTTP_TYPES_SCHEME_OTHER)
        text_copy(worker, &head->scheme_text, scheme->value.some.value.other);
}

struct option_wasi_http_types_scheme wasi_http_head_scheme(const struct wasi_http_head *head)
{
    struct option_wasi_http_types_scheme scheme = {.tag = head->scheme != 0};
    if (scheme.tag == 1)
        scheme.value.some.tag = head->scheme - 1;
    if (scheme.tag == 1 && scheme.value.some.tag == WASI_HTTP_TYPES_SCHEME_OTHER)
        scheme.value.some.value.other = (struct cabi_string){head->scheme_text.data, head->scheme_text.size};
    return scheme;
}

struct cabi_string wasi_http_head_scheme_text(const struct wasi_http_head *head)
{
    if (head->scheme == WASI_HTTP_TYPES_SCHEME_OTHER + 1)
        return (struct cabi_string){head->scheme_text.data, head->scheme_text.size};
    return head->scheme == WASI_HTTP_TYPES_SCHEME_HTTP + 1 ? (struct cabi_string){"http", 4}
                                                           : (struct cabi_string){"https", 5};
}

void wasi_http_head_free(struct worker *worker, struct wasi_http_head *head)
{
    text_free(worker, &head->method_text);
    text_free(worker, &head->scheme_text);
    text_free(worker, &head->authority);
    text_free(worker, &head->path);
    wasi_http_fields_release(worker, head->headers);
    head->headers = NULL;
}

/* --- syntax --- */

static bool all_of(struct cabi_string text, const char *others)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == 0 || byte >= 0x80 || (!isalnum(byte) && strchr(others, byte) == NULL))
            return false;
    }
    return true;
}

bool wasi_http_is_scheme(struct cabi_string text)
{
    return text.size > 0 && text.size <= GA_MAX_HTTP_TARGET_BYTES && isalpha((unsigned char)text.data[0]) &&
           all_of(text, "+-.");
}

static bool is_port(struct cabi_string text)
{
    unsigned port = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || port > 65535)
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return text.size > 0 && port <= 65535;
}

static bool is_ipv6(struct cabi_string text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!isxdigit((unsigned char)text.data[i]) && text.data[i] != ':' && text.data[i] != '.')
            return false;
    return memchr(text.data, ':', text.size) != NULL;
}

bool wasi_http_is_authority(struct cabi_string text)
{
    const char *end = text.data + text.size;
    bool literal = text.size > 0 && text.data[0] == '[';
    const char *host_end = literal ? memchr(text.data, ']', text.size) : memchr(text.data, ':', text.size);
    if (text.size > GA_MAX_HTTP_TARGET_BYTES || (literal && host_end == NULL))
        return false;
    host_end = host_end == NULL ? end : host_end + literal;
    struct cabi_string host = {text.data + literal, (size_t)(host_end - text.data) - 2 * literal};
    bool fine = host.size > 0 && (literal ? is_ipv6(host) : all_of(host, "-._~!$&'()*+,;=%"));
    return fine && (host_end == end ||
                    (*host_end == ':' && is_port((struct cabi_string){host_end + 1, (size_t)(end - host_end) - 1})));
}

bool wasi_http_is_path(struct cabi_string text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f || text.data[i] == '#')
            return false;
    bool asterisk = text.size == 1 && text.data[0] == '*';
    return text.size <= GA_MAX_HTTP_TARGET_BYTES &&
           (text.size == 0 || text.data[0] == '/' || text.data[0] == '?' || asterisk);
}
