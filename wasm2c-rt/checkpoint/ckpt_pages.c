#include "ckpt_pages.h"

#include <stdlib.h>
#include <string.h>

#include "ga_assert.h"
#include "ga_hash.h"

#define RED_ZONE_BYTES 128
#define LOW_PAGE(address) (((address) - RT_REGION_BASE) / CKPT_PAGE_BYTES)
#define PAGES(bytes) (((bytes) + CKPT_PAGE_BYTES - 1) / CKPT_PAGE_BYTES)

_Static_assert(LOW_PAGE(RT_ARENA_BASE + REGION_ARENA_BYTES) == CKPT_MEMORY_FIRST_PAGE, "the low part fills its window");

static const struct ckpt_segment low_segments[] = {
    [CKPT_HEADER] = {RT_REGION_BASE, 0, REGION_HEADER_BYTES / CKPT_PAGE_BYTES},
    [CKPT_STACK] = {REGION_STACK_BOTTOM, LOW_PAGE(REGION_STACK_BOTTOM), REGION_STACK_BYTES / CKPT_PAGE_BYTES},
    [CKPT_ARENA] = {RT_ARENA_BASE, LOW_PAGE(RT_ARENA_BASE), REGION_ARENA_BYTES / CKPT_PAGE_BYTES},
};

struct ckpt_segment ckpt_segment(unsigned index)
{
    if (index < CKPT_MEMORIES)
        return low_segments[index];
    uint64_t slot = index - CKPT_MEMORIES;
    return (struct ckpt_segment){
        .address = REGION_MEMORY_BASE + slot * REGION_MEMORY_STRIDE,
        .first_page = CKPT_MEMORY_FIRST_PAGE + slot * CKPT_MEMORY_PAGES,
        .page_count = CKPT_MEMORY_PAGES,
    };
}

int ckpt_segment_of(uint64_t page)
{
    if (page >= CKPT_MEMORY_FIRST_PAGE) {
        uint64_t slot = (page - CKPT_MEMORY_FIRST_PAGE) / CKPT_MEMORY_PAGES;
        return slot < GA_MAX_MEMORIES ? (int)slot + CKPT_MEMORIES : -1;
    }
    for (int i = CKPT_MEMORIES - 1; i >= 0; i--)
        if (page >= low_segments[i].first_page)
            return page - low_segments[i].first_page < low_segments[i].page_count ? i : -1;
    return -1;
}

void ckpt_shape_now(struct ckpt_shape *shape_out)
{
    GA_ASSERT(REGION->depth <= 1 && (REGION->depth == 1) == (REGION->guest_sp != 0));
    memset(shape_out, 0, sizeof *shape_out);
    shape_out->stack_start = REGION->guest_sp ? REGION->guest_sp - RED_ZONE_BYTES : REGION_STACK_TOP;
    if (shape_out->stack_start < REGION_STACK_BOTTOM)
        shape_out->stack_start = REGION_STACK_BOTTOM;
    shape_out->arena_bytes = REGION->arena_used_bytes;
    shape_out->memory_count = REGION->memory_count;
    for (uint32_t i = 0; i < REGION->memory_count; i++)
        shape_out->memory_bytes[i] = REGION->memories[i].size_bytes;
}

bool ckpt_shape_is_possible(const struct ckpt_shape *shape)
{
    if (shape->stack_start < REGION_STACK_BOTTOM || shape->stack_start > REGION_STACK_TOP ||
        shape->arena_bytes > REGION_ARENA_BYTES || shape->memory_count > GA_MAX_MEMORIES)
        return false;
    for (uint32_t i = 0; i < shape->memory_count; i++)
        if (shape->memory_bytes[i] > REGION_MEMORY_BYTES_MAX)
            return false;
    return true;
}

unsigned ckpt_shape_segments(const struct ckpt_shape *shape)
{
    return CKPT_MEMORIES + shape->memory_count;
}

struct ckpt_range ckpt_shape_range(const struct ckpt_shape *shape, unsigned segment)
{
    const struct ckpt_segment *stack = &low_segments[CKPT_STACK];
    if (segment == CKPT_HEADER)
        return (struct ckpt_range){0, low_segments[CKPT_HEADER].page_count};
    if (segment == CKPT_STACK)
        return (struct ckpt_range){(shape->stack_start - stack->address) / CKPT_PAGE_BYTES, stack->page_count};
    if (segment == CKPT_ARENA)
        return (struct ckpt_range){0, PAGES(shape->arena_bytes)};
    uint32_t slot = segment - CKPT_MEMORIES;
    return (struct ckpt_range){0, slot < shape->memory_count ? PAGES(shape->memory_bytes[slot]) : 0};
}

uint64_t ckpt_shape_end(const struct ckpt_shape *shape)
{
    uint64_t end = 0;
    for (unsigned i = 0; i < ckpt_shape_segments(shape); i++) {
        struct ckpt_range range = ckpt_shape_range(shape, i);
        if (range.end > range.begin)
            end = ckpt_segment(i).first_page + range.end;
    }
    return end;
}

/* Most pages that are not zero show it early. */
static bool is_zero(const uint64_t *words)
{
    for (size_t i = 0; i < CKPT_PAGE_BYTES / sizeof *words; i += 8)
        if (words[i] | words[i + 1] | words[i + 2] | words[i + 3] | words[i + 4] | words[i + 5] | words[i + 6] |
            words[i + 7])
            return false;
    return true;
}

uint64_t ckpt_page_sum(const void *page, uint64_t seed)
{
    if (is_zero(page))
        return CKPT_SUM_ZERO;
    uint64_t sum = ga_hash64(page, CKPT_PAGE_BYTES, seed);
    return sum > CKPT_SUM_UNKNOWN ? sum : CKPT_SUM_UNKNOWN + 1;
}

uint64_t ckpt_sums_get(const struct ckpt_sums *sums, unsigned segment, uint64_t index)
{
    return index < sums->counts[segment] ? sums->items[segment][index] : CKPT_SUM_ZERO;
}

bool ckpt_sums_reserve(struct ckpt_sums *sums, unsigned segment, uint64_t count)
{
    uint64_t old_count = sums->counts[segment];
    if (count <= old_count)
        return true;
    uint64_t *items = realloc(sums->items[segment], count * sizeof *items);
    if (!items)
        return false;
    memset(items + old_count, 0, (count - old_count) * sizeof *items);
    sums->items[segment] = items;
    sums->counts[segment] = count;
    return true;
}

void ckpt_sums_clear(struct ckpt_sums *sums)
{
    for (unsigned i = 0; i < CKPT_SEGMENT_COUNT; i++)
        free(sums->items[i]);
    memset(sums, 0, sizeof *sums);
}
