#include <string.h>

#include "core_parts.h"
#include "ga_assert.h"

/*
 * Function bodies and constant expressions: one pass that decodes each instruction, checks its indexes, and checks types by
 * the algorithm of the core specification ("Appendix: Validation Algorithm"), with a stack of operand types and one of control
 * frames. After an unconditional branch the operand stack is polymorphic: popping from below the frame's height gives
 * BOTTOM, which fits everything.
 *
 * Modules with GC or typed references are only decoded (parts->untyped): push and pop do nothing then. They are refused
 * before anything is generated from them.
 */
enum { BOTTOM = 0xff, LOCALS_MAX = 50000, OPERANDS_MAX = 1000000, BR_TABLE_MAX = 65520, LANES_BYTES = 16 };

struct types {
    uint32_t count;
    const uint8_t *kinds;
};

enum frame_kind { FRAME_FUNC, FRAME_BLOCK, FRAME_LOOP, FRAME_IF, FRAME_ELSE, FRAME_TRY, FRAME_CATCH, FRAME_CATCH_ALL };

struct frame {
    enum frame_kind kind;
    struct types params, results;
    uint32_t height;
    bool unreachable;
};

/* The instruction under way. */
struct instruction {
    const uint8_t *at;
    uint8_t prefix;
    uint32_t code;
    const struct core_opcode *opcode;
    uint32_t index, index2;       /* immediates, by kind: what core_opcodes.c says */
    struct types params, results; /* of a block */
};

struct walk {
    struct core_reader *reader;
    struct core_parts *parts;
    uint32_t body_index;
    const uint8_t *body_start;
    bool constant; /* a constant expression */
    struct types locals;
    GA_VEC(uint8_t) operands;
    GA_VEC(struct frame) frames;
    struct instruction in;
    uint8_t single[CORE_OTHER + 1]; /* single[k] = k: the block types of one value */
};

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"i32", "i64", "f32", "f64", "v128", "funcref", "externref", "reference"};
    return kind == BOTTOM ? "anything" : names[kind];
}

/* --- the operand stack --- */

static struct frame *top(struct walk *walk)
{
    return &walk->frames.items[walk->frames.count - 1];
}

static bool stopped(const struct walk *walk)
{
    return walk->reader->in.failed || walk->parts->untyped;
}

static void push(struct walk *walk, uint8_t kind)
{
    if (stopped(walk))
        return;
    if (walk->operands.count == OPERANDS_MAX)
        core_fail(walk->reader, walk->in.at, "too many operands (limit is %d)", OPERANDS_MAX);
    else
        *GA_PUSH(walk->reader->scratch, &walk->operands) = kind;
}

static uint8_t pop_any(struct walk *walk)
{
    if (stopped(walk))
        return BOTTOM;
    const struct frame *frame = top(walk);
    if (walk->operands.count > frame->height)
        return walk->operands.items[--walk->operands.count];
    if (!frame->unreachable)
        core_fail(walk->reader, walk->in.at, "an operand is missing");
    return BOTTOM;
}

static uint8_t pop(struct walk *walk, uint8_t expected)
{
    if (stopped(walk))
        return expected;
    if (walk->operands.count == top(walk)->height && !top(walk)->unreachable) {
        core_fail(walk->reader, walk->in.at, "type mismatch: expected %s, but nothing is on the stack",
                  kind_name(expected));
        return expected;
    }
    uint8_t kind = pop_any(walk);
    if (kind != expected && kind != BOTTOM && expected != BOTTOM)
        core_fail(walk->reader, walk->in.at, "type mismatch: expected %s, found %s", kind_name(expected),
                  kind_name(kind));
    return kind;
}

static void push_all(struct walk *walk, struct types types)
{
    for (uint32_t i = 0; i < types.count; i++)
        push(walk, types.kinds[i]);
}

static void pop_all(struct walk *walk, struct types types)
{
    for (uint32_t i = types.count; i-- > 0;)
        pop(walk, types.kinds[i]);
}

static bool is_reference(uint8_t kind)
{
    return kind == CORE_FUNCREF || kind == CORE_EXTERNREF || kind == CORE_OTHER;
}

static void set_unreachable(struct walk *walk)
{
    if (walk->reader->in.failed)
        return;
    struct frame *frame = top(walk);
    if (!walk->parts->untyped)
        walk->operands.count = frame->height;
    frame->unreachable = true;
}

static void push_frame(struct walk *walk, enum frame_kind kind, struct types params, struct types results)
{
    struct frame *frame = GA_PUSH(walk->reader->scratch, &walk->frames);
    *frame = (struct frame){kind, params, results, walk->operands.count, false};
    push_all(walk, params);
}

