#ifndef CABI_H
#define CABI_H

#include <stdbool.h>
#include <stdint.h>

#include "cabi_types.h"
#include "ga_arena.h"
#include "ga_buf.h"
#include "ga_report.h"
#include "gate.h"
#include "golem_rt.h"
#include "rt_transfer.h"

/*
 * The canonical ABI (CanonicalABI.md), by descriptor. Lifting takes guest values to native ones, lowering the other
 * way. Every rule that is broken by the guest is a trap (core/trap.h) and does not return: hence a function that
 * may trap runs below a gate_enter, on either stack.
 *
 * Linear memories never move (core/region.h), so a host pointer into one stays good while realloc runs.
 */

/*
 * One call's context: options and instance of the guest side, and what its borrows need. Zero-initialise.
 *
 * views: lifted UTF-8 strings and lists of plain elements may point into the guest's memory instead of being
 * copied; good until guest code runs again, that is for the run of a host function and not beyond.
 *
 * raw_strings, source_encoding: for adapters. Lifted strings stay in the guest's memory and encoding, checked, and
 * cabi_string.size is the count of code units with its tag; source_encoding says how to read such strings when
 * lowering.
 */
struct cabi_call {
    struct rt_options *options;
    struct ga_arena *scratch; /* native strings, lists; lifted values live until it is reset */
    uint32_t task;            /* lifted exports: number of the task, from 1; imports: 0 */
    bool on_guest_stack;      /* realloc and post-return are called directly, not through gate_enter */
    bool views;
    bool raw_strings;
    uint8_t source_encoding; /* enum rt_encoding; RT_UTF8 but in adapters */
    struct rt_lends lends;   /* handles that this call has lent (imports): given back by cabi_call_end */
};

/* Loading and storing in linear memory ("Loading", "Storing"). Checks alignment and bounds. */
void cabi_load(struct cabi_call *call, const struct cabi_type *type, uint32_t addr, void *native_out);
void cabi_store(struct cabi_call *call, const struct cabi_type *type, const void *native, uint32_t addr);

/* Flat values ("Flat Lifting", "Flat Lowering"). *flat is advanced past the values that were read or written. Only
 * the low bits of a slot count when lifting; lowering fills the high ones with zero. */
void cabi_lift_flat(struct cabi_call *call, const struct cabi_type *type, const uint64_t **flat, void *native_out);
void cabi_lower_flat(struct cabi_call *call, const struct cabi_type *type, const void *native, uint64_t **flat);

/*
 * The four directions of a call. native arguments are one struct in the native shape of type->params_tuple.
 * cabi_lift_params begins an import's call: it traps if the instance may not leave. It is an effect (own handles
 * leave the table, borrowed ones are lent), so a checkpoint at a host call is taken before it.
 */
void cabi_lift_params(struct cabi_call *call, const struct cabi_func_type *type, const uint64_t *flat, void *native_out);
uint64_t cabi_lower_result(struct cabi_call *call, const struct cabi_func_type *type, const void *native,
                           const uint64_t *flat); /* import: flat holds the return-area pointer, if any */
void cabi_lower_params(struct cabi_call *call, const struct cabi_func_type *type, const void *native,
                       uint64_t *flat_out);
void cabi_lift_result(struct cabi_call *call, const struct cabi_func_type *type, const uint64_t *flat, void *native_out);

/* Ends an import's call: gives lent handles back. For an export (task != 0), after its result was lifted and before
 * post-return: traps if borrow handles are left. */
void cabi_call_end(struct cabi_call *call);

/* Runs post_return (may be NULL) with flat[0], while the instance may not leave. */
void cabi_post_return(struct cabi_call *call, void (*post_return)(uint64_t *flat), uint64_t *flat);

/* Traps unless callee and those of its ancestors that caller (NULL: the host) is not inside of can be entered, and
 * marks them entered. After a trap they stay so: the instance is poisoned. ("Component Instances", enter_from,
 * leave_to) */
void cabi_instance_enter(struct cabi_instance *callee, const struct cabi_instance *caller);
void cabi_instance_leave(struct cabi_instance *callee, const struct cabi_instance *caller);

/*
 * A call of an export from the host, in three steps, each an entry into the guest of its own, so that every trap
 * lands here and only the middle one can rest at a host call (a restored process goes on with gate_resume instead):
 *
 *   cabi_export_begin  enters the instance, lowers params into flat
 *   gate_enter(export->call, flat)
 *   cabi_export_end    lifts the result, checks the borrows, runs post-return, leaves the instance
 *
 * flat is REGION->flat, or as many slots elsewhere in the region. call needs options and task only; in
 * cabi_export_end scratch too. The result is a copy in scratch, whatever call->views says.
 */
