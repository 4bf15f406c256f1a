#include <criterion/criterion.h>

#include "cabi_types_made.h"
#include "ga_limits.h"

/* The binary form of native values. */

static struct ga_arena arena;
static struct ga_buf out;

static bool decoded(const struct cabi_type *type, const void *bytes, size_t size, void *native)
{
    /* A copy of exactly this size: whoever reads on is seen by the sanitizers. */
    uint8_t *copy = memcpy(made_zeroed(size), bytes, size);
    struct ga_reader in = {copy, copy, copy + size, false};
    bool good = cabi_decode(type, &in, &arena, native);
    cr_assert_eq(good, !in.failed);
    good = good && in.at == in.end;
    free(copy);
    return good;
}

Test(cabi_encode, form_of_each_kind)
{
    uint16_t numbers[] = {1, 0x1234};
    uint32_t chars[] = {'a', 0x2603};
    struct cabi_list number_list = {numbers, 2}, char_list = {chars, 2};
    struct cabi_string text = {"h\xc3\xb6", 3};
    int64_t minus = -2;
    uint64_t big = 300;
    bool yes = true;
    double half = 0.5;
    uint32_t some[2] = {1, 7};
    const struct {
        const struct cabi_type *type;
        const void *native;
        const char *bytes;
        size_t size;
    } cases[] = {
        {&cabi_bool, &yes, "\x01", 1},
        {&cabi_s8, &minus, "\xfe", 1},
        {&cabi_s16, &minus, "\x7e", 1},
        {&cabi_s64, &minus, "\x7e", 1},
        {&cabi_u16, &big, "\xac\x02", 2},
        {&cabi_u64, &big, "\xac\x02", 2},
        {&cabi_f64, &half, "\0\0\0\0\0\0\xe0\x3f", 8},
        {&cabi_string, &text, "\x03h\xc3\xb6", 4},
        {made_list(&cabi_u16), &number_list, "\x02\x01\x00\x34\x12", 5},
        {made_list(&cabi_char), &char_list,
         "\x02"
         "a\x83\x4c",
         4},
        {made_option(&cabi_u32), some, "\x01\x07", 2},
        {made_flags(9), &big, "\xac\x02", 2},
        {made_type(CABI_TUPLE, 2, NO_NAME, &cabi_u64, NO_NAME, &cabi_u8), (uint64_t[]){5, 6}, "\x05\x06", 2},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        out.size = 0;
        cabi_encode(cases[i].type, cases[i].native, &out);
        cr_assert(out.size == cases[i].size && !memcmp(out.data, cases[i].bytes, out.size), "case %u", i);
    }
}

Test(cabi_encode, malformed_bytes_are_refused)
{
    uint64_t native[8];
    const struct {
        const struct cabi_type *type;
        const char *bytes;
        size_t size;
    } cases[] = {
        {&cabi_bool, "\x02", 1},
        {&cabi_bool, "", 0},
        {&cabi_u8, "", 0},
        {&cabi_u16, "\x80\x80\x04", 3},         /* 65536 */
        {&cabi_s16, "\x80\x80\x02", 3},         /* 32768 */
        {&cabi_u32, "\x80\x80\x80\x80\x10", 5}, /* 2^32 */
        {&cabi_u32, "\x80\x80\x80\x80\x80\x01", 6},
        {&cabi_u32, "\x80", 1},
        {&cabi_f32, "\0\0\0", 3},
        {&cabi_char, "\x80\xb0\x03", 3},     /* U+D800 */
        {&cabi_char, "\xff\xbf\x03", 3},     /* U+DFFF */
        {&cabi_char, "\x80\x80\xc4\x00", 4}, /* U+110000 */
        {&cabi_string, "\x01", 1},
        {&cabi_string, "\x01\xff", 2},
        {&cabi_string, "\x02\xc3", 2},
        {&cabi_string, "\xff\xff\xff\xff\x0f", 5},
        {made_list(&cabi_u64), "\x02\0\0\0\0\0\0\0\0", 9},
        {made_list(&cabi_u64), "\xff\xff\xff\xff\x0f", 5},
        {made_list(&cabi_bool), "\x01\x02", 2},
        {made_enum(3), "\x03", 1},
        {made_option(&cabi_u8), "\x02", 1},
        {made_option(&cabi_u8), "\x01", 1},
        {made_result(&cabi_bool, NULL), "\x00\x05", 2},
        {made_flags(3), "\x08", 1},
        {made_flags(32), "\x80\x80\x80\x80\x10", 5},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert(!decoded(cases[i].type, cases[i].bytes, cases[i].size, native), "case %u", i);
    cr_assert(decoded(made_flags(32), "\xff\xff\xff\xff\x0f", 5, native));
}

Test(cabi_encode, few_bytes_cannot_ask_for_much_memory)
{
    /* A list of options of a tuple of 1000 u64: one byte an item, 8 KB of memory each. */
    struct cabi_member *members = made_labels(1000);
    for (int i = 0; i < 1000; i++)
        members[i].type = &cabi_u64;
    struct cabi_type *type = made_list(made_option(made_product(CABI_TUPLE, 1000, members)));
    uint32_t count = GA_MAX_CALL_BYTES / 8000;
    out.size = 0;
    ga_buf_leb_u(&out, count);
    while (count--)
        ga_buf_u8(&out, 0);
    struct cabi_list list;
    cr_assert(!decoded(type, out.data, out.size, &list));
    cr_assert_lt(arena.total_bytes, 1000);
}

Test(cabi_encode, random_values_come_back_and_every_prefix_is_refused)
{
    struct made_random random = {7};
    struct ga_buf again = {0};
    for (int i = 0; i < 1500; i++) {
        const struct cabi_type *type = made_random_type(&random, 4);
        void *value = made_zeroed(type->native_size), *back = made_zeroed(type->native_size);
        made_random_value(&random, type, value);
        out.size = again.size = 0;
        cabi_encode(type, value, &out);
        cr_assert(decoded(type, out.data, out.size, back));
        cabi_encode(type, back, &again);
        cr_assert(again.size == out.size && !memcmp(again.data, out.data, out.size));
        for (size_t size = out.size < 40 ? out.size : 40; size-- > 0;)
            cr_assert(!decoded(type, out.data, size, back));
        free(value);
        free(back);
        ga_arena_reset(&arena);
    }
    ga_buf_free(&again);
}

Test(cabi_encode, random_garbage_is_refused_or_canonical)
{
    struct made_random random = {99};
    unsigned good = 0;
    for (int i = 0; i < 20000; i++) {
        const struct cabi_type *type = made_random_type(&random, 3);
        void *back = made_zeroed(type->native_size);
        uint8_t bytes[64];
        size_t size = made_below(&random, sizeof bytes);
        for (size_t j = 0; j < size; j++)
            bytes[j] = made_below(&random, 2) ? (uint8_t)made_below(&random, 4) : (uint8_t)made_next(&random);
        if (decoded(type, bytes, size, back)) {
            out.size = 0;
            cabi_encode(type, back, &out);
            cr_assert_leq(out.size, size);
            good++;
        }
        free(back);
        ga_arena_reset(&arena);
    }
    cr_assert_gt(good, 100);
}
