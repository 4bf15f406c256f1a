#ifndef DURABLE_FUNCTION_NAME_H
#define DURABLE_FUNCTION_NAME_H

#include "worker.h"

/*
 * Names of functions as callers write them (reference: Golem, worker lifecycle):
 *
 *   fn                               exported by the component itself
 *   ns:pkg/iface@1.0.0.{fn}          exported by an interface
 *   {[constructor]r}, {r.new}        makes a resource; the result is its handle
 *   {[method]r.m}, {r.m}             the handle is the first argument
 *   {[static]r.m}, {r.m}
 *   {[drop]r}, {r.drop}              the handle is the only argument
 *   {r("x").m}, {r("x").drop}        an indexed resource: made by its constructor with these arguments when first used
 */
struct function_name {
    const struct rt_export *export;      /* what is called; NULL: drop */
    const struct rt_export *constructor; /* of an indexed resource */
    const char *key;                     /* its arguments as they are written; not NUL-terminated */
    size_t key_size;
    const struct cabi_resource *resource; /* of a method, drop, or indexed resource; NULL otherwise */
};

/* Finds the function in golem_component. GA_NOT_FOUND or GA_INVALID with the name. Pieces point into name. */
enum ga_status function_name_resolve(const char *name, size_t size, struct function_name *out,
                                     struct ga_report *report) GA_MUST_USE;

/* What the arguments are: all parameters, without the resource itself for an indexed one; for drop, one handle. The result
 * lives in the arena. */
const struct cabi_func_type *function_name_params(const struct function_name *name, struct ga_arena *arena);

#endif
