/*
 * listen.c - listening sockets: WskAccept and WskAcceptEvent (areas ACC, ACCEV, LISTEN).
 *
 * A connection leaves the transport only when somebody wants it: an accept is inside the transport while an
 * IRP is queued or WskAcceptEvent is enabled and nothing waits for it.  Queued IRPs go before the callback
 * (R-ACC-10).
 */
#include "wsk/wskp.h"

#define WSK_BACKLOG 4096 /* Windows lets the transport choose; Linux caps it by net.core.somaxconn */

/* ---- from the transport to the client ----------------------------------------------------------------- */

/* lock held: makes the accepted connection a socket of its own. */
static NTSTATUS accepted_socket(struct wsk_socket *listener, struct transport_connection_op *op,
                                struct wsk_socket **out)
{
    struct wsk_inspect *inspect = listener->option.conditional ? wsk_inspect_new() : NULL;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (inspect != NULL || !listener->option.conditional)
        status = wsk_socket_create(listener->client, WSK_CONNECTION, listener->family, SOCK_STREAM,
                                   IPPROTO_TCP, NULL, NULL, op->accepted, listener, out);
    if (status != STATUS_SUCCESS) { /* nobody can ever close it: reset it now */
        if (inspect != NULL)
            ex_free_pool(inspect);
        WSK_TRANSPORT_OPS->abort(op->accepted);
        WSK_TRANSPORT_OPS->close(op->accepted);
        return status;
    }
    (*out)->inspect = inspect;
    (*out)->peer = op->address;
    (*out)->local = op->local;
    (*out)->latches |= WSK_LATCH_HANDING_OVER; /* D-15: no callback before its context is known */
    wsk_move(*out, WSK_EV_ACCEPTED);
    (*out)->option.keepalive = listener->option.keepalive;           /* C-OPT-18 */
    (*out)->option.receive_buffer = listener->option.receive_buffer; /* C-OPT-22 */
    (*out)->receive.buffer_limit = listener->receive.buffer_limit;
    return STATUS_SUCCESS;
}

/* The connection's lock is held, none of the listener is needed: the client has (or gets) the socket, its callbacks may
 * come. */
static void hand_over(struct wsk_socket *socket, PVOID context,
                      const WSK_CLIENT_CONNECTION_DISPATCH *dispatch)
{
    ULONG kinds = socket->static_events | socket->inherit;

    if (wsk_closing(socket))
        return; /* closed inside the callback: hands off (D-08, C-CLOSE-31) */
    socket->context = context;
    wsk_ahead(socket, WSK_AHEAD_CONTEXT, context);
    socket->client_dispatch = dispatch;
    socket->latches &= ~(ULONG)WSK_LATCH_HANDING_OVER;
    kinds = wsk_event_with_function(WSK_CONNECTION, dispatch, kinds);
    if (socket->inspect == NULL)
        wsk_receive_start(socket);
    else /* it has been started when it arrived: what has come up since is due now */
        wsk_receive_pump(socket);
    wsk_inspect_forget(socket);
    if (kinds != 0)
        wsk_event_enable(socket, kinds);
}

/* lock held: the first waiting connection becomes the client's, as a WskAccept asked for it. */
static struct wsk_socket *accept_first(struct wsk_socket *socket, const union wsk_arguments *arguments)
{
    struct wsk_socket *accepted =
        CONTAINING_RECORD(RemoveHeadList(&socket->listen.waiting), struct wsk_socket, accept_link);
    KIRQL irql;

    socket->listen.waiting_count--;
    wsk_inspect_taken(socket, accepted);
    if (arguments->accept.local != NULL)
        wsk_address_out(&accepted->local, arguments->accept.local); /* R-ACC-06 */
    if (arguments->accept.remote != NULL)
        wsk_address_out(&accepted->peer, arguments->accept.remote);
    irql = wsk_lock(accepted);
    hand_over(accepted, arguments->accept.context,
              arguments->accept.dispatch); /* C-EVT-16: nothing inherited */
    wsk_unlock(accepted, irql);
    return accepted;
}

/* lock held: waiting connections go to queued IRPs, first to first. */
static void accept_serve(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->listen.irps) && !IsListEmpty(&socket->listen.waiting)) {
        PIRP irp = wsk_irp_of_link(RemoveHeadList(&socket->listen.irps));

        wsk_op_done(socket, irp, STATUS_SUCCESS,
                    (ULONG_PTR)&accept_first(socket, wsk_arguments_of(irp))->public);
    }
}

