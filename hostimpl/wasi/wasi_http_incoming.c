#include "io_clock.h"
#include "wasi_http.h"

/* Received messages: incoming-request, incoming-response, incoming-body, future-trailers. */

/* Where a body comes from. It moves from the message to the body and on to the trailers; ops is NULL where it has left. */
struct source {
    const struct wasi_http_source_ops *ops;
    uint32_t rep;
};

static void source_drop(struct worker *worker, const struct source *source)
{
    if (source->ops != NULL && source->ops->drop != NULL)
        source->ops->drop(worker, source->rep);
}

static struct source source_move(struct source *from)
{
    struct source source = *from;
    *from = (struct source){0};
    return source;
}

/* --- the body --- */

struct incoming_body {
    struct source source;
    bool streamed; /* its stream was given away */
};

static void drop_body(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct incoming_body *body = record;
    (void)rep;
    (void)live;
    source_drop(worker, &body->source);
}

const struct host_resource_type wasi_http_types_incoming_body_type = {
    .name = "wasi:http/types.incoming-body",
    .record_size = sizeof(struct incoming_body),
    .drop = drop_body,
};

/* `consume` of a message: the second time there is nothing left. */
static void consume(struct worker *worker, struct source *from, struct result_handle_void *result_out)
{
    result_out->tag = from->ops == NULL;
    if (result_out->tag == 1)
        return;
    struct source source = source_move(from);
    struct incoming_body *body = host_resource_new(worker, &wasi_http_types_incoming_body_type, &result_out->value.ok);
    body->source = source;
}

void wasi_http_types_incoming_body_stream(struct worker *worker, uint32_t self, struct result_handle_void *result_out)
{
    struct incoming_body *body = host_resource_get(worker, &wasi_http_types_incoming_body_type, self);
    result_out->tag = body->streamed;
    if (body->streamed)
        return;
    body->streamed = true;
    result_out->value.ok = wasi_input_stream_new(worker, body->source.ops->stream, body->source.rep, 0);
    host_resource_set_parent(worker, result_out->value.ok, self);
}

/* --- the trailers --- */

struct future_trailers {
    struct source source; /* gone when they were given */
};

static void drop_trailers(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct future_trailers *trailers = record;
    (void)rep;
    (void)live;
    source_drop(worker, &trailers->source);
}

const struct host_resource_type wasi_http_types_future_trailers_type = {
    .name = "wasi:http/types.future-trailers",
    .record_size = sizeof(struct future_trailers),
    .drop = drop_trailers,
};

uint32_t wasi_http_types_incoming_body_finish(struct worker *worker, uint32_t this)
{
    uint32_t rep;
    struct incoming_body *body = host_resource_get(worker, &wasi_http_types_incoming_body_type, this);
    struct source source = source_move(&body->source);
    host_resource_drop(worker, &wasi_http_types_incoming_body_type, this);
    struct future_trailers *trailers = host_resource_new(worker, &wasi_http_types_future_trailers_type, &rep);
    trailers->source = source;
    if (source.ops->finished != NULL)
        source.ops->finished(worker, source.rep);
    return rep;
}

uint32_t wasi_http_trailers_source(struct worker *worker, uint32_t future_trailers)
{
    const struct future_trailers *trailers =
        host_resource_get(worker, &wasi_http_types_future_trailers_type, future_trailers);
    return trailers->source.rep;
}

uint32_t wasi_http_types_future_trailers_subscribe(struct worker *worker, uint32_t self)
{
    const struct future_trailers *trailers = host_resource_get(worker, &wasi_http_types_future_trailers_type, self);
    const struct wasi_pollable_ops *ops =
        trailers->source.ops == NULL ? &wasi_pollable_always : trailers->source.ops->trailers_pollable;
    return wasi_pollable_new(worker, ops, self, IO_CLOCK_NEVER);
}

