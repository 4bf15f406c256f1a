/* Long invocations: a loop of recorded calls over tens of MiB of memory that change all the time, so that whatever is
 * lost, repeated or restored wrongly after a crash shows in the number returned. */
#include "guest.h"

#define API "demo:workflow/api@1.0.0"
#define HOST "golem:api/host@1.1.5"

struct uuid {
    uint64_t high_bits;
    uint64_t low_bits;
};

struct worker_id {
    struct uuid component_id;
    struct guest_string worker_name;
};

struct promise_id {
    struct worker_id worker_id;
    uint64_t oplog_idx;
};

struct worker_metadata {
    struct worker_id worker_id;
    struct guest_bytes args;
    struct guest_bytes env;
    uint8_t status;
    uint64_t component_version;
    uint64_t retry_count;
};

struct option_bytes {
    uint8_t some;
    struct guest_bytes value;
};

struct datetime {
    uint64_t seconds;
    uint32_t nanoseconds;
};

GUEST_IMPORT(HOST, "create-promise") void host_create_promise(struct promise_id *out);
GUEST_IMPORT(HOST, "await-promise")
void host_await_promise(uint64_t component_high, uint64_t component_low, char *name, size_t name_len,
                        uint64_t oplog_idx, struct guest_bytes *out);
GUEST_IMPORT(HOST, "poll-promise")
void host_poll_promise(uint64_t component_high, uint64_t component_low, char *name, size_t name_len, uint64_t oplog_idx,
                       struct option_bytes *out);
GUEST_IMPORT(HOST, "complete-promise")
uint32_t host_complete_promise(uint64_t component_high, uint64_t component_low, char *name, size_t name_len,
                               uint64_t oplog_idx, uint8_t *data, size_t data_len);
GUEST_IMPORT(HOST, "get-oplog-index") uint64_t host_get_oplog_index(void);
GUEST_IMPORT(HOST, "set-oplog-index") void host_set_oplog_index(uint64_t index);
GUEST_IMPORT(HOST, "mark-begin-operation") uint64_t host_mark_begin_operation(void);
GUEST_IMPORT(HOST, "mark-end-operation") void host_mark_end_operation(uint64_t begin);
GUEST_IMPORT(HOST, "generate-idempotency-key") void host_generate_idempotency_key(struct uuid *out);
GUEST_IMPORT(HOST, "get-self-metadata") void host_get_self_metadata(struct worker_metadata *out);
GUEST_IMPORT("wasi:random/random@0.2.0", "get-random-u64") uint64_t random_get_u64(void);
GUEST_IMPORT("wasi:random/random@0.2.0", "get-random-bytes")
void random_get_bytes(uint64_t len, struct guest_bytes *out);
GUEST_IMPORT("wasi:clocks/wall-clock@0.2.0", "now") void wall_clock_now(struct datetime *out);
GUEST_IMPORT("wasi:clocks/monotonic-clock@0.2.0", "now") uint64_t monotonic_clock_now(void);
GUEST_IMPORT("wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration")
int32_t monotonic_clock_subscribe_duration(uint64_t duration);
GUEST_IMPORT("wasi:io/poll@0.2.0", "[method]pollable.block") void pollable_block(int32_t self);
GUEST_IMPORT("wasi:io/poll@0.2.0", "[resource-drop]pollable") void pollable_drop(int32_t self);

/* The memory that runs work on; it only grows, and keeps its contents from one invocation to the next. */
static uint64_t *words;
static size_t word_count;
static uint64_t total;

static uint64_t mix(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * 0x9e3779b97f4a7c15u;
    return digest ^ (digest >> 29);
}

static void memory_grow(uint32_t mib)
{
    size_t wanted = (size_t)mib * (1024 * 1024 / sizeof words[0]);

    if (wanted <= word_count)
        return;
    words = realloc(words, wanted * sizeof words[0]);
    if (words == NULL)
        abort();
    for (size_t i = word_count; i < wanted; i++)
        words[i] = i * 0x2545f4914f6cdd1du;
    word_count = wanted;
}

