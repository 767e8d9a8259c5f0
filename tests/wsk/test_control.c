/*
 * test_control.c - WskControlSocket: the table of options (what is set is read back, categories, sizes, IRP,
 * before the bind) and the ioctls of a connection.
 */
#include "line.h"

WT_FIXTURE;

#define L 1 /* listening */
#define C 2 /* connection */

static const struct option {
    ULONG level, name;
    ULONG categories;
    BOOLEAN irp, before_bind, truth, six;
    ULONG value; /* to set */
    ULONG first; /* what it is at first; ~0 = whatever */
} options[] = {
    {SOL_SOCKET, SO_KEEPALIVE, L | C, TRUE, FALSE, TRUE, FALSE, 1, 0},
    {SOL_SOCKET, SO_RCVBUF, L | C, TRUE, FALSE, FALSE, FALSE, 100000, ~0u},
    {SOL_SOCKET, SO_SNDBUF, L | C, TRUE, FALSE, FALSE, FALSE, 77777, ~0u},
    {SOL_SOCKET, SO_REUSEADDR, L | C, TRUE, TRUE, TRUE, FALSE, 1, 0},
    {SOL_SOCKET, SO_EXCLUSIVEADDRUSE, L | C, TRUE, TRUE, TRUE, FALSE, 1, 0},
    {IPPROTO_TCP, TCP_NODELAY, L | C, FALSE, FALSE, TRUE, FALSE, 1, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, L | C, FALSE, FALSE, FALSE, FALSE, 33, ~0u},
    {IPPROTO_TCP, TCP_KEEPINTVL, L | C, FALSE, FALSE, FALSE, FALSE, 7, ~0u},
    {IPPROTO_TCP, TCP_KEEPCNT, L | C, FALSE, FALSE, FALSE, FALSE, 5, ~0u},
    {IPPROTO_IP, IP_TTL, L | C, FALSE, FALSE, FALSE, FALSE, 42, ~0u},
    {IPPROTO_IP, IP_DONTFRAGMENT, L | C, FALSE, FALSE, TRUE, FALSE, 1, ~0u},
    {IPPROTO_IPV6, IPV6_V6ONLY, L | C, FALSE, TRUE, TRUE, TRUE, 0, 1},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, L | C, FALSE, FALSE, FALSE, TRUE, 9, ~0u},
};

static NTSTATUS control(PWSK_SOCKET socket, BOOLEAN with_irp, WSK_CONTROL_SOCKET_TYPE type,
                        const struct option *option, SIZE_T size, ULONG *value, ULONG_PTR *information)
{
    struct wt_op op;
    NTSTATUS status;

    if (!with_irp)
        return wt_control(socket, NULL, type, option->name, option->level, type == WskSetOption ? size : 0,
                          type == WskSetOption ? value : NULL, type == WskGetOption ? size : 0,
                          type == WskGetOption ? value : NULL);
    wt_op_init(&op);
    wt_control(socket, &op, type, option->name, option->level, type == WskSetOption ? size : 0,
               type == WskSetOption ? value : NULL, type == WskGetOption ? size : 0,
               type == WskGetOption ? value : NULL);
    status = wt_wait(&op);
    if (information != NULL)
        *information = op.information;
    wt_op_free(&op);
    return status;
}

