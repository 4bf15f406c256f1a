#include "wasm_made.h"

#include "abi.h"
#include "ga_limits.h"
#include "val.h"

static struct ga_arena arena;

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(val_accepts, .fini = free_arena);
TestSuite(val_refuses, .fini = free_arena);

static enum ga_status validate_made(const char *notation, struct ga_report *report)
{
    struct slice bytes = wasm_made(&arena, notation);
    struct component *component;
    enum ga_status status = bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, report);
    cr_assert_eq(status, GA_OK, "not read: 0x%llx: %s: %s", (unsigned long long)report->offset, report->text, notation);
    return val_component(&arena, component, report);
}

struct refusal {
    const char *notation;
    uint64_t offset;
    const char *message;
};

static void expect_refusals(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ga_report report = {0};
        cr_expect_eq(validate_made(refusals[i].notation, &report), GA_INVALID, "accepted: %s", refusals[i].notation);
        cr_expect_str_eq(report.text, refusals[i].message);
        cr_expect_eq(report.offset, refusals[i].offset, "%s: 0x%llx, not 0x%llx: %s", refusals[i].notation,
                     (unsigned long long)report.offset, (unsigned long long)refusals[i].offset, report.text);
    }
}

static void expect_valid(const char *const *notations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ga_report report = {0};
        cr_expect_eq(validate_made(notations[i], &report), GA_OK, "0x%llx: %s: %s", (unsigned long long)report.offset,
                     report.text, notations[i]);
    }
}

#define COUNT(table) (sizeof table / sizeof table[0])

#define TYPES "(Binary.md, Type Definitions)"
#define INSTANCES "(Binary.md, Instance Definitions)"
#define ALIASES "(Binary.md, Alias Definitions)"
#define EXTERNS "(Binary.md, Import and Export Definitions)"
#define CANONS "(CanonicalABI.md, Canonical Definitions)"
#define OPTIONS "(CanonicalABI.md, canonopt Validation)"
#define MATCHING "(Explainer.md, Type Checking)"
#define VISIBILITY "(Explainer.md, External Visibility of Types)"

/* --- types --- */

