#include "wasm_made.h"

#include <stdio.h>

#include "ga_limits.h"
#include "val.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(bin_read, .fini = free_arena);
TestSuite(bin_refusal, .fini = free_arena);
TestSuite(bin_hostile, .fini = free_arena);

/* From memory that ends where the bytes end, so that a sanitizer sees what is read behind them. */
static enum ga_status read_bytes(const void *data, size_t size, struct component **out, struct ga_report *report)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    struct component *component = NULL;
    if (size > 0)
        memcpy(exact, data, size);
    enum ga_status status = bin_read(&arena, exact, size, &component, report);
    cr_expect_eq(status, report->status);
    if (out != NULL)
        *out = component;
    else
        free(exact);
    return status;
}

static const struct component *read_made(const char *notation)
{
    struct slice bytes = wasm_made(&arena, notation);
    struct component *component;
    struct ga_report report = {0};
    enum ga_status status = bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, &report);
    cr_assert_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report.offset, report.text);
    return component;
}

static void expect_slice(struct slice slice, const char *text)
{
    cr_expect(slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0, "\"%.*s\", not \"%s\"",
              (int)slice.size, slice.data, text);
}

/* --- what is read --- */

Test(bin_read, an_empty_component_has_no_definitions)
{
    cr_expect_eq(read_made("%c")->defs.count, 0);
}

Test(bin_read, custom_sections_leave_nothing)
{
    cr_expect_eq(read_made("%c 00( 'anything' ff fe fd ) 00( '' )")->defs.count, 0);
}

Test(bin_read, sections_may_repeat_and_definitions_keep_their_order_and_offset)
{
    const struct component *component = read_made("%c 07( 02 73 79 ) 01( %m ) 07( 01 7f ) 04( %c )");
    static const enum def_kind kinds[] = {DEF_TYPE, DEF_TYPE, DEF_CORE_MODULE, DEF_TYPE, DEF_COMPONENT};
    static const uint64_t offsets[] = {0x0b, 0x0c, 0x0f, 0x1a, 0x1d};
    cr_assert_eq(component->defs.count, 5);
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(component->defs.items[i].kind, kinds[i]);
        cr_expect_eq(component->defs.items[i].offset, offsets[i], "definition %u at 0x%llx", i,
                     (unsigned long long)component->defs.items[i].offset);
    }
    cr_expect_eq(component->defs.items[2].core_module.size, 8);
    cr_expect_eq(component->defs.items[4].component->offset, 0x1d);
}

Test(bin_read, every_primitive_type)
{
    const struct component *component = read_made("%c 07( 0e 7f 7e 7d 7c 7b 7a 79 78 77 76 75 74 73 64 )");
    static const enum val_kind kinds[] = {VAL_BOOL, VAL_S8,  VAL_U8,  VAL_S16, VAL_U16,  VAL_S32,    VAL_U32,
                                          VAL_S64,  VAL_U64, VAL_F32, VAL_F64, VAL_CHAR, VAL_STRING, VAL_ERROR_CONTEXT};
    for (unsigned i = 0; i < 14; i++) {
        cr_expect_eq(component->defs.items[i].type.kind, DEF_TYPE_VALUE);
        cr_expect_eq(component->defs.items[i].type.value, kinds[i]);
    }
}

static const struct def_type *type_made(const char *notation)
{
    char text[256];
    snprintf(text, sizeof text, "%%c 07( 01 %s )", notation);
    const struct component *component = read_made(text);
    cr_assert_eq(component->defs.count, 1);
    return &component->defs.items[0].type;
}

Test(bin_read, record_and_variant_members)
{
    const struct def_type *type = type_made("72 02 'x' 79 'y' 05");
    cr_expect_eq(type->value, VAL_RECORD);
    cr_assert_eq(type->members.count, 2);
    expect_slice(type->members.items[1].name, "y");
    cr_expect(type->members.items[0].type.present && !type->members.items[0].type.is_index);
    cr_expect_eq(type->members.items[0].type.primitive, VAL_U32);
    cr_expect(type->members.items[1].type.is_index && type->members.items[1].type.index == 5);

    type = type_made("71 02 'none' 00 00 'some' 01 73 00");
    cr_expect_eq(type->value, VAL_VARIANT);
    cr_expect(!type->members.items[0].type.present && type->members.items[1].type.present);
}

