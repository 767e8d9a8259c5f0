/*
 * behave.c - one driver that misbehaves in the way its own name says: the test copies behave.so to the name
 * of a row of the table below, and the last part of the registry path selects the row.
 */
#include <ntddk.h>
#include <TraceLoggingProvider.h>
#include <wsk.h>

#define TAG 'vheB'

static WSK_REGISTRATION registration;
static WSK_PROVIDER_NPI provider;
static const WSK_CLIENT_DISPATCH client_dispatch = {.Version = MAKE_WSK_VERSION(1, 0)};
static KEVENT never, done, in_callback;
static KTIMER timer;
static KDPC dpc;
static PWSK_SOCKET socket;
static PIRP close_irp;
static PDEVICE_OBJECT device;
static UCHAR buffer[64];
static LOOKASIDE_LIST_EX lookaside;

/* ---- WSK, one request at a time */

static NTSTATUS NTAPI set_done(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP new_irp(void)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    if (irp != NULL)
        IoSetCompletionRoutine(irp, set_done, &done, TRUE, TRUE, TRUE);
    KeClearEvent(&done);
    return irp;
}

static NTSTATUS finish(PIRP irp, PVOID *result)
{
    NTSTATUS status;

    KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    status = irp->IoStatus.Status;
    if (result != NULL)
        *result = (PVOID)irp->IoStatus.Information;
    IoFreeIrp(irp);
    return status;
}

static __declspec(noinline) NTSTATUS attach(void)
{
    WSK_CLIENT_NPI client = {NULL, &client_dispatch};
    NTSTATUS status = WskRegister(&client, &registration);

    return NT_SUCCESS(status) ? WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &provider) : status;
}

static NTSTATUS NTAPI on_accept(PVOID SocketContext, ULONG Flags, PSOCKADDR LocalAddress,
                                PSOCKADDR RemoteAddress, PWSK_SOCKET AcceptSocket, PVOID *AcceptSocketContext,
                                CONST WSK_CLIENT_CONNECTION_DISPATCH **AcceptSocketDispatch)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(LocalAddress);
    UNREFERENCED_PARAMETER(RemoteAddress);
    UNREFERENCED_PARAMETER(AcceptSocket);
    UNREFERENCED_PARAMETER(AcceptSocketContext);
    UNREFERENCED_PARAMETER(AcceptSocketDispatch);
    DbgPrint("in the callback\n");
    KeSetEvent(&in_callback, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
    return STATUS_REQUEST_NOT_ACCEPTED;
}

static const WSK_CLIENT_LISTEN_DISPATCH listen_dispatch = {.WskAcceptEvent = on_accept};

static __declspec(noinline) NTSTATUS open_listener(const WSK_CLIENT_LISTEN_DISPATCH *dispatch)
{
    SOCKADDR_IN address = {.sin_family = AF_INET, .sin_addr.s_addr = RtlUlongByteSwap(0x7f000001)};
    PIRP irp = new_irp();
    NTSTATUS status;

    provider.Dispatch->WskSocket(provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET,
                                 NULL, dispatch, NULL, NULL, NULL, irp);
    status = finish(irp, (PVOID *)&socket);
    if (!NT_SUCCESS(status))
        return status;
    irp = new_irp();
    ((const WSK_PROVIDER_LISTEN_DISPATCH *)socket->Dispatch)->WskBind(socket, (PSOCKADDR)&address, 0, irp);
    return finish(irp, NULL);
}

static NTSTATUS get_port(PUSHORT port)
{
    SOCKADDR_IN address;
    PIRP irp = new_irp();
    NTSTATUS status;

    ((const WSK_PROVIDER_LISTEN_DISPATCH *)socket->Dispatch)
        ->WskGetLocalAddress(socket, (PSOCKADDR)&address, irp);
    status = finish(irp, NULL);
    *port = RtlUshortByteSwap(address.sin_port);
    return status;
}

/* ---- what is left behind */

static VOID NTAPI nothing(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

static NTSTATUS leak_pool(void)
{
    for (int i = 0; i < 3; i++)
        if (ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG) == NULL)
            return STATUS_INSUFFICIENT_RESOURCES;
    return STATUS_SUCCESS;
}

