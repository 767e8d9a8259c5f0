/*
 * uring_parts.c - what single parts of io_uring cost beside what could stand in their place: a wake, a receive
 * into a buffer that the kernel chooses, an accept, a send without a copy.  The transport is built on the
 * better of each; docs/performance.md has the figures.  `uring_parts [SECONDS]`
 */
#include "net.h"

#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

enum {
    CPU_MEASURED,
    CPU_OTHER,
    PORT = 15040,
    CONNECTIONS = 64,
    BUFFER = 16384,
    GROUP = 1,
    SEND_MSG_RING = 31
};

static double seconds = 0.3;

static struct io_uring new_ring(void)
{
    struct io_uring ring;
    struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                                  IORING_SETUP_TASKRUN_FLAG};
    int result = io_uring_queue_init_params(256, &ring, &parameters);

    if (result < 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(-result));
        exit(3);
    }
    return ring;
}

static uint64_t cpu(void)
{
    return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static bool on_time(uint64_t begin)
{
    return now_ns(CLOCK_MONOTONIC) - begin < (uint64_t)(seconds * 1e9);
}

static void pair(int fds[2])
{
    static int listener = -1;
    struct sockaddr_in address = loopback(INADDR_LOOPBACK, PORT);

    if (listener < 0)
        listener = listen_on(PORT, 0);
    fds[1] = CHECK(socket(AF_INET, SOCK_STREAM, 0));
    tune(fds[1]);
    CHECK(connect(fds[1], (struct sockaddr *)&address, sizeof address));
    fds[0] = CHECK(accept(listener, NULL, NULL));
}

/* Takes what is there; returns how many, `flags` of the last. */
static unsigned take(struct io_uring *ring, void (*each)(struct io_uring *, const struct io_uring_cqe *))
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(ring, head, cqe)
    {
        each(ring, cqe);
        count++;
    }
    io_uring_cq_advance(ring, count);
    return count;
}

/* ---- a wake --------------------------------------------------------------------------------------------- */

enum way { EVENTFD, MSG_RING_OWN, MSG_RING_DIRECT };

static struct side {
    struct io_uring ring;
    int event;
    _Atomic bool ready;
    uint64_t woken, cpu;
} sides[2];
static enum way way;
static _Atomic bool over;

static void arm_event(struct side *side)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&side->ring);

    io_uring_prep_poll_multishot(sqe, side->event, POLLIN);
    sqe->user_data = 1;
}

static void wake(struct side *from, struct side *to)
{
    struct io_uring_sqe direct = {.opcode = IORING_OP_MSG_RING, .fd = to->ring.ring_fd, .off = 2};

    if (way == EVENTFD) {
        CHECK(eventfd_write(to->event, 1));
    } else if (way == MSG_RING_OWN) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&from->ring);

        io_uring_prep_msg_ring(sqe, to->ring.ring_fd, 0, 2, 0);
        sqe->user_data = 3;
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        io_uring_submit(&from->ring);
    } else {
        CHECK(syscall(__NR_io_uring_register, -1, SEND_MSG_RING, &direct, 1));
    }
}

static void count_wake(struct io_uring *ring, const struct io_uring_cqe *cqe)
{
    struct side *side = ring == &sides[0].ring ? &sides[0] : &sides[1];

    if (cqe->user_data == 1 && !(cqe->flags & IORING_CQE_F_MORE))
        arm_event(side);
    side->woken += cqe->user_data == 1 || cqe->user_data == 2;
}

static void *pong(void *context)
{
    struct side *side = context;
    struct side *other = &sides[side == sides];
    uint64_t begin, cpu_begin, seen = 0;

    pin(side == sides ? CPU_MEASURED : CPU_OTHER);
    side->ring = new_ring();
    side->event = CHECK(eventfd(0, EFD_NONBLOCK));
    side->woken = 0;
    arm_event(side);
    io_uring_submit(&side->ring);
    side->ready = true;
    while (!other->ready)
        sched_yield();
    begin = now_ns(CLOCK_MONOTONIC);
    cpu_begin = cpu();
    if (side == sides)
        wake(side, other);
    while (!over) {
        struct __kernel_timespec limit = {.tv_nsec = 100000000};
        struct io_uring_cqe *cqe;

        io_uring_submit_and_wait_timeout(&side->ring, &cqe, 1, &limit, NULL);
        take(&side->ring, count_wake);
        for (; seen < side->woken && !over; seen++)
            wake(side, other);
        if (side == sides && !on_time(begin))
            over = true;
    }
    side->cpu = cpu() - cpu_begin;
    return NULL;
}

