/*
 * echo.c - TCP echo, twice: on one port with event callbacks, on another with WskReceive.
 *
 * The life of a connection is a reference count. Each piece of work on a connection (a pending request, the
 * loop of the second port) holds a reference, and so does the connection as long as it is wanted. Whoever
 * drops the last one closes the socket: nothing is in progress on it then, so this is what a client has to
 * ensure before WskCloseSocket. The IRPs of the ends (graceful, abortive, close) are allocated together with
 * the connection: ending it cannot fail.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef ECHO_EVENT_PORT
#define ECHO_EVENT_PORT 5007 /* served with WskReceiveEvent and WskDisconnectEvent */
#endif
#ifndef ECHO_RECEIVE_PORT
#define ECHO_RECEIVE_PORT 5008 /* served with WskReceive */
#endif

#ifndef ECHO_BUFFER_SIZE
#define ECHO_BUFFER_SIZE 16384 /* one WskReceive */
#endif

#define ECHO_TAG          'ohcE'
#define ECHO_UNSENT_LIMIT (256 * 1024) /* event callbacks: more than this is not taken from the client */
#define ECHO_COPY_LIMIT   4096         /* event callbacks: more than this is kept until it is sent */

typedef enum _ECHO_STYLE { EchoByEvent, EchoByReceive, EchoStyles } ECHO_STYLE;

typedef struct _ECHO_CONNECTION ECHO_CONNECTION, *PECHO_CONNECTION;

/* One send of the event style: the request, and a copy of the data or what WSK has indicated. */
typedef struct _ECHO_SEND {
    PECHO_CONNECTION Connection;
    PIRP Irp;
    PMDL Mdl;
    ULONG Length;
    PUCHAR Data;
    PWSK_DATA_INDICATION Kept; /* NULL: Data is sent */
} ECHO_SEND, *PECHO_SEND;

struct _ECHO_CONNECTION {
    /* What each echo touches stands together, and begins where a cache line does: so large a block is aligned to a page.
     * With many connections each line of it is a miss. */
    PWSK_SOCKET Socket;
    volatile LONG References;

    /* EchoByReceive */
    BOOLEAN LoopSends;

    /* One request with its buffer. EchoByReceive: receives and sends in turn. EchoByEvent: OwnSend. */
    PIRP OwnIrp;
    PMDL OwnMdl;

    /* EchoByEvent */
    volatile LONG Unsent;  /* bytes taken and not yet sent */
    volatile LONG Stalled; /* data was not taken: WskReceive has to ask for it again */
    volatile LONG OwnSendBusy;
    ECHO_SEND OwnSend; /* of the request above: usually the only send, so that usually nothing is allocated */

    /* The ends */
    LIST_ENTRY Link;       /* in EchoConnections, under EchoLock, until the close has completed */
    volatile LONG Ended;   /* nobody wants the connection any more; its own reference is dropped */
    volatile LONG Aborted; /* AbortIrp is used */
    PIRP DisconnectIrp;
    PIRP AbortIrp;
    PIRP CloseIrp;
    PIRP ResumeIrp; /* EchoByEvent */

    DECLSPEC_CACHEALIGN UCHAR OwnBuffer[ECHO_BUFFER_SIZE];
};

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD EchoUnload;
static IO_COMPLETION_ROUTINE EchoCloseComplete, EchoDisconnectComplete, EchoAbortComplete, EchoSendComplete,
    EchoResumeComplete, EchoLoopComplete;

static NTSTATUS WSKAPI EchoAcceptEvent(
    _In_opt_ PVOID SocketContext, _In_ ULONG Flags, _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
    _In_opt_ PWSK_SOCKET AcceptSocket, _Outptr_result_maybenull_ PVOID *AcceptSocketContext,
    _Outptr_result_maybenull_ CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch);
static NTSTATUS WSKAPI EchoReceiveEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                        _In_opt_ PWSK_DATA_INDICATION DataIndication,
                                        _In_ SIZE_T BytesIndicated, _Inout_ SIZE_T *BytesAccepted);
static NTSTATUS WSKAPI EchoDisconnectEvent(_In_opt_ PVOID SocketContext, _In_ ULONG Flags);

