#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>

/*
 * Batches over crashes: what becomes of one that was cut off at any entry, how often the world outside sees its effect, and
 * what a Jump hides.
 */

static struct shared {
    uint64_t result, restored, calls_replayed, checkpoints;
    int status;
    char text[1024];
} *shared;

/* The world outside: lives through all processes of a test. */
static struct world {
    uint64_t sent; /* effects */
} *world;

#include "ga_assert.h"
#include "worker_steps.h"

/* --- host functions --- */

enum { BATCHES = 4 };

static struct root {
    struct cabi_instance instance;
    struct rt_options options;
    uint64_t begins[BATCHES];
} *const root = RT_ROOT;

/* Of this process: 1 + enum durable_batch; 0: nothing is known of it. */
static uint32_t live[BATCHES];

static void send(struct worker *worker)
{
    GA_ASSERT(!worker_replaying(worker));
    world->sent++;
}

static void host_begin(struct worker *worker, const void *params, void *result)
{
    uint64_t n = *(const uint64_t *)params;
    live[n] = 1 + (uint32_t)durable_batch_begin(worker, &root->begins[n]);
    if (live[n] == 1 + DURABLE_BATCH_LIVE)
        GA_ASSERT(journal_is_committed(&worker->journal)); /* the begin is durable before the effect */
    die_here(worker);
    if (live[n] == 1 + DURABLE_BATCH_LIVE)
        send(worker);
    *(uint64_t *)result = root->begins[n];
}

struct making {
    struct worker *worker;
    uint64_t n;
};

enum { LOST = 1 };

static void make_result(void *context, void *result)
{
    const struct making *making = context;
    uint32_t *state = &live[making->n];
    GA_ASSERT(*state != 1 + DURABLE_BATCH_RECORDED);
    if (*state == 1 + DURABLE_BATCH_DEFERRED) {
        send(making->worker);
        *state = 1 + DURABLE_BATCH_LIVE;
    }
    *(uint64_t *)result = *state == 1 + DURABLE_BATCH_LIVE ? random_u64() | 2 : LOST;
}

static void host_result(struct worker *worker, const void *params, void *result)
{
    struct making making = {worker, *(const uint64_t *)params};
    durable_batch_value(worker, root->begins[making.n], "test::result", &one_tuple, params, &cabi_u64, result,
                        make_result, &making);
    die_here(worker);
}

static void make_pending(void *context, void *result)
{
    durable_batch_silent(context);
    *(uint64_t *)result = 0;
}

static void host_pending(struct worker *worker, const void *params, void *result)
{
    durable_batch_value(worker, root->begins[*(const uint64_t *)params], "test::pending", &one_tuple, params, &cabi_u64,
                        result, make_pending, worker);
    die_here(worker);
}

static void host_end(struct worker *worker, const void *params, void *result)
{
    durable_batch_end(worker, root->begins[*(const uint64_t *)params]);
    if (!worker->replaying)
        GA_ASSERT(journal_is_committed(&worker->journal)); /* what ended is never repeated */
    die_here(worker);
    *(uint64_t *)result = 0;
}

static void make_random(void *context, void *result)
{
    (void)context;
    *(uint64_t *)result = random_u64();
}

static void host_read(struct worker *worker, const void *params, void *result)
{
    durable_value(worker, "test::read", DURABLE_READ_LOCAL, &one_tuple, params, &cabi_u64, result, make_random, NULL);
    die_here(worker);
}

static void host_write(struct worker *worker, const void *params, void *result)
{
    durable_value(worker, "test::write", DURABLE_WRITE_REMOTE, &one_tuple, params, &cabi_u64, result, make_random, NULL);
    die_here(worker);
}

static void host_complete(struct worker *worker, const void *params, void *result)
{
    durable_value(worker, "test::complete", DURABLE_WRITE_LOCAL, &one_tuple, params, &cabi_u64, result, make_random,
                  NULL);
    die_here(worker);
}

static void make_and_die(void *context, void *result)
{
    durable_commit(context);
    if (die_at)
        raise(SIGKILL); /* others have seen it */
    *(uint64_t *)result = 0;
}

