#include "worker_double.h"

#include "golem_uuid.h"

/* golem:api/host, both generations, and golem:rpc/types. */

static struct worker *const worker = &double_worker;

Test(golem_promise, is_created_completed_once_and_awaited)
{
    struct golem_api_host_promise_id id = {0};
    struct cabi_list data = {0};
    struct option_list polled = {0};
    golem_api_host_create_promise(worker, &id);
    cr_assert_eq(id.oplog_idx, 1);
    cr_assert_eq(id.worker_id.component_id.uuid.high_bits, 0x0123456789ab8def);
    cr_assert_eq(id.worker_id.component_id.uuid.low_bits, 0x8123456789abcdef);
    cr_assert(id.worker_id.worker_name.size == 8 && memcmp(id.worker_id.worker_name.data, "a worker", 8) == 0);
    golem_api_host_poll_promise(worker, &id, &polled);
    cr_assert_eq(polled.tag, 0);
    cr_assert(golem_api_host_complete_promise(worker, &id, (struct cabi_list){(void *)"data", 4}));
    cr_assert_not(golem_api_host_complete_promise(worker, &id, (struct cabi_list){(void *)"other", 5}));
    golem_api_host_await_promise(worker, &id, &data);
    cr_assert(data.count == 4 && memcmp(data.items, "data", 4) == 0);
    golem_api_host_poll_promise(worker, &id, &polled);
    cr_assert(polled.tag == 1 && polled.value.some.count == 4);
}

Test(golem_promise, of_the_older_interface_is_the_same)
{
    struct golem_api_v0_2_host_promise_id id = {0};
    struct cabi_list data = {0};
    golem_api_v0_2_host_create_promise(worker, &id);
    cr_assert_eq(id.oplog_idx, 1);
    cr_assert(golem_api_v0_2_host_complete_promise(worker, &id, (struct cabi_list){(void *)"x", 1}));
    golem_api_v0_2_host_await_promise(worker, &id, &data);
    cr_assert_eq(data.count, 1);
}

Test(golem_promise, that_is_not_complete_suspends_a_durable_worker_alone)
{
    struct golem_api_host_promise_id id = {0};
    struct cabi_list data = {0};
    golem_api_host_create_promise(worker, &id);
    DOUBLE_ASSERT_TRAP("suspend", golem_api_host_await_promise(worker, &id, &data));
    cr_assert_eq(worker->wake_at_ns, 0);
    worker->ephemeral = true;
    DOUBLE_ASSERT_TRAP("trap: only a durable worker can wait for a promise",
                       golem_api_host_await_promise(worker, &id, &data));
}

Test(golem_promise, that_is_deleted_is_unknown)
{
    struct golem_api_host_promise_id id = {0};
    struct cabi_list data = {0};
    golem_api_host_create_promise(worker, &id);
    golem_api_host_delete_promise(worker, &id);
    golem_api_host_delete_promise(worker, &id);
    DOUBLE_ASSERT_TRAP("trap: there is no promise 1 of worker \"a worker\"",
                       golem_api_host_await_promise(worker, &id, &data));
}

/* Whoever waits may have done so before, and lost it in a crash: that is recorded nowhere. */
Test(golem_promise, that_was_complete_and_is_deleted_is_there_only_for_those_who_wait)
{
    struct golem_api_host_promise_id id = {0};
    struct cabi_list data = {0};
    struct option_list polled = {0};
    golem_api_host_create_promise(worker, &id);
    cr_assert(golem_api_host_complete_promise(worker, &id, (struct cabi_list){(void *)"x", 1}));
    golem_api_host_delete_promise(worker, &id);
    golem_api_host_await_promise(worker, &id, &data);
    cr_assert_eq(data.count, 1);
    DOUBLE_ASSERT_TRAP("trap: there is no promise 1 of worker \"a worker\"",
                       golem_api_host_poll_promise(worker, &id, &polled));
    DOUBLE_ASSERT_TRAP("trap: there is no promise 1 of worker \"a worker\"",
                       (void)golem_api_host_complete_promise(worker, &id, data));
}

