#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit_parts.h"
#include "ga_assert.h"

/*
 * Core items as C, and the imports of core modules.
 *
 * wasm2c turns import i of a module into the symbol w2c_<prefix>i<i>_f, called with the instance pointer that instantiate()
 * was given for "import module" <prefix>i<i>. All instances of a module share the symbol, so what it stands for depends on
 * what they are given:
 *   - the same export of the same module, whatever the instance: a link-time equation of the two symbols; the pointer is
 *     the provider's instance. A direct call.
 *   - the same lower or resource built-in: a function of the glue that calls it; the pointer is not used.
 *   - different things: a function of the glue that switches on the pointer, which is then the number of the calling core instance.
 * Memories, tables and globals are asked for once, while instantiating: the symbol is a function that returns the pointer it
 * was given. A tag is a constant of its module, of which there is a variant for each instance (link_tags.c).
 */

static const struct emit_unit *unit_of_instance(const struct emitter *emitter, uint32_t core_instance)
{
    uint32_t module = emitter->plan->core_instances.items[core_instance].module;
    return &emitter->units.items[emitter->unit_of_module[module]];
}

static uint32_t export_index(const struct emitter *emitter, const struct core_item *item)
{
    const struct plan_module *module =
        &emitter->plan->modules.items[emitter->plan->core_instances.items[item->instance].module];
    const struct core_export *found = ga_map_get(&module->exports, item->name.data, item->name.size);
    GA_ASSERT(found != NULL);
    return (uint32_t)(found - module->core->exports);
}

/* "w2c_m0123_e4" */
static const char *export_symbol(struct emitter *emitter, const struct core_item *item)
{
    return ga_arena_printf(emitter->arena, "w2c_%s_e%u", unit_of_instance(emitter, item->instance)->prefix,
                           export_index(emitter, item));
}

void emit_core_address(struct emitter *emitter, struct ga_buf *out, const struct core_item *item)
{
    GA_ASSERT(item->kind == CORE_ITEM_EXPORT);
    ga_buf_printf(out, "%s(&ROOT->core_%u)", export_symbol(emitter, item), item->instance);
}

static void call_resource(struct emitter *emitter, struct ga_buf *out, const struct core_item *item, const char *args)
{
    static const char *const functions[] = {
        [CORE_ITEM_RESOURCE_NEW] = "rt_resource_new",
        [CORE_ITEM_RESOURCE_REP] = "rt_resource_rep",
        [CORE_ITEM_RESOURCE_DROP] = "rt_resource_drop",
    };
    ga_buf_printf(out, "%s(&ROOT->instances[%u], %s, %s)", functions[item->kind], item->instance,
                  emit_resource_index_ref(emitter, item->index), args);
}

void emit_core_call(struct emitter *emitter, struct ga_buf *out, const struct core_item *item, const char *args)
{
    switch (item->kind) {
    case CORE_ITEM_EXPORT:
        ga_buf_printf(out, "%s(&ROOT->core_%u%s%s)", export_symbol(emitter, item), item->instance,
                      args[0] != 0 ? ", " : "", args);
        break;
    case CORE_ITEM_LOWER:
        emit_want(emitter, WANT_LOWER, item->index);
        ga_buf_printf(out, "lower_%u(%s)", item->index, args);
        break;
    default:
        call_resource(emitter, out, item, args);
        break;
    }
}

/* --- units --- */

static const struct core_item *given(const struct emitter *emitter, uint32_t core_instance, uint32_t import)
{
    return &emitter->plan->core_instances.items[core_instance].imports[import];
}

/* The same C function behind both, the instance pointer apart. */
static bool same_function(const struct emitter *emitter, const struct core_item *a, const struct core_item *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CORE_ITEM_EXPORT:
        return unit_of_instance(emitter, a->instance) == unit_of_instance(emitter, b->instance) &&
               export_index(emitter, a) == export_index(emitter, b);
    case CORE_ITEM_LOWER:
        return a->index == b->index;
    default:
        return a->index == b->index && a->instance == b->instance;
    }
}

