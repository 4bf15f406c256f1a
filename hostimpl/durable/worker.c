/*
 * The life of a worker in this process.
 *
 *   worker_start    open the store, take the worker's lock                          GA_CONFLICT: live elsewhere
 *                   check the oplog: all of it if it is short, else from the checkpoint on
 *                   bring the region back: newest checkpoint that fits the oplog, else the start image of the executable, else
 *                   instantiate
 *                   replay what follows (invocation_recover), and finish an invocation that was under way
 *   invocation_*    live calls
 *   worker_stop     commit, perhaps a checkpoint, let go
 *
 * A checkpoint fits if the oplog has an entry of its number with its chain hash behind it, and no Jump hides that. What it
 * was taken of is the region alone; of this process's own state it needs only the place in the oplog, which it carries, and what is
 * in STATE.
 *
 * What stands elsewhere: when a checkpoint is taken (worker_checkpoint.c), what verify compares (worker_verify.c), and
 * what host functions get from the worker (worker_services.c, worker_log.c, worker_files.c, worker_environment.c).
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch.h"
#include "ga_assert.h"
#include "gate.h"
#include "invocation.h"
#include "trap.h"
#include "worker_parts.h"

struct worker worker_this;

/* An oplog up to this long is checked as a whole at every start: under 2 ms. */
enum { SCAN_ALL_ENTRIES = 10000 };

void worker_remark(const struct worker *worker, const char *format, ...)
{
    char text[1200];
    va_list arguments;
    if (!worker->config->remark)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    worker->config->remark(text);
}

/* --- leaving and failing --- */

void worker_abandon(struct worker *worker, const struct ga_report *report)
{
    worker->abandoned = *report;
    trap_abandon();
}

void worker_commit(struct worker *worker)
{
    struct ga_report report = {0};
    if (journal_commit(&worker->journal, &report) != GA_OK)
        worker_abandon(worker, &report);
}

/* A failure that cannot be written down is not told either: the next process may find another, or none, because what the
 * worker was answered since the last commit is lost with it. */
static void commit_or_abandon(struct worker *worker)
{
    struct ga_report report = {0};
    if (journal_commit(&worker->journal, &report) == GA_OK)
        return;
    worker->abandoned = report;
    worker_remark(worker, "%s", report.text);
}

void worker_note_trap(struct worker *worker)
{
    enum { UNKNOWN, STACK_OVERFLOW = 2 };
    worker->failed = true;
    snprintf(worker->failure, sizeof worker->failure, "%s", trap_text());
    if (!worker->recording || worker->leaving)
        return;
    worker_go_live(worker);
    journal_append(&worker->journal, OPLOG_ERROR,
                   (struct oplog_value[]){oplog_number(trap_was_stack_overflow() ? STACK_OVERFLOW : UNKNOWN),
                                          oplog_text(worker->failure)});
    commit_or_abandon(worker);
}

void worker_note_exit(struct worker *worker)
{
    worker->exited = true;
    worker->exit_status = trap_exit_code();
    if (!worker->recording || worker->leaving)
        return;
    worker_go_live(worker);
    journal_append(&worker->journal, OPLOG_EXITED, (struct oplog_value[]){oplog_number(worker->exit_status)});
    commit_or_abandon(worker);
}

void worker_go_live(struct worker *worker)
{
    GA_ASSERT(!worker->replaying);
    replay_finish(&worker->replay);
}

/* --- opening --- */

/* The component's id: the first 16 bytes of its hash as a UUID of version 8 (RFC 9562, "custom"). */
static void component_id_of(const char *hash, char out[37])
{
    char digits[33];
    snprintf(digits, sizeof digits, "%.32s", hash);
    digits[12] = '8';
    digits[16] = "89ab"[strtoul((char[]){digits[16], 0}, NULL, 16) & 3];
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16, digits + 20);
}

