/* The loops: waiting, waking, deadlines, signals, bounded work, whom an event is for. */
#include "net.h"
#include "transport/common/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_EACH("pumped/natural"));

static char sink[65536]; /* what a peer reads and nobody looks at */

TEST(wait_ends_at_its_deadline, "")
{
    for (int i = 0; i < 3; i++) {
        uint64_t deadline = host_now() + 20000000;
        net->wait(transport, 0, deadline);
        EXPECT(host_now() >= deadline);
        EXPECT_EQ(net->dispatch(transport, 0), 0);
    }
    net->wait(transport, 0, host_now() - 1); /* one that is over */
    net->wait(transport, 0, 0);
}

TEST(wake_before_wait_is_not_lost, "")
{
    for (int i = 0; i < 100; i++) {
        net->wake(transport, 0);
        net->wake(transport, 0);
        net->wait(transport, 0, HOST_FOREVER);
    }
    /* ... and counts once. */
    uint64_t deadline = host_now() + 20000000;
    net->wait(transport, 0, deadline);
    EXPECT(host_now() >= deadline);
}

struct waker {
    _Atomic long waits;
    long rounds;
};

static void wake_each_wait(void *argument)
{
    struct waker *waker = argument;
    for (long i = 0; i < waker->rounds; i++) {
        while (atomic_load(&waker->waits) <= i)
            host_yield();
        net->wake(transport, 0);
    }
}

/* Two threads step by step: a single lost wake hangs the test. */
TEST(wake_ends_a_wait, "", TEST_TIMEOUT(60))
{
    struct waker waker = {.rounds = test_scale(15000)};
    struct test_thread *thread = test_thread_start(wake_each_wait, &waker);
    for (long i = 0; i < waker.rounds; i++) {
        atomic_store(&waker.waits, i + 1);
        net->wait(transport, 0, HOST_FOREVER);
    }
    /* A wake may have ended two waits (spuriously), but then the waker still has to go through its rounds. */
    test_thread_join(thread);
}

static void on_alarm(int signal)
{
    (void)signal;
}

TEST(signals_do_not_end_a_wait, "", TEST_MODES(NET_LINUX("pumped/natural")))
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 3000}, {0, 3000}}, off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    uint64_t deadline = host_now() + 50000000;
    net->wait(transport, 0, deadline);
    EXPECT(host_now() >= deadline);
    setitimer(ITIMER_REAL, &off, NULL);
}

enum { MANY = 150 };

static _Atomic int completed;

static void count(struct io *io)
{
    atomic_fetch_add(&completed, 1);
    atomic_store(&io->over, 1);
}

TEST(dispatch_does_a_bounded_amount, "")
{
    static struct transport_socket *sockets[MANY];
    static struct io receives[MANY];
    static int peers[MANY];
    static char bytes[MANY];
    int port = 0, listener = peer_listen(PEER_INET, &port);
    for (int i = 0; i < MANY; i++) {
        struct io connect;
        sockets[i] = net_open(PEER_INET);
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, port);
        EXPECT_STATUS(io_run(sockets[i], &connect), STATUS_SUCCESS);
        peers[i] = peer_accept(listener);
        io_init(&receives[i], TRANSPORT_RECEIVE, &bytes[i], 1);
        receives[i].then = count;
        EXPECT_STATUS(io_start(sockets[i], &receives[i]), STATUS_PENDING);
    }
    for (int i = 0; i < 3; i++)
        net_pump(1);
    for (int i = 0; i < MANY; i++)
        peer_send(peers[i], "x", 1);
    for (int i = 0; i < 2;
         i++) /* each takes so many events at most: two bring more than one dispatch() looks at */
        net->wait(transport, 0, host_now() + 1000000000);
    EXPECT_EQ(atomic_load(&completed), 0); /* wait only collects */
    EXPECT_EQ(net->dispatch(transport, 0), 1);
    int first = atomic_load(&completed);
    EXPECT(first > 0 && first < MANY);
    EXPECT_PUMPED(atomic_load(&completed) == MANY);
    for (int i = 0; i < MANY; i++) {
        net->close(sockets[i]);
        peer_close(peers[i]);
    }
    peer_close(listener);
}