static const struct refusal bad_types[] = {
    {"%c 07( 02 73 72 00 )", 0xc, "type 1: record without fields " TYPES},
    {"%c 07( 01 71 00 )", 0xb, "type 0: variant without cases " TYPES},
    {"%c 07( 01 6f 00 )", 0xb, "type 0: tuple without elements " TYPES},
    {"%c 07( 01 6e 00 )", 0xb, "type 0: flags without a flag " TYPES},
    {"%c 07( 01 6d 00 )", 0xb, "type 0: enum without cases " TYPES},
    {"%c 07( 01 72 01 '' 73 )", 0xb, "type 0: field \"\" has no name " TYPES},
    {"%c 07( 01 72 01 'aB' 73 )", 0xb, "type 0: field \"aB\" is not in kebab case " TYPES},
    {"%c 07( 01 72 02 'a-b' 73 'A-b' 73 )", 0xb, "type 0: field \"A-b\" has the name of an earlier one " TYPES},
    {"%c 07( 01 6d 02 'x' 'x' )", 0xb, "type 0: case \"x\" has the name of an earlier one " TYPES},
    {"%c 07( 01 40 02 'p' 73 'p' 73 01 00 )", 0xb, "type 0: parameter \"p\" has the name of an earlier one " TYPES},
    {"%c 07( 01 70 00 )", 0xb, "type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 07( 02 40 00 01 00 70 00 )", 0xf, "type index 0 is not a value type but a func type " TYPES},
    {"%c 07( 02 73 69 00 )", 0xc, "type 1: type index 0 is not a resource type but a value type " TYPES},
    {"%c 07( 01 67 79 00 )", 0xb, "type 0: list of fixed length 0 " TYPES},
    {"%c 07( 01 67 77 #33554432 )", 0xb, "type 0: values of this type exceed the maximum size in bytes " TYPES},
    {"%c 07( 01 63 76 73 )", 0xb, "type 0: map whose keys are not of a primitive type other than floats " TYPES},
    {"%c 07( 01 66 01 74 )", 0xb, "type 0: stream of char " TYPES},
    {"%c 07( 04 3f 7f 00 68 00 70 01 40 00 00 02 )", 0x12, "type 3: function whose result contains a borrow " TYPES},
    {"%c 07( 03 3f 7f 00 68 00 65 01 01 )", 0x10, "type 2: stream or future with a borrow inside " TYPES},
    {"%c 07( 01 41 01 01 3f 7f 00 )", 0xd, "type 0: resource type defined inside a component or instance type " TYPES},
    {"%c 07( 01 3f 7f 01 00 )", 0xb, "core func index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c" MODULE_CONSTANT("01") "02( 01 00 00 00 ) 06( 01 00 00 01 00 'f' ) 07( 01 3f 7f 01 00 )", 0x3e,
     "the destructor of a resource must take its representation and return nothing " TYPES},
    {"%c" MODULE_CONSTANT("01") "02( 01 00 00 00 ) 06( 01 00 00 01 00 'f' ) 07( 01 3f 7e 01 00 )", 0x3e,
     "the destructor of a resource must take its representation and return nothing " TYPES},
    {"%c 03( 01 60 01 64 01 00 )", 0xb, "core type index 1 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 03( 01 4e 02 60 01 64 01 00 5f 01 63 02 00 )", 0xb,
     "core type index 2 is out of bounds: there are 1 so far " INSTANCES},
    {"%c 03( 02 50 00 60 01 64 00 00 )", 0xd, "core type: reference to a module type " TYPES},
    {"%c 03( 01 50 01 03 'g' 03 63 00 00 )", 0xd, "core type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 03( 01 50 01 03 't' 01 63 00 00 01 )", 0xd, "core type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 03( 02 60 00 00 00 50 01 00 60 00 00 )", 0xe, "core type: subtype of a type that allows none " TYPES},
    {"%c 03( 03 00 50 00 60 00 00 00 50 00 60 00 00 00 50 02 00 01 60 00 00 )", 0x17,
     "core type: subtype of more than one type " TYPES},
    {"%c 03( 01 00 50 01 00 60 00 00 )", 0xb, "core type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 03( 01 50 01 00 'a' 'b' 00 00 )", 0xd, "core type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 03( 01 50 02 03 'm' 02 00 01 03 'm' 02 00 01 )", 0x13,
     "core type: module type with two exports of the same name " TYPES},
    {"%c 03( 01 50 01 03 'm' 02 00 #65537 )", 0xd, "core type: memory with more pages than can be addressed " TYPES},
    {"%c 03( 01 50 01 03 'm' 02 01 02 01 )", 0xd, "core type: limits whose maximum is less than their minimum " TYPES},
    {"%c 03( 01 50 01 03 'm' 02 02 01 )", 0xd, "core type: shared memory without a maximum " TYPES},
    {"%c 03( 01 60 00 00 ) 0a( 01 00 'm' 00 11 00 )", 0x11, "core type index 0 is not a module type " TYPES},
    {"%c 07( 01 73 ) 0a( 01 00 'f' 01 00 )", 0xf, "type index 0 is not a function type but a value type " TYPES},
    {"%c 07( 01 73 ) 0a( 01 00 'i' 05 00 )", 0xf, "type index 0 is not an instance type but a value type " TYPES},
    {"%c 07( 01 3f 7f 00 ) 0a( 01 00 'x' 03 00 00 )", 0x11,
     "import \"x\": this resource type mentions a type that is not itself imported before " VISIBILITY},
    {"%c 07( 01 3f 7f 00 ) 0b( 01 00 'r' 03 00 00 ) 0a( 01 00 'x' 03 00 01 )", 0x1a,
     "import \"x\": this resource type mentions a type that is not itself imported before " VISIBILITY},
    {"%c 07( 01 41 02 04 00 'r' 03 01 03 00 'x' 03 00 00 )", 0x13,
     "import \"x\": this resource type mentions a type that is not itself imported before " VISIBILITY},
    {"%c 0a( 01 00 'v' 02 01 79 )", 0xb, "values are not part of the component model yet " TYPES},
    {"%c 09( 00 00 00 )", 0xa,
     "start definitions are not part of the component model yet (Explainer.md, Gated Features)"},
};

Test(val_refuses, types_that_break_a_rule)
{
    expect_refusals(bad_types, COUNT(bad_types));
}

static const char *const good_types[] = {
    "%c 07( 05 72 01 'a1-B2' 73  71 01 'x' 00 00  67 77 #33554431  63 79 73  66 00 )",
    "%c 07( 03 3f 7f 00 68 00 40 01 'p' 01 01 00 )",
    "%c 07( 01 6e 20 'a' 'b' 'c' 'd' 'e' 'f' 'g' 'h' 'i' 'j' 'k' 'l' 'm' 'n' 'o' 'p' 'q' 'r' 's' 't' 'u' 'v' 'w' 'x' 'y' 'z'"
    " 'aa' 'ab' 'ac' 'ad' 'ae' 'af' )",
    "%c 07( 02 3f 7f 00 41 02 02 03 02 01 00 03 00 'x' 03 00 00 )", /* of the scope outside: not of this one */
    "%c 07( 01 41 02 03 00 'r' 03 01 03 00 'x' 03 00 00 )",
    "%c 07( 01 3f 7e 00 ) 08( 03 02 00 03 00 04 00 )",
    "%c 03( 03 60 01 64 00 00 00 50 00 60 01 63 00 00 00 50 01 01 60 00 00 )",
    "%c 03( 01 4e 02 60 01 64 01 00 5f 01 63 00 00 )",
    "%c 03( 01 50 03 01 50 00 60 00 00 01 60 01 64 00 00 03 'g' 03 63 00 00 )",
    "%c 03( 02 60 00 00 50 03 02 10 01 01 00 00 'a' 'b' 00 00 03 'm' 02 00 #65536 )",
};

