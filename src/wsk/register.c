/*
 * register.c - WskRegister, WskDeregister, WskCaptureProviderNPI, WskReleaseProviderNPI and
 * WskQueryProviderCharacteristics (areas REG, CAPT, DEREG); the coming and going of the provider for the clients that
 * register here.
 *
 * The driver's WSK_REGISTRATION block is guarded by its own lock word: ReservedRegistrationState tells
 * whether it is registered, ReservedRegistrationContext points to our struct wsk_client while it is.  A
 * capture that races with WskDeregister finds either a live client, counted under the block's lock, or a
 * block that is no longer registered (R-CAPT-07, 08).
 *
 * WskDeregister waits on client->quiet, which is set under client->lock by the last who leaves
 * (wsk_client_quiet_locked). It then takes client->lock once more before it frees the client: the last leaver
 * has released it by then, and the release is the last thing it does with it.
 *
 * The provider.  client->attached says, under client->lock, whether captures of this client succeed: it changes for
 * all clients in wsk_registration_start and _stop, and a new client takes it over in the step that makes it known.  A
 * capture that waits is counted in client->waiting, which holds up WskDeregister and not the provider.  A client that
 * has a capture, a call, an IRP or a socket when the provider goes is `detaching` until it has none of them any more,
 * like an NMR style client (C-DEREG-17): all that it has works until then, only new captures wait for the provider's
 * return.  wsk_ready is set after `attached` and cleared before it, so nobody finds it set and is not attached for
 * longer than those steps take.
 */
#include "wsk/wskp.h"

#define WSK_BLOCK_REGISTERED   0x57736b5265676973ull /* "WskRegis" */
#define WSK_BLOCK_LEAVING      0x57736b4c65617665ull /* WskDeregister waits: releases only */
#define WSK_BLOCK_DEREGISTERED 0x57736b446572656cull

LIST_ENTRY wsk_clients = {&wsk_clients, &wsk_clients};
KSPIN_LOCK wsk_clients_lock;
static KEVENT wsk_ready;       /* notification: the provider is attached */
static KEVENT provider_let_go; /* notification: nobody holds up its detachment any more */
static LONG provider_held;     /* atomic: by the clients that are `detaching`, and by who detaches it */
static BOOLEAN provider_there; /* under wsk_clients_lock */

/* ---- the provider comes and goes ---------------------------------------------------------------------- */

void wsk_registration_initialize(void)
{
    ke_initialize_event(&wsk_ready, NotificationEvent, FALSE);
    ke_initialize_event(&provider_let_go, NotificationEvent, FALSE);
}

static void provider_release(void)
{
    host_point(HOST_POINT_ATOMIC, &provider_held);
    if (__atomic_sub_fetch(&provider_held, 1, __ATOMIC_ACQ_REL) == 0)
        ke_set_event(&provider_let_go, IO_NO_INCREMENT, FALSE);
}

/* client->lock held.  Has it anything of the provider's? */
static BOOLEAN client_has_something(const struct wsk_client *client)
{
    return client->captures != 0 || client->calls != 0 || client->open != 0;
}

/* Tells each client that has registered here. */
static void provider_tell(BOOLEAN there)
{
    KIRQL irql = ke_acquire_spin_lock(&wsk_clients_lock);
    PLIST_ENTRY link;

    provider_there = there;
    for (link = wsk_clients.Flink; link != &wsk_clients; link = link->Flink) {
        struct wsk_client *client = CONTAINING_RECORD(link, struct wsk_client, link);

        if (client->registration == NULL)
            continue;
        ke_acquire_spin_lock_at_dpc_level(&client->lock);
        client->attached = there;
        client->detaching = !there && client_has_something(client);
        if (client->detaching)
            __atomic_add_fetch(&provider_held, 1, __ATOMIC_RELAXED);
        ke_release_spin_lock_from_dpc_level(&client->lock);
    }
    ke_release_spin_lock(&wsk_clients_lock, irql);
}

void wsk_registration_start(void)
{
    provider_tell(TRUE);
    ke_set_event(&wsk_ready, IO_NO_INCREMENT, FALSE);
}

/* A client that is detaching and has WSK_TRANSPORT_LIST_CHANGE IRPs, with a hold; NULL: no more of them. */
static struct wsk_client *find_waiting_for_changes(void)
{
    KIRQL irql = ke_acquire_spin_lock(&wsk_clients_lock);
    struct wsk_client *found = NULL;
    PLIST_ENTRY link;

    for (link = wsk_clients.Flink; link != &wsk_clients && found == NULL; link = link->Flink) {
        struct wsk_client *client = CONTAINING_RECORD(link, struct wsk_client, link);

        ke_acquire_spin_lock_at_dpc_level(&client->lock);
        if (client->detaching && !IsListEmpty(&client->transport_changes)) {
            client->calls++;
            found = client;
        }
        ke_release_spin_lock_from_dpc_level(&client->lock);
    }
    ke_release_spin_lock(&wsk_clients_lock, irql);
    return found;
}

