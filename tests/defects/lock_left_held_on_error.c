/*
 * Bug:  an error path of the completion routine returns with the spin lock held.
 * Rule: K-IRQL-06
 * Cure: every path gives the lock back.
 * Found: lock-held
 */
#include "defect.h"

static KSPIN_LOCK Lock;
static ULONG_PTR Total; /* under Lock */

static NTSTATUS ReceiveComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    KeAcquireSpinLock(&Lock, &Irql);
    if (!NT_SUCCESS(Irp->IoStatus.Status)) {
#ifdef FIXED
        KeReleaseSpinLock(&Lock, Irql);
#endif
        return STATUS_MORE_PROCESSING_REQUIRED;
    }
    Total += Irp->IoStatus.Information;
    KeReleaseSpinLock(&Lock, Irql);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    PIRP Irp;
    KEVENT Done;

    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    Irp = Buffer != NULL ? DefectIrp(ReceiveComplete, &Done) : NULL;
    if (Irp != NULL) {
        CONNECTION(Socket)->WskReceive(Socket, &Buffer->WskBuf, 0, Irp);
        DefectPause(100);
    }
    ClientClose(Socket);
    if (Irp != NULL) {
        KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
        IoFreeIrp(Irp);
    }
    DefectBufferFree(Buffer);
}

NTSTATUS DefectStart(VOID)
{
    KeInitializeSpinLock(&Lock);
    return DefectServe(Serve, 2);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
