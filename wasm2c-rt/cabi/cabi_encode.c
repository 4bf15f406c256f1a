#include "cabi_guest.h"
#include "ga_utf8.h"

/* The binary form that cabi.h describes. */

/* Items that lie in a list as fixed-size little-endian numbers: every number; nothing with padding or invalid
 * patterns. */
static bool is_fixed_number(const struct cabi_type *type)
{
    return type->kind >= CABI_S8 && type->kind <= CABI_F64;
}

static void encode_list(const struct cabi_type *element, const struct cabi_list *list, struct ga_buf *out)
{
    ga_buf_leb_u(out, list->count);
    if (is_fixed_number(element)) {
        ga_buf_append(out, list->items, list->count * element->size);
        return;
    }
    const char *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        cabi_encode(element, items + i * element->native_size, out);
}

static void encode_variant(const struct cabi_type *type, const void *native, struct ga_buf *out)
{
    uint32_t tag = get_u32(native);
    GA_ASSERT(tag < type->member_count);
    ga_buf_leb_u(out, tag);
    if (type->members[tag].type)
        cabi_encode(type->members[tag].type, (const char *)native + type->native_payload_offset, out);
}

static void encode_string(const struct cabi_string *string, struct ga_buf *out)
{
    ga_buf_leb_u(out, string->size);
    ga_buf_append(out, string->data, string->size);
}

void cabi_encode(const struct cabi_type *type, const void *native, struct ga_buf *out)
{
    switch ((enum cabi_kind)type->kind) {
    case CABI_BOOL:
    case CABI_S8:
    case CABI_U8: ga_buf_u8(out, get_u8(native)); return;
    case CABI_S16: ga_buf_leb_s(out, (int16_t)get_u16(native)); return;
    case CABI_U16: ga_buf_leb_u(out, get_u16(native)); return;
    case CABI_S32: ga_buf_leb_s(out, (int32_t)get_u32(native)); return;
    case CABI_S64: ga_buf_leb_s(out, (int64_t)get_u64(native)); return;
    case CABI_U64: ga_buf_leb_u(out, get_u64(native)); return;
    case CABI_F32:
    case CABI_F64: ga_buf_append(out, native, type->size); return;
    case CABI_U32:
    case CABI_CHAR:
    case CABI_ENUM:
    case CABI_FLAGS:
    case CABI_OWN:
    case CABI_BORROW: ga_buf_leb_u(out, get_u32(native)); return;
    case CABI_STRING: encode_string(native, out); return;
    case CABI_LIST: encode_list(type->element, native, out); return;
    case CABI_RECORD:
    case CABI_TUPLE:
        for (uint32_t i = 0; i < type->member_count; i++)
            cabi_encode(type->members[i].type, (const char *)native + type->members[i].native_offset, out);
        return;
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: encode_variant(type, native, out); return;
    case CABI_KIND_COUNT: break;
    }
    GA_UNREACHABLE();
}

/* --- decoding --- */

/* Where a value comes from and goes to. */
struct source {
    struct ga_reader *in;
    struct ga_arena *arena;
    uint64_t limit; /* of arena->total_bytes */
};

static bool decode(const struct cabi_type *type, const struct source *source, void *native);

static bool fail(struct ga_reader *in)
{
    in->failed = true;
    return false;
}

/* Room for count items; NULL if that is beyond the limit. Everything takes a byte at least, so count is first
 * held against what is left of the input. */
static void *decode_room(const struct source *source, uint64_t count, uint32_t size)
{
    const struct ga_reader *in = source->in;
    if (in->failed || count > (size_t)(in->end - in->at))
        return NULL;
    if (count * size + source->arena->total_bytes > source->limit)
        return NULL;
    return ga_arena_alloc_raw(source->arena, count * size);
}

static bool decode_string(const struct source *source, struct cabi_string *string)
{
    struct ga_reader *in = source->in;
    uint64_t size = ga_read_leb_u(in, 32);
    char *data = decode_room(source, size, 1);
    if (!data || !ga_utf8_valid(in->at, size))
        return fail(in);
    memcpy(data, ga_read_bytes(in, size), size);
    *string = (struct cabi_string){data, size};
    return true;
}

