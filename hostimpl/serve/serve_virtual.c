#include "serve_virtual.h"

#include <string.h>

#include "ga_limits.h"
#include "trap.h"
#include "wasi_http.h"

/*
 * golem:http/incoming-handler.{handle}: a call whose request and response are values. Both lie in the region while the handler
 * runs, so that it may be checkpointed in the middle, and replay builds the same again.
 */
typedef struct golem_aot_virtual_http_handler_request request_value;
typedef struct golem_aot_virtual_http_handler_response response_value;
typedef struct golem_aot_virtual_http_handler_body_and_trailers body_value;

/* --- the type --- */

const struct rt_export *serve_virtual_export(void)
{
    static struct cabi_member param = {.name = "request"};
    static struct cabi_func_type type = {.param_count = 1, .params = &param, .params_spilled = true, .result_spilled = true};
    static const struct rt_export export = {.interface = "golem:http/incoming-handler", .name = "handle", .type = &type};
    param.type = host_type_golem_aot_virtual_http_handler_request;
    type.params_tuple = host_type_golem_aot_virtual_http_handler_params_;
    type.result = host_type_golem_aot_virtual_http_handler_response;
    return &export;
}

/* --- the request: checked before anything is recorded of it --- */

static struct cabi_string method_text(const request_value *request)
{
    return request->method.tag == GOLEM_AOT_VIRTUAL_HTTP_HANDLER_METHOD_CUSTOM ? request->method.value.custom
                                                                               : (struct cabi_string){"GET", 3};
}

static bool are_fields(const struct cabi_list *list)
{
    const struct tuple_string_list *fields = list->items;
    uint64_t size = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (wasi_http_field_check(fields[i].f0, fields[i].f1) == WASI_HTTP_FIELD_INVALID)
            return false;
        size += fields[i].f0.size + fields[i].f1.count + 32;
    }
    return size <= GA_MAX_HTTP_FIELDS_BYTES;
}

static const char *fault_of(const request_value *request)
{
    const body_value *body = &request->body_and_trailers.value.some;
    const struct golem_aot_virtual_http_handler_scheme *scheme = &request->scheme;
    if (!wasi_http_is_token(method_text(request)) || method_text(request).size > GA_MAX_HTTP_TARGET_BYTES)
        return "method";
    if (scheme->tag == GOLEM_AOT_VIRTUAL_HTTP_HANDLER_SCHEME_CUSTOM && !wasi_http_is_scheme(scheme->value.custom))
        return "scheme";
    if (!wasi_http_is_authority(request->authority))
        return "authority";
    if (!wasi_http_is_path(request->path_and_query))
        return "path-and-query";
    if (!are_fields(&request->headers))
        return "headers";
    if (request->body_and_trailers.tag && body->trailers.tag && !are_fields(&body->trailers.value.some))
        return "trailers";
    return NULL;
}

enum ga_status serve_virtual_check(const void *request, struct ga_report *report)
{
    const char *fault = fault_of(request);
    return fault ? ga_report_set(report, GA_INVALID, "the request's %s cannot be sent by HTTP", fault) : GA_OK;
}

static struct wasi_http_fields *make_fields(struct worker *worker, const struct cabi_list *list)
{
    const struct tuple_string_list *from = list->items;
    struct wasi_http_fields *fields = wasi_http_fields_new(worker);
    for (size_t i = 0; i < list->count; i++)
        (void)wasi_http_fields_receive(worker, fields, from[i].f0, from[i].f1);
    return fields;
}

/* --- its body: a resource that no guest names --- */

struct body {
    char *data; /* region memory */
    size_t size, at;
    struct wasi_http_fields *trailers; /* NULL: none */
};

static void drop_body(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct body *body = record;
    (void)rep, (void)live;
    worker_region_free(worker, body->data, body->size);
    wasi_http_fields_release(worker, body->trailers);
}

static const struct host_resource_type body_type = {
    .name = "body of a request", .record_size = sizeof(struct body), .drop = drop_body};

static enum wasi_stream_state read_body(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                        size_t size, size_t *count_out, int *error_out)
{
    struct body *body = host_resource_get(worker, &body_type, stream->source);
    (void)error_out;
    *count_out = body->size - body->at < size ? body->size - body->at : size;
    if (*count_out == 0)
        return WASI_STREAM_CLOSED;
    memcpy(buffer, body->data + body->at, *count_out);
    body->at += *count_out;
    return WASI_STREAM_OK;
}

