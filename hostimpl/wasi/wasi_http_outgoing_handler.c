#include <poll.h>
#include <string.h>

#include "ga_buf.h"
#include "wasi_http_exchange.h"

/* wasi:http/outgoing-handler, and the future that it gives. */

/* --- future-incoming-response --- */

struct ask {
    struct worker *worker;
    uint32_t exchange;
};

typedef struct golem_aot_recorded_http_response recorded_response;
enum {
    PENDING = GOLEM_AOT_RECORDED_HTTP_RESPONSE_PENDING,
    HEADERS_RECEIVED = GOLEM_AOT_RECORDED_HTTP_RESPONSE_HEADERS_RECEIVED,
    HTTP_ERROR = GOLEM_AOT_RECORDED_HTTP_RESPONSE_HTTP_ERROR
};

static recorded_response make_error(struct wasi_http_types_error_code error)
{
    return (recorded_response){HTTP_ERROR, {.http_error = error}};
}

static recorded_response make_answer(struct worker *worker, const struct io_http_exchange *io)
{
    recorded_response response = {HEADERS_RECEIVED, {.headers_received = {.status = (uint16_t)io_http_status(io)}}};
    size_t count;
    const struct io_http_field *fields = io_http_fields(io, &count);
    if (wasi_http_exchange_fields(worker, fields, count, &response.value.headers_received.headers))
        return response;
    return make_error(wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR));
}

static bool is_answered(const struct io_http_exchange *io)
{
    if (io_http_status(io) == 0 && !io_http_over(io))
        io_http_run();
    return io_http_status(io) != 0 || io_http_over(io);
}

static void make_response(void *context, void *result)
{
    const struct ask *ask = context;
    const struct io_http_exchange *io = wasi_http_exchange_io(ask->worker, ask->exchange);
    recorded_response *response = result;
    if (io != NULL && !is_answered(io)) {
        *response = (recorded_response){.tag = PENDING};
        durable_batch_silent(ask->worker);
    } else if (io == NULL) {
        *response = make_error(wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED));
    } else if (io_http_status(io) != 0) {
        *response = make_answer(ask->worker, io);
    } else {
        struct io_http_failure failure = io_http_failure(io);
        *response = make_error(wasi_http_exchange_error(ask->worker, &failure));
    }
}

/* What Golem has as the request of the recorded call. */
static struct tuple_golem_aot_recorded_http_request describe(struct worker *worker, const struct wasi_http_head *head)
{
    struct tuple_golem_aot_recorded_http_request request = {{.method = wasi_http_head_method(head)}};
    char *uri = worker_alloc(worker, head->authority.size + head->path.size);
    memcpy(uri, head->authority.data, head->authority.size);
    if (head->path.size > 0)
        memcpy(uri + head->authority.size, head->path.data, head->path.size);
    request.f0.uri = (struct cabi_string){uri, head->authority.size + head->path.size};
    request.f0.headers = wasi_http_fields_entries(worker, head->headers);
    return request;
}

static bool get_response(struct worker *worker, uint32_t exchange,
                         struct result_handle_wasi_http_types_error_code *result_out)
{
    struct ask ask = {worker, exchange};
    struct tuple_golem_aot_recorded_http_request request = describe(worker, wasi_http_exchange_head(worker, exchange));
    recorded_response response = {0};
    durable_batch_value(worker, wasi_http_exchange_begin(worker, exchange),
                        host_wasi_http_types_future_incoming_response_get.record_name,
                        host_type_golem_aot_recorded_http_asked, &request, host_type_golem_aot_recorded_http_response,
                        &response, make_response, &ask);
    result_out->tag = response.tag == HTTP_ERROR;
    if (response.tag == HTTP_ERROR)
        result_out->value.err = response.value.http_error;
    else if (response.tag == HEADERS_RECEIVED)
        result_out->value.ok =
            wasi_http_incoming_response_new(worker, response.value.headers_received.status,
                                            wasi_http_exchange_received(worker, &response.value.headers_received.headers),
                                            &wasi_http_exchange_source, exchange);
    return response.tag != PENDING;
}

