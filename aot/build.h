#ifndef AOT_BUILD_H
#define AOT_BUILD_H

#include "ga_buf.h"
#include "ga_report.h"

/* `golem-aot build`: the passes in order, the tools around them, the object cache. */
struct build_options {
    const char *input, *output;
    int optimize;         /* 0..3; -1: by size */
    const char *cc;       /* NULL: $CC or cc */
    unsigned jobs;        /* 0: all processors */
    const char *keep_c;   /* NULL: none kept */
    bool allow_missing;
    bool quiet;
};

enum ga_status build_executable(const struct build_options *options, struct ga_report *report) GA_MUST_USE;

#endif
