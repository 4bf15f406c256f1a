#include <string.h>

#include "ga_limits.h"
#include "io_clock.h"
#include "wasi_http.h"

/* Messages that the guest makes: outgoing-request, outgoing-response, outgoing-body; request-options, response-outparam. */

/* --- the message's body --- */

/*
 * What an outgoing-body and its message share: a host resource of its own that no guest names, counted by those two. Before it is
 * bound, what was written and how it ended wait here.
 */
struct message_body {
    uint32_t references;
    const struct wasi_http_sink_ops *ops; /* NULL: not bound yet */
    uint32_t sink;
    bool response;  /* decides which error a wrong size is */
    bool discarded; /* it will never be bound */
    bool sized;     /* by content-length */
    enum { BODY_OPEN, BODY_FINISHED, BODY_ABORTED } end;
    uint64_t size, written;
    char *waiting; /* region memory */
    size_t waiting_size, waiting_capacity;
    struct wasi_http_fields *trailers;
};

static void forget_waiting(struct worker *worker, struct message_body *body)
{
    worker_region_free(worker, body->waiting, body->waiting_capacity);
    body->waiting = NULL;
    body->waiting_size = body->waiting_capacity = 0;
}

static void drop_message_body(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct message_body *body = record;
    (void)rep;
    (void)live;
    forget_waiting(worker, body);
    wasi_http_fields_release(worker, body->trailers);
    if (body->ops != NULL && body->ops->drop != NULL)
        body->ops->drop(worker, body->sink);
}

static const struct host_resource_type message_body_type = {
    .name = "body of an HTTP message",
    .record_size = sizeof(struct message_body),
    .drop = drop_message_body,
};

static struct message_body *get_body(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &message_body_type, rep);
}

static void body_release(struct worker *worker, uint32_t rep)
{
    if (--get_body(worker, rep)->references == 0)
        host_resource_drop(worker, &message_body_type, rep);
}

static void tell_end(struct worker *worker, const struct message_body *body)
{
    if (body->end == BODY_FINISHED)
        body->ops->finish(worker, body->sink, body->trailers);
    else if (body->end == BODY_ABORTED)
        body->ops->abort(worker, body->sink);
}

static void body_end(struct worker *worker, struct message_body *body, int end)
{
    body->end = end;
    if (body->ops != NULL)
        tell_end(worker, body);
}

bool wasi_http_body_size(struct worker *worker, uint32_t rep, uint64_t *size_out)
{
    const struct message_body *body = get_body(worker, rep);
    bool whole = body->end == BODY_FINISHED && body->trailers == NULL;
    *size_out = body->sized ? body->size : body->written;
    return body->sized || whole;
}

void wasi_http_body_bind(struct worker *worker, uint32_t rep, const struct wasi_http_sink_ops *ops, uint32_t sink)
{
    struct message_body *body = get_body(worker, rep);
    body->ops = ops;
    body->sink = sink;
    if (body->waiting_size > 0)
        (void)ops->write(worker, sink, body->waiting, body->waiting_size);
    forget_waiting(worker, body);
    tell_end(worker, body);
    body_release(worker, rep);
}

void wasi_http_body_discard(struct worker *worker, uint32_t rep)
{
    struct message_body *body = get_body(worker, rep);
    body->discarded = true;
    forget_waiting(worker, body);
    body_release(worker, rep);
}

/* --- its stream; sink: the rep of the message's body --- */

static void wait_for_sink(struct worker *worker, struct message_body *body, const void *data, size_t size)
{
    size_t needed = body->waiting_size + size;
    if (needed > GA_MAX_HTTP_UNSENT_BYTES)
        worker_trap(worker, "too many bytes of an HTTP body before its message is sent (limit is %d)",
                    GA_MAX_HTTP_UNSENT_BYTES);
    if (needed > body->waiting_capacity) {
        size_t capacity = needed + needed / 2;
        char *waiting = worker_region_alloc(worker, capacity);
        if (body->waiting_size > 0)
            memcpy(waiting, body->waiting, body->waiting_size);
        worker_region_free(worker, body->waiting, body->waiting_capacity);
        body->waiting = waiting;
        body->waiting_capacity = capacity;
    }
    memcpy(body->waiting + body->waiting_size, data, size);
    body->waiting_size = needed;
}

