/* The WIT reader of witgen: parsed, resolved, or refused with a place. */
#include "fuzz.h"
#include "wit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ga_arena arena = {0};
    struct ga_report report = {0};
    struct wit_document document = {.arena = &arena, .report = &report};
    char *text = (char *)fuzz_copy(data, size);
    enum ga_status status = wit_parse(&document, "a.wit", text, size);
    if (status == GA_OK)
        status = wit_resolve(&document);
    fuzz_check_report(status, &report);
    ga_arena_free(&arena);
    free(text);
    return 0;
}
