/* Sends that are said to have left without a question, and the reset that waits for them. */
#include "net.h"
#include "transport/common/internal.h"

#include <sys/socket.h>
#include <netinet/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_LINUX("pumped/natural") " " NET_LINUX("threads/natural"));

static char message[4096];

/* What the send says is unsent after it. */
static int32_t send_one(struct transport_socket *socket, size_t bytes, unsigned flags)
{
    static struct io io;
    io_init(&io, TRANSPORT_SEND, message, bytes);
    io.op.flags |= flags | TRANSPORT_TELL_UNSENT;
    io.op.unsent = -1;
    EXPECT_STATUS(io_start(socket, &io), STATUS_SUCCESS);
    return io.op.unsent;
}

/* From here on the kernel sends so many bytes a second: TCP's own pacing, no queueing discipline is needed. */
static void pace(struct transport_socket *socket, unsigned bytes)
{
    EXPECT_EQ(setsockopt(socket->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &bytes, sizeof(bytes)), 0);
}

/* A connection some of whose bytes, which were said to have left, are held by the pace; answers how many it was given. */
static size_t held_back(struct transport_socket *socket, unsigned rate)
{
    enum { BYTES = 500 };
    size_t given = 0;
    for (int i = 0; i < 3;
         i++, given += BYTES) /* on trust, asked, and with a look that finds room for more */
        EXPECT_EQ(send_one(socket, BYTES, TRANSPORT_NODELAY), 0);
    EXPECT(socket->room > 4);
    pace(socket, rate);
    do {
        EXPECT(socket->room > 0);
        EXPECT_EQ(send_one(socket, BYTES, TRANSPORT_NODELAY), 0);
        given += BYTES;
    } while (net->query(socket, TRANSPORT_UNSENT) == 0);
    EXPECT(socket->on_trust);
    return given;
}

static void abort_waits(bool close_first)
{
    int peer;
    char byte;
    struct io receive;
    struct transport_address local;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    size_t given = held_back(socket, 1000);
    io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_EQ(net_state_of(socket), TCP_CLOSE);
    EXPECT_STATUS(net->address(socket, 0, &local), STATUS_SUCCESS);
    EXPECT(net_port(&local) != 0);
    EXPECT_STATUS(io_wait(&receive), STATUS_CONNECTION_ABORTED);
    if (close_first)
        net->close(socket);
    EXPECT_PUMPED(atomic_load(&transport->sockets) == !close_first);
    EXPECT_EQ(peer_drain_to_reset(peer), given); /* all that was said to have left, then the reset */
    if (!close_first)
        net->close(socket);
    peer_close(peer);
}

TEST(reset_waits_for_what_was_said_to_have_left, "")
{
    if (net_is_pumped()) /* it takes half a second */
        abort_waits(false);
}

TEST(reset_waits_though_the_socket_is_closed, "")
{
    if (!net_is_pumped())
        abort_waits(true);
}

/* Nobody waits for long at the end: net_down detaches, which demands that no socket is left. */
TEST(reset_that_waits_comes_with_the_detach_at_the_latest, "")
{
    int peer;
    if (!net_is_pumped()) /* it takes a second */
        return;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    held_back(socket, 50);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    net->close(socket);
    EXPECT_EQ(atomic_load(&transport->sockets), 1);
}

/* What nobody has said to have left does not make a reset wait, whatever was on trust before it. */
TEST(reset_does_not_wait_for_what_is_only_queued, "")
{
    static char big[4000000];
    int peer;
    struct io send;
    struct transport_socket *socket = net_connected_narrow(&peer);
    EXPECT_EQ(send_one(socket, 64, TRANSPORT_NODELAY), 0);
    EXPECT(socket->on_trust);
    io_init(&send, TRANSPORT_SEND, big, sizeof(big));
    send.op.flags |= TRANSPORT_TELL_UNSENT;
    EXPECT_STATUS(io_start(socket, &send), STATUS_PENDING);
    EXPECT(!socket->on_trust);
    EXPECT(net->query(socket, TRANSPORT_UNSENT) > 0);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_EQ(atomic_load(&transport->sockets), 1);
    EXPECT_STATUS(io_wait(&send), STATUS_CONNECTION_ABORTED);
    EXPECT(peer_drain_to_reset(peer) < send.bytes);
    net->close(socket);
    peer_close(peer);
}

/* A peer that resets first ends it. */
TEST(reset_that_waits_ends_with_the_peer, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    held_back(socket, 50);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    net->close(socket);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    EXPECT_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    peer_close(peer);
    EXPECT_PUMPED(atomic_load(&transport->sockets) == 0);
}

/* Nothing that was sent with the kernel's word, or that left at once, makes a reset wait. */
TEST(reset_comes_at_once_when_all_has_left, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET6, &peer);
    for (int i = 0; i < 30; i++)
        EXPECT_EQ(send_one(socket, 64, TRANSPORT_NODELAY), 0);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_EQ(atomic_load(&transport->sockets), 1);
    EXPECT_EQ(peer_drain_to_reset(peer), 30 * 64);
    net->close(socket);
    peer_close(peer);
}

static bool has_repeated(struct transport_socket *socket)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    EXPECT_EQ(getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_total_retrans || info.tcpi_ca_state != TCP_CA_Open;
}

/* A window that closes is never taken for one that is open: what is said to be sent is, but for a repetition that
 * goes first. */
TEST(trust_ends_where_the_window_does, "")
{
    static const size_t lengths[] = {300, 536, 1000, 4096, 1};
    for (unsigned l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        int peer;
        struct transport_socket *socket = net_connected_narrow(&peer);
        int sends = 0;
        while (send_one(socket, lengths[l], TRANSPORT_NODELAY) == 0 && sends < 3000 &&
               !has_repeated(socket)) {
            EXPECT(net->query(socket, TRANSPORT_UNSENT) == 0 || has_repeated(socket));
            sends++;
        }
        EXPECT(sends > 0 && (sends < 3000 || lengths[l] == 1));
        EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
        net->close(socket);
        peer_drain_to_reset(peer);
        peer_close(peer);
        EXPECT_PUMPED(atomic_load(&transport->sockets) == 0);
    }
}

/* Nagle's algorithm holds the second short segment while the first is under way: never on trust. */
TEST(trust_is_for_sends_that_nagle_lets_go, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    EXPECT_EQ(send_one(socket, 10, 0), 0);
    for (int i = 0; i < 20; i++) {
        int32_t unsent = send_one(socket, 10, 0);
        EXPECT(!socket->on_trust || unsent > 0);
        EXPECT(unsent >= 0);
    }
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    net->close(socket);
    peer_drain_to_reset(peer);
    peer_close(peer);
    EXPECT_PUMPED(atomic_load(&transport->sockets) == 0);
}
