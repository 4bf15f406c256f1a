#ifndef CORE_REGION_H
#define CORE_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "ga_report.h"
#include "golem_rt.h"

/*
 * The region: all guest-visible state of a worker, at fixed virtual addresses, so that a set of its pages is the
 * worker's whole state and every pointer inside stays valid in another process of the same build.
 *
 *   RT_REGION_BASE               header (struct region_header), REGION_HEADER_BYTES
 *   ... guard ...                REGION_STACK_GUARD_BYTES, never accessible
 *   REGION_STACK_BOTTOM          guest stack, REGION_STACK_BYTES, grows down from REGION_STACK_TOP
 *   RT_ARENA_BASE                arena: the root struct, then what region_alloc hands out; REGION_ARENA_BYTES
 *   REGION_MEMORY_BASE + i*REGION_MEMORY_STRIDE    linear memory i: 8 GiB and a guard
 *
 * Valid addresses outside what is in use fault; the signal handler makes a trap of it (trap.h).
 */
#define REGION_HEADER_BYTES 0x10000ull
#define REGION_STACK_BYTES 0x800000ull /* 8 MiB */
#define REGION_STACK_TOP (RT_REGION_BASE + 0x18000000ull)
#define REGION_STACK_BOTTOM (REGION_STACK_TOP - REGION_STACK_BYTES)
#define REGION_ARENA_BYTES 0x40000000ull /* 1 GiB reserved */
#define REGION_MEMORY_BASE (RT_REGION_BASE + 0x200000000ull)
#define REGION_MEMORY_STRIDE (0x200000000ull + 0x200000ull)

/* Host state that must survive with the guest: `durable` keeps its own struct here. */
#define REGION_DURABLE_STATE_BYTES 0x8000ull

struct region_memory {
    uint64_t size_bytes; /* accessible now */
};

struct region_header {
    uint64_t magic;
    uint64_t guest_sp;        /* where the guest rests; 0 if no guest frame is active */
    uint64_t arena_used_bytes;
    uint32_t memory_count;
    uint32_t depth;           /* nesting of guest entries; a checkpoint needs 1 (at a gate) or 0 (no invocation) */
    /* The pending host call, for a restored process to run again: see gate.h. */
    uint64_t pending_lower;
    uint64_t pending_flat;
    uint64_t flat[32];        /* arguments and result of the export call under way */
    uint64_t free_lists[48];  /* region_alloc's size classes */
    struct region_memory memories[1024];
    _Alignas(4096) uint8_t durable_state[REGION_DURABLE_STATE_BYTES];
};

#define REGION ((struct region_header *)RT_REGION_BASE)

/* Reserves the region and maps header, stack and an arena of root_size bytes, all zero. Once in a process. */
enum ga_status region_create(size_t root_size, struct ga_report *report) GA_MUST_USE;

/* Zeroed memory in the arena, 16-byte aligned; deterministic; NULL when the arena is full. */
void *region_alloc(size_t size);
void region_free(void *pointer, size_t size);

/* Linear memories. region_memory_new returns the slot's number, or -1 when there are too many. */
int region_memory_new(uint64_t size_bytes);
void *region_memory_address(int slot);
int region_memory_grow(int slot, uint64_t size_bytes); /* 0, or -1 when the system has no memory */

#endif
