#include "ga_sha256.h"

#include <string.h>

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t x, unsigned bits)
{
    return x >> bits | x << (32 - bits);
}

static uint32_t read_word(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Step i of 6.2.2, which does not move its eight words: their names move instead. */
static inline void step(uint32_t s[8], unsigned i, uint32_t word)
{
    uint32_t a = s[-i % 8], b = s[(1 - i) % 8], c = s[(2 - i) % 8], e = s[(4 - i) % 8], f = s[(5 - i) % 8], g = s[(6 - i) % 8];
    uint32_t one = s[(7 - i) % 8] + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + (g ^ (e & (f ^ g))) + constants[i] + word;
    s[(3 - i) % 8] += one;
    s[(7 - i) % 8] = one + (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) | (c & (a | b)));
}

static void add_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = read_word(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
#pragma GCC unroll 64
    for (unsigned i = 0; i < 64; i++)
        step(s, i, w[i]);
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void ga_sha256_start(struct ga_sha256 *hash)
{
    *hash = (struct ga_sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void ga_sha256_add(struct ga_sha256 *hash, const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t used = hash->size % sizeof hash->block;
    hash->size += size;
    if (used > 0) {
        size_t more = sizeof hash->block - used < size ? sizeof hash->block - used : size;
        memcpy(hash->block + used, at, more);
        at += more;
        size -= more;
        if (used + more < sizeof hash->block)
            return;
        add_block(hash->state, hash->block);
    }
    for (; size >= sizeof hash->block; at += sizeof hash->block, size -= sizeof hash->block)
        add_block(hash->state, at);
    if (size > 0)
        memcpy(hash->block, at, size);
}

void ga_sha256_end(struct ga_sha256 *hash, uint8_t digest_out[GA_SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80};
    uint8_t bits[8];
    for (int i = 0; i < 8; i++)
        bits[i] = (uint8_t)(hash->size * 8 >> (56 - 8 * i));
    ga_sha256_add(hash, padding, 1 + (119 - hash->size % 64) % 64);
    ga_sha256_add(hash, bits, sizeof bits);
    for (int i = 0; i < GA_SHA256_BYTES; i++)
        digest_out[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}
