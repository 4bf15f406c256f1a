#define _GNU_SOURCE
#include "exe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ga_assert.h"
#include "invocation.h"

/* Lets go of the worker; what went wrong before counts more than what goes wrong now. */
static int stop(const struct exe_options *options, int code)
{
    struct ga_report report = {0};
    if (worker_stop(&worker_this, &report) != GA_OK && code == EXE_DONE)
        return exe_fail(options, &report);
    return code;
}

static int fail_and_stop(const struct exe_options *options, const struct ga_report *report)
{
    return stop(options, exe_fail(options, report));
}

/* Puts a place in front of the report's text. */
__attribute__((format(printf, 2, 3))) static void add_place(struct ga_report *report, const char *format, ...)
{
    char place[64], text[sizeof report->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(place, sizeof place, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "%s: %.900s", place, report->text);
    memcpy(report->text, text, sizeof text);
    report->has_offset = false;
}

/* EXE_DONE, or what is said and returned when nobody can read it. */
static int write_answer(const struct exe_options *options, const struct ga_buf *answer)
{
    struct ga_report report = {0};
    if (exe_write(answer->data, answer->size))
        return EXE_DONE;
    ga_report_errno(&report, errno, "cannot write to standard output");
    return exe_fail(options, &report);
}

/* --- one call from the command line --- */

/* cabi_wave_parse_words counts through all words. */
static void add_word(struct ga_report *report, const struct cabi_wave_slice *words, uint32_t count)
{
    uint64_t offset = report->offset;
    for (uint32_t i = 0; i < count && report->has_offset; i++) {
        if (offset <= words[i].size)
            add_place(report, "argument %u, at %llu", i + 1, (unsigned long long)offset);
        offset -= words[i].size + 1;
    }
}

static int invoke_once(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    struct ga_buf result = {0};
    struct cabi_wave_slice *values = calloc((size_t)count, sizeof *values);
    if (!values)
        ga_out_of_memory("the command line");
    for (int i = 1; i < count; i++)
        values[i - 1] = (struct cabi_wave_slice){words[i], strlen(words[i])};
    struct invocation_request request = {.function = words[0],
                                         .function_size = strlen(words[0]),
                                         .words = values,
                                         .word_count = (uint32_t)count - 1,
                                         .key = options->key};
    enum ga_status status = invocation_call(&worker_this, &request, &result, &report);
    if (status != GA_OK)
        add_word(&report, values, request.word_count);
    free(values);
    if (status != GA_OK)
        return fail_and_stop(options, &report);
    ga_buf_u8(&result, '\n');
    int code = write_answer(options, &result);
    ga_buf_free(&result);
    return stop(options, code);
}

/* --- calls from stdin --- */

/* How an answer begins that is no result; by status, GA_OK ends the list. */
static const struct {
    const char *prefix;
    enum ga_status status;
    bool goes_on;
} ANSWERS[] = {
    {"trap: ", GA_TRAP, true},     {"error: ", GA_EXITED, true}, {"error: ", GA_NOT_FOUND, true},
    {"error: ", GA_INVALID, true}, {"error: ", GA_LIMIT, true},  {"error: ", GA_UNSUPPORTED, true},
    {"error: ", GA_OK, false},
};

static int write_failure(const struct exe_options *options, struct ga_report *report, bool *goes_on_out)
{
    size_t i = 0;
    while (ANSWERS[i].status != GA_OK && ANSWERS[i].status != report->status)
        i++;
    *goes_on_out = ANSWERS[i].goes_on;
    exe_one_line(report->text);
    struct ga_buf line = {0};
    ga_buf_printf(&line, "%s%s\n", ANSWERS[i].prefix, report->text);
    int code = write_answer(options, &line);
    ga_buf_free(&line);
    return code;
}

static enum ga_status call_line(const char *line, size_t size, struct ga_buf *result, struct ga_report *report)
{
    struct cabi_wave_slice name, args;
    enum ga_status status = cabi_wave_parse_call(line, size, &name, &args, report);
    size_t before = 0;
    if (status == GA_OK) {
        struct invocation_request request = {.function = name.text,
                                             .function_size = name.size,
                                             .args = args.text,
                                             .args_size = args.size};
        before = (size_t)(args.text - line);
        status = invocation_call(&worker_this, &request, result, report);
    }
    if (report->has_offset)
        add_place(report, "at %llu", (unsigned long long)report->offset + before);
    return status;
}

/* Answers one line. EXE_DONE: go on with the next. */
static int answer(const struct exe_options *options, const char *line, size_t size, struct ga_buf *result)
{
    struct ga_report report = {0};
    bool goes_on = true;
    int code;
    result->size = 0;
    enum ga_status status = call_line(line, size, result, &report);
    if (status == GA_OK) {
        ga_buf_u8(result, '\n');
        code = write_answer(options, result);
    } else {
        code = write_failure(options, &report, &goes_on);
    }
    if (!goes_on)
        return exe_fail(options, &report);
    if (worker_this.store)
        worker_consider_checkpoint(&worker_this, false);
    return code;
}

static int invoke_lines(struct exe_options *options)
{
    struct ga_buf result = {0};
    char *line = NULL;
    size_t capacity = 0;
    int code = EXE_DONE;
    while (code == EXE_DONE && !worker_this.stop_signal) {
        ssize_t size = getline(&line, &capacity, stdin);
        if (size <= 0)
            break;
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            size--;
        code = answer(options, line, (size_t)size, &result);
    }
    free(line);
    ga_buf_free(&result);
    return stop(options, code);
}

/* The instance never came to be. */
static int fail_stillborn(const struct exe_options *options, bool lines)
{
    struct ga_report report = {0};
    if (worker_this.exited)
        ga_report_set(&report, GA_EXITED, "the guest called exit with status %u while it was instantiated",
                      worker_this.exit_status);
    else
        ga_report_set(&report, GA_TRAP, "%s", worker_this.failure);
    if (lines) {
        struct ga_report copy = report;
        bool goes_on;
        (void)write_failure(options, &copy, &goes_on);
    }
    return fail_and_stop(options, &report);
}

int exe_invoke(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    bool lines = count == 1 && strcmp(words[0], "--stdin") == 0;
    if (count == 0)
        return exe_usage(options, "invoke wants a function, or --stdin");
    if (!lines && words[0][0] == '-')
        return exe_usage(options, "invoke has no option %s", words[0]);
    if (lines && options->key)
        return exe_usage(options, "--key belongs to one call, and --stdin makes many");
    struct worker_config config = exe_config(options, WORKER_LIVE);
    exe_catch_signals();
    if (worker_start(&worker_this, &config, &report) != GA_OK)
        return fail_and_stop(options, &report);
    if (worker_this.stillborn)
        return fail_stillborn(options, lines);
    return lines ? invoke_lines(options) : invoke_once(options, count, words);
}

/* --- wasi:cli/run --- */

static const struct rt_export *find_run(void)
{
    static const char PREFIX[] = "wasi:cli/run@";
    for (uint32_t i = 0; i < golem_component.export_count; i++) {
        const struct rt_export *export = &golem_component.exports[i];
        if (strncmp(export->interface, PREFIX, sizeof PREFIX - 1) == 0 && strcmp(export->name, "run") == 0)
            return export;
    }
    return NULL;
}

/* What an ended command gives its caller. */
static int run_code(const struct exe_options *options, enum ga_status status, const struct ga_buf *result,
                    const struct ga_report *report)
{
    if (status == GA_OK)
        return result->size == 2 && memcmp(result->data, "ok", 2) == 0 ? 0 : 1;
    if (status == GA_EXITED)
        return worker_this.exit_status;
    return exe_fail(options, report);
}

int exe_run(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    struct ga_buf name = {0}, result = {0};
    const struct rt_export *run = find_run();
    if (!run) {
        fprintf(stderr, "%s: the component does not export wasi:cli/run\n", options->program);
        return EXE_REFUSED;
    }
    for (int i = 0; i < count; i++)
        if (exe_check_text(options, "an argument", words[i]) != EXE_DONE)
            return EXE_USAGE;
    const char **arguments = calloc((size_t)count + 1, sizeof *arguments);
    if (!arguments)
        return EXE_OUR_FAULT;
    arguments[0] = golem_component.name;
    for (int i = 0; i < count; i++)
        arguments[i + 1] = words[i];
    if (options->file_count)
        return exe_usage(options, "a command has no files of its own (--file); give it a directory (--dir)");
    if (options->preopen_count && options->data_given && !options->ephemeral)
        return exe_usage(options, "what is recorded sees no directory of the host (--dir): replaying it would write there again");
    struct worker_config config = exe_config(options, WORKER_LIVE);
    config.command = true;
    config.data = options->data_given && !options->ephemeral ? options->data : NULL;
    config.arguments = arguments;
    config.argument_count = (uint32_t)count + 1;
    config.preopens = options->preopens;
    config.preopen_count = options->preopen_count;
    if (config.data)
        exe_catch_signals();
    enum ga_status status = worker_start(&worker_this, &config, &report);
    ga_buf_printf(&name, "%s.{run}", run->interface);
    struct invocation_request request = {.function = ga_buf_cstr(&name),
                                         .function_size = name.size,
                                         .args = "",
                                         .key = options->key};
    if (status == GA_OK && worker_this.stillborn && worker_this.exited)
        status = ga_report_set(&report, GA_EXITED, "exit");
    if (status == GA_OK)
        status = invocation_call(&worker_this, &request, &result, &report);
    return stop(options, run_code(options, status, &result, &report));
}
