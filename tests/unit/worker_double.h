#ifndef WORKER_DOUBLE_H
#define WORKER_DOUBLE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cabi.h"
#include "durable.h"
#include "ga_arena.h"
#include "host_functions.h"

/*
 * A worker for tests of host functions, without region, guest or store: everything of host.h and durable.h that they call. Traps,
 * suspensions and exits come back to DOUBLE_CATCH. The oplog is a list in memory: double_rewind begins its replay.
 * To be included by one file of a test program.
 */
struct double_entry {
    char name[80]; /* of a recorded call; "NoOp", "EndRemoteWrite 3" for marks */
    struct ga_buf request, response;
    enum durability durability; /* of a recorded call */
};

struct double_resource {
    const struct host_resource_type *type;
    void *record, *live;
    uint32_t parent, children;
    bool forbids;
};

struct double_promise {
    uint64_t index;
    bool complete, deleted;
    uint32_t deletes, entries_before_delete;
    struct ga_buf data;
};

struct worker {
    bool command, ephemeral;
    struct ga_arena scratch;
    struct worker_environment environment;
    struct worker_preopen preopens[4];
    uint32_t preopen_count;
    struct ga_buf output[2];
    char logged[256];
    struct double_entry entries[64];
    uint32_t entry_count, position; /* position < entry_count: replay */
    unsigned commits, silent_values;
    bool not_idempotent, has_retry_policy;
    struct durable_retry_policy retry_policy;
    uint64_t last_batch; /* of the last durable_batch_value */
    struct double_resource resources[256];
    int files[256]; /* fd + 1, by rep */
    uint64_t written_begin, written_end, resized; /* what was told of last */
    uint64_t pinned_inode; /* of a directory; 0: there are no read-only files */
    struct double_promise promises[8];
    uint32_t promise_count;
    jmp_buf landing;
    char trap[256]; /* what was caught: "trap: ...", "suspend", "exit N" */
    uint64_t wake_at_ns;
};

static struct worker double_worker;
static unsigned double_region_blocks; /* of worker_region_alloc, not yet freed */

/* Runs a statement. What it did not survive is in double_worker.trap, "" if it did. */
#define DOUBLE_CATCH(statement)                   \
    do {                                          \
        double_worker.trap[0] = '\0';             \
        if (setjmp(double_worker.landing) == 0) { \
            statement;                            \
        }                                         \
    } while (0)

#define DOUBLE_ASSERT_TRAP(text, statement)         \
    do {                                            \
        DOUBLE_CATCH(statement);                    \
        cr_assert_str_eq(double_worker.trap, text); \
    } while (0)

/* What has been recorded is replayed from here on; resources begin anew, as after a restart. */
__attribute__((unused)) static void double_rewind(void)
{
    double_worker.position = 0;
    double_worker.promise_count = 0;
    memset(double_worker.resources, 0, sizeof double_worker.resources);
}

/* --- host.h --- */

__attribute__((noreturn, format(printf, 1, 2))) static void double_land(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(double_worker.trap, sizeof double_worker.trap, format, args);
    va_end(args);
    longjmp(double_worker.landing, 1);
}

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
    return (struct cabi_string){ga_arena_strndup(&worker->scratch, text, strlen(text)), strlen(text)};
}

void *worker_region_alloc(struct worker *worker, size_t size)
{
    (void)worker;
    double_region_blocks++;
    return calloc(1, size + 1);
}

void worker_region_free(struct worker *worker, void *block, size_t size)
{
    (void)worker;
    (void)size;
    double_region_blocks -= block != NULL;
    free(block);
}

bool worker_replaying(struct worker *worker)
{
    return worker->position < worker->entry_count;
}

void worker_about_to_wait(struct worker *worker)
{
    (void)worker;
}

void worker_trap(struct worker *worker, const char *format, ...)
{
    char text[200];
    va_list args;
    (void)worker;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    double_land("trap: %s", text);
}

void worker_fail(struct worker *worker, int error, const char *what)
{
    (void)worker;
    double_land("fail: %s: %s", what, strerror(error));
}