/* The results are checked and gone; the frame stays for the caller to reuse or remove. */
static void finish_frame(struct walk *walk)
{
    struct frame *frame = top(walk);
    pop_all(walk, frame->results);
    if (!stopped(walk) && walk->operands.count != frame->height)
        core_fail(walk->reader, walk->in.at, "%u values too many at the end of a block",
                  walk->operands.count - frame->height);
}

static const struct frame *label(struct walk *walk, uint32_t depth)
{
    return &walk->frames.items[walk->frames.count - 1 - depth];
}

static struct types label_types(const struct frame *frame)
{
    return frame->kind == FRAME_LOOP ? frame->params : frame->results;
}

/* --- immediates --- */

static uint32_t read_label(struct walk *walk)
{
    return core_read_index(walk->reader, walk->frames.count, "label");
}

static uint32_t read_type_index(struct walk *walk)
{
    return core_read_index(walk->reader, walk->parts->types.count, "type");
}

static struct types func_params(const struct core_func_type *type)
{
    return (struct types){type->param_count, type->params};
}

static struct types func_results(const struct core_func_type *type)
{
    return (struct types){type->result_count, type->results};
}

/* A function type by index; a type of another kind is an error. */
static const struct core_func_type *func_type(struct walk *walk, uint32_t index)
{
    static const struct core_func_type none;
    if (walk->reader->in.failed)
        return &none;
    const struct core_type_entry *entry = &walk->parts->types.items[index];
    if (!entry->is_func)
        core_fail(walk->reader, walk->in.at, "type %u is no function type", index);
    return &entry->func;
}

/* blocktype: 0x40, a value type, or a type index as s33 */
static void read_block_type(struct walk *walk)
{
    struct ga_reader *in = &walk->reader->in;
    struct instruction *instruction = &walk->in;
    instruction->params = instruction->results = (struct types){0};
    if (in->at < in->end && *in->at == 0x40) {
        in->at++;
        return;
    }
    if (in->at < in->end && (*in->at & 0xc0) == 0x40) {
        uint8_t kind = core_read_value_type(walk->reader);
        instruction->results = (struct types){1, &walk->single[kind]};
        return;
    }
    const uint8_t *at = in->at;
    int64_t index = ga_read_leb_s(in, 33);
    if (in->failed || index < 0 || index >= walk->parts->types.count) {
        core_fail(walk->reader, at, "malformed block type");
        return;
    }
    const struct core_func_type *type = func_type(walk, (uint32_t)index);
    instruction->params = func_params(type);
    instruction->results = func_results(type);
}

static void read_none(struct walk *walk)
{
    (void)walk;
}

static void read_label_immediate(struct walk *walk)
{
    walk->in.index = read_label(walk);
}

static void read_func_index(struct walk *walk)
{
    walk->in.index = core_read_index(walk->reader, walk->parts->funcs.count, "function");
}

static void read_table_index(struct walk *walk)
{
    walk->in.index = core_read_index(walk->reader, walk->parts->tables.count, "table");
}

static void read_type_table(struct walk *walk)
{
    uint32_t type = read_type_index(walk);
    read_table_index(walk);
    walk->in.index2 = type;
}

static void read_type_immediate(struct walk *walk)
{
    walk->in.index = read_type_index(walk);
}

static void read_local(struct walk *walk)
{
    walk->in.index = core_read_index(walk->reader, walk->locals.count, "local");
}

static void read_global(struct walk *walk)
{
    walk->in.index = core_read_index(walk->reader, walk->parts->globals.count, "global");
}

static void read_table_table(struct walk *walk)
{
    read_table_index(walk);
    walk->in.index2 = core_read_index(walk->reader, walk->parts->tables.count, "table");
}

static void read_memory_index(struct walk *walk)
{
    walk->in.index = core_read_index(walk->reader, walk->parts->memories.count, "memory");
}

static void read_memory_memory(struct walk *walk)
{
    read_memory_index(walk);
    walk->in.index2 = core_read_index(walk->reader, walk->parts->memories.count, "memory");
}

static void read_memarg(struct walk *walk)
{
    struct core_reader *reader = walk->reader;
    const uint8_t *at = reader->in.at;
    uint32_t align = core_read_u32(reader, "alignment");
    walk->in.index = 0;
    if (align & 0x40) {
        read_memory_index(walk);
        align &= ~0x40u;
    } else if (!reader->in.failed && !walk->parts->memories.count) {
        core_fail(reader, walk->in.at, "a memory access, but the module has no memory");
    }
    if (align > walk->in.opcode->align_log2 || (walk->in.prefix == 0xfe && align != walk->in.opcode->align_log2))
        core_fail(reader, at, "alignment 2^%u does not fit the access", align);
    if (reader->in.failed)
        return;
    at = reader->in.at;
    ga_read_leb_u(&reader->in, walk->parts->memories.items[walk->in.index].is64 ? 64 : 32);
    if (reader->in.failed)
        core_fail(reader, at, "malformed offset of a memory access");
}

