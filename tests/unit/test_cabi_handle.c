#include "cabi_guest_made.h"

/* Handle tables, lending, and the resource built-ins. */

static struct made_guest guest, other;
static const struct cabi_resource host_kind = {.name = "host-kind"};
static uint32_t destroyed[8], destroyed_count, host_dropped;
static bool destructor_may_leave;

static void destroy(uint32_t rep)
{
    destroyed[destroyed_count++] = rep;
    destructor_may_leave = guest.instance.may_leave && guest.instance.entered;
}

static const struct cabi_resource own_kind = {.name = "own-kind", .owner = &guest.instance, .dtor = destroy};
static const struct cabi_resource no_dtor_kind = {.name = "no-dtor-kind", .owner = &guest.instance};

static void drop_on_host(const struct cabi_resource *resource, uint32_t rep)
{
    cr_assert_eq(resource, &host_kind);
    host_dropped = rep;
}

static void setup(void)
{
    made_region();
    made_guest_init(&guest, RT_UTF8);
    made_guest_init(&other, RT_UTF8);
    cabi_host_drop = drop_on_host;
}
TestSuite(cabi_handle, .init = setup);
TestSuite(cabi_resource, .init = setup);

/* --- one operation on a table, which may trap --- */

enum op { ADD_OWN, ADD_BORROW, GET, REMOVE_OWN, NEW, REP, DROP, ENTER, LEAVE };

static struct {
    enum op op;
    struct cabi_instance *instance;
    const struct cabi_resource *resource;
    uint32_t argument, result;
} wanted;

static void run_op(struct made_step *step)
{
    (void)step;
    switch (wanted.op) {
    case ADD_OWN:
    case ADD_BORROW:
        wanted.result = cabi_handle_add(wanted.instance, wanted.resource, wanted.argument, wanted.op == ADD_OWN, 1);
        return;
    case GET: wanted.result = cabi_handle_get(wanted.instance, wanted.resource, wanted.argument)->rep; return;
    case REMOVE_OWN: wanted.result = cabi_handle_remove_own(wanted.instance, wanted.resource, wanted.argument); return;
    case NEW: wanted.result = rt_resource_new(wanted.instance, wanted.resource, wanted.argument); return;
    case REP: wanted.result = rt_resource_rep(wanted.instance, wanted.resource, wanted.argument); return;
    case DROP: rt_resource_drop(wanted.instance, wanted.resource, wanted.argument); return;
    case ENTER: cabi_instance_enter(wanted.instance, NULL); return;
    case LEAVE: cabi_instance_leave(wanted.instance, NULL); return;
    }
}

static const char *try_op_of(struct made_guest *of, enum op op, const struct cabi_resource *resource, uint32_t argument)
{
    wanted.op = op;
    wanted.instance = &of->instance;
    wanted.resource = resource;
    wanted.argument = argument;
    return made_attempt((struct made_step){.run = run_op});
}

static const char *try_op(enum op op, const struct cabi_resource *resource, uint32_t argument)
{
    return try_op_of(&guest, op, resource, argument);
}

static uint32_t op(enum op op_, const struct cabi_resource *resource, uint32_t argument)
{
    cr_assert_passes(try_op(op_, resource, argument));
    return wanted.result;
}

/* 5.10, case 10. */
Test(cabi_handle, indexes_begin_at_one_and_are_reused_last_in_first_out)
{
    for (uint32_t i = 1; i <= 100; i++)
        cr_assert_eq(op(NEW, i & 1 ? &host_kind : &own_kind, i), i);
    op(REMOVE_OWN, &host_kind, 3);
    op(REMOVE_OWN, &own_kind, 70);
    op(REMOVE_OWN, &host_kind, 5);
    cr_assert_eq(op(NEW, &own_kind, 0), 5);
    cr_assert_eq(op(NEW, &own_kind, 0), 70);
    cr_assert_eq(op(NEW, &own_kind, 0), 3);
    cr_assert_eq(op(NEW, &own_kind, 0), 101);
    for (uint32_t i = 6; i <= 69; i++)
        cr_assert_eq(op(REP, i & 1 ? &host_kind : &own_kind, i), i);
}

