#include "ga_arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ga_assert.h"

enum { FIRST_BLOCK_BYTES = 4096, ALIGNMENT = 16 };

struct ga_arena_block {
    struct ga_arena_block *next;
    size_t size;
    _Alignas(ALIGNMENT) char data[];
};

static void add_block(struct ga_arena *arena, size_t at_least)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK_BYTES;
    if (size < at_least)
        size = at_least;
    struct ga_arena_block *block = malloc(sizeof *block + size);
    if (!block)
        ga_out_of_memory("values");
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->next = block->data;
    arena->end = block->data + size;
}

void *ga_arena_alloc_raw(struct ga_arena *arena, size_t size)
{
    GA_ASSERT(size <= SIZE_MAX / 4);
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!arena->blocks || (size_t)(arena->end - arena->next) < size)
        add_block(arena, size);
    void *memory = arena->next;
    arena->next += size;
    arena->total_bytes += size;
    return memory;
}

void *ga_arena_alloc(struct ga_arena *arena, size_t size)
{
    return memset(ga_arena_alloc_raw(arena, size), 0, size);
}

void *ga_arena_array(struct ga_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    GA_ASSERT(!__builtin_mul_overflow(count, size, &bytes));
    return ga_arena_alloc(arena, bytes);
}

char *ga_arena_strndup(struct ga_arena *arena, const char *text, size_t size)
{
    char *copy = ga_arena_alloc_raw(arena, size + 1);
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *ga_arena_printf(struct ga_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    GA_ASSERT(size >= 0);
    char *text = ga_arena_alloc_raw(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

void ga_arena_reset(struct ga_arena *arena)
{
    arena->total_bytes = 0;
    struct ga_arena_block *largest = arena->blocks; /* blocks grow, so the newest is the largest */
    if (!largest)
        return;
    for (struct ga_arena_block *block = largest->next, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    largest->next = NULL;
    arena->next = largest->data;
    arena->end = largest->data + largest->size;
}

void ga_arena_free(struct ga_arena *arena)
{
    for (struct ga_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (struct ga_arena){0};
}

void *ga_arena_grow(struct ga_arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    uint32_t wanted = *capacity ? *capacity * 2 : 8;
    GA_ASSERT(wanted > *capacity);
    void *grown = ga_arena_array(arena, wanted, size);
    if (count)
        memcpy(grown, items, count * size);
    *capacity = wanted;
    return grown;
}
