#ifndef DURABLE_WORKER_H
#define DURABLE_WORKER_H

#include <signal.h>

#include "cabi.h"
#include "ckpt.h"
#include "durable.h"
#include "files.h"
#include "gate.h"
#include "host.h"
#include "journal.h"
#include "region.h"
#include "replay.h"

/*
 * A worker: one instance of the component of this executable, in this process. See worker.c for its life.
 */

/* --- what survives with the guest: in the region, in every checkpoint --- */

struct host_resource_entry {
    const struct host_resource_type *type; /* NULL: free */
    void *record;                          /* region memory */
    uint32_t parent, child_count; /* parent: rep, 0 if none. Free: parent is the free entry that was freed before */
};

struct host_resource_table {
    struct host_resource_entry *entries; /* region memory, [0] unused */
    uint32_t count, capacity, free_head;
    uint32_t forbidding; /* resources whose type forbids checkpoints */
};

/* Resources of the guest that are owned by the outside, through functions that returned them. */
struct guest_resource {
    const struct cabi_resource *type; /* NULL: dropped */
    uint32_t rep;
    char *key; /* region memory: parameters of an indexed resource, as text; NULL: not indexed */
    uint32_t key_size;
};

struct guest_resource_table {
    struct guest_resource *entries; /* region memory; the index is the id, from 0, never used again */
    uint32_t count, capacity;
};

enum invocation_stage {
    INVOCATION_NONE,
    INVOCATION_CONSTRUCT, /* of an indexed resource, before the function itself */
    INVOCATION_CALL
};

struct invocation_state {
    uint32_t stage;         /* enum invocation_stage */
    bool may_rest;          /* a host call may be a place for a checkpoint: nothing on the host's stack counts */
    uint64_t invoked_index; /* its ExportedFunctionInvoked */
    const struct rt_export *export;
    struct cabi_call call;
    uint32_t response; /* of the virtual HTTP handler: what collects it (http_handler.h) */
    char key[GA_MAX_IDEMPOTENCY_KEY_BYTES + 1];
};

/* What the guest has said of how it wants to be recorded. */
struct durable_settings {
    uint64_t atomic_begin; /* of the outermost atomic region that is open; 0: none */
    uint64_t open_batches; /* begun and not ended */
    bool not_idempotent;
    bool has_retry_policy;
    struct durable_retry_policy retry_policy;
};

struct durable_state {
    uint64_t call_count; /* host calls since the beginning: tells apart the calls between two entries */
    struct host_resource_table host_resources;
    struct guest_resource_table guest_resources;
    struct invocation_state invocation;
    struct durable_settings settings;
};
_Static_assert(sizeof(struct durable_state) <= REGION_DURABLE_STATE_BYTES, "the region header has no room");

#define STATE ((struct durable_state *)(uintptr_t)REGION->durable_state)

/* --- the worker in this process --- */

enum worker_mode {
    WORKER_LIVE,
    WORKER_VERIFY,     /* replays from entry 1 to the end, and stops there */
    WORKER_START_IMAGE /* instantiates; may not record anything */
};

/* A file that a worker finds when it is created. */
struct worker_initial_file {
    const char *host_path;
    const char *path; /* the guest's: absolute, without "." and ".." */
    bool read_only;
};

struct worker_config {
    enum worker_mode mode;
    const char *data; /* the data directory; NULL: ephemeral */
    const char *name;
    bool must_exist; /* do not create it: GA_NOT_FOUND */
    bool command;    /* `run` */
    uint32_t argument_count;
    const char *const *arguments; /* for a worker that is created */
    uint32_t variable_count;
    const char *const *variables; /* "NAME=VALUE", the same */
    uint32_t file_count;
    const struct worker_initial_file *files; /* the same; not for commands */
    uint32_t preopen_count;
    const struct worker_preopen *preopens;
    void (*remark)(const char *text); /* what somebody should know who reads the log; may be NULL */
};

/* The initial files of a worker that exists: worker_initial.c. */
struct worker_initial {
    uint32_t count, read_only_count;
    const char *const *texts; /* "ro SIZE SUM PATH", as in its Create */
    uint64_t *pinned;         /* inodes of the directories that lead to read-only ones; NULL: not found out yet */
    uint32_t pinned_count;
};

struct worker {
    /* What a recorded call touches comes first. */
    uint64_t next_tick_us; /* dispatch.c */
    bool recording;        /* host calls go into an oplog */
    bool replaying;        /* ... and come from it: entries remain that the guest must ask for */
    bool leaving;          /* nothing may be recorded any more: verify is at the end, or a start image is made */
    bool going_back;       /* durable_go_back: the worker is to be brought back, and goes on */
    bool gone_back;        /* it was, in this process */
    bool silent;           /* durable_batch_silent, of the value that is being made */
    uint32_t calls_inside; /* host calls under way */
    uint32_t live_forbidding; /* host resources whose live part forbids checkpoints */
    struct ga_arena scratch;
    struct ga_buf request;
    struct journal journal;
    struct replay replay;

