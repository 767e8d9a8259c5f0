/*
 * watch.c - waiting for what happens to a connection without reading or writing it.
 *
 * What tells the loop
 *
 * - Peer FIN, reset, readable: the event bits themselves.
 *
 * - FIN acknowledged: the kernel wakes everyone on FIN_WAIT1 -> FIN_WAIT2 and on the way to CLOSE; TCP_INFO
 * then says which it was.  Where the peer's FIN has come before, SIOCOUTQ says it more cheaply: it counts our FIN, a
 * count of nothing is what the kernel itself goes by when it closes, and a reset leaves the count as it was.
 *
 * - Sent: TCP_NOTSENT_LOWAT 1 makes EPOLLOUT mean "nothing unsent".  It comes with an ACK, so when the pacing
 * timer sends the last byte it is late by a round trip: a timer from 3.2 ms on is the net below it.
 *
 * - Acknowledged: no event tells it for bytes already sent.  Any event of the socket makes us look (an answer
 *   carries the ACK), and a timer from 0.1 ms on, doubling up to 102 ms.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"
#include "host/host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <ntstatus.h>

void watch_sent_events(struct transport_socket *socket, bool on)
{
    int value = on ? 1 : 0; /* 0 = the system's default */
    if (socket->lowat_set == on || socket->fatal)
        return;
    if (setsockopt(socket->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value)) < 0)
        return; /* the timer is left */
    socket->lowat_set = on;
    if (on)
        loop_repoll(socket); /* EPOLLOUT is reported again only once the kernel has seen us wait for it */
}

void watch_begin(struct transport_socket *socket, int kind)
{
    if (socket->phase != PHASE_CONNECTED || socket->fatal)
        return;
    if (kind == TRANSPORT_WATCH_SENT) {
        /* A send that waits for room keeps the mark off, for its throughput; EPOLLOUT comes then, too. */
        if (!socket->ops[TRANSPORT_SEND])
            watch_sent_events(socket, true);
        loop_arm_timer(socket, TIMER_SENT_LEVEL);
    } else if (kind == TRANSPORT_WATCH_ACKED)
        loop_arm_timer(socket, 0);
}

/* `told`: an event will tell what comes after this look. */
static int32_t try_fin_acked(struct transport_socket *socket, bool told)
{
    if (socket->fatal)
        return socket->fatal;
    if (!socket->fin_sent) {
        if (!socket->fin_wanted)
            return STATUS_INVALID_DEVICE_STATE;
        socket_poll(socket);
        return socket->fatal ? socket->fatal : STATUS_PENDING;
    }
    /* The FIN counts as a byte.  Once it is acknowledged and the peer's has come, nothing is left that could end the
     * connection in another way. */
    int64_t unacked = socket->peer_fin || told ? option_unacked(socket) : -1;
    if (unacked == 0 && socket->peer_fin)
        return STATUS_SUCCESS;
    if (unacked > 0 && told)
        return STATUS_PENDING;
    switch (socket_tcp_state(socket)) {
    case TCP_FIN_WAIT2:
    case TCP_TIME_WAIT:
        return STATUS_SUCCESS;
    case TCP_CLOSE:
        /* Both FINs acknowledged, or a reset that nobody has read yet. */
        if (socket_reason_is_coming(socket, socket_poll(socket)))
            return STATUS_PENDING;
        return socket->fatal ? socket->fatal : STATUS_SUCCESS;
    default:
        return STATUS_PENDING;
    }
}

int32_t watch_try(struct transport_socket *socket, struct transport_op *op)
{
    uint32_t events;

    if (socket->type != TRANSPORT_STREAM && op->kind == TRANSPORT_WATCH_READABLE)
        return socket_poll(socket) & EPOLLIN ? STATUS_SUCCESS : STATUS_PENDING;
    if (socket->phase != PHASE_CONNECTED)
        return socket->fatal ? socket->fatal : STATUS_CONNECTION_INVALID;
    switch (op->kind) {
    case TRANSPORT_WATCH_READABLE:
        events = socket_poll(socket);
        if (events & EPOLLIN) {
            /* Without data this is the FIN, or a reset. */
            bool coming = socket_reason_is_coming(socket, events);
            if ((socket->fatal || coming) && common_query(socket, TRANSPORT_READABLE) <= 0)
                return coming ? STATUS_PENDING : socket->fatal;
            return STATUS_SUCCESS;
        }
        return socket->fatal ? socket->fatal : STATUS_PENDING;
    case TRANSPORT_WATCH_PEER_FIN:
        if (!socket->peer_fin)
            socket_poll(socket);
        if (socket->peer_fin) /* also when a reset came after it */
            return STATUS_SUCCESS;
        return socket->fatal ? socket->fatal : STATUS_PENDING;
    case TRANSPORT_WATCH_RESET:
        if (!socket->fatal)
            socket_poll(socket);
        return socket->fatal ? socket->fatal : STATUS_PENDING;
    case TRANSPORT_WATCH_SENT:
        if (!socket->fatal && option_unsent(socket) > 0)
            return STATUS_PENDING;
        break;
    case TRANSPORT_WATCH_ACKED:
        if (!socket->fatal && option_unacked(socket) > 0)
            return STATUS_PENDING;
        break;
    case TRANSPORT_WATCH_FIN_ACKED:
        return try_fin_acked(socket, false);
    default:
        assert(!"a watch");
    }
    /* Nothing is left in the queue: because it went out, or because a reset threw it away? */
    if (!socket->fatal && socket_reason_is_coming(socket, socket_poll(socket)))
        return STATUS_PENDING;
    return socket->fatal;
}

/* A FIN or the end of the connection need not be looked for when an event will tell it: the epoll set reports
 * what is there already when it gets to know the socket, and what it has reported since has been remembered (by
 * socket_fold(), but for what a transfer in the kernel took with it). */
bool watch_is_told(const struct transport_socket *socket, int kind)
{
    return socket->phase == PHASE_CONNECTED && !socket->fatal && (!socket->carried || !socket->interest) &&
           (kind != TRANSPORT_WATCH_PEER_FIN || !socket->peer_fin);
}

static int32_t watch_start(struct transport_socket *socket, struct transport_op *op)
{
    bool told = watch_is_told(socket, op->kind);
    if (told && (op->kind == TRANSPORT_WATCH_RESET || op->kind == TRANSPORT_WATCH_PEER_FIN))
        return STATUS_PENDING;
    if (told && op->kind == TRANSPORT_WATCH_FIN_ACKED)
        return try_fin_acked(socket, true);
    return watch_try(socket, op);
}

int32_t common_watch(struct transport_socket *socket, struct transport_op *op)
{
    assert(op->kind >= TRANSPORT_WATCH_PEER_FIN && op->kind <= TRANSPORT_WATCH_READABLE);
    return socket_start_watch(socket, op, watch_start);
}
