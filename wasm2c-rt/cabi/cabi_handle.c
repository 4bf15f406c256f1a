#include "cabi_guest.h"

#include "region.h"

/*
 * Handle tables ("Resource State", "Table State"). One for each component instance, in the region, with entries of
 * all resource types.
 *
 * Invariants: entry 0 is never used; handle_count is 0 or one more than the highest index ever used; entry i is
 * free iff handles[i].resource == NULL, and then handles[i].rep is the free entry that was freed before it (0:
 * none), beginning with free_head. Freed indexes come back last in, first out: guests can see that, and the
 * specification says so.
 *
 * A borrow handle belongs to the task it was made for. An instance runs one task at a time (it cannot be entered
 * again), so instance->borrow_count is that task's num_borrows.
 */
enum { FIRST_CAPACITY = 16 };

static void grow_table(struct cabi_instance *instance)
{
    uint32_t capacity = instance->handle_capacity ? 2 * instance->handle_capacity : FIRST_CAPACITY;
    struct cabi_handle *handles = region_alloc(capacity * sizeof *handles);
    if (!handles)
        trap_raise("no memory for %u handles", capacity);
    if (instance->handles) {
        memcpy(handles, instance->handles, instance->handle_count * sizeof *handles);
        region_free(instance->handles, instance->handle_capacity * sizeof *handles);
    }
    instance->handles = handles;
    instance->handle_capacity = capacity;
}

static uint32_t take_index(struct cabi_instance *instance)
{
    uint32_t index = instance->free_head;
    if (index) {
        instance->free_head = instance->handles[index].rep;
        return index;
    }
    index = instance->handle_count ? instance->handle_count : 1;
    if (index > GA_MAX_HANDLES)
        trap_raise("too many handles (limit is %u)", GA_MAX_HANDLES);
    if (index >= instance->handle_capacity)
        grow_table(instance);
    instance->handle_count = index + 1;
    return index;
}

uint32_t cabi_handle_add(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t rep, bool own,
                         uint32_t scope)
{
    GA_ASSERT(resource);
    uint32_t index = take_index(instance);
    instance->handles[index] = (struct cabi_handle){.resource = resource, .rep = rep, .own = own, .scope = scope};
    instance->borrow_count += !own;
    return index;
}

static struct cabi_handle *get_any(struct cabi_instance *instance, uint32_t index)
{
    if (index == 0 || index >= instance->handle_count || !instance->handles[index].resource)
        trap_raise("unknown handle index %u", index);
    return &instance->handles[index];
}

struct cabi_handle *cabi_handle_get(struct cabi_instance *instance, const struct cabi_resource *resource,
                                    uint32_t handle)
{
    struct cabi_handle *entry = get_any(instance, handle);
    if (entry->resource != resource)
        trap_raise("handle index %u used with the wrong type, expected %s but found %s", handle, resource->name,
                   entry->resource->name);
    return entry;
}

static void free_entry(struct cabi_instance *instance, uint32_t index)
{
    struct cabi_handle *entry = &instance->handles[index];
    instance->borrow_count -= !entry->own;
    *entry = (struct cabi_handle){.rep = instance->free_head};
    instance->free_head = index;
}

static void require_not_lent(const struct cabi_handle *entry, uint32_t index)
{
    if (entry->lend_count)
        trap_raise("cannot remove %s resource while borrowed (handle index %u)", entry->own ? "owned" : "lent", index);
}

uint32_t cabi_handle_remove_own(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle)
{
    struct cabi_handle *entry = cabi_handle_get(instance, resource, handle);
    require_not_lent(entry, handle);
    if (!entry->own)
        trap_raise("cannot lift own resource from a borrow (handle index %u)", handle);
    uint32_t rep = entry->rep;
    free_entry(instance, handle);
    return rep;
}

/* --- lifting and lowering --- */

static void grow_lends(struct rt_lends *lends)
{
    uint32_t capacity = lends->capacity ? 2 * lends->capacity : 64;
    uint32_t *more = region_alloc(capacity * sizeof *more);
    if (!more)
        trap_raise("no memory for %u borrowed handles", capacity);
    if (lends->more) {
        memcpy(more, lends->more, lends->capacity * sizeof *more);
        region_free(lends->more, lends->capacity * sizeof *more);
    }
    lends->more = more;
    lends->capacity = capacity;
}

enum { INLINE_LENDS = sizeof((struct rt_lends *)0)->first / sizeof(uint32_t) };

static uint32_t *lend_slot(struct rt_lends *lends, uint32_t i)
{
    return i < INLINE_LENDS ? &lends->first[i] : &lends->more[i - INLINE_LENDS];
}

static uint32_t lift_borrow(struct cabi_instance *instance, struct rt_lends *lends, const struct cabi_resource *resource,
                            uint32_t handle)
{
    struct cabi_handle *entry = cabi_handle_get(instance, resource, handle);
    if (lends->count >= INLINE_LENDS && lends->count - INLINE_LENDS == lends->capacity)
        grow_lends(lends);
    entry->lend_count++;
    *lend_slot(lends, lends->count++) = handle;
    return entry->rep;
}

