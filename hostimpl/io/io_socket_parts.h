#ifndef IO_SOCKET_PARTS_H
#define IO_SOCKET_PARTS_H

#include "io_socket.h"

/* What io_socket.c, io_socket_send.c and io_lookup.c share. */
struct io_socket {
    int fd, family, type;
    /* The rest belongs to io_socket_send.c, under its lock. */
    uint8_t *unsent; /* IO_SOCKET_BUFFER_BYTES, NULL until needed */
    size_t unsent_start, unsent_end;
    int send_error;     /* errno: what was taken is lost */
    bool ends, closing; /* when all is sent: no more is sent; it is closed and freed */
    bool listed;
    struct io_socket *next; /* in the list of those with unsent bytes */
};

/* Whether it lies in what IO_SOCKET_RESERVED_FDS keeps. */
bool io_socket_fd_is_reserved(int fd);

/* Closes the fd, frees the socket. */
void io_socket_free(struct io_socket *socket);

#endif
