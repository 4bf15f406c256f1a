#ifndef GA_UTF8_H
#define GA_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 per Unicode table 3-7: no overlong forms, no surrogates, at most U+10FFFF. */
bool ga_utf8_valid(const uint8_t *text, size_t size);

/* Decodes one scalar value of valid UTF-8 and advances *at. */
uint32_t ga_utf8_next(const uint8_t **at);

/* Writes 1 to 4 bytes, returns how many. The value is a scalar value (not a surrogate). */
unsigned ga_utf8_put(uint8_t *out, uint32_t scalar);

#endif
