/*
 * Bug:  a spin lock is held across WskReceive; when data is there the completion routine runs inside the call
 *       and takes the same lock.
 * Rule: C-CLOSE-15 K-SPIN-07
 * Cure: the call is made without the lock.
 * Found: bug-check:SPIN_LOCK_ALREADY_OWNED
 */
#include "defect.h"

static KSPIN_LOCK Lock;
static ULONG Received; /* under Lock */

static NTSTATUS ReceiveComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    KeAcquireSpinLock(&Lock, &Irql);
    Received += (ULONG)Irp->IoStatus.Information;
    KeReleaseSpinLock(&Lock, Irql);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    KEVENT Done;
    PIRP Irp = NULL;
#ifndef FIXED
    KIRQL Irql;
#endif

    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    if (Buffer != NULL) {
        Irp = DefectIrp(ReceiveComplete, &Done);
    }
    if (Irp != NULL) {
#ifdef FIXED
        CONNECTION(Socket)->WskReceive(Socket, &Buffer->WskBuf, 0, Irp);
#else
        KeAcquireSpinLock(&Lock, &Irql);
        CONNECTION(Socket)->WskReceive(Socket, &Buffer->WskBuf, 0, Irp);
        KeReleaseSpinLock(&Lock, Irql);
#endif
        DefectPause(200);
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
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
