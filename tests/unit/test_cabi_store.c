#include "cabi_guest_made.h"

/* Storing and flat lowering, and realloc. */

static struct made_guest guest;

static void setup(void)
{
    made_region();
    made_guest_init(&guest, RT_UTF8);
}
TestSuite(cabi_store, .init = setup);
TestSuite(cabi_lower, .init = setup);

static bool memory_is(uint32_t addr, const void *bytes, size_t size)
{
    return !memcmp(guest.memory.data + addr, bytes, size);
}

Test(cabi_store, record_leaves_its_padding_alone)
{
    struct {
        uint8_t a;
        uint64_t b;
        uint16_t c;
    } value = {0x11, 0x0807060504030201, 0x1234};
    struct cabi_type *type = made_type(CABI_RECORD, 3, "a", &cabi_u8, "b", &cabi_u64, "c", &cabi_u16);
    memset(guest.memory.data + 64, '_', 24);
    cr_assert_passes(try_store(&guest.call, type, &value, 64));
    cr_assert(memory_is(64, "\x11_______\x01\x02\x03\x04\x05\x06\x07\x08\x34\x12______", 24));
}

Test(cabi_store, discriminants_have_their_width)
{
    uint32_t value = 255;
    memset(guest.memory.data, '_', 8);
    cr_assert_passes(try_store(&guest.call, made_enum(256), &value, 0));
    cr_assert(memory_is(0, "\xff___", 4));
    value = 256;
    cr_assert_passes(try_store(&guest.call, made_enum(257), &value, 0));
    cr_assert(memory_is(0, "\x00\x01__", 4));
    value = 65536;
    cr_assert_passes(try_store(&guest.call, made_enum(65537), &value, 4));
    cr_assert(memory_is(4, "\x00\x00\x01\x00", 4));
}

Test(cabi_store, place_is_checked_for_alignment_and_bounds)
{
    uint64_t value = 1;
    cr_assert_traps(try_store(&guest.call, &cabi_u64, &value, 4), "unaligned pointer: value at 0x4, alignment 8");
    cr_assert_traps(try_store(&guest.call, &cabi_u64, &value, MADE_MEMORY_BYTES),
                    "value pointer/length out of bounds of memory: 0x20000 + 8");
    cr_assert_passes(try_store(&guest.call, &cabi_u64, &value, MADE_MEMORY_BYTES - 8));
}

Test(cabi_store, flags_are_masked_and_bools_are_one)
{
    uint32_t value = 0xffffffff;
    memset(guest.memory.data, '_', 8);
    cr_assert_passes(try_store(&guest.call, made_flags(9), &value, 0));
    cr_assert(memory_is(0, "\xff\x01__", 4));
    cr_assert_passes(try_store(&guest.call, &cabi_bool, &value, 3));
    cr_assert(memory_is(2, "_\x01", 2));
}

Test(cabi_store, realloc_is_called_once_for_a_list_with_the_item_alignment)
{
    uint16_t items[] = {1, 2, 3};
    struct cabi_list list = {items, 3};
    cr_assert_passes(try_store(&guest.call, made_list(&cabi_u16), &list, 8));
    cr_assert_eq(guest.call_count, 1);
    struct made_realloc_call *call = &guest.calls[0];
    cr_assert(call->old_addr == 0 && call->old_size == 0 && call->align == 2 && call->new_size == 6);
    cr_assert(memory_is(8, &call->result, 4) && memory_is(12, "\x03\x00\x00\x00", 4));
    cr_assert(memory_is(call->result, items, 6));
}

/* 5.10, case 1. */
Test(cabi_store, realloc_is_called_for_an_empty_list_and_its_result_checked)
{
    struct cabi_list list = {NULL, 0};
    uint64_t flat[2];
    cr_assert_passes(try_lower(&guest.call, made_list(&cabi_u64), &list, flat));
    struct made_realloc_call *call = &guest.calls[0];
    cr_assert_eq(guest.call_count, 1);
    cr_assert(call->old_addr == 0 && call->old_size == 0 && call->align == 8 && call->new_size == 0);
    cr_assert(flat[0] == call->result && flat[1] == 0);

    guest.bad_result_at = 1;
    guest.bad_result = 0xffffffff;
    cr_assert_traps(try_lower(&guest.call, made_list(&cabi_u64), &list, flat),
                    "unaligned pointer: realloc return at 0xffffffff, alignment 8");
    cr_assert_traps(try_lower(&guest.call, made_list(&cabi_u8), &list, flat),
                    "realloc return pointer/length out of bounds of memory: 0xffffffff + 0");
    guest.bad_result = MADE_MEMORY_BYTES;
    cr_assert_passes(try_lower(&guest.call, made_list(&cabi_u8), &list, flat));
}

