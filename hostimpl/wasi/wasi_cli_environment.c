#include "host_functions.h"

void wasi_cli_environment_get_environment(struct worker *worker, struct cabi_list *result_out)
{
    const struct worker_environment *environment = worker_environment(worker);
    struct tuple_string_string *items = worker_alloc(worker, environment->variable_count * sizeof *items);
    for (uint32_t i = 0; i < environment->variable_count; i++)
        items[i] = (struct tuple_string_string){worker_string(worker, environment->names[i]),
                                                worker_string(worker, environment->values[i])};
    *result_out = (struct cabi_list){items, environment->variable_count};
}

void wasi_cli_environment_get_arguments(struct worker *worker, struct cabi_list *result_out)
{
    const struct worker_environment *environment = worker_environment(worker);
    struct cabi_string *items = worker_alloc(worker, environment->argument_count * sizeof *items);
    for (uint32_t i = 0; i < environment->argument_count; i++)
        items[i] = worker_string(worker, environment->arguments[i]);
    *result_out = (struct cabi_list){items, environment->argument_count};
}

/* There is no working directory: paths start from a preopen. */
void wasi_cli_environment_initial_cwd(struct worker *worker, struct option_string *result_out)
{
    (void)worker;
    result_out->tag = 0;
}
