#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckpt.h"
#include "ckpt_dirty.h"
#include "ckpt_pages.h"
#include "ckpt_slot.h"
#include "gate.h"
#include "region.h"
#include "trap.h"

static const struct ckpt_id some_id = {0x1234, 0x5678};

static char directory[64];
static int directory_fd = -1;

static void open_directory(const char *path)
{
    memmove(directory, path, strlen(path) + 1);
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY);
    cr_assert_geq(directory_fd, 0);
}

static void make_directory(void)
{
    char path[] = "/tmp/test_ckpt.XXXXXX";
    cr_assert(mkdtemp(path));
    open_directory(path);
}

static void remove_directory(void)
{
    if (directory_fd < 0)
        return;
    DIR *listing = opendir(directory);
    for (struct dirent *entry; listing && (entry = readdir(listing));)
        unlinkat(directory_fd, entry->d_name, 0);
    if (listing)
        closedir(listing);
    rmdir(directory);
}

static void make_region(void)
{
    struct ga_report report = {0};
    cr_assert_eq(region_create(4096, &report), GA_OK, "%s", report.text);
    trap_install_handlers();
}

static void start(void)
{
    make_directory();
    make_region();
}

TestSuite(ckpt, .init = start, .fini = remove_directory, .timeout = 60);

static struct ckpt *open_ckpt(struct ckpt_id id)
{
    struct ga_report report = {0};
    struct ckpt *ckpt;
    cr_assert_eq(ckpt_open(directory_fd, id, &ckpt, &report), GA_OK, "%s", report.text);
    return ckpt;
}

static struct ckpt_info write_ckpt(struct ckpt *ckpt, uint64_t oplog_index)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    cr_assert_eq(ckpt_write(ckpt, oplog_index, oplog_index * 3, &info, &report), GA_OK, "%s", report.text);
    return info;
}

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Runs check in a forked process; true if it ended well. What it says goes to stderr. */
static bool in_child(void (*check)(void))
{
    fflush(stderr);
    pid_t child = fork();
    if (child == 0) {
        check();
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define CHILD_ASSERT(condition)                                                       \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: in child: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                                 \
        }                                                                             \
    } while (0)

/* --- images are complete --- */

/* What the region should be after a restore. */
static struct {
    uint8_t *memory, *arena, *header;
    uint64_t memory_bytes, arena_bytes, digest;
    uint64_t sequence, oplog_index;
} expected;

static void remember(uint64_t sequence, uint64_t oplog_index)
{
    expected.sequence = sequence;
    expected.oplog_index = oplog_index;
    expected.memory_bytes = REGION->memories[0].size_bytes;
    expected.arena_bytes = REGION->arena_used_bytes;
    expected.memory = realloc(expected.memory, expected.memory_bytes);
    expected.arena = realloc(expected.arena, expected.arena_bytes);
    expected.header = realloc(expected.header, REGION_HEADER_BYTES);
    memcpy(expected.memory, region_memory_address(0), expected.memory_bytes);
    memcpy(expected.arena, RT_ROOT, expected.arena_bytes);
    memcpy(expected.header, REGION, REGION_HEADER_BYTES);
    expected.digest = ckpt_digest();
}

static void check_restored(void)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt;
    CHILD_ASSERT(ckpt_open(directory_fd, some_id, &ckpt, &report) == GA_OK);
    CHILD_ASSERT(ckpt_restore(ckpt, NULL, NULL, &info, &report) == GA_OK);
    CHILD_ASSERT(info.sequence == expected.sequence);
    CHILD_ASSERT(info.oplog_index == expected.oplog_index);
    CHILD_ASSERT(info.oplog_hash == expected.oplog_index * 3);
    CHILD_ASSERT(REGION->memories[0].size_bytes == expected.memory_bytes);
    CHILD_ASSERT(memcmp(REGION, expected.header, REGION_HEADER_BYTES) == 0);
    CHILD_ASSERT(memcmp(RT_ROOT, expected.arena, expected.arena_bytes) == 0);
    CHILD_ASSERT(memcmp(region_memory_address(0), expected.memory, expected.memory_bytes) == 0);
    CHILD_ASSERT(ckpt_digest() == expected.digest);
    /* and all is usable as before */
    CHILD_ASSERT(region_memory_grow(0, expected.memory_bytes + 0x10000) == 0);
    ((uint8_t *)region_memory_address(0))[expected.memory_bytes + 0xffff] = 1;
    CHILD_ASSERT(region_alloc(3 << 20));
    *(volatile uint8_t *)REGION_STACK_BOTTOM = 1;
    CHILD_ASSERT(ckpt_scrub(ckpt, &report) == GA_OK);
}

static void write_randomly(uint32_t *seed)
{
    uint8_t *memory = region_memory_address(0);
    uint64_t pages = REGION->memories[0].size_bytes / 4096;
    for (uint32_t i = random_next(seed) % 100; i > 0; i--) {
        uint64_t page = random_next(seed) % pages;
        switch (random_next(seed) % 4) {
        case 0: memset(memory + page * 4096, 0, 4096); break;             /* may become a hole */
        case 1: memory[page * 4096 + 5] = memory[page * 4096 + 5]; break; /* written, but the same */
        case 2: memset(memory + page * 4096, (int)i, 4096); break;        /* equal to others */
        default: memory[page * 4096 + random_next(seed) % 4096] ^= (uint8_t)(i | 1);
        }
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 50; i++) /* pages that are only read */
        sum += memory[random_next(seed) % (pages * 4096)];
    REGION->flat[0] = sum;
    char *block = region_alloc(random_next(seed) % 20000);
    if (block)
        memset(block, (int)sum, 8);
}

Test(ckpt, images_are_complete_over_random_writes_and_growth)
{
    struct ckpt *ckpt = open_ckpt(some_id);
    uint32_t seed = 7;
    cr_assert_eq(region_memory_new(64 * 4096), 0);
    for (uint64_t round = 1; round <= 60; round++) {
        write_randomly(&seed);
        if (round % 5 == 0)
            cr_assert_eq(region_memory_grow(0, REGION->memories[0].size_bytes + 16 * 4096), 0);
        remember(round, round * 10);
        struct ckpt_info info = write_ckpt(ckpt, round * 10);
        cr_assert_eq(info.sequence, round);
        cr_assert_eq(memcmp(region_memory_address(0), expected.memory, expected.memory_bytes), 0);
        cr_assert(in_child(check_restored), "round %d", (int)round);
    }
    ckpt_close(ckpt);
}

