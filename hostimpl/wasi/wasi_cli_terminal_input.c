#include "host_functions.h"

/* Only its existence says something. */
const struct host_resource_type wasi_cli_terminal_input_terminal_input_type = {
    .name = "wasi:cli/terminal-input.terminal-input",
};
