#ifndef GA_MAP_H
#define GA_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "ga_arena.h"

/* Byte-string keys to pointers; keys are borrowed, all memory is the arena's. Zero-initialise, set `arena`.
 * Keeps insertion order in `entries`. */
struct ga_map_entry {
    const char *key;
    size_t key_size;
    void *value;
};

struct ga_map {
    struct ga_arena *arena;
    struct ga_map_entry *entries;
    uint32_t *slots;
    uint32_t count, capacity, slot_count;
};

void *ga_map_get(const struct ga_map *map, const char *key, size_t key_size); /* NULL if absent */
bool ga_map_add(struct ga_map *map, const char *key, size_t key_size, void *value); /* false if the key exists */
void ga_map_set(struct ga_map *map, const char *key, size_t key_size, void *value);

#endif
