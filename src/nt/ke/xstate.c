/*
 * xstate.c - extended processor state: Linux keeps it for each thread, at every IRQL of ours.
 */
#include "nt/ke/ke.h"

/* Lets the caller use the registers that Mask names, until the restore.  STATUS_SUCCESS.  IRQL <= DISPATCH_LEVEL.
 * (wdm KeSaveExtendedProcessorState) */
NTSTATUS NTAPI KeSaveExtendedProcessorState(ULONG64 Mask, PXSTATE_SAVE XStateSave)
{
    __builtin_memset(XStateSave, 0, sizeof *XStateSave);
    XStateSave->Thread = (PKTHREAD)ke_current_thread();
    XStateSave->Level = ke_current_irql();
    XStateSave->XStateContext.Mask = Mask;
    return STATUS_SUCCESS;
}

/* Ends it, on the same thread.  (wdm KeRestoreExtendedProcessorState) */
VOID NTAPI KeRestoreExtendedProcessorState(PXSTATE_SAVE XStateSave)
{
    KE_ASSERT(XStateSave->Thread == (PKTHREAD)ke_current_thread());
}
