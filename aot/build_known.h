#ifndef AOT_BUILD_KNOWN_H
#define AOT_BUILD_KNOWN_H

#include <time.h>

#include "build.h"
#include "build_cache.h"
#include "build_tools.h"

/*
 * Which executable a component was compiled to the last time, found without reading the component or anything else that decides it:
 * all these files are the same by device, inode, size and times of change, as make would have it. The cache's folder "known" has a
 * file for each component and environment, with a line for each file that was looked at,
 *
 *   <device> <inode> <size> <time of change of the contents> <of the inode> <path>
 *
 * the last of which is the executable. Noted is only what had not changed for a while when the build began: a file that is
 * written while it is read would keep its times within a tick of the file system's clock.
 */

/* The executable's path, or NULL: then it is to be found the long way. So it is once a day even if nothing changed, which reads the
 * executable's sum, and marks it as used (build_cache_get). */
const char *build_known_find(struct ga_arena *arena, const struct build_options *options);

/* began: CLOCK_REALTIME before any of the files was read. */
void build_known_note(struct ga_arena *arena, struct build_cache *cache, const struct build_tools *tools,
                      const struct build_options *options, const char *executable, struct timespec began);

#endif
