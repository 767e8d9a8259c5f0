/*
 * send.c - the send direction of a connection: WskSend (area SEND), and WskConnectEx once it is connected.
 *
 * `irps` holds sends and graceful disconnects that are not yet wholly handed over, in order; at most one send
 * is inside the transport, for the first of them.  A send that was handed over moves to `wait` until its last
 * byte is no longer unsent (or acknowledged, or at once: --send-complete), so that a close that follows its
 * completion cannot lose it on a path without loss (D-07, R-SEND-06).  Later sends are handed over meanwhile.
 */
#include "wsk/wskp.h"

static void sent_complete(struct transport_op *op, int32_t status, size_t bytes);

static size_t send_segments(struct transport_op *op, size_t offset, struct transport_segment *out,
                            size_t count)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, send.op);
    union wsk_arguments *arguments = wsk_arguments_of(socket->send.current);

    return mm_mdl_segments_inline(arguments->buffer.mdl, arguments->buffer.offset, offset,
                                  op->length - offset, (struct mm_segment *)out, count);
}

/* lock held: how much of what was handed over counts as sent. */
static ULONG64 send_done(struct wsk_socket *socket)
{
    int64_t left = 0;

    if (wsk_settings.send_complete == WSK_SEND_SENT)
        left = WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_UNSENT);
    else if (wsk_settings.send_complete == WSK_SEND_ACKED)
        left = WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_UNACKED);
    return left < 0 || (ULONG64)left > socket->send.handed ? 0 : socket->send.handed - (ULONG64)left;
}

void wsk_send_all_sent(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->send.wait)) {
        PIRP irp = wsk_irp_of_link(RemoveHeadList(&socket->send.wait));

        wsk_op_done(socket, irp, STATUS_SUCCESS, wsk_arguments_of(irp)->buffer.length);
    }
}

NTSTATUS wsk_send_watch(struct wsk_socket *socket, int kind)
{
    if (socket->send.sent_armed)
        return STATUS_PENDING;
    return wsk_watch(socket, &socket->watches.sent, kind, sent_complete, &socket->send.sent_armed);
}

/* lock held: sends whose last byte is out end, in order (D-06); a watch waits for the rest. */
static void send_check(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->send.wait)) {
        ULONG64 done = send_done(socket);
        BOOLEAN completed = FALSE;
        NTSTATUS status;

        while (!IsListEmpty(&socket->send.wait)) {
            PIRP irp = wsk_irp_of_link(socket->send.wait.Flink);

            if (wsk_op_of(irp)->end > done)
                break;
            RemoveEntryList(&irp->Tail.Overlay.ListEntry);
            wsk_op_done(socket, irp, STATUS_SUCCESS, wsk_arguments_of(irp)->buffer.length); /* R-SEND-05 */
            completed = TRUE;
        }
        if (completed)
            wsk_backlog_look(socket);
        if (IsListEmpty(&socket->send.wait))
            return;
        status = wsk_send_watch(socket, wsk_settings.send_complete == WSK_SEND_ACKED ? TRANSPORT_WATCH_ACKED
                                                                                     : TRANSPORT_WATCH_SENT);
        if (status == STATUS_PENDING)
            return;
        if (status != STATUS_SUCCESS) {
            wsk_connection_died(socket, status);
            wsk_send_ended(socket, (socket->latches & WSK_LATCH_ABORTED) ? STATUS_CANCELLED : socket->death,
                           socket->death); /* those that were handed over while it died */
            return;
        }
    }
}

