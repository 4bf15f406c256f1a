/*
 * What is refused and what is cut.
 *
 * Chunks are written by transactions, so a chunk is there or not; but a disk may lie, and other stores may tear. The
 * last chunk is *torn* if it holds fewer bytes than were written, or if it ends in zeroes (TORN_ZEROES at least) that
 * reach into the first entry that is not good: sectors that were never written. Then all entries before that one are
 * good (the chain says so), and the rest is cut: it was never acknowledged, because acknowledging waits for the sync.
 *
 * Everything else that is wrong is *damage*, and the worker is refused with the number of the first entry concerned:
 * an entry whose check does not fit, a gap between chunks, a chunk that is torn but not the last, a chunk whose row
 * names another hash than its entries give. Nothing is ever guessed around: a shorter history would be a different
 * worker.
 */
#include "replay.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_assert.h"

/* --- the scan --- */

struct scan {
    struct store *store;
    uint64_t worker_id;
    const char *worker_name;
    struct oplog_cursor cursor;
    struct replay_summary *summary;
    struct ga_report *report;
    bool malformed; /* the entry before the cursor: as it was written, but no such entry is */
};

__attribute__((format(printf, 3, 4))) static enum ga_status damaged(struct scan *scan, uint64_t index,
                                                                    const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ga_report_set(scan->report, GA_CORRUPT, "worker \"%s\", entry %" PRIu64 ": %s", scan->worker_name, index,
                         text);
}

/* Until it has seen all Jumps, the scan does not know which entries count. If there are any, the state is made up again. */
static void forget_state(struct replay_summary *summary, uint64_t invoked_index)
{
    summary->last_required = 0;
    summary->invoked_index = invoked_index;
    summary->completed_count = 0;
    summary->failed = summary->exited = false;
    summary->opens.items.size = 0;
    summary->opens = (struct replay_opens){.items = summary->opens.items};
}

void replay_summary_free(struct replay_summary *summary)
{
    ga_buf_free(&summary->regions.items);
    ga_buf_free(&summary->opens.items);
}

static void note_error(struct replay_summary *summary, const struct oplog_value *values)
{
    summary->failed = true;
    snprintf(summary->failure, sizeof summary->failure, "%.*s", (int)values[1].size, (const char *)values[1].data);
}

/* Follows what an entry says about the state of the worker. */
static bool note_entry(struct replay_summary *summary, const struct oplog_entry *entry)
{
    struct oplog_value values[OPLOG_MAX_FIELDS];
    if (!replay_opens_note(&summary->opens, entry))
        return false;
    summary->suspended = entry->kind == OPLOG_SUSPEND;
    if (!oplog_is_hint(entry->kind)) {
        summary->last_required = entry->index;
        summary->failed = false;
    }
    if (entry->kind == OPLOG_EXPORTED_FUNCTION_INVOKED) {
        summary->invoked_index = entry->index;
    } else if (entry->kind == OPLOG_EXPORTED_FUNCTION_COMPLETED) {
        summary->invoked_index = 0;
        summary->completed_count++;
    } else if (entry->kind == OPLOG_ERROR || entry->kind == OPLOG_EXITED) {
        if (!oplog_decode(entry, values))
            return false;
        if (entry->kind == OPLOG_ERROR)
            note_error(summary, values);
        summary->exited |= entry->kind == OPLOG_EXITED;
        summary->exit_status = entry->kind == OPLOG_EXITED ? (uint8_t)values[0].number : 0;
    }
    return true;
}

/* The entries of one chunk. OPLOG_NEXT_END: all of them were good. */
static enum oplog_next scan_entries(struct scan *scan)
{
    struct oplog_entry entry;
    enum oplog_next next;
    while ((next = oplog_next(&scan->cursor, true, &entry)) == OPLOG_NEXT_ENTRY) {
        scan->summary->last_index = entry.index;
        scan->malformed = !note_entry(scan->summary, &entry) ||
                          (entry.kind == OPLOG_JUMP && !replay_regions_add_jump(&scan->summary->regions, &entry));
        if (scan->malformed)
            return OPLOG_NEXT_DAMAGED;
    }
    scan->summary->last_hash = scan->cursor.chain;
    return next;
}

static enum ga_status read_failed(struct scan *scan, enum ga_status status, const struct ga_report *cause)
{
    return ga_report_set(scan->report, status, "worker \"%s\", entry %" PRIu64 ": %s", scan->worker_name,
                         scan->cursor.index, cause->text);
}

