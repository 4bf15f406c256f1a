/* Arguments and variables: from the command line for a new worker, from entry 1 for one that exists. */
#include <string.h>

#include "worker_parts.h"

void worker_set_environment(struct worker *worker, const char *const *arguments, uint32_t argument_count,
                            const char *const *variables, uint32_t variable_count)
{
    static const char *const OWN[] = {"GOLEM_WORKER_NAME", "GOLEM_COMPONENT_ID", "GOLEM_COMPONENT_VERSION"};
    const char *const own_values[] = {worker->config->name, worker->identity.component_id, "0"};
    struct ga_arena *arena = &worker->lasting;
    const char **names = ga_arena_array(arena, variable_count + 3, sizeof *names);
    const char **values = ga_arena_array(arena, variable_count + 3, sizeof *values);
    uint32_t count = 0;
    for (uint32_t i = 0; i < variable_count; i++) {
        size_t size = strcspn(variables[i], "=");
        char *name = ga_arena_strndup(arena, variables[i], size);
        bool own = false;
        for (size_t j = 0; j < 3; j++)
            own |= !worker->config->command && strcmp(name, OWN[j]) == 0;
        if (own)
            continue;
        names[count] = name;
        values[count++] = ga_arena_printf(arena, "%s", variables[i][size] ? variables[i] + size + 1 : "");
    }
    for (size_t j = 0; j < 3 && !worker->config->command; j++) {
        names[count] = OWN[j];
        values[count++] = own_values[j];
    }
    const char **copies = ga_arena_array(arena, argument_count, sizeof *copies);
    for (uint32_t i = 0; i < argument_count; i++)
        copies[i] = ga_arena_printf(arena, "%s", arguments[i]);
    worker->environment = (struct worker_environment){argument_count, count, copies, names, values};
}

static const char **decode_texts(struct ga_arena *arena, const struct oplog_value *value)
{
    const char **texts = ga_arena_array(arena, value->number, sizeof *texts);
    struct ga_reader reader = {.start = value->data, .at = value->data, .end = value->data + value->size};
    for (uint64_t i = 0; i < value->number; i++) {
        size_t size = ga_read_leb_u(&reader, 32);
        texts[i] = ga_arena_strndup(arena, (const char *)ga_read_bytes(&reader, size), size);
    }
    return texts;
}

static bool value_is(const struct oplog_value *value, const char *text)
{
    return value->size == strlen(text) && memcmp(value->data, text, value->size) == 0;
}

enum ga_status worker_read_environment(struct worker *worker, struct ga_report *report)
{
    enum { ID = 1, HASH = 2, ARGS = 4, ENV = 5, FILES = 7 };
    struct oplog_entry entry;
    struct oplog_value values[OPLOG_MAX_FIELDS];
    struct ga_arena *arena = &worker->lasting;
    enum ga_status status =
        replay_read_entry(worker->store, worker->identity.id, worker->config->name, 1, arena, &entry, report);
    if (status != GA_OK)
        return status;
    if (entry.kind != OPLOG_CREATE || !oplog_decode(&entry, values))
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry 1: is not Create", worker->config->name);
    if (!value_is(&values[HASH], golem_component.component_hash))
        return ga_report_set(
            report, GA_CONFLICT,
            "worker \"%s\", entry 1: belongs to another component (%.16s..., this executable is %s, %.16s...)",
            worker->config->name, (const char *)values[HASH].data, golem_component.name, golem_component.component_hash);
    /* The row is only an index to the oplog. */
    if (!value_is(&values[HASH], worker->identity.component_hash) ||
        !value_is(&values[ID], worker->identity.component_id))
        return ga_report_set(report, GA_CORRUPT, "worker \"%s\", entry 1: the worker's row names another component",
                             worker->config->name);
    worker_set_environment(worker, decode_texts(arena, &values[ARGS]), (uint32_t)values[ARGS].number,
                           decode_texts(arena, &values[ENV]), (uint32_t)values[ENV].number);
    worker_set_initial_files(worker, decode_texts(arena, &values[FILES]), (uint32_t)values[FILES].number);
    return GA_OK;
}