static CONST WSK_CLIENT_LISTEN_DISPATCH EchoListenDispatch = {EchoAcceptEvent, NULL, NULL};
static CONST WSK_CLIENT_CONNECTION_DISPATCH EchoConnectionDispatch = {EchoReceiveEvent, EchoDisconnectEvent,
                                                                      NULL};

/* A listening socket for each style and family; its context is the style. */
static struct {
    ECHO_STYLE Style;
    PWSK_SOCKET Socket;
} EchoListeners[EchoStyles * 2];

static KSPIN_LOCK EchoLock;
static LIST_ENTRY EchoConnections;
static BOOLEAN EchoUnloading; /* under EchoLock */
static volatile LONG EchoServed;

static CONST WSK_PROVIDER_CONNECTION_DISPATCH *EchoDispatch(_In_ PECHO_CONNECTION Connection)
{
    return (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Connection->Socket->Dispatch;
}

/* ---- the life of a connection ------------------------------------------------------------------------- */

/* By whoever already has a reference. */
static VOID EchoReference(_In_ PECHO_CONNECTION Connection)
{
    InterlockedIncrement(&Connection->References);
}

/* By whoever has none: not once the last one is gone, for then the socket is being closed. */
static BOOLEAN EchoTryReference(_In_ PECHO_CONNECTION Connection)
{
    LONG Old = ReadNoFence(&Connection->References);

    while (Old != 0) {
        LONG Seen = InterlockedCompareExchange(&Connection->References, Old + 1, Old);

        if (Seen == Old) {
            return TRUE;
        }
        Old = Seen;
    }
    return FALSE;
}

static VOID EchoDereference(_In_ PECHO_CONNECTION Connection)
{
    if (InterlockedDecrement(&Connection->References) == 0) {
        IoSetCompletionRoutine(Connection->CloseIrp, EchoCloseComplete, Connection, TRUE, TRUE, TRUE);
        EchoDispatch(Connection)->Basic.WskCloseSocket(Connection->Socket, Connection->CloseIrp);
    }
}

static VOID EchoFree(_In_ PECHO_CONNECTION Connection)
{
    PIRP Irps[] = {Connection->DisconnectIrp, Connection->AbortIrp, Connection->CloseIrp,
                   Connection->ResumeIrp, Connection->OwnIrp};
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(Irps); Index++) {
        if (Irps[Index] != NULL) {
            IoFreeIrp(Irps[Index]);
        }
    }
    if (Connection->OwnMdl != NULL) {
        IoFreeMdl(Connection->OwnMdl);
    }
    ExFreePoolWithTag(Connection, ECHO_TAG);
}

static NTSTATUS EchoCloseComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)Context;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeAcquireSpinLock(&EchoLock, &Irql);
    RemoveEntryList(&Connection->Link);
    KeReleaseSpinLock(&EchoLock, Irql);
    EchoFree(Connection); /* Irp included: nothing of this socket comes after its close */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/*
 * Nobody wants the connection any more. With Abort its pending requests end at once, else when they do. The
 * caller has a reference or is a callback of the socket, which the close waits for.
 */
static VOID EchoEnd(_In_ PECHO_CONNECTION Connection, _In_ BOOLEAN Abort)
{
    /* Also when it has been ended without: what is pending may never end.  Without a reference left it is being
     * closed, which ends everything. */
    if (Abort && !InterlockedExchange(&Connection->Aborted, TRUE) && EchoTryReference(Connection)) {
        IoSetCompletionRoutine(Connection->AbortIrp, EchoAbortComplete, Connection, TRUE, TRUE, TRUE);
        EchoDispatch(Connection)
            ->WskDisconnect(Connection->Socket, NULL, WSK_FLAG_ABORTIVE, Connection->AbortIrp);
    }
    if (!InterlockedExchange(&Connection->Ended, TRUE)) {
        EchoDereference(Connection);
    }
}

