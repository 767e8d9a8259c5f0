/*
 * receive.c - the receive direction of a connection: WskReceive, and what the transport's receive works for
 * (areas RECV, DATA).
 *
 * Bytes come from two places, always in stream order: `data`, what nobody has accepted yet (indicate.c), and
 * then the transport.  At most one receive is inside the transport; it works either for the first IRP in
 * the queue, straight into its MDL chain, or (with a buffer of the transport) for the event callback.
 * WskReceive goes before the event (R-RECV-12): when an IRP comes while the event's receive is inside, that
 * is taken back; if it cannot be, its bytes land in `data` and the IRP is served from there.
 */
#include "wsk/turn.h"

enum wsk_receive_held { HELD_NONE, HELD_IRP, HELD_EVENT };

#define WSK_RECEIVE_DEFAULT_LIMIT                                                                            \
    (64u * 1024) /* unaccepted and retained bytes, until SO_RCVBUF says otherwise */

/* ---- one IRP ------------------------------------------------------------------------------------------ */

enum receive_step { STEP_DONE, STEP_HELD };

static void readable_complete(struct transport_op *op, int32_t status, size_t bytes);

/* lock held: serves an IRP from data. */
static void receive_from_data(struct wsk_socket *socket, PIRP irp)
{
    union wsk_arguments *arguments = wsk_arguments_of(irp);
    struct wsk_op *op = wsk_op_of(irp);

    if (arguments->buffer.flags & WSK_FLAG_DRAIN)
        wsk_data_discard(socket); /* R-RECV-05 */
    else
        op->progress += wsk_data_copy(socket, arguments->buffer.mdl, arguments->buffer.offset, op->progress,
                                      arguments->buffer.length - op->progress);
}

static size_t receive_segments(struct transport_op *op, size_t offset, struct transport_segment *out,
                               size_t count)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, receive.op);
    PIRP irp = socket->receive.current;
    union wsk_arguments *arguments = wsk_arguments_of(irp);

    return mm_mdl_segments_inline(arguments->buffer.mdl, arguments->buffer.offset,
                                  wsk_op_of(irp)->progress + offset, op->length - offset,
                                  (struct mm_segment *)out, count);
}

void wsk_receive_configure(struct transport_config *config)
{
    const ptrdiff_t op = FIELD_OFFSET(struct wsk_socket, receive.op);

    config->ahead.around[0].from = -op;
    config->ahead.around[0].bytes = 4 * WSK_CACHE_LINE; /* C_ASSERTs at struct wsk_socket */
    config->ahead.around[1].from = FIELD_OFFSET(struct wsk_socket, receive) - op;
    config->ahead.around[1].bytes = 2 * WSK_CACHE_LINE;
    config->ahead.bytes[WSK_AHEAD_CONTEXT] = 2 * WSK_CACHE_LINE;
    config->ahead.bytes[WSK_AHEAD_IRP] = sizeof(IRP) + sizeof(IO_STACK_LOCATION);
    config->ahead.bytes[WSK_AHEAD_MDL] = sizeof(MDL);
    config->ahead.bytes[WSK_AHEAD_BYTES] = WSK_CACHE_LINE;
}

static BOOLEAN receive_satisfied(PIRP irp)
{
    union wsk_arguments *arguments = wsk_arguments_of(irp);
    SIZE_T progress = wsk_op_of(irp)->progress;

    if (arguments->buffer.flags & WSK_FLAG_DRAIN)
        return FALSE; /* only the end of the stream ends it */
    return (arguments->buffer.flags & WSK_FLAG_WAITALL) ? progress == arguments->buffer.length
                                                        : progress != 0;
}

/* lock held: takes what `held` says out of the transport.  Returns the holds that it had: none if it was not there, or its
 * completion is on its way. */
static ULONG receive_unhold(struct wsk_socket *socket, enum wsk_receive_held held)
{
    if (socket->receive.held != held || !WSK_TRANSPORT_OPS->cancel(socket->transport, &socket->receive.op))
        return 0;
    socket->receive.held = HELD_NONE;
    return 1;
}

/* lock held: takes the event's receive out of the transport.  FALSE: its completion is on its way. */
static BOOLEAN receive_take_back(struct wsk_socket *socket)
{
    if (socket->receive.held == HELD_EVENT)
        wsk_gate_leave_some(socket, receive_unhold(socket, HELD_EVENT)); /* the caller is inside the gate */
    return socket->receive.held == HELD_NONE;
}

