/*
 * Invocations: from names and texts to a call of the guest and its result, live and in replay.
 *
 *   entry                                 what the process does
 *   ExportedFunctionInvoked               request: the native arguments, encoded, with ids for resources (guest_resource.h)
 *     (construct)                         an indexed resource that is not there yet is made: stage CONSTRUCT
 *     ImportedFunctionInvoked ...         host calls, by dispatch.c, while the guest runs: stage CONSTRUCT or CALL
 *   ExportedFunctionCompleted             response: the result, encoded, with ids
 *   Error | Exited                        instead
 *
 * What an invocation needs to go on lies in STATE->invocation, because a checkpoint may be taken at any host call of
 * it, and another process goes on from there: which export, which stage. The arguments are in the guest by then; when
 * they are needed again (after CONSTRUCT), they are decoded from the entry. No pointer into this process's memory is
 * kept across a call of the guest.
 */
#include "invocation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "ga_assert.h"
#include "ga_utf8.h"
#include "gate.h"
#include "guest_resource.h"
#include "http_handler.h"
#include "io_random.h"
#include "record.h"
#include "trap.h"
#include "worker_parts.h"

/* What is called, in this process: from a request or from the entry. */
struct plan {
    struct function_name name;
    const struct cabi_type *params; /* the tuple of all parameters; NULL if there are none */
    void *native;                   /* its value, ids for resources */
    void *constructor_native;       /* parameters of the indexed resource's constructor */
    struct ga_arena arena;          /* of the parameters */
    /* What takes nothing from the bytes that a guest may give or get, because it is not the same in each process: */
    struct ga_arena entry;
    struct ga_arena result;
};

static void plan_free(struct plan *plan)
{
    ga_arena_free(&plan->arena);
    ga_arena_free(&plan->entry);
    ga_arena_free(&plan->result);
}

static const struct cabi_type *params_of(const struct function_name *name, struct ga_arena *arena)
{
    const struct cabi_func_type *type = name->export        ? name->export->type
                                        : name->constructor ? NULL
                                                            : function_name_params(name, arena);
    return type && type->param_count ? type->params_tuple : NULL;
}

static void *native_room(struct ga_arena *arena, const struct cabi_type *tuple)
{
    return ga_arena_alloc(arena, tuple ? tuple->native_size : 0);
}

/* Puts the resource itself among the parameters of an indexed one's method. */
static void set_self(const struct plan *plan, uint32_t id)
{
    memcpy((char *)plan->native + plan->name.export->type->params[0].native_offset, &id, sizeof id);
}

/* Until it is found or made. */
#define NO_SELF UINT32_MAX

/* The name, and the index of an indexed resource. */
static enum ga_status plan_function(struct plan *plan, const char *function, size_t size, struct ga_report *report)
{
    enum ga_status status = function_name_resolve(function, size, &plan->name, report);
    if (status != GA_OK)
        return status;
    plan->params = params_of(&plan->name, &plan->arena);
    plan->native = native_room(&plan->arena, plan->params);
    const struct rt_export *constructor = plan->name.constructor;
    if (!constructor)
        return GA_OK;
    if (plan->name.export)
        set_self(plan, NO_SELF);
    plan->constructor_native =
        native_room(&plan->arena, constructor->type->param_count ? constructor->type->params_tuple : NULL);
    status = cabi_wave_parse_args(constructor->type, plan->name.key, plan->name.key_size, NULL, &plan->arena,
                                  plan->constructor_native, report);
    report->has_offset = false; /* it counts from the index, others from the arguments */
    return status;
}

/* Dropping an indexed resource takes what the index names; it must be there. */
static enum ga_status check_index(const struct plan *plan, struct ga_report *report)
{
    uint32_t id;
    if (plan->name.export || !plan->name.constructor ||
        guest_resource_find(plan->name.resource, plan->name.key, plan->name.key_size, &id))
        return GA_OK;
    return ga_report_set(report, GA_NOT_FOUND, "there is no resource (%.*s) to drop", (int)plan->name.key_size,
                         plan->name.key);
}

static enum ga_status parse_request_args(struct plan *plan, const struct invocation_request *request,
                                         struct ga_report *report)
{
    const struct cabi_func_type *type = function_name_params(&plan->name, &plan->arena);
    return request->args ? cabi_wave_parse_args(type, request->args, request->args_size, &guest_resource_hooks,
                                                &plan->arena, plan->native, report)
                         : cabi_wave_parse_words(type, request->words, request->word_count, &guest_resource_hooks,
                                                 &plan->arena, plan->native, report);
}

