/* The kernels as a native program: `native` names them with their usual sizes, `native NAME SIZE [REPEAT]` prints
 * the digest and the processor time of each run in microseconds. */
#include <stdio.h>
#include <time.h>

#include "kernels.h"

static const struct {
    const char *name;
    uint64_t (*run)(uint32_t n);
    uint32_t size;
} kernels[] = {
#define KERNEL_ROW(name, size) {#name, kernel_##name, size},
    KERNELS(KERNEL_ROW)
#undef KERNEL_ROW
};

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    size_t count = sizeof kernels / sizeof kernels[0];

    if (argc < 3) {
        for (size_t i = 0; i < count; i++)
            printf("%s %u\n", kernels[i].name, kernels[i].size);
        return argc == 1 ? 0 : 2;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kernels[i].name, argv[1]) != 0)
            continue;
        uint32_t size = (uint32_t)strtoul(argv[2], NULL, 10);
        unsigned long repeat = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
        while (repeat-- > 0) {
            double start = cpu_us();
            uint64_t digest = kernels[i].run(size);
            printf("%llu %.1f\n", (unsigned long long)digest, cpu_us() - start);
        }
        return 0;
    }
    fprintf(stderr, "no kernel %s\n", argv[1]);
    return 2;
}
