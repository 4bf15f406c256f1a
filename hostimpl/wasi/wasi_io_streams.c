#include "durable.h"
#include "io_clock.h"
#include "wasi_io.h"

/*
 * wasi:io/streams over the operations of each kind of stream. An error is reported once, then the stream is closed.
 *
 * Each call takes a step: a function that asks the operations, and gives an outcome in the shape that is recorded. A stream
 * without recording takes it at any time, one with recording only live. What the outcome does to the stream's
 * record and says to the guest is the same for both.
 */

static void drop_input(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct wasi_input_stream *stream = record;
    (void)rep;
    (void)live;
    if (stream->ops->drop != NULL)
        stream->ops->drop(worker, stream);
}

static void drop_output(struct worker *worker, uint32_t rep, void *record, void *live)
{
    struct wasi_output_stream *stream = record;
    (void)rep;
    (void)live;
    if (stream->ops->drop != NULL)
        stream->ops->drop(worker, stream);
}

const struct host_resource_type wasi_io_streams_input_stream_type = {
    .name = "wasi:io/streams.input-stream",
    .record_size = sizeof(struct wasi_input_stream),
    .drop = drop_input,
};

const struct host_resource_type wasi_io_streams_output_stream_type = {
    .name = "wasi:io/streams.output-stream",
    .record_size = sizeof(struct wasi_output_stream),
    .drop = drop_output,
};

uint32_t wasi_input_stream_new(struct worker *worker, const struct wasi_input_ops *ops, uint32_t source, uint64_t offset)
{
    uint32_t rep;
    struct wasi_input_stream *stream = host_resource_new(worker, &wasi_io_streams_input_stream_type, &rep);
    *stream = (struct wasi_input_stream){.ops = ops, .source = source, .offset = offset};
    return rep;
}

uint32_t wasi_output_stream_new(struct worker *worker, const struct wasi_output_ops *ops, uint32_t sink, uint64_t offset)
{
    uint32_t rep;
    struct wasi_output_stream *stream = host_resource_new(worker, &wasi_io_streams_output_stream_type, &rep);
    *stream = (struct wasi_output_stream){.ops = ops, .sink = sink, .offset = offset};
    return rep;
}

static struct wasi_input_stream *get_input(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_io_streams_input_stream_type, rep);
}

static struct wasi_output_stream *get_output(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_io_streams_output_stream_type, rep);
}

/* --- outcomes and steps --- */

typedef struct golem_aot_recorded_values_stream_outcome stream_outcome;
enum {
    DONE = GOLEM_AOT_RECORDED_VALUES_STREAM_OUTCOME_DONE,
    BYTES = GOLEM_AOT_RECORDED_VALUES_STREAM_OUTCOME_BYTES,
    COUNT = GOLEM_AOT_RECORDED_VALUES_STREAM_OUTCOME_COUNT,
    CLOSED = GOLEM_AOT_RECORDED_VALUES_STREAM_OUTCOME_CLOSED,
    FAILED = GOLEM_AOT_RECORDED_VALUES_STREAM_OUTCOME_FAILED
};

static bool has_ended(const stream_outcome *outcome)
{
    return outcome->tag == CLOSED || outcome->tag == FAILED;
}

static stream_outcome outcome_of(enum wasi_stream_state state, int error)
{
    if (state == WASI_STREAM_FAILED)
        return (stream_outcome){FAILED, {.failed = error}};
    return (stream_outcome){.tag = state == WASI_STREAM_CLOSED ? CLOSED : DONE};
}

/* Returns the tag of the guest's result: 1 for an error. */
static uint32_t put_error(struct worker *worker, const stream_outcome *outcome, const struct wasi_error_kind *kind,
                          struct wasi_io_streams_stream_error *out)
{
    if (!has_ended(outcome))
        return 0;
    out->tag = WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
    if (outcome->tag == FAILED) {
        out->tag = WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED;
        out->value.last_operation_failed =
            wasi_error_new(worker, kind != NULL ? kind : &wasi_error_errno, outcome->value.failed);
    }
    return 1;
}

struct step {
    struct worker *worker;
    uint32_t self; /* the stream's rep */
    bool block;
    uint64_t size;
    const void *data; /* to write; NULL: zeroes */
};

/* What is the same for all calls of one function. */
struct call {
    enum wasi_stream_call name;
    const struct host_func *function; /* for the type of the request */
    bool block;
    void (*take)(void *step, void *outcome);
};

/* Outside of batches. A write is one in the oplog, so that what others saw is never forgotten (replay_open.h); its result may wait:
 * if that is lost, so is the stream, and nothing is written again. */