static uint32_t size_error(const struct message_body *body)
{
    return body->response ? WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE
                          : WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE;
}

/* More than content-length says is an error, and not sent: it would be taken for the next message. */
static enum wasi_stream_state write_body(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                         size_t size, int *error_out)
{
    struct message_body *body = get_body(worker, stream->sink);
    body->written += size;
    *error_out = (int)size_error(body);
    if (body->sized && body->written > body->size)
        return WASI_STREAM_FAILED;
    if (body->ops != NULL)
        return body->ops->write(worker, body->sink, data, size);
    if (!body->discarded)
        wait_for_sink(worker, body, data, size);
    return WASI_STREAM_OK;
}

static enum wasi_stream_state permit_body(struct worker *worker, struct wasi_output_stream *stream,
                                          uint64_t *permit_out, int *error_out)
{
    const struct message_body *body = get_body(worker, stream->sink);
    (void)error_out;
    bool any = body->ops == NULL || body->ops->permit == NULL;
    *permit_out = any ? WASI_STREAM_BYTES : body->ops->permit(worker, body->sink);
    return WASI_STREAM_OK;
}

static const struct message_body *body_of_pollable(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct wasi_output_stream *stream =
        host_resource_get(worker, &wasi_io_streams_output_stream_type, pollable->subject);
    return get_body(worker, stream->sink);
}

static bool body_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct message_body *body = body_of_pollable(worker, pollable);
    return body->ops == NULL || body->ops->ready == NULL || body->ops->ready(worker, body->sink);
}

static int body_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    const struct message_body *body = body_of_pollable(worker, pollable);
    return body->ops->wait(worker, body->sink, events_out);
}

static const struct wasi_pollable_ops body_pollable = {.ready = body_ready, .wait = body_wait};
static const struct wasi_output_ops body_stream = {
    .pollable = &body_pollable,
    .write = write_body,
    .permit = permit_body,
    .error_kind = &wasi_http_error_kind,
    .unasked = true, /* older guests of Golem rely on it */
};

/* --- outgoing-body --- */

struct outgoing_body {
    uint32_t body;
    bool streamed; /* its stream was given away */
};

/* Without `finish` it is incomplete, and its receiver is to know. */
static void drop_outgoing_body(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct outgoing_body *outgoing = record;
    struct message_body *body = get_body(worker, outgoing->body);
    (void)rep;
    (void)live;
    if (body->end == BODY_OPEN)
        body_end(worker, body, BODY_ABORTED);
    body_release(worker, outgoing->body);
}

const struct host_resource_type wasi_http_types_outgoing_body_type = {
    .name = "wasi:http/types.outgoing-body",
    .record_size = sizeof(struct outgoing_body),
    .drop = drop_outgoing_body,
};

void wasi_http_types_outgoing_body_write(struct worker *worker, uint32_t self, struct result_handle_void *result_out)
{
    struct outgoing_body *outgoing = host_resource_get(worker, &wasi_http_types_outgoing_body_type, self);
    result_out->tag = outgoing->streamed;
    if (outgoing->streamed)
        return;
    outgoing->streamed = true;
    result_out->value.ok = wasi_output_stream_new(worker, &body_stream, outgoing->body, 0);
    host_resource_set_parent(worker, result_out->value.ok, self);
}

static struct wasi_http_types_error_code wrong_size(const struct message_body *body)
{
    struct wasi_http_types_error_code error = wasi_http_error(size_error(body));
    struct option_u64 size = {1, {body->written}};
    if (body->response)
        error.value.http_response_body_size = size;
    else
        error.value.http_request_body_size = size;
    return error;
}

void wasi_http_types_outgoing_body_finish(struct worker *worker, uint32_t this, const struct option_handle *trailers,
                                          struct result_void_wasi_http_types_error_code *result_out)
{
    const struct outgoing_body *outgoing = host_resource_get(worker, &wasi_http_types_outgoing_body_type, this);
    struct message_body *body = get_body(worker, outgoing->body);
    if (trailers->tag == 1)
        body->trailers = wasi_http_fields_take(worker, trailers->value.some);
    result_out->tag = body->sized && body->written != body->size;
    if (result_out->tag == 1)
        result_out->value.err = wrong_size(body);
    body_end(worker, body, result_out->tag == 1 ? BODY_ABORTED : BODY_FINISHED);
    host_resource_drop(worker, &wasi_http_types_outgoing_body_type, this);
}