/* Every round in a process of its own, as if each had been killed. */
static uint32_t process_seed;

static void one_round(void)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt;
    CHILD_ASSERT(ckpt_open(directory_fd, some_id, &ckpt, &report) == GA_OK);
    CHILD_ASSERT(ckpt_restore(ckpt, NULL, NULL, &info, &report) == GA_OK);
    for (int i = 0; i < 2; i++) {
        write_randomly(&process_seed);
        CHILD_ASSERT(ckpt_write(ckpt, 1, 3, &info, &report) == GA_OK);
    }
    remember(info.sequence, 1);
    CHILD_ASSERT(in_child(check_restored));
}

Test(ckpt, images_are_complete_over_many_processes)
{
    struct ckpt *ckpt = open_ckpt(some_id);
    cr_assert_eq(region_memory_new(100 * 4096), 0);
    write_ckpt(ckpt, 1);
    ckpt_close(ckpt);
    for (process_seed = 1; process_seed < 20; process_seed++) {
        cr_assert(in_child(one_round), "seed %u", process_seed);
        if (process_seed % 4 == 0)
            unlinkat(directory_fd, "ckpt-note", 0); /* then everything is read */
        if (process_seed % 7 == 0)
            unlinkat(directory_fd, process_seed % 2 ? "ckpt-0" : "ckpt-1", 0);
    }
}

Test(ckpt, several_memories_with_and_without_pages)
{
    struct ckpt *ckpt = open_ckpt(some_id);
    cr_assert_eq(region_memory_new(3 * 4096), 0);
    cr_assert_eq(region_memory_new(0), 1);
    cr_assert_eq(region_memory_new(0x100000000), 2);
    cr_assert_eq(region_memory_new(100), 3);
    ((uint8_t *)region_memory_address(2))[0xffffffff] = 5;
    ((uint8_t *)region_memory_address(3))[99] = 6;
    uint64_t digest = ckpt_digest();
    write_ckpt(ckpt, 1);
    ((uint8_t *)region_memory_address(2))[0x80000000] = 5;
    cr_assert_neq(ckpt_digest(), digest);
    region_memory_free(2);
    uint64_t smaller_digest = ckpt_digest();
    write_ckpt(ckpt, 2);
    write_ckpt(ckpt, 3);
    ckpt_close(ckpt);
    struct ga_report report = {0};
    struct ckpt_info info;
    ckpt = open_ckpt(some_id);
    cr_assert_eq(ckpt_restore(ckpt, NULL, NULL, &info, &report), GA_OK, "%s", report.text);
    cr_assert_eq(info.sequence, 3);
    cr_assert_eq(ckpt_digest(), smaller_digest);
    cr_assert_eq(((uint8_t *)region_memory_address(3))[99], 6);
    cr_assert_eq(ckpt_scrub(ckpt, &report), GA_OK, "%s", report.text);
}

Test(ckpt, nothing_written_costs_no_pages)
{
    struct ckpt *ckpt = open_ckpt(some_id);
    cr_assert_eq(region_memory_new(1000 * 4096), 0);
    memset(region_memory_address(0), 7, 1000 * 4096);
    cr_assert_geq(write_ckpt(ckpt, 1).written_bytes, 1000 * 4096);
    cr_assert_geq(write_ckpt(ckpt, 2).written_bytes, 1000 * 4096); /* the other slot */
    ((uint8_t *)region_memory_address(0))[5000] = 1;
    cr_assert_leq(write_ckpt(ckpt, 3).written_bytes, 4 * 4096);
    cr_assert_leq(write_ckpt(ckpt, 4).written_bytes, 4 * 4096); /* the page that differs from two before */
    cr_assert_eq(write_ckpt(ckpt, 5).written_bytes, 0);
    struct stat file;
    cr_assert_eq(fstatat(directory_fd, "ckpt-0", &file, 0), 0);
    cr_assert_lt(file.st_blocks, 1200 * 8); /* sparse */
}

Test(ckpt, zero_pages_become_holes_again)
{
    struct ckpt *ckpt = open_ckpt(some_id);
    cr_assert_eq(region_memory_new(1000 * 4096), 0);
    memset(region_memory_address(0), 7, 1000 * 4096);
    write_ckpt(ckpt, 1);
    write_ckpt(ckpt, 2);
    memset(region_memory_address(0), 0, 1000 * 4096);
    struct ckpt_info info = write_ckpt(ckpt, 3);
    cr_assert_lt(info.page_count, 20);
    write_ckpt(ckpt, 4);
    struct stat file;
    cr_assert_eq(fstatat(directory_fd, "ckpt-1", &file, 0), 0);
    cr_assert_lt(file.st_blocks, 100 * 8);
    remember(4, 4);
    cr_assert(in_child(check_restored));
}

Test(ckpt, a_region_mapped_by_a_closed_ckpt_is_written_whole)
{
    uint8_t *memory;
    cr_assert_eq(region_memory_new(100 * 4096), 0);
    memory = region_memory_address(0);
    for (uint64_t i = 1; i <= 6; i++) {
        struct ckpt *ckpt = open_ckpt(some_id);
        memset(memory + i * 5 * 4096, (int)i, 3 * 4096);
        struct ckpt_info info = write_ckpt(ckpt, i);
        cr_assert_eq(info.sequence, i);
        for (uint64_t k = 1; k <= i; k++)
            cr_assert_eq(memory[k * 5 * 4096 + 100], k); /* the file it was mapped from was not written */
        ckpt_close(ckpt);
        remember(i, i);
        cr_assert(in_child(check_restored));
        if (i % 2)
            unlinkat(directory_fd, "ckpt-note", 0);
        if (i == 5) { /* the mapped file has no name any more */
            unlinkat(directory_fd, "ckpt-0", 0);
            unlinkat(directory_fd, "ckpt-1", 0);
            struct ga_report report = {0};
            cr_assert_eq(ckpt_scrub(ckpt = open_ckpt(some_id), &report), GA_NOT_FOUND);
            cr_assert_eq(write_ckpt(ckpt, 5).sequence, 1);
            remember(1, 5);
            cr_assert(in_child(check_restored));
            break;
        }
    }
}