void worker_exit(struct worker *worker, uint8_t code)
{
    (void)worker;
    double_land("exit %u", code);
}

const struct worker_environment *worker_environment(struct worker *worker)
{
    return &worker->environment;
}

const char *worker_name(struct worker *worker)
{
    (void)worker;
    return "a worker";
}

const char *worker_component_id(struct worker *worker)
{
    (void)worker;
    return "01234567-89ab-8def-8123-456789abcdef";
}

bool worker_is_ephemeral(struct worker *worker)
{
    return worker->ephemeral;
}

bool worker_is_command(struct worker *worker)
{
    return worker->command;
}

const struct worker_preopen *worker_preopens(struct worker *worker, uint32_t *count_out)
{
    *count_out = worker->preopen_count;
    return worker->preopens;
}

void worker_log(struct worker *worker, enum worker_stream stream, const void *data, size_t size)
{
    ga_buf_append(&worker->output[stream], data, size);
}

void worker_log_message(struct worker *worker, const char *level, struct cabi_string context, struct cabi_string message)
{
    snprintf(worker->logged, sizeof worker->logged, "%s %.*s: %.*s", level, (int)context.size, context.data,
             (int)message.size, message.data);
}

/* --- open files --- */

int worker_file_put(struct worker *worker, uint32_t rep, int fd, int open_flags)
{
    (void)open_flags;
    worker->files[rep] = fd + 1;
    return 0;
}

int worker_file_fd(struct worker *worker, uint32_t rep)
{
    return worker->files[rep] > 0 ? worker->files[rep] - 1 : -EBADF;
}

void worker_file_drop(struct worker *worker, uint32_t rep)
{
    if (worker->files[rep] > 0)
        close(worker->files[rep] - 1);
    worker->files[rep] = 0;
}

void worker_file_written(struct worker *worker, uint32_t rep, uint64_t begin, uint64_t end)
{
    (void)rep;
    worker->written_begin = begin;
    worker->written_end = end;
}

void worker_file_resized(struct worker *worker, uint32_t rep, uint64_t size)
{
    (void)rep;
    worker->resized = size;
}

bool worker_has_read_only_files(struct worker *worker)
{
    return worker->pinned_inode != 0;
}

bool worker_directory_is_pinned(struct worker *worker, uint64_t inode)
{
    return worker->pinned_inode == inode;
}

/* --- resources --- */

static struct double_resource *double_resource(uint32_t rep)
{
    cr_assert(rep > 0 && rep < sizeof double_worker.resources / sizeof *double_worker.resources);
    return &double_worker.resources[rep];
}

void *host_resource_new(struct worker *worker, const struct host_resource_type *type, uint32_t *rep_out)
{
    uint32_t rep = 1;
    while (double_resource(rep)->type != NULL)
        rep++;
    worker->resources[rep] =
        (struct double_resource){.type = type, .record = calloc(1, type->record_size + 1)};
    *rep_out = rep;
    return worker->resources[rep].record;
}

void *host_resource_get(struct worker *worker, const struct host_resource_type *type, uint32_t rep)
{
    if (double_resource(rep)->type != type)
        worker_trap(worker, "there is no %s %u", type->name, rep);
    return double_resource(rep)->record;
}

void host_resource_drop(struct worker *worker, const struct host_resource_type *type, uint32_t rep)
{
    struct double_resource *resource = double_resource(rep);
    (void)host_resource_get(worker, type, rep);
    if (resource->children > 0)
        worker_trap(worker, "a %s is dropped before what was made of it", type->name);
    if (type->drop != NULL)
        type->drop(worker, rep, resource->record, resource->live);
    if (resource->parent != 0)
        double_resource(resource->parent)->children--;
    free(resource->record);
    *resource = (struct double_resource){0};
}

void *host_memory_new(struct worker *worker, size_t size)
{
    (void)worker;
    return calloc(1, size);
}

void host_memory_free(struct worker *worker, void *memory, size_t size)
{
    (void)worker;
    (void)size;
    free(memory);
}

