/*
 * disconnect.c - WskDisconnect, and what a connection's end means (areas DISC, DISCEV).
 *
 * A graceful disconnect stands in the send queue like a send: its final buffer goes out after everything
 * before it, then our FIN (wsk_disconnect_fin); it completes when the FIN is acknowledged.  One without bytes and with
 * nothing before it says FIN in the call and stands in no queue (disconnect_at_once).  The acknowledgement is when the
 * local half is finished; the remote half is finished when the kernel has the peer's FIN, read or not.
 */
#include "wsk/wskp.h"

BOOLEAN wsk_fully_disconnected(const struct wsk_socket *socket)
{
    return (socket->latches & (WSK_LATCH_LOCAL_DONE | WSK_LATCH_PEER_FIN)) ==
           (WSK_LATCH_LOCAL_DONE | WSK_LATCH_PEER_FIN);
}

void wsk_connection_died(struct wsk_socket *socket, NTSTATUS status)
{
    if (socket->latches & WSK_LATCH_RESET)
        return;
    if (status == STATUS_SUCCESS) /* the transport knows of no error: it was reset all the same */
        status = STATUS_CONNECTION_RESET;
    socket->latches |= WSK_LATCH_RESET;
    socket->death = status;
    wsk_move(socket, WSK_EV_DIED);
    wsk_send_ended(socket, status, status);
    wsk_lane_kick(socket, WSK_LANE_RECEIVE); /* WskDisconnectEvent, abortive: at once */
}

/* lock held: our FIN has been acknowledged, or never will be. */
static void fin_ended(struct wsk_socket *socket, NTSTATUS status)
{
    PIRP irp = socket->send.disconnect;

    if (status == STATUS_SUCCESS) {
        socket->latches |= WSK_LATCH_LOCAL_DONE;
        wsk_send_all_sent(socket); /* in order, even when the ACK of the FIN is noticed first (D-06) */
        if (wsk_event_due(socket))
            wsk_lane_kick(socket, WSK_LANE_RECEIVE); /* the connection may be over */
    }
    if (irp == NULL)
        return; /* cancelled or ended before */
    socket->send.disconnect = NULL;
    wsk_op_done(socket, irp, status, 0);
}

static void fin_acked(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, watches.fin_acked);
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->send.fin_armed = FALSE;
    if (!wsk_closing(socket))
        fin_ended(socket, status);
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket);
}

/* lock held: our FIN.  STATUS_PENDING: its acknowledgement is watched for. */
static NTSTATUS say_fin(struct wsk_socket *socket)
{
    NTSTATUS status = WSK_TRANSPORT_OPS->shutdown(socket->transport);

    return status != STATUS_SUCCESS ? status
                                    : wsk_watch(socket, &socket->watches.fin_acked, TRANSPORT_WATCH_FIN_ACKED,
                                                fin_acked, &socket->send.fin_armed);
}

void wsk_disconnect_fin(struct wsk_socket *socket, PIRP Irp)
{
    NTSTATUS status = say_fin(socket);

    if (status == STATUS_PENDING) {
        socket->send.disconnect = Irp;
        wsk_op_of(Irp)->stage = WSK_STAGE_SENT_WAIT;
        InitializeListHead(&Irp->Tail.Overlay.ListEntry);
        return;
    }
    fin_ended(socket, status);
    wsk_op_done(socket, Irp, status, 0);
}

/* R-DISC-07, 08. */
void wsk_disconnect_abort(struct wsk_socket *socket)
{
    if (!wsk_fully_disconnected(socket))
        WSK_TRANSPORT_OPS->abort(socket->transport);
    socket->latches |= WSK_LATCH_ABORTED | WSK_LATCH_LOCAL_PENDING | WSK_LATCH_TOLD_DEATH;
    if (!(socket->latches & WSK_LATCH_RESET)) {
        socket->latches |= WSK_LATCH_RESET;
        socket->death = STATUS_CONNECTION_ABORTED;
        wsk_move(socket, WSK_EV_DIED);
    }
    wsk_send_ended(socket, STATUS_CANCELLED, STATUS_CONNECTION_ABORTED);
    wsk_receive_pump(socket);
}

