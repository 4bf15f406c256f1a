#ifndef CABI_TYPES_MADE_H
#define CABI_TYPES_MADE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cabi.h"
#include "ga_assert.h"
#include "ga_utf8.h"

/* Descriptors made at run time, with layouts computed straight from CanonicalABI.md; and random types and values
 * for tests. */

static inline void *made_zeroed(size_t size)
{
    void *memory = calloc(1, size + !size);
    GA_ASSERT(memory);
    return memory;
}

static inline uint32_t made_align_to(uint32_t value, uint32_t align)
{
    return (value + align - 1) / align * align;
}

static inline struct cabi_type *made_list(const struct cabi_type *element)
{
    struct cabi_type *type = made_zeroed(sizeof *type);
    *type = cabi_string;
    type->kind = CABI_LIST;
    type->element = element;
    type->has_handles = element->has_handles;
    return type;
}

/* members: names and types are set. */
static inline struct cabi_type *made_product(uint8_t kind, uint32_t count, struct cabi_member *members)
{
    struct cabi_type *type = made_zeroed(sizeof *type);
    *type = (struct cabi_type){
        .kind = kind, .align = 1, .native_align = 1, .plain = true, .member_count = count, .members = members};
    uint32_t flat_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct cabi_type *part = members[i].type;
        members[i].offset = type->size = made_align_to(type->size, part->align);
        members[i].native_offset = type->native_size = made_align_to(type->native_size, part->native_align);
        type->size += part->size;
        type->native_size += part->native_size;
        type->align = part->align > type->align ? part->align : type->align;
        type->native_align = part->native_align > type->native_align ? part->native_align : type->native_align;
        type->plain &= part->plain && members[i].offset == members[i].native_offset;
        type->has_handles |= part->has_handles;
        flat_count += part->flat_count;
    }
    type->size = made_align_to(type->size, type->align);
    type->native_size = made_align_to(type->native_size, type->native_align);
    type->flat_count = flat_count > 16 ? 255 : (uint8_t)flat_count;
    return type;
}

static inline struct cabi_type *made_sum(uint8_t kind, uint32_t count, struct cabi_member *members)
{
    struct cabi_type *type = made_zeroed(sizeof *type);
    uint8_t discriminant_size = count <= 0x100 ? 1 : count <= 0x10000 ? 2 : 4;
    *type = (struct cabi_type){.kind = kind,
                               .align = discriminant_size,
                               .discriminant_size = discriminant_size,
                               .native_align = 4,
                               .member_count = count,
                               .members = members};
    uint32_t size = 0, native_size = 0, flat_count = 0, align = 1, native_align = 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct cabi_type *part = members[i].type;
        if (!part)
            continue;
        size = part->size > size ? part->size : size;
        native_size = part->native_size > native_size ? part->native_size : native_size;
        align = part->align > align ? part->align : align;
        native_align = part->native_align > native_align ? part->native_align : native_align;
        flat_count = part->flat_count > flat_count ? part->flat_count : flat_count;
        type->has_handles |= part->has_handles;
    }
    type->align = align > type->align ? (uint8_t)align : type->align;
    type->native_align = native_align > 4 ? (uint8_t)native_align : 4;
    type->payload_offset = made_align_to(discriminant_size, align);
    type->native_payload_offset = made_align_to(4, native_align);
    type->size = made_align_to(type->payload_offset + size, type->align);
    type->native_size = made_align_to(type->native_payload_offset + native_size, type->native_align);
    type->flat_count = flat_count + 1 > 16 ? 255 : (uint8_t)(flat_count + 1);
    return type;
}

/* Takes name, type pairs. A name is NULL in a tuple, a type where there is no payload. */
static inline struct cabi_type *made_type(uint8_t kind, uint32_t count, ...)
{
    struct cabi_member *members = made_zeroed(count * sizeof *members);
    va_list args;
    va_start(args, count);
    for (uint32_t i = 0; i < count; i++) {
        members[i].name = va_arg(args, const char *);
        members[i].type = va_arg(args, const struct cabi_type *);
    }
    va_end(args);
    return kind == CABI_RECORD || kind == CABI_TUPLE ? made_product(kind, count, members)
                                                     : made_sum(kind, count, members);
}

