/*
 * dns-query.c - asks the DNS server Parameters\Server, port Parameters\Port (53), for the IPv4 addresses of
 * Parameters\Name, and prints them.
 *
 * UDP loses datagrams: the query is sent again when no answer has come in time, a few times.  A receive that waits too
 * long, or into the unload, is cancelled; and it is waited for all the same, since until its completion WSK may write
 * to its buffer and to its IRP.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../common/wskclient.h"

#ifndef DNS_TRIES
#define DNS_TRIES 4
#endif
#ifndef DNS_TIMEOUT
#define DNS_TIMEOUT 500 /* milliseconds that each query waits for its answer */
#endif

#define DNS_TAG        'qsnD'
#define DNS_PORT       53
#define DNS_TEXT_UNITS 256
#define DNS_HEADER     12
#define DNS_MESSAGE    512 /* bytes: the longest over UDP, unless both sides agree on more */
#define DNS_LABEL      63

#define DNS_FLAG_ANSWER    0x8000
#define DNS_FLAG_TRUNCATED 0x0200
#define DNS_FLAG_RECURSE   0x0100
#define DNS_CODE_MASK      0x000f
#define DNS_CODE_NO_NAME   3
#define DNS_TYPE_A         1
#define DNS_CLASS_IN       1

/* A buffer that WSK uses through an MDL. */
typedef struct _DNS_BUFFER {
    PMDL Mdl;
    ULONG Length; /* of the message in it */
    UCHAR Bytes[DNS_MESSAGE];
} DNS_BUFFER, *PDNS_BUFFER;

typedef struct _DNS_CLIENT {
    WCHAR Server[DNS_TEXT_UNITS];
    ULONG Port;
    WCHAR Name[DNS_TEXT_UNITS];
    KEVENT Stop; /* the unload has begun */
    PVOID Thread;

    /* the thread's own */
    PWSK_SOCKET Socket;
    CLIENT_REQUEST Request;
    SOCKADDR_STORAGE ServerAddress;
    SOCKADDR_STORAGE From; /* of the datagram that was received last */
    DNS_BUFFER Query, Answer;
} DNS_CLIENT, *PDNS_CLIENT;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD DnsUnload;
static KSTART_ROUTINE DnsThread;

static PDNS_CLIENT DnsClient;

static CONST WSK_PROVIDER_DATAGRAM_DISPATCH *DnsDispatch(_In_ PDNS_CLIENT Client)
{
    return (CONST WSK_PROVIDER_DATAGRAM_DISPATCH *)Client->Socket->Dispatch;
}

/* ---- messages ----------------------------------------------------------------------------------------- */

static USHORT DnsRead16(_In_ CONST UCHAR *Bytes)
{
    return (USHORT)(Bytes[0] << 8 | Bytes[1]);
}

static VOID DnsAppend16(_Inout_ PDNS_BUFFER Message, _In_ ULONG Value)
{
    Message->Bytes[Message->Length++] = (UCHAR)(Value >> 8);
    Message->Bytes[Message->Length++] = (UCHAR)Value;
}

/* The question for the addresses of a name of ASCII letters; its labels stand between dots. */
static NTSTATUS DnsBuildQuery(_Inout_ PDNS_BUFFER Query, _In_ PCWSTR Name, _In_ USHORT Id)
{
    Query->Length = 0;
    DnsAppend16(Query, Id);
    DnsAppend16(Query, DNS_FLAG_RECURSE);
    DnsAppend16(Query, 1); /* one question, and nothing else */
    DnsAppend16(Query, 0);
    DnsAppend16(Query, 0);
    DnsAppend16(Query, 0);
    while (*Name != 0) { /* at most DNS_TEXT_UNITS: there is room */
        ULONG At = Query->Length++, Label;

        for (; *Name != 0 && *Name != L'.'; Name++) {
            if (*Name > 0x7e) {
                return STATUS_OBJECT_NAME_INVALID;
            }
            Query->Bytes[Query->Length++] = (UCHAR)*Name;
        }
        Label = Query->Length - At - 1;
        if (Label == 0 || Label > DNS_LABEL) {
            return STATUS_OBJECT_NAME_INVALID;
        }
        Query->Bytes[At] = (UCHAR)Label;
        if (*Name == L'.') {
            Name++;
        }
    }
    Query->Bytes[Query->Length++] = 0;
    DnsAppend16(Query, DNS_TYPE_A);
    DnsAppend16(Query, DNS_CLASS_IN);
    return STATUS_SUCCESS;
}

