/* CanonicalABI.md, "canonopt Validation" and "Canonical Definitions". */
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "ga_assert.h"
#include "ga_limits.h"
#include "name.h"
#include "val_parts.h"

#define SPEC "(CanonicalABI.md, Canonical Definitions)"
#define SPEC_OPTIONS "(CanonicalABI.md, canonopt Validation)"
#define MAX_FLAT_ASYNC_PARAMS 4

/* What the types of a definition ask of its options. */
struct needs {
    bool memory, realloc;
};

static enum ga_status fail(const struct type_scope *scope, const struct def *def, const char *text)
{
    return val_fail(scope, def->offset, "%s", text);
}

/* --- options --- */

static enum ga_status check_memory(struct type_scope *scope, const struct def *def)
{
    struct type_extern item = {0};
    if (!def->canon.has_memory)
        return def->canon.has_realloc ? fail(scope, def, "canonical option realloc without memory " SPEC_OPTIONS)
                                      : GA_OK;
    enum ga_status status = type_lookup(scope, SORT_CORE_MEMORY, def->canon.memory, def->offset, &item);
    if (status == GA_OK && (item.core->is64 || item.core->shared))
        return fail(scope, def, "canonical option memory with 64-bit addresses or sharing " SPEC_OPTIONS);
    return status;
}

static enum ga_status check_async(struct type_scope *scope, const struct def *def)
{
    const struct canon *canon = &def->canon;
    if (canon->has_callback && (!canon->async || canon->kind != CANON_LIFT))
        return fail(scope, def, "canonical option callback is for async lifts only " SPEC_OPTIONS);
    if (canon->has_post_return && (canon->async || canon->kind != CANON_LIFT))
        return fail(scope, def, "canonical option post-return is for synchronous lifts only " SPEC_OPTIONS);
    if (!canon->has_callback)
        return GA_OK;
    return val_core_func_check(scope, canon->callback, "iii", "i",
                               "canonical option callback must take three i32 and return an i32 " SPEC_OPTIONS,
                               def->offset);
}

static enum ga_status check_options(struct type_scope *scope, const struct def *def, struct needs needs)
{
    const struct canon *canon = &def->canon;
    enum ga_status status = check_memory(scope, def);
    if (status == GA_OK)
        status = check_async(scope, def);
    if (status == GA_OK && canon->has_realloc)
        status = val_core_func_check(scope, canon->realloc, "iiii", "i",
                                     "canonical option realloc must take four i32 and return an i32 " SPEC_OPTIONS,
                                     def->offset);
    if (status == GA_OK && (needs.memory || needs.realloc) && !canon->has_memory)
        return fail(scope, def, "canonical option memory is required by the function's type " SPEC_OPTIONS);
    if (status == GA_OK && needs.realloc && !canon->has_realloc)
        return fail(scope, def, "canonical option realloc is required by the function's type " SPEC_OPTIONS);
    return status;
}

/* --- lift and lower --- */

static bool params_have_pointer(const struct type_func *func)
{
    for (uint32_t i = 0; i < func->param_count; i++) {
        if (func->params[i].type->has_pointer)
            return true;
    }
    return false;
}

static uint32_t flat_params(struct ga_arena *arena, const struct type_func *func)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < func->param_count; i++)
        count += abi_layout(arena, func->params[i].type)->flat_count;
    return count;
}

static uint32_t flat_result(struct ga_arena *arena, const struct type_func *func)
{
    return func->result != NULL ? abi_layout(arena, func->result)->flat_count : 0;
}

static bool result_has_pointer(const struct type_func *func)
{
    return func->result != NULL && func->result->has_pointer;
}

