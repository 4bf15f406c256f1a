#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core_parts.h"
#include "ga_assert.h"
#include "ga_limits.h"
#include "ga_map.h"
#include "ga_utf8.h"

/*
 * Core modules: sections in their order, each read by one function to its exact end (core specification, "Binary Format"). Every
 * count is checked against the bytes that are left, as each item takes at least one, before anything is allocated.
 */

void core_fail(struct core_reader *reader, const uint8_t *at, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reader->in.failed = true;
    ga_report_at(reader->report, GA_INVALID, (uint64_t)(at - reader->parts->start), "core module: %s", text);
}

uint32_t core_read_u32(struct core_reader *reader, const char *what)
{
    const uint8_t *at = reader->in.at;
    uint32_t value = (uint32_t)ga_read_leb_u(&reader->in, 32);
    if (reader->in.failed)
        core_fail(reader, at, "malformed or truncated %s", what);
    return value;
}

uint32_t core_read_index(struct core_reader *reader, uint32_t count, const char *what)
{
    const uint8_t *at = reader->in.at;
    uint32_t index = core_read_u32(reader, what);
    if (reader->in.failed || index < count)
        return index;
    core_fail(reader, at, "%s %u does not exist (there are %u)", what, index, count);
    return 0;
}

/* A count of items that take at least one byte each. */
static uint32_t read_count(struct core_reader *reader, const char *what)
{
    const uint8_t *at = reader->in.at;
    uint32_t count = core_read_u32(reader, what);
    if (count > (size_t)(reader->in.end - reader->in.at)) {
        core_fail(reader, at, "%s %u, but only %zu bytes follow", what, count, (size_t)(reader->in.end - reader->in.at));
        return 0;
    }
    return count;
}

static uint8_t read_u8(struct core_reader *reader, const char *what)
{
    const uint8_t *at = reader->in.at;
    uint8_t value = ga_read_u8(&reader->in);
    if (reader->in.failed)
        core_fail(reader, at, "truncated %s", what);
    return value;
}

static struct slice read_name(struct core_reader *reader, const char *what)
{
    const uint8_t *at = reader->in.at;
    uint32_t size = core_read_u32(reader, what);
    const uint8_t *text = ga_read_bytes(&reader->in, size);
    if (!text)
        core_fail(reader, at, "truncated %s", what);
    else if (size > GA_MAX_NAME_BYTES)
        core_fail(reader, at, "too long %s (limit is %d bytes)", what, GA_MAX_NAME_BYTES);
    else if (!ga_utf8_valid(text, size))
        core_fail(reader, at, "%s is not UTF-8", what);
    return reader->in.failed ? (struct slice){"", 0} : (struct slice){(const char *)text, size};
}

/* --- types --- */

static void note_untyped(struct core_reader *reader)
{
    reader->parts->untyped = true;
    reader->module->uses_gc = true;
}

/* Abstract heap types by byte: noexn nofunc noextern none func extern any eq i31 struct array exn */
static uint8_t abstract_heap_kind(struct core_reader *reader, uint8_t byte)
{
    if (byte == 0x70)
        return CORE_FUNCREF;
    if (byte == 0x6f)
        return CORE_EXTERNREF;
    if (byte == 0x69)
        reader->module->uses_exceptions = true;
    else
        note_untyped(reader);
    return CORE_OTHER;
}

uint8_t core_read_heap_type(struct core_reader *reader)
{
    const uint8_t *at = reader->in.at;
    if (at < reader->in.end && *at >= 0x69 && *at <= 0x74) {
        reader->in.at++;
        return abstract_heap_kind(reader, *at);
    }
    int64_t index = ga_read_leb_s(&reader->in, 33);
    if (reader->in.failed || index < 0 || index >= GA_MAX_COMPONENT_TYPES)
        core_fail(reader, at, "malformed heap type"); /* a forward reference in a group is all right */
    note_untyped(reader);
    return CORE_OTHER;
}

