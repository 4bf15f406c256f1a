#ifndef EXE_H
#define EXE_H

#include "worker.h"

/*
 * The command line of every executable that golem-aot builds. exe_main.c reads the options and finds the verb in its
 * table; each verb gets what is left of the arguments.
 *
 * stdout carries only what was asked for: results, the oplog, information. Everything else goes to stderr.
 */
enum exe_code {
    EXE_DONE = 0,
    EXE_REFUSED = 1, /* the request or the input is at fault, or the world is */
    EXE_USAGE = 2,
    EXE_TRAPPED = 3,   /* the guest */
    EXE_SUSPENDED = 4, /* the worker waits for something outside; a later process goes on */
    EXE_OUR_FAULT = 70
};

struct exe_options {
    const char *program; /* for messages */
    const char *data, *worker, *key;
    bool ephemeral;
    bool data_given; /* --data, --worker or --key: `run` is recorded then */
    bool json;       /* --format json, --json */
    uint32_t variable_count, argument_count, preopen_count, file_count;
    const char **variables, **arguments;
    struct worker_preopen *preopens;
    struct worker_initial_file *files;
};

/* Verbs: words[0..count) come after the verb. They return the exit code. */
int exe_invoke(struct exe_options *options, int count, char **words);
int exe_run(struct exe_options *options, int count, char **words);
int exe_oplog(struct exe_options *options, int count, char **words);
int exe_checkpoint(struct exe_options *options, int count, char **words);
int exe_verify(struct exe_options *options, int count, char **words);
int exe_info(struct exe_options *options, int count, char **words);
int exe_serve(struct exe_options *options, int count, char **words);
int exe_complete(struct exe_options *options, int count, char **words);
int exe_make_start_image(struct exe_options *options);

/* --- shared --- */

/* Says what is wrong with the command line, and returns EXE_USAGE. */
__attribute__((format(printf, 2, 3))) int exe_usage(const struct exe_options *options, const char *format, ...);

/* What a guest may be given as text. EXE_USAGE, said: it is not UTF-8. */
int exe_check_text(const struct exe_options *options, const char *what, const char *text);

/* Prints "PROGRAM: TEXT" and returns the exit code that belongs to the status. */
int exe_fail(const struct exe_options *options, const struct ga_report *report);

struct worker_config exe_config(const struct exe_options *options, enum worker_mode mode);

/* SIGTERM and SIGINT make the worker commit and stop at its next host call; a guest that calls nothing is stopped
 * by force soon after. */
void exe_catch_signals(void);

/* All of it, to stdout; false if that fails. */
bool exe_write(const void *data, size_t size);

/* The text on one line: control characters become blanks. In place. */
void exe_one_line(char *text);

#endif
