/*
 * Bug:  the driver takes STATUS_SUCCESS for "no completion routine will run" and frees; the routine has run.
 * Rule: D-02
 * Cure: the completion routine frees, whatever the call returned.
 * Found: bug-check:BAD_POOL_CALLER
 */
#include "defect.h"

static NTSTATUS SendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    IoFreeIrp(Irp);
    DefectBufferFree((PDEFECT_BUFFER)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    PIRP Irp = Buffer != NULL ? DefectIrp(SendComplete, Buffer) : NULL;

    if (Irp == NULL) {
        DefectBufferFree(Buffer);
    } else if (CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, Irp) == STATUS_SUCCESS) {
#ifndef FIXED
        IoFreeIrp(Irp);
        DefectBufferFree(Buffer);
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
