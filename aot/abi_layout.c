#include "abi.h"

#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"

/*
 * Layouts, computed once for a type and kept in type_val.abi. Guest side: CanonicalABI.md, "Alignment", "Element Size",
 * "Flattening". Native side: what a C compiler gives for the C types that cabi_types.h describes. Sizes that do not fit
 * 32 bits saturate, so that a check against a limit still fails.
 */
#define FLAT_OVERFLOW 255
#define POINTER_FLAT_COUNT 2

struct scalar_layout {
    uint8_t size, native_size;
    uint8_t flat;
    bool plain;
};

/* Alignment is the size. */
static const struct scalar_layout scalar_layouts[] = {
    [VAL_BOOL] = {1, 1, CORE_I32, false},
    [VAL_S8] = {1, 1, CORE_I32, true},
    [VAL_U8] = {1, 1, CORE_I32, true},
    [VAL_S16] = {2, 2, CORE_I32, true},
    [VAL_U16] = {2, 2, CORE_I32, true},
    [VAL_S32] = {4, 4, CORE_I32, true},
    [VAL_U32] = {4, 4, CORE_I32, true},
    [VAL_S64] = {8, 8, CORE_I64, true},
    [VAL_U64] = {8, 8, CORE_I64, true},
    [VAL_F32] = {4, 4, CORE_F32, true},
    [VAL_F64] = {8, 8, CORE_F64, true},
    [VAL_CHAR] = {4, 4, CORE_I32, false},
    [VAL_OWN] = {4, 4, CORE_I32, false},
    [VAL_BORROW] = {4, 4, CORE_I32, false},
    [VAL_ERROR_CONTEXT] = {4, 4, CORE_I32, false},
    [VAL_STREAM] = {4, 4, CORE_I32, false},
    [VAL_FUTURE] = {4, 4, CORE_I32, false},
};

