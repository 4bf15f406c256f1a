#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "cabi_guest.h"
#include "cabi_wave.h"
#include "ga_utf8.h"

/*
 * WAVE, parsing: recursive descent guided by the type, whose depth the component's validation has limited. White
 * space and comments (`//` to the end of the line) may stand between tokens. Where the grammar allows `some(x)` and
 * `ok(x)` to be written as x, the words some, none, ok and err are always the cases of the option or result; a
 * label of that spelling needs its %.
 *
 * The first error is reported with its offset; from then on every function returns false.
 */
struct wave {
    const char *start, *at, *end;
    const struct cabi_wave_hooks *hooks;
    struct ga_arena *arena;
    struct ga_report *report;
};

static bool parse(struct wave *wave, const struct cabi_type *type, void *native);

#define FAIL_AT(wave, place, ...) \
    (ga_report_at((wave)->report, GA_INVALID, (uint64_t)((place) - (wave)->start), __VA_ARGS__), false)

/* --- tokens --- */

static void skip_space(struct wave *wave)
{
    while (wave->at < wave->end) {
        char c = *wave->at;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            wave->at++;
        } else if (c == '/' && wave->end - wave->at >= 2 && wave->at[1] == '/') {
            const char *line_end = memchr(wave->at, '\n', (size_t)(wave->end - wave->at));
            wave->at = line_end ? line_end : wave->end;
        } else {
            return;
        }
    }
}

/* The next token's first character; 0 at the end. */
static char peek(struct wave *wave)
{
    skip_space(wave);
    return wave->at < wave->end ? *wave->at : 0;
}

static bool accept(struct wave *wave, char mark)
{
    if (peek(wave) != mark || wave->at == wave->end)
        return false;
    wave->at++;
    return true;
}

