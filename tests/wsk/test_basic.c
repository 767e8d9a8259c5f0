/*
 * test_basic.c - basic sockets: creation, control and close, nothing else; no system resource behind them.
 *
 * Every function of the other categories, called on a basic socket, is refused: tests/close/test_state_table.c.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_FIXTURE;

static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};

static NTSTATUS create(struct wt_op *op, ADDRESS_FAMILY family, USHORT type, ULONG protocol, ULONG flags)
{
    return wt_returned(op, wt_npi.Dispatch->WskSocket(wt_npi.Client, family, type, protocol, flags, NULL,
                                                      NULL, NULL, NULL, NULL, op->irp));
}

TEST(types_of_a_basic_socket, "R-SOCK-03 R-SOCK-05 R-SOCK-08 C-AF-01 C-AF-02 C-AF-03 C-AF-09 C-SOCK-07")
{
    static const struct {
        USHORT type;
        ULONG protocol;
    } rows[] = {{SOCK_STREAM, IPPROTO_TCP},
                {SOCK_DGRAM, IPPROTO_UDP},
                {SOCK_RAW, IPPROTO_ICMP},
                {SOCK_RAW, IPPROTO_TCP},
                {SOCK_RAW, 0},
                {SOCK_RAW, 253}};
    unsigned i;

    for (i = 0; i < 2 * RTL_NUMBER_OF(rows); i++) {
        struct wt_op op;
        int fds = peer_count_fds();

        wt_op_init(&op);
        create(&op, families[i % 2], rows[i / 2].type, rows[i / 2].protocol, WSK_FLAG_BASIC_SOCKET);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(peer_count_fds(), fds); /* so raw ones need no privilege here */
        EXPECT(((PWSK_SOCKET)op.information)->Dispatch == &wsk_basic_dispatch);
        wt_close_now((PWSK_SOCKET)op.information);
        wt_op_free(&op);
    }
}

TEST(combinations_that_a_basic_socket_refuses, "C-AF-03 C-AF-08 R-SOCK-06 R-SOCK-11 D-18")
{
    static const struct {
        ADDRESS_FAMILY family;
        USHORT type;
        ULONG protocol;
        NTSTATUS status;
    } rows[] = {{AF_INET, SOCK_STREAM, IPPROTO_UDP, STATUS_PROTOCOL_UNREACHABLE},
                {AF_INET6, SOCK_STREAM, 0, STATUS_PROTOCOL_UNREACHABLE},
                {AF_INET, SOCK_DGRAM, IPPROTO_TCP, STATUS_PROTOCOL_UNREACHABLE},
                {AF_INET6, SOCK_DGRAM, 0, STATUS_PROTOCOL_UNREACHABLE},
                {AF_INET, 0, IPPROTO_TCP, STATUS_NOT_SUPPORTED},
                {AF_INET, 4 /* SOCK_RDM */, IPPROTO_UDP, STATUS_NOT_SUPPORTED},
                {0, SOCK_STREAM, IPPROTO_TCP, STATUS_NOT_SUPPORTED},
                {10 /* Linux' AF_INET6 */, SOCK_STREAM, IPPROTO_TCP, STATUS_NOT_SUPPORTED}};
    static const WSK_CLIENT_CONNECTION_DISPATCH dispatch;
    struct wt_op op;
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        wt_op_init(&op);
        EXPECT_STATUS(create(&op, rows[i].family, rows[i].type, rows[i].protocol, WSK_FLAG_BASIC_SOCKET),
                      rows[i].status);
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
    }
    wt_op_init(&op); /* it has no callbacks to give them to */
    EXPECT_STATUS(wt_socket(&op, AF_INET, WSK_FLAG_BASIC_SOCKET, &op, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_socket(&op, AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, &dispatch), STATUS_INVALID_PARAMETER);
    wt_op_free(&op);
}

/* Options that other categories have, with and without an IRP. */
TEST(options_that_a_basic_socket_lacks,
     "C-OPT-01 C-OPT-06 C-OPT-10 C-OPT-13 C-OPT-16 C-OPT-36 R-SOCK-08 R-CTLS-13 D-01")
{
    static const struct {
        ULONG level, name;
    } rows[] = {{SOL_SOCKET, SO_BROADCAST},
                {SOL_SOCKET, SO_CONDITIONAL_ACCEPT},
                {SOL_SOCKET, SO_EXCLUSIVEADDRUSE},
                {SOL_SOCKET, SO_REUSEADDR},
                {SOL_SOCKET, SO_KEEPALIVE},
                {SOL_SOCKET, SO_RCVBUF},
                {SOL_SOCKET, 0x7777},
                {IPPROTO_TCP, TCP_NODELAY},
                {IPPROTO_IP, IP_TTL},
                {IPPROTO_UDP, UDP_SEND_MSG_SIZE}};
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    ULONG value = 1;
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        struct wt_op op;

        wt_op_init(&op);
        EXPECT_STATUS(
            wt_control(socket, &op, WskSetOption, rows[i].name, rows[i].level, sizeof value, &value, 0, NULL),
            STATUS_NOT_SUPPORTED);
        EXPECT_EQ(op.information, 0);
        wt_again(&op);
        EXPECT_STATUS(
            wt_control(socket, &op, WskGetOption, rows[i].name, rows[i].level, 0, NULL, sizeof value, &value),
            STATUS_NOT_SUPPORTED);
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
        EXPECT_STATUS(wt_control(socket, NULL, WskGetOption, rows[i].name, rows[i].level, 0, NULL,
                                 sizeof value, &value),
                      STATUS_NOT_SUPPORTED);
    }
    EXPECT_EQ(value, 1);
    wt_close_now(socket);
}

