/* HTTP as a library: the calls of wasi:http one by one, as programs make them and as they should not. */
#define _GNU_SOURCE
#include "guest.h"
#include "http_client.h"

#define API "demo:http/api@1.0.0"

HTTP_TYPES("[static]fields.from-list") void http_fields_from_list(const void *entries, size_t count, void *result);
IO_STREAMS("[method]output-stream.check-write") void io_check_write(uint32_t stream, void *result);
IO_STREAMS("[method]output-stream.write") void io_write(uint32_t stream, const void *bytes, size_t size, void *result);
IO_STREAMS("[method]output-stream.subscribe") uint32_t io_output_subscribe(uint32_t stream);
IO_STREAMS("[method]input-stream.read") void io_read(uint32_t stream, uint64_t size, void *result);
IO_STREAMS("[method]input-stream.subscribe") uint32_t io_input_subscribe(uint32_t stream);
IO_POLL("poll") void io_poll(const uint32_t *pollables, size_t count, void *result);
GUEST_IMPORT("wasi:clocks/monotonic-clock" WASI_VERSION, "now") uint64_t clock_now(void);
GUEST_IMPORT("wasi:clocks/monotonic-clock" WASI_VERSION, "subscribe-duration") uint32_t clock_wait(uint64_t ns);

struct pair {
    struct guest_string name, value;
};

struct pairs {
    struct pair *items;
    size_t count;
};

struct request {
    struct guest_string method, url;
    struct pairs headers, trailers;
    uint32_t has_body;
    struct guest_bytes body;
    uint32_t connect_timeout, first_byte_timeout, between_bytes_timeout;
};

struct response {
    uint32_t status;
    struct pairs headers, trailers;
    struct guest_string body;
};

struct url {
    uint32_t https;
    struct guest_string authority, path;
};

static struct guest_string literal(const char *text)
{
    return guest_string((char *)text, strlen(text));
}

static struct url parse_url(struct guest_string text)
{
    struct url url = {.https = text.len > 8 && memcmp(text.ptr, "https://", 8) == 0};
    size_t at = url.https ? 8 : 7;
    if (text.len < at)
        at = text.len;
    url.authority = guest_string(text.ptr + at, text.len - at);
    char *slash = memchr(url.authority.ptr, '/', url.authority.len);
    if (slash != NULL) {
        url.path = guest_string(slash, (size_t)(text.ptr + text.len - slash));
        url.authority.len = (size_t)(slash - url.authority.ptr);
    }
    return url;
}

static uint32_t method_number(struct guest_string method)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    uint32_t number = 0;
    while (number < HTTP_OTHER && !guest_string_eq(method, literal(names[number])))
        number++;
    return number;
}

static uint32_t make_fields(struct pairs pairs)
{
    struct http_area result;
    http_fields_from_list(pairs.items, pairs.count, &result);
    if (result.bytes[0])
        http_misuse("fields are refused");
    return http_word(&result, 4);
}

static struct pairs take_fields(uint32_t fields)
{
    struct pairs pairs;
    http_fields_entries(fields, &pairs);
    http_fields_drop(fields);
    return pairs;
}

static uint32_t make_request(struct guest_string method, struct url url, struct pairs headers)
{
    uint32_t request = http_request_new(make_fields(headers));
    if (http_request_set_method(request, method_number(method), method.ptr, method.len) ||
        http_request_set_scheme(request, 1, url.https, "", 0) ||
        http_request_set_authority(request, 1, url.authority.ptr, url.authority.len) ||
        http_request_set_path(request, 1, url.path.ptr, url.path.len))
        http_misuse("the request is refused");
    return request;
}

/* The future; NULL, or why there is none. */
static const char *handle(uint32_t request, uint32_t options, uint32_t *future_out)
{
    struct http_area result;
    http_handle(request, options != 0, options, &result);
    *future_out = http_word(&result, 8);
    return result.bytes[0] ? http_error_at(&result, 8) : NULL;
}

static const char *wait_response(uint32_t future, uint32_t *response_out)
{
    struct http_area result;
    uint32_t pollable = http_future_subscribe(future);
    io_pollable_block(pollable);
    io_pollable_drop(pollable);
    http_future_get(future, &result);
    if (!result.bytes[0] || result.bytes[8])
        http_misuse("no response although the future is ready");
    *response_out = http_word(&result, 24);
    return result.bytes[16] ? http_error_at(&result, 24) : NULL;
}

