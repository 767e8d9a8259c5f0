/*
 * connection.c - WskBind, WskConnect, WskConnectEx and WskListen (areas BIND, CONN, CONNX, LISTEN).
 *
 * A pending connect is one operation inside the transport.  Who ends it: the transport (complete),
 * IoCancelIrp or close. The IRP leaves socket->connect.irps under the lock, so exactly one of them ends it.
 *
 * WskConnectEx with bytes to send has a second life: once connected its IRP moves, in one step under the lock, to the
 * end of the send queue, which is empty then, and is a send like any other (send.c).  What ends it early there ends
 * the connection, too: a connect that has failed leaves none behind.
 */
#include "wsk/wskp.h"

#define WSK_CONNECT_EX_MOST 65535 /* R-CONNX-04, R-STRUCT-30 */

NTSTATUS wsk_bind_now(struct wsk_socket *socket, const struct transport_address *local)
{
    NTSTATUS status;
    enum wsk_event event = socket->category == WSK_LISTEN ? WSK_EV_LISTEN : WSK_EV_BIND;

    if (socket->category == WSK_LISTEN && socket->type != SOCK_STREAM)
        return STATUS_NOT_IMPLEMENTED; /* W-05 */
    if (wsk_transition(socket->category, socket->state, event) == 0)
        return STATUS_INVALID_DEVICE_STATE;
    status = wsk_sharing_bind(socket, local);
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
    if (status == STATUS_SUCCESS) { /* callbacks that are enabled from the start (C-EVT-20) */
        wsk_listen_pump(socket);
        wsk_datagram_pump(socket);
    }
    return wsk_op_finish(socket, Irp, status, 0, FALSE, irql);
}

/* WskListen (nc-wsk-pfn_wsk_listen): a bound stream socket listens from now on, for good.  <= DISPATCH_LEVEL.
 * STATUS_INVALID_DEVICE_STATE: it is none, is not bound or has a role. */
NTSTATUS WSKAPI wsk_listen(PWSK_SOCKET Socket, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(Socket, Irp, WSK_OP_LISTEN, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (socket->category != WSK_STREAM || wsk_transition(WSK_STREAM, socket->state, WSK_EV_LISTEN) == 0) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, STATUS_INVALID_DEVICE_STATE); /* R-LISTEN-02 */
    }
    status = wsk_listen_start(socket);
    if (status == STATUS_SUCCESS) {
        wsk_move(socket, WSK_EV_LISTEN);
        wsk_socket_become(socket, WSK_LISTEN); /* R-LISTEN-03 */
        wsk_listen_pump(socket);
    }
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
        wsk_socket_become(socket, WSK_STREAM); /* R-CONN-05: only success is for good */
    }
}

static BOOLEAN connect_sends(PIRP Irp)
{
    return wsk_op_of(Irp)->kind == WSK_OP_CONNECT_EX && wsk_arguments_of(Irp)->buffer.length != 0;
}

/* lock held: connected just now, and the IRP, which is in no queue, has bytes to send (R-CONNX-03). */
static void connect_send(struct wsk_socket *socket, PIRP Irp)
{
    wsk_op_of(Irp)->stage = WSK_STAGE_QUEUED;
    InsertTailList(&socket->send.irps, &Irp->Tail.Overlay.ListEntry);
    if (wsk_op_of(Irp)->flags & WSK_OP_CANCELLED)
        wsk_disconnect_abort(socket); /* too late for the connect, in time for the bytes */
    else
        wsk_send_pump(socket);
}

static ULONG_PTR connect_information(struct wsk_socket *socket, PIRP Irp, NTSTATUS status)
{
    return status == STATUS_SUCCESS && wsk_op_of(Irp)->kind == WSK_OP_SOCKET_CONNECT
               ? (ULONG_PTR)&socket->public
               : 0;
}

/* lock held: takes the pending connect out; whoever ends it otherwise has taken the operation back before. */
static PIRP connect_take(struct wsk_socket *socket)
{
    KE_ASSERT(!IsListEmpty(&socket->connect.irps));
    return wsk_irp_of_link(RemoveHeadList(&socket->connect.irps));
}

