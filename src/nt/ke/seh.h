/*
 * seh.h - structured exceptions, as the other rooms use them.
 */
#ifndef UWSK_NT_KE_SEH_H
#define UWSK_NT_KE_SEH_H

#include "nt/ke/ke.h"

/* Raises an exception that the innermost __try of the running driver routine sees; without one, bug check
 * 0x1E. The caller holds nothing. Any IRQL. */
void ke_raise_status_from(NTSTATUS status, void *address) __attribute__((noreturn));
#define ke_raise_status(status) ke_raise_status_from((status), __builtin_return_address(0))

/* A processor exception on this thread, told by the host's handler (D-24): code is the status it means
 * (STATUS_ACCESS_VIOLATION ...), write is 0 for a read, 1 for a write, 8 for an execution, ip the
 * instruction. Does not return when the running driver routine has an active __try; else returns 0, and the
 * caller makes a bug check of it. A fault under a lock of the executive's own is never caught: the lock would
 * stay held. */
int ke_seh_dispatch_fault(NTSTATUS code, const void *address, int write, const void *ip);

#endif
