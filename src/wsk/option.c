/*
 * option.c - the socket options: one table row per option (area OPT).
 *
 * A row says who may ask for what: name, level, size, categories, whether it may be set and read, in which state,
 * whether an IRP is required, and what the transport calls it.  Numbers and sizes are Windows' own (D-19).  Where
 * no IRP is required one may be given.  Options that are refused stand at the end: they are known, and Linux has nothing
 * like them, or they are not passed on (docs/divergences.md).
 */
#include "wsk/control.h"

#define ALL_BUT_BASIC (OF_STREAMS | ON(WSK_DATAGRAM))

enum option_flags {
    OPTION_SET = 1,
    OPTION_GET = 2,
    OPTION_BEFORE_BIND = 4, /* setting it later: STATUS_INVALID_DEVICE_STATE */
    OPTION_CONNECTED = 8,   /* reading it earlier: the same */
    OPTION_IRP = 16,        /* an IRP is required */
    OPTION_FLAG = 32,       /* a Boolean: 0 or 1 */
    OPTION_V4 = 64,         /* AF_INET only */
    OPTION_V6 = 128,        /* AF_INET6 only */
    OPTION_JOIN = 256,      /* a group: enters it */
    OPTION_LEAVE = 512,
    OPTION_NETWORK_ORDER = 1024, /* the client's number */
    OPTION_SECONDS = 2048,       /* the client's; the transport has milliseconds.  ~0 = without end */
    OPTION_SECURITY = 8192,      /* SO_WSK_SECURITY: a pointer (security.c) */
    OPTION_WHERE = 4096          /* IP_MULTICAST_IF: an index or an address, in network order */
};

struct option_row {
    ULONG level;
    ULONG name;
    ULONG size;
    ULONG categories;
    ULONG flags;
    int transport; /* enum transport_option, 0 = kept or known here */
    size_t shadow; /* offset of the ULONG in struct wsk_socket that keeps the value as set; 0 = none */
    const char *text;
};

#define SHADOW(member) offsetof(struct wsk_socket, option.member)
#define BOTH           (OPTION_SET | OPTION_GET)
#define JOIN           (OPTION_SET | OPTION_JOIN)
#define LEAVE          (OPTION_SET | OPTION_LEAVE)
#define REFUSED(level, name)                                                                                 \
    {                                                                                                        \
        level, (ULONG)name, 4, 0, 0, 0, 0, #name                                                             \
    }

