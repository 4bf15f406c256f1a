#include <errno.h>
#include <poll.h>
#include <string.h>

#include "durable.h"
#include "io_clock.h"
#include "wasi_io.h"
#include "wasi_sockets_tcp.h"

/*
 * wasi:sockets/tcp. States and their transitions (tcp.wit, TcpSocketOperationalSemantics.md):
 *
 *   unbound     start-bind -> bound, start-connect -> connecting
 *   bound       start-listen -> listening, start-connect -> connecting
 *   connecting  finish-connect -> connected or closed
 *   closed      is left by nothing; so are listening and connected
 *
 * What such a call gave is recorded, and what follows from it is done behind that, in replay as well.
 */
typedef struct result_tuple_handle_handle_wasi_sockets_network_error_code streams_result;
typedef struct result_tuple_handle_handle_handle_wasi_sockets_network_error_code accepted_result;
typedef struct
    result_tuple_wasi_sockets_network_ip_socket_address_wasi_sockets_network_ip_socket_address_wasi_sockets_network_error_code
        addresses_result;

#define FAIL(result_out, name) WASI_SOCKET_FAIL(result_out, WASI_SOCKETS_NETWORK_ERROR_CODE_##name)

/* --- the resource --- */

static bool is_connection(const struct wasi_tcp_socket *tcp)
{
    return tcp->state >= WASI_TCP_CONNECTING;
}

/* The end of a connection is seen by the peer: what led to it is durable first. */
static void drop_socket(struct worker *worker, uint32_t rep, void *record, void *live)
{
    (void)rep;
    if (live == NULL)
        return;
    if (is_connection(record))
        durable_commit(worker);
    io_socket_close(live);
}

const struct host_resource_type wasi_sockets_tcp_tcp_socket_type = {
    .name = "wasi:sockets/tcp.tcp-socket",
    .record_size = sizeof(struct wasi_tcp_socket),
    .drop = drop_socket,
};

struct wasi_tcp_socket *wasi_tcp_get(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_sockets_tcp_tcp_socket_type, rep);
}

uint32_t wasi_tcp_new(struct worker *worker, uint32_t address_family, struct io_socket *live)
{
    uint32_t rep;
    struct wasi_tcp_socket *tcp = host_resource_new(worker, &wasi_sockets_tcp_tcp_socket_type, &rep);
    tcp->address_family = address_family;
    tcp->backlog = WASI_TCP_BACKLOG;
    *host_resource_live(worker, rep) = live;
    return rep;
}

/* --- the live part --- */

/* The live part, made again if a process before this one had it. If a listener's port is taken now, the error says so, and the
 * next call tries again. */
static int get_live(struct worker *worker, uint32_t rep, struct io_socket **live_out)
{
    const struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, rep);
    void **live = host_resource_live(worker, rep);
    struct io_socket *made = *live;
    int status = 0;
    if (made == NULL && is_connection(tcp))
        return -ECONNABORTED;
    if (made == NULL)
        status = wasi_socket_open_again(tcp->address_family, SOCK_STREAM, &tcp->options,
                                        tcp->bound ? &tcp->local : NULL, &made);
    if (status == 0 && *live == NULL && tcp->state == WASI_TCP_LISTENING) {
        status = io_socket_listen(made, (int)tcp->backlog);
        if (status != 0)
            io_socket_close(made);
    }
    if (status == 0)
        *live_out = *live = made;
    return status;
}

/* No checkpoint while there is a connection, which cannot be made again. */
static void note_connection(struct worker *worker, uint32_t rep)
{
    host_resource_forbid_checkpoints(worker, rep, *host_resource_live(worker, rep) != NULL);
}

static void close_live(struct worker *worker, uint32_t rep)
{
    void **live = host_resource_live(worker, rep);
    if (*live != NULL)
        io_socket_close(*live);
    *live = NULL;
    note_connection(worker, rep);
}

/* --- a recorded call --- */