uint8_t core_read_value_type(struct core_reader *reader)
{
    static const uint8_t numeric[] = {CORE_V128, CORE_F64, CORE_F32, CORE_I64, CORE_I32}; /* 0x7b to 0x7f */
    const uint8_t *at = reader->in.at;
    uint8_t byte = read_u8(reader, "value type");
    if (byte == 0x7b)
        reader->module->uses_simd = true;
    if (byte >= 0x7b && byte <= 0x7f)
        return numeric[byte - 0x7b];
    if (byte >= 0x69 && byte <= 0x74)
        return abstract_heap_kind(reader, byte);
    if (byte == 0x63 || byte == 0x64) {
        note_untyped(reader);
        return core_read_heap_type(reader);
    }
    if (!reader->in.failed)
        core_fail(reader, at, "unknown value type 0x%02x", byte);
    return CORE_I32;
}

static const uint8_t *read_value_types(struct core_reader *reader, const char *what, uint32_t *count_out)
{
    const uint8_t *at = reader->in.at;
    uint32_t count = read_count(reader, what);
    if (count > GA_MAX_FUNC_PARAMS) {
        core_fail(reader, at, "too many %s (limit is %d)", what, GA_MAX_FUNC_PARAMS);
        count = 0;
    }
    uint8_t *kinds = ga_arena_alloc_raw(reader->arena, count);
    for (uint32_t i = 0; i < count && !reader->in.failed; i++)
        kinds[i] = core_read_value_type(reader);
    *count_out = reader->in.failed ? 0 : count;
    return kinds;
}

static void read_func_type(struct core_reader *reader, struct core_type_entry *entry)
{
    entry->is_func = true;
    entry->func.params = read_value_types(reader, "parameters", &entry->func.param_count);
    entry->func.results = read_value_types(reader, "results", &entry->func.result_count);
}

static void read_field_type(struct core_reader *reader)
{
    const uint8_t *at = reader->in.at;
    if (at < reader->in.end && (*at == 0x78 || *at == 0x77)) /* i8, i16 */
        reader->in.at++;
    else
        core_read_value_type(reader);
    at = reader->in.at;
    if (read_u8(reader, "mutability") > 1)
        core_fail(reader, at, "malformed mutability");
}

static void read_struct_type(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "fields");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++)
        read_field_type(reader);
}

static void read_composite_type(struct core_reader *reader, struct core_type_entry *entry)
{
    const uint8_t *at = reader->in.at;
    uint8_t form = read_u8(reader, "type");
    if (form == 0x60) {
        read_func_type(reader, entry);
        return;
    }
    note_untyped(reader);
    if (form == 0x5f)
        read_struct_type(reader);
    else if (form == 0x5e)
        read_field_type(reader);
    else
        core_fail(reader, at, "unknown form of type 0x%02x", form);
}

static void read_sub_type(struct core_reader *reader)
{
    struct core_type_entry entry = {0};
    uint8_t form = reader->in.at < reader->in.end ? *reader->in.at : 0;
    if (form == 0x50 || form == 0x4f) { /* sub, sub final */
        note_untyped(reader);
        reader->in.at++;
        uint32_t supers = read_count(reader, "supertypes");
        for (uint32_t i = 0; i < supers && !reader->in.failed; i++)
            core_read_u32(reader, "type index");
    }
    read_composite_type(reader, &entry);
    *GA_PUSH(reader->arena, &reader->parts->types) = entry;
}

static void read_types(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "types");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        if (reader->in.at < reader->in.end && *reader->in.at == 0x4e) {
            reader->in.at++;
            note_untyped(reader);
            uint32_t members = read_count(reader, "types of a group");
            for (uint32_t n = 0; n < members && !reader->in.failed; n++)
                read_sub_type(reader);
        } else {
            read_sub_type(reader);
        }
    }
}

enum { LIMITS_MAX = 1, LIMITS_SHARED = 2, LIMITS_64 = 4, LIMITS_PAGE_SIZE = 8 };

static void read_limits(struct core_reader *reader, uint8_t allowed, struct core_extern_type *type)
{
    const uint8_t *at = reader->in.at;
    uint8_t flags = read_u8(reader, "limits");
    if (flags & ~allowed) {
        core_fail(reader, at, "malformed limits");
        return;
    }
    type->is64 = flags & LIMITS_64;
    type->shared = flags & LIMITS_SHARED;
    type->has_max = flags & LIMITS_MAX;
    type->min = ga_read_leb_u(&reader->in, type->is64 ? 64 : 32);
    if (type->has_max)
        type->max = ga_read_leb_u(&reader->in, type->is64 ? 64 : 32);
    if (reader->in.failed)
        core_fail(reader, at, "malformed limits");
    else if (type->has_max && type->min > type->max)
        core_fail(reader, at, "the minimum of the limits is above the maximum");
    if (flags & LIMITS_PAGE_SIZE) {
        type->page_size_log2 = core_read_u32(reader, "page size");
        if (type->page_size_log2 != 0 && type->page_size_log2 != 16)
            core_fail(reader, at, "malformed page size");
    }
}

