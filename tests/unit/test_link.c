#include "wasm_made.h"

#include "abi.h"
#include "link.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(link_plan, .fini = free_arena);
TestSuite(link_import, .fini = free_arena);
TestSuite(link_refusal, .fini = free_arena);

static enum ga_status link_made(const char *notation, struct plan **plan_out, struct ga_report *report)
{
    struct slice bytes = wasm_made(&arena, notation);
    struct component *component;
    enum ga_status status = bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, report);
    cr_assert_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report->offset, report->text);
    return link_component(&arena, component, plan_out, report);
}

static struct plan *plan_made(const char *notation)
{
    struct plan *plan;
    struct ga_report report = {0};
    enum ga_status status = link_made(notation, &plan, &report);
    cr_assert_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report.offset, report.text);
    return plan;
}

static void expect_slice(struct slice slice, const char *text)
{
    cr_expect(slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0, "\"%.*s\", not \"%s\"",
              (int)slice.size, slice.data, text);
}

static const struct core_item *import_of(const struct plan *plan, uint32_t core_instance, uint32_t import)
{
    return &plan->core_instances.items[core_instance].imports[import];
}

static void expect_export_item(const struct core_item *item, uint32_t instance, const char *name)
{
    cr_expect_eq(item->kind, CORE_ITEM_EXPORT);
    cr_expect_eq(item->instance, instance, "instance %u, not %u", item->instance, instance);
    expect_slice(item->name, name);
}

/* () -> u32 */
#define FUNC_TYPE "07( 01 40 00 00 79 )"
#define ALIAS_CORE_FUNC(instance, name) "06( 01 00 00 01 " instance " '" name "' )"

Test(link_plan, a_lifted_function_is_exported)
{
    struct plan *plan = plan_made("%c" MODULE_CONSTANT("2a")
                                  "02( 01 00 00 00 )" ALIAS_CORE_FUNC("00", "f") FUNC_TYPE
                                  "08( 01 00 00 00 00 00 )"    /* lift core func 0 as type 0 */
                                  "0b( 01 00 'answer' 01 00 00 )");
    cr_assert_eq(plan->core_instances.count, 1);
    cr_assert_eq(plan->lifts.count, 1);
    expect_export_item(&plan->lifts.items[0].func, 0, "f");
    cr_assert_eq(plan->exports.count, 1);
    expect_slice(plan->exports.items[0].interface, "");
    expect_slice(plan->exports.items[0].name, "answer");
    cr_expect_eq(plan->exports.items[0].target, TARGET_LIFT);
    cr_expect_eq(plan->exports.items[0].type->result->kind, VAL_U32);
}

Test(link_plan, equal_modules_are_one_and_equal_import_names_have_their_own_providers)
{
    struct plan *plan = plan_made("%c" MODULE_CONSTANT("01") MODULE_CONSTANT("02") MODULE_CALLER MODULE_CALLER
                                  "02( 04"
                                  " 00 00 00"             /* 0: constant 1 */
                                  " 00 01 00"             /* 1: constant 2 */
                                  " 00 02 01 '' 12 00"    /* 2: caller of 0 */
                                  " 00 03 01 '' 12 01 )");/* 3: caller of 1, by a module of its own with the same bytes */
    cr_assert_eq(plan->core_instances.count, 4);
    cr_expect_eq(plan->modules.count, 3);
    cr_expect_eq(plan->core_instances.items[2].module, plan->core_instances.items[3].module);
    expect_export_item(import_of(plan, 2, 0), 0, "f");
    expect_export_item(import_of(plan, 3, 0), 1, "f");
}

Test(link_plan, a_bag_of_exports_renames_and_mixes_providers)
{
    struct plan *plan = plan_made("%c" MODULE_CONSTANT("01") MODULE_CALLER
                                  "02( 01 00 00 00 )" ALIAS_CORE_FUNC("00", "f")
                                  "02( 02 01 01 'f' 00 00"       /* 1: { f = core func 0 } */
                                  "       00 01 01 '' 12 01 )"   /* 2 */
                                  ALIAS_CORE_FUNC("02", "g")
                                  "02( 02 01 01 'f' 00 01"       /* 3: { f = g of 2 } */
                                  "       00 01 01 '' 12 03 )"); /* 4 */
    cr_assert_eq(plan->core_instances.count, 3);
    expect_export_item(import_of(plan, 1, 0), 0, "f");
    expect_export_item(import_of(plan, 2, 0), 1, "g");
}

