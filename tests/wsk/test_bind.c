/*
 * test_bind.c - WskBind on connections and listeners.
 */
#include "line.h"

WT_FIXTURE;

static NTSTATUS bind_now(PWSK_SOCKET socket, PSOCKADDR address)
{
    NTSTATUS status;
    struct wt_op op;

    wt_op_init(&op);
    wt_bind(socket, &op, address);
    status = wt_wait(&op);
    EXPECT_EQ(op.information, 0); /* W-01 */
    wt_op_free(&op);
    return status;
}

static NTSTATUS local_now(PWSK_SOCKET socket, BOOLEAN listener, SOCKADDR_STORAGE *out)
{
    NTSTATUS status;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op, listener ? wt_listen(socket)->WskGetLocalAddress(socket, (PSOCKADDR)out, op.irp)
                              : wt_connection(socket)->WskGetLocalAddress(socket, (PSOCKADDR)out, op.irp));
    status = wt_wait(&op);
    wt_op_free(&op);
    return status;
}

TEST(bind_pends_and_copies_the_address, "R-BIND-03 W-01 D-04 D-11 C-SOCK-12")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address, bound;
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(wt_bind(socket, &op, wt_loopback(&address, AF_INET, 0)),
                  test_mode_has("inline") ? STATUS_SUCCESS : STATUS_PENDING);
    RtlFillMemory(&address, sizeof address, 0xee);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    EXPECT_EQ(op.information, 0);
    EXPECT_STATUS(local_now(socket, FALSE, &bound), STATUS_SUCCESS);
    EXPECT_EQ(bound.ss_family, AF_INET);
    EXPECT(wt_port(&bound) != 0);
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(wildcard_gets_its_port_at_bind_and_its_address_at_connect, "R-BIND-07 R-LADDR-07 R-LADDR-04 C-SOCK-12")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address, bound, connected;
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    struct wt_op op;

    EXPECT_STATUS(bind_now(socket, wt_any(&address, AF_INET, 0)), STATUS_SUCCESS);
    EXPECT_STATUS(local_now(socket, FALSE, &bound), STATUS_SUCCESS);
    EXPECT(wt_port(&bound) != 0);
    EXPECT_EQ(((SOCKADDR_IN *)&bound)->sin_addr.S_un.S_addr, 0);
    wt_op_init(&op);
    wt_connect(socket, &op, wt_loopback(&address, AF_INET, port));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer = peer_accept(listener);
    EXPECT_STATUS(local_now(socket, FALSE, &connected), STATUS_SUCCESS);
    EXPECT_EQ(((SOCKADDR_IN *)&connected)->sin_addr.S_un.S_addr, 0x0100007f);
    EXPECT_EQ(wt_port(&connected), wt_port(&bound));
    EXPECT_EQ(peer_remote_port(peer), wt_port(&bound));
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
    peer_close(listener);
}