Test(cabi_store, realloc_result_that_does_not_hold_the_value_traps)
{
    uint8_t items[16] = {0};
    struct cabi_list list = {items, 16};
    uint64_t flat[2];
    guest.bad_result_at = 1;
    guest.bad_result = MADE_MEMORY_BYTES - 15;
    cr_assert_traps(try_lower(&guest.call, made_list(&cabi_u8), &list, flat),
                    "realloc return pointer/length out of bounds of memory: 0x1fff1 + 16");
    guest.bad_result = MADE_MEMORY_BYTES - 16;
    cr_assert_passes(try_lower(&guest.call, made_list(&cabi_u8), &list, flat));
    guest.bad_result = 0xfffffff8;
    cr_assert_traps(try_lower(&guest.call, made_list(&cabi_u8), &list, flat),
                    "realloc return pointer/length out of bounds of memory: 0xfffffff8 + 16");
}

/* 5.10, case 16. */
Test(cabi_store, instance_may_not_leave_during_realloc)
{
    struct cabi_string text = {"x", 1};
    uint64_t flat[2];
    for (int direct = 0; direct < 2; direct++) {
        guest.call.on_guest_stack = direct;
        cr_assert_passes(try_lower(&guest.call, &cabi_string, &text, flat));
        cr_assert(!guest.calls[direct].may_leave && guest.instance.may_leave);
    }
}

Test(cabi_store, list_of_strings_allocates_the_list_first_and_each_string_in_order)
{
    struct cabi_string items[] = {{"hi", 2}, {"", 0}, {"abc", 3}};
    struct cabi_list list = {items, 3};
    uint64_t flat[2];
    cr_assert_passes(try_lower(&guest.call, made_list(&cabi_string), &list, flat));
    cr_assert_eq(guest.call_count, 4);
    cr_assert(guest.calls[0].new_size == 24 && guest.calls[0].align == 4);
    cr_assert(guest.calls[1].new_size == 2 && guest.calls[2].new_size == 0 && guest.calls[3].new_size == 3);
    cr_assert(memory_is(guest.calls[0].result + 16, &guest.calls[3].result, 4));
    cr_assert(memory_is(guest.calls[3].result, "abc", 3));
}

Test(cabi_store, list_beyond_the_limit_traps_before_realloc)
{
    struct cabi_list list = {NULL, 1u << 26};
    uint64_t flat[2];
    cr_assert_traps(try_lower(&guest.call, made_list(&cabi_u32), &list, flat),
                    "list of 67108864 items of 4 bytes is too long (limit is 268435455)");
    cr_assert_eq(guest.call_count, 0);
}

Test(cabi_lower, signed_values_are_extended_to_32_bits_and_no_further)
{
    uint64_t flat[1];
    int64_t value = -2;
    static const struct {
        const struct cabi_type *type;
        uint64_t slot;
    } cases[] = {{&cabi_s8, 0xfffffffe},          {&cabi_u8, 0xfe},
                 {&cabi_s16, 0xfffffffe},         {&cabi_u16, 0xfffe},
                 {&cabi_s32, 0xfffffffe},         {&cabi_u32, 0xfffffffe},
                 {&cabi_s64, 0xfffffffffffffffe}, {&cabi_u64, 0xfffffffffffffffe},
                 {&cabi_f32, 0xfffffffe},         {&cabi_f64, 0xfffffffffffffffe}};
    for (int i = 0; i < 10; i++) {
        flat[0] = UINT64_MAX;
        cr_assert_passes(try_lower(&guest.call, cases[i].type, &value, flat));
        cr_assert_eq(flat[0], cases[i].slot, "case %d", i);
    }
}

/* 5.10, case 6. */
Test(cabi_lower, joined_slots_are_zero_extended_and_unused_ones_zero)
{
    struct {
        uint32_t tag;
        union {
            int32_t s32;
            float f32;
            uint64_t pair[2];
        } value;
    } value;
    struct cabi_type *pair = made_type(CABI_TUPLE, 2, NO_NAME, &cabi_u64, NO_NAME, &cabi_u64);
    struct cabi_type *type = made_type(CABI_VARIANT, 4, "a", &cabi_s32, "b", &cabi_f32, "c", pair, "d", NO_TYPE);
    static const uint64_t wanted[4][3] = {{0, 0xffffffff, 0}, {1, 0xbf800000, 0}, {2, 5, 6}, {3, 0, 0}};
    for (uint32_t tag = 0; tag < 4; tag++) {
        uint64_t flat[4] = {9, 9, 9, 9};
        memset(&value, 0xff, sizeof value);
        value.tag = tag;
        if (tag == 1)
            value.value.f32 = -1;
        if (tag == 2)
            value.value.pair[0] = 5, value.value.pair[1] = 6;
        cr_assert_passes(try_lower(&guest.call, type, &value, flat));
        cr_assert(!memcmp(flat, wanted[tag], 24) && flat[3] == 9, "case %u", tag);
    }
}

/* --- parameters and results --- */

static const struct cabi_func_type *func;
static uint64_t result_slot;

static void run_lower_params(struct made_step *step)
{
    cabi_lower_params(step->call, func, step->native, step->flat);
}
static void run_lower_result(struct made_step *step)
{
    result_slot = cabi_lower_result(step->call, func, step->native, step->flat);
}

static const char *try_func(void (*run)(struct made_step *), const struct cabi_func_type *type, const void *native,
                            uint64_t *flat)
{
    func = type;
    return made_attempt((struct made_step){.run = run, .call = &guest.call, .native = native, .flat = flat});
}

