#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "durable.h"
#include "wasi_io.h"
#include "wasi_sockets.h"

/* wasi:sockets/network, and what the other interfaces share (wasi_sockets.h). */

struct network {
    uint8_t unused; /* all networks are the machine's */
};

const struct host_resource_type wasi_sockets_network_network_type = {
    .name = "wasi:sockets/network.network",
    .record_size = sizeof(struct network),
};

/* --- errors --- */

/* network.wit names the errnos of each code. */
#define ERROR_MAP(X)                           \
    X(EACCES, ACCESS_DENIED)                   \
    X(EPERM, ACCESS_DENIED)                    \
    X(EOPNOTSUPP, NOT_SUPPORTED)               \
    X(ENOPROTOOPT, NOT_SUPPORTED)              \
    X(EPFNOSUPPORT, NOT_SUPPORTED)             \
    X(EPROTONOSUPPORT, NOT_SUPPORTED)          \
    X(EPROTOTYPE, NOT_SUPPORTED)               \
    X(ESOCKTNOSUPPORT, NOT_SUPPORTED)          \
    X(EAFNOSUPPORT, NOT_SUPPORTED)             \
    X(EINVAL, INVALID_ARGUMENT)                \
    X(ENOMEM, OUT_OF_MEMORY)                   \
    X(ENOBUFS, OUT_OF_MEMORY)                  \
    X(ETIMEDOUT, TIMEOUT)                      \
    X(EALREADY, CONCURRENCY_CONFLICT)          \
    X(EAGAIN, WOULD_BLOCK)                     \
    X(EISCONN, INVALID_STATE)                  \
    X(ENOTCONN, INVALID_STATE)                 \
    X(EDESTADDRREQ, INVALID_STATE)             \
    X(EMFILE, NEW_SOCKET_LIMIT)                \
    X(ENFILE, NEW_SOCKET_LIMIT)                \
    X(EADDRNOTAVAIL, ADDRESS_NOT_BINDABLE)     \
    X(EADDRINUSE, ADDRESS_IN_USE)              \
    X(EHOSTUNREACH, REMOTE_UNREACHABLE)        \
    X(EHOSTDOWN, REMOTE_UNREACHABLE)           \
    X(ENETUNREACH, REMOTE_UNREACHABLE)         \
    X(ENETDOWN, REMOTE_UNREACHABLE)            \
    X(ENONET, REMOTE_UNREACHABLE)              \
    X(ECONNREFUSED, CONNECTION_REFUSED)        \
    X(ECONNRESET, CONNECTION_RESET)            \
    X(ENETRESET, CONNECTION_RESET)             \
    X(EPIPE, CONNECTION_RESET)                 \
    X(ECONNABORTED, CONNECTION_ABORTED)        \
    X(EMSGSIZE, DATAGRAM_TOO_LARGE)

static const struct {
    int error;
    uint32_t code;
} codes[] = {
#define X(error, code) {error, WASI_SOCKETS_NETWORK_ERROR_CODE_##code},
    ERROR_MAP(X)
#undef X
};

uint32_t wasi_socket_error_code(int error)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].error == error)
            return codes[i].code;
    return WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN;
}

void wasi_sockets_network_network_error_code(struct worker *worker, uint32_t err,
                                             struct option_wasi_sockets_network_error_code *result_out)
{
    const struct wasi_error *error = host_resource_get(worker, &wasi_io_error_error_type, err);
    if (error->kind != &wasi_error_errno)
        return;
    result_out->tag = 1;
    result_out->value.some = wasi_socket_error_code(error->code);
}

/* --- addresses --- */

int wasi_socket_family(uint32_t address_family)
{
    return address_family == WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6 ? AF_INET6 : AF_INET;
}

static bool is_v6(const wasi_socket_address *address)
{
    return address->tag == WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6;
}

/* A tuple of eight u16 is an address in the machine's byte order. */
static struct in6_addr v6_to_native(const struct tuple_u16_u16_u16_u16_u16_u16_u16_u16 *address)
{
    uint16_t words[8];
    struct in6_addr native;
    memcpy(words, address, sizeof words);
    for (int i = 0; i < 8; i++)
        words[i] = htons(words[i]);
    memcpy(&native, words, sizeof native);
    return native;
}

struct sockaddr_storage wasi_socket_to_native(const wasi_socket_address *address)
{
    struct sockaddr_storage storage = {0};
    if (is_v6(address)) {
        struct sockaddr_in6 *native = (struct sockaddr_in6 *)&storage;
        native->sin6_family = AF_INET6;
        native->sin6_port = htons(address->value.ipv6.port);
        native->sin6_flowinfo = htonl(address->value.ipv6.flow_info);
        native->sin6_addr = v6_to_native(&address->value.ipv6.address);
        native->sin6_scope_id = address->value.ipv6.scope_id;
    } else {
        struct sockaddr_in *native = (struct sockaddr_in *)&storage;
        native->sin_family = AF_INET;
        native->sin_port = htons(address->value.ipv4.port);
        memcpy(&native->sin_addr, &address->value.ipv4.address, 4);
    }
    return storage;
}

