#include <criterion/criterion.h>

#include "cabi_types_made.h"
#include "function_name.h"

/* Names of functions as callers write them: what they stand for, and which are refused. */

static const struct cabi_resource counter = {.name = "counter"};
static const struct cabi_type own_counter = {.kind = CABI_OWN, .native_size = 4, .native_align = 4, .resource = &counter};
static const struct cabi_member self[] = {{.name = "self", .type = &own_counter}};
static const struct cabi_func_type plain, makes = {.result = &own_counter}, method = {.param_count = 1, .params = self};

enum { PLAIN, CONSTRUCTOR, METHOD, INTERFACE_METHOD };
static const struct rt_export exports[] = {
    [PLAIN] = {.interface = "", .name = "f", .type = &plain},
    [CONSTRUCTOR] = {.interface = "", .name = "[constructor]counter", .type = &makes},
    [METHOD] = {.interface = "", .name = "[method]counter.inc", .type = &method},
    [INTERFACE_METHOD] = {.interface = "a:b/c@1.0.0", .name = "[method]only.m", .type = &method},
};
const struct rt_component golem_component = {.name = "made",
                                             .export_count = sizeof exports / sizeof *exports,
                                             .exports = exports};

static struct function_name name;
static struct ga_report report;

static enum ga_status resolve(const char *text, size_t size)
{
    report = (struct ga_report){0};
    enum ga_status status = function_name_resolve(text, size, &name, &report);
    cr_assert_eq(status, report.status);
    return status;
}

Test(function_name, forms_are_found)
{
    static const struct {
        const char *text;
        int export, constructor; /* -1: none */
        const char *key;
    } cases[] = {
        {"f", PLAIN, -1, ""},
        {"counter.new", CONSTRUCTOR, -1, ""},
        {"[constructor]counter", CONSTRUCTOR, -1, ""},
        {"counter.inc", METHOD, -1, ""},
        {"[method]counter.inc", METHOD, -1, ""},
        {"counter(1, \").\").inc", METHOD, CONSTRUCTOR, "1, \").\""},
        {"counter.drop", -1, -1, ""},
        {"[drop]counter", -1, -1, ""},
        {"counter(1).drop", -1, CONSTRUCTOR, "1"},
        {"a:b/c@1.0.0.{only.m}", INTERFACE_METHOD, -1, ""},
        {"a:b/c@1.0.0.{only.drop}", -1, -1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(resolve(cases[i].text, strlen(cases[i].text)), GA_OK, "%s: %s", cases[i].text, report.text);
        cr_assert_eq(name.export, cases[i].export < 0 ? NULL : &exports[cases[i].export], "%s", cases[i].text);
        cr_assert_eq(name.constructor, cases[i].constructor < 0 ? NULL : &exports[cases[i].constructor], "%s",
                     cases[i].text);
        cr_assert(name.key_size == strlen(cases[i].key) &&
                      memcmp(name.key ? name.key : "", cases[i].key, name.key_size) == 0,
                  "%s", cases[i].text);
        cr_assert_eq(name.resource, cases[i].export == PLAIN || cases[i].export == CONSTRUCTOR ? NULL : &counter, "%s",
                     cases[i].text);
    }
}

Test(function_name, others_are_refused)
{
    static const char *const texts[] = {"",
                                        "g",
                                        "counter",
                                        "counter.m",
                                        "count.drop",
                                        "counter.inc.drop",
                                        "a.{f}",
                                        "{f}",
                                        "a.{",
                                        "a.{f",
                                        ".{}",
                                        "only.m",
                                        "[drop]onl",
                                        "[drop]only.",
                                        "counter(1).m",
                                        "f(1).inc",
                                        "counter(.inc",
                                        "(",
                                        "[method]",
                                        "[drop]",
                                        ".",
                                        "counter()."};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_neq(resolve(texts[i], strlen(texts[i])), GA_OK, "%s", texts[i]);
}

/* A comparison of C strings ends at the NUL; what lies as far behind the export's name was read then. */
Test(function_name, a_nul_is_no_end)
{
    static const char dropped[] = "a:b/c@1.0.0.{[drop]only\0\0\0\0\0\0\0\0\0\0}", member[] = "counter\0.inc";
    cr_assert_eq(resolve(dropped, sizeof dropped - 1), GA_INVALID);
    cr_assert_str_eq(report.text, "a function's name has a NUL in it");
    cr_assert_eq(resolve(member, sizeof member - 1), GA_INVALID);
}
