/*
 * transfer.c - receives, sends and accepts that the kernel carries out: into the ring, out of it, and what
 * their results mean.
 */
#include "transport/uring/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <string.h>
#include <ntstatus.h>

static bool in_ring(const struct transport_socket *socket, int kind)
{
    return socket->in_ring & (1u << kind);
}

/* NULL: an op of this kind waits in the epoll set. */
static struct slot *slot_of(struct transport_socket *socket, int kind)
{
    return socket->transport->engine->carried & 1u << kind ? &uring_of(socket)->slots[kind] : NULL;
}

/* A result that only says that it is to be tried again. */
static bool says_nothing(int32_t result)
{
    return result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -ENOBUFS;
}

/* ---- into the ring ------------------------------------------------------------------------------------ */

/* One segment goes as it is, several with a message beside the entry. */
static int32_t prepare_transfer(struct ring *ring, struct io_uring_sqe *entry,
                                struct transport_socket *socket, struct transport_op *op, uint32_t *asked)
{
    struct message *message = ring_message(ring, entry);
    bool send = op->kind == TRANSPORT_SEND;
    size_t total, limit = socket->transport->config.one_byte ? 1 : op->length - op->bytes;
    if (limit > RING_BYTES)
        limit = RING_BYTES;
    size_t count =
        transport_segments(op, (struct transport_segment *)message->segments, RING_SEGMENTS, limit, &total);
    if (count == 0)
        return STATUS_INVALID_PARAMETER; /* less memory than op->length says */
    *asked = (uint32_t)total;
    struct iovec *first = &message->segments[0];
    memset(&message->header, 0, sizeof(message->header));
    message->header.msg_iov = message->segments;
    message->header.msg_iovlen = count;
    /* MSG_WAITALL: the kernel goes on by itself whenever there is room. */
    if (send && count == 1)
        io_uring_prep_send(entry, socket->fd, first->iov_base, first->iov_len, MSG_NOSIGNAL | MSG_WAITALL);
    else if (send)
        io_uring_prep_sendmsg(entry, socket->fd, &message->header, MSG_NOSIGNAL | MSG_WAITALL);
    else if (count == 1)
        io_uring_prep_recv(entry, socket->fd, first->iov_base, first->iov_len, 0);
    else
        io_uring_prep_recvmsg(entry, socket->fd, &message->header, 0);
    return STATUS_PENDING;
}