static NTSTATUS leak_irp(void)
{
    return IoAllocateIrp(1, FALSE) != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS leak_mdl(void)
{
    return IoAllocateMdl(buffer, sizeof buffer, FALSE, FALSE, NULL) != NULL ? STATUS_SUCCESS
                                                                            : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS leak_registration(void)
{
    return attach();
}

static NTSTATUS leak_socket(void)
{
    NTSTATUS status = attach();

    return NT_SUCCESS(status) ? open_listener(NULL) : status;
}

/* A connection to itself, accepted and not closed: C-CLOSE-44. */
static NTSTATUS leak_accepted(void)
{
    NTSTATUS status = leak_socket();
    SOCKADDR_IN peer = {.sin_family = AF_INET, .sin_addr.s_addr = RtlUlongByteSwap(0x7f000001)};
    SOCKADDR_IN local = peer;
    static PWSK_SOCKET accepted;
    KEVENT connected;
    PIRP accept, connect;
    USHORT port;

    if (NT_SUCCESS(status))
        status = get_port(&port);
    if (!NT_SUCCESS(status))
        return status;
    peer.sin_port = RtlUshortByteSwap(port);
    accept = new_irp();
    ((const WSK_PROVIDER_LISTEN_DISPATCH *)socket->Dispatch)
        ->WskAccept(socket, 0, NULL, NULL, NULL, NULL, accept);
    KeInitializeEvent(&connected, NotificationEvent, FALSE);
    connect = IoAllocateIrp(1, FALSE);
    IoSetCompletionRoutine(connect, set_done, &connected, TRUE, TRUE, TRUE);
    provider.Dispatch->WskSocketConnect(provider.Client, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&local,
                                        (PSOCKADDR)&peer, 0, NULL, NULL, NULL, NULL, NULL, connect);
    KeWaitForSingleObject(&connected, Executive, KernelMode, FALSE, NULL);
    status = connect->IoStatus.Status;
    IoFreeIrp(connect);
    return NT_SUCCESS(status) ? finish(accept, (PVOID *)&accepted) : status;
}

static NTSTATUS leak_accept(void)
{
    NTSTATUS status = leak_socket();

    if (NT_SUCCESS(status))
        ((const WSK_PROVIDER_LISTEN_DISPATCH *)socket->Dispatch)
            ->WskAccept(socket, 0, NULL, NULL, NULL, NULL, new_irp());
    return status;
}

/* ---- datagrams */

static NTSTATUS NTAPI keep(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION DataIndication)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    if (DataIndication == NULL)
        return STATUS_SUCCESS;
    KeSetEvent(&in_callback, IO_NO_INCREMENT, FALSE);
    return STATUS_PENDING; /* and no WskRelease */
}

static const WSK_CLIENT_DATAGRAM_DISPATCH keep_dispatch = {.WskReceiveFromEvent = keep};

static __declspec(noinline) NTSTATUS
    open_datagram(const WSK_CLIENT_DATAGRAM_DISPATCH *dispatch, PSOCKADDR_IN address)
{
    PIRP irp = new_irp();
    NTSTATUS status;

    provider.Dispatch->WskSocket(provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP, WSK_FLAG_DATAGRAM_SOCKET,
                                 NULL, dispatch, NULL, NULL, NULL, irp);
    status = finish(irp, (PVOID *)&socket);
    if (!NT_SUCCESS(status))
        return status;
    irp = new_irp();
    ((const WSK_PROVIDER_DATAGRAM_DISPATCH *)socket->Dispatch)->WskBind(socket, (PSOCKADDR)address, 0, irp);
    status = finish(irp, NULL);
    if (!NT_SUCCESS(status))
        return status;
    irp = new_irp();
    ((const WSK_PROVIDER_DATAGRAM_DISPATCH *)socket->Dispatch)
        ->WskGetLocalAddress(socket, (PSOCKADDR)address, irp);
    return finish(irp, NULL);
}

static NTSTATUS leak_datagram(void)
{
    SOCKADDR_IN address = {.sin_family = AF_INET, .sin_addr.s_addr = RtlUlongByteSwap(0x7f000001)};
    NTSTATUS status = attach();

    return NT_SUCCESS(status) ? open_datagram(NULL, &address) : status;
}

/* A datagram to itself, of which the callback keeps the indication. */
static NTSTATUS leak_indication(void)
{
    SOCKADDR_IN address = {.sin_family = AF_INET, .sin_addr.s_addr = RtlUlongByteSwap(0x7f000001)};
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, WSK_EVENT_RECEIVE_FROM};
    const WSK_PROVIDER_DATAGRAM_DISPATCH *dispatch;
    NTSTATUS status = attach();
    WSK_BUF wsk_buf = {NULL, 0, sizeof buffer};
    PIRP irp;

    if (NT_SUCCESS(status))
        status = open_datagram(&keep_dispatch, &address);
    if (!NT_SUCCESS(status))
        return status;
    dispatch = (const WSK_PROVIDER_DATAGRAM_DISPATCH *)socket->Dispatch;
    status = dispatch->Basic.WskControlSocket(socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
                                              sizeof control, &control, 0, NULL, NULL, NULL);
    wsk_buf.Mdl = NT_SUCCESS(status) ? IoAllocateMdl(buffer, sizeof buffer, FALSE, FALSE, NULL) : NULL;
    if (wsk_buf.Mdl == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    MmBuildMdlForNonPagedPool(wsk_buf.Mdl);
    irp = new_irp();
    dispatch->WskSendTo(socket, &wsk_buf, 0, (PSOCKADDR)&address, 0, NULL, irp);
    status = finish(irp, NULL);
    IoFreeMdl(wsk_buf.Mdl);
    if (NT_SUCCESS(status))
        KeWaitForSingleObject(&in_callback, Executive, KernelMode, FALSE, NULL);
    return status;
}

static VOID NTAPI wait_for_ever(PVOID Context)
{
    KeWaitForSingleObject(Context, Executive, KernelMode, FALSE, NULL);
}

static NTSTATUS leak_thread(void)
{
    HANDLE handle;
    NTSTATUS status =
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, wait_for_ever, &never);

    if (NT_SUCCESS(status))
        ZwClose(handle);
    return status;
}

