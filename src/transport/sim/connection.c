/*
 * connection.c - a connection's birth, life and end, as Linux' TCP shows it on loopback (docs/linux-facts.md).
 *
 * Both ends stand in one struct net_connection.  An end that its owner has closed goes on by itself until both
 * FINs are acknowledged; the structure is freed when nobody owns an end, none has anything left to do, and the
 * wires are empty.
 */
#include "transport/sim/internal.h"

#include <string.h>
#include <ntstatus.h>

/* ---- what it is like --------------------------------------------------------------------------------------- */

int net_tcp_state(const struct net_end *end)
{
    const struct net_flow *out = &end->out, *in = net_in((struct net_end *)end);
    if (end->gone || !end->exists)
        return NET_TCP_CLOSE;
    if (!end->established)
        return end == &end->connection->end[0] ? NET_TCP_SYN_SENT : NET_TCP_SYN_RECV;
    if (!out->fin_queued)
        return in->fin_delivered ? NET_TCP_CLOSE_WAIT : NET_TCP_ESTABLISHED;
    if (!in->fin_delivered)
        return out->fin_acked ? NET_TCP_FIN_WAIT2 : NET_TCP_FIN_WAIT1;
    return end->fin_was_first ? NET_TCP_LAST_ACK : NET_TCP_CLOSING;
}

size_t net_end_room(const struct net_end *end)
{
    uint64_t waits = end->out.written - end->out.acked;
    return waits < end->out.send_buffer ? (size_t)(end->out.send_buffer - waits) : 0;
}

size_t net_end_readable(struct net_end *end)
{
    const struct net_flow *in = net_in(end);
    return (size_t)(in->delivered - in->consumed);
}

bool net_end_has_fin(struct net_end *end)
{
    return net_in(end)->fin_delivered;
}

int64_t net_end_unsent(const struct net_end *end)
{
    const struct net_flow *out = &end->out;
    return end->gone ? 0 : (int64_t)(out->written - out->sent) + (out->fin_queued && !out->fin_sent);
}

int64_t net_end_unacked(const struct net_end *end)
{
    const struct net_flow *out = &end->out;
    return end->gone ? 0 : (int64_t)(out->written - out->acked) + (out->fin_queued && !out->fin_acked);
}

/* As on Linux: twice the window, which here is the receiver's alone, and not more than the send buffer takes. */
int64_t net_end_ideal_backlog(const struct net_end *end)
{
    const struct net_flow *out = &end->out;
    int64_t ideal = (int64_t)(out->edge - out->acked) * 2, most = (int64_t)out->send_buffer;
    if (end->gone)
        return -1;
    ideal = ideal < most ? ideal : most;
    return ideal > NET_MSS ? ideal : NET_MSS;
}

/* ---- its end ----------------------------------------------------------------------------------------------- */

void net_end_tell(struct net_end *end, unsigned events)
{
    if (end->event)
        end->event(end->owner, events);
}

static void leave_listener(struct net_end *end)
{
    if (!end->listener)
        return;
    link_remove(&end->queue);
    end->listener->waiting--;
    end->listener = NULL;
}

static void end_is_gone(struct net_end *end, bool time_wait)
{
    end->gone = true;
    net_stop_sending(end);
    net_use_drop(&end->use, time_wait);
    if (!end->connection->end[0].gone || (end->connection->end[1].exists && !end->connection->end[1].gone))
        return;
    sim_timer_cancel(&end->connection->fate);
}

void net_end_die(struct net_end *end, int32_t reason)
{
    if (end->gone)
        return;
    sim_progress();
    end->reason = reason;
    end->out.written = end->out.sent; /* what had not left never will */
    bool young = end->listener && !end->established;
    net_stop_timers(end);
    end_is_gone(end, false);
    if (young) { /* nobody ever hears of it; a ready one stays in its queue, as on Linux */
        leave_listener(end);
        end->closed = true;
    }
    net_end_tell(end, NET_DEAD | NET_CONNECTED | NET_READ | NET_ROOM | NET_SENT | NET_ACKED);
}

void net_end_check(struct net_end *end)
{
    if (end->gone || !end->out.fin_acked || !net_in(end)->fin_delivered)
        return;
    end_is_gone(end, !end->fin_was_first); /* the ACK of the peer's FIN may still be owed */
}

void net_connection_check(struct net_connection *connection)
{
    for (int side = 0; side < 2; side++) {
        const struct net_end *end = &connection->end[side];
        if (end->first || end->ack_owed || (end->exists && (!end->gone || !end->closed)))
            return;
    }
    link_remove(&connection->link);
    sim_timer_cancel(&connection->fate);
    for (int side = 0; side < 2; side++)
        net_flow_close(&connection->end[side].out);
    net_free(connection, sizeof(*connection));
}

