#include "ckpt_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ckpt.h"
#include "ga_assert.h"
#include "ga_hash.h"

/*
 * The start image: the region after instantiation, appended to the executable. Page-aligned in the file, so that it
 * is mapped, not copied; the pages are packed, those that are all zero left out.
 *
 *   0            pages, packed, in order of their numbers (ckpt_pages.h)
 *   index        memory count * 8    size of each memory in bytes
 *                run count * 16      first page, page count: where the packed pages belong; ascending
 *   trailer      the last 80 bytes of the file:
 *                0 magic "GOLEMIMG"   8 build id   16 bytes of the whole image, trailer included   24 index offset
 *                32 run count   40 memory count   48 arena bytes   56 page count   64 sum of the index, seed 0
 *                72 sum of bytes 0 to 71, seed 0
 * Offsets count from the start of the image, which is a multiple of 4096 in the file.
 *
 * Valid if and only if the trailer's and the index's sums are right, the build id is the caller's, and the sizes fit
 * each other and the region. The pages are not checked, no more than the executable's code is: both are mapped from a
 * file that cannot be written while it runs (ETXTBSY).
 *
 * Short gaps of zero pages between others are stored, so that there are at most RUNS_MAX mappings.
 */
#define MAGIC 0x474d494d454c4f47ull /* "GOLEMIMG" */
#define RUNS_MAX 256

struct trailer {
    uint64_t magic, build_id, image_bytes, index_offset, run_count, memory_count, arena_bytes, page_count, index_sum,
        trailer_sum;
};
_Static_assert(sizeof(struct trailer) == 80, "the format is as documented");

struct run {
    uint64_t first, count;
};

/* --- writing --- */

struct runs {
    struct run *items;
    uint64_t count, capacity;
};

/* False when out of memory. */
static bool add_page(struct runs *runs, uint64_t page, uint64_t gap_max)
{
    struct run *last = runs->count > 0 ? &runs->items[runs->count - 1] : NULL;
    if (last && page - (last->first + last->count) <= gap_max && ckpt_segment_of(last->first) == ckpt_segment_of(page)) {
        last->count = page - last->first + 1;
        return true;
    }
    if (runs->count == runs->capacity) {
        uint64_t capacity = runs->capacity ? runs->capacity * 2 : 64;
        void *items = realloc(runs->items, capacity * sizeof *runs->items);
        if (!items)
            return false;
        runs->items = items;
        runs->capacity = capacity;
    }
    runs->items[runs->count++] = (struct run){page, 1};
    return true;
}

static bool find_pages(struct runs *runs, const struct ckpt_shape *shape, uint64_t gap_max)
{
    runs->count = 0;
    for (unsigned i = 0; i < ckpt_shape_segments(shape); i++) {
        struct ckpt_segment segment = ckpt_segment(i);
        struct ckpt_range range = ckpt_shape_range(shape, i);
        for (uint64_t k = range.begin; k < range.end; k++)
            if (ckpt_page_sum((const void *)(segment.address + k * CKPT_PAGE_BYTES), 0) != CKPT_SUM_ZERO &&
                !add_page(runs, segment.first_page + k, gap_max))
                return false;
    }
    return true;
}

static const void *page_address(uint64_t page)
{
    struct ckpt_segment segment = ckpt_segment((unsigned)ckpt_segment_of(page));
    return (const void *)(segment.address + (page - segment.first_page) * CKPT_PAGE_BYTES);
}

