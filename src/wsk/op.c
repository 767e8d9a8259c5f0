/*
 * op.c - the life of an IRP inside WSK, whatever the operation.
 *
 * An IRP is taken over (io_prepare_lower), then exactly one of these happens (D-01):
 *   refused    completed inline with an error, the error is returned;
 *   inline     completed inside the call, its status is returned (D-02);
 *   pended     marked pending, STATUS_PENDING is returned (D-03), and later wsk_op_done puts it on a lane.
 *
 * Cancellation.  While an IRP may be cancelled its CancelRoutine is wsk_op_cancel.  Whoever ends it takes
 * that routine back (wsk_op_done).  If it is gone already, a cancel routine is on its way: then the IRP goes onto
 * its lane with its result, but is not delivered, nor what stands behind it (D-06), before that routine has come.  So
 * an operation that won the race keeps its own result (C-CLOSE-13, K-CANCEL-06). The IRP holds the socket's gate until
 * its completion routine has returned, so the cancel routine always finds a live socket.
 */
#include "wsk/turn.h"

static const char *const wsk_op_names[WSK_OP_MAX] = {
    [WSK_OP_SOCKET] = "WskSocket",
    [WSK_OP_SOCKET_CONNECT] = "WskSocketConnect",
    [WSK_OP_BIND] = "WskBind",
    [WSK_OP_ADDRESS] = "WskGetLocalAddress/WskGetRemoteAddress",
    [WSK_OP_CONTROL] = "WskControlSocket",
    [WSK_OP_EVENT_DISABLE] = "WskControlSocket(WSK_EVENT_DISABLE)",
    [WSK_OP_ACCEPT] = "WskAccept",
    [WSK_OP_CONNECT] = "WskConnect",
    [WSK_OP_CONNECT_EX] = "WskConnectEx",
    [WSK_OP_LISTEN] = "WskListen",
    [WSK_OP_SEND] = "WskSend",
    [WSK_OP_RECEIVE] = "WskReceive",
    [WSK_OP_DISCONNECT] = "WskDisconnect",
    [WSK_OP_CLOSE] = "WskCloseSocket",
    [WSK_OP_ADDRESS_INFO] = "WskGetAddressInfo",
    [WSK_OP_NAME_INFO] = "WskGetNameInfo",
    [WSK_OP_INSPECT] = "WskInspectComplete",
    [WSK_OP_SEND_TO] = "WskSendTo",
    [WSK_OP_SEND_MESSAGES] = "WskSendMessages",
    [WSK_OP_RECEIVE_FROM] = "WskReceiveFrom",
    [WSK_OP_SEND_EX] = "WskSendEx",
    [WSK_OP_RECEIVE_EX] = "WskReceiveEx",
};

const char *wsk_op_name(enum wsk_op_kind kind)
{
    return kind < WSK_OP_MAX && wsk_op_names[kind] ? wsk_op_names[kind] : "?";
}

static enum wsk_lane_id lane_of(enum wsk_op_kind kind)
{
    return kind == WSK_OP_RECEIVE || kind == WSK_OP_ACCEPT || kind == WSK_OP_RECEIVE_FROM ? WSK_LANE_RECEIVE
                                                                                          : WSK_LANE_SEND;
}

static inline __attribute__((always_inline)) void op_begin(PIRP Irp, enum wsk_op_kind kind,
                                                           struct wsk_socket *socket)
{
    struct wsk_op *op;

    io_prepare_lower(Irp); /* C-IRP-17; bug check 0x35 when there is no location left (C-CLOSE-23) */
    OBSERVE(irp, OBSERVE_IRP_PASSED, Irp, 0);
    op = wsk_op_of(Irp);
    RtlZeroMemory(op, sizeof *op);
    op->kind = (UCHAR)kind;
    op->socket = socket;
    InitializeListHead(&Irp->Tail.Overlay.ListEntry);
}

void wsk_op_begin(PIRP Irp, enum wsk_op_kind kind, struct wsk_socket *socket)
{
    op_begin(Irp, kind, socket);
}

NTSTATUS wsk_op_refuse(PIRP Irp, NTSTATUS status)
{
    io_complete_request(Irp, status, 0);
    return status;
}

NTSTATUS wsk_op_enter(PWSK_SOCKET Socket, PIRP Irp, enum wsk_op_kind kind, struct wsk_socket **out)
{
    struct wsk_socket *socket = Socket != NULL ? wsk_socket_of(Socket) : NULL;

    *out = NULL;
    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER; /* W-04 */
    op_begin(Irp, kind, NULL);
    if (socket == NULL || !wsk_socket_valid(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, Irp, wsk_op_name(kind));
        return wsk_op_refuse(Irp, STATUS_INVALID_HANDLE);
    }
    if (wsk_closing(socket) || (!wsk_turn_gives(socket) &&
                                !wsk_gate_enter(socket))) { /* C-CLOSE-35, 36: refused, nothing is touched */
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, Irp, wsk_op_name(kind));
        return wsk_op_refuse(Irp, STATUS_FILE_FORCED_CLOSED);
    }
    OBSERVE(socket, OBSERVE_SOCKET_CALL, socket, Irp, wsk_op_name(kind));
    wsk_op_of(Irp)->socket = socket;
    *out = socket;
    return STATUS_SUCCESS;
}