/* option<result<result<option<trailers>, error-code>>>: once, and error ever after. */
void wasi_http_types_future_trailers_get(
    struct worker *worker, uint32_t self,
    struct option_result_result_option_handle_wasi_http_types_error_code_void *result_out)
{
    struct future_trailers *future = host_resource_get(worker, &wasi_http_types_future_trailers_type, self);
    struct wasi_http_trailers trailers = {0};
    result_out->tag = 1;
    result_out->value.some.tag = future->source.ops == NULL;
    if (future->source.ops == NULL)
        return;
    result_out->tag = future->source.ops->trailers(worker, future->source.rep, &trailers);
    if (result_out->tag == 0)
        return;
    struct source source = source_move(&future->source);
    source_drop(worker, &source);
    struct result_option_handle_wasi_http_types_error_code *result = &result_out->value.some.value.ok;
    result->tag = trailers.failed;
    if (trailers.failed) {
        result->value.err = trailers.error;
    } else if (trailers.fields != NULL) {
        result->value.ok.tag = 1;
        result->value.ok.value.some = wasi_http_fields_resource(worker, trailers.fields);
        wasi_http_fields_release(worker, trailers.fields);
    }
}

/* --- a body without anything --- */

static enum wasi_stream_state read_empty(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                         size_t size, size_t *count_out, int *error_out)
{
    (void)worker;
    (void)stream;
    (void)buffer;
    (void)size;
    (void)error_out;
    *count_out = 0;
    return WASI_STREAM_CLOSED;
}

static const struct wasi_input_ops empty_stream = {.pollable = &wasi_pollable_always, .read = read_empty};

static bool no_trailers(struct worker *worker, uint32_t source, struct wasi_http_trailers *trailers_out)
{
    (void)worker;
    (void)source;
    *trailers_out = (struct wasi_http_trailers){0};
    return true;
}

const struct wasi_http_source_ops wasi_http_source_empty = {
    .stream = &empty_stream,
    .trailers = no_trailers,
    .trailers_pollable = &wasi_pollable_always,
};

/* --- requests --- */

struct incoming_request {
    struct wasi_http_head head;
    struct source source; /* gone when it was consumed */
};

static void drop_request(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct incoming_request *request = record;
    (void)rep;
    (void)live;
    source_drop(worker, &request->source);
    wasi_http_head_free(worker, &request->head);
}

const struct host_resource_type wasi_http_types_incoming_request_type = {
    .name = "wasi:http/types.incoming-request",
    .record_size = sizeof(struct incoming_request),
    .drop = drop_request,
};

static struct incoming_request *get_request(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_incoming_request_type, rep);
}

uint32_t wasi_http_incoming_request_new(struct worker *worker, const struct wasi_http_head *head,
                                        const struct wasi_http_source_ops *ops, uint32_t source)
{
    uint32_t rep;
    struct incoming_request *request = host_resource_new(worker, &wasi_http_types_incoming_request_type, &rep);
    *request = (struct incoming_request){*head, {ops, source}};
    return rep;
}

void wasi_http_types_incoming_request_method(struct worker *worker, uint32_t self,
                                             struct wasi_http_types_method *result_out)
{
    *result_out = wasi_http_head_method(&get_request(worker, self)->head);
}

void wasi_http_types_incoming_request_path_with_query(struct worker *worker, uint32_t self,
                                                      struct option_string *result_out)
{
    *result_out = wasi_http_text_option(&get_request(worker, self)->head.path);
}

void wasi_http_types_incoming_request_scheme(struct worker *worker, uint32_t self,
                                             struct option_wasi_http_types_scheme *result_out)
{
    *result_out = wasi_http_head_scheme(&get_request(worker, self)->head);
}

void wasi_http_types_incoming_request_authority(struct worker *worker, uint32_t self, struct option_string *result_out)
{
    *result_out = wasi_http_text_option(&get_request(worker, self)->head.authority);
}

uint32_t wasi_http_types_incoming_request_headers(struct worker *worker, uint32_t self)
{
    return wasi_http_fields_resource(worker, get_request(worker, self)->head.headers);
}

