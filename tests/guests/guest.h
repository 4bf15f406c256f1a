/* What a guest in C needs of the canonical ABI, by hand: the names of imports and exports, strings and lists, and
 * the memory that arguments arrive in.
 *
 * On wasm32 a C struct is laid out as the canonical ABI lays out the record with the same fields: strings and lists
 * are a pointer and a length, `option`, `result` and `variant` a leading uint8_t and a union. So a list of records
 * is a C array, and a result that does not fit one core value is a pointer to a struct ("return area").
 *
 * Whoever is called owns the strings and lists of its arguments: they come from cabi_realloc, that is malloc, and are
 * released with free(). A returned area and what it points to are read by the caller of the component before
 * anything else runs in it; what was allocated only for that is released in GUEST_POST, the rest may simply stay the
 * guest's own. */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUEST_EXPORT(name) __attribute__((export_name(name)))
#define GUEST_POST(name) __attribute__((export_name("cabi_post_" name)))
#define GUEST_IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))

struct guest_string {
    char *ptr;
    size_t len;
};

struct guest_bytes {
    uint8_t *ptr;
    size_t len;
};

_Static_assert(sizeof(struct guest_string) == 8, "a string is two 32-bit words");

static inline struct guest_string guest_string(char *ptr, size_t len)
{
    return (struct guest_string){ptr, len};
}

static inline bool guest_string_eq(struct guest_string a, struct guest_string b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* A string of its own memory, as printf writes it. */
static inline __attribute__((format(printf, 1, 2))) struct guest_string guest_format(const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        abort();
    return guest_string(text, (size_t)len);
}

static inline void guest_string_free(struct guest_string s)
{
    if (s.len > 0)
        free(s.ptr);
}

/* Memory for what the host puts into the guest: arguments, and results of imports. A guest that wants it otherwise
 * defines GUEST_OWN_REALLOC and its own. */
#ifndef GUEST_OWN_REALLOC
GUEST_EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size)
{
    (void)old_size;
    if (new_size == 0)
        return (void *)align;
    void *block = realloc(old, new_size); /* malloc aligns to 16: enough for every canonical ABI type */
    if (block == NULL)
        abort();
    return block;
}
#endif

#endif
