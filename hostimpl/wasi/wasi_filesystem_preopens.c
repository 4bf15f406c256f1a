#include <errno.h>
#include <string.h>

#include "durable.h"
#include "wasi_file.h"
#include "wasi_filesystem.h"

/* The names are recorded; the descriptors themselves are made anew in replay (Golem's rule). */

static void make_names(void *context, void *result)
{
    struct worker *worker = context;
    uint32_t count;
    const struct worker_preopen *preopens = worker_preopens(worker, &count);
    struct cabi_string *names = worker_alloc(worker, count * sizeof *names);
    for (uint32_t i = 0; i < count; i++)
        names[i] = worker_string(worker, preopens[i].guest_path);
    *(struct cabi_list *)result = (struct cabi_list){names, count};
}

static uint32_t find_preopen(struct worker *worker, struct cabi_string name)
{
    uint32_t count;
    const struct worker_preopen *preopens = worker_preopens(worker, &count);
    for (uint32_t i = 0; i < count; i++)
        if (strlen(preopens[i].guest_path) == name.size && memcmp(preopens[i].guest_path, name.data, name.size) == 0)
            return i;
    worker_trap(worker, "the preopened directory \"%.*s\" is not there any more", (int)name.size, name.data);
}

static uint32_t open_preopen(struct worker *worker, struct cabi_string name)
{
    uint32_t file;
    int status = wasi_file_open_preopen(worker, find_preopen(worker, name), &file);
    if (status != 0)
        worker_trap(worker, "the preopened directory \"%.*s\" cannot be opened: %s", (int)name.size, name.data,
                    strerror(-status));
    return wasi_descriptor_new(worker, file);
}

void wasi_filesystem_preopens_get_directories(struct worker *worker, struct cabi_list *result_out)
{
    struct cabi_list names = {0};
    durable_value(worker, host_wasi_filesystem_preopens_get_directories.record_name, DURABLE_READ_LOCAL, NULL, NULL,
                  host_type_golem_aot_recorded_values_preopen_names, &names, make_names, worker);
    const struct cabi_string *name = names.items;
    struct tuple_handle_string *items = worker_alloc(worker, names.count * sizeof *items);
    for (size_t i = 0; i < names.count; i++)
        items[i] = (struct tuple_handle_string){open_preopen(worker, name[i]), name[i]};
    *result_out = (struct cabi_list){items, names.count};
}
