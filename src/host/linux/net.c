/*
 * net.c - interfaces, addresses and routes, as rtnetlink tells them.
 *
 * Every question has a socket of its own, so that an answer can be no other's.  A dump that the kernel says was
 * disturbed (NLM_F_DUMP_INTR) is answered with HOST_NET_AGAIN: what was told may be half old, half new.
 */
#include "host/backend.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IFF_UP
#include <linux/if.h>
#endif

#define ANSWER_BYTES ((size_t)64 << 10) /* more than the kernel puts into one datagram of a dump */

struct question {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    };
    char attributes[128];
};

/* One message of the answer; positive ends the reading. */
typedef int listener(void *context, const struct nlmsghdr *message);

static int error_of(int error)
{
    switch (error) {
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return HOST_NET_NO_MEMORY;
    case ENODEV:
        return HOST_NET_MISSING;
    case EINVAL:
    case EADDRNOTAVAIL:
        return HOST_NET_BAD_SOURCE;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EPERM:
    case EACCES:
        return HOST_NET_ABSENT;
    default:
        return HOST_NET_UNREACHABLE;
    }
}

/* Reads the datagrams of one answer. */
static int read_answer(int socket, char *buffer, int dump, listener *fn, void *context)
{
    int disturbed = 0, result;

    for (;;) {
        ssize_t bytes = recv(socket, buffer, ANSWER_BYTES, MSG_TRUNC);
        struct nlmsghdr *message = (struct nlmsghdr *)buffer;
        unsigned left;

        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            return errno == ENOBUFS ? HOST_NET_AGAIN : error_of(errno);
        if ((size_t)bytes > ANSWER_BYTES)
            return HOST_NET_NO_MEMORY;
        for (left = (unsigned)bytes; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            disturbed |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type == NLMSG_DONE)
                return disturbed ? HOST_NET_AGAIN : 0;
            if (message->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *error = NLMSG_DATA(message);

                return error->error ? error_of(-error->error) : 0;
            }
            result = fn(context, message);
            if (result || !dump)
                return result;
        }
    }
}

