#include "worker_double.h"

#include <errno.h>
#include <unistd.h>

#include "io_clock.h"
#include "wasi_io.h"

/*
 * Streams that are recorded, on the worker double: each test runs twice, live and then in replay, where the operations must not be
 * asked, and sees the same both times.
 */

static struct worker *const worker = &double_worker;

typedef struct result_u64_wasi_io_streams_stream_error u64_result;
typedef struct result_void_wasi_io_streams_stream_error void_result;
typedef struct result_list_wasi_io_streams_stream_error list_result;

/* The other end, as the operations see it. It is gone after a restart. */
static struct {
    bool gone;
    const char *data;       /* to be read; then end_state */
    enum wasi_stream_state end_state;
    int error;
    unsigned asked;         /* operations, in this process */
    unsigned empty_reads;   /* reads that find nothing before the first one that does */
    uint64_t permits[4];    /* given one after the other, then 0 */
    unsigned permit_at;
    struct ga_buf written;
    unsigned flushes, blocking_flushes, commits_at_write;
    unsigned ends;          /* told by `ended`, in this process */
    enum wasi_stream_state end;
    uint32_t end_subject;
} other;

static const char *print_code(int32_t code)
{
    return code == 7 ? "seven" : "another";
}

static const struct wasi_error_kind kind = {"test", print_code};

static bool is_ready(struct worker *unused, const struct wasi_pollable *pollable)
{
    (void)unused;
    (void)pollable;
    return other.gone || other.empty_reads == 0;
}

static int ends_wait(struct worker *unused, const struct wasi_pollable *pollable, short *events_out)
{
    (void)unused;
    (void)pollable;
    (void)events_out;
    return -1;
}

static const struct wasi_pollable_ops pollable_ops = {.ready = is_ready, .wait = ends_wait};

static enum wasi_stream_state read_other(struct worker *unused, struct wasi_input_stream *stream, void *buffer,
                                         size_t size, size_t *count_out, int *error_out)
{
    (void)unused;
    (void)stream;
    other.asked++;
    *count_out = 0;
    *error_out = other.gone ? ECONNRESET : other.error;
    if (other.gone)
        return WASI_STREAM_FAILED;
    if (other.empty_reads > 0)
        return other.empty_reads--, WASI_STREAM_OK;
    if (*other.data == '\0')
        return other.end_state;
    *count_out = size < strlen(other.data) ? size : strlen(other.data);
    memcpy(buffer, other.data, *count_out);
    other.data += *count_out;
    return WASI_STREAM_OK;
}

static enum wasi_stream_state write_other(struct worker *unused, struct wasi_output_stream *stream, const void *data,
                                          size_t size, int *error_out)
{
    (void)unused;
    (void)stream;
    other.asked++;
    other.commits_at_write = worker->commits;
    *error_out = other.gone ? 7 : other.error;
    if (other.gone || other.error != 0)
        return WASI_STREAM_FAILED;
    ga_buf_append(&other.written, data, size);
    return WASI_STREAM_OK;
}

static enum wasi_stream_state permit_other(struct worker *unused, struct wasi_output_stream *stream,
                                           uint64_t *permit_out, int *error_out)
{
    (void)unused;
    (void)stream;
    (void)error_out;
    other.asked++;
    *permit_out = other.permit_at < 4 ? other.permits[other.permit_at++] : 0;
    return WASI_STREAM_OK;
}

static enum wasi_stream_state flush_other(struct worker *unused, struct wasi_output_stream *stream, bool block,
                                          int *error_out)
{
    (void)unused;
    (void)stream;
    (void)error_out;
    other.asked++;
    other.flushes += !block;
    other.blocking_flushes += block;
    return WASI_STREAM_OK;
}

static void note_end(struct worker *unused, uint32_t subject, enum wasi_stream_state state)
{
    (void)unused;
    other.ends++;
    other.end = state;
    other.end_subject = subject;
}

static uint64_t batch_of(struct worker *unused, uint32_t subject)
{
    (void)unused;
    return 1000 + subject;
}

enum { SUBJECT = 0 };