void **host_resource_live(struct worker *worker, uint32_t rep)
{
    (void)worker;
    return &double_resource(rep)->live;
}

void host_resource_forbid_checkpoints(struct worker *worker, uint32_t rep, bool forbid)
{
    (void)worker;
    double_resource(rep)->forbids = forbid;
}

bool host_resources_need_process(struct worker *worker)
{
    for (size_t i = 0; i < sizeof worker->resources / sizeof *worker->resources; i++)
        if (worker->resources[i].forbids)
            return true;
    return false;
}

void host_resource_set_parent(struct worker *worker, uint32_t child_rep, uint32_t parent_rep)
{
    (void)worker;
    double_resource(child_rep)->parent = parent_rep;
    double_resource(parent_rep)->children++;
}

__attribute__((unused)) static uint32_t double_resource_count(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof double_worker.resources / sizeof *double_worker.resources; i++)
        count += double_worker.resources[i].type != NULL;
    return count;
}

/* --- durable.h --- */

static struct double_entry *double_take(const char *name)
{
    struct double_entry *entry = &double_worker.entries[double_worker.position++];
    cr_assert_str_eq(entry->name, name, "entry %u was recorded as '%s'", double_worker.position, entry->name);
    return entry;
}

static struct double_entry *double_append(const char *name)
{
    struct double_entry *entry = &double_worker.entries[double_worker.entry_count++];
    double_worker.position = double_worker.entry_count;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    return entry;
}

uint64_t durable_mark(struct worker *worker, enum oplog_kind kind, uint64_t argument)
{
    char name[80];
    snprintf(name, sizeof name, oplog_kind_info(kind)->field_count > 0 ? "%s %llu" : "%s", oplog_kind_info(kind)->name,
             (unsigned long long)argument);
    if (worker_replaying(worker))
        (void)double_take(name);
    else
        (void)double_append(name);
    return worker->position;
}

enum durable_batch durable_batch_begin(struct worker *worker, uint64_t *begin_out)
{
    *begin_out = worker->command ? 0 : durable_mark(worker, OPLOG_BEGIN_REMOTE_WRITE, 0);
    return worker_replaying(worker) ? DURABLE_BATCH_RECORDED : DURABLE_BATCH_LIVE;
}

void durable_batch_end(struct worker *worker, uint64_t begin)
{
    if (!worker->command)
        (void)durable_mark(worker, OPLOG_END_REMOTE_WRITE, begin);
}

void durable_batch_silent(struct worker *worker)
{
    worker->silent_values++;
}

void durable_batch_value(struct worker *worker, uint64_t begin, const char *record_name,
                         const struct cabi_type *request_type, const void *request,
                         const struct cabi_type *result_type, void *result,
                         void (*make)(void *context, void *result), void *context)
{
    worker->last_batch = begin;
    durable_value(worker, record_name, DURABLE_WRITE_BATCHED, request_type, request, result_type, result, make, context);
}

void durable_value(struct worker *worker, const char *record_name, enum durability durability,
                   const struct cabi_type *request_type, const void *request, const struct cabi_type *result_type,
                   void *result, void (*make)(void *context, void *result), void *context)
{
    struct ga_buf encoded = {0};
    cr_assert(durability >= DURABLE_READ_LOCAL && durability < DURABLE_CUSTOM);
    if (worker->command) {
        make(context, result);
        return;
    }
    if (request_type != NULL)
        cabi_encode(request_type, request, &encoded);
    if (worker_replaying(worker)) {
        struct double_entry *entry = double_take(record_name);
        cr_assert(encoded.size == entry->request.size &&
                      (encoded.size == 0 || memcmp(encoded.data, entry->request.data, encoded.size) == 0),
                  "arguments of %s differ", record_name);
        struct ga_reader reader = {entry->response.data, entry->response.data,
                                   entry->response.data + entry->response.size, false};
        cr_assert(result_type == NULL || cabi_decode(result_type, &reader, &worker->scratch, result));
        ga_buf_free(&encoded);
        return;
    }
    make(context, result);
    struct double_entry *entry = double_append(record_name);
    entry->request = encoded;
    entry->durability = durability;
    if (result_type != NULL)
        cabi_encode(result_type, result, &entry->response);
}