/* --- dirty pages --- */

static bool is_named(const struct ckpt_dirty *dirty, uint64_t address)
{
    for (uint64_t i = 0; i < dirty->count; i++)
        if (address >= dirty->ranges[i][0] && address < dirty->ranges[i][1])
            return true;
    return false;
}

static uint64_t pages_named(const struct ckpt_dirty *dirty)
{
    uint64_t pages = 0;
    for (uint64_t i = 0; i < dirty->count; i++)
        pages += (dirty->ranges[i][1] - dirty->ranges[i][0]) / 4096;
    return pages;
}

Test(ckpt, dirty_pages_are_those_that_differ_from_the_full_image)
{
    enum { PAGES = 700 };
    struct ckpt *ckpt = open_ckpt(some_id);
    uint32_t seed = 3;
    cr_assert_eq(region_memory_new(PAGES * 4096), 0);
    uint8_t *memory = region_memory_address(0), *image = malloc(PAGES * 4096);
    static const enum ckpt_dirty_way ways[] = {CKPT_DIRTY_BEST, CKPT_DIRTY_PAGEMAP, CKPT_DIRTY_ALL};
    for (int round = 0; round < 30; round++) {
        memcpy(image, memory, PAGES * 4096);
        write_randomly(&seed);
        for (size_t w = 0; w < 3; w++) {
            struct ckpt_dirty dirty;
            ckpt_dirty_open(&dirty, ways[w]);
            cr_assert(ckpt_dirty_scan(&dirty, (uint64_t)memory, (uint64_t)memory + PAGES * 4096));
            uint64_t differing = 0;
            for (int i = 0; i < PAGES; i++) {
                bool differs = memcmp(memory + i * 4096, image + i * 4096, 4096) != 0;
                differing += differs;
                cr_assert(!differs || is_named(&dirty, (uint64_t)memory + (uint64_t)i * 4096), "way %zu page %d", w, i);
            }
            if (w < 2 && round > 0) /* at most 100 were written, some in vain */
                cr_assert_leq(pages_named(&dirty), differing + 100);
            ckpt_dirty_close(&dirty);
        }
        write_ckpt(ckpt, 1);
    }
    free(image);
}

Test(ckpt, dirty_ranges_larger_than_one_request)
{
    enum { PAGES = 20000 };
    cr_assert_eq(region_memory_new(PAGES * 4096), 0);
    uint8_t *memory = region_memory_address(0);
    madvise(memory, PAGES * 4096, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i += 2)
        memory[(size_t)i * 4096] = 1;
    for (int way = CKPT_DIRTY_BEST; way < CKPT_DIRTY_ALL; way++) {
        struct ckpt_dirty dirty;
        ckpt_dirty_open(&dirty, (enum ckpt_dirty_way)way);
        cr_assert(ckpt_dirty_scan(&dirty, (uint64_t)memory, (uint64_t)memory + PAGES * 4096));
        cr_assert_eq(dirty.count, PAGES / 2);
        cr_assert_eq(pages_named(&dirty), PAGES / 2);
        ckpt_dirty_close(&dirty);
    }
}

/* --- damage --- */

