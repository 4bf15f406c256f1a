#define _GNU_SOURCE
#include "serve_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ga_assert.h"
#include "serve_frame.h"

/*
 * A process is STARTING (forked, has not said READY), IDLE, or BUSY with a request. A request WAITS for a process, or has one;
 * it is freed when its process says DONE, or when it is lost while it waits. Its exchange is NULL from the moment when the
 * client has all of the response, or is gone: then the process goes on alone, for a while.
 *
 * While requests wait, no process is for a client that lets it wait: one that sends less of its body than SLOW_BYTES_S, or takes
 * nothing of a response that is too much already, is told 408, or cut.
 *
 * How many processes: FIRST_PROCESSES for each processor as soon as requests come; more when one has waited for GROW_MS, since then
 * those that there are do not compute but wait, or compute for so long that waiting for them is worse.
 */
enum {
    FIRST_PROCESSES = 2,
    GROW_MS = 5,
    TICK_MS = 100,
    IDLE_MS = 30000,
    RETRY_MS = 1000, /* when the system has no process to give */
    LOST_MS = 2000,  /* a handler may go on for so long when nobody wants its response */
    SLOW_BYTES_S = 240,
    SLOW_MS = 5000,    /* a client is given so long to be faster */
    PRESSURE_MS = 1000 /* a request has waited so long for a process */
};

enum process_state { PROCESS_STARTING, PROCESS_IDLE, PROCESS_BUSY };

struct process {
    struct serve_pool *pool;
    struct process *next;
    enum process_state state;
    pid_t pid;
    struct io_channel *channel;
    struct request *request;
    uint64_t since_ms; /* IDLE, or the last time that the handler or its client did something */
    bool killed;
};

struct request {
    struct serve_pool *pool;
    struct io_http_exchange *exchange;
    struct process *process; /* NULL: it waits */
    struct request *next;    /* waiting */
    uint64_t since_ms;       /* waiting, or lost */
    bool lost;               /* by its client */
    bool body_ended, body_full, client_full;
    uint64_t given_ms, body_bytes; /* since then */
    uint64_t full_since_ms;        /* client_full */
    struct ga_buf head;            /* the message, until it is sent */
};

struct serve_pool {
    const struct serve_pool_config *config;
    struct process *processes; /* the one that was used last comes first */
    unsigned process_count, first_count;
    struct request *waiting, **waiting_end;
    unsigned waiting_count;
    uint64_t start_after_ms;
    bool started, hurries;
};

static uint64_t now_ms(const struct serve_pool *pool)
{
    return io_loop_now_ms(pool->config->loop);
}

/* --- processes --- */

/* Of those from 3 on; kept: -1 among them counts for nothing. */
static void close_all_but(const int *kept, unsigned count)
{
    unsigned from = 3, next;
    do {
        next = ~0u;
        for (unsigned i = 0; i < count; i++)
            if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < next)
                next = (unsigned)kept[i];
        if (next > from)
            close_range(from, next == ~0u ? next : next - 1, 0);
        from = next + 1;
    } while (next != ~0u);
}

/* What the server has open is none of the new process's business; its clients would stay connected. */
__attribute__((noreturn)) static void become_process(const struct serve_pool *pool, int socket, pid_t parent)
{
    static const int DEFAULTS[] = {SIGCHLD, SIGALRM};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    for (size_t i = 0; i < sizeof DEFAULTS / sizeof *DEFAULTS; i++)
        signal(DEFAULTS[i], SIG_DFL);
    signal(SIGINT, SIG_IGN); /* the server decides when to stop */
    signal(SIGTERM, SIG_IGN);
    int kept[pool->config->fd_count + 1];
    memcpy(kept, pool->config->fds, pool->config->fd_count * sizeof *kept);
    kept[pool->config->fd_count] = socket;
    close_all_but(kept, pool->config->fd_count + 1);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0 && nothing != STDIN_FILENO) {
        dup2(nothing, STDIN_FILENO);
        close(nothing);
    }
    _exit(pool->config->run(socket));
}

