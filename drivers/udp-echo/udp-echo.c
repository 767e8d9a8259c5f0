/*
 * udp-echo.c - UDP echo without a copy: what WskReceiveFromEvent brings is kept (STATUS_PENDING), sent back from the
 * very buffers it came in, and given back with WskRelease when that send has completed.
 *
 * Datagrams that follow each other from one sender make one batch: one WskSendMessages, one request.  A batch holds
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
#define UDP_ECHO_BATCH 32 /* datagrams that one request sends */

typedef struct _ECHO_SOCKET {
    PWSK_SOCKET Socket;
    EX_RUNDOWN_REF Batches; /* those that may still call a function of the socket */
} ECHO_SOCKET, *PECHO_SOCKET;

typedef struct _ECHO_BATCH {
    PECHO_SOCKET Echo;
    PIRP Irp;
    PWSK_DATAGRAM_INDICATION First; /* the datagrams, linked by Next; the last one's is NULL */
    ULONG Count;
    SOCKADDR_STORAGE Remote;
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
static volatile LONG64 EchoEchoed, EchoDropped;
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
    } else {
        InterlockedAdd64(&EchoDropped, Batch->Count);
    }
    EchoBatchEnd(Batch); /* Irp included */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static SIZE_T EchoAddressSize(_In_ CONST SOCKADDR *Address)
{
    return Address->sa_family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
}

/*
 * Takes the datagrams of the first one's sender from the head of the list into the batch and cuts the list behind
 * them: what the batch releases is then its own.  Answers the rest.
 */
static PWSK_DATAGRAM_INDICATION EchoBatchFill(_Inout_ PECHO_BATCH Batch, _In_ PWSK_DATAGRAM_INDICATION List)
{
    SIZE_T Size = EchoAddressSize(List->RemoteAddress);
    PWSK_DATAGRAM_INDICATION Last = NULL;

    RtlCopyMemory(&Batch->Remote, List->RemoteAddress, Size);
    Batch->First = List;
    Batch->Count = 0;
    while (List != NULL && Batch->Count < UDP_ECHO_BATCH &&
           RtlEqualMemory(List->RemoteAddress, &Batch->Remote, Size)) {
        PWSK_BUF_LIST Element = &Batch->Buffers[Batch->Count++];

        Element->Buffer = List->Buffer;
        Element->Next = NULL;
        if (Batch->Count > 1) {
            Element[-1].Next = Element;
        }
        Last = List;
        List = List->Next;
    }
    Last->Next = NULL;
    return List;
}

static VOID EchoBatchSend(_In_ PECHO_BATCH Batch)
{
    Batch->Irp = IoAllocateIrp(1, FALSE);
    if (Batch->Irp == NULL) {
        InterlockedAdd64(&EchoDropped, Batch->Count);
        EchoBatchEnd(Batch);
        return;
    }
    IoSetCompletionRoutine(Batch->Irp, EchoSendComplete, Batch, TRUE, TRUE, TRUE);
    InterlockedIncrement(&EchoRequests);
    EchoProvider(Batch->Echo)
        ->WskSendMessages(Batch->Echo->Socket, Batch->Buffers, 0, (PSOCKADDR)&Batch->Remote, 0, NULL,
                          Batch->Irp);
}

/* ---- the callback ------------------------------------------------------------------------------------- */

static ULONG EchoLength(_In_opt_ CONST WSK_DATAGRAM_INDICATION *List)
{
    ULONG Count = 0;

    for (; List != NULL; List = List->Next) {
        Count++;
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

static NTSTATUS EchoStart(_Inout_ PECHO_SOCKET Echo, _In_ ADDRESS_FAMILY Family)
{
    SOCKADDR_STORAGE Address;
    NTSTATUS Status;

    ExInitializeRundownProtection(&Echo->Batches);
    Status = ClientSocket(Family, WSK_FLAG_DATAGRAM_SOCKET, Echo, &EchoDispatch, &Echo->Socket);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
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
    DbgPrint("%lld datagrams echoed in %d requests, %lld dropped\n", EchoEchoed, EchoRequests, EchoDropped);
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
