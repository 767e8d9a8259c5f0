/*
 * Bug:  the thread closes the socket and waits with a mutex held that the disconnect callback's worker takes,
 *       whose end the thread waits for, too.
 * Rule: C-CLOSE-15
 * Cure: the wait happens without the mutex.
 * Found: unload-hangs
 */
#include "defect.h"

typedef struct _PEER {
    KMUTEX Mutex;
    KEVENT WorkerDone;
    PWSK_SOCKET Socket;
    ULONG State; /* under Mutex */
} PEER, *PPEER;

static VOID Worker(PVOID Context)
{
    PPEER Peer = (PPEER)Context;

    KeWaitForSingleObject(&Peer->Mutex, Executive, KernelMode, FALSE, NULL);
    Peer->State |= 1;
    KeReleaseMutex(&Peer->Mutex, FALSE);
    KeSetEvent(&Peer->WorkerDone, IO_NO_INCREMENT, FALSE);
}

static VOID Serve(PWSK_SOCKET Socket)
{
    PEER Peer;
    PVOID Thread;

    KeInitializeMutex(&Peer.Mutex, 0);
    KeInitializeEvent(&Peer.WorkerDone, NotificationEvent, FALSE);
    Peer.Socket = Socket;
    Peer.State = 0;
    Thread = DefectThread(Worker, &Peer);
    KeWaitForSingleObject(&Peer.Mutex, Executive, KernelMode, FALSE, NULL);
    Peer.State |= 2;
#ifdef FIXED
    KeReleaseMutex(&Peer.Mutex, FALSE);
#endif
    ClientClose(Socket);
    if (Thread != NULL) {
        KeWaitForSingleObject(&Peer.WorkerDone, Executive, KernelMode, FALSE, NULL);
    }
#ifndef FIXED
    KeReleaseMutex(&Peer.Mutex, FALSE);
#endif
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
