#include "oplog.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORKER = 42 };

static struct oplog_tail new_tail(void)
{
    return (struct oplog_tail){.first_index = 1, .chain = oplog_chain_start(WORKER)};
}

static struct oplog_cursor cursor_of(const struct oplog_tail *tail)
{
    struct oplog_cursor cursor = {.index = tail->first_index, .chain = oplog_chain_start(WORKER)};
    oplog_enter(&cursor, tail->buf.data, tail->buf.size);
    return cursor;
}

static void append_call(struct oplog_tail *tail, const char *name, const void *request, size_t request_size,
                        const char *response)
{
    size_t begun = oplog_begin(tail, OPLOG_IMPORTED_FUNCTION_INVOKED, 1000);
    oplog_put_call(tail, begun, 2, name, (struct oplog_batch){0}, request, request_size);
    ga_buf_append(&tail->buf, response, strlen(response));
    oplog_end(tail, begun);
}

/* One entry of each kind that has fields of each type. */
static void append_samples(struct oplog_tail *tail)
{
    static const char *const ARGS[] = {"-v", "x \"y\""}, *const ENV[] = {"A=1"};
    struct ga_buf args = {0}, env = {0}, files = {0};
    oplog_append(tail, OPLOG_CREATE, 1700000000123456,
                 (struct oplog_value[]){oplog_text("w"), oplog_text("id"), oplog_text("hash"), oplog_number(0),
                                        oplog_texts(ARGS, 2, &args), oplog_texts(ENV, 1, &env), oplog_text(""),
                                        oplog_texts(NULL, 0, &files)});
    oplog_append(tail, OPLOG_EXPORTED_FUNCTION_INVOKED, 1700000000123457,
                 (struct oplog_value[]){oplog_text("demo:cart/api@1.0.0.{add}"), oplog_text("key 1"), oplog_text(""),
                                        oplog_bytes("\x01\x02", 2)});
    append_call(tail, "wall_clock::now", "", 0, "abc");
    oplog_append(tail, OPLOG_LOG, 1700000000123458,
                 (struct oplog_value[]){oplog_number(0), oplog_text("stdout"), oplog_text("a\nb\x01")});
    oplog_append(tail, OPLOG_ERROR, 1700000000123459, (struct oplog_value[]){oplog_number(2), oplog_text("stack")});
    oplog_append(tail, OPLOG_NO_OP, 1700000000123460, NULL);
    oplog_append(tail, OPLOG_EXPORTED_FUNCTION_COMPLETED, 1700000000123461,
                 (struct oplog_value[]){oplog_number(0), oplog_bytes("\xff", 1)});
    ga_buf_free(&args);
    ga_buf_free(&env);
}

static char *print_all(const struct oplog_tail *tail, bool json)
{
    struct oplog_cursor cursor = cursor_of(tail);
    struct oplog_entry entry;
    struct ga_buf out = {0};
    while (oplog_next(&cursor, true, &entry) == OPLOG_NEXT_ENTRY)
        oplog_print(&(struct oplog_printer){.json = json}, &entry, &out);
    char *text = strdup(ga_buf_cstr(&out));
    ga_buf_free(&out);
    return text;
}

Test(oplog, text_form_is_as_documented)
{
    struct oplog_tail tail = new_tail();
    append_samples(&tail);
    char *text = print_all(&tail, false);
    cr_assert_str_eq(text,
                     "1 2023-11-14T22:13:20.123456Z Create workerName=\"w\" componentId=\"id\" componentHash=\"hash\" "
                     "componentVersion=0 args=[\"-v\", \"x \\\"y\\\"\"] env=[\"A=1\"] parent=\"\" files=[]\n"
                     "2 2023-11-14T22:13:20.123457Z ExportedFunctionInvoked functionName=\"demo:cart/api@1.0.0.{add}\" "
                     "idempotencyKey=\"key 1\" traceId=\"\" request=0x0102\n"
                     "3 1970-01-01T00:00:00.001000Z ImportedFunctionInvoked wrappedFunctionType=ReadLocal "
                     "functionName=\"wall_clock::now\" request=0x response=0x616263\n"
                     "4 2023-11-14T22:13:20.123458Z Log level=Stdout context=\"stdout\" message=\"a\\nb\\u0001\"\n"
                     "5 2023-11-14T22:13:20.123459Z Error error=StackOverflow details=\"stack\"\n"
                     "6 2023-11-14T22:13:20.123460Z NoOp\n"
                     "7 2023-11-14T22:13:20.123461Z ExportedFunctionCompleted consumedFuel=0 response=0xff\n");
    free(text);
    ga_buf_free(&tail.buf);
}

