/*
 * Binary.md, "Type Definitions": component-level types, and the core types that may stand beside them. Type
 * opcodes are single bytes from 0x7f downwards, indexes non-negative SLEB128 numbers of 33 bits, so that the
 * second highest bit of the first byte tells them apart.
 */
#include "bin_reader.h"

#define PRIMITIVE_FIRST 0x73

static const uint8_t primitives[] = {
    [0x7f - PRIMITIVE_FIRST] = VAL_BOOL,   [0x7e - PRIMITIVE_FIRST] = VAL_S8,  [0x7d - PRIMITIVE_FIRST] = VAL_U8,
    [0x7c - PRIMITIVE_FIRST] = VAL_S16,    [0x7b - PRIMITIVE_FIRST] = VAL_U16, [0x7a - PRIMITIVE_FIRST] = VAL_S32,
    [0x79 - PRIMITIVE_FIRST] = VAL_U32,    [0x78 - PRIMITIVE_FIRST] = VAL_S64, [0x77 - PRIMITIVE_FIRST] = VAL_U64,
    [0x76 - PRIMITIVE_FIRST] = VAL_F32,    [0x75 - PRIMITIVE_FIRST] = VAL_F64, [0x74 - PRIMITIVE_FIRST] = VAL_CHAR,
    [0x73 - PRIMITIVE_FIRST] = VAL_STRING,
};

static bool primitive_from(uint8_t byte, enum val_kind *kind)
{
    if (byte == 0x64)
        *kind = VAL_ERROR_CONTEXT;
    else if (byte >= PRIMITIVE_FIRST && byte <= 0x7f)
        *kind = primitives[byte - PRIMITIVE_FIRST];
    else
        return false;
    return true;
}

/* A non-negative SLEB128 of 33 bits. */
static uint32_t type_index(struct bin_reader *reader)
{
    const uint8_t *at = reader->at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = bin_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (!(byte & 0x40) && value <= UINT32_MAX)
            return (uint32_t)value;
        break;
    }
    bin_fail_at(reader, GA_INVALID, at, "not a type index");
    return 0;
}

struct val_ref bin_val_ref(struct bin_reader *reader)
{
    struct val_ref ref = {.present = true};
    if ((bin_peek(reader) & 0xc0) != 0x40) {
        ref.is_index = true;
        ref.index = type_index(reader);
        return ref;
    }
    uint8_t byte = bin_u8(reader);
    if (!primitive_from(byte, &ref.primitive))
        bin_fail_byte(reader, byte, "a value type");
    return ref;
}

static struct val_ref optional_val_ref(struct bin_reader *reader)
{
    return bin_bool(reader, "the start of an optional type") ? bin_val_ref(reader) : (struct val_ref){0};
}

struct val_ref bin_result_list(struct bin_reader *reader)
{
    uint8_t byte = bin_u8(reader);
    if (byte == 0x00)
        return bin_val_ref(reader);
    if (byte != 0x01)
        bin_fail_byte(reader, byte, "a result list");
    byte = bin_u8(reader);
    if (byte != 0x00)
        bin_fail_byte(reader, byte, "the end of an empty result list");
    return (struct val_ref){0};
}

/* --- value types --- */

static void labels(struct bin_reader *reader, struct def_type *type)
{
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
        GA_PUSH(reader->arena, &type->members)->name = bin_name(reader);
}

static void labelled(struct bin_reader *reader, struct def_type *type)
{
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--) {
        struct def_member *member = GA_PUSH(reader->arena, &type->members);
        member->name = bin_name(reader);
        member->type = bin_val_ref(reader);
    }
}

static void cases(struct bin_reader *reader, struct def_type *type)
{
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--) {
        struct def_member *member = GA_PUSH(reader->arena, &type->members);
        member->name = bin_name(reader);
        member->type = optional_val_ref(reader);
        uint8_t end = bin_u8(reader);
        if (end != 0x00)
            bin_fail_byte(reader, end, "the end of a case");
    }
}

static void elements(struct bin_reader *reader, struct def_type *type)
{
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
        GA_PUSH(reader->arena, &type->members)->type = bin_val_ref(reader);
}