enum gate_outcome cabi_export_begin(struct cabi_call *call, const struct rt_export *export, const void *params,
                                    uint64_t *flat) GA_MUST_USE;
enum gate_outcome cabi_export_end(struct cabi_call *call, const struct rt_export *export, uint64_t *flat,
                                  void *result_out) GA_MUST_USE;

/* Handle tables ("Resource State"). Indexes from 1, freed ones reused last in, first out. All trap as specified.
 * A pointer to a handle is good until the next add. */
uint32_t cabi_handle_add(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t rep, bool own,
                         uint32_t scope);
struct cabi_handle *cabi_handle_get(struct cabi_instance *instance, const struct cabi_resource *resource,
                                    uint32_t handle);
uint32_t cabi_handle_remove_own(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle);

/* Destroys a resource that a guest defines and the host owned: its destructor runs in the defining instance. */
enum gate_outcome cabi_resource_destroy(const struct cabi_resource *resource, uint32_t rep, uint64_t *flat) GA_MUST_USE;

/* What rt_resource_drop calls, on the host stack, for an own handle of a host resource; durable sets it at start.
 * The gate it passes has lower == NULL: no host call that could be run again, so never a place for a checkpoint. */
extern void (*cabi_host_drop)(const struct cabi_resource *resource, uint32_t rep);

/*
 * A compact binary form of native values: it is what the oplog stores. Handles are written as their reps.
 *
 *   bool, flags, char, tags, u8..u64, reps   unsigned LEB128 (bool and u8: one byte)
 *   s8..s64                                  signed LEB128 (s8: one byte)
 *   f32, f64                                 4 or 8 bytes, little endian
 *   string                                   size, bytes
 *   list                                     count, items; numbers other than bool are little endian here, not LEB128
 *   record, tuple                            the fields
 *   variant, option, result, enum            case number, payload
 *
 * decode checks everything (false: malformed, or more than GA_MAX_CALL_BYTES) and allocates in the arena, whatever that
 * holds already.
 */
void cabi_encode(const struct cabi_type *type, const void *native, struct ga_buf *out);
bool cabi_decode(const struct cabi_type *type, struct ga_reader *in, struct ga_arena *arena, void *native_out);

/*
 * WAVE text (the value encoding of the component model's tools). Resources are given and taken through the hooks;
 * without them a handle is an error (and printed as "<NAME>").
 */
struct cabi_wave_hooks {
    /* text is one word or string token, quotes included. */
    bool (*parse_handle)(void *context, const struct cabi_type *type, const char *text, size_t size, uint32_t *rep_out);
    void (*print_handle)(void *context, const struct cabi_type *type, uint32_t rep, struct ga_buf *out);
    void *context;
};
void cabi_wave_print(const struct cabi_type *type, const void *native, const struct cabi_wave_hooks *hooks,
                     struct ga_buf *out);

/* Parses one value at *text (to end) and advances *text; GA_INVALID with offset (relative to the first *text) and
 * reason. */
enum ga_status cabi_wave_parse(const struct cabi_type *type, const char **text, const char *end,
                               const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                               struct ga_report *report) GA_MUST_USE;

/* A piece of someone else's text. */
struct cabi_wave_slice {
    const char *text;
    size_t size;
};

/*
 * Splits a call, `f(1, "a")` or `ns:pkg/iface@1.0.0.{r("x").m}(2)`, at the parentheses of its last argument list:
 * name is what stands before them, args what stands between. Neither is looked into beyond braces, parentheses and
 * quotes. GA_INVALID with offset.
 */
enum ga_status cabi_wave_parse_call(const char *text, size_t size, struct cabi_wave_slice *name_out,
                                    struct cabi_wave_slice *args_out, struct ga_report *report) GA_MUST_USE;

/* Parses all arguments of a call (the text between the parentheses) into the native shape of type->params_tuple.
 * Options at the end may be left out. GA_INVALID with offset, also for too few or too many. */
enum ga_status cabi_wave_parse_args(const struct cabi_func_type *type, const char *text, size_t size,
                                    const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                                    struct ga_report *report) GA_MUST_USE;

/* The same for arguments that are texts of their own, each one value. Offsets count through all words, as if one character stood
 * between two of them. */
enum ga_status cabi_wave_parse_words(const struct cabi_func_type *type, const struct cabi_wave_slice *words, uint32_t count,
                                     const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                                     struct ga_report *report) GA_MUST_USE;

#endif