Test(golem_promise, is_deleted_when_that_is_recorded_and_again_if_nothing_follows)
{
    struct golem_api_host_promise_id id = {0};
    golem_api_host_create_promise(worker, &id);
    golem_api_host_delete_promise(worker, &id);
    cr_assert_eq(worker->promises[0].entries_before_delete, 2, "its own entry among them");
    for (uint32_t entries_after = 0; entries_after < 2; entries_after++) {
        double_rewind();
        golem_api_host_create_promise(worker, &id);
        golem_api_host_delete_promise(worker, &id);
        cr_assert_eq(worker->promises[0].deletes, entries_after == 0);
        (void)golem_api_host_get_oplog_index(worker);
    }
}

Test(golem_promise, that_is_unknown_traps)
{
    struct golem_api_host_promise_id id = {0};
    struct cabi_list data = {0};
    golem_api_host_create_promise(worker, &id);
    id.oplog_idx = 77;
    DOUBLE_ASSERT_TRAP("trap: there is no promise 77 of worker \"a worker\"",
                       golem_api_host_await_promise(worker, &id, &data));
    DOUBLE_ASSERT_TRAP("trap: there is no promise 77 of worker \"a worker\"",
                       (void)golem_api_host_complete_promise(worker, &id, data));
    id.worker_id.worker_name = (struct cabi_string){"a\0b", 3};
    DOUBLE_ASSERT_TRAP("trap: a worker name with a zero byte", golem_api_host_await_promise(worker, &id, &data));
}

Test(golem_oplog, an_index_is_that_of_a_new_entry)
{
    cr_assert_eq(golem_api_host_get_oplog_index(worker), 1);
    cr_assert_eq(golem_api_v0_2_host_get_oplog_index(worker), 2);
    cr_assert_eq(worker->entry_count, 2);
    double_rewind();
    cr_assert_eq(golem_api_host_get_oplog_index(worker), 1);
    cr_assert_eq(worker->entry_count, 2);
    golem_api_host_oplog_commit(worker, 3);
    cr_assert_eq(worker->commits, 1);
}

Test(golem_oplog, a_generated_key_is_the_derived_one_in_two_halves)
{
    struct golem_rpc_types_uuid uuid = {0};
    struct golem_api_v0_2_host_uuid older = {0};
    golem_api_host_generate_idempotency_key(worker, &uuid);
    cr_assert_eq(uuid.high_bits, 0x0001020304050607);
    cr_assert_eq(uuid.low_bits, 0x08090a0b0c0d0e0f);
    golem_api_v0_2_host_generate_idempotency_key(worker, &older);
    cr_assert_eq(older.low_bits, uuid.low_bits);
}

Test(golem_metadata, shows_the_worker_without_the_runner_s_variables)
{
    static const char *const names[] = {"A", "GOLEM_WORKER_NAME", "GOLEM_COMPONENT_ID", "GOLEM_COMPONENT_VERSION",
                                        "GOLEM_X"};
    static const char *const values[] = {"1", "w", "c", "7", "y"}, *const arguments[] = {"arg"};
    struct golem_api_host_worker_metadata metadata = {0};
    worker->environment = (struct worker_environment){1, 5, arguments, names, values};
    golem_api_host_get_self_metadata(worker, &metadata);
    cr_assert_eq(metadata.component_version, 7);
    cr_assert_eq(metadata.status, GOLEM_API_HOST_WORKER_STATUS_RUNNING);
    cr_assert_eq(metadata.args.count, 1);
    const struct tuple_string_string *env = metadata.env.items;
    cr_assert(metadata.env.count == 2 && env[0].f0.data[0] == 'A' && memcmp(env[1].f0.data, "GOLEM_X", 7) == 0);
}

Test(golem_metadata, the_uri_encodes_the_worker_name)
{
    struct golem_rpc_v0_1_types_uri uri = {0};
    static const char wanted[] = "urn:worker:01234567-89ab-8def-8123-456789abcdef/a%20worker/api.{f}";
    golem_api_v0_2_host_get_self_uri(worker, (struct cabi_string){"api.{f}", 7}, &uri);
    cr_assert(uri.value.size == strlen(wanted) && memcmp(uri.value.data, wanted, strlen(wanted)) == 0);
}

