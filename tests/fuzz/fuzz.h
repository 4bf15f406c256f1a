#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ga_assert.h"
#include "ga_report.h"

/* What the targets of libFuzzer share. A target is one file: fuzz_<name>.c, its stored inputs lie in corpus/<name>/. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where the input ends, so that a sanitizer sees a read beyond it. The caller frees it. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    GA_ASSERT(size == 0 || copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* Status and report go together: a failure has a text, a success has none. */
static inline void fuzz_check_report(enum ga_status status, const struct ga_report *report)
{
    GA_ASSERT(status == report->status && (status == GA_OK || report->text[0] != 0));
}

#endif
