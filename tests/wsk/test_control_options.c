/*
 * test_control_options.c - every option that the table of WskControlSocket has: set, read back, size, category,
 * family, state, IRP; and that every other number is refused.  The table here says the same as the one in
 * src/wsk/option.c from the outside.
 */
#include "wsk_test.h"

WT_CALM_FIXTURE;

#define L 1 /* categories */
#define C 2
#define D 4

enum {
    G = 1,          /* can be read */
    S = 2,          /* can be set */
    IRP_NEEDED = 4, /* only with an IRP */
    EARLY = 8,      /* set before the bind only */
    TRUTH = 16,     /* 0 or 1 */
    V4 = 32,        /* of that family only */
    V6 = 64,
    LATE = 128 /* read once connected only */
};
#define WHATEVER 0xfffffffeu

static const struct option {
    ULONG level, name;
    ULONG size;
    ULONG categories;
    ULONG flags;
    ULONG value; /* to set */
    ULONG first; /* what it is at first */
    const char *text;
} options[] = {
#define OPTION(level, name, categories, flags, value, first)                                                 \
    {                                                                                                        \
        level, (ULONG)name, 4, categories, flags, value, first, #name                                        \
    }
    OPTION(SOL_SOCKET, SO_KEEPALIVE, L | C, G | S | IRP_NEEDED | TRUTH, 1, 0),
    OPTION(SOL_SOCKET, SO_RCVBUF, L | C | D, G | S | IRP_NEEDED, 100000, WHATEVER),
    OPTION(SOL_SOCKET, SO_SNDBUF, L | C | D, G | S | IRP_NEEDED, 77777, WHATEVER),
    OPTION(SOL_SOCKET, SO_REUSEADDR, L | C | D, G | S | IRP_NEEDED | EARLY | TRUTH, 1, 0),
    OPTION(SOL_SOCKET, SO_EXCLUSIVEADDRUSE, L | C | D, G | S | IRP_NEEDED | EARLY | TRUTH, 1, 0),
    OPTION(SOL_SOCKET, SO_BROADCAST, D, G | S | IRP_NEEDED | TRUTH, 1, 0),
    OPTION(SOL_SOCKET, SO_ERROR, C, G, 0, 0),
    OPTION(SOL_SOCKET, SO_TYPE, L | C, G, 0, SOCK_STREAM),
    OPTION(SOL_SOCKET, SO_TYPE, D, G, 0, SOCK_DGRAM),
    OPTION(SOL_SOCKET, SO_ACCEPTCONN, L | C | D, G, 0, 0),
    OPTION(SOL_SOCKET, SO_MAX_MSG_SIZE, D, G | V4, 0, 65507),
    OPTION(SOL_SOCKET, SO_MAX_MSG_SIZE, D, G | V6, 0, 65527),

    OPTION(IPPROTO_TCP, TCP_NODELAY, L | C, G | S | TRUTH, 1, 0),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE, L | C, G | S, 33, WHATEVER),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL, L | C, G | S, 7, WHATEVER),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT, L | C, G | S, 5, WHATEVER),
    OPTION(IPPROTO_TCP, TCP_MAXRT, L | C, G | S, 25, 0),
    OPTION(IPPROTO_TCP, TCP_MAXRTMS, L | C, G | S, 2500, 0),
    OPTION(IPPROTO_TCP, TCP_MAXSEG, C, G | LATE, 0, WHATEVER),

    OPTION(IPPROTO_IP, IP_TTL, L | C | D, G | S, 42, WHATEVER),
    OPTION(IPPROTO_IP, IP_TOS, L | C | D, G | S, 0x20, 0),
    OPTION(IPPROTO_IP, IP_DONTFRAGMENT, L | C | D, G | S | TRUTH, 1, WHATEVER),
    OPTION(IPPROTO_IP, IP_MTU_DISCOVER, L | C | D, G | S | V4, IP_PMTUDISC_DO, WHATEVER),
    OPTION(IPPROTO_IP, IP_MTU, C, G | V4 | LATE, 0, WHATEVER),
    OPTION(IPPROTO_IP, IP_UNICAST_IF, L | C | D, G | S | V4, RtlUlongByteSwap(1), 0),
    OPTION(IPPROTO_IP, IP_RECEIVE_BROADCAST, D, G | S | TRUTH, 1, 1),
    OPTION(IPPROTO_IP, IP_PKTINFO, D, G | S | TRUTH, 1, 0),
    OPTION(IPPROTO_IP, IP_HOPLIMIT, D, G | S | TRUTH, 1, 0),
    OPTION(IPPROTO_IP, IP_RECVTOS, D, G | S | TRUTH, 1, 0),
    OPTION(IPPROTO_IP, IP_RECVECN, D, G | S | TRUTH, 1, 0),
    OPTION(IPPROTO_IP, IP_RECVERR, D, G | S | TRUTH, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_RECVERR, D, G | S | TRUTH | V6, 1, 0),
    OPTION(IPPROTO_IP, IP_MULTICAST_IF, D, G | S | V4, RtlUlongByteSwap(1), 0),
    OPTION(IPPROTO_IP, IP_MULTICAST_IF, D, G | S | V4, RtlUlongByteSwap(0x7f000001), WHATEVER),
    OPTION(IPPROTO_IP, IP_MULTICAST_TTL, D, G | S | V4, 9, 1),
    OPTION(IPPROTO_IP, IP_MULTICAST_LOOP, D, G | S | V4 | TRUTH, 0, 1),

    OPTION(IPPROTO_IPV6, IPV6_V6ONLY, L | C | D, G | S | EARLY | TRUTH | V6, 0, 1),
    OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, L | C | D, G | S | V6, 9, WHATEVER),
    OPTION(IPPROTO_IPV6, IPV6_TCLASS, L | C | D, G | S | V6, 0x20, 0),
    OPTION(IPPROTO_IPV6, IPV6_DONTFRAG, L | C | D, G | S | TRUTH | V6, 1, WHATEVER),
    OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, L | C | D, G | S | V6, IP_PMTUDISC_PROBE, WHATEVER),
    OPTION(IPPROTO_IPV6, IPV6_MTU, C, G | V6 | LATE, 0, WHATEVER),
    OPTION(IPPROTO_IPV6, IPV6_UNICAST_IF, L | C | D, G | S | V6, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_PKTINFO, D, G | S | TRUTH | V6, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_HOPLIMIT, D, G | S | TRUTH | V6, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS, D, G | S | TRUTH | V6, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_RECVECN, D, G | S | TRUTH | V6, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_IF, D, G | S | V6, 1, 0),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, D, G | S | V6, 9, 1),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, D, G | S | TRUTH | V6, 0, 1),

    OPTION(IPPROTO_UDP, UDP_SEND_MSG_SIZE, D, G | S, 1200, 0),
    OPTION(IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, D, G | S, 65527, 0),
    OPTION(IPPROTO_UDP, UDP_NOCHECKSUM, D, G | S | TRUTH, 1, 0),
};

