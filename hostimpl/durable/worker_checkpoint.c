/*
 * When a checkpoint is taken. It costs what the worker could do meanwhile, and spares what replaying the tail would
 * cost: which is what the tail has cost, in processor time. So while the worker runs, one is taken when the tail has
 * become noticeable and checkpoints are a small part of the time; when it leaves, if the next start is spared more than
 * it costs now.
 */
#include <time.h>

#include "worker_parts.h"

enum {
    CHECKPOINT_SHARE = 20,          /* checkpoints take at most this part of the run time */
    CHECKPOINT_WORTH_NS = 50000000, /* less than this is replayed sooner than anybody notices */
    FIRST_CHECKPOINT_SHARE =
        4, /* the first one comes early: its cost is not known yet, and it is the one that is missed most */
    CHECKPOINT_GUESS_NS = 2000000,  /* of its cost ... */
    CHECKPOINT_GUESS_BYTES_A_NS = 3 /* ... and the memory it writes in a nanosecond */
};

uint64_t worker_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void worker_note_tail_start(struct worker *worker)
{
    worker->tail_start_ns = worker_clock_ns(CLOCK_MONOTONIC);
    worker->tail_start_cpu_ns = worker_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

bool worker_may_checkpoint(const struct worker *worker, const char **reason_out)
{
    const char *reason = NULL;
    if (!worker->store || worker->leaving)
        reason = "nothing of it is kept";
    else if (worker->slots_unusable)
        reason = "its files cannot be opened";
    else if (worker->failed || worker->exited)
        reason = "it has failed or exited";
    else if (STATE->host_resources.forbidding || worker->live_forbidding)
        reason = "it holds a resource of the host that cannot be made again";
    else if (STATE->settings.atomic_begin)
        reason = "it is in an atomic region, which happens as a whole";
    else if (worker->replaying || worker->replay.reading)
        reason = "it replays";
    else if (REGION->depth > 1 || worker->calls_inside || (REGION->depth == 1 && !STATE->invocation.may_rest))
        reason = "it is not at rest";
    if (reason_out)
        *reason_out = reason;
    return !reason;
}

static enum ga_status take_checkpoint(struct worker *worker, struct ga_report *report)
{
    uint64_t start_ns = worker_clock_ns(CLOCK_MONOTONIC);
    worker->checkpoint_files_ns = 0;
    enum ga_status status = journal_commit(&worker->journal, report);
    if (status == GA_OK)
        status = ckpt_write(worker->ckpt, journal_last_index(&worker->journal), worker->journal.tail.chain,
                            &worker->last_checkpoint, report);
    worker->checkpoint_cost_ns = worker_clock_ns(CLOCK_MONOTONIC) - start_ns;
    worker_note_tail_start(worker);
    worker->checkpoint_count += status == GA_OK;
    if (status == GA_OK)
        worker->last_checkpoint_calls = STATE->call_count;
    return status;
}

/* The newest checkpoint has it all: what the guest has done since then, it has done without any host call. */
static bool is_kept(const struct worker *worker)
{
    return journal_is_committed(&worker->journal) &&
           journal_last_index(&worker->journal) == worker->last_checkpoint.oplog_index &&
           STATE->call_count == worker->last_checkpoint_calls;
}

static uint64_t guess_memory_cost(void)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < REGION->memory_count; i++)
        bytes += REGION->memories[i].size_bytes;
    return CHECKPOINT_GUESS_NS + bytes / CHECKPOINT_GUESS_BYTES_A_NS;
}

/* Of the next one: memory as the last time, files by what its slot lacks. */
static uint64_t guess_cost(const struct worker *worker)
{
    uint64_t memory_ns = worker->checkpoint_cost_ns ? worker->checkpoint_cost_ns - worker->checkpoint_files_ns
                                                    : guess_memory_cost();
    return memory_ns + files_cost_ns(&worker->files, ckpt_target(worker->ckpt));
}

/* cpu_ns: processor time since the last checkpoint, replay included. */
static bool is_worth_running(const struct worker *worker, uint64_t cpu_ns)
{
    uint64_t passed_ns = worker_clock_ns(CLOCK_MONOTONIC) - worker->tail_start_ns;
    uint64_t share = worker->checkpoint_cost_ns ? CHECKPOINT_SHARE : FIRST_CHECKPOINT_SHARE;
    return cpu_ns >= CHECKPOINT_WORTH_NS && passed_ns >= share * guess_cost(worker);
}

static bool is_worth_leaving(const struct worker *worker, uint64_t cpu_ns)
{
    return cpu_ns >= 2 * guess_cost(worker);
}

void worker_consider_checkpoint(struct worker *worker, bool leaving)
{
    struct ga_report report = {0};
    if (!worker_may_checkpoint(worker, NULL))
        return;
    uint64_t cpu_ns = worker_clock_ns(CLOCK_THREAD_CPUTIME_ID) - worker->tail_start_cpu_ns;
    if (is_kept(worker) || !(leaving ? is_worth_leaving(worker, cpu_ns) : is_worth_running(worker, cpu_ns)))
        return;
    if (take_checkpoint(worker, &report) != GA_OK)
        worker_remark(worker, "worker \"%s\": no checkpoint: %s", worker->config->name, report.text);
}

enum ga_status worker_checkpoint(struct worker *worker, struct ga_report *report)
{
    const char *reason;
    if (!worker_may_checkpoint(worker, &reason))
        return ga_report_set(report, GA_UNSUPPORTED, "worker \"%s\" cannot have a checkpoint: %s", worker->config->name,
                             reason);
    return take_checkpoint(worker, report);
}