static void change_byte(const char *name, off_t offset)
{
    int fd = openat(directory_fd, name, O_RDWR);
    uint8_t byte = 0;
    cr_assert_eq(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static struct ckpt_slot_header header_of(const char *name)
{
    struct ckpt_slot_header header = {0};
    int fd = openat(directory_fd, name, O_RDONLY);
    cr_assert_eq(pread(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
    return header;
}

/* The newest slot is ckpt-0 (sequence 3) in what follows. */
#define NEWEST "ckpt-0"
#define OLDER "ckpt-1"

static void damage_nothing(off_t argument)
{
    (void)argument;
}

static void damage_byte(off_t offset)
{
    change_byte(NEWEST, offset);
}

static void damage_table(off_t offset)
{
    change_byte(NEWEST, (off_t)header_of(NEWEST).table_offset + offset);
}

static void damage_last_byte(off_t unused)
{
    (void)unused;
    change_byte(NEWEST, (off_t)header_of(NEWEST).file_bytes - 1);
}

/* In a page that is a hole: it must be found too. */
static void damage_hole(off_t unused)
{
    (void)unused;
    change_byte(NEWEST, 4096 + (off_t)(CKPT_MEMORY_FIRST_PAGE + 55) * 4096 + 9);
}

static void punch_page(off_t page)
{
    int fd = openat(directory_fd, NEWEST, O_RDWR);
    cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096 + page * 4096, 4096), 0);
    close(fd);
}

static void cut(off_t size)
{
    int fd = openat(directory_fd, NEWEST, O_RDWR);
    cr_assert_eq(ftruncate(fd, size >= 0 ? size : (off_t)header_of(NEWEST).file_bytes + size), 0);
    close(fd);
}

static void grow(off_t size)
{
    int fd = openat(directory_fd, NEWEST, O_RDWR);
    cr_assert_eq(ftruncate(fd, (off_t)header_of(NEWEST).file_bytes + size), 0);
    close(fd);
}

static void swap_slots(off_t unused)
{
    (void)unused;
    cr_assert_eq(renameat2(directory_fd, NEWEST, directory_fd, OLDER, RENAME_EXCHANGE), 0);
}

static void lose_note(off_t unused)
{
    (void)unused;
    cr_assert_eq(unlinkat(directory_fd, "ckpt-note", 0), 0);
}

static void damage_note(off_t offset)
{
    change_byte("ckpt-note", offset);
}

static void remove_newest(off_t unused)
{
    (void)unused;
    cr_assert_eq(unlinkat(directory_fd, NEWEST, 0), 0);
}

/* Restores a page's content and times: only the ctime tells. */
static void damage_behind_our_back(off_t offset)
{
    struct stat before;
    cr_assert_eq(fstatat(directory_fd, NEWEST, &before, 0), 0);
    usleep(20000);
    change_byte(NEWEST, offset);
    struct timespec times[2] = {before.st_atim, before.st_mtim};
    cr_assert_eq(utimensat(directory_fd, NEWEST, times, 0), 0);
}

#define MEMORY_OFFSET (4096 + (off_t)CKPT_MEMORY_FIRST_PAGE * 4096)

static const struct {
    void (*damage)(off_t argument);
    off_t argument;
    uint64_t sequence;  /* that is restored then */
    const char *remark; /* in the report; NULL: none */
} damages[] = {
    {damage_nothing, 0, 3, NULL},
    {damage_byte, 0, 2, "ckpt-0: not used: its header is damaged"},   /* magic */
    {damage_byte, 8, 2, "ckpt-0: not used: its header is damaged"},   /* version */
    {damage_byte, 16, 2, "ckpt-0: not used: its header is damaged"},  /* build id */
    {damage_byte, 35, 2, "ckpt-0: not used: its header is damaged"},  /* sequence */
    {damage_byte, 40, 2, "ckpt-0: not used: its header is damaged"},  /* oplog index */
    {damage_byte, 66, 2, "ckpt-0: not used: its header is damaged"},  /* file size */
    {damage_byte, 127, 2, "ckpt-0: not used: its header is damaged"}, /* memory count */
    {damage_byte, 130, 2, "ckpt-0: not used: its header is damaged"}, /* the sum itself */
    {damage_byte, 500, 3, NULL},                                      /* behind the header: nothing is there */
    {damage_table, 0, 2, "ckpt-0: not used: its page table is damaged"},
    {damage_table, 9, 2, "ckpt-0: not used: its page table is damaged"},
    {damage_table, 30, 2, "ckpt-0: not used: its page table is damaged"},
    {damage_last_byte, 0, 2, "ckpt-0: not used: its page table is damaged"},
    {damage_byte, 4096 + 24, 2, "ckpt-0: not used: page 0 is damaged"},                  /* the region's header */
    {damage_byte, 4096 + 0x20000000 + 7, 2, "ckpt-0: not used: page 131072 is damaged"}, /* the arena */
    {damage_byte, MEMORY_OFFSET + 5, 2, "ckpt-0: not used: page 393216 is damaged"},
    {damage_byte, MEMORY_OFFSET + 49 * 4096 + 4095, 2, "ckpt-0: not used: page 393265 is damaged"},
    {damage_hole, 0, 2, "ckpt-0: not used: page 393271 is damaged"},
    {punch_page, (off_t)CKPT_MEMORY_FIRST_PAGE + 49, 2, "ckpt-0: not used: "},
    {damage_behind_our_back, MEMORY_OFFSET + 77, 2, "ckpt-0: not used: page 393216 is damaged"},
    {cut, 0, 2, "ckpt-0: not used: its header is damaged"},
    {cut, 100, 2, "ckpt-0: not used: its header is damaged"},
    {cut, 4096, 2, "ckpt-0: not used: its size is not what its header says"},
    {cut, MEMORY_OFFSET, 2, "ckpt-0: not used: its size is not what its header says"},
    {cut, -1, 2, "ckpt-0: not used: its size is not what its header says"},
    {grow, 1, 2, "ckpt-0: not used: its size is not what its header says"},
    {swap_slots, 0, 3, NULL},
    {remove_newest, 0, 2, NULL},
    {lose_note, 0, 3, NULL},
    {damage_note, 0, 3, NULL},
    {damage_note, 30, 3, NULL},
    {damage_note, 178, 3, NULL},
};

static void make_three_checkpoints(void)
{
    struct ckpt *ckpt = open_ckpt(some_id);
    uint8_t *memory = region_memory_address(0);
    for (uint64_t i = 1; i <= 3; i++) {
        memory[5] = (uint8_t)i; /* page 0 differs in each */
        write_ckpt(ckpt, i);
    }
    ckpt_close(ckpt);
}

static size_t damage_number;

static void check_damaged(void)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt;
    CHILD_ASSERT(ckpt_open(directory_fd, some_id, &ckpt, &report) == GA_OK);
    enum ga_status status = ckpt_restore(ckpt, NULL, NULL, &info, &report);
    if (status != GA_OK)
        fprintf(stderr, "%s: %s\n", ga_status_name(status), report.text);
    CHILD_ASSERT(status == GA_OK);
    if (info.sequence != damages[damage_number].sequence)
        fprintf(stderr, "sequence %d: %s\n", (int)info.sequence, report.text);
    CHILD_ASSERT(info.sequence == damages[damage_number].sequence);
    uint8_t *memory = region_memory_address(0);
    CHILD_ASSERT(memory[5] == info.sequence);
    for (int i = 1; i < 50; i++)
        CHILD_ASSERT(memory[i * 4096 + 9] == i);
    const char *remark = damages[damage_number].remark;
    if (remark && !strstr(report.text, remark))
        fprintf(stderr, "report: %s\n", report.text);
    CHILD_ASSERT(remark ? strstr(report.text, remark) != NULL : report.status == GA_OK);
    /* the next checkpoints are sound, whatever there was */
    for (int i = 0; i < 2; i++) {
        memory[4096]++;
        report = (struct ga_report){0};
        CHILD_ASSERT(ckpt_write(ckpt, 9, 27, &info, &report) == GA_OK);
        CHILD_ASSERT(ckpt_scrub(ckpt, &report) == GA_OK);
    }
    remember(info.sequence, 9);
    unlinkat(directory_fd, "ckpt-note", 0);
    CHILD_ASSERT(in_child(check_restored));
}

Test(ckpt, damaged_slots_are_skipped)
{
    cr_assert_eq(region_memory_new(64 * 4096), 0);
    for (int i = 1; i < 50; i++)
        ((uint8_t *)region_memory_address(0))[i * 4096 + 9] = (uint8_t)i;
    for (damage_number = 0; damage_number < sizeof damages / sizeof *damages; damage_number++) {
        unlinkat(directory_fd, "ckpt-0", 0);
        unlinkat(directory_fd, "ckpt-1", 0);
        make_three_checkpoints();
        damages[damage_number].damage(damages[damage_number].argument);
        cr_assert(in_child(check_damaged), "damage %zu", damage_number);
    }
}

Test(ckpt, scrub_finds_what_restore_trusted)
{
    cr_assert_eq(region_memory_new(64 * 4096), 0);
    make_three_checkpoints();
    struct ckpt *ckpt = open_ckpt(some_id);
    struct ga_report report = {0};
    cr_assert_eq(ckpt_scrub(ckpt, &report), GA_OK);
    change_byte(NEWEST, MEMORY_OFFSET + 5);
    cr_assert_eq(ckpt_scrub(ckpt, &report), GA_CORRUPT);
    cr_assert(report.has_offset && report.offset == (uint64_t)MEMORY_OFFSET);
    cr_assert_str_eq(report.text, "ckpt-0: not used: page 393216 is damaged");
}

static const struct {
    struct ckpt_id id;
    const char *remark;
} foreign[] = {
    {{0x1235, 0x5678}, "it was made by another build"},
    {{0x1234, 0x5679}, "it belongs to another worker"},
};

Test(ckpt, foreign_slots_are_not_used)
{
    cr_assert_eq(region_memory_new(64 * 4096), 0);
    make_three_checkpoints();
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct ga_report report = {0};
        struct ckpt_info info;
        struct ckpt *ckpt = open_ckpt(foreign[i].id);
        ((uint8_t *)region_memory_address(0))[5] = 99;
        cr_assert_eq(ckpt_restore(ckpt, NULL, NULL, &info, &report), GA_NOT_FOUND);
        cr_assert(strstr(report.text, foreign[i].remark), "%s", report.text);
        cr_assert_eq(((uint8_t *)region_memory_address(0))[5], 99); /* the region is untouched */
        ckpt_close(ckpt);
    }
}