/* The tail from scan->cursor on is torn; the entries before it, in this chunk, are `good` (which this function
 * frees). */
static enum ga_status cut_tail(struct scan *scan, const struct store_chunk *torn, struct ga_buf *good, bool may_cut)
{
    struct store_chunk next;
    struct ga_report cause = {0};
    uint64_t count = scan->cursor.index - torn->first_index;
    enum ga_status status = scan->store->ops->read_next(scan->store, &next, &cause);
    if (status == GA_OK)
        return damaged(scan, scan->cursor.index, "torn, but entry %" PRIu64 " follows it", next.first_index);
    if (status != GA_NOT_FOUND)
        return read_failed(scan, status, &cause);
    if (scan->cursor.index == 1)
        return damaged(scan, 1, "the oplog is torn before its first entry");
    scan->summary->cut_entries = torn->count - count;
    if (!may_cut)
        return GA_OK;
    struct store_chunk shorter = {.first_index = torn->first_index,
                                  .count = (uint32_t)count,
                                  .epoch = torn->epoch,
                                  .hash = scan->summary->last_hash,
                                  .data = good->data,
                                  .size = good->size};
    return scan->store->ops->cut(scan->store, scan->worker_id, torn->first_index, count ? &shorter : NULL, scan->report);
}

enum { TORN_ZEROES = 16 };

/* Sectors that were never written: zeroes from somewhere in the entry at `at` to the end of the chunk. */
static bool ends_in_zeroes(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *zeroes = end;
    while (zeroes > at && !zeroes[-1])
        zeroes--;
    return end - zeroes >= TORN_ZEROES && (size_t)(zeroes - at) <= oplog_claimed_size(at, end);
}

static enum ga_status scan_chunk(struct scan *scan, const struct store_chunk *chunk, bool may_cut, bool *done_out)
{
    if (chunk->first_index != scan->cursor.index)
        return damaged(scan, scan->cursor.index, "missing (entry %" PRIu64 " follows)", chunk->first_index);
    oplog_enter(&scan->cursor, chunk->data, chunk->size);
    enum oplog_next next = scan_entries(scan);
    if (scan->malformed)
        return damaged(scan, scan->cursor.index - 1, "malformed");
    uint64_t count = scan->cursor.index - chunk->first_index;
    bool bad = next != OPLOG_NEXT_END || count < chunk->count;
    if (bad && (chunk->size < chunk->written_size || ends_in_zeroes(scan->cursor.at, scan->cursor.end))) {
        struct store_chunk torn = *chunk;
        struct ga_buf good = {0};
        ga_buf_append(&good, chunk->data, (size_t)(scan->cursor.at - (const uint8_t *)chunk->data));
        enum ga_status status = cut_tail(scan, &torn, &good, may_cut);
        ga_buf_free(&good);
        *done_out = true;
        return status;
    }
    if (next == OPLOG_NEXT_DAMAGED)
        return damaged(scan, scan->cursor.index, "damaged: its check does not fit");
    if (bad || count > chunk->count)
        return damaged(scan, scan->cursor.index, "damaged: its size does not fit");
    if (scan->cursor.chain != chunk->hash)
        return damaged(scan, scan->cursor.index - 1, "damaged: its chunk's hash does not fit");
    return GA_OK;
}

/* The state as the visible entries tell it. */
static enum ga_status note_visible(struct scan *scan, uint64_t invoked_index)
{
    struct replay_summary *summary = scan->summary;
    struct store_chunk chunk;
    struct oplog_entry entry;
    forget_state(summary, invoked_index);
    enum ga_status status =
        scan->store->ops->read_start(scan->store, scan->worker_id, summary->first_index, scan->report);
    while (status == GA_OK && (status = scan->store->ops->read_next(scan->store, &chunk, scan->report)) == GA_OK) {
        struct oplog_cursor cursor = {.index = chunk.first_index};
        oplog_enter(&cursor, chunk.data, chunk.size);
        while (oplog_next(&cursor, false, &entry) == OPLOG_NEXT_ENTRY && entry.index <= summary->last_index)
            if (!replay_regions_hide(&summary->regions, entry.index))
                (void)note_entry(summary, &entry); /* it has been good before */
    }
    scan->store->ops->read_end(scan->store);
    return status == GA_NOT_FOUND ? GA_OK : status;
}

