/* The ground floor: buffers, readers, maps, arenas, reports, UTF-8. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ga_arena.h"
#include "ga_buf.h"
#include "ga_hash.h"
#include "ga_map.h"
#include "ga_report.h"
#include "ga_utf8.h"

static struct ga_reader reader_of(const void *bytes, size_t size)
{
    return (struct ga_reader){bytes, bytes, (const uint8_t *)bytes + size, false};
}

Test(ga_buf, unsigned_leb_round_trips_at_every_width)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        uint64_t value = ((uint64_t)1 << bits) | (bits > 3 ? 5 : 0);
        struct ga_buf buf = {0};
        ga_buf_leb_u(&buf, value);
        struct ga_reader reader = reader_of(buf.data, buf.size);
        cr_assert_eq(ga_read_leb_u(&reader, 64), value);
        cr_assert(!reader.failed && reader.at == reader.end);
        ga_buf_free(&buf);
    }
}

Test(ga_buf, signed_leb_round_trips_at_every_width)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        for (int sign = 0; sign < 2; sign++) {
            int64_t magnitude = (int64_t)(((uint64_t)1 << bits) - 1);
            int64_t value = sign ? -magnitude - 1 : magnitude;
            struct ga_buf buf = {0};
            ga_buf_leb_s(&buf, value);
            struct ga_reader reader = reader_of(buf.data, buf.size);
            cr_assert_eq(ga_read_leb_s(&reader, 64), value, "%lld", (long long)value);
            cr_assert(!reader.failed && reader.at == reader.end);
            ga_buf_free(&buf);
        }
    }
}

Test(ga_buf, leb_refuses_what_does_not_fit)
{
    static const struct {
        bool is_signed;
        unsigned bits, size;
        uint8_t bytes[12];
    } cases[] = {
        {false, 32, 5, {0xff, 0xff, 0xff, 0xff, 0x1f}},       /* bit 32 set */
        {false, 32, 6, {0x80, 0x80, 0x80, 0x80, 0x80, 0x00}}, /* six bytes */
        {false, 32, 1, {0x80}},                               /* cut off */
        {false, 7, 2, {0x80, 0x01}},                          /* eighth bit */
        {true, 32, 5, {0xff, 0xff, 0xff, 0xff, 0x4f}},        /* unused bits differ from the sign */
        {true, 33, 5, {0x80, 0x80, 0x80, 0x80, 0x20}},
        {true, 64, 10, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ga_reader reader = reader_of(cases[i].bytes, cases[i].size);
        if (cases[i].is_signed)
            ga_read_leb_s(&reader, cases[i].bits);
        else
            ga_read_leb_u(&reader, cases[i].bits);
        cr_assert(reader.failed, "case %zu", i);
    }
}

Test(ga_buf, leb_takes_padded_numbers)
{
    static const uint8_t padded[] = {0x83, 0x80, 0x80, 0x80, 0x00};
    struct ga_reader reader = reader_of(padded, sizeof padded);
    cr_assert_eq(ga_read_leb_u(&reader, 32), 3);
    static const uint8_t minus_one[] = {0xff, 0xff, 0xff, 0xff, 0x7f};
    reader = reader_of(minus_one, sizeof minus_one);
    cr_assert_eq(ga_read_leb_s(&reader, 32), -1);
    cr_assert(!reader.failed);
}

Test(ga_buf, a_failed_reader_stays_failed_and_reads_zero)
{
    static const uint8_t bytes[] = {1, 2, 3};
    struct ga_reader reader = reader_of(bytes, sizeof bytes);
    cr_assert_null(ga_read_bytes(&reader, 4));
    cr_assert_eq(ga_read_u8(&reader), 0);
    cr_assert_eq(ga_read_le(&reader, 2), 0);
    cr_assert(reader.failed);
}

Test(ga_buf, grows_and_formats)
{
    struct ga_buf buf = {0};
    for (int i = 0; i < 1000; i++)
        ga_buf_printf(&buf, "%d,", i);
    cr_assert_eq(buf.size, 3890);
    cr_assert(strncmp(ga_buf_cstr(&buf), "0,1,2,", 6) == 0);
    cr_assert_eq(strlen((char *)buf.data), buf.size);
    ga_buf_free(&buf);
}

Test(ga_map, finds_every_key_and_keeps_the_order)
{
    struct ga_arena arena = {0};
    struct ga_map map = {.arena = &arena};
    cr_assert_null(ga_map_get(&map, "", 0));
    for (uintptr_t i = 0; i < 5000; i++) {
        const char *key = ga_arena_printf(&arena, "key-%zu", (size_t)i * 7);
        cr_assert(ga_map_add(&map, key, strlen(key), (void *)(i + 1)));
        cr_assert(!ga_map_add(&map, key, strlen(key), (void *)(i + 2)), "twice");
    }
    for (uintptr_t i = 0; i < 5000; i++) {
        cr_assert_eq(ga_map_get(&map, map.entries[i].key, map.entries[i].key_size), (void *)(i + 1));
        cr_assert_eq(map.entries[i].value, (void *)(i + 1));
    }
    cr_assert_null(ga_map_get(&map, "key-1", 5));
    ga_map_set(&map, "key-0", 5, &map);
    cr_assert_eq(ga_map_get(&map, "key-0", 5), &map);
    ga_arena_free(&arena);
}