Test(bin_read, other_constructors)
{
    cr_expect_eq(type_made("6f 02 7f 7f")->members.count, 2);
    cr_expect_eq(type_made("6e 01 'f'")->value, VAL_FLAGS);
    cr_expect_eq(type_made("6d 01 'e'")->value, VAL_ENUM);
    cr_expect_eq(type_made("70 7d")->element.primitive, VAL_U8);
    cr_expect_eq(type_made("6b 7d")->value, VAL_OPTION);
    cr_expect_eq(type_made("69 03")->resource_index, 3);
    cr_expect_eq(type_made("68 03")->value, VAL_BORROW);
    cr_expect_eq(type_made("67 7d #300")->length, 300);
    cr_expect_not(type_made("66 00")->element.present);
    cr_expect_eq(type_made("65 01 73")->element.primitive, VAL_STRING);
    const struct def_type *map = type_made("63 73 79");
    cr_expect(map->ok.primitive == VAL_STRING && map->err.primitive == VAL_U32);
    const struct def_type *result = type_made("6a 00 01 73");
    cr_expect(!result->ok.present && result->err.present);
}

Test(bin_read, a_type_index_above_63_takes_two_bytes)
{
    cr_expect_eq(type_made("70 c0 00")->element.index, 64);
    cr_expect_eq(type_made("70 ff ff ff ff 0f")->element.index, 0xffffffff);
}

Test(bin_read, functions_and_resources)
{
    const struct def_type *func = type_made("40 01 'a' 7f 00 79");
    cr_expect(func->kind == DEF_TYPE_FUNC && !func->async && func->members.count == 1 && func->result.present);
    func = type_made("43 00 01 00");
    cr_expect(func->async && !func->result.present);
    const struct def_type *resource = type_made("3f 7f 01 09");
    cr_expect(resource->kind == DEF_TYPE_RESOURCE && resource->has_dtor && resource->dtor == 9);
    cr_expect_not(type_made("3f 7f 00")->has_dtor);
}

Test(bin_read, declarators_of_component_and_instance_types)
{
    const struct def_type *type =
        type_made("41 05  01 73  03 00 'a' 03 00 00  04 00 'b' 05 02  02 03 02 01 00  00 60 00 00");
    static const enum def_kind kinds[] = {DEF_TYPE, DEF_IMPORT, DEF_EXPORT, DEF_ALIAS, DEF_CORE_TYPE};
    cr_assert_eq(type->decls->defs.count, 5);
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(type->decls->defs.items[i].kind, kinds[i]);
    cr_expect_eq(type->decls->defs.items[2].export.desc.sort, SORT_INSTANCE);
    cr_expect_eq(type->decls->defs.items[2].export.desc.type_index, 2);
    cr_expect_eq(type_made("42 01 04 00 'r' 03 01")->decls->defs.items[0].export.desc.type_sub_resource, true);
}

Test(bin_read, core_types)
{
    const struct component *component =
        read_made("%c 03( 05  60 02 7f 7e 01 7d  00 50 00 60 00 00  4e 02 5f 01 78 01 5e 6e 00"
                  "  50 04 01 60 00 00 00 'a' 'b' 00 00 02 10 01 01 00 03 'e' 02 01 01 02"
                  "  4f 00 60 00 00 )");
    const struct def *defs = component->defs.items;
    cr_assert_eq(component->defs.count, 6); /* the recursion group is two */
    cr_expect(defs[0].core_type.is_func && defs[0].core_type.func.param_count == 2);
    cr_expect_eq(defs[0].core_type.func.params[1], CORE_I64);
    cr_expect_eq(defs[0].core_type.func.results[0], CORE_F32);
    cr_expect(!defs[2].core_type.is_func && !defs[2].core_type.is_module);
    const struct component *decls = defs[4].core_type.decls;
    cr_assert_eq(decls->defs.count, 4);
    expect_slice(decls->defs.items[1].import.module, "a");
    expect_slice(decls->defs.items[1].import.name, "b");
    cr_expect_eq(decls->defs.items[2].alias.outer_count, 1);
    const struct core_extern_type *memory = &decls->defs.items[3].export.desc.core;
    cr_expect(memory->kind == CORE_EXTERN_MEMORY && memory->min == 1 && memory->has_max && memory->max == 2);
}

