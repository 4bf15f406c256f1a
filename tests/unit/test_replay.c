#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <sys/resource.h>

/*
 * The durable layer with a component made by hand (worker_steps.h): oplogs, replay, checkpoints, what is refused.
 */

/* --- what the processes of a test share --- */

static struct shared {
    uint64_t result, live_calls, restored, calls_replayed, observed, checkpoints;
    uint64_t received; /* by the world outside, from host_write */
    int status;        /* enum ga_status of the last step */
    char text[1024];
} *shared;

/* How this process's guest and host behave. Guests that behave in another way than before are what divergence is. */
static struct {
    uint64_t argument_offset, result_offset, early, other_function, promise_done, killed_in_write, killed_after_promise, disk_full,
        long_since;
} behaviour;

#include "worker_steps.h"

/* --- host functions --- */

/* Never the same value twice: only the oplog can give it again. */
static void host_read(struct worker *worker, const void *params, void *result)
{
    (void)params;
    shared->live_calls++;
    shared->restored = worker->restored;
    if (behaviour.disk_full)
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, RLIM_INFINITY});
    *(uint64_t *)result = random_u64();
}

static void host_write(struct worker *worker, const void *params, void *result)
{
    shared->live_calls++;
    cr_assert(journal_is_committed(&worker->journal), "all before an external write is durable");
    shared->received = *(const uint64_t *)params;
    if (behaviour.killed_in_write)
        raise(SIGKILL);
    *(uint64_t *)result = random_u64();
}

/* Another one each time it is made, unlike a real key: one that was lost could not come back. */
static void host_derive(struct worker *worker, const void *params, void *result)
{
    host_read(worker, params, result);
}

/* Notes whether something is waiting for the disk; not for the guest, which must not see the difference. */
static void host_is_committed(struct worker *worker, const void *params, void *result)
{
    (void)params;
    if (!worker->replaying)
        shared->observed = shared->observed * 2 + journal_is_committed(&worker->journal);
    *(uint64_t *)result = 0;
}

static void host_observe(struct worker *worker, const void *params, void *result)
{
    shared->observed++;
    if (behaviour.long_since) {
        worker->tail_start_ns = worker->tail_start_cpu_ns = 0 - 1000000000ull; /* a checkpoint is due at the next call */
        worker->checkpoint_cost_ns = 1, worker->checkpoint_files_ns = 0;
        worker->next_tick_us = 0;
    }
    *(uint64_t *)result = *(const uint64_t *)params;
}

static void host_mark(struct worker *worker, const void *params, void *result)
{
    (void)params;
    *(uint64_t *)result = durable_mark(worker, OPLOG_NO_OP, 0);
}

/* Notes how much waits for a commit. */
static void host_pending(struct worker *worker, const void *params, void *result)
{
    (void)params;
    shared->observed = worker->journal.tail.buf.size;
    *(uint64_t *)result = 0;
}

static void make_value(void *context, void *result)
{
    shared->live_calls++;
    *(uint64_t *)result = random_u64() + *(const uint64_t *)context;
}

static void host_value(struct worker *worker, const void *params, void *result)
{
    uint64_t context = *(const uint64_t *)params;
    durable_value(worker, "test::value", DURABLE_READ_REMOTE, &one_tuple, params, &cabi_u64, result, make_value,
                  &context);
}

static void host_log(struct worker *worker, const void *params, void *result)
{
    char line[40];
    int size = snprintf(line, sizeof line, "line %" PRIu64 "\n", *(const uint64_t *)params);
    worker_log(worker, WORKER_STDOUT, line, (size_t)size);
    *(uint64_t *)result = 0;
}

static void host_wait(struct worker *worker, const void *params, void *result)
{
    (void)params;
    if (!behaviour.promise_done)
        durable_suspend(worker, 0);
    *(uint64_t *)result = 7;
}

static void host_make_promise(struct worker *worker, const void *params, void *result)
{
    (void)params;
    uint64_t index = durable_mark(worker, OPLOG_NO_OP, 0);
    durable_promise_create(worker, index);
    *(uint64_t *)result = index;
}

/* The first byte of what it was completed with. */
static void host_await(struct worker *worker, const void *params, void *result)
{
    struct cabi_list data;
    enum promise_state state =
        durable_promise_get(worker, worker_component_id(worker), "w", *(const uint64_t *)params, &data);
    if (state == PROMISE_NONE)
        worker_trap(worker, "no promise");
    if (state == PROMISE_PENDING)
        durable_suspend(worker, 0);
    *(uint64_t *)result = *(const uint8_t *)data.items;
}

