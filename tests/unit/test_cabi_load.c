#include "cabi_guest_made.h"

/* Loading and flat lifting: what a guest hands out. */

static struct made_guest guest;

static void setup(void)
{
    made_region();
    made_guest_init(&guest, RT_UTF8);
}
TestSuite(cabi_load, .init = setup);
TestSuite(cabi_lift, .init = setup);

static void put_bytes(uint32_t addr, const void *bytes, size_t size)
{
    memcpy(guest.memory.data + addr, bytes, size);
}

Test(cabi_load, scalars_of_every_width)
{
    put_bytes(8, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", 8);
    int8_t s8;
    int16_t s16;
    int32_t s32;
    int64_t s64;
    uint64_t u64;
    cr_assert_passes(try_load(&guest.call, &cabi_s8, 8, &s8));
    cr_assert_passes(try_load(&guest.call, &cabi_s16, 8, &s16));
    cr_assert_passes(try_load(&guest.call, &cabi_s32, 8, &s32));
    cr_assert_passes(try_load(&guest.call, &cabi_s64, 8, &s64));
    cr_assert_passes(try_load(&guest.call, &cabi_f64, 8, &u64));
    cr_assert(s8 == -1 && s16 == (int16_t)0xfeff && s32 == (int32_t)0xfcfdfeff);
    cr_assert(s64 == (int64_t)0xf8f9fafbfcfdfeff && u64 == 0xf8f9fafbfcfdfeff);
}

Test(cabi_load, any_nonzero_byte_is_true)
{
    for (unsigned i = 0; i < 256; i++) {
        guest.memory.data[3] = (uint8_t)i;
        uint8_t value = 7;
        cr_assert_passes(try_load(&guest.call, &cabi_bool, 3, &value));
        cr_assert_eq(value, i != 0);
    }
}

Test(cabi_load, char_traps_outside_of_scalar_values)
{
    static const uint32_t good[] = {0, 0xd7ff, 0xe000, 0x10ffff}, bad[] = {0xd800, 0xdfff, 0x110000, 0xffffffff};
    uint32_t value;
    for (int i = 0; i < 4; i++) {
        put32(&guest, 16, good[i]);
        cr_assert_passes(try_load(&guest.call, &cabi_char, 16, &value));
        cr_assert_eq(value, good[i]);
        put32(&guest, 16, bad[i]);
        const char *trap = try_load(&guest.call, &cabi_char, 16, &value);
        cr_assert(trap && strstr(trap, "invalid `char` bit pattern"), "0x%x", bad[i]);
    }
}

Test(cabi_load, value_at_the_very_end_is_inside_and_one_further_is_not)
{
    uint64_t value;
    cr_assert_passes(try_load(&guest.call, &cabi_u64, MADE_MEMORY_BYTES - 8, &value));
    cr_assert_traps(try_load(&guest.call, &cabi_u64, MADE_MEMORY_BYTES, &value),
                    "value pointer/length out of bounds of memory: 0x20000 + 8");
    cr_assert_traps(try_load(&guest.call, &cabi_u64, 0xfffffff8, &value),
                    "value pointer/length out of bounds of memory: 0xfffffff8 + 8");
}

Test(cabi_load, alignment_is_checked_before_bounds)
{
    static const struct cabi_type *const types[] = {&cabi_u16, &cabi_u32,  &cabi_f32,
                                                    &cabi_u64, &cabi_char, &cabi_string};
    uint64_t value[2];
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        const char *trap = try_load(&guest.call, types[i], 0xffffffff, value);
        cr_assert(trap && strstr(trap, "unaligned pointer"), "%u: %s", i, trap ? trap : "none");
        for (uint32_t addr = 1; addr < types[i]->align; addr++)
            cr_assert(try_load(&guest.call, types[i], addr, value), "%u at %u", i, addr);
    }
    cr_assert_passes(try_load(&guest.call, &cabi_u8, 1, value));
}

