/*
 * option.c - socket options in Windows' units, and what waits in the queues.
 */
#include "transport/common/internal.h"
#include "transport/common/system.h"
#include "transport/errno_status.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <ntstatus.h>

#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX 101
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum form { PLAIN, TRUTH, NETWORK_ORDER, FRAGMENT, DISCOVERY, INDEX };

static const struct option_row {
    int level, name;
    enum form form;
} rows[TRANSPORT_OPTION_MAX] = {
    [TRANSPORT_OPTION_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE, TRUTH},
    [TRANSPORT_OPTION_RECEIVE_BUFFER] = {SOL_SOCKET, SO_RCVBUF, PLAIN},
    [TRANSPORT_OPTION_SEND_BUFFER] = {SOL_SOCKET, SO_SNDBUF, PLAIN},
    [TRANSPORT_OPTION_NODELAY] = {IPPROTO_TCP, TCP_NODELAY, TRUTH},
    [TRANSPORT_OPTION_V6ONLY] = {IPPROTO_IPV6, IPV6_V6ONLY, TRUTH},
    [TRANSPORT_OPTION_KEEPIDLE] = {IPPROTO_TCP, TCP_KEEPIDLE, PLAIN},
    [TRANSPORT_OPTION_KEEPINTVL] = {IPPROTO_TCP, TCP_KEEPINTVL, PLAIN},
    [TRANSPORT_OPTION_KEEPCNT] = {IPPROTO_TCP, TCP_KEEPCNT, PLAIN},
    [TRANSPORT_OPTION_USER_TIMEOUT] = {IPPROTO_TCP, TCP_USER_TIMEOUT, PLAIN},
    [TRANSPORT_OPTION_TTL] = {IPPROTO_IP, IP_TTL, PLAIN},
    [TRANSPORT_OPTION_HOPLIMIT] = {IPPROTO_IPV6, IPV6_UNICAST_HOPS, PLAIN},
    [TRANSPORT_OPTION_TOS] = {IPPROTO_IP, IP_TOS, PLAIN},
    [TRANSPORT_OPTION_TCLASS] = {IPPROTO_IPV6, IPV6_TCLASS, PLAIN},
    [TRANSPORT_OPTION_DONTFRAGMENT] = {IPPROTO_IP, IP_MTU_DISCOVER, FRAGMENT},
    [TRANSPORT_OPTION_INTERFACE] = {IPPROTO_IP, IP_UNICAST_IF, NETWORK_ORDER},
    [TRANSPORT_OPTION_BROADCAST] = {SOL_SOCKET, SO_BROADCAST, TRUTH},
    [TRANSPORT_OPTION_MULTICAST_HOPS] = {IPPROTO_IP, IP_MULTICAST_TTL, PLAIN},
    [TRANSPORT_OPTION_MULTICAST_LOOP] = {IPPROTO_IP, IP_MULTICAST_LOOP, TRUTH},
    [TRANSPORT_OPTION_MULTICAST_INTERFACE] = {IPPROTO_IP, IP_MULTICAST_IF, INDEX},
    [TRANSPORT_OPTION_RECEIVE_HOPS] = {IPPROTO_IP, IP_RECVTTL, TRUTH},
    [TRANSPORT_OPTION_RECEIVE_CLASS] = {IPPROTO_IP, IP_RECVTOS, TRUTH},
    [TRANSPORT_OPTION_RECEIVE_ERRORS] = {IPPROTO_IP, IP_RECVERR, TRUTH},
    [TRANSPORT_OPTION_NO_CHECKSUM] = {SOL_SOCKET, SO_NO_CHECK, TRUTH},
    [TRANSPORT_OPTION_MTU_DISCOVER] = {IPPROTO_IP, IP_MTU_DISCOVER, DISCOVERY},
    [TRANSPORT_OPTION_MTU] = {IPPROTO_IP, IP_MTU, PLAIN},
    [TRANSPORT_OPTION_MAX_SEGMENT] = {IPPROTO_TCP, TCP_MAXSEG, PLAIN},
};