static void read_table_type(struct core_reader *reader, struct core_extern_type *type)
{
    type->kind = CORE_EXTERN_TABLE;
    const uint8_t *at = reader->in.at;
    type->value = core_read_value_type(reader);
    if (type->value != CORE_FUNCREF && type->value != CORE_EXTERNREF && type->value != CORE_OTHER)
        core_fail(reader, at, "a table's elements have to be references");
    at = reader->in.at;
    read_limits(reader, LIMITS_MAX | LIMITS_SHARED | LIMITS_64, type);
    if (type->min > GA_MAX_TABLE_ELEMENTS)
        core_fail(reader, at, "too many elements of a table (limit is %d)", GA_MAX_TABLE_ELEMENTS);
}

static void read_memory_type(struct core_reader *reader, struct core_extern_type *type)
{
    const uint8_t *at = reader->in.at;
    type->kind = CORE_EXTERN_MEMORY;
    type->page_size_log2 = 16;
    read_limits(reader, LIMITS_MAX | LIMITS_SHARED | LIMITS_64 | LIMITS_PAGE_SIZE, type);
    unsigned page_bits = (type->is64 ? 64 : 32) - type->page_size_log2;
    uint64_t limit = page_bits < 64 ? 1ull << page_bits : UINT64_MAX;
    if (type->min > limit || (type->has_max && type->max > limit))
        core_fail(reader, at, "a memory of more pages than its addresses reach");
    if (type->shared && !type->has_max)
        core_fail(reader, at, "a shared memory without maximum");
    reader->module->uses_memory64 |= type->is64;
    reader->module->uses_threads |= type->shared;
}

static void read_global_type(struct core_reader *reader, struct core_extern_type *type)
{
    type->kind = CORE_EXTERN_GLOBAL;
    type->value = core_read_value_type(reader);
    const uint8_t *at = reader->in.at;
    uint8_t mutability = read_u8(reader, "mutability");
    if (mutability > 1)
        core_fail(reader, at, "malformed mutability");
    type->mutable = mutability == 1;
}

static const struct core_func_type *read_func_type_index(struct core_reader *reader, uint32_t *index_out)
{
    static const struct core_func_type none;
    const uint8_t *at = reader->in.at;
    *index_out = core_read_index(reader, reader->parts->types.count, "type");
    if (reader->in.failed)
        return &none;
    const struct core_type_entry *entry = &reader->parts->types.items[*index_out];
    if (!entry->is_func)
        core_fail(reader, at, "type %u is no function type", *index_out);
    return &entry->func;
}

static void read_tag_type(struct core_reader *reader, struct core_extern_type *type)
{
    const uint8_t *at = reader->in.at;
    uint32_t index;
    type->kind = CORE_EXTERN_TAG;
    if (read_u8(reader, "tag") != 0)
        core_fail(reader, at, "malformed attribute of a tag");
    type->func = *read_func_type_index(reader, &index);
    if (type->func.result_count)
        core_fail(reader, at, "a tag with results");
    reader->module->uses_exceptions = reader->module->has_tags = true;
}

static void read_imported_func(struct core_reader *reader, struct core_extern_type *type)
{
    uint32_t index;
    type->kind = CORE_EXTERN_FUNC;
    type->func = *read_func_type_index(reader, &index);
    *GA_PUSH(reader->arena, &reader->parts->funcs) = index;
    reader->parts->imported_funcs++;
}

/* --- sections --- */

