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
 * A checkpoint fits if the oplog has an entry of its number with its chain hash behind it. What it was taken of is
 * the region alone; of this process's own state it needs only the place in the oplog, which it carries, and what is
 * in STATE.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dispatch.h"
#include "ga_assert.h"
#include "ga_hash.h"
#include "gate.h"
#include "invocation.h"
#include "record.h"
#include "trap.h"

struct worker worker_this;

enum {
    SCAN_ALL_ENTRIES = 10000,       /* an oplog up to this long is checked as a whole at every start: under 2 ms */
    CHECKPOINT_SHARE = 20,          /* checkpoints take at most this part of the run time */
    CHECKPOINT_WORTH_NS = 50000000, /* less than this is replayed sooner than anybody notices */
    FIRST_CHECKPOINT_SHARE =
        4, /* the first one comes early: its cost is not known yet, and it is the one that is missed most */
    CHECKPOINT_GUESS_NS = 2000000,  /* of its cost ... */
    CHECKPOINT_GUESS_BYTES_A_NS = 3 /* ... and the memory it writes in a nanosecond */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What is done from now on is in no checkpoint. */
static void note_tail_start(struct worker *worker)
{
    worker->tail_start_ns = clock_ns(CLOCK_MONOTONIC);
    worker->tail_start_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

__attribute__((format(printf, 2, 3))) static void remark(const struct worker *worker, const char *format, ...)
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

/* --- what host functions see --- */

struct ga_arena *worker_scratch(struct worker *worker)
{
    return &worker->scratch;
}

void *worker_alloc(struct worker *worker, size_t size)
{
    return ga_arena_alloc(&worker->scratch, size);
}

struct cabi_string worker_string(struct worker *worker, const char *text)
{
    size_t size = strlen(text);
    return (struct cabi_string){ga_arena_strndup(&worker->scratch, text, size), size};
}

bool worker_replaying(struct worker *worker)
{
    return worker->replaying;
}

void worker_forbid_checkpoints(struct worker *worker)
{
    (void)worker;
    STATE->checkpoints_forbidden = true;
}

void worker_trap(struct worker *worker, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    (void)worker;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trap_raise("%s", text);
}

void worker_exit(struct worker *worker, uint8_t code)
{
    (void)worker;
    trap_exit(code);
}

const struct worker_environment *worker_environment(struct worker *worker)
{
    return &worker->environment;
}

const char *worker_name(struct worker *worker)
{
    return worker->config->name;
}

const char *worker_component_id(struct worker *worker)
{
    return worker->identity.component_id;
}

bool worker_is_ephemeral(struct worker *worker)
{
    return !worker->store;
}

bool worker_is_command(struct worker *worker)
{
    return worker->config->command;
}

/* A worker's private directory under both names that programs look for (Golem does the same). */
const struct worker_preopen *worker_preopens(struct worker *worker, uint32_t *count_out)
{
    static struct worker_preopen own[2];
    if (worker->config->command) {
        *count_out = worker->config->preopen_count;
        return worker->config->preopens;
    }
    int fd = worker_files_fd(worker);
    if (fd < 0 && worker->store) { /* without files, a worker would take another way than it has in its oplog */
        struct ga_report report = {0};
        ga_report_errno(&report, errno, "worker \"%s\": cannot make the directory for its files", worker->config->name);
        worker_abandon(worker, &report);
    }
    own[0] = (struct worker_preopen){fd, "/"};
    own[1] = (struct worker_preopen){fd, "."};
    *count_out = fd >= 0 ? 2 : 0;
    return own;
}

/* --- what the guest prints --- */

static int stream_of(const struct worker *worker, enum worker_stream stream)
{
    return worker->config->command && stream == WORKER_STDOUT ? 1 : 2;
}

static void write_through(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        size -= (size_t)written;
    }
}

/* True if the entry is there already: in replay always, and behind the last call for as long as Log entries
 * follow. */
static bool log_is_recorded(struct worker *worker)
{
    struct oplog_entry entry;
    struct ga_report report = {0};
    bool found = false;
    if (!worker->replay.reading)
        return false;
    if (replay_take_log(&worker->replay, &entry, &found, &report) != GA_OK)
        worker_abandon(worker, &report);
    if (found || worker->replaying)
        return true;
    worker_go_live(worker);
    return false;
}

enum { LEVEL_STDOUT, LEVEL_STDERR, LEVEL_TRACE, LEVEL_INFO = 4, LEVEL_CRITICAL = 7 };

static void append_log(struct worker *worker, unsigned level, struct oplog_value context, struct oplog_value message)
{
    journal_append(&worker->journal, OPLOG_LOG, (struct oplog_value[]){oplog_number(level), context, message});
}

void worker_log(struct worker *worker, enum worker_stream stream, const void *data, size_t size)
{
    int fd = stream_of(worker, stream);
    if (!worker->recording) {
        write_through(fd, data, size);
        return;
    }
    if (log_is_recorded(worker))
        return;
    record_refuse_when_leaving(worker, "its standard streams");
    append_log(worker, stream == WORKER_STDOUT ? LEVEL_STDOUT : LEVEL_STDERR,
               oplog_text(stream == WORKER_STDOUT ? "stdout" : "stderr"), oplog_bytes(data, size));
    journal_echo(&worker->journal, fd, data, size);
}

static unsigned level_of(const char *level)
{
    static const char *const LEVELS[] = {"trace", "debug", "info", "warn", "error", "critical"};
    for (unsigned i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
        if (strcmp(level, LEVELS[i]) == 0)
            return LEVEL_TRACE + i;
    return LEVEL_INFO;
}

void worker_log_message(struct worker *worker, const char *level, struct cabi_string context, struct cabi_string message)
{
    char *line = ga_arena_printf(&worker->scratch, "[%s] %.*s: %.*s\n", level, (int)context.size, context.data,
                                 (int)message.size, message.data);
    if (!worker->recording) {
        write_through(2, line, strlen(line));
        return;
    }
    if (log_is_recorded(worker))
        return;
    record_refuse_when_leaving(worker, "logging");
    append_log(worker, level_of(level), oplog_bytes(context.data, context.size),
               oplog_bytes(message.data, message.size));
    journal_echo(&worker->journal, 2, line, strlen(line));
}

/* --- files --- */

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat, (void)type, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A durable worker's files begin empty in every process: replay makes them again. */
static const char *make_files(struct worker *worker, char path[static 64])
{
    if (!worker->store) {
        const char *temporary = getenv("TMPDIR");
        snprintf(worker->files_path, sizeof worker->files_path, "%.40s/golem-XXXXXX",
                 temporary && *temporary ? temporary : "/tmp");
        if (mkdtemp(worker->files_path))
            return worker->files_path;
        *worker->files_path = 0;
        return NULL;
    }
    snprintf(path, 64, "/proc/self/fd/%d/files", worker->directory_fd);
    remove_tree(path);
    return mkdir(path, 0700) == 0 ? path : NULL;
}

int worker_files_fd(struct worker *worker)
{
    char buffer[64];
    const char *path = worker->files_fd < 0 && !worker->config->command ? make_files(worker, buffer) : NULL;
    if (path)
        worker->files_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return worker->files_fd;
}

static void close_files(struct worker *worker)
{
    if (worker->files_fd >= 0)
        close(worker->files_fd);
    worker->files_fd = -1;
    if (*worker->files_path)
        remove_tree(worker->files_path);
    *worker->files_path = 0;
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

/* A failure that cannot be written down is found again by the next process, in the same place. */
static void commit_or_remark(struct worker *worker)
{
    struct ga_report report = {0};
    if (journal_commit(&worker->journal, &report) != GA_OK)
        remark(worker, "%s", report.text);
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
    commit_or_remark(worker);
}

void worker_note_exit(struct worker *worker)
{
    worker->exited = true;
    worker->exit_status = trap_exit_code();
    if (!worker->recording || worker->leaving)
        return;
    worker_go_live(worker);
    journal_append(&worker->journal, OPLOG_EXITED, (struct oplog_value[]){oplog_number(worker->exit_status)});
    commit_or_remark(worker);
}

void worker_go_live(struct worker *worker)
{
    GA_ASSERT(!worker->replaying);
    replay_finish(&worker->replay);
}

/* --- environment --- */

/* "NAME=VALUE" pairs and the three of Golem's own, which nobody else may set (reference: Golem, worker
 * environment). */
static void set_environment(struct worker *worker, const char *const *arguments, uint32_t argument_count,
                            const char *const *variables, uint32_t variable_count)
{
    static const char *const OWN[] = {"GOLEM_WORKER_NAME", "GOLEM_COMPONENT_ID", "GOLEM_COMPONENT_VERSION"};
    const char *const own_values[] = {worker->config->name, worker->identity.component_id, "0"};
    struct ga_arena *arena = &worker->lasting;
    const char **names = ga_arena_array(arena, variable_count + 3, sizeof *names);
    const char **values = ga_arena_array(arena, variable_count + 3, sizeof *values);
    uint32_t count = 0;
    for (uint32_t i = 0; i < variable_count; i++) {
        size_t size = strcspn(variables[i], "=");
        char *name = ga_arena_strndup(arena, variables[i], size);
        bool own = false;
        for (size_t j = 0; j < 3; j++)
            own |= !worker->config->command && strcmp(name, OWN[j]) == 0;
        if (own)
            continue;
        names[count] = name;
        values[count++] = ga_arena_printf(arena, "%s", variables[i][size] ? variables[i] + size + 1 : "");
    }
    for (size_t j = 0; j < 3 && !worker->config->command; j++) {
        names[count] = OWN[j];
        values[count++] = own_values[j];
    }
    const char **copies = ga_arena_array(arena, argument_count, sizeof *copies);
    for (uint32_t i = 0; i < argument_count; i++)
        copies[i] = ga_arena_printf(arena, "%s", arguments[i]);
    worker->environment = (struct worker_environment){argument_count, count, copies, names, values};
}

static const char **decode_texts(struct ga_arena *arena, const struct oplog_value *value)
{
    const char **texts = ga_arena_array(arena, value->number, sizeof *texts);
    struct ga_reader reader = {.start = value->data, .at = value->data, .end = value->data + value->size};
    for (uint64_t i = 0; i < value->number; i++) {
        size_t size = ga_read_leb_u(&reader, 32);
        texts[i] = ga_arena_strndup(arena, (const char *)ga_read_bytes(&reader, size), size);
    }
    return texts;
}

static bool value_is(const struct oplog_value *value, const char *text)
{
    return value->size == strlen(text) && memcmp(value->data, text, value->size) == 0;
}

/* A worker keeps the arguments and variables that it was created with. */
static enum ga_status read_environment(struct worker *worker, struct ga_report *report)
{
    enum { ID = 1, HASH = 2, ARGS = 4, ENV = 5 };
    struct oplog_entry entry;
    struct oplog_value values[OPLOG_MAX_FIELDS];
    struct ga_arena *arena = &worker->lasting;
    enum ga_status status =
        replay_read_entry(worker->store, worker->identity.id, worker->config->name, 1, arena, &entry, report);
    if (status != GA_OK)
        return status;
    if (entry.kind != OPLOG_CREATE || !oplog_decode(&entry, values))
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry 1: is not Create", worker->config->name);
    if (!value_is(&values[HASH], golem_component.component_hash))
        return ga_report_set(
            report, GA_CONFLICT,
            "worker \"%s\", entry 1: belongs to another component (%.16s..., this executable is %s, %.16s...)",
            worker->config->name, (const char *)values[HASH].data, golem_component.name, golem_component.component_hash);
    /* The row is only an index to the oplog. */
    if (!value_is(&values[HASH], worker->identity.component_hash) ||
        !value_is(&values[ID], worker->identity.component_id))
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry 1: the worker's row names another component",
                             worker->config->name);
    set_environment(worker, decode_texts(arena, &values[ARGS]), (uint32_t)values[ARGS].number,
                    decode_texts(arena, &values[ENV]), (uint32_t)values[ENV].number);
    return GA_OK;
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

static void init_worker(struct worker *worker, const struct worker_config *config)
{
    *worker = (struct worker){.config = config, .files_fd = -1, .directory_fd = -1};
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

static enum ga_status open_store(struct worker *worker, bool must_exist, bool lock, bool *created_out,
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
    return status;
}

/* What was there and is not: SQLite cannot tell rows that damage hides at the end of a table from rows never written,
 * but others tell of them. */
static enum ga_status missing_at_end(const struct worker *worker, uint64_t index, const char *witness, uint64_t last,
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
    enum ga_status status =
        worker->store->ops->invocation_summary(worker->store, worker->identity.id, &table, report);
    if (status != GA_OK)
        return status;
    if (table.last_index > last)
        return missing_at_end(worker, table.last_index, "an invocation's key names it", last, report);
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
        remark(worker, "worker \"%s\": a torn tail of %" PRIu64 " entries behind entry %" PRIu64 " was cut",
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
    init_worker(worker, config);
    enum ga_status status = open_store(worker, true, lock, &created, report);
    if (status == GA_OK)
        status = read_environment(worker, report);
    return status == GA_OK ? scan_from(worker, 1, report) : status;
}

/* --- the region --- */

static bool accept_checkpoint(const struct ckpt_info *info, void *context)
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
    return worker->store->ops->hash_at(worker->store, worker->identity.id, info->oplog_index, &hash, &report) == GA_OK &&
           hash == info->oplog_hash;
}

static enum ga_status make_region(struct worker *worker, struct ga_report *report)
{
    gate_host_dispatch = dispatch_host_call;
    cabi_host_drop = dispatch_host_drop;
    trap_install_handlers();
    struct ga_report cause = {0};
    struct ckpt_id id = {worker_build_id(), worker->identity.id};
    enum ga_status status = region_create(golem_component.root_size, report);
    if (status == GA_OK && ckpt_open(worker->directory_fd, id, &worker->ckpt, &cause) != GA_OK) {
        remark(worker, "worker \"%s\" goes without checkpoints: %s", worker->config->name, cause.text);
        status = ckpt_open(-1, id, &worker->ckpt, report);
        worker->slots_unusable = true;
    }
    return status;
}

static enum ga_status restore_checkpoint(struct worker *worker)
{
    struct ga_report report = {0};
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    enum ga_status status = ckpt_restore(worker->ckpt, accept_checkpoint, worker, &worker->last_checkpoint, &report);
    worker->restore_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    worker->restored = status == GA_OK;
    if (status != GA_NOT_FOUND && *report.text)
        remark(worker, "worker \"%s\": %s", worker->config->name, report.text);
    return status;
}

static enum ga_status restore_start_image(struct worker *worker)
{
    struct ga_report report = {0};
    enum ga_status status = ckpt_restore_start_image(worker->ckpt, &report);
    if (status != GA_OK && status != GA_NOT_FOUND)
        remark(worker, "the start image cannot be used: %s", report.text);
    return status;
}

static void run_instantiate(uint64_t *flat)
{
    (void)flat;
    golem_component.instantiate();
}

/* Verify has come to where the newest checkpoint was taken? Host calls are counted, idle moments told apart by the
 * oplog. */
void worker_compare_digest(struct worker *worker)
{
    bool here = worker->digest_at.in_invocation ? REGION->depth == 1 : REGION->depth == 0;
    if (worker->digest_seen || !here || STATE->call_count != worker->digest_call_count)
        return;
    if (!worker->digest_at.in_invocation && worker->replay.position != worker->digest_at.oplog_index)
        return;
    worker->digest_replayed = ckpt_digest();
    worker->digest_seen = true;
}

/* Fresh state: from the start image, or by running the component's own start. */
static enum ga_status instantiate(struct worker *worker, struct ga_report *report)
{
    if (worker->config->mode != WORKER_START_IMAGE && restore_start_image(worker) == GA_OK)
        return GA_OK;
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
    struct ga_buf args = {0}, env = {0};
    const struct worker_config *config = worker->config;
    journal_append(&worker->journal, OPLOG_CREATE,
                   (struct oplog_value[]){oplog_text(config->name), oplog_text(worker->identity.component_id),
                                          oplog_text(golem_component.component_hash), oplog_number(0),
                                          oplog_texts(config->arguments, config->argument_count, &args),
                                          oplog_texts(config->variables, config->variable_count, &env), oplog_text("")});
    ga_buf_free(&args);
    ga_buf_free(&env);
}

/* What a worker that exists is brought back from; then its tail is replayed. */
static enum ga_status recover(struct worker *worker, struct ga_report *report)
{
    bool whole = worker->config->mode == WORKER_VERIFY;
    if (whole || restore_checkpoint(worker) != GA_OK)
        worker->last_checkpoint = (struct ckpt_info){0};
    if (worker->checkpoint_beyond)
        return missing_at_end(worker, worker->checkpoint_beyond, "a checkpoint was taken there",
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

static enum ga_status create(struct worker *worker, struct ga_report *report)
{
    journal_start(&worker->journal, worker->store, worker->identity.id, worker->identity.epoch, 0,
                  oplog_chain_start(worker->identity.id));
    set_environment(worker, worker->config->arguments, worker->config->argument_count, worker->config->variables,
                    worker->config->variable_count);
    append_create(worker);
    return instantiate(worker, report);
}

static enum ga_status start_durable(struct worker *worker, bool must_exist, struct ga_report *report)
{
    bool created;
    enum ga_status status = open_store(worker, must_exist, true, &created, report);
    if (status == GA_OK && !created)
        status = read_environment(worker, report);
    if (status == GA_OK && !created && (worker->identity.last_index <= SCAN_ALL_ENTRIES || worker->leaving))
        status = scan_from(worker, 1, report);
    if (status == GA_OK)
        status = make_region(worker, report);
    if (status != GA_OK)
        return status;
    worker->recording = true;
    note_tail_start(worker);
    return created ? create(worker, report) : recover(worker, report);
}

static enum ga_status start_ephemeral(struct worker *worker, struct ga_report *report)
{
    enum ga_status status = make_region(worker, report);
    if (status != GA_OK)
        return status;
    set_environment(worker, worker->config->arguments, worker->config->argument_count, worker->config->variables,
                    worker->config->variable_count);
    journal_start(&worker->journal, NULL, 0, 0, 0, 0);
    append_create(worker);
    return instantiate(worker, report);
}

enum ga_status worker_start(struct worker *worker, const struct worker_config *config, struct ga_report *report)
{
    init_worker(worker, config);
    worker->leaving = config->mode != WORKER_LIVE;
    worker->digest_wanted = config->mode == WORKER_VERIFY;
    if (config->data)
        return start_durable(worker, config->must_exist, report);
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
    close_files(worker);
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
    worker->store = NULL;
    worker->ckpt = NULL;
    return status;
}

/* --- checkpoints --- */

bool worker_may_checkpoint(const struct worker *worker, const char **reason_out)
{
    const char *reason = NULL;
    if (!worker->store || worker->leaving)
        reason = "nothing of it is kept";
    else if (worker->slots_unusable)
        reason = "its files cannot be opened";
    else if (worker->failed || worker->exited)
        reason = "it has failed or exited";
    else if (STATE->checkpoints_forbidden)
        reason = "it has changed its files";
    else if (STATE->host_resources.forbidding)
        reason = "it holds a resource of the host that cannot be made again";
    else if (worker->replaying || worker->replay.reading)
        reason = "it replays";
    else if (REGION->depth > 1 || worker->calls_inside || (REGION->depth == 1 && !STATE->invocation.may_rest))
        reason = "it is not at rest";
    if (reason_out)
        *reason_out = reason;
    return !reason;
}

static enum ga_status take_checkpoint(struct worker *worker, struct ga_report *report)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    enum ga_status status = journal_commit(&worker->journal, report);
    if (status == GA_OK)
        status = ckpt_write(worker->ckpt, journal_last_index(&worker->journal), worker->journal.tail.chain,
                            &worker->last_checkpoint, report);
    worker->checkpoint_cost_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    note_tail_start(worker);
    worker->checkpoint_count += status == GA_OK;
    return status;
}

static uint64_t guess_cost(void)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < REGION->memory_count; i++)
        bytes += REGION->memories[i].size_bytes;
    return CHECKPOINT_GUESS_NS + bytes / CHECKPOINT_GUESS_BYTES_A_NS;
}

/* What replaying the tail would cost is what it has cost: processor time since the last checkpoint, replay
 * included. While the worker runs, one is taken when that has become noticeable, and its own cost is a small part
 * of the time that has passed. */
static bool is_worth_running(const struct worker *worker, uint64_t cpu_ns)
{
    uint64_t passed_ns = clock_ns(CLOCK_MONOTONIC) - worker->tail_start_ns;
    uint64_t share = worker->checkpoint_cost_ns ? CHECKPOINT_SHARE : FIRST_CHECKPOINT_SHARE;
    uint64_t cost_ns = worker->checkpoint_cost_ns ? worker->checkpoint_cost_ns : guess_cost();
    return cpu_ns >= CHECKPOINT_WORTH_NS && passed_ns >= share * cost_ns;
}

/* When it leaves: if the next start is so spared more than it costs now. */
static bool is_worth_leaving(const struct worker *worker, uint64_t cpu_ns)
{
    uint64_t cost_ns = worker->checkpoint_cost_ns ? worker->checkpoint_cost_ns : guess_cost();
    return cpu_ns >= 2 * cost_ns;
}

void worker_consider_checkpoint(struct worker *worker, bool leaving)
{
    struct ga_report report = {0};
    if (!worker_may_checkpoint(worker, NULL))
        return;
    uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - worker->tail_start_cpu_ns;
    bool unchanged = journal_is_committed(&worker->journal) &&
                     journal_last_index(&worker->journal) == worker->last_checkpoint.oplog_index;
    if (unchanged || !(leaving ? is_worth_leaving(worker, cpu_ns) : is_worth_running(worker, cpu_ns)))
        return;
    if (take_checkpoint(worker, &report) != GA_OK)
        remark(worker, "worker \"%s\": no checkpoint: %s", worker->config->name, report.text);
}

enum ga_status worker_checkpoint(struct worker *worker, struct ga_report *report)
{
    const char *reason;
    if (!worker_may_checkpoint(worker, &reason))
        return ga_report_set(report, GA_UNSUPPORTED, "worker \"%s\" cannot have a checkpoint: %s", worker->config->name,
                             reason);
    return take_checkpoint(worker, report);
}

/* --- verify --- */

/* What a restored image is like, found out in a process of its own. */
struct restored_image {
    bool found;
    uint64_t beyond; /* checkpoint_beyond */
    struct ckpt_info info;
    uint64_t call_count, digest;
};

static void restore_in_child(struct worker *worker, const struct worker_config *config, struct restored_image *out)
{
    struct ga_report report = {0};
    bool created;
    init_worker(worker, config);
    if (open_store(worker, true, false, &created, &report) != GA_OK || make_region(worker, &report) != GA_OK)
        return;
    enum ga_status status = ckpt_restore(worker->ckpt, accept_checkpoint, worker, &out->info, &report);
    out->beyond = worker->checkpoint_beyond;
    if (status != GA_OK)
        return;
    out->found = true;
    out->call_count = STATE->call_count;
    out->digest = ckpt_digest();
}

static enum ga_status look_at_image(struct worker *worker, const struct worker_config *config,
                                    struct restored_image *out, struct ga_report *report)
{
    int ends[2], wait_status;
    memset(out, 0, sizeof *out);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ga_report_errno(report, errno, "cannot make a pipe");
    pid_t child = fork();
    if (child < 0)
        return ga_report_errno(report, errno, "cannot make a process");
    if (child == 0) {
        restore_in_child(worker, config, out);
        _exit(write(ends[1], out, sizeof *out) == (ssize_t)sizeof *out ? 0 : 1);
    }
    close(ends[1]);
    ssize_t size = read(ends[0], out, sizeof *out);
    close(ends[0]);
    if (waitpid(child, &wait_status, 0) < 0 || wait_status != 0 || size != (ssize_t)sizeof *out)
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\": restoring its newest checkpoint crashed", config->name);
    return GA_OK;
}

static enum ga_status compare_digests(struct worker *worker, struct ga_report *report)
{
    if (!worker->digest_wanted)
        return GA_OK;
    const struct ckpt_info *at = &worker->digest_at;
    if (!worker->digest_seen)
        return ga_report_set(report, GA_DIVERGED,
                             "worker \"%s\", entry %" PRIu64 ": the replay never came to host call %" PRIu64
                             ", where checkpoint %" PRIu64 " was taken",
                             worker->config->name, at->oplog_index, worker->digest_call_count, at->sequence);
    if (worker->digest_restored != worker->digest_replayed)
        return ga_report_set(report, GA_DIVERGED,
                             "worker \"%s\", entry %" PRIu64 ": checkpoint %" PRIu64
                             " restores memory with digest %016" PRIx64 ", the replay made %016" PRIx64,
                             worker->config->name, at->oplog_index, at->sequence, worker->digest_restored,
                             worker->digest_replayed);
    return GA_OK;
}

enum ga_status worker_verify(struct worker *worker, const struct worker_config *config, struct ga_report *report)
{
    struct restored_image image;
    enum ga_status status = look_at_image(worker, config, &image, report);
    if (status != GA_OK)
        return status;
    init_worker(worker, config);
    worker->leaving = true;
    worker->digest_wanted = image.found;
    worker->digest_at = image.info;
    worker->digest_call_count = image.call_count;
    worker->digest_restored = image.digest;
    status = start_durable(worker, true, report);
    if (status == GA_OK && image.beyond > worker->identity.last_index)
        return missing_at_end(worker, image.beyond, "a checkpoint was taken there", worker->identity.last_index, report);
    return status == GA_OK ? compare_digests(worker, report) : status;
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
