#ifndef WORKER_STEPS_H
#define WORKER_STEPS_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "durable.h"
#include "invocation.h"
#include "trap.h"
#include "worker.h"

/*
 * A real worker of a component made by hand: guest functions in C, on the guest stack, that call host functions through
 * gates. There is one worker in a process, so each step of a test is a process of its own.
 *
 * To be included by one file of a test program, behind its `static struct shared {...} *shared`, which all processes of a test see
 * and which each step begins with zeroes: uint64_t result, restored (the entry of the checkpoint that was, 0: none),
 * calls_replayed, checkpoints; int status; char text[1024]; and what else the test wants. The program defines struct root (with `instance` and `options`) and, behind its functions,
 * STEPS_HOST_CALL for each host function and STEPS_COMPONENT.
 */
static char directory[64];

/* --- types --- */

static const struct cabi_member one_member[] = {{"value", &cabi_u64, 0, 0}};
static const uint8_t one_flat[] = {CABI_FLAT_I64};
static const struct cabi_type one_tuple = {.kind = CABI_TUPLE,
                                           .align = 8,
                                           .native_align = 8,
                                           .flat_count = 1,
                                           .plain = true,
                                           .size = 8,
                                           .native_size = 8,
                                           .member_count = 1,
                                           .members = one_member,
                                           .flat = one_flat};
static const struct cabi_type no_tuple = {.kind = CABI_TUPLE, .align = 1, .native_align = 1, .plain = true};
static const struct cabi_func_type u64_to_u64 = {.param_count = 1,
                                                 .params = one_member,
                                                 .params_tuple = &one_tuple,
                                                 .result = &cabi_u64};
static const struct cabi_func_type none_to_u64 = {.params_tuple = &no_tuple, .result = &cabi_u64};

