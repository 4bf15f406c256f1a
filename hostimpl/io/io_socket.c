#define _GNU_SOURCE

#include "io_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ga_limits.h"
#include "io_socket_parts.h"

static int status_of(int result)
{
    return result < 0 ? -errno : 0;
}

static socklen_t size_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static const struct sockaddr *plain(const struct sockaddr_storage *address)
{
    return (const struct sockaddr *)address;
}

/* --- open, close --- */

static atomic_uint open_count; /* the sending thread closes, too */

/* Descriptors are given out lowest first, so a high one says how many there are. */
bool io_socket_fd_is_reserved(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t reserved = limit.rlim_cur / 4 < IO_SOCKET_RESERVED_FDS ? limit.rlim_cur / 4 : IO_SOCKET_RESERVED_FDS;
    return (rlim_t)fd >= limit.rlim_cur - reserved;
}

static bool has_room(int fd)
{
    int next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    bool room = next >= 0 && !io_socket_fd_is_reserved(next) && open_count < GA_MAX_SOCKETS;
    if (next >= 0)
        close(next);
    return room;
}

/* Takes the fd, also if it fails. */
static int wrap(int fd, int family, int type, struct io_socket **socket_out)
{
    struct io_socket *socket = fd < 0 ? NULL : calloc(1, sizeof *socket);
    if (socket == NULL) {
        int error = fd < 0 ? errno : ENOMEM;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    *socket = (struct io_socket){.fd = fd, .family = family, .type = type};
    open_count++;
    *socket_out = socket;
    return 0;
}

void io_socket_free(struct io_socket *socket)
{
    close(socket->fd);
    open_count--;
    free(socket->unsent);
    free(socket);
}

int io_socket_open(int family, int type, struct io_socket **socket_out)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (io_socket_fd_is_reserved(fd) || open_count >= GA_MAX_SOCKETS) {
        close(fd);
        return -EMFILE;
    }
    int on = 1;
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return wrap(fd, family, type, socket_out);
}

int io_socket_fd(const struct io_socket *socket)
{
    return socket->fd;
}

bool io_socket_has(const struct io_socket *socket, short events)
{
    struct pollfd fd = {.fd = socket->fd, .events = events};
    return poll(&fd, 1, 0) > 0;
}

