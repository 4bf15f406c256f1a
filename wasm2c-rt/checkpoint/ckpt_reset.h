#ifndef CKPT_RESET_H
#define CKPT_RESET_H

#include <stdbool.h>

#include "ga_status.h"

/* Of a region that is mapped from the start image, and that was so at every call in this process: it is as it was mapped. False: it
 * has to be mapped anew. */
bool ckpt_reset(void) GA_MUST_USE;

#endif