TEST(a_basic_socket_has_no_events, "C-EVT-23 C-OPT-26 C-SOCK-09")
{
    static const ULONG masks[] = {WSK_EVENT_RECEIVE, WSK_EVENT_DISCONNECT, WSK_EVENT_SEND_BACKLOG,
                                  WSK_EVENT_RECEIVE_FROM, WSK_EVENT_ACCEPT};
    PWSK_SOCKET socket = wt_open(AF_INET6, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    struct wt_op op;
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(masks); i++) {
        EXPECT_STATUS(wt_events(socket, masks[i], NULL), STATUS_INVALID_PARAMETER);
        wt_op_init(&op);
        EXPECT_STATUS(wt_events(socket, masks[i] | WSK_EVENT_DISABLE, &op), STATUS_INVALID_PARAMETER);
        wt_op_free(&op);
    }
    EXPECT_EQ(wsk_enabled(wsk_socket_of(socket)), 0);
    wt_close_now(socket);
}

/* What is for one category is refused; what is for every category answers like a connection's. */
TEST(ioctls_of_a_basic_socket,
     "C-IOCTL-22 C-IOCTL-24 C-IOCTL-26 C-IOCTL-28 C-IOCTL-32 C-SOCK-06 R-SOCK-08 R-CTLS-13")
{
    PWSK_SOCKET basic = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PWSK_SOCKET connection = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    static const NPIID unknown = {0x11111111, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};
    WSK_EXTENSION_CONTROL_IN in = {.NpiId = &unknown};
    WSK_EXTENSION_CONTROL_OUT out;
    SOCKADDR_STORAGE address;
    UCHAR buffer[64];
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(wt_control(basic, &op, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0, 0, NULL, 8, buffer),
                  STATUS_NOT_SUPPORTED);
    wt_again(&op);
    wt_loopback(&address, AF_INET, 9);
    EXPECT_STATUS(wt_control(basic, &op, WskIoctl, SIO_WSK_SET_REMOTE_ADDRESS, 0, sizeof(SOCKADDR_IN),
                             &address, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    wt_again(&op);
    EXPECT_STATUS(wt_control(basic, &op, WskIoctl, SIO_WSK_SET_SENDTO_ADDRESS, 0, sizeof(SOCKADDR_IN),
                             &address, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    wt_again(&op);
    EXPECT_STATUS(wt_control(basic, &op, WskIoctl, 0x77777777, 0, 0, NULL, 8, buffer), STATUS_NOT_SUPPORTED);
    wt_op_free(&op);
    EXPECT_STATUS(wt_control(basic, NULL, WskIoctl, SIO_WSK_QUERY_INSPECT_ID, 0, 0, NULL,
                             sizeof(WSK_INSPECT_ID), buffer),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(
        wt_control(basic, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in, &in, sizeof out, &out),
        wt_control(connection, NULL, WskIoctl, SIO_WSK_REGISTER_EXTENSION, 0, sizeof in, &in, sizeof out,
                   &out));
    wt_close_now(basic);
    wt_close_now(connection);
}

TEST(a_basic_socket_closes_at_once, "C-CLOSE-04 C-CLOSE-07 C-CLOSE-36 C-CLOSE-43 W-01")
{
    struct wt_op ops[20], again;
    PWSK_SOCKET sockets[20];
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(sockets); i++)
        sockets[i] = wt_open(families[i % 2], WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    for (i = 0; i < RTL_NUMBER_OF(sockets); i++) {
        KIRQL irql = PASSIVE_LEVEL;
        NTSTATUS status;

        wt_op_init(&ops[i]);
        if (i & 1)
            KeRaiseIrql(DISPATCH_LEVEL, &irql);
        status = wt_close(sockets[i], &ops[i]);
        if (i & 1)
            KeLowerIrql(irql);
        EXPECT_STATUS(status, test_mode_has("inline") ? STATUS_SUCCESS : STATUS_PENDING);
    }
    for (i = 0; i < RTL_NUMBER_OF(sockets); i++) {
        EXPECT_STATUS(wt_wait(&ops[i]), STATUS_SUCCESS);
        wt_op_init(&again);
        EXPECT_STATUS(wt_close(sockets[i], &again), STATUS_FILE_FORCED_CLOSED);
        wt_op_free(&again);
        wt_op_free(&ops[i]);
    }
}

TEST(protocol_numbers, "C-AF-12 C-AF-13", TEST_MODES("natural/dispatch"))
{
    static const struct {
        int number, expected;
    } rows[] = {
        {IPPROTO_IP, 0},        {IPPROTO_ICMP, 1},     {IPPROTO_IGMP, 2},   {IPPROTO_GGP, 3},
        {IPPROTO_IPV4, 4},      {IPPROTO_ST, 5},       {IPPROTO_TCP, 6},    {IPPROTO_CBT, 7},
        {IPPROTO_EGP, 8},       {IPPROTO_IGP, 9},      {IPPROTO_PUP, 12},   {IPPROTO_UDP, 17},
        {IPPROTO_IDP, 22},      {IPPROTO_RDP, 27},     {IPPROTO_ND, 77},    {IPPROTO_ICLFXBM, 78},
        {IPPROTO_PIM, 103},     {IPPROTO_PGM, 113},    {IPPROTO_L2TP, 115}, {IPPROTO_SCTP, 132},
        {IPPROTO_RAW, 255},     {IPPROTO_HOPOPTS, 0},  {IPPROTO_IPV6, 41},  {IPPROTO_ROUTING, 43},
        {IPPROTO_FRAGMENT, 44}, {IPPROTO_ESP, 50},     {IPPROTO_AH, 51},    {IPPROTO_ICMPV6, 58},
        {IPPROTO_NONE, 59},     {IPPROTO_DSTOPTS, 60},
    };
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(rows); i++)
        EXPECT_EQ(rows[i].number, rows[i].expected);
}
