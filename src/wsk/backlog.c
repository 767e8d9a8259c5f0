/*
 * backlog.c - the ideal send backlog of a connection: how many bytes handed over and not completed keep the stream
 * full (area SBLEV).
 *
 * The transport estimates it.  `backlog_known` is what the client knows, by WskSendBacklogEvent or, before the first, by
 * SIO_WSK_QUERY_IDEAL_SEND_BACKLOG: while the event is enabled the two agree (C-IOCTL-20).  The event comes when the
 * estimate has moved by a quarter or more, looked at when sends complete; nothing is looked at while it is disabled.
 */
#include "wsk/wskp.h"

static SIZE_T estimate(const struct wsk_socket *socket)
{
    int64_t bytes = WSK_TRANSPORT_OPS->query(socket->transport, TRANSPORT_IDEAL_BACKLOG);

    return bytes > 0 ? (SIZE_T)bytes : 0;
}

/* lock held: the client knows from now on. */
static SIZE_T backlog_now(struct wsk_socket *socket)
{
    SIZE_T now = estimate(socket);

    if (now != 0)
        socket->backlog_known = now; /* a connection that is dead has none: the last one stays */
    return socket->backlog_known;
}

SIZE_T wsk_backlog_query(struct wsk_socket *socket)
{
    if ((wsk_enabled(socket) & WSK_CALLBACK_BACKLOG) && socket->backlog_known != 0)
        return socket->backlog_known;
    socket->backlog_due = FALSE; /* no news any more, what was found before a disable neither */
    return backlog_now(socket);
}

void wsk_backlog_look(struct wsk_socket *socket)
{
    SIZE_T known, now;

    if (!(wsk_enabled(socket) & WSK_CALLBACK_BACKLOG))
        return;
    known = socket->backlog_known; /* not before: each send would miss the cache for it */
    now = estimate(socket);
    if (now == 0)
        return;
    if (known == 0) { /* that is where changes are counted from */
        socket->backlog_known = now;
        return;
    }
    socket->backlog_due = (now > known ? now - known : known - now) >= (known + 3) / 4;
    if (socket->backlog_due)
        wsk_lane_kick(socket, WSK_LANE_RECEIVE);
}

void wsk_backlog_indicate(struct wsk_socket *socket, PKIRQL irql)
{
    const WSK_CLIENT_CONNECTION_DISPATCH *table = socket->client_dispatch;
    PVOID context = socket->context;
    SIZE_T ideal = backlog_now(socket);

    socket->backlog_due = FALSE;
    wsk_unlock(socket, *irql);
    RTL_CALL(OBSERVE_CALLBACK, socket, "WskSendBacklogEvent", table->WskSendBacklogEvent,
             rtl_call_frame.status = table->WskSendBacklogEvent(context, ideal));
    *irql = wsk_lock(socket);
}
