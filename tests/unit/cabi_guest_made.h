#ifndef CABI_GUEST_MADE_H
#define CABI_GUEST_MADE_H

#include <criterion/criterion.h>

#include "cabi_types_made.h"
#include "ga_limits.h"
#include "gate.h"
#include "region.h"
#include "trap.h"

/* A guest made of a memory of two pages and a realloc written here, and operations that tell how they trapped. */

enum { MADE_MEMORY_BYTES = 0x20000, MADE_HEAP = 0x8000, MADE_REALLOC_LOG = 16 };

struct made_realloc_call {
    uint32_t old_addr, old_size, align, new_size, result;
    bool may_leave;
};

struct made_guest {
    wasm_rt_memory_t memory;
    struct cabi_instance instance;
    struct rt_options options;
    struct ga_arena scratch;
    struct cabi_call call;
    uint32_t heap; /* next free address */
    uint32_t call_count;
    struct made_realloc_call calls[MADE_REALLOC_LOG]; /* the first of them */
    uint32_t bad_result_at; /* from this call on, counted from 1, realloc returns bad_result; 0: never */
    uint32_t bad_result;
};

/* Always moves, fills what is new with a pattern, and destroys what it moved from. */
static uint32_t made_realloc(void *module_instance, uint32_t old_addr, uint32_t old_size, uint32_t align,
                             uint32_t new_size)
{
    struct made_guest *guest = module_instance;
    uint8_t *memory = guest->memory.data;
    uint32_t addr = made_align_to(guest->heap + 1, align); /* odd for align 1 */
    addr += align == 1 ? !(addr & 1) : align;
    guest->heap = addr + new_size;
    uint32_t number = ++guest->call_count;
    if (guest->bad_result_at && number >= guest->bad_result_at)
        addr = guest->bad_result;
    else {
        GA_ASSERT(guest->heap <= guest->memory.size);
        memset(memory + addr, 0xaa, new_size);
        memcpy(memory + addr, memory + old_addr, old_size < new_size ? old_size : new_size);
        memset(memory + old_addr, 0xdd, old_size);
    }
    if (number <= MADE_REALLOC_LOG)
        guest->calls[number - 1] =
            (struct made_realloc_call){old_addr, old_size, align, new_size, addr, guest->instance.may_leave};
    return addr;
}

static inline void made_guest_init(struct made_guest *guest, uint8_t encoding)
{
    memset(guest, 0, sizeof *guest);
    guest->memory.data = aligned_alloc(4096, MADE_MEMORY_BYTES);
    memset(guest->memory.data, 0, MADE_MEMORY_BYTES);
    guest->memory.size = MADE_MEMORY_BYTES;
    guest->instance.may_leave = true;
    guest->heap = MADE_HEAP;
    guest->options = (struct rt_options){.instance = &guest->instance,
                                         .memory = &guest->memory,
                                         .realloc = made_realloc,
                                         .realloc_instance = guest,
                                         .encoding = encoding};
    guest->call = (struct cabi_call){.options = &guest->options, .scratch = &guest->scratch, .task = 1};
}

/* Creates the region; for .init of a test. */
static inline void made_region(void)
{
    struct ga_report report = {0};
    cr_assert_eq(region_create(0x10000, &report), GA_OK, "%s", report.text);
}

/* --- operations below a gate: each returns NULL, or the trap's text --- */

struct made_step {
    void (*run)(struct made_step *step);
    struct cabi_call *call;
    const struct cabi_type *type;
    const void *native;
    void *native_out;
    uint32_t addr;
    uint64_t *flat;
};

static inline uint64_t made_step_on_host(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    struct made_step *step = (struct made_step *)(uintptr_t)flat[0];
    step->run(step);
    return 0;
}

/* On the guest's stack, or behind a gate as a host function's values are. */
static inline void made_step_enter(uint64_t *flat)
{
    struct made_step *step = (struct made_step *)(uintptr_t)flat[0];
    if (step->call && !step->call->on_guest_stack)
        gate_call(made_step_on_host, NULL, flat);
    else
        step->run(step);
}

static inline const char *made_attempt(struct made_step step)
{
    REGION->flat[20] = (uintptr_t)&step;
    enum gate_outcome outcome = gate_enter(made_step_enter, REGION->flat + 20);
    return outcome == GATE_RETURNED ? NULL : trap_text();
}

static inline void made_run_load(struct made_step *step)
{
    cabi_load(step->call, step->type, step->addr, step->native_out);
}
static inline void made_run_store(struct made_step *step)
{
    cabi_store(step->call, step->type, step->native, step->addr);
}

static inline void made_run_lift(struct made_step *step)
{
    const uint64_t *at = step->flat;
    cabi_lift_flat(step->call, step->type, &at, step->native_out);
    cr_assert_eq(at - step->flat, step->type->flat_count);
}

static inline void made_run_lower(struct made_step *step)
{
    uint64_t *at = step->flat;
    cabi_lower_flat(step->call, step->type, step->native, &at);
    cr_assert_eq(at - step->flat, step->type->flat_count);
}

static inline const char *try_load(struct cabi_call *call, const struct cabi_type *type, uint32_t addr, void *native_out)
{
    return made_attempt(
        (struct made_step){.run = made_run_load, .call = call, .type = type, .addr = addr, .native_out = native_out});
}

static inline const char *try_store(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                    uint32_t addr)
{
    return made_attempt(
        (struct made_step){.run = made_run_store, .call = call, .type = type, .addr = addr, .native = native});
}

static inline const char *try_lift(struct cabi_call *call, const struct cabi_type *type, uint64_t *flat,
                                   void *native_out)
{
    return made_attempt(
        (struct made_step){.run = made_run_lift, .call = call, .type = type, .flat = flat, .native_out = native_out});
}

static inline const char *try_lower(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                    uint64_t *flat)
{
    return made_attempt(
        (struct made_step){.run = made_run_lower, .call = call, .type = type, .native = native, .flat = flat});
}

#define cr_assert_traps(expression, text_)                                                                          \
    do {                                                                                                            \
        const char *trap_ = (expression);                                                                           \
        cr_assert(trap_ && !strcmp(trap_, text_), "wanted the trap \"%s\", got %s", text_, trap_ ? trap_ : "none"); \
    } while (0)
#define cr_assert_passes(expression)             \
    do {                                         \
        const char *trap_ = (expression);        \
        cr_assert(!trap_, "trapped: %s", trap_); \
    } while (0)

/* Writing into guest memory. */
static inline void put32(struct made_guest *guest, uint32_t addr, uint32_t value)
{
    memcpy(guest->memory.data + addr, &value, 4);
}

#endif