static const struct io_channel_ops channel_ops;

static void start_process(struct serve_pool *pool)
{
    int sockets[2];
    pid_t self = getpid(), pid = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0) {
        pid = fork();
        if (pid == 0)
            become_process(pool, sockets[1], self);
        close(sockets[1]);
        if (pid < 0)
            close(sockets[0]);
    }
    if (pid < 0) {
        char text[128];
        snprintf(text, sizeof text, "cannot start a process: %s", strerror(errno));
        pool->config->remark(text);
        pool->start_after_ms = now_ms(pool) + RETRY_MS;
        return;
    }
    struct process *process = calloc(1, sizeof *process);
    GA_ASSERT(process);
    *process = (struct process){.pool = pool, .next = pool->processes, .pid = pid, .since_ms = now_ms(pool)};
    process->channel = io_channel_open(pool->config->loop, sockets[0], &channel_ops, process);
    pool->processes = process;
    pool->process_count++;
}

static void take_out(struct process *process)
{
    struct process **at = &process->pool->processes;
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
}

/* It ends as soon as it sees that its socket has, and at the latest when it is killed. */
static void forget_process(struct process *process, int *status_out)
{
    struct serve_pool *pool = process->pool;
    io_channel_close(process->channel);
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, status_out, 0) < 0 && errno == EINTR)
        ;
    take_out(process);
    pool->process_count--;
    free(process);
}

/* --- requests --- */

static void free_request(struct request *request)
{
    ga_buf_free(&request->head);
    free(request);
}

/* Nobody waits for the response any more: what comes of it is thrown away. */
static void let_go(struct request *request)
{
    request->exchange = NULL;
    request->since_ms = now_ms(request->pool);
    if (!request->body_ended)
        io_channel_send(request->process->channel, SERVE_ABORT, NULL, 0, NULL, 0);
    request->body_ended = true;
    io_channel_read(request->process->channel, true);
}

/* Answers it in the handler's place, if it is not answered. */
static void fail_request(struct request *request, unsigned status, const char *reason)
{
    struct io_http_exchange *exchange = request->exchange;
    if (!exchange)
        return;
    let_go(request);
    io_http_fail(exchange, status, reason);
}

/* Its socket ends, and on_channel_ended sees to the rest. */
static void kill_process(struct process *process)
{
    process->killed = true;
    kill(process->pid, SIGKILL);
}

static void give(struct process *process, struct request *request)
{
    process->state = PROCESS_BUSY;
    process->since_ms = now_ms(process->pool);
    process->request = request;
    request->process = process;
    request->given_ms = process->since_ms;
    take_out(process);
    process->next = process->pool->processes;
    process->pool->processes = process;
    io_channel_send(process->channel, SERVE_REQUEST, request->head.data, request->head.size, NULL, 0);
    ga_buf_free(&request->head);
    if (io_http_has_body_left(request->exchange))
        io_http_read_body(request->exchange, true);
    else if (!request->body_ended)
        serve_pool_body_end(request, NULL, 0);
}

/* While more processes may be wanted soon, time is looked at more often. */
static void hurry(struct serve_pool *pool)
{
    bool wanted = pool->waiting && pool->process_count < pool->config->processes_max;
    if (wanted != pool->hurries)
        pool->config->tick_every(wanted ? GROW_MS : TICK_MS);
    pool->hurries = wanted;
}

static void wait_for_process(struct request *request)
{
    struct serve_pool *pool = request->pool;
    request->since_ms = now_ms(pool);
    *pool->waiting_end = request;
    pool->waiting_end = &request->next;
    pool->waiting_count++;
    hurry(pool);
}

static struct request *take_waiting(struct serve_pool *pool)
{
    struct request *request = pool->waiting;
    if (!request)
        return NULL;
    pool->waiting = request->next;
    if (!pool->waiting)
        pool->waiting_end = &pool->waiting;
    pool->waiting_count--;
    request->next = NULL;
    return request;
}