static void read_lane(struct walk *walk)
{
    const uint8_t *at = walk->reader->in.at;
    uint8_t lane = ga_read_u8(&walk->reader->in);
    uint32_t lanes = walk->in.opcode->immediate == IMM_LANE ? walk->in.opcode->align_log2
                                                            : LANES_BYTES >> walk->in.opcode->align_log2;
    if (lane >= lanes)
        core_fail(walk->reader, at, "lane %u of %u", lane, lanes);
}

static void read_memarg_lane(struct walk *walk)
{
    read_memarg(walk);
    read_lane(walk);
}

static void read_lanes(struct walk *walk)
{
    for (int i = 0; i < LANES_BYTES; i++) {
        const uint8_t *at = walk->reader->in.at;
        uint8_t lane = ga_read_u8(&walk->reader->in);
        if (lane >= walk->in.opcode->align_log2)
            core_fail(walk->reader, at, "lane %u of %u", lane, walk->in.opcode->align_log2);
    }
}

static void read_i32(struct walk *walk)
{
    ga_read_leb_s(&walk->reader->in, 32);
}

static void read_i64(struct walk *walk)
{
    ga_read_leb_s(&walk->reader->in, 64);
}

static void read_f32(struct walk *walk)
{
    ga_read_bytes(&walk->reader->in, 4);
}

static void read_f64(struct walk *walk)
{
    ga_read_bytes(&walk->reader->in, 8);
}

static void read_v128(struct walk *walk)
{
    ga_read_bytes(&walk->reader->in, LANES_BYTES);
}

static void read_select(struct walk *walk)
{
    const uint8_t *at = walk->reader->in.at;
    if (core_read_u32(walk->reader, "count of select") != 1)
        core_fail(walk->reader, at, "select of other than one type");
    walk->in.index = core_read_value_type(walk->reader);
}

static void read_heap_type(struct walk *walk)
{
    walk->in.index = core_read_heap_type(walk->reader);
}

static void read_tag(struct walk *walk)
{
    walk->in.index = core_read_index(walk->reader, walk->parts->tags.count, "tag");
}

/* memory.init and data.drop need the count before the code section. */
static void read_data(struct walk *walk)
{
    if (!walk->parts->sections[SECTION_DATA_COUNT].data)
        core_fail(walk->reader, walk->in.at, "data segments are used, but there is no data count section");
    walk->in.index2 = core_read_index(walk->reader, walk->parts->data_count, "data segment");
    walk->parts->uses_data_segments = true;
}

static void read_data_memory(struct walk *walk)
{
    read_data(walk);
    read_memory_index(walk);
}

static void read_element(struct walk *walk)
{
    walk->in.index2 = core_read_index(walk->reader, walk->parts->elements.count, "element segment");
}

static void read_element_table(struct walk *walk)
{
    read_element(walk);
    read_table_index(walk);
    if (!stopped(walk) && walk->parts->tables.items[walk->in.index].value != walk->parts->elements.items[walk->in.index2])
        core_fail(walk->reader, walk->in.at, "type mismatch: the segment's elements do not fit the table");
}

static void read_zero(struct walk *walk)
{
    const uint8_t *at = walk->reader->in.at;
    if (ga_read_u8(&walk->reader->in) != 0)
        core_fail(walk->reader, at, "a zero byte was expected");
}

static void read_type_u32(struct walk *walk)
{
    read_type_index(walk);
    core_read_u32(walk->reader, "immediate");
}

static void read_type_type(struct walk *walk)
{
    read_type_index(walk);
    read_type_index(walk);
}

static void read_type_data(struct walk *walk)
{
    read_type_index(walk);
    read_data(walk);
}

static void read_type_element(struct walk *walk)
{
    read_type_index(walk);
    read_element(walk);
}

static void read_br_cast(struct walk *walk)
{
    ga_read_u8(&walk->reader->in);
    read_label(walk);
    core_read_heap_type(walk->reader);
    core_read_heap_type(walk->reader);
}

