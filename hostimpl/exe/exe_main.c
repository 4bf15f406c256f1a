#define _GNU_SOURCE
#include "exe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <sys/platform/x86.h>
#endif

#include "ga_assert.h"
#include "ga_stdio.h"
#include "ga_utf8.h"
#include "http_handler.h"

static const char HELP_BEFORE[] = "A Golem component as an executable: %s (%.16s).\n"
                                  "\n"
                                  "Usage: %s [OPTION]... VERB ...\n"
                                  "\n";

static const char HELP_AFTER[] =
    "\n"
    "Options:\n"
    "  --data DIR        where workers are kept (default: golem-data)\n"
    "  --worker NAME     which worker (default: default)\n"
    "  --env NAME=VALUE  a variable of a worker that is created; may be repeated\n"
    "  --arg VALUE       an argument of a worker that is created; may be repeated\n"
    "  --file HOST::GUEST[:read-only|:read-write]\n"
    "                    a file of a worker that is created (default: read-only); may be repeated\n"
    "  --dir HOST::GUEST (run, serve) a directory that the guest sees; may be repeated\n"
    "  --key KEY         idempotency key: the same key gives the first result again\n"
    "  --ephemeral       nothing is recorded\n"
    "  --format FORMAT   text or json\n"
    "\n"
    "FN is a function as Golem names it: fn, ns:pkg/iface@1.0.0.{fn}, ns:pkg/iface@1.0.0.{resource(\"x\").method}.\n"
    "Values are WAVE text: 1, \"text\", [1, 2], {field: 1}, some(1), ok(1).\n"
    "\n"
    "Exit codes: 0 done, 1 the request or the data is at fault, 2 wrong usage, 3 the guest trapped, 4 the worker is\n"
    "suspended and goes on later, 70 a fault of the program's own. A command that is run gives its own; after SIGTERM\n"
    "or SIGINT in the middle of an invocation it is 128 and the signal.\n";

struct verb {
    const char *name, *synopsis, *text;
    int (*run)(struct exe_options *options, int count, char **words);
    bool looks; /* at what is kept of a worker, and nothing is of an ephemeral one */
};

static const struct verb VERBS[] = {
    {"invoke", "FN [VALUE]...", "call a function, print its result", exe_invoke, false},
    {"invoke", "--stdin", "one call a line, FN(VALUE, ...); one answer a line", exe_invoke, false},
    {"run", "[ARGUMENT]...", "wasi:cli/run; recorded only with --data, --worker or --key", exe_run, false},
    {"serve", "[SETTING]...", "wasi:http/incoming-handler behind an HTTP server (serve --help)", exe_serve, false},
    {"oplog", "[--json] [--last N]", "print the worker's oplog", exe_oplog, true},
    {"checkpoint", "", "take a checkpoint now", exe_checkpoint, true},
    {"verify", "", "replay the whole oplog and compare with what was recorded", exe_verify, true},
    {"info", "[--restore]", "what there is of the worker; --restore: and how long restoring it takes", exe_info, true},
    {"complete", "INDEX [TEXT]", "complete the worker's promise of that oplog index", exe_complete, true},
};

static void print_help(const struct exe_options *options)
{
    printf(HELP_BEFORE, golem_component.name, golem_component.component_hash, options->program);
    for (size_t i = 0; i < sizeof VERBS / sizeof *VERBS; i++)
        printf("  %-10s %-20s %s\n", VERBS[i].name, VERBS[i].synopsis, VERBS[i].text);
    fputs(HELP_AFTER, stdout);
}

int exe_serve(struct exe_options *options, int count, char **words)
{
    if (golem_component.http_handler)
        return golem_component.http_handler->serve(options, count, words);
    fprintf(stderr, "%s: the component does not export wasi:http/incoming-handler\n", options->program);
    return EXE_REFUSED;
}

int exe_usage(const struct exe_options *options, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", options->program);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (%s --help)\n", options->program);
    return EXE_USAGE;
}

void exe_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

/* Statuses that have a code of their own; all others are EXE_REFUSED. */
static const struct {
    enum ga_status status;
    int code;
} CODES[] = {{GA_OK, EXE_DONE}, {GA_TRAP, EXE_TRAPPED}, {GA_SUSPENDED, EXE_SUSPENDED}};

int exe_fail(const struct exe_options *options, const struct ga_report *report)
{
    char text[sizeof report->text];
    memcpy(text, report->text, sizeof text);
    exe_one_line(text);
    fprintf(stderr, report->status == GA_TRAP ? "trap: %s\n" : "%s: %s\n",
            report->status == GA_TRAP ? text : options->program, text);
    if (worker_this.stop_signal && report->status == GA_SUSPENDED)
        return 128 + worker_this.stop_signal;
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if (CODES[i].status == report->status)
            return CODES[i].code;
    return EXE_REFUSED;
}

