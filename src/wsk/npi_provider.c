/*
 * npi_provider.c - WSK as a provider at the Network Module Registrar: clients that attach by
 * NmrClientAttachProvider instead of WskRegister (C-REG-23, area DEREG from C-DEREG-11 on).
 *
 * Such a client is a struct wsk_client like any other.  It holds one capture, from ProviderAttachClient until
 * its detachment is over on our side; its handle is the provider's binding context.
 *
 * Detaching.  The client may go on calling until it reports its last call, to the NMR (C-DEREG-16), which
 * tells us by nmr_watch_client.  From then on there is a moment at which no call is inside, no client-level
 * IRP is pending and no socket is open; at that moment, under client->lock, the capture is taken away and our
 * side is over (C-DEREG-17).  A call that comes later, against C-DEREG-18, is refused; the client's memory
 * stays until the cleanup callback, and afterwards the list of clients does not know it.
 *
 * The moment comes inside ProviderDetachClient, which then returns STATUS_SUCCESS, or later, under
 * client->lock in whoever leaves last.  NmrProviderDetachClientComplete may call back and free the client, so
 * it is called by a worker, which takes client->lock once before: the last leaver is out of it by then.
 */
#include "nmr/nmr.h"
#include "wsk/wskp.h"

static const WSK_PROVIDER_CHARACTERISTICS versions = {.HighestVersion = WSK_HIGHEST_VERSION,
                                                      .LowestVersion = WSK_LOWEST_VERSION};
static HANDLE provider;

/* The client's side has finished detaching: it calls us no more. */
static void last_call_over(void *context)
{
    struct wsk_client *client = context;
    KIRQL irql = ke_acquire_spin_lock(&client->lock);

    client->last_call = TRUE;
    wsk_client_quiet_locked(client); /* the client may be gone once the lock is released */
    ke_release_spin_lock(&client->lock, irql);
}

/* ---- a client comes --------------------------------------------------------------------------------- */

/* ProviderAttachClient.  ClientDispatch: a WSK_CLIENT_DISPATCH; the binding context serves as the client's
 * context.  STATUS_SUCCESS; STATUS_NOINTERFACE: a version that is not offered, the client may ask again with
 * another (C-REG-31); STATUS_INVALID_PARAMETER (C-NMR-10), STATUS_INSUFFICIENT_RESOURCES. */
static NTSTATUS NTAPI attach_client(HANDLE NmrBindingHandle, PVOID ProviderContext,
                                    PNPI_REGISTRATION_INSTANCE ClientRegistrationInstance,
                                    PVOID ClientBindingContext, CONST VOID *ClientDispatch,
                                    PVOID *ProviderBindingContext, CONST VOID **ProviderDispatch)
{
    const WSK_CLIENT_DISPATCH *dispatch = ClientDispatch;
    struct wsk_client *client;
    KIRQL irql;

    UNREFERENCED_PARAMETER(ProviderContext);
    UNREFERENCED_PARAMETER(ClientRegistrationInstance);
    if (dispatch == NULL || dispatch->Reserved != 0 || ProviderBindingContext == NULL ||
        ProviderDispatch == NULL)
        return STATUS_INVALID_PARAMETER;
    if (dispatch->Version < WSK_LOWEST_VERSION || dispatch->Version > WSK_HIGHEST_VERSION)
        return STATUS_NOINTERFACE;
    client = wsk_client_create(NULL, ClientBindingContext, dispatch, nmr_binding_client(NmrBindingHandle));
    if (client == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    irql = ke_acquire_spin_lock(&client->lock);
    client->binding = NmrBindingHandle;
    client->captures = 1;
    ke_release_spin_lock(&client->lock, irql);
    nmr_watch_client(NmrBindingHandle, last_call_over, client);
    *ProviderBindingContext = client;
    *ProviderDispatch = &wsk_provider_dispatch; /* C-REG-29 */
    return STATUS_SUCCESS;
}

/* ---- a client goes ---------------------------------------------------------------------------------- */

static void detach_over(void *context)
{
    struct wsk_client *client = context;
    HANDLE binding = client->binding;
    KIRQL irql = ke_acquire_spin_lock(&client->lock); /* the last leaver is out */

    ke_release_spin_lock(&client->lock, irql);
    nmr_detach_complete(binding, NMR_PROVIDER, NULL);
}

/* client->lock held; nothing is left for now. */
void wsk_npi_client_quiet_locked(struct wsk_client *client)
{
    if (client->captures == 0 || !client->last_call)
        return;
    client->captures = 0;
    if (client->detach_pending)
        ex_queue_worker(&client->detached, detach_over, client);
}

/* ProviderDetachClient.  STATUS_SUCCESS, or STATUS_PENDING until the last call, IRP and socket is gone. */
static NTSTATUS NTAPI detach_client(PVOID ProviderBindingContext)
{
    struct wsk_client *client = ProviderBindingContext;
    KIRQL irql = ke_acquire_spin_lock(&client->lock);

    client->deregistering = TRUE;
    wsk_client_quiet_locked(client);
    client->detach_pending = client->captures != 0;
    ke_release_spin_lock(&client->lock, irql);
    if (!client->detach_pending)
        return STATUS_SUCCESS;
    wsk_client_cancel_transport_changes(client); /* C-DEREG-06 */
    return STATUS_PENDING;
}

/* ProviderCleanupBindingContext: nobody knows the client any more. */
static VOID NTAPI cleanup_client(PVOID ProviderBindingContext)
{
    struct wsk_client *client = ProviderBindingContext;
    KIRQL irql = ke_acquire_spin_lock(&wsk_clients_lock);

    RemoveEntryList(&client->link);
    ke_release_spin_lock(&wsk_clients_lock, irql);
    wsk_client_report_orphans(client);
    ex_free_pool(client);
}

/* ---- the provider ----------------------------------------------------------------------------------- */

static const NPI_MODULEID module_id = {
    .Length = sizeof(NPI_MODULEID),
    .Type = MIT_GUID,
    .Guid = {0x75777372, 0x6b01, 0x4000, {0x80, 0x00, 'w', 's', 'k', 'n', 'm', 'r'}}};

static const NPI_PROVIDER_CHARACTERISTICS characteristics = {
    .Length = sizeof(NPI_PROVIDER_CHARACTERISTICS),
    .ProviderAttachClient = attach_client,
    .ProviderDetachClient = detach_client,
    .ProviderCleanupBindingContext = cleanup_client,
    .ProviderRegistrationInstance = {.Size = sizeof(NPI_REGISTRATION_INSTANCE),
                                     .NpiId = &NPI_WSK_INTERFACE_ID,
                                     .ModuleId = &module_id,
                                     .NpiSpecificCharacteristics = &versions /* C-REG-28 */}};

NTSTATUS wsk_npi_provider_start(void)
{
    return nmr_register_provider(&characteristics, NULL, &provider, NULL);
}

void wsk_npi_provider_stop(void)
{
    NTSTATUS status = nmr_deregister(provider, NMR_PROVIDER);

    KE_ASSERT(status == STATUS_PENDING);
}

void wsk_npi_provider_wait(void)
{
    nmr_wait_deregistered(provider, NMR_PROVIDER);
}