static const struct {
    ULONG level, name;
    ULONG size;
    ULONG flags;
} groups[] = {
    {IPPROTO_IP, IP_ADD_MEMBERSHIP, sizeof(IP_MREQ), V4},
    {IPPROTO_IP, IP_DROP_MEMBERSHIP, sizeof(IP_MREQ), V4},
    {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, sizeof(IP_MREQ_SOURCE), V4},
    {IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, sizeof(IP_MREQ_SOURCE), V4},
    {IPPROTO_IP, MCAST_JOIN_GROUP, sizeof(GROUP_REQ), V4},
    {IPPROTO_IP, MCAST_LEAVE_GROUP, sizeof(GROUP_REQ), V4},
    {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), V4},
    {IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), V4},
    {IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, sizeof(IPV6_MREQ), V6},
    {IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, sizeof(IPV6_MREQ), V6},
    {IPPROTO_IPV6, MCAST_JOIN_GROUP, sizeof(GROUP_REQ), V6},
    {IPPROTO_IPV6, MCAST_LEAVE_GROUP, sizeof(GROUP_REQ), V6},
    {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), V6},
    {IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, sizeof(GROUP_SOURCE_REQ), V6},
};

static const struct {
    ULONG flags;
    ULONG bit;
} categories[] = {{WSK_FLAG_LISTEN_SOCKET, L},
                  {WSK_FLAG_CONNECTION_SOCKET, C},
                  {WSK_FLAG_STREAM_SOCKET, L | C},
                  {WSK_FLAG_DATAGRAM_SOCKET, D},
                  {WSK_FLAG_BASIC_SOCKET, 0}};

