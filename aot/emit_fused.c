#include <string.h>

#include "emit_parts.h"
#include "ga_assert.h"
#include "ga_limits.h"

/*
 * Fused adapters: a call from one component instance to another as straight-line C, one statement a field, in the order of
 * CanonicalABI.md. wasm2c-rt/include/rt_transfer.h has the vocabulary and says why lifting and lowering may alternate.
 *
 * Both functions have equal types but for the identities of resources, so a value has the same layout and the same flat types on
 * both sides, and all that is ever needed is two walks over a pair of types:
 *   - flat to flat: from core arguments a<i> to core arguments b<i>, or from the core result r0 to c0. A slot that the
 *     types of several cases share has their joined type; only the low bits count, and what a case does not use is 0.
 *   - memory to memory: from `from` to `into`, both checked and allocated as a whole before.
 * A list is a function of its own, which walks its items; equal ones are written once. An adapter that would take more
 * than FUSED_STATEMENTS_MAX statements is not fused, nor are those of a component with more than FUSED_STATEMENTS_TOTAL_MAX
 * from there on: rt_call_component does the same by descriptor.
 */
#define FUSED_STATEMENTS_MAX 500
#define FUSED_STATEMENTS_TOTAL_MAX 100000

/* --- what is fused --- */

/* Adds the statements that a type takes, and stops counting beyond the limit: the type may be huge. */
static void count_statements(const struct type_val *type, uint32_t *count)
{
    ++*count;
    if (type->kind > VAL_BORROW)
        *count = FUSED_STATEMENTS_MAX + 1;
    if (type->element != NULL && *count <= FUSED_STATEMENTS_MAX)
        count_statements(type->element, count);
    if (type->err != NULL && *count <= FUSED_STATEMENTS_MAX)
        count_statements(type->err, count);
    for (uint32_t i = 0; i < type->member_count && *count <= FUSED_STATEMENTS_MAX; i++)
        if (type->members[i].type != NULL)
            count_statements(type->members[i].type, count);
}

/* True if `inner` is `outer` or instantiated, at any depth, by it. */
static bool is_inside(const struct plan *plan, uint32_t inner, uint32_t outer)
{
    while (inner != outer && inner != 0)
        inner = plan->component_instances.items[inner].parent;
    return inner == outer;
}

bool emit_is_fused(struct emitter *emitter, const struct plan_lower *lower, const struct plan_lift *lift)
{
    uint32_t caller = lower->options.component_instance, callee = lift->options.component_instance, count = 0;
    if (is_inside(emitter->plan, caller, callee) || is_inside(emitter->plan, callee, caller))
        return false; /* it traps */
    for (uint32_t i = 0; i < lower->type->param_count && count <= FUSED_STATEMENTS_MAX; i++)
        count_statements(lower->type->params[i].type, &count);
    if (lower->type->result != NULL)
        count_statements(lower->type->result, &count);
    if (count > FUSED_STATEMENTS_MAX || emitter->fused_statements + count > FUSED_STATEMENTS_TOTAL_MAX)
        return false;
    emitter->fused_statements += count;
    return true;
}

/* --- a function body under construction --- */

struct fused {
    struct emitter *emitter;
    struct ga_buf *out;
    unsigned level;       /* of indentation */
    uint32_t name_count;  /* of local variables that need a number */
    const char *transfer; /* the address of the struct rt_transfer in use */

    /* Flat to flat. */
    const uint8_t *slots; /* their types */
    char from, into;      /* letters of the variables */
    bool is_case;         /* the slots' variables exist and are 0 */
    const char **values;  /* for each slot, what the destination's is */
};

#define FORMAT(fused, ...) ga_arena_printf((fused)->emitter->arena, __VA_ARGS__)

static void put_indent(struct fused *fused)
{
    ga_buf_printf(fused->out, "%*s", (int)(4 * fused->level), "");
}

static void put_line(struct fused *fused, const char *text)
{
    put_indent(fused);
    ga_buf_text(fused->out, text);
    ga_buf_u8(fused->out, '\n');
}

#define PUT(fused, ...) put_line(fused, FORMAT(fused, __VA_ARGS__))

/* Of the field or case that comes next. */
static void put_name(struct fused *fused, struct slice name)
{
    if (name.size == 0)
        return;
    put_indent(fused);
    ga_buf_text(fused->out, "/* ");
    abi_put_comment(fused->out, name.data, name.size);
    ga_buf_text(fused->out, " */\n");
}

