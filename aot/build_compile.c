#include "build_compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_files.h"

/*
 * What is kept of a module, in two steps. An object's key is the C text it is made of: its own file's and that of the two headers
 * that it includes, the flags, the compiler. So after a change of one function only the file it is in is compiled again
 * (the prefix in all names does not depend on code: core.h). The keys of a module's objects, in the cache as a list under a hash
 * of the module itself, spare wasm2c when nothing but data changed.
 */
static const char *const guest_flags[] = {
    "-std=gnu11",
    "-w",
    "-fno-strict-aliasing", /* wasm2c's C reads memory by all types */
    "-frounding-math",      /* floating point to the bit: NaN payloads, no fused multiply-add */
    "-fsignaling-nans",
    "-ffp-contract=off",
    "-fno-math-errno",      /* sqrt and rounding become instructions */
    "-fno-stack-protector", /* the guest's stack has no canary, but guard pages */
    "-fno-pie",             /* code addresses are part of a worker's state */
#if defined(__x86_64__)
    "-march=x86-64-v2", /* every processor since 2009; without SSE4.1 SIMD costs twice as much (exe_main.c refuses older ones) */
#endif
    "-fno-ident",
    "-ffunction-sections", /* what nobody calls is left out when linking */
    "-fdata-sections",
    NULL,
};

/* An endless recursion must use up the stack and trap, not become an endless loop; but core_prepare.c on tail calls. */
static const char *sibling_calls_flag(bool tail_calls)
{
    return tail_calls ? "-foptimize-sibling-calls" : "-fno-optimize-sibling-calls";
}

/*
 * Splitting lets a module be compiled on several processors, and bounds the compiler's memory (about 1 GB for each MB of code
 * in one file); each file costs 20 ms more, and functions are not inlined across files. Small modules, where inner loops are likely
 * to be all there is, stay whole; a medium one is cut into four, so that 100 KB of component take less than 2 s on two processors.
 */
enum { WHOLE_BELOW = 32 * 1024, BYTES_A_QUARTER = 24 * 1024, BYTES_AN_OUTPUT = 128 * 1024, OUTPUTS_MAX = 256 };
enum { OPTIMIZE_FULLY_BELOW = 1000000 }; /* bytes of code */

struct unit {
    struct compilation *compilation;
    const struct core_prepared *prepared;
    const struct core_module *module;
    uint32_t output_count;
    bool split; /* wasm2c is told a number of outputs, and names them _0, _1, ... */
    const char *module_key;
    const char *header_key; /* these are NULL until they are known */
    const char **keys;      /* of the objects */
    const char **objects;   /* paths; NULL: to be made */
};

struct compilation {
    const struct build_source *source;
    struct ga_arena *arena;
    const char *directory; /* of all C */
    uint32_t wasm2c_version;
    struct unit *units;
    uint32_t unit_count, headers_missing;
    const char *glue_object, *data_object;
};

enum { KEY_SIZE = 64 }; /* hex digits */

struct object_job {
    struct compilation *compilation;
    const char *key; /* NULL: not cached */
    const char *path;
    const char **path_out;
};

uint32_t build_output_count(uint64_t code_bytes)
{
    if (code_bytes < WHOLE_BELOW)
        return 1;
    uint64_t quarters = code_bytes / BYTES_A_QUARTER + 1;
    uint64_t count = (code_bytes + BYTES_AN_OUTPUT - 1) / BYTES_AN_OUTPUT;
    if (count < 4)
        count = quarters < 4 ? quarters : 4;
    return count < OUTPUTS_MAX ? (uint32_t)count : OUTPUTS_MAX;
}

static int optimize_level(const struct compilation *compilation, uint64_t code_bytes)
{
    int level = compilation->source->options->optimize;
    return level >= 0 ? level : code_bytes < OPTIMIZE_FULLY_BELOW ? 2 : 1;
}

/* --- command lines --- */

typedef GA_VEC(const char *) words;

