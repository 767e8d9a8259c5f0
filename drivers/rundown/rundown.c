/*
 * rundown.c - closing a socket that other threads are using.
 *
 * Each connection has three threads: one sends, one receives, a third closes. WskCloseSocket must not be
 * called while another thread is inside a function of the socket, so each call is counted: SocketEnter tests
 * and increments before it, SocketLeave decrements after it has returned (not when its IRP completes:
 * requests may be pending, the close ends them). The flag that says "closing" is a bit of the same word, so
 * testing it and counting the call are one atomic step, and no call can slip in between the closer's look and
 * its close.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef RUNDOWN_PORT
#define RUNDOWN_PORT 5011
#endif
#ifndef RUNDOWN_TEAMS
#define RUNDOWN_TEAMS 4 /* connections at a time */
#endif

#define RUNDOWN_TAG         'nuRW'
#define RUNDOWN_BUFFER_SIZE 4096

/* ---- the counter -------------------------------------------------------------------------------------- */

typedef struct _SOCKET_USE {
    volatile LONG Word; /* SOCKET_CLOSING, and below it the number of calls in progress */
    KEVENT Idle;        /* closing, and no call is in progress */
} SOCKET_USE, *PSOCKET_USE;

#define SOCKET_CLOSING 0x40000000

_IRQL_requires_max_(DISPATCH_LEVEL) static VOID SocketUseInitialize(_Out_ PSOCKET_USE Use)
{
    Use->Word = 0;
    KeInitializeEvent(&Use->Idle, NotificationEvent, FALSE);
}

/* Before a call. FALSE: the socket is being closed, the call must not be made. */
_IRQL_requires_max_(DISPATCH_LEVEL) _Must_inspect_result_ static BOOLEAN SocketEnter(_Inout_ PSOCKET_USE Use)
{
    LONG Old = ReadNoFence(&Use->Word);

    while (!(Old & SOCKET_CLOSING)) {
        LONG Seen = InterlockedCompareExchange(&Use->Word, Old + 1, Old);

        if (Seen == Old) {
            return TRUE;
        }
        Old = Seen;
    }
    return FALSE;
}

/* After the call has returned. */
_IRQL_requires_max_(DISPATCH_LEVEL) static VOID SocketLeave(_Inout_ PSOCKET_USE Use)
{
    if (InterlockedDecrement(&Use->Word) == SOCKET_CLOSING) {
        KeSetEvent(&Use->Idle, IO_NO_INCREMENT, FALSE);
    }
}

/* Keeps new calls out and waits for those in progress. Then the socket may be closed. */
_IRQL_requires_(PASSIVE_LEVEL) static VOID SocketRunDown(_Inout_ PSOCKET_USE Use)
{
    if (InterlockedOr(&Use->Word, SOCKET_CLOSING) != 0) {
        KeWaitForSingleObject(&Use->Idle, Executive, KernelMode, FALSE, NULL);
    }
}

/* ---- a connection and its threads --------------------------------------------------------------------- */

typedef struct _CONNECTION {
    PWSK_SOCKET Socket;
    SOCKET_USE Use;
} CONNECTION, *PCONNECTION;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD RundownUnload;
static KSTART_ROUTINE SenderThread, ReceiverThread, CloserThread;

static PWSK_SOCKET RundownListener;
static KEVENT RundownStop;
static PVOID RundownCloserThreads[RUNDOWN_TEAMS];
static volatile LONG RundownClosed; /* connections */
static volatile LONG RundownKept;   /* calls that found the socket closing, and were not made */
static volatile LONG RundownWrong;
static volatile LONG64 RundownSent, RundownReceived; /* bytes */

static CONST WSK_PROVIDER_CONNECTION_DISPATCH *ConnectionDispatch(_In_ PCONNECTION Connection)
{
    return (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Connection->Socket->Dispatch;
}

/*
 * What sender and receiver have in common: one request after the other, until one is cut short or the socket
 * is being closed.
 */
static VOID Transfer(_In_ PCONNECTION Connection, _In_ BOOLEAN Send, _Inout_ volatile LONG64 *Total)
{
    PUCHAR Buffer = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, RUNDOWN_BUFFER_SIZE, RUNDOWN_TAG);
    CLIENT_REQUEST Request;
    WSK_BUF WskBuf = {NULL, 0, RUNDOWN_BUFFER_SIZE};
    NTSTATUS Status;

    if (Buffer == NULL) {
        return;
    }
    WskBuf.Mdl = IoAllocateMdl(Buffer, RUNDOWN_BUFFER_SIZE, FALSE, FALSE, NULL);
    if (WskBuf.Mdl == NULL || !NT_SUCCESS(ClientRequestCreate(&Request))) {
        goto Free;
    }
    MmBuildMdlForNonPagedPool(WskBuf.Mdl);
    do {
        PIRP Irp = ClientRequestStart(&Request);

        if (!SocketEnter(&Connection->Use)) {
            InterlockedIncrement(&RundownKept);
            break;
        }
        if (Send) {
            ConnectionDispatch(Connection)->WskSend(Connection->Socket, &WskBuf, 0, Irp);
        } else {
            ConnectionDispatch(Connection)->WskReceive(Connection->Socket, &WskBuf, 0, Irp);
        }
        SocketLeave(&Connection->Use);
        /* Not counted any more, but pending: the close completes it, at the latest. */
        Status = ClientRequestWait(&Request);
        if (NT_SUCCESS(Status)) {
            InterlockedExchangeAdd64(Total, (LONG64)Request.Irp->IoStatus.Information);
        }
    } while (NT_SUCCESS(Status) && Request.Irp->IoStatus.Information != 0);
    ClientRequestFree(&Request);
Free:
    if (WskBuf.Mdl != NULL) {
        IoFreeMdl(WskBuf.Mdl);
    }
    ExFreePoolWithTag(Buffer, RUNDOWN_TAG);
}

