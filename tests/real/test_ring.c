/*
 * io_uring as the uring transport relies on it: how long a request holds a descriptor, how a request ends, what its
 * result says, who may wake a ring.  Each test names the fact.
 */
#include "peer.h"
#include "uwsk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUP = 3 };

static struct io_uring ring;

/* A ring as the transport makes it.  False, with a note, where there is none (tests/transport says why). */
static int ring_up(void)
{
    int error = io_uring_queue_init(
        64, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG);

    if (error)
        TEST_NOTE("skipped: io_uring_setup: %s", strerror(-error));
    return error == 0;
}

static struct io_uring_sqe *request(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    EXPECT(sqe != NULL);
    return sqe;
}

/* The next result within that time; user_data 0 when none comes. */
static struct io_uring_cqe next_result(int timeout_ms)
{
    struct __kernel_timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
    struct io_uring_cqe *cqe = NULL, result = {0};
    int error;

    do
        error = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &timeout, NULL);
    while (error == -EINTR);
    if (io_uring_peek_cqe(&ring, &cqe) == 0) {
        result = *cqe;
        io_uring_cqe_seen(&ring, cqe);
    } else {
        EXPECT(error >= 0 || error == -ETIME); /* a number: that many were submitted */
    }
    return result;
}

/* The result for `data` within five seconds; what else comes meanwhile is dropped. */
static struct io_uring_cqe result_of(unsigned long data)
{
    struct io_uring_cqe cqe = {0};

    for (int i = 0; i < 50 && cqe.user_data != data; i++)
        cqe = next_result(100);
    EXPECT_EQ(cqe.user_data, data);
    return cqe;
}

static void receive(int fd, void *buffer, unsigned length, unsigned long data)
{
    struct io_uring_sqe *sqe = request();

    io_uring_prep_recv(sqe, fd, buffer, length, 0);
    sqe->user_data = data;
    EXPECT_EQ(io_uring_submit(&ring), 1);
}

/* Cancels it and waits for its own result, after which the kernel has let go of it. */
static int cancelled(unsigned long target)
{
    struct io_uring_sqe *sqe = request();

    io_uring_prep_cancel64(sqe, target, 0);
    sqe->user_data = 1000;
    return result_of(target).res;
}

/* Our side is not blocking, as in the transports. */
static int connected(int *peer)
{
    int port = 0, listener = peer_listen(PEER_INET, &port);
    int ours = peer_connect(PEER_INET, port, 5000);

    EXPECT(ours >= 0);
    *peer = peer_accept(listener);
    peer_close(listener);
    EXPECT_EQ(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
    return ours;
}

/* ---- fact 1 ------------------------------------------------------------------------------------------- */

TEST(fact_01_a_request_outlives_close_and_keeps_the_connection, "")
{
    int peer, ours;
    char byte;

    if (!ring_up())
        return;
    ours = connected(&peer);
    receive(ours, &byte, 1, 1);
    EXPECT_EQ(next_result(20).user_data, 0);
    close(ours);
    peer_expect_silence(peer, 30);
    EXPECT_EQ(cancelled(1), -ECANCELED);
    peer_expect_fin(peer);
}

/* ---- facts 2, 3: cancel by name ----------------------------------------------------------------------- */

TEST(fact_02_cancel_by_name_finds_or_does_not, "")
{
    int peer, ours;
    char byte;
    struct io_uring_sqe *sqe;

    if (!ring_up())
        return;
    ours = connected(&peer);
    receive(ours, &byte, 1, 1);
    EXPECT_EQ(cancelled(1), -ECANCELED);
    sqe = request();
    io_uring_prep_cancel64(sqe, 1, 0);
    sqe->user_data = 2;
    EXPECT_EQ(result_of(2).res, -ENOENT);
    /* The stream is where it was. */
    peer_send(peer, "x", 1);
    receive(ours, &byte, 1, 3);
    EXPECT_EQ(result_of(3).res, 1);
    EXPECT_EQ(byte, 'x');
}

TEST(fact_03_a_cancelled_send_tells_what_has_gone, "")
{
    static char block[8 << 20];
    int peer, ours, result;
    struct io_uring_sqe *sqe;

    if (!ring_up())
        return;
    ours = connected(&peer);
    peer_set_sndbuf(ours, 10000);
    sqe = request();
    io_uring_prep_send(sqe, ours, block, sizeof block, MSG_WAITALL | MSG_NOSIGNAL);
    sqe->user_data = 1;
    EXPECT_EQ(next_result(20).user_data, 0);
    result = cancelled(1);
    EXPECT(result > 0 && result < (int)sizeof block);
    close(ours);
    EXPECT_EQ(peer_drain_to_fin(peer), (unsigned long)result);
}

/* ---- fact 4 ------------------------------------------------------------------------------------------- */

TEST(fact_04_a_closed_listener_accepts_until_its_accept_is_cancelled, "")
{
    int port = 0, listener, client;
    struct io_uring_sqe *sqe;

    if (!ring_up())
        return;
    listener = peer_listen(PEER_INET, &port);
    sqe = request();
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = 1;
    EXPECT_EQ(next_result(20).user_data, 0);
    close(listener);
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 0);
    client = peer_connect(PEER_INET, port, 5000);
    EXPECT(client >= 0);
    EXPECT(result_of(1).res >= 0);
}