Test(cabi_handle, unknown_index_traps_wherever_it_is_used)
{
    op(NEW, &host_kind, 7);
    op(NEW, &host_kind, 8);
    op(REMOVE_OWN, &host_kind, 1);
    static const struct {
        uint32_t index;
        const char *trap;
    } cases[] = {{0, "unknown handle index 0"},
                 {1, "unknown handle index 1"},
                 {3, "unknown handle index 3"},
                 {0xffffffff, "unknown handle index 4294967295"}};
    for (int i = 0; i < 4; i++)
        for (enum op op_ = GET; op_ <= DROP; op_++)
            if (op_ != NEW)
                cr_assert_traps(try_op(op_, &host_kind, cases[i].index), cases[i].trap);
    cr_assert_traps(try_op_of(&other, REP, &host_kind, 2), "unknown handle index 2");
}

Test(cabi_handle, index_behind_a_full_table_is_unknown)
{
    for (uint32_t i = 1; i <= 15; i++)
        op(NEW, &host_kind, i);
    cr_assert_eq(guest.instance.handle_count, guest.instance.handle_capacity);
    char *behind = region_alloc(64);
    cr_assert_eq(behind, (char *)(guest.instance.handles + 16));
    memset(behind, 0xff, 64);
    cr_assert_traps(try_op(REP, &host_kind, 16), "unknown handle index 16");
}

/* 5.10, case 11: identity of a type is its address, not its name. */
Test(cabi_handle, handle_of_another_type_traps)
{
    static const struct cabi_resource twin = {.name = "own-kind", .owner = &guest.instance};
    op(NEW, &own_kind, 1);
    for (enum op op_ = GET; op_ <= DROP; op_++)
        if (op_ != NEW)
            cr_assert_traps(try_op(op_, &twin, 1),
                            "handle index 1 used with the wrong type, expected own-kind but found own-kind");
}

Test(cabi_handle, table_that_fills_the_region_traps)
{
    const char *trap = NULL;
    while (region_alloc(16 << 20))
        ;
    while (region_alloc(256))
        ;
    for (int i = 0; i < 100000 && !trap; i++)
        trap = try_op(NEW, &host_kind, 0);
    cr_assert(trap && strstr(trap, "no memory for"), "%s", trap ? trap : "none");
}

Test(cabi_handle, more_than_the_limit_traps)
{
    guest.instance.handle_count = guest.instance.handle_capacity = GA_MAX_HANDLES + 1u;
    cr_assert_traps(try_op(NEW, &host_kind, 0), "too many handles (limit is 268435455)");
}

/* --- lifting and lowering --- */

Test(cabi_handle, own_moves_out_of_the_table_and_in)
{
    struct cabi_type *own = made_handle(CABI_OWN, &host_kind);
    uint32_t rep = 0x1234;
    uint64_t flat[1];
    cr_assert_passes(try_lower(&guest.call, own, &rep, flat));
    cr_assert_eq(flat[0], 1);
    rep = 0;
    cr_assert_passes(try_lift(&guest.call, own, flat, &rep));
    cr_assert_eq(rep, 0x1234);
    cr_assert_traps(try_lift(&guest.call, own, flat, &rep), "unknown handle index 1");
}

Test(cabi_handle, borrow_handle_passed_as_own_traps)
{
    uint32_t rep;
    uint64_t flat[1] = {op(ADD_BORROW, &host_kind, 5)};
    cr_assert_traps(try_lift(&guest.call, made_handle(CABI_OWN, &host_kind), flat, &rep),
                    "cannot lift own resource from a borrow (handle index 1)");
}

