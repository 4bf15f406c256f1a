#define _GNU_SOURCE

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_path.h"

/*
 * Paths stay beneath their directory, against a real one:
 *
 *   outer/ secret, secretdir/inside, and what the tests must never change
 *          root/    the directory that paths start from
 *
 * Nothing that lies outside of outer is named, so that a mistake does no harm.
 * Every test runs twice: with openat2, and with the walk for kernels that have no such call.
 */
static char outer[64];
static int root;

static void make_file(const char *path)
{
    int fd = openat(root, path, O_CREAT | O_WRONLY | O_EXCL, 0644);
    cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
    cr_assert_eq(write(fd, "text", 4), 4);
    close(fd);
}

static void make_link(const char *target, const char *path)
{
    cr_assert_eq(symlinkat(target, root, path), 0, "%s: %s", path, strerror(errno));
}

static void setup(void)
{
    char path[200];
    snprintf(outer, sizeof outer, "/tmp/io_path_XXXXXX");
    cr_assert_not_null(mkdtemp(outer));
    snprintf(path, sizeof path, "%s/root", outer);
    cr_assert_eq(mkdir(path, 0755), 0);
    root = open(path, O_PATH | O_DIRECTORY);
    mkdirat(root, "../secretdir", 0755);
    make_file("../secret");
    make_file("../secretdir/inside");
    make_file("file");
    mkdirat(root, "dir", 0755);
    mkdirat(root, "dir/sub", 0755);
    mkdirat(root, "empty", 0755);
    make_file("dir/file");
    make_file("dir/sub/deep");
    make_link("..", "up");
    make_link("../secret", "out");
    make_link("../secretdir", "outdir");
    make_link("../missing", "outmissing");
    make_link("../root/file", "outandback");
    snprintf(path, sizeof path, "%s/secret", outer);
    make_link(path, "abs");
    make_link(outer, "absroot");
    snprintf(path, sizeof path, "%s/root/file", outer);
    make_link(path, "absinside");
    make_link("dir", "indir");
    make_link("dir/file", "infile");
    make_link("missing", "dangling");
    make_link("loop2", "loop1");
    make_link("loop1", "loop2");
    make_link("self/x", "self");
    make_link("../..", "dir/upup");
    make_link("..", "dir/up");
    make_link("../file", "dir/back");
    make_link("up/../../secret", "dir/maze");
    make_link("indir/../up/secret", "maze2");
    make_link("/proc/self/root", "proc");
    make_link(".", "dot");
}

static void teardown(void)
{
    char command[100];
    close(root);
    snprintf(command, sizeof command, "rm -rf %s", outer);
    cr_assert_eq(system(command), 0);
}
TestSuite(io_path, .init = setup, .fini = teardown);

static struct io_path path_of(const char *text)
{
    return (struct io_path){text, strlen(text)};
}

/* What lies outside is as it was. */
static void assert_outside_untouched(const char *what)
{
    static const char *const wanted = "inside:4 root:d secret:4 secretdir:d ";
    char seen[300] = "";
    static const char *const directories[] = {"../secretdir", ".."};
    for (int i = 0; i < 2; i++) {
        struct dirent **entries;
        char path[100];
        snprintf(path, sizeof path, "%s%s", outer, i == 0 ? "/secretdir" : "");
        int count = scandir(path, &entries, NULL, alphasort);
        for (int j = 0; j < count; j++) {
            struct stat stat;
            char name[400];
            snprintf(name, sizeof name, "%s/%s", directories[i], entries[j]->d_name);
            cr_assert_eq(fstatat(root, name, &stat, AT_SYMLINK_NOFOLLOW), 0);
            size_t used = strlen(seen);
            if (entries[j]->d_name[0] != '.' && S_ISDIR(stat.st_mode))
                snprintf(seen + used, sizeof seen - used, "%s:d ", entries[j]->d_name);
            else if (entries[j]->d_name[0] != '.')
                snprintf(seen + used, sizeof seen - used, "%s:%d ", entries[j]->d_name, (int)stat.st_size);
            free(entries[j]);
        }
        free(entries);
    }
    cr_assert_str_eq(seen, wanted, "after %s", what);
}

#define BOTH_WAYS for (int way = 0; (io_path_use_openat2 = way == 0), way < 2; way++)

/* --- tricks --- */

