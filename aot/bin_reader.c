#include "bin_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_utf8.h"

uint64_t bin_offset(const struct bin_reader *reader)
{
    return (uint64_t)(reader->at - reader->start);
}

void bin_fail_at(struct bin_reader *reader, enum ga_status status, const uint8_t *at, const char *format, ...)
{
    if (reader->failed)
        return;
    char text[256], where[64] = "", spec[64] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (reader->section != NULL && reader->in_entry)
        snprintf(where, sizeof where, "%s, entry %u: ", reader->section, reader->entry);
    else if (reader->section != NULL)
        snprintf(where, sizeof where, "%s: ", reader->section);
    if (reader->spec != NULL)
        snprintf(spec, sizeof spec, " (Binary.md, %s)", reader->spec);
    ga_report_at(reader->report, status, (uint64_t)(at - reader->start), "%s%s%s", where, text, spec);
    reader->failed = true;
    reader->at = reader->end;
}

void bin_fail_byte(struct bin_reader *reader, uint8_t byte, const char *not_a)
{
    if (!reader->failed)
        bin_fail_at(reader, GA_INVALID, reader->at - 1, "0x%02x is not %s", byte, not_a);
}

static void fail_end(struct bin_reader *reader)
{
    bin_fail_at(reader, GA_INVALID, reader->end, "unexpected end");
}

uint8_t bin_u8(struct bin_reader *reader)
{
    if (reader->at == reader->end) {
        fail_end(reader);
        return 0;
    }
    return *reader->at++;
}

uint8_t bin_peek(const struct bin_reader *reader)
{
    return reader->at == reader->end ? 0 : *reader->at;
}

/* Zero-padded encodings are valid; set bits beyond `bits` are not. */
static uint64_t leb_u(struct bin_reader *reader, unsigned bits)
{
    const uint8_t *at = reader->at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = bin_u8(reader);
        if (bits - shift < 7 && (byte & 0x7f) >> (bits - shift))
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    bin_fail_at(reader, GA_INVALID, at, "number of more than %u bits", bits);
    return 0;
}

uint32_t bin_u32(struct bin_reader *reader)
{
    return (uint32_t)leb_u(reader, 32);
}

uint64_t bin_u64(struct bin_reader *reader)
{
    return leb_u(reader, 64);
}

bool bin_bool(struct bin_reader *reader, const char *what)
{
    uint8_t byte = bin_u8(reader);
    if (byte > 1)
        bin_fail_byte(reader, byte, what);
    return byte == 1;
}

struct slice bin_bytes(struct bin_reader *reader, uint32_t size)
{
    if ((size_t)(reader->end - reader->at) < size) {
        fail_end(reader);
        return (struct slice){"", 0};
    }
    struct slice bytes = {(const char *)reader->at, size};
    reader->at += size;
    return bytes;
}

struct slice bin_name(struct bin_reader *reader)
{
    const uint8_t *at = reader->at;
    struct slice name = bin_bytes(reader, bin_u32(reader));
    if (name.size > GA_MAX_NAME_BYTES)
        bin_fail_at(reader, GA_LIMIT, at, "name of %u bytes (limit is %u)", name.size, GA_MAX_NAME_BYTES);
    else if (!ga_utf8_valid((const uint8_t *)name.data, name.size))
        bin_fail_at(reader, GA_INVALID, at, "name is not UTF-8");
    return name;
}

uint32_t bin_count(struct bin_reader *reader)
{
    const uint8_t *at = reader->at;
    uint32_t count = bin_u32(reader);
    if (count > (size_t)(reader->end - reader->at)) {
        bin_fail_at(reader, GA_INVALID, at, "%u elements do not fit into the %zu bytes left", count,
                    (size_t)(reader->end - reader->at));
        return 0;
    }
    if (count > GA_MAX_COMPONENT_ITEMS - reader->items) {
        bin_fail_at(reader, GA_LIMIT, at, "too many definitions and their parts (limit is %u)", GA_MAX_COMPONENT_ITEMS);
        return 0;
    }
    reader->items += count;
    return count;
}

bool bin_enter(struct bin_reader *reader)
{
    if (reader->depth++ < GA_MAX_COMPONENT_DEPTH)
        return true;
    bin_fail_at(reader, GA_LIMIT, reader->at, "components and types nested too deeply (limit is %u)",
                GA_MAX_COMPONENT_DEPTH);
    return false;
}

void bin_leave(struct bin_reader *reader)
{
    reader->depth--;
}

enum sort bin_core_sort(struct bin_reader *reader)
{
    uint8_t byte = bin_u8(reader);
    switch (byte) {
    case 0x00: return SORT_CORE_FUNC;
    case 0x01: return SORT_CORE_TABLE;
    case 0x02: return SORT_CORE_MEMORY;
    case 0x03: return SORT_CORE_GLOBAL;
    case 0x04: return SORT_CORE_TAG;
    case 0x10: return SORT_CORE_TYPE;
    case 0x11: return SORT_CORE_MODULE;
    case 0x12: return SORT_CORE_INSTANCE;
    }
    bin_fail_byte(reader, byte, "a core sort");
    return SORT_CORE_FUNC;
}

enum sort bin_sort(struct bin_reader *reader)
{
    static const enum sort sorts[] = {
        [1] = SORT_FUNC, [2] = SORT_VALUE, [3] = SORT_TYPE, [4] = SORT_COMPONENT, [5] = SORT_INSTANCE,
    };
    uint8_t byte = bin_u8(reader);
    if (byte == 0)
        return bin_core_sort(reader);
    if (byte < sizeof sorts / sizeof sorts[0])
        return sorts[byte];
    bin_fail_byte(reader, byte, "a sort");
    return SORT_FUNC;
}

struct def *bin_def(struct bin_reader *reader, struct component *component, enum def_kind kind, const uint8_t *at)
{
    struct def *def = GA_PUSH(reader->arena, &component->defs);
    def->kind = kind;
    def->offset = (uint64_t)(at - reader->start);
    def->number = reader->entry;
    return def;
}
