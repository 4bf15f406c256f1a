#include "worker_double.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "io_clock.h"
#include "wasi_io.h"

/* wasi:io, clocks and cli, on the worker double. */

static struct worker *const worker = &double_worker;

typedef struct result_u64_wasi_io_streams_stream_error u64_result;
typedef struct result_void_wasi_io_streams_stream_error void_result;
typedef struct result_list_wasi_io_streams_stream_error list_result;

/* --- streams that this test makes: what it reads is scripted, what it writes is kept --- */

static struct {
    const char *data; /* what read gives; then it is closed, or fails with `error` */
    int error;
    unsigned waits, drops;
    struct ga_buf written;
    int write_error;
} script;

static enum wasi_stream_state scripted_read(struct worker *unused, struct wasi_input_stream *stream, void *buffer,
                                            size_t size, size_t *count_out, int *error_out)
{
    (void)unused;
    size_t left = strlen(script.data) - (size_t)stream->offset;
    *count_out = size < left ? size : left;
    memcpy(buffer, script.data + stream->offset, *count_out);
    stream->offset += *count_out;
    *error_out = script.error;
    return left > 0 ? WASI_STREAM_OK : script.error != 0 ? WASI_STREAM_FAILED : WASI_STREAM_CLOSED;
}

static void scripted_wait(struct worker *unused, struct wasi_input_stream *stream)
{
    (void)unused;
    (void)stream;
    script.waits++;
}

static void count_drop(struct worker *unused, struct wasi_input_stream *stream)
{
    (void)unused;
    (void)stream;
    script.drops++;
}

static const struct wasi_input_ops input_ops = {
    .pollable = &wasi_pollable_always, .read = scripted_read, .wait = scripted_wait, .drop = count_drop};

static enum wasi_stream_state scripted_write(struct worker *unused, struct wasi_output_stream *stream, const void *data,
                                             size_t size, int *error_out)
{
    (void)unused;
    (void)stream;
    *error_out = script.write_error;
    if (script.write_error != 0)
        return WASI_STREAM_FAILED;
    ga_buf_append(&script.written, data, size);
    return WASI_STREAM_OK;
}

static const struct wasi_output_ops output_ops = {.pollable = &wasi_pollable_always, .write = scripted_write};

static uint32_t new_input(const char *data)
{
    script.data = data;
    return wasi_input_stream_new(worker, &input_ops, 0, 0);
}

static uint32_t new_output(void)
{
    return wasi_output_stream_new(worker, &output_ops, 0, 0);
}

static struct cabi_list list_of(const char *text)
{
    return (struct cabi_list){(void *)text, strlen(text)};
}

/* --- input --- */

static void assert_reads(uint32_t stream, uint64_t len, const char *wanted)
{
    list_result result = {0};
    wasi_io_streams_input_stream_read(worker, stream, len, &result);
    cr_assert_eq(result.tag, 0);
    cr_assert_eq(result.value.ok.count, strlen(wanted));
    cr_assert(result.value.ok.count == 0 || memcmp(result.value.ok.items, wanted, strlen(wanted)) == 0);
}