static bool get_trailers(struct worker *worker, uint32_t source, struct wasi_http_trailers *trailers_out)
{
    struct body *body = host_resource_get(worker, &body_type, source);
    *trailers_out = (struct wasi_http_trailers){.fields = body->trailers};
    body->trailers = NULL;
    return true;
}

static void drop_source(struct worker *worker, uint32_t source)
{
    host_resource_drop(worker, &body_type, source);
}

static const struct wasi_input_ops body_stream = {.pollable = &wasi_pollable_always, .read = read_body};
static const struct wasi_http_source_ops source_ops = {.stream = &body_stream,
                                                       .trailers = get_trailers,
                                                       .trailers_pollable = &wasi_pollable_always,
                                                       .drop = drop_source};

static uint32_t make_body(struct worker *worker, const request_value *request)
{
    uint32_t rep;
    const body_value *value = &request->body_and_trailers.value.some;
    struct body *body = host_resource_new(worker, &body_type, &rep);
    if (request->body_and_trailers.tag == 0)
        return rep;
    if (value->content.count > 0) {
        body->data = worker_region_alloc(worker, value->content.count);
        body->size = value->content.count;
        memcpy(body->data, value->content.items, body->size);
    }
    if (value->trailers.tag == 1)
        body->trailers = make_fields(worker, &value->trailers.value.some);
    return rep;
}

/* --- the response, the same --- */

struct response {
    enum { RESPONSE_NONE, RESPONSE_REFUSED, RESPONSE_BEGUN, RESPONSE_ABORTED, RESPONSE_COMPLETE } state;
    uint16_t status;
    uint32_t error;
    struct wasi_http_fields *headers, *trailers; /* trailers may be NULL */
    char *data;                                  /* region memory */
    size_t size, capacity;
};

static void drop_response(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct response *response = record;
    (void)rep, (void)live;
    worker_region_free(worker, response->data, response->capacity);
    wasi_http_fields_release(worker, response->headers);
    wasi_http_fields_release(worker, response->trailers);
}

static const struct host_resource_type response_type = {
    .name = "response of a handler", .record_size = sizeof(struct response), .drop = drop_response};

static struct response *get_response(struct worker *worker, uint32_t sink)
{
    return host_resource_get(worker, &response_type, sink);
}

/* The list is the guest's no more: what it was given of it is immutable, or a copy. */
static struct wasi_http_fields *share(const struct wasi_http_fields *fields)
{
    return fields ? wasi_http_fields_keep((struct wasi_http_fields *)fields) : NULL;
}

static void respond(struct worker *worker, uint32_t sink, uint16_t status, const struct wasi_http_fields *headers,
                    bool sized, uint64_t size)
{
    struct response *response = get_response(worker, sink);
    (void)sized, (void)size;
    response->state = RESPONSE_BEGUN;
    response->status = status;
    response->headers = share(headers);
}

static void refuse(struct worker *worker, uint32_t sink, const struct wasi_http_types_error_code *error)
{
    struct response *response = get_response(worker, sink);
    response->state = RESPONSE_REFUSED;
    response->error = error->tag;
}

static void make_room(struct worker *worker, struct response *response, size_t needed)
{
    if (needed > GA_MAX_CALL_BYTES / 2)
        worker_trap(worker, "the response's body is too large (limit is %u bytes)", GA_MAX_CALL_BYTES / 2);
    if (needed <= response->capacity)
        return;
    size_t capacity = needed + needed / 2;
    char *data = worker_region_alloc(worker, capacity);
    if (response->size > 0)
        memcpy(data, response->data, response->size);
    worker_region_free(worker, response->data, response->capacity);
    response->data = data;
    response->capacity = capacity;
}

static enum wasi_stream_state write_response(struct worker *worker, uint32_t sink, const void *data, size_t size)
{
    struct response *response = get_response(worker, sink);
    make_room(worker, response, response->size + size);
    if (size > 0)
        memcpy(response->data + response->size, data, size);
    response->size += size;
    return WASI_STREAM_OK;
}

static void finish(struct worker *worker, uint32_t sink, const struct wasi_http_fields *trailers)
{
    struct response *response = get_response(worker, sink);
    response->state = RESPONSE_COMPLETE;
    response->trailers = share(trailers);
}

static void abort_response(struct worker *worker, uint32_t sink)
{
    get_response(worker, sink)->state = RESPONSE_ABORTED;
}

