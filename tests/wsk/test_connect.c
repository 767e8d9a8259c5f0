/*
 * test_connect.c - WskConnect and WskSocketConnect.
 */
#include "line.h"

#include "wsk/wskp.h"

WT_FIXTURE;

static PWSK_SOCKET bound(ADDRESS_FAMILY family)
{
    PWSK_SOCKET socket = wt_open(family, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, wt_any(&address, family, 0));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    wt_op_free(&op);
    return socket;
}

static NTSTATUS socket_connect(struct wt_op *op, USHORT type, ULONG protocol, PSOCKADDR local,
                               PSOCKADDR remote, ULONG flags)
{
    return wt_returned(op, wt_npi.Dispatch->WskSocketConnect(wt_npi.Client, type, protocol, local, remote,
                                                             flags, NULL, NULL, NULL, NULL, NULL, op->irp));
}

static void count_socket(void *context, struct wsk_client *client, struct wsk_socket *socket)
{
    UNREFERENCED_PARAMETER(client);
    UNREFERENCED_PARAMETER(socket);
    ++*(int *)context;
}

static int open_sockets(void)
{
    int count = 0;

    wsk_each_socket(count_socket, &count);
    return count;
}

TEST(connect_in_both_families, "R-CONN-04 C-IRP-20 C-IRP-21 W-01 D-04 D-11")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = bound(families[i]);
        int port = 0, listener = peer_listen(families[i], &port), peer;
        SOCKADDR_STORAGE address;
        struct wt_op op;
        char text[4];

        wt_op_init(&op);
        if (wt_connect(socket, &op, wt_loopback(&address, families[i], port)) != STATUS_PENDING)
            EXPECT(test_mode_has("inline")); /* W-01 */
        RtlFillMemory(&address, sizeof address, 0xee);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(op.information, 0);
        peer = peer_accept(listener);
        wt_send_now(socket, "ping", 4);
        peer_receive_all(peer, text, 4);
        wt_again(&op);
        EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, families[i], port)),
                      STATUS_INVALID_DEVICE_STATE); /* twice */
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
        peer_close(listener);
    }
}

TEST(connect_before_bind, "W-03 D-01 R-BIND-06 R-CONN-02")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, AF_INET, 9)), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(op.information, 0);
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(connect_refuses_what_is_wrong, "R-CONN-03 R-CONN-04 C-SOCK-13 W-04 D-01")
{
    PWSK_SOCKET socket = bound(AF_INET);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(wt_connect(socket, &op, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, AF_INET6, 9)), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_returned(&op, wt_connection(socket)->WskConnect(
                                       socket, wt_loopback(&address, AF_INET, 9), 1, op.irp)),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(socket)->WskConnect(socket, wt_loopback(&address, AF_INET, 9), 0, NULL),
                  STATUS_INVALID_PARAMETER);
    wt_again(&op); /* nobody can be reached there */
    wt_connect(socket, &op, wt_any(&address, AF_INET, 9));
    EXPECT(!NT_SUCCESS(wt_wait(&op)));
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(a_refused_connection_may_be_tried_again, "W-08 R-CONN-04")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = bound(families[i]);
        int port = 0, listener = peer_listen(families[i], &port), peer;
        SOCKADDR_STORAGE address;
        struct wt_op op;

        wt_op_init(&op);
        wt_connect(socket, &op, wt_loopback(&address, families[i], peer_closed_port(families[i])));
        EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
        EXPECT_EQ(op.information, 0);
        wt_again(&op);
        wt_connect(socket, &op, wt_loopback(&address, families[i], port));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        peer = peer_accept(listener);
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
        peer_close(listener);
    }
}

