#include "cabi_guest.h"

#include "region.h"

/* The first of the slots of REGION->flat that realloc's arguments take: the arguments of an export, at most 17, are
 * in the way below. One set is enough, because a guest inside realloc cannot call the host. */
enum { REALLOC_FLAT = 24 };

static void run_realloc(uint64_t *flat)
{
    struct rt_options *options = (struct rt_options *)(uintptr_t)flat[0];
    flat[0] = options->realloc(options->realloc_instance, (uint32_t)flat[1], (uint32_t)flat[2], (uint32_t)flat[3],
                               (uint32_t)flat[4]);
}

static uint32_t realloc_through_gate(struct rt_options *options, uint32_t old_addr, uint32_t old_size, uint32_t align,
                                     uint32_t new_size)
{
    uint64_t *flat = REGION->flat + REALLOC_FLAT;
    flat[0] = (uintptr_t)options;
    flat[1] = old_addr;
    flat[2] = old_size;
    flat[3] = align;
    flat[4] = new_size;
    enum gate_outcome outcome = gate_enter(run_realloc, flat);
    GA_ASSERT(outcome == GATE_RETURNED); /* a trap lands further out */
    return (uint32_t)flat[0];
}

static uint32_t realloc_directly(struct rt_options *options, uint32_t old_addr, uint32_t old_size, uint32_t align,
                                 uint32_t new_size)
{
    WASM_RT_UNWIND_TARGET *outside = exceptions_stop();
    uint32_t addr = options->realloc(options->realloc_instance, old_addr, old_size, align, new_size);
    exceptions_resume(outside);
    return addr;
}

uint8_t *cabi_guest_reallocate(struct cabi_call *call, uint32_t *addr, uint32_t old_size, uint32_t align,
                               uint32_t new_size)
{
    struct rt_options *options = call->options;
    GA_ASSERT(options->realloc && options->instance->may_leave);
    options->instance->may_leave = false;
    *addr = call->on_guest_stack ? realloc_directly(options, *addr, old_size, align, new_size)
                                 : realloc_through_gate(options, *addr, old_size, align, new_size);
    options->instance->may_leave = true;
    return guest_range(options, *addr, new_size, align, "realloc return");
}

const uint8_t *cabi_guest_items(const struct rt_options *options, uint32_t addr, uint32_t count, uint32_t size, uint32_t align)
{
    uint64_t bytes = (uint64_t)count * size;
    if (bytes > GA_MAX_VALUE_BYTES)
        trap_raise("list of %llu bytes is too long (limit is %u)", (unsigned long long)bytes, GA_MAX_VALUE_BYTES);
    return guest_range(options, addr, bytes, align, "list");
}

void *cabi_scratch_alloc(struct cabi_call *call, uint64_t count, uint32_t size)
{
    uint64_t bytes = count * size; /* count is below 2^29 */
    if (call->scratch->total_bytes + bytes > GA_MAX_CALL_BYTES)
        trap_raise("too many bytes in the values of one call (limit is %u)", GA_MAX_CALL_BYTES);
    return ga_arena_alloc_raw(call->scratch, bytes);
}