Test(oplog, json_form_has_one_object_a_line)
{
    struct oplog_tail tail = new_tail();
    append_call(&tail, "x::y", "ab", 2, "");
    oplog_append(&tail, OPLOG_LOG, 1,
                 (struct oplog_value[]){oplog_number(9), oplog_text("c"), oplog_bytes("\xff\"", 2)});
    char *text = print_all(&tail, true);
    cr_assert_str_eq(text,
                     "{\"oplogIndex\":1,\"entry\":{\"type\":\"ImportedFunctionInvoked\",\"timestamp\":\"1970-01-01T00:00:00."
                     "001000Z\",\"wrappedFunctionType\":\"ReadLocal\",\"functionName\":\"x::y\","
                     "\"request\":\"0x6162\",\"response\":\"0x\"}}\n"
                     "{\"oplogIndex\":2,\"entry\":{\"type\":\"Log\",\"timestamp\":\"1970-01-01T00:00:00.000001Z\","
                     "\"level\":\"?\",\"context\":\"c\",\"message\":\"\xef\xbf\xbd\\\"\"}}\n");
    free(text);
    ga_buf_free(&tail.buf);
}

/* Class, name, twice the begin and whether it is silent, request, response. */
Test(oplog, a_value_of_a_batch_names_its_begin)
{
    static const uint8_t BYTES[] = {2, 12, 0xd0, 0x0f, 0, 6, 4, 'a', ':', ':', 'b', 0xd8, 0x04, 0};
    static const char NAME[] = "a::b";
    struct oplog_tail tail = new_tail();
    for (int silent = 0; silent <= 1; silent++) {
        size_t begun = oplog_begin(&tail, OPLOG_IMPORTED_FUNCTION_INVOKED, 1000);
        oplog_put_call(&tail, begun, OPLOG_BATCHED, NAME, (struct oplog_batch){300, silent}, NULL, 0);
        oplog_end(&tail, begun);
    }
    cr_assert_arr_eq(tail.buf.data + 4, BYTES, sizeof BYTES);
    struct oplog_cursor cursor = cursor_of(&tail);
    struct oplog_entry entry;
    struct oplog_call call;
    for (int silent = 0; silent <= 1; silent++) {
        cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
        cr_assert(oplog_decode_call(&entry, &call));
        cr_assert(call.batch.begin == 300 && call.batch.silent == (silent != 0));
    }
    char *text = print_all(&tail, false), *json = print_all(&tail, true);
    cr_assert_str_eq(strchr(text, ' ') + 29,
                     "ImportedFunctionInvoked wrappedFunctionType=WriteRemoteBatched functionName=\"a::b\" beginIndex=300 "
                     "request=0x response=0x\n2 1970-01-01T00:00:00.001000Z ImportedFunctionInvoked "
                     "wrappedFunctionType=WriteRemoteBatched functionName=\"a::b\" beginIndex=300 request=0x response=0x\n");
    cr_assert_not_null(strstr(json, "\"wrappedFunctionType\":\"WriteRemoteBatched\",\"functionName\":\"a::b\","
                                    "\"beginIndex\":300,\"request\":\"0x\""));
    free(text);
    free(json);
    ga_buf_free(&tail.buf);
}

static void check_bytes(const struct oplog_tail *tail, size_t begun, const uint8_t *expected, size_t size)
{
    cr_assert_leq(begun + 4 + size, tail->buf.size);
    cr_assert_arr_eq(tail->buf.data + begun + 4, expected, size, "entry at %zu", begun);
}

