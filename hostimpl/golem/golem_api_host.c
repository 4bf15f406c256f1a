#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "durable.h"
#include "golem_uuid.h"
#include "host_functions.h"

/*
 * golem:api/host, both generations: 1.1.x, and 0.2.x in terms of it. Their records are the same but for retry-policy, so
 * the older functions pass theirs on by address.
 */
_Static_assert(sizeof(struct golem_api_v0_2_host_promise_id) == sizeof(struct golem_api_host_promise_id), "promise-id");
_Static_assert(sizeof(struct golem_api_v0_2_host_worker_metadata) == sizeof(struct golem_api_host_worker_metadata),
               "worker-metadata");
_Static_assert(sizeof(struct golem_api_v0_2_host_uuid) == sizeof(struct golem_rpc_types_uuid), "uuid");

static void put_component_id(struct worker *worker, struct golem_rpc_types_component_id *out)
{
    const char *text = worker_component_id(worker);
    struct golem_uuid uuid = {0};
    (void)golem_uuid_parse(text, strlen(text), &uuid);
    out->uuid = (struct golem_rpc_types_uuid){uuid.high_bits, uuid.low_bits};
}

static void put_worker_id(struct worker *worker, struct golem_rpc_types_worker_id *out)
{
    put_component_id(worker, &out->component_id);
    out->worker_name = worker_string(worker, worker_name(worker));
}

/* --- promises --- */

/* A promise's name, as durable.h wants it. */
struct promise {
    char component_id[GOLEM_UUID_TEXT_SIZE];
    const char *worker_name;
    uint64_t index;
};

static struct promise promise_of(struct worker *worker, const struct golem_api_host_promise_id *id)
{
    struct promise promise = {.index = id->oplog_idx};
    const struct golem_rpc_types_uuid *uuid = &id->worker_id.component_id.uuid;
    struct cabi_string name = id->worker_id.worker_name;
    golem_uuid_print((struct golem_uuid){uuid->high_bits, uuid->low_bits}, promise.component_id);
    if (name.size > 0 && memchr(name.data, '\0', name.size) != NULL)
        worker_trap(worker, "a worker name with a zero byte");
    promise.worker_name = ga_arena_strndup(worker_scratch(worker), name.size > 0 ? name.data : "", name.size);
    return promise;
}

__attribute__((noreturn)) static void trap_unknown(struct worker *worker, const struct promise *promise)
{
    worker_trap(worker, "there is no promise %llu of worker \"%s\"", (unsigned long long)promise->index,
                promise->worker_name);
}

static enum promise_state promise_get(struct worker *worker, const struct promise *promise, struct cabi_list *data_out)
{
    enum promise_state state =
        durable_promise_get(worker, promise->component_id, promise->worker_name, promise->index, data_out);
    if (state == PROMISE_NONE)
        trap_unknown(worker, promise);
    return state;
}

void golem_api_host_create_promise(struct worker *worker, struct golem_api_host_promise_id *result_out)
{
    uint64_t index = durable_mark(worker, OPLOG_NO_OP, 0);
    durable_promise_create(worker, index);
    put_worker_id(worker, &result_out->worker_id);
    result_out->oplog_idx = index;
}

/* Not recorded: a completed promise stays completed, and keeps its data for this when it is deleted. While it is not
 * complete, the worker leaves memory. */
void golem_api_host_await_promise(struct worker *worker, const struct golem_api_host_promise_id *promise_id,
                                  struct cabi_list *result_out)
{
    struct promise promise = promise_of(worker, promise_id);
    if (promise_get(worker, &promise, result_out) != PROMISE_PENDING)
        return;
    if (worker_is_ephemeral(worker) || worker_is_command(worker))
        worker_trap(worker, "only a durable worker can wait for a promise");
    durable_suspend(worker, 0);
}

void golem_api_host_poll_promise(struct worker *worker, const struct golem_api_host_promise_id *promise_id,
                                 struct option_list *result_out)
{
    struct promise promise = promise_of(worker, promise_id);
    enum promise_state state = promise_get(worker, &promise, &result_out->value.some);
    if (state == PROMISE_DELETED)
        trap_unknown(worker, &promise);
    result_out->tag = state == PROMISE_COMPLETE ? 1 : 0;
}

bool golem_api_host_complete_promise(struct worker *worker, const struct golem_api_host_promise_id *promise_id,
                                     struct cabi_list data)
{
    struct promise promise = promise_of(worker, promise_id);
    enum promise_state before = durable_promise_complete(worker, promise.component_id, promise.worker_name,
                                                         promise.index, data.items, data.count);
    if (before == PROMISE_NONE || before == PROMISE_DELETED)
        trap_unknown(worker, &promise);
    return before == PROMISE_PENDING;
}

static void make_nothing(void *context, void *result)
{
    (void)context;
    (void)result;
}

/* The entry comes first: that the worker waited for the promise before is not recorded, so after a crash it must still
 * be there for it, unless the oplog says that it was deleted later. When this is the last entry, the crash may have come
 * before the deed. */