static enum durability durability_of(enum wasi_stream_call name)
{
    bool writes = name == WASI_STREAM_WRITE || name == WASI_STREAM_BLOCKING_WRITE_AND_FLUSH ||
                  name == WASI_STREAM_WRITE_ZEROES || name == WASI_STREAM_BLOCKING_WRITE_ZEROES_AND_FLUSH;
    return writes ? DURABLE_WRITE_LOCAL : DURABLE_READ_REMOTE;
}

/* request: what the guest passed. */
static void take_step(struct step *step, const struct call *call, const void *request,
                      const struct wasi_stream_recording *recording, uint32_t subject, stream_outcome *out)
{
    struct worker *worker = step->worker;
    const struct cabi_type *request_type = call->function->type->params_tuple,
                           *result_type = host_type_golem_aot_recorded_values_stream_outcome;
    if (recording == NULL)
        call->take(step, out);
    else if (recording->batch == NULL)
        durable_value(worker, recording->names[call->name], durability_of(call->name), request_type, request,
                      result_type, out, call->take, step);
    else
        durable_batch_value(worker, recording->batch(worker, subject), recording->names[call->name], request_type,
                            request, result_type, out, call->take, step);
}

static void note_outcome(struct worker *worker, const struct wasi_stream_recording *recording, uint32_t subject,
                         const stream_outcome *outcome, bool *closed_out)
{
    *closed_out = has_ended(outcome);
    if (*closed_out && recording != NULL && recording->ended != NULL)
        recording->ended(worker, subject, outcome->tag == FAILED ? WASI_STREAM_FAILED : WASI_STREAM_CLOSED);
}

/* Requests, as the interface's functions have them. */
struct length_request {
    uint32_t self;
    uint64_t len;
};

struct contents_request {
    uint32_t self;
    struct cabi_list contents;
};

static void wait_for(struct worker *worker, uint32_t self, const struct wasi_pollable_ops *ops)
{
    wasi_pollable_wait(worker, &(struct wasi_pollable){ops, self, IO_CLOCK_NEVER});
}

/* --- input --- */

/* Up to step->size bytes, which is not 0. */
static void take_bytes(void *context, void *result)
{
    const struct step *step = context;
    struct wasi_input_stream *stream = get_input(step->worker, step->self);
    size_t wanted = step->size < WASI_STREAM_BYTES ? (size_t)step->size : WASI_STREAM_BYTES, count = 0;
    void *buffer = ga_arena_alloc_raw(worker_scratch(step->worker), wanted);
    enum wasi_stream_state state;
    int error = 0;
    do {
        if (step->block && stream->ops->wait != NULL)
            stream->ops->wait(step->worker, stream);
        else if (step->block)
            wait_for(step->worker, step->self, stream->ops->pollable);
        state = stream->ops->read(step->worker, stream, buffer, wanted, &count, &error);
    } while (step->block && state == WASI_STREAM_OK && count == 0);
    *(stream_outcome *)result = state == WASI_STREAM_OK ? (stream_outcome){BYTES, {.bytes = {buffer, count}}}
                                                 : outcome_of(state, error);
}

static void take_skip(void *context, void *result)
{
    stream_outcome *out = result;
    take_bytes(context, out);
    if (out->tag == BYTES)
        *out = (stream_outcome){COUNT, {.count = out->value.bytes.count}};
}

static const struct call call_read = {WASI_STREAM_READ, &host_wasi_io_streams_input_stream_read, false, take_bytes};
static const struct call call_blocking_read = {WASI_STREAM_BLOCKING_READ,
                                               &host_wasi_io_streams_input_stream_blocking_read, true, take_bytes};
static const struct call call_skip = {WASI_STREAM_SKIP, &host_wasi_io_streams_input_stream_skip, false, take_skip};
static const struct call call_blocking_skip = {WASI_STREAM_BLOCKING_SKIP,
                                               &host_wasi_io_streams_input_stream_blocking_skip, true, take_skip};

static void run_input(struct worker *worker, const struct call *call, uint32_t self, uint64_t size, stream_outcome *out)
{
    struct wasi_input_stream *stream = get_input(worker, self);
    struct length_request request = {self, size};
    struct step step = {.worker = worker, .self = self, .block = call->block, .size = size};
    *out = (stream_outcome){.tag = stream->closed ? CLOSED : DONE};
    if (stream->closed || size == 0)
        return;
    take_step(&step, call, &request, stream->ops->recording, stream->source, out);
    note_outcome(worker, stream->ops->recording, stream->source, out, &stream->closed);
}

