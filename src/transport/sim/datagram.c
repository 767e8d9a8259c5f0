/*
 * datagram.c - datagrams and the sockets that send and receive them, a peer's and the runtime's alike.
 *
 * What is handed over leaves the host in its order, one after the other, and until then takes its part of the send
 * buffer.  From there each datagram is a timer of its own: the weather loses, doubles and delays it, for each host
 * that it goes to apart; what one socket sends is overtaken only where the weather reorders.  Whether somebody there
 * wants it is seen when it arrives; if not, its sender hears of it by ICMP, if it has asked for that.
 */
#include "transport/sim/internal.h"

#include <string.h>
#include <ntstatus.h>

/* ---- addresses --------------------------------------------------------------------------------------------- */

bool net_where_is_multicast(const struct net_where *where)
{
    return net_where_is_v4(where) ? where->ip[12] >> 4 == 14 : where->ip[0] == 0xff;
}

/* Of the network 10/8, of the loopback network, or of whatever network it is sent to. */
static bool is_broadcast(const struct net_where *where)
{
    const uint8_t *ip = where->ip + 12;
    return net_where_is_v4(where) && ip[1] == 255 && ip[2] == 255 && ip[3] == 255 &&
           (ip[0] == 255 || ip[0] == 10 || ip[0] == 127);
}

/* The address from which `host` speaks on this interface; the port is left alone. */
static bool source_on(int host, uint32_t interface, bool v4, struct net_where *out)
{
    const struct net_host *at = &net_world.hosts[host];
    struct transport_address loopback;
    struct net_where found;
    bool have = interface == NET_LOOPBACK;
    if (have) {
        net_address(v4 ? "127.0.0.1" : "::1", 0, &loopback);
        net_where_of(&loopback, &found);
    }
    for (int i = 0; !have && i < at->count; i++) {
        found = at->addresses[i];
        have = net_where_is_v4(&found) == v4;
    }
    if (have) {
        found.port = out->port;
        *out = found;
    }
    return have;
}

static int32_t group_way(const struct net_udp *udp, uint32_t interface, struct net_letter *letter)
{
    bool loopback = !net_where_is_any(&letter->from) && net_where_is_loopback(&letter->from);
    if (letter->to.scope)
        interface = letter->to.scope;
    letter->to.scope = 0;
    if (interface == 0)
        interface = loopback || net_where_is_loopback(&letter->to) ? NET_LOOPBACK : NET_WIRE;
    if (interface > NET_WIRE || (loopback && interface != NET_LOOPBACK))
        return STATUS_INVALID_PARAMETER;
    letter->interface = interface;
    if (net_where_is_any(&letter->from) &&
        !source_on(udp->host, interface, net_where_is_v4(&letter->to), &letter->from))
        return STATUS_NETWORK_UNREACHABLE;
    return STATUS_SUCCESS;
}

int32_t net_udp_way(const struct net_udp *udp, const struct net_where *to, const struct net_where *source,
                    uint32_t interface, struct net_letter *out)
{
    bool v4 = net_where_is_v4(to), any = net_where_is_any(&udp->where);
    memset(out, 0, sizeof(*out));
    out->to = *to;
    out->from = source && !net_where_is_any(source) ? *source : udp->where;
    out->from.port = udp->where.port;
    out->host = -1;
    if (net_where_is_any(to) || to->port == 0)
        return STATUS_INVALID_ADDRESS_COMPONENT;
    if (interface > NET_WIRE)
        return STATUS_INVALID_PARAMETER;
    if (net_where_is_v4(&udp->where) != v4 && !(any && udp->dual))
        return STATUS_NETWORK_UNREACHABLE;
    if (!net_where_is_any(&out->from) &&
        (net_where_is_v4(&out->from) != v4 || !net_host_has(udp->host, &out->from)))
        return STATUS_INVALID_PARAMETER;
    out->flags = net_where_is_multicast(to) ? TRANSPORT_MULTICAST
                 : is_broadcast(to)         ? TRANSPORT_BROADCAST
                                            : 0;
    if (out->flags)
        return group_way(udp, interface, out);

    out->host = net_route(udp->host, to);
    bool near = out->host == udp->host;
    if (out->host < 0 && !net_is_near(to))
        return STATUS_NETWORK_UNREACHABLE;
    if (interface && interface != (near ? NET_LOOPBACK : NET_WIRE) && (!near || net_where_is_loopback(to)))
        return STATUS_NETWORK_UNREACHABLE;
    out->interface = near ? NET_LOOPBACK : NET_WIRE;
    if (net_where_is_any(&out->from)) {
        if (near ? net_source(udp->host, to, &out->from) : source_on(udp->host, NET_WIRE, v4, &out->from))
            return STATUS_SUCCESS;
        return STATUS_NETWORK_UNREACHABLE;
    }
    if (!near && net_where_is_loopback(&out->from))
        return STATUS_INVALID_PARAMETER; /* nobody there could answer */
    return STATUS_SUCCESS;
}

