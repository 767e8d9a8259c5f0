/*
 * Bug:  the event is cleared after the request was started: a completion that comes in between is forgotten.
 * Rule: K-EVENT-08
 * Cure: the event is cleared before the request is started.
 * Found: unload-hangs
 */
#include "defect.h"

static NTSTATUS Complete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    PIRP Irp = NULL;
    KEVENT Done;

    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    if (Buffer != NULL) {
        Irp = DefectIrp(Complete, &Done);
    }
    for (ULONG Turn = 0; Irp != NULL && Turn < 3; Turn++) {
        IoReuseIrp(Irp, STATUS_SUCCESS);
        IoSetCompletionRoutine(Irp, Complete, &Done, TRUE, TRUE, TRUE);
#ifdef FIXED
        KeClearEvent(&Done);
#endif
        if (CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, Irp) == STATUS_PENDING) {
#ifndef FIXED
            KeClearEvent(&Done);
#endif
            DefectWaitFor(&Done, Irp);
        }
    }
    ClientClose(Socket);
    if (Irp != NULL) {
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
