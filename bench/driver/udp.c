/*
 * udp.c - a sink that counts what WskReceiveFromEvent brings, and a source that sends lists with WskSendMessages
 * (bench/udp.h says what the load expects of them). Ports from UDP_PORT on:
 *
 *   + 0  sink
 *   + 1  sink, its datagrams coalesced (UDP_RECV_MAX_COALESCED_SIZE)
 *   + 2  source: lists of 32 datagrams
 *   + 3  source: one buffer as long as 32 datagrams, cut by UDP_SEND_MSG_SIZE
 */
#include <ntddk.h>
#include <wsk.h>

#include "../../drivers/common/wskclient.h"

#ifndef UDP_PORT
#define UDP_PORT 15050
#endif
#define UDP_TAG   'dpdU'
#define UDP_ASK   8
#define UDP_LIST  32
#define UDP_LISTS 8
#define UDP_BYTES 64

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD UdpUnload;
static IO_COMPLETION_ROUTINE UdpSent;

static NTSTATUS WSKAPI UdpSink(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                               _In_opt_ PWSK_DATAGRAM_INDICATION DataIndication);
static NTSTATUS WSKAPI UdpSource(_In_opt_ PVOID SocketContext, _In_ ULONG Flags,
                                 _In_opt_ PWSK_DATAGRAM_INDICATION DataIndication);

static CONST WSK_CLIENT_DATAGRAM_DISPATCH UdpSinkDispatch = {UdpSink};
static CONST WSK_CLIENT_DATAGRAM_DISPATCH UdpSourceDispatch = {UdpSource};

typedef struct _UDP_SOCKET {
    PWSK_SOCKET Socket;
    EX_RUNDOWN_REF Sends; /* each until its completion routine is about to return */
    ULONG64 Counted;      /* the callback's: one at a time */
    CONST WSK_CLIENT_DATAGRAM_DISPATCH *Dispatch;
    ULONG Option; /* an option of IPPROTO_UDP, 0 = none */
    ULONG Value;
    PWSK_BUF_LIST List;
} UDP_SOCKET, *PUDP_SOCKET;

typedef struct _UDP_ANSWER {
    PUDP_SOCKET Owner;
    PMDL Mdl; /* of Count; NULL for a list */
    ULONG64 Count;
} UDP_ANSWER, *PUDP_ANSWER;

static WSK_BUF_LIST UdpList[UDP_LIST], UdpWhole;
static UCHAR *UdpData;
static PMDL UdpMdl;
static volatile LONG64 UdpFailed;

static UDP_SOCKET UdpSockets[] = {
    {.Dispatch = &UdpSinkDispatch},
    {.Dispatch = &UdpSinkDispatch, .Option = UDP_RECV_MAX_COALESCED_SIZE, .Value = 65535},
    {.Dispatch = &UdpSourceDispatch, .List = UdpList},
    {.Dispatch = &UdpSourceDispatch, .Option = UDP_SEND_MSG_SIZE, .Value = UDP_BYTES, .List = &UdpWhole},
};

/* ---- sending ------------------------------------------------------------------------------------------ */

static NTSTATUS UdpSent(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PUDP_ANSWER Answer = (PUDP_ANSWER)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (!NT_SUCCESS(Irp->IoStatus.Status)) {
        InterlockedAdd64(&UdpFailed, 1);
    }
    if (Answer->Mdl != NULL) {
        IoFreeMdl(Answer->Mdl);
    }
    IoFreeIrp(Irp);
    ExReleaseRundownProtection(&Answer->Owner->Sends);
    ExFreePoolWithTag(Answer, UDP_TAG);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* An answer and its IRP, which UdpSent frees. NULL when there is no memory, or at the end. */
static PIRP UdpPrepare(_In_ PUDP_SOCKET Udp, _Outptr_ PUDP_ANSWER *Answer)
{
    PIRP Irp = IoAllocateIrp(1, FALSE);

    *Answer = (PUDP_ANSWER)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(**Answer), UDP_TAG);
    if (Irp != NULL && *Answer != NULL && ExAcquireRundownProtection(&Udp->Sends)) {
        (*Answer)->Owner = Udp;
        IoSetCompletionRoutine(Irp, UdpSent, *Answer, TRUE, TRUE, TRUE);
        return Irp;
    }
    if (*Answer != NULL) {
        ExFreePoolWithTag(*Answer, UDP_TAG);
    }
    if (Irp != NULL) {
        IoFreeIrp(Irp);
    }
    InterlockedAdd64(&UdpFailed, 1);
    return NULL;
}