static bool write_all(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool write_image(int fd, const struct ckpt_shape *shape, const struct runs *runs, struct trailer *trailer)
{
    static const char padding[CKPT_PAGE_BYTES];
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at > 0 && at % (off_t)CKPT_PAGE_BYTES != 0 &&
        !write_all(fd, padding, CKPT_PAGE_BYTES - (size_t)at % CKPT_PAGE_BYTES))
        return false;
    for (uint64_t i = 0; i < runs->count; i++) {
        if (!write_all(fd, page_address(runs->items[i].first), runs->items[i].count * CKPT_PAGE_BYTES))
            return false;
        trailer->page_count += runs->items[i].count;
    }
    size_t sizes_bytes = shape->memory_count * sizeof *shape->memory_bytes,
           runs_bytes = runs->count * sizeof *runs->items;
    uint8_t *index = malloc(sizes_bytes + runs_bytes + 1);
    if (!index)
        return false;
    memcpy(index, shape->memory_bytes, sizes_bytes);
    if (runs_bytes > 0)
        memcpy(index + sizes_bytes, runs->items, runs_bytes);
    trailer->index_offset = trailer->page_count * CKPT_PAGE_BYTES;
    trailer->index_sum = ga_hash64(index, sizes_bytes + runs_bytes, 0);
    trailer->image_bytes = trailer->index_offset + sizes_bytes + runs_bytes + sizeof *trailer;
    trailer->trailer_sum = ga_hash64(trailer, offsetof(struct trailer, trailer_sum), 0);
    bool written = write_all(fd, index, sizes_bytes + runs_bytes) && write_all(fd, trailer, sizeof *trailer);
    free(index);
    return written;
}

enum ga_status ckpt_write_start_image(int fd, uint64_t build_id, struct ga_report *report)
{
    GA_ASSERT(REGION->depth == 0);
    struct ckpt_shape *shape = malloc(sizeof *shape);
    struct runs runs = {0};
    bool found = shape != NULL;
    if (found)
        ckpt_shape_now(shape);
    for (uint64_t gap_max = 15; found && (gap_max == 15 || runs.count > RUNS_MAX); gap_max = gap_max * 2 + 1)
        found = find_pages(&runs, shape, gap_max);
    enum ga_status status = GA_OK;
    if (!found) {
        status = ga_report_set(report, GA_NO_MEMORY, "no memory for the start image");
    } else {
        struct trailer trailer = {
            .magic = MAGIC,
            .build_id = build_id,
            .run_count = runs.count,
            .memory_count = shape->memory_count,
            .arena_bytes = shape->arena_bytes,
        };
        if (!write_image(fd, shape, &runs, &trailer))
            status = ga_report_errno(report, errno, "cannot write the start image");
    }
    free(runs.items);
    free(shape);
    return status;
}

/* --- mapping --- */

struct image {
    int fd;
    uint64_t file_bytes, start; /* offset of the image in the file */
    struct trailer trailer;
    struct ckpt_shape shape;
    struct run *runs;
    uint64_t *index; /* what runs points into */
};

