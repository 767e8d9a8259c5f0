/*
 * stream.c - TCP: listen, accept, connect, send, receive.  Everything runs under socket->lock.
 */
#include "transport/common/internal.h"
#include "transport/common/system.h"
#include "transport/errno_status.h"
#include "host/host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <ntstatus.h>

_Static_assert(sizeof(struct transport_segment) == sizeof(struct iovec) &&
                   offsetof(struct transport_segment, length) == offsetof(struct iovec, iov_len),
               "segments go to the kernel as they are");

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* ---- listen, accept ----------------------------------------------------------------------------------- */

int32_t common_listen(struct transport_socket *socket, int backlog)
{
    int32_t status = STATUS_SUCCESS;
    lock_take(&socket->lock);
    if (socket->fatal)
        status = socket->fatal;
    else if (socket->type != TRANSPORT_STREAM ||
             (socket->phase != PHASE_NEW && socket->phase != PHASE_LISTENING))
        status = STATUS_INVALID_DEVICE_STATE;
    else if (listen(socket->fd, backlog > 0 ? backlog : SOMAXCONN) < 0)
        status = transport_errno_status(errno);
    else {
        socket->phase = PHASE_LISTENING;
        address_refresh_local(socket); /* a failed connect may have cost it its port (not_connected) */
    }
    lock_release(&socket->lock);
    return status;
}

/* Errors of a connection that died in the queue, or that accept(2) says to treat like EAGAIN and try again.
 */
bool stream_accept_again(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static void reset_and_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

int32_t stream_accepted(struct transport_socket *socket, struct transport_op *op, int fd,
                        const struct sockaddr_storage *peer, socklen_t length)
{
    struct transport_connection_op *accept = transport_connection_op_of(op);
    struct transport *transport = socket->transport;
    struct sockaddr_storage local;
    address_from_linux(peer, length, &accept->address);
    length = sizeof(local);
    if (getsockname(fd, (struct sockaddr *)&local, &length) == 0)
        address_from_linux(&local, length, &accept->local);
    else
        accept->local.length = 0;

    unsigned loop = atomic_fetch_add_explicit(&transport->next_loop, 1, memory_order_relaxed);
    struct transport_socket *accepted =
        socket_create(transport, loop % transport->loop_count, fd, socket->family);
    if (!accepted) {
        reset_and_close(fd);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    accepted->phase = PHASE_CONNECTED;
    leaving_connected(accepted);
    accepted->local = accept->local;
    accepted->remote = accept->address;
    accepted->v6only = socket->v6only;
    accepted->nodelay_option = accepted->nodelay_set =
        socket->nodelay_set; /* the kernel's copy inherits these */
    accepted->receive_buffer = socket->receive_buffer;
    accepted->send_buffer = socket->send_buffer;
    accept->accepted = accepted;
    return STATUS_SUCCESS;
}

int32_t stream_try_accept(struct transport_socket *socket, struct transport_op *op)
{
    struct sockaddr_storage peer;
    socklen_t length;
    int fd;

    if (socket->fatal)
        return socket->fatal;
    if (socket->phase != PHASE_LISTENING)
        return STATUS_INVALID_DEVICE_STATE;
    do {
        length = sizeof(peer);
        fd = (int)system_accept(socket->fd, (struct sockaddr *)&peer, &length);
    } while (fd < 0 && stream_accept_again(-fd));
    if (fd < 0) { /* out of descriptors: the connection stays in the queue for the next accept */
        socket->waiting = 0;
        socket->looked = false;
        return would_block(-fd) ? STATUS_PENDING : transport_errno_status(-fd);
    }
    if (socket->waiting)
        socket->waiting--;
    return stream_accepted(socket, op, fd, &peer, length);
}

/* Is there a connection, or an error?  Of a listener TCP_INFO tells how many wait, so one look does for all of them.
 * Others may take them meanwhile (a forked child): then accept4() looks in vain.  What comes after a look is an
 * event: until that comes there is none (socket->looked), and who is told of the last one need not look for the next. */
static bool connection_waits(struct transport_socket *socket)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    if (socket->waiting)
        return true;
    if (socket->looked && loop_is_mine(socket->loop) && socket->loop->telling == socket)
        return false;
    if (getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_LISTEN) {
        socket->waiting = info.tcpi_unacked;
        socket->tells_queue |= socket->waiting != 0;
        if (socket->tells_queue) {
            socket->looked = socket->always & socket->interest & EPOLLIN;
            return socket->waiting != 0;
        }
    }
    /* poll() does not tell how many: each is looked for. */
    return socket_poll(socket) & (EPOLLIN | EPOLLERR | EPOLLHUP);
}

/* accept4() makes the new socket before it looks for a connection: a look in vain costs ten times what another one
 * costs.  An event may be in vain, for a look counts connections that have not told of themselves yet. */
int32_t stream_look_and_accept(struct transport_socket *socket, struct transport_op *op)
{
    if (!socket->fatal && socket->phase == PHASE_LISTENING && !connection_waits(socket))
        return STATUS_PENDING;
    return stream_try_accept(socket, op);
}

int32_t common_accept(struct transport_socket *socket, struct transport_connection_op *op)
{
    assert(op->op.kind == TRANSPORT_ACCEPT);
    op->accepted = NULL;
    return socket_start(socket, &op->op, stream_look_and_accept);
}

/* ---- connect ------------------------------------------------------------------------------------------ */

static int32_t connected(struct transport_socket *socket)
{
    socket->phase = PHASE_CONNECTED;
    leaving_connected(socket);
    address_refresh_local(socket);
    return STATUS_SUCCESS;
}

/* This attempt is over and the socket may try another address: the kernel must forget it, too, or it answers
 * the next connect() with the end of this one.  With the attempt a port goes that the kernel had picked: it is
 * taken back.  Where another process was quicker, the next attempt has another one. */
static int32_t not_connected(struct transport_socket *socket, int32_t status)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage claim;
    socklen_t length = sizeof(int);
    int error;
    connect(socket->fd, &nobody, sizeof(nobody));
    getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length); /* a SYN that was taken back leaves one */
    if (socket->bound && address_to_linux(&socket->port_claim, &claim, &length) == STATUS_SUCCESS)
        bind(socket->fd, (struct sockaddr *)&claim, length); /* EINVAL: it has kept its port */
    socket->phase = PHASE_NEW;
    address_refresh_local(socket);
    return status;
}

