#include <criterion/criterion.h>
#include <math.h>

#include "cabi_types_made.h"

/* WAVE text: what is printed, what is read, and what is refused where. */

static struct ga_arena arena;
static struct ga_buf out;
static struct ga_report report;

static const char *printed(const struct cabi_type *type, const void *native)
{
    out.size = 0;
    cabi_wave_print(type, native, NULL, &out);
    return ga_buf_cstr(&out);
}

static bool parsed(const struct cabi_type *type, const char *text, void *native)
{
    const char *at = text, *end = text + strlen(text);
    report = (struct ga_report){0};
    enum ga_status status = cabi_wave_parse(type, &at, end, NULL, &arena, native, &report);
    cr_assert_eq(status, report.status);
    if (status == GA_OK && at != end)
        ga_report_at(&report, GA_INVALID, (uint64_t)(at - text), "text behind the value");
    return report.status == GA_OK;
}

/* Reads text and prints it again. */
static const char *echoed(const struct cabi_type *type, const char *text)
{
    void *native = made_zeroed(type->native_size);
    memset(native, 0xee, type->native_size);
    cr_assert(parsed(type, text, native), "%s: at %llu: %s", text, (unsigned long long)report.offset, report.text);
    const char *result = printed(type, native);
    free(native);
    return result;
}

static struct cabi_type *sample_record(void)
{
    return made_type(CABI_RECORD, 3, "a", &cabi_u8, "b", made_option(&cabi_string), "some", made_option(&cabi_u8));
}

static struct cabi_type *sample_variant(void)
{
    return made_type(CABI_VARIANT, 4, "one", NO_TYPE, "two", &cabi_u8, "none", NO_TYPE, "ok", &cabi_bool);
}

static struct cabi_type *sample_flags(void)
{
    struct cabi_type *type = made_flags(3);
    struct cabi_member *members = (struct cabi_member *)type->members;
    members[0].name = "read", members[1].name = "write", members[2].name = "err";
    return type;
}

/* --- printing and reading --- */

