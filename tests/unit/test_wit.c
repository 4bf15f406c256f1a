#include <criterion/criterion.h>
#include <string.h>

#include "gen.h"
#include "wit.h"
#include "wit_table.h"

/* The WIT reader of witgen, its durability table, and the names it gives in C. */

static struct ga_arena arena;
static struct ga_report report;
static struct wit_document document;

static void setup(void)
{
    memset(&report, 0, sizeof report);
    document = (struct wit_document){.arena = &arena, .report = &report};
}

static void teardown(void)
{
    ga_arena_free(&arena);
}
TestSuite(wit_parse, .init = setup, .fini = teardown);
TestSuite(wit_resolve, .init = setup, .fini = teardown);
TestSuite(wit_table, .init = setup, .fini = teardown);
TestSuite(wit_names, .init = setup, .fini = teardown);

static enum ga_status parse(const char *text)
{
    return wit_parse(&document, "a.wit", text, strlen(text));
}

static void parse_and_resolve(const char *text)
{
    cr_assert_eq(parse(text), GA_OK, "%s", report.text);
    cr_assert_eq(wit_resolve(&document), GA_OK, "%s", report.text);
}

static struct wit_interface *interface_named(const char *name)
{
    for (uint32_t i = 0; i < document.packages.count; i++) {
        struct wit_interface *found =
            wit_find_interface(document.packages.items[i], (struct slice){name, (uint32_t)strlen(name)});
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const struct wit_func *func_named(const char *interface, const char *name)
{
    const struct wit_func *func = ga_map_get(&interface_named(interface)->func_names, name, strlen(name));
    cr_assert_not_null(func, "no function %s", name);
    return func;
}

static void assert_signature(const char *interface, const char *name, const char *wanted)
{
    struct ga_buf text = {0};
    type_func_signature(&func_named(interface, name)->type, &text);
    cr_assert_str_eq(ga_buf_cstr(&text), wanted);
    ga_buf_free(&text);
}

/* --- bad input --- */

struct bad {
    const char *text, *message;
};

static void assert_bad(const struct bad *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        setup();
        enum ga_status status = parse(bad[i].text);
        if (status == GA_OK)
            status = wit_resolve(&document);
        cr_expect_eq(status, GA_INVALID, "accepted: %s", bad[i].text);
        cr_expect_str_eq(report.text, bad[i].message, "%s", bad[i].text);
    }
}

#define P "package a:b@0.1.0;"
#define I P " interface i { "

Test(wit_parse, bad_input_is_named_with_line_and_column)
{
    static const struct bad bad[] = {
        {"", "a.wit:1:1: 'package' expected, the file ends here"},
        {"interface i {}", "a.wit:1:1: 'package' expected, here is 'interface'"},
        {"package a;", "a.wit:1:10: ':' expected, here is ';'"},
        {"package a:b", "a.wit:1:12: ';' expected, the file ends here"},
        {"package a:b@1;", "a.wit:1:14: '.' expected, here is ';'"},
        {"package a:b@1.2;", "a.wit:1:16: '.' expected, here is ';'"},
        {"package a:b@1.2.x;", "a.wit:1:17: a number expected, here is 'x'"},
        {"package a:b@1.2.99999999999;", "a.wit:1:17: number too large"},
        {"package a:b@1.2.3-rc;", "a.wit:1:18: a host offers released versions only"},
        {P "\n  nonsense", "a.wit:2:3: 'interface' or 'world' expected, here is 'nonsense'"},
        {P "\n/* never\nclosed", "a.wit:3:7: comment without an end"},
        {P "interface i {", "a.wit:1:32: a name expected, the file ends here"},
        {P "interface i {} interface i {}", "a.wit:1:44: interface 'i' is there twice"},
        {P "interface interface {}", "a.wit:1:29: 'interface' is a keyword: write %interface"},
        {P "world w { import i;", "a.wit:1:38: '}' expected, the file ends here"},
        {P "world w;", "a.wit:1:26: '{' expected, here is ';'"},
        {I "record r {} }", "a.wit:1:41: record 'r' is empty"},
        {I "record r { a } }", "a.wit:1:47: ':' expected, here is '}'"},
        {I "record r { a: u8 b: u8 } }", "a.wit:1:51: '}' expected, here is 'b'"},
        {I "record r { a: u8, a: u8 } }", "a.wit:1:52: 'a' is there twice"},
        {I "record a-b- { a: u8 } }", "a.wit:1:41: a name expected, here is 'a-b-'"},
        {I "record aB { a: u8 } }", "a.wit:1:41: a name expected, here is 'aB'"},
        {I "enum e {} }", "a.wit:1:39: enum 'e' is empty"},
        {I "flags f { a(u8) } }", "a.wit:1:45: '}' expected, here is '('"},
        {I "variant v { a(u8 } }", "a.wit:1:51: ')' expected, here is '}'"},
        {I "type t = list<u8, 4>; }", "a.wit:1:50: lists of fixed length are not offered by a host"},
        {I "type t = tuple<>; }", "a.wit:1:43: tuple without elements"},
        {I "type t = option<u8; }", "a.wit:1:52: '>' expected, here is ';'"},
        {I "type t = u8; type t = u16; }", "a.wit:1:52: 't' is there twice"},
        {I "f: func(); f: func(); }", "a.wit:1:45: 'f' is there twice"},
        {I "type f = u8; f: func(); }", "a.wit:1:47: 'f' is there twice"},
        {I "f: async func(); }", "a.wit:1:37: async functions are not offered by a host"},
        {I "f: func(a: u8, a: u8); }", "a.wit:1:49: 'a' is there twice"},
        {I "f: func() -> ; }", "a.wit:1:47: a name expected, here is ';'"},
        {I "f func(); }", "a.wit:1:36: ':' expected, here is 'func'"},
        {I "resource r { m: func() } }", "a.wit:1:57: ';' expected, here is '}'"},
        {I "resource r { m: func(); m: func(); } }", "a.wit:1:58: '[method]r.m' is there twice"},
        {I "use j.{t; }", "a.wit:1:42: '}' expected, here is ';'"},
        {I "use j.t; }", "a.wit:1:40: '{' expected, here is 't'"},
        {I "@since(version = 1.0.0 f: func(); ", "a.wit:1:66: a name expected, here is ';'"},
        {I "f: func($); }", "a.wit:1:42: a name expected, here is '$'"},
    };
    assert_bad(bad, sizeof bad / sizeof *bad);
}

Test(wit_parse, flags_beyond_32_are_refused)
{
    struct ga_buf text = {0};
    ga_buf_text(&text, I "flags f { ");
    for (int i = 0; i < 33; i++)
        ga_buf_printf(&text, "m%d, ", i);
    ga_buf_text(&text, "} }");
    cr_assert_eq(parse(ga_buf_cstr(&text)), GA_INVALID);
    cr_assert_str_eq(report.text, "a.wit:1:40: flags 'f' have more than 32 members");
    ga_buf_free(&text);
}

Test(wit_parse, a_type_too_deep_is_refused_before_the_stack_is)
{
    struct ga_buf text = {0};
    ga_buf_text(&text, I "type t = ");
    for (int i = 0; i < 100000; i++)
        ga_buf_text(&text, "list<");
    cr_assert_eq(parse(ga_buf_cstr(&text)), GA_INVALID);
    cr_assert_not_null(strstr(report.text, "types too deep (limit is 100)"), "%s", report.text);
    ga_buf_free(&text);
}

Test(wit_parse, every_prefix_of_a_package_is_an_error_or_whole)
{
    static const char text[] =
        P " /* /* nested */ */ interface i { use j.{t as u}; @since(version = 0.1.0) record r { a: u8, }"
          " variant v { a(list<r>), b } resource x { constructor(); s: static func() -> own<x>; }"
          " f: func(a: borrow<x>) -> result<_, string>; } interface j { type t = u8; } // end";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        setup();
        char *copy = ga_arena_strndup(&arena, text, size);
        enum ga_status status = wit_parse(&document, "a.wit", copy, size);
        cr_assert(status == GA_OK || report.text[0] != '\0');
    }
    setup();
    parse_and_resolve(text);
}

