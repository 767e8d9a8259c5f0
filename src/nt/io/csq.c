/*
 * csq.c - cancel-safe queues: the driver brings list and lock, the cancel routine is ours (K-CANCEL-17).
 *
 * Everything is decided under the driver's lock: an IRP is in the list with our cancel routine set, or it is out.
 * Whoever takes the routine back (io_set_cancel_routine answers it) owns the IRP.  When it was gone already, the
 * cancel routine is on its way to the lock, and takes the IRP out itself (K-CANCEL-08, 09).  IoCsqInsertIrp sets the
 * routine and then looks at Irp->Cancel, IoCancelIrp sets Cancel and then looks for the routine: one sees the other.
 *
 * DriverContext[3] of a queued IRP leads to its queue: by way of the context that the driver gave, or straight;
 * both begin with a type.  The driver's routines are helpers inside its own call and are called without the gate.
 */
#include "nt/io/io.h"
#include "nt/ke/ke.h"

static void set_link(PIRP irp, void *link)
{
    irp->Tail.Overlay.DriverContext[3] = link;
}

static PIO_CSQ_IRP_CONTEXT context_of(PIRP irp)
{
    PIO_CSQ_IRP_CONTEXT context = irp->Tail.Overlay.DriverContext[3];

    return context && context->Type == IO_TYPE_CSQ_IRP_CONTEXT ? context : NULL;
}

static PIO_CSQ queue_of(PIRP irp)
{
    PIO_CSQ_IRP_CONTEXT context = context_of(irp);

    return context ? context->Csq : irp->Tail.Overlay.DriverContext[3];
}

/* Under the lock: the IRP leaves, and its context no longer names it. */
static void forget(PIRP irp)
{
    PIO_CSQ_IRP_CONTEXT context = context_of(irp);

    if (context)
        context->Irp = NULL;
    set_link(irp, NULL);
}

static void take_out(PIO_CSQ csq, PIRP irp)
{
    csq->CsqRemoveIrp(csq, irp);
    forget(irp);
}

/* With the cancel lock held, which it drops first (K-CANCEL-10). */
static VOID NTAPI cancel_queued(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_CSQ csq = queue_of(irp); /* as long as it is queued, which the routine keeps it, this stays */
    KIRQL irql;

    (void)device;
    io_release_cancel_spin_lock(irp->CancelIrql);
    csq->CsqAcquireLock(csq, &irql);
    take_out(csq, irp);
    csq->CsqReleaseLock(csq, irql);
    csq->CsqCompleteCanceledIrp(csq, irp);
}

static NTSTATUS insert(PIO_CSQ csq, PIRP irp, PIO_CSQ_IRP_CONTEXT context, PVOID insert_context)
{
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    if (context) {
        context->Type = IO_TYPE_CSQ_IRP_CONTEXT;
        context->Irp = irp;
        context->Csq = csq;
        set_link(irp, context);
    } else {
        set_link(irp, csq);
    }
    csq->CsqAcquireLock(csq, &irql);
    if (csq->Type == IO_TYPE_CSQ_EX)
        status = ((PIO_CSQ_INSERT_IRP_EX)(void *)csq->CsqInsertIrp)(csq, irp, insert_context);
    else
        csq->CsqInsertIrp(csq, irp);
    if (!NT_SUCCESS(status)) { /* the caller's again, as it was */
        forget(irp);
        csq->CsqReleaseLock(csq, irql);
        return status;
    }
    if (irp->CurrentLocation <= irp->StackCount) /* KA01: an own IRP may have no location to mark */
        io_mark_irp_pending(irp);
    (void)io_set_cancel_routine(irp, cancel_queued);
    if (__atomic_load_n(&irp->Cancel, __ATOMIC_SEQ_CST) && io_set_cancel_routine(irp, NULL)) {
        take_out(csq, irp);
        csq->CsqReleaseLock(csq, irql);
        csq->CsqCompleteCanceledIrp(csq, irp);
        return status;
    }
    csq->CsqReleaseLock(csq, irql);
    return status;
}

