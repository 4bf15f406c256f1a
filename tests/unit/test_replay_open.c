#include <criterion/criterion.h>

#include "host.h"
#include "oplog.h"
#include "replay_open.h"
#include "replay_region.h"

/* What an oplog leaves open, and what Jumps hide, found entry by entry. */

static struct oplog_tail tail = {.first_index = 1};

static uint64_t append(enum oplog_kind kind, uint64_t first, uint64_t second)
{
    oplog_append(&tail, kind, 1000, (struct oplog_value[8]){oplog_number(first), oplog_number(second)});
    return tail.count;
}

static uint64_t append_call(uint8_t class, uint64_t begin, bool silent)
{
    size_t begun = oplog_begin(&tail, OPLOG_IMPORTED_FUNCTION_INVOKED, 1000);
    oplog_put_call(&tail, begun, class, "x", (struct oplog_batch){begin, silent}, NULL, 0);
    oplog_end(&tail, begun);
    return tail.count;
}

/* All entries so far. */
static struct replay_opens note_all(void)
{
    struct replay_opens opens = {0};
    struct oplog_cursor cursor = {.index = 1};
    struct oplog_entry entry;
    oplog_enter(&cursor, tail.buf.data, tail.buf.size);
    while (oplog_next(&cursor, false, &entry) == OPLOG_NEXT_ENTRY)
        cr_assert(replay_opens_note(&opens, &entry));
    return opens;
}

static void assert_open(uint64_t begin, bool given, bool forgettable)
{
    struct replay_opens opens = note_all();
    const struct replay_open *open = replay_opens_find(&opens, begin);
    cr_assert(open != NULL, "%d is open", (int)begin);
    cr_assert_eq(open->given, given);
    cr_assert_eq(replay_opens_forgettable(&opens, begin), forgettable);
    ga_buf_free(&opens.items);
}

static void assert_ended(uint64_t begin)
{
    struct replay_opens opens = note_all();
    cr_assert_null(replay_opens_find(&opens, begin));
    ga_buf_free(&opens.items);
}

Test(replay_open, a_batch_is_open_from_its_begin_to_its_end)
{
    append(OPLOG_NO_OP, 0, 0);
    assert_ended(1);
    uint64_t begin = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
    assert_open(begin, false, true);
    append_call(DURABLE_WRITE_BATCHED, begin, true);
    assert_open(begin, false, true);
    append_call(DURABLE_WRITE_BATCHED, begin, false);
    assert_open(begin, true, true);
    append(OPLOG_END_REMOTE_WRITE, begin, 0);
    assert_ended(begin);
}

Test(replay_open, what_others_can_see_is_not_forgotten)
{
    static const struct {
        uint8_t class;
        bool forgettable;
    } CALLS[] = {{DURABLE_READ_LOCAL, true},   {DURABLE_READ_REMOTE, true},   {DURABLE_WRITE_LOCAL, false},
                 {DURABLE_WRITE_REMOTE, false}, {DURABLE_WRITE_DERIVED, true}};
    static const struct {
        enum oplog_kind kind;
        bool forgettable;
    } KINDS[] = {{OPLOG_NO_OP, true},
                 {OPLOG_GROW_MEMORY, true},
                 {OPLOG_BEGIN_ATOMIC_REGION, true},
                 {OPLOG_BEGIN_REMOTE_WRITE, false},
                 {OPLOG_EXPORTED_FUNCTION_INVOKED, false},
                 {OPLOG_EXPORTED_FUNCTION_COMPLETED, false},
                 {OPLOG_SUSPEND, false},
                 {OPLOG_LOG, false}};
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        tail.buf.size = tail.count = 0;
        append_call(CALLS[i].class, 0, false); /* before it does not matter */
        uint64_t begin = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
        append_call(CALLS[i].class, 0, false);
        assert_open(begin, false, CALLS[i].forgettable);
    }
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        tail.buf.size = tail.count = 0;
        append(KINDS[i].kind, 0, 0);
        uint64_t begin = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
        append(KINDS[i].kind, 0, 0);
        assert_open(begin, false, KINDS[i].forgettable);
    }
}

