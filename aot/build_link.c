#include "build_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_files.h"
#include "link.h"

/*
 * -z now: no lazy binding, whose resolved addresses would be written while guests run. --as-needed: libraries that the functions
 * taken from the runtime library do not use are not loaded. The build id (a hash of the contents) says which checkpoints are ours.
 * -u golem_wit: keeps the WIT text, which nothing refers to.
 */
static const char *const before_objects[] = {
    "-no-pie",         "-Wl,--gc-sections", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,--build-id=sha1",
    "-Wl,--as-needed", "-Wl,-u,golem_wit",  NULL};

/*
 * An executable is linked statically: it starts in little more than half the time (the dynamic loader's work for SQLite takes as
 * long as a small program), and needs nothing on the machine where it runs. But what loads the machine's own libraries has to share
 * one libc with them.
 */
static const char *const static_libraries[] = {"-static", "-lsqlite3", "-luuid", "-lm", NULL};
static const char *const dynamic_libraries[] = {"-Wl,-Bstatic", "-lsqlite3", "-luuid", "-Wl,-Bdynamic", "-lm", NULL};
static const struct {
    const char *interface; /* begins the names of imported or exported ones */
    bool dynamic;          /* it loads libraries when they are needed */
    const char *library;   /* which it has in it; NULL: none */
} needs[] = {
    {"wasi:http/outgoing-handler@", true, NULL},            /* libcurl */
    {"wasi:sockets/ip-name-lookup@", true, NULL},           /* those that nsswitch.conf names */
    {"wasi:http/incoming-handler@", false, "-l:libuv_a.a"}, /* of the server before it (golem_http_handler) */
};

enum { IMAGE_ALIGNMENT = 4096 };

/* Start-up code is the component's: it may be hostile. */
enum { START_CPU_S = 10, START_WALL_S = 20, START_MEMORY_BYTES = 1 << 30 };

/* A response file of the compiler's: one equation an argument. (Not of ld's, -Wl,@...: the path may have commas.) */
static enum ga_status write_equations(const struct ga_buf *defsyms, const char *path, struct ga_report *report)
{
    struct ga_buf text = {0};
    const char *at = (const char *)defsyms->data, *end = at + defsyms->size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end ? line_end : end) - at);
        if (size)
            ga_buf_printf(&text, "-Wl,--defsym=%.*s\n", (int)size, at);
        at += size + 1;
    }
    enum ga_status status = build_file_write(path, text.data, text.size, report);
    ga_buf_free(&text);
    return status;
}

static bool begins_with(struct slice name, const char *text)
{
    size_t size = strlen(text);
    return name.size >= size && memcmp(name.data, text, size) == 0;
}

static bool has_interface(const struct plan *plan, const char *interface)
{
    for (uint32_t i = 0; i < plan->imports.count; i++)
        if (begins_with(plan->imports.items[i].interface, interface))
            return true;
    for (uint32_t i = 0; i < plan->exports.count; i++)
        if (begins_with(plan->exports.items[i].interface, interface))
            return true;
    return false;
}

typedef GA_VEC(const char *) word_list;

static void add(struct ga_arena *arena, word_list *words, const char *const *more)
{
    for (; *more; more++)
        *GA_PUSH(arena, words) = *more;
}

static void add_libraries(const struct build_source *source, word_list *words)
{
    struct ga_arena *arena = source->arena;
    bool dynamic = source->options->dynamic;
    *GA_PUSH(arena, words) = source->tools->library;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (!has_interface(source->plan, needs[i].interface))
            continue;
        dynamic = dynamic || needs[i].dynamic;
        if (needs[i].library)
            *GA_PUSH(arena, words) = needs[i].library;
    }
    add(arena, words, dynamic ? dynamic_libraries : static_libraries);
}

enum ga_status build_link(const struct build_source *source, const struct build_objects *objects,
                          const struct ga_buf *defsyms, const char *path, struct ga_report *report)
{
    struct ga_arena *arena = source->arena;
    word_list words = {0};
    const char *equations = build_cache_temporary(source->cache, arena, ".ld");
    enum ga_status status = write_equations(defsyms, equations, report);
    if (status != GA_OK)
        return status;
    for (uint32_t i = 0; i < source->tools->cc.count; i++)
        *GA_PUSH(arena, &words) = source->tools->cc.items[i];
    add(arena, &words, before_objects);
    add(arena, &words, (const char *[]){ga_arena_printf(arena, "@%s", equations), "-o", path, NULL});
    for (uint32_t i = 0; i < objects->paths.count; i++)
        *GA_PUSH(arena, &words) = objects->paths.items[i];
    add_libraries(source, &words);
    *GA_PUSH(arena, &words) = NULL;
    build_pool_add(source->pool, &(struct build_job){.arguments = words.items, .what = "linking", .pass_fd = -1});
    return build_pool_run(source->pool, report);
}

static enum ga_status note_end(void *context, bool ok, struct ga_report *report)
{
    (void)report;
    *(bool *)context = ok;
    return GA_OK;
}

/* The image is mapped from the executable, so it begins at a page there. */
static enum ga_status append_image(const char *path, const char *image, struct ga_report *report)
{
    struct stat info;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        return ga_report_errno(report, errno, "cannot append to %s", path);
    off_t end = (info.st_size + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
    enum ga_status status = GA_OK;
    if (ftruncate(fd, end) != 0 || lseek(fd, end, SEEK_SET) != end)
        status = ga_report_errno(report, errno, "cannot append to %s", path);
    if (status == GA_OK)
        status = build_file_append(fd, image, report);
    close(fd);
    return status;
}

enum ga_status build_start_image(const struct build_source *source, const char *path, struct ga_report *report)
{
    bool made = false;
    struct ga_arena *arena = source->arena;
    const char **arguments = ga_arena_array(arena, 4, sizeof *arguments);
    const char *image = build_cache_temporary(source->cache, arena, ".image");
    arguments[0] = path;
    arguments[1] = "--make-start-image";
    arguments[2] = "3";
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return ga_report_errno(report, errno, "cannot create %s", image);
    build_pool_add(source->pool, &(struct build_job){.arguments = arguments,
                                                     .what = "start image",
                                                     .limits = {.cpu_s = START_CPU_S,
                                                                .memory_bytes = START_MEMORY_BYTES,
                                                                .wall_s = START_WALL_S},
                                                     .may_fail = true,
                                                     .pass_fd = fd,
                                                     .done = note_end,
                                                     .context = &made});
    enum ga_status status = build_pool_run(source->pool, report);
    struct stat info;
    if (fstat(fd, &info) != 0 || info.st_size == 0)
        made = false;
    close(fd);
    return status == GA_OK && made ? append_image(path, image, report) : status;
}
