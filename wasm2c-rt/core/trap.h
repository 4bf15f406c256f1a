#ifndef CORE_TRAP_H
#define CORE_TRAP_H

#include "wasm-rt.h"

/*
 * A trap abandons the guest stack and lands in the host function that entered the guest first (gate.h). Its reason is
 * kept here, on the host's side. wasm_rt_trap (wasm-rt.h) is for core traps by number; trap_raise is for every other
 * reason. Both may be called on either stack, and never return.
 */
__attribute__((noreturn, format(printf, 1, 2))) void trap_raise(const char *format, ...);

/* The reason alone, where the guest has returned already: for host code that then behaves as if it had trapped. */
__attribute__((format(printf, 1, 2))) void trap_note(const char *format, ...);

/* The guest ends the worker on purpose (wasi:cli/exit): lands in the same place as GATE_EXIT. */
__attribute__((noreturn)) void trap_exit(uint8_t code);

/* Anything else that makes the host abandon the guest for good in this process (divergence, suspend, a full disk):
 * lands as GATE_ABANDON; whoever calls it has left word of the reason. */
__attribute__((noreturn)) void trap_abandon(void);

/* The text of the last trap: "unreachable", "out of bounds memory access", ...; valid until the next. */
const char *trap_text(void);
uint8_t trap_exit_code(void);

/* True if the last trap was stack exhaustion (Golem never retries it). */
bool trap_was_stack_overflow(void);

/* Installs the handler for SIGSEGV, SIGBUS and SIGFPE with its own stack: faults inside the region while guest code
 * runs become traps; all others (and SIGBUS, which is a failing disk's) kill the process as usual, with a core dump. */
void trap_install_handlers(void);

#endif
