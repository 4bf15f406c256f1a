#ifndef AOT_TYPES_H
#define AOT_TYPES_H

#include "component.h"
#include "core.h"
#include "ga_buf.h"
#include "ga_map.h"

/*
 * Types, resolved: made by type_ functions from definitions as written and a scope (the index spaces they refer
 * to). Used by val_ (with abstract resources), by link_ (with one concrete resource for each instantiation), by
 * abi_, by wit_ and by tools/witgen (from WIT text).
 *
 * Two identities matter, and they are not the same:
 *   - A resource *is* its `id`. Two handle types are equal if and only if the ids are.
 *   - A type is *named* by an import or an export: each makes a new `alias` (a number) of an equal type. Only the
 *     rule that everything an import or export mentions must itself be imported or exported looks at aliases
 *     (Explainer.md, "External Visibility"), and wit_, to find the names again.
 * Types are immutable once made and shared freely: a type is a graph without cycles, whose unfolded size is limited.
 */

/* One for a compile (or for a run of witgen). Zero-initialise, set `arena`, and `report` if there may be errors. */
struct type_context {
    struct ga_arena *arena;
    struct ga_report *report;
    uint32_t last_resource, last_alias;
    uint64_t work; /* steps done so far; checked against GA_MAX_TYPE_WORK, so that no input takes forever */
    const struct type_val *primitives[VAL_STRING + 1], *error_context;
};

struct type_scope;

struct type_resource {
    uint32_t id;       /* unique in the context */
    struct slice name; /* for messages and signatures: "wasi:io/streams@0.2.0.input-stream", or "input-stream" */
    bool imported;     /* it came with an import; otherwise it was defined by a component */
    const struct type_scope *definer; /* the component that defines it ((type (resource ...))); NULL: abstract */
    const struct def *def;            /* its definition, if it has a definer */
    uint32_t plan_index;              /* link_'s */
};

struct type_member {
    struct slice name;
    const struct type_val *type; /* NULL: no payload */
};

struct type_val {
    enum val_kind kind;
    uint32_t alias;    /* of the type; own, borrow: of the resource. 0: an anonymous type that needs no name */
    uint32_t origin;   /* the alias that `alias` is another name of; 0: none */
    struct slice name; /* if it was exported or imported under one: for WIT text; may be empty */
    uint32_t member_count;
    const struct type_member *members;    /* record, tuple, variant, enum, flags */
    const struct type_val *element;       /* list, option, stream, future; result: ok; map: value; NULL: none */
    const struct type_val *err;           /* result: error; map: key */
    uint32_t length;                      /* fixed list */
    const struct type_resource *resource; /* own, borrow */
    uint32_t size, depth;                 /* all parts counted; checked against GA_MAX_TYPE_* */
    uint64_t bound_size;                  /* elem_size with 64-bit addresses, which is limited (GA_MAX_VALUE_BYTES); */
    uint32_t bound_align;                 /* the real sizes are abi_'s */
    bool has_borrow, has_resource;        /* somewhere inside */
    bool has_pointer;                     /* a string, list or map somewhere inside, not behind a stream or future */
    void *abi;                            /* abi_'s layout, made once */
};

struct type_func {
    uint32_t param_count;
    const struct type_member *params;
    const struct type_val *result; /* NULL: none */
    bool async;
};

enum type_extern_kind {
    /* what instances export and components import */
    EXTERN_FUNC,
    EXTERN_TYPE /* value type */,
    EXTERN_RESOURCE,
    EXTERN_INSTANCE,
    EXTERN_COMPONENT,
    EXTERN_MODULE,
    EXTERN_VALUE,
    EXTERN_FUNC_TYPE,
    EXTERN_INSTANCE_TYPE,
    EXTERN_COMPONENT_TYPE,
    /* only in index spaces */
    EXTERN_CORE_ITEM,
    EXTERN_CORE_INSTANCE,
    EXTERN_CORE_TYPE
};

