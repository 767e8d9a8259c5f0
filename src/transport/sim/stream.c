/*
 * stream.c - TCP of the runtime's stack: listen, accept, connect, send, receive, watches.
 */
#include "transport/sim/stack.h"

#include <string.h>
#include <ntstatus.h>

/* ---- listen, accept ---------------------------------------------------------------------------------------- */

int32_t stack_listen(struct transport_socket *socket, int backlog)
{
    net_enter(socket);
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (socket->udp || (socket->phase != PHASE_NEW && socket->phase != PHASE_LISTENING))
        return STATUS_INVALID_DEVICE_STATE;
    if (backlog <= 0)
        backlog = 4096;
    if (socket->phase == PHASE_LISTENING) {
        socket->listener.backlog = backlog;
        return STATUS_SUCCESS;
    }
    if (!socket->claim.held) { /* not bound: any port of the wildcard address */
        struct transport_address any = {.length = socket->family == TRANSPORT_AF_INET ? 16 : 28,
                                        .family = (uint16_t)socket->family};
        struct net_where where;
        net_where_of(&any, &where);
        bool dual = socket->family == TRANSPORT_AF_INET6 && !socket->options[TRANSPORT_OPTION_V6ONLY];
        socket->claim.runtime = true;
        if (!net_claim_take(&socket->claim, 0, &where, dual, false))
            return STATUS_ADDRESS_ALREADY_EXISTS;
        socket->local = where;
        socket->has_local = true;
    }
    net_listener_open(&socket->listener, &socket->claim, backlog, socket, stack_event);
    socket->listener.send_buffer = stack_buffer_size(socket, TRANSPORT_OPTION_SEND_BUFFER);
    socket->listener.receive_buffer = stack_buffer_size(socket, TRANSPORT_OPTION_RECEIVE_BUFFER);
    socket->phase = PHASE_LISTENING;
    return STATUS_SUCCESS;
}

static struct transport_socket *wrap(struct transport_socket *socket, struct net_end *end)
{
    struct transport *transport = socket->transport;
    struct transport_socket *accepted =
        stack_socket_new(transport, transport->next_loop++ % transport->loop_count, socket->family);
    if (!accepted)
        return NULL;
    accepted->phase = PHASE_CONNECTED;
    accepted->end = end;
    accepted->local = end->local;
    accepted->remote = end->remote;
    accepted->has_local = true;
    memcpy(accepted->options, socket->options, sizeof(accepted->options));
    end->owner = accepted;
    end->event = stack_event;
    stack_options_apply(accepted);
    return accepted;
}

