/*
 * Bug:  the buffer of a send is freed and filled anew as soon as WskSend has returned; the peer gets other bytes.
 * Rule: C-CLOSE-16
 * Cure: the buffer belongs to the provider until the IRP is complete.
 * Found: bug-check:DRIVER_IRQL_NOT_LESS_OR_EQUAL
 */
#include "defect.h"

static VOID Serve(PWSK_SOCKET Socket)
{
    PDEFECT_BUFFER Buffer = DefectBuffer();
    CLIENT_REQUEST Request;

    if (Buffer == NULL || !NT_SUCCESS(ClientRequestCreate(&Request))) {
        DefectBufferFree(Buffer);
        ClientClose(Socket);
        return;
    }
    CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, ClientRequestStart(&Request));
#ifndef FIXED
    DefectBufferFree(Buffer);
#endif
    DefectWait(&Request);
    ClientRequestFree(&Request);
#ifdef FIXED
    DefectBufferFree(Buffer);
#endif
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