static struct wt_op op;

static NTSTATUS set(PWSK_SOCKET socket, BOOLEAN with_irp, ULONG level, ULONG name, SIZE_T size, PVOID value)
{
    if (!with_irp)
        return wt_control(socket, NULL, WskSetOption, name, level, size, value, 0, NULL);
    wt_again(&op);
    wt_control(socket, &op, WskSetOption, name, level, size, value, 0, NULL);
    EXPECT_EQ(wt_wait(&op) == STATUS_SUCCESS ? op.information : 0, 0);
    return op.status;
}

static NTSTATUS get(PWSK_SOCKET socket, BOOLEAN with_irp, ULONG level, ULONG name, SIZE_T size, PVOID value)
{
    if (!with_irp)
        return wt_control(socket, NULL, WskGetOption, name, level, 0, NULL, size, value);
    wt_again(&op);
    wt_control(socket, &op, WskGetOption, name, level, 0, NULL, size, value);
    if (wt_wait(&op) == STATUS_SUCCESS)
        EXPECT_EQ(op.information, 4); /* R-CTLS-09 */
    return op.status;
}

/* What a get has to answer before anything else counts. */
static NTSTATUS get_allowed(const struct option *option, BOOLEAN connected)
{
    return (option->flags & LATE) && !connected ? STATUS_INVALID_DEVICE_STATE : STATUS_SUCCESS;
}

static void try_sizes(PWSK_SOCKET socket, const struct option *option)
{
    ULONG64 room = option->value;

    EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 0, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 3, &room), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 5, &room), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get(socket, TRUE, option->level, option->name, 0, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get(socket, TRUE, option->level, option->name, 3, &room), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(get(socket, TRUE, option->level, option->name, 8, &room), get_allowed(option, FALSE));
}

static void try_set(PWSK_SOCKET socket, const struct option *option)
{
    BOOLEAN irp = (option->flags & IRP_NEEDED) != 0;
    ULONG value = option->value, again = 0;

    if (!(option->flags & S)) {
        EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 4, &value), STATUS_INVALID_PARAMETER);
        return;
    }
    EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 4, &value), STATUS_SUCCESS);
    EXPECT_STATUS(get(socket, TRUE, option->level, option->name, 4, &again), STATUS_SUCCESS);
    EXPECT_EQ(again, option->value);
    EXPECT_STATUS(set(socket, FALSE, option->level, option->name, 4, &value),
                  irp ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS);
    if (option->flags & TRUTH) {
        value = 2;
        EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 4, &value), STATUS_INVALID_PARAMETER);
    }
}