static bool expect(struct wave *wave, char mark)
{
    return accept(wave, mark) || FAIL_AT(wave, wave->at, "expected '%c'", mark);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct label {
    const char *text; /* without the % */
    size_t size;
    bool escaped;
};

/* A label at the next token, not taken yet; size 0 if there is none. */
static struct label peek_label(struct wave *wave)
{
    struct label label = {.escaped = peek(wave) == '%'};
    const char *at = label.text = wave->at + label.escaped;
    if (at < wave->end && is_letter(*at))
        while (at < wave->end && (is_letter(*at) || is_digit(*at) || *at == '-'))
            at++;
    label.size = (size_t)(at - label.text);
    return label;
}

static void take_label(struct wave *wave, const struct label *label)
{
    wave->at = label->text + label->size;
}

static bool label_is(const struct label *label, const char *name)
{
    return strlen(name) == label->size && memcmp(name, label->text, label->size) == 0;
}

/* A keyword, that is a label without %. */
static bool accept_word(struct wave *wave, const char *word)
{
    struct label label = peek_label(wave);
    if (label.escaped || !label_is(&label, word))
        return false;
    take_label(wave, &label);
    return true;
}

/* Takes the name of a member; what says of what kind it is. */
static bool parse_member(struct wave *wave, const struct cabi_type *type, const char *what, uint32_t *index_out)
{
    struct label label = peek_label(wave);
    if (!label.size)
        return FAIL_AT(wave, wave->at, "expected the name of a %s", what);
    for (uint32_t i = 0; i < type->member_count; i++)
        if (label_is(&label, type->members[i].name)) {
            take_label(wave, &label);
            *index_out = i;
            return true;
        }
    return FAIL_AT(wave, wave->at, "there is no %s called %.*s", what, (int)(label.size < 100 ? label.size : 100),
                   label.text);
}

/* Native memory; fails when all values together take too much. */
static void *wave_alloc(struct wave *wave, size_t size)
{
    if (wave->arena->total_bytes + size <= GA_MAX_CALL_BYTES)
        return ga_arena_alloc(wave->arena, size);
    ga_report_at(wave->report, GA_LIMIT, (uint64_t)(wave->at - wave->start), "too many %s (limit is %u)",
                 "bytes of the native values of one call", GA_MAX_CALL_BYTES);
    return NULL;
}

/* --- numbers --- */

static const char *const number_names[] = {
    [CABI_S8] = "s8",   [CABI_U8] = "u8",   [CABI_S16] = "s16", [CABI_U16] = "u16", [CABI_S32] = "s32",
    [CABI_U32] = "u32", [CABI_S64] = "s64", [CABI_U64] = "u64", [CABI_F32] = "f32", [CABI_F64] = "f64"};

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* The end of `-?(0|[1-9][0-9]*)` at the next token; NULL if there is none. */
static const char *integer_end(struct wave *wave)
{
    skip_space(wave);
    const char *at = wave->at;
    if (at < wave->end && *at == '-')
        at++;
    const char *end = skip_digits(at, wave->end);
    return end == at || (*at == '0' && end != at + 1) ? NULL : end;
}

/* Whether a number goes on at a place where it should have ended. */
static bool goes_on(struct wave *wave, const char *at)
{
    return at < wave->end && (is_letter(*at) || is_digit(*at) || *at == '.');
}

static bool is_signed(uint8_t kind)
{
    return kind == CABI_S8 || kind == CABI_S16 || kind == CABI_S32 || kind == CABI_S64;
}

/* Whether magnitude, negated if negative, fits the type. */
static bool integer_fits(const struct cabi_type *type, bool negative, uint64_t magnitude)
{
    unsigned bits = 8 * type->native_size;
    uint64_t most = UINT64_MAX >> (64 - bits);
    if (!is_signed(type->kind))
        return !negative && magnitude <= most;
    return magnitude <= most / 2 + negative;
}

static bool parse_integer(struct wave *wave, const struct cabi_type *type, void *native)
{
    const char *end = integer_end(wave), *from = wave->at;
    if (!end || goes_on(wave, end))
        return FAIL_AT(wave, from, "expected a number of type %s", number_names[type->kind]);
    bool negative = *from == '-', fits = true;
    uint64_t magnitude = 0;
    for (const char *at = from + negative; at < end; at++)
        fits = fits && !__builtin_mul_overflow(magnitude, 10, &magnitude) &&
               !__builtin_add_overflow(magnitude, (uint64_t)(*at - '0'), &magnitude);
    if (!fits || !integer_fits(type, negative, magnitude))
        return FAIL_AT(wave, from, "%.*s does not fit into %s", (int)(end - from < 40 ? end - from : 40), from,
                       number_names[type->kind]);
    uint64_t value = negative ? -magnitude : magnitude;
    memcpy(native, &value, type->native_size); /* little endian */
    wave->at = end;
    return true;
}

/* The end of a float's digits after its integer part; NULL if they are malformed. */
static const char *float_end(struct wave *wave)
{
    const char *at = integer_end(wave), *from;
    if (at && at < wave->end && *at == '.') {
        at = skip_digits(from = at + 1, wave->end);
        if (at == from)
            return NULL;
    }
    if (at && at < wave->end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < wave->end && (*at == '+' || *at == '-'))
            at++;
        at = skip_digits(from = at, wave->end);
        if (at == from)
            return NULL;
    }
    return at;
}

static void put_float(const struct cabi_type *type, const char *text, void *native)
{
    if (type->kind == CABI_F32)
        *(float *)native = strtof(text, NULL);
    else
        *(double *)native = strtod(text, NULL);
}

static bool parse_float(struct wave *wave, const struct cabi_type *type, void *native)
{
    const char *const words[] = {"nan", "inf"};
    for (int i = 0; i < 2; i++)
        if (accept_word(wave, words[i])) {
            put_float(type, words[i], native);
            return true;
        }
    const char *from = wave->at;
    if (wave->end - from >= 4 && memcmp(from, "-inf", 4) == 0 && !goes_on(wave, from + 4)) {
        put_float(type, "-inf", native);
        wave->at = from + 4;
        return true;
    }
    const char *end = float_end(wave);
    if (!end || goes_on(wave, end))
        return FAIL_AT(wave, wave->at, "expected a number of type %s", number_names[type->kind]);
    size_t size = (size_t)(end - wave->at);
    char *copy = wave_alloc(wave, size + 1);
    if (!copy)
        return false;
    memcpy(copy, wave->at, size);
    put_float(type, copy, native);
    wave->at = end;
    return true;
}

