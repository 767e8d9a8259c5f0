/*
 * Bug:  the thread that cancels a receive frees its IRP; so does the completion routine, when the cancel won.
 * Rule: K-CANCEL-07
 * Cure: only the completion routine frees; the canceller waits for it.
 * Found: bug-check:(BAD_POOL_CALLER|DRIVER_IRQL_NOT_LESS_OR_EQUAL)
 */
#include "defect.h"

typedef struct _RECEIVE {
    PDEFECT_BUFFER Buffer;
    volatile LONG Cancelled;
    KEVENT Over;
} RECEIVE, *PRECEIVE;

static NTSTATUS ReceiveComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PRECEIVE Receive = (PRECEIVE)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
#ifdef FIXED
    IoFreeIrp(Irp);
#else
    if (!ReadAcquire(&Receive->Cancelled) || Irp->IoStatus.Status == STATUS_CANCELLED) {
        IoFreeIrp(Irp);
    }
#endif
    KeSetEvent(&Receive->Over, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    RECEIVE Receive = {0};
    LARGE_INTEGER Time;
    PIRP Irp;

    KeInitializeEvent(&Receive.Over, NotificationEvent, FALSE);
    Receive.Buffer = DefectBuffer();
    Irp = Receive.Buffer != NULL ? DefectIrp(ReceiveComplete, &Receive) : NULL;
    if (Irp == NULL) {
        DefectBufferFree(Receive.Buffer);
        ClientClose(Socket);
        return;
    }
#ifdef FIXED
    /* Ours until the routine has run: a second reference is what a real driver keeps; here the wait is short and
     * the close below cancels. */
    CONNECTION(Socket)->WskReceive(Socket, &Receive.Buffer->WskBuf, 0, Irp);
    Time.QuadPart = -10 * 100;
    KeWaitForSingleObject(&Receive.Over, Executive, KernelMode, FALSE, &Time);
    ClientClose(Socket);
    KeWaitForSingleObject(&Receive.Over, Executive, KernelMode, FALSE, NULL);
#else
    CONNECTION(Socket)->WskReceive(Socket, &Receive.Buffer->WskBuf, 0, Irp);
    Time.QuadPart = -10 * 100;
    if (KeWaitForSingleObject(&Receive.Over, Executive, KernelMode, FALSE, &Time) == STATUS_TIMEOUT) {
        WriteRelease(&Receive.Cancelled, 1);
        IoCancelIrp(Irp);
        KeWaitForSingleObject(&Receive.Over, Executive, KernelMode, FALSE, NULL);
        IoFreeIrp(Irp);
    }
    ClientClose(Socket);
#endif
    DefectBufferFree(Receive.Buffer);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
