#include "host_functions.h"

/* Only its existence says something. */
const struct host_resource_type wasi_cli_terminal_output_terminal_output_type = {
    .name = "wasi:cli/terminal-output.terminal-output",
};