static void assert_closed(uint32_t stream)
{
    list_result result = {0};
    wasi_io_streams_input_stream_read(worker, stream, 10, &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
}

Test(wasi_input_stream, reads_to_the_end_and_is_closed_then)
{
    uint32_t stream = new_input("abcdef");
    assert_reads(stream, 4, "abcd");
    assert_reads(stream, 0, "");
    assert_reads(stream, UINT64_MAX, "ef");
    assert_closed(stream);
    assert_closed(stream);
    host_resource_drop(worker, &wasi_io_streams_input_stream_type, stream);
    cr_assert_eq(script.drops, 1);
}

Test(wasi_input_stream, skips_and_waits_only_when_asked)
{
    u64_result result = {0};
    uint32_t stream = new_input("abcdef");
    wasi_io_streams_input_stream_skip(worker, stream, 2, &result);
    cr_assert(result.tag == 0 && result.value.ok == 2 && script.waits == 0);
    wasi_io_streams_input_stream_blocking_skip(worker, stream, 1, &result);
    cr_assert(result.tag == 0 && result.value.ok == 1 && script.waits == 1);
    assert_reads(stream, 9, "def");
}

Test(wasi_input_stream, an_error_is_told_once_and_has_a_text)
{
    list_result result = {0};
    struct cabi_string text;
    uint32_t stream = new_input("");
    script.error = ENOSPC;
    wasi_io_streams_input_stream_read(worker, stream, 1, &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    uint32_t error = result.value.err.value.last_operation_failed;
    wasi_io_error_error_to_debug_string(worker, error, &text);
    cr_assert(text.size > 0 && memcmp(text.data, strerror(ENOSPC), text.size) == 0);
    struct option_wasi_filesystem_types_error_code code = {0};
    wasi_filesystem_types_filesystem_error_code(worker, error, &code);
    cr_assert(code.tag == 1 && code.value.some == WASI_FILESYSTEM_TYPES_ERROR_CODE_INSUFFICIENT_SPACE);
    assert_closed(stream);
}

/* --- output --- */

static uint64_t permit_of(uint32_t stream)
{
    u64_result result = {0};
    wasi_io_streams_output_stream_check_write(worker, stream, &result);
    cr_assert_eq(result.tag, 0);
    return result.value.ok;
}

Test(wasi_output_stream, a_write_without_permit_traps)
{
    void_result result = {0};
    uint32_t stream = new_output();
    DOUBLE_ASSERT_TRAP("trap: write of 1 bytes, but check-write permitted 0",
                       wasi_io_streams_output_stream_write(worker, stream, list_of("x"), &result));
    cr_assert_eq(script.written.size, 0);
}

Test(wasi_output_stream, a_permit_is_used_up_by_writes_and_zeroes)
{
    void_result result = {0};
    char expected[64];
    uint32_t stream = new_output();
    uint64_t permit = permit_of(stream);
    wasi_io_streams_output_stream_write(worker, stream, list_of("abc"), &result);
    wasi_io_streams_output_stream_write_zeroes(worker, stream, permit - 3, &result);
    cr_assert_eq(result.tag, 0);
    cr_assert_eq(script.written.size, permit);
    wasi_io_streams_output_stream_write(worker, stream, list_of(""), &result);
    DOUBLE_ASSERT_TRAP("trap: write of 1 bytes, but check-write permitted 0",
                       wasi_io_streams_output_stream_write(worker, stream, list_of("x"), &result));
    (void)permit_of(stream);
    snprintf(expected, sizeof expected, "trap: write of %llu bytes, but check-write permitted %llu",
             (unsigned long long)permit + 1, (unsigned long long)permit);
    DOUBLE_ASSERT_TRAP(expected, wasi_io_streams_output_stream_write_zeroes(worker, stream, permit + 1, &result));
    DOUBLE_ASSERT_TRAP("trap: write of 18446744073709551615 bytes, but check-write permitted 65536",
                       wasi_io_streams_output_stream_write_zeroes(worker, stream, UINT64_MAX, &result));
}

Test(wasi_output_stream, blocking_writes_need_no_permit)
{
    void_result result = {0};
    uint32_t stream = new_output();
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream, list_of("abc"), &result);
    cr_assert_eq(result.tag, 0);
    wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(worker, stream, 4096, &result);
    cr_assert_eq(result.tag, 0);
    cr_assert_eq(script.written.size, 3 + 4096);
    DOUBLE_ASSERT_TRAP("trap: blocking-write-zeroes-and-flush of 4097 bytes (at most 4096)",
                       wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(worker, stream, 4097, &result));
}

Test(wasi_output_stream, after_an_error_all_is_closed)
{
    void_result result = {0};
    u64_result count = {0};
    uint32_t stream = new_output();
    script.write_error = EIO;
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream, list_of("abc"), &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_io_streams_output_stream_flush(worker, stream, &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    wasi_io_streams_output_stream_check_write(worker, stream, &count);
    cr_assert(count.tag == 1 && count.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    wasi_io_streams_output_stream_write(worker, stream, list_of("x"), &result); /* closed comes before the permit */
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
}

Test(wasi_output_stream, splices_up_to_the_end)
{
    u64_result result = {0};
    uint32_t from = new_input("abcdef"), to = new_output();
    wasi_io_streams_output_stream_splice(worker, to, from, 4, &result);
    cr_assert(result.tag == 0 && result.value.ok == 4 && script.waits == 0);
    wasi_io_streams_output_stream_blocking_splice(worker, to, from, UINT64_MAX, &result);
    cr_assert(result.tag == 0 && result.value.ok == 2 && script.waits == 1);
    wasi_io_streams_output_stream_splice(worker, to, from, 4, &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    cr_assert(script.written.size == 6 && memcmp(script.written.data, "abcdef", 6) == 0);
}

Test(wasi_output_stream, a_pollable_keeps_its_stream)
{
    uint32_t stream = new_output();
    uint32_t pollable = wasi_io_streams_output_stream_subscribe(worker, stream);
    DOUBLE_ASSERT_TRAP("trap: a wasi:io/streams.output-stream is dropped before what was made of it",
                       host_resource_drop(worker, &wasi_io_streams_output_stream_type, stream));
    host_resource_drop(worker, &wasi_io_poll_pollable_type, pollable);
    host_resource_drop(worker, &wasi_io_streams_output_stream_type, stream);
    cr_assert_eq(double_resource_count(), 0);
}

/* --- stdio --- */

Test(wasi_cli, what_a_worker_writes_goes_to_its_log)
{
    void_result result = {0};
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, wasi_cli_stdout_get_stdout(worker), list_of("one"),
                                                           &result);
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, wasi_cli_stderr_get_stderr(worker), list_of("two"),
                                                           &result);
    cr_assert_str_eq(ga_buf_cstr(&worker->output[WORKER_STDOUT]), "one");
    cr_assert_str_eq(ga_buf_cstr(&worker->output[WORKER_STDERR]), "two");
    wasi_logging_logging_log(worker, WASI_LOGGING_LOGGING_LEVEL_WARN, (struct cabi_string){"here", 4},
                             (struct cabi_string){"text", 4});
    cr_assert_str_eq(worker->logged, "warn here: text");
}

Test(wasi_cli, standard_input_is_disabled_for_workers)
{
    list_result result = {0};
    uint32_t stream = wasi_cli_stdin_get_stdin(worker);
    DOUBLE_ASSERT_TRAP("trap: standard input is disabled",
                       wasi_io_streams_input_stream_read(worker, stream, 1, &result));
    DOUBLE_ASSERT_TRAP("trap: standard input is disabled",
                       wasi_io_streams_input_stream_blocking_read(worker, stream, 1, &result));
    struct option_handle terminal = {.tag = 1};
    wasi_cli_terminal_stdin_get_terminal_stdin(worker, &terminal);
    cr_assert_eq(terminal.tag, 0);
}

Test(wasi_cli, a_command_reads_the_process_s_standard_input)
{
    int fds[2];
    struct cabi_list ready = {0};
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(dup2(fds[0], 0), 0);
    worker->command = worker->ephemeral = true;
    uint32_t stream = wasi_cli_stdin_get_stdin(worker),
             pollable = wasi_io_streams_input_stream_subscribe(worker, stream);
    uint32_t pollables[] = {pollable, wasi_clocks_monotonic_clock_subscribe_duration(worker, 1000000)};
    assert_reads(stream, 10, ""); /* nothing there yet */
    cr_assert_not(wasi_io_poll_pollable_ready(worker, pollable));
    wasi_io_poll_poll(worker, (struct cabi_list){pollables, 2}, &ready);
    cr_assert(ready.count == 1 && ((uint32_t *)ready.items)[0] == 1);
    static uint32_t many[100000];
    for (size_t i = 0; i < 100000; i++)
        many[i] = pollable;
    many[99999] = wasi_clocks_monotonic_clock_subscribe_duration(worker, 1000000);
    wasi_io_poll_poll(worker, (struct cabi_list){many, 100000}, &ready);
    cr_assert(ready.count == 1 && ((uint32_t *)ready.items)[0] == 99999);
    cr_assert_eq(write(fds[1], "abc", 3), 3);
    wasi_io_poll_pollable_block(worker, pollable);
    assert_reads(stream, 2, "ab");
    assert_reads(stream, 9, "c");
    close(fds[1]);
    assert_closed(stream);
}

Test(wasi_cli, a_recorded_command_has_no_standard_input_and_logs_what_it_prints)
{
    list_result read = {0};
    void_result written = {0};
    worker->command = true;
    DOUBLE_ASSERT_TRAP("trap: standard input is disabled",
                       wasi_io_streams_input_stream_read(worker, wasi_cli_stdin_get_stdin(worker), 1, &read));
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, wasi_cli_stdout_get_stdout(worker), list_of("one"),
                                                           &written);
    cr_assert_str_eq(ga_buf_cstr(&worker->output[WORKER_STDOUT]), "one");
}

/* A command's standard output is a pipe that nobody reads yet, in ends[1]. */
static uint32_t open_full_pipe(int ends[2])
{
    static const char block[65536];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], block, sizeof block) > 0)
        ;
    cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0);
    fflush(stdout);
    cr_assert_eq(dup2(ends[1], 1), 1);
    close(ends[1]);
    worker->command = worker->ephemeral = true;
    return wasi_cli_stdout_get_stdout(worker);
}