static bool accept_older(const struct ckpt_info *info, void *context)
{
    ++*(int *)context;
    return info->oplog_index <= 2;
}

static bool accept_none(const struct ckpt_info *info, void *context)
{
    (void)info;
    ++*(int *)context;
    return false;
}

Test(ckpt, the_caller_may_refuse_an_oplog_position)
{
    cr_assert_eq(region_memory_new(64 * 4096), 0);
    make_three_checkpoints();
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt = open_ckpt(some_id);
    int asked = 0;
    cr_assert_eq(ckpt_restore(ckpt, accept_none, &asked, &info, &report), GA_NOT_FOUND);
    cr_assert_eq(asked, 2);
    cr_assert_eq(ckpt_restore(ckpt, accept_older, &asked, &info, &report), GA_OK);
    cr_assert_eq(info.sequence, 2);
    cr_assert_eq(info.oplog_hash, 6);
    cr_assert(!info.in_invocation);
    cr_assert_eq(((uint8_t *)region_memory_address(0))[5], 2);
    cr_assert_eq(write_ckpt(ckpt, 3).sequence, 4); /* over the refused one, with a number of its own */
}

Test(ckpt, an_empty_directory_has_no_checkpoint)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt = open_ckpt(some_id);
    cr_assert_eq(ckpt_restore(ckpt, NULL, NULL, &info, &report), GA_NOT_FOUND);
    cr_assert_eq(ckpt_scrub(ckpt, &report), GA_NOT_FOUND);
}

Test(ckpt, without_a_directory_there_are_no_slots)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt;
    cr_assert_eq(ckpt_open(-1, some_id, &ckpt, &report), GA_OK, "%s", report.text);
    cr_assert_eq(ckpt_restore(ckpt, NULL, NULL, &info, &report), GA_NOT_FOUND);
    ckpt_close(ckpt);
}

Test(ckpt, a_slot_that_cannot_be_opened_is_skipped)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    cr_assert_eq(mkdirat(directory_fd, "ckpt-0", 0700), 0);
    struct ckpt *ckpt = open_ckpt(some_id);
    cr_assert_eq(ckpt_restore(ckpt, NULL, NULL, &info, &report), GA_NOT_FOUND);
    cr_assert(strstr(report.text, "it cannot be opened"), "%s", report.text);
    cr_assert_eq(unlinkat(directory_fd, "ckpt-0", AT_REMOVEDIR), 0);
}

/* --- failing writes --- */

static void check_failed_write(void)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    struct ckpt *ckpt;
    CHILD_ASSERT(ckpt_open(directory_fd, some_id, &ckpt, &report) == GA_OK);
    CHILD_ASSERT(ckpt_restore(ckpt, NULL, NULL, &info, &report) == GA_OK);
    CHILD_ASSERT(info.sequence == 3);
    uint8_t *memory = region_memory_address(0);
    memory[5] = 77;
    memory[63 * 4096] = 78;
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = (rlim_t)MEMORY_OFFSET + 20 * 4096, .rlim_max = RLIM_INFINITY};
    CHILD_ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    for (int i = 0; i < 3; i++) {
        report = (struct ga_report){0};
        CHILD_ASSERT(ckpt_write(ckpt, 9, 27, &info, &report) == GA_IO);
        CHILD_ASSERT(strstr(report.text, "ckpt-1: cannot write: File too large"));
        CHILD_ASSERT(memory[5] == 77 && memory[63 * 4096] == 78); /* the worker goes on */
        for (int k = 1; k < 50; k++)
            CHILD_ASSERT(memory[k * 4096 + 9] == k);
        memory[6]++;
    }
    limit.rlim_cur = RLIM_INFINITY;
    CHILD_ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    damage_number = 0;
    if (fork() == 0) { /* a crash now: the older one is there */
        CHILD_ASSERT(ckpt_open(directory_fd, some_id, &ckpt, &report) == GA_OK);
        CHILD_ASSERT(ckpt_restore(ckpt, NULL, NULL, &info, &report) == GA_OK);
        CHILD_ASSERT(info.sequence == 3 && memory[5] == 3 && memory[6] == 0);
        _exit(0);
    }
    int status;
    CHILD_ASSERT(wait(&status) > 0 && status == 0);
    report = (struct ga_report){0};
    CHILD_ASSERT(ckpt_write(ckpt, 9, 27, &info, &report) == GA_OK); /* and later there is room again */
    remember(info.sequence, 9);
    CHILD_ASSERT(in_child(check_restored));
}