void wasi_http_types_incoming_request_consume(struct worker *worker, uint32_t self,
                                              struct result_handle_void *result_out)
{
    consume(worker, &get_request(worker, self)->source, result_out);
}

/* --- responses --- */

struct incoming_response {
    struct wasi_http_fields *headers;
    struct source source; /* gone when it was consumed */
    uint16_t status;
};

static void drop_response(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct incoming_response *response = record;
    (void)rep;
    (void)live;
    source_drop(worker, &response->source);
    wasi_http_fields_release(worker, response->headers);
}

const struct host_resource_type wasi_http_types_incoming_response_type = {
    .name = "wasi:http/types.incoming-response",
    .record_size = sizeof(struct incoming_response),
    .drop = drop_response,
};

static struct incoming_response *get_response(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_incoming_response_type, rep);
}

uint32_t wasi_http_incoming_response_new(struct worker *worker, uint16_t status, struct wasi_http_fields *headers,
                                         const struct wasi_http_source_ops *ops, uint32_t source)
{
    uint32_t rep;
    struct incoming_response *response = host_resource_new(worker, &wasi_http_types_incoming_response_type, &rep);
    *response = (struct incoming_response){headers, {ops, source}, status};
    return rep;
}

uint16_t wasi_http_types_incoming_response_status(struct worker *worker, uint32_t self)
{
    return get_response(worker, self)->status;
}

uint32_t wasi_http_types_incoming_response_headers(struct worker *worker, uint32_t self)
{
    return wasi_http_fields_resource(worker, get_response(worker, self)->headers);
}

void wasi_http_types_incoming_response_consume(struct worker *worker, uint32_t self,
                                               struct result_handle_void *result_out)
{
    consume(worker, &get_response(worker, self)->source, result_out);
}

/* --- future-incoming-response --- */

struct future_response {
    const struct wasi_http_future_ops *ops;
    uint32_t exchange; /* 0 when a response came of it */
    bool got;          /* `get` gave something */
};

static void drop_future(struct worker *worker, uint32_t rep, void *record, void *live)
{
    const struct future_response *future = record;
    (void)rep;
    (void)live;
    if (future->exchange != 0)
        future->ops->drop(worker, future->exchange);
}

const struct host_resource_type wasi_http_types_future_incoming_response_type = {
    .name = "wasi:http/types.future-incoming-response",
    .record_size = sizeof(struct future_response),
    .drop = drop_future,
};

static struct future_response *get_future(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_http_types_future_incoming_response_type, rep);
}

uint32_t wasi_http_future_new(struct worker *worker, const struct wasi_http_future_ops *ops, uint32_t exchange)
{
    uint32_t rep;
    struct future_response *future = host_resource_new(worker, &wasi_http_types_future_incoming_response_type, &rep);
    *future = (struct future_response){.ops = ops, .exchange = exchange};
    return rep;
}

uint32_t wasi_http_future_exchange(struct worker *worker, uint32_t future)
{
    return get_future(worker, future)->exchange;
}

uint32_t wasi_http_types_future_incoming_response_subscribe(struct worker *worker, uint32_t self)
{
    return wasi_pollable_new(worker, get_future(worker, self)->ops->pollable, self, IO_CLOCK_NEVER);
}

/* option<result<result<incoming-response, error-code>>>: once, and error ever after. */
void wasi_http_types_future_incoming_response_get(
    struct worker *worker, uint32_t self, struct option_result_result_handle_wasi_http_types_error_code_void *result_out)
{
    struct future_response *future = get_future(worker, self);
    result_out->tag = 1;
    result_out->value.some.tag = future->got;
    if (future->got)
        return;
    struct result_handle_wasi_http_types_error_code *result = &result_out->value.some.value.ok;
    result_out->tag = future->got = future->ops->get(worker, future->exchange, result);
    if (future->got && result->tag == 0)
        future->exchange = 0; /* it is the response's now */
}
