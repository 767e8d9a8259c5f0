/*
 * resolve.c - the resolver of the simulated stack: the names of net_name_add(), a few services, and the time that a
 * question to a name server takes.
 *
 * A question is answered by a timer, from the names as they are then; dispatch() of the request's loop takes the
 * answer to its owner.  Until then the request can be taken back.
 */
#include "transport/sim/stack.h"

#include <string.h>
#include <strings.h>
#include <ntstatus.h>

enum { RESOLVE_ADDRESSES = 16 };

struct stack_resolve {
    struct link link; /* transport->resolves, then loop->resolved */
    struct sim_timer timer;
    struct transport_resolve *request;
    struct stack_loop *loop;
    int32_t status;
    size_t count;
    int port_stream, port_datagram;
    const char *host_name, *service_name;
    char host[NET_NAME_BYTES], service[32]; /* what is asked; the owner's copies may be gone */
    bool has_host, has_service;
    struct transport_address found[RESOLVE_ADDRESSES];
};

static const struct service {
    const char *name;
    uint16_t port;
    bool stream, datagram;
} services[] = {
    {"echo", 7, true, true},     {"discard", 9, true, true},   {"daytime", 13, true, true},
    {"ftp", 21, true, false},    {"ssh", 22, true, false},     {"telnet", 23, true, false},
    {"smtp", 25, true, false},   {"domain", 53, true, true},   {"tftp", 69, false, true},
    {"http", 80, true, false},   {"pop3", 110, true, false},   {"ntp", 123, false, true},
    {"imap2", 143, true, false}, {"snmp", 161, true, true},    {"ldap", 389, true, true},
    {"https", 443, true, true},  {"syslog", 514, false, true},
};

/* ---- answers ----------------------------------------------------------------------------------------------- */

static void add_text(struct stack_resolve *resolve, const char *text)
{
    struct transport_address address;
    if (net_address(text, 0, &address) != 0 || resolve->count == RESOLVE_ADDRESSES)
        return;
    if (resolve->request->family == 0 || resolve->request->family == address.family)
        resolve->found[resolve->count++] = address;
}

static void own_addresses(struct stack_resolve *resolve)
{
    const struct net_host *host = &net_world.hosts[0];
    for (int i = 0; i < host->count; i++) {
        int family = net_where_is_v4(&host->addresses[i]) ? TRANSPORT_AF_INET : TRANSPORT_AF_INET6;
        if (!net_where_is_loopback(&host->addresses[i]) && resolve->count < RESOLVE_ADDRESSES &&
            (resolve->request->family == 0 || resolve->request->family == family))
            net_where_out(&host->addresses[i], family, &resolve->found[resolve->count++]);
    }
}

static bool configured(uint16_t family)
{
    const struct net_host *host = &net_world.hosts[0];
    for (int i = 0; i < host->count; i++) {
        if (!net_where_is_loopback(&host->addresses[i]) &&
            net_where_is_v4(&host->addresses[i]) == (family == TRANSPORT_AF_INET))
            return true;
    }
    return false;
}

static void find_addresses(struct stack_resolve *resolve)
{
    for (size_t i = 0; resolve->has_service && i < sizeof(services) / sizeof(services[0]); i++) {
        if (strcmp(services[i].name, resolve->service) != 0)
            continue;
        resolve->port_stream = services[i].stream ? services[i].port : -1;
        resolve->port_datagram = services[i].datagram ? services[i].port : -1;
    }
    if (!resolve->has_host)
        return;
    resolve->host_name = resolve->host;
    if (!*resolve->host) {
        own_addresses(resolve);
        resolve->host_name = "localhost";
    } else if (strcasecmp(resolve->host, "localhost") == 0) {
        add_text(resolve, "::1");
        add_text(resolve, "127.0.0.1");
    } else {
        int found = net_name_find(resolve->host, resolve->request->family, resolve->found, RESOLVE_ADDRESSES);
        resolve->count = found < RESOLVE_ADDRESSES ? (size_t)found : RESOLVE_ADDRESSES;
    }
    size_t kept = 0;
    for (size_t i = 0; i < resolve->count; i++) {
        if (!(resolve->request->flags & TRANSPORT_RESOLVE_CONFIGURED) || configured(resolve->found[i].family))
            resolve->found[kept++] = resolve->found[i];
    }
    resolve->count = kept;
    if (resolve->count == 0)
        resolve->status = STATUS_NO_MATCH;
}

