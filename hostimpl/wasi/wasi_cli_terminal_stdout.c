#include "host_functions.h"
#include "io_stdio.h"

/* A worker has no terminal; a command may. */
void wasi_cli_terminal_stdout_get_terminal_stdout(struct worker *worker, struct option_handle *result_out)
{
    result_out->tag = worker_is_command(worker) && io_stdio_is_terminal(1) ? 1 : 0;
    if (result_out->tag == 1)
        (void)host_resource_new(worker, &wasi_cli_terminal_output_terminal_output_type, &result_out->value.some);
}