Test(cabi_lower, params_that_spill_go_into_one_allocated_tuple)
{
    const struct cabi_type *t = &cabi_u8;
    struct cabi_func_type type = made_func(NULL, 17, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, &cabi_bool, &cabi_u32);
    struct {
        uint8_t bytes[16];
        uint32_t last;
    } value = {"0123456789abcde", 0x64636261};
    value.bytes[15] = 1;
    uint64_t flat[2] = {0, 9};
    cr_assert_passes(try_func(run_lower_params, &type, &value, flat));
    cr_assert(guest.call_count == 1 && guest.calls[0].align == 4 && guest.calls[0].new_size == 20);
    cr_assert(flat[0] == guest.calls[0].result && flat[1] == 9);
    cr_assert(memory_is((uint32_t)flat[0],
                        "0123456789abcde\x01"
                        "abcd",
                        20));

    guest.bad_result_at = 1;
    guest.bad_result = 2;
    cr_assert_traps(try_func(run_lower_params, &type, &value, flat),
                    "unaligned pointer: realloc return at 0x2, alignment 4");
}

Test(cabi_lower, result_goes_where_the_pointer_behind_the_params_says)
{
    struct {
        uint64_t a;
        uint32_t b;
    } value = {0x1122334455667788, 0x99};
    struct cabi_type *record = made_type(CABI_RECORD, 2, "a", &cabi_u64, "b", &cabi_u32);
    struct cabi_func_type type = made_func(record, 2, &cabi_string, &cabi_u64);
    uint64_t flat[] = {0, 0, 0, 64};
    cr_assert_passes(try_func(run_lower_result, &type, &value, flat));
    cr_assert(memory_is(64, "\x88\x77\x66\x55\x44\x33\x22\x11\x99\x00\x00\x00", 12));
    cr_assert_eq(result_slot, 0);
    flat[3] = 68;
    cr_assert_traps(try_func(run_lower_result, &type, &value, flat), "unaligned pointer: value at 0x44, alignment 8");
    flat[3] = MADE_MEMORY_BYTES - 8;
    cr_assert_traps(try_func(run_lower_result, &type, &value, flat),
                    "value pointer/length out of bounds of memory: 0x1fff8 + 16");
}

Test(cabi_lower, result_pointer_of_spilled_params_is_the_second_argument)
{
    const struct cabi_type *t = &cabi_string;
    struct cabi_func_type type = made_func(&cabi_string, 9, t, t, t, t, t, t, t, t, t);
    struct cabi_string value = {"ok", 2};
    uint64_t flat[] = {0, 128};
    cr_assert(type.params_spilled);
    cr_assert_passes(try_func(run_lower_result, &type, &value, flat));
    cr_assert(memory_is(128, &guest.calls[0].result, 4));
}

Test(cabi_lower, result_of_one_slot_is_returned)
{
    struct cabi_func_type type = made_func(&cabi_s8, 0), none = made_func(NULL, 0);
    int8_t value = -1;
    cr_assert_passes(try_func(run_lower_result, &type, &value, NULL));
    cr_assert_eq(result_slot, 0xffffffff);
    cr_assert_passes(try_func(run_lower_result, &none, NULL, NULL));
    cr_assert_eq(result_slot, 0);
}

/* --- everything there and back --- */

static const char *encoded(const struct cabi_type *type, const void *native, struct ga_buf *out)
{
    out->size = 0;
    cabi_encode(type, native, out);
    return (const char *)out->data;
}

static void round_trip(const struct cabi_type *type, const void *value, struct ga_buf *before, struct ga_buf *after)
{
    void *back = made_zeroed(type->native_size);
    encoded(type, value, before);
    guest.heap = MADE_HEAP;
    cr_assert_passes(try_store(&guest.call, type, value, 1024));
    cr_assert_passes(try_load(&guest.call, type, 1024, back));
    encoded(type, back, after);
    cr_assert(before->size == after->size && !memcmp(before->data, after->data, before->size));
    if (type->flat_count != 255) {
        uint64_t flat[16];
        memset(back, 0, type->native_size);
        cr_assert_passes(try_lower(&guest.call, type, value, flat));
        cr_assert_passes(try_lift(&guest.call, type, flat, back));
        encoded(type, back, after);
        cr_assert(before->size == after->size && !memcmp(before->data, after->data, before->size));
    }
    free(back);
}

Test(cabi_store, random_values_of_random_types_come_back)
{
    struct ga_buf before = {0}, after = {0};
    struct made_random random = {20261120};
    for (int i = 0; i < 3000; i++) {
        guest.options.encoding = (uint8_t)(i % 3);
        guest.call.on_guest_stack = i & 1;
        guest.call.views = i & 2;
        const struct cabi_type *type = made_random_type(&random, 4);
        void *value = made_zeroed(type->native_size);
        made_random_value(&random, type, value);
        round_trip(type, value, &before, &after);
        free(value);
        ga_arena_reset(&guest.scratch);
    }
    ga_buf_free(&before);
    ga_buf_free(&after);
}
