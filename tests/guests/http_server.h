/* What a handler of HTTP requests in C needs of wasi:http, by hand (guest.h says how types lie in memory). The world exports
 * wasi:http/incoming-handler@0.2.12. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "guest.h"
#include "http_area.h"

#define HTTP_TYPES(name) __attribute__((import_module("wasi:http/types@0.2.12"), import_name(name)))
#define IO_STREAMS(name) __attribute__((import_module("wasi:io/streams@0.2.12"), import_name(name)))
#define IO_ERROR(name) __attribute__((import_module("wasi:io/error@0.2.12"), import_name(name)))
#define IO_POLL(name) __attribute__((import_module("wasi:io/poll@0.2.12"), import_name(name)))
#define CLOCK(name) __attribute__((import_module("wasi:clocks/monotonic-clock@0.2.12"), import_name(name)))

HTTP_TYPES("[method]incoming-request.method") void http_request_method(uint32_t request, void *result);
HTTP_TYPES("[method]incoming-request.path-with-query") void http_request_path(uint32_t request, void *result);
HTTP_TYPES("[method]incoming-request.scheme") void http_request_scheme(uint32_t request, void *result);
HTTP_TYPES("[method]incoming-request.authority") void http_request_authority(uint32_t request, void *result);
HTTP_TYPES("[method]incoming-request.headers") uint32_t http_request_headers(uint32_t request);
HTTP_TYPES("[method]incoming-request.consume") void http_request_consume(uint32_t request, void *result);
HTTP_TYPES("[resource-drop]incoming-request") void http_request_drop(uint32_t request);
HTTP_TYPES("[method]incoming-body.stream") void http_incoming_body_stream(uint32_t body, void *result);
HTTP_TYPES("[static]incoming-body.finish") uint32_t http_incoming_body_finish(uint32_t body);
HTTP_TYPES("[method]future-trailers.subscribe") uint32_t http_trailers_subscribe(uint32_t future);
HTTP_TYPES("[method]future-trailers.get") void http_trailers_get(uint32_t future, void *result);
HTTP_TYPES("[resource-drop]future-trailers") void http_trailers_drop(uint32_t future);
HTTP_TYPES("[constructor]fields") uint32_t http_fields_new(void);
HTTP_TYPES("[method]fields.append")
void http_fields_append(uint32_t fields, const char *name, size_t name_size, const char *value, size_t value_size, void *result);
HTTP_TYPES("[method]fields.entries") void http_fields_entries(uint32_t fields, void *result);
HTTP_TYPES("[resource-drop]fields") void http_fields_drop(uint32_t fields);
HTTP_TYPES("[constructor]outgoing-response") uint32_t http_response_new(uint32_t headers);
HTTP_TYPES("[method]outgoing-response.set-status-code") uint32_t http_response_set_status(uint32_t response, uint32_t status);
HTTP_TYPES("[method]outgoing-response.body") void http_response_body(uint32_t response, void *result);
HTTP_TYPES("[static]response-outparam.set")
void http_outparam_set(uint32_t outparam, uint32_t tag, uint32_t value, uint32_t p1, uint64_t p2, uint32_t p3, uint32_t p4,
                       uint32_t p5, uint32_t p6);
HTTP_TYPES("[method]outgoing-body.write") void http_outgoing_body_write(uint32_t body, void *result);
HTTP_TYPES("[static]outgoing-body.finish") void http_outgoing_body_finish(uint32_t body, uint32_t some, uint32_t trailers, void *result);
HTTP_TYPES("[resource-drop]outgoing-body") void http_outgoing_body_drop(uint32_t body);
IO_STREAMS("[method]input-stream.blocking-read") void io_blocking_read(uint32_t stream, uint64_t size, void *result);
IO_STREAMS("[resource-drop]input-stream") void io_input_drop(uint32_t stream);
IO_STREAMS("[method]output-stream.blocking-write-and-flush")
void io_blocking_write(uint32_t stream, const void *bytes, size_t size, void *result);
IO_STREAMS("[resource-drop]output-stream") void io_output_drop(uint32_t stream);
IO_ERROR("[resource-drop]error") void io_error_drop(uint32_t error);
IO_POLL("[method]pollable.block") void io_pollable_block(uint32_t pollable);
IO_POLL("[resource-drop]pollable") void io_pollable_drop(uint32_t pollable);
CLOCK("now") uint64_t clock_now(void);
CLOCK("subscribe-duration") uint32_t clock_subscribe_duration(uint64_t nanoseconds);

struct http_entry {
    char *name;
    size_t name_size;
    char *value;
    size_t value_size;
};

static inline void sleep_ms(uint32_t ms)
{
    uint32_t pollable = clock_subscribe_duration((uint64_t)ms * 1000000);
    io_pollable_block(pollable);
    io_pollable_drop(pollable);
}

/* A response whose head has been given, and its body's stream. */
struct http_reply {
    uint32_t fields, body, stream;
};

static inline void http_reply_field(struct http_reply *reply, const char *name, const char *value)
{
    struct http_area result;
    if (!reply->fields)
        reply->fields = http_fields_new();
    http_fields_append(reply->fields, name, strlen(name), value, strlen(value), &result);
}

static inline void http_reply_begin(struct http_reply *reply, uint32_t outparam, uint32_t status)
{
    struct http_area result;
    uint32_t response = http_response_new(reply->fields ? reply->fields : http_fields_new());
    if (http_response_set_status(response, status))
        abort();
    http_response_body(response, &result);
    reply->body = http_word(&result, 4);
    http_outgoing_body_write(reply->body, &result);
    reply->stream = http_word(&result, 4);
    http_outparam_set(outparam, 0, response, 0, 0, 0, 0, 0, 0);
}

/* False: nobody takes it any more. */
static inline bool http_reply_write(const struct http_reply *reply, const void *bytes, size_t size)
{
    struct http_area result;
    for (const char *at = bytes; size;) {
        size_t piece = size < 4096 ? size : 4096;
        io_blocking_write(reply->stream, at, piece, &result);
        if (result.bytes[0])
            return false;
        at += piece;
        size -= piece;
    }
    return true;
}

static inline void http_reply_end(const struct http_reply *reply, uint32_t trailers)
{
    struct http_area result;
    io_output_drop(reply->stream);
    http_outgoing_body_finish(reply->body, trailers != 0, trailers, &result);
}

#endif