/* Paths that lead, or try to lead, outside. open: errno of open(2) for reading, links followed. */
static const struct trick {
    const char *path;
    int open;
} tricks[] = {
    {"..", EPERM},
    {"../", EPERM},
    {"../secret", EPERM},
    {"../secretdir/inside", EPERM},
    {"../root/file", EPERM},
    {"./..", EPERM},
    {"./../secret", EPERM},
    {".//..//secret", EPERM},
    {"dir/../../secret", EPERM},
    {"dir/sub/../../../secret", EPERM},
    {"dir/./sub/.././../../secret", EPERM},
    {"missing/../../secret", ENOENT},
    {"file/../../secret", ENOTDIR},
    {"/", EPERM},
    {"//", EPERM},
    {"/nothing-of-this-name/x", EPERM},
    {"//nothing-of-this-name", EPERM},
    {"/proc/self/root", EPERM},
    {"up", EPERM},
    {"up/", EPERM},
    {"up/.", EPERM},
    {"up/secret", EPERM},
    {"up/root/file", EPERM},
    {"dot/up/secret", EPERM},
    {"dot/dot/../secret", EPERM},
    {"out", EPERM},
    {"out/", EPERM},
    {"outdir", EPERM},
    {"outdir/", EPERM},
    {"outdir/inside", EPERM},
    {"outdir/../secret", EPERM},
    {"outdir/new", EPERM},
    {"outmissing", EPERM},
    {"outandback", EPERM},
    {"abs", EPERM},
    {"abs/", EPERM},
    {"absroot", EPERM},
    {"absroot/secret", EPERM},
    {"absinside", EPERM},
    {"dir/upup", EPERM},
    {"dir/upup/secret", EPERM},
    {"dir/up/up/secret", EPERM},
    {"dir/up/../secret", EPERM},
    {"dir/maze", EPERM},
    {"maze2", EPERM},
    {"indir/../../secret", EPERM},
    {"indir/up/../secret", EPERM},
    {"proc", EPERM},
    {"proc/nothing-of-this-name", EPERM},
    {"loop1", ELOOP},
    {"loop1/x", ELOOP},
    {"self", ELOOP},
};

Test(io_path, no_trick_opens_what_is_outside)
{
    cr_assert_geq(sizeof tricks / sizeof *tricks, 40);
    BOTH_WAYS
    {
        for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
            int fd = io_path_open(root, path_of(tricks[i].path), O_RDONLY, 0);
            cr_expect_eq(fd, -tricks[i].open, "way %d, %s: %s", way, tricks[i].path, fd < 0 ? strerror(-fd) : "opened");
        }
    }
}

static int try_create(struct io_path path)
{
    return io_path_open(root, path, O_CREAT | O_WRONLY, 0644);
}
static int try_truncate(struct io_path path)
{
    return io_path_open(root, path, O_WRONLY | O_TRUNC, 0);
}
static int try_create_new(struct io_path path)
{
    return io_path_open(root, path, O_CREAT | O_EXCL | O_WRONLY, 0644);
}
static int try_open_directory(struct io_path path)
{
    return io_path_open(root, path, O_RDONLY | O_DIRECTORY, 0);
}

static int try_stat(struct io_path path)
{
    struct stat stat;
    return io_path_stat(root, path, true, &stat);
}

static int try_times(struct io_path path)
{
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    return io_path_set_times(root, path, true, times);
}

/* Whatever they say, nothing outside may change; what they may not do is succeed (but for names that are links inside). */
static const struct {
    const char *name;
    int (*act)(struct io_path path);
} following[] = {
    {"create", try_create}, {"truncate", try_truncate}, {"open directory", try_open_directory},
    {"stat", try_stat},     {"set times", try_times},
};

Test(io_path, no_trick_acts_on_what_is_outside)
{
    BOTH_WAYS
    {
        for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
            for (size_t j = 0; j < sizeof following / sizeof *following; j++) {
                int status = following[j].act(path_of(tricks[i].path));
                cr_expect_lt(status, 0, "way %d, %s %s", way, following[j].name, tricks[i].path);
            }
            assert_outside_untouched(tricks[i].path);
        }
    }
}

