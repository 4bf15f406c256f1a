#include "wasi_io.h"

static enum wasi_stream_state write_stderr(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                           size_t size, int *error_out)
{
    (void)stream;
    (void)error_out;
    worker_log(worker, WORKER_STDERR, data, size);
    return WASI_STREAM_OK;
}

static const struct wasi_output_ops stderr_ops = {.pollable = &wasi_pollable_always, .write = write_stderr};

uint32_t wasi_cli_stderr_get_stderr(struct worker *worker)
{
    return wasi_output_stream_new(worker, &stderr_ops, 0, 0);
}
