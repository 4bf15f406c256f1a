/* wire.wit: HTTP as a test wants it, by the imports themselves. */
#define _GNU_SOURCE
#include "guest.h"
#include "http_client.h"

#define API "demo:wire/api@1.0.0#"

IO_POLL("poll") void io_poll(const uint32_t *pollables, size_t count, void *result);
IO_STREAMS("[method]input-stream.read") void io_read(uint32_t stream, uint64_t size, void *result);
IO_STREAMS("[method]input-stream.skip") void io_skip(uint32_t stream, uint64_t size, void *result);
IO_STREAMS("[method]input-stream.subscribe") uint32_t io_input_subscribe(uint32_t stream);
IO_STREAMS("[method]output-stream.check-write") void io_check_write(uint32_t stream, void *result);
IO_STREAMS("[method]output-stream.write-zeroes") void io_write_zeroes(uint32_t stream, uint64_t size, void *result);
IO_STREAMS("[method]output-stream.splice") void io_splice(uint32_t output, uint32_t input, uint64_t size, void *result);
HTTP_TYPES("[static]fields.from-list") void http_fields_from_list(const void *entries, size_t count, void *result);
HTTP_TYPES("[method]fields.set")
void http_fields_set(uint32_t fields, const char *name, size_t name_size, const void *values, size_t count, void *result);
HTTP_TYPES("[method]outgoing-request.headers") uint32_t http_request_headers(uint32_t request);
#define IMPORT(interface, name) __attribute__((import_module("wasi:" interface WASI_VERSION), import_name(name)))
IMPORT("clocks/monotonic-clock", "subscribe-duration") uint32_t clock_subscribe_duration(uint64_t nanoseconds);
IMPORT("random/random", "get-random-bytes") void random_bytes(uint64_t size, void *result);
IMPORT("filesystem/preopens", "get-directories") void preopens_get(void *result);
IMPORT("filesystem/types", "[method]descriptor.open-at")
void descriptor_open_at(uint32_t folder, uint32_t path_flags, const char *path, size_t size, uint32_t open_flags, uint32_t flags, void *result);
IMPORT("filesystem/types", "[resource-drop]descriptor") void descriptor_drop(uint32_t descriptor);
IMPORT("sockets/tcp-create-socket", "create-tcp-socket") void tcp_create(uint32_t family, void *result);
IMPORT("sockets/tcp", "[resource-drop]tcp-socket") void tcp_drop(uint32_t socket);
IMPORT("sockets/udp-create-socket", "create-udp-socket") void udp_create(uint32_t family, void *result);
IMPORT("sockets/udp", "[resource-drop]udp-socket") void udp_drop(uint32_t socket);

struct header {
    struct guest_string name;
    struct guest_bytes value;
};

struct request {
    struct guest_string method, scheme, authority, path;
    struct header *headers;
    size_t header_count;
    bool has_body;
    uint32_t body, connect_ms, first_byte_ms, between_bytes_ms, limit;
};

struct answer {
    struct guest_string error;
    uint32_t status;
    struct guest_string headers;
    uint32_t size, digest;
    struct guest_string start, trailers;
};

static uint32_t digest(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i % 251);
    return bytes;
}

static const char *const header_errors[] = {"invalid-syntax", "forbidden", "immutable"};

/* NULL if it went well. */
static const char *header_error(const struct http_area *result)
{
    return result->bytes[0] ? header_errors[result->bytes[1]] : NULL;
}

static uint32_t set_method(uint32_t request, struct guest_string name)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    for (uint32_t i = 0; i < 9; i++)
        if (strlen(names[i]) == name.len && memcmp(names[i], name.ptr, name.len) == 0)
            return http_request_set_method(request, i, "", 0);
    return http_request_set_method(request, HTTP_OTHER, name.ptr, name.len);
}

static uint32_t set_scheme(uint32_t request, struct guest_string name)
{
    static const char *const names[] = {"http", "https"};
    for (uint32_t i = 0; i < 2; i++)
        if (strlen(names[i]) == name.len && memcmp(names[i], name.ptr, name.len) == 0)
            return http_request_set_scheme(request, 1, i, "", 0);
    return http_request_set_scheme(request, 1, 2, name.ptr, name.len);
}