static void host_vanish(struct worker *worker, const void *params, void *result)
{
    durable_value(worker, "test::vanish", DURABLE_WRITE_LOCAL, &one_tuple, params, &cabi_u64, result, make_and_die,
                  worker);
}

static void host_log(struct worker *worker, const void *params, void *result)
{
    (void)params;
    worker_log(worker, WORKER_STDERR, "line\n", 5);
    die_here(worker);
    *(uint64_t *)result = 0;
}

/* The next host call begins with a checkpoint. */
static void host_checkpoint(struct worker *worker, const void *params, void *result)
{
    (void)params;
    worker->next_tick_us = 0;
    worker->checkpoint_cost_ns = 1;
    worker->tail_start_ns = 0;
    worker->tail_start_cpu_ns = 0 - (uint64_t)1000000000;
    *(uint64_t *)result = 0;
}

static const struct host_resource_type thing_type = {.name = "test:thing", .record_size = 8};

static void host_hold(struct worker *worker, const void *params, void *result)
{
    uint32_t rep;
    host_resource_new(worker, &thing_type, &rep);
    for (uint64_t i = 0; i < *(const uint64_t *)params; i++)
        host_resource_forbid_checkpoints(worker, rep, true);
    *(uint64_t *)result = rep;
}

static void host_release(struct worker *worker, const void *params, void *result)
{
    host_resource_forbid_checkpoints(worker, (uint32_t)*(const uint64_t *)params, false);
    *(uint64_t *)result = 0;
}

static void host_drop(struct worker *worker, const void *params, void *result)
{
    host_resource_drop(worker, &thing_type, (uint32_t)*(const uint64_t *)params);
    *(uint64_t *)result = 0;
}

STEPS_HOST_CALL(begin, DURABLE_CUSTOM)
STEPS_HOST_CALL(result, DURABLE_CUSTOM)
STEPS_HOST_CALL(pending, DURABLE_CUSTOM)
STEPS_HOST_CALL(end, DURABLE_CUSTOM)
STEPS_HOST_CALL(read, DURABLE_CUSTOM)
STEPS_HOST_CALL(write, DURABLE_CUSTOM)
STEPS_HOST_CALL(complete, DURABLE_CUSTOM)
STEPS_HOST_CALL(vanish, DURABLE_CUSTOM)
STEPS_HOST_CALL(log, DURABLE_OBSERVE)
STEPS_HOST_CALL(checkpoint, DURABLE_OBSERVE)
STEPS_HOST_CALL(hold, DURABLE_OBSERVE)
STEPS_HOST_CALL(release, DURABLE_OBSERVE)
STEPS_HOST_CALL(drop, DURABLE_OBSERVE)

/* --- the guest: its results are 0 if no result of a batch was an error, bit n if one of batch n was --- */

static uint64_t ask(uint64_t n)
{
    return call_result(n) == LOST ? 1ull << n : 0;
}

static void guest_exchange(uint64_t *flat)
{
    uint64_t lost = 0;
    call_begin(0);
    call_read(0);
    for (uint64_t i = 0; i < flat[0]; i++)
        lost |= ask(0);
    call_end(0);
    call_read(1);
    flat[0] = lost;
}

static void guest_two(uint64_t *flat)
{
    uint64_t lost = 0;
    call_begin(0);
    call_begin(1);
    for (uint64_t i = 0; i < flat[0]; i++)
        lost |= ask(0) | ask(1);
    call_end(0);
    call_end(1);
    flat[0] = lost;
}

static void guest_patient(uint64_t *flat)
{
    uint64_t lost = 0;
    call_begin(0);
    for (uint64_t i = 0; i < flat[0]; i++)
        call_pending(0);
    lost |= ask(0);
    call_end(0);
    flat[0] = lost;
}

static void guest_open(uint64_t *flat)
{
    flat[0] = call_begin(0);
}

static void guest_ask(uint64_t *flat)
{
    flat[0] = ask(0);
}

static void guest_close(uint64_t *flat)
{
    flat[0] = call_end(0);
}

