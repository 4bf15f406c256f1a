/* Core modules: reading, validation, the pre-pass. */

#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

/* --- modules made by hand --- */

#define HEADER "\0asm\1\0\0\0"
#define BYTES(text) (struct slice){text, sizeof(text) - 1}

/* One type () -> (), one function of it, and a body of the size and bytes given: the body begins at offset 22, its first instruction at 23. */
#define WITH_BODY(section_size, body_size, body) \
    HEADER "\1\4\1\x60\0\0"                      \
           "\3\2\1\0"                            \
           "\x0a" section_size "\1" body_size body

/*
 * One of most things:
 *
 * (module
 *   (type $v (func))
 *   (type $ii (func (param i32) (result i32)))
 *   (import "a" "f" (func $f (type $ii)))
 *   (import "a" "t" (table $t 2 funcref))
 *   (import "a" "m" (memory 1))
 *   (import "a" "g" (global $g i32))
 *   (import "b" "e" (tag $e (param i32)))
 *   (func $start (type $v))
 *   (func $two (param i64) (result i64 f64) local.get 0 f64.const 1)
 *   (func $all (export "all") (param i32) (result i32) (local i64 v128 externref)
 *     (block (loop (br_if 1 (i32.eqz (local.get 0))) (local.set 0 (i32.const 0)) (br 0)))
 *     (if (local.get 0) (then (call $start)) (else nop))
 *     (drop (v128.load offset=16 align=8 (i32.const 0)))
 *     (drop (i8x16.extract_lane_s 3 (local.get 2)))
 *     (memory.init $p (i32.const 0) (i32.const 0) (i32.const 1))
 *     (data.drop $p)
 *     (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))
 *     (table.set $t (i32.const 0) (ref.func $start))
 *     (drop (table.get $t (i32.const 1)))
 *     (drop (ref.is_null (local.get 3)))
 *     (block $h (result i32)
 *       (try_table (catch $e $h) (throw $e (i32.const 1)))
 *       (i32.const 0))
 *     (drop)
 *     (block (block (br_table 0 1 0 (local.get 0))))
 *     (drop (select (i32.const 1) (i32.const 2) (local.get 0)))
 *     (drop (select (result externref) (local.get 3) (ref.null extern) (i32.const 0)))
 *     (drop (call_indirect $t (type $ii) (local.get 0) (i32.const 0)))
 *     (drop (i32.trunc_sat_f64_u (f64.const 3)))
 *     (return_call $f (local.get 0)))
 *   (func $indirect (param i32) (result i32) (return_call_indirect $t (type $ii) (local.get 0) (i32.const 1)))
 *   (global $h (mut i64) (i64.const -1))
 *   (export "m" (memory 0))
 *   (export "h" (global $h))
 *   (start $start)
 *   (elem (table $t) (i32.const 0) func $start)
 *   (elem declare func $start)
 *   (elem externref (ref.null extern))
 *   (data (global.get $g) "abc")
 *   (data $p "passive")
 *   (data (i32.const 100) "defgh"))
 *
 * and a custom section "note".
 */
