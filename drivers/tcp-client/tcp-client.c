/*
 * tcp-client.c - a TCP client: asks Parameters\Host at Parameters\Port for Parameters\Text, and prints what comes
 * until the peer's FIN.
 *
 * A system thread does it step by step, one request at a time; each of them is waited for together with the event
 * that the unload sets, and cancelled when that comes first.  So the unload may come at any moment: the thread finds its
 * request cancelled, goes no further, and closes what it has.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef TCP_CLIENT_BUFFER_SIZE
#define TCP_CLIENT_BUFFER_SIZE 2048
#endif

#define TCP_CLIENT_TAG        'cpcT'
#define TCP_CLIENT_TEXT_UNITS 256
#define TCP_CLIENT_LINE       256 /* bytes that one DbgPrint shows */

typedef struct _TCP_CLIENT {
    WCHAR Host[TCP_CLIENT_TEXT_UNITS];
    ULONG Port;
    WCHAR Text[TCP_CLIENT_TEXT_UNITS];
    KEVENT Stop; /* the unload has begun */
    PVOID Thread;

    /* the thread's own */
    CLIENT_REQUEST Request;
    PWSK_SOCKET Socket;
    PMDL Mdl;
    SIZE_T Received;
    UCHAR Buffer[TCP_CLIENT_BUFFER_SIZE];
    CHAR Line[TCP_CLIENT_LINE + 1];
    ULONG LineLength;
} TCP_CLIENT, *PTCP_CLIENT;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD TcpUnload;
static KSTART_ROUTINE TcpThread;

static PTCP_CLIENT TcpClient;

