#include <sha2.h>
#include <stdio.h>
#include <string.h>

#include "core_parts.h"
#include "ga_assert.h"

/*
 * The pre-pass: a module as it is in, a module as wasm2c should see it out. All sections but import, function, export, start,
 * element, code and data go over as they are; what was an index before is the same index afterwards.
 *
 * Names. wasm2c makes global C symbols of the names of imports and exports, so two modules of one component that import the
 * same name would meet. "<prefix>i<i>"."f" cannot: the prefix is a hash of the module's interface, and of a number where
 * another module of the component has the same interface and other code.
 *
 * Tail calls. wasm2c 1.0.42 emits C that does not compile for a tail-calling function with locals, and for return_call_indirect
 * in such a function loses the results when the callee makes no tail calls itself. So `return_call` becomes `call` and
 * `return`, which means the same but for the depth of the stack; and the C compiler is told to optimise sibling calls in such a
 * module (core_prepared.tail_calls), which makes jumps of them again. Given up: a cycle of tail calls in which a callee takes
 * more of its arguments on the machine stack than its caller did grows the stack, and in the end traps.
 *
 * Data. Ten thousand segments (a snapshot of a JavaScript engine has as many) would be 17 MB of C, and a changed string a
 * new compilation. An active segment's initialisation is the same wherever it is done between the elements' and the start
 * function's, so the glue does it (core.h). If memory.init or data.drop occur, the active segments are left as empty passive ones:
 * the other segments keep their indexes, and active ones count as dropped, thus empty, from the start anyhow.
 *
 * Imported functions in element segments. wasm2c gives such a table entry the address of the field that holds the provider's
 * instance, not the instance (its ref.func instruction does it right). So each gets a function of the module's own that calls it,
 * behind all others, and the segments name that one; a declarative segment at the end keeps the imports declared.
 */
enum { PREFIX_BYTES = 17 };
enum {
    OP_END = 0x0b,
    OP_RETURN = 0x0f,
    OP_CALL = 0x10,
    OP_CALL_INDIRECT = 0x11,
    OP_RETURN_CALL = 0x12,
    OP_LOCAL_GET = 0x20
};

struct preparation {
    struct ga_arena *arena;
    const struct core_module *module;
    const struct core_parts *parts;
    struct core_prepared *out;
    bool take_data;
    GA_VEC(uint32_t) forwarded; /* imported functions that get a function which calls them */
    uint32_t *forwarder;        /* by imported function: the index of that one, or 0 */
};

/* --- refusals --- */

static enum ga_status refuse(const struct core_module *module, struct ga_report *report)
{
    const struct {
        bool used;
        const char *what;
    } features[] = {
        {module->uses_gc, "garbage collection or typed references"},
        {module->uses_threads, "threads (shared memories, atomic instructions)"},
        {module->uses_memory64, "64-bit memories"},
    };
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (features[i].used)
            return ga_report_set(report, GA_UNSUPPORTED, "a core module uses %s, which is not supported yet",
                                 features[i].what);
    return GA_OK;
}

/* --- hashes --- */

static void hash_bytes(uint8_t out[static SHA256_DIGEST_LENGTH], const void *data, size_t size)
{
    SHA2_CTX hash;
    SHA256Init(&hash);
    SHA256Update(&hash, data, size);
    SHA256Final(out, &hash);
}

static void hash_name(char *out, char letter, const void *data, size_t size)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    hash_bytes(digest, data, size);
    *out++ = letter;
    for (int i = 0; i < 8; i++)
        out += sprintf(out, "%02x", digest[i]);
}

/* --- data segments --- */

/* Offsets that the glue can compute: i32.const c; global.get g (imported); global.get g, i32.const c, i32.add. */
static bool read_offset(const struct core_parts *parts, const struct core_data_segment *segment,
                        struct core_segment *out)
{
    struct ga_reader in = {segment->offset_at, segment->offset_at, segment->offset_at + segment->offset_size, false};
    uint8_t opcode = ga_read_u8(&in);
    if (opcode == 0x41) {
        out->offset = (uint32_t)ga_read_leb_s(&in, 32);
        return ga_read_u8(&in) == 0x0b && !in.failed;
    }
    if (opcode != 0x23)
        return false;
    out->offset_is_global = true;
    out->offset = (uint32_t)ga_read_leb_u(&in, 32);
    if (in.failed || out->offset >= parts->imported_globals)
        return false;
    opcode = ga_read_u8(&in);
    if (opcode == 0x41) {
        out->addend = (uint32_t)ga_read_leb_s(&in, 32);
        if (ga_read_u8(&in) != 0x6a)
            return false;
        opcode = ga_read_u8(&in);
    }
    return opcode == 0x0b && !in.failed;
}