/* As if WskConnect had never been called (docs/divergences.md). */
static void connect_after_all(PWSK_SOCKET socket)
{
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    SOCKADDR_STORAGE address;
    struct wt_op op;
    char byte = 0;

    wt_op_init(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer = peer_accept(listener);
    wt_send_now(socket, "x", 1);
    peer_receive_all(peer, &byte, 1);
    EXPECT_EQ(byte, 'x');
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
    peer_close(listener);
}

TEST(a_connect_into_a_black_hole_is_cancelled, "C-IRP-22 D-03 K-CANCEL-01 R-RADDR-03")
{
    PWSK_SOCKET socket = bound(AF_INET);
    SOCKADDR_STORAGE address;
    struct wt_op op, other;

    wt_op_init(&op);
    wt_op_init(&other);
    EXPECT_STATUS(wt_connect(socket, &op, wt_loopback(&address, AF_INET, peer_black_hole_port(PEER_INET))),
                  STATUS_PENDING);
    EXPECT_STATUS(wt_connect(socket, &other, wt_loopback(&address, AF_INET, 9)), STATUS_INVALID_DEVICE_STATE);
    wt_again(&other);
    EXPECT_STATUS(wt_returned(&other, wt_connection(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)&address,
                                                                                 other.irp)),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT(!wt_is_done(&op));
    EXPECT(IoCancelIrp(op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    EXPECT(op.cancel);
    wt_op_free(&op);
    wt_op_free(&other);
    connect_after_all(socket);
}

TEST(an_irp_cancelled_before_the_call, "K-CANCEL-08 D-01 D-03")
{
    PWSK_SOCKET socket = bound(AF_INET);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    EXPECT(!IoCancelIrp(op.irp)); /* nobody has it yet */
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, peer_black_hole_port(PEER_INET)));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    wt_op_free(&op);
    connect_after_all(socket);
}

/* ---- WskSocketConnect --------------------------------------------------------------------------------- */

TEST(socket_connect_does_it_all,
     "R-SCON-02 R-SCON-04 R-SCON-06 R-SCON-07 R-SCON-10 C-SOCK-10 C-DATA-01 R-LADDR-04 R-RADDR-04 D-11")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        int port = 0, listener = peer_listen(families[i], &port), peer;
        SOCKADDR_STORAGE local, remote;
        PWSK_SOCKET socket;
        NTSTATUS status;
        struct wt_op op;
        char text[4];

        wt_op_init(&op);
        status = socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, families[i], 0),
                                wt_loopback(&remote, families[i], port), 0);
        if (status != STATUS_PENDING)
            EXPECT(test_mode_has("inline"));
        RtlFillMemory(&local, sizeof local, 0xee);
        RtlFillMemory(&remote, sizeof remote, 0xee);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        socket = (PWSK_SOCKET)op.information;
        peer = peer_accept(listener);
        wt_again(&op);
        wt_returned(&op, wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)&local, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        wt_again(&op);
        wt_returned(&op, wt_connection(socket)->WskGetRemoteAddress(socket, (PSOCKADDR)&remote, op.irp));
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(local.ss_family, families[i]);
        EXPECT_EQ(wt_port(&remote), port);
        EXPECT_EQ(wt_port(&local), peer_remote_port(peer));
        wt_send_now(socket, "ping", 4);
        peer_receive_all(peer, text, 4);
        peer_send(peer, "pong", 4);
        EXPECT_EQ(wt_receive_now(socket, text, 4, WSK_FLAG_WAITALL), 4);
        wt_op_free(&op);
        wt_close_now(socket);
        peer_close(peer);
        peer_close(listener);
    }
}

/* A type and protocol are taken exactly when the transport list has them. */
TEST(socket_connect_takes_what_the_transport_list_has, "R-SCON-12 R-SOCK-04")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    static const USHORT types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW};
    static const ULONG protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
    WSK_TRANSPORT rows[16];
    SIZE_T size = 0, row, listed = 0;
    unsigned i;

    EXPECT_STATUS(wt_npi.Dispatch->WskControlClient(wt_npi.Client, WSK_TRANSPORT_LIST_QUERY, 0, NULL,
                                                    sizeof rows, rows, &size, NULL),
                  STATUS_SUCCESS);
    for (i = 0; i < 2 * 3 * 3; i++) {
        ADDRESS_FAMILY family = families[i % 2];
        USHORT type = types[i / 2 % 3];
        ULONG protocol = protocols[i / 6];
        int port = 0, listener = peer_listen(family, &port);
        SOCKADDR_STORAGE local, remote;
        BOOLEAN has = FALSE;
        struct wt_op op;

        for (row = 0; row < size / sizeof *rows; row++)
            has |= rows[row].AddressFamily == family && rows[row].SocketType == type &&
                   rows[row].Protocol == protocol && type == SOCK_STREAM; /* datagrams are not connected */
        listed += has;
        wt_op_init(&op);
        socket_connect(&op, type, protocol, wt_any(&local, family, 0), wt_loopback(&remote, family, port), 0);
        EXPECT_EQ(wt_wait(&op) == STATUS_SUCCESS, has);
        if (has)
            wt_close_now((PWSK_SOCKET)op.information);
        else
            EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
        peer_close(listener);
    }
    EXPECT_EQ(listed, 2);
    EXPECT_EQ(size / sizeof *rows, 4); /* each of the others was tried, too */
}

