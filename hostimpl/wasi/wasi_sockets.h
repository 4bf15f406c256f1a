#ifndef WASI_SOCKETS_H
#define WASI_SOCKETS_H

#include <sys/socket.h>

#include "host_functions.h"
#include "io_socket.h"

/*
 * What the interfaces of wasi:sockets share. A socket is a host resource: its record has what the guest can ask for, and all
 * of it follows from what was recorded; its live part (struct io_socket) is only touched while the worker is live. After
 * a restart the live part of a connection is gone for good (ECONNABORTED); any other is made again at its next use.
 *
 * Errors are errnos up to the guest, where they become an error-code.
 */

typedef struct wasi_sockets_network_ip_socket_address wasi_socket_address;

/* network::error-code of a positive errno. */
uint32_t wasi_socket_error_code(int error);

/* The result of a function becomes an error. */
#define WASI_SOCKET_FAIL(result_out, code) ((result_out)->tag = 1, (result_out)->value.err = (code))

/* Sets tag and value.err of a result by a status (0 or negative errno); true if it is ok. */
#define WASI_SOCKET_SUCCEEDED(result_out, status) \
    ((status) == 0 || (WASI_SOCKET_FAIL(result_out, wasi_socket_error_code(-(status))), false))

/* --- addresses --- */

int wasi_socket_family(uint32_t address_family); /* AF_INET or AF_INET6 */
struct sockaddr_storage wasi_socket_to_native(const wasi_socket_address *address);
wasi_socket_address wasi_socket_from_native(const struct sockaddr_storage *address);

/* Of the socket's family, and nothing that means an IPv4 address inside of IPv6. */
bool wasi_socket_fits(uint32_t address_family, const wasi_socket_address *address);
bool wasi_socket_is_unicast(const wasi_socket_address *address); /* no multicast, no broadcast */
bool wasi_socket_is_remote(const wasi_socket_address *address);  /* has a port, and is not unspecified */
bool wasi_socket_is_same(const wasi_socket_address *a, const wasi_socket_address *b); /* address and port */

/* Into a record: byte for byte the same for the same address. What the guest passed has anything where its variant has nothing,
 * and a record lies in the region, which replay must rebuild exactly. */
void wasi_socket_keep(wasi_socket_address *kept, const wasi_socket_address *address);

/* --- options: as the guest set them, so that a socket can be made again --- */

struct wasi_socket_options {
    uint32_t set; /* bits, by enum io_socket_option */
    uint64_t values[IO_SOCKET_OPTION_COUNT];
};

/* EINVAL for 0, which only keep-alive-enabled may be. live may be NULL. Any other value is taken, clamped. */
int wasi_socket_set_option(struct wasi_socket_options *options, struct io_socket *live, enum io_socket_option option,
                           uint64_t value);

/* A live part as it was before: opened, with options, bound unless `local` is NULL. */
int wasi_socket_open_again(uint32_t address_family, int type, const struct wasi_socket_options *options,
                           const wasi_socket_address *local, struct io_socket **live_out);

/* --- what is recorded --- */

typedef struct result_void_wasi_sockets_network_error_code wasi_socket_void_result;
typedef struct result_wasi_sockets_network_ip_socket_address_wasi_sockets_network_error_code wasi_socket_address_result;

/*
 * The two functions of an option: prefix ("wasi_sockets_tcp_tcp_socket"), name and option, and the WIT and C names of the value's
 * type. The file has static functions get_option and set_option.
 */
#define WASI_SOCKET_OPTION(prefix, name, option, wit, type)                                                         \
    void prefix##_##name(struct worker *worker, uint32_t self,                                                      \
                         struct result_##wit##_wasi_sockets_network_error_code *result_out)                         \
    {                                                                                                               \
        uint64_t value = 0;                                                                                         \
        int status = get_option(worker, self, IO_SOCKET_##option, &value);                                          \
        if (WASI_SOCKET_SUCCEEDED(result_out, status))                                                              \
            result_out->value.ok = (type)value;                                                                     \
    }                                                                                                               \
    void prefix##_set_##name(struct worker *worker, uint32_t self, type value, wasi_socket_void_result *result_out) \
    {                                                                                                               \
        set_option(worker, self, IO_SOCKET_##option, value, result_out);                                            \
    }

/* create-*-socket: opens one, and records whether it could. The live part of the new socket, NULL in replay. */
struct io_socket *wasi_socket_create(struct worker *worker, const struct host_func *function, uint32_t address_family,
                                     int type, wasi_socket_void_result *result_out);

/* ok with the local address, or the error. */
void wasi_socket_put_local(struct io_socket *live, int status, wasi_socket_address_result *result_out);

#endif
