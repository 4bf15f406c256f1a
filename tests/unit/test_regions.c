#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>

/*
 * Atomic regions that are cut off, guests that go back to an earlier entry, and remote writes that must not be repeated.
 */

static struct shared {
    uint64_t result, restored, calls_replayed, checkpoints;
    int status;
    char text[1024];
} *shared;

#include "ga_assert.h"
#include "worker_steps.h"

static struct root {
    struct cabi_instance instance;
    struct rt_options options;
} *const root __attribute__((unused)) = RT_ROOT;

/* --- host functions --- */

static void host_begin(struct worker *worker, const void *params, void *result)
{
    (void)params;
    *(uint64_t *)result = durable_atomic_begin(worker);
    die_here(worker);
}

static void host_end(struct worker *worker, const void *params, void *result)
{
    durable_atomic_end(worker, *(const uint64_t *)params);
    die_here(worker);
    *(uint64_t *)result = 0;
}

static void host_mark(struct worker *worker, const void *params, void *result)
{
    (void)params;
    *(uint64_t *)result = durable_mark(worker, OPLOG_NO_OP, 0);
    die_here(worker);
}

static void host_back(struct worker *worker, const void *params, void *result)
{
    durable_go_back(worker, *(const uint64_t *)params);
    GA_ASSERT(worker_replaying(worker));
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

static void host_log(struct worker *worker, const void *params, void *result)
{
    (void)params;
    worker_log(worker, WORKER_STDERR, "line\n", 5);
    die_here(worker);
    *(uint64_t *)result = 0;
}

static bool waited_for;

static void host_wait(struct worker *worker, const void *params, void *result)
{
    (void)params;
    if (!waited_for)
        durable_suspend(worker, 0);
    *(uint64_t *)result = 0;
}

static void host_batch(struct worker *worker, const void *params, void *result)
{
    uint64_t begin = 0;
    (void)params;
    (void)durable_batch_begin(worker, &begin);
    die_here(worker);
    *(uint64_t *)result = begin;
}

static void host_value(struct worker *worker, const void *params, void *result)
{
    durable_batch_value(worker, *(const uint64_t *)params, "test::value", &one_tuple, params, &cabi_u64, result,
                        make_random, NULL);
    die_here(worker);
}

static void host_batch_end(struct worker *worker, const void *params, void *result)
{
    durable_batch_end(worker, *(const uint64_t *)params);
    die_here(worker);
    *(uint64_t *)result = 0;
}

static void host_idempotent(struct worker *worker, const void *params, void *result)
{
    durable_set_idempotent(worker, *(const uint64_t *)params != 0);
    *(uint64_t *)result = durable_idempotent(worker);
}

static void host_policy(struct worker *worker, const void *params, void *result)
{
    uint64_t attempts = *(const uint64_t *)params;
    durable_set_retry_policy(worker, &(struct durable_retry_policy){.max_attempts = attempts, .multiplier = 1.5});
    *(uint64_t *)result = durable_retry_policy(worker)->max_attempts;
}

/* A checkpoint is wanted at the next host call. */
static void host_checkpoint(struct worker *worker, const void *params, void *result)
{
    (void)params;
    worker->next_tick_us = 0;
    worker->checkpoint_cost_ns = 1;
    worker->tail_start_ns = 0;
    worker->tail_start_cpu_ns = 0 - (uint64_t)1000000000;
    *(uint64_t *)result = 0;
}

STEPS_HOST_CALL(begin, DURABLE_CUSTOM)
STEPS_HOST_CALL(end, DURABLE_CUSTOM)
STEPS_HOST_CALL(mark, DURABLE_CUSTOM)
STEPS_HOST_CALL(back, DURABLE_CUSTOM)
STEPS_HOST_CALL(read, DURABLE_CUSTOM)
STEPS_HOST_CALL(log, DURABLE_OBSERVE)
STEPS_HOST_CALL(wait, DURABLE_CUSTOM)
STEPS_HOST_CALL(batch, DURABLE_CUSTOM)
STEPS_HOST_CALL(value, DURABLE_CUSTOM)
STEPS_HOST_CALL(batch_end, DURABLE_CUSTOM)
STEPS_HOST_CALL(idempotent, DURABLE_OBSERVE)
STEPS_HOST_CALL(policy, DURABLE_CUSTOM)
STEPS_HOST_CALL(checkpoint, DURABLE_OBSERVE)

/* --- the guest --- */

static void guest_atomic(uint64_t *flat)
{
    uint64_t begin = call_begin(0), sum = 0;
    sum += call_read(1);
    call_log(0);
    sum += call_read(2);
    call_end(begin);
    flat[0] = sum + call_read(3);
}

static void guest_loud(uint64_t *flat)
{
    uint64_t begin = call_begin(0);
    call_log(0);
    flat[0] = call_read(1);
    call_end(begin);
}

static void guest_nested(uint64_t *flat)
{
    uint64_t outer = call_begin(0), sum = call_read(1);
    uint64_t inner = call_begin(0);
    sum += call_read(2);
    call_end(inner);
    sum += call_read(3);
    call_end(outer);
    flat[0] = sum;
}

/* A batch ends in an atomic region that is behind its begin. */
static void guest_around(uint64_t *flat)
{
    uint64_t batch = call_batch(0), begin = call_begin(0), sum = call_value(batch);
    call_batch_end(batch);
    sum += call_read(1);
    call_end(begin);
    flat[0] = sum;
}

/* Says that a batch is an atomic region that ends; and that one ends which there is not. */
static void guest_wrong_ends(uint64_t *flat)
{
    uint64_t batch = call_batch(0), sum = call_value(batch);
    call_end(batch);
    uint64_t begin = call_begin(0);
    sum += call_read(1);
    call_end(0);
    call_end(begin);
    call_batch_end(batch);
    flat[0] = sum;
}

/* Ends the outer region alone. */
static void guest_torn(uint64_t *flat)
{
    uint64_t outer = call_begin(0);
    call_begin(0);
    uint64_t sum = call_read(1);
    call_end(outer);
    call_checkpoint(0);
    sum += call_read(2);
    flat[0] = sum + call_read(3);
}

static void guest_waiting(uint64_t *flat)
{
    uint64_t begin = call_begin(0), sum = call_read(1);
    call_wait(0);
    sum += call_read(2);
    call_end(begin);
    flat[0] = sum;
}

static void guest_left_open(uint64_t *flat)
{
    call_begin(0);
    flat[0] = call_read(1);
}

static void guest_read(uint64_t *flat)
{
    flat[0] = call_read(1);
}

static void guest_checkpoints(uint64_t *flat)
{
    uint64_t begin = flat[0] ? call_begin(0) : 0;
    call_checkpoint(0);
    call_read(0);
    if (begin)
        call_end(begin);
}

/* Until a number fits; what did not is forgotten. */
static void guest_until(uint64_t *flat)
{
    uint64_t here = call_mark(0), number = call_read(0);
    call_log(0);
    if (number % 4 != 0)
        call_back(here);
    call_read(1);
    flat[0] = number % 4;
}

/* The same, with a checkpoint of what is then forgotten. */
static void guest_until_kept(uint64_t *flat)
{
    uint64_t here = call_mark(0), number = call_read(0);
    call_checkpoint(0);
    call_read(1);
    if (number % 4 != 0)
        call_back(here);
    flat[0] = number % 4 + 7;
}

static void guest_back_to(uint64_t *flat)
{
    call_read(0);
    flat[0] = call_back(flat[0]);
}

static void guest_once(uint64_t *flat)
{
    uint64_t mode = call_idempotent(flat[0]);
    uint64_t batch = call_batch(0);
    call_value(batch);
    call_batch_end(batch);
    flat[0] = mode;
}

static void guest_policy(uint64_t *flat)
{
    flat[0] = call_policy(flat[0]);
}

static const struct rt_export exports[] = {
    {"", "atomic", &none_to_u64, STEPS_OPTIONS, guest_atomic, NULL},
    {"", "loud", &none_to_u64, STEPS_OPTIONS, guest_loud, NULL},
    {"", "nested", &none_to_u64, STEPS_OPTIONS, guest_nested, NULL},
    {"", "around", &none_to_u64, STEPS_OPTIONS, guest_around, NULL},
    {"", "wrong-ends", &none_to_u64, STEPS_OPTIONS, guest_wrong_ends, NULL},
    {"", "torn", &none_to_u64, STEPS_OPTIONS, guest_torn, NULL},
    {"", "waiting", &none_to_u64, STEPS_OPTIONS, guest_waiting, NULL},
    {"", "left-open", &none_to_u64, STEPS_OPTIONS, guest_left_open, NULL},
    {"", "read", &none_to_u64, STEPS_OPTIONS, guest_read, NULL},
    {"", "checkpoints", &u64_to_u64, STEPS_OPTIONS, guest_checkpoints, NULL},
    {"", "until", &none_to_u64, STEPS_OPTIONS, guest_until, NULL},
    {"", "until-kept", &none_to_u64, STEPS_OPTIONS, guest_until_kept, NULL},
    {"", "back-to", &u64_to_u64, STEPS_OPTIONS, guest_back_to, NULL},
    {"", "once", &u64_to_u64, STEPS_OPTIONS, guest_once, NULL},
    {"", "policy", &u64_to_u64, STEPS_OPTIONS, guest_policy, NULL},
};

STEPS_COMPONENT;

TestSuite(regions, .init = setup, .fini = teardown, .timeout = 120);

static void finish(const char *function)
{
    must_verify();
    uint64_t result = value_of(function, "", "k");
    cr_assert_eq(value_of(function, "", "k"), result);
    must_verify();
}

struct cut {
    uint64_t first, second; /* entries at which processes are killed; 0: none is */
    const char *kinds;
};

static void check_cuts(const char *function, const struct cut *cuts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        empty_directory();
        die_in(function, "", cuts[i].first);
        if (cuts[i].second)
            die_in(function, "", cuts[i].second);
        finish(function);
        cr_assert_str_eq(kinds(), cuts[i].kinds, "%s, case %zu: %s", function, i, kinds());
    }
}

