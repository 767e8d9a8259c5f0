/*
 * forward.c - passing an IRP down and waiting for it to come back.
 */
#include "nt/io/io.h"
#include "nt/ke/internal.h"

#include <string.h>

/* Gives the IRP back to the one who waits; it may be gone when the event has been set (D-09). */
static NTSTATUS NTAPI came_back(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    (void)device, (void)irp;
    (void)ke_set_event((PKEVENT)context, 0, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Copies the caller's stack location for the driver of DeviceObject, passes the IRP down and waits.  TRUE: it is
 * complete, with its IoStatus, and the caller's again.  FALSE: there is no location left.  PASSIVE_LEVEL.
 * (wdm IoForwardIrpSynchronously) */
BOOLEAN NTAPI IoForwardIrpSynchronously(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION current = Irp->Tail.Overlay.CurrentStackLocation;
    KEVENT event;

    if (Irp->CurrentLocation <= 1 || Irp->CurrentLocation > Irp->StackCount)
        return FALSE;
    ke_check_may_wait(&event, NULL);
    ke_initialize_event(&event, SynchronizationEvent, FALSE);
    memcpy(current - 1, current, __builtin_offsetof(IO_STACK_LOCATION, CompletionRoutine));
    io_set_completion_routine(Irp, came_back, &event, TRUE, TRUE, TRUE);
    (void)io_call_driver(DeviceObject, Irp); /* whatever it answers, the routine runs once */
    (void)ke_wait_for_single_object(&event, Executive, KernelMode, FALSE, NULL);
    return TRUE;
}
