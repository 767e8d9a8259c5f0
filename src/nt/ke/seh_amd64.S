/* seh_amd64.S - where an exception comes back to: x86-64, System V calling convention.
 *
 * struct uwsk_seh_frame begins with rbx, rbp, r12, r13, r14, r15, rsp, rip. */

        .text

/* int uwsk_seh_save(frame): 0 now, 1 after ke_seh_jump(frame). */
        .globl  uwsk_seh_save
        .type   uwsk_seh_save, @function
        .p2align 4
uwsk_seh_save:
        .cfi_startproc
        movq    %rbx, 0(%rdi)
        movq    %rbp, 8(%rdi)
        movq    %r12, 16(%rdi)
        movq    %r13, 24(%rdi)
        movq    %r14, 32(%rdi)
        movq    %r15, 40(%rdi)
        leaq    8(%rsp), %rax           /* as it is when we have returned */
        movq    %rax, 48(%rdi)
        movq    (%rsp), %rax
        movq    %rax, 56(%rdi)
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   uwsk_seh_save, . - uwsk_seh_save

/* void ke_seh_jump(frame): never returns. The direction flag may be set when a fault interrupted a copy. */
        .globl  ke_seh_jump
        .hidden ke_seh_jump
        .type   ke_seh_jump, @function
        .p2align 4
ke_seh_jump:
        .cfi_startproc
        movq    0(%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    56(%rdi), %rdx
        movq    48(%rdi), %rsp
        cld
        movl    $1, %eax
        jmp     *%rdx
        .cfi_endproc
        .size   ke_seh_jump, . - ke_seh_jump

        .section .note.GNU-stack, "", @progbits