/* `body` of a message: the second time, and with a content-length that says two things, there is none. */
static void make_body(struct worker *worker, uint32_t *body_of_message, const struct wasi_http_fields *headers,
                      bool response, struct result_handle_void *result_out)
{
    uint64_t size = 0;
    bool valid;
    bool sized = wasi_http_content_length(headers, &size, &valid);
    result_out->tag = *body_of_message != 0 || !valid;
    if (result_out->tag == 1)
        return;
    struct message_body *body = host_resource_new(worker, &message_body_type, body_of_message);
    *body = (struct message_body){.references = 2, .response = response, .sized = sized, .size = size};
    struct outgoing_body *outgoing =
        host_resource_new(worker, &wasi_http_types_outgoing_body_type, &result_out->value.ok);
    outgoing->body = *body_of_message;
}

/* --- requests --- */

struct outgoing_request {
    struct wasi_http_head head;
    uint32_t body; /* 0: none */
};

static void drop_request(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct outgoing_request *request = record;
    (void)rep;
    (void)live;
    if (request->body != 0)
        wasi_http_body_discard(worker, request->body);
    wasi_http_head_free(worker, &request->head);
}

const struct host_resource_type wasi_http_types_outgoing_request_type = {
    .name = "wasi:http/types.outgoing-request",
    .record_size = sizeof(struct outgoing_request),
    .drop = drop_request,
};

static struct outgoing_request *get_request(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_outgoing_request_type, rep);
}

void wasi_http_outgoing_request_take(struct worker *worker, uint32_t rep, struct wasi_http_head *head_out,
                                     uint32_t *body_out)
{
    struct outgoing_request *request = get_request(worker, rep);
    *head_out = request->head;
    *body_out = request->body;
    *request = (struct outgoing_request){0};
    host_resource_drop(worker, &wasi_http_types_outgoing_request_type, rep);
}

uint32_t wasi_http_types_outgoing_request_new(struct worker *worker, uint32_t headers)
{
    uint32_t rep;
    struct wasi_http_fields *fields = wasi_http_fields_take(worker, headers);
    struct outgoing_request *request = host_resource_new(worker, &wasi_http_types_outgoing_request_type, &rep);
    request->head.headers = fields;
    return rep;
}

void wasi_http_types_outgoing_request_body(struct worker *worker, uint32_t self, struct result_handle_void *result_out)
{
    struct outgoing_request *request = get_request(worker, self);
    make_body(worker, &request->body, request->head.headers, false, result_out);
}

void wasi_http_types_outgoing_request_method(struct worker *worker, uint32_t self,
                                             struct wasi_http_types_method *result_out)
{
    *result_out = wasi_http_head_method(&get_request(worker, self)->head);
}

void wasi_http_types_outgoing_request_set_method(struct worker *worker, uint32_t self,
                                                 const struct wasi_http_types_method *method,
                                                 struct result_void_void *result_out)
{
    bool other = method->tag == WASI_HTTP_TYPES_METHOD_OTHER;
    result_out->tag =
        other && (method->value.other.size > GA_MAX_HTTP_TARGET_BYTES || !wasi_http_is_token(method->value.other));
    if (result_out->tag == 0)
        wasi_http_head_set_method(worker, &get_request(worker, self)->head, method);
}

void wasi_http_types_outgoing_request_path_with_query(struct worker *worker, uint32_t self,
                                                      struct option_string *result_out)
{
    *result_out = wasi_http_text_option(&get_request(worker, self)->head.path);
}

void wasi_http_types_outgoing_request_set_path_with_query(struct worker *worker, uint32_t self,
                                                          const struct option_string *path_with_query,
                                                          struct result_void_void *result_out)
{
    result_out->tag = path_with_query->tag == 1 && !wasi_http_is_path(path_with_query->value.some);
    if (result_out->tag == 0)
        wasi_http_text_set(worker, &get_request(worker, self)->head.path, path_with_query);
}