static int ask(struct question *question, int dump, listener *fn, void *context)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    char *buffer;
    int fd, result;

    if (__builtin_expect(host_backend != NULL, 0))
        return HOST_NET_ABSENT;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return error_of(errno);
    question->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (dump ? NLM_F_DUMP : 0));
    question->head.nlmsg_seq = 1;
    buffer = malloc(ANSWER_BYTES);
    if (!buffer)
        result = HOST_NET_NO_MEMORY;
    else if (sendto(fd, question, question->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
        result = error_of(errno);
    else
        result = read_answer(fd, buffer, dump, fn, context);
    free(buffer);
    close(fd);
    return result;
}

/* ---- attributes ---------------------------------------------------------------------------------------- */

static void collect(const struct rtattr **table, unsigned count, const struct rtattr *first, unsigned bytes)
{
    memset(table, 0, count * sizeof *table);
    for (const struct rtattr *at = first; RTA_OK(at, bytes); at = RTA_NEXT(at, bytes)) {
        unsigned type = at->rta_type & (unsigned)NLA_TYPE_MASK;

        if (type < count)
            table[type] = at;
    }
}

static uint32_t number(const struct rtattr *attribute, uint32_t otherwise)
{
    uint32_t value = otherwise;

    if (attribute && RTA_PAYLOAD(attribute) >= sizeof value)
        memcpy(&value, RTA_DATA(attribute), sizeof value);
    return value;
}

/* Copies at most so many bytes; answers how many there were room for. */
static uint32_t bytes_of(const struct rtattr *attribute, void *out, size_t room)
{
    size_t bytes = attribute ? RTA_PAYLOAD(attribute) : 0;

    if (bytes > room)
        bytes = room;
    if (bytes)
        memcpy(out, RTA_DATA(attribute), bytes);
    return (uint32_t)bytes;
}

/* Number `which` of an array of 32-bit numbers. */
static uint32_t element(const struct rtattr *array, unsigned which)
{
    uint32_t value = 0;

    if (array && RTA_PAYLOAD(array) >= (which + 1) * sizeof value)
        memcpy(&value, (const char *)RTA_DATA(array) + which * sizeof value, sizeof value);
    return value;
}

static void add(struct question *question, unsigned short type, const void *data, size_t bytes)
{
    struct rtattr *attribute = (struct rtattr *)((char *)question + NLMSG_ALIGN(question->head.nlmsg_len));

    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(bytes);
    memcpy(RTA_DATA(attribute), data, bytes);
    question->head.nlmsg_len =
        (uint32_t)(NLMSG_ALIGN(question->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

/* ---- interfaces ---------------------------------------------------------------------------------------- */

static int medium_of(unsigned short hardware)
{
    switch (hardware) {
    case ARPHRD_LOOPBACK:
        return HOST_NET_LOOPBACK;
    case ARPHRD_ETHER:
        return HOST_NET_ETHERNET;
    case ARPHRD_IEEE80211:
    case ARPHRD_IEEE80211_PRISM:
    case ARPHRD_IEEE80211_RADIOTAP:
        return HOST_NET_WIRELESS;
    case ARPHRD_PPP:
        return HOST_NET_PPP;
    case ARPHRD_NONE: /* tun, WireGuard */
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
        return HOST_NET_TUNNEL;
    default:
        return HOST_NET_OTHER;
    }
}

static int state_of(unsigned char state, unsigned flags)
{
    switch (state) {
    case 6: /* IF_OPER_UP of linux/if.h, which numbers them in its own order */
        return HOST_NET_UP;
    case 5:
        return HOST_NET_DORMANT;
    case 4:
        return HOST_NET_TESTING;
    case 3:
        return HOST_NET_LOWER_DOWN;
    case 2:
        return HOST_NET_DOWN;
    case 1:
        return HOST_NET_NOT_PRESENT;
    default: /* who does not say, as the loopback, works when it is enabled */
        return !(flags & IFF_UP) ? HOST_NET_DOWN : flags & IFF_RUNNING ? HOST_NET_UP : HOST_NET_UNKNOWN;
    }
}

/* IFLA_AF_SPEC: a nest for each family that the interface has. */
static void families(struct host_net_interface *out, const struct rtattr *spec)
{
    unsigned left = spec ? (unsigned)RTA_PAYLOAD(spec) : 0;

    for (const struct rtattr *at = spec ? RTA_DATA(spec) : NULL; left && RTA_OK(at, left);
         at = RTA_NEXT(at, left)) {
        unsigned family = at->rta_type & (unsigned)NLA_TYPE_MASK;

        if (family == AF_INET) {
            const struct rtattr *table[IFLA_INET_MAX + 1];

            collect(table, IFLA_INET_MAX + 1, RTA_DATA(at), (unsigned)RTA_PAYLOAD(at));
            out->four.present = 1;
            out->four.mtu = out->mtu;
            out->four.forwarding = element(table[IFLA_INET_CONF], IPV4_DEVCONF_FORWARDING - 1) != 0;
        } else if (family == AF_INET6) {
            const struct rtattr *table[IFLA_INET6_MAX + 1];
            struct ifla_cacheinfo times = {0};

            collect(table, IFLA_INET6_MAX + 1, RTA_DATA(at), (unsigned)RTA_PAYLOAD(at));
            bytes_of(table[IFLA_INET6_CACHEINFO], &times, sizeof times);
            out->six.present = !element(table[IFLA_INET6_CONF], DEVCONF_DISABLE_IPV6);
            out->six.mtu = element(table[IFLA_INET6_CONF], DEVCONF_MTU6);
            out->six.forwarding = element(table[IFLA_INET6_CONF], DEVCONF_FORWARDING) != 0;
            out->six.routers = element(table[IFLA_INET6_CONF], DEVCONF_ACCEPT_RA) != 0;
            out->six.probes = element(table[IFLA_INET6_CONF], DEVCONF_DAD_TRANSMITS);
            out->six.reachable_ms = times.reachable_time;
            out->six.retransmit_ms = times.retrans_time;
        }
    }
}

struct interfaces {
    int (*fn)(void *context, const struct host_net_interface *interface);
    void *context;
};

static int on_link(void *context, const struct nlmsghdr *message)
{
    const struct ifinfomsg *link = NLMSG_DATA(message);
    const struct interfaces *to = context;
    const struct rtattr *table[IFLA_MAX + 1];
    struct rtnl_link_stats64 statistics;
    struct host_net_interface out;

    if (message->nlmsg_type != RTM_NEWLINK)
        return 0;
    memset(&out, 0, sizeof out);
    memset(&statistics, 0, sizeof statistics);
    collect(table, IFLA_MAX + 1, IFLA_RTA(link), (unsigned)IFLA_PAYLOAD(message));
    out.index = (uint32_t)link->ifi_index;
    out.medium = medium_of(link->ifi_type);
    out.enabled = (link->ifi_flags & IFF_UP) != 0;
    out.point_to_point = (link->ifi_flags & IFF_POINTOPOINT) != 0;
    out.virtual_one = table[IFLA_LINKINFO] != NULL || out.medium == HOST_NET_LOOPBACK;
    if (table[IFLA_OPERSTATE])
        out.state = state_of(*(unsigned char *)RTA_DATA(table[IFLA_OPERSTATE]), link->ifi_flags);
    else
        out.state = state_of(0, link->ifi_flags);
    out.carrier = table[IFLA_CARRIER] ? *(unsigned char *)RTA_DATA(table[IFLA_CARRIER]) : out.enabled;
    bytes_of(table[IFLA_IFNAME], out.name, sizeof out.name - 1);
    bytes_of(table[IFLA_IFALIAS], out.alias, sizeof out.alias - 1);
    out.address_bytes = bytes_of(table[IFLA_ADDRESS], out.address, sizeof out.address);
    if (!table[IFLA_PERM_ADDRESS])
        memcpy(out.permanent, out.address, sizeof out.permanent);
    bytes_of(table[IFLA_PERM_ADDRESS], out.permanent, sizeof out.permanent);
    out.mtu = number(table[IFLA_MTU], 0);
    bytes_of(table[IFLA_STATS64], &statistics, sizeof statistics);
    out.in_bytes = statistics.rx_bytes;
    out.in_packets = statistics.rx_packets;
    out.in_multicast = statistics.multicast;
    out.in_dropped = statistics.rx_dropped;
    out.in_errors = statistics.rx_errors;
    out.in_unknown = statistics.rx_nohandler;
    out.out_bytes = statistics.tx_bytes;
    out.out_packets = statistics.tx_packets;
    out.out_dropped = statistics.tx_dropped;
    out.out_errors = statistics.tx_errors;
    families(&out, table[IFLA_AF_SPEC]);
    return to->fn(to->context, &out);
}

int host_net_interfaces(int (*fn)(void *context, const struct host_net_interface *interface), void *context)
{
    struct question question = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.link), .nlmsg_type = RTM_GETLINK}};
    struct interfaces to = {fn, context};

    return ask(&question, 1, on_link, &to);
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

/* `stamp`: hundredths of a second since the machine started. */
static uint64_t stamp_time(uint32_t stamp)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return host_wall() - ((uint64_t)now.tv_sec * 10000000u + (uint64_t)now.tv_nsec / 100) + stamp * 100000ull;
}

struct addresses {
    int (*fn)(void *context, const struct host_net_address *address);
    void *context;
};

static int on_address(void *context, const struct nlmsghdr *message)
{
    const struct ifaddrmsg *about = NLMSG_DATA(message);
    const struct addresses *to = context;
    const struct rtattr *table[IFA_MAX + 1];
    struct ifa_cacheinfo times = {.ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX};
    struct host_net_address out;
    uint32_t flags;

    if (message->nlmsg_type != RTM_NEWADDR || (about->ifa_family != AF_INET && about->ifa_family != AF_INET6))
        return 0;
    memset(&out, 0, sizeof out);
    collect(table, IFA_MAX + 1, IFA_RTA(about), (unsigned)IFA_PAYLOAD(message));
    out.family = about->ifa_family == AF_INET ? 4 : 6;
    out.index = about->ifa_index;
    out.prefix = about->ifa_prefixlen;
    /* IFA_ADDRESS is the other end's where the link has but two ends. */
    bytes_of(table[table[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS], out.address, sizeof out.address);
    flags = number(table[IFA_FLAGS], about->ifa_flags);
    out.tentative = (flags & IFA_F_TENTATIVE) != 0;
    out.duplicate = (flags & IFA_F_DADFAILED) != 0;
    out.deprecated = (flags & IFA_F_DEPRECATED) != 0;
    out.permanent = (flags & IFA_F_PERMANENT) != 0;
    /* For IPv4 the same bit says that it is not the first address of its net. */
    out.temporary = out.family == 6 && (flags & IFA_F_TEMPORARY) != 0;
    bytes_of(table[IFA_CACHEINFO], &times, sizeof times);
    out.valid_s = times.ifa_valid;
    out.preferred_s = times.ifa_prefered;
    if (table[IFA_CACHEINFO])
        out.created = stamp_time(times.cstamp);
    return to->fn(to->context, &out);
}

int host_net_addresses(int (*fn)(void *context, const struct host_net_address *address), void *context)
{
    struct question question = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.address), .nlmsg_type = RTM_GETADDR}};
    struct addresses to = {fn, context};

    return ask(&question, 1, on_address, &to);
}