static const struct wasi_http_sink_ops sink_ops = {
    .respond = respond, .refuse = refuse, .write = write_response, .finish = finish, .abort = abort_response};

/* --- the call --- */

/* The cases of method and scheme stand in the same order in both packages. */
static struct wasi_http_types_method method_of(const request_value *request)
{
    _Static_assert((int)GOLEM_AOT_VIRTUAL_HTTP_HANDLER_METHOD_CUSTOM == (int)WASI_HTTP_TYPES_METHOD_OTHER, "the order");
    struct wasi_http_types_method method = {.tag = request->method.tag};
    if (method.tag == WASI_HTTP_TYPES_METHOD_OTHER)
        method = wasi_http_method(request->method.value.custom);
    return method;
}

static struct option_wasi_http_types_scheme scheme_of(const request_value *request)
{
    _Static_assert((int)GOLEM_AOT_VIRTUAL_HTTP_HANDLER_SCHEME_CUSTOM == (int)WASI_HTTP_TYPES_SCHEME_OTHER, "the order");
    struct option_wasi_http_types_scheme scheme = {.tag = 1};
    scheme.value.some.tag = request->scheme.tag;
    if (request->scheme.tag == GOLEM_AOT_VIRTUAL_HTTP_HANDLER_SCHEME_CUSTOM)
        scheme.value.some.value.other = request->scheme.value.custom;
    return scheme;
}

void serve_virtual_make(struct worker *worker, const void *value, uint32_t params[2], uint32_t *response_out)
{
    const request_value *request = value;
    struct wasi_http_head head = {0};
    struct wasi_http_types_method method = method_of(request);
    struct option_wasi_http_types_scheme scheme = scheme_of(request);
    struct option_string authority = {.tag = 1}, path = {.tag = 1};
    authority.value.some = request->authority;
    path.value.some = request->path_and_query;
    wasi_http_head_set_method(worker, &head, &method);
    wasi_http_head_set_scheme(worker, &head, &scheme);
    wasi_http_text_set(worker, &head.authority, &authority);
    wasi_http_text_set(worker, &head.path, &path);
    head.headers = make_fields(worker, &request->headers);
    (void)host_resource_new(worker, &response_type, response_out);
    params[0] = wasi_http_incoming_request_new(worker, &head, &source_ops, make_body(worker, request));
    params[1] = wasi_http_response_outparam_new(worker, &sink_ops, *response_out);
}

static struct cabi_list copy_fields(struct ga_arena *arena, const struct wasi_http_fields *fields)
{
    struct tuple_string_list *items = ga_arena_array(arena, fields->count, sizeof *items);
    for (uint32_t i = 0; i < fields->count; i++) {
        struct cabi_string name = wasi_http_field_name(&fields->items[i]);
        struct cabi_list value = wasi_http_field_value(&fields->items[i]);
        items[i].f0 = (struct cabi_string){ga_arena_strndup(arena, name.data, name.size), name.size};
        items[i].f1 = (struct cabi_list){ga_arena_strndup(arena, value.items, value.count), value.count};
    }
    return (struct cabi_list){items, fields->count};
}

/* A body without bytes and trailers is none (as Golem has it). */
static void copy_response(struct ga_arena *arena, const struct response *response, response_value *value)
{
    body_value *body = &value->body_and_trailers.value.some;
    value->status = response->status;
    value->headers = copy_fields(arena, response->headers);
    value->body_and_trailers.tag = response->size > 0 || response->trailers;
    if (value->body_and_trailers.tag == 0)
        return;
    body->content = (struct cabi_list){ga_arena_strndup(arena, response->data ? response->data : "", response->size),
                                       response->size};
    body->trailers.tag = response->trailers != NULL;
    if (response->trailers)
        body->trailers.value.some = copy_fields(arena, response->trailers);
}

bool serve_virtual_take(struct worker *worker, uint32_t rep, struct ga_arena *arena, void *value)
{
    const struct response *response = get_response(worker, rep);
    if (response->state == RESPONSE_REFUSED)
        trap_note("the handler's response is the error %s", wasi_http_error_kind.print((int32_t)response->error));
    else if (response->state != RESPONSE_COMPLETE)
        trap_note(response->state == RESPONSE_NONE ? "the handler has set no response"
                                                   : "the handler's response is incomplete");
    if (response->state != RESPONSE_COMPLETE)
        return false;
    copy_response(arena, response, value);
    host_resource_drop(worker, &response_type, rep);
    return true;
}