struct params {
    uint32_t self, network;
    wasi_socket_address address;
};

struct call {
    struct worker *worker;
    uint32_t self;
    const wasi_socket_address *address;
    struct io_socket *accepted;
};

/* A call with the socket alone, or also a network and an address. What the peer sees is a write (replay_open.h). */
static void record(const struct host_func *function, enum durability durability, uint32_t network, struct call *call,
                   const struct cabi_type *type, void *result, void (*make)(void *context, void *result))
{
    struct params params = {.self = call->self, .network = network};
    if (call->address != NULL)
        params.address = *call->address;
    durable_value(call->worker, function->record_name, durability, function->type->params_tuple, &params, type, result,
                  make, call);
}

/* --- bind --- */

static void make_bind(void *context, void *result)
{
    const struct call *call = context;
    struct sockaddr_storage native = wasi_socket_to_native(call->address);
    struct io_socket *live = NULL;
    int status = get_live(call->worker, call->self, &live);
    if (status == 0)
        status = io_socket_bind(live, &native);
    wasi_socket_put_local(live, status == -EAFNOSUPPORT ? -EINVAL : status, result);
}

void wasi_sockets_tcp_tcp_socket_start_bind(struct worker *worker, uint32_t self, uint32_t network,
                                            const wasi_socket_address *local_address,
                                            wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    struct call call = {.worker = worker, .self = self, .address = local_address};
    wasi_socket_address_result bound = {0};
    if (tcp->progress != WASI_TCP_IDLE)
        FAIL(result_out, CONCURRENCY_CONFLICT);
    else if (tcp->state != WASI_TCP_UNBOUND)
        FAIL(result_out, INVALID_STATE);
    else if (!wasi_socket_fits(tcp->address_family, local_address) || !wasi_socket_is_unicast(local_address))
        FAIL(result_out, INVALID_ARGUMENT);
    else
        record(&host_wasi_sockets_tcp_tcp_socket_start_bind, DURABLE_READ_REMOTE, network, &call,
               host_type_golem_aot_recorded_values_address_result, &bound, make_bind);
    if (bound.tag != 0)
        WASI_SOCKET_FAIL(result_out, bound.value.err);
    if (result_out->tag != 0)
        return;
    tcp->state = WASI_TCP_BOUND;
    tcp->progress = WASI_TCP_BIND;
    tcp->bound = true;
    wasi_socket_keep(&tcp->local, &bound.value.ok);
}

void wasi_sockets_tcp_tcp_socket_finish_bind(struct worker *worker, uint32_t self, wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    if (tcp->progress != WASI_TCP_BIND)
        FAIL(result_out, NOT_IN_PROGRESS);
    else
        tcp->progress = WASI_TCP_IDLE;
}

/* --- connect --- */

static void make_connect(void *context, void *result)
{
    const struct call *call = context;
    struct sockaddr_storage native = wasi_socket_to_native(call->address);
    struct io_socket *live = NULL;
    int status = get_live(call->worker, call->self, &live);
    durable_commit(call->worker); /* the peer sees it */
    if (status == 0)
        status = io_socket_connect(live, &native);
    wasi_socket_put_local(live, status, result);
}

static void end_connect(struct worker *worker, uint32_t self, struct wasi_tcp_socket *tcp)
{
    tcp->progress = WASI_TCP_IDLE;
    tcp->state = WASI_TCP_CLOSED;
    close_live(worker, self);
}