#define NO_TYPE ((const struct cabi_type *)0)
#define NO_NAME ((const char *)0)

static inline struct cabi_type *made_option(const struct cabi_type *some)
{
    return made_type(CABI_OPTION, 2, "none", NO_TYPE, "some", some);
}

static inline struct cabi_type *made_result(const struct cabi_type *ok, const struct cabi_type *err)
{
    return made_type(CABI_RESULT, 2, "ok", ok, "err", err);
}

/* Cases or flags called c0, c1, ... */
static inline struct cabi_member *made_labels(uint32_t count)
{
    struct cabi_member *members = made_zeroed(count * sizeof *members);
    for (uint32_t i = 0; i < count; i++) {
        char *name = made_zeroed(12);
        snprintf(name, 12, "c%u", i);
        members[i].name = name;
    }
    return members;
}

static inline struct cabi_type *made_enum(uint32_t count)
{
    return made_sum(CABI_ENUM, count, made_labels(count));
}

static inline struct cabi_type *made_flags(uint32_t count)
{
    uint8_t size = count <= 8 ? 1 : count <= 16 ? 2 : 4;
    struct cabi_type *type = made_zeroed(sizeof *type);
    *type = (struct cabi_type){.kind = CABI_FLAGS,
                               .align = size,
                               .discriminant_size = size,
                               .native_align = 4,
                               .flat_count = 1,
                               .size = size,
                               .native_size = 4,
                               .member_count = count,
                               .members = made_labels(count)};
    return type;
}

static inline struct cabi_type *made_handle(uint8_t kind, const struct cabi_resource *resource)
{
    struct cabi_type *type = made_zeroed(sizeof *type);
    *type = cabi_u32;
    type->kind = kind;
    type->plain = false;
    type->has_handles = true;
    type->resource = resource;
    return type;
}

/* A function type from its parameters' types; result may be NULL. lower tells the import's view from the export's. */
static inline struct cabi_func_type made_func(const struct cabi_type *result, uint32_t count, ...)
{
    struct cabi_member *members = made_zeroed(count * sizeof *members);
    va_list args;
    va_start(args, count);
    for (uint32_t i = 0; i < count; i++) {
        members[i].name = "p";
        members[i].type = va_arg(args, const struct cabi_type *);
    }
    va_end(args);
    const struct cabi_type *tuple = made_product(CABI_TUPLE, count, members);
    return (struct cabi_func_type){.param_count = count,
                                   .params = members,
                                   .params_tuple = tuple,
                                   .result = result,
                                   .params_spilled = tuple->flat_count > 16,
                                   .result_spilled = result && result->flat_count > 1};
}

/* --- random types and values (xorshift, seeded by the test) --- */

struct made_random {
    uint64_t state;
};

static inline uint64_t made_next(struct made_random *random)
{
    uint64_t x = random->state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return random->state = x;
}

static inline uint32_t made_below(struct made_random *random, uint32_t limit)
{
    return (uint32_t)(made_next(random) >> 20) % limit;
}

