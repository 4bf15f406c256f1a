#include <errno.h>
#include <poll.h>
#include <string.h>

#include "durable.h"
#include "io_clock.h"
#include "wasi_io.h"
#include "wasi_sockets_udp.h"

/*
 * wasi:sockets/udp. A socket has a pair of streams for each call of `stream`, of which only the last pair works (udp.wit). After a
 * restart the socket is made again at its next use, with its address and its association: datagrams in between are lost,
 * as datagrams may be.
 */
enum {
    DATAGRAMS = 16,          /* of one receive, and permitted by one check-send */
    RECEIVE_BYTES = 1 << 16, /* a receive that has so many stops */
    DATAGRAM_BYTES = 1 << 16 /* more than any has */
};

typedef struct result_list_wasi_sockets_network_error_code list_result;
typedef struct result_u64_wasi_sockets_network_error_code u64_result;
typedef struct result_tuple_handle_handle_wasi_sockets_network_error_code streams_result;
typedef struct option_wasi_sockets_network_ip_socket_address optional_address;

#define FAIL(result_out, name) WASI_SOCKET_FAIL(result_out, WASI_SOCKETS_NETWORK_ERROR_CODE_##name)

/* --- the resources --- */

struct udp_socket {
    uint32_t address_family;
    bool bound, binding; /* binding: start-bind, but not finish-bind */
    uint32_t generation; /* of the streams that work */
    struct wasi_socket_options options;
    wasi_socket_address address; /* that it was bound to */
    wasi_socket_address local;   /* after an association, the interface's */
    optional_address remote;
};

/* Either stream. */
struct datagram_stream {
    uint32_t socket, generation;
    uint32_t permit; /* datagrams, of the last check-send */
};

static void drop_socket(struct worker *worker, uint32_t rep, void *record, void *live)
{
    (void)worker;
    (void)rep;
    (void)record;
    if (live != NULL)
        io_socket_close(live);
}

const struct host_resource_type wasi_sockets_udp_udp_socket_type = {
    .name = "wasi:sockets/udp.udp-socket",
    .record_size = sizeof(struct udp_socket),
    .drop = drop_socket,
};

const struct host_resource_type wasi_sockets_udp_incoming_datagram_stream_type = {
    .name = "wasi:sockets/udp.incoming-datagram-stream",
    .record_size = sizeof(struct datagram_stream),
};

const struct host_resource_type wasi_sockets_udp_outgoing_datagram_stream_type = {
    .name = "wasi:sockets/udp.outgoing-datagram-stream",
    .record_size = sizeof(struct datagram_stream),
};

static struct udp_socket *get_socket(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_sockets_udp_udp_socket_type, rep);
}

static struct datagram_stream *get_incoming(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_sockets_udp_incoming_datagram_stream_type, rep);
}

static struct datagram_stream *get_outgoing(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_sockets_udp_outgoing_datagram_stream_type, rep);
}

uint32_t wasi_udp_new(struct worker *worker, uint32_t address_family, struct io_socket *live)
{
    uint32_t rep;
    struct udp_socket *udp = host_resource_new(worker, &wasi_sockets_udp_udp_socket_type, &rep);
    udp->address_family = address_family;
    *host_resource_live(worker, rep) = live;
    return rep;
}

/* --- the live part --- */

static int associate(struct io_socket *live, const struct udp_socket *udp, const optional_address *remote)
{
    struct sockaddr_storage bound = wasi_socket_to_native(&udp->address), native;
    if (remote->tag != 0)
        native = wasi_socket_to_native(&remote->value.some);
    return io_socket_associate(live, remote->tag != 0 ? &native : NULL, &bound);
}