static void compare_providers(struct emitter *emitter, struct emit_unit *unit)
{
    unit->same = ga_arena_array(emitter->arena, unit->core->import_count, sizeof *unit->same);
    for (uint32_t import = 0; import < unit->core->import_count; import++) {
        const struct core_item *first = given(emitter, unit->core_instances.items[0], import);
        unit->same[import] = true;
        for (uint32_t i = 1; i < unit->core_instances.count && unit->same[import]; i++)
            unit->same[import] = same_function(emitter, first, given(emitter, unit->core_instances.items[i], import));
    }
}

static uint32_t find_unit(struct emitter *emitter, uint32_t module)
{
    const char *prefix = emitter->input->modules[module].prefix;
    for (uint32_t i = 0; i < emitter->units.count; i++)
        if (strcmp(emitter->units.items[i].prefix, prefix) == 0)
            return i;
    struct emit_unit *unit = GA_PUSH(emitter->arena, &emitter->units);
    unit->prefix = prefix;
    unit->core = emitter->plan->modules.items[module].core;
    ga_buf_printf(&emitter->includes, "#include \"%s.h\"\n", prefix);
    return emitter->units.count - 1;
}

void emit_units(struct emitter *emitter)
{
    const struct plan *plan = emitter->plan;
    emitter->unit_of_module = ga_arena_array(emitter->arena, plan->modules.count, sizeof *emitter->unit_of_module);
    for (uint32_t i = 0; i < plan->modules.count; i++) {
        emitter->unit_of_module[i] = find_unit(emitter, i);
        emitter->uses_exceptions |= plan->modules.items[i].core->uses_exceptions;
    }
    for (uint32_t i = 0; i < plan->core_instances.count; i++) {
        struct emit_unit *unit = &emitter->units.items[emitter->unit_of_module[plan->core_instances.items[i].module]];
        *GA_PUSH(emitter->arena, &unit->core_instances) = i;
    }
    for (uint32_t i = 0; i < emitter->units.count; i++)
        compare_providers(emitter, &emitter->units.items[i]);
}

/* --- bindings --- */

static bool is_equation(const struct emitter *emitter, const struct emit_unit *unit, uint32_t import)
{
    return given(emitter, unit->core_instances.items[0], import)->kind == CORE_ITEM_EXPORT &&
           unit->same[import];
}

static void emit_equation(struct emitter *emitter, const struct emit_unit *unit, uint32_t import)
{
    const struct core_item *item = given(emitter, unit->core_instances.items[0], import);
    ga_buf_printf(emitter->defsyms, "w2c_%si%u_f=%s\n", unit->prefix, import, export_symbol(emitter, item));
}

static void put_import_comment(struct emitter *emitter, const struct core_import *import)
{
    ga_buf_text(&emitter->imports, "/* core import: ");
    emit_quoted(&emitter->imports, import->module);
    ga_buf_u8(&emitter->imports, ' ');
    emit_quoted(&emitter->imports, import->name);
    ga_buf_text(&emitter->imports, " */\n");
}

static void put_call_statement(struct emitter *emitter, const struct core_func_type *type, const struct core_item *item)
{
    struct ga_buf *out = &emitter->imports;
    ga_buf_text(out, type->result_count > 0 ? "return " : "");
    emit_core_call(emitter, out, item, emit_arguments(emitter, type->param_count));
    ga_buf_text(out, ";\n");
}

static void put_switch(struct emitter *emitter, const struct emit_unit *unit, uint32_t import)
{
    struct ga_buf *out = &emitter->imports;
    const struct core_func_type *type = &unit->core->imports[import].type.func;
    uint32_t last = unit->core_instances.count - 1;

    ga_buf_text(out, "    switch ((uintptr_t)caller) {\n");
    for (uint32_t i = 0; i <= last; i++) {
        uint32_t core_instance = unit->core_instances.items[i];
        if (i < last)
            ga_buf_printf(out, "    case %u:\n        ", core_instance);
        else
            ga_buf_printf(out, "    default: /* %u */\n        ", core_instance);
        put_call_statement(emitter, type, given(emitter, core_instance, import));
        if (type->result_count == 0)
            ga_buf_text(out, "        break;\n");
    }
    ga_buf_text(out, "    }\n");
}