void wasi_sockets_tcp_tcp_socket_start_connect(struct worker *worker, uint32_t self, uint32_t network,
                                               const wasi_socket_address *remote_address,
                                               wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    struct call call = {.worker = worker, .self = self, .address = remote_address};
    wasi_socket_address_result begun = {0};
    if (tcp->progress != WASI_TCP_IDLE)
        FAIL(result_out, CONCURRENCY_CONFLICT);
    else if (tcp->state != WASI_TCP_UNBOUND && tcp->state != WASI_TCP_BOUND)
        FAIL(result_out, INVALID_STATE);
    else if (!wasi_socket_fits(tcp->address_family, remote_address) || !wasi_socket_is_unicast(remote_address) ||
             !wasi_socket_is_remote(remote_address))
        FAIL(result_out, INVALID_ARGUMENT);
    if (result_out->tag != 0)
        return;
    record(&host_wasi_sockets_tcp_tcp_socket_start_connect, DURABLE_WRITE_LOCAL, network, &call,
           host_type_golem_aot_recorded_values_address_result, &begun, make_connect);
    tcp->state = WASI_TCP_CONNECTING;
    tcp->progress = WASI_TCP_CONNECT;
    wasi_socket_keep(&tcp->remote, remote_address);
    if (begun.tag == 0) {
        wasi_socket_keep(&tcp->local, &begun.value.ok);
        note_connection(worker, self);
        return;
    }
    WASI_SOCKET_FAIL(result_out, begun.value.err);
    end_connect(worker, self, tcp);
}

static void make_connected(void *context, void *result)
{
    const struct call *call = context;
    struct io_socket *live;
    int status = get_live(call->worker, call->self, &live);
    if (status == 0)
        status = io_socket_connected(live);
    (void)WASI_SOCKET_SUCCEEDED((wasi_socket_void_result *)result, status);
}

void wasi_sockets_tcp_tcp_socket_finish_connect(struct worker *worker, uint32_t self, streams_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    struct call call = {.worker = worker, .self = self};
    wasi_socket_void_result connected = {0};
    if (tcp->progress != WASI_TCP_CONNECT) {
        FAIL(result_out, NOT_IN_PROGRESS);
        return;
    }
    record(&host_wasi_sockets_tcp_tcp_socket_finish_connect, DURABLE_READ_REMOTE, 0, &call,
           host_type_golem_aot_recorded_values_socket_result, &connected, make_connected);
    if (connected.tag == 0) {
        tcp->progress = WASI_TCP_IDLE;
        tcp->state = WASI_TCP_CONNECTED;
        wasi_tcp_open_streams(worker, self, tcp);
        result_out->value.ok.f0 = tcp->input;
        result_out->value.ok.f1 = tcp->output;
        return;
    }
    WASI_SOCKET_FAIL(result_out, connected.value.err);
    if (connected.value.err != WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK)
        end_connect(worker, self, tcp);
}

/* --- listen, accept --- */

static void make_listen(void *context, void *result)
{
    const struct call *call = context;
    struct io_socket *live;
    int status = get_live(call->worker, call->self, &live);
    if (status == 0)
        status = io_socket_listen(live, (int)wasi_tcp_get(call->worker, call->self)->backlog);
    (void)WASI_SOCKET_SUCCEEDED((wasi_socket_void_result *)result, status);
}

void wasi_sockets_tcp_tcp_socket_start_listen(struct worker *worker, uint32_t self, wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    struct call call = {.worker = worker, .self = self};
    if (tcp->progress != WASI_TCP_IDLE)
        FAIL(result_out, CONCURRENCY_CONFLICT);
    else if (tcp->state != WASI_TCP_BOUND)
        FAIL(result_out, INVALID_STATE);
    else
        record(&host_wasi_sockets_tcp_tcp_socket_start_listen, DURABLE_READ_REMOTE, 0, &call,
               host_type_golem_aot_recorded_values_socket_result, result_out, make_listen);
    if (result_out->tag != 0)
        return;
    tcp->state = WASI_TCP_LISTENING;
    tcp->progress = WASI_TCP_LISTEN;
}

void wasi_sockets_tcp_tcp_socket_finish_listen(struct worker *worker, uint32_t self, wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    if (tcp->progress != WASI_TCP_LISTEN)
        FAIL(result_out, NOT_IN_PROGRESS);
    else
        tcp->progress = WASI_TCP_IDLE;
}

