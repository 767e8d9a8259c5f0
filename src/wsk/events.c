/*
 * events.c - which event callback runs when, and SO_WSK_EVENT_CALLBACK (area EVT).
 *
 * A kind is enabled by a bit in the gate word, so disabling and closing are each one atomic step against the
 * start of a callback.  Callbacks ride on the receive lane: one at a time.  A disable that finds its kind
 * running pends (with an IRP) or answers STATUS_EVENT_PENDING (without); it takes effect when that callback
 * has returned (C-EVT-08..11).
 */
#include "wsk/wskp.h"

static const struct {
    ULONG event;
    ULONG kind;
} event_kinds[] = {
    {WSK_EVENT_RECEIVE, WSK_CALLBACK_RECEIVE},           {WSK_EVENT_DISCONNECT, WSK_CALLBACK_DISCONNECT},
    {WSK_EVENT_SEND_BACKLOG, WSK_CALLBACK_BACKLOG},      {WSK_EVENT_ACCEPT, WSK_CALLBACK_ACCEPT},
    {WSK_EVENT_RECEIVE_FROM, WSK_CALLBACK_RECEIVE_FROM},
};

#define CONNECTION_KINDS  (WSK_CALLBACK_RECEIVE | WSK_CALLBACK_DISCONNECT | WSK_CALLBACK_BACKLOG)
#define CONNECTION_EVENTS (WSK_EVENT_RECEIVE | WSK_EVENT_DISCONNECT | WSK_EVENT_SEND_BACKLOG)

ULONG wsk_event_kinds(ULONG event_mask)
{
    ULONG kinds = 0;
    size_t i;

    for (i = 0; i < RTL_NUMBER_OF(event_kinds); i++)
        if (event_mask & event_kinds[i].event)
            kinds |= event_kinds[i].kind;
    return kinds;
}

ULONG wsk_event_with_function(UCHAR category, const VOID *dispatch, ULONG kinds)
{
    const WSK_CLIENT_CONNECTION_DISPATCH *connection = dispatch;
    const WSK_CLIENT_DATAGRAM_DISPATCH *datagram = dispatch;
    const WSK_CLIENT_LISTEN_DISPATCH *listen = dispatch;
    ULONG have = 0;

    if (dispatch == NULL)
        return 0;
    if (category == WSK_LISTEN)
        have = listen->WskAcceptEvent != NULL ? WSK_CALLBACK_ACCEPT : 0;
    if (category == WSK_DATAGRAM)
        have = datagram->WskReceiveFromEvent != NULL ? WSK_CALLBACK_RECEIVE_FROM : 0;
    if (category == WSK_CONNECTION)
        have = (connection->WskReceiveEvent != NULL ? WSK_CALLBACK_RECEIVE : 0) |
               (connection->WskDisconnectEvent != NULL ? WSK_CALLBACK_DISCONNECT : 0) |
               (connection->WskSendBacklogEvent != NULL ? WSK_CALLBACK_BACKLOG : 0);
    return kinds & have;
}

/* ---- running ------------------------------------------------------------------------------------------ */

/* The extension's callback, after those of WSK. */
static enum wsk_callback ended_due(struct wsk_socket *socket, ULONG enabled)
{
    return (enabled & WSK_CALLBACK_ENDED) && !(socket->latches & WSK_LATCH_TOLD_END) ? WSK_CALLBACK_ENDED : 0;
}

