/*
 * Host resources: the table and the records in the region, the live parts outside (see host.h).
 *
 * Invariants: entry 0 is never used; a free entry has type NULL and names in `parent` the free entry that was freed
 * before it, beginning with free_head; child_count is the number of entries that name this one as parent;
 * `forbidding` counts the entries whose type forbids checkpoints. All of it follows from the calls alone, so replay
 * builds the same table again. What forbids checkpoints for a while is a live part, and is kept as those are:
 * worker->live_forbidding counts.
 */
#include <stdlib.h>
#include <string.h>

#include "ga_assert.h"
#include "ga_limits.h"
#include "trap.h"
#include "worker.h"

enum { FIRST_CAPACITY = 16, LIVE_PAGE = 1024, LIVE_PAGES = GA_MAX_HOST_RESOURCES / LIVE_PAGE + 1 };

/* Slots never move, so that a function may keep the address while it makes other resources. */
struct live_slot {
    void *part;
    bool forbids;
};
static struct live_slot *live_pages[LIVE_PAGES];

static struct live_slot *live_slot(uint32_t rep)
{
    GA_ASSERT(rep && rep < STATE->host_resources.count);
    struct live_slot **page = &live_pages[rep / LIVE_PAGE];
    if (!*page) {
        *page = calloc(LIVE_PAGE, sizeof **page);
        if (!*page)
            ga_out_of_memory("host resources");
    }
    return &(*page)[rep % LIVE_PAGE];
}

void **host_resource_live(struct worker *worker, uint32_t rep)
{
    (void)worker;
    return &live_slot(rep)->part;
}

void host_resource_forbid_checkpoints(struct worker *worker, uint32_t rep, bool forbid)
{
    struct live_slot *slot = live_slot(rep);
    worker->live_forbidding += (uint32_t)forbid - (uint32_t)slot->forbids;
    slot->forbids = forbid;
}

bool host_resources_need_process(struct worker *worker)
{
    return worker->live_forbidding > 0;
}

static void grow(struct host_resource_table *table)
{
    uint32_t capacity = table->capacity ? 2 * table->capacity : FIRST_CAPACITY;
    struct host_resource_entry *entries = region_alloc(capacity * sizeof *entries);
    if (!entries)
        trap_raise("no memory for %u host resources", capacity);
    if (table->entries) {
        memcpy(entries, table->entries, table->count * sizeof *entries);
        region_free(table->entries, table->capacity * sizeof *entries);
    }
    table->entries = entries;
    table->capacity = capacity;
}

static uint32_t take_rep(struct host_resource_table *table)
{
    uint32_t rep = table->free_head;
    if (rep) {
        table->free_head = table->entries[rep].parent;
        return rep;
    }
    rep = table->count ? table->count : 1;
    if (rep > GA_MAX_HOST_RESOURCES)
        trap_raise("too many host resources (limit is %d)", GA_MAX_HOST_RESOURCES);
    if (rep >= table->capacity)
        grow(table);
    table->count = rep + 1;
    return rep;
}

void *host_resource_new(struct worker *worker, const struct host_resource_type *type, uint32_t *rep_out)
{
    struct host_resource_table *table = &STATE->host_resources;
    uint32_t rep = take_rep(table);
    void *record = region_alloc(type->record_size);
    if (!record)
        trap_raise("no memory for a %s", type->name);
    table->entries[rep] = (struct host_resource_entry){.type = type, .record = record};
    table->forbidding += type->forbids_checkpoint;
    *host_resource_live(worker, rep) = NULL;
    *rep_out = rep;
    return record;
}

void *host_memory_new(struct worker *worker, size_t size)
{
    (void)worker;
    return region_alloc(size);
}

void host_memory_free(struct worker *worker, void *memory, size_t size)
{
    (void)worker;
    region_free(memory, size);
}

static struct host_resource_entry *entry_of(const struct host_resource_type *type, uint32_t rep)
{
    struct host_resource_table *table = &STATE->host_resources;
    if (rep == 0 || rep >= table->count || table->entries[rep].type != type)
        trap_raise("there is no %s %u", type->name, rep);
    return &table->entries[rep];
}

void *host_resource_get(struct worker *worker, const struct host_resource_type *type, uint32_t rep)
{
    (void)worker;
    return entry_of(type, rep)->record;
}

void host_resource_drop(struct worker *worker, const struct host_resource_type *type, uint32_t rep)
{
    struct host_resource_table *table = &STATE->host_resources;
    struct host_resource_entry *entry = entry_of(type, rep);
    if (entry->child_count)
        trap_raise("a %s is dropped before what was made of it", type->name);
    void **live = host_resource_live(worker, rep);
    if (type->drop)
        type->drop(worker, rep, entry->record, *live);
    *live = NULL;
    host_resource_forbid_checkpoints(worker, rep, false);
    entry = entry_of(type, rep); /* drop may have made the table grow */
    if (entry->parent)
        table->entries[entry->parent].child_count--;
    region_free(entry->record, type->record_size);
    table->forbidding -= type->forbids_checkpoint;
    *entry = (struct host_resource_entry){.parent = table->free_head};
    table->free_head = rep;
}

void host_resource_set_parent(struct worker *worker, uint32_t child_rep, uint32_t parent_rep)
{
    (void)worker;
    struct host_resource_table *table = &STATE->host_resources;
    GA_ASSERT(child_rep && child_rep < table->count && table->entries[child_rep].type);
    GA_ASSERT(parent_rep && parent_rep < table->count && table->entries[parent_rep].type);
    GA_ASSERT(!table->entries[child_rep].parent);
    table->entries[child_rep].parent = parent_rep;
    table->entries[parent_rep].child_count++;
}

bool host_resources_are_live(void)
{
    for (uint32_t i = 0; i < LIVE_PAGES; i++)
        for (uint32_t k = 0; live_pages[i] && k < LIVE_PAGE; k++)
            if (live_pages[i][k].part)
                return true;
    return false;
}

void host_resources_drop_live(struct worker *worker)
{
    for (uint32_t rep = STATE->host_resources.count; rep-- > 1;) {
        struct host_resource_entry *entry = &STATE->host_resources.entries[rep];
        void *part = entry->type ? live_slot(rep)->part : NULL;
        if (part && entry->type->drop)
            entry->type->drop(worker, rep, entry->record, part);
        if (part)
            *live_slot(rep) = (struct live_slot){0};
    }
    worker->live_forbidding = 0;
}
