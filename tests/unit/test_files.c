#define _GNU_SOURCE

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "ga_buf.h"
#include "io_content.h"
#include "io_tree.h"

/*
 * A worker's files in checkpoints. The tests do to the directory what host functions would, and tell of it; then a slot is written,
 * and what another process would restore from it is compared with the original, byte for byte and time for time.
 */
static char home[64];
static int home_fd;
static struct files files;

static void begin(void)
{
    snprintf(home, sizeof home, "/tmp/files_XXXXXX");
    cr_assert_not_null(mkdtemp(home));
    home_fd = open(home, O_RDONLY | O_DIRECTORY);
    files_init(&files, home_fd);
    cr_assert_eq(files_make(&files, false), 0);
}

static void end(void)
{
    files_end(&files);
    close(home_fd);
    cr_assert_eq(io_tree_remove(AT_FDCWD, home), 0);
}

TestSuite(files, .init = begin, .fini = end, .timeout = 120);

/* --- what host functions do --- */

static void open_as(uint32_t rep, const char *path, int flags)
{
    int fd = openat(files.root_fd, path, flags | O_CLOEXEC, 0666);
    cr_assert(fd >= 0, "%s", path);
    files_put(&files, rep, fd, flags, (flags & (O_CREAT | O_TRUNC)) != 0);
}

static void write_at(uint32_t rep, uint64_t at, const void *data, size_t size)
{
    cr_assert_eq(pwrite(files_fd(&files, rep), data, size, (off_t)at), (ssize_t)size);
    files_note_write(&files, rep, at, at + size);
    files_touch(&files);
}

static void set_size(uint32_t rep, uint64_t size)
{
    cr_assert_eq(ftruncate(files_fd(&files, rep), (off_t)size), 0);
    files_note_size(&files, rep, size);
    files_touch(&files);
}

static void make_file(const char *path, const char *text)
{
    open_as(999, path, O_CREAT | O_RDWR);
    write_at(999, 0, text, strlen(text));
    files_drop(&files, 999);
}

/* --- looking --- */

static void describe_object(struct ga_buf *out, int fd, const struct stat *stat)
{
    uint64_t sum = 0;
    if (S_ISREG(stat->st_mode))
        cr_assert_eq(io_content_sum(fd, &sum), 0);
    ga_buf_printf(out, " mode %o size %lld links %d sum %llx modified %lld.%09ld", stat->st_mode,
                  S_ISDIR(stat->st_mode) ? 0 : (long long)stat->st_size, S_ISDIR(stat->st_mode) ? 0 : (int)stat->st_nlink,
                  (unsigned long long)sum, (long long)stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec);
    ga_buf_printf(out, " accessed %lld.%09ld\n", (long long)stat->st_atim.tv_sec, stat->st_atim.tv_nsec);
}

static void describe_entry(struct ga_buf *out, const struct io_tree *tree, const struct io_tree_entry *entry)
{
    char target[4096] = "";
    ga_buf_printf(out, "%u %s", tree->depth, entry->name);
    if (S_ISLNK(entry->stat.st_mode)) {
        cr_assert(readlinkat(tree->fd, entry->name, target, sizeof target - 1) > 0);
        ga_buf_printf(out, " -> %s", target);
        const struct timespec times[] = {entry->stat.st_atim, entry->stat.st_mtim};
        cr_assert_eq(utimensat(tree->fd, entry->name, times, AT_SYMLINK_NOFOLLOW), 0);
    }
    int fd = S_ISREG(entry->stat.st_mode) ? io_tree_open_quietly(tree->fd, entry->name, O_RDONLY) : -1;
    describe_object(out, fd, &entry->stat);
    if (fd >= 0)
        close(fd);
}

/* All that a guest can find out, as text; the caller frees it. */
static struct ga_buf describe(const struct files *which)
{
    struct ga_buf out = {0};
    struct io_tree tree;
    struct io_tree_entry entry;
    cr_assert_eq(io_tree_start(&tree, which->root_fd), 0);
    for (int got; (got = io_tree_next(&tree, &entry)) == 1 || tree.depth > 1;) {
        if (got == 0) {
            cr_assert_eq(io_tree_leave(&tree, NULL), 0);
            continue;
        }
        describe_entry(&out, &tree, &entry);
        if (S_ISDIR(entry.stat.st_mode))
            cr_assert_eq(io_tree_enter(&tree), 0);
    }
    io_tree_end(&tree);
    for (uint32_t rep = 0; rep < which->open_capacity; rep++) {
        struct stat stat;
        if (which->open[rep].fd < 0)
            continue;
        cr_assert_eq(fstat(which->open[rep].fd, &stat), 0);
        ga_buf_printf(&out, "open %u %d", rep, which->open[rep].flags);
        describe_object(&out, which->open[rep].fd, &stat);
        cr_assert_eq(futimens(which->open[rep].fd, (struct timespec[]){stat.st_atim, stat.st_mtim}), 0);
    }
    ga_buf_cstr(&out);
    return out;
}