static void drop_waiting(struct request *request)
{
    struct request **at = &request->pool->waiting;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    if (!*at)
        request->pool->waiting_end = at;
    request->pool->waiting_count--;
    free_request(request);
}

/* Its end may not have been seen yet. */
static bool is_alive(const struct process *process)
{
    siginfo_t end = {0};
    return waitid(P_PID, (id_t)process->pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == 0;
}

static struct process *find_idle(const struct serve_pool *pool)
{
    struct process *process = pool->processes;
    while (process && !(process->state == PROCESS_IDLE && is_alive(process)))
        process = process->next;
    return process;
}

static void become_idle(struct process *process)
{
    process->state = PROCESS_IDLE;
    process->since_ms = now_ms(process->pool);
    struct request *next = take_waiting(process->pool);
    if (next)
        give(process, next);
}

static unsigned count_starting(const struct serve_pool *pool)
{
    unsigned count = 0;
    for (const struct process *process = pool->processes; process; process = process->next)
        count += process->state == PROCESS_STARTING;
    return count;
}

static void start_processes(struct serve_pool *pool, unsigned wanted)
{
    unsigned starting = count_starting(pool);
    while (wanted > starting && pool->process_count < pool->config->processes_max &&
           now_ms(pool) >= pool->start_after_ms) {
        start_process(pool);
        starting++;
    }
}

static void grow(struct serve_pool *pool)
{
    bool few = pool->process_count < pool->first_count;
    bool late = pool->waiting && now_ms(pool) - pool->waiting->since_ms >= GROW_MS;
    unsigned more = pool->process_count / 2 + 1;
    if (pool->waiting && (few || late))
        start_processes(pool, pool->waiting_count < more ? pool->waiting_count : more);
}

/* --- what processes say --- */

static const char FAILED[] = "the handler failed";

/* What no process says that is as it was made. */
static void distrust(struct request *request)
{
    fail_request(request, 500, FAILED);
    kill_process(request->process);
}

static void on_head(struct request *request, struct ga_reader *message)
{
    struct io_http_field fields[IO_HTTP_FIELDS_MAX];
    unsigned status = (unsigned)ga_read_le(message, 2);
    uint64_t size = ga_read_le(message, 8);
    uint32_t count = serve_read_fields(message, fields);
    if (message->failed || io_http_is_answered(request->exchange))
        distrust(request);
    else
        io_http_respond(request->exchange, status, fields, count, size);
}

static void on_data(struct request *request, struct ga_reader *message)
{
    if (!io_http_is_answered(request->exchange)) {
        distrust(request);
        return;
    }
    request->client_full = !io_http_respond_body(request->exchange, message->at, (size_t)(message->end - message->at));
    if (request->client_full) {
        request->full_since_ms = now_ms(request->pool);
        io_channel_read(request->process->channel, false);
    }
}

static void on_end(struct request *request, struct ga_reader *message)
{
    struct io_http_field fields[IO_HTTP_FIELDS_MAX];
    uint32_t count = serve_read_fields(message, fields);
    struct io_http_exchange *exchange = request->exchange;
    if (message->failed || !io_http_is_answered(exchange)) {
        distrust(request);
        return;
    }
    let_go(request);
    io_http_respond_end(exchange, fields, count);
}

static void on_failed(struct request *request, struct ga_reader *message)
{
    (void)message;
    fail_request(request, 500, FAILED);
}

/* The process is done with it, in one way or another. */
static void end_request(struct process *process)
{
    struct request *request = process->request;
    process->request = NULL;
    if (!request)
        return;
    fail_request(request, 500, FAILED);
    free_request(request);
}

static void on_message(void *context, uint8_t kind, const void *payload, size_t size)
{
    static void (*const HANDLERS[])(struct request *, struct ga_reader *) = {
        [SERVE_HEAD] = on_head, [SERVE_DATA] = on_data, [SERVE_END] = on_end, [SERVE_FAILED] = on_failed};
    struct process *process = context;
    struct serve_pool *pool = process->pool;
    struct ga_reader message = {payload, payload, (const uint8_t *)payload + size, false};
    process->since_ms = now_ms(pool);
    if (process->killed)
        return;
    if (kind == SERVE_READY && process->state == PROCESS_STARTING) {
        if (!pool->started) {
            pool->started = true;
            pool->config->started();
        }
        become_idle(process);
    } else if (kind == SERVE_DONE) {
        end_request(process);
        become_idle(process);
    } else if (kind == SERVE_LAST) {
        end_request(process);
        process->state = PROCESS_STARTING; /* takes no more; it ends by itself */
        if (find_idle(pool) == NULL)
            start_processes(pool, count_starting(pool) + 1);
    } else if (kind < sizeof HANDLERS / sizeof *HANDLERS && HANDLERS[kind] && process->request &&
               process->request->exchange) {
        HANDLERS[kind](process->request, &message);
    }
}

static void on_channel_drained(void *context)
{
    struct process *process = context;
    struct request *request = process->request;
    if (!request || !request->body_full)
        return;
    request->body_full = false;
    process->since_ms = now_ms(process->pool);
    if (request->exchange)
        io_http_read_body(request->exchange, true);
}

static void on_channel_ended(void *context)
{
    struct process *process = context;
    struct serve_pool *pool = process->pool;
    bool killed = process->killed;
    char text[64];
    int status = 0;
    end_request(process);
    forget_process(process, &status);
    if (!killed && WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "a process was ended by signal %d", WTERMSIG(status));
        pool->config->remark(text);
    }
    if (pool->started)
        grow(pool);
    else
        pool->config->failed();
}