/* Which setter refuses the request; NULL: none. */
static const char *make_request(const struct request *wanted, uint32_t *request_out)
{
    struct http_area result;
    uint32_t headers = http_fields_new();
    for (size_t i = 0; i < wanted->header_count; i++) {
        const struct header *header = &wanted->headers[i];
        http_fields_append(headers, header->name.ptr, header->name.len, (char *)header->value.ptr, header->value.len, &result);
        if (header_error(&result)) {
            http_fields_drop(headers);
            return header_error(&result);
        }
    }
    uint32_t request = *request_out = http_request_new(headers);
    const char *refused = set_method(request, wanted->method)   ? "method"
                          : set_scheme(request, wanted->scheme) ? "scheme"
                          : http_request_set_authority(request, 1, wanted->authority.ptr, wanted->authority.len)
                              ? "authority"
                          : http_request_set_path(request, 1, wanted->path.ptr, wanted->path.len) ? "path"
                                                                                                  : NULL;
    if (refused)
        http_request_drop(request);
    return refused;
}

static char *response_headers(uint32_t response)
{
    return http_fields_text(http_response_headers(response));
}

static void exchange_request(const struct request *wanted, uint32_t request, struct http_exchange *exchange, char **headers_out)
{
    struct http_area result;
    uint32_t body = 0;
    exchange->connect_timeout_ns = wanted->connect_ms * UINT64_C(1000000);
    exchange->first_byte_timeout_ns = wanted->first_byte_ms * UINT64_C(1000000);
    exchange->between_bytes_timeout_ns = wanted->between_bytes_ms * UINT64_C(1000000);
    exchange->answer_limit = wanted->limit;
    if (wanted->has_body) {
        http_request_body(request, &result);
        body = http_word(&result, 4);
    }
    http_handle(request, 1, http_make_options(exchange), &result);
    if (result.bytes[0]) {
        exchange->error = http_error_at(&result, 8);
        if (body)
            http_outgoing_body_drop(body);
        return;
    }
    uint32_t future = http_word(&result, 8);
    const char *send_error = NULL;
    if (wanted->has_body) {
        uint8_t *bytes = pattern(wanted->body);
        send_error = http_send_body(body, bytes, wanted->body);
        free(bytes);
    }
    uint32_t response = http_wait_response(exchange, future);
    if (response) {
        *headers_out = response_headers(response);
        http_read_response(exchange, response);
    }
    http_future_drop(future);
    if (!exchange->error)
        exchange->error = send_error;
}

static struct guest_string text(const char *text)
{
    return text ? guest_format("%s", text) : guest_string(NULL, 0);
}

static struct answer *fetch(const struct request *wanted)
{
    static struct answer answer;
    struct http_exchange exchange = {0};
    uint32_t request;
    char *headers = NULL;
    const char *refused = make_request(wanted, &request);
    memset(&answer, 0, sizeof answer);
    if (refused) {
        answer.error = guest_format("refused: %s", refused);
        return &answer;
    }
    exchange_request(wanted, request, &exchange, &headers);
    answer.error = text(exchange.error);
    answer.status = exchange.status;
    answer.headers = text(headers);
    free(headers);
    answer.size = (uint32_t)exchange.answer_size;
    answer.digest = digest(exchange.answer, exchange.answer_size);
    size_t shown = exchange.answer_size < 4096 ? exchange.answer_size : 4096;
    for (size_t i = 0; i < shown; i++)
        if (exchange.answer[i] > 126)
            exchange.answer[i] = '?'; /* a string is UTF-8 */
    answer.start = guest_format("%.*s", (int)shown, shown ? (char *)exchange.answer : "");
    answer.trailers = text(exchange.trailers);
    free(exchange.answer);
    free(exchange.trailers);
    return &answer;
}

