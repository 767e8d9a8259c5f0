/*
 * firewall.c - conditional accept: who is let in is decided before there is a connection.
 *
 * WskInspectEvent may not wait, and a decision may need to: so each request is pended, a work item decides and tells
 * by WskInspectComplete.  Meanwhile the client may give up: WskAbortEvent says so, and the decision comes to nothing.
 * The policy here is a number: so many clients at a time (a slot is taken by the decision and given back when the
 * connection is closed).  Who is let in gets a line and is asked for nothing.
 *
 * Requests are found by the contents of their WSK_INSPECT_ID, never by its address: that one is the provider's and
 * dies with the callback.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef FIREWALL_PORT
#define FIREWALL_PORT 5041
#endif
#ifndef FIREWALL_MOST
#define FIREWALL_MOST 2 /* clients at a time */
#endif

#define FIREWALL_TAG 'llaW'

/* A request: from its WskInspectEvent until it is rejected, aborted, or a client of ours. */
typedef struct _FW_REQUEST {
    LIST_ENTRY Link; /* in FwRequests; under FwLock, like what follows */
    WSK_INSPECT_ID Id;
    BOOLEAN Decided;
    BOOLEAN LetIn; /* it has a slot */
} FW_REQUEST, *PFW_REQUEST;

/* A client that was let in. */
typedef struct _FW_CLIENT {
    LIST_ENTRY Link; /* in FwClients, under FwLock, until its close has begun */
    PWSK_SOCKET Socket;
    PIRP SendIrp, CloseIrp;
    PMDL Mdl;
} FW_CLIENT, *PFW_CLIENT;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD FwUnload;
static IO_COMPLETION_ROUTINE FwGreeted, FwClosed;
static IO_WORKITEM_ROUTINE_EX FwDecide;

static WSK_INSPECT_ACTION WSKAPI FwInspectEvent(_In_opt_ PVOID SocketContext, _In_ PSOCKADDR LocalAddress,
                                                _In_ PSOCKADDR RemoteAddress,
                                                _In_opt_ PWSK_INSPECT_ID InspectID);
static NTSTATUS WSKAPI FwAbortEvent(_In_opt_ PVOID SocketContext, _In_ PWSK_INSPECT_ID InspectID);
static NTSTATUS WSKAPI FwAcceptEvent(
    _In_opt_ PVOID SocketContext, _In_ ULONG Flags, _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
    _In_opt_ PWSK_SOCKET AcceptSocket, _Outptr_result_maybenull_ PVOID *AcceptSocketContext,
    _Outptr_result_maybenull_ CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch);
static NTSTATUS WSKAPI FwDisconnectEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags);

static CONST WSK_CLIENT_LISTEN_DISPATCH FwListenDispatch = {FwAcceptEvent, FwInspectEvent, FwAbortEvent};
static CONST WSK_CLIENT_CONNECTION_DISPATCH FwConnectionDispatch = {NULL, FwDisconnectEvent, NULL};

static UCHAR FwGreeting[] = "you are in\n";

static PDEVICE_OBJECT FwDevice; /* the work item's */
static PIO_WORKITEM FwWorkItem;
static PWSK_SOCKET FwListener;
static KSPIN_LOCK FwLock;
static LIST_ENTRY FwRequests, FwClients; /* and what follows under FwLock */
static BOOLEAN FwDeciding;               /* the work item is queued or runs */
static BOOLEAN FwUnloading;
static ULONG FwInside;        /* clients let in and not closed */
static KEVENT FwIdle;         /* the work item does not run and will not */
static CLIENT_REQUEST FwCall; /* the work item's */
static ULONG FwLetIn, FwTurnedAway, FwGaveUp;

/* ---- decisions ---------------------------------------------------------------------------------------- */

static BOOLEAN FwSameId(_In_ CONST WSK_INSPECT_ID *One, _In_ CONST WSK_INSPECT_ID *Other)
{
    return One->Key == Other->Key && One->SerialNumber == Other->SerialNumber;
}

static WSK_INSPECT_ACTION WSKAPI FwInspectEvent(PVOID SocketContext, PSOCKADDR LocalAddress,
                                                PSOCKADDR RemoteAddress, PWSK_INSPECT_ID InspectID)
{
    PFW_REQUEST Request;
    BOOLEAN Start = FALSE;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (InspectID == NULL) { /* the listening socket is dead; it is closed at the unload */
        return WskInspectReject;
    }
    Request = (PFW_REQUEST)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Request), FIREWALL_TAG);
    if (Request == NULL) {
        return WskInspectReject;
    }
    Request->Id = *InspectID; /* its contents: the pointer is dead when we return */
    KeAcquireSpinLock(&FwLock, &Irql);
    if (FwUnloading) {
        KeReleaseSpinLock(&FwLock, Irql);
        ExFreePoolWithTag(Request, FIREWALL_TAG);
        return WskInspectReject;
    }
    InsertTailList(&FwRequests, &Request->Link);
    if (!FwDeciding) {
        FwDeciding = Start = TRUE;
        KeClearEvent(&FwIdle);
    }
    KeReleaseSpinLock(&FwLock, Irql);
    if (Start) {
        IoQueueWorkItemEx(FwWorkItem, FwDecide, DelayedWorkQueue, NULL);
    }
    return WskInspectPend;
}

