#ifndef AOT_ABI_H
#define AOT_ABI_H

#include "types.h"
#include "ga_buf.h"

/* Layouts of the canonical ABI, and of the native shape (wasm2c-rt/include/cabi_types.h); computed once for a type. */
struct abi_layout {
    uint32_t size, align;                 /* guest */
    uint32_t native_size, native_align;
    uint32_t discriminant_size;
    uint32_t payload_offset, native_payload_offset;
    uint32_t flat_count;                  /* 255: more than 16 */
    uint8_t flat[16];                     /* enum core_type_kind */
    bool has_handles, plain;
    const struct type_val *uncarried;     /* a part that has no native shape (stream, map, ...), or NULL */
    const uint32_t *offsets, *native_offsets; /* record, tuple: one for each member */
};

const struct abi_layout *abi_layout(struct ga_arena *arena, const struct type_val *type);

/* The tuple of all parameters (a new type): where spilled parameters lie, and what a host function's thunk gets. */
const struct type_val *abi_params_tuple(struct ga_arena *arena, const struct type_func *type);

/* Core signature of a lowered (import) or lifted (export) function: flatten_functype. */
void abi_flatten_func(struct ga_arena *arena, const struct type_func *type, bool lower, struct core_func_type *out);

/*
 * Writes `static const struct cabi_type` tables for types, each once; a type's C expression ("&t12", or "&cabi_u32" for a
 * primitive, which the runtime defines) is returned by abi_type_ref. Used for exports by emit_ and for host functions by witgen.
 */
struct abi_emitter;
struct abi_emitter *abi_emitter_new(struct ga_arena *arena, struct ga_buf *out, const char *prefix,
                                    const char *(*resource_ref)(void *context, const struct type_resource *resource),
                                    void *context);
const char *abi_type_ref(struct abi_emitter *emitter, const struct type_val *type);
const char *abi_func_type_ref(struct abi_emitter *emitter, const struct type_func *type);

/* A C string literal, quotes included; and text fit for the inside of a C comment. For names from a hostile input. */
void abi_put_string(struct ga_buf *out, const char *text, size_t size);
void abi_put_comment(struct ga_buf *out, const char *text, size_t size);

#endif
