/*
 * test_datagram_control.c - control information of datagrams, both ways, in Windows' layout.
 */
#include "wsk_test.h"

WT_CALM_FIXTURE;

static PWSK_SOCKET out, in;
static int out_port, in_port;
static SOCKADDR_STORAGE to;
static struct wt_buffer buffer;

static void open_both(ADDRESS_FAMILY family)
{
    out = wt_datagrams(family, NULL, NULL, &out_port);
    in = wt_datagrams(family, NULL, NULL, &in_port);
    wt_loopback(&to, family, in_port);
    wt_buffer_init(&buffer, 64);
}

static void close_both(void)
{
    wt_close_now(out);
    wt_close_now(in);
    wt_buffer_free(&buffer);
}

static void set(PWSK_SOCKET socket, ULONG level, ULONG name, ULONG value)
{
    struct wt_op op;

    wt_op_init(&op);
    wt_control(socket, &op, WskSetOption, name, level, sizeof value, &value, 0, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_again(&op);
    value = 0xdead;
    wt_control(socket, &op, WskGetOption, name, level, 0, NULL, sizeof value, &value);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT(value != 0xdead);
    wt_op_free(&op);
}

/* One control object with a number or a structure. */
static ULONG object(UCHAR *at, INT level, INT type, const void *data, SIZE_T size)
{
    CMSGHDR *header = (CMSGHDR *)at;

    RtlZeroMemory(at, WSA_CMSG_SPACE(size));
    header->cmsg_len = WSA_CMSG_LEN(size);
    header->cmsg_level = level;
    header->cmsg_type = type;
    RtlCopyMemory(WSA_CMSG_DATA(header), data, size);
    return (ULONG)WSA_CMSG_SPACE(size);
}

static NTSTATUS send(const void *control, ULONG length)
{
    NTSTATUS status;
    struct wt_op op;

    wt_op_init(&op);
    buffer.buf.Length = 10;
    wt_send_to(out, &op, &buffer.buf, (PSOCKADDR)&to, length, (PCMSGHDR)control);
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

struct got {
    ULONG length, flags;
    __attribute__((aligned(8))) UCHAR control[256];
};

static void receive(struct got *got, ULONG capacity)
{
    struct wt_op op;

    wt_op_init(&op);
    buffer.buf.Length = 64;
    got->length = capacity;
    got->flags = ~0u;
    RtlFillMemory(got->control, sizeof got->control, 0xa5);
    wt_receive_from(in, &op, &buffer.buf, NULL, &got->length, (PCMSGHDR)got->control, &got->flags);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

/* The object of this kind in what was received; NULL when there is none. */
static const void *find(const struct got *got, INT level, INT type, SIZE_T size)
{
    ULONG at = 0;

    while (at + sizeof(CMSGHDR) <= got->length) {
        CMSGHDR *header = (CMSGHDR *)(got->control + at);

        EXPECT(header->cmsg_len >= WSA_CMSG_LEN(0) && at + header->cmsg_len <= got->length);
        if (header->cmsg_level == level && header->cmsg_type == type) {
            EXPECT_EQ(header->cmsg_len, WSA_CMSG_LEN(size));
            return WSA_CMSG_DATA(header);
        }
        at += (ULONG)WSA_CMSGHDR_ALIGN(header->cmsg_len);
    }
    return NULL;
}

static ULONG number(const struct got *got, INT level, INT type)
{
    const ULONG *value = find(got, level, type, sizeof *value);

    EXPECT(value != NULL);
    return *value;
}

TEST(none_unless_asked_for, "R-RECVFROM-04 R-RECVFROM-06")
{
    struct got got;

    open_both(AF_INET);
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    receive(&got, sizeof got.control);
    EXPECT_EQ(got.length, 0);
    EXPECT_EQ(got.flags, 0);
    close_both();
}

TEST(packet_info, "D-19 R-RECVFROM-04 R-RECVFROM-06 R-SENDTO-05")
{
    const IN_PKTINFO *v4;
    const IN6_PKTINFO *v6;
    struct got got;

    open_both(AF_INET);
    set(in, IPPROTO_IP, IP_PKTINFO, 1);
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    receive(&got, sizeof got.control);
    EXPECT_EQ(got.length, WSA_CMSG_SPACE(sizeof *v4));
    v4 = find(&got, IPPROTO_IP, IP_PKTINFO, 8);
    EXPECT(v4 != NULL);
    EXPECT_EQ(v4->ipi_addr.S_un.S_addr, 0x0100007f);
    EXPECT(v4->ipi_ifindex != 0);
    close_both();

    open_both(AF_INET6);
    set(in, IPPROTO_IPV6, IPV6_PKTINFO, 1);
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    receive(&got, sizeof got.control);
    v6 = find(&got, IPPROTO_IPV6, IPV6_PKTINFO, 20);
    EXPECT(v6 != NULL);
    EXPECT_EQ(v6->ipi6_addr.u.Byte[15], 1);
    EXPECT(v6->ipi6_ifindex != 0);
    close_both();
}

TEST(too_little_room_for_it, "R-RECVFROM-05 R-RECVFROM-09")
{
    struct wt_op op;
    struct got got;
    ULONG flags;

    open_both(AF_INET);
    set(in, IPPROTO_IP, IP_PKTINFO, 1);
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    receive(&got, 8);
    EXPECT(got.flags & MSG_CTRUNC);
    EXPECT_EQ(got.length, 8);
    EXPECT_EQ(got.control[8], 0xa5); /* not a byte behind the room */
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    wt_op_init(&op); /* no length: the buffer is ignored */
    wt_receive_from(in, &op, &buffer.buf, NULL, NULL, (PCMSGHDR)got.control, &flags);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(flags, 0);
    wt_op_free(&op);
    close_both();
}

TEST(what_the_sender_says_arrives, "D-19 R-SENDTO-05 R-RECVFROM-04")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        __attribute__((aligned(8))) UCHAR control[128];
        INT level = families[i] == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
        ULONG hops = 33, ecn = 2, length;
        struct got got;

        open_both(families[i]);
        set(in, (ULONG)level, IP_HOPLIMIT, 1);
        set(in, (ULONG)level, IP_RECVECN, 1);
        length = object(control, level, IP_HOPLIMIT, &hops, sizeof hops);
        length += object(control + length, level, IP_ECN, &ecn, sizeof ecn);
        EXPECT_STATUS(send(control, length), STATUS_SUCCESS);
        receive(&got, sizeof got.control);
        EXPECT_EQ(number(&got, level, level == IPPROTO_IP ? IP_TTL : IPV6_HOPLIMIT), hops);
        EXPECT_EQ(number(&got, level, IP_ECN), ecn);
        EXPECT(find(&got, level, IP_PKTINFO, 0) == NULL);
        close_both();
    }
}

TEST(the_source_address_that_the_sender_wants, "D-19")
{
    IN_PKTINFO info = {.ipi_addr.S_un.S_addr = 0x0100007f};
    __attribute__((aligned(8))) UCHAR control[64];
    SOCKADDR_STORAGE from;
    struct wt_op op;

    open_both(AF_INET);
    EXPECT_STATUS(send(control, object(control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info)), STATUS_SUCCESS);
    wt_op_init(&op);
    wt_receive_from(in, &op, &buffer.buf, (PSOCKADDR)&from, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(((SOCKADDR_IN *)&from)->sin_addr.S_un.S_addr, 0x0100007f);
    wt_op_free(&op);
    close_both();
}

TEST(objects_that_are_ignored_or_refused, "D-19 R-SENDTO-05 R-SENDMSGS-04")
{
    __attribute__((aligned(8))) UCHAR control[64];
    ULONG value = 4;

    open_both(AF_INET);
    EXPECT_STATUS(send(control, object(control, IPPROTO_IP, IP_OPTIONS, &value, 0)), STATUS_SUCCESS);
    EXPECT_STATUS(send(control, object(control, IPPROTO_IP, 200, &value, 4)), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(send(control, object(control, IPPROTO_IP, IP_ECN, &value, 4)), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(send(control, object(control, IPPROTO_IP, IP_PKTINFO, &value, 4)),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(send(control, object(control, IPPROTO_IPV6, IPV6_HOPLIMIT, &value, 4)),
                  STATUS_INVALID_PARAMETER); /* on an IPv4 socket */
    EXPECT_STATUS(send(control, object(control, IPPROTO_IP, IP_TOS, &value, 4) - 9),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(send(NULL, 24), STATUS_INVALID_PARAMETER);
    close_both();
}

TEST(one_send_is_cut_into_datagrams, "D-19")
{
    __attribute__((aligned(8))) UCHAR control[64];
    ULONG piece = 4, sizes = 0;
    unsigned i;

    open_both(AF_INET);
    EXPECT_STATUS(send(control, object(control, IPPROTO_UDP, UDP_SEND_MSG_SIZE, &piece, sizeof piece)),
                  STATUS_SUCCESS);
    for (i = 0; i < 3; i++) {
        struct wt_op op;

        wt_op_init(&op);
        buffer.buf.Length = 64;
        wt_receive_from(in, &op, &buffer.buf, NULL, NULL, NULL, NULL);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, i < 2 ? 4 : 2);
        sizes += (ULONG)op.information;
        wt_op_free(&op);
    }
    EXPECT_EQ(sizes, 10);
    close_both();
}

/* ---- what ICMP says of a datagram that was sent ------------------------------------------------------- */

/* `out` and where it sends to: a port of loopback that nobody has. */
static void open_to_nobody(ADDRESS_FAMILY family, const WSK_CLIENT_DATAGRAM_DISPATCH *dispatch)
{
    wt_close_now(wt_datagrams(family, NULL, NULL, &in_port));
    wt_loopback(&to, family, in_port);
    out = in = wt_datagrams(family, NULL, dispatch, &out_port);
    wt_buffer_init(&buffer, 64);
}

static void close_one(void)
{
    wt_close_now(out);
    wt_buffer_free(&buffer);
}

static void expect_port_unreachable(const struct got *got, ADDRESS_FAMILY family)
{
    BOOLEAN v6 = family == AF_INET6;
    const IN_RECVERR *error =
        find(got, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, sizeof *error);

    EXPECT(error != NULL);
    EXPECT_EQ(got->length, WSA_CMSG_SPACE(sizeof *error));
    EXPECT_EQ(error->protocol, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    EXPECT_EQ(error->type, v6 ? 1 : 3);
    EXPECT_EQ(error->code, v6 ? 4 : 3);
    EXPECT_EQ(error->info, 0);
}

TEST(an_icmp_error_comes_in_the_place_of_a_datagram, "D-19 R-RECVFROM-04")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        ULONG level = families[i] == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
        SOCKADDR_STORAGE from;
        struct wt_op op;
        struct got got;

        open_to_nobody(families[i], NULL);
        set(out, level, families[i] == AF_INET ? IP_RECVERR : IPV6_RECVERR, 1);
        EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
        wt_op_init(&op);
        got.length = sizeof got.control;
        wt_receive_from(out, &op, &buffer.buf, (PSOCKADDR)&from, &got.length, (PCMSGHDR)got.control,
                        &got.flags);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 0);
        EXPECT_EQ(got.flags, 0);
        EXPECT_EQ(wt_port(&from), in_port); /* where it was to go */
        expect_port_unreachable(&got, families[i]);
        wt_loopback(&to, families[i], out_port);
        EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS); /* to itself: it goes on */
        receive(&got, sizeof got.control);
        EXPECT_EQ(got.length, 0);
        wt_op_free(&op);
        close_one();
    }
}

TEST(no_icmp_error_unless_asked_for, "D-19 R-RECVFROM-04")
{
    struct got got;
    struct wt_op op;

    open_to_nobody(AF_INET, NULL);
    set(out, IPPROTO_IP, IP_RECVERR, 1);
    set(out, IPPROTO_IP, IP_RECVERR, 0);
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    wt_loopback(&to, AF_INET, out_port);
    EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
    wt_op_init(&op);
    got.length = sizeof got.control;
    wt_receive_from(out, &op, &buffer.buf, NULL, &got.length, (PCMSGHDR)got.control, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 10);
    EXPECT_EQ(got.length, 0);
    wt_op_free(&op);
    close_one();
}

static struct got told;
static volatile LONG told_count;

static NTSTATUS WSKAPI told_event(PVOID SocketContext, ULONG Flags, PWSK_DATAGRAM_INDICATION DataIndication)
{
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Flags);
    for (; DataIndication != NULL; DataIndication = DataIndication->Next) {
        EXPECT_EQ(DataIndication->Buffer.Length, 0);
        EXPECT_EQ(wt_port(DataIndication->RemoteAddress), in_port);
        EXPECT(DataIndication->ControlInfoLength <= sizeof told.control);
        told.length = DataIndication->ControlInfoLength;
        RtlCopyMemory(told.control, DataIndication->ControlInfo, told.length);
        expect_port_unreachable(&told, AF_INET);
        InterlockedIncrement(&told_count);
    }
    return STATUS_SUCCESS;
}

TEST(icmp_errors_are_indicated, "D-19 R-IND-04 R-IND-05")
{
    static const WSK_CLIENT_DATAGRAM_DISPATCH dispatch = {told_event};
    LONG i;

    open_to_nobody(AF_INET, &dispatch);
    set(out, IPPROTO_IP, IP_RECVERR, 1);
    EXPECT_STATUS(wt_events(out, WSK_EVENT_RECEIVE_FROM, NULL), STATUS_SUCCESS);
    for (i = 1; i <= 3; i++) {
        EXPECT_STATUS(send(NULL, 0), STATUS_SUCCESS);
        EXPECT_SOON(InterlockedCompareExchange(&told_count, 0, 0) == i);
    }
    close_one();
}
