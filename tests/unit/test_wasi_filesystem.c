#define _GNU_SOURCE

#include "worker_double.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ga_limits.h"
#include "wasi_file.h"
#include "wasi_filesystem.h"
#include "wasi_io.h"

/* wasi:filesystem over a real directory, on the worker double. test_io_path.c has the paths that try to leave it. */

static struct worker *const worker = &double_worker;
static char directory[64];
static uint32_t root; /* descriptor of the preopen */

typedef struct result_list_wasi_io_streams_stream_error list_result;
typedef struct result_void_wasi_filesystem_types_error_code void_result;
typedef struct result_handle_wasi_filesystem_types_error_code handle_result;
typedef struct result_u64_wasi_filesystem_types_error_code u64_result;
typedef struct result_string_wasi_filesystem_types_error_code string_result;
typedef struct result_tuple_list_bool_wasi_filesystem_types_error_code read_result;
typedef struct result_wasi_filesystem_types_descriptor_flags_wasi_filesystem_types_error_code flags_result;
typedef struct result_wasi_filesystem_types_descriptor_type_wasi_filesystem_types_error_code type_result;
typedef struct result_wasi_filesystem_types_descriptor_stat_wasi_filesystem_types_error_code stat_result;
typedef struct result_wasi_filesystem_types_metadata_hash_value_wasi_filesystem_types_error_code hash_result;
typedef struct result_option_wasi_filesystem_types_directory_entry_wasi_filesystem_types_error_code entry_result;

enum {
    READ = WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ,
    WRITE = WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE,
    MUTATE = WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_MUTATE_DIRECTORY,
    CREATE = WASI_FILESYSTEM_TYPES_OPEN_FLAGS_CREATE,
    DIRECTORY = WASI_FILESYSTEM_TYPES_OPEN_FLAGS_DIRECTORY,
    EXCLUSIVE = WASI_FILESYSTEM_TYPES_OPEN_FLAGS_EXCLUSIVE,
    TRUNCATE = WASI_FILESYSTEM_TYPES_OPEN_FLAGS_TRUNCATE,
    FOLLOW = WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW,
    OK = -1, /* in place of an error-code */
};
#define ERROR(name) ((int)WASI_FILESYSTEM_TYPES_ERROR_CODE_##name)

/* The error-code of a result, or OK. */
#define CODE(result) ((result).tag == 0 ? OK : (int)(result).value.err)

static uint32_t open_root(void)
{
    struct cabi_list list = {0};
    wasi_filesystem_preopens_get_directories(worker, &list);
    cr_assert_eq(list.count, worker->preopen_count);
    return ((struct tuple_handle_string *)list.items)[0].f0;
}

