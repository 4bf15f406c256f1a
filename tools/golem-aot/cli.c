#include "cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ga_arena.h"
#include "ga_stdio.h"
#include "version.h"

static const struct cli_verb *const verbs[] = {&cli_build, &cli_validate, &cli_inspect, &cli_run};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

struct given {
    const struct cli_option *option;
    const char *value;
};

struct cli_call {
    const struct cli_verb *verb;
    GA_VEC(const char *) positionals;
    GA_VEC(struct given) given;
};

/* --- what verbs ask --- */

uint32_t cli_positional_count(const struct cli_call *call)
{
    return call->positionals.count;
}

const char *cli_positional(const struct cli_call *call, uint32_t index)
{
    return index < call->positionals.count ? call->positionals.items[index] : NULL;
}

const char *cli_value_at(const struct cli_call *call, const char *name, uint32_t n)
{
    for (uint32_t i = 0; i < call->given.count; i++)
        if (strcmp(call->given.items[i].option->name, name) == 0 && n-- == 0)
            return call->given.items[i].value;
    return NULL;
}

const char *cli_value(const struct cli_call *call, const char *name)
{
    const char *last = NULL;
    for (uint32_t n = 0; cli_value_at(call, name, n); n++)
        last = cli_value_at(call, name, n);
    return last;
}

bool cli_flag(const struct cli_call *call, const char *name)
{
    return cli_value_at(call, name, 0) != NULL;
}

bool cli_json(const struct cli_call *call)
{
    const char *format = cli_value(call, "--format");
    return format && strcmp(format, "json") == 0;
}

bool cli_fits_number(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits <= 4 && !value[digits];
}

bool cli_fits_format(const char *value)
{
    return strcmp(value, "text") == 0 || strcmp(value, "json") == 0;
}

/* --- printing --- */

int cli_usage_error(const struct cli_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "golem-aot%s%s: ", call->verb ? " " : "", call->verb ? call->verb->name : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return CLI_USAGE;
}

void cli_json_string(const char *text)
{
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (*at == '\n')
            fputs("\\n", stdout);
        else if (*at < ' ')
            printf("\\u%04x", *at);
        else
            putchar(*at);
    }
    putchar('"');
}

static void print_error_object(const struct ga_report *report, const char *file)
{
    fputs("{\"error\":{\"code\":", stdout);
    cli_json_string(ga_status_name(report->status));
    if (file) {
        fputs(",\"file\":", stdout);
        cli_json_string(file);
    }
    if (report->has_offset)
        printf(",\"offset\":%llu", (unsigned long long)report->offset);
    fputs(",\"message\":", stdout);
    cli_json_string(report->text);
    fputs("}}\n", stdout);
}

int cli_fail(const struct cli_call *call, const struct ga_report *report, const char *file)
{
    if (cli_json(call))
        print_error_object(report, file);
    ga_report_print(report, file);
    return report->status == GA_TRAP ? CLI_TRAP : CLI_FAULT;
}

static void print_option(const struct cli_option *option)
{
    char text[64];
    const char *between = !option->argument ? "" : option->name[1] == '-' || option->name[2] ? " " : "";
    if (strcmp(option->name, "-o") == 0)
        between = " ";
    snprintf(text, sizeof text, "%s%s%s", option->name, between, option->argument ? option->argument : "");
    printf("  %-22s %s\n", text, option->help);
}

static void print_verb_help(const struct cli_verb *verb)
{
    printf("usage: golem-aot %s %s\n\n%s\n", verb->name, verb->synopsis, verb->summary);
    if (verb->details)
        printf("\n%s", verb->details);
    fputs("\noptions:\n", stdout);
    for (const struct cli_option *option = verb->options; option->name; option++)
        print_option(option);
    printf("  %-22s %s\n", "--help", "print this");
}

static void print_help(void)
{
    fputs("golem-aot: compiles WebAssembly components for Golem into native Linux executables\n\n"
          "usage: golem-aot VERB [OPTIONS] ...\n\nverbs:\n",
          stdout);
    for (int i = 0; i < VERB_COUNT; i++)
        printf("  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\noptions:\n"
          "  --version              print the version\n"
          "  --help                 print this; after a verb: what the verb takes\n\n"
          "exit codes: 0 done, 1 the input or the request is at fault, 2 wrong usage, 3 a guest trapped,\n"
          "70 a fault of golem-aot itself\n",
          stdout);
}

/* --- parsing --- */