/* In whatever order their entries come: one of another batch behind the begin is enough. */
Test(replay_open, other_batches_are_seen)
{
    uint64_t a = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
    append_call(DURABLE_WRITE_BATCHED, a, false);
    uint64_t b = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
    assert_open(a, true, false);
    assert_open(b, false, true);
    append_call(DURABLE_WRITE_BATCHED, b, false);
    append_call(DURABLE_WRITE_BATCHED, a, true);
    assert_open(b, true, true);
    append_call(DURABLE_WRITE_BATCHED, a, false);
    assert_open(b, true, false);
    append_call(DURABLE_WRITE_BATCHED, b, false);
    assert_open(a, true, false);
    assert_open(b, true, false);
    append(OPLOG_END_REMOTE_WRITE, a, 0);
    uint64_t c = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
    assert_open(c, false, true);
    append(OPLOG_END_REMOTE_WRITE, b, 0);
    assert_open(c, false, false);
}

Test(replay_open, many_that_end_leave_little_behind)
{
    struct replay_opens opens;
    uint64_t first = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t begin = append(OPLOG_BEGIN_REMOTE_WRITE, 0, 0);
        append(OPLOG_END_REMOTE_WRITE, begin, 0);
        append(OPLOG_END_REMOTE_WRITE, begin, 0); /* a second end, or one of what is not known, ends nothing */
    }
    opens = note_all();
    cr_assert_leq(opens.items.size, 4 * sizeof(struct replay_open));
    cr_assert_not_null(replay_opens_find(&opens, first));
    ga_buf_free(&opens.items);
}

/* --- regions --- */

static bool add(struct replay_regions *regions, uint64_t index, uint64_t first, uint64_t last)
{
    struct oplog_entry entry = {0};
    struct oplog_cursor cursor = {.index = index};
    tail.buf.size = tail.count = 0;
    append(OPLOG_JUMP, first, last);
    oplog_enter(&cursor, tail.buf.data, tail.buf.size);
    cr_assert_eq(oplog_next(&cursor, false, &entry), OPLOG_NEXT_ENTRY);
    return replay_regions_add_jump(regions, &entry);
}

static void assert_hidden(const struct replay_regions *regions, const char *wanted)
{
    char hidden[64] = {0};
    for (uint64_t i = 0; i < strlen(wanted); i++)
        hidden[i] = replay_regions_hide(regions, i) ? '#' : '.';
    cr_assert_str_eq(hidden, wanted);
}

Test(replay_region, regions_lie_apart_or_become_one)
{
    struct replay_regions regions = {0};
    assert_hidden(&regions, "....................");
    cr_assert(add(&regions, 5, 3, 5));
    assert_hidden(&regions, "...###..............");
    cr_assert(add(&regions, 9, 8, 9));
    cr_assert(add(&regions, 12, 12, 12));
    assert_hidden(&regions, "...###..##..#.......");
    cr_assert(add(&regions, 14, 9, 14)); /* reaches into one, and over one */
    assert_hidden(&regions, "...###..#######.....");
    cr_assert(add(&regions, 16, 2, 16));
    assert_hidden(&regions, "..###############...");
    cr_assert_eq(regions.items.size, sizeof(struct replay_region));
    ga_buf_free(&regions.items);
}

Test(replay_region, a_jump_hides_what_stands_before_it_and_itself)
{
    static const uint64_t BAD[][3] = {{9, 3, 8}, {9, 3, 10}, {9, 10, 9}, {9, 1, 9}, {9, 0, 9}, {9, 9, 0}};
    struct replay_regions regions = {0};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        cr_assert_not(add(&regions, BAD[i][0], BAD[i][1], BAD[i][2]), "case %zu", i);
    assert_hidden(&regions, "............");
}
