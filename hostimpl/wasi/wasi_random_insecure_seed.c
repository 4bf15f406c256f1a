#include "host_functions.h"
#include "io_random.h"

void wasi_random_insecure_seed_insecure_seed(struct worker *worker, struct tuple_u64_u64 *result_out)
{
    (void)worker;
    io_random_bytes(result_out, sizeof *result_out);
}