/* http_handler.h */
static bool is_virtual(const struct rt_export *export)
{
    return export && !export->call;
}

static enum ga_status plan_request(struct plan *plan, const struct invocation_request *request, struct ga_report *report)
{
    if (!ga_utf8_valid((const uint8_t *)request->function, request->function_size))
        return ga_report_set(report, GA_INVALID, "the function's name is not UTF-8");
    enum ga_status status = plan_function(plan, request->function, request->function_size, report);
    if (status != GA_OK)
        return status;
    status = parse_request_args(plan, request, report);
    if (status == GA_OK)
        status = guest_resource_check(plan->params, plan->native, &plan->arena, report);
    if (status == GA_OK && is_virtual(plan->name.export))
        status = golem_component.http_handler->check(plan->native, report);
    return status == GA_OK ? check_index(plan, report) : status;
}

enum { INVOKED_FUNCTION, INVOKED_KEY, INVOKED_TRACE, INVOKED_REQUEST };
enum { COMPLETED_FUEL, COMPLETED_RESPONSE };

__attribute__((format(printf, 4, 5))) static enum ga_status entry_fault(const struct worker *worker, uint64_t index,
                                                                        struct ga_report *report, const char *format,
                                                                        ...)
{
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ga_report_set(report, GA_DIVERGED, "worker \"%s\", entry %" PRIu64 ": %s", worker->config->name, index, text);
}

/* values: of the ExportedFunctionInvoked `index`. */
static enum ga_status plan_entry(struct worker *worker, struct plan *plan, uint64_t index,
                                 const struct oplog_value *values, struct ga_report *report)
{
    struct ga_report cause = {0};
    const struct oplog_value *function = &values[INVOKED_FUNCTION], *request = &values[INVOKED_REQUEST];
    char *name = ga_arena_strndup(&plan->entry, (const char *)function->data, function->size);
    if (plan_function(plan, name, function->size, &cause) != GA_OK)
        return entry_fault(worker, index, report, "%s", cause.text);
    struct ga_reader reader = {.start = request->data, .at = request->data, .end = request->data + request->size};
    if ((plan->params && !cabi_decode(plan->params, &reader, &plan->arena, plan->native)) || reader.at != reader.end)
        return entry_fault(worker, index, report, "the arguments of %s are malformed", name);
    return GA_OK;
}

static enum ga_status replan(struct worker *worker, struct plan *plan, struct ga_report *report)
{
    struct oplog_entry entry;
    struct oplog_value values[OPLOG_MAX_FIELDS];
    uint64_t index = STATE->invocation.invoked_index;
    enum ga_status status = replay_read_entry(worker->store, worker->identity.id, worker->config->name, index,
                                              &plan->entry, &entry, report);
    if (status != GA_OK)
        return status;
    if (entry.kind != OPLOG_EXPORTED_FUNCTION_INVOKED || !oplog_decode(&entry, values))
        return entry_fault(worker, index, report, "is not ExportedFunctionInvoked");
    return plan_entry(worker, plan, index, values, report);
}

/* --- running --- */

/* One call of an export; resting: a restored process continues it. */
static enum gate_outcome run_export(struct plan *plan, const struct rt_export *export, const void *params, bool resting,
                                    void *result_out)
{
    struct invocation_state *state = &STATE->invocation;
    enum gate_outcome outcome = GATE_RETURNED;
    if (!resting) {
        state->export = export;
        state->call = (struct cabi_call){.options = export->options, .task = 1};
        outcome = cabi_export_begin(&state->call, export, params, REGION->flat);
    }
    if (outcome == GATE_RETURNED) {
        state->may_rest = true;
        outcome = resting ? gate_resume() : gate_enter(export->call, REGION->flat);
        state->may_rest = false;
    }
    if (outcome == GATE_RETURNED) {
        state->call.scratch = &plan->result;
        outcome = cabi_export_end(&state->call, export, REGION->flat, result_out);
        state->call.scratch = NULL; /* differs from process to process */
    }
    return outcome;
}

/* --- the virtual HTTP handler: a call of the component's own, between two of the host (http_handler.h) --- */

struct virtual_call {
    const void *request;
    uint32_t params[2];
};

static void make_virtual(struct worker *worker, void *context)
{
    struct virtual_call *call = context;
    golem_component.http_handler->make(worker, call->request, call->params, &STATE->invocation.response);
}

