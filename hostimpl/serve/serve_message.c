#include <stdio.h>
#include <string.h>

#include "io_clock.h"
#include "serve_worker.h"

/*
 * The request's body as a source, the response as a sink (wasi_http.h). There is one of each at a time, and nothing of them is
 * recorded, so their state is the process's.
 */
static enum { NOT_ANSWERED, ANSWERED, OVER } response;
static bool written; /* some of its body */

/* --- the request's body --- */

static enum wasi_stream_state read_body(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                        size_t size, size_t *count_out, int *error_out)
{
    const uint8_t *data;
    size_t there;
    (void)worker, (void)stream;
    enum serve_body_state state = serve_link_body(&data, &there);
    *error_out = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED;
    *count_out = there < size ? there : size;
    if (state == SERVE_BODY_COMPLETE || state == SERVE_BODY_ABORTED)
        return state == SERVE_BODY_COMPLETE ? WASI_STREAM_CLOSED : WASI_STREAM_FAILED;
    if (*count_out)
        memcpy(buffer, data, *count_out);
    serve_link_take(*count_out);
    return WASI_STREAM_OK;
}

static bool body_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    const uint8_t *data;
    size_t size;
    (void)worker, (void)pollable;
    return serve_link_body(&data, &size) != SERVE_BODY_WAITS;
}

static int wait_for_server(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    (void)worker, (void)pollable;
    *events_out = POLLIN;
    return serve_link_fd();
}

static const struct wasi_pollable_ops body_pollable = {.ready = body_ready, .wait = wait_for_server};
static const struct wasi_input_ops body_stream = {
    .pollable = &body_pollable, .read = read_body, .error_kind = &wasi_http_error_kind};

static struct wasi_http_fields *receive_fields(struct worker *worker, struct ga_reader *message)
{
    struct io_http_field fields[IO_HTTP_FIELDS_MAX];
    uint32_t count = serve_read_fields(message, fields);
    struct wasi_http_fields *received = wasi_http_fields_new(worker);
    for (uint32_t i = 0; i < count; i++) {
        struct cabi_string name = {fields[i].name.data, fields[i].name.size};
        struct cabi_list value = {(void *)fields[i].value.data, fields[i].value.size};
        (void)wasi_http_fields_receive(worker, received, name, value); /* the server has checked them, and their size */
    }
    return received;
}

static bool trailers_are_there(void)
{
    const uint8_t *data;
    size_t size;
    enum serve_body_state state;
    while ((state = serve_link_body(&data, &size)) == SERVE_BODY_PIECE)
        serve_link_take(size);
    return state != SERVE_BODY_WAITS;
}

static bool get_trailers(struct worker *worker, uint32_t source, struct wasi_http_trailers *trailers_out)
{
    const uint8_t *data;
    size_t size;
    (void)source;
    if (!trailers_are_there())
        return false;
    *trailers_out = (struct wasi_http_trailers){0};
    trailers_out->failed = serve_link_body(&data, &size) == SERVE_BODY_ABORTED;
    if (trailers_out->failed) {
        trailers_out->error = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
        return true;
    }
    struct ga_reader message = serve_link_trailers();
    struct wasi_http_fields *fields = receive_fields(worker, &message);
    if (fields->count)
        trailers_out->fields = fields;
    else
        wasi_http_fields_release(worker, fields);
    return true;
}

static bool trailers_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    (void)worker, (void)pollable;
    return trailers_are_there();
}

static const struct wasi_pollable_ops trailers_pollable = {.ready = trailers_ready, .wait = wait_for_server};
static const struct wasi_http_source_ops source_ops = {
    .stream = &body_stream, .trailers = get_trailers, .trailers_pollable = &trailers_pollable};

/* --- the response --- */

static void put_fields(struct ga_buf *out, const struct wasi_http_fields *fields)
{
    serve_put_field_count(out, fields ? fields->count : 0);
    for (uint32_t i = 0; fields && i < fields->count; i++) {
        struct cabi_string name = wasi_http_field_name(&fields->items[i]);
        struct cabi_list value = wasi_http_field_value(&fields->items[i]);
        serve_put_text(out, name.data, name.size);
        serve_put_text(out, value.items, value.count);
    }
}

static void fail(const char *why)
{
    worker_this.config->remark(why);
    serve_link_put(SERVE_FAILED, NULL, 0);
    response = OVER;
}