static VOID UdpTellCount(_In_ PUDP_SOCKET Udp, _In_ PSOCKADDR To)
{
    PUDP_ANSWER Answer;
    WSK_BUF Buffer;
    PIRP Irp;

    Irp = UdpPrepare(Udp, &Answer);
    if (Irp == NULL) {
        return;
    }
    Answer->Count = Udp->Counted;
    Answer->Mdl = IoAllocateMdl(&Answer->Count, sizeof(Answer->Count), FALSE, FALSE, NULL);
    if (Answer->Mdl == NULL) {
        Irp->IoStatus.Status = STATUS_INSUFFICIENT_RESOURCES;
        UdpSent(NULL, Irp, Answer);
        return;
    }
    MmBuildMdlForNonPagedPool(Answer->Mdl);
    Buffer.Mdl = Answer->Mdl;
    Buffer.Offset = 0;
    Buffer.Length = sizeof(Answer->Count);
    ((CONST WSK_PROVIDER_DATAGRAM_DISPATCH *)Udp->Socket->Dispatch)
        ->WskSendTo(Udp->Socket, &Buffer, 0, To, 0, NULL, Irp);
}

static VOID UdpSendLists(_In_ PUDP_SOCKET Udp, _In_ PSOCKADDR To)
{
    ULONG Index;

    for (Index = 0; Index < UDP_LISTS; Index++) {
        PUDP_ANSWER Answer;
        PIRP Irp = UdpPrepare(Udp, &Answer);

        if (Irp == NULL) {
            return;
        }
        ((CONST WSK_PROVIDER_DATAGRAM_DISPATCH *)Udp->Socket->Dispatch)
            ->WskSendMessages(Udp->Socket, Udp->List, 0, To, 0, NULL, Irp);
    }
}

/* ---- the callbacks ------------------------------------------------------------------------------------ */

/* How many datagrams an indication is: its length by that of the datagrams which were put together. */
static ULONG64 UdpCount(_In_ PWSK_DATAGRAM_INDICATION Indication)
{
    PCMSGHDR Object = Indication->ControlInfo;
    DWORD Size;

    /* The socket asks for nothing else, so it is the first. */
    if (Object == NULL || Object->cmsg_level != IPPROTO_UDP || Object->cmsg_type != UDP_COALESCED_INFO) {
        return 1;
    }
    RtlCopyMemory(&Size, WSA_CMSG_DATA(Object), sizeof(Size));
    return (Indication->Buffer.Length + Size - 1) / Size;
}

static NTSTATUS WSKAPI UdpSink(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION DataIndication)
{
    PUDP_SOCKET Udp = (PUDP_SOCKET)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    for (; DataIndication != NULL; DataIndication = DataIndication->Next) {
        if (DataIndication->Buffer.Length != UDP_ASK) {
            Udp->Counted += UdpCount(DataIndication);
        } else {
            UdpTellCount(Udp, DataIndication->RemoteAddress);
        }
    }
    return STATUS_SUCCESS;
}

static NTSTATUS WSKAPI UdpSource(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION DataIndication)
{
    PUDP_SOCKET Udp = (PUDP_SOCKET)SocketContext;

    UNREFERENCED_PARAMETER(Flags);
    for (; DataIndication != NULL; DataIndication = DataIndication->Next) {
        if (DataIndication->Buffer.Length == UDP_ASK) {
            UdpSendLists(Udp, DataIndication->RemoteAddress);
        }
    }
    return STATUS_SUCCESS;
}

