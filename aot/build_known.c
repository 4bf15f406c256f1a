#define _GNU_SOURCE
#include "build_known.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_files.h"

enum { FILE_MAX_BYTES = 1 << 20, TRUSTED_S = 24 * 60 * 60 };

/* Longer than the ticks of a file system's clock: those of the kernel's (10 ms), or of one that counts seconds (2 s, FAT). */
enum { SETTLED_MS = 100, SETTLED_IN_SECONDS_MS = 3000 };

/* What decides where the programs and files of a build are looked for. */
static const char *const variables[] = {"CC", "PATH", "GOLEM_AOT_WASM2C", "XDG_CACHE_HOME", "HOME"};

static void print_line(struct ga_buf *out, const struct stat *info, const char *path)
{
    ga_buf_printf(out, "%llx %llx %llx %llx.%lx %llx.%lx %s\n", (unsigned long long)info->st_dev,
                  (unsigned long long)info->st_ino, (unsigned long long)info->st_size, (unsigned long long)info->st_mtim.tv_sec,
                  (unsigned long)info->st_mtim.tv_nsec, (unsigned long long)info->st_ctim.tv_sec,
                  (unsigned long)info->st_ctim.tv_nsec, path);
}

/* Where the note lies; NULL if there is no such component, or no cache. */
static const char *note_path(struct ga_arena *arena, const struct build_options *options)
{
    char self[PATH_MAX];
    const char *root = build_cache_root(arena);
    ssize_t self_size = readlink("/proc/self/exe", self, sizeof self);
    struct stat info;
    struct build_key key;
    if (!root || self_size < 0 || stat(options->input, &info) != 0)
        return NULL;
    build_key_start(&key);
    build_key_text(&key, "known 1");
    build_key_bytes(&key, self, (size_t)self_size);
    build_key_number(&key, info.st_dev);
    build_key_number(&key, info.st_ino);
    build_key_text(&key, options->input); /* the guest sees its name */
    build_key_number(&key, (uint64_t)(int64_t)options->optimize);
    build_key_number(&key, options->allow_missing);
    build_key_number(&key, options->dynamic);
    build_key_text(&key, options->cc ? options->cc : "");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        build_key_number(&key, value != NULL);
        build_key_text(&key, value ? value : "");
    }
    return ga_arena_printf(arena, "%s/known/%s", root, build_key_end(&key, arena));
}

static bool is_same(const char *line, const char *line_end, const char *path, struct stat *info_out)
{
    struct ga_buf now = {0};
    bool same = stat(path, info_out) == 0;
    if (same)
        print_line(&now, info_out, path);
    same = same && now.size == (size_t)(line_end - line) + 1 && memcmp(now.data, line, now.size) == 0;
    ga_buf_free(&now);
    return same;
}

/* The last path, if all lines are as they would be written now. */
static const char *check_lines(struct ga_arena *arena, const char *at, const char *end)
{
    const char *path = NULL;
    struct stat info = {0};
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at)), *name = at;
        for (int blanks = 0; name && blanks < 5; blanks++) {
            name = line_end ? memchr(name, ' ', (size_t)(line_end - name)) : NULL;
            name += name != NULL;
        }
        path = name ? ga_arena_strndup(arena, name, (size_t)(line_end - name)) : NULL;
        if (!path || !is_same(at, line_end, path, &info))
            return NULL;
        at = line_end + 1;
    }
    return path && time(NULL) - info.st_mtim.tv_sec < TRUSTED_S ? path : NULL;
}

const char *build_known_find(struct ga_arena *arena, const struct build_options *options)
{
    struct ga_report unused = {0};
    struct ga_buf text = {0};
    const char *note = note_path(arena, options), *found = NULL;
    if (note && build_file_read(note, FILE_MAX_BYTES, &text, &unused) == GA_OK)
        found = check_lines(arena, (const char *)text.data, (const char *)text.data + text.size);
    ga_buf_free(&text);
    return found;
}

static bool is_settled(struct timespec changed, struct timespec began)
{
    int64_t passed_ms = ((int64_t)began.tv_sec - changed.tv_sec) * 1000 + (began.tv_nsec - changed.tv_nsec) / 1000000;
    return passed_ms > (changed.tv_nsec == 0 ? SETTLED_IN_SECONDS_MS : SETTLED_MS);
}

/* A line for a file that has not changed lately; false: it cannot be trusted. */
static bool add_settled(struct ga_buf *text, const char *path, struct timespec began)
{
    struct stat info;
    if (path[0] != '/' || strchr(path, '\n') || stat(path, &info) != 0 || !is_settled(info.st_ctim, began))
        return false;
    print_line(text, &info, path);
    return true;
}

void build_known_note(struct ga_arena *arena, struct build_cache *cache, const struct build_tools *tools,
                      const struct build_options *options, const char *executable, struct timespec began)
{
    struct ga_report unused = {0};
    struct ga_buf text = {0};
    struct stat info;
    char real[PATH_MAX];
    const char *note = note_path(arena, options), *temporary = build_cache_temporary(cache, arena, ".known");
    bool good = note && realpath(options->input, real) && add_settled(&text, real, began);
    for (uint32_t i = 0; good && i < tools->files.count; i++)
        good = add_settled(&text, tools->files.items[i], began);
    if (good && !strchr(executable, '\n') && stat(executable, &info) == 0) {
        print_line(&text, &info, executable);
        if (build_file_write(temporary, text.data, text.size, &unused) == GA_OK)
            (void)rename(temporary, note);
    }
    ga_buf_free(&text);
}
