#ifndef GUEST_HTTP_AREA_H
#define GUEST_HTTP_AREA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where imported functions put results that do not fit a register. */
struct http_area {
    _Alignas(8) uint8_t bytes[80];
};

static inline uint32_t http_word(const struct http_area *area, size_t at)
{
    uint32_t word;
    memcpy(&word, area->bytes + at, 4);
    return word;
}

#endif
