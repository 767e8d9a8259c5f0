/*
 * wire.c - what travels: segments with their latency, when data may leave, acknowledgements, and silence.
 *
 * Each direction has a wire of its own, a queue in which nothing overtakes and nothing is lost (unless one end is
 * deaf or the connection cut), with one timer, for the segment that arrives next.  A segment carries positions;
 * the bytes stay in the flow's queue.  So no retransmission is needed, but a SYN's.  Data that arrives at the moment
 * at which the segment in front of it does travels in that one: nobody could tell them apart.
 */
#include "transport/sim/internal.h"

#include <ntstatus.h>

/* ---- segments ---------------------------------------------------------------------------------------------- */

static void arrive(struct sim_timer *timer)
{
    struct net_end *from = LINK_OWNER(timer, struct net_end, wire);
    struct net_end *to = net_other(from);
    net_fire();
    uint64_t now = net_world.now;
    while (from->first && from->first->due <= now) {
        struct net_segment *segment = from->first;
        from->first = segment->next;
        if (!from->first)
            from->last = NULL;
        net_world.on_the_way--;
        net_deliver(to, segment);
        net_free(segment, sizeof(*segment));
    }
    if (to->ack_now && to->ack_owed) /* one for everything that came together */
        net_put(to, SEGMENT_ACK);
    if (from->first)
        sim_timer_set(&from->wire, from->first->due);
    net_connection_check(from->connection);
    net_leave();
}

static void forget(struct sim_timer *timer, bool *held)
{
    if (*held && sim_timer_cancel(timer))
        net_world.on_the_way--;
    *held = false;
}

static void hold(struct sim_timer *timer, void (*fire)(struct sim_timer *timer), bool *held, uint64_t delay)
{
    timer->fire = fire;
    *held = true;
    net_world.on_the_way++;
    sim_timer_set(timer, net_world.now + delay);
}

static void fill(struct net_end *end, struct net_segment *segment)
{
    struct net_flow *in = net_in(end);
    segment->end = end->out.sent;
    segment->ack = in->delivered + in->fin_delivered;
    segment->edge = in->consumed + in->receive_buffer;
    if (segment->edge > in->told_edge)
        in->told_edge = segment->edge;
    if (end->ack_owed) { /* goes with it */
        end->ack_owed = end->ack_now = false;
        if (end->ack_timer.place && sim_timer_cancel(&end->ack_timer))
            net_world.on_the_way--;
    }
}

/* When a segment that leaves now arrives: not before the one in front of it. */
static uint64_t draw_due(struct net_end *end, unsigned what)
{
    const struct net_weather *weather = &net_world.weather;
    struct sim_rng *rng = &end->connection->rng;
    uint64_t due = net_world.now + net_draw(rng, weather->latency_min_ns, weather->latency_max_ns);
    if ((what & SEGMENT_DATA) && net_chance(rng, weather->coalesce_percent))
        due += net_draw(rng, 0, weather->latency_max_ns); /* the next ones catch up */
    return end->last && due < end->last->due ? end->last->due : due;
}

void net_put(struct net_end *end, unsigned what)
{
    if (end->mute)
        return;
    uint64_t due = draw_due(end, what);
    struct net_segment *last = end->last, *segment;
    if (last && last->due == due && what == (SEGMENT_DATA | SEGMENT_ACK) && last->what == what) {
        fill(end, last);
        return;
    }
    segment = net_allocate(sizeof(*segment));
    if (!segment) { /* the arena is exhausted: nothing more reaches anybody here */
        end->connection->cut = true;
        net_watch_silence(end);
        return;
    }
    segment->what = what;
    segment->due = due;
    fill(end, segment);
    net_world.on_the_way++;
    end->last = segment;
    if (last) {
        last->next = segment;
        return;
    }
    end->first = segment;
    end->wire.fire = arrive;
    sim_timer_set(&end->wire, segment->due);
}

void net_stop_timers(struct net_end *end)
{
    if (end->ack_timer.place && sim_timer_cancel(&end->ack_timer))
        net_world.on_the_way--;
    end->ack_owed = end->ack_now = false;
    net_stop_sending(end);
}

void net_stop_sending(struct net_end *end)
{
    forget(&end->fin_timer, &end->fin_held);
    sim_timer_cancel(&end->give_up);
}

/* ---- acknowledgements -------------------------------------------------------------------------------------- */

static void ack_held(struct sim_timer *timer)
{
    struct net_end *end = LINK_OWNER(timer, struct net_end, ack_timer);
    net_fire();
    net_world.on_the_way--;
    if (end->ack_owed)
        net_put(end, SEGMENT_ACK);
    net_leave();
}

