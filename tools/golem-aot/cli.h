#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_report.h"

/*
 * The command line: one table of verbs, each with a table of options. Parsing, --help and error messages are the same
 * for all of them and read these tables; a verb's function sees options by name.
 */
enum cli_exit { CLI_DONE = 0, CLI_FAULT = 1, CLI_USAGE = 2, CLI_TRAP = 3, CLI_INTERNAL = 70 };

struct cli_option {
    const char *name;     /* "--jobs"; "-O" takes its value attached: -O2 */
    const char *argument; /* NULL: a flag */
    const char *help;
    bool (*fits)(const char *value); /* NULL: any value */
};

struct cli_call;

struct cli_verb {
    const char *name;
    const char *synopsis; /* positional arguments, for --help */
    const char *summary;
    const char *details; /* more lines of --help; may be NULL */
    uint32_t positional_min, positional_max;
    bool rest;                        /* what follows the first positional argument belongs to the guest, options too */
    const struct cli_option *options; /* ended by a NULL name */
    int (*run)(const struct cli_call *call); /* enum cli_exit */
};

extern const struct cli_verb cli_build, cli_validate, cli_inspect, cli_run;

/* --- what a verb's function asks --- */

uint32_t cli_positional_count(const struct cli_call *call);
const char *cli_positional(const struct cli_call *call, uint32_t index); /* NULL if there are fewer */
bool cli_flag(const struct cli_call *call, const char *name);
const char *cli_value(const struct cli_call *call, const char *name); /* the last one given; NULL if none */
/* The n-th value of an option that may be given often; NULL behind the last. */
const char *cli_value_at(const struct cli_call *call, const char *name, uint32_t n);

/* "golem-aot VERB: text" on stderr; gives CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_usage_error(const struct cli_call *call, const char *format, ...);

/* Prints the report for the file (NULL: none) and gives the exit code that belongs to its status. With --format json the
 * error is an object on stdout as well. */
int cli_fail(const struct cli_call *call, const struct ga_report *report, const char *file);

/* --format json was given. */
bool cli_json(const struct cli_call *call);
void cli_json_string(const char *text); /* quoted, on stdout */

bool cli_fits_number(const char *value);
bool cli_fits_format(const char *value);
#define CLI_OPTION_FORMAT {"--format", "text|json", "how results are printed (default text)", cli_fits_format}

#endif