Test(bin_read, instances_and_aliases)
{
    const struct component *component = read_made("%c 02( 02 00 03 01 'env' 12 04  01 01 'f' 00 05 )"
                                                  "05( 02 00 01 01 'x' 01 02  01 01 00 'y' 05 03 )"
                                                  "06( 03 01 00 07 'n'  00 02 01 08 'mem'  03 02 01 09 )");
    const struct def *defs = component->defs.items;
    cr_assert_eq(component->defs.count, 7);
    cr_expect(!defs[0].instance.inline_exports && defs[0].instance.index == 3);
    cr_expect_eq(defs[0].instance.items.items[0].item.sort, SORT_CORE_INSTANCE);
    cr_expect(defs[1].instance.inline_exports && defs[1].instance.items.items[0].item.index == 5);
    cr_expect(defs[2].kind == DEF_INSTANCE && defs[2].instance.items.items[0].item.sort == SORT_FUNC);
    expect_slice(defs[3].instance.items.items[0].name, "y");
    cr_expect(defs[4].alias.kind == ALIAS_EXPORT && defs[4].alias.instance == 7);
    cr_expect(defs[5].alias.kind == ALIAS_CORE_EXPORT && defs[5].alias.sort == SORT_CORE_MEMORY);
    cr_expect(defs[6].alias.kind == ALIAS_OUTER && defs[6].alias.outer_count == 1 && defs[6].alias.index == 9);
}

Test(bin_read, lift_with_every_option)
{
    const struct component *component = read_made("%c 08( 01 00 00 07 06 02 03 01 04 02 05 03 06 07 04 08 )");
    const struct canon *canon = &component->defs.items[0].canon;
    cr_expect(canon->kind == CANON_LIFT && canon->func == 7 && canon->type == 8);
    cr_expect(canon->has_encoding && canon->encoding == ENCODING_LATIN1_UTF16);
    cr_expect(canon->has_memory && canon->memory == 1 && canon->has_realloc && canon->realloc == 2);
    cr_expect(canon->has_post_return && canon->post_return == 3 && canon->async);
    cr_expect(canon->has_callback && canon->callback == 4);
}

Test(bin_read, the_other_canonical_definitions)
{
    const struct component *component = read_made("%c 08( 05 01 00 09 00  02 01  03 02  04 03  20 01 05 )");
    const struct def *defs = component->defs.items;
    cr_expect(defs[0].canon.kind == CANON_LOWER && defs[0].canon.func == 9 && !defs[0].canon.has_encoding);
    cr_expect(defs[1].canon.kind == CANON_RESOURCE_NEW && defs[1].canon.type == 1);
    cr_expect(defs[2].canon.kind == CANON_RESOURCE_DROP && defs[2].canon.type == 2);
    cr_expect(defs[3].canon.kind == CANON_RESOURCE_REP && defs[3].canon.type == 3);
    cr_expect(defs[4].canon.kind == CANON_ASYNC && defs[4].canon.opcode == 0x20);
    cr_expect(defs[4].canon.operands[0] == 1 && defs[4].canon.operands[1] == 5);
}

/* Each built-in with the immediates that its row of the table asks for is read to its end. */
Test(bin_read, every_builtin_of_the_table)
{
    for (uint32_t i = 0; i < bin_canon_builtin_count; i++) {
        const struct bin_canon_builtin *builtin = &bin_canon_builtins[i];
        char text[128];
        int size = snprintf(text, sizeof text, "%%c 08( 01 %02x", builtin->opcode);
        for (const char *letter = builtin->operands; *letter != 0; letter++)
            size += snprintf(text + size, sizeof text - (size_t)size, " %s",
                             *letter == 'r'   ? "01 00"
                             : *letter == 'v' ? "7f"
                                              : "00");
        snprintf(text + size, sizeof text - (size_t)size, " )");
        const struct component *component = read_made(text);
        cr_expect(component->defs.count == 1 && component->defs.items[0].canon.opcode == builtin->opcode, "%s",
                  builtin->name);
        cr_expect_eq(bin_canon_find(builtin->opcode), builtin, "two rows for 0x%02x", builtin->opcode);
    }
}