/* The request's fields one by one: there are sixteen core values of them, and that many still go as parameters. */
GUEST_EXPORT(API "fetch")
struct answer *fetch_export(char *method, size_t method_size, char *scheme, size_t scheme_size, char *authority, size_t authority_size,
                            char *path, size_t path_size, struct header *headers, size_t header_count, uint32_t has_body,
                            uint32_t body, uint32_t connect_ms, uint32_t first_byte_ms, uint32_t between_bytes_ms, uint32_t limit)
{
    return fetch(&(struct request){{method, method_size}, {scheme, scheme_size}, {authority, authority_size}, {path, path_size},
                                   headers, header_count, has_body != 0, body, connect_ms, first_byte_ms, between_bytes_ms, limit});
}

GUEST_POST(API "fetch") void fetch_post(struct answer *said)
{
    guest_string_free(said->error);
    guest_string_free(said->headers);
    guest_string_free(said->start);
    guest_string_free(said->trailers);
}

GUEST_EXPORT(API "repeat") void *repeat(char *authority, size_t authority_size, char *path, size_t path_size, uint32_t count)
{
    static struct {
        _Alignas(8) uint8_t failed;
        union {
            _Alignas(8) uint64_t bytes;
            struct guest_string error;
        } as;
    } result;
    char *host = strndup(authority, authority_size), *where = strndup(path, path_size);
    memset(&result, 0, sizeof result);
    for (uint32_t i = 0; i < count && !result.failed; i++) {
        struct http_exchange exchange = {.authority = host, .path = where};
        http_fetch(&exchange);
        result.as.bytes += exchange.answer_size;
        free(exchange.answer);
        free(exchange.trailers);
        if (exchange.error || exchange.status != 200) {
            result.failed = 1;
            result.as.error = guest_format("%s %u", exchange.error ? exchange.error : "status", exchange.status);
        }
    }
    free(host);
    free(where);
    return &result;
}

/* --- texts where they do not belong --- */

static struct guest_string outcome(const char *error, struct http_exchange *exchange)
{
    if (error)
        return guest_format("refused %s", error);
    struct guest_string said = exchange->error ? guest_format("accepted, error %s", exchange->error)
                                               : guest_format("accepted, status %u", exchange->status);
    free(exchange->answer);
    free(exchange->trailers);
    return said;
}

static const char *add_header(uint32_t fields, struct guest_string place, const char *text, size_t size)
{
    struct http_area result;
    struct guest_bytes value = {(uint8_t *)text, size};
    struct header entry = {guest_string((char *)text, size), {(uint8_t *)"v", 1}};
    if (guest_string_eq(place, guest_string("name", 4)))
        http_fields_append(fields, text, size, "v", 1, &result);
    else if (guest_string_eq(place, guest_string("value", 5)))
        http_fields_append(fields, "x-test", 6, text, size, &result);
    else if (guest_string_eq(place, guest_string("set-name", 8)))
        http_fields_set(fields, text, size, &entry.value, 1, &result);
    else if (guest_string_eq(place, guest_string("set-value", 9)))
        http_fields_set(fields, "x-test", 6, &value, 1, &result);
    else {
        bool name = guest_string_eq(place, guest_string("list-name", 9));
        struct header other = {guest_string("x-test", 6), value};
        http_fields_from_list(name ? &entry : &other, 1, &result);
        if (!result.bytes[0]) { /* what the list made is only looked at: the request has its own */
            http_fields_drop(http_word(&result, 4));
            return NULL;
        }
        return header_errors[result.bytes[4]];
    }
    return header_error(&result);
}

