/*
 * address.c - SOCKADDR of the driver to the transport's address and back, and the two address queries
 * (areas LADDR, RADDR).
 */
#include "wsk/wskp.h"

ADDRESS_FAMILY wsk_address_family(const SOCKADDR *address)
{
    ADDRESS_FAMILY family;

    RtlCopyMemory(&family, address, sizeof family);
    return family;
}

BOOLEAN wsk_address_in(const struct wsk_socket *socket, const SOCKADDR *address,
                       struct transport_address *out)
{
    ADDRESS_FAMILY family;

    if (address == NULL)
        return FALSE;
    family = wsk_address_family(address);
    if (family != socket->family)
        return FALSE;
    RtlZeroMemory(out, sizeof *out);
    out->length = family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
    RtlCopyMemory(out->bytes, address, out->length);
    return TRUE;
}

ULONG wsk_address_out(const struct transport_address *address, PSOCKADDR out)
{
    RtlCopyMemory(out, address->bytes, address->length); /* D-20: 16 or 28 bytes, never more */
    return address->length;
}

static NTSTATUS get_address(PWSK_SOCKET Socket, PSOCKADDR Address, PIRP Irp, int remote)
{
    struct transport_address found;
    struct wsk_socket *socket;
    NTSTATUS status;
    ULONG size = 0;
    KIRQL irql;

    status = wsk_op_enter(Socket, Irp, WSK_OP_ADDRESS, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if (Address == NULL)
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER);
    irql = wsk_lock(socket);
    if (socket->transport == NULL || socket->state < (remote ? WSK_STATE_CONNECTED : WSK_STATE_BOUND) ||
        (remote && socket->category != WSK_CONNECTION)) /* a listener that died has no peer either */
        status = STATUS_INVALID_DEVICE_STATE;           /* R-LADDR-03, R-RADDR-03 */
    else if (remote && socket->peer.length != 0)
        found = socket->peer; /* it stays readable after the connection is gone */
    else
        status = WSK_TRANSPORT_OPS->address(socket->transport, remote, &found);
    if (status != STATUS_SUCCESS) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, status);
    }
    size = wsk_address_out(&found, Address);
    return wsk_op_finish(socket, Irp, STATUS_SUCCESS, size, TRUE, irql);
}

/* WskGetLocalAddress (nc-wsk-pfn_wsk_get_local_address).  LocalAddress: large enough for the family's
 * SOCKADDR, valid until completion.  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_get_local_address(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, PIRP Irp)
{
    return get_address(Socket, LocalAddress, Irp, 0);
}

/* WskGetRemoteAddress (nc-wsk-pfn_wsk_get_remote_address).  As above, for the peer of a connected socket. */
NTSTATUS WSKAPI wsk_get_remote_address(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PIRP Irp)
{
    return get_address(Socket, RemoteAddress, Irp, 1);
}

struct transport_local *wsk_local_addresses(int family, SIZE_T *count)
{
    SIZE_T room = 0;

    for (;;) { /* until nothing has come between the look at the number and the look at the list */
        struct transport_local *found =
            ex_allocate_pool(POOL_FLAG_NON_PAGED, (room + 1) * sizeof *found, WSK_TAG_ADDRESSES);

        if (found == NULL)
            return NULL;
        *count = WSK_TRANSPORT_OPS->addresses(wsk_settings.transport, family, found, room + 1);
        if (*count <= room + 1)
            return found;
        ex_free_pool(found);
        room = *count;
    }
}
