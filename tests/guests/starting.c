/* Calls the host while it is instantiated: what it was told must be the same after every restart. */
#include "guest.h"

struct list {
    void *ptr;
    size_t len;
};

struct variable {
    struct guest_string name;
    struct guest_string value;
};

struct option_string {
    uint8_t some;
    struct guest_string value;
};

GUEST_IMPORT("wasi:random/random@0.2.0", "get-random-u64") uint64_t random_get_u64(void);
GUEST_IMPORT("wasi:cli/environment@0.2.0", "get-environment") void environment_get_environment(struct list *out);
GUEST_IMPORT("wasi:cli/environment@0.2.0", "get-arguments") void environment_get_arguments(struct list *out);

static uint64_t started_with;
static struct option_string started_in;

static bool started_in_is(const char *word)
{
    return started_in.some && guest_string_eq(started_in.value, guest_string((char *)word, strlen(word)));
}

__attribute__((constructor)) static void start(void)
{
    struct list variables;

    started_with = random_get_u64();
    environment_get_environment(&variables);
    for (size_t i = 0; i < variables.len; i++) {
        struct variable *variable = (struct variable *)variables.ptr + i;
        if (guest_string_eq(variable->name, guest_string("STARTING", 8)))
            started_in = (struct option_string){1, variable->value};
    }
    if (started_in_is("trap"))
        __builtin_trap();
    if (started_in_is("exit"))
        exit(4);
}

GUEST_EXPORT("started-with") uint64_t get_started_with(void)
{
    return started_with;
}

GUEST_EXPORT("started-in") struct option_string *get_started_in(void)
{
    return &started_in;
}

GUEST_EXPORT("variables") struct list *variables(void)
{
    static struct list out;

    environment_get_environment(&out);
    return &out;
}

GUEST_EXPORT("arguments") struct list *arguments(void)
{
    static struct list out;

    environment_get_arguments(&out);
    return &out;
}