static void try_bound(PWSK_SOCKET socket, ADDRESS_FAMILY family, const struct option *option)
{
    SOCKADDR_STORAGE address;
    ULONG value = option->value;

    wt_again(&op);
    wt_bind(socket, &op, wt_loopback(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    if (option->flags & S)
        EXPECT_STATUS(set(socket, TRUE, option->level, option->name, 4, &value),
                      option->flags & EARLY ? STATUS_INVALID_DEVICE_STATE : STATUS_SUCCESS);
    EXPECT_STATUS(get(socket, TRUE, option->level, option->name, 4, &value), get_allowed(option, FALSE));
    if ((option->flags & S) != 0)
        EXPECT_EQ(value, option->value);
}

static void try_option(const struct option *option, ADDRESS_FAMILY family, ULONG flags)
{
    PWSK_SOCKET socket = wt_open(family, flags, NULL, NULL);
    BOOLEAN irp = (option->flags & IRP_NEEDED) != 0;
    ULONG value = 0xabcdef;

    EXPECT_STATUS(get(socket, TRUE, option->level, option->name, 4, &value), get_allowed(option, FALSE));
    if (option->first != WHATEVER && !(option->flags & LATE))
        EXPECT_EQ(value, option->first);
    EXPECT_STATUS(get(socket, FALSE, option->level, option->name, 4, &value),
                  irp ? STATUS_INVALID_PARAMETER : get_allowed(option, FALSE));
    try_sizes(socket, option);
    try_set(socket, option);
    try_bound(socket, family, option);
    wt_close_now(socket);
}

/* Whether a row, maybe another of the same name, is for such a socket. */
static BOOLEAN is_for(ULONG level, ULONG name, ADDRESS_FAMILY family, ULONG category)
{
    ULONG wrong = family == AF_INET ? V6 : V4;
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(options); i++)
        if (options[i].level == level && options[i].name == name && !(options[i].flags & wrong) &&
            (options[i].categories & category))
            return TRUE;
    for (i = 0; i < RTL_NUMBER_OF(groups); i++)
        if (groups[i].level == level && groups[i].name == name && !(groups[i].flags & wrong) && category == D)
            return TRUE;
    return FALSE;
}

TEST(every_option,
     "R-CTLS-03 R-CTLS-08 R-CTLS-09 C-OPT-01 C-OPT-02 C-OPT-03 C-OPT-10 C-OPT-13 C-OPT-16 C-OPT-20 "
     "C-OPT-23 C-OPT-36 D-18 D-19")
{
    unsigned i, j;
    int six;

    wt_op_init(&op);
    for (i = 0; i < RTL_NUMBER_OF(options); i++) {
        for (six = 0; six < 2; six++) {
            if (options[i].flags & (six ? V4 : V6))
                continue;
            for (j = 0; j < RTL_NUMBER_OF(categories); j++)
                if (options[i].categories & categories[j].bit)
                    try_option(&options[i], six ? AF_INET6 : AF_INET, categories[j].flags);
        }
    }
    wt_op_free(&op);
}

/* Where the numbers of options lie. */
static const struct {
    ULONG from, to;
} ranges[] = {{0, 0x80},        {0x1000, 0x1010}, {0x2000, 0x2010},
              {0x3000, 0x3020}, {0x4000, 0x4010}, {0xfffffff0, 0xfffffffe}};

static void refuse(PWSK_SOCKET socket, ADDRESS_FAMILY family, ULONG category, ULONG level, ULONG name)
{
    UCHAR room[4] = {0};

    if (is_for(level, name, family, category) ||
        (level == SOL_SOCKET && (name == SO_WSK_EVENT_CALLBACK || name == SO_WSK_SECURITY ||
                                 (name == SO_CONDITIONAL_ACCEPT && category == L)))) /* tests of their own */
        return;
    EXPECT_STATUS(wt_control(socket, NULL, WskSetOption, name, level, 4, room, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(wt_control(socket, NULL, WskGetOption, name, level, 0, NULL, 4, room),
                  STATUS_NOT_SUPPORTED);
}

static void refuse_all(ADDRESS_FAMILY family, ULONG flags, ULONG category)
{
    static const ULONG levels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IP, IPPROTO_IPV6, 1, 0x5555};
    PWSK_SOCKET socket = wt_open(family, flags, NULL, NULL);
    unsigned i, j;
    ULONG name;

    for (i = 0; i < RTL_NUMBER_OF(levels); i++)
        for (j = 0; j < RTL_NUMBER_OF(ranges); j++)
            for (name = ranges[j].from; name < ranges[j].to; name++)
                refuse(socket, family, category, levels[i], name);
    wt_close_now(socket);
}

TEST(every_other_number_is_refused, "R-CTLS-03 C-OPT-01 C-OPT-06 C-OPT-36")
{
    unsigned j;

    for (j = 0; j < RTL_NUMBER_OF(categories); j++) {
        refuse_all(AF_INET, categories[j].flags, categories[j].bit);
        refuse_all(AF_INET6, categories[j].flags, categories[j].bit);
    }
}

TEST(options_of_a_connection, "R-CTLS-03 D-19")
{
    int six, peer;

    wt_op_init(&op);
    for (six = 0; six < 2; six++) {
        PWSK_SOCKET socket = wt_connected(six ? AF_INET6 : AF_INET, NULL, NULL, &peer);
        ULONG level = six ? IPPROTO_IPV6 : IPPROTO_IP, mtu = 0, segment = 0;

        EXPECT_STATUS(get(socket, TRUE, level, six ? IPV6_MTU : IP_MTU, 4, &mtu), STATUS_SUCCESS);
        EXPECT(mtu >= 1280);
        EXPECT_STATUS(get(socket, TRUE, IPPROTO_TCP, TCP_MAXSEG, 4, &segment), STATUS_SUCCESS);
        EXPECT(segment > 0 && segment < mtu);
        wt_close_now(socket);
        peer_close(peer);
    }
    wt_op_free(&op);
}

TEST(options_that_are_two_names_of_one_thing, "D-19")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    ULONG value = 7;

    wt_op_init(&op);
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_TCP, TCP_MAXRT, 4, &value), STATUS_SUCCESS);
    EXPECT_STATUS(get(socket, TRUE, IPPROTO_TCP, TCP_MAXRTMS, 4, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 7000);
    value = MAXULONG; /* never */
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_TCP, TCP_MAXRT, 4, &value), STATUS_SUCCESS);
    EXPECT_STATUS(get(socket, TRUE, IPPROTO_TCP, TCP_MAXRT, 4, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, MAXULONG);
    value = IP_PMTUDISC_DO;
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_IP, IP_MTU_DISCOVER, 4, &value), STATUS_SUCCESS);
    EXPECT_STATUS(get(socket, TRUE, IPPROTO_IP, IP_DONTFRAGMENT, 4, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 1);
    value = 0;
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_IP, IP_DONTFRAGMENT, 4, &value), STATUS_SUCCESS);
    EXPECT_STATUS(get(socket, TRUE, IPPROTO_IP, IP_MTU_DISCOVER, 4, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, IP_PMTUDISC_DONT);
    value = IP_PMTUDISC_MAX;
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_IP, IP_MTU_DISCOVER, 4, &value), STATUS_INVALID_PARAMETER);
    value = RtlUlongByteSwap(0x0afefefe); /* nobody's address */
    wt_close_now(socket);
    socket = wt_open(AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_IP, IP_MULTICAST_IF, 4, &value),
                  STATUS_INVALID_ADDRESS_COMPONENT);
    value = 0; /* every broadcast comes */
    EXPECT_STATUS(set(socket, TRUE, IPPROTO_IP, IP_RECEIVE_BROADCAST, 4, &value), STATUS_NOT_SUPPORTED);
    wt_close_now(socket);
    wt_op_free(&op);
}