static const struct wasi_stream_recording buffered = {.names = WASI_STREAM_NAMES("test::stream"), .ended = note_end};
static const struct wasi_stream_recording batched = {.names = WASI_STREAM_NAMES("test::body"), .batch = batch_of};
static const struct wasi_stream_recording outward = {
    .names = WASI_STREAM_NAMES("test::out"), .commit_before = true, .ended = note_end};

static const struct wasi_input_ops input_ops = {
    .pollable = &pollable_ops, .read = read_other, .error_kind = &kind, .recording = &buffered};
static const struct wasi_input_ops batched_ops = {.pollable = &pollable_ops, .read = read_other, .recording = &batched};
static const struct wasi_output_ops output_ops = {.pollable = &pollable_ops,
                                                  .write = write_other,
                                                  .permit = permit_other,
                                                  .flush = flush_other,
                                                  .error_kind = &kind,
                                                  .recording = &outward};
static const struct wasi_output_ops plain_ops = {.pollable = &wasi_pollable_always, .write = write_other};

/* --- two rounds --- */

static void begin(const char *data, enum wasi_stream_state end_state, int error)
{
    ga_buf_free(&other.written);
    memset(&other, 0, sizeof other);
    other.data = data;
    other.end_state = end_state;
    other.error = error;
}

/* The process dies; the next one has nothing of the other end. */
static void restart(void)
{
    double_rewind();
    ga_buf_free(&other.written);
    memset(&other, 0, sizeof other);
    other.gone = true;
    other.data = "";
}

static int turn; /* 0: live; 1: replay */
#define TWICE for (turn = 0; turn < 2; turn++, restart())

static uint32_t new_input(void)
{
    return wasi_input_stream_new(worker, &input_ops, SUBJECT, 0);
}

static uint32_t new_output(void)
{
    return wasi_output_stream_new(worker, &output_ops, SUBJECT, 0);
}

static void assert_bytes(const list_result *result, const char *wanted)
{
    cr_assert_eq(result->tag, 0);
    cr_assert_eq(result->value.ok.count, strlen(wanted), "%zu", result->value.ok.count);
    cr_assert(*wanted == '\0' || memcmp(result->value.ok.items, wanted, strlen(wanted)) == 0);
}