static void price_of_wakes(enum way with, const char *name)
{
    pthread_t threads[2];

    way = with;
    over = false;
    sides[0].ready = sides[1].ready = false;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, pong, &sides[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        io_uring_queue_exit(&sides[i].ring);
        close(sides[i].event);
    }
    if (sides[0].woken)
        printf("wake      %-34s %7.1f us a round trip, %5.2f us of CPU a wake\n", name,
               seconds * 1e6 / (double)sides[0].woken, (double)sides[0].cpu / 1000 / (double)sides[0].woken);
    else
        printf("wake      %-34s not in this kernel\n", name);
}

/* ---- a receive ------------------------------------------------------------------------------------------ */

static struct io_uring_buf_ring *provided;
static char *memory;
static int pairs[CONNECTIONS][2];
static bool multishot;
static unsigned received;

static void give(unsigned id)
{
    io_uring_buf_ring_add(provided, memory + (size_t)id * BUFFER, BUFFER, (unsigned short)id,
                          io_uring_buf_ring_mask(CONNECTIONS), 0);
    io_uring_buf_ring_advance(provided, 1);
}

static void arm_receive(struct io_uring *ring, unsigned index)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (multishot)
        io_uring_prep_recv_multishot(sqe, pairs[index][0], NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, pairs[index][0], NULL, BUFFER, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = index;
}

static void one_receive(struct io_uring *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->res < 0) {
        fprintf(stderr, "receive: %s\n", strerror(-cqe->res));
        exit(1);
    }
    give(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    received++;
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_receive(ring, (unsigned)cqe->user_data);
}

static void price_of_receives(bool many, const char *name)
{
    struct io_uring ring = new_ring();
    struct io_uring_buf_reg group = {.ring_entries = CONNECTIONS, .bgid = GROUP};
    uint64_t used = 0, begin = now_ns(CLOCK_MONOTONIC), count = 0;

    multishot = many;
    if (posix_memalign((void **)&provided, 4096, 4096) ||
        posix_memalign((void **)&memory, 4096, CONNECTIONS * BUFFER))
        die("memory");
    memset(memory, 0, CONNECTIONS * BUFFER);
    group.ring_addr = (uintptr_t)provided;
    CHECK(io_uring_register_buf_ring(&ring, &group, 0));
    io_uring_buf_ring_init(provided);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        give(i), arm_receive(&ring, i);
    io_uring_submit(&ring);
    while (on_time(begin)) {
        uint64_t start;

        for (unsigned i = 0; i < CONNECTIONS; i++)
            CHECK(
                send(pairs[i][1], "0123456789012345678901234567890123456789012345678901234567890123", 64, 0));
        start = cpu(); /* the sends and what the kernel does in their name are not part of it */
        for (received = 0; received < CONNECTIONS;) {
            io_uring_submit_and_wait(&ring, 1);
            take(&ring, one_receive);
        }
        io_uring_submit(&ring);
        used += cpu() - start;
        count += CONNECTIONS;
    }
    io_uring_queue_exit(&ring);
    printf("receive   %-34s %7.2f us of CPU\n", name, (double)used / 1000 / (double)count);
}

/* What the event loop does instead: the event, the receive, and nothing to arm. */
static void price_of_direct_receives(void)
{
    uint64_t used = 0, begin = now_ns(CLOCK_MONOTONIC), count = 0;
    static char buffer[BUFFER];

    while (on_time(begin)) {
        uint64_t start;

        for (unsigned i = 0; i < CONNECTIONS; i++)
            CHECK(
                send(pairs[i][1], "0123456789012345678901234567890123456789012345678901234567890123", 64, 0));
        start = cpu();
        for (unsigned i = 0; i < CONNECTIONS; i++)
            CHECK(recv(pairs[i][0], buffer, sizeof buffer, MSG_DONTWAIT));
        used += cpu() - start;
        count += CONNECTIONS;
    }
    printf("receive   %-34s %7.2f us of CPU\n", "recv() without any event",
           (double)used / 1000 / (double)count);
}

/* ---- an accept ------------------------------------------------------------------------------------------ */

static int accepted[CONNECTIONS];
static unsigned accepts;
static int listener;

static void arm_accept(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (multishot)
        io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_NONBLOCK);
    else
        io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_NONBLOCK);
}

static void one_accept(struct io_uring *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->res < 0) {
        fprintf(stderr, "accept: %s\n", strerror(-cqe->res));
        exit(1);
    }
    accepted[accepts++] = cqe->res;
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_accept(ring);
}

