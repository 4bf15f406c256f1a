#ifndef AOT_EMIT_PARTS_H
#define AOT_EMIT_PARTS_H

#include "abi.h"
#include "emit.h"

/*
 * Inside emit_: the file under construction. C wants everything declared before its use, and what is used shows only while the
 * users are written; so the file's parts grow side by side in buffers of their own and are put together at the end.
 * Functions for lowers, lifts and resources are written on demand (emit_want): what nothing uses does not appear.
 */

/* Modules with one prefix are one to C: wasm2c sees the same bytes, only their data differs. */
struct emit_unit {
    const char *prefix;
    const struct core_module *core;
    GA_VEC(uint32_t) core_instances; /* of the plan */
    bool *same; /* by import: all instances are given the same C function, instance pointers apart */
};

enum emit_wanted { WANT_LOWER, WANT_LIFT, WANT_RESOURCE, WANT_COUNT };

struct emitter {
    struct ga_arena *arena;
    struct ga_report *report;
    enum ga_status status; /* sticky */
    const struct emit_input *input;
    const struct plan *plan;
    struct abi_emitter *types;
    bool uses_exceptions;

    GA_VEC(struct emit_unit) units;
    uint32_t *unit_of_module; /* parallel to plan->modules */

    const struct plan_export **export_of_lift; /* parallel to plan->lifts: the first of its exports, or NULL; for comments */
    bool *wanted[WANT_COUNT];
    GA_VEC(struct { enum emit_wanted kind; uint32_t index; }) queue;
    GA_VEC(struct plan_options) options; /* distinct ones in use: root->options */
    struct ga_map options_index;         /* text of them -> index + 1 */
    struct ga_map externs;               /* names declared so far */
    struct ga_map lists;                 /* body of a function that transfers a list -> its number + 1 */
    uint32_t list_count;
    uint32_t fused_statements;           /* so far */

    GA_VEC(uint32_t) host_lowers;        /* lowers that are bound to a host function */

    /* The parts, in the order of the file. */
    struct ga_buf includes, root, extern_part, prototypes, resources, type_tables, bindings, functions, imports, exports,
        instantiate;
    struct ga_buf *defsyms;
};

/* --- emit_core.c: core items and the imports of modules --- */

/* A call of the item: "w2c_m0123_e4(&ROOT->core_3, ARGS)". args: the arguments' text, "" if there are none. */
void emit_core_call(struct emitter *emitter, struct ga_buf *out, const struct core_item *item, const char *args);

/* Address of a memory: "w2c_m0123_e1(&ROOT->core_0)". */
void emit_core_address(struct emitter *emitter, struct ga_buf *out, const struct core_item *item);

/* Collects the units; binds every import of every unit: a function of the glue, or a link-time equation. */
void emit_units(struct emitter *emitter);
void emit_import_bindings(struct emitter *emitter);

/* Writes what wasm2c_<prefix>_instantiate() wants for the imports of a core instance: ", (struct ...*)..." for each. */
void emit_import_arguments(struct emitter *emitter, struct ga_buf *out, uint32_t core_instance);

/* --- emit_type.c: core types as C --- */

const char *emit_core_type(struct emitter *emitter, uint8_t kind);              /* "uint32_t" */
const char *emit_result_type(struct emitter *emitter, const struct core_func_type *type); /* "void", "struct wasm_multi_ij" */
void emit_params(struct emitter *emitter, struct ga_buf *out, const struct core_func_type *type); /* "uint32_t a0, float a1" */
const char *emit_arguments(struct emitter *emitter, uint32_t count);            /* "a0, a1" */
const char *emit_from_flat(struct emitter *emitter, uint8_t kind, uint32_t index); /* "(uint32_t)flat[0]" */
const char *emit_to_flat(struct emitter *emitter, uint8_t kind, const char *value); /* "rt_f32_to_flat(a1)" */

/* --- emit_func.c: lowers, lifts, resources --- */

void emit_want(struct emitter *emitter, enum emit_wanted kind, uint32_t index);
void emit_write_wanted(struct emitter *emitter); /* writes until nothing more is wanted */
const char *emit_resource_ref(void *emitter, const struct type_resource *resource); /* "&resource_3" */
const char *emit_resource_index_ref(struct emitter *emitter, uint32_t index);
uint32_t emit_options(struct emitter *emitter, const struct plan_options *options); /* index in root->options */

/* --- emit_fused.c: calls from component instance to component instance --- */

/* Whether the call becomes straight-line C; otherwise it is made by descriptor. */
bool emit_is_fused(struct emitter *emitter, const struct plan_lower *lower, const struct plan_lift *lift);

/* The body of the lowered function, whose core type is given. What it needs before it goes to emitter->functions. */
void emit_fused_body(struct emitter *emitter, struct ga_buf *out, const struct plan_lower *lower,
                     const struct plan_lift *lift, const struct core_func_type *core);

/* --- emit_instantiate.c --- */
void emit_instantiate(struct emitter *emitter);

/* --- comments --- */
void emit_quoted(struct ga_buf *out, struct slice name); /* for the inside of a comment: "name" with quotes */

#endif
