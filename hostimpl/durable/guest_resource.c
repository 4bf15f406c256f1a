#include "guest_resource.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ga_assert.h"
#include "record.h"
#include "trap.h"

enum { FIRST_CAPACITY = 8 };

/* --- the table --- */

/* Told to readers of the oplog; in replay it is there already. */
static void note(struct worker *worker, enum oplog_kind kind, uint32_t id, struct oplog_value name,
                 struct oplog_value params)
{
    if (!worker->replaying && worker->replay.reading && worker->replay.position == worker->replay.end)
        worker_go_live(worker);
    if (worker->recording && !worker->replaying && !worker->leaving && !worker->replay.reading)
        journal_append(&worker->journal, kind, (struct oplog_value[]){oplog_number(id), name, params});
}

/* The guest shares the arena, and may have filled it. */
static void *alloc(size_t size)
{
    void *block = region_alloc(size);
    if (!block)
        trap_note("no memory for the resources that are returned");
    return block;
}

static bool grow(struct guest_resource_table *table)
{
    uint32_t capacity = table->capacity ? 2 * table->capacity : FIRST_CAPACITY;
    struct guest_resource *entries = alloc(capacity * sizeof *entries);
    if (!entries)
        return false;
    if (table->entries) {
        memcpy(entries, table->entries, table->count * sizeof *entries);
        region_free(table->entries, table->capacity * sizeof *entries);
    }
    table->entries = entries;
    table->capacity = capacity;
    return true;
}

static bool add(struct worker *worker, const struct cabi_resource *type, uint32_t rep, uint32_t *id_out)
{
    struct guest_resource_table *table = &STATE->guest_resources;
    if (table->count == table->capacity && !grow(table))
        return false;
    *id_out = table->count++;
    table->entries[*id_out] = (struct guest_resource){.type = type, .rep = rep};
    note(worker, OPLOG_CREATE_RESOURCE, *id_out, (struct oplog_value){0}, (struct oplog_value){0});
    return true;
}

bool guest_resource_add_indexed(struct worker *worker, const struct cabi_resource *type, uint32_t rep, const char *key,
                                size_t key_size)
{
    uint32_t id;
    if (!add(worker, type, rep, &id))
        return false;
    struct guest_resource *entry = &STATE->guest_resources.entries[id];
    entry->key = alloc(key_size);
    if (!entry->key)
        return false;
    memcpy(entry->key, key, key_size);
    entry->key_size = (uint32_t)key_size;
    struct ga_buf text = {0};
    ga_buf_leb_u(&text, key_size);
    ga_buf_append(&text, key, key_size);
    note(worker, OPLOG_DESCRIBE_RESOURCE, id, oplog_text(type->name),
         (struct oplog_value){.number = 1, .data = text.data, .size = text.size});
    ga_buf_free(&text);
    return true;
}

void guest_resource_remove(struct worker *worker, uint32_t id)
{
    struct guest_resource *entry = &STATE->guest_resources.entries[id];
    GA_ASSERT(entry->type);
    if (entry->key)
        region_free(entry->key, entry->key_size);
    *entry = (struct guest_resource){0};
    note(worker, OPLOG_DROP_RESOURCE, id, (struct oplog_value){0}, (struct oplog_value){0});
}

static const struct guest_resource *find(const struct cabi_resource *type, uint64_t id)
{
    const struct guest_resource_table *table = &STATE->guest_resources;
    return id < table->count && table->entries[id].type && table->entries[id].type == type ? &table->entries[id] : NULL;
}

bool guest_resource_find(const struct cabi_resource *type, const char *key, size_t key_size, uint32_t *id_out)
{
    const struct guest_resource_table *table = &STATE->guest_resources;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct guest_resource *entry = &table->entries[i];
        *id_out = i;
        if (entry->type == type && entry->key && entry->key_size == key_size && memcmp(entry->key, key, key_size) == 0)
            return true;
    }
    return false;
}

uint32_t guest_resource_rep(uint32_t id)
{
    GA_ASSERT(id < STATE->guest_resources.count && STATE->guest_resources.entries[id].type);
    return STATE->guest_resources.entries[id].rep;
}

/* --- text --- */

static void put_url_encoded(struct ga_buf *out, const char *text)
{
    for (; *text; text++)
        if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
            ga_buf_u8(out, (uint8_t)*text);
        else
            ga_buf_printf(out, "%%%02X", (unsigned char)*text);
}

static void put_urn(struct worker *worker, struct ga_buf *out)
{
    ga_buf_printf(out, "urn:worker:%s/", worker->identity.component_id);
    put_url_encoded(out, worker->config->name);
    ga_buf_u8(out, '/');
}

