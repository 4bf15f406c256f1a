/* The build driver's parts: keys, cache, processes, ELF sections, versions. Whole builds are in tests/e2e. */

#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_cache.h"
#include "build_compile.h"
#include "build_elf.h"
#include "build_files.h"
#include "build_known.h"
#include "build_process.h"
#include "build_tools.h"

/* --- a world of its own for each test --- */

static char home[64];
static struct ga_arena arena;
static struct ga_report report;

static void enter(void)
{
    strcpy(home, "/tmp/golem-aot-unit-XXXXXX");
    cr_assert(mkdtemp(home));
    setenv("XDG_CACHE_HOME", home, 1);
}

static void leave(void)
{
    build_tree_remove(home);
    ga_arena_free(&arena);
}

TestSuite(build_cache, .init = enter, .fini = leave);
TestSuite(build_known, .init = enter, .fini = leave);
TestSuite(build_process, .init = enter, .fini = leave);
TestSuite(build_files, .init = enter, .fini = leave);

static struct build_cache open_cache(void)
{
    struct build_cache cache;
    cr_assert_eq(build_cache_open(&arena, &cache, &report), GA_OK, "%s", report.text);
    cr_assert(cache.keeps);
    return cache;
}

static const char *write_temporary(struct build_cache *cache, const char *text)
{
    const char *path = build_cache_temporary(cache, &arena, ".o");
    cr_assert_eq(build_file_write(path, text, strlen(text), &report), GA_OK);
    return path;
}

static const char *contents(const char *path)
{
    struct ga_buf buf = {0};
    cr_assert_eq(build_file_read(path, 1 << 20, &buf, &report), GA_OK, "%s", report.text);
    char *text = ga_arena_strndup(&arena, (const char *)buf.data, buf.size);
    ga_buf_free(&buf);
    return text;
}

/* --- keys --- */

static const char *key_of(const char *first, const char *second)
{
    struct build_key key;
    build_key_start(&key);
    build_key_text(&key, first);
    build_key_text(&key, second);
    return build_key_end(&key, &arena);
}

Test(build_key, parts_are_kept_apart)
{
    cr_expect_str_eq(key_of("ab", "c"), key_of("ab", "c"));
    cr_expect_str_neq(key_of("ab", "c"), key_of("a", "bc"));
    cr_expect_str_neq(key_of("abc", ""), key_of("", "abc"));
    cr_expect_eq(strlen(key_of("", "")), 64);
}