/* IP_RECVTOS and IP_RECVECN ask the transport for the same thing: each keeps its own value all the same. */
TEST(options_that_share_what_the_transport_has, "D-19 C-OPT-23")
{
    static const ULONG names[2][2] = {{IP_RECVTOS, IP_RECVECN}, {IPV6_RECVTCLASS, IPV6_RECVECN}};
    unsigned six, first;

    wt_op_init(&op);
    for (six = 0; six < 2; six++) {
        for (first = 0; first < 2; first++) {
            PWSK_SOCKET socket = wt_open(six ? AF_INET6 : AF_INET, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
            ULONG level = six ? IPPROTO_IPV6 : IPPROTO_IP, one = names[six][first];
            ULONG other = names[six][!first], value = 1;

            EXPECT_STATUS(set(socket, TRUE, level, one, 4, &value), STATUS_SUCCESS);
            EXPECT_STATUS(get(socket, TRUE, level, other, 4, &value), STATUS_SUCCESS);
            EXPECT_EQ(value, 0);
            value = 1;
            EXPECT_STATUS(set(socket, TRUE, level, other, 4, &value), STATUS_SUCCESS);
            value = 0;
            EXPECT_STATUS(set(socket, TRUE, level, one, 4, &value), STATUS_SUCCESS);
            EXPECT_STATUS(get(socket, TRUE, level, one, 4, &value), STATUS_SUCCESS);
            EXPECT_EQ(value, 0);
            EXPECT_STATUS(get(socket, TRUE, level, other, 4, &value), STATUS_SUCCESS);
            EXPECT_EQ(value, 1);
            wt_close_now(socket);
        }
    }
    wt_op_free(&op);
}

TEST(a_listener_accepts, "R-CTLS-03")
{
    PWSK_SOCKET socket;
    ULONG value = 0;
    int port;

    wt_op_init(&op);
    socket = wt_listener(AF_INET, NULL, NULL, &port);
    EXPECT_STATUS(get(socket, TRUE, SOL_SOCKET, SO_ACCEPTCONN, 4, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 1);
    wt_close_now(socket);
    wt_op_free(&op);
}

static PWSK_SOCKET bound_to_any(ADDRESS_FAMILY family, int *port)
{
    PWSK_SOCKET socket = wt_open(family, WSK_FLAG_DATAGRAM_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    USHORT number;

    RtlZeroMemory(&address, sizeof address);
    address.ss_family = family;
    wt_again(&op);
    wt_bind(socket, &op, (PSOCKADDR)&address);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    wt_returned(&op, wt_datagram(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&address, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    RtlCopyMemory(&number, (UCHAR *)&address + 2, 2);
    *port = RtlUshortByteSwap(number);
    return socket;
}

static NTSTATUS send_to_all(PWSK_SOCKET socket)
{
    ULONG all =
        RtlUlongByteSwap(test_mode_has("sim") ? 0x0affffff : 0x7fffffff); /* of the wire, of the loopback */
    struct wt_buffer buffer;
    SOCKADDR_STORAGE to;
    NTSTATUS status;

    wt_loopback(&to, AF_INET, 9);
    RtlCopyMemory((UCHAR *)&to + 4, &all, 4);
    wt_buffer_init(&buffer, 4);
    wt_again(&op);
    wt_send_to(socket, &op, &buffer.buf, (PSOCKADDR)&to, 0, NULL);
    status = wt_wait(&op);
    wt_buffer_free(&buffer);
    return status;
}

TEST(broadcasts_go_out_where_they_are_allowed, "C-OPT-01 C-OPT-02 C-OPT-05")
{
    PWSK_SOCKET socket;
    ULONG value;
    int port;

    wt_op_init(&op);
    socket = bound_to_any(AF_INET, &port);
    EXPECT(send_to_all(socket) != STATUS_SUCCESS);
    value = 1;
    EXPECT_STATUS(set(socket, TRUE, SOL_SOCKET, SO_BROADCAST, 4, &value), STATUS_SUCCESS);
    EXPECT_STATUS(send_to_all(socket), STATUS_SUCCESS);
    value = 0;
    EXPECT_STATUS(set(socket, TRUE, SOL_SOCKET, SO_BROADCAST, 4, &value), STATUS_SUCCESS);
    EXPECT(send_to_all(socket) != STATUS_SUCCESS);
    wt_close_now(socket);
    wt_op_free(&op);
}

/* ---- groups ------------------------------------------------------------------------------------------- */

/* Fills the structure of such a size; returns it. */
static PVOID request_of(ULONG level, ULONG size, BOOLEAN good)
{
    static union {
        IP_MREQ any;
        IP_MREQ_SOURCE with;
        IPV6_MREQ six;
        GROUP_REQ group;
        GROUP_SOURCE_REQ source;
    } request;
    ULONG group = RtlUlongByteSwap(good ? 0xefff0a0b : 0x0a000102), from = RtlUlongByteSwap(0x7f000001);
    SOCKADDR_STORAGE to, by;
    UCHAR *bytes;

    RtlZeroMemory(&request, sizeof request);
    wt_loopback(&to, level == IPPROTO_IP ? AF_INET : AF_INET6, 0);
    by = to;
    bytes = level == IPPROTO_IP ? (UCHAR *)&to + 4 : (UCHAR *)&to + 8;
    if (level == IPPROTO_IP) {
        RtlCopyMemory(bytes, &group, 4);
    } else if (good) {
        bytes[0] = 0xff;
        bytes[1] = 0x02;
        bytes[14] = 0x77;
    }
    if (size == sizeof(IP_MREQ)) {
        RtlCopyMemory(&request.any.imr_multiaddr, &group, 4);
        RtlCopyMemory(&request.any.imr_interface, &from, 4); /* the interface that has 127.0.0.1 */
    } else if (size == sizeof(IP_MREQ_SOURCE)) {
        RtlCopyMemory(&request.with.imr_multiaddr, &group, 4);
        RtlCopyMemory(&request.with.imr_sourceaddr, &from, 4);
        from = RtlUlongByteSwap(1); /* an index */
        RtlCopyMemory(&request.with.imr_interface, &from, 4);
    } else if (size == sizeof(IPV6_MREQ)) {
        RtlCopyMemory(&request.six.ipv6mr_multiaddr, bytes, 16);
        request.six.ipv6mr_interface = 1;
    } else {
        request.source.gsr_interface = 1;
        request.source.gsr_group = to;
        request.source.gsr_source = by;
    }
    return &request;
}

/* Sends one datagram to the group and waits for it: it comes to who has joined. */
static void expect_member(PWSK_SOCKET in, int port, ADDRESS_FAMILY family)
{
    PWSK_SOCKET out = wt_datagrams(family, NULL, NULL, &(int){0});
    struct wt_buffer sent, got;
    SOCKADDR_STORAGE to;
    struct wt_op receive;
    ULONG index = 1, level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    ULONG name = family == AF_INET ? IP_MULTICAST_IF : IPV6_MULTICAST_IF;
    USHORT number = RtlUshortByteSwap((USHORT)port);
    GROUP_REQ *request = request_of(level, sizeof(GROUP_REQ), TRUE);

    to = request->gr_group;
    RtlCopyMemory((UCHAR *)&to + 2, &number, 2);
    if (family == AF_INET)
        index = RtlUlongByteSwap(index);
    EXPECT_STATUS(set(out, TRUE, level, name, 4, &index), STATUS_SUCCESS);
    wt_buffer_init(&sent, 4);
    wt_buffer_init(&got, 4);
    RtlCopyMemory(sent.bytes, "abcd", 4);
    wt_op_init(&receive);
    wt_receive_from(in, &receive, &got.buf, NULL, NULL, NULL, NULL);
    wt_again(&op);
    wt_send_to(out, &op, &sent.buf, (PSOCKADDR)&to, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
    EXPECT(RtlEqualMemory(got.bytes, "abcd", 4));
    wt_op_free(&receive);
    wt_buffer_free(&sent);
    wt_buffer_free(&got);
    wt_close_now(out);
}

TEST(groups_are_joined_and_left, "R-CTLS-03 R-CTLS-08 C-OPT-36 D-19")
{
    unsigned i;
    int port;

    wt_op_init(&op);
    for (i = 0; i < RTL_NUMBER_OF(groups); i += 2) { /* each join and its leave */
        ADDRESS_FAMILY family = groups[i].flags == V4 ? AF_INET : AF_INET6;
        ULONG level = groups[i].level, join = groups[i].name, leave = groups[i + 1].name,
              size = groups[i].size;
        PWSK_SOCKET socket = bound_to_any(family, &port);
        PVOID request = request_of(level, size, TRUE);
        ULONG value = 0;

        EXPECT(set(socket, TRUE, level, leave, size, request) != STATUS_SUCCESS); /* never joined */
        EXPECT_STATUS(set(socket, TRUE, level, join, size, request), STATUS_SUCCESS);
        if (family == AF_INET || test_mode_has("sim")) /* Linux has no way for IPv6 groups on its loopback */
            expect_member(socket, port, family);
        request = request_of(level, size, TRUE);
        EXPECT(set(socket, TRUE, level, join, size, request) != STATUS_SUCCESS); /* twice */
        EXPECT_STATUS(set(socket, TRUE, level, leave, size, request), STATUS_SUCCESS);
        EXPECT(set(socket, TRUE, level, leave, size, request) != STATUS_SUCCESS); /* never joined */
        EXPECT_STATUS(set(socket, TRUE, level, join, size - 1, request), STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(set(socket, TRUE, level, join, 0, NULL), STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(get(socket, TRUE, level, join, 4, &value), STATUS_INVALID_PARAMETER);
        EXPECT(set(socket, TRUE, level, join, size, request_of(level, size, FALSE)) != STATUS_SUCCESS);
        if (size >= sizeof(GROUP_REQ)) {
            ((GROUP_REQ *)request_of(level, size, TRUE))->gr_group.ss_family = 99;
            EXPECT_STATUS(set(socket, TRUE, level, join, size, request), STATUS_INVALID_PARAMETER);
        }
        wt_close_now(socket);
    }
    wt_op_free(&op);
}