static enum gate_outcome run_virtual(struct worker *worker, struct plan *plan, bool resting, void *result_out)
{
    const struct rt_http_handler *handler = golem_component.http_handler;
    struct virtual_call call = {.request = plan->native};
    enum gate_outcome outcome = resting ? GATE_RETURNED : worker_gated(worker, make_virtual, &call);
    if (outcome == GATE_RETURNED)
        outcome = run_export(plan, handler->handle(), call.params, resting, NULL);
    if (outcome == GATE_RETURNED && !handler->take(worker, STATE->invocation.response, &plan->result, result_out))
        outcome = GATE_TRAPPED;
    return outcome;
}

static enum gate_outcome run_call(struct worker *worker, struct plan *plan, bool resting, void *result_out)
{
    return is_virtual(plan->name.export) ? run_virtual(worker, plan, resting, result_out)
                                         : run_export(plan, plan->name.export, plan->native, resting, result_out);
}

static enum gate_outcome run_construct(struct worker *worker, struct plan *plan, bool resting)
{
    uint32_t rep = 0;
    STATE->invocation.stage = INVOCATION_CONSTRUCT;
    enum gate_outcome outcome = run_export(plan, plan->name.constructor, plan->constructor_native, resting, &rep);
    if (outcome == GATE_RETURNED &&
        !guest_resource_add_indexed(worker, plan->name.resource, rep, plan->name.key, plan->name.key_size))
        return GATE_TRAPPED;
    return outcome;
}

static enum gate_outcome run_drop(struct worker *worker, struct plan *plan)
{
    uint32_t rep = *(uint32_t *)plan->native, id;
    if (plan->name.constructor) {
        bool found = guest_resource_find(plan->name.resource, plan->name.key, plan->name.key_size, &id);
        GA_ASSERT(found); /* check_index */
        rep = guest_resource_rep(id);
        guest_resource_remove(worker, id);
    }
    return cabi_resource_destroy(plan->name.resource, rep, REGION->flat);
}

/* All stages, from the one that STATE names when resting. GATE_ABANDONED with worker->abandoned also if arguments
 * do not fit. */
static enum gate_outcome run_stages(struct worker *worker, struct plan *plan, bool resting, void *result_out)
{
    struct invocation_state *state = &STATE->invocation;
    const struct function_name *name = &plan->name;
    enum gate_outcome outcome;
    uint32_t id;
    if (resting && state->stage == INVOCATION_CALL)
        return run_call(worker, plan, true, result_out);
    bool construct =
        name->constructor && name->export && !guest_resource_find(name->resource, name->key, name->key_size, &id);
    if (construct && (outcome = run_construct(worker, plan, resting)) != GATE_RETURNED)
        return outcome;
    state->stage = INVOCATION_CALL;
    if (name->export && name->constructor && guest_resource_find(name->resource, name->key, name->key_size, &id))
        set_self(plan, id);
    if (plan->params && guest_resource_lower(worker, plan->params, plan->native, &worker->abandoned) != GA_OK)
        return GATE_ABANDONED;
    return name->export ? run_call(worker, plan, false, result_out) : run_drop(worker, plan);
}

static void begin_invocation(uint64_t index, const char *key, size_t key_size)
{
    struct invocation_state *state = &STATE->invocation;
    GA_ASSERT(key_size <= GA_MAX_IDEMPOTENCY_KEY_BYTES);
    memset(state, 0, sizeof *state);
    state->stage = INVOCATION_CALL;
    state->invoked_index = index;
    memcpy(state->key, key, key_size);
}

/* Nothing of it is left in the state, so that equal histories have equal states. */
static void end_invocation(struct worker *worker, bool whole)
{
    if (whole) {
        memset(&STATE->invocation, 0, sizeof STATE->invocation);
        STATE->settings.atomic_begin = 0;
    }
    STATE->invocation.may_rest = false;
    worker->calls_inside = 0;
    ga_arena_reset(&worker->scratch);
}

/* What the guest said instead of a result. */
static const char *describe(enum gate_outcome outcome, char *buffer, size_t size)
{
    if (outcome == GATE_EXITED)
        snprintf(buffer, size, "exit with status %u", trap_exit_code());
    else
        snprintf(buffer, size, "trap: %s", trap_text());
    return buffer;
}

/* --- how it ends --- */