void wasi_http_types_outgoing_request_scheme(struct worker *worker, uint32_t self,
                                             struct option_wasi_http_types_scheme *result_out)
{
    *result_out = wasi_http_head_scheme(&get_request(worker, self)->head);
}

void wasi_http_types_outgoing_request_set_scheme(struct worker *worker, uint32_t self,
                                                 const struct option_wasi_http_types_scheme *scheme,
                                                 struct result_void_void *result_out)
{
    bool other = scheme->tag == 1 && scheme->value.some.tag == WASI_HTTP_TYPES_SCHEME_OTHER;
    result_out->tag = other && !wasi_http_is_scheme(scheme->value.some.value.other);
    if (result_out->tag == 0)
        wasi_http_head_set_scheme(worker, &get_request(worker, self)->head, scheme);
}

void wasi_http_types_outgoing_request_authority(struct worker *worker, uint32_t self, struct option_string *result_out)
{
    *result_out = wasi_http_text_option(&get_request(worker, self)->head.authority);
}

void wasi_http_types_outgoing_request_set_authority(struct worker *worker, uint32_t self,
                                                    const struct option_string *authority,
                                                    struct result_void_void *result_out)
{
    result_out->tag = authority->tag == 1 && !wasi_http_is_authority(authority->value.some);
    if (result_out->tag == 0)
        wasi_http_text_set(worker, &get_request(worker, self)->head.authority, authority);
}

uint32_t wasi_http_types_outgoing_request_headers(struct worker *worker, uint32_t self)
{
    return wasi_http_fields_resource(worker, get_request(worker, self)->head.headers);
}

/* --- responses --- */

struct outgoing_response {
    struct wasi_http_fields *headers;
    uint32_t body; /* 0: none */
    uint16_t status;
};

static void drop_response(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct outgoing_response *response = record;
    (void)rep;
    (void)live;
    if (response->body != 0)
        wasi_http_body_discard(worker, response->body);
    wasi_http_fields_release(worker, response->headers);
}

const struct host_resource_type wasi_http_types_outgoing_response_type = {
    .name = "wasi:http/types.outgoing-response",
    .record_size = sizeof(struct outgoing_response),
    .drop = drop_response,
};

static struct outgoing_response *get_response(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_outgoing_response_type, rep);
}

uint32_t wasi_http_types_outgoing_response_new(struct worker *worker, uint32_t headers)
{
    uint32_t rep;
    struct wasi_http_fields *fields = wasi_http_fields_take(worker, headers);
    struct outgoing_response *response = host_resource_new(worker, &wasi_http_types_outgoing_response_type, &rep);
    *response = (struct outgoing_response){.headers = fields, .status = 200};
    return rep;
}

uint16_t wasi_http_types_outgoing_response_status_code(struct worker *worker, uint32_t self)
{
    return get_response(worker, self)->status;
}

/* A status below 200 announces another response: it cannot be the one. */
void wasi_http_types_outgoing_response_set_status_code(struct worker *worker, uint32_t self, uint16_t status_code,
                                                       struct result_void_void *result_out)
{
    result_out->tag = status_code < 200 || status_code > 999;
    if (result_out->tag == 0)
        get_response(worker, self)->status = status_code;
}

uint32_t wasi_http_types_outgoing_response_headers(struct worker *worker, uint32_t self)
{
    return wasi_http_fields_resource(worker, get_response(worker, self)->headers);
}

void wasi_http_types_outgoing_response_body(struct worker *worker, uint32_t self, struct result_handle_void *result_out)
{
    struct outgoing_response *response = get_response(worker, self);
    make_body(worker, &response->body, response->headers, true, result_out);
}

/* --- response-outparam --- */

struct outparam {
    const struct wasi_http_sink_ops *ops; /* NULL when it was set */
    uint32_t sink;
};

static void drop_outparam(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct outparam *outparam = record;
    struct wasi_http_types_error_code error = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR);
    (void)rep;
    (void)live;
    if (outparam->ops == NULL)
        return;
    outparam->ops->refuse(worker, outparam->sink, &error);
    if (outparam->ops->drop != NULL)
        outparam->ops->drop(worker, outparam->sink);
}