/* The exchange with a trailer of that text. */
static const char *exchange_trailer(uint32_t request, bool name, const char *text, size_t size, struct http_exchange *exchange)
{
    struct http_area result;
    uint32_t trailers = http_fields_new();
    const char *error = add_header(trailers, name ? guest_string("name", 4) : guest_string("value", 5), text, size);
    http_request_body(request, &result);
    uint32_t body = http_word(&result, 4);
    if (error) {
        http_fields_drop(trailers);
        http_outgoing_body_drop(body);
        http_request_drop(request);
        return error;
    }
    http_handle(request, 0, 0, &result);
    if (result.bytes[0]) {
        exchange->error = http_error_at(&result, 8);
        http_outgoing_body_drop(body);
        return NULL;
    }
    uint32_t future = http_word(&result, 8);
    http_outgoing_body_write(body, &result);
    uint32_t stream = http_word(&result, 4);
    io_blocking_write(stream, "body", 4, &result);
    io_output_drop(stream);
    http_outgoing_body_finish(body, 1, trailers, &result);
    if (result.bytes[0])
        exchange->error = http_error_at(&result, 8);
    uint32_t response = http_wait_response(exchange, future);
    if (response)
        http_read_response(exchange, response);
    http_future_drop(future);
    return NULL;
}

static struct guest_string say(struct guest_string place, const char *text, size_t size, struct guest_string authority)
{
    struct http_area result;
    struct http_exchange exchange = {0};
    bool header = memmem(place.ptr, place.len, "name", 4) || memmem(place.ptr, place.len, "value", 5);
    bool trailer = place.len > 7 && memcmp(place.ptr, "trailer", 7) == 0;
    uint32_t headers = http_fields_new();
    const char *error = header && !trailer ? add_header(headers, place, text, size) : NULL;
    if (error) {
        http_fields_drop(headers);
        return guest_format("refused %s", error);
    }
    uint32_t request = http_request_new(headers);
    bool refused = http_request_set_authority(request, 1, authority.ptr, authority.len) || http_request_set_scheme(request, 1, 0, "", 0) ||
                   http_request_set_path(request, 1, "/echo", 5);
    if (guest_string_eq(place, guest_string("method", 6)))
        refused = http_request_set_method(request, HTTP_OTHER, text, size);
    else if (guest_string_eq(place, guest_string("path", 4)))
        refused = http_request_set_path(request, 1, text, size);
    else if (guest_string_eq(place, guest_string("authority", 9)))
        refused = http_request_set_authority(request, 1, text, size);
    else if (guest_string_eq(place, guest_string("scheme", 6)))
        refused = http_request_set_scheme(request, 1, 2, text, size);
    if (refused) {
        http_request_drop(request);
        return guest_format("refused");
    }
    if (trailer) {
        http_request_set_method(request, HTTP_POST, "", 0);
        error = exchange_trailer(request, memmem(place.ptr, place.len, "name", 4), text, size, &exchange);
        return outcome(error, &exchange);
    }
    http_handle(request, 0, 0, &result);
    if (result.bytes[0])
        exchange.error = http_error_at(&result, 8);
    else {
        uint32_t future = http_word(&result, 8), response = http_wait_response(&exchange, future);
        if (response)
            http_read_response(&exchange, response);
        http_future_drop(future);
    }
    return outcome(NULL, &exchange);
}

static struct guest_string said;

GUEST_EXPORT(API "say")
struct guest_string *say_export(char *place, size_t place_size, char *text, size_t size, char *authority, size_t authority_size)
{
    said = say(guest_string(place, place_size), text, size, guest_string(authority, authority_size));
    return &said;
}

GUEST_POST(API "say") void say_post(struct guest_string *old)
{
    guest_string_free(*old);
}

/* --- many handles --- */

static uint32_t make_fields(void)
{
    struct http_area result;
    uint32_t fields = http_fields_new();
    http_fields_append(fields, "x-some", 6, "value", 5, &result);
    return fields;
}

static uint32_t make_plain_request(void)
{
    return http_request_new(make_fields());
}

static uint32_t make_body(void)
{
    struct http_area result;
    uint32_t request = make_plain_request();
    http_request_body(request, &result);
    http_request_drop(request);
    return http_word(&result, 4);
}

static uint32_t make_pollable(void)
{
    return clock_subscribe_duration(UINT64_C(3600000000000));
}

static uint32_t handle_of(const struct http_area *result)
{
    return result->bytes[0] ? UINT32_MAX : http_word(result, 4);
}