static enum ga_status note_abandoned(const struct worker *worker, struct ga_report *report)
{
    GA_ASSERT(worker->abandoned.status != GA_OK);
    return ga_report_set(report, worker->abandoned.status, "%s", worker->abandoned.text);
}

static enum ga_status note_failure(struct worker *worker, enum gate_outcome outcome, struct ga_report *report)
{
    if (outcome == GATE_EXITED)
        worker_note_exit(worker);
    else
        worker_note_trap(worker);
    if (worker->abandoned.status != GA_OK)
        return note_abandoned(worker, report);
    return outcome == GATE_EXITED
               ? ga_report_set(report, GA_EXITED, "the guest called exit with status %u", worker->exit_status)
               : ga_report_set(report, GA_TRAP, "%s", worker->failure);
}

static void encode_result(const struct plan *plan, const void *result, struct ga_buf *out)
{
    const struct cabi_type *type = plan->name.export ? plan->name.export->type->result : NULL;
    if (type)
        cabi_encode(type, result, out);
}

static void print_result(const struct rt_export *export, const void *result, struct ga_buf *out)
{
    if (export && export->type->result)
        cabi_wave_print(export->type->result, result, &guest_resource_hooks, out);
}

static void append_completed(struct worker *worker, const struct plan *plan, const void *result)
{
    struct ga_buf response = {0};
    encode_result(plan, result, &response);
    uint64_t index = journal_append(&worker->journal, OPLOG_EXPORTED_FUNCTION_COMPLETED,
                                    (struct oplog_value[]){oplog_number(0), oplog_bytes(response.data, response.size)});
    journal_add_invocation(&worker->journal, STATE->invocation.key, STATE->invocation.invoked_index, index);
    ga_buf_free(&response);
}

static void *result_room(struct plan *plan)
{
    const struct cabi_type *type = plan->name.export ? plan->name.export->type->result : NULL;
    return ga_arena_alloc(&plan->result, type ? type->native_size : 0);
}

/* What a guest that has returned gives us, if there is room for it. */
static enum gate_outcome lift_result(struct worker *worker, const struct plan *plan, enum gate_outcome outcome,
                                     void *result)
{
    const struct rt_export *export = plan->name.export;
    if (outcome != GATE_RETURNED || !export || !export->type->result ||
        guest_resource_lift(worker, export->type->result, result))
        return outcome;
    return GATE_TRAPPED;
}

/* A live invocation, its Invoked appended, to its durable end. */
static enum ga_status finish_live(struct worker *worker, struct plan *plan, enum gate_outcome outcome, void *result,
                                  struct ga_report *report)
{
    enum ga_status status = GA_OK;
    outcome = lift_result(worker, plan, outcome, result);
    if (outcome == GATE_RETURNED) {
        append_completed(worker, plan, result);
        status = journal_commit(&worker->journal, report);
        if (status != GA_OK)
            worker->abandoned = *report;
    } else if (outcome == GATE_ABANDONED) {
        status = note_abandoned(worker, report);
    } else {
        status = note_failure(worker, outcome, report);
    }
    end_invocation(worker, outcome == GATE_RETURNED);
    return status;
}

/* --- live calls --- */

static enum ga_status refuse_poisoned(const struct worker *worker, struct ga_report *report)
{
    if (worker->abandoned.status != GA_OK)
        return ga_report_set(report, worker->abandoned.status, "%s", worker->abandoned.text);
    if (worker->exited)
        return ga_report_set(report, GA_EXITED, "Previous invocation exited");
    if (worker->failed)
        return ga_report_set(report, GA_TRAP, "Previous invocation failed: %s", worker->failure);
    return GA_OK;
}

static enum ga_status print_stored(struct worker *worker, const struct oplog_value *invoked,
                                   const struct oplog_value *completed, struct ga_arena *arena,
                                   struct ga_buf *result_out)
{
    struct function_name name;
    struct ga_report ignored = {0};
    const struct oplog_value *function = &invoked[INVOKED_FUNCTION], *response = &completed[COMPLETED_RESPONSE];
    if (function_name_resolve((const char *)function->data, function->size, &name, &ignored) != GA_OK)
        return GA_CORRUPT;
    (void)worker;
    const struct cabi_type *type = name.export ? name.export->type->result : NULL;
    struct ga_reader reader = {.start = response->data, .at = response->data, .end = response->data + response->size};
    void *native = ga_arena_alloc(arena, type ? type->native_size : 0);
    if ((type && !cabi_decode(type, &reader, arena, native)) || reader.at != reader.end)
        return GA_CORRUPT;
    print_result(name.export, native, result_out);
    return GA_OK;
}