/* An atomic region of the invocation under way that was cut off happens again, whole: what it has recorded is hidden, as the
 * Jump that follows will hide it. A failure in it stays one; and one that waits was not cut off (what it waits for may
 * be known by a name, or a time, that it would have forgotten). */
static enum ga_status hide_atomic(struct scan *scan, uint64_t invoked_index)
{
    struct replay_summary *summary = scan->summary;
    if (!summary->invoked_index || summary->failed || summary->exited || summary->suspended)
        return GA_OK;
    uint64_t begin = replay_opens_atomic(&summary->opens);
    if (!begin || summary->last_required == begin)
        return GA_OK;
    summary->atomic_begin = begin;
    replay_regions_add(&summary->regions, (struct replay_region){begin + 1, summary->last_index});
    return note_visible(scan, invoked_index);
}

enum ga_status replay_scan(struct store *store, uint64_t worker_id, const char *worker_name, uint64_t first_index,
                           uint64_t chain, bool may_cut, struct replay_summary *summary, struct ga_report *report)
{
    struct scan scan = {
        .store = store, .worker_id = worker_id, .worker_name = worker_name, .summary = summary, .report = report};
    scan.cursor = (struct oplog_cursor){.index = first_index, .chain = chain};
    uint64_t invoked_index = summary->invoked_index;
    summary->first_index = first_index;
    summary->last_index = first_index - 1;
    summary->last_hash = chain;
    enum ga_status status = store->ops->read_start(store, worker_id, first_index, report);
    bool done = false;
    while (status == GA_OK && !done) {
        struct store_chunk chunk;
        struct ga_report cause = {0};
        status = store->ops->read_next(store, &chunk, &cause);
        if (status == GA_OK)
            status = scan_chunk(&scan, &chunk, may_cut, &done);
        else if (status != GA_NOT_FOUND)
            status = read_failed(&scan, status, &cause);
    }
    store->ops->read_end(store);
    if (status == GA_NOT_FOUND)
        status = GA_OK;
    if (status == GA_OK && summary->regions.items.size)
        status = note_visible(&scan, invoked_index);
    return status == GA_OK ? hide_atomic(&scan, invoked_index) : status;
}

enum ga_status replay_is_hidden(struct store *store, uint64_t worker_id, uint64_t index, bool *hidden_out,
                                struct ga_report *report)
{
    struct replay_regions regions = {0};
    struct store_chunk chunk;
    struct oplog_entry entry;
    enum ga_status status = store->ops->read_start(store, worker_id, index, report);
    while (status == GA_OK && (status = store->ops->read_next(store, &chunk, report)) == GA_OK) {
        struct oplog_cursor cursor = {.index = chunk.first_index};
        oplog_enter(&cursor, chunk.data, chunk.size);
        while (oplog_next(&cursor, false, &entry) == OPLOG_NEXT_ENTRY)
            if (entry.kind == OPLOG_JUMP)
                (void)replay_regions_add_jump(&regions, &entry);
    }
    store->ops->read_end(store);
    *hidden_out = replay_regions_hide(&regions, index);
    ga_buf_free(&regions.items);
    return status == GA_NOT_FOUND ? GA_OK : status;
}

enum ga_status replay_chunk_start(struct store *store, uint64_t worker_id, uint64_t index, uint64_t *first_index_out,
                                  uint64_t *chain_out, struct ga_report *report)
{
    struct store_chunk chunk;
    enum ga_status status = store->ops->read_start(store, worker_id, index, report);
    if (status == GA_OK)
        status = store->ops->read_next(store, &chunk, report);
    store->ops->read_end(store);
    if (status != GA_OK)
        return status;
    *first_index_out = chunk.first_index;
    *chain_out = oplog_chain_start(worker_id);
    if (chunk.first_index == 1)
        return GA_OK;
    return store->ops->hash_at(store, worker_id, chunk.first_index - 1, chain_out, report);
}

/* --- replay --- */

static enum ga_status next_chunk(struct replay *replay, struct ga_report *report)
{
    struct store_chunk chunk;
    enum ga_status status = replay->store->ops->read_next(replay->store, &chunk, report);
    if (status != GA_OK)
        return status == GA_NOT_FOUND ? ga_report_set(report, GA_CORRUPT, "the oplog has become shorter") : status;
    oplog_enter(&replay->cursor, chunk.data, chunk.size);
    replay->cursor.index = chunk.first_index;
    return GA_OK;
}

/* The entry after position, without taking it. The scan has checked it; a second look at the check would cost half
 * of the replay. */