/* br_table's labels are read by its rule, because each one's types are checked. The same for try_table's handlers. */
static void (*const read_immediate[])(struct walk *) = {
    [IMM_NONE] = read_none,
    [IMM_BLOCK] = read_block_type,
    [IMM_LABEL] = read_label_immediate,
    [IMM_LABEL_TABLE] = read_none,
    [IMM_FUNC] = read_func_index,
    [IMM_TYPE_TABLE] = read_type_table,
    [IMM_TYPE] = read_type_immediate,
    [IMM_LOCAL] = read_local,
    [IMM_GLOBAL] = read_global,
    [IMM_TABLE] = read_table_index,
    [IMM_TABLE_TABLE] = read_table_table,
    [IMM_MEMORY] = read_memory_index,
    [IMM_MEMORY_MEMORY] = read_memory_memory,
    [IMM_MEMARG] = read_memarg,
    [IMM_MEMARG_LANE] = read_memarg_lane,
    [IMM_I32] = read_i32,
    [IMM_I64] = read_i64,
    [IMM_F32] = read_f32,
    [IMM_F64] = read_f64,
    [IMM_V128] = read_v128,
    [IMM_LANE] = read_lane,
    [IMM_LANES] = read_lanes,
    [IMM_SELECT] = read_select,
    [IMM_HEAP_TYPE] = read_heap_type,
    [IMM_TAG] = read_tag,
    [IMM_TRY_TABLE] = read_block_type,
    [IMM_DATA] = read_data,
    [IMM_ELEMENT] = read_element,
    [IMM_DATA_MEMORY] = read_data_memory,
    [IMM_ELEMENT_TABLE] = read_element_table,
    [IMM_ZERO] = read_zero,
    [IMM_TYPE_U32] = read_type_u32,
    [IMM_TYPE_TYPE] = read_type_type,
    [IMM_TYPE_DATA] = read_type_data,
    [IMM_TYPE_ELEMENT] = read_type_element,
    [IMM_BR_CAST] = read_br_cast,
};

/* --- instructions with a signature --- */

static uint8_t address_kind(bool is64)
{
    return is64 ? CORE_I64 : CORE_I32;
}

static bool uses_table(const struct core_opcode *opcode)
{
    return opcode->immediate == IMM_TABLE || opcode->immediate == IMM_ELEMENT_TABLE;
}

static uint8_t signature_kind(struct walk *walk, char letter)
{
    static const uint8_t kinds[128] = {
        ['i'] = CORE_I32, ['j'] = CORE_I64, ['f'] = CORE_F32, ['d'] = CORE_F64, ['v'] = CORE_V128};
    if (letter != 'a')
        return kinds[(int)letter];
    const struct core_extern_type *items =
        uses_table(walk->in.opcode) ? walk->parts->tables.items : walk->parts->memories.items;
    return address_kind(items[walk->in.index].is64);
}

static void check_signature(struct walk *walk, const char *signature)
{
    if (stopped(walk))
        return;
    const char *arrow = strchr(signature, '>');
    for (const char *at = arrow; at > signature;)
        pop(walk, signature_kind(walk, *--at));
    for (const char *at = arrow + 1; *at; at++)
        push(walk, signature_kind(walk, *at));
}

/* --- instructions with a rule of their own --- */

static void rule_unreachable(struct walk *walk)
{
    set_unreachable(walk);
}

static enum frame_kind block_kind(uint32_t code)
{
    static const uint8_t kinds[] = {
        [0x02] = FRAME_BLOCK, [0x03] = FRAME_LOOP, [0x04] = FRAME_IF, [0x06] = FRAME_TRY, [0x1f] = FRAME_BLOCK};
    return kinds[code];
}

static void rule_block(struct walk *walk)
{
    if (walk->in.code == 0x04)
        pop(walk, CORE_I32);
    struct types params = walk->in.params, results = walk->in.results;
    pop_all(walk, params);
    push_frame(walk, block_kind(walk->in.code), params, results);
}

/* What lies between the parts of one block: else, catch, catch_all. */
static void next_part(struct walk *walk, enum frame_kind kind, struct types operands)
{
    finish_frame(walk);
    struct frame *frame = top(walk);
    frame->kind = kind;
    frame->unreachable = false;
    push_all(walk, operands);
}

static void rule_else(struct walk *walk)
{
    if (top(walk)->kind != FRAME_IF) {
        core_fail(walk->reader, walk->in.at, "else without if");
        return;
    }
    next_part(walk, FRAME_ELSE, top(walk)->params);
}

static bool types_equal(struct types a, struct types b)
{
    return a.count == b.count && (!a.count || memcmp(a.kinds, b.kinds, a.count) == 0);
}

static void rule_end(struct walk *walk)
{
    finish_frame(walk);
    struct frame frame = *top(walk);
    if (frame.kind == FRAME_IF && !walk->parts->untyped && !types_equal(frame.params, frame.results))
        core_fail(walk->reader, walk->in.at, "if without else, but with results");
    walk->frames.count--;
    if (walk->frames.count)
        push_all(walk, frame.results);
}

