#ifndef DURABLE_WORKER_PARTS_H
#define DURABLE_WORKER_PARTS_H

#include <time.h>

#include "worker.h"

/* What the files of worker.h ask of one another. */

/* --- worker.c --- */

/* Tells config->remark, if there is one. */
__attribute__((format(printf, 2, 3))) void worker_remark(const struct worker *worker, const char *format, ...);

/* The first steps of a start, one behind the other. */
void worker_init(struct worker *worker, const struct worker_config *config);
enum ga_status worker_open_store(struct worker *worker, bool must_exist, bool lock, bool *created_out,
                                 struct ga_report *report) GA_MUST_USE;
enum ga_status worker_make_region(struct worker *worker, struct ga_report *report) GA_MUST_USE;
/* For ckpt_restore; context: the worker. True if its oplog has the checkpoint's place; its files are there then. */
bool worker_accept_checkpoint(const struct ckpt_info *info, void *context);
/* GA_CORRUPT: `witness` tells of entry index, but the oplog ends with entry last. */
enum ga_status worker_missing_at_end(const struct worker *worker, uint64_t index, const char *witness, uint64_t last,
                                     struct ga_report *report);
/* Brings back a worker that exists: a checkpoint or a fresh instance, replay, the rest of an invocation under way. */
enum ga_status worker_recover(struct worker *worker, struct ga_report *report) GA_MUST_USE;
/* All steps, of a worker that worker_init has seen. */
enum ga_status worker_start_durable(struct worker *worker, bool must_exist, struct ga_report *report) GA_MUST_USE;

/* Of an ephemeral worker: its oplog is counted, and nothing more. */
void worker_start_journal(struct worker *worker);

/* --- worker_environment.c --- */

/* "NAME=VALUE" pairs and the three of Golem's own, which nobody else may set (reference: Golem, worker
 * environment). */
void worker_set_environment(struct worker *worker, const char *const *arguments, uint32_t argument_count,
                            const char *const *variables, uint32_t variable_count);
/* A worker keeps the arguments and variables that it was created with; it must be of this component. */
enum ga_status worker_read_environment(struct worker *worker, struct ga_report *report) GA_MUST_USE;

/* --- worker_reset.c --- */

/* Makes a worker whose guest was left by durable_go_back ready for worker_recover. False: it was not, or the next process is to
 * bring it back. */
bool worker_go_back(struct worker *worker);

/* --- worker_files.c --- */

/* The root of the worker's private files, made if need be; -1 with the reason in report. Not for commands. */
int worker_files_root(struct worker *worker, struct ga_report *report);
void worker_close_files(struct worker *worker);
/* Files take part in checkpoints from now on. */
void worker_join_files(struct worker *worker);
/* Brings back those that belong to a checkpoint, instead of what is there. False, said as a remark: it cannot be used. */
bool worker_restore_files(struct worker *worker, const struct ckpt_info *info);
/* Of all that a guest can see: region and files. */
uint64_t worker_digest(struct worker *worker);

/* --- worker_initial.c --- */

/* Checks those of config; of a durable worker, keeps them in its directory. */
enum ga_status worker_take_initial_files(struct worker *worker, struct ga_report *report) GA_MUST_USE;
/* What a Create says of them; the texts stay the caller's. */
void worker_set_initial_files(struct worker *worker, const char *const *texts, uint32_t count);
/* Puts them into the empty directory. */
enum ga_status worker_place_initial_files(struct worker *worker, struct ga_report *report) GA_MUST_USE;

/* --- worker_checkpoint.c --- */

uint64_t worker_clock_ns(clockid_t clock);
/* What is done from now on is in no checkpoint. */
void worker_note_tail_start(struct worker *worker);

#endif