void net_ack_owed(struct net_end *end)
{
    uint64_t most = net_world.weather.ack_delay_max_ns;
    if (end->ack_owed)
        return;
    end->ack_owed = true;
    uint64_t delay = most ? net_draw(&end->connection->rng, 0, most) : 0;
    end->ack_now = delay == 0;
    if (delay) {
        end->ack_timer.fire = ack_held;
        net_world.on_the_way++;
        sim_timer_set(&end->ack_timer, net_world.now + delay);
    }
}

/* ---- sending ----------------------------------------------------------------------------------------------- */

static void fin_released(struct sim_timer *timer)
{
    struct net_end *end = LINK_OWNER(timer, struct net_end, fin_timer);
    net_fire();
    net_world.on_the_way--;
    end->fin_held = false;
    end->fin_released = true;
    net_push(end);
    net_connection_check(end->connection);
    net_leave();
}

/* How much of what is left may leave now: what would not fill a segment waits for the ACK of what is on its way
 * (Nagle).  The weather's segments are made of it afterwards, as if by the network. */
static size_t may_leave(const struct net_end *end)
{
    const struct net_flow *out = &end->out;
    size_t left = (size_t)(out->written - out->sent);
    size_t tail = left % NET_MSS;
    bool waits = !end->nodelay && !out->fin_queued && (out->acked < out->sent || left >= NET_MSS);
    return waits ? left - tail : left;
}

static void send_data(struct net_end *end)
{
    struct net_flow *out = &end->out;
    const struct net_weather *weather = &net_world.weather;
    size_t left = may_leave(end);
    size_t room = out->edge > out->sent ? (size_t)(out->edge - out->sent) : 0;
    if (room == 0) /* its probes are answered, as long as somebody is there */
        net_watch_silence(end);
    if (left > room)
        left = room;
    while (left) {
        size_t piece = (size_t)net_draw(&end->connection->rng, weather->segment_min, weather->segment_max);
        if (piece > left)
            piece = left;
        out->sent += piece;
        left -= piece;
        net_put(end, SEGMENT_DATA | SEGMENT_ACK);
    }
    if (out->sent == out->written)
        net_end_tell(end, NET_SENT);
}

static void send_fin(struct net_end *end)
{
    uint64_t most = net_world.weather.fin_delay_max_ns;
    if (end->fin_held)
        return;
    if (most && !end->fin_released) {
        hold(&end->fin_timer, fin_released, &end->fin_held, net_draw(&end->connection->rng, 0, most));
        return;
    }
    end->out.fin_sent = true;
    net_put(end, SEGMENT_FIN | SEGMENT_ACK);
    net_end_tell(end, NET_SENT);
}

void net_push(struct net_end *end)
{
    struct net_flow *out = &end->out;
    if (!end->established || end->gone)
        return;
    if (out->sent < out->written)
        send_data(end);
    if (out->fin_queued && !out->fin_sent && out->sent == out->written)
        send_fin(end);
}

/* ---- silence ----------------------------------------------------------------------------------------------- */

static bool is_outstanding(const struct net_end *end)
{
    const struct net_flow *out = &end->out;
    return out->acked < out->written || (out->fin_queued && !out->fin_acked);
}

static void gave_up(struct sim_timer *timer)
{
    struct net_end *end = LINK_OWNER(timer, struct net_end, give_up);
    net_fire();
    if (is_outstanding(end) || end->keepalive) /* else its ACK was on the way already */
        net_end_die(end, STATUS_IO_TIMEOUT);
    net_connection_check(end->connection);
    net_leave();
}

static void syn_again(struct sim_timer *timer)
{
    struct net_end *end = LINK_OWNER(timer, struct net_end, give_up);
    net_fire();
    if (end->syn_retries++ == NET_SYN_RETRIES)
        net_end_die(end, STATUS_IO_TIMEOUT);
    else
        net_put(end, SEGMENT_SYN);
    net_connection_check(end->connection);
    net_leave();
}

void net_watch_silence(struct net_end *end)
{
    struct net_end *other = net_other(end);
    uint64_t now = net_world.now, due = HOST_FOREVER;
    if (end->gone || !end->exists)
        return;
    if (!end->established) {
        if (end != &end->connection->end[0] || end->give_up.place)
            return;
        end->give_up.fire = syn_again;
        sim_timer_set(&end->give_up, now + (NET_SECOND << end->syn_retries));
        return;
    }
    if (!other->deaf && !end->connection->cut)
        return;
    if (is_outstanding(end))
        due = now + (end->user_timeout_ns ? end->user_timeout_ns : NET_GIVE_UP);
    if (end->keepalive && now + end->keepalive_ns < due)
        due = now + end->keepalive_ns;
    if (due == HOST_FOREVER || (end->give_up.place && end->give_up.due_ns <= due))
        return;
    end->give_up.fire = gave_up;
    sim_timer_set(&end->give_up, due);
}
