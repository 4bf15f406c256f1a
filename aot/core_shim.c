#include "core_parts.h"

/* See core.h: enough of modules to see through a table that one module calls and another one fills. */

enum { OP_END = 0x0b, OP_CALL_INDIRECT = 0x11, OP_LOCAL_GET = 0x20, OP_I32_CONST = 0x41 };

bool core_is_shim(const struct core_module *module)
{
    for (uint32_t i = 0; i < module->import_count; i++)
        if (module->imports[i].type.kind == CORE_EXTERN_TABLE)
            return false;
    return module->parts->tables.count == 1 && module->parts->elements.count == 0 && !module->mutates_tables &&
           !module->has_start;
}

bool core_forwards(const struct core_module *module, const struct core_export *export, uint32_t *slot_out)
{
    const struct core_parts *parts = module->parts;
    uint32_t func = parts->export_indexes.items[export - module->exports];
    if (func < parts->imported_funcs)
        return false;
    const struct core_body *body = &parts->bodies.items[func - parts->imported_funcs];
    const struct core_func_type *type = &parts->types.items[parts->funcs.items[func]].func;
    struct ga_reader in = {.start = body->data, .at = body->data, .end = body->data + body->size};

    bool is_forwarder = ga_read_u8(&in) == 0; /* no locals */
    for (uint32_t i = 0; i < type->param_count && is_forwarder && !in.failed; i++)
        is_forwarder = ga_read_u8(&in) == OP_LOCAL_GET && ga_read_leb_u(&in, 32) == i;
    is_forwarder = is_forwarder && ga_read_u8(&in) == OP_I32_CONST;
    int64_t slot = ga_read_leb_s(&in, 32);
    is_forwarder = is_forwarder && ga_read_u8(&in) == OP_CALL_INDIRECT &&
                   ga_read_leb_u(&in, 32) == parts->funcs.items[func] && ga_read_leb_u(&in, 32) == 0 &&
                   ga_read_u8(&in) == OP_END && in.at == in.end;
    *slot_out = (uint32_t)slot;
    return is_forwarder && !in.failed && slot >= 0;
}

/* --- who fills it --- */

struct filler {
    struct ga_reader in;
    uint32_t table;        /* its index */
    const uint32_t *funcs; /* by imported function: the number of its import */
    uint32_t func_count;
    uint32_t *slots, slot_count;
};

/* The numbers of the imports that are functions. */
static uint32_t *imported_functions(struct ga_arena *arena, const struct core_module *module)
{
    uint32_t *funcs = ga_arena_array(arena, module->parts->imported_funcs, sizeof *funcs), count = 0;
    for (uint32_t i = 0; i < module->import_count; i++)
        if (module->imports[i].type.kind == CORE_EXTERN_FUNC)
            funcs[count++] = i;
    return funcs;
}

/* One segment; false unless it is active and names functions, from a constant on, in the table. */
static bool read_segment(struct filler *filler)
{
    struct ga_reader *in = &filler->in;
    uint64_t flags = ga_read_leb_u(in, 32);
    if (flags != 0 && flags != 2)
        return false;
    if ((flags == 2 ? ga_read_leb_u(in, 32) : 0) != filler->table || ga_read_u8(in) != OP_I32_CONST)
        return false;
    uint64_t slot = (uint32_t)ga_read_leb_s(in, 32);
    if (ga_read_u8(in) != OP_END || (flags == 2 && ga_read_u8(in) != 0))
        return false;
    for (uint64_t count = ga_read_leb_u(in, 32); count > 0 && !in->failed; count--, slot++) {
        uint64_t func = ga_read_leb_u(in, 32);
        if (slot < filler->slot_count)
            filler->slots[slot] = func < filler->func_count ? filler->funcs[func] + 1 : 0;
    }
    return !in->failed;
}

bool core_fills(struct ga_arena *arena, const struct core_module *module, uint32_t table_import, uint32_t slot_count,
                uint32_t *slots_out)
{
    const struct core_section *section = &module->parts->sections[SECTION_ELEMENT];
    if (module->mutates_tables || section->data == NULL)
        return false;
    struct filler filler = {.in = {.start = section->data, .at = section->data, .end = section->data + section->size},
                            .funcs = imported_functions(arena, module),
                            .func_count = module->parts->imported_funcs,
                            .slots = slots_out,
                            .slot_count = slot_count};
    for (uint32_t i = 0; i < table_import; i++)
        filler.table += module->imports[i].type.kind == CORE_EXTERN_TABLE;
    for (uint32_t i = 0; i < module->export_count; i++)
        if (module->exports[i].type.kind == CORE_EXTERN_TABLE)
            return false;
    uint64_t segments = ga_read_leb_u(&filler.in, 32);
    while (segments > 0 && read_segment(&filler))
        segments--;
    return segments == 0;
}