Test(oplog, bytes_of_an_entry_are_as_documented)
{
    struct oplog_tail tail = new_tail();
    oplog_append(&tail, OPLOG_GROW_MEMORY, 0x0011223344556677, (struct oplog_value[]){oplog_number(300)});
    cr_assert_arr_eq(tail.buf.data, (uint8_t *)&tail.chain, 4);
    oplog_append(&tail, OPLOG_NO_OP, 0x0011223344556676, NULL);
    static const uint8_t FIRST[] = {20, 10, 0xee, 0x99, 0xab, 0xc5, 0xe8, 0x8c, 0x91, 0x11, 0xac, 0x02};
    static const uint8_t SECOND[] = {7, 1, 1};
    check_bytes(&tail, 0, FIRST, sizeof FIRST);
    check_bytes(&tail, 16, SECOND, sizeof SECOND);
    cr_assert_eq(tail.buf.size, 16 + 7);
    ga_buf_free(&tail.buf);
}

Test(oplog, a_chunk_has_a_callee_once)
{
    static const char NAME[] = "a::b";
    static const uint8_t FIRST[] = {2, 13, 0xd0, 0x0f, 0, 2, 4, 'a', ':', ':', 'b', 1, 'q', 'r', 's'};
    static const uint8_t SECOND[] = {2, 4, 0, 1, 0, 't'};
    struct oplog_tail tail = new_tail();
    for (int chunk = 0; chunk < 2; chunk++) {
        append_call(&tail, NAME, "q", 1, "rs");
        append_call(&tail, NAME, "", 0, "t");
        check_bytes(&tail, 0, FIRST, sizeof FIRST);
        check_bytes(&tail, 19, SECOND, sizeof SECOND);
        cr_assert_eq(tail.buf.size, 29);
        tail.first_index += tail.count; /* as a commit does */
        tail.count = 0;
        tail.buf.size = 0;
    }
    ga_buf_free(&tail.buf);
}

/* More callees than slots, large entries between them: whatever the writer remembers, the reader finds the name. */
Test(oplog, every_call_is_read_with_its_own_name)
{
    enum { NAMES = 200, CALLS = 2000 };
    static char names[NAMES][24], large[70000];
    struct oplog_tail tail = new_tail();
    struct oplog_entry entry;
    struct oplog_call call;
    memset(large, 'x', sizeof large - 1);
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "name::%d", i);
    for (int i = 0; i < CALLS; i++)
        append_call(&tail, names[i * 7 % NAMES], "req", 3, i % 50 == 0 ? large : i % 5 == 0 ? large + 69800 : "r");
    struct oplog_cursor cursor = cursor_of(&tail);
    for (int i = 0; i < CALLS; i++) {
        cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
        cr_assert(oplog_decode_call(&entry, &call));
        const char *name = names[i * 7 % NAMES];
        cr_assert(call.name_size == strlen(name) && memcmp(call.name, name, call.name_size) == 0, "call %d", i);
        cr_assert(call.durability == 2 && call.request_size == 3 && entry.time_us == 1000);
        cr_assert_eq(call.response_size, i % 50 == 0 ? 69999 : i % 5 == 0 ? 199 : 1);
    }
    cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_END);
    cr_assert_eq(cursor.chain, tail.chain);
    ga_buf_free(&tail.buf);
}

Test(oplog, times_may_go_back_and_be_anything)
{
    static const uint64_t TIMES[] = {5, 4, 0, UINT64_MAX, 1700000000000000, 1700000000000000, 1, 1ull << 63};
    struct oplog_tail tail = new_tail();
    struct oplog_entry entry;
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++)
        oplog_append(&tail, OPLOG_NO_OP, TIMES[i], NULL);
    struct oplog_cursor cursor = cursor_of(&tail);
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++) {
        cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
        cr_assert_eq(entry.time_us, TIMES[i]);
    }
    ga_buf_free(&tail.buf);
}

