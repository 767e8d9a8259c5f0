/*
 * clean.c - does a little of everything and leaves nothing: exit status 0.
 */
#include <ntddk.h>
#include <wsk.h>

#define TAG 'naeC'

static WSK_REGISTRATION registration;
static WSK_PROVIDER_NPI provider;
static const WSK_CLIENT_DISPATCH dispatch = {.Version = MAKE_WSK_VERSION(1, 0)};
static KEVENT ticked;
static KTIMER timer;
static KDPC dpc;
static PVOID thread;
static PWSK_SOCKET listener;

/* Names that a socket program calls, too: the runtime must go on calling its own (T-01). */
int connect(void);
int send(void);
int bind(void);
int epoll_wait(void);
int connect(void)
{
    return 1;
}
int send(void)
{
    return 1;
}
int bind(void)
{
    return 1;
}
int epoll_wait(void)
{
    return 1;
}

/* ---- one request of WSK at a time */

static NTSTATUS NTAPI set_done(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP new_irp(PKEVENT done)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    KeInitializeEvent(done, NotificationEvent, FALSE);
    if (irp != NULL)
        IoSetCompletionRoutine(irp, set_done, done, TRUE, TRUE, TRUE);
    return irp;
}

static NTSTATUS finish(PIRP irp, PKEVENT done, PVOID *result)
{
    NTSTATUS status;

    KeWaitForSingleObject(done, Executive, KernelMode, FALSE, NULL);
    status = irp->IoStatus.Status;
    if (result != NULL)
        *result = (PVOID)irp->IoStatus.Information;
    IoFreeIrp(irp);
    return status;
}

static NTSTATUS listen_here(void)
{
    SOCKADDR_IN address = {.sin_family = AF_INET, .sin_addr.s_addr = RtlUlongByteSwap(0x7f000001)};
    KEVENT done;
    PIRP irp = new_irp(&done);
    NTSTATUS status;

    if (irp == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    provider.Dispatch->WskSocket(provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET,
                                 NULL, NULL, NULL, NULL, NULL, irp);
    status = finish(irp, &done, (PVOID *)&listener);
    if (!NT_SUCCESS(status))
        return status;
    irp = new_irp(&done);
    if (irp == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    ((const WSK_PROVIDER_LISTEN_DISPATCH *)listener->Dispatch)
        ->WskBind(listener, (PSOCKADDR)&address, 0, irp);
    return finish(irp, &done, NULL);
}

static NTSTATUS close_listener(void)
{
    KEVENT done;
    PIRP irp = new_irp(&done);

    if (irp == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    ((const WSK_PROVIDER_BASIC_DISPATCH *)listener->Dispatch)->WskCloseSocket(listener, irp);
    return finish(irp, &done, NULL);
}

/* ---- the driver */

static VOID NTAPI on_tick(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    DbgPrint("tick\n");
    KeSetEvent(&ticked, IO_NO_INCREMENT, FALSE);
}

static VOID NTAPI run(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&ticked, Executive, KernelMode, FALSE, NULL);
    DbgPrint("ticked\n");
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    DbgPrint("closed: 0x%08x\n", close_listener());
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
    DbgPrint("clean: unloaded\n");
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    WSK_CLIENT_NPI client = {NULL, &dispatch};
    LARGE_INTEGER due = {.QuadPart = -100000};
    PVOID block;
    HANDLE handle;
    NTSTATUS status;

    DbgPrint("clean: %wZ as %wZ at IRQL %u on %u processors\n", RegistryPath, &DriverObject->DriverName,
             KeGetCurrentIrql(), KeQueryActiveProcessorCount(NULL));
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);
    if (block == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    ExFreePoolWithTag(block, TAG);
    KeInitializeEvent(&ticked, NotificationEvent, FALSE);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, on_tick, NULL);
    status = WskRegister(&client, &registration);
    if (!NT_SUCCESS(status))
        return status;
    status = WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &provider);
    if (NT_SUCCESS(status))
        status = listen_here();
    if (NT_SUCCESS(status))
        status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, NULL);
    if (!NT_SUCCESS(status)) {
        WskDeregister(&registration);
        return status;
    }
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    KeSetTimer(&timer, due, &dpc);
    DriverObject->DriverUnload = unload;
    return STATUS_SUCCESS;
}