static CONST WSK_PROVIDER_CONNECTION_DISPATCH *TcpConnection(_In_ PTCP_CLIENT Client)
{
    return (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Client->Socket->Dispatch;
}

/* ---- printing ----------------------------------------------------------------------------------------- */

static VOID TcpPrintLine(_Inout_ PTCP_CLIENT Client)
{
    Client->Line[Client->LineLength] = 0;
    DbgPrint("> %s\n", Client->Line);
    Client->LineLength = 0;
}

/* Line by line; what is no text is shown as dots, for it comes from a stranger. */
static VOID TcpPrint(_Inout_ PTCP_CLIENT Client, _In_ SIZE_T Length)
{
    SIZE_T Index;

    for (Index = 0; Index < Length; Index++) {
        UCHAR Byte = Client->Buffer[Index];

        if (Byte == '\n') {
            TcpPrintLine(Client);
            continue;
        }
        if (Byte == '\r') {
            continue;
        }
        if (Client->LineLength == TCP_CLIENT_LINE) {
            TcpPrintLine(Client);
        }
        Client->Line[Client->LineLength++] = (CHAR)(Byte >= 0x20 && Byte < 0x7f ? Byte : '.');
    }
}

/* ---- the steps: each ends with a status, STATUS_CANCELLED when the unload came in between ---------------- */

static NTSTATUS TcpConnect(_Inout_ PTCP_CLIENT Client)
{
    SOCKADDR_STORAGE Remote, Local;
    NTSTATUS Status;

    Status = ClientResolve(Client->Host, (USHORT)Client->Port, SOCK_STREAM, &Client->Stop, &Remote);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    RtlZeroMemory(&Local, sizeof(Local)); /* any address of this machine, any port */
    Local.ss_family = Remote.ss_family;
    ClientProvider.Dispatch->WskSocketConnect(ClientProvider.Client, SOCK_STREAM, IPPROTO_TCP,
                                              (PSOCKADDR)&Local, (PSOCKADDR)&Remote, 0, NULL, NULL, NULL,
                                              NULL, NULL, ClientRequestStart(&Client->Request));
    Status = ClientRequestWaitOrCancel(&Client->Request, &Client->Stop, NULL);
    if (NT_SUCCESS(Status)) {
        Client->Socket = (PWSK_SOCKET)Client->Request.Irp->IoStatus.Information;
    }
    return Status;
}

static NTSTATUS TcpSend(_Inout_ PTCP_CLIENT Client)
{
    WSK_BUF WskBuf = {Client->Mdl, 0, 0};
    UNICODE_STRING Text;
    ULONG Length;
    NTSTATUS Status;

    RtlInitUnicodeString(&Text, Client->Text);
    Status =
        RtlUnicodeToUTF8N((PCHAR)Client->Buffer, sizeof(Client->Buffer), &Length, Text.Buffer, Text.Length);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (Length == 0) {
        return STATUS_SUCCESS; /* the peer speaks first */
    }
    WskBuf.Length = Length;
    TcpConnection(Client)->WskSend(Client->Socket, &WskBuf, 0, ClientRequestStart(&Client->Request));
    return ClientRequestWaitOrCancel(&Client->Request, &Client->Stop, NULL); /* all of it, or an error */
}

/* Until the peer's FIN. */
static NTSTATUS TcpReceive(_Inout_ PTCP_CLIENT Client)
{
    WSK_BUF WskBuf = {Client->Mdl, 0, sizeof(Client->Buffer)};

    for (;;) {
        SIZE_T Length;
        NTSTATUS Status;

        TcpConnection(Client)->WskReceive(Client->Socket, &WskBuf, 0, ClientRequestStart(&Client->Request));
        Status = ClientRequestWaitOrCancel(&Client->Request, &Client->Stop, NULL);
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
        Length = Client->Request.Irp->IoStatus.Information;
        if (Length == 0) {
            break;
        }
        Client->Received += Length;
        TcpPrint(Client, Length);
    }
    if (Client->LineLength != 0) {
        TcpPrintLine(Client);
    }
    return STATUS_SUCCESS;
}

/* Our FIN; complete when the peer has it. */
static NTSTATUS TcpDisconnect(_Inout_ PTCP_CLIENT Client)
{
    TcpConnection(Client)->WskDisconnect(Client->Socket, NULL, 0, ClientRequestStart(&Client->Request));
    return ClientRequestWaitOrCancel(&Client->Request, &Client->Stop, NULL);
}

static VOID TcpThread(PVOID Context)
{
    PTCP_CLIENT Client = (PTCP_CLIENT)Context;
    NTSTATUS Status = TcpConnect(Client);

    if (!NT_SUCCESS(Status)) {
        DbgPrint("no connection to %ws, port %u: 0x%08x\n", Client->Host, Client->Port, Status);
        PsTerminateSystemThread(Status);
    }
    Status = TcpSend(Client);
    if (NT_SUCCESS(Status)) {
        Status = TcpReceive(Client);
    }
    if (NT_SUCCESS(Status)) {
        Status = TcpDisconnect(Client);
    }
    ClientClose(Client->Socket); /* resets the connection unless it has been disconnected */
    DbgPrint("%Iu bytes received: 0x%08x\n", Client->Received, Status);
    PsTerminateSystemThread(Status);
}

/* ---- start and end ------------------------------------------------------------------------------------ */

static VOID TcpFree(_In_ PTCP_CLIENT Client)
{
    if (Client->Mdl != NULL) {
        IoFreeMdl(Client->Mdl);
    }
    if (Client->Request.Irp != NULL) {
        ClientRequestFree(&Client->Request);
    }
    ExFreePoolWithTag(Client, TCP_CLIENT_TAG);
}

/* In the pool, for WSK reads and writes its buffer through an MDL. */
static PTCP_CLIENT TcpCreate(VOID)
{
    PTCP_CLIENT Client = (PTCP_CLIENT)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Client), TCP_CLIENT_TAG);

    if (Client == NULL) {
        return NULL;
    }
    KeInitializeEvent(&Client->Stop, NotificationEvent, FALSE);
    Client->Mdl = IoAllocateMdl(Client->Buffer, sizeof(Client->Buffer), FALSE, FALSE, NULL);
    if (Client->Mdl == NULL || !NT_SUCCESS(ClientRequestCreate(&Client->Request))) {
        TcpFree(Client);
        return NULL;
    }
    MmBuildMdlForNonPagedPool(Client->Mdl);
    return Client;
}

static VOID TcpUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeSetEvent(&TcpClient->Stop, IO_NO_INCREMENT, FALSE);
    ClientThreadWait(TcpClient->Thread);
    ClientDetach();
    TcpFree(TcpClient);
}

static NTSTATUS TcpReadParameters(_In_ PUNICODE_STRING RegistryPath, _Inout_ PTCP_CLIENT Client)
{
    NTSTATUS Status = ClientParameterText(RegistryPath, L"Host", Client->Host, RTL_NUMBER_OF(Client->Host));

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientParameterNumber(RegistryPath, L"Port", &Client->Port);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    return ClientParameterText(RegistryPath, L"Text", Client->Text, RTL_NUMBER_OF(Client->Text));
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    TcpClient = TcpCreate();
    if (TcpClient == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = TcpReadParameters(RegistryPath, TcpClient);
    if (!NT_SUCCESS(Status)) {
        DbgPrint("Parameters needs Host and Text (REG_SZ) and Port (REG_DWORD): 0x%08x\n", Status);
        TcpFree(TcpClient);
        return Status;
    }
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        TcpFree(TcpClient);
        return Status;
    }
    Status = ClientThreadStart(TcpThread, TcpClient, &TcpClient->Thread);
    if (!NT_SUCCESS(Status)) {
        ClientDetach();
        TcpFree(TcpClient);
        return Status;
    }
    DriverObject->DriverUnload = TcpUnload;
    return STATUS_SUCCESS;
}
