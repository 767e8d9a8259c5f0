/*
 * lent.c - a server that changes what it receives in place: the bytes, and the links between them.  Both are WSK's,
 * lent to the driver from the callback to its return, and another connection's afterwards: no race.  With Sound=0 it
 * looks at the first byte once more when the peer has gone.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../../../drivers/common/wskclient.h"

#define LENT_PORT        7102
#define LENT_CONNECTIONS 16

typedef struct _LENT_CONNECTION {
    PWSK_SOCKET Socket;
    PIRP Irp;
    volatile LONG Closed;
    PUCHAR First; /* the callbacks' */
} LENT_CONNECTION, *PLENT_CONNECTION;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD LentUnload;

static PWSK_SOCKET LentListener;
static LENT_CONNECTION LentConnections[LENT_CONNECTIONS];
static LONG LentAccepted; /* WskAcceptEvent's, and the unload's after it */
static ULONG LentSound;

static NTSTATUS NTAPI LentClosed(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    IoFreeIrp(Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID LentClose(PLENT_CONNECTION Connection)
{
    if (InterlockedExchange(&Connection->Closed, 1) == 0) {
        IoSetCompletionRoutine(Connection->Irp, LentClosed, NULL, TRUE, TRUE, TRUE);
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Connection->Socket->Dispatch)
            ->WskCloseSocket(Connection->Socket, Connection->Irp);
    }
}

static NTSTATUS WSKAPI LentReceive(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                   SIZE_T BytesIndicated, SIZE_T *BytesAccepted)
{
    PLENT_CONNECTION Connection = (PLENT_CONNECTION)SocketContext;
    PWSK_DATA_INDICATION Link;
    SIZE_T Index;

    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(BytesIndicated);
    UNREFERENCED_PARAMETER(BytesAccepted);
    for (Link = DataIndication; Link != NULL; Link = Link->Next) {
        PUCHAR Bytes = (PUCHAR)MmGetSystemAddressForMdlSafe(Link->Buffer.Mdl, NormalPagePriority);

        for (Index = 0; Index < Link->Buffer.Length; Index++) {
            Bytes[Link->Buffer.Offset + Index] ^= 0x55;
        }
        if (Link->Next == NULL) {
            Link->Next = NULL;
        }
        Connection->First = Bytes + Link->Buffer.Offset;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI LentDisconnect(PVOID SocketContext, ULONG Flags)
{
    PLENT_CONNECTION Connection = (PLENT_CONNECTION)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    if (!LentSound && Connection->First != NULL) {
        DbgPrint("it was 0x%02x\n", *Connection->First);
    }
    LentClose(Connection);
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_CONNECTION_DISPATCH LentConnectionDispatch = {LentReceive, LentDisconnect, NULL};

static NTSTATUS WSKAPI LentAccept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                  PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket,
                                  PVOID *AcceptSocketContext,
                                  CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    PLENT_CONNECTION Connection = &LentConnections[LentAccepted];

    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    if (AcceptSocket == NULL || LentAccepted == LENT_CONNECTIONS ||
        (Connection->Irp = IoAllocateIrp(1, FALSE)) == NULL) {
        return STATUS_REQUEST_NOT_ACCEPTED;
    }
    Connection->Socket = AcceptSocket;
    LentAccepted++;
    *AcceptSocketContext = Connection;
    *AcceptSocketDispatch = &LentConnectionDispatch;
    return STATUS_SUCCESS;
}

static CONST WSK_CLIENT_LISTEN_DISPATCH LentListenDispatch = {LentAccept, NULL, NULL};

static VOID LentUnload(PDRIVER_OBJECT DriverObject)
{
    LONG Index;

    UNREFERENCED_PARAMETER(DriverObject);
    ClientClose(LentListener);
    for (Index = 0; Index < LentAccepted; Index++) {
        LentClose(&LentConnections[Index]);
    }
    ClientDetach();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status = ClientParameterNumber(RegistryPath, L"Sound", &LentSound);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientListen(AF_INET, LENT_PORT, NULL, &LentListenDispatch, &LentListener);
    if (!NT_SUCCESS(Status)) {
        ClientDetach();
        return Status;
    }
    DriverObject->DriverUnload = LentUnload;
    return ClientEnableEvents(LentListener, WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT);
}