static VOID NTAPI on_timer(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
}

static NTSTATUS leak_timer(void)
{
    LARGE_INTEGER due = {.QuadPart = -36000000000};

    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, on_timer, NULL);
    KeSetTimer(&timer, due, &dpc);
    return STATUS_SUCCESS;
}

static VOID NTAPI on_ex_timer(PEX_TIMER Timer, PVOID Context)
{
    UNREFERENCED_PARAMETER(Timer);
    UNREFERENCED_PARAMETER(Context);
}

static __declspec(noinline) PEX_TIMER new_ex_timer(LONGLONG hours)
{
    PEX_TIMER made = ExAllocateTimer(on_ex_timer, NULL, 0);

    if (made != NULL && hours != 0)
        ExSetTimer(made, -36000000000 * hours, 0, NULL);
    return made;
}

/* Never set; set; deleted, but not before it has expired once more.  Two are gone: one before it expires, one after. */
static NTSTATUS leak_ex_timer(void)
{
    PEX_TIMER unset = new_ex_timer(0), set = new_ex_timer(1), late = new_ex_timer(1), gone = new_ex_timer(1);
    PEX_TIMER expired = new_ex_timer(0);

    if (unset == NULL || set == NULL || late == NULL || gone == NULL || expired == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    ExDeleteTimer(late, FALSE, FALSE, NULL);
    ExDeleteTimer(gone, TRUE, TRUE, NULL);
    ExSetTimer(expired, -10000, 0, NULL);
    KeWaitForSingleObject(expired, Executive, KernelMode, FALSE, NULL);
    ExDeleteTimer(expired, FALSE, FALSE, NULL);
    return STATUS_SUCCESS;
}

static __declspec(noinline) NTSTATUS initialize_resources(PERESOURCE freed)
{
    static ERESOURCE fixed, deleted;

    ExInitializeResourceLite(freed);
    ExInitializeResourceLite(&fixed);
    ExInitializeResourceLite(&deleted);
    ExReinitializeResourceLite(&deleted);
    return ExDeleteResourceLite(&deleted);
}

static NTSTATUS leak_resource(void)
{
    PERESOURCE freed = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *freed, TAG);
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (freed == NULL)
        return status;
    status = initialize_resources(freed);
    ExFreePoolWithTag(freed, TAG);
    return status;
}

static VOID NTAPI return_at_once(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
}

/* One whose thread is over. */
static NTSTATUS leak_thread_handle(void)
{
    HANDLE handle;
    NTSTATUS status =
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, return_at_once, NULL);

    return NT_SUCCESS(status) ? ZwWaitForSingleObject(handle, FALSE, NULL) : status;
}

