#include "cabi_guest_made.h"

/* Strings in the three encodings: what is accepted, and how each is stored. */

static struct made_guest guest;

static void setup(void)
{
    made_region();
    made_guest_init(&guest, RT_UTF8);
}
TestSuite(cabi_string, .init = setup);

enum { TAG = (int)0x80000000 };

static const char *try_string(uint8_t encoding, uint32_t addr, uint32_t units, struct cabi_string *out)
{
    uint64_t flat[2] = {addr, units};
    guest.options.encoding = encoding;
    return try_lift(&guest.call, &cabi_string, flat, out);
}

/* --- loading --- */

struct load_case {
    uint8_t encoding;
    const char *bytes;
    uint32_t size, units;
    const char *text; /* NULL: traps */
};

static void check_load(const struct load_case *c, unsigned number)
{
    struct cabi_string out;
    memcpy(guest.memory.data + 64, c->bytes, c->size);
    const char *trap = try_string(c->encoding, 64, c->units, &out);
    cr_assert_eq(!trap, c->text != NULL, "case %u: %s", number, trap ? trap : "passed");
    cr_assert(trap || (out.size == strlen(c->text) && !memcmp(out.data, c->text, out.size)), "case %u: \"%.*s\"",
              number, (int)out.size, out.data);
}