static bool parse_bool(struct wave *wave, bool *native)
{
    *native = accept_word(wave, "true");
    return *native || accept_word(wave, "false") || FAIL_AT(wave, wave->at, "expected true or false");
}

/* --- text --- */

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `\u{...}` behind its u: 1 to 6 digits. */
static bool parse_unicode_escape(const char **at, const char *end, uint32_t *scalar_out)
{
    const char *from = *at + 1;
    uint32_t scalar = 0;
    if (*at == end || **at != '{')
        return false;
    for (*at = from; *at < end && hex_digit(**at) >= 0 && *at - from < 6; ++*at)
        scalar = scalar << 4 | (uint32_t)hex_digit(**at);
    *scalar_out = scalar;
    return *at > from && *at < end && *(*at)++ == '}' && scalar < 0x110000 && (scalar & 0xfffff800) != 0xd800;
}

/* An escape sequence at *at, which is a backslash. */
static bool parse_escape(struct wave *wave, const char **at, const char *end, uint32_t *scalar_out)
{
    const char *from = (*at)++;
    char letter = *at < end ? *(*at)++ : 0;
    if (letter == 'u' && parse_unicode_escape(at, end, scalar_out))
        return true;
    for (size_t i = 0; i < sizeof wave_escapes / sizeof *wave_escapes; i++)
        if (wave_escapes[i].letter == letter) {
            *scalar_out = (uint8_t)wave_escapes[i].meaning;
            return true;
        }
    return FAIL_AT(wave, from, "invalid escape sequence");
}

/* Appends [at, end) with its escapes resolved to *out, which has room: no escape is shorter than what it stands
 * for. */
static bool unescape(struct wave *wave, const char *at, const char *end, uint8_t **out)
{
    while (at < end) {
        const char *plain = at;
        while (at < end && *at != '\\')
            at++;
        memcpy(*out, plain, (size_t)(at - plain));
        *out += at - plain;
        uint32_t scalar;
        if (at == end)
            return true;
        if (!parse_escape(wave, &at, end, &scalar))
            return false;
        *out += ga_utf8_put(*out, scalar);
    }
    return true;
}

/* The closing quote of a token of one line that begins behind its opening one; NULL if there is none. */
static const char *closing_quote(const char *at, const char *end, char quote)
{
    for (; at < end && *at != quote && *at != '\n'; at++)
        if (*at == '\\' && ++at == end)
            return NULL;
    return at < end && *at == quote ? at : NULL;
}

static bool check_utf8(struct wave *wave, const char *at, const char *end)
{
    return ga_utf8_valid((const uint8_t *)at, (size_t)(end - at)) || FAIL_AT(wave, at, "not valid UTF-8");
}

static bool parse_char(struct wave *wave, uint32_t *native)
{
    if (peek(wave) != '\'')
        return FAIL_AT(wave, wave->at, "expected a character in single quotes");
    const char *at = wave->at + 1, *end = closing_quote(at, wave->end, '\'');
    if (!end || end == at)
        return FAIL_AT(wave, wave->at, end ? "empty character" : "character without closing quote");
    if (!check_utf8(wave, at, end))
        return false;
    if (*at == '\\') {
        if (!parse_escape(wave, &at, end, native))
            return false;
    } else {
        *native = ga_utf8_next((const uint8_t **)&at);
    }
    if (at != end)
        return FAIL_AT(wave, at, "more than one character in single quotes");
    wave->at = end + 1;
    return true;
}

