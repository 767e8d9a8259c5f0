/*
 * address.c - Windows addresses and Linux ones, bind, and who may hold a port.
 *
 * Windows lets a listener bind while old connections of its port are in TIME_WAIT, and refuses a second live
 * bind. Linux offers either: without SO_REUSEADDR it refuses both, with it it allows both as long as nobody
 * listens.  So SO_REUSEADDR is set and the live binds of this transport are kept in a table of our own; those
 * of other processes are refused by the kernel (unless they are bound with SO_REUSEADDR and not listening
 * yet).  UDP has ports of its own in that table, and needs no SO_REUSEADDR.  A socket with OPTION_SHARE skips the
 * table, and for the kernel it and those whose address it takes are marked as sharing.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <ntstatus.h>

/* Both layouts are the same but for the number of the IPv6 family. */
_Static_assert(sizeof(struct sockaddr_in) == 16 && offsetof(struct sockaddr_in, sin_port) == 2 &&
                   offsetof(struct sockaddr_in, sin_addr) == 4,
               "IPv4 as in Windows");
_Static_assert(sizeof(struct sockaddr_in6) == 28 && offsetof(struct sockaddr_in6, sin6_port) == 2 &&
                   offsetof(struct sockaddr_in6, sin6_flowinfo) == 4 &&
                   offsetof(struct sockaddr_in6, sin6_addr) == 8 &&
                   offsetof(struct sockaddr_in6, sin6_scope_id) == 24,
               "IPv6 as in Windows");

int32_t address_to_linux(const struct transport_address *address, struct sockaddr_storage *out,
                         socklen_t *length)
{
    memset(out, 0, sizeof(*out));
    if (address->family == TRANSPORT_AF_INET && address->length >= sizeof(struct sockaddr_in)) {
        memcpy(out, address->bytes, sizeof(struct sockaddr_in));
        out->ss_family = AF_INET;
        *length = sizeof(struct sockaddr_in);
    } else if (address->family == TRANSPORT_AF_INET6 && address->length >= sizeof(struct sockaddr_in6)) {
        memcpy(out, address->bytes, sizeof(struct sockaddr_in6));
        out->ss_family = AF_INET6;
        *length = sizeof(struct sockaddr_in6);
    } else
        return STATUS_INVALID_ADDRESS_COMPONENT;
    return STATUS_SUCCESS;
}

void address_from_linux(const struct sockaddr_storage *address, socklen_t length,
                        struct transport_address *out)
{
    memset(out, 0, sizeof(*out));
    if (address->ss_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        out->length = sizeof(struct sockaddr_in);
        memcpy(out->bytes, address, sizeof(struct sockaddr_in));
        out->family = TRANSPORT_AF_INET;
    } else if (address->ss_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        out->length = sizeof(struct sockaddr_in6);
        memcpy(out->bytes, address, sizeof(struct sockaddr_in6));
        out->family = TRANSPORT_AF_INET6;
    }
}

static uint16_t port_of(const struct transport_address *address)
{
    uint16_t port;
    memcpy(&port, address->bytes + 2, sizeof(port));
    return ntohs(port);
}

static int32_t current_local(struct transport_socket *socket, struct transport_address *out)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    if (getsockname(socket->fd, (struct sockaddr *)&address, &length) < 0)
        return transport_errno_status(errno);
    address_from_linux(&address, length, out);
    return STATUS_SUCCESS;
}

void address_refresh_local(struct transport_socket *socket)
{
    struct transport_address local;
    if (current_local(socket, &local) == STATUS_SUCCESS && port_of(&local))
        socket->local = local;
}

/* ---- who holds a port --------------------------------------------------------------------------------- */

/* The IPv4 and the IPv6 addresses that a bind covers. */
struct coverage {
    bool v4, v6;
    bool any4, any6;
    uint8_t address4[4], address6[16];
    uint32_t scope;
};

static struct coverage coverage_of(const struct transport_address *address, bool v6only)
{
    static const uint8_t zero[16];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct coverage result = {0};
    const uint8_t *bytes = address->bytes + (address->family == TRANSPORT_AF_INET ? 4 : 8);
    if (address->family == TRANSPORT_AF_INET || memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        if (address->family == TRANSPORT_AF_INET6)
            bytes += sizeof(mapped);
        result.v4 = true;
        result.any4 = memcmp(bytes, zero, 4) == 0;
        memcpy(result.address4, bytes, 4);
        return result;
    }
    result.v6 = true;
    result.any6 = memcmp(bytes, zero, 16) == 0;
    memcpy(result.address6, bytes, 16);
    memcpy(&result.scope, address->bytes + 24, sizeof(result.scope));
    result.v4 = result.any4 = result.any6 && !v6only;
    return result;
}

