/*
 * close.c - the whole closing protocol in one place; read it beside docs/rules (C-CLOSE, R-CLOSE) and
 * docs/closing.md.
 *
 *  1. One atomic step on the gate word sets CLOSING and shuts the callback gate.  From here on every new call
 * on the socket is refused and no callback starts (C-CLOSE-18, 35, 36).
 *  2. Operations that the transport does not hold end now: Irp->Cancel set, STATUS_CANCELLED, Information 0
 *     (C-CLOSE-11, 13, D-26).
 *  3. In the same batch, waiting for nothing: each operation that the transport holds is cancelled; then the
 * connection is aborted unless both directions are finished (C-CLOSE-38..42).
 *  4. A held IRP ends when the transport has reported its end: full success keeps its result, anything else
 * becomes STATUS_CANCELLED with Information 0 (receive.c, send.c, connection.c look at WSK_OP_BY_CLOSE).
 *  5. When the last operation, routine and callback has returned, address and descriptor are given back, so
 * that the port can be bound again (C-CLOSE-45).
 *  6. The close IRP completes last (C-CLOSE-14, 17); when its routine has returned, the client's count that
 *     WskDeregister waits for drops (C-CLOSE-03, D-25).
 *
 * Nobody waits here.  What "the last one has returned" means is one number: the gate word holds a count of
 * holds (each IRP from its acceptance until its routine has returned, each operation inside the transport,
 * each call that is in progress) and the kind of the callback that runs.  Who takes the word to "CLOSING, no
 * hold, no callback" - by one atomic step, so exactly one thread - runs close_finish.  Close itself holds the
 * gate while it does steps 2 and 3. Hence a close from one of the socket's own routines or callbacks always
 * pends and cannot deadlock (C-CLOSE-19, 20).
 */
#include "wsk/wskp.h"

/* ---- the gate ----------------------------------------------------------------------------------------- */