static void open_block(struct fused *fused, const char *text)
{
    put_line(fused, text);
    fused->level++;
}

static void close_block(struct fused *fused)
{
    fused->level--;
    put_line(fused, "}");
}

static const struct abi_layout *layout_of(const struct fused *fused, const struct type_val *type)
{
    return abi_layout(fused->emitter->arena, type);
}

static uint32_t case_count(const struct type_val *type)
{
    return type->kind == VAL_OPTION || type->kind == VAL_RESULT ? 2 : type->member_count;
}

static struct type_member case_at(const struct type_val *type, uint32_t number)
{
    static const struct slice some = {"some", 4}, ok = {"ok", 2}, error = {"error", 5};
    switch (type->kind) {
    case VAL_OPTION:
        return (struct type_member){some, number == 0 ? NULL : type->element};
    case VAL_RESULT:
        return (struct type_member){number == 0 ? ok : error, number == 0 ? type->element : type->err};
    default:
        return type->members[number];
    }
}

static bool has_payload(const struct type_val *type)
{
    for (uint32_t i = 0; i < case_count(type); i++)
        if (case_at(type, i).type != NULL)
            return true;
    return false;
}

static uint32_t flags_mask(const struct type_val *type)
{
    return type->member_count >= 32 ? UINT32_MAX : (1u << type->member_count) - 1;
}

static const char *handle_call(struct fused *fused, const struct type_val *from, const struct type_val *into,
                               const char *handle)
{
    return FORMAT(fused, "rt_transfer_%s(%s, %s, %s, %s)", from->kind == VAL_OWN ? "own" : "borrow", fused->transfer,
                  emit_resource_ref(fused->emitter, from->resource), emit_resource_ref(fused->emitter, into->resource),
                  handle);
}

static const char *list_call(struct fused *fused, const struct type_val *from, const struct type_val *into,
                             const char *addr, const char *count);

/* --- memory to memory --- */

static void put_stored(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t offset);

static const char *place(struct fused *fused, const char *base, uint32_t offset)
{
    return offset == 0 ? base : FORMAT(fused, "%s + %u", base, offset);
}

static void put_stored_record(struct fused *fused, const struct type_val *from, const struct type_val *into,
                              uint32_t offset)
{
    const struct abi_layout *layout = layout_of(fused, from);
    for (uint32_t i = 0; i < from->member_count; i++) {
        put_name(fused, from->members[i].name);
        put_stored(fused, from->members[i].type, into->members[i].type, offset + layout->offsets[i]);
    }
}

static void put_stored_case(struct fused *fused, const struct type_val *from, const struct type_val *into,
                            uint32_t number, uint32_t offset)
{
    open_block(fused, FORMAT(fused, "case %u: {", number));
    put_name(fused, case_at(from, number).name);
    put_stored(fused, case_at(from, number).type, case_at(into, number).type,
               offset + layout_of(fused, from)->payload_offset);
    put_line(fused, "break;");
    close_block(fused);
}

static void put_stored_variant(struct fused *fused, const struct type_val *from, const struct type_val *into,
                               uint32_t offset)
{
    unsigned bits = 8 * layout_of(fused, from)->discriminant_size;
    const char *tag = FORMAT(fused, "rt_case(rt_get_u%u(%s), %u)", bits, place(fused, "from", offset), case_count(from));
    if (has_payload(from)) {
        const char *name = FORMAT(fused, "tag%u", fused->name_count++);
        PUT(fused, "uint32_t %s = %s;", name, tag);
        tag = name;
    }
    PUT(fused, "rt_put_u%u(%s, %s%s);", bits, place(fused, "into", offset),
        bits == 8 ? "(uint8_t)" : bits == 16 ? "(uint16_t)" : "", tag);
    if (!has_payload(from))
        return;
    PUT(fused, "switch (%s) {", tag);
    for (uint32_t i = 0; i < case_count(from); i++)
        if (case_at(from, i).type != NULL)
            put_stored_case(fused, from, into, i, offset);
    put_line(fused, "}");
}

static void put_stored_flags(struct fused *fused, const struct type_val *type, uint32_t offset)
{
    uint32_t size = layout_of(fused, type)->size;
    const char *from = place(fused, "from", offset), *into = place(fused, "into", offset);
    if (type->member_count == 8 * size)
        PUT(fused, "memcpy(%s, %s, %u);", into, from, size);
    else
        PUT(fused, "rt_put_u%u(%s, rt_get_u%u(%s) & 0x%x);", 8 * size, into, 8 * size, from, flags_mask(type));
}

