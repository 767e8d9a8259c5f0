/*
 * proxy.c - a TCP proxy: for each connection that it accepts it makes one to the target, and passes on what either
 * end says: bytes, FIN and RST.
 *
 * A flow is two sockets, its ends, and two pumps, one for each direction.  A pump has one buffer and one request, so
 * it takes nothing from one end before the other has had what came before: an end that does not read holds the other
 * one up, and memory is bounded.
 *
 * The life of a flow is a reference count: each request in progress has a reference (a pump as long as it runs), and
 * so has each callback while it uses the flow.  Whoever drops the last one closes both sockets: nothing is in progress
 * on them then, and nothing can begin.  All that ending a flow takes is allocated together with it: it cannot fail.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef PROXY_PORT
#define PROXY_PORT 5031
#endif
#ifndef PROXY_TARGET_PORT
#define PROXY_TARGET_PORT 5032 /* unless Parameters\Port says otherwise */
#endif
#define PROXY_TARGET_HOST L"127.0.0.1" /* unless Parameters\Host says otherwise */

#ifndef PROXY_BUFFER_SIZE
#define PROXY_BUFFER_SIZE 16384
#endif

#define PROXY_TAG 'xorP'

typedef struct _PROXY_FLOW PROXY_FLOW, *PPROXY_FLOW;

typedef enum _PROXY_SIDE { ProxyClient, ProxyTarget, ProxySides } PROXY_SIDE;

/* A socket of a flow, and the context of its callbacks. */
typedef struct _PROXY_END {
    PPROXY_FLOW Flow;
    PWSK_SOCKET volatile Socket; /* the target's: NULL until it is connected */
    PIRP AbortIrp;
    PIRP CloseIrp;
} PROXY_END, *PPROXY_END;

typedef enum _PROXY_STEP { ProxyReceive, ProxySend, ProxyDisconnect } PROXY_STEP;

/* What one end says, on its way to the other. */
typedef struct _PROXY_PUMP {
    PPROXY_FLOW Flow;
    PPROXY_END From, To;
    PROXY_STEP Step; /* that the request does */
    SIZE_T Length;   /* of what is in the buffer */
    volatile LONG64 *Total;
    PIRP Irp;
    PMDL Mdl;
    UCHAR Buffer[PROXY_BUFFER_SIZE];
} PROXY_PUMP, *PPROXY_PUMP;

struct _PROXY_FLOW {
    LIST_ENTRY Link; /* in ProxyFlows, under ProxyLock, until both closes have completed */
    volatile LONG References;
    volatile LONG Aborted;
    volatile LONG Open; /* sockets whose close has not completed, once it has begun */
    PIRP ConnectIrp;    /* used once */
    PROXY_END Ends[ProxySides];
    PROXY_PUMP Pumps[ProxySides]; /* by the side that they take from */
};

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD ProxyUnload;
static IO_COMPLETION_ROUTINE ProxyConnectComplete, ProxyPumpComplete, ProxyAbortComplete, ProxyCloseComplete;

static NTSTATUS WSKAPI ProxyAcceptEvent(
    _In_opt_ PVOID SocketContext, _In_ ULONG Flags, _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
    _In_opt_ PWSK_SOCKET AcceptSocket, _Outptr_result_maybenull_ PVOID *AcceptSocketContext,
    _Outptr_result_maybenull_ CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch);
static NTSTATUS WSKAPI ProxyDisconnectEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags);

static CONST WSK_CLIENT_LISTEN_DISPATCH ProxyListenDispatch = {ProxyAcceptEvent, NULL, NULL};
static CONST WSK_CLIENT_CONNECTION_DISPATCH ProxyConnectionDispatch = {NULL, ProxyDisconnectEvent, NULL};

static PWSK_SOCKET ProxyListeners[2]; /* IPv4 and IPv6 */
static SOCKADDR_STORAGE ProxyTargetAddress;
static SOCKADDR_STORAGE ProxyAnyAddress; /* of the same family: what a connection to the target is bound to */
static KSPIN_LOCK ProxyLock;
static LIST_ENTRY ProxyFlows;
static BOOLEAN ProxyUnloading; /* under ProxyLock */
static volatile LONG ProxyServed, ProxyUnconnected;
static volatile LONG64 ProxyTotals[ProxySides];

