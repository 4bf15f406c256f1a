/* An HTTP client for guests in C: one exchange at a time, over the imports of wasi:http by hand (guest.h says how types lie in
 * memory). The world imports wasi:http/outgoing-handler@0.2.12 (pack.mjs adds the packages). */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_area.h"

#define WASI_VERSION "@0.2.12"
#define HTTP_TYPES(name) __attribute__((import_module("wasi:http/types" WASI_VERSION), import_name(name)))
#define HTTP_HANDLER(name) __attribute__((import_module("wasi:http/outgoing-handler" WASI_VERSION), import_name(name)))
#define IO_STREAMS(name) __attribute__((import_module("wasi:io/streams" WASI_VERSION), import_name(name)))
#define IO_ERROR(name) __attribute__((import_module("wasi:io/error" WASI_VERSION), import_name(name)))
#define IO_POLL(name) __attribute__((import_module("wasi:io/poll" WASI_VERSION), import_name(name)))

HTTP_TYPES("[constructor]fields") uint32_t http_fields_new(void);
HTTP_TYPES("[method]fields.append")
void http_fields_append(uint32_t fields, const char *name, size_t name_size, const char *value, size_t value_size, void *result);
HTTP_TYPES("[resource-drop]fields") void http_fields_drop(uint32_t fields);
HTTP_TYPES("[constructor]outgoing-request") uint32_t http_request_new(uint32_t headers);
HTTP_TYPES("[method]outgoing-request.set-method")
uint32_t http_request_set_method(uint32_t request, uint32_t method, const char *other, size_t other_size);
HTTP_TYPES("[method]outgoing-request.set-path-with-query")
uint32_t http_request_set_path(uint32_t request, uint32_t some, const char *path, size_t size);
HTTP_TYPES("[method]outgoing-request.set-scheme")
uint32_t http_request_set_scheme(uint32_t request, uint32_t some, uint32_t scheme, const char *other, size_t other_size);
HTTP_TYPES("[method]outgoing-request.set-authority")
uint32_t http_request_set_authority(uint32_t request, uint32_t some, const char *authority, size_t size);
HTTP_TYPES("[method]outgoing-request.body") void http_request_body(uint32_t request, void *result);
HTTP_TYPES("[resource-drop]outgoing-request") void http_request_drop(uint32_t request);
HTTP_TYPES("[method]outgoing-body.write") void http_outgoing_body_write(uint32_t body, void *result);
HTTP_TYPES("[static]outgoing-body.finish") void http_outgoing_body_finish(uint32_t body, uint32_t some, uint32_t trailers, void *result);
HTTP_TYPES("[resource-drop]outgoing-body") void http_outgoing_body_drop(uint32_t body);
HTTP_TYPES("[constructor]request-options") uint32_t http_options_new(void);
HTTP_TYPES("[method]request-options.set-connect-timeout")
uint32_t http_options_set_connect_timeout(uint32_t options, uint32_t some, uint64_t nanoseconds);
HTTP_TYPES("[method]request-options.set-first-byte-timeout")
uint32_t http_options_set_first_byte_timeout(uint32_t options, uint32_t some, uint64_t nanoseconds);
HTTP_TYPES("[method]request-options.set-between-bytes-timeout")
uint32_t http_options_set_between_bytes_timeout(uint32_t options, uint32_t some, uint64_t nanoseconds);
HTTP_TYPES("[resource-drop]request-options") void http_options_drop(uint32_t options);
HTTP_HANDLER("handle") void http_handle(uint32_t request, uint32_t some, uint32_t options, void *result);
HTTP_TYPES("[method]future-incoming-response.subscribe") uint32_t http_future_subscribe(uint32_t future);
HTTP_TYPES("[method]future-incoming-response.get") void http_future_get(uint32_t future, void *result);
HTTP_TYPES("[resource-drop]future-incoming-response") void http_future_drop(uint32_t future);
HTTP_TYPES("[method]incoming-response.status") uint32_t http_response_status(uint32_t response);
HTTP_TYPES("[method]incoming-response.headers") uint32_t http_response_headers(uint32_t response);
HTTP_TYPES("[method]incoming-response.consume") void http_response_consume(uint32_t response, void *result);
HTTP_TYPES("[resource-drop]incoming-response") void http_response_drop(uint32_t response);
HTTP_TYPES("[method]incoming-body.stream") void http_incoming_body_stream(uint32_t body, void *result);
HTTP_TYPES("[static]incoming-body.finish") uint32_t http_incoming_body_finish(uint32_t body);
HTTP_TYPES("[resource-drop]incoming-body") void http_incoming_body_drop(uint32_t body);
HTTP_TYPES("[method]future-trailers.subscribe") uint32_t http_trailers_subscribe(uint32_t future);
HTTP_TYPES("[method]future-trailers.get") void http_trailers_get(uint32_t future, void *result);
HTTP_TYPES("[resource-drop]future-trailers") void http_trailers_drop(uint32_t future);
HTTP_TYPES("http-error-code") void http_error_code(uint32_t error, void *result);
HTTP_TYPES("[method]fields.entries") void http_fields_entries(uint32_t fields, void *result);