/* A send that could go on for long lets others have their turn. */
TEST(long_sends_come_in_slices, "")
{
    int peer;
    size_t length = 3000000;
    char *memory = calloc(1, length);
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send;
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_SEND_BUFFER, 8000000), STATUS_SUCCESS);
    io_init(&send, TRANSPORT_SEND, memory, length);
    EXPECT_STATUS(io_start(socket, &send), STATUS_PENDING);
    EXPECT(send.op.bytes > 0 && send.op.bytes <= 1 << 20);
    while (!atomic_load(&send.over)) {
        long got = peer_receive(peer, sink, sizeof(sink), 1);
        EXPECT(got > 0 || got == -2);
        net_pump(0);
    }
    EXPECT_STATUS(send.status, STATUS_SUCCESS);
    net->abort(socket);
    net->close(socket);
    peer_close(peer);
    free(memory);
}

/* An open file that somebody else has, too (a child that was forked), stays in the epoll set when its socket is closed.
 * What it tells is not of the next socket, which has the number and the memory. */
TEST(events_of_a_file_that_outlives_its_socket, "", TEST_MODES(NET_LINUX("pumped/natural")))
{
    enum { LOWER = 64 };
    int port = 0, listener = peer_listen(PEER_INET, &port), peer, next_peer, lower[LOWER], count = 0;
    struct io fin, connect;
    transport->loops[0].last_name = UINT32_MAX - 1; /* the next name but one comes again */
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    io_init(&fin, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    EXPECT_STATUS(io_start(socket, &fin), STATUS_PENDING);
    net_pump(0);
    int number = socket->fd, elsewhere;
    do
        elsewhere = lower[count++] = dup(number);
    while (elsewhere < number && count < LOWER);
    EXPECT(elsewhere > number);
    EXPECT_EQ(net->cancel(socket, &fin.op), 1);
    net->close(socket);
    net_pump(0); /* its memory is the next one's */
    socket = net_open(PEER_INET);
    EXPECT_EQ(socket->fd, number);
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
    next_peer = peer_accept(listener);
    io_init(&fin, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    EXPECT_STATUS(io_start(socket, &fin), STATUS_PENDING);
    net_pump(0);
    peer_send(peer, "x", 1);
    peer_shutdown(peer);
    io_expect_pending(&fin, 20);
    peer_shutdown(next_peer);
    EXPECT_STATUS(io_wait(&fin), STATUS_SUCCESS);
    net->close(socket);
    while (count > 0)
        close(lower[--count]);
    peer_close(peer);
    peer_close(next_peer);
    peer_close(listener);
}

/* Is the number in the epoll set of a loop? */
static int is_watched(int number)
{
    char name[64], line[128];
    unsigned found;

    for (unsigned i = 0; i < transport->loop_count; i++) {
        snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", transport->loops[i].epoll_fd);
        FILE *set = fopen(name, "re");
        EXPECT(set != NULL);
        while (fgets(line, sizeof(line), set)) {
            if (sscanf(line, "tfd: %u", &found) == 1 && (int)found == number) {
                fclose(set);
                return 1;
            }
        }
        fclose(set);
    }
    return 0;
}

/* Another thread than the loop's takes the descriptor off the set itself: the loop may just then hold the file, and so
 * the port beyond the end of the close (C-CLOSE-45, linux-facts 46). */
TEST(close_on_another_thread_leaves_the_set_first, "", TEST_MODES(NET_LINUX("threads/natural")))
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io fin;

    io_init(&fin, TRANSPORT_WATCH_PEER_FIN, NULL, 0);
    EXPECT_STATUS(io_start(socket, &fin), STATUS_PENDING);
    int number = socket->fd, elsewhere = dup(number); /* close() alone leaves it in the set */
    EXPECT(is_watched(number));
    EXPECT_EQ(net->cancel(socket, &fin.op), 1);
    net->close(socket);
    EXPECT(!is_watched(number));
    close(elsewhere);
    peer_close(peer);
}
