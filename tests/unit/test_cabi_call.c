#include "cabi_guest_made.h"
#include "wasm-rt-exceptions.h"

/* Calls from the host into an export, and from one component instance into another. */

static struct made_guest caller, callee;
static struct cabi_instance root;

static void setup(void)
{
    made_region();
    made_guest_init(&caller, RT_UTF8);
    made_guest_init(&callee, RT_UTF8);
    root.may_leave = true;
    caller.instance.parent = callee.instance.parent = &root;
}
TestSuite(cabi_export, .init = setup);
TestSuite(cabi_adapter, .init = setup);

/* --- what the callee's core code does --- */

static uint64_t seen[17]; /* its arguments */
static uint64_t answer;
static bool seen_may_leave, seen_entered;
static bool core_throws, seen_target;
static uint64_t post_returned; /* argument of post-return plus 1 */
static bool post_return_may_leave;

static void core_function(uint64_t *flat)
{
    memcpy(seen, flat, sizeof seen);
    seen_may_leave = callee.instance.may_leave;
    seen_entered = callee.instance.entered;
    seen_target = wasm_rt_get_unwind_target() != NULL;
    if (core_throws)
        wasm_rt_throw();
    flat[0] = answer;
}

static void core_post_return(uint64_t *flat)
{
    post_returned = flat[0] + 1;
    post_return_may_leave = callee.instance.may_leave;
    seen_target |= wasm_rt_get_unwind_target() != NULL;
    memset(callee.memory.data + 64, 'X', 64);
}

/* --- from the host --- */

static const char *try_export(const struct rt_export *export, const void *params, void *result)
{
    uint64_t *flat = REGION->flat;
    struct cabi_call call = {.options = &callee.options, .scratch = &callee.scratch, .task = 1};
    if (cabi_export_begin(&call, export, params, flat) != GATE_RETURNED ||
        gate_enter(export->call, flat) != GATE_RETURNED)
        return trap_text();
    struct cabi_call end = {.options = &callee.options, .scratch = &callee.scratch, .task = 1, .views = true};
    return cabi_export_end(&end, export, flat, result) == GATE_RETURNED ? NULL : trap_text();
}

Test(cabi_export, params_go_in_and_the_result_comes_out)
{
    struct cabi_func_type type = made_func(&cabi_string, 2, &cabi_string, &cabi_s8);
    struct rt_export export = {.type = &type, .call = core_function, .post_return = core_post_return};
    struct {
        struct cabi_string text;
        int8_t number;
    } params = {{"hello", 5}, -1};
    struct cabi_string result;
    put32(&callee, 16, 64);
    put32(&callee, 20, 2);
    memcpy(callee.memory.data + 64, "ok", 2);
    answer = 16;
    cr_assert_passes(try_export(&export, &params, &result));
    cr_assert(!memcmp(callee.memory.data + seen[0], "hello", 5) && seen[1] == 5 && seen[2] == 0xffffffff);
    cr_assert(seen_may_leave && seen_entered && !callee.instance.entered && !root.entered);
    cr_assert_eq(REGION->flat[31], 0, "no address of the host's stays in the region");
    cr_assert(result.size == 2 && !memcmp(result.data, "ok", 2), "a copy from before post-return");
}

/* 5.10, case 15. */
Test(cabi_export, post_return_gets_the_flat_result_once_and_may_not_leave)
{
    struct cabi_func_type type = made_func(&cabi_u32, 0);
    struct rt_export export = {.type = &type, .call = core_function, .post_return = core_post_return};
    uint32_t result;
    answer = 77;
    cr_assert_passes(try_export(&export, NULL, &result));
    cr_assert(result == 77 && post_returned == 78 && !post_return_may_leave && callee.instance.may_leave);
}

Test(cabi_export, trap_in_each_step_lands_with_the_host_and_poisons)
{
    struct cabi_func_type type = made_func(&cabi_string, 1, &cabi_string);
    struct rt_export export = {.type = &type, .call = core_function, .post_return = core_post_return};
    struct cabi_string params = {"x", 1}, result;
    callee.bad_result_at = 1;
    callee.bad_result = 0xffffffff;
    cr_assert_traps(try_export(&export, &params, &result),
                    "realloc return pointer/length out of bounds of memory: 0xffffffff + 1");
    cr_assert_traps(try_export(&export, &params, &result), "cannot enter component instance");
    callee.instance.entered = root.entered = false;
    callee.bad_result_at = 0;
    answer = 2;
    cr_assert_traps(try_export(&export, &params, &result), "unaligned pointer: value at 0x2, alignment 4");
    cr_assert_eq(post_returned, 0);
    cr_assert_traps(try_export(&export, &params, &result), "cannot enter component instance");
}

Test(cabi_export, borrow_not_dropped_traps_before_post_return)
{
    static const struct cabi_resource kind = {.name = "kind"};
    struct cabi_func_type type = made_func(NULL, 1, made_handle(CABI_BORROW, &kind));
    struct rt_export export = {.type = &type, .call = core_function, .post_return = core_post_return};
    uint32_t rep = 5;
    cr_assert_traps(try_export(&export, &rep, NULL), "borrow handles still remain at the end of the call");
    cr_assert(seen[0] == 1 && post_returned == 0);
}

