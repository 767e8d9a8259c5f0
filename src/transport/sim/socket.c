/*
 * socket.c - a socket of the runtime's stack, and the life of an operation on it: start, hold, continue, cancel.
 */
#include "transport/sim/stack.h"

#include <ntstatus.h>

static void put(struct transport_socket *socket, struct transport_op *op)
{
    socket->ops[op->kind] = op;
    socket->held |= 1u << op->kind;
}

static void take_out(struct transport_socket *socket, int kind)
{
    socket->ops[kind] = NULL;
    socket->held &= ~(1u << kind);
    socket->over &= ~(1u << kind);
}

/* An op that is over but still in its slot: abort and NO_INLINE put it there, the loop delivers it.  Until
 * then cancel() can take it back. */
static void mark_over(struct transport_socket *socket, struct transport_op *op, int32_t status)
{
    socket->over |= 1u << op->kind;
    op->state.status = status;
}

int32_t stack_fatal(const struct transport_socket *socket)
{
    if (socket->aborted)
        return socket->aborted;
    return socket->phase == PHASE_CONNECTED && socket->end ? socket->end->reason : STATUS_SUCCESS;
}

/* ---- open, close ------------------------------------------------------------------------------------------- */

struct transport_socket *stack_socket_new(struct transport *transport, unsigned loop, int family)
{
    struct transport_socket *socket = net_allocate(sizeof(*socket));
    if (!socket)
        return NULL;
    socket->transport = transport;
    socket->loop = &transport->loops[loop % transport->loop_count];
    socket->family = family;
    link_init(&socket->run);
    link_init(&socket->listener.young);
    link_init(&socket->listener.ready);
    stack_options_init(socket);
    transport->sockets++;
    net_world.open++;
    return socket;
}

static bool open_datagram(struct transport_socket *socket)
{
    struct net_udp *udp = net_allocate(sizeof(*udp));
    if (!udp)
        return false;
    net_udp_init(udp, 0, socket, stack_event);
    socket->udp = udp;
    stack_options_init(socket); /* some begin otherwise */
    return true;
}

