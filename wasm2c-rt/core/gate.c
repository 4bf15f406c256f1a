#include "gate.h"

#include <stddef.h>

#include "ga_assert.h"
#include "gate_layout.h"
#include "region.h"
#include "trap.h"

#ifdef __SANITIZE_ADDRESS__
#    include <sanitizer/asan_interface.h>
#    define SANITIZED_HOST_BYTES 0x80000
#endif

/*
 * States of the process, seen from here, by REGION->depth and gate_landing_sp:
 *   depth 0, no landing     no guest frame is active; gate_enter starts one
 *   depth 1, no landing     just restored with the guest at rest: only gate_resume may follow
 *   depth n, landing        the guest is active, n entries deep; rests if host code runs
 */
_Static_assert(offsetof(struct region_header, guest_sp) == GATE_GUEST_SP, "gate_layout.h");
_Static_assert(offsetof(struct region_header, pending_lower) == GATE_PENDING_LOWER, "gate_layout.h");
_Static_assert(offsetof(struct region_header, pending_flat) == GATE_PENDING_FLAT, "gate_layout.h");
_Static_assert(RT_REGION_BASE == GATE_REGION_BASE && REGION_STACK_TOP == GATE_STACK_TOP, "gate_layout.h");
_Static_assert(sizeof(struct region_header) <= REGION_HEADER_BYTES, "the header has outgrown its pages");

uint64_t gate_host_sp;    /* where host functions run: the innermost gate_enter's frame */
uint64_t gate_landing_sp; /* the outermost gate_enter's frame; 0 if none is active */

enum gate_outcome gate_switch(void (*function)(uint64_t *flat), uint64_t *flat, uint64_t stack_top,
                              uint64_t *landing_sp_out);
enum gate_outcome gate_switch_resume(uint64_t (*function)(const struct rt_lower *lower, uint64_t *flat),
                                     const struct rt_lower *lower, uint64_t *flat, uint64_t *landing_sp_out);

static uint64_t dispatch_unset(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower, (void)flat;
    GA_UNREACHABLE();
}

uint64_t (*gate_host_dispatch)(const struct rt_lower *lower, uint64_t *flat) = dispatch_unset;

bool gate_is_active(void)
{
    return gate_landing_sp != 0;
}

void *gate_landing_stack(void)
{
    return (void *)gate_landing_sp;
}

#ifdef __SANITIZE_ADDRESS__
/* Abandoned frames leave their red zones poisoned: those of the guest, and of host functions between guest frames. */
static void forget_red_zones(void)
{
    char *here = __builtin_frame_address(0);
    __asan_unpoison_memory_region((void *)REGION_STACK_BOTTOM, REGION_STACK_BYTES);
    __asan_unpoison_memory_region(here - SANITIZED_HOST_BYTES, SANITIZED_HOST_BYTES);
}
#else
static void forget_red_zones(void) {}
#endif

/* The guest has returned, or was abandoned: no frame of it counts any more. */
static void forget_guest(void)
{
    gate_landing_sp = 0;
    REGION->depth = 0;
    REGION->guest_sp = 0;
    REGION->pending_lower = 0;
    REGION->pending_flat = 0;
    REGION->exception.unwind_target = 0;
    forget_red_zones();
}

/* Runs below the resting frames; what they rest with is put back afterwards. */
static enum gate_outcome enter_nested(void (*function)(uint64_t *flat), uint64_t *flat)
{
    if (REGION->depth >= GA_MAX_GATE_DEPTH)
        wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);
    uint64_t guest_sp = REGION->guest_sp, lower = REGION->pending_lower, pending_flat = REGION->pending_flat;
    uint64_t unwind_target = REGION->exception.unwind_target, ignored_sp;
    GA_ASSERT(gate_landing_sp && guest_sp > REGION_STACK_BOTTOM && guest_sp < REGION_STACK_TOP);
    REGION->depth++;
    REGION->exception.unwind_target = 0;
    enum gate_outcome outcome = gate_switch(function, flat, guest_sp & ~15ull, &ignored_sp);
    REGION->depth--;
    REGION->guest_sp = guest_sp;
    REGION->pending_lower = lower;
    REGION->pending_flat = pending_flat;
    REGION->exception.unwind_target = unwind_target;
    return outcome;
}

enum gate_outcome gate_enter(void (*function)(uint64_t *flat), uint64_t *flat)
{
    if (REGION->depth > 0)
        return enter_nested(function, flat);
    GA_ASSERT(!gate_landing_sp);
    GA_ASSERT((uint64_t)flat >= RT_REGION_BASE && (uint64_t)flat < REGION_END);
    REGION->depth = 1;
    enum gate_outcome outcome = gate_switch(function, flat, REGION_STACK_TOP, &gate_landing_sp);
    forget_guest();
    return outcome;
}

enum gate_outcome gate_resume(void)
{
    GA_ASSERT(!gate_landing_sp && REGION->depth == 1);
    GA_ASSERT(REGION->guest_sp > REGION_STACK_BOTTOM && REGION->guest_sp < REGION_STACK_TOP);
    enum gate_outcome outcome = gate_switch_resume(gate_host_dispatch, (const struct rt_lower *)REGION->pending_lower,
                                                   (uint64_t *)REGION->pending_flat, &gate_landing_sp);
    forget_guest();
    return outcome;
}
