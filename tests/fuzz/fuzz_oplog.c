/* The oplog's reader. The first byte tells whether checks are looked at: without them the fuzzer gets deeper. Every entry that is
 * taken is decoded and printed in both forms. */
#include "fuzz.h"
#include "oplog.h"

static void read_entry(const struct oplog_entry *entry)
{
    struct oplog_value values[OPLOG_MAX_FIELDS];
    struct oplog_call call;
    struct ga_buf out = {0};
    (void)oplog_decode(entry, values);
    if (entry->kind == OPLOG_IMPORTED_FUNCTION_INVOKED && oplog_decode_call(entry, &call))
        GA_ASSERT(call.response_size <= entry->body_size && call.name_size <= entry->body_size);
    oplog_print(&(struct oplog_printer){.json = false}, entry, &out);
    oplog_print(&(struct oplog_printer){.json = true}, entry, &out);
    ga_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    struct oplog_cursor cursor = {.at = copy, .end = copy + size - 1, .index = 1, .chain = oplog_chain_start(42)};
    struct oplog_entry entry;
    const uint8_t *before = cursor.at;
    while (oplog_next(&cursor, data[0] & 1, &entry) == OPLOG_NEXT_ENTRY) {
        GA_ASSERT(cursor.at > before && cursor.at <= cursor.end);
        before = cursor.at;
        read_entry(&entry);
    }
    GA_ASSERT(cursor.at == before);
    free(copy);
    return 0;
}