static const struct option_row option_rows[] = {
    {SOL_SOCKET, SO_KEEPALIVE, 4, OF_STREAMS, BOTH | OPTION_IRP | OPTION_FLAG, TRANSPORT_OPTION_KEEPALIVE,
     SHADOW(keepalive), "SO_KEEPALIVE"},
    {SOL_SOCKET, SO_RCVBUF, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP, TRANSPORT_OPTION_RECEIVE_BUFFER,
     SHADOW(receive_buffer), "SO_RCVBUF"},
    {SOL_SOCKET, SO_SNDBUF, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP, TRANSPORT_OPTION_SEND_BUFFER,
     SHADOW(send_buffer), "SO_SNDBUF"},
    {SOL_SOCKET, SO_REUSEADDR, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP | OPTION_FLAG | OPTION_BEFORE_BIND, 0,
     SHADOW(reuse), "SO_REUSEADDR"},
    {SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 4, ALL_BUT_BASIC, BOTH | OPTION_IRP | OPTION_FLAG | OPTION_BEFORE_BIND,
     0, SHADOW(exclusive), "SO_EXCLUSIVEADDRUSE"},
    {SOL_SOCKET, SO_WSK_SECURITY, sizeof(PSECURITY_DESCRIPTOR), ALL_BUT_BASIC,
     BOTH | OPTION_IRP | OPTION_BEFORE_BIND | OPTION_SECURITY, 0, 0, "SO_WSK_SECURITY"},
    {SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 4, ON(WSK_LISTEN),
     BOTH | OPTION_IRP | OPTION_FLAG | OPTION_BEFORE_BIND, 0, SHADOW(conditional), "SO_CONDITIONAL_ACCEPT"},
    {SOL_SOCKET, SO_BROADCAST, 4, ON(WSK_DATAGRAM), BOTH | OPTION_IRP | OPTION_FLAG,
     TRANSPORT_OPTION_BROADCAST, SHADOW(broadcast), "SO_BROADCAST"},
    {SOL_SOCKET, SO_ERROR, 4, CONNECTIONS, OPTION_GET, TRANSPORT_OPTION_ERROR, 0, "SO_ERROR"},
    {SOL_SOCKET, SO_TYPE, 4, ALL_BUT_BASIC, OPTION_GET, 0, 0, "SO_TYPE"},
    {SOL_SOCKET, SO_ACCEPTCONN, 4, ALL_BUT_BASIC, OPTION_GET, 0, 0, "SO_ACCEPTCONN"},
    {SOL_SOCKET, SO_MAX_MSG_SIZE, 4, ON(WSK_DATAGRAM), OPTION_GET, 0, 0, "SO_MAX_MSG_SIZE"},

    {IPPROTO_TCP, TCP_NODELAY, 4, OF_STREAMS, BOTH | OPTION_FLAG, TRANSPORT_OPTION_NODELAY, 0, "TCP_NODELAY"},
    {IPPROTO_TCP, TCP_KEEPIDLE, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_KEEPIDLE, 0, "TCP_KEEPIDLE"},
    {IPPROTO_TCP, TCP_KEEPINTVL, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_KEEPINTVL, 0, "TCP_KEEPINTVL"},
    {IPPROTO_TCP, TCP_KEEPCNT, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_KEEPCNT, 0, "TCP_KEEPCNT"},
    {IPPROTO_TCP, TCP_MAXRT, 4, OF_STREAMS, BOTH | OPTION_SECONDS, TRANSPORT_OPTION_USER_TIMEOUT, 0,
     "TCP_MAXRT"},
    {IPPROTO_TCP, TCP_MAXRTMS, 4, OF_STREAMS, BOTH, TRANSPORT_OPTION_USER_TIMEOUT, 0, "TCP_MAXRTMS"},
    {IPPROTO_TCP, TCP_MAXSEG, 4, CONNECTIONS, OPTION_GET | OPTION_CONNECTED, TRANSPORT_OPTION_MAX_SEGMENT, 0,
     "TCP_MAXSEG"},

    {IPPROTO_IP, IP_TTL, 4, ALL_BUT_BASIC, BOTH, TRANSPORT_OPTION_TTL, 0, "IP_TTL"},
    {IPPROTO_IP, IP_TOS, 4, ALL_BUT_BASIC, BOTH, TRANSPORT_OPTION_TOS, 0, "IP_TOS"},
    {IPPROTO_IP, IP_DONTFRAGMENT, 4, ALL_BUT_BASIC, BOTH | OPTION_FLAG, TRANSPORT_OPTION_DONTFRAGMENT, 0,
     "IP_DONTFRAGMENT"},
    {IPPROTO_IP, IP_MTU_DISCOVER, 4, ALL_BUT_BASIC, BOTH | OPTION_V4, TRANSPORT_OPTION_MTU_DISCOVER, 0,
     "IP_MTU_DISCOVER"},
    {IPPROTO_IP, IP_MTU, 4, CONNECTIONS, OPTION_GET | OPTION_CONNECTED | OPTION_V4, TRANSPORT_OPTION_MTU, 0,
     "IP_MTU"},
    {IPPROTO_IP, IP_UNICAST_IF, 4, ALL_BUT_BASIC, BOTH | OPTION_V4 | OPTION_NETWORK_ORDER,
     TRANSPORT_OPTION_INTERFACE, 0, "IP_UNICAST_IF"},
    {IPPROTO_IP, IP_RECEIVE_BROADCAST, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, 0, 0, "IP_RECEIVE_BROADCAST"},

    {IPPROTO_IPV6, IPV6_V6ONLY, 4, ALL_BUT_BASIC, BOTH | OPTION_FLAG | OPTION_BEFORE_BIND | OPTION_V6,
     TRANSPORT_OPTION_V6ONLY, 0, "IPV6_V6ONLY"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_HOPLIMIT, 0,
     "IPV6_UNICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_TCLASS, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_TCLASS, 0,
     "IPV6_TCLASS"},
    {IPPROTO_IPV6, IPV6_DONTFRAG, 4, ALL_BUT_BASIC, BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_DONTFRAGMENT, 0, "IPV6_DONTFRAG"},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_MTU_DISCOVER, 0,
     "IPV6_MTU_DISCOVER"},
    {IPPROTO_IPV6, IPV6_MTU, 4, CONNECTIONS, OPTION_GET | OPTION_CONNECTED | OPTION_V6, TRANSPORT_OPTION_MTU,
     0, "IPV6_MTU"},
    {IPPROTO_IPV6, IPV6_UNICAST_IF, 4, ALL_BUT_BASIC, BOTH | OPTION_V6, TRANSPORT_OPTION_INTERFACE, 0,
     "IPV6_UNICAST_IF"},

    /* What received datagrams tell about themselves. */
    {IPPROTO_IP, IP_PKTINFO, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, 0, SHADOW(packet_info), "IP_PKTINFO"},
    {IPPROTO_IPV6, IPV6_PKTINFO, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6, 0, SHADOW(packet_info6),
     "IPV6_PKTINFO"},
    {IPPROTO_IP, IP_HOPLIMIT, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_HOPS,
     SHADOW(receive_hops), "IP_HOPLIMIT"},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_HOPS, SHADOW(receive_hops), "IPV6_HOPLIMIT"},
    {IPPROTO_IP, IP_RECVTOS, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_CLASS,
     SHADOW(receive_class), "IP_RECVTOS"},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_CLASS, SHADOW(receive_class), "IPV6_RECVTCLASS"},
    {IPPROTO_IP, IP_RECVECN, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_CLASS,
     SHADOW(receive_ecn), "IP_RECVECN"},
    {IPPROTO_IPV6, IPV6_RECVECN, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_CLASS, SHADOW(receive_ecn), "IPV6_RECVECN"},
    {IPPROTO_IP, IP_RECVERR, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_RECEIVE_ERRORS,
     SHADOW(receive_errors), "IP_RECVERR"},
    {IPPROTO_IPV6, IPV6_RECVERR, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG | OPTION_V6,
     TRANSPORT_OPTION_RECEIVE_ERRORS, SHADOW(receive_errors), "IPV6_RECVERR"},
    {IPPROTO_UDP, UDP_SEND_MSG_SIZE, 4, ON(WSK_DATAGRAM), BOTH, TRANSPORT_OPTION_SEND_SEGMENT, 0,
     "UDP_SEND_MSG_SIZE"},
    {IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, 4, ON(WSK_DATAGRAM), BOTH, TRANSPORT_OPTION_RECEIVE_COALESCED,
     SHADOW(receive_coalesced), "UDP_RECV_MAX_COALESCED_SIZE"},
    {IPPROTO_UDP, UDP_NOCHECKSUM, 4, ON(WSK_DATAGRAM), BOTH | OPTION_FLAG, TRANSPORT_OPTION_NO_CHECKSUM, 0,
     "UDP_NOCHECKSUM"},

    /* Multicast. */
    {IPPROTO_IP, IP_MULTICAST_IF, 4, ON(WSK_DATAGRAM), BOTH | OPTION_V4 | OPTION_WHERE,
     TRANSPORT_OPTION_MULTICAST_INTERFACE, SHADOW(multicast_interface), "IP_MULTICAST_IF"},
    {IPPROTO_IP, IP_MULTICAST_TTL, 4, ON(WSK_DATAGRAM), BOTH | OPTION_V4, TRANSPORT_OPTION_MULTICAST_HOPS, 0,
     "IP_MULTICAST_TTL"},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 4, ON(WSK_DATAGRAM), BOTH | OPTION_V4 | OPTION_FLAG,
     TRANSPORT_OPTION_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP"},
    {IPPROTO_IPV6, IPV6_MULTICAST_IF, 4, ON(WSK_DATAGRAM), BOTH | OPTION_V6,
     TRANSPORT_OPTION_MULTICAST_INTERFACE, 0, "IPV6_MULTICAST_IF"},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 4, ON(WSK_DATAGRAM), BOTH | OPTION_V6,
     TRANSPORT_OPTION_MULTICAST_HOPS, 0, "IPV6_MULTICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 4, ON(WSK_DATAGRAM), BOTH | OPTION_V6 | OPTION_FLAG,
     TRANSPORT_OPTION_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP"},
    {IPPROTO_IP, IP_ADD_MEMBERSHIP, sizeof(IP_MREQ), ON(WSK_DATAGRAM), JOIN | OPTION_V4, 0, 0,
     "IP_ADD_MEMBERSHIP"},
    {IPPROTO_IP, IP_DROP_MEMBERSHIP, sizeof(IP_MREQ), ON(WSK_DATAGRAM), LEAVE | OPTION_V4, 0, 0,
     "IP_DROP_MEMBERSHIP"},
    {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, sizeof(IP_MREQ_SOURCE), ON(WSK_DATAGRAM), JOIN | OPTION_V4, 0, 0,
     "IP_ADD_SOURCE_MEMBERSHIP"},
    {IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, sizeof(IP_MREQ_SOURCE), ON(WSK_DATAGRAM), LEAVE | OPTION_V4, 0, 0,
     "IP_DROP_SOURCE_MEMBERSHIP"},
    {IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, sizeof(IPV6_MREQ), ON(WSK_DATAGRAM), JOIN | OPTION_V6, 0, 0,
     "IPV6_ADD_MEMBERSHIP"},
    {IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, sizeof(IPV6_MREQ), ON(WSK_DATAGRAM), LEAVE | OPTION_V6, 0, 0,
     "IPV6_DROP_MEMBERSHIP"},
    {IPPROTO_IP, MCAST_JOIN_GROUP, sizeof(GROUP_REQ), ON(WSK_DATAGRAM), JOIN | OPTION_V4, 0, 0,
     "MCAST_JOIN_GROUP"},
    {IPPROTO_IP, MCAST_LEAVE_GROUP, sizeof(GROUP_REQ), ON(WSK_DATAGRAM), LEAVE | OPTION_V4, 0, 0,
     "MCAST_LEAVE_GROUP"},
    {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), ON(WSK_DATAGRAM), JOIN | OPTION_V4, 0, 0,
     "MCAST_JOIN_SOURCE_GROUP"},
    {IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), ON(WSK_DATAGRAM), LEAVE | OPTION_V4, 0,
     0, "MCAST_LEAVE_SOURCE_GROUP"},
    {IPPROTO_IPV6, MCAST_JOIN_GROUP, sizeof(GROUP_REQ), ON(WSK_DATAGRAM), JOIN | OPTION_V6, 0, 0,
     "MCAST_JOIN_GROUP"},
    {IPPROTO_IPV6, MCAST_LEAVE_GROUP, sizeof(GROUP_REQ), ON(WSK_DATAGRAM), LEAVE | OPTION_V6, 0, 0,
     "MCAST_LEAVE_GROUP"},
    {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), ON(WSK_DATAGRAM), JOIN | OPTION_V6, 0,
     0, "MCAST_JOIN_SOURCE_GROUP"},
    {IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), ON(WSK_DATAGRAM), LEAVE | OPTION_V6, 0,
     0, "MCAST_LEAVE_SOURCE_GROUP"},

    REFUSED(SOL_SOCKET, SO_RANDOMIZE_PORT),
    REFUSED(SOL_SOCKET, SO_PORT_SCALABILITY),
    REFUSED(SOL_SOCKET, SO_REUSE_UNICASTPORT),
    REFUSED(SOL_SOCKET, SO_REUSE_MULTICASTPORT),
    REFUSED(SOL_SOCKET, SO_COMPARTMENT_ID),
    REFUSED(SOL_SOCKET, SO_PAUSE_ACCEPT),
    REFUSED(SOL_SOCKET, SO_TIMESTAMP),
    REFUSED(SOL_SOCKET, SO_ORIGINAL_DST),
    REFUSED(IPPROTO_TCP, TCP_EXPEDITED_1122),
    REFUSED(IPPROTO_TCP, TCP_NOSYNRETRIES),
    REFUSED(IPPROTO_TCP, TCP_TIMESTAMPS),
    REFUSED(IPPROTO_TCP, TCP_OFFLOAD_PREFERENCE),
    REFUSED(IPPROTO_TCP, TCP_CONGESTION_ALGORITHM),
    REFUSED(IPPROTO_TCP, TCP_DELAY_FIN_ACK),
    REFUSED(IPPROTO_TCP, TCP_FASTOPEN),
    REFUSED(IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR),
    REFUSED(IPPROTO_TCP, TCP_ICMP_ERROR_INFO),
    REFUSED(IPPROTO_UDP, UDP_CHECKSUM_COVERAGE),
    REFUSED(IPPROTO_IP, IP_OPTIONS),
    REFUSED(IPPROTO_IP, IP_HDRINCL),
    REFUSED(IPPROTO_IP, IP_BLOCK_SOURCE),
    REFUSED(IPPROTO_IP, IP_UNBLOCK_SOURCE),
    REFUSED(IPPROTO_IP, MCAST_BLOCK_SOURCE),
    REFUSED(IPPROTO_IP, MCAST_UNBLOCK_SOURCE),
    REFUSED(IPPROTO_IPV6, MCAST_BLOCK_SOURCE),
    REFUSED(IPPROTO_IPV6, MCAST_UNBLOCK_SOURCE),
    REFUSED(IPPROTO_IP, IP_RECVIF),
    REFUSED(IPPROTO_IP, IP_RECVDSTADDR),
    REFUSED(IPPROTO_IP, IP_IFLIST),
    REFUSED(IPPROTO_IP, IP_ADD_IFLIST),
    REFUSED(IPPROTO_IP, IP_DEL_IFLIST),
    REFUSED(IPPROTO_IP, IP_GET_IFLIST),
    REFUSED(IPPROTO_IP, IP_RTHDR),
    REFUSED(IPPROTO_IP, IP_RECVRTHDR),
    REFUSED(IPPROTO_IP, IP_ORIGINAL_ARRIVAL_IF),
    REFUSED(IPPROTO_IP, IP_PKTINFO_EX),
    REFUSED(IPPROTO_IP, IP_WFP_REDIRECT_RECORDS),
    REFUSED(IPPROTO_IP, IP_WFP_REDIRECT_CONTEXT),
    REFUSED(IPPROTO_IP, IP_NRT_INTERFACE),
    REFUSED(IPPROTO_IP, IP_USER_MTU),
    REFUSED(IPPROTO_IPV6, IPV6_HOPOPTS),
    REFUSED(IPPROTO_IPV6, IPV6_HDRINCL),
    REFUSED(IPPROTO_IPV6, IPV6_PROTECTION_LEVEL),
    REFUSED(IPPROTO_IPV6, IPV6_CHECKSUM),
    REFUSED(IPPROTO_IPV6, IPV6_RECVIF),
    REFUSED(IPPROTO_IPV6, IPV6_RECVDSTADDR),
    REFUSED(IPPROTO_IPV6, IPV6_IFLIST),
    REFUSED(IPPROTO_IPV6, IPV6_ADD_IFLIST),
    REFUSED(IPPROTO_IPV6, IPV6_DEL_IFLIST),
    REFUSED(IPPROTO_IPV6, IPV6_GET_IFLIST),
    REFUSED(IPPROTO_IPV6, IPV6_RTHDR),
    REFUSED(IPPROTO_IPV6, IPV6_RECVRTHDR),
    REFUSED(IPPROTO_IPV6, IPV6_PKTINFO_EX),
    REFUSED(IPPROTO_IPV6, IPV6_WFP_REDIRECT_RECORDS),
    REFUSED(IPPROTO_IPV6, IPV6_WFP_REDIRECT_CONTEXT),
    REFUSED(IPPROTO_IPV6, IPV6_NRT_INTERFACE),
    REFUSED(IPPROTO_IPV6, IPV6_USER_MTU),
};

