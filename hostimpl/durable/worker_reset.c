/*
 * A worker made anew in its process: one that serves one request after the other, each as if it were the first, so that nothing
 * that one leaves behind is seen by the next; and one whose guest goes back to an earlier entry (durable_go_back).
 */
#include "worker_parts.h"

static void drop_live(struct worker *worker, void *context)
{
    (void)context;
    host_resources_drop_live(worker);
}

/* Files and sockets that the guest has left open. After a trap nobody knows what they are in the middle of. */
static bool close_live(struct worker *worker)
{
    if (!host_resources_are_live())
        return true;
    return !worker->failed && !worker->exited && worker_gated(worker, drop_live, NULL) == GATE_RETURNED;
}

bool worker_reset(struct worker *worker)
{
    struct ga_report report = {0};
    if (!worker->from_start_image || worker->abandoned.status != GA_OK || !close_live(worker))
        return false;
    worker_close_files(worker);
    if (ckpt_reset_to_start_image(worker_build_id(), &report) != GA_OK) {
        worker_remark(worker, "%s", report.text);
        return false;
    }
    worker->failed = worker->exited = false;
    worker->exit_status = 0;
    worker->calls_inside = 0;
    ga_arena_reset(&worker->scratch);
    worker_start_journal(worker);
    return true;
}

/* Recovery wants a region that nothing was done in, and only a start image makes one of one that was used. */
bool worker_go_back(struct worker *worker)
{
    struct ga_report report = {0};
    if (!worker->going_back)
        return false;
    worker->recording = false; /* what is dropped here is no deed of the guest's */
    if (worker_gated(worker, drop_live, NULL) != GATE_RETURNED ||
        ckpt_restore_start_image(worker->ckpt, worker_build_id(), &report) != GA_OK)
        return false;
    worker_close_files(worker);
    worker->identity.last_index = journal_last_index(&worker->journal);
    worker->identity.last_hash = worker->journal.tail.chain;
    journal_free(&worker->journal);
    replay_summary_free(&worker->summary);
    worker->summary = (struct replay_summary){0};
    worker->abandoned = (struct ga_report){0};
    worker->last_checkpoint = (struct ckpt_info){0};
    worker->restored = worker->going_back = false;
    worker->gone_back = worker->recording = true;
    worker->calls_inside = 0;
    ga_arena_reset(&worker->scratch);
    return true;
}
