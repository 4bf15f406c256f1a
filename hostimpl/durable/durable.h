#ifndef DURABLE_H
#define DURABLE_H

#include "ga_buf.h"
#include "host.h"
#include "oplog.h"

/*
 * The oplog as custom host functions see it. Each call is right in both modes: live it appends, in replay it takes the
 * next entry and returns what was recorded; a difference is a divergence (reported with both sides, worker_abandoned).
 */

/* Appends an entry without payload (NoOp, BeginAtomicRegion, ...) and returns its index. */
uint64_t durable_mark(struct worker *worker, enum oplog_kind kind, uint64_t argument);

/* Records one value under a name: live runs make(context, result) and records the result; in replay decodes it.
 * request_type and request are NULL where there is no request. */
void durable_value(struct worker *worker, const char *record_name, enum durability durability,
                   const struct cabi_type *request_type, const void *request, const struct cabi_type *result_type,
                   void *result, void (*make)(void *context, void *result), void *context);

/* Index of the last entry (Golem's "current oplog index"). */
uint64_t durable_index(struct worker *worker);

/* Everything appended so far is durable when this returns. No-op in replay. */
void durable_commit(struct worker *worker);

/* The key of the invocation under way; "" if there is none. */
const char *durable_idempotency_key(struct worker *worker);

/* A UUID v5 of (key of the invocation, "oplog-index-N"), as Golem derives them. */
void durable_derive_key(struct worker *worker, uint64_t oplog_index, uint8_t uuid_out[16]);

/* The worker stops until something outside happens (a promise, a long sleep): commits Suspend, and leaves the process's
 * guest. wake_at_ns: CLOCK_REALTIME, 0 if only an event can wake it. */
__attribute__((noreturn)) void durable_suspend(struct worker *worker, uint64_t wake_at_ns);

/*
 * Promises live in the store: shared by all workers of a data directory. data is valid until the scratch reset.
 *
 * A deleted one stays known there, because workers that are brought back look for it again: who waited for it records
 * nothing, and gets its data for ever; who completed it may have lost that entry, and has still completed it. For
 * everyone else it is gone.
 */
enum promise_state {
    PROMISE_NONE,
    PROMISE_PENDING,
    PROMISE_COMPLETE,
    PROMISE_DELETED /* it was complete, with this data */
};
void durable_promise_create(struct worker *worker, uint64_t oplog_index);
enum promise_state durable_promise_get(struct worker *worker, const char *component_id, const char *worker_name,
                                       uint64_t oplog_index, struct cabi_list *data_out);
/* The state that it was in: PROMISE_PENDING means that this call has completed it, now or before a crash. */
enum promise_state durable_promise_complete(struct worker *worker, const char *component_id, const char *worker_name,
                                            uint64_t oplog_index, const void *data, size_t size);

/* Nothing happens if it does not exist, or in replay. Commits first: the caller has recorded it. */
void durable_promise_delete(struct worker *worker, const char *component_id, const char *worker_name, uint64_t oplog_index);

#endif
