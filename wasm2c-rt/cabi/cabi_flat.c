#include "cabi_guest.h"

/*
 * "Flat Lifting" and "Flat Lowering". A slot holds a core value's bits, so the coercions of joined variant cases
 * need no code: lifting takes the low bits of a slot whatever its core type, lowering writes a narrow value
 * zero-extended.
 */

static OUT_OF_LINE void lift_variant(struct cabi_call *call, const struct cabi_type *type, const uint64_t **flat,
                                     void *native)
{
    GA_ASSERT(type->flat_count <= GA_MAX_FLAT_PARAMS);
    const uint64_t *at = *flat;
    *flat += type->flat_count; /* the slots that the case does not use are skipped */
    uint32_t tag = case_checked(type, (uint32_t)*at++);
    put_u32(native, tag);
    const struct cabi_type *payload = type->members[tag].type;
    if (payload)
        cabi_lift_flat(call, payload, &at, (char *)native + type->native_payload_offset);
}

static OUT_OF_LINE void lift_record(struct cabi_call *call, const struct cabi_type *type, const uint64_t **flat,
                                    void *native)
{
    for (uint32_t i = 0; i < type->member_count; i++)
        cabi_lift_flat(call, type->members[i].type, flat, (char *)native + type->members[i].native_offset);
}

void cabi_lift_flat(struct cabi_call *call, const struct cabi_type *type, const uint64_t **flat, void *native)
{
    const uint64_t *at = *flat;
    switch ((enum cabi_kind)type->kind) {
    case CABI_S8:
    case CABI_U8: put_u8(native, (uint8_t)*at); break;
    case CABI_S16:
    case CABI_U16: put_u16(native, (uint16_t)*at); break;
    case CABI_S32:
    case CABI_U32:
    case CABI_F32: put_u32(native, (uint32_t)*at); break;
    case CABI_S64:
    case CABI_U64:
    case CABI_F64: put_u64(native, *at); break;
    case CABI_BOOL: put_u8(native, (uint32_t)*at != 0); break;
    case CABI_CHAR: put_u32(native, char_checked((uint32_t)*at)); break;
    case CABI_ENUM: put_u32(native, case_checked(type, (uint32_t)*at)); break;
    case CABI_FLAGS: put_u32(native, (uint32_t)*at & flags_mask(type)); break;
    case CABI_OWN:
    case CABI_BORROW: put_u32(native, cabi_handle_lift(call, type, (uint32_t)*at)); break;
    case CABI_STRING:
        cabi_string_load(call, (uint32_t)at[0], (uint32_t)at[1], native);
        *flat += 2;
        return;
    case CABI_LIST:
        cabi_list_load(call, type->element, (uint32_t)at[0], (uint32_t)at[1], native);
        *flat += 2;
        return;
    case CABI_RECORD:
    case CABI_TUPLE: lift_record(call, type, flat, native); return;
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: lift_variant(call, type, flat, native); return;
    case CABI_KIND_COUNT: GA_UNREACHABLE();
    }
    *flat = at + 1;
}

static OUT_OF_LINE void lower_variant(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                      uint64_t **flat)
{
    uint32_t tag = get_u32(native);
    GA_ASSERT(tag < type->member_count && type->flat_count <= GA_MAX_FLAT_PARAMS);
    uint64_t *at = *flat;
    uint64_t *end = *flat = at + type->flat_count;
    *at++ = tag;
    const struct cabi_type *payload = type->members[tag].type;
    if (payload)
        cabi_lower_flat(call, payload, (const char *)native + type->native_payload_offset, &at);
    while (at < end)
        *at++ = 0;
}

static OUT_OF_LINE void lower_record(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                     uint64_t **flat)
{
    for (uint32_t i = 0; i < type->member_count; i++)
        cabi_lower_flat(call, type->members[i].type, (const char *)native + type->members[i].native_offset, flat);
}

static OUT_OF_LINE void lower_string(struct cabi_call *call, const void *native, uint64_t *flat)
{
    uint32_t addr, units;
    cabi_string_store(call, native, &addr, &units);
    flat[0] = addr;
    flat[1] = units;
}