static uint32_t body_of(uint32_t response)
{
    struct http_area result;
    http_response_consume(response, &result);
    if (result.bytes[0])
        http_misuse("no body");
    http_response_drop(response);
    return http_word(&result, 4);
}

/* Reads to the end. NULL, or why it failed. */
static const char *read_all(uint32_t body, struct guest_string *text_out)
{
    struct http_area result;
    const char *error = NULL;
    *text_out = guest_string(NULL, 0);
    http_incoming_body_stream(body, &result);
    uint32_t stream = http_word(&result, 4);
    for (io_blocking_read(stream, 65536, &result); !result.bytes[0]; io_blocking_read(stream, 65536, &result)) {
        size_t size = http_word(&result, 8);
        text_out->ptr = realloc(text_out->ptr, text_out->len + size + 1);
        if (size > 0) {
            memcpy(text_out->ptr + text_out->len, (void *)http_word(&result, 4), size);
            free((void *)http_word(&result, 4));
        }
        text_out->len += size;
    }
    if (result.bytes[4] == 0)
        error = http_stream_error(&result);
    io_input_drop(stream);
    return error;
}

/* NULL, or why there are none. */
static const char *read_trailers(uint32_t body, struct pairs *trailers_out)
{
    struct http_area result;
    uint32_t future = http_incoming_body_finish(body), pollable = http_trailers_subscribe(future);
    io_pollable_block(pollable);
    io_pollable_drop(pollable);
    http_trailers_get(future, &result);
    http_trailers_drop(future);
    *trailers_out = (struct pairs){0};
    if (!result.bytes[0] || result.bytes[8])
        http_misuse("no trailers although the future is ready");
    if (!result.bytes[16] && result.bytes[24])
        *trailers_out = take_fields(http_word(&result, 28));
    return result.bytes[16] ? http_error_at(&result, 24) : NULL;
}

static const char *read_response(uint32_t handle, struct response *response)
{
    response->status = http_response_status(handle);
    response->headers = take_fields(http_response_headers(handle));
    uint32_t body = body_of(handle);
    const char *error = read_all(body, &response->body);
    if (error != NULL) {
        http_incoming_body_drop(body);
        return guest_format("body: %s%c", error, 0).ptr;
    }
    return read_trailers(body, &response->trailers);
}

static void send_body(uint32_t body, struct guest_bytes bytes, struct pairs trailers)
{
    struct http_area result;
    http_outgoing_body_write(body, &result);
    uint32_t stream = http_word(&result, 4);
    for (size_t at = 0; at < bytes.len; at += 4096)
        io_blocking_write(stream, bytes.ptr + at, bytes.len - at < 4096 ? bytes.len - at : 4096, &result);
    io_output_drop(stream);
    uint32_t fields = trailers.count > 0 ? make_fields(trailers) : 0;
    http_outgoing_body_finish(body, trailers.count > 0, fields, &result);
}

static uint32_t make_options(const struct request *request)
{
    uint32_t options = http_options_new();
    if (request->connect_timeout)
        http_options_set_connect_timeout(options, 1, request->connect_timeout * 1000000ull);
    if (request->first_byte_timeout)
        http_options_set_first_byte_timeout(options, 1, request->first_byte_timeout * 1000000ull);
    if (request->between_bytes_timeout)
        http_options_set_between_bytes_timeout(options, 1, request->between_bytes_timeout * 1000000ull);
    return options;
}

static const char *fetch(const struct request *request, struct response *response)
{
    struct http_area result;
    uint32_t outgoing = make_request(request->method, parse_url(request->url), request->headers), future, answer;
    if (request->has_body)
        http_request_body(outgoing, &result);
    uint32_t body = http_word(&result, 4);
    const char *error = handle(outgoing, make_options(request), &future);
    if (error != NULL) {
        if (request->has_body)
            http_outgoing_body_drop(body);
        return error;
    }
    if (request->has_body)
        send_body(body, request->body, request->trailers);
    error = wait_response(future, &answer);
    if (error == NULL)
        error = read_response(answer, response);
    http_future_drop(future);
    return error;
}

