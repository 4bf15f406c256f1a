#define _GNU_SOURCE
#include "exe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "invocation.h"

/* The verbs that look at a worker, or take care of it, and call nothing. */

static int stop(const struct exe_options *options, int code, struct ga_report *report)
{
    if (report->status != GA_OK)
        code = exe_fail(options, report);
    struct ga_report ignored = {0};
    if (worker_stop(&worker_this, &ignored) != GA_OK && code == EXE_DONE)
        return exe_fail(options, &ignored);
    return code;
}

static int refuse_words(const struct exe_options *options, const char *verb, int count, char **words)
{
    return count ? exe_usage(options, "%s has no argument %s", verb, words[0]) : EXE_DONE;
}

/* --- oplog --- */

static bool print_chunk(const struct store_chunk *chunk, uint64_t first, uint64_t last,
                        const struct oplog_printer *printer, struct ga_buf *out)
{
    struct oplog_cursor cursor = {.index = chunk->first_index};
    oplog_enter(&cursor, chunk->data, chunk->size);
    struct oplog_entry entry;
    out->size = 0;
    while (oplog_next(&cursor, false, &entry) == OPLOG_NEXT_ENTRY && entry.index <= last) {
        oplog_print(printer, &entry, out); /* those before first for what they tell of later ones' types */
        if (entry.index < first)
            out->size = 0;
    }
    return exe_write(out->data, out->size);
}

static enum ga_status print_oplog(const struct exe_options *options, uint64_t first, struct ga_report *report)
{
    struct invocation_printer values = {0};
    struct oplog_printer printer = {.json = options->json, .value = invocation_print_value, .context = &values};
    struct store *store = worker_this.store;
    struct store_chunk chunk;
    struct ga_buf out = {0};
    uint64_t last = worker_this.summary.last_index;
    enum ga_status status = store->ops->read_start(store, worker_this.identity.id, first, report);
    while (status == GA_OK && (status = store->ops->read_next(store, &chunk, report)) == GA_OK &&
           chunk.first_index <= last)
        if (!print_chunk(&chunk, first, last, &printer, &out))
            status = ga_report_set(report, GA_IO, "cannot write the oplog to standard output");
    store->ops->read_end(store);
    ga_buf_free(&out);
    ga_arena_free(&values.arena);
    return status == GA_NOT_FOUND ? GA_OK : status;
}

static bool read_number(const char *text, uint64_t *number_out)
{
    char *end = NULL;
    *number_out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end;
}

int exe_oplog(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    uint64_t last_count = UINT64_MAX;
    for (int i = 0; i < count; i++) {
        bool last = strcmp(words[i], "--last") == 0 && i + 1 < count;
        if (last && read_number(words[i + 1], &last_count))
            i++;
        else if (strcmp(words[i], "--json") == 0)
            options->json = true;
        else
            return exe_usage(options, "oplog knows --json and --last N, not %s", words[i]);
    }
    struct worker_config config = exe_config(options, WORKER_LIVE);
    if (worker_look(&worker_this, &config, false, &report) == GA_OK) {
        uint64_t last = worker_this.summary.last_index;
        print_oplog(options, last_count < last ? last - last_count + 1 : 1, &report);
    }
    return stop(options, EXE_DONE, &report);
}

/* --- checkpoint --- */

int exe_checkpoint(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    struct worker_config config = exe_config(options, WORKER_LIVE);
    if (refuse_words(options, "checkpoint", count, words) != EXE_DONE)
        return EXE_USAGE;
    config.must_exist = true;
    exe_catch_signals();
    if (worker_start(&worker_this, &config, &report) == GA_OK && worker_checkpoint(&worker_this, &report) == GA_OK) {
        const struct ckpt_info *info = &worker_this.last_checkpoint;
        printf("checkpoint %" PRIu64 " of worker \"%s\": entry %" PRIu64 ", %" PRIu64 " pages, %" PRIu64
               " bytes written in %.3f ms\n",
               info->sequence, options->worker, info->oplog_index, info->page_count, info->written_bytes,
               (double)worker_this.checkpoint_cost_ns / 1e6);
        fflush(stdout);
    }
    return stop(options, EXE_DONE, &report);
}

/* --- verify --- */

