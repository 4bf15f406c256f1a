#include "wasm_made.h"

#include <stdio.h>

#include "emit.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(emit_glue, .fini = free_arena);

struct glue {
    struct plan *plan;
    struct core_prepared *modules;
    struct ga_buf c, defsyms;
    struct ga_report report;
    enum ga_status status;
};

/* Modules get the prefixes m0, m1, ... instead of hashes, so that what core_prepare does to bytes does not matter here. */
static struct glue glue_made(const char *notation, const struct catalog_func *served)
{
    struct glue glue = {0};
    struct slice bytes = wasm_made(&arena, notation);
    struct component *component;
    cr_assert_eq(bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, &glue.report), GA_OK, "%s",
                 glue.report.text);
    cr_assert_eq(link_component(&arena, component, &glue.plan, &glue.report), GA_OK, "%s", glue.report.text);
    glue.modules = ga_arena_array(&arena, glue.plan->modules.count, sizeof *glue.modules);
    for (uint32_t i = 0; i < glue.plan->modules.count; i++)
        snprintf(glue.modules[i].prefix, sizeof glue.modules[i].prefix, "m%u", i);
    const struct catalog_func **imports = ga_arena_array(&arena, glue.plan->imports.count, sizeof *imports);
    for (uint32_t i = 0; i < glue.plan->imports.count; i++)
        imports[i] = served;
    struct emit_input input = {
        .plan = glue.plan,
        .modules = glue.modules,
        .imports = imports,
        .component_name = "made",
        .component_hash = "00",
        .wit = "world made {\n}\n",
    };
    glue.status = emit_glue(&arena, &input, &glue.c, &glue.defsyms, &glue.report);
    return glue;
}

static void glue_free(struct glue *glue)
{
    ga_buf_free(&glue->c);
    ga_buf_free(&glue->defsyms);
}

static bool has(const struct glue *glue, const char *text)
{
    return strstr(ga_buf_cstr((struct ga_buf *)&glue->c), text) != NULL;
}

static const struct catalog_func served = {"f", "", "host_f"};

#define FUNC_TYPE "07( 01 40 00 00 79 )"
#define ALIAS_CORE_FUNC(instance, name) "06( 01 00 00 01 " instance " '" name "' )"

/* --- the imports of core modules --- */

Test(emit_glue, one_provider_is_a_link_time_equation)
{
    struct glue glue = glue_made("%c" MODULE_CONSTANT("01") MODULE_CALLER
                                 "02( 03 00 00 00 00 00 00 00 01 01 '' 12 01 )", NULL);
    cr_assert_eq(glue.status, GA_OK);
    cr_expect_str_eq(ga_buf_cstr(&glue.defsyms), "w2c_m1i0_f=w2c_m0_e0\n");
    cr_expect(has(&glue, "(struct w2c_m1i0 *)&ROOT->core_1);"));
    cr_expect_not(has(&glue, "w2c_m1i0_f("));
    glue_free(&glue);
}

Test(emit_glue, two_instances_of_one_provider_are_still_an_equation)
{
    struct glue glue = glue_made("%c" MODULE_CONSTANT("01") MODULE_CALLER
                                 "02( 04 00 00 00 00 00 00 00 01 01 '' 12 00 00 01 01 '' 12 01 )", NULL);
    cr_expect_str_eq(ga_buf_cstr(&glue.defsyms), "w2c_m1i0_f=w2c_m0_e0\n");
    cr_expect(has(&glue, "wasm2c_m1_instantiate(&ROOT->core_2,\n        (struct w2c_m1i0 *)&ROOT->core_0);"));
    cr_expect(has(&glue, "wasm2c_m1_instantiate(&ROOT->core_3,\n        (struct w2c_m1i0 *)&ROOT->core_1);"));
    glue_free(&glue);
}

