/*
 * connection.c - WskBind and WskConnect (areas BIND, CONN).
 *
 * A pending connect is one operation inside the transport.  Who ends it: the transport (complete),
 * IoCancelIrp or close. The IRP leaves socket->connect.irps under the lock, so exactly one of them ends it.
 */
#include "wsk/wskp.h"

NTSTATUS wsk_bind_now(struct wsk_socket *socket, const struct transport_address *local)
{
    NTSTATUS status;
    enum wsk_event event = socket->category == WSK_LISTEN ? WSK_EV_LISTEN : WSK_EV_BIND;

    if (socket->category == WSK_LISTEN && socket->type != SOCK_STREAM)
        return STATUS_NOT_IMPLEMENTED; /* W-05 */
    if (wsk_transition(socket->category, socket->state, event) == 0)
        return STATUS_INVALID_DEVICE_STATE;
    status = WSK_TRANSPORT_OPS->bind(socket->transport, local);
    if (status == STATUS_SUCCESS && socket->category == WSK_LISTEN)
        status = wsk_listen_start(socket); /* C-LISTEN-01 */
    if (status != STATUS_SUCCESS)
        return status;
    wsk_move(socket, event);
    if (socket->option.conditional)
        wsk_event_enable(socket, WSK_CALLBACK_INSPECT | WSK_CALLBACK_ABORT);
    return STATUS_SUCCESS;
}

/* WskBind (nc-wsk-pfn_wsk_bind): fixes the local address; a listening socket listens from then on.
 * LocalAddress is copied (D-11).  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_bind(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp)
{
    struct transport_address local;
    struct wsk_socket *socket;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(Socket, Irp, WSK_OP_BIND, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if (Flags != 0 || !wsk_address_in(socket, LocalAddress, &local))
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER); /* R-BIND-02 */
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    status = wsk_bind_now(socket, &local);
    if (status == STATUS_INVALID_DEVICE_STATE) { /* a refusal, not a result */
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, status);
    }
    if (socket->category == WSK_LISTEN && status == STATUS_SUCCESS)
        wsk_listen_pump(socket);
    return wsk_op_finish(socket, Irp, status, 0, FALSE, irql);
}

/* ---- connect ------------------------------------------------------------------------------------------ */

/* lock held: the outcome is known; moves the socket. */
static void connect_outcome(struct wsk_socket *socket, NTSTATUS status)
{
    if (status == STATUS_SUCCESS) {
        wsk_move(socket, WSK_EV_CONNECT_OK);
        wsk_receive_start(socket);
    } else {
        wsk_move(socket, WSK_EV_CONNECT_FAILED);
    }
}

static ULONG_PTR connect_information(struct wsk_socket *socket, PIRP Irp, NTSTATUS status)
{
    return status == STATUS_SUCCESS && wsk_op_of(Irp)->kind == WSK_OP_SOCKET_CONNECT
               ? (ULONG_PTR)&socket->public
               : 0;
}

/* lock held: takes the pending connect out; NULL when somebody else has ended it. */
static PIRP connect_take(struct wsk_socket *socket)
{
    return IsListEmpty(&socket->connect.irps) ? NULL : wsk_irp_of_link(RemoveHeadList(&socket->connect.irps));
}

static void connect_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, connect.op);
    KIRQL irql = wsk_lock(socket);
    PIRP irp = connect_take(socket);
    UCHAR flags = wsk_op_of(irp)->flags;

    UNREFERENCED_PARAMETER(bytes);
    if (flags & WSK_OP_BY_CLOSE) { /* only full success wins against close (close.c, step 4) */
        if (status == STATUS_SUCCESS)
            wsk_op_done(socket, irp, STATUS_SUCCESS, 0);
        else
            wsk_op_done_by_close(socket, irp);
    } else {
        if (status != STATUS_SUCCESS && (flags & WSK_OP_CANCELLED))
            status = STATUS_CANCELLED;
        connect_outcome(socket, status);
        wsk_op_done(socket, irp, status, connect_information(socket, irp, status));
    }
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket); /* the operation inside the transport */
}

void wsk_connection_initialize(struct wsk_socket *socket)
{
    socket->connect.op.complete = connect_complete;
    socket->connect.op.kind = TRANSPORT_CONNECT;
    InitializeListHead(&socket->connect.irps);
}

NTSTATUS wsk_connect_start(struct wsk_socket *socket, const struct transport_address *remote, PIRP Irp,
                           KIRQL irql)
{
    NTSTATUS status;

    wsk_move(socket, WSK_EV_CONNECT);
    socket->connect.op.address = *remote;
    socket->peer = *remote;
    wsk_gate_hold(socket);
    status = WSK_TRANSPORT_OPS->connect(socket->transport, &socket->connect.op);
    if (status == STATUS_PENDING) {
        wsk_op_of(Irp)->stage = WSK_STAGE_HELD;
        wsk_op_pend(socket, Irp, &socket->connect.irps);
        wsk_unlock(socket, irql);
        return STATUS_PENDING;
    }
    /* Over already: success, refused on loopback, no route ... */
    wsk_gate_leave(socket); /* not the last: the IRP holds the gate */
    connect_outcome(socket, status);
    return wsk_op_finish(socket, Irp, status, connect_information(socket, Irp, status), FALSE, irql);
}

/* WskConnect (nc-wsk-pfn_wsk_connect): RemoteAddress is copied (D-11).  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_connect(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp)
{
    struct transport_address remote;
    struct wsk_socket *socket;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(Socket, Irp, WSK_OP_CONNECT, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if (Flags != 0 || !wsk_address_in(socket, RemoteAddress, &remote))
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER); /* R-CONN-03 */
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (wsk_transition(socket->category, socket->state, WSK_EV_CONNECT) == 0) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, STATUS_INVALID_DEVICE_STATE); /* W-03 */
    }
    return wsk_connect_start(socket, &remote, Irp, irql);
}

void wsk_connect_cancel(struct wsk_socket *socket, PIRP Irp)
{
    if (!WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->connect.op))
        return; /* connect_complete comes, or waits for our lock: it ends the IRP */
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    connect_outcome(socket, STATUS_CANCELLED);
    WSK_TRANSPORT_OPS->abort(socket->transport); /* linux-facts 5: leave no SYN behind */
    wsk_op_done(socket, Irp, STATUS_CANCELLED, 0);
    wsk_gate_leave(socket); /* not the last: the IRP holds the gate */
}

void wsk_connection_close(struct wsk_socket *socket)
{
    PIRP irp;

    if (IsListEmpty(&socket->connect.irps))
        return;
    irp = wsk_irp_of_link(socket->connect.irps.Flink);
    wsk_op_of(irp)->flags |= WSK_OP_BY_CLOSE;
    if (!WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->connect.op))
        return;
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    wsk_op_done_by_close(socket, irp); /* C-CLOSE-42 */
    wsk_gate_leave(socket);            /* not the last: close holds the gate */
}
