#define _GNU_SOURCE
#include "ckpt_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "ga_assert.h"
#include "ga_hash.h"

/*
 * A slot file. Numbers are little-endian; sums are XXH3-64 (ga_hash64).
 *
 *   0        header page
 *            0 magic "GOLEMCKP"   8 version (4 bytes)   12 page size (4 bytes)   16 build id   24 worker id
 *            32 sequence   40 oplog index   48 oplog hash   56 flags (1: a guest call rests at a gate)
 *            64 file size   72 table offset   80 run count   88 page count   96 table sum
 *            104 stack start   112 arena bytes   120 memory count   128 companion's sum
 *            136 sum of bytes 0 to 135, seed 0
 *   4096     page n of the region at 4096 + n * 4096 (numbers: ckpt_pages.h); pages that are zero, or not in use, are
 *            holes. Sparse: memory i has a window of 4 GiB in the file from offset 4096 + 1.5 GiB + i * 4 GiB
 *   table    behind the last page in use:
 *            memory count * 8   size of each memory in bytes
 *            run count * 16     first page, page count: pages that are stored; ascending, not touching
 *            page count * 8     their sums, seeded with the worker id
 *            The table's own sum is over all its bytes, seed 0
 *
 * A slot is valid if and only if
 *   V1  it has at least a header page, whose sum is right, with this magic, version and page size;
 *   V2  the build id and the worker id are the caller's;
 *   V3  the file is exactly as long as the header says, so that no mapped page lies behind its end (no SIGBUS);
 *   V4  the table's sum is right, its sizes are possible, all runs lie in pages in use, and the table begins behind
 *       those;
 *   V5  every page in use has the content its sum tells, those without one being zero. This is checked by reading
 *       them, unless the file is known untouched: its stamp (ckpt.c) is the one noted when it was last synced, in this
 *       boot.
 * Besides, on a file system where reading a hole takes space (tmpfs), there are none: writing sees to it.
 *
 * Invariants of writing:
 *   W1  the header is overwritten with zeros before anything else changes; it is written last, when table and pages are
 *       synced. A header with a right sum therefore has its table and pages on the disk before it, or was cut off by a
 *       power failure before the zeros reached the disk: then V5 finds out, since the boot is another. A companion
 *       (ckpt.h) is not checked that way: before it is written, the zeros are synced.
 *   W2  slot->sums tell what the file's pages hold whenever slot->valid or the file is being written. After any error
 *       nothing is known any more, and the file is emptied.
 *   W3  the file the region is mapped from is not written (ckpt.c's duty).
 */
#define MAGIC 0x504b434d454c4f47ull /* "GOLEMCKP" */
#define VERSION 2
#define PAGES_OFFSET 4096
#define SUMMED_BYTES offsetof(struct ckpt_slot_header, header_sum)
#define VERIFY_PAGES 64

_Static_assert(offsetof(struct ckpt_slot_header, build_id) == 16 && offsetof(struct ckpt_slot_header, file_bytes) == 64 &&
                   offsetof(struct ckpt_slot_header, stack_start) == 104 && SUMMED_BYTES == 136,
               "the format is as documented");

struct run {
    uint64_t first, count;
};

static off_t page_offset(uint64_t page)
{
    return (off_t)(PAGES_OFFSET + page * CKPT_PAGE_BYTES);
}

uint64_t ckpt_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* All of size bytes or failure: errno is 0 if the file ends before. */
static bool read_fully(int fd, void *data, size_t size, off_t offset)
{
    for (char *at = data; size > 0;) {
        ssize_t got = pread(fd, at, size, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got < 0 ? errno : 0;
            return false;
        }
        at += got, offset += got, size -= (size_t)got;
    }
    return true;
}

static bool write_fully(int fd, const void *data, size_t size, off_t offset)
{
    for (const char *at = data; size > 0;) {
        ssize_t put = pwrite(fd, at, size, offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            errno = put < 0 ? errno : ENOSPC;
            return false;
        }
        at += put, offset += put, size -= (size_t)put;
    }
    return true;
}

/* --- stamps --- */