void worker_init(struct worker *worker, const struct worker_config *config)
{
    *worker = (struct worker){.config = config, .directory_fd = -1};
    files_init(&worker->files, -1);
    component_id_of(golem_component.component_hash, worker->identity.component_id);
    snprintf(worker->identity.component_hash, sizeof worker->identity.component_hash, "%s",
             golem_component.component_hash);
    worker->identity.created_at_ns = journal_now_us() * 1000;
}

static enum ga_status open_owned(struct worker *worker, bool *created_out, struct ga_report *report)
{
    struct store_worker wanted = worker->identity;
    enum ga_status status = worker->store->ops->worker_open(worker->store, worker->config->name, &wanted,
                                                            &worker->identity, created_out, report);
    worker->open = status == GA_OK;
    return status;
}

enum ga_status worker_open_store(struct worker *worker, bool must_exist, bool lock, bool *created_out,
                                 struct ga_report *report)
{
    *created_out = false;
    enum ga_status status = store_sqlite_open(worker->config->data, must_exist, &worker->store, report);
    if (status != GA_OK)
        return status;
    if (!lock || must_exist) {
        status = worker->store->ops->worker_find(worker->store, worker->config->name, &worker->identity, report);
        if (status == GA_NOT_FOUND)
            return ga_report_set(report, status, "%s has no worker \"%s\"", worker->config->data, worker->config->name);
    }
    if (status == GA_OK && lock)
        status = open_owned(worker, created_out, report);
    if (status == GA_OK)
        status =
            worker->store->ops->worker_directory(worker->store, worker->config->name, &worker->directory_fd, report);
    files_init(&worker->files, worker->directory_fd);
    return status;
}

/* What was there and is not: SQLite cannot tell rows that damage hides at the end of a table from rows never written,
 * but others tell of them. */
enum ga_status worker_missing_at_end(const struct worker *worker, uint64_t index, const char *witness, uint64_t last,
                                     struct ga_report *report)
{
    return ga_report_set(report, GA_CORRUPT,
                         "worker \"%s\", entry %" PRIu64 ": missing: %s, but the oplog ends with entry %" PRIu64,
                         worker->config->name, index, witness, last);
}

/* The oplog, all of it scanned, and the table of invocations were written together. */
static enum ga_status check_invocations(struct worker *worker, struct ga_report *report)
{
    struct store_invocation_summary table;
    uint64_t last = worker->summary.last_index;
    enum ga_status status = worker->store->ops->invocation_summary(worker->store, worker->identity.id, &table, report);
    if (status != GA_OK)
        return status;
    if (table.last_index > last)
        return worker_missing_at_end(worker, table.last_index, "an invocation's key names it", last, report);
    if (table.completed_count != worker->summary.completed_count)
        return ga_report_set(report, GA_CORRUPT,
                             "worker \"%s\", entries 1 to %" PRIu64 ": complete %" PRIu64
                             " invocations, but there are the keys of %" PRIu64,
                             worker->config->name, last, worker->summary.completed_count, table.completed_count);
    return GA_OK;
}

static enum ga_status scan_from(struct worker *worker, uint64_t index, struct ga_report *report)
{
    uint64_t first = 1, chain = oplog_chain_start(worker->identity.id);
    if (index > 1) {
        enum ga_status status = replay_chunk_start(worker->store, worker->identity.id, index, &first, &chain, report);
        if (status != GA_OK)
            return status == GA_NOT_FOUND
                       ? ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry %" PRIu64 ": missing",
                                       worker->config->name, index)
                       : status;
    }
    enum ga_status status = replay_scan(worker->store, worker->identity.id, worker->config->name, first, chain,
                                        worker->open, &worker->summary, report);
    if (status != GA_OK)
        return status;
    if (worker->summary.cut_entries)
        worker_remark(worker, "worker \"%s\": a torn tail of %" PRIu64 " entries behind entry %" PRIu64 " was cut",
                      worker->config->name, worker->summary.cut_entries, worker->summary.last_index);
    if (first == 1 && worker->open) { /* another owner may write between two looks */
        status = check_invocations(worker, report);
        if (status != GA_OK)
            return status;
    }
    worker->identity.last_index = worker->summary.last_index;
    worker->identity.last_hash = worker->summary.last_hash;
    worker->failed = worker->summary.failed;
    worker->exited = worker->summary.exited;
    worker->exit_status = worker->summary.exit_status;
    snprintf(worker->failure, sizeof worker->failure, "%s", worker->summary.failure);
    return GA_OK;
}

