#include "wasm_made.h"

#include <stdio.h>

#include "ga_limits.h"
#include "type_surface.h"
#include "val.h"

static struct ga_arena arena;
static struct ga_report report;
static struct type_context context = {.arena = &arena, .report = &report};

static void free_arena(void)
{
    ga_arena_free(&arena);
}

TestSuite(type_define, .fini = free_arena);
TestSuite(type_equal, .fini = free_arena);
TestSuite(type_text, .fini = free_arena);
TestSuite(type_limits, .fini = free_arena);
TestSuite(type_instance, .fini = free_arena);
TestSuite(type_core, .fini = free_arena);

static const struct component *read_made(const char *notation)
{
    struct slice bytes = wasm_made(&arena, notation);
    struct component *component;
    enum ga_status status = bin_read(&arena, (const uint8_t *)bytes.data, bytes.size, &component, &report);
    cr_assert_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report.offset, report.text);
    return component;
}

/* The scope of a valid component. */
static struct type_scope *scope_made(const char *notation)
{
    struct type_scope *scope;
    enum ga_status status = val_component_scope(&context, read_made(notation), &scope);
    cr_assert_eq(status, GA_OK, "0x%llx: %s", (unsigned long long)report.offset, report.text);
    return scope;
}

static struct type_extern type_at(const struct type_scope *scope, uint32_t index)
{
    struct type_extern item;
    cr_assert_eq(type_lookup(scope, SORT_TYPE, index, 0, &item), GA_OK);
    return item;
}

static void expect_text(struct ga_buf *text, const char *wanted)
{
    cr_expect_str_eq(ga_buf_cstr(text), wanted);
    ga_buf_free(text);
}

static void expect_signature(const struct type_func *func, const char *wanted)
{
    struct ga_buf text = {0};
    type_func_signature(func, &text);
    expect_text(&text, wanted);
}

static struct slice slice(const char *text)
{
    return (struct slice){text, (uint32_t)strlen(text)};
}

/* --- definitions --- */

/* What link_ does: the same definitions evaluated in two scopes. */
Test(type_define, a_resource_defined_twice_is_two_resources)
{
    const struct component *component = read_made("%c 07( 03 3f 7f 00 69 00 40 00 00 01 )");
    const struct type_func *funcs[2];
    for (unsigned i = 0; i < 2; i++) {
        struct type_scope *scope = type_scope_new(&context, NULL, SCOPE_COMPONENT);
        for (uint32_t j = 0; j < component->defs.count; j++) {
            struct type_extern item;
            cr_assert_eq(type_define(scope, &component->defs.items[j], &item), GA_OK);
            cr_assert_eq(type_push(scope, SORT_TYPE, item), GA_OK);
        }
        cr_assert_eq(type_func_at(scope, 2, 0, &funcs[i]), GA_OK);
        cr_expect_eq(type_at(scope, 0).resource->definer, scope);
        cr_expect_eq(scope->resources.count, 1);
    }
    cr_expect(type_func_equal(funcs[0], funcs[0], false));
    cr_expect_not(type_func_equal(funcs[0], funcs[1], false));
    cr_expect(type_func_equal(funcs[0], funcs[1], true), "by name they are equal");
}

Test(type_define, what_is_known_of_a_type_comes_from_its_parts)
{
    struct type_scope *scope = scope_made("%c 07( 06 3f 7f 00 68 00 70 01 72 01 'h' 02 66 01 73 6f 02 79 79 )");
    const struct type_val *list = type_at(scope, 2).value, *record = type_at(scope, 3).value;
    cr_expect(list->has_borrow && list->has_resource && list->has_pointer && list->depth == 2 && list->size == 2);
    cr_expect(record->has_borrow && record->depth == 3 && record->size == 4);
    cr_expect_not(type_at(scope, 4).value->has_pointer, "what is behind a stream is not in memory");
    cr_expect(!type_at(scope, 5).value->has_resource && !type_at(scope, 5).value->has_pointer);
}

Test(type_define, result_and_map_keep_their_parts_apart)
{
    struct type_scope *scope = scope_made("%c 07( 02 6a 01 79 01 73 63 7f 77 )");
    const struct type_val *result = type_at(scope, 0).value, *map = type_at(scope, 1).value;
    cr_expect(result->element->kind == VAL_U32 && result->err->kind == VAL_STRING);
    cr_expect(map->element->kind == VAL_U64 && map->err->kind == VAL_BOOL);
}

