#ifndef AOT_TYPES_H
#define AOT_TYPES_H

#include "component.h"
#include "ga_buf.h"
#include "ga_map.h"

/*
 * Types, resolved. Made by type_ functions from definitions and an index space; used by val_ (with abstract
 * resources), by link_ (with one concrete resource for each instantiation), by abi_ and by tools/witgen (from WIT text).
 */
struct type_resource {
    uint32_t id;              /* unique in the compile */
    struct slice name;        /* for messages: "wasi:io/streams@0.2.0.input-stream" */
    /* How it came about; link_ fills `plan_index` with its plan_resource. */
    bool imported;
    uint32_t plan_index;
};

struct type_member {
    struct slice name;
    const struct type_val *type; /* NULL: no payload */
};

struct type_val {
    enum val_kind kind;
    struct slice name;                /* if it was exported or imported under one: for WIT text; may be empty */
    uint32_t member_count;
    const struct type_member *members; /* record, tuple, variant, enum, flags */
    const struct type_val *element;   /* list, option; result: ok */
    const struct type_val *err;       /* result */
    uint32_t length;                  /* fixed list */
    const struct type_resource *resource; /* own, borrow */
    uint32_t size, depth;             /* all parts counted; checked against GA_MAX_TYPE_* */
    void *abi;                        /* abi_'s layout, made once */
};

struct type_func {
    uint32_t param_count;
    const struct type_member *params;
    const struct type_val *result;    /* NULL: none */
    bool async;
};

enum type_extern_kind {
    EXTERN_FUNC, EXTERN_TYPE /* value type */, EXTERN_RESOURCE, EXTERN_INSTANCE, EXTERN_COMPONENT, EXTERN_MODULE,
    EXTERN_VALUE, EXTERN_FUNC_TYPE, EXTERN_INSTANCE_TYPE, EXTERN_COMPONENT_TYPE
};

struct type_extern {
    enum type_extern_kind kind;
    union {
        const struct type_func *func;
        const struct type_val *value;
        const struct type_resource *resource;
        const struct type_instance *instance;
        const struct type_component *component;
        const struct type_module *module;
    };
};

struct type_instance {
    struct ga_map exports; /* name -> struct type_extern* */
};

/* Structural equality; resources equal by identity unless `resources_by_name`, then by the last part of the name
 * (how an import is compared with what the host offers). */
bool type_val_equal(const struct type_val *a, const struct type_val *b, bool resources_by_name);
bool type_func_equal(const struct type_func *a, const struct type_func *b, bool resources_by_name);

/* The canonical structural text of a function type: all names of fields, cases and parameters, type names resolved, resources
 * by the last part of their name. Two functions are compatible if and only if their signatures are equal text. */
void type_func_signature(const struct type_func *type, struct ga_buf *out);

/* WIT text of a type, structural names inlined by name where they have one. */
void type_val_print(const struct type_val *type, struct ga_buf *out);
void type_func_print(const struct type_func *type, struct ga_buf *out);

#endif