/* The option that an argument names, and the value attached to it ("--jobs=4", "-O2"), NULL if none is. */
static const struct cli_option *find_option(const struct cli_verb *verb, const char *argument, const char **attached)
{
    *attached = NULL;
    for (const struct cli_option *option = verb->options; option->name; option++) {
        size_t size = strlen(option->name);
        if (strncmp(argument, option->name, size) != 0)
            continue;
        if (!argument[size])
            return option;
        bool is_long = option->name[1] == '-';
        if (is_long && argument[size] != '=')
            continue;
        if (!option->argument)
            continue;
        *attached = argument + size + (is_long ? 1 : 0);
        return option;
    }
    return NULL;
}

/* Takes the option at arguments[*at], with its value; false after an error message. */
static bool take_option(struct ga_arena *arena, struct cli_call *call, char **arguments, int *at)
{
    const char *attached;
    const char *argument = arguments[*at];
    const struct cli_option *option = find_option(call->verb, argument, &attached);
    if (!option) {
        cli_usage_error(call, "unknown option %s", argument);
        return false;
    }
    const char *value = option->argument ? attached : "";
    if (!value)
        value = arguments[*at + 1] ? arguments[++*at] : NULL;
    if (!value) {
        cli_usage_error(call, "option %s needs a value: %s", option->name, option->argument);
        return false;
    }
    if (option->fits && !option->fits(value)) {
        cli_usage_error(call, "option %s: \"%s\" is not %s", option->name, value, option->argument);
        return false;
    }
    *GA_PUSH(arena, &call->given) = (struct given){option, value};
    return true;
}

static bool parse(struct ga_arena *arena, struct cli_call *call, char **arguments, bool *help_out)
{
    bool options_over = false;
    for (int at = 0; arguments[at]; at++) {
        const char *argument = arguments[at];
        if (options_over || argument[0] != '-' || !argument[1]) {
            *GA_PUSH(arena, &call->positionals) = argument;
            options_over |= call->verb->rest;
        } else if (strcmp(argument, "--") == 0) {
            options_over = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            *help_out = true;
            return true;
        } else if (!take_option(arena, call, arguments, &at)) {
            return false;
        }
    }
    if (call->positionals.count < call->verb->positional_min) {
        cli_usage_error(call, "an argument is missing: golem-aot %s %s", call->verb->name, call->verb->synopsis);
        return false;
    }
    if (!call->verb->rest && call->positionals.count > call->verb->positional_max) {
        cli_usage_error(call, "an argument too many: %s", call->positionals.items[call->verb->positional_max]);
        return false;
    }
    return true;
}

static int run_verb(const struct cli_verb *verb, char **arguments)
{
    struct ga_arena arena = {0};
    struct cli_call call = {.verb = verb};
    bool help = false;
    int status = CLI_USAGE;
    if (parse(&arena, &call, arguments, &help)) {
        if (help)
            print_verb_help(verb);
        status = help ? CLI_DONE : verb->run(&call);
    }
    ga_arena_free(&arena);
    return status;
}

/* --- our own faults --- */

/* A failed assertion has said what is wrong; a wild pointer has not. */
static void on_internal_fault(int number)
{
    static const char text[] = "golem-aot: internal error: memory fault\n";
    if (number != SIGABRT)
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(CLI_INTERNAL);
}

static void install_fault_handlers(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    static char stack[65536]; /* a runaway recursion leaves none */
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action = {.sa_handler = on_internal_fault, .sa_flags = SA_ONSTACK};
        sigaction(signals[i], &action, NULL);
    }
}

int main(int count, char **arguments)
{
    ga_stdio_hold();
    install_fault_handlers();
    const char *word = count > 1 ? arguments[1] : NULL;
    if (!word) {
        fputs("golem-aot: a verb is missing; golem-aot --help lists them\n", stderr);
        return CLI_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help();
        return CLI_DONE;
    }
    if (strcmp(word, "--version") == 0) {
        puts("golem-aot " GOLEM_AOT_VERSION);
        return CLI_DONE;
    }
    for (int i = 0; i < VERB_COUNT; i++)
        if (strcmp(word, verbs[i]->name) == 0) {
            int status = run_verb(verbs[i], arguments + 2);
            if (fflush(stdout) != 0 && status == CLI_DONE) {
                perror("golem-aot: standard output");
                status = CLI_FAULT;
            }
            return status;
        }
    fprintf(stderr, "golem-aot: unknown %s %s; golem-aot --help lists the verbs\n", word[0] == '-' ? "option" : "verb",
            word);
    return CLI_USAGE;
}