/* ---- ports ------------------------------------------------------------------------------------------------- */

static struct link *bucket_of(unsigned port)
{
    return &net_world.datagrams[port % NET_DATAGRAM_BUCKETS];
}

static bool is_free(int host, const struct net_where *where, bool dual, bool share)
{
    struct link *bucket = bucket_of(where->port);
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_udp *udp = LINK_OWNER(link, struct net_udp, link);
        if (udp->host == host && net_binds_overlap(where, dual, &udp->where, udp->dual) &&
            !(share && udp->runtime))
            return false;
    }
    return true;
}

static bool find_port(int host, struct net_where *where, bool dual, bool share)
{
    if (where->port)
        return is_free(host, where, dual, share);
    for (int i = 0; i < NET_PORT_COUNT; i++) {
        where->port = (uint16_t)(NET_PORT_LOW + net_world.next_port++ % NET_PORT_COUNT);
        if (is_free(host, where, dual, false))
            return true;
    }
    where->port = 0;
    return false;
}

static void left(struct sim_timer *timer);

void net_udp_init(struct net_udp *udp, int host, void *owner, net_event_function event)
{
    memset(udp, 0, sizeof(*udp));
    udp->host = host;
    udp->owner = owner;
    udp->event = event;
    udp->leave.fire = left;
    net_stream(&udp->rng);
    link_init(&udp->link);
    link_init(&udp->queue);
    link_init(&udp->members);
    link_init(&udp->leaving);
}

bool net_udp_bind(struct net_udp *udp, struct net_where *where, bool dual, bool share)
{
    assert(!udp->bound);
    if (!find_port(udp->host, where, dual, share))
        return false;
    udp->where = *where;
    udp->dual = dual;
    udp->bound = true;
    link_append(bucket_of(where->port), &udp->link);
    return true;
}

/* ---- groups ------------------------------------------------------------------------------------------------ */

struct member {
    struct link link;
    struct net_where group, source;
    bool any_source;
    uint32_t interface;
};

static void member_free(struct member *member)
{
    link_remove(&member->link);
    net_free(member, sizeof(*member));
}

static int32_t group_leave(struct net_udp *udp, const struct net_where *group, const struct net_where *source,
                           uint32_t interface)
{
    int32_t status = STATUS_INVALID_ADDRESS_COMPONENT;
    for (struct link *link = udp->members.next, *next; link != &udp->members; link = next) {
        struct member *member = LINK_OWNER(link, struct member, link);
        next = link->next;
        if (!net_where_same_ip(&member->group, group) || (interface && member->interface != interface) ||
            (source && (member->any_source || !net_where_same_ip(&member->source, source))))
            continue;
        interface = member->interface; /* of one interface, the first that was joined */
        member_free(member);
        status = STATUS_SUCCESS;
    }
    return status;
}