static struct types tag_types(struct walk *walk, uint32_t tag)
{
    if (walk->reader->in.failed)
        return (struct types){0};
    return func_params(&walk->parts->tags.items[tag].func);
}

static void rule_catch(struct walk *walk)
{
    if (top(walk)->kind != FRAME_TRY && top(walk)->kind != FRAME_CATCH)
        core_fail(walk->reader, walk->in.at, "catch without try");
    else
        next_part(walk, FRAME_CATCH, tag_types(walk, walk->in.index));
}

static void rule_catch_all(struct walk *walk)
{
    if (top(walk)->kind != FRAME_TRY && top(walk)->kind != FRAME_CATCH)
        core_fail(walk->reader, walk->in.at, "catch_all without try");
    else
        next_part(walk, FRAME_CATCH_ALL, (struct types){0});
}

/* Ends a try; its label counts from outside of it. */
static void rule_delegate(struct walk *walk)
{
    if (top(walk)->kind != FRAME_TRY || walk->in.index + 1 >= walk->frames.count)
        core_fail(walk->reader, walk->in.at, "delegate without try");
    else
        rule_end(walk);
}

static void rule_throw(struct walk *walk)
{
    pop_all(walk, tag_types(walk, walk->in.index));
    set_unreachable(walk);
}

static void rule_rethrow(struct walk *walk)
{
    enum frame_kind kind = label(walk, walk->in.index)->kind;
    if (kind != FRAME_CATCH && kind != FRAME_CATCH_ALL)
        core_fail(walk->reader, walk->in.at, "rethrow of a block that is no catch");
    set_unreachable(walk);
}

static void rule_throw_ref(struct walk *walk)
{
    pop(walk, CORE_OTHER);
    set_unreachable(walk);
}

static void rule_br(struct walk *walk)
{
    pop_all(walk, label_types(label(walk, walk->in.index)));
    set_unreachable(walk);
}

static void rule_br_if(struct walk *walk)
{
    pop(walk, CORE_I32);
    struct types types = label_types(label(walk, walk->in.index));
    pop_all(walk, types);
    push_all(walk, types);
}

/* Pops what a label of br_table wants and pushes back what was there, which keeps BOTTOM. */
static void check_branch_operands(struct walk *walk, struct types types)
{
    if (stopped(walk))
        return;
    uint8_t *kept = ga_arena_alloc_raw(walk->reader->scratch, types.count);
    for (uint32_t i = types.count; i-- > 0;)
        kept[i] = pop(walk, types.kinds[i]);
    push_all(walk, (struct types){types.count, kept});
}

static void rule_br_table(struct walk *walk)
{
    struct core_reader *reader = walk->reader;
    const uint8_t *at = reader->in.at;
    uint32_t count = core_read_u32(reader, "count of br_table");
    if (count > BR_TABLE_MAX)
        core_fail(reader, at, "too many labels of br_table (limit is %u)", BR_TABLE_MAX);
    pop(walk, CORE_I32);
    struct types last = {0};
    for (uint64_t i = 0; i <= count && !reader->in.failed; i++) {
        at = reader->in.at;
        uint32_t depth = read_label(walk);
        if (reader->in.failed)
            return;
        struct types types = label_types(label(walk, depth));
        if (i > 0 && types.count != last.count && !walk->parts->untyped)
            core_fail(reader, at, "labels of br_table with different numbers of values");
        if (i == 0 || !types_equal(types, last))
            check_branch_operands(walk, types);
        last = types;
    }
    set_unreachable(walk);
}

static void rule_return(struct walk *walk)
{
    pop_all(walk, walk->frames.items[0].results);
    set_unreachable(walk);
}

static const struct core_func_type *callee_type(struct walk *walk)
{
    if (walk->in.opcode->immediate == IMM_TYPE_TABLE)
        return func_type(walk, walk->in.index2);
    return func_type(walk, walk->parts->funcs.items[walk->in.index]);
}

static void pop_call_operands(struct walk *walk, const struct core_func_type *type)
{
    if (walk->in.opcode->immediate == IMM_TYPE_TABLE) {
        const struct core_extern_type *table = &walk->parts->tables.items[walk->in.index];
        if (!stopped(walk) && table->value != CORE_FUNCREF)
            core_fail(walk->reader, walk->in.at, "an indirect call through a table of %s", kind_name(table->value));
        pop(walk, address_kind(table->is64));
    }
    pop_all(walk, func_params(type));
}

static void rule_call(struct walk *walk)
{
    const struct core_func_type *type = callee_type(walk);
    pop_call_operands(walk, type);
    push_all(walk, func_results(type));
}