Test(wit_resolve, names_that_lead_nowhere_are_errors)
{
    static const struct bad bad[] = {
        {I "type t = u; }", "a.wit:1:43: there is no type 'u'"},
        {I "type t = t; }", "a.wit:1:39: 't' refers to itself"},
        {I "type t = list<u>; record u { a: t } }", "a.wit:1:39: 't' refers to itself"},
        {I "use j.{t}; }", "a.wit:1:41: there is no interface 'j' in that package"},
        {I "use j.{t}; } interface j {}", "a.wit:1:41: there is no type 't'"},
        {I "use j.{t}; } interface j { use i.{t}; }", "a.wit:1:41: 't' refers to itself"},
        {I "use x:y/j@1.0.0.{t}; }", "a.wit:1:51: there is no interface 'j' in that package"},
        {I "use a:b/i@0.1.1.{t}; }", "a.wit:1:51: there is no interface 'i' in that package"},
        {I "use a:b/i@0.2.0.{t}; }", "a.wit:1:51: there is no interface 'i' in that package"},
        {I "type t = u8; f: func(a: borrow<t>); }", "a.wit:1:58: 't' is no resource"},
        {I "f: func(a: own<t>); }", "a.wit:1:45: there is no type 't'"},
    };
    assert_bad(bad, sizeof bad / sizeof *bad);
}

