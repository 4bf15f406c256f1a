#include "wasi_stdio.h"

void wasi_cli_terminal_stdout_get_terminal_stdout(struct worker *worker, struct option_handle *result_out)
{
    wasi_stdio_terminal(worker, &wasi_cli_terminal_output_terminal_output_type, 1, result_out);
}