Test(bin_read, imports_and_exports_with_attributes)
{
    const struct component *component = read_made("%c 0a( 02 01 'a' 01 04  02 'b' 03 00 'x:y/z' 01 '.1' 02 'id' 03 01 )"
                                                  "0b( 02 00 'c' 00 11 05 00  00 'd' 03 06 01 03 00 07 )");
    const struct def *defs = component->defs.items;
    expect_slice(defs[0].import.name, "a");
    cr_expect(defs[0].import.desc.sort == SORT_FUNC && defs[0].import.desc.type_index == 4);
    cr_expect_null(defs[0].import.implements.data);
    expect_slice(defs[1].import.implements, "x:y/z");
    expect_slice(defs[1].import.version_suffix, ".1");
    expect_slice(defs[1].import.external_id, "id");
    cr_expect(defs[1].import.desc.type_sub_resource);
    cr_expect(defs[2].export.item.sort == SORT_CORE_MODULE && defs[2].export.item.index == 5 && !defs[2].export.has_desc);
    cr_expect(defs[3].export.has_desc && defs[3].export.desc.type_index == 7);
}

Test(bin_read, start_and_values)
{
    const struct component *component = read_made("%c 09( 05 02 01 02 01 ) 0c( 01 79 ( 2a ) )");
    cr_expect(component->defs.items[0].kind == DEF_START && component->defs.items[0].start.args.count == 2);
    cr_expect_eq(component->defs.items[0].start.result_count, 1);
    cr_expect_eq(component->defs.items[1].kind, DEF_VALUE);
}

/* --- what is refused --- */

#define TYPES "(Binary.md, Type Definitions)"
#define INSTANCES "(Binary.md, Instance Definitions)"
#define ALIASES "(Binary.md, Alias Definitions)"
#define COMPONENTS "(Binary.md, Component Definitions)"
#define CANONS "(Binary.md, Canonical Definitions)"
#define EXTERNS "(Binary.md, Import and Export Definitions)"

