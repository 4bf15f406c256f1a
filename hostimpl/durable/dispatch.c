/*
 * A host call, from the flat arguments to the flat result.
 *
 *   tick      at most every TICK_US: commit what has waited long enough, consider a checkpoint, see to signals. It comes first,
 *             because a checkpoint must be taken before the call has had any effect (gate.h), lifting included.
 *   lift      arguments to native values; strings may still point into the guest's memory
 *   run       by durability class, see below
 *   lower     the result, and give lent handles back
 *
 *   class                     live                           replay
 *   pure, observe, custom     run                            run
 *   read-local, write-local,  run, append                    take the entry, compare, decode
 *     read-remote
 *   write-derived             run, append                    the same
 *   write-remote              commit, run, append, commit    the same
 *
 * What a custom function records, it says itself: single values, and batches (durable.h).
 *
 * write-derived waits for nothing, though Golem has it as a remote write: its result follows from the oplog alone
 * (a key from the place in it), and is known to the guest only. Whatever carries it out of the worker is an output, and
 * commits this entry first; what was lost before that, nobody has seen, and it is made again.
 *
 * Nothing here allocates once buffers have grown, and nothing enters the kernel (the clock is the vDSO's coarse one).
 */
#include "dispatch.h"

#include <string.h>

#include "ga_assert.h"
#include "record.h"

enum {
    TICK_US = 10000,
    COMMIT_AFTER_US = 100000, /* what a crash may cost a worker that makes no output: this much of its work */
    COMMIT_AFTER_BYTES = 1 << 22,
    INLINE_BYTES = 256 /* native arguments and results up to this size live on the stack */
};

/* How each class is treated; by enum durability. */
static const struct {
    bool recorded, commit_before, commit_after;
} CLASSES[] = {
    [DURABLE_PURE] = {false, false, false},         [DURABLE_OBSERVE] = {false, false, false},
    [DURABLE_READ_LOCAL] = {true, false, false},    [DURABLE_WRITE_LOCAL] = {true, false, false},
    [DURABLE_READ_REMOTE] = {true, false, false},   [DURABLE_WRITE_REMOTE] = {true, true, true},
    [DURABLE_WRITE_BATCHED] = {false, false, false}, [DURABLE_CUSTOM] = {false, false, false},
    [DURABLE_WRITE_DERIVED] = {true, false, false},
};

/* --- the tick --- */

__attribute__((noreturn)) static void stop(struct worker *worker)
{
    struct ga_report report = {0};
    worker_commit(worker);
    worker_consider_checkpoint(worker, true);
    ga_report_set(&report, GA_SUSPENDED, "stopped by a signal");
    worker_abandon(worker, &report);
}

/* A slow disk is asked less often: commits take at most a twentieth of the time. */
static bool commit_is_due(const struct journal *journal, uint64_t now_us)
{
    uint64_t after_us = journal->commit_cost_ns / 50;
    if (after_us < COMMIT_AFTER_US)
        after_us = COMMIT_AFTER_US;
    return journal->tail.buf.size >= COMMIT_AFTER_BYTES ||
           (journal->waiting_since_us && now_us - journal->waiting_since_us >= after_us);
}

/* Also if somebody has set the clock back: the next one is never further away than that. */
static inline bool tick_is_due(const struct worker *worker, uint64_t now_us)
{
    return worker->next_tick_us - now_us - 1 >= TICK_US;
}

__attribute__((noinline)) static void tick(struct worker *worker, uint64_t now_us)
{
    worker->next_tick_us = now_us + TICK_US;
    if (worker->stop_signal)
        stop(worker);
    if (worker->digest_wanted) {
        worker->next_tick_us = 0;
        worker_compare_digest(worker);
    }
    if (worker->replaying || worker->leaving)
        return;
    if (commit_is_due(&worker->journal, now_us))
        worker_commit(worker);
    worker_consider_checkpoint(worker, false);
}

/* --- a call --- */

static void take_or_run(struct worker *worker, const struct host_func *callee, const struct record_call *call,
                        void *result)
{
    record_begin(worker, call);
    if (worker->replaying) {
        record_take(worker, call, result);
        return;
    }
    if (__builtin_expect(worker->leaving || worker->replay.reading, 0))
        record_go_live(worker, callee->name);
    if (CLASSES[callee->durability].commit_before)
        worker_commit(worker);
    callee->call(worker, call->request, result);
    record_append(worker, call, result);
    if (CLASSES[callee->durability].commit_after)
        worker_commit(worker);
}

static void run_recorded(struct worker *worker, const struct host_func *callee, const void *params, void *result)
{
    const struct cabi_func_type *type = callee->type;
    struct record_call call = {.name = callee->record_name,
                               .durability = callee->durability,
                               .request_type = type->param_count ? type->params_tuple : NULL,
                               .request = params,
                               .result_type = type->result};
    uint64_t begin = record_seen_begin(worker, callee->durability);
    take_or_run(worker, callee, &call, result);
    record_seen_end(worker, begin);
}

static void *room(struct worker *worker, void *buffer, size_t size)
{
    return size <= INLINE_BYTES ? buffer : ga_arena_alloc_raw(&worker->scratch, size);
}

static uint64_t run_call(struct worker *worker, const struct rt_lower *lower, uint64_t *flat)
{
    const struct host_func *callee = lower->callee;
    const struct cabi_func_type *type = lower->type;
    _Alignas(16) uint8_t params_buffer[INLINE_BYTES], result_buffer[INLINE_BYTES];
    struct cabi_call call; /* without the first lends, which need no initialising */
    memset(&call, 0, offsetof(struct cabi_call, lends.first));
    call.options = lower->options;
    call.scratch = &worker->scratch;
    call.views = true;
    void *params = room(worker, params_buffer, type->params_tuple ? type->params_tuple->native_size : 0);
    cabi_lift_params(&call, type, flat, params);
    size_t result_size = type->result ? type->result->native_size : 0;
    void *result = room(worker, result_buffer, result_size);
    memset(result, 0, result_size);
    if (worker->recording && CLASSES[callee->durability].recorded)
        run_recorded(worker, callee, params, result);
    else
        callee->call(worker, params, result);
    uint64_t flat_result = cabi_lower_result(&call, type, result, flat);
    cabi_call_end(&call);
    return flat_result;
}

uint64_t dispatch_host_call(const struct rt_lower *lower, uint64_t *flat)
{
    struct worker *worker = &worker_this;
    uint64_t now_us = journal_now_us();
    if (__builtin_expect(tick_is_due(worker, now_us), 0))
        tick(worker, now_us);
    STATE->call_count++;
    worker->calls_inside++;
    uint64_t result = run_call(worker, lower, flat);
    if (--worker->calls_inside == 0)
        ga_arena_reset(&worker->scratch);
    return result;
}

void dispatch_host_drop(const struct cabi_resource *resource, uint32_t rep)
{
    struct worker *worker = &worker_this;
    GA_ASSERT(resource->host);
    worker->calls_inside++;
    host_resource_drop(worker, resource->host, rep);
    if (--worker->calls_inside == 0)
        ga_arena_reset(&worker->scratch);
}