/* Something happens between two results of a batch. */
static void guest_between(uint64_t *flat)
{
    uint64_t lost = 0;
    call_begin(1);
    call_begin(0);
    lost |= ask(0);
    switch (flat[0]) {
    case 0: call_read(0); break;
    case 1: call_log(0); break;
    case 2: call_write(0); break;
    case 3: call_complete(0); break;
    case 4: call_begin(2); break;
    case 5: call_end(1); break;
    case 6: call_result(1); break;
    case 7: call_pending(1); break;
    case 8: call_vanish(0); break;
    }
    lost |= ask(0);
    call_end(0);
    flat[0] = lost & 1;
}

/* A checkpoint is taken behind the first result. */
static void guest_long(uint64_t *flat)
{
    call_begin(0);
    uint64_t lost = ask(0);
    call_checkpoint(0);
    call_read(0);
    lost |= ask(0);
    call_end(0);
    flat[0] = lost;
}

static void guest_reads(uint64_t *flat)
{
    for (uint64_t i = 0; i < flat[0]; i++)
        call_read(i);
    flat[0] = 0;
}

static void guest_hold(uint64_t *flat)
{
    flat[0] = call_hold(flat[0]);
}

static void guest_release(uint64_t *flat)
{
    flat[0] = call_release(flat[0]);
}

static void guest_drop(uint64_t *flat)
{
    flat[0] = call_drop(flat[0]);
}

static const struct rt_export exports[] = {
    {"", "exchange", &u64_to_u64, STEPS_OPTIONS, guest_exchange, NULL},
    {"", "two", &u64_to_u64, STEPS_OPTIONS, guest_two, NULL},
    {"", "patient", &u64_to_u64, STEPS_OPTIONS, guest_patient, NULL},
    {"", "open", &none_to_u64, STEPS_OPTIONS, guest_open, NULL},
    {"", "ask", &none_to_u64, STEPS_OPTIONS, guest_ask, NULL},
    {"", "close", &none_to_u64, STEPS_OPTIONS, guest_close, NULL},
    {"", "between", &u64_to_u64, STEPS_OPTIONS, guest_between, NULL},
    {"", "long", &none_to_u64, STEPS_OPTIONS, guest_long, NULL},
    {"", "reads", &u64_to_u64, STEPS_OPTIONS, guest_reads, NULL},
    {"", "hold", &u64_to_u64, STEPS_OPTIONS, guest_hold, NULL},
    {"", "release", &u64_to_u64, STEPS_OPTIONS, guest_release, NULL},
    {"", "drop", &u64_to_u64, STEPS_OPTIONS, guest_drop, NULL},
};

STEPS_COMPONENT;

/* --- steps --- */

static void setup_world(void)
{
    setup();
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(world, MAP_FAILED);
}

TestSuite(batch, .init = setup_world, .fini = teardown, .timeout = 120);

/* A worker that has never been, in a world that has seen nothing. */
static void begin_anew(void)
{
    empty_directory();
    *world = (struct world){0};
}

/* The same call by its key: it is finished if it was not, and is then what it is for ever. */
static uint64_t finish(const char *function, const char *argument)
{
    must_verify();
    uint64_t result = value_of(function, argument, "k"), sent = world->sent;
    cr_assert_eq(value_of(function, argument, "k"), result);
    must_verify();
    cr_assert_eq(world->sent, sent, "nothing is had again once it is recorded");
    return result;
}

/* --- tests --- */

Test(batch, its_entries_are_golems)
{
    cr_assert_eq(value_of("exchange", "2", "k"), 0);
    cr_assert_eq(finish("exchange", "2"), 0);
    cr_assert_str_eq(kinds(), "CIBcccecD");
    cr_assert_eq(world->sent, 1);
}

