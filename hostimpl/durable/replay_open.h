#ifndef DURABLE_REPLAY_OPEN_H
#define DURABLE_REPLAY_OPEN_H

#include "ga_buf.h"
#include "oplog.h"

/*
 * What an oplog leaves open at its end: batches and atomic regions that have begun and not ended, and whether what
 * stands behind their begins may be forgotten. It may not if others can see it: a remote write, another batch, something
 * printed, a promise completed, an invocation's end, or that the worker was left waiting: what it waits for is known by
 * its name, or by its time, and forgotten, it would be waited for again.
 */
struct replay_open {
    uint64_t begin;
    bool atomic; /* an atomic region */
    bool ended;
    bool given; /* of a batch: the guest was given a result that tells something */
};

struct replay_opens {
    struct ga_buf items; /* struct replay_open, by begin; some have ended */
    size_t ended_count;
    uint64_t seen_index;               /* the last entry that others can see, but for those of batches */
    uint64_t batch_begin, batch_index; /* the last entry of a batch, and of which */
    uint64_t other_index;              /* the last entry of a batch that is not batch_begin */
};

/* Follows one entry behind the other. False if it is malformed. */
bool replay_opens_note(struct replay_opens *opens, const struct oplog_entry *entry);

/* What has begun at `begin` and not ended; NULL if there is nothing. */
const struct replay_open *replay_opens_find(const struct replay_opens *opens, uint64_t begin);

/* The begin of the outermost open atomic region; 0: there is none. The end of an invocation, or of a region, is the end of all
 * regions in it. */
uint64_t replay_opens_atomic(const struct replay_opens *opens);

/* What stands behind the begin of an open batch may be forgotten. */
bool replay_opens_forgettable(const struct replay_opens *opens, uint64_t begin);

#endif
