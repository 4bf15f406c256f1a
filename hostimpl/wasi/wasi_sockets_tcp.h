#ifndef WASI_SOCKETS_TCP_H
#define WASI_SOCKETS_TCP_H

#include "wasi_sockets.h"

/* What the parts of wasi:sockets/tcp share: the socket, and the streams of its connection. */

enum wasi_tcp_state {
    WASI_TCP_UNBOUND,
    WASI_TCP_BOUND,
    WASI_TCP_LISTENING,
    WASI_TCP_CONNECTING,
    WASI_TCP_CONNECTED,
    WASI_TCP_CLOSED
};

/* Begun with start-*, not finished. Binding and listening are done when they begin, connecting is done by the network. */
enum wasi_tcp_progress { WASI_TCP_IDLE, WASI_TCP_BIND, WASI_TCP_CONNECT, WASI_TCP_LISTEN };

struct wasi_tcp_socket {
    uint32_t address_family;
    uint32_t state;    /* enum wasi_tcp_state */
    uint32_t progress; /* enum wasi_tcp_progress */
    uint32_t backlog;
    uint32_t input, output; /* reps of the streams; 0: none, or dropped */
    bool bound;             /* by start-bind */
    struct wasi_socket_options options;
    wasi_socket_address local, remote;
};

enum { WASI_TCP_BACKLOG = 128 };

struct wasi_tcp_socket *wasi_tcp_get(struct worker *worker, uint32_t rep);

/* The rep of a new socket; live may be NULL. */
uint32_t wasi_tcp_new(struct worker *worker, uint32_t address_family, struct io_socket *live);

/* Makes the streams of a socket that is now connected. */
void wasi_tcp_open_streams(struct worker *worker, uint32_t rep, struct wasi_tcp_socket *tcp);

#endif
