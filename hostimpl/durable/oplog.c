/*
 * The oplog's format.
 *
 * An entry is a header of 16 bytes and a body, all numbers little endian:
 *
 *   offset 0   u32   check: the low 32 bits of the chain hash after this entry
 *          4   u32   size of the body in bytes
 *          8   u56   time: microseconds since 1970, UTC
 *         15   u8    kind (oplog.h)
 *         16   ...   the body: the kind's fields, in the order of the table below, one behind the other
 *
 *   U64       unsigned LEB128
 *   DIGEST    8 bytes
 *   TEXT      LEB128 size, UTF-8
 *   TEXTS     LEB128 count, TEXTs
 *   CHOICE    1 byte, index into the choices
 *   VALUE     LEB128 size, cabi_encode's form; as the last field of a kind: no size, it goes on to the body's end
 *   REQUEST   LEB128 size, then the bytes if the size is at most OPLOG_REQUEST_BYTES, else a DIGEST of them (ga_hash64, seed 0)
 *
 * Entries are numbered from 1; they lie in the store in chunks, one behind the other without gaps, and the number of
 * an entry is not stored.
 *
 * The chain. h(0) = ga_hash64("golem-aot oplog 1", worker id); h(n) = ga_hash64(entry n from offset 4 on, h(n-1)). So
 * an entry's check is right only behind all the entries that it was written behind, of this worker. It is made for
 * each entry, not for each chunk: a damaged entry is then named exactly, and a torn chunk is good up to the last
 * whole entry. (XXH3 of a typical entry takes 5 ns.) The full 64 bits after the last entry of a chunk stand in the
 * chunk's row; a checkpoint remembers the 64 bits at its place, and fits an oplog only if they are equal.
 *
 * An entry is valid if and only if the bytes reach to its end, its kind is known, and its check is right. What
 * follows from an invalid one is decided in replay.c.
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
       {"componentVersion", OPLOG_U64, 0}, {"args", OPLOG_TEXTS, 0}, {"env", OPLOG_TEXTS, 0}, {"parent", OPLOG_TEXT, 0});
FIELDS(IMPORTED_FUNCTION_INVOKED, {"wrappedFunctionType", OPLOG_CHOICE, FUNCTION_TYPES},
       {"functionName", OPLOG_TEXT, 0}, {"request", OPLOG_REQUEST, 0}, {"response", OPLOG_VALUE, 0});
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
    static const char FORMAT[] = "golem-aot oplog 1";
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

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are stored as they lie in memory");

/* --- writing --- */

size_t oplog_begin(struct oplog_tail *tail)
{
    size_t begun = tail->buf.size;
    ga_buf_reserve(&tail->buf, OPLOG_HEADER_BYTES);
    tail->buf.size += OPLOG_HEADER_BYTES;
    return begun;
}

void oplog_end(struct oplog_tail *tail, size_t begun, enum oplog_kind kind, uint64_t time_us)
{
    uint8_t *entry = tail->buf.data + begun;
    size_t size = tail->buf.size - begun;
    GA_ASSERT(size - OPLOG_HEADER_BYTES <= UINT32_MAX);
    store_u32(entry + 4, (uint32_t)(size - OPLOG_HEADER_BYTES));
    store_u64(entry + 8, (time_us & 0xffffffffffffff) | (uint64_t)kind << 56);
    tail->chain = ga_hash64(entry + 4, size - 4, tail->chain);
    store_u32(entry, (uint32_t)tail->chain);
    tail->count++;
}