static void host_complete(struct worker *worker, const void *params, void *result)
{
    *(uint64_t *)result =
        durable_promise_complete(worker, worker_component_id(worker), "w", *(const uint64_t *)params, "A", 1);
    if (behaviour.killed_after_promise)
        raise(SIGKILL);
}

/* What has been printed so far is seen, and then the process may die. */
static void host_show(struct worker *worker, const void *params, void *result)
{
    (void)params;
    durable_commit(worker);
    if (behaviour.killed_after_promise)
        raise(SIGKILL);
    *(uint64_t *)result = 0;
}

static const struct host_resource_type socket_type = {.name = "test:socket",
                                                      .record_size = 8,
                                                      .forbids_checkpoint = true};

static void host_open(struct worker *worker, const void *params, void *result)
{
    uint32_t rep;
    (void)params;
    host_resource_new(worker, &socket_type, &rep);
    *(uint64_t *)result = rep;
}

static void host_close(struct worker *worker, const void *params, void *result)
{
    host_resource_drop(worker, &socket_type, (uint32_t)*(const uint64_t *)params);
    *(uint64_t *)result = 0;
}

static void host_files(struct worker *worker, const void *params, void *result)
{
    uint32_t count;
    (void)params;
    (void)worker_preopens(worker, &count);
    *(uint64_t *)result = count;
}

#define HOST_MAP(X)                  \
    X(read, DURABLE_READ_LOCAL)      \
    X(write, DURABLE_WRITE_REMOTE)   \
    X(derive, DURABLE_WRITE_DERIVED) \
    X(is_committed, DURABLE_OBSERVE) \
    X(observe, DURABLE_OBSERVE)      \
    X(mark, DURABLE_CUSTOM)          \
    X(value, DURABLE_CUSTOM)         \
    X(log, DURABLE_OBSERVE)          \
    X(wait, DURABLE_CUSTOM)          \
    X(pending, DURABLE_OBSERVE)      \
    X(make_promise, DURABLE_CUSTOM)  \
    X(await, DURABLE_CUSTOM)         \
    X(complete, DURABLE_WRITE_LOCAL) \
    X(show, DURABLE_OBSERVE)         \
    X(files, DURABLE_OBSERVE)        \
    X(open, DURABLE_OBSERVE)         \
    X(close, DURABLE_OBSERVE)

static struct root {
    struct cabi_instance instance;
    struct rt_options options;
    uint64_t total;
    uint64_t memory[4096]; /* something for checkpoints to hold */
} *const root = RT_ROOT;

#define X STEPS_HOST_CALL
HOST_MAP(X)
#undef X

/* --- the guest: on the guest stack, its state in the region --- */

static uint64_t mix(uint64_t value, uint64_t more)
{
    return (value ^ more) * 0x9e3779b97f4a7c15ull + (value >> 29);
}

static void guest_run(uint64_t *flat)
{
    uint64_t steps = flat[0], sum = root->total;
    for (uint64_t i = 0; i < steps - behaviour.early; i++) {
        uint64_t argument = i + behaviour.argument_offset;
        sum = mix(sum, behaviour.other_function && i == 2 ? call_value(argument) : call_read(argument));
        root->memory[i % 4096] ^= sum;
    }
    root->total = sum;
    flat[0] = sum + behaviour.result_offset;
}

/* Long enough for checkpoints in the middle of it. */
static void guest_slow(uint64_t *flat)
{
    uint64_t steps = flat[0], sum = root->total;
    for (uint64_t i = 0; i < steps; i++) {
        sum = mix(sum, call_read(i));
        for (int spin = 0; spin < 20000; spin++)
            sum = mix(sum, (uint64_t)spin);
        root->memory[i % 4096] ^= sum;
    }
    root->total = flat[0] = sum;
}

static void guest_unrecorded(uint64_t *flat)
{
    uint64_t steps = flat[0], sum = root->total;
    for (uint64_t i = 0; i < steps; i++)
        sum = mix(sum, call_observe(i));
    root->total = flat[0] = sum;
}