static bool is_listening(const struct wasi_tcp_socket *tcp)
{
    return tcp->state == WASI_TCP_LISTENING && tcp->progress == WASI_TCP_IDLE;
}

static void make_accept(void *context, void *result)
{
    struct call *call = context;
    addresses_result *addresses = result;
    struct sockaddr_storage local, remote;
    struct io_socket *live;
    int status = get_live(call->worker, call->self, &live);
    if (status == 0)
        status = io_socket_accept(live, &call->accepted, &remote);
    if (status == 0)
        status = io_socket_local(call->accepted, &local);
    if (!WASI_SOCKET_SUCCEEDED(addresses, status))
        return;
    addresses->value.ok.f0 = wasi_socket_from_native(&local);
    addresses->value.ok.f1 = wasi_socket_from_native(&remote);
}

void wasi_sockets_tcp_tcp_socket_accept(struct worker *worker, uint32_t self, accepted_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    struct call call = {.worker = worker, .self = self};
    addresses_result addresses = {0};
    if (!is_listening(tcp)) {
        FAIL(result_out, INVALID_STATE);
        return;
    }
    record(&host_wasi_sockets_tcp_tcp_socket_accept, DURABLE_READ_REMOTE, 0, &call,
           host_type_golem_aot_recorded_values_accept_result, &addresses, make_accept);
    if (addresses.tag != 0) {
        WASI_SOCKET_FAIL(result_out, addresses.value.err);
        return;
    }
    uint32_t rep = wasi_tcp_new(worker, tcp->address_family, call.accepted);
    struct wasi_tcp_socket *accepted = wasi_tcp_get(worker, rep);
    accepted->state = WASI_TCP_CONNECTED;
    wasi_socket_keep(&accepted->local, &addresses.value.ok.f0);
    wasi_socket_keep(&accepted->remote, &addresses.value.ok.f1);
    note_connection(worker, rep);
    wasi_tcp_open_streams(worker, rep, accepted);
    result_out->value.ok.f0 = rep;
    result_out->value.ok.f1 = accepted->input;
    result_out->value.ok.f2 = accepted->output;
}

/* --- what the socket is --- */

void wasi_sockets_tcp_tcp_socket_local_address(struct worker *worker, uint32_t self,
                                               wasi_socket_address_result *result_out)
{
    const struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    if (tcp->state == WASI_TCP_UNBOUND || tcp->progress == WASI_TCP_BIND || tcp->state == WASI_TCP_CLOSED)
        FAIL(result_out, INVALID_STATE);
    else
        result_out->value.ok = tcp->local;
}

void wasi_sockets_tcp_tcp_socket_remote_address(struct worker *worker, uint32_t self,
                                                wasi_socket_address_result *result_out)
{
    const struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    if (tcp->state != WASI_TCP_CONNECTED)
        FAIL(result_out, INVALID_STATE);
    else
        result_out->value.ok = tcp->remote;
}

bool wasi_sockets_tcp_tcp_socket_is_listening(struct worker *worker, uint32_t self)
{
    return is_listening(wasi_tcp_get(worker, self));
}

uint32_t wasi_sockets_tcp_tcp_socket_address_family(struct worker *worker, uint32_t self)
{
    return wasi_tcp_get(worker, self)->address_family;
}

/* --- options --- */

void wasi_sockets_tcp_tcp_socket_set_listen_backlog_size(struct worker *worker, uint32_t self, uint64_t value,
                                                         wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    if (value == 0) {
        FAIL(result_out, INVALID_ARGUMENT);
        return;
    }
    if (is_connection(tcp)) {
        FAIL(result_out, INVALID_STATE);
        return;
    }
    tcp->backlog = value < INT32_MAX ? (uint32_t)value : INT32_MAX;
    struct io_socket *live = *host_resource_live(worker, self);
    if (live != NULL && tcp->state == WASI_TCP_LISTENING)
        (void)io_socket_listen(live, (int)tcp->backlog);
}

