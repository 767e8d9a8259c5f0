/*
 * captures.c - asks for WSK's provider whenever it may be coming or going: a thread captures it, opens a socket, gives
 * it back and closes the socket; beside that a client of the Network Module Registrar does the same when it is
 * attached, and closes its socket when it is to be detached.  The unload deregisters both while the thread may be
 * anywhere.
 */
#include <ntddk.h>
#include <wsk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD CapturesUnload;
static KSTART_ROUTINE CapturesThread;
static IO_COMPLETION_ROUTINE CapturesCompleted;

enum { ROUNDS = 3 };

static WSK_REGISTRATION CapturesRegistration;
static PVOID CapturesThreadObject;
static HANDLE CapturesModule;
static WSK_PROVIDER_NPI CapturesModuleProvider;
static PWSK_SOCKET CapturesModuleSocket;
static const WSK_CLIENT_DISPATCH CapturesDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/* ---- sockets ------------------------------------------------------------------------------------------ */

static NTSTATUS CapturesCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PWSK_SOCKET CapturesOpen(PWSK_PROVIDER_NPI Provider)
{
    PIRP Irp = IoAllocateIrp(1, FALSE);
    PWSK_SOCKET Socket = NULL;
    KEVENT Done;

    if (Irp == NULL) {
        return NULL;
    }
    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    IoSetCompletionRoutine(Irp, CapturesCompleted, &Done, TRUE, TRUE, TRUE);
    Provider->Dispatch->WskSocket(Provider->Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                  WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL, Irp);
    KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
    if (NT_SUCCESS(Irp->IoStatus.Status)) {
        Socket = (PWSK_SOCKET)Irp->IoStatus.Information;
    }
    IoFreeIrp(Irp);
    return Socket;
}

static VOID CapturesClose(PWSK_SOCKET Socket)
{
    PIRP Irp;
    KEVENT Done;

    if (Socket == NULL) {
        return;
    }
    do { /* a socket that cannot be closed would hold everything up for ever */
        Irp = IoAllocateIrp(1, FALSE);
    } while (Irp == NULL);
    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    IoSetCompletionRoutine(Irp, CapturesCompleted, &Done, TRUE, TRUE, TRUE);
    ((const WSK_PROVIDER_BASIC_DISPATCH *)Socket->Dispatch)->WskCloseSocket(Socket, Irp);
    KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
    IoFreeIrp(Irp);
}

/* ---- WskRegister -------------------------------------------------------------------------------------- */

static VOID CapturesThread(PVOID Context)
{
    ULONG Round;

    UNREFERENCED_PARAMETER(Context);
    for (Round = 0; Round < ROUNDS; Round++) {
        static const ULONG Waits[ROUNDS] = {WSK_NO_WAIT, 1, WSK_INFINITE_WAIT};
        WSK_PROVIDER_NPI Provider;
        PWSK_SOCKET Socket;

        if (!NT_SUCCESS(WskCaptureProviderNPI(&CapturesRegistration, Waits[Round], &Provider))) {
            continue; /* not there, or we are being unloaded: then the others return at once, too */
        }
        Socket = CapturesOpen(&Provider);
        WskReleaseProviderNPI(&CapturesRegistration);
        CapturesClose(Socket);
    }
}

/* ---- the Network Module Registrar --------------------------------------------------------------------- */

static NTSTATUS CapturesAttach(HANDLE BindingHandle, PVOID Context, PNPI_REGISTRATION_INSTANCE Instance)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Instance);
    Status = NmrClientAttachProvider(BindingHandle, &CapturesModule, &CapturesDispatch,
                                     (PVOID *)&CapturesModuleProvider.Client,
                                     (CONST VOID **)&CapturesModuleProvider.Dispatch);
    if (NT_SUCCESS(Status)) {
        CapturesModuleSocket = CapturesOpen(&CapturesModuleProvider);
    }
    return Status;
}

static NTSTATUS CapturesDetach(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    CapturesClose(CapturesModuleSocket);
    CapturesModuleSocket = NULL;
    return STATUS_SUCCESS;
}

static const NPI_MODULEID CapturesModuleId = {
    sizeof(NPI_MODULEID), MIT_GUID, {{0x5a1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}}}};
static const NPI_CLIENT_CHARACTERISTICS CapturesCharacteristics = {
    0,
    sizeof(NPI_CLIENT_CHARACTERISTICS),
    CapturesAttach,
    CapturesDetach,
    NULL,
    {0, sizeof(NPI_REGISTRATION_INSTANCE), &NPI_WSK_INTERFACE_ID, &CapturesModuleId, 0, NULL}};

/* ---- load and unload ---------------------------------------------------------------------------------- */

static VOID CapturesUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    if (CapturesModule != NULL) {
        NmrDeregisterClient(CapturesModule);
    }
    WskDeregister(&CapturesRegistration); /* wakes the thread */
    KeWaitForSingleObject(CapturesThreadObject, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(CapturesThreadObject);
    if (CapturesModule != NULL) {
        NmrWaitForClientDeregisterComplete(CapturesModule);
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    WSK_CLIENT_NPI Client = {NULL, &CapturesDispatch};
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Handle;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    Status = WskRegister(&Client, &CapturesRegistration);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, CapturesThread, NULL);
    if (!NT_SUCCESS(Status)) {
        WskDeregister(&CapturesRegistration);
        return Status;
    }
    ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &CapturesThreadObject,
                              NULL);
    ZwClose(Handle);
    if (!NT_SUCCESS(NmrRegisterClient(&CapturesCharacteristics, NULL, &CapturesModule))) {
        CapturesModule = NULL; /* the other style alone, then */
    }
    DriverObject->DriverUnload = CapturesUnload;
    return STATUS_SUCCESS;
}
