/* Watches: what happens to a connection, told without reading or writing it. */
#include "net.h"
#include "transport/common/internal.h"

#include <stdlib.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_MODES);

static char sink[65536]; /* what a peer reads and nobody looks at */

static int32_t start(struct transport_socket *socket, struct io *io, int kind)
{
    io_init(io, kind, NULL, 0);
    return io_start(socket, io);
}

static int32_t inline_or_pending(int32_t status)
{
    return test_mode_has("no-inline") ? STATUS_PENDING : status;
}

TEST(peer_fin_is_told_before_the_data_is_read, "")
{
    int peer;
    char memory[4];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io fin;
    EXPECT_STATUS(start(socket, &fin, TRANSPORT_WATCH_PEER_FIN), STATUS_PENDING);
    peer_send(peer, "data", 4);
    io_expect_pending(&fin, 20);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    EXPECT_EQ(net->query(socket, TRANSPORT_READABLE), 4);
    EXPECT_STATUS(start(socket, &fin, TRANSPORT_WATCH_PEER_FIN), inline_or_pending(STATUS_SUCCESS));
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    net_receive_all(socket, memory, 4);
    net->close(socket);
    peer_close(peer);
}

TEST(peer_fin_stays_known_after_a_reset, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io fin, reset;
    EXPECT_STATUS(start(socket, &fin, TRANSPORT_WATCH_PEER_FIN), STATUS_PENDING);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    peer_reset(peer);
    start(socket, &reset, TRANSPORT_WATCH_RESET);
    EXPECT_STATUS(io_wait(&reset), STATUS_CONNECTION_RESET);
    start(socket, &fin, TRANSPORT_WATCH_PEER_FIN);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    net->close(socket);
}

TEST(reset_ends_every_watch, "")
{
    int peer;
    static char memory[4000000];
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, watches[6];
    static const int kinds[] = {TRANSPORT_WATCH_PEER_FIN,  TRANSPORT_WATCH_RESET,
                                TRANSPORT_WATCH_SENT,      TRANSPORT_WATCH_ACKED,
                                TRANSPORT_WATCH_FIN_ACKED, TRANSPORT_WATCH_READABLE};
    net_fill(socket, &send, memory, test_mode_has("one-byte") ? 400000 : sizeof(memory));
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    for (int i = 0; i < 6; i++)
        EXPECT_STATUS(start(socket, &watches[i], kinds[i]), STATUS_PENDING);
    net_pump(5);
    peer_reset(peer);
    for (int i = 0; i < 6; i++)
        EXPECT_STATUS(io_wait(&watches[i]), STATUS_CONNECTION_RESET);
    EXPECT_STATUS(io_wait(&send), STATUS_CONNECTION_RESET);
    net->close(socket);
}

TEST(watches_need_a_connection, "")
{
    struct transport_socket *socket = net_open(PEER_INET);
    for (int kind = TRANSPORT_WATCH_PEER_FIN; kind <= TRANSPORT_WATCH_READABLE; kind++) {
        struct io watch;
        io_init(&watch, kind, NULL, 0);
        EXPECT_STATUS(io_run(socket, &watch), STATUS_CONNECTION_INVALID);
    }
    net->close(socket);
}

TEST(readable_without_reading, "")
{
    int peer;
    char memory[4];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io readable;
    EXPECT_STATUS(start(socket, &readable, TRANSPORT_WATCH_READABLE), STATUS_PENDING);
    io_expect_pending(&readable, 20);
    peer_send(peer, "data", 4);
    EXPECT_STATUS(io_wait(&readable), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &readable, TRANSPORT_WATCH_READABLE), inline_or_pending(STATUS_SUCCESS));
    EXPECT_STATUS(io_wait(&readable), STATUS_SUCCESS);
    net_receive_all(socket, memory, 4);
    EXPECT_STATUS(start(socket, &readable, TRANSPORT_WATCH_READABLE), STATUS_PENDING);
    io_expect_pending(&readable, 20);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&readable), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
}

TEST(sent_at_once_when_nothing_waits, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send, sent;
    io_init(&send, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &sent, TRANSPORT_WATCH_SENT), inline_or_pending(STATUS_SUCCESS));
    EXPECT_STATUS(io_wait(&sent), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
}