static bool parse_line_string(struct wave *wave, struct cabi_string *native)
{
    const char *from = wave->at + 1, *end = closing_quote(from, wave->end, '"');
    if (!end)
        return FAIL_AT(wave, wave->at, "string without closing quote on its line");
    uint8_t *data = wave_alloc(wave, (size_t)(end - from)), *out = data;
    if (!data || !check_utf8(wave, from, end) || !unescape(wave, from, end, &out))
        return false;
    *native = (struct cabi_string){(const char *)data, (size_t)(out - data)};
    wave->at = end + 1;
    return true;
}

/* One line of a string of several: without its indentation and carriage return. */
static bool unescape_line(struct wave *wave, const char *line, const char *line_end, size_t indent, uint8_t **out)
{
    for (size_t i = 0; i < indent; i++)
        if (line + i >= line_end || line[i] != ' ')
            return FAIL_AT(wave, line, "line with less indentation than the closing \"\"\"");
    if (line_end > line + indent && line_end[-1] == '\r')
        line_end--;
    return unescape(wave, line + indent, line_end, out);
}

/* All lines between first and last, which is where the closing line begins. */
static bool unescape_lines(struct wave *wave, const char *first, const char *last, size_t indent,
                           struct cabi_string *native)
{
    uint8_t *data = wave_alloc(wave, (size_t)(last - first)), *out = data;
    if (!data)
        return false;
    for (const char *line = first; line < last;) {
        const char *line_end = memchr(line, '\n', (size_t)(last - line));
        if (line != first)
            *out++ = '\n';
        if (!unescape_line(wave, line, line_end, indent, &out))
            return false;
        line = line_end + 1;
    }
    *native = (struct cabi_string){(const char *)data, (size_t)(out - data)};
    return true;
}

static bool parse_multiline_string(struct wave *wave, struct cabi_string *native)
{
    const char *first = wave->at + 3, *close = memmem(first, (size_t)(wave->end - first), "\"\"\"", 3);
    if (!close)
        return FAIL_AT(wave, wave->at, "string without closing \"\"\"");
    if (first < close && *first == '\r')
        first++;
    if (*first != '\n')
        return FAIL_AT(wave, wave->at + 3, "expected a line break behind \"\"\"");
    first++;
    const char *last = close;
    while (last[-1] == ' ')
        last--;
    if (last[-1] != '\n')
        return FAIL_AT(wave, close, "closing \"\"\" must be on a line of its own");
    if (!check_utf8(wave, first, close) || !unescape_lines(wave, first, last, (size_t)(close - last), native))
        return false;
    wave->at = close + 3;
    return true;
}

static bool parse_string(struct wave *wave, struct cabi_string *native)
{
    if (peek(wave) != '"')
        return FAIL_AT(wave, wave->at, "expected a string in double quotes");
    if (wave->end - wave->at >= 3 && memcmp(wave->at, "\"\"\"", 3) == 0)
        return parse_multiline_string(wave, native);
    return parse_line_string(wave, native);
}

/* --- types with parts --- */

/* Behind an item: true at the closing mark, which is taken; sets *more otherwise, after a comma. */
static bool parse_separator(struct wave *wave, char closing, bool *more)
{
    bool comma = accept(wave, ',');
    *more = !accept(wave, closing);
    return comma || !*more || FAIL_AT(wave, wave->at, "expected ',' or '%c'", closing);
}

static bool parse_list(struct wave *wave, const struct cabi_type *element, struct cabi_list *native)
{
    uint32_t capacity = 0;
    *native = (struct cabi_list){ga_arena_alloc(wave->arena, 0), 0};
    if (!accept(wave, '['))
        return FAIL_AT(wave, wave->at, "expected a list in square brackets");
    for (bool more = !accept(wave, ']'); more;) {
        if (native->count == capacity) {
            uint32_t doubled = capacity ? 2 * capacity : 4;
            void *items = wave_alloc(wave, (size_t)doubled * element->native_size);
            if (!items)
                return false;
            memcpy(items, native->items, native->count * element->native_size);
            native->items = items;
            capacity = doubled;
        }
        if (!parse(wave, element, (char *)native->items + native->count * element->native_size))
            return false;
        native->count++;
        if (!parse_separator(wave, ']', &more))
            return false;
    }
    return true;
}

