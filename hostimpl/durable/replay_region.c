#include "replay_region.h"

static struct replay_region *items_of(const struct replay_regions *regions)
{
    return (struct replay_region *)regions->items.data;
}

static size_t count_of(const struct replay_regions *regions)
{
    return regions->items.size / sizeof(struct replay_region);
}

void replay_regions_add(struct replay_regions *regions, struct replay_region region)
{
    while (count_of(regions) && items_of(regions)[count_of(regions) - 1].last >= region.first) {
        regions->items.size -= sizeof region;
        const struct replay_region *part = items_of(regions) + count_of(regions);
        if (part->first < region.first)
            region.first = part->first;
    }
    ga_buf_append(&regions->items, &region, sizeof region);
}

bool replay_regions_add_jump(struct replay_regions *regions, const struct oplog_entry *jump)
{
    enum { FIRST, LAST };
    struct oplog_value values[OPLOG_MAX_FIELDS];
    if (!oplog_decode(jump, values))
        return false;
    struct replay_region region = {values[FIRST].number, values[LAST].number};
    if (region.first < 2 || region.first > region.last || region.last != jump->index)
        return false;
    replay_regions_add(regions, region);
    return true;
}

bool replay_regions_search(const struct replay_regions *regions, uint64_t index)
{
    const struct replay_region *items = items_of(regions);
    size_t low = 0, high = count_of(regions); /* those before low end before index */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items[middle].last < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count_of(regions) && items[low].first <= index;
}
