/*
 * The oplog's format.
 *
 * Entries are numbered from 1; they lie in the store in chunks, one behind the other without gaps, and the number of
 * an entry is not stored. A chunk is what one commit wrote, and can be read without any other.
 *
 * An entry is a header and a body:
 *
 *   u32       check: the low 32 bits of the chain hash after this entry, little endian
 *   u8        kind (oplog.h)
 *   LEB128    size: bytes that follow, the time and the body
 *   LEB128    time: microseconds since 1970, UTC, less the time of the entry before (0 for the first of a chunk), modulo
 *             2^64 and zigzag (0, -1, 1, -2, ... are 0, 1, 2, 3, ...)
 *   ...       the body: the kind's fields, in the order of the table below, one behind the other
 *
 *   U64       unsigned LEB128
 *   INDEX     the same
 *   DIGEST    8 bytes, little endian
 *   TEXT      LEB128 size, UTF-8
 *   TEXTS     LEB128 count, TEXTs
 *   CHOICE    1 byte, index into the choices
 *   VALUE     LEB128 size, cabi_encode's form; as the last field of a kind: no size, it goes on to the body's end
 *   REQUEST   LEB128 size, then the bytes if the size is at most OPLOG_REQUEST_BYTES, else a DIGEST of them (ga_hash64, seed 0)
 *
 * The first two fields of ImportedFunctionInvoked, the callee, are most of what a recorded call would take, so a
 * chunk has each callee once:
 *
 *   LEB128    0: a CHOICE and a TEXT follow. n + 1: they are those that follow in the ImportedFunctionInvoked that begins at
 *             byte n of the chunk, before this entry
 *
 * The INDEX behind it is there only in a WriteRemoteBatched: LEB128, twice the index, plus 1 if the response tells
 * nothing of what the batch does.
 *
 * A call of a few bytes of payload so takes 8 or 9 bytes more than that. (A writer may write a callee again; ours does
 * when its few slots are taken by others.)
 *
 * The chain. h(0) = ga_hash64("golem-aot oplog 2", worker id); h(n) = ga_hash64(entry n from offset 4 on, h(n-1)). So
 * an entry's check is right only behind all the entries that it was written behind, of this worker. It is made for
 * each entry, not for each chunk: a damaged entry is then named exactly, and a torn chunk is good up to the last
 * whole entry. (XXH3 of a typical entry takes 5 ns.) The full 64 bits after the last entry of a chunk stand in the
 * chunk's row; a checkpoint remembers the 64 bits at its place, and fits an oplog only if they are equal.
 *
 * An entry is valid if and only if the bytes reach to its end, its kind is known, its size and time are LEB128, and its
 * check is right. What follows from an invalid one is decided in replay.c.
 */
#include "oplog.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ga_assert.h"
#include "ga_hash.h"
#include "ga_utf8.h"

/* By enum durability. The last is DURABLE_WRITE_DERIVED, which Golem does not tell apart. */
static const char *const FUNCTION_TYPES[] = {"Pure",        "Observe",     "ReadLocal",          "WriteLocal",
                                             "ReadRemote",  "WriteRemote", "WriteRemoteBatched", "Custom",
                                             "WriteRemote", NULL};
static const char *const ERROR_KINDS[] = {"Unknown", "InvalidRequest", "StackOverflow", "OutOfMemory", NULL};
static const char *const LOG_LEVELS[] = {"Stdout", "Stderr", "Trace",    "Debug", "Info",
                                         "Warn",   "Error",  "Critical", NULL};
static const char *const PERSISTENCE_LEVELS[] = {"PersistNothing", "PersistRemoteSideEffects", "Smart", NULL};

#define FIELDS(name, ...) static const struct oplog_field name##_FIELDS[] = {__VA_ARGS__}

FIELDS(CREATE, {"workerName", OPLOG_TEXT, 0}, {"componentId", OPLOG_TEXT, 0}, {"componentHash", OPLOG_TEXT, 0},
       {"componentVersion", OPLOG_U64, 0}, {"args", OPLOG_TEXTS, 0}, {"env", OPLOG_TEXTS, 0}, {"parent", OPLOG_TEXT, 0},
       {"files", OPLOG_TEXTS, 0});
