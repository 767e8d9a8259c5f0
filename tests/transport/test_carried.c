/* Operations that wait inside for long: their place in the kernel, the buffers they hold, and how they end
 * together. On the epoll transport the loop carries them out, on io_uring the kernel. */
#include "net.h"
#include "transport/common/internal.h"

#include <stdlib.h>
#include <unistd.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_MODES);

static char big[4000000];

static size_t big_length(void)
{
    return test_mode_has("one-byte") ? 400000 : sizeof(big);
}

static void fill_pattern(char *memory, size_t length)
{
    for (size_t i = 0; i < length; i++)
        memory[i] = (char)(i * 7 + i / 251);
}

/* A port that nobody takes by chance: below those that connect() and bind(0) choose from, and another for each
 * process and round. */
static int port_of_our_own(int round)
{
    int port = 10000 + getpid() % 1000 * 20 + round;
    while (!peer_port_is_free(PEER_INET, port))
        port = port > 31000 ? 10000 : port + 20;
    return port;
}

/* After close() the port is another's at once, whatever was inside before. */
TEST(close_gives_the_port_back_at_once, "C-CLOSE-45")
{
    for (int round = 0; round < 20; round++) {
        int port = port_of_our_own(round), target = 0, peer;
        struct transport_socket *listener = net_listener(PEER_INET, &port);
        struct io accept;
        io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
        EXPECT_STATUS(io_start(listener, &accept), STATUS_PENDING);
        if (round % 2)
            net_pump(1);
        io_cancel(listener, &accept);
        net->close(listener);
        EXPECT_EQ(peer_port_is_free(PEER_INET, port), 1);

        static const int kinds[] = {TRANSPORT_RECEIVE, TRANSPORT_WATCH_PEER_FIN, TRANSPORT_WATCH_RESET,
                                    TRANSPORT_WATCH_READABLE};
        struct transport_socket *socket = net_open(PEER_INET);
        struct transport_address address = net_loopback(PEER_INET, port);
        struct io connect, ios[4];
        char byte;
        int plain = peer_listen(PEER_INET, &target);
        EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, target);
        EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
        peer = peer_accept(plain);
        for (int i = 0; i < 4; i++) {
            io_init(&ios[i], kinds[i], &byte, 1);
            EXPECT_STATUS(io_start(socket, &ios[i]), STATUS_PENDING);
        }
        if (round % 2)
            net_pump(1);
        for (int i = 3; i >= 0; i--)
            io_cancel(socket, &ios[i]);
        EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
        EXPECT_EQ(peer_port_is_free(PEER_INET, port), 0);
        net->close(socket);
        EXPECT_EQ(peer_port_is_free(PEER_INET, port), 1);
        peer_expect_reset(peer);
        peer_close(peer);
        peer_close(plain);
    }
}

/* More segments than go to the kernel at once. */
TEST(receive_into_a_long_chain, "")
{
    enum { LENGTH = 13 * 300 };
    int peer;
    char in[LENGTH];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive;
    fill_pattern(big, LENGTH);
    for (int round = 0; round < 3; round++) {
        memset(in, 0, sizeof(in));
        io_init(&receive, TRANSPORT_RECEIVE, in, LENGTH);
        receive.piece = 13;
        EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
        io_expect_pending(&receive, 5);
        peer_send(peer, big, LENGTH);
        EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
        EXPECT(receive.bytes > 0);
        net_receive_all(socket, in + receive.bytes, LENGTH - receive.bytes);
        EXPECT(memcmp(in, big, LENGTH) == 0);
    }
    net->close(socket);
    peer_close(peer);
}

/* A cancelled send has gone as far as it says. */
TEST(cancelled_send_tells_its_bytes, "")
{
    int peer;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send;
    fill_pattern(big, big_length());
    net_fill(socket, &send, big, big_length());
    io_cancel(socket, &send);
    size_t gone = send.op.bytes;
    EXPECT(gone > 0 && gone < big_length());
    /* The next one goes on where it ended. */
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_SEND_BUFFER, 1000000), STATUS_SUCCESS);
    io_init(&send, TRANSPORT_SEND, big + gone, 20000);
    io_start(socket, &send);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    size_t got = 0;
    static char in[sizeof(big)];
    while (got < gone + 20000) {
        long part = peer_receive(peer, in + got, sizeof(in) - got, 1);
        EXPECT(part > 0 || part == -2);
        got += part > 0 ? (size_t)part : 0;
        net_pump(0);
    }
    EXPECT_STATUS(io_wait(&send), STATUS_SUCCESS);
    peer_expect_fin(peer);
    EXPECT_EQ(got, gone + 20000);
    EXPECT(memcmp(in, big, got) == 0);
    net->close(socket);
    peer_close(peer);
}

