#include "record.h"

#include <inttypes.h>
#include <string.h>

#include "ga_assert.h"

void record_refuse_when_leaving(struct worker *worker, const char *what)
{
    if (!worker->leaving)
        return;
    struct ga_report report = {0};
    ga_report_set(&report, GA_UNSUPPORTED, "the guest asks for %s", what);
    worker_abandon(worker, &report);
}

void record_go_live(struct worker *worker, const char *what)
{
    record_refuse_when_leaving(worker, what);
    if (worker->replay.reading)
        worker_go_live(worker);
}

void record_jump(struct worker *worker, uint64_t begin)
{
    worker->replaying = false;
    worker_go_live(worker);
    struct replay_region hidden = {begin + 1, journal_last_index(&worker->journal) + 1};
    journal_append(&worker->journal, OPLOG_JUMP,
                   (struct oplog_value[]){oplog_number(hidden.first), oplog_number(hidden.last)});
    replay_regions_add(&worker->summary.regions, hidden);
    worker_commit(worker);
}

void record_begin(struct worker *worker, const struct record_call *call)
{
    worker->request.size = 0;
    if (call->request_type)
        cabi_encode(call->request_type, call->request, &worker->request);
}

_Static_assert(OPLOG_BATCHED == (int)DURABLE_WRITE_BATCHED, "the oplog has it under this number");

void record_append(struct worker *worker, const struct record_call *call, const void *result)
{
    struct journal *journal = &worker->journal;
    uint64_t now_us = journal_now_us();
    size_t begun = oplog_begin(&journal->tail, OPLOG_IMPORTED_FUNCTION_INVOKED, now_us);
    if (!journal->waiting_since_us)
        journal->waiting_since_us = now_us;
    oplog_put_call(&journal->tail, begun, (uint8_t)call->durability, call->name, call->batch, worker->request.data,
                   worker->request.size);
    if (call->result_type)
        cabi_encode(call->result_type, result, &journal->tail.buf);
    oplog_end(&journal->tail, begun);
}

/* --- differences, shown with both sides --- */

static void print_request(struct ga_buf *out, const struct cabi_type *type, const uint8_t *data, uint64_t size,
                          struct ga_arena *arena)
{
    if (!data && size) {
        ga_buf_printf(out, "(%" PRIu64 " bytes)", size);
        return;
    }
    struct ga_reader reader = {.start = data, .at = data, .end = data + size};
    void *native = type ? ga_arena_alloc(arena, type->native_size) : NULL;
    if (type && cabi_decode(type, &reader, arena, native) && reader.at == reader.end) {
        cabi_wave_print(type, native, NULL, out);
        return;
    }
    ga_buf_u8(out, '(');
    for (uint64_t i = 0; i < size; i++)
        ga_buf_printf(out, "%02x", data[i]);
    ga_buf_u8(out, ')');
}

/* What the entry was: kind, name, arguments. request_type: NULL if it is not known to be of this type. */
static void print_recorded(struct ga_buf *out, const struct oplog_entry *entry, const char *name,
                           const struct cabi_type *request_type, struct ga_arena *arena)
{
    struct oplog_call recorded;
    if (entry->kind != OPLOG_IMPORTED_FUNCTION_INVOKED || !oplog_decode_call(entry, &recorded)) {
        ga_buf_text(out, oplog_kind_info(entry->kind)->name);
        return;
    }
    bool same_name = strlen(name) == recorded.name_size && memcmp(name, recorded.name, recorded.name_size) == 0;
    ga_buf_append(out, recorded.name, recorded.name_size);
    print_request(out, same_name ? request_type : NULL, recorded.request, recorded.request_size, arena);
}

__attribute__((noreturn)) static void diverge(struct worker *worker, const struct oplog_entry *entry, const char *name,
                                              const struct cabi_type *request_type, const struct ga_buf *asked)
{
    struct ga_report report = {0};
    struct ga_buf recorded = {0};
    print_recorded(&recorded, entry, name, request_type, &worker->scratch);
    ga_report_set(&report, GA_DIVERGED, "worker \"%s\", entry %" PRIu64 ": recorded: %.380s; now: %.380s",
                  worker->config->name, entry->index, ga_buf_cstr(&recorded), (const char *)asked->data);
    ga_buf_free(&recorded);
    worker_abandon(worker, &report);
}

__attribute__((noreturn)) static void diverge_call(struct worker *worker, const struct oplog_entry *entry,
                                                   const struct record_call *call)
{
    struct ga_buf asked = {0};
    ga_buf_text(&asked, call->name);
    print_request(&asked, call->request_type, worker->request.data, worker->request.size, &worker->scratch);
    ga_buf_cstr(&asked);
    diverge(worker, entry, call->name, call->request_type, &asked);
}

/* --- replay --- */

