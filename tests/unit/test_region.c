#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.h"
#include "region.h"
#include "trap.h"
#include "wasm-rt-exceptions.h"

static void start(void)
{
    struct ga_report report = {0};
    cr_assert_eq(region_create(1000, &report), GA_OK, "%s", report.text);
    trap_install_handlers();
}

TestSuite(region, .init = start);

static bool is_zero(const void *data, size_t size)
{
    const char *bytes = data;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* --- creation --- */

Test(region, begins_zeroed_with_the_root_struct_in_use)
{
    cr_assert_eq(REGION->magic, REGION_MAGIC);
    cr_assert_eq(REGION->arena_used_bytes, 1008);
    cr_assert(is_zero(RT_ROOT, REGION_ARENA_STEP_BYTES));
    cr_assert(is_zero((void *)REGION_STACK_BOTTOM, 0x10000));
    cr_assert(is_zero(REGION->durable_state, REGION_DURABLE_STATE_BYTES));
    cr_assert(wasm_rt_is_initialized());
}

Test(region_create, refuses_a_root_larger_than_the_arena)
{
    struct ga_report report = {0};
    cr_assert_eq(region_create(REGION_ARENA_BYTES + 1, &report), GA_LIMIT);
    cr_assert_str_eq(report.text, "the component's state is too large (limit is 1073741824 bytes)");
}

Test(region_create, reports_a_limit_on_address_space)
{
    struct ga_report report = {0};
    setrlimit(RLIMIT_AS, &(struct rlimit){1u << 30, 1u << 30});
    cr_assert_eq(region_create(16, &report), GA_NO_MEMORY);
    cr_assert(strstr(report.text, "ulimit -v"), "%s", report.text);
}

Test(region_create, reports_a_range_that_is_taken)
{
    struct ga_report report = {0};
    void *taken = mmap((void *)(RT_REGION_BASE + 0x1000000), 4096, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    cr_assert_neq(taken, MAP_FAILED);
    cr_assert_eq(region_create(16, &report), GA_IO);
}

/* --- the arena --- */

Test(region, alloc_is_aligned_zeroed_and_grows_the_accessible_arena)
{
    for (size_t size = 0; size < 100000; size = size * 3 / 2 + 1) {
        char *block = region_alloc(size);
        cr_assert(block);
        cr_assert_eq((uint64_t)block % 16, 0);
        cr_assert_geq(region_alloc_capacity(size), size);
        cr_assert(is_zero(block, region_alloc_capacity(size)));
        memset(block, 0xff, region_alloc_capacity(size));
    }
    char *large = region_alloc(50 << 20);
    cr_assert(large);
    memset(large, 1, 50 << 20);
}

Test(region, blocks_do_not_overlap)
{
    enum { COUNT = 3000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    unsigned seed = 1;
    for (int i = 0; i < 40000; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned k = (seed >> 8) % COUNT;
        if (blocks[k]) {
            for (size_t j = 0; j < sizes[k]; j++)
                cr_assert_eq(blocks[k][j], (unsigned char)k);
            region_free(blocks[k], sizes[k]);
            blocks[k] = NULL;
        } else {
            sizes[k] = (seed >> 20) % 500;
            blocks[k] = region_alloc(sizes[k]);
            cr_assert(blocks[k] && is_zero(blocks[k], sizes[k]));
            memset(blocks[k], (int)k, sizes[k]);
        }
    }
}

Test(region, freed_blocks_are_used_again_zeroed)
{
    char *a = region_alloc(100), *b = region_alloc(100);
    memset(a, 1, 100);
    memset(b, 2, 100);
    uint64_t used = REGION->arena_used_bytes;
    region_free(a, 100);
    region_free(b, 100);
    region_free(NULL, 100);
    cr_assert_eq(region_alloc(128), b); /* the same size class; last in, first out */
    cr_assert_eq(region_alloc(97), a);
    cr_assert(is_zero(a, 100) && is_zero(b, 100));
    cr_assert_eq(REGION->arena_used_bytes, used);
}

static uint64_t allocation_trace(void)
{
    uint64_t trace = 0;
    void *blocks[64] = {0};
    for (unsigned i = 0; i < 2000; i++) {
        unsigned k = (i * 7) % 64, size = (i * 131) % 3000;
        region_free(blocks[k], ((i - 64) * 131) % 3000);
        blocks[k] = region_alloc(size);
        trace = trace * 31 + (uint64_t)blocks[k];
    }
    return trace;
}

Test(region, alloc_is_deterministic)
{
    struct ga_report report = {0};
    uint64_t first = allocation_trace();
    cr_assert_eq(region_clear(&report), GA_OK);
    cr_assert_eq(region_map_zero(RT_REGION_BASE, REGION_HEADER_BYTES), 0);
    cr_assert_eq(region_map_zero(RT_ARENA_BASE, region_arena_accessible(1008)), 0);
    REGION->arena_used_bytes = 1008;
    cr_assert_eq(allocation_trace(), first);
}

Test(region, a_full_arena_gives_null_and_stays_usable)
{
    cr_assert_null(region_alloc(REGION_ARENA_BYTES + 1));
    cr_assert_null(region_alloc(REGION_ARENA_BYTES));
    cr_assert_null(region_alloc(SIZE_MAX));
    int count = 0;
    void *last = NULL, *block;
    while ((block = region_alloc(64 << 20)))
        last = block, count++;
    cr_assert_eq(count, 15);
    cr_assert(region_alloc(1000));
    region_free(last, 64 << 20);
    cr_assert_eq(region_alloc(64 << 20), last);
}

Test(region, freeing_what_is_no_block_is_our_bug, .signal = SIGABRT)
{
    region_free((void *)(RT_ARENA_BASE + (10 << 20)), 16);
}

/* --- memories --- */

Test(region, memories_lie_in_slots_and_grow_in_place)
{
    cr_assert_eq(region_memory_new(0x10000), 0);
    cr_assert_eq(region_memory_new(0), 1);
    uint8_t *first = region_memory_address(0), *second = region_memory_address(1);
    cr_assert_eq((uint64_t)first, REGION_MEMORY_BASE);
    cr_assert_eq(second - first, REGION_MEMORY_STRIDE);
    cr_assert_eq(region_memory_slot(first), 0);
    cr_assert_eq(region_memory_slot(first + 0x100000000), 0);
    cr_assert_eq(region_memory_slot(second + 5), 1);
    cr_assert_eq(region_memory_slot(first + 2 * REGION_MEMORY_STRIDE), -1);
    cr_assert_eq(region_memory_slot(RT_ROOT), -1);
    first[0xffff] = 1;
    cr_assert_eq(region_memory_grow(0, 0x30000), 0);
    cr_assert_eq(first[0xffff], 1);
    cr_assert(is_zero(first + 0x10000, 0x20000));
    cr_assert_eq(region_memory_grow(1, 0x100000000), 0);
    second[0xffffffff] = 9;
    cr_assert_eq(region_memory_grow(1, 0x100000001), -1);
    region_memory_free(1);
    cr_assert_eq(REGION->memories[1].size_bytes, 0);
    cr_assert_eq(region_memory_grow(1, 0x1000), 0);
    cr_assert_eq(second[0], 0);
}

/* Bytes that the process has now, as RLIMIT_DATA counts them. */
static uint64_t data_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "VmData: %llu kB", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return kib * 1024;
}

/* What a process ends with that may have 64 MiB more and takes `take`. */
static int ends_with(void (*take)(void))
{
    int wait_status;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct rlimit limit = {data_bytes() + 0x4000000, RLIM_INFINITY};
        if (setrlimit(RLIMIT_DATA, &limit) == 0)
            take();
        _exit(0);
    }
    waitpid(child, &wait_status, 0);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
}

static void take_little(void)
{
    if (!region_alloc(0x10000) || region_memory_grow(0, 0x20000) != 0)
        _exit(2);
}

static void take_arena(void)
{
    (void)region_alloc(0x20000000);
}

static void take_memory(void)
{
    (void)region_memory_grow(0, 0x80000000);
}

/* The guest must not see it: it is recorded nowhere. */
Test(region, a_process_ends_when_the_system_has_no_memory)
{
    cr_assert_eq(region_memory_new(0x10000), 0);
    cr_assert_eq(ends_with(take_little), 0);
    cr_assert_eq(ends_with(take_arena), 1);
    cr_assert_eq(ends_with(take_memory), 1);
}

Test(region, there_is_a_limit_on_memories)
{
    for (int i = 0; i < GA_MAX_MEMORIES; i++)
        cr_assert_eq(region_memory_new(0), i);
    cr_assert_eq(region_memory_new(0), -1);
    cr_assert_eq(region_memory_grow(GA_MAX_MEMORIES - 1, 0x10000), 0);
    *(char *)region_memory_address(GA_MAX_MEMORIES - 1) = 1;
}

/* --- what wasm2c output calls --- */

Test(region, wasm_memory_grows_up_to_its_maximum)
{
    wasm_rt_memory_t memory;
    wasm_rt_allocate_memory(&memory, 1, 3, false, WASM_DEFAULT_PAGE_SIZE);
    cr_assert_eq(memory.size, 0x10000);
    cr_assert_eq((uint64_t)memory.data, REGION_MEMORY_BASE);
    cr_assert_eq(wasm_rt_grow_memory(&memory, 0), 1);
    cr_assert_eq(wasm_rt_grow_memory(&memory, 2), 1);
    cr_assert_eq(memory.pages, 3);
    cr_assert_eq(memory.size, 0x30000);
    memory.data[0x2ffff] = 1;
    cr_assert_eq(wasm_rt_grow_memory(&memory, 1), UINT64_MAX);
    cr_assert_eq(wasm_rt_grow_memory(&memory, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(memory.pages, 3);
}

Test(region, wasm_memory_takes_the_forms_of_older_and_newer_output)
{
    wasm_rt_memory_t older, small_pages, wide;
    wasm_rt_allocate_memory(&older, 1, 65536, 0);
    cr_assert_eq(older.page_size, 65536);
    wasm_rt_allocate_memory(&small_pages, 3, 5000, false, 1);
    cr_assert_eq(small_pages.size, 3);
    cr_assert_eq(wasm_rt_grow_memory(&small_pages, 4997), 3);
    small_pages.data[4999] = 1;
    wasm_rt_allocate_memory(&wide, 0, UINT64_MAX, true, WASM_DEFAULT_PAGE_SIZE);
    cr_assert_eq(wasm_rt_grow_memory(&wide, 65536), 0);
    cr_assert_eq(wasm_rt_grow_memory(&wide, 1), UINT64_MAX);
    cr_assert_eq(wasm_rt_grow_memory(&wide, UINT64_MAX - 65536), UINT64_MAX);
}

static void huge_memory_guest(uint64_t *flat)
{
    wasm_rt_memory_t memory;
    wasm_rt_allocate_memory(&memory, flat[0], UINT64_MAX, true, WASM_DEFAULT_PAGE_SIZE);
}

static void huge_table_guest(uint64_t *flat)
{
    wasm_rt_exnref_table_t table;
    wasm_rt_allocate_exnref_table(&table, (uint32_t)flat[0], UINT32_MAX);
}

static const struct {
    void (*guest)(uint64_t *flat);
    uint64_t argument;
    const char *text;
} too_large[] = {
    {huge_memory_guest, 65537, "a memory of 65537 pages is too large (limit is 4294967296 bytes)"},
    {huge_memory_guest, UINT64_MAX, "a memory of 18446744073709551615 pages is too large (limit is 4294967296 bytes)"},
    {huge_table_guest, 10000001, "a table of 10000001 elements is too large (limit is 10000000)"},
    {huge_table_guest, 9000000, "out of memory: a table of 9000000 elements"},
};

Test(region, sizes_that_cannot_be_had_trap)
{
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        REGION->flat[0] = too_large[i].argument;
        cr_assert_eq(gate_enter(too_large[i].guest, REGION->flat), GATE_TRAPPED);
        cr_assert_str_eq(trap_text(), too_large[i].text);
    }
}

Test(region, tables_grow_with_the_given_element)
{
    wasm_rt_funcref_table_t table;
    wasm_rt_allocate_funcref_table(&table, 3, 2000);
    cr_assert(is_zero(table.data, 3 * sizeof *table.data));
    wasm_rt_funcref_t element = {"type", (wasm_rt_function_ptr_t)huge_table_guest, {NULL}, &table};
    table.data[2] = element;
    cr_assert_eq(wasm_rt_grow_funcref_table(&table, 0, element), 3);
    for (uint32_t size = 3; size < 2000; size++)
        cr_assert_eq(wasm_rt_grow_funcref_table(&table, 1, element), size);
    cr_assert_eq(wasm_rt_grow_funcref_table(&table, 1, element), UINT32_MAX);
    cr_assert(is_zero(table.data, 2 * sizeof *table.data));
    for (uint32_t i = 2; i < 2000; i++)
        cr_assert_eq(memcmp(&table.data[i], &element, sizeof element), 0);
    cr_assert_leq(REGION->arena_used_bytes, 16 * 2000 * sizeof element); /* no block for each element */
    wasm_rt_free_funcref_table(&table);

    wasm_rt_externref_table_t externs;
    wasm_rt_allocate_externref_table(&externs, 0, UINT32_MAX);
    cr_assert_eq(wasm_rt_grow_externref_table(&externs, 5, RT_ROOT), 0);
    cr_assert_eq(externs.data[4], RT_ROOT);
    cr_assert_eq(wasm_rt_grow_externref_table(&externs, UINT32_MAX, RT_ROOT), UINT32_MAX);
    cr_assert_eq(externs.size, 5);
}