BOOLEAN wsk_gate_enter(struct wsk_socket *socket)
{
    ULONG64 old = __atomic_load_n(&socket->gate, __ATOMIC_RELAXED);

    host_point(HOST_POINT_ATOMIC, &socket->gate);
    do {
        if (old & WSK_GATE_CLOSING)
            return FALSE;
    } while (!__atomic_compare_exchange_n(&socket->gate, &old, old + 1, FALSE, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return TRUE;
}

void wsk_gate_hold(struct wsk_socket *socket, ULONG holds)
{
    host_point(HOST_POINT_ATOMIC, &socket->gate);
    __atomic_add_fetch(&socket->gate, holds, __ATOMIC_ACQ_REL);
}

/* Applies `change` (a subtraction) and claims the end of the close when that leaves nothing.  TRUE: the
 * caller is the one that finishes it. */
static BOOLEAN gate_leave(struct wsk_socket *socket, ULONG64 change)
{
    ULONG64 old = __atomic_load_n(&socket->gate, __ATOMIC_RELAXED), new;
    BOOLEAN last;

    host_point(HOST_POINT_ATOMIC, &socket->gate);
    do {
        new = old - change;
        last = new == WSK_GATE_CLOSING;
        if (last)
            new |= WSK_GATE_CLOSED;
    } while (
        !__atomic_compare_exchange_n(&socket->gate, &old, new, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return last;
}

/* C-CLOSE-18, 35: one step. FALSE: somebody closes or has closed it already. */
static BOOLEAN gate_close(struct wsk_socket *socket, PIRP Irp)
{
    ULONG64 old = __atomic_load_n(&socket->gate, __ATOMIC_RELAXED), new;

    host_point(HOST_POINT_ATOMIC, &socket->gate);
    do {
        if (old & WSK_GATE_CLOSING)
            return FALSE;
        new = ((old & ~(WSK_GATE_KINDS << WSK_GATE_ENABLED_SHIFT)) | WSK_GATE_CLOSING) + 1;
    } while (
        !__atomic_compare_exchange_n(&socket->gate, &old, new, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    OBSERVE(socket, OBSERVE_SOCKET_CLOSING, socket, Irp, "WskCloseSocket");
    return TRUE;
}

BOOLEAN wsk_gate_begin_callback(struct wsk_socket *socket, enum wsk_callback kind)
{
    ULONG64 old = __atomic_load_n(&socket->gate, __ATOMIC_RELAXED);

    host_point(HOST_POINT_ATOMIC, &socket->gate);
    do {
        if ((old & WSK_GATE_CLOSING) || !((old >> WSK_GATE_ENABLED_SHIFT) & kind) ||
            ((old >> WSK_GATE_RUNNING_SHIFT) & WSK_GATE_KINDS))
            return FALSE;
    } while (!__atomic_compare_exchange_n(&socket->gate, &old,
                                          old | ((ULONG64)kind << WSK_GATE_RUNNING_SHIFT), FALSE,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    OBSERVE(socket, OBSERVE_SOCKET_CALLBACK, socket, NULL, "");
    if (wsk_counted(socket))
        wsk_statistics_callback(socket);
    return TRUE;
}

/* ---- step 5 and 6 ------------------------------------------------------------------------------------- */

/* Retained lists outlive their socket: they stay readable until the client has deregistered
 * (docs/closing.md). */
static void close_orphan_indications(struct wsk_socket *socket)
{
    struct wsk_client *client = socket->client;
    KIRQL irql;

    /* No lock needed to look: nobody else is inside the gate any more. */
    if (IsListEmpty(&socket->receive.retained) && socket->datagram == NULL)
        return;
    irql = ke_acquire_spin_lock(&client->lock);
    if (socket->datagram != NULL)
        wsk_datagram_end(socket, &client->orphan_datagrams);
    while (!IsListEmpty(&socket->receive.retained))
        InsertTailList(&client->orphans, RemoveHeadList(&socket->receive.retained));
    ke_release_spin_lock(&client->lock, irql);
}

/* Nothing is pending, nothing runs, the transport holds nothing: gives back what the socket has.  Returns the close IRP, which
 * is the caller's from here on. */
static PIRP close_release(struct wsk_socket *socket)
{
    KIRQL irql = wsk_lock(socket);
    struct transport_socket *transport = socket->transport;
    PIRP irp = socket->close_irp;

    KE_ASSERT(wsk_running(socket) == 0);
    socket->transport = NULL;
    socket->close_irp = NULL;
    wsk_move(socket, WSK_EV_CLOSED);
    wsk_data_close(socket);
    wsk_inspect_forget(socket);
    ke_quick_release(&socket->lock, irql);
    close_orphan_indications(socket);
    if (transport != NULL) {
        WSK_TRANSPORT_OPS->close(transport); /* C-CLOSE-45: before the close IRP completes */
        wsk_sharing_end(socket);
        wsk_starved_retry();
    }
    wsk_security_unuse(socket->descriptor); /* the client's pointers stay (R-CLOSE-10) */
    socket->descriptor = NULL;
    return irp;
}

static void close_finish(struct wsk_socket *socket)
{
    PIRP irp = close_release(socket);
    KIRQL irql;

    if (irp == NULL) { /* wsk_socket_discard: the client never saw this socket */
        wsk_client_socket_closed(socket->client, socket);
        wsk_socket_dereference(socket);
        return;
    }
    if (wsk_delivers_here()) { /* every IRP of the socket has been delivered, so there is nothing to wait for on a lane
                                  (D-06), nor anybody who could cancel this one */
        wsk_close_complete(socket, irp);
        return;
    }
    irql = wsk_lock(socket);
    wsk_op_done(socket, irp, STATUS_SUCCESS, 0);
    wsk_socket_reference(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_socket_dereference(socket);
}

void wsk_close_complete(struct wsk_socket *socket, PIRP Irp)
{
    struct wsk_client *client = socket->client;

    KE_ASSERT((__atomic_load_n(&socket->gate, __ATOMIC_RELAXED) & (WSK_GATE_CLOSED | WSK_GATE_HOLDS)) ==
              WSK_GATE_CLOSED);
    io_complete_request(Irp, STATUS_SUCCESS, 0); /* C-CLOSE-14: nothing of this socket comes after it */
    wsk_client_socket_closed(client, socket);    /* C-CLOSE-03, D-25: the routine has returned */
    wsk_socket_dereference(socket);
}

void wsk_gate_leave(struct wsk_socket *socket)
{
    if (gate_leave(socket, 1))
        close_finish(socket);
}

void wsk_gate_leave_some(struct wsk_socket *socket, ULONG holds)
{
    BOOLEAN last = holds != 0 && gate_leave(socket, holds);

    KE_ASSERT(!last); /* the caller is inside the gate */
}

ULONG wsk_unwatch(struct wsk_socket *socket, struct transport_op *op, UCHAR *armed)
{
    if (!*armed || !WSK_TRANSPORT_OPS->cancel(socket->transport, op))
        return 0;
    *armed = FALSE;
    return 1;
}

/* lock held.  The word may be the last thing that a close waits for: then nobody else finishes it, so it makes
 * no difference that the lock is still held at that step and dropped after. */
static void leave_locked(struct wsk_socket *socket, ULONG64 change, PKIRQL irql)
{
    if (!gate_leave(socket, change))
        return;
    wsk_unlock(socket, *irql);
    close_finish(socket);
    *irql = wsk_lock(socket); /* the caller references the memory */
}

void wsk_gate_leave_locked(struct wsk_socket *socket, PKIRQL irql)
{
    leave_locked(socket, 1, irql);
}

void wsk_gate_leave_unlock(struct wsk_socket *socket, ULONG64 leave, KIRQL irql)
{
    BOOLEAN last = gate_leave(socket, leave);

    /* Not the last: who is takes the lock before the socket goes, so not before it is dropped here. */
    wsk_unlock(socket, irql);
    if (last)
        close_finish(socket);
}

void wsk_gate_end_callback(struct wsk_socket *socket, enum wsk_callback kind, PKIRQL irql)
{
    leave_locked(socket, (ULONG64)kind << WSK_GATE_RUNNING_SHIFT, irql); /* C-CLOSE-17 */
}

/* ---- steps 1 to 3 ------------------------------------------------------------------------------------- */

/* Ends everything that is under way.  The gate is CLOSING and held by the caller, who leaves it so many times as this
 * returns: once for himself, and for all that was taken out of the transport, in one step.  O(pending operations). */
static ULONG close_cancel(struct wsk_socket *socket, PIRP Irp)
{
    ULONG holds = 1;
    LIST_ENTRY dropped;
    KIRQL irql;

    InitializeListHead(&dropped);
    irql = wsk_lock(socket);
    socket->close_irp = Irp;
    if (Irp != NULL)
        io_mark_irp_pending(Irp);
    while (!IsListEmpty(
        &socket->disables)) { /* a pended event disable: the callback may run on, its IRP ends now */
        PIRP irp = wsk_irp_of_link(RemoveHeadList(&socket->disables));

        wsk_op_done_by_close(socket, irp);
    }
    wsk_address_changes_close(socket);
    wsk_silence_close(socket);
    wsk_unstarve(socket);
    if (socket->category == WSK_LISTEN) {
        wsk_listen_close(socket, &dropped); /* C-CLOSE-43 */
    } else if (socket->category == WSK_DATAGRAM) {
        wsk_datagram_close(socket);
    } else if (socket->category == WSK_CONNECTION) {
        wsk_connection_close(socket);
        holds += wsk_receive_close(socket);
        holds += wsk_send_close(socket);
        if (socket->transport != NULL && !wsk_fully_disconnected(socket)) {
            socket->latches |= WSK_LATCH_ABORTED;
            WSK_TRANSPORT_OPS->abort(socket->transport); /* C-CLOSE-38, 39, 41, 42; not C-CLOSE-40 */
        }
    }
    wsk_unlock(socket, irql);
    while (!IsListEmpty(&dropped)) /* accepted for the client, which never got to see them */
        wsk_socket_discard(CONTAINING_RECORD(RemoveHeadList(&dropped), struct wsk_socket, accept_link));
    return holds;
}

/* Close's own hold, and those of what it has taken back: the socket may be gone then. */
static void leave_close(struct wsk_socket *socket, ULONG holds)
{
    if (gate_leave(socket, holds))
        close_finish(socket);
}

NTSTATUS WSKAPI wsk_close_socket(PWSK_SOCKET Socket, PIRP Irp)
{
    struct wsk_socket *socket = Socket != NULL ? wsk_socket_of(Socket) : NULL;
    ULONG holds;

    if (Irp == NULL)
        return STATUS_INVALID_PARAMETER; /* W-04 */
    wsk_op_begin(Irp, WSK_OP_CLOSE, socket);
    if (socket == NULL || !wsk_socket_valid(socket)) {
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, Irp, "WskCloseSocket");
        return wsk_op_refuse(Irp, STATUS_INVALID_HANDLE);
    }
    if (!gate_close(socket, Irp)) { /* C-CLOSE-36: a second close */
        OBSERVE(socket, OBSERVE_SOCKET_REFUSED, socket, Irp, "WskCloseSocket");
        return wsk_op_refuse(Irp, STATUS_FILE_FORCED_CLOSED);
    }
    holds = close_cancel(socket, Irp);

    if (wsk_settings.completion != WSK_COMPLETE_INLINE || !wsk_may_nest()) {
        leave_close(socket, holds); /* W-01: pends; the deliveries run elsewhere */
        return STATUS_PENDING;
    }
    wsk_lane_drain(socket); /* C-CLOSE-15: cancelled IRPs complete on the closing thread */
    if (!gate_leave(socket, holds))
        return STATUS_PENDING; /* C-CLOSE-19; the IRP may be gone already */
    close_release(socket);
    IoGetCurrentIrpStackLocation(Irp)->Control &=
        (UCHAR)~SL_PENDING_RETURNED; /* D-03: nobody else has seen it */
    wsk_close_complete(socket, Irp);
    return STATUS_SUCCESS;
}

void wsk_socket_discard(struct wsk_socket *socket)
{
    if (!gate_close(socket, NULL))
        return; /* a driver that misuses a socket of ours closes it itself */
    leave_close(socket, close_cancel(socket, NULL));
}