static void emit_func_import(struct emitter *emitter, const struct emit_unit *unit, uint32_t import)
{
    struct ga_buf *out = &emitter->imports;
    const struct core_func_type *type = &unit->core->imports[import].type.func;
    bool same = unit->same[import];

    put_import_comment(emitter, &unit->core->imports[import]);
    ga_buf_printf(out, "%s w2c_%si%u_f(struct w2c_%si%u *caller%s", emit_result_type(emitter, type), unit->prefix, import,
                  unit->prefix, import, type->param_count > 0 ? ", " : "");
    emit_params(emitter, out, type);
    ga_buf_text(out, ")\n{\n");
    if (same) {
        ga_buf_text(out, "    (void)caller;\n    ");
        put_call_statement(emitter, type, given(emitter, unit->core_instances.items[0], import));
    } else {
        put_switch(emitter, unit, import);
    }
    ga_buf_text(out, "}\n\n");
}

/* The C type an accessor returns a pointer to. */
static const char *accessor_type(struct emitter *emitter, const struct core_extern_type *type)
{
    switch (type->kind) {
    case CORE_EXTERN_TABLE:
        return type->value == CORE_EXTERNREF ? "wasm_rt_externref_table_t" : "wasm_rt_funcref_table_t";
    case CORE_EXTERN_MEMORY:
        return type->shared ? "wasm_rt_shared_memory_t" : "wasm_rt_memory_t";
    default:
        return emit_core_type(emitter, type->value);
    }
}

static void emit_accessor_import(struct emitter *emitter, const struct emit_unit *unit, uint32_t import)
{
    const char *type = accessor_type(emitter, &unit->core->imports[import].type);
    put_import_comment(emitter, &unit->core->imports[import]);
    ga_buf_printf(&emitter->imports,
                  "%s *w2c_%si%u_f(struct w2c_%si%u *given)\n{\n    return (%s *)given;\n}\n\n", type, unit->prefix, import,
                  unit->prefix, import, type);
}

static void emit_import_binding(struct emitter *emitter, const struct emit_unit *unit, uint32_t import)
{
    switch (unit->core->imports[import].type.kind) {
    case CORE_EXTERN_FUNC:
        if (is_equation(emitter, unit, import))
            emit_equation(emitter, unit, import);
        else
            emit_func_import(emitter, unit, import);
        break;
    case CORE_EXTERN_TAG:
        GA_ASSERT(is_equation(emitter, unit, import));
        emit_equation(emitter, unit, import);
        break;
    default:
        emit_accessor_import(emitter, unit, import);
        break;
    }
}

void emit_import_bindings(struct emitter *emitter)
{
    for (uint32_t i = 0; i < emitter->units.count; i++)
        for (uint32_t import = 0; import < emitter->units.items[i].core->import_count; import++)
            emit_import_binding(emitter, &emitter->units.items[i], import);
}

/* --- arguments of instantiation --- */

static void put_import_argument(struct emitter *emitter, struct ga_buf *out, uint32_t core_instance, uint32_t import)
{
    const struct emit_unit *unit = unit_of_instance(emitter, core_instance);
    const struct core_item *item = given(emitter, core_instance, import);

    ga_buf_printf(out, ",\n        (struct w2c_%si%u *)", unit->prefix, import);
    switch (item->sort) {
    case CORE_EXTERN_FUNC:
        if (is_equation(emitter, unit, import))
            ga_buf_printf(out, "&ROOT->core_%u", item->instance);
        else if (unit->same[import])
            ga_buf_text(out, "NULL");
        else
            ga_buf_printf(out, "(uintptr_t)%u", core_instance);
        break;
    case CORE_EXTERN_TAG:
        ga_buf_text(out, "NULL");
        break;
    default:
        emit_core_address(emitter, out, item);
        break;
    }
}

struct numbered_name {
    char text[12];
    uint32_t number;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct numbered_name *)a)->text, ((const struct numbered_name *)b)->text);
}

/* wasm2c orders the parameters by import module name: i0, i1, i10, i11, i2, ... */
void emit_import_arguments(struct emitter *emitter, struct ga_buf *out, uint32_t core_instance)
{
    uint32_t count = unit_of_instance(emitter, core_instance)->core->import_count;
    struct numbered_name *names = ga_arena_array(emitter->arena, count, sizeof *names);
    for (uint32_t i = 0; i < count; i++) {
        names[i].number = i;
        snprintf(names[i].text, sizeof names[i].text, "%u", i);
    }
    qsort(names, count, sizeof *names, compare_names);
    for (uint32_t i = 0; i < count; i++)
        put_import_argument(emitter, out, core_instance, names[i].number);
}