/* 5.10, case 12. */
Test(cabi_handle, borrow_in_the_defining_instance_is_the_bare_rep)
{
    uint32_t rep = 0xabcd;
    uint64_t flat[1];
    cr_assert_passes(try_lower(&guest.call, made_handle(CABI_BORROW, &own_kind), &rep, flat));
    cr_assert(flat[0] == 0xabcd && guest.instance.handle_count == 0 && guest.instance.borrow_count == 0);
    cr_assert_passes(try_lower(&other.call, made_handle(CABI_BORROW, &own_kind), &rep, flat));
    cr_assert(flat[0] == 1 && other.instance.borrow_count == 1);
}

static void run_end(struct made_step *step)
{
    cabi_call_end(step->call);
}

static const char *try_end(struct cabi_call *call)
{
    return made_attempt((struct made_step){.run = run_end, .call = call});
}

Test(cabi_handle, borrow_that_remains_at_the_end_of_the_call_traps)
{
    uint32_t rep = 1;
    uint64_t flat[2];
    cr_assert_passes(try_lower(&guest.call, made_handle(CABI_BORROW, &host_kind), &rep, &flat[0]));
    cr_assert_passes(try_lower(&guest.call, made_handle(CABI_BORROW, &host_kind), &rep, &flat[1]));
    op(DROP, &host_kind, (uint32_t)flat[0]);
    cr_assert_traps(try_end(&guest.call), "borrow handles still remain at the end of the call");
    op(DROP, &host_kind, (uint32_t)flat[1]);
    cr_assert_passes(try_end(&guest.call));
    cr_assert_eq(host_dropped, 0);
}

Test(cabi_handle, borrows_of_the_callers_task_do_not_matter_to_an_import)
{
    op(ADD_BORROW, &host_kind, 1);
    guest.call.task = 0;
    cr_assert_passes(try_end(&guest.call));
}

/* 5.10, case 13. */
Test(cabi_handle, lent_handle_can_be_neither_moved_nor_dropped_until_the_call_ends)
{
    struct cabi_type *own = made_handle(CABI_OWN, &host_kind), *borrow = made_handle(CABI_BORROW, &host_kind);
    uint32_t rep;
    uint64_t flat[2] = {op(NEW, &host_kind, 9), op(ADD_BORROW, &host_kind, 10)};
    guest.call.task = 0;
    cr_assert_passes(try_lift(&guest.call, borrow, &flat[0], &rep));
    cr_assert_eq(rep, 9);
    cr_assert_passes(try_lift(&guest.call, borrow, &flat[0], &rep));
    cr_assert_passes(try_lift(&guest.call, borrow, &flat[1], &rep));
    cr_assert_eq(rep, 10);
    cr_assert_traps(try_lift(&guest.call, own, &flat[0], &rep),
                    "cannot remove owned resource while borrowed (handle index 1)");
    cr_assert_traps(try_op(DROP, &host_kind, 1), "cannot remove owned resource while borrowed (handle index 1)");
    cr_assert_traps(try_op(DROP, &host_kind, 2), "cannot remove lent resource while borrowed (handle index 2)");
    cr_assert_eq(op(REP, &host_kind, 1), 9);
    cr_assert_passes(try_end(&guest.call));
    op(DROP, &host_kind, 1);
    op(DROP, &host_kind, 2);
}

Test(cabi_handle, own_and_borrow_of_one_handle_in_one_argument_list_trap_in_either_order)
{
    struct cabi_type *own = made_handle(CABI_OWN, &host_kind), *borrow = made_handle(CABI_BORROW, &host_kind);
    struct cabi_type *pair = made_type(CABI_TUPLE, 2, NO_NAME, borrow, NO_NAME, own);
    struct cabi_type *reverse = made_type(CABI_TUPLE, 2, NO_NAME, own, NO_NAME, borrow);
    uint32_t reps[2];
    uint64_t flat[2] = {1, 1};
    op(NEW, &host_kind, 9);
    cr_assert_traps(try_lift(&guest.call, pair, flat, reps),
                    "cannot remove owned resource while borrowed (handle index 1)");
    cr_assert_passes(try_end(&guest.call));
    cr_assert_traps(try_lift(&guest.call, reverse, flat, reps), "unknown handle index 1");
}

