#ifndef CKPT_PAGES_H
#define CKPT_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "region.h"

/*
 * The region's pages as images number them, which of them are in use, and their sums.
 *
 * Segments are the parts of the region that grow by themselves: header, stack, arena, and each memory. A page has a
 * number, which fixes its place in a slot file whatever else is in it:
 *   low part of the region     (address - RT_REGION_BASE) / 4096
 *   linear memory i            0x60000 + i * 0x100000 + (address - start of memory) / 4096
 */
#define CKPT_PAGE_BYTES REGION_PAGE_BYTES
#define CKPT_MEMORY_FIRST_PAGE 0x60000ull
#define CKPT_MEMORY_PAGES (REGION_MEMORY_BYTES_MAX / CKPT_PAGE_BYTES)

enum { CKPT_HEADER, CKPT_STACK, CKPT_ARENA, CKPT_MEMORIES /* + slot */ };
#define CKPT_SEGMENT_COUNT (CKPT_MEMORIES + GA_MAX_MEMORIES)

struct ckpt_segment {
    uint64_t address;    /* of its first page */
    uint64_t first_page; /* its number */
    uint64_t page_count; /* at most */
};
struct ckpt_segment ckpt_segment(unsigned index);

/* The segment of a page number, or -1 if it is in none. */
int ckpt_segment_of(uint64_t page);

/* What is in use of each segment. */
struct ckpt_shape {
    uint64_t stack_start; /* lowest address in use; REGION_STACK_TOP if no guest frame is active */
    uint64_t arena_bytes;
    uint32_t memory_count;
    uint64_t memory_bytes[GA_MAX_MEMORIES];
};

/* The region as it is now. The stack is in use from the resting guest's stack pointer, less the red zone, upward. */
void ckpt_shape_now(struct ckpt_shape *shape_out);

/* False for sizes that no region can have. */
bool ckpt_shape_is_possible(const struct ckpt_shape *shape);

/* Segments that may have pages in use: all from there on have none. */
unsigned ckpt_shape_segments(const struct ckpt_shape *shape);

/* Pages in use, counted from the segment's first: [begin, end). */
struct ckpt_range {
    uint64_t begin, end;
};
struct ckpt_range ckpt_shape_range(const struct ckpt_shape *shape, unsigned segment);

/* The number behind the last page in use of all segments. */
uint64_t ckpt_shape_end(const struct ckpt_shape *shape);

/*
 * A sum for each page of an image. Two pages with equal sums are taken to be equal: sums are 64-bit hashes seeded
 * with the worker's id, which the guest does not know.
 */
#define CKPT_SUM_ZERO 0ull    /* the page is all zero, or not in use */
#define CKPT_SUM_UNKNOWN 1ull /* the page has to be read */

struct ckpt_sums {
    uint64_t *items[CKPT_SEGMENT_COUNT];
    uint64_t counts[CKPT_SEGMENT_COUNT]; /* items from there on are CKPT_SUM_ZERO */
};

uint64_t ckpt_page_sum(const void *page, uint64_t seed);
uint64_t ckpt_sums_get(const struct ckpt_sums *sums, unsigned segment, uint64_t index);
/* Makes room for count items; false when out of memory. */
bool ckpt_sums_reserve(struct ckpt_sums *sums, unsigned segment, uint64_t count);
void ckpt_sums_clear(struct ckpt_sums *sums);

#endif
