#include <errno.h>
#include <poll.h>

#include "io_clock.h"
#include "wasi_io.h"
#include "wasi_sockets_tcp.h"

/*
 * The streams of a TCP connection. Their source and sink is the socket, whose live part is gone after a restart: then they
 * fail once with ECONNABORTED, and are closed.
 */

static struct io_socket *connection(struct worker *worker, uint32_t socket)
{
    return *host_resource_live(worker, socket);
}

static enum wasi_stream_state failed(int error, int *error_out)
{
    *error_out = error;
    return WASI_STREAM_FAILED;
}

static const struct wasi_stream_recording recording = {
    .names = WASI_STREAM_NAMES("sockets::tcp"),
    .commit_before = true,
};

/* --- input --- */

static bool input_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct wasi_input_stream *stream =
        host_resource_get(worker, &wasi_io_streams_input_stream_type, pollable->subject);
    const struct io_socket *live = connection(worker, stream->source);
    return stream->closed || live == NULL || io_socket_has(live, POLLIN);
}

static int input_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    const struct wasi_input_stream *stream =
        host_resource_get(worker, &wasi_io_streams_input_stream_type, pollable->subject);
    *events_out = POLLIN;
    return io_socket_fd(connection(worker, stream->source));
}

static const struct wasi_pollable_ops input_pollable = {.ready = input_ready, .wait = input_wait};

static enum wasi_stream_state read_input(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                         size_t size, size_t *count_out, int *error_out)
{
    struct io_socket *live = connection(worker, stream->source);
    ssize_t got = live == NULL ? -ECONNABORTED : io_socket_read(live, buffer, size);
    *count_out = got > 0 ? (size_t)got : 0;
    if (got > 0 || got == -EAGAIN)
        return WASI_STREAM_OK;
    return got == 0 ? WASI_STREAM_CLOSED : failed((int)-got, error_out);
}

static void drop_input(struct worker *worker, struct wasi_input_stream *stream)
{
    wasi_tcp_get(worker, stream->source)->input = 0;
}

static const struct wasi_input_ops input_ops = {
    .pollable = &input_pollable,
    .read = read_input,
    .drop = drop_input,
    .recording = &recording,
};

/* --- output --- */

/* The end that the peer made is no failure. */
static enum wasi_stream_state output_state(int status, int *error_out)
{
    if (status == 0)
        return WASI_STREAM_OK;
    return status == -EPIPE ? WASI_STREAM_CLOSED : failed(-status, error_out);
}

static bool output_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct wasi_output_stream *stream =
        host_resource_get(worker, &wasi_io_streams_output_stream_type, pollable->subject);
    struct io_socket *live = connection(worker, stream->sink);
    return stream->closed || live == NULL || io_socket_room(live) != 0;
}

static int output_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    const struct wasi_output_stream *stream =
        host_resource_get(worker, &wasi_io_streams_output_stream_type, pollable->subject);
    *events_out = POLLOUT;
    return io_socket_fd(connection(worker, stream->sink));
}

static const struct wasi_pollable_ops output_pollable = {.ready = output_ready, .wait = output_wait};

static enum wasi_stream_state permit_output(struct worker *worker, struct wasi_output_stream *stream,
                                            uint64_t *permit_out, int *error_out)
{
    struct io_socket *live = connection(worker, stream->sink);
    ssize_t room = live == NULL ? -ECONNABORTED : io_socket_room(live);
    *permit_out = room > 0 ? (uint64_t)room : 0;
    return output_state(room < 0 ? (int)room : 0, error_out);
}

static enum wasi_stream_state write_output(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                           size_t size, int *error_out)
{
    struct io_socket *live = connection(worker, stream->sink);
    return output_state(live == NULL ? -ECONNABORTED : io_socket_write(live, data, size), error_out);
}

static enum wasi_stream_state flush_output(struct worker *worker, struct wasi_output_stream *stream, bool block,
                                           int *error_out)
{
    struct io_socket *live = connection(worker, stream->sink);
    int unsent = live == NULL ? -ECONNABORTED : io_socket_unsent(live);
    while (block && unsent > 0) {
        uint32_t self = wasi_tcp_get(worker, stream->sink)->output;
        wasi_pollable_wait(worker, &(struct wasi_pollable){&output_pollable, self, IO_CLOCK_NEVER});
        unsent = io_socket_unsent(live);
    }
    return output_state(unsent < 0 ? unsent : 0, error_out);
}

static void drop_output(struct worker *worker, struct wasi_output_stream *stream)
{
    wasi_tcp_get(worker, stream->sink)->output = 0;
}

static const struct wasi_output_ops output_ops = {
    .pollable = &output_pollable,
    .write = write_output,
    .drop = drop_output,
    .permit = permit_output,
    .flush = flush_output,
    .recording = &recording,
};

void wasi_tcp_open_streams(struct worker *worker, uint32_t rep, struct wasi_tcp_socket *tcp)
{
    tcp->input = wasi_input_stream_new(worker, &input_ops, rep, 0);
    host_resource_set_parent(worker, tcp->input, rep);
    tcp->output = wasi_output_stream_new(worker, &output_ops, rep, 0);
    host_resource_set_parent(worker, tcp->output, rep);
}
