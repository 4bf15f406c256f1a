#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_arena.h"
#include "ga_report.h"

/*
 * The only door to persistence. Implementations: store_sqlite.c (embedded). All texts are UTF-8; times are
 * nanoseconds since 1970, UTC. Every function's failure leaves the store as it was.
 */
struct store;

struct store_worker {
    uint64_t id;             /* random, below 2^63; never 0 */
    uint64_t epoch;          /* counts owners; an append of an older epoch is refused */
    char component_id[37];   /* UUID text */
    char component_hash[65]; /* SHA-256 hex of the component */
    uint64_t created_at_ns;
    uint64_t last_index; /* of the oplog; 0 if it is empty */
    uint64_t last_hash;  /* chain hash after last_index */
};

/* A run of consecutive oplog entries as one commit wrote them. */
struct store_chunk {
    uint64_t first_index;
    uint32_t count;
    uint64_t epoch;
    uint64_t hash;    /* chain hash after its last entry */
    const void *data; /* the encoded entries */
    size_t size;
    size_t written_size; /* read_next: what size was when it was written; they differ when the chunk is torn */
};

/* An invocation's place, kept beside the oplog (and rebuilt from it) so that a key is found at once. */
struct store_invocation {
    const char *key;
    uint64_t invoked_index;
    uint64_t completed_index; /* 0 while it is not complete */
};

/* What the table of invocations says about the oplog. */
struct store_invocation_summary {
    uint64_t completed_count;
    uint64_t last_index; /* of an entry that it names; 0: none */
};

/* What one commit writes, all or nothing. */
struct store_commit {
    const struct store_chunk *chunk;            /* NULL: none */
    const struct store_invocation *invocations; /* added, or completed_index updated */
    uint32_t invocation_count;
    const uint64_t *promises; /* oplog indexes of promises that the worker made: pending from now on */
    uint32_t promise_count;
};

struct store_promise {
    bool complete;
    bool deleted; /* kept for those who replay that they waited for it or completed it */
    const void *data;
    size_t size;
};

/* Who completes a promise: a worker, at a place of its oplog. The same completion again is no second one. */
struct store_completer {
    uint64_t worker_id; /* 0: somebody outside */
    uint64_t oplog_index;
};

struct store_ops {
    /* The worker of that name, GA_NOT_FOUND if it has none. Takes no lock: for those who only read. GA_CORRUPT: something
     * was committed for that name, and is gone. */
    enum ga_status (*worker_find)(struct store *, const char *name, struct store_worker *out, struct ga_report *);
    /*
     * Takes the worker's lock, which dies with this process: GA_CONFLICT if another process holds it. A worker that is not there
     * (created_out) gets an id, and comes into being with the first commit. wanted: component_id, component_hash and
     * created_at_ns for a new one; whether an old one fits them is for the caller to see.
     */
    enum ga_status (*worker_open)(struct store *, const char *name, const struct store_worker *wanted,
                                  struct store_worker *worker_out, bool *created_out, struct ga_report *);
    void (*worker_close)(struct store *, uint64_t worker_id);
    /* Durable when it returns GA_OK. GA_CONFLICT: somebody of a newer epoch has written. */
    enum ga_status (*commit)(struct store *, uint64_t worker_id, const struct store_commit *, struct ga_report *);
    /* Puts one shorter chunk (NULL: none) in the place of chunk `first_index` and all behind it. For torn tails. */
    enum ga_status (*cut)(struct store *, uint64_t worker_id, uint64_t first_index, const struct store_chunk *shorter,
                          struct ga_report *);
    /* Chunks from the one that holds from_index on, in order; next gives GA_NOT_FOUND at the end. The chunk's data is
     * valid until the next call. One reading at a time. */
    enum ga_status (*read_start)(struct store *, uint64_t worker_id, uint64_t from_index, struct ga_report *);
    enum ga_status (*read_next)(struct store *, struct store_chunk *chunk_out, struct ga_report *);
    void (*read_end)(struct store *);
    /* The chain hash after the chunk that ends with entry `index`; GA_NOT_FOUND if none ends there. */
    enum ga_status (*hash_at)(struct store *, uint64_t worker_id, uint64_t index, uint64_t *hash_out,
                              struct ga_report *);
    /* key in out is the caller's. */
    enum ga_status (*invocation_find)(struct store *, uint64_t worker_id, const char *key, struct store_invocation *out,
                                      struct ga_report *);
    /* Reads all of the worker's. */
    enum ga_status (*invocation_summary)(struct store *, uint64_t worker_id, struct store_invocation_summary *out,
                                         struct ga_report *);
    enum ga_status (*promise_get)(struct store *, const char *component_id, const char *worker, uint64_t index,
                                  struct ga_arena *, struct store_promise *out, struct ga_report *);
    /* done_out: false if it was complete by somebody else. GA_NOT_FOUND if there is no such promise, or a deleted one that
     * `by` has not completed. */
    enum ga_status (*promise_complete)(struct store *, const char *component_id, const char *worker, uint64_t index,
                                       const void *data, size_t size, struct store_completer by, bool *done_out,
                                       struct ga_report *);
    /* GA_NOT_FOUND if there is none. Once more is no error. */
    enum ga_status (*promise_delete)(struct store *, const char *component_id, const char *worker, uint64_t index,
                                     struct ga_report *);
    /* The worker's directory for checkpoints and files, made if needed. The fd is the caller's. Takes no lock. */
    enum ga_status (*worker_directory)(struct store *, const char *name, int *fd_out, struct ga_report *);
    void (*close)(struct store *);
};

struct store {
    const struct store_ops *ops;
};

/* The data directory is made if needed, unless must_exist: then GA_NOT_FOUND. */
enum ga_status store_sqlite_open(const char *directory, bool must_exist, struct store **store_out,
                                 struct ga_report *report) GA_MUST_USE;

#endif
