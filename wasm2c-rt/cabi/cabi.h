#ifndef CABI_H
#define CABI_H

#include <stdbool.h>
#include <stdint.h>

#include "cabi_types.h"
#include "ga_arena.h"
#include "ga_buf.h"
#include "ga_report.h"
#include "golem_rt.h"

/*
 * The canonical ABI (CanonicalABI.md), by descriptor. Lifting takes guest values to native ones, lowering the
 * other way. Every rule that is broken by the guest is a trap (core/trap.h) and does not return.
 */

/* One call's context: options and instance of the guest side, and what its borrows need. */
struct cabi_call {
    struct rt_options *options;
    struct ga_arena *scratch; /* native strings, lists; lifted values live until it is reset */
    uint32_t task;            /* lifted exports: number of the task, scope of borrow handles */
    uint32_t borrow_count;    /* borrow handles lowered into the guest and not dropped yet (exports) */
    uint32_t lend_count;      /* own handles that this call has lent (imports): given back by cabi_call_end */
    uint32_t lends[32];       /* ...their handle indexes; more are in lends_more */
    uint32_t *lends_more;
};

/* Loading and storing in linear memory ("Loading", "Storing"). Checks alignment and bounds. */
void cabi_load(struct cabi_call *call, const struct cabi_type *type, uint32_t addr, void *native_out);
void cabi_store(struct cabi_call *call, const struct cabi_type *type, const void *native, uint32_t addr);

/* Flat values ("Flat Lifting", "Flat Lowering"). *flat is advanced past the values that were read or written. */
void cabi_lift_flat(struct cabi_call *call, const struct cabi_type *type, const uint64_t **flat, void *native_out);
void cabi_lower_flat(struct cabi_call *call, const struct cabi_type *type, const void *native, uint64_t **flat);

/* The four directions of a call. native arguments are one struct in the native shape of type->params_tuple. */
void cabi_lift_params(struct cabi_call *call, const struct cabi_func_type *type, const uint64_t *flat, void *native_out);
uint64_t cabi_lower_result(struct cabi_call *call, const struct cabi_func_type *type, const void *native,
                           const uint64_t *flat); /* import: flat holds the return-area pointer, if any */
void cabi_lower_params(struct cabi_call *call, const struct cabi_func_type *type, const void *native, uint64_t *flat_out);
void cabi_lift_result(struct cabi_call *call, const struct cabi_func_type *type, const uint64_t *flat, void *native_out);

/* Ends an import's call: gives lent handles back. For an export: traps if borrow handles are left. */
void cabi_call_end(struct cabi_call *call);

/* Handle tables ("Resource State"). Indexes from 1, freed ones reused last in, first out. All trap as specified. */
uint32_t cabi_handle_add(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t rep, bool own,
                         uint32_t scope);
struct cabi_handle *cabi_handle_get(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle);
uint32_t cabi_handle_remove_own(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle);

/*
 * A compact binary form of native values: LEB128 integers, length-prefixed strings and lists, case numbers. It is what the oplog
 * stores; handles are written as their reps. decode checks everything (false: malformed) and allocates in the arena.
 */
void cabi_encode(const struct cabi_type *type, const void *native, struct ga_buf *out);
bool cabi_decode(const struct cabi_type *type, struct ga_reader *in, struct ga_arena *arena, void *native_out);

/*
 * WAVE text (the value encoding of the component model's tools). Resources are given and taken through the hooks;
 * without them a handle is an error.
 */
struct cabi_wave_hooks {
    bool (*parse_handle)(void *context, const struct cabi_type *type, const char *text, size_t size, uint32_t *rep_out);
    void (*print_handle)(void *context, const struct cabi_type *type, uint32_t rep, struct ga_buf *out);
    void *context;
};
void cabi_wave_print(const struct cabi_type *type, const void *native, const struct cabi_wave_hooks *hooks, struct ga_buf *out);

/* Parses one value at *text (to end) and advances *text; GA_INVALID with offset (relative to the first *text) and reason. */
enum ga_status cabi_wave_parse(const struct cabi_type *type, const char **text, const char *end,
                               const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                               struct ga_report *report) GA_MUST_USE;

#endif