TEST(wildcard_listener_is_reached_on_loopback, "R-BIND-04 C-LISTEN-01 C-SOCK-12")
{
    static const ADDRESS_FAMILY families[] = {AF_INET, AF_INET6};
    unsigned i;

    for (i = 0; i < 2; i++) {
        PWSK_SOCKET socket = wt_open(families[i], WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
        SOCKADDR_STORAGE address;
        int peer;

        EXPECT_STATUS(bind_now(socket, wt_any(&address, families[i], 0)), STATUS_SUCCESS);
        EXPECT_STATUS(local_now(socket, TRUE, &address), STATUS_SUCCESS);
        peer = peer_connect(families[i], wt_port(&address), 5000); /* no accept is needed for it */
        EXPECT(peer >= 0);
        wt_close_now(socket);
        peer_expect_reset(peer);
        peer_close(peer);
    }
}

TEST(bind_refuses_what_is_wrong, "R-BIND-02 R-BIND-03 C-SOCK-13 D-01")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    struct wt_op op;

    wt_op_init(&op);
    EXPECT_STATUS(wt_bind(socket, &op, NULL), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(wt_bind(socket, &op, wt_any(&address, AF_INET6, 0)), STATUS_INVALID_PARAMETER);
    wt_again(&op);
    EXPECT_STATUS(
        wt_returned(&op, wt_connection(socket)->WskBind(socket, wt_any(&address, AF_INET, 0), 1, op.irp)),
        STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(wt_connection(socket)->WskBind(socket, wt_any(&address, AF_INET, 0), 0, NULL),
                  STATUS_INVALID_PARAMETER);
    /* An address that is nobody's here. */
    ((SOCKADDR_IN *)wt_any(&address, AF_INET, 0))->sin_addr.S_un.S_addr = 0x010200c0; /* 192.0.2.1 */
    EXPECT(!NT_SUCCESS(bind_now(socket, (PSOCKADDR)&address)));
    EXPECT_STATUS(bind_now(socket, wt_loopback(&address, AF_INET, 0)), STATUS_SUCCESS);
    wt_again(&op);
    EXPECT_STATUS(wt_bind(socket, &op, wt_loopback(&address, AF_INET, 0)), STATUS_INVALID_DEVICE_STATE);
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(an_address_in_use, "W-06 R-BIND-03")
{
    PWSK_SOCKET first, second = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
    SOCKADDR_STORAGE address;
    int port, other = 0, foreign = peer_listen(PEER_INET, &other);

    first = wt_listener(AF_INET, NULL, NULL, &port);
    EXPECT_STATUS(bind_now(second, wt_loopback(&address, AF_INET, port)), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(bind_now(second, wt_loopback(&address, AF_INET, other)), STATUS_ADDRESS_ALREADY_EXISTS);
    wt_close_now(first);
    EXPECT_STATUS(bind_now(second, wt_loopback(&address, AF_INET, port)), STATUS_SUCCESS); /* C-CLOSE-45 */
    wt_close_now(second);
    peer_close(foreign);
}

TEST(a_listener_binds_beside_time_wait, "D-18 C-CLOSE-45")
{
    PWSK_SOCKET listener, socket;
    SOCKADDR_STORAGE address;
    struct wt_op op;
    int port, peer;
    char byte;

    listener = wt_listener(AF_INET, NULL, NULL, &port);
    peer = peer_connect(PEER_INET, port, 5000);
    wt_op_init(&op);
    wt_accept(listener, &op, NULL, NULL, NULL, NULL);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    wt_again(&op);
    wt_disconnect(socket, &op, NULL, 0); /* our FIN first: TIME_WAIT is ours */
    peer_expect_fin(peer);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer_close(peer);
    EXPECT_EQ(wt_receive_now(socket, &byte, 1, 0), 0);
    wt_close_now(socket);
    wt_close_now(listener);
    EXPECT(
        !peer_port_is_free(PEER_INET, port)); /* someone without SO_REUSEADDR still sees the old connection */
    listener = wt_open(AF_INET, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
    EXPECT_STATUS(bind_now(listener, wt_loopback(&address, AF_INET, port)), STATUS_SUCCESS);
    peer = peer_connect(PEER_INET, port, 5000);
    EXPECT(peer >= 0);
    wt_close_now(listener);
    peer_close(peer);
    wt_op_free(&op);
}

TEST(a_datagram_listener_cannot_be_bound, "W-05 D-01")
{
    SOCKADDR_STORAGE address;
    PWSK_SOCKET socket;
    struct wt_op op;

    wt_op_init(&op);
    wt_returned(&op,
                wt_npi.Dispatch->WskSocket(wt_npi.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP,
                                           WSK_FLAG_LISTEN_SOCKET, NULL, NULL, NULL, NULL, NULL, op.irp));
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    socket = (PWSK_SOCKET)op.information;
    EXPECT_STATUS(bind_now(socket, wt_any(&address, AF_INET, 0)), STATUS_NOT_IMPLEMENTED);
    wt_again(&op);
    EXPECT_STATUS(wt_accept(socket, &op, NULL, NULL, NULL, NULL), STATUS_INVALID_DEVICE_STATE);
    wt_op_free(&op);
    wt_close_now(socket);
}

TEST(a_dual_mode_listener_takes_both_families, "R-BIND-04 R-ACC-06 R-LADDR-06 D-18 D-20")
{
    PWSK_SOCKET listener = wt_open(AF_INET6, WSK_FLAG_LISTEN_SOCKET, NULL, NULL);
    static const UCHAR mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    SOCKADDR_STORAGE address, local, remote;
    ULONG off = 0;
    int i, port;

    EXPECT_STATUS(
        wt_control(listener, NULL, WskSetOption, IPV6_V6ONLY, IPPROTO_IPV6, sizeof off, &off, 0, NULL),
        STATUS_SUCCESS);
    EXPECT_STATUS(bind_now(listener, wt_any(&address, AF_INET6, 0)), STATUS_SUCCESS);
    EXPECT_STATUS(local_now(listener, TRUE, &address), STATUS_SUCCESS);
    port = wt_port(&address);
    for (i = 0; i < 2; i++) {
        int peer = peer_connect(i == 0 ? PEER_INET : PEER_INET6, port, 5000);
        struct wt_op op;

        EXPECT(peer >= 0);
        wt_op_init(&op);
        RtlFillMemory(&local, sizeof local, 0xcc);
        RtlFillMemory(&remote, sizeof remote, 0xcc);
        wt_accept(listener, &op, NULL, NULL, (PSOCKADDR)&local, (PSOCKADDR)&remote);
        EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
        EXPECT_EQ(remote.ss_family, AF_INET6);
        EXPECT_EQ(wt_port(&remote), peer_local_port(peer));
        EXPECT_EQ(wt_port(&local), port);
        if (i == 0) {
            EXPECT(RtlEqualMemory(&((SOCKADDR_IN6 *)&remote)->sin6_addr, mapped, 16));
            EXPECT(RtlEqualMemory(&((SOCKADDR_IN6 *)&local)->sin6_addr, mapped, 16));
        }
        EXPECT_STATUS(local_now((PWSK_SOCKET)op.information, FALSE, &address), STATUS_SUCCESS);
        EXPECT_EQ(address.ss_family, AF_INET6);
        wt_close_now((PWSK_SOCKET)op.information);
        wt_op_free(&op);
        peer_close(peer);
    }
    wt_close_now(listener);
}

TEST(a_dual_mode_connection_reaches_ipv4, "R-SCON-02 R-RADDR-04")
{
    PWSK_SOCKET socket = wt_open(AF_INET6, WSK_FLAG_CONNECTION_SOCKET, NULL, NULL);
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    SOCKADDR_STORAGE address;
    SOCKADDR_IN6 *mapped;
    ULONG off = 0;
    struct wt_op op;
    char text[4];

    EXPECT_STATUS(
        wt_control(socket, NULL, WskSetOption, IPV6_V6ONLY, IPPROTO_IPV6, sizeof off, &off, 0, NULL),
        STATUS_SUCCESS);
    EXPECT_STATUS(bind_now(socket, wt_any(&address, AF_INET6, 0)), STATUS_SUCCESS);
    mapped = (SOCKADDR_IN6 *)wt_any(&address, AF_INET6, port);
    mapped->sin6_addr.u.Byte[10] = mapped->sin6_addr.u.Byte[11] = 0xff;
    mapped->sin6_addr.u.Byte[12] = 127;
    mapped->sin6_addr.u.Byte[15] = 1;
    wt_op_init(&op);
    wt_connect(socket, &op, (PSOCKADDR)mapped);
    EXPECT_STATUS(wt_wait(&op), STATUS_SUCCESS);
    peer = peer_accept(listener);
    wt_send_now(socket, "dual", 4);
    peer_receive_all(peer, text, 4);
    EXPECT(RtlEqualMemory(text, "dual", 4));
    wt_op_free(&op);
    wt_close_now(socket);
    peer_close(peer);
    peer_close(listener);
}
