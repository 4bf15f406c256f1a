#include "ckpt_reset.h"

#include <stdlib.h>
#include <string.h>

#include "ckpt_dirty.h"
#include "ckpt_pages.h"

/*
 * Most pages go back by dropping the private copy. But a page that is written each time is cheaper kept, and written over
 * with what it was: 0.1 us, where dropping it costs two page faults the next time. The first LEARN resets see which pages these
 * are, up to HOT_MAX; what they hold in the image is copied once.
 */
enum { LEARN = 4, HOT_MAX = 256 };

static struct {
    unsigned resets;
    struct region_extent extent; /* of the image */
    size_t count;
    struct region_range pages[HOT_MAX]; /* one page each, ascending */
    uint8_t *contents[HOT_MAX];
} hot;

/* --- learning --- */

static bool is_hot(uint64_t page)
{
    for (size_t i = 0; i < hot.count; i++)
        if (hot.pages[i].begin == page)
            return true;
    return false;
}

/* The region is as it was mapped. */
static void add(uint64_t page)
{
    size_t at = hot.count;
    uint8_t *contents = hot.count < HOT_MAX && !is_hot(page) ? malloc(CKPT_PAGE_BYTES) : NULL;
    if (!contents)
        return;
    memcpy(contents, (const void *)page, CKPT_PAGE_BYTES);
    for (; at > 0 && hot.pages[at - 1].begin > page; at--) {
        hot.pages[at] = hot.pages[at - 1];
        hot.contents[at] = hot.contents[at - 1];
    }
    hot.pages[at] = (struct region_range){page, page + CKPT_PAGE_BYTES};
    hot.contents[at] = contents;
    hot.count++;
}

/* Pages that were written, in what is in use. */
static size_t find_written(uint64_t pages[HOT_MAX])
{
    struct ckpt_dirty dirty;
    struct ckpt_shape shape;
    size_t count = 0;
    ckpt_shape_now(&shape);
    shape.stack_start = REGION_STACK_BOTTOM;
    ckpt_dirty_open(&dirty, CKPT_DIRTY_BEST);
    for (unsigned i = 0; i < ckpt_shape_segments(&shape) && dirty.way != CKPT_DIRTY_ALL; i++) {
        struct ckpt_segment segment = ckpt_segment(i);
        struct ckpt_range range = ckpt_shape_range(&shape, i);
        uint64_t begin = segment.address + range.begin * CKPT_PAGE_BYTES, end = segment.address + range.end * CKPT_PAGE_BYTES;
        if (begin == end || !ckpt_dirty_scan(&dirty, begin, end))
            continue;
        for (uint64_t k = 0; k < dirty.count; k++)
            for (uint64_t page = dirty.ranges[k][0]; page < dirty.ranges[k][1] && count < HOT_MAX; page += CKPT_PAGE_BYTES)
                pages[count++] = page;
    }
    ckpt_dirty_close(&dirty);
    return count;
}

/* Accessible now, which it need not have been in the image. */
static bool is_in_use(uint64_t page)
{
    struct ckpt_shape shape;
    ckpt_shape_now(&shape);
    for (unsigned i = 0; i < ckpt_shape_segments(&shape); i++) {
        struct ckpt_segment segment = ckpt_segment(i);
        uint64_t end = segment.address + ckpt_shape_range(&shape, i).end * CKPT_PAGE_BYTES;
        if (page >= segment.address && page < end)
            return true;
    }
    return false;
}

static bool learn(const struct region_extent *extent)
{
    uint64_t pages[HOT_MAX];
    size_t count = find_written(pages);
    if (!region_reset(extent, NULL, 0))
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_in_use(pages[i]))
            add(pages[i]);
    region_extent(&hot.extent);
    return true;
}

/* No memory of the image was freed: hot pages are there to be written. */
static bool covers_image(const struct region_extent *extent)
{
    for (uint32_t i = 0; i < hot.extent.memory_count; i++)
        if (i >= extent->memory_count || extent->memory_bytes[i] < hot.extent.memory_bytes[i])
            return false;
    return true;
}

/* --- going back --- */

bool ckpt_reset(void)
{
    struct region_extent extent;
    region_extent(&extent);
    if (hot.resets < LEARN) {
        hot.resets++;
        return learn(&extent);
    }
    if (!covers_image(&extent))
        return false;
    for (size_t i = 0; i < hot.count; i++)
        memcpy((void *)hot.pages[i].begin, hot.contents[i], CKPT_PAGE_BYTES);
    return region_reset(&extent, hot.pages, hot.count);
}
