/*
 * world.c - the network as a whole: its start and end, hosts, addresses, names, and waking.
 */
#include "transport/sim/internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct net_world net_world;

#define US 1000ull
#define MS 1000000ull

const struct net_weather net_calm = {
    .latency_min_ns = 10 * US,
    .latency_max_ns = 100 * US,
    .segment_min = 65536,
    .segment_max = 65536,
};

const struct net_weather net_rough = {
    .latency_min_ns = 10 * US,
    .latency_max_ns = 5 * MS,
    .ack_delay_max_ns = 40 * MS,
    .fin_delay_max_ns = 20 * MS,
    .segment_min = 1,
    .segment_max = 1460,
    .coalesce_percent = 10,
    .refuse_percent = 2,
    .black_hole_percent = 2,
    .reset_percent = 4,
    .half_open_percent = 2,
    .loss_percent = 5,
    .duplicate_percent = 3,
    .reorder_percent = 10,
    .send_buffer = 16384,
    .receive_buffer = 8192,
};

/* ---- start and end ----------------------------------------------------------------------------------------- */

void net_weather_change(const struct net_weather *weather)
{
    struct net_weather *now = &net_world.weather;

    *now = *weather;
    if (now->segment_min == 0)
        now->segment_min = 1;
    if (now->segment_max < now->segment_min)
        now->segment_max = now->segment_min;
    if (now->send_buffer == 0)
        now->send_buffer = NET_BUFFER_DEFAULT;
    if (now->receive_buffer == 0)
        now->receive_buffer = NET_BUFFER_DEFAULT;
}

int net_start(const struct net_weather *weather, uint64_t seed)
{
    struct net_world *world = &net_world;
    /* What a run that was stopped has left is gone with its arena: nothing of it is touched. */
    memset(world, 0, sizeof(*world));
    world->seed = seed;
    net_weather_change(weather);
    for (int i = 0; i < NET_BUCKETS; i++) {
        link_init(&world->binds[i]);
        link_init(&world->uses[i]);
    }
    for (int i = 0; i < NET_DATAGRAM_BUCKETS; i++)
        link_init(&world->datagrams[i]);
    link_init(&world->packets);
    link_init(&world->time_waits);
    link_init(&world->connections);
    link_init(&world->wakes);
    net_stream(&world->rng);
    world->next_port = (uint32_t)sim_rng_below(&world->rng, NET_PORT_COUNT);
    world->host_count = 1; /* the runtime's */
    world->up = true;
    if (net_address_change("10.0.0.1", 1) || net_address_change("fd00::1", 1)) {
        net_stop();
        return -1;
    }
    return 0;
}

static void stop_connections(void)
{
    struct link *head = &net_world.connections;
    for (struct link *link = head->next; link != head; link = link->next) {
        struct net_connection *connection = LINK_OWNER(link, struct net_connection, link);
        for (int side = 0; side < 2; side++) {
            net_stop_timers(&connection->end[side]);
            sim_timer_cancel(&connection->end[side].wire);
        }
        sim_timer_cancel(&connection->fate);
    }
}

void net_stop(void)
{
    if (!net_world.up)
        return;
    if (sim_running()) { /* else it is gone with the run's arena */
        stop_connections();
        net_datagrams_stop();
        net_pool_close();
    }
    memset(&net_world, 0, sizeof(net_world));
}

size_t net_open_count(void)
{
    return (size_t)net_world.open;
}

void net_stream(struct sim_rng *rng)
{
    sim_rng_seed(rng, net_world.seed, 1000000 + net_world.births++);
}

/* ---- waking ------------------------------------------------------------------------------------------------ */

void net_waiter_init(struct net_waiter *waiter)
{
    memset(waiter, 0, sizeof(*waiter));
    link_init(&waiter->link);
}

void net_waiter_close(struct net_waiter *waiter)
{
    link_remove(&waiter->link);
}

void net_wake(struct net_waiter *waiter)
{
    waiter->word++;
    if (waiter->parked && link_empty(&waiter->link))
        link_append(&net_world.wakes, &waiter->link);
}

void net_leave_slow(void)
{
    /* Each is off the list before the call that may let another fiber go on. */
    while (!link_empty(&net_world.wakes)) {
        struct net_waiter *waiter = LINK_OWNER(net_world.wakes.next, struct net_waiter, link);
        link_remove(&waiter->link);
        host_unpark(&waiter->word, INT_MAX);
    }
}

int net_sleep(struct net_waiter *waiter, uint64_t deadline_ns)
{
    uint32_t seen = waiter->word;
    waiter->parked++;
    int result = host_park(&waiter->word, seen, deadline_ns);
    waiter->parked--;
    net_world.now = host_now();
    return result != HOST_TIMEOUT;
}