/* import: the number of the import that it is of. */
static void read_extern_type(struct core_reader *reader, uint32_t import, struct core_extern_type *type)
{
    struct core_parts *parts = reader->parts;
    const uint8_t *at = reader->in.at;
    switch (read_u8(reader, "kind of import")) {
    case CORE_EXTERN_FUNC: read_imported_func(reader, type); return;
    case CORE_EXTERN_TABLE:
        read_table_type(reader, type);
        *GA_PUSH(reader->arena, &parts->tables) = *type;
        return;
    case CORE_EXTERN_MEMORY:
        read_memory_type(reader, type);
        *GA_PUSH(reader->arena, &parts->memories) = *type;
        return;
    case CORE_EXTERN_GLOBAL:
        read_global_type(reader, type);
        *GA_PUSH(reader->arena, &parts->globals) = *type;
        parts->imported_globals++;
        return;
    case CORE_EXTERN_TAG:
        read_tag_type(reader, type);
        *GA_PUSH(reader->arena, &parts->tags) = *type;
        *GA_PUSH(reader->arena, &parts->imported_tags) = import;
        return;
    default: core_fail(reader, at, "unknown kind of import");
    }
}

static void read_imports(struct core_reader *reader)
{
    struct core_module *module = reader->module;
    uint32_t count = read_count(reader, "imports");
    module->imports = ga_arena_array(reader->arena, count, sizeof *module->imports);
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        struct core_import *import = &module->imports[i];
        import->module = read_name(reader, "name of an import's module");
        import->name = read_name(reader, "name of an import");
        const uint8_t *desc = reader->in.at;
        read_extern_type(reader, i, &import->type);
        *GA_PUSH(reader->arena, &reader->parts->import_descs) =
            (struct slice){(const char *)desc, (uint32_t)(reader->in.at - desc)};
        module->import_count++;
    }
}

static void read_functions(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "functions");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        uint32_t index;
        read_func_type_index(reader, &index);
        *GA_PUSH(reader->arena, &reader->parts->funcs) = index;
    }
}

static void read_tables(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "tables");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        struct core_extern_type type = {0};
        bool has_initial = reader->in.at < reader->in.end && *reader->in.at == 0x40;
        if (has_initial) {
            reader->in.at++;
            const uint8_t *at = reader->in.at;
            if (read_u8(reader, "table") != 0)
                core_fail(reader, at, "malformed table");
        }
        read_table_type(reader, &type);
        *GA_PUSH(reader->arena, &reader->parts->tables) = type;
        if (has_initial) {
            note_untyped(reader);
            core_read_constant(reader, type.value);
        }
    }
}

static void read_memories(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "memories");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        struct core_extern_type type = {0};
        read_memory_type(reader, &type);
        *GA_PUSH(reader->arena, &reader->parts->memories) = type;
    }
}

static void read_tags(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "tags");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        struct core_extern_type type = {0};
        read_tag_type(reader, &type);
        *GA_PUSH(reader->arena, &reader->parts->tags) = type;
        reader->module->defines_tags = true;
    }
}

/* A global's initialiser sees the globals before it only: it is pushed afterwards. */
static void read_globals(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "globals");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        struct core_extern_type type = {0};
        read_global_type(reader, &type);
        core_read_constant(reader, type.value);
        *GA_PUSH(reader->arena, &reader->parts->globals) = type;
    }
}

static void read_export(struct core_reader *reader, struct core_export *export)
{
    static const char *const names[] = {"function", "table", "memory", "global", "tag"};
    struct core_parts *parts = reader->parts;
    const uint8_t *at = reader->in.at;
    uint8_t kind = read_u8(reader, "kind of export");
    if (kind > CORE_EXTERN_TAG) {
        core_fail(reader, at, "unknown kind of export");
        return;
    }
    const uint32_t counts[] = {parts->funcs.count, parts->tables.count, parts->memories.count, parts->globals.count,
                               parts->tags.count};
    uint32_t index = core_read_index(reader, counts[kind], names[kind]);
    if (reader->in.failed)
        return;
    const struct core_extern_type *const items[] = {NULL, parts->tables.items, parts->memories.items,
                                                    parts->globals.items, parts->tags.items};
    if (kind == CORE_EXTERN_FUNC) {
        parts->declared[index] = true;
        export->type.func = parts->types.items[parts->funcs.items[index]].func;
    } else {
        export->type = items[kind][index];
    }
    export->type.kind = kind;
    if (kind == CORE_EXTERN_TAG && index < parts->imported_tags.count)
        export->import = &reader->module->imports[parts->imported_tags.items[index]];
    *GA_PUSH(reader->arena, &parts->export_indexes) = index;
}

