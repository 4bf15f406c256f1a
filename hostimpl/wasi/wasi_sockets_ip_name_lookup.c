#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "durable.h"
#include "io_clock.h"
#include "io_lookup.h"
#include "wasi_io.h"
#include "wasi_sockets.h"

/*
 * What is recorded has the addresses with the call that asks for them, as in Golem, and therefore waits there; elsewhere the
 * lookup goes on beside the guest, which may poll it.
 */
typedef struct result_list_wasi_sockets_network_error_code list_result;
typedef struct result_handle_wasi_sockets_network_error_code handle_result;

struct address_stream {
    bool over;
    uint32_t error; /* error-code + 1; 0: none */
    uint32_t count, next;
    struct wasi_sockets_network_ip_address addresses[IO_LOOKUP_ADDRESSES];
};

static void drop_stream(struct worker *worker, uint32_t rep, void *record, void *live)
{
    (void)worker;
    (void)rep;
    (void)record;
    if (live != NULL)
        io_lookup_free(live);
}

const struct host_resource_type wasi_sockets_ip_name_lookup_resolve_address_stream_type = {
    .name = "wasi:sockets/ip-name-lookup.resolve-address-stream",
    .record_size = sizeof(struct address_stream),
    .drop = drop_stream,
};

static struct address_stream *get_stream(struct worker *worker, uint32_t rep)
{
    return host_resource_get(worker, &wasi_sockets_ip_name_lookup_resolve_address_stream_type, rep);
}

/* --- results --- */

/* ip-name-lookup.wit, "resolve-next-address". */
static uint32_t code_of(int status)
{
    switch (status) {
    case EAI_AGAIN:
    case EAI_SYSTEM:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_TEMPORARY_RESOLVER_FAILURE;
    case EAI_FAIL:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_PERMANENT_RESOLVER_FAILURE;
    case EAI_MEMORY:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY;
    case EAI_IDN_ENCODE:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    default:
        return WASI_SOCKETS_NETWORK_ERROR_CODE_NAME_UNRESOLVABLE;
    }
}

static struct wasi_sockets_network_ip_address address_of(const struct io_lookup_address *found)
{
    struct wasi_sockets_network_ip_address address = {.tag = found->ipv6 ? WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV6
                                                                         : WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV4};
    uint16_t words[8];
    memcpy(words, found->bytes, sizeof words);
    for (int i = 0; i < 8; i++)
        words[i] = ntohs(words[i]);
    memcpy(&address.value, found->ipv6 ? (const void *)words : found->bytes, found->ipv6 ? 16 : 4);
    return address;
}

/* The lookup is over. Its addresses in the scratch, or its error. */
static void put_list(struct worker *worker, const struct io_lookup *lookup, list_result *result_out)
{
    const struct io_lookup_address *found;
    uint32_t count;
    int status = io_lookup_result(lookup, &found, &count);
    if (status != 0) {
        WASI_SOCKET_FAIL(result_out, code_of(status));
        return;
    }
    struct wasi_sockets_network_ip_address *addresses = worker_alloc(worker, count * sizeof *addresses);
    for (uint32_t i = 0; i < count; i++)
        addresses[i] = address_of(&found[i]);
    result_out->value.ok = (struct cabi_list){addresses, count};
}

static void set_list(struct address_stream *stream, const list_result *list)
{
    stream->over = true;
    stream->error = list->tag == 0 ? 0 : list->value.err + 1;
    if (stream->error != 0)
        return;
    const struct wasi_sockets_network_ip_address *found = list->value.ok.items;
    size_t count = list->value.ok.count;
    stream->count = count < IO_LOOKUP_ADDRESSES ? (uint32_t)count : IO_LOOKUP_ADDRESSES; /* the oplog's list may be longer */
    for (uint32_t i = 0; i < stream->count; i++) {
        stream->addresses[i].tag = found[i].tag; /* the record began as zeroes */
        if (found[i].tag == WASI_SOCKETS_NETWORK_IP_ADDRESS_IPV6)
            stream->addresses[i].value.ipv6 = found[i].value.ipv6;
        else
            stream->addresses[i].value.ipv4 = found[i].value.ipv4;
    }
}

/* --- recorded: all of it in one call --- */

struct params {
    uint32_t network;
    struct cabi_string name;
};

struct question {
    struct worker *worker;
    struct cabi_string name;
};

static const uint64_t commit_ns = 10u * 1000000ull; /* a lookup that takes longer is preceded by a commit, as any wait */

