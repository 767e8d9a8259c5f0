/*
 * tag.c - references under a tag: the tag tells a debugger whose they are, and is not kept here.
 */
#include "nt/ob/ob.h"

/* One reference more or less, as without the tag; return the new count.  (wdm ObReferenceObjectWithTag,
 * ObDereferenceObjectWithTag) */
LONG_PTR FASTCALL ObfReferenceObjectWithTag(PVOID Object, ULONG Tag)
{
    (void)Tag;
    return ob_reference_for(Object, __builtin_return_address(0));
}

LONG_PTR FASTCALL ObfDereferenceObjectWithTag(PVOID Object, ULONG Tag)
{
    (void)Tag;
    return ob_dereference_for(Object, __builtin_return_address(0));
}

/* The object behind a handle, with a reference for the caller.  STATUS_SUCCESS, STATUS_INVALID_HANDLE,
 * STATUS_OBJECT_TYPE_MISMATCH.  (wdm ObReferenceObjectByHandleWithTag) */
NTSTATUS NTAPI ObReferenceObjectByHandleWithTag(HANDLE Handle, ACCESS_MASK DesiredAccess,
                                                POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode,
                                                ULONG Tag, PVOID *Object,
                                                POBJECT_HANDLE_INFORMATION HandleInformation)
{
    NTSTATUS status = ob_reference_object_by_handle(Handle, DesiredAccess, (const struct ob_type *)ObjectType,
                                                    AccessMode, Object);

    (void)Tag;
    if (NT_SUCCESS(status))
        ob_reference_given(*Object, __builtin_return_address(0));
    if (HandleInformation && NT_SUCCESS(status)) {
        HandleInformation->HandleAttributes = 0;
        HandleInformation->GrantedAccess = DesiredAccess;
    }
    return status;
}

/* One reference more if the object has the type (NULL = any).  STATUS_SUCCESS, STATUS_OBJECT_TYPE_MISMATCH.
 * (wdm ObReferenceObjectByPointerWithTag) */
NTSTATUS NTAPI ObReferenceObjectByPointerWithTag(PVOID Object, ACCESS_MASK DesiredAccess,
                                                 POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode,
                                                 ULONG Tag)
{
    (void)DesiredAccess, (void)AccessMode, (void)Tag;
    if (ObjectType && (const struct ob_type *)ObjectType != ob_object_type(Object))
        return STATUS_OBJECT_TYPE_MISMATCH;
    (void)ob_reference_for(Object, __builtin_return_address(0));
    return STATUS_SUCCESS;
}

/* ObDereferenceObjectDeferDelete with a tag.  (wdm ObDereferenceObjectDeferDeleteWithTag) */
VOID NTAPI ObDereferenceObjectDeferDeleteWithTag(PVOID Object, ULONG Tag)
{
    (void)Tag;
    ob_dereference_later_for(Object, __builtin_return_address(0));
}