static const struct io_channel_ops channel_ops = {on_message, on_channel_drained, on_channel_ended};

/* --- what the server says --- */

static void put_slice(struct ga_buf *out, struct io_http_slice slice)
{
    serve_put_text(out, slice.data, slice.size);
}

static bool is_hop(const struct io_http_head *head, unsigned i)
{
    return io_http_is_hop_field(head->fields, head->field_count, head->fields[i].name);
}

static void put_head(struct ga_buf *out, const struct io_http_head *head)
{
    unsigned count = 0;
    ga_buf_u8(out, head->is_https);
    put_slice(out, head->method);
    put_slice(out, head->authority);
    put_slice(out, head->path_and_query);
    for (unsigned i = 0; i < head->field_count; i++)
        count += !is_hop(head, i);
    serve_put_field_count(out, count);
    for (unsigned i = 0; i < head->field_count; i++) {
        if (is_hop(head, i))
            continue;
        put_slice(out, head->fields[i].name);
        put_slice(out, head->fields[i].value);
    }
}

void *serve_pool_begin(void *context, struct io_http_exchange *exchange, const struct io_http_head *head)
{
    struct serve_pool *pool = context;
    struct request *request = calloc(1, sizeof *request);
    GA_ASSERT(request);
    *request = (struct request){.pool = pool, .exchange = exchange};
    put_head(&request->head, head);
    struct process *process = find_idle(pool);
    if (process) {
        give(process, request);
        return request;
    }
    io_http_read_body(exchange, false);
    wait_for_process(request);
    grow(pool);
    return request;
}

void serve_pool_body(void *user, const void *data, size_t size)
{
    struct request *request = user;
    struct process *process = request->process;
    process->since_ms = now_ms(request->pool);
    request->body_bytes += size;
    request->body_full = !io_channel_send(process->channel, SERVE_BODY, data, size, NULL, 0);
    if (request->body_full)
        io_http_read_body(request->exchange, false);
}

void serve_pool_body_end(void *user, const struct io_http_field *trailers, unsigned count)
{
    struct request *request = user;
    struct ga_buf end = {0};
    if (!request->process || request->body_ended)
        return; /* it is empty: give has said so, or will */
    request->body_ended = true;
    request->process->since_ms = now_ms(request->pool);
    serve_put_field_count(&end, count);
    for (unsigned i = 0; i < count; i++) {
        put_slice(&end, trailers[i].name);
        put_slice(&end, trailers[i].value);
    }
    io_channel_send(request->process->channel, SERVE_BODY_END, end.data, end.size, NULL, 0);
    ga_buf_free(&end);
}

