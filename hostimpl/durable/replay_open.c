#include "replay_open.h"

#include <string.h>

#include "host.h"

static size_t count_of(const struct replay_opens *opens)
{
    return opens->items.size / sizeof(struct replay_open);
}

static struct replay_open *find(const struct replay_opens *opens, uint64_t begin)
{
    struct replay_open *items = (struct replay_open *)opens->items.data;
    size_t low = 0, high = count_of(opens);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items[middle].begin < begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count_of(opens) && items[low].begin == begin && !items[low].ended ? &items[low] : NULL;
}

/* Keeps the list as short as what is open, to a factor of two. */
static void sweep(struct replay_opens *opens)
{
    struct replay_open *items = (struct replay_open *)opens->items.data;
    size_t kept = 0;
    if (2 * opens->ended_count < count_of(opens))
        return;
    for (size_t i = 0; i < count_of(opens); i++)
        if (!items[i].ended)
            items[kept++] = items[i];
    opens->items.size = kept * sizeof *items;
    opens->ended_count = 0;
}

static void end(struct replay_opens *opens, struct replay_open *open)
{
    open->ended = true;
    opens->ended_count++;
}

/* Nothing is found of one that began before the part of the oplog that is looked at. */
static void end_batch(struct replay_opens *opens, uint64_t begin)
{
    struct replay_open *open = find(opens, begin);
    if (open && !open->atomic)
        end(opens, open);
    sweep(opens);
}

/* All atomic regions from this item on. */
static void end_atomics(struct replay_opens *opens, struct replay_open *from)
{
    const struct replay_open *behind = (struct replay_open *)opens->items.data + count_of(opens);
    for (; from < behind; from++)
        if (from->atomic && !from->ended)
            end(opens, from);
    sweep(opens);
}

/* Which one it is, the guest says, and may say anything. */
static void end_atomic(struct replay_opens *opens, uint64_t begin)
{
    struct replay_open *open = find(opens, begin);
    if (open && open->atomic)
        end_atomics(opens, open);
}

static void note_batch(struct replay_opens *opens, uint64_t begin, uint64_t index)
{
    if (begin != opens->batch_begin)
        opens->other_index = opens->batch_index;
    opens->batch_begin = begin;
    opens->batch_index = index;
}

static bool note_call(struct replay_opens *opens, const struct oplog_entry *entry)
{
    struct oplog_call call;
    if (!oplog_decode_call(entry, &call))
        return false;
    if (call.durability == DURABLE_WRITE_REMOTE || call.durability == DURABLE_WRITE_LOCAL)
        opens->seen_index = entry->index;
    if (call.durability != DURABLE_WRITE_BATCHED || call.batch.silent)
        return true;
    struct replay_open *open = find(opens, call.batch.begin);
    if (open)
        open->given = true;
    note_batch(opens, call.batch.begin, entry->index);
    return true;
}

static bool note_end(struct replay_opens *opens, const struct oplog_entry *entry)
{
    struct oplog_value values[OPLOG_MAX_FIELDS];
    if (!oplog_decode(entry, values))
        return false;
    if (entry->kind == OPLOG_END_ATOMIC_REGION) {
        end_atomic(opens, values[0].number);
        return true;
    }
    note_batch(opens, values[0].number, entry->index);
    end_batch(opens, values[0].number);
    return true;
}

bool replay_opens_note(struct replay_opens *opens, const struct oplog_entry *entry)
{
    bool begins = entry->kind == OPLOG_BEGIN_REMOTE_WRITE || entry->kind == OPLOG_BEGIN_ATOMIC_REGION;
    if (begins)
        ga_buf_append(&opens->items,
                      &(struct replay_open){.begin = entry->index, .atomic = entry->kind == OPLOG_BEGIN_ATOMIC_REGION},
                      sizeof(struct replay_open));
    else if (!opens->items.size)
        return true;
    switch (entry->kind) {
    case OPLOG_BEGIN_REMOTE_WRITE: note_batch(opens, entry->index, entry->index); return true;
    case OPLOG_IMPORTED_FUNCTION_INVOKED: return note_call(opens, entry);
    case OPLOG_END_REMOTE_WRITE:
    case OPLOG_END_ATOMIC_REGION: return note_end(opens, entry);
    case OPLOG_EXPORTED_FUNCTION_COMPLETED:
        end_atomics(opens, (struct replay_open *)opens->items.data);
        opens->seen_index = entry->index;
        return true;
    case OPLOG_LOG:
    case OPLOG_SUSPEND:
    case OPLOG_EXPORTED_FUNCTION_INVOKED: opens->seen_index = entry->index; return true;
    default: return true;
    }
}

const struct replay_open *replay_opens_find(const struct replay_opens *opens, uint64_t begin)
{
    return find(opens, begin);
}

uint64_t replay_opens_atomic(const struct replay_opens *opens)
{
    const struct replay_open *items = (const struct replay_open *)opens->items.data;
    for (size_t i = 0; i < count_of(opens); i++)
        if (items[i].atomic && !items[i].ended)
            return items[i].begin;
    return 0;
}

bool replay_opens_forgettable(const struct replay_opens *opens, uint64_t begin)
{
    uint64_t other_index = opens->batch_begin == begin ? opens->other_index : opens->batch_index;
    return opens->seen_index < begin && other_index < begin;
}