static void add_words(struct ga_arena *arena, words *to, const char *const *from)
{
    for (; *from; from++)
        *GA_PUSH(arena, to) = *from;
}

static void add_word(struct ga_arena *arena, words *to, const char *word)
{
    *GA_PUSH(arena, to) = word;
}

static void add_cc(const struct compilation *compilation, words *to)
{
    const struct build_tools *tools = compilation->source->tools;
    for (uint32_t i = 0; i < tools->cc.count; i++)
        add_word(compilation->arena, to, tools->cc.items[i]);
}

/* Flags of one guest object: all of them are in its cache key. */
static void add_guest_flags(const struct compilation *compilation, words *to, int level, bool tail_calls)
{
    struct ga_arena *arena = compilation->arena;
    add_words(arena, to, guest_flags);
    add_word(arena, to, ga_arena_printf(arena, "-O%d", level));
    add_word(arena, to, sibling_calls_flag(tail_calls));
}

static enum ga_status object_done(void *context, bool ok, struct ga_report *report)
{
    struct object_job *job = context;
    (void)ok, (void)report;
    *job->path_out = job->path;
    if (job->key)
        *job->path_out =
            build_cache_put(job->compilation->source->cache, job->compilation->arena, "objects", job->key, job->path);
    return GA_OK;
}

static void add_object_job(struct compilation *compilation, const char *c_path, const char *key, const char **path_out,
                           words flags, uint64_t code_bytes)
{
    struct ga_arena *arena = compilation->arena;
    struct build_cache *cache = compilation->source->cache;
    struct object_job *job = GA_NEW(arena, struct object_job);
    words arguments = {0};
    *job = (struct object_job){compilation, key, build_cache_temporary(cache, arena, ".o"), path_out};
    add_cc(compilation, &arguments);
    for (uint32_t i = 0; i < flags.count; i++)
        add_word(arena, &arguments, flags.items[i]);
    /* Paths of this build do not get into objects, wherever its directory lies. */
    const char *const rest[] = {ga_arena_printf(arena, "-ffile-prefix-map=%s/=", compilation->directory),
                                "-I",
                                compilation->source->tools->include,
                                "-I",
                                compilation->directory,
                                "-c",
                                "-o",
                                job->path,
                                c_path,
                                NULL};
    add_words(arena, &arguments, rest);
    add_word(arena, &arguments, NULL);
    build_pool_add(compilation->source->pool,
                   &(struct build_job){.arguments = arguments.items,
                                       .what = compilation->source->tools->cc.items[0],
                                       .progress = "compiling",
                                       .limits = {.cpu_s = 600 + (unsigned)(code_bytes >> 12)},
                                       .done = object_done,
                                       .context = job,
                                       .pass_fd = -1});
    compilation->source->result->object_count++;
}

/* --- keys --- */

/* What decides an object beside its source. */
static void key_compiler(struct build_key *key, const struct unit *unit)
{
    const struct compilation *compilation = unit->compilation;
    words flags = {0};
    add_guest_flags(compilation, &flags, optimize_level(compilation, unit->module->code_bytes),
                    unit->prepared->tail_calls);
    build_key_text(key, compilation->source->tools->cc_identity);
    build_key_text(key, compilation->source->tools->module_headers_identity);
    for (uint32_t i = 0; i < flags.count; i++)
        build_key_text(key, flags.items[i]);
}

static void key_module(struct unit *unit)
{
    struct build_key key;
    build_key_start(&key);
    build_key_text(&key, "module 3");
    build_key_text(&key, unit->prepared->prefix); /* what it imports tells it too, but not all import something */
    build_key_bytes(&key, unit->prepared->wasm.data, unit->prepared->wasm.size);
    build_key_text(&key, unit->compilation->source->tools->wasm2c_identity);
    key_compiler(&key, unit);
    build_key_number(&key, unit->output_count);
    unit->module_key = build_key_end(&key, unit->compilation->arena);
}