const struct host_resource_type wasi_http_types_response_outparam_type = {
    .name = "wasi:http/types.response-outparam",
    .record_size = sizeof(struct outparam),
    .drop = drop_outparam,
};

uint32_t wasi_http_response_outparam_new(struct worker *worker, const struct wasi_http_sink_ops *ops, uint32_t sink)
{
    uint32_t rep;
    struct outparam *outparam = host_resource_new(worker, &wasi_http_types_response_outparam_type, &rep);
    *outparam = (struct outparam){ops, sink};
    return rep;
}

static void respond(struct worker *worker, const struct outparam *to, uint32_t rep)
{
    struct outgoing_response *response = get_response(worker, rep);
    uint32_t body = response->body;
    uint64_t size = 0;
    bool sized = body == 0 || wasi_http_body_size(worker, body, &size);
    to->ops->respond(worker, to->sink, response->status, response->headers, sized, size);
    response->body = 0;
    host_resource_drop(worker, &wasi_http_types_outgoing_response_type, rep);
    if (body != 0) {
        wasi_http_body_bind(worker, body, to->ops, to->sink);
        return;
    }
    to->ops->finish(worker, to->sink, NULL);
    if (to->ops->drop != NULL)
        to->ops->drop(worker, to->sink);
}

void wasi_http_types_response_outparam_set(struct worker *worker, uint32_t param,
                                           const struct result_handle_wasi_http_types_error_code *response)
{
    struct outparam *record = host_resource_get(worker, &wasi_http_types_response_outparam_type, param);
    struct outparam to = *record;
    record->ops = NULL;
    host_resource_drop(worker, &wasi_http_types_response_outparam_type, param);
    if (response->tag == 0) {
        respond(worker, &to, response->value.ok);
        return;
    }
    to.ops->refuse(worker, to.sink, &response->value.err);
    if (to.ops->drop != NULL)
        to.ops->drop(worker, to.sink);
}

/* --- request-options --- */

const struct host_resource_type wasi_http_types_request_options_type = {
    .name = "wasi:http/types.request-options",
    .record_size = sizeof(struct wasi_http_options),
};

static struct wasi_http_options *get_options(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_request_options_type, rep);
}

struct wasi_http_options wasi_http_options_get(struct worker *worker, uint32_t rep)
{
    return *get_options(worker, rep);
}

uint32_t wasi_http_types_request_options_new(struct worker *worker)
{
    uint32_t rep;
    (void)host_resource_new(worker, &wasi_http_types_request_options_type, &rep);
    return rep;
}

void wasi_http_types_request_options_connect_timeout(struct worker *worker, uint32_t self, struct option_u64 *result_out)
{
    *result_out = get_options(worker, self)->connect_timeout;
}

void wasi_http_types_request_options_set_connect_timeout(struct worker *worker, uint32_t self,
                                                         const struct option_u64 *duration,
                                                         struct result_void_void *result_out)
{
    (void)result_out;
    get_options(worker, self)->connect_timeout = *duration;
}

void wasi_http_types_request_options_first_byte_timeout(struct worker *worker, uint32_t self,
                                                        struct option_u64 *result_out)
{
    *result_out = get_options(worker, self)->first_byte_timeout;
}

void wasi_http_types_request_options_set_first_byte_timeout(struct worker *worker, uint32_t self,
                                                            const struct option_u64 *duration,
                                                            struct result_void_void *result_out)
{
    (void)result_out;
    get_options(worker, self)->first_byte_timeout = *duration;
}

void wasi_http_types_request_options_between_bytes_timeout(struct worker *worker, uint32_t self,
                                                           struct option_u64 *result_out)
{
    *result_out = get_options(worker, self)->between_bytes_timeout;
}

void wasi_http_types_request_options_set_between_bytes_timeout(struct worker *worker, uint32_t self,
                                                               const struct option_u64 *duration,
                                                               struct result_void_void *result_out)
{
    (void)result_out;
    get_options(worker, self)->between_bytes_timeout = *duration;
}
