#ifndef WASM_RT_EXCEPTIONS_H
#define WASM_RT_EXCEPTIONS_H

#include "wasm-rt.h"

/*
 * Exceptions as the output of wasm2c uses them: a `try` saves its context and makes it the unwind target; a throw loads
 * the active exception and resumes the target, whose code compares tags and rethrows what it does not catch.
 * The active exception and the target are in the region's header. A guest call made by the host (realloc, a destructor)
 * starts without a target: an exception does not pass host frames, it is a trap there.
 */

/* Identity is the address, which lies in the executable or in the region. */
typedef const void *wasm_rt_tag_t;

/* Bytes of an exception's values. */
#define WASM_EXN_MAX_SIZE 256

/* Makes (tag, values) the active exception; traps if size exceeds WASM_EXN_MAX_SIZE. */
void wasm_rt_load_exception(wasm_rt_tag_t tag, uint32_t size, const void *values);

/* Throws the active exception: resumes the unwind target with a value that is not 0, or traps if there is none. */
WASM_RT_NO_RETURN void wasm_rt_throw(void);

#define WASM_RT_UNWIND_TARGET wasm_rt_jmp_buf

WASM_RT_UNWIND_TARGET *wasm_rt_get_unwind_target(void);
void wasm_rt_set_unwind_target(WASM_RT_UNWIND_TARGET *target);

/* The active exception. wasm_rt_exception's bytes are valid until the next load. */
wasm_rt_tag_t wasm_rt_exception_tag(void);
uint32_t wasm_rt_exception_size(void);
void *wasm_rt_exception(void);

/* An exception as a value. */
typedef struct {
    wasm_rt_tag_t tag; /* NULL: the null reference */
    uint32_t size;     /* bytes in use of data */
    char data[WASM_EXN_MAX_SIZE];
} wasm_rt_exnref_t;

#define wasm_rt_exnref_null_value ((wasm_rt_exnref_t){NULL, 0, {0}})

/* Tables of exceptions: see the other tables in wasm-rt.h. */
typedef struct {
    wasm_rt_exnref_t *data;
    uint32_t max_size, size; /* elements */
} wasm_rt_exnref_table_t;

void wasm_rt_allocate_exnref_table(wasm_rt_exnref_table_t *table, uint32_t size, uint32_t max_size);
uint32_t wasm_rt_grow_exnref_table(wasm_rt_exnref_table_t *table, uint32_t delta, wasm_rt_exnref_t init);
void wasm_rt_free_exnref_table(wasm_rt_exnref_table_t *table);

#endif
