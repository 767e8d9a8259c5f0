/*
 * sync.c - an echo with a system thread for each connection and synchronous calls: an IRP, a KEVENT, a wait.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../../drivers/common/wskclient.h"

#ifndef SYNC_PORT
#define SYNC_PORT 15020
#endif
#define SYNC_TAG         'cnyS'
#define SYNC_BUFFER_SIZE 16384

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD SyncUnload;
static KSTART_ROUTINE SyncAcceptThread, SyncServeThread;

typedef struct _SYNC_CONNECTION {
    LIST_ENTRY Link;
    PWSK_SOCKET Socket;
    PVOID Thread;
    volatile LONG Over;
    UCHAR Buffer[SYNC_BUFFER_SIZE];
} SYNC_CONNECTION, *PSYNC_CONNECTION;

static PWSK_SOCKET SyncListener;
static PVOID SyncAcceptor;
static CLIENT_REQUEST SyncAcceptRequest;
static volatile LONG SyncStopping;
static LIST_ENTRY SyncConnections; /* the accepting thread's, then the unload's */

static VOID SyncServeThread(PVOID Context)
{
    PSYNC_CONNECTION Connection = (PSYNC_CONNECTION)Context;
    CONST WSK_PROVIDER_CONNECTION_DISPATCH *Dispatch =
        (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Connection->Socket->Dispatch;
    PMDL Mdl = IoAllocateMdl(Connection->Buffer, SYNC_BUFFER_SIZE, FALSE, FALSE, NULL);
    CLIENT_REQUEST Request;

    if (Mdl != NULL && NT_SUCCESS(ClientRequestCreate(&Request))) {
        WSK_BUF WskBuf = {Mdl, 0, SYNC_BUFFER_SIZE};

        MmBuildMdlForNonPagedPool(Mdl);
        for (;;) {
            WskBuf.Length = SYNC_BUFFER_SIZE;
            Dispatch->WskReceive(Connection->Socket, &WskBuf, 0, ClientRequestStart(&Request));
            if (!NT_SUCCESS(ClientRequestWait(&Request)) || Request.Irp->IoStatus.Information == 0) {
                break;
            }
            WskBuf.Length = Request.Irp->IoStatus.Information;
            Dispatch->WskSend(Connection->Socket, &WskBuf, WSK_FLAG_NODELAY, ClientRequestStart(&Request));
            if (!NT_SUCCESS(ClientRequestWait(&Request))) {
                break;
            }
        }
        ClientRequestFree(&Request);
    }
    if (Mdl != NULL) {
        IoFreeMdl(Mdl);
    }
    InterlockedExchange(&Connection->Over, TRUE);
}

/* Closes and forgets connections whose thread is at its end; all of them when the driver stops. */
static VOID SyncReap(_In_ BOOLEAN All)
{
    PLIST_ENTRY Link = SyncConnections.Flink;

    while (Link != &SyncConnections) {
        PSYNC_CONNECTION Connection = CONTAINING_RECORD(Link, SYNC_CONNECTION, Link);

        Link = Link->Flink;
        if (!All && !ReadAcquire(&Connection->Over)) {
            continue;
        }
        if (!ReadAcquire(&Connection->Over)) { /* its receive ends, then its thread */
            CONST WSK_PROVIDER_CONNECTION_DISPATCH *Dispatch =
                (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Connection->Socket->Dispatch;
            CLIENT_REQUEST Request;

            if (NT_SUCCESS(ClientRequestCreate(&Request))) {
                Dispatch->WskDisconnect(Connection->Socket, NULL, WSK_FLAG_ABORTIVE,
                                        ClientRequestStart(&Request));
                ClientRequestWait(&Request);
                ClientRequestFree(&Request);
            }
        }
        ClientThreadWait(Connection->Thread);
        ClientClose(Connection->Socket);
        RemoveEntryList(&Connection->Link);
        ExFreePoolWithTag(Connection, SYNC_TAG);
    }
}

static VOID SyncAcceptThread(PVOID Context)
{
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Dispatch =
        (CONST WSK_PROVIDER_LISTEN_DISPATCH *)SyncListener->Dispatch;

    UNREFERENCED_PARAMETER(Context);
    while (!ReadAcquire(&SyncStopping)) {
        PSYNC_CONNECTION Connection;
        PWSK_SOCKET Socket;

        Dispatch->WskAccept(SyncListener, 0, NULL, NULL, NULL, NULL, ClientRequestStart(&SyncAcceptRequest));
        if (!NT_SUCCESS(ClientRequestWait(&SyncAcceptRequest))) {
            return;
        }
        Socket = (PWSK_SOCKET)SyncAcceptRequest.Irp->IoStatus.Information;
        SyncReap(FALSE);
        Connection = (PSYNC_CONNECTION)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Connection), SYNC_TAG);
        if (Connection == NULL) {
            ClientClose(Socket);
            continue;
        }
        Connection->Socket = Socket;
        if (!NT_SUCCESS(ClientThreadStart(SyncServeThread, Connection, &Connection->Thread))) {
            ClientClose(Socket);
            ExFreePoolWithTag(Connection, SYNC_TAG);
            continue;
        }
        InsertTailList(&SyncConnections, &Connection->Link);
    }
}

static VOID SyncUnload(PDRIVER_OBJECT DriverObject)
{
    LARGE_INTEGER Moment;

    UNREFERENCED_PARAMETER(DriverObject);
    InterlockedExchange(&SyncStopping, TRUE);
    Moment.QuadPart = -10 * 1000 * 10;
    do { /* the cancel may hit the moment between two accepts, so once is not enough */
        IoCancelIrp(SyncAcceptRequest.Irp);
    } while (KeWaitForSingleObject(SyncAcceptor, Executive, KernelMode, FALSE, &Moment) == STATUS_TIMEOUT);
    ClientThreadWait(SyncAcceptor);
    ClientRequestFree(&SyncAcceptRequest);
    SyncReap(TRUE);
    ClientClose(SyncListener);
    ClientDetach();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    InitializeListHead(&SyncConnections);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientListen(AF_INET, SYNC_PORT, NULL, NULL, &SyncListener);
    if (NT_SUCCESS(Status)) {
        Status = ClientRequestCreate(&SyncAcceptRequest);
        if (NT_SUCCESS(Status)) {
            Status = ClientThreadStart(SyncAcceptThread, NULL, &SyncAcceptor);
            if (NT_SUCCESS(Status)) {
                DriverObject->DriverUnload = SyncUnload;
                return STATUS_SUCCESS;
            }
            ClientRequestFree(&SyncAcceptRequest);
        }
        ClientClose(SyncListener);
    }
    ClientDetach();
    return Status;
}