static void rule_return_call(struct walk *walk)
{
    const struct core_func_type *type = callee_type(walk);
    pop_call_operands(walk, type);
    if (!stopped(walk) && !types_equal(func_results(type), walk->frames.items[0].results))
        core_fail(walk->reader, walk->in.at, "a tail call of a function with other results");
    set_unreachable(walk);
    walk->reader->module->uses_tail_calls = true;
    *GA_PUSH(walk->reader->arena, &walk->parts->tail_calls) =
        (struct core_tail_call){walk->body_index, walk->in.code, (uint32_t)(walk->in.at - walk->body_start),
                                (uint32_t)(walk->reader->in.at - walk->body_start)};
}

/* Typed references: seen, not checked. */
static void rule_untyped(struct walk *walk)
{
    walk->parts->untyped = true;
    walk->reader->module->uses_gc = true;
}

static void rule_drop(struct walk *walk)
{
    pop_any(walk);
}

static void rule_select(struct walk *walk)
{
    pop(walk, CORE_I32);
    uint8_t first = pop_any(walk), second = pop_any(walk);
    if (stopped(walk))
        return;
    if (is_reference(first) || is_reference(second) || (first != second && first != BOTTOM && second != BOTTOM))
        core_fail(walk->reader, walk->in.at, "type mismatch: select between %s and %s", kind_name(second),
                  kind_name(first));
    push(walk, first == BOTTOM ? second : first);
}

static void rule_select_typed(struct walk *walk)
{
    uint8_t kind = (uint8_t)walk->in.index;
    pop(walk, CORE_I32);
    pop(walk, kind);
    pop(walk, kind);
    push(walk, kind);
}

/* A handler's label gets the tag's values, and the exception itself in the kinds with `_ref`. */
static void check_handler(struct walk *walk)
{
    struct core_reader *reader = walk->reader;
    const uint8_t *at = reader->in.at;
    uint8_t kind = ga_read_u8(&reader->in);
    if (kind > 3) {
        core_fail(reader, at, "malformed handler of try_table");
        return;
    }
    struct types values = {0};
    if (kind < 2)
        values = tag_types(walk, core_read_index(reader, walk->parts->tags.count, "tag"));
    uint32_t depth = read_label(walk);
    if (stopped(walk))
        return;
    struct types wanted = label_types(label(walk, depth));
    bool with_reference = kind & 1;
    uint32_t count = values.count + with_reference;
    if (wanted.count != count || (values.count && memcmp(wanted.kinds, values.kinds, values.count) != 0) ||
        (with_reference && wanted.kinds[count - 1] != CORE_OTHER))
        core_fail(reader, at, "type mismatch: a handler's values do not fit its label");
}

static void rule_try_table(struct walk *walk)
{
    struct types params = walk->in.params, results = walk->in.results;
    uint32_t count = core_read_u32(walk->reader, "count of handlers");
    for (uint32_t i = 0; i < count && !walk->reader->in.failed; i++)
        check_handler(walk);
    pop_all(walk, params);
    push_frame(walk, FRAME_BLOCK, params, results);
}

static void rule_local_get(struct walk *walk)
{
    push(walk, walk->locals.kinds[walk->in.index]);
}

static void rule_local_set(struct walk *walk)
{
    pop(walk, walk->locals.kinds[walk->in.index]);
}

static void rule_local_tee(struct walk *walk)
{
    pop(walk, walk->locals.kinds[walk->in.index]);
    push(walk, walk->locals.kinds[walk->in.index]);
}

static void rule_global_get(struct walk *walk)
{
    const struct core_extern_type *global = &walk->parts->globals.items[walk->in.index];
    if (walk->constant && global->mutable)
        core_fail(walk->reader, walk->in.at, "a mutable global in a constant expression");
    push(walk, global->value);
}

static void rule_global_set(struct walk *walk)
{
    const struct core_extern_type *global = &walk->parts->globals.items[walk->in.index];
    if (!global->mutable)
        core_fail(walk->reader, walk->in.at, "global %u is immutable", walk->in.index);
    pop(walk, global->value);
}

static const struct core_extern_type *table(const struct walk *walk)
{
    return &walk->parts->tables.items[walk->in.index];
}

static void rule_table_get(struct walk *walk)
{
    pop(walk, address_kind(table(walk)->is64));
    push(walk, table(walk)->value);
}

static void rule_table_set(struct walk *walk)
{
    pop(walk, table(walk)->value);
    pop(walk, address_kind(table(walk)->is64));
    walk->reader->module->mutates_tables = true;
}

static void rule_table_grow(struct walk *walk)
{
    pop(walk, address_kind(table(walk)->is64));
    pop(walk, table(walk)->value);
    push(walk, address_kind(table(walk)->is64));
}

static void rule_table_fill(struct walk *walk)
{
    pop(walk, address_kind(table(walk)->is64));
    pop(walk, table(walk)->value);
    pop(walk, address_kind(table(walk)->is64));
}