Test(build_key, raw_bytes_alone_are_their_sha256)
{
    struct build_key key;
    build_key_start(&key);
    build_key_raw(&key, "abc", 3);
    cr_expect_str_eq(build_key_end(&key, &arena), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* --- the cache --- */

static const char KEY[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

Test(build_cache, what_was_put_is_found)
{
    struct build_cache cache = open_cache();
    cr_expect_null(build_cache_get(&cache, &arena, "objects", KEY));
    const char *path = build_cache_put(&cache, &arena, "objects", KEY, write_temporary(&cache, "object"));
    const char *found = build_cache_get(&cache, &arena, "objects", KEY);
    cr_assert(found);
    cr_expect_str_eq(found, path);
    cr_expect_str_eq(contents(found), "object");
    cr_expect_null(build_cache_get(&cache, &arena, "executables", KEY));
    build_cache_close(&cache);
    cache = open_cache();
    cr_expect(build_cache_get(&cache, &arena, "objects", KEY));
    build_cache_close(&cache);
}

Test(build_cache, damaged_entries_are_absent_and_can_be_replaced)
{
    static const char *const damages[] = {"objecT", "objec", "object ", ""};
    struct build_cache cache = open_cache();
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const char *path = build_cache_put(&cache, &arena, "objects", KEY, write_temporary(&cache, "object"));
        cr_assert(build_cache_get(&cache, &arena, "objects", KEY));
        cr_assert_eq(build_file_write(path, damages[i], strlen(damages[i]), &report), GA_OK);
        cr_expect_null(build_cache_get(&cache, &arena, "objects", KEY), "\"%s\"", damages[i]);
    }
    build_cache_put(&cache, &arena, "objects", KEY, write_temporary(&cache, "object"));
    cr_expect(build_cache_get(&cache, &arena, "objects", KEY));
    build_cache_close(&cache);
}

Test(build_cache, an_entry_without_its_sum_is_absent)
{
    struct build_cache cache = open_cache();
    const char *path = build_cache_put(&cache, &arena, "objects", KEY, write_temporary(&cache, "object"));
    cr_assert_eq(unlink(ga_arena_printf(&arena, "%s.sum", path)), 0);
    cr_expect_null(build_cache_get(&cache, &arena, "objects", KEY));
    build_cache_close(&cache);
}

Test(build_cache, the_oldest_entries_go_first)
{
    struct build_cache cache = open_cache();
    char keys[4][65];
    for (int i = 0; i < 4; i++) {
        snprintf(keys[i], sizeof keys[i], "%064d", i);
        const char *path = build_cache_put(&cache, &arena, "objects", keys[i], write_temporary(&cache, "0123456789"));
        struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
        cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    cr_assert(build_cache_get(&cache, &arena, "objects", keys[0])); /* now it is the youngest */
    build_cache_evict(cache.root, "objects", 20);
    cr_expect(build_cache_get(&cache, &arena, "objects", keys[0]));
    cr_expect_null(build_cache_get(&cache, &arena, "objects", keys[1]));
    cr_expect_null(build_cache_get(&cache, &arena, "objects", keys[2]));
    cr_expect(build_cache_get(&cache, &arena, "objects", keys[3]));
    build_cache_close(&cache);
}

Test(build_cache, a_closed_cache_leaves_no_temporary_directory)
{
    struct build_cache cache = open_cache();
    write_temporary(&cache, "object");
    const char *temporary = ga_arena_strndup(&arena, cache.temporary, strlen(cache.temporary));
    cr_assert_eq(access(temporary, F_OK), 0);
    build_cache_close(&cache);
    cr_expect_eq(access(temporary, F_OK), -1);
}

Test(build_cache, leftovers_of_dead_builds_are_removed_and_those_of_living_ones_are_not)
{
    struct build_cache living = open_cache(), dead = open_cache();
    write_temporary(&dead, "object");
    close(dead.lock_fd); /* as if it had been killed */
    struct build_cache third = open_cache();
    cr_expect_eq(access(living.temporary, F_OK), 0);
    cr_expect_eq(access(dead.temporary, F_OK), -1);
    build_cache_close(&third);
    build_cache_close(&living);
}

Test(build_cache, without_a_place_for_it_there_is_a_temporary_directory_and_no_cache)
{
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    struct build_cache cache;
    cr_assert_eq(build_cache_open(&arena, &cache, &report), GA_OK, "%s", report.text);
    cr_expect(!cache.keeps);
    const char *path = write_temporary(&cache, "object");
    cr_expect_str_eq(build_cache_put(&cache, &arena, "objects", KEY, path), path);
    cr_expect_null(build_cache_get(&cache, &arena, "objects", KEY));
    build_cache_close(&cache);
    cr_expect_eq(access(path, F_OK), -1);
}

/* --- what is known of a component --- */

static struct timespec later(struct timespec time, long milliseconds)
{
    time.tv_nsec += milliseconds * 1000000;
    return (struct timespec){time.tv_sec + time.tv_nsec / 1000000000, time.tv_nsec % 1000000000};
}

Test(build_known, what_changed_shortly_before_the_build_is_not_noted)
{
    struct build_cache cache = open_cache();
    struct build_tools tools = {0};
    struct build_options options = {.input = write_temporary(&cache, "component")};
    const char *tool = write_temporary(&cache, "tool"), *executable = write_temporary(&cache, "executable");
    struct stat info;
    *GA_PUSH(&arena, &tools.files) = tool;
    cr_assert_eq(stat(tool, &info), 0); /* the last of the two to be written */
    build_known_note(&arena, &cache, &tools, &options, executable, later(info.st_ctim, 50));
    cr_expect_null(build_known_find(&arena, &options));
    build_known_note(&arena, &cache, &tools, &options, executable, later(info.st_ctim, 4000));
    cr_assert_str_eq(build_known_find(&arena, &options), executable);
    struct build_options other = options;
    other.allow_missing = true;
    cr_expect_null(build_known_find(&arena, &other));
    cr_assert_eq(build_file_write(tool, "TOOL", 4, &report), GA_OK);
    cr_expect_null(build_known_find(&arena, &options));
    build_cache_close(&cache);
}

Test(build_known, after_a_day_the_long_way_is_gone)
{
    struct build_cache cache = open_cache();
    struct build_tools tools = {0};
    struct build_options options = {.input = write_temporary(&cache, "component")};
    const char *executable = write_temporary(&cache, "executable");
    struct timespec now, old[2];
    clock_gettime(CLOCK_REALTIME, &now);
    old[0] = old[1] = (struct timespec){now.tv_sec - 23 * 3600, 0};
    cr_assert_eq(utimensat(AT_FDCWD, executable, old, 0), 0);
    build_known_note(&arena, &cache, &tools, &options, executable, later(now, 4000));
    cr_assert_str_eq(build_known_find(&arena, &options), executable);
    old[0] = old[1] = (struct timespec){now.tv_sec - 25 * 3600, 0};
    cr_assert_eq(utimensat(AT_FDCWD, executable, old, 0), 0);
    build_known_note(&arena, &cache, &tools, &options, executable, later(now, 4000));
    cr_expect_null(build_known_find(&arena, &options));
    build_cache_close(&cache);
}

/* --- files --- */

Test(build_files, appending_keeps_what_is_there)
{
    struct build_cache cache = open_cache();
    const char *one = write_temporary(&cache, "one "), *two = write_temporary(&cache, "two");
    int fd = open(one, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert_eq(build_file_append(fd, two, &report), GA_OK, "%s", report.text);
    close(fd);
    cr_expect_str_eq(contents(one), "one two");
    build_cache_close(&cache);
}

Test(build_files, a_file_beyond_the_limit_is_refused)
{
    struct build_cache cache = open_cache();
    struct ga_buf buf = {0};
    const char *path = write_temporary(&cache, "0123456789");
    cr_expect_eq(build_file_read(path, 9, &buf, &report), GA_LIMIT);
    report = (struct ga_report){0};
    cr_expect_eq(build_file_read(path, 10, &buf, &report), GA_OK);
    cr_expect_eq(buf.size, 10);
    ga_buf_free(&buf);
    build_cache_close(&cache);
}

Test(build_files, errors_name_the_file)
{
    struct ga_buf buf = {0};
    cr_expect_eq(build_file_read("/nowhere/at/all", 10, &buf, &report), GA_NOT_FOUND);
    cr_expect(strstr(report.text, "/nowhere/at/all") && strstr(report.text, "No such file"), "%s", report.text);
    report = (struct ga_report){0};
    cr_expect_eq(build_directory_make("/proc/nowhere/x", &report), GA_NOT_FOUND);
}

/* --- processes --- */

struct ended {
    int count, ok_count;
    struct build_pool *pool;
    const struct build_job *next; /* added when one has ended */
};

static enum ga_status note(void *context, bool ok, struct ga_report *unused)
{
    struct ended *ended = context;
    (void)unused;
    ended->count++;
    ended->ok_count += ok;
    if (ended->next && ended->count < 5)
        build_pool_add(ended->pool, ended->next);
    return GA_OK;
}

static const char *const *shell(const char *script)
{
    const char **arguments = ga_arena_array(&arena, 4, sizeof *arguments);
    arguments[0] = "sh";
    arguments[1] = "-c";
    arguments[2] = script;
    return arguments;
}

static enum ga_status run_job(struct build_job job, struct ended *ended)
{
    struct build_cache cache = open_cache();
    struct build_pool *pool = build_pool_open(&arena, 2, cache.temporary, true);
    ended->pool = pool;
    job.context = ended;
    job.done = note;
    job.pass_fd = job.pass_fd ? job.pass_fd : -1;
    build_pool_add(pool, &job);
    enum ga_status status = build_pool_run(pool, &report);
    build_pool_close(pool);
    build_cache_close(&cache);
    return status;
}

Test(build_process, a_job_that_ends_well_is_told)
{
    struct ended ended = {0};
    cr_expect_eq(run_job((struct build_job){.arguments = shell("exit 0"), .what = "sh"}, &ended), GA_OK);
    cr_expect(ended.count == 1 && ended.ok_count == 1);
}

Test(build_process, a_jobs_end_may_add_others)
{
    struct ended ended = {0};
    struct build_job next = {.arguments = shell("exit 0"), .what = "sh", .done = note, .context = &ended, .pass_fd = -1};
    ended.next = &next;
    cr_expect_eq(run_job(next, &ended), GA_OK, "%s", report.text);
    cr_expect_eq(ended.count, 5);
}

Test(build_process, a_failing_job_is_reported_with_its_words)
{
    struct ended ended = {0};
    const char *script = "echo 'some.c:1: error: no good' >&2; printf 'a\\033b' >&2; exit 3";
    cr_expect_eq(run_job((struct build_job){.arguments = shell(script), .what = "the tool"}, &ended), GA_TOOL);
    cr_expect_str_eq(report.text, "the tool ended with 3:\nsome.c:1: error: no good\na?b");
    cr_expect_eq(ended.count, 0);
}

Test(build_process, a_flood_of_words_is_cut)
{
    struct ended ended = {0};
    const char *script = "yes 'error error error' | head -c 1000000 >&2; exit 1";
    cr_expect_eq(run_job((struct build_job){.arguments = shell(script), .what = "the tool"}, &ended), GA_TOOL);
    cr_expect(strlen(report.text) > 500 && strlen(report.text) < 1000);
}

Test(build_process, a_job_that_may_fail_is_no_error)
{
    struct ended ended = {0};
    cr_expect_eq(run_job((struct build_job){.arguments = shell("exit 1"), .what = "sh", .may_fail = true}, &ended),
                 GA_OK);
    cr_expect(ended.count == 1 && ended.ok_count == 0);
}

Test(build_process, a_missing_program_is_named)
{
    static const char *const arguments[] = {"no-such-program-anywhere", NULL};
    struct ended ended = {0};
    cr_expect_eq(run_job((struct build_job){.arguments = arguments, .what = "the tool"}, &ended), GA_TOOL);
    cr_expect_str_eq(report.text, "cannot start the tool (no-such-program-anywhere): No such file or directory");
}

Test(build_process, a_signal_is_named)
{
    struct ended ended = {0};
    cr_expect_eq(run_job((struct build_job){.arguments = shell("kill -SEGV $$"), .what = "the tool"}, &ended), GA_TOOL);
    cr_expect(strstr(report.text, "the tool was killed by signal 11 (Segmentation fault)"), "%s", report.text);
}

Test(build_process, a_job_without_end_is_stopped, .timeout = 20)
{
    struct ended ended = {0};
    struct build_job job = {.arguments = shell("sleep 100"), .what = "the tool", .limits = {.wall_s = 1}};
    cr_expect_eq(run_job(job, &ended), GA_TOOL);
    cr_expect_str_eq(report.text, "the tool took longer than 1 s and was stopped");
}

Test(build_process, a_job_that_computes_for_ever_is_stopped, .timeout = 20)
{
    struct ended ended = {0};
    struct build_job job = {.arguments = shell("while :; do :; done"), .what = "the tool", .limits = {.cpu_s = 1}};
    cr_expect_eq(run_job(job, &ended), GA_TOOL);
    cr_expect(strstr(report.text, "was killed by signal"), "%s", report.text);
}

Test(build_process, memory_is_limited)
{
    struct ended ended = {0};
    struct build_job job = {.arguments = shell("x=a; while :; do x=$x$x; done"),
                            .what = "the tool",
                            .limits = {.memory_bytes = 64 << 20, .cpu_s = 10}};
    cr_expect_eq(run_job(job, &ended), GA_TOOL);
}

Test(build_process, the_passed_descriptor_is_number_3)
{
    struct ended ended = {0};
    char path[80];
    snprintf(path, sizeof path, "%s/passed", home);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct build_job job = {.arguments = shell("echo through >&3"), .what = "sh", .pass_fd = fd};
    cr_expect_eq(run_job(job, &ended), GA_OK, "%s", report.text);
    close(fd);
    cr_expect_str_eq(contents(path), "through\n");
}

Test(build_process, an_interrupt_ends_the_children_and_has_its_effect_at_the_end, .signal = SIGTERM, .timeout = 20)
{
    struct build_cache cache = open_cache();
    struct build_pool *pool = build_pool_open(&arena, 2, cache.temporary, true);
    char script[64];
    snprintf(script, sizeof script, "kill -TERM %d; sleep 100", getpid());
    build_pool_add(pool, &(struct build_job){.arguments = shell(script), .what = "sh", .pass_fd = -1});
    cr_expect_eq(build_pool_run(pool, &report), GA_TOOL);
    build_cache_close(&cache);
    build_pool_close(pool); /* ends this process with SIGTERM */
    cr_assert_fail("still here");
}

/* --- versions and sizes --- */

Test(build_tools, versions_are_read)
{
    cr_expect_eq(build_version_parse("1.0.42\n"), BUILD_VERSION(1, 0, 42));
    cr_expect_eq(build_version_parse("1.0.36 (git~1.0.36-3)"), BUILD_VERSION(1, 0, 36));
    cr_expect_gt(build_version_parse("1.1.0"), BUILD_VERSION(1, 0, 9999));
    cr_expect_eq(build_version_parse("wasm2c"), 0);
    cr_expect_eq(build_version_parse(""), 0);
    cr_expect_eq(build_version_parse("1.0"), 0);
}

Test(build_compile, modules_are_split_by_size)
{
    cr_expect_eq(build_output_count(0), 1);
    cr_expect_eq(build_output_count(30000), 1);
    cr_expect_eq(build_output_count(66000), 3);
    cr_expect_eq(build_output_count(100000), 4);
    cr_expect_eq(build_output_count(1 << 20), 8);
    cr_expect_eq(build_output_count(1ull << 40), 256);
    for (uint64_t size = 0, last = 1; size < 4 << 20; size += 4096) {
        cr_expect_geq(build_output_count(size), last);
        last = build_output_count(size);
    }
}

/* --- ELF --- */

/* A file of three sections: none, ".golem.wit" with "text", and the names. */
static size_t make_elf(uint8_t *file)
{
    static const char names[] = "\0.golem.wit\0.shstrtab";
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64},
                         .e_shoff = sizeof header,
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = 3,
                         .e_shstrndx = 2};
    size_t data = sizeof header + 3 * sizeof(Elf64_Shdr);
    Elf64_Shdr sections[3] = {
        {0},
        {.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = data, .sh_size = 4},
        {.sh_name = 12, .sh_type = SHT_STRTAB, .sh_offset = data + 4, .sh_size = sizeof names},
    };
    memcpy(file, &header, sizeof header);
    memcpy(file + sizeof header, sections, sizeof sections);
    memcpy(file + data, "text", 4);
    memcpy(file + data + 4, names, sizeof names);
    return data + 4 + sizeof names;
}

Test(build_elf, a_section_is_found_by_name)
{
    uint8_t file[512];
    const uint8_t *data;
    size_t size = make_elf(file), data_size;
    cr_assert(build_elf_section(file, size, ".golem.wit", &data, &data_size));
    cr_expect(data_size == 4 && memcmp(data, "text", 4) == 0);
    cr_expect(!build_elf_section(file, size, ".golem", &data, &data_size));
    cr_expect(!build_elf_section(file, size, ".text", &data, &data_size));
}

Test(build_elf, no_damaged_file_is_read_outside_of_itself)
{
    uint8_t file[512];
    const uint8_t *data;
    size_t size = make_elf(file), data_size;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1); /* of just that size, for the sanitizer's eyes */
        memcpy(copy, file, cut);
        cr_expect(!build_elf_section(copy, cut, ".golem.wit", &data, &data_size));
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        uint8_t *copy = malloc(size);
        memcpy(copy, file, size);
        copy[bit / 8] ^= 1u << bit % 8;
        if (build_elf_section(copy, size, ".golem.wit", &data, &data_size))
            cr_expect(data >= copy && data_size <= size && data + data_size <= copy + size);
        free(copy);
    }
}