Test(type_define, a_failure_names_the_type_and_where_it_is)
{
    const struct component *component = read_made("%c 07( 01 72 00 )");
    struct type_scope *scope = type_scope_new(&context, NULL, SCOPE_COMPONENT);
    struct type_extern item;
    cr_expect_eq(type_define(scope, &component->defs.items[0], &item), GA_INVALID);
    cr_expect_str_eq(report.text, "type 0: record without fields (Binary.md, Type Definitions)");
    cr_expect_eq(report.offset, 0xb);
}

/* --- equality and text --- */

Test(type_equal, structure_counts_and_names_of_types_do_not)
{
    struct type_scope *scope =
        scope_made("%c 07( 05 72 01 'x' 79 72 01 'x' 79 72 01 'y' 79 72 01 'x' 78 71 01 'x' 01 79 00 )"
                   "0b( 01 00 'named' 03 01 00 )");
    const struct type_val *first = type_at(scope, 0).value;
    cr_expect(type_val_equal(first, type_at(scope, 1).value, false));
    cr_expect(type_val_equal(first, type_at(scope, 5).value, false));
    for (uint32_t other = 2; other < 5; other++)
        cr_expect_not(type_val_equal(first, type_at(scope, other).value, false), "type %u", other);
    cr_expect_neq(type_at(scope, 1).value->alias, type_at(scope, 5).value->alias);
    cr_expect_eq(type_at(scope, 5).value->origin, type_at(scope, 1).value->alias);
}