static void read_boot_id(uint8_t boot_id[36])
{
    memset(boot_id, 0, 36);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (!read_fully(fd, boot_id, 36, 0))
        memset(boot_id, 0, 36);
    close(fd);
}

static uint64_t nanoseconds(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct ckpt_stamp ckpt_slot_stamp(const struct ckpt_slot *slot)
{
    struct ckpt_stamp stamp = {0};
    struct stat file;
    if (slot->fd < 0 || fstat(slot->fd, &file) != 0)
        return stamp;
    stamp.device = file.st_dev;
    stamp.inode = file.st_ino;
    stamp.size = (uint64_t)file.st_size;
    stamp.mtime_ns = nanoseconds(file.st_mtim);
    stamp.ctime_ns = nanoseconds(file.st_ctim);
    read_boot_id(stamp.boot_id);
    stamp.set = stamp.boot_id[0] != 0;
    return stamp;
}

bool ckpt_stamp_equal(const struct ckpt_stamp *a, const struct ckpt_stamp *b)
{
    return a->set == 1 && b->set == 1 && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
           memcmp(a->boot_id, b->boot_id, sizeof a->boot_id) == 0;
}

/* --- reading --- */

/* V1 to V3; NULL if all hold. */
static const char *header_fault(const struct ckpt_slot *slot, struct ckpt_id id)
{
    const struct ckpt_slot_header *header = &slot->header;
    struct stat file;
    if (header->magic != MAGIC || header->header_sum != ga_hash64(header, SUMMED_BYTES, 0))
        return "its header is damaged or was never finished";
    if (header->version != VERSION || header->page_bytes != CKPT_PAGE_BYTES)
        return "it has another format version";
    if (header->build_id != id.build_id)
        return "it was made by another build";
    if (header->worker_id != id.worker_id)
        return "it belongs to another worker";
    if (fstat(slot->fd, &file) != 0 || (uint64_t)file.st_size != header->file_bytes)
        return "its size is not what its header says";
    return NULL;
}

enum ga_status ckpt_slot_open(struct ckpt_slot *slot, struct ckpt_id id, struct ga_report *report)
{
    if (slot->directory_fd < 0)
        return GA_OK;
    slot->fd = openat(slot->directory_fd, slot->name, O_RDWR | O_CLOEXEC);
    if (slot->fd < 0 && errno != ENOENT)
        slot->fault = "it cannot be opened";
    if (slot->fd < 0)
        return GA_OK;
    if (!read_fully(slot->fd, &slot->header, sizeof slot->header, 0)) {
        if (errno)
            return ga_report_errno(report, errno, "%s: cannot read", slot->name);
        memset(&slot->header, 0, sizeof slot->header);
    }
    slot->fault = header_fault(slot, id);
    slot->valid = !slot->fault;
    return GA_OK;
}

void ckpt_slot_close(struct ckpt_slot *slot)
{
    if (slot->fd >= 0)
        close(slot->fd);
    ckpt_sums_clear(&slot->sums);
    slot->fd = -1;
    slot->valid = false;
}

/* V4 for one run; stores its sums. */
static bool take_run(struct ckpt_slot *slot, struct run run, const uint64_t *sums)
{
    int segment = ckpt_segment_of(run.first);
    if (segment < 0 || run.count == 0)
        return false;
    uint64_t first = run.first - ckpt_segment((unsigned)segment).first_page;
    struct ckpt_range range = ckpt_shape_range(&slot->shape, (unsigned)segment);
    if (first < range.begin || first >= range.end || run.count > range.end - first)
        return false;
    if (!ckpt_sums_reserve(&slot->sums, (unsigned)segment, range.end))
        return false;
    memcpy(slot->sums.items[segment] + first, sums, run.count * sizeof *sums);
    return true;
}

static bool take_table(struct ckpt_slot *slot, const uint64_t *table)
{
    const struct ckpt_slot_header *header = &slot->header;
    struct ckpt_shape *shape = &slot->shape;
    memset(shape, 0, sizeof *shape);
    shape->stack_start = header->stack_start;
    shape->arena_bytes = header->arena_bytes;
    shape->memory_count = (uint32_t)header->memory_count;
    memcpy(shape->memory_bytes, table, header->memory_count * sizeof *table);
    if (!ckpt_shape_is_possible(shape) || (uint64_t)page_offset(ckpt_shape_end(shape)) > header->table_offset)
        return false;
    const struct run *runs = (const struct run *)(table + header->memory_count);
    const uint64_t *sums = (const uint64_t *)(runs + header->run_count);
    uint64_t pages_left = header->page_count, next_page = 0;
    for (uint64_t i = 0; i < header->run_count; i++) {
        if (runs[i].first < next_page || runs[i].count > pages_left || !take_run(slot, runs[i], sums))
            return false;
        next_page = runs[i].first + runs[i].count;
        sums += runs[i].count;
        pages_left -= runs[i].count;
    }
    return pages_left == 0;
}

/* 0 if the header's counts do not fit the file's size. */
static uint64_t table_bytes(const struct ckpt_slot_header *header)
{
    uint64_t limit = CKPT_MEMORY_FIRST_PAGE + GA_MAX_MEMORIES * CKPT_MEMORY_PAGES;
    if (header->memory_count > GA_MAX_MEMORIES || header->page_count > limit || header->run_count > header->page_count)
        return 0;
    uint64_t bytes = header->memory_count * 8 + header->run_count * 16 + header->page_count * 8;
    if (header->table_offset > header->file_bytes || header->file_bytes - header->table_offset != bytes)
        return 0;
    return bytes;
}

enum ga_status ckpt_slot_read_table(struct ckpt_slot *slot, struct ga_report *report)
{
    GA_ASSERT(slot->valid);
    if (slot->table_read)
        return GA_OK;
    uint64_t bytes = table_bytes(&slot->header);
    uint64_t *table = malloc(bytes + 1);
    if (!table)
        return ga_report_set(report, GA_NO_MEMORY, "%s: no memory for its table", slot->name), GA_NO_MEMORY;
    ckpt_sums_clear(&slot->sums);
    slot->table_read = bytes > 0 && read_fully(slot->fd, table, bytes, (off_t)slot->header.table_offset) &&
                       ga_hash64(table, bytes, 0) == slot->header.table_sum && take_table(slot, table);
    free(table);
    if (slot->table_read)
        return GA_OK;
    slot->valid = false;
    slot->fault = "its page table is damaged";
    ckpt_sums_clear(&slot->sums);
    ga_report_set(report, GA_CORRUPT, "%s: not used: %s", slot->name, slot->fault);
    return GA_CORRUPT;
}

struct verification {
    const struct ckpt_slot *slot;
    unsigned segment;
    uint64_t matched; /* stored pages seen */
    uint64_t wrong;   /* number of the first page that differs */
    uint8_t *buffer;  /* VERIFY_PAGES */
};

/* Pages [begin, end) of a segment, which are not holes. */
static bool verify_pages(struct verification *verification, uint64_t begin, uint64_t end)
{
    const struct ckpt_slot *slot = verification->slot;
    uint64_t first_page = ckpt_segment(verification->segment).first_page;
    while (begin < end) {
        uint64_t count = end - begin < VERIFY_PAGES ? end - begin : VERIFY_PAGES;
        verification->wrong = first_page + begin;
        if (!read_fully(slot->fd, verification->buffer, count * CKPT_PAGE_BYTES, page_offset(first_page + begin)))
            return false;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t expected = ckpt_sums_get(&slot->sums, verification->segment, begin + i);
            verification->wrong = first_page + begin + i;
            if (ckpt_page_sum(verification->buffer + i * CKPT_PAGE_BYTES, slot->header.worker_id) != expected)
                return false;
            verification->matched += expected != CKPT_SUM_ZERO;
        }
        begin += count;
    }
    return true;
}

