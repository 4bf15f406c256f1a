#ifndef GA_SHA256_H
#define GA_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* SHA-256 (FIPS 180-4). Of our own: a library of cryptography takes longer to load than a command to run. 300 MB a second. */
#define GA_SHA256_BYTES 32

struct ga_sha256 {
    uint32_t state[8];
    uint64_t size;     /* bytes so far */
    uint8_t block[64]; /* size % 64 of them are in use */
};

void ga_sha256_start(struct ga_sha256 *hash);
void ga_sha256_add(struct ga_sha256 *hash, const void *data, size_t size);
void ga_sha256_end(struct ga_sha256 *hash, uint8_t digest_out[GA_SHA256_BYTES]);

#endif
