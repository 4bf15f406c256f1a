#include "durable.h"
#include "io_clock.h"
#include "wasi_io.h"

/*
 * What was ready is recorded, so replay does not wait. A worker that only sleeps, and for long, does not keep its process: it
 * is suspended and woken at the deadline (Golem's rule). A wait that would be missed after a crash is preceded by a
 * commit: the deadline it waits for must be on disk, or the sleep would begin anew; and a worker that waits for the
 * world for hours must not lose what it did before.
 */
static const uint64_t suspend_ns = 10u * 1000000000ull;
static const uint64_t commit_ns = 10u * 1000000ull;

const struct host_resource_type wasi_io_poll_pollable_type = {
    .name = "wasi:io/poll.pollable",
    .record_size = sizeof(struct wasi_pollable),
};

uint32_t wasi_pollable_new(struct worker *worker, const struct wasi_pollable_ops *ops, uint32_t subject,
                           uint64_t deadline_ns)
{
    uint32_t rep;
    struct wasi_pollable *pollable = host_resource_new(worker, &wasi_io_poll_pollable_type, &rep);
    *pollable = (struct wasi_pollable){ops, subject, deadline_ns};
    if (subject != 0)
        host_resource_set_parent(worker, rep, subject);
    return rep;
}

static bool always_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    (void)worker;
    (void)pollable;
    return true;
}

const struct wasi_pollable_ops wasi_pollable_always = {.ready = always_ready, .deterministic = true};

static bool timer_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    (void)worker;
    return io_clock_monotonic_ns() >= pollable->deadline_ns;
}

const struct wasi_pollable_ops wasi_pollable_timer = {.ready = timer_ready};

/* --- waiting --- */

/* A poll under way. */
struct wait {
    struct worker *worker;
    const struct wasi_pollable **pollables;
    uint32_t count;
    struct pollfd *fds;
    uint32_t fd_count;
    uint64_t deadline_ns; /* the earliest */
    uint32_t *ready;
    uint32_t ready_count;
};

static void wait_init(struct wait *wait, struct worker *worker, size_t count)
{
    *wait = (struct wait){.worker = worker, .count = (uint32_t)count};
    wait->pollables = worker_alloc(worker, count * sizeof *wait->pollables);
    wait->fds = worker_alloc(worker, count * sizeof *wait->fds);
    wait->ready = worker_alloc(worker, count * sizeof *wait->ready);
}

static void wait_collect_ready(struct wait *wait)
{
    wait->ready_count = 0;
    for (uint32_t i = 0; i < wait->count; i++)
        if (wait->pollables[i]->ops->ready(wait->worker, wait->pollables[i]))
            wait->ready[wait->ready_count++] = i;
}

/* Each fd once: a guest may name a pollable as often as it likes, poll(2) takes no more entries than there may be fds. */
static void wait_add_fd(struct wait *wait, int fd, short events)
{
    for (uint32_t i = 0; i < wait->fd_count; i++) {
        if (wait->fds[i].fd == fd) {
            wait->fds[i].events |= events;
            return;
        }
    }
    wait->fds[wait->fd_count++] = (struct pollfd){.fd = fd, .events = events};
}

/* What has nothing to wait for any more is ready. */
static void wait_collect_causes(struct wait *wait)
{
    wait->fd_count = 0;
    wait->deadline_ns = IO_CLOCK_NEVER;
    for (uint32_t i = 0; i < wait->count; i++) {
        const struct wasi_pollable *pollable = wait->pollables[i];
        if (pollable->deadline_ns < wait->deadline_ns)
            wait->deadline_ns = pollable->deadline_ns;
        if (pollable->ops->wait == NULL)
            continue;
        short events = 0;
        int fd = pollable->ops->wait(wait->worker, pollable, &events);
        if (fd >= 0)
            wait_add_fd(wait, fd, events);
        else
            wait->ready[wait->ready_count++] = i;
    }
}

static uint64_t wall_time_after(uint64_t ns)
{
    uint64_t time;
    return __builtin_add_overflow(io_clock_wall_ns(), ns, &time) ? UINT64_MAX : time;
}