static void guest_mixed(uint64_t *flat)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < flat[0]; i++) {
        sum = mix(sum, call_value(i));
        sum = mix(sum, call_mark(0));
        sum = mix(sum, call_observe(i));
        call_log(i);
        sum = mix(sum, call_read(i));
        call_log(i + 1000);
    }
    root->total = mix(root->total, sum);
    flat[0] = sum;
}

static void guest_write(uint64_t *flat)
{
    call_read(0);
    call_is_committed(0);
    flat[0] = call_write(1);
    call_is_committed(0);
}

/* Its argument: whether the key goes out of the worker by a write before the result does. */
static void guest_derive(uint64_t *flat)
{
    uint64_t key = call_derive(0);
    call_is_committed(0);
    if (flat[0])
        call_write(key);
    flat[0] = key;
}

static void guest_total(uint64_t *flat)
{
    flat[0] = root->total;
}

static void guest_trap(uint64_t *flat)
{
    call_read(flat[0]);
    wasm_rt_trap(WASM_RT_TRAP_UNREACHABLE);
}

static void guest_wait(uint64_t *flat)
{
    uint64_t sum = call_read(1);
    sum = mix(sum, call_wait(0));
    flat[0] = root->total = mix(sum, call_read(2));
}

static void guest_marks(uint64_t *flat)
{
    for (uint64_t i = 0; i < flat[0]; i++)
        call_mark(0);
    flat[0] = call_pending(0);
}

/* Prints what comes of its own promise. */
static void guest_promise(uint64_t *flat)
{
    flat[0] = call_await(call_make_promise(0));
    call_log(flat[0]);
    call_show(0);
}

static void guest_complete(uint64_t *flat)
{
    flat[0] = call_complete(call_make_promise(0));
}

static void guest_files(uint64_t *flat)
{
    flat[0] = call_files(0);
}

static void guest_open(uint64_t *flat)
{
    flat[0] = call_open(0);
}

static void guest_close(uint64_t *flat)
{
    flat[0] = call_close(flat[0]);
}

static const struct cabi_resource thing = {.name = "thing", .owner = &((struct root *)RT_ROOT)->instance};
static const struct cabi_type own_thing = {.kind = CABI_OWN,
                                           .align = 4,
                                           .native_align = 4,
                                           .flat_count = 1,
                                           .has_handles = true,
                                           .size = 4,
                                           .native_size = 4,
                                           .resource = &thing,
                                           .flat = (const uint8_t[]){CABI_FLAT_I32}};
static const struct cabi_func_type none_to_own = {.params_tuple = &no_tuple, .result = &own_thing};

/* Returns a resource, but leaves no room in the arena. */
static void guest_fill(uint64_t *flat)
{
    flat[0] = rt_resource_new(&root->instance, &thing, 1);
    for (size_t size = REGION_ARENA_BYTES; size >= 16; size /= 2)
        while (region_alloc(size))
            ;
}

#define OPTIONS STEPS_OPTIONS
static const struct rt_export exports[] = {
    {"", "run", &u64_to_u64, OPTIONS, guest_run, NULL},      {"", "slow", &u64_to_u64, OPTIONS, guest_slow, NULL},
    {"", "mixed", &u64_to_u64, OPTIONS, guest_mixed, NULL},  {"", "write", &u64_to_u64, OPTIONS, guest_write, NULL},
    {"", "total", &none_to_u64, OPTIONS, guest_total, NULL}, {"", "trap", &u64_to_u64, OPTIONS, guest_trap, NULL},
    {"", "wait", &none_to_u64, OPTIONS, guest_wait, NULL},   {"", "open", &none_to_u64, OPTIONS, guest_open, NULL},
    {"", "files", &none_to_u64, OPTIONS, guest_files, NULL}, {"", "promise", &none_to_u64, OPTIONS, guest_promise, NULL},
    {"", "fill", &none_to_own, OPTIONS, guest_fill, NULL},   {"", "marks", &u64_to_u64, OPTIONS, guest_marks, NULL},
    {"", "unrecorded", &u64_to_u64, OPTIONS, guest_unrecorded, NULL},
    {"", "complete", &none_to_u64, OPTIONS, guest_complete, NULL},
    {"", "close", &u64_to_u64, OPTIONS, guest_close, NULL},  {"", "derive", &u64_to_u64, OPTIONS, guest_derive, NULL},
};

STEPS_COMPONENT;

/* --- tests --- */

TestSuite(replay, .init = setup, .fini = teardown, .timeout = 120);

