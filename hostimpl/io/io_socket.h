#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/*
 * Sockets of the internet families. No call blocks; io_socket_fd is what to wait on. Addresses are sockaddr_in and
 * sockaddr_in6, held in a sockaddr_storage. Functions return 0 (or what is said) or a negative errno.
 *
 * A stream socket sends on its own what it has taken: what the kernel does not take at once is kept, and sent by a thread of
 * the process while the caller does something else. Closing, and the end of the process, wait for it as long as the peer
 * goes on reading.
 */
struct io_socket;

enum {
    IO_SOCKET_BUFFER_BYTES = 65536, /* what one stream socket keeps at most */
    IO_SOCKET_RESERVED_FDS = 64     /* of the process's limit, kept for its own files (a quarter of a small limit) */
};

/* family: AF_INET or AF_INET6, which never speaks IPv4; type: SOCK_STREAM or SOCK_DGRAM.
 * -EMFILE: GA_MAX_SOCKETS are open, or only the reserve is left. */
int io_socket_open(int family, int type, struct io_socket **socket_out);

/* What was taken is still sent. */
void io_socket_close(struct io_socket *socket);

/* For poll(2); stays the socket's. */
int io_socket_fd(const struct io_socket *socket);

/* poll(2) says one of these events, or an error, now. */
bool io_socket_has(const struct io_socket *socket, short events);

/* A stream socket gets an address again whose last connection is not forgotten yet (SO_REUSEADDR). */
int io_socket_bind(struct io_socket *socket, const struct sockaddr_storage *address);
int io_socket_local(const struct io_socket *socket, struct sockaddr_storage *address_out);

/* --- streams --- */

int io_socket_listen(struct io_socket *socket, int backlog); /* again: changes the backlog */

/* -EAGAIN: there is none; -EMFILE: as for open, the connection waits; -ECONNABORTED: one was there and is gone. */
int io_socket_accept(struct io_socket *socket, struct io_socket **accepted_out, struct sockaddr_storage *remote_out);

/* Begins; io_socket_has(POLLOUT) when it is over. */
int io_socket_connect(struct io_socket *socket, const struct sockaddr_storage *address);
int io_socket_connected(struct io_socket *socket); /* how that ended; -EAGAIN: it has not */

/* Bytes read, 0 at the end; -EAGAIN. */
ssize_t io_socket_read(struct io_socket *socket, void *buffer, size_t size);

/* How many bytes write takes now: 0 (wait for POLLOUT) or IO_SOCKET_BUFFER_BYTES. */
ssize_t io_socket_room(struct io_socket *socket);

/* size: what room gave, at most. -EPIPE: the peer, or shutdown, has ended it. */
int io_socket_write(struct io_socket *socket, const void *data, size_t size);

/* Whether some of it is not with the kernel yet: 1 or 0. */
int io_socket_unsent(struct io_socket *socket);

/* The end of sending is behind what was taken. */
void io_socket_shutdown(struct io_socket *socket, bool receive, bool send);

/* --- datagrams --- */

/* Sends to and receives from this one only; NULL: to any again. The local address stays what `bound` was. */
int io_socket_associate(struct io_socket *socket, const struct sockaddr_storage *remote,
                        const struct sockaddr_storage *bound);

/* remote: NULL for the associated one. -EAGAIN */
int io_socket_send_to(struct io_socket *socket, const void *data, size_t size, const struct sockaddr_storage *remote);
ssize_t io_socket_receive_from(struct io_socket *socket, void *buffer, size_t size, struct sockaddr_storage *remote_out);

/* --- options --- */

enum io_socket_option {
    IO_SOCKET_KEEP_ALIVE,     /* 0 or 1 */
    IO_SOCKET_KEEP_IDLE,      /* ns */
    IO_SOCKET_KEEP_INTERVAL,  /* ns */
    IO_SOCKET_KEEP_COUNT,     /* probes */
    IO_SOCKET_HOP_LIMIT,      /* hops of a unicast packet, 1 to 255 */
    IO_SOCKET_RECEIVE_BUFFER, /* bytes, as they were asked for: Linux counts them twice */
    IO_SOCKET_SEND_BUFFER,    /* bytes, likewise */
    IO_SOCKET_OPTION_COUNT
};

/* Values beyond what the kernel takes become the nearest that it does. */
int io_socket_set(struct io_socket *socket, enum io_socket_option option, uint64_t value);
int io_socket_get(const struct io_socket *socket, enum io_socket_option option, uint64_t *value_out);

#endif