int32_t stack_try_accept(struct transport_socket *socket, struct transport_op *op)
{
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (socket->phase != PHASE_LISTENING)
        return STATUS_INVALID_DEVICE_STATE;
    struct net_end *end = net_listener_accept(&socket->listener);
    if (!end)
        return STATUS_PENDING;
    struct transport_connection_op *accept = transport_connection_op_of(op);
    accept->accepted = wrap(socket, end);
    if (!accept->accepted) {
        net_end_abort(end);
        net_end_close(end);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    net_where_out(&end->remote, socket->family, &accept->address);
    net_where_out(&end->local, socket->family, &accept->local);
    return STATUS_SUCCESS;
}

int32_t stack_accept(struct transport_socket *socket, struct transport_connection_op *op)
{
    assert(op->op.kind == TRANSPORT_ACCEPT);
    op->accepted = NULL;
    return stack_start(socket, &op->op, stack_try_accept);
}

/* ---- connect ----------------------------------------------------------------------------------------------- */

static int32_t try_connect(struct transport_socket *socket, struct transport_op *op)
{
    const struct transport_address *remote = &transport_connection_op_of(op)->address;
    struct net_where to;
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (socket->phase != PHASE_NEW || socket->udp)
        return socket->phase == PHASE_CONNECTED ? STATUS_CONNECTION_ACTIVE : STATUS_INVALID_DEVICE_STATE;
    if (remote->family != socket->family || !net_where_of(remote, &to) || net_where_is_any(&to) ||
        to.port == 0)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (socket->family == TRANSPORT_AF_INET6 && net_where_is_v4(&to) &&
        socket->options[TRANSPORT_OPTION_V6ONLY])
        return STATUS_NETWORK_UNREACHABLE;
    struct net_where local = {0};
    if (socket->claim.held)
        local = socket->claim.where;
    int32_t status = net_end_connect(0, &local, &to, stack_buffer_size(socket, TRANSPORT_OPTION_SEND_BUFFER),
                                     stack_buffer_size(socket, TRANSPORT_OPTION_RECEIVE_BUFFER), socket,
                                     stack_event, &socket->end);
    if (status != STATUS_PENDING)
        return status;
    socket->phase = PHASE_CONNECTING;
    socket->local = local;
    socket->has_local = true;
    socket->remote = to;
    return STATUS_PENDING;
}

/* This attempt is over and the socket may try another address. */
static void not_connected(struct transport_socket *socket)
{
    struct net_end *end = socket->end;
    socket->end = NULL;
    socket->phase = PHASE_NEW;
    socket->has_local = socket->claim.held;
    socket->local = socket->claim.where;
    net_end_abort(end);
    net_end_close(end);
}

void stack_forget_connect(struct transport_socket *socket)
{
    if (socket->end && !stack_fatal(socket))
        not_connected(socket);
}

int32_t stack_continue_connect(struct transport_socket *socket, struct transport_op *op)
{
    struct net_end *end = socket->end;
    (void)op;
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (!end) /* refused inline: NO_INLINE delivers it */
        return STATUS_CONNECTION_INVALID;
    if (end->established) {
        socket->phase = PHASE_CONNECTED;
        stack_options_apply(socket);
        return STATUS_SUCCESS;
    }
    if (!end->gone)
        return STATUS_PENDING;
    int32_t status = end->reason;
    not_connected(socket);
    return status;
}

int32_t stack_connect(struct transport_socket *socket, struct transport_connection_op *op)
{
    assert(op->op.kind == TRANSPORT_CONNECT);
    return stack_start(socket, &op->op, try_connect);
}

/* ---- send and receive -------------------------------------------------------------------------------------- */

/* Writes what fits of one batch: STATUS_SUCCESS when all of it did. */
static int32_t write_batch(struct transport_socket *socket, struct transport_op *op, size_t limit)
{
    struct transport_segment segments[STACK_SEGMENTS];
    size_t total;
    int32_t status = STATUS_SUCCESS;
    size_t count = transport_segments(op, segments, STACK_SEGMENTS, limit, &total);
    if (count == 0)
        return STATUS_INVALID_PARAMETER; /* less memory than op->length says */
    for (size_t i = 0; i < count && status == STATUS_SUCCESS; i++) {
        long taken = net_end_write(socket->end, segments[i].base, segments[i].length);
        if (taken < 0)
            status = STATUS_INSUFFICIENT_RESOURCES;
        else {
            op->bytes += (size_t)taken;
            if ((size_t)taken < segments[i].length)
                status = STATUS_PENDING;
        }
    }
    net_push(socket->end);
    return status;
}

int32_t stack_try_send(struct transport_socket *socket, struct transport_op *op)
{
    bool one_byte = socket->transport->config.one_byte;
    size_t slice = one_byte ? STACK_ONE_BYTE_SLICE : STACK_SEND_SLICE;
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (socket->phase != PHASE_CONNECTED)
        return STATUS_CONNECTION_INVALID;
    if (socket->end->gone) /* both directions are finished */
        return STATUS_CONNECTION_RESET;
    bool nodelay = socket->options[TRANSPORT_OPTION_NODELAY] || (op->flags & TRANSPORT_NODELAY);
    if (nodelay != socket->end->nodelay) {
        socket->end->nodelay = nodelay;
        net_push(socket->end);
    }
    while (op->bytes < op->length) {
        size_t before = op->bytes, limit = op->length - op->bytes;
        if (slice == 0) {
            socket->again = true; /* others' turn */
            return STATUS_PENDING;
        }
        if (limit > slice)
            limit = slice;
        int32_t status = write_batch(socket, op, one_byte ? 1 : limit);
        slice -= op->bytes - before;
        if (status != STATUS_SUCCESS)
            return status;
    }
    return STATUS_SUCCESS;
}

int32_t stack_send(struct transport_socket *socket, struct transport_op *op)
{
    assert(op->kind == TRANSPORT_SEND);
    return stack_start(socket, op, stack_try_send);
}

/* Nothing is there: not yet, the peer's FIN, or the end of the connection. */
static int32_t received_nothing(struct transport_socket *socket)
{
    if (stack_fatal(socket))
        return stack_fatal(socket);
    return net_end_has_fin(socket->end) ? STATUS_SUCCESS : STATUS_PENDING;
}

static int32_t receive_provided(struct transport_socket *socket, struct transport_op *op, size_t limit)
{
    if (net_end_readable(socket->end) == 0) /* an idle socket keeps no buffer */
        return received_nothing(socket);
    op->provided = stack_buffer_get(socket->transport);
    if (!op->provided)
        return STATUS_INSUFFICIENT_RESOURCES;
    op->bytes =
        net_end_read(socket->end, op->provided, limit < STACK_PROVIDED_SIZE ? limit : STACK_PROVIDED_SIZE);
    net_end_was_read(socket->end);
    return STATUS_SUCCESS;
}

int32_t stack_try_receive(struct transport_socket *socket, struct transport_op *op)
{
    size_t length = socket->transport->config.one_byte ? 1 : op->length;
    if (socket->phase != PHASE_CONNECTED)
        return stack_fatal(socket) ? stack_fatal(socket) : STATUS_CONNECTION_INVALID;
    if (op->flags & TRANSPORT_PROVIDE)
        return receive_provided(socket, op, length);
    while (op->bytes < length) {
        struct transport_segment segments[STACK_SEGMENTS];
        size_t total, there = net_end_readable(socket->end);
        if (there == 0) {
            if (op->bytes == 0)
                return received_nothing(socket);
            break;
        }
        size_t count = transport_segments(op, segments, STACK_SEGMENTS, length - op->bytes, &total);
        if (count == 0) {
            if (op->bytes == 0)
                return STATUS_INVALID_PARAMETER;
            break;
        }
        for (size_t i = 0; i < count; i++)
            op->bytes += net_end_read(socket->end, segments[i].base, segments[i].length);
        if (there < total)
            break;
    }
    net_end_was_read(socket->end);
    return STATUS_SUCCESS;
}

int32_t stack_receive(struct transport_socket *socket, struct transport_op *op)
{
    assert(op->kind == TRANSPORT_RECEIVE);
    if (op->length == 0) /* that is what WATCH_READABLE is for */
        return op->status = STATUS_INVALID_PARAMETER;
    return stack_start(socket, op, stack_try_receive);
}

/* ---- watches ----------------------------------------------------------------------------------------------- */

static int32_t try_fin_acked(struct transport_socket *socket)
{
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (!socket->fin_sent)
        return socket->fin_wanted ? STATUS_PENDING : STATUS_INVALID_DEVICE_STATE;
    return socket->end->out.fin_acked ? STATUS_SUCCESS : STATUS_PENDING;
}

int32_t stack_try_watch(struct transport_socket *socket, struct transport_op *op)
{
    int32_t fatal = stack_fatal(socket);
    struct net_end *end = socket->end;
    if (socket->udp && op->kind == TRANSPORT_WATCH_READABLE)
        return net_udp_readable(socket->udp) < 0 ? STATUS_PENDING : STATUS_SUCCESS;
    if (socket->phase != PHASE_CONNECTED)
        return fatal ? fatal : STATUS_CONNECTION_INVALID;
    switch (op->kind) {
    case TRANSPORT_WATCH_READABLE:
        if (net_end_readable(end))
            return STATUS_SUCCESS;
        return fatal ? fatal : net_end_has_fin(end) ? STATUS_SUCCESS : STATUS_PENDING;
    case TRANSPORT_WATCH_PEER_FIN:
        if (net_end_has_fin(end)) /* also when a reset came after it */
            return STATUS_SUCCESS;
        return fatal ? fatal : STATUS_PENDING;
    case TRANSPORT_WATCH_RESET:
        return fatal ? fatal : STATUS_PENDING;
    case TRANSPORT_WATCH_SENT:
        return fatal ? fatal : net_end_unsent(end) > 0 ? STATUS_PENDING : STATUS_SUCCESS;
    case TRANSPORT_WATCH_ACKED:
        return fatal ? fatal : net_end_unacked(end) > 0 ? STATUS_PENDING : STATUS_SUCCESS;
    case TRANSPORT_WATCH_FIN_ACKED:
        return try_fin_acked(socket);
    default:
        assert(!"a watch");
        return STATUS_INVALID_PARAMETER;
    }
}

int32_t stack_watch(struct transport_socket *socket, struct transport_op *op)
{
    assert(op->kind >= TRANSPORT_WATCH_PEER_FIN && op->kind <= TRANSPORT_WATCH_READABLE);
    return stack_start(socket, op, stack_try_watch);
}
