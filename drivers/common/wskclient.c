/*
 * wskclient.c - see wskclient.h.
 */
#include "wskclient.h"

static CONST WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static WSK_REGISTRATION ClientRegistration;
WSK_PROVIDER_NPI ClientProvider;

static IO_COMPLETION_ROUTINE ClientRequestComplete;

/* How long to wait for WSK: a driver that loads early in the boot may come before it. */
#define CLIENT_CAPTURE_MILLISECONDS 5000

NTSTATUS ClientAttach(VOID)
{
    WSK_CLIENT_NPI ClientNpi;
    NTSTATUS Status;

    ClientNpi.ClientContext = NULL;
    ClientNpi.Dispatch = &ClientDispatch;
    Status = WskRegister(&ClientNpi, &ClientRegistration);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = WskCaptureProviderNPI(&ClientRegistration, CLIENT_CAPTURE_MILLISECONDS, &ClientProvider);
    if (!NT_SUCCESS(Status)) {
        WskDeregister(&ClientRegistration);
    }
    return Status;
}

VOID ClientDetach(VOID)
{
    WskReleaseProviderNPI(&ClientRegistration);
    WskDeregister(&ClientRegistration);
}

/*
 * The request belongs to the waiter from KeSetEvent on, and it may be gone by the time the routine returns:
 * so the routine keeps the IRP from the I/O manager and touches nothing after the event.
 */