/* By index of imported globals: their place among all imports. */
static const uint32_t *global_imports(const struct preparation *preparation)
{
    const struct core_module *module = preparation->module;
    uint32_t *places = ga_arena_array(preparation->arena, preparation->parts->imported_globals, sizeof *places);
    uint32_t global = 0;
    for (uint32_t i = 0; i < module->import_count; i++)
        if (module->imports[i].type.kind == CORE_EXTERN_GLOBAL)
            places[global++] = i;
    return places;
}

/* All active segments or none: they are initialised in order. `offset` still holds an index of globals. */
static bool collect_segments(struct preparation *preparation)
{
    const struct core_parts *parts = preparation->parts;
    struct core_prepared *out = preparation->out;
    out->segments = ga_arena_array(preparation->arena, parts->data.count, sizeof *out->segments);
    for (uint32_t i = 0; i < parts->data.count; i++) {
        const struct core_data_segment *segment = &parts->data.items[i];
        if (!segment->active)
            continue;
        struct core_segment *taken = &out->segments[out->segment_count++];
        taken->memory = segment->memory;
        taken->size = segment->bytes.size;
        if (parts->memories.items[segment->memory].is64 || !read_offset(parts, segment, taken))
            return false;
    }
    return out->segment_count > 0;
}

static void take_data(struct preparation *preparation)
{
    const struct core_parts *parts = preparation->parts;
    struct core_prepared *out = preparation->out;
    preparation->take_data = collect_segments(preparation);
    if (!preparation->take_data) {
        out->segment_count = 0;
        return;
    }
    const uint32_t *places = global_imports(preparation);
    struct core_segment *taken = out->segments;
    for (uint32_t i = 0; i < parts->data.count; i++) {
        const struct core_data_segment *segment = &parts->data.items[i];
        if (!segment->active)
            continue;
        taken->data_offset = out->data.size;
        if (taken->offset_is_global)
            taken->offset = places[taken->offset];
        ga_buf_append(&out->data, segment->bytes.data, segment->bytes.size);
        taken++;
    }
    hash_name(out->data_symbol, 'd', out->data.data, out->data.size);
}

/* --- imported functions in element segments --- */

static void collect_forwarded(struct preparation *preparation)
{
    const struct core_parts *parts = preparation->parts;
    preparation->forwarder = ga_arena_array(preparation->arena, parts->imported_funcs, sizeof *preparation->forwarder);
    for (uint32_t i = 0; i < parts->element_imports.count; i++) {
        uint32_t func = parts->element_imports.items[i].func;
        if (preparation->forwarder[func])
            continue;
        preparation->forwarder[func] = parts->funcs.count + preparation->forwarded.count;
        *GA_PUSH(preparation->arena, &preparation->forwarded) = func;
    }
}

/* (func (param ...) (result ...) local.get 0 ... call func) */
static void put_forwarder(const struct preparation *preparation, uint32_t func, struct ga_buf *section)
{
    const struct core_parts *parts = preparation->parts;
    struct ga_buf body = {0};
    ga_buf_u8(&body, 0); /* no locals */
    for (uint32_t i = 0; i < parts->types.items[parts->funcs.items[func]].func.param_count; i++) {
        ga_buf_u8(&body, OP_LOCAL_GET);
        ga_buf_leb_u(&body, i);
    }
    ga_buf_u8(&body, OP_CALL);
    ga_buf_leb_u(&body, func);
    ga_buf_u8(&body, OP_END);
    ga_buf_leb_u(section, body.size);
    ga_buf_append(section, body.data, body.size);
    ga_buf_free(&body);
}

/* A section as it was; one of no entries if it was absent. */
static struct core_section old_section(const struct preparation *preparation, enum core_section_id id)
{
    static const uint8_t no_entries[] = {0};
    struct core_section section = preparation->parts->sections[id];
    return section.data ? section : (struct core_section){no_entries, sizeof no_entries};
}