FIELDS(IMPORTED_FUNCTION_INVOKED, {"wrappedFunctionType", OPLOG_CHOICE, FUNCTION_TYPES},
       {"functionName", OPLOG_TEXT, 0}, {"beginIndex", OPLOG_INDEX, 0}, {"request", OPLOG_REQUEST, 0},
       {"response", OPLOG_VALUE, 0});
FIELDS(EXPORTED_FUNCTION_INVOKED, {"functionName", OPLOG_TEXT, 0}, {"idempotencyKey", OPLOG_TEXT, 0},
       {"traceId", OPLOG_TEXT, 0}, {"request", OPLOG_VALUE, 0});
FIELDS(EXPORTED_FUNCTION_COMPLETED, {"consumedFuel", OPLOG_U64, 0}, {"response", OPLOG_VALUE, 0});
FIELDS(SUSPEND, {"wakeAt", OPLOG_U64, 0});
FIELDS(ERROR, {"error", OPLOG_CHOICE, ERROR_KINDS}, {"details", OPLOG_TEXT, 0});
FIELDS(JUMP, {"start", OPLOG_U64, 0}, {"end", OPLOG_U64, 0});
FIELDS(EXITED, {"status", OPLOG_U64, 0});
FIELDS(CHANGE_RETRY_POLICY, {"maxAttempts", OPLOG_U64, 0}, {"minDelay", OPLOG_U64, 0}, {"maxDelay", OPLOG_U64, 0},
       {"multiplierBits", OPLOG_DIGEST, 0});
FIELDS(END_ATOMIC_REGION, {"beginIndex", OPLOG_U64, 0});
FIELDS(END_REMOTE_WRITE, {"beginIndex", OPLOG_U64, 0});
FIELDS(PENDING_WORKER_INVOCATION, {"functionName", OPLOG_TEXT, 0}, {"idempotencyKey", OPLOG_TEXT, 0},
       {"request", OPLOG_VALUE, 0});
FIELDS(PENDING_UPDATE, {"targetVersion", OPLOG_U64, 0}, {"snapshot", OPLOG_VALUE, 0});
FIELDS(SUCCESSFUL_UPDATE, {"targetVersion", OPLOG_U64, 0}, {"newComponentSize", OPLOG_U64, 0});
FIELDS(FAILED_UPDATE, {"targetVersion", OPLOG_U64, 0}, {"details", OPLOG_TEXT, 0});
FIELDS(GROW_MEMORY, {"delta", OPLOG_U64, 0});
FIELDS(CREATE_RESOURCE, {"resourceId", OPLOG_U64, 0});
FIELDS(DROP_RESOURCE, {"resourceId", OPLOG_U64, 0});
FIELDS(DESCRIBE_RESOURCE, {"resourceId", OPLOG_U64, 0}, {"resourceName", OPLOG_TEXT, 0},
       {"resourceParams", OPLOG_TEXTS, 0});
FIELDS(LOG, {"level", OPLOG_CHOICE, LOG_LEVELS}, {"context", OPLOG_TEXT, 0}, {"message", OPLOG_TEXT, 0});
FIELDS(ACTIVATE_PLUGIN, {"plugin", OPLOG_TEXT, 0});
FIELDS(DEACTIVATE_PLUGIN, {"plugin", OPLOG_TEXT, 0});
FIELDS(REVERT, {"start", OPLOG_U64, 0}, {"end", OPLOG_U64, 0});
FIELDS(CANCEL_PENDING_INVOCATION, {"idempotencyKey", OPLOG_TEXT, 0});
FIELDS(START_SPAN, {"spanId", OPLOG_TEXT, 0}, {"parentId", OPLOG_TEXT, 0}, {"linkedContext", OPLOG_TEXT, 0},
       {"attributes", OPLOG_TEXTS, 0});
FIELDS(FINISH_SPAN, {"spanId", OPLOG_TEXT, 0});
FIELDS(SET_SPAN_ATTRIBUTE, {"spanId", OPLOG_TEXT, 0}, {"key", OPLOG_TEXT, 0}, {"value", OPLOG_TEXT, 0});
FIELDS(CHANGE_PERSISTENCE_LEVEL, {"persistenceLevel", OPLOG_CHOICE, PERSISTENCE_LEVELS});