Test(replay, gives_back_what_was_recorded_and_calls_nothing)
{
    uint64_t result = value_of("run", "20", NULL);
    cr_assert_eq(shared->live_calls, 20);
    cr_assert_eq(value_of("total", "", NULL), result);
    cr_assert_eq(shared->live_calls, 0);
    cr_assert_str_eq(kinds(), "CIccccccccccccccccccccDID");
    must_verify();
    cr_assert_eq(shared->calls_replayed, 20);
    cr_assert_eq(shared->live_calls, 0);
}

Test(replay, every_kind_of_call_is_replayed_in_its_place)
{
    uint64_t result = value_of("mixed", "2", "k");
    cr_assert_eq(shared->live_calls, 4);
    cr_assert_eq(shared->observed, 2);
    uint64_t total = value_of("total", "", NULL);
    cr_assert_eq(shared->live_calls, 0);
    cr_assert_eq(shared->observed, 2, "what is not recorded runs again");
    cr_assert_str_eq(kinds(), "CIcNLcLcNLcLDID");
    cr_assert_eq(value_of("mixed", "2", "k"), result);
    cr_assert_eq(value_of("total", "", NULL), total);
    must_verify();
}

Test(replay, a_key_gives_its_first_result_without_running)
{
    uint64_t result = value_of("run", "5", "k");
    cr_assert_eq(value_of("run", "99", "k"), result);
    cr_assert_eq(shared->live_calls, 0);
    cr_assert_neq(value_of("run", "5", "other"), result);
    cr_assert_str_eq(kinds(), "CIcccccDIcccccD");
}

Test(replay, an_external_write_waits_for_all_before_it_and_the_guest_for_its_record)
{
    value_of("write", "0", NULL);
    cr_assert_eq(shared->observed, 1, "not committed before, committed after");
    must_verify();
}

Test(replay, a_derived_value_waits_for_no_disk_and_is_durable_before_it_leaves_the_worker)
{
    int wait_status;
    value_of("derive", "0", NULL);
    cr_assert_eq(shared->observed, 0, "nothing was committed for it");
    behaviour.killed_in_write = 1;
    waitpid(start_process("derive", "1", "k"), &wait_status, 0);
    cr_assert(WIFSIGNALED(wait_status));
    uint64_t received = shared->received;
    behaviour.killed_in_write = 0;
    cr_assert_eq(value_of("derive", "1", "k"), received, "what the world has seen is still so after the crash");
    cr_assert_eq(shared->live_calls, 1, "the write alone");
    cr_assert_eq(shared->received, received);
    cr_assert_str_eq(kinds(), "CIcDIccD");
    must_verify();
}

static void check_divergence(const char *expected)
{
    cr_assert_eq(call("total", "", NULL), GA_DIVERGED, "%s", shared->text);
    cr_assert_not_null(strstr(shared->text, expected), "%s", shared->text);
    cr_assert_eq(shared->live_calls, 0);
    cr_assert_eq(verify(), GA_DIVERGED);
    cr_assert_not_null(strstr(shared->text, expected), "%s", shared->text);
    memset(&behaviour, 0, sizeof behaviour);
    cr_assert_eq(call("total", "", NULL), GA_OK, "a divergence changes nothing: %s", shared->text);
}

Test(replay, other_arguments_are_a_divergence_shown_with_both_sides)
{
    value_of("run", "5", NULL);
    behaviour.argument_offset = 100;
    check_divergence("worker \"w\", entry 3: recorded: test::read(0); now: test::read(100)");
}

Test(replay, another_function_is_a_divergence)
{
    value_of("run", "5", NULL);
    behaviour.other_function = 1;
    check_divergence("entry 5: recorded: test::read(02); now: test::value(2)");
}

Test(replay, another_result_is_a_divergence)
{
    char expected[200];
    uint64_t result = value_of("run", "5", NULL);
    behaviour.result_offset = 1;
    snprintf(expected, sizeof expected,
             "entry 8: recorded: ExportedFunctionCompleted %" PRIu64 "; now: ExportedFunctionCompleted %" PRIu64,
             result, result + 1);
    check_divergence(expected);
}

Test(replay, fewer_calls_are_a_divergence)
{
    value_of("run", "5", NULL);
    behaviour.early = 1;
    check_divergence("entry 7: recorded: ImportedFunctionInvoked ; now: ExportedFunctionCompleted");
}