/* Begins a section that has `added` more entries than it had; returns where the old ones begin. */
static const uint8_t *put_count(const struct preparation *preparation, enum core_section_id id, uint32_t added,
                                struct ga_buf *section)
{
    struct core_section old = old_section(preparation, id);
    struct ga_reader in = {old.data, old.data, old.data + old.size, false};
    ga_buf_leb_u(section, ga_read_leb_u(&in, 32) + added);
    return in.at;
}

static void put_functions(const struct preparation *preparation, struct ga_buf *section)
{
    struct core_section old = old_section(preparation, SECTION_FUNCTION);
    const uint8_t *at = put_count(preparation, SECTION_FUNCTION, preparation->forwarded.count, section);
    ga_buf_append(section, at, (size_t)(old.data + old.size - at));
    for (uint32_t i = 0; i < preparation->forwarded.count; i++)
        ga_buf_leb_u(section, preparation->parts->funcs.items[preparation->forwarded.items[i]]);
}

static void put_elements(const struct preparation *preparation, struct ga_buf *section)
{
    const struct core_parts *parts = preparation->parts;
    struct core_section old = old_section(preparation, SECTION_ELEMENT);
    bool declares = preparation->forwarded.count > 0;
    const uint8_t *at = put_count(preparation, SECTION_ELEMENT, declares ? 1 : 0, section);
    for (uint32_t i = 0; i < parts->element_imports.count; i++) {
        const struct core_element_import *import = &parts->element_imports.items[i];
        ga_buf_append(section, at, (size_t)(import->at - at));
        ga_buf_leb_u(section, preparation->forwarder[import->func]);
        at = import->end;
    }
    ga_buf_append(section, at, (size_t)(old.data + old.size - at));
    if (!declares)
        return;
    ga_buf_u8(section, 3); /* declarative */
    ga_buf_u8(section, 0); /* functions */
    ga_buf_leb_u(section, preparation->forwarded.count);
    for (uint32_t i = 0; i < preparation->forwarded.count; i++)
        ga_buf_leb_u(section, preparation->forwarded.items[i]);
}

/* --- sections --- */

static void put_name(struct ga_buf *buf, const char *name)
{
    ga_buf_leb_u(buf, strlen(name));
    ga_buf_text(buf, name);
}

static void put_section(struct ga_buf *wasm, enum core_section_id id, const void *data, size_t size)
{
    ga_buf_u8(wasm, (uint8_t)id);
    ga_buf_leb_u(wasm, size);
    ga_buf_append(wasm, data, size);
}

static void put_imports(const struct preparation *preparation, const char *prefix, struct ga_buf *section)
{
    const struct core_parts *parts = preparation->parts;
    ga_buf_leb_u(section, parts->import_descs.count);
    for (uint32_t i = 0; i < parts->import_descs.count; i++) {
        char name[PREFIX_BYTES + 16];
        snprintf(name, sizeof name, "%si%u", prefix, i);
        put_name(section, name);
        put_name(section, "f");
        ga_buf_append(section, parts->import_descs.items[i].data, parts->import_descs.items[i].size);
    }
}

static void put_export(struct ga_buf *section, const char *name, enum core_extern kind, uint32_t index)
{
    put_name(section, name);
    ga_buf_u8(section, (uint8_t)kind);
    ga_buf_leb_u(section, index);
}

/* What the glue needs to initialise data: memories, imported globals of offsets, the start function. Returns how many. */
static uint32_t put_added_exports(const struct preparation *preparation, struct ga_buf *section)
{
    const struct core_parts *parts = preparation->parts;
    const struct core_module *module = preparation->module;
    const struct core_prepared *out = preparation->out;
    bool *memory_used = ga_arena_array(preparation->arena, parts->memories.count, sizeof *memory_used);
    bool *import_used = ga_arena_array(preparation->arena, module->import_count, sizeof *import_used);
    for (uint32_t i = 0; i < out->segment_count; i++) {
        memory_used[out->segments[i].memory] = true;
        if (out->segments[i].offset_is_global)
            import_used[out->segments[i].offset] = true;
    }
    char name[16];
    uint32_t count = 0, global = 0;
    for (uint32_t i = 0; i < parts->memories.count; i++) {
        snprintf(name, sizeof name, "m%u", i);
        if (memory_used[i])
            put_export(section, name, CORE_EXTERN_MEMORY, i), count++;
    }
    for (uint32_t i = 0; i < module->import_count; i++) {
        snprintf(name, sizeof name, "g%u", i);
        if (import_used[i])
            put_export(section, name, CORE_EXTERN_GLOBAL, global), count++;
        global += module->imports[i].type.kind == CORE_EXTERN_GLOBAL;
    }
    if (out->start_exported)
        put_export(section, "s", CORE_EXTERN_FUNC, parts->start_func), count++;
    return count;
}