TEST(fact_04_a_cancelled_accept_lets_go_of_its_listener, "")
{
    int port = 0, listener;
    struct io_uring_sqe *sqe;

    if (!ring_up())
        return;
    listener = peer_listen(PEER_INET, &port);
    sqe = request();
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = 1;
    EXPECT_EQ(next_result(20).user_data, 0);
    EXPECT_EQ(cancelled(1), -ECANCELED);
    close(listener);
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 1);
}

/* ---- fact 11: one thread, one ring -------------------------------------------------------------------- */

static void submit_elsewhere(void *context)
{
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    *(int *)context = io_uring_submit(&ring);
}

TEST(fact_11_only_its_thread_submits, "")
{
    int result = 0;

    if (!ring_up())
        return;
    test_thread_join(test_thread_start(submit_elsewhere, &result));
    EXPECT_EQ(result, -EEXIST);
}

TEST(fact_11_results_come_only_when_they_are_asked_for, "")
{
    int peer, ours;
    char byte;
    struct io_uring_cqe *cqe;

    if (!ring_up())
        return;
    ours = connected(&peer);
    receive(ours, &byte, 1, 1);
    peer_send(peer, "x", 1);
    test_sleep_ms(20);
    EXPECT_EQ(io_uring_cq_ready(&ring), 0);
    EXPECT(*ring.sq.kflags & IORING_SQ_TASKRUN); /* that it is to be asked for, the ring tells */
    EXPECT_EQ(io_uring_get_events(&ring), 0);
    EXPECT_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
    EXPECT_EQ(cqe->res, 1);
}

/* ---- fact 12: a wake ---------------------------------------------------------------------------------- */

TEST(fact_12_an_eventfd_tells_what_is_not_shown_yet, "")
{
    int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), peer, ours;
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET}, found;
    int set = epoll_create1(EPOLL_CLOEXEC);
    char byte;

    if (!ring_up())
        return;
    ours = connected(&peer);
    EXPECT_EQ(io_uring_register_eventfd(&ring, event), 0);
    EXPECT_EQ(epoll_ctl(set, EPOLL_CTL_ADD, event, &wanted), 0);
    for (int i = 0; i < 3; i++) { /* the counter is never read */
        receive(ours, &byte, 1, 1);
        while (epoll_wait(set, &found, 1, 0) == 1)
            ;
        peer_send(peer, "x", 1);
        EXPECT_EQ(epoll_wait(set, &found, 1, 2000), 1);
        EXPECT_EQ(io_uring_cq_ready(&ring), 0);
        EXPECT_EQ(result_of(1).res, 1);
    }
}

/* ---- fact 13: provided buffers ------------------------------------------------------------------------ */

TEST(fact_13_a_buffer_is_taken_when_data_is_there, "")
{
    _Alignas(4096) static char memory[4096];
    struct io_uring_buf_ring *buffers = (struct io_uring_buf_ring *)memory;
    struct io_uring_buf_reg group = {
        .ring_addr = (__u64)(__UINTPTR_TYPE__)memory, .ring_entries = 1, .bgid = GROUP};
    static char buffer[16];
    int peers[2], ours[2];
    struct io_uring_cqe cqe;

    if (!ring_up())
        return;
    EXPECT_EQ(io_uring_register_buf_ring(&ring, &group, 0), 0);
    io_uring_buf_ring_init(buffers);
    io_uring_buf_ring_add(buffers, buffer, sizeof buffer, 9, io_uring_buf_ring_mask(1), 0);
    io_uring_buf_ring_advance(buffers, 1);
    for (int i = 0; i < 2; i++) { /* two wait, and one buffer is enough for both to do so */
        struct io_uring_sqe *sqe = request();

        ours[i] = connected(&peers[i]);
        io_uring_prep_recv(sqe, ours[i], NULL, sizeof buffer, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = GROUP;
        sqe->user_data = (unsigned)i + 1;
        EXPECT_EQ(next_result(20).user_data, 0);
    }
    peer_send(peers[1], "yes", 3);
    cqe = result_of(2);
    EXPECT_EQ(cqe.res, 3);
    EXPECT_EQ(cqe.flags >> IORING_CQE_BUFFER_SHIFT, 9);
    EXPECT(memcmp(buffer, "yes", 3) == 0);
    peer_send(peers[0], "no", 2);
    cqe = result_of(1);
    EXPECT_EQ(cqe.res, -ENOBUFS);
    EXPECT_EQ(recv(ours[0], buffer, sizeof buffer, MSG_DONTWAIT), 2); /* and the data waits */
}

/* ---- fact 25 ------------------------------------------------------------------------------------------ */

TEST(fact_25_an_abort_ends_a_receive_in_the_ring, "")
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int peer, ours, result;
    char byte;

    if (!ring_up())
        return;
    ours = connected(&peer);
    receive(ours, &byte, 1, 1);
    EXPECT_EQ(next_result(20).user_data, 0);
    EXPECT_EQ(connect(ours, &nobody, sizeof nobody), 0);
    result = cancelled(1);
    EXPECT(result == -ECONNRESET || result == -ECANCELED || result == 0);
    peer_expect_reset(peer);
}

