#ifndef AOT_VAL_H
#define AOT_VAL_H

#include "types.h"

/*
 * Validates a component that bin_read has read: index spaces and sorts, the types of everything that is connected,
 * canonical options, resources, names (the notes in Binary.md, Explainer.md and CanonicalABI.md). GA_INVALID with
 * offset and section; GA_LIMIT beyond a limit. A component that keeps the rules but uses what cannot be built
 * (async, imported modules) is valid.
 */
enum ga_status val_component(struct ga_arena *arena, const struct component *component,
                             struct ga_report *report) GA_MUST_USE;

/* The same, with the component's type and its scope, for wit_: the context must have arena and report set. */
enum ga_status val_component_scope(struct type_context *context, const struct component *component,
                                   struct type_scope **scope_out) GA_MUST_USE;

#endif
