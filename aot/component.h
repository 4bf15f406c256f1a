#ifndef AOT_COMPONENT_H
#define AOT_COMPONENT_H

#include "ga_arena.h"
#include "ga_report.h"

/*
 * A component as it is written: the definitions of its sections in order, with the indexes they use
 * (Binary.md). Nothing is resolved here: val_ and link_ walk this with index spaces of their own. All memory is the
 * arena's; names and module bytes point into the input, which the caller keeps.
 */
struct slice {
    const char *data;
    uint32_t size;
};

enum sort {
    SORT_CORE_FUNC,
    SORT_CORE_TABLE,
    SORT_CORE_MEMORY,
    SORT_CORE_GLOBAL,
    SORT_CORE_TAG,
    SORT_CORE_TYPE,
    SORT_CORE_MODULE,
    SORT_CORE_INSTANCE,
    SORT_FUNC,
    SORT_VALUE,
    SORT_TYPE,
    SORT_COMPONENT,
    SORT_INSTANCE,
    SORT_COUNT
};

struct sort_index {
    enum sort sort;
    uint32_t index;
};

/* --- types as written --- */

enum val_kind {
    VAL_BOOL,
    VAL_S8,
    VAL_U8,
    VAL_S16,
    VAL_U16,
    VAL_S32,
    VAL_U32,
    VAL_S64,
    VAL_U64,
    VAL_F32,
    VAL_F64,
    VAL_CHAR,
    VAL_STRING,
    VAL_LIST,
    VAL_RECORD,
    VAL_TUPLE,
    VAL_VARIANT,
    VAL_ENUM,
    VAL_OPTION,
    VAL_RESULT,
    VAL_FLAGS,
    VAL_OWN,
    VAL_BORROW,
    /* parsed, refused by build */
    VAL_ERROR_CONTEXT,
    VAL_FIXED_LIST,
    VAL_MAP,
    VAL_STREAM,
    VAL_FUTURE
};

/* A value type in place: a primitive, or an index into the type space. */
struct val_ref {
    bool present;
    bool is_index;
    enum val_kind primitive;
    uint32_t index;
};

struct def_member {
    struct slice name;
    struct val_ref type; /* not present: a case without payload, an enum case, a flag */
};

enum def_type_kind { DEF_TYPE_VALUE, DEF_TYPE_FUNC, DEF_TYPE_COMPONENT, DEF_TYPE_INSTANCE, DEF_TYPE_RESOURCE };

struct component;

struct def_type {
    enum def_type_kind kind;
    enum val_kind value;               /* DEF_TYPE_VALUE; a primitive alias has this alone */
    GA_VEC(struct def_member) members; /* record, tuple, variant, enum, flags; func: params */
    struct val_ref element, ok,
        err;                   /* list, option, stream, future: element; result: ok, err; map: ok, err = key, value */
    uint32_t length;           /* fixed list */
    uint32_t resource_index;   /* own, borrow */
    struct val_ref result;     /* func */
    bool async;                /* func */
    bool has_dtor, dtor_async; /* resource */
    uint32_t dtor;             /* core func index */
    uint8_t rep;               /* resource: CORE_I32 or CORE_I64 */
    struct component *decls;   /* component and instance types: their declarators as definitions */
};

enum core_type_kind { CORE_I32, CORE_I64, CORE_F32, CORE_F64, CORE_V128, CORE_FUNCREF, CORE_EXTERNREF, CORE_OTHER };

struct core_func_type {
    uint32_t param_count, result_count;
    const uint8_t *params, *results; /* enum core_type_kind */
};

enum core_extern { CORE_EXTERN_FUNC, CORE_EXTERN_TABLE, CORE_EXTERN_MEMORY, CORE_EXTERN_GLOBAL, CORE_EXTERN_TAG };

/* The type of a core import or export. */
struct core_extern_type {
    enum core_extern kind;
    struct core_func_type func; /* func, tag */
    uint64_t min, max;          /* table, memory */
    bool has_max, shared, is64;
    uint8_t value; /* table: element type, global: content type; enum core_type_kind */
    bool mutable;
    uint32_t page_size_log2;
};

typedef GA_VEC(uint32_t) core_type_refs; /* core type indexes */

struct core_type_def {
    bool is_module;
    bool is_func; /* neither: a GC type, refused by build */
    bool open;    /* others may be subtypes of it */
    struct core_func_type func;
    core_type_refs refs, supertypes; /* the types that it mentions; that it is a subtype of */
    uint32_t group_left;             /* types of its recursion group from this one on: they may be mentioned too */
    struct component *decls; /* module type: DEF_IMPORT (two names), DEF_EXPORT, DEF_CORE_TYPE, DEF_ALIAS */
};

