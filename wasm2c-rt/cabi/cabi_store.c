#include "cabi_guest.h"

/* "Storing": from native values to linear memory. The counterpart of cabi_load.c. */

static void store(struct cabi_call *call, const struct cabi_type *type, const void *native, uint8_t *guest);

static void store_discriminant(const struct cabi_type *type, uint32_t value, uint8_t *guest)
{
    if (type->discriminant_size == 1)
        *guest = (uint8_t)value;
    else if (type->discriminant_size == 2)
        put_u16(guest, (uint16_t)value);
    else
        put_u32(guest, value);
}

static OUT_OF_LINE void store_variant(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                      uint8_t *guest)
{
    uint32_t tag = get_u32(native);
    GA_ASSERT(tag < type->member_count);
    store_discriminant(type, tag, guest);
    const struct cabi_type *payload = type->members[tag].type;
    if (payload)
        store(call, payload, (const char *)native + type->native_payload_offset, guest + type->payload_offset);
}

static void store_enum(const struct cabi_type *type, uint32_t tag, uint8_t *guest)
{
    GA_ASSERT(tag < type->member_count);
    store_discriminant(type, tag, guest);
}

static OUT_OF_LINE void store_record(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                     uint8_t *guest)
{
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct cabi_member *member = &type->members[i];
        store(call, member->type, (const char *)native + member->native_offset, guest + member->offset);
    }
}

static OUT_OF_LINE void store_string(struct cabi_call *call, const void *native, uint8_t *guest)
{
    uint32_t addr, units;
    cabi_string_store(call, native, &addr, &units);
    put_u32(guest, addr);
    put_u32(guest + 4, units);
}

static OUT_OF_LINE void store_list(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                   uint8_t *guest)
{
    uint32_t addr, count;
    cabi_list_store(call, type->element, native, &addr, &count);
    put_u32(guest, addr);
    put_u32(guest + 4, count);
}

static void store(struct cabi_call *call, const struct cabi_type *type, const void *native, uint8_t *guest)
{
    switch ((enum cabi_kind)type->kind) {
    case CABI_S8:
    case CABI_U8: put_u8(guest, get_u8(native)); return;
    case CABI_S16:
    case CABI_U16: put_u16(guest, get_u16(native)); return;
    case CABI_S32:
    case CABI_U32:
    case CABI_F32: put_u32(guest, get_u32(native)); return;
    case CABI_S64:
    case CABI_U64:
    case CABI_F64: put_u64(guest, get_u64(native)); return;
    case CABI_BOOL: put_u8(guest, get_u8(native) != 0); return;
    case CABI_CHAR: put_u32(guest, get_u32(native)); return;
    case CABI_STRING: store_string(call, native, guest); return;
    case CABI_LIST: store_list(call, type, native, guest); return;
    case CABI_RECORD:
    case CABI_TUPLE: store_record(call, type, native, guest); return;
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: store_variant(call, type, native, guest); return;
    case CABI_ENUM: store_enum(type, get_u32(native), guest); return;
    case CABI_FLAGS: store_discriminant(type, get_u32(native) & flags_mask(type), guest); return;
    case CABI_OWN:
    case CABI_BORROW: put_u32(guest, cabi_handle_lower(call, type, get_u32(native))); return;
    case CABI_KIND_COUNT: break;
    }
    GA_UNREACHABLE();
}

void cabi_list_store(struct cabi_call *call, const struct cabi_type *element, const struct cabi_list *native,
                     uint32_t *addr_out, uint32_t *count_out)
{
    if (native->count > GA_MAX_VALUE_BYTES / element->size)
        trap_raise("list of %zu items of %u bytes is too long (limit is %u)", native->count, element->size,
                   GA_MAX_VALUE_BYTES);
    uint32_t size = (uint32_t)native->count * element->size;
    *count_out = (uint32_t)native->count;
    uint8_t *guest = guest_allocate(call, addr_out, element->align, size);
    if (element->plain) {
        if (size)
            memcpy(guest, native->items, size);
        return;
    }
    const char *items = native->items;
    for (size_t i = 0; i < native->count; i++)
        store(call, element, items + i * element->native_size, guest + i * element->size);
}

void cabi_store(struct cabi_call *call, const struct cabi_type *type, const void *native, uint32_t addr)
{
    store(call, type, native, guest_range(call->options, addr, type->size, type->align, "value"));
}