Test(cabi_load, record_fields_lie_at_their_aligned_offsets)
{
    struct native {
        uint8_t a;
        uint64_t b;
        bool c;
        uint16_t d;
    } value;
    struct cabi_type *type = made_type(CABI_RECORD, 4, "a", &cabi_u8, "b", &cabi_u64, "c", &cabi_bool, "d", &cabi_u16);
    cr_assert(type->size == 24 && type->native_size == sizeof value && !type->plain);
    put_bytes(64, "\x11_______\x01\x02\x03\x04\x05\x06\x07\x08\x80_\x34\x12____", 24);
    cr_assert_passes(try_load(&guest.call, type, 64, &value));
    cr_assert(value.a == 0x11 && value.b == 0x0807060504030201 && value.c == true && value.d == 0x1234);
}

Test(cabi_load, discriminant_of_256_cases_is_one_byte_and_of_257_two)
{
    uint32_t value;
    struct cabi_type *small = made_enum(256), *large = made_enum(257);
    cr_assert(small->size == 1 && large->size == 2);
    put_bytes(0, "\xff\xff", 2);
    cr_assert_passes(try_load(&guest.call, small, 0, &value));
    cr_assert_eq(value, 255);
    cr_assert_traps(try_load(&guest.call, large, 0, &value), "invalid variant discriminant 65535 of 257");
    put_bytes(0, "\x00\x01", 2);
    cr_assert_passes(try_load(&guest.call, large, 0, &value));
    cr_assert_eq(value, 256);
}

Test(cabi_load, discriminant_without_a_case_traps_for_every_kind)
{
    uint64_t value[2];
    struct cabi_type *types[] = {made_enum(3), made_option(&cabi_u8), made_result(NULL, NULL),
                                 made_type(CABI_VARIANT, 3, "a", NO_TYPE, "b", &cabi_u64, "c", NO_TYPE)};
    for (int i = 0; i < 4; i++) {
        guest.memory.data[8] = (uint8_t)types[i]->member_count;
        const char *trap = try_load(&guest.call, types[i], 8, value);
        cr_assert(trap && strstr(trap, "invalid variant discriminant"), "%d", i);
        guest.memory.data[8]--;
        cr_assert_passes(try_load(&guest.call, types[i], 8, value));
    }
}

Test(cabi_load, undefined_flag_bits_are_masked)
{
    uint32_t value;
    put32(&guest, 0, 0xffffffff);
    static const unsigned counts[] = {1, 7, 8, 9, 16, 17, 31, 32};
    for (int i = 0; i < 8; i++) {
        cr_assert_passes(try_load(&guest.call, made_flags(counts[i]), 0, &value));
        cr_assert_eq(value, UINT32_MAX >> (32 - counts[i]));
    }
}

Test(cabi_load, plain_list_is_copied_or_seen_in_place)
{
    struct cabi_type *type = made_list(&cabi_u32);
    put32(&guest, 0, 64);
    put32(&guest, 4, 2);
    put32(&guest, 64, 5);
    put32(&guest, 68, 6);
    struct cabi_list list;
    cr_assert_passes(try_load(&guest.call, type, 0, &list));
    cr_assert(list.count == 2 && ((uint32_t *)list.items)[1] == 6);
    cr_assert_neq(list.items, guest.memory.data + 64);
    guest.call.views = true;
    cr_assert_passes(try_load(&guest.call, type, 0, &list));
    cr_assert(list.count == 2 && list.items == guest.memory.data + 64);
}

Test(cabi_load, list_of_bool_and_char_is_checked_item_by_item)
{
    guest.call.views = true;
    put_bytes(64, "\x02\x00\x00\x00\x00\xd8\x00\x00", 8);
    struct cabi_list list;
    uint64_t flat[2] = {64, 2};
    cr_assert_passes(try_lift(&guest.call, made_list(&cabi_bool), flat, &list));
    cr_assert(((uint8_t *)list.items)[0] == 1 && ((uint8_t *)list.items)[1] == 0);
    cr_assert_traps(try_lift(&guest.call, made_list(&cabi_char), flat, &list), "invalid `char` bit pattern 0xd800");
}