Test(emit_glue, one_module_with_different_providers_switches_on_the_caller)
{
    struct glue glue = glue_made("%c" MODULE_CONSTANT("01") MODULE_CONSTANT("02") MODULE_CALLER
                                 "02( 04 00 00 00 00 01 00 00 02 01 '' 12 00 00 02 01 '' 12 01 )", NULL);
    cr_assert_eq(glue.status, GA_OK);
    cr_expect_eq(glue.defsyms.size, 0);
    cr_expect(has(&glue, "/* core import: \"\" \"f\" */\n"
                         "uint32_t w2c_m2i0_f(struct w2c_m2i0 *caller)\n"
                         "{\n"
                         "    switch ((uintptr_t)caller) {\n"
                         "    case 2:\n"
                         "        return w2c_m0_e0(&ROOT->core_0);\n"
                         "    default: /* 3 */\n"
                         "        return w2c_m1_e0(&ROOT->core_1);\n"
                         "    }\n"
                         "}\n"));
    cr_expect(has(&glue, "wasm2c_m2_instantiate(&ROOT->core_3,\n        (struct w2c_m2i0 *)(uintptr_t)3);"));
    glue_free(&glue);
}

Test(emit_glue, memories_are_given_as_pointers)
{
    struct glue glue = glue_made("%c" MODULE_MEMORY "01( %m 02(01 'a' 'mem' 02 00 01) )"
                                 "02( 01 00 00 00 ) 06( 01 00 02 01 00 'm' )"
                                 "02( 02 01 01 'mem' 02 00 00 01 01 'a' 12 01 )", NULL);
    cr_assert_eq(glue.status, GA_OK);
    cr_expect(has(&glue, "wasm_rt_memory_t *w2c_m1i0_f(struct w2c_m1i0 *given)\n"
                         "{\n"
                         "    return (wasm_rt_memory_t *)given;\n"
                         "}\n"));
    cr_expect(has(&glue, "wasm2c_m1_instantiate(&ROOT->core_1,\n        (struct w2c_m1i0 *)w2c_m0_e0(&ROOT->core_0));"));
    glue_free(&glue);
}

Test(emit_glue, arguments_of_instantiation_are_in_the_order_of_names)
{
    struct ga_buf text = {0};
    ga_buf_text(&text, "%c" MODULE_CONSTANT("01") "01( %m 01(01 60 00 01 7f) 02(0c");
    for (int i = 0; i < 12; i++)
        ga_buf_text(&text, " '' 'f' 00 00");
    ga_buf_text(&text, ") ) 02( 02 00 00 00 00 01 01 '' 12 00 )");
    struct glue glue = glue_made(ga_buf_cstr(&text), NULL);
    static const char *const order[] = {"i0 ", "i1 ", "i10 ", "i11 ", "i2 ", "i3 ", "i9 "};
    const char *at = strstr(ga_buf_cstr(&glue.c), "wasm2c_m1_instantiate");
    for (size_t i = 0; i < sizeof order / sizeof order[0] && at != NULL; i++)
        at = strstr(at, order[i]);
    cr_expect_not_null(at);
    ga_buf_free(&text);
    glue_free(&glue);
}

/* --- lowers --- */

#define INTERFACE_TYPE "07( 01 42 02 01 40 00 00 79 04 00 'f' 01 00 )"
#define IMPORTER                                                                                                   \
    "%c" INTERFACE_TYPE "0a( 01 00 'a:b/c@1.0.0' 05 00 ) 06( 01 01 00 00 'f' ) 08( 01 01 00 00 00 )" MODULE_CALLER \
    "02( 02 01 01 'f' 00 00 00 00 01 '' 12 00 )"

Test(emit_glue, a_served_import_calls_the_host)
{
    struct glue glue = glue_made(IMPORTER, &served);
    cr_expect(has(&glue, "extern const struct host_func host_f;\n"));
    cr_expect(has(&glue, "static const struct rt_lower lower_0_host = {&host_f, &type_f0, &ROOT->options[0]};\n"));
    cr_expect(has(&glue, "/* import: \"a:b/c@1.0.0\" \"f\" */\n"
                         "static uint32_t lower_0(void)\n"
                         "{\n"
                         "    uint64_t flat[] = {0};\n"
                         "    return (uint32_t)rt_call_host(&lower_0_host, flat);\n"
                         "}\n"));
    glue_free(&glue);
}

Test(emit_glue, a_missing_import_traps_by_name)
{
    struct glue glue = glue_made(IMPORTER, NULL);
    cr_expect(has(&glue, "    rt_missing_import(\"a:b/c@1.0.0\", \"f\");\n"));
    cr_expect_not(has(&glue, "rt_call_host"));
    glue_free(&glue);
}

