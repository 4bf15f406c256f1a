#include "io_loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ga_assert.h"
#include "io_stream.h"

/* --- the loop --- */

static void flush_output(struct io_stream *stream);

static void write_queued(uv_prepare_t *prepare)
{
    struct io_loop *loop = prepare->data;
    while (loop->queued) {
        struct io_stream *stream = loop->queued;
        loop->queued = stream->next_queued;
        stream->queued = false;
        flush_output(stream);
    }
}

struct io_loop *io_loop_new(void)
{
    struct io_loop *loop = calloc(1, sizeof *loop);
    if (!loop || uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    loop->before_waiting.data = loop->timer.data = loop;
    uv_prepare_init(&loop->uv, &loop->before_waiting);
    uv_prepare_start(&loop->before_waiting, write_queued);
    uv_timer_init(&loop->uv, &loop->timer);
    return loop;
}

void io_loop_run(struct io_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void io_loop_stop(struct io_loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t io_loop_now_ms(const struct io_loop *loop)
{
    return uv_now(&loop->uv);
}

static void on_timer(uv_timer_t *timer)
{
    struct io_loop *loop = timer->data;
    loop->tick(loop->tick_context);
}

void io_loop_every(struct io_loop *loop, unsigned interval_ms, void (*tick)(void *context), void *context)
{
    loop->tick = tick;
    loop->tick_context = context;
    uv_timer_start(&loop->timer, on_timer, interval_ms, interval_ms);
}

static void on_signal(uv_signal_t *uv, int number)
{
    struct io_loop_signal *handler = uv->data;
    (void)number;
    handler->handle(handler->context);
}

int io_loop_on_signal(struct io_loop *loop, int number, void (*handle)(void *context), void *context)
{
    GA_ASSERT(loop->signal_count < sizeof loop->signals / sizeof *loop->signals);
    struct io_loop_signal *handler = &loop->signals[loop->signal_count++];
    *handler = (struct io_loop_signal){.handle = handle, .context = context};
    handler->uv.data = handler;
    int error = uv_signal_init(&loop->uv, &handler->uv);
    return error ? error : uv_signal_start(&handler->uv, on_signal, number);
}

/* --- streams --- */

static void on_closed(uv_handle_t *handle)
{
    struct io_stream *stream = handle->data;
    ga_buf_free(&stream->input);
    ga_buf_free(&stream->output);
    stream->ops->closed(stream);
}

static void unqueue(struct io_stream *stream)
{
    for (struct io_stream **at = &stream->loop->queued; *at; at = &(*at)->next_queued)
        if (*at == stream) {
            *at = stream->next_queued;
            break;
        }
    stream->queued = false;
}

static bool begin_closing(struct io_stream *stream)
{
    if (stream->closing)
        return false;
    stream->closing = true;
    if (stream->queued)
        unqueue(stream);
    return true;
}

void io_stream_close(struct io_stream *stream)
{
    if (begin_closing(stream))
        uv_close(&stream->uv.handle, on_closed);
}

void io_stream_reset(struct io_stream *stream)
{
    if (begin_closing(stream) && uv_tcp_close_reset(&stream->uv.tcp, on_closed) != 0)
        uv_close(&stream->uv.handle, on_closed);
}

void io_stream_init(struct io_stream *stream, struct io_loop *loop, const struct io_stream_ops *ops)
{
    stream->loop = loop;
    stream->ops = ops;
    stream->uv.handle.data = stream;
}

static void fail(struct io_stream *stream, int error)
{
    if (stream->closing || stream->failed)
        return;
    stream->failed = true;
    io_stream_read(stream, false);
    stream->ops->ended(stream, error);
}

/* --- input --- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct io_stream *stream = handle->data;
    (void)suggested;
    *room = uv_buf_init(stream->loop->input, sizeof stream->loop->input);
}

static void drop_front(struct ga_buf *buf, size_t size)
{
    memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
}

/* A connection may be idle for long. */
static void forget_empty(struct ga_buf *buf)
{
    enum { KEPT_BYTES = 16 << 10 };
    if (!buf->size && buf->capacity > KEPT_BYTES)
        ga_buf_free(buf);
}

static size_t give(struct io_stream *stream, const void *data, size_t size)
{
    stream->busy = true;
    size_t used = stream->ops->input(stream, data, size);
    stream->busy = false;
    return used;
}

void io_stream_again(struct io_stream *stream)
{
    if (stream->closing || stream->busy || !stream->input.size)
        return;
    size_t used = give(stream, stream->input.data, stream->input.size);
    if (stream->closing)
        return;
    drop_front(&stream->input, used);
    forget_empty(&stream->input);
}

static void on_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *room)
{
    struct io_stream *stream = uv->data;
    if (count < 0) {
        io_stream_read(stream, false);
        stream->ops->ended(stream, count == UV_EOF ? 0 : (int)count);
        return;
    }
    if (stream->input.size) {
        ga_buf_append(&stream->input, room->base, (size_t)count);
        io_stream_again(stream);
        return;
    }
    size_t used = give(stream, room->base, (size_t)count);
    if (!stream->closing && used < (size_t)count)
        ga_buf_append(&stream->input, room->base + used, (size_t)count - used);
}

void io_stream_read(struct io_stream *stream, bool wanted)
{
    if (stream->closing || wanted == stream->reading || (wanted && stream->failed))
        return;
    stream->reading = wanted;
    if (wanted)
        uv_read_start(&stream->uv.stream, on_room, on_read);
    else
        uv_read_stop(&stream->uv.stream);
}

/* --- output --- */

struct write {
    uv_write_t uv;
    struct ga_buf data;
};

size_t io_stream_waiting(const struct io_stream *stream)
{
    return stream->output.size + stream->in_flight;
}

bool io_stream_is_full(struct io_stream *stream)
{
    bool full = io_stream_waiting(stream) >= IO_STREAM_FULL;
    stream->was_full |= full;
    return full;
}

static void on_shut(uv_shutdown_t *shutdown, int error)
{
    struct io_stream *stream = shutdown->data;
    (void)error; /* whoever reads sees it too */
    if (!stream->closing)
        stream->ops->finished(stream);
}

static void finish_when_written(struct io_stream *stream)
{
    if (!stream->finishing || io_stream_waiting(stream) || stream->closing || stream->shutdown.data)
        return;
    stream->shutdown.data = stream;
    if (uv_shutdown(&stream->shutdown, &stream->uv.stream, on_shut) != 0)
        stream->ops->finished(stream);
}

/* Nothing waits any more. */
static void note_written(struct io_stream *stream)
{
    forget_empty(&stream->output);
    if (stream->was_full && !stream->closing) {
        stream->was_full = false;
        stream->ops->drained(stream);
    }
    if (!stream->queued)
        finish_when_written(stream);
}

void io_stream_finish(struct io_stream *stream)
{
    stream->finishing = true;
    if (!stream->queued)
        finish_when_written(stream);
}

static void on_written(uv_write_t *uv, int error)
{
    struct write *write = uv->data;
    struct io_stream *stream = uv->handle->data;
    stream->in_flight -= write->data.size;
    ga_buf_free(&write->data);
    free(write);
    if (error)
        fail(stream, error);
    else if (stream->output.size && !stream->closing)
        flush_output(stream);
    else
        note_written(stream);
}

/* What the system does not take at once waits in libuv; no more than one such write is under way. */
static void write_rest(struct io_stream *stream)
{
    struct write *write = calloc(1, sizeof *write);
    GA_ASSERT(write);
    write->uv.data = write;
    write->data = stream->output;
    stream->output = (struct ga_buf){0};
    stream->in_flight += write->data.size;
    uv_buf_t data = uv_buf_init((char *)write->data.data, (unsigned)write->data.size);
    int error = uv_write(&write->uv, &stream->uv.stream, &data, 1, on_written);
    if (!error)
        return;
    stream->in_flight -= write->data.size;
    ga_buf_free(&write->data);
    free(write);
    fail(stream, error);
}

static void flush_output(struct io_stream *stream)
{
    if (stream->closing || stream->in_flight || !stream->output.size)
        return;
    uv_buf_t data = uv_buf_init((char *)stream->output.data, (unsigned)stream->output.size);
    int written = uv_try_write(&stream->uv.stream, &data, 1);
    if (written < 0 && written != UV_EAGAIN) {
        stream->output.size = 0;
        fail(stream, written);
        return;
    }
    if (written > 0)
        drop_front(&stream->output, (size_t)written);
    if (stream->output.size)
        write_rest(stream);
    else
        note_written(stream);
}

void io_stream_write(struct io_stream *stream, const void *data, size_t size)
{
    if (stream->closing || stream->failed || !size)
        return;
    ga_buf_append(&stream->output, data, size);
    stream->put += size;
    if (stream->queued)
        return;
    stream->queued = true;
    stream->next_queued = stream->loop->queued;
    stream->loop->queued = stream;
}

/* --- channels --- */

struct io_channel {
    struct io_stream stream; /* first: it is what closed gives */
    const struct io_channel_ops *ops;
    void *context;
    bool wanted;
};

static size_t channel_input(struct io_stream *stream, const uint8_t *data, size_t size)
{
    struct io_channel *channel = (struct io_channel *)stream;
    size_t used = 0;
    while (channel->wanted && !stream->closing && size - used >= IO_CHANNEL_HEADER_BYTES) {
        uint32_t payload;
        memcpy(&payload, data + used, sizeof payload);
        if (payload > IO_CHANNEL_PAYLOAD_MAX) {
            channel->wanted = false;
            fail(stream, UV_EPROTO);
            return size;
        }
        if (size - used - IO_CHANNEL_HEADER_BYTES < payload)
            break;
        const uint8_t *message = data + used;
        used += IO_CHANNEL_HEADER_BYTES + payload;
        channel->ops->message(channel->context, message[4], message + IO_CHANNEL_HEADER_BYTES, payload);
    }
    return used;
}

static void channel_ended(struct io_stream *stream, int error)
{
    struct io_channel *channel = (struct io_channel *)stream;
    (void)error;
    channel->ops->ended(channel->context);
}

static void channel_drained(struct io_stream *stream)
{
    struct io_channel *channel = (struct io_channel *)stream;
    channel->ops->drained(channel->context);
}

static void channel_closed(struct io_stream *stream)
{
    free(stream);
}

static const struct io_stream_ops channel_stream_ops = {
    .input = channel_input, .ended = channel_ended, .drained = channel_drained, .closed = channel_closed};

struct io_channel *io_channel_open(struct io_loop *loop, int fd, const struct io_channel_ops *ops, void *context)
{
    struct io_channel *channel = calloc(1, sizeof *channel);
    GA_ASSERT(channel);
    *channel = (struct io_channel){.ops = ops, .context = context, .wanted = true};
    uv_pipe_init(&loop->uv, &channel->stream.uv.pipe, 0);
    io_stream_init(&channel->stream, loop, &channel_stream_ops);
    GA_ASSERT(uv_pipe_open(&channel->stream.uv.pipe, fd) == 0);
    io_stream_read(&channel->stream, true);
    return channel;
}

bool io_channel_send(struct io_channel *channel, uint8_t kind, const void *head, size_t head_size, const void *body,
                     size_t body_size)
{
    uint8_t header[IO_CHANNEL_HEADER_BYTES] = {0};
    uint32_t payload = (uint32_t)(head_size + body_size);
    GA_ASSERT(head_size + body_size <= IO_CHANNEL_PAYLOAD_MAX);
    memcpy(header, &payload, sizeof payload);
    header[4] = kind;
    io_stream_write(&channel->stream, header, sizeof header);
    io_stream_write(&channel->stream, head, head_size);
    io_stream_write(&channel->stream, body, body_size);
    return !io_stream_is_full(&channel->stream);
}

void io_channel_read(struct io_channel *channel, bool wanted)
{
    if (channel->wanted == wanted)
        return;
    channel->wanted = wanted;
    if (wanted)
        io_stream_again(&channel->stream);
    io_stream_read(&channel->stream, channel->wanted);
}

void io_channel_close(struct io_channel *channel)
{
    io_stream_close(&channel->stream);
}
