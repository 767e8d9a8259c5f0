/*
 * Bug:  a rarely taken path waits for the completion of a send while a spin lock is held.
 * Rule: K-WAIT-07 K-WAIT-15
 * Cure: the lock is given back before the wait.
 * Found: bug-check:DRIVER_VERIFIER_DETECTED_VIOLATION:0x121
 */
#include "defect.h"

static KSPIN_LOCK Lock;
static ULONG Clients; /* under Lock */

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    CLIENT_REQUEST Request;
    KIRQL Irql;

    if (Buffer == NULL || !NT_SUCCESS(ClientRequestCreate(&Request))) {
        DefectBufferFree(Buffer);
        ClientClose(Socket);
        return;
    }
    KeAcquireSpinLock(&Lock, &Irql);
    Clients++;
    CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, ClientRequestStart(&Request));
#ifdef FIXED
    KeReleaseSpinLock(&Lock, Irql);
    DefectWait(&Request);
#else
    if (!KeReadStateEvent(&Request.Done)) { /* seldom: it mostly completes at once */
        ClientRequestWait(&Request);
    }
    KeReleaseSpinLock(&Lock, Irql);
#endif
    ClientRequestFree(&Request);
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