/* lock held: hands the bytes of one IRP to the transport, from its beginning. */
static NTSTATUS send_hand_over(struct wsk_socket *socket, PIRP irp)
{
    union wsk_arguments *arguments = wsk_arguments_of(irp);
    NTSTATUS status;

    socket->send.op.unsent = -1;
    if (arguments->buffer.length == 0)
        return STATUS_SUCCESS;
    socket->send.current = irp;
    if (wsk_enabled(socket) &
        WSK_CALLBACK_RECEIVE) /* the next bytes' callback probably sends with it again */
        wsk_ahead_request(socket, irp, arguments->buffer.mdl, arguments->buffer.offset);
    socket->send.op.length = arguments->buffer.length;
    socket->send.op.flags =
        ((arguments->buffer.flags & WSK_FLAG_NODELAY) && wsk_op_of(irp)->kind == WSK_OP_SEND
             ? TRANSPORT_NODELAY /* R-SEND-03 */
             : 0) |
        (wsk_settings.send_complete == WSK_SEND_SENT ? TRANSPORT_TELL_UNSENT : 0);
    status = WSK_TRANSPORT_OPS->send(socket->transport, &socket->send.op);
    if (status == STATUS_PENDING) {
        socket->send.held = TRUE;
        wsk_gate_hold(socket, 1);
        wsk_op_of(irp)->stage = WSK_STAGE_HELD;
    } else if (status == STATUS_SUCCESS) {
        socket->send.handed += arguments->buffer.length;
    }
    return status;
}

/* lock held: the IRP's bytes are with the transport, or they never will be. It is first in `irps`. */
static void send_handed_over(struct wsk_socket *socket, PIRP irp, NTSTATUS status)
{
    struct wsk_op *op = wsk_op_of(irp);

    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    if (status != STATUS_SUCCESS) {
        wsk_op_done(socket, irp, status, 0);
    } else if (op->kind == WSK_OP_DISCONNECT) {
        wsk_disconnect_fin(socket, irp);
    } else {
        op->end = socket->send.handed;
        op->stage = WSK_STAGE_SENT_WAIT;
        InsertTailList(&socket->send.wait, &irp->Tail.Overlay.ListEntry);
    }
}

void wsk_send_pump(struct wsk_socket *socket)
{
    if (socket->category != WSK_CONNECTION || wsk_closing(socket))
        return;
    while (!socket->send.held && !IsListEmpty(&socket->send.irps)) {
        PIRP irp = wsk_irp_of_link(socket->send.irps.Flink);
        NTSTATUS status = (socket->latches & WSK_LATCH_RESET) ? socket->death : send_hand_over(socket, irp);

        if (status == STATUS_PENDING)
            break;
        send_handed_over(socket, irp, status);
    }
    if (!IsListEmpty(&socket->send.wait))
        send_check(socket);
}

/* ---- completions of the transport --------------------------------------------------------------------- */

/* lock held: ends what waits in a list. */
static void send_end_list(struct wsk_socket *socket, PLIST_ENTRY list, BOOLEAN by_close, NTSTATUS sends,
                          NTSTATUS disconnects)
{
    PLIST_ENTRY link = list->Flink;

    while (link != list) {
        PIRP irp = wsk_irp_of_link(link);

        link = link->Flink;
        if (socket->send.held && irp == socket->send.current)
            continue; /* send_complete is on its way */
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        if (by_close)
            wsk_op_done_by_close(socket, irp);
        else
            wsk_op_done(socket, irp, wsk_op_of(irp)->kind == WSK_OP_DISCONNECT ? disconnects : sends, 0);
    }
}

/* lock held: IoCancelIrp has its way, the transport has no bytes of the IRP. */
static void send_cancelled(struct wsk_socket *socket, PIRP irp)
{
    struct wsk_op *op = wsk_op_of(irp);

    if (op->kind == WSK_OP_DISCONNECT && op->stage == WSK_STAGE_SENT_WAIT) {
        socket->send.disconnect = NULL; /* the FIN is out; its ACK is still watched for (C-CLOSE-40) */
    } else {
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        if (op->kind == WSK_OP_DISCONNECT)
            socket->latches &= ~(ULONG)WSK_LATCH_LOCAL_PENDING; /* it never began: sends may follow again */
    }
    wsk_op_done(socket, irp, STATUS_CANCELLED, 0); /* D-16 */
}

