/*
 * test_socket.c - WskSocket: categories, tables, what is refused, what a new socket is like.
 */
#include "line.h"

#include "host/sanitizer.h"

WT_FIXTURE;

static NTSTATUS create(struct wt_op *op, ADDRESS_FAMILY family, USHORT type, ULONG protocol, ULONG flags)
{
    return wt_returned(op, wt_npi.Dispatch->WskSocket(wt_npi.Client, family, type, protocol, flags, NULL,
                                                      NULL, NULL, NULL, NULL, op->irp));
}

TEST(each_category_has_its_table,
     "R-SOCK-05 R-SOCK-07 R-SOCK-08 R-SOCK-18 R-SOCK-19 R-SOCK-21 R-STRUCT-15 C-SOCK-04 C-SOCK-05 C-SOCK-06 "
     "C-CLOSE-04 C-EVT-22")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(families); i++) {
        PWSK_SOCKET basic = wt_open(families[i], WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        PWSK_SOCKET listen = wt_open(families[i], WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
        PWSK_SOCKET connection = wt_open(families[i], WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
        const WSK_PROVIDER_BASIC_DISPATCH *two = wt_basic(basic);
        const WSK_PROVIDER_CONNECTION_DISPATCH *table = wt_connection(connection);

        EXPECT(basic->Dispatch != listen->Dispatch && listen->Dispatch != connection->Dispatch);
        EXPECT(two->WskControlSocket != NULL && two->WskCloseSocket != NULL);
        EXPECT(wt_basic(listen)->WskCloseSocket == wt_listen(listen)->WskCloseSocket);
        EXPECT(wt_listen(listen)->WskBind != NULL && wt_listen(listen)->WskAccept != NULL &&
               wt_listen(listen)->WskInspectComplete != NULL &&
               wt_listen(listen)->WskGetLocalAddress != NULL);
        EXPECT(table->WskBind != NULL && table->WskConnect != NULL && table->WskGetLocalAddress != NULL &&
               table->WskGetRemoteAddress != NULL && table->WskSend != NULL && table->WskReceive != NULL &&
               table->WskDisconnect != NULL && table->WskRelease != NULL && table->WskConnectEx != NULL);
        wt_close_now(basic);
        wt_close_now(listen);
        wt_close_now(connection);
    }
}

TEST(creation_pends_but_for_the_mode_inline, "W-01 R-SOCK-18 R-SOCK-19 C-IRP-20 D-04")
{
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(create(&op, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET),
                  test_mode_has("inline") ? STATUS_SUCCESS : STATUS_PENDING);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_close_now((PWSK_SOCKET)op.information);
    wt_op_free(&op);
}

TEST(combinations_that_do_not_exist, "R-SOCK-06 R-SOCK-18 C-IRP-01 D-01 D-18")
{
    static const struct {
        ADDRESS_FAMILY family;
        USHORT type;
        ULONG protocol, flags;
        NTSTATUS status;
    } rows[] = {
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET | WSK_FLAG_CONNECTION_SOCKET,
         STATUS_INVALID_PARAMETER},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, 0x40, STATUS_INVALID_PARAMETER},
        {AF_INET, SOCK_STREAM, 0, WSK_FLAG_CONNECTION_SOCKET, STATUS_PROTOCOL_UNREACHABLE},
        {AF_INET6, SOCK_STREAM, 0, WSK_FLAG_LISTEN_SOCKET, STATUS_PROTOCOL_UNREACHABLE},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP, WSK_FLAG_CONNECTION_SOCKET, STATUS_PROTOCOL_UNREACHABLE},
        {AF_INET, SOCK_DGRAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET, STATUS_PROTOCOL_UNREACHABLE},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDP, WSK_FLAG_CONNECTION_SOCKET, STATUS_NOT_SUPPORTED},
        {AF_INET, SOCK_RAW, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, STATUS_NOT_SUPPORTED},
        {AF_INET, 77, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, STATUS_NOT_SUPPORTED},
        {1, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET, STATUS_NOT_SUPPORTED},
        {10 /* Linux' AF_INET6 */, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET,
         STATUS_NOT_SUPPORTED},
    };
    unsigned i;

    for (i = 0; i < RTL_NUMBER_OF(rows); i++) {
        struct wt_op op;

        wt_op_init(&op); /* a refusal completes inline in every mode */
        EXPECT_STATUS(create(&op, rows[i].family, rows[i].type, rows[i].protocol, rows[i].flags),
                      rows[i].status);
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
    }
    EXPECT_STATUS(wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                             WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER); /* W-04 */
}

