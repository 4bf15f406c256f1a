#include "cabi_guest.h"
#include "region.h"
#include "rt_transfer.h"

/* What fused adapters call (rt_transfer.h) but for strings and handles, which are in the files of their own. */

enum { STACK_HEADROOM_BYTES = 64 * 1024 };

void rt_require_stack(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here > REGION_STACK_BOTTOM && here <= REGION_STACK_TOP && here - REGION_STACK_BOTTOM < STACK_HEADROOM_BYTES)
        wasm_rt_trap(WASM_RT_TRAP_EXHAUSTION);
}

void rt_trap_leave(void)
{
    trap_raise("cannot leave component instance");
}

void rt_trap_enter(void)
{
    trap_raise("cannot enter component instance");
}

void rt_trap_char(uint32_t value)
{
    trap_raise("invalid `char` bit pattern 0x%x", value);
}

void rt_trap_case(uint32_t value, uint32_t count)
{
    trap_raise("invalid variant discriminant %u of %u", value, count);
}

void rt_trap_range(const struct rt_options *options, uint32_t addr, uint32_t size, uint32_t align)
{
    guest_range(options, addr, size, align, "value");
    GA_UNREACHABLE();
}

uint8_t *rt_transfer_allocate(const struct rt_transfer *transfer, uint32_t align, uint32_t size, uint32_t *addr_out)
{
    struct cabi_call into; /* as much of it as realloc looks at */
    into.options = transfer->into;
    into.on_guest_stack = true;
    return guest_allocate(&into, addr_out, align, size);
}

const uint8_t *rt_transfer_items(const struct rt_transfer *transfer, uint32_t addr, uint32_t count, uint32_t size,
                                 uint32_t align)
{
    return cabi_guest_items(transfer->from, addr, count, size, align);
}

uint32_t rt_transfer_plain_list(const struct rt_transfer *transfer, uint32_t addr, uint32_t count, uint32_t size,
                                uint32_t align)
{
    const uint8_t *from = cabi_guest_items(transfer->from, addr, count, size, align);
    uint32_t result;
    uint8_t *into = rt_transfer_allocate(transfer, align, count * size, &result);
    if (count > 0)
        memcpy(into, from, (size_t)count * size);
    return result;
}
