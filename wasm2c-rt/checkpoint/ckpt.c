#include "ckpt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ckpt_dirty.h"
#include "ckpt_reset.h"
#include "ckpt_slot.h"
#include "ckpt_start.h"
#include "ga_assert.h"
#include "ga_hash.h"

/*
 * Checkpoints of a worker. A slot file's format and validity: ckpt_slot.c. Which pages were written: ckpt_dirty.c.
 * The start image: ckpt_start.c.
 *
 * Three images are in play, each known by the sums of its pages (struct ckpt_sums):
 *   mapped    what the region was mapped from: a slot, the start image, nothing (all zero), or a file that is not among
 *             the slots: then every page has to be read
 *   now       the region: as `mapped`, but for the pages that are dirty
 *   target    the slot to be written next: never the mapped one
 * ckpt_write makes target equal to now: it writes exactly the pages whose sum in target differs, which are among
 * those dirty now and those that differed between mapped and target already. Then target is mapped, and what was
 * mapped is the next target.
 *
 * Invariants:
 *   C1  The slot the region is mapped from is never written. Another file of that name would be a new one.
 *   C2  target's sums are used only when its file is as we left it (its stamp is the one noted); otherwise it is
 *       emptied first and so written completely.
 *   C3  Of the stack only what is in use is stored; pages below are zero in an image. Pages of the region outside
 *       what is in use (ckpt_shape) are zero in an image.
 *   C4  A failure before target's header is synced leaves the region mapped and the older checkpoint valid.
 *   C5  Sequence numbers grow by one over both slots; the newest valid slot is the one with the higher number.
 *
 * Notes (file ckpt-note): the stamps of both slots, written after each checkpoint, not synced. A slot whose stamp is
 * still the same in the same boot was not written since: its pages need no reading before they are mapped (V5). If the
 * note is missing or damaged, all pages are read. Format: 0 magic "GOLEMNOT", 8 worker id, 16 two stamps of 80 bytes
 * (struct ckpt_stamp), 176 sum of bytes 0 to 175, seed 0.
 */
#define NOTE_NAME "ckpt-note"
#define NOTE_MAGIC 0x544f4e4d454c4f47ull /* "GOLEMNOT" */
#define FROM_NOTHING (-1)
#define FROM_START_IMAGE (-2)
#define FROM_ELSEWHERE (-3)
#define FROM_SLOT (-4) /* of region_source: which one depends on the ckpt */

struct note {
    uint64_t magic, worker_id;
    struct ckpt_stamp stamps[CKPT_SLOT_COUNT];
    uint64_t sum;
};
_Static_assert(sizeof(struct ckpt_stamp) == 80 && offsetof(struct note, sum) == 176, "the format is as documented");

struct ckpt {
    int directory_fd;
    struct ckpt_id id;
    uint64_t newest_sequence;
    int mapped;           /* slot number, or FROM_... */
    bool mapped_is_known; /* a slot whose sums are those of the region's clean pages */
    struct ckpt_slot slots[CKPT_SLOT_COUNT];
    struct ckpt_stamp noted[CKPT_SLOT_COUNT]; /* as the note had it when we began */
    const struct ckpt_companion *companion;   /* NULL: none */
};

/* There is one region in a process, and it stays mapped when a ckpt is closed, and over a fork. */
static struct {
    int from;                    /* FROM_... */
    uint64_t device, inode;      /* of the slot file */
    struct ckpt_sums start_sums; /* of the start image: zero or unknown */
} region_source = {.from = FROM_NOTHING};

static const char *const slot_names[CKPT_SLOT_COUNT] = {"ckpt-0", "ckpt-1"};

/* --- notes --- */