void golem_api_host_delete_promise(struct worker *worker, const struct golem_api_host_promise_id *promise_id)
{
    struct promise promise = promise_of(worker, promise_id);
    durable_value(worker, host_golem_api_host_delete_promise.record_name, DURABLE_WRITE_LOCAL,
                  host_golem_api_host_delete_promise.type->params_tuple, promise_id, NULL, NULL, make_nothing, NULL);
    durable_promise_delete(worker, promise.component_id, promise.worker_name, promise.index);
}

/* --- the oplog --- */

uint64_t golem_api_host_get_oplog_index(struct worker *worker)
{
    return durable_mark(worker, OPLOG_NO_OP, 0);
}

/* There is one store, so all replicas there are have it when the commit is done. */
void golem_api_host_oplog_commit(struct worker *worker, uint8_t replicas)
{
    (void)replicas;
    durable_commit(worker);
}

void golem_api_host_generate_idempotency_key(struct worker *worker, struct golem_rpc_types_uuid *result_out)
{
    uint8_t bytes[16];
    durable_derive_key(worker, durable_index(worker), bytes);
    for (int i = 0; i < 8; i++) {
        result_out->high_bits = result_out->high_bits << 8 | bytes[i];
        result_out->low_bits = result_out->low_bits << 8 | bytes[8 + i];
    }
}

void golem_api_host_set_oplog_index(struct worker *worker, uint64_t oplog_idx)
{
    durable_go_back(worker, oplog_idx);
}

uint64_t golem_api_host_mark_begin_operation(struct worker *worker)
{
    return durable_atomic_begin(worker);
}

void golem_api_host_mark_end_operation(struct worker *worker, uint64_t begin)
{
    durable_atomic_end(worker, begin);
}

bool golem_api_host_get_idempotence_mode(struct worker *worker)
{
    return durable_idempotent(worker);
}

void golem_api_host_set_idempotence_mode(struct worker *worker, bool idempotent)
{
    durable_set_idempotent(worker, idempotent);
}

/* What the guest has set, else Golem's default. */
void golem_api_host_get_retry_policy(struct worker *worker, struct golem_api_host_retry_policy *result_out)
{
    const struct durable_retry_policy *policy = durable_retry_policy(worker);
    if (policy != NULL) {
        *result_out = (struct golem_api_host_retry_policy){
            .max_attempts = (uint32_t)policy->max_attempts,
            .min_delay = policy->min_delay_ns,
            .max_delay = policy->max_delay_ns,
            .multiplier = policy->multiplier,
            .max_jitter_factor = {.tag = policy->has_jitter, .value.some = policy->max_jitter_factor},
        };
        return;
    }
    *result_out = (struct golem_api_host_retry_policy){
        .max_attempts = 3,
        .min_delay = 100000000,
        .max_delay = 1000000000,
        .multiplier = 3,
        .max_jitter_factor = {.tag = 1, .value.some = 0.15},
    };
}

void golem_api_host_set_retry_policy(struct worker *worker, const struct golem_api_host_retry_policy *policy)
{
    durable_set_retry_policy(worker, &(struct durable_retry_policy){
                                         .max_attempts = policy->max_attempts,
                                         .min_delay_ns = policy->min_delay,
                                         .max_delay_ns = policy->max_delay,
                                         .multiplier = policy->multiplier,
                                         .has_jitter = policy->max_jitter_factor.tag == 1,
                                         .max_jitter_factor = policy->max_jitter_factor.tag == 1
                                                                  ? policy->max_jitter_factor.value.some
                                                                  : 0,
                                     });
}

/* --- metadata --- */