/* FwLock held: the request of this id, or NULL when it is over. */
static PFW_REQUEST FwFind(_In_ CONST WSK_INSPECT_ID *Id)
{
    PLIST_ENTRY Link;

    for (Link = FwRequests.Flink; Link != &FwRequests; Link = Link->Flink) {
        PFW_REQUEST Request = CONTAINING_RECORD(Link, FW_REQUEST, Link);

        if (FwSameId(&Request->Id, Id)) {
            return Request;
        }
    }
    return NULL;
}

/* FwLock held: the request is over; its slot stays taken if it has become a client. */
static VOID FwForget(_In_ PFW_REQUEST Request, _In_ BOOLEAN Client)
{
    if (Request->LetIn && !Client) {
        FwInside--;
    }
    RemoveEntryList(&Request->Link);
    ExFreePoolWithTag(Request, FIREWALL_TAG);
}

/* It has given up: undecided, decided just now, or let in and not yet handed to us. */
static NTSTATUS WSKAPI FwAbortEvent(PVOID SocketContext, PWSK_INSPECT_ID InspectID)
{
    PFW_REQUEST Request;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(SocketContext);
    KeAcquireSpinLock(&FwLock, &Irql);
    Request = FwFind(InspectID);
    if (Request != NULL) {
        FwForget(Request, FALSE);
        FwGaveUp++;
    }
    KeReleaseSpinLock(&FwLock, Irql);
    return STATUS_SUCCESS;
}

/* Tells one decision.  Meanwhile the request may come back as a client, or be aborted: then it is gone afterwards. */
static VOID FwTell(_Inout_ PCLIENT_REQUEST Call, _In_ WSK_INSPECT_ID Id, _In_ BOOLEAN LetIn)
{
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Provider = (CONST WSK_PROVIDER_LISTEN_DISPATCH *)FwListener->Dispatch;
    PFW_REQUEST Request;
    NTSTATUS Status;
    KIRQL Irql;

    Provider->WskInspectComplete(FwListener, &Id, LetIn ? WskInspectAccept : WskInspectReject,
                                 ClientRequestStart(Call));
    Status = ClientRequestWait(Call);
    KeAcquireSpinLock(&FwLock, &Irql);
    Request = FwFind(&Id);
    if (Request != NULL && (!LetIn || !NT_SUCCESS(Status))) {
        FwForget(Request, FALSE);
    }
    if (NT_SUCCESS(Status)) {
        FwLetIn += LetIn;
        FwTurnedAway += !LetIn;
    }
    KeReleaseSpinLock(&FwLock, Irql);
}

/* FwLock held: decides the next request; FALSE when none is left. */
static BOOLEAN FwDecideNext(_Out_ WSK_INSPECT_ID *Id, _Out_ PBOOLEAN LetIn)
{
    PLIST_ENTRY Link;

    for (Link = FwRequests.Flink; Link != &FwRequests; Link = Link->Flink) {
        PFW_REQUEST Request = CONTAINING_RECORD(Link, FW_REQUEST, Link);

        if (!Request->Decided) {
            Request->Decided = TRUE;
            Request->LetIn = *LetIn = !FwUnloading && FwInside < FIREWALL_MOST;
            FwInside += Request->LetIn;
            *Id = Request->Id;
            return TRUE;
        }
    }
    return FALSE;
}

/* The work item: decides what is there, one by one.  FwIdle says when none is left. */
static VOID FwDecide(PVOID IoObject, PVOID Context, PIO_WORKITEM IoWorkItem)
{
    WSK_INSPECT_ID Id;
    BOOLEAN LetIn;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(IoObject);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(IoWorkItem);
    KeAcquireSpinLock(&FwLock, &Irql);
    while (FwDecideNext(&Id, &LetIn)) {
        KeReleaseSpinLock(&FwLock, Irql);
        FwTell(&FwCall, Id, LetIn);
        KeAcquireSpinLock(&FwLock, &Irql);
    }
    FwDeciding = FALSE;
    KeSetEvent(&FwIdle, IO_NO_INCREMENT, FALSE);
    KeReleaseSpinLock(&FwLock, Irql);
}