    const struct worker_config *config;
    struct store *store; /* NULL: ephemeral */
    struct store_worker identity;
    struct worker_environment environment;
    struct ga_arena lasting;
    struct replay_summary summary;
    bool open;           /* the store's lock is held */
    bool failed, exited; /* no invocation is possible any more */
    bool stillborn;      /* ... since it was instantiated, by this process */
    uint8_t exit_status;
    char failure[1024];         /* why it failed */
    struct ga_report abandoned; /* why the guest was left, where it was no trap */
    volatile sig_atomic_t stop_signal;
    void (*before_waiting)(struct worker *worker); /* for worker_about_to_wait; may be NULL */
    struct files files;
    struct worker_initial initial;

    struct ckpt *ckpt;
    struct ckpt_companion companion; /* the files */
    int directory_fd;
    struct ckpt_info last_checkpoint;
    uint64_t last_checkpoint_calls; /* STATE->call_count of it */
    uint64_t checkpoint_beyond; /* a checkpoint was taken at this entry, but the oplog ends before it; 0: none */
    bool slots_unusable;        /* checkpoints cannot be read or written */
    bool restored;              /* the region came from a checkpoint of this worker */
    bool looking;               /* ... that may belong to another process: nothing of it is to be changed */
    bool from_start_image;      /* ... from the executable's start image */
    uint64_t restore_ns;
    uint64_t tail_start_ns, tail_start_cpu_ns; /* when the last checkpoint was made or restored */
    uint64_t checkpoint_cost_ns;               /* of the last one; 0: none was made yet */
    uint64_t checkpoint_files_ns;              /* ... and what part of it the files were */
    uint64_t checkpoint_count;                 /* made in this process */

    /* Verify: where the newest checkpoint was taken, and the digest of what it restores. */
    bool digest_wanted, digest_seen;
    struct ckpt_info digest_at;
    uint64_t digest_call_count, digest_restored, digest_replayed;
    uint64_t calls_replayed;
};

/* The one of this process. */
extern struct worker worker_this;

/* Opens or creates the worker: its oplog checked, its region restored or made anew, all of the tail replayed, an
 * invocation that was under way finished. GA_OK also for a worker that has failed or exited (worker->failed).
 * config stays the caller's. */
enum ga_status worker_start(struct worker *worker, const struct worker_config *config,
                            struct ga_report *report) GA_MUST_USE;

/* Only opens it and reads its oplog: for those who look. GA_NOT_FOUND if there is none. Takes the lock only if
 * `lock`. */
enum ga_status worker_look(struct worker *worker, const struct worker_config *config, bool lock,
                           struct ga_report *report) GA_MUST_USE;

/* Commits, takes a last checkpoint if it is worth it, and lets go of everything. */
enum ga_status worker_stop(struct worker *worker, struct ga_report *report) GA_MUST_USE;

/* Makes an ephemeral worker as new, in microseconds: as worker_start left it. False: it did not start from a start image, or
 * something of the process's is left (an open socket): the process is to end. */
bool worker_reset(struct worker *worker);

/* Takes a checkpoint now, between invocations. GA_UNSUPPORTED with the reason where it is forbidden. */
enum ga_status worker_checkpoint(struct worker *worker, struct ga_report *report) GA_MUST_USE;

/* Replays everything and compares; what was compared is in worker->summary, calls_replayed and digest_*.
 * GA_DIVERGED with both sides. */
enum ga_status worker_verify(struct worker *worker, const struct worker_config *config,
                             struct ga_report *report) GA_MUST_USE;

/* Instantiates and writes the region to fd as a start image. GA_UNSUPPORTED if the guest recorded something. */
enum ga_status worker_write_start_image(struct worker *worker, int fd, struct ga_report *report) GA_MUST_USE;

/* Of this executable: changes with every build. */
uint64_t worker_build_id(void);

/* --- inside durable --- */

/* Leaves the guest for good, with the report as the reason. Call only below a gate. */
__attribute__((noreturn)) void worker_abandon(struct worker *worker, const struct ga_report *report);

/* Commits from within a host call; abandons the guest if that fails. */
void worker_commit(struct worker *worker);

/* Whether now is a place where a checkpoint may be taken; reason_out (may be NULL) says why not. */
bool worker_may_checkpoint(const struct worker *worker, const char **reason_out);

/* Takes a checkpoint if the tail has become worth it; leaving: the process is about to end. */
void worker_consider_checkpoint(struct worker *worker, bool leaving);

/* Some resource has a live part; drops the live parts of all, the records stay. */
bool host_resources_are_live(void);
void host_resources_drop_live(struct worker *worker);

/* Runs host code that may trap while no guest is active: it lands here. */
enum gate_outcome worker_gated(struct worker *worker, void (*function)(struct worker *worker, void *context),
                               void *context) GA_MUST_USE;

/* In verify: takes the digest if this is where the newest checkpoint was taken. */
void worker_compare_digest(struct worker *worker);

/* The replay is over: what follows is appended. */
void worker_go_live(struct worker *worker);

/* Appends to the failure of a worker: Error and commit. */
void worker_note_trap(struct worker *worker);
void worker_note_exit(struct worker *worker);

#endif
