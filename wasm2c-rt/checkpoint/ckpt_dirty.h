#ifndef CKPT_DIRTY_H
#define CKPT_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which pages were written since they were mapped. All of the region is mapped privately (from a checkpoint, or
 * anonymous): the first write gives the process a copy of its own, and the kernel can tell such pages. No arming, no
 * faults. The answer may name pages too many, never too few.
 */
enum ckpt_dirty_way {
    CKPT_DIRTY_BEST,
    CKPT_DIRTY_SCAN,    /* ioctl PAGEMAP_SCAN: Linux 6.7 and newer */
    CKPT_DIRTY_PAGEMAP, /* /proc/self/pagemap, bit 61: all */
    CKPT_DIRTY_ALL      /* every page, where /proc is missing */
};

/* Ranges of addresses, ascending, not touching. */
struct ckpt_dirty {
    int fd; /* /proc/self/pagemap of this very process; -1 if there is none */
    enum ckpt_dirty_way way;
    uint64_t (*ranges)[2];
    uint64_t count, capacity;
    bool failed; /* out of memory */
};

/* For one scan: not to be kept over a fork. */
void ckpt_dirty_open(struct ckpt_dirty *dirty, enum ckpt_dirty_way way);

/* Replaces ranges by those of the pages written in [start, end). False when out of memory. */
bool ckpt_dirty_scan(struct ckpt_dirty *dirty, uint64_t start, uint64_t end);

void ckpt_dirty_close(struct ckpt_dirty *dirty);

#endif