static bool needs_reset(const struct net_end *end)
{
    switch (net_tcp_state(end)) {
    case NET_TCP_ESTABLISHED:
    case NET_TCP_CLOSE_WAIT:
    case NET_TCP_FIN_WAIT1:
    case NET_TCP_FIN_WAIT2:
    case NET_TCP_SYN_RECV:
        return true;
    case NET_TCP_CLOSING:
    case NET_TCP_LAST_ACK:
        return net_end_unsent(end) > 0;
    default:
        return false;
    }
}

static void throw_away_unread(struct net_end *end)
{
    net_flow_read(net_in(end), NULL, net_end_readable(end));
}

void net_end_abort(struct net_end *end)
{
    if (end->gone) {
        throw_away_unread(end);
        return;
    }
    if (needs_reset(end))
        net_put(end, SEGMENT_RST);
    throw_away_unread(end);
    net_end_die(end, STATUS_CONNECTION_ABORTED);
}

void net_end_shutdown(struct net_end *end)
{
    if (end->gone || end->out.fin_queued)
        return;
    end->out.fin_queued = true;
    end->fin_was_first = net_end_has_fin(end);
    net_push(end);
    net_watch_silence(end);
}

void net_end_close(struct net_end *end)
{
    size_t unread = net_end_readable(end);
    end->owner = NULL;
    end->event = NULL;
    end->closed = true;
    leave_listener(end);
    if (!end->gone) {
        if (!end->established || end->mute)
            net_end_abort(end);
        else if (unread) {
            net_put(end, SEGMENT_RST); /* whoever closes on unread data says that it was not taken */
            throw_away_unread(end);
            net_end_die(end, STATUS_CONNECTION_ABORTED);
        } else
            net_end_shutdown(end);
    } else
        throw_away_unread(end);
    net_connection_check(end->connection);
}

/* ---- its life ---------------------------------------------------------------------------------------------- */

long net_end_write(struct net_end *end, const void *data, size_t bytes)
{
    size_t room = net_end_room(end);
    uint64_t before = end->out.written;
    if (bytes > room)
        bytes = room;
    if (bytes && net_flow_write(&end->out, data, bytes) != 0 && end->out.written == before)
        return -1;
    return (long)(end->out.written - before);
}

size_t net_end_read(struct net_end *end, void *data, size_t bytes)
{
    size_t there = net_end_readable(end);
    if (bytes > there)
        bytes = there;
    net_flow_read(net_in(end), data, bytes);
    return bytes;
}

void net_end_was_read(struct net_end *end)
{
    struct net_flow *in = net_in(end);
    uint64_t edge = in->consumed + in->receive_buffer;
    if (end->gone || !end->established || in->fin_delivered || edge <= in->told_edge)
        return;
    /* Told when the window that the sender knows of is half shut and what it would hear is worth a segment. */
    size_t known = (size_t)(in->told_edge - in->delivered);
    size_t window = (size_t)(edge - in->delivered);
    size_t least = in->receive_buffer / 2 < NET_MSS ? in->receive_buffer / 2 : NET_MSS;
    if (known > in->receive_buffer / 2 || window < 2 * known || (known == 0 && window < least))
        return;
    net_put(end, SEGMENT_ACK);
}

void net_end_set_receive_buffer(struct net_end *end, size_t bytes)
{
    net_in(end)->receive_buffer = bytes;
    net_end_was_read(end);
}

void net_end_deafen(struct net_end *end)
{
    end->deaf = true;
    net_watch_silence(net_other(end));
}

void net_end_silence(struct net_end *end)
{
    throw_away_unread(end);
    end->mute = true;
    end->keepalive = false;
    net_stop_timers(end);
    net_end_deafen(end);
}

void net_end_keepalive(struct net_end *end, bool on, uint64_t limit_ns)
{
    end->keepalive = on;
    end->keepalive_ns = limit_ns;
    if (end->established)
        net_watch_silence(end);
}

static void cut(struct net_connection *connection)
{
    connection->cut = true;
    for (int side = 0; side < 2; side++)
        net_watch_silence(&connection->end[side]);
}

void net_cut_address(const struct net_where *where)
{
    struct link *head = &net_world.connections;
    for (struct link *link = head->next; link != head; link = link->next) {
        struct net_connection *connection = LINK_OWNER(link, struct net_connection, link);
        for (int side = 0; side < 2; side++) {
            const struct net_end *end = &connection->end[side];
            if (end->exists && end->host == 0 && net_where_same_ip(&end->local, where)) {
                cut(connection);
                break;
            }
        }
    }
}

/* ---- its birth --------------------------------------------------------------------------------------------- */