Test(batch, cut_off_at_any_entry_it_is_repeated_unless_it_had_ended)
{
    static const struct {
        uint64_t die_at, sent;
        const char *kinds;
    } CASES[] = {
        {3, 1, "CIBcccecD"},     /* killed between begin and effect */
        {4, 2, "CIBcccecD"},     /* deferred: what was recorded meanwhile stays */
        {5, 2, "CIBccJcccecD"},  /* a result was given: the guest forgets it */
        {6, 2, "CIBcccJcccecD"}, /* both */
        {7, 1, "CIBcccecD"},     {8, 1, "CIBcccecD"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        begin_anew();
        die_in("exchange", "2", CASES[i].die_at);
        cr_assert_eq(finish("exchange", "2"), 0, "case %zu", i);
        cr_assert_str_eq(kinds(), CASES[i].kinds, "case %zu: %s", i, kinds());
        cr_assert_eq(world->sent, CASES[i].sent, "case %zu: %" PRIu64, i, world->sent);
    }
}

/* Killed first with a result given, at entry 5, and then again at each entry behind, the Jump (6) included. */
Test(batch, cut_off_again_it_is_repeated_again)
{
    static const struct {
        uint64_t die_at, sent;
        const char *kinds;
    } CASES[] = {
        {6, 2, "CIBccJcccecD"},        {7, 3, "CIBccJcccecD"},     {8, 3, "CIBccJccJcccecD"},
        {9, 3, "CIBccJcccJcccecD"},    {10, 2, "CIBccJcccecD"},    {11, 2, "CIBccJcccecD"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        begin_anew();
        die_in("exchange", "2", 5);
        die_in("exchange", "2", CASES[i].die_at);
        cr_assert_eq(finish("exchange", "2"), 0, "case %zu", i);
        cr_assert_str_eq(kinds(), CASES[i].kinds, "case %zu: %s", i, kinds());
        cr_assert_eq(world->sent, CASES[i].sent, "case %zu: %" PRIu64, i, world->sent);
    }
}

Test(batch, polls_that_found_nothing_do_not_count)
{
    die_in("patient", "3", 6);
    cr_assert_eq(finish("patient", "3"), 0);
    cr_assert_str_eq(kinds(), "CIBcccceD");
    cr_assert_eq(world->sent, 2);
}

/* Entries: 3 and 4 begin, then results of batch 0 and 1 in turn at 5 to 8, ends at 9 and 10. */
Test(batch, of_two_at_a_time_one_that_gave_something_is_lost)
{
    static const struct {
        uint64_t die_at, sent, lost;
    } CASES[] = {
        {3, 2, 0},  /* the other has not begun */
        {4, 3, 0},  /* one was sent, the other not yet: both are had when the guest asks */
        {5, 3, 1},  /* batch 0 gave a result, and batch 1 stands behind its begin */
        {6, 2, 3},  /* both gave one */
        {7, 2, 2},  /* batch 0 gave all that it is asked for */
        {8, 2, 0},  {9, 2, 0}, {10, 2, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        begin_anew();
        die_in("two", "2", CASES[i].die_at);
        cr_assert_eq(finish("two", "2"), CASES[i].lost, "case %zu: %" PRIu64, i, shared->result);
        cr_assert_str_eq(kinds(), "CIBBcccceeD");
        cr_assert_eq(world->sent, CASES[i].sent, "case %zu: %" PRIu64, i, world->sent);
    }
}

Test(batch, what_others_can_see_behind_its_begin_makes_it_lost)
{
    static const char *const ARGUMENTS[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};
    static const uint64_t LOSES[] = {0, 1, 1, 1, 1, 1, 1, 0, 1};
    for (size_t i = 0; i < sizeof LOSES / sizeof *LOSES; i++) {
        begin_anew();
        die_in("between", ARGUMENTS[i], 6);
        cr_assert_eq(finish("between", ARGUMENTS[i]), LOSES[i], "case %zu", i);
        cr_assert_eq(strchr(kinds(), 'J') != NULL, LOSES[i] == 0, "case %zu: %s", i, kinds());
    }
}

Test(batch, over_several_invocations_it_is_deferred_or_lost)
{
    cr_assert_eq(value_of("open", "", NULL), 3);
    cr_assert_eq(value_of("ask", "", NULL), 0, "the second process has it again");
    cr_assert_eq(world->sent, 2);
    must_verify();
    cr_assert_eq(finish("ask", ""), LOST, "the third must not");
    value_of("close", "", NULL);
    cr_assert_str_eq(kinds(), "CIBDIcDIcDIeD");
    cr_assert_eq(world->sent, 2);
    must_verify();
}

static void shell(const char *format)
{
    char command[400];
    snprintf(command, sizeof command, format, directory, directory, directory, directory);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* Taken behind a result, it is of a guest that has since forgotten that. */
static void check_hidden_checkpoint(uint64_t entries_before)
{
    begin_anew();
    char reads[20];
    snprintf(reads, sizeof reads, "%" PRIu64, entries_before);
    value_of("reads", reads, NULL);
    uint64_t begin = entries_before + 5; /* behind Create, Invoked, the reads, Completed; Invoked */
    die_in("long", "", begin + 2);
    shell("cp -r %s %s.kept && cd %s/workers/w-* && rm ckpt-*");
    cr_assert_eq(value_of("long", "", "k"), 0);
    shell("rm -f %s/workers/w-*/ckpt-* && cp %s.kept/workers/w-*/ckpt-* %s/workers/w-*/ && rm -rf %s.kept");
    value_of("reads", "1", NULL);
    cr_assert_leq(shared->restored, begin);
    must_verify(); /* which would miss the host call where it was taken */
}

Test(batch, a_checkpoint_of_what_a_jump_hides_is_not_restored)
{
    check_hidden_checkpoint(3);
    check_hidden_checkpoint(10500); /* the oplog is then read from the checkpoint on only */
}

/* A chain that is right does not make a Jump right. */
Test(batch, a_jump_that_hides_something_else_is_damage)
{
    struct ga_report report = {0};
    struct store *store;
    struct store_worker worker;
    struct journal journal;
    value_of("reads", "3", NULL);
    cr_assert_eq(store_sqlite_open(directory, true, &store, &report), GA_OK);
    cr_assert_eq(store->ops->worker_find(store, "w", &worker, &report), GA_OK);
    cr_assert_eq(store->ops->worker_open(store, "w", &worker, &worker, &(bool){false}, &report), GA_OK, "%s", report.text);
    journal_start(&journal, store, worker.id, worker.epoch, worker.last_index, worker.last_hash);
    journal_append(&journal, OPLOG_JUMP, (struct oplog_value[]){oplog_number(3), oplog_number(4)});
    cr_assert_eq(journal_commit(&journal, &report), GA_OK, "%s", report.text);
    journal_free(&journal);
    store->ops->close(store);
    cr_assert_eq(call("reads", "1", NULL), GA_CORRUPT);
    cr_assert_not_null(strstr(shared->text, "worker \"w\", entry 7: malformed"), "%s", shared->text);
}

Test(batch, a_live_part_forbids_checkpoints_for_as_long_as_it_says)
{
    struct ga_report report = {0};
    struct ga_buf out = {0};
    static const struct {
        const char *function, *argument;
        bool allowed;
    } STEPS[] = {
        {"hold", "2", false}, {"hold", "0", false}, {"hold", "1", false}, {"release", "1", false},
        {"release", "2", false}, {"drop", "3", true}, {"hold", "1", false}, {"release", "3", true},
    };
    cr_assert_eq(worker_start(&worker_this, config_of(WORKER_LIVE), &report), GA_OK, "%s", report.text);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        struct invocation_request request = {.function = STEPS[i].function,
                                             .function_size = strlen(STEPS[i].function),
                                             .args = STEPS[i].argument,
                                             .args_size = 1};
        cr_assert_eq(invocation_call(&worker_this, &request, &out, &report), GA_OK, "%s", report.text);
        cr_assert_eq(worker_checkpoint(&worker_this, &report), STEPS[i].allowed ? GA_OK : GA_UNSUPPORTED, "step %zu", i);
        report = (struct ga_report){0};
    }
    cr_assert_eq(worker_stop(&worker_this, &report), GA_OK);
    ga_buf_free(&out);
}
