/* C = A * B for n x n matrices of doubles, blocked by rows so that the inner loop runs along rows. */
#include "kernels.h"

uint64_t kernel_gemm(uint32_t n)
{
    size_t count = (size_t)n * n;
    double *a = kernel_alloc(count * sizeof *a);
    double *b = kernel_alloc(count * sizeof *b);
    double *restrict c = kernel_alloc(count * sizeof *c);
    uint64_t state = n;
    uint64_t digest = 0;

    for (size_t i = 0; i < count; i++) {
        a[i] = (double)(int32_t)(kernel_random(&state) % 2001) / 1000 - 1;
        b[i] = (double)(int32_t)(kernel_random(&state) % 2001) / 1000 - 1;
        c[i] = 0;
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++) {
            double factor = a[(size_t)i * n + k];
            const double *row = &b[(size_t)k * n];
            double *restrict out = &c[(size_t)i * n];
            for (uint32_t j = 0; j < n; j++)
                out[j] += factor * row[j];
        }
    for (size_t i = 0; i < count; i++)
        digest = kernel_mix_double(digest, c[i]);
    free(a);
    free(b);
    free(c);
    return digest;
}