/* lock held: may one more connection be taken out of the transport? */
static BOOLEAN accept_room(const struct wsk_socket *socket)
{
    return !socket->listen.armed && (!socket->option.conditional || wsk_inspect_room(socket));
}

/* lock held: what an accept of the transport brought. */
static void accept_got(struct wsk_socket *socket, NTSTATUS status)
{
    struct wsk_socket *accepted;
    BOOLEAN taken = status == STATUS_SUCCESS; /* out of the transport: it is reset if nothing comes of it */

    if (status != STATUS_INSUFFICIENT_RESOURCES)
        wsk_unstarve(socket); /* there was a descriptor */
    if (status == STATUS_SUCCESS)
        status = accepted_socket(socket, &socket->listen.op, &accepted);
    if (status == STATUS_SUCCESS && accepted->inspect != NULL) {
        wsk_inspect_arrived(socket, accepted); /* C-INSPECT-02 */
        return;
    }
    if (status == STATUS_SUCCESS) {
        InsertTailList(&socket->listen.waiting, &accepted->accept_link);
        socket->listen.waiting_count++;
        return;
    }
    if (status == STATUS_CANCELLED || status == STATUS_CONNECTION_ABORTED ||
        status == STATUS_CONNECTION_RESET)
        return; /* taken back by us, or gone before it was accepted */
    if (status == STATUS_INSUFFICIENT_RESOURCES) {
        if (!IsListEmpty(&socket->listen.irps)) {
            wsk_op_done(socket, wsk_irp_of_link(RemoveHeadList(&socket->listen.irps)), status, 0);
        } else if (!taken) {
            /* No descriptor: tried again when one is given back, and once at once, for that may have been
             * between the accept that failed and now. */
            wsk_starve(socket);
        }
        return;
    }
    socket->death = status; /* C-LISTEN-08 */
    socket->latches |= WSK_LATCH_RESET;
    wsk_move(socket, WSK_EV_DIED);
    while (!IsListEmpty(&socket->listen.irps))
        wsk_op_done(socket, wsk_irp_of_link(RemoveHeadList(&socket->listen.irps)), STATUS_FILE_FORCED_CLOSED,
                    0);
}

static BOOLEAN accept_wanted(struct wsk_socket *socket)
{
    if (socket->state != WSK_STATE_LISTENING || (socket->latches & WSK_LATCH_RESET) || !accept_room(socket))
        return FALSE;
    if (socket->option.conditional)
        return !wsk_starving(socket);
    if (!IsListEmpty(&socket->listen.irps))
        return TRUE;
    return (wsk_enabled(socket) & WSK_CALLBACK_ACCEPT) && IsListEmpty(&socket->listen.waiting) &&
           !wsk_starving(socket);
}

void wsk_listen_pump(struct wsk_socket *socket)
{
    if (socket->category != WSK_LISTEN || wsk_closing(socket))
        return;
    accept_serve(socket);
    while (accept_wanted(socket)) {
        NTSTATUS status;

        socket->latches &= ~(ULONG)WSK_LATCH_ONCE_MORE;
        status = WSK_TRANSPORT_OPS->accept(socket->transport, &socket->listen.op);
        if (status == STATUS_PENDING) {
            wsk_gate_hold(socket, 1);
            socket->listen.armed = TRUE;
            break;
        }
        accept_got(socket, status);
        accept_serve(socket);
    }
    if (wsk_event_due(socket))
        wsk_lane_kick(socket, WSK_LANE_RECEIVE);
}

static void accept_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, listen.op.op);
    BOOLEAN freed = FALSE;
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->listen.armed = FALSE;
    if (!wsk_closing(socket)) {
        accept_got(socket, status);
        wsk_listen_pump(socket);
    } else if (status == STATUS_SUCCESS) { /* it raced in: C-CLOSE-43 */
        WSK_TRANSPORT_OPS->abort(socket->listen.op.accepted);
        WSK_TRANSPORT_OPS->close(socket->listen.op.accepted);
        freed = TRUE;
    }
    wsk_unlock_deliver_accepts(socket, irql);
    if (freed)
        wsk_starved_retry();
    wsk_gate_leave(socket); /* the operation inside the transport */
}