static CONST WSK_PROVIDER_CONNECTION_DISPATCH *ProxyDispatch(_In_ PPROXY_END End)
{
    return (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)End->Socket->Dispatch;
}

/* ---- the life of a flow ------------------------------------------------------------------------------- */

/* By whoever already has a reference. */
static VOID ProxyReference(_In_ PPROXY_FLOW Flow)
{
    InterlockedIncrement(&Flow->References);
}

/* By whoever has none: not once the last one is gone, for then the flow is being closed. */
static BOOLEAN ProxyTryReference(_In_ PPROXY_FLOW Flow)
{
    LONG Old = ReadNoFence(&Flow->References);

    while (Old != 0) {
        LONG Seen = InterlockedCompareExchange(&Flow->References, Old + 1, Old);

        if (Seen == Old) {
            return TRUE;
        }
        Old = Seen;
    }
    return FALSE;
}

static VOID ProxyClose(_In_ PPROXY_END End)
{
    IoSetCompletionRoutine(End->CloseIrp, ProxyCloseComplete, End->Flow, TRUE, TRUE, TRUE);
    ProxyDispatch(End)->Basic.WskCloseSocket(End->Socket, End->CloseIrp);
}

static VOID ProxyDereference(_In_ PPROXY_FLOW Flow)
{
    BOOLEAN Connected;

    if (InterlockedDecrement(&Flow->References) != 0) {
        return;
    }
    /* A close resets what has not been disconnected: so the client of an unreachable target gets a RST. */
    Connected = Flow->Ends[ProxyTarget].Socket != NULL;
    Flow->Open = Connected ? 2 : 1;
    if (Connected) {
        ProxyClose(&Flow->Ends[ProxyTarget]);
    }
    ProxyClose(&Flow->Ends[ProxyClient]); /* the flow may be gone from here on */
}

static VOID ProxyFree(_In_ PPROXY_FLOW Flow)
{
    ULONG Side;

    for (Side = 0; Side < ProxySides; Side++) {
        PIRP Irps[] = {Flow->Ends[Side].AbortIrp, Flow->Ends[Side].CloseIrp, Flow->Pumps[Side].Irp};
        ULONG Index;

        for (Index = 0; Index < RTL_NUMBER_OF(Irps); Index++) {
            if (Irps[Index] != NULL) {
                IoFreeIrp(Irps[Index]);
            }
        }
        if (Flow->Pumps[Side].Mdl != NULL) {
            IoFreeMdl(Flow->Pumps[Side].Mdl);
        }
    }
    if (Flow->ConnectIrp != NULL) {
        IoFreeIrp(Flow->ConnectIrp);
    }
    ExFreePoolWithTag(Flow, PROXY_TAG);
}

