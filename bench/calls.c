/* What calls cost: across the component's border in both directions, and memory for checkpoints to hold. */
#include "guest.h"

#define API "bench:calls/api@1.0.0"

GUEST_IMPORT("wasi:random/random@0.2.0", "get-random-bytes") void random_get_bytes(uint64_t len, struct guest_bytes *out);
GUEST_IMPORT("wasi:clocks/monotonic-clock@0.2.0", "now") uint64_t monotonic_clock_now(void);
GUEST_IMPORT("wasi:clocks/monotonic-clock@0.2.0", "subscribe-instant") int32_t subscribe_instant(uint64_t when);
GUEST_IMPORT("wasi:io/poll@0.2.0", "[method]pollable.ready") int32_t pollable_ready(int32_t self);

struct pair {
    struct guest_string key;
    uint64_t value;
};

struct pairs {
    struct pair *ptr;
    size_t len;
};

GUEST_EXPORT(API "#nothing") void nothing(void) {}

GUEST_EXPORT(API "#add") uint32_t add(uint32_t a, uint32_t b)
{
    return a + b;
}

GUEST_EXPORT(API "#echo-string") struct guest_string *echo_string(char *ptr, size_t len)
{
    static struct guest_string result;

    result = guest_string(ptr, len);
    return &result;
}

GUEST_POST(API "#echo-string") void echo_string_free(struct guest_string *result)
{
    guest_string_free(*result);
}

GUEST_EXPORT(API "#echo-records") struct pairs *echo_records(struct pair *ptr, size_t len)
{
    static struct pairs result;

    result = (struct pairs){ptr, len};
    return &result;
}

GUEST_POST(API "#echo-records") void echo_records_free(struct pairs *result)
{
    for (size_t i = 0; i < result->len; i++)
        guest_string_free(result->ptr[i].key);
    if (result->len > 0)
        free(result->ptr);
}

static volatile uint64_t sink;

GUEST_EXPORT(API "#loop-empty") uint64_t loop_empty(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sink += i;
    return sink;
}

GUEST_EXPORT(API "#loop-unrecorded") uint64_t loop_unrecorded(uint32_t n)
{
    static int32_t pollable;

    if (pollable == 0)
        pollable = subscribe_instant(0);
    for (uint32_t i = 0; i < n; i++)
        sink += (uint32_t)pollable_ready(pollable);
    return sink;
}

GUEST_EXPORT(API "#loop-recorded") uint64_t loop_recorded(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sink += monotonic_clock_now();
    return sink;
}

GUEST_EXPORT(API "#loop-recorded-list") uint64_t loop_recorded_list(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct guest_bytes bytes;
        random_get_bytes(16, &bytes);
        sink += bytes.ptr[0];
        free(bytes.ptr);
    }
    return sink;
}

static uint64_t *words;
static size_t word_count;

GUEST_EXPORT(API "#fill") uint64_t fill(uint32_t mib)
{
    word_count = (size_t)mib * (1024 * 1024 / sizeof *words);
    words = realloc(words, word_count * sizeof *words);
    if (words == NULL)
        abort();
    for (size_t i = 0; i < word_count; i += 4096 / sizeof *words)
        words[i] = i + 1;
    return word_count;
}

GUEST_EXPORT(API "#peek") uint64_t peek(void)
{
    return words[0] + word_count;
}