static void connect_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, connect.op.op);
    KIRQL irql = wsk_lock(socket);
    PIRP irp = connect_take(socket);
    UCHAR flags = wsk_op_of(irp)->flags;

    UNREFERENCED_PARAMETER(bytes);
    if (flags & WSK_OP_BY_CLOSE) { /* only full success wins against close (close.c, step 4) */
        if (status == STATUS_SUCCESS && !connect_sends(irp))
            wsk_op_done(socket, irp, STATUS_SUCCESS, 0);
        else
            wsk_op_done_by_close(socket, irp);
    } else if (status == STATUS_SUCCESS && connect_sends(irp)) {
        connect_outcome(socket, STATUS_SUCCESS);
        connect_send(socket, irp);
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
    socket->connect.op.op.complete = connect_complete;
    socket->connect.op.op.kind = TRANSPORT_CONNECT;
    InitializeListHead(&socket->connect.irps);
}

NTSTATUS wsk_connect_start(struct wsk_socket *socket, const struct transport_address *remote, PIRP Irp,
                           KIRQL irql)
{
    NTSTATUS status;

    wsk_move(socket, WSK_EV_CONNECT);
    wsk_socket_become(socket, WSK_CONNECTION);
    socket->connect.op.address = *remote;
    socket->peer = *remote;
    wsk_gate_hold(socket, 1);
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
    if (status == STATUS_SUCCESS && connect_sends(Irp)) {
        if (wsk_op_pend(socket, Irp, &socket->send.irps))
            wsk_send_pump(socket);
        wsk_unlock(socket, irql);
        return STATUS_PENDING;
    }
    return wsk_op_finish(socket, Irp, status, connect_information(socket, Irp, status), FALSE, irql);
}

/* The call was let in. */
static NTSTATUS connect_entered(struct wsk_socket *socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp)
{
    struct transport_address remote;
    NTSTATUS status;
    KIRQL irql;

    if (Flags != 0 || !wsk_address_in(socket, RemoteAddress, &remote))
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER); /* R-CONN-03, R-CONNX-05 */
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (wsk_transition(socket->category, socket->state, WSK_EV_CONNECT) == 0) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, STATUS_INVALID_DEVICE_STATE); /* W-03 */
    }
    return wsk_connect_start(socket, &remote, Irp, irql);
}

/* WskConnect (nc-wsk-pfn_wsk_connect): RemoteAddress is copied (D-11).  <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_connect(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status = wsk_op_enter(Socket, Irp, WSK_OP_CONNECT, &socket);

    return status == STATUS_SUCCESS ? connect_entered(socket, RemoteAddress, Flags, Irp) : status;
}

/* WskConnectEx (nc-wsk-pfn_wsk_connect_ex): as WskConnect, then sends the bytes of Buffer (NULL = none, at most
 * WSK_CONNECT_EX_MOST), whose MDL chain stays the driver's until completion; Information: the bytes sent.  It ends
 * when they count as sent, like WskSend.  <= DISPATCH_LEVEL.  Besides the statuses of WskConnect and WskSend
 * STATUS_BUFFER_OVERFLOW. */
NTSTATUS WSKAPI wsk_connect_ex(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PWSK_BUF Buffer, ULONG Flags,
                               PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status;

    status = wsk_op_enter(Socket, Irp, WSK_OP_CONNECT_EX, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if (Buffer != NULL && Buffer->Length > WSK_CONNECT_EX_MOST)
        return wsk_op_fail(Irp, STATUS_BUFFER_OVERFLOW); /* R-CONNX-04 */
    status = wsk_buffer_check(Buffer, TRUE);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    wsk_buffer_take(Irp, Buffer, 0);
    return connect_entered(socket, RemoteAddress, Flags, Irp);
}

void wsk_connect_cancel(struct wsk_socket *socket, PIRP Irp)
{
    if (socket->state !=
        WSK_STATE_CONNECTING) {   /* WskConnectEx, sending: no connect that failed leaves a connection */
        if (!wsk_closing(socket)) /* else its end is on its way, for the close has seen to it */
            wsk_disconnect_abort(socket);
        return;
    }
    if (!WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->connect.op.op))
        return; /* connect_complete comes, or waits for our lock: it ends the IRP */
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    connect_outcome(socket, STATUS_CANCELLED);
    wsk_op_done(socket, Irp, STATUS_CANCELLED, 0);
    wsk_gate_leave(socket); /* not the last: the IRP holds the gate */
}

void wsk_connection_close(struct wsk_socket *socket)
{
    PIRP irp;

    if (socket->send.accepted || IsListEmpty(&socket->connect.irps))
        return;
    irp = wsk_irp_of_link(socket->connect.irps.Flink);
    wsk_op_of(irp)->flags |= WSK_OP_BY_CLOSE;
    if (!WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->connect.op.op))
        return;
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    wsk_op_done_by_close(socket, irp); /* C-CLOSE-42 */
    wsk_gate_leave(socket);            /* not the last: close holds the gate */
}