static const struct refusal {
    const char *notation;
    uint64_t offset;
    const char *message;
} refusals[] = {
    {"00 61 73 6d 0d 00", 0x6, "unexpected end " COMPONENTS},
    {"7f 45 4c 46 02 01 01 00", 0x0, "not WebAssembly: it does not begin with \\0asm " COMPONENTS},
    {"%m", 0x0, "a core module where a component is expected (wasm-tools component new makes one of it) " COMPONENTS},
    {"00 61 73 6d 0e 00 01 00", 0x0,
     "a component in another version of the binary format than 0x0d: make it with other tools " COMPONENTS},
    {"00 61 73 6d 0d 00 02 00", 0x0, "unknown version of WebAssembly " COMPONENTS},
    {"%c 0d 00", 0x8, "0x0d is not a section " COMPONENTS},
    {"%c 07", 0x9, "type section: unexpected end " TYPES},
    {"%c 07 05 00", 0x9, "type section: size 5, but 1 bytes left " TYPES},
    {"%c 07 ff ff ff ff 1f", 0x9, "type section: number of more than 32 bits " TYPES},
    {"%c 07( 00 73 )", 0xb, "type section: 1 bytes too many " TYPES},
    {"%c 07( #900 73 )", 0xa, "type section: 900 elements do not fit into the 1 bytes left " TYPES},
    {"%c 00( 05 61 )", 0xc, "custom section: unexpected end " COMPONENTS},
    {"%c 00( 01 ff )", 0xa, "custom section: name is not UTF-8 " COMPONENTS},
    {"%c 01( %c )", 0xa, "core module section: a component where a core module is expected " COMPONENTS},
    {"%c 01( 00 61 )", 0xc, "core module section: unexpected end " COMPONENTS},
    {"%c 04( %m )", 0xa,
     "component section: a core module where a component is expected (wasm-tools component new makes one of it) " COMPONENTS},
    {"%c 04( %c 07( 01 01 ) )", 0x15, "type section, entry 0: 0x01 is not a type " TYPES},
    {"%c 02( 01 02 00 )", 0xb, "core instance section, entry 0: 0x02 is not a core instance expression " INSTANCES},
    {"%c 02( 01 00 00 01 'a' 00 00 )", 0x10,
     "core instance section, entry 0: an argument of a core instance must be a core instance " INSTANCES},
    {"%c 02( 01 01 01 'a' 11 00 )", 0xf,
     "core instance section, entry 0: a core instance cannot export this sort " INSTANCES},
    {"%c 02( 01 01 01 'a' 05 00 )", 0xf, "core instance section, entry 0: 0x05 is not a core sort " INSTANCES},
    {"%c 05( 01 03 00 )", 0xb, "instance section, entry 0: 0x03 is not an instance expression " INSTANCES},
    {"%c 05( 01 00 00 01 'a' 00 00 00 )", 0x10, "instance section, entry 0: a core sort other than module " INSTANCES},
    {"%c 05( 01 01 01 00 'a' 06 00 )", 0x10, "instance section, entry 0: 0x06 is not a sort " INSTANCES},
    {"%c 06( 01 01 03 00 )", 0xc, "alias section, entry 0: 0x03 is not the target of an alias " ALIASES},
    {"%c 06( 01 01 02 00 00 )", 0xc, "alias section, entry 0: an alias of this kind cannot have this sort " ALIASES},
    {"%c 06( 01 01 01 00 'a' )", 0xc, "alias section, entry 0: an alias of this kind cannot have this sort " ALIASES},
    {"%c 06( 01 00 00 00 00 'a' )", 0xd, "alias section, entry 0: an alias of this kind cannot have this sort " ALIASES},
    {"%c 07( 02 73 62 )", 0xc, "type section, entry 1: 0x62 is not a type " TYPES},
    {"%c 07( 01 70 63 )", 0xc, "type section, entry 0: 0x63 is not a value type " TYPES},
    {"%c 07( 01 70 ff ff ff ff 2f )", 0xc, "type section, entry 0: not a type index " TYPES},
    {"%c 07( 01 6b )", 0xc, "type section, entry 0: unexpected end " TYPES},
    {"%c 07( 01 71 01 'a' 02 )", 0xf, "type section, entry 0: 0x02 is not the start of an optional type " TYPES},
    {"%c 07( 01 71 01 'a' 00 01 )", 0x10, "type section, entry 0: 0x01 is not the end of a case " TYPES},
    {"%c 07( 01 40 00 02 )", 0xd, "type section, entry 0: 0x02 is not a result list " TYPES},
    {"%c 07( 01 40 00 01 01 )", 0xe, "type section, entry 0: 0x01 is not the end of an empty result list " TYPES},
    {"%c 07( 01 3f 7d 00 )", 0xc,
     "type section, entry 0: 0x7d is not i32 or i64, as which alone a resource can be represented " TYPES},
    {"%c 07( 01 3f 7f 02 )", 0xd, "type section, entry 0: 0x02 is not the start of an optional destructor " TYPES},
    {"%c 07( 01 41 01 05 )", 0xd, "type section, entry 0: 0x05 is not a declarator of a component type " TYPES},
    {"%c 07( 01 42 01 03 )", 0xd, "type section, entry 0: 0x03 is not a declarator of an instance type " TYPES},
    {"%c 03( 01 50 01 04 )", 0xd, "core type section, entry 0: 0x04 is not a declarator of a module type " TYPES},
    {"%c 03( 01 50 01 01 50 00 )", 0x10, "core type section, entry 0: unexpected end " TYPES},
    {"%c 03( 01 50 02 01 50 01 01 50 00 03 'm' )", 0x11,
     "core type section, entry 0: 0x50 is not a core type " TYPES},
    {"%c 03( 01 50 01 01 00 50 00 60 00 00 )", 0xe, "core type section, entry 0: 0x00 is not a core type " TYPES},
    {"%c 03( 01 50 01 02 11 01 01 00 )", 0xe,
     "core type section, entry 0: 0x11 is not the sort of an alias in a module type " TYPES},
    {"%c 03( 01 00 60 00 00 )", 0xc, "core type section, entry 0: 0x60 is not an open subtype " TYPES},
    {"%c 03( 01 60 01 40 00 )", 0xd, "core type section, entry 0: 0x40 is not a reference type " TYPES},
    {"%c 03( 01 50 01 03 'm' 02 10 01 )", 0x11, "core type section, entry 0: 0x10 is not a set of limit flags " TYPES},
    {"%c 08( 01 07 )", 0xb, "canon section, entry 0: 0x07 is not a canonical definition " CANONS},
    {"%c 08( 01 00 01 00 00 00 )", 0xc, "canon section, entry 0: 0x01 is not the sort func " CANONS},
    {"%c 08( 01 01 00 00 01 08 )", 0xf, "canon section, entry 0: 0x08 is not a canonical option " CANONS},
    {"%c 08( 01 01 00 00 02 03 00 03 00 )", 0x11,
     "canon section, entry 0: canonical option memory is given twice " CANONS},
    {"%c 08( 01 01 00 00 02 00 02 )", 0x10,
     "canon section, entry 0: canonical option string-encoding is given twice " CANONS},
    {"%c 08( 01 06 02 )", 0xc, "canon section, entry 0: 0x02 is not an async flag " CANONS},
    {"%c 0a( 01 03 'a' )", 0xb, "import section, entry 0: 0x03 is not the start of a name " EXTERNS},
    {"%c 0a( 01 02 'a' 01 03 'b' )", 0xf, "import section, entry 0: 0x03 is not a name attribute " EXTERNS},
    {"%c 0a( 01 02 'a' 02 02 'b' 02 'c' 01 00 )", 0x12, "import section, entry 0: name attribute given twice " EXTERNS},
    {"%c 0a( 01 00 'a' 00 00 00 )", 0xe, "import section, entry 0: not an external type " EXTERNS},
    {"%c 0a( 01 00 'a' 03 02 )", 0xf, "import section, entry 0: 0x02 is not a type bound " EXTERNS},
    {"%c 0a( 01 00 'a' 02 02 )", 0xf, "import section, entry 0: 0x02 is not a value bound " EXTERNS},
    {"%c 0b( 01 00 'a' 01 00 02 )", 0x10,
     "export section, entry 0: 0x02 is not the start of an optional external type " EXTERNS},
    {"%c 0b( 01 00 'a' 00 10 00 00 )", 0xe, "export section, entry 0: a core sort other than module " EXTERNS},
};

