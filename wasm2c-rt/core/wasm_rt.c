#include "wasm-rt.h"

#include "ga_assert.h"
#include "region.h"
#include "trap.h"
#include "wasm-rt-exceptions.h"

/*
 * What wasm2c output calls: memories, tables, exceptions. All state is in the region; all of it runs on the guest
 * stack.
 */

/* --- linear memories --- */

/* pages * page_size; UINT64_MAX if that is more than a slot may hold. */
static uint64_t memory_bytes(uint64_t pages, uint32_t page_size)
{
    uint64_t size;
    if (__builtin_mul_overflow(pages, page_size, &size) || size > REGION_MEMORY_BYTES_MAX)
        return UINT64_MAX;
    return size;
}

void(wasm_rt_allocate_memory)(wasm_rt_memory_t *memory, uint64_t initial_pages, uint64_t max_pages, bool is64,
                              uint32_t page_size)
{
    uint64_t size = memory_bytes(initial_pages, page_size);
    if (size == UINT64_MAX)
        trap_raise("a memory of %llu pages is too large (limit is %llu bytes)", (unsigned long long)initial_pages,
                   REGION_MEMORY_BYTES_MAX);
    if (REGION->memory_count >= GA_MAX_MEMORIES)
        trap_raise("too many linear memories (limit is %d)", GA_MAX_MEMORIES);
    int slot = region_memory_new(size);
    GA_ASSERT(slot >= 0);
    uint8_t *data = region_memory_address(slot);
    *memory = (wasm_rt_memory_t){
        .data = data,
        .data_end = data + 2 * REGION_MEMORY_BYTES_MAX,
        .page_size = page_size,
        .pages = initial_pages,
        .max_pages = max_pages,
        .size = size,
        .is64 = is64,
    };
}

uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t delta)
{
    uint64_t old_pages = memory->pages;
    if (delta == 0)
        return old_pages;
    if (delta > memory->max_pages || old_pages > memory->max_pages - delta)
        return UINT64_MAX;
    uint64_t size = memory_bytes(old_pages + delta, memory->page_size);
    if (size == UINT64_MAX || region_memory_grow(region_memory_slot(memory->data), size) != 0)
        return UINT64_MAX;
    memory->pages = old_pages + delta;
    memory->size = size;
    return old_pages;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory)
{
    if (!memory->data)
        return;
    region_memory_free(region_memory_slot(memory->data));
    memory->pages = 0;
    memory->size = 0;
}

/* Memories shared between threads look the same: there is one thread. */
_Static_assert(sizeof(wasm_rt_shared_memory_t) == sizeof(wasm_rt_memory_t) &&
                   offsetof(wasm_rt_shared_memory_t, is64) == offsetof(wasm_rt_memory_t, is64),
               "shared memories have the layout of others");

void wasm_rt_allocate_memory_shared(wasm_rt_shared_memory_t *memory, uint64_t initial_pages, uint64_t max_pages,
                                    bool is64, uint32_t page_size)
{
    (wasm_rt_allocate_memory)((wasm_rt_memory_t *)memory, initial_pages, max_pages, is64, page_size);
}

uint64_t wasm_rt_grow_memory_shared(wasm_rt_shared_memory_t *memory, uint64_t delta)
{
    return wasm_rt_grow_memory((wasm_rt_memory_t *)memory, delta);
}

void wasm_rt_free_memory_shared(wasm_rt_shared_memory_t *memory)
{
    wasm_rt_free_memory((wasm_rt_memory_t *)memory);
}

/* --- tables --- */

/* A null reference is all zero bytes for each type of element. Room for more elements than asked for is used by
 * growing in place. */
static void *table_new(uint32_t size, size_t element_size)
{
    if (size > GA_MAX_TABLE_ELEMENTS)
        trap_raise("a table of %u elements is too large (limit is %d)", size, GA_MAX_TABLE_ELEMENTS);
    void *data = region_alloc(size * element_size);
    if (!data)
        trap_raise("out of memory: a table of %u elements", size);
    return data;
}