/* A peer that does not read: what is in the buffer is not sent until it reads. */
TEST(sent_waits_for_the_window, "")
{
    int peer;
    size_t length = test_mode_has("one-byte") ? 400000 : 4000000;
    char *memory = calloc(1, length);
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, sent;
    net_fill(socket, &send, memory, length);
    io_cancel(socket, &send);
    EXPECT_STATUS(start(socket, &sent, TRANSPORT_WATCH_SENT), STATUS_PENDING);
    io_expect_pending(&sent, 60);
    unsigned long total = 0;
    while (!atomic_load(&sent.over)) {
        long got = peer_receive(peer, sink, sizeof(sink), 1);
        EXPECT(got > 0 || got == -2);
        total += got > 0 ? (unsigned long)got : 0;
        net_pump(0);
    }
    EXPECT_STATUS(sent.status, STATUS_SUCCESS);
    EXPECT_EQ(net->query(socket, TRANSPORT_UNSENT), 0);
    /* The mark that WATCH_SENT sets does not hinder what comes after it. */
    io_init(&send, TRANSPORT_SEND, memory, 20000);
    io_start(socket, &send);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    while (!atomic_load(&send.over)) {
        long got = peer_receive(peer, sink, sizeof(sink), 1);
        total += got > 0 ? (unsigned long)got : 0;
        net_pump(0);
    }
    total += peer_drain_to_fin(peer);
    EXPECT(total > 20000);
    net->close(socket);
    peer_close(peer);
    free(memory);
}

/* The same when the kernel took everything at once and has no other reason to report room. */
TEST(sent_waits_for_the_window_after_an_inline_send, "")
{
    static char memory[40000];
    int peer;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, sent;
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_SEND_BUFFER, 200000), STATUS_SUCCESS);
    io_init(&send, TRANSPORT_SEND, memory, sizeof(memory));
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &sent, TRANSPORT_WATCH_SENT), STATUS_PENDING);
    io_expect_pending(&sent, 30);
    unsigned long total = 0;
    while (!atomic_load(&sent.over)) {
        long got = peer_receive(peer, sink, sizeof(sink), 1);
        EXPECT(got > 0 || got == -2);
        total += got > 0 ? (unsigned long)got : 0;
        net_pump(0);
    }
    EXPECT_STATUS(sent.status, STATUS_SUCCESS);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_EQ(total + peer_drain_to_fin(peer), sizeof(memory));
    net->close(socket);
    peer_close(peer);
}

/* 0 when a loss probe has sent what the watch is about, before it was to be sent. */
static int covers_what_comes_meanwhile(void)
{
    int peer, held = 1;
    long probes = net_loss_probes();
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send, sent;
    peer_drop_incoming(peer);
    for (int i = 0; i < 2; i++) {
        io_init(&send, TRANSPORT_SEND, "x", 1);
        EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    }
    start(socket, &sent, TRANSPORT_WATCH_SENT); /* Nagle holds the second */
    for (int i = 0; i < 5 && held; i++) {
        long long until = test_now_ms() + 10;
        io_init(&send, TRANSPORT_SEND, "x", 1);
        EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
        do {
            net_pump(2);
            held = !atomic_load(&sent.over);
        } while (held && test_now_ms() < until);
    }
    if (!held)
        EXPECT_NE(net_loss_probes(), probes);
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_NODELAY, 1), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&sent), STATUS_SUCCESS);
    net->abort(socket);
    net->close(socket);
    peer_close(peer);
    return held;
}

/* Sends go on while WATCH_SENT is inside, and it then means them, too. */
TEST(sent_covers_sends_handed_over_meanwhile, "")
{
    while (!covers_what_comes_meanwhile())
        ;
}

TEST(acked_comes_with_the_acknowledgement, "")
{
    int peer;
    char byte;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send, acked;
    io_init(&send, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    start(socket, &acked, TRANSPORT_WATCH_ACKED);
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS); /* a delayed ACK at the latest */
    EXPECT_EQ(net->query(socket, TRANSPORT_UNACKED), 0);
    EXPECT_STATUS(start(socket, &acked, TRANSPORT_WATCH_ACKED), inline_or_pending(STATUS_SUCCESS));
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    peer_receive_all(peer, &byte, 1);

    peer_drop_incoming(peer);
    io_init(&send, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &acked, TRANSPORT_WATCH_ACKED), STATUS_PENDING);
    io_expect_pending(&acked, 300);
    io_cancel(socket, &acked);
    net->abort(socket);
    net->close(socket);
    peer_close(peer);
}

