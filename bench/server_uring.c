/*
 * server_uring.c - an echo on a raw io_uring with what makes one quick: one issuer with deferred task work,
 * multishot accept, multishot receive into provided buffers, sends straight from those buffers, one system
 * call a batch.
 */
#include "net.h"

#include <liburing.h>
#include <stdbool.h>

enum { BUFFERS = 1024, BUFFER_SIZE = 16384, GROUP = 1, NOBODY = BUFFERS };
enum work { ACCEPT, RECEIVE, SEND, CLOSE };

struct connection {
    int fd;
    bool receiving, sending, over;
    unsigned first, last; /* buffers to be sent, in order */
    struct connection *next;
};

static struct io_uring ring;
static struct io_uring_buf_ring *provided;
static char *memory;
static struct {
    unsigned length, offset, next;
} buffers[BUFFERS];
static struct connection *starved; /* to be armed again when buffers are back */

static struct io_uring_sqe *next_sqe(enum work work, struct connection *c)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (!sqe) {
        CHECK(io_uring_submit(&ring));
        sqe = io_uring_get_sqe(&ring);
    }
    sqe->user_data = (uintptr_t)c | work;
    return sqe;
}

#define PREPARE(work, c, prepare, ...)                                                                       \
    do {                                                                                                     \
        struct io_uring_sqe *sqe_ = next_sqe(work, c);                                                       \
        uint64_t data_ = sqe_->user_data;                                                                    \
        prepare(sqe_, __VA_ARGS__);                                                                          \
        sqe_->user_data = data_;                                                                             \
        sqe_made = sqe_;                                                                                     \
    } while (0)
static struct io_uring_sqe *sqe_made;

static void give_back(unsigned id)
{
    io_uring_buf_ring_add(provided, memory + (size_t)id * BUFFER_SIZE, BUFFER_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(provided, 1);
}

static void receive(struct connection *c)
{
    PREPARE(RECEIVE, c, io_uring_prep_recv_multishot, c->fd, NULL, 0, 0);
    sqe_made->flags |= IOSQE_BUFFER_SELECT;
    sqe_made->buf_group = GROUP;
    c->receiving = true;
}

static void send_first(struct connection *c)
{
    unsigned id = c->first;

    PREPARE(SEND, c, io_uring_prep_send, c->fd, memory + (size_t)id * BUFFER_SIZE + buffers[id].offset,
            buffers[id].length, MSG_WAITALL | MSG_NOSIGNAL);
    c->sending = true;
}

static void maybe_end(struct connection *c)
{
    if (!c->over || c->receiving || c->sending)
        return;
    for (; c->first != NOBODY; c->first = buffers[c->first].next)
        give_back(c->first);
    PREPARE(CLOSE, NULL, io_uring_prep_close, c->fd);
    free(c);
}

static void on_receive(struct connection *c, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE))
        c->receiving = false;
    if (cqe->res > 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        buffers[id].length = (unsigned)cqe->res;
        buffers[id].offset = 0;
        buffers[id].next = NOBODY;
        if (c->first == NOBODY)
            c->first = id;
        else
            buffers[c->last].next = id;
        c->last = id;
        if (!c->sending)
            send_first(c);
    } else if (cqe->res != -ENOBUFS) {
        if (c->first == NOBODY || cqe->res < 0)
            c->over = true;
        else
            shutdown(c->fd, SHUT_RD), c->over = true;
    }
    if (!c->receiving && !c->over) {
        c->next = starved;
        starved = c;
    }
    maybe_end(c);
}

static void on_send(struct connection *c, int result)
{
    unsigned id = c->first;

    c->sending = false;
    if (result >= 0 && (unsigned)result < buffers[id].length) {
        buffers[id].offset += (unsigned)result;
        buffers[id].length -= (unsigned)result;
        send_first(c);
        return;
    }
    c->first = buffers[id].next;
    give_back(id);
    if (result < 0 && !c->over)
        shutdown(c->fd, SHUT_RDWR); /* the receive ends, then the connection */
    else if (result >= 0 && c->first != NOBODY)
        send_first(c);
    maybe_end(c);
}

static void on_accept(int fd)
{
    struct connection *c;

    if (fd < 0)
        return;
    c = calloc(1, sizeof *c);
    if (!c)
        die("calloc");
    c->fd = fd;
    c->first = NOBODY;
    receive(c);
}

int main(int argc, char **argv)
{
    struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                                  IORING_SETUP_CQSIZE,
                                         .cq_entries = 8192};
    struct io_uring_buf_reg group = {.ring_entries = BUFFERS, .bgid = GROUP};
    int listener = listen_on(port_argument(argc, argv), 0), result;

    many_descriptors();
    result = io_uring_queue_init_params(2048, &ring, &parameters);
    if (result < 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(-result));
        return 3;
    }
    io_uring_register_ring_fd(&ring);
    if (posix_memalign((void **)&provided, 4096, BUFFERS * sizeof(struct io_uring_buf)) ||
        posix_memalign((void **)&memory, 4096, (size_t)BUFFERS * BUFFER_SIZE))
        die("memory");
    group.ring_addr = (uintptr_t)provided;
    result = io_uring_register_buf_ring(&ring, &group, 0);
    if (result < 0) {
        fprintf(stderr, "buffer ring: %s\n", strerror(-result));
        return 3;
    }
    io_uring_buf_ring_init(provided);
    for (unsigned id = 0; id < BUFFERS; id++)
        give_back(id);
    PREPARE(ACCEPT, NULL, io_uring_prep_multishot_accept, listener, NULL, NULL, 0);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;

        while (starved) {
            struct connection *c = starved;

            starved = c->next;
            receive(c);
        }
        result = io_uring_submit_and_wait(&ring, 1);
        if (result < 0 && result != -EINTR) {
            fprintf(stderr, "submit: %s\n", strerror(-result));
            return 1;
        }
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            struct connection *c = (struct connection *)(uintptr_t)(cqe->user_data & ~(uint64_t)7);

            count++;
            switch ((enum work)(cqe->user_data & 7)) {
            case ACCEPT:
                on_accept(cqe->res);
                if (!(cqe->flags & IORING_CQE_F_MORE))
                    PREPARE(ACCEPT, NULL, io_uring_prep_multishot_accept, listener, NULL, NULL, 0);
                break;
            case RECEIVE:
                on_receive(c, cqe);
                break;
            case SEND:
                on_send(c, cqe->res);
                break;
            case CLOSE:
                break;
            }
        }
        io_uring_cq_advance(&ring, count);
    }
}