static bool decode_list(const struct cabi_type *element, const struct source *source, struct cabi_list *list)
{
    struct ga_reader *in = source->in;
    uint64_t count = ga_read_leb_u(in, 32);
    char *items = decode_room(source, count, element->native_size);
    if (!items)
        return fail(in);
    *list = (struct cabi_list){items, count};
    if (is_fixed_number(element)) {
        const uint8_t *bytes = ga_read_bytes(in, count * element->size);
        if (bytes)
            memcpy(items, bytes, count * element->size);
        return bytes || fail(in);
    }
    for (size_t i = 0; i < count; i++)
        if (!decode(element, source, items + i * element->native_size))
            return false;
    return true;
}

static bool decode_record(const struct cabi_type *type, const struct source *source, char *native)
{
    for (uint32_t i = 0; i < type->member_count; i++)
        if (!decode(type->members[i].type, source, native + type->members[i].native_offset))
            return false;
    return true;
}

/* A number below a limit, for cases, chars and flags. */
static bool decode_below(struct ga_reader *in, uint64_t limit, void *native)
{
    uint64_t value = ga_read_leb_u(in, 32);
    put_u32(native, (uint32_t)value);
    return !in->failed && (value < limit || fail(in));
}

static bool decode_variant(const struct cabi_type *type, const struct source *source, char *native)
{
    if (!decode_below(source->in, type->member_count, native))
        return false;
    const struct cabi_type *payload = type->members[get_u32(native)].type;
    return !payload || decode(payload, source, native + type->native_payload_offset);
}

static bool decode_char(struct ga_reader *in, void *native)
{
    if (!decode_below(in, 0x110000, native))
        return false;
    return (get_u32(native) & 0xfffff800) != 0xd800 || fail(in);
}

static bool decode_float(const struct cabi_type *type, struct ga_reader *in, void *native)
{
    const uint8_t *bytes = ga_read_bytes(in, type->size);
    if (bytes)
        memcpy(native, bytes, type->size);
    return bytes != NULL;
}

static bool decode(const struct cabi_type *type, const struct source *source, void *native)
{
    struct ga_reader *in = source->in;
    switch ((enum cabi_kind)type->kind) {
    case CABI_BOOL: put_u8(native, ga_read_u8(in)); return !in->failed && (get_u8(native) <= 1 || fail(in));
    case CABI_S8:
    case CABI_U8: put_u8(native, ga_read_u8(in)); return !in->failed;
    case CABI_S16: put_u16(native, (uint16_t)ga_read_leb_s(in, 16)); return !in->failed;
    case CABI_U16: put_u16(native, (uint16_t)ga_read_leb_u(in, 16)); return !in->failed;
    case CABI_S32: put_u32(native, (uint32_t)ga_read_leb_s(in, 32)); return !in->failed;
    case CABI_U32:
    case CABI_OWN:
    case CABI_BORROW: put_u32(native, (uint32_t)ga_read_leb_u(in, 32)); return !in->failed;
    case CABI_S64: put_u64(native, (uint64_t)ga_read_leb_s(in, 64)); return !in->failed;
    case CABI_U64: put_u64(native, ga_read_leb_u(in, 64)); return !in->failed;
    case CABI_F32:
    case CABI_F64: return decode_float(type, in, native);
    case CABI_CHAR: return decode_char(in, native);
    case CABI_STRING: return decode_string(source, native);
    case CABI_LIST: return decode_list(type->element, source, native);
    case CABI_RECORD:
    case CABI_TUPLE: return decode_record(type, source, native);
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: return decode_variant(type, source, native);
    case CABI_ENUM: return decode_below(in, type->member_count, native);
    case CABI_FLAGS: return decode_below(in, (uint64_t)flags_mask(type) + 1, native);
    case CABI_KIND_COUNT: break;
    }
    GA_UNREACHABLE();
}

bool cabi_decode(const struct cabi_type *type, struct ga_reader *in, struct ga_arena *arena, void *native)
{
    return decode(type, &(struct source){in, arena, arena->total_bytes + GA_MAX_CALL_BYTES}, native);
}
