/*
 * Bug:  the receive callback closes its own socket and waits for the close, which waits for the callback.
 * Rule: C-EVT-26 C-CLOSE-17
 * Cure: the callback asks another thread to close.
 * Found: bug-check:ATTEMPTED_SWITCH_FROM_DPC|bug-check:DRIVER_VERIFIER_DETECTED_VIOLATION:0x121|closed-twice
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    KEVENT Finished; /* the client has sent something, or has gone */
} PEER, *PPEER;

static PVOID Server;

static NTSTATUS WSKAPI PeerReceive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION Indication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    PPEER Peer = (PPEER)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(Indication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
#ifndef FIXED
    ClientClose(Peer->Socket);
    Peer->Socket = NULL;
#endif
    KeSetEvent(&Peer->Finished, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI PeerDisconnect(PVOID SocketContext, ULONG Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    KeSetEvent(&((PPEER)SocketContext)->Finished, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch = {PeerReceive, PeerDisconnect, NULL};

static VOID Serve(PVOID Context)
{
    PEER Peer;

    UNREFERENCED_PARAMETER(Context);
    for (;;) {
        PVOID Objects[2] = {&Peer.Finished, &DefectStopping};

        KeInitializeEvent(&Peer.Finished, NotificationEvent, FALSE);
        Peer.Socket = DefectAccept(&Peer, &PeerDispatch);
        if (Peer.Socket == NULL) {
            return;
        }
        if (NT_SUCCESS(ClientEnableEvents(Peer.Socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT))) {
            KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        }
        if (Peer.Socket != NULL) {
            ClientClose(Peer.Socket);
        }
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
