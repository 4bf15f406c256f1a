#ifndef DURABLE_REPLAY_REGION_H
#define DURABLE_REPLAY_REGION_H

#include "ga_buf.h"
#include "oplog.h"

/*
 * Parts of the oplog that are as if they had not been: a Jump hides the entries from its start up to itself, because
 * the guest went on behind an earlier one. Nothing in it is seen by replay, nor by what tells the state of the worker;
 * only who prints the oplog shows it. (Golem: skipped regions.)
 */
struct replay_region {
    uint64_t first, last;
};

struct replay_regions {
    struct ga_buf items; /* struct replay_region, in order, apart from one another */
};

/* One that ends behind all others; those that it reaches into become part of it. */
void replay_regions_add(struct replay_regions *regions, struct replay_region region);

/* What a Jump hides. False if it is malformed. */
bool replay_regions_add_jump(struct replay_regions *regions, const struct oplog_entry *jump);

bool replay_regions_search(const struct replay_regions *regions, uint64_t index);

static inline bool replay_regions_hide(const struct replay_regions *regions, uint64_t index)
{
    return regions->items.size && replay_regions_search(regions, index);
}

#endif