/* Some 64 places all over the memory are read, mixed and written. */
static uint64_t memory_stir(uint64_t value)
{
    uint64_t state = value | 1;

    for (int i = 0; i < 64 && word_count > 0; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint64_t *word = &words[state % word_count];
        *word = mix(*word, state);
        value = mix(value, *word);
    }
    return value;
}

/* One recorded call, another kind each time. */
static uint64_t step(uint32_t number)
{
    switch (number % 8) {
    case 0: {
        struct datetime now;
        wall_clock_now(&now);
        return now.seconds * 1000000000 + now.nanoseconds;
    }
    case 2:
    case 6: return monotonic_clock_now();
    case 5: {
        struct guest_bytes bytes;
        uint64_t value = 0;
        random_get_bytes(1 + number % 64, &bytes);
        for (size_t i = 0; i < bytes.len; i++)
            value = mix(value, bytes.ptr[i]);
        free(bytes.ptr);
        return value;
    }
    case 7: {
        struct uuid key;
        if (number % 64 != 7)
            return random_get_u64();
        host_generate_idempotency_key(&key);
        return mix(key.high_bits, key.low_bits);
    }
    default: return random_get_u64();
    }
}

static uint64_t burn(uint64_t value, uint32_t thousands)
{
    for (uint64_t i = 0; i < (uint64_t)thousands * 1000; i++) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    return value;
}

static uint64_t run_steps(uint64_t digest, uint32_t steps, uint32_t spin, bool verbose)
{
    for (uint32_t i = 0; i < steps; i++) {
        uint64_t value = step(i);
        digest = mix(digest, memory_stir(value));
        if (spin > 0)
            digest = mix(digest, burn(value | 1, spin));
        if (verbose) {
            printf("step %u: %016llx\n", (unsigned)i, (unsigned long long)value);
            fflush(stdout);
        }
    }
    return digest;
}

static uint64_t run_all(uint32_t steps, uint32_t mib, uint32_t spin, bool verbose)
{
    memory_grow(mib);
    total = run_steps(total, steps, spin, verbose);
    return total;
}

GUEST_EXPORT(API "#run") uint64_t run(uint32_t steps, uint32_t mib)
{
    return run_all(steps, mib, 0, false);
}

GUEST_EXPORT(API "#run-slow") uint64_t run_slow(uint32_t steps, uint32_t mib, uint32_t spin)
{
    return run_all(steps, mib, spin, false);
}

GUEST_EXPORT(API "#run-verbose") uint64_t run_verbose(uint32_t steps)
{
    return run_all(steps, 0, 0, true);
}

GUEST_EXPORT(API "#total") uint64_t get_total(void)
{
    return total;
}

GUEST_EXPORT(API "#memory-digest") uint64_t memory_digest(void)
{
    uint64_t digest = word_count;

    for (size_t i = 0; i < word_count; i++)
        digest = mix(digest, words[i]);
    return digest;
}

GUEST_EXPORT(API "#sleep") void sleep_milliseconds(uint32_t milliseconds)
{
    int32_t pollable = monotonic_clock_subscribe_duration((uint64_t)milliseconds * 1000000);

    pollable_block(pollable);
    pollable_drop(pollable);
}

/* What is not forgotten would be seen in the total. */
GUEST_EXPORT(API "#throw") uint64_t throw(uint32_t sides)
{
    uint64_t here = host_get_oplog_index();
    uint64_t shown = random_get_u64() % (sides > 0 ? sides : 1);

    total = mix(total, shown);
    if (shown != 0)
        host_set_oplog_index(here);
    return shown;
}

GUEST_EXPORT(API "#run-atomically") uint64_t run_atomically(uint32_t steps)
{
    uint64_t begin = host_mark_begin_operation(), result = run_all(steps, 1, 1, false);

    host_mark_end_operation(begin);
    return result;
}

GUEST_EXPORT(API "#oplog-index") uint64_t oplog_index(void)
{
    return host_get_oplog_index();
}

GUEST_EXPORT(API "#new-key") struct uuid *new_key(void)
{
    static struct uuid key;

    host_generate_idempotency_key(&key);
    return &key;
}