static bool is_own_variable(const char *name)
{
    static const char *const own[] = {"GOLEM_WORKER_NAME", "GOLEM_COMPONENT_ID", "GOLEM_COMPONENT_VERSION"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return false;
}

static uint64_t component_version(const struct worker_environment *environment)
{
    for (uint32_t i = 0; i < environment->variable_count; i++)
        if (strcmp(environment->names[i], "GOLEM_COMPONENT_VERSION") == 0)
            return strtoull(environment->values[i], NULL, 10);
    return 0;
}

static struct cabi_list list_arguments(struct worker *worker, const struct worker_environment *environment)
{
    struct cabi_string *items = worker_alloc(worker, environment->argument_count * sizeof *items);
    for (uint32_t i = 0; i < environment->argument_count; i++)
        items[i] = worker_string(worker, environment->arguments[i]);
    return (struct cabi_list){items, environment->argument_count};
}

/* Without those that the runner sets itself. */
static struct cabi_list list_variables(struct worker *worker, const struct worker_environment *environment)
{
    struct tuple_string_string *items = worker_alloc(worker, environment->variable_count * sizeof *items);
    size_t count = 0;
    for (uint32_t i = 0; i < environment->variable_count; i++)
        if (!is_own_variable(environment->names[i]))
            items[count++] = (struct tuple_string_string){worker_string(worker, environment->names[i]),
                                                          worker_string(worker, environment->values[i])};
    return (struct cabi_list){items, count};
}

void golem_api_host_get_self_metadata(struct worker *worker, struct golem_api_host_worker_metadata *result_out)
{
    const struct worker_environment *environment = worker_environment(worker);
    put_worker_id(worker, &result_out->worker_id);
    result_out->args = list_arguments(worker, environment);
    result_out->env = list_variables(worker, environment);
    result_out->status = GOLEM_API_HOST_WORKER_STATUS_RUNNING;
    result_out->component_version = component_version(environment);
    result_out->retry_count = 0;
}

/* --- 0.2.x --- */

#define SAME_RECORD(type, pointer) ((struct type *)(pointer))
#define SAME_PROMISE(pointer) ((const struct golem_api_host_promise_id *)(pointer))

void golem_api_v0_2_host_create_promise(struct worker *worker, struct golem_api_v0_2_host_promise_id *result_out)
{
    golem_api_host_create_promise(worker, SAME_RECORD(golem_api_host_promise_id, result_out));
}

void golem_api_v0_2_host_await_promise(struct worker *worker, const struct golem_api_v0_2_host_promise_id *promise_id,
                                       struct cabi_list *result_out)
{
    golem_api_host_await_promise(worker, SAME_PROMISE(promise_id), result_out);
}

bool golem_api_v0_2_host_complete_promise(struct worker *worker,
                                          const struct golem_api_v0_2_host_promise_id *promise_id, struct cabi_list data)
{
    return golem_api_host_complete_promise(worker, SAME_PROMISE(promise_id), data);
}

void golem_api_v0_2_host_delete_promise(struct worker *worker, const struct golem_api_v0_2_host_promise_id *promise_id)
{
    golem_api_host_delete_promise(worker, SAME_PROMISE(promise_id));
}

uint64_t golem_api_v0_2_host_get_oplog_index(struct worker *worker)
{
    return golem_api_host_get_oplog_index(worker);
}

void golem_api_v0_2_host_oplog_commit(struct worker *worker, uint8_t replicas)
{
    golem_api_host_oplog_commit(worker, replicas);
}

void golem_api_v0_2_host_generate_idempotency_key(struct worker *worker, struct golem_api_v0_2_host_uuid *result_out)
{
    golem_api_host_generate_idempotency_key(worker, SAME_RECORD(golem_rpc_types_uuid, result_out));
}

void golem_api_v0_2_host_get_self_metadata(struct worker *worker, struct golem_api_v0_2_host_worker_metadata *result_out)
{
    golem_api_host_get_self_metadata(worker, SAME_RECORD(golem_api_host_worker_metadata, result_out));
}

void golem_api_v0_2_host_get_retry_policy(struct worker *worker, struct golem_api_v0_2_host_retry_policy *result_out)
{
    struct golem_api_host_retry_policy policy = {0};
    golem_api_host_get_retry_policy(worker, &policy);
    *result_out = (struct golem_api_v0_2_host_retry_policy){policy.max_attempts, policy.min_delay, policy.max_delay,
                                                            policy.multiplier};
}

void golem_api_v0_2_host_set_retry_policy(struct worker *worker, const struct golem_api_v0_2_host_retry_policy *policy)
{
    golem_api_host_set_retry_policy(worker,
                                    &(struct golem_api_host_retry_policy){.max_attempts = policy->max_attempts,
                                                                          .min_delay = policy->min_delay,
                                                                          .max_delay = policy->max_delay,
                                                                          .multiplier = policy->multiplier});
}

void golem_api_v0_2_host_set_oplog_index(struct worker *worker, uint64_t oplog_idx)
{
    golem_api_host_set_oplog_index(worker, oplog_idx);
}

uint64_t golem_api_v0_2_host_mark_begin_operation(struct worker *worker)
{
    return golem_api_host_mark_begin_operation(worker);
}

void golem_api_v0_2_host_mark_end_operation(struct worker *worker, uint64_t begin)
{
    golem_api_host_mark_end_operation(worker, begin);
}

bool golem_api_v0_2_host_get_idempotence_mode(struct worker *worker)
{
    return golem_api_host_get_idempotence_mode(worker);
}

void golem_api_v0_2_host_set_idempotence_mode(struct worker *worker, bool idempotent)
{
    golem_api_host_set_idempotence_mode(worker, idempotent);
}

/* Percent-encoding of everything but RFC 3986's unreserved characters. */
static void put_url_encoded(struct ga_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
            ga_buf_u8(out, (uint8_t)*text);
        else
            ga_buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

void golem_api_v0_2_host_get_self_uri(struct worker *worker, struct cabi_string function_name,
                                      struct golem_rpc_v0_1_types_uri *result_out)
{
    struct ga_buf text = {0};
    ga_buf_printf(&text, "urn:worker:%s/", worker_component_id(worker));
    put_url_encoded(&text, worker_name(worker));
    ga_buf_u8(&text, '/');
    ga_buf_append(&text, function_name.data, function_name.size);
    char *copy = worker_alloc(worker, text.size);
    memcpy(copy, text.data, text.size);
    result_out->value = (struct cabi_string){copy, text.size};
    ga_buf_free(&text);
}