/* ---- start and end ------------------------------------------------------------------------------------ */

static NTSTATUS UdpSet(_In_ PUDP_SOCKET Udp)
{
    CONST WSK_PROVIDER_BASIC_DISPATCH *Dispatch = (CONST WSK_PROVIDER_BASIC_DISPATCH *)Udp->Socket->Dispatch;
    CLIENT_REQUEST Request;
    NTSTATUS Status = ClientRequestCreate(&Request);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Dispatch->WskControlSocket(Udp->Socket, WskSetOption, Udp->Option, IPPROTO_UDP, sizeof(Udp->Value),
                               &Udp->Value, 0, NULL, NULL, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    ClientRequestFree(&Request);
    return Status;
}

static NTSTATUS UdpStart(_Inout_ PUDP_SOCKET Udp, _In_ USHORT Port)
{
    SOCKADDR_STORAGE Address;
    NTSTATUS Status;

    ExInitializeRundownProtection(&Udp->Sends);
    Status = ClientSocket(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, Udp, Udp->Dispatch, &Udp->Socket);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientLoopback(AF_INET, Port, &Address);
    Status = ClientBind(Udp->Socket, &Address);
    if (NT_SUCCESS(Status) && Udp->Option != 0) {
        Status = UdpSet(Udp);
    }
    return NT_SUCCESS(Status) ? ClientEnableEvents(Udp->Socket, WSK_EVENT_RECEIVE_FROM) : Status;
}

static NTSTATUS UdpMakeList(VOID)
{
    ULONG Index;

    UdpData = (UCHAR *)ExAllocatePool2(POOL_FLAG_NON_PAGED, UDP_LIST * UDP_BYTES, UDP_TAG);
    if (UdpData == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    UdpMdl = IoAllocateMdl(UdpData, UDP_LIST * UDP_BYTES, FALSE, FALSE, NULL);
    if (UdpMdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(UdpMdl);
    UdpWhole.Buffer.Mdl = UdpMdl;
    UdpWhole.Buffer.Length = UDP_LIST * UDP_BYTES;
    for (Index = 0; Index < UDP_LIST; Index++) {
        UdpList[Index].Buffer.Mdl = UdpMdl;
        UdpList[Index].Buffer.Offset = Index * UDP_BYTES;
        UdpList[Index].Buffer.Length = UDP_BYTES;
        UdpList[Index].Next = Index + 1 < UDP_LIST ? &UdpList[Index + 1] : NULL;
    }
    return STATUS_SUCCESS;
}

static VOID UdpStop(VOID)
{
    ULONG Index;

    for (Index = 0; Index < RTL_NUMBER_OF(UdpSockets); Index++) {
        PUDP_SOCKET Udp = &UdpSockets[Index];

        if (Udp->Socket == NULL) {
            continue;
        }
        ClientDisableEvent(Udp->Socket, WSK_EVENT_RECEIVE_FROM);
        ExWaitForRundownProtectionRelease(&Udp->Sends);
        ClientClose(Udp->Socket);
    }
    ClientDetach();
    if (UdpMdl != NULL) {
        IoFreeMdl(UdpMdl);
    }
    if (UdpData != NULL) {
        ExFreePoolWithTag(UdpData, UDP_TAG);
    }
}

static VOID UdpUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UdpStop();
    DbgPrint("%llu and %llu counted, %lld sends failed\n", UdpSockets[0].Counted, UdpSockets[1].Counted,
             UdpFailed);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;
    USHORT Index;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = UdpMakeList();
    for (Index = 0; Index < RTL_NUMBER_OF(UdpSockets) && NT_SUCCESS(Status); Index++) {
        Status = UdpStart(&UdpSockets[Index], (USHORT)(UDP_PORT + Index));
    }
    if (!NT_SUCCESS(Status)) {
        UdpStop();
        return Status;
    }
    DriverObject->DriverUnload = UdpUnload;
    return STATUS_SUCCESS;
}
