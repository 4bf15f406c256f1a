#ifndef AOT_LINK_H
#define AOT_LINK_H

#include "core.h"
#include "types.h"

/*
 * The plan: a component with all its nested components instantiated, as one straight list. Made by link_ by evaluating the
 * definitions with concrete items (a closed world: every module, component and function is known; only the top-level
 * imports are left, and those are the host's). All indexes are into the plan's own arrays.
 */

/* Where a core item (function, memory, table, global, tag) comes from. */
enum core_item_kind {
    CORE_ITEM_EXPORT,       /* `name` of core_instances[instance] */
    CORE_ITEM_LOWER,        /* lowers[index] */
    CORE_ITEM_RESOURCE_NEW, /* resources[index], in component_instances[instance] */
    CORE_ITEM_RESOURCE_REP,
    CORE_ITEM_RESOURCE_DROP
};

struct core_item {
    enum core_item_kind kind;
    enum core_extern sort;
    uint32_t instance, index;
    struct slice name;
};

struct plan_module {
    struct slice bytes; /* distinct by content and variant (link_tags.c) */
    struct core_module *core; /* core_'s reading of it: imports and exports with their types */
    struct ga_map exports;    /* name -> struct core_export * of core */
};

struct plan_core_instance {
    uint32_t module;
    uint32_t component_instance;
    const struct core_item *imports; /* one for each import of the module, in its order */
};

struct plan_component_instance {
    uint32_t parent; /* of the root (0): itself */
    struct slice name; /* for messages and comments */
};

struct plan_options {
    enum encoding encoding;
    uint32_t component_instance;
    bool has_memory, has_realloc, has_post_return;
    struct core_item memory, realloc, post_return;
};

struct plan_lift {
    struct core_item func;
    const struct type_func *type;
    struct plan_options options;
};

enum plan_target { TARGET_HOST /* imports[index] */, TARGET_LIFT /* lifts[index] */ };

struct plan_lower {
    enum plan_target target;
    uint32_t index;
    const struct type_func *type; /* as the lowering component sees it */
    struct plan_options options;
};

struct plan_resource {
    const struct type_resource *type; /* whose plan_index is this one's */
    struct slice name;        /* the first name it was exported under; "" if there is none */
    bool imported;            /* the host's: imports_interface.name */
    bool exported;            /* by the root */
    struct slice interface;   /* imported or exported: "wasi:io/streams@0.2.3"; "" for one without interface */
    uint32_t component_instance;
    bool has_dtor;
    struct core_item dtor;
};

/* A function of the host that the component imports (whether or not it is used). */
struct plan_import {
    struct slice interface; /* "" for a bare function import */
    struct slice name;      /* "[method]input-stream.read" */
    const struct type_func *type;
    bool used;              /* lowered or re-exported somewhere */
};

struct plan_export {
    struct slice interface; /* "" for a function exported by the component itself; nested instances joined with "/" */
    struct slice name;
    enum plan_target target;
    uint32_t index;
    const struct type_func *type;
};

struct plan {
    GA_VEC(struct plan_module) modules;
    GA_VEC(struct plan_core_instance) core_instances; /* in order of instantiation: the only steps with effects */
    GA_VEC(struct plan_component_instance) component_instances;
    GA_VEC(struct plan_lift) lifts;
    GA_VEC(struct plan_lower) lowers;
    GA_VEC(struct plan_resource) resources;
    GA_VEC(struct plan_import) imports;
    GA_VEC(struct plan_export) exports;
};

/* component has been validated. GA_UNSUPPORTED with one clear sentence for async constructs, imported modules or components. */
enum ga_status link_component(struct ga_arena *arena, const struct component *component, struct plan **plan_out,
                              struct ga_report *report) GA_MUST_USE;

#endif