/* Copies count in the narrower of the two address types. */
static void check_copy(struct walk *walk, bool to_is64, bool from_is64)
{
    pop(walk, address_kind(to_is64 && from_is64));
    pop(walk, address_kind(from_is64));
    pop(walk, address_kind(to_is64));
}

static void rule_table_copy(struct walk *walk)
{
    const struct core_extern_type *from = &walk->parts->tables.items[walk->in.index2];
    if (!stopped(walk) && table(walk)->value != from->value)
        core_fail(walk->reader, walk->in.at, "type mismatch: table.copy between tables of %s and %s",
                  kind_name(from->value), kind_name(table(walk)->value));
    check_copy(walk, table(walk)->is64, from->is64);
}

static void rule_memory_copy(struct walk *walk)
{
    const struct core_extern_type *memories = walk->parts->memories.items;
    check_copy(walk, memories[walk->in.index].is64, memories[walk->in.index2].is64);
}

static void rule_ref_null(struct walk *walk)
{
    push(walk, (uint8_t)walk->in.index);
}

static void rule_ref_is_null(struct walk *walk)
{
    uint8_t kind = pop_any(walk);
    if (!stopped(walk) && kind != BOTTOM && !is_reference(kind))
        core_fail(walk->reader, walk->in.at, "type mismatch: expected a reference, found %s", kind_name(kind));
    push(walk, CORE_I32);
}

static void rule_ref_func(struct walk *walk)
{
    if (walk->constant)
        walk->parts->declared[walk->in.index] = true;
    else if (!walk->parts->declared[walk->in.index])
        core_fail(walk->reader, walk->in.at,
                  "ref.func of function %u, which no export, global or element segment names", walk->in.index);
    push(walk, CORE_FUNCREF);
}

typedef void rule(struct walk *);

static rule *const plain_rules[256] = {
    [0x00] = rule_unreachable,
    [0x02 ... 0x04] = rule_block,
    [0x05] = rule_else,
    [0x06] = rule_block,
    [0x07] = rule_catch,
    [0x08] = rule_throw,
    [0x09] = rule_rethrow,
    [0x0a] = rule_throw_ref,
    [0x0b] = rule_end,
    [0x0c] = rule_br,
    [0x0d] = rule_br_if,
    [0x0e] = rule_br_table,
    [0x0f] = rule_return,
    [0x10 ... 0x11] = rule_call,
    [0x12 ... 0x13] = rule_return_call,
    [0x14 ... 0x15] = rule_untyped,
    [0x18] = rule_delegate,
    [0x19] = rule_catch_all,
    [0x1a] = rule_drop,
    [0x1b] = rule_select,
    [0x1c] = rule_select_typed,
    [0x1f] = rule_try_table,
    [0x20] = rule_local_get,
    [0x21] = rule_local_set,
    [0x22] = rule_local_tee,
    [0x23] = rule_global_get,
    [0x24] = rule_global_set,
    [0x25] = rule_table_get,
    [0x26] = rule_table_set,
    [0xd0] = rule_ref_null,
    [0xd1] = rule_ref_is_null,
    [0xd2] = rule_ref_func,
    [0xd3 ... 0xd6] = rule_untyped,
};

static rule *const misc_rules[] = {
    [10] = rule_memory_copy, [14] = rule_table_copy, [15] = rule_table_grow, [17] = rule_table_fill};

static rule *find_rule(const struct instruction *instruction)
{
    if (instruction->prefix == 0)
        return plain_rules[instruction->code];
    return instruction->prefix == 0xfc ? misc_rules[instruction->code] : rule_untyped;
}

/* --- the flags of struct core_module --- */

static void note_features(struct walk *walk)
{
    struct core_module *module = walk->reader->module;
    const struct instruction *instruction = &walk->in;
    if (instruction->prefix == 0xfd)
        module->uses_simd = true;
    else if (instruction->prefix == 0xfe)
        module->uses_threads = true;
    else if (instruction->prefix == 0xfb)
        module->uses_gc = true;
    else if (instruction->prefix == 0xfc && instruction->code >= 12 && instruction->code <= 17 && instruction->code != 16)
        module->mutates_tables = true;
    else if (instruction->prefix == 0 &&
             ((instruction->code >= 0x06 && instruction->code <= 0x0a) || instruction->code == 0x18 ||
              instruction->code == 0x19 || instruction->code == 0x1f))
        module->uses_exceptions = true;
}

/* --- the walk --- */

static void unknown_instruction(struct walk *walk)
{
    if (walk->in.prefix)
        core_fail(walk->reader, walk->in.at, "unknown instruction 0x%02x 0x%x", walk->in.prefix, walk->in.code);
    else
        core_fail(walk->reader, walk->in.at, "unknown instruction 0x%02x", walk->in.code);
}