/* lock held: of the transport's receive. */
static void receive_hold(struct wsk_socket *socket)
{
    if (!wsk_turn_gives(socket))
        wsk_gate_hold(socket, 1);
}

/* lock held: a receive of no bytes ends as soon as data or the FIN is there (H-05). */
static enum receive_step receive_nothing(struct wsk_socket *socket, NTSTATUS *status)
{
    *status = STATUS_SUCCESS;
    if (!IsListEmpty(&socket->receive.data) || (socket->latches & WSK_LATCH_EOF))
        return STEP_DONE;
    if (!receive_take_back(socket))
        return STEP_HELD;
    *status = wsk_watch(socket, &socket->watches.readable, TRANSPORT_WATCH_READABLE, readable_complete,
                        &socket->receive.readable_armed);
    return *status == STATUS_PENDING ? STEP_HELD : STEP_DONE;
}

static NTSTATUS receive_got(struct wsk_socket *socket, PIRP irp, NTSTATUS status, SIZE_T bytes);

/* lock held: brings the first IRP as far as it goes.  STEP_DONE: it ends with *status and its progress. */
static enum receive_step receive_step(struct wsk_socket *socket, PIRP irp, NTSTATUS *status)
{
    union wsk_arguments *arguments = wsk_arguments_of(irp);
    BOOLEAN drain = (arguments->buffer.flags & WSK_FLAG_DRAIN) != 0;

    if (socket->receive.held == HELD_IRP || socket->receive.readable_armed || socket->receive.indicating)
        return STEP_HELD; /* a callback that looks at earlier bytes may not want them: they go first
                             (C-DATA-14) */
    for (;;) {
        *status = STATUS_SUCCESS;
        if (socket->latches & WSK_LATCH_RESET) {
            *status = socket->death; /* D-16: by reset with the error and n */
            return STEP_DONE;
        }
        if (arguments->buffer.length == 0 && !drain)
            return receive_nothing(socket, status);
        if (!IsListEmpty(&socket->receive.data))
            receive_from_data(socket, irp);
        if (receive_satisfied(irp) || (socket->latches & WSK_LATCH_EOF))
            return STEP_DONE; /* end of stream: success with what there is */
        if (!receive_take_back(socket))
            return STEP_HELD;
        socket->receive.current = irp;
        wsk_ahead_request(socket, irp, arguments->buffer.mdl, arguments->buffer.offset);
        socket->receive.op.flags = drain ? TRANSPORT_PROVIDE : 0;
        socket->receive.op.length = drain ? WSK_TRANSPORT_OPS->provided_size(wsk_settings.transport)
                                          : arguments->buffer.length - wsk_op_of(irp)->progress;
        *status = WSK_TRANSPORT_OPS->receive(socket->transport, &socket->receive.op);
        if (*status == STATUS_PENDING) {
            socket->receive.held = HELD_IRP;
            receive_hold(socket);
            wsk_op_of(irp)->stage = WSK_STAGE_HELD;
            return STEP_HELD;
        }
        *status = receive_got(socket, irp, *status, socket->receive.op.bytes);
        if (*status != STATUS_SUCCESS)
            return STEP_DONE;
    }
}

/* lock held: what the transport's receive brought for an IRP.  Returns the error that ends it, or
 * STATUS_SUCCESS: look again. */
static NTSTATUS receive_got(struct wsk_socket *socket, PIRP irp, NTSTATUS status, SIZE_T bytes)
{
    if (status == STATUS_SUCCESS && bytes == 0) {
        socket->latches |= WSK_LATCH_EOF | WSK_LATCH_PEER_FIN;
    } else if (status == STATUS_SUCCESS && (wsk_arguments_of(irp)->buffer.flags & WSK_FLAG_DRAIN)) {
        WSK_TRANSPORT_OPS->recycle(wsk_settings.transport, socket->receive.op.provided);
    } else if (status == STATUS_SUCCESS) {
        wsk_op_of(irp)->progress += bytes;
    } else if (status != STATUS_CANCELLED && status != STATUS_INSUFFICIENT_RESOURCES) {
        wsk_connection_died(socket, status);
    }
    return status;
}

/* ---- the pump ----------------------------------------------------------------------------------------- */

