#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.h"
#include "region.h"
#include "trap.h"
#include "wasm-rt-exceptions.h"

/* Criterion runs each test in a process of its own, so each makes its own region. */
static void start(void)
{
    struct ga_report report = {0};
    cr_assert_eq(region_create(4096, &report), GA_OK, "%s", report.text);
    trap_install_handlers();
}

TestSuite(gate, .init = start);

static bool on_guest_stack(void)
{
    volatile char here = 0;
    uint64_t address = (uint64_t)&here;
    return address >= REGION_STACK_BOTTOM && address < REGION_STACK_TOP;
}

/* --- there and back --- */

static void add_guest(uint64_t *flat)
{
    cr_assert(on_guest_stack());
    cr_assert_eq(REGION->depth, 1);
    flat[0] = flat[0] + flat[1];
}

Test(gate, enter_runs_a_function_on_the_guest_stack)
{
    REGION->flat[0] = 40;
    REGION->flat[1] = 2;
    cr_assert_eq(gate_enter(add_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(REGION->flat[0], 42);
    cr_assert_eq(REGION->depth, 0);
    cr_assert_eq(REGION->guest_sp, 0);
    cr_assert(!gate_is_active());
}

static uint64_t triple_host(const struct rt_lower *lower, uint64_t *flat)
{
    cr_assert(!on_guest_stack());
    cr_assert_eq(REGION->pending_lower, (uint64_t)lower);
    cr_assert_eq(REGION->pending_flat, (uint64_t)flat);
    cr_assert_geq(REGION->guest_sp, REGION_STACK_BOTTOM);
    cr_assert_lt(REGION->guest_sp, REGION_STACK_TOP);
    cr_assert_eq((uint64_t)__builtin_frame_address(0) % 16, 0);
    return flat[0] * 3;
}

static const struct rt_lower some_lower;

static void call_host_guest(uint64_t *flat)
{
    uint64_t arguments[2] = {flat[0]};
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        arguments[0] += (uint64_t)i;
        sum += rt_call_host(&some_lower, arguments);
    }
    flat[0] = sum;
}

Test(gate, host_calls_run_on_the_host_stack_and_return_their_result)
{
    gate_host_dispatch = triple_host;
    REGION->flat[0] = 10;
    cr_assert_eq(gate_enter(call_host_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(REGION->flat[0], (10 + 11 + 13) * 3);
}

static void gate_call_guest(uint64_t *flat)
{
    flat[0] = gate_call(triple_host, &some_lower, flat);
}

Test(gate, gate_call_runs_any_function)
{
    REGION->flat[0] = 5;
    cr_assert_eq(gate_enter(gate_call_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(REGION->flat[0], 15);
}

/* A host function may use every register a function may use. */
static uint64_t clobber_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    __asm__ volatile("xor %%ebx, %%ebx; mov $1, %%r12; mov $2, %%r13; mov $3, %%r14; mov $4, %%r15; xor %%ecx, %%ecx;"
                     "mov $5, %%edx; mov $6, %%esi; mov $7, %%edi; mov $8, %%r8; mov $9, %%r9; mov $10, %%r10;"
                     "mov $11, %%r11; mov $12, %%eax" ::
                         : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                           "r15", "memory");
    return flat[0];
}

static void many_registers_guest(uint64_t *flat)
{
    uint64_t a = flat[0], b = a * 3, c = b * 5, d = c * 7, e = d * 11, f = e * 13, g = f * 17, h = g * 19;
    for (int i = 0; i < 4; i++) {
        uint64_t got = rt_call_host(&some_lower, flat);
        a += got, b ^= a, c += b, d ^= c, e += d, f ^= e, g += f, h ^= g;
    }
    flat[0] = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
}

static uint64_t identity_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    return flat[0];
}

Test(gate, registers_survive_a_host_call)
{
    gate_host_dispatch = identity_host;
    REGION->flat[0] = 99;
    cr_assert_eq(gate_enter(many_registers_guest, REGION->flat), GATE_RETURNED);
    uint64_t expected = REGION->flat[0];
    gate_host_dispatch = clobber_host;
    REGION->flat[0] = 99;
    cr_assert_eq(gate_enter(many_registers_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(REGION->flat[0], expected);
}

/* --- nesting --- */

static uint64_t nesting_host(const struct rt_lower *lower, uint64_t *flat);

static void nesting_guest(uint64_t *flat)
{
    volatile char frame[64];
    memset((char *)frame, (int)flat[0], sizeof frame);
    uint64_t level = flat[0];
    if (level > 0) {
        uint64_t arguments[1] = {level};
        flat[1] += rt_call_host(&some_lower, arguments);
    }
    for (size_t i = 0; i < sizeof frame; i++)
        cr_assert_eq(frame[i], (char)level);
}

/* Enters the guest again, as realloc and destructors do. */
static uint64_t nesting_host(const struct rt_lower *lower, uint64_t *flat)
{
    uint64_t guest_sp = REGION->guest_sp;
    uint32_t depth = REGION->depth;
    uint64_t *inner = region_alloc(16);
    inner[0] = flat[0] - 1;
    cr_assert_eq(gate_enter(nesting_guest, inner), GATE_RETURNED);
    uint64_t sum = inner[1];
    region_free(inner, 16);
    cr_assert_eq(REGION->guest_sp, guest_sp);
    cr_assert_eq(REGION->depth, depth);
    cr_assert_eq(REGION->pending_lower, (uint64_t)lower);
    cr_assert_eq(REGION->pending_flat, (uint64_t)flat);
    return sum + flat[0];
}

Test(gate, host_functions_enter_the_guest_again)
{
    gate_host_dispatch = nesting_host;
    REGION->flat[0] = 100;
    REGION->flat[1] = 0;
    cr_assert_eq(gate_enter(nesting_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(REGION->flat[1], 100 * 101 / 2);
    cr_assert_eq(REGION->depth, 0);
}

Test(gate, endless_nesting_is_stack_exhaustion)
{
    gate_host_dispatch = nesting_host;
    REGION->flat[0] = 1000000;
    cr_assert_eq(gate_enter(nesting_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "call stack exhausted");
    cr_assert(trap_was_stack_overflow());
    cr_assert_eq(REGION->depth, 0);
}

static uint64_t trapping_host(const struct rt_lower *lower, uint64_t *flat)
{
    if (flat[0] == 1)
        trap_raise("no more than %d", 7);
    return nesting_host(lower, flat);
}

Test(gate, trap_inside_nested_calls_lands_at_the_outermost)
{
    gate_host_dispatch = trapping_host;
    REGION->flat[0] = 5;
    cr_assert_eq(gate_enter(nesting_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "no more than 7");
    cr_assert_eq(REGION->depth, 0);
    cr_assert_eq(REGION->guest_sp, 0);

    gate_host_dispatch = triple_host; /* and the region is fit for another call */
    REGION->flat[0] = 1;
    cr_assert_eq(gate_enter(call_host_guest, REGION->flat), GATE_RETURNED);
}

static uint64_t fault_in_nested_guest_host(const struct rt_lower *lower, uint64_t *flat);

static void faulting_guest(uint64_t *flat)
{
    if (flat[0] == 0)
        *(volatile char *)REGION_MEMORY_BASE = 1;
    else
        rt_call_host(&some_lower, flat);
}

static uint64_t fault_in_nested_guest_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    flat[0]--;
    (void)!gate_enter(faulting_guest, flat);
    cr_assert(false, "a nested trap came back");
    return 0;
}

Test(gate, fault_inside_nested_realloc_lands_at_the_outermost)
{
    gate_host_dispatch = fault_in_nested_guest_host;
    REGION->flat[0] = 3;
    cr_assert_eq(gate_enter(faulting_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "out of bounds memory access");
}

/* --- other ways out --- */

static uint64_t exit_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    if (flat[0] == 0)
        trap_abandon();
    trap_exit((uint8_t)flat[0]);
}

static void exit_guest(uint64_t *flat)
{
    rt_call_host(&some_lower, flat);
    cr_assert(false, "exit returned");
}

Test(gate, exit_and_abandon_have_their_own_outcomes)
{
    gate_host_dispatch = exit_host;
    REGION->flat[0] = 17;
    cr_assert_eq(gate_enter(exit_guest, REGION->flat), GATE_EXITED);
    cr_assert_eq(trap_exit_code(), 17);
    REGION->flat[0] = 0;
    cr_assert_eq(gate_enter(exit_guest, REGION->flat), GATE_ABANDONED);
}

/* --- exceptions --- */

static const char tag_a, tag_b;

static void throwing(wasm_rt_tag_t tag, uint64_t value)
{
    wasm_rt_load_exception(tag, sizeof value, &value);
    wasm_rt_throw();
}

/* What wasm2c writes for try ... catch $a ... end. */
static uint64_t catching(wasm_rt_tag_t tag, uint64_t value)
{
    volatile uint64_t kept = value * 2;
    uint64_t caught = 0;
    WASM_RT_UNWIND_TARGET *outer = wasm_rt_get_unwind_target();
    WASM_RT_UNWIND_TARGET target;
    if (!wasm_rt_try(target)) {
        wasm_rt_set_unwind_target(&target);
        throwing(tag, value);
    }
    wasm_rt_set_unwind_target(outer);
    if (wasm_rt_exception_tag() != &tag_a)
        wasm_rt_throw();
    cr_assert_eq(wasm_rt_exception_size(), sizeof caught);
    memcpy(&caught, wasm_rt_exception(), sizeof caught);
    return caught + kept;
}

static void catching_guest(uint64_t *flat)
{
    flat[0] = catching((wasm_rt_tag_t)flat[1], flat[0]);
}

Test(gate, exceptions_unwind_to_the_try)
{
    REGION->flat[0] = 7;
    REGION->flat[1] = (uint64_t)&tag_a;
    cr_assert_eq(gate_enter(catching_guest, REGION->flat), GATE_RETURNED);
    cr_assert_eq(REGION->flat[0], 21);
}

Test(gate, uncaught_exception_is_a_trap)
{
    REGION->flat[1] = (uint64_t)&tag_b;
    cr_assert_eq(gate_enter(catching_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "uncaught exception");
}

static void throwing_guest(uint64_t *flat)
{
    throwing(&tag_a, flat[0]);
}

static uint64_t enter_throwing_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    (void)!gate_enter(throwing_guest, flat);
    return 0;
}

static void try_around_host_guest(uint64_t *flat)
{
    WASM_RT_UNWIND_TARGET target;
    if (!wasm_rt_try(target)) {
        wasm_rt_set_unwind_target(&target);
        rt_call_host(&some_lower, flat);
    }
    cr_assert(false, "an exception passed the host");
}

Test(gate, exceptions_do_not_pass_host_frames)
{
    gate_host_dispatch = enter_throwing_host;
    cr_assert_eq(gate_enter(try_around_host_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "uncaught exception");
}

Test(gate, unwind_target_is_forgotten_after_a_trap)
{
    gate_host_dispatch = enter_throwing_host;
    cr_assert_eq(gate_enter(try_around_host_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_eq(gate_enter(throwing_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "uncaught exception");
}

static void huge_exception_guest(uint64_t *flat)
{
    wasm_rt_load_exception(&tag_a, WASM_EXN_MAX_SIZE + 1, flat);
}

Test(gate, exception_larger_than_the_limit_traps)
{
    cr_assert_eq(gate_enter(huge_exception_guest, REGION->flat), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "an exception of 257 bytes is too large (limit is 256)");
}

/* --- a guest that rests, and another process --- */

static uint64_t rest_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    if (flat[0] == 3)
        trap_abandon(); /* this process gives up here */
    return flat[0] * 10;
}

static void long_guest(uint64_t *flat)
{
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= 5; i++) {
        uint64_t arguments[1] = {i};
        sum += rt_call_host(&some_lower, arguments);
    }
    flat[0] = sum;
}

static uint64_t all_host(const struct rt_lower *lower, uint64_t *flat)
{
    cr_assert_eq(lower, &some_lower);
    return flat[0] * 10;
}

/* A copy of header and stack stands for the checkpoint (test_ckpt.c has real ones). */
static struct {
    char header[REGION_HEADER_BYTES], stack[0x10000];
} copy;

static uint64_t copy_host(const struct rt_lower *lower, uint64_t *flat)
{
    if (flat[0] == 3) {
        memcpy(copy.header, REGION, sizeof copy.header);
        memcpy(copy.stack, (char *)REGION_STACK_TOP - sizeof copy.stack, sizeof copy.stack);
    }
    return rest_host(lower, flat);
}

static void *deeper(void *unused, int levels)
{
    volatile char frame[2000];
    frame[0] = 1;
    if (levels > 0)
        return deeper((void *)frame, levels - 1);
    memcpy(REGION, copy.header, sizeof copy.header);
    memcpy((char *)REGION_STACK_TOP - sizeof copy.stack, copy.stack, sizeof copy.stack);
    gate_host_dispatch = all_host;
    cr_assert_eq(gate_resume(), GATE_RETURNED);
    cr_assert_eq(frame[0], 1);
    return unused;
}

Test(gate, resume_runs_the_pending_call_again_and_goes_on)
{
    gate_host_dispatch = copy_host;
    cr_assert_eq(gate_enter(long_guest, REGION->flat), GATE_ABANDONED);
    memset((char *)REGION_STACK_TOP - sizeof copy.stack, 0xee, sizeof copy.stack);
    deeper(NULL, 3); /* from another place of the host's stack */
    cr_assert_eq(REGION->flat[0], 150);
    cr_assert_eq(REGION->depth, 0);
}

static uint64_t trap_when_resumed_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower, (void)flat;
    trap_raise("resumed");
}

Test(gate, trap_in_a_resumed_call_lands_at_gate_resume)
{
    gate_host_dispatch = copy_host;
    cr_assert_eq(gate_enter(long_guest, REGION->flat), GATE_ABANDONED);
    memcpy(REGION, copy.header, sizeof copy.header);
    gate_host_dispatch = trap_when_resumed_host;
    cr_assert_eq(gate_resume(), GATE_TRAPPED);
    cr_assert_str_eq(trap_text(), "resumed");
    cr_assert_eq(REGION->depth, 0);
}

Test(gate, resume_without_a_resting_guest_is_our_bug, .signal = SIGABRT)
{
    (void)!gate_resume();
}

Test(gate, host_call_without_a_dispatcher_is_our_bug, .signal = SIGABRT)
{
    (void)!gate_enter(call_host_guest, REGION->flat);
}