/* The call under test begins at byte 29, behind a good one at 0, one that refers to it at 19. */
Test(oplog, a_callee_that_is_not_there_is_malformed)
{
    static const struct {
        const char *body, *what;
        size_t size;
    } CASES[] = {
        {"\x1e\x00", "itself", 2},
        {"\x14\x00", "a call that refers to another", 2},
        {"\x02\x00", "no entry", 2},
        {"\x7f\x00", "behind the chunk", 2},
        {"\x80\x00", "not the shortest LEB128 of 0, and nothing follows", 2},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "far away", 11},
        {"\x01", "no request", 1},
        {"", "nothing", 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct oplog_tail tail = new_tail();
        struct oplog_entry entry;
        struct oplog_call call;
        append_call(&tail, "a::b", "q", 1, "rs");
        append_call(&tail, "a::b", "", 0, "t");
        size_t begun = oplog_begin(&tail, OPLOG_IMPORTED_FUNCTION_INVOKED, 1000);
        ga_buf_append(&tail.buf, CASES[i].body, CASES[i].size);
        oplog_end(&tail, begun);
        struct oplog_cursor cursor = cursor_of(&tail);
        for (int j = 0; j < 3; j++)
            cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
        cr_assert_not(oplog_decode_call(&entry, &call), "%s", CASES[i].what);
        ga_buf_free(&tail.buf);
    }
}

Test(oplog, large_requests_keep_their_size_and_digest_only)
{
    struct oplog_tail tail = new_tail();
    static char request[OPLOG_REQUEST_BYTES + 1];
    append_call(&tail, "a::b", request, OPLOG_REQUEST_BYTES, "1");
    append_call(&tail, "a::b", request, OPLOG_REQUEST_BYTES + 1, "2");
    struct oplog_cursor cursor = cursor_of(&tail);
    struct oplog_entry entry;
    struct oplog_call call;
    cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
    cr_assert(oplog_decode_call(&entry, &call) && call.request && call.response_size == 1);
    cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
    cr_assert(oplog_decode_call(&entry, &call) && !call.request);
    cr_assert_eq(call.request_size, OPLOG_REQUEST_BYTES + 1);
    cr_assert(call.response_size == 1 && *call.response == '2');
    struct oplog_value values[OPLOG_MAX_FIELDS];
    cr_assert(oplog_decode(&entry, values));
    cr_assert_eq(values[3].size, OPLOG_REQUEST_BYTES + 1);
    cr_assert_eq(values[3].number, oplog_request_digest(request, sizeof request));
    cr_assert_eq(call.request_digest, oplog_request_digest(request, sizeof request));
    ga_buf_free(&tail.buf);
}

/* Reads on until something is not an entry. */
static enum oplog_next read_on(struct oplog_cursor *cursor)
{
    struct oplog_entry entry;
    enum oplog_next next;
    while ((next = oplog_next(cursor, true, &entry)) == OPLOG_NEXT_ENTRY)
        ;
    return next;
}

Test(oplog, every_truncation_is_short_behind_the_last_whole_entry)
{
    struct oplog_tail tail = new_tail();
    append_samples(&tail);
    uint64_t whole = 0;
    size_t boundary = 0;
    for (size_t size = 0; size <= tail.buf.size; size++) {
        struct oplog_cursor cursor = cursor_of(&tail);
        cursor.end = cursor.at + size;
        enum oplog_next next = read_on(&cursor);
        if (next == OPLOG_NEXT_END) {
            cr_assert_eq(cursor.index, ++whole, "size %zu", size);
            boundary = size;
        } else {
            cr_assert_eq(next, OPLOG_NEXT_SHORT, "size %zu", size);
            cr_assert_eq(cursor.at, tail.buf.data + boundary);
        }
    }
    cr_assert_eq(whole, 8); /* 0 entries to 7 */
    ga_buf_free(&tail.buf);
}