static void find_names(struct stack_resolve *resolve)
{
    const struct transport_resolve *request = resolve->request;
    struct net_where where;
    if (!net_where_of(&request->address, &where)) {
        resolve->status = STATUS_INVALID_ADDRESS_COMPONENT;
        return;
    }
    if (request->flags & TRANSPORT_RESOLVE_HOST) {
        const char *name = net_where_is_loopback(&where) ? "localhost" : net_name_of(&request->address);
        if (name) {
            strcpy(resolve->host, name);
            resolve->host_name = resolve->host;
            /* This host's own name without its domain. */
            char *dot = strchr(resolve->host, '.');
            if ((request->flags & TRANSPORT_RESOLVE_SHORT) && dot && net_host_has(0, &where))
                *dot = 0;
        }
    }
    if (!(request->flags & TRANSPORT_RESOLVE_SERVICE))
        return;
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        bool here = request->flags & TRANSPORT_RESOLVE_DATAGRAM ? services[i].datagram : services[i].stream;
        if (here && services[i].port == where.port)
            resolve->service_name = services[i].name;
    }
}

static void answered(struct sim_timer *timer)
{
    struct stack_resolve *resolve = LINK_OWNER(timer, struct stack_resolve, timer);
    net_fire();
    if (resolve->request->kind == TRANSPORT_RESOLVE_ADDRESSES)
        find_addresses(resolve);
    else
        find_names(resolve);
    link_remove(&resolve->link);
    link_append(&resolve->loop->resolved, &resolve->link);
    net_wake(&resolve->loop->waiter);
    net_leave();
}

void stack_resolve_step(struct stack_loop *loop)
{
    struct stack_resolve *resolve = LINK_OWNER(loop->resolved.next, struct stack_resolve, link);
    struct transport_resolve *request = resolve->request;
    link_remove(&resolve->link); /* from here on a cancel comes too late */
    request->addresses = resolve->found;
    request->count = resolve->count;
    request->port_stream = resolve->port_stream;
    request->port_datagram = resolve->port_datagram;
    request->host_name = resolve->host_name;
    request->service_name = resolve->service_name;
    request->complete(request, resolve->status);
    net_free(resolve, sizeof(*resolve));
}

/* ---- the table's functions --------------------------------------------------------------------------------- */

static bool copy(char *to, size_t size, const char *from)
{
    if (!from || strlen(from) >= size)
        return false;
    strcpy(to, from);
    return true;
}

int32_t stack_resolve(struct transport *transport, struct transport_resolve *request)
{
    struct sim_rng rng;
    net_enter(transport);
    assert(request->loop < transport->loop_count);
    struct stack_resolve *resolve = host_fault(HOST_FAULT_TRANSPORT) ? NULL : net_allocate(sizeof(*resolve));
    if (!resolve)
        return STATUS_INSUFFICIENT_RESOURCES;
    resolve->request = request;
    resolve->loop = &transport->loops[request->loop];
    resolve->port_stream = resolve->port_datagram = -1;
    /* What is too long is nobody's name. */
    resolve->has_host = request->host != NULL;
    if (resolve->has_host && !copy(resolve->host, sizeof(resolve->host), request->host))
        strcpy(resolve->host, ".");
    resolve->has_service = copy(resolve->service, sizeof(resolve->service), request->service);
    resolve->timer.fire = answered;
    link_init(&resolve->link);
    link_append(&transport->resolves, &resolve->link);
    net_stream(&rng);
    uint64_t least = net_world.weather.latency_min_ns, most = net_world.weather.latency_max_ns;
    uint64_t way = net_draw(&rng, least, most) + net_draw(&rng, least, most);
    sim_timer_set(&resolve->timer, net_world.now + way);
    return STATUS_PENDING;
}

static struct stack_resolve *find(struct link *head, const struct transport_resolve *request)
{
    for (struct link *link = head->next; link != head; link = link->next) {
        struct stack_resolve *resolve = LINK_OWNER(link, struct stack_resolve, link);
        if (resolve->request == request)
            return resolve;
    }
    return NULL;
}

int stack_resolve_cancel(struct transport *transport, struct transport_resolve *request)
{
    net_enter(transport);
    struct stack_resolve *resolve = find(&transport->resolves, request);
    for (unsigned i = 0; !resolve && i < transport->loop_count; i++)
        resolve = find(&transport->loops[i].resolved, request);
    if (!resolve)
        return 0;
    sim_timer_cancel(&resolve->timer);
    link_remove(&resolve->link);
    net_free(resolve, sizeof(*resolve));
    return 1;
}