Test(cabi_wave, forms_of_every_type_read_and_print)
{
    struct cabi_type *tuple = made_type(CABI_TUPLE, 2, NO_NAME, &cabi_string, NO_NAME, &cabi_u8);
    struct cabi_type *one = made_type(CABI_TUPLE, 1, NO_NAME, &cabi_u8);
    struct cabi_type *opt = made_option(&cabi_u8), *opt2 = made_option(opt);
    struct cabi_type *res = made_result(&cabi_u8, &cabi_string), *unit = made_result(NULL, NULL);
    struct cabi_type *all_optional = made_type(CABI_RECORD, 1, "x", opt);
    const struct {
        const struct cabi_type *type;
        const char *text, *printed;
    } cases[] = {
        {&cabi_bool, "true", "true"},
        {&cabi_bool, " false // no\n", "false"},
        {&cabi_s8, "-128", "-128"},
        {&cabi_u8, "255", "255"},
        {&cabi_s16, "-32768", "-32768"},
        {&cabi_s32, "-2147483648", "-2147483648"},
        {&cabi_s64, "-9223372036854775808", "-9223372036854775808"},
        {&cabi_u64, "18446744073709551615", "18446744073709551615"},
        {&cabi_s64, "-0", "0"},
        {&cabi_f64, "3.14", "3.14"},
        {&cabi_f64, "1", "1"},
        {&cabi_f64, "-0", "-0"},
        {&cabi_f64, "6.022e+23", "6.022e+23"},
        {&cabi_f64, "1E-7", "1e-7"},
        {&cabi_f64, "0.1", "0.1"},
        {&cabi_f64, "5e-324", "5e-324"},
        {&cabi_f64, "1.7976931348623157e308", "1.7976931348623157e+308"},
        {&cabi_f64, "1e999", "inf"},
        {&cabi_f32, "0.1", "0.1"},
        {&cabi_f32, "16777217", "16777216"},
        {&cabi_f32, "1e-45", "1e-45"},
        {&cabi_f32, "3.4028235e38", "3.4028235e+38"},
        {&cabi_f32, "nan", "nan"},
        {&cabi_f64, "inf", "inf"},
        {&cabi_f64, " -inf ", "-inf"},
        {&cabi_char, "'x'", "'x'"},
        {&cabi_char, "'\xe2\x98\x83'", "'\xe2\x98\x83'"},
        {&cabi_char, "'\\''", "'\\''"},
        {&cabi_char, "'\"'", "'\"'"},
        {&cabi_char, "'\\\"'", "'\"'"},
        {&cabi_char, "'\\u{0}'", "'\\u{0}'"},
        {&cabi_char, "'\\u{10FFFF}'", "'\xf4\x8f\xbf\xbf'"},
        {&cabi_char, "'\\u{85}'", "'\\u{85}'"},
        {&cabi_string, "\"\"", "\"\""},
        {&cabi_string, "\"abc\\t123\"", "\"abc\\t123\""},
        {&cabi_string, "\"it's \\\"so\\\" \\\\ \\r\\n\"", "\"it's \\\"so\\\" \\\\ \\r\\n\""},
        {&cabi_string, "\"\\u{2028}\\u{7f}\\u{e9}\"", "\"\\u{2028}\\u{7f}\xc3\xa9\""},
        {&cabi_string, "\"\"\"\nA single line\n\"\"\"", "\"A single line\""},
        {&cabi_string, "\"\"\"\n    Indentation\n      by ending\n  \"\"\"", "\"  Indentation\\n    by ending\""},
        {&cabi_string, "\"\"\"\r\nx\\r\r\n\"\"\\\"\"\n\"\"\"", "\"x\\r\\n\\\"\\\"\\\"\\\"\""},
        {&cabi_string, "\"\"\"\n\"\"\"", "\"\""},
        {made_list(&cabi_u8), "[]", "[]"},
        {made_list(&cabi_u8), "[1,2 , 3,]", "[1, 2, 3]"},
        {made_list(made_list(&cabi_char)), "[['a'], []]", "[['a'], []]"},
        {tuple, "(\"abc\", 123)", "(\"abc\", 123)"},
        {one, "(5,)", "(5)"},
        {sample_record(), "{a: 1}", "{a: 1}"},
        {sample_record(), "{some: some(2), a: 1, b: none,}", "{a: 1, some: some(2)}"},
        {sample_record(), "{%a: 1, b: \"x\"}", "{a: 1, b: some(\"x\")}"},
        {all_optional, "{:}", "{:}"},
        {all_optional, "{x: none}", "{:}"},
        {sample_variant(), "one", "one"},
        {sample_variant(), "two ( 7 )", "two(7)"},
        {sample_variant(), "%none", "%none"},
        {sample_variant(), "%ok(true)", "%ok(true)"},
        {made_enum(300), "c299", "c299"},
        {opt, "none", "none"},
        {opt, "some(1)", "some(1)"},
        {opt, "1", "some(1)"},
        {opt2, "some(none)", "some(none)"},
        {opt2, "some(1)", "some(some(1))"},
        {made_option(sample_variant()), "none", "none"},
        {made_option(sample_variant()), "%none", "some(%none)"},
        {res, "ok(1)", "ok(1)"},
        {res, "1", "ok(1)"},
        {res, "err(\"e\")", "err(\"e\")"},
        {unit, "ok", "ok"},
        {unit, "err", "err"},
        {made_result(NULL, &cabi_u8), "ok", "ok"},
        {sample_flags(), "{}", "{}"},
        {sample_flags(), "{%err, read,}", "{read, err}"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_str_eq(echoed(cases[i].type, cases[i].text), cases[i].printed);
}

Test(cabi_wave, malformed_text_is_refused_with_its_offset)
{
    struct cabi_type *tuple = made_type(CABI_TUPLE, 2, NO_NAME, &cabi_u8, NO_NAME, &cabi_u8);
    struct cabi_type *opt2 = made_option(made_option(&cabi_u8)), *res = made_result(&cabi_u8, NULL);
    const struct {
        const struct cabi_type *type;
        const char *text;
        unsigned offset;
        const char *message;
    } cases[] = {
        {&cabi_bool, "", 0, "expected true or false"},
        {&cabi_bool, "%true", 0, "expected true or false"},
        {&cabi_bool, " yes", 1, "expected true or false"},
        {&cabi_bool, "true false", 5, "text behind the value"},
        {&cabi_u8, "256", 0, "256 does not fit into u8"},
        {&cabi_u8, "-1", 0, "-1 does not fit into u8"},
        {&cabi_s8, "-129", 0, "-129 does not fit into s8"},
        {&cabi_s8, "128", 0, "128 does not fit into s8"},
        {&cabi_u64, "18446744073709551616", 0, "18446744073709551616 does not fit into u64"},
        {&cabi_s64, "9223372036854775808", 0, "9223372036854775808 does not fit into s64"},
        {&cabi_u8, "007", 0, "expected a number of type u8"},
        {&cabi_u8, "1.0", 0, "expected a number of type u8"},
        {&cabi_u8, "0x10", 0, "expected a number of type u8"},
        {&cabi_u8, "+1", 0, "expected a number of type u8"},
        {&cabi_u8, "-", 0, "expected a number of type u8"},
        {&cabi_u8, "\"1\"", 0, "expected a number of type u8"},
        {&cabi_f64, "1.", 0, "expected a number of type f64"},
        {&cabi_f64, ".5", 0, "expected a number of type f64"},
        {&cabi_f64, "1e", 0, "expected a number of type f64"},
        {&cabi_f32, "-nan", 0, "expected a number of type f32"},
        {&cabi_f32, "infinity", 0, "expected a number of type f32"},
        {&cabi_f32, "0x1p3", 0, "expected a number of type f32"},
        {&cabi_char, "''", 0, "empty character"},
        {&cabi_char, "'ab'", 2, "more than one character in single quotes"},
        {&cabi_char, "'a", 0, "character without closing quote"},
        {&cabi_char, "'\n'", 0, "character without closing quote"},
        {&cabi_char, "\"a\"", 0, "expected a character in single quotes"},
        {&cabi_char, "'\\u{d800}'", 1, "invalid escape sequence"},
        {&cabi_char, "'\\u{dfff}'", 1, "invalid escape sequence"},
        {&cabi_char, "'\\u{110000}'", 1, "invalid escape sequence"},
        {&cabi_char, "'\\u{}'", 1, "invalid escape sequence"},
        {&cabi_char, "'\\u{0000041}'", 1, "invalid escape sequence"},
        {&cabi_char, "'\\u41'", 1, "invalid escape sequence"},
        {&cabi_char, "'\xff'", 1, "not valid UTF-8"},
        {&cabi_string, "\"abc", 0, "string without closing quote on its line"},
        {&cabi_string, "\"abc\\", 0, "string without closing quote on its line"},
        {&cabi_string, "\"abc\\\"", 0, "string without closing quote on its line"},
        {&cabi_string, "\"a\nb\"", 0, "string without closing quote on its line"},
        {&cabi_string, "\"ab\\x\"", 3, "invalid escape sequence"},
        {&cabi_string, "\"\xc3\"", 1, "not valid UTF-8"},
        {&cabi_string, "abc", 0, "expected a string in double quotes"},
        {&cabi_string, "\"\"\"\nabc", 0, "string without closing \"\"\""},
        {&cabi_string, "\"\"\"abc\n\"\"\"", 3, "expected a line break behind \"\"\""},
        {&cabi_string, "\"\"\"\nabc\"\"\"", 7, "closing \"\"\" must be on a line of its own"},
        {&cabi_string, "\"\"\"\n  a\n b\n  \"\"\"", 8, "line with less indentation than the closing \"\"\""},
        {made_list(&cabi_u8), "1", 0, "expected a list in square brackets"},
        {made_list(&cabi_u8), "[1 2]", 3, "expected ',' or ']'"},
        {made_list(&cabi_u8), "[,]", 1, "expected a number of type u8"},
        {made_list(&cabi_u8), "[1,", 3, "expected a number of type u8"},
        {made_list(&cabi_u8), "[1", 2, "expected ',' or ']'"},
        {tuple, "(1)", 2, "tuple of 1 values instead of 2"},
        {tuple, "(1, 2, 3)", 7, "tuple of more than 2 values"},
        {tuple, "()", 1, "expected a number of type u8"},
        {sample_record(), "{b: none}", 8, "field a is missing"},
        {sample_record(), "{a: 1, a: 2}", 7, "field a stands twice"},
        {sample_record(), "{a: 1, z: 2}", 7, "there is no field called z"},
        {sample_record(), "{a 1}", 3, "expected ':'"},
        {sample_record(), "{:}", 2, "field a is missing"},
        {sample_record(), "{}", 1, "expected the name of a field"},
        {sample_record(), "{: a}", 3, "expected '}'"},
        {sample_variant(), "three", 0, "there is no case called three"},
        {sample_variant(), "two", 3, "expected '('"},
        {sample_variant(), "one(1)", 3, "this case has no payload"},
        {sample_variant(), "two(1", 5, "expected ')'"},
        {sample_variant(), "5", 0, "expected the name of a case"},
        {opt2, "1", 0, "expected none or some"},
        {opt2, "some", 4, "expected '('"},
        {res, "ok", 2, "expected '('"},
        {res, "err(1)", 3, "this case has no payload"},
        {made_result(NULL, NULL), "1", 0, "expected ok or err"},
        {sample_flags(), "{read, read}", 7, "flag read stands twice"},
        {sample_flags(), "{exec}", 1, "there is no flag called exec"},
        {sample_flags(), "{read: true}", 5, "expected ',' or '}'"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *native = made_zeroed(cases[i].type->native_size);
        cr_assert(!parsed(cases[i].type, cases[i].text, native), "%s", cases[i].text);
        cr_assert_str_eq(report.text, cases[i].message);
        cr_assert(report.has_offset && report.offset == cases[i].offset, "%s: %llu", cases[i].text,
                  (unsigned long long)report.offset);
        free(native);
    }
}

/* The same value must come back; NaN has one text, so its bits may not. */
static bool has_nan_inside(const char *text)
{
    return strstr(text, "nan") != NULL;
}

Test(cabi_wave, random_values_of_random_types_come_back)
{
    struct ga_buf before = {0}, after = {0};
    struct made_random random = {42};
    for (int i = 0; i < 3000; i++) {
        const struct cabi_type *type = made_random_type(&random, 4);
        void *value = made_zeroed(type->native_size), *back = made_zeroed(type->native_size);
        made_random_value(&random, type, value);
        char *text = strdup(printed(type, value));
        cr_assert(parsed(type, text, back), "%s: at %llu: %s", text, (unsigned long long)report.offset, report.text);
        cr_assert_str_eq(printed(type, back), text);
        cr_assert(!strchr(text, '\n'));
        before.size = after.size = 0;
        cabi_encode(type, value, &before);
        cabi_encode(type, back, &after);
        cr_assert(has_nan_inside(text) || (before.size == after.size && !memcmp(before.data, after.data, after.size)),
                  "%s", text);
        free(text);
        free(value);
        free(back);
        ga_arena_reset(&arena);
    }
    ga_buf_free(&before);
    ga_buf_free(&after);
}

Test(cabi_wave, text_cut_anywhere_is_refused_or_shorter)
{
    struct made_random random = {43};
    for (int i = 0; i < 300; i++) {
        const struct cabi_type *type = made_random_type(&random, 3);
        void *value = made_zeroed(type->native_size);
        made_random_value(&random, type, value);
        char *text = strdup(printed(type, value));
        for (size_t size = strlen(text); size-- > 0;) {
            /* Exactly as many bytes as are given, so that a reader that goes too far is seen by the sanitizers. */
            char *cut = memcpy(made_zeroed(size), text, size);
            const char *at = cut;
            report = (struct ga_report){0};
            if (cabi_wave_parse(type, &at, cut + size, NULL, &arena, value, &report) == GA_OK)
                cr_assert(at <= cut + size);
            else
                cr_assert(report.offset <= size);
            free(cut);
        }
        free(text);
        free(value);
        ga_arena_reset(&arena);
    }
}

Test(cabi_wave, text_with_random_changes_is_refused_or_read)
{
    static const char marks[] = "\"'\\(){}[],:%/\n .-019eu";
    struct made_random random = {45};
    unsigned good = 0;
    for (int i = 0; i < 20000; i++) {
        const struct cabi_type *type = made_random_type(&random, 3);
        void *value = made_zeroed(type->native_size);
        made_random_value(&random, type, value);
        printed(type, value);
        char *text = memcpy(made_zeroed(out.size), out.data, out.size);
        for (uint32_t changes = made_below(&random, 3) + 1; changes--;)
            text[made_below(&random, (uint32_t)out.size)] = marks[made_below(&random, sizeof marks - 1)];
        const char *at = text;
        report = (struct ga_report){0};
        if (cabi_wave_parse(type, &at, text + out.size, NULL, &arena, value, &report) == GA_OK) {
            printed(type, value);
            good++;
        } else
            cr_assert(report.text[0] && report.offset <= out.size);
        free(text);
        free(value);
        ga_arena_reset(&arena);
    }
    cr_assert(good > 1000 && good < 19000, "%u", good);
}

Test(cabi_wave, every_float_of_32_bits_that_is_printed_reads_back)
{
    struct made_random random = {44};
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)(made_next(&random) >> 16), back;
        float value;
        memcpy(&value, &bits, 4);
        if (isnan(value))
            continue;
        cr_assert(parsed(&cabi_f32, printed(&cabi_f32, &value), &back));
        cr_assert_eq(back, bits);
        ga_arena_reset(&arena);
    }
}

/* --- handles --- */

static bool parse_test_handle(void *context, const struct cabi_type *type, const char *text, size_t size, uint32_t *rep)
{
    cr_assert(context == &arena && type->kind == CABI_OWN);
    *rep = (uint32_t)size;
    return text[0] == 'h' || text[0] == '"';
}

static void print_test_handle(void *context, const struct cabi_type *type, uint32_t rep, struct ga_buf *to)
{
    cr_assert(context == &arena && type->kind == CABI_OWN);
    ga_buf_printf(to, "h%u", rep);
}

Test(cabi_wave, handles_go_through_the_hooks)
{
    static const struct cabi_resource kind = {.name = "a:b/c.kind"};
    const struct cabi_wave_hooks hooks = {parse_test_handle, print_test_handle, &arena};
    struct cabi_type *type = made_list(made_handle(CABI_OWN, &kind));
    struct cabi_list list;
    const char *text = "[h12, \"x\\\",y\" ]", *at = text;
    cr_assert_eq(cabi_wave_parse(type, &at, text + strlen(text), &hooks, &arena, &list, &report), GA_OK, "%s",
                 report.text);
    cr_assert(list.count == 2 && ((uint32_t *)list.items)[0] == 3 && ((uint32_t *)list.items)[1] == 7);
    cabi_wave_print(type, &list, &hooks, &out);
    cr_assert_str_eq(ga_buf_cstr(&out), "[h3, h7]");
    cr_assert_str_eq(printed(type, &list), "[<a:b/c.kind>, <a:b/c.kind>]");
    cr_assert(!parsed(type, "[h12]", &list));
    cr_assert_str_eq(report.text, "expected a handle of a:b/c.kind");
}

/* --- calls --- */

Test(cabi_wave, call_is_split_into_name_and_arguments)
{
    static const struct {
        const char *text, *name, *args;
    } cases[] = {
        {"f()", "f", ""},
        {" f ( 1, \"a\" ) ", "f", " 1, \"a\" "},
        {"iface.{fn}(1)", "iface.{fn}", "1"},
        {"ns:pkg/iface@1.0.0.{f}(1, \"a\")", "ns:pkg/iface@1.0.0.{f}", "1, \"a\""},
        {"i.{[method]r.m}(2)", "i.{[method]r.m}", "2"},
        {"i.{r(\"x\").m}(2, (3))", "i.{r(\"x\").m}", "2, (3)"},
        {"i.{r(\"}(\", '}', {a: 1}).m}((1))", "i.{r(\"}(\", '}', {a: 1}).m}", "(1)"},
        {"f(\"){\")", "f", "\"){\""},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cabi_wave_slice name, args;
        report = (struct ga_report){0};
        cr_assert_eq(cabi_wave_parse_call(cases[i].text, strlen(cases[i].text), &name, &args, &report), GA_OK, "%s",
                     report.text);
        cr_assert(name.size == strlen(cases[i].name) && !memcmp(name.text, cases[i].name, name.size), "%s",
                  cases[i].text);
        cr_assert(args.size == strlen(cases[i].args) && !memcmp(args.text, cases[i].args, args.size), "%s",
                  cases[i].text);
    }
}

Test(cabi_wave, what_is_no_call_is_refused)
{
    static const struct {
        const char *text;
        unsigned offset;
        const char *message;
    } cases[] = {
        {"", 0, "expected the name of a function"},        {"  (1)", 2, "expected the name of a function"},
        {"f ", 1, "expected '(' and arguments"},           {"f.{r(1).m}", 10, "expected '(' and arguments"},
        {"f(1", 3, "expected ')' at the end of the call"}, {"f(1) x", 6, "expected ')' at the end of the call"},
        {"f.{r(1)", 7, "expected '(' and arguments"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cabi_wave_slice name, args;
        report = (struct ga_report){0};
        cr_assert_eq(cabi_wave_parse_call(cases[i].text, strlen(cases[i].text), &name, &args, &report), GA_INVALID);
        cr_assert_str_eq(report.text, cases[i].message);
        cr_assert_eq(report.offset, cases[i].offset, "%s", cases[i].text);
    }
}

struct two_args {
    uint8_t a;
    struct {
        uint32_t tag;
        uint8_t value;
    } b;
};

static bool args_parsed(const char *text, struct two_args *args)
{
    struct cabi_func_type type = made_func(NULL, 2, &cabi_u8, made_option(&cabi_u8));
    report = (struct ga_report){0};
    return cabi_wave_parse_args(&type, text, strlen(text), NULL, &arena, args, &report) == GA_OK;
}

Test(cabi_wave, options_at_the_end_of_the_arguments_may_be_left_out)
{
    struct two_args args = {9, {9, 9}};
    cr_assert(args_parsed("1, some(2)", &args) && args.a == 1 && args.b.tag == 1 && args.b.value == 2);
    cr_assert(args_parsed(" 3 , 4 , ", &args) && args.a == 3 && args.b.tag == 1 && args.b.value == 4);
    cr_assert(args_parsed("5", &args) && args.a == 5 && args.b.tag == 0);
    cr_assert(!args_parsed("", &args));
    cr_assert_str_eq(report.text, "argument p is missing (0 of 2 are given)");
    cr_assert(!args_parsed("1, 2, 3", &args));
    cr_assert(report.offset == 6 && !strcmp(report.text, "more than 2 arguments"));
    cr_assert(!args_parsed("1 2", &args));
    cr_assert(report.offset == 2 && !strcmp(report.text, "expected ',' or the end of the arguments"));
    struct cabi_func_type none = made_func(NULL, 0);
    report = (struct ga_report){0};
    cr_assert_eq(cabi_wave_parse_args(&none, " ", 1, NULL, &arena, &args, &report), GA_OK);
}

Test(cabi_wave, words_are_a_value_each)
{
    static const struct {
        const char *words[3];
        uint32_t count;
        int offset; /* through all words; -1: none */
        const char *fault;
    } refused[] = {
        {{"1, 2"}, 1, 1, "text behind the value"},
        {{"1", "some(", "2)"}, 3, 7, NULL},
        {{"1 // one", "2)"}, 2, 10, "text behind the value"},
        {{"1", "2", "3"}, 3, 4, "more than 2 arguments"},
        {{"", "2"}, 2, 0, NULL},
        {{""}, 0, -1, "argument p is missing (0 of 2 are given)"},
    };
    struct cabi_func_type type = made_func(NULL, 2, &cabi_u8, made_option(&cabi_u8));
    struct cabi_wave_slice words[3] = {{" 1 // one", 9}, {"some( 2 )", 9}};
    struct two_args args = {9, {9, 9}};
    report = (struct ga_report){0};
    cr_assert_eq(cabi_wave_parse_words(&type, words, 2, NULL, &arena, &args, &report), GA_OK);
    cr_assert(args.a == 1 && args.b.tag == 1 && args.b.value == 2);
    cr_assert_eq(cabi_wave_parse_words(&type, words, 1, NULL, &arena, &args, &report), GA_OK);
    cr_assert_eq(args.b.tag, 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        report = (struct ga_report){0};
        for (uint32_t j = 0; j < refused[i].count; j++)
            words[j] = (struct cabi_wave_slice){refused[i].words[j], strlen(refused[i].words[j])};
        cr_assert_eq(cabi_wave_parse_words(&type, words, refused[i].count, NULL, &arena, &args, &report), GA_INVALID, "%zu", i);
        cr_assert_eq(report.has_offset ? (int)report.offset : -1, refused[i].offset, "%zu: %d", i, (int)report.offset);
        cr_assert(!refused[i].fault || !strcmp(report.text, refused[i].fault), "%zu: %s", i, report.text);
    }
}
