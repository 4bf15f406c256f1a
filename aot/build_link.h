#ifndef AOT_BUILD_LINK_H
#define AOT_BUILD_LINK_H

#include "build_compile.h"

/* Links the objects with the runtime library into an executable at path. defsyms: equations, "A=B", one a line. */
enum ga_status build_link(const struct build_source *source, const struct build_objects *objects,
                          const struct ga_buf *defsyms, const char *path, struct ga_report *report) GA_MUST_USE;

/*
 * Has the executable instantiate itself and append its start image, at a multiple of 4096: `EXE --make-start-image 3` writes
 * it to descriptor 3, an empty file, and ends with 0. Any other end (the guest calls the host while it starts, traps, takes
 * longer than 10 s or more than 1 GiB) is no error: there is none then.
 */
enum ga_status build_start_image(const struct build_source *source, const char *path,
                                 struct ga_report *report) GA_MUST_USE;

#endif