/* --- from component to component --- */

static const struct rt_adapter *adapter;
static uint64_t adapter_result;

static void run_adapter(struct made_step *step)
{
    adapter_result = rt_call_component(adapter, step->flat);
}

static const char *try_adapter(const struct rt_adapter *with, uint64_t *flat)
{
    adapter = with;
    return made_attempt((struct made_step){.run = run_adapter, .flat = flat});
}

static struct rt_adapter make_adapter(const struct cabi_func_type *type)
{
    return (struct rt_adapter){.caller_type = type,
                               .callee_type = type,
                               .caller = &caller.options,
                               .callee = &callee.options,
                               .call = core_function,
                               .post_return = core_post_return};
}

Test(cabi_adapter, scalars_are_normalised_on_the_way)
{
    struct cabi_func_type type = made_func(&cabi_bool, 4, &cabi_u8, &cabi_s16, &cabi_bool, made_flags(3));
    struct rt_adapter with = make_adapter(&type);
    uint64_t flat[] = {0x1ff, 0x18000, 2, 0xff};
    answer = 0x100;
    cr_assert_passes(try_adapter(&with, flat));
    cr_assert(seen[0] == 0xff && seen[1] == 0xffff8000 && seen[2] == 1 && seen[3] == 7);
    cr_assert(adapter_result == 1 && post_returned == 0x101 && !post_return_may_leave);
    cr_assert(seen_entered && !callee.instance.entered && callee.instance.may_leave);
}

Test(cabi_adapter, strings_are_transcoded_both_ways_and_the_result_is_lowered_before_post_return)
{
    struct cabi_func_type type = made_func(&cabi_string, 1, &cabi_string);
    struct rt_adapter with = make_adapter(&type);
    caller.options.encoding = RT_UTF16;
    memcpy(caller.memory.data + 64, "h\0\xf6\0\x03\x26\x3c\xd8\x70\xdf", 10);
    memcpy(callee.memory.data + 64, "\xc3\xb6k", 3);
    put32(&callee, 16, 64);
    put32(&callee, 20, 3);
    answer = 16;
    uint64_t flat[] = {64, 5, 32};
    cr_assert_passes(try_adapter(&with, flat));
    cr_assert(seen[1] == 10 && !memcmp(callee.memory.data + seen[0], "h\xc3\xb6\xe2\x98\x83\xf0\x9f\x8d\xb0", 10));
    uint32_t addr, units;
    memcpy(&addr, caller.memory.data + 32, 4);
    memcpy(&units, caller.memory.data + 36, 4);
    cr_assert(units == 2 && !memcmp(caller.memory.data + addr, "\xf6\0k\0", 4));
    cr_assert(callee.call_count == 3 && caller.call_count == 2,
              "utf16 to utf8 grows and shrinks; utf8 to utf16 shrinks");
}

Test(cabi_adapter, list_of_strings_is_rebuilt_in_the_callee)
{
    struct cabi_func_type type = made_func(NULL, 1, made_list(&cabi_string));
    struct rt_adapter with = make_adapter(&type);
    caller.options.encoding = RT_UTF16;
    static const uint32_t table[] = {32, 2, 0, 0, 40, 1};
    memcpy(caller.memory.data + 64, table, sizeof table);
    memcpy(caller.memory.data + 32, "h\0i\0", 4);
    memcpy(caller.memory.data + 40, "\x03\x26", 2);
    uint64_t flat[] = {64, 3};
    cr_assert_passes(try_adapter(&with, flat));
    uint32_t got[6];
    memcpy(got, callee.memory.data + seen[0], sizeof got);
    cr_assert(seen[1] == 3 && got[1] == 2 && got[3] == 0 && got[5] == 3);
    cr_assert(!memcmp(callee.memory.data + got[0], "hi", 2) && !memcmp(callee.memory.data + got[4], "\xe2\x98\x83", 3));
}

Test(cabi_adapter, bad_values_of_either_side_trap)
{
    struct cabi_func_type type = made_func(&cabi_char, 1, &cabi_char);
    struct rt_adapter with = make_adapter(&type);
    uint64_t flat[] = {0xd800};
    cr_assert_traps(try_adapter(&with, flat), "invalid `char` bit pattern 0xd800");
    callee.instance.entered = false;
    flat[0] = 'a';
    answer = 0x110000;
    cr_assert_traps(try_adapter(&with, flat), "invalid `char` bit pattern 0x110000");
    cr_assert_eq(post_returned, 0);
}

Test(cabi_adapter, spilled_params_are_checked_at_the_caller_and_allocated_at_the_callee)
{
    const struct cabi_type *t = &cabi_u64;
    struct cabi_func_type type = made_func(NULL, 17, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t);
    struct rt_adapter with = make_adapter(&type);
    for (uint32_t i = 0; i < 17; i++)
        put32(&caller, 64 + 8 * i, i);
    uint64_t flat[] = {64};
    cr_assert_passes(try_adapter(&with, flat));
    cr_assert(callee.call_count == 1 && callee.calls[0].new_size == 136 && callee.calls[0].align == 8);
    cr_assert(seen[0] == callee.calls[0].result && callee.memory.data[seen[0] + 128] == 16);
    flat[0] = 60;
    cr_assert_traps(try_adapter(&with, flat), "unaligned pointer: value at 0x3c, alignment 8");
}