static NTSTATUS EchoAbortComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    EchoDereference((PECHO_CONNECTION)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/*
 * The client has sent its last byte: everything taken from it goes back, then our FIN. The caller has a
 * reference or is a callback.
 */
static VOID EchoDisconnect(_In_ PECHO_CONNECTION Connection)
{
    EchoReference(Connection);
    IoSetCompletionRoutine(Connection->DisconnectIrp, EchoDisconnectComplete, Connection, TRUE, TRUE, TRUE);
    EchoDispatch(Connection)->WskDisconnect(Connection->Socket, NULL, 0, Connection->DisconnectIrp);
}

static NTSTATUS EchoDisconnectComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    /* Both directions are over; or there was no memory for the FIN, and what is pending need not ever end. */
    EchoEnd(Connection, !NT_SUCCESS(Irp->IoStatus.Status));
    EchoDereference(Connection);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A connection with one reference and everything that it may ever need, or NULL. */
static PECHO_CONNECTION EchoCreate(_In_ PWSK_SOCKET Socket, _In_ ECHO_STYLE Style)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)ExAllocatePool2(
        POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, sizeof(*Connection), ECHO_TAG);

    if (Connection == NULL) {
        return NULL;
    }
    RtlZeroMemory(Connection,
                  FIELD_OFFSET(ECHO_CONNECTION, OwnBuffer)); /* the buffer is filled before it is read */
    Connection->Socket = Socket;
    Connection->References = 1;
    Connection->DisconnectIrp = IoAllocateIrp(1, FALSE);
    Connection->AbortIrp = IoAllocateIrp(1, FALSE);
    Connection->CloseIrp = IoAllocateIrp(1, FALSE);
    if (Connection->DisconnectIrp == NULL || Connection->AbortIrp == NULL || Connection->CloseIrp == NULL) {
        goto Fail;
    }
    Connection->OwnIrp = IoAllocateIrp(1, FALSE);
    Connection->OwnMdl =
        IoAllocateMdl(Connection->OwnBuffer, sizeof(Connection->OwnBuffer), FALSE, FALSE, NULL);
    if (Connection->OwnIrp == NULL || Connection->OwnMdl == NULL) {
        goto Fail;
    }
    MmBuildMdlForNonPagedPool(Connection->OwnMdl);
    if (Style == EchoByEvent) {
        Connection->ResumeIrp = IoAllocateIrp(1, FALSE);
        if (Connection->ResumeIrp == NULL) {
            goto Fail;
        }
        Connection->OwnSend.Connection = Connection;
        Connection->OwnSend.Irp = Connection->OwnIrp;
        Connection->OwnSend.Mdl = Connection->OwnMdl;
        Connection->OwnSend.Data = Connection->OwnBuffer;
    }
    return Connection;

Fail:
    EchoFree(Connection);
    return NULL;
}

/* ---- with event callbacks ----------------------------------------------------------------------------- */

/* Asks WSK for the data that was not taken: a receive of no bytes, which completes when there are some. */
static VOID EchoResume(_In_ PECHO_CONNECTION Connection)
{
    WSK_BUF Nothing = {NULL, 0, 0};

    EchoReference(Connection);
    IoReuseIrp(Connection->ResumeIrp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Connection->ResumeIrp, EchoResumeComplete, Connection, TRUE, TRUE, TRUE);
    EchoDispatch(Connection)->WskReceive(Connection->Socket, &Nothing, 0, Connection->ResumeIrp);
}

static NTSTATUS EchoResumeComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    /* Indications go on from here; of an error the disconnect event tells. */
    EchoDereference((PECHO_CONNECTION)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The caller has a reference. */
static VOID EchoSendFree(_In_ PECHO_SEND Send)
{
    if (Send == &Send->Connection->OwnSend) {
        InterlockedExchange(&Send->Connection->OwnSendBusy, FALSE); /* the next callback may have it */
        return;
    }
    if (Send->Mdl != NULL) {
        IoFreeMdl(Send->Mdl);
    }
    if (Send->Irp != NULL) {
        IoFreeIrp(Send->Irp);
    }
    ExFreePoolWithTag(Send, ECHO_TAG);
}

/* A send with room for Length bytes: the connection's own one, or another if that is busy or too small; or NULL. */
static PECHO_SEND EchoSendAllocate(_In_ PECHO_CONNECTION Connection, _In_ ULONG Length)
{
    PECHO_SEND Send;

    if (Length <= sizeof(Connection->OwnBuffer) && !InterlockedExchange(&Connection->OwnSendBusy, TRUE)) {
        IoReuseIrp(Connection->OwnIrp, STATUS_UNSUCCESSFUL);
        return &Connection->OwnSend;
    }
    Send = (PECHO_SEND)ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, sizeof(*Send) + Length,
                                       ECHO_TAG);
    if (Send == NULL) {
        return NULL;
    }
    Send->Connection = Connection;
    Send->Data = (PUCHAR)(Send + 1);
    Send->Irp = IoAllocateIrp(1, FALSE);
    Send->Mdl = Length != 0 ? IoAllocateMdl(Send->Data, Length, FALSE, FALSE, NULL) : NULL;
    if (Send->Irp == NULL || (Length != 0 && Send->Mdl == NULL)) {
        EchoSendFree(Send);
        return NULL;
    }
    if (Send->Mdl != NULL) {
        MmBuildMdlForNonPagedPool(Send->Mdl);
    }
    return Send;
}

