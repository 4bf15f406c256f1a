#define _GNU_SOURCE
#include "build_tools.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_files.h"
#include "build_process.h"

enum {
    SCRIPT_MAX_BYTES = 65536,
    HEADER_MAX_BYTES = 1 << 22,
    VERSION_WANTED = BUILD_VERSION(1, 0, 42),
    VERSION_FLOOR = BUILD_VERSION(1, 0, 36)
};

/* --- programs --- */

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* As execvp finds it; NULL if there is none. */
static const char *find_program(struct ga_arena *arena, const char *name)
{
    if (strchr(name, '/'))
        return is_program(name) ? name : NULL;
    const char *path = getenv("PATH");
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        size_t size = strcspn(path, ":");
        char *candidate = ga_arena_printf(arena, "%.*s/%s", (int)size, path, name);
        if (size && is_program(candidate))
            return candidate;
        path += size + (path[size] == ':');
    }
    return NULL;
}

static const char *identify_program(struct ga_arena *arena, struct build_tools *tools, const char *path)
{
    *GA_PUSH(arena, &tools->files) = path;
    struct stat info;
    char real[PATH_MAX];
    struct build_key key;
    struct ga_buf script = {0};
    struct ga_report unused = {0};
    build_key_start(&key);
    build_key_text(&key, realpath(path, real) ? real : path);
    if (stat(path, &info) == 0) {
        build_key_number(&key, (uint64_t)info.st_size);
        build_key_number(&key, (uint64_t)info.st_mtim.tv_sec * 1000000000u + (uint64_t)info.st_mtim.tv_nsec);
        if (info.st_size < SCRIPT_MAX_BYTES && build_file_read(path, SCRIPT_MAX_BYTES, &script, &unused) == GA_OK)
            build_key_bytes(&key, script.data, script.size);
    }
    ga_buf_free(&script);
    return build_key_end(&key, arena);
}

static enum ga_status find_cc(struct ga_arena *arena, const char *cc, struct build_tools *tools,
                              struct ga_report *report)
{
    if (!cc)
        cc = getenv("CC");
    if (!cc || !cc[strspn(cc, " ")])
        cc = "cc";
    struct build_key key;
    build_key_start(&key);
    for (const char *at = cc + strspn(cc, " "); *at; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        const char *word = ga_arena_strndup(arena, at, size);
        *GA_PUSH(arena, &tools->cc) = word;
        build_key_text(&key, word);
        const char *program = find_program(arena, word); /* of "ccache gcc" both count */
        if (program)
            build_key_text(&key, identify_program(arena, tools, program));
        else if (tools->cc.count == 1)
            ga_report_set(report, GA_TOOL,
                          "the C compiler \"%s\" is not there; install gcc or clang, or name one with --cc", word);
        at += size;
    }
    tools->cc_identity = build_key_end(&key, arena);
    return report->status;
}

/* --- our own files, beside this program --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef GA_VEC(const char *) name_list;

static void list_headers(struct ga_arena *arena, const char *folder, name_list *names)
{
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strlen(entry->d_name) > 2 && strcmp(entry->d_name + strlen(entry->d_name) - 2, ".h") == 0)
            *GA_PUSH(arena, names) = ga_arena_strndup(arena, entry->d_name, strlen(entry->d_name));
    if (directory)
        closedir(directory);
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
}

static enum ga_status identify_headers(struct ga_arena *arena, struct build_tools *tools, struct ga_report *report)
{
    name_list names = {0};
    struct build_key all, modules;
    struct ga_buf contents = {0};
    enum ga_status status = GA_OK;
    list_headers(arena, tools->include, &names);
    if (!names.count)
        return ga_report_set(report, GA_TOOL, "the runtime's headers are not in %s", tools->include);
    build_key_start(&all);
    build_key_start(&modules);
    for (uint32_t i = 0; i < names.count && status == GA_OK; i++) {
        contents.size = 0;
        const char *path = ga_arena_printf(arena, "%s/%s", tools->include, names.items[i]);
        *GA_PUSH(arena, &tools->files) = path;
        status = build_file_read(path, HEADER_MAX_BYTES, &contents, report);
        bool is_modules = strncmp(names.items[i], "wasm-rt", 7) == 0; /* they include nothing else of ours */
        for (int k = 0; k <= is_modules; k++) {
            build_key_text(k ? &modules : &all, names.items[i]);
            build_key_bytes(k ? &modules : &all, contents.data, contents.size);
        }
    }
    ga_buf_free(&contents);
    tools->headers_identity = build_key_end(&all, arena);
    tools->module_headers_identity = build_key_end(&modules, arena);
    return status;
}

static enum ga_status find_runtime(struct ga_arena *arena, struct build_tools *tools, struct ga_report *report)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        return ga_report_errno(report, errno, "cannot find this program's own place");
    self[size] = 0;
    *GA_PUSH(arena, &tools->files) = ga_arena_strndup(arena, self, (size_t)size);
    for (int up = 0; up < 2; up++) { /* PREFIX/bin/golem-aot -> PREFIX */
        char *slash = strrchr(self, '/');
        if (slash)
            *slash = 0;
    }
    tools->wasm2c_private = ga_arena_printf(arena, "%s/libexec/golem-aot/wasm2c", self);
    tools->library = ga_arena_printf(arena, "%s/lib/golem-aot/libgolemrt.a", self);
    tools->include = ga_arena_printf(arena, "%s/include/golem-aot", self);
    *GA_PUSH(arena, &tools->files) = tools->library;
    *GA_PUSH(arena, &tools->files) = tools->include; /* whose time tells of headers that are new or gone */
    if (access(tools->library, R_OK) != 0)
        return ga_report_set(report, GA_TOOL, "the runtime library is not in %s", tools->library);
    return identify_headers(arena, tools, report);
}