static void put_exports(const struct preparation *preparation, struct ga_buf *section)
{
    const struct core_module *module = preparation->module;
    struct ga_buf added = {0};
    uint32_t added_count = put_added_exports(preparation, &added);
    uint32_t count = added_count;
    for (uint32_t i = 0; i < module->export_count; i++)
        count += module->exports[i].import == NULL;
    ga_buf_leb_u(section, count);
    for (uint32_t i = 0; i < module->export_count; i++) {
        if (module->exports[i].import != NULL)
            continue;
        char name[16];
        snprintf(name, sizeof name, "e%u", i);
        put_export(section, name, module->exports[i].type.kind, preparation->parts->export_indexes.items[i]);
    }
    ga_buf_append(section, added.data, added.size);
    ga_buf_free(&added);
}

/* One body with its tail calls, *next being the first one that is not yet past; all of a body lie together. */
static void put_body(const struct core_parts *parts, uint32_t body_index, uint32_t *next, struct ga_buf *section)
{
    const struct core_body *body = &parts->bodies.items[body_index];
    uint32_t first = *next, at = 0;
    while (*next < parts->tail_calls.count && parts->tail_calls.items[*next].body == body_index)
        ++*next;
    ga_buf_leb_u(section, (uint64_t)body->size + (*next - first));
    for (uint32_t i = first; i < *next; i++) {
        const struct core_tail_call *call = &parts->tail_calls.items[i];
        ga_buf_append(section, body->data + at, call->at - at);
        ga_buf_u8(section, call->opcode == OP_RETURN_CALL ? OP_CALL : OP_CALL_INDIRECT);
        ga_buf_append(section, body->data + call->at + 1, call->end - call->at - 1);
        ga_buf_u8(section, OP_RETURN);
        at = call->end;
    }
    ga_buf_append(section, body->data + at, body->size - at);
}

static void put_code(const struct preparation *preparation, struct ga_buf *section)
{
    const struct core_parts *parts = preparation->parts;
    struct core_section old = old_section(preparation, SECTION_CODE);
    const uint8_t *at = put_count(preparation, SECTION_CODE, preparation->forwarded.count, section);
    uint32_t next = 0;
    if (!parts->tail_calls.count)
        ga_buf_append(section, at, (size_t)(old.data + old.size - at));
    else
        for (uint32_t i = 0; i < parts->bodies.count; i++)
            put_body(parts, i, &next, section);
    for (uint32_t i = 0; i < preparation->forwarded.count; i++)
        put_forwarder(preparation, preparation->forwarded.items[i], section);
}

static void put_data(const struct preparation *preparation, struct ga_buf *section)
{
    const struct core_parts *parts = preparation->parts;
    if (!preparation->take_data) {
        ga_buf_append(section, parts->sections[SECTION_DATA].data, parts->sections[SECTION_DATA].size);
        return;
    }
    ga_buf_leb_u(section, parts->data.count);
    for (uint32_t i = 0; i < parts->data.count; i++) {
        const struct core_data_segment *segment = &parts->data.items[i];
        uint32_t size = segment->active ? 0 : segment->bytes.size;
        ga_buf_u8(section, 1); /* passive */
        ga_buf_leb_u(section, size);
        ga_buf_append(section, segment->bytes.data, size);
    }
}

/* A section's contents in the new module; false if it is not in it. Sections without a rule go over as they are. */
static bool put_contents(const struct preparation *preparation, enum core_section_id id, const char *prefix,
                         struct ga_buf *section)
{
    const struct core_section *old = &preparation->parts->sections[id];
    bool data_goes = preparation->take_data && !preparation->parts->uses_data_segments;
    bool has_funcs = old->data || preparation->forwarded.count;
    switch (id) {
    case SECTION_IMPORT: put_imports(preparation, prefix, section); return old->data;
    case SECTION_EXPORT: put_exports(preparation, section); return old->data || preparation->take_data;
    case SECTION_START: ga_buf_append(section, old->data, old->size); return old->data && !preparation->take_data;
    case SECTION_FUNCTION: put_functions(preparation, section); return has_funcs;
    case SECTION_ELEMENT: put_elements(preparation, section); return old->data;
    case SECTION_CODE: put_code(preparation, section); return has_funcs;
    case SECTION_DATA: put_data(preparation, section); return old->data && !data_goes;
    case SECTION_DATA_COUNT: ga_buf_append(section, old->data, old->size); return old->data && !data_goes;
    default: ga_buf_append(section, old->data, old->size); return old->data;
    }
}