/* Kinds without fields. */
#define NO_FIELDS(name) static const struct oplog_field name##_FIELDS[0]
NO_FIELDS(NO_OP);
NO_FIELDS(INTERRUPTED);
NO_FIELDS(BEGIN_ATOMIC_REGION);
NO_FIELDS(BEGIN_REMOTE_WRITE);
NO_FIELDS(RESTART);

static const struct oplog_kind_info KINDS[OPLOG_KIND_END] = {
#define X(number, name, text, flags) \
    [number] = {text, flags, sizeof name##_FIELDS / sizeof(struct oplog_field), name##_FIELDS},
    OPLOG_KIND_MAP(X)
#undef X
};

const struct oplog_kind_info *oplog_kind_info(unsigned kind)
{
    return &KINDS[kind < OPLOG_KIND_END ? kind : 0];
}

uint64_t oplog_chain_start(uint64_t worker_id)
{
    static const char FORMAT[] = "golem-aot oplog 2";
    return ga_hash64(FORMAT, sizeof FORMAT - 1, worker_id);
}

static void store_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static void store_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are stored as they lie in memory");

/* --- numbers --- */

static uint8_t *put_leb(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Behind it; NULL if it does not end before `end`, or not within 64 bits. */
static const uint8_t *get_leb(const uint8_t *at, const uint8_t *end, uint64_t *value_out)
{
    if (at < end && *at < 0x80) {
        *value_out = *at;
        return at + 1;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value_out = value;
            return at;
        }
    }
    return NULL;
}

static uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t value)
{
    return value >> 1 ^ (0 - (value & 1));
}

/* --- writing --- */

/* Up to the size; the size is taken to be one byte until oplog_end knows it. */
enum { CHECK_BYTES = 4, SIZE_OFFSET = 5, SIZED_OFFSET = 6, LEB_BYTES = 10 };

static inline void reserve(struct ga_buf *buf, size_t more)
{
    if (__builtin_expect(buf->capacity - buf->size < more, 0))
        ga_buf_reserve(buf, more);
}

size_t oplog_begin(struct oplog_tail *tail, enum oplog_kind kind, uint64_t time_us)
{
    size_t begun = tail->buf.size;
    reserve(&tail->buf, SIZED_OFFSET + LEB_BYTES);
    uint8_t *entry = tail->buf.data + begun;
    entry[CHECK_BYTES] = (uint8_t)kind;
    uint64_t before_us = begun ? tail->time_us : 0;
    tail->time_us = time_us;
    tail->buf.size = (size_t)(put_leb(entry + SIZED_OFFSET, zigzag(time_us - before_us)) - tail->buf.data);
    return begun;
}

/* Makes room for a size of more than one byte. */
__attribute__((noinline)) static void widen_size(struct ga_buf *buf, size_t begun, size_t size)
{
    uint8_t bytes[LEB_BYTES];
    size_t more = (size_t)(put_leb(bytes, size) - bytes) - 1;
    ga_buf_reserve(buf, more);
    uint8_t *sized = buf->data + begun + SIZED_OFFSET;
    memmove(sized + more, sized, size);
    memcpy(sized - 1, bytes, more + 1);
    buf->size += more;
}

void oplog_end(struct oplog_tail *tail, size_t begun)
{
    size_t size = tail->buf.size - begun - SIZED_OFFSET;
    GA_ASSERT(size <= UINT32_MAX);
    if (size < 0x80)
        tail->buf.data[begun + SIZE_OFFSET] = (uint8_t)size;
    else
        widen_size(&tail->buf, begun, size);
    uint8_t *entry = tail->buf.data + begun;
    tail->chain = ga_hash64(entry + CHECK_BYTES, tail->buf.size - begun - CHECK_BYTES, tail->chain);
    store_u32(entry, (uint32_t)tail->chain);
    tail->count++;
}

uint64_t oplog_request_digest(const void *request, size_t size)
{
    return ga_hash64(request, size, 0);
}