static bool future_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    uint32_t exchange = wasi_http_future_exchange(worker, pollable->subject);
    const struct io_http_exchange *io = exchange != 0 ? wasi_http_exchange_io(worker, exchange) : NULL;
    return io == NULL || is_answered(io);
}

static int future_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    (void)worker;
    (void)pollable;
    *events_out = POLLIN;
    return io_http_fd();
}

static const struct wasi_pollable_ops future_pollable = {.ready = future_ready, .wait = future_wait};

static void drop_future(struct worker *worker, uint32_t exchange)
{
    wasi_http_exchange_end(worker, exchange);
    wasi_http_exchange_release(worker, exchange);
}

static const struct wasi_http_future_ops future_ops = {
    .get = get_response,
    .pollable = &future_pollable,
    .drop = drop_future,
};

/* --- handle --- */

static bool is_connect(const struct wasi_http_head *head)
{
    struct cabi_string method = wasi_http_head_method_text(head);
    return method.size == 7 && memcmp(method.data, "CONNECT", 7) == 0;
}

static bool is_text(struct cabi_string text, const char *other)
{
    return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

/* Why the request cannot be sent; false if it can. */
static bool is_refused(const struct wasi_http_head *head, uint32_t body, struct wasi_http_types_error_code *error_out)
{
    struct cabi_string scheme = wasi_http_head_scheme_text(head);
    uint64_t size;
    bool valid, sized = wasi_http_content_length(head->headers, &size, &valid);
    if (is_connect(head)) /* its answer would be a tunnel */
        *error_out = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_METHOD_INVALID);
    else if ((!is_text(scheme, "http") && !is_text(scheme, "https")) || !valid)
        *error_out = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR);
    else if (head->authority.data == NULL)
        *error_out = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID);
    else if (sized && ((body == 0 && size > 0) || size > INT64_MAX))
        *error_out = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE);
    else
        return false;
    return true;
}

/* Guests ask for the body of any request, and leave it empty. GET is sent with one only if the guest says its size, HEAD
 * never. */
static bool sends_body(const struct wasi_http_head *head)
{
    struct cabi_string method = wasi_http_head_method_text(head);
    uint64_t size;
    bool valid;
    if (is_text(method, "GET"))
        return wasi_http_content_length(head->headers, &size, &valid);
    return !is_text(method, "HEAD");
}

static struct wasi_http_options take_options(struct worker *worker, const struct option_handle *options)
{
    struct wasi_http_options taken = {0};
    if (options->tag == 0)
        return taken;
    taken = wasi_http_options_get(worker, options->value.some);
    host_resource_drop(worker, &wasi_http_types_request_options_type, options->value.some);
    return taken;
}

/* Golem's entry StartSpan and its traceparent header are left out. */
void wasi_http_outgoing_handler_handle(struct worker *worker, uint32_t request, const struct option_handle *options,
                                       struct result_handle_wasi_http_types_error_code *result_out)
{
    uint64_t begin;
    struct wasi_http_head head;
    uint32_t body;
    struct wasi_http_options taken = take_options(worker, options);
    wasi_http_outgoing_request_take(worker, request, &head, &body);
    enum durable_batch batch = durable_batch_begin(worker, &begin);
    result_out->tag = is_refused(&head, body, &result_out->value.err);
    if (body != 0 && (result_out->tag == 1 || !sends_body(&head))) {
        wasi_http_body_discard(worker, body);
        body = 0;
    }
    if (result_out->tag == 1) {
        durable_batch_end(worker, begin);
        wasi_http_head_free(worker, &head);
        return;
    }
    uint32_t exchange = wasi_http_exchange_new(worker, batch, begin, &head, body, &taken);
    result_out->value.ok = wasi_http_future_new(worker, &future_ops, exchange);
}
