/*
 * price.c - what single things cost a driver, measured in DriverEntry: an IRP allocated, completed and freed;
 * the close of a connection with 1, 100 and 10,000 pending receives; the close of many idle connections.
 * Connects to `client sink PRICE_PORT`. Prints lines "price NAME NANOSECONDS", per IRP, close or connection.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../../drivers/common/wskclient.h"

#ifndef PRICE_PORT
#define PRICE_PORT 15030
#endif
#define PRICE_TAG          'cirP'
#define PRICE_MAX_RECEIVES 10000
#define PRICE_IDLE         9000
#define PRICE_IRPS         200000

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD PriceUnload;
static IO_COMPLETION_ROUTINE PriceKeep, PriceCount;

static struct {
    PWSK_SOCKET Sockets[PRICE_IDLE];
    PIRP Irps[PRICE_MAX_RECEIVES];
    volatile LONG Left;
    KEVENT Done;
    UCHAR Buffer[64];
} * Price;

static LONGLONG PriceNow(VOID)
{
    LARGE_INTEGER Frequency, Count = KeQueryPerformanceCounter(&Frequency);

    return (LONGLONG)((double)Count.QuadPart * 1e9 / (double)Frequency.QuadPart);
}

static NTSTATUS PriceKeep(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS PriceCount(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    if (InterlockedDecrement(&Price->Left) == 0) {
        KeSetEvent(&Price->Done, IO_NETWORK_INCREMENT, FALSE);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS PriceConnect(_Outptr_ PWSK_SOCKET *Socket)
{
    SOCKADDR_STORAGE Local, Remote;
    CLIENT_REQUEST Request;
    NTSTATUS Status = ClientRequestCreate(&Request);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientLoopback(AF_INET, 0, &Local);
    ClientLoopback(AF_INET, PRICE_PORT, &Remote);
    ClientProvider.Dispatch->WskSocketConnect(ClientProvider.Client, SOCK_STREAM, IPPROTO_TCP,
                                              (PSOCKADDR)&Local, (PSOCKADDR)&Remote, 0, NULL, NULL, NULL,
                                              NULL, NULL, ClientRequestStart(&Request));
    Status = ClientRequestWait(&Request);
    if (NT_SUCCESS(Status)) {
        *Socket = (PWSK_SOCKET)Request.Irp->IoStatus.Information;
    }
    ClientRequestFree(&Request);
    return Status;
}

static VOID PriceOfIrps(VOID)
{
    LONGLONG Begin = PriceNow();
    ULONG Index;

    for (Index = 0; Index < PRICE_IRPS; Index++) {
        PIRP Irp = IoAllocateIrp(1, FALSE);

        if (Irp == NULL) {
            return;
        }
        IoSetCompletionRoutine(Irp, PriceKeep, NULL, TRUE, TRUE, TRUE);
        IoSetNextIrpStackLocation(Irp);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        IoFreeIrp(Irp);
    }
    DbgPrint("price irp %lld\n", (PriceNow() - Begin) / PRICE_IRPS);
}

static NTSTATUS PriceOfPending(_In_ ULONG Count)
{
    CONST WSK_PROVIDER_CONNECTION_DISPATCH *Dispatch;
    PMDL Mdl = IoAllocateMdl(Price->Buffer, sizeof(Price->Buffer), FALSE, FALSE, NULL);
    WSK_BUF WskBuf = {Mdl, 0, sizeof(Price->Buffer)};
    PWSK_SOCKET Socket;
    LONGLONG Begin;
    NTSTATUS Status;
    ULONG Index;

    if (Mdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(Mdl);
    Status = PriceConnect(&Socket);
    if (NT_SUCCESS(Status)) {
        Dispatch = (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch;
        KeClearEvent(&Price->Done);
        Price->Left = (LONG)Count;
        for (Index = 0; Index < Count; Index++) {
            IoReuseIrp(Price->Irps[Index], STATUS_UNSUCCESSFUL);
            IoSetCompletionRoutine(Price->Irps[Index], PriceCount, NULL, TRUE, TRUE, TRUE);
            Dispatch->WskReceive(Socket, &WskBuf, 0, Price->Irps[Index]);
        }
        Begin = PriceNow();
        ClientClose(Socket); /* completes last, when each of the receives has */
        DbgPrint("price close-%u-pending %lld\n", Count, PriceNow() - Begin);
        KeWaitForSingleObject(&Price->Done, Executive, KernelMode, FALSE, NULL);
    }
    IoFreeMdl(Mdl);
    return Status;
}

static NTSTATUS PriceOfIdle(VOID)
{
    NTSTATUS Status = STATUS_SUCCESS;
    ULONG Index, Count;
    LONGLONG Begin;

    for (Count = 0; Count < PRICE_IDLE; Count++) {
        Status = PriceConnect(&Price->Sockets[Count]);
        if (!NT_SUCCESS(Status)) {
            DbgPrint("connection %u: 0x%08x\n", Count, Status);
            break;
        }
    }
    KeClearEvent(&Price->Done);
    Price->Left = (LONG)Count;
    Begin = PriceNow();
    for (Index = 0; Index < Count; Index++) {
        CONST WSK_PROVIDER_BASIC_DISPATCH *Dispatch =
            (CONST WSK_PROVIDER_BASIC_DISPATCH *)Price->Sockets[Index]->Dispatch;

        IoReuseIrp(Price->Irps[Index], STATUS_UNSUCCESSFUL);
        IoSetCompletionRoutine(Price->Irps[Index], PriceCount, NULL, TRUE, TRUE, TRUE);
        Dispatch->WskCloseSocket(Price->Sockets[Index], Price->Irps[Index]);
    }
    if (Count != 0) {
        KeWaitForSingleObject(&Price->Done, Executive, KernelMode, FALSE, NULL);
        DbgPrint("price close-idle %lld\n", (PriceNow() - Begin) / Count);
    }
    return Status;
}

static VOID PriceUnload(PDRIVER_OBJECT DriverObject)
{
    ULONG Index;

    UNREFERENCED_PARAMETER(DriverObject);
    for (Index = 0; Index < PRICE_MAX_RECEIVES; Index++) {
        if (Price->Irps[Index] != NULL) {
            IoFreeIrp(Price->Irps[Index]);
        }
    }
    ExFreePoolWithTag(Price, PRICE_TAG);
    ClientDetach();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static CONST ULONG Pending[] = {1, 100, PRICE_MAX_RECEIVES};
    NTSTATUS Status;
    ULONG Index, Round;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    Price = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*Price), PRICE_TAG);
    if (Price == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    KeInitializeEvent(&Price->Done, NotificationEvent, FALSE);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        ExFreePoolWithTag(Price, PRICE_TAG);
        return Status;
    }
    for (Index = 0; Index < PRICE_MAX_RECEIVES && NT_SUCCESS(Status); Index++) {
        Price->Irps[Index] = IoAllocateIrp(1, FALSE);
        Status = Price->Irps[Index] == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
    }
    for (Round = 0; Round < 5 && NT_SUCCESS(Status); Round++) {
        PriceOfIrps();
        for (Index = 0; Index < RTL_NUMBER_OF(Pending) && NT_SUCCESS(Status); Index++) {
            Status = PriceOfPending(Pending[Index]);
        }
    }
    if (NT_SUCCESS(Status)) {
        Status = PriceOfIdle();
    }
    if (!NT_SUCCESS(Status)) {
        PriceUnload(DriverObject);
        return Status;
    }
    DbgPrint("price end 0\n");
    DriverObject->DriverUnload = PriceUnload;
    return STATUS_SUCCESS;
}