static void read_exports(struct core_reader *reader)
{
    struct core_module *module = reader->module;
    struct ga_map names = {.arena = reader->arena};
    uint32_t count = read_count(reader, "exports");
    module->exports = ga_arena_array(reader->arena, count, sizeof *module->exports);
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        struct core_export *export = &module->exports[i];
        const uint8_t *at = reader->in.at;
        export->name = read_name(reader, "name of an export");
        if (!ga_map_add(&names, export->name.data, export->name.size, export) && !reader->in.failed)
            core_fail(reader, at, "two exports of the name \"%.*s\"", (int)export->name.size, export->name.data);
        read_export(reader, export);
        module->export_count++;
    }
}

static void read_start(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    const uint8_t *at = reader->in.at;
    parts->start_func = core_read_index(reader, parts->funcs.count, "function");
    if (reader->in.failed)
        return;
    const struct core_func_type *type = &parts->types.items[parts->funcs.items[parts->start_func]].func;
    if (type->param_count || type->result_count)
        core_fail(reader, at, "the start function has parameters or results");
    reader->module->has_start = true;
}

/* Flags of an element segment: 1 passive or declarative, 2 explicit table (or declarative), 4 expressions. */
static void note_element(struct core_reader *reader, const uint8_t *at, const uint8_t *end, uint32_t func)
{
    if (func < reader->parts->imported_funcs)
        *GA_PUSH(reader->arena, &reader->parts->element_imports) = (struct core_element_import){at, end, func};
}

/* A constant expression; the only one with a function's index is `ref.func i end`. */
static void read_element_expression(struct core_reader *reader, uint8_t kind, bool declarative)
{
    struct ga_reader in = reader->in;
    core_read_constant(reader, kind);
    if (reader->in.failed || declarative || ga_read_u8(&in) != 0xd2 /* ref.func */)
        return;
    const uint8_t *at = in.at;
    uint32_t func = (uint32_t)ga_read_leb_u(&in, 32);
    note_element(reader, at, in.at, func);
}

static void read_element(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    const uint8_t *at = reader->in.at;
    uint32_t flags = core_read_u32(reader, "element segment");
    if (flags > 7) {
        core_fail(reader, at, "malformed element segment");
        return;
    }
    uint8_t kind = CORE_FUNCREF;
    bool active = !(flags & 1);
    uint32_t table = 0;
    if (active) {
        table = flags & 2 ? core_read_u32(reader, "table") : 0;
        if (!reader->in.failed && table >= parts->tables.count)
            core_fail(reader, at, "table %u does not exist (there are %u)", table, parts->tables.count);
        if (reader->in.failed)
            return;
        core_read_constant(reader, parts->tables.items[table].is64 ? CORE_I64 : CORE_I32);
    }
    if (flags & 3) {
        const uint8_t *kind_at = reader->in.at;
        if (flags & 4)
            kind = core_read_value_type(reader);
        else if (read_u8(reader, "element kind") != 0)
            core_fail(reader, kind_at, "malformed element kind");
    }
    if (active && !reader->in.failed && !parts->untyped && parts->tables.items[table].value != kind)
        core_fail(reader, at, "type mismatch: the segment's elements do not fit the table");
    uint32_t count = read_count(reader, "elements");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        bool declarative = (flags & 3) == 3;
        if (flags & 4) {
            read_element_expression(reader, kind, declarative);
            continue;
        }
        const uint8_t *func_at = reader->in.at;
        uint32_t func = core_read_index(reader, parts->funcs.count, "function");
        if (!reader->in.failed)
            parts->declared[func] = true;
        if (!reader->in.failed && !declarative)
            note_element(reader, func_at, reader->in.at, func);
    }
    *GA_PUSH(reader->arena, &parts->elements) = kind;
}

static void read_elements(struct core_reader *reader)
{
    uint32_t count = read_count(reader, "element segments");
    for (uint32_t i = 0; i < count && !reader->in.failed; i++)
        read_element(reader);
}

static void read_data_count(struct core_reader *reader)
{
    reader->parts->data_count = core_read_u32(reader, "count of data segments");
}