/* The live part, made again if a process before this one had it. */
static int get_live(struct worker *worker, uint32_t rep, struct io_socket **live_out)
{
    const struct udp_socket *udp = get_socket(worker, rep);
    void **live = host_resource_live(worker, rep);
    struct io_socket *made = *live;
    int status = 0;
    if (made == NULL) {
        status = wasi_socket_open_again(udp->address_family, SOCK_DGRAM, &udp->options,
                                        udp->bound ? &udp->address : NULL, &made);
        if (status == 0 && udp->remote.tag != 0 && (status = associate(made, udp, &udp->remote)) != 0)
            io_socket_close(made);
    }
    if (status == 0)
        *live_out = *live = made;
    return status;
}

/* --- bind --- */

struct bind_params {
    uint32_t self, network;
    wasi_socket_address local_address;
};

struct bind_call {
    struct worker *worker;
    const struct bind_params *params;
};

static void make_bind(void *context, void *result)
{
    const struct bind_call *call = context;
    struct sockaddr_storage native = wasi_socket_to_native(&call->params->local_address);
    struct io_socket *live = NULL;
    int status = get_live(call->worker, call->params->self, &live);
    if (status == 0)
        status = io_socket_bind(live, &native);
    wasi_socket_put_local(live, status == -EAFNOSUPPORT ? -EINVAL : status, result);
}

void wasi_sockets_udp_udp_socket_start_bind(struct worker *worker, uint32_t self, uint32_t network,
                                            const wasi_socket_address *local_address,
                                            wasi_socket_void_result *result_out)
{
    const struct host_func *function = &host_wasi_sockets_udp_udp_socket_start_bind;
    struct udp_socket *udp = get_socket(worker, self);
    struct bind_params params = {self, network, *local_address};
    struct bind_call call = {worker, &params};
    wasi_socket_address_result bound = {0};
    if (udp->binding)
        FAIL(result_out, CONCURRENCY_CONFLICT);
    else if (udp->bound)
        FAIL(result_out, INVALID_STATE);
    else if (!wasi_socket_fits(udp->address_family, local_address))
        FAIL(result_out, INVALID_ARGUMENT);
    else
        durable_value(worker, function->record_name, DURABLE_READ_REMOTE, function->type->params_tuple, &params,
                      host_type_golem_aot_recorded_values_address_result, &bound, make_bind, &call);
    if (bound.tag != 0)
        WASI_SOCKET_FAIL(result_out, bound.value.err);
    if (result_out->tag != 0)
        return;
    udp->bound = udp->binding = true;
    wasi_socket_keep(&udp->address, &bound.value.ok);
    wasi_socket_keep(&udp->local, &bound.value.ok);
}

void wasi_sockets_udp_udp_socket_finish_bind(struct worker *worker, uint32_t self, wasi_socket_void_result *result_out)
{
    struct udp_socket *udp = get_socket(worker, self);
    if (!udp->binding)
        FAIL(result_out, NOT_IN_PROGRESS);
    else
        udp->binding = false;
}

/* --- stream --- */

struct stream_params {
    uint32_t self;
    optional_address remote_address;
};

struct stream_call {
    struct worker *worker;
    const struct stream_params *params;
};

static void make_stream(void *context, void *result)
{
    const struct stream_call *call = context;
    struct io_socket *live = NULL;
    int status = get_live(call->worker, call->params->self, &live);
    if (status == 0)
        status = associate(live, get_socket(call->worker, call->params->self), &call->params->remote_address);
    wasi_socket_put_local(live, status, result);
}

static uint32_t new_stream(struct worker *worker, const struct host_resource_type *type, uint32_t socket)
{
    uint32_t rep;
    struct datagram_stream *stream = host_resource_new(worker, type, &rep);
    stream->socket = socket;
    stream->generation = get_socket(worker, socket)->generation;
    host_resource_set_parent(worker, rep, socket);
    return rep;
}

