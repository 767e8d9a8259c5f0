/*
 * switch.S - from one fiber's stack to another's.
 *
 * What the System V ABI lets a call change is changed; the rest (rbx, rbp, r12 to r15, the control words of SSE and
 * x87) lies on the stack that is left, below the return address:
 *
 *     +56 return address   +48 rbp   +40 rbx   +32 r12   +24 r13   +16 r14   +8 r15   +4 x87 control   +0 mxcsr
 *
 * Both stacks look the same at the moment of the exchange, so that one line of unwinding tables serves both.
 */
        .text

        .globl  sim_switch
        .hidden sim_switch
        .type   sim_switch, @function
        .p2align 4
sim_switch:                             /* void sim_switch(void **left, void *entered) */
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movzwl  4(%rsp), %ecx
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        cmpl    (%rsp), %eax            /* loading them is slow, and they are hardly ever different */
        jne     1f
        cmpw    4(%rsp), %cx
        je      2f
1:      ldmxcsr (%rsp)
        fldcw   4(%rsp)
2:      addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   sim_switch, . - sim_switch

/* The outermost frame of every fiber: sim_switch returns here the first time. */
        .globl  sim_fiber_entry
        .hidden sim_fiber_entry
        .type   sim_fiber_entry, @function
        .p2align 4
sim_fiber_entry:
        .cfi_startproc
        .cfi_undefined rip
        .cfi_undefined rbp
        xorl    %ebp, %ebp
        call    sim_fiber_main
        ud2
        .cfi_endproc
        .size   sim_fiber_entry, . - sim_fiber_entry

        .section .note.GNU-stack, "", @progbits
