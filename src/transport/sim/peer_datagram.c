/*
 * peer_datagram.c - a peer's datagram sockets: what a plain program does with sendmsg(2) and recvmsg(2), on fibers.
 * A peer's sends never wait, and it may send to broadcast addresses.
 */
#include "transport/sim/internal.h"

#include <string.h>
#include <ntstatus.h>

struct net_datagram {
    struct net_udp udp;
    int family;
    struct net_waiter waiter;
};

static void told(void *owner, unsigned events)
{
    struct net_datagram *socket = owner;
    if (events & NET_READ)
        net_wake(&socket->waiter);
}

static int result_of(int32_t status)
{
    switch (status) {
    case STATUS_SUCCESS:
        return NET_OK;
    case STATUS_INSUFFICIENT_RESOURCES:
        return NET_NO_MEMORY;
    case STATUS_ADDRESS_ALREADY_EXISTS:
        return NET_IN_USE;
    case STATUS_INVALID_BUFFER_SIZE:
        return NET_TOO_LONG;
    default:
        return NET_UNREACHABLE;
    }
}

struct net_datagram *net_datagram_open(int host, const struct transport_address *local)
{
    struct net_where where;
    net_enter(local);
    if (host < 0 || host >= net_world.host_count || !net_where_of(local, &where) ||
        !net_host_has(host, &where))
        return NULL;
    struct net_datagram *socket = net_allocate(sizeof(*socket));
    if (!socket)
        return NULL;
    net_udp_init(&socket->udp, host, socket, told);
    if (!net_udp_bind(&socket->udp, &where, false, false)) {
        net_free(socket, sizeof(*socket));
        return NULL;
    }
    socket->family = local->family;
    net_waiter_init(&socket->waiter);
    return socket;
}

static bool gather(void *context, void *to, size_t bytes)
{
    memcpy(to, context, bytes);
    return true;
}

int net_datagram_send(struct net_datagram *socket, const void *data, size_t bytes,
                      const struct transport_datagram *about)
{
    unsigned known = about->known;
    struct net_where to, source;
    struct net_letter letter;
    net_enter(socket);
    if (!net_where_of(&about->remote, &to) ||
        (known & TRANSPORT_KNOWS_LOCAL && !net_where_of(&about->local, &source)))
        return NET_UNREACHABLE;
    int32_t status = net_udp_way(&socket->udp, &to, known & TRANSPORT_KNOWS_LOCAL ? &source : NULL,
                                 known & TRANSPORT_KNOWS_INTERFACE ? about->interface : 0, &letter);
    if (status)
        return result_of(status);
    letter.hops = letter.flags & TRANSPORT_MULTICAST ? 1 : NET_HOPS;
    if (known & TRANSPORT_KNOWS_HOPS)
        letter.hops = (uint8_t)about->hops;
    if (known & TRANSPORT_KNOWS_CLASS)
        letter.traffic_class = (uint8_t)about->traffic_class;
    size_t segment = known & TRANSPORT_KNOWS_SEGMENT && about->segment ? about->segment : bytes;
    const char *from = data;
    do {
        size_t piece = bytes < segment ? bytes : segment;
        status = net_udp_send(&socket->udp, &letter, true, piece, gather, (void *)from);
        from += piece;
        bytes -= piece;
    } while (bytes && status == STATUS_SUCCESS);
    return result_of(status);
}

int net_datagram_send_to(struct net_datagram *socket, const void *data, size_t bytes,
                         const struct transport_address *to)
{
    struct transport_datagram about = {.remote = *to};
    return net_datagram_send(socket, data, bytes, &about);
}

long net_datagram_receive(struct net_datagram *socket, void *data, size_t bytes,
                          struct transport_datagram *about, uint64_t timeout_ns)
{
    struct net_packet *packet;
    net_enter(socket);
    uint64_t now = net_world.now;
    uint64_t deadline = timeout_ns > HOST_FOREVER - now ? HOST_FOREVER : now + timeout_ns;
    while ((packet = net_udp_take(&socket->udp, 0)) == NULL) {
        if (!net_sleep(&socket->waiter, deadline) && link_empty(&socket->udp.queue))
            return NET_TIMEOUT;
    }
    long size = (long)packet->bytes;
    memcpy(data, packet->data, packet->bytes < bytes ? packet->bytes : bytes);
    if (about) {
        net_letter_out(packet, socket->family, ~0u, about);
        if (packet->bytes > bytes)
            about->flags |= TRANSPORT_TRUNCATED;
    }
    net_packet_free(packet);
    return size;
}

long net_datagram_receive_from(struct net_datagram *socket, void *data, size_t bytes,
                               struct transport_address *from, uint64_t timeout_ns)
{
    struct transport_datagram about;
    long size = net_datagram_receive(socket, data, bytes, &about, timeout_ns);
    if (size >= 0 && from)
        *from = about.remote;
    return size;
}

int net_datagram_group(struct net_datagram *socket, int join, const struct transport_address *group,
                       const struct transport_address *source, unsigned interface)
{
    struct net_where to, from;
    net_enter(socket);
    if (!net_where_of(group, &to) || (source && !net_where_of(source, &from)))
        return NET_UNREACHABLE;
    return result_of(net_udp_group(&socket->udp, join != 0, &to, source ? &from : NULL, interface));
}

void net_datagram_set_receive_buffer(struct net_datagram *socket, size_t bytes)
{
    net_enter(socket);
    socket->udp.receive_buffer = bytes;
}

void net_datagram_address_of(struct net_datagram *socket, struct transport_address *out)
{
    net_enter(socket);
    net_where_out(&socket->udp.where, socket->family, out);
}

void net_datagram_close(struct net_datagram *socket)
{
    net_enter(socket);
    net_udp_close(&socket->udp);
    net_waiter_close(&socket->waiter);
    net_free(socket, sizeof(*socket));
}
