/*
 * probe.S - one guarded touch of memory.
 *
 * A fault at linux_probe_read_at or linux_probe_write_at is not an exception: the signal handler (fault.c) continues
 * at linux_probe_failed, which answers -1 to the caller of the probe.  No state, so it works on any thread, nested
 * and in signal handlers.
 */
        .text

        .globl  linux_probe_read
        .hidden linux_probe_read
        .type   linux_probe_read, @function
linux_probe_read:                       /* int linux_probe_read(const volatile void *byte) */
        .cfi_startproc
        .globl  linux_probe_read_at
        .hidden linux_probe_read_at
linux_probe_read_at:
        movb    (%rdi), %al
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   linux_probe_read, . - linux_probe_read

        .globl  linux_probe_write
        .hidden linux_probe_write
        .type   linux_probe_write, @function
linux_probe_write:                      /* int linux_probe_write(volatile void *byte): leaves its value alone */
        .cfi_startproc
        .globl  linux_probe_write_at
        .hidden linux_probe_write_at
linux_probe_write_at:
        lock orb $0, (%rdi)
        xorl    %eax, %eax
        ret
        .globl  linux_probe_failed
        .hidden linux_probe_failed
linux_probe_failed:
        movl    $-1, %eax
        ret
        .cfi_endproc
        .size   linux_probe_write, . - linux_probe_write

        .section .note.GNU-stack, "", @progbits