uint64_t durable_atomic_begin(struct worker *worker)
{
    return durable_mark(worker, OPLOG_BEGIN_ATOMIC_REGION, 0);
}

void durable_atomic_end(struct worker *worker, uint64_t begin)
{
    (void)durable_mark(worker, OPLOG_END_ATOMIC_REGION, begin);
}

void durable_go_back(struct worker *worker, uint64_t index)
{
    (void)worker;
    double_land("back to %llu", (unsigned long long)index);
}

bool durable_idempotent(struct worker *worker)
{
    return !worker->not_idempotent;
}

void durable_set_idempotent(struct worker *worker, bool idempotent)
{
    worker->not_idempotent = !idempotent;
}

const struct durable_retry_policy *durable_retry_policy(struct worker *worker)
{
    return worker->has_retry_policy ? &worker->retry_policy : NULL;
}

void durable_set_retry_policy(struct worker *worker, const struct durable_retry_policy *policy)
{
    worker->retry_policy = *policy;
    worker->has_retry_policy = true;
}

uint64_t durable_index(struct worker *worker)
{
    return worker->position;
}

void durable_commit(struct worker *worker)
{
    worker->commits++;
}

const char *durable_idempotency_key(struct worker *worker)
{
    (void)worker;
    return "a key";
}

void durable_derive_key(struct worker *worker, uint64_t oplog_index, uint8_t uuid_out[16])
{
    (void)worker;
    for (int i = 0; i < 16; i++)
        uuid_out[i] = (uint8_t)(i + (int)oplog_index);
}

void durable_suspend(struct worker *worker, uint64_t wake_at_ns)
{
    worker->wake_at_ns = wake_at_ns;
    double_land("suspend");
}

static struct double_promise *double_promise(uint64_t index)
{
    for (uint32_t i = 0; i < double_worker.promise_count; i++)
        if (double_worker.promises[i].index == index)
            return &double_worker.promises[i];
    return NULL;
}

void durable_promise_create(struct worker *worker, uint64_t oplog_index)
{
    worker->promises[worker->promise_count++] = (struct double_promise){.index = oplog_index};
}

static bool double_is_self(const char *component_id, const char *name)
{
    return strcmp(component_id, worker_component_id(NULL)) == 0 && strcmp(name, worker_name(NULL)) == 0;
}

enum promise_state durable_promise_get(struct worker *worker, const char *component_id, const char *name,
                                       uint64_t oplog_index, struct cabi_list *data_out)
{
    (void)worker;
    struct double_promise *promise = double_is_self(component_id, name) ? double_promise(oplog_index) : NULL;
    *data_out = (struct cabi_list){0};
    if (promise == NULL || (promise->deleted && !promise->complete))
        return PROMISE_NONE;
    *data_out = (struct cabi_list){promise->data.data, promise->data.size};
    return promise->deleted ? PROMISE_DELETED : promise->complete ? PROMISE_COMPLETE : PROMISE_PENDING;
}

enum promise_state durable_promise_complete(struct worker *worker, const char *component_id, const char *name,
                                            uint64_t oplog_index, const void *data, size_t size)
{
    struct cabi_list old;
    enum promise_state state = durable_promise_get(worker, component_id, name, oplog_index, &old);
    if (state != PROMISE_PENDING)
        return state;
    struct double_promise *promise = double_promise(oplog_index);
    promise->complete = true;
    ga_buf_append(&promise->data, data, size);
    return state;
}

void durable_promise_delete(struct worker *worker, const char *component_id, const char *name, uint64_t oplog_index)
{
    struct double_promise *promise = double_is_self(component_id, name) ? double_promise(oplog_index) : NULL;
    if (promise == NULL || worker_replaying(worker))
        return;
    promise->deleted = true;
    promise->deletes++;
    promise->entries_before_delete = worker->entry_count;
}

#endif
