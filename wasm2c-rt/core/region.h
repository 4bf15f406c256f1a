#ifndef CORE_REGION_H
#define CORE_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "ga_limits.h"
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
#define REGION_MEMORY_BYTES_MAX 0x100000000ull /* of one memory */
#define REGION_END (REGION_MEMORY_BASE + (uint64_t)GA_MAX_MEMORIES * REGION_MEMORY_STRIDE)
#define REGION_PAGE_BYTES 4096ull
#define REGION_ARENA_STEP_BYTES 0x100000ull /* the accessible arena grows by multiples of this */
#define REGION_SIZE_CLASSES 52

#define REGION_MAGIC 0x314e4f4947455247ull /* "GREGION1" */

/* Host state that must survive with the guest: `durable` keeps its own struct here. */
#define REGION_DURABLE_STATE_BYTES 0x8000ull

struct region_memory {
    uint64_t size_bytes; /* accessible now */
};

/* The active exception and who catches it: wasm-rt-exceptions.h. */
struct region_exception {
    uint64_t unwind_target; /* a wasm_rt_jmp_buf on the guest stack; 0: nobody catches */
    uint64_t tag;
    uint32_t size;
    uint8_t data[256];
};

/* gate_layout.h repeats the first offsets for the assembler. */
struct region_header {
    uint64_t magic;
    uint64_t guest_sp; /* where the guest rests; 0 if no guest frame is active */
    uint64_t arena_used_bytes;
    uint32_t memory_count;
    uint32_t depth; /* nesting of guest entries; a checkpoint needs 1 (at a gate) or 0 (no invocation) */
    /* The pending host call, for a restored process to run again: see gate.h. */
    uint64_t pending_lower;
    uint64_t pending_flat;
    uint64_t flat[32];                        /* arguments and result of the export call under way */
    uint64_t free_lists[REGION_SIZE_CLASSES]; /* region_alloc's size classes: addresses of free blocks */
    struct region_exception exception;
    struct region_memory memories[GA_MAX_MEMORIES];
    _Alignas(4096) uint8_t durable_state[REGION_DURABLE_STATE_BYTES];
};

#define REGION ((struct region_header *)RT_REGION_BASE)

/* Reserves the region and maps header, stack and an arena of root_size bytes, all zero. Once in a process. */
enum ga_status region_create(size_t root_size, struct ga_report *report) GA_MUST_USE;

/* True after region_create. */
bool region_exists(void);

/* Makes the whole region inaccessible and empty, the header too: checkpoint restore maps its pages next. */
enum ga_status region_clear(struct ga_report *report) GA_MUST_USE;

/* What is accessible. */
struct region_extent {
    uint64_t arena_bytes;
    uint32_t memory_count;
    uint64_t memory_bytes[GA_MAX_MEMORIES];
};
void region_extent(struct region_extent *extent_out);

struct region_range {
    uint64_t begin, end; /* addresses of pages */
};

/* Of a region whose pages are mapped from a file, the header's too (checkpoint): it is again what the file says, contents and
 * sizes, but for the kept pages (ascending; the caller has seen to those). extent: as it is now. False: a memory was
 * freed since, or the system refuses; the region has to be mapped anew. */
bool region_reset(const struct region_extent *extent, const struct region_range *kept, size_t kept_count) GA_MUST_USE;

/* Fresh zeroed pages instead of what was mapped in [address, address + size), both page-aligned. 0 or -1 with errno. */
int region_map_zero(uint64_t address, uint64_t size);

/* Bytes of the arena that are accessible: what is in use, rounded up to REGION_ARENA_STEP_BYTES. */
uint64_t region_arena_accessible(uint64_t used_bytes);

/*
 * What follows is deterministic, because nobody records its outcome: the same calls give the same addresses, and fail or
 * not by the limits above alone. Where the system has no memory, the process ends, as if it had been killed; the next
 * one does it again.
 */

/* Zeroed memory in the arena, 16-byte aligned; NULL when the arena is full. Size 0 gives a block too. region_free takes
 * the size that was asked for. */
void *region_alloc(size_t size);
void region_free(void *pointer, size_t size);

/* Bytes that region_alloc(size) really gives: all may be used, and region_free takes any size between. */
size_t region_alloc_capacity(size_t size);

/* Linear memories, up to REGION_MEMORY_BYTES_MAX each. region_memory_new returns the slot's number, or -1 when there
 * are too many or the size is more than that. */
int region_memory_new(uint64_t size_bytes);
void *region_memory_address(int slot);
int region_memory_slot(const void *address);           /* of an address inside a slot; -1 if it is none in use */
int region_memory_grow(int slot, uint64_t size_bytes); /* 0, or -1 when the size is more than that */
void region_memory_free(int slot);                     /* size 0, contents gone; the slot stays taken */

#endif
