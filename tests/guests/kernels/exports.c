/* The kernels as exported functions of a component. */
#include "kernels.h"

#define KERNEL_EXPORT(name, size)                                                                    \
    __attribute__((export_name("demo:kernels/api@1.0.0#" #name))) uint64_t export_##name(uint32_t n) \
    {                                                                                                \
        return kernel_##name(n);                                                                     \
    }
KERNELS(KERNEL_EXPORT)