C_ASSERT(DNS_HEADER + DNS_TEXT_UNITS + 1 + 4 <= DNS_MESSAGE);

/* Behind the name at Offset, or 0 when the message ends before. Pointers are not followed: one ends the name. */
static ULONG DnsSkipName(_In_ CONST DNS_BUFFER *Message, _In_ ULONG Offset)
{
    while (Offset < Message->Length) {
        UCHAR Length = Message->Bytes[Offset];

        if (Length == 0) {
            return Offset + 1;
        }
        if ((Length & 0xc0) == 0xc0) {
            return Offset + 2 <= Message->Length ? Offset + 2 : 0;
        }
        if (Length > DNS_LABEL) {
            return 0;
        }
        Offset += 1 + Length;
    }
    return 0;
}

/* TRUE: an answer to our query, whatever it says; the question comes back with it. Anybody may send us datagrams. */
static BOOLEAN DnsIsAnswer(_In_ PDNS_CLIENT Client)
{
    PDNS_BUFFER Query = &Client->Query, Answer = &Client->Answer;
    ULONG Question = Query->Length - DNS_HEADER;
    CONST SOCKADDR_IN *From = (CONST SOCKADDR_IN *)&Client->From;
    CONST SOCKADDR_IN *Server = (CONST SOCKADDR_IN *)&Client->ServerAddress;

    if (From->sin_family != Server->sin_family || From->sin_port != Server->sin_port) {
        return FALSE;
    }
    if (From->sin_family == AF_INET
            ? From->sin_addr.s_addr != Server->sin_addr.s_addr
            : !RtlEqualMemory(&((CONST SOCKADDR_IN6 *)From)->sin6_addr,
                              &((CONST SOCKADDR_IN6 *)Server)->sin6_addr, sizeof(IN6_ADDR))) {
        return FALSE;
    }
    return Answer->Length >= Query->Length && DnsRead16(Answer->Bytes) == DnsRead16(Query->Bytes) &&
           (DnsRead16(Answer->Bytes + 2) & DNS_FLAG_ANSWER) && DnsRead16(Answer->Bytes + 4) == 1 &&
           RtlEqualMemory(Answer->Bytes + DNS_HEADER, Query->Bytes + DNS_HEADER, Question);
}

