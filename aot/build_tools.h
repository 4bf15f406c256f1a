#ifndef AOT_BUILD_TOOLS_H
#define AOT_BUILD_TOOLS_H

#include "build_cache.h"

/*
 * The programs and files that a build needs, and what identifies them in the keys of the cache: a program by path, size and time
 * of change (a new version has others; asking each for its version would cost more than the rest of a build from
 * the cache), small scripts and our own files by content.
 */
struct build_tools {
    GA_VEC(const char *) files; /* all that were looked at */
    GA_VEC(const char *) cc; /* the program and arguments that are always given: "ccache gcc -m64" */
    const char *cc_identity;
    const char *wasm2c; /* NULL: none was found */
    const char *wasm2c_identity;
    bool wasm2c_is_systems;              /* found by PATH: its version decides whether it is taken */
    const char *wasm2c_private;          /* that of tools/wasm2c.sh; NULL: there is none */
    const char *library;                 /* libgolemrt.a */
    const char *include;                 /* folder of golem_rt.h */
    const char *headers_identity;        /* contents of all its headers */
    const char *module_headers_identity; /* of those that wasm2c's C includes: wasm-rt*.h */
};

/* cc: NULL for $CC, else "cc". GA_TOOL if a compiler or our own files are missing; a missing wasm2c is no error yet. */
enum ga_status build_tools_find(struct ga_arena *arena, const char *cc, struct build_tools *tools,
                                struct ga_report *report) GA_MUST_USE;

/* Asks wasm2c for its version and settles which one is taken: GA_TOOL if there is none of version 1.0.36 or newer. */
struct build_pool;
enum ga_status build_tools_settle_wasm2c(struct ga_arena *arena, struct build_tools *tools, struct build_pool *pool,
                                         struct build_cache *cache, uint32_t *version_out,
                                         struct ga_report *report) GA_MUST_USE;

/* 1.0.42 as a number that compares. */
#define BUILD_VERSION(major, minor, patch) ((uint32_t)(major) * 1000000 + (minor) * 10000 + (patch))

/* "1.0.42 (git~...)": 0 if it is no version. */
uint32_t build_version_parse(const char *text);

#endif