/* Whoever finds the reset first, everyone tells it, and no one takes it for a FIN. */
TEST(reset_with_transfers_in_both_directions, "", TEST_TIMEOUT(90))
{
    for (int round = 0; round < 10; round++) {
        static const int kinds[] = {TRANSPORT_RECEIVE, TRANSPORT_WATCH_PEER_FIN, TRANSPORT_WATCH_SENT,
                                    TRANSPORT_WATCH_ACKED, TRANSPORT_WATCH_RESET};
        int peer;
        char byte;
        struct transport_socket *socket = net_connected_narrow(&peer);
        struct io send, late, ios[5];
        net_fill(socket, &send, big, big_length());
        for (int i = 0; i < 5; i++) {
            io_init(&ios[i], kinds[i], &byte, 1);
            EXPECT_STATUS(io_start(socket, &ios[i]), STATUS_PENDING);
        }
        net_pump(1);
        peer_reset(peer);
        if (round % 2 && net->cancel(socket, &ios[1].op)) { /* asked at the very moment */
            io_init(&late, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
            io_start(socket, &late);
            EXPECT_STATUS(io_wait(&late), STATUS_CONNECTION_RESET);
            atomic_store(&ios[1].over, 1);
            ios[1].status = STATUS_CONNECTION_RESET;
        }
        for (int i = 0; i < 5; i++)
            EXPECT_STATUS(io_wait(&ios[i]), STATUS_CONNECTION_RESET);
        EXPECT_STATUS(io_wait(&send), STATUS_CONNECTION_RESET);
        net->close(socket);
    }
}

/* The loops' waits, in which the kernel carries out what is in the ring, without the steps that look at the results.
 * Until then a transfer in the ring may have taken the reason of the connection's end, and only it can tell. */
static void wait_without_steps(void)
{
    for (int i = 0; i < 3; i++)
        net->wait(transport, 0, host_now() + 20000000);
}

/* A connection whose peer has fallen silent, up to the moment when the kernel gives it up. */
static void await_the_end(struct transport_socket *socket)
{
    enum { CLOSED = 7 }; /* TCP_CLOSE */
    EXPECT(net_state_of(socket) != CLOSED);
    while (net_state_of(socket) != CLOSED)
        net->wait(transport, 0, host_now() + 20000000);
    wait_without_steps();
}

static struct transport_socket *connected_to_silence(int *peer)
{
    struct io send;
    struct transport_socket *socket = net_connected(PEER_INET, peer);
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_USER_TIMEOUT, 300), STATUS_SUCCESS);
    peer_drop_incoming(*peer);
    io_init(&send, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    return socket;
}