/* Every type and protocol in every category: what there is, and nothing else. */
TEST(types_and_protocols_of_each_category, "R-SOCK-03 R-SOCK-05 R-SOCK-06 C-AF-01 C-AF-02 C-AF-03 C-AF-04 "
                                           "C-AF-05 C-AF-06 C-AF-07 C-AF-08 C-AF-09 C-SOCK-07")
{
    static const ULONG flags[] = {WSK_FLAG_BASIC_SOCKET, WSK_FLAG_LISTEN_SOCKET, WSK_FLAG_CONNECTION_SOCKET,
                                  WSK_FLAG_DATAGRAM_SOCKET, WSK_FLAG_STREAM_SOCKET};
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    static const USHORT types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, 4 /* SOCK_RDM */};
    static const ULONG protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 253};
    unsigned i;

    for (i = 0; i < 5 * 2 * 4 * 5; i++) {
        ULONG flag = flags[i % 5], protocol = protocols[i / 40];
        ADDRESS_FAMILY family = families[i / 5 % 2];
        USHORT type = types[i / 10 % 4];
        BOOLEAN may = type == SOCK_STREAM ? protocol == IPPROTO_TCP && flag != WSK_FLAG_DATAGRAM_SOCKET
                      : type == SOCK_DGRAM
                          ? protocol == IPPROTO_UDP &&
                                (flag == WSK_FLAG_BASIC_SOCKET || flag == WSK_FLAG_DATAGRAM_SOCKET ||
                                 flag == WSK_FLAG_LISTEN_SOCKET) /* W-05 */
                      : type == SOCK_RAW ? flag == WSK_FLAG_BASIC_SOCKET || flag == WSK_FLAG_DATAGRAM_SOCKET
                                         : FALSE;
        struct wt_op op;
        NTSTATUS status;

        wt_op_init(&op);
        create(&op, family, type, protocol, flag);
        status = wt_wait(&op);
        if (may && type == SOCK_RAW && flag == WSK_FLAG_DATAGRAM_SOCKET && !NT_SUCCESS(status))
            /* Without the privilege; Linux knows no protocol 0 there, the simulator no raw sockets. */
            EXPECT_STATUS(status, test_mode_has("sim") ? STATUS_NOT_SUPPORTED
                                  : protocol == 0      ? STATUS_PROTOCOL_UNREACHABLE
                                                       : STATUS_ACCESS_DENIED);
        else if (NT_SUCCESS(status) != may)
            uwsk_test_fail(__FILE__, __LINE__, "flags %u, family %u, type %u, protocol %u: 0x%08x", flag,
                           family, type, protocol, status);
        if (NT_SUCCESS(status))
            wt_close_now((PWSK_SOCKET)op.information);
        else
            EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
    }
}

TEST(a_new_socket_is_made_at_dispatch_level, "R-SOCK-23 C-IRP-19")
{
    PWSK_SOCKET socket;
    struct wt_op op;
    KIRQL irql;

    wt_op_init(&op);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    create(&op, AF_INET6, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_CONNECTION_SOCKET);
    KeLowerIrql(irql);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_again(&op);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    wt_close(socket, &op);
    KeLowerIrql(irql);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
}

TEST(ipv6_only_is_the_default, "D-18")
{
    PWSK_SOCKET socket = wt_open(AF_INET6, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
    ULONG value = 77;

    EXPECT_STATUS(
        wt_control(socket, NULL, WskGetOption, IPV6_V6ONLY, IPPROTO_IPV6, 0, NULL, sizeof value, &value),
        STATUS_SUCCESS);
    EXPECT_EQ(value, 1);
    wt_close_now(socket);
}

TEST(callbacks_are_off_at_first, "R-SOCK-10 R-SOCK-13 R-SOCK-20 R-SCON-11 C-EVT-01 C-EVT-02 C-EVT-22")
{
    static const WSK_CLIENT_CONNECTION_DISPATCH empty;
    struct line line;
    PWSK_SOCKET plain;
    char text[4];
    int peer;

    line_open(&line, AF_INET, 0);
    peer_send(line.peer, "data", 4);
    EXPECT_EQ(wt_receive_now(line.socket, text, 4, WSK_FLAG_WAITALL), 4);
    peer_shutdown(line.peer);
    EXPECT_EQ(wt_receive_now(line.socket, text, 4, 0), 0);
    EXPECT_EQ(line.receives + line.gracefuls, 0);
    line_close(&line);

    plain = wt_connected(AF_INET, (PVOID)1, &empty, &peer); /* the context is never looked into */
    EXPECT_STATUS(wt_events(plain, WSK_EVENT_RECEIVE, NULL), STATUS_INVALID_PARAMETER); /* R-SOCK-14 */
    peer_send(peer, "data", 4);
    EXPECT_EQ(wt_receive_now(plain, text, 4, WSK_FLAG_WAITALL), 4);
    wt_close_now(plain);
    peer_close(peer);
}

TEST(sockets_leave_nothing_behind, "R-SOCK-21 C-CLOSE-45")
{
    int before = 0, i;

    for (i = 0; i < 50; i++) {
        wt_close_now(wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL));
        wt_close_now(wt_open(AF_INET6, WSK_FLAG_LISTEN_SOCKET, NULL, NULL));
        if (i == 0)
            before = peer_count_fds();
    }
    EXPECT_EQ(peer_count_fds(), before);
}

