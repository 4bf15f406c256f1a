/* Binary.md: instances, aliases, canonical definitions, start, imports and exports, values. */
#include <string.h>

#include "bin_reader.h"

/* --- instances --- */

/* Up to the arguments or exports, which follow as a list; what: the expression's name for messages. */
static struct def *instance_begin(struct bin_reader *reader, struct component *component, enum def_kind kind,
                                  const char *what)
{
    struct def *def = bin_def(reader, component, kind, reader->at);
    uint8_t byte = bin_u8(reader);
    if (byte > 1)
        bin_fail_byte(reader, byte, what);
    def->instance.inline_exports = byte == 1;
    if (!def->instance.inline_exports)
        def->instance.index = bin_u32(reader);
    return def;
}

void bin_core_instance_entry(struct bin_reader *reader, struct component *component)
{
    struct def *def = instance_begin(reader, component, DEF_CORE_INSTANCE, "a core instance expression");
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--) {
        struct named_index *named = GA_PUSH(reader->arena, &def->instance.items);
        named->offset = bin_offset(reader);
        named->name = bin_name(reader);
        const uint8_t *at = reader->at;
        named->item.sort = bin_core_sort(reader);
        if (reader->failed)
            return;
        if (!def->instance.inline_exports && named->item.sort != SORT_CORE_INSTANCE)
            bin_fail_at(reader, GA_INVALID, at, "an argument of a core instance must be a core instance");
        else if (def->instance.inline_exports && named->item.sort > SORT_CORE_TAG)
            bin_fail_at(reader, GA_INVALID, at, "a core instance cannot export this sort");
        named->item.index = bin_u32(reader);
    }
}

/* Component-level sorts, and core modules: what can be imported, exported and given as an argument. */
static struct sort_index extern_index(struct bin_reader *reader)
{
    const uint8_t *at = reader->at;
    struct sort_index item = {.sort = bin_sort(reader)};
    if (!reader->failed && item.sort < SORT_FUNC && item.sort != SORT_CORE_MODULE)
        bin_fail_at(reader, GA_INVALID, at, "a core sort other than module");
    item.index = bin_u32(reader);
    return item;
}

struct name_attributes {
    struct slice name, version_suffix, implements, external_id;
};

static void attribute(struct bin_reader *reader, struct name_attributes *name, unsigned *seen)
{
    uint8_t byte = bin_u8(reader);
    if (byte > 2) {
        bin_fail_byte(reader, byte, "a name attribute");
        return;
    }
    if (*seen & 1u << byte)
        bin_fail_at(reader, GA_INVALID, reader->at - 1, "name attribute given twice");
    *seen |= 1u << byte;
    struct slice text = bin_name(reader);
    *(byte == 0 ? &name->implements : byte == 1 ? &name->version_suffix : &name->external_id) = text;
}

static struct name_attributes name_attributes(struct bin_reader *reader)
{
    struct name_attributes name = {0};
    uint8_t byte = bin_u8(reader);
    if (byte > 2)
        bin_fail_byte(reader, byte, "the start of a name");
    name.name = bin_name(reader);
    if (byte == 2) {
        unsigned seen = 0;
        for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
            attribute(reader, &name, &seen);
    }
    return name;
}

void bin_instance_entry(struct bin_reader *reader, struct component *component)
{
    struct def *def = instance_begin(reader, component, DEF_INSTANCE, "an instance expression");
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--) {
        struct named_index *named = GA_PUSH(reader->arena, &def->instance.items);
        named->offset = bin_offset(reader);
        if (def->instance.inline_exports) {
            struct name_attributes name = name_attributes(reader);
            named->name = name.name;
            named->version_suffix = name.version_suffix;
            named->implements = name.implements;
            named->external_id = name.external_id;
        } else {
            named->name = bin_name(reader);
        }
        named->item = extern_index(reader);
    }
}

/* --- aliases --- */

static bool alias_allowed(enum alias_kind kind, enum sort sort)
{
    switch (kind) {
    case ALIAS_EXPORT: return sort >= SORT_FUNC || sort == SORT_CORE_MODULE;
    case ALIAS_CORE_EXPORT: return sort <= SORT_CORE_TAG;
    case ALIAS_OUTER:
        return sort == SORT_CORE_MODULE || sort == SORT_CORE_TYPE || sort == SORT_TYPE || sort == SORT_COMPONENT;
    }
    return false;
}