#define RELAY(type, module_type)                                                                                    \
    "04( %c 07( 01 " type " ) 0a( 01 00 'f' 01 00 ) 08( 01 01 00 00 00 )"                                           \
    " 01( %m 01(01 " module_type ") 02(01 '' 'f' 00 00) 07(01 'g' 00 00) )"                                         \
    " 02( 02 01 01 'f' 00 00 00 00 01 '' 12 00 )" ALIAS_CORE_FUNC("01", "g") "08( 01 00 00 01 00 00 )"              \
    " 0b( 01 00 'g' 01 01 00 ) )"
#define CHAIN(type, module_type)                                                                                    \
    "%c 07( 01 " type " ) 0a( 01 00 'f' 01 00 )" RELAY(type, module_type)                                           \
    "05( 01 00 00 01 'f' 01 00 ) 06( 01 01 00 00 'g' ) 05( 01 00 00 01 'f' 01 01 ) 06( 01 01 00 01 'g' )"           \
    "0b( 01 00 'g' 01 02 00 )"

Test(emit_glue, scalars_between_components_are_a_direct_call)
{
    struct glue glue = glue_made(CHAIN("40 02 'a' 79 'b' 75 00 76", "60 02 7f 7c 01 7d"), &served);
    cr_assert_eq(glue.status, GA_OK);
    cr_expect(has(&glue, "static float lower_1(uint32_t a0, double a1)\n"
                         "{\n"
                         "    rt_require_leave(&ROOT->instances[2]);\n"
                         "    rt_require_enter(&ROOT->instances[1]);\n"
                         "    ROOT->instances[1].entered = true;\n"
                         "    float r0 = w2c_m0_e0(&ROOT->core_0, a0, a1);\n"
                         "    ROOT->instances[1].entered = false;\n"
                         "    return r0;\n"
                         "}\n"));
    cr_expect(has(&glue, "    uint64_t flat[] = {a0, rt_f64_to_flat(a1)};\n"
                         "    return rt_f32_from_flat(rt_call_host(&lower_0_host, flat));\n"));
    cr_expect(has(&glue, "    flat[0] = rt_f32_to_flat(w2c_m0_e0(&ROOT->core_1, (uint32_t)flat[0], "
                         "rt_f64_from_flat(flat[1])));\n"));
    glue_free(&glue);
}