/* The pages in use of one segment, holes left out. */
static bool verify_segment(struct verification *verification)
{
    struct ckpt_range range = ckpt_shape_range(&verification->slot->shape, verification->segment);
    uint64_t first_page = ckpt_segment(verification->segment).first_page;
    int fd = verification->slot->fd;
    while (range.begin < range.end) {
        off_t start = page_offset(first_page + range.begin), limit = page_offset(first_page + range.end);
        off_t data = lseek(fd, start, SEEK_DATA);
        if ((data < 0 && errno == ENXIO) || data >= limit)
            return true;
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0) /* a file system without holes */
            return verify_pages(verification, range.begin, range.end);
        uint64_t data_begin = (uint64_t)(data - PAGES_OFFSET) / CKPT_PAGE_BYTES - first_page;
        uint64_t data_end = (uint64_t)(hole - PAGES_OFFSET + (off_t)CKPT_PAGE_BYTES - 1) / CKPT_PAGE_BYTES - first_page;
        data_end = data_end < range.end ? data_end : range.end;
        if (!verify_pages(verification, data_begin, data_end))
            return false;
        range.begin = data_end;
    }
    return true;
}

enum ga_status ckpt_slot_verify(const struct ckpt_slot *slot, struct ga_report *report)
{
    GA_ASSERT(slot->table_read);
    struct verification verification = {.slot = slot, .buffer = malloc(VERIFY_PAGES * CKPT_PAGE_BYTES)};
    if (!verification.buffer)
        return ga_report_set(report, GA_NO_MEMORY, "%s: no memory to verify it", slot->name), GA_NO_MEMORY;
    bool right = true;
    for (; right && verification.segment < ckpt_shape_segments(&slot->shape); verification.segment++)
        right = verify_segment(&verification);
    free(verification.buffer);
    if (right && verification.matched == slot->header.page_count)
        return GA_OK;
    if (right)
        ga_report_set(report, GA_CORRUPT, "%s: not used: %llu of its %llu pages are missing", slot->name,
                      (unsigned long long)(slot->header.page_count - verification.matched),
                      (unsigned long long)slot->header.page_count);
    else
        ga_report_at(report, GA_CORRUPT, (uint64_t)page_offset(verification.wrong),
                     "%s: not used: page %llu is damaged", slot->name, (unsigned long long)verification.wrong);
    return GA_CORRUPT;
}

