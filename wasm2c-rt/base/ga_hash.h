#ifndef GA_HASH_H
#define GA_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit checksum and chain hash (XXH3): finds damage, not forgery. */
uint64_t ga_hash64(const void *data, size_t size, uint64_t seed);

#endif