void stream_forget_connect(struct transport_socket *socket)
{
    if (socket->fatal == 0 && (socket->phase == PHASE_CONNECTING || socket->phase == PHASE_CONNECTED))
        not_connected(socket, STATUS_CANCELLED);
}

static int32_t try_connect(struct transport_socket *socket, struct transport_op *op)
{
    const struct transport_address *remote = &transport_connection_op_of(op)->address;
    struct sockaddr_storage peer;
    socklen_t length;

    if (socket->fatal)
        return socket->fatal;
    if (socket->phase != PHASE_NEW || socket->type != TRANSPORT_STREAM)
        return socket->phase == PHASE_CONNECTED ? STATUS_CONNECTION_ACTIVE : STATUS_INVALID_DEVICE_STATE;
    int32_t status = address_to_linux(remote, &peer, &length);
    if (status)
        return status;
    if (remote->family != socket->family || !address_can_be_reached(remote))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    socket->remote = *remote;
    if (connect(socket->fd, (struct sockaddr *)&peer, length) == 0)
        return connected(socket);
    if (errno != EINPROGRESS && errno != EINTR) /* interrupted, it goes on by itself */
        return not_connected(socket, transport_errno_status(errno));
    socket->phase = PHASE_CONNECTING;
    return STATUS_PENDING;
}

int32_t stream_continue_connect(struct transport_socket *socket, struct transport_op *op)
{
    (void)op;
    int error = 0;
    socklen_t length = sizeof(error);
    if (socket->fatal)
        return socket->fatal;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        error = errno;
    if (error)
        return not_connected(socket, transport_errno_status(error));
    switch (socket_tcp_state(socket)) {
    case TCP_SYN_SENT:
    case TCP_SYN_RECV:
        return STATUS_PENDING; /* an event from before this attempt */
    case TCP_CLOSE:            /* died between the two looks */
        length = sizeof(error);
        getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        return not_connected(socket, error ? transport_errno_status(error) : STATUS_CONNECTION_ABORTED);
    default:
        return connected(socket);
    }
}

int32_t common_connect(struct transport_socket *socket, struct transport_connection_op *op)
{
    assert(op->op.kind == TRANSPORT_CONNECT);
    return socket_start(socket, &op->op, try_connect);
}

/* ---- send and receive --------------------------------------------------------------------------------- */

int32_t stream_failed(struct transport_socket *socket, int error)
{
    int32_t status = transport_errno_status(error);
    return transport_errno_is_fatal(error) ? socket_latch(socket, status) : status;
}

/* Nagle's algorithm as this send wants it.  Switched only when it differs, so that a run of NODELAY sends
 * costs one call; the switch also pushes out what waits.  It stays off until a send wants it back: switching
 * back at once would hold the tail again when it is the window that keeps it. */
