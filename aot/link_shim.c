#include "ga_assert.h"
#include "link_scope.h"

/*
 * Direct calls through a shim. A module whose imports need its own memory to be lowered cannot be instantiated after they are; so
 * wit-component gives it functions of a shim, which call through a table, and a fixup module puts the lowered functions into the
 * table once they are there. Where nothing else can happen to the table, a call of the shim is a call of what the
 * fixup was given, and that is what all who import from the shim are given here:
 *   - the shim has one table, which is its own, without elements; neither it nor the fixup changes tables by instructions,
 *   - one core instance imports the table, the fixup, which does not export it again, and all of its element segments are
 *     active, with constant offsets, and lists of functions,
 *   - the slot gets an imported function of the type that call_indirect asks for,
 *   - no start function runs between: it would find the slot empty, and trap.
 */
enum { SHIMS_IN_A_ROW_MAX = 4 };

struct shim {
    uint32_t user_count, fixup, table_import; /* who imports the table: how many, the last, with which import */
    uint32_t *slots;                          /* by slot: import of the fixup + 1; NULL: not a shim */
    uint32_t slot_count;
};

struct shims {
    struct ga_arena *arena;
    const struct plan *plan;
    struct shim *items; /* by core instance */
};

static const struct plan_module *module_of(const struct plan *plan, uint32_t core_instance)
{
    return &plan->modules.items[plan->core_instances.items[core_instance].module];
}

static void note_users(struct shims *shims)
{
    for (uint32_t i = 0; i < shims->plan->core_instances.count; i++) {
        const struct core_module *core = module_of(shims->plan, i)->core;
        for (uint32_t import = 0; import < core->import_count; import++) {
            const struct core_item *item = &shims->plan->core_instances.items[i].imports[import];
            if (item->sort != CORE_EXTERN_TABLE)
                continue;
            struct shim *shim = &shims->items[item->instance];
            shim->user_count++;
            shim->fixup = i;
            shim->table_import = import;
        }
    }
}

/* The number of a core instance before which a start function runs last, by core instance: see look_through. */
static uint32_t *last_starts(const struct shims *shims)
{
    uint32_t count = shims->plan->core_instances.count, last = 0;
    uint32_t *starts = ga_arena_array(shims->arena, count, sizeof *starts);
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = last; /* 1 + the last one before i that has a start function */
        if (module_of(shims->plan, i)->core->has_start)
            last = i + 1;
    }
    return starts;
}

static void look_through(struct shims *shims, uint32_t instance, const uint32_t *starts)
{
    struct shim *shim = &shims->items[instance];
    const struct core_module *core = module_of(shims->plan, instance)->core;
    if (shim->user_count != 1 || shim->fixup <= instance || starts[shim->fixup] > instance || !core_is_shim(core))
        return;
    uint32_t slot_count = core->export_count; /* a shim has no more of them */
    uint32_t *slots = ga_arena_array(shims->arena, slot_count, sizeof *slots);
    if (core_fills(shims->arena, module_of(shims->plan, shim->fixup)->core, shim->table_import, slot_count, slots)) {
        shim->slots = slots;
        shim->slot_count = slot_count;
    }
}

static bool same_types(uint32_t count, const uint8_t *a, const uint8_t *b)
{
    for (uint32_t i = 0; i < count; i++)
        if (a[i] != b[i] || a[i] == CORE_OTHER)
            return false;
    return true;
}

static bool is_of_type(const struct core_func_type *a, const struct core_func_type *b)
{
    return a->param_count == b->param_count && a->result_count == b->result_count &&
           same_types(a->param_count, a->params, b->params) && same_types(a->result_count, a->results, b->results);
}

/* What a call of the item calls, or NULL if that is not known. */
static const struct core_item *behind(const struct shims *shims, const struct core_item *item)
{
    if (item->kind != CORE_ITEM_EXPORT || item->sort != CORE_EXTERN_FUNC || shims->items[item->instance].slots == NULL)
        return NULL;
    const struct shim *shim = &shims->items[item->instance];
    const struct plan_module *module = module_of(shims->plan, item->instance);
    const struct core_export *export = ga_map_get(&module->exports, item->name.data, item->name.size);
    uint32_t slot;
    GA_ASSERT(export != NULL);
    if (!core_forwards(module->core, export, &slot) || slot >= shim->slot_count || shim->slots[slot] == 0)
        return NULL;
    uint32_t import = shim->slots[slot] - 1;
    if (!is_of_type(&export->type.func, &module_of(shims->plan, shim->fixup)->core->imports[import].type.func))
        return NULL;
    return &shims->plan->core_instances.items[shim->fixup].imports[import];
}

static void resolve(const struct shims *shims, struct core_item *item)
{
    for (int i = 0; i < SHIMS_IN_A_ROW_MAX; i++) {
        const struct core_item *target = behind(shims, item);
        if (target == NULL)
            return;
        *item = *target;
    }
}

static void resolve_options(const struct shims *shims, struct plan_options *options)
{
    if (options->has_realloc)
        resolve(shims, &options->realloc);
    if (options->has_post_return)
        resolve(shims, &options->post_return);
}

static void resolve_all(const struct shims *shims, struct plan *plan)
{
    for (uint32_t i = 0; i < plan->core_instances.count; i++) {
        struct plan_core_instance *instance = &plan->core_instances.items[i];
        uint32_t count = module_of(plan, i)->core->import_count;
        struct core_item *imports = ga_arena_array(shims->arena, count, sizeof *imports);
        for (uint32_t import = 0; import < count; import++) {
            imports[import] = instance->imports[import];
            resolve(shims, &imports[import]);
        }
        instance->imports = imports;
    }
    for (uint32_t i = 0; i < plan->lifts.count; i++) {
        resolve(shims, &plan->lifts.items[i].func);
        resolve_options(shims, &plan->lifts.items[i].options);
    }
    for (uint32_t i = 0; i < plan->lowers.count; i++)
        resolve_options(shims, &plan->lowers.items[i].options);
    for (uint32_t i = 0; i < plan->resources.count; i++)
        if (plan->resources.items[i].has_dtor)
            resolve(shims, &plan->resources.items[i].dtor);
}

void link_shims(struct ga_arena *arena, struct plan *plan)
{
    struct shims shims = {.arena = arena, .plan = plan};
    shims.items = ga_arena_array(arena, plan->core_instances.count, sizeof *shims.items);
    note_users(&shims);
    const uint32_t *starts = last_starts(&shims);
    bool any = false;
    for (uint32_t i = 0; i < plan->core_instances.count; i++) {
        look_through(&shims, i, starts);
        any |= shims.items[i].slots != NULL;
    }
    if (any)
        resolve_all(&shims, plan);
}