/* The table beside the oplog only says where to look; the entries decide. */
static enum ga_status give_stored(struct worker *worker, const struct store_invocation *found,
                                  struct ga_buf *result_out, struct ga_report *report)
{
    struct ga_arena arena = {0};
    struct oplog_entry entries[2];
    struct oplog_value invoked[OPLOG_MAX_FIELDS], completed[OPLOG_MAX_FIELDS];
    const char *name = worker->config->name;
    enum ga_status status =
        replay_read_entry(worker->store, worker->identity.id, name, found->invoked_index, &arena, &entries[0], report);
    if (status == GA_OK)
        status = replay_read_entry(worker->store, worker->identity.id, name, found->completed_index, &arena,
                                   &entries[1], report);
    if (status == GA_OK) {
        bool fits = entries[0].kind == OPLOG_EXPORTED_FUNCTION_INVOKED &&
                    entries[1].kind == OPLOG_EXPORTED_FUNCTION_COMPLETED && oplog_decode(&entries[0], invoked) &&
                    oplog_decode(&entries[1], completed) && invoked[INVOKED_KEY].size == strlen(found->key) &&
                    memcmp(invoked[INVOKED_KEY].data, found->key, invoked[INVOKED_KEY].size) == 0;
        status = fits ? print_stored(worker, invoked, completed, &arena, result_out) : GA_CORRUPT;
        if (status != GA_OK)
            ga_report_set(report, status, "worker \"%s\", entry %" PRIu64 ": is not the result of key \"%s\"", name,
                          found->completed_index, found->key);
    }
    ga_arena_free(&arena);
    return status;
}

/* GA_NOT_FOUND: the key is new, or its invocation is not complete. */
static enum ga_status find_stored(struct worker *worker, const char *key, struct ga_buf *result_out,
                                  struct ga_report *report)
{
    struct store_invocation found;
    if (!worker->store)
        return GA_NOT_FOUND;
    enum ga_status status = worker->store->ops->invocation_find(worker->store, worker->identity.id, key, &found, report);
    if (status != GA_OK)
        return status;
    return found.completed_index ? give_stored(worker, &found, result_out, report) : GA_NOT_FOUND;
}

static void append_invoked(struct worker *worker, const struct plan *plan, const struct invocation_request *request,
                           const char *key)
{
    struct ga_buf params = {0};
    if (plan->params)
        cabi_encode(plan->params, plan->native, &params);
    uint64_t index =
        journal_append(&worker->journal, OPLOG_EXPORTED_FUNCTION_INVOKED,
                       (struct oplog_value[]){oplog_bytes(request->function, request->function_size), oplog_text(key),
                                              oplog_text(""), oplog_bytes(params.data, params.size)});
    ga_buf_free(&params);
    journal_add_invocation(&worker->journal, key, index, 0);
    begin_invocation(index, key, strlen(key));
}

static enum ga_status check_key(const char *key, char *random_out, const char **key_out, struct ga_report *report)
{
    uuid_t uuid;
    if (key) {
        *key_out = key;
        if (!*key || strlen(key) > GA_MAX_IDEMPOTENCY_KEY_BYTES)
            return ga_report_set(report, GA_INVALID, "an idempotency key has 1 to %d bytes",
                                 GA_MAX_IDEMPOTENCY_KEY_BYTES);
        if (!ga_utf8_valid((const uint8_t *)key, strlen(key)))
            return ga_report_set(report, GA_INVALID, "an idempotency key is UTF-8");
        return GA_OK;
    }
    io_random_bytes(uuid, sizeof uuid); /* uuid_generate_random makes six system calls of it */
    uuid[6] = (unsigned char)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80);
    uuid_unparse_lower(uuid, random_out);
    *key_out = random_out;
    return GA_OK;
}

/* The guest went back to an earlier entry of the invocation: recovery finishes it, as it does after a crash. */
static enum ga_status finish_again(struct worker *worker, const char *key, struct ga_buf *result_out,
                                   struct ga_report *report)
{
    *report = (struct ga_report){0};
    enum ga_status status = worker_recover(worker, report);
    if (status == GA_OK && worker->failed)
        return ga_report_set(report, GA_TRAP, "%s", worker->failure);
    if (status == GA_OK && worker->exited)
        return ga_report_set(report, GA_EXITED, "the guest called exit with status %u", worker->exit_status);
    return status == GA_OK ? find_stored(worker, key, result_out, report) : status;
}