/* Bodies are read last of all: ref.func and memory.init look at sections that come later. */
static void read_code(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    const uint8_t *at = reader->in.at;
    reader->module->code_bytes = (uint64_t)(reader->in.end - at);
    uint32_t count = read_count(reader, "function bodies");
    uint32_t expected = parts->funcs.count - parts->imported_funcs;
    if (!reader->in.failed && count != expected)
        core_fail(reader, at, "%u functions, but %u bodies", expected, count);
    for (uint32_t i = 0; i < count && !reader->in.failed; i++) {
        at = reader->in.at;
        uint32_t size = core_read_u32(reader, "size of a function body");
        const uint8_t *data = ga_read_bytes(&reader->in, size);
        if (!data) {
            core_fail(reader, at, "truncated function body");
            return;
        }
        *GA_PUSH(reader->arena, &parts->bodies) = (struct core_body){data, size};
    }
}

static void read_data_segment(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    struct core_data_segment segment = {0};
    const uint8_t *at = reader->in.at;
    uint32_t flags = core_read_u32(reader, "data segment");
    if (flags > 2) {
        core_fail(reader, at, "malformed data segment");
        return;
    }
    if (flags != 1) {
        segment.active = true;
        segment.memory = flags == 2 ? core_read_u32(reader, "memory") : 0;
        if (!reader->in.failed && segment.memory >= parts->memories.count)
            core_fail(reader, at, "memory %u does not exist (there are %u)", segment.memory, parts->memories.count);
        if (reader->in.failed)
            return;
        segment.offset_at = reader->in.at;
        core_read_constant(reader, parts->memories.items[segment.memory].is64 ? CORE_I64 : CORE_I32);
        segment.offset_size = (uint32_t)(reader->in.at - segment.offset_at);
    }
    at = reader->in.at;
    segment.bytes.size = core_read_u32(reader, "size of a data segment");
    segment.bytes.data = (const char *)ga_read_bytes(&reader->in, segment.bytes.size);
    if (reader->in.failed)
        core_fail(reader, at, "truncated data segment");
    *GA_PUSH(reader->arena, &parts->data) = segment;
}

static void read_data(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    const uint8_t *at = reader->in.at;
    uint32_t count = read_count(reader, "data segments");
    if (!reader->in.failed && parts->sections[SECTION_DATA_COUNT].data && count != parts->data_count)
        core_fail(reader, at, "%u data segments, but the data count section says %u", count, parts->data_count);
    for (uint32_t i = 0; i < count && !reader->in.failed; i++)
        read_data_segment(reader);
}

/* By id. `order`: sections come in ascending order, each at most once; custom ones anywhere. */
static const struct {
    const char *name;
    uint8_t order;
    void (*read)(struct core_reader *);
} sections[SECTION_COUNT] = {
    [SECTION_CUSTOM] = {"custom", 0, NULL},
    [SECTION_TYPE] = {"type", 1, read_types},
    [SECTION_IMPORT] = {"import", 2, read_imports},
    [SECTION_FUNCTION] = {"function", 3, read_functions},
    [SECTION_TABLE] = {"table", 4, read_tables},
    [SECTION_MEMORY] = {"memory", 5, read_memories},
    [SECTION_TAG] = {"tag", 6, read_tags},
    [SECTION_GLOBAL] = {"global", 7, read_globals},
    [SECTION_EXPORT] = {"export", 8, read_exports},
    [SECTION_START] = {"start", 9, read_start},
    [SECTION_ELEMENT] = {"element", 10, read_elements},
    [SECTION_DATA_COUNT] = {"data count", 11, read_data_count},
    [SECTION_CODE] = {"code", 12, read_code},
    [SECTION_DATA] = {"data", 13, read_data},
};

static void read_section(struct core_reader *reader, uint8_t id)
{
    uint8_t const *end = reader->in.end;
    const struct core_section *section = &reader->parts->sections[id];
    reader->in.at = section->data;
    reader->in.end = section->data + section->size;
    sections[id].read(reader);
    if (!reader->in.failed && reader->in.at != reader->in.end)
        core_fail(reader, reader->in.at, "%s section: %zu bytes too many", sections[id].name,
                  (size_t)(reader->in.end - reader->in.at));
    reader->in.at = section->data + section->size;
    reader->in.end = end;
}

/* A custom section's name is part of the format; its contents are not. */
static void check_custom(struct core_reader *reader, const uint8_t *data, uint32_t size)
{
    const uint8_t *end = reader->in.end;
    reader->in.at = data;
    reader->in.end = data + size;
    read_name(reader, "name of a custom section");
    reader->in.at = data + size;
    reader->in.end = end;
}

