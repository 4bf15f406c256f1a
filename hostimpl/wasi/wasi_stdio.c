#include "wasi_stdio.h"

#include <errno.h>
#include <poll.h>

#include "io_stdio.h"
#include "wasi_io.h"

bool wasi_stdio_is_own(struct worker *worker)
{
    return worker_is_command(worker) && worker_is_ephemeral(worker);
}

/* --- logged --- */

static enum wasi_stream_state log_stdout(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                         size_t size, int *error_out)
{
    (void)stream;
    (void)error_out;
    worker_log(worker, WORKER_STDOUT, data, size);
    return WASI_STREAM_OK;
}

static enum wasi_stream_state log_stderr(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                         size_t size, int *error_out)
{
    (void)stream;
    (void)error_out;
    worker_log(worker, WORKER_STDERR, data, size);
    return WASI_STREAM_OK;
}

static const struct wasi_output_ops logged_ops[] = {
    [WORKER_STDOUT] = {.pollable = &wasi_pollable_always, .write = log_stdout},
    [WORKER_STDERR] = {.pollable = &wasi_pollable_always, .write = log_stderr},
};

/* --- the process's own: the stream's offset is the file descriptor --- */

static int fd_of(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct wasi_output_stream *stream =
        host_resource_get(worker, &wasi_io_streams_output_stream_type, pollable->subject);
    return (int)stream->offset;
}

static bool own_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    return io_stdio_room(fd_of(worker, pollable), 1) > 0;
}

static int own_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    *events_out = POLLOUT;
    return fd_of(worker, pollable);
}

static const struct wasi_pollable_ops own_pollable = {.ready = own_ready, .wait = own_wait};

static enum wasi_stream_state write_own(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                        size_t size, int *error_out)
{
    (void)worker;
    *error_out = io_stdio_write((int)stream->offset, data, size);
    if (*error_out == 0)
        return WASI_STREAM_OK;
    return *error_out == EPIPE ? WASI_STREAM_CLOSED : WASI_STREAM_FAILED;
}

static enum wasi_stream_state permit_own(struct worker *worker, struct wasi_output_stream *stream, uint64_t *permit_out,
                                         int *error_out)
{
    (void)worker;
    (void)error_out;
    *permit_out = io_stdio_room((int)stream->offset, WASI_STREAM_BYTES);
    return WASI_STREAM_OK;
}

static const struct wasi_output_ops own_ops = {.pollable = &own_pollable, .write = write_own, .permit = permit_own};

/* --- what the interfaces ask for --- */

uint32_t wasi_stdio_output(struct worker *worker, enum worker_stream stream)
{
    if (!wasi_stdio_is_own(worker))
        return wasi_output_stream_new(worker, &logged_ops[stream], 0, 0);
    return wasi_output_stream_new(worker, &own_ops, 0, stream == WORKER_STDOUT ? 1 : 2);
}

void wasi_stdio_terminal(struct worker *worker, const struct host_resource_type *type, int fd,
                         struct option_handle *result_out)
{
    result_out->tag = wasi_stdio_is_own(worker) && io_stdio_is_terminal(fd) ? 1 : 0;
    if (result_out->tag == 1)
        (void)host_resource_new(worker, type, &result_out->value.some);
}