/* 5.10, cases 2 and 3: a bad pointer traps for an empty list too; length, then alignment, then bounds. */
Test(cabi_load, list_range_is_checked_in_order)
{
    struct {
        const struct cabi_type *element;
        uint32_t addr, count;
        const char *trap;
    } cases[] = {
        {&cabi_u8, 0, 0, NULL},
        {&cabi_u8, MADE_MEMORY_BYTES, 0, NULL},
        {&cabi_u8, MADE_MEMORY_BYTES + 1, 0, "list pointer/length out of bounds of memory: 0x20001 + 0"},
        {&cabi_u32, 2, 0, "unaligned pointer: list at 0x2, alignment 4"},
        {&cabi_u32, 0xfffffffe, 0, "unaligned pointer: list at 0xfffffffe, alignment 4"},
        {&cabi_u32, 0xfffffffc, 2, "list pointer/length out of bounds of memory: 0xfffffffc + 8"},
        {&cabi_u64, MADE_MEMORY_BYTES - 8, 1, NULL},
        {&cabi_u64, MADE_MEMORY_BYTES - 8, 2, "list pointer/length out of bounds of memory: 0x1fff8 + 16"},
        {&cabi_u8, 0xffffffff, 0x10000000, "list of 268435456 bytes is too long (limit is 268435455)"},
        {&cabi_u8, 0xffffffff, 0x0fffffff, "list pointer/length out of bounds of memory: 0xffffffff + 268435455"},
        {&cabi_u64, 1, 0x20000001, "list of 4294967304 bytes is too long (limit is 268435455)"},
        {&cabi_u64, 1, 0xffffffff, "list of 34359738360 bytes is too long (limit is 268435455)"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cabi_list list;
        uint64_t flat[2] = {cases[i].addr, cases[i].count};
        const char *trap = try_lift(&guest.call, made_list(cases[i].element), flat, &list);
        cr_assert_eq(!trap, !cases[i].trap, "case %u: %s", i, trap ? trap : "passed");
        cr_assert(!trap || !strcmp(trap, cases[i].trap), "case %u: %s", i, trap);
    }
}

Test(cabi_load, lists_that_share_bytes_cannot_exhaust_the_host)
{
    /* 8192 lists, each of the same 128 KiB: 1 GiB when copied. */
    for (uint32_t i = 0; i < 8192; i++) {
        put32(&guest, 8 * i, 0);
        put32(&guest, 8 * i + 4, MADE_MEMORY_BYTES);
    }
    struct cabi_list list;
    uint64_t flat[2] = {0, 8192};
    cr_assert_traps(try_lift(&guest.call, made_list(made_list(&cabi_u8)), flat, &list),
                    "too many bytes in the values of one call (limit is 268435456)");
}

Test(cabi_lift, narrow_integers_are_truncated_and_sign_extended)
{
    uint64_t flat[1] = {0xdeadbeefcafe8180};
    union {
        int8_t s8;
        uint8_t u8;
        int16_t s16;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
    } value;
    cr_assert_passes(try_lift(&guest.call, &cabi_s8, flat, &value));
    cr_assert_eq(value.s8, -128);
    cr_assert_passes(try_lift(&guest.call, &cabi_u8, flat, &value));
    cr_assert_eq(value.u8, 0x80);
    cr_assert_passes(try_lift(&guest.call, &cabi_s16, flat, &value));
    cr_assert_eq(value.s16, (int16_t)0x8180);
    cr_assert_passes(try_lift(&guest.call, &cabi_u16, flat, &value));
    cr_assert_eq(value.u16, 0x8180);
    cr_assert_passes(try_lift(&guest.call, &cabi_f32, flat, &value));
    cr_assert_eq(value.u32, 0xcafe8180);
    cr_assert_passes(try_lift(&guest.call, &cabi_u64, flat, &value));
    cr_assert_eq(value.u64, flat[0]);
}

Test(cabi_lift, bool_char_enum_and_flags_are_normalised_or_trap)
{
    uint64_t flat[1] = {0x100};
    uint32_t value = 0;
    cr_assert_passes(try_lift(&guest.call, &cabi_bool, flat, &value));
    cr_assert_eq(value & 0xff, 1);
    cr_assert_passes(try_lift(&guest.call, made_flags(9), flat, &value));
    cr_assert_eq(value, 0x100);
    cr_assert_passes(try_lift(&guest.call, made_flags(8), flat, &value));
    cr_assert_eq(value, 0);
    cr_assert_traps(try_lift(&guest.call, made_enum(256), flat, &value), "invalid variant discriminant 256 of 256");
    flat[0] = 0xd800;
    cr_assert_traps(try_lift(&guest.call, &cabi_char, flat, &value), "invalid `char` bit pattern 0xd800");
    flat[0] = 0x100000041;
    cr_assert_passes(try_lift(&guest.call, &cabi_char, flat, &value));
    cr_assert_eq(value, 0x41);
}

Test(cabi_lift, joined_slot_ignores_the_high_bits_of_a_narrow_case)
{
    struct {
        uint32_t tag;
        union {
            uint32_t u32;
            uint64_t u64;
            float f32;
            double f64;
        } value;
    } value;
    struct cabi_type *type =
        made_type(CABI_VARIANT, 5, "a", &cabi_u32, "b", &cabi_f64, "c", &cabi_f32, "d", &cabi_u64, "e", NO_TYPE);
    uint64_t flat[2] = {0, 0xffffffff00000007};
    cr_assert_passes(try_lift(&guest.call, type, flat, &value));
    cr_assert(value.tag == 0 && value.value.u32 == 7);
    flat[0] = 2;
    flat[1] = 0xffffffff3f800000;
    cr_assert_passes(try_lift(&guest.call, type, flat, &value));
    cr_assert(value.tag == 2 && value.value.f32 == 1.0f);
    flat[0] = 1;
    flat[1] = 0x3ff8000000000000;
    cr_assert_passes(try_lift(&guest.call, type, flat, &value));
    cr_assert(value.value.f64 == 1.5);
    flat[0] = 4;
    cr_assert_passes(try_lift(&guest.call, type, flat, &value));
    flat[0] = 5;
    cr_assert_traps(try_lift(&guest.call, type, flat, &value), "invalid variant discriminant 5 of 5");
}

Test(cabi_lift, short_case_skips_the_slots_of_the_long_one)
{
    struct native {
        struct {
            uint32_t tag;
            union {
                uint8_t ok;
                struct cabi_string err;
            } value;
        } first;
        uint32_t second;
    } value;
    struct cabi_type *type = made_type(CABI_TUPLE, 2, NO_NAME, made_result(&cabi_u8, &cabi_string), NO_NAME, &cabi_u32);
    uint64_t flat[4] = {0, 0x105, 0xdead, 77};
    cr_assert_eq(type->native_size, sizeof value);
    cr_assert_passes(try_lift(&guest.call, type, flat, &value));
    cr_assert(value.first.tag == 0 && value.first.value.ok == 5 && value.second == 77);
}

Test(cabi_lift, nan_payloads_pass)
{
    uint64_t flat[1] = {0x7fa00001}, value = 0;
    cr_assert_passes(try_lift(&guest.call, &cabi_f32, flat, &value));
    cr_assert_eq(value, 0x7fa00001);
}

/* --- parameters and results --- */

struct params_step {
    const struct cabi_func_type *type;
    const uint64_t *flat;
    void *out;
};
static struct params_step wanted;

static void run_lift_params(struct made_step *step)
{
    cabi_lift_params(step->call, wanted.type, wanted.flat, wanted.out);
}
static void run_lift_result(struct made_step *step)
{
    cabi_lift_result(step->call, wanted.type, wanted.flat, wanted.out);
}

static const char *try_params(void (*run)(struct made_step *), const struct cabi_func_type *type, const uint64_t *flat,
                              void *out)
{
    wanted = (struct params_step){type, flat, out};
    return made_attempt((struct made_step){.run = run, .call = &guest.call});
}

Test(cabi_lift, params_up_to_sixteen_slots_are_flat)
{
    struct {
        uint8_t a;
        struct cabi_string s;
        uint64_t b;
    } out;
    struct cabi_func_type type = made_func(NULL, 3, &cabi_u8, &cabi_string, &cabi_u64);
    uint64_t flat[] = {0x1ff, 64, 2, 9};
    put_bytes(64, "hi", 2);
    cr_assert_passes(try_params(run_lift_params, &type, flat, &out));
    cr_assert(out.a == 0xff && out.s.size == 2 && !memcmp(out.s.data, "hi", 2) && out.b == 9);
}

Test(cabi_lift, spilled_params_are_one_tuple_with_its_padding)
{
    const struct cabi_type *t = &cabi_u8;
    struct cabi_func_type type = made_func(NULL, 17, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, &cabi_u64);
    cr_assert(type.params_spilled && type.params_tuple->size == 24);
    struct {
        uint8_t bytes[16];
        uint64_t last;
    } out;
    put_bytes(64, "0123456789abcdef\x01\x00\x00\x00\x00\x00\x00\x80", 24);
    uint64_t flat[] = {64};
    cr_assert_passes(try_params(run_lift_params, &type, flat, &out));
    cr_assert(!memcmp(out.bytes, "0123456789abcdef", 16) && out.last == 0x8000000000000001);
    flat[0] = 68;
    cr_assert_traps(try_params(run_lift_params, &type, flat, &out), "unaligned pointer: value at 0x44, alignment 8");
    flat[0] = MADE_MEMORY_BYTES - 16;
    cr_assert_traps(try_params(run_lift_params, &type, flat, &out),
                    "value pointer/length out of bounds of memory: 0x1fff0 + 24");
}

Test(cabi_lift, params_trap_while_the_instance_may_not_leave)
{
    struct cabi_func_type type = made_func(NULL, 0);
    guest.instance.may_leave = false;
    cr_assert_traps(try_params(run_lift_params, &type, NULL, NULL), "cannot leave component instance");
}

Test(cabi_lift, result_pointer_is_checked_before_use)
{
    struct cabi_string out;
    struct cabi_func_type type = made_func(&cabi_string, 0);
    put32(&guest, 8, 64);
    put32(&guest, 12, 2);
    put_bytes(64, "ok", 2);
    uint64_t flat[] = {8};
    cr_assert_passes(try_params(run_lift_result, &type, flat, &out));
    cr_assert(out.size == 2 && !memcmp(out.data, "ok", 2));
    flat[0] = 6;
    cr_assert_traps(try_params(run_lift_result, &type, flat, &out), "unaligned pointer: value at 0x6, alignment 4");
    flat[0] = MADE_MEMORY_BYTES - 4;
    cr_assert_traps(try_params(run_lift_result, &type, flat, &out),
                    "value pointer/length out of bounds of memory: 0x1fffc + 8");
}

Test(cabi_lift, result_of_one_slot_is_flat)
{
    uint32_t out = 0;
    struct cabi_func_type type = made_func(made_type(CABI_RECORD, 1, "x", &cabi_s8), 0);
    uint64_t flat[] = {0x1fe};
    cr_assert(!type.result_spilled);
    cr_assert_passes(try_params(run_lift_result, &type, flat, &out));
    cr_assert_eq(out, 0xfe);
}
