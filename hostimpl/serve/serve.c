#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "exe.h"
#include "ga_assert.h"
#include "http_handler.h"
#include "serve_pool.h"
#include "serve_virtual.h"
#include "serve_worker.h"

/*
 * `EXE serve`: the server, its pool of processes, and how they begin and end. One thread, one loop; nothing of the guest runs in
 * this process.
 */
enum { DEFAULT_PROCESSES = 64, DEFAULT_CONNECTIONS = 1024 };

static struct {
    struct exe_options *options;
    struct worker_config worker;
    struct io_loop *loop;
    struct io_http_server_config http;
    struct serve_pool_config pool_config;
    struct serve_pool *pool;
    struct io_http_server *server; /* NULL: the pool has not started yet */
    unsigned grace_ms;
    uint64_t stopping_since_ms;
    bool stopping;
    int code;
} serve = {
    .http = {.listen = "127.0.0.1:8080",
             .limits = {.target_bytes = 8 << 10, .head_bytes = 64 << 10, .body_bytes = 64 << 20},
             .connections_max = DEFAULT_CONNECTIONS,
             .header_ms = 10000,
             .idle_ms = 60000,
             .body_ms = 30000,
             .write_ms = 30000},
    .pool_config = {.processes_max = DEFAULT_PROCESSES, .request_ms = 60000},
    .grace_ms = 10000,
};

/* --- options --- */

struct setting {
    const char *name, *value, *text;
    void *target;
    enum { SETTING_TEXT, SETTING_COUNT, SETTING_SIZE, SETTING_BYTES, SETTING_SECONDS } kind;
};

static const struct setting SETTINGS[] = {
    {"--listen", "HOST:PORT", "where to listen (127.0.0.1:8080); port 0: any that is free", &serve.http.listen, SETTING_TEXT},
    {"--max-concurrency", "N", "requests that are answered at a time, each in a process of its own (64)",
     &serve.pool_config.processes_max, SETTING_COUNT},
    {"--max-connections", "N", "more are answered 503 (1024)", &serve.http.connections_max, SETTING_COUNT},
    {"--max-target", "BYTES", "of a request's path and query; longer: 414 (8192)", &serve.http.limits.target_bytes, SETTING_SIZE},
    {"--max-header", "BYTES", "of a request's head, and of trailers; larger: 431 (65536)", &serve.http.limits.head_bytes,
     SETTING_SIZE},
    {"--max-body", "BYTES", "of a request's body; larger: 413 (67108864)", &serve.http.limits.body_bytes, SETTING_BYTES},
    {"--header-timeout", "SECONDS", "for a request's head to come; later: 408 (10)", &serve.http.header_ms, SETTING_SECONDS},
    {"--body-timeout", "SECONDS", "between two pieces of a request's body; later: 408 (30)", &serve.http.body_ms,
     SETTING_SECONDS},
    {"--write-timeout", "SECONDS", "in which a client takes something of its response (30)", &serve.http.write_ms,
     SETTING_SECONDS},
    {"--idle-timeout", "SECONDS", "for which a connection is kept without a request (60)", &serve.http.idle_ms,
     SETTING_SECONDS},
    {"--request-timeout", "SECONDS", "for which a handler may leave its client waiting; longer: 504 (60)",
     &serve.pool_config.request_ms, SETTING_SECONDS},
    {"--grace", "SECONDS", "for what is under way at SIGTERM (10)", &serve.grace_ms, SETTING_SECONDS},
};

static void print_help(void)
{
    printf("Usage: %s [OPTION]... serve [SETTING]...\n\nServes the component's wasi:http/incoming-handler over HTTP/1.1, until "
           "SIGTERM or SIGINT.\nEach request gets a fresh instance.\n\n",
           serve.options->program);
    for (size_t i = 0; i < sizeof SETTINGS / sizeof *SETTINGS; i++)
        printf("  %-17s %-10s %s\n", SETTINGS[i].name, SETTINGS[i].value, SETTINGS[i].text);
}

/* Digits alone, up to max; false otherwise. */
static bool read_number(const char *text, uint64_t max, uint64_t *number_out)
{
    char *end;
    *number_out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *number_out >= 1 && *number_out <= max;
}

static bool set(const struct setting *setting, const char *text)
{
    uint64_t number = 0;
    char *end;
    double seconds;
    switch (setting->kind) {
    case SETTING_TEXT: *(const char **)setting->target = text; return true;
    case SETTING_COUNT:
        if (!read_number(text, 100000, &number))
            return false;
        *(unsigned *)setting->target = (unsigned)number;
        return true;
    case SETTING_SIZE:
        if (!read_number(text, GA_MAX_HTTP_TARGET_BYTES, &number))
            return false;
        *(size_t *)setting->target = (size_t)number;
        return true;
    case SETTING_BYTES: return read_number(text, INT64_MAX, setting->target);
    case SETTING_SECONDS:
        seconds = strtod(text, &end);
        if (*end || !(seconds >= 0.001 && seconds <= 1000000))
            return false;
        *(unsigned *)setting->target = (unsigned)(seconds * 1000);
        return true;
    }
    return false;
}

/* "--name value" or "--name=value". */
static int read_settings(int count, char **words)
{
    for (int at = 0; at < count; at++) {
        const char *equals = strchr(words[at], '='), *value = equals ? equals + 1 : words[at + 1];
        size_t size = equals ? (size_t)(equals - words[at]) : strlen(words[at]), i = 0, end = sizeof SETTINGS / sizeof *SETTINGS;
        while (i < end && (strlen(SETTINGS[i].name) != size || memcmp(SETTINGS[i].name, words[at], size) != 0))
            i++;
        if (i == end)
            return exe_usage(serve.options, "serve has no setting %s", words[at]);
        if (!equals && ++at >= count)
            return exe_usage(serve.options, "%s wants a value", SETTINGS[i].name);
        if (!set(&SETTINGS[i], value))
            return exe_usage(serve.options, "%s wants %s, not \"%s\"", SETTINGS[i].name, SETTINGS[i].value, value);
    }
    return EXE_DONE;
}

