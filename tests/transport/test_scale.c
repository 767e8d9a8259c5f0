/* Many sockets at once. */
#include "net.h"

#include <stdlib.h>
#include <sys/resource.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_EACH("pumped/natural") " " NET_EACH("threads/natural"));

enum { CONNECTIONS = 2000 };

static struct transport_socket *sockets[CONNECTIONS];
static struct io receives[CONNECTIONS];
static int peers[CONNECTIONS];
static char bytes[CONNECTIONS];

static void allow_descriptors(void)
{
    struct rlimit limit;
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT(limit.rlim_max > 2 * CONNECTIONS + 100);
}

static struct io accepting;
static _Atomic int accepted;

/* Takes one connection after the other, from the completion itself. */
static void accept_next(struct io *io)
{
    struct transport_socket *listener = io->context;
    for (;;) {
        EXPECT_STATUS(io->op.status, STATUS_SUCCESS);
        sockets[atomic_load(&accepted)] = io->connection.accepted;
        if (atomic_fetch_add(&accepted, 1) + 1 == CONNECTIONS)
            return;
        if (io_start(listener, io) == STATUS_PENDING)
            return;
    }
}

/* An accept storm; a byte for everyone, all aborted, everyone sees it. */
/* (Not in windy weather: there the handshakes do not keep up with the backlog.) */
TEST(two_thousand_connections, "", TEST_TIMEOUT(90),
     TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX(
         "threads/natural") " sim/pumped/natural sim/threads/natural"))
{
    int port = 0;
    allow_descriptors();
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    io_init(&accepting, TRANSPORT_ACCEPT, NULL, 0);
    accepting.then = accept_next;
    accepting.context = listener;
    EXPECT_STATUS(io_start(listener, &accepting), STATUS_PENDING);
    for (int i = 0; i < CONNECTIONS; i++) {
        peers[i] = peer_connect_start(PEER_INET, port);
        if (i % 100 == 99)
            net_pump(0);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        EXPECT_EQ(peer_connect_finish(peers[i], 10000), 0);
    EXPECT_PUMPED(atomic_load(&accepted) == CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++) {
        io_init(&receives[i], TRANSPORT_RECEIVE, &bytes[i], 1);
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        peer_send(peers[i], "x", 1);
    for (int i = 0; i < CONNECTIONS; i++) {
        EXPECT_STATUS(io_wait(&receives[i]), STATUS_SUCCESS);
        EXPECT_EQ(bytes[i], 'x');
        io_init(&receives[i], TRANSPORT_RECEIVE, &bytes[i], 1);
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    long long before = test_now_ms();
    for (int i = 0; i < CONNECTIONS; i++) {
        if (net->cancel(sockets[i], &receives[i].op) == 0)
            io_wait(&receives[i]);
        net->abort(sockets[i]);
        net->close(sockets[i]);
    }
    TEST_NOTE("%d sockets cancelled, aborted and closed in %lld ms", CONNECTIONS, test_now_ms() - before);
    for (int i = 0; i < CONNECTIONS; i++) {
        peer_expect_reset(peers[i]);
        peer_close(peers[i]);
    }
    net->close(listener);
}

/* Connects that never end cost nothing while they wait and nothing to take back. */
TEST(two_thousand_black_holes, "", TEST_TIMEOUT(90))
{
    int port = peer_black_hole_port(PEER_INET);
    allow_descriptors();
    for (int i = 0; i < CONNECTIONS; i++) {
        sockets[i] = net_open(PEER_INET);
        io_init(&receives[i], TRANSPORT_CONNECT, NULL, 0);
        receives[i].connection.address = net_loopback(PEER_INET, port);
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    net_pump(10);
    for (int i = 0; i < CONNECTIONS; i++) {
        io_cancel(sockets[i], &receives[i]);
        net->abort(sockets[i]);
        net->close(sockets[i]);
    }
}