/* ---- clients ------------------------------------------------------------------------------------------ */

static CONST WSK_PROVIDER_CONNECTION_DISPATCH *FwProvider(_In_ PFW_CLIENT Client)
{
    return (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Client->Socket->Dispatch;
}

static VOID FwFree(_In_ PFW_CLIENT Client)
{
    if (Client->Mdl != NULL) {
        IoFreeMdl(Client->Mdl);
    }
    if (Client->SendIrp != NULL) {
        IoFreeIrp(Client->SendIrp);
    }
    if (Client->CloseIrp != NULL) {
        IoFreeIrp(Client->CloseIrp);
    }
    ExFreePoolWithTag(Client, FIREWALL_TAG);
}

static NTSTATUS FwClosed(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    FwFree((PFW_CLIENT)Context);
    KeAcquireSpinLock(&FwLock, &Irql);
    FwInside--;
    KeReleaseSpinLock(&FwLock, Irql);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/*
 * Nobody needs the client any more; the caller has taken it off the list.  The greeting may still be on its way, to a
 * client that takes nothing: the close ends it, and completes after it.
 */
static VOID FwClose(_In_ PFW_CLIENT Client)
{
    IoSetCompletionRoutine(Client->CloseIrp, FwClosed, Client, TRUE, TRUE, TRUE);
    FwProvider(Client)->Basic.WskCloseSocket(Client->Socket, Client->CloseIrp);
}

static NTSTATUS FwGreeted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Takes the client off the list; FALSE: somebody else has, and closes it. */
static BOOLEAN FwTake(_In_ PFW_CLIENT Client)
{
    BOOLEAN Linked;
    KIRQL Irql;

    KeAcquireSpinLock(&FwLock, &Irql);
    Linked = !IsListEmpty(&Client->Link);
    if (Linked) {
        RemoveEntryList(&Client->Link);
        InitializeListHead(&Client->Link);
    }
    KeReleaseSpinLock(&FwLock, Irql);
    return Linked;
}

static NTSTATUS WSKAPI FwDisconnectEvent(PVOID SocketContext, ULONG Flags)
{
    PFW_CLIENT Client = (PFW_CLIENT)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    if (FwTake(Client)) {
        FwClose(Client);
    }
    return STATUS_SUCCESS;
}

static PFW_CLIENT FwNew(_In_ PWSK_SOCKET Socket)
{
    PFW_CLIENT Client = (PFW_CLIENT)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Client), FIREWALL_TAG);

    if (Client == NULL) {
        return NULL;
    }
    InitializeListHead(&Client->Link);
    Client->Socket = Socket;
    Client->SendIrp = IoAllocateIrp(1, FALSE);
    Client->CloseIrp = IoAllocateIrp(1, FALSE);
    Client->Mdl = IoAllocateMdl(FwGreeting, sizeof(FwGreeting) - 1, FALSE, FALSE, NULL);
    if (Client->SendIrp == NULL || Client->CloseIrp == NULL || Client->Mdl == NULL) {
        FwFree(Client);
        return NULL;
    }
    MmBuildMdlForNonPagedPool(Client->Mdl);
    return Client;
}

/* Which request has become this connection. */
static VOID FwIdOf(_In_ PWSK_SOCKET AcceptSocket, _Out_ WSK_INSPECT_ID *Id)
{
    SIZE_T Size;

    RtlZeroMemory(Id, sizeof(*Id));
    ((CONST WSK_PROVIDER_BASIC_DISPATCH *)AcceptSocket->Dispatch)
        ->WskControlSocket(AcceptSocket, WskIoctl, SIO_WSK_QUERY_INSPECT_ID, 0, 0, NULL, sizeof(*Id), Id,
                           &Size, NULL);
}

static NTSTATUS WSKAPI FwAcceptEvent(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                     PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                     PVOID *AcceptSocketContext,
                                     CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    PFW_REQUEST Request;
    PFW_CLIENT Client;
    WSK_INSPECT_ID Id;
    BOOLEAN Late;
    WSK_BUF Buffer;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL) {
        return STATUS_SUCCESS;
    }
    Client = FwNew(AcceptSocket);
    FwIdOf(AcceptSocket, &Id);
    KeAcquireSpinLock(&FwLock, &Irql);
    Late = FwUnloading || Client == NULL;
    Request = FwFind(&Id); /* there: it was let in, and is not aborted any more */
    if (Request != NULL) {
        FwForget(Request, !Late);
    }
    if (!Late) {
        InsertTailList(&FwClients, &Client->Link);
    }
    KeReleaseSpinLock(&FwLock, Irql);
    if (Late) {
        if (Client != NULL) {
            FwFree(Client);
        }
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    *AcceptSocketContext = Client;
    *AcceptSocketDispatch = &FwConnectionDispatch;
    Buffer.Mdl = Client->Mdl;
    Buffer.Offset = 0;
    Buffer.Length = sizeof(FwGreeting) - 1;
    IoSetCompletionRoutine(Client->SendIrp, FwGreeted, NULL, TRUE, TRUE, TRUE);
    FwProvider(Client)->WskSend(AcceptSocket, &Buffer, 0, Client->SendIrp);
    return STATUS_SUCCESS;
}

