#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "ga_arena.h"

static bool fits_directory(const char *value)
{
    const char *colons = strstr(value, "::");
    return colons && colons != value && colons[2];
}

static bool fits_variable(const char *value)
{
    const char *equals = strchr(value, '=');
    return equals && equals != value;
}

static const struct cli_option options[] = {
    {"--dir", "HOST::GUEST", "a directory of the host that the guest sees as GUEST", fits_directory},
    {"--env", "K=V", "a variable of the guest's environment", fits_variable},
    {"--quiet", NULL, "no progress while the component is compiled", NULL},
    {0},
};

/* The executable to run: the file itself, or what it is compiled to. */
static enum ga_status find_executable(const struct cli_call *call, struct ga_buf *path_out, struct ga_report *report)
{
    const char *file = cli_positional(call, 0);
    struct build_options build = {.input = file, .optimize = -1, .command = true};
    build.quiet = cli_flag(call, "--quiet") || !isatty(STDERR_FILENO); /* what is read by a program is the guest's alone */
    if (build_is_wasm(file))
        return build_cached_executable(&build, path_out, report);
    if (access(file, R_OK) != 0)
        return ga_report_errno(report, errno, "cannot open the file");
    if (!build_is_executable(file))
        return ga_report_set(report, GA_INVALID, "neither a component nor an executable that golem-aot made");
    ga_buf_text(path_out, file);
    return GA_OK;
}

static void add_option(const struct cli_call *call, const char *name, const char ***at)
{
    for (uint32_t n = 0; cli_value_at(call, name, n); n++) {
        *(*at)++ = name;
        *(*at)++ = cli_value_at(call, name, n);
    }
}

static uint32_t count_values(const struct cli_call *call, const char *name)
{
    uint32_t count = 0;
    while (cli_value_at(call, name, count))
        count++;
    return count;
}

static int run(const struct cli_call *call)
{
    struct ga_report report = {0};
    struct ga_buf path = {0};
    struct ga_arena arena = {0};
    const char *file = cli_positional(call, 0);
    if (find_executable(call, &path, &report) != GA_OK)
        return cli_fail(call, &report, file);

    uint32_t options_count = count_values(call, "--dir") + count_values(call, "--env");
    const char **arguments =
        ga_arena_array(&arena, 3 + 2 * (size_t)options_count + cli_positional_count(call), sizeof *arguments);
    const char **at = arguments;
    *at++ = file;
    add_option(call, "--dir", &at);
    add_option(call, "--env", &at);
    *at++ = "run";
    for (uint32_t i = 1; i < cli_positional_count(call); i++)
        *at++ = cli_positional(call, i);
    execv(ga_buf_cstr(&path), (char *const *)arguments);
    ga_report_errno(&report, errno, "cannot start %s", ga_buf_cstr(&path));
    return cli_fail(call, &report, file);
}

const struct cli_verb cli_run = {
    .name = "run",
    .synopsis = "[--dir HOST::GUEST]... [--env K=V]... X.wasm|EXE [ARGS...]",
    .summary = "run a wasi:cli/run command; stdio and exit code are its own",
    .details = "A component is compiled first, into the cache.\n",
    .positional_min = 1,
    .rest = true,
    .options = options,
    .run = run,
};