struct type_extern {
    enum type_extern_kind kind;
    uint32_t alias; /* EXTERN_RESOURCE: under which name it is known here */
    union {
        const struct type_func *func; /* FUNC, FUNC_TYPE */
        const struct type_val *value; /* TYPE, VALUE */
        struct type_resource *resource;
        const struct type_instance *instance;   /* INSTANCE, INSTANCE_TYPE */
        const struct type_component *component; /* COMPONENT, COMPONENT_TYPE */
        const struct core_module *module;       /* imports and exports alone */
        const struct core_extern_type *core;    /* CORE_ITEM */
        const struct ga_map *core_exports;      /* CORE_INSTANCE: name -> const struct core_extern_type * */
        const struct type_core *core_type;      /* CORE_TYPE */
    };
};

typedef GA_VEC(struct type_resource *) type_resources;

struct type_instance {
    struct ga_map exports; /* name -> struct type_extern *, in order */
    /* Of an instance *type*: the resources it leaves open, fresh for each use. Of an instance: none. */
    type_resources resources;
    uint32_t size, depth; /* exports, nested ones counted; checked against GA_MAX_TYPE_* */
};

struct type_component {
    struct ga_map imports, exports;  /* name -> struct type_extern *, in order */
    type_resources import_resources; /* given by the one who instantiates */
    type_resources resources;        /* fresh for each instantiation */
    uint32_t size, depth;
};

/* A core type definition, evaluated. */
struct type_core {
    const struct core_module *module;  /* module type, or NULL */
    const struct core_func_type *func; /* function type, or NULL; neither: a GC type */
    bool open;                         /* it may have subtypes */
};

/* --- scopes --- */

enum type_scope_kind { SCOPE_COMPONENT, SCOPE_COMPONENT_TYPE, SCOPE_INSTANCE_TYPE, SCOPE_MODULE_TYPE };

struct type_surface;

/*
 * The index spaces of a component (or of a component or instance type) while its definitions are evaluated in
 * order. The one who walks the definitions pushes to `spaces` (type_push); type_ reads SORT_TYPE and
 * SORT_CORE_TYPE, here and, for outer aliases, in the parents. link_ needs no other space and keeps its own for
 * the rest; val_ uses them all. A component evaluated twice has two scopes, and therefore distinct resources.
 */
struct type_scope {
    struct type_context *context;
    const struct type_scope *parent; /* NULL: root */
    enum type_scope_kind kind;
    GA_VEC(struct type_extern) spaces[SORT_COUNT];
    type_resources import_resources, resources; /* all that came into being in this scope */
    struct type_surface *imports, *exports;     /* type_surface.h; link_ leaves them empty */
};

/* The scope lives in the context's arena. */
struct type_scope *type_scope_new(struct type_context *context, const struct type_scope *parent,
                                  enum type_scope_kind kind);

/* Appends to an index space; GA_LIMIT beyond GA_MAX_COMPONENT_TYPES entries. */
enum ga_status type_push(struct type_scope *scope, enum sort sort, struct type_extern item) GA_MUST_USE;

/* Looks up; GA_INVALID ("type index 7 is out of bounds ...") if it does not exist. */
enum ga_status type_lookup(const struct type_scope *scope, enum sort sort, uint32_t index, uint64_t offset,
                           struct type_extern *out) GA_MUST_USE;

/* --- from definitions to types --- */

/* What a DEF_TYPE or DEF_CORE_TYPE defines (does not push it). A resource definition makes a resource that did not
 * exist before. All rules of Binary.md, "Type Definitions", are checked: the first that is broken is reported with
 * the offset of the definition. */
enum ga_status type_define(struct type_scope *scope, const struct def *def, struct type_extern *out) GA_MUST_USE;

/*
 * What an import (or an export's ascription) of this description denotes. An instance type's open resources and
 * (sub resource) become fresh ones, owned by `scope` and named "<name>.<label>"; (type (eq i)) becomes a new alias
 * of type i with this name. `imported`: they count as given from outside.
 */