static enum wsk_callback connection_event_due(struct wsk_socket *socket, ULONG enabled)
{
    if (socket->latches & WSK_LATCH_HANDING_OVER)
        return 0; /* D-15 */
    if (socket->latches & WSK_LATCH_RESET) {
        /* Told once: by the abortive disconnect event where that is enabled, else by an empty indication. */
        if (!(socket->latches & WSK_LATCH_TOLD_DEATH)) {
            if (enabled & WSK_CALLBACK_DISCONNECT)
                return WSK_CALLBACK_DISCONNECT;
            if (enabled & WSK_CALLBACK_RECEIVE)
                return WSK_CALLBACK_RECEIVE;
        }
        return ended_due(socket, enabled);
    }
    if ((enabled & WSK_CALLBACK_RECEIVE) && !(socket->latches & WSK_LATCH_SUSPENDED) &&
        IsListEmpty(&socket->receive.irps) && !IsListEmpty(&socket->receive.data))
        return WSK_CALLBACK_RECEIVE;
    if ((enabled & WSK_CALLBACK_DISCONNECT) && (socket->latches & WSK_LATCH_PEER_FIN) &&
        !(socket->latches & WSK_LATCH_TOLD_FIN) && wsk_receive_drained(socket))
        return WSK_CALLBACK_DISCONNECT; /* after every byte before the FIN (R-DISCEV-04) */
    if ((enabled & WSK_CALLBACK_BACKLOG) && socket->backlog_due)
        return WSK_CALLBACK_BACKLOG;
    return wsk_fully_disconnected(socket) ? ended_due(socket, enabled) : 0;
}

enum wsk_callback wsk_event_look(struct wsk_socket *socket)
{
    ULONG enabled = wsk_enabled(socket);

    if (enabled == 0 || wsk_closing(socket) || socket->state == WSK_STATE_CLOSED)
        return 0;
    if (socket->category == WSK_CONNECTION)
        return connection_event_due(socket, enabled);
    if (socket->category == WSK_DATAGRAM)
        return (enabled & WSK_CALLBACK_RECEIVE_FROM) && wsk_datagram_waits(socket) ? WSK_CALLBACK_RECEIVE_FROM
                                                                                   : 0;
    if (socket->category == WSK_LISTEN && wsk_inspect_due(socket) != 0)
        return wsk_inspect_due(socket);
    if (socket->category != WSK_LISTEN || !(enabled & WSK_CALLBACK_ACCEPT))
        return 0;
    if (socket->latches & WSK_LATCH_RESET)
        return (socket->latches & WSK_LATCH_TOLD_DEATH) ? 0 : WSK_CALLBACK_ACCEPT;
    return IsListEmpty(&socket->listen.irps) && !IsListEmpty(&socket->listen.waiting) ? WSK_CALLBACK_ACCEPT
                                                                                      : 0;
}

static void disconnect_indicate(struct wsk_socket *socket, PKIRQL irql)
{
    const WSK_CLIENT_CONNECTION_DISPATCH *table;
    PVOID context;
    ULONG flags;

    table = socket->client_dispatch;
    context = socket->context;
    if (socket->latches & WSK_LATCH_RESET) {
        flags = WSK_FLAG_ABORTIVE; /* R-DISCEV-03 */
        socket->latches |= WSK_LATCH_TOLD_DEATH | WSK_LATCH_TOLD_FIN;
    } else {
        flags = 0;
        socket->latches |= WSK_LATCH_TOLD_FIN;
    }
    wsk_unlock(socket, *irql);
    if (ke_current_irql() == DISPATCH_LEVEL)
        flags |= WSK_FLAG_AT_DISPATCH_LEVEL;
    RTL_CALL(OBSERVE_CALLBACK, socket, "WskDisconnectEvent", table->WskDisconnectEvent,
             rtl_call_frame.status = table->WskDisconnectEvent(context, flags));
    *irql = wsk_lock(socket);
}

/* lock held, after a callback has ended: the disables that waited for it. */
void wsk_event_disables_end(struct wsk_socket *socket)
{
    /* Callbacks are serial: the one that has just returned is the one that every pended disable waited for.
     */
    while (!IsListEmpty(&socket->disables))
        wsk_op_done(socket, wsk_irp_of_link(RemoveHeadList(&socket->disables)), STATUS_SUCCESS, 0);
}

