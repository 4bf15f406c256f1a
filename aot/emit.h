#ifndef AOT_EMIT_H
#define AOT_EMIT_H

#include "core.h"
#include "host_catalog.h"
#include "link.h"

/*
 * The glue: one C file for a component. Includes the modules' headers ("<prefix>.h") and golem_rt.h; defines
 * golem_component, the root struct, bindings of imports, type tables, export tables, adapters. Symbols that are direct
 * core-to-core calls are not functions but link-time equations (`--defsym A=B`), listed in defsyms as "A=B", one a line.
 */
struct emit_input {
    const struct plan *plan;
    const struct core_prepared *modules; /* parallel to plan->modules */
    /* From catalog_resolve. Parallel to plan->imports; NULL: missing, traps on call. */
    const struct catalog_func *const *imports;
    /* Parallel to plan->resources: C name of the host's struct cabi_resource; NULL: none. The array may be NULL: no host. */
    const char *const *resources;
    const char *component_name, *component_hash, *wit;
};

enum ga_status emit_glue(struct ga_arena *arena, const struct emit_input *input, struct ga_buf *c_out,
                         struct ga_buf *defsyms_out, struct ga_report *report) GA_MUST_USE;

#endif