static struct oplog_callee_slot *slot_of(struct oplog_tail *tail, const char *name)
{
    uint64_t mixed = (uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u;
    return &tail->callees[mixed >> (64 - OPLOG_CALLEE_SLOT_BITS)];
}

/* The callee of the entry that begins at `begun`: where it stands in this chunk, or, from now on, here. */
static void put_callee(struct oplog_tail *tail, size_t begun, uint8_t durability, const char *name)
{
    struct oplog_callee_slot *slot = slot_of(tail, name);
    struct ga_buf *buf = &tail->buf;
    if (slot->name == name && slot->durability == durability && slot->chunk == tail->first_index) {
        reserve(buf, LEB_BYTES);
        buf->size = (size_t)(put_leb(buf->data + buf->size, slot->place + 1) - buf->data);
        return;
    }
    *slot = (struct oplog_callee_slot){name, tail->first_index, begun, durability};
    ga_buf_u8(buf, 0);
    ga_buf_u8(buf, durability);
    ga_buf_leb_u(buf, strlen(name));
    ga_buf_text(buf, name);
}

void oplog_put_call(struct oplog_tail *tail, size_t begun, uint8_t durability, const char *name,
                    struct oplog_batch batch, const void *request, size_t request_size)
{
    put_callee(tail, begun, durability, name);
    struct ga_buf *buf = &tail->buf;
    reserve(buf, 2 * LEB_BYTES + OPLOG_REQUEST_BYTES);
    uint8_t *at = buf->data + buf->size;
    if (durability == OPLOG_BATCHED)
        at = put_leb(at, 2 * batch.begin + batch.silent);
    at = put_leb(at, request_size);
    if (request_size > OPLOG_REQUEST_BYTES) {
        store_u64(at, oplog_request_digest(request, request_size));
        at += sizeof(uint64_t);
    } else if (request_size) {
        memcpy(at, request, request_size);
        at += request_size;
    }
    buf->size = (size_t)(at - buf->data);
}

static void put_bytes(struct ga_buf *buf, const struct oplog_value *value)
{
    ga_buf_leb_u(buf, value->size);
    ga_buf_append(buf, value->data, value->size);
}

static void put_field(struct ga_buf *buf, const struct oplog_field *field, const struct oplog_value *value, bool last)
{
    switch (field->type) {
    case OPLOG_U64:
    case OPLOG_INDEX: ga_buf_leb_u(buf, value->number); break;
    case OPLOG_DIGEST: ga_buf_le(buf, value->number, 8); break;
    case OPLOG_CHOICE: ga_buf_u8(buf, (uint8_t)value->number); break;
    case OPLOG_TEXT: put_bytes(buf, value); break;
    case OPLOG_TEXTS:
        ga_buf_leb_u(buf, value->number);
        ga_buf_append(buf, value->data, value->size);
        break;
    case OPLOG_VALUE:
        if (last)
            ga_buf_append(buf, value->data, value->size);
        else
            put_bytes(buf, value);
        break;
    case OPLOG_REQUEST: GA_ASSERT(!"in calls only, which oplog_put_call writes"); break;
    }
}

void oplog_append(struct oplog_tail *tail, enum oplog_kind kind, uint64_t time_us, const struct oplog_value *values)
{
    const struct oplog_kind_info *info = oplog_kind_info(kind);
    GA_ASSERT(info->name && kind != OPLOG_IMPORTED_FUNCTION_INVOKED);
    size_t begun = oplog_begin(tail, kind, time_us);
    for (uint32_t i = 0; i < info->field_count; i++)
        put_field(&tail->buf, &info->fields[i], &values[i], i + 1 == info->field_count);
    oplog_end(tail, begun);
}

struct oplog_value oplog_number(uint64_t number)
{
    return (struct oplog_value){.number = number};
}

struct oplog_value oplog_text(const char *text)
{
    return oplog_bytes(text, strlen(text));
}

struct oplog_value oplog_bytes(const void *data, size_t size)
{
    return (struct oplog_value){.data = data, .size = size};
}

struct oplog_value oplog_texts(const char *const *texts, uint32_t count, struct ga_buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        struct oplog_value text = oplog_text(texts[i]);
        put_bytes(out, &text);
    }
    return (struct oplog_value){.number = count, .data = out->data, .size = out->size};
}

/* --- reading --- */

static bool all_zero(const uint8_t *at, const uint8_t *end)
{
    while (at < end && !*at)
        at++;
    return at == end;
}

void oplog_enter(struct oplog_cursor *cursor, const void *chunk, size_t size)
{
    cursor->chunk = cursor->at = chunk;
    cursor->end = cursor->chunk + size;
    cursor->time_us = 0;
}

