#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cabi_guest.h"
#include "cabi_wave.h"
#include "ga_utf8.h"

/*
 * WAVE, printing. A value is one line: control characters and line separators are escaped. Fields that are none are
 * left out of records. Floats are the shortest decimal that reads back the same.
 */
struct printer {
    const struct cabi_wave_hooks *hooks;
    struct ga_buf *out;
};

static void print(struct printer *printer, const struct cabi_type *type, const void *native);

/* --- floats --- */

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* "1e-07" is written 1e-7. */
static void print_decimal(struct ga_buf *out, const char *text)
{
    const char *exponent = strchr(text, 'e');
    if (!exponent) {
        ga_buf_text(out, text);
        return;
    }
    ga_buf_append(out, text, (size_t)(exponent + 2 - text));
    exponent += 2;
    while (exponent[0] == '0' && exponent[1])
        exponent++;
    ga_buf_text(out, exponent);
}

static void print_float(struct ga_buf *out, double value, bool single)
{
    if (isnan(value)) {
        ga_buf_text(out, "nan");
        return;
    }
    if (isinf(value)) {
        ga_buf_text(out, value < 0 ? "-inf" : "inf");
        return;
    }
    /* Every decimal of 15 digits (6) comes back from a normal number; fewer digits show as zeros that %g takes
     * away. */
    bool normal = single ? isnormal((float)value) : isnormal(value);
    char text[40];
    for (int digits = !normal ? 1 : single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (reads_back(text, value, single))
            break;
    }
    print_decimal(out, text);
}

/* --- text --- */

static bool must_escape(uint32_t scalar)
{
    return scalar < 0x20 || (scalar >= 0x7f && scalar < 0xa0) || scalar == 0x2028 || scalar == 0x2029;
}

static void print_scalar(struct ga_buf *out, uint32_t scalar, char quote)
{
    for (size_t i = 0; i < sizeof wave_escapes / sizeof *wave_escapes; i++) {
        bool other_quote = (scalar == '"' || scalar == '\'') && scalar != (uint8_t)quote;
        if ((uint8_t)wave_escapes[i].meaning == scalar && !other_quote) {
            ga_buf_printf(out, "\\%c", wave_escapes[i].letter);
            return;
        }
    }
    uint8_t bytes[4];
    if (must_escape(scalar))
        ga_buf_printf(out, "\\u{%x}", scalar);
    else
        ga_buf_append(out, bytes, ga_utf8_put(bytes, scalar));
}

static void print_string(struct ga_buf *out, const struct cabi_string *string)
{
    const uint8_t *at = (const uint8_t *)string->data, *end = at + string->size;
    GA_ASSERT(ga_utf8_valid(at, string->size));
    ga_buf_u8(out, '"');
    while (at < end) {
        const uint8_t *plain = at;
        while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
            at++;
        ga_buf_append(out, plain, (size_t)(at - plain));
        if (at < end)
            print_scalar(out, ga_utf8_next(&at), '"');
    }
    ga_buf_u8(out, '"');
}

static void print_char(struct ga_buf *out, uint32_t scalar)
{
    ga_buf_u8(out, '\'');
    print_scalar(out, scalar, '\'');
    ga_buf_u8(out, '\'');
}

static void print_label(struct ga_buf *out, const char *name)
{
    if (wave_is_keyword(name, strlen(name)))
        ga_buf_u8(out, '%');
    ga_buf_text(out, name);
}

/* --- types with parts --- */

static void print_list(struct printer *printer, const struct cabi_type *element, const struct cabi_list *list)
{
    const char *items = list->items;
    ga_buf_u8(printer->out, '[');
    for (size_t i = 0; i < list->count; i++) {
        ga_buf_text(printer->out, i ? ", " : "");
        print(printer, element, items + i * element->native_size);
    }
    ga_buf_u8(printer->out, ']');
}

static void print_tuple(struct printer *printer, const struct cabi_type *type, const char *native)
{
    ga_buf_u8(printer->out, '(');
    for (uint32_t i = 0; i < type->member_count; i++) {
        ga_buf_text(printer->out, i ? ", " : "");
        print(printer, type->members[i].type, native + type->members[i].native_offset);
    }
    ga_buf_u8(printer->out, ')');
}

