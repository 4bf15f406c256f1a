/* The WAVE reader: a type of the table (first byte), then text. What is read is printed and read again as the same value. As a
 * call's arguments the same text is taken, or refused, without harm. */
#include "cabi.h"
#include "fuzz.h"
#include "fuzz_types.h"

static enum ga_status parse_value(const struct cabi_type *type, const char *text, size_t size, struct ga_arena *arena,
                                  void *native)
{
    struct ga_report report = {0};
    const char *at = text, *end = text + size;
    enum ga_status status = cabi_wave_parse(type, &at, end, NULL, arena, native, &report);
    fuzz_check_report(status, &report);
    GA_ASSERT(at >= text && at <= end);
    GA_ASSERT(status == GA_OK || report.offset <= size);
    return status;
}

static void check_round_trip(const struct cabi_type *type, const void *native, struct ga_arena *arena)
{
    struct ga_buf text = {0}, text_again = {0}, bytes = {0}, bytes_again = {0};
    void *again = ga_arena_alloc(arena, type->native_size);
    cabi_wave_print(type, native, NULL, &text);
    GA_ASSERT(parse_value(type, (const char *)text.data, text.size, arena, again) == GA_OK);
    cabi_wave_print(type, again, NULL, &text_again);
    cabi_encode(type, native, &bytes);
    cabi_encode(type, again, &bytes_again);
    GA_ASSERT(text.size == text_again.size && memcmp(text.data, text_again.data, text.size) == 0);
    GA_ASSERT(bytes.size == bytes_again.size &&
              (bytes.size == 0 || memcmp(bytes.data, bytes_again.data, bytes.size) == 0));
    ga_buf_free(&text);
    ga_buf_free(&text_again);
    ga_buf_free(&bytes);
    ga_buf_free(&bytes_again);
}

static void parse_call(const struct cabi_type *type, const char *text, size_t size, struct ga_arena *arena)
{
    struct ga_report report = {0};
    struct cabi_wave_slice name, args;
    struct cabi_member params[3] = {{.name = "a", .type = type},
                                    {.name = "b", .type = &cabi_string},
                                    {.name = "c", .type = made_option(type)}};
    struct cabi_type *tuple = made_product(CABI_TUPLE, 3, params);
    struct cabi_func_type func = {.param_count = 3, .params = params, .params_tuple = tuple};
    enum ga_status status = cabi_wave_parse_call(text, size, &name, &args, &report);
    if (status == GA_OK) {
        GA_ASSERT(name.text >= text && args.text + args.size <= text + size);
        status = cabi_wave_parse_args(&func, args.text, args.size, NULL, arena,
                                      ga_arena_alloc(arena, tuple->native_size), &report);
    }
    fuzz_check_report(status, &report);
    free((void *)params[2].type->members);
    free((void *)params[2].type);
    free(tuple);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct cabi_type *type = fuzz_type(data[0]);
    struct ga_arena arena = {0};
    char *text = (char *)fuzz_copy(data + 1, size - 1);
    void *native = ga_arena_alloc(&arena, type->native_size);
    if (parse_value(type, text, size - 1, &arena, native) == GA_OK)
        check_round_trip(type, native, &arena);
    parse_call(type, text, size - 1, &arena);
    ga_arena_free(&arena);
    free(text);
    return 0;
}