static void assert_failed(const struct wasi_io_streams_stream_error *error, const char *text)
{
    struct cabi_string shown = {0};
    cr_assert_eq(error->tag, WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_io_error_error_to_debug_string(worker, error->value.last_operation_failed, &shown);
    cr_assert(shown.size == strlen(text) && memcmp(shown.data, text, shown.size) == 0, "%.*s", (int)shown.size,
              shown.data);
}

/* --- input --- */

Test(stream_recording, reads_and_skips_come_back_from_the_oplog)
{
    begin("abcdefgh", WASI_STREAM_CLOSED, 0);
    TWICE
    {
        list_result bytes = {0};
        u64_result count = {0};
        uint32_t stream = new_input();
        wasi_io_streams_input_stream_read(worker, stream, 2, &bytes);
        assert_bytes(&bytes, "ab");
        wasi_io_streams_input_stream_skip(worker, stream, 1, &count);
        cr_assert(count.tag == 0 && count.value.ok == 1);
        wasi_io_streams_input_stream_blocking_read(worker, stream, 3, &bytes);
        assert_bytes(&bytes, "def");
        wasi_io_streams_input_stream_blocking_skip(worker, stream, 100, &count);
        cr_assert(count.tag == 0 && count.value.ok == 2);
        wasi_io_streams_input_stream_read(worker, stream, 1, &bytes);
        cr_assert(bytes.tag == 1 && bytes.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
        wasi_io_streams_input_stream_read(worker, stream, 1, &bytes); /* not recorded any more */
        cr_assert(bytes.tag == 1 && bytes.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
        cr_assert_eq(other.asked, turn == 0 ? 5 : 0);
        cr_assert(other.ends == 1 && other.end == WASI_STREAM_CLOSED, "told once, in replay too");
    }
    static const char *const NAMES[] = {"read", "skip", "blocking_read", "blocking_skip", "read"};
    cr_assert_eq(worker->entry_count, 5);
    for (int i = 0; i < 5; i++) {
        char name[80];
        snprintf(name, sizeof name, "test::stream::%s", NAMES[i]);
        cr_assert_str_eq(worker->entries[i].name, name);
    }
}

Test(stream_recording, an_error_comes_back_with_its_kind_and_code)
{
    begin("", WASI_STREAM_FAILED, 7);
    TWICE
    {
        list_result bytes = {0};
        uint32_t stream = new_input();
        wasi_io_streams_input_stream_read(worker, stream, 2, &bytes);
        cr_assert_eq(bytes.tag, 1);
        assert_failed(&bytes.value.err, "seven");
        cr_assert(other.ends == 1 && other.end == WASI_STREAM_FAILED);
        struct option_wasi_filesystem_types_error_code code = {.tag = 0};
        wasi_filesystem_types_filesystem_error_code(worker, bytes.value.err.value.last_operation_failed, &code);
        cr_assert_eq(code.tag, 0, "not an error of files");
        wasi_filesystem_types_filesystem_error_code(worker, wasi_error_new(worker, &wasi_error_errno, EIO), &code);
        cr_assert(code.tag == 1 && code.value.some == WASI_FILESYSTEM_TYPES_ERROR_CODE_IO);
    }
}

Test(stream_recording, a_blocking_read_waits_until_there_is_something)
{
    begin("abc", WASI_STREAM_CLOSED, 0);
    other.empty_reads = 3;
    TWICE
    {
        list_result bytes = {0};
        uint32_t stream = new_input();
        wasi_io_streams_input_stream_read(worker, stream, 9, &bytes);
        assert_bytes(&bytes, "");
        wasi_io_streams_input_stream_blocking_read(worker, stream, 9, &bytes);
        assert_bytes(&bytes, "abc");
        bytes = (list_result){0};
        wasi_io_streams_input_stream_blocking_read(worker, stream, 0, &bytes); /* asks nobody */
        assert_bytes(&bytes, "");
        cr_assert_eq(other.asked, turn == 0 ? 4 : 0);
    }
    cr_assert_eq(worker->entry_count, 2);
}

/* What was read before is replayed; then the guest gets an error, and another end is never read from. */
Test(stream_recording, a_stream_whose_other_end_is_gone_fails_when_the_worker_is_live)
{
    begin("abcdef", WASI_STREAM_CLOSED, 0);
    TWICE
    {
        list_result bytes = {0};
        uint32_t stream = new_input(), pollable = wasi_io_streams_input_stream_subscribe(worker, stream);
        wasi_io_streams_input_stream_read(worker, stream, 2, &bytes);
        assert_bytes(&bytes, "ab");
        if (turn == 0)
            continue;
        cr_assert(wasi_io_poll_pollable_ready(worker, pollable), "or the guest would wait for ever");
        wasi_io_poll_pollable_block(worker, pollable);
        wasi_io_streams_input_stream_blocking_read(worker, stream, 2, &bytes);
        cr_assert_eq(bytes.tag, 1);
        assert_failed(&bytes.value.err, "another");
    }
}

Test(stream_recording, values_of_a_batch_name_it)
{
    begin("abc", WASI_STREAM_CLOSED, 0);
    TWICE
    {
        list_result bytes = {0};
        uint32_t source = wasi_input_stream_new(worker, &input_ops, SUBJECT, 0);
        uint32_t stream = wasi_input_stream_new(worker, &batched_ops, source, 0);
        wasi_io_streams_input_stream_read(worker, stream, 9, &bytes);
        assert_bytes(&bytes, "abc");
        cr_assert_eq(worker->last_batch, 1000 + source);
        cr_assert_str_eq(worker->entries[0].name, "test::body::read");
        worker->last_batch = 0;
    }
}

Test(stream_recording, a_command_records_nothing)
{
    begin("abc", WASI_STREAM_CLOSED, 0);
    worker->command = true;
    list_result bytes = {0};
    wasi_io_streams_input_stream_read(worker, new_input(), 2, &bytes);
    assert_bytes(&bytes, "ab");
    cr_assert_eq(worker->entry_count, 0);
}

/* --- output --- */

static struct cabi_list list_of(const char *text)
{
    return (struct cabi_list){(void *)text, strlen(text)};
}

static void assert_written(const char *wanted)
{
    cr_assert(other.written.size == strlen(wanted) &&
                  (*wanted == '\0' || memcmp(other.written.data, wanted, strlen(wanted)) == 0),
              "%.*s", (int)other.written.size, (const char *)other.written.data);
}

Test(stream_recording, permits_writes_and_flushes_come_back_from_the_oplog)
{
    begin("", WASI_STREAM_CLOSED, 0);
    other.permits[0] = 5;
    other.permits[1] = 1ull << 40;
    TWICE
    {
        u64_result permit = {0};
        void_result result = {0};
        uint32_t stream = new_output();
        wasi_io_streams_output_stream_check_write(worker, stream, &permit);
        cr_assert(permit.tag == 0 && permit.value.ok == 5);
        wasi_io_streams_output_stream_write(worker, stream, list_of("abc"), &result);
        cr_assert_eq(result.tag, 0);
        wasi_io_streams_output_stream_write_zeroes(worker, stream, 2, &result);
        cr_assert_eq(result.tag, 0);
        DOUBLE_ASSERT_TRAP("trap: write of 1 bytes, but check-write permitted 0",
                           wasi_io_streams_output_stream_write(worker, stream, list_of("x"), &result));
        wasi_io_streams_output_stream_flush(worker, stream, &result);
        wasi_io_streams_output_stream_blocking_flush(worker, stream, &result);
        cr_assert_eq(result.tag, 0);
        wasi_io_streams_output_stream_check_write(worker, stream, &permit);
        cr_assert(permit.tag == 0 && permit.value.ok == WASI_STREAM_BYTES, "a guest can be permitted too much");
        cr_assert_eq(other.asked, turn == 0 ? 6 : 0);
        cr_assert(other.written.size == (turn == 0 ? 5 : 0));
    }
    cr_assert_eq(worker->entry_count, 6);
    cr_assert_str_eq(worker->entries[2].name, "test::out::write_zeroes");
    static const enum durability CLASSES[] = {DURABLE_READ_REMOTE, DURABLE_WRITE_LOCAL, DURABLE_WRITE_LOCAL,
                                              DURABLE_READ_REMOTE, DURABLE_READ_REMOTE, DURABLE_READ_REMOTE};
    for (int i = 0; i < 6; i++)
        cr_assert_eq(worker->entries[i].durability, CLASSES[i], "others can see what is written, and that only");
}

Test(stream_recording, what_is_written_goes_out_behind_a_commit)
{
    void_result result = {0};
    begin("", WASI_STREAM_CLOSED, 0);
    other.permits[0] = 9;
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, new_output(), list_of("abc"), &result);
    cr_assert_eq(other.commits_at_write, 1);
    cr_assert_eq(worker->commits, 1, "its own result may wait");
}

Test(stream_recording, a_blocking_write_goes_piece_by_piece_and_is_recorded_as_one)
{
    begin("", WASI_STREAM_CLOSED, 0);
    other.permits[0] = 2;
    other.permits[2] = 1;
    other.permits[3] = 50;
    TWICE
    {
        void_result result = {0};
        uint32_t stream = new_output();
        wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream, list_of("abcdef"), &result);
        cr_assert_eq(result.tag, 0);
        assert_written(turn == 0 ? "abcdef" : "");
        cr_assert_eq(other.blocking_flushes, turn == 0 ? 1 : 0);
    }
    cr_assert_eq(worker->entry_count, 1);
    cr_assert_str_eq(worker->entries[0].name, "test::out::blocking_write_and_flush");
}

Test(stream_recording, a_write_that_fails_ends_the_stream_in_both)
{
    begin("", WASI_STREAM_CLOSED, 7);
    other.permits[0] = 100;
    TWICE
    {
        void_result result = {0};
        u64_result permit = {0};
        uint32_t stream = new_output();
        wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream, list_of("abc"), &result);
        cr_assert_eq(result.tag, 1);
        assert_failed(&result.value.err, "seven");
        cr_assert(other.ends == 1 && other.end == WASI_STREAM_FAILED);
        wasi_io_streams_output_stream_check_write(worker, stream, &permit);
        cr_assert(permit.tag == 1 && permit.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    }
    cr_assert_eq(worker->entry_count, 1);
}

/* --- splice --- */

/* The bytes go to an output of the worker's own, which is written again in replay. */
Test(stream_recording, a_splice_gives_the_recorded_bytes_to_what_is_not_recorded)
{
    begin("abcdef", WASI_STREAM_CLOSED, 0);
    TWICE
    {
        u64_result count = {0};
        uint32_t from = new_input(), to = wasi_output_stream_new(worker, &plain_ops, 0, 0);
        other.gone = false;
        wasi_io_streams_output_stream_splice(worker, to, from, 4, &count);
        cr_assert(count.tag == 0 && count.value.ok == 4);
        assert_written("abcd");
    }
    cr_assert_eq(worker->entry_count, 1);
    cr_assert_str_eq(worker->entries[0].name, "test::stream::read");
}

Test(stream_recording, a_splice_takes_no_more_than_the_other_side_permits)
{
    begin("abcdef", WASI_STREAM_CLOSED, 0);
    other.permits[1] = 4;
    TWICE
    {
        u64_result count = {0};
        uint32_t from = new_input(), to = new_output();
        wasi_io_streams_output_stream_splice(worker, to, from, 100, &count);
        cr_assert(count.tag == 0 && count.value.ok == 0, "nothing is permitted, nothing is read");
        wasi_io_streams_output_stream_blocking_splice(worker, to, from, 100, &count);
        cr_assert(count.tag == 0 && count.value.ok == 4);
        assert_written(turn == 0 ? "abcd" : "");
        cr_assert_eq(other.asked, turn == 0 ? 4 : 0);
    }
    static const char *const NAMES[] = {"test::out::check_write", "test::out::check_write",
                                        "test::stream::blocking_read", "test::out::write"};
    cr_assert_eq(worker->entry_count, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_str_eq(worker->entries[i].name, NAMES[i]);
}

/* --- poll --- */

Test(stream_recording, a_poll_of_what_has_nothing_to_wait_for_any_more_returns)
{
    struct cabi_list ready = {0};
    begin("", WASI_STREAM_CLOSED, 0);
    other.empty_reads = 1; /* not ready; and wait gives no fd */
    uint32_t pollables[] = {wasi_clocks_monotonic_clock_subscribe_duration(worker, 3600000000000u),
                            wasi_io_streams_input_stream_subscribe(worker, new_input())};
    wasi_io_poll_poll(worker, (struct cabi_list){pollables, 2}, &ready);
    cr_assert(ready.count == 1 && ((uint32_t *)ready.items)[0] == 1);
}

static int ends[2];

static bool can_be_read(struct worker *unused, const struct wasi_pollable *pollable)
{
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    (void)unused;
    (void)pollable;
    return io_clock_poll(&fd, 1, 0) > 0;
}

static int give_end(struct worker *unused, const struct wasi_pollable *pollable, short *events_out)
{
    (void)unused;
    (void)pollable;
    *events_out = POLLIN;
    return ends[0];
}

static const struct wasi_pollable_ops end_ops = {.ready = can_be_read, .wait = give_end};

static void write_after(useconds_t delay_us)
{
    if (fork() == 0) {
        usleep(delay_us);
        (void)!write(ends[1], "x", 1);
        _exit(0);
    }
}

Test(stream_recording, an_answer_that_comes_soon_saves_the_commit)
{
    char byte;
    cr_assert_eq(pipe(ends), 0);
    uint32_t pollable = wasi_pollable_new(worker, &end_ops, 0, IO_CLOCK_NEVER);
    write_after(0);
    wasi_io_poll_pollable_block(worker, pollable);
    cr_assert_leq(worker->commits, 1, "none, if the machine is quick");
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    unsigned before = worker->commits;
    write_after(100000);
    wasi_io_poll_pollable_block(worker, pollable);
    cr_assert_eq(worker->commits, before + 1, "what waits for long must not be lost");
}
