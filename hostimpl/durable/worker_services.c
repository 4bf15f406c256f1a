/* What every host function may use of its worker (host.h), but for what has a file of its own. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ga_utf8.h"
#include "trap.h"
#include "worker_parts.h"

struct ga_arena *worker_scratch(struct worker *worker)
{
    return &worker->scratch;
}

void *worker_alloc(struct worker *worker, size_t size)
{
    return ga_arena_alloc(&worker->scratch, size);
}

struct cabi_string worker_string(struct worker *worker, const char *text)
{
    size_t size = strlen(text);
    char *copy = ga_arena_strndup(&worker->scratch, text, size);
    if (!ga_utf8_valid((const uint8_t *)copy, size))
        for (char *at = copy; *at; at++)
            *at = (unsigned char)*at < 0x80 ? *at : '?';
    return (struct cabi_string){copy, size};
}

void *worker_region_alloc(struct worker *worker, size_t size)
{
    void *block = region_alloc(size);
    if (block == NULL)
        worker_trap(worker, "no memory for %zu bytes of the host", size);
    return block;
}

void worker_region_free(struct worker *worker, void *block, size_t size)
{
    (void)worker;
    if (block != NULL)
        region_free(block, size);
}

bool worker_replaying(struct worker *worker)
{
    return worker->replaying || worker->leaving;
}

void worker_about_to_wait(struct worker *worker)
{
    if (worker->before_waiting)
        worker->before_waiting(worker);
}

void worker_trap(struct worker *worker, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    (void)worker;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trap_raise("%s", text);
}

void worker_fail(struct worker *worker, int error, const char *what)
{
    struct ga_report report = {0};
    ga_report_errno(&report, error, "worker \"%s\": %s", worker->config->name, what);
    worker_abandon(worker, &report);
}

void worker_exit(struct worker *worker, uint8_t code)
{
    (void)worker;
    trap_exit(code);
}

const struct worker_environment *worker_environment(struct worker *worker)
{
    return &worker->environment;
}

const char *worker_name(struct worker *worker)
{
    return worker->config->name;
}

const char *worker_component_id(struct worker *worker)
{
    return worker->identity.component_id;
}

bool worker_is_ephemeral(struct worker *worker)
{
    return !worker->store;
}

bool worker_is_command(struct worker *worker)
{
    return worker->config->command && !worker->store;
}

/* A worker's private directory under both names that programs look for (Golem does the same). */
const struct worker_preopen *worker_preopens(struct worker *worker, uint32_t *count_out)
{
    static struct worker_preopen own[2];
    if (worker_is_command(worker)) {
        *count_out = worker->config->preopen_count;
        return worker->config->preopens;
    }
    struct ga_report report = {0};
    int fd = worker_files_root(worker, &report);
    if (fd < 0) /* without files, a worker would take another way than it has in its oplog */
        worker_abandon(worker, &report);
    own[0] = (struct worker_preopen){fd, "/"};
    own[1] = (struct worker_preopen){fd, "."};
    *count_out = 2;
    return own;
}
