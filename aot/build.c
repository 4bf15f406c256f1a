#define _GNU_SOURCE
#include "build.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_compile.h"
#include "build_elf.h"
#include "build_files.h"
#include "build_known.h"
#include "build_link.h"
#include "catalog_resolve.h"
#include "emit.h"
#include "ga_hash.h"
#include "ga_limits.h"
#include "val.h"
#include "wit_print.h"

/*
 * The passes of a build, in order. Around them: the executable as a whole is cached by everything that goes into it; the output is
 * written beside its place and renamed into it.
 */
const char *const build_phase_names[PHASE_COUNT] = {
    [PHASE_READ] = "read",       [PHASE_PLAN] = "plan", [PHASE_PREPARE] = "prepare",         [PHASE_EMIT] = "emit",
    [PHASE_COMPILE] = "compile", [PHASE_LINK] = "link", [PHASE_START_IMAGE] = "start-image", [PHASE_OUTPUT] = "output"};

struct build {
    struct ga_arena *arena;
    const struct build_options *options;
    struct build_result *result;
    struct ga_report *report;
    struct build_tools tools;
    struct build_cache cache;
    struct build_pool *pool;
    double phase_start_ms;
    struct timespec began; /* CLOCK_REALTIME */

    struct ga_buf input;
    const char *component_hash;
    struct plan *plan;
    struct catalog_binding binding;
    struct core_prepared *prepared; /* parallel to plan->modules */
    struct ga_buf wit, glue, defsyms;
    const char *executable; /* in the temporary directory, later in the cache */
};

static void end_phase(struct build *build, enum build_phase phase)
{
    double now = build_now_ms();
    build->result->phase_ms[phase] += now - build->phase_start_ms;
    build->phase_start_ms = now;
}

/* --- reading --- */

static const char *hash_bytes(struct ga_arena *arena, const void *data, size_t size)
{
    struct build_key key;
    build_key_start(&key);
    build_key_raw(&key, data, size);
    return build_key_end(&key, arena);
}