NTSTATUS wsk_op_lock(struct wsk_socket *socket, PIRP Irp, PKIRQL irql)
{
    *irql = wsk_lock(socket);
    if (!wsk_closing(socket))
        return STATUS_SUCCESS; /* close takes the lock after us and ends what we begin */
    ke_release_spin_lock(&socket->lock, *irql);
    OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, Irp, wsk_op_name((enum wsk_op_kind)wsk_op_of(Irp)->kind));
    return wsk_op_fail(Irp, STATUS_FILE_FORCED_CLOSED);
}

NTSTATUS wsk_op_fail(PIRP Irp, NTSTATUS status)
{
    struct wsk_socket *socket = wsk_op_of(Irp)->socket;

    wsk_count_end(socket, Irp, status, 0);
    io_complete_request(Irp, status, 0);
    wsk_gate_leave(socket);
    return status;
}

/* socket->lock held: IoCancelIrp wants the end of a pended IRP. */
static void op_cancel_locked(struct wsk_socket *socket, PIRP Irp)
{
    struct wsk_op *op = wsk_op_of(Irp);

    op->flags |= WSK_OP_CANCELLED;
    switch (op->kind) {
    case WSK_OP_RECEIVE:
        wsk_receive_cancel(socket, Irp);
        break;
    case WSK_OP_SEND:
    case WSK_OP_DISCONNECT:
        wsk_send_cancel(socket, Irp);
        break;
    case WSK_OP_SEND_TO:
    case WSK_OP_SEND_MESSAGES:
    case WSK_OP_RECEIVE_FROM:
        wsk_datagram_cancel(socket, Irp);
        break;
    case WSK_OP_CONNECT:
    case WSK_OP_CONNECT_EX:
    case WSK_OP_SOCKET_CONNECT:
        wsk_connect_cancel(socket, Irp);
        break;
    default: /* accepts and disables stand in a queue of ours: nobody else works on them */
        RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
        wsk_op_done(socket, Irp, STATUS_CANCELLED, 0);
        break;
    }
}

/* The cancel routine of every pended IRP.  Called with the cancel lock held at DISPATCH_LEVEL (K-CANCEL-01).
 */
static VOID NTAPI wsk_op_cancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct wsk_op *op = wsk_op_of(Irp);
    struct wsk_socket *socket = op->socket;
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    /* Nobody else completes the IRP from here on: who finds no routine leaves it to us.  So it still holds
     * the gate and the socket lives; once we have delivered it, only our memory reference keeps the lock's
     * memory. */
    wsk_socket_reference(socket);
    io_release_cancel_spin_lock(Irp->CancelIrql);
    irql = wsk_lock(socket);
    if (op->stage == WSK_STAGE_DONE) { /* it ended in the meantime: it keeps the result it has (C-CLOSE-13) */
        enum wsk_lane_id lane = lane_of((enum wsk_op_kind)op->kind);

        KE_ASSERT(op->flags & WSK_OP_AWAITED);
        op->flags &= (UCHAR)~WSK_OP_AWAITED;
        wsk_lane_kick(socket, lane);
    } else {
        op_cancel_locked(socket, Irp);
    }
    wsk_unlock(socket, irql);
    wsk_socket_dereference(socket);
}

BOOLEAN wsk_op_pend(struct wsk_socket *socket, PIRP Irp, PLIST_ENTRY queue)
{
    struct wsk_op *op = wsk_op_of(Irp);

    io_mark_irp_pending(Irp); /* before anybody else can see it (K-PEND-03) */
    if (op->stage == 0)
        op->stage = WSK_STAGE_QUEUED;
    op->flags |= WSK_OP_CANCELLABLE;
    InsertTailList(queue, &Irp->Tail.Overlay.ListEntry);
    io_set_cancel_routine(Irp, wsk_op_cancel);
    if (wsk_is_cancelled(Irp) && io_set_cancel_routine(Irp, NULL) != NULL) {
        op_cancel_locked(socket, Irp); /* cancelled before we got it (K-CANCEL-08) */
        return FALSE;
    }
    return TRUE; /* a cancel routine that is under way waits for our lock and finds the IRP in its queue */
}

static void op_result(struct wsk_op *op, NTSTATUS status, ULONG_PTR information)
{
    op->status = status;
    op->information = information;
    op->stage = WSK_STAGE_DONE;
}