static const unsigned char rich[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x13, 0x04, 0x60, 0x00, 0x00, 0x60, 0x01, 0x7f, 0x01, 0x7f,
    0x60, 0x01, 0x7f, 0x00, 0x60, 0x01, 0x7e, 0x02, 0x7e, 0x7c, 0x02, 0x24, 0x05, 0x01, 0x61, 0x01, 0x66, 0x00, 0x01,
    0x01, 0x61, 0x01, 0x74, 0x01, 0x70, 0x00, 0x02, 0x01, 0x61, 0x01, 0x6d, 0x02, 0x00, 0x01, 0x01, 0x61, 0x01, 0x67,
    0x03, 0x7f, 0x00, 0x01, 0x62, 0x01, 0x65, 0x04, 0x00, 0x02, 0x03, 0x05, 0x04, 0x00, 0x03, 0x01, 0x01, 0x06, 0x06,
    0x01, 0x7e, 0x01, 0x42, 0x7f, 0x0b, 0x07, 0x0f, 0x03, 0x03, 0x61, 0x6c, 0x6c, 0x00, 0x03, 0x01, 0x6d, 0x02, 0x00,
    0x01, 0x68, 0x03, 0x01, 0x08, 0x01, 0x01, 0x09, 0x13, 0x03, 0x02, 0x00, 0x41, 0x00, 0x0b, 0x00, 0x01, 0x01, 0x03,
    0x00, 0x01, 0x01, 0x05, 0x6f, 0x01, 0xd0, 0x6f, 0x0b, 0x0c, 0x01, 0x03, 0x0a, 0xba, 0x01, 0x04, 0x02, 0x00, 0x0b,
    0x0d, 0x00, 0x20, 0x00, 0x44, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0, 0x3f, 0x0b, 0x9c, 0x01, 0x03, 0x01, 0x7e,
    0x01, 0x7b, 0x01, 0x6f, 0x02, 0x40, 0x03, 0x40, 0x20, 0x00, 0x45, 0x0d, 0x01, 0x41, 0x00, 0x21, 0x00, 0x0c, 0x00,
    0x0b, 0x0b, 0x20, 0x00, 0x04, 0x40, 0x10, 0x01, 0x05, 0x01, 0x0b, 0x41, 0x00, 0xfd, 0x00, 0x03, 0x10, 0x1a, 0x20,
    0x02, 0xfd, 0x15, 0x03, 0x1a, 0x41, 0x00, 0x41, 0x00, 0x41, 0x01, 0xfc, 0x08, 0x01, 0x00, 0xfc, 0x09, 0x01, 0x41,
    0x00, 0x41, 0x00, 0x41, 0x00, 0xfc, 0x0b, 0x00, 0x41, 0x00, 0xd2, 0x01, 0x26, 0x00, 0x41, 0x01, 0x25, 0x00, 0x1a,
    0x20, 0x03, 0xd1, 0x1a, 0x02, 0x7f, 0x1f, 0x40, 0x01, 0x00, 0x00, 0x00, 0x41, 0x01, 0x08, 0x00, 0x0b, 0x41, 0x00,
    0x0b, 0x1a, 0x02, 0x40, 0x02, 0x40, 0x20, 0x00, 0x0e, 0x02, 0x00, 0x01, 0x00, 0x0b, 0x0b, 0x41, 0x01, 0x41, 0x02,
    0x20, 0x00, 0x1b, 0x1a, 0x20, 0x03, 0xd0, 0x6f, 0x41, 0x00, 0x1c, 0x01, 0x6f, 0x1a, 0x20, 0x00, 0x41, 0x00, 0x11,
    0x01, 0x00, 0x1a, 0x44, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x40, 0xfc, 0x03, 0x1a, 0x20, 0x00, 0x12, 0x00,
    0x0b, 0x09, 0x00, 0x20, 0x00, 0x41, 0x01, 0x13, 0x01, 0x00, 0x0b, 0x0b, 0x1d, 0x03, 0x00, 0x23, 0x00, 0x0b, 0x03,
    0x61, 0x62, 0x63, 0x01, 0x07, 0x70, 0x61, 0x73, 0x73, 0x69, 0x76, 0x65, 0x00, 0x41, 0xe4, 0x00, 0x0b, 0x05, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x00, 0x05, 0x04, 0x6e, 0x6f, 0x74, 0x65};

static enum ga_status read_bytes(struct ga_arena *arena, struct slice bytes, struct core_module **module,
                                 struct ga_report *report)
{
    *report = (struct ga_report){0};
    return core_read(arena, bytes, module, report);
}

static struct slice rich_slice(void)
{
    return (struct slice){(const char *)rich, sizeof rich};
}

static struct core_module *read_good(struct ga_arena *arena, struct slice bytes)
{
    struct ga_report report;
    struct core_module *module;
    cr_assert_eq(read_bytes(arena, bytes, &module, &report), GA_OK, "0x%llx: %s", (unsigned long long)report.offset,
                 report.text);
    return module;
}