void bin_alias_entry(struct bin_reader *reader, struct component *component)
{
    struct def *def = bin_def(reader, component, DEF_ALIAS, reader->at);
    def->alias.sort = bin_sort(reader);
    uint8_t byte = bin_u8(reader);
    if (byte > 2) {
        bin_fail_byte(reader, byte, "the target of an alias");
        return;
    }
    def->alias.kind = byte == 0 ? ALIAS_EXPORT : byte == 1 ? ALIAS_CORE_EXPORT : ALIAS_OUTER;
    if (!reader->failed && !alias_allowed(def->alias.kind, def->alias.sort))
        bin_fail_at(reader, GA_INVALID, reader->at - 1, "an alias of this kind cannot have this sort");
    if (def->alias.kind == ALIAS_OUTER) {
        def->alias.outer_count = bin_u32(reader);
        def->alias.index = bin_u32(reader);
    } else {
        def->alias.instance = bin_u32(reader);
        def->alias.name = bin_name(reader);
    }
}

/* --- canonical definitions --- */

const struct bin_canon_builtin bin_canon_builtins[] = {
    {0x05, "task.cancel", "", "", ""},
    {0x06, "subtask.cancel", "a", "i", "i"},
    {0x09, "task.return", "ro", NULL, NULL},
    {0x0a, "context.get", "vu", "", "v"},
    {0x0b, "context.set", "vu", "v", ""},
    {0x0c, "thread.yield", "c", "", "i"},
    {0x0d, "subtask.drop", "", "i", ""},
    {0x0e, "stream.new", "t", "", "I"},
    {0x0f, "stream.read", "to", "iii", "i"},
    {0x10, "stream.write", "to", "iii", "i"},
    {0x11, "stream.cancel-read", "ta", "i", "i"},
    {0x12, "stream.cancel-write", "ta", "i", "i"},
    {0x13, "stream.drop-readable", "t", "i", ""},
    {0x14, "stream.drop-writable", "t", "i", ""},
    {0x15, "future.new", "t", "", "I"},
    {0x16, "future.read", "to", "ii", "i"},
    {0x17, "future.write", "to", "ii", "i"},
    {0x18, "future.cancel-read", "ta", "i", "i"},
    {0x19, "future.cancel-write", "ta", "i", "i"},
    {0x1a, "future.drop-readable", "t", "i", ""},
    {0x1b, "future.drop-writable", "t", "i", ""},
    {0x1c, "error-context.new", "o", "ii", "i"},
    {0x1d, "error-context.debug-message", "o", "ii", ""},
    {0x1e, "error-context.drop", "", "i", ""},
    {0x1f, "waitable-set.new", "", "", "i"},
    {0x20, "waitable-set.wait", "cm", "ii", "i"},
    {0x21, "waitable-set.poll", "cm", "ii", "i"},
    {0x22, "waitable-set.drop", "", "i", ""},
    {0x23, "waitable.join", "", "ii", ""},
    {0x24, "backpressure.inc", "", "", ""},
    {0x25, "backpressure.dec", "", "", ""},
    {0x26, "thread.index", "", "", "i"},
    {0x27, "thread.new-indirect", "fT", "ii", "i"},
    {0x28, "thread.resume-later", "", "i", ""},
    {0x29, "thread.suspend", "c", "", "i"},
    {0x2a, "thread.suspend-then-resume", "c", "i", "i"},
    {0x2b, "thread.yield-then-resume", "c", "i", "i"},
    {0x2c, "thread.suspend-then-promote", "c", "i", "i"},
    {0x2d, "thread.yield-then-promote", "c", "i", "i"},
    {0x40, "thread.spawn-ref", "cf", NULL, NULL},
    {0x41, "thread.spawn-indirect", "cfT", "ii", "i"},
    {0x42, "thread.available-parallelism", "c", "", "i"},
};
const uint32_t bin_canon_builtin_count = sizeof bin_canon_builtins / sizeof bin_canon_builtins[0];

const struct bin_canon_builtin *bin_canon_find(uint8_t opcode)
{
    for (uint32_t i = 0; i < bin_canon_builtin_count; i++) {
        if (bin_canon_builtins[i].opcode == opcode)
            return &bin_canon_builtins[i];
    }
    return NULL;
}

static void set_once(struct bin_reader *reader, bool *flag, const uint8_t *at, const char *name)
{
    if (*flag)
        bin_fail_at(reader, GA_INVALID, at, "canonical option %s is given twice", name);
    *flag = true;
}

static void canon_option(struct bin_reader *reader, struct canon *canon)
{
    const uint8_t *at = reader->at;
    uint8_t byte = bin_u8(reader);
    if (reader->failed)
        return;
    switch (byte) {
    case 0x00:
    case 0x01:
    case 0x02:
        set_once(reader, &canon->has_encoding, at, "string-encoding");
        canon->encoding = (enum encoding)byte;
        break;
    case 0x03:
        set_once(reader, &canon->has_memory, at, "memory");
        canon->memory = bin_u32(reader);
        break;
    case 0x04:
        set_once(reader, &canon->has_realloc, at, "realloc");
        canon->realloc = bin_u32(reader);
        break;
    case 0x05:
        set_once(reader, &canon->has_post_return, at, "post-return");
        canon->post_return = bin_u32(reader);
        break;
    case 0x06: set_once(reader, &canon->async, at, "async"); break;
    case 0x07:
        set_once(reader, &canon->has_callback, at, "callback");
        canon->callback = bin_u32(reader);
        break;
    default: bin_fail_byte(reader, byte, "a canonical option");
    }
}

