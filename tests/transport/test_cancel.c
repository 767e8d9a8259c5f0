/* Races: taking back against completing, against abort; closing while events of the socket are on their way.
 */
#include "net.h"

#include <stdlib.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_MODES);

TEST(cancel_takes_back, "")
{
    int peer;
    char memory[4];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive;
    io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
    EXPECT_EQ(net->cancel(socket, &receive.op), 0); /* never started */
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    io_cancel(socket, &receive);
    int completions = atomic_load(&receive.completions);
    peer_send(peer, "data", 4);
    net_pump(5);
    EXPECT_EQ(atomic_load(&receive.completions), completions);
    net_receive_all(socket, memory, 4); /* not a byte of it was taken */
    EXPECT(memcmp(memory, "data", 4) == 0);
    EXPECT_EQ(net->cancel(socket, &receive.op), 0);
    net->close(socket);
    peer_close(peer);
}

struct sender {
    int peer;
    _Atomic long go;
    long rounds;
};

static void send_on_demand(void *argument)
{
    struct sender *sender = argument;
    for (long i = 0; i < sender->rounds; i++) {
        while (atomic_load(&sender->go) <= i)
            host_yield();
        char byte = (char)i;
        peer_send(sender->peer, &byte, 1);
    }
}

/* Either the receive is taken back and its byte is still there, or it completes, once, with the byte. */
TEST(cancel_races_with_data, "", TEST_MODES(NET_THREADS), TEST_TIMEOUT(120))
{
    struct sender sender = {.rounds = test_scale(6000)};
    struct transport_socket *socket = net_connected(PEER_INET, &sender.peer);
    struct test_thread *thread = test_thread_start(send_on_demand, &sender);
    long taken = 0;
    char byte;
    for (long i = 0; i < sender.rounds; i++) {
        struct io receive;
        io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
        int32_t status = io_start(socket, &receive);
        atomic_store(&sender.go, i + 1);
        for (long spin = i % 64 * 50; spin > 0; spin--)
            host_cpu_relax();
        if (status == STATUS_PENDING && net->cancel(socket, &receive.op)) {
            taken++;
            net_receive_all(socket, &byte, 1);
            EXPECT_EQ(atomic_load(&receive.completions), 0);
        } else {
            while (!atomic_load(&receive.over))
                host_yield();
            if (net_carries_receives() && receive.status == STATUS_CANCELLED) {
                taken++;
                EXPECT_EQ(receive.bytes, 0);
                net_receive_all(socket, &byte, 1);
            } else {
                EXPECT_STATUS(receive.status, STATUS_SUCCESS);
                EXPECT_EQ(receive.bytes, 1);
            }
        }
        EXPECT_EQ((unsigned char)byte, (unsigned char)i);
    }
    test_thread_join(thread);
    TEST_NOTE("%ld of %ld taken back", taken, sender.rounds);
    net->close(socket);
    peer_close(sender.peer);
}

struct aborter {
    _Atomic(struct transport_socket *) socket;
    _Atomic int done;
    long rounds;
};

static void abort_on_demand(void *argument)
{
    struct aborter *aborter = argument;
    for (long i = 0; i < aborter->rounds; i++) {
        struct transport_socket *socket;
        while (!(socket = atomic_exchange(&aborter->socket, NULL)))
            host_yield();
        net->abort(socket);
        atomic_store(&aborter->done, 1);
    }
}

TEST(cancel_races_with_abort, "", TEST_MODES(NET_THREADS), TEST_TIMEOUT(120))
{
    struct aborter aborter = {.rounds = test_scale(1500)};
    struct test_thread *thread = test_thread_start(abort_on_demand, &aborter);
    int port = 0, listener = peer_listen(PEER_INET, &port);
    for (long i = 0; i < aborter.rounds; i++) {
        static const int kinds[] = {TRANSPORT_RECEIVE, TRANSPORT_WATCH_PEER_FIN, TRANSPORT_WATCH_RESET};
        struct transport_socket *socket = net_open(PEER_INET);
        struct io connect, ios[3];
        char byte;
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, port);
        EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
        int peer = peer_accept(listener);
        for (int k = 0; k < 3; k++) {
            io_init(&ios[k], kinds[k], &byte, 1);
            EXPECT_STATUS(io_start(socket, &ios[k]), STATUS_PENDING);
        }
        atomic_store(&aborter.done, 0);
        atomic_store(&aborter.socket, socket);
        for (long spin = i % 64 * 30; spin > 0; spin--)
            host_cpu_relax();
        for (int k = 0; k < 3; k++) {
            if (net->cancel(socket, &ios[k].op))
                atomic_store(&ios[k].over, 2);
        }
        while (!atomic_load(&aborter.done))
            host_yield();
        for (int k = 0; k < 3; k++) {
            while (!atomic_load(&ios[k].over))
                host_yield();
            if (atomic_load(&ios[k].over) == 1 && net_carries_receives() && ios[k].status == STATUS_CANCELLED)
                EXPECT_EQ(ios[k].op.kind, TRANSPORT_RECEIVE);
            else if (atomic_load(&ios[k].over) == 1)
                EXPECT_STATUS(ios[k].status, STATUS_CONNECTION_ABORTED);
            else
                EXPECT_EQ(atomic_load(&ios[k].completions), 0);
        }
        net->close(socket);
        peer_expect_reset(peer);
        peer_close(peer);
    }
    test_thread_join(thread);
    peer_close(listener);
}