Test(emit_glue, values_that_need_checks_are_checked_on_the_way)
{
    static const struct {
        const char *component, *statement, *argument;
    } rows[] = {
        {CHAIN("40 01 'a' 7f 01 00", "60 01 7f 00"), "uint32_t b0 = a0 != 0;", "b0"},              /* bool */
        {CHAIN("40 01 'a' 7e 01 00", "60 01 7f 00"), "uint32_t b0 = (uint32_t)(int8_t)a0;", "b0"}, /* s8 */
        {CHAIN("40 01 'a' 7d 01 00", "60 01 7f 00"), "uint32_t b0 = (uint8_t)a0;", "b0"},          /* u8 */
        {CHAIN("40 01 'a' 74 01 00", "60 01 7f 00"), "uint32_t b0 = rt_char(a0);", "b0"},          /* char */
        {CHAIN("40 00 00 7b", "60 00 01 7f"), "uint32_t c0 = (uint16_t)r0;", NULL},                /* u16 */
        {CHAIN("40 00 00 7c", "60 00 01 7f"), "uint32_t c0 = (uint32_t)(int16_t)r0;", NULL},       /* s16 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct glue glue = glue_made(rows[i].component, &served);
        cr_assert_eq(glue.status, GA_OK);
        cr_expect(has(&glue, rows[i].statement), "row %zu", i);
        cr_expect(has(&glue, rows[i].argument ? "w2c_m0_e0(&ROOT->core_0, b0);" : "return c0;"), "row %zu", i);
        cr_expect_not(has(&glue, "rt_call_component"), "row %zu", i);
        glue_free(&glue);
    }
}

/* --- resources --- */

Test(emit_glue, resources_have_owner_and_destructor)
{
    struct glue glue = glue_made("%c 01( %m 01(01 60 01 7f 00) 03(01 00) 07(01 'd' 00 00) 0a(01 (00 0b)) )"
                                 "02( 01 00 00 00 )" ALIAS_CORE_FUNC("00", "d")
                                 "07( 01 3f 7f 01 00 ) 08( 01 02 00 )"
                                 "01( %m 01(01 60 01 7f 01 7f) 02(01 '' 'new' 00 00) )"
                                 "02( 02 01 01 'new' 00 01 00 01 01 '' 12 01 )"
                                 "0b( 01 00 'r' 03 00 00 )", NULL);
    cr_assert_eq(glue.status, GA_OK);
    cr_expect(has(&glue, "static const struct cabi_resource resource_0 = {\n"
                         "    .name = \"r\",\n"
                         "    .owner = &ROOT->instances[0],\n"
                         "    .dtor = resource_0_dtor,\n"
                         "};\n"));
    cr_expect(has(&glue, "    w2c_m0_e0(&ROOT->core_0, rep);\n"));
    cr_expect(has(&glue, "    return rt_resource_new(&ROOT->instances[0], &resource_0, a0);\n"));
    cr_expect(has(&glue, "exported_resources[] = {\n    &resource_0,\n};"));
    glue_free(&glue);
}

/* --- instantiation --- */

Test(emit_glue, data_is_copied_and_then_the_start_function_runs)
{
    struct glue glue = glue_made("%c" MODULE_MEMORY "02( 01 00 00 00 )", NULL);
    struct core_segment segments[] = {
        {.memory = 0, .offset = 16, .size = 4, .data_offset = 0},
        {.memory = 0, .offset = 64, .size = 8, .data_offset = 4},
        {.memory = 0, .offset_is_global = true, .offset = 3, .addend = 5, .size = 1, .data_offset = 12},
    };
    glue.modules[0].segments = segments;
    glue.modules[0].segment_count = 3;
    glue.modules[0].start_exported = true;
    strcpy(glue.modules[0].data_symbol, "d0");
    struct emit_input input = {glue.plan, glue.modules, NULL, NULL, "made", "00", ""};
    glue.c.size = 0;
    cr_assert_eq(emit_glue(&arena, &input, &glue.c, &glue.defsyms, &glue.report), GA_OK);
    cr_expect(has(&glue, "    wasm2c_m0_instantiate(&ROOT->core_0);\n"
                         "    rt_copy_segments(w2c_m0_m0(&ROOT->core_0), 0, d0, segments_0 + 0, 2);\n"
                         "    rt_copy_segments(w2c_m0_m0(&ROOT->core_0), *w2c_m0_g3(&ROOT->core_0), d0, segments_0 + 2, 1);\n"
                         "    w2c_m0_s(&ROOT->core_0);\n"));
    cr_expect(has(&glue, "    {16, 4, 0},\n    {64, 8, 4},\n    {5, 1, 12},\n"));
    glue_free(&glue);
}

Test(emit_glue, hostile_names_cannot_leave_comments)
{
    struct glue glue = glue_made("%c" INTERFACE_TYPE "0a( 01 00 'a:b/c@1.0.0' 05 00 ) 06( 01 01 00 00 'f' )"
                                 "08( 01 01 00 00 00 ) 01( %m 01(01 60 00 01 7f) 02(01 'a*/b' '\"\\' 00 00) )"
                                 "02( 02 01 01 '\"\\' 00 00 00 00 01 'a*/b' 12 00 )", &served);
    cr_assert_eq(glue.status, GA_OK);
    cr_expect(has(&glue, "/* core import: \"a*_b\" \"\"_\" */\n"));
    glue_free(&glue);
}

Test(emit_glue, the_same_component_gives_the_same_text)
{
    struct glue first = glue_made(IMPORTER, &served), second = glue_made(IMPORTER, &served);
    cr_expect_str_eq(ga_buf_cstr(&first.c), ga_buf_cstr(&second.c));
    glue_free(&first);
    glue_free(&second);
}

Test(emit_glue, an_export_that_is_an_import_is_lifted_from_a_module_that_forwards)
{
    struct glue glue = glue_made("%c" FUNC_TYPE "0a( 01 00 'f' 01 00 ) 0b( 01 00 'g' 01 00 00 )", &served);
    cr_assert_eq(glue.status, GA_OK, "%s", glue.report.text);
    cr_expect(has(&glue, "{\"\", \"g\", "));
    cr_expect(has(&glue, "lift_0_post_return"));
    glue_free(&glue);
}