static void begin(void)
{
    snprintf(directory, sizeof directory, "/tmp/wasi_fs_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    worker->preopens[0] = (struct worker_preopen){open(directory, O_PATH | O_DIRECTORY), "/"};
    worker->preopen_count = 1;
    root = open_root();
}

static void end(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(wasi_filesystem, .init = begin, .fini = end);

static struct cabi_string text_of(const char *text)
{
    return (struct cabi_string){text, strlen(text)};
}

static struct cabi_list bytes_of(const char *text)
{
    return (struct cabi_list){(void *)(uintptr_t)text, strlen(text)};
}

static int try_open(const char *path, uint32_t open_flags, uint32_t flags, uint32_t *out)
{
    handle_result result = {0};
    wasi_filesystem_types_descriptor_open_at(worker, root, FOLLOW, text_of(path), open_flags, flags, &result);
    *out = result.value.ok;
    return CODE(result);
}

static uint32_t open_file(const char *path, uint32_t open_flags, uint32_t flags)
{
    uint32_t file = 0;
    int code = try_open(path, open_flags, flags, &file);
    cr_assert_eq(code, OK, "%s: %d", path, code);
    return file;
}

static void drop(uint32_t descriptor)
{
    host_resource_drop(worker, &wasi_filesystem_types_descriptor_type, descriptor);
}

static int write_at(uint32_t file, const char *text, uint64_t offset)
{
    u64_result result = {0};
    wasi_filesystem_types_descriptor_write(worker, file, (struct cabi_list){(void *)text, strlen(text)}, offset,
                                           &result);
    cr_assert(result.tag == 1 || result.value.ok == strlen(text));
    return CODE(result);
}

static void assert_content(uint32_t file, uint64_t offset, uint64_t length, const char *wanted, bool end_wanted)
{
    read_result result = {0};
    wasi_filesystem_types_descriptor_read(worker, file, length, offset, &result);
    cr_assert_eq(CODE(result), OK);
    cr_assert(result.value.ok.f0.count == strlen(wanted) &&
              memcmp(result.value.ok.f0.items, wanted, strlen(wanted)) == 0);
    cr_assert_eq(result.value.ok.f1, end_wanted);
}

static void make_file(const char *path, const char *content)
{
    uint32_t file = open_file(path, CREATE, WRITE);
    cr_assert_eq(write_at(file, content, 0), OK);
    drop(file);
}

/* --- data --- */

Test(wasi_filesystem, what_is_written_is_read)
{
    uint32_t file = open_file("a", CREATE | EXCLUSIVE, READ | WRITE);
    cr_assert_eq(write_at(file, "hello", 3), OK);
    assert_content(file, 3, 100, "hello", false);
    assert_content(file, 5, 2, "ll", false);
    assert_content(file, 8, 100, "", true);
    assert_content(file, 1000, 100, "", true);
    read_result result = {0};
    wasi_filesystem_types_descriptor_read(worker, file, UINT64_MAX, 0, &result);
    cr_assert(CODE(result) == OK && result.value.ok.f0.count == 8);
    drop(file);
}

/* Its process's memory has nothing at its beginning: EIO, which a file of a sound disk never gives. */
static uint32_t open_unreadable(void)
{
    worker->preopens[0].fd = open("/proc/self", O_PATH | O_DIRECTORY);
    root = open_root();
    return open_file("mem", 0, READ);
}

Test(wasi_filesystem, what_only_the_machine_explains_is_not_for_a_recorded_guest)
{
    read_result read = {0};
    list_result streamed = {0};
    uint32_t file = open_unreadable();
    DOUBLE_ASSERT_TRAP("fail: its files: Input/output error",
                       wasi_filesystem_types_descriptor_read(worker, file, 1, 0, &read));
    handle_result stream = {0};
    wasi_filesystem_types_descriptor_read_via_stream(worker, file, 0, &stream);
    DOUBLE_ASSERT_TRAP("fail: its files: Input/output error",
                       wasi_io_streams_input_stream_read(worker, stream.value.ok, 1, &streamed));
    worker->ephemeral = true;
    wasi_filesystem_types_descriptor_read(worker, file, 1, 0, &read);
    cr_expect_eq(CODE(read), ERROR(IO));
}

Test(wasi_filesystem, offsets_beyond_a_file_s_are_errors)
{
    read_result read = {0};
    void_result done = {0};
    handle_result stream = {0};
    uint32_t file = open_file("a", CREATE, READ | WRITE);
    wasi_filesystem_types_descriptor_read(worker, file, 1, UINT64_MAX, &read);
    cr_expect_eq(CODE(read), ERROR(INVALID));
    cr_expect_eq(write_at(file, "x", UINT64_MAX), ERROR(FILE_TOO_LARGE));
    cr_expect_eq(write_at(file, "x", INT64_MAX), ERROR(FILE_TOO_LARGE));
    wasi_filesystem_types_descriptor_set_size(worker, file, UINT64_MAX, &done);
    cr_expect_eq(CODE(done), ERROR(FILE_TOO_LARGE));
    done = (void_result){0};
    wasi_filesystem_types_descriptor_advise(worker, file, UINT64_MAX, 1, 0, &done);
    cr_expect_eq(CODE(done), ERROR(INVALID));
    wasi_filesystem_types_descriptor_read_via_stream(worker, file, UINT64_MAX, &stream);
    cr_expect_eq(CODE(stream), OK);
    struct result_list_wasi_io_streams_stream_error data = {0};
    wasi_io_streams_input_stream_read(worker, stream.value.ok, 1, &data);
    cr_expect_eq(data.tag, 1);
}

Test(wasi_filesystem, a_recorded_file_has_the_same_limit_on_every_disk)
{
    void_result done = {0};
    uint32_t file = open_file("a", CREATE, READ | WRITE);
    cr_expect_eq(write_at(file, "ab", WASI_FILE_BYTES - 1), ERROR(FILE_TOO_LARGE), "and no part of it is written");
    assert_content(file, 0, 1, "", true);
    cr_expect_eq(write_at(file, "a", WASI_FILE_BYTES - 1), OK);
    wasi_filesystem_types_descriptor_set_size(worker, file, WASI_FILE_BYTES + 1, &done);
    cr_expect_eq(CODE(done), ERROR(FILE_TOO_LARGE));
    handle_result stream = {0};
    struct result_void_wasi_io_streams_stream_error result = {0};
    wasi_filesystem_types_descriptor_append_via_stream(worker, file, &stream);
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream.value.ok, (struct cabi_list){(void *)"x", 1},
                                                           &result);
    cr_expect(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
}

Test(wasi_filesystem, a_process_that_may_not_write_as_much_is_as_good_as_a_full_disk)
{
    u64_result written = {0};
    void_result done = {0};
    uint32_t file = open_file("a", CREATE, READ | WRITE);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}), 0);
    DOUBLE_ASSERT_TRAP("fail: its files: No space left on device",
                       wasi_filesystem_types_descriptor_write(
                           worker, file, (struct cabi_list){(void *)"0123456789", 10}, 995, &written));
    DOUBLE_ASSERT_TRAP("fail: its files: No space left on device",
                       wasi_filesystem_types_descriptor_set_size(worker, file, 2000, &done));
}