/* An interface type: { get: func() -> u32 }. Type 0. */
#define INTERFACE_TYPE "07( 01 42 02 01 40 00 00 79 04 00 'get' 01 00 )"

Test(link_plan, a_lowered_import_reaches_the_module)
{
    struct plan *plan = plan_made("%c" INTERFACE_TYPE "0a( 01 00 'a:b/c@1.0.0' 05 00 )"
                                  "06( 01 01 00 00 'get' )" /* func 0 = get of instance 0 */
                                  "08( 01 01 00 00 00 )"    /* core func 0 = lower */
                                  MODULE_CALLER "02( 02 01 01 'f' 00 00 00 00 01 '' 12 00 )");
    cr_assert_eq(plan->imports.count, 1);
    expect_slice(plan->imports.items[0].interface, "a:b/c@1.0.0");
    expect_slice(plan->imports.items[0].name, "get");
    cr_expect(plan->imports.items[0].used);
    cr_assert_eq(plan->lowers.count, 1);
    cr_expect_eq(plan->lowers.items[0].target, TARGET_HOST);
    cr_expect_eq(import_of(plan, 0, 0)->kind, CORE_ITEM_LOWER);
    cr_expect_eq(import_of(plan, 0, 0)->index, 0);
}

Test(link_plan, an_import_nobody_uses_is_listed_as_unused)
{
    struct plan *plan = plan_made("%c" INTERFACE_TYPE "0a( 01 00 'a:b/c' 05 00 )");
    cr_assert_eq(plan->imports.count, 1);
    cr_expect_not(plan->imports.items[0].used);
}

Test(link_plan, an_import_may_be_exported_again)
{
    struct plan *plan = plan_made("%c" INTERFACE_TYPE "0a( 01 00 'a:b/c' 05 00 )"
                                  "0b( 01 00 'd:e/f' 05 00 00 )");
    cr_assert_eq(plan->exports.count, 1);
    expect_slice(plan->exports.items[0].interface, "d:e/f");
    cr_expect_eq(plan->exports.items[0].target, TARGET_LIFT); /* of a module that forwards */
    cr_expect_eq(plan->core_instances.count, 1);
    cr_expect_eq(plan->lowers.items[0].target, TARGET_HOST);
    cr_expect(plan->imports.items[0].used);
}

Test(link_plan, options_name_items_of_any_instance)
{
    struct plan *plan = plan_made("%c 07( 01 40 01 's' 73 01 00 )" /* func(s: string) */
                                  "0a( 01 00 'log' 01 00 )"        /* a bare function */
                                  MODULE_MEMORY "02( 02 00 00 00 00 00 00 )"
                                  "06( 02 00 02 01 00 'm' 00 02 01 01 'm' ) 06( 01 00 00 01 01 'r' )"
                                  "08( 02 01 00 00 03 01 03 01 04 00"   /* utf16, memory 1, realloc core func 0 */
                                  "       01 00 00 01 03 00 )");        /* memory 0 */
    cr_assert_eq(plan->lowers.count, 2);
    const struct plan_options *first = &plan->lowers.items[0].options, *second = &plan->lowers.items[1].options;
    cr_expect_eq(first->encoding, ENCODING_UTF16);
    expect_export_item(&first->memory, 1, "m");
    cr_expect(first->has_realloc);
    expect_export_item(&first->realloc, 1, "r");
    cr_expect_eq(second->encoding, ENCODING_UTF8);
    expect_export_item(&second->memory, 0, "m");
    cr_expect_not(second->has_realloc);
    expect_slice(plan->imports.items[0].interface, "");
    expect_slice(plan->imports.items[0].name, "log");
}

