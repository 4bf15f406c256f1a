#ifndef AOT_WIT_PRINT_H
#define AOT_WIT_PRINT_H

#include "component.h"
#include "ga_buf.h"

/*
 * Validates a component and prints what it imports and exports as WIT text: a package with its world, and each
 * package that an interface it names belongs to. A WIT parser reads it again. What WIT cannot say (core modules,
 * components, nested instances) becomes a comment. On failure nothing useful is in `out`.
 */
enum ga_status wit_print_world(struct ga_arena *arena, const struct component *component, struct ga_buf *out,
                               struct ga_report *report) GA_MUST_USE;

#endif