static int32_t group_join(struct net_udp *udp, const struct net_where *group, const struct net_where *source,
                          uint32_t interface)
{
    if (interface == 0)
        interface = NET_WIRE;
    for (struct link *link = udp->members.next; link != &udp->members; link = link->next) {
        struct member *member = LINK_OWNER(link, struct member, link);
        if (!net_where_same_ip(&member->group, group) || member->interface != interface)
            continue;
        if (!source)
            return STATUS_ADDRESS_ALREADY_EXISTS;
        if (member->any_source)
            return STATUS_INVALID_PARAMETER;
        if (net_where_same_ip(&member->source, source))
            return STATUS_INVALID_ADDRESS_COMPONENT; /* EADDRNOTAVAIL, as Linux has it */
    }
    struct member *member = net_allocate(sizeof(*member));
    if (!member)
        return STATUS_INSUFFICIENT_RESOURCES;
    member->group = *group;
    member->interface = interface;
    member->any_source = !source;
    if (source)
        member->source = *source;
    link_append(&udp->members, &member->link);
    return STATUS_SUCCESS;
}

int32_t net_udp_group(struct net_udp *udp, bool join, const struct net_where *group,
                      const struct net_where *source, uint32_t interface)
{
    struct net_where address = *group;
    if (!interface)
        interface = address.scope;
    address.scope = 0;
    if (!net_where_is_multicast(group) || interface > NET_WIRE ||
        (source && (net_where_is_v4(source) != net_where_is_v4(group) || net_where_is_multicast(source))))
        return STATUS_INVALID_PARAMETER;
    return join ? group_join(udp, &address, source, interface)
                : group_leave(udp, &address, source, interface);
}

static bool is_member(const struct net_udp *udp, const struct net_letter *letter)
{
    for (struct link *link = udp->members.next; link != &udp->members; link = link->next) {
        const struct member *member = LINK_OWNER(link, struct member, link);
        if (net_where_same_ip(&member->group, &letter->to) && member->interface == letter->interface &&
            (member->any_source || net_where_same_ip(&member->source, &letter->from)))
            return true;
    }
    return false;
}

/* ---- packets ----------------------------------------------------------------------------------------------- */

static struct net_packet *packet_new(const struct net_letter *letter, size_t bytes)
{
    struct net_packet *packet = net_allocate(sizeof(*packet) + bytes);
    if (!packet)
        return NULL;
    link_init(&packet->link);
    packet->letter = *letter;
    packet->bytes = bytes;
    return packet;
}

static struct net_packet *packet_copy(const struct net_packet *packet)
{
    struct net_packet *copy = packet_new(&packet->letter, packet->bytes);
    if (copy)
        memcpy(copy->data, packet->data, packet->bytes);
    return copy;
}

void net_packet_free(struct net_packet *packet)
{
    link_remove(&packet->link);
    net_free(packet, sizeof(*packet) + packet->bytes);
}

/* What a datagram takes of a buffer: one without bytes something, too. */
static size_t charge_of(size_t bytes)
{
    return bytes ? bytes : 1;
}

/* ---- arriving ---------------------------------------------------------------------------------------------- */

static bool covers(const struct net_udp *udp, int host, const struct net_where *to)
{
    bool v4 = net_where_is_v4(to);
    return udp->host == host && udp->where.port == to->port && net_where_is_any(&udp->where) &&
           (net_where_is_v4(&udp->where) == v4 || (v4 && udp->dual));
}

/* The socket that a datagram reaches: its very address goes before the wildcard. */
static struct net_udp *find(int host, const struct net_where *to)
{
    struct link *bucket = bucket_of(to->port);
    struct net_udp *found = NULL;
    int best = -1;
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_udp *udp = LINK_OWNER(link, struct net_udp, link);
        if (!covers(udp, host, to) && !(udp->host == host && net_where_same(&udp->where, to)))
            continue;
        int good = net_bind_fits(&udp->where, to);
        if (good >= best) { /* of those that fit as well, the last */
            best = good;
            found = udp;
        }
    }
    return found;
}

static void deliver(struct net_udp *udp, struct net_packet *packet)
{
    size_t limit = udp->receive_buffer ? udp->receive_buffer : net_world.weather.receive_buffer;
    size_t charge = charge_of(packet->bytes);
    if (!link_empty(&udp->queue) && udp->queued + charge > limit) {
        net_packet_free(packet); /* lost, and nobody tells; one always fits, however long it is */
        return;
    }
    sim_progress();
    udp->queued += charge;
    link_append(&udp->queue, &packet->link);
    udp->event(udp->owner, NET_READ);
}