Test(replay, a_trap_is_recorded_and_the_worker_has_failed)
{
    value_of("run", "2", "before");
    uint64_t before = shared->result;
    cr_assert_eq(call("trap", "1", "k"), GA_TRAP);
    cr_assert_str_eq(shared->text, "unreachable");
    cr_assert_eq(call("total", "", NULL), GA_TRAP);
    cr_assert_str_eq(shared->text, "Previous invocation failed: unreachable");
    cr_assert_eq(call("trap", "1", "k"), GA_TRAP);
    cr_assert_eq(value_of("run", "9", "before"), before);
    cr_assert_str_eq(kinds(), "CIccDIcE");
    must_verify();
}

Test(replay, a_guest_that_leaves_no_room_for_the_resource_that_it_returns_has_trapped)
{
    static const char TRAP[] = "no memory for the resources that are returned";
    char expected[200];
    snprintf(expected, sizeof expected, "Previous invocation failed: %s", TRAP);
    uint64_t before = value_of("run", "2", "before");
    cr_assert_eq(call("fill", "", NULL), GA_TRAP, "%s", shared->text);
    cr_assert_str_eq(shared->text, TRAP);
    cr_assert_eq(call("total", "", NULL), GA_TRAP);
    cr_assert_str_eq(shared->text, expected);
    cr_assert_eq(value_of("run", "2", "before"), before);
    cr_assert_str_eq(kinds(), "CIccDIE");
    must_verify();
}

Test(replay, a_trap_that_cannot_be_written_down_is_not_told)
{
    value_of("run", "3", NULL);
    behaviour.disk_full = 1;
    cr_assert_eq(call("trap", "1", NULL), GA_IO, "%s", shared->text);
    behaviour.disk_full = 0;
    cr_assert_str_eq(kinds(), "CIcccD");
    value_of("run", "3", NULL);
}

Test(replay, a_suspended_worker_goes_on_when_it_can)
{
    cr_assert_eq(call("wait", "", "k"), GA_SUSPENDED);
    cr_assert_str_eq(shared->text, "worker \"w\" waits for a promise");
    cr_assert_eq(call("total", "", NULL), GA_SUSPENDED, "others wait behind it");
    cr_assert_eq(shared->live_calls, 0);
    behaviour.promise_done = 1;
    uint64_t result = value_of("wait", "", "k");
    cr_assert_eq(shared->live_calls, 1);
    cr_assert_eq(value_of("total", "", NULL), result);
    cr_assert_str_eq(kinds(), "CIcSScDID");
    must_verify();
}

static enum ga_status call_here(const char *function, const char *argument, struct ga_report *report)
{
    struct ga_buf out = {0};
    struct invocation_request request = {.function = function,
                                         .function_size = strlen(function),
                                         .args = argument,
                                         .args_size = strlen(argument)};
    enum ga_status status = invocation_call(&worker_this, &request, &out, report);
    ga_buf_free(&out);
    return status;
}

/* What somebody else does to promise `index` of the worker. */
static void complete_or_delete_promise(uint64_t index, bool complete)
{
    struct store *store;
    struct store_worker worker;
    struct ga_report report = {0};
    bool done = true;
    cr_assert_eq(store_sqlite_open(directory, true, &store, &report), GA_OK, "%s", report.text);
    cr_assert_eq(store->ops->worker_find(store, "w", &worker, &report), GA_OK);
    enum ga_status status =
        complete ? store->ops->promise_complete(store, worker.component_id, "w", index, "A", 1,
                                                (struct store_completer){0}, &done, &report)
                 : store->ops->promise_delete(store, worker.component_id, "w", index, &report);
    cr_assert(status == GA_OK && done, "%s", report.text);
    store->ops->close(store);
}

static void kill_after_promise(const char *function)
{
    int wait_status;
    behaviour.killed_after_promise = 1;
    waitpid(start_process(function, "", "k"), &wait_status, 0);
    cr_assert(WIFSIGNALED(wait_status));
    behaviour.killed_after_promise = 0;
}

Test(replay, a_worker_that_waited_for_a_promise_is_brought_back_though_it_was_deleted_meanwhile)
{
    enum { PROMISE = 3 };
    cr_assert_eq(call("promise", "", "k"), GA_SUSPENDED, "%s", shared->text);
    complete_or_delete_promise(PROMISE, true);
    kill_after_promise("promise");
    complete_or_delete_promise(PROMISE, false);
    cr_assert_eq(value_of("promise", "", "k"), 'A');
    cr_assert_str_eq(kinds(), "CINSLD");
    must_verify();
}

