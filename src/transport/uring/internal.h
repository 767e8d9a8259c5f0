/*
 * internal.h - the io_uring transport's own structures, and the reasons why its races are harmless (those
 * that it shares with the epoll transport are told in transport/common/internal.h).
 *
 * What the kernel carries out.  A send that would block goes into the ring (transport_uring_all: a receive and an
 * accept, too): one of a kind per socket, known to the kernel by (socket, kind).  All else waits in the loop's epoll
 * set, in which the loop sleeps: unlike a poll of the socket by the ring it does not hold the descriptor open, so
 * close() gives the port back without waiting for any result (linux-facts 1).
 *
 * Two sources, one sleep.  The ring's eventfd is the loop's own, in the epoll set: it tells of results as it tells of
 * wakes (linux-facts 12).  An event that comes before the kernel is asked for results, and one more for what it then
 * shows, find nothing: they cost a look at memory.  The events are fetched first, then the results; a step knows both.
 *
 * One thread, one ring.  Only the thread that drives the loop touches the ring.  Another thread that starts
 * or cancels something puts the socket on the loop's run list, which wakes the loop at most once; the step
 * that follows submits. An op that has not been submitted yet is taken back like any other.
 *
 * With transport_uring_all a receive of another thread does not wake the loop, which would have to wake twice for it: to
 * submit and for the data.  It has been tried under socket->lock and found nothing, and is held in the epoll set under
 * the same lock (`parked`), as transport_uring holds all of them.  It never moves into the ring; steps try it.
 *
 * socket->in_ring has the op's bit from submission until a step takes its result (both under socket->lock):
 * so cancel() knows at every moment whether it can take the op back.  The rest of the slot belongs to the
 * loop's thread but for `recalled`, which socket->lock protects.
 *
 * A cancel that is late.  It names its target by (socket, kind), and a new op may have the same name.  But a
 * cancel is put into the ring only while the result of its target has not been reaped, and everything in the
 * ring is submitted before results are reaped again: so before that result can lead to another op of this
 * name.
 *
 * The socket lives as long as the ring names it: an op in the ring is inside, and close() needs that none is.
 * The kernel lets go of the descriptor before its result can be reaped: results appear when the loop's own
 * thread is in the kernel, which releases a request before it returns.
 *
 * A transfer in the ring may take the connection's error (SO_ERROR) with it, and until its result has been
 * looked at, poll() shows a dead connection without a reason.  Nobody concludes anything then:
 * socket_reason_is_coming().
 */
#ifndef UWSK_TRANSPORT_URING_INTERNAL_H
#define UWSK_TRANSPORT_URING_INTERNAL_H

#include "transport/common/internal.h"
#include "transport/uring/uring.h"

#include <liburing.h>
#include <netinet/in.h>

enum {
    RING_ENTRIES = 128,  /* what is submitted at once at most */
    RING_RESULTS = 4096, /* beyond it the kernel keeps results in a list of its own */
    RING_SEGMENTS = 16,  /* of one transfer in the ring */
    RING_BYTES = 1 << 30,
    RING_SMALL = 64, /* provided buffers that lie ready for the kernel, per loop: small ones */
    RING_LARGE = 16, /* and large ones */
    RING_GROUP = 1,  /* the small ones' group; the large ones' is the next */
    REAP_LIMIT = EVENT_BATCH
};

/* What results are for: (socket | kind), or nothing. */
enum { RESULT_IGNORED = 0 };

struct slot {
    int32_t result;
    uint32_t flags;
    uint32_t asked;   /* bytes */
    bool large;       /* which provided buffers the kernel chooses from */
    bool done;        /* result and flags stand */
    bool recalled;    /* the owner wants it to end */
    bool cancel_sent; /* the kernel knows */
    void *buffer;     /* the provided buffer that the kernel has chosen */
};

struct uring_socket {
    struct transport_socket common;
    struct uring_socket *next_done;
    bool listed; /* in ring->done */
    bool parked; /* the receive that is held waits in the epoll set; common.lock */
    struct slot slots[TRANSPORT_ACCEPT + 1]; /* by kind */
    struct sockaddr_in6 peer;
    socklen_t peer_length;
};

struct message { /* read by the kernel when the entry beside it is submitted, free again afterwards */
    struct msghdr header;
    struct iovec segments[RING_SEGMENTS];
};

struct group {                      /* provided buffers of one size that lie ready for the kernel */
    struct io_uring_buf_ring *ring; /* NULL until the first receive that wants one, or for ever */
    bool refused;
    unsigned count;
    unsigned missing;         /* how often there was no memory for one */
    void *buffer[RING_SMALL]; /* NULL: there was no memory for it */
};

struct ring {
    struct io_uring uring;
    struct loop *loop;
    unsigned features; /* URING_* */
    bool running;      /* its thread has taken it */
    bool told;         /* the kernel may have results, or want to be given something again */
    unsigned inside;   /* transfers and accepts that the kernel carries out */
    struct uring_socket *done;
    unsigned reaped; /* in this wait() */
    struct message *messages;
    struct group groups[2]; /* small, large */
};

static inline struct uring_socket *uring_of(struct transport_socket *socket)
{
    return (struct uring_socket *)socket;
}

/* ---- probe.c ------------------------------------------------------------------------------------------ */

/* Makes a ring, with the best flags that work; 0 or a negative errno. */
int uring_setup(struct io_uring *uring, unsigned wanted, unsigned *features);
/* Makes it this thread's. */
int uring_enable(struct io_uring *uring, unsigned features);
/* The URING_* that work, less uring_without; -1 when the transport cannot work, and why. */
int uring_probe_features(char *reason, size_t size);

/* ---- ring.c ------------------------------------------------------------------------------------------- */

void ring_sleep(struct loop *loop, uint64_t until);
void ring_collect(struct loop *loop);
/* An empty entry; what is in the ring is submitted when there is none. */
struct io_uring_sqe *ring_entry(struct ring *ring);
/* The message that goes with an entry. */
struct message *ring_message(struct ring *ring, struct io_uring_sqe *entry);
/* Provided buffers: false when the kernel cannot choose one. */
bool ring_buffers_ready(struct loop *loop, bool large);
void ring_free_buffers(struct loop *loop);

/* ---- transfer.c --------------------------------------------------------------------------------------- */

int32_t transfer_hold(struct transport_socket *socket, struct transport_op *op);
uint32_t transfer_results(struct transport_socket *socket, uint32_t events);
int32_t transfer_proceed(struct transport_socket *socket, struct transport_op *op, try_function try_,
                         bool worth);
void transfer_recall(struct transport_socket *socket, int kind);

#endif