/* A receive is tried while a send that has taken the reset waits for its step: no FIN has come. */
TEST(reset_taken_by_a_send_is_no_fin, "",
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    for (int round = 0; round < 4; round++) {
        int peer;
        char byte;
        struct transport_socket *socket = net_connected_narrow(&peer);
        struct io send, more, receive, fin;
        net_fill(socket, &send, big, big_length());
        if (round % 2) { /* one that has not handed over anything */
            io_cancel(socket, &send);
            io_init(&more, TRANSPORT_SEND, big, big_length());
            EXPECT_STATUS(io_start(socket, &more), STATUS_PENDING);
            io_expect_pending(&more, 5);
        }
        peer_reset(peer);
        wait_without_steps();
        io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
        if (round / 2)
            receive.op.flags |= TRANSPORT_PROVIDE;
        io_start(socket, &receive);
        EXPECT_STATUS(io_wait(&receive), STATUS_CONNECTION_RESET);
        EXPECT_STATUS(io_wait(round % 2 ? &more : &send), STATUS_CONNECTION_RESET);
        io_init(&fin, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
        EXPECT_STATUS(io_run(socket, &fin), STATUS_CONNECTION_RESET);
        net->close(socket);
    }
}

/* The kernel keeps the reason to itself when the send that met it has bytes to tell, and then that one is taken back. */
TEST(reset_lost_with_a_cancelled_send, "",
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    static char in[20000];
    int peer;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, watch;
    net_fill(socket, &send, big, big_length());
    for (size_t got = 0; got < sizeof(in);) {
        long part = peer_receive(peer, in, sizeof(in), 1);
        EXPECT(part > 0 || part == -2);
        got += part > 0 ? (size_t)part : 0;
        net_pump(0);
    }
    io_expect_pending(&send, 20);
    peer_reset(peer);
    wait_without_steps();
    if (!net->cancel(socket, &send.op))
        EXPECT(io_wait(&send) != STATUS_SUCCESS);
    io_init(&watch, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    EXPECT_STATUS(io_run(socket, &watch), STATUS_CONNECTION_RESET);
    io_init(&watch, TRANSPORT_WATCH_RESET, NULL, 0);
    EXPECT_STATUS(io_run(socket, &watch), STATUS_CONNECTION_RESET);
    net->close(socket);
}

struct send_and_cancel {
    struct transport_socket *socket;
    struct io io;
};

static void send_and_cancel(void *argument)
{
    struct send_and_cancel *send = argument;
    if (io_start(send->socket, &send->io) == STATUS_PENDING)
        EXPECT_EQ(net->cancel(send->socket, &send->io.op), 1);
}

/* After the peer's FIN a send takes the reason of a reset, cannot know that it has it, and is taken back. */
TEST(reset_lost_with_a_send_on_another_thread, "",
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    for (int round = 0; round < 4; round++) {
        int peer;
        char byte;
        struct send_and_cancel send = {0};
        struct io receive, reset, acked;
        send.socket = net_connected(PEER_INET, &peer);
        io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
        io_init(&reset, TRANSPORT_WATCH_RESET, NULL, 0);
        EXPECT_STATUS(io_start(send.socket, &receive), STATUS_PENDING);
        EXPECT_STATUS(io_start(send.socket, &reset), STATUS_PENDING);
        io_expect_pending(&receive, 5);
        if (round / 2)
            peer_send(peer, "x", 1);
        peer_shutdown(peer);
        peer_reset(peer);
        io_init(&send.io, TRANSPORT_SEND, "y", 1);
        test_thread_join(test_thread_start(send_and_cancel, &send));
        int32_t status = STATUS_CONNECTION_RESET;
        if (round % 2) { /* before the step: the reason may still be coming */
            status = net->shutdown(send.socket);
            if (status == STATUS_SUCCESS) {
                io_init(&acked, TRANSPORT_WATCH_FIN_ACKED, NULL, 0);
                status = io_run(send.socket, &acked);
            }
        }
        EXPECT_STATUS(status, STATUS_CONNECTION_RESET);
        status = io_wait(&receive);
        EXPECT(status == STATUS_SUCCESS || status == STATUS_CONNECTION_RESET);
        EXPECT_EQ(receive.bytes, status == STATUS_SUCCESS ? round / 2 : 0);
        EXPECT_STATUS(io_wait(&reset), STATUS_CONNECTION_RESET);
        EXPECT_STATUS(net->shutdown(send.socket), STATUS_CONNECTION_RESET);
        net->close(send.socket);
    }
}

struct send_shutdown_cancel {
    struct send_and_cancel send;
    int32_t status;
};

static void send_shutdown_cancel(void *argument)
{
    struct send_shutdown_cancel *both = argument;
    bool held = io_start(both->send.socket, &both->send.io) == STATUS_PENDING;
    both->status = net->shutdown(both->send.socket);
    if (held)
        EXPECT_EQ(net->cancel(both->send.socket, &both->send.io.op), 1);
}

/* The same with a FIN that waits for that send. */
TEST(no_fin_acked_when_its_send_took_the_reset, "",
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    for (int round = 0; round < 4; round++) {
        int peer;
        char byte;
        struct send_shutdown_cancel both = {0};
        struct transport_socket *socket = both.send.socket = net_connected(PEER_INET, &peer);
        struct io receive, acked;
        io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
        EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
        io_expect_pending(&receive, 5);
        if (round / 2)
            peer_send(peer, "x", 1);
        peer_shutdown(peer);
        peer_reset(peer);
        io_init(&both.send.io, TRANSPORT_SEND, "y", 1);
        test_thread_join(test_thread_start(send_shutdown_cancel, &both));
        if (round % 2) {
            int32_t status = io_wait(&receive);
            EXPECT(status == STATUS_SUCCESS || status == STATUS_CONNECTION_RESET);
        }
        if (both.status == STATUS_SUCCESS) {
            io_init(&acked, TRANSPORT_WATCH_FIN_ACKED, NULL, 0);
            both.status = io_run(socket, &acked);
        }
        EXPECT_STATUS(both.status, STATUS_CONNECTION_RESET);
        io_wait(&receive);
        EXPECT_STATUS(net->shutdown(socket), STATUS_CONNECTION_RESET);
        net->close(socket);
    }
}

/* A send is tried, or the FIN is sent, while a receive that has taken the reason waits for its step. */
TEST(reason_taken_by_a_receive, "", TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    for (int round = 0; round < 2; round++) {
        int peer;
        char byte;
        struct transport_socket *socket = connected_to_silence(&peer);
        struct io receive, late;
        io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
        EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
        io_expect_pending(&receive, 5);
        await_the_end(socket);
        if (round == 0) {
            io_init(&late, TRANSPORT_SEND, "y", 1);
            io_start(socket, &late);
            EXPECT_STATUS(io_wait(&late), STATUS_IO_TIMEOUT);
        } else {
            int32_t status = net->shutdown(socket);
            if (status == STATUS_SUCCESS) {
                io_init(&late, TRANSPORT_WATCH_FIN_ACKED, NULL, 0);
                status = io_run(socket, &late);
            }
            EXPECT_STATUS(status, STATUS_IO_TIMEOUT);
        }
        EXPECT_STATUS(io_wait(&receive), STATUS_IO_TIMEOUT);
        net->close(socket);
        peer_close(peer);
    }
}

/* A receive and a send are over in one step: one has the reason, the other only that there is no connection. */
TEST(the_reason_counts_whoever_has_it, "",
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    for (int round = 0; round < 2; round++) {
        int peer;
        char byte;
        struct transport_socket *socket = net_connected_narrow(&peer);
        struct io ios[2];
        net_fill(socket, &ios[0], big, big_length());
        io_cancel(socket, &ios[0]);
        for (int i = 0; i < 2; i++) { /* whose turn comes first depends on the order */
            if (i == round)
                io_init(&ios[i], TRANSPORT_SEND, big, big_length());
            else
                io_init(&ios[i], TRANSPORT_RECEIVE, &byte, 1);
            EXPECT_STATUS(io_start(socket, &ios[i]), STATUS_PENDING);
            io_expect_pending(&ios[i], 5);
        }
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_USER_TIMEOUT, 300), STATUS_SUCCESS);
        peer_drop_incoming(peer);
        await_the_end(socket);
        for (int i = 0; i < 2; i++)
            EXPECT_STATUS(io_wait(&ios[i]), STATUS_IO_TIMEOUT);
        net->close(socket);
        peer_close(peer);
    }
}