static void send_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, send.op);
    KIRQL irql = wsk_lock(socket);
    PIRP irp = socket->send.current;
    UCHAR flags = wsk_op_of(irp)->flags;

    socket->send.held = FALSE;
    socket->send.handed += status == STATUS_SUCCESS ? op->length : bytes; /* what has gone has gone */
    if (flags & WSK_OP_BY_CLOSE) { /* handed over is not yet sent: close wins (D-16) */
        send_end_list(socket, &socket->send.irps, TRUE, 0, 0);
    } else if (flags & WSK_OP_CANCELLED) {
        send_cancelled(socket, irp);
    } else {
        if (status != STATUS_SUCCESS && (socket->latches & WSK_LATCH_ABORTED) &&
            wsk_op_of(irp)->kind != WSK_OP_DISCONNECT)
            status = STATUS_CANCELLED; /* R-DISC-08 */
        send_handed_over(socket, irp, status);
    }
    wsk_send_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket); /* the operation inside the transport */
}

static void sent_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, watches.sent);
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->send.sent_armed = FALSE;
    if (!wsk_closing(socket)) {
        if (status != STATUS_SUCCESS && status != STATUS_CANCELLED)
            wsk_connection_died(socket, status);
        send_check(socket);
        wsk_send_pump(socket);
        wsk_silence_pump(socket);
        wsk_receive_pump(socket);
    }
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket);
}

void wsk_send_initialize(struct wsk_socket *socket)
{
    InitializeListHead(&socket->send.irps);
    InitializeListHead(&socket->send.wait);
    socket->send.op.kind = TRANSPORT_SEND;
    socket->send.op.complete = send_complete;
    socket->send.op.segments = send_segments;
}

/* ---- cancel, death, close ----------------------------------------------------------------------------- */

void wsk_send_cancel(struct wsk_socket *socket, PIRP Irp)
{
    if (socket->send.held && socket->send.current == Irp) {
        if (!WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->send.op))
            return; /* send_complete ends it */
        socket->send.held = FALSE;
        socket->send.handed += socket->send.op.bytes; /* what has gone has gone */
        wsk_gate_leave(socket);                       /* not the last: the IRP holds the gate */
    }
    send_cancelled(socket, Irp);
    wsk_send_pump(socket);
}

void wsk_send_ended(struct wsk_socket *socket, NTSTATUS sends, NTSTATUS disconnects)
{
    PIRP disconnect = socket->send.disconnect;

    send_end_list(socket, &socket->send.wait, FALSE, sends, disconnects);
    send_end_list(socket, &socket->send.irps, FALSE, sends, disconnects);
    if (disconnect != NULL) {
        socket->send.disconnect = NULL;
        wsk_op_done(socket, disconnect, disconnects, 0);
    }
}

ULONG wsk_send_close(struct wsk_socket *socket)
{
    PIRP disconnect = socket->send.disconnect;
    ULONG holds = 0;

    if (socket->transport == NULL)
        return 0;
    if (socket->send.held) {
        if (WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->send.op)) {
            socket->send.held = FALSE;
            holds++;
        } else {
            wsk_op_of(socket->send.current)->flags |= WSK_OP_BY_CLOSE;
        }
    }
    holds += wsk_unwatch(socket, &socket->watches.sent, &socket->send.sent_armed);
    holds += wsk_unwatch(socket, &socket->watches.fin_acked, &socket->send.fin_armed);
    send_end_list(socket, &socket->send.wait, TRUE, 0, 0);
    if (!socket->send
             .held) /* else send_complete is on its way: it ends that one, then those behind it (D-06) */
        send_end_list(socket, &socket->send.irps, TRUE, 0, 0);
    if (disconnect != NULL) { /* R-CLOSE-14, C-CLOSE-42: a graceful disconnect that has not finished */
        socket->send.disconnect = NULL;
        wsk_op_done_by_close(socket, disconnect);
    }
    return holds;
}

/* ---- WskSend ------------------------------------------------------------------------------------------ */

/* lock held: when nothing stands before this send, tries to get all of it out at once.  TRUE: it is over, and
 * was never in a queue: nobody else has seen the IRP, so it needs no cancel routine.  (IoCancelIrp that comes
 * after the look at Cancel finds no routine, as if it had come after the send.)  Where it completes is for
 * wsk_op_finish to say. */