/* ---- start and end ------------------------------------------------------------------------------------ */

static NTSTATUS FwListen(VOID)
{
    SOCKADDR_STORAGE Address;
    CLIENT_REQUEST Request;
    ULONG Yes = 1;
    NTSTATUS Status;

    Status = ClientSocket(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, &FwListenDispatch, &FwListener);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientRequestCreate(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    /* Before the bind: from then on requests come. */
    ((CONST WSK_PROVIDER_BASIC_DISPATCH *)FwListener->Dispatch)
        ->WskControlSocket(FwListener, WskSetOption, SO_CONDITIONAL_ACCEPT, SOL_SOCKET, sizeof(Yes), &Yes, 0,
                           NULL, NULL, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    ClientRequestFree(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientLoopback(AF_INET, FIREWALL_PORT, &Address);
    Status = ClientBind(FwListener, &Address);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    return ClientEnableEvents(FwListener, WSK_EVENT_ACCEPT | WSK_EVENT_DISCONNECT);
}

/* What the driver has from its start to its end. */
static NTSTATUS FwAllocateAll(PDRIVER_OBJECT DriverObject)
{
    NTSTATUS Status = ClientRequestCreate(&FwCall);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &FwDevice);
    if (!NT_SUCCESS(Status)) {
        ClientRequestFree(&FwCall);
        return Status;
    }
    FwWorkItem = IoAllocateWorkItem(FwDevice);
    if (FwWorkItem == NULL) {
        IoDeleteDevice(FwDevice);
        ClientRequestFree(&FwCall);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

static VOID FwFreeAll(VOID)
{
    IoFreeWorkItem(FwWorkItem);
    IoDeleteDevice(FwDevice);
    ClientRequestFree(&FwCall);
}

static VOID FwStop(VOID)
{
    KIRQL Irql;

    KeAcquireSpinLock(&FwLock, &Irql);
    FwUnloading = TRUE; /* from here on no request is pended, and the work item is not started */
    KeReleaseSpinLock(&FwLock, Irql);
    KeWaitForSingleObject(&FwIdle, Executive, KernelMode, FALSE,
                          NULL); /* no WskInspectComplete is in progress */
    if (FwListener != NULL) {
        ClientClose(FwListener);
    }
    /* No callback of the listener runs any more: no request and no client is added, and no WskSend is in progress. */
    KeAcquireSpinLock(&FwLock, &Irql);
    while (!IsListEmpty(&FwRequests)) { /* undecided, or let in: nothing will become of them */
        FwForget(CONTAINING_RECORD(FwRequests.Flink, FW_REQUEST, Link), FALSE);
    }
    while (!IsListEmpty(&FwClients)) {
        PFW_CLIENT Client = CONTAINING_RECORD(RemoveHeadList(&FwClients), FW_CLIENT, Link);

        InitializeListHead(&Client->Link); /* FwDisconnectEvent leaves it to us */
        KeReleaseSpinLock(&FwLock, Irql);
        FwClose(Client);
        KeAcquireSpinLock(&FwLock, &Irql);
    }
    KeReleaseSpinLock(&FwLock, Irql);
    FwFreeAll();
}

static VOID FwUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    FwStop();
    ClientDetach();
    DbgPrint("%u let in, %u turned away, %u gave up\n", FwLetIn, FwTurnedAway, FwGaveUp);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    KeInitializeSpinLock(&FwLock);
    InitializeListHead(&FwRequests);
    InitializeListHead(&FwClients);
    KeInitializeEvent(&FwIdle, NotificationEvent, TRUE);
    Status = FwAllocateAll(DriverObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        FwFreeAll();
        return Status;
    }
    Status = FwListen();
    if (!NT_SUCCESS(Status)) {
        FwStop();
        ClientDetach();
        return Status;
    }
    DriverObject->DriverUnload = FwUnload;
    DbgPrint("port %u: %u clients at a time\n", FIREWALL_PORT, FIREWALL_MOST);
    return STATUS_SUCCESS;
}