/* The head leaves with what comes next, or when the guest waits. */
static void respond(struct worker *worker, uint32_t sink, uint16_t status, const struct wasi_http_fields *headers,
                    bool sized, uint64_t size)
{
    struct ga_buf head = {0};
    (void)worker, (void)sink;
    response = ANSWERED;
    if (headers->count > IO_HTTP_FIELDS_MAX) {
        fail("the handler's response has too many fields");
        return;
    }
    ga_buf_le(&head, status, 2);
    ga_buf_le(&head, sized ? size : IO_HTTP_SIZE_UNKNOWN, 8);
    put_fields(&head, headers);
    serve_link_put(SERVE_HEAD, head.data, head.size);
    ga_buf_free(&head);
}

static void refuse(struct worker *worker, uint32_t sink, const struct wasi_http_types_error_code *error)
{
    char why[128];
    (void)worker, (void)sink;
    snprintf(why, sizeof why, "the handler's response is the error %s", wasi_http_error_kind.print((int32_t)error->tag));
    fail(why);
}

static enum wasi_stream_state write_response(struct worker *worker, uint32_t sink, const void *data, size_t size)
{
    (void)worker, (void)sink;
    if (response != ANSWERED || (written && serve_link_is_aborted()))
        return WASI_STREAM_CLOSED;
    written = true;
    for (const uint8_t *at = data, *end = at + size; at < end;) {
        size_t piece = (size_t)(end - at) < SERVE_PIECE_BYTES ? (size_t)(end - at) : SERVE_PIECE_BYTES;
        serve_link_put(SERVE_DATA, at, piece);
        at += piece;
    }
    serve_link_flush();
    return WASI_STREAM_OK;
}

static bool has_room(struct worker *worker, uint32_t sink)
{
    (void)worker, (void)sink;
    return serve_link_has_room();
}

static uint64_t permit(struct worker *worker, uint32_t sink)
{
    return has_room(worker, sink) ? WASI_STREAM_BYTES : 0;
}

static int wait_for_room(struct worker *worker, uint32_t sink, short *events_out)
{
    (void)worker, (void)sink;
    *events_out = POLLOUT;
    return serve_link_fd();
}

static void finish(struct worker *worker, uint32_t sink, const struct wasi_http_fields *trailers)
{
    struct ga_buf end = {0};
    (void)worker, (void)sink;
    if (response == OVER)
        return;
    if (trailers && trailers->count > IO_HTTP_FIELDS_MAX) {
        fail("the handler's response has too many trailers");
        return;
    }
    put_fields(&end, trailers);
    serve_link_put(SERVE_END, end.data, end.size);
    serve_link_flush(); /* the handler may go on for long */
    ga_buf_free(&end);
    response = OVER;
}

static void abort_response(struct worker *worker, uint32_t sink)
{
    (void)worker, (void)sink;
    if (response == ANSWERED)
        serve_link_put(SERVE_FAILED, NULL, 0);
    response = OVER;
}

static const struct wasi_http_sink_ops sink_ops = {
    .respond = respond,
    .refuse = refuse,
    .write = write_response,
    .permit = permit,
    .ready = has_room,
    .wait = wait_for_room,
    .finish = finish,
    .abort = abort_response,
};

void serve_message_end(const char *why)
{
    if (why)
        worker_this.config->remark(why);
    if (response == NOT_ANSWERED && !why)
        fail("the handler has set no response");
    if (response != OVER)
        serve_link_put(SERVE_FAILED, NULL, 0);
    response = OVER;
}

/* --- the parameters --- */

static struct option_string text_option(struct io_http_slice text)
{
    struct option_string option = {.tag = text.size > 0};
    option.value.some = (struct cabi_string){text.data, text.size};
    return option;
}

void serve_message_make(struct worker *worker, void *context)
{
    struct serve_request *request = context;
    struct ga_reader *message = &request->message;
    struct wasi_http_head head = {0};
    response = NOT_ANSWERED;
    written = false;
    struct option_wasi_http_types_scheme scheme = {.tag = 1};
    scheme.value.some.tag = ga_read_u8(message) ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP;
    wasi_http_head_set_scheme(worker, &head, &scheme);
    struct io_http_slice text = serve_read_text(message);
    struct wasi_http_types_method method = wasi_http_method((struct cabi_string){text.data, text.size});
    wasi_http_head_set_method(worker, &head, &method);
    struct option_string authority = text_option(serve_read_text(message)), path = text_option(serve_read_text(message));
    wasi_http_text_set(worker, &head.authority, &authority);
    wasi_http_text_set(worker, &head.path, &path);
    head.headers = receive_fields(worker, message);
    request->params.request = wasi_http_incoming_request_new(worker, &head, &source_ops, 0);
    request->params.response_out = wasi_http_response_outparam_new(worker, &sink_ops, 0);
}