static void price_of_accepts(bool many, bool try_first, const char *name)
{
    struct io_uring ring = new_ring();
    struct sockaddr_in address = loopback(INADDR_LOOPBACK, PORT + 1);
    uint64_t used = 0, begin = now_ns(CLOCK_MONOTONIC), count = 0;
    struct linger reset = {1, 0};

    listener = listen_on(PORT + 1, SOCK_NONBLOCK);
    multishot = many;
    arm_accept(&ring);
    io_uring_submit(&ring);
    while (on_time(begin)) {
        int clients[CONNECTIONS];
        uint64_t start;

        accepts = 0;
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            clients[i] = CHECK(socket(AF_INET, SOCK_STREAM, 0));
            CHECK(setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
            CHECK(connect(clients[i], (struct sockaddr *)&address, sizeof address));
            start = cpu();
            while (accepts <= i) {
                io_uring_submit_and_wait(&ring, 1);
                take(&ring, one_accept);
            }
            if (try_first && accept4(listener, NULL, NULL, SOCK_NONBLOCK) >= 0)
                die("accept4: one too many");
            used += cpu() - start;
        }
        count += CONNECTIONS;
        for (unsigned i = 0; i < CONNECTIONS; i++)
            close(clients[i]), close(accepted[i]);
    }
    io_uring_queue_exit(&ring);
    close(listener);
    printf("accept    %-34s %7.2f us of CPU\n", name, (double)used / 1000 / (double)count);
}

/* ---- a send --------------------------------------------------------------------------------------------- */

static void *drain(void *context)
{
    static char sink[1 << 20];
    int fd = *(int *)context;

    pin(CPU_OTHER);
    while (recv(fd, sink, sizeof sink, 0) > 0)
        ;
    return NULL;
}

static unsigned results, notifications;

static void one_send(struct io_uring *ring, const struct io_uring_cqe *cqe)
{
    (void)ring;
    if (cqe->res < 0 && !(cqe->flags & IORING_CQE_F_NOTIF)) {
        fprintf(stderr, "send: %s\n", strerror(-cqe->res));
        exit(1);
    }
    if (cqe->flags & IORING_CQE_F_NOTIF)
        notifications++;
    else
        results++;
}

static void price_of_sends(size_t length)
{
    static const char *const names[] = {"send()", "IORING_OP_SEND", "IORING_OP_SEND_ZC"};
    char *data;
    int fds[2];
    pthread_t thread;

    if (posix_memalign((void **)&data, 4096, length))
        die("memory");
    memset(data, 1, length);
    pair(fds);
    pthread_create(&thread, NULL, drain, &fds[1]);
    printf("send      %7zu bytes:", length);
    for (int how = 0; how < 3; how++) {
        struct io_uring ring = new_ring();
        uint64_t begin = now_ns(CLOCK_MONOTONIC), start = cpu(), count = 0;

        notifications = 0;
        while (on_time(begin)) {
            if (how == 0) {
                size_t sent = 0;

                while (sent < length)
                    sent += (size_t)CHECK(send(fds[0], data + sent, length - sent, MSG_NOSIGNAL));
            } else {
                struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
                unsigned goal = how == 2;

                if (how == 1)
                    io_uring_prep_send(sqe, fds[0], data, length, MSG_WAITALL);
                else
                    io_uring_prep_send_zc(sqe, fds[0], data, length, MSG_WAITALL, 0);
                results = notifications = 0;
                while (!results || notifications < goal) { /* the memory is the owner's again */
                    io_uring_submit_and_wait(&ring, 1);
                    take(&ring, one_send);
                }
            }
            count++;
        }
        printf("  %s %.1f us", names[how], (double)(cpu() - start) / 1000 / (double)count);
        io_uring_queue_exit(&ring);
    }
    printf(" of CPU\n");
    close(fds[0]);
    pthread_join(thread, NULL);
    close(fds[1]);
    free(data);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = atof(argv[1]);
    pin(CPU_MEASURED);
    price_of_wakes(EVENTFD, "eventfd, polled by the ring");
    price_of_wakes(MSG_RING_OWN, "MSG_RING from a ring");
    price_of_wakes(MSG_RING_DIRECT, "MSG_RING without a ring");
    for (int i = 0; i < CONNECTIONS; i++)
        pair(pairs[i]);
    price_of_receives(false, "a request each");
    price_of_receives(true, "multishot");
    price_of_direct_receives();
    price_of_accepts(false, true, "a request each, and a look for more");
    price_of_accepts(false, false, "a request each");
    price_of_accepts(true, false, "multishot");
    for (size_t length = 4096; length <= 1 << 20; length *= 4)
        price_of_sends(length);
    return 0;
}
