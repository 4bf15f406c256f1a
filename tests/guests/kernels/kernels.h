/* CPU kernels, plain C: compiled natively they are the baseline of what the same source costs as wasm. Each takes a size
 * and returns a digest of its whole result, the same everywhere. No libc but malloc, free, memcpy, memset. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* name, a size that takes some 0.1 to 0.2 s natively */
#define KERNELS(X) \
    X(gemm, 700)   \
    X(jacobi, 800) \
    X(sha256, 48)  \
    X(qsort, 600)  \
    X(json, 4000)  \
    X(vm, 3000)    \
    X(fib, 40)     \
    X(lz, 600)

#define KERNEL_DECLARE(name, size) uint64_t kernel_##name(uint32_t n);
KERNELS(KERNEL_DECLARE)
#undef KERNEL_DECLARE

static inline uint64_t kernel_mix(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * 0x9e3779b97f4a7c15u;
    return digest ^ (digest >> 29);
}

static inline uint64_t kernel_mix_double(uint64_t digest, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return kernel_mix(digest, bits);
}

static inline uint32_t kernel_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static inline void *kernel_alloc(size_t size)
{
    void *block = malloc(size);

    if (block == NULL)
        abort();
    return block;
}

#endif