bool exe_write(const void *data, size_t size)
{
    for (const char *at = data; size;) {
        ssize_t written = write(STDOUT_FILENO, at, size);
        if (written < 0 && errno == EAGAIN) /* somebody else has set it to not block */
            (void)poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (written < 0 && errno != EINTR)
            return false;
        if (written <= 0)
            continue;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static const char *remark_program;

static void remark(const char *text)
{
    fprintf(stderr, "%s: %s\n", remark_program, text);
}

struct worker_config exe_config(const struct exe_options *options, enum worker_mode mode)
{
    remark_program = options->program;
    return (struct worker_config){.mode = mode,
                                  .data = options->ephemeral ? NULL : options->data,
                                  .name = options->worker,
                                  .argument_count = options->argument_count,
                                  .arguments = options->arguments,
                                  .variable_count = options->variable_count,
                                  .variables = options->variables,
                                  .file_count = options->file_count,
                                  .files = options->files,
                                  .remark = remark};
}

/* --- signals --- */

enum { PATIENCE_S = 1 };

static void handle_stop(int number)
{
    worker_this.stop_signal = number;
    worker_this.next_tick_us = 0;
    alarm(PATIENCE_S);
}

/* The guest calls nothing, or a call waits for something: what is not committed was never acknowledged. */
static void handle_impatience(int number)
{
    (void)number;
    _exit(128 + worker_this.stop_signal);
}

void exe_catch_signals(void)
{
    struct sigaction action = {.sa_handler = handle_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = handle_impatience;
    sigaction(SIGALRM, &action, NULL);
}

/* --- options --- */

int exe_check_text(const struct exe_options *options, const char *what, const char *text)
{
    return ga_utf8_valid((const uint8_t *)text, strlen(text)) ? EXE_DONE
                                                              : exe_usage(options, "%s is not UTF-8: %s", what, text);
}

static int add_variable(struct exe_options *options, const char *value)
{
    if (!strchr(value, '=') || *value == '=')
        return exe_usage(options, "--env wants NAME=VALUE, not \"%s\"", value);
    if (exe_check_text(options, "--env", value) != EXE_DONE)
        return EXE_USAGE;
    options->variables[options->variable_count++] = value;
    return EXE_DONE;
}

static int add_argument(struct exe_options *options, const char *value)
{
    options->arguments[options->argument_count++] = value;
    return exe_check_text(options, "--arg", value);
}

/* HOST::GUEST; HOST alone is seen under the same name. */
static int add_directory(struct exe_options *options, const char *value)
{
    const char *colons = strstr(value, "::");
    if (exe_check_text(options, "what --dir shows the guest", colons ? colons + 2 : value) != EXE_DONE)
        return EXE_USAGE;
    char *host = colons ? strndup(value, (size_t)(colons - value)) : strdup(value);
    if (!host)
        ga_out_of_memory("the command line");
    int fd = open(host, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "%s: cannot open the directory %s: %s\n", options->program, host, strerror(errno));
        free(host);
        return EXE_REFUSED;
    }
    options->preopens[options->preopen_count++] = (struct worker_preopen){fd, colons ? colons + 2 : host};
    if (colons)
        free(host);
    return EXE_DONE;
}

/* HOST::GUEST, perhaps with the permission behind. */
static int add_file(struct exe_options *options, const char *value)
{
    static const char *const PERMISSIONS[] = {":read-write", ":read-only"};
    const char *colons = strstr(value, "::");
    size_t size = strlen(value);
    struct worker_initial_file file = {.read_only = true};
    if (!colons || colons == value)
        return exe_usage(options, "--file wants HOST::GUEST, not \"%s\"", value);
    for (size_t i = 0; i < 2; i++) {
        size_t permission = strlen(PERMISSIONS[i]);
        if (size <= permission || strcmp(value + size - permission, PERMISSIONS[i]) != 0)
            continue;
        file.read_only = i == 1;
        size -= permission;
        break;
    }
    file.host_path = strndup(value, (size_t)(colons - value));
    file.path = size > (size_t)(colons + 2 - value) ? strndup(colons + 2, size - (size_t)(colons + 2 - value)) : "";
    if (!file.host_path || !file.path)
        ga_out_of_memory("the command line");
    options->files[options->file_count++] = file;
    return exe_check_text(options, "what --file shows the guest", file.path);
}

static int set_data(struct exe_options *options, const char *value)
{
    if (!*value)
        return exe_usage(options, "--data wants a directory");
    options->data = value;
    options->data_given = true;
    return EXE_DONE;
}

static int set_worker(struct exe_options *options, const char *value)
{
    if (!*value || strlen(value) > GA_MAX_WORKER_NAME_BYTES || !ga_utf8_valid((const uint8_t *)value, strlen(value)))
        return exe_usage(options, "--worker wants a name of 1 to %d bytes of UTF-8", GA_MAX_WORKER_NAME_BYTES);
    options->worker = value;
    options->data_given = true;
    return EXE_DONE;
}

static int set_key(struct exe_options *options, const char *value)
{
    if (!*value || strlen(value) > GA_MAX_IDEMPOTENCY_KEY_BYTES)
        return exe_usage(options, "--key wants 1 to %d bytes", GA_MAX_IDEMPOTENCY_KEY_BYTES);
    options->key = value;
    options->data_given = true;
    return EXE_DONE;
}

static int set_format(struct exe_options *options, const char *value)
{
    options->json = strcmp(value, "json") == 0;
    if (!options->json && strcmp(value, "text") != 0)
        return exe_usage(options, "--format wants text or json, not \"%s\"", value);
    return EXE_DONE;
}

static const struct option {
    const char *name;
    int (*set)(struct exe_options *options, const char *value);
} OPTIONS[] = {
    {"--data", set_data},    {"--worker", set_worker}, {"--key", set_key},       {"--env", add_variable},
    {"--arg", add_argument}, {"--dir", add_directory}, {"--file", add_file}, {"--format", set_format},
};

/* One option with its value, from words[*at] on. */
static int read_option(struct exe_options *options, int count, char **words, int *at)
{
    const char *word = words[*at];
    const char *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        if (strlen(OPTIONS[i].name) != size || memcmp(word, OPTIONS[i].name, size) != 0)
            continue;
        if (!equals && ++*at >= count)
            return exe_usage(options, "%s wants a value", word);
        ++*at;
        return OPTIONS[i].set(options, equals ? equals + 1 : words[*at - 1]);
    }
    return exe_usage(options, "there is no option %s", word);
}

static int run_verb(struct exe_options *options, int count, char **words)
{
    for (size_t i = 0; i < sizeof VERBS / sizeof *VERBS; i++) {
        if (strcmp(VERBS[i].name, words[0]) != 0)
            continue;
        if (VERBS[i].looks && options->ephemeral)
            return exe_usage(options, "with --ephemeral nothing is kept for %s to look at", words[0]);
        if (!VERBS[i].looks)
            signal(SIGPIPE, SIG_IGN); /* a reader that has gone away is the guest's to notice, or fails an answer */
        return VERBS[i].run(options, count - 1, words + 1);
    }
    return exe_usage(options, "there is no verb %s", words[0]);
}

static void make_room(struct exe_options *options, int count)
{
    options->variables = calloc((size_t)count + 1, sizeof *options->variables);
    options->arguments = calloc((size_t)count + 1, sizeof *options->arguments);
    options->preopens = calloc((size_t)count + 1, sizeof *options->preopens);
    options->files = calloc((size_t)count + 1, sizeof *options->files);
    if (!options->variables || !options->arguments || !options->preopens || !options->files)
        ga_out_of_memory("the command line");
}

/* Guest code is compiled for these (aot/build_compile.c); without them it would end in SIGILL somewhere. */
static void refuse_old_processor(void)
{
#if defined(__x86_64__)
    /* As libc knows it: to ask the processor anew takes 30 microseconds on a virtual machine. */
    if (CPU_FEATURE_ACTIVE(SSE4_2) && CPU_FEATURE_ACTIVE(POPCNT))
        return;
    fprintf(stderr, "this program needs a processor with SSE4.2 and POPCNT (x86-64-v2)\n");
    exit(EXE_REFUSED);
#endif
}

/* A failed assertion, which has said what is wrong. A wild pointer of ours leaves a core dump instead. */
static void on_abort(int number)
{
    (void)number;
    _exit(EXE_OUR_FAULT);
}

int main(int count, char **words)
{
    ga_stdio_hold();
    refuse_old_processor();
    signal(SIGABRT, on_abort);
    const char *slash = count ? strrchr(words[0], '/') : NULL;
    struct exe_options options = {.program = slash   ? slash + 1
                                             : count ? words[0]
                                                     : "?",
                                  .data = "golem-data",
                                  .worker = "default"};
    make_room(&options, count);
    int at = 1;
    while (at < count && words[at][0] == '-') {
        if (strcmp(words[at], "--help") == 0) {
            print_help(&options);
            return EXE_DONE;
        }
        if (strcmp(words[at], "--make-start-image") == 0)
            return exe_make_start_image(&options);
        if (strcmp(words[at], "--ephemeral") == 0) {
            options.ephemeral = true;
            at++;
            continue;
        }
        int code = read_option(&options, count, words, &at);
        if (code != EXE_DONE)
            return code;
    }
    if (at >= count)
        return exe_usage(&options, "a verb is missing");
    return run_verb(&options, count - at, words + at);
}