static NTSTATUS disconnect_abortive(struct wsk_socket *socket, PIRP Irp, KIRQL irql)
{
    if ((socket->state != WSK_STATE_CONNECTED && socket->state != WSK_STATE_DEAD) ||
        (socket->latches & WSK_LATCH_SILENT)) { /* C-IOCTL-38 */
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, STATUS_INVALID_DEVICE_STATE); /* C-DISC-04 */
    }
    wsk_disconnect_abort(socket);
    return wsk_op_finish(socket, Irp, STATUS_SUCCESS, 0, FALSE, irql);
}

/* lock held: when nothing stands before it and it has no bytes, the FIN goes now.  TRUE: it is over, and was never in a
 * queue (send_at_once).  FALSE: with STATUS_PENDING its FIN is out. */
static BOOLEAN disconnect_at_once(struct wsk_socket *socket, PIRP Irp, NTSTATUS *status)
{
    if (wsk_is_cancelled(Irp) || socket->send.held || !IsListEmpty(&socket->send.irps) ||
        !IsListEmpty(&socket->send.wait) || wsk_arguments_of(Irp)->buffer.length != 0)
        return FALSE;
    *status = say_fin(socket);
    if (*status == STATUS_PENDING) {
        socket->send.disconnect = Irp;
        wsk_op_of(Irp)->stage = WSK_STAGE_SENT_WAIT;
        return FALSE;
    }
    fin_ended(socket, *status);
    return TRUE;
}

static NTSTATUS disconnect_graceful(struct wsk_socket *socket, PIRP Irp, KIRQL irql)
{
    NTSTATUS status = STATUS_SUCCESS;

    if (socket->latches & WSK_LATCH_RESET)
        status = socket->death;
    else if (socket->state != WSK_STATE_CONNECTED || (socket->latches & WSK_LATCH_LOCAL_PENDING))
        status = STATUS_INVALID_DEVICE_STATE;
    if (status != STATUS_SUCCESS) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, status);
    }
    socket->latches |= WSK_LATCH_LOCAL_PENDING; /* no send may follow (R-SEND-09) */
    if (disconnect_at_once(socket, Irp, &status))
        return wsk_op_finish(socket, Irp, status, 0, FALSE, irql);
    if (status == STATUS_PENDING) {
        LIST_ENTRY alone; /* it stands in no queue, but is made cancellable like the others */

        InitializeListHead(&alone);
        if (wsk_op_pend(socket, Irp, &alone))
            InitializeListHead(&Irp->Tail.Overlay.ListEntry);
    } else {
        wsk_op_pend(socket, Irp, &socket->send.irps);
        wsk_send_pump(socket);
    }
    wsk_unlock(socket, irql);
    return STATUS_PENDING;
}

/* WskDisconnect (nc-wsk-pfn_wsk_disconnect).  Flags 0: sends what is queued, then Buffer (NULL = none; its
 * MDL chain stays the driver's until completion), then disconnects gracefully; completes when that has
 * finished, which may be never. WSK_FLAG_ABORTIVE: resets the connection at once, Buffer NULL.  <=
 * DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_disconnect(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(Socket, Irp, WSK_OP_DISCONNECT, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if ((Flags & ~(ULONG)WSK_FLAG_ABORTIVE) || ((Flags & WSK_FLAG_ABORTIVE) && Buffer != NULL))
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER); /* R-DISC-01, 03 */
    status = wsk_buffer_check(Buffer, TRUE);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    wsk_buffer_take(Irp, Buffer, Flags);
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (socket->category != WSK_CONNECTION) { /* a listener can be dead, too */
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, STATUS_INVALID_DEVICE_STATE);
    }
    return (Flags & WSK_FLAG_ABORTIVE) ? disconnect_abortive(socket, Irp, irql)
                                       : disconnect_graceful(socket, Irp, irql);
}