static void read_note(struct ckpt *ckpt)
{
    struct note note;
    int fd = openat(ckpt->directory_fd, NOTE_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t got = pread(fd, &note, sizeof note, 0);
    close(fd);
    if (got == (ssize_t)sizeof note && note.magic == NOTE_MAGIC && note.worker_id == ckpt->id.worker_id &&
        note.sum == ga_hash64(&note, offsetof(struct note, sum), 0))
        memcpy(ckpt->noted, note.stamps, sizeof note.stamps);
}

/* Should it fail, the next restore reads all pages. */
static void write_note(const struct ckpt *ckpt)
{
    struct note note;
    memset(&note, 0, sizeof note);
    note.magic = NOTE_MAGIC;
    note.worker_id = ckpt->id.worker_id;
    for (int i = 0; i < CKPT_SLOT_COUNT; i++)
        if (ckpt->slots[i].valid)
            note.stamps[i] = ckpt->slots[i].stamp;
    note.sum = ga_hash64(&note, offsetof(struct note, sum), 0);
    int fd = openat(ckpt->directory_fd, NOTE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (pwrite(fd, &note, sizeof note, 0) != (ssize_t)sizeof note && ftruncate(fd, 0) != 0)
        unlinkat(ckpt->directory_fd, NOTE_NAME, 0);
    close(fd);
}

/* Files may have changed their names among themselves: what counts is the file, not its slot. */
static bool is_untouched(const struct ckpt *ckpt, const struct ckpt_slot *slot)
{
    struct ckpt_stamp stamp = ckpt_slot_stamp(slot);
    return ckpt_stamp_equal(&stamp, &ckpt->noted[0]) || ckpt_stamp_equal(&stamp, &ckpt->noted[1]);
}

/* --- what the region is mapped from --- */

static void set_mapped(struct ckpt *ckpt, int number)
{
    struct ckpt_stamp stamp = ckpt_slot_stamp(&ckpt->slots[number]);
    ckpt->mapped = number;
    ckpt->mapped_is_known = true;
    region_source.from = FROM_SLOT;
    region_source.device = stamp.device;
    region_source.inode = stamp.inode;
    ckpt_sums_clear(&region_source.start_sums);
}

/* C1, when the region was mapped by another ckpt, since closed: the slot it is mapped from, if it is one of ours. */
static void find_mapped(struct ckpt *ckpt)
{
    struct ga_report ignored = {0};
    ckpt->mapped = region_source.from == FROM_SLOT ? FROM_ELSEWHERE : region_source.from;
    for (int i = 0; region_source.from == FROM_SLOT && i < CKPT_SLOT_COUNT; i++) {
        struct ckpt_slot *slot = &ckpt->slots[i];
        struct ckpt_stamp stamp = ckpt_slot_stamp(slot);
        if (slot->fd < 0 || stamp.device != region_source.device || stamp.inode != region_source.inode)
            continue;
        ckpt->mapped = i;
        ckpt->mapped_is_known = slot->valid && is_untouched(ckpt, slot) && ckpt_slot_read_table(slot, &ignored) == GA_OK;
    }
}

/* --- life --- */

/* own was used so that a remark left in report by others is not taken for our status. */
static enum ga_status pass_on(const struct ga_report *own, enum ga_status status, struct ga_report *report)
{
    if (report->status == GA_OK)
        *report = *own;
    return status;
}

enum ga_status ckpt_open(int directory_fd, struct ckpt_id id, struct ckpt **ckpt_out, struct ga_report *report)
{
    struct ckpt *ckpt = calloc(1, sizeof *ckpt);
    if (!ckpt)
        return ga_report_set(report, GA_NO_MEMORY, "no memory for checkpoints");
    ckpt->directory_fd = directory_fd;
    ckpt->id = id;
    for (int i = 0; i < CKPT_SLOT_COUNT; i++)
        ckpt->slots[i] = (struct ckpt_slot){.directory_fd = directory_fd, .name = slot_names[i], .fd = -1};
    for (int i = 0; directory_fd >= 0 && i < CKPT_SLOT_COUNT; i++) {
        struct ckpt_slot *slot = &ckpt->slots[i];
        struct ga_report own = {0};
        enum ga_status status = ckpt_slot_open(slot, id, &own);
        if (status != GA_OK) {
            ckpt_close(ckpt);
            return pass_on(&own, status, report);
        }
        if (slot->valid && slot->header.sequence > ckpt->newest_sequence)
            ckpt->newest_sequence = slot->header.sequence;
    }
    read_note(ckpt);
    find_mapped(ckpt);
    *ckpt_out = ckpt;
    return GA_OK;
}

void ckpt_close(struct ckpt *ckpt)
{
    if (!ckpt)
        return;
    for (int i = 0; i < CKPT_SLOT_COUNT; i++)
        ckpt_slot_close(&ckpt->slots[i]);
    free(ckpt);
}

/* --- restoring --- */

static struct ckpt_info info_of(const struct ckpt *ckpt, const struct ckpt_slot *slot)
{
    return (struct ckpt_info){
        .sequence = slot->header.sequence,
        .oplog_index = slot->header.oplog_index,
        .oplog_hash = slot->header.oplog_hash,
        .in_invocation = (slot->header.flags & CKPT_FLAG_IN_INVOCATION) != 0,
        .page_count = slot->header.page_count,
        .slot = (unsigned)(slot - ckpt->slots),
        .companion_sum = slot->header.companion_sum,
    };
}

/* Numbers of the valid slots, newest first. */
static int order_slots(const struct ckpt *ckpt, int order[CKPT_SLOT_COUNT])
{
    int count = 0;
    for (int i = 0; i < CKPT_SLOT_COUNT; i++)
        if (ckpt->slots[i].valid)
            order[count++] = i;
    if (count == 2 && ckpt->slots[order[1]].header.sequence > ckpt->slots[order[0]].header.sequence) {
        order[0] = 1;
        order[1] = 0;
    }
    return count;
}

static enum ga_status check_slot(const struct ckpt *ckpt, struct ckpt_slot *slot, struct ga_report *report)
{
    enum ga_status status = ckpt_slot_read_table(slot, report);
    if (status != GA_OK)
        return status;
    struct ckpt_stamp stamp = ckpt_slot_stamp(slot); /* before the pages are read: what is written meanwhile shows */
    if (!is_untouched(ckpt, slot)) {
        status = ckpt_slot_verify(slot, report);
        if (status != GA_OK) {
            slot->valid = false;
            return status;
        }
    }
    slot->stamp = stamp;
    return GA_OK;
}

/* Everything accessible that belongs to the shape: what no image page is mapped to is fresh zero pages. */
static enum ga_status map_checkpoint(struct ckpt *ckpt, int number, struct ga_report *report)
{
    const struct ckpt_slot *slot = &ckpt->slots[number];
    enum ga_status status = region_clear(report);
    if (status == GA_OK && region_map_zero(RT_ARENA_BASE, region_arena_accessible(slot->shape.arena_bytes)) != 0)
        status = ga_report_errno(report, errno, "cannot map the guest's state");
    if (status == GA_OK)
        status = ckpt_slot_map(slot, report);
    if (status == GA_OK)
        set_mapped(ckpt, number);
    return status;
}

/* Why slots are not used, for the log. */
static void explain_invalid_slots(const struct ckpt *ckpt, struct ga_report *report)
{
    for (int i = 0; i < CKPT_SLOT_COUNT; i++)
        if (!ckpt->slots[i].valid && ckpt->slots[i].fault)
            ga_report_set(report, GA_CORRUPT, "%s: not used: %s", ckpt->slots[i].name, ckpt->slots[i].fault);
}

enum ga_status ckpt_restore(struct ckpt *ckpt, bool (*accept)(const struct ckpt_info *info, void *context),
                            void *context, struct ckpt_info *info_out, struct ga_report *report)
{
    GA_ASSERT(region_exists());
    int order[CKPT_SLOT_COUNT], count = order_slots(ckpt, order);
    explain_invalid_slots(ckpt, report);
    for (int i = 0; i < count; i++) {
        struct ckpt_slot *slot = &ckpt->slots[order[i]];
        struct ckpt_info info = info_of(ckpt, slot);
        if (accept && !accept(&info, context))
            continue;
        struct ga_report remark = {0};
        enum ga_status status = check_slot(ckpt, slot, &remark);
        if (status == GA_OK)
            status = map_checkpoint(ckpt, order[i], &remark);
        if (status == GA_OK) {
            *info_out = info;
            return GA_OK;
        }
        if (pass_on(&remark, status, report) != GA_CORRUPT)
            return status;
    }
    ga_report_set(report, GA_NOT_FOUND, "there is no checkpoint to restore");
    return GA_NOT_FOUND;
}

void ckpt_set_companion(struct ckpt *ckpt, const struct ckpt_companion *companion)
{
    ckpt->companion = companion;
}

enum ga_status ckpt_restore_start_image(struct ckpt *ckpt, uint64_t build_id, struct ga_report *report)
{
    GA_ASSERT(region_exists());
    struct ga_report own = {0};
    struct ckpt_sums *sums = &region_source.start_sums;
    if (region_source.from == FROM_START_IMAGE)
        ckpt_sums_clear(sums);
    enum ga_status status = ckpt_start_map(build_id, sums, &own);
    if (status != GA_OK) {
        ckpt_sums_clear(sums);
        return pass_on(&own, status, report);
    }
    region_source.from = FROM_START_IMAGE;
    if (ckpt)
        ckpt->mapped = FROM_START_IMAGE;
    return GA_OK;
}

enum ga_status ckpt_reset_to_start_image(uint64_t build_id, struct ga_report *report)
{
    GA_ASSERT(region_source.from == FROM_START_IMAGE);
    return ckpt_reset() ? GA_OK : ckpt_restore_start_image(NULL, build_id, report);
}

/* --- writing --- */

/* Joins pages that follow each other into one write, or one hole. */
struct writer {
    struct ckpt_slot *target;
    uint64_t page, count; /* pending, by number */
    const uint8_t *data;  /* their content; NULL: zero */
    uint64_t written_pages;
    struct ga_report *report;
    bool failed;
};

static void flush(struct writer *writer)
{
    if (writer->count == 0 || writer->failed)
        return;
    enum ga_status status =
        writer->data ? ckpt_slot_put(writer->target, writer->page, writer->count, writer->data, writer->report)
                     : ckpt_slot_put_zero(writer->target, writer->page, writer->count, writer->report);
    writer->failed = status != GA_OK;
    writer->written_pages += writer->data ? writer->count : 0;
    writer->count = 0;
}

/* data: the page in the region, or NULL for zero. */
static void put_page(struct writer *writer, uint64_t page, const uint8_t *data)
{
    const uint8_t *expected = writer->data ? writer->data + writer->count * CKPT_PAGE_BYTES : NULL;
    if (writer->count > 0 && (page != writer->page + writer->count || data != expected))
        flush(writer);
    if (writer->count == 0) {
        writer->page = page;
        writer->data = data;
    }
    writer->count++;
}

/* One segment on its way from `mapped` to `target`. */
struct merge {
    struct writer *writer;
    const struct ckpt_sums *mapped;
    uint64_t elsewhere; /* the sum of clean pages that mapped has none of */
    struct ckpt_sums *target;
    unsigned segment;
    struct ckpt_segment place;
    uint64_t seed;
};

static void merge_page(struct merge *merge, uint64_t index, uint64_t sum)
{
    uint64_t *target_sum = &merge->target->items[merge->segment][index];
    const uint8_t *data = (const uint8_t *)(merge->place.address + index * CKPT_PAGE_BYTES);
    if (sum == CKPT_SUM_UNKNOWN)
        sum = ckpt_page_sum(data, merge->seed);
    if (sum == *target_sum)
        return;
    put_page(merge->writer, merge->place.first_page + index, sum == CKPT_SUM_ZERO ? NULL : data);
    *target_sum = sum;
}

/* Nearly all are equal in both: target's items are never CKPT_SUM_UNKNOWN. */
static void merge_clean(struct merge *merge, uint64_t begin, uint64_t end)
{
    const uint64_t *mapped = merge->mapped->items[merge->segment], *target = merge->target->items[merge->segment];
    uint64_t mapped_count = merge->mapped->counts[merge->segment];
    uint64_t i = begin, both = end < mapped_count ? end : mapped_count;
    for (; i < both; i++)
        if (mapped[i] != target[i])
            merge_page(merge, i, mapped[i]);
    for (; i < end; i++)
        merge_page(merge, i, merge->elsewhere);
}

static void merge_dirty(struct merge *merge, uint64_t begin, uint64_t end)
{
    for (uint64_t i = begin; i < end; i++)
        merge_page(merge, i, CKPT_SUM_UNKNOWN);
}

/* Pages that target has and that are no longer in use. */
static void merge_unused(struct merge *merge, uint64_t begin, uint64_t end)
{
    uint64_t count = merge->target->counts[merge->segment];
    for (uint64_t i = begin; i < end && i < count; i++)
        merge_page(merge, i, CKPT_SUM_ZERO);
}

static bool merge_segment(struct merge *merge, struct ckpt_range range, struct ckpt_dirty *dirty, uint64_t *scan_ns)
{
    uint64_t base = merge->place.address, start_ns = ckpt_now_ns();
    if (!ckpt_dirty_scan(dirty, base + range.begin * CKPT_PAGE_BYTES, base + range.end * CKPT_PAGE_BYTES) ||
        !ckpt_sums_reserve(merge->target, merge->segment, range.end))
        return false;
    *scan_ns += ckpt_now_ns() - start_ns;
    uint64_t at = range.begin;
    merge_unused(merge, 0, range.begin);
    for (uint64_t i = 0; i < dirty->count; i++) {
        uint64_t begin = (dirty->ranges[i][0] - base) / CKPT_PAGE_BYTES;
        uint64_t end = (dirty->ranges[i][1] - base) / CKPT_PAGE_BYTES;
        merge_clean(merge, at, begin);
        merge_dirty(merge, begin, end);
        at = end;
    }
    merge_clean(merge, at, range.end);
    merge_unused(merge, range.end, UINT64_MAX);
    return true;
}

static const struct ckpt_sums *mapped_sums(const struct ckpt *ckpt)
{
    static const struct ckpt_sums nothing;
    if (ckpt->mapped >= 0 && ckpt->mapped_is_known)
        return &ckpt->slots[ckpt->mapped].sums;
    return ckpt->mapped == FROM_START_IMAGE ? &region_source.start_sums : &nothing;
}

/* What to think of clean pages without a sum. */
static uint64_t sum_elsewhere(const struct ckpt *ckpt)
{
    bool is_zero = ckpt->mapped >= 0 ? ckpt->mapped_is_known : ckpt->mapped != FROM_ELSEWHERE;
    return is_zero ? CKPT_SUM_ZERO : CKPT_SUM_UNKNOWN;
}

static enum ga_status write_pages(struct ckpt *ckpt, struct ckpt_slot *target, struct ckpt_info *info,
                                  struct ga_report *report)
{
    struct writer writer = {.target = target, .report = report};
    struct merge merge = {
        .writer = &writer,
        .mapped = mapped_sums(ckpt),
        .elsewhere = sum_elsewhere(ckpt),
        .target = &target->sums,
        .seed = ckpt->id.worker_id,
    };
    unsigned old_segments = ckpt_shape_segments(&target->shape);
    ckpt_shape_now(&target->shape);
    unsigned segments = ckpt_shape_segments(&target->shape);
    segments = segments > old_segments ? segments : old_segments;
    struct ckpt_dirty dirty;
    ckpt_dirty_open(&dirty, CKPT_DIRTY_BEST);
    bool has_memory = true;
    for (merge.segment = 0; merge.segment < segments && has_memory && !writer.failed; merge.segment++) {
        merge.place = ckpt_segment(merge.segment);
        has_memory = merge_segment(&merge, ckpt_shape_range(&target->shape, merge.segment), &dirty, &info->scan_ns);
        flush(&writer);
    }
    ckpt_dirty_close(&dirty);
    info->written_bytes = writer.written_pages * CKPT_PAGE_BYTES;
    if (!has_memory)
        return ga_report_set(report, GA_NO_MEMORY, "no memory for a checkpoint's sums");
    return writer.failed ? report->status : GA_OK;
}

/* The slot that is not mapped; if none is, the one whose loss costs less. */
unsigned ckpt_target(const struct ckpt *ckpt)
{
    int order[CKPT_SLOT_COUNT];
    if (ckpt->mapped >= 0)
        return (unsigned)(1 - ckpt->mapped);
    return order_slots(ckpt, order) > 0 ? (unsigned)(1 - order[0]) : 0;
}

/* C2: whatever is not known for certain is not built upon. */
static void prepare_target(struct ckpt *ckpt, struct ckpt_slot *target)
{
    struct ga_report ignored = {0};
    if (!target->valid)
        return;
    struct ckpt_stamp stamp = ckpt_slot_stamp(target);
    bool untouched = target->stamp.set ? ckpt_stamp_equal(&stamp, &target->stamp) : is_untouched(ckpt, target);
    if (!untouched || ckpt_slot_read_table(target, &ignored) != GA_OK)
        target->valid = false;
}

static enum ga_status write_target(struct ckpt *ckpt, struct ckpt_slot *target, struct ckpt_slot_header header,
                                   struct ckpt_info *info, struct ga_report *report)
{
    const struct ckpt_companion *companion = ckpt->companion;
    unsigned number = (unsigned)(target - ckpt->slots);
    prepare_target(ckpt, target);
    enum ga_status status =
        ckpt_slot_begin(target, companion && companion->is_pending(companion->context, number), report);
    if (status == GA_OK && companion)
        status = companion->write(companion->context, number, &header.companion_sum, report);
    if (status == GA_OK)
        status = write_pages(ckpt, target, info, report);
    if (status != GA_OK)
        return status;
    target->header = header;
    return ckpt_slot_finish(target, &info->sync_ns, report);
}

enum ga_status ckpt_write(struct ckpt *ckpt, uint64_t oplog_index, uint64_t oplog_hash, struct ckpt_info *info_out,
                          struct ga_report *report)
{
    uint64_t start_ns = ckpt_now_ns();
    unsigned number = ckpt_target(ckpt);
    struct ckpt_slot *target = &ckpt->slots[number];
    struct ckpt_info info = {0};
    struct ckpt_slot_header header = {
        .build_id = ckpt->id.build_id,
        .worker_id = ckpt->id.worker_id,
        .sequence = ckpt->newest_sequence + 1,
        .oplog_index = oplog_index,
        .oplog_hash = oplog_hash,
        .flags = REGION->depth == 1 ? CKPT_FLAG_IN_INVOCATION : 0,
    };
    struct ga_report failure = {0};
    if (write_target(ckpt, target, header, &info, &failure) != GA_OK) {
        ckpt_slot_discard(target);
        return pass_on(&failure, failure.status, report);
    }
    write_note(ckpt);
    /* From here on the slot is valid: a process that cannot go on with it is as good as one killed now. */
    if (ckpt_slot_map(target, &failure) != GA_OK) {
        ga_report_print(&failure, NULL);
        abort();
    }
    set_mapped(ckpt, (int)number);
    ckpt->newest_sequence = header.sequence;
    uint64_t scan_ns = info.scan_ns, sync_ns = info.sync_ns, written_bytes = info.written_bytes;
    info = info_of(ckpt, target);
    info.scan_ns = scan_ns;
    info.sync_ns = sync_ns;
    info.written_bytes = written_bytes;
    info.write_ns = ckpt_now_ns() - start_ns - scan_ns - sync_ns;
    *info_out = info;
    return GA_OK;
}

/* --- looking --- */

enum ga_status ckpt_scrub(struct ckpt *ckpt, struct ga_report *report)
{
    int order[CKPT_SLOT_COUNT];
    if (order_slots(ckpt, order) == 0) {
        explain_invalid_slots(ckpt, report);
        ga_report_set(report, GA_NOT_FOUND, "there is no checkpoint");
        return GA_NOT_FOUND;
    }
    struct ckpt_slot *slot = &ckpt->slots[order[0]];
    struct ga_report own = {0};
    enum ga_status status = ckpt_slot_read_table(slot, &own);
    if (status == GA_OK)
        status = ckpt_slot_verify(slot, &own);
    return pass_on(&own, status, report);
}

/* The sum of the pages' hashes, each seeded with its place: zero pages count nothing, however they came to be. */
static uint64_t digest_segment(unsigned index, struct ckpt_range range)
{
    struct ckpt_segment segment = ckpt_segment(index);
    uint64_t digest = 0;
    for (uint64_t i = range.begin; i < range.end; i++)
        digest += ckpt_page_sum((const void *)(segment.address + i * CKPT_PAGE_BYTES), segment.first_page + i);
    return digest;
}

uint64_t ckpt_digest(void)
{
    uint64_t words[3] = {REGION->arena_used_bytes, REGION->memory_count};
    struct ckpt_shape *shape = calloc(1, sizeof *shape);
    GA_ASSERT(shape);
    shape->stack_start = REGION_STACK_TOP;
    shape->arena_bytes = REGION->arena_used_bytes;
    shape->memory_count = REGION->memory_count;
    for (uint32_t i = 0; i < shape->memory_count; i++)
        shape->memory_bytes[i] = REGION->memories[i].size_bytes;
    for (unsigned i = CKPT_ARENA; i < ckpt_shape_segments(shape); i++)
        words[2] += digest_segment(i, ckpt_shape_range(shape, i));
    uint64_t digest = ga_hash64(words, sizeof words, 0) ^
                      ga_hash64(shape->memory_bytes, shape->memory_count * sizeof *shape->memory_bytes, 1);
    free(shape);
    return digest;
}
