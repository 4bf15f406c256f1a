#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.h"
#include "region.h"
#include "trap.h"

static void start(void)
{
    struct ga_report report = {0};
    cr_assert_eq(region_create(4096, &report), GA_OK, "%s", report.text);
    trap_install_handlers();
    cr_assert_eq(region_memory_new(0x20000), 0);
}

TestSuite(trap, .init = start);

/* --- every source of a trap, by name --- */

static volatile uint8_t *memory_at(uint64_t offset)
{
    return (volatile uint8_t *)region_memory_address(0) + offset;
}

static void read_at_guest(uint64_t *flat)
{
    flat[1] = *memory_at(flat[0]);
}

static void write_at_guest(uint64_t *flat)
{
    *memory_at(flat[0]) = 1;
}

/* These do on purpose what a sanitizer would stop. */
#define FAULTY __attribute__((no_sanitize("undefined"), no_sanitize("address")))

static volatile int zero, dividend = 7;

FAULTY static void divide_guest(uint64_t *flat)
{
    flat[0] = (uint64_t)(dividend / zero);
}

static void core_trap_guest(uint64_t *flat)
{
    wasm_rt_trap((wasm_rt_trap_t)flat[0]);
}

/* As wasm2c's static functions for tables and memories do. */
static void funcref_table_get_guest(uint64_t *flat)
{
    (void)flat;
    wasm_rt_trap(WASM_RT_TRAP_OOB);
}

/* The end of it is what is tested. */
#pragma GCC diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static uint64_t recurse(volatile uint64_t *caller)
{
    volatile uint64_t frame[16] = {caller[0] + 1};
    return recurse(frame) + frame[0];
}

static void recurse_guest(uint64_t *flat)
{
    flat[0] = recurse(flat);
}

/* A frame that steps over the first pages of the guard. */
__attribute__((noinline)) static uint64_t recurse_in_leaps(volatile uint64_t *caller)
{
    volatile uint64_t frame[1 << 17];
    frame[0] = caller[0] + 1;
    return recurse_in_leaps(frame) + frame[0];
}

static void recurse_in_leaps_guest(uint64_t *flat)
{
    flat[0] = recurse_in_leaps(flat);
}

static void raise_guest(uint64_t *flat)
{
    trap_raise("%s:%u", "from the guest stack", (unsigned)flat[0]);
}

static const struct {
    void (*guest)(uint64_t *flat);
    uint64_t argument;
    const char *text;
} sources[] = {
    {read_at_guest, 0x20000, "out of bounds memory access"},
    {write_at_guest, 0x20000, "out of bounds memory access"},
    {read_at_guest, 0xffffffff, "out of bounds memory access"},
    {read_at_guest, 0x1fffffffe, "out of bounds memory access"},
    {write_at_guest, REGION_MEMORY_STRIDE - 1, "out of bounds memory access"},
    {divide_guest, 0, "integer divide by zero"},
    {recurse_guest, 0, "call stack exhausted"},
    {recurse_in_leaps_guest, 0, "call stack exhausted"},
    {raise_guest, 7, "from the guest stack:7"},
    {funcref_table_get_guest, 0, "out of bounds table access"},
    {core_trap_guest, WASM_RT_TRAP_OOB, "out of bounds memory access"},
    {core_trap_guest, WASM_RT_TRAP_INT_OVERFLOW, "integer overflow"},
    {core_trap_guest, WASM_RT_TRAP_DIV_BY_ZERO, "integer divide by zero"},
    {core_trap_guest, WASM_RT_TRAP_INVALID_CONVERSION, "invalid conversion to integer"},
    {core_trap_guest, WASM_RT_TRAP_UNREACHABLE, "unreachable"},
    {core_trap_guest, WASM_RT_TRAP_CALL_INDIRECT, "indirect call type mismatch"},
    {core_trap_guest, WASM_RT_TRAP_UNDEFINED_ELEMENT, "undefined element"},
    {core_trap_guest, WASM_RT_TRAP_UNINITIALIZED_ELEMENT, "uninitialized element"},
    {core_trap_guest, WASM_RT_TRAP_NULL_REF, "null reference"},
    {core_trap_guest, WASM_RT_TRAP_UNCAUGHT_EXCEPTION, "uncaught exception"},
    {core_trap_guest, WASM_RT_TRAP_UNALIGNED, "unaligned atomic"},
    {core_trap_guest, WASM_RT_TRAP_EXHAUSTION, "call stack exhausted"},
    {core_trap_guest, 1000, "unknown trap"},
};

