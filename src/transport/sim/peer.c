/*
 * peer.c - a peer's sockets: what a plain program does with read(2), write(2) and poll(2), on fibers.
 */
#include "transport/sim/internal.h"

#include <ntstatus.h>

struct net_socket {
    struct net_end *end;           /* a connection */
    struct net_listener *listener; /* or a listener with its port */
    struct net_claim claim;
    int family;
    struct net_waiter waiter;
};

static void told(void *owner, unsigned events)
{
    struct net_socket *socket = owner;
    (void)events;
    net_wake(&socket->waiter);
}

static struct net_socket *socket_new(int family)
{
    struct net_socket *socket = net_allocate(sizeof(*socket));
    if (!socket)
        return NULL;
    socket->family = family;
    net_waiter_init(&socket->waiter);
    return socket;
}

static void socket_delete(struct net_socket *socket)
{
    net_waiter_close(&socket->waiter);
    net_free(socket, sizeof(*socket));
}

static uint64_t deadline_of(uint64_t timeout_ns)
{
    uint64_t now = host_now();
    return timeout_ns > HOST_FOREVER - now ? HOST_FOREVER : now + timeout_ns;
}

static int result_of(int32_t status)
{
    switch (status) {
    case STATUS_SUCCESS:
        return NET_OK;
    case STATUS_CONNECTION_REFUSED:
        return NET_REFUSED;
    case STATUS_IO_TIMEOUT:
        return NET_TIMEOUT;
    case STATUS_INSUFFICIENT_RESOURCES:
        return NET_NO_MEMORY;
    case STATUS_INVALID_ADDRESS_COMPONENT:
        return NET_IN_USE;
    case STATUS_HOST_UNREACHABLE:
    case STATUS_NETWORK_UNREACHABLE:
    case STATUS_INVALID_PARAMETER:
        return NET_UNREACHABLE;
    default:
        return NET_RESET;
    }
}

/* ---- listening --------------------------------------------------------------------------------------------- */

struct net_socket *net_listen(int host, const struct transport_address *local, int backlog)
{
    struct net_where where;
    net_enter(local);
    if (host < 0 || host >= net_world.host_count || !net_where_of(local, &where) ||
        !net_host_has(host, &where))
        return NULL;
    struct net_socket *socket = socket_new(local->family);
    struct net_listener *listener = socket ? net_allocate(sizeof(*listener)) : NULL;
    if (!listener || !net_claim_take(&socket->claim, host, &where, false, false)) {
        net_free(listener, sizeof(*listener));
        if (socket)
            socket_delete(socket);
        return NULL;
    }
    socket->listener = listener;
    net_listener_open(listener, &socket->claim, backlog, socket, told);
    return socket;
}

static void adopt(struct net_socket *socket, struct net_end *end)
{
    socket->end = end;
    end->owner = socket;
    end->event = told;
    net_end_keepalive(end, true, NET_PEER_GIVE_UP);
}

int net_accept(struct net_socket *socket, uint64_t timeout_ns, struct net_socket **out)
{
    uint64_t deadline = deadline_of(timeout_ns);
    struct net_end *end;
    net_enter(socket);
    assert(socket->listener);
    while ((end = net_listener_accept(socket->listener)) == NULL) {
        if (!net_sleep(&socket->waiter, deadline) && link_empty(&socket->listener->ready))
            return NET_TIMEOUT;
    }
    struct net_socket *accepted = socket_new(socket->family);
    if (!accepted) {
        net_end_abort(end);
        net_end_close(end);
        net_leave();
        return NET_NO_MEMORY;
    }
    adopt(accepted, end);
    *out = accepted;
    net_leave();
    return NET_OK;
}

/* ---- connecting -------------------------------------------------------------------------------------------- */

