/*
 * workqueue.c - a TCP echo whose callbacks only post jobs; threads of its own do the work, at PASSIVE_LEVEL.
 *
 * Listens on 127.0.0.1 and ::1. Connections are spread over the queues; each keeps the one it was given.
 */
#include "peer.h"
#include "../common/wskclient.h"

#ifndef WORKQUEUE_PORT
#define WORKQUEUE_PORT 5013
#endif

#define WORKERS 2

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD WorkUnload;
static JOB_ROUTINE WorkListenJob;

static NTSTATUS WSKAPI WorkAcceptEvent(
    _In_opt_ PVOID SocketContext, _In_ ULONG Flags, _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
    _In_opt_ PWSK_SOCKET AcceptSocket, _Outptr_result_maybenull_ PVOID *AcceptSocketContext,
    _Outptr_result_maybenull_ CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch);

static CONST WSK_CLIENT_LISTEN_DISPATCH WorkListenDispatch = {WorkAcceptEvent, NULL, NULL};

/* A listening socket, opened by a job of the first queue. */
typedef struct _WORK_LISTENER {
    JOB Job;
    ADDRESS_FAMILY Family;
    PWSK_SOCKET Socket;
    NTSTATUS Status;
    KEVENT Opened; /* or not: Status says */
} WORK_LISTENER, *PWORK_LISTENER;

static WORK_LISTENER WorkListeners[2];
static JOB_QUEUE WorkQueues[WORKERS];
static JOB_QUEUE WorkCloser; /* waits for run-down protection: so it does nothing else */
static ULONG WorkQueuesStarted;
static volatile LONG WorkNext;

static NTSTATUS WorkAcceptEvent(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                                CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    PVOID Peer;

    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED; /* the listening socket is dead; the unload closes it */
    }
    Peer =
        PeerAccept(AcceptSocket, &WorkQueues[(ULONG)InterlockedIncrement(&WorkNext) % WORKERS], &WorkCloser);
    if (Peer == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED; /* WSK closes the connection */
    }
    *AcceptSocketContext = Peer;
    *AcceptSocketDispatch = &PeerDispatch;
    return STATUS_SUCCESS;
}

static VOID WorkListenJob(PJOB Job)
{
    PWORK_LISTENER Listener = CONTAINING_RECORD(Job, WORK_LISTENER, Job);

    /* Accepts from now on: see WorkStaticCallbacks. */
    Listener->Status =
        ClientListen(Listener->Family, WORKQUEUE_PORT, Listener, &WorkListenDispatch, &Listener->Socket);
    KeSetEvent(&Listener->Opened, IO_NO_INCREMENT, FALSE);
}

/* Every listening socket has WskAcceptEvent from its creation to its end. Comes before the first socket. */
static NTSTATUS WorkStaticCallbacks(VOID)
{
    NPIID NpiId = NPI_WSK_INTERFACE_ID;
    WSK_EVENT_CALLBACK_CONTROL Control;

    Control.NpiId = &NpiId;
    Control.EventMask = WSK_EVENT_ACCEPT;
    return ClientProvider.Dispatch->WskControlClient(ClientProvider.Client, WSK_SET_STATIC_EVENT_CALLBACKS,
                                                     sizeof(Control), &Control, 0, NULL, NULL, NULL);
}

static NTSTATUS WorkStart(VOID)
{
    NTSTATUS Status;
    ULONG Index;

    Status = WorkStaticCallbacks();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    for (Index = 0; Index < RTL_NUMBER_OF(WorkListeners); Index++) {
        PWORK_LISTENER Listener = &WorkListeners[Index];

        Listener->Family = (ADDRESS_FAMILY)(Index == 0 ? AF_INET : AF_INET6);
        KeInitializeEvent(&Listener->Opened, NotificationEvent, FALSE);
        JobPost(&WorkQueues[0], &Listener->Job, WorkListenJob);
    }
    for (Index = 0; Index < RTL_NUMBER_OF(WorkListeners); Index++) {
        PWORK_LISTENER Listener = &WorkListeners[Index];

        KeWaitForSingleObject(&Listener->Opened, Executive, KernelMode, FALSE, NULL);
        if (!NT_SUCCESS(Listener->Status)) {
            DbgPrint("port %u, %s: 0x%08x\n", WORKQUEUE_PORT, Index == 0 ? "IPv4" : "IPv6", Listener->Status);
            if (Index == 0) { /* a machine without IPv6 is none of our business */
                Status = Listener->Status;
            }
        }
    }
    return Status;
}

/*
 * In the order in which one thing needs the other: no new connections; the old ones end, for which the queues have to
 * work; the last close has completed when WskDeregister returns, so that nothing is posted any more.
 */
static VOID WorkStop(VOID)
{
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(WorkListeners); Index++) {
        if (WorkListeners[Index].Socket != NULL) {
            ClientClose(WorkListeners[Index].Socket);
        }
    }
    PeersAbort();
    ClientDetach();
}

static NTSTATUS WorkQueuesStart(VOID)
{
    NTSTATUS Status = JobQueueStart(&WorkCloser);

    while (NT_SUCCESS(Status) && WorkQueuesStarted < WORKERS) {
        Status = JobQueueStart(&WorkQueues[WorkQueuesStarted]);
        if (NT_SUCCESS(Status)) {
            WorkQueuesStarted++;
        }
    }
    return Status;
}

static VOID WorkQueuesStop(VOID)
{
    while (WorkQueuesStarted != 0) {
        JobQueueStop(&WorkQueues[--WorkQueuesStarted]);
    }
    if (WorkCloser.Thread != NULL) {
        JobQueueStop(&WorkCloser);
    }
}

static VOID WorkUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    WorkStop();
    WorkQueuesStop();
    PeersStop();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    PeersStart();
    Status = WorkQueuesStart();
    if (NT_SUCCESS(Status)) {
        Status = ClientAttach();
        if (NT_SUCCESS(Status)) {
            Status = WorkStart();
            if (!NT_SUCCESS(Status)) {
                WorkStop();
            }
        }
    }
    if (!NT_SUCCESS(Status)) {
        WorkQueuesStop();
        PeersStop();
        return Status;
    }
    DriverObject->DriverUnload = WorkUnload;
    DbgPrint("port %u: %u queues\n", WORKQUEUE_PORT, WORKERS);
    return STATUS_SUCCESS;
}
