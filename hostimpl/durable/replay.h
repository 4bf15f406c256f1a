#ifndef DURABLE_REPLAY_H
#define DURABLE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "oplog.h"
#include "replay_open.h"
#include "replay_region.h"
#include "store.h"

/*
 * Reading a worker's oplog: first a scan that checks every entry and finds how it ends, then the replay, entry by
 * entry. See replay.c for what is cut and what is refused.
 */

/* How an oplog ends. */
struct replay_summary {
    uint64_t first_index; /* where the scan began */
    uint64_t last_index, last_hash;
    uint64_t cut_entries;          /* of a torn tail; they are gone */
    struct replay_regions regions; /* hidden; what follows is as the other entries tell it */
    uint64_t last_required;   /* the last entry that is no hint; 0 if there was none */
    uint64_t invoked_index;   /* ExportedFunctionInvoked of the invocation that is not complete; 0: none */
    uint64_t completed_count; /* invocations completed in what was scanned */
    bool failed;              /* an Error stands at the end */
    bool suspended;           /* a Suspend does: the process left the worker waiting */
    bool exited;
    uint8_t exit_status;
    char failure[512]; /* the Error's details */
    struct replay_opens opens;
    uint64_t atomic_begin; /* of an atomic region that was cut off: all behind it is hidden; 0: there is none */
};

void replay_summary_free(struct replay_summary *summary);

/*
 * Checks all entries from first_index on; chain: the hash before it. invoked_index: of the invocation under way
 * there. GA_CORRUPT names the worker and the entry. A torn tail is cut if may_cut, else only left out.
 */
enum ga_status replay_scan(struct store *store, uint64_t worker_id, const char *worker_name, uint64_t first_index,
                           uint64_t chain, bool may_cut, struct replay_summary *summary,
                           struct ga_report *report) GA_MUST_USE;

/* True if a Jump behind entry `index` hides it. Looks at kinds only: what is wrong with the entries, the scan tells. */
enum ga_status replay_is_hidden(struct store *store, uint64_t worker_id, uint64_t index, bool *hidden_out,
                                struct ga_report *report) GA_MUST_USE;

/* Where chunks begin: the first index of the chunk that holds index, and the chain hash before it. */
enum ga_status replay_chunk_start(struct store *store, uint64_t worker_id, uint64_t index, uint64_t *first_index_out,
                                  uint64_t *chain_out, struct ga_report *report) GA_MUST_USE;

struct replay {
    struct store *store;
    uint64_t worker_id;
    struct oplog_cursor cursor;
    uint64_t position;      /* the last entry that was taken or passed over */
    uint64_t last_required; /* the worker is live behind it */
    uint64_t end;           /* the last entry */
    const struct replay_regions *regions;
    bool reading;
};

/* The entries after `position`, which scan has found good. The summary stays where it is. */
enum ga_status replay_start(struct replay *replay, struct store *store, uint64_t worker_id, uint64_t position,
                            const struct replay_summary *summary, struct ga_report *report) GA_MUST_USE;

/* True while entries remain that a guest must ask for. */
static inline bool replay_remains(const struct replay *replay)
{
    return replay->position < replay->last_required;
}

/* The next entry that is neither hidden nor a hint; there must be one. The entry is good until the next call. */
enum ga_status replay_take(struct replay *replay, struct oplog_entry *entry_out, struct ga_report *report) GA_MUST_USE;

/* Takes the next entry if it is a Log; hints before it, and what is hidden, are passed over. */
enum ga_status replay_take_log(struct replay *replay, struct oplog_entry *entry_out, bool *found_out,
                               struct ga_report *report) GA_MUST_USE;

/* Passes over all hints that are left. */
void replay_finish(struct replay *replay);

/* Copies one entry, which is no recorded call, out of the store; its body is in the arena. */
enum ga_status replay_read_entry(struct store *store, uint64_t worker_id, const char *worker_name, uint64_t index,
                                 struct ga_arena *arena, struct oplog_entry *entry_out,
                                 struct ga_report *report) GA_MUST_USE;

#endif
