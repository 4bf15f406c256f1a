#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "catalog_resolve.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(catalog, .fini = free_arena);

/* --- a catalog: function "f" everywhere, () -> u32 unless said otherwise --- */

static const struct catalog_func plain[] = {{"f", "func() -> u32", "plain_f"}};
static const struct catalog_func older[] = {{"f", "func() -> u64", "older_f"}, {"gone", "func() -> u32", "older_gone"}};
static const char *const r_name[] = {"r"};
static const char *const r_old[] = {"old_r"}, *const r_new[] = {"new_r"};

#define OFFER(package_, interface_, a, b, c, funcs_, pre_)                                              \
    {                                                                                                   \
        .package = package_, .interface = interface_, .major = a, .minor = b, .patch = c,               \
        .func_count = sizeof funcs_ / sizeof funcs_[0], .funcs = funcs_, .pre = pre_                    \
    }

static const struct catalog_interface interfaces[] = {
    {"a:io", "streams", 0, 2, 12, 1, plain, 1, r_name, r_new, NULL, NULL},
    {"a:io", "streams", 0, 2, 3, 2, older, 1, r_name, r_old, NULL, NULL},
    OFFER("a:io", "poll", 0, 3, 0, plain, NULL),
    OFFER("b:api", "host", 1, 1, 7, plain, NULL),
    OFFER("b:api", "host", 2, 0, 0, plain, NULL),
    OFFER("c:old", "exact", 0, 0, 4, plain, NULL),
    OFFER("c:old", "none", 0, 0, 0, plain, NULL),
    OFFER("c:old", "draft", 0, 2, 0, plain, "draft"),
};
static const struct catalog all = {interfaces, sizeof interfaces / sizeof interfaces[0]};

static const struct type_val u32_type = {.kind = VAL_U32}, u64_type = {.kind = VAL_U64}, u8_type = {.kind = VAL_U8};
static const struct type_func to_u32 = {.result = &u32_type}, to_u64 = {.result = &u64_type}, to_u8 = {.result = &u8_type};

static struct slice slice_of(const char *text)
{
    return (struct slice){text, (uint32_t)strlen(text)};
}

static void add_import(struct plan *plan, const char *interface, const char *name, const struct type_func *type)
{
    *GA_PUSH(&arena, &plan->imports) =
        (struct plan_import){.interface = slice_of(interface), .name = slice_of(name), .type = type};
}

/* The symbol that serves the import, or "". */
static const char *served_by(const char *interface, const char *name, const struct type_func *type)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    add_import(&plan, interface, name, type);
    enum ga_status status = catalog_resolve(&arena, all, &plan, false, &binding, &report);
    cr_expect_eq(status, binding.imports[0] != NULL ? GA_OK : GA_UNSUPPORTED);
    return binding.imports[0] != NULL ? binding.imports[0]->symbol : "";
}

Test(catalog, versions_resolve_by_track)
{
    static const struct {
        const char *interface;
        bool served;
    } rows[] = {
        {"a:io/streams@0.2.0", true},    {"a:io/streams@0.2.3", true},   {"a:io/streams@0.2.99", true},
        {"a:io/streams@0.2", true},      {"a:io/streams@0.3.0", false},  {"a:io/streams@0.1.0", false},
        {"a:io/streams@1.2.0", false},   {"a:io/streams", false},        {"a:io/streams@0.2.0-rc1", false},
        {"a:io/poll@0.3.9", true},       {"a:io/poll@0.2.0", false},     {"b:api/host@1.0.0", true},
        {"b:api/host@1.9.9", true},      {"b:api/host@1", true},         {"b:api/host@2.3.0", true},
        {"b:api/host@3.0.0", false},     {"b:api/host@0.2.0", false},    {"c:old/exact@0.0.4", true},
        {"c:old/exact@0.0.3", false},    {"c:old/exact@0.0.5", false},   {"c:old/none", true},
        {"c:old/none@0.0.0", false},     {"c:old/draft@0.2.0-draft", true}, {"c:old/draft@0.2.1-draft", false},
        {"c:old/draft@0.2.0", false},    {"c:old/draft@0.2.0-draft2", false}, {"a:io/streams@0.2.3+build.5", true},
        {"a:io/streamsx@0.2.3", false},  {"a:i/streams@0.2.3", false},   {"a:io/streams@0.2.99999999999999999999", true},
        {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect_eq(served_by(rows[i].interface, "f", &to_u32)[0] != 0, rows[i].served, "%s", rows[i].interface);
}

Test(catalog, the_newest_of_a_track_serves_unless_only_an_older_one_has_the_type)
{
    cr_expect_str_eq(served_by("a:io/streams@0.2.3", "f", &to_u32), "plain_f");
    cr_expect_str_eq(served_by("a:io/streams@0.2.12", "f", &to_u64), "older_f");
    cr_expect_str_eq(served_by("a:io/streams@0.2.12", "gone", &to_u32), "older_gone");
    cr_expect_str_eq(served_by("a:io/streams@0.2.12", "f", &to_u8), "");
}

Test(catalog, resources_are_the_newest_offers)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    *GA_PUSH(&arena, &plan.resources) = (struct plan_resource){
        .imported = true, .interface = slice_of("a:io/streams@0.2.3"), .name = slice_of("r")};
    *GA_PUSH(&arena, &plan.resources) = (struct plan_resource){
        .imported = true, .interface = slice_of("a:io/streams@0.2.3"), .name = slice_of("other")};
    *GA_PUSH(&arena, &plan.resources) = (struct plan_resource){
        .exported = true, .interface = slice_of("a:io/streams@0.2.3"), .name = slice_of("r")};
    cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_OK);
    cr_expect_str_eq(binding.resources[0], "new_r");
    cr_expect_null(binding.resources[1]);
    cr_expect_null(binding.resources[2]);
}

