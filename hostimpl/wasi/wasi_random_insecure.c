#include "ga_limits.h"
#include "host_functions.h"
#include "io_random.h"

/* The secure source is fast enough to serve here too. */
void wasi_random_insecure_get_insecure_random_bytes(struct worker *worker, uint64_t len, struct cabi_list *result_out)
{
    if (len > GA_MAX_RANDOM_BYTES)
        worker_trap(worker, "%llu random bytes in one call (limit is %u)", (unsigned long long)len,
                    (unsigned)GA_MAX_RANDOM_BYTES);
    result_out->items = ga_arena_alloc_raw(worker_scratch(worker), (size_t)len);
    result_out->count = (size_t)len;
    io_random_bytes(result_out->items, result_out->count);
}

uint64_t wasi_random_insecure_get_insecure_random_u64(struct worker *worker)
{
    uint64_t value;
    (void)worker;
    io_random_bytes(&value, sizeof value);
    return value;
}