/* Prints the addresses of the answer. */
static NTSTATUS DnsPrintAnswer(_In_ PDNS_CLIENT Client)
{
    CONST DNS_BUFFER *Answer = &Client->Answer;
    USHORT Flags = DnsRead16(Answer->Bytes + 2), Records = DnsRead16(Answer->Bytes + 6);
    ULONG Offset = Client->Query.Length, Addresses = 0;

    if ((Flags & DNS_CODE_MASK) == DNS_CODE_NO_NAME) {
        return STATUS_NOT_FOUND;
    }
    if ((Flags & DNS_CODE_MASK) != 0) {
        return STATUS_UNSUCCESSFUL;
    }
    for (; Records != 0; Records--) {
        CONST UCHAR *Record;
        ULONG Length;

        Offset = DnsSkipName(Answer, Offset);
        if (Offset == 0 || Answer->Length - Offset < 10) { /* type, class, time to live, length */
            break;
        }
        Record = Answer->Bytes + Offset;
        Length = DnsRead16(Record + 8);
        Offset += 10;
        if (Answer->Length - Offset < Length) {
            break;
        }
        Offset += Length;
        if (DnsRead16(Record) == DNS_TYPE_A && DnsRead16(Record + 2) == DNS_CLASS_IN && Length == 4) {
            DbgPrint("%ws has address %u.%u.%u.%u\n", Client->Name, Record[10], Record[11], Record[12],
                     Record[13]);
            Addresses++;
        }
    }
    if (Records != 0 && !(Flags & DNS_FLAG_TRUNCATED)) {
        return STATUS_INVALID_NETWORK_RESPONSE; /* it promises more than it holds */
    }
    return Addresses != 0 ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

/* ---- asking ------------------------------------------------------------------------------------------- */

static NTSTATUS DnsSend(_Inout_ PDNS_CLIENT Client)
{
    WSK_BUF WskBuf = {Client->Query.Mdl, 0, Client->Query.Length};

    DnsDispatch(Client)->WskSendTo(Client->Socket, &WskBuf, 0, (PSOCKADDR)&Client->ServerAddress, 0, NULL,
                                   ClientRequestStart(&Client->Request));
    return ClientRequestWaitOrCancel(&Client->Request, &Client->Stop, NULL);
}

/* Receives until the answer is there: STATUS_IO_TIMEOUT when it has not come in time. */
static NTSTATUS DnsReceive(_Inout_ PDNS_CLIENT Client)
{
    WSK_BUF WskBuf = {Client->Answer.Mdl, 0, sizeof(Client->Answer.Bytes)};
    ULONGLONG End = KeQueryInterruptTime() + (ULONGLONG)DNS_TIMEOUT * 10 * 1000;

    for (;;) {
        ULONGLONG Now = KeQueryInterruptTime();
        LARGE_INTEGER Left;
        NTSTATUS Status;

        if (Now >= End) { /* whatever else comes meanwhile */
            return STATUS_IO_TIMEOUT;
        }
        Left.QuadPart = (LONGLONG)Now - (LONGLONG)End;
        DnsDispatch(Client)->WskReceiveFrom(Client->Socket, &WskBuf, 0, (PSOCKADDR)&Client->From, NULL, NULL,
                                            NULL, ClientRequestStart(&Client->Request));
        Status = ClientRequestWaitOrCancel(&Client->Request, &Client->Stop, &Left);
        if (Status == STATUS_CANCELLED && !KeReadStateEvent(&Client->Stop)) {
            return STATUS_IO_TIMEOUT;
        }
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
        Client->Answer.Length = (ULONG)Client->Request.Irp->IoStatus.Information;
        if (DnsIsAnswer(Client)) {
            return STATUS_SUCCESS;
        }
    }
}

static NTSTATUS DnsAsk(_Inout_ PDNS_CLIENT Client)
{
    ULONG Seed = (ULONG)KeQueryInterruptTime();
    SOCKADDR_STORAGE Local;
    NTSTATUS Status;
    ULONG Try;

    Status = DnsBuildQuery(&Client->Query, Client->Name, (USHORT)RtlRandomEx(&Seed));
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    RtlZeroMemory(&Local, sizeof(Local)); /* any address of this machine, any port */
    Local.ss_family = Client->ServerAddress.ss_family;
    Status = ClientBind(Client->Socket, &Local);
    for (Try = 1; NT_SUCCESS(Status); Try++) {
        Status = DnsSend(Client);
        if (NT_SUCCESS(Status)) {
            Status = DnsReceive(Client);
        }
        if (NT_SUCCESS(Status)) {
            return DnsPrintAnswer(Client);
        }
        if (Status == STATUS_IO_TIMEOUT && Try < DNS_TRIES) {
            DbgPrint("no answer to query %u\n", Try);
            Status = STATUS_SUCCESS;
        }
    }
    return Status;
}

static VOID DnsThread(PVOID Context)
{
    PDNS_CLIENT Client = (PDNS_CLIENT)Context;
    NTSTATUS Status = ClientResolve(Client->Server, (USHORT)Client->Port, SOCK_DGRAM, &Client->Stop,
                                    &Client->ServerAddress);

    if (NT_SUCCESS(Status)) {
        Status = ClientSocket(Client->ServerAddress.ss_family, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL,
                              &Client->Socket);
    }
    if (NT_SUCCESS(Status)) {
        Status = DnsAsk(Client);
        ClientClose(Client->Socket);
    }
    DbgPrint("%ws: 0x%08x\n", Client->Name, Status);
    PsTerminateSystemThread(Status);
}

/* ---- start and end ------------------------------------------------------------------------------------ */

static VOID DnsFree(_In_ PDNS_CLIENT Client)
{
    if (Client->Query.Mdl != NULL) {
        IoFreeMdl(Client->Query.Mdl);
    }
    if (Client->Answer.Mdl != NULL) {
        IoFreeMdl(Client->Answer.Mdl);
    }
    if (Client->Request.Irp != NULL) {
        ClientRequestFree(&Client->Request);
    }
    ExFreePoolWithTag(Client, DNS_TAG);
}

static PDNS_CLIENT DnsCreate(VOID)
{
    PDNS_CLIENT Client = (PDNS_CLIENT)ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Client), DNS_TAG);

    if (Client == NULL) {
        return NULL;
    }
    KeInitializeEvent(&Client->Stop, NotificationEvent, FALSE);
    Client->Query.Mdl = IoAllocateMdl(Client->Query.Bytes, sizeof(Client->Query.Bytes), FALSE, FALSE, NULL);
    Client->Answer.Mdl =
        IoAllocateMdl(Client->Answer.Bytes, sizeof(Client->Answer.Bytes), FALSE, FALSE, NULL);
    if (Client->Query.Mdl == NULL || Client->Answer.Mdl == NULL ||
        !NT_SUCCESS(ClientRequestCreate(&Client->Request))) {
        DnsFree(Client);
        return NULL;
    }
    MmBuildMdlForNonPagedPool(Client->Query.Mdl);
    MmBuildMdlForNonPagedPool(Client->Answer.Mdl);
    return Client;
}