TEST(socket_connect_that_fails_leaves_no_socket, "R-SCON-05 R-SCON-10 W-08 D-01")
{
    int port = 0, foreign = peer_listen(PEER_INET, &port);
    SOCKADDR_STORAGE local, remote;
    struct wt_op op;

    wt_op_init(&op); /* the connect fails */
    socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, AF_INET, 0),
                   wt_loopback(&remote, AF_INET, peer_closed_port(PEER_INET)), 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_CONNECTION_REFUSED);
    EXPECT_EQ(op.information, 0);
    wt_again(&op); /* the bind fails */
    socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, wt_loopback(&local, AF_INET, port),
                   wt_loopback(&remote, AF_INET, port), 0);
    EXPECT_STATUS(wt_wait(&op), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_EQ(op.information, 0);
    wt_again(&op); /* it never comes to an end */
    EXPECT_STATUS(socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, wt_any(&local, AF_INET, 0),
                                 wt_loopback(&remote, AF_INET, peer_black_hole_port(PEER_INET)), 0),
                  STATUS_PENDING);
    EXPECT(IoCancelIrp(op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_CANCELLED);
    EXPECT_EQ(op.information, 0);
    EXPECT_SOON(open_sockets() == 0);
    wt_op_free(&op);
    peer_close(foreign);
}

TEST(socket_connect_refuses_what_is_wrong, "R-SCON-03 R-SCON-10 W-04 D-01 D-18")
{
    SOCKADDR_STORAGE local, remote, six;
    struct wt_op op;
    unsigned i;

    wt_any(&local, AF_INET, 0);
    wt_loopback(&remote, AF_INET, 9);
    wt_loopback(&six, AF_INET6, 9);
    for (i = 0; i < 8; i++) {
        NTSTATUS expected = STATUS_INVALID_PARAMETER;

        wt_op_init(&op); /* every refusal is inline in every mode */
        switch (i) {
        case 0:
            socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, NULL, (PSOCKADDR)&remote, 0);
            break;
        case 1:
            socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&local, NULL, 0);
            break;
        case 2:
            socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&local, (PSOCKADDR)&six, 0);
            break;
        case 3:
            socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&local, (PSOCKADDR)&remote, 1);
            break;
        case 4:
            expected = STATUS_PROTOCOL_UNREACHABLE;
            socket_connect(&op, SOCK_STREAM, 0, (PSOCKADDR)&local, (PSOCKADDR)&remote, 0);
            break;
        case 5:
            expected = STATUS_NOT_SUPPORTED;
            socket_connect(&op, SOCK_DGRAM, IPPROTO_UDP, (PSOCKADDR)&local, (PSOCKADDR)&remote, 0);
            break;
        case 6:
            expected = STATUS_NOT_SUPPORTED;
            local.ss_family = remote.ss_family = 10;
            socket_connect(&op, SOCK_STREAM, IPPROTO_TCP, (PSOCKADDR)&local, (PSOCKADDR)&remote, 0);
            break;
        default:
            expected = STATUS_INVALID_HANDLE;
            wt_any(&local, AF_INET, 0);
            wt_returned(&op, wt_npi.Dispatch->WskSocketConnect(NULL, SOCK_STREAM, IPPROTO_TCP,
                                                               (PSOCKADDR)&local, (PSOCKADDR)&remote, 0, NULL,
                                                               NULL, NULL, NULL, NULL, op.irp));
            break;
        }
        EXPECT_STATUS(op.returned, expected);
        EXPECT_EQ(op.information, 0);
        wt_op_free(&op);
    }
    EXPECT_STATUS(wt_npi.Dispatch->WskSocketConnect(wt_npi.Client, SOCK_STREAM, IPPROTO_TCP,
                                                    (PSOCKADDR)&local, (PSOCKADDR)&remote, 0, NULL, NULL,
                                                    NULL, NULL, NULL, NULL),
                  STATUS_INVALID_PARAMETER);
    EXPECT_EQ(open_sockets(), 0);
}