enum ga_status worker_look(struct worker *worker, const struct worker_config *config, bool lock,
                           struct ga_report *report)
{
    bool created;
    worker_init(worker, config);
    enum ga_status status = worker_open_store(worker, true, lock, &created, report);
    if (status == GA_OK)
        status = worker_read_environment(worker, report);
    return status == GA_OK ? scan_from(worker, 1, report) : status;
}

/* --- the region --- */

/* Taken of what the guest has forgotten since? */
static bool is_hidden(struct worker *worker, uint64_t index)
{
    struct ga_report report = {0};
    bool hidden = true;
    if (worker->summary.last_index)
        return replay_regions_hide(&worker->summary.regions, index);
    return replay_is_hidden(worker->store, worker->identity.id, index, &hidden, &report) != GA_OK || hidden;
}

bool worker_accept_checkpoint(const struct ckpt_info *info, void *context)
{
    struct worker *worker = context;
    struct ga_report report = {0};
    uint64_t hash;
    /* It was written when its entry was durable. */
    if (info->oplog_index > worker->identity.last_index) {
        if (info->oplog_index > worker->checkpoint_beyond)
            worker->checkpoint_beyond = info->oplog_index;
        return false;
    }
    bool fits =
        worker->store->ops->hash_at(worker->store, worker->identity.id, info->oplog_index, &hash, &report) == GA_OK &&
        hash == info->oplog_hash && !is_hidden(worker, info->oplog_index);
    return fits && worker_restore_files(worker, info);
}

enum ga_status worker_make_region(struct worker *worker, struct ga_report *report)
{
    gate_host_dispatch = dispatch_host_call;
    cabi_host_drop = dispatch_host_drop;
    trap_install_handlers();
    struct ga_report cause = {0};
    struct ckpt_id id = {worker_build_id(), worker->identity.id};
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error to report, not a reason to die */
    enum ga_status status = region_create(golem_component.root_size, report);
    if (worker->directory_fd < 0)
        return status; /* nothing is kept */
    if (status == GA_OK && ckpt_open(worker->directory_fd, id, &worker->ckpt, &cause) != GA_OK) {
        worker_remark(worker, "worker \"%s\" goes without checkpoints: %s", worker->config->name, cause.text);
        status = ckpt_open(-1, id, &worker->ckpt, report);
        worker->slots_unusable = true;
    }
    if (status == GA_OK)
        worker_join_files(worker);
    return status;
}

static enum ga_status restore_checkpoint(struct worker *worker)
{
    struct ga_report report = {0};
    uint64_t start_ns = worker_clock_ns(CLOCK_MONOTONIC);
    enum ga_status status =
        ckpt_restore(worker->ckpt, worker_accept_checkpoint, worker, &worker->last_checkpoint, &report);
    worker->restore_ns = worker_clock_ns(CLOCK_MONOTONIC) - start_ns;
    worker->restored = status == GA_OK;
    if (worker->restored)
        worker->last_checkpoint_calls = STATE->call_count;
    else
        worker_close_files(worker);
    if (status != GA_NOT_FOUND && *report.text)
        worker_remark(worker, "worker \"%s\": %s", worker->config->name, report.text);
    return status;
}

static enum ga_status restore_start_image(struct worker *worker)
{
    struct ga_report report = {0};
    enum ga_status status = ckpt_restore_start_image(worker->ckpt, worker_build_id(), &report);
    if (status != GA_OK && status != GA_NOT_FOUND)
        worker_remark(worker, "the start image cannot be used: %s", report.text);
    return status;
}

static struct {
    struct worker *worker;
    void (*function)(struct worker *worker, void *context);
    void *context;
} gated;

