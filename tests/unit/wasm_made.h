#ifndef TESTS_WASM_MADE_H
#define TESTS_WASM_MADE_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "component.h"
#include "ga_buf.h"

/*
 * Binary components and modules from a notation as near to Binary.md as text can be:
 *   0a          a byte, in hexadecimal
 *   'name'      a name with its length in front
 *   ( ... )     contents with their size in front: a section, a body, a nested module or component
 *   %c %m       the preamble of a component, of a module
 *   #300        a number as LEB128
 */
static void wasm_made_append(struct ga_buf *out, const char **at)
{
    static const uint8_t component[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0}, module[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    for (; **at != 0 && **at != ')'; ++*at) {
        if (isspace((unsigned char)**at))
            continue;
        if (**at == '(') {
            struct ga_buf inner = {0};
            ++*at;
            wasm_made_append(&inner, at);
            cr_assert_eq(**at, ')', "unbalanced notation");
            ga_buf_leb_u(out, inner.size);
            ga_buf_append(out, inner.data, inner.size);
            ga_buf_free(&inner);
        } else if (**at == '\'') {
            const char *end = strchr(*at + 1, '\'');
            ga_buf_leb_u(out, (uint64_t)(end - *at - 1));
            ga_buf_append(out, *at + 1, (size_t)(end - *at - 1));
            *at = end;
        } else if (**at == '%') {
            ga_buf_append(out, *++*at == 'c' ? component : module, 8);
        } else if (**at == '#') {
            char *end;
            ga_buf_leb_u(out, strtoul(*at + 1, &end, 10));
            *at = end - 1;
        } else {
            char digits[3] = {(*at)[0], (*at)[1], 0};
            cr_assert(isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]), "bad notation: %.20s", *at);
            ga_buf_u8(out, (uint8_t)strtoul(digits, NULL, 16));
            ++*at;
        }
    }
}

static inline struct slice wasm_made(struct ga_arena *arena, const char *notation)
{
    struct ga_buf bytes = {0};
    const char *at = notation;
    wasm_made_append(&bytes, &at);
    cr_assert_eq(*at, 0, "unbalanced notation");
    struct slice made = {ga_arena_strndup(arena, (const char *)bytes.data, bytes.size), (uint32_t)bytes.size};
    ga_buf_free(&bytes);
    return made;
}

/* --- modules that many tests need --- */

/* Exports "f": () -> i32, a constant below 64 (two hexadecimal digits). */
#define MODULE_CONSTANT(value) "01 ( %m 01(01 60 00 01 7f) 03(01 00) 07(01 'f' 00 00) 0a(01 (00 41 " value " 0b)) )"

/* Imports "" "f": () -> i32 and exports "g", which calls it. */
#define MODULE_CALLER "01 ( %m 01(01 60 00 01 7f) 02(01 '' 'f' 00 00) 03(01 00) 07(01 'g' 00 01) 0a(01 (00 10 00 0b)) )"

/* Exports a memory "m" of one page, and "r": a realloc that returns 0. */
#define MODULE_MEMORY                                                                                               \
    "01 ( %m 01(01 60 04 7f 7f 7f 7f 01 7f) 03(01 00) 05(01 00 01) 07(02 'm' 02 00 'r' 00 00) 0a(01 (00 41 00 0b)) )"

#endif