static NTSTATUS ClientRequestComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PCLIENT_REQUEST Request = (PCLIENT_REQUEST)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(&Request->Done, IO_NETWORK_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

NTSTATUS ClientRequestCreate(PCLIENT_REQUEST Request)
{
    KeInitializeEvent(&Request->Done, NotificationEvent, FALSE);
    Request->Irp = IoAllocateIrp(1, FALSE);
    return Request->Irp == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

PIRP ClientRequestStart(PCLIENT_REQUEST Request)
{
    IoReuseIrp(Request->Irp, STATUS_UNSUCCESSFUL);
    KeClearEvent(&Request->Done);
    IoSetCompletionRoutine(Request->Irp, ClientRequestComplete, Request, TRUE, TRUE, TRUE);
    return Request->Irp;
}

NTSTATUS ClientRequestWait(PCLIENT_REQUEST Request)
{
    /* Also when the call did not return STATUS_PENDING: the routine has run then, and the event is set. */
    KeWaitForSingleObject(&Request->Done, Executive, KernelMode, FALSE, NULL);
    return Request->Irp->IoStatus.Status;
}

NTSTATUS ClientRequestWaitOrCancel(PCLIENT_REQUEST Request, PKEVENT Stop, PLARGE_INTEGER Timeout)
{
    PVOID Objects[] = {&Request->Done, Stop};

    if (KeWaitForMultipleObjects(RTL_NUMBER_OF(Objects), Objects, WaitAny, Executive, KernelMode, FALSE,
                                 Timeout, NULL) != STATUS_WAIT_0) {
        IoCancelIrp(Request->Irp); /* ours until we free it, so also when it has just completed */
    }
    return ClientRequestWait(Request);
}

VOID ClientRequestFree(PCLIENT_REQUEST Request)
{
    IoFreeIrp(Request->Irp);
    Request->Irp = NULL;
}

VOID ClientLoopback(ADDRESS_FAMILY Family, USHORT Port, PSOCKADDR_STORAGE Address)
{
    RtlZeroMemory(Address, sizeof(*Address));
    if (Family == AF_INET6) {
        PSOCKADDR_IN6 Inet6 = (PSOCKADDR_IN6)Address;

        Inet6->sin6_family = AF_INET6;
        Inet6->sin6_port = RtlUshortByteSwap(Port);
        Inet6->sin6_addr.u.Byte[15] = 1;
    } else {
        PSOCKADDR_IN Inet = (PSOCKADDR_IN)Address;

        Inet->sin_family = AF_INET;
        Inet->sin_port = RtlUshortByteSwap(Port);
        Inet->sin_addr.S_un.S_un_b.s_b1 = 127;
        Inet->sin_addr.S_un.S_un_b.s_b4 = 1;
    }
}

USHORT ClientPort(CONST SOCKADDR_STORAGE *Address)
{
    /* The port stands at the same place in both families. */
    return RtlUshortByteSwap(((CONST SOCKADDR_IN *)Address)->sin_port);
}

NTSTATUS ClientSocket(ADDRESS_FAMILY Family, ULONG Category, PVOID SocketContext, CONST VOID *Dispatch,
                      PWSK_SOCKET *Socket)
{
    USHORT Type = (USHORT)(Category == WSK_FLAG_DATAGRAM_SOCKET ? SOCK_DGRAM : SOCK_STREAM);
    ULONG Protocol = Category == WSK_FLAG_DATAGRAM_SOCKET ? IPPROTO_UDP : IPPROTO_TCP;
    CLIENT_REQUEST Request;
    NTSTATUS Status;

    *Socket = NULL;
    Status = ClientRequestCreate(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientProvider.Dispatch->WskSocket(ClientProvider.Client, Family, Type, Protocol, Category, SocketContext,
                                       Dispatch, NULL, NULL, NULL, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    if (NT_SUCCESS(Status)) {
        *Socket = (PWSK_SOCKET)Request.Irp->IoStatus.Information;
    }
    ClientRequestFree(&Request);
    return Status;
}

NTSTATUS ClientBind(PWSK_SOCKET Socket, CONST SOCKADDR_STORAGE *Address)
{
    /* WskBind stands at the same place in the tables of both categories. */
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Dispatch = (CONST WSK_PROVIDER_LISTEN_DISPATCH *)Socket->Dispatch;
    CLIENT_REQUEST Request;
    NTSTATUS Status;

    Status = ClientRequestCreate(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Dispatch->WskBind(Socket, (PSOCKADDR)Address, 0, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    ClientRequestFree(&Request);
    return Status;
}

C_ASSERT(FIELD_OFFSET(WSK_PROVIDER_LISTEN_DISPATCH, WskBind) ==
         FIELD_OFFSET(WSK_PROVIDER_CONNECTION_DISPATCH, WskBind));

NTSTATUS ClientListen(ADDRESS_FAMILY Family, USHORT Port, PVOID SocketContext,
                      CONST WSK_CLIENT_LISTEN_DISPATCH *Dispatch, PWSK_SOCKET *Socket)
{
    SOCKADDR_STORAGE Address;
    NTSTATUS Status;

    Status = ClientSocket(Family, WSK_FLAG_LISTEN_SOCKET, SocketContext, Dispatch, Socket);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientLoopback(Family, Port, &Address);
    Status = ClientBind(*Socket, &Address);
    if (!NT_SUCCESS(Status)) {
        ClientClose(*Socket);
        *Socket = NULL;
    }
    return Status;
}

NTSTATUS ClientListenAddress(PWSK_SOCKET Socket, PSOCKADDR_STORAGE Address)
{
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Dispatch = (CONST WSK_PROVIDER_LISTEN_DISPATCH *)Socket->Dispatch;
    CLIENT_REQUEST Request;
    NTSTATUS Status;

    RtlZeroMemory(Address, sizeof(*Address));
    Status = ClientRequestCreate(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Dispatch->WskGetLocalAddress(Socket, (PSOCKADDR)Address, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    ClientRequestFree(&Request);
    return Status;
}

NTSTATUS ClientEnableEvents(PWSK_SOCKET Socket, ULONG EventMask)
{
    CONST WSK_PROVIDER_BASIC_DISPATCH *Dispatch = (CONST WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;
    NPIID NpiId = NPI_WSK_INTERFACE_ID;
    WSK_EVENT_CALLBACK_CONTROL Control;

    Control.NpiId = &NpiId;
    Control.EventMask = EventMask;
    return Dispatch->WskControlSocket(Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
                                      sizeof(Control), &Control, 0, NULL, NULL, NULL);
}

/* For requests that have to be made: a lack of memory is waited out. */
static VOID ClientRequestInsist(_Out_ PCLIENT_REQUEST Request)
{
    LARGE_INTEGER Moment;

    Moment.QuadPart = -10 * 1000 * 10;
    while (!NT_SUCCESS(ClientRequestCreate(Request))) {
        KeDelayExecutionThread(KernelMode, FALSE, &Moment);
    }
}

VOID ClientDisableEvent(PWSK_SOCKET Socket, ULONG Event)
{
    CONST WSK_PROVIDER_BASIC_DISPATCH *Dispatch = (CONST WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;
    NPIID NpiId = NPI_WSK_INTERFACE_ID;
    WSK_EVENT_CALLBACK_CONTROL Control;
    CLIENT_REQUEST Request;

    Control.NpiId = &NpiId;
    Control.EventMask = Event | WSK_EVENT_DISABLE;
    ClientRequestInsist(&Request);
    Dispatch->WskControlSocket(Socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof(Control),
                               &Control, 0, NULL, NULL, ClientRequestStart(&Request));
    ClientRequestWait(&Request);
    ClientRequestFree(&Request);
}

VOID ClientClose(PWSK_SOCKET Socket)
{
    CONST WSK_PROVIDER_BASIC_DISPATCH *Dispatch = (CONST WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch;
    CLIENT_REQUEST Request;

    ClientRequestInsist(&Request); /* an open socket must not be forgotten */
    Dispatch->WskCloseSocket(Socket, ClientRequestStart(&Request));
    ClientRequestWait(&Request);
    ClientRequestFree(&Request);
}

/* ---- parameters and names ----------------------------------------------------------------------------- */

typedef union _CLIENT_VALUE {
    KEY_VALUE_PARTIAL_INFORMATION Information;
    UCHAR Room[FIELD_OFFSET(KEY_VALUE_PARTIAL_INFORMATION, Data) + 1000];
} CLIENT_VALUE, *PCLIENT_VALUE;

static NTSTATUS ClientParameter(_In_ PUNICODE_STRING RegistryPath, _In_ PCWSTR Name, _In_ ULONG Type,
                                _Out_ PCLIENT_VALUE Value)
{
    UNICODE_STRING Parameters = RTL_CONSTANT_STRING(L"Parameters"), ValueName;
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Service, Key;
    ULONG Length;
    NTSTATUS Status;

    InitializeObjectAttributes(&Attributes, RegistryPath, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL,
                               NULL);
    Status = ZwOpenKey(&Service, KEY_READ, &Attributes);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    InitializeObjectAttributes(&Attributes, &Parameters, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, Service,
                               NULL);
    Status = ZwOpenKey(&Key, KEY_READ, &Attributes);
    ZwClose(Service);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    RtlInitUnicodeString(&ValueName, Name);
    Status = ZwQueryValueKey(Key, &ValueName, KeyValuePartialInformation, Value, sizeof(*Value), &Length);
    ZwClose(Key);
    if (NT_SUCCESS(Status) && Value->Information.Type != Type) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    return Status;
}

NTSTATUS ClientParameterText(PUNICODE_STRING RegistryPath, PCWSTR Name, PWSTR Text, ULONG Units)
{
    CLIENT_VALUE Value;
    NTSTATUS Status = ClientParameter(RegistryPath, Name, REG_SZ, &Value);
    ULONG Length;

    Text[0] = 0;
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    /* Whoever wrote the value may have written it without its NUL. */
    Length = Value.Information.DataLength / sizeof(WCHAR);
    if (Length >= Units) {
        return STATUS_BUFFER_OVERFLOW;
    }
    RtlCopyMemory(Text, Value.Information.Data, Length * sizeof(WCHAR));
    Text[Length] = 0;
    return STATUS_SUCCESS;
}

NTSTATUS ClientParameterNumber(PUNICODE_STRING RegistryPath, PCWSTR Name, PULONG Number)
{
    CLIENT_VALUE Value;
    NTSTATUS Status = ClientParameter(RegistryPath, Name, REG_DWORD, &Value);

    *Number = 0;
    if (NT_SUCCESS(Status)) {
        if (Value.Information.DataLength != sizeof(*Number)) {
            return STATUS_OBJECT_TYPE_MISMATCH;
        }
        RtlCopyMemory(Number, Value.Information.Data, sizeof(*Number));
    }
    return Status;
}

NTSTATUS ClientResolve(PCWSTR Host, USHORT Port, INT Type, PKEVENT Stop, PSOCKADDR_STORAGE Address)
{
    ADDRINFOEXW Hints = {0};
    PADDRINFOEXW List = NULL;
    UNICODE_STRING Name;
    CLIENT_REQUEST Request;
    NTSTATUS Status;

    RtlZeroMemory(Address, sizeof(*Address));
    RtlInitUnicodeString(&Name, Host);
    Hints.ai_family = AF_UNSPEC;
    Hints.ai_socktype = Type;
    Status = ClientRequestCreate(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientProvider.Dispatch->WskGetAddressInfo(ClientProvider.Client, &Name, NULL, 0, NULL, &Hints, &List,
                                               NULL, NULL, ClientRequestStart(&Request));
    Status = ClientRequestWaitOrCancel(&Request, Stop, NULL);
    ClientRequestFree(&Request);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    RtlCopyMemory(Address, List->ai_addr, min(List->ai_addrlen, sizeof(*Address)));
    ((PSOCKADDR_IN)Address)->sin_port = RtlUshortByteSwap(Port); /* at the same place in both families */
    ClientProvider.Dispatch->WskFreeAddressInfo(ClientProvider.Client, List);
    return STATUS_SUCCESS;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

NTSTATUS ClientThreadStart(PKSTART_ROUTINE Routine, PVOID Context, PVOID *Thread)
{
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Handle;
    NTSTATUS Status;

    *Thread = NULL;
    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, Routine, Context);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    /* A kernel handle of a thread that we have just created: there is no way for this to fail. */
    Status = ObReferenceObjectByHandle(Handle, SYNCHRONIZE, *PsThreadType, KernelMode, Thread, NULL);
    NT_ASSERT(NT_SUCCESS(Status));
    ZwClose(Handle);
    return Status;
}

VOID ClientThreadWait(PVOID Thread)
{
    KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Thread);
}