/* What the option is called for an IPv6 socket, where that differs.  `both`: what a dual-mode socket sends to and
 * gets from IPv4 obeys IPv4's. */
static const struct ipv6_row {
    int option, name;
    bool both;
    int level; /* 0 = IPPROTO_IPV6 */
} ipv6_rows[] = {
    {TRANSPORT_OPTION_DONTFRAGMENT, IPV6_MTU_DISCOVER, false, 0},
    {TRANSPORT_OPTION_INTERFACE, IPV6_UNICAST_IF, false, 0},
    {TRANSPORT_OPTION_MULTICAST_HOPS, IPV6_MULTICAST_HOPS, true, 0},
    {TRANSPORT_OPTION_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, true, 0},
    {TRANSPORT_OPTION_MULTICAST_INTERFACE, IPV6_MULTICAST_IF, true, 0},
    {TRANSPORT_OPTION_RECEIVE_HOPS, IPV6_RECVHOPLIMIT, true, 0},
    {TRANSPORT_OPTION_RECEIVE_CLASS, IPV6_RECVTCLASS, true, 0},
    {TRANSPORT_OPTION_RECEIVE_ERRORS, IPV6_RECVERR, true, 0},
    {TRANSPORT_OPTION_NO_CHECKSUM, UDP_NO_CHECK6_TX, false, IPPROTO_UDP},
    {TRANSPORT_OPTION_MTU_DISCOVER, IPV6_MTU_DISCOVER, false, 0},
    {TRANSPORT_OPTION_MTU, IPV6_MTU, false, 0},
};

static const struct ipv6_row *find_ipv6(const struct transport_socket *socket, int option)
{
    for (unsigned i = 0; socket->family == TRANSPORT_AF_INET6 && i < sizeof(ipv6_rows) / sizeof(ipv6_rows[0]);
         i++) {
        if (ipv6_rows[i].option == option)
            return &ipv6_rows[i];
    }
    return NULL;
}

/* The row for this socket's family; 0 when the option has none. */
static int find(const struct transport_socket *socket, int option, struct option_row *out)
{
    if (option <= 0 || option >= TRANSPORT_OPTION_MAX || rows[option].name == 0)
        return 0;
    const struct ipv6_row *ipv6 = find_ipv6(socket, option);
    *out = rows[option];
    if (ipv6) {
        out->level = ipv6->level ? ipv6->level : IPPROTO_IPV6;
        out->name = ipv6->name;
    }
    return 1;
}

_Static_assert(IP_PMTUDISC_DONT == IPV6_PMTUDISC_DONT && IP_PMTUDISC_DO == IPV6_PMTUDISC_DO, "one meaning");

/* By Windows' numbers: not set, do, do not, probe. */
static const int discovery[] = {IP_PMTUDISC_WANT, IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE};

static int to_kernel(enum form form, uint64_t value)
{
    switch (form) {
    case TRUTH:
        return value != 0;
    case NETWORK_ORDER:
        return (int)htonl((uint32_t)value);
    case FRAGMENT:
        return value ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    case DISCOVERY:
        return discovery[value];
    default:
        return (int)value;
    }
}

static uint64_t from_kernel(enum form form, int value)
{
    switch (form) {
    case TRUTH:
        return value != 0;
    case NETWORK_ORDER:
        return ntohl((uint32_t)value);
    case FRAGMENT:
        return value == IP_PMTUDISC_DO;
    case DISCOVERY:
        for (uint64_t i = 0; i < sizeof(discovery) / sizeof(discovery[0]); i++) {
            if (discovery[i] == value)
                return i;
        }
        return 0;
    default:
        return (uint64_t)(unsigned)value;
    }
}

static int apply(struct transport_socket *socket, const struct option_row *row, int number)
{
    struct ip_mreqn interface = {.imr_ifindex = number};
    if (row->form == INDEX && row->level == IPPROTO_IP)
        return setsockopt(socket->fd, row->level, row->name, &interface, sizeof(interface));
    return setsockopt(socket->fd, row->level, row->name, &number, sizeof(number));
}

