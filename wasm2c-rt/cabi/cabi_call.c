#include "cabi_guest.h"

#include "region.h"

/* --- entering and leaving component instances ("Component Instances") --- */

static bool is_inside(const struct cabi_instance *instance, const struct cabi_instance *ancestor)
{
    while (instance && instance != ancestor)
        instance = instance->parent;
    return instance != NULL;
}

/* The entering set: callee and its ancestors up to the first that caller is inside of too. */
static bool in_entering_set(const struct cabi_instance *instance, const struct cabi_instance *caller)
{
    return instance && !(caller && is_inside(caller, instance));
}

void cabi_instance_enter(struct cabi_instance *callee, const struct cabi_instance *caller)
{
    for (struct cabi_instance *i = callee; in_entering_set(i, caller); i = i->parent)
        if (i->entered)
            trap_raise("cannot enter component instance");
    for (struct cabi_instance *i = callee; in_entering_set(i, caller); i = i->parent)
        i->entered = true;
}

void cabi_instance_leave(struct cabi_instance *callee, const struct cabi_instance *caller)
{
    for (struct cabi_instance *i = callee; in_entering_set(i, caller); i = i->parent)
        i->entered = false;
}

/* --- calls of exports from the host --- */

void cabi_post_return(struct cabi_call *call, void (*post_return)(uint64_t *flat), uint64_t *flat)
{
    if (!post_return)
        return;
    struct cabi_instance *instance = call->options->instance;
    instance->may_leave = false;
    if (call->on_guest_stack) {
        WASM_RT_UNWIND_TARGET *outside = exceptions_stop();
        post_return(flat);
        exceptions_resume(outside);
    } else {
        enum gate_outcome outcome = gate_enter(post_return, flat);
        GA_ASSERT(outcome == GATE_RETURNED);
    }
    instance->may_leave = true;
}

/* What the steps below hand to the guest stack; it lies on the host's. */
struct export_step {
    struct cabi_call *call;
    const struct rt_export *export;
    const void *params;
    void *result;
};

/* The step's address travels in the last slot of flat, where no argument comes. */
enum { STEP_FLAT = 31 };

static enum gate_outcome run_step(void (*run)(uint64_t *flat), struct export_step *step, uint64_t *flat)
{
    flat[STEP_FLAT] = (uintptr_t)step;
    step->call->on_guest_stack = true;
    enum gate_outcome outcome = gate_enter(run, flat);
    step->call->on_guest_stack = false;
    return outcome;
}

/* No address of the host's stays in the region, so that equal histories have equal states. */
static struct export_step *take_step(uint64_t *flat)
{
    struct export_step *step = (struct export_step *)(uintptr_t)flat[STEP_FLAT];
    flat[STEP_FLAT] = 0;
    return step;
}

static void run_begin(uint64_t *flat)
{
    struct export_step *step = take_step(flat);
    cabi_instance_enter(step->call->options->instance, NULL);
    cabi_lower_params(step->call, step->export->type, step->params, flat);
}

static void run_end(uint64_t *flat)
{
    struct export_step *step = take_step(flat);
    struct cabi_call *call = step->call;
    cabi_lift_result(call, step->export->type, flat, step->result);
    cabi_call_end(call);
    cabi_post_return(call, step->export->post_return, flat);
    cabi_instance_leave(call->options->instance, NULL);
}

enum gate_outcome cabi_export_begin(struct cabi_call *call, const struct rt_export *export, const void *params,
                                    uint64_t *flat)
{
    GA_ASSERT(call->task);
    return run_step(run_begin, &(struct export_step){.call = call, .export = export, .params = params}, flat);
}

enum gate_outcome cabi_export_end(struct cabi_call *call, const struct rt_export *export, uint64_t *flat,
                                  void *result_out)
{
    GA_ASSERT(call->task);
    call->views = false; /* post-return would free what they show */
    return run_step(run_end, &(struct export_step){.call = call, .export = export, .result = result_out}, flat);
}

