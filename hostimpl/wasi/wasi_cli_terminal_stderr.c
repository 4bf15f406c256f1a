#include "wasi_stdio.h"

void wasi_cli_terminal_stderr_get_terminal_stderr(struct worker *worker, struct option_handle *result_out)
{
    wasi_stdio_terminal(worker, &wasi_cli_terminal_output_terminal_output_type, 2, result_out);
}