Test(val_accepts, types)
{
    expect_valid(good_types, COUNT(good_types));
}

/* --- names --- */

#define FUNC "07( 01 40 00 01 00 )"

static const struct refusal bad_names[] = {
    {"%c 0a( 01 00 'r' 03 01 ) 07( 02 68 00 40 01 'self' 01 01 00 ) 0a( 01 00 '[method]r.r' 01 02 )", 0x22,
     "import name \"[method]r.r\": conflicts with the earlier name \"r\" " EXTERNS},
    {"%c" FUNC "0a( 01 00 '' 01 00 )", 0x12, "import name \"\": it is not in kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 '1a' 01 00 )", 0x12, "import name \"1a\": it is not in kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a--b' 01 00 )", 0x12, "import name \"a--b\": it is not in kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'A:b/c' 01 00 )", 0x12,
     "import name \"A:b/c\": its namespace is not in lower-case kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a:B/c' 01 00 )", 0x12,
     "import name \"a:B/c\": its package is not in lower-case kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a:b' 01 00 )", 0x12,
     "import name \"a:b\": there is no / and interface after the package " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a:b/c/d' 01 00 )", 0x12,
     "import name \"a:b/c/d\": its interface is not in kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a:b/c@1.2' 01 00 )", 0x12,
     "import name \"a:b/c@1.2\": its version is not a semantic version " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a:b/c@1.02.3' 01 00 )", 0x12,
     "import name \"a:b/c@1.02.3\": its version is not a semantic version " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a:b/c@1.2.3-01' 01 00 )", 0x12,
     "import name \"a:b/c@1.2.3-01\": its version is not a semantic version " EXTERNS},
    {"%c" FUNC "0a( 01 02 'a:b/c@0.2' 01 01 '.x' 01 00 )", 0x12,
     "import name \"a:b/c@0.2\": its version and version suffix do not make a semantic version " EXTERNS},
    {"%c" FUNC "0a( 02 00 'a' 01 00 00 'A' 01 00 )", 0x17,
     "import name \"A\": conflicts with the earlier name \"a\" " EXTERNS},
    {"%c" FUNC "0a( 01 00 '[static]r.f' 01 00 )", 0x12,
     "import name \"[static]r.f\": there is no resource \"r\" here " EXTERNS},
    {"%c 0a( 01 00 'a' 03 01 )" "07( 01 40 00 01 00 ) 0a( 01 00 '[static]A.b' 01 01 )", 0x1a,
     "import name \"[static]A.b\": there is no resource \"A\" here " EXTERNS},
    {"%c 0a( 01 00 'a' 03 01 ) 07( 02 69 00 40 00 00 01 ) 0a( 01 00 '[constructor]A' 01 02 )", 0x1c,
     "import name \"[constructor]A\": the function uses resource \"a\" " EXTERNS},
    {"%c" FUNC "0a( 01 00 '[method]r' 01 00 )", 0x12,
     "import name \"[method]r\": there is no . after its resource " EXTERNS},
    {"%c" FUNC "0a( 01 00 '[method]r.f' 01 00 )", 0x12,
     "import name \"[method]r.f\": a method must take a borrow of its resource as its first parameter \"self\" " EXTERNS},
    {"%c" FUNC "0a( 01 00 '[constructor]r' 01 00 )", 0x12,
     "import name \"[constructor]r\": a constructor must return an own of its resource, or a result of one " EXTERNS},
    {"%c 0a( 01 00 'b' 03 01 ) 07( 02 69 00 40 00 00 01 ) 0a( 01 00 '[constructor]a' 01 02 )", 0x1c,
     "import name \"[constructor]a\": the function uses resource \"b\" " EXTERNS},
    {"%c 0a( 01 00 'r' 03 01 ) 07( 02 40 00 01 00 42 00 ) 0a( 01 00 '[static]r.f' 05 02 )", 0x1c,
     "import name \"[static]r.f\": an annotated name is for a func, not for an instance " EXTERNS},
    {"%c 0a( 01 00 'r' 03 01 ) 07( 01 40 00 01 00 ) 0a( 02 00 '[static]r.f' 01 01 00 '[static]R.F' 01 01 )", 0x29,
     "import name \"[static]R.F\": conflicts with the earlier name \"[static]r.f\" " EXTERNS},
    {"%c" FUNC "0a( 01 02 'a' 01 00 'x:y/z' 01 00 )", 0x12,
     "import name \"a\": only an instance can implement an interface " EXTERNS},
    {"%c 07( 01 42 00 ) 0a( 01 02 'a' 01 00 'x' 05 00 )", 0x10,
     "import name \"a\": it implements \"x\", which is not the name of an interface " EXTERNS},
    {"%c 07( 01 42 00 ) 0a( 01 02 'a:b/c' 01 00 'x:y/z' 05 00 )", 0x10,
     "import name \"a:b/c\": only a plain name can have an implements attribute " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a>' 01 00 )", 0x12, "import name \"unlocked-dep=<a>\": it does not name a package " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:b' 01 00 )", 0x12, "import name \"unlocked-dep=<a:b\": there is no > at its end " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:B>' 01 00 )", 0x12, "import name \"unlocked-dep=<a:B>\": it does not name a package " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:b@>' 01 00 )", 0x12, "import name \"unlocked-dep=<a:b@>\": its range of versions is not one " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:b@1.2.3>' 01 00 )", 0x12, "import name \"unlocked-dep=<a:b@1.2.3>\": its range of versions is not one " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:b@{>=1.2}>' 01 00 )", 0x12, "import name \"unlocked-dep=<a:b@{>=1.2}>\": its range of versions is not one " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:b@{<1.2.3 >=1.0.0}>' 01 00 )", 0x12, "import name \"unlocked-dep=<a:b@{<1.2.3 >=1.0.0}>\": its range of versions is not one " EXTERNS},
    {"%c" FUNC "0a( 01 00 'unlocked-dep=<a:b@{>=1.2.3 1.3.0}>' 01 00 )", 0x12, "import name \"unlocked-dep=<a:b@{>=1.2.3 1.3.0}>\": its range of versions is not one " EXTERNS},
    {"%c" FUNC "0a( 01 00 'locked-dep=<a:b' 01 00 )", 0x12, "import name \"locked-dep=<a:b\": there is no > after the < " EXTERNS},
    {"%c" FUNC "0a( 01 00 'locked-dep=<a:>' 01 00 )", 0x12, "import name \"locked-dep=<a:>\": it does not name a package " EXTERNS},
    {"%c" FUNC "0a( 01 00 'locked-dep=<a:b/C-d/e>' 01 00 )", 0x12, "import name \"locked-dep=<a:b/C-d/e>\": it does not name a package " EXTERNS},
    {"%c" FUNC "0a( 01 00 'locked-dep=<a:b@1>' 01 00 )", 0x12, "import name \"locked-dep=<a:b@1>\": its version is not a semantic version " EXTERNS},
    {"%c" FUNC "0a( 01 00 'locked-dep=<a:b>x' 01 00 )", 0x12, "import name \"locked-dep=<a:b>x\": something follows the > " EXTERNS},
    {"%c" FUNC "0a( 01 00 'locked-dep=<a:b>,' 01 00 )", 0x12, "import name \"locked-dep=<a:b>,\": it does not end in integrity=<...> " EXTERNS},
    {"%c" FUNC "0a( 01 00 'url=<a<b>' 01 00 )", 0x12, "import name \"url=<a<b>\": there is a < in its address " EXTERNS},
    {"%c" FUNC "0a( 01 00 'url=<a' 01 00 )", 0x12, "import name \"url=<a\": there is no > after the < " EXTERNS},
    {"%c" FUNC "0a( 01 00 'url=<a>,integrity=<>' 01 00 )", 0x12, "import name \"url=<a>,integrity=<>\": its integrity is empty " EXTERNS},
    {"%c" FUNC "0a( 01 00 'integrity=< >' 01 00 )", 0x12, "import name \"integrity=< >\": its integrity is empty " EXTERNS},
    {"%c" FUNC "0a( 01 00 'integrity=<sha1-aa>' 01 00 )", 0x12, "import name \"integrity=<sha1-aa>\": its integrity is not the hash of an algorithm, sha256, sha384 or sha512, in base64 " EXTERNS},
    {"%c" FUNC "0a( 01 00 'integrity=<sha256-aa sha512-=>' 01 00 )", 0x12, "import name \"integrity=<sha256-aa sha512-=>\": its integrity is not the hash of an algorithm, sha256, sha384 or sha512, in base64 " EXTERNS},
    {"%c" FUNC "0a( 01 00 'integrity=<sha256-a===>' 01 00 )", 0x12, "import name \"integrity=<sha256-a===>\": its integrity is not the hash of an algorithm, sha256, sha384 or sha512, in base64 " EXTERNS},
    {"%c" FUNC "0a( 01 00 'url=' 01 00 )", 0x12, "import name \"url=\": it is not in kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'relative-url=<a>' 01 00 )", 0x12, "import name \"relative-url=<a>\": it is not in kebab case " EXTERNS},
    {"%c" FUNC "0a( 01 00 'a' 01 00 ) 0b( 01 00 'url=<a>' 01 00 00 )", 0x1a,
     "export name \"url=<a>\": it says where an import is found, but this is an export " EXTERNS},
    {"%c" FUNC "0a( 02 00 'url=<a>' 01 00 00 'url=<a>' 01 00 )", 0x1d,
     "import name \"url=<a>\": conflicts with the earlier name \"url=<a>\" " EXTERNS},
};