/* 5.10, case 19. */
Test(cabi_adapter, exception_of_the_callee_is_a_trap_even_if_the_caller_would_catch_it)
{
    struct cabi_func_type type = made_func(NULL, 0);
    struct rt_adapter with = make_adapter(&type);
    static WASM_RT_UNWIND_TARGET catches;
    wasm_rt_set_unwind_target(&catches);
    struct made_step step = {.run = run_adapter};
    adapter = &with;
    run_adapter(&step);
    cr_assert(!seen_target && wasm_rt_get_unwind_target() == &catches);
    core_throws = true;
    cr_assert_traps(try_adapter(&with, NULL), "uncaught exception");
}

static const struct cabi_resource callee_kind = {.name = "callee-kind", .owner = &callee.instance};
static const struct cabi_resource third_kind = {.name = "third-kind", .owner = &root};

static uint32_t core_drops;
static uint32_t lends_during_call;

static void core_takes_handles(uint64_t *flat)
{
    memcpy(seen, flat, sizeof seen);
    lends_during_call = caller.instance.handles[1].lend_count;
    if (core_drops)
        rt_resource_drop(&callee.instance, &third_kind, (uint32_t)flat[core_drops]);
    flat[0] = answer;
}

Test(cabi_adapter, handles_move_from_table_to_table_and_borrows_are_lent_during_the_call)
{
    struct cabi_func_type type = made_func(NULL, 3, made_handle(CABI_BORROW, &callee_kind),
                                           made_handle(CABI_BORROW, &third_kind), made_handle(CABI_OWN, &third_kind));
    struct rt_adapter with = make_adapter(&type);
    with.call = core_takes_handles;
    uint64_t flat[] = {cabi_handle_add(&caller.instance, &callee_kind, 11, true, 0),
                       cabi_handle_add(&caller.instance, &third_kind, 22, true, 0),
                       cabi_handle_add(&caller.instance, &third_kind, 33, true, 0)};
    core_drops = 1;
    cr_assert_passes(try_adapter(&with, flat));
    cr_assert(seen[0] == 11 && seen[1] == 1 && seen[2] == 2);
    cr_assert_eq(lends_during_call, 1);
    cr_assert(caller.instance.handles[1].lend_count == 0 && caller.instance.handles[2].lend_count == 0);
    cr_assert(!caller.instance.handles[3].resource && cabi_handle_get(&callee.instance, &third_kind, 2)->rep == 33);

    core_drops = 0;
    flat[2] = cabi_handle_add(&caller.instance, &third_kind, 34, true, 0);
    cr_assert_traps(try_adapter(&with, flat), "borrow handles still remain at the end of the call");
}

Test(cabi_adapter, result_that_is_owned_gets_a_handle_in_the_callers_table)
{
    struct cabi_func_type type = made_func(made_handle(CABI_OWN, &callee_kind), 0);
    struct rt_adapter with = make_adapter(&type);
    answer = cabi_handle_add(&callee.instance, &callee_kind, 99, true, 0);
    cr_assert_passes(try_adapter(&with, NULL));
    cr_assert(adapter_result == 1 && cabi_handle_get(&caller.instance, &callee_kind, 1)->rep == 99);
    cr_assert(!callee.instance.handles[1].resource);
}

/* 5.10, case 18. */
Test(cabi_adapter, calls_between_parent_and_child_and_to_oneself_trap)
{
    struct cabi_func_type type = made_func(NULL, 0);
    struct rt_adapter with = make_adapter(&type);
    caller.instance.parent = &callee.instance;
    cr_assert_traps(try_adapter(&with, NULL), "cannot enter component instance");
    caller.instance.parent = &root;
    callee.instance.parent = &caller.instance;
    cr_assert_traps(try_adapter(&with, NULL), "cannot enter component instance");
    callee.instance.parent = &root;
    with.callee = &caller.options;
    cr_assert_traps(try_adapter(&with, NULL), "cannot enter component instance");
    with.callee = &callee.options;
    cr_assert_passes(try_adapter(&with, NULL));
}

Test(cabi_adapter, instance_that_runs_or_may_not_leave_traps)
{
    struct cabi_func_type type = made_func(NULL, 0);
    struct rt_adapter with = make_adapter(&type);
    caller.instance.may_leave = false;
    callee.instance.entered = true;
    cr_assert_traps(try_adapter(&with, NULL), "cannot leave component instance");
    caller.instance.may_leave = true;
    callee.instance.entered = true;
    cr_assert_traps(try_adapter(&with, NULL), "cannot enter component instance");
    callee.instance.entered = false;
    root.entered = caller.instance.entered = true;
    cr_assert_passes(try_adapter(&with, NULL));
    cr_assert(root.entered && caller.instance.entered);
}