Test(cabi_handle, a_call_may_lend_many_handles)
{
    enum { COUNT = 1000 };
    uint32_t handles[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        handles[i] = op(NEW, &host_kind, i);
    memcpy(guest.memory.data + 64, handles, sizeof handles);
    struct cabi_list list;
    uint64_t flat[2] = {64, COUNT};
    guest.call.task = 0;
    cr_assert_passes(try_lift(&guest.call, made_list(made_handle(CABI_BORROW, &host_kind)), flat, &list));
    cr_assert_eq(((uint32_t *)list.items)[COUNT - 1], COUNT - 1);
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert_eq(guest.instance.handles[handles[i]].lend_count, 1);
    cr_assert_passes(try_end(&guest.call));
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert_eq(guest.instance.handles[handles[i]].lend_count, 0);
}

/* --- built-ins --- */

/* 5.6: new and drop may not be used during realloc and post-return, rep may. */
Test(cabi_resource, only_rep_is_allowed_while_the_instance_may_not_leave)
{
    op(NEW, &own_kind, 5);
    guest.instance.may_leave = false;
    cr_assert_traps(try_op(NEW, &own_kind, 5), "cannot leave component instance");
    cr_assert_traps(try_op(DROP, &own_kind, 1), "cannot leave component instance");
    cr_assert_eq(op(REP, &own_kind, 1), 5);
}

Test(cabi_resource, dropping_an_own_handle_of_a_host_type_tells_the_host)
{
    op(NEW, &host_kind, 77);
    op(DROP, &host_kind, 1);
    cr_assert(host_dropped == 77 && destroyed_count == 0);
    cr_assert_traps(try_op(DROP, &host_kind, 1), "unknown handle index 1");
}

/* 5.10, case 14. */
Test(cabi_resource, destructor_runs_in_the_defining_instance_with_the_rep)
{
    cr_assert_passes(try_op_of(&other, ADD_OWN, &own_kind, 42));
    cr_assert_passes(try_op_of(&other, DROP, &own_kind, 1));
    cr_assert(destroyed_count == 1 && destroyed[0] == 42);
    cr_assert(destructor_may_leave && !guest.instance.entered);
}

Test(cabi_resource, dropping_ones_own_resource_needs_no_entry)
{
    op(ENTER, NULL, 0);
    op(NEW, &own_kind, 4);
    op(DROP, &own_kind, 1);
    cr_assert(destroyed_count == 1 && guest.instance.entered);
}

Test(cabi_resource, dropping_into_an_instance_that_runs_traps_even_without_destructor)
{
    op(ENTER, NULL, 0);
    cr_assert_passes(try_op_of(&other, ADD_OWN, &no_dtor_kind, 42));
    cr_assert_traps(try_op_of(&other, DROP, &no_dtor_kind, 1), "cannot enter component instance");
}

Test(cabi_resource, dropping_a_borrow_runs_nothing)
{
    cr_assert_passes(try_op_of(&other, ADD_BORROW, &own_kind, 42));
    cr_assert_passes(try_op_of(&other, DROP, &own_kind, 1));
    cr_assert(destroyed_count == 0 && other.instance.borrow_count == 0);
}

Test(cabi_resource, host_destroys_what_it_owned)
{
    cr_assert_eq(cabi_resource_destroy(&own_kind, 12, REGION->flat), GATE_RETURNED);
    cr_assert(destroyed_count == 1 && destroyed[0] == 12 && destructor_may_leave && !guest.instance.entered);
    op(ENTER, NULL, 0);
    cr_assert_eq(cabi_resource_destroy(&own_kind, 12, REGION->flat), GATE_TRAPPED);
}

Test(cabi_resource, entering_marks_ancestors_too)
{
    guest.instance.parent = &other.instance;
    op(ENTER, NULL, 0);
    cr_assert(guest.instance.entered && other.instance.entered);
    cr_assert_traps(try_op_of(&other, ENTER, NULL, 0), "cannot enter component instance");
    op(LEAVE, NULL, 0);
    cr_assert(!guest.instance.entered && !other.instance.entered);
}
