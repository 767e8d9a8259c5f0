/*
 * udp-echo.c - UDP echo without a copy: what WskReceiveFromEvent brings is kept (STATUS_PENDING), sent back from the
 * very buffers it came in, and given back with WskRelease when that send has completed.
 *
 * Datagrams of one length from one sender may come as one (UDP_RECV_MAX_COALESCED_SIZE); they go back as one, which the
 * network cuts into the same again (UDP_SEND_MSG_SIZE).  Where either is missing each datagram comes on its own.
 *
 * What follows each other from one sender makes one batch: one WskSendMessages, one request.  A batch holds
 * run-down protection from the callback until its datagrams are released, for WskRelease is a call on the socket:
 * none of them may be in progress, or still to come, when the socket is closed.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef UDP_ECHO_PORT
#define UDP_ECHO_PORT 5021
#endif

#define UDP_ECHO_TAG   'ceUd'
#define UDP_ECHO_BATCH 32 /* indications that one request sends back */

/* How long those that come as one may be together: as long as a UDP packet can be.  0: each is to come on its own. */
#ifndef UDP_ECHO_COALESCED
#define UDP_ECHO_COALESCED (65535 - 8)
#endif

typedef struct _ECHO_SOCKET {
    PWSK_SOCKET Socket;
    EX_RUNDOWN_REF Batches; /* those that may still call a function of the socket */
} ECHO_SOCKET, *PECHO_SOCKET;

typedef struct _ECHO_BATCH {
    PECHO_SOCKET Echo;
    PIRP Irp;
    PWSK_DATAGRAM_INDICATION First; /* linked by Next; the last one's is NULL */
    ULONG Indications, Count;       /* Count datagrams: an indication may be several */
    SOCKADDR_STORAGE Remote;
    DWORD Size; /* into which the network is to cut each of them; 0: they are single datagrams */
    union {
        CMSGHDR Header;
        UCHAR Bytes[WSA_CMSG_SPACE(sizeof(DWORD))];
    } Control; /* that says so */
    WSK_BUF_LIST Buffers[UDP_ECHO_BATCH];
} ECHO_BATCH, *PECHO_BATCH;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD EchoUnload;
static IO_COMPLETION_ROUTINE EchoSendComplete;

static NTSTATUS WSKAPI EchoReceiveFromEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                            _In_opt_ PWSK_DATAGRAM_INDICATION DataIndication);

static CONST WSK_CLIENT_DATAGRAM_DISPATCH EchoDispatch = {EchoReceiveFromEvent};

static ECHO_SOCKET EchoSockets[2]; /* 127.0.0.1 and ::1 */
static LOOKASIDE_LIST_EX EchoBatches;
static volatile LONG64 EchoEchoed, EchoIndications, EchoDropped;
static volatile LONG EchoRequests;

static CONST WSK_PROVIDER_DATAGRAM_DISPATCH *EchoProvider(_In_ PECHO_SOCKET Echo)
{
    return (CONST WSK_PROVIDER_DATAGRAM_DISPATCH *)Echo->Socket->Dispatch;
}

/* ---- batches ------------------------------------------------------------------------------------------ */

/* Its datagrams go back, and with them the right to call functions of the socket. */
static VOID EchoBatchEnd(_In_ PECHO_BATCH Batch)
{
    PECHO_SOCKET Echo = Batch->Echo;

    EchoProvider(Echo)->WskRelease(Echo->Socket, Batch->First);
    if (Batch->Irp != NULL) {
        IoFreeIrp(Batch->Irp);
    }
    ExFreeToLookasideListEx(&EchoBatches, Batch);
    ExReleaseRundownProtection(&Echo->Batches);
}

static NTSTATUS EchoSendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PECHO_BATCH Batch = (PECHO_BATCH)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (NT_SUCCESS(Irp->IoStatus.Status)) {
        InterlockedAdd64(&EchoEchoed, Batch->Count);
        InterlockedAdd64(&EchoIndications, Batch->Indications);
    } else {
        InterlockedAdd64(&EchoDropped, Batch->Count);
    }
    EchoBatchEnd(Batch); /* Irp included */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The length of the datagrams that came as one, 0 when it is a single one. */
static DWORD EchoCoalescedSize(_In_ CONST WSK_DATAGRAM_INDICATION *Indication)
{
    WSAMSG Message = {0};
    PCMSGHDR Object;
    DWORD Size;

    Message.Control.len = Indication->ControlInfoLength;
    Message.Control.buf = (CHAR *)Indication->ControlInfo;
    for (Object = WSA_CMSG_FIRSTHDR(&Message); Object != NULL; Object = WSA_CMSG_NXTHDR(&Message, Object)) {
        if (Object->cmsg_level == IPPROTO_UDP && Object->cmsg_type == UDP_COALESCED_INFO) {
            RtlCopyMemory(&Size, WSA_CMSG_DATA(Object), sizeof(Size));
            return Size;
        }
    }
    return 0;
}