static void meet_fate(struct sim_timer *timer)
{
    struct net_connection *connection = LINK_OWNER(timer, struct net_connection, fate);
    net_fire();
    if (connection->half_open_later)
        cut(connection);
    else { /* something on the way resets both */
        net_end_die(&connection->end[0], STATUS_CONNECTION_RESET);
        net_end_die(&connection->end[1], STATUS_CONNECTION_RESET);
    }
    net_connection_check(connection);
    net_leave();
}

/* The weather's word on this connection, all of it drawn at its birth. */
static void draw_fate(struct net_connection *connection)
{
    const struct net_weather *weather = &net_world.weather;
    struct sim_rng *rng = &connection->rng;
    connection->refuse = net_chance(rng, weather->refuse_percent);
    connection->black_hole = net_chance(rng, weather->black_hole_percent);
    bool reset = net_chance(rng, weather->reset_percent);
    connection->half_open_later = net_chance(rng, weather->half_open_percent);
    if (reset || connection->half_open_later) {
        connection->fate.fire = meet_fate;
        /* Early in a connection's life as often as late. */
        connection->fate.due_ns = sim_rng_below(rng, (weather->latency_max_ns + 1) << sim_rng_below(rng, 10));
    }
}

static void no_neighbour(struct sim_timer *timer)
{
    struct net_end *end = LINK_OWNER(timer, struct net_end, give_up);
    net_fire();
    net_end_die(end, STATUS_HOST_UNREACHABLE);
    net_connection_check(end->connection);
    net_leave();
}

static void end_init(struct net_connection *connection, int side, int host, const struct net_where *local,
                     const struct net_where *remote, size_t send_buffer)
{
    struct net_end *end = &connection->end[side];
    end->connection = connection;
    end->host = host;
    end->local = *local;
    end->remote = *remote;
    end->out.send_buffer = send_buffer;
    link_init(&end->queue);
}

int32_t net_end_connect(int host, struct net_where *local, const struct net_where *remote, size_t send_buffer,
                        size_t receive_buffer, void *owner, net_event_function event, struct net_end **out)
{
    int target = net_route(host, remote);
    struct net_where source = *local;
    if (target < 0 && !net_is_near(remote))
        return STATUS_NETWORK_UNREACHABLE;
    if (net_where_is_any(local) && !net_source(host, remote, &source))
        return STATUS_NETWORK_UNREACHABLE;
    if (net_where_is_loopback(&source) && !net_where_is_loopback(remote) && target != host)
        return STATUS_INVALID_PARAMETER; /* nobody there could answer */
    struct net_connection *connection = net_allocate(sizeof(*connection));
    if (!connection)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct net_end *end = &connection->end[0];
    if (!net_use_take(&end->use, host, &source, remote)) {
        net_free(connection, sizeof(*connection));
        return STATUS_INVALID_ADDRESS_COMPONENT;
    }
    *local = source;
    net_stream(&connection->rng);
    draw_fate(connection);
    end_init(connection, 0, host, &source, remote, send_buffer);
    end_init(connection, 1, target, remote, &source, net_world.weather.send_buffer);
    connection->end[1].out.receive_buffer = receive_buffer;
    connection->end[0].out.receive_buffer = net_world.weather.receive_buffer;
    connection->end[1].closed = true;
    end->exists = true;
    end->owner = owner;
    end->event = event;
    link_append(&net_world.connections, &connection->link);
    if (target >= 0)
        net_put(end, SEGMENT_SYN);
    else {
        end->give_up.fire = no_neighbour;
        sim_timer_set(&end->give_up, net_world.now + NET_NO_NEIGHBOUR);
    }
    *out = end;
    return STATUS_PENDING;
}

/* A SYN at the host that it was sent to. */
static void syn_arrived(struct net_end *end)
{
    struct net_connection *connection = end->connection;
    struct net_end *caller = &connection->end[0];
    struct net_listener *listener =
        end->host >= 0 && net_route(caller->host, &end->local) == end->host && !connection->refuse
            ? net_listener_find(end->host, &end->local)
            : NULL;
    if (end->exists || caller->gone)
        return;
    if (connection->black_hole || net_route(caller->host, &end->local) < 0 ||
        (listener && (listener->deaf || listener->waiting > listener->backlog))) {
        net_watch_silence(caller); /* it tries again */
        return;
    }
    if (!listener) {
        net_put(end, SEGMENT_RST);
        return;
    }
    end->exists = true;
    end->closed = false;
    end->listener = listener;
    end->out.send_buffer = listener->send_buffer;
    caller->out.receive_buffer = listener->receive_buffer;
    listener->waiting++;
    link_append(&listener->young, &end->queue);
    net_use_add(&end->use, end->host, &end->local, &end->remote);
    net_put(end, SEGMENT_SYN | SEGMENT_ACK);
}