/* --- exports --- */

/* A request is small enough to come as single values. */
GUEST_EXPORT(API "#fetch")
void *export_fetch(char *method, size_t method_size, char *url, size_t url_size, struct pair *headers,
                   size_t header_count, struct pair *trailers, size_t trailer_count, uint32_t has_body, uint8_t *body,
                   size_t body_size, uint32_t connect_timeout, uint32_t first_byte_timeout,
                   uint32_t between_bytes_timeout)
{
    struct request request = {{method, method_size},     {url, url_size},    {headers, header_count},
                              {trailers, trailer_count}, has_body,           {body, body_size},
                              connect_timeout,           first_byte_timeout, between_bytes_timeout};
    static struct {
        uint32_t tag;
        union {
            struct response response;
            struct guest_string error;
        } value;
    } result;
    memset(&result, 0, sizeof result);
    struct response response = {0};
    const char *error = fetch(&request, &response);
    result.tag = error != NULL;
    if (error != NULL)
        result.value.error = literal(error);
    else
        result.value.response = response;
    return &result;
}

GUEST_EXPORT(API "#fetch-all") void *fetch_all(char *url, size_t url_size, uint32_t count)
{
    static struct {
        struct guest_string *items;
        size_t count;
    } result;
    result.items = calloc(count + 1, sizeof *result.items);
    result.count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct response response = {0};
        struct request request = {.method = literal("GET"), .url = guest_format("%.*s%u", (int)url_size, url, i)};
        const char *error = fetch(&request, &response);
        (void)clock_now();
        result.items[i] = error != NULL ? literal(error) : response.body;
    }
    return &result;
}

/* Both directions of a mirror, whichever can go on. */
struct mirror {
    uint32_t in, out; /* streams; out is 0 when all was written */
    uint64_t size, written, read;
    uint32_t sum;
    const char *error;
};

static void mirror_write(struct mirror *mirror)
{
    struct http_area result;
    static uint8_t bytes[65536];
    io_check_write(mirror->out, &result);
    uint64_t permit, left = mirror->size - mirror->written;
    memcpy(&permit, result.bytes + 8, 8);
    if (result.bytes[0]) {
        mirror->error = "write";
        return;
    }
    if (permit > left)
        permit = left;
    if (permit > sizeof bytes)
        permit = sizeof bytes;
    for (size_t i = 0; i < permit; i++)
        bytes[i] = (uint8_t)((mirror->written + i) % 251);
    io_write(mirror->out, bytes, (size_t)permit, &result);
    mirror->written += permit;
}

/* False at the end. */
static bool mirror_read(struct mirror *mirror)
{
    struct http_area result;
    io_read(mirror->in, 65536, &result);
    if (result.bytes[0]) {
        if (result.bytes[4] == 0)
            mirror->error = http_stream_error(&result);
        return false;
    }
    uint8_t *bytes = (void *)http_word(&result, 4);
    size_t size = http_word(&result, 8);
    for (size_t i = 0; i < size; i++)
        mirror->sum = mirror->sum * 31 + bytes[i];
    mirror->read += size;
    if (size > 0)
        free(bytes);
    return true;
}

static void mirror_run(struct mirror *mirror, uint32_t body)
{
    uint32_t pollables[2] = {io_input_subscribe(mirror->in), io_output_subscribe(mirror->out)};
    struct http_area result;
    for (bool more = true; more && mirror->error == NULL;) {
        io_poll(pollables, mirror->out != 0 ? 2 : 1, &result);
        const uint32_t *ready = (void *)http_word(&result, 0);
        bool may_read = false, may_write = false;
        for (size_t i = 0; i < http_word(&result, 4); i++) {
            may_read |= ready[i] == 0;
            may_write |= ready[i] == 1;
        }
        free((void *)ready);
        if (may_read)
            more = mirror_read(mirror);
        if (may_write && mirror->error == NULL)
            mirror_write(mirror);
        if (mirror->out != 0 && mirror->written == mirror->size) {
            io_pollable_drop(pollables[1]);
            io_output_drop(mirror->out);
            http_outgoing_body_finish(body, 0, 0, &result);
            mirror->out = 0;
        }
    }
    io_pollable_drop(pollables[0]);
}