/* Three are taken, and one and one more under a tag are given back. */
static NTSTATUS leak_thread_reference(void)
{
    HANDLE handle;
    PVOID thread;
    NTSTATUS status =
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, return_at_once, NULL);

    if (!NT_SUCCESS(status))
        return status;
    status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    if (!NT_SUCCESS(status))
        return status;
    ObReferenceObject(thread);
    ObDereferenceObject(thread);
    ObReferenceObjectWithTag(thread, TAG);
    ObDereferenceObjectWithTag(thread, TAG);
    return KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
}

/* The device of another driver, of the row named_device.  It is asked for twice and given back once. */
static NTSTATUS leak_file_object(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Behave");
    PDEVICE_OBJECT found;
    PFILE_OBJECT file;
    NTSTATUS status = IoGetDeviceObjectPointer(&name, FILE_ANY_ACCESS, &file, &found);

    if (!NT_SUCCESS(status))
        return status;
    ObDereferenceObject(file);
    return IoGetDeviceObjectPointer(&name, FILE_ANY_ACCESS, &file, &found);
}

static NTSTATUS NTAPI succeed(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* Of a file that another driver opens: a reference that is never given back. */
static NTSTATUS NTAPI refer(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ObReferenceObject(IoGetCurrentIrpStackLocation(Irp)->FileObject);
    return succeed(DeviceObject, Irp);
}

static NTSTATUS named_device(void)
{
    device->DriverObject->MajorFunction[IRP_MJ_CREATE] = succeed;
    device->DriverObject->MajorFunction[IRP_MJ_CLEANUP] = succeed;
    device->DriverObject->MajorFunction[IRP_MJ_CLOSE] = succeed;
    return STATUS_SUCCESS;
}

static NTSTATUS named_device_refers(void)
{
    NTSTATUS status = named_device();

    device->DriverObject->MajorFunction[IRP_MJ_CLEANUP] = refer;
    return status;
}

static NTSTATUS file_object(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Behave");
    PDEVICE_OBJECT found;
    PFILE_OBJECT file;
    NTSTATUS status = IoGetDeviceObjectPointer(&name, FILE_ANY_ACCESS, &file, &found);

    if (NT_SUCCESS(status))
        ObDereferenceObject(file);
    return status;
}

static NTSTATUS leak_workitem(void)
{
    return IoAllocateWorkItem(device) != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS leak_lookaside(void)
{
    return ExInitializeLookasideListEx(&lookaside, NULL, NULL, NonPagedPoolNx, 0, 64, TAG, 0);
}

static NTSTATUS leak_device(void)
{
    return STATUS_SUCCESS; /* every row has a device; this one's unload keeps it */
}

/* One that is deleted, under another name of its folder, and one that is not. */
static NTSTATUS leak_link(void)
{
    UNICODE_STRING target = RTL_CONSTANT_STRING(L"\\Device\\Behave");
    UNICODE_STRING gone = RTL_CONSTANT_STRING(L"\\DosDevices\\Gone"),
                   same = RTL_CONSTANT_STRING(L"\\??\\gone");
    UNICODE_STRING left = RTL_CONSTANT_STRING(L"\\DosDevices\\Left");
    NTSTATUS status = IoCreateSymbolicLink(&gone, &target);

    if (NT_SUCCESS(status))
        status = IoDeleteSymbolicLink(&same);
    return NT_SUCCESS(status) ? IoCreateSymbolicLink(&left, &target) : status;
}

static NTSTATUS leak_key(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\System\\CurrentControlSet\\Control");
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwOpenKey(&key, KEY_READ, &attributes);
}

static NTSTATUS leak_file(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\C:\\Logs\\left.log");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    HANDLE file;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwCreateFile(&file, FILE_APPEND_DATA, &attributes, &io, NULL, 0, 0, FILE_OPEN_IF, 0, NULL, 0);
}

TRACELOGGING_DEFINE_PROVIDER(trace_provider, "Behave.Driver",
                             (0x21c4a2f8, 0x4273, 0x58c5, 0x54, 0x5b, 0x8b, 0x36, 0x08, 0x34, 0x34, 0x71));

static NTSTATUS leak_events(void)
{
    static const GUID id = {0x21c4a2f9, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    static REGHANDLE handle, gone;
    NTSTATUS status = TraceLoggingRegister(trace_provider);

    if (NT_SUCCESS(status))
        status = EtwRegister(&id, NULL, NULL, &gone);
    if (NT_SUCCESS(status))
        status = EtwUnregister(gone);
    return NT_SUCCESS(status) ? EtwRegister(&id, NULL, NULL, &handle) : status;
}

static NTSTATUS entry_leaks(void)
{
    leak_pool();
    return STATUS_DEVICE_NOT_READY;
}

static NTSTATUS entry_fails(void)
{
    return STATUS_INSUFFICIENT_RESOURCES;
}

/* ---- how it ends badly */

static __attribute__((noinline)) int read_at(volatile int *address)
{
    return *address;
}

static NTSTATUS crash_read(void)
{
    return read_at((volatile int *)0x10) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

static NTSTATUS crash_dispatch(void)
{
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    *(volatile int *)0x20 = 1;
    KeLowerIrql(irql);
    return STATUS_SUCCESS;
}

static volatile int zero;

static NTSTATUS crash_divide(void)
{
    return 100 / zero;
}

static NTSTATUS crash_illegal(void)
{
    __asm__ volatile("ud2");
    return STATUS_SUCCESS;
}

static __attribute__((noinline)) int recurse(int depth)
{
    volatile char room[4000];

    room[depth % 4000] = (char)depth;
    return depth < 1000000 ? recurse(depth + 1) + room[(depth + 1) % 4000] : 0;
}

static NTSTATUS crash_stack(void)
{
    return recurse(0);
}

static NTSTATUS crash_bugcheck(void)
{
    KeBugCheckEx(MANUALLY_INITIATED_CRASH, 1, 2, 3, 4);
}

static NTSTATUS crash_raise(void)
{
    ExRaiseStatus(STATUS_ACCESS_DENIED);
}

static NTSTATUS crash_free(void)
{
    PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);

    ExFreePoolWithTag(block, TAG);
    ExFreePoolWithTag(block, TAG);
    return STATUS_SUCCESS;
}

static VOID NTAPI crash_in_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    *(volatile int *)Context = 1;
}

static NTSTATUS crash_dpc(void)
{
    KeInitializeDpc(&dpc, crash_in_dpc, (PVOID)0x30);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
    return STATUS_SUCCESS;
}

/* ---- unloads that do not end */

static VOID NTAPI deregister(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    WskReleaseProviderNPI(&registration);
    WskDeregister(&registration);
}

static NTSTATUS hang_entry(void)
{
    KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
    return STATUS_SUCCESS;
}

static NTSTATUS slow_entry(void)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};

    KeDelayExecutionThread(KernelMode, FALSE, &second);
    return STATUS_SUCCESS;
}