static uint64_t run_gated(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower, (void)flat;
    gated.function(gated.worker, gated.context);
    return 0;
}

static void enter_gated(uint64_t *flat)
{
    (void)gate_call(run_gated, NULL, flat);
}

enum gate_outcome worker_gated(struct worker *worker, void (*function)(struct worker *worker, void *context),
                               void *context)
{
    gated.worker = worker;
    gated.function = function;
    gated.context = context;
    return gate_enter(enter_gated, REGION->flat);
}

static void run_instantiate(uint64_t *flat)
{
    (void)flat;
    golem_component.instantiate();
}

/* Fresh state: from the start image, or by running the component's own start. */
static enum ga_status instantiate(struct worker *worker, struct ga_report *report)
{
    worker->from_start_image = worker->config->mode != WORKER_START_IMAGE && restore_start_image(worker) == GA_OK;
    if (worker->from_start_image)
        return GA_OK;
    if (worker->gone_back) /* the region is not new */
        return ga_report_set(report, GA_IO, "the start image cannot be mapped again");
    switch (gate_enter(run_instantiate, REGION->flat)) {
    case GATE_RETURNED: return GA_OK;
    case GATE_TRAPPED:
        worker->stillborn = true;
        worker_note_trap(worker);
        return GA_OK;
    case GATE_EXITED:
        worker->stillborn = true;
        worker_note_exit(worker);
        return GA_OK;
    case GATE_ABANDONED: break;
    }
    return ga_report_set(report, worker->abandoned.status, "%s", worker->abandoned.text);
}

static void append_create(struct worker *worker)
{
    struct ga_buf args = {0}, env = {0}, files = {0};
    const struct worker_config *config = worker->config;
    journal_append(&worker->journal, OPLOG_CREATE,
                   (struct oplog_value[]){oplog_text(config->name), oplog_text(worker->identity.component_id),
                                          oplog_text(golem_component.component_hash), oplog_number(0),
                                          oplog_texts(config->arguments, config->argument_count, &args),
                                          oplog_texts(config->variables, config->variable_count, &env), oplog_text(""),
                                          oplog_texts(worker->initial.texts, worker->initial.count, &files)});
    ga_buf_free(&args);
    ga_buf_free(&env);
    ga_buf_free(&files);
}

/* What a worker that exists is brought back from; then its tail is replayed. */
static enum ga_status recover_once(struct worker *worker, struct ga_report *report)
{
    bool whole = worker->config->mode == WORKER_VERIFY;
    if (whole || restore_checkpoint(worker) != GA_OK)
        worker->last_checkpoint = (struct ckpt_info){0};
    if (worker->checkpoint_beyond)
        return worker_missing_at_end(worker, worker->checkpoint_beyond, "a checkpoint was taken there",
                                     worker->identity.last_index, report);
    uint64_t position = worker->last_checkpoint.oplog_index;
    if (!worker->summary.last_index) {
        worker->summary.invoked_index =
            worker->restored && STATE->invocation.stage ? STATE->invocation.invoked_index : 0;
        enum ga_status status = scan_from(worker, position ? position : 1, report);
        if (status != GA_OK)
            return status;
    }
    journal_start(&worker->journal, worker->store, worker->identity.id, worker->identity.epoch,
                  worker->identity.last_index, worker->identity.last_hash);
    if ((worker->failed || worker->exited) && !whole)
        return GA_OK;
    if (!position)
        position = 1; /* Create, which read_environment has looked at */
    enum ga_status status =
        replay_start(&worker->replay, worker->store, worker->identity.id, position, &worker->summary, report);
    worker->replaying = status == GA_OK && replay_remains(&worker->replay);
    if (status == GA_OK && !worker->restored)
        status = instantiate(worker, report);
    if (status == GA_OK && !worker->stillborn)
        status = invocation_recover(worker, report);
    return status;
}