static NTSTATUS DnsReadParameters(_In_ PUNICODE_STRING RegistryPath, _Inout_ PDNS_CLIENT Client)
{
    NTSTATUS Status = ClientParameterNumber(RegistryPath, L"Port", &Client->Port);

    if (Status == STATUS_OBJECT_NAME_NOT_FOUND) {
        Client->Port = DNS_PORT;
    } else if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ClientParameterText(RegistryPath, L"Server", Client->Server, RTL_NUMBER_OF(Client->Server));
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    return ClientParameterText(RegistryPath, L"Name", Client->Name, RTL_NUMBER_OF(Client->Name));
}

static VOID DnsUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeSetEvent(&DnsClient->Stop, IO_NO_INCREMENT, FALSE);
    ClientThreadWait(DnsClient->Thread);
    ClientDetach();
    DnsFree(DnsClient);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    DnsClient = DnsCreate();
    if (DnsClient == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = DnsReadParameters(RegistryPath, DnsClient);
    if (!NT_SUCCESS(Status)) {
        DbgPrint("Parameters needs Server and Name (REG_SZ): 0x%08x\n", Status);
        DnsFree(DnsClient);
        return Status;
    }
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        DnsFree(DnsClient);
        return Status;
    }
    Status = ClientThreadStart(DnsThread, DnsClient, &DnsClient->Thread);
    if (!NT_SUCCESS(Status)) {
        ClientDetach();
        DnsFree(DnsClient);
        return Status;
    }
    DriverObject->DriverUnload = DnsUnload;
    return STATUS_SUCCESS;
}