/* ---- routes -------------------------------------------------------------------------------------------- */

static int maker_of(unsigned char protocol)
{
    switch (protocol) {
    case RTPROT_KERNEL:
        return HOST_NET_BY_SYSTEM;
    case RTPROT_BOOT:
    case RTPROT_STATIC:
        return HOST_NET_BY_HAND;
    case RTPROT_REDIRECT:
        return HOST_NET_BY_REDIRECT;
    case RTPROT_RA:
        return HOST_NET_BY_RA;
    case RTPROT_DHCP:
        return HOST_NET_BY_DHCP;
    default:
        return HOST_NET_BY_OTHER;
    }
}

static void next_hop_of(struct host_net_route *out, const struct rtattr *const *table)
{
    const struct rtattr *via = table[RTA_VIA];

    memset(out->next_hop, 0, sizeof out->next_hop);
    if (table[RTA_GATEWAY])
        bytes_of(table[RTA_GATEWAY], out->next_hop, sizeof out->next_hop);
    else if (via && RTA_PAYLOAD(via) >= sizeof(struct rtvia) && out->family == 6 &&
             ((const struct rtvia *)RTA_DATA(via))->rtvia_family == AF_INET6)
        memcpy(out->next_hop, ((const struct rtvia *)RTA_DATA(via))->rtvia_addr, sizeof out->next_hop);
}