Test(ckpt, a_write_that_fails_loses_nothing)
{
    cr_assert_eq(region_memory_new(64 * 4096), 0);
    for (int i = 1; i < 50; i++)
        ((uint8_t *)region_memory_address(0))[i * 4096 + 9] = (uint8_t)i;
    make_three_checkpoints();
    cr_assert(in_child(check_failed_write));
}

Test(ckpt, a_full_disk_is_reported_as_such)
{
    if (mount("none", directory, "tmpfs", 0, "size=2m") != 0)
        cr_skip("needs the right to mount");
    open_directory(directory);
    struct ckpt *ckpt = open_ckpt(some_id);
    struct ga_report report = {0};
    struct ckpt_info info;
    cr_assert_eq(region_memory_new(100 * 4096), 0);
    uint8_t *memory = region_memory_address(0);
    memory[5] = 1;
    write_ckpt(ckpt, 1);
    cr_assert_eq(region_memory_grow(0, 1000 * 4096), 0);
    for (int i = 0; i < 1000; i++)
        memory[(size_t)i * 4096 + 9] = 1;
    cr_assert_eq(ckpt_write(ckpt, 2, 6, &info, &report), GA_NO_SPACE);
    cr_assert(strstr(report.text, "No space left on device"), "%s", report.text);
    memset(memory + 50 * 4096, 0, 950 * 4096); /* zero pages take space on tmpfs, lest reading them fails later */
    cr_assert_eq(ckpt_write(ckpt, 2, 6, &info, &report), GA_NO_SPACE);
    cr_assert_eq(mount("none", directory, "tmpfs", MS_REMOUNT, "size=9m"), 0);
    report = (struct ga_report){0};
    cr_assert_eq(ckpt_write(ckpt, 2, 6, &info, &report), GA_OK, "%s", report.text);
    remember(info.sequence, 2);
    cr_assert(in_child(check_restored));
    cr_assert_eq(mount("none", directory, "tmpfs", MS_REMOUNT, "size=1m"), -1);
    memset(memory, 3, 1000 * 4096); /* no SIGBUS */
    ckpt_close(ckpt);
    close(directory_fd);
    umount2(directory, MNT_DETACH);
    open_directory(directory);
}

/* --- real kills, in the middle of an invocation --- */

static const struct rt_lower some_lower;

/* State everywhere: on the stack, in the arena, in memory, in callee-saved registers, and in a saved context. */
static void working_guest(uint64_t *flat)
{
    uint8_t *memory = region_memory_address(0);
    uint64_t *in_arena = region_alloc(4096), a = 1, b = 2, c = 3, d = 5, e = 7;
    volatile uint64_t on_stack[700] = {11};
    wasm_rt_jmp_buf context;
    volatile uint64_t thrown = 0;
    for (uint64_t step = 1; step <= 20; step++) {
        on_stack[step * 30] = on_stack[(step - 1) * 30] * 3 + step;
        memory[step * 9000] = (uint8_t)(on_stack[step * 30] + a);
        in_arena[step] = in_arena[step - 1] + memory[step * 9000];
        uint64_t arguments[2] = {step, in_arena[step]};
        if (wasm_rt_context_save(&context) == 0) {
            uint64_t got = rt_call_host(&some_lower, arguments);
            a += got, b ^= a, c += b * 3, d ^= c, e += d;
            if (step % 5 == 0)
                wasm_rt_context_resume(&context, 1); /* saved before the checkpoint, resumed after it */
        } else {
            thrown += step;
            a++;
        }
        if (step == 7)
            (void)!region_memory_grow(0, 100 * 4096);
    }
    flat[0] = a ^ b ^ c ^ d ^ e ^ on_stack[600] ^ in_arena[20] ^ (thrown << 40);
}

static struct ckpt *worker_ckpt;
static uint64_t kill_step;

static uint64_t plain_host(const struct rt_lower *lower, uint64_t *flat)
{
    if (lower != &some_lower)
        _exit(9);
    return flat[0] * 1000 + flat[1];
}

/* Takes a checkpoint at each step; is killed at one, before or after it. */
static uint64_t killing_host(const struct rt_lower *lower, uint64_t *flat)
{
    struct ckpt_info info;
    struct ga_report report = {0};
    if (kill_step % 2 == 1 && flat[0] == kill_step / 2)
        raise(SIGKILL);
    if (ckpt_write(worker_ckpt, flat[0], 0, &info, &report) != GA_OK || !info.in_invocation)
        _exit(8);
    if (flat[0] == kill_step / 2)
        raise(SIGKILL);
    return plain_host(lower, flat);
}