/* A send with a copy of the indicated data or with that itself, or NULL. */
static PECHO_SEND EchoSendCreate(_In_ PECHO_CONNECTION Connection, _In_ PWSK_DATA_INDICATION List,
                                 _In_ ULONG Length)
{
    /* One WSK_BUF is all that a WskSend takes. */
    BOOLEAN Keep = Length > ECHO_COPY_LIMIT && List->Next == NULL;
    PECHO_SEND Send = EchoSendAllocate(Connection, Keep ? 0 : Length);
    PUCHAR To;

    if (Send == NULL) {
        return NULL;
    }
    To = Send->Data;
    Send->Length = Length;
    Send->Kept = NULL;
    if (Keep) {
        Send->Kept = List;
        return Send;
    }
    for (; List != NULL; List = List->Next) {
        PMDL Mdl = List->Buffer.Mdl;
        ULONG Offset = List->Buffer.Offset; /* applies to the first MDL of the chain only */
        SIZE_T Left = List->Buffer.Length;

        for (; Left != 0; Mdl = Mdl->Next, Offset = 0) {
            SIZE_T Part = min(Left, MmGetMdlByteCount(Mdl) - Offset);
            PUCHAR From = (PUCHAR)MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);

            if (From == NULL) {
                EchoSendFree(Send);
                return NULL;
            }
            RtlCopyMemory(To, From + Offset, Part);
            To += Part;
            Left -= Part;
        }
    }
    return Send;
}

static NTSTATUS EchoReceiveEvent(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                 SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)SocketContext;
    PECHO_SEND Send;
    WSK_BUF WskBuf;
    NTSTATUS Status = STATUS_SUCCESS;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesAccepted); /* all or nothing */
    if (DataIndication == NULL) {
        EchoEnd(Connection, FALSE); /* the connection is dead */
        return STATUS_SUCCESS;
    }
    /* The close waits for this callback, but it may have begun: then there is no sending any more. */
    if (!EchoTryReference(Connection)) {
        return STATUS_SUCCESS;
    }
    if (ReadNoFence(&Connection->Unsent) > ECHO_UNSENT_LIMIT) {
        /* The client does not read. Its window closes until a completed send asks for more. */
        InterlockedExchange(&Connection->Stalled, TRUE);
        if (ReadAcquire(&Connection->Unsent) > ECHO_UNSENT_LIMIT / 2 ||
            !InterlockedExchange(&Connection->Stalled, FALSE)) {
            EchoDereference(Connection);
            return STATUS_DATA_NOT_ACCEPTED;
        }
        /* Everything was sent in the meantime, and nobody else has seen that we wait: go on. */
    }
    Send = EchoSendCreate(Connection, DataIndication, (ULONG)BytesIndicated);
    if (Send == NULL) {
        EchoEnd(Connection, TRUE); /* an echo with a hole would be worse */
        EchoDereference(Connection);
        return STATUS_SUCCESS;
    }
    /* The send takes over the reference. */
    InterlockedExchangeAdd(&Connection->Unsent, (LONG)Send->Length);
    IoSetCompletionRoutine(Send->Irp, EchoSendComplete, Send, TRUE, TRUE, TRUE);
    if (Send->Kept != NULL) {
        WskBuf = Send->Kept->Buffer;
        Status = STATUS_PENDING; /* also when the send completes, and releases, before we return */
    } else {
        WskBuf.Mdl = Send->Mdl;
        WskBuf.Offset = 0;
        WskBuf.Length = Send->Length;
    }
    EchoDispatch(Connection)->WskSend(Connection->Socket, &WskBuf, WSK_FLAG_NODELAY, Send->Irp);
    return Status;
}

