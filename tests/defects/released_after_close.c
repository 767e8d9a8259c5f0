/*
 * Bug:  data retained by the receive callback is released by a worker thread after the socket was closed.
 * Rule: C-CLOSE-37
 * Cure: what is retained is released before the close.
 * Found: release-after-close
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    PWSK_DATA_INDICATION Retained; /* under Lock */
    KSPIN_LOCK Lock;
    KEVENT Finished;
} PEER, *PPEER;

static PVOID Server;

static NTSTATUS WSKAPI PeerReceive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION Indication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    PPEER Peer = (PPEER)SocketContext;
    NTSTATUS Status = STATUS_SUCCESS;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    KeAcquireSpinLock(&Peer->Lock, &Irql);
    if (Peer->Retained == NULL && Indication != NULL) {
        Peer->Retained = Indication;
        Status = STATUS_PENDING;
    }
    KeReleaseSpinLock(&Peer->Lock, Irql);
    KeSetEvent(&Peer->Finished, IO_NO_INCREMENT, FALSE);
    return Status;
}

static NTSTATUS WSKAPI PeerDisconnect(PVOID SocketContext, ULONG Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    KeSetEvent(&((PPEER)SocketContext)->Finished, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch = {PeerReceive, PeerDisconnect, NULL};

static VOID ReleaseRetained(PPEER Peer)
{
    PWSK_DATA_INDICATION Retained;
    KIRQL Irql;

    KeAcquireSpinLock(&Peer->Lock, &Irql);
    Retained = Peer->Retained;
    Peer->Retained = NULL;
    KeReleaseSpinLock(&Peer->Lock, Irql);
    if (Retained != NULL) {
        CONNECTION(Peer->Socket)->WskRelease(Peer->Socket, Retained);
    }
}

static VOID Serve(PVOID Context)
{
    PEER Peer = {0};
    PVOID Objects[2] = {&Peer.Finished, &DefectStopping};

    UNREFERENCED_PARAMETER(Context);
    KeInitializeSpinLock(&Peer.Lock);
    for (;;) {
        KeInitializeEvent(&Peer.Finished, NotificationEvent, FALSE);
        Peer.Socket = DefectAccept(&Peer, &PeerDispatch);
        if (Peer.Socket == NULL) {
            return;
        }
        if (NT_SUCCESS(ClientEnableEvents(Peer.Socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT))) {
            KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        }
        ClientDisableEvent(Peer.Socket, WSK_EVENT_RECEIVE);
        ClientDisableEvent(Peer.Socket, WSK_EVENT_DISCONNECT);
#ifdef FIXED
        ReleaseRetained(&Peer);
        ClientClose(Peer.Socket);
#else
        ClientClose(Peer.Socket);
        ReleaseRetained(&Peer);
#endif
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
