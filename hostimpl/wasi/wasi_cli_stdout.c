#include "wasi_io.h"

static enum wasi_stream_state write_stdout(struct worker *worker, struct wasi_output_stream *stream, const void *data,
                                           size_t size, int *error_out)
{
    (void)stream;
    (void)error_out;
    worker_log(worker, WORKER_STDOUT, data, size);
    return WASI_STREAM_OK;
}

static const struct wasi_output_ops stdout_ops = {.pollable = &wasi_pollable_always, .write = write_stdout};

uint32_t wasi_cli_stdout_get_stdout(struct worker *worker)
{
    return wasi_output_stream_new(worker, &stdout_ops, 0, 0);
}
