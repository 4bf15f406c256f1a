#include "wasi_http_exchange.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "durable.h"
#include "ga_assert.h"
#include "ga_limits.h"

/* Where nothing else was said: as long as others wait. */
static const uint64_t default_timeout_ns = 600ull * 1000000000u;

struct exchange {
    uint32_t references;
    uint64_t begin;
    bool ended;  /* the batch */
    bool closed; /* the response's body was read to its end */
    bool body;   /* the request has one */
    bool sized;  /* ... and its size is known */
    uint64_t size;
    struct wasi_http_head head;
    struct wasi_http_options options;
};

/* Of this process. The request's body waits here while it cannot be sent yet. */
struct live {
    enum durable_batch batch;
    struct io_http_exchange *io; /* NULL: not begun, or over */
    struct ga_arena arena;
    struct ga_buf waiting;
    bool finished, aborted;
    struct io_http_field *trailers;
    size_t trailer_count;
};

/* --- the resource --- */

static void stop(struct worker *worker, uint32_t rep, struct live *live)
{
    if (live->io != NULL)
        io_http_free(live->io);
    live->io = NULL;
    live->batch = DURABLE_BATCH_LOST; /* what is made of it from now on are errors */
    ga_buf_free(&live->waiting);
    host_resource_forbid_checkpoints(worker, rep, false);
}

static void drop_exchange(struct worker *worker, uint32_t rep, void *record, void *live_part)
{
    struct exchange *exchange = record;
    struct live *live = live_part;
    wasi_http_head_free(worker, &exchange->head);
    if (live == NULL)
        return;
    stop(worker, rep, live);
    ga_arena_free(&live->arena);
    free(live);
}

static const struct host_resource_type exchange_type = {
    .name = "HTTP exchange",
    .record_size = sizeof(struct exchange),
    .drop = drop_exchange,
};

static struct exchange *get_exchange(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &exchange_type, rep);
}

void wasi_http_exchange_release(struct worker *worker, uint32_t rep)
{
    if (--get_exchange(worker, rep)->references == 0)
        host_resource_drop(worker, &exchange_type, rep);
}

uint64_t wasi_http_exchange_begin(struct worker *worker, uint32_t rep)
{
    return get_exchange(worker, rep)->begin;
}

const struct wasi_http_head *wasi_http_exchange_head(struct worker *worker, uint32_t rep)
{
    return &get_exchange(worker, rep)->head;
}

static void end_batch(struct worker *worker, struct exchange *exchange)
{
    if (!exchange->ended)
        durable_batch_end(worker, exchange->begin);
    exchange->ended = true;
}

void wasi_http_exchange_end(struct worker *worker, uint32_t rep)
{
    struct live *live = *host_resource_live(worker, rep);
    end_batch(worker, get_exchange(worker, rep));
    if (live != NULL)
        stop(worker, rep, live);
}

/* --- sending --- */

static const char *text_of(struct live *live, struct cabi_string text)
{
    return ga_arena_strndup(&live->arena, text.data, text.size);
}

/* content-length is the transport's to say, from the body. */
static struct io_http_field *fields_of(struct live *live, const struct wasi_http_fields *fields, size_t *count_out)
{
    uint32_t length_at = 0;
    const struct wasi_http_field *length = wasi_http_fields_find(fields, "content-length", &length_at);
    struct io_http_field *list = ga_arena_array(&live->arena, fields->count, sizeof *list);
    *count_out = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        struct cabi_string name = wasi_http_field_name(&fields->items[i]);
        struct cabi_list value = wasi_http_field_value(&fields->items[i]);
        if (&fields->items[i] == length)
            continue;
        const char *copy = text_of(live, (struct cabi_string){name.data, name.size + value.count});
        list[(*count_out)++] = (struct io_http_field){copy, copy + name.size, name.size, value.count};
    }
    return list;
}

static uint64_t timeout_of(const struct option_u64 *timeout)
{
    return timeout->tag == 1 ? timeout->value.some : default_timeout_ns;
}

static const char *target_of(struct live *live, const struct wasi_http_text *path)
{
    if (path->size == 0)
        return "/";
    return ga_arena_printf(&live->arena, "%s%.*s", path->data[0] == '?' ? "/" : "", (int)path->size, path->data);
}