enum ga_status worker_recover(struct worker *worker, struct ga_report *report)
{
    enum ga_status status = recover_once(worker, report);
    while (status == GA_SUSPENDED && worker_go_back(worker)) {
        *report = (struct ga_report){0};
        status = recover_once(worker, report);
    }
    return status;
}

static enum ga_status create(struct worker *worker, struct ga_report *report)
{
    journal_start(&worker->journal, worker->store, worker->identity.id, worker->identity.epoch, 0,
                  oplog_chain_start(worker->identity.id));
    worker_set_environment(worker, worker->config->arguments, worker->config->argument_count, worker->config->variables,
                           worker->config->variable_count);
    enum ga_status status = worker_take_initial_files(worker, report);
    if (status != GA_OK)
        return status;
    append_create(worker);
    return instantiate(worker, report);
}

enum ga_status worker_start_durable(struct worker *worker, bool must_exist, struct ga_report *report)
{
    bool created;
    enum ga_status status = worker_open_store(worker, must_exist, true, &created, report);
    if (status == GA_OK && !created)
        status = worker_read_environment(worker, report);
    if (status == GA_OK && !created && (worker->identity.last_index <= SCAN_ALL_ENTRIES || worker->leaving))
        status = scan_from(worker, 1, report);
    if (status == GA_OK)
        status = worker_make_region(worker, report);
    if (status != GA_OK)
        return status;
    worker->recording = true;
    worker_note_tail_start(worker);
    return created ? create(worker, report) : worker_recover(worker, report);
}

void worker_start_journal(struct worker *worker)
{
    journal_free(&worker->journal);
    journal_start(&worker->journal, NULL, 0, 0, 0, 0);
    append_create(worker);
}

static enum ga_status start_ephemeral(struct worker *worker, struct ga_report *report)
{
    enum ga_status status = worker_make_region(worker, report);
    if (status != GA_OK)
        return status;
    worker_set_environment(worker, worker->config->arguments, worker->config->argument_count, worker->config->variables,
                           worker->config->variable_count);
    status = worker_take_initial_files(worker, report);
    if (status != GA_OK)
        return status;
    worker_start_journal(worker);
    return instantiate(worker, report);
}

enum ga_status worker_start(struct worker *worker, const struct worker_config *config, struct ga_report *report)
{
    worker_init(worker, config);
    worker->leaving = config->mode != WORKER_LIVE;
    worker->digest_wanted = config->mode == WORKER_VERIFY;
    if (config->data)
        return worker_start_durable(worker, config->must_exist, report);
    worker->recording = config->mode == WORKER_START_IMAGE;
    return start_ephemeral(worker, report);
}

enum ga_status worker_stop(struct worker *worker, struct ga_report *report)
{
    enum ga_status status = GA_OK;
    bool whole = worker->open && !worker->leaving && worker->abandoned.status == GA_OK && region_exists();
    if (whole && worker->recording && !worker->replaying)
        status = journal_commit(&worker->journal, report);
    if (whole && status == GA_OK)
        worker_consider_checkpoint(worker, true);
    worker_close_files(worker);
    journal_free(&worker->journal);
    if (worker->ckpt)
        ckpt_close(worker->ckpt);
    if (worker->directory_fd >= 0)
        close(worker->directory_fd);
    if (worker->store)
        worker->store->ops->close(worker->store);
    ga_arena_free(&worker->lasting);
    ga_arena_free(&worker->scratch);
    ga_buf_free(&worker->request);
    replay_summary_free(&worker->summary);
    worker->store = NULL;
    worker->ckpt = NULL;
    return status;
}

enum ga_status worker_write_start_image(struct worker *worker, int fd, struct ga_report *report)
{
    GA_ASSERT(worker->config->mode == WORKER_START_IMAGE);
    if (worker->failed)
        return ga_report_set(report, GA_UNSUPPORTED, "the guest traps while it starts: %s", worker->failure);
    if (worker->exited)
        return ga_report_set(report, GA_UNSUPPORTED, "the guest exits while it starts");
    return ckpt_write_start_image(fd, worker_build_id(), report);
}