/* A descriptor of its own, of the same file each time. */
static uint32_t make_descriptor(void)
{
    enum { FOLLOW = 1, CREATE = 1, READ_WRITE = 3 };
    struct http_area result;
    preopens_get(&result);
    struct {
        uint32_t descriptor;
        struct guest_string name;
    } *folders = (void *)http_word(&result, 0);
    descriptor_open_at(folders[0].descriptor, FOLLOW, "hoard", 5, CREATE, READ_WRITE, &result);
    for (uint32_t i = 0; i < 2; i++) {
        descriptor_drop(folders[i].descriptor);
        guest_string_free(folders[i].name);
    }
    free(folders);
    return handle_of(&result);
}

static uint32_t make_tcp(void)
{
    struct http_area result;
    tcp_create(0, &result);
    return handle_of(&result);
}

static uint32_t make_udp(void)
{
    struct http_area result;
    udp_create(0, &result);
    return handle_of(&result);
}

static const struct {
    const char *name;
    uint32_t (*make)(void);
    void (*drop)(uint32_t handle);
} kinds[] = {
    {"fields", make_fields, http_fields_drop},
    {"request", make_plain_request, http_request_drop},
    {"body", make_body, http_outgoing_body_drop},
    {"options", http_options_new, http_options_drop},
    {"pollable", make_pollable, io_pollable_drop},
    {"descriptor", make_descriptor, descriptor_drop},
    {"tcp", make_tcp, tcp_drop},
    {"udp", make_udp, udp_drop},
};

static uint32_t order_of(uint32_t i, uint32_t count, char order)
{
    if (order == 'b')
        return count - 1 - i;
    if (order == 'm') /* even ones forth, odd ones back */
        return i < (count + 1) / 2 ? 2 * i : 2 * (count - 1 - i) + 1;
    return i;
}

static struct guest_string hoard(const char *kind, uint32_t count, char order)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (strcmp(kinds[k].name, kind) != 0)
            continue;
        uint32_t *handles = malloc((count + 1) * sizeof *handles), made = 0;
        while (made < count && (handles[made] = kinds[k].make()) != UINT32_MAX)
            made++;
        for (uint32_t i = 0; i < made && order != 'n'; i++)
            kinds[k].drop(handles[order_of(i, made, order)]);
        free(handles);
        return guest_format("made %u", made);
    }
    return guest_format("no such kind");
}

GUEST_EXPORT(API "hoard") struct guest_string *hoard_export(char *kind, size_t size, uint32_t count, char *order, size_t order_size)
{
    char *name = strndup(kind, size);
    said = hoard(name, count, order_size ? *order : 'f');
    free(name);
    return &said;
}

GUEST_POST(API "hoard") void hoard_post(struct guest_string *old)
{
    guest_string_free(*old);
}

/* --- odd orders --- */

struct parts {
    uint32_t body, output, future, response, incoming, input, pollable;
};

/* A POST of which so much has happened that all of its parts are there. */
static const char *open_parts(struct guest_string authority, const char *path, struct parts *parts)
{
    struct http_area result;
    uint32_t request = http_request_new(http_fields_new());
    memset(parts, 0, sizeof *parts);
    http_request_set_method(request, HTTP_POST, "", 0);
    http_request_set_scheme(request, 1, 0, "", 0);
    http_request_set_authority(request, 1, authority.ptr, authority.len);
    http_request_set_path(request, 1, path, strlen(path));
    http_request_body(request, &result);
    parts->body = http_word(&result, 4);
    http_outgoing_body_write(parts->body, &result);
    parts->output = http_word(&result, 4);
    http_handle(request, 0, 0, &result);
    if (result.bytes[0])
        return http_error_at(&result, 8);
    parts->future = http_word(&result, 8);
    return NULL;
}

static const char *open_answer(struct parts *parts)
{
    struct http_area result;
    struct http_exchange exchange = {0};
    io_blocking_write(parts->output, "twelve bytes", 12, &result);
    parts->response = http_wait_response(&exchange, parts->future);
    if (!parts->response)
        return exchange.error;
    http_response_consume(parts->response, &result);
    parts->incoming = http_word(&result, 4);
    http_incoming_body_stream(parts->incoming, &result);
    parts->input = http_word(&result, 4);
    parts->pollable = io_input_subscribe(parts->input);
    return NULL;
}