Test(bin_refusal, each_fault_has_its_offset_and_message)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct ga_report report = {0};
        struct slice bytes = wasm_made(&arena, refusals[i].notation);
        cr_expect_eq(read_bytes(bytes.data, bytes.size, NULL, &report), GA_INVALID, "accepted: %s",
                     refusals[i].notation);
        cr_expect_str_eq(report.text, refusals[i].message);
        cr_expect_eq(report.offset, refusals[i].offset, "%s: 0x%llx, not 0x%llx: %s", refusals[i].notation,
                     (unsigned long long)report.offset, (unsigned long long)refusals[i].offset, report.text);
    }
}

Test(bin_refusal, an_empty_file)
{
    struct ga_report report = {0};
    cr_expect_eq(read_bytes("", 0, NULL, &report), GA_INVALID);
    cr_expect_str_eq(report.text, "unexpected end " COMPONENTS);
}

/* --- limits --- */

Test(bin_refusal, components_nested_too_deeply)
{
    struct ga_buf text = {0};
    struct ga_report report = {0};
    for (unsigned i = 0; i <= GA_MAX_COMPONENT_DEPTH; i++)
        ga_buf_text(&text, "%c 04( ");
    ga_buf_text(&text, "%c");
    for (unsigned i = 0; i <= GA_MAX_COMPONENT_DEPTH; i++)
        ga_buf_text(&text, " )");
    struct slice bytes = wasm_made(&arena, ga_buf_cstr(&text));
    cr_expect_eq(read_bytes(bytes.data, bytes.size, NULL, &report), GA_LIMIT);
    cr_expect_str_eq(report.text,
                     "component section: components and types nested too deeply (limit is 100) " COMPONENTS);
    ga_buf_free(&text);
}

Test(bin_refusal, too_long_a_name)
{
    struct ga_buf bytes = {0}, section = {0};
    struct ga_report report = {0};
    ga_buf_leb_u(&section, GA_MAX_NAME_BYTES + 1);
    for (unsigned i = 0; i <= GA_MAX_NAME_BYTES; i++)
        ga_buf_u8(&section, 'a');
    ga_buf_append(&bytes, "\0asm\x0d\0\x01\0", 9);
    bytes.data[8] = 0;
    ga_buf_leb_u(&bytes, section.size);
    ga_buf_append(&bytes, section.data, section.size);
    cr_expect_eq(read_bytes(bytes.data, bytes.size, NULL, &report), GA_LIMIT);
    cr_expect_str_eq(report.text, "custom section: name of 100001 bytes (limit is 100000) " COMPONENTS);
    ga_buf_free(&bytes);
    ga_buf_free(&section);
}

