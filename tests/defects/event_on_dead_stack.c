/*
 * Bug:  a receive with a time limit; when time is up the thread goes on, and the IRP's completion signals a
 *       KEVENT on a stack frame that is gone.
 * Rule: K-EVENT-06
 * Cure: the IRP is cancelled and waited for before the frame is left.
 * Found: bug-check:(BAD_POOL_CALLER|DRIVER_IRQL_NOT_LESS_OR_EQUAL|SYSTEM_THREAD_EXCEPTION_NOT_HANDLED)
 */
#include "defect.h"

typedef struct _CALL {
    KEVENT Done;
    PDEFECT_BUFFER Buffer;
} CALL, *PCALL;

static NTSTATUS CallComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PCALL Call = (PCALL)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
#ifndef FIXED
    DefectBufferFree(Call->Buffer);
    IoFreeIrp(Irp);
#else
    UNREFERENCED_PARAMETER(Irp);
#endif
    KeSetEvent(&Call->Done, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

DECLSPEC_NOINLINE static VOID ReceiveWithin(PWSK_SOCKET Socket, LONGLONG Microseconds)
{
    CALL Call;
    LARGE_INTEGER Time;
    PIRP Irp;

    KeInitializeEvent(&Call.Done, NotificationEvent, FALSE);
    Call.Buffer = DefectBuffer();
    if (Call.Buffer == NULL) {
        return;
    }
    Irp = DefectIrp(CallComplete, &Call);
    if (Irp == NULL) {
        DefectBufferFree(Call.Buffer);
        return;
    }
    CONNECTION(Socket)->WskReceive(Socket, &Call.Buffer->WskBuf, 0, Irp);
    Time.QuadPart = -10 * Microseconds;
    if (KeWaitForSingleObject(&Call.Done, Executive, KernelMode, FALSE, &Time) == STATUS_TIMEOUT) {
#ifdef FIXED
        IoCancelIrp(Irp);
        KeWaitForSingleObject(&Call.Done, Executive, KernelMode, FALSE, NULL);
#endif
    }
#ifdef FIXED
    IoFreeIrp(Irp);
    DefectBufferFree(Call.Buffer);
#endif
}

static VOID Serve(PWSK_SOCKET Socket)
{
    ReceiveWithin(Socket, 50);
    DefectPause(300);
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