static void element(struct bin_reader *reader, struct def_type *type)
{
    type->element = bin_val_ref(reader);
}

static void optional_element(struct bin_reader *reader, struct def_type *type)
{
    type->element = optional_val_ref(reader);
}

static void fixed_list(struct bin_reader *reader, struct def_type *type)
{
    type->element = bin_val_ref(reader);
    type->length = bin_u32(reader);
}

static void result(struct bin_reader *reader, struct def_type *type)
{
    type->ok = optional_val_ref(reader);
    type->err = optional_val_ref(reader);
}

static void map(struct bin_reader *reader, struct def_type *type)
{
    type->ok = bin_val_ref(reader);
    type->err = bin_val_ref(reader);
}

static void handle(struct bin_reader *reader, struct def_type *type)
{
    type->resource_index = bin_u32(reader);
}

/* --- the other component-level types --- */

static void func(struct bin_reader *reader, struct def_type *type)
{
    labelled(reader, type);
    type->result = bin_result_list(reader);
}

static void async_func(struct bin_reader *reader, struct def_type *type)
{
    type->async = true;
    func(reader, type);
}

static void resource(struct bin_reader *reader, struct def_type *type)
{
    uint8_t rep = bin_u8(reader);
    if (rep != 0x7f && rep != 0x7e)
        bin_fail_byte(reader, rep, "i32 or i64, as which alone a resource can be represented");
    type->rep = rep == 0x7f ? CORE_I32 : CORE_I64;
    type->has_dtor = bin_bool(reader, "the start of an optional destructor");
    if (type->has_dtor)
        type->dtor = bin_u32(reader);
}

static void core_type(struct bin_reader *reader, struct component *component, bool in_module);

static void declarator(struct bin_reader *reader, struct component *decls, bool imports_too)
{
    const uint8_t *at = reader->at;
    uint32_t before = decls->defs.count;
    uint8_t byte = bin_u8(reader);
    if (byte == 0x00)
        core_type(reader, decls, false);
    else if (byte == 0x01)
        bin_type_section_entry(reader, decls);
    else if (byte == 0x02)
        bin_alias_entry(reader, decls);
    else if (byte == 0x03 && imports_too)
        bin_import_entry(reader, decls);
    else if (byte == 0x04)
        bin_export_declarator(reader, decls);
    else
        bin_fail_byte(reader, byte,
                      imports_too ? "a declarator of a component type" : "a declarator of an instance type");
    if (!reader->failed && decls->defs.count > before)
        decls->defs.items[decls->defs.count - 1].offset = (uint64_t)(at - reader->start);
}

static void declarators(struct bin_reader *reader, struct def_type *type)
{
    type->decls = GA_NEW(reader->arena, struct component);
    type->decls->offset = bin_offset(reader);
    if (bin_enter(reader)) {
        for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
            declarator(reader, type->decls, type->kind == DEF_TYPE_COMPONENT);
    }
    bin_leave(reader);
}

/* --- deftype --- */

#define DEF_OPCODE_FIRST 0x3f

