#include "worker_double.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "io_lookup.h"
#include "io_socket.h"
#include "wasi_io.h"
#include "wasi_sockets.h"

/* wasi:sockets on the worker double, and the sockets and lookups of io beneath it. What guests see of the network is tests/e2e. */

static struct worker *const worker = &double_worker;

enum { V4 = WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4, V6 = WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6 };

/* text: IPv4 or IPv6, as inet_pton reads it. */
static wasi_socket_address address_of(const char *text, uint16_t port)
{
    struct sockaddr_storage native = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&native;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&native;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        cr_assert_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        v6->sin6_flowinfo = htonl(7);
        v6->sin6_scope_id = 9;
    }
    return wasi_socket_from_native(&native);
}

/* --- addresses --- */

Test(wasi_sockets_address, goes_to_the_system_and_back)
{
    wasi_socket_address v6 = address_of("102:304:506:708:90a:b0c:d0e:f10", 4711);
    cr_assert_eq(v6.value.ipv6.address.f0, 0x102);
    cr_assert_eq(v6.value.ipv6.address.f7, 0xf10);
    cr_assert_eq(v6.value.ipv6.port, 4711);
    cr_assert_eq(v6.value.ipv6.flow_info, 7);
    cr_assert_eq(v6.value.ipv6.scope_id, 9);
    wasi_socket_address v4 = address_of("1.2.3.4", 80);
    cr_assert_eq(v4.value.ipv4.address.f0, 1);
    cr_assert_eq(v4.value.ipv4.address.f3, 4);
    for (int i = 0; i < 2; i++) {
        const wasi_socket_address *address = i ? &v6 : &v4;
        struct sockaddr_storage native = wasi_socket_to_native(address);
        wasi_socket_address back = wasi_socket_from_native(&native);
        cr_assert_eq(memcmp(&back, address, sizeof back), 0);
        cr_assert(wasi_socket_is_same(&back, address));
    }
    cr_assert_not(wasi_socket_is_same(&v4, &v6));
    wasi_socket_address other = address_of("1.2.3.4", 81);
    cr_assert_not(wasi_socket_is_same(&v4, &other));
}

Test(wasi_sockets_address, leaves_the_same_bytes_in_a_record_whatever_lay_beside_it)
{
    wasi_socket_address kept[2], given[2];
    for (int version = 0; version < 2; version++) {
        const wasi_socket_address address = address_of(version ? "1:2:3:4:5:6:7:8" : "1.2.3.4", 80);
        for (int i = 0; i < 2; i++) {
            memset(&given[i], i ? 0xee : 0x11, sizeof given[i]);
            given[i].tag = address.tag;
            if (version) {
                given[i].value.ipv6.port = address.value.ipv6.port;
                given[i].value.ipv6.flow_info = address.value.ipv6.flow_info;
                given[i].value.ipv6.address = address.value.ipv6.address;
                given[i].value.ipv6.scope_id = address.value.ipv6.scope_id;
            } else {
                given[i].value.ipv4.port = address.value.ipv4.port;
                given[i].value.ipv4.address = address.value.ipv4.address;
            }
            wasi_socket_keep(&kept[i], &given[i]);
        }
        cr_assert_neq(memcmp(&given[0], &given[1], sizeof *given), 0);
        cr_assert_eq(memcmp(&kept[0], &kept[1], sizeof *kept), 0);
        cr_assert(wasi_socket_is_same(&kept[0], &address));
    }
}

