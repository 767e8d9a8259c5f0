/*
 * gate.c - a driver with a device, \\.\UwskGate: every buffer method, requests that pend, and requests that it
 * passes on to WSK as they are.
 */
#include <ntddk.h>
#include <wsk.h>

#include "../../../drivers/common/wskclient.h"
#include "gate.h"

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD GateUnload;
static DRIVER_DISPATCH GateCreate, GateCleanup, GateClose, GateControl, GateRead, GateWrite;
static DRIVER_CANCEL GateCancel;
static IO_COMPLETION_ROUTINE GateReceived, GateStop;
static IO_WORKITEM_ROUTINE GateResume;

typedef struct _GATE {
    KSPIN_LOCK Lock;
    LIST_ENTRY Held;     /* GATE_HOLD */
    LIST_ENTRY Stubborn; /* GATE_STUBBORN */
    struct gate_counts Counts;
    UCHAR Remembered[64];
    ULONG RememberedBytes;
    PWSK_SOCKET Socket;
    WSK_BUF Buffer;
    PIO_WORKITEM WorkItem;
} GATE, *PGATE;

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\UwskGate");
static UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\UwskGate");

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* ---- files -------------------------------------------------------------------------------------------- */

static NTSTATUS GateCreate(PDEVICE_OBJECT Device, PIRP Irp)
{
    static const UNICODE_STRING Forbidden = RTL_CONSTANT_STRING(L"\\forbidden");
    PGATE Gate = (PGATE)Device->DeviceExtension;

    if (RtlEqualUnicodeString(&IoGetCurrentIrpStackLocation(Irp)->FileObject->FileName, &Forbidden, TRUE)) {
        return Complete(Irp, STATUS_ACCESS_DENIED, 0);
    }
    InterlockedIncrement((volatile LONG *)&Gate->Counts.creates);
    return Complete(Irp, STATUS_SUCCESS, FILE_OPENED);
}

/* Leaves the pending requests to the I/O manager, which cancels them. */
static NTSTATUS GateCleanup(PDEVICE_OBJECT Device, PIRP Irp)
{
    InterlockedIncrement((volatile LONG *)&((PGATE)Device->DeviceExtension)->Counts.cleanups);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS GateClose(PDEVICE_OBJECT Device, PIRP Irp)
{
    InterlockedIncrement((volatile LONG *)&((PGATE)Device->DeviceExtension)->Counts.closes);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* ---- requests that pend ------------------------------------------------------------------------------- */

static VOID GateCancel(PDEVICE_OBJECT Device, PIRP Irp)
{
    PGATE Gate = (PGATE)Device->DeviceExtension;
    KIRQL Irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    KeAcquireSpinLock(&Gate->Lock, &Irql);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    Gate->Counts.cancels++;
    KeReleaseSpinLock(&Gate->Lock, Irql);
    Complete(Irp, STATUS_CANCELLED, 0);
}

static NTSTATUS Hold(PGATE Gate, PIRP Irp)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Gate->Lock, &Irql);
    IoMarkIrpPending(Irp);
    InsertTailList(&Gate->Held, &Irp->Tail.Overlay.ListEntry);
    IoSetCancelRoutine(Irp, GateCancel);
    if (Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL) {
        RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
        KeReleaseSpinLock(&Gate->Lock, Irql);
        Complete(Irp, STATUS_CANCELLED, 0);
        return STATUS_PENDING;
    }
    KeReleaseSpinLock(&Gate->Lock, Irql);
    return STATUS_PENDING;
}

static NTSTATUS HoldStubbornly(PGATE Gate, PIRP Irp)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Gate->Lock, &Irql);
    IoMarkIrpPending(Irp);
    InsertTailList(&Gate->Stubborn, &Irp->Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&Gate->Lock, Irql);
    return STATUS_PENDING;
}

