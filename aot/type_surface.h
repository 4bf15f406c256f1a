#ifndef AOT_TYPE_SURFACE_H
#define AOT_TYPE_SURFACE_H

#include "types.h"

/*
 * What a scope imports, or what it exports: the names, and what they make visible (Explainer.md, "Name Uniqueness"
 * and "External Visibility of Types"; Binary.md, "Import and Export Definitions"). Used for declarators by type_
 * and for definitions by val_.
 */
struct type_surface {
    struct ga_map items;     /* name -> struct type_extern *, in order */
    struct ga_map names;     /* canonical name -> the first name that has it (struct slice *) */
    struct ga_map labels;    /* lower-case labels of resources */
    struct ga_map resources; /* (resource, alias) -> the label (struct slice *) it is known by in annotated names */
    struct ga_map visible;   /* (resource, alias), or (0, alias) of a value type */
    uint32_t size, depth;    /* of all items */
};

struct type_surface *type_surface_new(struct ga_arena *arena);

struct type_surface_name {
    struct slice name, version_suffix, implements;
    uint64_t offset;
};

/* Checks the name, its uniqueness and the rules that annotations add, and remembers it. */
enum ga_status type_surface_name(struct type_context *context, struct type_surface *surface, bool import,
                                 const struct type_surface_name *name, struct type_extern item) GA_MUST_USE;

/* An import or export of the scope, complete: name, visibility; afterwards it is in the index space of its sort. */
enum ga_status type_surface_add(struct type_scope *scope, bool import, const struct type_surface_name *name,
                                struct type_extern item) GA_MUST_USE;

/* Appends an export to an instance under construction; its size and depth are limited. */
enum ga_status type_instance_add(struct type_context *context, struct type_instance *instance, struct slice name,
                                 struct type_extern item, uint64_t offset) GA_MUST_USE;

/* The sort of the index space where an item belongs. */
enum sort type_extern_sort(enum type_extern_kind kind);

/* Making a node counts as so many steps, so that the limit on work also limits memory. */
#define TYPE_NODE_WORK 32
#define TYPE_SCOPE_WORK 256 /* the same for a scope */

/* Bookkeeping of work; GA_LIMIT when there was too much. */
enum ga_status type_work(struct type_context *context, uint64_t steps, uint64_t offset) GA_MUST_USE;

/* The same type under a new alias, and under this name if it is a value type. */
struct type_extern type_rename(struct type_context *context, struct type_extern item, struct slice name);

/* An instance type's resources, opened for a use of it: type_subst.c. */
enum ga_status type_instance_open(struct type_scope *scope, const struct type_instance *type, struct slice name,
                                  bool imported, uint64_t offset, const struct type_instance **out) GA_MUST_USE;

/* Whether a type mentions resources that neither it nor a part of it leaves open. */
enum ga_status type_is_closed(struct type_context *context, struct type_extern item, uint64_t offset,
                              bool *out) GA_MUST_USE;

/* How much of a name is shown in a message. */
int type_shown(struct slice name);

/* Registers a resource as having come into being in the scope. */
void type_scope_own(struct type_scope *scope, struct type_resource *resource, bool imported);

/* DEF_ALIAS of kind ALIAS_EXPORT (does not push). */
enum ga_status type_alias_export(const struct type_scope *scope, const struct def *def,
                                 struct type_extern *out) GA_MUST_USE;

/* DEF_CORE_TYPE: type_core.c. */
enum ga_status type_define_core(struct type_scope *scope, const struct def *def, struct type_extern *out) GA_MUST_USE;

/* The type of the component whose definitions have all been evaluated in this scope. */
const struct type_component *type_of_component(const struct type_scope *scope);

bool type_core_func_equal(const struct core_func_type *a, const struct core_func_type *b);

/* *fault_out: the name of an import or export that does not match; NULL data if all do. */
enum ga_status type_core_module_matches(struct type_context *context, const struct core_module *actual,
                                        const struct core_module *expected, uint64_t offset,
                                        struct slice *fault_out) GA_MUST_USE;

#endif
