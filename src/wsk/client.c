/*
 * client.c - the client object: what counts towards WskDeregister, and WskControlClient (area CTLC).
 */
#include "wsk/wskp.h"

/* wsk_clients_lock held: is this one of ours?  The driver may hand us anything. */
static BOOLEAN client_known(const struct wsk_client *client)
{
    PLIST_ENTRY link;

    for (link = wsk_clients.Flink; link != &wsk_clients; link = link->Flink)
        if (CONTAINING_RECORD(link, struct wsk_client, link) == client)
            return TRUE;
    return FALSE;
}

BOOLEAN wsk_client_enter(struct wsk_client *client)
{
    KIRQL irql = ke_acquire_spin_lock(&wsk_clients_lock);
    BOOLEAN good = FALSE;

    if (client_known(client)) {
        ke_acquire_spin_lock_at_dpc_level(&client->lock);
        good = client->captures > 0; /* C-REG-21: no client-level call without a capture */
        if (good)
            client->calls++;
        ke_release_spin_lock_from_dpc_level(&client->lock);
    }
    ke_release_spin_lock(&wsk_clients_lock, irql);
    return good;
}

void wsk_client_leave(struct wsk_client *client)
{
    KIRQL irql = ke_acquire_spin_lock(&client->lock);

    client->calls--;
    wsk_client_quiet_locked(client);
    ke_release_spin_lock(&client->lock, irql);
}

void wsk_client_socket_opened(struct wsk_client *client, struct wsk_socket *socket)
{
    KIRQL irql = ke_quick_acquire(&client->lock);

    client->open++;
    client->sockets_created++;
    InsertTailList(&client->sockets, &socket->client_link);
    ke_quick_release(&client->lock, irql);
}

void wsk_client_socket_closed(struct wsk_client *client, struct wsk_socket *socket)
{
    KIRQL irql = ke_quick_acquire(&client->lock);

    client->open--;
    RemoveEntryList(&socket->client_link);
    OBSERVE(dead, OBSERVE_SOCKET, socket);
    wsk_client_quiet_locked(client); /* the client may be gone once the lock is released */
    ke_quick_release(&client->lock, irql);
}

void wsk_client_report_orphans(struct wsk_client *client)
{
    unsigned count = 0;
    PLIST_ENTRY link;

    for (link = client->orphans.Flink; link != &client->orphans; link = link->Flink)
        count++;
    for (link = client->orphan_datagrams.Flink; link != &client->orphan_datagrams; link = link->Flink)
        count++;
    if (count == 0)
        return;
    dbg_print(
        "wsk: %u retained indication list(s) were never given to WskRelease before their socket was closed "
        "(C-CLOSE-37)\n",
        count);
    wsk_indication_free_all(&client->orphans);
    wsk_datagram_free_all(&client->orphan_datagrams);
}

/* ---- WskControlClient --------------------------------------------------------------------------------- */