static void deliver_to_group(struct net_packet *packet)
{
    const struct net_letter *letter = &packet->letter;
    struct link *bucket = bucket_of(letter->to.port);
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_udp *udp = LINK_OWNER(link, struct net_udp, link);
        if (!covers(udp, letter->host, &letter->to) ||
            (letter->flags & TRANSPORT_MULTICAST && !is_member(udp, letter)))
            continue;
        struct net_packet *copy = packet_copy(packet);
        if (copy)
            deliver(udp, copy);
    }
    net_packet_free(packet);
}

static void put_on_the_wire(struct net_udp *udp, struct net_packet *packet, uint64_t due);

/* Nobody has got it: its sender, which may be gone by now, hears of it if it has asked for that. */
static void send_back(const struct net_letter *letter, bool no_host, uint64_t due)
{
    bool v4 = net_where_is_v4(&letter->to);
    int host = no_host ? letter->host : net_route(letter->host, &letter->from);
    struct net_udp *sender = host < 0 ? NULL : find(host, &letter->from);
    struct net_packet *answer = sender && sender->errors ? packet_new(letter, 0) : NULL;
    if (!answer)
        return;
    answer->letter.host = host;
    answer->letter.failed = true;
    answer->letter.type = v4 ? 3 : 1;                            /* destination unreachable: */
    answer->letter.code = no_host ? (v4 ? 1 : 3) : (v4 ? 3 : 4); /* its host, or its port */
    put_on_the_wire(sender, answer, due);
}

static void arrive(struct sim_timer *timer)
{
    struct net_packet *packet = LINK_OWNER(timer, struct net_packet, timer);
    const struct net_letter *letter = &packet->letter;
    const struct net_where *to = letter->failed ? &letter->from : &letter->to;
    net_fire();
    net_world.on_the_way--;
    link_remove(&packet->link);
    bool here = letter->flags == 0 && net_host_has(letter->host, to);
    struct net_udp *udp = here ? find(letter->host, to) : NULL;
    if (letter->flags) {
        deliver_to_group(packet);
    } else if (udp && (!letter->failed || udp->errors)) {
        deliver(udp, packet);
    } else {
        if (here && !letter->failed)
            send_back(letter, false, net_world.now);
        net_packet_free(packet);
    }
    net_leave();
}

/* ---- leaving ----------------------------------------------------------------------------------------------- */

struct leaving {
    struct link link;
    uint64_t due;
    size_t bytes, charge;
};

static size_t send_buffer_of(const struct net_udp *udp)
{
    return udp->send_buffer ? udp->send_buffer : net_world.weather.send_buffer;
}

bool net_udp_has_room(const struct net_udp *udp)
{
    return udp->charged < send_buffer_of(udp);
}

static void forget_leaving(struct net_udp *udp, struct leaving *leaving)
{
    udp->unsent -= leaving->bytes;
    udp->charged -= leaving->charge;
    link_remove(&leaving->link);
    net_free(leaving, sizeof(*leaving));
}

static void left(struct sim_timer *timer)
{
    struct net_udp *udp = LINK_OWNER(timer, struct net_udp, leave);
    net_fire();
    while (!link_empty(&udp->leaving)) {
        struct leaving *leaving = LINK_OWNER(udp->leaving.next, struct leaving, link);
        if (leaving->due > net_world.now) {
            sim_timer_set(&udp->leave, leaving->due);
            break;
        }
        forget_leaving(udp, leaving);
    }
    if (udp->charged <= send_buffer_of(udp) / 2) /* not at once, as poll() has it */
        udp->event(udp->owner, NET_ROOM);
    net_leave();
}

/* Takes its place behind what has not left yet: when it leaves. */
static uint64_t queue_up(struct net_udp *udp, size_t bytes)
{
    const struct net_weather *weather = &net_world.weather;
    uint64_t due = udp->busy_until > net_world.now ? udp->busy_until : net_world.now;
    /* Held up: the queue is full until it has left, whoever else has filled it. */
    bool held_up = net_chance(&udp->rng, weather->coalesce_percent);
    due += net_draw(&udp->rng, 0, held_up ? weather->latency_max_ns : weather->latency_min_ns);
    udp->busy_until = due;
    struct leaving *leaving = net_allocate(sizeof(*leaving));
    if (!leaving)
        return due; /* not counted */
    leaving->due = due;
    leaving->bytes = bytes;
    leaving->charge = charge_of(bytes);
    if (held_up && leaving->charge < send_buffer_of(udp))
        leaving->charge = send_buffer_of(udp);
    udp->unsent += bytes;
    udp->charged += leaving->charge;
    if (link_empty(&udp->leaving))
        sim_timer_set(&udp->leave, due);
    link_append(&udp->leaving, &leaving->link);
    return due;
}

