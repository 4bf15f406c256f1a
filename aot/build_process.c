#define _GNU_SOURCE
#include "build_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "build_files.h"

extern char **environ;

enum { ERROR_TEXT_BYTES = 900, PROGRESS_AFTER_MS = 1000 };

struct running {
    pid_t pid; /* 0: free */
    struct build_job job;
    char *error_path;
    double deadline_ms; /* 0: none */
    bool timed_out;
};

struct build_pool {
    struct ga_arena *arena;
    unsigned limit, running_count, serial;
    struct running *running;
    GA_VEC(struct build_job) queue;
    uint32_t next; /* of the queue */
    const char *error_directory;
    bool quiet, tty, line_open;
    double start_ms;
    unsigned counted, counted_done;
    const char *progress;
    sigset_t waited, old_mask;
    int interrupted_by; /* a signal, 0: none */
};

/* --- life --- */

struct build_pool *build_pool_open(struct ga_arena *arena, unsigned jobs, const char *error_directory, bool quiet)
{
    struct build_pool *pool = GA_NEW(arena, struct build_pool);
    pool->arena = arena;
    pool->limit = jobs;
    pool->running = ga_arena_array(arena, jobs, sizeof *pool->running);
    pool->error_directory = error_directory;
    pool->quiet = quiet;
    pool->tty = isatty(STDERR_FILENO);
    pool->start_ms = build_now_ms();
    sigemptyset(&pool->waited);
    sigaddset(&pool->waited, SIGINT);
    sigaddset(&pool->waited, SIGTERM);
    sigaddset(&pool->waited, SIGHUP);
    sigaddset(&pool->waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &pool->waited, &pool->old_mask);
    signal(SIGCHLD, SIG_DFL); /* ignored, children would vanish unwaited */
    return pool;
}

void build_pool_close(struct build_pool *pool)
{
    if (pool->interrupted_by)
        raise(pool->interrupted_by); /* pending while it is blocked */
    sigprocmask(SIG_SETMASK, &pool->old_mask, NULL);
}

void build_pool_add(struct build_pool *pool, const struct build_job *job)
{
    *GA_PUSH(pool->arena, &pool->queue) = *job;
    if (job->progress)
        pool->counted++;
}

/* --- progress --- */

static void show_progress(struct build_pool *pool)
{
    if (pool->quiet || !pool->progress || build_now_ms() - pool->start_ms < PROGRESS_AFTER_MS)
        return;
    if (pool->tty)
        fprintf(stderr, "\r\033[K%s %u/%u", pool->progress, pool->counted_done, pool->counted);
    else
        fprintf(stderr, "golem-aot: %s %u/%u\n", pool->progress, pool->counted_done, pool->counted);
    pool->line_open = pool->tty;
}

static void clear_progress(struct build_pool *pool)
{
    if (pool->line_open)
        fputs("\r\033[K", stderr);
    pool->line_open = false;
}

/* --- starting --- */

static void set_limits(pid_t pid, struct build_limits limits)
{
    if (limits.cpu_s)
        prlimit(pid, RLIMIT_CPU, &(struct rlimit){limits.cpu_s, limits.cpu_s + 1}, NULL);
    if (limits.memory_bytes)
        prlimit(pid, RLIMIT_DATA, &(struct rlimit){limits.memory_bytes, limits.memory_bytes}, NULL);
}