enum ga_status type_resolve(struct type_scope *scope, const struct extern_desc *desc, struct slice name, bool imported,
                            uint64_t offset, struct type_extern *out) GA_MUST_USE;

/* DEF_ALIAS of kind ALIAS_OUTER, of sort SORT_TYPE or SORT_CORE_TYPE (does not push). */
enum ga_status type_outer(const struct type_scope *scope, enum sort sort, uint32_t outer_count, uint32_t index,
                          uint64_t offset, struct type_extern *out) GA_MUST_USE;

/* The function type at a type index (canon lift); the value type of a val_ref (NULL out if it is not present). */
enum ga_status type_func_at(const struct type_scope *scope, uint32_t index, uint64_t offset,
                            const struct type_func **out) GA_MUST_USE;
enum ga_status type_val_at(const struct type_scope *scope, struct val_ref ref, uint64_t offset,
                           const struct type_val **out) GA_MUST_USE;

/* --- making types without definitions (tools/witgen, tests) --- */

const struct type_val *type_primitive(struct type_context *context, enum val_kind kind);

/* A copy of a filled-in type with size, depth and flags computed, and an alias if it has none. NULL if it is beyond
 * GA_MAX_TYPE_SIZE or GA_MAX_TYPE_DEPTH. */
const struct type_val *type_val_new(struct type_context *context, const struct type_val *contents);
/* The same with the limit that was exceeded as text. */
const struct type_val *type_val_make(struct type_context *context, const struct type_val *contents,
                                     const char **fault_out);
struct type_resource *type_resource_new(struct type_context *context, struct slice name);

/* --- relations --- */

/* Structural equality; resources equal by identity unless `resources_by_name`, then by the last part of the name
 * (how an import is compared with what the host offers). */
bool type_val_equal(const struct type_val *a, const struct type_val *b, bool resources_by_name);
bool type_func_equal(const struct type_func *a, const struct type_func *b, bool resources_by_name);

/*
 * What an instance of `component` exports when it is given `args` (name -> struct type_extern *; more than needed
 * is fine). Checks that every import is given and that its type matches (Explainer.md, "Type Checking"); resources
 * that the component defines are fresh and become owned by `scope`. For val_: link_ evaluates the component itself
 * instead.
 */
enum ga_status type_instantiate(struct type_scope *scope, const struct type_component *component,
                                const struct ga_map *args, uint64_t offset, struct type_instance **out) GA_MUST_USE;

/* The type of an export that is given a type of its own: GA_INVALID unless `actual` may stand for it. Resources
 * that `desc` leaves open become fresh ones, which hide what `actual` has there. */
enum ga_status type_ascribe(struct type_scope *scope, struct type_extern actual, const struct extern_desc *desc,
                            struct slice name, uint64_t offset, struct type_extern *out) GA_MUST_USE;

/* Core subtyping, of imports at instantiation and of module types. */
bool type_core_matches(const struct core_extern_type *actual, const struct core_extern_type *expected);

/* --- text --- */

/* The last part of a resource's name: "input-stream". */
struct slice type_resource_label(const struct type_resource *resource);

/*
 * The canonical structural text of a function type: all names of fields, cases and parameters, type names
 * resolved, resources by the last part of their name. Two functions are compatible if and only if their signatures
 * are equal text.
 *   func(self: borrow<input-stream>, len: u64) -> result<list<u8>, variant{last-operation-failed(own<error>), closed}>
 */
void type_func_signature(const struct type_func *type, struct ga_buf *out);
void type_val_signature(const struct type_val *type, struct ga_buf *out);

/* WIT text of a type where it is used: by its name where it has one, otherwise as type_val_signature. */
void type_val_print(const struct type_val *type, struct ga_buf *out);
void type_func_print(const struct type_func *type, struct ga_buf *out);

/* "func", "instance", "component type", and with the article, "an instance": for messages. */
const char *type_extern_name(enum type_extern_kind kind);
const char *type_extern_a(enum type_extern_kind kind);
const char *type_sort_name(enum sort sort);
const char *type_sort_a(enum sort sort);

#endif
