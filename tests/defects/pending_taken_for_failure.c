/*
 * Bug:  anything but STATUS_SUCCESS is taken for a failure: a send that pends is freed under the provider.
 * Rule: D-03
 * Cure: the completion routine frees, whatever the call returned.
 * Found: irp-freed-while-pending|bug-check:BAD_POOL_CALLER
 */
#include "defect.h"

static NTSTATUS SendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
#ifdef FIXED
    IoFreeIrp(Irp);
    DefectBufferFree((PDEFECT_BUFFER)Context);
#else
    if (NT_SUCCESS(Irp->IoStatus.Status)) {
        IoFreeIrp(Irp);
        DefectBufferFree((PDEFECT_BUFFER)Context);
    }
#endif
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    PIRP Irp = Buffer != NULL ? DefectIrp(SendComplete, Buffer) : NULL;

    if (Irp == NULL) {
        DefectBufferFree(Buffer);
    } else {
#ifdef FIXED
        CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, Irp);
#else
        if (CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, Irp) != STATUS_SUCCESS) {
            IoFreeIrp(Irp);
            DefectBufferFree(Buffer);
        }
#endif
    }
    DefectPause(100);
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
