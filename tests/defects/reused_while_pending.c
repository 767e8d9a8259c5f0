/*
 * Bug:  a receive that takes too long is started once more with the same IRP, which is still pending.
 * Rule: C-IRP-03
 * Cure: it is cancelled and waited for first.
 * Found: irp-reused-while-pending
 */
#include "defect.h"

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    CLIENT_REQUEST Request;
    LARGE_INTEGER Time;

    if (Buffer == NULL || !NT_SUCCESS(ClientRequestCreate(&Request))) {
        DefectBufferFree(Buffer);
        ClientClose(Socket);
        return;
    }
    for (ULONG Turn = 0; Turn < 2; Turn++) {
        CONNECTION(Socket)->WskReceive(Socket, &Buffer->WskBuf, 0, ClientRequestStart(&Request));
        Time.QuadPart = -10 * 200;
        if (KeWaitForSingleObject(&Request.Done, Executive, KernelMode, FALSE, &Time) == STATUS_TIMEOUT) {
#ifdef FIXED
            IoCancelIrp(Request.Irp);
            ClientRequestWait(&Request);
#endif
        }
    }
    ClientClose(Socket);
    ClientRequestWait(&Request);
    ClientRequestFree(&Request);
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
