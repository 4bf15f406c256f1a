#ifndef WASI_SOCKETS_UDP_H
#define WASI_SOCKETS_UDP_H

#include "wasi_sockets.h"

/* The rep of a new socket; live may be NULL. */
uint32_t wasi_udp_new(struct worker *worker, uint32_t address_family, struct io_socket *live);

#endif