static void locate_section(struct core_reader *reader, uint8_t *last_order)
{
    const uint8_t *at = reader->in.at;
    uint8_t id = read_u8(reader, "section");
    uint32_t size = core_read_u32(reader, "size of a section");
    if (reader->in.failed)
        return;
    if (id >= SECTION_COUNT) {
        core_fail(reader, at, "unknown section %u", id);
        return;
    }
    if (size > (size_t)(reader->in.end - reader->in.at)) {
        core_fail(reader, at, "%s section: %u bytes, but only %zu follow", sections[id].name, size,
                  (size_t)(reader->in.end - reader->in.at));
        return;
    }
    if (id == SECTION_CUSTOM) {
        check_custom(reader, reader->in.at, size);
        return;
    }
    if (sections[id].order <= *last_order) {
        core_fail(reader, at, "%s section: out of order, or there twice", sections[id].name);
        return;
    }
    *last_order = sections[id].order;
    reader->parts->sections[id] = (struct core_section){reader->in.at, size};
    reader->in.at += size;
}

static void read_header(struct core_reader *reader)
{
    static const uint8_t header[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    const uint8_t *at = reader->in.at;
    const uint8_t *bytes = ga_read_bytes(&reader->in, sizeof header);
    if (!bytes || memcmp(bytes, header, sizeof header) != 0)
        core_fail(reader, at, "no header of a core module (\\0asm, version 1)");
}

static void read_bodies(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    const uint8_t *end = reader->in.end;
    for (uint32_t i = 0; i < parts->bodies.count && !reader->in.failed; i++) {
        const struct core_body *body = &parts->bodies.items[i];
        reader->in.at = body->data;
        reader->in.end = body->data + body->size;
        uint32_t type = parts->funcs.items[parts->imported_funcs + i];
        core_read_body(reader, i, &parts->types.items[type].func);
    }
    reader->in.end = end;
}

static const uint8_t reading_order[] = {SECTION_TYPE,   SECTION_IMPORT,  SECTION_FUNCTION,   SECTION_TABLE,
                                        SECTION_MEMORY, SECTION_TAG,     SECTION_GLOBAL,     SECTION_EXPORT,
                                        SECTION_START,  SECTION_ELEMENT, SECTION_DATA_COUNT, SECTION_CODE,
                                        SECTION_DATA};

static void read_module(struct core_reader *reader)
{
    struct core_parts *parts = reader->parts;
    uint8_t last_order = 0;
    read_header(reader);
    while (!reader->in.failed && reader->in.at < reader->in.end)
        locate_section(reader, &last_order);
    for (size_t i = 0; i < sizeof reading_order && !reader->in.failed; i++) {
        if (reading_order[i] == SECTION_TABLE) /* all functions are known now */
            parts->declared = ga_arena_array(reader->arena, parts->funcs.count, sizeof *parts->declared);
        if (parts->sections[reading_order[i]].data)
            read_section(reader, reading_order[i]);
    }
    if (!reader->in.failed && !parts->sections[SECTION_CODE].data && parts->funcs.count != parts->imported_funcs)
        core_fail(reader, parts->end, "%u functions, but no code section", parts->funcs.count - parts->imported_funcs);
    if (!reader->in.failed && !parts->sections[SECTION_DATA].data && parts->data_count)
        core_fail(reader, parts->end, "%u data segments announced, but no data section", parts->data_count);
    read_bodies(reader);
}

enum ga_status core_read(struct ga_arena *arena, struct slice bytes, struct core_module **module_out,
                         struct ga_report *report)
{
    struct core_module *module = GA_NEW(arena, struct core_module);
    struct ga_arena scratch = {0};
    const uint8_t *start = (const uint8_t *)bytes.data;
    module->parts = GA_NEW(arena, struct core_parts);
    module->parts->start = start;
    module->parts->end = start + bytes.size;
    struct core_reader reader = {.in = {start, start, start + bytes.size, false},
                                 .arena = arena,
                                 .scratch = &scratch,
                                 .module = module,
                                 .parts = module->parts,
                                 .report = report};
    read_module(&reader);
    module->uses_multi_memory = module->parts->memories.count > 1;
    ga_arena_free(&scratch);
    *module_out = module;
    return reader.in.failed ? report->status : GA_OK;
}