/* A component with a resource of its own, exported as "r"; its module gets resource.new and drop as imports. */
#define RESOURCE_COMPONENT                                                                                            \
    "04( %c 07( 01 3f 7f 00 )"          /* type 0: (resource (rep i32)) */                                            \
    " 08( 02 02 00 03 00 )"             /* core func 0: new, 1: drop */                                               \
    " 01( %m 01(02 60 01 7f 01 7f 60 01 7f 00) 02(02 '' 'new' 00 00 '' 'drop' 00 01) )"                               \
    " 02( 02 01 02 'new' 00 00 'drop' 00 01  00 00 01 '' 12 00 )"                                                     \
    " 0b( 01 00 'r' 03 00 00 ) )"

Test(link_plan, each_instantiation_makes_fresh_resources)
{
    struct plan *plan = plan_made("%c" RESOURCE_COMPONENT "05( 02 00 00 00 00 00 00 )");
    cr_assert_eq(plan->component_instances.count, 3);
    cr_assert_eq(plan->resources.count, 2);
    cr_assert_eq(plan->core_instances.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct core_item *made = import_of(plan, i, 0), *drop = import_of(plan, i, 1);
        cr_expect_eq(made->kind, CORE_ITEM_RESOURCE_NEW);
        cr_expect_eq(made->index, i);
        cr_expect_eq(made->instance, i + 1);
        cr_expect_eq(drop->kind, CORE_ITEM_RESOURCE_DROP);
        cr_expect_eq(plan->resources.items[i].component_instance, i + 1);
        expect_slice(plan->resources.items[i].name, "r");
        cr_expect_not(plan->resources.items[i].imported);
        cr_expect_not(plan->resources.items[i].exported);
    }
}

Test(link_plan, a_dtor_is_a_core_item)
{
    struct plan *plan = plan_made("%c 01( %m 01(01 60 01 7f 00) 03(01 00) 07(01 'd' 00 00) 0a(01 (00 0b)) )"
                                  "02( 01 00 00 00 )" ALIAS_CORE_FUNC("00", "d")
                                  "07( 01 3f 7f 01 00 ) 0b( 01 00 'r' 03 00 00 )");
    cr_assert_eq(plan->resources.count, 1);
    cr_expect(plan->resources.items[0].has_dtor);
    cr_expect(plan->resources.items[0].exported);
    expect_export_item(&plan->resources.items[0].dtor, 0, "d");
}

Test(link_plan, an_imported_resource_used_by_a_second_interface_is_one)
{
    struct plan *plan =
        plan_made("%c 07( 01 42 01 04 00 'r' 03 01 )"             /* type 0: { r: sub resource } */
                  "0a( 01 00 'a:b/c@0.2.0' 05 00 )"
                  "06( 01 03 00 00 'r' )"                         /* type 1 = r */
                  "07( 01 42 05 02 03 02 01 01"                   /* type 2: { alias outer 1 1; */
                  "   04 00 'r' 03 00 00 01 68 01"                /*   export r = eq 0; borrow 1; */
                  "   01 40 01 'x' 02 01 00 04 00 'use' 01 03 )"  /*   use: func(x: borrow<r>) } */
                  "0a( 01 00 'a:b/d@0.2.3' 05 02 )");
    cr_assert_eq(plan->resources.count, 1);
    expect_slice(plan->resources.items[0].interface, "a:b/c@0.2.0");
    expect_slice(plan->resources.items[0].name, "r");
    cr_expect(plan->resources.items[0].imported);
    cr_assert_eq(plan->imports.count, 1);
    cr_expect_eq(plan->imports.items[0].type->params[0].type->resource->plan_index, 0);
}

/* A component that imports "f" (func() -> u32), lowers it for its module and exports "g", lifted. */
#define RELAY_COMPONENT                                                                                            \
    "04( %c" FUNC_TYPE "0a( 01 00 'f' 01 00 ) 08( 01 01 00 00 00 )" MODULE_CALLER                                  \
    "02( 02 01 01 'f' 00 00 00 00 01 '' 12 00 )" ALIAS_CORE_FUNC("01", "g") "08( 01 00 00 01 00 00 )"              \
    "0b( 01 00 'g' 01 01 00 ) )"