static const struct def_opcode {
    void (*read)(struct bin_reader *reader, struct def_type *type);
    enum def_type_kind kind;
    enum val_kind value;
} def_opcodes[] = {
    [0x72 - DEF_OPCODE_FIRST] = {labelled, DEF_TYPE_VALUE, VAL_RECORD},
    [0x71 - DEF_OPCODE_FIRST] = {cases, DEF_TYPE_VALUE, VAL_VARIANT},
    [0x70 - DEF_OPCODE_FIRST] = {element, DEF_TYPE_VALUE, VAL_LIST},
    [0x6f - DEF_OPCODE_FIRST] = {elements, DEF_TYPE_VALUE, VAL_TUPLE},
    [0x6e - DEF_OPCODE_FIRST] = {labels, DEF_TYPE_VALUE, VAL_FLAGS},
    [0x6d - DEF_OPCODE_FIRST] = {labels, DEF_TYPE_VALUE, VAL_ENUM},
    [0x6b - DEF_OPCODE_FIRST] = {element, DEF_TYPE_VALUE, VAL_OPTION},
    [0x6a - DEF_OPCODE_FIRST] = {result, DEF_TYPE_VALUE, VAL_RESULT},
    [0x69 - DEF_OPCODE_FIRST] = {handle, DEF_TYPE_VALUE, VAL_OWN},
    [0x68 - DEF_OPCODE_FIRST] = {handle, DEF_TYPE_VALUE, VAL_BORROW},
    [0x67 - DEF_OPCODE_FIRST] = {fixed_list, DEF_TYPE_VALUE, VAL_FIXED_LIST},
    [0x66 - DEF_OPCODE_FIRST] = {optional_element, DEF_TYPE_VALUE, VAL_STREAM},
    [0x65 - DEF_OPCODE_FIRST] = {optional_element, DEF_TYPE_VALUE, VAL_FUTURE},
    [0x63 - DEF_OPCODE_FIRST] = {map, DEF_TYPE_VALUE, VAL_MAP},
    [0x43 - DEF_OPCODE_FIRST] = {async_func, DEF_TYPE_FUNC, 0},
    [0x42 - DEF_OPCODE_FIRST] = {declarators, DEF_TYPE_INSTANCE, 0},
    [0x41 - DEF_OPCODE_FIRST] = {declarators, DEF_TYPE_COMPONENT, 0},
    [0x40 - DEF_OPCODE_FIRST] = {func, DEF_TYPE_FUNC, 0},
    [0x3f - DEF_OPCODE_FIRST] = {resource, DEF_TYPE_RESOURCE, 0},
};

void bin_type_section_entry(struct bin_reader *reader, struct component *component)
{
    const uint8_t *at = reader->at;
    uint8_t byte = bin_u8(reader);
    struct def_type type = {.kind = DEF_TYPE_VALUE};
    if (!primitive_from(byte, &type.value)) {
        unsigned number = byte - DEF_OPCODE_FIRST;
        if (byte < DEF_OPCODE_FIRST || number >= sizeof def_opcodes / sizeof def_opcodes[0] ||
            def_opcodes[number].read == NULL) {
            bin_fail_byte(reader, byte, "a type");
            return;
        }
        type.kind = def_opcodes[number].kind;
        type.value = def_opcodes[number].value;
        def_opcodes[number].read(reader, &type);
    }
    bin_def(reader, component, DEF_TYPE, at)->type = type;
}

/* --- core types (core specification, "Types") --- */

/* heaptype: an abstract one, or a type index. */
static void heap_type(struct bin_reader *reader)
{
    uint8_t byte = bin_peek(reader);
    if ((byte & 0xc0) != 0x40) {
        uint32_t index = type_index(reader);
        if (reader->core_refs != NULL)
            *GA_PUSH(reader->arena, reader->core_refs) = index;
        return;
    }
    bin_u8(reader);
    if (byte < 0x68 || byte > 0x75)
        bin_fail_byte(reader, byte, "a heap type");
}

static bool is_abstract_ref(uint8_t byte)
{
    return byte >= 0x68 && byte <= 0x75;
}

static uint8_t core_ref(struct bin_reader *reader)
{
    uint8_t byte = bin_u8(reader);
    if (byte == 0x63 && (bin_peek(reader) == 0x70 || bin_peek(reader) == 0x6f))
        byte = bin_u8(reader); /* (ref null func) is funcref */
    if (byte == 0x70)
        return CORE_FUNCREF;
    if (byte == 0x6f)
        return CORE_EXTERNREF;
    if (byte == 0x63 || byte == 0x64)
        heap_type(reader);
    else if (!is_abstract_ref(byte))
        bin_fail_byte(reader, byte, "a reference type");
    return CORE_OTHER;
}

uint8_t bin_core_val(struct bin_reader *reader)
{
    static const uint8_t numbers[] = {CORE_V128, CORE_F64, CORE_F32, CORE_I64, CORE_I32};
    uint8_t byte = bin_peek(reader);
    if (byte < 0x7b || byte > 0x7f)
        return core_ref(reader);
    bin_u8(reader);
    return numbers[byte - 0x7b];
}

static uint32_t core_vals(struct bin_reader *reader, const uint8_t **vals_out)
{
    uint32_t count = bin_count(reader);
    uint8_t *vals = ga_arena_alloc(reader->arena, count);
    for (uint32_t i = 0; i < count && !reader->failed; i++)
        vals[i] = bin_core_val(reader);
    *vals_out = vals;
    return count;
}

