#ifndef CORE_GATE_LAYOUT_H
#define CORE_GATE_LAYOUT_H

/*
 * What the gates' assembler knows of struct region_header (gate.c asserts it), and of frames at rest.
 *
 * A guest at rest (x86-64): REGION->guest_sp names, from low to high addresses,
 *     r15 r14 r13 r12 rbx rbp, return address into the guest
 * The first frame of a guest stack, from its top downward:
 *     the host's stack pointer (of this process: gate_resume writes it anew), a slot for alignment, return address
 * The host's frame behind gate_host_sp, from low to high addresses:
 *     the previous gate_host_sp (0 for the outermost), r15 r14 r13 r12 rbx rbp, return address into the host
 */
#define GATE_REGION_BASE 0x200000000000
#define GATE_STACK_TOP 0x200018000000
#define GATE_GUEST_SP 8
#define GATE_PENDING_LOWER 32
#define GATE_PENDING_FLAT 40

#endif
