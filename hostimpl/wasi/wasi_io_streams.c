#include "io_clock.h"
#include "wasi_io.h"

/* wasi:io/streams over the operations of each kind of stream. An error is reported once, then the stream is closed. */

static void drop_input(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct wasi_input_stream *stream = record;
    (void)rep;
    (void)live;
    if (stream->ops->drop != NULL)
        stream->ops->drop(worker, stream);
}

static void drop_output(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct wasi_output_stream *stream = record;
    (void)rep;
    (void)live;
    if (stream->ops->drop != NULL)
        stream->ops->drop(worker, stream);
}

const struct host_resource_type wasi_io_streams_input_stream_type = {
    .name = "wasi:io/streams.input-stream",
    .record_size = sizeof(struct wasi_input_stream),
    .drop = drop_input,
};

const struct host_resource_type wasi_io_streams_output_stream_type = {
    .name = "wasi:io/streams.output-stream",
    .record_size = sizeof(struct wasi_output_stream),
    .drop = drop_output,
};

uint32_t wasi_input_stream_new(struct worker *worker, const struct wasi_input_ops *ops, uint32_t source, uint64_t offset)
{
    uint32_t rep;
    struct wasi_input_stream *stream = host_resource_new(worker, &wasi_io_streams_input_stream_type, &rep);
    *stream = (struct wasi_input_stream){.ops = ops, .source = source, .offset = offset};
    return rep;
}

uint32_t wasi_output_stream_new(struct worker *worker, const struct wasi_output_ops *ops, uint32_t sink, uint64_t offset)
{
    uint32_t rep;
    struct wasi_output_stream *stream = host_resource_new(worker, &wasi_io_streams_output_stream_type, &rep);
    *stream = (struct wasi_output_stream){.ops = ops, .sink = sink, .offset = offset};
    return rep;
}

static struct wasi_input_stream *get_input(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_io_streams_input_stream_type, rep);
}

static struct wasi_output_stream *get_output(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_io_streams_output_stream_type, rep);
}

/* How an operation ended: its state, and the errno of a failure. */
struct outcome {
    enum wasi_stream_state state;
    int error;
};

static uint32_t put_error(struct worker *worker, struct outcome outcome, struct wasi_io_streams_stream_error *out)
{
    if (outcome.state == WASI_STREAM_OK)
        return 0;
    if (outcome.state == WASI_STREAM_FAILED) {
        out->tag = WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED;
        out->value.last_operation_failed = wasi_error_new(worker, outcome.error);
    } else {
        out->tag = WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
    }
    return 1;
}

/* --- input --- */

static struct outcome read_stream(struct worker *worker, struct wasi_input_stream *stream, bool block, uint64_t size,
                                  struct cabi_list *out)
{
    struct outcome outcome = {stream->closed ? WASI_STREAM_CLOSED : WASI_STREAM_OK, 0};
    *out = (struct cabi_list){0};
    if (stream->closed || size == 0)
        return outcome;
    if (block && stream->ops->wait != NULL)
        stream->ops->wait(worker, stream);
    size_t wanted = size < WASI_STREAM_BYTES ? (size_t)size : WASI_STREAM_BYTES;
    out->items = ga_arena_alloc_raw(worker_scratch(worker), wanted);
    outcome.state = stream->ops->read(worker, stream, out->items, wanted, &out->count, &outcome.error);
    stream->closed = outcome.state != WASI_STREAM_OK;
    return outcome;
}

static void read_into(struct worker *worker, uint32_t self, bool block, uint64_t len,
                      struct result_list_wasi_io_streams_stream_error *result_out)
{
    struct cabi_list data;
    struct outcome outcome = read_stream(worker, get_input(worker, self), block, len, &data);
    result_out->tag = put_error(worker, outcome, &result_out->value.err);
    if (result_out->tag == 0)
        result_out->value.ok = data;
}

static void skip(struct worker *worker, uint32_t self, bool block, uint64_t len,
                 struct result_u64_wasi_io_streams_stream_error *result_out)
{
    struct cabi_list data;
    struct outcome outcome = read_stream(worker, get_input(worker, self), block, len, &data);
    result_out->tag = put_error(worker, outcome, &result_out->value.err);
    if (result_out->tag == 0)
        result_out->value.ok = data.count;
}

void wasi_io_streams_input_stream_read(struct worker *worker, uint32_t self, uint64_t len,
                                       struct result_list_wasi_io_streams_stream_error *result_out)
{
    read_into(worker, self, false, len, result_out);
}

void wasi_io_streams_input_stream_blocking_read(struct worker *worker, uint32_t self, uint64_t len,
                                                struct result_list_wasi_io_streams_stream_error *result_out)
{
    read_into(worker, self, true, len, result_out);
}

void wasi_io_streams_input_stream_skip(struct worker *worker, uint32_t self, uint64_t len,
                                       struct result_u64_wasi_io_streams_stream_error *result_out)
{
    skip(worker, self, false, len, result_out);
}

void wasi_io_streams_input_stream_blocking_skip(struct worker *worker, uint32_t self, uint64_t len,
                                                struct result_u64_wasi_io_streams_stream_error *result_out)
{
    skip(worker, self, true, len, result_out);
}