static void start(const struct exchange *exchange, struct live *live)
{
    const struct wasi_http_head *head = &exchange->head;
    struct io_http_request request = {
        .method = text_of(live, wasi_http_head_method_text(head)),
        .scheme = text_of(live, wasi_http_head_scheme_text(head)),
        .authority = text_of(live, (struct cabi_string){head->authority.data, head->authority.size}),
        .target = target_of(live, &head->path),
        .body = exchange->body,
        .body_size = exchange->sized ? (int64_t)exchange->size : -1,
        .connect_timeout_ns = timeout_of(&exchange->options.connect_timeout),
        .first_byte_timeout_ns = timeout_of(&exchange->options.first_byte_timeout),
        .between_bytes_timeout_ns = timeout_of(&exchange->options.between_bytes_timeout),
    };
    request.fields = fields_of(live, head->headers, &request.field_count);
    live->io = io_http_start(&request);
    io_http_write(live->io, live->waiting.data, live->waiting.size);
    ga_buf_free(&live->waiting);
    if (live->finished)
        io_http_finish(live->io, live->trailers, live->trailer_count);
    if (live->aborted)
        io_http_abort(live->io);
}

/* True if the request waits until the worker is live. */
static bool must_wait(struct worker *worker, const struct live *live)
{
    return live->batch == DURABLE_BATCH_DEFERRED && live->io == NULL && worker_replaying(worker);
}

struct io_http_exchange *wasi_http_exchange_io(struct worker *worker, uint32_t rep)
{
    struct live *live = *host_resource_live(worker, rep);
    bool wanted = live != NULL && (live->batch == DURABLE_BATCH_LIVE || live->batch == DURABLE_BATCH_DEFERRED);
    if (!wanted || must_wait(worker, live))
        return NULL;
    if (live->io == NULL)
        start(get_exchange(worker, rep), live);
    return live->io;
}

/* --- the request's body --- */

/* Beyond this a request's body waits for the server; but not while a response has begun, which the guest may have to
 * read before the server goes on: then beyond GA_MAX_HTTP_UNSENT_BYTES. */
enum { UNSENT_BYTES = 1 << 18 };

/* What others see of the request's body is not recorded, and is the same in replay (wasi_io.h). */
static bool is_recorded(struct worker *worker)
{
    return !worker_is_command(worker) && !worker_is_ephemeral(worker);
}

static bool has_room_now(const struct io_http_exchange *io)
{
    size_t unsent = io_http_unsent(io);
    return io_http_upload_over(io) || unsent < UNSENT_BYTES ||
           (io_http_status(io) != 0 && unsent < GA_MAX_HTTP_UNSENT_BYTES);
}

static bool has_room(const struct io_http_exchange *io)
{
    if (!has_room_now(io))
        io_http_run();
    return has_room_now(io);
}

static enum wasi_stream_state write_request(struct worker *worker, uint32_t rep, const void *data, size_t size)
{
    struct live *live = *host_resource_live(worker, rep);
    if (live != NULL && must_wait(worker, live)) {
        ga_buf_append(&live->waiting, data, size);
        return WASI_STREAM_OK;
    }
    struct io_http_exchange *io = wasi_http_exchange_io(worker, rep);
    if (io == NULL || io_http_upload_over(io))
        return is_recorded(worker) ? WASI_STREAM_OK : WASI_STREAM_CLOSED;
    io_http_write(io, data, size);
    for (io_http_run(); !has_room_now(io); io_http_wait())
        worker_about_to_wait(worker);
    return WASI_STREAM_OK;
}

static uint64_t permit_request(struct worker *worker, uint32_t rep)
{
    if (is_recorded(worker))
        return WASI_STREAM_BYTES;
    const struct io_http_exchange *io = wasi_http_exchange_io(worker, rep);
    return io == NULL || has_room(io) ? WASI_STREAM_BYTES : 0;
}

static bool request_ready(struct worker *worker, uint32_t rep)
{
    const struct io_http_exchange *io = wasi_http_exchange_io(worker, rep);
    return io == NULL || has_room(io);
}