/* A durable worker blocks: suspended, which does not return, or committed. What answers soon saves the commit. Whoever
 * runs a command waits for it, and so does a worker that would lose a connection. */
static void wait_durably(struct wait *wait)
{
    uint64_t now = io_clock_monotonic_ns();
    uint64_t left = wait->deadline_ns > now ? wait->deadline_ns - now : 0;
    bool sleeps = wait->fd_count == 0 && !worker_is_command(wait->worker) && !host_resources_need_process(wait->worker);
    if (sleeps && wait->deadline_ns != IO_CLOCK_NEVER && left >= suspend_ns)
        durable_suspend(wait->worker, wall_time_after(left));
    if (left < commit_ns)
        return;
    if (wait->fd_count == 0 || io_clock_poll(wait->fds, wait->fd_count, now + commit_ns) == 0)
        durable_commit(wait->worker);
}

static void wait_until_ready(struct wait *wait)
{
    for (wait_collect_ready(wait); wait->ready_count == 0; wait_collect_ready(wait)) {
        wait_collect_causes(wait);
        if (wait->ready_count > 0)
            return;
        worker_about_to_wait(wait->worker);
        if (!worker_is_ephemeral(wait->worker))
            wait_durably(wait);
        (void)io_clock_poll(wait->fds, wait->fd_count, wait->deadline_ns);
    }
}

void wasi_pollable_wait(struct worker *worker, const struct wasi_pollable *pollable)
{
    struct wait wait;
    wait_init(&wait, worker, 1);
    wait.pollables[0] = pollable;
    wait_until_ready(&wait);
}

static void poll_now(struct worker *worker, const uint32_t *reps, size_t count, struct cabi_list *result_out)
{
    struct wait wait;
    wait_init(&wait, worker, count);
    for (size_t i = 0; i < count; i++)
        wait.pollables[i] = host_resource_get(worker, &wasi_io_poll_pollable_type, reps[i]);
    wait_until_ready(&wait);
    *result_out = (struct cabi_list){wait.ready, wait.ready_count};
}

/* --- the interface --- */

void wasi_io_poll_poll(struct worker *worker, struct cabi_list in, struct cabi_list *result_out)
{
    if (in.count == 0)
        worker_trap(worker, "poll of an empty list");
    poll_now(worker, in.items, in.count, result_out);
}

struct one {
    struct worker *worker;
    uint32_t rep;
};

static void make_block(void *context, void *result)
{
    const struct one *one = context;
    poll_now(one->worker, &one->rep, 1, result);
}

/* A poll of one, and recorded as that. */
void wasi_io_poll_pollable_block(struct worker *worker, uint32_t self)
{
    const struct cabi_func_type *type = host_wasi_io_poll_poll.type;
    struct one one = {worker, self};
    struct cabi_list request = {&one.rep, 1}, result = {0};
    durable_value(worker, host_wasi_io_poll_pollable_block.record_name, DURABLE_READ_LOCAL, type->params_tuple,
                  &request, type->result, &result, make_block, &one);
}

static void make_ready(void *context, void *result)
{
    const struct one *one = context;
    const struct wasi_pollable *pollable = host_resource_get(one->worker, &wasi_io_poll_pollable_type, one->rep);
    *(bool *)result = pollable->ops->ready(one->worker, pollable);
}

/* Golem does not record it; but then a guest that asks a timer whether it has elapsed cannot be replayed. */
bool wasi_io_poll_pollable_ready(struct worker *worker, uint32_t self)
{
    const struct wasi_pollable *pollable = host_resource_get(worker, &wasi_io_poll_pollable_type, self);
    struct one one = {worker, self};
    bool result = false;
    if (pollable->ops->deterministic)
        return pollable->ops->ready(worker, pollable);
    const struct cabi_func_type *type = host_wasi_io_poll_pollable_ready.type;
    durable_value(worker, host_wasi_io_poll_pollable_ready.record_name, DURABLE_READ_LOCAL, type->params_tuple,
                  &one.rep, type->result, &result, make_ready, &one);
    return result;
}
