/*
 * datagram.c - a peer's datagram sockets.  Each datagram is a timer of its own, so that a late one is overtaken;
 * the weather loses, doubles and delays them.
 */
#include "transport/sim/internal.h"

#include <string.h>

struct packet {
    struct link link; /* world.packets, then the receiver's queue */
    struct sim_timer timer;
    int host; /* where it goes */
    struct net_where from, to;
    size_t bytes;
    char data[];
};

struct net_datagram {
    struct link link;
    int host, family;
    struct net_where where;
    struct sim_rng rng;
    struct link queue;
    size_t queued;
    struct net_waiter waiter;
};

enum { DATAGRAM_MOST = 16384 }; /* what the pool gives in one piece */

static struct link *bucket_of(unsigned port)
{
    return &net_world.datagrams[port % NET_DATAGRAM_BUCKETS];
}

/* The socket that a datagram for this address reaches: its very address goes before the wildcard. */
static struct net_datagram *find(int host, const struct net_where *where)
{
    struct link *bucket = bucket_of(where->port);
    struct net_datagram *general = NULL;
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_datagram *socket = LINK_OWNER(link, struct net_datagram, link);
        if (socket->host != host || socket->where.port != where->port)
            continue;
        if (net_where_same_ip(&socket->where, where))
            return socket;
        if (net_where_is_any(&socket->where) && net_where_is_v4(&socket->where) == net_where_is_v4(where))
            general = socket;
    }
    return general;
}

static bool is_free(int host, const struct net_where *where)
{
    struct link *bucket = bucket_of(where->port);
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_datagram *socket = LINK_OWNER(link, struct net_datagram, link);
        if (socket->host == host && socket->where.port == where->port &&
            net_where_is_v4(&socket->where) == net_where_is_v4(where) &&
            (net_where_is_any(where) || net_where_is_any(&socket->where) ||
             net_where_same_ip(&socket->where, where)))
            return false;
    }
    return true;
}

static bool find_port(int host, struct net_where *where)
{
    if (where->port)
        return is_free(host, where);
    for (int i = 0; i < NET_PORT_COUNT; i++) {
        where->port = (uint16_t)(NET_PORT_LOW + net_world.next_port++ % NET_PORT_COUNT);
        if (is_free(host, where))
            return true;
    }
    return false;
}

struct net_datagram *net_datagram_open(int host, const struct transport_address *local)
{
    struct net_where where;
    net_enter(local);
    if (host < 0 || host >= net_world.host_count || !net_where_of(local, &where) ||
        !net_host_has(host, &where) || !find_port(host, &where))
        return NULL;
    struct net_datagram *socket = net_allocate(sizeof(*socket));
    if (!socket)
        return NULL;
    socket->host = host;
    socket->family = local->family;
    socket->where = where;
    net_stream(&socket->rng);
    link_init(&socket->queue);
    net_waiter_init(&socket->waiter);
    link_append(bucket_of(where.port), &socket->link);
    return socket;
}

static void packet_free(struct packet *packet)
{
    link_remove(&packet->link);
    net_free(packet, sizeof(*packet) + packet->bytes);
}

static void arrive(struct sim_timer *timer)
{
    struct packet *packet = LINK_OWNER(timer, struct packet, timer);
    struct net_datagram *socket = find(packet->host, &packet->to);
    net_fire();
    net_world.on_the_way--;
    link_remove(&packet->link);
    if (!socket || socket->queued + packet->bytes > net_world.weather.receive_buffer) {
        packet_free(packet); /* nobody there, or no room: lost, and nobody tells */
        return;
    }
    sim_progress();
    socket->queued += packet->bytes;
    link_append(&socket->queue, &packet->link);
    net_wake(&socket->waiter);
    net_leave();
}

static int send_one(struct net_datagram *socket, int host, const struct net_where *from,
                    const struct net_where *to, const void *data, size_t bytes)
{
    const struct net_weather *weather = &net_world.weather;
    struct packet *packet = net_allocate(sizeof(*packet) + bytes);
    if (!packet)
        return NET_NO_MEMORY;
    packet->host = host;
    packet->from = *from;
    packet->to = *to;
    packet->bytes = bytes;
    memcpy(packet->data, data, bytes);
    uint64_t delay = net_draw(&socket->rng, weather->latency_min_ns, weather->latency_max_ns);
    if (net_chance(&socket->rng, weather->reorder_percent))
        delay += net_draw(&socket->rng, 0, 4 * weather->latency_max_ns);
    link_append(&net_world.packets, &packet->link);
    packet->timer.fire = arrive;
    net_world.on_the_way++;
    sim_timer_set(&packet->timer, net_world.now + delay);
    return NET_OK;
}

int net_datagram_send_to(struct net_datagram *socket, const void *data, size_t bytes,
                         const struct transport_address *to)
{
    const struct net_weather *weather = &net_world.weather;
    struct net_where target, source = socket->where;
    net_enter(socket);
    if (!net_where_of(to, &target) || bytes > DATAGRAM_MOST - sizeof(struct packet))
        return NET_UNREACHABLE;
    int host = net_route(socket->host, &target);
    if (net_where_is_any(&source) && !net_source(socket->host, &target, &source))
        return NET_UNREACHABLE;
    if (host < 0)
        return net_is_near(&target) ? NET_OK : NET_UNREACHABLE;
    if (net_chance(&socket->rng, weather->loss_percent))
        return NET_OK;
    int result = send_one(socket, host, &source, &target, data, bytes);
    if (result == NET_OK && net_chance(&socket->rng, weather->duplicate_percent))
        send_one(socket, host, &source, &target, data, bytes);
    return result;
}

long net_datagram_receive_from(struct net_datagram *socket, void *data, size_t bytes,
                               struct transport_address *from, uint64_t timeout_ns)
{
    net_enter(socket);
    uint64_t now = net_world.now;
    uint64_t deadline = timeout_ns > HOST_FOREVER - now ? HOST_FOREVER : now + timeout_ns;
    while (link_empty(&socket->queue)) {
        if (!net_sleep(&socket->waiter, deadline) && link_empty(&socket->queue))
            return NET_TIMEOUT;
    }
    struct packet *packet = LINK_OWNER(socket->queue.next, struct packet, link);
    long size = (long)packet->bytes;
    memcpy(data, packet->data, packet->bytes < bytes ? packet->bytes : bytes);
    if (from)
        net_where_out(&packet->from, socket->family, from);
    socket->queued -= packet->bytes;
    packet_free(packet);
    return size;
}

void net_datagram_address_of(struct net_datagram *socket, struct transport_address *out)
{
    net_enter(socket);
    net_where_out(&socket->where, socket->family, out);
}

void net_datagram_close(struct net_datagram *socket)
{
    net_enter(socket);
    while (!link_empty(&socket->queue))
        packet_free(LINK_OWNER(socket->queue.next, struct packet, link));
    link_remove(&socket->link);
    net_waiter_close(&socket->waiter);
    net_free(socket, sizeof(*socket));
}

void net_datagrams_stop(void)
{
    struct link *head = &net_world.packets;
    for (struct link *link = head->next; link != head; link = link->next)
        sim_timer_cancel(&LINK_OWNER(link, struct packet, link)->timer);
}