Test(cabi_string, utf8_is_taken_when_well_formed)
{
    static const struct load_case cases[] = {
        {RT_UTF8, "", 0, 0, ""},
        {RT_UTF8, "h\xc3\xb6\xe2\x98\x83\xf0\x9f\x8d\xb0", 10, 10, "h\xc3\xb6\xe2\x98\x83\xf0\x9f\x8d\xb0"},
        {RT_UTF8, "\xff", 1, 1, NULL},
        {RT_UTF8, "\xc3", 1, 1, NULL}, /* cut off */
        {RT_UTF8, "abcdefgh\xe2\x98", 10, 10, NULL},
        {RT_UTF8, "\xc0\x80", 2, 2, NULL}, /* overlong */
        {RT_UTF8, "\xe0\x9f\xbf", 3, 3, NULL},
        {RT_UTF8, "\xf0\x8f\xbf\xbf", 4, 4, NULL},
        {RT_UTF8, "\xed\xa0\x80", 3, 3, NULL},     /* surrogate */
        {RT_UTF8, "\xf4\x90\x80\x80", 4, 4, NULL}, /* beyond U+10FFFF */
        {RT_UTF8, "\xf4\x8f\xbf\xbf", 4, 4, "\xf4\x8f\xbf\xbf"},
        {RT_UTF8, "\x80", 1, 1, NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned views = 0; views < 2; views++) {
            guest.call.views = views;
            check_load(&cases[i], i);
        }
}

Test(cabi_string, utf16_with_lone_surrogate_traps)
{
    static const struct load_case cases[] = {
        {RT_UTF16, "", 0, 0, ""},
        {RT_UTF16, "h\0\xf6\0\x03\x26\x3c\xd8\x70\xdf", 10, 5, "h\xc3\xb6\xe2\x98\x83\xf0\x9f\x8d\xb0"},
        {RT_UTF16, "\xff\xdb\xff\xdf", 4, 2, "\xf4\x8f\xbf\xbf"},
        {RT_UTF16, "\xff\xd7\x00\xe0\xff\xff", 6, 3, "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"},
        {RT_UTF16, "\x00\xd8", 2, 1, NULL},
        {RT_UTF16, "\x00\xdc", 2, 1, NULL},
        {RT_UTF16, "\x00\xd8\x00\xd8", 4, 2, NULL},
        {RT_UTF16, "\x00\xdc\x00\xdc", 4, 2, NULL},
        {RT_UTF16, "\x00\xd8\x61\x00", 4, 2, NULL},
        {RT_UTF16, "\x00\xdc\x00\xd8", 4, 2, NULL},
        {RT_UTF16, "\x00\xd8\x00\xdc", 4, 1, NULL}, /* the pair is cut by the length */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        check_load(&cases[i], i);
}

Test(cabi_string, tag_tells_utf16_from_latin1)
{
    static const struct load_case cases[] = {
        {RT_LATIN1_UTF16, "", 0, 0, ""},
        {RT_LATIN1_UTF16, "", 0, TAG, ""},
        {RT_LATIN1_UTF16, "h\xf6\xff\x80", 4, 4, "h\xc3\xb6\xc3\xbf\xc2\x80"},
        {RT_LATIN1_UTF16, "\x03\x26\x3c\xd8\x70\xdf", 6, TAG | 3, "\xe2\x98\x83\xf0\x9f\x8d\xb0"},
        {RT_LATIN1_UTF16, "\x00\xd8", 2, TAG | 1, NULL},
        {RT_LATIN1_UTF16, "\x00\xd8", 2, 2, "\0"},
    };
    for (unsigned i = 0; i + 1 < sizeof cases / sizeof *cases; i++)
        check_load(&cases[i], i);
    struct cabi_string out;
    memcpy(guest.memory.data + 64, "\x00\xd8", 2);
    cr_assert_passes(try_string(RT_LATIN1_UTF16, 64, 2, &out));
    cr_assert(out.size == 3 && !memcmp(out.data, "\0\xc3\x98", 3));
}

/* 5.10, cases 2, 3 and 20: length, alignment (2 for both forms of latin1+utf16), bounds; also for the empty string. */
Test(cabi_string, range_is_checked_in_order)
{
    enum { END = MADE_MEMORY_BYTES };
    static const struct {
        uint8_t encoding;
        uint32_t addr, units;
        const char *trap;
    } cases[] = {
        {RT_UTF8, END, 0, NULL},
        {RT_UTF8, END + 1, 0, "string pointer/length out of bounds of memory: 0x20001 + 0"},
        {RT_UTF8, 0xdeadbeef, 0, "string pointer/length out of bounds of memory: 0xdeadbeef + 0"},
        {RT_UTF8, END - 1, 2, "string pointer/length out of bounds of memory: 0x1ffff + 2"},
        {RT_UTF8, 0xffffffff, 1, "string pointer/length out of bounds of memory: 0xffffffff + 1"},
        {RT_UTF8, 0xffffffff, 0x10000000, "string of 268435456 bytes is too long (limit is 268435455)"},
        {RT_UTF8, 0xffffffff, 0x0fffffff, "string pointer/length out of bounds of memory: 0xffffffff + 268435455"},
        {RT_UTF16, 1, 0, "unaligned pointer: string at 0x1, alignment 2"},
        {RT_UTF16, 0xffffffff, 0x08000000, "string of 268435456 bytes is too long (limit is 268435455)"},
        {RT_UTF16, 0xffffffff, 0x07ffffff, "unaligned pointer: string at 0xffffffff, alignment 2"},
        {RT_UTF16, 2, 0x80000001, "string of 4294967298 bytes is too long (limit is 268435455)"},
        {RT_UTF16, END - 2, 1, NULL},
        {RT_UTF16, END - 2, 2, "string pointer/length out of bounds of memory: 0x1fffe + 4"},
        {RT_LATIN1_UTF16, 1, 0, "unaligned pointer: string at 0x1, alignment 2"},
        {RT_LATIN1_UTF16, 1, (uint32_t)TAG, "unaligned pointer: string at 0x1, alignment 2"},
        {RT_LATIN1_UTF16, 1, 0x10000000, "string of 268435456 bytes is too long (limit is 268435455)"},
        {RT_LATIN1_UTF16, 1, 0x0fffffff, "unaligned pointer: string at 0x1, alignment 2"},
        {RT_LATIN1_UTF16, 1, (uint32_t)TAG | 0x08000000, "string of 268435456 bytes is too long (limit is 268435455)"},
        {RT_LATIN1_UTF16, END - 2, (uint32_t)TAG | 2, "string pointer/length out of bounds of memory: 0x1fffe + 4"},
        {RT_LATIN1_UTF16, END - 2, 2, NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cabi_string out;
        const char *trap = try_string(cases[i].encoding, cases[i].addr, cases[i].units, &out);
        cr_assert_eq(!trap, !cases[i].trap, "case %u: %s", i, trap ? trap : "passed");
        cr_assert(!trap || !strcmp(trap, cases[i].trap), "case %u: %s", i, trap);
    }
}

Test(cabi_string, view_lies_in_guest_memory_only_when_asked_for)
{
    struct cabi_string out;
    memcpy(guest.memory.data + 64, "abc", 3);
    cr_assert_passes(try_string(RT_UTF8, 64, 3, &out));
    cr_assert_neq(out.data, (char *)guest.memory.data + 64);
    guest.call.views = true;
    cr_assert_passes(try_string(RT_UTF8, 64, 3, &out));
    cr_assert_eq(out.data, (char *)guest.memory.data + 64);
}

/* --- storing: the calls of realloc are part of what a guest sees --- */

struct store_case {
    uint8_t source, encoding;
    const char *native;
    uint32_t native_size; /* as in cabi_string.size: code units with tag when the source is a guest */
    const char *sizes;    /* old size, align, new size of each call of realloc */
    const char *bytes;
    uint32_t size, units;
};

/* "h\u00f6\u2603\U0001f370" and "h\u00f6" */
#define WIDE8 "h\xc3\xb6\xe2\x98\x83\xf0\x9f\x8d\xb0"
#define WIDE16 "h\0\xf6\0\x03\x26\x3c\xd8\x70\xdf"

static const struct store_case store_cases[] = {
    {RT_UTF8, RT_UTF8, "", 0, "0/1/0 ", "", 0, 0},
    {RT_UTF8, RT_UTF8, WIDE8, 10, "0/1/10 ", WIDE8, 10, 10},
    {RT_UTF8, RT_UTF16, "", 0, "0/2/0 ", "", 0, 0},
    {RT_UTF8, RT_UTF16, "ab", 2, "0/2/4 ", "a\0b\0", 4, 2},
    {RT_UTF8, RT_UTF16, WIDE8, 10, "0/2/20 20/2/10 ", WIDE16, 10, 5},
    {RT_UTF8, RT_LATIN1_UTF16, "", 0, "0/2/0 ", "", 0, 0},
    {RT_UTF8, RT_LATIN1_UTF16, "ab", 2, "0/2/2 ", "ab", 2, 2},
    {RT_UTF8, RT_LATIN1_UTF16, "h\xc3\xb6", 3, "0/2/3 3/2/2 ", "h\xf6", 2, 2},
    {RT_UTF8, RT_LATIN1_UTF16, "\xc3\xbf\xc4\x80", 4, "0/2/4 4/2/8 8/2/4 ", "\xff\0\0\x01", 4, TAG | 2},
    {RT_UTF8, RT_LATIN1_UTF16, WIDE8, 10, "0/2/10 10/2/20 20/2/10 ", WIDE16, 10, TAG | 5},
    {RT_UTF16, RT_UTF8, "", 0, "0/1/0 ", "", 0, 0},
    {RT_UTF16, RT_UTF8, "a\0b\0", 2, "0/1/2 ", "ab", 2, 2},
    {RT_UTF16, RT_UTF8, WIDE16, 5, "0/1/5 5/1/15 15/1/10 ", WIDE8, 10, 10},
    {RT_UTF16, RT_UTF8, "\x03\x26", 1, "0/1/1 1/1/3 ", "\xe2\x98\x83", 3, 3},
    {RT_UTF16, RT_UTF16, WIDE16, 5, "0/2/10 ", WIDE16, 10, 5},
    {RT_UTF16, RT_LATIN1_UTF16, "h\0\xf6\0", 2, "0/2/2 ", "h\xf6", 2, 2},
    {RT_UTF16, RT_LATIN1_UTF16, WIDE16, 5, "0/2/5 5/2/10 ", WIDE16, 10, TAG | 5},
    {RT_LATIN1_UTF16, RT_UTF8, "h\xf6l\xe4", 4, "0/1/4 4/1/8 8/1/6 ", "h\xc3\xb6l\xc3\xa4", 6, 6},
    {RT_LATIN1_UTF16, RT_UTF8, "\xf6", 1, "0/1/1 1/1/2 ", "\xc3\xb6", 2, 2},
    {RT_LATIN1_UTF16, RT_UTF8, "hola", 4, "0/1/4 ", "hola", 4, 4},
    {RT_LATIN1_UTF16, RT_UTF8, WIDE16, TAG | 5, "0/1/5 5/1/15 15/1/10 ", WIDE8, 10, 10},
    {RT_LATIN1_UTF16, RT_UTF16, "h\xf6", 2, "0/2/4 ", "h\0\xf6\0", 4, 2},
    {RT_LATIN1_UTF16, RT_UTF16, WIDE16, TAG | 5, "0/2/10 ", WIDE16, 10, 5},
    {RT_LATIN1_UTF16, RT_LATIN1_UTF16, "h\xf6", 2, "0/2/2 ", "h\xf6", 2, 2},
    {RT_LATIN1_UTF16, RT_LATIN1_UTF16, WIDE16, TAG | 5, "0/2/10 ", WIDE16, 10, TAG | 5},
    {RT_LATIN1_UTF16, RT_LATIN1_UTF16, "A\0\0\x01", TAG | 2, "0/2/4 ", "A\0\0\x01", 4, TAG | 2},
    {RT_LATIN1_UTF16, RT_LATIN1_UTF16, "A\0\xff\0", TAG | 2, "0/2/4 4/1/2 ", "A\xff", 2, 2},
};

static void describe_calls(char *text, size_t size)
{
    *text = 0;
    for (uint32_t i = 0, used = 0; i < guest.call_count && i < MADE_REALLOC_LOG; i++) {
        struct made_realloc_call *call = &guest.calls[i];
        cr_assert_eq(call->old_addr, i ? guest.calls[i - 1].result : 0);
        used += (uint32_t)snprintf(text + used, size - used, "%u/%u/%u ", call->old_size, call->align, call->new_size);
    }
}

Test(cabi_string, every_pair_of_encodings_is_transcoded_with_the_specified_reallocs)
{
    for (unsigned i = 0; i < sizeof store_cases / sizeof *store_cases; i++) {
        const struct store_case *c = &store_cases[i];
        struct cabi_string native = {c->native, c->native_size};
        uint64_t flat[2];
        char calls[200];
        guest.options.encoding = c->encoding;
        guest.call.source_encoding = c->source;
        guest.call_count = 0;
        cr_assert_passes(try_lower(&guest.call, &cabi_string, &native, flat));
        describe_calls(calls, sizeof calls);
        cr_assert_str_eq(calls, c->sizes, "case %u", i);
        cr_assert_eq(flat[1], c->units, "case %u", i);
        cr_assert_eq(flat[0], guest.calls[guest.call_count - 1].result, "case %u", i);
        cr_assert(!memcmp(guest.memory.data + flat[0], c->bytes, c->size), "case %u", i);
    }
}

/* Each of up to three reallocs may fail in two ways. */
Test(cabi_string, every_realloc_result_is_checked)
{
    for (unsigned i = 0; i < sizeof store_cases / sizeof *store_cases; i++) {
        const struct store_case *c = &store_cases[i];
        struct cabi_string native = {c->native, c->native_size};
        uint64_t flat[2];
        unsigned count = 0;
        for (const char *at = c->sizes; (at = strchr(at, ' ')); at++)
            count++;
        guest.options.encoding = c->encoding;
        guest.call.source_encoding = c->source;
        for (guest.bad_result_at = 1; guest.bad_result_at <= count; guest.bad_result_at++) {
            guest.call_count = 0;
            guest.bad_result = MADE_MEMORY_BYTES + 2;
            const char *trap = try_lower(&guest.call, &cabi_string, &native, flat);
            cr_assert(trap && strstr(trap, "realloc return pointer/length out of bounds"), "case %u", i);
            cr_assert_eq(guest.call_count, guest.bad_result_at);
            guest.call_count = 0;
            guest.bad_result = 1;
            trap = try_lower(&guest.call, &cabi_string, &native, flat);
            bool aligned = guest.calls[guest.bad_result_at - 1].align == 1;
            cr_assert(aligned ? !trap : trap && strstr(trap, "unaligned pointer: realloc return"), "case %u", i);
            guest.instance.may_leave = true;
        }
    }
}

static uint32_t realloc_that_spoils(void *module_instance, uint32_t old_addr, uint32_t old_size, uint32_t align,
                                    uint32_t new_size)
{
    (void)module_instance, (void)old_addr, (void)old_size, (void)align, (void)new_size;
    memset(guest.memory.data + 64, 0xf7, 3);
    return 128;
}

Test(cabi_string, view_that_realloc_spoils_is_stored_as_it_was)
{
    struct cabi_string native = {(char *)guest.memory.data + 64, 3};
    uint64_t flat[2];
    memcpy(guest.memory.data + 64, "abc", 3);
    guest.options.realloc = realloc_that_spoils;
    guest.options.encoding = RT_UTF16;
    cr_assert_passes(try_lower(&guest.call, &cabi_string, &native, flat));
    cr_assert(flat[1] == 3 && !memcmp(guest.memory.data + 128, "a\0b\0c\0", 6));
}

Test(cabi_string, too_long_for_a_guest_traps_before_realloc)
{
    struct cabi_string native = {"", GA_MAX_VALUE_BYTES + 1ull};
    uint64_t flat[2];
    cr_assert_traps(try_lower(&guest.call, &cabi_string, &native, flat),
                    "string of 268435456 bytes is too long (limit is 268435455)");
    cr_assert_eq(guest.call_count, 0);
}

Test(cabi_string, every_scalar_value_survives_each_encoding)
{
    static uint8_t text[4 * 4096];
    for (uint32_t first = 0; first < 0x110000; first += 4096) {
        uint8_t *end = text;
        for (uint32_t scalar = first; scalar < first + 4096; scalar++)
            if (scalar < 0xd800 || scalar > 0xdfff)
                end += ga_utf8_put(end, scalar);
        struct cabi_string native = {(char *)text, (size_t)(end - text)}, back;
        for (uint8_t encoding = RT_UTF8; encoding <= RT_LATIN1_UTF16; encoding++) {
            uint64_t flat[2];
            guest.heap = MADE_HEAP;
            guest.options.encoding = encoding;
            cr_assert_passes(try_lower(&guest.call, &cabi_string, &native, flat));
            cr_assert_passes(try_lift(&guest.call, &cabi_string, flat, &back));
            cr_assert(back.size == native.size && !memcmp(back.data, text, back.size), "0x%x", first);
            ga_arena_reset(&guest.scratch);
        }
    }
}