int net_connect_start(int host, const struct transport_address *remote, struct net_socket **out)
{
    struct net_where to, local = {0};
    net_enter(remote);
    if (host < 0 || host >= net_world.host_count || !net_where_of(remote, &to) || net_where_is_any(&to))
        return NET_UNREACHABLE;
    struct net_socket *socket = socket_new(remote->family);
    if (!socket)
        return NET_NO_MEMORY;
    int32_t status = net_end_connect(host, &local, &to, net_world.weather.send_buffer,
                                     net_world.weather.receive_buffer, socket, told, &socket->end);
    net_leave();
    if (status != STATUS_PENDING) {
        socket_delete(socket);
        return result_of(status);
    }
    net_end_keepalive(socket->end, true, NET_PEER_GIVE_UP);
    *out = socket;
    return NET_OK;
}

int net_connect_finish(struct net_socket *socket, uint64_t timeout_ns)
{
    uint64_t deadline = deadline_of(timeout_ns);
    net_enter(socket);
    while (!socket->end->established && !socket->end->gone) {
        if (!net_sleep(&socket->waiter, deadline) && !socket->end->established && !socket->end->gone)
            return NET_TIMEOUT;
    }
    return socket->end->established ? NET_OK : result_of(socket->end->reason);
}

int net_connect(int host, const struct transport_address *remote, uint64_t timeout_ns,
                struct net_socket **out)
{
    int result = net_connect_start(host, remote, out);
    if (result != NET_OK)
        return result;
    result = net_connect_finish(*out, timeout_ns);
    if (result != NET_OK) {
        net_close(*out);
        *out = NULL;
    }
    return result;
}

/* ---- data -------------------------------------------------------------------------------------------------- */

static long send_some(struct net_socket *socket, const void *data, size_t bytes)
{
    struct net_end *end = socket->end;
    if (end->gone || end->out.fin_queued)
        return end->reason == STATUS_IO_TIMEOUT ? NET_TIMEOUT : NET_RESET;
    if (!end->established)
        return 0;
    long taken = net_end_write(end, data, bytes);
    if (taken < 0)
        return NET_NO_MEMORY;
    if (taken)
        net_push(end);
    return taken;
}

long net_send_some(struct net_socket *socket, const void *data, size_t bytes)
{
    net_enter(socket);
    long taken = send_some(socket, data, bytes);
    net_leave();
    return taken;
}

long net_send(struct net_socket *socket, const void *data, size_t bytes, uint64_t timeout_ns)
{
    uint64_t deadline = deadline_of(timeout_ns);
    size_t done = 0;
    bool late = false;
    net_enter(socket);
    for (;;) {
        long taken = send_some(socket, (const char *)data + done, bytes - done);
        net_leave(); /* has nothing to do when nothing was taken: so no change is missed before the sleep */
        if (taken < 0)
            return taken;
        done += (size_t)taken;
        if (done == bytes)
            return (long)done;
        if (taken == 0) {
            if (late)
                return NET_TIMEOUT;
            late = !net_sleep(&socket->waiter, deadline);
        }
    }
}

/* Whether a receive would answer at once. */
static bool is_readable(struct net_socket *socket)
{
    struct net_end *end = socket->end;
    if (socket->listener)
        return !link_empty(&socket->listener->ready);
    return net_end_readable(end) || net_end_has_fin(end) || end->gone;
}

int net_readable(struct net_socket *socket, uint64_t timeout_ns)
{
    uint64_t deadline = deadline_of(timeout_ns);
    net_enter(socket);
    while (!is_readable(socket)) {
        if (!net_sleep(&socket->waiter, deadline) && !is_readable(socket))
            return NET_TIMEOUT;
    }
    return NET_OK;
}

long net_receive(struct net_socket *socket, void *data, size_t bytes, uint64_t timeout_ns)
{
    uint64_t deadline = deadline_of(timeout_ns);
    struct net_end *end = socket->end;
    net_enter(socket);
    while (!is_readable(socket)) {
        if (!net_sleep(&socket->waiter, deadline) && !is_readable(socket))
            return NET_TIMEOUT;
    }
    size_t got = net_end_read(end, data, bytes);
    if (got) {
        net_end_was_read(end);
        net_leave();
        return (long)got;
    }
    /* What came before a reset has been read; a FIN is told when nothing worse came after it. */
    return end->gone && end->reason ? result_of(end->reason) : 0;
}