void wsk_event_run(struct wsk_socket *socket, enum wsk_callback kind, PKIRQL irql)
{
    if (!wsk_gate_begin_callback(socket, kind))
        return; /* closed or disabled in the meantime: C-CLOSE-18, C-EVT-11 */
    switch (kind) {
    case WSK_CALLBACK_RECEIVE:
        wsk_receive_indicate(socket, NULL, irql);
        break;
    case WSK_CALLBACK_INSPECT:
        wsk_inspect_indicate(socket, irql);
        break;
    case WSK_CALLBACK_ABORT:
        wsk_inspect_abort(socket, irql);
        break;
    case WSK_CALLBACK_RECEIVE_FROM:
        wsk_datagram_indicate(socket, irql);
        break;
    case WSK_CALLBACK_BACKLOG:
        wsk_backlog_indicate(socket, irql);
        break;
    case WSK_CALLBACK_DISCONNECT:
        disconnect_indicate(socket, irql);
        break;
    case WSK_CALLBACK_ENDED:
        wsk_statistics_indicate(socket, irql);
        break;
    case WSK_CALLBACK_ACCEPT:
        wsk_listen_indicate(socket, irql);
        break;
    default:
        break;
    }
    /* What the callback decided, its end and the end of what waited for it are one step under the lock: a
     * disable that comes later finds nothing running.  Whoever still waits here holds the gate by its IRP. */
    wsk_event_disables_end(socket);
    wsk_gate_end_callback(socket, kind, irql);
}

/* ---- enabling and disabling --------------------------------------------------------------------------- */