static void prepare_provided(struct io_uring_sqe *entry, struct transport_socket *socket,
                             struct transport_op *op, struct slot *slot)
{
    size_t limit = socket->transport->config.one_byte ? 1 : op->length, size = buffer_size(slot->large);
    slot->asked = (uint32_t)(limit < size ? limit : size);
    io_uring_prep_recv(entry, socket->fd, NULL, slot->asked, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = (unsigned short)(RING_GROUP + slot->large);
}

/* Has the kernel carry the op out; loop's thread, socket->lock held.  STATUS_PENDING, or why not. */
static int32_t submit(struct transport_socket *socket, struct transport_op *op, struct slot *slot)
{
    struct uring_socket *own = uring_of(socket);
    struct ring *ring = socket->loop->engine;
    bool large = socket->bulk && op->length > PROVIDED_SMALL;
    bool buffers = (op->flags & TRANSPORT_PROVIDE) && ring_buffers_ready(socket->loop, large);
    struct io_uring_sqe *entry = ring_entry(ring);
    int32_t status = STATUS_PENDING;
    *slot = (struct slot){.large = large};
    if (op->kind == TRANSPORT_ACCEPT) {
        own->peer_length = sizeof(own->peer);
        io_uring_prep_accept(entry, socket->fd, (struct sockaddr *)&own->peer, &own->peer_length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    } else if (op->kind == TRANSPORT_SEND || !(op->flags & TRANSPORT_PROVIDE))
        status = prepare_transfer(ring, entry, socket, op, &slot->asked);
    else if (buffers)
        prepare_provided(entry, socket, op, slot);
    else /* taken when data is there: an idle socket keeps no buffer */
        io_uring_prep_poll_add(entry, socket->fd, EPOLLIN | EPOLLRDHUP);
    if (status != STATUS_PENDING) { /* an entry cannot be given back */
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data64(entry, RESULT_IGNORED);
        return status;
    }
    if (slot->asked && (ring->features & URING_POLL_FIRST))
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(entry, (uintptr_t)own | (unsigned)op->kind);
    if (op->kind == TRANSPORT_RECEIVE)
        socket->always &= ~EPOLLIN; /* the next event takes it off the epoll set */
    socket->in_ring |= 1u << op->kind;
    socket->known = socket->carried = true;
    ring->inside++;
    return STATUS_PENDING;
}

/* Another thread's receive that has just been tried: the epoll set tells of what comes from now on.  EPOLLIN stays
 * there for the next one. */
static bool park(struct transport_socket *socket, struct transport_op *op)
{
    if (loop_is_mine(socket->loop) || !socket_would_block(op) || loop_register(socket, op))
        return false;
    socket->always |= EPOLLIN;
    return true;
}

int32_t transfer_hold(struct transport_socket *socket, struct transport_op *op)
{
    struct slot *slot = slot_of(socket, op->kind);
    if (!slot)
        return loop_register(socket, op);
    if (op->kind == TRANSPORT_RECEIVE) {
        uring_of(socket)->parked = park(socket, op);
        if (uring_of(socket)->parked)
            return STATUS_SUCCESS;
    }
    if (loop_is_mine(socket->loop) && socket_would_block(op)) {
        int32_t status = submit(socket, op, slot);
        return status == STATUS_PENDING ? STATUS_SUCCESS : status;
    }
    loop_queue(socket, EVENT_RING);
    return STATUS_SUCCESS;
}

/* ---- ending it early ---------------------------------------------------------------------------------- */

void transfer_recall(struct transport_socket *socket, int kind)
{
    uring_of(socket)->slots[kind].recalled = true;
    loop_queue(socket, EVENT_RING);
}

static void send_cancel(struct transport_socket *socket, int kind, struct slot *slot)
{
    if (slot->cancel_sent)
        return;
    slot->cancel_sent = true;
    struct io_uring_sqe *entry = ring_entry(socket->loop->engine);
    io_uring_prep_cancel64(entry, (uintptr_t)uring_of(socket) | (unsigned)kind, 0);
    io_uring_sqe_set_data64(entry, RESULT_IGNORED);
}

/* ---- out of the ring ---------------------------------------------------------------------------------- */

/* Why the connection is over, if this result tells; else 0. */
static int32_t reason_of(struct transport_socket *socket, int kind, const struct slot *slot)
{
    if (slot->result < 0)
        return transport_errno_is_fatal(-slot->result) ? transport_errno_status(-slot->result) : 0;
    /* A send that has handed over bytes keeps the error to itself that cut it short (MSG_WAITALL: nothing else does,
     * but a cancel).  Our FIN comes after it, so nothing but the connection's end shuts both directions. */
    bool cut_short = kind == TRANSPORT_SEND && slot->result > 0 && (uint32_t)slot->result < slot->asked;
    return cut_short && !socket->fatal && (socket_poll(socket) & EPOLLHUP) ? STATUS_CONNECTION_RESET : 0;
}

uint32_t transfer_results(struct transport_socket *socket, uint32_t events)
{
    /* A send that comes second only knows that there is no connection; a receive that does tells no reason. */
    static const int kinds[] = {TRANSPORT_RECEIVE, TRANSPORT_SEND};
    for (int i = 0; i < 2; i++) {
        struct slot *slot = slot_of(socket, kinds[i]);
        if (!in_ring(socket, kinds[i]) || !slot->done)
            continue;
        int32_t reason = says_nothing(slot->result) ? 0 : reason_of(socket, kinds[i], slot);
        if (reason)
            socket_latch(socket, reason);
        if (reason || slot->result <= 0 || socket->reason_awaited)
            events |= EVENT_TRY; /* what the others have seen of the connection may now be understood */
    }
    return events;
}

static int32_t try_now(struct transport_socket *socket, struct transport_op *op, try_function try_)
{
    bool again = socket->again;
    socket->again = false;
    int32_t status = try_(socket, op);
    socket_set_would_block(op, status == STATUS_PENDING && !socket->again);
    socket->again = socket->again || again;
    return status;
}

static int32_t ended_early(struct transport_socket *socket)
{
    return socket->fatal ? socket->fatal : STATUS_CANCELLED;
}

static int32_t finish_receive(struct transport_socket *socket, struct transport_op *op,
                              const struct slot *slot)
{
    int32_t result = slot->result;
    void *buffer = slot->buffer;
    if (slot->asked == 0 && result > 0) /* a poll */
        result = -EAGAIN;
    if (result > 0) {
        op->bytes += (size_t)result;
        op->provided = buffer;
        if (buffer)
            buffer_received(socket, slot->large, slot->asked, (size_t)result);
        if (!(slot->flags & IORING_CQE_F_SOCK_NONEMPTY))
            socket_set_drained(op);
        else if (!buffer && (size_t)result == slot->asked && op->bytes < op->length &&
                 !socket->transport->config.one_byte && !slot->recalled)
            return try_now(socket, op, stream_try_receive); /* a long chain: the rest of it */
        return STATUS_SUCCESS;
    }
    if (buffer)
        buffer_unget(buffer);
    if (!says_nothing(result))
        return stream_received_nothing(socket, result);
    return slot->recalled ? ended_early(socket) : try_now(socket, op, stream_try_receive);
}

static int32_t finish_send(struct transport_socket *socket, struct transport_op *op, const struct slot *slot)
{
    if (slot->result > 0)
        op->bytes += (size_t)slot->result;
    if (op->bytes == op->length) {
        /* As stream_try_send() leaves it. */
        if (socket->ops[TRANSPORT_WATCH_SENT])
            watch_sent_events(socket, true);
        return STATUS_SUCCESS;
    }
    if (slot->result < 0 && !says_nothing(slot->result))
        return stream_failed(socket, -slot->result);
    return slot->recalled ? ended_early(socket) : try_now(socket, op, stream_try_send);
}

static int32_t finish_accept(struct transport_socket *socket, struct transport_op *op,
                             const struct slot *slot)
{
    struct uring_socket *own = uring_of(socket);
    if (slot->result >= 0) { /* also after a cancel that was too late */
        if (!(slot->flags & IORING_CQE_F_SOCK_NONEMPTY))
            socket_set_drained(op); /* and if that kernel does not say so: the ring looks before it waits */
        struct sockaddr_storage peer;
        memcpy(&peer, &own->peer, sizeof(own->peer));
        return stream_accepted(socket, op, slot->result, &peer, own->peer_length);
    }
    if (slot->recalled || socket->fatal)
        return ended_early(socket);
    if (says_nothing(slot->result) || stream_accept_again(-slot->result))
        return try_now(socket, op, stream_try_accept);
    return transport_errno_status(-slot->result);
}

/* The end of the stream, or of a connection whose error the send in the ring has taken: that one will say. */
static bool cannot_tell_yet(struct transport_socket *socket, const struct slot *slot)
{
    return slot->result == 0 && socket->fatal == 0 && in_ring(socket, TRANSPORT_SEND) &&
           (socket_poll(socket) & EPOLLHUP) && socket->fatal == 0;
}

int32_t transfer_proceed(struct transport_socket *socket, struct transport_op *op, try_function try_,
                         bool worth)
{
    struct slot *slot = slot_of(socket, op->kind);
    int32_t status = STATUS_PENDING;
    if (!slot)
        return worth ? try_(socket, op) : STATUS_PENDING;
    if (op->kind == TRANSPORT_RECEIVE && uring_of(socket)->parked)
        return worth ? try_now(socket, op, try_) : STATUS_PENDING;
    if (!in_ring(socket, op->kind)) {
        if (!socket_would_block(op) || socket->fatal)
            status = try_now(socket, op, try_);
    } else if (!slot->done) {
        if (slot->recalled || socket->fatal)
            send_cancel(socket, op->kind, slot);
        return STATUS_PENDING;
    } else if (op->kind == TRANSPORT_RECEIVE && cannot_tell_yet(socket, slot)) {
        if (slot_of(socket, TRANSPORT_SEND)->done) /* after this step it has said */
            socket->again = true;
        return STATUS_PENDING;
    } else {
        socket->in_ring &= ~(1u << op->kind);
        if (op->kind == TRANSPORT_RECEIVE)
            status = finish_receive(socket, op, slot);
        else if (op->kind == TRANSPORT_SEND)
            status = finish_send(socket, op, slot);
        else
            status = finish_accept(socket, op, slot);
    }
    if (status == STATUS_PENDING && socket_would_block(op))
        status = submit(socket, op, slot);
    return status;
}