int exe_verify(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    struct worker_config config = exe_config(options, WORKER_VERIFY);
    if (refuse_words(options, "verify", count, words) != EXE_DONE)
        return EXE_USAGE;
    config.must_exist = true;
    if (worker_verify(&worker_this, &config, &report) == GA_OK) {
        const struct worker *worker = &worker_this;
        printf("worker \"%s\": %" PRIu64 " entries, %" PRIu64 " invocations and %" PRIu64
               " recorded calls replayed: all equal\n",
               options->worker, worker->summary.last_index, worker->summary.completed_count, worker->calls_replayed);
        if (worker->digest_wanted)
            printf("checkpoint %" PRIu64 " at entry %" PRIu64 "%s: memory digest %016" PRIx64 " in both\n",
                   worker->digest_at.sequence, worker->digest_at.oplog_index,
                   worker->digest_at.in_invocation ? ", in an invocation" : "", worker->digest_replayed);
        else
            printf("no checkpoint to compare\n");
        fflush(stdout);
    }
    return stop(options, EXE_DONE, &report);
}

/* --- info --- */

struct slots {
    struct ckpt_info infos[2];
    uint32_t count;
    bool take; /* map the newest */
};

static bool note_slot(const struct ckpt_info *info, void *context)
{
    struct slots *slots = context;
    uint64_t hash;
    struct ga_report ignored = {0};
    struct store *store = worker_this.store;
    bool fits = store->ops->hash_at(store, worker_this.identity.id, info->oplog_index, &hash, &ignored) == GA_OK &&
                hash == info->oplog_hash;
    if (fits && slots->count < 2)
        slots->infos[slots->count++] = *info;
    return fits && slots->take;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Maps the newest checkpoint and touches what a guest would touch first: nothing else happens at a start. */
static void look_at_slots(struct slots *slots, uint64_t *restore_ns_out)
{
    struct ga_report ignored = {0};
    struct ckpt_info info;
    struct ckpt_id id = {worker_build_id(), worker_this.identity.id};
    if (region_create(golem_component.root_size, &ignored) != GA_OK ||
        ckpt_open(worker_this.directory_fd, id, &worker_this.ckpt, &ignored) != GA_OK)
        return;
    uint64_t start_ns = monotonic_ns();
    enum ga_status status = ckpt_restore(worker_this.ckpt, note_slot, slots, &info, &ignored);
    *restore_ns_out = status == GA_OK ? monotonic_ns() - start_ns : 0;
}

static const char *state_of(const struct replay_summary *summary)
{
    return summary->exited          ? "exited"
           : summary->failed        ? "failed"
           : summary->invoked_index ? "in an invocation"
                                    : "idle";
}

static void put_slot_text(struct ga_buf *out, const struct ckpt_info *info)
{
    ga_buf_printf(out, "checkpoint   %" PRIu64 " at entry %" PRIu64 "%s, %" PRIu64 " pages\n", info->sequence,
                  info->oplog_index, info->in_invocation ? ", in the middle of an invocation" : "", info->page_count);
}

static void put_info_text(const struct exe_options *options, const struct slots *slots, uint64_t restore_ns,
                          struct ga_buf *out)
{
    const struct replay_summary *summary = &worker_this.summary;
    ga_buf_printf(out, "worker       %s\ncomponent    %s (%s)\nhash         %s\nstatus       %s\n", options->worker,
                  golem_component.name, worker_this.identity.component_id, golem_component.component_hash,
                  state_of(summary));
    if (summary->failed)
        ga_buf_printf(out, "error        %s\n", summary->failure);
    ga_buf_printf(out, "oplog        %" PRIu64 " entries, %" PRIu64 " invocations complete\n", summary->last_index,
                  summary->completed_count);
    if (summary->invoked_index)
        ga_buf_printf(out, "invocation   began at entry %" PRIu64 ", not complete\n", summary->invoked_index);
    for (uint32_t i = 0; i < slots->count; i++)
        put_slot_text(out, &slots->infos[i]);
    if (!slots->count)
        ga_buf_text(out, "checkpoint   none that fits this build and this oplog\n");
    if (restore_ns)
        ga_buf_printf(out, "restore      %.3f ms\n", (double)restore_ns / 1e6);
}

static void put_json_field(struct ga_buf *out, const char *name, const char *text)
{
    ga_buf_printf(out, "\"%s\":", name);
    oplog_json_string(out, text, strlen(text));
    ga_buf_u8(out, ',');
}

static void put_info_json(const struct exe_options *options, const struct slots *slots, uint64_t restore_ns,
                          struct ga_buf *out)
{
    const struct replay_summary *summary = &worker_this.summary;
    ga_buf_u8(out, '{');
    put_json_field(out, "workerName", options->worker);
    put_json_field(out, "component", golem_component.name);
    put_json_field(out, "componentId", worker_this.identity.component_id);
    put_json_field(out, "componentHash", golem_component.component_hash);
    put_json_field(out, "status", state_of(summary));
    if (summary->failed)
        put_json_field(out, "lastError", summary->failure);
    ga_buf_printf(out, "\"lastOplogIndex\":%" PRIu64 ",\"completedInvocations\":%" PRIu64 ",\"openInvocation\":",
                  summary->last_index, summary->completed_count);
    ga_buf_printf(out, summary->invoked_index ? "%" PRIu64 : "null", summary->invoked_index);
    ga_buf_text(out, ",\"checkpoints\":[");
    for (uint32_t i = 0; i < slots->count; i++)
        ga_buf_printf(out,
                      "%s{\"sequence\":%" PRIu64 ",\"oplogIndex\":%" PRIu64 ",\"inInvocation\":%s,\"pages\":%" PRIu64
                      "}",
                      i ? "," : "", slots->infos[i].sequence, slots->infos[i].oplog_index,
                      slots->infos[i].in_invocation ? "true" : "false", slots->infos[i].page_count);
    ga_buf_printf(out, restore_ns ? "],\"restoreNanoseconds\":%" PRIu64 "}\n" : "],\"restoreNanoseconds\":null}\n",
                  restore_ns);
}

static bool is_format(const char *word, bool *json_out)
{
    *json_out = strcmp(word, "json") == 0;
    return *json_out || strcmp(word, "text") == 0;
}

static int read_info_words(struct exe_options *options, int count, char **words, bool *restore_out, bool *wit_out)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--restore") == 0)
            *restore_out = true;
        else if (strcmp(words[i], "--wit") == 0)
            *wit_out = true;
        else if (strcmp(words[i], "--format") == 0 && i + 1 < count && is_format(words[i + 1], &options->json))
            i++;
        else
            return exe_usage(options, "info knows --restore, --wit and --format text|json, not %s", words[i]);
    }
    return EXE_DONE;
}