static BOOLEAN send_at_once(struct wsk_socket *socket, PIRP irp, NTSTATUS *status)
{
    if (wsk_is_cancelled(irp) || socket->send.held || !IsListEmpty(&socket->send.irps) ||
        !IsListEmpty(&socket->send.wait))
        return FALSE;
    *status = send_hand_over(socket, irp);
    if (*status == STATUS_PENDING)
        return FALSE;
    if (*status != STATUS_SUCCESS)
        return TRUE;
    wsk_op_of(irp)->end = socket->send.handed;
    wsk_op_of(irp)->stage = WSK_STAGE_SENT_WAIT;
    if (socket->send.op.unsent != 0 && send_done(socket) < socket->send.handed)
        return FALSE;
    wsk_backlog_look(socket);
    return TRUE;
}

/* The call was let in. */
static NTSTATUS send_entered(struct wsk_socket *socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    NTSTATUS status;
    KIRQL irql;

    if (Flags & ~(ULONG)WSK_FLAG_NODELAY)
        return wsk_op_fail(Irp, STATUS_NOT_SUPPORTED); /* R-SEND-04 */
    status = wsk_buffer_check(Buffer, FALSE);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    wsk_buffer_take(Irp, Buffer, Flags);
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (socket->category != WSK_CONNECTION)
        status = STATUS_INVALID_DEVICE_STATE; /* a listener can be dead, too */
    else if (socket->latches & WSK_LATCH_RESET)
        status = socket->death;
    else if (socket->state != WSK_STATE_CONNECTED || (socket->latches & WSK_LATCH_LOCAL_PENDING))
        status = STATUS_INVALID_DEVICE_STATE; /* C-SOCK-14, R-SEND-09 */
    if (status != STATUS_SUCCESS) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, status);
    }
    if (send_at_once(socket, Irp, &status))
        return wsk_op_finish(socket, Irp, status, status == STATUS_SUCCESS ? Buffer->Length : 0, FALSE, irql);
    wsk_op_pend(socket, Irp,
                wsk_op_of(Irp)->stage == WSK_STAGE_SENT_WAIT ? &socket->send.wait : &socket->send.irps);
    wsk_send_pump(socket);
    wsk_unlock(socket, irql);
    return STATUS_PENDING;
}

/* WskSend (nc-wsk-pfn_wsk_send): the bytes of Buffer, whose MDL chain stays the driver's until completion. <=
 * DISPATCH_LEVEL.  STATUS_PENDING (normally), STATUS_SUCCESS, STATUS_INVALID_PARAMETER,
 * STATUS_INVALID_DEVICE_STATE (not connected, or after a graceful WskDisconnect), STATUS_NOT_SUPPORTED (flag),
 * STATUS_FILE_FORCED_CLOSED, or the connection's end (STATUS_CONNECTION_ABORTED after an abortive WskDisconnect). */
NTSTATUS WSKAPI wsk_send(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status = wsk_op_enter(Socket, Irp, WSK_OP_SEND, &socket);

    return status == STATUS_SUCCESS ? send_entered(socket, Buffer, Flags, Irp) : status;
}

/* WskSendEx, which drivers must not call (R-STRUCT-14): WskSend.  A stream has no control information, what comes
 * with it is not looked at. */
NTSTATUS WSKAPI wsk_send_ex(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, ULONG ControlInfoLength,
                            PCMSGHDR ControlInfo, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status = wsk_op_enter(Socket, Irp, WSK_OP_SEND_EX, &socket);

    if (status != STATUS_SUCCESS)
        return status;
    OBSERVE(socket, OBSERVE_SOCKET_RESERVED, socket, Irp, "WskSendEx");
    wsk_op_of(Irp)->kind = WSK_OP_SEND;
    if ((ControlInfo == NULL) != (ControlInfoLength == 0))
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER);
    return send_entered(socket, Buffer, Flags, Irp);
}
