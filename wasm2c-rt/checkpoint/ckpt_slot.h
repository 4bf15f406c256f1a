#ifndef CKPT_SLOT_H
#define CKPT_SLOT_H

#include "ckpt.h"
#include "ckpt_pages.h"

/* One slot file: its format, what makes it valid, reading and mapping it. See ckpt_slot.c. */

#define CKPT_SLOT_COUNT 2

/* The header page, as it lies in the file; what follows it up to 4096 bytes is zero. */
struct ckpt_slot_header {
    uint64_t magic;
    uint32_t version;
    uint32_t page_bytes;
    uint64_t build_id;
    uint64_t worker_id;
    uint64_t sequence;
    uint64_t oplog_index;
    uint64_t oplog_hash;
    uint64_t flags;
    uint64_t file_bytes;
    uint64_t table_offset;
    uint64_t run_count;
    uint64_t page_count;
    uint64_t table_sum;
    uint64_t stack_start;
    uint64_t arena_bytes;
    uint64_t memory_count;
    uint64_t companion_sum;
    uint64_t header_sum;
};

#define CKPT_FLAG_IN_INVOCATION 1u

/* What the system says of a file: equal stamps of the same boot mean that nobody wrote to it in between. */
struct ckpt_stamp {
    uint64_t device, inode, size, mtime_ns, ctime_ns;
    uint8_t boot_id[36];
    uint32_t set; /* 1: the rest means something */
};

struct ckpt_slot {
    int directory_fd;
    const char *name;
    int fd;            /* -1 if there is no such file */
    bool valid;        /* header holds a valid header of this worker and build */
    const char *fault; /* why it is not valid, for people; NULL if there is no file */
    bool table_read;   /* sums hold its table */
    struct ckpt_slot_header header;
    struct ckpt_shape shape;
    struct ckpt_sums sums;   /* what the file's pages hold; all zero for a file without pages */
    struct ckpt_stamp stamp; /* as it was when we last left it, or when it was verified */
};

/* Opens the file if it exists, and reads its header. A missing, foreign or damaged one, or one that cannot be opened,
 * is no failure: slot->valid is false then. */
enum ga_status ckpt_slot_open(struct ckpt_slot *slot, struct ckpt_id id, struct ga_report *report) GA_MUST_USE;
void ckpt_slot_close(struct ckpt_slot *slot);

/* Reads the table: shape and sums. GA_CORRUPT if it is damaged: the slot is not valid then. */
enum ga_status ckpt_slot_read_table(struct ckpt_slot *slot, struct ga_report *report) GA_MUST_USE;

/* Reads all pages and compares them with their sums; GA_CORRUPT names the first that differs. */
enum ga_status ckpt_slot_verify(const struct ckpt_slot *slot, struct ga_report *report) GA_MUST_USE;

/* Maps all pages in use into the region, and fresh zeroed pages for the rest of the stack. */
enum ga_status ckpt_slot_map(const struct ckpt_slot *slot, struct ga_report *report) GA_MUST_USE;

/* Writing, in this order: begin (creates the file if need be; what it held is invalid from here on, also after a power
 * failure if `sync`), pages, finish (table, sync, header, sync). After a failure of any: ckpt_slot_discard. */
enum ga_status ckpt_slot_begin(struct ckpt_slot *slot, bool sync, struct ga_report *report) GA_MUST_USE;
enum ga_status ckpt_slot_put(struct ckpt_slot *slot, uint64_t page, uint64_t count, const void *data,
                             struct ga_report *report) GA_MUST_USE;
enum ga_status ckpt_slot_put_zero(struct ckpt_slot *slot, uint64_t page, uint64_t count,
                                  struct ga_report *report) GA_MUST_USE;

/* sums and shape are the slot's own; header has the caller's part filled in: ids, sequence, oplog position, flags. */
enum ga_status ckpt_slot_finish(struct ckpt_slot *slot, uint64_t *sync_ns_out, struct ga_report *report) GA_MUST_USE;

/* Empties the file. */
void ckpt_slot_discard(struct ckpt_slot *slot);

/* The file's stamp now; not set if the system does not tell. */
struct ckpt_stamp ckpt_slot_stamp(const struct ckpt_slot *slot);
bool ckpt_stamp_equal(const struct ckpt_stamp *a, const struct ckpt_stamp *b);

/* CLOCK_MONOTONIC. */
uint64_t ckpt_now_ns(void);

#endif