static void set_option(struct worker *worker, uint32_t self, enum io_socket_option option, uint64_t value,
                       wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    int status = tcp->state == WASI_TCP_CLOSED
                     ? -ENOTCONN
                     : wasi_socket_set_option(&tcp->options, *host_resource_live(worker, self), option, value);
    (void)WASI_SOCKET_SUCCEEDED(result_out, status);
}

static int get_option(struct worker *worker, uint32_t self, enum io_socket_option option, uint64_t *value_out)
{
    struct io_socket *live;
    int status = wasi_tcp_get(worker, self)->state == WASI_TCP_CLOSED ? -ENOTCONN : get_live(worker, self, &live);
    return status == 0 ? io_socket_get(live, option, value_out) : status;
}

WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, keep_alive_enabled, KEEP_ALIVE, bool, bool)
WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, keep_alive_idle_time, KEEP_IDLE, u64, uint64_t)
WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, keep_alive_interval, KEEP_INTERVAL, u64, uint64_t)
WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, keep_alive_count, KEEP_COUNT, u32, uint32_t)
WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, hop_limit, HOP_LIMIT, u8, uint8_t)
WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, receive_buffer_size, RECEIVE_BUFFER, u64, uint64_t)
WASI_SOCKET_OPTION(wasi_sockets_tcp_tcp_socket, send_buffer_size, SEND_BUFFER, u64, uint64_t)

/* --- waiting --- */

/* Of the call that would give would-block now; 0 if none would. */
static short awaited_events(const struct wasi_tcp_socket *tcp)
{
    return tcp->progress == WASI_TCP_CONNECT ? POLLOUT : is_listening(tcp) ? POLLIN : 0;
}

static bool socket_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    short events = awaited_events(wasi_tcp_get(worker, pollable->subject));
    struct io_socket *live;
    return events == 0 || get_live(worker, pollable->subject, &live) != 0 || io_socket_has(live, events);
}

static int socket_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    *events_out = awaited_events(wasi_tcp_get(worker, pollable->subject));
    return io_socket_fd(*host_resource_live(worker, pollable->subject));
}

static const struct wasi_pollable_ops socket_pollable = {.ready = socket_ready, .wait = socket_wait};

uint32_t wasi_sockets_tcp_tcp_socket_subscribe(struct worker *worker, uint32_t self)
{
    (void)wasi_tcp_get(worker, self);
    return wasi_pollable_new(worker, &socket_pollable, self, IO_CLOCK_NEVER);
}

/* --- shutdown --- */

static void close_streams(struct worker *worker, const struct wasi_tcp_socket *tcp, bool receive, bool send)
{
    if (receive && tcp->input != 0) {
        struct wasi_input_stream *input = host_resource_get(worker, &wasi_io_streams_input_stream_type, tcp->input);
        input->closed = true;
    }
    if (send && tcp->output != 0) {
        struct wasi_output_stream *output = host_resource_get(worker, &wasi_io_streams_output_stream_type, tcp->output);
        output->closed = true;
    }
}

void wasi_sockets_tcp_tcp_socket_shutdown(struct worker *worker, uint32_t self, uint32_t shutdown_type,
                                          wasi_socket_void_result *result_out)
{
    struct wasi_tcp_socket *tcp = wasi_tcp_get(worker, self);
    bool receive = shutdown_type != WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND;
    bool send = shutdown_type != WASI_SOCKETS_TCP_SHUTDOWN_TYPE_RECEIVE;
    if (tcp->state != WASI_TCP_CONNECTED) {
        FAIL(result_out, INVALID_STATE);
        return;
    }
    close_streams(worker, tcp, receive, send);
    struct io_socket *live = *host_resource_live(worker, self);
    if (live == NULL)
        return;
    durable_commit(worker); /* the peer sees it */
    io_socket_shutdown(live, receive, send);
}
