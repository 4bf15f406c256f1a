#include "ga_map.h"

#include <string.h>

#include "ga_hash.h"

/* Open addressing over indexes into `entries`, stored plus one; at most half full. */

static uint32_t *find_slot(const struct ga_map *map, const char *key, size_t key_size)
{
    uint32_t mask = map->slot_count - 1;
    for (uint32_t at = (uint32_t)ga_hash64(key, key_size, 0) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &map->slots[at];
        if (!*slot)
            return slot;
        const struct ga_map_entry *entry = &map->entries[*slot - 1];
        if (entry->key_size == key_size && memcmp(entry->key, key, key_size) == 0)
            return slot;
    }
}

static void grow_slots(struct ga_map *map)
{
    map->slot_count = map->slot_count ? map->slot_count * 2 : 16;
    map->slots = ga_arena_array(map->arena, map->slot_count, sizeof *map->slots);
    for (uint32_t i = 0; i < map->count; i++)
        *find_slot(map, map->entries[i].key, map->entries[i].key_size) = i + 1;
}

void *ga_map_get(const struct ga_map *map, const char *key, size_t key_size)
{
    if (!map->count)
        return NULL;
    uint32_t slot = *find_slot(map, key, key_size);
    return slot ? map->entries[slot - 1].value : NULL;
}

bool ga_map_add(struct ga_map *map, const char *key, size_t key_size, void *value)
{
    if ((map->count + 1) * 2 > map->slot_count)
        grow_slots(map);
    uint32_t *slot = find_slot(map, key, key_size);
    if (*slot)
        return false;
    if (map->count == map->capacity)
        map->entries =
            ga_arena_grow(map->arena, map->entries, map->count, &map->capacity, sizeof *map->entries);
    map->entries[map->count++] = (struct ga_map_entry){key, key_size, value};
    *slot = map->count;
    return true;
}

void ga_map_set(struct ga_map *map, const char *key, size_t key_size, void *value)
{
    if (!ga_map_add(map, key, key_size, value))
        map->entries[*find_slot(map, key, key_size) - 1].value = value;
}