static const struct option_row *option_find(ULONG level, ULONG name)
{
    size_t i;

    for (i = 0; i < RTL_NUMBER_OF(option_rows); i++)
        if (option_rows[i].level == level && option_rows[i].name == name)
            return &option_rows[i];
    return NULL;
}

static ULONG *option_shadow(struct wsk_socket *socket, const struct option_row *row)
{
    return row->shadow != 0 ? (ULONG *)((UCHAR *)socket + row->shadow) : NULL;
}

/* Conditional accept needs both callbacks. */
static BOOLEAN can_inspect(const struct wsk_socket *socket)
{
    const WSK_CLIENT_LISTEN_DISPATCH *table = socket->client_dispatch;

    return table != NULL && table->WskInspectEvent != NULL && table->WskAbortEvent != NULL;
}

/* ---- interfaces and groups ---------------------------------------------------------------------------- */

/* What the IPv4 options call an interface: one of its addresses, or 0.x.x.x with its index (0 = any). */
static NTSTATUS interface_of(ULONG address, ULONG *index)
{
    struct transport_local *found;
    NTSTATUS status = STATUS_INVALID_ADDRESS_COMPONENT;
    SIZE_T count, i;

    if ((address & 0xff) == 0) {
        *index = RtlUlongByteSwap(address);
        return STATUS_SUCCESS;
    }
    found = wsk_local_addresses(AF_INET, &count);
    if (found == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (i = 0; i < count && status != STATUS_SUCCESS; i++) {
        if (RtlEqualMemory(found[i].address.bytes + 4, &address, sizeof address)) {
            *index = found[i].interface;
            status = STATUS_SUCCESS;
        }
    }
    ex_free_pool(found);
    return status;
}

static void address_v4(const IN_ADDR *from, struct transport_address *out)
{
    RtlZeroMemory(out, sizeof *out);
    out->length = sizeof(SOCKADDR_IN);
    out->family = AF_INET;
    RtlCopyMemory(out->bytes + 4, from, sizeof *from);
}

static NTSTATUS group_v4(const struct control *control, struct transport_address *group,
                         struct transport_address *source, ULONG *interface)
{
    IP_MREQ_SOURCE with;
    IP_MREQ any;

    if (control->input_size == sizeof with) {
        RtlCopyMemory(&with, control->input, sizeof with);
        address_v4(&with.imr_multiaddr, group);
        address_v4(&with.imr_sourceaddr, source);
        return interface_of(with.imr_interface.S_un.S_addr, interface);
    }
    RtlCopyMemory(&any, control->input, sizeof any);
    address_v4(&any.imr_multiaddr, group);
    return interface_of(any.imr_interface.S_un.S_addr, interface);
}

static void group_v6(const struct control *control, struct transport_address *group, ULONG *interface)
{
    IPV6_MREQ any;

    RtlCopyMemory(&any, control->input, sizeof any);
    RtlZeroMemory(group, sizeof *group);
    group->length = sizeof(SOCKADDR_IN6);
    group->family = AF_INET6;
    RtlCopyMemory(group->bytes + 8, &any.ipv6mr_multiaddr, sizeof any.ipv6mr_multiaddr);
    *interface = any.ipv6mr_interface;
}

static NTSTATUS group_any(const struct wsk_socket *socket, const struct control *control,
                          struct transport_address *group, struct transport_address *source, ULONG *interface)
{
    GROUP_SOURCE_REQ request;

    RtlZeroMemory(&request, sizeof request);
    RtlCopyMemory(&request, control->input, control->input_size); /* both begin alike */
    *interface = request.gsr_interface;
    if (!wsk_address_in(socket, (PSOCKADDR)&request.gsr_group, group) ||
        (control->input_size == sizeof request &&
         !wsk_address_in(socket, (PSOCKADDR)&request.gsr_source, source)))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

/* lock held. */
static NTSTATUS group_set(struct wsk_socket *socket, const struct option_row *row,
                          const struct control *control)
{
    struct transport_address group, source = {.length = 0};
    NTSTATUS status = STATUS_SUCCESS;
    ULONG interface = 0;

    if (row->size >= sizeof(GROUP_REQ))
        status = group_any(socket, control, &group, &source, &interface);
    else if (row->level == IPPROTO_IP)
        status = group_v4(control, &group, &source, &interface);
    else
        group_v6(control, &group, &interface);
    if (status != STATUS_SUCCESS)
        return status;
    return WSK_TRANSPORT_OPS->group(socket->transport, (row->flags & OPTION_JOIN) != 0, &group,
                                    source.length != 0 ? &source : NULL, interface);
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

/* From the client's number to the transport's. */
static NTSTATUS value_in(const struct wsk_socket *socket, const struct option_row *row, ULONG value,
                         uint64_t *out)
{
    ULONG index;
    NTSTATUS status;

    *out = value;
    if (row->flags & OPTION_NETWORK_ORDER)
        *out = RtlUlongByteSwap(value);
    if (row->flags & OPTION_SECONDS)
        *out = value > MAXLONG / 1000 ? MAXLONG : value * 1000;
    if (row->flags & OPTION_WHERE) {
        status = interface_of(value, &index);
        *out = index;
        return status;
    }
    if (row->transport == TRANSPORT_OPTION_RECEIVE_CLASS) /* two of the client's options ask for one of it */
        *out = value || (row->shadow == SHADOW(receive_ecn) ? socket->option.receive_class
                                                            : socket->option.receive_ecn);
    return STATUS_SUCCESS;
}

static ULONG value_out(const struct option_row *row, uint64_t value)
{
    if (row->flags & OPTION_NETWORK_ORDER)
        return RtlUlongByteSwap((ULONG)value);
    if (row->flags & OPTION_SECONDS)
        return value == MAXLONG ? MAXULONG : (ULONG)(value / 1000);
    return (ULONG)value;
}

/* lock held: options that are neither kept nor the transport's. */
static ULONG own_get(const struct wsk_socket *socket, const struct option_row *row)
{
    if (row->level == IPPROTO_IP)
        return TRUE; /* IP_RECEIVE_BROADCAST */
    switch (row->name) {
    case SO_TYPE:
        return socket->type;
    case SO_ACCEPTCONN:
        return socket->state == WSK_STATE_LISTENING;
    default: /* SO_MAX_MSG_SIZE: what an IP packet holds behind the headers */
        return socket->family == AF_INET ? 65535 - 28 : 65535 - 8;
    }
}

/* lock held. */
static NTSTATUS option_set(struct wsk_socket *socket, const struct option_row *row, ULONG value)
{
    ULONG *shadow = option_shadow(socket, row);
    uint64_t number = 0;
    NTSTATUS status;

    if ((row->flags & OPTION_FLAG) && value > 1)
        return STATUS_INVALID_PARAMETER;
    if (row->shadow == SHADOW(conditional) && value != 0 && !can_inspect(socket))
        return STATUS_INVALID_PARAMETER; /* C-EVT-22 */
    if (row->transport == 0 && shadow == NULL)
        return value == own_get(socket, row) ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    if (row->transport != 0 && (socket->latches & WSK_LATCH_SILENT))
        return STATUS_INVALID_DEVICE_STATE; /* C-IOCTL-38: SO_KEEPALIVE would make it speak */
    status = value_in(socket, row, value, &number);
    if (status == STATUS_SUCCESS && row->transport != 0)
        status = socket->transport != NULL
                     ? WSK_TRANSPORT_OPS->set_option(socket->transport, row->transport, number)
                     : STATUS_NOT_SUPPORTED;
    if (status == STATUS_SUCCESS && shadow != NULL)
        *shadow = value;
    if (status == STATUS_SUCCESS && row->transport == TRANSPORT_OPTION_RECEIVE_BUFFER)
        socket->receive.buffer_limit = value;
    return status;
}

/* lock held. */
static NTSTATUS option_get(struct wsk_socket *socket, const struct option_row *row, ULONG *value)
{
    ULONG *shadow = option_shadow(socket, row);
    uint64_t found = 0;
    NTSTATUS status;

    if (row->transport == 0 && shadow == NULL) {
        *value = own_get(socket, row);
        return STATUS_SUCCESS;
    }
    /* The transport's RECEIVE_CLASS is on for either of two options. */
    if (shadow != NULL &&
        (*shadow != 0 || row->transport == 0 || row->transport == TRANSPORT_OPTION_RECEIVE_CLASS)) {
        *value = *shadow; /* C-OPT-23: what was set, whatever Linux made of it */
        return STATUS_SUCCESS;
    }
    if (socket->transport == NULL)
        return STATUS_NOT_SUPPORTED;
    status = WSK_TRANSPORT_OPS->get_option(socket->transport, row->transport, &found);
    *value = value_out(row, found);
    return status;
}

/* ---- set and get -------------------------------------------------------------------------------------- */

static BOOLEAN row_fits(const struct wsk_socket *socket, const struct option_row *row)
{
    if (row == NULL || !(row->categories & ON(socket->created))) /* C-OPT-36 */
        return FALSE;
    return !(row->flags & (socket->family == AF_INET6 ? OPTION_V4 : OPTION_V6));
}

/* lock held. */
static NTSTATUS set_do(struct wsk_socket *socket, const struct option_row *row, const struct control *control)
{
    ULONG value;

    if (!(row->flags & OPTION_SET) || control->input == NULL || control->input_size != row->size ||
        control->output != NULL)
        return STATUS_INVALID_PARAMETER; /* C-OPT-35 */
    if ((row->flags & OPTION_BEFORE_BIND) && socket->state != WSK_STATE_OPEN)
        return STATUS_INVALID_DEVICE_STATE; /* C-OPT-07, 11, 14 */
    if (row->flags & (OPTION_JOIN | OPTION_LEAVE))
        return group_set(socket, row, control);
    if (row->flags & OPTION_SECURITY)
        return wsk_security_set(socket, control->input);
    RtlCopyMemory(&value, control->input, sizeof value);
    return option_set(socket, row, value);
}

NTSTATUS wsk_option_do(struct wsk_socket *socket, const struct control *control, SIZE_T *size)
{
    const struct option_row *row = option_find(control->level, control->code);
    NTSTATUS status;
    ULONG value;

    if (!row_fits(socket, row))
        return STATUS_NOT_SUPPORTED;
    if ((row->flags & OPTION_IRP) && control->irp == NULL)
        return STATUS_INVALID_PARAMETER; /* C-OPT-04, 08, 12, 15, 17, 21 */
    if (control->type == WskSetOption)
        return set_do(socket, row, control);
    if (!(row->flags & OPTION_GET) || control->output == NULL || control->output_size < row->size ||
        control->input != NULL)
        return STATUS_INVALID_PARAMETER;
    if ((row->flags & OPTION_CONNECTED) && socket->state != WSK_STATE_CONNECTED)
        return STATUS_INVALID_DEVICE_STATE;
    if (row->flags & OPTION_SECURITY) {
        status = wsk_security_get(socket, control->output);
    } else {
        status = option_get(socket, row, &value);
        if (status == STATUS_SUCCESS)
            RtlCopyMemory(control->output, &value, sizeof value);
    }
    if (status == STATUS_SUCCESS)
        *size = row->size;
    return status;
}
