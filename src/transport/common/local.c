/*
 * local.c - the addresses of this host, and the kernel's word when they change (rtnetlink).
 *
 * The kernel also tells of what changes about an address, its lifetime for one, so the addresses themselves are
 * looked at each time.  The netlink socket stands in loop 0's epoll set from the first watch on until the end,
 * edge-triggered: each time it is read until it is empty.  A kernel that had to drop messages says so (ENOBUFS):
 * then both families may have changed.
 */
#include "transport/common/internal.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>
#include <ntstatus.h>

bool local_is_ours(const struct ifaddrs *entry, int family, struct transport_address *out)
{
    struct sockaddr_storage address = {0};
    if (!entry->ifa_addr || !(entry->ifa_flags & IFF_UP))
        return false;
    bool v4 = entry->ifa_addr->sa_family == AF_INET;
    if ((!v4 && entry->ifa_addr->sa_family != AF_INET6) ||
        (family && family != (v4 ? TRANSPORT_AF_INET : TRANSPORT_AF_INET6)))
        return false;
    socklen_t length = v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(&address, entry->ifa_addr, length);
    address_from_linux(&address, length, out);
    return true;
}

size_t common_addresses(struct transport *transport, int family, struct transport_local *out, size_t count)
{
    struct ifaddrs *all;
    size_t found = 0;
    (void)transport;
    if (getifaddrs(&all) < 0)
        return 0;
    for (const struct ifaddrs *entry = all; entry; entry = entry->ifa_next) {
        struct transport_address address;
        if (!local_is_ours(entry, family, &address))
            continue;
        if (found < count) {
            out[found].address = address;
            out[found].interface = if_nametoindex(entry->ifa_name);
        }
        found++;
    }
    freeifaddrs(all);
    return found;
}

/* The same number for the same addresses in any order; false (errno) when nobody could look. */
static bool fingerprint(int family, uint64_t *out)
{
    struct transport_address address;
    struct ifaddrs *all;
    uint64_t sum = 0;
    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *entry = all; entry; entry = entry->ifa_next) {
        if (!local_is_ours(entry, family, &address))
            continue;
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (unsigned i = 0; i < address.length; i++)
            hash = (hash ^ address.bytes[i]) * 1099511628211u;
        for (const char *name = entry->ifa_name; *name; name++)
            hash = (hash ^ (uint8_t)*name) * 1099511628211u;
        sum += hash;
    }
    freeifaddrs(all);
    *out = sum;
    return true;
}

static int open_netlink(struct loop *loop)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = LOOP_ADDRESSES};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&groups, sizeof(groups)) < 0 ||
        !fingerprint(TRANSPORT_AF_INET, &loop->transport->addresses[0]) ||
        !fingerprint(TRANSPORT_AF_INET6, &loop->transport->addresses[1]) ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int32_t common_watch_addresses(struct transport *transport)
{
    int32_t status = STATUS_SUCCESS;
    lock_take(&transport->bind);
    if (transport->netlink_fd < 0) {
        int fd = open_netlink(&transport->loops[0]);
        if (fd < 0)
            status = transport_errno_status(-fd);
        else
            transport->netlink_fd = fd;
    }
    lock_release(&transport->bind);
    return status;
}

/* Which families a message is about: bit 0 IPv4, bit 1 IPv6.  One about an interface is about both: one that goes down
 * keeps its addresses of IPv4, and nothing else tells that they are of no use (local_is_ours). */
static unsigned families_of(const void *messages, size_t bytes)
{
    unsigned families = 0;
    for (const struct nlmsghdr *message = messages; NLMSG_OK(message, bytes);
         message = NLMSG_NEXT(message, bytes)) {
        const struct ifaddrmsg *about = NLMSG_DATA(message);
        if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)
            return 3;
        if (message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_DELADDR)
            continue;
        families |= about->ifa_family == AF_INET ? 1u : about->ifa_family == AF_INET6 ? 2u : 0;
    }
    return families;
}

/* What cannot be looked at now (no descriptor, no memory) is when the loop has something to do again. */
static void look(struct transport *transport, int family)
{
    unsigned index = family == TRANSPORT_AF_INET6;
    uint64_t now;
    if (!fingerprint(family, &now)) {
        transport->unseen |= 1u << index;
        transport->loops[0].addresses = true;
        return;
    }
    if (now == transport->addresses[index])
        return;
    transport->addresses[index] = now;
    if (transport->config.addresses_changed)
        transport->config.addresses_changed(family);
}

void local_dispatch(struct transport *transport)
{
    _Alignas(struct nlmsghdr) char messages[8192];
    /* Open: its event may have come before common_watch_addresses() has stored it. */
    lock_take(&transport->bind);
    int fd = transport->netlink_fd;
    lock_release(&transport->bind);
    unsigned families = transport->unseen;
    transport->unseen = 0;
    for (;;) {
        ssize_t bytes = recv(fd, messages, sizeof(messages), 0);
        if (bytes >= 0)
            families |= families_of(messages, (size_t)bytes);
        else if (errno == ENOBUFS)
            families = 3;
        else if (errno != EINTR)
            break;
    }
    if (families & 1)
        look(transport, TRANSPORT_AF_INET);
    if (families & 2)
        look(transport, TRANSPORT_AF_INET6);
}