void wasi_sockets_udp_udp_socket_stream(struct worker *worker, uint32_t self, const optional_address *remote_address,
                                        streams_result *result_out)
{
    const struct host_func *function = &host_wasi_sockets_udp_udp_socket_stream;
    struct udp_socket *udp = get_socket(worker, self);
    struct stream_params params = {self, *remote_address};
    struct stream_call call = {worker, &params};
    wasi_socket_address_result local = {0};
    const wasi_socket_address *remote = remote_address->tag != 0 ? &remote_address->value.some : NULL;
    if (udp->binding)
        FAIL(result_out, CONCURRENCY_CONFLICT);
    else if (!udp->bound)
        FAIL(result_out, INVALID_STATE);
    else if (remote != NULL && (!wasi_socket_fits(udp->address_family, remote) || !wasi_socket_is_remote(remote)))
        FAIL(result_out, INVALID_ARGUMENT);
    else
        durable_value(worker, function->record_name, DURABLE_READ_REMOTE, function->type->params_tuple, &params,
                      host_type_golem_aot_recorded_values_address_result, &local, make_stream, &call);
    if (local.tag != 0) {
        WASI_SOCKET_FAIL(result_out, local.value.err);
        udp->remote.tag = 0; /* the association before is gone */
    }
    if (result_out->tag != 0)
        return;
    udp->remote.tag = remote != NULL;
    if (remote != NULL)
        wasi_socket_keep(&udp->remote.value.some, remote);
    wasi_socket_keep(&udp->local, &local.value.ok);
    udp->generation++;
    result_out->value.ok.f0 = new_stream(worker, &wasi_sockets_udp_incoming_datagram_stream_type, self);
    result_out->value.ok.f1 = new_stream(worker, &wasi_sockets_udp_outgoing_datagram_stream_type, self);
}

/* --- what the socket is --- */

void wasi_sockets_udp_udp_socket_local_address(struct worker *worker, uint32_t self,
                                               wasi_socket_address_result *result_out)
{
    const struct udp_socket *udp = get_socket(worker, self);
    if (!udp->bound || udp->binding)
        FAIL(result_out, INVALID_STATE);
    else
        result_out->value.ok = udp->local;
}

void wasi_sockets_udp_udp_socket_remote_address(struct worker *worker, uint32_t self,
                                                wasi_socket_address_result *result_out)
{
    const struct udp_socket *udp = get_socket(worker, self);
    if (udp->remote.tag == 0)
        FAIL(result_out, INVALID_STATE);
    else
        result_out->value.ok = udp->remote.value.some;
}

uint32_t wasi_sockets_udp_udp_socket_address_family(struct worker *worker, uint32_t self)
{
    return get_socket(worker, self)->address_family;
}

/* --- options --- */

static void set_option(struct worker *worker, uint32_t self, enum io_socket_option option, uint64_t value,
                       wasi_socket_void_result *result_out)
{
    struct udp_socket *udp = get_socket(worker, self);
    int status = wasi_socket_set_option(&udp->options, *host_resource_live(worker, self), option, value);
    (void)WASI_SOCKET_SUCCEEDED(result_out, status);
}

static int get_option(struct worker *worker, uint32_t self, enum io_socket_option option, uint64_t *value_out)
{
    struct io_socket *live;
    int status = get_live(worker, self, &live);
    return status == 0 ? io_socket_get(live, option, value_out) : status;
}

WASI_SOCKET_OPTION(wasi_sockets_udp_udp_socket, unicast_hop_limit, HOP_LIMIT, u8, uint8_t)
WASI_SOCKET_OPTION(wasi_sockets_udp_udp_socket, receive_buffer_size, RECEIVE_BUFFER, u64, uint64_t)
WASI_SOCKET_OPTION(wasi_sockets_udp_udp_socket, send_buffer_size, SEND_BUFFER, u64, uint64_t)

/* --- receive --- */

static bool is_current(struct worker *worker, const struct datagram_stream *stream)
{
    return stream->generation == get_socket(worker, stream->socket)->generation;
}