static uint64_t write_slot(unsigned slot)
{
    struct ga_report report = {0};
    uint64_t sum;
    cr_assert_eq(files_write(&files, slot, &sum, &report), GA_OK, "%s", report.text);
    return sum;
}

/* What another process would have. */
static void assert_restores(unsigned slot, uint64_t sum)
{
    struct files other;
    struct ga_report report = {0};
    files_init(&other, home_fd);
    cr_assert_eq(files_restore(&other, slot, sum, true, &report), GA_OK, "%s", report.text);
    struct ga_buf now = describe(&files), then = describe(&other);
    cr_assert_str_eq((char *)now.data, (char *)then.data);
    cr_assert_eq(files_digest(&files), files_digest(&other));
    ga_buf_free(&now);
    ga_buf_free(&then);
    files_end(&other);
}

static void assert_written(unsigned slot)
{
    assert_restores(slot, write_slot(slot));
}

/* --- tests --- */

Test(files, all_kinds_of_objects_come_back)
{
    make_file("empty", "");
    make_file("text", "some text");
    cr_assert_eq(mkdirat(files.root_fd, "dir", 0777), 0);
    cr_assert_eq(mkdirat(files.root_fd, "dir/nothing", 0777), 0);
    make_file("dir/inside", "more");
    cr_assert_eq(symlinkat("dir/inside", files.root_fd, "link"), 0);
    cr_assert_eq(symlinkat("nowhere", files.root_fd, "dangling"), 0);
    cr_assert_eq(linkat(files.root_fd, "text", files.root_fd, "dir/text", 0), 0);
    cr_assert_eq(linkat(files.root_fd, "link", files.root_fd, "dir/link", 0), 0);
    make_file("\xff\x01 odd", "name");
    make_file("closed", "read only");
    cr_assert_eq(fchmodat(files.root_fd, "closed", 0444, 0), 0);
    const struct timespec times[] = {{-5, 7}, {2000000000, 999999999}};
    cr_assert_eq(utimensat(files.root_fd, "text", times, 0), 0);
    cr_assert_eq(utimensat(files.root_fd, "link", times, AT_SYMLINK_NOFOLLOW), 0);
    cr_assert_eq(utimensat(files.root_fd, "dir", times, 0), 0);
    assert_written(0);
    assert_written(1);
}

Test(files, names_of_one_file_are_one_file_again)
{
    struct files other;
    struct ga_report report = {0};
    struct stat a, b;
    make_file("a", "text");
    cr_assert_eq(linkat(files.root_fd, "a", files.root_fd, "b", 0), 0);
    files_init(&other, home_fd);
    cr_assert_eq(files_restore(&other, 0, write_slot(0), true, &report), GA_OK, "%s", report.text);
    cr_assert(fstatat(other.root_fd, "a", &a, 0) == 0 && fstatat(other.root_fd, "b", &b, 0) == 0);
    cr_assert(a.st_ino == b.st_ino && a.st_nlink == 2);
    files_end(&other);
}

Test(files, what_is_open_stays_open_whatever_became_of_its_name)
{
    cr_assert_eq(mkdirat(files.root_fd, "dir", 0777), 0);
    cr_assert_eq(mkdirat(files.root_fd, "gone", 0777), 0);
    open_as(1, ".", O_RDONLY | O_DIRECTORY);
    open_as(2, "dir", O_RDONLY | O_DIRECTORY);
    open_as(3, "gone", O_RDONLY | O_DIRECTORY);
    open_as(4, "dir/kept", O_CREAT | O_RDWR);
    open_as(5, "dir/kept", O_RDONLY);
    open_as(6, "moved", O_CREAT | O_RDWR);
    open_as(7, "removed", O_CREAT | O_RDWR);
    open_as(70, "removed", O_RDONLY);
    open_as(8, "cut", O_CREAT | O_RDWR);
    for (uint32_t rep = 4; rep <= 8; rep++)
        if (rep != 5)
            write_at(rep, rep, "text", 4);
    cr_assert_eq(renameat(files.root_fd, "moved", files.root_fd, "dir/elsewhere"), 0);
    cr_assert_eq(unlinkat(files.root_fd, "removed", 0), 0);
    cr_assert_eq(unlinkat(files.root_fd, "gone", AT_REMOVEDIR), 0);
    make_file("removed", "another file of that name");
    set_size(8, 0);
    assert_written(0);
    write_at(7, 2, "into what has no name", 21);
    assert_written(1);
    assert_written(0);
    files_drop(&files, 70);
    files_drop(&files, 7);
    assert_written(0);
    assert_written(1);
}