static void core_field(struct bin_reader *reader)
{
    uint8_t byte = bin_peek(reader);
    if (byte == 0x77 || byte == 0x78) /* packed */
        bin_u8(reader);
    else
        bin_core_val(reader);
    bin_bool(reader, "a mutability");
}

static void core_comp_type(struct bin_reader *reader, struct core_type_def *type)
{
    uint8_t byte = bin_u8(reader);
    if (byte == 0x60) {
        type->is_func = true;
        type->func.param_count = core_vals(reader, &type->func.params);
        type->func.result_count = core_vals(reader, &type->func.results);
    } else if (byte == 0x5e) {
        core_field(reader);
    } else if (byte == 0x5f) {
        for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
            core_field(reader);
    } else {
        bin_fail_byte(reader, byte, "a core type");
    }
}

/* subtype; in a component, an open one (0x00 0x50) has been told from a module type (0x50) by the caller. */
static void core_sub_type(struct bin_reader *reader, struct core_type_def *type)
{
    if (bin_peek(reader) == 0x4f || bin_peek(reader) == 0x50) {
        type->open = bin_u8(reader) == 0x50;
        for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
            *GA_PUSH(reader->arena, &type->supertypes) = bin_u32(reader);
    }
    reader->core_refs = &type->refs;
    core_comp_type(reader, type);
    reader->core_refs = NULL;
}

static void core_limits(struct bin_reader *reader, struct core_extern_type *type)
{
    uint8_t flags = bin_u8(reader);
    bool page_size = type->kind == CORE_EXTERN_MEMORY && (flags & 8);
    if (flags > 15 || (flags & 8 && !page_size))
        bin_fail_byte(reader, flags, "a set of limit flags");
    type->has_max = flags & 1;
    type->shared = flags & 2;
    type->is64 = flags & 4;
    type->min = type->is64 ? bin_u64(reader) : bin_u32(reader);
    if (type->has_max)
        type->max = type->is64 ? bin_u64(reader) : bin_u32(reader);
    type->page_size_log2 = 16;
    if (page_size)
        type->page_size_log2 = bin_u32(reader);
}

/* externtype of the core specification; functions and tags by type index. */
static void core_extern_desc(struct bin_reader *reader, struct extern_desc *desc)
{
    static const enum sort sorts[] = {SORT_CORE_FUNC, SORT_CORE_TABLE, SORT_CORE_MEMORY, SORT_CORE_GLOBAL,
                                      SORT_CORE_TAG};
    uint8_t byte = bin_u8(reader);
    if (byte >= sizeof sorts / sizeof sorts[0]) {
        bin_fail_byte(reader, byte, "a core external type");
        return;
    }
    desc->sort = sorts[byte];
    desc->core.kind = (enum core_extern)byte;
    reader->core_refs = &desc->core_refs;
    switch (desc->core.kind) {
    case CORE_EXTERN_TAG:
        byte = bin_u8(reader);
        if (byte != 0x00)
            bin_fail_byte(reader, byte, "a tag attribute");
        desc->type_index = bin_u32(reader);
        break;
    case CORE_EXTERN_FUNC: desc->type_index = bin_u32(reader); break;
    case CORE_EXTERN_TABLE:
        desc->core.value = core_ref(reader);
        core_limits(reader, &desc->core);
        break;
    case CORE_EXTERN_MEMORY: core_limits(reader, &desc->core); break;
    case CORE_EXTERN_GLOBAL:
        desc->core.value = bin_core_val(reader);
        desc->core.mutable = bin_bool(reader, "a mutability");
        break;
    }
    reader->core_refs = NULL;
}

/* core:alias: only (alias outer ct idx (type)). */
static void module_alias(struct bin_reader *reader, struct component *decls, const uint8_t *at)
{
    uint8_t byte = bin_u8(reader);
    if (byte != 0x10)
        bin_fail_byte(reader, byte, "the sort of an alias in a module type");
    byte = bin_u8(reader);
    if (byte != 0x01)
        bin_fail_byte(reader, byte, "the target of an alias in a module type");
    struct def *def = bin_def(reader, decls, DEF_ALIAS, at);
    def->alias.kind = ALIAS_OUTER;
    def->alias.sort = SORT_CORE_TYPE;
    def->alias.outer_count = bin_u32(reader);
    def->alias.index = bin_u32(reader);
}