static const struct {
    ADDRESS_FAMILY family;
    USHORT type;
    ULONG protocol;
} wsk_transport_rows[] = {
    {AF_INET, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP},
    {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
};

/* Synthesised: Linux has no transport catalogue with provider ids (R-CTLC-04). */
static const GUID wsk_transport_id = {0x75777372, 0x6b00, 0x4000, {0x80, 0x00, 't', 'c', 'p', 'i', 'p', 0}};

static NTSTATUS transport_list_query(SIZE_T size, PVOID buffer, SIZE_T *returned)
{
    WSK_TRANSPORT *row = buffer;
    size_t i;

    if (returned == NULL)
        return STATUS_INVALID_PARAMETER; /* H-08 */
    *returned = sizeof *row * RTL_NUMBER_OF(wsk_transport_rows);
    if (buffer == NULL || size < *returned)
        return STATUS_BUFFER_OVERFLOW; /* C-CTLC-02 */
    for (i = 0; i < RTL_NUMBER_OF(wsk_transport_rows); i++, row++) {
        RtlZeroMemory(row, sizeof *row);
        row->Version = 1;
        row->SocketType = wsk_transport_rows[i].type;
        row->Protocol = wsk_transport_rows[i].protocol;
        row->AddressFamily = wsk_transport_rows[i].family;
        row->ProviderId = wsk_transport_id;
    }
    return STATUS_SUCCESS;
}

#define STATIC_EVENTS                                                                                        \
    (WSK_EVENT_ACCEPT | WSK_EVENT_RECEIVE_FROM | WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT |                  \
     WSK_EVENT_SEND_BACKLOG)

static NTSTATUS set_static_callbacks(struct wsk_client *client, SIZE_T size,
                                     const WSK_EVENT_CALLBACK_CONTROL *control)
{
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    if (control == NULL || size != sizeof *control || control->NpiId == NULL ||
        !RtlEqualMemory(control->NpiId, &NPI_WSK_INTERFACE_ID, sizeof(NPIID)) ||
        (control->EventMask & ~(ULONG)STATIC_EVENTS) || control->EventMask == 0)
        return STATUS_INVALID_PARAMETER;
    irql = ke_acquire_spin_lock(&client->lock);
    if (client->sockets_created != 0)
        status = STATUS_INVALID_DEVICE_STATE; /* C-EVT-21 */
    else
        client->static_events |= control->EventMask;
    ke_release_spin_lock(&client->lock, irql);
    return status;
}

/* There is no TDI (C-CTLC-15, 17): a mapping would count only for a combination that is not listed above, and what is
 * listed never goes another way.  So a mapping of what is there is taken and does nothing, of anything else it is
 * refused, and so is either once there was a socket (C-CTLC-16, 18). */
static NTSTATUS tdi_mapping(const WSK_TDI_MAP_INFO *info)
{
    ULONG i;
    size_t row;

    if (info->ElementCount == 0 || info->Map == NULL)
        return STATUS_INVALID_PARAMETER;
    for (i = 0; i < info->ElementCount; i++) {
        const WSK_TDI_MAP *map = &info->Map[i];

        if (map->TdiDeviceName == NULL)
            return STATUS_INVALID_PARAMETER;
        for (row = 0; row < RTL_NUMBER_OF(wsk_transport_rows); row++)
            if (map->AddressFamily == wsk_transport_rows[row].family &&
                map->SocketType == wsk_transport_rows[row].type &&
                map->Protocol == wsk_transport_rows[row].protocol)
                break;
        if (row == RTL_NUMBER_OF(wsk_transport_rows))
            return STATUS_NOT_SUPPORTED;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS tdi_behavior(const ULONG *flags)
{
    return (*flags & ~(ULONG)WSK_TDI_BEHAVIOR_BYPASS_TDI) == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static NTSTATUS set_tdi(struct wsk_client *client, ULONG code, SIZE_T size, const VOID *in)
{
    LONG created;
    KIRQL irql;

    if (in == NULL || size != (code == WSK_TDI_BEHAVIOR ? sizeof(ULONG) : sizeof(WSK_TDI_MAP_INFO)))
        return STATUS_INVALID_PARAMETER;
    irql = ke_acquire_spin_lock(&client->lock);
    created = client->sockets_created;
    ke_release_spin_lock(&client->lock, irql);
    if (created != 0)
        return STATUS_INVALID_DEVICE_STATE;
    return code == WSK_TDI_BEHAVIOR ? tdi_behavior(in) : tdi_mapping(in);
}

void wsk_transport_change_end(struct wsk_client *client, PIRP Irp)
{
    if (io_set_cancel_routine(Irp, NULL) == NULL)
        return; /* a cancel routine is on its way and ends it */
    io_complete_request(Irp, STATUS_CANCELLED, 0);
    wsk_client_leave(client);
}

/* The client pointer stands in DriverContext[0] of a pended transport-list-change IRP. */
static VOID NTAPI transport_change_cancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct wsk_client *client = Irp->Tail.Overlay.DriverContext[0];
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    io_release_cancel_spin_lock(Irp->CancelIrql);
    irql = ke_acquire_spin_lock(&client->lock);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    InitializeListHead(&Irp->Tail.Overlay.ListEntry);
    ke_release_spin_lock(&client->lock, irql);
    io_complete_request(Irp, STATUS_CANCELLED, 0);
    wsk_client_leave(client);
}

/* The set of transports never changes here: the IRP waits for cancellation, WskDeregister or the provider's
 * detachment (C-CTLC-05, 07, C-DEREG-06). */
static NTSTATUS transport_list_change(struct wsk_client *client, PIRP Irp)
{
    NTSTATUS status = STATUS_PENDING;
    KIRQL irql;

    Irp->Tail.Overlay.DriverContext[0] = client;
    irql = ke_acquire_spin_lock(&client->lock);
    io_mark_irp_pending(Irp);
    InsertTailList(&client->transport_changes, &Irp->Tail.Overlay.ListEntry);
    io_set_cancel_routine(Irp, transport_change_cancel);
    if ((wsk_is_cancelled(Irp) || client->deregistering || !client->attached) &&
        io_set_cancel_routine(Irp, NULL) != NULL) {
        RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
        ke_release_spin_lock(&client->lock, irql);
        io_complete_request(Irp, STATUS_CANCELLED, 0);
        wsk_client_leave(client);
        return status;
    }
    ke_release_spin_lock(&client->lock, irql);
    return status;
}

static NTSTATUS control_without_irp(struct wsk_client *client, ULONG code, SIZE_T in_size, PVOID in,
                                    SIZE_T out_size, PVOID out, SIZE_T *returned, void *caller)
{
    switch (code) {
    case WSK_CACHE_SD: /* C-CTLC-08 */
        return returned == NULL ? wsk_security_cache(in_size, in, out_size, out, caller)
                                : STATUS_INVALID_PARAMETER;
    case WSK_RELEASE_SD: /* C-CTLC-10 */
        return out == NULL && out_size == 0 ? wsk_security_release(in_size, in) : STATUS_INVALID_PARAMETER;
    case WSK_TRANSPORT_LIST_QUERY:
        return in == NULL && in_size == 0 ? transport_list_query(out_size, out, returned)
                                          : STATUS_INVALID_PARAMETER;
    case WSK_SET_STATIC_EVENT_CALLBACKS:
        return out == NULL && out_size == 0 ? set_static_callbacks(client, in_size, in)
                                            : STATUS_INVALID_PARAMETER;
    case WSK_TDI_DEVICENAME_MAPPING:
    case WSK_TDI_BEHAVIOR:
        return out == NULL && out_size == 0 ? set_tdi(client, code, in_size, in) : STATUS_INVALID_PARAMETER;
    case WSK_TRANSPORT_LIST_CHANGE:
        return STATUS_INVALID_PARAMETER; /* C-CTLC-06: needs an IRP */
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

/* WskControlClient (nc-wsk-pfn_wsk_control_client).  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_control_client(PWSK_CLIENT Client, ULONG ControlCode, SIZE_T InputSize, PVOID InputBuffer,
                                   SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned,
                                   PIRP Irp)
{
    struct wsk_client *client = Client;
    NTSTATUS status;

    if (Irp != NULL)
        wsk_op_begin(Irp, WSK_OP_CONTROL, NULL);
    if (!wsk_client_enter(client))
        return Irp != NULL ? wsk_op_refuse(Irp, STATUS_INVALID_HANDLE) : STATUS_INVALID_HANDLE;
    if (Irp != NULL && ControlCode == WSK_TRANSPORT_LIST_CHANGE && InputBuffer == NULL &&
        OutputBuffer == NULL)
        return transport_list_change(client, Irp); /* the IRP holds the client until it ends (C-DEREG-05) */
    if (Irp != NULL)                               /* C-CTLC-19 */
        status = wsk_op_refuse(Irp, STATUS_INVALID_PARAMETER);
    else
        status = control_without_irp(client, ControlCode, InputSize, InputBuffer, OutputSize, OutputBuffer,
                                     OutputSizeReturned, __builtin_return_address(0));
    wsk_client_leave(client);
    return status;
}