Test(wasi_filesystem, size_sync_and_advice)
{
    void_result done = {0};
    uint32_t file = open_file("a", CREATE, READ | WRITE);
    cr_assert_eq(write_at(file, "hello", 0), OK);
    wasi_filesystem_types_descriptor_set_size(worker, file, 2, &done);
    cr_expect_eq(CODE(done), OK);
    assert_content(file, 0, 10, "he", false);
    wasi_filesystem_types_descriptor_sync(worker, file, &done);
    wasi_filesystem_types_descriptor_sync_data(worker, file, &done);
    wasi_filesystem_types_descriptor_sync(worker, root, &done);
    for (uint32_t advice = 0; advice <= WASI_FILESYSTEM_TYPES_ADVICE_NO_REUSE; advice++)
        wasi_filesystem_types_descriptor_advise(worker, file, 0, 0, advice, &done);
    cr_expect_eq(CODE(done), OK);
}

/* --- streams --- */

static uint32_t stream_of(void (*make)(struct worker *, uint32_t, uint64_t, handle_result *), uint32_t file,
                          uint64_t offset)
{
    handle_result result = {0};
    make(worker, file, offset, &result);
    cr_assert_eq(CODE(result), OK);
    return result.value.ok;
}

static void write_stream(uint32_t stream, const char *text)
{
    struct result_void_wasi_io_streams_stream_error result = {0};
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream,
                                                           (struct cabi_list){(void *)text, strlen(text)}, &result);
    cr_assert_eq(result.tag, 0);
}

