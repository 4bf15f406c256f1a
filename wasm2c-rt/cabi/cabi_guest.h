#ifndef CABI_GUEST_H
#define CABI_GUEST_H

#include <string.h>

#include "cabi.h"
#include "ga_assert.h"
#include "ga_limits.h"
#include "trap.h"
#include "wasm-rt-exceptions.h"

/* What the files of this folder share: checked access to linear memory, and running the guest's realloc. */

/* On functions for types with parts: inlined into a switch over kinds, they would make every scalar pay for their
 * registers. */
#define OUT_OF_LINE __attribute__((noinline))

/*
 * The host address of [addr, addr + size) in the memory that options name. Traps if addr is not aligned, then if the range
 * does not lie inside, which also holds for size 0. what is named in the trap.
 */
static inline uint8_t *guest_range(const struct rt_options *options, uint32_t addr, uint64_t size, uint32_t align,
                                   const char *what)
{
    const wasm_rt_memory_t *memory = options->memory;
    GA_ASSERT(memory);
    if (__builtin_expect(addr & (align - 1), 0))
        trap_raise("unaligned pointer: %s at 0x%x, alignment %u", what, addr, align);
    if (__builtin_expect(addr + size > memory->size, 0))
        trap_raise("%s pointer/length out of bounds of memory: 0x%x + %llu", what, addr, (unsigned long long)size);
    return memory->data + addr;
}

/*
 * Around each direct call of guest code: an exception does not pass the boundary of a component, it is a trap there
 * (CanonicalABI.md, call_and_trap_on_throw), so nobody outside may be its target. gate_enter does the same.
 */
static inline WASM_RT_UNWIND_TARGET *exceptions_stop(void)
{
    WASM_RT_UNWIND_TARGET *outside = wasm_rt_get_unwind_target();
    wasm_rt_set_unwind_target(NULL);
    return outside;
}

static inline void exceptions_resume(WASM_RT_UNWIND_TARGET *outside)
{
    wasm_rt_set_unwind_target(outside);
}

/* Calls realloc and checks its result ("Lifting and Lowering Context", reallocate). *addr is the old address and
 * becomes the new. */
uint8_t *cabi_guest_reallocate(struct cabi_call *call, uint32_t *addr, uint32_t old_size, uint32_t align,
                               uint32_t new_size);

static inline uint8_t *guest_allocate(struct cabi_call *call, uint32_t *addr_out, uint32_t align, uint32_t size)
{
    *addr_out = 0;
    return cabi_guest_reallocate(call, addr_out, 0, align, size);
}

/* The items of a list ("Loading", load_list_from_range): traps if they are too many, then as guest_range. */
const uint8_t *cabi_guest_items(const struct rt_options *options, uint32_t addr, uint32_t count, uint32_t size, uint32_t align);

/* Room for native values in the call's scratch; traps beyond GA_MAX_CALL_BYTES. Not zeroed. */
void *cabi_scratch_alloc(struct cabi_call *call, uint64_t count, uint32_t size);

/* Fixed-size little-endian access; memory of host and guest alike. */
#define DEFINE_ACCESS(type, name)                       \
    static inline type get_##name(const void *at)       \
    {                                                   \
        type value;                                     \
        memcpy(&value, at, sizeof value);               \
        return value;                                   \
    }                                                   \
    static inline void put_##name(void *at, type value) \
    {                                                   \
        memcpy(at, &value, sizeof value);               \
    }
DEFINE_ACCESS(uint8_t, u8)
DEFINE_ACCESS(uint16_t, u16)
DEFINE_ACCESS(uint32_t, u32)
DEFINE_ACCESS(uint64_t, u64)
#undef DEFINE_ACCESS

/* A value that is checked or normalised on its way in. */
static inline uint32_t char_checked(uint32_t value)
{
    if (__builtin_expect(value >= 0x110000 || (value >= 0xd800 && value <= 0xdfff), 0))
        trap_raise("invalid `char` bit pattern 0x%x", value);
    return value;
}

static inline uint32_t case_checked(const struct cabi_type *type, uint32_t value)
{
    if (__builtin_expect(value >= type->member_count, 0))
        trap_raise("invalid variant discriminant %u of %u", value, type->member_count);
    return value;
}

static inline uint32_t flags_mask(const struct cabi_type *type)
{
    return type->member_count >= 32 ? UINT32_MAX : (1u << type->member_count) - 1;
}

/* Strings and lists outside of their pair of words ("Loading", "Storing": *_from_range, *_into_range). */
void cabi_string_load(struct cabi_call *call, uint32_t addr, uint32_t tagged_units, struct cabi_string *native_out);
void cabi_string_store(struct cabi_call *call, const struct cabi_string *native, uint32_t *addr_out,
                       uint32_t *tagged_units_out);
void cabi_list_load(struct cabi_call *call, const struct cabi_type *element, uint32_t addr, uint32_t count,
                    struct cabi_list *native_out);
void cabi_list_store(struct cabi_call *call, const struct cabi_type *element, const struct cabi_list *native,
                     uint32_t *addr_out, uint32_t *count_out);

/* Handles of a call ("Loading": lift_own, lift_borrow; "Storing": lower_own, lower_borrow). */
uint32_t cabi_handle_lift(struct cabi_call *call, const struct cabi_type *type, uint32_t handle);
uint32_t cabi_handle_lower(struct cabi_call *call, const struct cabi_type *type, uint32_t rep);

/* Traps unless the instance may leave. */
static inline void require_leave(const struct cabi_instance *instance)
{
    if (__builtin_expect(!instance->may_leave, 0))
        trap_raise("cannot leave component instance");
}

#endif