static void put_stored(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t offset)
{
    const char *at = place(fused, "from", offset), *to = place(fused, "into", offset);
    switch (from->kind) {
    case VAL_BOOL:
        PUT(fused, "rt_put_u8(%s, rt_get_u8(%s) != 0);", to, at);
        return;
    case VAL_CHAR:
        PUT(fused, "rt_put_u32(%s, rt_char(rt_get_u32(%s)));", to, at);
        return;
    case VAL_STRING:
        PUT(fused, "rt_put_string(%s, rt_transfer_string(%s, rt_get_u32(%s), rt_get_u32(from + %u)));", to,
            fused->transfer, at, offset + 4);
        return;
    case VAL_LIST: {
        const char *count = FORMAT(fused, "rt_get_u32(from + %u)", offset + 4);
        const char *call = list_call(fused, from->element, into->element, FORMAT(fused, "rt_get_u32(%s)", at), count);
        PUT(fused, "rt_put_u32(%s, %s);", to, call);
        PUT(fused, "rt_put_u32(into + %u, %s);", offset + 4, count);
        return;
    }
    case VAL_OWN:
    case VAL_BORROW:
        PUT(fused, "rt_put_u32(%s, %s);", to, handle_call(fused, from, into, FORMAT(fused, "rt_get_u32(%s)", at)));
        return;
    case VAL_FLAGS:
        put_stored_flags(fused, from, offset);
        return;
    case VAL_VARIANT:
    case VAL_ENUM:
    case VAL_OPTION:
    case VAL_RESULT:
        put_stored_variant(fused, from, into, offset);
        return;
    default:
        if (layout_of(fused, from)->plain)
            PUT(fused, "memcpy(%s, %s, %u);", to, at, layout_of(fused, from)->size);
        else
            put_stored_record(fused, from, into, offset);
        return;
    }
}

/* --- lists --- */

static void put_list_body(struct fused *fused, const struct type_val *from, const struct type_val *into)
{
    const struct abi_layout *layout = layout_of(fused, from);
    PUT(fused, "const uint8_t *from = rt_transfer_items(transfer, addr, count, %u, %u);", layout->size, layout->align);
    put_line(fused, "uint32_t result;");
    PUT(fused, "uint8_t *into = rt_transfer_allocate(transfer, %u, count * %u, &result);", layout->align, layout->size);
    open_block(fused, FORMAT(fused, "for (uint32_t i = 0; i < count; i++, from += %u, into += %u) {", layout->size, layout->size));
    put_stored(fused, from, into, 0);
    close_block(fused);
    put_line(fused, "return result;");
}

/* The number of the function for lists of these items. */
static uint32_t list_function(struct emitter *emitter, const struct type_val *from, const struct type_val *into)
{
    struct ga_buf body = {0};
    struct fused fused = {.emitter = emitter, .out = &body, .level = 1, .transfer = "transfer"};
    put_list_body(&fused, from, into);
    char *text = ga_arena_strndup(emitter->arena, (const char *)body.data, body.size);
    uintptr_t known = (uintptr_t)ga_map_get(&emitter->lists, text, body.size);
    if (known == 0) {
        known = ++emitter->list_count;
        ga_map_set(&emitter->lists, text, body.size, (void *)known);
        ga_buf_printf(&emitter->functions,
                      "static uint32_t list_%u(const struct rt_transfer *transfer, uint32_t addr, uint32_t count)\n{\n%s}\n\n",
                      (uint32_t)known - 1, text);
    }
    ga_buf_free(&body);
    return (uint32_t)known - 1;
}

/* A call that transfers the items and returns where they lie. */
static const char *list_call(struct fused *fused, const struct type_val *from, const struct type_val *into,
                             const char *addr, const char *count)
{
    const struct abi_layout *layout = layout_of(fused, from);
    if (layout_of(fused, from)->plain)
        return FORMAT(fused, "rt_transfer_plain_list(%s, %s, %s, %u, %u)", fused->transfer, addr, count, layout->size,
                      layout->align);
    return FORMAT(fused, "list_%u(%s, %s, %s)", list_function(fused->emitter, from, into), fused->transfer, addr, count);
}

/* --- flat to flat --- */

static void put_flat(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t slot);