/* How many datagrams it is; the last of several may be shorter. */
static ULONG EchoCount(_In_ CONST WSK_DATAGRAM_INDICATION *Indication)
{
    DWORD Size = EchoCoalescedSize(Indication);

    return Size == 0 ? 1 : (ULONG)((Indication->Buffer.Length + Size - 1) / Size);
}

static SIZE_T EchoAddressSize(_In_ CONST SOCKADDR *Address)
{
    return Address->sa_family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
}

/*
 * Takes what is like the first one, of its sender and to be cut as it is, from the head of the list into the batch and
 * cuts the list behind: what the batch releases is then its own.  Answers the rest.
 */
static PWSK_DATAGRAM_INDICATION EchoBatchFill(_Inout_ PECHO_BATCH Batch, _In_ PWSK_DATAGRAM_INDICATION List)
{
    SIZE_T Size = EchoAddressSize(List->RemoteAddress);
    PWSK_DATAGRAM_INDICATION Last = NULL;

    RtlCopyMemory(&Batch->Remote, List->RemoteAddress, Size);
    Batch->First = List;
    Batch->Indications = Batch->Count = 0;
    Batch->Size = EchoCoalescedSize(List);
    while (List != NULL && Batch->Indications < UDP_ECHO_BATCH && EchoCoalescedSize(List) == Batch->Size &&
           RtlEqualMemory(List->RemoteAddress, &Batch->Remote, Size)) {
        PWSK_BUF_LIST Element = &Batch->Buffers[Batch->Indications++];

        Element->Buffer = List->Buffer;
        Element->Next = NULL;
        if (Batch->Indications > 1) {
            Element[-1].Next = Element;
        }
        Batch->Count += EchoCount(List);
        Last = List;
        List = List->Next;
    }
    Last->Next = NULL;
    return List;
}

static VOID EchoBatchSend(_In_ PECHO_BATCH Batch)
{
    ULONG ControlLength = 0;

    Batch->Irp = IoAllocateIrp(1, FALSE);
    if (Batch->Irp == NULL) {
        InterlockedAdd64(&EchoDropped, Batch->Count);
        EchoBatchEnd(Batch);
        return;
    }
    IoSetCompletionRoutine(Batch->Irp, EchoSendComplete, Batch, TRUE, TRUE, TRUE);
    InterlockedIncrement(&EchoRequests);
    if (Batch->Size != 0) {
        ControlLength = sizeof(Batch->Control);
        RtlZeroMemory(&Batch->Control, ControlLength);
        Batch->Control.Header.cmsg_len = WSA_CMSG_LEN(sizeof(Batch->Size));
        Batch->Control.Header.cmsg_level = IPPROTO_UDP;
        Batch->Control.Header.cmsg_type = UDP_SEND_MSG_SIZE;
        RtlCopyMemory(WSA_CMSG_DATA(&Batch->Control.Header), &Batch->Size, sizeof(Batch->Size));
    }
    EchoProvider(Batch->Echo)
        ->WskSendMessages(Batch->Echo->Socket, Batch->Buffers, 0, (PSOCKADDR)&Batch->Remote, ControlLength,
                          ControlLength != 0 ? &Batch->Control.Header : NULL, Batch->Irp);
}

/* ---- the callback ------------------------------------------------------------------------------------- */

static ULONG EchoLength(_In_opt_ CONST WSK_DATAGRAM_INDICATION *List)
{
    ULONG Count = 0;

    for (; List != NULL; List = List->Next) {
        Count += EchoCount(List);
    }
    return Count;
}

/* Nothing can be done for these: they are given back at once. */
static VOID EchoDrop(_In_ PECHO_SOCKET Echo, _In_ PWSK_DATAGRAM_INDICATION List)
{
    InterlockedAdd64(&EchoDropped, EchoLength(List));
    EchoProvider(Echo)->WskRelease(Echo->Socket, List);
}