static SIZE_T receive_limit(const struct wsk_socket *socket)
{
    return socket->receive.buffer_limit != 0 ? socket->receive.buffer_limit : WSK_RECEIVE_DEFAULT_LIMIT;
}

/* lock held: may the transport fetch more for the event callback? */
static BOOLEAN receive_event_wants(struct wsk_socket *socket)
{
    return (wsk_enabled(socket) & WSK_CALLBACK_RECEIVE) && IsListEmpty(&socket->receive.irps) &&
           IsListEmpty(&socket->receive.data) &&
           !(socket->latches &
             (WSK_LATCH_EOF | WSK_LATCH_RESET | WSK_LATCH_SUSPENDED | WSK_LATCH_HANDING_OVER)) &&
           socket->receive.retained_bytes < receive_limit(socket); /* at the limit the peer's window closes */
}

static void receive_event_got(struct wsk_socket *socket, NTSTATUS status, SIZE_T bytes)
{
    if (status == STATUS_SUCCESS && bytes == 0)
        socket->latches |= WSK_LATCH_EOF | WSK_LATCH_PEER_FIN;
    else if (status == STATUS_SUCCESS)
        status = wsk_data_append(socket, socket->receive.op.provided, bytes);
    if (status != STATUS_SUCCESS && status != STATUS_CANCELLED)
        wsk_connection_died(socket, status); /* bytes that cannot be kept would be a hole in the stream */
}

static void receive_event_arm(struct wsk_socket *socket)
{
    NTSTATUS status;

    if (!receive_event_wants(socket)) {
        receive_take_back(socket);
        return;
    }
    if (socket->receive.held != HELD_NONE || socket->receive.readable_armed)
        return;
    socket->receive.op.flags = TRANSPORT_PROVIDE;
    socket->receive.op.length = WSK_TRANSPORT_OPS->provided_size(wsk_settings.transport);
    status = WSK_TRANSPORT_OPS->receive(socket->transport, &socket->receive.op);
    if (status == STATUS_PENDING) {
        socket->receive.held = HELD_EVENT;
        receive_hold(socket);
        return;
    }
    receive_event_got(socket, status, socket->receive.op.bytes);
}

void wsk_receive_pump(struct wsk_socket *socket)
{
    NTSTATUS status;

    if (socket->category != WSK_CONNECTION || socket->state < WSK_STATE_CONNECTED || wsk_closing(socket))
        return;
    while (!IsListEmpty(&socket->receive.irps)) {
        PIRP irp = wsk_irp_of_link(socket->receive.irps.Flink);

        if (receive_step(socket, irp, &status) == STEP_HELD)
            return;
        RemoveEntryList(&irp->Tail.Overlay.ListEntry);
        wsk_op_done(socket, irp, status, wsk_op_of(irp)->progress);
    }
    receive_event_arm(socket);
    if (wsk_event_due(socket))
        wsk_lane_kick(socket, WSK_LANE_RECEIVE);
}

/* ---- completions of the transport --------------------------------------------------------------------- */

/* lock held: the transport has ended what it did for the first IRP while close or IoCancelIrp wanted its end.
 */
static void receive_ended_early(struct wsk_socket *socket, PIRP irp, NTSTATUS status)
{
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    if (status == STATUS_SUCCESS && (receive_satisfied(irp) || (socket->latches & WSK_LATCH_EOF)))
        wsk_op_done(socket, irp, STATUS_SUCCESS, wsk_op_of(irp)->progress); /* it won the race */
    else if (wsk_op_of(irp)->flags & WSK_OP_BY_CLOSE)
        wsk_op_done_by_close(socket, irp);
    else
        wsk_op_done(socket, irp, STATUS_CANCELLED,
                    wsk_op_of(irp)->progress); /* D-16: the stream goes on after n */
}

/* lock held: the close ends what is queued, in order. */
static void receive_end_by_close(struct wsk_socket *socket)
{
    while (!IsListEmpty(&socket->receive.irps))
        wsk_op_done_by_close(socket, wsk_irp_of_link(RemoveHeadList(&socket->receive.irps)));
}

/* lock held: the one WskReceive there is has got what it wants, in the midst of the stream, and what it brings is
 * delivered here.  FALSE: for the long way to find out. */