Test(golem_metadata, the_retry_policy_is_golem_s_default)
{
    struct golem_api_host_retry_policy policy = {0};
    struct golem_api_v0_2_host_retry_policy older = {0};
    golem_api_host_get_retry_policy(worker, &policy);
    golem_api_v0_2_host_get_retry_policy(worker, &older);
    cr_assert(policy.max_attempts == 3 && policy.max_jitter_factor.tag == 1 && older.max_delay == 1000000000);
}

Test(golem_oplog, both_generations_mark_operations_and_go_back)
{
    uint64_t begin = golem_api_host_mark_begin_operation(worker);
    golem_api_v0_2_host_mark_end_operation(worker, golem_api_v0_2_host_mark_begin_operation(worker));
    golem_api_host_mark_end_operation(worker, begin);
    static const char *const wanted[] = {"BeginAtomicRegion", "BeginAtomicRegion", "EndAtomicRegion 2", "EndAtomicRegion 1"};
    cr_assert_eq(worker->entry_count, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_str_eq(worker->entries[i].name, wanted[i]);
    DOUBLE_ASSERT_TRAP("back to 7", golem_api_host_set_oplog_index(worker, 7));
    DOUBLE_ASSERT_TRAP("back to 8", golem_api_v0_2_host_set_oplog_index(worker, 8));
}

Test(golem_oplog, settings_are_as_they_were_set)
{
    struct golem_api_host_retry_policy policy = {5, 1, 2, 1.5, {.tag = 1, .value.some = 0.25}}, got = {0};
    struct golem_api_v0_2_host_retry_policy older = {6, 3, 4, 2.5}, older_got = {0};
    cr_assert(golem_api_host_get_idempotence_mode(worker));
    golem_api_v0_2_host_set_idempotence_mode(worker, false);
    cr_assert_not(golem_api_host_get_idempotence_mode(worker));
    golem_api_host_set_idempotence_mode(worker, true);
    cr_assert(golem_api_v0_2_host_get_idempotence_mode(worker));
    golem_api_host_set_retry_policy(worker, &policy);
    golem_api_host_get_retry_policy(worker, &got);
    cr_assert(got.max_attempts == 5 && got.min_delay == 1 && got.max_delay == 2 && got.multiplier == 1.5);
    cr_assert(got.max_jitter_factor.tag == 1 && got.max_jitter_factor.value.some == 0.25);
    golem_api_v0_2_host_set_retry_policy(worker, &older);
    golem_api_v0_2_host_get_retry_policy(worker, &older_got);
    golem_api_host_get_retry_policy(worker, &got);
    cr_assert(older_got.max_attempts == 6 && older_got.multiplier == 2.5 && got.max_jitter_factor.tag == 0);
}

Test(golem_uuid, is_parsed_in_all_its_forms_and_in_no_other)
{
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        {"01234567-89ab-cdef-8123-456789ABCDEF", true},
        {"0123456789abcdef8123456789abcdef", true},
        {"{01234567-89ab-cdef-8123-456789abcdef}", true},
        {"urn:uuid:01234567-89ab-cdef-8123-456789abcdef", true},
        {"", false},
        {"01234567-89ab-cdef-8123-456789abcde", false},
        {"01234567-89ab-cdef-8123-456789abcdeg", false},
        {"01234567089ab-cdef-8123-456789abcdef", false},
        {"01234567-89ab-cdef-8123-456789abcdef0", false},
        {"{01234567-89ab-cdef-8123-456789abcdef", false},
        {"urn:uuid:0123456789abcdef8123456789abcdef", false},
        {"0123456789abcdef8123456789abcde-", false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct golem_uuid uuid = {0};
        cr_expect_eq(golem_uuid_parse(texts[i].text, strlen(texts[i].text), &uuid), texts[i].good, "%s", texts[i].text);
        cr_expect(!texts[i].good || (uuid.high_bits == 0x0123456789abcdef && uuid.low_bits == 0x8123456789abcdef));
    }
    struct result_golem_rpc_types_uuid_string parsed = {0};
    golem_rpc_types_parse_uuid(worker, (struct cabi_string){"nonsense", 8}, &parsed);
    cr_assert_eq(parsed.tag, 1);
}