static int spawn(struct build_pool *pool, const struct build_job *job, const char *error_path, pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults = pool->waited;
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    const char *output = job->output_path ? job->output_path : "/dev/null";
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, error_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (job->pass_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, job->pass_fd, 3);
    posix_spawnattr_setsigmask(&attributes, &pool->old_mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    /* A group of its own: an interrupt typed at the terminal is ours to pass on. */
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawnp(pid_out, job->arguments[0], &actions, &attributes, (char *const *)job->arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static enum ga_status finish(struct build_pool *pool, const struct build_job *job, bool ok, struct ga_report *report)
{
    if (job->progress) {
        pool->counted_done++;
        pool->progress = job->progress;
        show_progress(pool);
    }
    return job->done ? job->done(job->context, ok, report) : GA_OK;
}

static enum ga_status start(struct build_pool *pool, struct running *slot, const struct build_job *job,
                            struct ga_report *report)
{
    slot->job = *job;
    slot->timed_out = false;
    slot->error_path = ga_arena_printf(pool->arena, "%s/%u.err", pool->error_directory, pool->serial++);
    int error = spawn(pool, job, slot->error_path, &slot->pid);
    if (error) {
        slot->pid = 0;
        if (job->may_fail)
            return finish(pool, job, false, report);
        ga_report_errno(report, error, "cannot start %s (%s)", job->what, job->arguments[0]);
        report->status = GA_TOOL;
        return GA_TOOL;
    }
    set_limits(slot->pid, job->limits);
    slot->deadline_ms = job->limits.wall_s ? build_now_ms() + job->limits.wall_s * 1e3 : 0;
    pool->running_count++;
    return GA_OK;
}

static struct running *free_slot(struct build_pool *pool)
{
    for (unsigned i = 0; i < pool->limit; i++)
        if (!pool->running[i].pid)
            return &pool->running[i];
    return NULL;
}

static enum ga_status start_waiting(struct build_pool *pool, struct ga_report *report)
{
    enum ga_status status = GA_OK;
    for (struct running *slot; status == GA_OK && pool->next < pool->queue.count && (slot = free_slot(pool));) {
        struct build_job job = pool->queue.items[pool->next++]; /* a copy: done() may grow the queue */
        status = start(pool, slot, &job, report);
    }
    return status;
}

/* --- ending --- */

/* What a failed program wrote, its beginning and no more than a report takes; control characters shown as '?'. */
static void read_error_text(const char *path, char *text, size_t size)
{
    size_t count = 0;
    FILE *file = fopen(path, "re");
    if (file) {
        count = fread(text, 1, size - 1, file);
        fclose(file);
    }
    while (count && (text[count - 1] == '\n' || text[count - 1] == ' '))
        count--;
    text[count] = 0;
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' && *at != '\n' && *at != '\t')
            *at = '?';
}

static enum ga_status report_failure(const struct running *slot, int wait_status, struct ga_report *report)
{
    char text[ERROR_TEXT_BYTES];
    read_error_text(slot->error_path, text, sizeof text);
    const char *between = *text ? ":\n" : "";
    if (slot->timed_out)
        return ga_report_set(report, GA_TOOL, "%s took longer than %u s and was stopped%s%s", slot->job.what,
                             slot->job.limits.wall_s, between, text);
    if (WIFSIGNALED(wait_status)) {
        int number = WTERMSIG(wait_status);
        const char *hint = number == SIGKILL ? ", perhaps for want of memory: fewer --jobs take less" : "";
        return ga_report_set(report, GA_TOOL, "%s was killed by signal %d (%s)%s%s%s", slot->job.what, number,
                             strsignal(number), hint, between, text);
    }
    return ga_report_set(report, GA_TOOL, "%s ended with %d%s%s", slot->job.what, WEXITSTATUS(wait_status), between,
                         text);
}

static enum ga_status end(struct build_pool *pool, struct running *slot, int wait_status, struct ga_report *report)
{
    bool ok = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    enum ga_status status = ok || slot->job.may_fail ? GA_OK : report_failure(slot, wait_status, report);
    unlink(slot->error_path);
    struct build_job job = slot->job;
    slot->pid = 0;
    pool->running_count--;
    return status == GA_OK ? finish(pool, &job, ok, report) : status;
}

static enum ga_status reap(struct build_pool *pool, struct ga_report *report)
{
    enum ga_status status = GA_OK;
    for (unsigned i = 0; i < pool->limit; i++) {
        struct running *slot = &pool->running[i];
        int wait_status;
        if (!slot->pid || waitpid(slot->pid, &wait_status, WNOHANG) != slot->pid)
            continue;
        enum ga_status one = end(pool, slot, wait_status, report);
        if (status == GA_OK)
            status = one;
    }
    return status;
}

static void kill_all(struct build_pool *pool)
{
    for (unsigned i = 0; i < pool->limit; i++)
        if (pool->running[i].pid)
            kill(-pool->running[i].pid, SIGKILL);
    for (unsigned i = 0; i < pool->limit; i++) {
        struct running *slot = &pool->running[i];
        if (!slot->pid)
            continue;
        while (waitpid(slot->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        unlink(slot->error_path);
        slot->pid = 0;
        pool->running_count--;
    }
}

static void kill_late(struct build_pool *pool)
{
    double now = build_now_ms();
    for (unsigned i = 0; i < pool->limit; i++) {
        struct running *slot = &pool->running[i];
        if (slot->pid && slot->deadline_ms && now > slot->deadline_ms && !slot->timed_out) {
            slot->timed_out = true;
            kill(-slot->pid, SIGKILL);
        }
    }
}

/* Sleeps until a child ends, a signal comes, or a moment has passed (deadlines). */
static void wait_for_news(struct build_pool *pool)
{
    int number = sigtimedwait(&pool->waited, NULL, &(struct timespec){.tv_nsec = 200000000});
    if (number > 0 && number != SIGCHLD)
        pool->interrupted_by = number;
}

bool build_pool_interrupted(struct build_pool *pool)
{
    sigset_t signals = pool->waited;
    sigdelset(&signals, SIGCHLD);
    int number = pool->interrupted_by ? 0 : sigtimedwait(&signals, NULL, &(struct timespec){0});
    if (number > 0)
        pool->interrupted_by = number;
    return pool->interrupted_by != 0;
}

enum ga_status build_pool_run(struct build_pool *pool, struct ga_report *report)
{
    enum ga_status status = GA_OK;
    while (status == GA_OK && !build_pool_interrupted(pool)) {
        status = start_waiting(pool, report);
        if (status != GA_OK || (!pool->running_count && pool->next == pool->queue.count))
            break;
        if (pool->running_count)
            wait_for_news(pool);
        kill_late(pool);
        status = reap(pool, report);
    }
    if (pool->interrupted_by)
        status = ga_report_set(report, GA_TOOL, "interrupted");
    kill_all(pool);
    clear_progress(pool);
    return status;
}
