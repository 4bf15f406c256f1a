#ifndef RT_TRANSFER_H
#define RT_TRANSFER_H

#include "golem_rt.h"

/*
 * What fused adapters are made of: a call from one component instance to another is straight-line C (aot/emit_fused.c) that
 * takes each value from the caller's memory, handle table or core arguments to the callee's, and results back. It does what
 * rt_call_component does by descriptor. Lifting and lowering alternate, value by value; nobody sees the difference, because
 * nothing but realloc runs between them, which cannot leave its instance, and the two instances share neither memory
 * nor table. All of it runs on the guest stack. Linear memories never move, so pointers into them stay good while realloc runs.
 */

/* --- entering and leaving ("Component Invocation") --- */

__attribute__((noreturn, cold)) void rt_trap_leave(void);
__attribute__((noreturn, cold)) void rt_trap_enter(void);

static inline void rt_require_leave(const struct cabi_instance *caller)
{
    if (__builtin_expect(!caller->may_leave, 0))
        rt_trap_leave();
}

/* Of the callee and each of its ancestors that the caller is not inside of. */
static inline void rt_require_enter(const struct cabi_instance *instance)
{
    if (__builtin_expect(instance->entered, 0))
        rt_trap_enter();
}

/* Traps unless there is room for the runtime's own frames on the guest stack: what allocates must not be interrupted by its end. */
void rt_require_stack(void);

/* --- the two sides of a transfer --- */

/* Handles that a call has lent, until it returns. Zero-initialise. */
struct rt_lends {
    uint32_t count;
    uint32_t capacity; /* of more */
    uint32_t *more;    /* region memory: handle indexes beyond the first ones */
    uint32_t first[8];
};

/* Parameters go from the caller to the callee, results the other way. */
struct rt_transfer {
    struct rt_options *from, *into;
    struct rt_lends *lends; /* NULL for results: they borrow nothing */
};

/* --- values ("Loading", "Storing", "Flat Lifting", "Flat Lowering") --- */

__attribute__((noreturn, cold)) void rt_trap_char(uint32_t value);
__attribute__((noreturn, cold)) void rt_trap_case(uint32_t value, uint32_t count);

static inline uint32_t rt_char(uint32_t value)
{
    if (__builtin_expect(value >= 0x110000 || (value & 0xfffff800) == 0xd800, 0))
        rt_trap_char(value);
    return value;
}

/* A case number of a variant, enum, option or result with so many cases. */
static inline uint32_t rt_case(uint32_t value, uint32_t count)
{
    if (__builtin_expect(value >= count, 0))
        rt_trap_case(value, count);
    return value;
}

/* Little-endian memory, aligned or not. */
#define RT_DEFINE_ACCESS(type, name)                       \
    static inline type rt_get_##name(const uint8_t *at)    \
    {                                                      \
        type value;                                        \
        memcpy(&value, at, sizeof value);                  \
        return value;                                      \
    }                                                      \
    static inline void rt_put_##name(uint8_t *at, type value) \
    {                                                      \
        memcpy(at, &value, sizeof value);                  \
    }
RT_DEFINE_ACCESS(uint8_t, u8)
RT_DEFINE_ACCESS(uint16_t, u16)
RT_DEFINE_ACCESS(uint32_t, u32)
#undef RT_DEFINE_ACCESS

/* [addr, addr + size) of a side's memory. Traps if addr is not aligned, then if the range does not lie inside. */
__attribute__((noreturn, cold)) void rt_trap_range(const struct rt_options *options, uint32_t addr, uint32_t size,
                                                   uint32_t align);

static inline uint8_t *rt_range(const struct rt_options *options, uint32_t addr, uint32_t size, uint32_t align)
{
    if (__builtin_expect((addr & (align - 1)) != 0 || (uint64_t)addr + size > options->memory->size, 0))
        rt_trap_range(options, addr, size, align);
    return options->memory->data + addr;
}

/* Runs the destination's realloc(0, 0, align, size), checks what it returns, and gives that and where it lies. */
uint8_t *rt_transfer_allocate(const struct rt_transfer *transfer, uint32_t align, uint32_t size, uint32_t *addr_out);

/* The items of a list at the source: traps if they are too many, then as rt_range. */
const uint8_t *rt_transfer_items(const struct rt_transfer *transfer, uint32_t addr, uint32_t count, uint32_t size,
                                 uint32_t align);

/* A whole list whose items are the same bytes on both sides; where it lies at the destination. */
uint32_t rt_transfer_plain_list(const struct rt_transfer *transfer, uint32_t addr, uint32_t count, uint32_t size,
                                uint32_t align);

/* A string, in each side's encoding; units counts as that encoding does, with its tag. */
struct rt_string {
    uint32_t addr, units;
};
struct rt_string rt_transfer_string(const struct rt_transfer *transfer, uint32_t addr, uint32_t units);

static inline void rt_put_string(uint8_t *at, struct rt_string string)
{
    rt_put_u32(at, string.addr);
    rt_put_u32(at + 4, string.units);
}

/* A handle: the resource type as either side knows it. The new handle; for a borrow given to its own instance, the rep. */
uint32_t rt_transfer_own(const struct rt_transfer *transfer, const struct cabi_resource *from,
                         const struct cabi_resource *into, uint32_t handle);
uint32_t rt_transfer_borrow(const struct rt_transfer *transfer, const struct cabi_resource *from,
                            const struct cabi_resource *into, uint32_t handle);

/* --- the end of a call that borrowed --- */

/* Traps if the callee still has borrow handles; before its result goes to the caller. */
void rt_require_no_borrows(const struct cabi_instance *callee);

/* Gives lent handles back to the caller's table; last of all. */
void rt_return_lends(struct rt_lends *lends, struct cabi_instance *caller);

#endif
