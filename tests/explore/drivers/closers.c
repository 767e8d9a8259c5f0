/*
 * closers.c - a driver with one planted bug: the client's end and the unload may both close the connection, because
 * the flag that keeps the other out is tested and set in two steps.  -DFIXED: in one.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../../../drivers/common/wskclient.h"

#ifndef CLOSERS_PORT
#define CLOSERS_PORT 7100
#endif

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD ClosersUnload;
static IO_COMPLETION_ROUTINE ClosersCloseComplete;

static PWSK_SOCKET ClosersListener, ClosersConnection;
static PIRP ClosersIrps[2]; /* of the client's end, of the unload */
static volatile LONG ClosersAccepted, ClosersClosed;
static KEVENT ClosersGone;

static NTSTATUS ClosersCloseComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    KeSetEvent(&ClosersGone, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID CloseOnce(_In_ PIRP Irp)
{
#ifdef FIXED
    if (InterlockedExchange(&ClosersClosed, 1) != 0) {
        return;
    }
#else
    if (ReadAcquire(&ClosersClosed) != 0) {
        return;
    }
    WriteRelease(&ClosersClosed, 1);
#endif
    IoSetCompletionRoutine(Irp, ClosersCloseComplete, NULL, TRUE, TRUE, TRUE);
    ((CONST WSK_PROVIDER_BASIC_DISPATCH *)ClosersConnection->Dispatch)
        ->WskCloseSocket(ClosersConnection, Irp);
}

static NTSTATUS WSKAPI ClosersDisconnect(PVOID SocketContext, ULONG Flags)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    CloseOnce(ClosersIrps[0]);
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI ClosersReceive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                      SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(DataIndication);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH ClosersConnectionDispatch = {ClosersReceive, ClosersDisconnect,
                                                                         NULL};

/* One client; the others are turned away. */
static NTSTATUS WSKAPI ClosersAccept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                     PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                     PVOID *AcceptSocketContext,
                                     CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL || InterlockedExchange(&ClosersAccepted, 1) != 0) {
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    ClosersConnection = AcceptSocket;
    *AcceptSocketContext = NULL;
    *AcceptSocketDispatch = &ClosersConnectionDispatch;
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_LISTEN_DISPATCH ClosersListenDispatch = {ClosersAccept, NULL, NULL};

static VOID ClosersFree(VOID)
{
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(ClosersIrps); Index++) {
        if (ClosersIrps[Index] != NULL) {
            IoFreeIrp(ClosersIrps[Index]);
        }
    }
}

static VOID ClosersUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    ClientClose(ClosersListener); /* waits for an accept callback that runs */
    if (ReadAcquire(&ClosersAccepted)) {
        CloseOnce(ClosersIrps[1]);
        KeWaitForSingleObject(&ClosersGone, Executive, KernelMode, FALSE, NULL);
    }
    ClientDetach();
    ClosersFree();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    KeInitializeEvent(&ClosersGone, NotificationEvent, FALSE);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClosersIrps[0] = IoAllocateIrp(1, FALSE);
    ClosersIrps[1] = IoAllocateIrp(1, FALSE);
    Status = STATUS_INSUFFICIENT_RESOURCES;
    if (ClosersIrps[0] != NULL && ClosersIrps[1] != NULL) {
        Status = ClientListen(AF_INET, CLOSERS_PORT, NULL, &ClosersListenDispatch, &ClosersListener);
    }
    if (!NT_SUCCESS(Status)) {
        ClosersFree();
        ClientDetach();
        return Status;
    }
    ClientEnableEvents(ClosersListener, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
    DriverObject->DriverUnload = ClosersUnload;
    return STATUS_SUCCESS;
}