/* The source's slot, as a 32-bit number if its joined type is wider. */
static const char *slot_u32(struct fused *fused, uint32_t slot)
{
    return FORMAT(fused, "%s%c%u", fused->slots[slot] == CORE_I64 ? "(uint32_t)" : "", fused->from, slot);
}

static void put_slot(struct fused *fused, uint32_t slot, const char *value)
{
    const char *type = fused->is_case ? "" : FORMAT(fused, "%s ", emit_core_type(fused->emitter, fused->slots[slot]));
    PUT(fused, "%s%c%u = %s;", type, fused->into, slot, value);
    fused->values[slot] = FORMAT(fused, "%c%u", fused->into, slot);
}

/* The same value: outside of cases it needs no variable. */
static void put_same(struct fused *fused, uint32_t slot, const char *value)
{
    if (fused->is_case)
        put_slot(fused, slot, value);
    else
        fused->values[slot] = value;
}

static void put_flat_string(struct fused *fused, uint32_t slot)
{
    uint32_t name = fused->name_count++;
    PUT(fused, "struct rt_string string%u = rt_transfer_string(%s, %s, %s);", name, fused->transfer,
        slot_u32(fused, slot), slot_u32(fused, slot + 1));
    put_same(fused, slot, FORMAT(fused, "string%u.addr", name));
    put_same(fused, slot + 1, FORMAT(fused, "string%u.units", name));
}

static void put_flat_record(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t slot)
{
    for (uint32_t i = 0; i < from->member_count; i++) {
        put_flat(fused, from->members[i].type, into->members[i].type, slot);
        slot += layout_of(fused, from->members[i].type)->flat_count;
    }
}

static void put_flat_cases(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t slot)
{
    bool is_case = fused->is_case;
    fused->is_case = true;
    PUT(fused, "switch (%s) {", fused->values[slot]);
    for (uint32_t i = 0; i < case_count(from); i++) {
        if (case_at(from, i).type == NULL)
            continue;
        open_block(fused, FORMAT(fused, "case %u: {", i));
        put_name(fused, case_at(from, i).name);
        put_flat(fused, case_at(from, i).type, case_at(into, i).type, slot + 1);
        put_line(fused, "break;");
        close_block(fused);
    }
    put_line(fused, "}");
    fused->is_case = is_case;
}

static void put_flat_variant(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t slot)
{
    const struct abi_layout *layout = layout_of(fused, from);
    put_slot(fused, slot, FORMAT(fused, "rt_case(%s, %u)", slot_u32(fused, slot), case_count(from)));
    for (uint32_t i = slot + 1; i < slot + layout->flat_count && !fused->is_case; i++)
        put_slot(fused, i, "0");
    if (has_payload(from))
        put_flat_cases(fused, from, into, slot);
}

static void put_flat(struct fused *fused, const struct type_val *from, const struct type_val *into, uint32_t slot)
{
    const char *bits = slot_u32(fused, slot);
    switch (from->kind) {
    case VAL_BOOL:
        put_slot(fused, slot, FORMAT(fused, "%s != 0", bits));
        return;
    case VAL_S8:
        put_slot(fused, slot, FORMAT(fused, "(uint32_t)(int8_t)%s", bits));
        return;
    case VAL_U8:
        put_slot(fused, slot, FORMAT(fused, "(uint8_t)%s", bits));
        return;
    case VAL_S16:
        put_slot(fused, slot, FORMAT(fused, "(uint32_t)(int16_t)%s", bits));
        return;
    case VAL_U16:
        put_slot(fused, slot, FORMAT(fused, "(uint16_t)%s", bits));
        return;
    case VAL_S32:
    case VAL_U32:
    case VAL_F32:
        put_same(fused, slot, bits);
        return;
    case VAL_S64:
    case VAL_U64:
    case VAL_F64:
        put_same(fused, slot, FORMAT(fused, "%c%u", fused->from, slot));
        return;
    case VAL_CHAR:
        put_slot(fused, slot, FORMAT(fused, "rt_char(%s)", bits));
        return;
    case VAL_STRING:
        put_flat_string(fused, slot);
        return;
    case VAL_LIST:
        put_slot(fused, slot, list_call(fused, from->element, into->element, bits, slot_u32(fused, slot + 1)));
        put_same(fused, slot + 1, slot_u32(fused, slot + 1));
        return;
    case VAL_FLAGS:
        put_slot(fused, slot, FORMAT(fused, "%s & 0x%x", bits, flags_mask(from)));
        return;
    case VAL_OWN:
    case VAL_BORROW:
        put_slot(fused, slot, handle_call(fused, from, into, bits));
        return;
    case VAL_RECORD:
    case VAL_TUPLE:
        put_flat_record(fused, from, into, slot);
        return;
    default:
        put_flat_variant(fused, from, into, slot);
        return;
    }
}

