/*
 * defect.c - the sound part of the drivers of tests/defects (defect.h).
 */
#include "defect.h"

PWSK_SOCKET DefectListener;
KEVENT DefectStopping;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD DefectUnload;

PVOID DefectAllocate(SIZE_T Bytes)
{
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, Bytes, DEFECT_TAG);
}

VOID DefectFree(PVOID Memory)
{
    if (Memory != NULL) {
        ExFreePoolWithTag(Memory, DEFECT_TAG);
    }
}

PDEFECT_BUFFER DefectBuffer(VOID)
{
    PDEFECT_BUFFER Buffer = (PDEFECT_BUFFER)DefectAllocate(sizeof(*Buffer));

    if (Buffer == NULL) {
        return NULL;
    }
    Buffer->WskBuf.Mdl = IoAllocateMdl(Buffer->Data, sizeof(Buffer->Data), FALSE, FALSE, NULL);
    if (Buffer->WskBuf.Mdl == NULL) {
        DefectFree(Buffer);
        return NULL;
    }
    MmBuildMdlForNonPagedPool(Buffer->WskBuf.Mdl);
    Buffer->WskBuf.Length = sizeof(Buffer->Data);
    return Buffer;
}

VOID DefectBufferFree(PDEFECT_BUFFER Buffer)
{
    if (Buffer != NULL) {
        IoFreeMdl(Buffer->WskBuf.Mdl);
        DefectFree(Buffer);
    }
}

PIRP DefectIrp(PIO_COMPLETION_ROUTINE Routine, PVOID Context)
{
    PIRP Irp = IoAllocateIrp(1, FALSE);

    if (Irp != NULL) {
        IoSetCompletionRoutine(Irp, Routine, Context, TRUE, TRUE, TRUE);
    }
    return Irp;
}

PVOID DefectThread(PKSTART_ROUTINE Routine, PVOID Context)
{
    PVOID Thread;

    return NT_SUCCESS(ClientThreadStart(Routine, Context, &Thread)) ? Thread : NULL;
}

VOID DefectJoin(PVOID Thread)
{
    if (Thread != NULL) {
        ClientThreadWait(Thread);
    }
}

VOID DefectPause(ULONG Microseconds)
{
    LARGE_INTEGER Time;

    Time.QuadPart = -10LL * Microseconds;
    KeWaitForSingleObject(&DefectStopping, Executive, KernelMode, FALSE, &Time);
}

NTSTATUS DefectListen(CONST WSK_CLIENT_LISTEN_DISPATCH *Dispatch, PVOID Context)
{
    NTSTATUS Status = ClientListen(AF_INET, DEFECT_PORT, Context, Dispatch, &DefectListener);

    if (NT_SUCCESS(Status) && Dispatch != NULL) {
        Status = ClientEnableEvents(DefectListener, WSK_EVENT_ACCEPT);
        if (!NT_SUCCESS(Status)) {
            ClientClose(DefectListener);
        }
    }
    return Status;
}

VOID DefectWaitFor(PKEVENT Done, PIRP Irp)
{
    PVOID Objects[2] = {Done, &DefectStopping};

    if (KeWaitForMultipleObjects(2, Objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) !=
        STATUS_WAIT_0) {
        IoCancelIrp(Irp);
        KeWaitForSingleObject(Done, Executive, KernelMode, FALSE, NULL);
    }
}

NTSTATUS DefectWait(PCLIENT_REQUEST Request)
{
    DefectWaitFor(&Request->Done, Request->Irp);
    return ClientRequestWait(Request);
}

PWSK_SOCKET DefectAccept(PVOID Context, CONST WSK_CLIENT_CONNECTION_DISPATCH *Dispatch)
{
    CONST WSK_PROVIDER_LISTEN_DISPATCH *Listen =
        (CONST WSK_PROVIDER_LISTEN_DISPATCH *)DefectListener->Dispatch;
    PWSK_SOCKET Socket = NULL;
    CLIENT_REQUEST Request;
    NTSTATUS Status;

    if (!NT_SUCCESS(ClientRequestCreate(&Request))) {
        return NULL;
    }
    Listen->WskAccept(DefectListener, 0, Context, Dispatch, NULL, NULL, ClientRequestStart(&Request));
    Status = DefectWait(&Request);
    if (NT_SUCCESS(Status)) {
        Socket = (PWSK_SOCKET)Request.Irp->IoStatus.Information;
    }
    ClientRequestFree(&Request);
    return Socket;
}

static PVOID DefectServers[4];
static DEFECT_SERVE *DefectServeOne;

static VOID DefectServer(PVOID Context)
{
    PWSK_SOCKET Socket;

    UNREFERENCED_PARAMETER(Context);
    while ((Socket = DefectAccept(NULL, NULL)) != NULL) {
        DefectServeOne(Socket);
    }
}

NTSTATUS DefectServe(DEFECT_SERVE *Serve, ULONG Threads)
{
    NTSTATUS Status = DefectListen(NULL, NULL);

    if (NT_SUCCESS(Status)) {
        DefectServeOne = Serve;
        for (ULONG Index = 0; Index < Threads && Index < RTL_NUMBER_OF(DefectServers); Index++) {
            DefectServers[Index] = DefectThread(DefectServer, NULL);
        }
    }
    return Status;
}

VOID DefectServeEnd(VOID)
{
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(DefectServers); Index++) {
        DefectJoin(DefectServers[Index]);
    }
    ClientClose(DefectListener);
}

NTSTATUS DefectReceive(PWSK_SOCKET Socket, PDEFECT_BUFFER Buffer, PULONG_PTR Bytes)
{
    CLIENT_REQUEST Request;
    NTSTATUS Status = ClientRequestCreate(&Request);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    CONNECTION(Socket)->WskReceive(Socket, &Buffer->WskBuf, 0, ClientRequestStart(&Request));
    Status = DefectWait(&Request);
    if (Bytes != NULL) {
        *Bytes = Request.Irp->IoStatus.Information;
    }
    ClientRequestFree(&Request);
    return Status;
}

NTSTATUS DefectSend(PWSK_SOCKET Socket, PDEFECT_BUFFER Buffer)
{
    CLIENT_REQUEST Request;
    NTSTATUS Status = ClientRequestCreate(&Request);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    CONNECTION(Socket)->WskSend(Socket, &Buffer->WskBuf, 0, ClientRequestStart(&Request));
    Status = DefectWait(&Request);
    ClientRequestFree(&Request);
    return Status;
}

static VOID DefectUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeSetEvent(&DefectStopping, IO_NO_INCREMENT, FALSE);
    DefectStop();
    ClientDetach();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
    KeInitializeEvent(&DefectStopping, NotificationEvent, FALSE);
    Status = ClientAttach();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = DefectStart();
    if (!NT_SUCCESS(Status)) {
        ClientDetach();
        return Status;
    }
    DriverObject->DriverUnload = DefectUnload;
    return STATUS_SUCCESS;
}