static BOOLEAN receive_turn(struct wsk_socket *socket, PIRP irp, SIZE_T bytes, KIRQL irql)
{
    struct wsk_op *op = wsk_op_of(irp);
    struct wsk_turn turn;

    if (bytes == 0 || (socket->latches & (WSK_LATCH_RESET | WSK_LATCH_PEER_FIN)) ||
        (wsk_arguments_of(irp)->buffer.flags & (WSK_FLAG_DRAIN | WSK_FLAG_WAITALL)) ||
        socket->receive.indicating || !IsListEmpty(&socket->receive.data) ||
        irp->Tail.Overlay.ListEntry.Flink != irp->Tail.Overlay.ListEntry.Blink /* others wait */ ||
        (wsk_enabled(socket) & WSK_CALLBACK_RECEIVE) || !wsk_turn_begin(&turn, socket))
        return FALSE;
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
    if (wsk_op_take(socket, irp, STATUS_SUCCESS, op->progress + bytes)) {
        wsk_unlock(socket, irql);
        wsk_turn_deliver(&turn, irp);
        wsk_turn_posted(&turn);
        irql = wsk_lock(socket);
        wsk_receive_completed(socket);
    }
    wsk_turn_end(&turn, irql);
    return TRUE;
}

/* lock held: the same for what the event has got. */
static BOOLEAN receive_event_turn(struct wsk_socket *socket, KIRQL irql)
{
    struct wsk_turn turn;

    if (wsk_event_due(socket) != WSK_CALLBACK_RECEIVE || !wsk_turn_begin(&turn, socket))
        return FALSE;
    if (wsk_gate_begin_callback(socket, WSK_CALLBACK_RECEIVE)) { /* else closed or disabled in the meantime */
        turn.keeps = 0;
        wsk_receive_indicate(socket, &turn, &irql);
        wsk_event_disables_end(socket);
        turn.leave += (ULONG64)WSK_CALLBACK_RECEIVE << WSK_GATE_RUNNING_SHIFT;
    }
    wsk_turn_end(&turn, irql);
    return TRUE;
}

static void receive_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, receive.op);
    KIRQL irql = wsk_lock(socket);
    UCHAR held = socket->receive.held;

    socket->receive.held = HELD_NONE;
    if (held == HELD_EVENT) {
        if (!wsk_closing(socket)) {
            receive_event_got(socket, status, bytes);
            if (receive_event_turn(socket, irql))
                return;
        } else if (status == STATUS_SUCCESS && bytes != 0)
            WSK_TRANSPORT_OPS->recycle(wsk_settings.transport, op->provided);
    } else {
        PIRP irp = socket->receive.current;
        UCHAR flags = wsk_op_of(irp)->flags;

        if (flags & (WSK_OP_BY_CLOSE | WSK_OP_CANCELLED)) {
            if (status == STATUS_SUCCESS)
                receive_got(socket, irp, status, bytes);
            receive_ended_early(socket, irp, status);
            if (flags & WSK_OP_BY_CLOSE)
                receive_end_by_close(socket);
        } else if (status == STATUS_SUCCESS && receive_turn(socket, irp, bytes, irql)) {
            return;
        } else {
            wsk_op_of(irp)->stage = WSK_STAGE_QUEUED;
            status = receive_got(socket, irp, status, bytes);
            if (status != STATUS_SUCCESS) {
                RemoveEntryList(&irp->Tail.Overlay.ListEntry);
                wsk_op_done(socket, irp, status, wsk_op_of(irp)->progress);
            }
        }
    }
    wsk_receive_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket); /* the operation inside the transport */
}

static void readable_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, watches.readable);
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->receive.readable_armed = FALSE;
    if (!IsListEmpty(&socket->receive.irps) && !wsk_closing(socket)) {
        PIRP irp = wsk_irp_of_link(socket->receive.irps.Flink);

        if (wsk_arguments_of(irp)->buffer.length == 0 && status != STATUS_CANCELLED &&
            !(wsk_arguments_of(irp)->buffer.flags & WSK_FLAG_DRAIN)) {
            if (status != STATUS_SUCCESS)
                wsk_connection_died(socket, status);
            RemoveEntryList(&irp->Tail.Overlay.ListEntry);
            wsk_op_done(socket, irp, status, 0);
        }
    }
    wsk_receive_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_gate_leave(socket);
}

static void peer_fin_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, watches.peer_fin);
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->receive.peer_fin_armed = FALSE;
    if (status == STATUS_SUCCESS)
        socket->latches |= WSK_LATCH_PEER_FIN;
    wsk_receive_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_inspect_look(socket); /* it may still wait for its inspection */
    wsk_gate_leave(socket);
}

