#ifndef CORE_GATE_H
#define CORE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ga_status.h"
#include "golem_rt.h"

/*
 * Two stacks: guest code (wasm2c output, generated glue, component-to-component adapters) runs on the region's stack,
 * host code on the process's own. gate_enter goes from host to guest, gate_call from guest to host.
 *
 * While a host function runs behind a gate, the guest is at rest: callee-saved registers are pushed on the guest
 * stack and REGION->guest_sp names them. REGION->pending_lower/_flat name the call itself, so that a process
 * that restored the region continues with gate_resume: the host function is run again, from its beginning, and its
 * result handed to the guest. Hence a checkpoint is taken only at the beginning of a host call, before it has had any
 * effect (durable's dispatcher does it), and with REGION->depth == 1.
 */
enum gate_outcome { GATE_RETURNED, GATE_TRAPPED, GATE_EXITED, GATE_ABANDONED };

/*
 * Floating-point modes (MXCSR, x87 control word) are not switched: neither wasm2c output nor host code changes them.
 * Recursion of guest and host (a destructor that drops a resource whose destructor ...) ends in the trap
 * "call stack exhausted" after GA_MAX_GATE_DEPTH entries, since host frames are behind it too.
 */

/*
 * Runs function(flat) on the guest stack. flat must lie in the region. When entered from host code behind a gate
 * (realloc, a destructor) it runs below the resting frames; then GATE_RETURNED is the only outcome that comes back: a
 * trap inside unwinds to the outermost gate_enter, with no clean-up of host frames between.
 */
enum gate_outcome gate_enter(void (*function)(uint64_t *flat), uint64_t *flat) GA_MUST_USE;

/* In a process that restored a region with a pending host call: runs it and continues the guest. */
enum gate_outcome gate_resume(void) GA_MUST_USE;

/* Guest to host: runs function(lower, flat) on the host stack. */
uint64_t gate_call(uint64_t (*function)(const struct rt_lower *lower, uint64_t *flat), const struct rt_lower *lower,
                   uint64_t *flat);

/* True while the guest is inside a gate_enter or gate_resume of this process: a trap has somewhere to land. */
bool gate_is_active(void);

/* Leaves the guest for good: the outermost gate_enter returns outcome. trap.c's way out; callable on either stack. */
__attribute__((noreturn)) void gate_land(enum gate_outcome outcome);

/* The host stack's pointer where gate_land goes: what lies below is free. For trap.c's signal handler. */
void *gate_landing_stack(void);

/* What a gate calls for rt_call_host; durable sets it at start. */
extern uint64_t (*gate_host_dispatch)(const struct rt_lower *lower, uint64_t *flat);

#endif
