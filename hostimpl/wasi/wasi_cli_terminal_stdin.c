#include "wasi_stdio.h"

void wasi_cli_terminal_stdin_get_terminal_stdin(struct worker *worker, struct option_handle *result_out)
{
    wasi_stdio_terminal(worker, &wasi_cli_terminal_input_terminal_input_type, 0, result_out);
}