uint32_t cabi_handle_lift(struct cabi_call *call, const struct cabi_type *type, uint32_t handle)
{
    if (type->kind == CABI_OWN)
        return cabi_handle_remove_own(call->options->instance, type->resource, handle);
    return lift_borrow(call->options->instance, &call->lends, type->resource, handle);
}

/* In the instance that defines it, a borrowed resource is its representation. */
static uint32_t lower_borrow(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t rep,
                             uint32_t task)
{
    if (resource->owner == instance)
        return rep;
    GA_ASSERT(task); /* only parameters of exports borrow */
    return cabi_handle_add(instance, resource, rep, false, task);
}

uint32_t cabi_handle_lower(struct cabi_call *call, const struct cabi_type *type, uint32_t rep)
{
    if (type->kind == CABI_OWN)
        return cabi_handle_add(call->options->instance, type->resource, rep, true, 0);
    return lower_borrow(call->options->instance, type->resource, rep, call->task);
}

void rt_return_lends(struct rt_lends *lends, struct cabi_instance *caller)
{
    for (uint32_t i = 0; i < lends->count; i++)
        caller->handles[*lend_slot(lends, i)].lend_count--;
    if (lends->more)
        region_free(lends->more, lends->capacity * sizeof *lends->more);
    lends->more = NULL;
    lends->count = lends->capacity = 0;
}

void rt_require_no_borrows(const struct cabi_instance *callee)
{
    if (callee->borrow_count)
        trap_raise("borrow handles still remain at the end of the call");
}

void cabi_call_end(struct cabi_call *call)
{
    if (call->lends.count)
        rt_return_lends(&call->lends, call->options->instance);
    if (call->task)
        rt_require_no_borrows(call->options->instance);
}

/* --- between component instances --- */

/* The number of the task that a call from another component instance is: it is the callee's only one. */
enum { TASK = 1 };

uint32_t rt_transfer_own(const struct rt_transfer *transfer, const struct cabi_resource *from,
                         const struct cabi_resource *into, uint32_t handle)
{
    uint32_t rep = cabi_handle_remove_own(transfer->from->instance, from, handle);
    return cabi_handle_add(transfer->into->instance, into, rep, true, 0);
}

uint32_t rt_transfer_borrow(const struct rt_transfer *transfer, const struct cabi_resource *from,
                            const struct cabi_resource *into, uint32_t handle)
{
    uint32_t rep = lift_borrow(transfer->from->instance, transfer->lends, from, handle);
    return lower_borrow(transfer->into->instance, into, rep, TASK);
}

/* --- canon resource.new, resource.rep, resource.drop --- */

uint32_t rt_resource_new(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t rep)
{
    require_leave(instance);
    return cabi_handle_add(instance, resource, rep, true, 0);
}

uint32_t rt_resource_rep(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle)
{
    return cabi_handle_get(instance, resource, handle)->rep;
}

static void no_host_drop(const struct cabi_resource *resource, uint32_t rep)
{
    (void)resource, (void)rep;
}

void (*cabi_host_drop)(const struct cabi_resource *resource, uint32_t rep) = no_host_drop;

static uint64_t run_host_drop(const struct rt_lower *lower, uint64_t *flat)
{
    (void)lower;
    cabi_host_drop((const struct cabi_resource *)(uintptr_t)flat[0], (uint32_t)flat[1]);
    return 0;
}

/* A call of the destructor is a call between component instances, with the rep as the only argument. */
static void destroy_guest_resource(const struct cabi_resource *resource, uint32_t rep,
                                   const struct cabi_instance *caller)
{
    cabi_instance_enter(resource->owner, caller);
    WASM_RT_UNWIND_TARGET *outside = exceptions_stop();
    if (resource->dtor)
        resource->dtor(rep);
    exceptions_resume(outside);
    cabi_instance_leave(resource->owner, caller);
}

void rt_resource_drop(struct cabi_instance *instance, const struct cabi_resource *resource, uint32_t handle)
{
    require_leave(instance);
    struct cabi_handle *entry = cabi_handle_get(instance, resource, handle);
    require_not_lent(entry, handle);
    bool own = entry->own;
    uint32_t rep = entry->rep;
    free_entry(instance, handle);
    if (!own)
        return;
    if (resource->owner) {
        destroy_guest_resource(resource, rep, instance);
    } else {
        uint64_t flat[2] = {(uintptr_t)resource, rep};
        gate_call(run_host_drop, NULL, flat);
    }
}

static void run_destroy(uint64_t *flat)
{
    destroy_guest_resource((const struct cabi_resource *)(uintptr_t)flat[0], (uint32_t)flat[1], NULL);
}

enum gate_outcome cabi_resource_destroy(const struct cabi_resource *resource, uint32_t rep, uint64_t *flat)
{
    GA_ASSERT(resource->owner);
    flat[0] = (uintptr_t)resource;
    flat[1] = rep;
    return gate_enter(run_destroy, flat);
}