static NTSTATUS initialize(PIO_CSQ csq, ULONG type, PIO_CSQ_INSERT_IRP insert_irp,
                           PIO_CSQ_REMOVE_IRP remove_irp, PIO_CSQ_PEEK_NEXT_IRP peek_next,
                           PIO_CSQ_ACQUIRE_LOCK acquire, PIO_CSQ_RELEASE_LOCK release,
                           PIO_CSQ_COMPLETE_CANCELED_IRP complete_canceled)
{
    csq->Type = type;
    csq->CsqInsertIrp = insert_irp;
    csq->CsqRemoveIrp = remove_irp;
    csq->CsqPeekNextIrp = peek_next;
    csq->CsqAcquireLock = acquire;
    csq->CsqReleaseLock = release;
    csq->CsqCompleteCanceledIrp = complete_canceled;
    csq->ReservePointer = NULL;
    return STATUS_SUCCESS;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Makes *Csq a queue over the driver's routines.  STATUS_SUCCESS.  Any IRQL.  (wdm IoCsqInitialize) */
NTSTATUS NTAPI IoCsqInitialize(PIO_CSQ Csq, PIO_CSQ_INSERT_IRP CsqInsertIrp, PIO_CSQ_REMOVE_IRP CsqRemoveIrp,
                               PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp, PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock,
                               PIO_CSQ_RELEASE_LOCK CsqReleaseLock,
                               PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    return initialize(Csq, IO_TYPE_CSQ, CsqInsertIrp, CsqRemoveIrp, CsqPeekNextIrp, CsqAcquireLock,
                      CsqReleaseLock, CsqCompleteCanceledIrp);
}

/* The same with an insert routine that gets a context and may refuse.  (wdm IoCsqInitializeEx) */
NTSTATUS NTAPI IoCsqInitializeEx(PIO_CSQ Csq, PIO_CSQ_INSERT_IRP_EX CsqInsertIrp,
                                 PIO_CSQ_REMOVE_IRP CsqRemoveIrp, PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp,
                                 PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock, PIO_CSQ_RELEASE_LOCK CsqReleaseLock,
                                 PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    return initialize(Csq, IO_TYPE_CSQ_EX, (PIO_CSQ_INSERT_IRP)(void *)CsqInsertIrp, CsqRemoveIrp,
                      CsqPeekNextIrp, CsqAcquireLock, CsqReleaseLock, CsqCompleteCanceledIrp);
}

/* Marks the IRP pending and inserts it; one that is cancelled already is completed as such.  IRQL <= DISPATCH_LEVEL.
 * (wdm IoCsqInsertIrp) */
VOID NTAPI IoCsqInsertIrp(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context)
{
    (void)insert(Csq, Irp, Context, NULL);
}

/* The same; returns what the insert routine answered.  After an error the IRP is the caller's, not marked.
 * (wdm IoCsqInsertIrpEx) */
NTSTATUS NTAPI IoCsqInsertIrpEx(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context, PVOID InsertContext)
{
    return insert(Csq, Irp, Context, InsertContext);
}

/* The first IRP that the peek routine finds for PeekContext and that nobody is cancelling; NULL = none.  IRQL <=
 * DISPATCH_LEVEL.  (wdm IoCsqRemoveNextIrp) */
PIRP NTAPI IoCsqRemoveNextIrp(PIO_CSQ Csq, PVOID PeekContext)
{
    PIRP irp = NULL;
    KIRQL irql;

    Csq->CsqAcquireLock(Csq, &irql);
    while ((irp = Csq->CsqPeekNextIrp(Csq, irp, PeekContext)) != NULL) {
        if (io_set_cancel_routine(irp, NULL)) {
            take_out(Csq, irp);
            break;
        }
    }
    Csq->CsqReleaseLock(Csq, irql);
    return irp;
}

/* The IRP that Context names; NULL when it is out of the queue or being cancelled.  (wdm IoCsqRemoveIrp) */
PIRP NTAPI IoCsqRemoveIrp(PIO_CSQ Csq, PIO_CSQ_IRP_CONTEXT Context)
{
    PIRP irp;
    KIRQL irql;

    Csq->CsqAcquireLock(Csq, &irql);
    irp = Context->Irp;
    if (irp && io_set_cancel_routine(irp, NULL))
        take_out(Csq, irp);
    else
        irp = NULL;
    Csq->CsqReleaseLock(Csq, irql);
    return irp;
}
