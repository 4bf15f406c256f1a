#include "wasi_stdio.h"

uint32_t wasi_cli_stdout_get_stdout(struct worker *worker)
{
    return wasi_stdio_output(worker, WORKER_STDOUT);
}