Test(files, a_slot_is_restored_in_a_process_that_goes_on_with_it)
{
    struct ga_report report = {0};
    make_file("a", "first");
    open_as(3, "a", O_RDWR);
    open_as(4, "gone", O_CREAT | O_RDWR);
    write_at(4, 0, "nameless", 8);
    cr_assert_eq(unlinkat(files.root_fd, "gone", 0), 0);
    uint64_t sum = write_slot(0);
    for (int round = 0; round < 3; round++) {
        files_end(&files);
        cr_assert_eq(files_restore(&files, round % 2 == 0 ? 0 : 1, sum, false, &report), GA_OK, "%s", report.text);
        write_at(3, (uint64_t)round, "second", 6);
        write_at(4, (uint64_t)round, "again", 5);
        make_file(round == 1 ? "b" : "c", "new");
        sum = write_slot(round % 2 == 0 ? 1 : 0);
        assert_restores(round % 2 == 0 ? 1 : 0, sum);
    }
}

/* Bytes that the slot's directory takes and that were written since: a copy that is not written keeps its time. */
static int64_t modified_ns(const char *path)
{
    struct stat stat;
    cr_assert_eq(fstatat(home_fd, path, &stat, 0), 0, "%s", path);
    return (int64_t)stat.st_mtim.tv_sec * 1000000000 + stat.st_mtim.tv_nsec;
}

Test(files, only_what_changed_is_written_again)
{
    static char large[1 << 22];
    memset(large, 'x', sizeof large);
    open_as(1, "large", O_CREAT | O_RDWR);
    write_at(1, 0, large, sizeof large);
    make_file("small", "text");
    cr_assert_gt(files_cost_ns(&files, 0), sizeof large);
    assert_written(0);
    assert_written(1);
    int64_t small = modified_ns("files-0/2"), list = modified_ns("files-0/list");
    cr_assert_eq(files_cost_ns(&files, 0), 0);
    write_at(1, 100000, "yy", 2);
    cr_assert_lt(files_cost_ns(&files, 0), 20000);
    assert_written(0);
    cr_assert_eq(modified_ns("files-0/2"), small);
    cr_assert_neq(modified_ns("files-0/list"), list);
    list = modified_ns("files-0/list");
    cr_assert_not(files_is_pending(&files, 0));
    cr_assert_eq(write_slot(0), files.slots[0].sum);
    cr_assert_eq(modified_ns("files-0/list"), list, "nothing was done to files, so nothing is written");
    assert_written(1);
}

Test(files, holes_stay_holes)
{
    struct stat stat;
    open_as(1, "sparse", O_CREAT | O_RDWR);
    set_size(1, 1ull << 40);
    write_at(1, 1ull << 39, "in the middle", 13);
    assert_written(0);
    cr_assert_eq(fstatat(home_fd, "files-0/1", &stat, 0), 0);
    cr_assert(stat.st_size == 1ll << 40 && stat.st_blocks < 64);
    write_at(1, 5, "at the beginning", 16);
    set_size(1, 1ull << 38);
    set_size(1, 1ull << 41);
    assert_written(0);
    assert_written(1);
}

Test(files, a_tree_deeper_than_any_path_is_written_restored_and_removed)
{
    int fd = dup(files.root_fd);
    for (int i = 0; i < 3000; i++) {
        cr_assert_eq(mkdirat(fd, "deeper", 0777), 0);
        int next = openat(fd, "deeper", O_RDONLY | O_DIRECTORY);
        close(fd);
        fd = next;
    }
    close(openat(fd, "bottom", O_CREAT | O_WRONLY, 0666));
    close(fd);
    files_touch(&files);
    assert_written(0);
}

Test(files, an_inode_that_comes_back_for_another_file_has_that_file_s_contents)
{
    for (int i = 0; i < 200; i++) {
        make_file("a", i % 2 == 0 ? "one" : "");
        assert_written(i % 3 == 0);
        cr_assert_eq(unlinkat(files.root_fd, "a", 0), 0);
        open_as(5, "b", O_CREAT | O_RDONLY);
        files_drop(&files, 5);
        assert_written(i % 5 == 0);
        cr_assert_eq(unlinkat(files.root_fd, "b", 0), 0);
    }
}

/* --- what somebody else did to a slot --- */

static void damage_list(void)
{
    int fd = openat(home_fd, "files-0/list", O_RDWR);
    cr_assert_eq(pwrite(fd, "x", 1, 20), 1);
    close(fd);
}

