/*
 * Bug:  a receive that ends with an error leaves its run-down reference behind; the unload waits for it for ever.
 * Rule: K-RUND-08
 * Cure: the reference goes whatever the status is.
 * Found: unload-hangs
 */
#include "defect.h"

static EX_RUNDOWN_REF Rundown;

static NTSTATUS ReceiveComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
#ifdef FIXED
    ExReleaseRundownProtection(&Rundown);
#else
    if (NT_SUCCESS(Irp->IoStatus.Status)) {
        ExReleaseRundownProtection(&Rundown);
    }
#endif
    DefectBufferFree((PDEFECT_BUFFER)Context);
    IoFreeIrp(Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    PIRP Irp = Buffer != NULL ? DefectIrp(ReceiveComplete, Buffer) : NULL;

    if (Irp == NULL) {
        DefectBufferFree(Buffer);
    } else if (!ExAcquireRundownProtection(&Rundown)) {
        DefectBufferFree(Buffer);
        IoFreeIrp(Irp);
    } else {
        CONNECTION(Socket)->WskReceive(Socket, &Buffer->WskBuf, 0, Irp);
    }
    DefectPause(100);
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
    ExInitializeRundownProtection(&Rundown);
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
    ExWaitForRundownProtectionRelease(&Rundown);
}