static enum ga_status key_file(struct build_key *key, const char *path, struct ga_report *report)
{
    struct ga_buf text = {0};
    enum ga_status status = build_file_read(path, UINT32_MAX, &text, report);
    build_key_bytes(key, text.data, text.size);
    ga_buf_free(&text);
    return status;
}

static const char *key_glue(const struct compilation *compilation, const words *flags)
{
    const struct build_source *source = compilation->source;
    struct build_key key;
    build_key_start(&key);
    build_key_text(&key, "glue 1");
    build_key_bytes(&key, source->glue->data, source->glue->size);
    build_key_text(&key, source->tools->cc_identity);
    build_key_text(&key, source->tools->headers_identity);
    for (uint32_t i = 0; i < flags->count; i++)
        build_key_text(&key, flags->items[i]);
    for (uint32_t i = 0; i < compilation->unit_count; i++) /* the modules' headers follow from these */
        build_key_text(&key, compilation->units[i].header_key);
    return build_key_end(&key, compilation->arena);
}

/* --- the glue and the data --- */

static const char *c_path(const struct compilation *compilation, const char *name, const char *suffix)
{
    return ga_arena_printf(compilation->arena, "%s/%s%s", compilation->directory, name, suffix);
}

static void queue_glue(struct compilation *compilation)
{
    const struct build_source *source = compilation->source;
    words flags = {0};
    int level = source->options->optimize >= 0 ? source->options->optimize : 2;
    add_guest_flags(compilation, &flags, level, false);
    const char *key = key_glue(compilation, &flags);
    compilation->glue_object = build_cache_get(source->cache, compilation->arena, "objects", key);
    if (compilation->glue_object) {
        source->result->object_count++;
        source->result->object_cached_count++;
        return;
    }
    add_object_job(compilation, c_path(compilation, "glue", ".c"), key, &compilation->glue_object, flags,
                   source->glue->size);
}

static bool is_repeated_data(const struct build_source *source, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(source->data[i]->data_symbol, source->data[index]->data_symbol) == 0)
            return true;
    return false;
}

/* Data that core_prepare took out, and the WIT text, as one assembler file. */
static enum ga_status write_data(struct compilation *compilation, struct ga_report *report)
{
    const struct build_source *source = compilation->source;
    struct ga_buf text = {0};
    enum ga_status status =
        build_file_write(c_path(compilation, "component", ".wit"), source->wit, strlen(source->wit), report);
    ga_buf_text(&text, ".section .golem.wit,\"\",%progbits\n.globl golem_wit\ngolem_wit:\n.incbin \"component.wit\"\n"
                       ".section .note.GNU-stack,\"\",%progbits\n.section .rodata.golem,\"a\",%progbits\n");
    for (uint32_t i = 0; i < source->data_count && status == GA_OK; i++) {
        const struct core_prepared *prepared = source->data[i];
        if (!prepared->segment_count || is_repeated_data(source, i))
            continue;
        status = build_file_write(c_path(compilation, prepared->data_symbol, ".bin"), prepared->data.data,
                                  prepared->data.size, report);
        ga_buf_printf(&text, ".globl %s\n.p2align 4\n%s:\n.incbin \"%s.bin\"\n.byte 0\n", prepared->data_symbol,
                      prepared->data_symbol, prepared->data_symbol);
    }
    if (status == GA_OK)
        status = build_file_write(c_path(compilation, "data", ".s"), text.data, text.size, report);
    ga_buf_free(&text);
    return status;
}

static void queue_data(struct compilation *compilation)
{
    add_object_job(compilation, c_path(compilation, "data", ".s"), NULL, &compilation->data_object, (words){0}, 0);
}

/* --- modules --- */

static void note_header(struct compilation *compilation)
{
    if (--compilation->headers_missing == 0)
        queue_glue(compilation);
}