/* In a new process image; ends with what came out in the file "result". */
static void resume_in_new_process(void)
{
    struct ga_report report = {0};
    struct ckpt_info info;
    open_directory(getenv("TEST_CKPT_DIRECTORY"));
    if (region_create(4096, &report) != GA_OK || ckpt_open(directory_fd, some_id, &worker_ckpt, &report) != GA_OK)
        _exit(2);
    trap_install_handlers();
    gate_host_dispatch = plain_host;
    enum gate_outcome outcome;
    if (ckpt_restore(worker_ckpt, NULL, NULL, &info, &report) == GA_OK) {
        outcome = gate_resume();
    } else {
        (void)!region_memory_new(50 * 4096);
        outcome = gate_enter(working_guest, REGION->flat);
    }
    uint64_t result[2] = {REGION->flat[0], ckpt_digest()};
    int fd = openat(directory_fd, "result", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (outcome != GATE_RETURNED || write(fd, result, sizeof result) != sizeof result)
        _exit(3);
    _exit(0);
}

static void start_from_image(void);
static void reset_to_image(void);

/* Before Criterion: this executable also plays the restored process. */
__attribute__((constructor)) static void play_other_process(void)
{
    const char *role = getenv("TEST_CKPT_ROLE");
    if (role && strcmp(role, "resume") == 0)
        resume_in_new_process();
    if (role && strcmp(role, "reset") == 0)
        reset_to_image();
    if (role && strcmp(role, "image") == 0)
        start_from_image();
}

static int run_role(const char *executable, const char *role)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("TEST_CKPT_ROLE", role, 1);
        setenv("TEST_CKPT_DIRECTORY", directory, 1);
        execl(executable, executable, "an argument, so that the stack lies elsewhere", (char *)NULL);
        _exit(127);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void work_until_killed(void)
{
    struct ga_report report = {0};
    make_region();
    CHILD_ASSERT(ckpt_open(directory_fd, some_id, &worker_ckpt, &report) == GA_OK);
    CHILD_ASSERT(region_memory_new(50 * 4096) == 0);
    gate_host_dispatch = killing_host;
    (void)!gate_enter(working_guest, REGION->flat);
}

static void read_result(uint64_t result[2])
{
    int fd = openat(directory_fd, "result", O_RDONLY);
    cr_assert_eq(read(fd, result, 16), 16);
    close(fd);
    cr_assert_eq(unlinkat(directory_fd, "result", 0), 0);
}

Test(ckpt_kill, a_killed_worker_goes_on_in_another_process, .init = make_directory, .fini = remove_directory,
     .timeout = 100)
{
    uint64_t uninterrupted[2], result[2];
    cr_assert_eq(run_role("/proc/self/exe", "resume"), 0);
    read_result(uninterrupted);
    cr_assert_neq(uninterrupted[0], 0);
    for (kill_step = 2; kill_step <= 41; kill_step++) {
        unlinkat(directory_fd, "ckpt-0", 0);
        unlinkat(directory_fd, "ckpt-1", 0);
        cr_assert(!in_child(work_until_killed));
        cr_assert_eq(run_role("/proc/self/exe", "resume"), 0, "kill %d", (int)kill_step);
        read_result(result);
        cr_assert_eq(result[0], uninterrupted[0], "kill %d", (int)kill_step);
        cr_assert_eq(result[1], uninterrupted[1], "kill %d", (int)kill_step);
    }
}

/* SIGKILL from outside at any instant, checkpoint writing included. */
Test(ckpt_kill, a_kill_at_any_instant_leaves_a_valid_checkpoint_or_none, .init = make_directory,
     .fini = remove_directory, .timeout = 100)
{
    uint64_t uninterrupted[2], result[2];
    cr_assert_eq(run_role("/proc/self/exe", "resume"), 0);
    read_result(uninterrupted);
    for (int i = 0; i < 60; i++) {
        unlinkat(directory_fd, "ckpt-0", 0);
        unlinkat(directory_fd, "ckpt-1", 0);
        pid_t child = fork();
        if (child == 0) {
            work_until_killed();
            _exit(0);
        }
        usleep((useconds_t)(i * 331));
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        if (i % 2)
            unlinkat(directory_fd, "ckpt-note", 0);
        cr_assert_eq(run_role("/proc/self/exe", "resume"), 0, "kill %d", i);
        read_result(result);
        cr_assert_eq(result[0], uninterrupted[0], "kill %d", i);
        cr_assert_eq(result[1], uninterrupted[1], "kill %d", i);
    }
}

/* --- the start image --- */

#define IMAGE_BUILD_ID 0xb01d

static uint8_t pattern(size_t i)
{
    return i % 7 == 0 ? 0 : (uint8_t)(i * 13 + 1);
}

/* Instantiated from the executable's own image: checks it, goes on, checkpoints, restores. */
static void start_from_image(void)
{
    struct ga_report report = {0};
    struct ckpt_id id = {IMAGE_BUILD_ID, 99}, other = {IMAGE_BUILD_ID + 1, 99};
    struct ckpt_info info;
    struct ckpt *ckpt;
    open_directory(getenv("TEST_CKPT_DIRECTORY"));
    CHILD_ASSERT(region_create(4096, &report) == GA_OK);
    CHILD_ASSERT(ckpt_open(directory_fd, other, &ckpt, &report) == GA_OK);
    CHILD_ASSERT(ckpt_restore_start_image(ckpt, other.build_id, &report) == GA_NOT_FOUND);
    ckpt_close(ckpt);
    CHILD_ASSERT(ckpt_open(directory_fd, id, &ckpt, &report) == GA_OK);
    CHILD_ASSERT(ckpt_restore_start_image(ckpt, id.build_id, &report) == GA_OK);
    uint8_t *memory = region_memory_address(0);
    CHILD_ASSERT(REGION->memories[0].size_bytes == 3000 * 4096 && REGION->memories[1].size_bytes == 5 * 4096);
    for (size_t i = 0; i < 3000; i++)
        CHILD_ASSERT(memory[i * 4096 + 50] == pattern(i));
    CHILD_ASSERT(*(uint64_t *)RT_ROOT == 0xfeed);
    CHILD_ASSERT(region_memory_grow(0, 4000 * 4096) == 0);
    memory[3500 * 4096] = 1;
    memory[8 * 4096 + 50] = 0; /* a page of the image that becomes zero */
    for (int i = 0; i < 3; i++) {
        memory[9 * 4096] = (uint8_t)i;
        CHILD_ASSERT(ckpt_write(ckpt, 1, 1, &info, &report) == GA_OK);
        uint64_t digest = ckpt_digest();
        ckpt_close(ckpt);
        CHILD_ASSERT(ckpt_open(directory_fd, id, &ckpt, &report) == GA_OK); /* complete in itself */
        CHILD_ASSERT(ckpt_restore(ckpt, NULL, NULL, &info, &report) == GA_OK && info.sequence == (uint64_t)i + 1);
        CHILD_ASSERT(ckpt_digest() == digest);
        for (size_t k = 10; k < 3000; k++)
            CHILD_ASSERT(memory[k * 4096 + 50] == pattern(k));
        CHILD_ASSERT(memory[8 * 4096 + 50] == 0 && memory[3500 * 4096] == 1);
        CHILD_ASSERT(ckpt_scrub(ckpt, &report) == GA_OK);
    }
    _exit(0);
}

static void copy_executable(const char *to)
{
    int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    char buffer[65536];
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
        cr_assert_eq(write(out, buffer, (size_t)got), got);
    close(in);
    close(out);
}

Test(ckpt, a_start_image_is_mapped_from_the_executable)
{
    struct ga_report report = {0};
    char executable[100];
    snprintf(executable, sizeof executable, "%s/executable", directory);
    copy_executable(executable);
    cr_assert_eq(WEXITSTATUS(run_role(executable, "image")), 1); /* none yet */
    cr_assert_eq(region_memory_new(3000 * 4096), 0);
    cr_assert_eq(region_memory_new(5 * 4096), 1);
    for (size_t i = 0; i < 3000; i++)
        ((uint8_t *)region_memory_address(0))[i * 4096 + 50] = pattern(i);
    *(uint64_t *)RT_ROOT = 0xfeed;
    int fd = open(executable, O_WRONLY | O_APPEND);
    cr_assert_gt(lseek(fd, 0, SEEK_END), 0);
    cr_assert_eq(ckpt_write_start_image(fd, IMAGE_BUILD_ID, &report), GA_OK, "%s", report.text);
    close(fd);
    cr_assert_eq(run_role(executable, "image"), 0);
}

static bool is_readable(const void *address)
{
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)address, 1};
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