Test(wit_resolve, two_files_of_one_track_are_refused)
{
    cr_assert_eq(parse("package a:b@0.1.0;"), GA_OK);
    cr_assert_eq(parse("package a:b@0.2.0;"), GA_OK);
    cr_assert_eq(parse("package a:b@0.1.7;"), GA_INVALID);
    cr_assert_str_eq(report.text, "a.wit:1:1: another file has package a:b of a compatible version");
}

/* --- good input --- */

Test(wit_resolve, functions_have_the_signatures_of_their_text)
{
    parse_and_resolve(
        "package a:b@1.2.3; interface i { use j.{t as u, x}; type alias = u; type handle = x;"
        " record r { a: alias, %record: option<tuple<s8, f64>> } flags fl { one, two }"
        " resource res { constructor(a: string); m: func(o: borrow<res>) -> res; s: static func() -> char; }"
        " f: func(r: r, x: x, h: borrow<handle>) -> result<list<fl>>; g: func() -> result; }"
        " interface j { resource x; type t = list<u16>; }");
    assert_signature("i", "[constructor]res", "func(a: string) -> own<res>");
    assert_signature("i", "[method]res.m", "func(self: borrow<res>, o: borrow<res>) -> own<res>");
    assert_signature("i", "[static]res.s", "func() -> char");
    assert_signature("i", "f",
                     "func(r: record{a: list<u16>, record: option<tuple<s8, f64>>}, x: own<x>, h: borrow<x>) -> "
                     "result<list<flags{one, two}>>");
    assert_signature("i", "g", "func() -> result");
}

Test(wit_resolve, an_older_minor_version_is_served_by_a_newer_file)
{
    cr_assert_eq(parse("package a:b@0.2.5; interface j { type t = u8; }"), GA_OK);
    parse_and_resolve("package c:d; interface i { use a:b/j@0.2.1.{t}; f: func() -> t; }");
    assert_signature("i", "f", "func() -> u8");
}

/* --- names in C --- */

Test(wit_names, the_newest_track_has_the_plain_prefix)
{
    struct gen gen = {.document = &document, .arena = &arena};
    cr_assert_eq(parse("package g:api@0.2.0; interface host { get-x: func(); }"), GA_OK);
    cr_assert_eq(parse("package g:api@1.1.0; interface host { get-x: func(); }"), GA_OK);
    parse_and_resolve(
        "package g:api@2.0.0; interface host { get-x: func(); resource r { constructor(); get: func(); } }");
    static const char *const wanted[] = {"g_api_v0_2_host_get_x", "g_api_v1_host_get_x", "g_api_host_get_x"};
    for (uint32_t i = 0; i < 3; i++) {
        struct wit_interface *interface = document.packages.items[i]->interfaces.items[0];
        cr_assert_str_eq(gen_func_name(&gen, interface, interface->funcs.items[0]), wanted[i]);
    }
    struct wit_interface *newest = document.packages.items[2]->interfaces.items[0];
    cr_assert_str_eq(gen_func_name(&gen, newest, newest->funcs.items[1]), "g_api_host_r_new");
    cr_assert_str_eq(gen_func_name(&gen, newest, newest->funcs.items[2]), "g_api_host_r_get");
}