/* --- wasm2c --- */

/* The copy beside this program, which stays when the cache is deleted or is another one; else the one fetched into the cache. */
static const char *private_wasm2c(struct ga_arena *arena, const char *beside)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (is_program(beside))
        return beside;
    const char *path = cache && cache[0] == '/' ? ga_arena_printf(arena, "%s/golem-aot/wasm2c/bin/wasm2c", cache)
                       : home                   ? ga_arena_printf(arena, "%s/.cache/golem-aot/wasm2c/bin/wasm2c", home)
                                                : NULL;
    return path && is_program(path) ? path : NULL;
}

static void find_wasm2c(struct ga_arena *arena, struct build_tools *tools)
{
    const char *named = getenv("GOLEM_AOT_WASM2C");
    tools->wasm2c_private = private_wasm2c(arena, tools->wasm2c_private);
    if (named && *named)
        tools->wasm2c = find_program(arena, named);
    else if ((tools->wasm2c = find_program(arena, "wasm2c")))
        tools->wasm2c_is_systems = true;
    else
        tools->wasm2c = tools->wasm2c_private;
    tools->wasm2c_identity = tools->wasm2c ? identify_program(arena, tools, tools->wasm2c) : "";
    if (tools->wasm2c_is_systems && tools->wasm2c_private) /* the choice between the two depends on both */
        tools->wasm2c_identity =
            ga_arena_printf(arena, "%s %s", tools->wasm2c_identity, identify_program(arena, tools, tools->wasm2c_private));
}

enum ga_status build_tools_find(struct ga_arena *arena, const char *cc, struct build_tools *tools,
                                struct ga_report *report)
{
    *tools = (struct build_tools){0};
    enum ga_status status = find_cc(arena, cc, tools, report);
    if (status == GA_OK)
        status = find_runtime(arena, tools, report);
    if (status == GA_OK)
        find_wasm2c(arena, tools);
    return status;
}

uint32_t build_version_parse(const char *text)
{
    unsigned major, minor, patch;
    if (sscanf(text, "%3u.%3u.%4u", &major, &minor, &patch) != 3)
        return 0;
    return BUILD_VERSION(major, minor, patch);
}

static uint32_t ask_version(struct ga_arena *arena, struct build_pool *pool, struct build_cache *cache,
                            const char *program)
{
    const char *output = build_cache_temporary(cache, arena, ".version");
    const char **arguments = ga_arena_array(arena, 3, sizeof *arguments);
    arguments[0] = program;
    arguments[1] = "--version";
    build_pool_add(pool, &(struct build_job){.arguments = arguments,
                                             .what = "wasm2c --version",
                                             .output_path = output,
                                             .limits = {.cpu_s = 10, .wall_s = 30},
                                             .may_fail = true,
                                             .pass_fd = -1});
    struct ga_report unused = {0};
    struct ga_buf text = {0};
    uint32_t version = 0;
    if (build_pool_run(pool, &unused) == GA_OK && build_file_read(output, SCRIPT_MAX_BYTES, &text, &unused) == GA_OK)
        version = build_version_parse(ga_buf_cstr(&text));
    ga_buf_free(&text);
    return version;
}

static enum ga_status report_no_wasm2c(uint32_t version, const struct build_tools *tools, struct ga_report *report)
{
    static const char remedy[] =
        "install wabt 1.0.42 or newer, fetch a private copy with tools/wasm2c.sh of golem-aot's source "
        "tree, or name one with GOLEM_AOT_WASM2C";
    const char *named = getenv("GOLEM_AOT_WASM2C");
    if (!tools->wasm2c && named && *named)
        return ga_report_set(report, GA_TOOL, "GOLEM_AOT_WASM2C=%s is no program", named);
    if (!tools->wasm2c)
        return ga_report_set(report, GA_TOOL, "wasm2c is missing: %s", remedy);
    if (!version)
        return ga_report_set(report, GA_TOOL, "%s does not tell a version: %s", tools->wasm2c, remedy);
    return ga_report_set(report, GA_TOOL, "%s is version %u.%u.%u, and at least 1.0.36 is needed: %s", tools->wasm2c,
                         version / 1000000, version / 10000 % 100, version % 10000, remedy);
}

enum ga_status build_tools_settle_wasm2c(struct ga_arena *arena, struct build_tools *tools, struct build_pool *pool,
                                         struct build_cache *cache, uint32_t *version_out, struct ga_report *report)
{
    uint32_t version = tools->wasm2c ? ask_version(arena, pool, cache, tools->wasm2c) : 0;
    const char *private = tools->wasm2c_private;
    if (tools->wasm2c_is_systems && version < VERSION_WANTED && private) {
        uint32_t private_version = ask_version(arena, pool, cache, private);
        if (private_version > version) {
            version = private_version;
            tools->wasm2c = private;
        }
    }
    *version_out = version;
    return version >= VERSION_FLOOR ? GA_OK : report_no_wasm2c(version, tools, report);
}