enum ga_status invocation_call(struct worker *worker, const struct invocation_request *request,
                               struct ga_buf *result_out, struct ga_report *report)
{
    char random_key[UUID_STR_LEN];
    const char *key;
    enum ga_status status = check_key(request->key, random_key, &key, report);
    if (status != GA_OK)
        return status;
    status = request->key ? find_stored(worker, key, result_out, report) : GA_NOT_FOUND;
    if (status != GA_NOT_FOUND)
        return status;
    status = refuse_poisoned(worker, report);
    if (status != GA_OK)
        return status;
    struct plan plan = {0};
    status = plan_request(&plan, request, report);
    if (status == GA_OK) {
        append_invoked(worker, &plan, request, key);
        void *result = result_room(&plan);
        enum gate_outcome outcome = run_stages(worker, &plan, false, result);
        status = finish_live(worker, &plan, outcome, result, report);
        if (status == GA_OK)
            print_result(plan.name.export, result, result_out);
        else if (status == GA_SUSPENDED && worker_go_back(worker))
            status = finish_again(worker, key, result_out, report);
    }
    plan_free(&plan);
    return status;
}

enum ga_status invocation_run(struct worker *worker, const struct rt_export *export,
                              void (*make)(struct worker *worker, void *params), void *params, struct ga_report *report)
{
    char random_key[UUID_STR_LEN];
    const char *key;
    struct plan plan = {0};
    GA_ASSERT(!worker->recording && !export->type->result);
    enum ga_status status = check_key(NULL, random_key, &key, report);
    if (status == GA_OK)
        status = refuse_poisoned(worker, report);
    if (status != GA_OK)
        return status;
    begin_invocation(journal_last_index(&worker->journal), key, strlen(key));
    enum gate_outcome outcome = worker_gated(worker, make, params);
    if (outcome == GATE_RETURNED)
        outcome = run_export(&plan, export, params, false, NULL);
    if (outcome == GATE_ABANDONED)
        status = note_abandoned(worker, report);
    else if (outcome != GATE_RETURNED)
        status = note_failure(worker, outcome, report);
    end_invocation(worker, outcome == GATE_RETURNED);
    ga_arena_free(&plan.arena);
    return status;
}

/* --- replay --- */

static enum ga_status diverged_result(struct worker *worker, const struct oplog_entry *entry, const struct plan *plan,
                                      const void *result, struct ga_report *report)
{
    struct oplog_value values[OPLOG_MAX_FIELDS];
    struct ga_buf recorded = {0}, now = {0};
    struct ga_arena arena = {0};
    const struct rt_export *export = plan->name.export;
    bool decoded = entry->kind == OPLOG_EXPORTED_FUNCTION_COMPLETED && export && export->type->result &&
                   oplog_decode(entry, values);
    if (decoded) {
        struct ga_reader reader = {.at = values[COMPLETED_RESPONSE].data,
                                   .end = values[COMPLETED_RESPONSE].data + values[COMPLETED_RESPONSE].size};
        void *native = ga_arena_alloc(&arena, export->type->result->native_size);
        if (cabi_decode(export->type->result, &reader, &arena, native))
            print_result(export, native, &recorded);
        print_result(export, result, &now);
    }
    enum ga_status status =
        entry_fault(worker, entry->index, report, "recorded: %s %.300s; now: ExportedFunctionCompleted %.300s",
                    oplog_kind_info(entry->kind)->name, ga_buf_cstr(&recorded), ga_buf_cstr(&now));
    ga_buf_free(&recorded);
    ga_buf_free(&now);
    ga_arena_free(&arena);
    return status;
}

/* The guest has returned where the oplog goes on, and its result is lifted, because what that notes stands before the
 * next entry: is it the same? */
static enum ga_status compare_completed(struct worker *worker, struct plan *plan, void *result, struct ga_report *report)
{
    struct oplog_entry entry;
    struct oplog_value values[OPLOG_MAX_FIELDS];
    struct ga_buf response = {0};
    enum ga_status status = replay_take(&worker->replay, &entry, report);
    if (status != GA_OK)
        return status;
    worker->replaying = replay_remains(&worker->replay);
    encode_result(plan, result, &response);
    bool equal = entry.kind == OPLOG_EXPORTED_FUNCTION_COMPLETED && oplog_decode(&entry, values) &&
                 values[COMPLETED_RESPONSE].size == response.size &&
                 (!response.size || memcmp(values[COMPLETED_RESPONSE].data, response.data, response.size) == 0);
    if (!equal)
        status = diverged_result(worker, &entry, plan, result, report);
    ga_buf_free(&response);
    end_invocation(worker, true);
    return status;
}