static uint32_t saturate(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint64_t align_to(uint64_t value, uint32_t align)
{
    return (value + align - 1) / align * align;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* "Flattening": appends what, as far as there is room. */
static void flat_append(struct abi_layout *layout, const uint8_t *flat, uint32_t count)
{
    if (layout->flat_count == FLAT_OVERFLOW || count == FLAT_OVERFLOW ||
        layout->flat_count + count > sizeof layout->flat) {
        layout->flat_count = FLAT_OVERFLOW;
        return;
    }
    memcpy(layout->flat + layout->flat_count, flat, count);
    layout->flat_count += count;
}

/* CanonicalABI.md, "Flattening", join */
static uint8_t flat_join(uint8_t a, uint8_t b)
{
    if (a == b)
        return a;
    if ((a == CORE_I32 && b == CORE_F32) || (a == CORE_F32 && b == CORE_I32))
        return CORE_I32;
    return CORE_I64;
}

/* Joins the flat values of one more case with those behind the discriminant. */
static void flat_join_case(struct abi_layout *layout, const struct abi_layout *payload)
{
    if (layout->flat_count == FLAT_OVERFLOW || payload->flat_count == FLAT_OVERFLOW ||
        payload->flat_count + 1 > sizeof layout->flat) {
        layout->flat_count = FLAT_OVERFLOW;
        return;
    }
    for (uint32_t i = 0; i < payload->flat_count; i++) {
        uint8_t *joined = &layout->flat[i + 1];
        *joined = i + 1 < layout->flat_count ? flat_join(*joined, payload->flat[i]) : payload->flat[i];
    }
    layout->flat_count = max_u32(layout->flat_count, payload->flat_count + 1);
}

static void layout_scalar(struct abi_layout *layout, const struct type_val *type)
{
    const struct scalar_layout *scalar = &scalar_layouts[type->kind];
    layout->size = layout->align = scalar->size;
    layout->native_size = layout->native_align = scalar->native_size;
    layout->flat[0] = scalar->flat;
    layout->flat_count = 1;
    layout->plain = scalar->plain;
    layout->has_handles = type->kind == VAL_OWN || type->kind == VAL_BORROW;
}

/* string, list, map: address and length; natively a pointer and a size_t. */
static void layout_pointer(struct ga_arena *arena, struct abi_layout *layout, const struct type_val *type)
{
    layout->size = 8;
    layout->align = 4;
    layout->native_size = sizeof(void *) + sizeof(size_t);
    layout->native_align = _Alignof(void *);
    memset(layout->flat, CORE_I32, POINTER_FLAT_COUNT);
    layout->flat_count = POINTER_FLAT_COUNT;
    if (type->element != NULL)
        layout->has_handles = abi_layout(arena, type->element)->has_handles;
    if (type->err != NULL)
        layout->has_handles |= abi_layout(arena, type->err)->has_handles;
}

static void layout_record(struct ga_arena *arena, struct abi_layout *layout, const struct type_val *type)
{
    uint32_t *offsets = ga_arena_array(arena, type->member_count, sizeof *offsets);
    uint32_t *native_offsets = ga_arena_array(arena, type->member_count, sizeof *native_offsets);
    uint64_t size = 0, native_size = 0, value_size = 0;

    layout->align = layout->native_align = 1;
    layout->plain = true;
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct abi_layout *field = abi_layout(arena, type->members[i].type);
        size = align_to(size, field->align);
        native_size = align_to(native_size, field->native_align);
        offsets[i] = saturate(size);
        native_offsets[i] = saturate(native_size);
        size += field->size;
        native_size += field->native_size;
        value_size += field->size;
        layout->align = max_u32(layout->align, field->align);
        layout->native_align = max_u32(layout->native_align, field->native_align);
        layout->has_handles |= field->has_handles;
        layout->plain &= field->plain && offsets[i] == native_offsets[i];
        flat_append(layout, field->flat, field->flat_count);
    }
    layout->size = saturate(align_to(size, layout->align));
    layout->native_size = saturate(align_to(native_size, layout->native_align));
    layout->plain &= layout->size == layout->native_size && layout->size == value_size;
    layout->offsets = offsets;
    layout->native_offsets = native_offsets;
}

/* CanonicalABI.md, "Alignment", discriminant_type */
static uint32_t discriminant_size(uint32_t case_count)
{
    return case_count <= 1u << 8 ? 1 : case_count <= 1u << 16 ? 2 : 4;
}

/* The payload types of a variant, option or result, by case number; NULL: none. */
static const struct type_val *case_payload(const struct type_val *type, uint32_t number)
{
    switch (type->kind) {
    case VAL_OPTION:
        return number == 0 ? NULL : type->element;
    case VAL_RESULT:
        return number == 0 ? type->element : type->err;
    default:
        return type->members[number].type;
    }
}

static uint32_t case_count(const struct type_val *type)
{
    return type->kind == VAL_OPTION || type->kind == VAL_RESULT ? 2 : type->member_count;
}

static void layout_variant(struct ga_arena *arena, struct abi_layout *layout, const struct type_val *type)
{
    uint32_t size = 0, align = 1, native_size = 0, native_align = 1;

    layout->discriminant_size = discriminant_size(case_count(type));
    layout->flat[0] = CORE_I32;
    layout->flat_count = 1;
    for (uint32_t i = 0; i < case_count(type); i++) {
        if (case_payload(type, i) == NULL)
            continue;
        const struct abi_layout *payload = abi_layout(arena, case_payload(type, i));
        size = max_u32(size, payload->size);
        align = max_u32(align, payload->align);
        native_size = max_u32(native_size, payload->native_size);
        native_align = max_u32(native_align, payload->native_align);
        layout->has_handles |= payload->has_handles;
        flat_join_case(layout, payload);
    }
    layout->align = max_u32(layout->discriminant_size, align);
    layout->payload_offset = (uint32_t)align_to(layout->discriminant_size, align);
    layout->size = saturate(align_to((uint64_t)layout->payload_offset + size, layout->align));
    layout->native_align = max_u32(sizeof(uint32_t), native_align);
    layout->native_payload_offset = (uint32_t)align_to(sizeof(uint32_t), native_align);
    layout->native_size =
        saturate(align_to((uint64_t)layout->native_payload_offset + native_size, layout->native_align));
}

static void layout_flags(struct abi_layout *layout, const struct type_val *type)
{
    layout->discriminant_size = type->member_count <= 8 ? 1 : type->member_count <= 16 ? 2 : 4;
    layout->size = layout->align = layout->discriminant_size;
    layout->native_size = layout->native_align = sizeof(uint32_t);
    layout->flat[0] = CORE_I32;
    layout->flat_count = 1;
}

static void layout_fixed_list(struct ga_arena *arena, struct abi_layout *layout, const struct type_val *type)
{
    const struct abi_layout *element = abi_layout(arena, type->element);
    layout->size = saturate((uint64_t)element->size * type->length);
    layout->align = element->align;
    layout->native_size = saturate((uint64_t)element->native_size * type->length);
    layout->native_align = element->native_align;
    layout->has_handles = element->has_handles;
    layout->plain = element->plain;
    for (uint32_t i = 0; i < type->length && layout->flat_count != FLAT_OVERFLOW; i++)
        flat_append(layout, element->flat, element->flat_count);
}

static void layout_compute(struct ga_arena *arena, struct abi_layout *layout, const struct type_val *type)
{
    switch (type->kind) {
    case VAL_STRING:
    case VAL_LIST:
    case VAL_MAP:
        layout_pointer(arena, layout, type);
        break;
    case VAL_RECORD:
    case VAL_TUPLE:
        layout_record(arena, layout, type);
        break;
    case VAL_VARIANT:
    case VAL_ENUM:
    case VAL_OPTION:
    case VAL_RESULT:
        layout_variant(arena, layout, type);
        break;
    case VAL_FLAGS:
        layout_flags(layout, type);
        break;
    case VAL_FIXED_LIST:
        layout_fixed_list(arena, layout, type);
        break;
    default:
        layout_scalar(layout, type);
        break;
    }
}

static const struct type_val *part_uncarried(struct ga_arena *arena, const struct type_val *part)
{
    return part != NULL ? abi_layout(arena, part)->uncarried : NULL;
}

static const struct type_val *find_uncarried(struct ga_arena *arena, const struct type_val *type)
{
    if (type->kind > VAL_BORROW)
        return type;
    const struct type_val *found = part_uncarried(arena, type->element);
    if (found == NULL)
        found = part_uncarried(arena, type->err);
    for (uint32_t i = 0; i < type->member_count && found == NULL; i++)
        found = part_uncarried(arena, type->members[i].type);
    return found;
}

const struct abi_layout *abi_layout(struct ga_arena *arena, const struct type_val *type)
{
    GA_ASSERT(type != NULL);
    if (type->abi == NULL) {
        struct abi_layout *layout = GA_NEW(arena, struct abi_layout);
        layout_compute(arena, layout, type);
        layout->uncarried = find_uncarried(arena, type);
        ((struct type_val *)type)->abi = layout; /* a cache: the type itself does not change */
    }
    return type->abi;
}

const struct type_val *abi_params_tuple(struct ga_arena *arena, const struct type_func *type)
{
    struct type_member *members = ga_arena_array(arena, type->param_count, sizeof *members);
    for (uint32_t i = 0; i < type->param_count; i++)
        members[i].type = type->params[i].type;

    struct type_val *tuple = GA_NEW(arena, struct type_val);
    tuple->kind = VAL_TUPLE;
    tuple->member_count = type->param_count;
    tuple->members = members;
    return tuple;
}

/* CanonicalABI.md, "Flattening", flatten_functype */
void abi_flatten_func(struct ga_arena *arena, const struct type_func *type, bool lower, struct core_func_type *out)
{
    const struct abi_layout *params = abi_layout(arena, abi_params_tuple(arena, type));
    const struct abi_layout *result = type->result != NULL ? abi_layout(arena, type->result) : NULL;
    bool spilled = result != NULL && result->flat_count > GA_MAX_FLAT_RESULTS;
    uint8_t *flat_params = ga_arena_alloc(arena, GA_MAX_FLAT_PARAMS + 1);
    uint8_t *flat_results = ga_arena_alloc(arena, GA_MAX_FLAT_RESULTS);

    *out = (struct core_func_type){.params = flat_params, .results = flat_results};
    if (params->flat_count > GA_MAX_FLAT_PARAMS) {
        flat_params[out->param_count++] = CORE_I32;
    } else {
        memcpy(flat_params, params->flat, params->flat_count);
        out->param_count = params->flat_count;
    }
    if (spilled && lower) {
        flat_params[out->param_count++] = CORE_I32;
    } else if (spilled) {
        flat_results[out->result_count++] = CORE_I32;
    } else if (result != NULL) {
        memcpy(flat_results, result->flat, result->flat_count);
        out->result_count = result->flat_count;
    }
}
