#include "host_functions.h"

/* The secure source is fast enough to serve here too. */
void wasi_random_insecure_get_insecure_random_bytes(struct worker *worker, uint64_t len, struct cabi_list *result_out)
{
    wasi_random_random_get_random_bytes(worker, len, result_out);
}

uint64_t wasi_random_insecure_get_insecure_random_u64(struct worker *worker)
{
    return wasi_random_random_get_random_u64(worker);
}