/* ---- addresses --------------------------------------------------------------------------------------------- */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool net_where_is_v4(const struct net_where *where)
{
    return memcmp(where->ip, mapped, sizeof(mapped)) == 0;
}

bool net_where_is_any(const struct net_where *where)
{
    static const uint8_t zero[16];
    return net_where_is_v4(where) ? memcmp(where->ip + 12, zero, 4) == 0 : memcmp(where->ip, zero, 16) == 0;
}

bool net_where_is_loopback(const struct net_where *where)
{
    static const uint8_t one[16] = {[15] = 1};
    return net_where_is_v4(where) ? where->ip[12] == 127 : memcmp(where->ip, one, 16) == 0;
}

bool net_where_same_ip(const struct net_where *a, const struct net_where *b)
{
    return memcmp(a->ip, b->ip, 16) == 0 && a->scope == b->scope;
}

bool net_where_same(const struct net_where *a, const struct net_where *b)
{
    return a->port == b->port && net_where_same_ip(a, b);
}

bool net_where_of(const struct transport_address *address, struct net_where *out)
{
    memset(out, 0, sizeof(*out));
    if (address->family == TRANSPORT_AF_INET && address->length >= 16) {
        memcpy(out->ip, mapped, sizeof(mapped));
        memcpy(out->ip + 12, address->bytes + 4, 4);
    } else if (address->family == TRANSPORT_AF_INET6 && address->length >= 28) {
        memcpy(out->ip, address->bytes + 8, 16);
        memcpy(&out->scope, address->bytes + 24, 4);
    } else
        return false;
    out->port = (uint16_t)(address->bytes[2] << 8 | address->bytes[3]);
    return true;
}

void net_where_out(const struct net_where *where, int family, struct transport_address *out)
{
    memset(out, 0, sizeof(*out));
    if (family == TRANSPORT_AF_INET) {
        out->length = 16;
        memcpy(out->bytes + 4, where->ip + 12, 4);
    } else {
        out->length = 28;
        memcpy(out->bytes + 8, where->ip, 16);
        memcpy(out->bytes + 24, &where->scope, 4);
    }
    out->family = (uint16_t)family;
    out->bytes[2] = (uint8_t)(where->port >> 8);
    out->bytes[3] = (uint8_t)where->port;
}

/* "10.0.0.7" into four bytes. */
static bool parse_v4(const char *text, uint8_t out[4])
{
    unsigned part[4];
    char rest;
    if (sscanf(text, "%3u.%3u.%3u.%3u%c", &part[0], &part[1], &part[2], &part[3], &rest) != 4)
        return false;
    for (int i = 0; i < 4; i++) {
        if (part[i] > 255)
            return false;
        out[i] = (uint8_t)part[i];
    }
    return true;
}

/* "fd00::7": groups of up to four hexadecimal digits, one "::" at most. */
static bool parse_v6(const char *text, uint8_t out[16])
{
    uint8_t head[16], tail[16];
    int head_bytes = 0, tail_bytes = 0;
    bool gap = false;
    if (strncmp(text, "::", 2) == 0) {
        gap = true;
        text += 2;
    }
    while (*text) {
        unsigned group;
        int digits = 0;
        if (sscanf(text, "%4x%n", &group, &digits) != 1 || !strchr(":", text[digits]) ||
            head_bytes + tail_bytes > 14 || *text == '+' || *text == '-' || *text == ' ')
            return false;
        uint8_t *to = gap ? tail + tail_bytes : head + head_bytes;
        *(gap ? &tail_bytes : &head_bytes) += 2;
        to[0] = (uint8_t)(group >> 8);
        to[1] = (uint8_t)group;
        text += digits;
        if (strncmp(text, "::", 2) == 0) {
            if (gap)
                return false;
            gap = true;
            text += 2;
        } else if (*text == ':' && !*++text)
            return false;
    }
    if (gap ? head_bytes + tail_bytes > 14 : head_bytes != 16)
        return false;
    memset(out, 0, 16);
    memcpy(out, head, (size_t)head_bytes);
    memcpy(out + 16 - tail_bytes, tail, (size_t)tail_bytes);
    return true;
}

static bool parse(const char *text, struct net_where *out)
{
    memset(out, 0, sizeof(*out));
    if (strchr(text, ':'))
        return parse_v6(text, out->ip);
    memcpy(out->ip, mapped, sizeof(mapped));
    return parse_v4(text, out->ip + 12);
}

int net_address(const char *text, uint16_t port, struct transport_address *out)
{
    struct net_where where;
    if (!parse(text, &where))
        return -1;
    where.port = port;
    net_where_out(&where, strchr(text, ':') ? TRANSPORT_AF_INET6 : TRANSPORT_AF_INET, out);
    return 0;
}

/* ---- hosts ------------------------------------------------------------------------------------------------- */