Test(val_refuses, names_that_break_a_rule)
{
    expect_refusals(bad_names, COUNT(bad_names));
}

static const char *const good_names[] = {
    "%c" FUNC
    "0a( 04 00 'a-1-B2' 01 00 00 'n-1:p-2/i-3@0.0.0-a.1-b+x.01' 01 00 00 'n:p/i@1.0.0' 01 00 00 'n:p/i' 01 00 )",
    "%c 0a( 01 00 'r' 03 01 ) 07( 04 69 00 68 00 40 00 00 01 40 01 'self' 02 01 00 )"
    "0a( 03 00 '[constructor]r' 01 03 00 '[method]r.m' 01 04 00 '[static]r.s' 01 03 )",
    "%c 07( 01 42 00 ) 0a( 02 02 'a' 02 00 'x:y/z@1.0.0' 02 'any' 05 00 02 'b:c/d@0.2' 01 01 '.7-rc' 05 00 )",
    "%c" FUNC "0a( 06 00 'unlocked-dep=<a:b>' 01 00 00 'unlocked-dep=<a:b@*>' 01 00 00 'unlocked-dep=<a:b@{>=1.2.3}>' 01 00"
    " 00 'unlocked-dep=<a:b@{<1.2.3-rc}>' 01 00 00 'unlocked-dep=<a:b@{>=1.2.3 <2.0.0}>' 01 00"
    " 00 'unlocked-dep=<n-1:p-2/i>' 01 00 )",
    "%c" FUNC "0a( 04 00 'locked-dep=<a:b>' 01 00 00 'locked-dep=<a:b@1.2.3>' 01 00"
    " 00 'locked-dep=<a:b>,integrity=<sha256-a+/9==>' 01 00 00 'integrity=< sha384-aB?any  sha512-c= >' 01 00 )",
    "%c" FUNC "0a( 04 00 'url=<>' 01 00 00 'url=<https://x/>' 01 00 00 'url=<HTTPS://x/>' 01 00"
    " 00 'url=<a>,integrity=<sha256-a>' 01 00 )",
};