/* The table's elements, with room for new_size; NULL if that cannot be had. */
static void *table_resize(void *data, uint32_t size, uint32_t new_size, size_t element_size)
{
    if (new_size * element_size <= region_alloc_capacity(size * element_size))
        return data;
    void *new_data = region_alloc(new_size * element_size);
    if (!new_data)
        return NULL;
    memcpy(new_data, data, size * element_size);
    region_free(data, size * element_size);
    return new_data;
}

static bool table_may_grow(uint32_t size, uint32_t delta, uint32_t max_size)
{
    uint64_t new_size = (uint64_t)size + delta;
    return new_size <= max_size && new_size <= GA_MAX_TABLE_ELEMENTS;
}

#define DEFINE_TABLE(type)                                                                                         \
    void wasm_rt_allocate_##type##_table(wasm_rt_##type##_table_t *table, uint32_t size, uint32_t max_size)        \
    {                                                                                                              \
        table->data = table_new(size, sizeof *table->data);                                                        \
        table->size = size;                                                                                        \
        table->max_size = max_size;                                                                                \
    }                                                                                                              \
                                                                                                                   \
    uint32_t wasm_rt_grow_##type##_table(wasm_rt_##type##_table_t *table, uint32_t delta, wasm_rt_##type##_t init) \
    {                                                                                                              \
        uint32_t old_size = table->size;                                                                           \
        if (!table_may_grow(old_size, delta, table->max_size))                                                     \
            return UINT32_MAX;                                                                                     \
        void *data = table_resize(table->data, old_size, old_size + delta, sizeof *table->data);                   \
        if (!data)                                                                                                 \
            return UINT32_MAX;                                                                                     \
        table->data = data;                                                                                        \
        table->size = old_size + delta;                                                                            \
        for (uint32_t i = old_size; i < table->size; i++)                                                          \
            table->data[i] = init;                                                                                 \
        return old_size;                                                                                           \
    }                                                                                                              \
                                                                                                                   \
    void wasm_rt_free_##type##_table(wasm_rt_##type##_table_t *table)                                              \
    {                                                                                                              \
        region_free(table->data, table->size * sizeof *table->data);                                               \
        table->data = NULL;                                                                                        \
        table->size = 0;                                                                                           \
    }

DEFINE_TABLE(funcref)
DEFINE_TABLE(externref)
DEFINE_TABLE(exnref)

/* --- exceptions --- */

_Static_assert(sizeof REGION->exception.data == WASM_EXN_MAX_SIZE, "region.h repeats the size");

void wasm_rt_load_exception(wasm_rt_tag_t tag, uint32_t size, const void *values)
{
    if (size > WASM_EXN_MAX_SIZE)
        trap_raise("an exception of %u bytes is too large (limit is %d)", size, WASM_EXN_MAX_SIZE);
    REGION->exception.tag = (uint64_t)tag;
    REGION->exception.size = size;
    if (size > 0)
        memmove(REGION->exception.data, values, size);
}

void wasm_rt_throw(void)
{
    const wasm_rt_jmp_buf *target = (const wasm_rt_jmp_buf *)REGION->exception.unwind_target;
    if (!target)
        wasm_rt_trap(WASM_RT_TRAP_UNCAUGHT_EXCEPTION);
    wasm_rt_context_resume(target, 1);
}

WASM_RT_UNWIND_TARGET *wasm_rt_get_unwind_target(void)
{
    return (WASM_RT_UNWIND_TARGET *)REGION->exception.unwind_target;
}

void wasm_rt_set_unwind_target(WASM_RT_UNWIND_TARGET *target)
{
    REGION->exception.unwind_target = (uint64_t)target;
}

wasm_rt_tag_t wasm_rt_exception_tag(void)
{
    return (wasm_rt_tag_t)REGION->exception.tag;
}

uint32_t wasm_rt_exception_size(void)
{
    return REGION->exception.size;
}

void *wasm_rt_exception(void)
{
    return REGION->exception.data;
}