static NTSTATUS ProxyCloseComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPROXY_FLOW Flow = (PPROXY_FLOW)Context;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    if (InterlockedDecrement(&Flow->Open) == 0) {
        KeAcquireSpinLock(&ProxyLock, &Irql);
        RemoveEntryList(&Flow->Link);
        KeReleaseSpinLock(&ProxyLock, Irql);
        ProxyFree(Flow); /* Irp included: nothing of either socket comes after its close */
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Everything that is in progress ends now, and both ends get a RST. The caller has a reference. */
static VOID ProxyAbort(_In_ PPROXY_FLOW Flow)
{
    ULONG Side;

    if (InterlockedExchange(&Flow->Aborted, TRUE)) {
        return;
    }
    for (Side = 0; Side < ProxySides; Side++) {
        PPROXY_END End = &Flow->Ends[Side];

        if (ReadPointerAcquire((PVOID CONST volatile *)&End->Socket) != NULL) {
            ProxyReference(Flow);
            IoSetCompletionRoutine(End->AbortIrp, ProxyAbortComplete, Flow, TRUE, TRUE, TRUE);
            ProxyDispatch(End)->WskDisconnect(End->Socket, NULL, WSK_FLAG_ABORTIVE, End->AbortIrp);
        } else {
            /* Its completion routine looks at Aborted after it has set the socket: one of us sees the other. */
            IoCancelIrp(Flow->ConnectIrp);
        }
    }
}

static NTSTATUS ProxyAbortComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    ProxyDereference((PPROXY_FLOW)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A flow with one reference and everything that it may ever need, or NULL. */
static PPROXY_FLOW ProxyCreate(_In_ PWSK_SOCKET Socket)
{
    PPROXY_FLOW Flow = (PPROXY_FLOW)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Flow), PROXY_TAG);
    ULONG Side;

    if (Flow == NULL) {
        return NULL;
    }
    Flow->References = 1;
    Flow->Ends[ProxyClient].Socket = Socket;
    Flow->ConnectIrp = IoAllocateIrp(1, FALSE);
    if (Flow->ConnectIrp == NULL) {
        goto Fail;
    }
    for (Side = 0; Side < ProxySides; Side++) {
        PPROXY_END End = &Flow->Ends[Side];
        PPROXY_PUMP Pump = &Flow->Pumps[Side];

        End->Flow = Flow;
        End->AbortIrp = IoAllocateIrp(1, FALSE);
        End->CloseIrp = IoAllocateIrp(1, FALSE);
        Pump->Flow = Flow;
        Pump->From = End;
        Pump->To = &Flow->Ends[ProxySides - 1 - Side];
        Pump->Step = ProxyReceive;
        Pump->Total = &ProxyTotals[Side];
        Pump->Irp = IoAllocateIrp(1, FALSE);
        Pump->Mdl = IoAllocateMdl(Pump->Buffer, sizeof(Pump->Buffer), FALSE, FALSE, NULL);
        if (End->AbortIrp == NULL || End->CloseIrp == NULL || Pump->Irp == NULL || Pump->Mdl == NULL) {
            goto Fail;
        }
        MmBuildMdlForNonPagedPool(Pump->Mdl);
    }
    return Flow;

Fail:
    ProxyFree(Flow);
    return NULL;
}

/* ---- pumps -------------------------------------------------------------------------------------------- */

/* Looks at the request that has completed. TRUE: there is a next one. FALSE: the pump and its reference are gone. */
static BOOLEAN ProxyPumpNext(_In_ PPROXY_PUMP Pump)
{
    if (!NT_SUCCESS(Pump->Irp->IoStatus.Status)) {
        ProxyAbort(Pump->Flow); /* an end is dead: the other one must not wait for it */
    } else if (Pump->Step == ProxyReceive) {
        Pump->Length = Pump->Irp->IoStatus.Information;
        Pump->Step = Pump->Length != 0 ? ProxySend : ProxyDisconnect; /* no byte: the end of data */
        return TRUE;
    } else if (Pump->Step == ProxySend) {
        InterlockedAdd64(Pump->Total, (LONG64)Pump->Length);
        Pump->Step = ProxyReceive;
        return TRUE;
    }
    ProxyDereference(Pump->Flow);
    return FALSE;
}

static NTSTATUS ProxyPumpRequest(_In_ PPROXY_PUMP Pump)
{
    WSK_BUF WskBuf = {Pump->Mdl, 0, sizeof(Pump->Buffer)};

    IoReuseIrp(Pump->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Pump->Irp, ProxyPumpComplete, Pump, TRUE, TRUE, TRUE);
    switch (Pump->Step) {
    case ProxyReceive:
        return ProxyDispatch(Pump->From)->WskReceive(Pump->From->Socket, &WskBuf, 0, Pump->Irp);
    case ProxySend:
        WskBuf.Length = Pump->Length;
        return ProxyDispatch(Pump->To)->WskSend(Pump->To->Socket, &WskBuf, WSK_FLAG_NODELAY, Pump->Irp);
    default:
        return ProxyDispatch(Pump->To)->WskDisconnect(Pump->To->Socket, NULL, 0, Pump->Irp);
    }
}

/*
 * Starts requests until one pends; its completion routine goes on. One that completed within the call goes on here
 * instead, so that fast ends do not make this recursive.
 */
static VOID ProxyPump(_In_ PPROXY_PUMP Pump)
{
    while (ProxyPumpRequest(Pump) != STATUS_PENDING && ProxyPumpNext(Pump)) {
    }
}