void serve_pool_drained(void *user)
{
    struct request *request = user;
    if (!request->client_full)
        return;
    request->client_full = false;
    request->process->since_ms = now_ms(request->pool);
    io_channel_read(request->process->channel, true);
}

void serve_pool_lost(void *user)
{
    struct request *request = user;
    if (!request->process) {
        drop_waiting(request);
        return;
    }
    request->lost = true;
    request->body_ended = false; /* ABORT comes in any case */
    let_go(request);
}

/* --- time --- */

static bool waits_for_body(const struct request *request)
{
    return io_http_has_body_left(request->exchange) && !request->body_full;
}

/* The handler keeps its client waiting; not the other way round. */
static bool is_handlers_turn(const struct request *request)
{
    return !waits_for_body(request) && !request->client_full;
}

static bool is_slow(const struct request *request)
{
    uint64_t now = now_ms(request->pool), body_ms = now - request->given_ms;
    return (waits_for_body(request) && body_ms >= SLOW_MS && request->body_bytes * 1000 < body_ms * SLOW_BYTES_S) ||
           (request->client_full && now - request->full_since_ms >= SLOW_MS);
}

static bool is_pressed(const struct serve_pool *pool)
{
    return pool->waiting && pool->process_count >= pool->config->processes_max &&
           now_ms(pool) - pool->waiting->since_ms >= PRESSURE_MS;
}

static void tick_busy(struct process *process, struct request *request)
{
    const struct serve_pool_config *config = process->pool->config;
    uint64_t now = now_ms(process->pool);
    if (!request->exchange) {
        if (now - request->since_ms >= (request->lost ? LOST_MS : config->request_ms))
            kill_process(process);
    } else if (is_handlers_turn(request) && now - process->since_ms >= config->request_ms) {
        fail_request(request, 504, "the handler takes too long");
        kill_process(process);
    } else if (is_pressed(process->pool) && is_slow(request)) {
        fail_request(request, 408, "the client is too slow while others wait");
        request->lost = true;
    }
}

static void tick_process(struct process *process)
{
    struct serve_pool *pool = process->pool;
    uint64_t rested_ms = now_ms(pool) - process->since_ms;
    int status;
    if (process->killed)
        return;
    if (process->state == PROCESS_BUSY)
        tick_busy(process, process->request);
    else if (process->state == PROCESS_STARTING && rested_ms >= pool->config->request_ms)
        kill_process(process);
    else if (process->state == PROCESS_IDLE && rested_ms >= IDLE_MS && pool->process_count > 1)
        forget_process(process, &status);
}

void serve_pool_tick(struct serve_pool *pool)
{
    for (struct process *process = pool->processes, *next; process; process = next) {
        next = process->next;
        tick_process(process);
    }
    while (pool->waiting && now_ms(pool) - pool->waiting->since_ms >= pool->config->request_ms) {
        struct request *request = take_waiting(pool);
        io_http_fail(request->exchange, 503, "all processes are busy");
        free_request(request);
    }
    grow(pool);
    hurry(pool);
    if (!pool->started && !pool->processes)
        pool->config->failed();
}

/* --- the pool --- */

struct serve_pool *serve_pool_new(const struct serve_pool_config *config)
{
    struct serve_pool *pool = calloc(1, sizeof *pool);
    GA_ASSERT(pool);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *pool = (struct serve_pool){.config = config,
                                .first_count = FIRST_PROCESSES * (processors > 0 ? (unsigned)processors : 1),
                                .waiting_end = &pool->waiting};
    config->tick_every(TICK_MS);
    start_process(pool);
    return pool;
}

void serve_pool_end(struct serve_pool *pool)
{
    int status;
    while (pool->processes) {
        struct process *process = pool->processes;
        end_request(process);
        forget_process(process, &status);
    }
}
