/*
 * cancel.c - IoCancelIrp, cancel routines and the one cancel spin lock.
 *
 * Two atomic exchanges of Irp->CancelRoutine decide the race: whoever gets the routine back from
 * IoSetCancelRoutine owns the IRP; NULL with Irp->Cancel set means that the cancel routine has it
 * (K-CANCEL-03, 04).
 */
#include "nt/io/io.h"
#include "nt/ke/ke.h"
#include "nt/rtl/call.h"

static KSPIN_LOCK cancel_lock; /* K-CANCEL-15 */

void io_acquire_cancel_spin_lock(PKIRQL irql)
{
    *irql = ke_acquire_spin_lock(&cancel_lock);
}

void io_release_cancel_spin_lock(KIRQL irql)
{
    ke_release_spin_lock(&cancel_lock, irql);
}

PDRIVER_CANCEL io_set_cancel_routine(PIRP irp, PDRIVER_CANCEL routine)
{
    host_point(HOST_POINT_ATOMIC, &irp->CancelRoutine);
    return __atomic_exchange_n(&irp->CancelRoutine, routine, __ATOMIC_SEQ_CST);
}

/* Cancel first, routine second, both fully ordered: a holder that sets its routine and then tests Cancel
 * meets either the flag or a caller who finds the routine (K-CANCEL-08). */
static PDRIVER_CANCEL set_cancel(PIRP irp)
{
    __atomic_store_n(&irp->Cancel, TRUE, __ATOMIC_SEQ_CST);
    OBSERVE(irp, OBSERVE_IRP_CANCELLED, irp, STATUS_CANCELLED);
    return io_set_cancel_routine(irp, NULL);
}

BOOLEAN io_cancel_irp(PIRP irp)
{
    KIRQL irql = ke_acquire_spin_lock(&cancel_lock);
    PDRIVER_CANCEL routine = set_cancel(irp);
    struct rtl_frame frame;
    PDEVICE_OBJECT device = NULL;

    if (!routine) {
        ke_release_spin_lock(&cancel_lock, irql);
        return FALSE;
    }
    if (irp->CurrentLocation > irp->StackCount + 1) /* K-CANCEL-14 */
        ke_bug_check_ex(CANCEL_STATE_IN_COMPLETED_IRP, irp, routine, 0, 0);
    if (irp->CurrentLocation <= irp->StackCount)
        device = irp->Tail.Overlay.CurrentStackLocation->DeviceObject;
    irp->CancelIrql = irql;
    rtl_frame_enter(&frame, OBSERVE_CANCEL_ROUTINE, irp, "cancel routine", (void *)routine);
    frame.irql = irql; /* the routine drops the lock, and with it the level (K-CANCEL-11) */
    frame.locks--;
    routine(device, irp);
    rtl_frame_leave(&frame);
    return TRUE;
}

PDRIVER_CANCEL io_mark_irp_cancelled(PIRP irp)
{
    KIRQL irql = ke_acquire_spin_lock(&cancel_lock);
    PDRIVER_CANCEL routine = set_cancel(irp);

    ke_release_spin_lock(&cancel_lock, irql);
    return routine;
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/*
 * IoCancelIrp - sets Irp->Cancel and calls the cancel routine, if there is one, with the cancel lock held at
 * DISPATCH_LEVEL and the former level in Irp->CancelIrql; the routine releases the lock.  TRUE if there was
 * one (K-CANCEL-01, 02).  IRQL <= DISPATCH_LEVEL.  Page: wdm IoCancelIrp.
 */
BOOLEAN NTAPI IoCancelIrp(PIRP Irp)
{
    return io_cancel_irp(Irp);
}

/* IoAcquireCancelSpinLock - takes the cancel lock; *Irql gets the level to give back.  IRQL <=
 * DISPATCH_LEVEL. */
VOID NTAPI IoAcquireCancelSpinLock(PKIRQL Irql)
{
    *Irql = ke_acquire_spin_lock(&cancel_lock);
}

/* IoReleaseCancelSpinLock - drops it and lowers to Irql; in a cancel routine that is Irp->CancelIrql. */
VOID NTAPI IoReleaseCancelSpinLock(KIRQL Irql)
{
    ke_release_spin_lock(&cancel_lock, Irql);
}