static int wait_for_client(short *events_out)
{
    *events_out = POLLIN;
    return io_http_fd();
}

static int wait_request(struct worker *worker, uint32_t rep, short *events_out)
{
    (void)worker;
    (void)rep;
    return wait_for_client(events_out);
}

static void finish_request(struct worker *worker, uint32_t rep, const struct wasi_http_fields *trailers)
{
    struct live *live = *host_resource_live(worker, rep);
    if (live == NULL)
        return;
    live->finished = true;
    if (trailers != NULL)
        live->trailers = fields_of(live, trailers, &live->trailer_count);
    if (live->io == NULL)
        return;
    io_http_finish(live->io, live->trailers, live->trailer_count);
    io_http_run();
}

static void abort_request(struct worker *worker, uint32_t rep)
{
    struct live *live = *host_resource_live(worker, rep);
    if (live == NULL)
        return;
    live->aborted = true;
    if (live->io == NULL)
        return;
    io_http_abort(live->io);
    io_http_run();
}

static const struct wasi_http_sink_ops request_sink = {
    .write = write_request,
    .permit = permit_request,
    .ready = request_ready,
    .wait = wait_request,
    .finish = finish_request,
    .abort = abort_request,
    .drop = wasi_http_exchange_release,
};

uint32_t wasi_http_exchange_new(struct worker *worker, enum durable_batch batch, uint64_t begin,
                                const struct wasi_http_head *head, uint32_t body,
                                const struct wasi_http_options *options)
{
    uint32_t rep;
    struct exchange *exchange = host_resource_new(worker, &exchange_type, &rep);
    *exchange =
        (struct exchange){.references = 1, .begin = begin, .body = body != 0, .head = *head, .options = *options};
    exchange->sized = body != 0 && wasi_http_body_size(worker, body, &exchange->size);
    struct live *live = calloc(1, sizeof *live);
    GA_ASSERT(live != NULL);
    live->batch = batch;
    *host_resource_live(worker, rep) = live;
    if (batch == DURABLE_BATCH_LIVE || batch == DURABLE_BATCH_DEFERRED)
        host_resource_forbid_checkpoints(worker, rep, true);
    (void)wasi_http_exchange_io(worker, rep);
    if (body != 0) {
        exchange->references++;
        wasi_http_body_bind(worker, body, &request_sink, rep);
    }
    return rep;
}

/* --- errors --- */

/* What each error of the client is to the guest; by enum io_http_error. */
static const uint8_t error_codes[] = {
    [IO_HTTP_DNS_ERROR] = WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR,
    [IO_HTTP_UNAVAILABLE] = WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE,
    [IO_HTTP_UNROUTABLE] = WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_UNROUTABLE,
    [IO_HTTP_REFUSED] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED,
    [IO_HTTP_TERMINATED] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED,
    [IO_HTTP_CONNECT_TIMEOUT] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT,
    [IO_HTTP_READ_TIMEOUT] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT,
    [IO_HTTP_TLS_PROTOCOL] = WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR,
    [IO_HTTP_TLS_CERTIFICATE] = WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR,
    [IO_HTTP_TLS_ALERT] = WASI_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED,
    [IO_HTTP_URI_INVALID] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID,
    [IO_HTTP_RESPONSE_INCOMPLETE] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE,
    [IO_HTTP_HEADERS_TOO_LARGE] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_HEADER_SECTION_SIZE,
    [IO_HTTP_TRAILERS_TOO_LARGE] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRAILER_SECTION_SIZE,
    [IO_HTTP_TRANSFER_CODING] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TRANSFER_CODING,
    [IO_HTTP_PROTOCOL] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR,
    [IO_HTTP_CONFIGURATION] = WASI_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR,
    [IO_HTTP_INTERNAL] = WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
};

struct wasi_http_types_error_code wasi_http_exchange_error(struct worker *worker, const struct io_http_failure *failure)
{
    struct wasi_http_types_error_code code = wasi_http_error(error_codes[failure->error]);
    struct option_string text = {1, {worker_string(worker, failure->text)}};
    if (failure->error == IO_HTTP_TLS_ALERT)
        code.value.tls_alert_received =
            (struct wasi_http_types_tls_alert_received_payload){{1, {failure->tls_alert}}, text};
    else if (failure->error == IO_HTTP_INTERNAL)
        code.value.internal_error = text;
    return code;
}