Test(wasi_cli, a_command_is_held_back_by_a_full_pipe_and_told_when_there_is_room)
{
    int ends[2];
    char read_back[8192];
    void_result result = {0};
    struct cabi_list ready = {0};
    uint32_t stream = open_full_pipe(ends), pollable = wasi_io_streams_output_stream_subscribe(worker, stream);
    cr_assert_eq(permit_of(stream), 0);
    cr_assert_not(wasi_io_poll_pollable_ready(worker, pollable));
    uint32_t both[] = {pollable, wasi_clocks_monotonic_clock_subscribe_duration(worker, 1000000)};
    wasi_io_poll_poll(worker, (struct cabi_list){both, 2}, &ready);
    cr_assert(ready.count == 1 && ((uint32_t *)ready.items)[0] == 1);
    cr_assert_eq(read(ends[0], read_back, sizeof read_back), sizeof read_back);
    wasi_io_poll_pollable_block(worker, pollable);
    uint64_t permit = permit_of(stream);
    cr_assert(permit > 0 && permit <= sizeof read_back);
    wasi_io_streams_output_stream_write(worker, stream, list_of("one"), &result);
    cr_assert_eq(result.tag, 0);
}

Test(wasi_cli, a_command_whose_reader_has_gone_finds_its_stream_closed)
{
    int ends[2];
    void_result result = {0};
    uint32_t stream = open_full_pipe(ends);
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream, list_of("one"), &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
}

