/*
 * Bug:  the disconnect callback frees the connection's record while the completion of a send is still to look at
 *       it.
 * Rule: C-CLOSE-14
 * Cure: the record goes after the close, whose completion is the last.
 * Found: bug-check:BAD_POOL_CALLER|use-after-free|data-race
 */
#include "defect.h"

typedef struct _PEER {
    PWSK_SOCKET Socket;
    PULONG volatile Record;
    KEVENT Sent;
    KEVENT Disconnected;
} PEER, *PPEER;

static PVOID Server;

static NTSTATUS WSKAPI PeerDisconnect(PVOID SocketContext, ULONG Flags)
{
    PPEER Peer = (PPEER)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
#ifndef FIXED
    DefectFree(Peer->Record);
#endif
    KeSetEvent(&Peer->Disconnected, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch = {NULL, PeerDisconnect, NULL};

static NTSTATUS SendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPEER Peer = (PPEER)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    InterlockedExchangeAdd((volatile LONG *)Peer->Record, (LONG)Irp->IoStatus.Information);
    KeSetEvent(&Peer->Sent, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static BOOLEAN ServeOne(VOID)
{
    PEER Peer;
    PVOID Objects[2] = {&Peer.Disconnected, &DefectStopping};
    PDEFECT_BUFFER Buffer = DefectBuffer();
    PIRP Irp = DefectIrp(SendComplete, &Peer);

    Peer.Record = (PULONG)DefectAllocate(sizeof(ULONG));
    Peer.Socket = NULL;
    KeInitializeEvent(&Peer.Sent, NotificationEvent, FALSE);
    KeInitializeEvent(&Peer.Disconnected, NotificationEvent, FALSE);
    if (Buffer != NULL && Irp != NULL && Peer.Record != NULL) {
        Peer.Socket = DefectAccept(&Peer, &PeerDispatch);
    }
    if (Peer.Socket != NULL) {
        CONNECTION(Peer.Socket)->WskSend(Peer.Socket, &Buffer->WskBuf, 0, Irp);
        ClientEnableEvents(Peer.Socket, WSK_EVENT_DISCONNECT);
        KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        ClientClose(Peer.Socket);
        KeWaitForSingleObject(&Peer.Sent, Executive, KernelMode, FALSE, NULL);
    }
#ifndef FIXED
    if (!KeReadStateEvent(&Peer.Disconnected))
#endif
    {
        DefectFree(Peer.Record);
    }
    if (Irp != NULL) {
        IoFreeIrp(Irp);
    }
    DefectBufferFree(Buffer);
    return Peer.Socket != NULL;
}

static VOID Serve(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    while (ServeOne()) {
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
