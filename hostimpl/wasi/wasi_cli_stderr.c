#include "wasi_stdio.h"

uint32_t wasi_cli_stderr_get_stderr(struct worker *worker)
{
    return wasi_stdio_output(worker, WORKER_STDERR);
}