Test(wasi_cli, exit_ends_the_instance)
{
    struct result_void_void good = {0}, bad = {1};
    DOUBLE_ASSERT_TRAP("exit 0", wasi_cli_exit_exit(worker, &good));
    DOUBLE_ASSERT_TRAP("exit 1", wasi_cli_exit_exit(worker, &bad));
    DOUBLE_ASSERT_TRAP("exit 42", wasi_cli_exit_exit_with_code(worker, 42));
}

/* --- poll and clocks --- */

Test(wasi_poll, an_empty_list_traps)
{
    struct cabi_list ready;
    DOUBLE_ASSERT_TRAP("trap: poll of an empty list", wasi_io_poll_poll(worker, (struct cabi_list){0}, &ready));
}

Test(wasi_poll, gives_the_indexes_of_what_is_ready)
{
    struct cabi_list ready = {0};
    uint32_t late = wasi_clocks_monotonic_clock_subscribe_instant(worker, io_clock_monotonic_ns() + 3600000000000u);
    uint32_t early = wasi_clocks_monotonic_clock_subscribe_instant(worker, 1);
    uint32_t stream = new_output(), always = wasi_io_streams_output_stream_subscribe(worker, stream);
    uint32_t pollables[] = {late, early, late, always, always};
    wasi_io_poll_poll(worker, (struct cabi_list){pollables, 5}, &ready);
    const uint32_t *indexes = ready.items;
    cr_assert(ready.count == 3 && indexes[0] == 1 && indexes[1] == 3 && indexes[2] == 4);
    cr_assert_eq(worker->commits, 0);
}

Test(wasi_poll, a_short_sleep_waits_and_a_longer_one_is_committed_first)
{
    uint64_t before = io_clock_monotonic_ns();
    wasi_io_poll_pollable_block(worker, wasi_clocks_monotonic_clock_subscribe_duration(worker, 2000000));
    cr_assert_geq(io_clock_monotonic_ns() - before, 2000000);
    cr_assert_eq(worker->commits, 0);
    wasi_io_poll_pollable_block(worker, wasi_clocks_monotonic_clock_subscribe_duration(worker, 20000000));
    cr_assert_geq(io_clock_monotonic_ns() - before, 22000000);
    cr_assert_eq(worker->commits, 1);
}

Test(wasi_poll, a_long_sleep_suspends_a_durable_worker_until_its_deadline)
{
    uint64_t wall = io_clock_wall_ns();
    uint32_t pollable = wasi_clocks_monotonic_clock_subscribe_duration(worker, 3600000000000u);
    DOUBLE_ASSERT_TRAP("suspend", wasi_io_poll_pollable_block(worker, pollable));
    cr_assert(worker->wake_at_ns >= wall + 3599000000000u && worker->wake_at_ns <= wall + 3601000000000u);
}

Test(wasi_poll, the_longest_sleep_has_a_wake_time_too)
{
    uint32_t pollable = wasi_clocks_monotonic_clock_subscribe_duration(worker, UINT64_MAX);
    DOUBLE_ASSERT_TRAP("suspend", wasi_io_poll_pollable_block(worker, pollable));
    cr_assert_gt(worker->wake_at_ns, UINT64_MAX - 3600000000000u);
}