static void module_declarator(struct bin_reader *reader, struct component *decls)
{
    const uint8_t *at = reader->at;
    uint8_t byte = bin_u8(reader);
    if (byte == 0x00) {
        struct def *def = bin_def(reader, decls, DEF_IMPORT, at);
        def->import.module = bin_name(reader);
        def->import.name = bin_name(reader);
        core_extern_desc(reader, &def->import.desc);
    } else if (byte == 0x01) {
        core_type(reader, decls, true);
    } else if (byte == 0x02) {
        module_alias(reader, decls, at);
    } else if (byte == 0x03) {
        struct def *def = bin_def(reader, decls, DEF_EXPORT, at);
        def->export.name = bin_name(reader);
        def->export.has_desc = true;
        core_extern_desc(reader, &def->export.desc);
    } else {
        bin_fail_byte(reader, byte, "a declarator of a module type");
    }
}

static void module_type(struct bin_reader *reader, struct core_type_def *type)
{
    type->is_module = true;
    type->decls = GA_NEW(reader->arena, struct component);
    type->decls->offset = bin_offset(reader);
    if (bin_enter(reader)) {
        for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
            module_declarator(reader, type->decls);
    }
    bin_leave(reader);
}

/* One entry; a recursion group defines several types at once. */
static void core_type(struct bin_reader *reader, struct component *component, bool in_module)
{
    const uint8_t *at = reader->at;
    uint32_t count = 1;
    if (bin_peek(reader) == 0x4e) {
        bin_u8(reader);
        count = bin_count(reader);
    } else if (bin_peek(reader) == 0x50 && !in_module) {
        bin_u8(reader);
        struct core_type_def type = {0};
        module_type(reader, &type);
        bin_def(reader, component, DEF_CORE_TYPE, at)->core_type = type;
        return;
    } else if (bin_peek(reader) == 0x00 && !in_module) {
        bin_u8(reader);
        if (bin_peek(reader) != 0x50) {
            uint8_t byte = bin_u8(reader);
            bin_fail_byte(reader, byte, "an open subtype");
        }
    }
    for (; count > 0 && !reader->failed; count--) {
        struct core_type_def type = {.group_left = count};
        core_sub_type(reader, &type);
        bin_def(reader, component, DEF_CORE_TYPE, at)->core_type = type;
    }
}

void bin_core_type_section_entry(struct bin_reader *reader, struct component *component)
{
    core_type(reader, component, false);
}

/* --- externtype --- */

static void value_bound(struct bin_reader *reader, struct extern_desc *desc)
{
    uint8_t byte = bin_u8(reader);
    desc->value_eq = byte == 0x00;
    if (byte == 0x00)
        desc->type_index = bin_u32(reader);
    else if (byte == 0x01)
        desc->value = bin_val_ref(reader);
    else
        bin_fail_byte(reader, byte, "a value bound");
}

static void type_bound(struct bin_reader *reader, struct extern_desc *desc)
{
    uint8_t byte = bin_u8(reader);
    desc->type_sub_resource = byte == 0x01;
    if (byte == 0x00)
        desc->type_index = bin_u32(reader);
    else if (byte != 0x01)
        bin_fail_byte(reader, byte, "a type bound");
}

void bin_extern_desc(struct bin_reader *reader, struct extern_desc *desc)
{
    const uint8_t *at = reader->at;
    desc->sort = bin_sort(reader);
    if (reader->failed)
        return;
    if (desc->sort < SORT_FUNC && desc->sort != SORT_CORE_MODULE)
        bin_fail_at(reader, GA_INVALID, at, "not an external type");
    else if (desc->sort == SORT_VALUE)
        value_bound(reader, desc);
    else if (desc->sort == SORT_TYPE)
        type_bound(reader, desc);
    else
        desc->type_index = bin_u32(reader);
}