TEST(fin_acked, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io acked;
    start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED);
    EXPECT_STATUS(io_wait(&acked), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED);
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    /* Both directions: still so. */
    peer_shutdown(peer);
    test_sleep_ms(5);
    start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED);
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
}

TEST(fin_acked_when_the_peer_was_first, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io fin, acked;
    peer_shutdown(peer);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED);
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);

    /* The same when its FIN has been seen. */
    socket = net_connected(PEER_INET, &peer);
    peer_shutdown(peer);
    start(socket, &fin, TRANSPORT_WATCH_PEER_FIN);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED);
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
}

/* Our FIN waits behind data that the peer has no room for, its own has come.  Acknowledged is nothing then, neither
 * while it waits nor after a reset; a look that comes after the reset says so, too. */
TEST(fin_not_acked_by_a_reset_after_the_peers_fin, "")
{
    size_t length = test_mode_has("one-byte") ? 400000 : 4000000;
    char *memory = calloc(1, length);
    for (int before = 0; before < 2; before++) {
        int peer;
        struct transport_socket *socket = net_connected_narrow(&peer);
        struct io send, fin, reset, acked;
        net_fill(socket, &send, memory, length);
        io_cancel(socket, &send);
        peer_shutdown(peer);
        start(socket, &fin, TRANSPORT_WATCH_PEER_FIN);
        EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
        EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
        if (before) {
            EXPECT_STATUS(start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED), STATUS_PENDING);
            io_expect_pending(&acked, 20);
        }
        EXPECT_STATUS(start(socket, &reset, TRANSPORT_WATCH_RESET), STATUS_PENDING);
        peer_reset(peer);
        EXPECT(io_wait(&reset) != STATUS_SUCCESS);
        if (!before)
            start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED);
        EXPECT_STATUS(io_wait(&acked), reset.op.status);
        net->close(socket);
    }
    free(memory);
}

/* The FIN waits behind data in a closed window: acknowledged only when the peer has read. */
TEST(fin_acked_waits_for_the_window, "")
{
    int peer;
    size_t length = test_mode_has("one-byte") ? 400000 : 4000000;
    char *memory = calloc(1, length);
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, acked;
    net_fill(socket, &send, memory, length);
    io_cancel(socket, &send);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED), STATUS_PENDING);
    io_expect_pending(&acked, 60);
    peer_drain_to_fin(peer);
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
    free(memory);
}

/* The peer's FIN is there, and the ACK of ours is the connection's end: told without EPOLLOUT. */
TEST(fin_acked_late_after_the_peers, "", TEST_MODES("epoll/pumped/natural uring/pumped/natural"))
{
    int peer, off = 0;
    struct transport_socket *socket = net_accepted(PEER_INET, &peer);
    struct io fin, acked;
    start(socket, &fin, TRANSPORT_WATCH_PEER_FIN);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    peer_drop_incoming(peer);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED), STATUS_PENDING);
    io_expect_pending(&acked, 20);
    EXPECT(!(socket->interest & EPOLLOUT));
    EXPECT_EQ(setsockopt(peer, SOL_SOCKET, SO_DETACH_FILTER, &off, sizeof(off)),
              0); /* until it is repeated */
    EXPECT_STATUS(io_wait(&acked), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
}

TEST(fin_not_acked_by_a_silent_peer, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io acked;
    peer_drop_incoming(peer);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &acked, TRANSPORT_WATCH_FIN_ACKED), STATUS_PENDING);
    io_expect_pending(&acked, 300);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&acked), STATUS_CONNECTION_ABORTED);
    net->close(socket);
    peer_close(peer);
}

/* A peer that never answers at all: the kernel gives up by itself (here after 300 ms). */
TEST(silence_ends_as_a_timeout, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io reset, send;
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_USER_TIMEOUT, 300), STATUS_SUCCESS);
    peer_drop_incoming(peer);
    EXPECT_STATUS(start(socket, &reset, TRANSPORT_WATCH_RESET), STATUS_PENDING);
    io_init(&send, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&reset), STATUS_IO_TIMEOUT);
    net->close(socket);
    peer_close(peer);
}