Test(replay, who_has_completed_a_promise_has_still_done_so_when_it_was_deleted_meanwhile)
{
    enum { PROMISE = 3 };
    kill_after_promise("complete");
    cr_assert_str_eq(kinds(), "CIN", "the call's own entry is lost");
    complete_or_delete_promise(PROMISE, false);
    cr_assert_eq(value_of("complete", "", "k"), PROMISE_PENDING);
    cr_assert_str_eq(kinds(), "CINcD");
    must_verify();
}

Test(replay, a_resource_that_cannot_be_made_again_forbids_checkpoints_while_it_lives)
{
    struct ga_report report = {0};
    cr_assert_eq(worker_start(&worker_this, config_of(WORKER_LIVE), &report), GA_OK, "%s", report.text);
    cr_assert_eq(call_here("open", "", &report), GA_OK, "%s", report.text);
    cr_assert_eq(worker_checkpoint(&worker_this, &report), GA_UNSUPPORTED);
    cr_assert_not_null(strstr(report.text, "cannot be made again"), "%s", report.text);
    report = (struct ga_report){0};
    cr_assert_eq(call_here("close", "1", &report), GA_OK, "%s", report.text);
    cr_assert_eq(worker_checkpoint(&worker_this, &report), GA_OK, "%s", report.text);
    cr_assert_eq(worker_this.last_checkpoint.oplog_index, 5);
    cr_assert_eq(worker_stop(&worker_this, &report), GA_OK);
}

Test(replay, a_checkpoint_between_invocations_is_restored_and_verified)
{
    uint64_t result = value_of("run", "10", NULL);
    take_checkpoint();
    cr_assert_eq(value_of("total", "", NULL), result);
    cr_assert(shared->restored);
    must_verify();
    cr_assert(shared->restored, "the digest was compared");
}

/* Kills the process when it has made so many calls of its own; false if it ended before. */
static bool kill_after_calls(pid_t child, uint64_t calls)
{
    int wait_status;
    while (waitpid(child, &wait_status, WNOHANG) == 0) {
        if (*(volatile uint64_t *)&shared->live_calls >= calls) {
            kill(child, SIGKILL);
            waitpid(child, &wait_status, 0);
            return wait_status != 0;
        }
        usleep(1000);
    }
    return false;
}

Test(replay, checkpoints_are_taken_of_a_computation_that_records_nothing)
{
    behaviour.long_since = 1;
    value_of("unrecorded", "5", NULL);
    cr_assert_geq(shared->checkpoints, 4, "%" PRIu64, shared->checkpoints);
    cr_assert_str_eq(kinds(), "CID");
    must_verify();
}

Test(replay, checkpoints_in_the_middle_of_an_invocation_are_restored_after_sigkill)
{
    int kills = 0;
    bool restored = false;
    while (kill_after_calls(start_process("slow", "20000", "k"), 2000 + random_u64() % 2000)) {
        restored |= shared->restored != 0;
        if (kills++ % 3 == 0)
            must_verify();
    }
    uint64_t result = value_of("slow", "20000", "k");
    cr_assert_geq(kills, 3);
    cr_assert(restored, "a process began with a checkpoint");
    cr_assert_eq(value_of("total", "", NULL), result);
    must_verify();
}

Test(replay, kills_at_random_instants_lose_and_repeat_nothing)
{
    char key[20];
    int kills = 0;
    uint64_t last = 0, range_us = 12000; /* as long as a process lives, which depends on the machine: it is found out */
    for (int i = 0; i < 12; i++) {
        int wait_status = -1;
        snprintf(key, sizeof key, "key %d", i);
        while (wait_status != 0) {
            pid_t child = start_process("mixed", "3", key);
            usleep((useconds_t)(random_u64() % range_us));
            if (kills < 60)
                kill(child, SIGKILL);
            waitpid(child, &wait_status, 0);
            kills += wait_status != 0;
            range_us = wait_status != 0 ? range_us + range_us / 8 : range_us / 2 + 50;
        }
        cr_assert_eq(shared->status, GA_OK, "%s", shared->text);
        last = shared->result;
        cr_assert_eq(value_of("mixed", "3", key), last);
    }
    cr_assert_gt(kills, 5);
    char expected[1000] = "C";
    for (int i = 0; i < 12; i++)
        strcat(expected, "IcNLcLcNLcLcNLcLD");
    cr_assert_str_eq(kinds(), expected);
    must_verify();
}

