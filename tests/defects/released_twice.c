/*
 * Bug:  retained data is released by the worker that has used it and by the disconnect callback that cleans up;
 *       both have seen the same pointer.
 * Rule: C-DATA-11 R-RECVEV-15
 * Cure: taking the pointer and clearing it is one atomic step.
 * Found: released-twice
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    PVOID volatile Retained;
    KEVENT Arrived, Gone;
} PEER, *PPEER;

static PVOID Server;

static PWSK_DATA_INDICATION Take(PPEER Peer)
{
#ifdef FIXED
    return (PWSK_DATA_INDICATION)InterlockedExchangePointer(&Peer->Retained, NULL);
#else
    PVOID Retained = ReadPointerAcquire(&Peer->Retained);

    if (Retained != NULL) {
        WritePointerRelease(&Peer->Retained, NULL);
    }
    return (PWSK_DATA_INDICATION)Retained;
#endif
}

static VOID ReleaseRetained(PPEER Peer)
{
    PWSK_DATA_INDICATION Retained = Take(Peer);

    if (Retained != NULL) {
        CONNECTION(Peer->Socket)->WskRelease(Peer->Socket, Retained);
    }
}

static NTSTATUS WSKAPI PeerReceive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION Indication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    PPEER Peer = (PPEER)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    if (Indication != NULL && InterlockedCompareExchangePointer(&Peer->Retained, Indication, NULL) == NULL) {
        KeSetEvent(&Peer->Arrived, IO_NO_INCREMENT, FALSE);
        return STATUS_PENDING;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI PeerDisconnect(PVOID SocketContext, ULONG Flags)
{
    PPEER Peer = (PPEER)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    ReleaseRetained(Peer);
    KeSetEvent(&Peer->Arrived, IO_NO_INCREMENT, FALSE);
    KeSetEvent(&Peer->Gone, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch = {PeerReceive, PeerDisconnect, NULL};

static VOID Serve(PVOID Context)
{
    PEER Peer = {0};
    PVOID Objects[2] = {&Peer.Arrived, &DefectStopping};

    UNREFERENCED_PARAMETER(Context);
    for (;;) {
        KeInitializeEvent(&Peer.Arrived, NotificationEvent, FALSE);
        KeInitializeEvent(&Peer.Gone, NotificationEvent, FALSE);
        Peer.Socket = DefectAccept(&Peer, &PeerDispatch);
        if (Peer.Socket == NULL) {
            return;
        }
        if (NT_SUCCESS(ClientEnableEvents(Peer.Socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT))) {
            KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
            ReleaseRetained(&Peer);
            Objects[0] = &Peer.Gone;
            KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
            Objects[0] = &Peer.Arrived;
        }
        ClientDisableEvent(Peer.Socket, WSK_EVENT_RECEIVE);
        ClientDisableEvent(Peer.Socket, WSK_EVENT_DISCONNECT);
        ReleaseRetained(&Peer);
        ClientClose(Peer.Socket);
    }
}

NTSTATUS DefectStart(VOID)
{
    NTSTATUS Status = DefectListen(NULL, NULL);

    if (NT_SUCCESS(Status)) {
        Server = DefectThread(Serve, NULL);
    }
    return Status;
}

VOID DefectStop(VOID)
{
    DefectJoin(Server);
    ClientClose(DefectListener);
}