/* --- the adapter --- */

struct adapter {
    struct fused fused;
    const struct plan_lower *lower;
    const struct plan_lift *lift;
    const struct core_func_type *core; /* of the lowered function */
    const char *values[GA_MAX_FLAT_PARAMS + 1];
    bool borrows;
};

static bool needs_transfer(struct adapter *adapter, const struct type_val *type)
{
    return type->has_pointer || layout_of(&adapter->fused, type)->has_handles;
}

static bool params_need_transfer(struct adapter *adapter)
{
    const struct type_func *type = adapter->lower->type;
    for (uint32_t i = 0; i < type->param_count; i++)
        if (needs_transfer(adapter, type->params[i].type))
            return true;
    return false;
}

static bool result_needs_transfer(struct adapter *adapter)
{
    const struct type_func *type = adapter->lower->type;
    return type->result != NULL && needs_transfer(adapter, type->result);
}

static void put_transfer(struct adapter *adapter, const char *name, const struct plan_options *from,
                         const struct plan_options *into, const char *lends)
{
    struct emitter *emitter = adapter->fused.emitter;
    uint32_t from_index = emit_options(emitter, from), into_index = emit_options(emitter, into);
    PUT(&adapter->fused, "struct rt_transfer %s = {&ROOT->options[%u], &ROOT->options[%u], %s};", name, from_index,
        into_index, lends);
    adapter->fused.transfer = FORMAT(&adapter->fused, "&%s", name);
}

/* One statement for the callee and for each of its ancestors that the caller is not inside of ("Component Instances",
 * enter_from, leave_to). */
static void put_entering(struct adapter *adapter, const char *before, const char *after)
{
    const struct plan *plan = adapter->fused.emitter->plan;
    uint32_t caller = adapter->lower->options.component_instance, i = adapter->lift->options.component_instance;
    for (; !is_inside(plan, caller, i); i = plan->component_instances.items[i].parent)
        PUT(&adapter->fused, "%sROOT->instances[%u]%s", before, i, after);
}

static void put_enter(struct adapter *adapter)
{
    if (params_need_transfer(adapter) || result_needs_transfer(adapter))
        put_line(&adapter->fused, "rt_require_stack();");
    PUT(&adapter->fused, "rt_require_leave(&ROOT->instances[%u]);", adapter->lower->options.component_instance);
    put_entering(adapter, "rt_require_enter(&", ");");
    put_entering(adapter, "", ".entered = true;");
}

/* From one place in memory to another: `from` and `into` are expressions for them. */
static void put_spilled(struct adapter *adapter, const struct type_val *from, const struct type_val *into,
                        const char *from_range, const char *into_range)
{
    struct fused *fused = &adapter->fused;
    open_block(fused, "{");
    PUT(fused, "const uint8_t *from = %s;", from_range);
    PUT(fused, "uint8_t *into = %s;", into_range);
    put_stored(fused, from, into, 0);
    close_block(fused);
}

static void put_params(struct adapter *adapter)
{
    struct fused *fused = &adapter->fused;
    const struct type_val *from = abi_params_tuple(fused->emitter->arena, adapter->lower->type);
    const struct type_val *into = abi_params_tuple(fused->emitter->arena, adapter->lift->type);
    const struct abi_layout *layout = layout_of(fused, from);
    bool spilled = layout->flat_count > GA_MAX_FLAT_PARAMS;

    if (adapter->borrows)
        put_line(fused, "struct rt_lends lends = {0};");
    if (spilled || params_need_transfer(adapter))
        put_transfer(adapter, "params", &adapter->lower->options, &adapter->lift->options,
                     adapter->borrows ? "&lends" : "NULL");
    if (spilled) {
        put_line(fused, "uint32_t b0;");
        put_spilled(adapter, from, into, FORMAT(fused, "rt_range(params.from, a0, %u, %u)", layout->size, layout->align),
                    FORMAT(fused, "rt_transfer_allocate(&params, %u, %u, &b0)", layout->align, layout->size));
        adapter->values[0] = "b0";
    } else {
        fused->slots = layout->flat;
        fused->from = 'a';
        fused->into = 'b';
        put_flat(fused, from, into, 0);
    }
}