static void drop_part(struct parts *parts, char part)
{
    switch (part) {
    case 'b': http_outgoing_body_drop(parts->body); break;
    case 'o': io_output_drop(parts->output); break;
    case 'f': http_future_drop(parts->future); break;
    case 'r': http_response_drop(parts->response); break;
    case 'i': http_incoming_body_drop(parts->incoming); break;
    case 's': io_input_drop(parts->input); break;
    case 'p': io_pollable_drop(parts->pollable); break;
    default: http_misuse("no such part");
    }
}

/* `which`: letters of drop_part in order; behind '!' come those before there is an answer. */
GUEST_EXPORT(API "drop") struct guest_string *drop_export(char *which, size_t size, char *authority, size_t authority_size)
{
    struct parts parts;
    const char *early = memchr(which, '!', size), *error = open_parts(guest_string(authority, authority_size), "/mirror", &parts);
    size_t i = 0;
    if (!error && early) {
        for (const char *part = early + 1; part < which + size; part++)
            drop_part(&parts, *part);
        size = (size_t)(early - which);
    } else if (!error)
        error = open_answer(&parts);
    for (; !error && i < size; i++)
        drop_part(&parts, which[i]);
    said = guest_format("%s", error ? error : "dropped");
    return &said;
}

GUEST_POST(API "drop") void drop_post(struct guest_string *old)
{
    guest_string_free(*old);
}

/* --- lengths that cannot be --- */

static const uint64_t LENGTHS[] = {UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX};

static void drop_everything(struct parts *parts)
{
    for (const char *part = "psirofb"; *part; part++)
        drop_part(parts, *part);
}

/* "name of the outcome" of a stream's call that gives a list or a number of bytes. */
static void note(char **said_at, const char *what, const struct http_area *result)
{
    char *longer;
    const char *how = !result->bytes[0] ? "ok" : result->bytes[4] || result->bytes[8] == 1 ? "closed" : "failed";
    if (asprintf(&longer, "%s%s %s; ", *said_at, what, how) < 0)
        http_misuse("out of memory");
    free(*said_at);
    *said_at = longer;
}

GUEST_EXPORT(API "huge") struct guest_string *huge(char *which, size_t size, char *authority, size_t authority_size)
{
    struct parts parts = {0};
    struct http_area result;
    struct guest_string name = guest_string(which, size);
    char *text = strdup("");
    const char *error = NULL;
    bool random = guest_string_eq(name, guest_string("random", 6));
    if (!random) {
        error = open_parts(guest_string(authority, authority_size), "/mirror", &parts);
        error = error ? error : open_answer(&parts);
    }
    for (size_t i = 0; !error && i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
        memset(&result, 0, sizeof result);
        if (random)
            random_bytes(LENGTHS[i], &result);
        else if (guest_string_eq(name, guest_string("read", 4))) {
            io_read(parts.input, LENGTHS[i], &result);
            note(&text, "read", &result);
        } else if (guest_string_eq(name, guest_string("skip", 4))) {
            io_skip(parts.input, LENGTHS[i], &result);
            note(&text, "skip", &result);
        } else if (guest_string_eq(name, guest_string("zeroes", 6))) {
            io_write_zeroes(parts.output, LENGTHS[i], &result);
            note(&text, "zeroes", &result);
        } else if (guest_string_eq(name, guest_string("splice", 6))) {
            io_splice(parts.output, parts.input, LENGTHS[i], &result);
            note(&text, "splice", &result);
        } else
            http_misuse("no such call");
    }
    if (!error && !random)
        drop_everything(&parts);
    said = guest_format("%s", error ? error : text);
    free(text);
    return &said;
}

GUEST_POST(API "huge") void huge_post(struct guest_string *old)
{
    guest_string_free(*old);
}
