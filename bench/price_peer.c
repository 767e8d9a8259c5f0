/*
 * price_peer.c - what the things that driver/price.c measures cost without uwsk: memory of an IRP's size
 * allocated, cleared and freed; a socket with N receives in an io_uring, cancelled and closed; N idle
 * connections in an epoll set, reset and closed.  `price_peer SINK-PORT`; the same lines of output.
 */
#include "net.h"

#include <liburing.h>
#include <sys/epoll.h>

enum { IDLE = 9000, ALLOCATIONS = 200000, IRP_BYTES = 280 };

static unsigned port;

static uint64_t now(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

static void price(const char *name, uint64_t ns)
{
    printf("price %s %llu\n", name, (unsigned long long)ns);
}

static int connected(void)
{
    struct sockaddr_in server = loopback(INADDR_LOOPBACK, port);
    int fd = CHECK(socket(AF_INET, SOCK_STREAM, 0));

    tune(fd);
    CHECK(connect(fd, (struct sockaddr *)&server, sizeof server));
    return fd;
}

/* Without FIN and TIME_WAIT, as WskCloseSocket ends a connection that nobody has disconnected. */
static void reset_and_close(int fd)
{
    struct linger reset = {1, 0};

    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    close(fd);
}

static void price_of_memory(void)
{
    uint64_t begin = now();

    for (int i = 0; i < ALLOCATIONS; i++) {
        void *volatile memory = malloc(IRP_BYTES);

        if (!memory)
            die("malloc");
        memset(memory, 0, IRP_BYTES);
        free(memory);
    }
    price("irp", (now() - begin) / ALLOCATIONS);
}

static void price_of_pending(struct io_uring *ring, unsigned count)
{
    static char buffer[64];
    char name[40];
    uint64_t begin;
    int fd = connected();

    for (unsigned i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

        if (!sqe) {
            io_uring_submit(ring);
            sqe = io_uring_get_sqe(ring);
        }
        io_uring_prep_recv(sqe, fd, buffer, sizeof buffer, 0);
        sqe->user_data = 1;
    }
    io_uring_submit(ring);
    begin = now();
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    sqe->user_data = 0;
    for (unsigned left = count + 1; left != 0;) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;

        CHECK(io_uring_submit_and_wait(ring, 1));
        io_uring_for_each_cqe(ring, head, cqe) seen++;
        io_uring_cq_advance(ring, seen);
        left -= seen;
    }
    reset_and_close(fd);
    snprintf(name, sizeof name, "close-%u-pending", count);
    price(name, now() - begin);
}

static void price_of_idle(void)
{
    static int fds[IDLE];
    int epoll = CHECK(epoll_create1(0));
    uint64_t begin;

    for (int i = 0; i < IDLE; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = i};

        fds[i] = connected();
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event));
    }
    begin = now();
    for (int i = 0; i < IDLE; i++)
        reset_and_close(fds[i]);
    price("close-idle", (now() - begin) / IDLE);
}

int main(int argc, char **argv)
{
    struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                                  IORING_SETUP_CQSIZE,
                                         .cq_entries = 16384};
    static const unsigned pending[] = {1, 100, 10000};
    struct io_uring ring;
    int uring;

    port = port_argument(argc, argv);
    many_descriptors();
    uring = io_uring_queue_init_params(4096, &ring, &parameters);
    for (int round = 0; round < 5; round++) {
        price_of_memory();
        for (int i = 0; i < 3 && uring == 0; i++)
            price_of_pending(&ring, pending[i]);
    }
    price_of_idle();
    return 0;
}