bool address_is_wildcard(const struct transport_address *address)
{
    struct coverage covered = coverage_of(address, true);
    return covered.any4 || covered.any6;
}

bool address_is_v4(const struct transport_address *address, struct in_addr *out)
{
    struct coverage covered = coverage_of(address, true);
    if (covered.v4)
        memcpy(out, covered.address4, sizeof(*out));
    return covered.v4;
}

bool address_can_be_reached(const struct transport_address *address)
{
    return !address_is_wildcard(address) && port_of(address) != 0;
}

static bool overlap(const struct coverage *a, const struct coverage *b)
{
    if (a->v4 && b->v4 && (a->any4 || b->any4 || memcmp(a->address4, b->address4, 4) == 0))
        return true;
    return a->v6 && b->v6 &&
           (a->any6 || b->any6 || (memcmp(a->address6, b->address6, 16) == 0 && a->scope == b->scope));
}

static bool holds(const struct transport_socket *holder, const struct transport_socket *socket,
                  const struct transport_address *local, const struct coverage *wanted)
{
    struct coverage held = coverage_of(&holder->port_claim, holder->port_v6only);
    return holder->type == socket->type && port_of(&holder->port_claim) == port_of(local) &&
           overlap(wanted, &held);
}

/* transport->bind is held.  Who has the address already, after this one (NULL: the first of them), or NULL. */
static struct transport_socket *next_holder(const struct transport_socket *socket,
                                            const struct transport_address *local,
                                            const struct transport_socket *after)
{
    struct link *bucket = &socket->transport->ports[port_of(local) % PORT_BUCKETS];
    struct coverage wanted = coverage_of(local, socket->v6only);
    for (struct link *link = after ? after->port.next : bucket->next; link != bucket; link = link->next) {
        struct transport_socket *holder = LINK_OWNER(link, struct transport_socket, port);
        if (holds(holder, socket, local, &wanted))
            return holder;
    }
    return NULL;
}

static bool port_is_held(const struct transport_socket *socket, const struct transport_address *local)
{
    return next_holder(socket, local, NULL) != NULL;
}

void address_release_port(struct transport_socket *socket)
{
    if (!socket->bound)
        return;
    lock_take(&socket->transport->bind);
    link_remove(&socket->port);
    lock_release(&socket->transport->bind);
}