static void put_on_the_wire(struct net_udp *udp, struct net_packet *packet, uint64_t due)
{
    const struct net_weather *weather = &net_world.weather;
    uint64_t arrival = due + net_draw(&udp->rng, weather->latency_min_ns, weather->latency_max_ns);
    if (arrival < udp->last_arrival)
        arrival = udp->last_arrival;
    if (net_chance(&udp->rng, weather->reorder_percent))
        arrival += net_draw(&udp->rng, 0, 4 * weather->latency_max_ns); /* others may come before it */
    else
        udp->last_arrival = arrival;
    link_append(&net_world.packets, &packet->link);
    packet->timer.fire = arrive;
    net_world.on_the_way++;
    sim_timer_set(&packet->timer, arrival);
}

/* A copy to one host, as the weather will have it. */
static void carry(struct net_udp *udp, const struct net_packet *packet, int host, uint64_t due)
{
    const struct net_weather *weather = &net_world.weather;
    if (net_chance(&udp->rng, weather->loss_percent))
        return;
    int copies = 1 + net_chance(&udp->rng, weather->duplicate_percent);
    for (; copies; copies--) {
        struct net_packet *copy = packet_copy(packet);
        if (!copy)
            return; /* lost, too */
        copy->letter.host = host;
        put_on_the_wire(udp, copy, due);
    }
}

static void send_packet(struct net_udp *udp, const struct net_packet *packet, bool loop)
{
    const struct net_letter *letter = &packet->letter;
    uint64_t due = queue_up(udp, packet->bytes);
    if (letter->flags == 0) {
        struct net_letter lost = *letter;
        lost.host = udp->host;
        if (letter->host >= 0)
            carry(udp, packet, letter->host, due);
        else if (udp->errors)
            send_back(&lost, true, due + NET_NO_NEIGHBOUR);
        return;
    }
    /* On the loopback interface and of broadcasts the own host always gets one. */
    if (loop || letter->interface == NET_LOOPBACK || letter->flags & TRANSPORT_BROADCAST)
        carry(udp, packet, udp->host, due);
    for (int host = 0; letter->interface == NET_WIRE && letter->hops && host < net_world.host_count; host++) {
        if (host != udp->host)
            carry(udp, packet, host, due);
    }
}

static size_t most_of(const struct net_letter *letter)
{
    return net_where_is_v4(&letter->to) ? NET_DATAGRAM_MOST_V4 : NET_DATAGRAM_MOST_V6;
}

int32_t net_udp_send(struct net_udp *udp, const struct net_letter *letter, bool loop, size_t bytes,
                     net_gather gather, void *context)
{
    int32_t status = STATUS_SUCCESS;
    if (bytes > most_of(letter))
        return STATUS_INVALID_BUFFER_SIZE;
    struct net_packet *packet = packet_new(letter, bytes);
    if (!packet)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (bytes == 0 || gather(context, packet->data, bytes))
        send_packet(udp, packet, loop);
    else
        status = STATUS_INVALID_PARAMETER; /* less memory than was said */
    net_packet_free(packet);
    return status;
}

/* ---- receiving --------------------------------------------------------------------------------------------- */

int64_t net_udp_readable(const struct net_udp *udp)
{
    return link_empty(&udp->queue) ? -1
                                   : (int64_t)LINK_OWNER(udp->queue.next, struct net_packet, link)->bytes;
}

static bool same_letter(const struct net_letter *a, const struct net_letter *b)
{
    return net_where_same(&a->from, &b->from) && net_where_same(&a->to, &b->to) && a->hops == b->hops &&
           a->traffic_class == b->traffic_class && a->interface == b->interface && !a->failed && !b->failed;
}