static bool parse_tuple(struct wave *wave, const struct cabi_type *type, char *native)
{
    if (!accept(wave, '('))
        return FAIL_AT(wave, wave->at, "expected a tuple in parentheses");
    bool more = true;
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (!more)
            return FAIL_AT(wave, wave->at - 1, "tuple of %u values instead of %u", i, type->member_count);
        if (!parse(wave, type->members[i].type, native + type->members[i].native_offset) ||
            !parse_separator(wave, ')', &more))
            return false;
    }
    return !more || FAIL_AT(wave, wave->at, "tuple of more than %u values", type->member_count);
}

static void put_none(const struct cabi_type *type, void *native)
{
    memset(native, 0, type->native_size);
}

static bool fill_missing_fields(struct wave *wave, const struct cabi_type *type, const bool *seen, char *native)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct cabi_member *field = &type->members[i];
        if (seen[i])
            continue;
        if (field->type->kind != CABI_OPTION)
            return FAIL_AT(wave, wave->at - 1, "field %s is missing", field->name);
        put_none(field->type, native + field->native_offset);
    }
    return true;
}

static bool parse_field(struct wave *wave, const struct cabi_type *type, bool *seen, char *native)
{
    uint32_t i;
    peek(wave);
    const char *from = wave->at;
    if (!parse_member(wave, type, "field", &i))
        return false;
    if (seen[i])
        return FAIL_AT(wave, from, "field %s stands twice", type->members[i].name);
    seen[i] = true;
    return expect(wave, ':') && parse(wave, type->members[i].type, native + type->members[i].native_offset);
}

static bool parse_record(struct wave *wave, const struct cabi_type *type, char *native)
{
    if (!accept(wave, '{'))
        return FAIL_AT(wave, wave->at, "expected a record in braces");
    bool *seen = wave_alloc(wave, type->member_count), more = true;
    if (!seen)
        return false;
    if (accept(wave, ':')) {
        if (!expect(wave, '}'))
            return false;
        more = false;
    }
    while (more)
        if (!parse_field(wave, type, seen, native) || !parse_separator(wave, '}', &more))
            return false;
    return fill_missing_fields(wave, type, seen, native);
}

static bool parse_flags(struct wave *wave, const struct cabi_type *type, uint32_t *native)
{
    uint32_t i, flags = 0;
    if (!accept(wave, '{'))
        return FAIL_AT(wave, wave->at, "expected flags in braces");
    for (bool more = !accept(wave, '}'); more;) {
        peek(wave);
        const char *from = wave->at;
        if (!parse_member(wave, type, "flag", &i))
            return false;
        if (flags >> i & 1)
            return FAIL_AT(wave, from, "flag %s stands twice", type->members[i].name);
        flags |= 1u << i;
        if (!parse_separator(wave, '}', &more))
            return false;
    }
    *native = flags;
    return true;
}

/* What follows the name of case tag: its payload in parentheses, if it has one. */
static bool parse_payload(struct wave *wave, const struct cabi_type *type, uint32_t tag, char *native)
{
    const struct cabi_type *payload = type->members[tag].type;
    memset(native, 0, type->native_size);
    put_u32(native, tag);
    if (!payload)
        return peek(wave) != '(' || FAIL_AT(wave, wave->at, "this case has no payload");
    return expect(wave, '(') && parse(wave, payload, native + type->native_payload_offset) && expect(wave, ')');
}

static bool parse_variant(struct wave *wave, const struct cabi_type *type, char *native)
{
    uint32_t tag;
    return parse_member(wave, type, "case", &tag) && parse_payload(wave, type, tag, native);
}