GUEST_EXPORT(API "#mirror") void *export_mirror(char *url, size_t url_size, uint64_t size)
{
    static struct {
        uint64_t tag;
        union {
            struct {
                uint64_t size;
                uint32_t sum;
            } ok;
            struct guest_string error;
        } value;
    } result;
    struct http_area area;
    uint32_t request = make_request(literal("POST"), parse_url(guest_string(url, url_size)), (struct pairs){0});
    uint32_t future, response;
    http_request_body(request, &area);
    uint32_t outgoing = http_word(&area, 4);
    const char *error = handle(request, 0, &future);
    struct mirror mirror = {.size = size};
    http_outgoing_body_write(outgoing, &area);
    mirror.out = http_word(&area, 4);
    mirror_write(&mirror); /* a server may not answer before it has got something */
    error = wait_response(future, &response);
    memset(&result, 0, sizeof result);
    result.tag = error != NULL;
    if (error != NULL) {
        result.value.error = literal(error);
        return &result;
    }
    uint32_t body = body_of(response);
    http_incoming_body_stream(body, &area);
    mirror.in = http_word(&area, 4);
    mirror_run(&mirror, outgoing);
    io_input_drop(mirror.in);
    http_incoming_body_drop(body);
    http_future_drop(future);
    result.tag = mirror.error != NULL;
    if (mirror.error != NULL)
        result.value.error = literal(mirror.error);
    else {
        result.value.ok.size = mirror.read;
        result.value.ok.sum = mirror.sum;
    }
    return &result;
}

GUEST_EXPORT(API "#read-some") void *read_some(char *url, size_t url_size, uint64_t size, uint32_t wait)
{
    static struct {
        uint64_t tag;
        union {
            uint64_t size;
            struct guest_string error;
        } value;
    } result;
    struct http_area area;
    uint32_t request = make_request(literal("GET"), parse_url(guest_string(url, url_size)), (struct pairs){0});
    uint32_t future, response;
    const char *error = handle(request, 0, &future);
    if (error == NULL)
        error = wait_response(future, &response);
    memset(&result, 0, sizeof result);
    result.tag = error != NULL;
    if (error != NULL) {
        result.value.error = literal(error);
        return &result;
    }
    http_future_drop(future);
    uint32_t body = body_of(response);
    http_incoming_body_stream(body, &area);
    uint32_t stream = http_word(&area, 4);
    while (result.tag == 0 && result.value.size < size) {
        io_blocking_read(stream, size - result.value.size, &area);
        result.tag = area.bytes[0];
        if (area.bytes[0])
            result.value.error = literal(http_stream_error(&area));
        else {
            result.value.size += http_word(&area, 8);
            free((void *)http_word(&area, 4));
        }
    }
    if (wait > 0) {
        uint32_t timer = clock_wait(wait * 1000000ull);
        io_pollable_block(timer);
        io_pollable_drop(timer);
    }
    io_input_drop(stream);
    http_incoming_body_drop(body);
    return &result;
}

/* "body", or the error. The response, or the future if there is none yet, is dropped. */
static struct guest_string take_answer(uint32_t future, uint32_t response, const char *error)
{
    struct guest_string text = {0};
    if (error == NULL && response == 0)
        error = wait_response(future, &response);
    if (error == NULL) {
        uint32_t body = body_of(response);
        error = read_all(body, &text);
        http_incoming_body_drop(body);
    }
    http_future_drop(future);
    return error != NULL ? guest_format("error %s", error) : text;
}

GUEST_EXPORT(API "#beside")
struct guest_string *beside(char *first, size_t first_size, char *text, size_t text_size, char *second,
                            size_t second_size, uint32_t look)
{
    static struct guest_string said;
    struct http_area area;
    uint32_t future, response = 0;
    uint32_t request = make_request(literal("POST"), parse_url(guest_string(first, first_size)), (struct pairs){0});
    http_request_body(request, &area);
    uint32_t body = http_word(&area, 4);
    const char *error = handle(request, 0, &future);
    send_body(body, (struct guest_bytes){(uint8_t *)text, text_size}, (struct pairs){0});
    if (error == NULL && look)
        error = wait_response(future, &response);
    struct response answer = {0};
    struct request other = {.method = literal("GET"), .url = guest_string(second, second_size)};
    const char *other_error = fetch(&other, &answer);
    struct guest_string own = take_answer(future, response, error);
    said = guest_format("%.*s, %.*s", (int)own.len, own.ptr, other_error != NULL ? 5 : (int)answer.body.len,
                        other_error != NULL ? "error" : answer.body.ptr);
    return &said;
}