static NTSTATUS EchoSendComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PECHO_SEND Send = (PECHO_SEND)Context;
    PECHO_CONNECTION Connection = Send->Connection;
    LONG Unsent = InterlockedExchangeAdd(&Connection->Unsent, -(LONG)Send->Length) - (LONG)Send->Length;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (Send->Kept != NULL) {
        EchoDispatch(Connection)->WskRelease(Connection->Socket, Send->Kept);
    }
    if (!NT_SUCCESS(Irp->IoStatus.Status)) {
        EchoEnd(Connection, TRUE);
    } else if (Unsent <= ECHO_UNSENT_LIMIT / 2 && InterlockedExchange(&Connection->Stalled, FALSE)) {
        EchoResume(Connection);
    }
    EchoSendFree(Send);
    EchoDereference(Connection);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS EchoDisconnectEvent(PVOID SocketContext, ULONG Flags)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)SocketContext;

    if (EchoTryReference(Connection)) {
        if (Flags & WSK_FLAG_ABORTIVE) {
            EchoEnd(Connection, FALSE);
        } else {
            EchoDisconnect(Connection); /* sends that are pending go first */
        }
        EchoDereference(Connection);
    }
    return STATUS_SUCCESS;
}

/* ---- with WskReceive ---------------------------------------------------------------------------------- */

/*
 * Looks at the request that has completed and says what comes next: TRUE: another one. FALSE: the connection
 * is over, and the loop's reference given back.
 */
static BOOLEAN EchoLoopNext(_In_ PECHO_CONNECTION Connection)
{
    PIRP Irp = Connection->OwnIrp;

    if (NT_SUCCESS(Irp->IoStatus.Status) && (Connection->LoopSends || Irp->IoStatus.Information != 0)) {
        Connection->LoopSends = !Connection->LoopSends;
        return TRUE;
    }
    if (NT_SUCCESS(Irp->IoStatus.Status)) {
        EchoDisconnect(Connection); /* no byte: the client's end of data */
    } else {
        EchoEnd(Connection, FALSE); /* dead, or ended by us */
    }
    EchoDereference(Connection);
    return FALSE;
}

/*
 * Starts requests until one pends; its completion routine goes on. One that completed within the call goes on
 * here instead, so that a fast client does not make this recursive.
 */
static VOID EchoLoop(_In_ PECHO_CONNECTION Connection)
{
    NTSTATUS Status;

    do {
        PIRP Irp = Connection->OwnIrp;
        WSK_BUF WskBuf;

        WskBuf.Mdl = Connection->OwnMdl;
        WskBuf.Offset = 0;
        WskBuf.Length = Connection->LoopSends ? Irp->IoStatus.Information : sizeof(Connection->OwnBuffer);
        /* An answer of one small segment must not wait for the acknowledgement of the last: WSK_FLAG_NODELAY.
         */
        IoReuseIrp(Irp, STATUS_UNSUCCESSFUL);
        IoSetCompletionRoutine(Irp, EchoLoopComplete, Connection, TRUE, TRUE, TRUE);
        Status = Connection->LoopSends
                     ? EchoDispatch(Connection)->WskSend(Connection->Socket, &WskBuf, WSK_FLAG_NODELAY, Irp)
                     : EchoDispatch(Connection)->WskReceive(Connection->Socket, &WskBuf, 0, Irp);
        /* Pending: the routine has, or will have, the connection; it may be gone already. */
    } while (Status != STATUS_PENDING && EchoLoopNext(Connection));
}

