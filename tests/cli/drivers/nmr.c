/*
 * nmr.c - a driver in the style of the Network Module Registrar: it attaches to WSK through NmrRegisterClient, or has an
 * interface of its own.  The test copies nmr.so to the name of a row below; the registry path selects the row.
 */
#include <ntddk.h>
#include <netioddk.h>
#include <wsk.h>

DRIVER_INITIALIZE DriverEntry;

static const WSK_CLIENT_DISPATCH wsk_dispatch = {.Version = MAKE_WSK_VERSION(1, 0)};
static const NPI_MODULEID module_id = {
    sizeof(NPI_MODULEID), MIT_GUID, {{0x6a1c2bf0, 3, 4, {1, 2, 3, 4, 5, 6, 7, 8}}}};
static const NPIID own_npi = {0x6a1c2bf1, 5, 6, {1, 2, 3, 4, 5, 6, 7, 8}};
static HANDLE client, provider;
static WSK_PROVIDER_NPI wsk;
static PWSK_SOCKET listener;
static NTSTATUS detach_answer = STATUS_SUCCESS;

/* ---- the client's side */

static NTSTATUS NTAPI client_attach(HANDLE NmrBindingHandle, PVOID ClientContext,
                                    PNPI_REGISTRATION_INSTANCE ProviderRegistrationInstance)
{
    UNREFERENCED_PARAMETER(ProviderRegistrationInstance);
    return NmrClientAttachProvider(NmrBindingHandle, ClientContext, &wsk_dispatch, (PVOID *)&wsk.Client,
                                   (CONST VOID **)&wsk.Dispatch);
}

static NTSTATUS NTAPI client_detach(PVOID ClientBindingContext)
{
    UNREFERENCED_PARAMETER(ClientBindingContext);
    DbgPrint("client detaches\n");
    return detach_answer;
}

static const NPI_CLIENT_CHARACTERISTICS wsk_client = {
    .Length = sizeof wsk_client,
    .ClientAttachProvider = client_attach,
    .ClientDetachProvider = client_detach,
    .ClientRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE),
                                   .NpiId = (PNPIID)&NPI_WSK_INTERFACE_ID,
                                   .ModuleId = (PNPI_MODULEID)&module_id}};
static const NPI_CLIENT_CHARACTERISTICS own_client = {
    .Length = sizeof own_client,
    .ClientAttachProvider = client_attach,
    .ClientDetachProvider = client_detach,
    .ClientRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE),
                                   .NpiId = (PNPIID)&own_npi,
                                   .ModuleId = (PNPI_MODULEID)&module_id}};

/* ---- the provider's side */

static NTSTATUS NTAPI provider_attach(HANDLE NmrBindingHandle, PVOID ProviderContext,
                                      PNPI_REGISTRATION_INSTANCE ClientRegistrationInstance,
                                      PVOID ClientBindingContext, CONST VOID *ClientDispatch,
                                      PVOID *ProviderBindingContext, CONST VOID **ProviderDispatch)
{
    UNREFERENCED_PARAMETER(NmrBindingHandle);
    UNREFERENCED_PARAMETER(ProviderContext);
    UNREFERENCED_PARAMETER(ClientRegistrationInstance);
    UNREFERENCED_PARAMETER(ClientBindingContext);
    *ProviderBindingContext = NULL;
    *ProviderDispatch = ClientDispatch;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI provider_detach(PVOID ProviderBindingContext)
{
    UNREFERENCED_PARAMETER(ProviderBindingContext);
    return STATUS_SUCCESS;
}

static const NPI_PROVIDER_CHARACTERISTICS own_provider = {
    .Length = sizeof own_provider,
    .ProviderAttachClient = provider_attach,
    .ProviderDetachClient = provider_detach,
    .ProviderRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE),
                                     .NpiId = (PNPIID)&own_npi,
                                     .ModuleId = (PNPI_MODULEID)&module_id}};

/* ---- a socket, one request at a time */

static NTSTATUS NTAPI set_done(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS finish(PIRP irp, PKEVENT done, PULONG_PTR information)
{
    NTSTATUS status;

    KeWaitForSingleObject(done, Executive, KernelMode, FALSE, NULL);
    status = irp->IoStatus.Status;
    *information = irp->IoStatus.Information;
    IoFreeIrp(irp);
    return status;
}

static PIRP new_irp(PKEVENT done)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    KeInitializeEvent(done, NotificationEvent, FALSE);
    if (irp != NULL)
        IoSetCompletionRoutine(irp, set_done, done, TRUE, TRUE, TRUE);
    return irp;
}

static NTSTATUS attach(void)
{
    NTSTATUS status = NmrRegisterClient(&wsk_client, NULL, &client);

    DbgPrint("attached: %d\n", wsk.Dispatch != NULL);
    return status;
}

static NTSTATUS attach_and_open(void)
{
    NTSTATUS status = attach();
    ULONG_PTR information;
    KEVENT done;
    PIRP irp = new_irp(&done);

    if (!NT_SUCCESS(status) || irp == NULL)
        return STATUS_UNSUCCESSFUL;
    wsk.Dispatch->WskSocket(wsk.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET, NULL, NULL,
                            NULL, NULL, NULL, irp);
    status = finish(irp, &done, &information);
    listener = (PWSK_SOCKET)information;
    return status;
}

static NTSTATUS own_interface(void)
{
    NTSTATUS status = NmrRegisterProvider(&own_provider, NULL, &provider);

    return NT_SUCCESS(status) ? NmrRegisterClient(&own_client, NULL, &client) : status;
}

/* ---- how it ends */

static VOID NTAPI nothing(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

static VOID NTAPI detach(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    DbgPrint("deregister %08x\n", NmrDeregisterClient(client));
    DbgPrint("wait %08x\n", NmrWaitForClientDeregisterComplete(client));
}

static VOID NTAPI close_and_detach(PDRIVER_OBJECT DriverObject)
{
    ULONG_PTR information;
    KEVENT done;
    PIRP irp = new_irp(&done);

    ((const WSK_PROVIDER_BASIC_DISPATCH *)listener->Dispatch)->WskCloseSocket(listener, irp);
    DbgPrint("closed %08x\n", finish(irp, &done, &information));
    detach(DriverObject);
}

/* Its client says that it will report the end of its detachment, and never does. */
static VOID NTAPI wait_for_provider(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    detach_answer = STATUS_PENDING;
    NmrDeregisterProvider(provider);
    NmrWaitForProviderDeregisterComplete(provider);
}

static const struct {
    PCWSTR name;
    NTSTATUS (*entry)(void);
    PDRIVER_UNLOAD unload;
} rows[] = {{L"nmr_clean", attach_and_open, close_and_detach},
            {L"nmr_leaves_client", attach, nothing},
            {L"nmr_leaves_both", own_interface, nothing},
            {L"nmr_hang_socket", attach_and_open, detach},
            {L"nmr_hang_provider", own_interface, wait_for_provider}};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    for (ULONG i = 0; i < RTL_NUMBER_OF(rows); i++) {
        UNICODE_STRING name, end = *RegistryPath;

        RtlInitUnicodeString(&name, rows[i].name);
        if (end.Length < name.Length)
            continue;
        end.Buffer += (end.Length - name.Length) / sizeof(WCHAR);
        end.Length = name.Length;
        if (!RtlEqualUnicodeString(&end, &name, TRUE))
            continue;
        DriverObject->DriverUnload = rows[i].unload;
        return rows[i].entry();
    }
    return STATUS_NOT_FOUND;
}
