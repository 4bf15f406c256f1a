/* libFuzzer entry: whatever the bytes are, reading and validating end soon, with success or an error that has a
 * text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "component.h"
#include "ga_assert.h"
#include "val.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ga_arena arena = {0};
    struct ga_report report = {0};
    struct component *component;
    uint8_t *exact = malloc(size); /* so that a sanitizer sees a read beyond the end */
    GA_ASSERT(size == 0 || exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    enum ga_status status = bin_read(&arena, exact, size, &component, &report);
    if (status == GA_OK)
        status = val_component(&arena, component, &report);
    GA_ASSERT(status == report.status && (status == GA_OK || report.text[0] != 0));
    ga_arena_free(&arena);
    free(exact);
    return 0;
}