Test(oplog, every_flipped_bit_is_found)
{
    struct oplog_tail tail = new_tail();
    append_samples(&tail);
    for (size_t bit = 0; bit < tail.buf.size * 8; bit++) {
        tail.buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct oplog_cursor cursor = cursor_of(&tail);
        enum oplog_next next = read_on(&cursor);
        cr_assert(next == OPLOG_NEXT_DAMAGED || next == OPLOG_NEXT_SHORT, "bit %zu", bit);
        cr_assert_leq(cursor.at, tail.buf.data + bit / 8, "bit %zu", bit);
        tail.buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ga_buf_free(&tail.buf);
}

Test(oplog, entries_of_another_worker_or_place_are_damaged)
{
    struct oplog_tail tail = new_tail();
    append_samples(&tail);
    struct oplog_cursor cursor = cursor_of(&tail);
    cursor.chain = oplog_chain_start(WORKER + 1);
    cr_assert_eq(read_on(&cursor), OPLOG_NEXT_DAMAGED);
    cr_assert_eq(cursor.index, 1);
    /* Entry 2 without entry 1 before it. */
    struct oplog_entry entry;
    cursor = cursor_of(&tail);
    cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_ENTRY);
    cursor.chain = oplog_chain_start(WORKER);
    cr_assert_eq(oplog_next(&cursor, true, &entry), OPLOG_NEXT_DAMAGED);
    ga_buf_free(&tail.buf);
}

Test(oplog, zeroes_behind_the_last_entry_are_a_short_tail)
{
    struct oplog_tail tail = new_tail();
    append_samples(&tail);
    static const uint8_t ZEROES[100];
    ga_buf_append(&tail.buf, ZEROES, sizeof ZEROES);
    struct oplog_cursor cursor = cursor_of(&tail);
    cr_assert_eq(read_on(&cursor), OPLOG_NEXT_SHORT);
    cr_assert_eq(cursor.index, 8);
    ga_buf_free(&tail.buf);
}

Test(oplog, malformed_bodies_are_not_decoded)
{
    static const struct {
        enum oplog_kind kind;
        const char *body;
        size_t size;
    } CASES[] = {
        {OPLOG_GROW_MEMORY, "", 0},
        {OPLOG_GROW_MEMORY, "\x80", 1},
        {OPLOG_GROW_MEMORY, "\x01\x01", 2},
        {OPLOG_NO_OP, "x", 1},
        {OPLOG_ACTIVATE_PLUGIN,
         "\x05"
         "abcd",
         5},
        {OPLOG_DESCRIBE_RESOURCE, "\x00\x00\x03\x00\x00", 5},
        {OPLOG_IMPORTED_FUNCTION_INVOKED,
         "\x00\x02\x01"
         "a\x02"
         "b",
         6},
        {OPLOG_IMPORTED_FUNCTION_INVOKED, "\x01\x00", 2}, /* refers to a chunk that is not at hand */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct oplog_entry entry = {.kind = CASES[i].kind,
                                    .body = (const uint8_t *)CASES[i].body,
                                    .body_size = (uint32_t)CASES[i].size};
        struct oplog_value values[OPLOG_MAX_FIELDS];
        cr_assert_not(oplog_decode(&entry, values), "case %zu", i);
    }
}

Test(oplog, every_kind_is_in_the_table_once)
{
    for (unsigned kind = 1; kind < OPLOG_KIND_END; kind++) {
        cr_assert_not_null(oplog_kind_info(kind)->name);
        cr_assert_leq(oplog_kind_info(kind)->field_count, OPLOG_MAX_FIELDS);
        for (unsigned other = 1; other < kind; other++)
            cr_assert_str_neq(oplog_kind_info(kind)->name, oplog_kind_info(other)->name);
    }
    cr_assert_null(oplog_kind_info(0)->name);
    cr_assert_null(oplog_kind_info(OPLOG_KIND_END)->name);
    cr_assert_null(oplog_kind_info(255)->name);
    cr_assert(oplog_is_hint(OPLOG_LOG) && !oplog_is_hint(OPLOG_NO_OP));
}