#define CHECK_CUTS(function, cuts) check_cuts(function, cuts, sizeof cuts / sizeof *cuts)

Test(regions, an_atomic_region_that_is_cut_off_happens_again)
{
    static const struct cut CUTS[] = {
        {3, 0, "CIAcLcacD"},         {4, 0, "CIAcJcLcacD"},      {5, 0, "CIAcLJcLcacD"}, {6, 0, "CIAcLcJcLcacD"},
        {7, 0, "CIAcLcacD"},         {8, 0, "CIAcLcacD"},        {4, 5, "CIAcJcLcacD"},  {4, 6, "CIAcJcJcLcacD"},
        {6, 9, "CIAcLcJcLJcLcacD"},
    };
    CHECK_CUTS("atomic", CUTS);
}

/* A line that was forgotten is printed again, also by a process that finds the Jump there. */
Test(regions, what_was_printed_in_it_is_printed_again)
{
    static const struct cut CUTS[] = {{4, 0, "CIALcaD"}, {5, 0, "CIALcJLcaD"}, {5, 6, "CIALcJLcaD"}, {5, 7, "CIALcJLcaD"}};
    CHECK_CUTS("loud", CUTS);
}

Test(regions, of_nested_ones_the_outermost_counts)
{
    static const struct cut CUTS[] = {
        {4, 0, "CIAcJcAcacaD"},
        {5, 0, "CIAcAJcAcacaD"},
        {6, 0, "CIAcAcJcAcacaD"},
        {7, 0, "CIAcAcaJcAcacaD"},
        {8, 0, "CIAcAcacJcAcacaD"},
        {9, 0, "CIAcAcacaD"},
    };
    CHECK_CUTS("nested", CUTS);
}

