#include <stdio.h>

#include "build.h"
#include "cli.h"

static const struct cli_option options[] = {CLI_OPTION_FORMAT, {0}};

static int run(const struct cli_call *call)
{
    const char *file = cli_positional(call, 0);
    struct ga_report report = {0};
    struct ga_buf wit = {0};
    int status = CLI_DONE;
    if (build_inspect(file, &wit, &report) != GA_OK) {
        status = cli_fail(call, &report, file);
    } else if (cli_json(call)) {
        fputs("{\"wit\":", stdout);
        cli_json_string(ga_buf_cstr(&wit));
        puts("}");
    } else {
        fputs(ga_buf_cstr(&wit), stdout);
    }
    ga_buf_free(&wit);
    return status;
}

const struct cli_verb cli_inspect = {
    .name = "inspect",
    .synopsis = "X.wasm|EXE",
    .summary = "print what a component, or an executable made of one, imports and exports, as WIT",
    .positional_min = 1,
    .positional_max = 1,
    .options = options,
    .run = run,
};