static NTSTATUS EchoLoopComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PECHO_CONNECTION Connection = (PECHO_CONNECTION)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (Irp->PendingReturned && EchoLoopNext(Connection)) {
        EchoLoop(Connection);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* ---- listening ---------------------------------------------------------------------------------------- */

static NTSTATUS EchoAcceptEvent(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                                CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    ECHO_STYLE Style = *(ECHO_STYLE *)SocketContext;
    PECHO_CONNECTION Connection;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED; /* the listening socket is dead; the unload closes it */
    }
    Connection = EchoCreate(AcceptSocket, Style);
    if (Connection == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    KeAcquireSpinLock(&EchoLock, &Irql);
    if (EchoUnloading) {
        KeReleaseSpinLock(&EchoLock, Irql);
        EchoFree(Connection);
        return STATUS_REQUEST_NOT_ACCEPTED; /* WSK closes it */
    }
    InsertTailList(&EchoConnections, &Connection->Link);
    EchoReference(Connection); /* ours until the end of this callback; the unload may see it from here on */
    KeReleaseSpinLock(&EchoLock, Irql);

    InterlockedIncrement(&EchoServed);
    *AcceptSocketContext = Connection;
    *AcceptSocketDispatch = Style == EchoByEvent ? &EchoConnectionDispatch : NULL;
    if (Style == EchoByReceive) {
        EchoReference(Connection); /* the loop's */
        EchoLoop(Connection);
    }
    EchoDereference(Connection);
    return STATUS_SUCCESS;
}

static NTSTATUS EchoListen(VOID)
{
    static CONST USHORT Ports[EchoStyles] = {ECHO_EVENT_PORT, ECHO_RECEIVE_PORT};
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(EchoListeners); Index++) {
        ADDRESS_FAMILY Family = (ADDRESS_FAMILY)(Index % 2 == 0 ? AF_INET : AF_INET6);
        ECHO_STYLE Style = (ECHO_STYLE)(Index / 2);
        NTSTATUS Status;

        EchoListeners[Index].Style = Style;
        Status = ClientListen(Family, Ports[Style], &EchoListeners[Index].Style, &EchoListenDispatch,
                              &EchoListeners[Index].Socket);
        if (!NT_SUCCESS(Status)) {
            DbgPrint("port %u, %s: 0x%08x\n", Ports[Style], Family == AF_INET ? "IPv4" : "IPv6", Status);
            if (Family == AF_INET6) {
                continue; /* a machine without IPv6 is none of our business */
            }
            return Status;
        }
        /* What is enabled here beside WSK_EVENT_ACCEPT is inherited by the accepted sockets. */
        Status = ClientEnableEvents(EchoListeners[Index].Socket,
                                    Style == EchoByEvent
                                        ? WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT
                                        : WSK_EVENT_ACCEPT);
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
    }
    return STATUS_SUCCESS;
}

/* No connection comes, and those that are there end now. */
static VOID EchoStop(VOID)
{
    PLIST_ENTRY Link;
    ULONG Index, Aborted = 0;
    KIRQL Irql;

    KeAcquireSpinLock(&EchoLock, &Irql);
    EchoUnloading = TRUE;
    KeReleaseSpinLock(&EchoLock, Irql);
    for (Index = 0; Index < RTL_NUMBER_OF(EchoListeners); Index++) {
        if (EchoListeners[Index].Socket != NULL) {
            ClientClose(EchoListeners[Index].Socket);
        }
    }
    /* Connections leave the list on their own: take one at a time, and none twice. */
    KeAcquireSpinLock(&EchoLock, &Irql);
    for (Link = EchoConnections.Flink; Link != &EchoConnections;) {
        PECHO_CONNECTION Connection = CONTAINING_RECORD(Link, ECHO_CONNECTION, Link);

        if (ReadNoFence(&Connection->Aborted) || !EchoTryReference(Connection)) {
            Link = Link->Flink; /* on its way out */
            continue;
        }
        KeReleaseSpinLock(&EchoLock, Irql);
        EchoEnd(Connection, TRUE);
        EchoDereference(Connection);
        Aborted++;
        KeAcquireSpinLock(&EchoLock, &Irql);
        Link = EchoConnections.Flink;
    }
    KeReleaseSpinLock(&EchoLock, Irql);
    if (Aborted != 0) {
        DbgPrint("%u connections were still open\n", Aborted);
    }
}

static VOID EchoUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    EchoStop();
    ClientDetach(); /* blocks until the last connection is closed and EchoCloseComplete has returned */
    DbgPrint("%d connections served\n", EchoServed);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    KeInitializeSpinLock(&EchoLock);
    InitializeListHead(&EchoConnections);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = EchoListen();
    if (!NT_SUCCESS(Status)) {
        EchoStop();
        ClientDetach();
        return Status;
    }
    DriverObject->DriverUnload = EchoUnload;
    DbgPrint("port %u: event callbacks, port %u: WskReceive\n", ECHO_EVENT_PORT, ECHO_RECEIVE_PORT);
    return STATUS_SUCCESS;
}