/* Opcode and immediates; false on an error. */
static bool read_instruction(struct walk *walk)
{
    struct core_reader *reader = walk->reader;
    struct instruction *instruction = &walk->in;
    *instruction = (struct instruction){.at = reader->in.at};
    if (reader->in.at == reader->in.end) {
        core_fail(reader, reader->in.at, "the code ends before its last block is closed");
        return false;
    }
    instruction->code = ga_read_u8(&reader->in);
    if (instruction->code >= 0xfb && instruction->code <= 0xfe) {
        instruction->prefix = (uint8_t)instruction->code;
        instruction->code = core_read_u32(reader, "opcode");
    }
    instruction->opcode = core_opcode_find(instruction->prefix, instruction->code);
    if (!instruction->opcode) {
        unknown_instruction(walk);
        return false;
    }
    note_features(walk);
    read_immediate[instruction->opcode->immediate](walk);
    if (reader->in.failed)
        core_fail(reader, instruction->at, "malformed immediate of instruction 0x%02x", *instruction->at);
    return !reader->in.failed;
}

static void check_instruction(struct walk *walk)
{
    if (walk->in.opcode->signature) {
        check_signature(walk, walk->in.opcode->signature);
        return;
    }
    rule *check = find_rule(&walk->in);
    GA_ASSERT(check);
    check(walk);
}

static void walk_new(struct walk *walk, struct core_reader *reader)
{
    ga_arena_reset(reader->scratch);
    *walk = (struct walk){.reader = reader, .parts = reader->parts, .body_start = reader->in.at};
    for (uint8_t kind = 0; kind <= CORE_OTHER; kind++)
        walk->single[kind] = kind;
}

/* One group of locals of one type; false if that is too many. */
static bool add_locals(struct walk *walk, uint8_t *kinds, uint32_t *count)
{
    struct core_reader *reader = walk->reader;
    const uint8_t *at = reader->in.at;
    uint32_t more = core_read_u32(reader, "count of locals");
    if (more > LOCALS_MAX - *count) {
        core_fail(reader, at, "too many locals (limit is %d)", LOCALS_MAX);
        return false;
    }
    memset(kinds + *count, core_read_value_type(reader), more);
    *count += more;
    return !reader->in.failed;
}

/* Kinds of all locals, parameters first. */
static void read_locals(struct walk *walk, const struct core_func_type *type)
{
    struct core_reader *reader = walk->reader;
    uint8_t *kinds = ga_arena_alloc_raw(reader->scratch, LOCALS_MAX);
    uint32_t count = type->param_count;
    if (count)
        memcpy(kinds, type->params, count);
    uint32_t groups = core_read_u32(reader, "count of local groups");
    while (groups && !reader->in.failed && add_locals(walk, kinds, &count))
        groups--;
    walk->locals = (struct types){count, kinds};
}

void core_read_body(struct core_reader *reader, uint32_t body_index, const struct core_func_type *type)
{
    struct walk walk;
    walk_new(&walk, reader);
    walk.body_index = body_index;
    read_locals(&walk, type);
    walk.in.at = reader->in.at;
    push_frame(&walk, FRAME_FUNC, (struct types){0}, func_results(type));
    while (walk.frames.count && !reader->in.failed && read_instruction(&walk))
        check_instruction(&walk);
    if (!reader->in.failed && reader->in.at != reader->in.end)
        core_fail(reader, reader->in.at, "bytes after the end of a function");
}

static bool is_constant(const struct instruction *instruction)
{
    static const bool plain[256] = {[0x0b] = true,          [0x23] = true, [0x41 ... 0x44] = true,
                                    [0x6a ... 0x6c] = true, /* i32.add, sub, mul */
                                    [0x7c ... 0x7e] = true, [0xd0] = true, [0xd2] = true};
    if (instruction->prefix == 0)
        return plain[instruction->code];
    return instruction->prefix == 0xfb || (instruction->prefix == 0xfd && instruction->code == 0x0c);
}

void core_read_constant(struct core_reader *reader, uint8_t type)
{
    struct walk walk;
    walk_new(&walk, reader);
    walk.constant = true;
    walk.in.at = reader->in.at;
    push_frame(&walk, FRAME_FUNC, (struct types){0}, (struct types){1, &walk.single[type]});
    while (walk.frames.count && !reader->in.failed && read_instruction(&walk)) {
        if (!is_constant(&walk.in))
            core_fail(reader, walk.in.at, "instruction 0x%02x in a constant expression", *walk.in.at);
        else
            check_instruction(&walk);
    }
}