static void reset_complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct wsk_socket *socket = CONTAINING_RECORD(op, struct wsk_socket, watches.reset);
    KIRQL irql = wsk_lock(socket);

    UNREFERENCED_PARAMETER(bytes);
    socket->receive.reset_armed = FALSE;
    if (status != STATUS_CANCELLED && !wsk_closing(socket))
        wsk_connection_died(socket, status);
    wsk_receive_pump(socket);
    wsk_unlock_deliver(socket, irql);
    wsk_inspect_look(socket); /* it may still wait for its inspection */
    wsk_gate_leave(socket);
}

void wsk_receive_initialize(struct wsk_socket *socket)
{
    InitializeListHead(&socket->receive.irps);
    InitializeListHead(&socket->receive.data);
    InitializeListHead(&socket->receive.retained);
    socket->receive.op.kind = TRANSPORT_RECEIVE;
    socket->receive.op.complete = receive_complete;
    socket->receive.op.segments = receive_segments;
}

void wsk_receive_start(struct wsk_socket *socket)
{
    NTSTATUS status;
    ULONG holds = 0;

    status = wsk_watch_begin(socket, &socket->watches.peer_fin, TRANSPORT_WATCH_PEER_FIN, peer_fin_complete,
                             &socket->receive.peer_fin_armed);
    if (status == STATUS_PENDING)
        holds++;
    else if (status == STATUS_SUCCESS)
        socket->latches |= WSK_LATCH_PEER_FIN;
    else /* nobody would ever hear of its end */
        wsk_connection_died(socket, status);
    status = wsk_watch_begin(socket, &socket->watches.reset, TRANSPORT_WATCH_RESET, reset_complete,
                             &socket->receive.reset_armed);
    if (status == STATUS_PENDING)
        holds++;
    else
        wsk_connection_died(socket, status);
    if (holds != 0)
        wsk_gate_hold(socket, holds); /* one step for both: their ends wait for the lock */
    wsk_receive_pump(socket);
}

BOOLEAN wsk_receive_drained(struct wsk_socket *socket)
{
    if (!IsListEmpty(&socket->receive.data) || socket->receive.held != HELD_NONE)
        return FALSE; /* what is held may have bytes in its hands that are not here yet */
    return (socket->latches & WSK_LATCH_EOF) ||
           WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_READABLE) == 0;
}

/* ---- cancel and close --------------------------------------------------------------------------------- */

void wsk_receive_cancel(struct wsk_socket *socket, PIRP Irp)
{
    struct wsk_op *op = wsk_op_of(Irp);
    ULONG holds = 0; /* not the last: the IRP holds the gate */

    if (op->stage == WSK_STAGE_HELD && socket->receive.held == HELD_IRP && socket->receive.current == Irp) {
        holds = receive_unhold(socket, HELD_IRP);
        if (holds == 0)
            return; /* receive_complete ends it */
    } else if (socket->receive.irps.Flink == &Irp->Tail.Overlay.ListEntry) {
        /* One that cannot be taken back finds another IRP, or none: then it changes nothing. */
        holds = wsk_unwatch(socket, &socket->watches.readable, &socket->receive.readable_armed);
    }
    wsk_gate_leave_some(socket, holds);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    wsk_op_done(socket, Irp, STATUS_CANCELLED, op->progress);
    wsk_receive_pump(socket);
}

ULONG wsk_receive_close(struct wsk_socket *socket)
{
    ULONG holds;

    if (socket->transport == NULL)
        return 0;
    holds = receive_unhold(socket, HELD_IRP);
    holds += receive_unhold(socket, HELD_EVENT);
    holds += wsk_unwatch(socket, &socket->watches.readable, &socket->receive.readable_armed);
    holds += wsk_unwatch(socket, &socket->watches.peer_fin, &socket->receive.peer_fin_armed);
    holds += wsk_unwatch(socket, &socket->watches.reset, &socket->receive.reset_armed);
    /* receive_complete is on its way: it ends this one, then those behind it (D-06) */
    if (socket->receive.held == HELD_IRP)
        wsk_op_of(socket->receive.current)->flags |= WSK_OP_BY_CLOSE;
    else
        receive_end_by_close(socket);
    return holds;
}

