#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "cabi_types.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(abi_layout, .fini = free_arena);
TestSuite(abi_flatten, .fini = free_arena);
TestSuite(abi_emitter, .fini = free_arena);

/* --- types, from a compact notation --- */

/*
 * b bool, 1 u8, 2 u16, 4 u32, 8 u64, f f32, d f64, c char, s string, o own, w borrow, L T list, ?T option,
 * R T T result (_: no payload), { T.. } record, ( T.. ) tuple, < T.. > variant (_: no payload), E n; enum of n cases,
 * F n; flags of n
 */
static const struct type_resource resource = {.name = {"r", 1}};

static const struct type_val *parse(const char **at);

static const struct type_val *parse_payload(const char **at)
{
    if (**at != '_')
        return parse(at);
    ++*at;
    return NULL;
}

static void parse_members(struct type_val *type, const char **at, char close)
{
    GA_VEC(struct type_member) members = {0};
    while (**at != close) {
        const struct type_val *payload = parse_payload(at);
        char *name = ga_arena_printf(&arena, "m%u", members.count);
        *GA_PUSH(&arena, &members) = (struct type_member){{name, (uint32_t)strlen(name)}, payload};
    }
    ++*at;
    type->members = members.items;
    type->member_count = members.count;
}

static void make_cases(struct type_val *type, const char **at)
{
    char *end;
    type->member_count = (uint32_t)strtoul(*at, &end, 10);
    *at = end + 1;
    struct type_member *members = ga_arena_array(&arena, type->member_count, sizeof *members);
    for (uint32_t i = 0; i < type->member_count; i++) {
        char *name = ga_arena_printf(&arena, "c%u", i);
        members[i].name = (struct slice){name, (uint32_t)strlen(name)};
    }
    type->members = members;
}

static const struct type_val *parse(const char **at)
{
    static const char letters[] = "b1248fdcsowL?R{(<EF";
    static const enum val_kind kinds[] = {VAL_BOOL, VAL_U8,   VAL_U16,  VAL_U32,    VAL_U64,    VAL_F32,   VAL_F64,
                                          VAL_CHAR, VAL_STRING, VAL_OWN, VAL_BORROW, VAL_LIST,   VAL_OPTION, VAL_RESULT,
                                          VAL_RECORD, VAL_TUPLE, VAL_VARIANT, VAL_ENUM, VAL_FLAGS};
    const char *letter = strchr(letters, *(*at)++);
    cr_assert(letter != NULL && *letter != 0, "bad notation before %s", *at);
    struct type_val *type = GA_NEW(&arena, struct type_val);
    type->kind = kinds[letter - letters];
    if (type->kind == VAL_OWN || type->kind == VAL_BORROW)
        type->resource = &resource;
    if (type->kind == VAL_LIST || type->kind == VAL_OPTION)
        type->element = parse(at);
    if (type->kind == VAL_RESULT) {
        type->element = parse_payload(at);
        type->err = parse_payload(at);
    }
    if (*letter == '{' || *letter == '(' || *letter == '<')
        parse_members(type, at, *letter == '{' ? '}' : *letter == '(' ? ')' : '>');
    if (*letter == 'E' || *letter == 'F')
        make_cases(type, at);
    return type;
}

static const struct type_val *type_of(const char *notation)
{
    return parse(&notation);
}

static const struct abi_layout *layout_of(const char *notation)
{
    return abi_layout(&arena, type_of(notation));
}

static const char *flat_text(const uint8_t *flat, uint32_t count)
{
    static char text[64];
    for (uint32_t i = 0; i < count; i++)
        text[i] = "iIfF"[flat[i]];
    text[count] = 0;
    return text;
}

/* --- the guest's side: numbers worked out by hand from CanonicalABI.md --- */

