/*
 * Bug:  one thread sends while another closes; nothing counts the calls that are in progress.
 * Rule: C-CLOSE-05
 * Cure: the sender's calls and the close exclude each other; the close keeps later calls out.
 * Found: call-after-close
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    FAST_MUTEX Mutex;
    volatile LONG Closing;
} PEER, *PPEER;

static VOID Sender(PVOID Context)
{
    PPEER Peer = (PPEER)Context;
    PDEFECT_BUFFER Buffer = DefectBuffer();
    CLIENT_REQUEST Request;
    NTSTATUS Status = STATUS_SUCCESS;

    if (Buffer == NULL || !NT_SUCCESS(ClientRequestCreate(&Request))) {
        DefectBufferFree(Buffer);
        return;
    }
    for (ULONG Turn = 0; Turn < 4 && NT_SUCCESS(Status); Turn++) {
        PIRP Irp = ClientRequestStart(&Request);

#ifdef FIXED
        ExAcquireFastMutex(&Peer->Mutex);
#endif
        if (ReadAcquire(&Peer->Closing)) {
#ifdef FIXED
            ExReleaseFastMutex(&Peer->Mutex);
#endif
            break;
        }
        CONNECTION(Peer->Socket)->WskSend(Peer->Socket, &Buffer->WskBuf, 0, Irp);
#ifdef FIXED
        ExReleaseFastMutex(&Peer->Mutex);
#endif
        Status = ClientRequestWait(&Request);
    }
    ClientRequestFree(&Request);
    DefectBufferFree(Buffer);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PEER Peer;
    PVOID Thread;

    Peer.Socket = Socket;
    Peer.Closing = 0;
    ExInitializeFastMutex(&Peer.Mutex);
    Thread = DefectThread(Sender, &Peer);
    DefectPause(20);
#ifdef FIXED
    ExAcquireFastMutex(&Peer.Mutex);
#endif
    WriteRelease(&Peer.Closing, 1);
#ifdef FIXED
    ExReleaseFastMutex(&Peer.Mutex);
#endif
    ClientClose(Socket);
    DefectJoin(Thread);
}

NTSTATUS DefectStart(VOID)
{
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
