#include "ckpt_dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ckpt_pages.h"

/* Documentation/admin-guide/mm/pagemap.rst. The headers of Debian 12 are older than the ioctl, so it is declared
 * here. */
struct pagemap_region {
    uint64_t start, end, categories;
};
struct pagemap_scan {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t inverted, required, any_of, returned;
};
#define PAGEMAP_SCAN_REQUEST _IOWR('f', 16, struct pagemap_scan)
#define PAGE_OF_FILE (1u << 2)
#define PAGE_PRESENT (1u << 3)
#define PAGE_SWAPPED (1u << 4)
#define PAGE_SHARED_ZERO (1u << 5)

#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAPPED (1ull << 62)
#define ENTRY_OF_FILE (1ull << 61)

static void add_range(struct ckpt_dirty *dirty, uint64_t start, uint64_t end)
{
    if (dirty->count > 0 && dirty->ranges[dirty->count - 1][1] == start) {
        dirty->ranges[dirty->count - 1][1] = end;
        return;
    }
    if (dirty->count == dirty->capacity) {
        uint64_t capacity = dirty->capacity ? dirty->capacity * 2 : 256;
        void *ranges = realloc(dirty->ranges, capacity * sizeof *dirty->ranges);
        if (!ranges) {
            dirty->failed = true;
            return;
        }
        dirty->ranges = ranges;
        dirty->capacity = capacity;
    }
    dirty->ranges[dirty->count][0] = start;
    dirty->ranges[dirty->count][1] = end;
    dirty->count++;
}

/* False if the kernel does not know the request. */
static bool scan_by_ioctl(struct ckpt_dirty *dirty, uint64_t start, uint64_t end)
{
    struct pagemap_region regions[512];
    while (start < end) {
        struct pagemap_scan scan = {
            .size = sizeof scan,
            .start = start,
            .end = end,
            .regions = (uint64_t)regions,
            .region_count = sizeof regions / sizeof *regions,
            .inverted = PAGE_OF_FILE | PAGE_SHARED_ZERO,
            .required = PAGE_OF_FILE | PAGE_SHARED_ZERO,
            .any_of = PAGE_PRESENT | PAGE_SWAPPED,
            .returned = PAGE_OF_FILE,
        };
        int count = ioctl(dirty->fd, PAGEMAP_SCAN_REQUEST, &scan);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 || scan.walk_end <= start)
            return false;
        for (int i = 0; i < count; i++)
            add_range(dirty, regions[i].start, regions[i].end);
        start = scan.walk_end;
    }
    return true;
}

static bool scan_entries(struct ckpt_dirty *dirty, uint64_t start, uint64_t end)
{
    uint64_t entries[4096];
    while (start < end) {
        uint64_t pages = (end - start) / CKPT_PAGE_BYTES;
        if (pages > sizeof entries / sizeof *entries)
            pages = sizeof entries / sizeof *entries;
        ssize_t got =
            pread(dirty->fd, entries, pages * sizeof *entries, (off_t)(start / CKPT_PAGE_BYTES * sizeof *entries));
        if (got <= 0)
            return false;
        pages = (uint64_t)got / sizeof *entries;
        for (uint64_t i = 0; i < pages; i++)
            if ((entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED)) && !(entries[i] & ENTRY_OF_FILE))
                add_range(dirty, start + i * CKPT_PAGE_BYTES, start + (i + 1) * CKPT_PAGE_BYTES);
        start += pages * CKPT_PAGE_BYTES;
    }
    return true;
}

static bool scan_all(struct ckpt_dirty *dirty, uint64_t start, uint64_t end)
{
    add_range(dirty, start, end);
    return true;
}

void ckpt_dirty_open(struct ckpt_dirty *dirty, enum ckpt_dirty_way way)
{
    *dirty = (struct ckpt_dirty){.fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), .way = way};
    if (dirty->fd < 0)
        dirty->way = CKPT_DIRTY_ALL;
    else if (way == CKPT_DIRTY_BEST)
        dirty->way = CKPT_DIRTY_SCAN;
}

bool ckpt_dirty_scan(struct ckpt_dirty *dirty, uint64_t start, uint64_t end)
{
    static bool (*const ways[])(struct ckpt_dirty *, uint64_t, uint64_t) = {
        [CKPT_DIRTY_SCAN] = scan_by_ioctl,
        [CKPT_DIRTY_PAGEMAP] = scan_entries,
        [CKPT_DIRTY_ALL] = scan_all,
    };
    dirty->failed = false;
    dirty->count = 0;
    while (start < end && !ways[dirty->way](dirty, start, end)) {
        dirty->way++; /* the next one needs less of the kernel; the last cannot fail */
        dirty->count = 0;
    }
    return !dirty->failed;
}

void ckpt_dirty_close(struct ckpt_dirty *dirty)
{
    if (dirty->fd >= 0)
        close(dirty->fd);
    free(dirty->ranges);
    *dirty = (struct ckpt_dirty){.fd = -1};
}
