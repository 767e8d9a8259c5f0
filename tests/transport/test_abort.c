/* abort(): what the peer sees in every state, and how it ends what is inside. */
#include "net.h"
#include "transport/common/internal.h"

#include <netinet/tcp.h>
#include <stdlib.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_MODES);

static char big[4000000];

static size_t big_length(void)
{
    return test_mode_has("one-byte") ? 400000 : sizeof(big);
}

static void aborted(struct transport_socket *socket)
{
    char byte;
    struct io receive, send;
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_EQ(net_state_of(socket), TCP_CLOSE);
    io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
    EXPECT_STATUS(io_run(socket, &receive), STATUS_CONNECTION_ABORTED);
    io_init(&send, TRANSPORT_SEND, &byte, 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_CONNECTION_ABORTED);
    EXPECT_STATUS(net->shutdown(socket), STATUS_CONNECTION_ABORTED);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    struct transport_address address;
    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_SUCCESS);
    EXPECT_STATUS(net->address(socket, 1, &address), STATUS_SUCCESS);
    net->close(socket);
}

TEST(abort_established, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    aborted(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(abort_accepted_v6, "")
{
    int peer;
    struct transport_socket *socket = net_accepted(PEER_INET6, &peer);
    aborted(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(abort_with_unread_data, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    peer_send(peer, big, 1000);
    aborted(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(abort_with_unsent_data_in_a_closed_window, "")
{
    int peer;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send;
    net_fill(socket, &send, big, big_length());
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&send), STATUS_CONNECTION_ABORTED);
    EXPECT(send.bytes < big_length());
    EXPECT(peer_drain_to_reset(peer) < send.bytes); /* what had not left is dropped */
    net->close(socket);
    peer_close(peer);
}

TEST(abort_close_wait, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    peer_shutdown(peer);
    EXPECT_SOON(net_state_of(socket) == TCP_CLOSE_WAIT);
    aborted(socket);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(abort_fin_wait_1, "")
{
    int peer;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send;
    net_fill(socket, &send, big, big_length());
    io_cancel(socket, &send);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_EQ(net_state_of(socket), TCP_FIN_WAIT1);
    aborted(socket);
    peer_drain_to_reset(peer);
    peer_close(peer);
}

TEST(abort_fin_wait_2, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_SOON(net_state_of(socket) == TCP_FIN_WAIT2);
    peer_expect_fin(peer);
    EXPECT_EQ(peer_send_some(peer, "x", 1), 1); /* the peer may still send */
    aborted(socket);
    EXPECT_EQ(peer_send_some(peer, "x", 1), -1); /* after the reset it may not */
    peer_close(peer);
}

TEST(abort_when_both_directions_are_finished, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    peer_shutdown(peer);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_SOON(net_state_of(socket) == TCP_CLOSE);
    aborted(socket);
    peer_expect_fin(peer);
    peer_close(peer);
}

TEST(abort_syn_sent, "")
{
    int port = peer_black_hole_port(PEER_INET);
    struct transport_socket *socket = net_open(PEER_INET);
    struct io connect;
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(io_start(socket, &connect), STATUS_PENDING);
    io_expect_pending(&connect, 10);
    EXPECT_EQ(net_state_of(socket), TCP_SYN_SENT);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_EQ(net_state_of(socket), TCP_CLOSE);
    EXPECT_STATUS(io_wait(&connect), STATUS_CONNECTION_ABORTED);
    net->close(socket);
}

TEST(abort_listener, "")
{
    int port = 0;
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    struct io accept;
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_start(listener, &accept), STATUS_PENDING);
    EXPECT_STATUS(net->abort(listener), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&accept), STATUS_CONNECTION_ABORTED);
    net->close(listener);
}

TEST(abort_new, "")
{
    struct transport_socket *socket = net_open(PEER_INET6);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    net->close(socket);
}

/* What can be inside once it is connected. */
static int of_connection(int kind)
{
    return kind != TRANSPORT_ACCEPT && kind != TRANSPORT_CONNECT;
}

/* Everything inside ends, but for what is taken back in between; nothing is delivered by abort() itself. */
TEST(abort_ends_what_is_inside, "")
{
    int peer;
    char byte;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io ios[OP_KINDS];
    int taken = 0;
    net_fill(socket, &ios[TRANSPORT_SEND], big, big_length());
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    for (int kind = TRANSPORT_RECEIVE; kind <= TRANSPORT_WATCH_READABLE; kind++) {
        if (kind == TRANSPORT_SEND || !of_connection(kind))
            continue;
        io_init(&ios[kind], kind, &byte, 1);
        EXPECT_STATUS(io_start(socket, &ios[kind]), STATUS_PENDING);
    }
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    if (net_is_pumped()) {
        for (int kind = TRANSPORT_RECEIVE; kind <= TRANSPORT_WATCH_READABLE; kind++)
            EXPECT(!of_connection(kind) || atomic_load(&ios[kind].over) == 0);
        taken = net->cancel(socket, &ios[TRANSPORT_RECEIVE].op);
        EXPECT(taken || net_carries_receives());
    }
    for (int kind = TRANSPORT_RECEIVE; kind <= TRANSPORT_WATCH_READABLE; kind++) {
        if (of_connection(kind) && (kind != TRANSPORT_RECEIVE || !taken))
            EXPECT_STATUS(io_wait(&ios[kind]), STATUS_CONNECTION_ABORTED);
    }
    peer_drain_to_reset(peer);
    EXPECT_EQ(atomic_load(&ios[TRANSPORT_RECEIVE].completions), taken ? 0 : 1);
    net->close(socket);
    peer_close(peer);
}

/* close() alone is a FIN, also with data on its way. */
TEST(close_without_abort_is_graceful, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send;
    io_init(&send, TRANSPORT_SEND, big, 5000);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    net->close(socket);
    EXPECT_EQ(peer_drain_to_fin(peer), 5000);
    peer_close(peer);
}