/* call_NAME(argument) for the guest, of host_NAME. */
#define STEPS_HOST_CALL(name, class)                                                                            \
    static const struct host_func func_##name = {"test:host/api@1.0.0", #name,      "test::" #name, class,       \
                                                 &u64_to_u64,           host_##name};                            \
    static const struct rt_lower lower_##name = {&func_##name, &u64_to_u64, &((struct root *)RT_ROOT)->options}; \
    static uint64_t call_##name(uint64_t argument)                                                               \
    {                                                                                                            \
        uint64_t flat[1] = {argument};                                                                           \
        return rt_call_host(&lower_##name, flat);                                                                \
    }

/* Of `exports`, each with STEPS_OPTIONS. */
#define STEPS_OPTIONS (&((struct root *)RT_ROOT)->options)
#define STEPS_COMPONENT                                                                          \
    static void instantiate(void)                                                                \
    {                                                                                            \
        ((struct root *)RT_ROOT)->instance.may_leave = true;                                     \
        ((struct root *)RT_ROOT)->options.instance = &((struct root *)RT_ROOT)->instance;        \
    }                                                                                            \
    const struct rt_component golem_component = {                                                \
        .name = "made",                                                                          \
        .component_hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",    \
        .wit = "",                                                                               \
        .root_size = sizeof(struct root),                                                        \
        .export_count = sizeof exports / sizeof *exports,                                        \
        .exports = exports,                                                                      \
        .instantiate = instantiate,                                                              \
    }

__attribute__((unused)) static uint64_t random_u64(void)
{
    static uint64_t state;
    if (!state)
        state = (uint64_t)getpid() * 0x9e3779b97f4a7c15ull + (uint64_t)time(NULL);
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

/* --- steps --- */

__attribute__((unused)) static void setup(void)
{
    strcpy(directory, "/tmp/golem-steps-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
}

__attribute__((unused)) static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

static void keep(enum ga_status status, const struct ga_report *report)
{
    shared->status = status;
    snprintf(shared->text, sizeof shared->text, "%s", report->text);
}

static const struct worker_config *config_of(enum worker_mode mode)
{
    static struct worker_config config;
    config = (struct worker_config){.mode = mode, .data = directory, .name = "w"};
    return &config;
}

/* Starts the worker, calls function(argument) if there is one, and stops. */
static void call_once(const char *function, const char *argument, const char *key)
{
    struct ga_report report = {0};
    struct ga_buf out = {0};
    enum ga_status status = worker_start(&worker_this, config_of(WORKER_LIVE), &report);
    shared->restored = worker_this.restored ? worker_this.last_checkpoint.oplog_index : 0;
    if (status == GA_OK && function) {
        struct invocation_request request = {.function = function,
                                             .function_size = strlen(function),
                                             .args = argument,
                                             .args_size = strlen(argument),
                                             .key = key};
        status = invocation_call(&worker_this, &request, &out, &report);
        shared->result = strtoull(ga_buf_cstr(&out), NULL, 10);
    }
    keep(status, &report);
    shared->checkpoints = worker_this.checkpoint_count;
    report = (struct ga_report){0};
    if (worker_stop(&worker_this, &report) != GA_OK)
        keep(report.status, &report);
}

static void verify_once(void)
{
    struct ga_report report = {0};
    keep(worker_verify(&worker_this, config_of(WORKER_VERIFY), &report), &report);
    shared->calls_replayed = worker_this.calls_replayed;
    shared->restored = worker_this.digest_seen;
}

static pid_t start_process(const char *function, const char *argument, const char *key)
{
    memset(shared, 0, sizeof *shared);
    shared->status = -1;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY); /* what the guest prints */
        dup2(null, STDERR_FILENO);
        call_once(function, argument, key);
        _exit(0);
    }
    return child;
}

static enum ga_status call(const char *function, const char *argument, const char *key)
{
    int wait_status;
    waitpid(start_process(function, argument, key), &wait_status, 0);
    cr_assert_eq(wait_status, 0, "%s: ended with %x", function, (unsigned)wait_status);
    return (enum ga_status)shared->status;
}

__attribute__((unused)) static uint64_t value_of(const char *function, const char *argument, const char *key)
{
    cr_assert_eq(call(function, argument, key), GA_OK, "%s: %s", function, shared->text);
    return shared->result;
}

static enum ga_status verify(void)
{
    int wait_status;
    memset(shared, 0, sizeof *shared);
    pid_t child = fork();
    if (child == 0) {
        verify_once();
        _exit(0);
    }
    waitpid(child, &wait_status, 0);
    cr_assert_eq(wait_status, 0);
    return (enum ga_status)shared->status;
}

__attribute__((unused)) static void must_verify(void)
{
    cr_assert_eq(verify(), GA_OK, "%s", shared->text);
}

/* All entries of the oplog, as kinds: 'C' Create, 'I' Invoked, 'c' recorded call, 'N' NoOp, 'L' Log, 'D' Completed, 'E' Error, 'S' Suspend,
 * 'B' BeginRemoteWrite, 'e' EndRemoteWrite, 'J' Jump, 'A' and 'a' of atomic regions. */
__attribute__((unused)) static const char *kinds(void)
{
    static const char LETTERS[] = {[OPLOG_CREATE] = 'C',
                                   [OPLOG_IMPORTED_FUNCTION_INVOKED] = 'c',
                                   [OPLOG_EXPORTED_FUNCTION_INVOKED] = 'I',
                                   [OPLOG_EXPORTED_FUNCTION_COMPLETED] = 'D',
                                   [OPLOG_SUSPEND] = 'S',
                                   [OPLOG_ERROR] = 'E',
                                   [OPLOG_NO_OP] = 'N',
                                   [OPLOG_LOG] = 'L',
                                   [OPLOG_BEGIN_REMOTE_WRITE] = 'B',
                                   [OPLOG_END_REMOTE_WRITE] = 'e',
                                   [OPLOG_JUMP] = 'J',
                                   [OPLOG_CHANGE_RETRY_POLICY] = 'R',
                                   [OPLOG_BEGIN_ATOMIC_REGION] = 'A',
                                   [OPLOG_END_ATOMIC_REGION] = 'a'};
    static char text[1000];
    struct store *store;
    struct store_worker worker;
    struct store_chunk chunk;
    struct ga_report report = {0};
    size_t size = 0;
    cr_assert_eq(store_sqlite_open(directory, true, &store, &report), GA_OK, "%s", report.text);
    cr_assert_eq(store->ops->worker_find(store, "w", &worker, &report), GA_OK);
    cr_assert_eq(store->ops->read_start(store, worker.id, 1, &report), GA_OK);
    while (store->ops->read_next(store, &chunk, &report) == GA_OK) {
        struct oplog_cursor cursor = {.index = chunk.first_index};
        oplog_enter(&cursor, chunk.data, chunk.size);
        struct oplog_entry entry;
        while (oplog_next(&cursor, false, &entry) == OPLOG_NEXT_ENTRY && size < sizeof text - 1)
            text[size++] = LETTERS[entry.kind];
    }
    text[size] = 0;
    store->ops->close(store);
    return text;
}

__attribute__((unused)) static void take_checkpoint(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct ga_report report = {0};
        bool good = worker_start(&worker_this, config_of(WORKER_LIVE), &report) == GA_OK &&
                    worker_checkpoint(&worker_this, &report) == GA_OK;
        _exit(good && worker_stop(&worker_this, &report) == GA_OK ? 0 : 1);
    }
    int wait_status;
    waitpid(child, &wait_status, 0);
    cr_assert_eq(wait_status, 0);
}

/* The worker has never been. */
__attribute__((unused)) static void empty_directory(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'/*", directory);
    cr_assert_eq(system(command), 0);
}

/* The process is killed when this entry is durable, and nothing behind it; 0: it is not. */
__attribute__((unused)) static uint64_t die_at;

/* For the host functions of a test: where it may be. */
__attribute__((unused)) static void die_here(struct worker *worker)
{
    struct ga_report report = {0};
    if (die_at == 0 || worker->replaying || journal_last_index(&worker->journal) < die_at)
        return;
    if (journal_commit(&worker->journal, &report) == GA_OK)
        raise(SIGKILL);
}

/* Calls, and is killed when entry `index` is written. */
__attribute__((unused)) static void die_in(const char *function, const char *argument, uint64_t index)
{
    int wait_status;
    die_at = index;
    waitpid(start_process(function, argument, "k"), &wait_status, 0);
    die_at = 0;
    cr_assert(WIFSIGNALED(wait_status), "%s, to be killed at %" PRIu64 ": status %x, %s", function, index,
              (unsigned)wait_status, shared->text);
}

#endif
