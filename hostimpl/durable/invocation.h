#ifndef DURABLE_INVOCATION_H
#define DURABLE_INVOCATION_H

#include "function_name.h"
#include "worker.h"

/* A call from outside. Texts need not end with NUL, but for the key. */
struct invocation_request {
    const char *function; /* function_name.h */
    size_t function_size;
    const char *args; /* WAVE values, separated by commas; NULL: words have them */
    size_t args_size;
    const struct cabi_wave_slice *words; /* a WAVE value each */
    uint32_t word_count;
    const char *key; /* idempotency key; NULL: a random UUID */
};

/*
 * Runs it, and appends its result as WAVE text (nothing if there is none) to result_out. The result is durable then;
 * a key that was used before gives its first result. Otherwise, with the reason in report:
 *
 *   GA_NOT_FOUND, GA_INVALID   no such function; arguments that do not fit: the offset is in args, or
 *                              as cabi_wave_parse_words counts. The worker is as before
 *   GA_TRAP                    the guest trapped, now or in an invocation before: "Previous invocation failed: ..."
 *   GA_EXITED                  the guest called exit, now or before: "Previous invocation exited"
 *   GA_SUSPENDED               it waits for something outside, or the process is to stop; the next process goes on
 *   GA_DIVERGED, GA_NO_SPACE, GA_IO, ...   the process must not go on with this worker
 */
enum ga_status invocation_call(struct worker *worker, const struct invocation_request *request,
                               struct ga_buf *result_out, struct ga_report *report) GA_MUST_USE;

/*
 * Calls an export without a result once, of an ephemeral worker, for callers that have native parameters and no text. make builds
 * them, and may trap as a host function does. GA_TRAP, GA_EXITED and others as above.
 */
enum ga_status invocation_run(struct worker *worker, const struct rt_export *export,
                              void (*make)(struct worker *worker, void *params), void *params,
                              struct ga_report *report) GA_MUST_USE;

/* Replays what is behind the worker's position, and finishes an invocation that was under way. GA_OK also if that
 * one traps or exits. */
enum ga_status invocation_recover(struct worker *worker, struct ga_report *report) GA_MUST_USE;

/* For oplog_printer: arguments and results of exported functions as WAVE text. context: struct invocation_printer. */
struct invocation_printer {
    bool known; /* the function of the last ExportedFunctionInvoked that was printed: its export, NULL for a drop */
    const struct rt_export *export;
    bool indexed; /* it was called on an indexed resource, which is no argument */
    struct ga_arena arena;
};
bool invocation_print_value(void *context, const struct oplog_entry *entry, const struct oplog_value *values,
                            uint32_t field, struct ga_buf *out);

#endif