static void canon_options(struct bin_reader *reader, struct canon *canon)
{
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
        canon_option(reader, canon);
}

static void canon_builtin(struct bin_reader *reader, struct canon *canon)
{
    const struct bin_canon_builtin *builtin = bin_canon_find(canon->opcode);
    if (builtin == NULL) {
        bin_fail_byte(reader, canon->opcode, "a canonical definition");
        return;
    }
    canon->kind = CANON_ASYNC;
    uint32_t *operand = canon->operands;
    for (const char *letter = builtin->operands; *letter != 0; letter++) {
        switch (*letter) {
        case 'a': canon->async = bin_bool(reader, "an async flag"); break;
        case 'c': *operand++ = bin_bool(reader, "a flag"); break;
        case 'r': canon->result = bin_result_list(reader); break;
        case 'o': canon_options(reader, canon); break;
        case 'v': *operand++ = bin_core_val(reader); break;
        default: *operand++ = bin_u32(reader);
        }
    }
}

static void canon_func_sort(struct bin_reader *reader)
{
    uint8_t byte = bin_u8(reader);
    if (byte != 0x00)
        bin_fail_byte(reader, byte, "the sort func");
}

void bin_canon_entry(struct bin_reader *reader, struct component *component)
{
    static const enum canon_kind kinds[] = {CANON_LIFT, CANON_LOWER, CANON_RESOURCE_NEW, CANON_RESOURCE_DROP,
                                            CANON_RESOURCE_REP};
    const uint8_t *at = reader->at;
    struct canon canon = {.opcode = bin_u8(reader)};
    if (canon.opcode >= sizeof kinds / sizeof kinds[0]) {
        canon_builtin(reader, &canon);
    } else {
        canon.kind = kinds[canon.opcode];
        if (canon.kind == CANON_LIFT || canon.kind == CANON_LOWER) {
            canon_func_sort(reader);
            canon.func = bin_u32(reader);
            canon_options(reader, &canon);
        }
        if (canon.kind != CANON_LOWER)
            canon.type = bin_u32(reader);
    }
    bin_def(reader, component, DEF_CANON, at)->canon = canon;
}

/* --- start, values --- */

void bin_start(struct bin_reader *reader, struct component *component)
{
    struct def *def = bin_def(reader, component, DEF_START, reader->at);
    def->start.func = bin_u32(reader);
    for (uint32_t left = bin_count(reader); left > 0 && !reader->failed; left--)
        *GA_PUSH(reader->arena, &def->start.args) = bin_u32(reader);
    def->start.result_count = bin_u32(reader);
}

void bin_value_entry(struct bin_reader *reader, struct component *component)
{
    bin_def(reader, component, DEF_VALUE, reader->at);
    bin_val_ref(reader);
    bin_bytes(reader, bin_u32(reader)); /* values are refused later, whatever they are */
}

/* --- imports and exports --- */

void bin_import_entry(struct bin_reader *reader, struct component *component)
{
    struct def *def = bin_def(reader, component, DEF_IMPORT, reader->at);
    struct name_attributes name = name_attributes(reader);
    def->import.name = name.name;
    def->import.version_suffix = name.version_suffix;
    def->import.implements = name.implements;
    def->import.external_id = name.external_id;
    bin_extern_desc(reader, &def->import.desc);
}

static struct def *export(struct bin_reader *reader, struct component *component)
{
    struct def *def = bin_def(reader, component, DEF_EXPORT, reader->at);
    struct name_attributes name = name_attributes(reader);
    def->export.name = name.name;
    def->export.version_suffix = name.version_suffix;
    def->export.implements = name.implements;
    def->export.external_id = name.external_id;
    return def;
}

void bin_export_declarator(struct bin_reader *reader, struct component *component)
{
    struct def *def = export(reader, component);
    def->export.has_desc = true;
    bin_extern_desc(reader, &def->export.desc);
}

void bin_export_entry(struct bin_reader *reader, struct component *component)
{
    struct def *def = export(reader, component);
    def->export.item = extern_index(reader);
    def->export.has_desc = bin_bool(reader, "the start of an optional external type");
    if (def->export.has_desc)
        bin_extern_desc(reader, &def->export.desc);
}