/* An option or result: by its words, or the payload of case implied (some, ok) alone. */
static bool parse_implied(struct wave *wave, const struct cabi_type *type, const char *const words[2], uint32_t implied,
                          char *native)
{
    for (uint32_t tag = 0; tag < 2; tag++)
        if (accept_word(wave, words[tag]))
            return parse_payload(wave, type, tag, native);
    const struct cabi_type *payload = type->members[implied].type;
    if (!payload || payload->kind == CABI_OPTION || payload->kind == CABI_RESULT)
        return FAIL_AT(wave, wave->at, "expected %s or %s", words[0], words[1]);
    memset(native, 0, type->native_size);
    put_u32(native, implied);
    return parse(wave, payload, native + type->native_payload_offset);
}

static bool parse_handle(struct wave *wave, const struct cabi_type *type, uint32_t *native)
{
    const char *at, *from = (peek(wave), wave->at);
    if (from < wave->end && *from == '"') {
        at = closing_quote(from + 1, wave->end, '"');
        at = at ? at + 1 : from;
    } else {
        for (at = from; at < wave->end && !strchr(" \t\r\n,()[]{}", *at);)
            at++;
    }
    if (!wave->hooks || !wave->hooks->parse_handle || at == from ||
        !wave->hooks->parse_handle(wave->hooks->context, type, from, (size_t)(at - from), native))
        return FAIL_AT(wave, from, "expected a handle of %s", type->resource->name);
    wave->at = at;
    return true;
}

static bool parse(struct wave *wave, const struct cabi_type *type, void *native)
{
    static const char *const option_words[2] = {"none", "some"}, *const result_words[2] = {"ok", "err"};
    switch ((enum cabi_kind)type->kind) {
    case CABI_BOOL: return parse_bool(wave, native);
    case CABI_S8:
    case CABI_U8:
    case CABI_S16:
    case CABI_U16:
    case CABI_S32:
    case CABI_U32:
    case CABI_S64:
    case CABI_U64: return parse_integer(wave, type, native);
    case CABI_F32:
    case CABI_F64: return parse_float(wave, type, native);
    case CABI_CHAR: return parse_char(wave, native);
    case CABI_STRING: return parse_string(wave, native);
    case CABI_LIST: return parse_list(wave, type->element, native);
    case CABI_RECORD: return parse_record(wave, type, native);
    case CABI_TUPLE: return parse_tuple(wave, type, native);
    case CABI_VARIANT: return parse_variant(wave, type, native);
    case CABI_ENUM: return parse_member(wave, type, "case", native);
    case CABI_OPTION: return parse_implied(wave, type, option_words, 1, native);
    case CABI_RESULT: return parse_implied(wave, type, result_words, 0, native);
    case CABI_FLAGS: return parse_flags(wave, type, native);
    case CABI_OWN:
    case CABI_BORROW: return parse_handle(wave, type, native);
    case CABI_KIND_COUNT: break;
    }
    GA_UNREACHABLE();
}

enum ga_status cabi_wave_parse(const struct cabi_type *type, const char **text, const char *end,
                               const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                               struct ga_report *report)
{
    struct wave wave = {*text, *text, end, hooks, arena, report};
    if (!parse(&wave, type, native_out))
        return report->status;
    skip_space(&wave);
    *text = wave.at;
    return GA_OK;
}

/* --- calls --- */

static bool parse_missing_args(struct wave *wave, const struct cabi_func_type *type, uint32_t given, char *native)
{
    for (uint32_t i = given; i < type->param_count; i++) {
        const struct cabi_member *param = &type->params[i];
        if (param->type->kind != CABI_OPTION)
            return FAIL_AT(wave, wave->end, "argument %s is missing (%u of %u are given)",
                           param->name ? param->name : "", given, type->param_count);
        put_none(param->type, native + param->native_offset);
    }
    return true;
}