int exe_info(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    struct slots slots = {0};
    struct ga_buf out = {0};
    uint64_t restore_ns = 0;
    bool wit = false;
    if (read_info_words(options, count, words, &slots.take, &wit) != EXE_DONE)
        return EXE_USAGE;
    if (wit)
        return exe_write(golem_component.wit, strlen(golem_component.wit)) ? EXE_DONE : EXE_REFUSED;
    struct worker_config config = exe_config(options, WORKER_LIVE);
    if (worker_look(&worker_this, &config, false, &report) == GA_OK) {
        look_at_slots(&slots, &restore_ns);
        (options->json ? put_info_json : put_info_text)(options, &slots, restore_ns, &out);
        if (!exe_write(out.data, out.size))
            ga_report_set(&report, GA_IO, "cannot write to standard output");
    }
    ga_buf_free(&out);
    return stop(options, EXE_DONE, &report);
}

/* --- complete --- */

int exe_complete(struct exe_options *options, int count, char **words)
{
    struct ga_report report = {0};
    bool done = false;
    uint64_t index = 0;
    if (count < 1 || count > 2 || !read_number(words[0], &index) || !index)
        return exe_usage(options, "complete wants the promise's oplog index, and perhaps a text");
    const char *data = count == 2 ? words[1] : "";
    struct worker_config config = exe_config(options, WORKER_LIVE);
    if (worker_look(&worker_this, &config, false, &report) == GA_OK) {
        struct store *store = worker_this.store;
        enum ga_status status =
            store->ops->promise_complete(store, worker_this.identity.component_id, options->worker, index, data,
                                         strlen(data), (struct store_completer){0, 0}, &done, &report);
        if (status == GA_OK)
            puts(done ? "true" : "false");
    }
    fflush(stdout);
    return stop(options, EXE_DONE, &report);
}

/* --- the start image --- */

/* golem-aot build hands a file to write to under this number. */
enum { IMAGE_FD = 3 };

int exe_make_start_image(struct exe_options *options)
{
    struct ga_report report = {0};
    struct worker_config config = exe_config(options, WORKER_START_IMAGE);
    config.data = NULL;
    if (worker_start(&worker_this, &config, &report) == GA_OK)
        (void)!worker_write_start_image(&worker_this, IMAGE_FD, &report);
    return stop(options, EXE_DONE, &report);
}