Test(ga_arena, memory_is_zeroed_aligned_and_reused_after_reset)
{
    struct ga_arena arena = {0};
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 3000; size += 7) {
            char *memory = ga_arena_alloc(&arena, size);
            cr_assert_eq((uintptr_t)memory % 16, 0);
            for (size_t i = 0; i < size; i++)
                cr_assert_eq(memory[i], 0);
            memset(memory, 0xaa, size);
        }
        ga_arena_reset(&arena);
        cr_assert_eq(arena.total_bytes, 0);
    }
    ga_arena_free(&arena);
}

Test(ga_arena, vectors_keep_their_elements_while_growing)
{
    struct ga_arena arena = {0};
    GA_VEC(uint32_t) numbers = {0};
    for (uint32_t i = 0; i < 10000; i++)
        *GA_PUSH(&arena, &numbers) = i;
    for (uint32_t i = 0; i < 10000; i++)
        cr_assert_eq(numbers.items[i], i);
    ga_arena_free(&arena);
}

Test(ga_report, the_first_report_wins)
{
    struct ga_report report = {0};
    cr_assert_eq(ga_report_at(&report, GA_INVALID, 0x1a4, "record without %s", "fields"), GA_INVALID);
    cr_assert_eq(ga_report_set(&report, GA_IO, "later"), GA_INVALID);
    cr_assert_str_eq(report.text, "record without fields");
    cr_assert_eq(report.offset, 0x1a4);
}

Test(ga_report, errno_gives_its_own_status)
{
    struct ga_report full = {0}, missing = {0};
    cr_assert_eq(ga_report_errno(&full, ENOSPC, "writing %s", "x"), GA_NO_SPACE);
    cr_assert_str_eq(full.text, "writing x: No space left on device");
    cr_assert_eq(ga_report_errno(&missing, ENOENT, "x"), GA_NOT_FOUND);
}

Test(ga_utf8, accepts_exactly_what_unicode_calls_well_formed)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true}, {"plain ascii, longer than eight", true}, {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {"\xc0\x80", false}, {"\xc1\xbf", false}, {"\xe0\x9f\xbf", false}, {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true}, {"\xed\xa0\x80", false}, {"\xee\x80\x80", true}, {"\xf0\x8f\xbf\xbf", false},
        {"\xf0\x90\x80\x80", true}, {"\xf4\x8f\xbf\xbf", true}, {"\xf4\x90\x80\x80", false}, {"\xf5\x80\x80\x80", false},
        {"\x80", false}, {"12345678\xc3", false}, {"\xe2\x82", false}, {"\xe2\x28\xa1", false}, {"\xf0\x90\x80", false},
        {"\xff", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(ga_utf8_valid((const uint8_t *)cases[i].text, strlen(cases[i].text)), cases[i].valid, "case %zu", i);
}

Test(ga_utf8, long_texts_are_looked_at_byte_by_byte)
{
    enum { SIZE = 300 };
    uint8_t text[SIZE];
    for (size_t i = 0; i + 2 <= SIZE; i++) {
        memset(text, 'a', SIZE);
        memcpy(text + i, "\xc3\xa4", 2);
        cr_assert(ga_utf8_valid(text, SIZE), "two bytes at %zu", i);
        cr_assert_not(ga_utf8_valid(text, i + 1), "cut at %zu", i);
        text[i + 1] = 'a';
        cr_assert_not(ga_utf8_valid(text, SIZE), "half a character at %zu", i);
        cr_assert(ga_utf8_valid(text, i), "before %zu", i);
    }
}

Test(ga_utf8, every_scalar_value_round_trips)
{
    for (uint32_t scalar = 0; scalar <= 0x10ffff; scalar += scalar == 0xd7ff ? 0x801 : 1) {
        uint8_t bytes[4];
        unsigned size = ga_utf8_put(bytes, scalar);
        cr_assert(ga_utf8_valid(bytes, size));
        const uint8_t *at = bytes;
        cr_assert_eq(ga_utf8_next(&at), scalar);
        cr_assert_eq(at, bytes + size);
    }
}

Test(ga_hash, depends_on_content_and_seed)
{
    cr_assert_eq(ga_hash64("abc", 3, 0), ga_hash64("abc", 3, 0));
    cr_assert_neq(ga_hash64("abc", 3, 0), ga_hash64("abd", 3, 0));
    cr_assert_neq(ga_hash64("abc", 3, 0), ga_hash64("abc", 3, 1));
}