/* ---- memory of closed sockets ------------------------------------------------------------------------- */

enum { KEPT = 1024 }; /* so many closes a closed socket's memory stays its own */

/* The simulator and the sanitizers never use memory again, they free it. */
static const BOOLEAN reused = !HOST_ASAN && !HOST_TSAN;

TEST(a_closed_handle_is_refused_for_a_thousand_closes, "C-CLOSE-35 C-CLOSE-36",
     TEST_MODES("natural/dispatch"))
{
    PWSK_SOCKET stale = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL), socket = NULL;
    struct wt_op op;
    unsigned i;

    wt_close_now(stale);
    wt_op_init(&op);
    for (i = 1; i < KEPT; i++) {
        socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        EXPECT(socket != stale);
        EXPECT_STATUS(wt_close(stale, &op), STATUS_FILE_FORCED_CLOSED);
        wt_again(&op);
        wt_close_now(socket);
    }
    wt_op_free(&op);
    for (i = 0; reused && socket != stale; i++) { /* then it belongs to somebody else */
        EXPECT(i < KEPT);
        socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
        wt_close_now(socket);
    }
}

static void try_connection(PWSK_SOCKET socket, int peer)
{
    wt_talk(socket, peer);
    wt_close_now(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

static void try_datagrams(PWSK_SOCKET socket, int port)
{
    struct wt_buffer in, out;
    SOCKADDR_STORAGE address;
    struct wt_op send, receive;

    wt_buffer_init(&in, 8);
    wt_buffer_init(&out, 5);
    RtlCopyMemory(out.bytes, "hello", 5);
    wt_op_init(&send);
    wt_op_init(&receive);
    wt_receive_from(socket, &receive, &in.buf, NULL, NULL, NULL, NULL);
    wt_send_to(socket, &send, &out.buf, wt_loopback(&address, AF_INET, port), 0, NULL);
    EXPECT_STATUS(wt_wait(&send), STATUS_SUCCESS);
    EXPECT_STATUS(wt_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(receive.information, 5);
    EXPECT(RtlEqualMemory(in.bytes, "hello", 5));
    wt_op_free(&send);
    wt_op_free(&receive);
    wt_buffer_free(&in);
    wt_buffer_free(&out);
    wt_close_now(socket);
}

/* Each round makes a connection, a listener, what that accepts, and a datagram socket.  Later, when they get the memory
 * of these, there is one more a round: so each comes to be where another kind has been. */
TEST(any_category_works_in_the_memory_of_any_other, "R-SOCK-21", TEST_MODES("natural/dispatch"))
{
    enum { ROUNDS = KEPT / 4 + 64 };
    PWSK_SOCKET had[ROUNDS][3];
    unsigned i, j, changed = 0;
    int peer, port;

    for (i = 0; i < (reused ? ROUNDS : 8); i++) {
        had[i][0] = wt_connected(AF_INET, NULL, NULL, &peer);
        try_connection(had[i][0], peer);
        had[i][1] = wt_accepted(AF_INET, NULL, NULL, &peer);
        try_connection(had[i][1], peer);
        had[i][2] = wt_datagrams(AF_INET, NULL, NULL, &port);
        try_datagrams(had[i][2], port);
        if (i >= KEPT / 4)
            wt_close_now(wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL));
        for (j = 0; j < i; j++)
            changed += had[i][0] == had[j][1] || had[i][1] == had[j][0] || had[i][2] == had[j][1] ||
                       had[i][0] == had[j][2];
    }
    EXPECT(!reused || changed != 0);
}
