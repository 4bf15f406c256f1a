#ifndef CKPT_H
#define CKPT_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_report.h"

/*
 * Checkpoints: images of the region. See ckpt_slot.c for the file format and what makes a slot valid, ckpt.c for the
 * rest.
 *
 * A worker has two slot files (ckpt-0, ckpt-1 in its directory). The region is mapped MAP_PRIVATE from one of them
 * (or from the executable's own start image); the next checkpoint is written to the other, complete, synced, and only
 * then named valid by its header, synced again. So the file that is mapped is never written.
 */
struct ckpt_id {
    uint64_t build_id;  /* of the executable: code addresses are only valid in the same build */
    uint64_t worker_id; /* random, chosen when the worker was created */
};

struct ckpt_info {
    uint64_t sequence;    /* counts checkpoints of the worker, from 1; 0: the start image */
    uint64_t oplog_index; /* the last entry whose effect is in the image */
    uint64_t oplog_hash;  /* the chain hash after that entry */
    bool in_invocation;   /* a guest call rests at a gate; gate_resume continues it */
    unsigned slot;
    uint64_t companion_sum; /* as its write returned it; 0: there is none */
    uint64_t page_count;  /* stored */
    uint64_t written_bytes, scan_ns, write_ns, sync_ns; /* of the last ckpt_write */
};

/* What belongs to a checkpoint and lies beside the slots: written with each, while the slot is not valid (durably so
 * if it is pending). What it wrote is synced when write returns, and valid if the slot is, with that sum. */
struct ckpt_companion {
    bool (*is_pending)(void *context, unsigned slot); /* write would change something */
    enum ga_status (*write)(void *context, unsigned slot, uint64_t *sum_out, struct ga_report *report);
    void *context;
};

struct ckpt;

/* directory_fd stays the caller's, and open as long as the ckpt; -1: there are no slots. The caller ignores SIGXFSZ: a file-size
 * limit is reported like a full disk. */
enum ga_status ckpt_open(int directory_fd, struct ckpt_id id, struct ckpt **ckpt_out,
                         struct ga_report *report) GA_MUST_USE;

/* Checkpoints have this companion from now on; it stays the caller's. */
void ckpt_set_companion(struct ckpt *ckpt, const struct ckpt_companion *companion);

/* Maps the start image that `golem-aot build` put into the running executable, if there is one: GA_NOT_FOUND if not.
 * The region must exist (region_create) and not have been used. ckpt: what it is going to be written to; may be NULL. */
enum ga_status ckpt_restore_start_image(struct ckpt *ckpt, uint64_t build_id, struct ga_report *report) GA_MUST_USE;

/* The region as ckpt_restore_start_image left it: nothing of what was done since is there. Only where the region is still
 * mapped from the start image. */
enum ga_status ckpt_reset_to_start_image(uint64_t build_id, struct ga_report *report) GA_MUST_USE;

/* Tries the valid slots, newest first; accept(info, context) refuses those whose oplog position does not fit.
 * GA_NOT_FOUND if none remains; the region is untouched then (after any other failure it is unusable). accept may be
 * NULL. A slot that is torn, foreign or damaged is skipped, and why is in report as a remark for the log even when an
 * older one is taken. */
enum ga_status ckpt_restore(struct ckpt *ckpt, bool (*accept)(const struct ckpt_info *info, void *context),
                            void *context, struct ckpt_info *info_out, struct ga_report *report) GA_MUST_USE;

/* Writes a checkpoint of the region as it is now. Everything up to oplog_index must be durable already. On failure
 * the worker goes on unharmed with its older checkpoint. After success the region is mapped from the new file. */
enum ga_status ckpt_write(struct ckpt *ckpt, uint64_t oplog_index, uint64_t oplog_hash, struct ckpt_info *info_out,
                          struct ga_report *report) GA_MUST_USE;

/* The slot that ckpt_write would write to. */
unsigned ckpt_target(const struct ckpt *ckpt);

/* A digest of guest-visible state: linear memories, their sizes, and the arena (not stack, not header). Two runs of one
 * build at the same oplog position have the same digest. Reads all pages. */
uint64_t ckpt_digest(void);

/* Reads all pages of the newest valid slot and compares with their checksums. GA_CORRUPT names the page; GA_NOT_FOUND
 * if there is no valid slot. */
enum ga_status ckpt_scrub(struct ckpt *ckpt, struct ga_report *report) GA_MUST_USE;

/* Writes the region as a start image at fd's position, which is first moved up to a multiple of 4096; it must be the
 * end of the executable, at a multiple of 4096 too if it was written elsewhere. No guest frame may be active. */
enum ga_status ckpt_write_start_image(int fd, uint64_t build_id, struct ga_report *report) GA_MUST_USE;

void ckpt_close(struct ckpt *ckpt);

#endif
