/*
 * Batches: what becomes of one in replay. What was given of it, and what others can see behind its begin, the scan has
 * found (replay_open.h).
 *
 *   ended   given   behind the begin          replay
 *   yes                                       RECORDED
 *   no      no      nothing is recorded       LIVE: a Log may follow, which is passed over when the guest prints it again
 *   no      no      something                 DEFERRED
 *   no      yes     others see nothing of it  LIVE, behind a Jump that hides it; if the process dies before the Jump is
 *                                             durable, the next one finds the same
 *   no      yes     others see something      LOST
 *
 * Where the guest says that its remote writes must not be repeated (idempotence mode off), one that has not ended is a trap.
 */
#include "durable.h"
#include "record.h"

/* In replay, behind the begin. */
static enum durable_batch find_batch(struct worker *worker, uint64_t begin)
{
    const struct replay_opens *opens = &worker->summary.opens;
    const struct replay_open *open = replay_opens_find(opens, begin);
    if (!open)
        return DURABLE_BATCH_RECORDED;
    if (STATE->settings.not_idempotent) {
        worker->replaying = false;
        worker_go_live(worker);
        worker_trap(worker, "Non-idempotent remote write operation was not completed, cannot retry");
    }
    if (!open->given && worker->replaying)
        return DURABLE_BATCH_DEFERRED;
    if (open->given && (worker->leaving || !replay_opens_forgettable(opens, begin)))
        return DURABLE_BATCH_LOST;
    record_refuse_when_leaving(worker, oplog_kind_info(OPLOG_BEGIN_REMOTE_WRITE)->name);
    if (open->given)
        record_jump(worker, begin);
    return DURABLE_BATCH_LIVE;
}

enum durable_batch durable_batch_begin(struct worker *worker, uint64_t *begin_out)
{
    *begin_out = 0;
    if (!worker->recording)
        return DURABLE_BATCH_LIVE;
    bool replaying = worker->replaying;
    *begin_out = durable_mark(worker, OPLOG_BEGIN_REMOTE_WRITE, 0);
    STATE->settings.open_batches++;
    if (replaying)
        return find_batch(worker, *begin_out);
    worker_commit(worker);
    return DURABLE_BATCH_LIVE;
}

void durable_batch_value(struct worker *worker, uint64_t begin, const char *record_name,
                         const struct cabi_type *request_type, const void *request,
                         const struct cabi_type *result_type, void *result,
                         void (*make)(void *context, void *result), void *context)
{
    struct record_call call = {.name = record_name,
                               .durability = DURABLE_WRITE_BATCHED,
                               .batch = {.begin = begin},
                               .request_type = request_type,
                               .request = request,
                               .result_type = result_type};
    record_value(worker, &call, result, make, context);
}

void durable_batch_silent(struct worker *worker)
{
    worker->silent = true;
}

void durable_batch_end(struct worker *worker, uint64_t begin)
{
    if (!worker->recording)
        return;
    STATE->settings.open_batches--;
    (void)durable_mark(worker, OPLOG_END_REMOTE_WRITE, begin);
    durable_commit(worker);
}
