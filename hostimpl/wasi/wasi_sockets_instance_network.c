#include "wasi_sockets.h"

/* A guest may use the network as the process may. */
uint32_t wasi_sockets_instance_network_instance_network(struct worker *worker)
{
    uint32_t rep;
    (void)host_resource_new(worker, &wasi_sockets_network_network_type, &rep);
    return rep;
}
