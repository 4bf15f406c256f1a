#define _GNU_SOURCE
#include "trap.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "ga_assert.h"
#include "gate.h"
#include "region.h"

/*
 * A trap notes its reason here, in host memory, and leaves through gate_land.
 *
 * Faults: guest code runs exactly when the stack pointer lies in the guest stack or its guard, whatever the header
 * says; so the handler decides by the interrupted context alone. It does not jump out of the handler: it points the
 * context at trap_from_fault on the host's stack and returns, which restores the signal mask and leaves the handler's
 * stack.
 */
#define HANDLER_STACK_BYTES 0x10000

static struct {
    const char *text;
    char buffer[1024];
    bool stack_overflow;
    uint8_t exit_code;
} last = {.text = ""};

static const char *const texts[] = {
#define X(name, text) [WASM_RT_TRAP_##name] = text,
    WASM_RT_TRAP_MAP(X)
#undef X
};

static bool handlers_installed;

const char *trap_text(void)
{
    return last.text;
}

uint8_t trap_exit_code(void)
{
    return last.exit_code;
}

bool trap_was_stack_overflow(void)
{
    return last.stack_overflow;
}

bool wasm_rt_is_initialized(void)
{
    return handlers_installed && region_exists();
}

const char *wasm_rt_strerror(wasm_rt_trap_t reason)
{
    return (size_t)reason < sizeof texts / sizeof *texts ? texts[reason] : "unknown trap";
}

void(wasm_rt_trap)(wasm_rt_trap_t reason)
{
    last.text = wasm_rt_strerror(reason);
    last.stack_overflow = reason == WASM_RT_TRAP_EXHAUSTION;
    gate_land(GATE_TRAPPED);
}

/* wasm2c's static functions for tables are called funcref_table_init, externref_table_get and so on. */
void wasm_rt_trap_out_of_bounds(const char *function)
{
    static const char *const table_prefixes[] = {"funcref_table_", "externref_table_", "exnref_table_"};
    for (size_t i = 0; i < sizeof table_prefixes / sizeof *table_prefixes; i++)
        if (strncmp(function, table_prefixes[i], strlen(table_prefixes[i])) == 0)
            (wasm_rt_trap)(WASM_RT_TRAP_OOB_TABLE);
    (wasm_rt_trap)(WASM_RT_TRAP_OOB);
}

static void note(const char *format, va_list arguments)
{
    vsnprintf(last.buffer, sizeof last.buffer, format, arguments);
    last.text = last.buffer;
    last.stack_overflow = false;
}

void trap_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note(format, arguments);
    va_end(arguments);
}

void trap_raise(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note(format, arguments);
    va_end(arguments);
    gate_land(GATE_TRAPPED);
}

void trap_exit(uint8_t code)
{
    last.exit_code = code;
    gate_land(GATE_EXITED);
}

void trap_abandon(void)
{
    gate_land(GATE_ABANDONED);
}

/* --- faults --- */

/* Where a fault of guest code lands, on the host's stack. */
static void trap_from_fault(wasm_rt_trap_t reason)
{
    (wasm_rt_trap)(reason);
}

static bool is_between(uint64_t address, uint64_t start, uint64_t end)
{
    return address >= start && address < end;
}

/* WASM_RT_TRAP_NONE if the fault is none of the guest's. SIGBUS never is: it means that the file behind a page could
 * not be read, which must not be recorded as what the guest did. The kernel tells no address for accesses beyond
 * 2^47, which guest code cannot make. */
static wasm_rt_trap_t reason_of(int signal_number, uint64_t address)
{
    if (signal_number == SIGFPE)
        return WASM_RT_TRAP_DIV_BY_ZERO;
    if (signal_number == SIGBUS)
        return WASM_RT_TRAP_NONE;
    if (is_between(address, RT_REGION_BASE + REGION_HEADER_BYTES, REGION_STACK_BOTTOM))
        return WASM_RT_TRAP_EXHAUSTION;
    if (is_between(address, REGION_MEMORY_BASE, REGION_END))
        return WASM_RT_TRAP_OOB;
    return WASM_RT_TRAP_NONE;
}

static void redirect(ucontext_t *context, wasm_rt_trap_t reason)
{
    greg_t *registers = context->uc_mcontext.gregs;
    uint64_t stack = ((uint64_t)gate_landing_stack() - 256) & ~15ull;
    registers[REG_RSP] = (greg_t)(stack - 8); /* as if called */
    registers[REG_RIP] = (greg_t)trap_from_fault;
    registers[REG_RDI] = reason;
    registers[REG_EFL] &= ~0x400; /* direction flag */
}

static uint64_t stack_pointer_of(const ucontext_t *context)
{
    return (uint64_t)context->uc_mcontext.gregs[REG_RSP];
}

/* The default action, at the same place: returning runs the faulting instruction again; a signal that somebody sent
 * has to be sent again. */
static void die_as_usual(int signal_number, const siginfo_t *info)
{
    signal(signal_number, SIG_DFL);
    if (info->si_code <= 0)
        raise(signal_number);
}

static void handle_fault(int signal_number, siginfo_t *info, void *context)
{
    bool in_guest = is_between(stack_pointer_of(context), RT_REGION_BASE + REGION_HEADER_BYTES, REGION_STACK_TOP);
    wasm_rt_trap_t reason = WASM_RT_TRAP_NONE;
    if (in_guest && gate_is_active() && info->si_code > 0)
        reason = reason_of(signal_number, (uint64_t)info->si_addr);
    if (reason == WASM_RT_TRAP_NONE)
        die_as_usual(signal_number, info);
    else
        redirect(context, reason);
}

/* With a page below that is not accessible: a handler that overruns its stack dies instead of writing elsewhere. */
static void install_handler_stack(void)
{
    char *stack = mmap(NULL, HANDLER_STACK_BYTES + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    GA_ASSERT(stack != MAP_FAILED);
    GA_ASSERT(mprotect(stack + 4096, HANDLER_STACK_BYTES, PROT_READ | PROT_WRITE) == 0);
    stack_t handler_stack = {.ss_sp = stack + 4096, .ss_size = HANDLER_STACK_BYTES};
    GA_ASSERT(sigaltstack(&handler_stack, NULL) == 0);
}

void trap_install_handlers(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
    if (handlers_installed)
        return;
    install_handler_stack();
    struct sigaction action = {.sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        GA_ASSERT(sigaction(signals[i], &action, NULL) == 0);
    handlers_installed = true;
}
