/* What the epoll set refuses to watch has begun all the same: it is undone, or the connection is over. */
#include "net.h"
#include "transport/common/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_LINUX("pumped/natural"));

/* Instead of the set, under its number, a file that is none: epoll_ctl fails as it does without memory. */
static int without_set(struct transport_socket *socket)
{
    int set = socket->loop->epoll_fd, kept = fcntl(set, F_DUPFD_CLOEXEC, 0), none = open("/dev/null", O_RDWR);

    EXPECT(kept >= 0 && none >= 0);
    EXPECT_EQ(dup2(none, set), set);
    close(none);
    return kept;
}

static void with_set(struct transport_socket *socket, int kept)
{
    EXPECT_EQ(dup2(kept, socket->loop->epoll_fd), socket->loop->epoll_fd);
    close(kept);
}

static void connect_to(struct io *io, int port)
{
    io_init(io, TRANSPORT_CONNECT, NULL, 0);
    io->connection.address = net_loopback(PEER_INET, port);
}

TEST(a_connect_leaves_none_behind, "R-CONN-05")
{
    int port = 0, listener = peer_listen(PEER_INET, &port), peer, kept;
    struct transport_socket *socket = net_open(PEER_INET);
    struct io connect, receive;
    char byte;

    connect_to(&connect, port);
    kept = without_set(socket);
    int32_t status = io_start(socket, &connect);
    with_set(socket, kept);
    EXPECT(status < 0);
    peer = peer_accept_within(listener, 100); /* the kernel was quicker, and takes it back */
    if (peer >= 0) {
        EXPECT(peer_receive(peer, &byte, 1, 5000) <= 0);
        peer_close(peer);
    }
    connect_to(&connect, port);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
    peer = peer_accept(listener);
    peer_send(peer, "x", 1);
    io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
    EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);
    peer_close(listener);
}

/* Part of it has gone: what came after it would follow on a torn one.  Whether the set knows the socket already, and whoever
 * waits for the connection's end is told. */
TEST(a_send_that_has_begun_ends_the_connection, "")
{
    size_t length = 32 << 20;
    char *bytes = calloc(1, length);

    for (int watched = 0; watched < 2; watched++) {
        int peer, kept;
        struct transport_socket *socket = net_accepted(PEER_INET, &peer);
        struct io send, reset;

        EXPECT_EQ(socket->interest, 0);
        io_init(&reset, TRANSPORT_WATCH_RESET, NULL, 0);
        if (watched)
            EXPECT_STATUS(io_start(socket, &reset), STATUS_PENDING);
        io_init(&send, TRANSPORT_SEND, bytes, length);
        kept = without_set(socket);
        int32_t status = io_start(socket, &send);
        with_set(socket, kept);
        if (status == STATUS_PENDING) { /* the ring carries it: nothing was refused */
            EXPECT(!test_mode_has("epoll"));
            if (!net->cancel(socket, &send.op))
                io_wait(&send);
            if (watched && !net->cancel(socket, &reset.op))
                io_wait(&reset);
        } else {
            EXPECT(status < 0);
            if (watched)
                EXPECT_STATUS(io_wait(&reset), status);
            io_init(&send, TRANSPORT_SEND, bytes, 1);
            EXPECT_STATUS(io_start(socket, &send), status);
        }
        net->close(socket);
        peer_close(peer);
    }
    free(bytes);
}