static bool parse_args(struct wave *wave, const struct cabi_func_type *type, char *native)
{
    uint32_t given = 0;
    for (bool more = peek(wave) || wave->at < wave->end; more; given++) {
        if (given == type->param_count)
            return FAIL_AT(wave, wave->at, "more than %u arguments", type->param_count);
        if (!parse(wave, type->params[given].type, native + type->params[given].native_offset))
            return false;
        bool comma = accept(wave, ',');
        skip_space(wave);
        more = wave->at < wave->end;
        if (more && !comma)
            return FAIL_AT(wave, wave->at, "expected ',' or the end of the arguments");
    }
    return parse_missing_args(wave, type, given, native);
}

enum ga_status cabi_wave_parse_args(const struct cabi_func_type *type, const char *text, size_t size,
                                    const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                                    struct ga_report *report)
{
    struct wave wave = {text, text, text + size, hooks, arena, report};
    return parse_args(&wave, type, native_out) ? GA_OK : report->status;
}

static bool parse_word(struct wave *wave, const struct cabi_func_type *type, uint32_t number, char *native)
{
    if (number == type->param_count)
        return FAIL_AT(wave, wave->at, "more than %u arguments", type->param_count);
    if (!parse(wave, type->params[number].type, native + type->params[number].native_offset))
        return false;
    skip_space(wave);
    return wave->at == wave->end || FAIL_AT(wave, wave->at, "text behind the value");
}

static bool parse_words(const struct wave *prototype, const struct cabi_func_type *type, const struct cabi_wave_slice *words,
                        uint32_t count, char *native)
{
    struct wave wave = *prototype;
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        wave.start = wave.at = words[i].text;
        wave.end = words[i].text + words[i].size;
        if (!parse_word(&wave, type, i, native)) {
            wave.report->offset += before;
            return false;
        }
        before += words[i].size + 1;
    }
    if (parse_missing_args(&wave, type, count, native))
        return true;
    wave.report->has_offset = false; /* what is missing stands nowhere */
    return false;
}

enum ga_status cabi_wave_parse_words(const struct cabi_func_type *type, const struct cabi_wave_slice *words, uint32_t count,
                                     const struct cabi_wave_hooks *hooks, struct ga_arena *arena, void *native_out,
                                     struct ga_report *report)
{
    struct wave prototype = {"", "", "", hooks, arena, report};
    return parse_words(&prototype, type, words, count, native_out) ? GA_OK : report->status;
}

/* The first '(' outside of braces; end if there is none. Braces hold function names, which may have arguments. */
static const char *find_args(const char *at, const char *end)
{
    for (unsigned depth = 0; at < end; at++) {
        if (*at == '(' && depth == 0)
            return at;
        if (*at == '{')
            depth++;
        if (*at == '}' && depth)
            depth--;
        if (depth && (*at == '"' || *at == '\'')) {
            const char *quote = closing_quote(at + 1, end, *at);
            at = quote ? quote : at;
        }
    }
    return end;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

enum ga_status cabi_wave_parse_call(const char *text, size_t size, struct cabi_wave_slice *name_out,
                                    struct cabi_wave_slice *args_out, struct ga_report *report)
{
    const char *end = text + size, *name = text;
    while (end > text && is_space(end[-1]))
        end--;
    while (name < end && is_space(*name))
        name++;
    const char *args = find_args(name, end), *name_end = args;
    while (name_end > name && is_space(name_end[-1]))
        name_end--;
    if (name_end == name)
        return ga_report_at(report, GA_INVALID, (uint64_t)(name - text), "expected the name of a function");
    if (args == end)
        return ga_report_at(report, GA_INVALID, (uint64_t)(end - text), "expected '(' and arguments");
    if (end[-1] != ')')
        return ga_report_at(report, GA_INVALID, (uint64_t)(end - text), "expected ')' at the end of the call");
    *name_out = (struct cabi_wave_slice){name, (size_t)(name_end - name)};
    *args_out = (struct cabi_wave_slice){args + 1, (size_t)(end - 1 - (args + 1))};
    return GA_OK;
}
