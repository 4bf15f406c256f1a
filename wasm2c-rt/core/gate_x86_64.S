#ifdef __x86_64__
#include "gate_layout.h"

/*
 * The stack switches of gate.h, and the saved contexts of wasm-rt.h. Layouts: gate_layout.h.
 *
 * Unwinding: a debugger walks from host frames into guest frames through rbp, and from the first guest frame to the host
 * frames through the host's stack pointer kept at the top of the guest stack. rt_call_host and gate_call are marked as
 * signal frames because a debugger stops at ordinary frames whose caller lies at a lower address.
 */

    .macro push_callee_saved
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    push %rbx
    .cfi_def_cfa_offset 24
    .cfi_offset %rbx, -24
    push %r12
    .cfi_def_cfa_offset 32
    .cfi_offset %r12, -32
    push %r13
    .cfi_def_cfa_offset 40
    .cfi_offset %r13, -40
    push %r14
    .cfi_def_cfa_offset 48
    .cfi_offset %r14, -48
    push %r15
    .cfi_def_cfa_offset 56
    .cfi_offset %r15, -56
    .endm

    .macro pop_callee_saved
    pop %r15
    .cfi_def_cfa_offset 48
    .cfi_restore %r15
    pop %r14
    .cfi_def_cfa_offset 40
    .cfi_restore %r14
    pop %r13
    .cfi_def_cfa_offset 32
    .cfi_restore %r13
    pop %r12
    .cfi_def_cfa_offset 24
    .cfi_restore %r12
    pop %rbx
    .cfi_def_cfa_offset 16
    .cfi_restore %rbx
    pop %rbp
    .cfi_def_cfa_offset 8
    .cfi_restore %rbp
    .endm

    .macro function name
    .section .text.\name, "ax", @progbits
    .globl \name
    .type \name, @function
    .balign 32
\name:
    .cfi_startproc
    .endm

    .macro end_function name
    .cfi_endproc
    .size \name, . - \name
    .endm

/*
 * The way from guest to host and back. The callee keeps rbp and the other registers, so only rbp is loaded again; what
 * was pushed serves a process that resumes from a checkpoint (gate_switch_resume), and debuggers.
 * In: rdi lower, rsi flat. The target is an operand, so that the call needs no register of its own.
 */
    .macro switch_to_host target:vararg
    mov %rsp, %rbp
    .cfi_def_cfa %rbp, 56
    movabs $GATE_REGION_BASE, %rax
    mov %rsp, GATE_GUEST_SP(%rax)
    mov %rdi, GATE_PENDING_LOWER(%rax)
    mov %rsi, GATE_PENDING_FLAT(%rax)
    mov gate_host_sp(%rip), %rsp
    call *\target
    lea 40(%rbp), %rsp
    .cfi_def_cfa %rsp, 16
    pop %rbp
    .cfi_def_cfa_offset 8
    ret
    .endm

/* uint64_t rt_call_host(const struct rt_lower *lower, uint64_t *flat) */
    function rt_call_host
    .cfi_signal_frame
    push_callee_saved
    switch_to_host gate_host_dispatch(%rip)
    end_function rt_call_host

/* uint64_t gate_call(uint64_t (*function)(lower, flat), const struct rt_lower *lower, uint64_t *flat) */
    function gate_call
    .cfi_signal_frame
    push_callee_saved
    mov %rdi, %r11
    mov %rsi, %rdi
    mov %rdx, %rsi
    switch_to_host %r11
    end_function gate_call

/*
 * enum gate_outcome gate_switch(void (*function)(uint64_t *flat), uint64_t *flat, uint64_t stack_top,
 *                               uint64_t *landing_sp_out)
 */
    function gate_switch
    push_callee_saved
    push gate_host_sp(%rip)
    .cfi_def_cfa_offset 64
    mov %rsp, gate_host_sp(%rip)
    mov %rsp, (%rcx)
    mov %rsp, -8(%rdx)
    lea -16(%rdx), %rsp
    /* CFA = *(rsp + 8) + 64: DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg7 8, DW_OP_deref, DW_OP_plus_uconst 64 */
    .cfi_escape 0x0f, 0x05, 0x77, 0x08, 0x06, 0x23, 0x40
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov 8(%rsp), %rsp
    .cfi_def_cfa %rsp, 64
    xor %eax, %eax
gate_leave:
    pop gate_host_sp(%rip)
    .cfi_def_cfa_offset 56
    pop_callee_saved
    ret
    end_function gate_switch

/* void gate_land(enum gate_outcome outcome) */
    .section .text.gate_switch
    .globl gate_land
    .type gate_land, @function
    .balign 16
gate_land:
    .cfi_startproc
    .cfi_undefined %rip
    mov %edi, %eax
    mov gate_landing_sp(%rip), %rsp
    cld
    jmp gate_leave
    end_function gate_land

/*
 * enum gate_outcome gate_switch_resume(uint64_t (*function)(const struct rt_lower *lower, uint64_t *flat),
 *                                      const struct rt_lower *lower, uint64_t *flat, uint64_t *landing_sp_out)
 */
    function gate_switch_resume
    push_callee_saved
    push gate_host_sp(%rip)
    .cfi_def_cfa_offset 64
    mov %rsp, gate_host_sp(%rip)
    mov %rsp, (%rcx)
    movabs $GATE_STACK_TOP, %rax
    mov %rsp, -8(%rax)
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    call *%rax
    movabs $GATE_REGION_BASE, %rcx
    mov GATE_GUEST_SP(%rcx), %rsp
    .cfi_def_cfa_offset 56
    pop_callee_saved
    ret
    end_function gate_switch_resume

/* int wasm_rt_context_save(wasm_rt_jmp_buf *context) */
    function wasm_rt_context_save
    mov %rbx, (%rdi)
    mov %rbp, 8(%rdi)
    mov %r12, 16(%rdi)
    mov %r13, 24(%rdi)
    mov %r14, 32(%rdi)
    mov %r15, 40(%rdi)
    lea 8(%rsp), %rax
    mov %rax, 48(%rdi)
    mov (%rsp), %rax
    mov %rax, 56(%rdi)
    xor %eax, %eax
    ret
    end_function wasm_rt_context_save

/* void wasm_rt_context_resume(const wasm_rt_jmp_buf *context, int value) */
    function wasm_rt_context_resume
    mov (%rdi), %rbx
    mov 8(%rdi), %rbp
    mov 16(%rdi), %r12
    mov 24(%rdi), %r13
    mov 32(%rdi), %r14
    mov 40(%rdi), %r15
    mov %esi, %eax
    mov 48(%rdi), %rsp
    jmp *56(%rdi)
    end_function wasm_rt_context_resume

    .section .note.GNU-stack, "", @progbits
#endif