static void set_nodelay(struct transport_socket *socket, bool on)
{
    int value = on;
    if (socket->nodelay_set != on &&
        setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)) == 0)
        socket->nodelay_set = on;
}

/* Why a send failed.  EPIPE says only that there is no connection: a receive that the kernel carries out may have
 * taken the reason, and will tell. */
static int32_t send_failed(struct transport_socket *socket, int error)
{
    if (would_block(error) || (error == EPIPE && socket_reason_is_coming(socket, socket_poll(socket))))
        return STATUS_PENDING;
    return stream_failed(socket, error);
}

static ssize_t send_several(struct transport_socket *socket, struct iovec *segments, size_t count)
{
    struct msghdr message = {.msg_iov = segments, .msg_iovlen = count};
    ssize_t sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

static ssize_t receive_several(struct transport_socket *socket, struct iovec *segments, size_t count)
{
    struct msghdr message = {.msg_iov = segments, .msg_iovlen = count};
    ssize_t received = recvmsg(socket->fd, &message, MSG_DONTWAIT);
    return received < 0 ? -errno : received;
}

static int32_t send_all(struct transport_socket *socket, struct transport_op *op, bool nodelay,
                        unsigned *calls)
{
    bool one_byte = socket->transport->config.one_byte;
    size_t slice = one_byte ? ONE_BYTE_SLICE : SEND_SLICE;
    while (op->bytes < op->length) {
        if (slice == 0) {
            socket->again = true; /* others' turn */
            return STATUS_PENDING;
        }
        size_t limit = op->length - op->bytes;
        if (limit > slice)
            limit = slice;
        if (one_byte)
            limit = 1;
        struct transport_segment segments[SEGMENTS];
        size_t total;
        size_t count = transport_segments(op, segments, SEGMENTS, limit, &total);
        if (count == 0)
            return STATUS_INVALID_PARAMETER; /* less memory than op->length says */
        /* Nagle's algorithm (Minshall's, in Linux) holds a short segment back while an earlier short one is under
         * way: the first call of a connection has nothing to wait for, and many connections make only one. */
        if (socket->sent || !nodelay)
            set_nodelay(socket, nodelay);
        ssize_t sent = count == 1
                           ? system_send(socket->fd, segments[0].base, total, MSG_NOSIGNAL | MSG_DONTWAIT)
                           : send_several(socket, (struct iovec *)segments, count);
        if (sent < 0) {
            if (sent == -EINTR)
                continue;
            return send_failed(socket, (int)-sent);
        }
        op->bytes += (size_t)sent;
        slice -= (size_t)sent;
        socket->sent = true;
        ++*calls;
    }
    return STATUS_SUCCESS;
}

int32_t stream_try_send(struct transport_socket *socket, struct transport_op *op)
{
    if (socket->fatal)
        return socket->fatal;
    if (socket->phase != PHASE_CONNECTED)
        return STATUS_CONNECTION_INVALID;
    /* With WATCH_SENT's low-water mark the kernel would take one buffer at a time: lifted while bytes are
     * handed over, and set again only when this send does not wait for room. */
    watch_sent_events(socket, false);
    bool nodelay = socket->nodelay_option || (op->flags & TRANSPORT_NODELAY);
    bool first = !socket->sent;
    unsigned calls = 0;
    int32_t status = send_all(socket, op, nodelay, &calls);
    bool told = status == STATUS_SUCCESS && (op->flags & TRANSPORT_TELL_UNSENT) &&
                !(socket->held & 1u << TRANSPORT_SEND);
    if (told && first && calls == 1) {
        op->unsent = leaving_unsent(socket, op->bytes, true);
    } else {
        leaving_unknown(socket);
        if (told)
            op->unsent = leaving_ask(socket, op->bytes);
        else if (socket->on_trust && op->bytes)
            leaving_ask(socket, op->bytes); /* has all that went before it left? */
    }
    if (status == STATUS_PENDING) /* the rest goes in calls of the kernel's own */
        set_nodelay(socket, nodelay);
    if (status != STATUS_PENDING && socket->ops[TRANSPORT_WATCH_SENT])
        watch_sent_events(socket, true);
    return status;
}

int32_t stream_send_plainly(struct transport_socket *socket, struct transport_op *op)
{
    struct transport_segment segment;
    bool first = !socket->sent;

    if (op->segments(op, 0, &segment, 1) != 1 || segment.length < op->length)
        return stream_try_send(socket, op);
    ssize_t sent = system_send(socket->fd, segment.base, op->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && sent != -EINTR) {
        leaving_unknown(socket);
        return send_failed(socket, (int)-sent);
    }
    if (sent > 0) {
        op->bytes = (size_t)sent;
        socket->sent = true;
    }
    if (op->bytes < op->length)
        return stream_try_send(socket, op); /* a signal, or no room for more */
    if (op->flags & TRANSPORT_TELL_UNSENT)
        op->unsent = leaving_unsent(socket, op->length, first);
    else
        leaving_unknown(socket);
    return STATUS_SUCCESS;
}

int32_t common_send(struct transport_socket *socket, struct transport_op *op)
{
    assert(op->kind == TRANSPORT_SEND);
    return socket_start_send(socket, op);
}

/* Unless it was the FIN that ended it, whose event may have been seen already, or an urgent byte, which ends every
 * read before it. */
static void took_all(struct transport_socket *socket, struct transport_op *op)
{
    if (!socket->peer_fin && !socket->urgent && !socket->fatal) {
        socket_took_all(socket, op);
        socket->dry = op->state.drained && !(socket->transport->engine->carried & 1u << TRANSPORT_RECEIVE);
    }
}

/* One recv or recvmsg of `total` bytes: bytes, or -errno. */
static ssize_t receive_once(struct transport_socket *socket, struct transport_op *op, struct iovec *segments,
                            size_t count, size_t total)
{
    ssize_t received;
    do
        received = count == 1 ? system_receive(socket->fd, segments->iov_base, total, MSG_DONTWAIT)
                              : receive_several(socket, segments, count);
    while (received == -EINTR);
    if (received > 0 && (size_t)received < total)
        took_all(socket, op);
    return received;
}

/* Nothing there, the peer's FIN, or the end of the connection. */
int32_t stream_received_nothing(struct transport_socket *socket, ssize_t received)
{
    if (received < 0) {
        if (would_block((int)-received))
            return socket->fatal ? socket->fatal : STATUS_PENDING;
        int32_t status = stream_failed(socket, (int)-received);
        return socket->fatal ? socket->fatal : status;
    }
    /* Its error was read before: the kernel now answers as if it were a FIN. */
    if (!socket->fatal && (socket->in_ring & 1u << TRANSPORT_SEND) &&
        socket_reason_is_coming(socket, socket_poll(socket)))
        return STATUS_PENDING;
    if (socket->fatal)
        return socket->fatal;
    socket->peer_fin = true;
    return STATUS_SUCCESS;
}

static int32_t receive_provided(struct transport_socket *socket, struct transport_op *op, size_t limit)
{
    bool large = socket->bulk && limit > PROVIDED_SMALL;
    struct iovec segment = {.iov_base = buffer_get(socket->loop, large), .iov_len = limit};
    if (!segment.iov_base)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (segment.iov_len > buffer_size(large))
        segment.iov_len = buffer_size(large);
    ssize_t received = receive_once(socket, op, &segment, 1, segment.iov_len);
    if (received <= 0) { /* an idle socket keeps no buffer */
        buffer_unget(segment.iov_base);
        return stream_received_nothing(socket, received);
    }
    buffer_received(socket, large, segment.iov_len, (size_t)received);
    op->provided = segment.iov_base;
    op->bytes = (size_t)received;
    return STATUS_SUCCESS;
}

int32_t stream_try_receive(struct transport_socket *socket, struct transport_op *op)
{
    size_t length = socket->transport->config.one_byte ? 1 : op->length;
    if (socket->phase != PHASE_CONNECTED)
        return socket->fatal ? socket->fatal : STATUS_CONNECTION_INVALID;
    if (op->flags & TRANSPORT_PROVIDE)
        return receive_provided(socket, op, length);

    /* After a reset the kernel still gives what came before it: a status that is latched waits until then. */
    while (op->bytes < length) {
        struct transport_segment segments[SEGMENTS];
        size_t total;
        size_t count = transport_segments(op, segments, SEGMENTS, length - op->bytes, &total);
        if (count == 0)
            return op->bytes ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
        ssize_t received = receive_once(socket, op, (struct iovec *)segments, count, total);
        if (received <= 0) {
            if (op->bytes == 0)
                return stream_received_nothing(socket, received);
            stream_received_nothing(socket,
                                    received); /* latched for the next receive; these bytes are not lost */
            return STATUS_SUCCESS;
        }
        op->bytes += (size_t)received;
        if ((size_t)received < total)
            break;
    }
    return STATUS_SUCCESS;
}

int32_t common_receive(struct transport_socket *socket, struct transport_op *op)
{
    assert(op->kind == TRANSPORT_RECEIVE);
    if (op->length == 0) /* that is what WATCH_READABLE is for */
        return op->status = STATUS_INVALID_PARAMETER;
    return socket_start_receive(socket, op);
}
