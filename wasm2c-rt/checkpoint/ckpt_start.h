#ifndef CKPT_START_H
#define CKPT_START_H

#include "ckpt_pages.h"

/* The start image at the end of the running executable. See ckpt_start.c. */

/* Maps it into the region. GA_NOT_FOUND if there is none of this build. sums_out: CKPT_SUM_UNKNOWN for the pages it
 * has. */
enum ga_status ckpt_start_map(uint64_t build_id, struct ckpt_sums *sums_out, struct ga_report *report) GA_MUST_USE;

#endif
