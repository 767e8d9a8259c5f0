/*
 * Bug:  a connection is taken off the list by its own thread and by the reaper; both have looked before either
 *       has locked.
 * Rule: K-LIST-07
 * Cure: look and removal under one lock.
 * Found: bug-check:KERNEL_SECURITY_CHECK_FAILURE
 */
#include "defect.h"

typedef struct _PEER {
    LIST_ENTRY Link;
    volatile LONG Listed;
} PEER, *PPEER;

static KSPIN_LOCK Lock;
static LIST_ENTRY Peers;

static VOID Unlist(PPEER Peer)
{
    KIRQL Irql;

#ifdef FIXED
    KeAcquireSpinLock(&Lock, &Irql);
    if (Peer->Listed) {
        Peer->Listed = 0;
        RemoveEntryList(&Peer->Link);
    }
    KeReleaseSpinLock(&Lock, Irql);
#else
    if (ReadAcquire(&Peer->Listed)) {
        KeAcquireSpinLock(&Lock, &Irql);
        WriteRelease(&Peer->Listed, 0);
        RemoveEntryList(&Peer->Link);
        KeReleaseSpinLock(&Lock, Irql);
    }
#endif
}

static VOID Reaper(PVOID Context)
{
    Unlist((PPEER)Context);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PEER Peer, Neighbour;
    PVOID Thread;
    KIRQL Irql;

    Peer.Listed = Neighbour.Listed = 1;
    KeAcquireSpinLock(&Lock, &Irql);
    InsertTailList(&Peers, &Peer.Link);
    InsertTailList(&Peers, &Neighbour.Link);
    KeReleaseSpinLock(&Lock, Irql);
    Thread = DefectThread(Reaper, &Peer);
    Unlist(&Peer);
    DefectJoin(Thread);
    Unlist(&Neighbour);
    ClientClose(Socket);
}

NTSTATUS DefectStart(VOID)
{
    KeInitializeSpinLock(&Lock);
    InitializeListHead(&Peers);
    return DefectServe(Serve, 1);
}

VOID DefectStop(VOID)
{
    DefectServeEnd();
}
