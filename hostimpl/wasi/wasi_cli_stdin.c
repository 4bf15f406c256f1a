#include <errno.h>

#include "io_clock.h"
#include "io_stdio.h"
#include "wasi_io.h"
#include "wasi_stdio.h"

/* A worker has no standard input: reading it traps, as in Golem. */

static enum wasi_stream_state read_disabled(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                            size_t size, size_t *count_out, int *error_out)
{
    (void)stream;
    (void)buffer;
    (void)size;
    (void)count_out;
    (void)error_out;
    worker_trap(worker, "standard input is disabled");
}

static const struct wasi_input_ops disabled_ops = {.pollable = &wasi_pollable_always, .read = read_disabled};

static bool stdin_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    (void)worker;
    (void)pollable;
    return io_stdin_wait(0);
}

static int stdin_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    (void)worker;
    (void)pollable;
    *events_out = POLLIN;
    return 0;
}

static const struct wasi_pollable_ops pollable_ops = {.ready = stdin_ready, .wait = stdin_wait};

static enum wasi_stream_state read_stdin(struct worker *worker, struct wasi_input_stream *stream, void *buffer,
                                         size_t size, size_t *count_out, int *error_out)
{
    (void)worker;
    (void)stream;
    *count_out = 0;
    if (!io_stdin_wait(0))
        return WASI_STREAM_OK;
    ssize_t got = io_stdin_read(buffer, size);
    if (got == -EAGAIN)
        return WASI_STREAM_OK;
    *count_out = got > 0 ? (size_t)got : 0;
    *error_out = (int)-got;
    return got > 0 ? WASI_STREAM_OK : got == 0 ? WASI_STREAM_CLOSED : WASI_STREAM_FAILED;
}

static void wait_stdin(struct worker *worker, struct wasi_input_stream *stream)
{
    (void)worker;
    (void)stream;
    (void)io_stdin_wait(IO_CLOCK_NEVER);
}

static const struct wasi_input_ops stdin_ops = {.pollable = &pollable_ops, .read = read_stdin, .wait = wait_stdin};

uint32_t wasi_cli_stdin_get_stdin(struct worker *worker)
{
    return wasi_input_stream_new(worker, wasi_stdio_is_own(worker) ? &stdin_ops : &disabled_ops, 0, 0);
}