static void wait_for(struct worker *worker, const struct io_lookup *lookup)
{
    struct pollfd fd = {.fd = io_lookup_fd(lookup), .events = POLLIN};
    if (io_clock_poll(&fd, 1, io_clock_monotonic_ns() + commit_ns) > 0)
        return;
    durable_commit(worker);
    (void)io_clock_poll(&fd, 1, IO_CLOCK_NEVER);
}

static void make_list(void *context, void *result)
{
    const struct question *question = context;
    list_result *list = result;
    struct io_lookup *lookup;
    int status = io_lookup_start(question->name.data, question->name.size, &lookup);
    if (!WASI_SOCKET_SUCCEEDED(list, status))
        return;
    wait_for(question->worker, lookup);
    put_list(question->worker, lookup, list);
    io_lookup_free(lookup);
}

static void resolve_recorded(struct worker *worker, uint32_t network, struct cabi_string name, handle_result *result_out)
{
    const struct host_func *function = &host_wasi_sockets_ip_name_lookup_resolve_addresses;
    struct params params = {network, name};
    struct question question = {worker, name};
    list_result list = {0};
    durable_value(worker, function->record_name, DURABLE_READ_REMOTE, function->type->params_tuple, &params,
                  host_type_golem_aot_recorded_values_addresses, &list, make_list, &question);
    if (list.tag != 0) {
        WASI_SOCKET_FAIL(result_out, list.value.err);
        return;
    }
    set_list(host_resource_new(worker, &wasi_sockets_ip_name_lookup_resolve_address_stream_type,
                               &result_out->value.ok),
             &list);
}

/* --- not recorded: beside the guest --- */

static void resolve_beside(struct worker *worker, struct cabi_string name, handle_result *result_out)
{
    struct io_lookup *lookup = NULL;
    int status = io_lookup_start(name.data, name.size, &lookup);
    if (!WASI_SOCKET_SUCCEEDED(result_out, status))
        return;
    uint32_t rep;
    (void)host_resource_new(worker, &wasi_sockets_ip_name_lookup_resolve_address_stream_type, &rep);
    *host_resource_live(worker, rep) = lookup;
    result_out->value.ok = rep;
}

static void take_result(struct worker *worker, uint32_t rep, struct address_stream *stream)
{
    void **live = host_resource_live(worker, rep);
    list_result list = {0};
    if (*live == NULL || !io_lookup_is_over(*live))
        return;
    put_list(worker, *live, &list);
    set_list(stream, &list);
    io_lookup_free(*live);
    *live = NULL;
}

/* --- the interface --- */

void wasi_sockets_ip_name_lookup_resolve_addresses(struct worker *worker, uint32_t network, struct cabi_string name,
                                                   handle_result *result_out)
{
    bool beside = worker_is_ephemeral(worker) && !worker_replaying(worker); /* a start image has no store, either */
    if (beside)
        resolve_beside(worker, name, result_out);
    else
        resolve_recorded(worker, network, name, result_out);
}

void wasi_sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(
    struct worker *worker, uint32_t self,
    struct result_option_wasi_sockets_network_ip_address_wasi_sockets_network_error_code *result_out)
{
    struct address_stream *stream = get_stream(worker, self);
    if (!stream->over)
        take_result(worker, self, stream);
    if (!stream->over)
        WASI_SOCKET_FAIL(result_out, WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK);
    else if (stream->error != 0)
        WASI_SOCKET_FAIL(result_out, stream->error - 1);
    else if (stream->next < stream->count) {
        result_out->value.ok.tag = 1;
        result_out->value.ok.value.some = stream->addresses[stream->next++];
    }
}

static bool stream_ready(struct worker *worker, const struct wasi_pollable *pollable)
{
    const struct io_lookup *lookup = *host_resource_live(worker, pollable->subject);
    return lookup == NULL || io_lookup_is_over(lookup);
}

static int stream_wait(struct worker *worker, const struct wasi_pollable *pollable, short *events_out)
{
    *events_out = POLLIN;
    return io_lookup_fd(*host_resource_live(worker, pollable->subject));
}

static const struct wasi_pollable_ops stream_pollable = {.ready = stream_ready, .wait = stream_wait};

uint32_t wasi_sockets_ip_name_lookup_resolve_address_stream_subscribe(struct worker *worker, uint32_t self)
{
    (void)get_stream(worker, self);
    return wasi_pollable_new(worker, &stream_pollable, self, IO_CLOCK_NEVER);
}