uint32_t wasi_io_streams_input_stream_subscribe(struct worker *worker, uint32_t self)
{
    return wasi_pollable_new(worker, get_input(worker, self)->ops->pollable, self, IO_CLOCK_NEVER);
}

/* --- output --- */

static struct outcome write_stream(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                   size_t size)
{
    struct outcome outcome = {stream->closed ? WASI_STREAM_CLOSED : WASI_STREAM_OK, 0};
    if (stream->closed || size == 0)
        return outcome;
    outcome.state = stream->ops->write(worker, stream, data, size, &outcome.error);
    stream->closed = outcome.state != WASI_STREAM_OK;
    return outcome;
}

/* WASI, "write": more than the last check-write permitted is a trap. */
static void take_permit(struct worker *worker, struct wasi_output_stream *stream, uint64_t size)
{
    if (size > stream->permit)
        worker_trap(worker, "write of %llu bytes, but check-write permitted %llu", (unsigned long long)size,
                    (unsigned long long)stream->permit);
    stream->permit -= size;
}

void wasi_io_streams_output_stream_check_write(struct worker *worker, uint32_t self,
                                               struct result_u64_wasi_io_streams_stream_error *result_out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    struct outcome outcome = {stream->closed ? WASI_STREAM_CLOSED : WASI_STREAM_OK, 0};
    stream->permit = stream->closed ? 0 : WASI_STREAM_BYTES;
    result_out->tag = put_error(worker, outcome, &result_out->value.err);
    if (result_out->tag == 0)
        result_out->value.ok = stream->permit;
}

void wasi_io_streams_output_stream_write(struct worker *worker, uint32_t self, struct cabi_list contents,
                                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    if (!stream->closed)
        take_permit(worker, stream, contents.count);
    result_out->tag =
        put_error(worker, write_stream(worker, stream, contents.items, contents.count), &result_out->value.err);
}

/* Does without permits. Golem takes more than the 4096 bytes that WASI speaks of, too. */
void wasi_io_streams_output_stream_blocking_write_and_flush(struct worker *worker, uint32_t self,
                                                            struct cabi_list contents,
                                                            struct result_void_wasi_io_streams_stream_error *result_out)
{
    struct outcome outcome = write_stream(worker, get_output(worker, self), contents.items, contents.count);
    result_out->tag = put_error(worker, outcome, &result_out->value.err);
}

/* Writes are done when they return: there is nothing to flush. */
void wasi_io_streams_output_stream_flush(struct worker *worker, uint32_t self,
                                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    result_out->tag = put_error(worker, write_stream(worker, get_output(worker, self), NULL, 0), &result_out->value.err);
}

void wasi_io_streams_output_stream_blocking_flush(struct worker *worker, uint32_t self,
                                                  struct result_void_wasi_io_streams_stream_error *result_out)
{
    wasi_io_streams_output_stream_flush(worker, self, result_out);
}

uint32_t wasi_io_streams_output_stream_subscribe(struct worker *worker, uint32_t self)
{
    return wasi_pollable_new(worker, get_output(worker, self)->ops->pollable, self, IO_CLOCK_NEVER);
}

/* size <= WASI_STREAM_BYTES */
static void write_zeroes(struct worker *worker, struct wasi_output_stream *stream, uint64_t size,
                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    void *zeroes = worker_alloc(worker, (size_t)size);
    result_out->tag = put_error(worker, write_stream(worker, stream, zeroes, (size_t)size), &result_out->value.err);
}

void wasi_io_streams_output_stream_write_zeroes(struct worker *worker, uint32_t self, uint64_t len,
                                                struct result_void_wasi_io_streams_stream_error *result_out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    if (!stream->closed)
        take_permit(worker, stream, len);
    write_zeroes(worker, stream, stream->closed ? 0 : len, result_out);
}

void wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(
    struct worker *worker, uint32_t self, uint64_t len, struct result_void_wasi_io_streams_stream_error *result_out)
{
    if (len > 4096)
        worker_trap(worker, "blocking-write-zeroes-and-flush of %llu bytes (at most 4096)", (unsigned long long)len);
    write_zeroes(worker, get_output(worker, self), len, result_out);
}

static void splice(struct worker *worker, uint32_t self, uint32_t src, bool block, uint64_t len,
                   struct result_u64_wasi_io_streams_stream_error *result_out)
{
    struct wasi_output_stream *to = get_output(worker, self);
    struct cabi_list data = {0};
    struct outcome outcome = {WASI_STREAM_CLOSED, 0};
    if (!to->closed)
        outcome = read_stream(worker, get_input(worker, src), block, len, &data);
    if (outcome.state == WASI_STREAM_OK)
        outcome = write_stream(worker, to, data.items, data.count);
    result_out->tag = put_error(worker, outcome, &result_out->value.err);
    if (result_out->tag == 0)
        result_out->value.ok = data.count;
}

void wasi_io_streams_output_stream_splice(struct worker *worker, uint32_t self, uint32_t src, uint64_t len,
                                          struct result_u64_wasi_io_streams_stream_error *result_out)
{
    splice(worker, self, src, false, len, result_out);
}

void wasi_io_streams_output_stream_blocking_splice(struct worker *worker, uint32_t self, uint32_t src, uint64_t len,
                                                   struct result_u64_wasi_io_streams_stream_error *result_out)
{
    splice(worker, self, src, true, len, result_out);
}
