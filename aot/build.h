#ifndef AOT_BUILD_H
#define AOT_BUILD_H

#include "ga_buf.h"
#include "ga_report.h"

/* `golem-aot build`: the passes in order, the tools around them, the object cache. */
struct build_options {
    const char *input, *output;
    int optimize;       /* 0..3; -1: by size */
    const char *cc;     /* NULL: $CC or cc */
    unsigned jobs;      /* 0: all processors */
    const char *keep_c; /* NULL: none kept */
    bool allow_missing;
    bool dynamic; /* libc is a shared library (build_link.c) */
    bool quiet;
    bool command; /* a component that does not export wasi:cli/run is refused */
};

/* What a build did, for --format json and for measurements. */
enum build_phase {
    PHASE_READ,
    PHASE_PLAN,
    PHASE_PREPARE,
    PHASE_EMIT,
    PHASE_COMPILE,
    PHASE_LINK,
    PHASE_START_IMAGE,
    PHASE_OUTPUT,
    PHASE_COUNT
};
extern const char *const build_phase_names[PHASE_COUNT];

struct build_result {
    uint64_t size_bytes;
    bool cached; /* the whole executable came from the cache */
    bool has_start_image;
    unsigned object_count, object_cached_count;
    double phase_ms[PHASE_COUNT];
};

/* Writes options->output, all or nothing. GA_INVALID, GA_LIMIT, GA_UNSUPPORTED: the fault of the component, with offset where there
 * is one; GA_TOOL: a program that is needed failed or is missing; GA_IO, GA_NO_SPACE. SIGINT, SIGTERM and SIGHUP remove what
 * is half done, and then have their usual effect. result_out may be NULL. */
enum ga_status build_executable(const struct build_options *options, struct build_result *result_out,
                                struct ga_report *report) GA_MUST_USE;

/* The same into the cache, or, if there is none that can be written, into a temporary file; path_out: where, to be executed by this
 * process, and soon. options->output is ignored. */
enum ga_status build_cached_executable(const struct build_options *options, struct ga_buf *path_out,
                                       struct ga_report *report) GA_MUST_USE;

/* GA_OK if the file is a valid component. */
enum ga_status build_validate(const char *path, struct ga_report *report) GA_MUST_USE;

/* The WIT text of a component, or of an executable that was made of one. */
enum ga_status build_inspect(const char *path, struct ga_buf *wit_out, struct ga_report *report) GA_MUST_USE;

/* True if the file begins like a WebAssembly file. */
bool build_is_wasm(const char *path);

/* True if it is an executable that golem-aot made. */
bool build_is_executable(const char *path);

#endif
