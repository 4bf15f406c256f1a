/* The front end: whatever the bytes are, reading and validating end soon, with success or an error that has a text. What is
 * valid can be printed as WIT. */
#include "component.h"
#include "fuzz.h"
#include "val.h"
#include "wit_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ga_arena arena = {0};
    struct ga_report report = {0};
    struct ga_buf wit = {0};
    struct component *component;
    uint8_t *copy = fuzz_copy(data, size);
    enum ga_status status = bin_read(&arena, copy, size, &component, &report);
    if (status == GA_OK)
        status = val_component(&arena, component, &report);
    fuzz_check_report(status, &report);
    if (status == GA_OK)
        fuzz_check_report(wit_print_world(&arena, component, &wit, &report), &report);
    ga_buf_free(&wit);
    ga_arena_free(&arena);
    free(copy);
    return 0;
}