/* --- the response's body --- */

static bool has_body(const struct io_http_exchange *io)
{
    if (io_http_readable(io) == 0 && !io_http_over(io))
        io_http_run();
    return io_http_readable(io) > 0 || io_http_over(io);
}

/* What is there, or how it ended. */
static enum wasi_stream_state read_response(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                            size_t size, size_t *count_out, int *error_out)
{
    struct io_http_exchange *io = wasi_http_exchange_io(worker, stream->source);
    *count_out = 0;
    *error_out = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED;
    if (io == NULL)
        return WASI_STREAM_FAILED;
    if (!has_body(io))
        return WASI_STREAM_OK;
    *count_out = io_http_read(io, buffer, size);
    if (*count_out > 0)
        return WASI_STREAM_OK;
    struct io_http_failure failure = io_http_failure(io);
    *error_out = error_codes[failure.error];
    return failure.error != IO_HTTP_OK ? WASI_STREAM_FAILED : WASI_STREAM_CLOSED;
}

static bool response_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct wasi_input_stream *stream =
        host_resource_get(worker, &wasi_io_streams_input_stream_type, pollable->subject);
    const struct io_http_exchange *io = wasi_http_exchange_io(worker, stream->source);
    return stream->closed || io == NULL || has_body(io);
}

static int wait_pollable(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    (void)worker;
    (void)pollable;
    return wait_for_client(events_out);
}

static const struct wasi_pollable_ops response_pollable = {.ready = response_ready, .wait = wait_pollable};

/* The end of a body is the end of the exchange, but for its trailers: without any, nothing is under way any more. */
static void response_ended(struct worker *worker, uint32_t rep, enum wasi_stream_state state)
{
    struct live *live = *host_resource_live(worker, rep);
    size_t trailer_count = 0;
    if (state != WASI_STREAM_CLOSED)
        return;
    get_exchange(worker, rep)->closed = true;
    end_batch(worker, get_exchange(worker, rep));
    if (live == NULL || live->io == NULL)
        return;
    (void)io_http_trailers(live->io, &trailer_count);
    if (trailer_count == 0)
        host_resource_forbid_checkpoints(worker, rep, false);
}

static void drop_response_stream(struct worker *worker, struct wasi_input_stream *stream)
{
    end_batch(worker, get_exchange(worker, stream->source));
}

static const struct wasi_stream_recording response_recording = {
    .names = WASI_STREAM_NAMES("http::types::incoming_body_stream"),
    .batch = wasi_http_exchange_begin,
    .ended = response_ended,
};

static const struct wasi_input_ops response_stream = {
    .pollable = &response_pollable,
    .read = read_response,
    .drop = drop_response_stream,
    .error_kind = &wasi_http_error_kind,
    .recording = &response_recording,
};

/* --- its trailers --- */

/* Reads on in what is left of the body; true when there is nothing more to wait for. Not for ever: it may have no end. */
static bool skip_body(struct worker *worker, uint32_t rep)
{
    struct io_http_exchange *io = wasi_http_exchange_io(worker, rep);
    uint8_t skipped[4096];
    for (size_t left = 4 * IO_HTTP_BUFFER_BYTES; left > 0 && io != NULL && has_body(io) && !io_http_over(io);)
        left -= io_http_read(io, skipped, left < sizeof skipped ? left : sizeof skipped);
    return io == NULL || io_http_over(io);
}

static bool trailers_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    uint32_t rep = wasi_http_trailers_source(worker, pollable->subject);
    return rep == 0 || skip_body(worker, rep);
}

static const struct wasi_pollable_ops trailers_pollable = {.ready = trailers_ready, .wait = wait_pollable};

/* The types of what is recorded. */
typedef struct option_result_option_list_wasi_http_types_error_code recorded_trailers;

struct ask {
    struct worker *worker;
    uint32_t rep;
};