static void print_handle(void *context, const struct cabi_type *type, uint32_t id, struct ga_buf *out)
{
    (void)type;
    ga_buf_u8(out, '"');
    put_urn(context, out);
    ga_buf_printf(out, "%" PRIu32 "\"", id);
}

/* Decimal digits without leading zeros. */
static bool parse_id(const char *text, size_t size, uint32_t *id_out)
{
    uint64_t id = 0;
    if (size == 0 || size > 10 || (size > 1 && *text == '0'))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        id = id * 10 + (uint64_t)(text[i] - '0');
    }
    *id_out = (uint32_t)id;
    return id <= UINT32_MAX;
}

static bool parse_handle(void *context, const struct cabi_type *type, const char *text, size_t size, uint32_t *id_out)
{
    struct ga_buf urn = {0};
    if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
        text++;
        size -= 2;
    }
    put_urn(context, &urn);
    size_t prefix = urn.size;
    bool ours = size > prefix && memcmp(text, urn.data, prefix) == 0;
    ga_buf_free(&urn);
    return ours && parse_id(text + prefix, size - prefix, id_out) && find(type->resource, *id_out);
}

const struct cabi_wave_hooks guest_resource_hooks = {parse_handle, print_handle, &worker_this};

/* --- walking values --- */

struct walk {
    void (*visit)(struct walk *walk, const struct cabi_type *type, uint32_t *handle);
    struct worker *worker;
    GA_VEC(uint64_t) seen; /* ids, with GIVEN if they are given away */
    bool full;             /* no room for more */
    struct ga_arena *arena;
    struct ga_report *report;
};

static void walk_value(struct walk *walk, const struct cabi_type *type, void *native)
{
    if (!type || !type->has_handles)
        return;
    char *at = native;
    if (type->kind == CABI_OWN || type->kind == CABI_BORROW) {
        if (type->resource->owner)
            walk->visit(walk, type, native);
    } else if (type->kind == CABI_LIST) {
        struct cabi_list *list = native;
        for (size_t i = 0; i < list->count; i++)
            walk_value(walk, type->element, (char *)list->items + i * type->element->native_size);
    } else if (type->kind == CABI_RECORD || type->kind == CABI_TUPLE) {
        for (uint32_t i = 0; i < type->member_count; i++)
            walk_value(walk, type->members[i].type, at + type->members[i].native_offset);
    } else {
        uint32_t number = *(uint32_t *)native;
        GA_ASSERT(number < type->member_count);
        walk_value(walk, type->members[number].type, at + type->native_payload_offset);
    }
}

#define GIVEN (1ull << 63)

static void visit_check(struct walk *walk, const struct cabi_type *type, uint32_t *handle)
{
    uint64_t mark = *handle | (type->kind == CABI_OWN ? GIVEN : 0);
    for (uint32_t i = 0; i < walk->seen.count; i++)
        if ((uint32_t)walk->seen.items[i] == *handle && ((walk->seen.items[i] | mark) & GIVEN))
            ga_report_set(walk->report, GA_INVALID, "resource %" PRIu32 " is given away and used twice in one call",
                          *handle);
    *GA_PUSH(walk->arena, &walk->seen) = mark;
}

enum ga_status guest_resource_check(const struct cabi_type *type, const void *native, struct ga_arena *arena,
                                    struct ga_report *report)
{
    struct walk walk = {.visit = visit_check, .arena = arena, .report = report};
    walk_value(&walk, type, (void *)(uintptr_t)native);
    return report->status;
}

static void visit_lower(struct walk *walk, const struct cabi_type *type, uint32_t *handle)
{
    const struct guest_resource *entry = find(type->resource, *handle);
    uint32_t id = *handle;
    if (!entry) {
        ga_report_set(walk->report, GA_DIVERGED, "there is no resource %" PRIu32 " of type %s", id,
                      type->resource->name);
        return;
    }
    *handle = entry->rep;
    if (type->kind == CABI_OWN)
        guest_resource_remove(walk->worker, id);
}

enum ga_status guest_resource_lower(struct worker *worker, const struct cabi_type *type, void *native,
                                    struct ga_report *report)
{
    struct walk walk = {.visit = visit_lower, .worker = worker, .report = report};
    walk_value(&walk, type, native);
    return report->status;
}

static void visit_lift(struct walk *walk, const struct cabi_type *type, uint32_t *handle)
{
    if (!walk->full)
        walk->full = !add(walk->worker, type->resource, *handle, handle);
}

bool guest_resource_lift(struct worker *worker, const struct cabi_type *type, void *native)
{
    struct walk walk = {.visit = visit_lift, .worker = worker};
    walk_value(&walk, type, native);
    return !walk.full;
}