static const uint8_t module_order[] = {SECTION_TYPE,   SECTION_IMPORT,  SECTION_FUNCTION,   SECTION_TABLE,
                                       SECTION_MEMORY, SECTION_TAG,     SECTION_GLOBAL,     SECTION_EXPORT,
                                       SECTION_START,  SECTION_ELEMENT, SECTION_DATA_COUNT, SECTION_CODE,
                                       SECTION_DATA};
/* What the C header that all of a module's C includes is made of, but for the types of globals, which lie beside their values. */
static const uint8_t header_order[] = {SECTION_TYPE,   SECTION_IMPORT, SECTION_FUNCTION, SECTION_TABLE,
                                       SECTION_MEMORY, SECTION_TAG,    SECTION_EXPORT};

static void put_sections(const struct preparation *preparation, const uint8_t *order, size_t count, const char *prefix,
                         struct ga_buf *wasm)
{
    struct ga_buf section = {0};
    for (size_t i = 0; i < count; i++) {
        section.size = 0;
        if (put_contents(preparation, order[i], prefix, &section))
            put_section(wasm, order[i], section.data, section.size);
    }
    ga_buf_free(&section);
}

static void put_module(const struct preparation *preparation, const char *prefix, struct ga_buf *wasm)
{
    static const uint8_t header[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wasm->size = 0;
    ga_buf_append(wasm, header, sizeof header);
    put_sections(preparation, module_order, sizeof module_order, prefix, wasm);
    if (preparation->module->variant == 0)
        return;
    struct ga_buf variant = {0};
    put_name(&variant, "variant");
    ga_buf_leb_u(&variant, preparation->module->variant);
    put_section(wasm, SECTION_CUSTOM, variant.data, variant.size);
    ga_buf_free(&variant);
}

/* --- the prefix --- */

bool core_prepared_same_code(const struct core_prepared *a, const struct core_prepared *b)
{
    return memcmp(a->code_hash, b->code_hash, sizeof a->code_hash) == 0;
}

static bool is_taken(const struct core_prepared *prepared, const struct core_prepared *earlier, uint32_t earlier_count)
{
    for (uint32_t i = 0; i < earlier_count; i++)
        if (strcmp(earlier[i].prefix, prepared->prefix) == 0 && !core_prepared_same_code(&earlier[i], prepared))
            return true;
    return false;
}

/* In the texts that are hashed the prefix reads as zeros. */
static void choose_prefix(const struct preparation *preparation, const struct core_prepared *earlier,
                          uint32_t earlier_count)
{
    struct core_prepared *out = preparation->out;
    struct ga_buf text = {0};
    char zeros[PREFIX_BYTES + 1];
    memset(zeros, '0', PREFIX_BYTES);
    zeros[PREFIX_BYTES] = 0;
    put_module(preparation, zeros, &out->wasm);
    hash_bytes(out->code_hash, out->wasm.data, out->wasm.size);
    put_sections(preparation, header_order, sizeof header_order, zeros, &text);
    do {
        hash_name(out->prefix, 'm', text.data, text.size);
        ga_buf_u8(&text, 0); /* another one next time */
    } while (is_taken(out, earlier, earlier_count));
    ga_buf_free(&text);
}

enum ga_status core_prepare(struct ga_arena *arena, struct slice bytes, const struct core_module *module,
                            const struct core_prepared *earlier, uint32_t earlier_count,
                            struct core_prepared *prepared_out, struct ga_report *report)
{
    *prepared_out = (struct core_prepared){0};
    GA_ASSERT(bytes.size == (size_t)(module->parts->end - module->parts->start));
    enum ga_status status = refuse(module, report);
    if (status != GA_OK)
        return status;
    struct preparation preparation = {.arena = arena, .module = module, .parts = module->parts, .out = prepared_out};
    take_data(&preparation);
    collect_forwarded(&preparation);
    prepared_out->tail_calls = module->uses_tail_calls;
    prepared_out->start_exported = preparation.take_data && module->has_start;
    choose_prefix(&preparation, earlier, earlier_count);
    put_module(&preparation, prepared_out->prefix, &prepared_out->wasm);
    return GA_OK;
}
