#ifndef GA_ARENA_H
#define GA_ARENA_H

#include <stddef.h>
#include <stdint.h>

/*
 * Memory that is freed all at once. Out of memory ends the process with a message (status 70) for the
 * compiler; sizes that come from a hostile input are checked against a limit before they come here.
 */
struct ga_arena {
    struct ga_arena_block *blocks;
    char *next, *end;
    size_t total_bytes; /* handed out since the last reset */
};

/* 16-byte aligned, zeroed; never NULL; size 0 gives a valid pointer. */
void *ga_arena_alloc(struct ga_arena *arena, size_t size);

/* Not zeroed. */
void *ga_arena_alloc_raw(struct ga_arena *arena, size_t size);

/* count * size with overflow check (our bug if it overflows). */
void *ga_arena_array(struct ga_arena *arena, size_t count, size_t size);

/* A copy with a NUL appended. */
char *ga_arena_strndup(struct ga_arena *arena, const char *text, size_t size);
__attribute__((format(printf, 2, 3))) char *ga_arena_printf(struct ga_arena *arena, const char *format, ...);

/* Forgets all contents; keeps the largest block for reuse. */
void ga_arena_reset(struct ga_arena *arena);

/* Frees everything; the arena may be used again. */
void ga_arena_free(struct ga_arena *arena);

#define GA_NEW(arena, type) ((type *)ga_arena_alloc((arena), sizeof(type)))

/*
 * A growable array in an arena: struct { TYPE *items; uint32_t count, capacity; }.
 * GA_PUSH returns a pointer to the new, zeroed element; older pointers into it may then be stale.
 */
#define GA_VEC(type)                                                                                         \
    struct {                                                                                                 \
        type *items;                                                                                         \
        uint32_t count, capacity;                                                                            \
    }
#define GA_PUSH(arena, vec)                                                                                  \
    ((vec)->count == (vec)->capacity                                                                         \
         ? (void)((vec)->items = ga_arena_grow((arena), (vec)->items, (vec)->count, &(vec)->capacity,        \
                                               sizeof *(vec)->items))                                        \
         : (void)0,                                                                                          \
     (vec)->items + (vec)->count++)

void *ga_arena_grow(struct ga_arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t size);

#endif
