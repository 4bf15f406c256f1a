#ifndef DURABLE_DISPATCH_H
#define DURABLE_DISPATCH_H

#include <stdint.h>

#include "golem_rt.h"

/*
 * Every host call of the guest comes through here (gate_host_dispatch). The one place that reads the durability class:
 * recorded functions run once and are taken from the oplog in replay, all others run.
 */
uint64_t dispatch_host_call(const struct rt_lower *lower, uint64_t *flat);

/* Before a resource is dropped by the guest, see cabi_host_drop. */
void dispatch_host_drop(const struct cabi_resource *resource, uint32_t rep);

#endif