static void is_established(struct net_end *end)
{
    struct net_connection *connection = end->connection;
    sim_progress();
    end->established = true;
    if (end == &connection->end[0]) {
        sim_timer_cancel(&end->give_up);
        net_put(end, SEGMENT_ACK);
        net_end_tell(end, NET_CONNECTED | NET_ROOM | NET_SENT | NET_ACKED);
        return;
    }
    if (connection->fate.fire)
        sim_timer_set(&connection->fate, net_world.now + connection->fate.due_ns);
    struct net_listener *listener = end->listener;
    link_remove(&end->queue);
    link_append(&listener->ready, &end->queue);
    if (listener->event)
        listener->event(listener->owner, NET_ACCEPT);
}

/* ---- segments that arrive ---------------------------------------------------------------------------------- */

static void take_ack(struct net_end *end, const struct net_segment *segment)
{
    struct net_flow *out = &end->out;
    unsigned events = 0;
    if (segment->edge > out->edge)
        out->edge = segment->edge;
    uint64_t ack = segment->ack <= out->sent ? segment->ack : out->sent;
    bool moved = ack > out->acked;
    if (moved) {
        out->acked = ack;
        /* As poll() has it: not before a third of the buffer is free. */
        if (out->acked == out->written || net_end_room(end) * 3 >= out->send_buffer)
            events |= NET_ROOM;
    }
    if (out->fin_sent && segment->ack > out->sent && !out->fin_acked) {
        out->fin_acked = true;
        events |= NET_FIN_ACKED;
    }
    net_push(end);
    if (net_end_unacked(end) == 0)
        events |= NET_ACKED;
    if (events)
        net_end_tell(end, events);
}

static void take_data(struct net_end *end, const struct net_segment *segment)
{
    struct net_flow *in = net_in(end);
    unsigned events = 0;
    if (segment->end > in->delivered) {
        in->delivered = segment->end;
        events |= NET_READ;
    }
    if (segment->what & SEGMENT_FIN) {
        in->fin_delivered = true;
        events |= NET_READ | NET_FIN;
    }
    sim_progress();
    net_ack_owed(end);
    net_end_tell(end, events);
}

void net_deliver(struct net_end *end, const struct net_segment *segment)
{
    struct net_end *from = net_other(end);
    unsigned what = segment->what;
    if (end->connection->cut || end->deaf) {
        net_watch_silence(from);
        return;
    }
    if (what == SEGMENT_SYN) {
        syn_arrived(end);
        return;
    }
    if (end->gone) {
        /* An end that does not know yet is told, unless both have finished in order. */
        if (!(what & SEGMENT_RST) && !from->gone && (end->reason || (what & SEGMENT_DATA)) &&
            end->reason != STATUS_CONNECTION_RESET)
            net_put(end, SEGMENT_RST);
        return;
    }
    if (what & SEGMENT_RST) {
        net_end_die(end, end->established ? STATUS_CONNECTION_RESET : STATUS_CONNECTION_REFUSED);
        return;
    }
    if (!end->established) {
        end->out.edge = segment->edge; /* the first that is heard of it */
        is_established(end);
    }
    take_ack(end, segment);
    if (end->closed && (what & SEGMENT_DATA)) { /* nobody will read it */
        net_put(end, SEGMENT_RST);
        net_end_die(end, STATUS_CONNECTION_ABORTED);
        return;
    }
    if (what & (SEGMENT_DATA | SEGMENT_FIN))
        take_data(end, segment);
    net_end_check(end);
}

/* ---- listeners --------------------------------------------------------------------------------------------- */

void net_listener_open(struct net_listener *listener, struct net_claim *claim, int backlog, void *owner,
                       net_event_function event)
{
    listener->claim = claim;
    listener->backlog = backlog;
    listener->send_buffer = net_world.weather.send_buffer;
    listener->receive_buffer = net_world.weather.receive_buffer;
    link_init(&listener->young);
    link_init(&listener->ready);
    listener->owner = owner;
    listener->event = event;
    claim->listener = listener;
}

struct net_end *net_listener_accept(struct net_listener *listener)
{
    if (link_empty(&listener->ready))
        return NULL;
    struct net_end *end = LINK_OWNER(listener->ready.next, struct net_end, queue);
    leave_listener(end);
    sim_progress();
    return end;
}

static void reset_all(struct link *queue)
{
    while (!link_empty(queue)) {
        struct net_end *end = LINK_OWNER(queue->next, struct net_end, queue);
        struct net_connection *connection = end->connection;
        net_end_abort(end);
        leave_listener(end);
        end->closed = true;
        net_connection_check(connection);
    }
}

void net_listener_close(struct net_listener *listener)
{
    listener->claim->listener = NULL;
    reset_all(&listener->young);
    reset_all(&listener->ready);
}