void wsk_registration_stop(void)
{
    struct wsk_client *client;

    ke_clear_event(&wsk_ready);
    ke_clear_event(&provider_let_go);
    __atomic_store_n(&provider_held, 1, __ATOMIC_RELAXED);
    provider_tell(FALSE);
    while ((client = find_waiting_for_changes()) != NULL) {
        wsk_client_cancel_transport_changes(client);
        wsk_client_leave(client);
    }
}

void wsk_registration_wait(void)
{
    provider_release();
    ke_wait_for_single_object(&provider_let_go, Executive, KernelMode, FALSE, NULL);
}

/* client->lock held. */
void wsk_client_quiet_locked(struct wsk_client *client)
{
    if (client->calls != 0 || client->open != 0)
        return;
    if (client->binding != NULL) {
        if (client->deregistering)
            wsk_npi_client_quiet_locked(client);
        return;
    }
    if (client->captures != 0)
        return;
    if (client->detaching) {
        client->detaching = FALSE;
        provider_release();
    }
    if (client->deregistering && client->waiting == 0)
        ke_set_event(&client->quiet, IO_NO_INCREMENT, FALSE);
}

/* ---- registering -------------------------------------------------------------------------------------- */

/* The block's client with client->lock taken, or NULL.  The block's lock orders this against WskDeregister.
 */
static struct wsk_client *registration_lock(PWSK_REGISTRATION registration, BOOLEAN leaving_too, PKIRQL irql)
{
    struct wsk_client *client = NULL;

    *irql = ke_acquire_spin_lock(&registration->ReservedRegistrationLock);
    if (registration->ReservedRegistrationState == WSK_BLOCK_REGISTERED ||
        (leaving_too && registration->ReservedRegistrationState == WSK_BLOCK_LEAVING)) {
        client = registration->ReservedRegistrationContext;
        ke_acquire_spin_lock_at_dpc_level(&client->lock);
    } else {
        ke_release_spin_lock(&registration->ReservedRegistrationLock, *irql);
    }
    return client;
}

static void registration_unlock(PWSK_REGISTRATION registration, struct wsk_client *client, KIRQL irql)
{
    ke_release_spin_lock_from_dpc_level(&client->lock);
    ke_release_spin_lock(&registration->ReservedRegistrationLock, irql);
}

/* Whether a live client of ours belongs to the block: its contents alone prove nothing (C-REG-02). */
static BOOLEAN block_is_registered(const WSK_REGISTRATION *registration)
{
    KIRQL irql = ke_acquire_spin_lock(&wsk_clients_lock);
    BOOLEAN found = FALSE;
    PLIST_ENTRY link;

    for (link = wsk_clients.Flink; link != &wsk_clients && !found; link = link->Flink)
        found = CONTAINING_RECORD(link, struct wsk_client, link)->registration == registration;
    ke_release_spin_lock(&wsk_clients_lock, irql);
    return found;
}

struct wsk_client *wsk_client_create(PWSK_REGISTRATION registration, PVOID context,
                                     const WSK_CLIENT_DISPATCH *dispatch, void *caller)
{
    struct wsk_client *client = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *client, WSK_TAG_CLIENT);
    KIRQL irql;

    if (client == NULL)
        return NULL;
    ke_initialize_spin_lock(&client->lock);
    InitializeListHead(&client->sockets);
    InitializeListHead(&client->orphans);
    InitializeListHead(&client->orphan_datagrams);
    InitializeListHead(&client->transport_changes);
    ke_initialize_event(&client->quiet, NotificationEvent, FALSE);
    ke_initialize_event(&client->leaving, NotificationEvent, FALSE);
    client->registration = registration;
    client->context = context;
    client->dispatch = dispatch;
    client->caller = caller;
    irql = ke_acquire_spin_lock(&wsk_clients_lock);
    client->attached = registration == NULL || provider_there;
    InsertTailList(&wsk_clients, &client->link);
    ke_release_spin_lock(&wsk_clients_lock, irql);
    return client;
}