Test(wit_names, fields_never_collide_with_keywords)
{
    struct gen gen = {.document = &document, .arena = &arena};
    static const struct {
        const char *name, *wanted;
    } names[] = {{"default", "default_"}, {"a-b", "a_b"}, {"Type", "type"}, {"stdin", "stdin_"}, {"worker", "worker_"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_str_eq(gen_field_name(&gen, (struct slice){names[i].name, (uint32_t)strlen(names[i].name)}),
                         names[i].wanted);
}

/* --- the durability table --- */

static enum ga_status read_table(struct wit_table *table, const char *text)
{
    return wit_table_parse(&document, "t.txt", text, strlen(text), table);
}

Test(wit_table, bad_rows_are_named_with_their_line)
{
    static const struct bad bad[] = {
        {"a:b/i", "t.txt:1:1: interface, function and class expected"},
        {"\n# c\na:b/i f", "t.txt:3:1: interface, function and class expected"},
        {"a:b/i f sometimes", "t.txt:1:1: unknown class 'sometimes'"},
        {"a:b/i f read-local", "t.txt:1:1: class 'read-local' needs the name it is recorded under"},
        {"a:b/i f observe x::f", "t.txt:1:1: class 'observe' is never recorded, but has a name"},
        {"a:b/i f observe\na:b/i f pure", "t.txt:2:1: 'a:b/i f' is there twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setup();
        struct wit_table table = {0};
        cr_expect_eq(read_table(&table, bad[i].text), GA_INVALID, "%s", bad[i].text);
        cr_expect_str_eq(report.text, bad[i].message);
    }
}

/* A gen_file_writer: the file's name and text behind those before. */
static enum ga_status append_file(void *context, const char *name, const struct ga_buf *text)
{
    ga_buf_printf(context, "== %s\n", name);
    ga_buf_append(context, text->data, text->size);
    return GA_OK;
}

static enum ga_status generate(const char *rows)
{
    struct wit_table table = {0};
    struct ga_buf out = {0};
    cr_assert_eq(read_table(&table, rows), GA_OK);
    struct gen gen = {.document = &document, .table = &table, .arena = &arena};
    enum ga_status status = gen_functions(&gen, append_file, &out);
    ga_buf_free(&out);
    return status;
}

Test(wit_table, functions_and_rows_must_match)
{
    static const struct bad bad[] = {
        {"a:b/i f observe", "a.wit:1:45: the durability table has no row for 'a:b/i g'"},
        {"a:b/i f observe\na:b/i g pure\na:b/i h pure # typo", "t.txt:3:1: there is no function 'a:b/i h'"},
        {"a:b/i f observe\na:b/i g pure", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setup();
        parse_and_resolve(I "f: func(); g: func(); }");
        cr_expect_eq(generate(bad[i].text), bad[i].message[0] != '\0' ? GA_INVALID : GA_OK);
        cr_expect_str_eq(report.text, bad[i].message);
    }
}

Test(wit_table, a_record_name_may_have_blanks)
{
    struct wit_table table = {0};
    cr_assert_eq(read_table(&table, "a:b/i f read-local  golem io::poll::poll  # as Golem has it\r\n"), GA_OK);
    parse_and_resolve(I "f: func(); }");
    const struct wit_row *row = wit_table_row(&document, &table, interface_named("i"), func_named("i", "f"));
    cr_assert(wit_slice_is(row->record_name, "golem io::poll::poll"));
    cr_assert_str_eq(row->class_constant, "DURABLE_READ_LOCAL");
}

Test(wit_table, two_functions_of_one_c_name_are_refused)
{
    parse_and_resolve(I "resource r { f: func(); } r-f: func(); }");
    cr_assert_eq(generate("a:b/i [method]r.f pure\na:b/i r-f pure"), GA_INVALID);
    cr_assert_str_eq(report.text, "a.wit:1:60: two functions have the C name 'a_b_i_r_f'");
}

/* --- what comes out --- */

static void generate_all(struct ga_buf *out)
{
    setup();
    parse_and_resolve("package a:b@1.2.3; interface i { resource r { constructor(n: list<tuple<string, u8>>); }"
                      " record p { a: option<r2>, b: result<_, e> } record r2 { x: f64 } enum e { one, two }"
                      " flags fl { a, b } f: func(p: p, f: fl, s: string) -> result<p, e>; }");
    struct wit_table table = {0};
    cr_assert_eq(read_table(&table, "a:b/i [constructor]r observe\na:b/i f read-local a::f"), GA_OK);
    struct gen gen = {.document = &document, .table = &table, .arena = &arena, .out = out};
    gen_header(&gen);
    cr_assert_eq(gen_functions(&gen, append_file, out), GA_OK);
    gen.out = out;
    gen_catalog(&gen);
}

Test(wit_names, the_same_input_gives_the_same_bytes)
{
    struct ga_buf first = {0}, second = {0};
    generate_all(&first);
    generate_all(&second);
    cr_assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    static const char *const wanted[] = {
        "== host/a-i.c\n",
        "struct a_b_i_p {\n    struct option_a_b_i_r2 a;\n    struct result_void_a_b_i_e b;\n};",
        "void a_b_i_f(struct worker *worker, const struct a_b_i_p *p, uint32_t f, struct cabi_string s, struct "
        "result_a_b_i_p_a_b_i_e *result_out);",
        "uint32_t a_b_i_r_new(struct worker *worker, struct cabi_list n);",
        "    .record_name = \"a::f\",\n    .durability = DURABLE_READ_LOCAL,",
        "{\"[constructor]r\", \"func(n: list<tuple<string, u8>>) -> own<r>\", \"host_a_b_i_r_new\"},",
        "A_B_I_FL_B = (int)(1u << 1),",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect_not_null(strstr(ga_buf_cstr(&first), wanted[i]), "%s", wanted[i]);
    ga_buf_free(&first);
    ga_buf_free(&second);
}
