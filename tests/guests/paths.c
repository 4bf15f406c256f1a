/* Tries each path, as it is given, on every function of WASI that takes one; the calls go past libc, which would see to paths first. Prints a line for
 * each: function, path, errno (preview 1's); for those that read, what they read. The adapter makes of each the WASI 0.2 function that it is named
 * after; of filestat_get, both stat-at and metadata-hash-at. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) extern uint16_t name

enum { ROOT = 3, FOLLOW = 1, CREATE = 1, DIRECTORY = 2, TRUNCATE = 8 };
static const uint64_t READ = 2, WRITE = 64;

IMPORT(path_open)(int32_t fd, int32_t look, const char *path, size_t size, int32_t flags, uint64_t rights, uint64_t more, int32_t fd_flags, int32_t *out);
IMPORT(path_filestat_get)(int32_t fd, int32_t look, const char *path, size_t size, void *out);
IMPORT(path_filestat_set_times)(int32_t fd, int32_t look, const char *path, size_t size, uint64_t accessed, uint64_t modified, int32_t flags);
IMPORT(path_link)(int32_t fd, int32_t look, const char *path, size_t size, int32_t to, const char *new_path, size_t new_size);
IMPORT(path_symlink)(const char *target, size_t target_size, int32_t fd, const char *path, size_t size);
IMPORT(path_rename)(int32_t fd, const char *path, size_t size, int32_t to, const char *new_path, size_t new_size);
IMPORT(path_unlink_file)(int32_t fd, const char *path, size_t size);
IMPORT(path_remove_directory)(int32_t fd, const char *path, size_t size);
IMPORT(path_create_directory)(int32_t fd, const char *path, size_t size);
IMPORT(path_readlink)(int32_t fd, const char *path, size_t size, char *out, size_t room, size_t *used);
IMPORT(fd_read)(int32_t fd, const void *parts, size_t count, size_t *got);
IMPORT(fd_close)(int32_t fd);

static char path[65536], content[256];
static size_t size;

static uint16_t open_as(int32_t look, int32_t flags, uint64_t rights)
{
    int32_t fd;
    size_t got = 0;
    const struct {
        char *data;
        size_t size;
    } part = {content, sizeof content - 1};
    uint16_t error = path_open(ROOT, look, path, size, flags, rights, 0, 0, &fd);
    if (error != 0)
        return error;
    if (flags == 0 && fd_read(fd, &part, 1, &got) == 0)
        content[got] = '\0';
    return fd_close(fd);
}

static uint16_t try_open(void) { return open_as(FOLLOW, 0, READ); }
static uint16_t try_open_nofollow(void) { return open_as(0, 0, READ); }
static uint16_t try_open_directory(void) { return open_as(FOLLOW, DIRECTORY, READ); }
static uint16_t try_open_create(void) { return open_as(FOLLOW, CREATE, READ | WRITE); }
static uint16_t try_open_truncate(void) { return open_as(FOLLOW, TRUNCATE, READ | WRITE); }
static uint16_t try_stat(void) { return path_filestat_get(ROOT, FOLLOW, path, size, content); }
static uint16_t try_set_times(void) { return path_filestat_set_times(ROOT, FOLLOW, path, size, 5, 5, 5); }
static uint16_t try_set_times_nofollow(void) { return path_filestat_set_times(ROOT, 0, path, size, 5, 5, 5); }
static uint16_t try_link_from(void) { return path_link(ROOT, 0, path, size, ROOT, "made", 4); }
static uint16_t try_link_to(void) { return path_link(ROOT, 0, "file", 4, ROOT, path, size); }
static uint16_t try_symlink(void) { return path_symlink("file", 4, ROOT, path, size); }
static uint16_t try_symlink_through(void)
{
    int32_t fd;
    if (size == 0 || path_symlink(path, size, ROOT, "made", 4) != 0)
        return 28;
    uint16_t error = path_open(ROOT, FOLLOW, "made", 4, 0, READ, 0, 0, &fd);
    return error == 0 ? fd_close(fd) : error;
}
static uint16_t try_rename_from(void) { return path_rename(ROOT, path, size, ROOT, "made", 4); }
static uint16_t try_rename_to(void) { return path_rename(ROOT, "spare", 5, ROOT, path, size); }
static uint16_t try_unlink(void) { return path_unlink_file(ROOT, path, size); }
static uint16_t try_remove_directory(void) { return path_remove_directory(ROOT, path, size); }
static uint16_t try_create_directory(void) { return path_create_directory(ROOT, path, size); }
static uint16_t try_readlink(void)
{
    size_t used = 0;
    return path_readlink(ROOT, path, size, content, sizeof content - 1, &used);
}

static const struct {
    const char *name;
    uint16_t (*run)(void);
} tries[] = {
    {"open", try_open}, {"open-nofollow", try_open_nofollow}, {"open-directory", try_open_directory}, {"open-create", try_open_create},
    {"open-truncate", try_open_truncate}, {"stat", try_stat}, {"set-times", try_set_times}, {"set-times-nofollow", try_set_times_nofollow},
    {"link-from", try_link_from}, {"link-to", try_link_to}, {"symlink", try_symlink}, {"symlink-through", try_symlink_through},
    {"rename-from", try_rename_from}, {"rename-to", try_rename_to}, {"unlink", try_unlink}, {"remove-directory", try_remove_directory},
    {"create-directory", try_create_directory}, {"readlink", try_readlink},
};

static void decode(const char *text)
{
    for (size = 0; *text && size < sizeof path; text++) {
        char digits[3] = {0};
        if (*text != '%') {
            path[size++] = *text;
            continue;
        }
        memcpy(digits, text + 1, 2);
        path[size++] = (char)strtoul(digits, NULL, 16);
        text += 2;
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        decode(argv[i]);
        for (size_t j = 0; j < sizeof tries / sizeof *tries; j++) {
            memset(content, 0, sizeof content);
            uint16_t error = tries[j].run();
            printf("%s %d %s\n", tries[j].name, error, tries[j].run == try_open || tries[j].run == try_open_nofollow ? content : "");
            path_unlink_file(ROOT, "made", 4);
        }
    }
    return 0;
}
