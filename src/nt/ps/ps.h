/*
 * ps.h - system threads and the one process.
 */
#ifndef UWSK_NT_PS_H
#define UWSK_NT_PS_H

#include "nt/ke/ke.h"

#define PS_SYSTEM_PROCESS_ID 4u

/* Starts a thread that runs routine(context) at PASSIVE_LEVEL inside a critical region (K-THREAD-01). *handle
 * is the caller's, to be closed with ob_close_handle.  PASSIVE_LEVEL. STATUS_SUCCESS,
 * STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS ps_create_system_thread(PHANDLE handle, ULONG access, POBJECT_ATTRIBUTES attributes, HANDLE process,
                                 PCLIENT_ID client_id, PKSTART_ROUTINE routine, PVOID context);
/* The runtime's own: a named thread that is in no driver's account; *thread (may be NULL) gets a reference.
 */
NTSTATUS ps_create_runtime_thread(const char *name, PKSTART_ROUTINE routine, PVOID context,
                                  struct ke_thread **thread);
/* Does not return when it succeeds: STATUS_INVALID_PARAMETER on a thread that is not a system thread. */
NTSTATUS ps_terminate_system_thread(NTSTATUS status);
/* The dummy process object behind PsGetCurrentProcess and PsInitialSystemProcess. */
PEPROCESS ps_system_process(void);

#endif
