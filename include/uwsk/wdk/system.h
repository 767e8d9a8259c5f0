/*
 * What drivers ask the system for now and then: references under a tag, identifiers, addresses of routines, the
 * processor's extended state.
 */
#ifndef UWSK_WDK_SYSTEM_H
#define UWSK_WDK_SYSTEM_H

#include "uwsk/wdk/ob.h"

#include <guiddef.h>

UWSK_BEGIN_C

/* ---- References under a tag, which has no meaning here ------------------------------------------------ */

NTKERNELAPI LONG_PTR FASTCALL ObfReferenceObjectWithTag(_In_ PVOID Object, _In_ ULONG Tag);
NTKERNELAPI LONG_PTR FASTCALL ObfDereferenceObjectWithTag(_In_ PVOID Object, _In_ ULONG Tag);
NTKERNELAPI NTSTATUS NTAPI ObReferenceObjectByHandleWithTag(
    _In_ HANDLE Handle, _In_ ACCESS_MASK DesiredAccess, _In_opt_ POBJECT_TYPE ObjectType,
    _In_ KPROCESSOR_MODE AccessMode, _In_ ULONG Tag, _Out_ PVOID *Object,
    _Out_opt_ POBJECT_HANDLE_INFORMATION HandleInformation);
NTKERNELAPI NTSTATUS NTAPI ObReferenceObjectByPointerWithTag(_In_ PVOID Object,
                                                             _In_ ACCESS_MASK DesiredAccess,
                                                             _In_opt_ POBJECT_TYPE ObjectType,
                                                             _In_ KPROCESSOR_MODE AccessMode, _In_ ULONG Tag);
NTKERNELAPI VOID NTAPI ObDereferenceObjectDeferDeleteWithTag(_In_ PVOID Object, _In_ ULONG Tag);
#define ObReferenceObjectWithTag(Object, Tag)   ObfReferenceObjectWithTag((Object), (Tag))
#define ObDereferenceObjectWithTag(Object, Tag) ObfDereferenceObjectWithTag((Object), (Tag))

/* ---- Identifiers -------------------------------------------------------------------------------------- */

#ifndef UUID_DEFINED
#define UUID_DEFINED
typedef GUID UUID;
#endif

/* A new identifier, unlike all others. STATUS_SUCCESS. IRQL <= APC_LEVEL. */
NTKERNELAPI NTSTATUS NTAPI ExUuidCreate(_Out_ UUID *Uuid);

/* ---- Addresses of routines ---------------------------------------------------------------------------- */

/* The routine of that name, or NULL if this system has none. PASSIVE_LEVEL. */
NTKERNELAPI PVOID NTAPI MmGetSystemRoutineAddress(_In_ PUNICODE_STRING SystemRoutineName);

/* ---- Extended processor state: belongs to the thread here, so there is nothing to save ---------------- */

typedef struct _XSTATE_CONTEXT {
    ULONG64 Mask;
    ULONG Length;
    ULONG Reserved1;
    struct _XSAVE_AREA *Area;
    PVOID Buffer;
} XSTATE_CONTEXT, *PXSTATE_CONTEXT;

typedef struct _XSTATE_SAVE {
    struct _XSTATE_SAVE *Prev;
    struct _KTHREAD *Thread;
    UCHAR Level;
    XSTATE_CONTEXT XStateContext;
} XSTATE_SAVE, *PXSTATE_SAVE;

#define XSTATE_MASK_LEGACY_FLOATING_POINT 1ULL
#define XSTATE_MASK_LEGACY_SSE            2ULL
#define XSTATE_MASK_LEGACY                (XSTATE_MASK_LEGACY_FLOATING_POINT | XSTATE_MASK_LEGACY_SSE)
#define XSTATE_MASK_AVX                   4ULL
#define XSTATE_MASK_GSSE                  XSTATE_MASK_AVX

NTKERNELAPI NTSTATUS NTAPI KeSaveExtendedProcessorState(_In_ ULONG64 Mask, _Out_ PXSTATE_SAVE XStateSave);
NTKERNELAPI VOID NTAPI KeRestoreExtendedProcessorState(_In_ PXSTATE_SAVE XStateSave);

/* On x64 floating point needs no care: as in the WDK the pair does nothing. */
typedef struct _KFLOATING_SAVE {
    ULONG Dummy;
} KFLOATING_SAVE, *PKFLOATING_SAVE;
static inline NTSTATUS KeSaveFloatingPointState(PVOID FloatingState)
{
    (void)FloatingState;
    return STATUS_SUCCESS;
}
static inline NTSTATUS KeRestoreFloatingPointState(PVOID FloatingState)
{
    (void)FloatingState;
    return STATUS_SUCCESS;
}

UWSK_END_C

#endif
