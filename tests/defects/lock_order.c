/*
 * Bug:  two spin locks are taken in one order by the thread and in the other by the completion routine.
 * Rule: K-SPIN-08
 * Cure: one order everywhere.
 * Found: unload-hangs
 */
#include "defect.h"

static KSPIN_LOCK ListLock, CountLock;
static ULONG Sent, Listed;

static NTSTATUS SendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
#ifdef FIXED
    KeAcquireSpinLock(&ListLock, &Irql);
    KeAcquireSpinLockAtDpcLevel(&CountLock);
#else
    KeAcquireSpinLock(&CountLock, &Irql);
    KeAcquireSpinLockAtDpcLevel(&ListLock);
#endif
    Sent++;
    Listed--;
#ifdef FIXED
    KeReleaseSpinLockFromDpcLevel(&CountLock);
    KeReleaseSpinLock(&ListLock, Irql);
#else
    KeReleaseSpinLockFromDpcLevel(&ListLock);
    KeReleaseSpinLock(&CountLock, Irql);
#endif
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    KEVENT Done;
    KIRQL Irql;
    PIRP Irp = NULL;

    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    if (Buffer != NULL && (Irp = DefectIrp(SendComplete, &Done)) != NULL) {
        CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, Irp);
        KeAcquireSpinLock(&ListLock, &Irql);
        KeAcquireSpinLockAtDpcLevel(&CountLock);
        Listed++;
        KeReleaseSpinLockFromDpcLevel(&CountLock);
        KeReleaseSpinLock(&ListLock, Irql);
        DefectWaitFor(&Done, Irp);
        IoFreeIrp(Irp);
    }
    ClientClose(Socket);
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