static void remove_list(void)
{
    cr_assert_eq(unlinkat(home_fd, "files-0/list", 0), 0);
}

static void cut_list(void)
{
    int fd = openat(home_fd, "files-0/list", O_RDWR);
    cr_assert_eq(ftruncate(fd, 30), 0);
    close(fd);
}

static void write_to_copy(void)
{
    int fd = openat(home_fd, "files-0/1", O_RDWR);
    cr_assert_eq(pwrite(fd, "x", 1, 0), 1);
    close(fd);
}

static void remove_copy(void)
{
    cr_assert_eq(unlinkat(home_fd, "files-0/1", 0), 0);
}

static void remove_all(void)
{
    cr_assert_eq(io_tree_remove(home_fd, "files-0"), 0);
}

Test(files, a_slot_that_somebody_changed_is_not_used)
{
    static const struct {
        void (*change)(void);
        const char *text;
    } changes[] = {
        {damage_list, "files-0: not used: its list is damaged"}, {remove_list, "files-0: not used: its list is missing"},
        {cut_list, "files-0: not used: its list is damaged"},    {write_to_copy, "files-0: not used: contents were changed"},
        {remove_copy, "files-0: not used: contents are missing"}, {remove_all, "files-0: not used: it is missing"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct files other;
        struct ga_report report = {0};
        files_end(&files);
        cr_assert_eq(files_make(&files, false), 0);
        make_file("file", "text");
        uint64_t sum = write_slot(0);
        usleep(10000); /* the clock of files ticks every few milliseconds */
        changes[i].change();
        files_init(&other, home_fd);
        cr_assert_eq(files_restore(&other, 0, sum, true, &report), GA_CORRUPT);
        cr_assert_str_eq(report.text, changes[i].text);
        cr_assert_eq(other.root_fd, -1);
        files_end(&other);
    }
}

Test(files, each_slot_has_what_it_was_written_with)
{
    struct files other;
    struct ga_report report = {0};
    open_as(1, "file", O_CREAT | O_RDWR);
    write_at(1, 0, "old", 3);
    uint64_t old = write_slot(0);
    struct ga_buf before = describe(&files);
    write_at(1, 0, "new", 3);
    make_file("more", "text");
    assert_written(1);
    files_init(&other, home_fd);
    cr_assert_eq(files_restore(&other, 0, old, true, &report), GA_OK, "%s", report.text);
    struct ga_buf restored = describe(&other);
    cr_assert_str_eq((char *)before.data, (char *)restored.data);
    cr_assert_neq(files_digest(&files), files_digest(&other));
    files_end(&other);
    ga_buf_free(&before);
    ga_buf_free(&restored);
}

/* --- chance --- */

static uint64_t seed;

static unsigned chance(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

static void do_something(void)
{
    static char bytes[30000];
    char path[16], other[16];
    uint32_t rep = 1 + chance(12);
    snprintf(path, sizeof path, chance(2) ? "f%u" : "d/f%u", chance(6));
    snprintf(other, sizeof other, chance(2) ? "f%u" : "d/f%u", chance(6));
    bool is_open = files_fd(&files, rep) >= 0;
    memset(bytes, 'a' + (int)chance(26), sizeof bytes);
    files_touch(&files);
    switch (chance(8)) {
    case 0: (void)unlinkat(files.root_fd, path, 0); break;
    case 1: (void)renameat(files.root_fd, path, files.root_fd, other); break;
    case 2: (void)linkat(files.root_fd, path, files.root_fd, other, 0); break;
    case 3:
        if (is_open)
            set_size(rep, chance(60000));
        break;
    case 4:
        if (is_open)
            files_drop(&files, rep);
        break;
    default:
        if (!is_open)
            open_as(rep, path, O_CREAT | O_RDWR | (chance(3) == 0 ? O_TRUNC : 0));
        write_at(rep, chance(200000), bytes, 1 + chance(sizeof bytes));
    }
}

Test(files, whatever_is_done_to_files_a_slot_brings_them_back)
{
    cr_assert_eq(mkdirat(files.root_fd, "d", 0777), 0);
    for (unsigned round = 1; round <= 400; round++) {
        seed = round * 0x9e3779b97f4a7c15u;
        for (unsigned i = chance(20); i > 0; i--)
            do_something();
        unsigned slot = chance(2);
        uint64_t sum = write_slot(slot);
        assert_restores(slot, sum);
        if (chance(20) == 0) {
            struct ga_report report = {0};
            files_end(&files);
            cr_assert_eq(files_restore(&files, slot, sum, false, &report), GA_OK, "%s", report.text);
        }
    }
}