static bool read_all(int fd, void *data, size_t size, uint64_t offset)
{
    for (char *at = data; size > 0;) {
        ssize_t got = pread(fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got, offset += (uint64_t)got, size -= (size_t)got;
    }
    return true;
}

static bool read_trailer(struct image *image)
{
    struct trailer *trailer = &image->trailer;
    struct stat file;
    if (fstat(image->fd, &file) != 0 || (uint64_t)file.st_size < sizeof *trailer)
        return false;
    image->file_bytes = (uint64_t)file.st_size;
    return read_all(image->fd, trailer, sizeof *trailer, image->file_bytes - sizeof *trailer) &&
           trailer->magic == MAGIC &&
           trailer->trailer_sum == ga_hash64(trailer, offsetof(struct trailer, trailer_sum), 0);
}

static bool runs_are_possible(const struct image *image)
{
    uint64_t next_page = 0, pages = 0;
    for (uint64_t i = 0; i < image->trailer.run_count; i++) {
        struct run run = image->runs[i];
        int segment = run.first >= next_page ? ckpt_segment_of(run.first) : -1;
        if (segment < 0)
            return false;
        uint64_t first = run.first - ckpt_segment((unsigned)segment).first_page;
        struct ckpt_range range = ckpt_shape_range(&image->shape, (unsigned)segment);
        if (first < range.begin || first >= range.end || run.count == 0 || run.count > range.end - first)
            return false;
        next_page = run.first + run.count;
        pages += run.count;
    }
    return pages == image->trailer.page_count;
}

static bool read_index(struct image *image)
{
    const struct trailer *trailer = &image->trailer;
    if (trailer->image_bytes > image->file_bytes || trailer->memory_count > GA_MAX_MEMORIES ||
        trailer->run_count > trailer->page_count || trailer->page_count > trailer->image_bytes / CKPT_PAGE_BYTES)
        return false;
    uint64_t bytes = trailer->memory_count * 8 + trailer->run_count * sizeof(struct run);
    image->start = image->file_bytes - trailer->image_bytes;
    if (trailer->index_offset != trailer->page_count * CKPT_PAGE_BYTES || image->start % CKPT_PAGE_BYTES != 0 ||
        trailer->image_bytes != trailer->index_offset + bytes + sizeof *trailer)
        return false;
    image->index = malloc(bytes + 1);
    if (!image->index || !read_all(image->fd, image->index, bytes, image->start + trailer->index_offset) ||
        ga_hash64(image->index, bytes, 0) != trailer->index_sum)
        return false;
    image->runs = (struct run *)(image->index + trailer->memory_count);
    image->shape.stack_start = REGION_STACK_TOP;
    image->shape.arena_bytes = trailer->arena_bytes;
    image->shape.memory_count = (uint32_t)trailer->memory_count;
    memcpy(image->shape.memory_bytes, image->index, trailer->memory_count * 8);
    return ckpt_shape_is_possible(&image->shape) && runs_are_possible(image);
}

/* Makes all that is in use accessible and zero. */
static bool map_zero(const struct ckpt_shape *shape)
{
    if (region_map_zero(RT_REGION_BASE, REGION_HEADER_BYTES) != 0 ||
        region_map_zero(REGION_STACK_BOTTOM, REGION_STACK_BYTES) != 0 ||
        region_map_zero(RT_ARENA_BASE, region_arena_accessible(shape->arena_bytes)) != 0)
        return false;
    for (unsigned i = CKPT_MEMORIES; i < ckpt_shape_segments(shape); i++)
        if (region_map_zero(ckpt_segment(i).address, ckpt_shape_range(shape, i).end * CKPT_PAGE_BYTES) != 0)
            return false;
    return true;
}

static bool map_runs(const struct image *image, struct ckpt_sums *sums)
{
    uint64_t offset = image->start;
    for (uint64_t i = 0; i < image->trailer.run_count; i++) {
        struct run run = image->runs[i];
        void *address = (void *)page_address(run.first);
        if (mmap(address, run.count * CKPT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                 image->fd, (off_t)offset) != address)
            return false;
        offset += run.count * CKPT_PAGE_BYTES;
        unsigned segment = (unsigned)ckpt_segment_of(run.first);
        uint64_t first = run.first - ckpt_segment(segment).first_page;
        if (!ckpt_sums_reserve(sums, segment, first + run.count))
            return false;
        for (uint64_t k = first; k < first + run.count; k++)
            sums->items[segment][k] = CKPT_SUM_UNKNOWN;
    }
    return true;
}

static enum ga_status map_image(struct image *image, uint64_t build_id, struct ckpt_sums *sums_out,
                                struct ga_report *report)
{
    if (!read_trailer(image))
        return ga_report_set(report, GA_NOT_FOUND, "the executable has no start image");
    if (image->trailer.build_id != build_id)
        return ga_report_set(report, GA_NOT_FOUND, "the executable's start image was made by another build");
    if (!read_index(image))
        return ga_report_set(report, GA_CORRUPT, "the executable's start image is damaged");
    enum ga_status status = region_clear(report);
    if (status == GA_OK && (!map_zero(&image->shape) || !map_runs(image, sums_out)))
        status = ga_report_errno(report, errno, "cannot map the start image");
    return status;
}

enum ga_status ckpt_start_map(uint64_t build_id, struct ckpt_sums *sums_out, struct ga_report *report)
{
    struct image image; /* not zeroed: its shape is 8 KiB, of which little is used */
    image.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    image.index = NULL;
    if (image.fd < 0)
        return ga_report_errno(report, errno, "cannot open the executable");
    enum ga_status status = map_image(&image, build_id, sums_out, report);
    close(image.fd);
    free(image.index);
    return status;
}