/* What a recovered worker cannot know any more: where the body was read to its end, there were none, as is usual. */
static void make_trailers_without_io(const struct ask *ask, recorded_trailers *trailers)
{
    trailers->tag = 1;
    trailers->value.some.tag = !get_exchange(ask->worker, ask->rep)->closed;
    if (trailers->value.some.tag == 1)
        trailers->value.some.value.err = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
}

static void make_trailers(void *context, void *result)
{
    const struct ask *ask = context;
    recorded_trailers *trailers = result;
    trailers->tag = skip_body(ask->worker, ask->rep);
    struct io_http_exchange *io = wasi_http_exchange_io(ask->worker, ask->rep);
    if (io == NULL) {
        make_trailers_without_io(ask, trailers);
        return;
    }
    if (trailers->tag == 0)
        return;
    struct io_http_failure failure = io_http_failure(io);
    trailers->value.some.tag = failure.error != IO_HTTP_OK;
    if (failure.error != IO_HTTP_OK) {
        trailers->value.some.value.err = wasi_http_exchange_error(ask->worker, &failure);
        return;
    }
    size_t count;
    const struct io_http_field *fields = io_http_trailers(io, &count);
    bool valid = wasi_http_exchange_fields(ask->worker, fields, count, &trailers->value.some.value.ok.value.some);
    trailers->value.some.tag = !valid;
    if (valid)
        trailers->value.some.value.ok.tag = trailers->value.some.value.ok.value.some.count > 0;
    else
        trailers->value.some.value.err = wasi_http_error(WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR);
}

/* By the time that a guest asks, the batch has ended (reference: Golem 1.2): an entry of its own. */
static bool get_trailers(struct worker *worker, uint32_t rep, struct wasi_http_trailers *trailers_out)
{
    struct ask ask = {worker, rep};
    recorded_trailers recorded = {0};
    durable_value(worker, host_wasi_http_types_future_trailers_get.record_name, DURABLE_READ_REMOTE, NULL, NULL,
                  host_type_golem_aot_recorded_http_trailers, &recorded, make_trailers, &ask);
    *trailers_out = (struct wasi_http_trailers){.failed = recorded.value.some.tag == 1};
    if (recorded.tag == 0)
        return false;
    if (trailers_out->failed)
        trailers_out->error = recorded.value.some.value.err;
    else if (recorded.value.some.value.ok.tag == 1)
        trailers_out->fields = wasi_http_exchange_received(worker, &recorded.value.some.value.ok.value.some);
    return true;
}

/* --- fields that were received --- */

bool wasi_http_exchange_fields(struct worker *worker, const struct io_http_field *fields, size_t count,
                               struct cabi_list *list_out)
{
    struct tuple_string_list *list = worker_alloc(worker, count * sizeof *list);
    *list_out = (struct cabi_list){list, 0};
    for (size_t i = 0; i < count; i++) {
        struct cabi_string name = {fields[i].name, fields[i].name_size};
        struct cabi_list value = {(void *)(uintptr_t)fields[i].value, fields[i].value_size};
        enum wasi_http_field_check check = wasi_http_field_check(name, value);
        if (check == WASI_HTTP_FIELD_INVALID)
            return false;
        if (check == WASI_HTTP_FIELD_FINE)
            list[list_out->count++] = (struct tuple_string_list){name, value};
    }
    return true;
}

struct wasi_http_fields *wasi_http_exchange_received(struct worker *worker, const struct cabi_list *list)
{
    struct wasi_http_fields *fields = wasi_http_fields_new(worker);
    const struct tuple_string_list *field = list->items;
    for (size_t i = 0; i < list->count; i++)
        (void)wasi_http_fields_receive(worker, fields, field[i].f0, field[i].f1);
    return fields;
}

/* --- the source --- */

static void drop_source(struct worker *worker, uint32_t rep)
{
    wasi_http_exchange_end(worker, rep);
    wasi_http_exchange_release(worker, rep);
}

static void finish_source(struct worker *worker, uint32_t rep)
{
    end_batch(worker, get_exchange(worker, rep));
}

const struct wasi_http_source_ops wasi_http_exchange_source = {
    .stream = &response_stream,
    .trailers = get_trailers,
    .trailers_pollable = &trailers_pollable,
    .finished = finish_source,
    .drop = drop_source,
};