static bool slice_is(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

Test(core_read, imports_and_exports_have_names_and_types)
{
    struct ga_arena arena = {0};
    struct core_module *module = read_good(&arena, rich_slice());
    static const enum core_extern kinds[] = {CORE_EXTERN_FUNC, CORE_EXTERN_TABLE, CORE_EXTERN_MEMORY,
                                             CORE_EXTERN_GLOBAL, CORE_EXTERN_TAG};
    cr_assert_eq(module->import_count, 5);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(module->imports[i].type.kind, kinds[i]);
    cr_assert(slice_is(module->imports[4].module, "b") && slice_is(module->imports[4].name, "e"));
    cr_assert_eq(module->imports[0].type.func.param_count, 1);
    cr_assert_eq(module->imports[0].type.func.results[0], CORE_I32);
    cr_assert_eq(module->imports[1].type.min, 2);
    cr_assert(!module->imports[2].type.has_max);
    cr_assert_eq(module->imports[3].type.value, CORE_I32);
    cr_assert_eq(module->imports[4].type.func.param_count, 1);
    cr_assert_eq(module->export_count, 3);
    cr_assert(slice_is(module->exports[2].name, "h"));
    cr_assert(module->exports[2].type.mutable && module->exports[2].type.value == CORE_I64);
    ga_arena_free(&arena);
}

Test(core_read, features_are_noticed)
{
    struct ga_arena arena = {0};
    struct core_module *module = read_good(&arena, rich_slice());
    cr_assert(module->has_start && module->uses_simd && module->uses_exceptions && module->uses_tail_calls);
    cr_assert(module->mutates_tables);
    cr_assert(!module->uses_threads && !module->uses_gc && !module->uses_memory64 && !module->uses_multi_memory);
    cr_assert_eq(module->code_bytes, 186);
    module = read_good(&arena, BYTES(HEADER));
    cr_assert(!module->has_start && !module->uses_simd && !module->uses_exceptions && !module->uses_tail_calls);
    module = read_good(&arena, BYTES(HEADER "\5\5\2\0\1\4\1"));
    cr_assert(module->uses_multi_memory && module->uses_memory64);
    ga_arena_free(&arena);
}

struct bad {
    const char *name;
    struct slice bytes;
    uint64_t offset;
    const char *text;
};

#define BAD(name, offset, text, bytes) {name, BYTES(bytes), offset, text}

static const struct bad bad_modules[] = {
    BAD("nothing", 0, "no header", ""),
    BAD("half a header", 0, "no header", "\0asm\1\0"),
    BAD("a component", 0, "no header", "\0asm\x0d\0\1\0"),
    BAD("an unknown section", 8, "unknown section 14", HEADER "\x0e\0"),
    BAD("a section behind the end", 8, "type section: 5 bytes, but only 1 follow", HEADER "\1\5\0"),
    BAD("a section without size", 9, "malformed or truncated size of a section", HEADER "\1"),
    BAD("a size of six bytes", 9, "malformed or truncated size", HEADER "\1\x80\x80\x80\x80\x80\0"),
    BAD("two type sections", 11, "type section: out of order, or there twice", HEADER "\1\1\0\1\1\0"),
    BAD("imports behind functions", 11, "import section: out of order", HEADER "\3\1\0\2\1\0"),
    BAD("bytes left in a section", 11, "type section: 1 bytes too many", HEADER "\1\2\0\0"),
    BAD("a custom section without name", 10, "malformed or truncated name of a custom section", HEADER "\0\0"),
    BAD("a custom name not UTF-8", 10, "name of a custom section is not UTF-8", HEADER "\0\2\1\xff"),
    BAD("more types than bytes", 10, "types 9, but only 3 bytes follow", HEADER "\1\4\x09\x60\0\0"),
    BAD("an unknown form of type", 11, "unknown form of type 0x61", HEADER "\1\4\1\x61\0\0"),
    BAD("an unknown value type", 13, "unknown value type 0x7a", HEADER "\1\5\1\x60\1\x7a\0"),
    BAD("a function of no type", 11, "type 0 does not exist (there are 0)", HEADER "\3\2\1\0"),
    BAD("functions without code", 18, "1 functions, but no code section", HEADER "\1\4\1\x60\0\0\3\2\1\0"),
    BAD("two bodies for one function", 20, "1 functions, but 2 bodies",
        HEADER "\1\4\1\x60\0\0\3\2\1\0\x0a\7\2\2\0\x0b\2\0\x0b"),
    BAD("an import of an unknown kind", 13, "unknown kind of import", HEADER "\2\4\1\0\0\5"),
    BAD("limits upside down", 11, "minimum of the limits is above the maximum", HEADER "\5\4\1\1\2\1"),
    BAD("limits with unknown flags", 11, "malformed limits", HEADER "\5\3\1\x10\0"),
    BAD("a memory of 4 GiB and a page", 11, "more pages than its addresses reach", HEADER "\5\5\1\0\x81\x80\4"),
    BAD("a shared memory without end", 11, "a shared memory without maximum", HEADER "\5\3\1\2\0"),
    BAD("a table of integers", 11, "a table's elements have to be references", HEADER "\4\4\1\x7f\0\0"),
    BAD("a table of ten million and one", 12, "too many elements of a table (limit is 10000000)",
        HEADER "\4\7\1\x70\0\x81\xad\xe2\4"),
    BAD("a global of odd mutability", 12, "malformed mutability", HEADER "\6\6\1\x7f\2\x41\0\x0b"),
    BAD("a global of another type", 15, "type mismatch: expected i32, found i64", HEADER "\6\6\1\x7f\0\x42\0\x0b"),
    BAD("a global that computes", 13, "instruction 0x01 in a constant expression", HEADER "\6\5\1\x7f\0\1\x0b"),
    BAD("an export of nothing", 14, "memory 0 does not exist (there are 0)", HEADER "\7\5\1\1m\2\0"),
    BAD("two exports of one name", 20, "two exports of the name \"m\"", HEADER "\5\3\1\0\1\7\x09\2\1m\2\0\1m\2\0"),
    BAD("a start function with results", 21, "the start function has parameters or results",
        HEADER "\1\5\1\x60\0\1\x7f\3\2\1\0\x08\1\0\x0a\4\1\2\0\x0b"),
    BAD("data without memory", 11, "memory 0 does not exist", HEADER "\x0b\6\1\0\x41\0\x0b\0"),
    BAD("a truncated data segment", 20, "truncated data segment", HEADER "\5\3\1\0\1\x0b\6\1\0\x41\0\x0b\5"),
    BAD("counts of data that differ", 13, "1 data segments, but the data count section says 2",
        HEADER "\x0c\1\2\x0b\3\1\1\0"),
    BAD("announced data that is not there", 11, "2 data segments announced", HEADER "\x0c\1\2"),
    BAD("a body that goes on", 24, "bytes after the end of a function", WITH_BODY("\6", "\4", "\0\x0b\1\x0b")),
    BAD("a body that does not end", 24, "the code ends before its last block is closed", WITH_BODY("\4", "\2", "\0\1")),
    BAD("an unknown instruction", 23, "unknown instruction 0xff", WITH_BODY("\5", "\3", "\0\xff\x0b")),
    BAD("an unknown instruction with prefix", 23, "unknown instruction 0xfd 0x9a",
        WITH_BODY("\7", "\5", "\0\xfd\x9a\1\x0b")),
    BAD("a constant cut off", 23, "malformed immediate of instruction 0x41", WITH_BODY("\4", "\2", "\0\x41")),
    BAD("a missing operand", 23, "expected i32, but nothing is on the stack", WITH_BODY("\5", "\3", "\0\x45\x0b")),
    BAD("an operand of another type", 25, "type mismatch: expected i32, found i64",
        WITH_BODY("\7", "\5", "\0\x42\0\x45\x0b")),
    BAD("a value left over", 25, "1 values too many at the end of a block", WITH_BODY("\6", "\4", "\0\x41\0\x0b")),
    BAD("a branch out of everything", 24, "label 1 does not exist (there are 1)", WITH_BODY("\6", "\4", "\0\x0c\1\x0b")),
    BAD("a local that is not there", 24, "local 0 does not exist (there are 0)", WITH_BODY("\6", "\4", "\0\x20\0\x0b")),
    BAD("a call of no function", 24, "function 1 does not exist (there are 1)", WITH_BODY("\6", "\4", "\0\x10\1\x0b")),
    BAD("else without if", 23, "else without if", WITH_BODY("\5", "\3", "\0\5\x0b")),
    BAD("if with a result and no else", 29, "if without else, but with results",
        WITH_BODY("\x0c", "\x0a", "\0\x41\0\4\x7f\x41\0\x0b\x1a\x0b")),
    BAD("a load without memory", 25, "but the module has no memory",
        WITH_BODY("\x0a", "\x08", "\0\x41\0\x28\2\0\x1a\x0b")),
    BAD("a mutable global that is none", 24, "global 0 does not exist", WITH_BODY("\6", "\4", "\0\x23\0\x0b")),
    BAD("too many locals", 23, "too many locals (limit is 50000)", WITH_BODY("\x08", "\6", "\1\xd1\x86\3\x7f\x0b")),
    BAD("memory.init without data count", 29, "there is no data count section",
        WITH_BODY("\x0e", "\x0c", "\0\x41\0\x41\0\x41\0\xfc\x08\0\0\x0b")),
    BAD("ref.func of an undeclared function", 23, "which no export, global or element segment names",
        WITH_BODY("\7", "\5", "\0\xd2\0\x1a\x0b")),
    BAD("select between references", 29, "type mismatch: select between externref and externref",
        WITH_BODY("\x0c", "\x0a", "\0\xd0\x6f\xd0\x6f\x41\0\x1b\x1a\x0b")),
};

Test(core_read, bad_modules_are_refused_at_the_right_place)
{
    for (size_t i = 0; i < sizeof bad_modules / sizeof *bad_modules; i++) {
        const struct bad *bad = &bad_modules[i];
        struct ga_arena arena = {0};
        struct ga_report report;
        struct core_module *module;
        cr_expect_eq(read_bytes(&arena, bad->bytes, &module, &report), GA_INVALID, "%s is accepted", bad->name);
        cr_expect(strstr(report.text, bad->text), "%s: \"%s\"", bad->name, report.text);
        cr_expect_eq(report.offset, bad->offset, "%s: at %llu, not %llu (%s)", bad->name,
                     (unsigned long long)report.offset, (unsigned long long)bad->offset, report.text);
        ga_arena_free(&arena);
    }
}

/* A cut at the end of a section may leave a module; everywhere else it must be an error inside the file. */
Test(core_read, every_prefix_is_refused_or_a_module)
{
    unsigned accepted = 0;
    for (uint32_t size = 0; size < sizeof rich; size++) {
        struct ga_arena arena = {0};
        struct ga_report report;
        struct core_module *module;
        enum ga_status status = read_bytes(&arena, (struct slice){(const char *)rich, size}, &module, &report);
        accepted += status == GA_OK;
        if (status != GA_OK) {
            cr_expect_eq(status, GA_INVALID);
            cr_expect(report.has_offset && report.offset <= size, "prefix of %u: at %llu", size,
                      (unsigned long long)report.offset);
        }
        ga_arena_free(&arena);
    }
    cr_expect_lt(accepted, 5); /* the header, types, imports; not what needs the code section */
}

Test(core_read, every_flipped_bit_ends_with_a_status)
{
    unsigned char copy[sizeof rich];
    unsigned refused = 0;
    for (uint32_t bit = 0; bit < 8 * sizeof rich; bit++) {
        struct ga_arena arena = {0};
        struct ga_report report;
        struct core_module *module;
        struct core_prepared prepared;
        memcpy(copy, rich, sizeof rich);
        copy[bit / 8] ^= 1u << bit % 8;
        struct slice bytes = {(const char *)copy, sizeof copy};
        if (read_bytes(&arena, bytes, &module, &report) != GA_OK) {
            cr_expect(report.has_offset && report.offset <= sizeof rich);
            refused++;
        } else if (core_prepare(&arena, bytes, module, NULL, 0, &prepared, &report) == GA_OK) {
            ga_buf_free(&prepared.wasm);
            ga_buf_free(&prepared.data);
        }
        ga_arena_free(&arena);
    }
    cr_expect_gt(refused, 8 * sizeof rich / 2);
}

/* --- the pre-pass --- */

static struct core_module *prepare_after(struct ga_arena *arena, struct slice bytes, const struct core_prepared *earlier,
                                         uint32_t earlier_count, struct core_prepared *prepared)
{
    struct ga_report report = {0};
    struct core_module *module = read_good(arena, bytes);
    cr_assert_eq(core_prepare(arena, bytes, module, earlier, earlier_count, prepared, &report), GA_OK, "%s",
                 report.text);
    return read_good(arena, (struct slice){(const char *)prepared->wasm.data, (uint32_t)prepared->wasm.size});
}

static struct core_module *prepare(struct ga_arena *arena, struct slice bytes, struct core_prepared *prepared)
{
    return prepare_after(arena, bytes, NULL, 0, prepared);
}

static void prepared_free(struct core_prepared *prepared)
{
    ga_buf_free(&prepared->wasm);
    ga_buf_free(&prepared->data);
}

static bool contains(const struct ga_buf *buf, const char *text)
{
    return memmem(buf->data, buf->size, text, strlen(text)) != NULL;
}

Test(core_prepare, imports_and_exports_are_renamed)
{
    struct ga_arena arena = {0};
    struct core_prepared prepared;
    struct core_module *module = prepare(&arena, rich_slice(), &prepared);
    cr_assert_eq(module->import_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        char name[40];
        snprintf(name, sizeof name, "%si%u", prepared.prefix, i);
        cr_expect(slice_is(module->imports[i].module, name));
        cr_expect(slice_is(module->imports[i].name, "f"));
    }
    static const char *const names[] = {"e0", "e1", "e2", "m0", "g3", "s"};
    cr_assert_eq(module->export_count, 6);
    for (uint32_t i = 0; i < 6; i++)
        cr_expect(slice_is(module->exports[i].name, names[i]), "%s", names[i]);
    prepared_free(&prepared);
    ga_arena_free(&arena);
}

Test(core_prepare, active_data_is_taken_out_and_passive_data_stays)
{
    struct ga_arena arena = {0};
    struct core_prepared prepared;
    struct core_module *module = prepare(&arena, rich_slice(), &prepared);
    cr_assert_eq(prepared.segment_count, 2);
    cr_expect(prepared.segments[0].offset_is_global);
    cr_expect_eq(prepared.segments[0].offset, 3); /* import 3 is the global */
    cr_expect_eq(prepared.segments[0].size, 3);
    cr_expect(!prepared.segments[1].offset_is_global);
    cr_expect_eq(prepared.segments[1].offset, 100);
    cr_expect_eq(prepared.segments[1].data_offset, 3);
    cr_expect(prepared.data.size == 8 && memcmp(prepared.data.data, "abcdefgh", 8) == 0);
    cr_expect_eq(prepared.data_symbol[0], 'd');
    cr_expect(prepared.start_exported && !module->has_start);
    cr_expect(contains(&prepared.wasm, "passive") && !contains(&prepared.wasm, "defgh"));
    cr_expect(!contains(&prepared.wasm, "note"));
    prepared_free(&prepared);
    ga_arena_free(&arena);
}

Test(core_prepare, tail_calls_become_calls)
{
    struct ga_arena arena = {0};
    struct core_prepared prepared;
    struct core_module *module = prepare(&arena, rich_slice(), &prepared);
    cr_expect(prepared.tail_calls);
    cr_expect(!module->uses_tail_calls);
    cr_expect_eq(module->code_bytes, 186 + 2); /* a return behind each of the two */
    prepared_free(&prepared);
    ga_arena_free(&arena);
}

Test(core_prepare, imported_functions_in_element_segments_get_a_function_that_calls_them)
{
    struct ga_arena arena = {0};
    struct core_prepared prepared;
    /* (func $a (import) (param i32 i64) (result i32)) (func $b (import)) (table 4 funcref)
     * (elem (i32.const 0) $b $a $b) (elem declare func $a) (elem funcref (ref.func $a) (ref.null func)) */
    static const uint8_t bytes[] = {
        0x00, 'a',  's',  'm',  1,    0,    0,    0,                                             /* header */
        0x01, 0x0a, 0x02, 0x60, 0x02, 0x7f, 0x7e, 0x01, 0x7f, 0x60, 0x00, 0x00,                  /* types */
        0x02, 0x0d, 0x02, 0x01, 'm',  0x01, 'a',  0x00, 0x00, 0x01, 'm',  0x01, 'b', 0x00, 0x01, /* imports */
        0x04, 0x04, 0x01, 0x70, 0x00, 0x04,                                                      /* table */
        0x09, 0x16, 0x03, 0x00, 0x41, 0x00, 0x0b, 0x03, 0x01, 0x00, 0x01,                        /* elements */
        0x03, 0x00, 0x01, 0x00,                                                                  /* declarative */
        0x05, 0x70, 0x02, 0xd2, 0x00, 0x0b, 0xd0, 0x70, 0x0b,                                    /* expressions */
    };
    struct slice module = {(const char *)bytes, sizeof bytes};
    prepare(&arena, module, &prepared);
    static const uint8_t functions[] = {0x03, 0x03, 0x02, 0x01, 0x00}; /* of types 1 and 0 */
    static const uint8_t elements[] = {0x00, 0x41, 0x00, 0x0b, 0x03, 0x02, 0x03, 0x02, 0x03, 0x00, 0x01, 0x00, 0x05,
                                       0x70, 0x02, 0xd2, 0x03, 0x0b, 0xd0, 0x70, 0x0b, 0x03, 0x00, 0x02, 0x01, 0x00};
    static const uint8_t code[] = {0x02, 0x04, 0x00, 0x10, 0x01, 0x0b, 0x08, 0x00,
                                   0x20, 0x00, 0x20, 0x01, 0x10, 0x00, 0x0b};
    cr_expect_not_null(memmem(prepared.wasm.data, prepared.wasm.size, functions, sizeof functions));
    cr_expect_not_null(memmem(prepared.wasm.data, prepared.wasm.size, elements, sizeof elements));
    cr_expect_not_null(memmem(prepared.wasm.data, prepared.wasm.size, code, sizeof code));
    prepared_free(&prepared);
    ga_arena_free(&arena);
}

Test(core_prepare, modules_that_differ_in_their_data_share_their_code)
{
    unsigned char other[sizeof rich];
    memcpy(other, rich, sizeof rich);
    unsigned char *at = memmem(other, sizeof other, "defgh", 5);
    *at = 'D';
    memcpy(other + sizeof other - 4, "NOTE", 4);
    struct ga_arena arena = {0};
    struct core_prepared one, two;
    prepare(&arena, rich_slice(), &one);
    prepare(&arena, (struct slice){(const char *)other, sizeof other}, &two);
    cr_expect_str_eq(one.prefix, two.prefix);
    cr_expect_str_neq(one.data_symbol, two.data_symbol);
    cr_expect(one.wasm.size == two.wasm.size && memcmp(one.wasm.data, two.wasm.data, one.wasm.size) == 0);
    prepared_free(&one);
    prepared_free(&two);
    ga_arena_free(&arena);
}

/* The module `rich` with another function body. */
static void change_code(unsigned char other[sizeof rich])
{
    memcpy(other, rich, sizeof rich);
    unsigned char *at = memmem(other, sizeof rich, "\xfc\3", 2); /* i32.trunc_sat_f64_u */
    at[1] = 2;
}

Test(core_prepare, a_changed_function_leaves_the_prefix_so_that_the_others_stay_the_same_text)
{
    unsigned char other[sizeof rich];
    change_code(other);
    struct ga_arena arena = {0};
    struct core_prepared one, two;
    prepare(&arena, rich_slice(), &one);
    prepare(&arena, (struct slice){(const char *)other, sizeof other}, &two);
    cr_expect_str_eq(one.prefix, two.prefix);
    cr_expect_str_eq(one.data_symbol, two.data_symbol);
    cr_expect(!core_prepared_same_code(&one, &two));
    prepared_free(&one);
    prepared_free(&two);
    ga_arena_free(&arena);
}

Test(core_prepare, in_one_component_other_code_has_another_prefix)
{
    unsigned char other[sizeof rich];
    change_code(other);
    const struct slice first = rich_slice(), second = {(const char *)other, sizeof other};
    struct ga_arena arena = {0};
    struct core_prepared all[4];
    prepare_after(&arena, first, all, 0, &all[0]);
    prepare_after(&arena, second, all, 1, &all[1]);
    prepare_after(&arena, second, all, 2, &all[2]);
    prepare_after(&arena, first, all, 3, &all[3]);
    cr_expect_str_neq(all[0].prefix, all[1].prefix);
    cr_expect_str_eq(all[1].prefix, all[2].prefix);
    cr_expect_str_eq(all[0].prefix, all[3].prefix);
    cr_expect(core_prepared_same_code(&all[0], &all[3]) && core_prepared_same_code(&all[1], &all[2]));
    for (int i = 0; i < 4; i++)
        prepared_free(&all[i]);
    ga_arena_free(&arena);
}

Test(core_prepare, another_interface_has_another_prefix)
{
    unsigned char other[sizeof rich];
    memcpy(other, rich, sizeof rich);
    unsigned char *at = memmem(other, sizeof other, "\1a\1m\2\0\1", 7); /* the imported memory's size */
    at[6] = 2;
    struct ga_arena arena = {0};
    struct core_prepared one, two;
    prepare(&arena, rich_slice(), &one);
    prepare(&arena, (struct slice){(const char *)other, sizeof other}, &two);
    cr_expect_str_neq(one.prefix, two.prefix);
    prepared_free(&one);
    prepared_free(&two);
    ga_arena_free(&arena);
}

Test(core_prepare, an_offset_that_computes_keeps_all_data_in)
{
    /* (memory 1) (global $g i32 (i32.const 4)) (data (global.get $g) "xyz"): $g is no import */
    static const char bytes[] = HEADER "\5\3\1\0\1\6\6\1\x7f\0\x41\4\x0b\x0b\x09\1\0\x23\0\x0b\3xyz";
    struct ga_arena arena = {0};
    struct core_prepared prepared;
    struct core_module *module = prepare(&arena, BYTES(bytes), &prepared);
    cr_expect_eq(prepared.segment_count, 0);
    cr_expect_eq(prepared.data_symbol[0], 0);
    cr_expect_eq(module->export_count, 0);
    cr_expect(contains(&prepared.wasm, "xyz"));
    prepared_free(&prepared);
    ga_arena_free(&arena);
}

Test(core_prepare, what_cannot_be_translated_is_refused_by_name)
{
    static const struct {
        struct slice bytes;
        const char *text;
    } modules[] = {
        {BYTES(HEADER "\1\3\1\x5f\0"), "garbage collection"},
        {BYTES(HEADER "\5\4\1\3\1\1"), "threads"},
        {BYTES(HEADER "\5\3\1\4\1"), "64-bit memories"},
    };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        struct ga_arena arena = {0};
        struct ga_report report = {0};
        struct core_prepared prepared;
        struct core_module *module = read_good(&arena, modules[i].bytes);
        cr_expect_eq(core_prepare(&arena, modules[i].bytes, module, NULL, 0, &prepared, &report), GA_UNSUPPORTED);
        cr_expect(strstr(report.text, modules[i].text), "%s", report.text);
        ga_arena_free(&arena);
    }
}