/* What a message says but for next hop and interface. */
static void route_head(struct host_net_route *out, const struct rtmsg *route,
                       const struct rtattr *const *table)
{
    struct rta_cacheinfo times = {0};

    memset(out, 0, sizeof *out);
    out->family = route->rtm_family == AF_INET ? 4 : 6;
    out->prefix = route->rtm_dst_len;
    bytes_of(table[RTA_DST], out->destination, sizeof out->destination);
    out->metric = number(table[RTA_PRIORITY], 0);
    out->local = route->rtm_type == RTN_LOCAL;
    out->maker = maker_of(route->rtm_protocol);
    bytes_of(table[RTA_CACHEINFO], &times, sizeof times);
    out->expires_s = times.rta_expires > 0 ? (uint32_t)times.rta_expires / 100 : UINT32_MAX; /* USER_HZ */
}

struct routes {
    int (*fn)(void *context, const struct host_net_route *route);
    void *context;
};

static int on_route(void *context, const struct nlmsghdr *message)
{
    const struct rtmsg *route = NLMSG_DATA(message);
    const struct routes *to = context;
    const struct rtattr *table[RTA_MAX + 1];
    struct host_net_route out;
    uint32_t which;
    int result = 0;

    if (message->nlmsg_type != RTM_NEWROUTE ||
        (route->rtm_family != AF_INET && route->rtm_family != AF_INET6) || route->rtm_flags & RTM_F_CLONED ||
        (route->rtm_type != RTN_UNICAST && route->rtm_type != RTN_LOCAL && route->rtm_type != RTN_BROADCAST &&
         route->rtm_type != RTN_MULTICAST))
        return 0;
    collect(table, RTA_MAX + 1, RTM_RTA(route), (unsigned)RTM_PAYLOAD(message));
    which = number(table[RTA_TABLE], route->rtm_table);
    if (which != RT_TABLE_MAIN && which != RT_TABLE_LOCAL)
        return 0; /* of another table of a policy, which a row cannot name */
    route_head(&out, route, table);
    if (!table[RTA_MULTIPATH]) {
        out.index = number(table[RTA_OIF], 0);
        next_hop_of(&out, table);
        return to->fn(to->context, &out);
    }
    for (unsigned left = (unsigned)RTA_PAYLOAD(table[RTA_MULTIPATH]), step = 0; result == 0; left -= step) {
        const struct rtnexthop *hop =
            (const struct rtnexthop *)((const char *)RTA_DATA(table[RTA_MULTIPATH]) +
                                       (RTA_PAYLOAD(table[RTA_MULTIPATH]) - left));
        const struct rtattr *more[RTA_MAX + 1];

        if (left < sizeof *hop || hop->rtnh_len < sizeof *hop || hop->rtnh_len > left)
            break;
        collect(more, RTA_MAX + 1, RTNH_DATA(hop), hop->rtnh_len - (unsigned)sizeof *hop);
        out.index = (uint32_t)hop->rtnh_ifindex;
        next_hop_of(&out, more);
        result = to->fn(to->context, &out);
        step = (unsigned)RTNH_ALIGN(hop->rtnh_len) < left ? (unsigned)RTNH_ALIGN(hop->rtnh_len) : left;
    }
    return result;
}

int host_net_routes(int (*fn)(void *context, const struct host_net_route *route), void *context)
{
    struct question question = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.route), .nlmsg_type = RTM_GETROUTE}};
    struct routes to = {fn, context};

    return ask(&question, 1, on_route, &to);
}