IO_POLL("[method]pollable.block") void io_pollable_block(uint32_t pollable);
IO_POLL("[resource-drop]pollable") void io_pollable_drop(uint32_t pollable);
IO_STREAMS("[method]input-stream.blocking-read") void io_blocking_read(uint32_t stream, uint64_t size, void *result);
IO_STREAMS("[resource-drop]input-stream") void io_input_drop(uint32_t stream);
IO_STREAMS("[method]output-stream.blocking-write-and-flush")
void io_blocking_write(uint32_t stream, const void *bytes, size_t size, void *result);
IO_STREAMS("[resource-drop]output-stream") void io_output_drop(uint32_t stream);
IO_ERROR("[resource-drop]error") void io_error_drop(uint32_t error);

/* wasi:http/types, error-code, in its order. */
static const char *const http_error_names[] = {
    "DNS-timeout", "DNS-error", "destination-not-found", "destination-unavailable", "destination-IP-prohibited",
    "destination-IP-unroutable", "connection-refused", "connection-terminated", "connection-timeout", "connection-read-timeout",
    "connection-write-timeout", "connection-limit-reached", "TLS-protocol-error", "TLS-certificate-error", "TLS-alert-received",
    "HTTP-request-denied", "HTTP-request-length-required", "HTTP-request-body-size", "HTTP-request-method-invalid",
    "HTTP-request-URI-invalid", "HTTP-request-URI-too-long", "HTTP-request-header-section-size", "HTTP-request-header-size",
    "HTTP-request-trailer-section-size", "HTTP-request-trailer-size", "HTTP-response-incomplete",
    "HTTP-response-header-section-size", "HTTP-response-header-size", "HTTP-response-body-size",
    "HTTP-response-trailer-section-size", "HTTP-response-trailer-size", "HTTP-response-transfer-coding",
    "HTTP-response-content-coding", "HTTP-response-timeout", "HTTP-upgrade-failed", "HTTP-protocol-error", "loop-detected",
    "configuration-error", "internal-error"};

enum { HTTP_GET = 0, HTTP_HEAD = 1, HTTP_POST = 2, HTTP_PUT = 3, HTTP_DELETE = 4, HTTP_OTHER = 9 };

struct http_exchange {
    /* the request */
    uint32_t method;
    const char *other_method;
    uint32_t https;
    const char *authority, *path, *id; /* id: of the header x-request-id, or NULL */
    const uint8_t *body;               /* NULL: none */
    size_t body_size;
    uint64_t connect_timeout_ns, first_byte_timeout_ns, between_bytes_timeout_ns; /* 0: not given */
    /* the answer */
    const char *error; /* NULL: none. Of the exchange before its headers, or of the body: then status is not 0 */
    uint32_t status;
    uint8_t *answer; /* what came of the body; the caller's, by free */
    size_t answer_size;
    size_t answer_limit; /* stop reading behind so many bytes; 0: never */
    char *trailers;  /* "name: value\n" each, NULL: not asked for */
};

/* The exchange failed while something was made of it that can only fail by a wrong call. */
static inline _Noreturn void http_misuse(const char *what)
{
    fprintf(stderr, "http_client: %s\n", what);
    abort();
}

static inline const char *http_error_at(const struct http_area *area, size_t at)
{
    return http_error_names[area->bytes[at]];
}

/* What the error of a stream says, when that has to do with HTTP. */
static inline const char *http_stream_error(const struct http_area *result)
{
    struct http_area code;
    if (result->bytes[4] == 1)
        return "closed";
    http_error_code(http_word(result, 8), &code);
    io_error_drop(http_word(result, 8));
    return code.bytes[0] ? http_error_at(&code, 8) : "io";
}

static inline const char *http_send_body(uint32_t body, const uint8_t *bytes, size_t size)
{
    struct http_area result;
    const char *error = NULL;
    http_outgoing_body_write(body, &result);
    uint32_t stream = http_word(&result, 4);
    while (size && !error) {
        size_t piece = size < 4096 ? size : 4096;
        io_blocking_write(stream, bytes, piece, &result);
        if (result.bytes[0])
            error = http_stream_error(&result);
        bytes += piece;
        size -= piece;
    }
    io_output_drop(stream);
    if (error) {
        http_outgoing_body_drop(body);
        return error;
    }
    http_outgoing_body_finish(body, 0, 0, &result);
    return result.bytes[0] ? http_error_at(&result, 8) : NULL;
}