/* Writes everywhere, grows everything; then nothing of it is left, three times. */
static void reset_to_image(void)
{
    struct ga_report report = {0};
    CHILD_ASSERT(region_create(4096, &report) == GA_OK);
    CHILD_ASSERT(ckpt_restore_start_image(NULL, IMAGE_BUILD_ID, &report) == GA_OK);
    uint64_t digest = ckpt_digest(), used = REGION->arena_used_bytes;
    for (int i = 0; i < 9; i++) {
        uint8_t *memory = region_memory_address(0), *big = region_alloc(3 * REGION_ARENA_STEP_BYTES);
        CHILD_ASSERT(big && region_memory_grow(0, 4000 * 4096) == 0 && region_memory_new(70000) == 2);
        big[2 * REGION_ARENA_STEP_BYTES] = 1;
        memory[10 * 4096 + 50] ^= 1, memory[3999 * 4096] = 1;
        memory[(100 + i) * 4096] = 1; /* another page each time */
        *(uint8_t *)region_memory_address(1) = 1;
        *(uint8_t *)region_memory_address(2) = 1;
        *(volatile uint8_t *)(REGION_STACK_TOP - 1) = 1;
        REGION->durable_state[5] = 1;
        *(uint64_t *)RT_ROOT = 1;
        if (i == 8)
            region_memory_free(1); /* its mapping is gone */
        CHILD_ASSERT(ckpt_reset_to_start_image(IMAGE_BUILD_ID, &report) == GA_OK);
        CHILD_ASSERT(ckpt_digest() == digest && REGION->arena_used_bytes == used && REGION->memory_count == 2);
        CHILD_ASSERT(*(uint64_t *)RT_ROOT == 0xfeed && memory[10 * 4096 + 50] == pattern(10));
        CHILD_ASSERT(*(volatile uint8_t *)(REGION_STACK_TOP - 1) == 0 && REGION->durable_state[5] == 0);
        CHILD_ASSERT(!is_readable(memory + 3000 * 4096) && is_readable(memory + 3000 * 4096 - 1));
        CHILD_ASSERT(!is_readable((void *)(RT_ARENA_BASE + 2 * REGION_ARENA_STEP_BYTES)));
        CHILD_ASSERT(!is_readable((void *)(REGION_MEMORY_BASE + 2 * REGION_MEMORY_STRIDE)));
    }
    _exit(0);
}

Test(ckpt, a_region_goes_back_to_the_start_image_with_nothing_left_of_what_was_done)
{
    struct ga_report report = {0};
    char executable[100];
    snprintf(executable, sizeof executable, "%s/executable", directory);
    copy_executable(executable);
    cr_assert_eq(region_memory_new(3000 * 4096), 0);
    cr_assert_eq(region_memory_new(5 * 4096), 1);
    for (size_t i = 0; i < 3000; i++)
        ((uint8_t *)region_memory_address(0))[i * 4096 + 50] = pattern(i);
    *(uint64_t *)RT_ROOT = 0xfeed;
    int fd = open(executable, O_WRONLY | O_APPEND);
    cr_assert_gt(lseek(fd, 0, SEEK_END), 0);
    cr_assert_eq(ckpt_write_start_image(fd, IMAGE_BUILD_ID, &report), GA_OK, "%s", report.text);
    close(fd);
    cr_assert_eq(run_role(executable, "reset"), 0);
}

static const off_t image_damages[] = {-1, -80, -73, -60, -40, -81, -100};

Test(ckpt, a_damaged_start_image_is_refused)
{
    struct ga_report report = {0};
    char executable[100];
    snprintf(executable, sizeof executable, "%s/executable", directory);
    cr_assert_eq(region_memory_new(3000 * 4096), 0);
    for (size_t i = 0; i < sizeof image_damages / sizeof *image_damages; i++) {
        copy_executable(executable);
        int fd = open(executable, O_RDWR | O_APPEND);
        cr_assert_gt(lseek(fd, 0, SEEK_END), 0);
        cr_assert_eq(ckpt_write_start_image(fd, IMAGE_BUILD_ID, &report), GA_OK, "%s", report.text);
        close(fd);
        struct stat file;
        cr_assert_eq(stat(executable, &file), 0);
        change_byte("executable", file.st_size + image_damages[i]);
        cr_assert_eq(WEXITSTATUS(run_role(executable, "image")), 1);
    }
}

/* --- digests --- */

Test(ckpt, digest_depends_on_content_and_not_on_how_pages_came_to_be)
{
    cr_assert_eq(region_memory_new(100 * 4096), 0);
    uint8_t *memory = region_memory_address(0);
    uint64_t empty = ckpt_digest();
    memory[50 * 4096] = 1;
    uint64_t one = ckpt_digest();
    cr_assert_neq(one, empty);
    memory[50 * 4096] = 0;
    cr_assert_eq(ckpt_digest(), empty); /* written, but zero */
    memory[51 * 4096] = 1;
    cr_assert_neq(ckpt_digest(), one); /* elsewhere */
    memory[51 * 4096] = 0;
    *(volatile uint8_t *)REGION_STACK_BOTTOM = 1;
    REGION->durable_state[3] = 1;
    cr_assert_eq(ckpt_digest(), empty); /* stack and header do not count */
    cr_assert_eq(region_memory_grow(0, 101 * 4096), 0);
    cr_assert_neq(ckpt_digest(), empty); /* sizes do */
    uint64_t grown = ckpt_digest();
    (void)region_alloc(16);
    cr_assert_neq(ckpt_digest(), grown);
}