/* WskRegister: attaches a client (nf-wsk-wskregister).  WskClientNpi: copied, may live on the stack
 * (C-REG-05); its Dispatch must stay until WskDeregister.  WskRegistration: the driver's memory, contents
 * irrelevant (C-REG-02). PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INVALID_PARAMETER,
 * STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS WskRegister(PWSK_CLIENT_NPI WskClientNpi, PWSK_REGISTRATION WskRegistration)
{
    struct wsk_client *client;

    if (WskClientNpi == NULL || WskRegistration == NULL || WskClientNpi->Dispatch == NULL ||
        WskClientNpi->Dispatch->Reserved != 0)
        return STATUS_INVALID_PARAMETER;
    if (block_is_registered(WskRegistration))
        return STATUS_INVALID_PARAMETER; /* R-REG-05 */
    client = wsk_client_create(WskRegistration, WskClientNpi->ClientContext, WskClientNpi->Dispatch,
                               __builtin_return_address(0));
    if (client == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    ke_initialize_spin_lock(&WskRegistration->ReservedRegistrationLock);
    WskRegistration->ReservedRegistrationContext = client;
    WskRegistration->ReservedRegistrationState = WSK_BLOCK_REGISTERED;
    OBSERVE(born, OBSERVE_REGISTRATION, WskRegistration, 0, sizeof *WskRegistration, client->caller);
    return STATUS_SUCCESS;
}

/* Ends pended WSK_TRANSPORT_LIST_CHANGE IRPs (C-DEREG-06). */
void wsk_client_cancel_transport_changes(struct wsk_client *client)
{
    for (;;) {
        PIRP irp = NULL;
        KIRQL irql = ke_acquire_spin_lock(&client->lock);

        if (!IsListEmpty(&client->transport_changes))
            irp = wsk_irp_of_link(RemoveHeadList(&client->transport_changes));
        if (irp != NULL) /* a cancel routine that is under way unlinks it, too */
            InitializeListHead(&irp->Tail.Overlay.ListEntry);
        ke_release_spin_lock(&client->lock, irql);
        if (irp == NULL)
            return;
        wsk_transport_change_end(client, irp);
    }
}

/* WskDeregister: detaches a client (nf-wsk-wskderegister).  Returns when every capture was released, every
 * client-level call and IRP has ended and every socket's close IRP has been completed, its routine having
 * returned (C-DEREG-03..05, 09, D-25).  PASSIVE_LEVEL, and not from a callback or completion routine of this
 * client (C-DEREG-10). */
VOID WskDeregister(PWSK_REGISTRATION WskRegistration)
{
    struct wsk_client *client;
    KIRQL irql;

    client = WskRegistration != NULL ? registration_lock(WskRegistration, FALSE, &irql) : NULL;
    if (client == NULL)
        ke_bug_check_ex(NMR_INVALID_STATE, 1, WskRegistration, 0, 0); /* R-REG-07: not registered, or twice */
    WskRegistration->ReservedRegistrationState = WSK_BLOCK_LEAVING;
    client->deregistering = TRUE;
    ke_set_event(&client->leaving, IO_NO_INCREMENT, FALSE); /* R-CAPT-08 */
    wsk_client_quiet_locked(client);
    registration_unlock(WskRegistration, client, irql);

    wsk_client_cancel_transport_changes(client);
    ke_wait_for_single_object(&client->quiet, Executive, KernelMode, FALSE, NULL);

    irql = ke_acquire_spin_lock(&wsk_clients_lock);
    RemoveEntryList(&client->link);
    ke_release_spin_lock(&wsk_clients_lock, irql);
    /* Both locks once more: the last leaver is out of them. */
    client = registration_lock(WskRegistration, TRUE, &irql);
    WskRegistration->ReservedRegistrationState = WSK_BLOCK_DEREGISTERED;
    WskRegistration->ReservedRegistrationContext = NULL;
    registration_unlock(WskRegistration, client, irql);
    wsk_client_report_orphans(client);
    OBSERVE(dead, OBSERVE_REGISTRATION, WskRegistration);
    ex_free_pool(client);
}

/* ---- captures ----------------------------------------------------------------------------------------- */

/* client->lock held.  STATUS_SUCCESS: captured; STATUS_DEVICE_NOT_READY: not now (C-REG-15, R-CAPT-02, 03);
 * STATUS_NOINTERFACE: the provider that is there does not offer this version (C-REG-14). */
static NTSTATUS capture_locked(struct wsk_client *client)
{
    if (client->deregistering || !client->attached)
        return STATUS_DEVICE_NOT_READY;
    if (client->dispatch->Version < WSK_LOWEST_VERSION || client->dispatch->Version > WSK_HIGHEST_VERSION)
        return STATUS_NOINTERFACE;
    client->captures++; /* from here on WskDeregister and the provider's detachment wait for us */
    return STATUS_SUCCESS;
}

/* Waits for the provider, so many ms or WSK_INFINITE_WAIT.  The caller counts in client->waiting: the client is here
 * until that count is given back, the driver's block perhaps not.  Statuses of capture_locked. */
