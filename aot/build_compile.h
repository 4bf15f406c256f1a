#ifndef AOT_BUILD_COMPILE_H
#define AOT_BUILD_COMPILE_H

#include "build.h"
#include "build_cache.h"
#include "build_process.h"
#include "build_tools.h"
#include "core.h"

/*
 * From prepared core modules and the glue to objects. For each module: if all its objects and its header are in the cache, they
 * are taken; else wasm2c translates it, and its outputs that are not in the cache are compiled. wasm2c of one module and the
 * compilations of others run at the same time, in one pool; the glue follows when all headers are there.
 */
struct build_source {
    struct ga_arena *arena;
    const struct build_options *options;
    struct build_tools *tools;
    struct build_cache *cache;
    struct build_pool *pool;
    struct build_result *result;
    const struct plan *plan;
    uint32_t module_count; /* distinct prefixes only */
    const struct core_prepared **prepared;
    const struct core_module **modules;
    uint32_t data_count; /* all modules: those of one code may have several data */
    const struct core_prepared **data;
    const struct ga_buf *glue;
    const char *wit;
};

struct build_objects {
    GA_VEC(const char *) paths;
};

/* How many files the C of a module of so many bytes of code is split into. */
uint32_t build_output_count(uint64_t code_bytes);

enum ga_status build_compile(const struct build_source *source, struct build_objects *objects_out,
                             struct ga_report *report) GA_MUST_USE;

#endif
