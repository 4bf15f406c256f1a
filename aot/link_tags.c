#include "link_scope.h"

/*
 * Tags of exceptions. Each instance of a module has tags of its own, but what wasm2c makes of a tag is a constant of the module.
 * So instances whose tags differ are instances of different *variants* of the module, each compiled under a prefix of its own:
 * every instance of a module that defines tags, exported or not, and instances of one that imports tags if they are given
 * different ones.
 */
struct tag_variants {
    struct ga_arena *arena;
    struct plan *plan;
    struct ga_map modules;  /* original module and tags that it is given -> index in plan->modules + 1 */
    struct ga_map variants; /* bytes of code -> how many variants there are */
    bool *is_used;          /* by original module */
};

/* The module's number and the tags that it is given, as text. */
static void put_key(struct ga_buf *out, const struct core_module *core, const struct plan_core_instance *instance)
{
    ga_buf_printf(out, "%u", instance->module);
    for (uint32_t i = 0; i < core->import_count; i++) {
        const struct core_item *item = &instance->imports[i];
        if (item->sort == CORE_EXTERN_TAG)
            ga_buf_printf(out, "|%u %u:%.*s", item->instance, item->name.size, (int)item->name.size, item->name.data);
    }
}

/*
 * Modules that differ in their data only have the same code, hence the same prefix: variants are counted over all modules with as
 * much code.
 */
static uint32_t next_variant(struct tag_variants *tags, const struct core_module *core)
{
    const char *key = ga_arena_strndup(tags->arena, (const char *)&core->code_bytes, sizeof core->code_bytes);
    uintptr_t count = (uintptr_t)ga_map_get(&tags->variants, key, sizeof core->code_bytes);
    ga_map_set(&tags->variants, key, sizeof core->code_bytes, (void *)(count + 1));
    return (uint32_t)count;
}

/* A module of the plan for an instance that shares its tags with none before. */
static uint32_t module_for(struct tag_variants *tags, uint32_t original)
{
    struct plan_module module = tags->plan->modules.items[original];
    struct core_module *core = GA_NEW(tags->arena, struct core_module);
    *core = *module.core;
    core->variant = next_variant(tags, core);
    module.core = core;

    uint32_t index = original;
    if (tags->is_used[original]) {
        index = tags->plan->modules.count;
        GA_PUSH(tags->arena, &tags->plan->modules);
    }
    tags->plan->modules.items[index] = module;
    tags->is_used[original] = true;
    return index;
}

static void choose_module(struct tag_variants *tags, struct plan_core_instance *instance)
{
    const struct core_module *core = tags->plan->modules.items[instance->module].core;
    struct ga_buf text = {0};

    if (!core->has_tags)
        return;
    put_key(&text, core, instance);
    const char *key = ga_arena_strndup(tags->arena, (const char *)text.data, text.size);
    uintptr_t known = core->defines_tags ? 0 : (uintptr_t)ga_map_get(&tags->modules, key, text.size);
    if (known == 0) {
        known = module_for(tags, instance->module) + 1;
        ga_map_set(&tags->modules, key, text.size, (void *)known);
    }
    instance->module = (uint32_t)known - 1;
    ga_buf_free(&text);
}

void link_tags(struct ga_arena *arena, struct plan *plan)
{
    struct tag_variants tags = {.arena = arena, .plan = plan, .modules.arena = arena, .variants.arena = arena};
    tags.is_used = ga_arena_array(arena, plan->modules.count, sizeof *tags.is_used);
    for (uint32_t i = 0; i < plan->core_instances.count; i++)
        choose_module(&tags, &plan->core_instances.items[i]);
}
