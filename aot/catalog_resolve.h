#ifndef AOT_CATALOG_RESOLVE_H
#define AOT_CATALOG_RESOLVE_H

#include "host_catalog.h"
#include "link.h"

/*
 * Which host function serves which import. A version serves every import of its track: 0.2.x for 0.2.y, 1.x.y for 1.z.w, in both
 * directions (a newer import is served by an older offer of the same track as long as the function's type is the same);
 * 0.0.x and pre-releases serve only themselves, an import without version only an offer without. Of several offers in a track the
 * newest that has the function with the right type serves it.
 */
struct catalog {
    const struct catalog_interface *interfaces;
    uint32_t count;
};

struct catalog_binding {
    const struct catalog_func *const *imports; /* parallel to plan->imports; NULL: missing, traps on call */
    const char *const *resources; /* parallel to plan->resources: C name of the host's struct cabi_resource; NULL: none */
};

/*
 * GA_UNSUPPORTED, unless allow_missing, if an imported function is not served, or only with another type: the report
 * describes the first and lists the rest. An interface without functions needs nobody to serve it.
 */
enum ga_status catalog_resolve(struct ga_arena *arena, struct catalog catalog, const struct plan *plan,
                               bool allow_missing, struct catalog_binding *out, struct ga_report *report) GA_MUST_USE;

#endif