static NTSTATUS ProxyPumpComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPROXY_PUMP Pump = (PPROXY_PUMP)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (Irp->PendingReturned && ProxyPumpNext(Pump)) {
        ProxyPump(Pump);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A reset is seen although the pump may be waiting for the other end and receive nothing. */
static NTSTATUS ProxyDisconnectEvent(PVOID SocketContext, ULONG Flags)
{
    PPROXY_FLOW Flow = ((PPROXY_END)SocketContext)->Flow;

    if ((Flags & WSK_FLAG_ABORTIVE) && ProxyTryReference(Flow)) {
        ProxyAbort(Flow);
        ProxyDereference(Flow);
    }
    return STATUS_SUCCESS; /* a FIN comes to the pump, behind the bytes */
}

/* ---- the two connections ------------------------------------------------------------------------------ */

static VOID ProxyConnect(_In_ PPROXY_FLOW Flow)
{
    ProxyReference(Flow);
    IoSetCompletionRoutine(Flow->ConnectIrp, ProxyConnectComplete, Flow, TRUE, TRUE, TRUE);
    ClientProvider.Dispatch->WskSocketConnect(ClientProvider.Client, SOCK_STREAM, IPPROTO_TCP,
                                              (PSOCKADDR)&ProxyAnyAddress, (PSOCKADDR)&ProxyTargetAddress, 0,
                                              &Flow->Ends[ProxyTarget], &ProxyConnectionDispatch, NULL, NULL,
                                              NULL, Flow->ConnectIrp);
}

static NTSTATUS ProxyConnectComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PPROXY_FLOW Flow = (PPROXY_FLOW)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (!NT_SUCCESS(Irp->IoStatus.Status)) {
        InterlockedIncrement(&ProxyUnconnected);
    } else {
        PWSK_SOCKET Socket = (PWSK_SOCKET)Irp->IoStatus.Information;

        InterlockedExchangePointer((PVOID volatile *)&Flow->Ends[ProxyTarget].Socket, Socket);
        if (!ReadAcquire(&Flow->Aborted) && NT_SUCCESS(ClientEnableEvents(Socket, WSK_EVENT_DISCONNECT))) {
            InterlockedAdd(&Flow->References, ProxySides); /* the pumps' */
            ProxyPump(&Flow->Pumps[ProxyClient]);
            ProxyPump(&Flow->Pumps[ProxyTarget]);
        }
    }
    ProxyDereference(Flow);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS ProxyAcceptEvent(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                 PVOID *AcceptSocketContext,
                                 CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    PPROXY_FLOW Flow;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED; /* the listening socket is dead; the unload closes it */
    }
    Flow = ProxyCreate(AcceptSocket);
    if (Flow == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    KeAcquireSpinLock(&ProxyLock, &Irql);
    if (ProxyUnloading) {
        KeReleaseSpinLock(&ProxyLock, Irql);
        ProxyFree(Flow);
        return STATUS_REQUEST_NOT_ACCEPTED; /* WSK closes it */
    }
    InsertTailList(&ProxyFlows, &Flow->Link); /* the unload may see it from here on */
    KeReleaseSpinLock(&ProxyLock, Irql);

    InterlockedIncrement(&ProxyServed);
    *AcceptSocketContext = &Flow->Ends[ProxyClient];
    *AcceptSocketDispatch = &ProxyConnectionDispatch;
    ProxyConnect(Flow);
    ProxyDereference(Flow);
    return STATUS_SUCCESS;
}

/* ---- start and end ------------------------------------------------------------------------------------ */

/* Host and port from the Parameters key, or those that are compiled in. */
static NTSTATUS ProxyFindTarget(_In_ PUNICODE_STRING RegistryPath)
{
    WCHAR Host[256];
    ULONG Port;
    KEVENT Never;
    NTSTATUS Status;

    Status = ClientParameterText(RegistryPath, L"Host", Host, RTL_NUMBER_OF(Host));
    if (Status == STATUS_OBJECT_NAME_NOT_FOUND) {
        RtlCopyMemory(Host, PROXY_TARGET_HOST, sizeof(PROXY_TARGET_HOST));
    } else if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientParameterNumber(RegistryPath, L"Port", &Port);
    if (Status == STATUS_OBJECT_NAME_NOT_FOUND) {
        Port = PROXY_TARGET_PORT;
    } else if (!NT_SUCCESS(Status)) {
        return Status;
    }
    KeInitializeEvent(&Never, NotificationEvent, FALSE);
    Status = ClientResolve(Host, (USHORT)Port, SOCK_STREAM, &Never, &ProxyTargetAddress);
    if (!NT_SUCCESS(Status)) {
        DbgPrint("%ws: 0x%08x\n", Host, Status);
        return Status;
    }
    ProxyAnyAddress.ss_family = ProxyTargetAddress.ss_family;
    DbgPrint("port %u: to %ws, port %u\n", PROXY_PORT, Host, Port);
    return STATUS_SUCCESS;
}

static NTSTATUS ProxyListen(VOID)
{
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(ProxyListeners); Index++) {
        ADDRESS_FAMILY Family = (ADDRESS_FAMILY)(Index == 0 ? AF_INET : AF_INET6);
        NTSTATUS Status =
            ClientListen(Family, PROXY_PORT, NULL, &ProxyListenDispatch, &ProxyListeners[Index]);

        if (!NT_SUCCESS(Status)) {
            DbgPrint("port %u, %s: 0x%08x\n", PROXY_PORT, Family == AF_INET ? "IPv4" : "IPv6", Status);
            if (Family == AF_INET6) {
                continue; /* a machine without IPv6 is none of our business */
            }
            return Status;
        }
        /* What is enabled here beside WSK_EVENT_ACCEPT is inherited by the accepted sockets. */
        Status = ClientEnableEvents(ProxyListeners[Index], WSK_EVENT_ACCEPT | WSK_EVENT_DISCONNECT);
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
    }
    return STATUS_SUCCESS;
}