static void try_names(const char *trick)
{
    static const char *const tails[] = {"", "/", "/x", "/.", "/.."};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s%s", trick, tails[i]);
        (void)io_path_make_directory(root, path_of(path));
        (void)io_path_symlink(path_of("x"), root, path_of(path));
        (void)io_path_link(root, path_of("file"), root, path_of(path));
        (void)io_path_link(root, path_of(path), root, path_of("made"));
        (void)io_path_rename(root, path_of("file"), root, path_of(path));
        (void)io_path_rename(root, path_of(path), root, path_of("moved"));
        (void)try_create_new(path_of(path));
        (void)io_path_unlink(root, path_of(path));
        (void)io_path_remove_directory(root, path_of(path));
        assert_outside_untouched(path);
    }
}

/* These act on links themselves, so some succeed, inside. */
Test(io_path, no_trick_changes_a_name_outside)
{
    BOTH_WAYS
    {
        for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
            try_names(tricks[i].path);
            teardown();
            setup();
        }
    }
}

Test(io_path, no_link_outside_is_read_or_made)
{
    char buffer[PATH_MAX];
    BOTH_WAYS
    {
        cr_expect_eq(io_path_readlink(root, path_of("abs"), buffer, sizeof buffer), -EPERM);
        cr_expect_eq(io_path_readlink(root, path_of("up/root/up"), buffer, sizeof buffer), -EPERM);
        cr_expect_eq(io_path_readlink(root, path_of("out"), buffer, sizeof buffer), 9); /* what it says is no secret */
        cr_expect_eq(io_path_symlink(path_of("/nothing-of-this-name"), root, path_of("new")), -EPERM);
        cr_expect_eq(io_path_symlink(path_of("/"), root, path_of("new")), -EPERM);
        cr_expect_eq(io_path_symlink(path_of(""), root, path_of("new")), -ENOENT);
        cr_expect_eq(io_path_symlink((struct io_path){"a\0b", 3}, root, path_of("new")), -EINVAL);
        cr_expect_eq(io_path_symlink(path_of("../secret"), root, path_of("new")), 0);
        cr_expect_eq(io_path_open(root, path_of("new"), O_RDONLY, 0), -EPERM);
        cr_expect_eq(io_path_unlink(root, path_of("new")), 0);
    }
}

/* A descriptor of a subdirectory is a root of its own. */
Test(io_path, a_subdirectory_confines_too)
{
    int dir = openat(root, "dir", O_PATH | O_DIRECTORY);
    BOTH_WAYS
    {
        cr_expect_eq(io_path_open(dir, path_of("../file"), O_RDONLY, 0), -EPERM);
        cr_expect_eq(io_path_open(dir, path_of("back"), O_RDONLY, 0), -EPERM);
        cr_expect_eq(io_path_open(dir, path_of("up/dir/file"), O_RDONLY, 0), -EPERM);
        cr_expect_eq(io_path_rename(dir, path_of("../file"), root, path_of("x")), -EPERM);
        cr_expect_eq(io_path_rename(root, path_of("file"), dir, path_of("../x")), -EPERM);
        cr_expect_eq(io_path_link(dir, path_of("../file"), root, path_of("x")), -EPERM);
    }
    close(dir);
}

/* --- odd paths --- */

static const struct odd {
    const char *name, *path;
    size_t size; /* 0: strlen */
    int open, stat, unlink, make_directory;
} odd_paths[] = {
    {"empty", "", 0, ENOENT, ENOENT, ENOENT, ENOENT},
    {"NUL inside", "file\0x", 6, EINVAL, EINVAL, EINVAL, EINVAL},
    {"NUL at the end", "file\0", 5, EINVAL, EINVAL, EINVAL, EINVAL},
    {"slash behind a file", "file/", 0, ENOTDIR, ENOTDIR, ENOTDIR, EEXIST},
    {"dot behind a file", "file/.", 0, ENOTDIR, ENOTDIR, ENOTDIR, ENOTDIR},
    {"dot", ".", 0, 0, 0, EISDIR, EEXIST},
    {"dot slash", "./", 0, 0, 0, EISDIR, EEXIST},
    {"directory", "dir", 0, 0, 0, EISDIR, EEXIST},
    {"directory slash", "dir///", 0, 0, 0, EISDIR, EEXIST},
    {"back to root", "dir/..", 0, 0, 0, EISDIR, EEXIST},
    {"link to a directory, slash", "indir/", 0, 0, 0, ENOTDIR, EEXIST},
    {"link to a file, slash", "infile/", 0, ENOTDIR, ENOTDIR, ENOTDIR, EEXIST},
    {"dangling link", "dangling", 0, ENOENT, ENOENT, 0, EEXIST},
    {"missing", "missing", 0, ENOENT, ENOENT, ENOENT, 0},
    {"missing slash", "missing/", 0, ENOENT, ENOENT, ENOENT, 0},
    {"missing parent", "missing/x", 0, ENOENT, ENOENT, ENOENT, ENOENT},
};