/* Stores the result; `taken` is the cancel routine that stood in the IRP until now. */
static void op_post(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information,
                    PDRIVER_CANCEL taken)
{
    struct wsk_op *op = wsk_op_of(Irp);
    enum wsk_lane_id lane = lane_of((enum wsk_op_kind)op->kind);

    op_result(op, status, information);
    InsertTailList(&socket->lanes[lane].ready, &Irp->Tail.Overlay.ListEntry);
    if ((op->flags & WSK_OP_CANCELLABLE) && !(op->flags & WSK_OP_CANCELLED) && taken == NULL)
        op->flags |= WSK_OP_AWAITED; /* a cancel routine is on its way to our lock: it finds stage DONE */
    else
        wsk_lane_kick(socket, lane);
}

void wsk_op_done(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information)
{
    op_post(socket, Irp, status, information, io_set_cancel_routine(Irp, NULL));
}

BOOLEAN wsk_op_take(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information)
{
    PDRIVER_CANCEL taken = io_set_cancel_routine(Irp, NULL);

    if (taken == NULL) {
        op_post(socket, Irp, status, information, taken);
        return FALSE;
    }
    op_result(wsk_op_of(Irp), status, information);
    return TRUE;
}

void wsk_op_done_by_close(struct wsk_socket *socket, PIRP Irp)
{
    op_post(socket, Irp, STATUS_CANCELLED, 0, io_mark_irp_cancelled(Irp));
}

/* Lock held, and again after: completes an IRP in stage DONE, which is no close.  The gate is left for it only when its
 * routine has returned: not before then does it count as completed (C-CLOSE-14).  Its hold outlasts the pump, which needs
 * the transport. */
static inline __attribute__((always_inline)) void op_complete(struct wsk_socket *socket, PIRP Irp,
                                                              PKIRQL irql)
{
    struct wsk_op *op = wsk_op_of(Irp);
    UCHAR kind = op->kind;
    NTSTATUS status = op->status;
    ULONG_PTR information = op->information;

    wsk_unlock(socket,
               *irql); /* not a bare release: the routine may wait for what stands on the other lane */
    wsk_count_end(socket, Irp, status, information);
    io_complete_request(Irp, status, information);
    if (kind == WSK_OP_SOCKET_CONNECT && status != STATUS_SUCCESS)
        wsk_socket_discard(socket); /* R-SCON-05: no socket is handed out, ours to throw away */
    *irql = wsk_lock(socket);
    if (kind == WSK_OP_RECEIVE)
        wsk_receive_completed(socket);
}

void wsk_op_deliver(struct wsk_socket *socket, PIRP Irp, PKIRQL irql)
{
    KE_ASSERT(wsk_op_of(Irp)->stage == WSK_STAGE_DONE);
    if (wsk_op_of(Irp)->kind == WSK_OP_CLOSE) {
        wsk_unlock(socket, *irql);
        wsk_close_complete(socket, Irp);
        *irql = wsk_lock(socket); /* the close has left the gate long ago */
        return;
    }
    op_complete(socket, Irp, irql);
    wsk_gate_leave_locked(socket, irql);
}

NTSTATUS wsk_op_finish(struct wsk_socket *socket, PIRP Irp, NTSTATUS status, ULONG_PTR information,
                       BOOLEAN natural, KIRQL irql)
{
    struct wsk_op *op = wsk_op_of(Irp);
    struct wsk_lane *lane = &socket->lanes[lane_of((enum wsk_op_kind)op->kind)];
    void *here = wsk_here();
    BOOLEAN outermost;

    op_result(op, status, information);
    /* Inline only when nothing of this direction that came earlier is still to be delivered (D-06). */
    if (!(wsk_settings.completion == WSK_COMPLETE_INLINE ||
          (wsk_settings.completion == WSK_COMPLETE_NATURAL && natural)) ||
        !IsListEmpty(&lane->ready) || (lane->owner != NULL && lane->owner != here) || !wsk_may_nest()) {
        io_mark_irp_pending(Irp);
        if (!wsk_turn_takes(socket, Irp)) {
            InsertTailList(&lane->ready, &Irp->Tail.Overlay.ListEntry);
            wsk_lane_kick(socket, (enum wsk_lane_id)lane->id);
        }
        wsk_unlock(socket, irql);
        return STATUS_PENDING;
    }
    outermost = lane->owner == NULL;
    lane->owner = here;
    op_complete(socket, Irp, &irql);
    if (outermost)
        lane->owner = NULL;
    /* Whatever came meanwhile saw an owner and left `wanted` set for us.  The hold of the IRP has kept the socket: it
     * goes last. */
    wsk_gate_leave_unlock(socket, 1, irql);
    return status;
}