static OUT_OF_LINE void lower_list(struct cabi_call *call, const struct cabi_type *type, const void *native,
                                   uint64_t *flat)
{
    uint32_t addr, count;
    cabi_list_store(call, type->element, native, &addr, &count);
    flat[0] = addr;
    flat[1] = count;
}

static uint32_t enum_checked(const struct cabi_type *type, uint32_t tag)
{
    GA_ASSERT(tag < type->member_count);
    return tag;
}

void cabi_lower_flat(struct cabi_call *call, const struct cabi_type *type, const void *native, uint64_t **flat)
{
    uint64_t *at = *flat;
    switch ((enum cabi_kind)type->kind) {
    case CABI_S8: *at = (uint32_t)(int8_t)get_u8(native); break;
    case CABI_U8: *at = get_u8(native); break;
    case CABI_S16: *at = (uint32_t)(int16_t)get_u16(native); break;
    case CABI_U16: *at = get_u16(native); break;
    case CABI_S32:
    case CABI_U32:
    case CABI_F32:
    case CABI_CHAR: *at = get_u32(native); break;
    case CABI_S64:
    case CABI_U64:
    case CABI_F64: *at = get_u64(native); break;
    case CABI_BOOL: *at = get_u8(native) != 0; break;
    case CABI_ENUM: *at = enum_checked(type, get_u32(native)); break;
    case CABI_FLAGS: *at = get_u32(native) & flags_mask(type); break;
    case CABI_OWN:
    case CABI_BORROW: *at = cabi_handle_lower(call, type, get_u32(native)); break;
    case CABI_STRING:
        lower_string(call, native, at);
        *flat += 2;
        return;
    case CABI_LIST:
        lower_list(call, type, native, at);
        *flat += 2;
        return;
    case CABI_RECORD:
    case CABI_TUPLE: lower_record(call, type, native, flat); return;
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: lower_variant(call, type, native, flat); return;
    case CABI_KIND_COUNT: GA_UNREACHABLE();
    }
    *flat = at + 1;
}

/* --- "Lifting and Lowering Values": lift_flat_values, lower_flat_values --- */

void cabi_lift_params(struct cabi_call *call, const struct cabi_func_type *type, const uint64_t *flat, void *native_out)
{
    require_leave(call->options->instance);
    if (type->params_spilled)
        cabi_load(call, type->params_tuple, (uint32_t)flat[0], native_out);
    else
        for (uint32_t i = 0; i < type->param_count; i++)
            cabi_lift_flat(call, type->params[i].type, &flat, (char *)native_out + type->params[i].native_offset);
}

/* Core arguments before the return-area pointer. */
static uint32_t flat_param_count(const struct cabi_func_type *type)
{
    return type->params_spilled ? 1 : type->param_count ? type->params_tuple->flat_count : 0;
}

uint64_t cabi_lower_result(struct cabi_call *call, const struct cabi_func_type *type, const void *native,
                           const uint64_t *flat)
{
    uint64_t slot = 0, *at = &slot;
    if (type->result_spilled)
        cabi_store(call, type->result, native, (uint32_t)flat[flat_param_count(type)]);
    else if (type->result)
        cabi_lower_flat(call, type->result, native, &at);
    return slot;
}

void cabi_lower_params(struct cabi_call *call, const struct cabi_func_type *type, const void *native, uint64_t *flat_out)
{
    if (type->params_spilled) {
        uint32_t addr;
        guest_allocate(call, &addr, type->params_tuple->align, type->params_tuple->size);
        cabi_store(call, type->params_tuple, native, addr);
        flat_out[0] = addr;
    } else {
        for (uint32_t i = 0; i < type->param_count; i++)
            cabi_lower_flat(call, type->params[i].type, (const char *)native + type->params[i].native_offset, &flat_out);
    }
}

void cabi_lift_result(struct cabi_call *call, const struct cabi_func_type *type, const uint64_t *flat, void *native_out)
{
    if (type->result_spilled)
        cabi_load(call, type->result, (uint32_t)flat[0], native_out);
    else if (type->result)
        cabi_lift_flat(call, type->result, &flat, native_out);
}
