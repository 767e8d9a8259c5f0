/*
 * port.c - who holds a port of TCP (UDP's are in datagram.c).
 *
 * Two tables by host and port: claims of bound sockets, and the connections that use a port, in TIME_WAIT also
 * when they are no more.  A bind is refused by another live bind whose addresses overlap, and by nothing else: as
 * the runtime's stack on Linux does it (transport/common/address.c), which sets SO_REUSEADDR and keeps a table.  A
 * port that is picked is nobody's at all.
 */
#include "transport/sim/internal.h"

#include <string.h>

static unsigned bucket_of(int host, unsigned port)
{
    return (port + (unsigned)host * 131) % NET_BUCKETS;
}

bool net_binds_overlap(const struct net_where *a, bool a_dual, const struct net_where *b, bool b_dual)
{
    bool a4 = net_where_is_v4(a), b4 = net_where_is_v4(b);
    bool any_a = net_where_is_any(a), any_b = net_where_is_any(b);
    if (a->port != b->port)
        return false;
    if (a4 == b4)
        return any_a || any_b || net_where_same_ip(a, b);
    return a4 ? any_b && b_dual : any_a && a_dual;
}

int net_bind_fits(const struct net_where *bound, const struct net_where *to)
{
    if (!net_where_is_any(bound))
        return 2;
    return net_where_is_v4(bound) == net_where_is_v4(to);
}

/* ---- connections ------------------------------------------------------------------------------------------- */

static void expire_time_waits(void)
{
    struct link *head = &net_world.time_waits;
    if (link_empty(head))
        return;
    uint64_t now = net_world.now;
    while (!link_empty(head)) {
        struct net_use *use = LINK_OWNER(head->next, struct net_use, order);
        if (use->until > now)
            return;
        link_remove(&use->order);
        link_remove(&use->link);
        net_free(use, sizeof(*use));
    }
}

static struct net_use *find_use(int host, const struct net_where *local, const struct net_where *remote)
{
    struct link *bucket = &net_world.uses[bucket_of(host, local->port)];
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_use *use = LINK_OWNER(link, struct net_use, link);
        if (use->host == host && net_where_same(&use->local, local) && net_where_same(&use->remote, remote))
            return use;
    }
    return NULL;
}

static bool is_used(int host, const struct net_where *where, bool dual)
{
    struct link *bucket = &net_world.uses[bucket_of(host, where->port)];
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_use *use = LINK_OWNER(link, struct net_use, link);
        if (use->host == host && net_binds_overlap(where, dual, &use->local, false))
            return true;
    }
    return false;
}

/* ---- binds ------------------------------------------------------------------------------------------------- */

static bool is_free(int host, const struct net_where *where, bool dual, bool share)
{
    struct link *bucket = &net_world.binds[bucket_of(host, where->port)];
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_claim *claim = LINK_OWNER(link, struct net_claim, link);
        if (claim->host == host && net_binds_overlap(where, dual, &claim->where, claim->dual) &&
            !(share && claim->runtime))
            return false;
    }
    return true;
}

bool net_claim_is_free(int host, const struct net_where *where, bool dual)
{
    return is_free(host, where, dual, false);
}

bool net_port_is_unused(int host, const struct net_where *where, bool dual)
{
    expire_time_waits();
    return net_claim_is_free(host, where, dual) && !is_used(host, where, dual);
}

static uint16_t next_port(void)
{
    return (uint16_t)(NET_PORT_LOW + net_world.next_port++ % NET_PORT_COUNT);
}

static bool pick_port(int host, struct net_where *where, bool dual)
{
    for (int i = 0; i < NET_PORT_COUNT; i++) {
        where->port = next_port();
        if (net_port_is_unused(host, where, dual))
            return true;
    }
    where->port = 0;
    return false;
}

bool net_claim_take(struct net_claim *claim, int host, struct net_where *where, bool dual, bool share)
{
    assert(!claim->held);
    if (where->port ? !is_free(host, where, dual, share) : !pick_port(host, where, dual))
        return false;
    claim->host = host;
    claim->dual = dual;
    claim->where = *where;
    claim->listener = NULL;
    claim->held = true;
    link_append(&net_world.binds[bucket_of(host, where->port)], &claim->link);
    return true;
}

void net_claim_drop(struct net_claim *claim)
{
    if (!claim->held)
        return;
    link_remove(&claim->link);
    claim->held = false;
    claim->listener = NULL;
}

struct net_listener *net_listener_find(int host, const struct net_where *where)
{
    struct link *bucket = &net_world.binds[bucket_of(host, where->port)];
    struct net_listener *found = NULL;
    int best = -1;
    for (struct link *link = bucket->next; link != bucket; link = link->next) {
        struct net_claim *claim = LINK_OWNER(link, struct net_claim, link);
        if (claim->host != host || !claim->listener ||
            !net_binds_overlap(where, false, &claim->where, claim->dual))
            continue;
        int good = net_bind_fits(&claim->where, where);
        if (good >= best) { /* of those that fit as well, the last */
            best = good;
            found = claim->listener;
        }
    }
    return found;
}

/* ---- a connection's four numbers --------------------------------------------------------------------------- */

void net_use_add(struct net_use *use, int host, const struct net_where *local, const struct net_where *remote)
{
    use->host = host;
    use->local = *local;
    use->remote = *remote;
    use->until = 0;
    use->held = true;
    link_init(&use->order);
    link_append(&net_world.uses[bucket_of(host, local->port)], &use->link);
}

bool net_use_take(struct net_use *use, int host, struct net_where *local, const struct net_where *remote)
{
    struct net_use *other = NULL;
    bool pick = local->port == 0;
    for (int tries = pick ? NET_PORT_COUNT : 1; tries > 0; tries--) {
        if (pick) {
            local->port = next_port();
            if (!net_claim_is_free(host, local, false))
                continue;
        }
        other = find_use(host, local, remote);
        if (other && other->until == 0)
            continue; /* alive */
        if (other) {  /* in TIME_WAIT: the new connection takes its place */
            link_remove(&other->order);
            link_remove(&other->link);
            net_free(other, sizeof(*other));
        }
        net_use_add(use, host, local, remote);
        return true;
    }
    if (pick)
        local->port = 0;
    return false;
}

void net_use_drop(struct net_use *use, bool time_wait)
{
    if (!use->held)
        return;
    link_remove(&use->link);
    use->held = false;
    expire_time_waits();
    struct net_use *waits = time_wait ? net_allocate(sizeof(*waits)) : NULL;
    if (!waits)
        return;
    *waits = *use;
    waits->until = net_world.now + NET_TIME_WAIT;
    link_append(&net_world.uses[bucket_of(use->host, use->local.port)], &waits->link);
    link_append(&net_world.time_waits, &waits->order);
}