static void self_metadata_free(struct worker_metadata *self)
{
    struct guest_string *args = (struct guest_string *)self->args.ptr;
    struct guest_string(*env)[2] = (struct guest_string(*)[2])self->env.ptr;

    for (size_t i = 0; i < self->args.len; i++)
        guest_string_free(args[i]);
    for (size_t i = 0; i < self->env.len; i++) {
        guest_string_free(env[i][0]);
        guest_string_free(env[i][1]);
    }
    if (self->args.len > 0)
        free(args);
    if (self->env.len > 0)
        free(env);
}

/* The worker that this is: what every promise-id begins with. The name is the caller's to free. */
static struct worker_id self_id(void)
{
    struct worker_metadata self;

    host_get_self_metadata(&self);
    self_metadata_free(&self);
    return self.worker_id;
}

GUEST_EXPORT(API "#self-name") struct guest_string *self_name(void)
{
    static struct guest_string name;

    name = self_id().worker_name;
    return &name;
}

GUEST_POST(API "#self-name") void self_name_post(struct guest_string *name)
{
    guest_string_free(*name);
}

GUEST_EXPORT(API "#make-promise") uint64_t make_promise(void)
{
    struct promise_id id;

    host_create_promise(&id);
    guest_string_free(id.worker_id.worker_name);
    return id.oplog_idx;
}

static void bytes_free(struct guest_bytes bytes)
{
    if (bytes.len > 0)
        free(bytes.ptr);
}

GUEST_EXPORT(API "#wait-promise") struct guest_bytes *wait_promise(uint64_t index)
{
    static struct guest_bytes data;
    struct worker_id self = self_id();

    host_await_promise(self.component_id.high_bits, self.component_id.low_bits, self.worker_name.ptr,
                       self.worker_name.len, index, &data);
    guest_string_free(self.worker_name);
    return &data;
}

GUEST_POST(API "#wait-promise") void wait_promise_post(struct guest_bytes *data)
{
    bytes_free(*data);
}

GUEST_EXPORT(API "#poll-promise") struct option_bytes *poll_promise(uint64_t index)
{
    static struct option_bytes data;
    struct worker_id self = self_id();

    host_poll_promise(self.component_id.high_bits, self.component_id.low_bits, self.worker_name.ptr,
                      self.worker_name.len, index, &data);
    guest_string_free(self.worker_name);
    return &data;
}

GUEST_POST(API "#poll-promise") void poll_promise_post(struct option_bytes *data)
{
    if (data->some)
        bytes_free(data->value);
}

GUEST_EXPORT(API "#fulfil-promise") uint32_t fulfil_promise(uint64_t index, uint8_t *data, size_t data_len)
{
    struct worker_id self = self_id();
    uint32_t done = host_complete_promise(self.component_id.high_bits, self.component_id.low_bits, self.worker_name.ptr,
                                          self.worker_name.len, index, data, data_len);

    guest_string_free(self.worker_name);
    bytes_free((struct guest_bytes){data, data_len});
    return done;
}

GUEST_EXPORT(API "#fulfil-promise-of")
uint32_t fulfil_promise_of(char *worker, size_t worker_len, uint64_t index, uint8_t *data, size_t data_len)
{
    struct worker_id self = self_id();
    uint32_t done = host_complete_promise(self.component_id.high_bits, self.component_id.low_bits, worker, worker_len,
                                          index, data, data_len);

    guest_string_free(self.worker_name);
    guest_string_free(guest_string(worker, worker_len));
    bytes_free((struct guest_bytes){data, data_len});
    return done;
}

GUEST_EXPORT(API "#run-with-promise") uint64_t run_with_promise(uint32_t steps)
{
    uint64_t sum = 0;
    uint64_t index = make_promise();

    printf("promise %llu\n", (unsigned long long)index);
    fflush(stdout);
    total = run_steps(total, steps, 0, false);
    struct guest_bytes *data = wait_promise(index);
    for (size_t i = 0; i < data->len; i++)
        sum += data->ptr[i];
    bytes_free(*data);
    total = run_steps(mix(total, sum), steps, 0, false);
    return total;
}