/* The peer's FIN ends the receive and leaves the send alone. */
TEST(fin_with_transfers_in_both_directions, "")
{
    int peer;
    char byte;
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, receive, fin, reset;
    net_fill(socket, &send, big, big_length());
    io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
    io_init(&fin, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    io_init(&reset, TRANSPORT_WATCH_RESET, NULL, 0);
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    EXPECT_STATUS(io_start(socket, &fin), STATUS_PENDING);
    EXPECT_STATUS(io_start(socket, &reset), STATUS_PENDING);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS); /* waits for the send */
    net_pump(2);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(receive.bytes, 0);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    io_expect_pending(&send, 20);
    EXPECT_EQ(net_drain_to_fin(peer), big_length());
    EXPECT_STATUS(io_wait(&send), STATUS_SUCCESS);
    io_expect_pending(&reset, 5); /* both FINs: no reset */
    io_cancel(socket, &reset);
    net->close(socket);
    peer_close(peer);
}

/* Sends and waits until all of it lies there. */
static void lay_before(struct transport_socket *socket, int peer, const char *memory, size_t length)
{
    peer_send(peer, memory, length);
    while (net->query(socket, TRANSPORT_READABLE) < (int64_t)length)
        net_pump(1);
}

static size_t receive_provided(struct transport_socket *socket, const char *expected)
{
    struct io receive;
    io_init(&receive, TRANSPORT_RECEIVE, NULL, net->provided_size(transport));
    receive.op.flags |= TRANSPORT_PROVIDE;
    EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
    EXPECT(memcmp(receive.op.provided, expected, receive.bytes) == 0);
    net->recycle(transport, receive.op.provided);
    return receive.bytes;
}