/* What it gave, and that it ended, is forgotten with the region: it is had again. */
Test(regions, a_batch_that_ended_in_a_forgotten_region_has_not_ended)
{
    static const struct cut CUTS[] = {{5, 0, "CIBAcJcecaD"}, {6, 0, "CIBAceJcecaD"}, {7, 0, "CIBAcecJcecaD"},
                                      {8, 0, "CIBAcecaD"}};
    CHECK_CUTS("around", CUTS);
}

Test(regions, a_guest_ends_atomic_regions_and_nothing_else)
{
    static const struct cut CUTS[] = {{5, 0, "CIBcaJcaAcaaeD"}, {7, 0, "CIBcaAcJcaAcaaeD"}, {8, 0, "CIBcaAcaJcaAcaaeD"}};
    CHECK_CUTS("wrong-ends", CUTS);
}

Test(regions, the_end_of_one_is_the_end_of_those_in_it)
{
    static const struct cut CUTS[] = {{5, 0, "CIAAcJAcaccD"}, {6, 0, "CIAAcaccD"}, {7, 0, "CIAAcaccD"}};
    CHECK_CUTS("torn", CUTS);
    empty_directory();
    die_in("torn", "", 8);
    value_of("torn", "", "k");
    cr_assert_eq(shared->restored, 6, "a checkpoint behind the end was restored: %" PRIu64, shared->restored);
    must_verify();
}

Test(regions, one_that_an_invocation_leaves_open_is_over_with_it)
{
    uint64_t value = value_of("left-open", "", "first"); /* entries 2 to 5 */
    die_in("read", "", 7);
    value_of("read", "", "k");
    cr_assert_eq(value_of("left-open", "", "first"), value);
    value_of("checkpoints", "0", NULL);
    cr_assert_eq(shared->checkpoints, 1);
    cr_assert_str_eq(kinds(), "CIAcDIcDIcD");
    must_verify();
}