/* "dir/cart.wasm" -> "cart" */
static const char *component_name(struct build *build)
{
    const char *slash = strrchr(build->options->input, '/');
    const char *name = slash ? slash + 1 : build->options->input;
    const char *dot = strrchr(name, '.');
    return ga_arena_strndup(build->arena, name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

/* Everything that decides what the executable is. */
static const char *executable_key(struct build *build)
{
    struct build_key key;
    struct ga_buf file = {0};
    const char *const own_files[] = {"/proc/self/exe", build->tools.library};
    build_key_start(&key);
    build_key_text(&key, "executable 1");
    build_key_text(&key, build->component_hash);
    build_key_text(&key, component_name(build));
    build_key_text(&key, build->tools.cc_identity);
    build_key_text(&key, build->tools.wasm2c_identity);
    build_key_text(&key, build->tools.headers_identity);
    build_key_number(&key, (uint64_t)(int64_t)build->options->optimize);
    build_key_number(&key, build->options->allow_missing);
    build_key_number(&key, build->options->dynamic);
    for (size_t i = 0; i < sizeof own_files / sizeof *own_files; i++) {
        file.size = 0;
        if (build_file_read(own_files[i], UINT32_MAX, &file, build->report) != GA_OK)
            break;
        build_key_number(&key, ga_hash64(file.data, file.size, 0)); /* nobody's but ours: no forgery */
    }
    ga_buf_free(&file);
    return build_key_end(&key, build->arena);
}

static enum ga_status read_input(struct build *build)
{
    enum ga_status status =
        build_file_read_as(build->options->input, "the file", GA_MAX_COMPONENT_BYTES, &build->input, build->report);
    if (status == GA_OK)
        build->component_hash = hash_bytes(build->arena, build->input.data, build->input.size);
    return status;
}

/* --- passes --- */

static bool exports_run(const struct plan *plan)
{
    static const char interface[] = "wasi:cli/run@";
    for (uint32_t i = 0; i < plan->exports.count; i++) {
        struct slice name = plan->exports.items[i].interface;
        if (name.size >= sizeof interface - 1 && memcmp(name.data, interface, sizeof interface - 1) == 0)
            return true;
    }
    return false;
}

static enum ga_status plan_component(struct build *build)
{
    struct component *component;
    enum ga_status status = bin_read(build->arena, build->input.data, build->input.size, &component, build->report);
    if (status == GA_OK) /* which validates */
        status = wit_print_world(build->arena, component, &build->wit, build->report);
    if (status == GA_OK)
        status = link_component(build->arena, component, &build->plan, build->report);
    if (status == GA_OK)
        status = catalog_resolve(build->arena, (struct catalog){host_catalog, host_catalog_count}, build->plan,
                                 build->options->allow_missing, &build->binding, build->report);
    if (status == GA_OK && build->options->command && !exports_run(build->plan))
        status = ga_report_set(build->report, GA_INVALID, "no command: it does not export wasi:cli/run");
    end_phase(build, PHASE_PLAN);
    return status;
}

static enum ga_status prepare_modules(struct build *build)
{
    enum ga_status status = GA_OK;
    build->prepared = ga_arena_array(build->arena, build->plan->modules.count, sizeof *build->prepared);
    for (uint32_t i = 0; i < build->plan->modules.count && status == GA_OK; i++) {
        const struct plan_module *module = &build->plan->modules.items[i];
        status = core_prepare(build->arena, module->bytes, module->core, build->prepared, i, &build->prepared[i],
                              build->report);
    }
    end_phase(build, PHASE_PREPARE);
    return status;
}

static enum ga_status emit(struct build *build)
{
    struct emit_input input = {.plan = build->plan,
                               .modules = build->prepared,
                               .imports = build->binding.imports,
                               .resources = build->binding.resources,
                               .component_name = component_name(build),
                               .component_hash = build->component_hash,
                               .wit = ga_buf_cstr(&build->wit)};
    enum ga_status status = emit_glue(build->arena, &input, &build->glue, &build->defsyms, build->report);
    end_phase(build, PHASE_EMIT);
    return status;
}

/* Modules that differ in their data only have one code. */
static bool is_repeated(const struct build_source *source, const struct core_prepared *prepared)
{
    for (uint32_t i = 0; i < source->module_count; i++)
        if (core_prepared_same_code(source->prepared[i], prepared))
            return true;
    return false;
}

static struct build_source make_source(struct build *build)
{
    struct build_source source = {.arena = build->arena,
                                  .options = build->options,
                                  .tools = &build->tools,
                                  .cache = &build->cache,
                                  .pool = build->pool,
                                  .result = build->result,
                                  .plan = build->plan,
                                  .glue = &build->glue,
                                  .wit = ga_buf_cstr(&build->wit)};
    uint32_t count = build->plan->modules.count;
    source.prepared = ga_arena_array(build->arena, count, sizeof *source.prepared);
    source.modules = ga_arena_array(build->arena, count, sizeof *source.modules);
    source.data = ga_arena_array(build->arena, count, sizeof *source.data);
    for (uint32_t i = 0; i < count; i++) {
        source.data[source.data_count++] = &build->prepared[i];
        if (is_repeated(&source, &build->prepared[i]))
            continue;
        source.modules[source.module_count] = build->plan->modules.items[i].core;
        source.prepared[source.module_count++] = &build->prepared[i];
    }
    return source;
}

static enum ga_status compile_and_link(struct build *build)
{
    struct build_objects objects;
    struct build_source source = make_source(build);
    enum ga_status status = build_compile(&source, &objects, build->report);
    end_phase(build, PHASE_COMPILE);
    build->executable = build_cache_temporary(&build->cache, build->arena, ".exe");
    if (status == GA_OK)
        status = build_link(&source, &objects, &build->defsyms, build->executable, build->report);
    end_phase(build, PHASE_LINK);
    if (status == GA_OK)
        status = build_start_image(&source, build->executable, build->report);
    end_phase(build, PHASE_START_IMAGE);
    return status;
}

/* The executable for build->input, in the cache if there is one. */
static enum ga_status make_executable(struct build *build)
{
    const char *key = executable_key(build);
    if (build->report->status != GA_OK)
        return build->report->status;
    if (!build->options->keep_c)
        build->executable = build_cache_get(&build->cache, build->arena, "executables", key);
    end_phase(build, PHASE_READ);
    build->result->cached = build->executable != NULL;
    if (build->executable)
        return GA_OK;
    enum ga_status status = plan_component(build);
    if (status == GA_OK)
        status = prepare_modules(build);
    if (status == GA_OK)
        status = emit(build);
    if (status == GA_OK)
        status = compile_and_link(build);
    if (status == GA_OK)
        build->executable = build_cache_put(&build->cache, build->arena, "executables", key, build->executable);
    return status;
}

/* --- the output --- */

/* Opens a file beside the output at once: hours of compiling for a place that cannot be written would be a pity. */
static enum ga_status open_output(struct build *build, char **temporary_out, int *fd_out)
{
    const char *output = build->options->output;
    struct stat info, input;
    bool exists = stat(output, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return ga_report_set(build->report, GA_IO, "cannot write %s: it is a directory", output);
    if (exists && stat(build->options->input, &input) == 0 && info.st_dev == input.st_dev && info.st_ino == input.st_ino)
        return ga_report_set(build->report, GA_IO, "cannot write %s: it is the component itself", output);
    const char *slash = strrchr(output, '/');
    int directory_size = slash ? (int)(slash - output + 1) : 0;
    *temporary_out = ga_arena_printf(build->arena, "%.*s.golem-aot-XXXXXX", directory_size, output);
    *fd_out = mkostemp(*temporary_out, O_CLOEXEC);
    return *fd_out >= 0 ? GA_OK : ga_report_errno(build->report, errno, "cannot write %s", output);
}

/* The section headers are the last of what the linker writes; what follows is a start image. */
static bool has_appended(const char *path, uint64_t size)
{
    Elf64_Ehdr header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_read = fd >= 0 && pread(fd, &header, sizeof header, 0) == sizeof header;
    if (fd >= 0)
        close(fd);
    return is_read && size > header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
}

static enum ga_status write_output(struct build *build, int fd, const char *temporary)
{
    enum ga_status status = build_file_append(fd, build->executable, build->report);
    mode_t mask = umask(0);
    umask(mask);
    struct stat info;
    if (status == GA_OK &&
        (fchmod(fd, 0777 & ~mask) != 0 || fstat(fd, &info) != 0 || rename(temporary, build->options->output) != 0))
        status = ga_report_errno(build->report, errno, "cannot write %s", build->options->output);
    if (status == GA_OK) {
        build->result->size_bytes = (uint64_t)info.st_size;
        build->result->has_start_image = has_appended(build->options->output, (uint64_t)info.st_size);
    }
    return status;
}

static enum ga_status make_output(struct build *build)
{
    char *temporary = NULL;
    int fd = -1;
    enum ga_status status = open_output(build, &temporary, &fd);
    if (status != GA_OK)
        return status;
    status = make_executable(build);
    if (status == GA_OK)
        status = write_output(build, fd, temporary);
    end_phase(build, PHASE_OUTPUT);
    close(fd);
    if (status != GA_OK)
        unlink(temporary);
    return status;
}

static unsigned job_count(const struct build_options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return options->jobs ? options->jobs : processors > 0 ? (unsigned)processors : 1;
}

static enum ga_status run(struct build *build, enum ga_status (*make)(struct build *))
{
    enum ga_status status = build_cache_open(build->arena, &build->cache, build->report);
    if (status != GA_OK)
        return status;
    build->phase_start_ms = build_now_ms();
    clock_gettime(CLOCK_REALTIME, &build->began);
    build->pool =
        build_pool_open(build->arena, job_count(build->options), build->cache.temporary, build->options->quiet);
    status = read_input(build);
    if (status == GA_OK)
        status = build_tools_find(build->arena, build->options->cc, &build->tools, build->report);
    if (status == GA_OK)
        status = make(build);
    build_cache_close(&build->cache);
    build_pool_close(build->pool);
    return status;
}

static void free_build(struct build *build)
{
    struct ga_buf *const bufs[] = {&build->input, &build->wit, &build->glue, &build->defsyms};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        ga_buf_free(bufs[i]);
    for (uint32_t i = 0; build->prepared && i < build->plan->modules.count; i++) {
        ga_buf_free(&build->prepared[i].wasm);
        ga_buf_free(&build->prepared[i].data);
    }
    ga_arena_free(build->arena);
}

enum ga_status build_executable(const struct build_options *options, struct build_result *result_out,
                                struct ga_report *report)
{
    struct ga_arena arena = {0};
    struct build_result unused;
    struct build build = {.arena = &arena,
                          .options = options,
                          .result = result_out ? result_out : &unused,
                          .report = report};
    *build.result = (struct build_result){0};
    enum ga_status status = run(&build, make_output);
    free_build(&build);
    return status;
}

/* A temporary file goes before it is executed: by its descriptor. */
static enum ga_status hold_open(struct build *build)
{
    int fd = open(build->executable, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ga_report_errno(build->report, errno, "cannot open %s", build->executable);
    build->executable = ga_arena_printf(build->arena, "/proc/self/fd/%d", fd);
    return GA_OK;
}

static enum ga_status make_to_run(struct build *build)
{
    enum ga_status status = make_executable(build);
    if (status == GA_OK && !build->cache.keeps)
        return hold_open(build);
    if (status == GA_OK)
        build_known_note(build->arena, &build->cache, &build->tools, build->options, build->executable, build->began);
    return status;
}

enum ga_status build_cached_executable(const struct build_options *options, struct ga_buf *path_out,
                                       struct ga_report *report)
{
    struct ga_arena arena = {0};
    struct build_result result = {0};
    struct build build = {.arena = &arena, .options = options, .result = &result, .report = report};
    build.executable = build_known_find(&arena, options);
    enum ga_status status = build.executable ? GA_OK : run(&build, make_to_run);
    if (status == GA_OK)
        ga_buf_text(path_out, build.executable);
    free_build(&build);
    return status;
}

/* --- validate, inspect --- */

enum ga_status build_validate(const char *path, struct ga_report *report)
{
    struct ga_arena arena = {0};
    struct ga_buf input = {0};
    struct component *component;
    enum ga_status status = build_file_read_as(path, "the file", GA_MAX_COMPONENT_BYTES, &input, report);
    if (status == GA_OK)
        status = bin_read(&arena, input.data, input.size, &component, report);
    if (status == GA_OK)
        status = val_component(&arena, component, report);
    ga_buf_free(&input);
    ga_arena_free(&arena);
    return status;
}

static bool begins_like_wasm(const void *data, size_t size)
{
    return size >= 4 && memcmp(data, "\0asm", 4) == 0;
}

bool build_is_wasm(const char *path)
{
    char start[4];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, start, sizeof start) == sizeof start && begins_like_wasm(start, sizeof start);
    if (fd >= 0)
        close(fd);
    return is;
}

bool build_is_executable(const char *path)
{
    const uint8_t *wit;
    size_t wit_size;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
    void *file = is ? mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    is = file != MAP_FAILED && build_elf_section(file, (size_t)info.st_size, ".golem.wit", &wit, &wit_size);
    if (file != MAP_FAILED)
        munmap(file, (size_t)info.st_size);
    return is;
}

enum ga_status build_inspect(const char *path, struct ga_buf *wit_out, struct ga_report *report)
{
    struct ga_arena arena = {0};
    struct ga_buf input = {0};
    struct component *component;
    const uint8_t *wit;
    size_t wit_size;
    enum ga_status status = build_file_read_as(path, "the file", GA_MAX_COMPONENT_BYTES, &input, report);
    bool is_executable = status == GA_OK && build_elf_section(input.data, input.size, ".golem.wit", &wit, &wit_size);
    if (is_executable)
        ga_buf_append(wit_out, wit, wit_size);
    else if (status == GA_OK && input.size >= SELFMAG && memcmp(input.data, ELFMAG, SELFMAG) == 0)
        status = ga_report_set(report, GA_INVALID, "an executable, but none that golem-aot made");
    if (status == GA_OK && !is_executable)
        status = bin_read(&arena, input.data, input.size, &component, report);
    if (status == GA_OK && !is_executable)
        status = wit_print_world(&arena, component, wit_out, report);
    ga_buf_free(&input);
    ga_arena_free(&arena);
    return status;
}