static VOID LetGo(PGATE Gate)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Gate->Lock, &Irql);
    while (!IsListEmpty(&Gate->Stubborn)) {
        PIRP Irp = CONTAINING_RECORD(RemoveHeadList(&Gate->Stubborn), IRP, Tail.Overlay.ListEntry);

        KeReleaseSpinLock(&Gate->Lock, Irql);
        Complete(Irp, STATUS_SUCCESS, 0);
        KeAcquireSpinLock(&Gate->Lock, &Irql);
    }
    KeReleaseSpinLock(&Gate->Lock, Irql);
}

/* ---- requests that go on to WSK ----------------------------------------------------------------------- */

static NTSTATUS Connect(PGATE Gate, USHORT Port)
{
    SOCKADDR_STORAGE Local, Remote;
    CLIENT_REQUEST Request;
    PWSK_SOCKET Socket;
    NTSTATUS Status = ClientSocket(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, &Socket);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    ClientLoopback(AF_INET, 0, &Local);
    ClientLoopback(AF_INET, Port, &Remote);
    Status = ClientBind(Socket, &Local);
    if (NT_SUCCESS(Status)) {
        Status = ClientRequestCreate(&Request);
    }
    if (NT_SUCCESS(Status)) {
        ((CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Socket->Dispatch)
            ->WskConnect(Socket, (PSOCKADDR)&Remote, 0, ClientRequestStart(&Request));
        Status = ClientRequestWait(&Request);
        ClientRequestFree(&Request);
    }
    if (NT_SUCCESS(Status)) {
        Gate->Socket = Socket;
    } else {
        ClientClose(Socket);
    }
    return Status;
}

/* For success only: of the other outcomes nobody here wants to know. */
static NTSTATUS GateReceived(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    PGATE Gate = (PGATE)Context;

    UNREFERENCED_PARAMETER(Device);
    InterlockedIncrement((volatile LONG *)&Gate->Counts.routines);
    if (Irp->PendingReturned) {
        IoMarkIrpPending(Irp);
    }
    return STATUS_SUCCESS;
}

static VOID GateResume(PDEVICE_OBJECT Device, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    IoCompleteRequest((PIRP)Context, IO_NO_INCREMENT);
}

/* The request ends when GateResume completes it again. It was marked pending before it went down. */
static NTSTATUS GateStop(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    PGATE Gate = (PGATE)Context;

    UNREFERENCED_PARAMETER(Device);
    InterlockedIncrement((volatile LONG *)&Gate->Counts.routines);
    IoQueueWorkItem(Gate->WorkItem, GateResume, DelayedWorkQueue, Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS PassOn(PGATE Gate, PIRP Irp, ULONG Code)
{
    CONST WSK_PROVIDER_CONNECTION_DISPATCH *Dispatch;

    if (Gate->Socket == NULL || Irp->MdlAddress == NULL) {
        return Complete(Irp, STATUS_INVALID_DEVICE_STATE, 0);
    }
    Dispatch = (CONST WSK_PROVIDER_CONNECTION_DISPATCH *)Gate->Socket->Dispatch;
    Gate->Buffer.Mdl = Irp->MdlAddress;
    Gate->Buffer.Offset = 0;
    Gate->Buffer.Length = MmGetMdlByteCount(Irp->MdlAddress);
    if (Code == GATE_SEND) {
        return Dispatch->WskSend(Gate->Socket, &Gate->Buffer, 0, Irp);
    }
    if (Code == GATE_RECEIVE_LATER) {
        IoMarkIrpPending(Irp);
        IoSetCompletionRoutine(Irp, GateStop, Gate, TRUE, TRUE, TRUE);
        Dispatch->WskReceive(Gate->Socket, &Gate->Buffer, 0, Irp);
        return STATUS_PENDING;
    }
    IoSetCompletionRoutine(Irp, GateReceived, Gate, TRUE, FALSE, FALSE);
    return Dispatch->WskReceive(Gate->Socket, &Gate->Buffer, 0, Irp);
}

/* ---- control codes ------------------------------------------------------------------------------------ */

static VOID Remember(PGATE Gate, CONST VOID *Data, ULONG Bytes)
{
    ULONG Room = sizeof(Gate->Remembered) - Gate->RememberedBytes;

    Bytes = Bytes < Room ? Bytes : Room;
    RtlCopyMemory(Gate->Remembered + Gate->RememberedBytes, Data, Bytes);
    Gate->RememberedBytes += Bytes;
}

static ULONG_PTR Answer(PIRP Irp, ULONG Room, CONST VOID *Data, ULONG Bytes)
{
    Bytes = Bytes < Room ? Bytes : Room;
    if (Bytes) { /* else there may be no buffer */
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, Data, Bytes);
    }
    return Bytes;
}

static NTSTATUS Buffered(PGATE Gate, PIRP Irp, ULONG Code, ULONG In, ULONG Out)
{
    PUCHAR Data = (PUCHAR)Irp->AssociatedIrp.SystemBuffer;
    PUNICODE_STRING Name;

    switch (Code) {
    case GATE_REVERSE:
        for (ULONG I = 0; I < In / 2; I++) {
            UCHAR Byte = Data[I];

            Data[I] = Data[In - 1 - I];
            Data[In - 1 - I] = Byte;
        }
        return Complete(Irp, STATUS_SUCCESS, In < Out ? In : Out);
    case GATE_REMEMBERED:
        return Complete(Irp, STATUS_SUCCESS, Answer(Irp, Out, Gate->Remembered, Gate->RememberedBytes));
    case GATE_OVERFLOW:
        return Complete(Irp, STATUS_BUFFER_OVERFLOW, Answer(Irp, Out, "over", 2));
    case GATE_REFUSE:
        return Complete(Irp, STATUS_ACCESS_DENIED, Answer(Irp, Out, "no", 2));
    case GATE_HOLD:
        return Hold(Gate, Irp);
    case GATE_STUBBORN:
        return HoldStubbornly(Gate, Irp);
    case GATE_LET_GO:
        LetGo(Gate);
        return Complete(Irp, STATUS_SUCCESS, 0);
    case GATE_COUNTS:
        return Complete(Irp, STATUS_SUCCESS, Answer(Irp, Out, &Gate->Counts, sizeof(Gate->Counts)));
    case GATE_TELL:
        Name = &IoGetCurrentIrpStackLocation(Irp)->FileObject->FileName;
        return Complete(Irp, STATUS_SUCCESS, Answer(Irp, Out, Name->Buffer, Name->Length));
    case GATE_CONNECT:
        if (In < sizeof(USHORT)) {
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        }
        return Complete(Irp, Connect(Gate, *(PUSHORT)Data), 0);
    default:
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS GateControl(PDEVICE_OBJECT Device, PIRP Irp)
{
    PGATE Gate = (PGATE)Device->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    ULONG Code = Location->Parameters.DeviceIoControl.IoControlCode;
    ULONG In = Location->Parameters.DeviceIoControl.InputBufferLength;
    ULONG Out = Location->Parameters.DeviceIoControl.OutputBufferLength;
    PUCHAR Input = (PUCHAR)Irp->AssociatedIrp.SystemBuffer, Output;
    ULONG Bytes;

    switch (Code) {
    case GATE_RECEIVE:
    case GATE_RECEIVE_LATER:
    case GATE_SEND:
        return PassOn(Gate, Irp, Code);
    case GATE_DIRECT_IN:
    case GATE_DIRECT_OUT:
        if (Irp->MdlAddress == NULL || Input == NULL) {
            return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
        }
        Output = (PUCHAR)MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority);
        if (Output == NULL) {
            return Complete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
        }
        if (Code == GATE_DIRECT_OUT) {
            RtlFillMemory(Output, Out, Input[0]);
            return Complete(Irp, STATUS_SUCCESS, Out);
        }
        Gate->RememberedBytes = 0;
        Remember(Gate, Input, In);
        Remember(Gate, Output, Out);
        return Complete(Irp, STATUS_SUCCESS, 0);
    case GATE_NEITHER:
        Input = (PUCHAR)Location->Parameters.DeviceIoControl.Type3InputBuffer;
        Output = (PUCHAR)Irp->UserBuffer;
        Bytes = In < Out ? In : Out;
        __try {
            ProbeForRead(Input, In, 1);
            ProbeForWrite(Output, Out, 1);
            for (ULONG I = 0; I < Bytes; I++) {
                Output[I] = (UCHAR)(Input[I] + 1);
            }
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            return Complete(Irp, GetExceptionCode(), 0);
        }
        return Complete(Irp, STATUS_SUCCESS, Bytes);
    default:
        return Buffered(Gate, Irp, Code, In, Out);
    }
}

/* ---- reads and writes: DO_BUFFERED_IO ----------------------------------------------------------------- */

static NTSTATUS GateRead(PDEVICE_OBJECT Device, PIRP Irp)
{
    PGATE Gate = (PGATE)Device->DeviceExtension;
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    LONGLONG Offset = Location->Parameters.Read.ByteOffset.QuadPart;

    if (Offset >= Gate->RememberedBytes) {
        return Complete(Irp, STATUS_END_OF_FILE, 0);
    }
    return Complete(Irp, STATUS_SUCCESS,
                    Answer(Irp, Location->Parameters.Read.Length, Gate->Remembered + Offset,
                           Gate->RememberedBytes - (ULONG)Offset));
}

static NTSTATUS GateWrite(PDEVICE_OBJECT Device, PIRP Irp)
{
    PGATE Gate = (PGATE)Device->DeviceExtension;
    ULONG Length = IoGetCurrentIrpStackLocation(Irp)->Parameters.Write.Length;

    Gate->RememberedBytes = 0;
    if (Length) {
        Remember(Gate, Irp->AssociatedIrp.SystemBuffer, Length);
    }
    return Complete(Irp, STATUS_SUCCESS, Gate->RememberedBytes);
}

/* ---- start and end ------------------------------------------------------------------------------------ */

static VOID GateUnload(PDRIVER_OBJECT Driver)
{
    PDEVICE_OBJECT Device = Driver->DeviceObject;
    PGATE Gate = (PGATE)Device->DeviceExtension;

    if (Gate->Socket != NULL) {
        ClientClose(Gate->Socket);
    }
    ClientDetach();
    IoFreeWorkItem(Gate->WorkItem);
    IoDeleteSymbolicLink(&LinkName);
    IoDeleteDevice(Device);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT Device;
    PGATE Gate;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    Status = IoCreateDevice(Driver, sizeof(GATE), &DeviceName, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Gate = (PGATE)Device->DeviceExtension;
    KeInitializeSpinLock(&Gate->Lock);
    InitializeListHead(&Gate->Held);
    InitializeListHead(&Gate->Stubborn);
    Device->Flags |= DO_BUFFERED_IO;
    Device->StackSize = 2; /* WSK takes a location of each IRP that is passed on */
    Gate->WorkItem = IoAllocateWorkItem(Device);
    if (Gate->WorkItem == NULL) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
        goto NoWorkItem;
    }
    Status = IoCreateSymbolicLink(&LinkName, &DeviceName);
    if (!NT_SUCCESS(Status)) {
        goto NoLink;
    }
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        goto NoClient;
    }
    Driver->MajorFunction[IRP_MJ_CREATE] = GateCreate;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = GateCleanup;
    Driver->MajorFunction[IRP_MJ_CLOSE] = GateClose;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = GateControl;
    Driver->MajorFunction[IRP_MJ_READ] = GateRead;
    Driver->MajorFunction[IRP_MJ_WRITE] = GateWrite;
    Driver->DriverUnload = GateUnload;
    return STATUS_SUCCESS;

NoClient:
    IoDeleteSymbolicLink(&LinkName);
NoLink:
    IoFreeWorkItem(Gate->WorkItem);
NoWorkItem:
    IoDeleteDevice(Device);
    return Status;
}
