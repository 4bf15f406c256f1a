/* n sweeps of a five-point stencil over a plane of 512 x 512 doubles with fixed edges. */
#include "kernels.h"

#define SIDE 512

uint64_t kernel_jacobi(uint32_t n)
{
    double *from = kernel_alloc(sizeof(double) * SIDE * SIDE);
    double *to = kernel_alloc(sizeof(double) * SIDE * SIDE);
    uint64_t state = 7;
    uint64_t digest = 0;

    for (size_t i = 0; i < SIDE * SIDE; i++)
        from[i] = (double)(kernel_random(&state) % 1000);
    memcpy(to, from, sizeof(double) * SIDE * SIDE);
    for (uint32_t sweep = 0; sweep < n; sweep++) {
        for (size_t y = 1; y < SIDE - 1; y++) {
            const double *restrict row = &from[y * SIDE];
            double *restrict out = &to[y * SIDE];
            for (size_t x = 1; x < SIDE - 1; x++)
                out[x] = 0.25 * (row[x - 1] + row[x + 1] + row[x - SIDE] + row[x + SIDE]);
        }
        double *swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 0; i < SIDE * SIDE; i++)
        digest = kernel_mix_double(digest, from[i]);
    free(from);
    free(to);
    return digest;
}