/* An exception that leaves the callee is a trap: inside there is no unwind target. */
static void put_call(struct adapter *adapter)
{
    struct fused *fused = &adapter->fused;
    struct core_func_type core;
    struct ga_buf args = {0}, call = {0};
    abi_flatten_func(fused->emitter->arena, adapter->lift->type, false, &core);
    for (uint32_t i = 0; i < core.param_count; i++)
        ga_buf_printf(&args, "%s%s", i > 0 ? ", " : "", adapter->values[i]);
    emit_core_call(fused->emitter, &call, &adapter->lift->func, ga_buf_cstr(&args));
    if (fused->emitter->uses_exceptions) {
        put_line(fused, "WASM_RT_UNWIND_TARGET *outer = wasm_rt_get_unwind_target();");
        put_line(fused, "wasm_rt_set_unwind_target(NULL);");
    }
    if (core.result_count > 0)
        PUT(fused, "%s r0 = %s;", emit_result_type(fused->emitter, &core), ga_buf_cstr(&call));
    else
        PUT(fused, "%s;", ga_buf_cstr(&call));
    ga_buf_free(&args);
    ga_buf_free(&call);
}

static void put_result(struct adapter *adapter)
{
    struct fused *fused = &adapter->fused;
    const struct type_val *from = adapter->lift->type->result, *into = adapter->lower->type->result;
    if (from == NULL)
        return;
    const struct abi_layout *layout = layout_of(fused, from);
    bool spilled = layout->flat_count > GA_MAX_FLAT_RESULTS;
    if (spilled || needs_transfer(adapter, from))
        put_transfer(adapter, "result", &adapter->lift->options, &adapter->lower->options, "NULL");
    if (spilled) {
        put_spilled(adapter, from, into, FORMAT(fused, "rt_range(result.from, r0, %u, %u)", layout->size, layout->align),
                    FORMAT(fused, "rt_range(result.into, a%u, %u, %u)", adapter->core->param_count - 1, layout->size,
                           layout->align));
    } else {
        fused->slots = layout->flat;
        fused->from = 'r';
        fused->into = 'c';
        put_flat(fused, from, into, 0);
    }
}

static void put_post_return(struct adapter *adapter)
{
    struct fused *fused = &adapter->fused;
    const struct plan_options *options = &adapter->lift->options;
    struct ga_buf call = {0};
    if (!options->has_post_return)
        return;
    emit_core_call(fused->emitter, &call, &options->post_return, adapter->lift->type->result != NULL ? "r0" : "");
    PUT(fused, "ROOT->instances[%u].may_leave = false;", options->component_instance);
    PUT(fused, "%s;", ga_buf_cstr(&call));
    PUT(fused, "ROOT->instances[%u].may_leave = true;", options->component_instance);
    ga_buf_free(&call);
}

static void put_leave(struct adapter *adapter)
{
    struct fused *fused = &adapter->fused;
    if (fused->emitter->uses_exceptions)
        put_line(fused, "wasm_rt_set_unwind_target(outer);");
    put_entering(adapter, "", ".entered = false;");
    if (adapter->borrows)
        PUT(fused, "rt_return_lends(&lends, &ROOT->instances[%u]);", adapter->lower->options.component_instance);
    if (adapter->core->result_count > 0)
        PUT(fused, "return %s;", adapter->values[0]);
}

void emit_fused_body(struct emitter *emitter, struct ga_buf *out, const struct plan_lower *lower,
                     const struct plan_lift *lift, const struct core_func_type *core)
{
    struct adapter adapter = {
        .fused = {.emitter = emitter, .out = out, .level = 1}, .lower = lower, .lift = lift, .core = core};
    adapter.fused.values = adapter.values;
    for (uint32_t i = 0; i < lower->type->param_count; i++)
        adapter.borrows |= lower->type->params[i].type->has_borrow;

    put_enter(&adapter);
    put_params(&adapter);
    put_call(&adapter);
    if (adapter.borrows)
        PUT(&adapter.fused, "rt_require_no_borrows(&ROOT->instances[%u]);", lift->options.component_instance);
    put_result(&adapter);
    put_post_return(&adapter);
    put_leave(&adapter);
}