static void gate_enable(struct wsk_socket *socket, ULONG kinds)
{
    ULONG64 old = __atomic_load_n(&socket->gate, __ATOMIC_RELAXED), new;

    host_point(HOST_POINT_ATOMIC, &socket->gate);
    do {
        if (old & WSK_GATE_CLOSING)
            return;
        new = old | ((ULONG64)kinds << WSK_GATE_ENABLED_SHIFT);
    } while (
        !__atomic_compare_exchange_n(&socket->gate, &old, new, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}

ULONG wsk_event_disable(struct wsk_socket *socket, ULONG kinds)
{
    ULONG64 old;

    host_point(HOST_POINT_ATOMIC, &socket->gate);
    old = __atomic_fetch_and(&socket->gate, ~((ULONG64)kinds << WSK_GATE_ENABLED_SHIFT), __ATOMIC_ACQ_REL);
    return (ULONG)(old >> WSK_GATE_RUNNING_SHIFT) & kinds;
}

void wsk_event_enable(struct wsk_socket *socket, ULONG kinds)
{
    gate_enable(socket, kinds);
    wsk_receive_pump(socket);
    wsk_listen_pump(socket);
    wsk_datagram_pump(socket);
    if (wsk_event_due(socket))
        wsk_lane_kick(socket, WSK_LANE_RECEIVE);
}

/* What the mask may hold on this category (C-EVT-13). */
static BOOLEAN mask_fits(const struct wsk_socket *socket, ULONG mask)
{
    ULONG allowed = socket->category == WSK_LISTEN || socket->category == WSK_STREAM
                        ? WSK_EVENT_ACCEPT | CONNECTION_EVENTS
                    : socket->category == WSK_CONNECTION ? CONNECTION_EVENTS
                    : socket->category == WSK_DATAGRAM   ? WSK_EVENT_RECEIVE_FROM
                                                         : 0;

    return mask != 0 && (mask & ~allowed) == 0;
}

/* C-EVT-14, 15: switching needs a bound listener, a connected connection. */
static BOOLEAN state_fits(const struct wsk_socket *socket)
{
    if (socket->category == WSK_LISTEN)
        return socket->state == WSK_STATE_LISTENING || socket->state == WSK_STATE_DEAD;
    if (socket->category == WSK_DATAGRAM)
        return socket->state == WSK_STATE_BOUND;
    return socket->state == WSK_STATE_CONNECTED || socket->state == WSK_STATE_DEAD;
}

/* lock held. */
static NTSTATUS event_enable(struct wsk_socket *socket, ULONG mask)
{
    ULONG kinds = wsk_event_kinds(mask);

    if (kinds & socket->static_events)
        return STATUS_INVALID_DEVICE_REQUEST; /* C-EVT-20: neither disable nor enable again */
    if (socket->category == WSK_LISTEN) {
        if ((kinds & WSK_CALLBACK_ACCEPT) &&
            !wsk_event_with_function(WSK_LISTEN, socket->client_dispatch, kinds))
            return STATUS_INVALID_PARAMETER;         /* R-SOCK-14 */
        socket->inherit |= kinds & CONNECTION_KINDS; /* C-EVT-16, 18 */
        wsk_event_enable(socket, kinds & WSK_CALLBACK_ACCEPT);
        return STATUS_SUCCESS;
    }
    if (socket->latches & WSK_LATCH_HANDING_OVER) {
        socket->inherit |= kinds; /* D-15: remembered until WskAcceptEvent has given us the table */
        return STATUS_SUCCESS;
    }
    if (wsk_event_with_function(socket->category, socket->client_dispatch, kinds) != kinds)
        return STATUS_INVALID_PARAMETER;
    wsk_event_enable(socket, kinds);
    return STATUS_SUCCESS;
}

/* lock held.  STATUS_PENDING: the kind is running. */
static NTSTATUS event_disable(struct wsk_socket *socket, ULONG mask)
{
    ULONG kind = wsk_event_kinds(mask);
    ULONG running;

    if (mask & (mask - 1))
        return STATUS_INVALID_PARAMETER; /* C-EVT-05: one at a time */
    if (kind & socket->static_events)
        return STATUS_INVALID_DEVICE_REQUEST;
    if (socket->category == WSK_LISTEN && (kind & CONNECTION_KINDS))
        return STATUS_INVALID_DEVICE_REQUEST; /* C-EVT-17 */
    if (socket->latches & WSK_LATCH_HANDING_OVER)
        socket->inherit &= ~kind;
    running = wsk_event_disable(socket, kind);
    wsk_receive_pump(socket); /* takes back a receive that was armed for the event */
    wsk_datagram_pump(socket);
    return running ? STATUS_PENDING : STATUS_SUCCESS;
}

/* SO_WSK_EVENT_CALLBACK for a socket whose gate the caller holds; leaves it.  Irp may be NULL. */
NTSTATUS wsk_event_control(struct wsk_socket *socket, const WSK_EVENT_CALLBACK_CONTROL *control, PIRP Irp)
{
    NTSTATUS status;
    ULONG mask;
    KIRQL irql;

    irql = wsk_lock(socket);
    mask = control->EventMask & ~(ULONG)WSK_EVENT_DISABLE;
    if (wsk_closing(socket))
        status = STATUS_FILE_FORCED_CLOSED;
    else if (control->NpiId == NULL || !RtlEqualMemory(control->NpiId, &NPI_WSK_INTERFACE_ID, sizeof(NPIID)))
        status = STATUS_NOT_SUPPORTED; /* C-EVT-12: an extension's callback is on from its registration */
    else if (!mask_fits(socket, mask))
        status = STATUS_INVALID_PARAMETER;
    else if (!state_fits(socket))
        status = STATUS_INVALID_DEVICE_STATE;
    else if (control->EventMask & WSK_EVENT_DISABLE)
        status = event_disable(socket, mask);
    else
        status = Irp != NULL ? STATUS_INVALID_PARAMETER : event_enable(socket, mask); /* C-EVT-06 */

    if (status == STATUS_PENDING && Irp != NULL) { /* C-EVT-09 */
        wsk_op_of(Irp)->kind = WSK_OP_EVENT_DISABLE;
        wsk_op_pend(socket, Irp, &socket->disables);
        /* The callback cannot have returned in between: it ends under our lock (wsk_event_disables_end). */
        wsk_unlock(socket, irql);
        return STATUS_PENDING;
    }
    wsk_unlock(socket, irql);
    if (status == STATUS_PENDING)
        status = STATUS_EVENT_PENDING; /* C-EVT-10 */
    if (Irp != NULL) {
        wsk_count_end(socket, Irp, status, 0);
        io_complete_request(Irp, status, 0); /* event control finishes inline in every mode */
    }
    wsk_gate_leave(socket);
    return status;
}