Test(wasi_filesystem, streams_outlive_their_descriptor_and_have_places_of_their_own)
{
    uint32_t file = open_file("a", CREATE, READ | WRITE);
    uint32_t to = stream_of(wasi_filesystem_types_descriptor_write_via_stream, file, 2);
    uint32_t from = stream_of(wasi_filesystem_types_descriptor_read_via_stream, file, 1);
    handle_result append = {0};
    wasi_filesystem_types_descriptor_append_via_stream(worker, file, &append);
    drop(file);
    write_stream(to, "ab");
    write_stream(append.value.ok, "yz");
    write_stream(to, "cd");
    struct result_list_wasi_io_streams_stream_error data = {0};
    wasi_io_streams_input_stream_read(worker, from, 100, &data);
    cr_assert(data.tag == 0 && data.value.ok.count == 5 && memcmp(data.value.ok.items, "\0abcd", 5) == 0);
    wasi_io_streams_input_stream_read(worker, from, 100, &data);
    cr_assert(data.tag == 1 && data.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    host_resource_drop(worker, &wasi_io_streams_output_stream_type, to);
    host_resource_drop(worker, &wasi_io_streams_output_stream_type, append.value.ok);
    host_resource_drop(worker, &wasi_io_streams_input_stream_type, from);
    drop(root);
    cr_assert_eq(double_resource_count(), 0);
}

Test(wasi_filesystem, a_full_disk_is_an_error_of_the_stream)
{
    struct result_void_wasi_io_streams_stream_error result = {0};
    struct option_wasi_filesystem_types_error_code code = {0};
    worker->ephemeral = true;
    worker->preopens[0].fd = open("/dev", O_PATH | O_DIRECTORY);
    root = open_root();
    uint32_t to = stream_of(wasi_filesystem_types_descriptor_write_via_stream, open_file("full", 0, WRITE), 0);
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, to, (struct cabi_list){(void *)"x", 1}, &result);
    cr_assert(result.tag == 1 && result.value.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_filesystem_types_filesystem_error_code(worker, result.value.err.value.last_operation_failed, &code);
    cr_assert(code.tag == 1 && (int)code.value.some == ERROR(INSUFFICIENT_SPACE));
    worker->ephemeral = false;
    to = stream_of(wasi_filesystem_types_descriptor_write_via_stream, open_file("full", 0, WRITE), 0);
    DOUBLE_ASSERT_TRAP("fail: its files: No space left on device",
                       wasi_io_streams_output_stream_blocking_write_and_flush(
                           worker, to, (struct cabi_list){(void *)"x", 1}, &result));
}

/* --- opening --- */

Test(wasi_filesystem, open_at_by_its_flags)
{
    static const struct {
        const char *path;
        uint32_t open_flags, flags;
        int code;
    } rows[] = {
        {"missing", 0, READ, ERROR(NO_ENTRY)},
        {"file", 0, READ, OK},
        {"file", 0, 0, OK},
        {"file", CREATE, READ, OK},
        {"file", EXCLUSIVE, READ, OK},
        {"file", CREATE | EXCLUSIVE, WRITE, ERROR(EXIST)},
        {"file", DIRECTORY, READ, ERROR(NOT_DIRECTORY)},
        {"file/x", 0, READ, ERROR(NOT_DIRECTORY)},
        {"file/", 0, READ, ERROR(NOT_DIRECTORY)},
        {"dir", 0, READ, OK},
        {"dir", DIRECTORY, READ, OK},
        {"dir", DIRECTORY, READ | MUTATE, OK},
        {"dir", 0, WRITE, ERROR(IS_DIRECTORY)},
        {"dir", DIRECTORY, READ | WRITE, ERROR(IS_DIRECTORY)},
        {"dir", TRUNCATE, WRITE, ERROR(IS_DIRECTORY)},
        {"dir", DIRECTORY | CREATE, READ, ERROR(INVALID)},
        {"dir", DIRECTORY | EXCLUSIVE, READ, ERROR(INVALID)},
        {"dir", DIRECTORY | TRUNCATE, READ, ERROR(INVALID)},
        {"new/", CREATE, WRITE, ERROR(IS_DIRECTORY)},
        {"", 0, READ, ERROR(NO_ENTRY)},
        {"/file", 0, READ, ERROR(NOT_PERMITTED)},
        {"../x", 0, READ, ERROR(NOT_PERMITTED)},
    };
    uint32_t ignored;
    void_result done = {0};
    make_file("file", "text");
    wasi_filesystem_types_descriptor_create_directory_at(worker, root, text_of("dir"), &done);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(try_open(rows[i].path, rows[i].open_flags, rows[i].flags, &ignored), rows[i].code, "row %zu: %s",
                     i, rows[i].path);
}

Test(wasi_filesystem, what_is_written_cut_and_appended_is_told_to_checkpoints)
{
    u64_result written = {0};
    void_result done = {0};
    handle_result stream = {0};
    struct result_void_wasi_io_streams_stream_error wrote = {0};
    uint32_t file = open_file("file", CREATE, READ | WRITE);
    cr_assert_eq(write_at(file, "hello", 7), OK);
    cr_expect(worker->written_begin == 7 && worker->written_end == 12);
    wasi_filesystem_types_descriptor_append_via_stream(worker, file, &stream);
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, stream.value.ok, bytes_of("abc"), &wrote);
    cr_expect(worker->written_begin == 12 && worker->written_end == 15);
    wasi_filesystem_types_descriptor_write(worker, file, bytes_of("x"), UINT64_MAX, &written);
    cr_expect_eq(written.tag, 1);
    cr_expect(worker->written_begin == 12 && worker->written_end == 15, "a write that failed");
    wasi_filesystem_types_descriptor_set_size(worker, file, 9, &done);
    cr_expect_eq(worker->resized, 9);
}