/* What the kernel coalesces has no limit but that of a datagram: with a lower one each comes alone. */
static int32_t set_coalesced(struct transport_socket *socket, uint32_t value)
{
    int on = value >= (socket->family == TRANSPORT_AF_INET ? 65535 - 28 : 65535 - 8);
    if (setsockopt(socket->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0 && on && errno != ENOPROTOOPT)
        return transport_errno_status(errno);
    socket->coalesced = value;
    return STATUS_SUCCESS;
}

static int32_t set_cut(struct transport_socket *socket, int option, uint64_t value)
{
    if (socket->type != TRANSPORT_DATAGRAM)
        return STATUS_NOT_SUPPORTED;
    if (value > UINT32_MAX)
        return STATUS_INVALID_PARAMETER;
    if (option == TRANSPORT_OPTION_RECEIVE_COALESCED)
        return set_coalesced(socket, (uint32_t)value);
    socket->send_segment = (uint32_t)value;
    return STATUS_SUCCESS;
}

static int32_t set_locked(struct transport_socket *socket, int option, uint64_t value)
{
    struct option_row row;
    if (option == TRANSPORT_OPTION_RECEIVE_COALESCED || option == TRANSPORT_OPTION_SEND_SEGMENT)
        return set_cut(socket, option, value);
    if (option == TRANSPORT_OPTION_SHARE) {
        socket->share = value != 0;
        return STATUS_SUCCESS;
    }
    if (!find(socket, option, &row) ||
        (option == TRANSPORT_OPTION_RECEIVE_ERRORS && socket->type == TRANSPORT_STREAM))
        return STATUS_NOT_SUPPORTED;
    bool buffer = option == TRANSPORT_OPTION_RECEIVE_BUFFER || option == TRANSPORT_OPTION_SEND_BUFFER;
    if ((row.form == PLAIN || row.form == INDEX) && value > INT_MAX)
        return STATUS_INVALID_PARAMETER;
    if (row.form == DISCOVERY && value >= sizeof(discovery) / sizeof(discovery[0]))
        return STATUS_INVALID_PARAMETER;
    int number = to_kernel(row.form, value);
    if (buffer && number > INT_MAX / 2)
        number = INT_MAX / 2; /* the kernel doubles it */
    if (apply(socket, &row, number) < 0)
        return transport_errno_status(errno);
    const struct ipv6_row *ipv6 = find_ipv6(socket, option);
    if (ipv6 && ipv6->both && socket->type == TRANSPORT_DATAGRAM)
        apply(socket, &rows[option], number);
    switch (option) {
    case TRANSPORT_OPTION_RECEIVE_BUFFER:
        socket->receive_buffer = (uint32_t)value;
        break;
    case TRANSPORT_OPTION_SEND_BUFFER:
        socket->send_buffer = (uint32_t)value;
        break;
    case TRANSPORT_OPTION_V6ONLY:
        socket->v6only = value != 0;
        break;
    case TRANSPORT_OPTION_NODELAY:
        socket->nodelay_option = socket->nodelay_set = value != 0;
        break;
    case TRANSPORT_OPTION_MULTICAST_INTERFACE:
        socket->multicast_interface = (uint32_t)value;
        break;
    case TRANSPORT_OPTION_RECEIVE_ERRORS:
        socket->errors = value != 0;
        break;
    }
    return STATUS_SUCCESS;
}

/* What the kernel does not know, or not as it was set; STATUS_PENDING: it is to be asked. */
static int32_t get_own(const struct transport_socket *socket, int option, uint64_t *value)
{
    switch (option) {
    case TRANSPORT_OPTION_NODELAY: /* the descriptor's may be on for one send */
        *value = socket->nodelay_option;
        return socket->type == TRANSPORT_STREAM ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    case TRANSPORT_OPTION_V6ONLY: /* the kernel turns it on by itself when an IPv6 address is bound */
        *value = socket->v6only;
        return STATUS_SUCCESS;
    case TRANSPORT_OPTION_MULTICAST_INTERFACE:
        *value = socket->multicast_interface;
        return STATUS_SUCCESS;
    case TRANSPORT_OPTION_SHARE:
        *value = socket->share;
        return STATUS_SUCCESS;
    case TRANSPORT_OPTION_RECEIVE_COALESCED:
        *value = socket->coalesced;
        return socket->type == TRANSPORT_DATAGRAM ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    case TRANSPORT_OPTION_SEND_SEGMENT:
        *value = socket->send_segment;
        return socket->type == TRANSPORT_DATAGRAM ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    default:
        return STATUS_PENDING;
    }
}

static int32_t get_locked(struct transport_socket *socket, int option, uint64_t *value)
{
    struct option_row row;
    if (option == TRANSPORT_OPTION_ERROR) {
        socket_poll(socket); /* latched, not taken away; a pending connect keeps its own */
        *value = (uint32_t)socket->fatal;
        return STATUS_SUCCESS;
    }
    int32_t own = get_own(socket, option, value);
    if (own != STATUS_PENDING)
        return own;
    if (!find(socket, option, &row))
        return STATUS_NOT_SUPPORTED;
    int number = 0;
    socklen_t length = sizeof(number);
    if (getsockopt(socket->fd, row.level, row.name, &number, &length) < 0)
        return transport_errno_status(errno);
    *value = from_kernel(row.form, number);
    /* The kernel doubles a buffer size, and cuts or raises it to its limits: the caller gets back what it
     * set. */
    if (option == TRANSPORT_OPTION_RECEIVE_BUFFER)
        *value = socket->receive_buffer ? socket->receive_buffer : (uint64_t)number / 2;
    else if (option == TRANSPORT_OPTION_SEND_BUFFER)
        *value = socket->send_buffer ? socket->send_buffer : (uint64_t)number / 2;
    return STATUS_SUCCESS;
}

int32_t common_set_option(struct transport_socket *socket, int option, uint64_t value)
{
    lock_take(&socket->lock);
    int32_t status = set_locked(socket, option, value);
    lock_release(&socket->lock);
    return status;
}

int32_t common_get_option(struct transport_socket *socket, int option, uint64_t *value)
{
    lock_take(&socket->lock);
    int32_t status = get_locked(socket, option, value);
    lock_release(&socket->lock);
    return status;
}

/* ---- queries ------------------------------------------------------------------------------------------ */

static int64_t bytes(struct transport_socket *socket, unsigned long request)
{
    int count = 0;
    return system_count(socket->fd, request, &count) < 0 ? -1 : count;
}

int64_t option_unsent(struct transport_socket *socket)
{
    return bytes(socket, SIOCOUTQNSD);
}

int64_t option_unacked(struct transport_socket *socket)
{
    return bytes(socket, SIOCOUTQ);
}

/* Twice what the congestion window lets travel: so much is on its way, and as much again is there when the
 * acknowledgements come.  More than the send buffer takes would only wait. */
static int64_t ideal_backlog(struct transport_socket *socket)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info), buffer_length = sizeof(int);
    int buffer = 0;
    if (getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
        getsockopt(socket->fd, SOL_SOCKET, SO_SNDBUF, &buffer, &buffer_length) < 0)
        return -1;
    int64_t window = (int64_t)info.tcpi_snd_cwnd * info.tcpi_snd_mss * 2;
    int64_t most = buffer / 2; /* the kernel counts its own overhead, too */
    int64_t ideal = window < most ? window : most;
    return ideal > info.tcpi_snd_mss ? ideal : info.tcpi_snd_mss > 0 ? info.tcpi_snd_mss : 1;
}

int64_t common_query(struct transport_socket *socket, int what)
{
    /* No lock: the descriptor lives until close(), and the number is old when the caller gets it anyway. */
    switch (what) {
    case TRANSPORT_UNSENT:
        return option_unsent(socket);
    case TRANSPORT_UNACKED:
        return option_unacked(socket);
    case TRANSPORT_READABLE:
        return bytes(socket, FIONREAD);
    case TRANSPORT_IDEAL_BACKLOG:
        return socket->type == TRANSPORT_STREAM ? ideal_backlog(socket) : -1;
    default:
        return -1;
    }
}