static inline uint32_t http_make_request(const struct http_exchange *exchange)
{
    uint32_t headers = http_fields_new();
    struct http_area result;
    if (exchange->id)
        http_fields_append(headers, "x-request-id", 12, exchange->id, strlen(exchange->id), &result);
    uint32_t request = http_request_new(headers);
    const char *other = exchange->other_method ? exchange->other_method : "";
    if (http_request_set_method(request, exchange->method, other, strlen(other)) ||
        http_request_set_scheme(request, 1, exchange->https, "", 0) ||
        http_request_set_authority(request, 1, exchange->authority, strlen(exchange->authority)) ||
        http_request_set_path(request, 1, exchange->path, strlen(exchange->path)))
        http_misuse("the request is refused");
    return request;
}

static inline uint32_t http_make_options(const struct http_exchange *exchange)
{
    uint32_t options = http_options_new();
    http_options_set_connect_timeout(options, exchange->connect_timeout_ns != 0, exchange->connect_timeout_ns);
    http_options_set_first_byte_timeout(options, exchange->first_byte_timeout_ns != 0, exchange->first_byte_timeout_ns);
    http_options_set_between_bytes_timeout(options, exchange->between_bytes_timeout_ns != 0, exchange->between_bytes_timeout_ns);
    return options;
}

static inline void http_read_body(struct http_exchange *exchange, uint32_t body)
{
    struct http_area result;
    http_incoming_body_stream(body, &result);
    uint32_t stream = http_word(&result, 4);
    for (;;) {
        io_blocking_read(stream, 65536, &result);
        if (result.bytes[0])
            break;
        size_t size = http_word(&result, 8);
        exchange->answer = realloc(exchange->answer, exchange->answer_size + size + 1);
        if (exchange->answer == NULL)
            http_misuse("out of memory");
        memcpy(exchange->answer + exchange->answer_size, (void *)http_word(&result, 4), size);
        exchange->answer_size += size;
        exchange->answer[exchange->answer_size] = '\0';
        if (size)
            free((void *)http_word(&result, 4));
        if (exchange->answer_limit && exchange->answer_size > exchange->answer_limit) {
            exchange->error = "limit";
            break;
        }
    }
    if (!exchange->error && result.bytes[4] == 0)
        exchange->error = http_stream_error(&result);
    io_input_drop(stream);
}

/* "name: value\n" for each. The fields are dropped. */
static inline char *http_fields_text(uint32_t fields)
{
    struct http_area result;
    struct {
        char *name;
        size_t name_size;
        char *value;
        size_t value_size;
    } *entries;
    http_fields_entries(fields, &result);
    http_fields_drop(fields);
    entries = (void *)http_word(&result, 0);
    char *text = strdup("");
    for (size_t i = 0, count = http_word(&result, 4); i < count; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s%.*s: %.*s\n", text, (int)entries[i].name_size, entries[i].name, (int)entries[i].value_size,
                     entries[i].value) < 0)
            http_misuse("out of memory");
        free(text);
        text = longer;
    }
    return text;
}

static inline void http_read_trailers(struct http_exchange *exchange, uint32_t body)
{
    struct http_area result;
    uint32_t future = http_incoming_body_finish(body), pollable = http_trailers_subscribe(future);
    io_pollable_block(pollable);
    io_pollable_drop(pollable);
    http_trailers_get(future, &result);
    if (!result.bytes[0] || result.bytes[8])
        http_misuse("no trailers although the future is ready");
    if (result.bytes[16])
        exchange->error = http_error_at(&result, 24);
    else if (result.bytes[24])
        exchange->trailers = http_fields_text(http_word(&result, 28));
    http_trailers_drop(future);
}

static inline void http_read_response(struct http_exchange *exchange, uint32_t response)
{
    struct http_area result;
    exchange->status = http_response_status(response);
    http_response_consume(response, &result);
    uint32_t body = http_word(&result, 4);
    http_read_body(exchange, body);
    if (exchange->error)
        http_incoming_body_drop(body);
    else
        http_read_trailers(exchange, body);
    http_response_drop(response);
}

/* Waits for the response; 0, and the exchange's error, if there is none. */
static inline uint32_t http_wait_response(struct http_exchange *exchange, uint32_t future)
{
    struct http_area result;
    uint32_t pollable = http_future_subscribe(future);
    io_pollable_block(pollable);
    io_pollable_drop(pollable);
    http_future_get(future, &result);
    if (!result.bytes[0] || result.bytes[8])
        http_misuse("no response although the future is ready");
    if (!result.bytes[16])
        return http_word(&result, 24);
    exchange->error = http_error_at(&result, 24);
    return 0;
}

/* Sends the request, waits for the answer and reads it to its end. */
static inline void http_fetch(struct http_exchange *exchange)
{
    struct http_area result;
    uint32_t request = http_make_request(exchange), body = 0;
    if (exchange->body) {
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
    const char *send_error = exchange->body ? http_send_body(body, exchange->body, exchange->body_size) : NULL;
    uint32_t response = http_wait_response(exchange, future);
    if (response)
        http_read_response(exchange, response);
    http_future_drop(future);
    if (!exchange->error)
        exchange->error = send_error;
}

#endif
