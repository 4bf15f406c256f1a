#ifndef AOT_TYPE_SUBST_H
#define AOT_TYPE_SUBST_H

#include "type_surface.h"

/*
 * A substitution: what the resources and the named types that a component (or instance) type leaves open stand
 * for, in one use of it. A resource that is *bound* may be without a value yet: it gets one from the first type
 * that is matched with it, or a fresh one.
 */
struct type_subst {
    struct type_scope *scope; /* where fresh resources come into being */
    bool keep_unbound;        /* a resource without a value stays itself */
    bool imported;            /* fresh resources count as imported */
    struct slice prefix;      /* of the names of fresh resources */
    uint64_t offset;
    enum ga_status status;   /* sticky */
    struct ga_map resources; /* id -> struct type_binding * */
    struct ga_map aliases;   /* alias -> struct type_extern *: what was given for an imported type */
    struct ga_map done;      /* node -> its image */
};

struct type_binding {
    uint32_t id;
    struct type_resource *resource; /* NULL: none yet */
};

struct type_subst *type_subst_new(struct type_scope *scope, uint64_t offset);
void type_subst_bind(struct type_subst *subst, const type_resources *resources);
struct type_binding *type_subst_binding(const struct type_subst *subst, const struct type_resource *resource);
void type_subst_alias(struct type_subst *subst, uint32_t alias, struct type_extern item);

/* The images of types; unchanged ones are shared. After an error (subst->status) the result is of no use. */
const struct type_val *type_subst_val(struct type_subst *subst, const struct type_val *type);
const struct type_func *type_subst_func(struct type_subst *subst, const struct type_func *type);
const struct type_instance *type_subst_instance(struct type_subst *subst, const struct type_instance *type);
const struct type_component *type_subst_component(struct type_subst *subst, const struct type_component *type);
struct type_extern type_subst_extern(struct type_subst *subst, struct type_extern item);

/*
 * Matching (type_match.c): whether `actual` may stand where `expected`, seen through the substitution, is asked
 * for; resources without a value get one. The path says where in the message.
 */
struct type_path {
    const struct type_path *outer;
    const char *what;
    struct slice name;
};
enum ga_status type_match(struct type_subst *subst, struct type_extern actual, struct type_extern expected,
                          const struct type_path *path) GA_MUST_USE;

#endif