Test(val_accepts, names)
{
    expect_valid(good_names, COUNT(good_names));
}

/* --- core instances and canonical definitions --- */

/* Exports "f": [i32 i32] -> [], "g": [] -> [i32], "r": a realloc, "p": [i32] -> [], "m": a memory. */
#define MODULE_PARTS                                                                                                     \
    "01( %m 01( 04 60 02 7f 7f 00 60 00 01 7f 60 04 7f 7f 7f 7f 01 7f 60 01 7f 00 ) 03( 04 00 01 02 03 ) 05( 01 00 01 )" \
    " 07( 05 'f' 00 00 'g' 00 01 'r' 00 02 'p' 00 03 'm' 02 00 )"                                                        \
    " 0a( 04 (00 0b) (00 41 00 0b) (00 41 00 0b) (00 0b) ) )"                                                            \
    "02( 01 00 00 00 ) 06( 05 00 00 01 00 'f' 00 00 01 00 'g' 00 00 01 00 'r' 00 00 01 00 'p' 00 02 01 00 'm' )"
/* What it takes. */
#define PARTS_SIZE 0x7f

/* 0: (string) -> (), 1: () -> string, 2: () -> u32, 3: () -> (), 4: a value type */
#define FUNC_TYPES "07( 05 40 01 's' 73 01 00 40 00 00 73 40 00 00 79 40 00 01 00 73 )"
#define FUNC_TYPES_SIZE 0x17

static const struct refusal bad_core[] = {
    {"%c 01( %m 02( 02 'a' 'b' 03 7f 00 'a' 'b' 03 7f 00 ) )", 0xa,
     "core module that imports \"a\" \"b\" twice (Explainer.md, Type Definitions)"},
    {"%c 01( %m 02( 01 'a' 'b' 03 7f 00 ) ) 02( 01 00 00 00 )", 0x1f,
     "core instance without the argument \"a\" that its module imports " INSTANCES},
    {"%c 01( %m 02( 01 'a' 'b' 03 7f 00 ) ) 02( 02 01 00 00 00 01 'a' 12 00 )", 0x21,
     "import \"a\" \"b\" of a core module: the argument does not export this name " INSTANCES},
    {"%c" MODULE_CONSTANT("01") MODULE_CALLER "02( 02 00 00 00 01 01 'f' 00 00 )", 0x60,
     "core func index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 02( 01 00 00 00 )", 0xb, "core module index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c" MODULE_PARTS "06( 01 00 00 01 00 'm' )", PARTS_SIZE + 11,
     "export \"m\" of core instance 0 is not a core func but a core memory " ALIASES},
    {"%c" MODULE_PARTS "06( 01 00 00 01 00 'x' )", PARTS_SIZE + 11, "core instance 0 has no export \"x\" " ALIASES},
    {"%c" MODULE_PARTS "02( 01 01 02 'x' 00 00 'x' 00 01 )", PARTS_SIZE + 17, "two exports of the name \"x\" " INSTANCES},
};