Test(wasi_filesystem, what_a_descriptor_was_not_opened_for_fails)
{
    u64_result written = {0};
    read_result read = {0};
    handle_result stream = {0};
    make_file("file", "text");
    uint32_t reader = open_file("file", 0, READ), writer = open_file("file", 0, WRITE);
    cr_expect_eq(write_at(reader, "x", 0), ERROR(BAD_DESCRIPTOR));
    wasi_filesystem_types_descriptor_write_via_stream(worker, reader, 0, &stream);
    cr_expect_eq(CODE(stream), ERROR(BAD_DESCRIPTOR));
    wasi_filesystem_types_descriptor_read(worker, writer, 1, 0, &read);
    cr_expect_eq(CODE(read), ERROR(BAD_DESCRIPTOR));
    stream = (handle_result){0};
    wasi_filesystem_types_descriptor_read_via_stream(worker, writer, 0, &stream);
    cr_expect_eq(CODE(stream), ERROR(BAD_DESCRIPTOR));
    /* a directory is no file ... */
    wasi_filesystem_types_descriptor_write(worker, root, (struct cabi_list){(void *)"x", 1}, 0, &written);
    cr_expect_eq(CODE(written), ERROR(BAD_DESCRIPTOR));
    stream = (handle_result){0};
    wasi_filesystem_types_descriptor_append_via_stream(worker, root, &stream);
    cr_expect_eq(CODE(stream), ERROR(BAD_DESCRIPTOR));
    /* ... and a file no directory */
    stream = (handle_result){0};
    wasi_filesystem_types_descriptor_read_directory(worker, reader, &stream);
    cr_expect_eq(CODE(stream), ERROR(NOT_DIRECTORY));
    stream = (handle_result){0};
    wasi_filesystem_types_descriptor_open_at(worker, reader, 0, text_of("x"), 0, READ, &stream);
    cr_expect_eq(CODE(stream), ERROR(NOT_DIRECTORY));
}

