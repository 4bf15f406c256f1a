#include "cabi_guest.h"

/* "Loading": from linear memory to native values. Ranges are checked where a pointer is followed, once for all that
 * lies behind it. */

static void load(struct cabi_call *call, const struct cabi_type *type, const uint8_t *guest, void *native);

static uint32_t load_discriminant(const struct cabi_type *type, const uint8_t *guest)
{
    return type->discriminant_size == 1 ? *guest : type->discriminant_size == 2 ? get_u16(guest) : get_u32(guest);
}

static OUT_OF_LINE void load_variant(struct cabi_call *call, const struct cabi_type *type, const uint8_t *guest,
                                     void *native)
{
    uint32_t tag = case_checked(type, load_discriminant(type, guest));
    put_u32(native, tag);
    const struct cabi_type *payload = type->members[tag].type;
    if (payload)
        load(call, payload, guest + type->payload_offset, (char *)native + type->native_payload_offset);
}

static OUT_OF_LINE void load_record(struct cabi_call *call, const struct cabi_type *type, const uint8_t *guest,
                                    void *native)
{
    if (type->plain) {
        memcpy(native, guest, type->size);
        return;
    }
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct cabi_member *member = &type->members[i];
        load(call, member->type, guest + member->offset, (char *)native + member->native_offset);
    }
}

static void load(struct cabi_call *call, const struct cabi_type *type, const uint8_t *guest, void *native)
{
    switch ((enum cabi_kind)type->kind) {
    case CABI_S8:
    case CABI_U8: put_u8(native, get_u8(guest)); return;
    case CABI_S16:
    case CABI_U16: put_u16(native, get_u16(guest)); return;
    case CABI_S32:
    case CABI_U32:
    case CABI_F32: put_u32(native, get_u32(guest)); return;
    case CABI_S64:
    case CABI_U64:
    case CABI_F64: put_u64(native, get_u64(guest)); return;
    case CABI_BOOL: put_u8(native, get_u8(guest) != 0); return;
    case CABI_CHAR: put_u32(native, char_checked(get_u32(guest))); return;
    case CABI_STRING: cabi_string_load(call, get_u32(guest), get_u32(guest + 4), native); return;
    case CABI_LIST: cabi_list_load(call, type->element, get_u32(guest), get_u32(guest + 4), native); return;
    case CABI_RECORD:
    case CABI_TUPLE: load_record(call, type, guest, native); return;
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: load_variant(call, type, guest, native); return;
    case CABI_ENUM: put_u32(native, case_checked(type, load_discriminant(type, guest))); return;
    case CABI_FLAGS: put_u32(native, load_discriminant(type, guest) & flags_mask(type)); return;
    case CABI_OWN:
    case CABI_BORROW: put_u32(native, cabi_handle_lift(call, type, get_u32(guest))); return;
    case CABI_KIND_COUNT: break;
    }
    GA_UNREACHABLE();
}

void cabi_list_load(struct cabi_call *call, const struct cabi_type *element, uint32_t addr, uint32_t count,
                    struct cabi_list *native_out)
{
    uint64_t size = (uint64_t)count * element->size;
    const uint8_t *guest = cabi_guest_items(call->options, addr, count, element->size, element->align);
    if (element->plain && call->views) {
        *native_out = (struct cabi_list){(void *)guest, count};
        return;
    }
    char *items = cabi_scratch_alloc(call, count, element->native_size);
    if (element->plain)
        memcpy(items, guest, size);
    else
        for (uint32_t i = 0; i < count; i++)
            load(call, element, guest + (size_t)i * element->size, items + (size_t)i * element->native_size);
    *native_out = (struct cabi_list){items, count};
}

void cabi_load(struct cabi_call *call, const struct cabi_type *type, uint32_t addr, void *native_out)
{
    load(call, type, guest_range(call->options, addr, type->size, type->align, "value"), native_out);
}