static const char *unit_c_path(const struct unit *unit, uint32_t output)
{
    const struct compilation *compilation = unit->compilation;
    if (!unit->split)
        return c_path(compilation, unit->prepared->prefix, ".c");
    return ga_arena_printf(compilation->arena, "%s/%s_%u.c", compilation->directory, unit->prepared->prefix, output);
}

static void queue_objects(struct unit *unit)
{
    struct compilation *compilation = unit->compilation;
    words flags = {0};
    add_guest_flags(compilation, &flags, optimize_level(compilation, unit->module->code_bytes),
                    unit->prepared->tail_calls);
    for (uint32_t i = 0; i < unit->output_count; i++)
        if (!unit->objects[i])
            add_object_job(compilation, unit_c_path(unit, i), unit->keys[i], &unit->objects[i], flags,
                           unit->module->code_bytes);
}

/* Keys of what wasm2c wrote. */
static enum ga_status key_outputs(struct unit *unit, struct ga_report *report)
{
    const struct compilation *compilation = unit->compilation;
    struct ga_arena *arena = compilation->arena;
    struct build_key key;
    build_key_start(&key);
    enum ga_status status = key_file(&key, c_path(compilation, unit->prepared->prefix, ".h"), report);
    unit->header_key = build_key_end(&key, arena);
    build_key_start(&key);
    build_key_text(&key, "object 2");
    build_key_text(&key, unit->header_key);
    if (unit->split && status == GA_OK)
        status = key_file(&key, c_path(compilation, unit->prepared->prefix, "-impl.h"), report);
    key_compiler(&key, unit);
    const char *common = build_key_end(&key, arena);
    for (uint32_t i = 0; i < unit->output_count && status == GA_OK; i++) {
        build_key_start(&key);
        build_key_text(&key, common);
        status = key_file(&key, unit_c_path(unit, i), report);
        unit->keys[i] = build_key_end(&key, arena);
    }
    return status;
}

static void keep_text(struct unit *unit, const char *key, const void *data, size_t size, const char *suffix)
{
    struct build_cache *cache = unit->compilation->source->cache;
    struct ga_report unused = {0};
    const char *copy = build_cache_temporary(cache, unit->compilation->arena, suffix);
    if (build_file_write(copy, data, size, &unused) == GA_OK)
        build_cache_put(cache, unit->compilation->arena, "objects", key, copy);
}

/* The list of keys, the header's first; and a copy of the header, so that the glue can be compiled without wasm2c. */
static void keep_keys(struct unit *unit)
{
    struct ga_report unused = {0};
    struct ga_buf text = {0};
    if (build_file_read(c_path(unit->compilation, unit->prepared->prefix, ".h"), UINT32_MAX, &text, &unused) == GA_OK)
        keep_text(unit, unit->header_key, text.data, text.size, ".h");
    text.size = 0;
    ga_buf_printf(&text, "%s\n", unit->header_key);
    for (uint32_t i = 0; i < unit->output_count; i++)
        ga_buf_printf(&text, "%s\n", unit->keys[i]);
    keep_text(unit, unit->module_key, text.data, text.size, ".keys");
    ga_buf_free(&text);
}

/* Takes from the cache what objects there are; how many are missing. */
static uint32_t take_objects(struct unit *unit)
{
    const struct build_source *source = unit->compilation->source;
    uint32_t missing = 0;
    for (uint32_t i = 0; i < unit->output_count; i++) {
        unit->objects[i] = build_cache_get(source->cache, unit->compilation->arena, "objects", unit->keys[i]);
        missing += !unit->objects[i];
    }
    return missing;
}

static void count_objects(struct unit *unit, uint32_t missing)
{
    unit->compilation->source->result->object_count += unit->output_count - missing;
    unit->compilation->source->result->object_cached_count += unit->output_count - missing;
}

static enum ga_status translated(void *context, bool ok, struct ga_report *report)
{
    struct unit *unit = context;
    (void)ok;
    enum ga_status status = key_outputs(unit, report);
    if (status != GA_OK)
        return status;
    keep_keys(unit);
    count_objects(unit, take_objects(unit));
    queue_objects(unit);
    note_header(unit->compilation);
    return GA_OK;
}