/* flatten_functype; abi_ knows the synchronous form. */
static void flatten(struct ga_arena *arena, const struct type_func *func, const struct canon *canon,
                    struct core_func_type *out)
{
    bool lower = canon->kind == CANON_LOWER;
    abi_flatten_func(arena, func, lower && !canon->async, out);
    if (!canon->async)
        return;
    uint8_t *params = ga_arena_alloc(arena, GA_MAX_FLAT_PARAMS + 1);
    if (out->param_count > 0)
        memcpy(params, out->params, out->param_count);
    if (lower && out->param_count > MAX_FLAT_ASYNC_PARAMS) {
        params[0] = CORE_I32;
        out->param_count = 1;
    }
    if (lower && func->result != NULL)
        params[out->param_count++] = CORE_I32;
    static const uint8_t status[] = {CORE_I32};
    out->params = params;
    out->results = status;
    out->result_count = lower || canon->has_callback ? 1 : 0;
}

static void print_core_vals(uint32_t count, const uint8_t *vals, struct ga_buf *out)
{
    static const char *const names[] = {"i32", "i64", "f32", "f64", "v128", "funcref", "externref", "ref"};
    for (uint32_t i = 0; i < count && i < GA_MAX_FLAT_PARAMS + 1; i++)
        ga_buf_printf(out, "%s%s", i > 0 ? " " : "", names[vals[i]]);
}

static void print_core_func(const struct core_func_type *type, struct ga_buf *out)
{
    ga_buf_text(out, "[");
    print_core_vals(type->param_count, type->params, out);
    ga_buf_text(out, "] -> [");
    print_core_vals(type->result_count, type->results, out);
    ga_buf_text(out, "]");
}

static enum ga_status check_callee(struct type_scope *scope, const struct def *def,
                                   const struct core_func_type *expected)
{
    const struct core_func_type *actual;
    enum ga_status status = val_core_func_at(scope, def->canon.func, def->offset, &actual);
    if (status != GA_OK || type_core_func_equal(actual, expected))
        return status;
    struct ga_buf texts[2] = {{0}, {0}};
    print_core_func(expected, &texts[0]);
    print_core_func(actual, &texts[1]);
    status = val_fail(scope, def->offset, "lifted core func %u has type %s, but the function's type asks for %s " SPEC,
                      def->canon.func, ga_buf_cstr(&texts[1]), ga_buf_cstr(&texts[0]));
    ga_buf_free(&texts[0]);
    ga_buf_free(&texts[1]);
    return status;
}

static enum ga_status check_post_return(struct type_scope *scope, const struct def *def,
                                        const struct core_func_type *lifted)
{
    const struct core_func_type *actual;
    struct core_func_type expected = {.params = lifted->results, .param_count = lifted->result_count};
    if (!def->canon.has_post_return)
        return GA_OK;
    enum ga_status status = val_core_func_at(scope, def->canon.post_return, def->offset, &actual);
    if (status == GA_OK && !type_core_func_equal(actual, &expected))
        return fail(scope, def, "canonical option post-return must take the results of the lifted function " SPEC);
    return status;
}

static enum ga_status lift(struct type_scope *scope, const struct def *def)
{
    struct ga_arena *arena = scope->context->arena;
    const struct type_func *func;
    struct core_func_type flat;
    enum ga_status status = type_func_at(scope, def->canon.type, def->offset, &func);
    if (status == GA_OK)
        status = type_work(scope->context, TYPE_NODE_WORK * (4 + (uint64_t)func->param_count), def->offset);
    if (status != GA_OK)
        return status;
    if (def->canon.async && !func->async)
        return fail(scope, def, "canonical option async for a function that is not async " SPEC_OPTIONS);
    bool spilled = flat_params(arena, func) > GA_MAX_FLAT_PARAMS;
    struct needs needs = {
        .memory = result_has_pointer(func) ||
                  flat_result(arena, func) > (def->canon.async ? GA_MAX_FLAT_PARAMS : GA_MAX_FLAT_RESULTS),
        .realloc = spilled || params_have_pointer(func),
    };
    flatten(arena, func, &def->canon, &flat);
    status = check_options(scope, def, needs);
    if (status == GA_OK)
        status = check_callee(scope, def, &flat);
    if (status == GA_OK)
        status = check_post_return(scope, def, &flat);
    return status == GA_OK ? type_push(scope, SORT_FUNC, (struct type_extern){.kind = EXTERN_FUNC, .func = func})
                           : status;
}