Test(wasi_sockets_address, is_judged_before_the_system_sees_it)
{
    static const struct {
        const char *text;
        bool fits4, fits6, unicast, remote;
    } rows[] = {
        {"127.0.0.1", true, false, true, true},
        {"0.0.0.0", true, false, true, false},
        {"223.255.255.255", true, false, true, true},
        {"224.0.0.0", true, false, false, true},
        {"239.255.255.255", true, false, false, true},
        {"240.0.0.1", true, false, true, true},
        {"255.255.255.255", true, false, false, true},
        {"255.255.255.254", true, false, true, true},
        {"::1", false, true, true, true},
        {"::", false, true, true, false},
        {"fe80::1", false, true, true, true},
        {"feff::1", false, true, true, true},
        {"ff00::", false, true, false, true},
        {"::ffff:127.0.0.1", false, false, true, true},
        {"::127.0.0.1", false, false, true, true},
        {"::2", false, false, true, true}, /* IPv4-compatible, too */
        {"1::", false, true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wasi_socket_address address = address_of(rows[i].text, 1), portless = address_of(rows[i].text, 0);
        cr_assert_eq(wasi_socket_fits(V4, &address), rows[i].fits4, "%s", rows[i].text);
        cr_assert_eq(wasi_socket_fits(V6, &address), rows[i].fits6, "%s", rows[i].text);
        cr_assert_eq(wasi_socket_is_unicast(&address), rows[i].unicast, "%s", rows[i].text);
        cr_assert_eq(wasi_socket_is_remote(&address), rows[i].remote, "%s", rows[i].text);
        cr_assert_not(wasi_socket_is_remote(&portless), "%s", rows[i].text);
    }
}

Test(wasi_sockets_error, has_the_code_that_network_wit_names)
{
    cr_assert_eq(wasi_socket_error_code(EPERM), WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED);
    cr_assert_eq(wasi_socket_error_code(EHOSTDOWN), WASI_SOCKETS_NETWORK_ERROR_CODE_REMOTE_UNREACHABLE);
    cr_assert_eq(wasi_socket_error_code(ENFILE), WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    cr_assert_eq(wasi_socket_error_code(ENOTTY), WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN);
}

static const char *print_other(int32_t code)
{
    (void)code;
    return "other";
}

Test(wasi_sockets_error, of_another_kind_has_no_network_code)
{
    static const struct wasi_error_kind other = {"other", print_other};
    struct option_wasi_sockets_network_error_code code = {0};
    wasi_sockets_network_network_error_code(worker, wasi_error_new(worker, &other, ECONNRESET), &code);
    cr_assert_eq(code.tag, 0);
    wasi_sockets_network_network_error_code(worker, wasi_error_new(worker, &wasi_error_errno, ECONNRESET), &code);
    cr_assert_eq(code.tag, 1);
    cr_assert_eq(code.value.some, WASI_SOCKETS_NETWORK_ERROR_CODE_CONNECTION_RESET);
}

/* --- a listener, a client and the accepted socket, live and in replay --- */

struct scene {
    uint32_t listener, client, accepted;
    uint32_t input, output, accepted_input, accepted_output;
    wasi_socket_address address, remote;
    char text[8];
};

static uint32_t new_tcp(void)
{
    struct result_handle_wasi_sockets_network_error_code made = {0};
    wasi_sockets_tcp_create_socket_create_tcp_socket(worker, V4, &made);
    cr_assert_eq(made.tag, 0);
    return made.value.ok;
}

static void listen_at(uint32_t socket, const wasi_socket_address *address)
{
    wasi_socket_void_result done = {0};
    wasi_sockets_tcp_tcp_socket_start_bind(worker, socket, 0, address, &done);
    wasi_sockets_tcp_tcp_socket_finish_bind(worker, socket, &done);
    wasi_sockets_tcp_tcp_socket_start_listen(worker, socket, &done);
    wasi_sockets_tcp_tcp_socket_finish_listen(worker, socket, &done);
    cr_assert_eq(done.tag, 0);
}

static wasi_socket_address local_of(uint32_t socket)
{
    wasi_socket_address_result local = {0};
    wasi_sockets_tcp_tcp_socket_local_address(worker, socket, &local);
    cr_assert_eq(local.tag, 0);
    return local.value.ok;
}

static void block(uint32_t socket)
{
    uint32_t pollable = wasi_sockets_tcp_tcp_socket_subscribe(worker, socket);
    wasi_io_poll_pollable_block(worker, pollable);
    host_resource_drop(worker, &wasi_io_poll_pollable_type, pollable);
}

static void connect_and_accept(struct scene *scene)
{
    struct result_tuple_handle_handle_wasi_sockets_network_error_code streams = {0};
    struct result_tuple_handle_handle_handle_wasi_sockets_network_error_code accepted = {0};
    wasi_socket_void_result done = {0};
    scene->client = new_tcp();
    wasi_sockets_tcp_tcp_socket_start_connect(worker, scene->client, 0, &scene->address, &done);
    block(scene->client);
    wasi_sockets_tcp_tcp_socket_finish_connect(worker, scene->client, &streams);
    block(scene->listener);
    wasi_sockets_tcp_tcp_socket_accept(worker, scene->listener, &accepted);
    cr_assert_eq(done.tag + streams.tag + accepted.tag, 0);
    scene->input = streams.value.ok.f0;
    scene->output = streams.value.ok.f1;
    scene->accepted = accepted.value.ok.f0;
    scene->accepted_input = accepted.value.ok.f1;
    scene->accepted_output = accepted.value.ok.f2;
}

static void act(struct scene *scene)
{
    struct result_void_wasi_io_streams_stream_error written = {0};
    struct result_list_wasi_io_streams_stream_error data = {0};
    wasi_socket_address_result remote = {0};
    wasi_socket_address anywhere = address_of("127.0.0.1", 0);
    scene->listener = new_tcp();
    listen_at(scene->listener, &anywhere);
    scene->address = local_of(scene->listener);
    connect_and_accept(scene);
    wasi_sockets_tcp_tcp_socket_remote_address(worker, scene->accepted, &remote);
    scene->remote = remote.value.ok;
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, scene->output, (struct cabi_list){(void *)"text", 4},
                                                           &written);
    wasi_io_streams_input_stream_blocking_read(worker, scene->accepted_input, 7, &data);
    cr_assert_eq(written.tag + data.tag, 0);
    memcpy(scene->text, data.value.ok.items, data.value.ok.count);
}

Test(wasi_sockets_replay, makes_the_same_resources_without_a_network)
{
    struct scene live = {0}, replayed = {0};
    act(&live);
    cr_assert_str_eq(live.text, "text");
    cr_assert_not_null(*host_resource_live(worker, live.client));
    double_rewind();
    act(&replayed);
    cr_assert_eq(memcmp(&live, &replayed, sizeof live), 0);
    cr_assert_null(*host_resource_live(worker, replayed.listener));
    cr_assert_null(*host_resource_live(worker, replayed.client));
    cr_assert_null(*host_resource_live(worker, replayed.accepted));
    cr_assert_not(worker_replaying(worker));

    struct result_list_wasi_io_streams_stream_error data = {0};
    struct result_u64_wasi_io_streams_stream_error permit = {0};
    wasi_io_streams_input_stream_blocking_read(worker, replayed.accepted_input, 7, &data);
    cr_assert_eq(data.tag, 1);
    cr_assert_eq(data.value.err.tag, WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    const struct wasi_error *error =
        host_resource_get(worker, &wasi_io_error_error_type, data.value.err.value.last_operation_failed);
    cr_assert_eq(error->code, ECONNABORTED);
    wasi_io_streams_input_stream_blocking_read(worker, replayed.accepted_input, 7, &data);
    cr_assert_eq(data.value.err.tag, WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    wasi_io_streams_output_stream_check_write(worker, replayed.output, &permit);
    cr_assert_eq(permit.value.err.tag, WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
}

Test(wasi_sockets_checkpoint, is_forbidden_by_a_connection_alone)
{
    struct scene scene = {0};
    act(&scene);
    cr_assert_not(double_resource(scene.listener)->forbids);
    cr_assert(double_resource(scene.client)->forbids);
    cr_assert(double_resource(scene.accepted)->forbids);
    double_rewind();
    act(&scene);
    cr_assert_not(double_resource(scene.client)->forbids);
}

Test(wasi_sockets_output, is_preceded_by_a_commit)
{
    struct scene scene = {0};
    struct result_void_wasi_io_streams_stream_error written = {0};
    wasi_socket_void_result done = {0};
    act(&scene);
    unsigned before = worker->commits;
    wasi_io_streams_output_stream_blocking_write_and_flush(worker, scene.output, (struct cabi_list){(void *)"x", 1},
                                                           &written);
    cr_assert_eq(worker->commits, before + 1);
    wasi_sockets_tcp_tcp_socket_shutdown(worker, scene.client, WASI_SOCKETS_TCP_SHUTDOWN_TYPE_SEND, &done);
    cr_assert_eq(worker->commits, before + 2);
    host_resource_drop(worker, &wasi_io_streams_input_stream_type, scene.input);
    host_resource_drop(worker, &wasi_io_streams_output_stream_type, scene.output);
    cr_assert_eq(worker->commits, before + 2);
    host_resource_drop(worker, &wasi_sockets_tcp_tcp_socket_type, scene.client);
    cr_assert_eq(worker->commits, before + 3);
}

/* --- io: sockets --- */

static struct io_socket *open_bound(int type, struct sockaddr_storage *address_out)
{
    struct io_socket *socket;
    wasi_socket_address anywhere = address_of("127.0.0.1", 0);
    struct sockaddr_storage native = wasi_socket_to_native(&anywhere);
    cr_assert_eq(io_socket_open(AF_INET, type, &socket), 0);
    cr_assert_eq(io_socket_bind(socket, &native), 0);
    cr_assert_eq(io_socket_local(socket, address_out), 0);
    return socket;
}

static void await(struct io_socket *socket, short events)
{
    struct pollfd fd = {.fd = io_socket_fd(socket), .events = events};
    cr_assert_eq(poll(&fd, 1, 5000), 1);
}

/* Writes until the kernel takes no more, and some is kept; the bytes written. */
static size_t stuff(struct io_socket *socket)
{
    static const char bytes[IO_SOCKET_BUFFER_BYTES];
    size_t written = 0;
    while (io_socket_unsent(socket) == 0) {
        cr_assert_eq(io_socket_write(socket, bytes, sizeof bytes), 0);
        written += sizeof bytes;
    }
    return written;
}

static size_t read_all(struct io_socket *socket)
{
    char buffer[65536];
    size_t count = 0;
    for (;;) {
        await(socket, POLLIN);
        ssize_t got = io_socket_read(socket, buffer, sizeof buffer);
        if (got <= 0)
            return count;
        count += (size_t)got;
    }
}

static void connect_pair(struct io_socket **client_out, struct io_socket **server_out)
{
    struct sockaddr_storage address;
    struct io_socket *listener = open_bound(SOCK_STREAM, &address);
    cr_assert_eq(io_socket_listen(listener, 1), 0);
    cr_assert_eq(io_socket_accept(listener, server_out, &address), -EAGAIN);
    cr_assert_eq(io_socket_local(listener, &address), 0);
    cr_assert_eq(io_socket_open(AF_INET, SOCK_STREAM, client_out), 0);
    cr_assert_eq(io_socket_connect(*client_out, &address), 0);
    await(*client_out, POLLOUT);
    cr_assert_eq(io_socket_connected(*client_out), 0);
    cr_assert_eq(io_socket_accept(listener, server_out, &address), 0);
    io_socket_close(listener);
}

Test(io_socket, sends_what_it_took_behind_the_back_of_who_has_closed_it)
{
    struct io_socket *client, *server;
    connect_pair(&client, &server);
    size_t written = stuff(client);
    cr_assert_eq(io_socket_room(client), 0);
    cr_assert_eq(io_socket_write(client, "x", 1), -ENOBUFS);
    io_socket_close(client);
    cr_assert_eq(read_all(server), written);
    io_socket_close(server);
}

Test(io_socket, ends_behind_what_it_took)
{
    struct io_socket *client, *server;
    connect_pair(&client, &server);
    size_t written = stuff(client);
    io_socket_shutdown(client, false, true);
    cr_assert_eq(read_all(server), written);
    cr_assert_eq(io_socket_unsent(client), 0);
    cr_assert_eq(io_socket_write(client, "x", 1), -EPIPE);
    io_socket_close(client);
    io_socket_close(server);
}

Test(io_socket, that_nobody_reads_from_any_more_says_so)
{
    struct io_socket *client, *server;
    connect_pair(&client, &server);
    (void)stuff(client);
    io_socket_close(server); /* with unread bytes: a reset */
    await(client, POLLERR);
    for (int i = 0; i < 500 && io_socket_unsent(client) > 0; i++)
        usleep(10000);
    cr_assert(io_socket_unsent(client) < 0);
    cr_assert(io_socket_room(client) < 0);
    io_socket_close(client);
}

Test(io_socket, keeps_its_port_when_an_association_ends)
{
    struct sockaddr_storage address, bound, after;
    struct io_socket *peer = open_bound(SOCK_DGRAM, &address), *socket = open_bound(SOCK_DGRAM, &bound);
    cr_assert_eq(io_socket_associate(socket, &address, &bound), 0);
    cr_assert_eq(io_socket_associate(socket, NULL, &bound), 0);
    cr_assert_eq(io_socket_local(socket, &after), 0);
    cr_assert_eq(memcmp(&after, &bound, sizeof(struct sockaddr_in)), 0);
    io_socket_close(peer);
    io_socket_close(socket);
}

/* --- io: lookups --- */

static int look_up(const char *name, size_t size, uint32_t *count_out, struct io_lookup_address *first_out)
{
    struct io_lookup *lookup;
    const struct io_lookup_address *addresses;
    int status = io_lookup_start(name, size, &lookup);
    if (status != 0)
        return status;
    struct pollfd fd = {.fd = io_lookup_fd(lookup), .events = POLLIN};
    cr_assert_eq(poll(&fd, 1, 20000), 1);
    cr_assert(io_lookup_is_over(lookup));
    status = io_lookup_result(lookup, &addresses, count_out);
    if (status == 0)
        *first_out = addresses[0];
    io_lookup_free(lookup);
    return status;
}

Test(io_lookup, takes_texts_of_addresses_and_refuses_what_is_no_name)
{
    struct io_lookup_address first;
    uint32_t count;
    static const char long_name[2000] = {[0 ... 1999] = 'x'};
    static const struct {
        const char *name;
        size_t size;
        int status;
    } rows[] = {{"127.0.0.1", 9, 0},  {"[::1]", 5, 0},        {"::ffff:1.2.3.4", 14, 0}, {"", 0, -EINVAL},
                {"[]", 2, -EINVAL},   {"[1.2.3.4]", 9, -EINVAL}, {"a b", 3, -EINVAL},       {"a\0b", 3, -EINVAL},
                {"\0", 1, -EINVAL},   {"a%", 2, -EINVAL},     {"[", 1, -EINVAL},         {long_name, sizeof long_name, -EINVAL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(look_up(rows[i].name, rows[i].size, &count, &first), rows[i].status, "%s", rows[i].name);
    cr_assert_eq(look_up("::ffff:1.2.3.4", 14, &count, &first), 0);
    cr_assert_eq(count, 1);
    cr_assert_not(first.ipv6);
    cr_assert_eq(first.bytes[0], 1);
}

Test(io_lookup, may_be_given_up_while_it_is_under_way)
{
    struct io_lookup *lookups[2 * IO_LOOKUP_THREADS];
    const struct io_lookup_address *addresses;
    uint32_t count;
    for (int i = 0; i < 2 * IO_LOOKUP_THREADS; i++)
        cr_assert_eq(io_lookup_start("localhost", 9, &lookups[i]), 0);
    for (int i = 0; i < 2 * IO_LOOKUP_THREADS; i++) {
        if (io_lookup_is_over(lookups[i])) {
            int status = io_lookup_result(lookups[i], &addresses, &count);
            cr_assert(status == 0 || status == EAI_AGAIN);
        }
        io_lookup_free(lookups[i]);
    }
}
