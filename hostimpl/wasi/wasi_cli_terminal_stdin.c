#include "host_functions.h"
#include "io_stdio.h"

/* A worker has no terminal; a command may. */
void wasi_cli_terminal_stdin_get_terminal_stdin(struct worker *worker, struct option_handle *result_out)
{
    result_out->tag = worker_is_command(worker) && io_stdio_is_terminal(0) ? 1 : 0;
    if (result_out->tag == 1)
        (void)host_resource_new(worker, &wasi_cli_terminal_input_terminal_input_type, &result_out->value.some);
}