Test(link_plan, a_call_from_component_to_component_is_a_lower_of_a_lift)
{
    struct plan *plan = plan_made("%c" FUNC_TYPE "0a( 01 00 'f' 01 00 )" RELAY_COMPONENT
                                  "05( 01 00 00 01 'f' 01 00 )"   /* instance 0, given the import */
                                  "06( 01 01 00 00 'g' )"
                                  "05( 01 00 00 01 'f' 01 01 )"   /* instance 1, given g of instance 0 */
                                  "06( 01 01 00 01 'g' ) 0b( 01 00 'g' 01 02 00 )");
    cr_assert_eq(plan->lowers.count, 2);
    cr_expect_eq(plan->lowers.items[0].target, TARGET_HOST);
    cr_expect_eq(plan->lowers.items[0].options.component_instance, 1);
    cr_expect_eq(plan->lowers.items[1].target, TARGET_LIFT);
    cr_expect_eq(plan->lowers.items[1].index, 0);
    cr_expect_eq(plan->lowers.items[1].options.component_instance, 2);
    cr_assert_eq(plan->lifts.count, 2);
    cr_expect_eq(plan->modules.count, 1);
    cr_expect_eq(import_of(plan, 0, 0)->index, 0);
    cr_expect_eq(import_of(plan, 1, 0)->index, 1);
    cr_expect_eq(plan->exports.items[0].index, 1);
}

Test(link_plan, components_and_modules_pass_through_outer_aliases_and_arguments)
{
    struct plan *plan =
        plan_made("%c" MODULE_CONSTANT("07")
                  "04( %c 06( 01 00 11 02 01 00 ) 02( 01 00 00 00 ) )"  /* 0: instantiates the outer module */
                  "04( %c 07( 01 41 00 ) 0a( 01 00 'c' 04 00 ) 05( 02 00 00 00 00 00 00 ) )" /* 1: a component argument, twice */
                  "05( 01 00 01 01 'c' 04 00 )");
    cr_expect_eq(plan->modules.count, 1);
    cr_expect_eq(plan->core_instances.count, 2);
    cr_assert_eq(plan->component_instances.count, 4);
    cr_expect_eq(plan->component_instances.items[3].parent, 1);
    cr_expect_eq(plan->core_instances.items[1].component_instance, 3);
}

Test(link_plan, nested_instances_are_exported_under_joined_names)
{
    struct plan *plan = plan_made("%c" FUNC_TYPE "0a( 01 00 'f' 01 00 )"
                                  "05( 02 01 01 00 'g' 01 00  01 01 00 'inner' 05 00 )"
                                  "0b( 01 00 'a:b/c' 05 01 00 )");
    cr_assert_eq(plan->exports.count, 1);
    expect_slice(plan->exports.items[0].interface, "a:b/c/inner");
    expect_slice(plan->exports.items[0].name, "g");
}

Test(link_plan, an_ascription_hides_what_it_does_not_name)
{
    struct plan *plan = plan_made("%c" FUNC_TYPE "0a( 01 00 'f' 01 00 )"
                                  "05( 01 01 02 00 'get' 01 00 00 'hidden' 01 00 )"
                                  "07( 01 42 02 01 40 00 00 79 04 00 'get' 01 00 )"
                                  "0b( 01 00 'a:b/c' 05 00 01 05 01 )");
    cr_assert_eq(plan->exports.count, 1);
    expect_slice(plan->exports.items[0].name, "get");
}

/* --- imports --- */

Test(link_import, instances_without_anything_in_them_need_no_host)
{
    const struct plan *plan = plan_made("%c 07( 01 42 02 01 42 02 01 42 00 04 00 'y' 05 00 04 00 'x' 05 00 )"
                                        "0a( 02 00 'i' 05 00 00 'wasi:nothing/here' 05 00 )"
                                        "06( 01 05 00 00 'x' ) 0b( 01 00 'e' 05 02 00 )");
    cr_expect_eq(plan->imports.count, 0);
    cr_expect_eq(plan->exports.count, 0);
}

/* --- refusals --- */