Test(io_path, odd_paths_have_the_usual_errors)
{
    BOTH_WAYS
    {
        for (size_t i = 0; i < sizeof odd_paths / sizeof *odd_paths; i++) {
            const struct odd *odd = &odd_paths[i];
            struct io_path path = {odd->path, odd->size > 0 ? odd->size : strlen(odd->path)};
            struct stat stat;
            int fd = io_path_open(root, path, O_RDONLY, 0);
            cr_expect_eq(fd < 0 ? -fd : 0, odd->open, "way %d, open %s: %s", way, odd->name, strerror(fd < 0 ? -fd : 0));
            int status = io_path_stat(root, path, true, &stat);
            cr_expect_eq(-status, odd->stat, "way %d, stat %s: %s", way, odd->name, strerror(-status));
            status = io_path_unlink(root, path);
            cr_expect_eq(-status, odd->unlink, "way %d, unlink %s: %s", way, odd->name, strerror(-status));
            if (status == 0)
                make_link("missing", "dangling");
            status = io_path_make_directory(root, path);
            cr_expect_eq(-status, odd->make_directory, "way %d, mkdir %s: %s", way, odd->name, strerror(-status));
            if (status == 0)
                cr_expect_eq(io_path_remove_directory(root, path), 0);
        }
    }
}

Test(io_path, names_and_paths_that_are_too_long)
{
    static char name[NAME_MAX + 2], path[2 * PATH_MAX];
    memset(name, 'n', sizeof name - 1);
    while (strlen(path) < PATH_MAX)
        strcat(path, "dir/../");
    BOTH_WAYS
    {
        cr_expect_eq(io_path_open(root, path_of(name), O_RDONLY, 0), -ENAMETOOLONG);
        cr_expect_eq(io_path_make_directory(root, path_of(name)), -ENAMETOOLONG);
        cr_expect_eq(io_path_open(root, path_of(path), O_RDONLY, 0), -ENAMETOOLONG);
        cr_expect_eq(io_path_unlink(root, path_of(path)), -ENAMETOOLONG);
        int fd = io_path_open(root, (struct io_path){path, 7 * 100}, O_RDONLY, 0);
        cr_expect_geq(fd, 0);
        close(fd);
    }
}

/* --- what works --- */

static void assert_opens(const char *path, int flags, const char *content)
{
    char buffer[8] = "";
    int fd = io_path_open(root, path_of(path), flags, 0644);
    cr_assert_geq(fd, 0, "%s: %s", path, strerror(-fd));
    cr_expect_eq(read(fd, buffer, sizeof buffer), (ssize_t)strlen(content), "%s", path);
    cr_expect_str_eq(buffer, content);
    close(fd);
}

Test(io_path, links_that_stay_inside_are_followed)
{
    static const char *const paths[] = {"file",
                                        "infile",
                                        "indir/file",
                                        "dir/back",
                                        "dir/../file",
                                        "dot/dot/dir/sub/../file",
                                        "dir/up/dir/up/file",
                                        "indir/sub/../../indir/back",
                                        ".//dir///file"};
    BOTH_WAYS
    {
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            assert_opens(paths[i], O_RDONLY, "text");
    }
}