int net_shutdown(struct net_socket *socket)
{
    struct net_end *end = socket->end;
    net_enter(socket);
    if (!end->established || (end->gone && end->reason))
        return NET_RESET;
    net_end_shutdown(end);
    net_leave();
    return NET_OK;
}

int net_reset(struct net_socket *socket)
{
    net_enter(socket);
    if (socket->end)
        net_end_abort(socket->end);
    net_leave();
    return NET_OK;
}

void net_close(struct net_socket *socket)
{
    net_enter(socket);
    if (socket->end)
        net_end_close(socket->end);
    if (socket->listener) {
        net_listener_close(socket->listener);
        net_free(socket->listener, sizeof(*socket->listener));
    }
    net_claim_drop(&socket->claim);
    socket_delete(socket);
    net_leave();
}

/* ---- about it ---------------------------------------------------------------------------------------------- */

void net_address_of(struct net_socket *socket, int remote, struct transport_address *out)
{
    net_enter(socket);
    out->length = 0;
    if (socket->end)
        net_where_out(remote ? &socket->end->remote : &socket->end->local, socket->family, out);
    else if (!remote)
        net_where_out(&socket->claim.where, socket->family, out);
}

static size_t buffer_of(size_t bytes)
{
    return bytes == 0 ? 1 : bytes > NET_BUFFER_MOST ? NET_BUFFER_MOST : bytes;
}

void net_set_receive_buffer(struct net_socket *socket, size_t bytes)
{
    net_enter(socket);
    if (socket->end)
        net_end_set_receive_buffer(socket->end, buffer_of(bytes));
    else
        socket->listener->receive_buffer = buffer_of(bytes);
    net_leave();
}

void net_set_send_buffer(struct net_socket *socket, size_t bytes)
{
    net_enter(socket);
    if (socket->end)
        socket->end->out.send_buffer = buffer_of(bytes);
    else
        socket->listener->send_buffer = buffer_of(bytes);
}

void net_set_nodelay(struct net_socket *socket, int on)
{
    net_enter(socket);
    if (socket->end) {
        socket->end->nodelay = on != 0;
        net_push(socket->end);
    }
    net_leave();
}

void net_drop_incoming(struct net_socket *socket)
{
    net_enter(socket);
    if (socket->end)
        net_end_deafen(socket->end);
    else
        socket->listener->deaf = true;
}

int net_port_is_free(int host, const struct transport_address *local)
{
    struct net_where where;
    net_enter(local);
    return net_where_of(local, &where) && net_host_has(host, &where) &&
           net_port_is_unused(host, &where, false);
}

/* ---- addresses without an answer --------------------------------------------------------------------------- */

static struct net_socket *on_loopback(int family, struct transport_address *out)
{
    if (net_address(family == TRANSPORT_AF_INET ? "127.0.0.1" : "::1", 0, out))
        return NULL;
    struct net_socket *socket = net_listen(0, out, 1024);
    if (socket)
        net_address_of(socket, 0, out);
    return socket;
}

/* Both stay until net_stop(). */
int net_black_hole(int family, struct transport_address *out)
{
    struct net_socket *socket = on_loopback(family, out);
    if (!socket)
        return -1;
    net_drop_incoming(socket);
    return 0;
}

int net_closed_port(int family, struct transport_address *out)
{
    struct net_socket *socket = on_loopback(family, out);
    if (!socket)
        return -1;
    socket->claim.listener = NULL; /* bound, and nobody listens */
    return 0;
}

int net_is_quiet(void)
{
    return net_world.on_the_way == 0;
}