static NTSTATUS WSKAPI EchoReceiveFromEvent(PVOID SocketContext, ULONG Flags,
                                            PWSK_DATAGRAM_INDICATION DataIndication)
{
    PECHO_SOCKET Echo = (PECHO_SOCKET)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    if (DataIndication == NULL) { /* the socket is dead; it is closed at the unload */
        return STATUS_SUCCESS;
    }
    /* From here on the datagrams are ours, whatever becomes of them. */
    while (DataIndication != NULL) {
        PECHO_BATCH Batch;

        if (!ExAcquireRundownProtection(
                &Echo->Batches)) { /* unloading: the callback is about to be disabled */
            EchoDrop(Echo, DataIndication);
            break;
        }
        Batch = (PECHO_BATCH)ExAllocateFromLookasideListEx(&EchoBatches);
        if (Batch == NULL) {
            EchoDrop(Echo, DataIndication);
            ExReleaseRundownProtection(&Echo->Batches);
            break;
        }
        Batch->Echo = Echo;
        DataIndication = EchoBatchFill(Batch, DataIndication);
        EchoBatchSend(Batch);
    }
    return STATUS_PENDING;
}

/* ---- start and end ------------------------------------------------------------------------------------ */

static NTSTATUS EchoUdpOption(_In_ PECHO_SOCKET Echo, _In_ WSK_CONTROL_SOCKET_TYPE Type, _In_ ULONG Option,
                              _Inout_ PULONG Value)
{
    BOOLEAN Set = Type == WskSetOption;
    CLIENT_REQUEST Request;
    NTSTATUS Status = ClientRequestCreate(&Request);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    EchoProvider(Echo)->Basic.WskControlSocket(
        Echo->Socket, Type, Option, IPPROTO_UDP, Set ? sizeof(*Value) : 0, Set ? Value : NULL,
        Set ? 0 : sizeof(*Value), Set ? NULL : Value, NULL, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    ClientRequestFree(&Request);
    return Status;
}

/*
 * Asks that datagrams come as one, if they can also be sent so: Windows has either since version 2004.  It is no more
 * than a wish: whatever the answer, what comes says what it is.
 */
static VOID EchoCoalesce(_In_ PECHO_SOCKET Echo)
{
    ULONG Most = UDP_ECHO_COALESCED, Now;
    NTSTATUS Status;

    if (Most == 0) {
        return;
    }
    Status = EchoUdpOption(Echo, WskGetOption, UDP_SEND_MSG_SIZE, &Now);
    if (NT_SUCCESS(Status)) {
        Status = EchoUdpOption(Echo, WskSetOption, UDP_RECV_MAX_COALESCED_SIZE, &Most);
    }
    if (!NT_SUCCESS(Status)) {
        DbgPrint("each datagram comes on its own: 0x%08x\n", Status);
    }
}

static NTSTATUS EchoStart(_Inout_ PECHO_SOCKET Echo, _In_ ADDRESS_FAMILY Family)
{
    SOCKADDR_STORAGE Address;
    NTSTATUS Status;

    ExInitializeRundownProtection(&Echo->Batches);
    Status = ClientSocket(Family, WSK_FLAG_DATAGRAM_SOCKET, Echo, &EchoDispatch, &Echo->Socket);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    EchoCoalesce(Echo);
    ClientLoopback(Family, UDP_ECHO_PORT, &Address);
    Status = ClientBind(Echo->Socket, &Address);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    return ClientEnableEvents(Echo->Socket, WSK_EVENT_RECEIVE_FROM);
}

static VOID EchoStop(VOID)
{
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(EchoSockets); Index++) {
        PECHO_SOCKET Echo = &EchoSockets[Index];

        if (Echo->Socket == NULL) {
            continue;
        }
        ClientDisableEvent(Echo->Socket, WSK_EVENT_RECEIVE_FROM); /* it runs no more, and not again */
        ExWaitForRundownProtectionRelease(&Echo->Batches);        /* every datagram is given back */
        ClientClose(Echo->Socket);
    }
}

static VOID EchoUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    EchoStop();
    ClientDetach();
    ExDeleteLookasideListEx(&EchoBatches);
    DbgPrint("%lld datagrams echoed, which came as %lld, in %d requests, %lld dropped\n", EchoEchoed,
             EchoIndications, EchoRequests, EchoDropped);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    Status = ExInitializeLookasideListEx(&EchoBatches, NULL, NULL, NonPagedPoolNx, 0, sizeof(ECHO_BATCH),
                                         UDP_ECHO_TAG, 0);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        ExDeleteLookasideListEx(&EchoBatches);
        return Status;
    }
    Status = EchoStart(&EchoSockets[0], AF_INET);
    if (NT_SUCCESS(Status)) {
        Status = EchoStart(&EchoSockets[1], AF_INET6);
    }
    if (!NT_SUCCESS(Status)) {
        EchoStop();
        ClientDetach();
        ExDeleteLookasideListEx(&EchoBatches);
        return Status;
    }
    DriverObject->DriverUnload = EchoUnload;
    DbgPrint("port %u\n", UDP_ECHO_PORT);
    return STATUS_SUCCESS;
}