static inline const struct cabi_type *made_random_type(struct made_random *random, unsigned depth)
{
    static const struct cabi_type *const primitives[] = {&cabi_bool, &cabi_s8,   &cabi_u8,    &cabi_s16, &cabi_u16,
                                                         &cabi_s32,  &cabi_u32,  &cabi_s64,   &cabi_u64, &cabi_f32,
                                                         &cabi_f64,  &cabi_char, &cabi_string};
    static const char *const names[] = {"some", "none", "ok", "err", "true", "inf", "plain-name", "HTTP", "x"};
    if (depth == 0 || made_below(random, 3) == 0)
        return primitives[made_below(random, 13)];
    switch (made_below(random, 8)) {
    case 0: return made_list(made_random_type(random, depth - 1));
    case 1: return made_option(made_random_type(random, depth - 1));
    case 2:
        return made_result(made_below(random, 3) ? made_random_type(random, depth - 1) : NULL,
                           made_below(random, 3) ? made_random_type(random, depth - 1) : NULL);
    case 3: return made_enum(1 + made_below(random, 300));
    case 4: return made_flags(1 + made_below(random, 32));
    default: break;
    }
    uint32_t count = 1 + made_below(random, 6);
    struct cabi_member *members = made_zeroed(count * sizeof *members);
    uint8_t kind = (uint8_t[]){CABI_RECORD, CABI_TUPLE, CABI_VARIANT}[made_below(random, 3)];
    uint32_t first = made_below(random, 9);
    for (uint32_t i = 0; i < count; i++) {
        members[i].name = kind == CABI_TUPLE ? NULL : names[(first + i) % 9];
        if (kind != CABI_VARIANT || made_below(random, 3))
            members[i].type = made_random_type(random, depth - 1);
    }
    return kind == CABI_VARIANT ? made_sum(kind, count, members) : made_product(kind, count, members);
}

static inline uint32_t made_random_scalar(struct made_random *random)
{
    static const uint32_t interesting[] = {0,       '\'',     '"',   '\\',  '\n',  '\t',   '\r',   0x7f,
                                           0x80,    0xff,     0x100, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff,
                                           0x10000, 0x10ffff, ' ',   '{',   '/',   '%'};
    switch (made_below(random, 4)) {
    case 0: return interesting[made_below(random, sizeof interesting / sizeof *interesting)];
    case 1: return made_below(random, 0xd800);
    default: return 'a' + made_below(random, 26);
    }
}

static inline struct cabi_string made_random_string(struct made_random *random)
{
    uint32_t count = made_below(random, 12);
    uint8_t *data = made_zeroed(4 * count), *at = data;
    for (uint32_t i = 0; i < count; i++)
        at += ga_utf8_put(at, made_random_scalar(random));
    return (struct cabi_string){(char *)data, (size_t)(at - data)};
}

static inline void made_random_value(struct made_random *random, const struct cabi_type *type, void *native)
{
    uint64_t bits = made_next(random);
    if (made_below(random, 3) == 0)
        bits = made_below(random, 2) ? 0 : UINT64_MAX;
    if (type->kind == CABI_F64 && made_below(random, 2))
        bits = (union {
                   double f;
                   uint64_t u;
               }){.f = (double)(int32_t)bits / 8}
                   .u;
    switch (type->kind) {
    case CABI_BOOL: *(bool *)native = bits & 1; return;
    case CABI_CHAR: *(uint32_t *)native = made_random_scalar(random); return;
    case CABI_STRING: *(struct cabi_string *)native = made_random_string(random); return;
    case CABI_LIST: {
        struct cabi_list *list = native;
        list->count = made_below(random, 5);
        list->items = made_zeroed(list->count * type->element->native_size);
        for (size_t i = 0; i < list->count; i++)
            made_random_value(random, type->element, (char *)list->items + i * type->element->native_size);
        return;
    }
    case CABI_RECORD:
    case CABI_TUPLE:
        for (uint32_t i = 0; i < type->member_count; i++)
            made_random_value(random, type->members[i].type, (char *)native + type->members[i].native_offset);
        return;
    case CABI_ENUM: *(uint32_t *)native = made_below(random, type->member_count); return;
    case CABI_VARIANT:
    case CABI_OPTION:
    case CABI_RESULT: {
        uint32_t tag = *(uint32_t *)native = made_below(random, type->member_count);
        if (type->members[tag].type)
            made_random_value(random, type->members[tag].type, (char *)native + type->native_payload_offset);
        return;
    }
    case CABI_FLAGS:
        *(uint32_t *)native = (uint32_t)bits & (type->member_count == 32 ? UINT32_MAX : (1u << type->member_count) - 1);
        return;
    default: memcpy(native, &bits, type->native_size);
    }
}

#endif