static NTSTATUS hang_callback(void)
{
    NTSTATUS status = attach();
    WSK_EVENT_CALLBACK_CONTROL control = {&NPI_WSK_INTERFACE_ID, WSK_EVENT_ACCEPT};
    USHORT port;

    if (NT_SUCCESS(status))
        status = open_listener(&listen_dispatch);
    if (NT_SUCCESS(status))
        status = get_port(&port);
    if (!NT_SUCCESS(status))
        return status;
    ((const WSK_PROVIDER_LISTEN_DISPATCH *)socket->Dispatch)
        ->WskControlSocket(socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof control, &control,
                           0, NULL, NULL, NULL);
    DbgPrint("port %u\n", port);
    return STATUS_SUCCESS;
}

static VOID NTAPI close_socket_and_deregister(PDRIVER_OBJECT DriverObject)
{
    PIRP irp = new_irp();

    ((const WSK_PROVIDER_BASIC_DISPATCH *)socket->Dispatch)->WskCloseSocket(socket, irp);
    finish(irp, NULL);
    deregister(DriverObject);
}

/* Closes the socket whose callback runs, which pends until the callback is over. */
static VOID NTAPI close_and_deregister(PDRIVER_OBJECT DriverObject)
{
    KeWaitForSingleObject(&in_callback, Executive, KernelMode, FALSE, NULL);
    close_irp = new_irp();
    ((const WSK_PROVIDER_BASIC_DISPATCH *)socket->Dispatch)->WskCloseSocket(socket, close_irp);
    deregister(DriverObject);
}

static VOID NTAPI spin_at_dispatch(PDRIVER_OBJECT DriverObject)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(DriverObject);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    for (;;)
        YieldProcessor();
}

/* ---- the table */