static void bind_it(PWSK_SOCKET socket, ADDRESS_FAMILY family)
{
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_loopback(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

static void try_option(const struct option *option, ULONG flags)
{
    ADDRESS_FAMILY family = option->six ? AF_INET6 : AF_INET;
    PWSK_SOCKET socket = wt_open(family, flags, NULL, NULL);
    ULONG_PTR information = 99;
    ULONG value = 0xabcdef, again;
    UCHAR one = 1;

    EXPECT_STATUS(control(socket, TRUE, WskGetOption, option, sizeof value, &value, &information),
                  STATUS_SUCCESS);
    EXPECT_EQ(information, sizeof value); /* R-CTLS-09 */
    if (option->first != ~0u)
        EXPECT_EQ(value, option->first);
    value = option->value;
    EXPECT_STATUS(control(socket, TRUE, WskSetOption, option, sizeof value, &value, &information),
                  STATUS_SUCCESS);
    EXPECT_EQ(information, 0);
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, option, sizeof again, &again, NULL), STATUS_SUCCESS);
    EXPECT_EQ(again, option->value);
    /* Without an IRP: only where none is demanded. */
    EXPECT_STATUS(control(socket, FALSE, WskSetOption, option, sizeof value, &value, NULL),
                  option->irp ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS);
    EXPECT_STATUS(control(socket, FALSE, WskGetOption, option, sizeof again, &again, NULL),
                  option->irp ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS);
    /* Sizes. */
    EXPECT_STATUS(control(socket, TRUE, WskSetOption, option, 1, (ULONG *)&one, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, option, 1, (ULONG *)&one, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(control(socket, TRUE, WskSetOption, option, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, option, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
    if (option->truth) {
        value = 2;
        EXPECT_STATUS(control(socket, TRUE, WskSetOption, option, sizeof value, &value, NULL),
                      STATUS_INVALID_PARAMETER);
    }
    bind_it(socket, family);
    value = option->value;
    EXPECT_STATUS(control(socket, TRUE, WskSetOption, option, sizeof value, &value, NULL),
                  option->before_bind ? STATUS_INVALID_DEVICE_STATE : STATUS_SUCCESS);
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, option, sizeof again, &again, NULL), STATUS_SUCCESS);
    EXPECT_EQ(again, option->value);
    wt_close_now(socket);
}

TEST(options_are_read_back_as_they_were_set, "R-CTLS-03 R-CTLS-08 R-CTLS-09 C-OPT-10 C-OPT-11 C-OPT-12 "
                                             "C-OPT-13 C-OPT-14 C-OPT-15 C-OPT-16 C-OPT-17 C-OPT-20 "
                                             "C-OPT-21 C-OPT-23 C-OPT-35 D-18")
{
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(options); i++) {
        PWSK_SOCKET basic = wt_open(options[i].six ? AF_INET6 : AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        ULONG value = 1;

        try_option(&options[i], WSK_FLAG_LISTEN_SOCKET);
        try_option(&options[i], WSK_FLAG_CONNECTION_SOCKET);
        EXPECT_STATUS(control(basic, TRUE, WskSetOption, &options[i], sizeof value, &value, NULL),
                      STATUS_NOT_SUPPORTED); /* C-OPT-36 */
        EXPECT_STATUS(control(basic, TRUE, WskGetOption, &options[i], sizeof value, &value, NULL),
                      STATUS_NOT_SUPPORTED);
        wt_close_now(basic);
    }
}

TEST(options_that_do_not_exist, "R-CTLS-03 C-OPT-36 D-01")
{
    static const struct option wrong[] = {
        {SOL_SOCKET, 0x7777, 0, FALSE, FALSE, FALSE, FALSE, 0, 0},
        {0x5555, SO_KEEPALIVE, 0, FALSE, FALSE, FALSE, FALSE, 0, 0},
        {SOL_SOCKET, SO_BROADCAST, 0, FALSE, FALSE, FALSE, FALSE, 0, 0},  /* datagrams only */
        {IPPROTO_IPV6, IPV6_V6ONLY, 0, FALSE, FALSE, FALSE, FALSE, 0, 0}, /* not on IPv4 */
        {1 /* Linux' SOL_SOCKET */, 9, 0, FALSE, FALSE, FALSE, FALSE, 0, 0},
    };
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(wrong); i++) {
        ULONG_PTR information = 99;
        ULONG value = 1;

        EXPECT_STATUS(control(socket, TRUE, WskSetOption, &wrong[i], sizeof value, &value, &information),
                      STATUS_NOT_SUPPORTED);
        EXPECT_EQ(information, 0);
        EXPECT_STATUS(control(socket, FALSE, WskGetOption, &wrong[i], sizeof value, &value, NULL),
                      STATUS_NOT_SUPPORTED);
    }
    wt_close_now(socket);
}

TEST(calls_that_are_wrong, "R-CTLS-02 R-CTLS-06 R-CTLS-13 C-OPT-25 D-01 H-07")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    WSK_EVENT_CALLBACK_CONTROL events = {&NPI_WSK_INTERFACE_ID, WSK_EVENT_RECEIVE};
    SIZE_T returned = 99;
    ULONG value = 1;
    struct wt_op op;

    EXPECT_STATUS(wt_control(socket, NULL, WskControlMax, 0, 0, 0, NULL, 0, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_control(socket, NULL, WskSetOption, TCP_NODELAY, IPPROTO_TCP, 4, NULL, 0, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_control(socket, NULL, WskSetOption, TCP_NODELAY, IPPROTO_TCP, 0, &value, 0, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_control(socket, NULL, WskGetOption, TCP_NODELAY, IPPROTO_TCP, 0, NULL, 4, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_control(socket, NULL, WskSetOption, TCP_NODELAY, IPPROTO_TCP, 4, &value, 4, &value),
                  STATUS_INVALID_PARAMETER);
    wt_op_init(&op);
    EXPECT_STATUS(wt_control(socket, &op, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, sizeof events - 1,
                             &events, 0, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_control(socket, &op, WskGetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET, 0, NULL,
                             sizeof events, &events),
                  STATUS_NOT_SUPPORTED);
    wt_op_free(&op);
    /* OutputSizeReturned counts without an IRP, and is ignored with one. */
    EXPECT_STATUS(wt_basic(socket)->WskControlSocket(socket, WskGetOption, TCP_NODELAY, IPPROTO_TCP, 0, NULL,
                                                     sizeof value, &value, &returned, NULL),
                  STATUS_SUCCESS);
    EXPECT_EQ(returned, sizeof value);
    returned = 99;
    wt_op_init(&op);
    wt_returned(&op, wt_basic(socket)->WskControlSocket(socket, WskGetOption, TCP_NODELAY, IPPROTO_TCP, 0,
                                                        NULL, sizeof value, &value, &returned, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, sizeof value);
    EXPECT_EQ(returned, 99);
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(options_of_a_listener_pass_to_what_it_accepts, "C-OPT-16 C-OPT-18 C-OPT-22 C-OPT-23")
{
    static const struct option keepalive = {SOL_SOCKET, SO_KEEPALIVE, 0, TRUE, FALSE, FALSE, FALSE, 0, 0};
    static const struct option rcvbuf = {SOL_SOCKET, SO_RCVBUF, 0, TRUE, FALSE, FALSE, FALSE, 0, 0};
    PWSK_SOCKET listener, socket;
    ULONG value = 1;
    struct wt_op op;
    int port, peer;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    EXPECT_STATUS(control(listener, TRUE, WskSetOption, &keepalive, 4, &value, NULL), STATUS_SUCCESS);
    value = 54321;
    EXPECT_STATUS(control(listener, TRUE, WskSetOption, &rcvbuf, 4, &value, NULL), STATUS_SUCCESS);
    peer = peer_connect(PEER_INET, port, 5000);
    wt_op_init(&op);
    wt_accept(listener, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, &keepalive, 4, &value, NULL), STATUS_SUCCESS);
    EXPECT_EQ(value, 1);
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, &rcvbuf, 4, &value, NULL), STATUS_SUCCESS);
    EXPECT_EQ(value, 54321);
    value = 0; /* each may override it */
    EXPECT_STATUS(control(socket, TRUE, WskSetOption, &keepalive, 4, &value, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(control(socket, TRUE, WskGetOption, &keepalive, 4, &value, NULL), STATUS_SUCCESS);
    EXPECT_EQ(value, 0);
    EXPECT_STATUS(control(listener, TRUE, WskGetOption, &keepalive, 4, &value, NULL), STATUS_SUCCESS);
    EXPECT_EQ(value, 1);
    wt_op_free(&op);
    wt_close_now(socket);
    wt_close_now(listener);
    peer_close(peer);
}

TEST(ioctls, "R-CTLS-04 R-CTLS-09 D-01")
{
    PWSK_SOCKET socket, unconnected = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    UCHAR room[sizeof(SIZE_T) + 1];
    SIZE_T there = 99;
    struct wt_op op;
    int peer;

    socket = wt_connected(AF_INET, NULL, NULL, &peer);
    wt_op_init(&op);
    wt_control(socket, &op, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0xabcd, 0, NULL, sizeof there, &there);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, sizeof there);
    EXPECT_EQ(there, 0);
    peer_send(peer, "12345", 5);
    do { /* an output that is not aligned, too; the level means nothing (R-CTLS-04) */
        EXPECT_STATUS(wt_control(socket, NULL, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 77, 0, NULL,
                                 sizeof there, room + 1),
                      STATUS_SUCCESS);
        RtlCopyMemory(&there, room + 1, sizeof there);
        EXPECT(there == 0 || there == 5);
    } while (there != 5);
    wt_again(&op);
    EXPECT_STATUS(wt_control(socket, &op, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0, 0, NULL, 1, room),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_control(unconnected, &op, WskIoctl, SIO_WSK_QUERY_RECEIVE_BACKLOG, 0, 0, NULL,
                             sizeof there, &there),
                  STATUS_INVALID_DEVICE_STATE);
    wt_again(&op);
    EXPECT_STATUS(wt_control(socket, &op, WskIoctl, 0x12345678, 0, 0, NULL, 0, NULL), STATUS_NOT_SUPPORTED);
    wt_op_free(&op);
    wt_close_now(unconnected);
    wt_close_now(socket);
    peer_close(peer);
}