Test(val_refuses, core_instances_that_do_not_fit)
{
    expect_refusals(bad_core, COUNT(bad_core));
}

static const struct refusal bad_canons[] = {
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 00 04 )", 0,
     "type index 4 is not a function type but a value type " TYPES},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 00 03 )", 0,
     "lifted core func 0 has type [i32 i32] -> [], but the function's type asks for [] -> [] " CANONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 00 00 )", 0,
     "canonical option memory is required by the function's type " OPTIONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 01 03 00 00 )", 0,
     "canonical option realloc is required by the function's type " OPTIONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 02 03 00 04 00 00 )", 0,
     "canonical option realloc must take four i32 and return an i32 " OPTIONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 01 04 02 00 )", 0, "canonical option realloc without memory " OPTIONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 00 02 03 01 04 02 00 )", 0,
     "core memory index 1 is out of bounds: there are 1 so far " INSTANCES},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 01 01 05 00 02 )", 0,
     "canonical option post-return must take the results of the lifted function " CANONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 01 01 07 00 02 )", 0,
     "canonical option callback is for async lifts only " OPTIONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 00 00 01 01 06 02 )", 0,
     "canonical option async for a function that is not async " OPTIONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 01 00 00 00 )", 0,
     "func index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 02 00 )", 0, "type index 0 is not a resource type but a func type " CANONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 0e 04 )", 0, "stream.new of type index 4, which is not a stream " CANONS},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 27 00 00 )", 0,
     "core type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c" MODULE_PARTS FUNC_TYPES "08( 01 0a 7e 00 )", 0, "context of another type than i32 " CANONS},
};

Test(val_refuses, canonical_definitions_that_break_a_rule)
{
    for (size_t i = 0; i < COUNT(bad_canons); i++) {
        struct refusal refusal = bad_canons[i];
        refusal.offset = 8 + PARTS_SIZE + FUNC_TYPES_SIZE + 3;
        expect_refusals(&refusal, 1);
    }
}

/* Lowering is an import's affair. */
static const struct refusal bad_lowers[] = {
    {"%c 07( 01 40 00 00 73 ) 0a( 01 00 'f' 01 00 ) 08( 01 01 00 00 00 )", 0x1a,
     "canonical option memory is required by the function's type " OPTIONS},
    {"%c 0a( 01 00 'r' 03 01 ) 08( 01 02 00 )", 0x13,
     "resource.new or resource.rep of a resource that this component does not define " CANONS},
    {"%c 07( 01 40 00 01 00 ) 0a( 01 00 'f' 01 00 ) 08( 01 01 00 00 01 05 00 )", 0x1a,
     "canonical option post-return is for synchronous lifts only " OPTIONS},
};

Test(val_refuses, lowerings_that_break_a_rule)
{
    expect_refusals(bad_lowers, COUNT(bad_lowers));
}

static const char *const good_canons[] = {
    "%c" MODULE_PARTS FUNC_TYPES "08( 03 00 00 00 02 03 00 04 02 00  00 00 01 02 03 00 05 03 01  00 00 01 00 02 )",
    "%c 07( 01 40 00 01 00 ) 0a( 01 00 'f' 01 00 ) 08( 02 01 00 00 00 01 00 00 01 01 )",
    "%c 07( 01 3f 7f 00 ) 08( 03 02 00 03 00 04 00 )",
    "%c 0a( 01 00 'r' 03 01 ) 08( 01 03 00 )",
    "%c 07( 02 43 00 01 00 66 01 7d ) 08( 04 0e 01 13 01 1f 09 00 79 00 )",
};

Test(val_accepts, canonical_definitions)
{
    expect_valid(good_canons, COUNT(good_canons));
}

/* --- instantiation and matching --- */

/* Component 0 imports "f": (u32) -> (). */
#define WANTS_FUNC "04( %c 07( 01 40 01 'x' 79 01 00 ) 0a( 01 00 'f' 01 00 ) )"
/* Component 0 imports resource "a" and type "b", equal to it. */
#define WANTS_SAME "04( %c 0a( 02 00 'a' 03 01 00 'b' 03 00 00 ) )"

