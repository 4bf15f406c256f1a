#include "build_link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_files.h"

/*
 * -z now: no lazy binding, whose resolved addresses would be written while guests run. --as-needed: libraries of host
 * functions that the component does not import are not loaded. The build id (a hash of the contents) says which checkpoints
 * are ours.
 * -u golem_wit: keeps the WIT text, which nothing refers to.
 */
static const char *const before_objects[] = {
    "-no-pie",         "-Wl,--gc-sections", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,--build-id=sha1",
    "-Wl,--as-needed", "-Wl,-u,golem_wit",  NULL};
static const char *const libraries[] = {"-lsqlite3", "-luuid", "-luv", "-lcurl", "-lm", "-lpthread", NULL};

enum { IMAGE_ALIGNMENT = 4096 };

/* ld's response file: one equation an argument. */
static enum ga_status write_equations(const struct ga_buf *defsyms, const char *path, struct ga_report *report)
{
    struct ga_buf text = {0};
    const char *at = (const char *)defsyms->data, *end = at + defsyms->size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end ? line_end : end) - at);
        if (size)
            ga_buf_printf(&text, "--defsym=%.*s\n", (int)size, at);
        at += size + 1;
    }
    enum ga_status status = build_file_write(path, text.data, text.size, report);
    ga_buf_free(&text);
    return status;
}

enum ga_status build_link(const struct build_source *source, const struct build_objects *objects,
                          const struct ga_buf *defsyms, const char *path, struct ga_report *report)
{
    struct ga_arena *arena = source->arena;
    GA_VEC(const char *) arguments = {0};
    const char *equations = build_cache_temporary(source->cache, arena, ".ld");
    enum ga_status status = write_equations(defsyms, equations, report);
    for (uint32_t i = 0; i < source->tools->cc.count; i++)
        *GA_PUSH(arena, &arguments) = source->tools->cc.items[i];
    for (const char *const *word = before_objects; *word; word++)
        *GA_PUSH(arena, &arguments) = *word;
    *GA_PUSH(arena, &arguments) = ga_arena_printf(arena, "-Wl,@%s", equations);
    *GA_PUSH(arena, &arguments) = "-o";
    *GA_PUSH(arena, &arguments) = path;
    for (uint32_t i = 0; i < objects->paths.count; i++)
        *GA_PUSH(arena, &arguments) = objects->paths.items[i];
    *GA_PUSH(arena, &arguments) = source->tools->library;
    for (const char *const *word = libraries; *word; word++)
        *GA_PUSH(arena, &arguments) = *word;
    *GA_PUSH(arena, &arguments) = NULL;
    if (status != GA_OK)
        return status;
    build_pool_add(source->pool, &(struct build_job){.arguments = arguments.items, .what = "linking", .pass_fd = -1});
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
                                                     .limits = {.cpu_s = 10, .wall_s = 20},
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