/* ---- life of a listening socket ----------------------------------------------------------------------- */

void wsk_listen_initialize(struct wsk_socket *socket)
{
    InitializeListHead(&socket->listen.irps);
    InitializeListHead(&socket->listen.waiting);
    wsk_inspect_initialize(socket);
    socket->listen.op.op.kind = TRANSPORT_ACCEPT;
    socket->listen.op.op.complete = accept_complete;
}

NTSTATUS wsk_listen_start(struct wsk_socket *socket)
{
    return WSK_TRANSPORT_OPS->listen(socket->transport, WSK_BACKLOG);
}

void wsk_listen_close(struct wsk_socket *socket, PLIST_ENTRY dropped)
{
    wsk_gate_leave_some(socket, wsk_unwatch(socket, &socket->listen.op.op, &socket->listen.armed));
    while (!IsListEmpty(&socket->listen.irps))
        wsk_op_done_by_close(socket, wsk_irp_of_link(RemoveHeadList(&socket->listen.irps))); /* W-02 */
    while (!IsListEmpty(&socket->listen.waiting)) {
        PLIST_ENTRY link = RemoveHeadList(&socket->listen.waiting);

        /* Whoever finds its peer gone a moment later finds it in no list of ours. */
        wsk_inspect_taken(socket, CONTAINING_RECORD(link, struct wsk_socket, accept_link));
        InsertTailList(dropped, link);
    }
    socket->listen.waiting_count = 0;
    wsk_inspect_close(socket, dropped);
}

/* lock held, listening: takes a connection that is there, or queues the IRP. */
static NTSTATUS accept_now(struct wsk_socket *socket, PIRP Irp, KIRQL irql)
{
    if (!wsk_is_cancelled(Irp) && IsListEmpty(&socket->listen.irps)) {
        if (IsListEmpty(&socket->listen.waiting) && accept_room(socket)) {
            NTSTATUS status = WSK_TRANSPORT_OPS->accept(socket->transport, &socket->listen.op);

            socket->listen.armed = status == STATUS_PENDING;
            if (status == STATUS_PENDING) {
                wsk_gate_hold(socket, 1);
            } else {
                if (status == STATUS_INSUFFICIENT_RESOURCES)
                    return wsk_op_finish(socket, Irp, status, 0, TRUE, irql);
                accept_got(socket, status);
                if (socket->latches & WSK_LATCH_RESET) /* R-ACC-09: this very call found it dead */
                    return wsk_op_finish(socket, Irp, STATUS_FILE_FORCED_CLOSED, 0, TRUE, irql);
            }
        }
        if (!IsListEmpty(&socket->listen.waiting)) {
            struct wsk_socket *accepted = accept_first(socket, wsk_arguments_of(Irp));

            wsk_listen_pump(
                socket); /* it may have been on its way to WskAcceptEvent: the next one is to come */
            return wsk_op_finish(socket, Irp, STATUS_SUCCESS, (ULONG_PTR)&accepted->public, TRUE,
                                 irql); /* R-ACC-07 */
        }
    }
    wsk_op_pend(socket, Irp, &socket->listen.irps); /* R-ACC-08 */
    wsk_listen_pump(socket);
    wsk_unlock(socket, irql);
    return STATUS_PENDING;
}

/* WskAccept (nc-wsk-pfn_wsk_accept): the next connection, its PWSK_SOCKET in IoStatus.Information.
 * LocalAddress and RemoteAddress: NULL, or large enough for the family's SOCKADDR and valid until completion.
 * <= DISPATCH_LEVEL. */
NTSTATUS WSKAPI wsk_accept(PWSK_SOCKET ListenSocket, ULONG Flags, PVOID AcceptSocketContext,
                           const WSK_CLIENT_CONNECTION_DISPATCH *AcceptSocketDispatch, PSOCKADDR LocalAddress,
                           PSOCKADDR RemoteAddress, PIRP Irp)
{
    union wsk_arguments *arguments;
    struct wsk_socket *socket;
    NTSTATUS status;
    KIRQL irql;

    status = wsk_op_enter(ListenSocket, Irp, WSK_OP_ACCEPT, &socket);
    if (status != STATUS_SUCCESS)
        return status;
    if (Flags != 0)
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER); /* R-ACC-03 */
    arguments = wsk_arguments_of(Irp);
    arguments->accept.context = AcceptSocketContext;
    arguments->accept.dispatch = AcceptSocketDispatch;
    arguments->accept.local = LocalAddress;
    arguments->accept.remote = RemoteAddress;
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (socket->state != WSK_STATE_LISTENING) {
        status = socket->category == WSK_LISTEN && (socket->latches & WSK_LATCH_RESET)
                     ? STATUS_FILE_FORCED_CLOSED
                     : STATUS_INVALID_DEVICE_STATE;
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, status); /* R-ACC-02, 09 */
    }
    return accept_now(socket, Irp, irql);
}

