#ifndef AOT_BUILD_PROCESS_H
#define AOT_BUILD_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "ga_arena.h"
#include "ga_buf.h"
#include "ga_report.h"

/*
 * A pool of child processes, as many at a time as wanted. Jobs are added before and while the pool runs (a job's end may
 * add others); the first that fails ends all. SIGINT, SIGTERM and SIGHUP are blocked while a pool exists, and looked at
 * whenever it waits: the children are ended, build_pool_run gives GA_TOOL, and after cleaning up the caller lets the signal
 * have its effect with build_pool_close.
 */
struct build_limits {
    unsigned cpu_s;        /* 0: none */
    uint64_t memory_bytes; /* that it may write to (RLIMIT_DATA); what is only reserved does not count; 0: none */
    unsigned wall_s;       /* 0: none */
};

struct build_job {
    const char *const *arguments; /* [0] is found by PATH; ended by NULL */
    const char *what;             /* for messages: "cc", "wasm2c" */
    const char *output_path;      /* standard output goes there; NULL: nowhere */
    const char *progress;         /* counted under this word ("compiling"); NULL: not counted */
    struct build_limits limits;
    bool may_fail; /* its failure is no error: done() is told */
    int pass_fd;   /* made the child's descriptor 3; -1: none */
    /* Called when it has ended (ok: with status 0). Not for failed jobs unless may_fail. */
    enum ga_status (*done)(void *context, bool ok, struct ga_report *report);
    void *context;
};

struct build_pool;

/* error_directory: where children's standard errors go meanwhile. quiet: no progress on stderr. */
struct build_pool *build_pool_open(struct ga_arena *arena, unsigned jobs, const char *error_directory, bool quiet);
void build_pool_add(struct build_pool *pool, const struct build_job *job);
enum ga_status build_pool_run(struct build_pool *pool, struct ga_report *report) GA_MUST_USE;

/* Also without any job: notices a signal that came meanwhile. */
bool build_pool_interrupted(struct build_pool *pool);

/* Restores the signal mask; if one of the signals came, it now has its effect (usually: this does not return). */
void build_pool_close(struct build_pool *pool);

#endif