/* Verify has come to the end of the oplog; what was recorded there, if the worker has failed? */
static enum ga_status compare_end(struct worker *worker, enum gate_outcome outcome, struct ga_report *report)
{
    char now[1100];
    const struct replay_summary *summary = &worker->summary;
    if (outcome == GATE_ABANDONED && worker->abandoned.status != GA_UNSUPPORTED)
        return note_abandoned(worker, report);
    if (outcome == GATE_ABANDONED && summary->failed)
        return GA_OK; /* it asks for one call more, and a recorded call that traps leaves no entry: there it failed */
    bool failed_now = outcome == GATE_TRAPPED, exited_now = outcome == GATE_EXITED;
    describe(outcome, now, sizeof now);
    if (summary->failed && (!failed_now || strcmp(summary->failure, trap_text()) != 0))
        return entry_fault(worker, summary->last_index, report, "recorded: trap: %s; now: %s", summary->failure,
                           failed_now || exited_now ? now : "the guest goes on");
    if (summary->exited && (!exited_now || summary->exit_status != trap_exit_code()))
        return entry_fault(worker, summary->last_index, report, "recorded: exit with status %u; now: %s",
                           summary->exit_status, failed_now || exited_now ? now : "the guest goes on");
    return GA_OK;
}

/* An invocation of which a part, or all, was replayed. */
static enum ga_status finish_replayed(struct worker *worker, struct plan *plan, enum gate_outcome outcome, void *result,
                                      struct ga_report *report)
{
    char now[1100];
    struct oplog_entry entry;
    if (worker->replaying || worker->leaving)
        outcome = lift_result(worker, plan, outcome, result);
    if (worker->replaying && outcome == GATE_RETURNED)
        return compare_completed(worker, plan, result, report);
    if (worker->replaying && outcome != GATE_ABANDONED) {
        enum ga_status status = replay_take(&worker->replay, &entry, report);
        return status == GA_OK ? entry_fault(worker, entry.index, report, "recorded: %s; now: %s",
                                             oplog_kind_info(entry.kind)->name, describe(outcome, now, sizeof now))
                               : status;
    }
    if (worker->leaving) {
        end_invocation(worker, false);
        return compare_end(worker, outcome, report);
    }
    if (outcome != GATE_ABANDONED)
        worker_go_live(worker);
    enum ga_status status = finish_live(worker, plan, outcome, result, report);
    /* The caller asks for it by its key, and is told then. */
    if (status == GA_TRAP || status == GA_EXITED) {
        *report = (struct ga_report){0};
        status = GA_OK;
    }
    return status;
}

static enum ga_status run_and_finish(struct worker *worker, struct plan *plan, bool resting, struct ga_report *report)
{
    void *result = result_room(plan);
    enum gate_outcome outcome = run_stages(worker, plan, resting, result);
    return finish_replayed(worker, plan, outcome, result, report);
}

/* From the checkpoint in the middle of it. */
static enum ga_status resume(struct worker *worker, struct ga_report *report)
{
    struct plan plan = {0};
    enum ga_status status = replan(worker, &plan, report);
    if (status == GA_OK && worker->replay.reading) /* replan has read elsewhere */
        status = replay_start(&worker->replay, worker->store, worker->identity.id, worker->replay.position,
                              &worker->summary, report);
    if (status == GA_OK)
        status = run_and_finish(worker, &plan, true, report);
    plan_free(&plan);
    return status;
}

static enum ga_status replay_invocation(struct worker *worker, struct ga_report *report)
{
    struct oplog_entry entry;
    struct oplog_value values[OPLOG_MAX_FIELDS];
    struct plan plan = {0};
    enum ga_status status = replay_take(&worker->replay, &entry, report);
    if (status != GA_OK)
        return status;
    if (entry.kind != OPLOG_EXPORTED_FUNCTION_INVOKED || !oplog_decode(&entry, values) ||
        values[INVOKED_KEY].size > GA_MAX_IDEMPOTENCY_KEY_BYTES)
        return entry_fault(worker, entry.index, report, "recorded: %s; now: no invocation is under way",
                           oplog_kind_info(entry.kind)->name);
    worker->replaying = replay_remains(&worker->replay);
    begin_invocation(entry.index, (const char *)values[INVOKED_KEY].data, values[INVOKED_KEY].size);
    status = plan_entry(worker, &plan, entry.index, values, report);
    if (status == GA_OK)
        status = run_and_finish(worker, &plan, false, report);
    plan_free(&plan);
    return status;
}

