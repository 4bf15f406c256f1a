#ifndef GOLEM_RT_H
#define GOLEM_RT_H

/*
 * What generated code is made of: the only header, with wasm-rt.h, that it includes. A build emits one `rt_component`
 * named golem_component, and one struct ROOT_STRUCT that lives at RT_ROOT, the start of the region's arena.
 * Everything in that struct is guest state: it is in every checkpoint.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cabi_types.h"
#include "wasm-rt.h"

#define RT_REGION_BASE 0x200000000000ull
#define RT_ARENA_BASE (RT_REGION_BASE + 0x20000000ull)
#define RT_ROOT ((void *)RT_ARENA_BASE)

/* --- component instances --- */

/* Handle table entry; free entries are chained through `rep` (LIFO). CanonicalABI.md, "Resource State". */
struct cabi_handle {
    const struct cabi_resource *resource; /* NULL: free */
    uint32_t rep;
    uint32_t lend_count;
    bool own;
    uint32_t scope; /* borrow: the number of the task it must be dropped in */
};

/* One for each component instance, in the root struct. Zero-initialised but for `parent`, `index` and `may_leave`. */
struct cabi_instance {
    struct cabi_instance *parent;
    uint32_t index;
    bool may_leave;   /* false during realloc and post-return */
    bool entered;     /* a task of it runs */
    struct cabi_handle *handles; /* region memory; [0] is never used */
    uint32_t handle_count, handle_capacity, free_head;
    uint32_t borrow_count; /* borrow handles in the table: all belong to the one task that runs */
};

/* --- canonical options --- */

enum rt_encoding { RT_UTF8, RT_UTF16, RT_LATIN1_UTF16 };

/* Canonical options of a lift or lower, in the root struct, filled while instantiating. */
struct rt_options {
    struct cabi_instance *instance;
    wasm_rt_memory_t *memory; /* NULL if the option is absent */
    uint32_t (*realloc)(void *module_instance, uint32_t old_addr, uint32_t old_size, uint32_t align, uint32_t new_size);
    void *realloc_instance;
    uint8_t encoding; /* enum rt_encoding */
};

/* --- imports --- */

struct host_func; /* hostimpl/durable/host.h; generated code only takes addresses of them */

/* A lowered host function: what a core import is bound to. Constant. */
struct rt_lower {
    const struct host_func *callee;
    const struct cabi_func_type *type; /* the component's view; structurally equal to the callee's */
    struct rt_options *options;
};

/*
 * Called by generated code on the guest stack: saves the guest's state, switches to the host stack, lifts the flat
 * arguments, runs the host function by its durability class, lowers the result. flat is an array on the guest stack
 * with the core arguments, each in the low bits of its element (f32 and f64 as bits). Returns the core result's bits,
 * 0 if there is none. Does not return if the guest traps.
 */
uint64_t rt_call_host(const struct rt_lower *lower, uint64_t *flat);

/* The same for imports nothing serves (--allow-missing): traps with the import's name. */
__attribute__((noreturn)) void rt_missing_import(const char *interface, const char *name);

/* canon resource.new, resource.rep, resource.drop (CanonicalABI.md). Run on the guest stack. */
uint32_t rt_resource_new(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t rep);
uint32_t rt_resource_rep(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle);
void rt_resource_drop(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle);

/* --- exports --- */

/* A lifted function that can be called from outside. Constant. */
struct rt_export {
    const char *interface; /* "demo:cart/api@1.0.0"; "" for a function exported by the component itself */
    const char *name;      /* "add-item", "[method]counter.inc-by" */
    const struct cabi_func_type *type;
    struct rt_options *options;
    /* Calls the core function with flat[0..]; leaves the core result's bits in flat[0]. Guest stack. */
    void (*call)(uint64_t *flat);
    void (*post_return)(uint64_t *flat); /* flat[0]: the core result; NULL if absent */
};

/* --- component-to-component calls --- */

/*
 * A call from one component instance of the worker to another, by descriptor: lifts flat arguments with the caller's
 * options, lowers them with the callee's, calls, and the same back. Runs on the guest stack (it is guest state).
 * For what is not worth code of its own: see rt_transfer.h.
 */
struct rt_adapter {
    const struct cabi_func_type *caller_type; /* as the caller sees it (its resource identities) */
    const struct cabi_func_type *callee_type;
    struct rt_options *caller;
    struct rt_options *callee;
    void (*call)(uint64_t *flat);
    void (*post_return)(uint64_t *flat);
};
uint64_t rt_call_component(const struct rt_adapter *adapter, uint64_t *flat);

/* --- flat values --- */

/* Floats travel as their bits in the low half or all of an element. */
static inline uint64_t rt_f32_to_flat(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint64_t rt_f64_to_flat(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float rt_f32_from_flat(uint64_t flat)
{
    uint32_t bits = (uint32_t)flat;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double rt_f64_from_flat(uint64_t flat)
{
    double value;
    memcpy(&value, &flat, sizeof value);
    return value;
}

/* --- data segments that were taken out of a module --- */

struct rt_segment {
    uint32_t offset; /* in the memory, relative to base */
    uint32_t size;
    uint64_t data;   /* in the module's data */
};

/* Active segments as they run when a module is instantiated: in order, each checked before anything of it is written. base is
 * the value of the global an offset names; sums are modulo 2^32. */
static inline void rt_copy_segments(wasm_rt_memory_t *memory, uint32_t base, const unsigned char *data,
                                    const struct rt_segment *segments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t offset = base + segments[i].offset;
        if (offset > memory->size || segments[i].size > memory->size - offset)
            wasm_rt_trap(WASM_RT_TRAP_OOB);
        if (segments[i].size > 0)
            memcpy(memory->data + offset, data + segments[i].data, segments[i].size);
    }
}

/* --- the component --- */

/* What the runtime has for a component that exports wasi:http/incoming-handler: a server. Linked with those alone, by this
 * name. */
struct rt_http_handler;
extern const struct rt_http_handler golem_http_handler;

struct rt_component {
    const char *name;
    const char *component_hash; /* SHA-256 of the component, lower-case hex */
    const char *wit;            /* its world as WIT text, for `info` */
    size_t root_size;           /* bytes of the root struct */
    uint32_t export_count;
    const struct rt_export *exports;
    uint32_t resource_count;
    const struct cabi_resource *const *resources; /* exported resource types */
    uint32_t import_count;
    const struct rt_lower *const *imports; /* host functions that it may call; one may be there several times */
    const struct rt_http_handler *http_handler; /* NULL unless wasi:http/incoming-handler is exported */
    /* Fills the root struct and instantiates all core modules in order. Guest stack; may trap; may call the host. */
    void (*instantiate)(void);
};
extern const struct rt_component golem_component;

#endif