Test(catalog, an_interface_without_functions_needs_nobody)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    *GA_PUSH(&arena, &plan.resources) =
        (struct plan_resource){.imported = true, .interface = slice_of("x:y/types"), .name = slice_of("r")};
    cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_OK);
    cr_expect_null(binding.resources[0]);
}

Test(catalog, messages_say_what_is_missing_and_what_is_offered_instead)
{
    static const struct {
        const char *interface, *name;
        const struct type_func *type;
        const char *text;
    } rows[] = {
        {"x:y/z@1.0.0", "f", &to_u32,
         "import \"x:y/z@1.0.0\" function \"f\": nothing serves this interface (offered: a:io, b:api, c:old)"},
        {"a:io/files@0.2.0", "f", &to_u32,
         "import \"a:io/files@0.2.0\" function \"f\": nothing serves this interface (offered of a:io: streams, poll)"},
        {"b:api/host@0.2.0", "f", &to_u32,
         "import \"b:api/host@0.2.0\" function \"f\": nothing serves this interface (offered: b:api/host@1.1.7, b:api/host@2.0.0)"},
        {"a:io/poll@0.3.0", "[method]r.g", &to_u32,
         "import \"a:io/poll@0.3.0\" function \"[method]r.g\": a:io/poll@0.3.0 is offered without this function (it has: f)"},
        {"a:io/poll@0.3.0", "f", &to_u8,
         "import \"a:io/poll@0.3.0\" function \"f\": offered with another type: func() -> u32, but imported as: func() -> u8"},
        {"", "f", &to_u32, "import \"f\": nothing serves a function without interface (offered: a:io, b:api, c:old)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plan plan = {0};
        struct catalog_binding binding;
        struct ga_report report = {0};
        add_import(&plan, rows[i].interface, rows[i].name, rows[i].type);
        cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_UNSUPPORTED);
        cr_expect_str_eq(report.text, rows[i].text, "%s", report.text);
    }
}

Test(catalog, all_missing_imports_are_listed_after_the_first_by_interface)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    add_import(&plan, "x:y/z", "a", &to_u32);
    add_import(&plan, "a:io/poll@0.3.0", "f", &to_u32);
    add_import(&plan, "x:y/z", "b", &to_u32);
    add_import(&plan, "x:y/w", "c", &to_u32);
    add_import(&plan, "a:io/poll@0.3.0", "f", &to_u8);
    add_import(&plan, "x:y/z", "d", &to_u32);
    add_import(&plan, "", "g", &to_u32);
    cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_UNSUPPORTED);
    cr_expect_str_eq(report.text,
                     "import \"x:y/z\" function \"a\": nothing serves this interface (offered: a:io, b:api, c:old); "
                     "5 more are missing: \"x:y/z\": b, d; \"x:y/w\": c; \"a:io/poll@0.3.0\": f (of another type); "
                     "without interface: g",
                     "%s", report.text);
}

Test(catalog, many_missing_functions_hide_no_interface)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    for (int i = 0; i < 1001; i++)
        add_import(&plan, "x:y/z", "another-one", &to_u32);
    add_import(&plan, "x:y/w", "c", &to_u32);
    cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_UNSUPPORTED);
    cr_expect_not_null(strstr(report.text, "; 1001 more are missing: \"x:y/z\": another-one, "));
    cr_expect_not_null(strstr(report.text, ", ...; \"x:y/w\": c"), "%s", report.text);
}

Test(catalog, where_there_is_no_room_for_functions_interfaces_are_named)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    char names[200][64];
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "some:package/interface-number-%d@1.0.0", i);
        for (int f = 0; f < (i < 12 ? 5 : 0); f++)
            add_import(&plan, names[i], "a-function-with-a-long-name", &to_u32);
    }
    cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_UNSUPPORTED);
    cr_expect_not_null(strstr(report.text, "; 59 more are missing: \"some:package/interface-number-0@1.0.0\" (4), "));
    cr_expect_not_null(strstr(report.text, ", \"some:package/interface-number-11@1.0.0\" (5)"), "%s", report.text);

    for (int i = 12; i < 200; i++)
        add_import(&plan, names[i], "f", &to_u32);
    report = (struct ga_report){0};
    cr_expect_eq(catalog_resolve(&arena, all, &plan, false, &binding, &report), GA_UNSUPPORTED);
    cr_expect_not_null(strstr(report.text, "; 247 more are missing: "));
    cr_expect_str_eq(report.text + strlen(report.text) - 5, ", ...");
}

Test(catalog, missing_imports_can_be_allowed)
{
    struct plan plan = {0};
    struct catalog_binding binding;
    struct ga_report report = {0};
    add_import(&plan, "x:y/z", "a", &to_u32);
    add_import(&plan, "a:io/poll@0.3.0", "f", &to_u32);
    cr_expect_eq(catalog_resolve(&arena, all, &plan, true, &binding, &report), GA_OK);
    cr_expect_null(binding.imports[0]);
    cr_expect_eq(binding.imports[1], &plain[0]);
    cr_expect_str_empty(report.text);
}