static void read_into(struct worker *worker, const struct call *call, uint32_t self, uint64_t len,
                      struct result_list_wasi_io_streams_stream_error *result_out)
{
    stream_outcome outcome;
    run_input(worker, call, self, len, &outcome);
    result_out->tag =
        put_error(worker, &outcome, get_input(worker, self)->ops->error_kind, &result_out->value.err);
    if (outcome.tag == BYTES)
        result_out->value.ok = outcome.value.bytes;
}

static void skip(struct worker *worker, const struct call *call, uint32_t self, uint64_t len,
                 struct result_u64_wasi_io_streams_stream_error *result_out)
{
    stream_outcome outcome;
    run_input(worker, call, self, len, &outcome);
    result_out->tag =
        put_error(worker, &outcome, get_input(worker, self)->ops->error_kind, &result_out->value.err);
    if (outcome.tag == COUNT)
        result_out->value.ok = outcome.value.count;
}

void wasi_io_streams_input_stream_read(struct worker *worker, uint32_t self, uint64_t len,
                                       struct result_list_wasi_io_streams_stream_error *result_out)
{
    read_into(worker, &call_read, self, len, result_out);
}

void wasi_io_streams_input_stream_blocking_read(struct worker *worker, uint32_t self, uint64_t len,
                                                struct result_list_wasi_io_streams_stream_error *result_out)
{
    read_into(worker, &call_blocking_read, self, len, result_out);
}

void wasi_io_streams_input_stream_skip(struct worker *worker, uint32_t self, uint64_t len,
                                       struct result_u64_wasi_io_streams_stream_error *result_out)
{
    skip(worker, &call_skip, self, len, result_out);
}

void wasi_io_streams_input_stream_blocking_skip(struct worker *worker, uint32_t self, uint64_t len,
                                                struct result_u64_wasi_io_streams_stream_error *result_out)
{
    skip(worker, &call_blocking_skip, self, len, result_out);
}

uint32_t wasi_io_streams_input_stream_subscribe(struct worker *worker, uint32_t self)
{
    return wasi_pollable_new(worker, get_input(worker, self)->ops->pollable, self, IO_CLOCK_NEVER);
}

/* --- output --- */

/* What may be written now, with block not 0. */
static enum wasi_stream_state ask_permit(const struct step *step, struct wasi_output_stream *stream,
                                         uint64_t *permit_out, int *error_out)
{
    enum wasi_stream_state state = WASI_STREAM_OK;
    *permit_out = WASI_STREAM_BYTES;
    if (stream->ops->permit == NULL)
        return state;
    for (;;) {
        state = stream->ops->permit(step->worker, stream, permit_out, error_out);
        if (state != WASI_STREAM_OK || *permit_out > 0 || !step->block)
            break;
        wait_for(step->worker, step->self, stream->ops->pollable);
    }
    if (*permit_out > WASI_STREAM_BYTES)
        *permit_out = WASI_STREAM_BYTES;
    return state;
}

static void take_permit(void *context, void *result)
{
    const struct step *step = context;
    uint64_t permit;
    int error = 0;
    enum wasi_stream_state state = ask_permit(step, get_output(step->worker, step->self), &permit, &error);
    *(stream_outcome *)result = state == WASI_STREAM_OK ? (stream_outcome){COUNT, {.count = permit}} : outcome_of(state, error);
}

static enum wasi_stream_state flush_stream(const struct step *step, struct wasi_output_stream *stream, int *error_out)
{
    return stream->ops->flush == NULL ? WASI_STREAM_OK
                                      : stream->ops->flush(step->worker, stream, step->block, error_out);
}

/* Piece by piece, as it is permitted. */
static enum wasi_stream_state write_blocking(const struct step *step, struct wasi_output_stream *stream,
                                             const char *data, int *error_out)
{
    enum wasi_stream_state state = WASI_STREAM_OK;
    size_t size = (size_t)step->size;
    while (state == WASI_STREAM_OK && size > 0) {
        uint64_t permit = size;
        if (stream->ops->permit != NULL)
            state = ask_permit(step, stream, &permit, error_out);
        size_t piece = size < permit ? size : (size_t)permit;
        if (state == WASI_STREAM_OK)
            state = stream->ops->write(step->worker, stream, data, piece, error_out);
        data += piece;
        size -= piece;
    }
    return state == WASI_STREAM_OK ? flush_stream(step, stream, error_out) : state;
}

static void take_write(void *context, void *result)
{
    const struct step *step = context;
    struct wasi_output_stream *stream = get_output(step->worker, step->self);
    const void *data = step->data != NULL ? step->data : worker_alloc(step->worker, (size_t)step->size);
    int error = 0;
    if (stream->ops->recording != NULL && stream->ops->recording->commit_before)
        durable_commit(step->worker);
    enum wasi_stream_state state =
        step->block ? write_blocking(step, stream, data, &error)
                    : stream->ops->write(step->worker, stream, data, (size_t)step->size, &error);
    *(stream_outcome *)result = outcome_of(state, error);
}