/* ---- WskReceive --------------------------------------------------------------------------------------- */

static NTSTATUS receive_check(const WSK_BUF *buffer, ULONG flags)
{
    if (flags & ~(ULONG)(WSK_FLAG_WAITALL | WSK_FLAG_DRAIN))
        return STATUS_NOT_SUPPORTED; /* R-RECV-08 */
    if ((flags & WSK_FLAG_WAITALL) && (flags & WSK_FLAG_DRAIN))
        return STATUS_INVALID_PARAMETER; /* R-RECV-07 */
    if ((flags & WSK_FLAG_DRAIN) && buffer != NULL && buffer->Length != 0)
        return STATUS_INVALID_PARAMETER; /* R-RECV-06 */
    return wsk_buffer_check(buffer, FALSE);
}

/* The call was let in. */
static NTSTATUS receive_entered(struct wsk_socket *socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    NTSTATUS status;
    KIRQL irql;

    status = receive_check(Buffer, Flags);
    if (status != STATUS_SUCCESS)
        return wsk_op_fail(Irp, status);
    wsk_buffer_take(Irp, Buffer, Flags);
    status = wsk_op_lock(socket, Irp, &irql);
    if (status != STATUS_SUCCESS)
        return status;
    if (socket->category != WSK_CONNECTION || socket->state < WSK_STATE_CONNECTED) {
        ke_release_spin_lock(&socket->lock, irql);
        return wsk_op_fail(Irp, STATUS_INVALID_DEVICE_STATE); /* C-SOCK-14 */
    }
    if (!wsk_is_cancelled(Irp) && IsListEmpty(&socket->receive.irps) &&
        receive_step(socket, Irp, &status) == STEP_DONE) {
        ULONG_PTR information = wsk_op_of(Irp)->progress;

        return wsk_op_finish(socket, Irp, status, information, TRUE, irql);
    }
    wsk_op_pend(socket, Irp, &socket->receive.irps);
    wsk_unlock(socket, irql);
    return STATUS_PENDING;
}

/* WskReceive (nc-wsk-pfn_wsk_receive): bytes into the MDL chain of Buffer, which stays the driver's until
 * completion. Ends with the bytes at hand (0 = end of stream), or as the flags say.  <= DISPATCH_LEVEL.
 * STATUS_SUCCESS, STATUS_PENDING, STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_STATE (not connected),
 * STATUS_NOT_SUPPORTED, STATUS_FILE_FORCED_CLOSED, or the connection's end. */
NTSTATUS WSKAPI wsk_receive(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status = wsk_op_enter(Socket, Irp, WSK_OP_RECEIVE, &socket);

    return status == STATUS_SUCCESS ? receive_entered(socket, Buffer, Flags, Irp) : status;
}

/* WskReceiveEx, which drivers must not call (R-STRUCT-14): WskReceive.  A stream has no control information: none
 * is returned, and *ControlInfoLength and *ControlFlags (NULL: not wanted) say so at once. */
NTSTATUS WSKAPI wsk_receive_ex(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PULONG ControlInfoLength,
                               PCMSGHDR ControlInfo, PULONG ControlFlags, PIRP Irp)
{
    struct wsk_socket *socket;
    NTSTATUS status = wsk_op_enter(Socket, Irp, WSK_OP_RECEIVE_EX, &socket);

    if (status != STATUS_SUCCESS)
        return status;
    OBSERVE(socket, OBSERVE_SOCKET_RESERVED, socket, Irp, "WskReceiveEx");
    wsk_op_of(Irp)->kind = WSK_OP_RECEIVE;
    if (ControlInfoLength == NULL ? ControlInfo != NULL : *ControlInfoLength != 0 && ControlInfo == NULL)
        return wsk_op_fail(Irp, STATUS_INVALID_PARAMETER);
    if (ControlInfoLength != NULL)
        *ControlInfoLength = 0;
    if (ControlFlags != NULL)
        *ControlFlags = 0;
    return receive_entered(socket, Buffer, Flags, Irp);
}

void wsk_receive_completed(struct wsk_socket *socket)
{
    socket->latches &= ~(ULONG)WSK_LATCH_SUSPENDED; /* H-05: completed, not merely called */
    if (socket->receive.held == HELD_IRP && !IsListEmpty(&socket->receive.irps))
        return; /* the next one is where it can be */
    wsk_receive_pump(socket);
}