Test(trap, every_source_has_its_text)
{
    for (int round = 0; round < 3; round++) /* a trap leaves the process fit for the next */
        for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
            REGION->flat[0] = sources[i].argument;
            cr_assert_eq(gate_enter(sources[i].guest, REGION->flat), GATE_TRAPPED, "source %zu", i);
            cr_assert_str_eq(trap_text(), sources[i].text, "source %zu: %s", i, trap_text());
            cr_assert_eq(trap_was_stack_overflow(), strcmp(trap_text(), "call stack exhausted") == 0);
            cr_assert_eq(REGION->depth, 0);
        }
}

Test(trap, the_last_byte_of_a_memory_is_accessible)
{
    REGION->flat[0] = 0x1ffff;
    cr_assert_eq(gate_enter(write_at_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(region_memory_grow(0, 0x30000), 0);
    REGION->flat[0] = 0x2ffff;
    cr_assert_eq(gate_enter(write_at_guest, REGION->flat), GATE_RETURNED);
    REGION->flat[0] = 0x30000;
    cr_assert_eq(gate_enter(write_at_guest, REGION->flat), GATE_TRAPPED);
}

Test(trap, signal_mask_and_handler_stack_are_as_before)
{
    sigset_t before = {0}, after = {0};
    sigprocmask(SIG_SETMASK, NULL, &before);
    REGION->flat[0] = 0x20000;
    cr_assert_eq(gate_enter(read_at_guest, REGION->flat), GATE_TRAPPED);
    sigprocmask(SIG_SETMASK, NULL, &after);
    cr_assert_eq(memcmp(&before, &after, sizeof before), 0);
    stack_t stack;
    cr_assert_eq(sigaltstack(NULL, &stack), 0);
    cr_assert_eq(stack.ss_flags & SS_ONSTACK, 0);
}

static void long_text_guest(uint64_t *flat)
{
    trap_raise("%*s", (int)flat[0], "end");
}

Test(trap, text_of_a_long_reason_is_cut)
{
    REGION->flat[0] = 5000;
    cr_assert_eq(gate_enter(long_text_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_eq(strlen(trap_text()), 1023);
}

Test(trap, reasons_have_texts)
{
    cr_assert_str_eq(wasm_rt_strerror(WASM_RT_TRAP_UNREACHABLE), "unreachable");
    cr_assert_str_eq(wasm_rt_strerror((wasm_rt_trap_t)-1), "unknown trap");
}

/* --- what is no trap --- */

static const struct rt_lower some_lower;

static uint64_t fault_in_memory_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    return *memory_at(flat[0]);
}

FAULTY static uint64_t null_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    return *(volatile uint64_t *)(flat[1]);
}

FAULTY static uint64_t divide_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower, (void)flat;
    return (uint64_t)(dividend / zero);
}

static uint64_t raise_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower, (void)flat;
    raise(SIGSEGV);
    return 0;
}

static uint64_t overflow_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    return recurse(flat);
}

static void call_host_guest(uint64_t *flat)
{
    rt_call_host(&some_lower, flat);
}

static void arena_beyond_guest(uint64_t *flat)
{
    (void)flat;
    *(volatile char *)(RT_ARENA_BASE + REGION_ARENA_BYTES - 1) = 1;
}

FAULTY static void null_guest(uint64_t *flat)
{
    *(volatile char *)flat[1] = 1;
}

static const struct {
    void (*guest)(uint64_t *flat);
    uint64_t (*host)(const struct rt_lower *lower, uint64_t *flat);
    int expected_signal;
} deaths[] = {
    {call_host_guest, fault_in_memory_host, SIGSEGV},
    {call_host_guest, null_host, SIGSEGV},
    {call_host_guest, divide_host, SIGFPE},
    {call_host_guest, raise_host, SIGSEGV},
    {call_host_guest, overflow_host, SIGSEGV},
    {arena_beyond_guest, NULL, SIGSEGV},
    {null_guest, NULL, SIGSEGV},
};

Test(trap, other_faults_kill_the_process_as_usual)
{
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        pid_t child = fork();
        if (child == 0) {
            setrlimit(RLIMIT_CORE, &(struct rlimit){0});
            signal(SIGABRT, SIG_DFL);
            gate_host_dispatch = deaths[i].host;
            REGION->flat[0] = 0x20000;
            (void)!gate_enter(deaths[i].guest, REGION->flat);
            _exit(0);
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFSIGNALED(status), "case %zu", i);
        cr_assert_eq(WTERMSIG(status), deaths[i].expected_signal, "case %zu: %d", i, WTERMSIG(status));
    }
}

Test(trap, a_fault_while_no_guest_is_active_kills)
{
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        *memory_at(0x20000) = 1;
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}
