#include "durable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "ga_assert.h"
#include "record.h"

/* --- entries --- */

uint64_t durable_mark(struct worker *worker, enum oplog_kind kind, uint64_t argument)
{
    GA_ASSERT(oplog_kind_info(kind)->field_count <= 1);
    return record_mark(worker, kind, (struct oplog_value[]){oplog_number(argument)});
}

void durable_value(struct worker *worker, const char *record_name, enum durability durability,
                   const struct cabi_type *request_type, const void *request, const struct cabi_type *result_type,
                   void *result, void (*make)(void *context, void *result), void *context)
{
    struct record_call call = {.name = record_name,
                               .durability = durability,
                               .request_type = request_type,
                               .request = request,
                               .result_type = result_type};
    GA_ASSERT(durability != DURABLE_WRITE_BATCHED);
    record_value(worker, &call, result, make, context);
}

uint64_t durable_index(struct worker *worker)
{
    return worker_replaying(worker) ? worker->replay.position : journal_last_index(&worker->journal);
}

void durable_commit(struct worker *worker)
{
    if (!worker->replaying && !worker->leaving)
        worker_commit(worker);
}

/* --- keys --- */

const char *durable_idempotency_key(struct worker *worker)
{
    (void)worker;
    return STATE->invocation.stage ? STATE->invocation.key : "";
}

/* golem-common, IdempotencyKey::derived: the namespace of keys that are no UUIDs themselves. */
static const uuid_t KEY_NAMESPACE = {0x9c, 0x19, 0xb1, 0x5a, 0xc8, 0x3d, 0x46, 0xf7,
                                     0x9b, 0xc3, 0xea, 0xd7, 0x92, 0x37, 0x33, 0xf4};

void durable_derive_key(struct worker *worker, uint64_t oplog_index, uint8_t uuid_out[16])
{
    const char *key = durable_idempotency_key(worker);
    uuid_t space;
    if (uuid_parse(key, space) != 0)
        uuid_generate_sha1(space, KEY_NAMESPACE, key, strlen(key));
    char name[40];
    int size = snprintf(name, sizeof name, "oplog-index-%" PRIu64, oplog_index);
    uuid_generate_sha1(uuid_out, space, name, (size_t)size);
}

void durable_suspend(struct worker *worker, uint64_t wake_at_ns)
{
    struct ga_report report = {0};
    if (worker->replaying) {
        ga_report_set(&report, GA_DIVERGED,
                      "worker \"%s\", entry %" PRIu64 ": the guest waits, but it went on when this was recorded",
                      worker->config->name, worker->replay.position + 1);
        worker_abandon(worker, &report);
    }
    record_go_live(worker, "Suspend");
    journal_append(&worker->journal, OPLOG_SUSPEND, (struct oplog_value[]){oplog_number(wake_at_ns)});
    worker_commit(worker);
    if (wake_at_ns)
        ga_report_set(&report, GA_SUSPENDED, "worker \"%s\" sleeps for %" PRIu64 " ms", worker->config->name,
                      (wake_at_ns / 1000 - journal_now_us()) / 1000);
    else
        ga_report_set(&report, GA_SUSPENDED, "worker \"%s\" waits for a promise", worker->config->name);
    worker_abandon(worker, &report);
}

/* --- promises --- */

/* Those of an ephemeral worker, which live as long as it does. */
struct local_promise {
    struct local_promise *next;
    uint64_t index;
    bool complete, deleted;
    size_t size;
    void *data;
};
static struct local_promise *local_promises;

static struct local_promise *find_local(uint64_t index)
{
    struct local_promise *promise = local_promises;
    while (promise && promise->index != index)
        promise = promise->next;
    return promise;
}

void durable_promise_create(struct worker *worker, uint64_t oplog_index)
{
    if (worker->store) {
        /* A replayed one was written by the commit that wrote its entry. */
        if (!worker->replaying && !worker->replay.reading)
            journal_add_promise(&worker->journal, oplog_index);
        return;
    }
    struct local_promise *promise = calloc(1, sizeof *promise);
    if (!promise)
        ga_out_of_memory("promises");
    *promise = (struct local_promise){.next = local_promises, .index = oplog_index};
    local_promises = promise;
}