/* Connect, taken back at any moment of it, tried again or not, aborted and closed at once: nothing is left, nothing is
 * touched late. */
TEST(cancel_races_with_connect, "", TEST_MODES(NET_THREADS), TEST_TIMEOUT(120))
{
    int port = 0, listener = peer_listen(PEER_INET, &port);
    for (long i = 0, rounds = test_scale(1500); i < rounds; i++) {
        struct transport_socket *socket = net_open(PEER_INET);
        struct io connect;
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, port);
        EXPECT_STATUS(io_start(socket, &connect), STATUS_PENDING);
        for (long spin = i % 64 * 30; spin > 0; spin--)
            host_cpu_relax();
        if (net->cancel(socket, &connect.op) == 0) {
            while (!atomic_load(&connect.over))
                host_yield();
            EXPECT_STATUS(connect.status, STATUS_SUCCESS);
        } else if (i % 2) {
            io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
            connect.connection.address = net_loopback(PEER_INET, port);
            if (io_start(socket, &connect) == STATUS_PENDING) {
                while (!atomic_load(&connect.over))
                    host_yield();
                EXPECT_STATUS(connect.status, STATUS_SUCCESS);
            }
        }
        net->abort(socket);
        net->close(socket);
        for (int peer; (peer = peer_accept_within(listener, 0)) >= 0;)
            peer_close(peer);
    }
    peer_close(listener);
}

enum { MANY = 40 };