static VOID SenderThread(PVOID Context)
{
    Transfer((PCONNECTION)Context, TRUE, &RundownSent);
}

static VOID ReceiverThread(PVOID Context)
{
    Transfer((PCONNECTION)Context, FALSE, &RundownReceived);
}

/* Lets the two others work for a while, a little longer each time, and closes the socket under them. */
static VOID CloseUnderFire(_In_ PCONNECTION Connection, _In_ ULONG Round)
{
    PVOID Sender, Receiver;
    LARGE_INTEGER Moment;
    NTSTATUS SenderStatus, ReceiverStatus;

    SenderStatus = ClientThreadStart(SenderThread, Connection, &Sender);
    ReceiverStatus = ClientThreadStart(ReceiverThread, Connection, &Receiver);
    Moment.QuadPart = -10LL * (LONG)(Round % 16) * 50; /* 0 to 750 microseconds; the unload does not wait */
    KeWaitForSingleObject(&RundownStop, Executive, KernelMode, FALSE, &Moment);

    SocketRunDown(&Connection->Use);
    ClientClose(Connection->Socket); /* ends the requests that are pending, then itself */

    if (NT_SUCCESS(SenderStatus)) {
        ClientThreadWait(Sender);
    }
    if (NT_SUCCESS(ReceiverStatus)) {
        ClientThreadWait(Receiver);
    }
    if (ReadAcquire(&Connection->Use.Word) != SOCKET_CLOSING) {
        DbgPrint("WRONG: the counter is 0x%x after the close\n", ReadAcquire(&Connection->Use.Word));
        InterlockedIncrement(&RundownWrong);
    }
    InterlockedIncrement(&RundownClosed);
}

/* The third thread of each team: takes a client, and closes its connection while the two others use it. */
static VOID CloserThread(PVOID Context)
{
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Dispatch =
        (CONST WSK_PROVIDER_LISTEN_DISPATCH *)RundownListener->Dispatch;
    ULONG Round = (ULONG)(ULONG_PTR)Context;
    CLIENT_REQUEST Accept;

    if (!NT_SUCCESS(ClientRequestCreate(&Accept))) {
        DbgPrint("no memory for a closer\n");
        return;
    }
    /*
     * The unload cannot close the listening socket under this call: it waits for this thread first, and ends
     * the pending accept by IoCancelIrp here.
     */
    for (;; Round++) {
        PVOID Objects[2] = {&Accept.Done, &RundownStop};
        CONNECTION Connection;
        NTSTATUS Status;

        Dispatch->WskAccept(RundownListener, 0, NULL, NULL, NULL, NULL, ClientRequestStart(&Accept));
        if (KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) !=
            STATUS_WAIT_0) {
            IoCancelIrp(Accept.Irp);
        }
        Status = ClientRequestWait(&Accept);
        if (!NT_SUCCESS(Status)) {
            break;
        }
        RtlZeroMemory(&Connection, sizeof(Connection));
        Connection.Socket = (PWSK_SOCKET)Accept.Irp->IoStatus.Information;
        SocketUseInitialize(&Connection.Use);
        CloseUnderFire(&Connection, Round);
    }
    ClientRequestFree(&Accept);
}

static VOID RundownEnd(VOID)
{
    ULONG Index;

    KeSetEvent(&RundownStop, IO_NO_INCREMENT, FALSE);
    for (Index = 0; Index < RUNDOWN_TEAMS; Index++) {
        if (RundownCloserThreads[Index] != NULL) {
            ClientThreadWait(RundownCloserThreads[Index]);
        }
    }
    ClientClose(RundownListener);
    ClientDetach();
}

static VOID RundownUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    RundownEnd();
    DbgPrint("%I64d bytes sent, %I64d received\n", RundownSent, RundownReceived);
    DbgPrint("%d connections closed under fire, %d calls kept out, %d wrong\n", RundownClosed, RundownKept,
             RundownWrong);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;
    ULONG Index;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    KeInitializeEvent(&RundownStop, NotificationEvent, FALSE);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientListen(AF_INET, RUNDOWN_PORT, NULL, NULL, &RundownListener);
    if (!NT_SUCCESS(Status)) {
        ClientDetach();
        return Status;
    }
    for (Index = 0; Index < RUNDOWN_TEAMS; Index++) {
        Status = ClientThreadStart(CloserThread, (PVOID)(ULONG_PTR)(Index * 5), &RundownCloserThreads[Index]);
        if (!NT_SUCCESS(Status)) {
            RundownEnd();
            return Status;
        }
    }
    DriverObject->DriverUnload = RundownUnload;
    DbgPrint("listening on 127.0.0.1 port %u, %u connections at a time\n", RUNDOWN_PORT, RUNDOWN_TEAMS);
    return STATUS_SUCCESS;
}
