#include "cabi_guest.h"
#include "ga_utf8.h"

/*
 * Strings in the three encodings of a guest ("Loading": load_string_from_range; "Storing": store_string_into_range
 * and below).
 *
 * Lengths are in code units, bytes or 16-bit words. With latin1+utf16 the top bit of the length tells UTF-16 from
 * Latin-1, and both are aligned to 2. Which sizes realloc is called with, and what has been written before each
 * call, is visible to the guest, so the functions below follow the specification step by step.
 */
#define UTF16_TAG 0x80000000u

enum text_form { TEXT_UTF8, TEXT_UTF16, TEXT_LATIN1 };

/* A piece of valid text in one of the forms. */
struct text {
    const uint8_t *data;
    uint32_t units;
    uint8_t form; /* enum text_form */
};

static uint32_t text_bytes(const struct text *text)
{
    return text->form == TEXT_UTF16 ? 2 * text->units : text->units;
}

static struct text text_of(uint8_t encoding, const uint8_t *data, uint32_t tagged_units)
{
    if (encoding == RT_LATIN1_UTF16)
        return tagged_units & UTF16_TAG ? (struct text){data, tagged_units ^ UTF16_TAG, TEXT_UTF16}
                                        : (struct text){data, tagged_units, TEXT_LATIN1};
    return (struct text){data, tagged_units, encoding == RT_UTF16 ? TEXT_UTF16 : TEXT_UTF8};
}

/* --- scalar values --- */

static bool is_surrogate(uint16_t unit)
{
    return (unit & 0xf800) == 0xd800;
}

static bool utf16_valid(const uint8_t *data, uint32_t units)
{
    for (uint32_t i = 0; i < units; i++) {
        uint16_t unit = get_u16(data + 2 * (size_t)i);
        if (!is_surrogate(unit))
            continue;
        if (unit >= 0xdc00 || ++i == units || (get_u16(data + 2 * (size_t)i) & 0xfc00) != 0xdc00)
            return false;
    }
    return true;
}

