#include "region.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ga_assert.h"

/*
 * Invariants:
 * 1. The whole range [RT_REGION_BASE, REGION_END) is reserved once and never unmapped: nobody else's mapping gets in.
 * 2. Accessible are: header, stack, region_arena_accessible(arena_used_bytes) bytes of the arena, and of each
 *    memory its size rounded up to pages. All of it follows from the header, so a restore makes the same accessible.
 * 3. Bytes of the arena beyond arena_used_bytes, and of memories beyond their size, are zero.
 * 4. A free block of the arena is in the list of its size class; its first 8 bytes are the next one's address.
 */
#define PAGE_UP(size) (((size) + REGION_PAGE_BYTES - 1) & ~(REGION_PAGE_BYTES - 1))

static bool exists;

bool region_exists(void)
{
    return exists;
}

static int make_accessible(uint64_t address, uint64_t size)
{
    return size == 0 ? 0 : mprotect((void *)address, size, PROT_READ | PROT_WRITE);
}

static void *reserve(uint64_t address, uint64_t size, int how)
{
    return mmap((void *)address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | how, -1, 0);
}

int region_map_zero(uint64_t address, uint64_t size)
{
    if (size == 0)
        return 0;
    void *at = mmap((void *)address, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return at == MAP_FAILED ? -1 : 0;
}

uint64_t region_arena_accessible(uint64_t used_bytes)
{
    return (used_bytes + REGION_ARENA_STEP_BYTES - 1) / REGION_ARENA_STEP_BYTES * REGION_ARENA_STEP_BYTES;
}

enum ga_status region_clear(struct ga_report *report)
{
    GA_ASSERT(exists);
    if (reserve(RT_REGION_BASE, REGION_END - RT_REGION_BASE, MAP_FIXED) == MAP_FAILED)
        return ga_report_errno(report, errno, "cannot reserve the guest's address range anew");
    return GA_OK;
}

enum ga_status region_create(size_t root_size, struct ga_report *report)
{
    GA_ASSERT(!exists);
    uint64_t used = ((uint64_t)root_size + 15) & ~15ull;
    if (used > REGION_ARENA_BYTES)
        return ga_report_set(report, GA_LIMIT, "the component's state is too large (limit is %llu bytes)",
                             REGION_ARENA_BYTES);
    if (reserve(RT_REGION_BASE, REGION_END - RT_REGION_BASE, MAP_FIXED_NOREPLACE) != (void *)RT_REGION_BASE)
        return ga_report_errno(report, errno,
                               "cannot reserve 0x%llx..0x%llx for the guest (a limit on address space, ulimit -v?)",
                               RT_REGION_BASE, REGION_END);
    exists = true;
    if (make_accessible(RT_REGION_BASE, REGION_HEADER_BYTES) != 0 ||
        make_accessible(REGION_STACK_BOTTOM, REGION_STACK_BYTES) != 0 ||
        make_accessible(RT_ARENA_BASE, region_arena_accessible(used)) != 0)
        return ga_report_errno(report, errno, "cannot get memory for the guest's stack and state");
    REGION->magic = REGION_MAGIC;
    REGION->arena_used_bytes = used;
    return GA_OK;
}

/* --- the arena --- */

/*
 * Size classes: 16, 32, 48, 64, 96, 128, 192, ...: powers of two and one and a half times them. The last is the whole
 * arena, so every size that can be had has a class.
 */
static uint64_t class_size(unsigned index)
{
    if (index < 2)
        return index == 0 ? 16 : 32;
    return index % 2 == 0 ? 3ull << (index / 2 + 3) : 1ull << (index / 2 + 5);
}

static unsigned class_of(uint64_t size)
{
    if (size <= 32)
        return size > 16;
    unsigned bits = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^bits < size <= 2^(bits + 1) */
    bool upper_half = size > 3ull << (bits - 1);
    return 2 * (bits - 5) + 2 + upper_half;
}

static void make_accessible_or_end(uint64_t address, uint64_t size)
{
    if (make_accessible(address, size) != 0)
        ga_out_of_memory("the guest");
}

static void *alloc_from_end(uint64_t size)
{
    uint64_t used = REGION->arena_used_bytes;
    if (size > REGION_ARENA_BYTES - used)
        return NULL;
    uint64_t accessible = region_arena_accessible(used);
    uint64_t needed = region_arena_accessible(used + size);
    make_accessible_or_end(RT_ARENA_BASE + accessible, needed - accessible);
    REGION->arena_used_bytes = used + size;
    return (void *)(RT_ARENA_BASE + used);
}

void *region_alloc(size_t size)
{
    if (size > REGION_ARENA_BYTES)
        return NULL;
    unsigned index = class_of(size);
    uint64_t *block = (uint64_t *)REGION->free_lists[index];
    if (!block)
        return alloc_from_end(class_size(index));
    REGION->free_lists[index] = *block;
    memset(block, 0, class_size(index));
    return block;
}

size_t region_alloc_capacity(size_t size)
{
    return class_size(class_of(size));
}

void region_free(void *pointer, size_t size)
{
    if (!pointer)
        return;
    uint64_t address = (uint64_t)pointer;
    unsigned index = class_of(size);
    GA_ASSERT(address >= RT_ARENA_BASE && address % 16 == 0 && size <= REGION_ARENA_BYTES &&
              address + class_size(index) <= RT_ARENA_BASE + REGION->arena_used_bytes);
    *(uint64_t *)pointer = REGION->free_lists[index];
    REGION->free_lists[index] = address;
}

/* --- linear memories --- */

static uint64_t memory_base(int slot)
{
    return REGION_MEMORY_BASE + (uint64_t)slot * REGION_MEMORY_STRIDE;
}

int region_memory_new(uint64_t size_bytes)
{
    if (REGION->memory_count >= GA_MAX_MEMORIES)
        return -1;
    int slot = (int)REGION->memory_count;
    REGION->memory_count++;
    if (region_memory_grow(slot, size_bytes) == 0)
        return slot;
    REGION->memory_count--;
    return -1;
}

void *region_memory_address(int slot)
{
    GA_ASSERT(slot >= 0 && (uint32_t)slot < REGION->memory_count);
    return (void *)memory_base(slot);
}

int region_memory_slot(const void *address)
{
    if ((uint64_t)address < REGION_MEMORY_BASE)
        return -1;
    uint64_t slot = ((uint64_t)address - REGION_MEMORY_BASE) / REGION_MEMORY_STRIDE;
    return slot < REGION->memory_count ? (int)slot : -1;
}

int region_memory_grow(int slot, uint64_t size_bytes)
{
    GA_ASSERT(slot >= 0 && (uint32_t)slot < REGION->memory_count);
    struct region_memory *memory = &REGION->memories[slot];
    GA_ASSERT(size_bytes >= memory->size_bytes);
    if (size_bytes > REGION_MEMORY_BYTES_MAX)
        return -1;
    uint64_t accessible = PAGE_UP(memory->size_bytes), needed = PAGE_UP(size_bytes);
    make_accessible_or_end(memory_base(slot) + accessible, needed - accessible);
    memory->size_bytes = size_bytes;
    return 0;
}

void region_memory_free(int slot)
{
    GA_ASSERT(slot >= 0 && (uint32_t)slot < REGION->memory_count);
    struct region_memory *memory = &REGION->memories[slot];
    if (memory->size_bytes > 0)
        GA_ASSERT(reserve(memory_base(slot), PAGE_UP(memory->size_bytes), MAP_FIXED) != MAP_FAILED);
    memory->size_bytes = 0;
}

/* --- going back --- */

void region_extent(struct region_extent *extent_out)
{
    extent_out->arena_bytes = region_arena_accessible(REGION->arena_used_bytes);
    extent_out->memory_count = REGION->memory_count;
    for (uint32_t i = 0; i < REGION->memory_count; i++)
        extent_out->memory_bytes[i] = PAGE_UP(REGION->memories[i].size_bytes);
}

/* Private pages go; what is seen next comes from the file behind the mapping. */
static bool drop_pages(uint64_t address, uint64_t end, const struct region_range **kept, const struct region_range *kept_end)
{
    while (address < end) {
        while (*kept < kept_end && (*kept)->end <= address)
            ++*kept;
        bool ahead = *kept < kept_end && (*kept)->begin < end;
        uint64_t stop = ahead ? (*kept)->begin : end;
        if (stop > address && madvise((void *)address, stop - address, MADV_DONTNEED) != 0)
            return false;
        address = ahead ? (*kept)->end : end;
    }
    return true;
}

/* What was accessible up to `now` bytes is so up to `then`. */
static bool shrink(uint64_t address, uint64_t now, uint64_t then)
{
    return now == then || (now > then && mprotect((void *)(address + then), now - then, PROT_NONE) == 0);
}

bool region_reset(const struct region_extent *extent, const struct region_range *kept, size_t kept_count)
{
    const struct region_range *end = kept + kept_count;
    if (!drop_pages(RT_REGION_BASE, RT_REGION_BASE + REGION_HEADER_BYTES, &kept, end) ||
        !drop_pages(REGION_STACK_BOTTOM, REGION_STACK_TOP, &kept, end) ||
        !drop_pages(RT_ARENA_BASE, RT_ARENA_BASE + extent->arena_bytes, &kept, end) ||
        !shrink(RT_ARENA_BASE, extent->arena_bytes, region_arena_accessible(REGION->arena_used_bytes)))
        return false;
    GA_ASSERT(REGION->magic == REGION_MAGIC && REGION->memory_count <= extent->memory_count);
    for (uint32_t i = 0; i < extent->memory_count; i++) {
        uint64_t base = memory_base((int)i), now = extent->memory_bytes[i];
        uint64_t then = i < REGION->memory_count ? PAGE_UP(REGION->memories[i].size_bytes) : 0;
        if (!drop_pages(base, base + now, &kept, end) || !shrink(base, now, then))
            return false;
    }
    return true;
}