/* How many of those that wait can be one, up to `most` bytes of *bytes. */
static size_t can_join(const struct net_udp *udp, const struct net_packet *first, size_t most, size_t *bytes)
{
    size_t count = 1, sum = first->bytes, last = first->bytes;
    for (struct link *link = first->link.next; link != &udp->queue; link = link->next) {
        const struct net_packet *packet = LINK_OWNER(link, struct net_packet, link);
        if (last < first->bytes || packet->bytes == 0 || packet->bytes > first->bytes ||
            sum + packet->bytes > most || !same_letter(&first->letter, &packet->letter))
            break;
        last = packet->bytes;
        sum += last;
        count++;
    }
    *bytes = sum;
    return count;
}

static struct net_packet *take_first(struct net_udp *udp)
{
    struct net_packet *packet = LINK_OWNER(udp->queue.next, struct net_packet, link);
    link_remove(&packet->link);
    udp->queued -= charge_of(packet->bytes);
    return packet;
}

struct net_packet *net_udp_take(struct net_udp *udp, size_t join)
{
    size_t bytes, at = 0;
    if (link_empty(&udp->queue))
        return NULL;
    if (join > NET_DATAGRAM_MOST_V6)
        join = NET_DATAGRAM_MOST_V6;
    struct net_packet *first = LINK_OWNER(udp->queue.next, struct net_packet, link);
    if (join == 0 || can_join(udp, first, join, &bytes) == 1 || net_chance(&udp->rng, 50))
        return take_first(udp);
    struct net_packet *joined = packet_new(&first->letter, bytes);
    if (!joined)
        return take_first(udp);
    joined->segment = (uint32_t)first->bytes;
    while (at < bytes) {
        struct net_packet *packet = take_first(udp);
        memcpy(joined->data + at, packet->data, packet->bytes);
        at += packet->bytes;
        net_packet_free(packet);
    }
    return joined;
}

void net_letter_out(const struct net_packet *packet, int family, unsigned known,
                    struct transport_datagram *out)
{
    const struct net_letter *letter = &packet->letter;
    memset(out, 0, sizeof(*out));
    out->known = TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE |
                 (known & (TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS));
    net_where_out(&letter->from, family, &out->remote);
    net_where_out(&letter->to, family, &out->local);
    out->flags = letter->flags;
    out->interface = letter->interface;
    if (letter->failed) { /* where it was to go, and where from */
        net_where_out(&letter->to, family, &out->remote);
        net_where_out(&letter->from, family, &out->local);
        out->known = TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_ERROR;
        out->error.v6 = !net_where_is_v4(&letter->to);
        out->error.type = letter->type;
        out->error.code = letter->code;
        return;
    }
    if (out->known & TRANSPORT_KNOWS_HOPS)
        out->hops = letter->hops;
    if (out->known & TRANSPORT_KNOWS_CLASS)
        out->traffic_class = letter->traffic_class;
    if (packet->segment) {
        out->known |= TRANSPORT_KNOWS_SEGMENT;
        out->segment = packet->segment;
    }
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

void net_udp_close(struct net_udp *udp)
{
    while (!link_empty(&udp->queue))
        net_packet_free(take_first(udp));
    while (!link_empty(&udp->members))
        member_free(LINK_OWNER(udp->members.next, struct member, link));
    sim_timer_cancel(&udp->leave); /* what was handed over goes its way */
    while (!link_empty(&udp->leaving))
        forget_leaving(udp, LINK_OWNER(udp->leaving.next, struct leaving, link));
    link_remove(&udp->link);
    udp->bound = false;
}

void net_datagrams_stop(void)
{
    struct link *head = &net_world.packets;
    for (struct link *link = head->next; link != head; link = link->next)
        sim_timer_cancel(&LINK_OWNER(link, struct net_packet, link)->timer);
    for (int i = 0; i < NET_DATAGRAM_BUCKETS; i++) {
        head = &net_world.datagrams[i];
        for (struct link *link = head->next; link != head; link = link->next)
            sim_timer_cancel(&LINK_OWNER(link, struct net_udp, link)->leave);
    }
}