static bool is_own(struct worker *worker, const char *component_id, const char *worker_name)
{
    return strcmp(component_id, worker->identity.component_id) == 0 && strcmp(worker_name, worker->config->name) == 0;
}

static enum promise_state state_of(bool complete, bool deleted)
{
    if (deleted)
        return complete ? PROMISE_DELETED : PROMISE_NONE;
    return complete ? PROMISE_COMPLETE : PROMISE_PENDING;
}

static enum promise_state get_local(uint64_t index, struct cabi_list *data_out)
{
    struct local_promise *promise = find_local(index);
    if (!promise)
        return PROMISE_NONE;
    *data_out = (struct cabi_list){promise->data, promise->size};
    return state_of(promise->complete, promise->deleted);
}

enum promise_state durable_promise_get(struct worker *worker, const char *component_id, const char *worker_name,
                                       uint64_t oplog_index, struct cabi_list *data_out)
{
    struct ga_report report = {0};
    struct store_promise promise;
    bool own = is_own(worker, component_id, worker_name);
    *data_out = (struct cabi_list){0};
    if (!worker->store)
        return own ? get_local(oplog_index, data_out) : PROMISE_NONE;
    if (own && journal_has_promise(&worker->journal, oplog_index))
        return PROMISE_PENDING;
    enum ga_status status = worker->store->ops->promise_get(worker->store, component_id, worker_name, oplog_index,
                                                            &worker->scratch, &promise, &report);
    if (status == GA_NOT_FOUND)
        return PROMISE_NONE;
    if (status != GA_OK)
        worker_abandon(worker, &report);
    *data_out = (struct cabi_list){(void *)(uintptr_t)promise.data, promise.size};
    return state_of(promise.complete, promise.deleted);
}

static enum promise_state complete_local(uint64_t index, const void *data, size_t size)
{
    struct local_promise *promise = find_local(index);
    enum promise_state state = promise ? state_of(promise->complete, promise->deleted) : PROMISE_NONE;
    if (state != PROMISE_PENDING)
        return state;
    promise->data = malloc(size ? size : 1);
    if (!promise->data)
        ga_out_of_memory("promises");
    memcpy(promise->data, data, size);
    promise->size = size;
    promise->complete = true;
    return PROMISE_PENDING;
}

enum promise_state durable_promise_complete(struct worker *worker, const char *component_id, const char *worker_name,
                                            uint64_t oplog_index, const void *data, size_t size)
{
    struct ga_report report = {0};
    bool done = false;
    if (!worker->store)
        return is_own(worker, component_id, worker_name) ? complete_local(oplog_index, data, size) : PROMISE_NONE;
    worker_commit(worker); /* others see the completion: all that led to it must be durable first */
    /* Completed by this very call before a crash: still by this call. */
    struct store_completer by = {worker->identity.id, journal_last_index(&worker->journal) + 1};
    enum ga_status status = worker->store->ops->promise_complete(worker->store, component_id, worker_name, oplog_index,
                                                                 data, size, by, &done, &report);
    if (status == GA_NOT_FOUND)
        return PROMISE_NONE;
    if (status != GA_OK)
        worker_abandon(worker, &report);
    return done ? PROMISE_PENDING : PROMISE_COMPLETE;
}

void durable_promise_delete(struct worker *worker, const char *component_id, const char *worker_name,
                            uint64_t oplog_index)
{
    struct ga_report report = {0};
    if (!worker->store) {
        struct local_promise *promise = is_own(worker, component_id, worker_name) ? find_local(oplog_index) : NULL;
        if (promise)
            promise->deleted = true;
        return;
    }
    if (worker->replaying || worker->leaving)
        return;
    worker_commit(worker); /* others see that it is gone; and it may not be in the store yet */
    enum ga_status status =
        worker->store->ops->promise_delete(worker->store, component_id, worker_name, oplog_index, &report);
    if (status != GA_OK && status != GA_NOT_FOUND)
        worker_abandon(worker, &report);
}