static enum ga_status peek(struct replay *replay, struct oplog_entry *entry_out, struct ga_report *report)
{
    for (;;) {
        struct oplog_cursor cursor = replay->cursor;
        enum oplog_next next = oplog_next(&cursor, false, entry_out);
        if (next == OPLOG_NEXT_ENTRY && entry_out->index > replay->position)
            return GA_OK;
        if (next == OPLOG_NEXT_ENTRY) {
            replay->cursor = cursor;
            continue;
        }
        if (next != OPLOG_NEXT_END)
            return ga_report_set(report, GA_CORRUPT, "entry %" PRIu64 ": damaged while it was replayed", cursor.index);
        enum ga_status status = next_chunk(replay, report);
        if (status != GA_OK)
            return status;
    }
}

/* Not for the guest to ask for. */
static bool is_passed_over(const struct replay *replay, const struct oplog_entry *entry)
{
    return oplog_is_hint(entry->kind) || replay_regions_hide(replay->regions, entry->index);
}

static void pass(struct replay *replay, const struct oplog_entry *entry)
{
    replay->position = entry->index;
    replay->cursor.at = entry->body + entry->body_size;
    replay->cursor.index = entry->index + 1;
    replay->cursor.time_us = entry->time_us;
}

enum ga_status replay_start(struct replay *replay, struct store *store, uint64_t worker_id, uint64_t position,
                            const struct replay_summary *summary, struct ga_report *report)
{
    *replay = (struct replay){.store = store,
                              .worker_id = worker_id,
                              .position = position,
                              .last_required = summary->last_required,
                              .end = summary->last_index,
                              .regions = &summary->regions};
    if (position >= summary->last_index)
        return GA_OK;
    replay->reading = true;
    return store->ops->read_start(store, worker_id, position + 1, report);
}

enum ga_status replay_take(struct replay *replay, struct oplog_entry *entry_out, struct ga_report *report)
{
    GA_ASSERT(replay_remains(replay));
    do {
        enum ga_status status = peek(replay, entry_out, report);
        if (status != GA_OK)
            return status;
        pass(replay, entry_out);
    } while (is_passed_over(replay, entry_out));
    return GA_OK;
}

enum ga_status replay_take_log(struct replay *replay, struct oplog_entry *entry_out, bool *found_out,
                               struct ga_report *report)
{
    *found_out = false;
    while (replay->position < replay->end) {
        enum ga_status status = peek(replay, entry_out, report);
        if (status != GA_OK)
            return status;
        if (!is_passed_over(replay, entry_out))
            break;
        pass(replay, entry_out);
        *found_out = entry_out->kind == OPLOG_LOG && !replay_regions_hide(replay->regions, entry_out->index);
        if (*found_out)
            break;
    }
    return GA_OK;
}

void replay_finish(struct replay *replay)
{
    if (replay->reading)
        replay->store->ops->read_end(replay->store);
    replay->reading = false;
    replay->position = replay->end;
}

static enum ga_status find_entry(struct oplog_cursor *cursor, uint64_t index, struct ga_arena *arena,
                                 struct oplog_entry *entry_out)
{
    while (oplog_next(cursor, true, entry_out) == OPLOG_NEXT_ENTRY)
        if (entry_out->index == index) {
            entry_out->body =
                (const uint8_t *)ga_arena_strndup(arena, (const char *)entry_out->body, entry_out->body_size);
            entry_out->chunk = NULL;
            return GA_OK;
        }
    return GA_CORRUPT;
}

enum ga_status replay_read_entry(struct store *store, uint64_t worker_id, const char *worker_name, uint64_t index,
                                 struct ga_arena *arena, struct oplog_entry *entry_out, struct ga_report *report)
{
    struct oplog_cursor cursor = {0};
    struct store_chunk chunk;
    enum ga_status status = replay_chunk_start(store, worker_id, index, &cursor.index, &cursor.chain, report);
    if (status == GA_OK)
        status = store->ops->read_start(store, worker_id, index, report);
    if (status == GA_OK)
        status = store->ops->read_next(store, &chunk, report);
    if (status == GA_OK) {
        oplog_enter(&cursor, chunk.data, chunk.size);
        status = find_entry(&cursor, index, arena, entry_out);
    }
    store->ops->read_end(store);
    if (status == GA_CORRUPT || status == GA_NOT_FOUND)
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry %" PRIu64 ": missing or damaged", worker_name,
                             status == GA_CORRUPT ? cursor.index : index);
    return status;
}
