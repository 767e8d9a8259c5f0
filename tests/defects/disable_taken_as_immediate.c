/*
 * Bug:  WSK_EVENT_DISABLE answers STATUS_PENDING when the callback is running; the driver frees the callback's
 *       context without waiting for the IRP.
 * Rule: C-EVT-09
 * Cure: the IRP of the disable is waited for.
 * Found: data-race|use-after-free
 */
#include "defect.h"

typedef struct _COUNTERS {
    volatile LONG Bytes, Calls;
} COUNTERS, *PCOUNTERS;

typedef struct _PEER {
    PWSK_SOCKET Socket;
    PCOUNTERS volatile Counters;
    KEVENT Arrived;
} PEER, *PPEER;

static PVOID Server;

static NTSTATUS WSKAPI PeerReceive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION Indication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    PPEER Peer = (PPEER)SocketContext;
    PCOUNTERS Counters = Peer->Counters;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(Indication);
    UNREFERENCED_PARAMETER(BytesAccepted);
    KeSetEvent(&Peer->Arrived, IO_NO_INCREMENT, FALSE);
    InterlockedExchangeAdd(&Counters->Bytes, (LONG)BytesIndicated);
    InterlockedIncrement(&Counters->Calls);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI PeerDisconnect(PVOID SocketContext, ULONG Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    KeSetEvent(&((PPEER)SocketContext)->Arrived, IO_NO_INCREMENT, FALSE);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH PeerDispatch = {PeerReceive, PeerDisconnect, NULL};

#ifndef FIXED
static NTSTATUS DisableComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    IoFreeIrp(Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}
#endif

static VOID Disable(PWSK_SOCKET Socket)
{
#ifdef FIXED
    ClientDisableEvent(Socket, WSK_EVENT_RECEIVE);
#else
    NPIID NpiId = NPI_WSK_INTERFACE_ID;
    WSK_EVENT_CALLBACK_CONTROL Control = {&NpiId, WSK_EVENT_RECEIVE | WSK_EVENT_DISABLE};
    PIRP Irp = DefectIrp(DisableComplete, NULL);

    if (Irp == NULL) {
        ClientDisableEvent(Socket, WSK_EVENT_RECEIVE);
    } else {
        CONNECTION(Socket)->Basic.WskControlSocket(Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
                                                   sizeof(Control), &Control, 0, NULL, NULL, Irp);
    }
#endif
}

static VOID Serve(PVOID Context)
{
    PEER Peer;
    PVOID Objects[2] = {&Peer.Arrived, &DefectStopping};

    UNREFERENCED_PARAMETER(Context);
    for (;;) {
        KeInitializeEvent(&Peer.Arrived, NotificationEvent, FALSE);
        Peer.Counters = (PCOUNTERS)DefectAllocate(sizeof(COUNTERS));
        if (Peer.Counters == NULL) {
            return;
        }
        Peer.Socket = DefectAccept(&Peer, &PeerDispatch);
        if (Peer.Socket == NULL) {
            DefectFree(Peer.Counters);
            return;
        }
        if (NT_SUCCESS(ClientEnableEvents(Peer.Socket, WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT))) {
            KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        }
        Disable(Peer.Socket);
        DefectFree(Peer.Counters);
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