static bool map_segment(const struct ckpt_slot *slot, unsigned index)
{
    struct ckpt_segment segment = ckpt_segment(index);
    struct ckpt_range range = ckpt_shape_range(&slot->shape, index);
    if (range.begin == range.end)
        return true;
    void *address = (void *)(segment.address + range.begin * CKPT_PAGE_BYTES);
    return mmap(address, (range.end - range.begin) * CKPT_PAGE_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, slot->fd,
                page_offset(segment.first_page + range.begin)) == address;
}

enum ga_status ckpt_slot_map(const struct ckpt_slot *slot, struct ga_report *report)
{
    bool mapped = true;
    for (unsigned i = 0; mapped && i < ckpt_shape_segments(&slot->shape); i++)
        mapped = map_segment(slot, i);
    struct ckpt_range stack = ckpt_shape_range(&slot->shape, CKPT_STACK);
    if (!mapped || region_map_zero(REGION_STACK_BOTTOM, stack.begin * CKPT_PAGE_BYTES) != 0)
        return ga_report_errno(report, errno, "%s: cannot map", slot->name);
    return GA_OK;
}

/* --- writing --- */

static enum ga_status create_file(struct ckpt_slot *slot, struct ga_report *report)
{
    slot->fd = openat(slot->directory_fd, slot->name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (slot->fd < 0)
        return ga_report_errno(report, errno, "%s: cannot create", slot->name);
    fsync(slot->directory_fd); /* should the name be lost, so is only a checkpoint */
    return GA_OK;
}

/* Whether a checkpoint written here could be mapped at all: some file systems cannot. */
static bool can_be_mapped(const struct ckpt_slot *slot)
{
    void *probe = mmap(NULL, CKPT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, slot->fd, 0);
    return probe != MAP_FAILED && munmap(probe, CKPT_PAGE_BYTES) == 0;
}

enum ga_status ckpt_slot_begin(struct ckpt_slot *slot, bool sync, struct ga_report *report)
{
    static const uint8_t no_header[CKPT_PAGE_BYTES];
    if (slot->fd < 0 && create_file(slot, report) != GA_OK)
        return report->status;
    if (!can_be_mapped(slot))
        return ga_report_errno(report, errno, "%s: cannot map", slot->name);
    bool keeps_pages = slot->valid && slot->table_read;
    uint64_t keep_bytes = keeps_pages ? slot->header.table_offset : 0;
    slot->valid = false;
    if (keeps_pages ? !write_fully(slot->fd, no_header, sizeof no_header, 0) : ftruncate(slot->fd, 0) != 0)
        return ga_report_errno(report, errno, "%s: cannot write", slot->name);
    if (keeps_pages && ftruncate(slot->fd, (off_t)keep_bytes) != 0) /* the table's place may be a page's now */
        return ga_report_errno(report, errno, "%s: cannot write", slot->name);
    if (!keeps_pages)
        ckpt_sums_clear(&slot->sums);
    if (sync && fdatasync(slot->fd) != 0)
        return ga_report_errno(report, errno, "%s: cannot sync", slot->name);
    return GA_OK;
}

enum ga_status ckpt_slot_put(struct ckpt_slot *slot, uint64_t page, uint64_t count, const void *data,
                             struct ga_report *report)
{
    if (!write_fully(slot->fd, data, count * CKPT_PAGE_BYTES, page_offset(page)))
        return ga_report_errno(report, errno, "%s: cannot write", slot->name);
    return GA_OK;
}

enum ga_status ckpt_slot_put_zero(struct ckpt_slot *slot, uint64_t page, uint64_t count, struct ga_report *report)
{
    static const uint8_t zeros[16 * CKPT_PAGE_BYTES];
    if (fallocate(slot->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page_offset(page),
                  (off_t)(count * CKPT_PAGE_BYTES)) == 0)
        return GA_OK;
    while (count > 0) { /* a file system without holes */
        uint64_t part = count < 16 ? count : 16;
        enum ga_status status = ckpt_slot_put(slot, page, part, zeros, report);
        if (status != GA_OK)
            return status;
        page += part;
        count -= part;
    }
    return GA_OK;
}

struct table {
    uint64_t *words;
    uint64_t run_count, page_count;
};

/* Calls visit for each run of stored pages. */
static void each_run(const struct ckpt_slot *slot, struct table *table,
                     void (*visit)(struct table *table, struct run run, const uint64_t *sums))
{
    for (unsigned i = 0; i < ckpt_shape_segments(&slot->shape); i++) {
        const uint64_t *sums = slot->sums.items[i];
        uint64_t count = slot->sums.counts[i];
        for (uint64_t begin = 0, end; begin < count; begin = end) {
            end = begin;
            while (end < count && (sums[end] != CKPT_SUM_ZERO) == (sums[begin] != CKPT_SUM_ZERO))
                end++;
            if (sums[begin] != CKPT_SUM_ZERO)
                visit(table, (struct run){ckpt_segment(i).first_page + begin, end - begin}, sums + begin);
        }
    }
}

static void count_run(struct table *table, struct run run, const uint64_t *sums)
{
    (void)sums;
    table->run_count++;
    table->page_count += run.count;
}

struct table_writer {
    struct table table; /* first: visited as such */
    struct run *next_run;
    uint64_t *next_sum;
};

static void write_run(struct table *table, struct run run, const uint64_t *sums)
{
    struct table_writer *writer = (struct table_writer *)table;
    *writer->next_run++ = run;
    memcpy(writer->next_sum, sums, run.count * sizeof *sums);
    writer->next_sum += run.count;
}

static enum ga_status write_table(struct ckpt_slot *slot, struct ga_report *report)
{
    struct ckpt_slot_header *header = &slot->header;
    struct table count = {0};
    each_run(slot, &count, count_run);
    header->run_count = count.run_count;
    header->page_count = count.page_count;
    header->memory_count = slot->shape.memory_count;
    header->table_offset = (uint64_t)page_offset(ckpt_shape_end(&slot->shape));
    uint64_t bytes = header->memory_count * 8 + header->run_count * 16 + header->page_count * 8;
    header->file_bytes = header->table_offset + bytes;
    uint64_t *words = malloc(bytes);
    if (!words)
        return ga_report_set(report, GA_NO_MEMORY, "%s: no memory for its table", slot->name);
    memcpy(words, slot->shape.memory_bytes, header->memory_count * 8);
    struct table_writer writer = {.next_run = (struct run *)(words + header->memory_count)};
    writer.next_sum = (uint64_t *)(writer.next_run + header->run_count);
    each_run(slot, &writer.table, write_run);
    GA_ASSERT(writer.next_sum == words + bytes / 8);
    header->table_sum = ga_hash64(words, bytes, 0);
    bool written = ftruncate(slot->fd, (off_t)header->table_offset) == 0 && /* what was in use no longer is */
                   write_fully(slot->fd, words, bytes, (off_t)header->table_offset);
    int error = errno;
    free(words);
    return written ? GA_OK : ga_report_errno(report, error, "%s: cannot write", slot->name);
}

/* Reading a hole of a tmpfs file allocates a page, and is SIGBUS when there is none. */
static enum ga_status fill_holes(struct ckpt_slot *slot, struct ga_report *report)
{
    struct statfs file_system;
    if (fstatfs(slot->fd, &file_system) != 0 || file_system.f_type != TMPFS_MAGIC)
        return GA_OK;
    for (unsigned i = 0; i < ckpt_shape_segments(&slot->shape); i++) {
        struct ckpt_range range = ckpt_shape_range(&slot->shape, i);
        if (range.begin < range.end && fallocate(slot->fd, 0, page_offset(ckpt_segment(i).first_page + range.begin),
                                                 (off_t)((range.end - range.begin) * CKPT_PAGE_BYTES)) != 0)
            return ga_report_errno(report, errno, "%s: cannot write", slot->name);
    }
    return GA_OK;
}

static enum ga_status sync_file(struct ckpt_slot *slot, uint64_t *sync_ns, struct ga_report *report)
{
    uint64_t start = ckpt_now_ns();
    if (fdatasync(slot->fd) != 0)
        return ga_report_errno(report, errno, "%s: cannot sync", slot->name);
    *sync_ns += ckpt_now_ns() - start;
    return GA_OK;
}

enum ga_status ckpt_slot_finish(struct ckpt_slot *slot, uint64_t *sync_ns_out, struct ga_report *report)
{
    struct ckpt_slot_header *header = &slot->header;
    *sync_ns_out = 0;
    header->magic = MAGIC;
    header->version = VERSION;
    header->page_bytes = CKPT_PAGE_BYTES;
    header->stack_start = slot->shape.stack_start;
    header->arena_bytes = slot->shape.arena_bytes;
    enum ga_status status = write_table(slot, report);
    if (status == GA_OK)
        status = fill_holes(slot, report);
    if (status == GA_OK)
        status = sync_file(slot, sync_ns_out, report);
    if (status != GA_OK)
        return status;
    header->header_sum = ga_hash64(header, SUMMED_BYTES, 0);
    if (!write_fully(slot->fd, header, sizeof *header, 0))
        return ga_report_errno(report, errno, "%s: cannot write", slot->name);
    status = sync_file(slot, sync_ns_out, report);
    if (status != GA_OK)
        return status;
    slot->valid = true;
    slot->table_read = true;
    slot->stamp = ckpt_slot_stamp(slot);
    return GA_OK;
}

/* Its pages may be half written, and after a failed sync even those that seem to be there may never reach the disk. */
void ckpt_slot_discard(struct ckpt_slot *slot)
{
    slot->valid = false;
    slot->fault = "writing it failed";
    slot->table_read = false;
    slot->stamp = (struct ckpt_stamp){0};
    ckpt_sums_clear(&slot->sums);
    if (slot->fd >= 0 && ftruncate(slot->fd, 0) != 0) {
        unlinkat(slot->directory_fd, slot->name, 0);
        close(slot->fd);
        slot->fd = -1;
    }
}
