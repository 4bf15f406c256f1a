/* n times: packs 64 KiB of text-like bytes by finding earlier occurrences through a hash table, unpacks, compares. */
#include "kernels.h"

#define SIZE 65536
#define HASH_BITS 13
#define MATCH_MIN 4
#define MATCH_MAX (MATCH_MIN + 255)

static uint32_t read_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

/* Tokens: 0, count, bytes (literals), or 1, length - MATCH_MIN, distance (2 bytes). */
static size_t pack(const uint8_t *in, uint8_t *out, uint32_t *table)
{
    size_t used = 0;
    size_t literals = 0;
    size_t at = 0;

    memset(table, 0, sizeof *table << HASH_BITS);
    while (at < SIZE) {
        size_t length = 0;
        size_t from = 0;
        if (at + MATCH_MIN <= SIZE) {
            uint32_t *slot = &table[(read_u32(in + at) * 2654435761u) >> (32 - HASH_BITS)];
            from = *slot;
            *slot = (uint32_t)at;
            if (from < at)
                while (length < MATCH_MAX && at + length < SIZE && in[from + length] == in[at + length])
                    length++;
        }
        if (length < MATCH_MIN)
            at++, literals++;
        if (literals > 0 && (length >= MATCH_MIN || literals == 255 || at == SIZE)) {
            out[used++] = 0;
            out[used++] = (uint8_t)literals;
            memcpy(out + used, in + at - literals, literals);
            used += literals;
            literals = 0;
        }
        if (length >= MATCH_MIN) {
            out[used++] = 1;
            out[used++] = (uint8_t)(length - MATCH_MIN);
            out[used++] = (uint8_t)((at - from) >> 8);
            out[used++] = (uint8_t)(at - from);
            at += length;
        }
    }
    return used;
}

static size_t unpack(const uint8_t *in, size_t in_size, uint8_t *out)
{
    size_t used = 0;

    for (size_t at = 0; at < in_size;) {
        size_t count = in[at + 1];
        if (in[at] == 0) {
            memcpy(out + used, in + at + 2, count);
            used += count;
            at += 2 + count;
            continue;
        }
        size_t distance = (size_t)in[at + 2] << 8 | in[at + 3];
        for (size_t i = 0; i < count + MATCH_MIN; i++, used++)
            out[used] = out[used - distance];
        at += 4;
    }
    return used;
}

uint64_t kernel_lz(uint32_t n)
{
    static const char *const words[] = {"the ",  "worker ", "oplog ",      "of ", "region ", "and ", "replay", ", ",
                                        "page ", "is ",     "checkpoint ", "a ",  "call ",   "to ",  "\n",     "not "};
    uint8_t *text = kernel_alloc(SIZE + 16);
    uint8_t *packed = kernel_alloc(SIZE * 2);
    uint8_t *unpacked = kernel_alloc(SIZE + MATCH_MAX);
    uint32_t *table = kernel_alloc(sizeof *table << HASH_BITS);
    uint64_t state = 5;
    uint64_t digest = 0;

    for (size_t at = 0; at < SIZE;) {
        const char *word = words[kernel_random(&state) % 16];
        size_t len = strlen(word);
        memcpy(text + at, word, len);
        at += len;
    }
    for (uint32_t i = 0; i < n; i++) {
        text[kernel_random(&state) % SIZE] ^= 1;
        size_t size = pack(text, packed, table);
        if (unpack(packed, size, unpacked) != SIZE || memcmp(text, unpacked, SIZE) != 0)
            abort();
        for (size_t at = 0; at < size; at += 16)
            digest = kernel_mix(digest, packed[at]);
        digest = kernel_mix(digest, size);
    }
    free(text);
    free(packed);
    free(unpacked);
    free(table);
    return digest;
}
