#ifndef CABI_TYPES_H
#define CABI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Descriptors of component-model value types, as constant data. One description serves every walk over a
 * value: lifting, lowering, the oplog's encoding, digests, and WAVE text.
 *
 * A value has two shapes. The *guest* shape lies in linear memory and is laid out by CanonicalABI.md
 * ("Alignment", "Element Size"). The *native* shape is a C object of the host:
 *
 *   bool                     bool (1 byte)
 *   s8 .. u64, f32, f64      the C type of that size
 *   char                     uint32_t, a Unicode scalar value
 *   string                   struct cabi_string, UTF-8
 *   list<T>                  struct cabi_list, items in T's native shape
 *   record, tuple            a C struct with the fields in order
 *   variant, option, result  struct { uint32_t tag; union { ... } value; }; tag is the case number
 *                            (option: 0 none, 1 some; result: 0 ok, 1 err)
 *   enum                     uint32_t, the case number
 *   flags                    uint32_t, bit i is flag i
 *   own<R>, borrow<R>        uint32_t, the representation of the resource (never a guest's handle)
 */
enum cabi_kind {
    CABI_BOOL,
    CABI_S8,
    CABI_U8,
    CABI_S16,
    CABI_U16,
    CABI_S32,
    CABI_U32,
    CABI_S64,
    CABI_U64,
    CABI_F32,
    CABI_F64,
    CABI_CHAR,
    CABI_STRING,
    CABI_LIST,
    CABI_RECORD,
    CABI_TUPLE,
    CABI_VARIANT,
    CABI_ENUM,
    CABI_OPTION,
    CABI_RESULT,
    CABI_FLAGS,
    CABI_OWN,
    CABI_BORROW,
    CABI_KIND_COUNT
};

enum cabi_flat { CABI_FLAT_I32, CABI_FLAT_I64, CABI_FLAT_F32, CABI_FLAT_F64 };

struct cabi_string {
    const char *data; /* UTF-8, not NUL terminated */
    size_t size;      /* bytes */
};

struct cabi_list {
    void *items;
    size_t count;
};

struct cabi_type;
struct cabi_resource;

/* A record field, tuple element, variant case, enum case or flag. */
struct cabi_member {
    const char *name;             /* NULL for tuple elements */
    const struct cabi_type *type; /* NULL where there is no payload */
    uint32_t offset;              /* of the field in the guest shape; unused for cases */
    uint32_t native_offset;
};

struct cabi_type {
    uint8_t kind;              /* enum cabi_kind */
    uint8_t align;             /* guest: 1, 2, 4 or 8 */
    uint8_t discriminant_size; /* guest: of variant, enum, option, result; 1, 2 or 4 bytes. flags: 1, 2 or 4 */
    uint8_t native_align;
    uint8_t flat_count;        /* core values of the flattened type; 255 if more than 16 */
    bool has_handles;          /* own or borrow inside */
    bool plain;                /* guest and native shape are the same bytes, all of them values, and every bit pattern is valid:
                                  numbers except bool and char, records and tuples of such with equal layout and without
                                  padding (whose bytes are nobody else's business) */
    uint32_t size;             /* guest bytes */
    uint32_t native_size;
    uint32_t payload_offset;   /* guest: of a variant's, option's or result's payload */
    uint32_t native_payload_offset;
    uint32_t member_count;
    const struct cabi_member *members;    /* record, tuple, variant, enum, flags, option (none, some), result (ok, err) */
    const struct cabi_type *element;      /* list */
    const struct cabi_resource *resource; /* own, borrow */
    const uint8_t *flat;                  /* flat_count entries of enum cabi_flat, joined; NULL if flat_count is 255 */
};

/* The primitive types, defined by the runtime. */
extern const struct cabi_type cabi_bool, cabi_s8, cabi_u8, cabi_s16, cabi_u16, cabi_s32, cabi_u32, cabi_s64, cabi_u64,
    cabi_f32, cabi_f64, cabi_char, cabi_string;

/* A function type. */
struct cabi_func_type {
    uint32_t param_count;
    const struct cabi_member *params;       /* offset, native_offset: in the tuple of all parameters */
    const struct cabi_type *params_tuple;   /* that tuple; its native shape is what a host function's thunk gets */
    const struct cabi_type *result;         /* NULL if there is none */
    bool params_spilled;                    /* more than 16 flat parameters: one pointer instead */
    bool result_spilled;                    /* more than 1 flat result: through a return area */
};

/*
 * A resource type. Identity is the address. For a type that a component instance defines, `owner` and `dtor`
 * are set by generated code; for a host type, `host` is.
 */
struct cabi_resource {
    const char *name;                       /* "wasi:io/streams.input-stream", for messages */
    const struct host_resource_type *host;  /* NULL for guest resources */
    struct cabi_instance *owner;            /* the instance that defines it; NULL for host resources */
    void (*dtor)(uint32_t rep);             /* runs on the guest stack; NULL if there is none */
};

#endif