static void execute(const char *sql)
{
    char path[128];
    snprintf(path, sizeof path, "%s/golem.db", directory);
    sqlite3 *database;
    cr_assert_eq(sqlite3_open(path, &database), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(database));
    sqlite3_close(database);
}

/* Entries: 1 Create, 2 Invoked, 3 to 5, 6 Completed | 7 to 11 | 12 to 16; three chunks. Without the store's own witness of
 * its last commit, so that what else tells of damage is heard. */
static void make_history(void)
{
    char command[128];
    for (int i = 0; i < 3; i++)
        value_of("run", "3", NULL);
    cr_assert_str_eq(kinds(), "CIcccDIcccDIcccD");
    snprintf(command, sizeof command, "rm %s/workers/*/witness", directory);
    cr_assert_eq(system(command), 0);
}

Test(replay, damage_is_refused_with_the_entrys_number)
{
    static const struct {
        const char *sql, *message;
    } CASES[] = {
        {"UPDATE oplog SET data = substr(data, 1, 20) || x'ff' || substr(data, 22) WHERE first_idx = 7",
         "worker \"w\", entry 7: damaged"},
        {"UPDATE oplog SET hash = hash + 1 WHERE first_idx = 7", "worker \"w\", entry 11: damaged"},
        {"UPDATE oplog SET hash = hash + 1 WHERE first_idx = 12", "worker \"w\", entry 16: damaged"},
        {"UPDATE oplog SET data = substr(data, 1, length(data) - 1) WHERE first_idx = 7",
         "worker \"w\", entry 11: torn, but entry 12 follows it"},
        {"DELETE FROM oplog WHERE first_idx = 7", "worker \"w\", entry 7: missing (entry 12 follows)"},
        {"DELETE FROM oplog WHERE first_idx = 1", "worker \"w\", entry 1: missing"},
        {"DELETE FROM oplog", "worker \"w\", entry 1: its oplog is gone"},
        {"DELETE FROM oplog WHERE first_idx = 12",
         "worker \"w\", entry 16: missing: an invocation's key names it, but the oplog ends with entry 11"},
        {"DELETE FROM invocation WHERE completed_idx = 11",
         "worker \"w\", entries 1 to 16: complete 3 invocations, but there are the keys of 2"},
        {"UPDATE oplog SET first_idx = 13 WHERE first_idx = 12", "worker \"w\", entry 12: missing"},
        {"UPDATE worker SET component_hash = 'x'", "worker \"w\", entry 1: the worker's row names another component"},
    };
    make_history();
    char save[300], restore[300], remove[300];
    snprintf(save, sizeof save, "cp -r %s %s.kept", directory, directory);
    snprintf(restore, sizeof restore, "rm -rf %s && cp -r %s.kept %s", directory, directory, directory);
    snprintf(remove, sizeof remove, "rm -rf %s.kept", directory);
    cr_assert_eq(system(save), 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        execute(CASES[i].sql);
        cr_assert_eq(call("total", "", NULL), GA_CORRUPT, "%s: %s", CASES[i].sql, shared->text);
        cr_assert_not_null(strstr(shared->text, CASES[i].message), "%s: %s", CASES[i].sql, shared->text);
        cr_assert_eq(system(restore), 0);
    }
    cr_assert_eq(system(remove), 0);
}

Test(replay, a_checkpoint_beyond_the_end_tells_that_entries_are_lost)
{
    make_history();
    take_checkpoint();
    execute("DELETE FROM oplog WHERE first_idx = 12; DELETE FROM invocation WHERE completed_idx = 16");
    static const char message[] = "worker \"w\", entry 16: missing: a checkpoint was taken there, but the oplog ends "
                                  "with entry 11";
    cr_assert_eq(call("total", "", NULL), GA_CORRUPT, "%s", shared->text);
    cr_assert_str_eq(shared->text, message);
    cr_assert_eq(verify(), GA_CORRUPT);
    cr_assert_str_eq(shared->text, message);
}