static struct oplog_entry take(struct worker *worker)
{
    struct oplog_entry entry;
    struct ga_report report = {0};
    if (replay_take(&worker->replay, &entry, &report) != GA_OK)
        worker_abandon(worker, &report);
    worker->replaying = replay_remains(&worker->replay);
    worker->calls_replayed++;
    return entry;
}

static uint64_t take_mark(struct worker *worker, enum oplog_kind kind, uint64_t argument)
{
    const struct oplog_kind_info *info = oplog_kind_info(kind);
    struct oplog_entry entry = take(worker);
    struct oplog_value values[OPLOG_MAX_FIELDS];
    if (entry.kind == kind && oplog_decode(&entry, values) && (!info->field_count || values[0].number == argument))
        return entry.index;
    struct ga_buf asked = {0};
    ga_buf_text(&asked, info->name);
    if (info->field_count)
        ga_buf_printf(&asked, " %" PRIu64, argument);
    ga_buf_cstr(&asked);
    diverge(worker, &entry, "", NULL, &asked);
}

__attribute__((noreturn, cold)) static void malformed(struct worker *worker, const struct oplog_entry *entry)
{
    struct ga_report report = {0};
    ga_report_set(&report, GA_CORRUPT, "worker \"%s\", entry %" PRIu64 ": its response is malformed",
                  worker->config->name, entry->index);
    worker_abandon(worker, &report);
}

static bool request_is_same(const struct oplog_call *recorded, const struct ga_buf *request)
{
    if (recorded->request_size != request->size)
        return false;
    if (recorded->request)
        return request->size == 0 || memcmp(recorded->request, request->data, request->size) == 0;
    return recorded->request_digest == oplog_request_digest(request->data, request->size);
}

void record_take(struct worker *worker, const struct record_call *call, void *result_out)
{
    struct oplog_entry entry = take(worker);
    struct oplog_call recorded;
    if (entry.kind != OPLOG_IMPORTED_FUNCTION_INVOKED)
        diverge_call(worker, &entry, call);
    if (!oplog_decode_call(&entry, &recorded))
        malformed(worker, &entry);
    bool same = recorded.name_size == strlen(call->name) &&
                memcmp(recorded.name, call->name, recorded.name_size) == 0 && recorded.batch.begin == call->batch.begin;
    if (!same || !request_is_same(&recorded, &worker->request))
        diverge_call(worker, &entry, call);
    struct ga_reader reader = {.start = recorded.response,
                               .at = recorded.response,
                               .end = recorded.response + recorded.response_size};
    if (call->result_type && !cabi_decode(call->result_type, &reader, &worker->scratch, result_out))
        malformed(worker, &entry);
    if (reader.at != reader.end)
        malformed(worker, &entry);
}

/* --- both --- */

uint64_t record_mark(struct worker *worker, enum oplog_kind kind, const struct oplog_value *values)
{
    if (worker->replaying)
        return take_mark(worker, kind, values[0].number);
    record_go_live(worker, oplog_kind_info(kind)->name);
    uint64_t index = journal_append(&worker->journal, kind, values);
    if (!worker->store) /* nothing is kept, so nothing waits to be */
        worker_commit(worker);
    return index;
}

uint64_t record_seen_begin(struct worker *worker, enum durability durability)
{
    bool seen = durability == DURABLE_WRITE_REMOTE || durability == DURABLE_WRITE_LOCAL;
    if (!seen || !STATE->settings.open_batches)
        return 0;
    return record_mark(worker, OPLOG_BEGIN_REMOTE_WRITE, (struct oplog_value[]){oplog_number(0)});
}

void record_seen_end(struct worker *worker, uint64_t begin)
{
    if (begin)
        (void)record_mark(worker, OPLOG_END_REMOTE_WRITE, (struct oplog_value[]){oplog_number(begin)});
}

static void take_or_make(struct worker *worker, struct record_call *call, void *result,
                         void (*make)(void *context, void *result), void *context)
{
    bool remote = call->durability == DURABLE_WRITE_REMOTE;
    record_begin(worker, call);
    if (worker->replaying) {
        record_take(worker, call, result);
        return;
    }
    record_go_live(worker, call->name);
    if (remote)
        worker_commit(worker);
    worker->silent = false;
    make(context, result);
    call->batch.silent = worker->silent;
    /* make may have recorded values of its own: the buffer is shared. */
    record_begin(worker, call);
    record_append(worker, call, result);
    if (remote)
        worker_commit(worker);
}

void record_value(struct worker *worker, struct record_call *call, void *result,
                  void (*make)(void *context, void *result), void *context)
{
    if (!worker->recording) {
        make(context, result);
        return;
    }
    uint64_t begin = record_seen_begin(worker, call->durability);
    take_or_make(worker, call, result, make, context);
    record_seen_end(worker, begin);
}