/* externdesc */
struct extern_desc {
    enum sort sort;
    uint32_t type_index;    /* module, func, component, instance; type eq; in module types: of a func or tag */
    bool type_sub_resource; /* (type (sub resource)) */
    struct val_ref value;
    bool value_eq;
    struct core_extern_type core; /* inside module types; func.params are not filled in */
    core_type_refs core_refs;     /* the types that it mentions */
};

/* --- definitions --- */

enum def_kind {
    DEF_CORE_MODULE,
    DEF_CORE_INSTANCE,
    DEF_CORE_TYPE,
    DEF_COMPONENT,
    DEF_INSTANCE,
    DEF_ALIAS,
    DEF_TYPE,
    DEF_CANON,
    DEF_START,
    DEF_IMPORT,
    DEF_EXPORT,
    DEF_VALUE
};

struct named_index {
    struct slice name;
    struct sort_index item;
    uint64_t offset;
    struct slice version_suffix, implements, external_id; /* inline exports only */
};

enum alias_kind { ALIAS_EXPORT, ALIAS_CORE_EXPORT, ALIAS_OUTER };

enum canon_kind {
    CANON_LIFT,
    CANON_LOWER,
    CANON_RESOURCE_NEW,
    CANON_RESOURCE_DROP,
    CANON_RESOURCE_REP,
    CANON_ASYNC /* every other built-in: validated as far as needed, refused by build; `opcode` tells which */
};

enum encoding { ENCODING_UTF8, ENCODING_UTF16, ENCODING_LATIN1_UTF16 };

struct canon {
    enum canon_kind kind;
    uint8_t opcode;
    uint32_t func; /* lift: core func; lower: func */
    uint32_t type; /* lift: func type; resource.*: resource type */
    bool has_encoding, has_memory, has_realloc, has_post_return, has_callback, async;
    enum encoding encoding;
    uint32_t memory, realloc, post_return, callback;
    uint32_t operands[4];  /* immediates of CANON_ASYNC, in order; bin_canon_builtins tells what they are */
    struct val_ref result; /* task.return */
};

struct def {
    enum def_kind kind;
    uint64_t offset; /* in the input */
    uint32_t number; /* of the entry of its section that it is or lies in; for messages */
    union {
        struct slice core_module;
        struct component *component;
        struct def_type type;
        struct core_type_def core_type;
        struct canon canon;
        struct {
            bool inline_exports;
            uint32_t index;                   /* module or component */
            GA_VEC(struct named_index) items; /* arguments, or exports */
        } instance;                           /* DEF_CORE_INSTANCE, DEF_INSTANCE */
        struct {
            enum alias_kind kind;
            enum sort sort;
            uint32_t instance; /* export, core export */
            struct slice name;
            uint32_t outer_count, index;
        } alias;
        struct {
            struct slice module; /* core module types only: the first name */
            struct slice name;
            struct extern_desc desc;
            /* name attributes (leading byte 02) */
            struct slice version_suffix, implements, external_id;
        } import;
        struct {
            struct slice name;
            struct sort_index item; /* not in type declarators */
            bool has_desc;
            struct extern_desc desc;
            struct slice version_suffix, implements, external_id;
        } export;
        struct {
            uint32_t func;
            GA_VEC(uint32_t) args;
            uint32_t result_count;
        } start;
    };
};

struct component {
    uint64_t offset;
    GA_VEC(struct def) defs;
};

/* --- bin_: the reader --- */

/*
 * The canonical built-ins that stand alone (Binary.md, "Canonical Definitions"). Each letter of `operands` is an
 * immediate:
 *   t type index, f core type index, m core memory index, T core table index, u number (in canon.operands, in order),
 *   v core value type (stored there as enum core_type_kind), a async flag (canon.async), c flag (stored as an operand),
 *   r result list (canon.result), o options.
 */
struct bin_canon_builtin {
    uint8_t opcode;
    const char *name, *operands;
    /* Of the core function: i32 as "i", i64 as "I", the value type of operand v as "v"; NULL: computed. */
    const char *params, *results;
};
extern const struct bin_canon_builtin bin_canon_builtins[];
extern const uint32_t bin_canon_builtin_count;
const struct bin_canon_builtin *bin_canon_find(uint8_t opcode); /* NULL: unallocated */

/* Parses a whole component. GA_INVALID with offset and spec section on malformed input, GA_LIMIT on absurd sizes;
 * a core module instead of a component is GA_INVALID with a sentence that says so. */
enum ga_status bin_read(struct ga_arena *arena, const uint8_t *data, size_t size, struct component **component_out,
                        struct ga_report *report) GA_MUST_USE;

#endif
