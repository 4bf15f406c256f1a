#ifndef AOT_LINK_SCOPE_H
#define AOT_LINK_SCOPE_H

#include "core.h"
#include "link.h"

/*
 * Inside link_: a component under evaluation. Every index space holds concrete items, so that a definition is evaluated by
 * looking its operands up. Types live in a type_scope (types.h), all else here.
 */
struct link_scope;

/* A function: the host's or a lifted one. */
struct link_func {
    enum plan_target target;
    uint32_t index;
    const struct type_func *type;
};

/* A component and the scope its outer aliases look into. */
struct link_closure {
    const struct component *component;
    const struct link_scope *env;
};

struct link_instance;

struct link_item {
    enum sort sort;
    union {
        struct link_func func;
        struct type_extern type;
        struct link_instance *instance;
        struct link_closure closure;
        struct slice module;
    };
};

struct link_instance {
    struct ga_map exports; /* name -> struct link_item * */
};

/* A core instance: of the plan, or a bag of items under names. */
struct link_core_instance {
    bool is_real;
    uint32_t index;        /* real: in the plan */
    struct ga_map exports; /* else: name -> struct core_item * */
};

struct link_scope {
    const struct link_scope *parent;
    uint32_t instance;     /* the component instance that is being made */
    struct type_scope *types;
    const struct ga_map *args; /* name -> struct link_item *; NULL: the root, whose imports are the host's */
    struct ga_map exports; /* name -> struct link_item * */
    GA_VEC(struct core_item) core_items[SORT_CORE_TAG + 1]; /* by sort: function, table, memory, global, tag */
    GA_VEC(struct slice) modules;
    GA_VEC(struct link_core_instance) core_instances;
    GA_VEC(struct link_func) funcs;
    GA_VEC(struct link_closure) components;
    GA_VEC(struct link_instance *) instances;
};

struct linker {
    struct ga_arena *arena;
    struct ga_report *report;
    struct type_context types;
    struct plan *plan;
    struct ga_map modules; /* hash of the bytes -> list of plan modules with that hash */
    uint64_t steps;        /* checked against GA_MAX_LINK_STEPS */
    uint32_t depth;
};

/* Counts work; GA_LIMIT when there is too much of it (components that instantiate each other exponentially often). */
enum ga_status link_step(struct linker *linker, uint64_t offset) GA_MUST_USE;

/* --- link_refuse.c: what is valid, but not offered --- */
enum ga_status link_refuse_canon(struct linker *linker, const struct def *def) GA_MUST_USE;
/* name: of the imported function, interface: where it is from; both "" if the function is lifted or lowered. */
enum ga_status link_refuse_func(struct linker *linker, const struct type_func *type, struct slice interface,
                                struct slice name, uint64_t offset) GA_MUST_USE;

/* --- link_core.c: modules and core instances --- */
enum ga_status link_core_instance(struct linker *linker, struct link_scope *scope, const struct def *def) GA_MUST_USE;
enum ga_status link_core_alias(struct linker *linker, struct link_scope *scope, const struct def *def) GA_MUST_USE;
enum ga_status link_core_item(struct linker *linker, const struct link_scope *scope, enum sort sort, uint32_t index,
                              uint64_t offset, struct core_item *out) GA_MUST_USE;

/* The plan's module of these bytes; made if it is new. */
enum ga_status link_module(struct linker *linker, struct slice bytes, uint32_t *index_out) GA_MUST_USE;

/* --- once all core instances are there --- */
enum ga_status link_forwards(struct linker *linker) GA_MUST_USE; /* link_forward.c */
void link_shims(struct ga_arena *arena, struct plan *plan); /* link_shim.c; before the tags */
void link_tags(struct ga_arena *arena, struct plan *plan);

/* --- link_canon.c: lifts, lowers, resource built-ins --- */
enum ga_status link_canon(struct linker *linker, struct link_scope *scope, const struct def *def) GA_MUST_USE;

/* --- link_world.c: the root's imports and exports --- */
enum ga_status link_root_import(struct linker *linker, struct link_scope *scope, const struct def *def,
                                struct link_item *out) GA_MUST_USE;
enum ga_status link_root_export(struct linker *linker, struct link_scope *scope, const struct def *def,
                                const struct link_item *item) GA_MUST_USE;

/* A resource of the plan for `resource`, which is new. */
struct plan_resource *link_resource_new(struct linker *linker, struct type_resource *resource, uint32_t instance);


/* The resource of the plan that the type is; NULL if it is no resource. */
struct plan_resource *link_resource_find(struct linker *linker, struct type_extern type);

#endif