/* --- the life of the server --- */

static const struct rt_export *find_handle(void)
{
    static const char PREFIX[] = "wasi:http/incoming-handler@0.2.";
    for (uint32_t i = 0; i < golem_component.export_count; i++) {
        const struct rt_export *export = &golem_component.exports[i];
        if (strncmp(export->interface, PREFIX, sizeof PREFIX - 1) == 0 && strcmp(export->name, "handle") == 0)
            return export;
    }
    return NULL;
}

static int run_process(int socket)
{
    return serve_worker_run(socket, &serve.worker, find_handle());
}

static void leave(int code)
{
    serve.code = code;
    io_loop_stop(serve.loop);
}

static void on_stopped(void *context)
{
    (void)context;
    leave(EXE_DONE);
}

/* SIGTERM or SIGINT: what is under way is finished. */
static void stop(void *context)
{
    (void)context;
    if (!serve.server) {
        leave(EXE_DONE);
        return;
    }
    serve.stopping = true;
    serve.stopping_since_ms = io_loop_now_ms(serve.loop);
    io_http_server_stop(serve.server);
}

static void on_started(void)
{
    struct ga_report report = {0};
    if (io_http_server_start(serve.loop, &serve.http, &serve.server, &report) != GA_OK) {
        leave(exe_fail(serve.options, &report));
        return;
    }
    printf("listening on http://%s\n", io_http_server_address(serve.server));
    fflush(stdout);
}

/* It has said why. */
static void on_failed(void)
{
    leave(EXE_TRAPPED);
}

static void tick(void *context)
{
    (void)context;
    serve_pool_tick(serve.pool);
    if (serve.server)
        io_http_server_tick(serve.server);
    if (serve.stopping && io_loop_now_ms(serve.loop) - serve.stopping_since_ms >= serve.grace_ms) {
        serve.worker.remark("what was not finished in time is cut");
        leave(EXE_DONE);
    }
}

static void tick_every(unsigned interval_ms)
{
    io_loop_every(serve.loop, interval_ms, tick, NULL);
}

/*
 * Connections and processes are an fd each. The soft limit is for programs that use select(2). Where even the hard one is too low
 * there are fewer connections: whoever connects must not be able to keep processes from being started.
 */
static void provide_fds(void)
{
    enum { OTHER_FDS = 192 }; /* the loop's, directories, connections that are refused */
    struct rlimit limit;
    rlim_t others = OTHER_FDS + serve.pool_config.processes_max;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= others + serve.http.connections_max)
        return;
    serve.http.connections_max = limit.rlim_cur > others ? (unsigned)(limit.rlim_cur - others) : 1;
    serve.worker.remark("there are fewer connections than --max-connections says: the limit of open files is too low");
}

static void connect_parts(void)
{
    serve.worker = exe_config(serve.options, WORKER_LIVE);
    serve.worker.data = NULL;
    serve.worker.command = true; /* its streams and directories are those of the process */
    serve.worker.preopens = serve.options->preopens;
    serve.worker.preopen_count = serve.options->preopen_count;
    int *fds = calloc(serve.options->preopen_count + 1, sizeof *fds);
    GA_ASSERT(fds);
    for (uint32_t i = 0; i < serve.options->preopen_count; i++)
        fds[i] = serve.options->preopens[i].fd;
    serve.pool_config.fds = fds;
    serve.pool_config.fd_count = serve.options->preopen_count;
    serve.pool_config.loop = serve.loop;
    serve.pool_config.run = run_process;
    serve.pool_config.remark = serve.worker.remark;
    serve.pool_config.tick_every = tick_every;
    serve.pool_config.started = on_started;
    serve.pool_config.failed = on_failed;
    serve.http.begin = serve_pool_begin;
    serve.http.body = serve_pool_body;
    serve.http.body_end = serve_pool_body_end;
    serve.http.drained = serve_pool_drained;
    serve.http.lost = serve_pool_lost;
    serve.http.stopped = on_stopped;
}

static int serve_verb(struct exe_options *options, int count, char **words)
{
    serve.options = options;
    if (count > 0 && strcmp(words[0], "--help") == 0) {
        print_help();
        return EXE_DONE;
    }
    if (options->data_given)
        return exe_usage(options, "serve keeps nothing: --data, --worker and --key have no meaning");
    if (read_settings(count, words) != EXE_DONE)
        return EXE_USAGE;
    signal(SIGPIPE, SIG_IGN);
    serve.loop = io_loop_new();
    if (!serve.loop || io_loop_on_signal(serve.loop, SIGTERM, stop, NULL) != 0 ||
        io_loop_on_signal(serve.loop, SIGINT, stop, NULL) != 0) {
        fprintf(stderr, "%s: the system has no event loop to give\n", options->program);
        return EXE_REFUSED;
    }
    connect_parts();
    provide_fds();
    serve.http.context = serve.pool = serve_pool_new(&serve.pool_config);
    io_loop_run(serve.loop);
    serve_pool_end(serve.pool);
    return serve.code;
}

const struct rt_http_handler golem_http_handler = {
    .serve = serve_verb,
    .handle = find_handle,
    .virtual_export = serve_virtual_export,
    .check = serve_virtual_check,
    .make = serve_virtual_make,
    .take = serve_virtual_take,
};