/* No connection comes, and the flows that are there end now. */
static VOID ProxyStop(VOID)
{
    PLIST_ENTRY Link;
    ULONG Index, Aborted = 0;
    KIRQL Irql;

    KeAcquireSpinLock(&ProxyLock, &Irql);
    ProxyUnloading = TRUE;
    KeReleaseSpinLock(&ProxyLock, Irql);
    for (Index = 0; Index < RTL_NUMBER_OF(ProxyListeners); Index++) {
        if (ProxyListeners[Index] != NULL) {
            ClientClose(ProxyListeners[Index]);
        }
    }
    /* Flows leave the list on their own: take one at a time, and none twice. */
    KeAcquireSpinLock(&ProxyLock, &Irql);
    for (Link = ProxyFlows.Flink; Link != &ProxyFlows;) {
        PPROXY_FLOW Flow = CONTAINING_RECORD(Link, PROXY_FLOW, Link);

        if (ReadNoFence(&Flow->Aborted) || !ProxyTryReference(Flow)) {
            Link = Link->Flink; /* on its way out */
            continue;
        }
        KeReleaseSpinLock(&ProxyLock, Irql);
        ProxyAbort(Flow);
        ProxyDereference(Flow);
        Aborted++;
        KeAcquireSpinLock(&ProxyLock, &Irql);
        Link = ProxyFlows.Flink;
    }
    KeReleaseSpinLock(&ProxyLock, Irql);
    if (Aborted != 0) {
        DbgPrint("%u flows were still open\n", Aborted);
    }
}

static VOID ProxyUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    ProxyStop();
    ClientDetach(); /* blocks until the last socket is closed and ProxyCloseComplete has returned */
    DbgPrint("%d flows, %d without a target, %lld bytes to it, %lld back\n", ProxyServed, ProxyUnconnected,
             ProxyTotals[ProxyClient], ProxyTotals[ProxyTarget]);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    KeInitializeSpinLock(&ProxyLock);
    InitializeListHead(&ProxyFlows);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ProxyFindTarget(RegistryPath);
    if (NT_SUCCESS(Status)) {
        Status = ProxyListen();
    }
    if (!NT_SUCCESS(Status)) {
        ProxyStop();
        ClientDetach();
        return Status;
    }
    DriverObject->DriverUnload = ProxyUnload;
    return STATUS_SUCCESS;
}