static enum ga_status lower(struct type_scope *scope, const struct def *def)
{
    struct ga_arena *arena = scope->context->arena;
    struct type_extern item = {0};
    struct core_func_type flat;
    enum ga_status status = type_lookup(scope, SORT_FUNC, def->canon.func, def->offset, &item);
    if (status == GA_OK)
        status = type_work(scope->context, TYPE_NODE_WORK * (4 + (uint64_t)item.func->param_count), def->offset);
    if (status != GA_OK)
        return status;
    if (def->canon.async && !item.func->async)
        return fail(scope, def, "canonical option async for a function that is not async " SPEC_OPTIONS);
    uint32_t max_params = def->canon.async ? MAX_FLAT_ASYNC_PARAMS : GA_MAX_FLAT_PARAMS;
    uint32_t max_results = def->canon.async ? 0 : GA_MAX_FLAT_RESULTS;
    struct needs needs = {
        .memory = params_have_pointer(item.func) || flat_params(arena, item.func) > max_params ||
                  flat_result(arena, item.func) > max_results,
        .realloc = result_has_pointer(item.func),
    };
    flatten(arena, item.func, &def->canon, &flat);
    status = check_options(scope, def, needs);
    return status == GA_OK ? val_push_core_func(scope, &flat) : status;
}

/* --- resources --- */

static enum ga_status resource(struct type_scope *scope, const struct def *def)
{
    struct type_extern item = {0};
    struct core_func_type type;
    enum ga_status status = type_lookup(scope, SORT_TYPE, def->canon.type, def->offset, &item);
    if (status != GA_OK)
        return status;
    if (item.kind != EXTERN_RESOURCE)
        return val_fail(scope, def->offset, "type index %u is not a resource type but %s " SPEC, def->canon.type,
                        type_extern_a(item.kind));
    if (def->canon.kind != CANON_RESOURCE_DROP && item.resource->definer != scope)
        return fail(scope, def, "resource.new or resource.rep of a resource that this component does not define " SPEC);
    static const char *const params[] = {
        [CANON_RESOURCE_NEW] = "v", [CANON_RESOURCE_DROP] = "i", [CANON_RESOURCE_REP] = "i"};
    static const char *const results[] = {
        [CANON_RESOURCE_NEW] = "i", [CANON_RESOURCE_DROP] = "", [CANON_RESOURCE_REP] = "v"};
    uint8_t rep = item.resource->definer == scope ? item.resource->def->type.rep : CORE_I32;
    val_core_func_type(scope->context->arena, params[def->canon.kind], results[def->canon.kind], rep, &type);
    return val_push_core_func(scope, &type);
}

/* --- the other built-ins --- */

static enum ga_status check_core_type(struct type_scope *scope, const struct def *def, uint32_t index)
{
    struct type_extern item = {0};
    struct core_func_type start;
    enum ga_status status = type_lookup(scope, SORT_CORE_TYPE, index, def->offset, &item);
    val_core_func_type(scope->context->arena, "i", "", 0, &start);
    if (status == GA_OK && (item.core_type->func == NULL || !type_core_func_equal(item.core_type->func, &start)))
        return fail(scope, def, "the start function of a thread must take an i32 and return nothing " SPEC);
    return status;
}

static enum ga_status check_table(struct type_scope *scope, const struct def *def, uint32_t index)
{
    struct type_extern item = {0};
    enum ga_status status = type_lookup(scope, SORT_CORE_TABLE, index, def->offset, &item);
    if (status == GA_OK && item.core->value != CORE_FUNCREF)
        return fail(scope, def, "the table of start functions must be one of funcref " SPEC);
    return status;
}