/* One datagram, from the remote address if there is one: those that came before the association may be from others. */
static int receive_one(struct worker *worker, struct io_socket *live, const struct udp_socket *udp, void *buffer,
                       struct wasi_sockets_udp_incoming_datagram *out)
{
    struct sockaddr_storage native;
    ssize_t size;
    do {
        size = io_socket_receive_from(live, buffer, DATAGRAM_BYTES, &native);
        if (size < 0)
            return (int)size;
        out->remote_address = wasi_socket_from_native(&native);
    } while (udp->remote.tag != 0 && !wasi_socket_is_same(&out->remote_address, &udp->remote.value.some));
    out->data = (struct cabi_list){worker_alloc(worker, (size_t)size), (size_t)size};
    memcpy(out->data.items, buffer, (size_t)size);
    return 0;
}

static int receive_some(struct worker *worker, uint32_t socket, uint64_t limit, struct cabi_list *list_out)
{
    struct wasi_sockets_udp_incoming_datagram *datagrams = worker_alloc(worker, DATAGRAMS * sizeof *datagrams);
    void *buffer = worker_alloc(worker, DATAGRAM_BYTES);
    struct io_socket *live;
    size_t bytes = 0, count = 0;
    int status = get_live(worker, socket, &live);
    while (status == 0 && count < limit && count < DATAGRAMS && bytes < RECEIVE_BYTES) {
        status = receive_one(worker, live, get_socket(worker, socket), buffer, &datagrams[count]);
        if (status == 0)
            bytes += datagrams[count++].data.count;
    }
    *list_out = (struct cabi_list){datagrams, count};
    return status == -EAGAIN || count > 0 ? 0 : status;
}

void wasi_sockets_udp_incoming_datagram_stream_receive(struct worker *worker, uint32_t self, uint64_t max_results,
                                                       list_result *result_out)
{
    const struct datagram_stream *stream = get_incoming(worker, self);
    struct cabi_list list = {0};
    if (!is_current(worker, stream)) {
        FAIL(result_out, INVALID_STATE);
        return;
    }
    int status = max_results == 0 ? 0 : receive_some(worker, stream->socket, max_results, &list);
    if (WASI_SOCKET_SUCCEEDED(result_out, status))
        result_out->value.ok = list;
}

/* --- send --- */

struct send_params {
    uint32_t self;
    struct cabi_list datagrams;
};

struct send_call {
    struct worker *worker;
    uint32_t socket;
    struct cabi_list datagrams;
};

static void make_permit(void *context, void *result)
{
    const struct send_call *call = context;
    u64_result *permit = result;
    struct io_socket *live;
    int status = get_live(call->worker, call->socket, &live);
    if (WASI_SOCKET_SUCCEEDED(permit, status))
        permit->value.ok = io_socket_has(live, POLLOUT) ? DATAGRAMS : 0;
}

void wasi_sockets_udp_outgoing_datagram_stream_check_send(struct worker *worker, uint32_t self, u64_result *result_out)
{
    const struct host_func *function = &host_wasi_sockets_udp_outgoing_datagram_stream_check_send;
    struct datagram_stream *stream = get_outgoing(worker, self);
    struct send_call call = {.worker = worker, .socket = stream->socket};
    if (!is_current(worker, stream))
        FAIL(result_out, INVALID_STATE);
    else
        durable_value(worker, function->record_name, DURABLE_READ_REMOTE, function->type->params_tuple, &self,
                      function->type->result, result_out, make_permit, &call);
    stream->permit = result_out->tag == 0 ? (uint32_t)result_out->value.ok : 0;
}

/* udp.wit, "send": the remote address must be given if and only if the socket has none, or be the same. */
static int send_one(struct io_socket *live, const struct udp_socket *udp,
                    const struct wasi_sockets_udp_outgoing_datagram *datagram)
{
    const wasi_socket_address *to = &datagram->remote_address.value.some;
    struct sockaddr_storage native;
    bool given = datagram->remote_address.tag != 0, associated = udp->remote.tag != 0;
    if (!given && !associated)
        return -EINVAL;
    if (given && (!wasi_socket_fits(udp->address_family, to) || !wasi_socket_is_remote(to) ||
                  (associated && !wasi_socket_is_same(to, &udp->remote.value.some))))
        return -EINVAL;
    if (!associated)
        native = wasi_socket_to_native(to);
    return io_socket_send_to(live, datagram->data.items, datagram->data.count, associated ? NULL : &native);
}