static const struct refusal bad_instances[] = {
    {"%c" WANTS_FUNC "07( 01 43 01 'x' 79 01 00 ) 0a( 01 00 'g' 01 00 ) 05( 01 00 00 01 'f' 01 00 )", 0x39,
     "argument \"f\": expected func(x: u32), found async func(x: u32) " MATCHING},
    {"%c" WANTS_FUNC "05( 01 00 00 00 )", 0x27, "instantiation without the import \"f\" " INSTANCES},
    {"%c" WANTS_FUNC "05( 01 00 00 01 'f' 04 00 )", 0x27, "argument \"f\": expected func, found component " MATCHING},
    {"%c" WANTS_FUNC "07( 01 40 01 'x' 78 01 00 ) 0a( 01 00 'g' 01 00 ) 05( 01 00 00 01 'f' 01 00 )", 0x39,
     "argument \"f\": expected func(x: u32), found func(x: s64) " MATCHING},
    {"%c" WANTS_FUNC "07( 01 40 01 'y' 79 01 00 ) 0a( 01 00 'g' 01 00 ) 05( 01 00 00 01 'f' 01 00 )", 0x39,
     "argument \"f\": expected func(x: u32), found func(y: u32) " MATCHING},
    {"%c" WANTS_FUNC "05( 01 00 00 02 'f' 04 00 'f' 04 00 )", 0x2e, "two arguments of the name \"f\" " INSTANCES},
    {"%c" WANTS_SAME "0a( 02 00 'p' 03 01 00 'q' 03 01 ) 05( 01 00 00 02 'a' 03 00 'b' 03 01 )", 0x30,
     "argument \"b\": resource types are not the same " MATCHING},
    {"%c" WANTS_SAME "07( 01 79 ) 05( 01 00 00 01 'a' 03 00 )", 0x27,
     "argument \"a\": expected resource type, found value type " MATCHING},
    {"%c 04( %c 07( 01 42 01 04 00 'r' 03 01 ) 0a( 01 00 'i' 05 00 ) ) 05( 02 01 00 00 00 01 'i' 05 00 )", 0x2a,
     "argument \"i\", export \"r\": missing " MATCHING},
    {"%c 04( %c 07( 01 41 01 04 00 'r' 03 01 ) 0a( 01 00 'c' 04 00 ) ) 04( %c ) 05( 01 00 00 01 'c' 04 01 )", 0x32,
     "argument \"c\", export \"r\": missing " MATCHING},
    {"%c 04( %c 07( 01 41 00 ) 0a( 01 00 'c' 04 00 ) ) 04( %c 0a( 01 00 'r' 03 01 ) ) 05( 01 00 00 01 'c' 04 01 )",
     0x34, "argument \"c\", import \"r\": missing " MATCHING},
    {"%c 04( %c 03( 01 50 01 03 'm' 02 00 01 ) 0a( 01 00 'c' 00 11 00 ) ) 01( %m ) 05( 01 00 00 01 'c' 00 11 00 )",
     0x33, "argument \"c\", core import or export \"m\": missing, or of another type " MATCHING},
    {"%c 05( 01 01 00 ) 06( 01 01 00 00 'x' )", 0x10, "instance 0 has no export \"x\" " ALIASES},
    {"%c 07( 01 73 ) 05( 01 01 01 00 'x' 03 00 ) 06( 01 05 00 00 'x' )", 0x19,
     "export \"x\" of instance 0 is not an instance but a value type " ALIASES},
    {"%c 07( 01 42 00 ) 0a( 01 00 'i' 05 00 ) 07( 01 42 01 04 00 'r' 03 01 ) 0b( 01 00 'j' 05 00 01 05 01 )", 0x23,
     "type of the export \"j\", export \"r\": missing " MATCHING},
};

Test(val_refuses, instances_that_do_not_fit)
{
    expect_refusals(bad_instances, COUNT(bad_instances));
}

static const char *const good_instances[] = {
    "%c" WANTS_FUNC "07( 01 40 01 'x' 79 01 00 ) 0a( 01 00 'g' 01 00 ) 05( 01 00 00 02 'f' 01 00 'more' 01 00 )",
    "%c" WANTS_SAME "0a( 01 00 'p' 03 01 ) 05( 01 00 00 02 'a' 03 00 'b' 03 00 )",
    /* one component, instantiated twice, exports two resources that are each equal to themselves */
    "%c" WANTS_SAME "04( %c 07( 01 3f 7f 00 ) 0b( 01 00 'r' 03 00 00 ) ) 05( 02 00 01 00 00 01 00 ) 06( 01 03 00 00 'r' )"
    "05( 01 00 00 02 'a' 03 00 'b' 03 00 )",
};

Test(val_accepts, instances)
{
    expect_valid(good_instances, COUNT(good_instances));
}