/* In replay the deadline is the recorded one: after a restart the rest is slept, or nothing. */
Test(wasi_poll, a_sleep_keeps_its_deadline_over_a_restart)
{
    uint32_t pollable = wasi_clocks_monotonic_clock_subscribe_duration(worker, 30000000);
    const struct wasi_pollable *record = host_resource_get(worker, &wasi_io_poll_pollable_type, pollable);
    uint64_t deadline = record->deadline_ns;
    usleep(30000);
    double_rewind();
    pollable = wasi_clocks_monotonic_clock_subscribe_duration(worker, 30000000);
    record = host_resource_get(worker, &wasi_io_poll_pollable_type, pollable);
    cr_assert_eq(record->deadline_ns, deadline);
    uint64_t before = io_clock_monotonic_ns();
    wasi_io_poll_pollable_block(worker, pollable);
    cr_assert_lt(io_clock_monotonic_ns() - before, 25000000);
}

Test(wasi_poll, block_and_ready_of_timers_are_replayed)
{
    for (int round = 0; round < 2; round++) {
        uint32_t pollable = wasi_clocks_monotonic_clock_subscribe_duration(worker, 5000000);
        cr_assert_not(wasi_io_poll_pollable_ready(worker, pollable)); /* in replay too, though it has long elapsed */
        wasi_io_poll_pollable_block(worker, pollable);
        cr_assert(wasi_io_poll_pollable_ready(worker, pollable));
        if (round == 0)
            usleep(6000);
        if (round == 0)
            double_rewind();
    }
    cr_assert_eq(worker->entry_count, 4);
    cr_assert_str_eq(worker->entries[0].name, "monotonic_clock::subscribe_duration");
    cr_assert_str_eq(worker->entries[1].name, "io::poll:pollable::ready");
    cr_assert_str_eq(worker->entries[2].name, "golem io::poll::poll");
}

Test(wasi_clocks, durations_beyond_the_clock_never_elapse)
{
    uint32_t pollable = wasi_clocks_monotonic_clock_subscribe_duration(worker, UINT64_MAX);
    cr_assert_not(wasi_io_poll_pollable_ready(worker, pollable));
}

Test(wasi_clocks, the_clocks_agree_and_go_forward)
{
    struct wasi_clocks_wall_clock_datetime wall = {0}, resolution = {0};
    uint64_t first = wasi_clocks_monotonic_clock_now(worker), second = wasi_clocks_monotonic_clock_now(worker);
    cr_assert_leq(first, second);
    wasi_clocks_wall_clock_now(worker, &wall);
    cr_assert_lt(wall.nanoseconds, 1000000000);
    int64_t apart = (int64_t)(wall.seconds * 1000000000u + wall.nanoseconds) - (int64_t)first;
    cr_assert_lt(llabs(apart), 1000000000);
    wasi_clocks_wall_clock_resolution(worker, &resolution);
    cr_assert(resolution.seconds == 0 && resolution.nanoseconds > 0);
    cr_assert_gt(wasi_clocks_monotonic_clock_resolution(worker), 0);
}

/* --- random, environment --- */

Test(wasi_random, gives_as_much_as_is_asked_and_differs)
{
    struct cabi_list a = {0}, b = {0};
    wasi_random_random_get_random_bytes(worker, 1000, &a);
    wasi_random_insecure_get_insecure_random_bytes(worker, 1000, &b);
    cr_assert(a.count == 1000 && b.count == 1000 && memcmp(a.items, b.items, 1000) != 0);
    cr_assert_neq(wasi_random_random_get_random_u64(worker), wasi_random_random_get_random_u64(worker));
    wasi_random_random_get_random_bytes(worker, 0, &a);
    cr_assert_eq(a.count, 0);
    DOUBLE_ASSERT_TRAP("trap: 16777217 random bytes in one call (limit is 16777216)",
                       wasi_random_random_get_random_bytes(worker, (1u << 24) + 1, &a));
}

Test(wasi_cli, the_environment_keeps_its_order)
{
    static const char *const names[] = {"B", "A"}, *const values[] = {"1", "2"}, *const arguments[] = {"x", ""};
    worker->environment = (struct worker_environment){2, 2, arguments, names, values};
    struct cabi_list list = {0};
    struct option_string directory = {.tag = 1};
    wasi_cli_environment_get_environment(worker, &list);
    const struct tuple_string_string *variables = list.items;
    cr_assert(list.count == 2 && variables[0].f0.data[0] == 'B' && variables[1].f1.data[0] == '2');
    wasi_cli_environment_get_arguments(worker, &list);
    const struct cabi_string *texts = list.items;
    cr_assert(list.count == 2 && texts[0].size == 1 && texts[1].size == 0);
    wasi_cli_environment_initial_cwd(worker, &directory);
    cr_assert_eq(directory.tag, 0);
}