/* Features that older versions have to be told of; newer ones have them on, and refuse the option. */
static void add_feature_options(const struct unit *unit, words *arguments)
{
    const struct {
        bool used;
        const char *option;
    } features[] = {{unit->module->uses_exceptions, "--enable-exceptions"},
                    {unit->module->uses_multi_memory, "--enable-multi-memory"},
                    {true, "--enable-extended-const"}};
    if (unit->compilation->wasm2c_version >= BUILD_VERSION(1, 0, 42))
        return;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (features[i].used)
            add_word(unit->compilation->arena, arguments, features[i].option);
}

/* wasm2c reads a file that somebody else made: it may not run or grow without end. */
static struct build_limits wasm2c_limits(const struct unit *unit)
{
    uint64_t size = unit->prepared->wasm.size;
    return (struct build_limits){.cpu_s = 60 + (unsigned)(size >> 16),
                                 .wall_s = 600 + (unsigned)(size >> 14),
                                 .memory_bytes = (2ull << 30) + size * 256};
}

static enum ga_status queue_wasm2c(struct unit *unit, struct ga_report *report)
{
    struct compilation *compilation = unit->compilation;
    struct ga_arena *arena = compilation->arena;
    const char *wasm = build_cache_temporary(compilation->source->cache, arena, ".wasm");
    enum ga_status status = build_file_write(wasm, unit->prepared->wasm.data, unit->prepared->wasm.size, report);
    words arguments = {0};
    const char *const first[] = {compilation->source->tools->wasm2c,
                                 "--no-debug-names",
                                 "-n",
                                 unit->prepared->prefix,
                                 "-o",
                                 c_path(compilation, unit->prepared->prefix, ".c"),
                                 NULL};
    add_words(arena, &arguments, first);
    add_feature_options(unit, &arguments);
    if (unit->split)
        add_word(arena, &arguments, ga_arena_printf(arena, "--num-outputs=%u", unit->output_count));
    add_word(arena, &arguments, wasm);
    add_word(arena, &arguments, NULL);
    build_pool_add(compilation->source->pool, &(struct build_job){.arguments = arguments.items,
                                                                  .what = "wasm2c",
                                                                  .limits = wasm2c_limits(unit),
                                                                  .done = translated,
                                                                  .context = unit,
                                                                  .pass_fd = -1});
    return status;
}

static bool take_header(const struct unit *unit)
{
    const struct compilation *compilation = unit->compilation;
    const char *header = build_cache_get(compilation->source->cache, compilation->arena, "objects", unit->header_key);
    /* A symbolic link will do: it is read by this build's compiler only. */
    return header && symlink(header, c_path(compilation, unit->prepared->prefix, ".h")) == 0;
}

/* Reads the list that keep_keys made. */
static bool take_keys(struct unit *unit)
{
    struct ga_arena *arena = unit->compilation->arena;
    struct ga_report unused = {0};
    struct ga_buf text = {0};
    const size_t line = KEY_SIZE + 1, size = line * ((size_t)unit->output_count + 1);
    const char *list = build_cache_get(unit->compilation->source->cache, arena, "objects", unit->module_key);
    bool taken = list && build_file_read(list, size, &text, &unused) == GA_OK && text.size == size;
    if (taken) {
        const char *at = (const char *)text.data;
        unit->header_key = ga_arena_strndup(arena, at, KEY_SIZE);
        for (uint32_t i = 0; i < unit->output_count; i++)
            unit->keys[i] = ga_arena_strndup(arena, at + line * (i + 1), KEY_SIZE);
    }
    ga_buf_free(&text);
    return taken;
}

/* True if all is in the cache, and nothing is left to do for this module. */
static bool take_cached(struct unit *unit)
{
    if (unit->compilation->source->options->keep_c || !take_keys(unit) || take_objects(unit) > 0 || !take_header(unit))
        return false;
    count_objects(unit, 0);
    return true;
}