Test(wasi_filesystem, flags_and_type_tell_what_a_descriptor_is)
{
    flags_result flags = {0};
    type_result type = {0};
    make_file("file", "");
    wasi_filesystem_types_descriptor_get_flags(worker, root, &flags);
    cr_expect_eq(flags.value.ok, READ | MUTATE);
    wasi_filesystem_types_descriptor_get_type(worker, root, &type);
    cr_expect_eq(type.value.ok, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY);
    uint32_t file = open_file("file", 0, READ | WRITE);
    wasi_filesystem_types_descriptor_get_flags(worker, file, &flags);
    cr_expect_eq(flags.value.ok, READ | WRITE);
    wasi_filesystem_types_descriptor_get_type(worker, file, &type);
    cr_expect_eq(type.value.ok, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    cr_expect(wasi_filesystem_types_descriptor_is_same_object(worker, file, open_file("file", 0, READ)));
    cr_expect_not(wasi_filesystem_types_descriptor_is_same_object(worker, file, root));
}

Test(wasi_filesystem, a_directory_of_a_recorded_worker_shows_nothing_of_the_file_system)
{
    void_result done = {0};
    stat_result stat = {0};
    wasi_filesystem_types_descriptor_create_directory_at(worker, root, text_of("dir"), &done);
    wasi_filesystem_types_descriptor_stat(worker, root, &stat);
    cr_assert(CODE(stat) == OK && stat.value.ok.size == 0 && stat.value.ok.link_count == 1);
    wasi_filesystem_types_descriptor_stat_at(worker, root, 0, text_of("dir"), &stat);
    cr_assert(CODE(stat) == OK && stat.value.ok.size == 0 && stat.value.ok.link_count == 1);
}

/* --- names --- */

Test(wasi_filesystem, names_are_made_moved_linked_and_removed)
{
    void_result done = {0};
    string_result target = {0};
    stat_result stat = {0};
    uint32_t ignored;
    make_file("file", "text");
    wasi_filesystem_types_descriptor_create_directory_at(worker, root, text_of("dir"), &done);
    uint32_t dir = open_file("dir", DIRECTORY, READ);
    wasi_filesystem_types_descriptor_rename_at(worker, root, text_of("file"), dir, text_of("moved"), &done);
    wasi_filesystem_types_descriptor_link_at(worker, dir, 0, text_of("moved"), root, text_of("second"), &done);
    wasi_filesystem_types_descriptor_symlink_at(worker, root, text_of("dir/moved"), text_of("link"), &done);
    cr_assert_eq(CODE(done), OK);
    wasi_filesystem_types_descriptor_stat_at(worker, root, FOLLOW, text_of("link"), &stat);
    cr_assert(CODE(stat) == OK && stat.value.ok.link_count == 2 && stat.value.ok.size == 4);
    wasi_filesystem_types_descriptor_readlink_at(worker, root, text_of("link"), &target);
    cr_assert(CODE(target) == OK && target.value.ok.size == 9 && memcmp(target.value.ok.data, "dir/moved", 9) == 0);
    wasi_filesystem_types_descriptor_readlink_at(worker, root, text_of("second"), &target);
    cr_assert_eq(CODE(target), ERROR(INVALID));
    wasi_filesystem_types_descriptor_remove_directory_at(worker, root, text_of("dir"), &done);
    cr_assert_eq(CODE(done), ERROR(NOT_EMPTY));
    done = (void_result){0};
    wasi_filesystem_types_descriptor_link_at(worker, root, FOLLOW, text_of("link"), root, text_of("third"), &done);
    cr_assert_eq(CODE(done), ERROR(INVALID));
    done = (void_result){0};
    wasi_filesystem_types_descriptor_unlink_file_at(worker, root, text_of("dir"), &done);
    cr_assert_eq(CODE(done), ERROR(IS_DIRECTORY));
    done = (void_result){0};
    wasi_filesystem_types_descriptor_unlink_file_at(worker, dir, text_of("moved"), &done);
    wasi_filesystem_types_descriptor_remove_directory_at(worker, root, text_of("dir"), &done);
    cr_assert_eq(CODE(done), OK);
    cr_assert_eq(try_open("link", 0, READ, &ignored), ERROR(NO_ENTRY));
}

Test(wasi_filesystem, links_are_followed_only_when_asked)
{
    void_result done = {0};
    stat_result stat = {0};
    handle_result opened = {0};
    make_file("file", "text");
    wasi_filesystem_types_descriptor_symlink_at(worker, root, text_of("file"), text_of("link"), &done);
    wasi_filesystem_types_descriptor_stat_at(worker, root, 0, text_of("link"), &stat);
    cr_assert(CODE(stat) == OK && stat.value.ok.type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK);
    wasi_filesystem_types_descriptor_open_at(worker, root, 0, text_of("link"), 0, READ, &opened);
    cr_assert_eq(CODE(opened), ERROR(LOOP));
}

static void assert_entries(uint32_t stream, const char *wanted)
{
    struct ga_buf names = {0};
    for (;;) {
        entry_result entry = {0};
        wasi_filesystem_types_directory_entry_stream_read_directory_entry(worker, stream, &entry);
        cr_assert_eq(CODE(entry), OK);
        if (entry.value.ok.tag == 0)
            break;
        const struct wasi_filesystem_types_directory_entry *some = &entry.value.ok.value.some;
        ga_buf_printf(&names, "%.*s:%u ", (int)some->name.size, some->name.data, some->type);
    }
    cr_assert_str_eq(ga_buf_cstr(&names), wanted);
    ga_buf_free(&names);
}

static uint32_t list_root(void)
{
    handle_result stream = {0};
    wasi_filesystem_types_descriptor_read_directory(worker, root, &stream);
    cr_assert_eq(CODE(stream), OK);
    return stream.value.ok;
}

Test(wasi_filesystem, a_listing_is_sorted_and_stays_as_it_was)
{
    void_result done = {0};
    static const char *const names[] = {"b", "aa", "a", "Z", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        make_file(names[i], "");
    wasi_filesystem_types_descriptor_create_directory_at(worker, root, text_of("m"), &done);
    wasi_filesystem_types_descriptor_symlink_at(worker, root, text_of("x"), text_of("l"), &done);
    uint32_t stream = list_root();
    make_file("later", "");
    assert_entries(stream, "Z:6 a:6 aa:6 b:6 l:5 m:3 \xc3\xa4:6 ");
    assert_entries(stream, "");
    host_resource_drop(worker, &wasi_filesystem_types_directory_entry_stream_type, stream);
}

Test(wasi_filesystem, a_name_that_is_no_utf_8_is_an_error_and_passed_over)
{
    entry_result entry = {0};
    int fd = openat(worker->preopens[0].fd, "a\xff", O_CREAT | O_WRONLY, 0644);
    cr_assert_geq(fd, 0);
    make_file("b", "");
    uint32_t stream = list_root();
    wasi_filesystem_types_directory_entry_stream_read_directory_entry(worker, stream, &entry);
    cr_assert_eq(CODE(entry), ERROR(ILLEGAL_BYTE_SEQUENCE));
    assert_entries(stream, "b:6 ");
}

/* --- times and replay --- */

static struct wasi_filesystem_types_new_timestamp at_time(uint64_t seconds, uint32_t nanoseconds)
{
    return (struct wasi_filesystem_types_new_timestamp){.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP,
                                                        .value.timestamp = {seconds, nanoseconds}};
}

Test(wasi_filesystem, times_are_set_or_left_or_refused)
{
    void_result done = {0};
    stat_result stat = {0};
    struct wasi_filesystem_types_new_timestamp keep = {0}, one = at_time(1, 5), bad = at_time(1, 1000000000),
                                               far = at_time(UINT64_MAX, 0);
    make_file("file", "");
    uint32_t file = open_file("file", 0, READ | WRITE);
    wasi_filesystem_types_descriptor_set_times(worker, file, &one, &one, &done);
    wasi_filesystem_types_descriptor_set_times_at(worker, root, FOLLOW, text_of("file"), &keep,
                                                  &(struct wasi_filesystem_types_new_timestamp){
                                                      .tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW},
                                                  &done);
    cr_assert_eq(CODE(done), OK);
    wasi_filesystem_types_descriptor_stat(worker, file, &stat);
    cr_assert_eq(stat.value.ok.data_access_timestamp.value.some.seconds, 1);
    cr_assert_eq(stat.value.ok.data_access_timestamp.value.some.nanoseconds, 5);
    cr_assert_gt(stat.value.ok.data_modification_timestamp.value.some.seconds, 1000000000);
    wasi_filesystem_types_descriptor_set_times(worker, file, &bad, &one, &done);
    cr_assert_eq(CODE(done), ERROR(INVALID));
    done = (void_result){0};
    wasi_filesystem_types_descriptor_set_times_at(worker, root, 0, text_of("file"), &keep, &far, &done);
    cr_assert_eq(CODE(done), ERROR(OVERFLOW));
}

static uint64_t stat_mtime(uint32_t file)
{
    stat_result stat = {0};
    wasi_filesystem_types_descriptor_stat(worker, file, &stat);
    cr_assert_eq(CODE(stat), OK);
    cr_assert_eq(stat.value.ok.status_change_timestamp.tag, 0);
    const struct wasi_clocks_wall_clock_datetime *time = &stat.value.ok.data_modification_timestamp.value.some;
    return time->seconds * 1000000000u + time->nanoseconds;
}

/* What one run of a guest does; its files begin empty in every process. */
static void run_guest(uint64_t seen[3], struct wasi_filesystem_types_metadata_hash_value *hash_out)
{
    stat_result stat = {0};
    hash_result hash = {0};
    make_file("file", "text");
    uint32_t file = open_file("file", 0, READ);
    wasi_filesystem_types_descriptor_stat_at(worker, root, 0, text_of("missing"), &stat);
    cr_assert_eq(CODE(stat), ERROR(NO_ENTRY));
    seen[0] = stat_mtime(file);
    wasi_filesystem_types_descriptor_stat_at(worker, root, 0, text_of("file"), &stat);
    wasi_filesystem_types_descriptor_metadata_hash(worker, file, &hash);
    *hash_out = hash.value.ok;
}

Test(wasi_filesystem, in_replay_a_file_has_the_times_that_were_recorded)
{
    uint64_t first[3], second[3];
    struct wasi_filesystem_types_metadata_hash_value first_hash, second_hash;
    struct stat real;
    run_guest(first, &first_hash);
    static const char *const wanted[] = {"cli::preopens::get_directories", "filesystem::types::descriptor::stat",
                                         "filesystem::types::descriptor::stat_at",
                                         "filesystem::types::descriptor::stat"};
    cr_assert_eq(worker->entry_count, 4); /* the failing one is not recorded */
    for (size_t i = 0; i < 4; i++)
        cr_assert_str_eq(worker->entries[i].name, wanted[i]);
    end();
    usleep(20000);
    double_rewind();
    begin();
    run_guest(second, &second_hash);
    cr_assert_eq(worker->position, 4);
    cr_assert_eq(first[0], second[0]);
    cr_assert_eq(first_hash.lower, second_hash.lower);
    cr_assert_eq(first_hash.upper, second_hash.upper);
    cr_assert_eq(fstatat(worker->preopens[0].fd, "file", &real, 0), 0);
    cr_assert_eq((uint64_t)real.st_mtim.tv_sec * 1000000000u + (uint64_t)real.st_mtim.tv_nsec, first[0]);
}

Test(wasi_filesystem, a_preopen_that_is_gone_in_replay_traps)
{
    struct cabi_list list = {0};
    double_rewind();
    worker->preopens[0].guest_path = "/other";
    DOUBLE_ASSERT_TRAP("trap: the preopened directory \"/\" is not there any more",
                       wasi_filesystem_preopens_get_directories(worker, &list));
}

Test(wasi_filesystem, a_command_sees_real_times_and_records_nothing)
{
    stat_result stat = {0};
    worker->command = true;
    uint32_t entries = worker->entry_count;
    make_file("file", "text");
    wasi_filesystem_types_descriptor_stat_at(worker, root, 0, text_of("file"), &stat);
    cr_assert(CODE(stat) == OK && stat.value.ok.status_change_timestamp.tag == 1);
    cr_assert_eq(worker->entry_count, entries);
}

/* --- a restore from a checkpoint: records are there, live parts are not --- */

static void lose_live_parts(void)
{
    for (size_t i = 0; i < sizeof worker->resources / sizeof *worker->resources; i++)
        worker->resources[i].live = NULL;
}

Test(wasi_filesystem, a_listing_survives_a_restore_and_what_changed_since)
{
    void_result done = {0};
    entry_result entry = {0};
    handle_result listing = {0};
    make_file("file", "text");
    make_file("other", "");
    wasi_filesystem_types_descriptor_read_directory(worker, root, &listing);
    wasi_filesystem_types_directory_entry_stream_read_directory_entry(worker, listing.value.ok, &entry);
    wasi_filesystem_types_descriptor_unlink_file_at(worker, root, text_of("other"), &done);
    make_file("another", "");
    lose_live_parts();
    assert_entries(listing.value.ok, "other:6 ");
    drop(root);
    host_resource_drop(worker, &wasi_filesystem_types_directory_entry_stream_type, listing.value.ok);
    cr_assert_eq(double_resource_count(), 0);
}

Test(wasi_filesystem, a_directory_of_too_many_names_is_not_listed)
{
    handle_result listing = {0};
    char name[256];
    int fd = open(directory, O_RDONLY | O_DIRECTORY), file = openat(fd, "file", O_CREAT | O_WRONLY, 0666);
    cr_assert(file >= 0);
    memset(name, 'x', 255);
    name[255] = '\0';
    for (unsigned i = 0; i <= GA_MAX_LISTING_BYTES / 257; i++) {
        snprintf(name, 16, "%014u", i);
        name[14] = 'x';
        cr_assert_eq(mknodat(fd, name, S_IFIFO | 0600, 0), 0);
    }
    wasi_filesystem_types_descriptor_read_directory(worker, root, &listing);
    cr_assert_eq(CODE(listing), ERROR(INSUFFICIENT_MEMORY));
    cr_assert_eq(double_resource_count(), 2, "nothing is left of it");
}

Test(wasi_filesystem, a_path_too_long_for_the_oplog_is_as_good_as_any)
{
    char path[600] = "";
    while (strlen(path) < 520)
        strcat(path, "./");
    make_file("file", "text");
    strcat(path, "file");
    uint32_t file = open_file(path, 0, READ);
    assert_content(file, 0, 10, "text", false);
}

Test(wasi_filesystem, thousands_of_opened_and_dropped_files_leave_no_fd)
{
    make_file("file", "text");
    int before = dup(0);
    close(before);
    for (int i = 0; i < 5000; i++)
        drop(open_file("file", 0, READ));
    int after = dup(0);
    cr_assert_eq(before, after);
}

Test(wasi_filesystem, running_out_of_fds_is_an_error_code)
{
    uint32_t ignored;
    make_file("file", "text");
    int next = dup(0);
    close(next);
    struct rlimit limit = {(rlim_t)next, (rlim_t)next};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(try_open("file", 0, READ, &ignored), ERROR(INSUFFICIENT_MEMORY));
    drop(root);
    cr_assert_eq(double_resource_count(), 0);
}
