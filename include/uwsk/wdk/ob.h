/* Ob and Zw: references to objects, and handles. */
#ifndef UWSK_WDK_OB_H
#define UWSK_WDK_OB_H

#include "uwsk/wdk/ke.h"
#include "uwsk/wdk/se.h"
#include "uwsk/wdk/cm.h"

UWSK_BEGIN_C

typedef struct _OBJECT_HANDLE_INFORMATION {
    ULONG HandleAttributes;
    ACCESS_MASK GrantedAccess;
} OBJECT_HANDLE_INFORMATION, *POBJECT_HANDLE_INFORMATION;

/*
 * The object behind a handle, with a reference for the caller. ObjectType may
 * be NULL in KernelMode (D-23). PASSIVE_LEVEL. STATUS_INVALID_HANDLE,
 * STATUS_OBJECT_TYPE_MISMATCH.
 */
NTKERNELAPI NTSTATUS NTAPI ObReferenceObjectByHandle(_In_ HANDLE Handle, _In_ ACCESS_MASK DesiredAccess,
                                                     _In_opt_ POBJECT_TYPE ObjectType,
                                                     _In_ KPROCESSOR_MODE AccessMode, _Out_ PVOID *Object,
                                                     _Out_opt_ POBJECT_HANDLE_INFORMATION HandleInformation);
NTKERNELAPI NTSTATUS NTAPI ObReferenceObjectByPointer(_In_ PVOID Object, _In_ ACCESS_MASK DesiredAccess,
                                                      _In_opt_ POBJECT_TYPE ObjectType,
                                                      _In_ KPROCESSOR_MODE AccessMode);
/* One reference more or less; both return the new count. */
NTKERNELAPI LONG_PTR FASTCALL ObfReferenceObject(_In_ PVOID Object);
NTKERNELAPI LONG_PTR FASTCALL ObfDereferenceObject(_In_ PVOID Object);
/* The same; if it is the last one, the object ends on a worker thread, not inside the call. IRQL <= DISPATCH_LEVEL. */
NTKERNELAPI VOID NTAPI ObDereferenceObjectDeferDelete(_In_ PVOID Object);
#define ObReferenceObject(Object)   ObfReferenceObject(Object)
#define ObDereferenceObject(Object) ObfDereferenceObject(Object)

/* Closes a handle. PASSIVE_LEVEL. STATUS_INVALID_HANDLE. */
NTSYSAPI NTSTATUS NTAPI ZwClose(_In_ HANDLE Handle);
/* Waits for the object behind a handle; timeout and statuses as KeWaitForSingleObject. */
NTSYSAPI NTSTATUS NTAPI ZwWaitForSingleObject(_In_ HANDLE Handle, _In_ BOOLEAN Alertable,
                                              _In_opt_ PLARGE_INTEGER Timeout);

UWSK_END_C

#endif