Test(link_refusal, what_is_not_offered_is_named)
{
    static const struct {
        const char *component;
        enum ga_status status;
        uint64_t offset;
        const char *text;
    } rows[] = {
        {"%c 03( 01 50 00 ) 0a( 01 00 'm' 00 11 00 )", GA_UNSUPPORTED, 16,
         "import \"m\": a core module cannot be imported: the host offers functions, types and instances of these"},
        {"%c 07( 01 41 00 ) 0a( 01 00 'c' 04 00 )", GA_UNSUPPORTED, 16,
         "import \"c\": a component cannot be imported: the host offers functions, types and instances of these"},
        {"%c 07( 01 42 02 01 42 02 01 40 00 01 00 04 00 'f' 01 00 04 00 'x' 05 00 ) 0a( 01 00 'i' 05 00 )",
         GA_UNSUPPORTED, 36,
         "import \"i\": instance \"x\" cannot be imported: the host offers functions, types and interfaces of these"},
        {"%c 07( 01 3f 7e 00 )", GA_UNSUPPORTED, 11, "a resource that is represented by an i64 is not supported"},
        {"%c 08( 01 1f )", GA_UNSUPPORTED, 11, "the asynchronous built-in `waitable-set.new` is not supported"},
        {"%c 07( 01 43 00 01 00 ) 0a( 01 00 'f' 01 00 )", GA_UNSUPPORTED, 18,
         "import \"f\": its type is `async func`, only synchronous functions are supported"},
        {"%c 07( 02 66 01 7d 40 01 's' 00 01 00 ) 0a( 01 00 'f' 01 01 )", GA_UNSUPPORTED, 24,
         "import \"f\": the type `stream` is not supported"},
        {"%c 07( 01 42 02 01 43 00 01 00 04 00 'g' 01 00 ) 0a( 01 00 'i' 05 00 )", GA_UNSUPPORTED, 27,
         "import \"i\" function \"g\": its type is `async func`, only synchronous functions are supported"},
        {"%c" FUNC_TYPE "0a( 01 00 'f' 01 00 ) 08( 01 01 00 00 01 06 )", GA_UNSUPPORTED, 26,
         "`canon lower` with the option `async` is not supported: only synchronous functions are"},
        {"%c 06( 01 00 00 01 05 'f' )", GA_INVALID, 11, "core instance index 5 is out of bounds"},
        {"%c" MODULE_CONSTANT("00") "02( 01 00 00 00 )" ALIAS_CORE_FUNC("00", "h"), GA_INVALID, 53,
         "core instance 0 exports no core func \"h\""},
        {"%c" MODULE_CALLER "02( 01 00 00 00 )", GA_INVALID, 55, "nothing is given for the core import \"\" \"f\""},
        {"%c 04( %c" FUNC_TYPE "0a( 01 00 'f' 01 00 ) ) 05( 01 00 00 00 )", GA_INVALID, 28,
         "nothing is given for the import \"f\""},
        {"%c 08( 01 01 00 07 00 )", GA_INVALID, 11, "func index 7 is out of bounds"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plan *plan;
        struct ga_report report = {0};
        cr_expect_eq(link_made(rows[i].component, &plan, &report), rows[i].status, "row %zu: %s", i, report.text);
        cr_expect_str_eq(report.text, rows[i].text, "row %zu: %s", i, report.text);
        cr_expect_eq(report.offset, rows[i].offset, "row %zu: 0x%llx", i, (unsigned long long)report.offset);
    }
}

Test(link_refusal, exponential_instantiation_ends_at_a_limit)
{
    /* Component k instantiates component k-1 twice, 24 deep. */
    struct ga_buf text = {0};
    ga_buf_text(&text, "%c 04( %c )");
    for (int i = 0; i < 24; i++)
        ga_buf_printf(&text, "04( %%c 06( 01 04 02 01 %02x ) 05( 02 00 00 00 00 00 00 ) )", i);
    ga_buf_text(&text, "05( 01 00 18 00 )");
    struct plan *plan;
    struct ga_report report = {0};
    cr_expect_eq(link_made(ga_buf_cstr(&text), &plan, &report), GA_LIMIT);
    cr_expect_str_eq(report.text, "too many component instances (limit is 4096)");
    ga_buf_free(&text);
}