/* Who fills a small buffer gets a large one next, and a small one again when it was too large. */
TEST(a_stream_gets_large_buffers, "",
     TEST_MODES(
         NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline") " " NET_LINUX("threads/natural")))
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive;
    enum { SMALL = PROVIDED_SMALL };
    fill_pattern(big, 3 * SMALL);
    EXPECT_EQ(net->provided_size(transport), PROVIDED_LARGE);
    lay_before(socket, peer, big, 3 * SMALL);
    EXPECT_EQ(receive_provided(socket, big), SMALL);
    EXPECT_EQ(receive_provided(socket, big + SMALL), 2 * SMALL);
    lay_before(socket, peer, big, 1);
    EXPECT_EQ(receive_provided(socket, big), 1);
    lay_before(socket, peer, big, SMALL + 1);
    EXPECT_EQ(receive_provided(socket, big), SMALL);
    EXPECT_EQ(receive_provided(socket, big + SMALL), 1); /* a large one again, and too large */
    lay_before(socket, peer, big, SMALL);
    EXPECT_EQ(receive_provided(socket, big), SMALL);
    /* One that waits gets a large one, too. */
    io_init(&receive, TRANSPORT_RECEIVE, NULL, PROVIDED_LARGE);
    receive.op.flags |= TRANSPORT_PROVIDE;
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    io_expect_pending(&receive, 5);
    peer_send(peer, big, 2 * SMALL);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    EXPECT(receive.bytes > 0 && memcmp(receive.op.provided, big, receive.bytes) == 0);
    net->recycle(transport, receive.op.provided);
    for (size_t got = receive.bytes; got < 2 * SMALL;)
        got += receive_provided(socket, big + got);
    net->close(socket);
    peer_close(peer);
}

enum { IDLE = 200 };

/* Sockets that wait for data hold no buffer; more of them than buffers lie ready get theirs nevertheless. */
TEST(idle_receives_hold_no_buffer, "")
{
    static struct transport_socket *sockets[IDLE];
    static struct io receives[IDLE];
    static int peers[IDLE];
    for (int i = 0; i < IDLE; i++) {
        sockets[i] = net_connected(PEER_INET, &peers[i]);
        io_init(&receives[i], TRANSPORT_RECEIVE, NULL, 100);
        receives[i].op.flags |= TRANSPORT_PROVIDE;
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    net_pump(5);
    net_pump(5);
    EXPECT_EQ(net_buffers_out(), 0);
    for (int i = 0; i < IDLE; i++) {
        char byte = (char)i;
        peer_send(peers[i], &byte, 1);
    }
    for (int i = 0; i < IDLE; i++) {
        EXPECT_STATUS(io_wait(&receives[i]), STATUS_SUCCESS);
        EXPECT_EQ(receives[i].bytes, 1);
        EXPECT_EQ(*(char *)receives[i].op.provided, (char)i);
    }
    EXPECT_EQ(net_buffers_out(), IDLE);
    for (int i = 0; i < IDLE; i++)
        net->recycle(transport, receives[i].op.provided);
    /* Taken back, ended by a FIN, ended by a reset: no buffer either. */
    for (int i = 0; i < IDLE; i++) {
        io_init(&receives[i], TRANSPORT_RECEIVE, NULL, 100);
        receives[i].op.flags |= TRANSPORT_PROVIDE;
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    net_pump(5);
    for (int i = 0; i < IDLE; i++) {
        if (i % 3 == 0)
            io_cancel(sockets[i], &receives[i]);
        else if (i % 3 == 1)
            peer_shutdown(peers[i]);
        else
            peer_reset(peers[i]);
        if (i % 3)
            EXPECT_STATUS(io_wait(&receives[i]), i % 3 == 1 ? STATUS_SUCCESS : STATUS_CONNECTION_RESET);
        EXPECT_EQ(receives[i].op.provided == NULL, 1);
        net->close(sockets[i]);
        if (i % 3 != 2)
            peer_close(peers[i]);
    }
    EXPECT_EQ(net_buffers_out(), 0);
}

struct echo {
    struct io io;
    struct transport_socket *socket;
    char memory[64];
    size_t total;
};

/* Receive, send it back, receive, as far as it goes; called for an op that is over. */
static void echo_on(struct echo *echo)
{
    for (;;) {
        EXPECT_STATUS(echo->io.op.status, STATUS_SUCCESS);
        size_t bytes = echo->io.op.bytes;
        int kind = echo->io.op.kind;
        if (bytes == 0) {
            atomic_store(&echo->io.over, 1);
            return;
        }
        if (kind == TRANSPORT_SEND)
            echo->total += bytes;
        io_init(&echo->io, kind == TRANSPORT_SEND ? TRANSPORT_RECEIVE : TRANSPORT_SEND, echo->memory,
                kind == TRANSPORT_SEND ? sizeof(echo->memory) : bytes);
        echo->io.then = (void (*)(struct io *))echo_on;
        if (io_start(echo->socket, &echo->io) == STATUS_PENDING)
            return;
    }
}

/* A receive that is started while one is being completed misses nothing, however the data comes. */
TEST(echo_from_completions, "")
{
    int peer;
    char in[64];
    struct echo *echo = calloc(1, sizeof(*echo));
    size_t total = 0;
    echo->socket = net_connected(PEER_INET, &peer);
    peer_set_nodelay(peer);
    io_init(&echo->io, TRANSPORT_RECEIVE, echo->memory, sizeof(echo->memory));
    echo->io.then = (void (*)(struct io *))echo_on;
    EXPECT_STATUS(net->set_option(echo->socket, TRANSPORT_OPTION_NODELAY, 1), STATUS_SUCCESS);
    EXPECT_STATUS(io_start(echo->socket, &echo->io), STATUS_PENDING);
    for (long round = 0, rounds = test_scale(15000); round < rounds; round++) {
        size_t length = 1 + (size_t)round % 60, got = 0;
        fill_pattern(big, length);
        if (round % 3 == 0 && length > 1) { /* in two parts, the second one at the wrong moment */
            peer_send(peer, big, 1);
            if (round % 2)
                net_pump(0);
            peer_send(peer, big + 1, length - 1);
        } else
            peer_send(peer, big, length);
        while (got < length) {
            if (net_is_pumped())
                net_pump(1);
            long part = peer_receive(peer, in + got, length - got, net_is_pumped() ? 0 : 10000);
            EXPECT(part > 0 || (net_is_pumped() && part == -2));
            got += part > 0 ? (size_t)part : 0;
        }
        EXPECT(memcmp(in, big, length) == 0);
        total += length;
    }
    peer_shutdown(peer);
    EXPECT_PUMPED(atomic_load(&echo->io.over));
    EXPECT_EQ(echo->total, total);
    net->close(echo->socket);
    peer_close(peer);
    free(echo);
}

struct connector {
    int port;
    _Atomic long go;
    long rounds;
    _Atomic int peer;
};

static void connect_on_demand(void *argument)
{
    struct connector *connector = argument;
    for (long i = 0; i < connector->rounds; i++) {
        while (atomic_load(&connector->go) <= i)
            host_yield();
        atomic_store(&connector->peer, peer_connect(PEER_INET, connector->port, 5000));
    }
}

/* Either the accept has the connection or the next one gets it. */
TEST(cancel_races_with_accept, "", TEST_MODES(NET_THREADS), TEST_TIMEOUT(120))
{
    struct connector connector = {.rounds = test_scale(1500), .peer = -1};
    struct transport_socket *listener = net_listener(PEER_INET, &connector.port);
    struct test_thread *thread = test_thread_start(connect_on_demand, &connector);
    long taken = 0;
    for (long i = 0; i < connector.rounds; i++) {
        struct io accept;
        io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
        EXPECT_STATUS(io_start(listener, &accept), STATUS_PENDING);
        atomic_store(&connector.go, i + 1);
        for (long spin = i % 64 * 100; spin > 0; spin--)
            host_cpu_relax();
        int back = net->cancel(listener, &accept.op);
        if (!back)
            io_wait(&accept);
        if (back || (net_carries_receives() && accept.status == STATUS_CANCELLED)) {
            taken++;
            EXPECT(accept.connection.accepted == NULL);
            io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
            io_run(listener, &accept);
        }
        EXPECT_STATUS(accept.op.status, STATUS_SUCCESS);
        int peer;
        while ((peer = atomic_exchange(&connector.peer, -1)) < 0)
            host_yield();
        EXPECT_EQ(net_port(&accept.connection.address), peer_local_port(peer));
        net->abort(accept.connection.accepted);
        net->close(accept.connection.accepted);
        peer_close(peer);
    }
    test_thread_join(thread);
    TEST_NOTE("%ld of %ld taken back", taken, connector.rounds);
    net->close(listener);
}
