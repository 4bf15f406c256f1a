/* A worker that serves one request after the other, each as if it were the first: nothing that one leaves behind may be seen
 * by the next. */
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