static const struct {
    const char *name;
    NTSTATUS (*entry)(void);
    PDRIVER_UNLOAD unload; /* NULL: stays NULL */
} rows[] = {
    {"first", NULL, nothing},
    {"second", NULL, nothing},
    {"no_unload", NULL, NULL},
    {"no_unload_leaks", leak_pool, NULL},
    {"leak_pool", leak_pool, nothing},
    {"leak_irp", leak_irp, nothing},
    {"leak_mdl", leak_mdl, nothing},
    {"leak_registration", leak_registration, nothing},
    {"leak_socket", leak_socket, nothing},
    {"leak_accept", leak_accept, nothing},
    {"leak_accepted", leak_accepted, nothing},
    {"leak_datagram", leak_datagram, nothing},
    {"leak_indication", leak_indication, nothing},
    {"leak_closed_indication", leak_indication, close_socket_and_deregister},
    {"leak_thread", leak_thread, nothing},
    {"leak_timer", leak_timer, nothing},
    {"leak_workitem", leak_workitem, nothing},
    {"leak_lookaside", leak_lookaside, nothing},
    {"leak_device", leak_device, nothing},
    {"leak_link", leak_link, nothing},
    {"leak_ex_timer", leak_ex_timer, nothing},
    {"leak_resource", leak_resource, nothing},
    {"leak_thread_handle", leak_thread_handle, nothing},
    {"leak_thread_reference", leak_thread_reference, nothing},
    {"leak_file_object", leak_file_object, nothing},
    {"file_object", file_object, nothing},
    {"named_device", named_device, nothing},
    {"named_device_refers", named_device_refers, nothing},
    {"leak_key", leak_key, nothing},
    {"leak_file", leak_file, nothing},
    {"leak_events", leak_events, nothing},
    {"entry_fails", entry_fails, nothing},
    {"entry_leaks", entry_leaks, nothing},
    {"crash_read", crash_read, nothing},
    {"crash_dispatch", crash_dispatch, nothing},
    {"crash_divide", crash_divide, nothing},
    {"crash_illegal", crash_illegal, nothing},
    {"crash_stack", crash_stack, nothing},
    {"crash_bugcheck", crash_bugcheck, nothing},
    {"crash_raise", crash_raise, nothing},
    {"crash_free", crash_free, nothing},
    {"crash_dpc", crash_dpc, nothing},
    {"hang_entry", hang_entry, nothing},
    {"slow_entry", slow_entry, nothing},
    {"hang_socket", leak_accept, deregister},
    {"hang_callback", hang_callback, close_and_deregister},
    {"hang_spin", NULL, spin_at_dispatch},
};

static BOOLEAN ends_with(PCUNICODE_STRING path, const char *name)
{
    USHORT units = path->Length / sizeof(WCHAR), length = 0;

    while (name[length] != 0)
        length++;
    if (units <= length || path->Buffer[units - length - 1] != L'\\')
        return FALSE;
    for (USHORT i = 0; i < length; i++)
        if (path->Buffer[units - length + i] != (WCHAR)(UCHAR)name[i])
            return FALSE;
    return TRUE;
}

static PDRIVER_UNLOAD row_unload;

static VOID NTAPI unload(PDRIVER_OBJECT DriverObject)
{
    DbgPrint("unload\n");
    row_unload(DriverObject);
    if (device != NULL)
        IoDeleteDevice(device);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\Behave");
    BOOLEAN named;

    KeInitializeEvent(&never, NotificationEvent, FALSE);
    KeInitializeEvent(&done, NotificationEvent, FALSE);
    KeInitializeEvent(&in_callback, NotificationEvent, FALSE);
    for (ULONG i = 0; i < RTL_NUMBER_OF(rows); i++) {
        NTSTATUS status = STATUS_SUCCESS;

        if (!ends_with(RegistryPath, rows[i].name))
            continue;
        DbgPrint("%s\nsecond line\n", rows[i].name);
        named = rows[i].entry == named_device || rows[i].entry == named_device_refers;
        if (named || rows[i].entry == leak_workitem || rows[i].entry == leak_device)
            status = IoCreateDevice(DriverObject, 0, named ? &device_name : NULL, FILE_DEVICE_UNKNOWN, 0,
                                    FALSE, &device);
        if (NT_SUCCESS(status) && rows[i].entry != NULL)
            status = rows[i].entry();
        if (rows[i].entry == leak_device)
            device = NULL;
        row_unload = rows[i].unload;
        DriverObject->DriverUnload = row_unload != NULL ? unload : NULL;
        return status;
    }
    return STATUS_NOT_FOUND;
}
