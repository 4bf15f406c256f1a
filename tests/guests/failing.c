/* Fails in every way there is: traps of the core instructions, of libc, and results that no host may accept. */
#include <assert.h>

#include "guest.h"

#define API "demo:failing/api@1.0.0"

static uint32_t fine_calls;

GUEST_EXPORT(API "#fine") uint32_t fine(uint32_t v)
{
    fine_calls++;
    return v + 1;
}

GUEST_EXPORT(API "#fine-calls") uint32_t get_fine_calls(void)
{
    return fine_calls;
}

GUEST_EXPORT(API "#trap-unreachable") void trap_unreachable(void)
{
    __builtin_trap();
}

GUEST_EXPORT(API "#trap-abort") void trap_abort(void)
{
    abort();
}

GUEST_EXPORT(API "#trap-assert") void trap_assert(void)
{
    assert(fine_calls == UINT32_MAX && "a failed assertion");
}

GUEST_EXPORT(API "#read-at") uint32_t read_at(uint32_t address)
{
    return *(volatile uint8_t *)address;
}

GUEST_EXPORT(API "#write-at") void write_at(uint32_t address, uint32_t value)
{
    *(volatile uint8_t *)address = (uint8_t)value;
}

GUEST_EXPORT(API "#memory-pages") uint32_t memory_pages(void)
{
    return __builtin_wasm_memory_size(0);
}

/* No frame can be optimised away: what the call gives is used twice. */
static __attribute__((noinline)) uint32_t descend(uint32_t depth, uint32_t value)
{
    if (depth == 0)
        return value;
    uint32_t below = descend(depth - 1, value * 1664525 + 1013904223);
    return below * 3 ^ (below >> 7) ^ (depth * value);
}

GUEST_EXPORT(API "#stack-overflow") uint32_t stack_overflow(uint32_t depth)
{
    return descend(depth, 1);
}

/* The same with locals in linear memory: the stack that the C compiler keeps there. */
static __attribute__((noinline)) uint32_t descend_in_memory(uint32_t depth)
{
    volatile uint32_t frame[1024];

    frame[depth % 1024] = depth;
    if (depth > 0)
        frame[0] = descend_in_memory(depth - 1);
    return frame[0] + frame[depth % 1024];
}

GUEST_EXPORT(API "#stack-overflow-in-memory") uint32_t stack_overflow_in_memory(uint32_t depth)
{
    return descend_in_memory(depth);
}

GUEST_EXPORT(API "#divide") int32_t divide(volatile int32_t a, volatile int32_t b)
{
    return a / b;
}

GUEST_EXPORT(API "#divide64") int64_t divide64(volatile int64_t a, volatile int64_t b)
{
    return a / b;
}

GUEST_EXPORT(API "#float-to-int") int32_t float_to_int(double v)
{
    return __builtin_wasm_trunc_s_i32_f64(v);
}

GUEST_EXPORT(API "#exit-with") void exit_with(uint32_t code)
{
    exit((int)code);
}

/* A C function pointer is an index into the table; what index names nothing, or another type, traps. */
GUEST_EXPORT(API "#call-bad-pointer") uint32_t call_bad_pointer(uint32_t index)
{
    uint32_t (*volatile function)(void) = (uint32_t (*)(void))index;

    return function();
}

static double another_type(double a, float b)
{
    return a + (double)b;
}

GUEST_EXPORT(API "#call-wrong-type") uint32_t call_wrong_type(void)
{
    double (*volatile right)(double, float) = another_type;
    uint32_t (*volatile wrong)(void) = (uint32_t (*)(void))(uintptr_t)right;

    return wrong();
}

/* Takes memory until there is no more; how many MiB there were. */
GUEST_EXPORT(API "#exhaust-memory") uint32_t exhaust_memory(void)
{
    uint32_t count = 0;

    for (;;) {
        uint8_t *block = malloc(1 << 20);
        if (block == NULL)
            return count;
        *(volatile uint8_t *)block = 1;
        count++;
    }
}

GUEST_EXPORT(API "#spin") uint64_t spin(uint64_t rounds)
{
    uint64_t state = 88172645463325252u;

    for (uint64_t i = 0; i < rounds; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    return state;
}

static struct guest_string out;

GUEST_EXPORT(API "#bad-string-pointer") struct guest_string *bad_string_pointer(void)
{
    out = guest_string((char *)0xfffffff0u, 100);
    return &out;
}

GUEST_EXPORT(API "#bad-utf8") struct guest_string *bad_utf8(void)
{
    out = guest_string("ab\xc3\x28z", 5);
    return &out;
}

GUEST_EXPORT(API "#bad-char") uint32_t bad_char(void)
{
    return 0xd800;
}

GUEST_EXPORT(API "#bad-list-length") struct guest_string *bad_list_length(void)
{
    static uint32_t one;

    out = guest_string((char *)&one, 0x40000000u);
    return &out;
}

GUEST_EXPORT(API "#bad-variant") uint8_t *bad_variant(void)
{
    static _Alignas(4) uint8_t area[8] = {2};

    return area;
}

GUEST_EXPORT(API "#bad-post-return") struct guest_string *bad_post_return(void)
{
    out = guest_string("read before the trap", 20);
    return &out;
}

GUEST_POST(API "#bad-post-return") void bad_post_return_post(struct guest_string *result)
{
    (void)result;
    __builtin_trap();
}