Test(abi_layout, guest_sizes_alignments_and_flat_values_are_the_canonical_ones)
{
    static const struct {
        const char *type;
        uint32_t size, align, discriminant, payload;
        const char *flat; /* NULL: more than 16 */
    } rows[] = {
        {"b", 1, 1, 0, 0, "i"},
        {"2", 2, 2, 0, 0, "i"},
        {"8", 8, 8, 0, 0, "I"},
        {"f", 4, 4, 0, 0, "f"},
        {"d", 8, 8, 0, 0, "F"},
        {"c", 4, 4, 0, 0, "i"},
        {"s", 8, 4, 0, 0, "ii"},
        {"Ld", 8, 4, 0, 0, "ii"},
        {"o", 4, 4, 0, 0, "i"},
        {"w", 4, 4, 0, 0, "i"},
        {"{1418}", 24, 8, 0, 0, "iiiI"},
        {"(11)", 2, 1, 0, 0, "ii"},
        {"{1{81}1}", 32, 8, 0, 0, "iIii"},
        {"?1", 2, 1, 1, 1, "ii"},
        {"?8", 16, 8, 1, 8, "iI"},
        {"?s", 12, 4, 1, 4, "iii"},
        {"R__", 1, 1, 1, 1, "i"},
        {"R4_", 8, 4, 1, 4, "ii"},
        {"Rfd", 16, 8, 1, 8, "iI"},
        {"Rf4", 8, 4, 1, 4, "ii"},
        {"R4f", 8, 4, 1, 4, "ii"},
        {"Rff", 8, 4, 1, 4, "if"},
        {"Rdd", 16, 8, 1, 8, "iF"},
        {"Rsd", 16, 8, 1, 8, "iIi"},
        {"<_1(f8)_>", 24, 8, 1, 8, "iiI"},
        {"E1;", 1, 1, 1, 1, "i"},
        {"E256;", 1, 1, 1, 1, "i"},
        {"E257;", 2, 2, 2, 2, "i"},
        {"E65536;", 2, 2, 2, 2, "i"},
        {"E65537;", 4, 4, 4, 4, "i"},
        {"F1;", 1, 1, 1, 0, "i"},
        {"F8;", 1, 1, 1, 0, "i"},
        {"F9;", 2, 2, 2, 0, "i"},
        {"F16;", 2, 2, 2, 0, "i"},
        {"F17;", 4, 4, 4, 0, "i"},
        {"F32;", 4, 4, 4, 0, "i"},
        {"(1111111111111111)", 16, 1, 0, 0, "iiiiiiiiiiiiiiii"},
        {"(11111111111111111)", 17, 1, 0, 0, NULL},
        {"?(111111111111111)", 16, 1, 1, 1, "iiiiiiiiiiiiiiii"},
        {"?(1111111111111111)", 17, 1, 1, 1, NULL},
        {"R1(ssssssss1)", 72, 4, 1, 4, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct abi_layout *layout = layout_of(rows[i].type);
        cr_expect_eq(layout->size, rows[i].size, "%s: size %u", rows[i].type, layout->size);
        cr_expect_eq(layout->align, rows[i].align, "%s: align %u", rows[i].type, layout->align);
        cr_expect_eq(layout->discriminant_size, rows[i].discriminant, "%s: discriminant", rows[i].type);
        cr_expect_eq(layout->payload_offset, rows[i].payload, "%s: payload %u", rows[i].type, layout->payload_offset);
        if (rows[i].flat == NULL)
            cr_expect_eq(layout->flat_count, 255, "%s", rows[i].type);
        else
            cr_expect_str_eq(flat_text(layout->flat, layout->flat_count), rows[i].flat, "%s", rows[i].type);
    }
}

Test(abi_layout, fields_lie_at_aligned_offsets)
{
    const struct abi_layout *layout = layout_of("{1{81}1s2}");
    static const uint32_t offsets[] = {0, 8, 24, 28, 36};
    cr_expect_arr_eq(layout->offsets, offsets, sizeof offsets);
}

Test(abi_layout, plain_types_are_those_with_equal_bytes_on_both_sides)
{
    static const char *const plain[] = {"1", "8", "f", "{44}", "(8(22)f)"};
    static const char *const not_plain[] = {"b", "c", "s", "{b}", "F32;", "E2;", "?1", "o", "(1s)", "{14}", "(8(12)f)", "{41}"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        cr_expect(layout_of(plain[i])->plain, "%s", plain[i]);
    for (size_t i = 0; i < sizeof not_plain / sizeof not_plain[0]; i++)
        cr_expect_not(layout_of(not_plain[i])->plain, "%s", not_plain[i]);
}

Test(abi_layout, handles_are_seen_through_every_constructor)
{
    static const char *const with[] = {"o", "w", "Lo", "?w", "R_o", "Ro_", "{1o}", "(L{w})", "<_o>"};
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++)
        cr_expect(layout_of(with[i])->has_handles, "%s", with[i]);
    cr_expect_not(layout_of("{s(1L8)}")->has_handles);
}

/* --- the native side: what this C compiler gives --- */

struct mixed {
    uint8_t a;
    struct cabi_string b;
    bool c;
    uint16_t d;
    struct {
        uint32_t tag;
        union {
            uint64_t some;
        } value;
    } e;
    struct {
        uint32_t tag;
        union {
            uint8_t ok;
            struct cabi_list err;
        } value;
    } f;
    uint32_t g; /* enum of 300 */
    uint32_t h; /* flags of 3 */
    struct {
        uint8_t a;
        struct {
            uint32_t tag;
            union {
                uint8_t some;
            } value;
        } b;
        double c;
    } i;
    uint32_t j; /* own */
    bool k;
};

Test(abi_layout, native_offsets_are_the_c_compilers)
{
    const struct type_val *type = type_of("{1sb2?8R1L4E300;F3;(1?1d)ob}");
    const struct abi_layout *layout = abi_layout(&arena, type);
    static const size_t offsets[] = {
        offsetof(struct mixed, a), offsetof(struct mixed, b), offsetof(struct mixed, c), offsetof(struct mixed, d),
        offsetof(struct mixed, e), offsetof(struct mixed, f), offsetof(struct mixed, g), offsetof(struct mixed, h),
        offsetof(struct mixed, i), offsetof(struct mixed, j), offsetof(struct mixed, k),
    };
    for (uint32_t i = 0; i < type->member_count; i++)
        cr_expect_eq(layout->native_offsets[i], offsets[i], "field %u: %u, not %zu", i, layout->native_offsets[i],
                     offsets[i]);
    cr_expect_eq(layout->native_size, sizeof(struct mixed));
    cr_expect_eq(layout->native_align, _Alignof(struct mixed));

    struct mixed mixed;
    const struct abi_layout *option = abi_layout(&arena, type->members[4].type);
    cr_expect_eq(option->native_payload_offset, (char *)&mixed.e.value - (char *)&mixed.e);
    cr_expect_eq(option->native_size, sizeof mixed.e);
    const struct abi_layout *result = abi_layout(&arena, type->members[5].type);
    cr_expect_eq(result->native_payload_offset, (char *)&mixed.f.value - (char *)&mixed.f);
    cr_expect_eq(result->native_size, sizeof mixed.f);
    const struct abi_layout *inner = abi_layout(&arena, type->members[8].type);
    cr_expect_eq(inner->native_offsets[2], (char *)&mixed.i.c - (char *)&mixed.i);
    cr_expect_eq(inner->native_offsets[1], (char *)&mixed.i.b - (char *)&mixed.i);
}

/* --- functions --- */

Test(abi_flatten, many_parameters_and_results_spill)
{
    static const struct {
        const char *params, *result;
        const char *lift_params, *lift_results, *lower_params, *lower_results;
    } rows[] = {
        {"()", NULL, "", "", "", ""},
        {"(s)", "4", "ii", "i", "ii", "i"},
        {"(8f)", "s", "If", "i", "Ifi", ""},
        {"(ssssssss)", "d", "iiiiiiiiiiiiiiii", "F", "iiiiiiiiiiiiiiii", "F"},
        {"(ssssssss1)", NULL, "i", "", "i", ""},
        {"(ssssssss)", "s", "iiiiiiiiiiiiiiii", "i", "iiiiiiiiiiiiiiiii", ""},
        {"(ssssssss1)", "(11)", "i", "i", "ii", ""},
        {"()", "(f)", "", "f", "", "f"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct type_val *tuple = type_of(rows[i].params);
        const struct type_func func = {tuple->member_count, tuple->members,
                                       rows[i].result != NULL ? type_of(rows[i].result) : NULL, false};
        struct core_func_type core;
        abi_flatten_func(&arena, &func, false, &core);
        cr_expect_str_eq(flat_text(core.params, core.param_count), rows[i].lift_params, "row %zu", i);
        cr_expect_str_eq(flat_text(core.results, core.result_count), rows[i].lift_results, "row %zu", i);
        abi_flatten_func(&arena, &func, true, &core);
        cr_expect_str_eq(flat_text(core.params, core.param_count), rows[i].lower_params, "row %zu", i);
        cr_expect_str_eq(flat_text(core.results, core.result_count), rows[i].lower_results, "row %zu", i);
    }
}

/* --- tables as C --- */

static const char *resource_ref(void *context, const struct type_resource *asked)
{
    (void)asked;
    return context;
}

Test(abi_emitter, equal_types_share_one_table)
{
    struct ga_buf out = {0};
    struct abi_emitter *emitter = abi_emitter_new(&arena, &out, "t", resource_ref, (void *)"&r0");
    const char *first = abi_type_ref(emitter, type_of("L{s?1}"));
    size_t size = out.size;
    cr_expect_str_eq(abi_type_ref(emitter, type_of("L{s?1}")), first);
    cr_expect_eq(out.size, size);
    cr_expect_str_neq(abi_type_ref(emitter, type_of("L{s?2}")), first);
    cr_expect_str_eq(abi_type_ref(emitter, type_of("s")), "&cabi_string");
    ga_buf_free(&out);
}

Test(abi_emitter, a_table_reads_as_expected)
{
    struct ga_buf out = {0};
    struct abi_emitter *emitter = abi_emitter_new(&arena, &out, "t", resource_ref, (void *)"&r0");
    struct type_val type = *type_of("R{88}o");
    type.name = (struct slice){"a*/b", 4};
    cr_expect_str_eq(abi_type_ref(emitter, &type), "&t2");
    cr_expect_str_eq(ga_buf_cstr(&out), "static const struct cabi_member t0_members[] = {\n"
                                        "    {\"m0\", &cabi_u64, 0, 0},\n"
                                        "    {\"m1\", &cabi_u64, 8, 8},\n"
                                        "};\n"
                                        "static const uint8_t t0_flat[] = {CABI_FLAT_I64, CABI_FLAT_I64};\n"
                                        "static const struct cabi_type t0 = {\n"
                                        "    .kind = CABI_RECORD,\n"
                                        "    .size = 16,\n"
                                        "    .align = 8,\n"
                                        "    .native_size = 16,\n"
                                        "    .native_align = 8,\n"
                                        "    .plain = true,\n"
                                        "    .flat_count = 2,\n"
                                        "    .member_count = 2,\n"
                                        "    .members = t0_members,\n"
                                        "    .flat = t0_flat,\n"
                                        "};\n\n"
                                        "static const uint8_t t1_flat[] = {CABI_FLAT_I32};\n"
                                        "static const struct cabi_type t1 = {\n"
                                        "    .kind = CABI_OWN,\n"
                                        "    .size = 4,\n"
                                        "    .align = 4,\n"
                                        "    .native_size = 4,\n"
                                        "    .native_align = 4,\n"
                                        "    .has_handles = true,\n"
                                        "    .flat_count = 1,\n"
                                        "    .resource = &r0,\n"
                                        "    .flat = t1_flat,\n"
                                        "};\n\n"
                                        "/* a*_b */\n"
                                        "static const struct cabi_member t2_members[] = {\n"
                                        "    {\"ok\", &t0, 0, 0},\n"
                                        "    {\"err\", &t1, 0, 0},\n"
                                        "};\n"
                                        "static const uint8_t t2_flat[] = {CABI_FLAT_I32, CABI_FLAT_I64, CABI_FLAT_I64};\n"
                                        "static const struct cabi_type t2 = {\n"
                                        "    .kind = CABI_RESULT,\n"
                                        "    .size = 24,\n"
                                        "    .align = 8,\n"
                                        "    .native_size = 24,\n"
                                        "    .native_align = 8,\n"
                                        "    .discriminant_size = 1,\n"
                                        "    .payload_offset = 8,\n"
                                        "    .native_payload_offset = 8,\n"
                                        "    .has_handles = true,\n"
                                        "    .flat_count = 3,\n"
                                        "    .member_count = 2,\n"
                                        "    .members = t2_members,\n"
                                        "    .flat = t2_flat,\n"
                                        "};\n\n");
    ga_buf_free(&out);
}

Test(abi_emitter, names_become_safe_literals_and_comments)
{
    struct ga_buf out = {0};
    static const char name[] = "a\"b\\c\n\x7f\xc3\xa9?";
    abi_put_string(&out, name, sizeof name - 1);
    cr_expect_str_eq(ga_buf_cstr(&out), "\"a\\\"b\\\\c\\n\\177\\303\\251\\?\"");
    out.size = 0;
    static const char comment[] = "a*/b/*c\nd\\";
    abi_put_comment(&out, comment, sizeof comment - 1);
    cr_expect_str_eq(ga_buf_cstr(&out), "a*_b/_c_d_");
    ga_buf_free(&out);
}