/* --- calls between component instances --- */

/*
 * Native values exist only while an adapter copies: from lifting to lowering no code runs but realloc, which cannot
 * leave its instance. So one arena serves all adapters, and what lives across the callee's run is on the guest
 * stack and flat. A trap leaves the arena as it is; the next use begins with a reset.
 */
static struct ga_arena adapter_arena;

enum { KEEP_BYTES = 1 << 20 };

static void clear_adapter_arena(void)
{
    if (adapter_arena.total_bytes > KEEP_BYTES)
        ga_arena_free(&adapter_arena);
    else
        ga_arena_reset(&adapter_arena);
}

/* Calls between an instance and one that contains it trap, as in other implementations: the specification allows
 * some of them, but its tests do not. */
static void require_unrelated(const struct cabi_instance *caller, const struct cabi_instance *callee)
{
    if (is_inside(caller, callee) || is_inside(callee, caller))
        trap_raise("cannot enter component instance");
}

static void transfer_params(const struct rt_adapter *adapter, struct cabi_call *caller, struct cabi_call *callee,
                            const uint64_t *flat, uint64_t *callee_flat)
{
    const struct cabi_type *tuple = adapter->caller_type->params_tuple;
    clear_adapter_arena();
    void *native = adapter->caller_type->param_count ? ga_arena_alloc_raw(&adapter_arena, tuple->native_size) : NULL;
    cabi_lift_params(caller, adapter->caller_type, flat, native);
    cabi_lower_params(callee, adapter->callee_type, native, callee_flat);
    clear_adapter_arena();
}

static uint64_t transfer_result(const struct rt_adapter *adapter, struct cabi_call *caller, struct cabi_call *callee,
                                const uint64_t *flat, const uint64_t *callee_flat)
{
    const struct cabi_type *type = adapter->caller_type->result;
    clear_adapter_arena();
    void *native = type ? ga_arena_alloc_raw(&adapter_arena, type->native_size) : NULL;
    cabi_lift_result(callee, adapter->callee_type, callee_flat, native);
    cabi_call_end(callee);
    uint64_t result = cabi_lower_result(caller, adapter->caller_type, native, flat);
    clear_adapter_arena();
    return result;
}

static void adapter_call_init(struct cabi_call *call, struct rt_options *own, const struct rt_options *other,
                              uint32_t task)
{
    call->options = own;
    call->scratch = &adapter_arena;
    call->task = task;
    call->on_guest_stack = call->views = call->raw_strings = true;
    call->source_encoding = other->encoding;
    call->lends.count = call->lends.capacity = 0;
    call->lends.more = NULL;
}

uint64_t rt_call_component(const struct rt_adapter *adapter, uint64_t *flat)
{
    struct cabi_instance *from = adapter->caller->instance, *into = adapter->callee->instance;
    struct cabi_call caller, callee;
    uint64_t callee_flat[GA_MAX_FLAT_PARAMS + 1];

    rt_require_stack();
    require_leave(from);
    require_unrelated(from, into);
    cabi_instance_enter(into, from);
    adapter_call_init(&caller, adapter->caller, adapter->callee, 0);
    adapter_call_init(&callee, adapter->callee, adapter->caller, 1);
    transfer_params(adapter, &caller, &callee, flat, callee_flat);

    WASM_RT_UNWIND_TARGET *outside = exceptions_stop();
    adapter->call(callee_flat);
    exceptions_resume(outside);

    uint64_t result = transfer_result(adapter, &caller, &callee, flat, callee_flat);
    cabi_post_return(&callee, adapter->post_return, callee_flat);
    cabi_instance_leave(into, from);
    cabi_call_end(&caller);
    return result;
}

void rt_missing_import(const char *interface, const char *name)
{
    trap_raise("%s%s%s was imported, but nothing serves it", interface, interface[0] ? " " : "", name);
}
