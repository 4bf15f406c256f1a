#include "host_functions.h"

void wasi_cli_exit_exit(struct worker *worker, const struct result_void_void *status)
{
    worker_exit(worker, status->tag == 0 ? 0 : 1);
}

void wasi_cli_exit_exit_with_code(struct worker *worker, uint8_t status_code)
{
    worker_exit(worker, status_code);
}