wasi_socket_address wasi_socket_from_native(const struct sockaddr_storage *address)
{
    wasi_socket_address result = {0};
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *native = (const struct sockaddr_in6 *)address;
        uint16_t words[8];
        memcpy(words, &native->sin6_addr, sizeof words);
        for (int i = 0; i < 8; i++)
            words[i] = ntohs(words[i]);
        result.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV6;
        result.value.ipv6.port = ntohs(native->sin6_port);
        result.value.ipv6.flow_info = ntohl(native->sin6_flowinfo);
        memcpy(&result.value.ipv6.address, words, sizeof words);
        result.value.ipv6.scope_id = native->sin6_scope_id;
    } else {
        const struct sockaddr_in *native = (const struct sockaddr_in *)address;
        result.tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4;
        result.value.ipv4.port = ntohs(native->sin_port);
        memcpy(&result.value.ipv4.address, &native->sin_addr, 4);
    }
    return result;
}

void wasi_socket_keep(wasi_socket_address *kept, const wasi_socket_address *address)
{
    memset(kept, 0, sizeof *kept);
    kept->tag = address->tag;
    if (is_v6(address)) {
        kept->value.ipv6.port = address->value.ipv6.port;
        kept->value.ipv6.flow_info = address->value.ipv6.flow_info;
        kept->value.ipv6.address = address->value.ipv6.address;
        kept->value.ipv6.scope_id = address->value.ipv6.scope_id;
    } else {
        kept->value.ipv4.port = address->value.ipv4.port;
        kept->value.ipv4.address = address->value.ipv4.address;
    }
}

/* RFC 4291, 2.5.5: IPv4-mapped addresses, and the older IPv4-compatible ones. */
bool wasi_socket_fits(uint32_t address_family, const wasi_socket_address *address)
{
    if (is_v6(address) != (address_family == WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6))
        return false;
    if (!is_v6(address))
        return true;
    struct in6_addr native = v6_to_native(&address->value.ipv6.address);
    return !IN6_IS_ADDR_V4MAPPED(&native) && !IN6_IS_ADDR_V4COMPAT(&native);
}

bool wasi_socket_is_unicast(const wasi_socket_address *address)
{
    const struct tuple_u8_u8_u8_u8 *v4 = &address->value.ipv4.address;
    if (is_v6(address))
        return address->value.ipv6.address.f0 >> 8 != 0xff;
    return v4->f0 >> 4 != 0xe && (v4->f0 & v4->f1 & v4->f2 & v4->f3) != 0xff;
}

bool wasi_socket_is_remote(const wasi_socket_address *address)
{
    static const uint8_t zeroes[16];
    if (is_v6(address))
        return address->value.ipv6.port != 0 && memcmp(&address->value.ipv6.address, zeroes, 16) != 0;
    return address->value.ipv4.port != 0 && memcmp(&address->value.ipv4.address, zeroes, 4) != 0;
}

bool wasi_socket_is_same(const wasi_socket_address *a, const wasi_socket_address *b)
{
    if (is_v6(a) != is_v6(b))
        return false;
    if (is_v6(a))
        return a->value.ipv6.port == b->value.ipv6.port &&
               memcmp(&a->value.ipv6.address, &b->value.ipv6.address, 16) == 0;
    return a->value.ipv4.port == b->value.ipv4.port && memcmp(&a->value.ipv4.address, &b->value.ipv4.address, 4) == 0;
}

/* --- options --- */

int wasi_socket_set_option(struct wasi_socket_options *options, struct io_socket *live, enum io_socket_option option,
                           uint64_t value)
{
    if (value == 0 && option != IO_SOCKET_KEEP_ALIVE)
        return -EINVAL;
    options->set |= 1u << option;
    options->values[option] = value;
    if (live != NULL)
        (void)io_socket_set(live, option, value);
    return 0;
}

int wasi_socket_open_again(uint32_t address_family, int type, const struct wasi_socket_options *options,
                           const wasi_socket_address *local, struct io_socket **live_out)
{
    struct io_socket *live;
    int status = io_socket_open(wasi_socket_family(address_family), type, &live);
    if (status != 0)
        return status;
    for (int i = 0; i < IO_SOCKET_OPTION_COUNT; i++)
        if (options->set & 1u << i)
            (void)io_socket_set(live, (enum io_socket_option)i, options->values[i]);
    if (local != NULL) {
        struct sockaddr_storage native = wasi_socket_to_native(local);
        status = io_socket_bind(live, &native);
    }
    if (status == 0)
        *live_out = live;
    else
        io_socket_close(live);
    return status;
}

/* --- what is recorded --- */

struct creation {
    uint32_t address_family;
    int type;
    struct io_socket *live;
};

static void make_socket(void *context, void *result)
{
    struct creation *creation = context;
    wasi_socket_void_result *made = result;
    int status = io_socket_open(wasi_socket_family(creation->address_family), creation->type, &creation->live);
    (void)WASI_SOCKET_SUCCEEDED(made, status);
}

struct io_socket *wasi_socket_create(struct worker *worker, const struct host_func *function, uint32_t address_family,
                                     int type, wasi_socket_void_result *result_out)
{
    struct creation creation = {address_family, type, NULL};
    durable_value(worker, function->record_name, DURABLE_READ_REMOTE, function->type->params_tuple, &address_family,
                  host_type_golem_aot_recorded_values_socket_result, result_out, make_socket, &creation);
    return creation.live;
}

void wasi_socket_put_local(struct io_socket *live, int status, wasi_socket_address_result *result_out)
{
    struct sockaddr_storage native;
    if (status == 0)
        status = io_socket_local(live, &native);
    if (WASI_SOCKET_SUCCEEDED(result_out, status))
        result_out->value.ok = wasi_socket_from_native(&native);
}