static void set_reuse(struct transport_socket *socket, int on)
{
    setsockopt(socket->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

/* The kernel lets sockets share that all say so: of TCP with SO_REUSEPORT, which holds for listeners, too. */
static void let_share(struct transport_socket *socket, int on)
{
    setsockopt(socket->fd, SOL_SOCKET, socket->type == TRANSPORT_STREAM ? SO_REUSEPORT : SO_REUSEADDR, &on,
               sizeof(on));
}

/* Who has the address already lets this one in, for the kernel asks all; on = 0: not any more, for it has not come in. */
static void let_holders_share(const struct transport_socket *socket, const struct transport_address *local,
                              int on)
{
    struct transport_socket *holder = NULL;
    while ((holder = next_holder(socket, local, holder)) != NULL) {
        if (!holder->shared)
            let_share(holder, on);
    }
}

/* It has come in: with each of them that stays, for the kernel looks again when a socket listens. */
static void now_shared(struct transport_socket *socket, const struct transport_address *local)
{
    struct transport_socket *holder = NULL;
    while ((holder = next_holder(socket, local, holder)) != NULL)
        holder->shared = true;
    socket->shared = true;
}

void address_set_port(struct sockaddr_storage *address, unsigned port)
{
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

/* The range that the system picks ports from. */
static void port_range(unsigned *low, unsigned *high)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    if (!file || fscanf(file, "%u %u", low, high) != 2 || *low < 1024 || *high > 65535 || *low >= *high) {
        *low = 32768;
        *high = 60999;
    }
    if (file)
        fclose(file);
}

/* transport->bind is held.  The kernel picks no port that a connection in TIME_WAIT still has; where those have
 * all, one is picked here as for a bind to a port: old connections do not count, live binds do.  0 or -1. */
static int bind_where_none_is_left(struct transport_socket *socket, struct sockaddr_storage *address,
                                   socklen_t length, const struct transport_address *local)
{
    struct transport_address wanted = *local;
    unsigned low, high, span, start;
    uint32_t chance;

    port_range(&low, &high);
    span = high - low + 1;
    host_entropy(&chance, sizeof(chance));
    start = chance % span;
    set_reuse(socket, 1);
    for (unsigned i = 0; i < span; i++) {
        unsigned port = low + (start + i) % span;

        address_set_port(address, port);
        wanted.bytes[2] = (uint8_t)(port >> 8);
        wanted.bytes[3] = (uint8_t)port;
        if (port_is_held(socket, &wanted))
            continue;
        if (bind(socket->fd, (struct sockaddr *)address, length) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return -1;
    }
    errno = EADDRINUSE;
    return -1;
}

/* 0 or -1. */
static int bind_stream(struct transport_socket *socket, struct sockaddr_storage *address, socklen_t length,
                       const struct transport_address *local)
{
    /* A port that the kernel picks must be nobody's: chosen without SO_REUSEADDR.  Set afterwards, it still
     * counts for the connections that are accepted here and will once be in TIME_WAIT. */
    set_reuse(socket, port_of(local) != 0);
    if (bind(socket->fd, (struct sockaddr *)address, length) < 0 &&
        (errno != EADDRINUSE || port_of(local) ||
         bind_where_none_is_left(socket, address, length, local) < 0))
        return -1;
    set_reuse(socket, 1);
    return 0;
}

/* No datagram waits for a socket that is gone: the kernel refuses what Windows refuses.  A raw socket has no
 * port; Linux shows its protocol there. */
static int32_t bind_raw(struct transport_socket *socket, struct sockaddr_storage *address, socklen_t length)
{
    address_set_port(address, 0);
    if (bind(socket->fd, (struct sockaddr *)address, length) < 0)
        return transport_errno_status(errno);
    address_from_linux(address, length, &socket->local);
    socket->bound = true;
    return STATUS_SUCCESS;
}

/* transport->bind is held: nobody else of ours binds between the look and the entry. */
static int32_t bind_locked(struct transport_socket *socket, const struct transport_address *local)
{
    struct transport *transport = socket->transport;
    struct sockaddr_storage address;
    socklen_t length;
    int32_t status = address_to_linux(local, &address, &length);
    if (status)
        return status;
    if (local->family != socket->family)
        return STATUS_INVALID_ADDRESS_COMPONENT;

    if (socket->type == TRANSPORT_RAW)
        return bind_raw(socket, &address, length);
    if (port_of(local) && socket->share) {
        let_holders_share(socket, local, 1);
        let_share(socket, 1);
    } else if (port_of(local) && port_is_held(socket, local))
        return STATUS_ADDRESS_ALREADY_EXISTS;
    if ((socket->type == TRANSPORT_STREAM ? bind_stream(socket, &address, length, local)
                                          : bind(socket->fd, (struct sockaddr *)&address, length)) < 0) {
        status = transport_errno_status(errno);
        if (socket->share) { /* it may yet be bound alone, and so are those */
            let_holders_share(socket, local, 0);
            let_share(socket, 0);
        }
        return status;
    }
    status = current_local(socket, &socket->local);
    if (status)
        return status;
    if (socket->share) {
        let_share(socket, 1); /* a port that the kernel has picked: from now on */
        now_shared(socket, &socket->local);
    }
    socket->bound = true;
    socket->port_claim = socket->local;
    socket->port_v6only = socket->v6only;
    link_append(&transport->ports[port_of(&socket->local) % PORT_BUCKETS], &socket->port);
    return STATUS_SUCCESS;
}

int32_t common_bind(struct transport_socket *socket, const struct transport_address *local)
{
    int32_t status;
    lock_take(&socket->lock);
    if (socket->fatal)
        status = socket->fatal;
    else if (socket->phase != PHASE_NEW || socket->bound)
        status = STATUS_INVALID_DEVICE_STATE;
    else {
        lock_take(&socket->transport->bind);
        status = bind_locked(socket, local);
        lock_release(&socket->transport->bind);
    }
    lock_release(&socket->lock);
    return status;
}

int32_t common_address(struct transport_socket *socket, int remote, struct transport_address *out)
{
    int32_t status = STATUS_SUCCESS;
    lock_take(&socket->lock);
    if (remote) {
        if (socket->phase != PHASE_CONNECTED)
            status = STATUS_CONNECTION_INVALID;
        else
            *out = socket->remote;
    } else {
        if (socket->type == TRANSPORT_STREAM &&
            (socket->phase == PHASE_NEW || socket->phase == PHASE_CONNECTING))
            address_refresh_local(socket);
        if (socket->local.length)
            *out = socket->local;
        else
            status = STATUS_ADDRESS_NOT_ASSOCIATED;
    }
    lock_release(&socket->lock);
    return status;
}