/* The stream or future that a built-in is about; what it reads or writes asks for options. */
static enum ga_status check_stream(struct type_scope *scope, const struct def *def,
                                   const struct bin_canon_builtin *builtin, struct needs *needs)
{
    struct type_extern item = {0};
    enum ga_status status = type_lookup(scope, SORT_TYPE, def->canon.operands[0], def->offset, &item);
    enum val_kind wanted = strncmp(builtin->name, "stream.", 7) == 0 ? VAL_STREAM : VAL_FUTURE;
    if (status != GA_OK)
        return status;
    if (item.kind != EXTERN_TYPE || item.value->kind != wanted)
        return val_fail(scope, def->offset, "%s of type index %u, which is not a %s " SPEC, builtin->name,
                        def->canon.operands[0], wanted == VAL_STREAM ? "stream" : "future");
    const struct type_val *element = item.value->element;
    if (strchr(builtin->operands, 'o') != NULL && element != NULL) {
        needs->memory = true;
        needs->realloc = element->has_pointer && strstr(builtin->name, ".read") != NULL;
    }
    return GA_OK;
}

static enum ga_status check_operands(struct type_scope *scope, const struct def *def,
                                     const struct bin_canon_builtin *builtin, struct needs *needs)
{
    const uint32_t *operand = def->canon.operands;
    struct type_extern item = {0};
    enum ga_status status = GA_OK;
    for (const char *letter = builtin->operands; *letter != 0 && status == GA_OK; letter++) {
        switch (*letter) {
        case 't': status = check_stream(scope, def, builtin, needs); break;
        case 'f': status = check_core_type(scope, def, *operand); break;
        case 'm': status = type_lookup(scope, SORT_CORE_MEMORY, *operand, def->offset, &item); break;
        case 'T': status = check_table(scope, def, *operand); break;
        case 'v':
            if (*operand != CORE_I32)
                status = fail(scope, def, "context of another type than i32 " SPEC);
            break;
        case 'u':
            if (*operand > 1)
                status = fail(scope, def, "context slot above 1 " SPEC);
            break;
        }
        operand += strchr("tfmTuvc", *letter) != NULL;
    }
    return status;
}

/* task.return: as a lowered function that takes the task's result. */
static enum ga_status task_return(struct type_scope *scope, const struct def *def, struct needs *needs,
                                  struct core_func_type *out)
{
    struct ga_arena *arena = scope->context->arena;
    struct type_member param = {0};
    enum ga_status status = type_val_at(scope, def->canon.result, def->offset, &param.type);
    if (status != GA_OK)
        return status;
    if (def->canon.has_realloc || def->canon.async)
        return fail(scope, def, "task.return with options other than memory and string-encoding " SPEC);
    if (param.type != NULL && param.type->has_borrow)
        return fail(scope, def, "task.return of a type with a borrow inside " SPEC);
    struct type_func func = {.param_count = param.type != NULL, .params = &param};
    needs->memory = params_have_pointer(&func) || flat_params(arena, &func) > GA_MAX_FLAT_PARAMS;
    abi_flatten_func(arena, &func, true, out);
    return GA_OK;
}

static enum ga_status builtin(struct type_scope *scope, const struct def *def)
{
    const struct bin_canon_builtin *builtin = bin_canon_find(def->canon.opcode);
    struct core_func_type type;
    struct needs needs = {false, false};
    GA_ASSERT(builtin != NULL);
    enum ga_status status = check_operands(scope, def, builtin, &needs);
    if (status == GA_OK && strchr(builtin->operands, 'r') != NULL)
        status = task_return(scope, def, &needs, &type);
    else if (status == GA_OK)
        val_core_func_type(scope->context->arena, builtin->params != NULL ? builtin->params : "vi",
                           builtin->results != NULL ? builtin->results : "i",
                           strchr(builtin->operands, 'v') != NULL ? (uint8_t)def->canon.operands[0] : CORE_OTHER, &type);
    if (status == GA_OK && strchr(builtin->operands, 'o') != NULL)
        status = check_options(scope, def, needs);
    return status == GA_OK ? val_push_core_func(scope, &type) : status;
}

enum ga_status val_canon(struct type_scope *scope, const struct def *def)
{
    static enum ga_status (*const validators[])(struct type_scope *scope, const struct def *def) = {
        [CANON_LIFT] = lift,
        [CANON_LOWER] = lower,
        [CANON_RESOURCE_NEW] = resource,
        [CANON_RESOURCE_DROP] = resource,
        [CANON_RESOURCE_REP] = resource,
        [CANON_ASYNC] = builtin,
    };
    return validators[def->canon.kind](scope, def);
}