static uint8_t *put_leb(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

uint64_t oplog_request_digest(const void *request, size_t size)
{
    return ga_hash64(request, size, 0);
}

void oplog_put_call(struct ga_buf *buf, uint8_t durability, const char *name, size_t name_size, const void *request,
                    size_t request_size)
{
    GA_ASSERT(name_size <= 255);
    ga_buf_reserve(buf, 32 + 255 + OPLOG_REQUEST_BYTES);
    uint8_t *at = buf->data + buf->size;
    *at++ = durability;
    at = put_leb(at, name_size);
    memcpy(at, name, name_size);
    at = put_leb(at + name_size, request_size);
    if (request_size <= OPLOG_REQUEST_BYTES) {
        if (request_size)
            memcpy(at, request, request_size);
        at += request_size;
    } else {
        store_u64(at, oplog_request_digest(request, request_size));
        at += sizeof(uint64_t);
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
    case OPLOG_U64: ga_buf_leb_u(buf, value->number); break;
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
    case OPLOG_REQUEST:
        ga_buf_leb_u(buf, value->size);
        if (value->size <= OPLOG_REQUEST_BYTES)
            ga_buf_append(buf, value->data, value->size);
        else
            ga_buf_le(buf, oplog_request_digest(value->data, value->size), 8);
        break;
    }
}

void oplog_append(struct oplog_tail *tail, enum oplog_kind kind, uint64_t time_us, const struct oplog_value *values)
{
    const struct oplog_kind_info *info = oplog_kind_info(kind);
    GA_ASSERT(info->name);
    size_t begun = oplog_begin(tail);
    for (uint32_t i = 0; i < info->field_count; i++)
        put_field(&tail->buf, &info->fields[i], &values[i], i + 1 == info->field_count);
    oplog_end(tail, begun, kind, time_us);
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

enum oplog_next oplog_next(struct oplog_cursor *cursor, bool verify, struct oplog_entry *out)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left == 0)
        return OPLOG_NEXT_END;
    const uint8_t *entry = cursor->at;
    if (left < OPLOG_HEADER_BYTES || left - OPLOG_HEADER_BYTES < load_u32(entry + 4))
        return OPLOG_NEXT_SHORT;
    uint64_t word = load_u64(entry + 8);
    unsigned kind = (unsigned)(word >> 56);
    size_t size = OPLOG_HEADER_BYTES + (size_t)load_u32(entry + 4);
    if (!oplog_kind_info(kind)->name)
        return all_zero(entry, cursor->end) ? OPLOG_NEXT_SHORT : OPLOG_NEXT_DAMAGED;
    if (verify) {
        uint64_t chain = ga_hash64(entry + 4, size - 4, cursor->chain);
        if ((uint32_t)chain != load_u32(entry))
            return OPLOG_NEXT_DAMAGED;
        cursor->chain = chain;
    }
    *out = (struct oplog_entry){.index = cursor->index++,
                                .time_us = word & 0xffffffffffffff,
                                .kind = (enum oplog_kind)kind,
                                .body_size = (uint32_t)(size - OPLOG_HEADER_BYTES),
                                .body = entry + OPLOG_HEADER_BYTES};
    cursor->at = entry + size;
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
    case OPLOG_U64: out->number = ga_read_leb_u(reader, 64); break;
    case OPLOG_DIGEST: out->number = ga_read_le(reader, 8); break;
    case OPLOG_CHOICE: out->number = ga_read_u8(reader); break;
    case OPLOG_TEXT: read_bytes(reader, ga_read_leb_u(reader, 32), out); break;
    case OPLOG_TEXTS: read_texts(reader, out); break;
    case OPLOG_VALUE:
        read_bytes(reader, last ? (uint64_t)(reader->end - reader->at) : ga_read_leb_u(reader, 32), out);
        break;
    case OPLOG_REQUEST:
        out->size = ga_read_leb_u(reader, 32);
        if (out->size <= OPLOG_REQUEST_BYTES)
            read_bytes(reader, out->size, out);
        else
            out->number = ga_read_le(reader, 8);
        break;
    }
}

bool oplog_decode(const struct oplog_entry *entry, struct oplog_value values[OPLOG_MAX_FIELDS])
{
    const struct oplog_kind_info *info = oplog_kind_info(entry->kind);
    struct ga_reader reader = {.start = entry->body, .at = entry->body, .end = entry->body + entry->body_size};
    for (uint32_t i = 0; i < info->field_count; i++)
        read_field(&reader, &info->fields[i], i + 1 == info->field_count, &values[i]);
    return !reader.failed && reader.at == reader.end;
}

bool oplog_decode_call(const struct oplog_entry *entry, struct oplog_call *out)
{
    struct ga_reader reader = {.start = entry->body, .at = entry->body, .end = entry->body + entry->body_size};
    out->durability = ga_read_u8(&reader);
    out->name_size = ga_read_leb_u(&reader, 32);
    out->name = (const char *)ga_read_bytes(&reader, out->name_size);
    out->request_size = ga_read_leb_u(&reader, 32);
    bool large = out->request_size > OPLOG_REQUEST_BYTES;
    out->request = large ? NULL : ga_read_bytes(&reader, out->request_size);
    out->request_digest = large ? ga_read_le(&reader, 8) : 0;
    out->response = reader.at;
    out->response_size = (size_t)(reader.end - reader.at);
    return !reader.failed;
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
    case OPLOG_U64: ga_buf_printf(out, "%" PRIu64, value->number); break;
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
        ga_buf_printf(out, printer->json ? ",\"%s\":" : " %s=", info->fields[i].name);
        print_field(printer, entry, values, i, out);
    }
    if (!whole)
        ga_buf_text(out, printer->json ? ",\"malformed\":true" : " (malformed)");
    ga_buf_text(out, printer->json ? "}}\n" : "\n");
}