static int host_that_has(const struct net_where *where)
{
    for (int host = 0; host < net_world.host_count; host++) {
        const struct net_host *at = &net_world.hosts[host];
        for (int i = 0; i < at->count; i++) {
            if (net_where_same_ip(&at->addresses[i], where))
                return host;
        }
    }
    return -1;
}

static int give_address(int host, const struct net_where *where)
{
    struct net_host *at = &net_world.hosts[host];
    if (net_where_is_any(where) || net_where_is_loopback(where) || host_that_has(where) >= 0 ||
        at->count == NET_HOST_ADDRESSES)
        return -1;
    at->addresses[at->count++] = *where;
    return 0;
}

int net_host_add(const char *address)
{
    struct net_where where;
    net_enter(NULL);
    if (net_world.host_count == NET_HOSTS || !parse(address, &where))
        return -1;
    int host = net_world.host_count++;
    if (give_address(host, &where)) {
        net_world.host_count--;
        return -1;
    }
    return host;
}

static void tell_of_address(const struct net_where *where)
{
    if (net_world.address_event)
        net_world.address_event(net_world.address_owner,
                                net_where_is_v4(where) ? TRANSPORT_AF_INET : TRANSPORT_AF_INET6);
}

int net_address_change(const char *address, int present)
{
    struct net_where where;
    struct net_host *own = &net_world.hosts[0];
    net_enter(NULL);
    if (!parse(address, &where))
        return -1;
    if (present) {
        if (give_address(0, &where))
            return -1;
        tell_of_address(&where);
        net_leave();
        return 0;
    }
    for (int i = 0; i < own->count; i++) {
        if (!net_where_same_ip(&own->addresses[i], &where))
            continue;
        memmove(&own->addresses[i], &own->addresses[i + 1],
                (size_t)(own->count - i - 1) * sizeof(own->addresses[0]));
        own->count--;
        net_cut_address(&where);
        tell_of_address(&where);
        net_leave();
        return 0;
    }
    return -1;
}

bool net_host_has(int host, const struct net_where *where)
{
    return net_where_is_any(where) || net_where_is_loopback(where) || host_that_has(where) == host;
}

int net_route(int host, const struct net_where *to)
{
    return net_where_is_loopback(to) ? host : host_that_has(to);
}

bool net_is_near(const struct net_where *to)
{
    return net_where_is_v4(to) ? to->ip[12] == 10 || to->ip[12] == 127 : to->ip[0] == 0xfd && to->ip[1] == 0;
}

bool net_source(int host, const struct net_where *to, struct net_where *out)
{
    struct net_where found = *to;
    const struct net_host *at = &net_world.hosts[host];
    bool have = net_where_is_loopback(to) || host_that_has(to) == host; /* to itself: from that address */
    for (int i = 0; !have && i < at->count; i++) {
        if (net_where_is_v4(&at->addresses[i]) == net_where_is_v4(to)) {
            found = at->addresses[i];
            have = true;
        }
    }
    if (!have)
        return false;
    found.port = out->port;
    *out = found;
    if (net_where_is_loopback(to) && net_where_is_v4(to))
        memcpy(out->ip + 12, "\x7f\0\0\1", 4); /* to 127.0.0.2, too, from 127.0.0.1 */
    return true;
}

/* ---- names ------------------------------------------------------------------------------------------------- */

int net_name_add(const char *name, const char *address)
{
    struct net_world *world = &net_world;
    struct net_where where;
    net_enter(NULL);
    if (!world->names)
        world->names = net_allocate(NET_NAMES * sizeof(*world->names));
    if (!world->names || world->name_count == NET_NAMES || strlen(name) >= NET_NAME_BYTES ||
        !parse(address, &where))
        return -1;
    struct net_name *entry = &world->names[world->name_count++];
    strcpy(entry->name, name);
    entry->where = where;
    return 0;
}

int net_name_find(const char *name, int family, struct transport_address *out, int count)
{
    int found = 0;
    net_enter(NULL);
    for (int i = 0; i < net_world.name_count; i++) {
        const struct net_name *entry = &net_world.names[i];
        int own = net_where_is_v4(&entry->where) ? TRANSPORT_AF_INET : TRANSPORT_AF_INET6;
        if (strcasecmp(entry->name, name) != 0 || (family && family != own))
            continue;
        if (found < count)
            net_where_out(&entry->where, own, &out[found]);
        found++;
    }
    return found;
}

const char *net_name_of(const struct transport_address *address)
{
    struct net_where where;
    net_enter(NULL);
    if (!net_where_of(address, &where))
        return NULL;
    for (int i = 0; i < net_world.name_count; i++) {
        if (net_where_same_ip(&net_world.names[i].where, &where))
            return net_world.names[i].name;
    }
    return NULL;
}
