/*
 * socket.c - a socket's life and the life of an operation on it: start, hold, continue, cancel.
 */
#include "transport/common/internal.h"
#include "transport/common/system.h"
#include "transport/errno_status.h"
#include "host/host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ntstatus.h>

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR && POLLHUP == EPOLLHUP &&
                   POLLRDHUP == EPOLLRDHUP,
               "one set of event bits");

static void put(struct transport_socket *socket, struct transport_op *op)
{
    __atomic_store_n(&socket->ops[op->kind], op, __ATOMIC_RELAXED); /* socket_ahead looks without the lock */
    socket->held |= 1u << op->kind;
}

static void take_out(struct transport_socket *socket, int kind)
{
    __atomic_store_n(&socket->ops[kind], NULL, __ATOMIC_RELAXED);
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

/* ---- create, close ------------------------------------------------------------------------------------ */

struct transport_socket *socket_create(struct transport *transport, unsigned loop, int fd, int family)
{
    size_t size = (transport->engine->socket_size + 2 * CACHE_LINE - 1) & ~(size_t)(2 * CACHE_LINE - 1);
    struct loop *of = &transport->loops[loop % transport->loop_count];
    struct transport_socket *socket = loop_is_mine(of) ? loop_take_spare(of) : NULL;
    if (!socket)
        socket = aligned_alloc(2 * CACHE_LINE, size);
    if (!socket)
        return NULL;
    memset(socket, 0, size);
    socket->transport = transport;
    socket->loop = of;
    socket->fd = fd;
    socket->family = family;
    socket->v6only = true;
    socket->type = TRANSPORT_STREAM;
    socket->always = transport->engine->events;
    link_init(&socket->run);
    link_init(&socket->timer);
    link_init(&socket->port);
    atomic_fetch_add(&transport->sockets, 1);
    return socket;
}

void socket_free(struct transport_socket *socket)
{
    free(socket);
}

int32_t common_open(struct transport *transport, unsigned loop, int family, int type, int protocol,
                    struct transport_socket **out)
{
    if (host_fault(HOST_FAULT_TRANSPORT))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (family != TRANSPORT_AF_INET && family != TRANSPORT_AF_INET6)
        return STATUS_PROTOCOL_UNREACHABLE;
    if (type == TRANSPORT_DATAGRAM || type == TRANSPORT_RAW)
        return datagram_open(transport, loop, family, type, protocol, out);
    if (type != TRANSPORT_STREAM)
        return STATUS_NOT_SUPPORTED;
    if (protocol != IPPROTO_TCP) /* D-18: 0 does not mean TCP */
        return STATUS_PROTOCOL_UNREACHABLE;

    int fd = socket(family == TRANSPORT_AF_INET ? AF_INET : AF_INET6,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return transport_errno_status(errno);
    int32_t status = STATUS_SUCCESS;
    int one = 1;
    if (family == TRANSPORT_AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
        status = transport_errno_status(errno); /* D-18: 1 is the default of Windows */
    struct transport_socket *created = status ? NULL : socket_create(transport, loop, fd, family);
    if (!created) {
        close(fd);
        return status ? status : STATUS_INSUFFICIENT_RESOURCES;
    }
    *out = created;
    return STATUS_SUCCESS;
}

void common_close(struct transport_socket *socket)
{
    struct transport *transport = socket->transport;
    address_release_port(socket); /* before the descriptor: who binds may mark it as sharing */
    lock_take(&socket->lock);
    assert(!socket->held && "close: no operation is inside");
    int fd = socket->fd;
    /* Left to close() where the loop's thread cannot be asking the file for events ("Close against the loop"). */
    if (socket->interest && !loop_is_mine(socket->loop))
        epoll_ctl(socket->loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    silence_ends(socket);
    system_close(fd);
    socket->fd = -1;
    lock_release(&socket->lock);
    loop_bury(socket, fd);
    atomic_fetch_sub(&transport->sockets, 1);
}

unsigned common_loop_of(struct transport_socket *socket)
{
    return (unsigned)(socket->loop - socket->transport->loops);
}

/* ---- what the kernel says of the connection ----------------------------------------------------------- */

int32_t socket_latch(struct transport_socket *socket, int32_t status)
{
    if (socket->fatal == 0)
        socket->fatal = status;
    return socket->fatal;
}

int socket_tcp_state(struct transport_socket *socket)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    if (getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return -1;
    return info.tcpi_state;
}

void socket_fold(struct transport_socket *socket, uint32_t events)
{
    if (socket->ops[TRANSPORT_CONNECT] || socket->phase == PHASE_NEW || socket->phase == PHASE_LISTENING)
        return; /* the error is the connect's result; an unconnected socket always reports HUP */
    if (events & EPOLLERR) {
        /* Reading SO_ERROR takes it away, from every later call as well: that is why it is latched here. */
        int error = 0;
        socklen_t length = sizeof(error);
        if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error)
            socket_latch(socket, transport_errno_status(error));
    }
    /* A reset shuts the receiving direction, too.  The kernel writes the error first and poll reads it last:
     * RDHUP without ERR is a FIN, unless an earlier call has taken the error (and latched it). */
    if ((events & EPOLLRDHUP) && socket->fatal == 0 && !socket_reason_is_coming(socket, events))
        socket->peer_fin = true;
}

bool socket_reason_is_coming(struct transport_socket *socket, uint32_t events)
{
    /* Both directions are over and no error is left: a FIN each, or a transfer in the kernel has taken the
     * error with it.  Either way that transfer is over, too, and its result tells. */
    bool coming = socket->fatal == 0 && (events & EPOLLHUP) &&
                  (socket->in_ring & (1u << TRANSPORT_RECEIVE | 1u << TRANSPORT_SEND));
    socket->reason_awaited |= coming;
    return coming;
}

uint32_t socket_poll(struct transport_socket *socket)
{
    struct pollfd poll_fd = {.fd = socket->fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    long ready;
    do
        ready = system_poll(&poll_fd);
    while (ready == -EINTR);
    uint32_t events = ready > 0 ? (uint16_t)poll_fd.revents : 0;
    socket_fold(socket, events);
    /* Without our FIN nothing but the connection's end shuts both directions, and nobody is left who could tell the
     * reason: it went with a call whose op was taken back.  What ends a connection so is a reset.  Not in
     * socket_fold(): what the loop has queued may be of a connect before this one. */
    if ((events & EPOLLHUP) && socket->phase == PHASE_CONNECTED && !socket->ops[TRANSPORT_CONNECT] &&
        !socket->fin_sent && !socket_reason_is_coming(socket, events))
        socket_latch(socket, STATUS_CONNECTION_RESET);
    return events;
}

/* ---- shutdown, abort ---------------------------------------------------------------------------------- */

int32_t socket_finish_sending(struct transport_socket *socket)
{
    socket->fin_sent = shutdown(socket->fd, SHUT_WR) == 0;
    int error = errno;
    /* ENOTCONN: the connection's end was quicker, its reason is more telling. */
    socket->fin_wanted = !socket->fin_sent && socket_reason_is_coming(socket, socket_poll(socket));
    if (socket->fin_sent || socket->fin_wanted)
        return STATUS_SUCCESS; /* WATCH_FIN_ACKED will know */
    if (socket->fatal)
        return socket->fatal;
    /* Before its connect is completed a connection keeps its reason to itself. */
    return error == ENOTCONN ? STATUS_CONNECTION_RESET : transport_errno_status(error);
}

int32_t common_shutdown(struct transport_socket *socket)
{
    int32_t status;
    lock_take(&socket->lock);
    if (socket->fatal)
        status = socket->fatal;
    else if (socket->phase != PHASE_CONNECTED || socket->silent)
        status = STATUS_INVALID_DEVICE_STATE;
    else if (socket->fin_sent || socket->fin_wanted)
        status = STATUS_SUCCESS;
    else if (socket->ops[TRANSPORT_SEND]) {
        socket->fin_wanted = true; /* the FIN comes after what was handed over */
        status = STATUS_SUCCESS;
    } else
        status = socket_finish_sending(socket);
    lock_release(&socket->lock);
    return status;
}

int32_t common_abort(struct transport_socket *socket)
{
    int32_t status = STATUS_SUCCESS;
    if (socket->type != TRANSPORT_STREAM)
        return STATUS_INVALID_DEVICE_STATE;
    lock_take(&socket->lock);
    if (socket->phase != PHASE_NEW)
        address_refresh_local(socket); /* the kernel forgets it now */
    /* linux-facts 6: in every state that the peer knows of this sends RST, drops both queues and keeps the
     * descriptor.  In SYN_SENT there is nothing to reset yet: a late SYN-ACK is answered with RST. */
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    bool leaves = leaving_begin(socket);
    if (!leaves)
        silence_ends(socket);
    if (!leaves && connect(socket->fd, &nobody, sizeof(nobody)) < 0) {
        status = transport_errno_status(errno);
        /* Then at least close() shall reset. */
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        if (setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0)
            status = STATUS_SUCCESS;
    }
    socket_latch(socket, STATUS_CONNECTION_ABORTED);
    socket->fin_wanted = false;
    for (int kind = 0; kind < OP_KINDS; kind++) {
        if (socket->in_ring & (1u << kind))
            socket->transport->engine->recall(socket, kind); /* its result is the reason latched above */
        else if (socket->held & ~socket->over & (1u << kind))
            mark_over(socket, socket->ops[kind], STATUS_CONNECTION_ABORTED);
    }
    if (socket->held)
        loop_queue(socket, EVENT_TRY);
    lock_release(&socket->lock);
    return status;
}

/* ---- operations --------------------------------------------------------------------------------------- */

static int32_t start_locked(struct transport_socket *socket, struct transport_op *op, try_function try_);

static inline void clear_results(struct transport_op *op)
{
    op->bytes = 0;
    op->provided = NULL;
    op->state.status = 0;
    op->state.would_block = op->state.drained = 0;
}

int32_t socket_start(struct transport_socket *socket, struct transport_op *op, try_function try_)
{
    clear_results(op);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return op->status = STATUS_INSUFFICIENT_RESOURCES;

    lock_take(&socket->lock);
    return start_locked(socket, op, try_);
}

int32_t socket_start_send(struct transport_socket *socket, struct transport_op *op)
{
    int32_t status;

    clear_results(op);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return op->status = STATUS_INSUFFICIENT_RESOURCES;

    lock_take(&socket->lock);
    /* What nearly every send is: one piece, on a connection that nothing special is known of. */
    if (__builtin_expect(!stream_send_is_plain(socket, op), 0))
        return start_locked(socket, op, stream_try_send);
    assert(socket->fd >= 0 && !(socket->held & 1u << TRANSPORT_SEND) && "one operation of a kind at a time");
    socket->again = false;
    status = stream_send_plainly(socket, op);
    if (__builtin_expect(status == STATUS_PENDING, 0))
        return start_locked(socket, op, NULL);
    op->status = status;
    lock_release(&socket->lock);
    return status;
}

int32_t socket_start_watch(struct transport_socket *socket, struct transport_op *op, try_function try_)
{
    const unsigned ends = 1u << TRANSPORT_WATCH_RESET | 1u << TRANSPORT_WATCH_PEER_FIN;

    clear_results(op);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return op->status = STATUS_INSUFFICIENT_RESOURCES;

    lock_take(&socket->lock);
    /* What every connection has: an event will tell, and the epoll set knows the socket. */
    if (!(1u << op->kind & ends) || !socket->interest || (op->flags & TRANSPORT_NO_INLINE) ||
        !watch_is_told(socket, op->kind))
        return start_locked(socket, op, try_);
    assert(socket->fd >= 0 && !(socket->held & 1u << op->kind) && "one operation of a kind at a time");
    socket_set_would_block(op, true);
    put(socket, op);
    lock_release(&socket->lock);
    return STATUS_PENDING;
}

int32_t socket_start_receive(struct transport_socket *socket, struct transport_op *op)
{
    clear_results(op);
    if (host_fault(HOST_FAULT_TRANSPORT))
        return op->status = STATUS_INSUFFICIENT_RESOURCES;

    lock_take(&socket->lock);
    /* One that comes after one that took all there was: the event that is watched for already will tell of more. */
    if (__builtin_expect((socket->dry || (socket->fresh && (op->flags & TRANSPORT_PROVIDE))) &&
                             loop_knows_all(socket->loop) && !socket->fatal && !socket->peer_fin &&
                             !(op->flags & TRANSPORT_NO_INLINE),
                         1)) {
        assert(socket->fd >= 0 && !(socket->held & 1u << TRANSPORT_RECEIVE) &&
               "one operation of a kind at a time");
        socket_set_would_block(op, true);
        put(socket, op);
        lock_release(&socket->lock);
        return STATUS_PENDING;
    }
    return start_locked(socket, op, stream_try_receive);
}

/* Nobody would hear how this op goes on, so it is over, after it has begun: the kernel forgets a connect, and behind a
 * part of a send nothing may come, so the connection is over, too. */
static void undo(struct transport_socket *socket, const struct transport_op *op, int32_t status)
{
    if (op->kind == TRANSPORT_CONNECT)
        stream_forget_connect(socket);
    if (op->kind == TRANSPORT_SEND && op->bytes) {
        socket_latch(socket, status);
        if (socket->held)
            loop_queue(socket, EVENT_TRY);
    }
}

/* The lock is held, and dropped here.  try_ NULL: it has been tried, and would block. */
static int32_t start_locked(struct transport_socket *socket, struct transport_op *op, try_function try_)
{
    const unsigned drainable =
        1u << TRANSPORT_RECEIVE | 1u << TRANSPORT_ACCEPT | 1u << TRANSPORT_RECEIVE_FROM;
    bool no_inline = op->flags & TRANSPORT_NO_INLINE;
    int32_t status = STATUS_PENDING;

    assert(socket->fd >= 0 && !(socket->held & (1u << op->kind)) && "one operation of a kind at a time");
    if (try_)
        socket->again = false;
    if (!try_)
        socket_set_would_block(op, !socket->again);
    /* Decided now, not when the loop tries: a send that is inside when shutdown() comes still goes before the
     * FIN. */
    else if (op->kind == TRANSPORT_SEND && !socket->fatal &&
             (socket->fin_sent || socket->fin_wanted || socket->silent))
        status = STATUS_INVALID_DEVICE_STATE;
    /* A receive or accept that is started while one is completed that took all there was. */
    else if ((1u << op->kind & drainable) && !no_inline && loop_is_mine(socket->loop) &&
             socket->loop->drained == socket && !socket->fatal)
        socket_set_would_block(op, true);
    /* A connect must leave at once; the others can as well be tried by the loop. */
    else if (!no_inline || op->kind == TRANSPORT_CONNECT) {
        status = try_(socket, op);
        socket_set_would_block(op, status == STATUS_PENDING && !socket->again);
    }
    bool over = no_inline && status != STATUS_PENDING;
    if (over) {
        mark_over(socket, op, status);
        status = STATUS_PENDING;
    }
    if (status == STATUS_PENDING) {
        put(socket, op);
        int32_t refused = STATUS_SUCCESS;
        if (!over)
            refused = socket->transport->engine->hold(socket, op);
        if (refused) {
            take_out(socket, op->kind);
            status = refused;
            undo(socket, op, refused);
        } else {
            watch_begin(socket, op->kind);
            if (no_inline || socket->again)
                loop_queue(socket, EVENT_TRY);
        }
    }
    /* Once the op is held and the lock is gone, the op may be over and freed: it is not touched any more. */
    if (status != STATUS_PENDING)
        op->status = status;
    lock_release(&socket->lock);
    return status;
}

int common_cancel(struct transport_socket *socket, struct transport_op *op)
{
    int taken = 0;
    lock_take(&socket->lock);
    for (int kind = 0; kind < OP_KINDS; kind++) {
        if (socket->ops[kind] != op)
            continue; /* compared, not read: an op that is over may be freed memory */
        if (socket->in_ring & (1u << kind)) {
            socket->transport->engine->recall(socket, kind);
            break;
        }
        take_out(socket, kind);
        taken = 1;
        if (kind == TRANSPORT_SEND && socket->fin_wanted)
            socket_finish_sending(socket);
        if (kind == TRANSPORT_CONNECT)
            stream_forget_connect(socket);
        break;
    }
    lock_release(&socket->lock);
    return taken;
}

/* The order in which a step looks: connecting first, since it decides what an error means; data before the
 * reasons why there will be no more of it; WATCH_SENT before the send that would hand over more. */
static const struct {
    int kind;
    try_function try_;
} step_order[] = {
    {TRANSPORT_CONNECT, stream_continue_connect},
    {TRANSPORT_ACCEPT, stream_look_and_accept},
    {TRANSPORT_RECEIVE, stream_try_receive},
    {TRANSPORT_WATCH_READABLE, watch_try},
    {TRANSPORT_WATCH_PEER_FIN, watch_try},
    {TRANSPORT_WATCH_SENT, watch_try},
    {TRANSPORT_WATCH_ACKED, watch_try},
    {TRANSPORT_SEND, stream_try_send},
    {TRANSPORT_WATCH_FIN_ACKED, watch_try},
    {TRANSPORT_WATCH_RESET, watch_try},
    {TRANSPORT_RECEIVE_FROM, datagram_try_receive},
    {TRANSPORT_SEND_TO, datagram_try_send},
};
enum { STEPS = sizeof(step_order) / sizeof(step_order[0]) };

static unsigned later_than(int step)
{
    unsigned kinds = 0;
    while (++step < STEPS)
        kinds |= 1u << step_order[step].kind;
    return kinds;
}

/* The kinds that these events are worth a try for. */
static unsigned worth_trying(uint32_t events)
{
    static const struct {
        uint32_t event;
        unsigned kinds;
    } worth[] = {
        {EPOLLIN, 1u << TRANSPORT_CONNECT | 1u << TRANSPORT_ACCEPT | 1u << TRANSPORT_RECEIVE |
                      1u << TRANSPORT_WATCH_READABLE | 1u << TRANSPORT_WATCH_SENT |
                      1u << TRANSPORT_WATCH_ACKED | 1u << TRANSPORT_WATCH_FIN_ACKED |
                      1u << TRANSPORT_RECEIVE_FROM},
        {EPOLLOUT, 1u << TRANSPORT_CONNECT | 1u << TRANSPORT_SEND | 1u << TRANSPORT_WATCH_SENT |
                       1u << TRANSPORT_WATCH_ACKED | 1u << TRANSPORT_WATCH_FIN_ACKED |
                       1u << TRANSPORT_SEND_TO},
        {EPOLLRDHUP, 1u << TRANSPORT_RECEIVE | 1u << TRANSPORT_WATCH_READABLE |
                         1u << TRANSPORT_WATCH_PEER_FIN | 1u << TRANSPORT_WATCH_FIN_ACKED},
        {EVENT_TIMER, 1u << TRANSPORT_WATCH_SENT | 1u << TRANSPORT_WATCH_ACKED | 1u << TRANSPORT_SEND_TO},
    };
    unsigned kinds = 0;
    if (events & (EPOLLERR | EPOLLHUP | EVENT_TRY))
        return ~0u;
    for (unsigned i = 0; i < sizeof(worth) / sizeof(worth[0]); i++)
        kinds |= events & worth[i].event ? worth[i].kinds : 0;
    return kinds;
}

/* What nobody waits for any more need not be reported any more: else each arrival of data would be. */
static void drop_interest(struct transport_socket *socket, uint32_t events)
{
    if ((events & EPOLLIN) && !(events & (EPOLLRDHUP | EPOLLHUP)) && !socket->ops[TRANSPORT_WATCH_READABLE] &&
        !socket->ops[TRANSPORT_WATCH_ACKED])
        loop_unwatch(socket, EPOLLIN);
    if ((events & EPOLLOUT) && socket->type != TRANSPORT_STREAM && !socket->ops[TRANSPORT_SEND_TO])
        loop_unwatch(socket, EPOLLOUT); /* each datagram that has gone would be one */
}

static inline void fetch(const void *memory, size_t bytes)
{
    uintptr_t at = (uintptr_t)memory & ~(uintptr_t)(CACHE_LINE - 1);

    for (; at < (uintptr_t)memory + bytes; at += CACHE_LINE)
        __builtin_prefetch((const void *)at, 1);
}

/* A step of a socket fetches what the next but one needs: even a few dozen leave the first cache meanwhile, and here
 * the miss lasts as long as a step takes.  The socket's own lines were touched when its event was collected.  Addresses
 * alone are looked at: the op may be over meanwhile, and its memory gone. */
void socket_ahead(struct transport_socket *socket)
{
    const struct transport_config *config = &socket->transport->config;
    const char *op = (const char *)__atomic_load_n(&socket->ops[TRANSPORT_RECEIVE], __ATOMIC_RELAXED);

    if (!op)
        return;
    for (int i = 0; i < 2; i++)
        fetch(op + config->ahead.around[i].from, config->ahead.around[i].bytes);
    for (int i = 0; i < TRANSPORT_AHEAD; i++) {
        const void *memory = __atomic_load_n(&socket->ahead[i], __ATOMIC_RELAXED);

        if (memory)
            fetch(memory, config->ahead.bytes[i]);
    }
}

const void **common_ahead(struct transport_socket *socket)
{
    return socket->ahead;
}

void socket_step(struct transport_socket *socket, uint32_t events)
{
    const struct engine *engine = socket->transport->engine;
    struct loop *loop = socket->loop;
    struct transport_op *drained = NULL;
    bool receive_tried = false;
    int32_t tried = STATUS_PENDING;
    struct {
        struct transport_op *op;
        int32_t status;
    } over[STEPS];
    int count = 0;

    lock_take(&socket->lock);
    if (socket->fd < 0) { /* closed between the run list and here */
        lock_release(&socket->lock);
        return;
    }
    socket->again = false;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP))
        socket->dry = socket->fresh = socket->looked = false;
    /* What nearly every step is: something to receive, and nothing else that this may concern. */
    if (!(engine->carried & 1u << TRANSPORT_RECEIVE) && !(events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) &&
        (events & EPOLLIN) && !socket->over && !socket->fatal && !socket->peer_fin &&
        (socket->held & ~(1u << TRANSPORT_WATCH_PEER_FIN | 1u << TRANSPORT_WATCH_RESET)) ==
            1u << TRANSPORT_RECEIVE &&
        (socket->always & EPOLLIN)) {
        struct transport_op *op = socket->ops[TRANSPORT_RECEIVE];
        int32_t status = stream_try_receive(socket, op);
        if (__builtin_expect(
                status == STATUS_SUCCESS && !socket->fatal && !socket->peer_fin && !socket->again, 1)) {
            take_out(socket, TRANSPORT_RECEIVE); /* from here on cancel() answers 0 */
            lock_release(&socket->lock);
            loop->drained = op->state.drained ? socket : NULL;
            op->status = status;
            op->complete(op, status, op->bytes);
            loop->drained = NULL;
            return;
        }
        tried = status;
        receive_tried = true;
    }
    events = engine->results(socket, events);
    socket_fold(socket, events);
    if (events & EPOLLPRI)
        socket->urgent = true;
    const unsigned fin = 1u << TRANSPORT_WATCH_PEER_FIN;
    unsigned worth_it = socket->fatal ? ~0u : worth_trying(events);
    unsigned look = socket->held & (worth_it | engine->carried | socket->over | (socket->peer_fin ? fin : 0));
    for (int i = 0; look && i < STEPS; i++) {
        int kind = step_order[i].kind;
        unsigned bit = 1u << kind;
        if (!(look & bit))
            continue;
        look &= ~bit;
        struct transport_op *op = socket->ops[kind];
        bool worth = worth_it & bit;
        int32_t status = STATUS_PENDING;
        if (socket->over & bit)
            status = op->state.status;
        else if (kind == TRANSPORT_WATCH_PEER_FIN && socket->peer_fin)
            status = STATUS_SUCCESS; /* the receive before it may have met the FIN */
        else if (kind == TRANSPORT_RECEIVE && receive_tried)
            status = tried;
        else
            status = engine->proceed(socket, op, step_order[i].try_, worth);
        if (socket->fatal && worth_it != ~0u) { /* found just now: that concerns all who come later */
            worth_it = ~0u;
            look = socket->held & later_than(i);
        } else if (socket->peer_fin)
            look |= socket->held & fin;
        if (status == STATUS_PENDING)
            continue;
        take_out(socket, kind); /* from here on cancel() answers 0 */
        if (kind == TRANSPORT_CONNECT && status == STATUS_SUCCESS)
            socket_poll(socket); /* what it is now: the events may be of a connect before this one */
        if (op->state.drained)
            drained = op;
        over[count].op = op;
        over[count++].status = status;
        if (kind == TRANSPORT_SEND && socket->fin_wanted)
            socket_finish_sending(socket);
    }
    drop_interest(socket, events);
    if ((events & EVENT_TIMER) && (socket->held & (1u << TRANSPORT_WATCH_ACKED | 1u << TRANSPORT_WATCH_SENT)))
        loop_rearm_timer(socket);
    /* A reason found by the last tries ends the ops that were looked at before them, in the next step. */
    if (socket->fatal && (socket->held & ~socket->in_ring))
        socket->again = true;
    if (socket->again)
        loop_queue(socket, EVENT_TRY);
    lock_release(&socket->lock);

    /* No lock is held and the socket is not touched any more: a completion may start, cancel and close. */
    loop->telling = socket;
    for (int i = 0; i < count; i++) {
        struct transport_op *op = over[i].op;
        loop->drained = op == drained ? socket : NULL;
        op->status = over[i].status;
        op->complete(op, over[i].status, op->bytes);
    }
    loop->drained = loop->telling = NULL;
}
