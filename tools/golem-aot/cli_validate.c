#include <stdio.h>

#include "build.h"
#include "cli.h"

static const struct cli_option options[] = {CLI_OPTION_FORMAT, {0}};

static int run(const struct cli_call *call)
{
    const char *file = cli_positional(call, 0);
    struct ga_report report = {0};
    if (build_validate(file, &report) != GA_OK)
        return cli_fail(call, &report, file);
    if (cli_json(call))
        puts("{\"valid\":true}");
    return CLI_DONE;
}

const struct cli_verb cli_validate = {
    .name = "validate",
    .synopsis = "X.wasm",
    .summary = "check a component by the rules of the component model",
    .positional_min = 1,
    .positional_max = 1,
    .options = options,
    .run = run,
};