static void take_flush(void *context, void *result)
{
    const struct step *step = context;
    int error = 0;
    enum wasi_stream_state state = flush_stream(step, get_output(step->worker, step->self), &error);
    *(stream_outcome *)result = outcome_of(state, error);
}

#define OUTPUT_CALL(NAME, function, block, take) \
    {WASI_STREAM_##NAME, &host_wasi_io_streams_output_stream_##function, block, take}

static const struct call call_check_write = OUTPUT_CALL(CHECK_WRITE, check_write, false, take_permit);
static const struct call call_wait_permit = OUTPUT_CALL(CHECK_WRITE, check_write, true, take_permit);
static const struct call call_write = OUTPUT_CALL(WRITE, write, false, take_write);
static const struct call call_blocking_write =
    OUTPUT_CALL(BLOCKING_WRITE_AND_FLUSH, blocking_write_and_flush, true, take_write);
static const struct call call_flush = OUTPUT_CALL(FLUSH, flush, false, take_flush);
static const struct call call_blocking_flush = OUTPUT_CALL(BLOCKING_FLUSH, blocking_flush, true, take_flush);
static const struct call call_write_zeroes = OUTPUT_CALL(WRITE_ZEROES, write_zeroes, false, take_write);
static const struct call call_blocking_write_zeroes =
    OUTPUT_CALL(BLOCKING_WRITE_ZEROES_AND_FLUSH, blocking_write_zeroes_and_flush, true, take_write);

static void run_output(struct worker *worker, const struct call *call, uint32_t self, const void *request,
                       struct cabi_list contents, stream_outcome *out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    struct step step = {worker, self, call->block, contents.count, contents.items};
    *out = (stream_outcome){.tag = CLOSED};
    if (stream->closed)
        return;
    take_step(&step, call, request, stream->ops->recording, stream->sink, out);
    note_outcome(worker, stream->ops->recording, stream->sink, out, &stream->closed);
}

static void put_done(struct worker *worker, uint32_t self, const stream_outcome *outcome,
                     struct result_void_wasi_io_streams_stream_error *result_out)
{
    result_out->tag = put_error(worker, outcome, get_output(worker, self)->ops->error_kind, &result_out->value.err);
}

/* One that the stream does not say itself is not recorded. */
static void ask_output(struct worker *worker, const struct call *call, uint32_t self, stream_outcome *out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    if (stream->closed || stream->ops->permit != NULL)
        run_output(worker, call, self, &self, (struct cabi_list){0}, out);
    else
        *out = (stream_outcome){COUNT, {.count = WASI_STREAM_BYTES}};
}

void wasi_io_streams_output_stream_check_write(struct worker *worker, uint32_t self,
                                               struct result_u64_wasi_io_streams_stream_error *result_out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    stream_outcome outcome;
    ask_output(worker, &call_check_write, self, &outcome);
    stream->permit = outcome.tag == COUNT ? outcome.value.count : 0;
    result_out->tag = put_error(worker, &outcome, stream->ops->error_kind, &result_out->value.err);
    if (result_out->tag == 0)
        result_out->value.ok = stream->permit;
}

/* WASI, "write": more than the last check-write permitted is a trap. A stream that has ended says that instead. */
static void use_permit(struct worker *worker, struct wasi_output_stream *stream, uint64_t size)
{
    if (stream->closed)
        return;
    if (size > stream->permit)
        worker_trap(worker, "write of %llu bytes, but check-write permitted %llu", (unsigned long long)size,
                    (unsigned long long)stream->permit);
    stream->permit -= size;
}

static void write_contents(struct worker *worker, const struct call *call, uint32_t self, struct cabi_list contents,
                           struct result_void_wasi_io_streams_stream_error *result_out)
{
    struct contents_request request = {self, contents};
    stream_outcome outcome = {.tag = DONE};
    if (contents.count > 0 || call->block || get_output(worker, self)->closed)
        run_output(worker, call, self, &request, contents, &outcome);
    put_done(worker, self, &outcome, result_out);
}

void wasi_io_streams_output_stream_write(struct worker *worker, uint32_t self, struct cabi_list contents,
                                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    struct wasi_output_stream *stream = get_output(worker, self);
    if (!stream->ops->unasked)
        use_permit(worker, stream, contents.count);
    write_contents(worker, &call_write, self, contents, result_out);
}

/* Does without permits. Golem takes more than the 4096 bytes that WASI speaks of, too. */
void wasi_io_streams_output_stream_blocking_write_and_flush(struct worker *worker, uint32_t self,
                                                            struct cabi_list contents,
                                                            struct result_void_wasi_io_streams_stream_error *result_out)
{
    write_contents(worker, &call_blocking_write, self, contents, result_out);
}

static void flush_output(struct worker *worker, const struct call *call, uint32_t self,
                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    const struct wasi_output_stream *stream = get_output(worker, self);
    stream_outcome outcome = {.tag = DONE};
    if (stream->closed || stream->ops->flush != NULL)
        run_output(worker, call, self, &self, (struct cabi_list){0}, &outcome);
    put_done(worker, self, &outcome, result_out);
}

void wasi_io_streams_output_stream_flush(struct worker *worker, uint32_t self,
                                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    flush_output(worker, &call_flush, self, result_out);
}

void wasi_io_streams_output_stream_blocking_flush(struct worker *worker, uint32_t self,
                                                  struct result_void_wasi_io_streams_stream_error *result_out)
{
    flush_output(worker, &call_blocking_flush, self, result_out);
}

uint32_t wasi_io_streams_output_stream_subscribe(struct worker *worker, uint32_t self)
{
    return wasi_pollable_new(worker, get_output(worker, self)->ops->pollable, self, IO_CLOCK_NEVER);
}

static void write_zeroes(struct worker *worker, const struct call *call, uint32_t self, uint64_t len,
                         struct result_void_wasi_io_streams_stream_error *result_out)
{
    struct length_request request = {self, len};
    stream_outcome outcome = {.tag = DONE};
    if (len > 0 || call->block || get_output(worker, self)->closed)
        run_output(worker, call, self, &request, (struct cabi_list){NULL, (size_t)len}, &outcome);
    put_done(worker, self, &outcome, result_out);
}

void wasi_io_streams_output_stream_write_zeroes(struct worker *worker, uint32_t self, uint64_t len,
                                                struct result_void_wasi_io_streams_stream_error *result_out)
{
    use_permit(worker, get_output(worker, self), len);
    write_zeroes(worker, &call_write_zeroes, self, len, result_out);
}

void wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(
    struct worker *worker, uint32_t self, uint64_t len, struct result_void_wasi_io_streams_stream_error *result_out)
{
    if (len > 4096)
        worker_trap(worker, "blocking-write-zeroes-and-flush of %llu bytes (at most 4096)", (unsigned long long)len);
    write_zeroes(worker, &call_blocking_write_zeroes, self, len, result_out);
}

/* How much goes from one to the other now; the outcome and, of an error, its kind. */
static const struct wasi_error_kind *splice_some(struct worker *worker, uint32_t self, uint32_t src, bool block,
                                                 uint64_t len, stream_outcome *out)
{
    const struct wasi_output_stream *to = get_output(worker, self);
    const struct wasi_input_stream *from = get_input(worker, src);
    ask_output(worker, block ? &call_wait_permit : &call_check_write, self, out);
    if (out->tag != COUNT)
        return to->ops->error_kind;
    uint64_t size = len < out->value.count ? len : out->value.count;
    run_input(worker, block ? &call_blocking_read : &call_read, src, size, out);
    if (out->tag != BYTES)
        return from->ops->error_kind;
    struct contents_request request = {self, out->value.bytes};
    if (request.contents.count > 0)
        run_output(worker, &call_write, self, &request, request.contents, out);
    if (!has_ended(out))
        *out = (stream_outcome){COUNT, {.count = request.contents.count}};
    return to->ops->error_kind;
}

static void splice(struct worker *worker, uint32_t self, uint32_t src, bool block, uint64_t len,
                   struct result_u64_wasi_io_streams_stream_error *result_out)
{
    stream_outcome outcome;
    const struct wasi_error_kind *kind = splice_some(worker, self, src, block, len, &outcome);
    result_out->tag = put_error(worker, &outcome, kind, &result_out->value.err);
    if (outcome.tag == COUNT)
        result_out->value.ok = outcome.value.count;
}

void wasi_io_streams_output_stream_splice(struct worker *worker, uint32_t self, uint32_t src, uint64_t len,
                                          struct result_u64_wasi_io_streams_stream_error *result_out)
{
    splice(worker, self, src, false, len, result_out);
}

void wasi_io_streams_output_stream_blocking_splice(struct worker *worker, uint32_t self, uint32_t src, uint64_t len,
                                                   struct result_u64_wasi_io_streams_stream_error *result_out)
{
    splice(worker, self, src, true, len, result_out);
}