static void make_units(struct compilation *compilation)
{
    const struct build_source *source = compilation->source;
    compilation->unit_count = source->module_count;
    compilation->units = ga_arena_array(compilation->arena, compilation->unit_count, sizeof *compilation->units);
    for (uint32_t i = 0; i < compilation->unit_count; i++) {
        struct unit *unit = &compilation->units[i];
        unit->compilation = compilation;
        unit->prepared = source->prepared[i];
        unit->module = source->modules[i];
        unit->output_count = build_output_count(unit->module->code_bytes);
        unit->split = unit->output_count > 1;
        unit->objects = ga_arena_array(compilation->arena, unit->output_count, sizeof *unit->objects);
        unit->keys = ga_arena_array(compilation->arena, unit->output_count, sizeof *unit->keys);
        key_module(unit);
    }
}

/* The largest first: it takes longest. */
static int compare_size(const void *a, const void *b)
{
    uint64_t x = ((const struct unit *)a)->module->code_bytes, y = ((const struct unit *)b)->module->code_bytes;
    return (x < y) - (x > y);
}

static enum ga_status queue_modules(struct compilation *compilation, struct ga_report *report)
{
    const struct build_source *source = compilation->source;
    enum ga_status status = GA_OK;
    compilation->headers_missing = 1; /* the glue waits for this loop */
    for (uint32_t i = 0; i < compilation->unit_count && status == GA_OK; i++) {
        struct unit *unit = &compilation->units[i];
        if (take_cached(unit))
            continue;
        if (!compilation->wasm2c_version)
            status = build_tools_settle_wasm2c(compilation->arena, source->tools, source->pool, source->cache,
                                               &compilation->wasm2c_version, report);
        compilation->headers_missing++;
        if (status == GA_OK)
            status = queue_wasm2c(unit, report);
    }
    note_header(compilation);
    return status;
}

/* --- all of it --- */

static enum ga_status keep_c(struct compilation *compilation, struct ga_report *report)
{
    const char *to = compilation->source->options->keep_c;
    enum ga_status status = build_directory_make(to, report);
    return status == GA_OK ? build_directory_copy(compilation->directory, to, report) : status;
}

static void collect(struct compilation *compilation, struct build_objects *objects)
{
    struct ga_arena *arena = compilation->arena;
    *GA_PUSH(arena, &objects->paths) = compilation->glue_object;
    for (uint32_t i = 0; i < compilation->unit_count; i++)
        for (uint32_t n = 0; n < compilation->units[i].output_count; n++)
            *GA_PUSH(arena, &objects->paths) = compilation->units[i].objects[n];
    *GA_PUSH(arena, &objects->paths) = compilation->data_object;
}

enum ga_status build_compile(const struct build_source *source, struct build_objects *objects_out,
                             struct ga_report *report)
{
    struct compilation compilation = {.source = source, .arena = source->arena};
    compilation.directory = build_cache_temporary(source->cache, source->arena, ".c");
    *objects_out = (struct build_objects){0};
    enum ga_status status = build_directory_make(compilation.directory, report);
    make_units(&compilation);
    if (compilation.unit_count)
        qsort(compilation.units, compilation.unit_count, sizeof *compilation.units, compare_size);
    if (status == GA_OK)
        status = build_file_write(c_path(&compilation, "glue", ".c"), source->glue->data, source->glue->size, report);
    if (status == GA_OK)
        status = queue_modules(&compilation, report);
    if (status == GA_OK)
        status = write_data(&compilation, report);
    if (status == GA_OK)
        queue_data(&compilation);
    if (status == GA_OK)
        status = build_pool_run(source->pool, report);
    if (status == GA_OK && source->options->keep_c)
        status = keep_c(&compilation, report);
    if (status == GA_OK)
        collect(&compilation, objects_out);
    return status;
}