static NTSTATUS capture_wait(struct wsk_client *client, ULONG milliseconds)
{
    ULONG64 now = ke_query_interrupt_time(), end = now + milliseconds * 10000ull;
    PVOID objects[2] = {&wsk_ready, &client->leaving};
    NTSTATUS status, waited;
    LARGE_INTEGER due;
    KIRQL irql;

    for (;;) {
        due.QuadPart = end > now ? -(LONGLONG)(end - now) : 0;
        waited = ke_wait_for_multiple_objects(2, objects, WaitAny, Executive, KernelMode, FALSE,
                                              milliseconds != WSK_INFINITE_WAIT ? &due : NULL,
                                              NULL); /* C-REG-11, 12 */
        irql = ke_acquire_spin_lock(&client->lock);
        status = capture_locked(client);
        if (status != STATUS_DEVICE_NOT_READY || client->deregistering || waited == STATUS_TIMEOUT)
            break;
        ke_release_spin_lock(&client->lock, irql); /* it has come and gone in between */
        now = ke_query_interrupt_time();
    }
    client->waiting--;
    wsk_client_quiet_locked(client); /* the client may be gone once the lock is released */
    ke_release_spin_lock(&client->lock, irql);
    return status;
}

/* WskCaptureProviderNPI (nf-wsk-wskcaptureprovidernpi).  WaitTimeout: milliseconds, WSK_NO_WAIT or
 * WSK_INFINITE_WAIT. WskProviderNpi: filled on success.  PASSIVE_LEVEL; <= DISPATCH_LEVEL with WSK_NO_WAIT.
 * STATUS_SUCCESS, STATUS_NOINTERFACE (version not offered), STATUS_DEVICE_NOT_READY (not there in time, or
 * WskDeregister came). */
NTSTATUS WskCaptureProviderNPI(PWSK_REGISTRATION WskRegistration, ULONG WaitTimeout,
                               PWSK_PROVIDER_NPI WskProviderNpi)
{
    struct wsk_client *client;
    NTSTATUS status;
    BOOLEAN wait;
    KIRQL irql;

    if (WskRegistration == NULL || WskProviderNpi == NULL)
        return STATUS_INVALID_PARAMETER;
    client = registration_lock(WskRegistration, FALSE, &irql);
    if (client == NULL)
        return STATUS_DEVICE_NOT_READY; /* R-CAPT-07 */
    status = capture_locked(client);
    wait = status == STATUS_DEVICE_NOT_READY && WaitTimeout != WSK_NO_WAIT; /* C-REG-10 */
    client->waiting += wait;
    registration_unlock(WskRegistration, client, irql);
    if (wait)
        status = capture_wait(client, WaitTimeout);
    if (status != STATUS_SUCCESS)
        return status;
    WskProviderNpi->Client = (PWSK_CLIENT)client;
    WskProviderNpi->Dispatch = &wsk_provider_dispatch; /* C-REG-17 */
    OBSERVE(born, OBSERVE_CAPTURE, WskRegistration, 0, 0, __builtin_return_address(0));
    return STATUS_SUCCESS;
}

/* WskReleaseProviderNPI (nf-wsk-wskreleaseprovidernpi): gives one capture back; also while WskDeregister
 * already waits.
 * <= DISPATCH_LEVEL. */
VOID WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration)
{
    struct wsk_client *client;
    KIRQL irql;

    client = WskRegistration != NULL ? registration_lock(WskRegistration, TRUE, &irql) : NULL;
    if (client == NULL || client->captures <= 0)
        ke_bug_check_ex(NMR_INVALID_STATE, 2, WskRegistration, 0, 0); /* C-REG-20: no capture to release */
    OBSERVE(dead, OBSERVE_CAPTURE, WskRegistration);
    client->captures--;
    wsk_client_quiet_locked(client);
    registration_unlock(WskRegistration, client, irql);
}

/* WskQueryProviderCharacteristics (nf-wsk-wskqueryprovidercharacteristics): the range of versions on offer.
 * <= DISPATCH_LEVEL.  STATUS_SUCCESS, STATUS_DEVICE_NOT_READY, STATUS_INVALID_PARAMETER. */
NTSTATUS WskQueryProviderCharacteristics(PWSK_REGISTRATION WskRegistration,
                                         PWSK_PROVIDER_CHARACTERISTICS WskProviderCharacteristics)
{
    struct wsk_client *client;
    BOOLEAN attached;
    KIRQL irql;

    if (WskRegistration == NULL || WskProviderCharacteristics == NULL)
        return STATUS_INVALID_PARAMETER;
    client = registration_lock(WskRegistration, FALSE, &irql);
    if (client == NULL)
        return STATUS_DEVICE_NOT_READY;
    attached = client->attached;
    registration_unlock(WskRegistration, client, irql);
    if (!attached)
        return STATUS_DEVICE_NOT_READY; /* R-CAPT-13 */
    WskProviderCharacteristics->LowestVersion = WSK_LOWEST_VERSION;
    WskProviderCharacteristics->HighestVersion = WSK_HIGHEST_VERSION;
    return STATUS_SUCCESS;
}
