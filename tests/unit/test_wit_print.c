#include "wasm_made.h"

#include "wit_print.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(wit_print, .fini = free_arena);

static void expect_wit(const char *notation, const char *wanted)
{
    struct slice bytes = wasm_made(&arena, notation);
    struct component *component;
    struct ga_report report = {0};
    struct ga_buf text = {0};
    enum ga_status status = bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, &report);
    if (status == GA_OK)
        status = wit_print_world(&arena, component, &text, &report);
    cr_assert_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report.offset, report.text);
    cr_expect_str_eq(ga_buf_cstr(&text), wanted);
    ga_buf_free(&text);
}

Test(wit_print, an_empty_world)
{
    expect_wit("%c", "package root:component;\n\nworld root {\n}\n");
}

Test(wit_print, functions_and_types_of_the_world_itself)
{
    expect_wit(
        "%c 07( 01 72 02 'from' 79 'b' 73 ) 0a( 01 00 'rec' 03 00 00 ) 07( 01 40 01 'x' 01 00 73 ) 0a( 01 00 'use-it' 01 02 )",
        "package root:component;\n\nworld root {\n"
        "  record rec {\n    %from: u32,\n    b: string,\n  }\n"
        "  import use-it: func(x: rec) -> string;\n"
        "}\n");
}

/* Interface b:c/one@1.0.0 with resource r, its methods and a flags type; b:c/two@1.0.0 uses r; plain instance "in-place". */
#define ONE                                                                                      \
    "42 0a 04 00 'r' 03 01  01 69 00  01 68 00  01 40 00 00 01  04 00 '[constructor]r' 01 03"    \
    " 01 40 02 'self' 02 'n' 79 01 00  04 00 '[method]r.go' 01 04  04 00 '[static]r.make' 01 03" \
    " 01 6e 02 'x' 'y'  04 00 'f' 03 00 05"

Test(wit_print, interfaces_with_resources_and_uses)
{
    expect_wit("%c 07( 01 " ONE " ) 0a( 01 00 'b:c/one@1.0.0' 05 00 ) 06( 02 03 00 00 'r' 03 00 00 'f' )"
               "07( 01 42 06 02 03 02 01 01  04 00 's' 03 00 00  02 03 02 01 02  04 00 'f' 03 00 02"
               "  01 40 01 'v' 03 01 00  04 00 'h' 01 04 )"
               "0a( 02 00 'b:c/two@1.0.0' 05 03 00 'in-place' 05 03 )",
               "package root:component;\n\nworld root {\n"
               "  import b:c/one@1.0.0;\n"
               "  import b:c/two@1.0.0;\n"
               "  import in-place: interface {\n"
               "    use b:c/one@1.0.0.{r as s};\n"
               "    use b:c/one@1.0.0.{f};\n"
               "    h: func(v: f);\n"
               "  }\n"
               "}\n"
               "\npackage b:c@1.0.0 {\n"
               "  interface one {\n"
               "    resource r {\n"
               "      constructor();\n"
               "      go: func(n: u32);\n"
               "      make: static func() -> r;\n"
               "    }\n"
               "    flags f {\n      x,\n      y,\n    }\n"
               "  }\n"
               "  interface two {\n"
               "    use one.{r as s};\n"
               "    use one.{f};\n"
               "    h: func(v: f);\n"
               "  }\n"
               "}\n");
}

Test(wit_print, an_interface_imported_and_exported_is_printed_once_with_all_it_has)
{
    expect_wit("%c 07( 03 40 00 01 00  42 01 02 03 02 01 00  42 03 02 03 02 01 00 04 00 'g' 01 00 04 00 'h' 01 00 )"
               "0a( 01 00 'b:c/d' 05 02 ) 05( 01 01 00 ) 06( 01 01 00 00 'g' ) 05( 01 01 02 00 'g' 01 00 00 'i' 01 00 )"
               "0b( 01 00 'b:c/d' 05 02 00 )",
               "package root:component;\n\nworld root {\n  import b:c/d;\n  export b:c/d;\n}\n"
               "\npackage b:c {\n  interface d {\n    g: func();\n    h: func();\n    i: func();\n  }\n}\n");
}

Test(wit_print, an_async_function_and_a_named_list)
{
    expect_wit(
        "%c 07( 01 42 04 01 70 7d  04 00 'bytes' 03 00 00  01 43 01 'b' 01 01 00  04 00 'put' 01 02 ) 0a( 01 00 'b:c/d' 05 00 )",
        "package root:component;\n\nworld root {\n  import b:c/d;\n}\n"
        "\npackage b:c {\n  interface d {\n    type bytes = list<u8>;\n    put: async func(b: bytes);\n  }\n}\n");
}

/* "one" has a resource and a record, which "two" uses; "three" has an instance with an enum, which "g" uses. */
Test(wit_print, types_of_inline_interfaces_are_defined_again)
{
    expect_wit("%c 07( 01 42 03 04 00 'r' 03 01  01 72 01 'a' 79  04 00 't' 03 00 01 ) 0a( 01 00 'one' 05 00 )"
               "06( 02 03 00 00 'r' 03 00 00 't' )"
               "07( 02 42 05 02 03 02 01 01  02 03 02 01 02  01 68 00  01 40 02 'a' 02 'b' 01 01 00  04 00 'f' 01 03"
               "  42 02 01 42 02 01 6d 01 'e'  04 00 'c' 03 00 00  04 00 'in' 05 00 )"
               "0a( 02 00 'two' 05 03 00 'three' 05 04 ) 06( 02 05 00 02 'in' 03 00 03 'c' )"
               "07( 01 40 01 'e' 05 01 00 ) 0a( 01 00 'g' 01 06 )",
               "package root:component;\n\nworld root {\n"
               "  enum c {\n    e,\n  }\n"
               "  import one: interface {\n    resource r;\n    record t {\n      a: u32,\n    }\n  }\n"
               "  import two: interface {\n    resource r;\n    record t {\n      a: u32,\n    }\n"
               "    f: func(a: borrow<r>, b: t);\n  }\n"
               "  import three: interface {\n    // instance \"in\"\n  }\n"
               "  import g: func(e: c);\n"
               "}\n");
}

Test(wit_print, names_that_wit_has_not_are_comments)
{
    expect_wit("%c 07( 02 40 00 01 00 42 01 01 73 ) 0a( 03 00 'b:c/d' 01 00 00 'url=<x\n>' 01 00 00 'url=<y>' 05 01 )",
               "package root:component;\n\nworld root {\n  // import func \"b:c/d\"\n"
               "  // import func \"url=<x?>\"\n  // import instance \"url=<y>\"\n}\n");
}

Test(wit_print, an_invalid_component_is_reported_instead)
{
    struct slice bytes = wasm_made(&arena, "%c 07( 01 72 00 )");
    struct component *component;
    struct ga_report report = {0};
    struct ga_buf text = {0};
    cr_assert_eq(bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, &report), GA_OK);
    cr_expect_eq(wit_print_world(&arena, component, &text, &report), GA_INVALID);
    cr_expect_str_eq(report.text, "type 0: record without fields (Binary.md, Type Definitions)");
    ga_buf_free(&text);
}
