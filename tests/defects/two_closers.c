/*
 * Bug:  whoever comes first, the disconnect callback's thread or the idle timer's thread, closes the socket; the
 *       flag that keeps the other out is tested and set in two steps.
 * Rule: C-CLOSE-05
 * Cure: one atomic exchange decides who closes.
 * Found: closed-twice
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    volatile LONG Closed;
    KEVENT Go;
} PEER, *PPEER;

static VOID CloseOnce(PPEER Peer)
{
#ifdef FIXED
    if (InterlockedExchange(&Peer->Closed, 1) == 0) {
        ClientClose(Peer->Socket);
    }
#else
    if (ReadAcquire(&Peer->Closed) == 0) {
        WriteRelease(&Peer->Closed, 1);
        ClientClose(Peer->Socket);
    }
#endif
}

static VOID Second(PVOID Context)
{
    PPEER Peer = (PPEER)Context;

    KeWaitForSingleObject(&Peer->Go, Executive, KernelMode, FALSE, NULL);
    CloseOnce(Peer);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PEER Peer;
    PVOID Thread;

    Peer.Socket = Socket;
    Peer.Closed = 0;
    KeInitializeEvent(&Peer.Go, NotificationEvent, FALSE);
    Thread = DefectThread(Second, &Peer);
    KeSetEvent(&Peer.Go, IO_NO_INCREMENT, FALSE);
    CloseOnce(&Peer);
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