static uint32_t utf16_next(const uint8_t **at)
{
    uint32_t high = get_u16(*at);
    *at += 2;
    if (!is_surrogate((uint16_t)high))
        return high;
    uint32_t low = get_u16(*at);
    *at += 2;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static uint8_t *utf16_put(uint8_t *at, uint32_t scalar)
{
    if (scalar < 0x10000) {
        put_u16(at, (uint16_t)scalar);
        return at + 2;
    }
    put_u16(at, (uint16_t)(0xd800 + ((scalar - 0x10000) >> 10)));
    put_u16(at + 2, (uint16_t)(0xdc00 + (scalar & 0x3ff)));
    return at + 4;
}

static inline uint32_t text_next(uint8_t form, const uint8_t **at)
{
    if (form == TEXT_LATIN1)
        return *(*at)++;
    return form == TEXT_UTF16 ? utf16_next(at) : ga_utf8_next(at);
}

/* --- encoding whole texts from a place in the middle; all return the end of what they wrote --- */

static uint8_t *write_utf8(uint8_t *out, uint8_t form, const uint8_t *at, const uint8_t *end)
{
    while (at < end)
        out += ga_utf8_put(out, text_next(form, &at));
    return out;
}

static uint8_t *write_utf16(uint8_t *out, uint8_t form, const uint8_t *at, const uint8_t *end)
{
    while (at < end)
        out = utf16_put(out, text_next(form, &at));
    return out;
}

static uint64_t utf8_size(const struct text *text)
{
    uint64_t size = 0;
    const uint8_t *at = text->data, *end = at + text_bytes(text);
    while (at < end) {
        uint32_t scalar = text_next(text->form, &at);
        size += scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    }
    return size;
}

/* --- loading --- */

static void check_text(const struct text *text)
{
    if (text->form == TEXT_UTF8 && !ga_utf8_valid(text->data, text->units))
        trap_raise("invalid utf-8 in a string");
    if (text->form == TEXT_UTF16 && !utf16_valid(text->data, text->units))
        trap_raise("invalid utf-16 in a string");
}

static struct text load_range(const struct rt_options *options, uint32_t addr, uint32_t tagged_units)
{
    uint8_t encoding = options->encoding;
    struct text text = text_of(encoding, NULL, tagged_units);
    uint64_t size = text.form == TEXT_UTF16 ? 2 * (uint64_t)text.units : text.units;
    if (size > GA_MAX_VALUE_BYTES)
        trap_raise("string of %llu bytes is too long (limit is %u)", (unsigned long long)size, GA_MAX_VALUE_BYTES);
    text.data = guest_range(options, addr, size, encoding == RT_UTF8 ? 1 : 2, "string");
    check_text(&text);
    return text;
}

void cabi_string_load(struct cabi_call *call, uint32_t addr, uint32_t tagged_units, struct cabi_string *native_out)
{
    struct text text = load_range(call->options, addr, tagged_units);
    if (call->raw_strings) {
        *native_out = (struct cabi_string){(const char *)text.data, tagged_units};
        return;
    }
    if (text.form == TEXT_UTF8 && call->views) {
        *native_out = (struct cabi_string){(const char *)text.data, text.units};
        return;
    }
    uint64_t size = text.form == TEXT_UTF8 ? text.units : utf8_size(&text);
    uint8_t *data = cabi_scratch_alloc(call, size, 1);
    if (text.form == TEXT_UTF8)
        memcpy(data, text.data, size);
    else
        write_utf8(data, text.form, text.data, text.data + text_bytes(&text));
    *native_out = (struct cabi_string){(const char *)data, size};
}

/* --- storing --- */

struct stored {
    uint32_t addr, tagged_units;
};

/* store_string_copy, where source and destination have the same form. */
static struct stored store_copy(struct cabi_call *call, const struct text *text, uint32_t align)
{
    struct stored to = {0, text->units};
    uint32_t size = text_bytes(text);
    memcpy(guest_allocate(call, &to.addr, align, size), text->data, size);
    return to;
}

/* store_string_copy from Latin-1 to UTF-16. */
static struct stored store_latin1_to_utf16(struct cabi_call *call, const struct text *text)
{
    struct stored to = {0, text->units};
    uint8_t *out = guest_allocate(call, &to.addr, 2, 2 * text->units);
    write_utf16(out, TEXT_LATIN1, text->data, text->data + text->units);
    return to;
}

/* How many code units at the beginning are ASCII; they are written to out. */
static uint32_t write_ascii_prefix(uint8_t *out, const struct text *text)
{
    for (uint32_t i = 0; i < text->units; i++) {
        uint16_t unit = text->form == TEXT_UTF16 ? get_u16(text->data + 2 * (size_t)i) : text->data[i];
        if (unit >= 0x80)
            return i;
        out[i] = (uint8_t)unit;
    }
    return text->units;
}

/* store_string_to_utf8, from UTF-16 (worst 3 bytes a unit) or Latin-1 (2): as if it were ASCII, then grown and
 * shrunk. */
static struct stored store_to_utf8(struct cabi_call *call, const struct text *text)
{
    struct stored to = {0, text->units};
    uint8_t *out = guest_allocate(call, &to.addr, 1, text->units);
    uint32_t prefix = write_ascii_prefix(out, text);
    if (prefix == text->units)
        return to;
    uint32_t worst = text->units * (text->form == TEXT_UTF16 ? 3 : 2);
    out = cabi_guest_reallocate(call, &to.addr, text->units, 1, worst);
    const uint8_t *rest = text->data + (text->form == TEXT_UTF16 ? 2 * (size_t)prefix : prefix);
    to.tagged_units = (uint32_t)(write_utf8(out + prefix, text->form, rest, text->data + text_bytes(text)) - out);
    if (to.tagged_units < worst)
        cabi_guest_reallocate(call, &to.addr, worst, 1, to.tagged_units);
    return to;
}

/* store_utf8_to_utf16: as if every byte became a unit, then shrunk. */
static struct stored store_utf8_to_utf16(struct cabi_call *call, const struct text *text)
{
    struct stored to = {0, 0};
    uint32_t worst = 2 * text->units;
    uint8_t *out = guest_allocate(call, &to.addr, 2, worst);
    uint32_t size = (uint32_t)(write_utf16(out, TEXT_UTF8, text->data, text->data + text->units) - out);
    if (size < worst)
        cabi_guest_reallocate(call, &to.addr, worst, 2, size);
    to.tagged_units = size / 2;
    return to;
}

/* The rest of store_string_to_latin1_or_utf16 from the first scalar above 0xff, at `at`, on: what was written is
 * widened. */
static struct stored widen_to_utf16(struct cabi_call *call, const struct text *text, struct stored to, uint32_t written,
                                    const uint8_t *at)
{
    uint32_t worst = 2 * text->units;
    uint8_t *out = cabi_guest_reallocate(call, &to.addr, text->units, 2, worst);
    for (uint32_t i = written; i-- > 0;)
        put_u16(out + 2 * (size_t)i, out[i]);
    uint8_t *end = write_utf16(out + 2 * (size_t)written, text->form, at, text->data + text_bytes(text));
    uint32_t size = (uint32_t)(end - out);
    if (size < worst)
        cabi_guest_reallocate(call, &to.addr, worst, 2, size);
    to.tagged_units = size / 2 | UTF16_TAG;
    return to;
}

/* store_string_to_latin1_or_utf16, from UTF-8 or UTF-16: as if it were Latin-1. */
static struct stored store_to_latin1_or_utf16(struct cabi_call *call, const struct text *text)
{
    struct stored to = {0, 0};
    uint8_t *out = guest_allocate(call, &to.addr, 2, text->units);
    uint32_t written = 0;
    const uint8_t *at = text->data, *end = at + text_bytes(text);
    while (at < end) {
        const uint8_t *next = at;
        uint32_t scalar = text_next(text->form, &next);
        if (scalar > 0xff)
            return widen_to_utf16(call, text, to, written, at);
        out[written++] = (uint8_t)scalar;
        at = next;
    }
    if (written < text->units)
        cabi_guest_reallocate(call, &to.addr, text->units, 2, written);
    to.tagged_units = written;
    return to;
}

/* store_probably_utf16_to_latin1_or_utf16: copied, and made narrow if nothing is above 0xff. */
static struct stored store_utf16_maybe_narrow(struct cabi_call *call, const struct text *text)
{
    struct stored to = {0, text->units | UTF16_TAG};
    uint32_t size = 2 * text->units;
    uint8_t *out = guest_allocate(call, &to.addr, 2, size);
    memcpy(out, text->data, size);
    for (uint32_t i = 0; i < text->units; i++)
        if (get_u16(text->data + 2 * (size_t)i) > 0xff)
            return to;
    for (uint32_t i = 0; i < text->units; i++)
        out[i] = out[2 * (size_t)i];
    cabi_guest_reallocate(call, &to.addr, size, 1, text->units);
    to.tagged_units = text->units;
    return to;
}

static struct stored store_text(struct cabi_call *call, const struct text *text)
{
    switch (call->options->encoding) {
    case RT_UTF8: return text->form == TEXT_UTF8 ? store_copy(call, text, 1) : store_to_utf8(call, text);
    case RT_UTF16:
        return text->form == TEXT_UTF8    ? store_utf8_to_utf16(call, text)
               : text->form == TEXT_UTF16 ? store_copy(call, text, 2)
                                          : store_latin1_to_utf16(call, text);
    case RT_LATIN1_UTF16:
        if (call->source_encoding != RT_LATIN1_UTF16)
            return store_to_latin1_or_utf16(call, text);
        return text->form == TEXT_LATIN1 ? store_copy(call, text, 2) : store_utf16_maybe_narrow(call, text);
    }
    GA_UNREACHABLE();
}

/* A host's string: it must be valid, and stay so while realloc runs even if it is a view into this very memory. */
static void settle(struct cabi_call *call, struct text *text)
{
    uintptr_t at = (uintptr_t)text->data, memory = (uintptr_t)call->options->memory->data;
    if (call->options->encoding != RT_UTF8 && at >= memory && at - memory < call->options->memory->size)
        text->data = memcpy(cabi_scratch_alloc(call, text->units, 1), text->data, text->units);
    GA_ASSERT(ga_utf8_valid(text->data, text->units));
}

void cabi_string_store(struct cabi_call *call, const struct cabi_string *native, uint32_t *addr_out,
                       uint32_t *tagged_units_out)
{
    struct text text;
    if (call->source_encoding == RT_UTF8) {
        if (native->size > GA_MAX_VALUE_BYTES)
            trap_raise("string of %zu bytes is too long (limit is %u)", native->size, GA_MAX_VALUE_BYTES);
        text = (struct text){(const uint8_t *)native->data, (uint32_t)native->size, TEXT_UTF8};
        if (!call->raw_strings)
            settle(call, &text);
    } else {
        text = text_of(call->source_encoding, (const uint8_t *)native->data, (uint32_t)native->size);
    }
    struct stored to = store_text(call, &text);
    *addr_out = to.addr;
    *tagged_units_out = to.tagged_units;
}

/* --- between component instances --- */

struct rt_string rt_transfer_string(const struct rt_transfer *transfer, uint32_t addr, uint32_t units)
{
    struct text text = load_range(transfer->from, addr, units);
    struct cabi_call into; /* as much of it as storing looks at */
    into.options = transfer->into;
    into.on_guest_stack = true;
    into.source_encoding = transfer->from->encoding;
    struct stored to = store_text(&into, &text);
    return (struct rt_string){to.addr, to.tagged_units};
}