struct way {
    struct host_net_route route;
    uint8_t from[16];
    int known;   /* there is a route */
    int refused; /* a route that says no */
};

static int on_way(void *context, const struct nlmsghdr *message)
{
    const struct rtmsg *route = NLMSG_DATA(message);
    const struct rtattr *table[RTA_MAX + 1];
    struct way *way = context;

    if (message->nlmsg_type != RTM_NEWROUTE)
        return 0;
    collect(table, RTA_MAX + 1, RTM_RTA(route), (unsigned)RTM_PAYLOAD(message));
    route_head(&way->route, route, table);
    way->route.index = number(table[RTA_OIF], 0);
    next_hop_of(&way->route, table);
    bytes_of(table[RTA_PREFSRC], way->from, sizeof way->from);
    way->refused = route->rtm_type == RTN_UNREACHABLE || route->rtm_type == RTN_BLACKHOLE ||
                   route->rtm_type == RTN_PROHIBIT || number(table[RTA_OIF], 0) == 0;
    way->known = 1;
    return 0;
}

int host_net_route_to(int family, const uint8_t *destination, const uint8_t *source, uint32_t index,
                      struct host_net_route *route, uint8_t from[16])
{
    const size_t bytes = family == 4 ? 4 : 16;
    struct way ways[2];
    int result;

    /* Asked twice: where the packet goes, and which entry of the table says so. */
    memset(ways, 0, sizeof ways);
    for (int entry = 0; entry < 2; entry++) {
        struct question question = {
            .head = {.nlmsg_len = NLMSG_LENGTH(sizeof question.route), .nlmsg_type = RTM_GETROUTE},
            .route = {.rtm_family = family == 4 ? AF_INET : AF_INET6,
                      .rtm_dst_len = (unsigned char)(bytes * 8),
                      .rtm_src_len = (unsigned char)(source ? bytes * 8 : 0),
                      .rtm_flags = entry ? RTM_F_FIB_MATCH : 0}};

        add(&question, RTA_DST, destination, bytes);
        if (source)
            add(&question, RTA_SRC, source, bytes);
        if (index)
            add(&question, RTA_OIF, &index, sizeof index);
        result = ask(&question, 0, on_way, &ways[entry]);
        if (result < 0)
            return result;
        if (!ways[entry].known || (!entry && ways[entry].refused))
            return HOST_NET_UNREACHABLE;
    }
    *route = ways[1].route;
    route->index = ways[0].route.index;
    memcpy(route->next_hop, ways[0].route.next_hop, sizeof route->next_hop);
    memset(from, 0, 16);
    memcpy(from, source ? source : ways[0].from, bytes);
    return 0;
}

/* ---- changes ------------------------------------------------------------------------------------------- */

struct host_net_watch {
    int socket;
    int shut; /* an eventfd: readable when it is over */
};

struct host_net_watch *host_net_watch_open(int *error)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                              RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
    struct host_net_watch *watch;

    *error = HOST_NET_ABSENT;
    if (__builtin_expect(host_backend != NULL, 0))
        return NULL;
    *error = HOST_NET_NO_MEMORY;
    watch = malloc(sizeof *watch);
    if (!watch)
        return NULL;
    watch->shut = eventfd(0, EFD_CLOEXEC);
    watch->socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (watch->shut >= 0 && watch->socket >= 0 &&
        bind(watch->socket, (struct sockaddr *)&groups, sizeof groups) == 0) {
        *error = 0;
        return watch;
    }
    *error = error_of(errno);
    if (watch->shut >= 0)
        close(watch->shut);
    if (watch->socket >= 0)
        close(watch->socket);
    free(watch);
    return NULL;
}

int host_net_watch_wait(struct host_net_watch *watch)
{
    char message[64]; /* that there was one is enough */
    struct pollfd fds[2] = {{.fd = watch->shut, .events = POLLIN}, {.fd = watch->socket, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, -1) < 0)
            continue; /* EINTR */
        if (fds[0].revents)
            return 1;
        /* ENOBUFS says that some were lost: told all the same. */
        while (recv(watch->socket, message, sizeof message, 0) >= 0 || errno == EINTR || errno == ENOBUFS)
            continue;
        return 0;
    }
}

void host_net_watch_shut(struct host_net_watch *watch)
{
    const uint64_t one = 1;

    while (write(watch->shut, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void host_net_watch_close(struct host_net_watch *watch)
{
    close(watch->socket);
    close(watch->shut);
    free(watch);
}