GUEST_EXPORT(API "#cancel") bool cancel(char *url, size_t url_size)
{
    uint32_t future;
    uint32_t request = make_request(literal("GET"), parse_url(guest_string(url, url_size)), (struct pairs){0});
    const char *error = handle(request, 0, &future);
    if (error == NULL)
        http_future_drop(future);
    return error == NULL;
}

GUEST_EXPORT(API "#refused")
void *refused(char *method, size_t method_size, char *scheme, size_t scheme_size, char *authority,
              size_t authority_size, char *path, size_t path_size)
{
    static struct {
        struct guest_string *items;
        size_t count;
    } result;
    static struct guest_string steps[4];
    result.items = steps;
    result.count = 0;
    uint32_t request = http_request_new(http_fields_new());
    if (http_request_set_method(request, HTTP_OTHER, method, method_size))
        steps[result.count++] = literal("method");
    if (http_request_set_scheme(request, 1, 2, scheme, scheme_size))
        steps[result.count++] = literal("scheme");
    if (http_request_set_authority(request, 1, authority, authority_size))
        steps[result.count++] = literal("authority");
    if (http_request_set_path(request, 1, path, path_size))
        steps[result.count++] = literal("path");
    http_request_drop(request);
    return &result;
}

GUEST_EXPORT(API "#header") struct guest_string *header(char *name, size_t name_size, char *value, size_t value_size)
{
    static const char *const errors[] = {"invalid-syntax", "forbidden", "immutable"};
    static struct guest_string said;
    struct http_area result;
    uint32_t fields = http_fields_new();
    http_fields_append(fields, name, name_size, value, value_size, &result);
    said = literal(result.bytes[0] ? errors[result.bytes[1]] : "");
    http_fields_drop(fields);
    return &said;
}

/* The stream's error, then what `finish` says. */
GUEST_EXPORT(API "#body-size")
struct guest_string *body_size(char *url, size_t url_size, uint64_t said, uint64_t written)
{
    static struct guest_string text;
    struct http_area result;
    struct pair length = {literal("content-length"), guest_format("%llu", (unsigned long long)said)};
    uint32_t request = make_request(literal("POST"), parse_url(guest_string(url, url_size)), (struct pairs){&length, 1}),
             future, response;
    http_request_body(request, &result);
    uint32_t body = http_word(&result, 4);
    const char *error = handle(request, 0, &future);
    http_outgoing_body_write(body, &result);
    uint32_t stream = http_word(&result, 4);
    char *bytes = calloc(1, (size_t)written + 1);
    io_blocking_write(stream, bytes, (size_t)written, &result);
    const char *stream_error = result.bytes[0] ? http_stream_error(&result) : "fine";
    io_output_drop(stream);
    http_outgoing_body_finish(body, 0, 0, &result);
    const char *finish_error = result.bytes[0] ? http_error_at(&result, 8) : "fine";
    error = wait_response(future, &response);
    text = guest_format("%s %s %s", stream_error, finish_error, error != NULL ? error : "answered");
    if (error == NULL)
        http_response_drop(response);
    http_future_drop(future);
    return &text;
}

GUEST_EXPORT(API "#twice") struct guest_string *twice(char *url, size_t url_size)
{
    static struct guest_string text;
    struct http_area result;
    uint32_t request = make_request(literal("GET"), parse_url(guest_string(url, url_size)), (struct pairs){0});
    uint32_t future, polls = 0;
    (void)handle(request, 0, &future);
    for (http_future_get(future, &result); !result.bytes[0]; http_future_get(future, &result))
        polls++;
    uint32_t first = result.bytes[8] || result.bytes[16], response = http_word(&result, 24);
    http_future_get(future, &result);
    text = guest_format("%s, then %s",
                        first       ? "error"
                        : polls > 0 ? "pending, response"
                                    : "response",
                        result.bytes[0] && result.bytes[8] ? "error" : "something");
    if (!first)
        http_response_drop(response);
    http_future_drop(future);
    return &text;
}
