/* What the guest says of how it wants to be recorded: atomic regions, going back, idempotence, retries. */
#include <inttypes.h>
#include <string.h>

#include "durable.h"
#include "record.h"

/* --- atomic regions --- */

uint64_t durable_atomic_begin(struct worker *worker)
{
    bool replaying = worker->replaying;
    uint64_t begin = durable_mark(worker, OPLOG_BEGIN_ATOMIC_REGION, 0);
    if (!STATE->settings.atomic_begin)
        STATE->settings.atomic_begin = begin;
    if (replaying && begin == worker->summary.atomic_begin && !worker->leaving)
        record_jump(worker, begin);
    return begin;
}

void durable_atomic_end(struct worker *worker, uint64_t begin)
{
    (void)durable_mark(worker, OPLOG_END_ATOMIC_REGION, begin);
    if (begin == STATE->settings.atomic_begin)
        STATE->settings.atomic_begin = 0;
}

/* --- going back --- */

void durable_go_back(struct worker *worker, uint64_t index)
{
    struct ga_report report = {0};
    uint64_t last = durable_index(worker);
    if (worker->replaying)
        return;
    if (!worker->store || !worker->recording)
        worker_trap(worker, "only a durable worker can go back");
    if (index > last)
        worker_trap(worker, "Attempted to jump forward in oplog to index %" PRIu64 " from %" PRIu64, index, last);
    if (index < STATE->invocation.invoked_index || !STATE->invocation.stage)
        worker_trap(worker, "Attempted to jump to index %" PRIu64 " in oplog, before this invocation", index);
    if (replay_regions_hide(&worker->summary.regions, index))
        worker_trap(worker, "Attempted to jump to a deleted region in oplog to index %" PRIu64 " from %" PRIu64, index,
                    last);
    record_refuse_when_leaving(worker, oplog_kind_info(OPLOG_JUMP)->name);
    record_jump(worker, index);
    worker->going_back = true;
    ga_report_set(&report, GA_SUSPENDED, "worker \"%s\" goes back to entry %" PRIu64, worker->config->name, index);
    worker_abandon(worker, &report);
}

/* --- settings --- */

bool durable_idempotent(struct worker *worker)
{
    (void)worker;
    return !STATE->settings.not_idempotent;
}

void durable_set_idempotent(struct worker *worker, bool idempotent)
{
    (void)worker;
    STATE->settings.not_idempotent = !idempotent;
}

const struct durable_retry_policy *durable_retry_policy(struct worker *worker)
{
    (void)worker;
    return STATE->settings.has_retry_policy ? &STATE->settings.retry_policy : NULL;
}

void durable_set_retry_policy(struct worker *worker, const struct durable_retry_policy *policy)
{
    uint64_t multiplier;
    memcpy(&multiplier, &policy->multiplier, sizeof multiplier);
    const struct oplog_value values[] = {oplog_number(policy->max_attempts), oplog_number(policy->min_delay_ns),
                                         oplog_number(policy->max_delay_ns), oplog_number(multiplier)};
    (void)record_mark(worker, OPLOG_CHANGE_RETRY_POLICY, values);
    STATE->settings.retry_policy = *policy;
    STATE->settings.has_retry_policy = true;
}