/* ---- fact 32 ------------------------------------------------------------------------------------------ */

TEST(fact_32_an_epoll_set_in_the_ring_tells_of_its_events_and_holds_nothing, "")
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), peer, port = 0, listener;
    struct epoll_event entry = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    struct io_uring_sqe *sqe;

    if (!ring_up())
        return;
    sqe = request();
    io_uring_prep_poll_multishot(sqe, epoll, POLLIN);
    sqe->user_data = 1;
    EXPECT_EQ(next_result(20).user_data, 0);
    int ours = connected(&peer);
    EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, ours, &entry), 0);
    for (int i = 0; i < 3; i++) { /* each arrival is heard of, without a read in between */
        struct io_uring_cqe cqe;

        peer_send(peer, "x", 1);
        cqe = result_of(1);
        EXPECT(cqe.res > 0 && (cqe.flags & IORING_CQE_F_MORE));
        EXPECT_EQ(epoll_wait(epoll, &entry, 1, 5000), 1);
    }
    listener = peer_listen(PEER_INET, &port);
    EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &entry), 0);
    EXPECT_EQ(next_result(20).user_data, 0);
    close(listener);
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 1);
}

/* What a poll of the descriptor itself would do, and why none is used. */
TEST(fact_32_a_poll_in_the_ring_holds_its_descriptor, "")
{
    int port = 0, listener;
    struct io_uring_sqe *sqe;

    if (!ring_up())
        return;
    listener = peer_listen(PEER_INET, &port);
    sqe = request();
    io_uring_prep_poll_add(sqe, listener, POLLIN);
    sqe->user_data = 1;
    EXPECT_EQ(next_result(20).user_data, 0);
    close(listener);
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 0);
    EXPECT_EQ(cancelled(1), -ECANCELED);
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 1);
}

/* ---- fact 35 ------------------------------------------------------------------------------------------ */

TEST(fact_35_a_transfer_in_the_ring_takes_the_error_with_it, "")
{
    int peer, ours, error = 1;
    socklen_t length = sizeof error;
    struct pollfd fd;
    char byte;

    if (!ring_up())
        return;
    ours = connected(&peer);
    receive(ours, &byte, 1, 1);
    EXPECT_EQ(next_result(20).user_data, 0);
    peer_reset(peer);
    EXPECT_EQ(result_of(1).res, -ECONNRESET);
    fd = (struct pollfd){.fd = ours, .events = POLLIN | POLLOUT | POLLRDHUP};
    EXPECT_EQ(poll(&fd, 1, 0), 1);
    EXPECT(fd.revents & POLLHUP);
    EXPECT(!(fd.revents & POLLERR));
    EXPECT_EQ(getsockopt(ours, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT_EQ(error, 0);
}

/* ---- facts 36, 37: is there more? --------------------------------------------------------------------- */

TEST(fact_36_a_receive_waits_and_tells_whether_there_is_more, "")
{
    int peer, ours;
    char bytes[8];
    struct io_uring_cqe cqe;

    if (!ring_up())
        return;
    ours = connected(&peer); /* O_NONBLOCK */
    receive(ours, bytes, 2, 1);
    EXPECT_EQ(next_result(20).user_data, 0);
    peer_send(peer, "abc", 3);
    cqe = result_of(1);
    EXPECT_EQ(cqe.res, 2);
    EXPECT(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY);
    receive(ours, bytes, 2, 2);
    cqe = result_of(2);
    EXPECT_EQ(cqe.res, 1);
    EXPECT(!(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY));
    peer_send(peer, "d", 1);
    peer_shutdown(peer);
    test_sleep_ms(20);
    receive(ours, bytes, 1, 3);
    cqe = result_of(3);
    EXPECT_EQ(cqe.res, 1);
    EXPECT(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY); /* the FIN */
}

TEST(fact_37_an_accept_looks_before_it_waits, "")
{
    int port = 0, listener, clients[2];
    struct io_uring_cqe cqe;

    if (!ring_up())
        return;
    listener = peer_listen(PEER_INET, &port);
    EXPECT_EQ(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 2; i++)
        clients[i] = peer_connect(PEER_INET, port, 5000);
    for (unsigned i = 1; i <= 2; i++) {
        struct io_uring_sqe *sqe = request();

        io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
        sqe->user_data = i;
        cqe = result_of(i);
        EXPECT(cqe.res >= 0);
        if (i == 1 && !(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY))
            TEST_NOTE("this kernel does not tell that more connections wait");
        else
            EXPECT_EQ(!!(cqe.flags & IORING_CQE_F_SOCK_NONEMPTY), i == 1);
    }
    for (int i = 0; i < 2; i++)
        peer_close(clients[i]);
}
