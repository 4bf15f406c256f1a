/* An exported resource with constructor, methods, a static function that takes and gives handles, and destructor; and
 * plain functions over a global. No libc beyond malloc, so there is no adapter: a component of one core module. */
#include "guest.h"

#define API "demo:counter/api@1.0.0"

struct counter {
    struct guest_string name;
    uint64_t value;
};

GUEST_IMPORT("[export]" API, "[resource-new]counter") int32_t counter_new(struct counter *rep);
GUEST_IMPORT("[export]" API, "[resource-rep]counter") struct counter *counter_rep(int32_t handle);
GUEST_IMPORT("[export]" API, "[resource-drop]counter") void counter_drop(int32_t handle);

static uint64_t global_value;
static uint32_t live_count;

GUEST_EXPORT(API "#[constructor]counter") int32_t counter_constructor(char *name, size_t name_len)
{
    struct counter *self = calloc(1, sizeof *self);

    if (self == NULL)
        abort();
    self->name = guest_string(name, name_len);
    live_count++;
    return counter_new(self);
}

GUEST_EXPORT(API "#[dtor]counter") void counter_destructor(struct counter *self)
{
    guest_string_free(self->name);
    free(self);
    live_count--;
}

GUEST_EXPORT(API "#[method]counter.inc-by") void counter_inc_by(struct counter *self, uint64_t value)
{
    self->value += value;
}

GUEST_EXPORT(API "#[method]counter.get-value") uint64_t counter_get_value(struct counter *self)
{
    return self->value;
}

GUEST_EXPORT(API "#[method]counter.get-name") struct guest_string *counter_get_name(struct counter *self)
{
    return &self->name;
}

/* A borrowed handle of a component's own resource arrives as its rep. */
GUEST_EXPORT(API "#[method]counter.same-value") int32_t counter_same_value(struct counter *self, struct counter *other)
{
    return self->value == other->value;
}

GUEST_EXPORT(API "#[static]counter.larger") int32_t counter_larger(int32_t a, int32_t b)
{
    bool first = counter_rep(a)->value >= counter_rep(b)->value;

    counter_drop(first ? b : a);
    return first ? a : b;
}

GUEST_EXPORT(API "#inc-global-by") void inc_global_by(uint64_t value)
{
    global_value += value;
}

GUEST_EXPORT(API "#get-global-value") uint64_t get_global_value(void)
{
    return global_value;
}

GUEST_EXPORT(API "#live-count") uint32_t get_live_count(void)
{
    return live_count;
}
