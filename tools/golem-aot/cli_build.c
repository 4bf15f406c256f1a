#include <stdio.h>
#include <stdlib.h>

#include "build.h"
#include "cli.h"

static bool fits_level(const char *value)
{
    return value[0] >= '0' && value[0] <= '3' && !value[1];
}

static const struct cli_option options[] = {
    {"-o", "EXE", "the executable to write (required)", NULL},
    {"-O", "0..3", "optimisation of the guest's code; default: 2 below 1 MB of code, else 1", fits_level},
    {"--cc", "CC", "the C compiler (default $CC, else cc)", NULL},
    {"--jobs", "N", "processes at a time (default: one for each processor)", cli_fits_number},
    {"--keep-c", "DIR", "leave the generated C there", NULL},
    {"--allow-missing", NULL, "imports that nothing serves trap when they are called", NULL},
    {"--dynamic", NULL, "link with the shared libc, so that it can be preloaded; default: only if an import needs it", NULL},
    {"--quiet", NULL, "no progress", NULL},
    CLI_OPTION_FORMAT,
    {0},
};

static void print_result(const struct build_result *result, const char *output)
{
    fputs("{\"output\":", stdout);
    cli_json_string(output);
    printf(",\"bytes\":%llu,\"cached\":%s,\"objects\":%u,\"objects_cached\":%u,\"start_image\":%s,\"milliseconds\":{",
           (unsigned long long)result->size_bytes, result->cached ? "true" : "false", result->object_count,
           result->object_cached_count, result->has_start_image ? "true" : "false");
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        printf("%s\"%s\":%.1f", phase ? "," : "", build_phase_names[phase], result->phase_ms[phase]);
    puts("}}");
}

static int run(const struct cli_call *call)
{
    const char *level = cli_value(call, "-O"), *jobs = cli_value(call, "--jobs");
    struct build_options build = {.input = cli_positional(call, 0),
                                  .output = cli_value(call, "-o"),
                                  .optimize = level ? atoi(level) : -1,
                                  .cc = cli_value(call, "--cc"),
                                  .jobs = jobs ? (unsigned)atoi(jobs) : 0,
                                  .keep_c = cli_value(call, "--keep-c"),
                                  .allow_missing = cli_flag(call, "--allow-missing"),
                                  .dynamic = cli_flag(call, "--dynamic"),
                                  .quiet = cli_flag(call, "--quiet")};
    if (!build.output)
        return cli_usage_error(call, "option -o EXE is missing");
    struct ga_report report = {0};
    struct build_result result = {0};
    if (build_executable(&build, &result, &report) != GA_OK)
        return cli_fail(call, &report, build.input);
    if (cli_json(call))
        print_result(&result, build.output);
    return CLI_DONE;
}

const struct cli_verb cli_build = {
    .name = "build",
    .synopsis = "X.wasm -o EXE [OPTIONS]",
    .summary = "compile a component into an executable",
    .details = "Objects are kept in ${XDG_CACHE_HOME:-$HOME/.cache}/golem-aot, by content; deleting it is always safe.\n"
               "GOLEM_AOT_WASM2C names the wasm2c to use.\n",
    .positional_min = 1,
    .positional_max = 1,
    .options = options,
    .run = run,
};