Test(io_path, a_link_is_not_followed_when_asked)
{
    struct stat stat;
    BOTH_WAYS
    {
        cr_expect_eq(io_path_open(root, path_of("infile"), O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
        cr_expect_eq(io_path_open(root, path_of("out"), O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
        cr_expect_eq(io_path_open(root, path_of("dangling"), O_CREAT | O_EXCL | O_WRONLY, 0644), -EEXIST);
        assert_opens("indir/file", O_RDONLY | O_NOFOLLOW, "text");
        cr_assert_eq(io_path_stat(root, path_of("out"), false, &stat), 0);
        cr_expect(S_ISLNK(stat.st_mode));
    }
}

Test(io_path, creating_follows_a_dangling_link_inside)
{
    BOTH_WAYS
    {
        assert_opens("dangling", O_RDWR | O_CREAT, "");
        assert_opens("missing", O_RDONLY, "");
        cr_expect_eq(io_path_unlink(root, path_of("missing")), 0);
        cr_expect_eq(io_path_open(root, path_of("new/"), O_CREAT | O_WRONLY, 0644), -EISDIR);
    }
}

Test(io_path, times_of_a_link_and_of_its_target_are_set_apart)
{
    const struct timespec link_times[2] = {{100, 5}, {200, 6}}, target_times[2] = {{300, 7}, {400, 8}};
    struct stat stat;
    BOTH_WAYS
    {
        cr_assert_eq(io_path_set_times(root, path_of("infile"), false, link_times), 0);
        cr_assert_eq(io_path_set_times(root, path_of("infile"), true, target_times), 0);
        cr_assert_eq(io_path_stat(root, path_of("infile"), false, &stat), 0);
        cr_expect_eq(stat.st_mtim.tv_sec, 200);
        cr_assert_eq(io_path_stat(root, path_of("dir/file"), false, &stat), 0);
        cr_expect_eq(stat.st_mtim.tv_sec, 400);
        cr_expect_eq(stat.st_mtim.tv_nsec, 8);
    }
}

Test(io_path, no_fd_is_left_open)
{
    int before = dup(0);
    close(before);
    BOTH_WAYS
    {
        for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++)
            try_names(tricks[i].path);
    }
    /* files that were created hold some: those of try_create_new */
    int open_fds = 0;
    for (int fd = 3; fd < 1024; fd++) {
        char link[40], target[300];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, target, sizeof target - 1);
        if (size < 0 || strncmp(target, outer, strlen(outer)) != 0)
            continue;
        target[size] = '\0';
        struct stat stat;
        open_fds += fd != root && fstat(fd, &stat) == 0 && !S_ISREG(stat.st_mode);
    }
    cr_expect_eq(open_fds, 0);
}

/* --- a race: names are exchanged for links that lead outside while they are opened --- */

static volatile bool race_over;

static void *exchange_names(void *nothing)
{
    while (!race_over) {
        renameat2(root, "dir", root, "outdir", RENAME_EXCHANGE);
        renameat2(root, "file", root, "out", RENAME_EXCHANGE);
    }
    return nothing;
}

static bool is_outside(int fd)
{
    char link[40], target[300], wanted[100];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, target, sizeof target - 1);
    target[size > 0 ? size : 0] = '\0';
    snprintf(wanted, sizeof wanted, "%s/root/", outer);
    return strncmp(target, wanted, strlen(wanted)) != 0;
}

Test(io_path, a_race_against_renames_is_never_won, .timeout = 60)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, exchange_names, NULL), 0);
    unsigned opened = 0;
    BOTH_WAYS
    {
        for (int i = 0; i < 20000; i++) {
            int fd = io_path_open(root, path_of(i % 2 ? "dir/file" : "file"), O_RDONLY, 0);
            if (fd < 0)
                continue;
            opened++;
            cr_assert_not(is_outside(fd), "way %d", way);
            close(fd);
        }
    }
    race_over = true;
    pthread_join(thread, NULL);
    cr_assert_gt(opened, 100);
}

static void *rename_elsewhere(void *nothing)
{
    char here[80], there[80];
    snprintf(here, sizeof here, "%s/secret", outer);
    snprintf(there, sizeof there, "%s/renamed", outer);
    while (!race_over) {
        rename(here, there);
        rename(there, here);
    }
    return nothing;
}

/* The kernel gives up on a path with ".." whenever anything is renamed anywhere, here as soon as it is tried. */
Test(io_path, what_is_renamed_elsewhere_does_not_matter, .timeout = 60)
{
    static char path[PATH_MAX];
    pthread_t thread;
    while (strlen(path) < PATH_MAX - 20)
        strcat(path, "dir/../");
    strcat(path, "file");
    cr_assert_eq(pthread_create(&thread, NULL, rename_elsewhere, NULL), 0);
    for (int i = 0; i < 300; i++)
        assert_opens(path, O_RDONLY, "text");
    race_over = true;
    pthread_join(thread, NULL);
}
