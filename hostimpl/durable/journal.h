#ifndef DURABLE_JOURNAL_H
#define DURABLE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "oplog.h"
#include "store.h"

/*
 * The live end of a worker's oplog: entries are appended to a buffer, and a commit makes all of them durable at once.
 * Nothing waits for the disk but an output (docs/ARCHITECTURE.md, "Output commit"): whoever makes one commits before
 * it.
 *
 * What the guest prints is an output too. It is kept here and written to the process's own streams by the commit that
 * makes its Log entry durable, so that a line that was seen is never printed again.
 */
struct journal {
    struct oplog_tail tail; /* appended, not committed */
    struct store *store;    /* NULL: ephemeral, commits forget */
    uint64_t worker_id, epoch;
    struct store_invocation *invocations;
    uint32_t invocation_count, invocation_capacity;
    uint64_t *promises;
    uint32_t promise_count, promise_capacity;
    struct ga_buf echo[2];     /* for file descriptors 1 and 2 */
    uint64_t waiting_since_us; /* when the oldest of what is not committed was appended; 0 if all is */
    uint64_t commit_cost_ns;   /* of the last commit */
    uint64_t commit_count;
};

/* Appending starts behind entry last_index. */
void journal_start(struct journal *journal, struct store *store, uint64_t worker_id, uint64_t epoch,
                   uint64_t last_index, uint64_t last_hash);

/* The wall clock as entries are stamped with it: cheap, to a few milliseconds. */
uint64_t journal_now_us(void);

/* The last entry appended. */
static inline uint64_t journal_last_index(const struct journal *journal)
{
    return journal->tail.first_index + journal->tail.count - 1;
}

static inline bool journal_is_committed(const struct journal *journal)
{
    return journal->tail.count == 0 && journal->invocation_count == 0;
}

/* Appends an entry (oplog_append) and returns its index. */
uint64_t journal_append(struct journal *journal, enum oplog_kind kind, const struct oplog_value *values);

/* Go with the next commit: a key's place (key is copied), a promise. */
void journal_add_invocation(struct journal *journal, const char *key, uint64_t invoked_index, uint64_t completed_index);
void journal_add_promise(struct journal *journal, uint64_t oplog_index);
bool journal_has_promise(const struct journal *journal, uint64_t oplog_index);

/* Written to file descriptor fd (1 or 2) when all that was appended so far is durable. */
void journal_echo(struct journal *journal, int fd, const void *data, size_t size);

/* Everything appended so far is durable when it returns GA_OK. After a failure the worker must not go on: what was
 * not committed has happened only in its memory. */
enum ga_status journal_commit(struct journal *journal, struct ga_report *report) GA_MUST_USE;

void journal_free(struct journal *journal);

#endif
