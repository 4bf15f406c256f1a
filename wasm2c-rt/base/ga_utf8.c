#include "ga_utf8.h"

#include <string.h>

/* 64 bytes at any address, as the machine's widest registers take them. */
typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));
enum { BLOCK_BYTES = 4 * sizeof(block) };

static bool is_ascii_block(const uint8_t *text)
{
    const block *at = (const block *)text;
    block any = (at[0] | at[1]) | (at[2] | at[3]);
    return !((any[0] | any[1]) & 0x8080808080808080u);
}

/* Past the ASCII at the beginning, as far as whole words go. */
static const uint8_t *skip_ascii(const uint8_t *text, const uint8_t *end)
{
    uint64_t word;
    while (end - text >= 8 && (memcpy(&word, text, 8), !(word & 0x8080808080808080u))) {
        text += 8;
        while (end - text >= BLOCK_BYTES && is_ascii_block(text))
            text += BLOCK_BYTES;
    }
    return text;
}

bool ga_utf8_valid(const uint8_t *text, size_t size)
{
    const uint8_t *end = text + size;
    while ((text = skip_ascii(text, end)) < end) {
        uint8_t first = *text++;
        if (first < 0x80)
            continue;
        unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || (size_t)(end - text) < more)
            return false;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (*text < low || *text > high)
            return false;
        for (text++; --more; text++)
            if ((*text & 0xc0) != 0x80)
                return false;
    }
    return true;
}

uint32_t ga_utf8_next(const uint8_t **at)
{
    const uint8_t *text = *at;
    uint8_t first = *text;
    unsigned size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t scalar = first & masks[size];
    for (unsigned i = 1; i < size; i++)
        scalar = scalar << 6 | (text[i] & 0x3f);
    *at += size;
    return scalar;
}

unsigned ga_utf8_put(uint8_t *out, uint32_t scalar)
{
    if (scalar < 0x80) {
        out[0] = (uint8_t)scalar;
        return 1;
    }
    unsigned size = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (unsigned i = size - 1; i; i--, scalar >>= 6)
        out[i] = 0x80 | (scalar & 0x3f);
    out[0] = (uint8_t)(leads[size] | scalar);
    return size;
}