Test(val_refuses, two_instances_of_one_component_have_different_resources)
{
    static const struct refusal refusal = {"%c" WANTS_SAME
                                           "04( %c 07( 01 3f 7f 00 ) 0b( 01 00 'r' 03 00 00 ) ) 05( 02 00 01 00 00 01 00 )"
                                           "06( 02 03 00 00 'r' 03 00 01 'r' ) 05( 01 00 00 02 'a' 03 00 'b' 03 01 )",
                                           0x52, "argument \"b\": resource types are not the same " MATCHING};
    expect_refusals(&refusal, 1);
}

/* --- aliases of outer scopes, external visibility --- */

static const struct refusal bad_scopes[] = {
    {"%c 06( 01 03 02 01 00 )", 0xb, "outer alias of 1 scopes up, but there are not so many " ALIASES},
    {"%c 06( 01 03 02 00 00 )", 0xb, "type index 0 is out of bounds: there are 0 so far " INSTANCES},
    {"%c 07( 01 3f 7f 00 ) 04( %c 06( 01 03 02 01 00 ) )", 0x1b,
     "outer alias of a type that refers to a resource, across a component boundary " ALIASES},
    {"%c 04( %c ) 07( 01 41 01 02 04 02 01 00 )", 0x17,
     "alias of a component in a type: only types and instances can be aliased here " TYPES},
    {"%c 07( 02 72 01 'x' 79 40 00 00 00 ) 0a( 01 00 'f' 01 01 )", 0x17,
     "import \"f\": this func mentions a type that is not itself imported before " VISIBILITY},
    {"%c 07( 02 3f 7f 00 69 00 ) 0b( 01 00 't' 03 01 00 )", 0x13,
     "export \"t\": this value type mentions a type that is not itself exported or imported before " VISIBILITY},
};

Test(val_refuses, scopes_that_leak)
{
    expect_refusals(bad_scopes, COUNT(bad_scopes));
}

static const char *const good_scopes[] = {
    "%c 07( 01 72 01 'x' 79 ) 04( %c 06( 01 03 02 01 00 ) )",
    "%c 07( 01 3f 7f 00 ) 07( 01 42 01 02 03 02 01 00 )",
    "%c 07( 01 72 01 'x' 79 ) 0a( 01 00 'rec' 03 00 00 ) 07( 01 40 00 00 01 ) 0a( 01 00 'f' 01 02 )",
    "%c 07( 01 3f 7f 00 ) 0b( 01 00 'r' 03 00 00 ) 07( 01 69 01 ) 0b( 01 00 't' 03 02 00 )",
};

Test(val_accepts, scopes)
{
    expect_valid(good_scopes, COUNT(good_scopes));
}

/* --- work is limited --- */

Test(val_refuses, types_that_unfold_without_end)
{
    struct ga_buf text = {0};
    struct ga_report report = {0};
    ga_buf_text(&text, "%c 07( 16 73");
    for (unsigned i = 0; i < 21; i++)
        ga_buf_printf(&text, " 6f 02 %02x %02x", i, i);
    ga_buf_text(&text, " )");
    cr_expect_eq(validate_made(ga_buf_cstr(&text), &report), GA_INVALID);
    cr_expect_str_eq(report.text, "type 18: type with too many parts " TYPES);
    ga_buf_free(&text);
}

/* A function's parts are counted together: 2^18 - 3 for each parameter and the result. */
Test(val_refuses, functions_of_too_many_parts)
{
    for (unsigned count = 2; count <= 3; count++) {
        struct ga_buf text = {0};
        struct ga_report report = {0};
        ga_buf_text(&text, "%c 07( 12 73");
        for (unsigned i = 0; i < 16; i++)
            ga_buf_printf(&text, " 6f 02 %02x %02x", i, i);
        ga_buf_printf(&text, " 40 %02x", count);
        for (unsigned i = 0; i < count; i++)
            ga_buf_printf(&text, " 'p%u' 10", i);
        ga_buf_text(&text, " 00 10 )");
        cr_expect_eq(validate_made(ga_buf_cstr(&text), &report), count == 2 ? GA_OK : GA_INVALID);
        if (count == 3)
            cr_expect_str_eq(report.text, "type 17: function whose parameters and result have too many parts " TYPES);
        ga_buf_free(&text);
    }
}

/* Each type has two instances of the one before it, each with resources of its own. */
Test(val_refuses, instance_types_that_double, .timeout = 20)
{
    struct ga_buf text = {0};
    struct ga_report report = {0};
    ga_buf_text(&text, "%c 07( 1f 42 01 04 00 'r' 03 01");
    for (unsigned i = 0; i < 30; i++)
        ga_buf_printf(&text, " 42 03 02 03 02 01 %02x 04 00 'a' 05 00 04 00 'b' 05 00", i);
    ga_buf_text(&text, " )");
    cr_expect_eq(validate_made(ga_buf_cstr(&text), &report), GA_LIMIT);
    cr_expect_str_eq(report.text, "too many steps of resolving and comparing types (limit is 20000000)");
    ga_buf_free(&text);
}