Test(bin_refusal, more_definitions_than_the_limit)
{
    struct ga_buf bytes = {0};
    struct ga_report report = {0};
    ga_buf_append(&bytes, "\0asm\x0d\0\x01\0\x07", 9);
    ga_buf_leb_u(&bytes, GA_MAX_COMPONENT_ITEMS + 1 + 3);
    ga_buf_leb_u(&bytes, GA_MAX_COMPONENT_ITEMS + 1);
    for (unsigned i = 0; i <= GA_MAX_COMPONENT_ITEMS; i++)
        ga_buf_u8(&bytes, 0x73);
    cr_expect_eq(read_bytes(bytes.data, bytes.size, NULL, &report), GA_LIMIT);
    cr_expect_str_eq(report.text, "type section: too many definitions and their parts (limit is 1000000) " TYPES);
    ga_buf_free(&bytes);
}

/* --- anything at all --- */

/* One of every section and of most constructs; valid. */
static const char rich[] =
    "%c 00( 'x' 01 )"
    "01( %m 01( 03 60 00 00 60 01 7f 00 60 04 7f 7f 7f 7f 01 7f ) 03( 03 00 01 02 ) 05( 01 00 01 )"
    "    07( 04 'f' 00 00 'drop' 00 01 'realloc' 00 02 'mem' 02 00 ) 0a( 03 02 00 0b 02 00 0b 04 00 41 00 0b ) )"
    "02( 02 00 00 00 01 00 )"
    "03( 02 60 01 7f 00 50 02 01 60 00 00 00 'a' 'b' 00 00 )"
    "04( %c 0a( 01 00 'r' 03 01 ) 0b( 01 00 's' 03 00 00 ) )"
    "06( 04 00 00 01 00 'f' 00 00 01 00 'drop' 00 00 01 00 'realloc' 00 02 01 00 'mem' )"
    "07( 06 40 00 01 00  3f 7f 01 01  72 02 'a' 73 'b' 79  71 02 'c' 01 73 00 'd' 00 00  6e 02 'e' 'f'  41 02 01 73 03 00 'q' 03 00 00 )"
    "08( 04 00 00 00 00 00  02 01  03 01  04 01 )"
    "05( 02 00 00 01 'r' 03 01  01 01 00 'g' 01 00 )"
    "06( 01 03 00 00 's' )"
    "0a( 02 00 'u:v/w@1.2.3' 01 00 02 'z' 01 02 'id' 03 01 )"
    "0b( 04 00 'res' 03 01 00  00 'rec' 03 02 00  00 'run' 01 00 01 01 00  00 'i' 05 01 00 )";

static void validate_any(const uint8_t *data, size_t size, const char *what, size_t number)
{
    struct ga_report report = {0};
    struct component *component;
    uint8_t *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, data, size);
    enum ga_status status = bin_read(&arena, exact, size, &component, &report);
    if (status == GA_OK)
        status = val_component(&arena, component, &report);
    cr_expect(status == report.status && (status == GA_OK || report.text[0] != 0), "%s %zu", what, number);
    cr_expect(status == GA_OK || !report.has_offset || report.offset <= size, "%s %zu: offset behind the end", what,
              number);
    free(exact);
    ga_arena_reset(&arena);
}

Test(bin_hostile, the_rich_component_is_valid)
{
    struct slice bytes = wasm_made(&arena, rich);
    struct ga_report report = {0};
    struct component *component;
    enum ga_status status = bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, &report);
    if (status == GA_OK)
        status = val_component(&arena, component, &report);
    cr_expect_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report.offset, report.text);
}

Test(bin_hostile, every_prefix_ends_with_an_answer, .timeout = 60)
{
    struct slice made = wasm_made(&arena, rich);
    uint8_t *bytes = malloc(made.size);
    memcpy(bytes, made.data, made.size);
    for (size_t size = 0; size <= made.size; size++)
        validate_any(bytes, size, "prefix", size);
    free(bytes);
}

Test(bin_hostile, random_flips_end_with_an_answer, .timeout = 60)
{
    struct slice made = wasm_made(&arena, rich);
    size_t size = made.size;
    uint8_t *bytes = malloc(size), *flipped = malloc(size);
    uint64_t random = 0x9e3779b97f4a7c15;
    memcpy(bytes, made.data, size);
    for (size_t round = 0; round < 20000; round++) {
        memcpy(flipped, bytes, size);
        for (unsigned flips = 1 + round % 3; flips > 0; flips--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            flipped[(random >> 33) % size] ^= (uint8_t)(1u << (random >> 61));
        }
        validate_any(flipped, size, "round", round);
    }
    free(bytes);
    free(flipped);
}