enum ga_status invocation_recover(struct worker *worker, struct ga_report *report)
{
    enum ga_status status = GA_OK;
    if (worker->restored && STATE->invocation.stage != INVOCATION_NONE)
        status = resume(worker, report);
    while (status == GA_OK && worker->replaying) {
        if (worker->digest_wanted)
            worker_compare_digest(worker);
        status = replay_invocation(worker, report);
    }
    if (status == GA_OK && worker->digest_wanted)
        worker_compare_digest(worker);
    if (status == GA_OK && !worker->replaying)
        worker_go_live(worker);
    return status;
}

/* --- printing --- */

/* What a host function records under that name; NULL if it decides itself what (DURABLE_CUSTOM). */
static const struct cabi_func_type *recorded_type(const struct oplog_value *name)
{
    for (uint32_t i = 0; i < golem_component.import_count; i++) {
        const struct host_func *func = golem_component.imports[i]->callee;
        if (func->record_name && func->durability != DURABLE_CUSTOM && strlen(func->record_name) == name->size &&
            memcmp(func->record_name, name->data, name->size) == 0)
            return func->type;
    }
    return NULL;
}

/* What a field of the entry holds. */
struct printed_type {
    bool known;
    const struct cabi_type *type; /* NULL: nothing */
};

static struct printed_type type_of_import(const struct oplog_value *values, uint32_t field)
{
    enum { FUNCTION = 1, REQUEST = 3 };
    const struct cabi_func_type *type = recorded_type(&values[FUNCTION]);
    if (!type)
        return (struct printed_type){0};
    return (struct printed_type){true,
                                 field == REQUEST ? (type->param_count ? type->params_tuple : NULL) : type->result};
}

static struct printed_type type_of_invoked(struct invocation_printer *printer, const struct oplog_value *values)
{
    struct function_name name;
    struct ga_report ignored = {0};
    printer->export = NULL;
    printer->known = function_name_resolve((const char *)values[INVOKED_FUNCTION].data, values[INVOKED_FUNCTION].size,
                                           &name, &ignored) == GA_OK;
    if (!printer->known)
        return (struct printed_type){0};
    printer->export = name.export;
    printer->indexed = name.export && name.constructor;
    return (struct printed_type){true, params_of(&name, &printer->arena)};
}

static struct printed_type type_of_field(struct invocation_printer *printer, const struct oplog_entry *entry,
                                         const struct oplog_value *values, uint32_t field)
{
    if (entry->kind == OPLOG_EXPORTED_FUNCTION_COMPLETED)
        return (struct printed_type){printer->known, printer->export ? printer->export->type->result : NULL};
    if (entry->kind == OPLOG_EXPORTED_FUNCTION_INVOKED)
        return type_of_invoked(printer, values);
    if (entry->kind == OPLOG_IMPORTED_FUNCTION_INVOKED)
        return type_of_import(values, field);
    return (struct printed_type){0};
}

bool invocation_print_value(void *context, const struct oplog_entry *entry, const struct oplog_value *values,
                            uint32_t field, struct ga_buf *out)
{
    struct invocation_printer *printer = context;
    ga_arena_reset(&printer->arena);
    struct printed_type printed = type_of_field(printer, entry, values, field);
    const struct oplog_value *value = &values[field];
    if (!printed.type)
        return printed.known && value->size == 0;
    struct ga_reader reader = {.start = value->data, .at = value->data, .end = value->data + value->size};
    void *native = ga_arena_alloc(&printer->arena, printed.type->native_size);
    if (!cabi_decode(printed.type, &reader, &printer->arena, native) || reader.at != reader.end)
        return false;
    struct cabi_type shown = *printed.type;
    if (entry->kind == OPLOG_EXPORTED_FUNCTION_INVOKED && printer->indexed) {
        shown.members++;
        shown.member_count--;
    }
    cabi_wave_print(&shown, native, &guest_resource_hooks, out);
    return true;
}