Test(regions, an_atomic_region_that_waits_goes_on_where_it_is)
{
    cr_assert_eq(call("waiting", "", "k"), GA_SUSPENDED);
    must_verify();
    cr_assert_eq(call("waiting", "", "k"), GA_SUSPENDED);
    cr_assert_str_eq(kinds(), "CIAcSS");
    waited_for = true;
    die_in("waiting", "", 7); /* behind the read; which cuts it off */
    finish("waiting");
    cr_assert_str_eq(kinds(), "CIAcSScJccaD");
    empty_directory();
    waited_for = false;
    cr_assert_eq(call("waiting", "", "k"), GA_SUSPENDED);
    waited_for = true;
    finish("waiting");
    cr_assert_str_eq(kinds(), "CIAcScaD");
}

Test(regions, while_one_is_open_there_is_no_checkpoint)
{
    value_of("checkpoints", "0", NULL);
    cr_assert_eq(shared->checkpoints, 1);
    value_of("checkpoints", "1", NULL);
    cr_assert_eq(shared->checkpoints, 0);
}

Test(regions, a_guest_that_goes_back_forgets_what_came_then)
{
    char expected[1000] = "CIN";
    enum ga_status status;
    for (int i = 0; i < 100 && (status = call("until", "", "k")) == GA_SUSPENDED; i++) {
        cr_assert_not_null(strstr(shared->text, "worker \"w\" goes back to entry 3"), "%s", shared->text);
        strcat(expected, "cLJ");
        cr_assert_str_eq(kinds(), expected);
        must_verify();
    }
    cr_assert_eq(status, GA_OK, "%s", shared->text);
    cr_assert_eq(value_of("until", "", "k"), 0);
    strcat(expected, "cLcD");
    cr_assert_str_eq(kinds(), expected);
    must_verify();
}

Test(regions, a_guest_that_goes_back_comes_from_no_checkpoint_of_what_it_forgot)
{
    uint64_t checkpoints = 0, restored = 0;
    for (int i = 0; i < 8; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        enum ga_status status;
        while ((status = call("until-kept", "", key)) == GA_SUSPENDED) {
            checkpoints += shared->checkpoints;
            restored += shared->restored > 0;
            must_verify();
        }
        cr_assert(status == GA_OK && shared->result == 7, "%s", shared->text);
        must_verify();
    }
    cr_assert_not_null(strchr(kinds(), 'J'), "%s", kinds());
    cr_assert(checkpoints > 8 && restored > 0);
}

Test(regions, there_is_no_way_back_to_what_is_not_of_this_invocation)
{
    static const struct {
        const char *index, *text;
    } CASES[] = {
        {"7", "Attempted to jump forward in oplog to index 7 from 6"},
        {"18446744073709551615", "Attempted to jump forward in oplog to index 18446744073709551615 from 6"},
        {"6", NULL},
        {"5", NULL},
        {"4", "Attempted to jump to index 4 in oplog, before this invocation"},
        {"0", "Attempted to jump to index 0 in oplog, before this invocation"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        empty_directory();
        value_of("policy", "1", NULL); /* entries 2 to 4 */
        enum ga_status status = call("back-to", CASES[i].index, NULL);
        cr_assert_eq(status, CASES[i].text ? GA_TRAP : GA_SUSPENDED, "case %zu: %s", i, shared->text);
        cr_assert(!CASES[i].text || strcmp(shared->text, CASES[i].text) == 0, "case %zu: %s", i, shared->text);
        must_verify();
    }
}

Test(regions, a_remote_write_that_must_not_be_repeated_is_a_trap)
{
    static const char text[] = "Non-idempotent remote write operation was not completed, cannot retry";
    for (uint64_t at = 3; at <= 4; at++) {
        empty_directory();
        die_in("once", "0", at);
        must_verify();
        cr_assert_eq(call("once", "0", "k"), GA_TRAP, "%s", shared->text);
        cr_assert_not_null(strstr(shared->text, text), "%s", shared->text);
        must_verify();
    }
    empty_directory();
    die_in("once", "0", 5);
    cr_assert_eq(value_of("once", "0", "k"), 0, "it had ended");
    empty_directory();
    die_in("once", "1", 4);
    cr_assert_eq(value_of("once", "1", "k"), 1);
}

Test(regions, a_retry_policy_is_recorded_and_compared)
{
    cr_assert_eq(value_of("policy", "7", NULL), 7);
    cr_assert_eq(value_of("policy", "8", NULL), 8);
    must_verify();
}