Test(type_text, signatures_of_every_kind_of_type)
{
    static const struct {
        const char *type, *text;
    } cases[] = {
        {"72 02 'a' 73 'b' 7d", "record{a: string, b: u8}"},
        {"71 02 'a' 00 00 'b' 01 79 00", "variant{a, b(u32)}"},
        {"6d 02 'a' 'b'", "enum{a, b}"},
        {"6e 02 'a' 'b'", "flags{a, b}"},
        {"6f 02 79 74", "tuple<u32, char>"},
        {"70 7f", "list<bool>"},
        {"67 7e 04", "list<s8, 4>"},
        {"6b 76", "option<f32>"},
        {"6a 00 00", "result"},
        {"6a 01 79 00", "result<u32>"},
        {"6a 00 01 79", "result<_, u32>"},
        {"6a 01 79 01 73", "result<u32, string>"},
        {"63 73 79", "map<string, u32>"},
        {"66 00", "stream"},
        {"65 01 75", "future<f64>"},
        {"64", "error-context"},
        {"77", "u64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char notation[128];
        struct ga_buf text = {0};
        snprintf(notation, sizeof notation, "%%c 07( 01 %s )", cases[i].type);
        type_val_signature(type_at(scope_made(notation), 0).value, &text);
        expect_text(&text, cases[i].text);
    }
}

Test(type_text, a_function_with_resources_by_the_last_part_of_their_name)
{
    struct type_scope *scope =
        scope_made("%c 07( 01 42 05 04 00 'in-put' 03 01  01 68 00  01 69 00  01 40 02 'self' 01 'n' 77 00 02"
                   "  04 00 '[method]in-put.m' 01 03 ) 0a( 01 00 'p:q/r@1.2.3' 05 00 )");
    const struct type_instance *instance = scope->spaces[SORT_INSTANCE].items[0].instance;
    const struct type_extern *resource = ga_map_get(&instance->exports, "in-put", 6);
    const struct type_extern *method = ga_map_get(&instance->exports, "[method]in-put.m", 16);
    cr_assert(resource != NULL && method != NULL);
    cr_expect_eq(resource->resource->name.size, strlen("p:q/r@1.2.3.in-put"));
    cr_expect(memcmp(resource->resource->name.data, "p:q/r@1.2.3.in-put", 18) == 0);
    expect_signature(method->func, "func(self: borrow<in-put>, n: u64) -> own<in-put>");
    struct ga_buf text = {0};
    type_func_print(method->func, &text);
    expect_text(&text, "func(self: borrow<in-put>, n: u64) -> in-put");
}

Test(type_text, an_async_function_without_result)
{
    expect_signature(type_at(scope_made("%c 07( 01 43 00 01 00 )"), 0).func, "async func()");
}

/* --- made without definitions --- */

Test(type_limits, primitives_are_made_once)
{
    cr_expect_eq(type_primitive(&context, VAL_U8), type_primitive(&context, VAL_U8));
    cr_expect_eq(type_primitive(&context, VAL_ERROR_CONTEXT)->kind, VAL_ERROR_CONTEXT);
}

Test(type_limits, a_type_nested_to_the_limit_and_one_deeper)
{
    const struct type_val *type = type_primitive(&context, VAL_U8);
    for (unsigned depth = 2; depth <= GA_MAX_TYPE_DEPTH; depth++) {
        type = type_val_new(&context, &(struct type_val){.kind = VAL_OPTION, .element = type});
        cr_assert_not_null(type, "depth %u", depth);
    }
    cr_expect_eq(type->depth, GA_MAX_TYPE_DEPTH);
    cr_expect_null(type_val_new(&context, &(struct type_val){.kind = VAL_OPTION, .element = type}));
}

Test(type_limits, sizes_in_bytes_count_with_64_bit_addresses)
{
    const struct type_val *text = type_primitive(&context, VAL_STRING);
    struct type_val list = {.kind = VAL_FIXED_LIST, .element = text, .length = (1u << 24) - 1};
    cr_expect_not_null(type_val_new(&context, &list), "2^28 - 16 bytes");
    list.length++;
    cr_expect_null(type_val_new(&context, &list), "2^28 bytes");
    struct type_member members[] = {{{"a", 1}, type_primitive(&context, VAL_U8)}, {{"b", 1}, text}};
    const struct type_val *record =
        type_val_new(&context, &(struct type_val){.kind = VAL_RECORD, .members = members, .member_count = 2});
    cr_expect(record->bound_size == 24 && record->bound_align == 8);
}

/* --- instances --- */

#define INSTANCE_TYPE "42 03 04 00 'r' 03 01 01 69 00 04 00 't' 03 00 01"

Test(type_instance, each_use_of_an_instance_type_opens_it_anew)
{
    struct type_scope *scope = scope_made("%c 07( 01 " INSTANCE_TYPE " ) 0a( 02 00 'i' 05 00 00 'j' 05 00 )");
    const struct type_extern *items = scope->spaces[SORT_INSTANCE].items;
    const struct type_extern *first = ga_map_get(&items[0].instance->exports, "r", 1);
    const struct type_extern *second = ga_map_get(&items[1].instance->exports, "r", 1);
    cr_expect_neq(first->resource->id, second->resource->id);
    cr_expect(first->resource->imported && second->resource->imported);
    cr_expect_eq(scope->import_resources.count, 2);
    const struct type_extern *handle = ga_map_get(&items[1].instance->exports, "t", 1);
    cr_expect_eq(handle->value->resource, second->resource, "what mentions it goes with it");
    cr_expect_eq(items[0].instance->resources.count, 0, "nothing is left open");
    cr_expect_eq(type_at(scope, 0).instance->resources.count, 1, "the type itself is as it was");
}

Test(type_instance, instantiation_binds_imports_and_makes_fresh_what_is_defined)
{
    /* imports resource "in", exports it as "out" and one of its own as "own" */
    struct type_scope *scope =
        scope_made("%c 04( %c 0a( 01 00 'in' 03 01 ) 07( 01 3f 7f 00 ) 0b( 02 00 'out' 03 00 00 00 'own' 03 01 00 ) )"
                   "07( 01 3f 7f 00 ) 05( 02 00 00 01 'in' 03 00 00 00 01 'in' 03 00 )");
    const struct type_extern *items = scope->spaces[SORT_INSTANCE].items;
    const struct type_resource *given = type_at(scope, 0).resource;
    const struct type_extern *outs[2], *owns[2];
    for (unsigned i = 0; i < 2; i++) {
        outs[i] = ga_map_get(&items[i].instance->exports, "out", 3);
        owns[i] = ga_map_get(&items[i].instance->exports, "own", 3);
        cr_expect_eq(outs[i]->resource, given);
        cr_expect_null(owns[i]->resource->definer, "not this component's own");
    }
    cr_expect_neq(owns[0]->resource->id, owns[1]->resource->id);
}

Test(type_instance, handles_in_exports_are_of_the_resource_that_was_given)
{
    struct type_scope *scope = scope_made("%c 04( %c 0a( 01 00 'in' 03 01 ) 07( 02 69 00 40 01 'x' 01 01 00 )"
                                          "  0a( 01 00 'f' 01 02 ) 0b( 01 00 'g' 01 00 00 ) )"
                                          "07( 01 3f 7f 00 ) 0b( 01 00 'r' 03 00 00 ) 07( 02 69 01 40 01 'x' 02 01 00 )"
                                          "0a( 01 00 's' 03 01 ) 07( 02 69 04 40 01 'x' 05 01 00 ) 0a( 01 00 'h' 01 06 )"
                                          "05( 01 00 00 02 'in' 03 04 'f' 01 00 )");
    const struct type_extern *exported = ga_map_get(&scope->spaces[SORT_INSTANCE].items[0].instance->exports, "g", 1);
    const struct type_extern given = type_at(scope, 4);
    cr_expect_eq(exported->func->params[0].type->resource, given.resource);
    cr_expect_eq(exported->func->params[0].type->alias, given.alias, "and under the name that it has there");
}

Test(type_instance, an_export_with_a_type_of_its_own_hides_what_it_is)
{
    struct type_scope *scope =
        scope_made("%c 07( 01 3f 7f 00 ) 0b( 02 00 'plain' 03 00 00 00 'opaque' 03 00 01 03 01 )");
    const struct type_extern *plain = ga_map_get(&scope->exports->items, "plain", 5);
    const struct type_extern *opaque = ga_map_get(&scope->exports->items, "opaque", 6);
    cr_expect_eq(plain->resource, type_at(scope, 0).resource);
    cr_expect_neq(opaque->resource->id, plain->resource->id);
}

Test(type_instance, an_import_under_another_name_is_the_same_resource)
{
    struct type_scope *scope = scope_made("%c 0a( 02 00 'a' 03 01 00 'b' 03 00 00 )");
    cr_expect_eq(type_at(scope, 0).resource, type_at(scope, 1).resource);
    cr_expect_neq(type_at(scope, 0).alias, type_at(scope, 1).alias);
}

Test(type_instance, a_label_is_the_last_part_of_a_name)
{
    struct type_resource *resource = type_resource_new(&context, slice("wasi:io/streams@0.2.0.input-stream"));
    cr_expect_eq(type_resource_label(resource).size, 12);
    resource = type_resource_new(&context, slice("bare"));
    cr_expect_eq(type_resource_label(resource).size, 4);
}

/* --- core types --- */

Test(type_core, limits_of_what_is_given_lie_within_those_asked_for)
{
    struct core_extern_type given = {.kind = CORE_EXTERN_MEMORY, .min = 2, .page_size_log2 = 16};
    struct core_extern_type wanted = {.kind = CORE_EXTERN_MEMORY, .min = 1, .page_size_log2 = 16};
    cr_expect(type_core_matches(&given, &wanted));
    wanted.min = 3;
    cr_expect_not(type_core_matches(&given, &wanted));
    wanted.min = 2;
    wanted.has_max = true;
    wanted.max = 4;
    cr_expect_not(type_core_matches(&given, &wanted), "no maximum is given");
    given.has_max = true;
    given.max = 5;
    cr_expect_not(type_core_matches(&given, &wanted));
    given.max = 4;
    cr_expect(type_core_matches(&given, &wanted));
    given.shared = true;
    cr_expect_not(type_core_matches(&given, &wanted));
}

Test(type_core, functions_tables_and_globals_match_exactly)
{
    static const uint8_t i32[] = {CORE_I32}, i64[] = {CORE_I64};
    struct core_extern_type func = {.kind = CORE_EXTERN_FUNC, .func = {.param_count = 1, .params = i32}};
    struct core_extern_type other = {.kind = CORE_EXTERN_FUNC, .func = {.param_count = 1, .params = i64}};
    cr_expect(type_core_matches(&func, &func));
    cr_expect_not(type_core_matches(&func, &other));
    struct core_extern_type global = {.kind = CORE_EXTERN_GLOBAL, .value = CORE_I32};
    struct core_extern_type mutable = {.kind = CORE_EXTERN_GLOBAL, .value = CORE_I32, .mutable = true};
    cr_expect_not(type_core_matches(&global, &mutable));
    cr_expect_not(type_core_matches(&func, &global));
    struct core_extern_type funcs = {.kind = CORE_EXTERN_TABLE, .value = CORE_FUNCREF};
    struct core_extern_type externs = {.kind = CORE_EXTERN_TABLE, .value = CORE_EXTERNREF};
    cr_expect_not(type_core_matches(&funcs, &externs));
}