size_t oplog_claimed_size(const uint8_t *at, const uint8_t *end)
{
    uint64_t size = 0;
    const uint8_t *sized = end - at < OPLOG_MIN_BYTES ? NULL : get_leb(at + SIZE_OFFSET, end, &size);
    return sized ? (size_t)(sized - at) + (size_t)size : OPLOG_MIN_BYTES;
}

enum oplog_next oplog_next(struct oplog_cursor *cursor, bool verify, struct oplog_entry *out)
{
    const uint8_t *entry = cursor->at, *end = cursor->end;
    uint64_t size, time;
    if (entry == end)
        return OPLOG_NEXT_END;
    if (end - entry < OPLOG_MIN_BYTES)
        return OPLOG_NEXT_SHORT;
    unsigned kind = entry[CHECK_BYTES];
    if (!oplog_kind_info(kind)->name)
        return all_zero(entry, end) ? OPLOG_NEXT_SHORT : OPLOG_NEXT_DAMAGED;
    const uint8_t *sized = get_leb(entry + SIZE_OFFSET, end, &size);
    if (!sized)
        return end - entry < SIZE_OFFSET + LEB_BYTES ? OPLOG_NEXT_SHORT : OPLOG_NEXT_DAMAGED;
    if (size > (uint64_t)(end - sized))
        return OPLOG_NEXT_SHORT;
    const uint8_t *after = sized + size, *body = get_leb(sized, after, &time);
    if (!body || size > UINT32_MAX)
        return OPLOG_NEXT_DAMAGED;
    if (verify) {
        uint64_t chain = ga_hash64(entry + CHECK_BYTES, (size_t)(after - entry) - CHECK_BYTES, cursor->chain);
        if ((uint32_t)chain != load_u32(entry))
            return OPLOG_NEXT_DAMAGED;
        cursor->chain = chain;
    }
    cursor->time_us += unzigzag(time);
    *out = (struct oplog_entry){.index = cursor->index++,
                                .time_us = cursor->time_us,
                                .kind = (enum oplog_kind)kind,
                                .body_size = (uint32_t)(after - body),
                                .body = body,
                                .chunk = cursor->chunk};
    cursor->at = after;
    return OPLOG_NEXT_ENTRY;
}

static void read_bytes(struct ga_reader *reader, uint64_t size, struct oplog_value *out)
{
    out->data = ga_read_bytes(reader, size);
    out->size = out->data ? size : 0;
}

static void read_texts(struct ga_reader *reader, struct oplog_value *out)
{
    out->number = ga_read_leb_u(reader, 32);
    const uint8_t *start = reader->at;
    for (uint64_t i = 0; i < out->number && !reader->failed; i++)
        (void)ga_read_bytes(reader, ga_read_leb_u(reader, 32));
    out->data = start;
    out->size = (size_t)(reader->at - start);
}

static void read_field(struct ga_reader *reader, const struct oplog_field *field, bool last, struct oplog_value *out)
{
    *out = (struct oplog_value){0};
    switch (field->type) {
    case OPLOG_U64:
    case OPLOG_INDEX: out->number = ga_read_leb_u(reader, 64); break;
    case OPLOG_DIGEST: out->number = ga_read_le(reader, 8); break;
    case OPLOG_CHOICE: out->number = ga_read_u8(reader); break;
    case OPLOG_TEXT: read_bytes(reader, ga_read_leb_u(reader, 32), out); break;
    case OPLOG_TEXTS: read_texts(reader, out); break;
    case OPLOG_VALUE:
        read_bytes(reader, last ? (uint64_t)(reader->end - reader->at) : ga_read_leb_u(reader, 32), out);
        break;
    case OPLOG_REQUEST: GA_ASSERT(!"in calls only, which oplog_decode_call reads"); break;
    }
}

/* A callee that stands here. */
static void read_callee_here(struct ga_reader *reader, struct oplog_call *out)
{
    out->durability = ga_read_u8(reader);
    out->name_size = ga_read_leb_u(reader, 32);
    out->name = (const char *)ga_read_bytes(reader, out->name_size);
}