int32_t stack_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                   struct transport_socket **out)
{
    net_enter(transport);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (family != TRANSPORT_AF_INET && family != TRANSPORT_AF_INET6)
        return STATUS_PROTOCOL_UNREACHABLE;
    if (type != TRANSPORT_STREAM && type != TRANSPORT_DATAGRAM)
        return STATUS_NOT_SUPPORTED;
    if (protocol != (type == TRANSPORT_STREAM ? 6 : 17)) /* D-18: 0 does not mean TCP */
        return STATUS_PROTOCOL_UNREACHABLE;
    struct transport_socket *socket = stack_socket_new(transport, loop, family);
    if (!socket)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (type == TRANSPORT_DATAGRAM && !open_datagram(socket)) {
        stack_close(socket);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *out = socket;
    return STATUS_SUCCESS;
}

void stack_close(struct transport_socket *socket)
{
    net_enter(socket);
    assert(!socket->held && "close: no operation is inside");
    if (socket->end)
        net_end_close(socket->end);
    if (socket->phase == PHASE_LISTENING)
        net_listener_close(&socket->listener);
    if (socket->udp) {
        net_udp_close(socket->udp);
        net_free(socket->udp, sizeof(*socket->udp));
    }
    net_claim_drop(&socket->claim);
    link_remove(&socket->run);
    socket->transport->sockets--;
    net_world.open--;
    net_free(socket, sizeof(*socket));
    net_leave();
}

const void **stack_ahead(struct transport_socket *socket)
{
    return socket->ahead;
}

unsigned stack_loop_of(struct transport_socket *socket)
{
    return (unsigned)(socket->loop - socket->transport->loops);
}

int net_transport_tcp_state(struct transport_socket *socket)
{
    if (socket->end && !socket->aborted)
        return net_tcp_state(socket->end);
    return socket->phase == PHASE_LISTENING && !socket->aborted ? NET_TCP_LISTEN : NET_TCP_CLOSE;
}

/* ---- addresses --------------------------------------------------------------------------------------------- */

bool stack_is_bound(const struct transport_socket *socket)
{
    return socket->claim.held || (socket->udp && socket->udp->bound);
}

int32_t stack_bind(struct transport_socket *socket, const struct transport_address *local)
{
    struct net_where where;
    net_enter(socket);
    if (stack_fatal(socket))
        return stack_fatal(socket);
    if (socket->phase != PHASE_NEW || stack_is_bound(socket))
        return STATUS_INVALID_DEVICE_STATE;
    bool dual = socket->family == TRANSPORT_AF_INET6 && !socket->options[TRANSPORT_OPTION_V6ONLY];
    if (!net_where_of(local, &where) || local->family != socket->family || !net_host_has(0, &where))
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (socket->family == TRANSPORT_AF_INET6 && net_where_is_v4(&where) && !dual)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    bool share = socket->options[TRANSPORT_OPTION_SHARE] != 0;
    socket->claim.runtime = true;
    if (socket->udp)
        socket->udp->runtime = true;
    if (socket->udp ? !net_udp_bind(socket->udp, &where, dual, share)
                    : !net_claim_take(&socket->claim, 0, &where, dual, share))
        return STATUS_ADDRESS_ALREADY_EXISTS;
    socket->local = where;
    socket->has_local = true;
    return STATUS_SUCCESS;
}

int32_t stack_address(struct transport_socket *socket, int remote, struct transport_address *out)
{
    net_enter(socket);
    if (remote) {
        if (socket->phase != PHASE_CONNECTED)
            return STATUS_CONNECTION_INVALID;
        net_where_out(&socket->remote, socket->family, out);
        return STATUS_SUCCESS;
    }
    if (!socket->has_local)
        return STATUS_ADDRESS_NOT_ASSOCIATED;
    net_where_out(&socket->local, socket->family, out);
    return STATUS_SUCCESS;
}

/* ---- shutdown, abort --------------------------------------------------------------------------------------- */

static void finish_sending(struct transport_socket *socket)
{
    socket->fin_wanted = false;
    socket->fin_sent = true;
    net_end_shutdown(socket->end);
}

int32_t stack_shutdown(struct transport_socket *socket)
{
    net_enter(socket);
    int32_t status = stack_fatal(socket);
    if (status)
        return status;
    if (socket->phase != PHASE_CONNECTED || socket->end->mute)
        return STATUS_INVALID_DEVICE_STATE;
    if (socket->fin_sent || socket->fin_wanted)
        return STATUS_SUCCESS;
    if (socket->ops[TRANSPORT_SEND])
        socket->fin_wanted = true; /* the FIN comes after what was handed over */
    else
        finish_sending(socket);
    net_leave();
    return STATUS_SUCCESS;
}

int32_t stack_abort(struct transport_socket *socket)
{
    net_enter(socket);
    if (socket->udp)
        return STATUS_INVALID_DEVICE_STATE;
    int32_t reason = stack_fatal(socket) ? stack_fatal(socket) : STATUS_CONNECTION_ABORTED;
    if (socket->end)
        net_end_abort(socket->end);
    if (socket->phase == PHASE_LISTENING)
        net_listener_close(&socket->listener);
    socket->aborted = reason;
    socket->fin_wanted = false;
    for (int kind = 0; kind < STACK_KINDS; kind++) {
        if (socket->held & ~socket->over & (1u << kind))
            mark_over(socket, socket->ops[kind], STATUS_CONNECTION_ABORTED);
    }
    if (socket->held)
        stack_queue(socket, STACK_TRY);
    net_leave();
    return STATUS_SUCCESS;
}

int32_t stack_silence(struct transport_socket *socket)
{
    net_enter(socket);
    int32_t status = stack_fatal(socket);
    if (socket->phase != PHASE_CONNECTED || socket->end->mute)
        return STATUS_INVALID_DEVICE_STATE;
    if (status)
        return status;
    if (socket->ops[TRANSPORT_SEND] || net_end_unacked(socket->end) > 0)
        return STATUS_DEVICE_BUSY;
    net_end_silence(socket->end);
    net_leave();
    return STATUS_SUCCESS;
}

/* ---- operations -------------------------------------------------------------------------------------------- */

/* What can move an op of this kind on. */
static const unsigned concerns[STACK_KINDS] = {
    [TRANSPORT_ACCEPT] = NET_ACCEPT,
    [TRANSPORT_CONNECT] = NET_CONNECTED,
    [TRANSPORT_SEND] = NET_ROOM | NET_DEAD,
    [TRANSPORT_RECEIVE] = NET_READ | NET_DEAD,
    [TRANSPORT_WATCH_PEER_FIN] = NET_FIN | NET_DEAD,
    [TRANSPORT_WATCH_RESET] = NET_DEAD,
    [TRANSPORT_WATCH_SENT] = NET_SENT | NET_DEAD,
    [TRANSPORT_WATCH_ACKED] = NET_ACKED | NET_DEAD,
    [TRANSPORT_WATCH_FIN_ACKED] = NET_FIN_ACKED | NET_DEAD,
    [TRANSPORT_WATCH_READABLE] = NET_READ | NET_DEAD,
    [TRANSPORT_SEND_TO] = NET_ROOM,
    [TRANSPORT_RECEIVE_FROM] = NET_READ,
};

void stack_event(void *owner, unsigned events)
{
    struct transport_socket *socket = owner;
    for (unsigned held = socket->held; held; held &= held - 1) {
        if (concerns[__builtin_ctz(held)] & events) {
            stack_queue(socket, events);
            return;
        }
    }
}

/* The order in which a step looks: connecting first, since it decides what an error means; data before the
 * reasons why there will be no more of it; WATCH_SENT before the send that would hand over more. */
static const struct {
    int kind;
    stack_try try_;
} step_order[] = {
    {TRANSPORT_CONNECT, stack_continue_connect},      {TRANSPORT_ACCEPT, stack_try_accept},
    {TRANSPORT_RECEIVE, stack_try_receive},           {TRANSPORT_WATCH_READABLE, stack_try_watch},
    {TRANSPORT_WATCH_PEER_FIN, stack_try_watch},      {TRANSPORT_WATCH_SENT, stack_try_watch},
    {TRANSPORT_WATCH_ACKED, stack_try_watch},         {TRANSPORT_SEND, stack_try_send},
    {TRANSPORT_WATCH_FIN_ACKED, stack_try_watch},     {TRANSPORT_WATCH_RESET, stack_try_watch},
    {TRANSPORT_RECEIVE_FROM, stack_try_receive_from}, {TRANSPORT_SEND_TO, stack_try_send_to},
};
enum { STEPS = sizeof(step_order) / sizeof(step_order[0]) };

void stack_step(struct transport_socket *socket, unsigned events)
{
    struct {
        struct transport_op *op;
        int32_t status;
        struct stack_batch *batch;
    } over[STEPS];
    int count = 0;

    socket->again = false;
    for (int i = 0; i < STEPS; i++) {
        int kind = step_order[i].kind;
        int32_t status = STATUS_PENDING;
        if (!(socket->held & 1u << kind))
            continue;
        struct transport_op *op = socket->ops[kind];
        if (socket->over & 1u << kind)
            status = op->state.status;
        else if (events & (concerns[kind] | STACK_TRY))
            status = step_order[i].try_(socket, op);
        if (status == STATUS_PENDING)
            continue;
        take_out(socket, kind); /* from here on cancel() answers 0 */
        over[count].op = op;
        over[count].batch =
            kind == TRANSPORT_RECEIVE_FROM ? ((struct transport_datagram_op *)op)->inside.batch : NULL;
        over[count++].status = status;
        if (kind == TRANSPORT_SEND && socket->fin_wanted)
            finish_sending(socket);
    }
    if (socket->again)
        stack_queue(socket, STACK_TRY);
    for (int i = 0; i < count; i++)
        over[i].op->status = over[i].status;
    net_leave();

    /* The socket is not touched any more: a completion may start, cancel and close. */
    for (int i = 0; i < count; i++) {
        over[i].op->complete(over[i].op, over[i].status, over[i].op->bytes);
        stack_batch_free(over[i].batch);
    }
}

int32_t stack_start(struct transport_socket *socket, struct transport_op *op, stack_try try_)
{
    bool no_inline = op->flags & TRANSPORT_NO_INLINE ||
                     (op->kind == TRANSPORT_RECEIVE_FROM && op->flags & TRANSPORT_PROVIDE);
    int32_t status = STATUS_PENDING;
    net_enter(socket);
    op->bytes = 0;
    op->provided = NULL;
    op->state.status = 0;
    if (host_fault(HOST_FAULT_TRANSPORT))
        return op->status = STATUS_INSUFFICIENT_RESOURCES;

    assert(!(socket->held & 1u << op->kind) && "one operation of a kind at a time");
    socket->again = false;
    /* Decided now, not when the loop tries: a send that is inside when shutdown() comes still goes before the
     * FIN. */
    if (op->kind == TRANSPORT_SEND && !stack_fatal(socket) &&
        (socket->fin_sent || socket->fin_wanted || (socket->end && socket->end->mute)))
        status = STATUS_INVALID_DEVICE_STATE;
    /* A connect must leave at once; the others can as well be tried by the loop. */
    else if (!no_inline || op->kind == TRANSPORT_CONNECT)
        status = try_(socket, op);
    if (no_inline && status != STATUS_PENDING) {
        mark_over(socket, op, status);
        status = STATUS_PENDING;
    }
    if (status == STATUS_PENDING) {
        put(socket, op);
        if (no_inline || socket->again)
            stack_queue(socket, STACK_TRY);
    } else
        op->status = status;
    net_leave(); /* an op that is held may be over and gone after this */
    return status;
}

int stack_cancel(struct transport_socket *socket, struct transport_op *op)
{
    net_enter(socket);
    for (int kind = 0; kind < STACK_KINDS; kind++) {
        if (socket->ops[kind] != op) /* compared, not read: an op that is over may be freed memory */
            continue;
        take_out(socket, kind);
        if (kind == TRANSPORT_SEND && socket->fin_wanted)
            finish_sending(socket);
        if (kind == TRANSPORT_CONNECT)
            stack_forget_connect(socket);
        net_leave();
        return 1;
    }
    return 0;
}