Test(replay, a_torn_tail_is_cut_and_its_invocation_runs_again)
{
    make_history();
    execute("UPDATE oplog SET data = substr(data, 1, length(data) - 1) WHERE first_idx = 12");
    uint64_t total = value_of("total", "", NULL);
    cr_assert_eq(shared->live_calls, 0, "all calls of the invocation were whole");
    cr_assert_str_eq(kinds(), "CIcccDIcccDIcccDID");
    cr_assert_eq(value_of("total", "", NULL), total);
    must_verify();
}

/* What a guest may leave behind: directories whose names, one after the other, are longer than a path may be. */
static void make_deep_files(void)
{
    char command[200];
    snprintf(command, sizeof command,
             "cd %s/workers/w-*/files/root && for i in $(seq 30); do mkdir $(printf %%0200d $i) && cd -P $(printf %%0200d $i); done",
             directory);
    cr_assert_eq(system(command), 0);
}

Test(replay, files_deeper_than_any_path_are_made_anew_too)
{
    cr_assert_eq(value_of("files", "", NULL), 2);
    make_deep_files();
    cr_assert_eq(value_of("files", "", NULL), 2);
    must_verify();
}

Test(replay, another_components_worker_is_refused)
{
    static struct worker_config config;
    struct ga_report report = {0};
    value_of("total", "", NULL);
    /* As another component would have made it: entry 1 says so, and the chain is right. */
    struct store *store;
    struct store_worker worker, wanted = {.component_id = "other", .component_hash = "other"};
    bool created;
    cr_assert_eq(store_sqlite_open(directory, true, &store, &report), GA_OK);
    cr_assert_eq(store->ops->worker_open(store, "theirs", &wanted, &worker, &created, &report), GA_OK);
    struct journal journal;
    journal_start(&journal, store, worker.id, worker.epoch, 0, oplog_chain_start(worker.id));
    journal_append(&journal, OPLOG_CREATE,
                   (struct oplog_value[]){oplog_text("theirs"), oplog_text("other"), oplog_text("other"),
                                          oplog_number(0), oplog_number(0), oplog_number(0), oplog_text(""),
                                          oplog_number(0)});
    cr_assert_eq(journal_commit(&journal, &report), GA_OK, "%s", report.text);
    journal_free(&journal);
    store->ops->close(store);
    config = (struct worker_config){.data = directory, .name = "theirs"};
    cr_assert_eq(worker_start(&worker_this, &config, &report), GA_CONFLICT);
    cr_assert_not_null(strstr(report.text, "worker \"theirs\", entry 1: belongs to another component"), "%s",
                       report.text);
}

Test(replay, texts_of_libraries_are_given_as_utf_8)
{
    static const struct {
        const char *text, *given;
    } CASES[] = {{"", ""}, {"plain", "plain"}, {"\xc3\xa4", "\xc3\xa4"}, {"cut \xc3", "cut ?"}, {"\xc3\xa4\xff", "???"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct cabi_string given = worker_string(&worker_this, CASES[i].text);
        cr_assert(given.size == strlen(CASES[i].given) && !memcmp(given.data, CASES[i].given, given.size), "case %zu", i);
    }
}

Test(replay, an_ephemeral_worker_records_nothing)
{
    struct ga_report report = {0};
    struct worker_config config = {.name = "w"};
    cr_assert_eq(worker_start(&worker_this, &config, &report), GA_OK, "%s", report.text);
    cr_assert_eq(call_here("run", "5", &report), GA_OK, "%s", report.text);
    cr_assert_eq(shared->live_calls, 5);
    cr_assert_eq(worker_checkpoint(&worker_this, &report), GA_UNSUPPORTED);
    cr_assert_eq(worker_this.journal.tail.buf.size, 0);
    report = (struct ga_report){0};
    cr_assert_eq(call_here("marks", "3000000", &report), GA_OK, "%s", report.text);
    cr_assert_lt(shared->observed, 16 << 20, "it keeps nothing, however long an invocation is");
}

Test(replay, a_clock_that_is_set_back_holds_up_no_commit)
{
    struct ga_report report = {0};
    cr_assert_eq(worker_start(&worker_this, config_of(WORKER_LIVE), &report), GA_OK, "%s", report.text);
    worker_this.next_tick_us = journal_now_us() + 3600000000; /* as if it had been an hour later before */
    cr_assert_eq(call_here("marks", "3000000", &report), GA_OK, "%s", report.text);
    cr_assert_lt(shared->observed, 16 << 20);
    cr_assert_eq(worker_stop(&worker_this, &report), GA_OK);
}