/* The callee that the entry at byte `place` of the chunk has, before `end`. False if none is there. */
static bool read_callee_at(const uint8_t *chunk, uint64_t place, const uint8_t *end, struct oplog_call *out)
{
    uint64_t ignored, reference;
    if (!chunk || place >= (uint64_t)(end - chunk) || (uint64_t)(end - chunk) - place < OPLOG_MIN_BYTES)
        return false;
    const uint8_t *at = chunk + place;
    if (at[CHECK_BYTES] != OPLOG_IMPORTED_FUNCTION_INVOKED)
        return false;
    at = get_leb(at + SIZE_OFFSET, end, &ignored);
    at = at ? get_leb(at, end, &ignored) : NULL;
    at = at ? get_leb(at, end, &reference) : NULL;
    if (!at || reference)
        return false;
    struct ga_reader reader = {.start = at, .at = at, .end = end};
    read_callee_here(&reader, out);
    return !reader.failed;
}

bool oplog_decode_call(const struct oplog_entry *entry, struct oplog_call *out)
{
    struct ga_reader reader = {.start = entry->body, .at = entry->body, .end = entry->body + entry->body_size};
    uint64_t reference = ga_read_leb_u(&reader, 64);
    if (!reference)
        read_callee_here(&reader, out);
    else if (!read_callee_at(entry->chunk, reference - 1, entry->body, out))
        return false;
    uint64_t batch = out->durability == OPLOG_BATCHED ? ga_read_leb_u(&reader, 64) : 0;
    out->batch = (struct oplog_batch){batch / 2, batch & 1};
    out->request_size = ga_read_leb_u(&reader, 32);
    bool large = out->request_size > OPLOG_REQUEST_BYTES;
    out->request = large ? NULL : ga_read_bytes(&reader, out->request_size);
    out->request_digest = large ? ga_read_le(&reader, 8) : 0;
    out->response = reader.at;
    out->response_size = (size_t)(reader.end - reader.at);
    return !reader.failed;
}

static bool decode_call_fields(const struct oplog_entry *entry, struct oplog_value *values)
{
    struct oplog_call call;
    if (!oplog_decode_call(entry, &call))
        return false;
    values[0] = oplog_number(call.durability);
    values[1] = oplog_bytes(call.name, call.name_size);
    values[2] = oplog_number(call.batch.begin);
    values[3] = (struct oplog_value){call.request_digest, call.request, call.request_size};
    values[4] = oplog_bytes(call.response, call.response_size);
    return true;
}

bool oplog_decode(const struct oplog_entry *entry, struct oplog_value values[OPLOG_MAX_FIELDS])
{
    if (entry->kind == OPLOG_IMPORTED_FUNCTION_INVOKED)
        return decode_call_fields(entry, values);
    const struct oplog_kind_info *info = oplog_kind_info(entry->kind);
    struct ga_reader reader = {.start = entry->body, .at = entry->body, .end = entry->body + entry->body_size};
    for (uint32_t i = 0; i < info->field_count; i++)
        read_field(&reader, &info->fields[i], i + 1 == info->field_count, &values[i]);
    return !reader.failed && reader.at == reader.end;
}

/* --- printing --- */

static void print_scalar(struct ga_buf *out, const uint8_t *at, size_t size)
{
    if (size == 1 && (*at == '"' || *at == '\\'))
        ga_buf_printf(out, "\\%c", *at);
    else if (size == 1 && *at == '\n')
        ga_buf_text(out, "\\n");
    else if (size == 1 && (*at < 0x20 || *at == 0x7f))
        ga_buf_printf(out, "\\u%04x", *at);
    else
        ga_buf_append(out, at, size);
}

static size_t scalar_size(const uint8_t *at, const uint8_t *end)
{
    size_t size = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    return size <= (size_t)(end - at) && ga_utf8_valid(at, size) ? size : 0;
}

void oplog_json_string(struct ga_buf *out, const void *text, size_t size)
{
    const uint8_t *at = text, *end = at + size;
    ga_buf_u8(out, '"');
    while (at < end) {
        size_t one = scalar_size(at, end);
        if (one)
            print_scalar(out, at, one);
        else
            ga_buf_text(out, "\xef\xbf\xbd");
        at += one ? one : 1;
    }
    ga_buf_u8(out, '"');
}

static void print_hex(struct ga_buf *out, const struct oplog_value *value, bool json)
{
    if (json)
        ga_buf_u8(out, '"');
    ga_buf_text(out, "0x");
    for (size_t i = 0; i < value->size; i++)
        ga_buf_printf(out, "%02x", value->data[i]);
    if (json)
        ga_buf_u8(out, '"');
}

