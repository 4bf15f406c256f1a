#include "wasi_sockets_udp.h"

void wasi_sockets_udp_create_socket_create_udp_socket(struct worker *worker, uint32_t address_family,
                                                      struct result_handle_wasi_sockets_network_error_code *result_out)
{
    wasi_socket_void_result made = {0};
    struct io_socket *live = wasi_socket_create(worker, &host_wasi_sockets_udp_create_socket_create_udp_socket,
                                                address_family, SOCK_DGRAM, &made);
    if (made.tag != 0)
        WASI_SOCKET_FAIL(result_out, made.value.err);
    else
        result_out->value.ok = wasi_udp_new(worker, address_family, live);
}