int io_socket_bind(struct io_socket *socket, const struct sockaddr_storage *address)
{
    int on = 1;
    if (socket->type == SOCK_STREAM)
        (void)setsockopt(socket->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return status_of(bind(socket->fd, plain(address), size_of(address)));
}

int io_socket_local(const struct io_socket *socket, struct sockaddr_storage *address_out)
{
    socklen_t size = sizeof *address_out;
    return status_of(getsockname(socket->fd, (struct sockaddr *)address_out, &size));
}

/* --- streams --- */

int io_socket_listen(struct io_socket *socket, int backlog)
{
    return status_of(listen(socket->fd, backlog));
}

/* accept(2), "Error handling": Linux passes errors on that wait on the new socket. It is gone, the listener is not. */
static int accept_error(int error)
{
    static const int of_connection[] = {ECONNRESET, ENETDOWN,  EPROTO,       ENOPROTOOPT, EHOSTDOWN,
                                        ENONET,     EOPNOTSUPP, EHOSTUNREACH, ENETUNREACH, ENETRESET, EPERM};
    for (size_t i = 0; i < sizeof of_connection / sizeof *of_connection; i++)
        if (error == of_connection[i])
            return ECONNABORTED;
    return error;
}

int io_socket_accept(struct io_socket *socket, struct io_socket **accepted_out, struct sockaddr_storage *remote_out)
{
    socklen_t size = sizeof *remote_out;
    int fd;
    if (!has_room(socket->fd))
        return -EMFILE;
    do
        fd = accept4(socket->fd, (struct sockaddr *)remote_out, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -accept_error(errno);
    return wrap(fd, socket->family, SOCK_STREAM, accepted_out);
}

/* tcp.wit, "start-connect": EADDRNOTAVAIL is Linux's way of saying that no port is free. */
static int connect_error(int error)
{
    return error == EADDRNOTAVAIL ? EADDRINUSE : error == EAFNOSUPPORT ? EINVAL : error;
}

static int connect_to(const struct io_socket *socket, const struct sockaddr_storage *address)
{
    return connect(socket->fd, plain(address), size_of(address)) == 0 ? 0 : -connect_error(errno);
}

int io_socket_connect(struct io_socket *socket, const struct sockaddr_storage *address)
{
    int status = connect_to(socket, address);
    return status == -EINPROGRESS ? 0 : status;
}

int io_socket_connected(struct io_socket *socket)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (!io_socket_has(socket, POLLOUT))
        return -EAGAIN;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    return -connect_error(error);
}

ssize_t io_socket_read(struct io_socket *socket, void *buffer, size_t size)
{
    ssize_t got;
    do
        got = recv(socket->fd, buffer, size, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* --- datagrams --- */

/*
 * udp(7): an association ends with a connect to AF_UNSPEC. That forgets a port which bind had chosen, so it is asked for again.
 */
static int dissociate(struct io_socket *socket, const struct sockaddr_storage *bound)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage local;
    int status = status_of(connect(socket->fd, &none, sizeof none));
    if (status == 0)
        status = io_socket_local(socket, &local);
    /* sin_port and sin6_port lie at the same place. */
    if (status == 0 && ((struct sockaddr_in *)&local)->sin_port == 0)
        status = io_socket_bind(socket, bound);
    return status;
}

int io_socket_associate(struct io_socket *socket, const struct sockaddr_storage *remote,
                        const struct sockaddr_storage *bound)
{
    struct sockaddr_storage before;
    socklen_t size = sizeof before;
    int status = 0;
    if (getpeername(socket->fd, (struct sockaddr *)&before, &size) == 0)
        status = dissociate(socket, bound);
    return status == 0 && remote != NULL ? connect_to(socket, remote) : status;
}

int io_socket_send_to(struct io_socket *socket, const void *data, size_t size, const struct sockaddr_storage *remote)
{
    ssize_t sent;
    do
        sent = sendto(socket->fd, data, size, MSG_NOSIGNAL, remote == NULL ? NULL : plain(remote),
                      remote == NULL ? 0 : size_of(remote));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

ssize_t io_socket_receive_from(struct io_socket *socket, void *buffer, size_t size, struct sockaddr_storage *remote_out)
{
    socklen_t address_size = sizeof *remote_out;
    ssize_t got;
    do
        got = recvfrom(socket->fd, buffer, size, 0, (struct sockaddr *)remote_out, &address_size);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* --- options --- */

static const struct {
    int level4, name4, level6, name6;
    uint64_t unit; /* so many of the caller's are one of the kernel's */
    int min, max;  /* of the kernel's */
    int factor; /* what is read is so many times what was set */
} options[] = {
    [IO_SOCKET_KEEP_ALIVE] = {SOL_SOCKET, SO_KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, 1, 0, 1, 1},
    [IO_SOCKET_KEEP_IDLE] = {IPPROTO_TCP, TCP_KEEPIDLE, IPPROTO_TCP, TCP_KEEPIDLE, 1000000000, 1, 32767, 1},
    [IO_SOCKET_KEEP_INTERVAL] = {IPPROTO_TCP, TCP_KEEPINTVL, IPPROTO_TCP, TCP_KEEPINTVL, 1000000000, 1, 32767, 1},
    [IO_SOCKET_KEEP_COUNT] = {IPPROTO_TCP, TCP_KEEPCNT, IPPROTO_TCP, TCP_KEEPCNT, 1, 1, 127, 1},
    [IO_SOCKET_HOP_LIMIT] = {IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1, 1, 255, 1},
    [IO_SOCKET_RECEIVE_BUFFER] = {SOL_SOCKET, SO_RCVBUF, SOL_SOCKET, SO_RCVBUF, 1, 1, INT32_MAX / 2, 2},
    [IO_SOCKET_SEND_BUFFER] = {SOL_SOCKET, SO_SNDBUF, SOL_SOCKET, SO_SNDBUF, 1, 1, INT32_MAX / 2, 2},
};

int io_socket_set(struct io_socket *socket, enum io_socket_option option, uint64_t value)
{
    bool v6 = socket->family == AF_INET6;
    uint64_t scaled = value / options[option].unit;
    int number = scaled > (uint64_t)options[option].max ? options[option].max : (int)scaled;
    if (number < options[option].min)
        number = options[option].min;
    return status_of(setsockopt(socket->fd, v6 ? options[option].level6 : options[option].level4,
                                v6 ? options[option].name6 : options[option].name4, &number, sizeof number));
}

int io_socket_get(const struct io_socket *socket, enum io_socket_option option, uint64_t *value_out)
{
    bool v6 = socket->family == AF_INET6;
    int number = 0;
    socklen_t size = sizeof number;
    int status = status_of(getsockopt(socket->fd, v6 ? options[option].level6 : options[option].level4,
                                      v6 ? options[option].name6 : options[option].name4, &number, &size));
    if (status == 0)
        *value_out = (uint64_t)(number / options[option].factor) * options[option].unit;
    return status;
}
