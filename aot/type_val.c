/*
 * Value types as graphs: making a node computes what is known of its unfolding (size, depth, resources) from its
 * parts, so no walk is needed later.
 */
#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "type_surface.h"

/* Sizes and alignments with 64-bit addresses; CanonicalABI.md, "Alignment" and "Element Size". */
static const uint8_t fixed_sizes[] = {
    [VAL_BOOL] = 1,    [VAL_S8] = 1,     [VAL_U8] = 1,  [VAL_S16] = 2,    [VAL_U16] = 2,           [VAL_S32] = 4,
    [VAL_U32] = 4,     [VAL_S64] = 8,    [VAL_U64] = 8, [VAL_F32] = 4,    [VAL_F64] = 8,           [VAL_CHAR] = 4,
    [VAL_STRING] = 16, [VAL_LIST] = 16,  [VAL_OWN] = 4, [VAL_BORROW] = 4, [VAL_ERROR_CONTEXT] = 4, [VAL_MAP] = 16,
    [VAL_STREAM] = 4,  [VAL_FUTURE] = 4,
};

static uint64_t align_to(uint64_t value, uint32_t align)
{
    return (value + align - 1) / align * align;
}

static void bound_members(struct type_val *type)
{
    type->bound_align = 1;
    for (uint32_t i = 0; i < type->member_count; i++) {
        const struct type_val *member = type->members[i].type;
        type->bound_size = align_to(type->bound_size, member->bound_align) + member->bound_size;
        if (member->bound_align > type->bound_align)
            type->bound_align = member->bound_align;
    }
    type->bound_size = align_to(type->bound_size, type->bound_align);
}

static void bound_case(const struct type_val *payload, uint64_t *size, uint32_t *align)
{
    if (payload == NULL)
        return;
    if (payload->bound_size > *size)
        *size = payload->bound_size;
    if (payload->bound_align > *align)
        *align = payload->bound_align;
}

static void bound_cases(struct type_val *type)
{
    uint32_t discriminant = type->member_count <= 256 ? 1 : type->member_count <= 65536 ? 2 : 4, align = 1;
    uint64_t size = 0;
    bound_case(type->element, &size, &align);
    bound_case(type->err, &size, &align);
    for (uint32_t i = 0; i < type->member_count; i++)
        bound_case(type->members[i].type, &size, &align);
    type->bound_align = align > discriminant ? align : discriminant;
    type->bound_size = align_to(align_to(discriminant, align) + size, type->bound_align);
}

static void bound(struct type_val *type)
{
    type->bound_size = 0;
    switch (type->kind) {
    case VAL_RECORD:
    case VAL_TUPLE: bound_members(type); break;
    case VAL_VARIANT:
    case VAL_ENUM:
    case VAL_OPTION:
    case VAL_RESULT: bound_cases(type); break;
    case VAL_FLAGS:
        type->bound_size = type->bound_align = type->member_count <= 8 ? 1 : type->member_count <= 16 ? 2 : 4;
        break;
    case VAL_FIXED_LIST:
        type->bound_align = type->element->bound_align;
        type->bound_size = type->element->bound_size * type->length; /* less than 2^28 by 2^32 */
        break;
    default:
        type->bound_size = type->bound_align = fixed_sizes[type->kind];
        if (type->bound_size == 16)
            type->bound_align = 8;
    }
}

static void part(struct type_val *type, uint64_t *size, const struct type_val *child)
{
    if (child == NULL)
        return;
    *size += child->size;
    if (child->depth >= type->depth)
        type->depth = child->depth + 1;
    type->has_borrow |= child->has_borrow;
    type->has_resource |= child->has_resource;
    type->has_pointer |=
        child->has_pointer && type->kind != VAL_STREAM && type->kind != VAL_FUTURE; /* those are handles */
}

static bool is_nameable(enum val_kind kind)
{
    return kind == VAL_RECORD || kind == VAL_VARIANT || kind == VAL_ENUM || kind == VAL_FLAGS;
}

const struct type_val *type_val_make(struct type_context *context, const struct type_val *contents,
                                     const char **fault_out)
{
    struct type_val *type = GA_NEW(context->arena, struct type_val);
    *type = *contents;
    type->abi = NULL;
    type->depth = 1;
    type->has_borrow = type->kind == VAL_BORROW;
    type->has_resource = type->kind == VAL_BORROW || type->kind == VAL_OWN;
    type->has_pointer = type->kind == VAL_STRING || type->kind == VAL_LIST || type->kind == VAL_MAP;
    uint64_t size = 1 + (uint64_t)type->member_count;
    part(type, &size, type->element);
    part(type, &size, type->err);
    for (uint32_t i = 0; i < type->member_count; i++)
        part(type, &size, type->members[i].type);
    if (type->alias == 0 && is_nameable(type->kind))
        type->alias = ++context->last_alias;
    *fault_out = NULL;
    if (size > GA_MAX_TYPE_SIZE)
        *fault_out = "type with too many parts";
    else if (type->depth > GA_MAX_TYPE_DEPTH)
        *fault_out = "type nested too deeply";
    else
        bound(type);
    if (type->bound_size > GA_MAX_VALUE_BYTES)
        *fault_out = "values of this type exceed the maximum size in bytes";
    type->size = (uint32_t)size;
    return *fault_out == NULL ? type : NULL;
}

const struct type_val *type_val_new(struct type_context *context, const struct type_val *contents)
{
    const char *fault;
    return type_val_make(context, contents, &fault);
}

const struct type_val *type_primitive(struct type_context *context, enum val_kind kind)
{
    GA_ASSERT(kind <= VAL_STRING || kind == VAL_ERROR_CONTEXT);
    const struct type_val **cached = kind <= VAL_STRING ? &context->primitives[kind] : &context->error_context;
    if (*cached == NULL)
        *cached = type_val_new(context, &(struct type_val){.kind = kind});
    return *cached;
}

struct type_extern type_rename(struct type_context *context, struct type_extern item, struct slice name)
{
    if (item.kind == EXTERN_RESOURCE) {
        item.alias = ++context->last_alias;
        if (item.resource->name.size == 0)
            item.resource->name = name; /* a definition has no name until it is exported */
    }
    if (item.kind != EXTERN_TYPE)
        return item;
    struct type_val *copy = GA_NEW(context->arena, struct type_val);
    *copy = *item.value;
    copy->name = name;
    copy->abi = NULL;
    if (copy->resource == NULL) { /* a handle's alias is its resource's */
        copy->origin = copy->alias;
        copy->alias = ++context->last_alias;
    }
    item.value = copy;
    return item;
}
