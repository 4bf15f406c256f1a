#ifndef DURABLE_FILES_H
#define DURABLE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ga_arena.h"
#include "ga_map.h"
#include "ga_report.h"

/*
 * A worker's files: its private directory in this process, what it has open there, and how they get into checkpoints and
 * back. files.c has the directory and the bookkeeping; files_slot.c the format of what lies beside a checkpoint's slot, and
 * writing it; files_restore.c makes files of it again; files_scan.c has the walk that writing and the digest share.
 */
enum { FILES_SLOTS = 2, FILES_RANGES = 16 };

struct files_range {
    uint64_t begin, end;
};

/* What a slot's copy of a file lacks. */
struct files_lack {
    uint64_t cut; /* the file was cut here, or grew from here, since; UINT64_MAX: it was not */
    struct files_range *ranges; /* written since: ascending, not touching; room for FILES_RANGES */
    uint32_t count;
};

/* A regular file, or a link with several names. */
struct files_node {
    uint64_t inode; /* 0: the file is gone, slots may have it still */
    uint64_t id;    /* its name in slots */
    uint64_t seen;  /* by which scan, last */
    uint32_t ordinal;
    bool stored[FILES_SLOTS]; /* the slot has a copy */
    struct timespec stamp[FILES_SLOTS]; /* modification time of the copy */
    struct files_lack lacks[FILES_SLOTS];
};

struct files_open {
    int fd;    /* -1: none */
    int flags; /* open(2)'s access mode */
    struct files_node *node; /* where what is written is noted; NULL: nowhere */
};

struct files_slot {
    bool known;   /* what its directory holds is what the nodes say */
    bool touched; /* something was done to files since it was written */
    uint64_t sum;
    uint64_t lacking_bytes;
};

struct files {
    int home_fd; /* the worker's own directory, which has the slots; -1: there are no checkpoints */
    int live_fd; /* the directory of this process; -1: not made yet */
    int root_fd; /* in it: what the guest sees as its root */
    char temporary[64]; /* the path of a live directory that is to be removed at the end; "": it lies in home_fd */
    struct files_open *open; /* by rep of the host resource */
    uint32_t open_capacity, open_count;
    struct files_node **nodes;
    uint32_t node_count, node_capacity;
    struct ga_arena arena; /* by_inode's */
    struct ga_map by_inode;
    struct files_slot slots[FILES_SLOTS];
    uint64_t next_id, scans;
    uint64_t object_count, total_bytes; /* at the last scan or restore */
};

/* The fd stays the caller's, and open as long as files; -1: no checkpoints. temporary: the live directory is made in
 * $TMPDIR, because home_fd belongs to another process. */
void files_init(struct files *files, int home_fd);

/* A fresh, empty directory, in $TMPDIR if temporary (always without home_fd). 0 or a negative errno. */
int files_make(struct files *files, bool temporary);

/* Closes all; removes a temporary directory. */
void files_end(struct files *files);

/* --- open files, each held by a host resource --- */

/* fd becomes the resource's. flags: as it was opened. fresh: it may have been made, or emptied, by opening it. */
void files_put(struct files *files, uint32_t rep, int fd, int flags, bool fresh);
int files_fd(struct files *files, uint32_t rep); /* -1: it has none */
void files_drop(struct files *files, uint32_t rep);

/* What is to be noted before or after it is done, as long as nothing else comes between. */
void files_touch(struct files *files);                                                /* anything */
void files_note_write(struct files *files, uint32_t rep, uint64_t begin, uint64_t end); /* bytes */
void files_note_size(struct files *files, uint32_t rep, uint64_t size);               /* a new size */

/* --- checkpoints --- */

/* A slot lacks something. */
bool files_is_pending(const struct files *files, unsigned slot);

/* What writing it would cost, about. */
uint64_t files_cost_ns(const struct files *files, unsigned slot);

/* Brings a slot up to date. All is synced when it returns; *sum_out names what was written (0: there are no files). The
 * checkpoint beside it must not be valid meanwhile. After a failure the slot is empty. */
enum ga_status files_write(struct files *files, unsigned slot, uint64_t *sum_out, struct ga_report *report) GA_MUST_USE;

/* Makes the directory anew from a slot: GA_CORRUPT if it does not hold what was written under that sum. The slot is
 * not changed. */
enum ga_status files_restore(struct files *files, unsigned slot, uint64_t sum, bool temporary,
                             struct ga_report *report) GA_MUST_USE;

/* Of names, contents, links, and what is open: not of times, which differ in replay. 0: there are no files. */
uint64_t files_digest(struct files *files);

/* --- inside: files.c for the others --- */

/* The node of an inode, made if there is none. */
struct files_node *files_node(struct files *files, uint64_t inode);

/* Forgets nodes that no slot has and whose file is gone. */
void files_sweep(struct files *files);

/* The slot's copies lack nothing, or there are none any more. */
void files_lack_nothing(struct files_node *node, unsigned slot);

#endif