static void print_record(struct printer *printer, const struct cabi_type *type, const char *native)
{
    const char *separator = "{";
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct cabi_member *field = &type->members[i];
        const char *value = native + field->native_offset;
        if (field->type->kind == CABI_OPTION && get_u32(value) == 0)
            continue;
        ga_buf_printf(printer->out, "%s%s: ", separator, field->name);
        print(printer, field->type, value);
        separator = ", ";
    }
    ga_buf_text(printer->out, *separator == '{' ? "{:}" : "}");
}

static void print_flags(struct ga_buf *out, const struct cabi_type *type, uint32_t flags)
{
    const char *separator = "";
    ga_buf_u8(out, '{');
    for (uint32_t i = 0; i < type->member_count; i++)
        if (flags >> i & 1) {
            ga_buf_printf(out, "%s%s", separator, type->members[i].name);
            separator = ", ";
        }
    ga_buf_u8(out, '}');
}

/* option and result have their keywords, bare; the others' cases are labels. */
static void print_case(struct printer *printer, const struct cabi_type *type, const char *native)
{
    uint32_t tag = get_u32(native);
    GA_ASSERT(tag < type->member_count);
    const struct cabi_member *member = &type->members[tag];
    static const char *const keywords[2][2] = {{"none", "some"}, {"ok", "err"}};
    if (type->kind == CABI_OPTION || type->kind == CABI_RESULT)
        ga_buf_text(printer->out, keywords[type->kind == CABI_RESULT][tag]);
    else
        print_label(printer->out, member->name);
    if (!member->type)
        return;
    ga_buf_u8(printer->out, '(');
    print(printer, member->type, native + type->native_payload_offset);
    ga_buf_u8(printer->out, ')');
}

static void print_handle(struct printer *printer, const struct cabi_type *type, uint32_t rep)
{
    if (printer->hooks && printer->hooks->print_handle)
        printer->hooks->print_handle(printer->hooks->context, type, rep, printer->out);
    else
        ga_buf_printf(printer->out, "<%s>", type->resource->name);
}

static void print(struct printer *printer, const struct cabi_type *type, const void *native)
{
    struct ga_buf *out = printer->out;
    switch ((enum cabi_kind)type->kind) {
    case CABI_BOOL: ga_buf_text(out, get_u8(native) ? "true" : "false"); return;
    case CABI_S8: ga_buf_printf(out, "%d", (int8_t)get_u8(native)); return;
    case CABI_U8: ga_buf_printf(out, "%u", get_u8(native)); return;
    case CABI_S16: ga_buf_printf(out, "%d", (int16_t)get_u16(native)); return;
    case CABI_U16: ga_buf_printf(out, "%u", get_u16(native)); return;
    case CABI_S32: ga_buf_printf(out, "%d", (int32_t)get_u32(native)); return;
    case CABI_U32: ga_buf_printf(out, "%u", get_u32(native)); return;
    case CABI_S64: ga_buf_printf(out, "%lld", (long long)get_u64(native)); return;
    case CABI_U64: ga_buf_printf(out, "%llu", (unsigned long long)get_u64(native)); return;
    case CABI_F32: print_float(out, *(const float *)native, true); return;
    case CABI_F64: print_float(out, *(const double *)native, false); return;
    case CABI_CHAR: print_char(out, get_u32(native)); return;
    case CABI_STRING: print_string(out, native); return;
    case CABI_LIST: print_list(printer, type->element, native); return;
    case CABI_RECORD: print_record(printer, type, native); return;
    case CABI_TUPLE: print_tuple(printer, type, native); return;
    case CABI_VARIANT:
    case CABI_ENUM:
    case CABI_OPTION:
    case CABI_RESULT: print_case(printer, type, native); return;
    case CABI_FLAGS: print_flags(out, type, get_u32(native)); return;
    case CABI_OWN:
    case CABI_BORROW: print_handle(printer, type, get_u32(native)); return;
    case CABI_KIND_COUNT: break;
    }
    GA_UNREACHABLE();
}

void cabi_wave_print(const struct cabi_type *type, const void *native, const struct cabi_wave_hooks *hooks,
                     struct ga_buf *out)
{
    print(&(struct printer){hooks, out}, type, native);
}
