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

/*
 * Batches: one effect on the world with several results, like an HTTP exchange. Its begin is durable before the effect, its end
 * before anything goes on that could rely on it not being repeated.
 *
 *   BeginRemoteWrite                                      durable_batch_begin, committed
 *   ImportedFunctionInvoked, WriteRemoteBatched(begin)    durable_batch_value, as often as there are results
 *   EndRemoteWrite{begin}                                 durable_batch_end, committed
 *
 * (Golem's entries. It commits each value and not the end; but only the end says that there is nothing to repeat, and a
 * value that is to be seen elsewhere is committed by what carries it there.)
 *
 * After a crash an unfinished batch is had again where that is no contradiction to what was seen of it. If none of its results
 * was given to the guest, the effect is simply had when the worker is live (DEFERRED). If some were, the guest
 * forgets them: a Jump hides all entries behind the begin, and the guest goes on live from there (LIVE). But not if
 * others can see what happened behind the begin, or if that is not of the invocation under way: then the batch is LOST. So
 * that it is known what others can see, each call of a writing class stands between a begin and an end of its own
 * while a batch is open (record.h).
 */
enum durable_batch {
    DURABLE_BATCH_LIVE,     /* the effect is to be had now */
    DURABLE_BATCH_RECORDED, /* replay: finished; all its results are in the oplog, there is to be no effect */
    DURABLE_BATCH_DEFERRED, /* replay: unfinished, nothing of its results was given: the effect is to be had when the first result
                               is made (make of a durable_batch_value, or whatever else comes when the worker is live) */
    DURABLE_BATCH_LOST      /* replay: unfinished, part of its results was given, and it cannot be repeated: what is made
                               of it, live, are errors */
};

/* begin_out: the batch's begin, 0 if nothing is recorded (always LIVE then). When it returns LIVE, the begin is durable. */
enum durable_batch durable_batch_begin(struct worker *worker, uint64_t *begin_out);

/* Like durable_value, as part of the batch. */
void durable_batch_value(struct worker *worker, uint64_t begin, const char *record_name,
                         const struct cabi_type *request_type, const void *request,
                         const struct cabi_type *result_type, void *result,
                         void (*make)(void *context, void *result), void *context);

/* For `make` of durable_batch_value: what it gives tells nothing of the effect (a poll that found it pending). A batch of which
 * only such values were given is DEFERRED. */
void durable_batch_silent(struct worker *worker);

/* Nothing more will come of the batch. To be called once for each begin, in replay too. */
void durable_batch_end(struct worker *worker, uint64_t begin);

/*
 * Atomic regions: what was recorded between begin and end counts as a whole. A region of the invocation under way that was
 * cut off happens again from its begin, behind a Jump; one that waits (durable_suspend) goes on. They may be nested; the
 * outermost one counts. While one is open there are no checkpoints. One that an invocation leaves open ends with it.
 */
uint64_t durable_atomic_begin(struct worker *worker);
void durable_atomic_end(struct worker *worker, uint64_t begin);

/*
 * The guest forgets all that came behind entry `index`, an entry of the invocation under way, and goes on from there: a
 * Jump, and the worker is brought back as after a crash. Traps if there is no such entry. Returns in replay only, where it is
 * nothing.
 */
void durable_go_back(struct worker *worker, uint64_t index);

/* Idempotence mode (on at first): off, a batch that was cut off is not repeated, but a trap. */
bool durable_idempotent(struct worker *worker);
void durable_set_idempotent(struct worker *worker, bool idempotent);

/* The retry policy that the guest has set (ChangeRetryPolicy). Delays in nanoseconds. */
struct durable_retry_policy {
    uint64_t max_attempts, min_delay_ns, max_delay_ns;
    double multiplier;
    bool has_jitter;
    double max_jitter_factor;
};
const struct durable_retry_policy *durable_retry_policy(struct worker *worker); /* NULL: none was set */
void durable_set_retry_policy(struct worker *worker, const struct durable_retry_policy *policy);

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