/* ---- WskAcceptEvent ----------------------------------------------------------------------------------- */

/* lock held: the connection that is shown next; NULL: the listener is dead, which is shown. */
static struct wsk_socket *indicate_begin(struct wsk_socket *socket)
{
    struct wsk_socket *accepted;

    if (socket->latches & WSK_LATCH_RESET) {
        socket->latches |= WSK_LATCH_TOLD_DEATH;
        return NULL;
    }
    /* Due since the lock was taken: no WskAccept came in between. */
    KE_ASSERT(IsListEmpty(&socket->listen.irps) && !IsListEmpty(&socket->listen.waiting));
    accepted = CONTAINING_RECORD(RemoveHeadList(&socket->listen.waiting), struct wsk_socket, accept_link);
    socket->listen.waiting_count--;
    wsk_inspect_taken(socket, accepted);
    wsk_socket_reference(accepted); /* memory only: it may be closed inside the callback (C-CLOSE-22) */
    accepted->inherit = socket->inherit;
    return accepted;
}

/* No lock held, WskAcceptEvent has returned: the connection becomes the client's, or nobody's.  Its reference goes with
 * `lanes` (wsk_lanes_keep), when they have been let go. */
static void indicate_end(struct wsk_socket *accepted, BOOLEAN taken, PVOID context,
                         const WSK_CLIENT_CONNECTION_DISPATCH *dispatch, BOOLEAN lanes)
{
    BOOLEAN done = TRUE;
    KIRQL irql;

    if (!taken)
        wsk_socket_discard(accepted); /* C-LISTEN-07; unknown statuses mean: rejected (D-13) */
    irql = wsk_lock(accepted);
    if (taken)
        hand_over(accepted, context, dispatch);
    if (lanes)
        done = wsk_lanes_let_go(accepted);
    wsk_unlock(accepted, irql);
    if (done)
        wsk_socket_dereference(accepted);
}

void wsk_listen_indicate(struct wsk_socket *socket, PKIRQL irql)
{
    const WSK_CLIENT_LISTEN_DISPATCH *table = socket->client_dispatch;
    struct wsk_socket *accepted = indicate_begin(socket);
    SOCKADDR_STORAGE local_room = {0},
                     remote_room = {0}; /* all of it: a driver may copy or compare as much */
    PSOCKADDR local = (PSOCKADDR)&local_room, remote = (PSOCKADDR)&remote_room;
    const WSK_CLIENT_CONNECTION_DISPATCH *dispatch = NULL;
    PVOID context = socket->context, accepted_context = NULL;
    ULONG flags;
    BOOLEAN lanes = FALSE;
    NTSTATUS status;

    wsk_unlock(socket, *irql);

    if (accepted != NULL) {
        wsk_address_out(&accepted->local, local);
        wsk_address_out(&accepted->peer, remote);
        lanes = accepted->inspect == NULL && wsk_lanes_keep(accepted);
    }
    flags = ke_current_irql() == DISPATCH_LEVEL ? WSK_FLAG_AT_DISPATCH_LEVEL : 0;
    RTL_CALL(OBSERVE_CALLBACK, socket, "WskAcceptEvent", table->WskAcceptEvent,
             rtl_call_frame.status = status = table->WskAcceptEvent(
                 context, flags, local, remote, accepted != NULL ? &accepted->public : NULL,
                 &accepted_context, &dispatch));
    /* The callback still counts as running: a close of the listener ends after this (C-CLOSE-43). */
    if (accepted != NULL)
        indicate_end(accepted, status == STATUS_SUCCESS, accepted_context, dispatch, lanes);

    *irql = wsk_lock(socket);
    wsk_listen_pump(socket);
}