static void make_send(void *context, void *result)
{
    const struct send_call *call = context;
    const struct wasi_sockets_udp_outgoing_datagram *datagrams = call->datagrams.items;
    u64_result *sent = result;
    struct io_socket *live;
    size_t count = 0;
    int status = get_live(call->worker, call->socket, &live);
    durable_commit(call->worker); /* others see it */
    while (status == 0 && count < call->datagrams.count) {
        status = send_one(live, get_socket(call->worker, call->socket), &datagrams[count]);
        count += status == 0;
    }
    if (status == -EAGAIN || count > 0)
        status = 0;
    if (WASI_SOCKET_SUCCEEDED(sent, status))
        sent->value.ok = count;
}

void wasi_sockets_udp_outgoing_datagram_stream_send(struct worker *worker, uint32_t self, struct cabi_list datagrams,
                                                    u64_result *result_out)
{
    const struct host_func *function = &host_wasi_sockets_udp_outgoing_datagram_stream_send;
    struct datagram_stream *stream = get_outgoing(worker, self);
    struct send_params params = {self, datagrams};
    struct send_call call = {worker, stream->socket, datagrams};
    if (!is_current(worker, stream)) {
        FAIL(result_out, INVALID_STATE);
        return;
    }
    if (datagrams.count > stream->permit)
        worker_trap(worker, "send of %zu datagrams, but check-send permitted %u", datagrams.count, stream->permit);
    if (datagrams.count == 0)
        return;
    stream->permit = 0;
    durable_value(worker, function->record_name, DURABLE_WRITE_LOCAL, function->type->params_tuple, &params,
                  function->type->result, result_out, make_send, &call);
}

/* --- waiting --- */

/* Nothing of the socket itself takes time. */
uint32_t wasi_sockets_udp_udp_socket_subscribe(struct worker *worker, uint32_t self)
{
    (void)get_socket(worker, self);
    return wasi_pollable_new(worker, &wasi_pollable_always, self, IO_CLOCK_NEVER);
}

static bool stream_ready(struct worker *worker, const struct datagram_stream *stream, short events)
{
    struct io_socket *live;
    return !is_current(worker, stream) || get_live(worker, stream->socket, &live) != 0 || io_socket_has(live, events);
}

static bool incoming_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    return stream_ready(worker, get_incoming(worker, pollable->subject), POLLIN);
}

static int incoming_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    *events_out = POLLIN;
    return io_socket_fd(*host_resource_live(worker, get_incoming(worker, pollable->subject)->socket));
}

static bool outgoing_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    return stream_ready(worker, get_outgoing(worker, pollable->subject), POLLOUT);
}

static int outgoing_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    *events_out = POLLOUT;
    return io_socket_fd(*host_resource_live(worker, get_outgoing(worker, pollable->subject)->socket));
}

static const struct wasi_pollable_ops incoming_pollable = {.ready = incoming_ready, .wait = incoming_wait};
static const struct wasi_pollable_ops outgoing_pollable = {.ready = outgoing_ready, .wait = outgoing_wait};

uint32_t wasi_sockets_udp_incoming_datagram_stream_subscribe(struct worker *worker, uint32_t self)
{
    (void)get_incoming(worker, self);
    return wasi_pollable_new(worker, &incoming_pollable, self, IO_CLOCK_NEVER);
}

uint32_t wasi_sockets_udp_outgoing_datagram_stream_subscribe(struct worker *worker, uint32_t self)
{
    (void)get_outgoing(worker, self);
    return wasi_pollable_new(worker, &outgoing_pollable, self, IO_CLOCK_NEVER);
}