static void print_texts(struct ga_buf *out, const struct oplog_value *value)
{
    struct ga_reader reader = {.start = value->data, .at = value->data, .end = value->data + value->size};
    ga_buf_u8(out, '[');
    for (uint64_t i = 0; i < value->number; i++) {
        size_t size = ga_read_leb_u(&reader, 32);
        if (i)
            ga_buf_text(out, ", ");
        oplog_json_string(out, ga_read_bytes(&reader, size), size);
    }
    ga_buf_u8(out, ']');
}

static void print_choice(struct ga_buf *out, const struct oplog_field *field, uint64_t number, bool json)
{
    uint64_t count = 0;
    while (field->choices[count])
        count++;
    const char *text = number < count ? field->choices[number] : "?";
    ga_buf_printf(out, json ? "\"%s\"" : "%s", text);
}

static void print_component_value(const struct oplog_printer *printer, const struct oplog_entry *entry,
                                  const struct oplog_value *values, uint32_t field, struct ga_buf *out)
{
    const struct oplog_value *value = &values[field];
    struct ga_buf text = {0};
    if (oplog_kind_info(entry->kind)->fields[field].type == OPLOG_REQUEST && !value->data && value->size) {
        ga_buf_printf(out,
                      printer->json ? "{\"bytes\":%zu,\"digest\":\"%016" PRIx64 "\"}"
                                    : "(%zu bytes, digest %016" PRIx64 ")",
                      value->size, value->number);
    } else if (!printer->value || !printer->value(printer->context, entry, values, field, &text)) {
        print_hex(out, value, printer->json);
    } else if (printer->json) {
        oplog_json_string(out, text.data, text.size);
    } else {
        ga_buf_append(out, text.data, text.size);
    }
    ga_buf_free(&text);
}

static void print_field(const struct oplog_printer *printer, const struct oplog_entry *entry,
                        const struct oplog_value *values, uint32_t index, struct ga_buf *out)
{
    const struct oplog_field *field = &oplog_kind_info(entry->kind)->fields[index];
    const struct oplog_value *value = &values[index];
    switch (field->type) {
    case OPLOG_U64:
    case OPLOG_INDEX: ga_buf_printf(out, "%" PRIu64, value->number); break;
    case OPLOG_DIGEST: ga_buf_printf(out, printer->json ? "\"%016" PRIx64 "\"" : "%016" PRIx64, value->number); break;
    case OPLOG_CHOICE: print_choice(out, field, value->number, printer->json); break;
    case OPLOG_TEXT: oplog_json_string(out, value->data, value->size); break;
    case OPLOG_TEXTS: print_texts(out, value); break;
    case OPLOG_VALUE:
    case OPLOG_REQUEST: print_component_value(printer, entry, values, index, out); break;
    }
}

static void print_time(struct ga_buf *out, uint64_t time_us)
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
    ga_buf_printf(out, "%s.%06uZ", text, (unsigned)(time_us % 1000000));
}

void oplog_print(const struct oplog_printer *printer, const struct oplog_entry *entry, struct ga_buf *out)
{
    const struct oplog_kind_info *info = oplog_kind_info(entry->kind);
    struct oplog_value values[OPLOG_MAX_FIELDS];
    bool whole = oplog_decode(entry, values);
    ga_buf_printf(out,
                  printer->json ? "{\"oplogIndex\":%" PRIu64 ",\"entry\":{\"type\":\"%s\",\"timestamp\":\"" : "%" PRIu64,
                  entry->index, info->name);
    if (!printer->json)
        ga_buf_u8(out, ' ');
    print_time(out, entry->time_us);
    ga_buf_printf(out, printer->json ? "\"" : " %s", info->name);
    for (uint32_t i = 0; whole && i < info->field_count; i++) {
        if (info->fields[i].type == OPLOG_INDEX && !values[i].number)
            continue;
        ga_buf_printf(out, printer->json ? ",\"%s\":" : " %s=", info->fields[i].name);
        print_field(printer, entry, values, i, out);
    }
    if (!whole)
        ga_buf_text(out, printer->json ? ",\"malformed\":true" : " (malformed)");
    ga_buf_text(out, printer->json ? "}}\n" : "\n");
}