static void connect_many(struct transport_socket **sockets, int *peers, struct io *receives, char *bytes,
                         int kind)
{
    for (int i = 0; i < MANY; i++) {
        sockets[i] = net_connected(PEER_INET, &peers[i]);
        io_init(&receives[i], kind, &bytes[i], 1);
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    net_pump(5);
    for (int i = 0; i < MANY; i++)
        peer_send(peers[i], "x", 1);
}

/* Events collected by wait() name sockets that are closed before dispatch() looks at them. */
static void close_with_events_collected_for(int kind)
{
    struct transport_socket *sockets[MANY];
    struct io receives[MANY];
    int peers[MANY];
    char bytes[MANY];
    connect_many(sockets, peers, receives, bytes, kind);
    net->wait(transport, 0, host_now() + 1000000000);
    for (int i = 0; i < MANY; i += 2) {
        EXPECT_EQ(net->cancel(sockets[i], &receives[i].op), 1);
        net->close(sockets[i]);
    }
    /* New sockets may get the same descriptors. */
    struct transport_socket *fresh[MANY];
    for (int i = 0; i < MANY; i++)
        fresh[i] = net_open(PEER_INET);
    for (int i = 1; i < MANY; i += 2) {
        EXPECT_STATUS(io_wait(&receives[i]), STATUS_SUCCESS);
        net->close(sockets[i]);
    }
    for (int i = 0; i < MANY; i++) {
        EXPECT_EQ(atomic_load(&receives[i].completions), i % 2);
        net->close(fresh[i]);
        peer_close(peers[i]);
    }
}

TEST(close_with_events_collected, "", TEST_MODES(NET_PUMPED))
{
    close_with_events_collected_for(TRANSPORT_WATCH_READABLE);
    if (!net_carries_receives())
        close_with_events_collected_for(TRANSPORT_RECEIVE);
}

/* The loop has collected the FIN of a connection whose connect is then taken back: it is not the next one's. */
TEST(connect_after_events_of_another, "",
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    int port = 0, listener = peer_listen(PEER_INET, &port), peer;
    struct transport_socket *socket = net_open(PEER_INET);
    struct io connect, fin;
    for (int round = 0; round < 2; round++) {
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, port);
        EXPECT_STATUS(io_start(socket, &connect), STATUS_PENDING);
        peer = peer_accept(listener);
        if (round)
            break;
        peer_shutdown(peer);
        net->wait(transport, 0, host_now() + 20000000);
        EXPECT_EQ(net->cancel(socket, &connect.op), 1);
        peer_close(peer);
    }
    EXPECT_STATUS(io_wait(&connect), STATUS_SUCCESS);
    io_init(&fin, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    EXPECT_STATUS(io_start(socket, &fin), STATUS_PENDING);
    io_expect_pending(&fin, 5);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
    peer_close(listener);
}

/* Results collected by wait(): the receive cannot be taken back any more, and it has the byte. */
TEST(cancel_with_results_collected, "", TEST_MODES("uring-all/pumped/natural uring-all/pumped/no-inline"))
{
    struct transport_socket *sockets[MANY];
    struct io receives[MANY];
    int peers[MANY];
    char bytes[MANY];
    connect_many(sockets, peers, receives, bytes, TRANSPORT_RECEIVE);
    net->wait(transport, 0, host_now() + 1000000000);
    for (int i = 0; i < MANY; i++)
        EXPECT_EQ(net->cancel(sockets[i], &receives[i].op), 0);
    for (int i = 0; i < MANY; i++) {
        EXPECT_STATUS(io_wait(&receives[i]), STATUS_SUCCESS);
        EXPECT_EQ(bytes[i], 'x');
        net->close(sockets[i]);
        peer_close(peers[i]);
    }
}

struct neighbour {
    struct transport_socket *own, *next;
    struct io *next_receive;
    int *closed;
    bool gone, *next_gone;
};

static void close_both(struct io *io)
{
    struct neighbour *neighbour = io->context;
    if (!*neighbour->next_gone && net->cancel(neighbour->next, &neighbour->next_receive->op)) {
        net->close(neighbour->next);
        ++*neighbour->closed;
    }
    neighbour->gone = true;
    net->close(neighbour->own);
    ++*neighbour->closed;
}

/* A completion closes its own socket and another one whose event is in the same batch. */
TEST(completion_closes_its_socket_and_another, "", TEST_MODES(NET_PUMPED))
{
    struct transport_socket *sockets[MANY];
    struct neighbour neighbours[MANY];
    struct io receives[MANY];
    int peers[MANY], closed = 0;
    char bytes[MANY];
    connect_many(sockets, peers, receives, bytes, TRANSPORT_RECEIVE);
    for (int i = 0; i < MANY; i++) {
        neighbours[i] = (struct neighbour){sockets[i], sockets[i ^ 1], &receives[i ^ 1],
                                           &closed,    false,          &neighbours[i ^ 1].gone};
        receives[i].context = &neighbours[i];
        receives[i].then = close_both;
    }
    EXPECT_PUMPED(closed == MANY);
    for (int i = 0; i < MANY; i++)
        peer_close(peers[i]);
}

struct closer {
    struct transport_socket **sockets;
    struct io *receives;
    struct test_barrier *barrier;
};

static void close_all(void *argument)
{
    struct closer *closer = argument;
    test_barrier_wait(closer->barrier);
    for (int i = 0; i < MANY; i++) {
        if (!net->cancel(closer->sockets[i], &closer->receives[i].op)) {
            while (!atomic_load(&closer->receives[i].over))
                host_yield();
        }
        net->close(closer->sockets[i]);
    }
}

/* The same while the loops' threads collect and deliver. */
TEST(close_races_with_events, "", TEST_MODES(NET_THREADS), TEST_TIMEOUT(120))
{
    for (long round = 0, rounds = test_scale(150); round < rounds; round++) {
        struct transport_socket *sockets[MANY];
        struct io receives[MANY];
        int peers[MANY];
        char bytes[MANY];
        for (int i = 0; i < MANY; i++) {
            sockets[i] = net_connected(PEER_INET, &peers[i]);
            io_init(&receives[i], TRANSPORT_RECEIVE, &bytes[i], 1);
            EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
        }
        struct closer closer = {sockets, receives, test_barrier_create(2)};
        struct test_thread *thread = test_thread_start(close_all, &closer);
        test_barrier_wait(closer.barrier);
        for (int i = 0; i < MANY; i++)
            peer_send_some(peers[i], "x", 1);
        test_thread_join(thread);
        test_barrier_free(closer.barrier);
        for (int i = 0; i < MANY; i++)
            peer_close(peers[i]);
    }
}
