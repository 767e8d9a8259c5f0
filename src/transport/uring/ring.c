/*
 * ring.c - the loop's thread and its ring: submitting, sleeping, reaping results, the buffers that the kernel
 * takes.
 */
#include "transport/uring/internal.h"
#include "host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- buffers ------------------------------------------------------------------------------------------ */

/* What lies ready for the kernel is not out: nobody has to give it back. */
static void lay_ready(struct loop *loop, bool large, unsigned id)
{
    struct group *group = &((struct ring *)loop->engine)->groups[large];
    group->buffer[id] = buffer_get(loop, large);
    if (!group->buffer[id]) {
        group->missing++;
        return;
    }
    atomic_fetch_sub(&loop->transport->buffers_out, 1);
    io_uring_buf_ring_add(group->ring, group->buffer[id], (unsigned)buffer_size(large), (unsigned short)id,
                          io_uring_buf_ring_mask(group->count), 0);
    io_uring_buf_ring_advance(group->ring, 1);
}

bool ring_buffers_ready(struct loop *loop, bool large)
{
    struct ring *ring = loop->engine;
    struct group *group = &ring->groups[large];
    if (group->ring || group->refused)
        return !group->refused;
    group->refused = true;
    if (!(ring->features & URING_BUFFERS))
        return false;
    group->count = large ? RING_LARGE : RING_SMALL;
    void *memory = mmap(NULL, group->count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)memory,
                                            .ring_entries = group->count,
                                            .bgid = (unsigned short)(RING_GROUP + large)};
    if (io_uring_register_buf_ring(&ring->uring, &registration, 0) < 0) {
        munmap(memory, group->count * sizeof(struct io_uring_buf));
        return false;
    }
    group->ring = memory;
    io_uring_buf_ring_init(group->ring);
    for (unsigned id = 0; id < group->count; id++)
        lay_ready(loop, large, id);
    group->refused = false;
    return true;
}

/* The buffer that the kernel has taken for a result.  Another takes its place at once: when many results come
 * together, the kernel need not do without in the midst of them. */
static void *take_buffer(struct loop *loop, bool large, uint32_t flags)
{
    struct group *group = &((struct ring *)loop->engine)->groups[large];
    unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
    assert(id < group->count && group->buffer[id]);
    void *taken = group->buffer[id];
    atomic_fetch_add(&loop->transport->buffers_out, 1);
    lay_ready(loop, large, id);
    if (group->missing && group->buffer[id]) { /* there is memory again */
        group->missing = 0;
        for (id = 0; id < group->count; id++) {
            if (!group->buffer[id])
                lay_ready(loop, large, id);
        }
    }
    return taken;
}

void ring_free_buffers(struct loop *loop)
{
    struct ring *ring = loop->engine;
    for (int large = 0; large < 2; large++) {
        struct group *group = &ring->groups[large];
        for (unsigned id = 0; id < group->count; id++) {
            if (!group->buffer[id])
                continue;
            atomic_fetch_add(&loop->transport->buffers_out, 1);
            buffer_unget(group->buffer[id]);
        }
        if (group->ring)
            munmap(group->ring, group->count * sizeof(struct io_uring_buf));
    }
}

/* ---- reaping ------------------------------------------------------------------------------------------ */

static void take_result(struct ring *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data != RESULT_IGNORED) {
        struct uring_socket *socket = (struct uring_socket *)(uintptr_t)(cqe->user_data & ~15ull);
        struct slot *slot = &socket->slots[cqe->user_data & 15];
        assert(!slot->done);
        ring->inside--;
        slot->result = cqe->res;
        slot->flags = cqe->flags;
        slot->done = true;
        if (cqe->flags & IORING_CQE_F_BUFFER)
            slot->buffer = take_buffer(ring->loop, slot->large, cqe->flags);
        if (!socket->listed) {
            socket->listed = true;
            socket->next_done = ring->done;
            ring->done = socket;
        }
    }
}

static unsigned reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        take_result(ring, cqe);
        count++;
    }
    io_uring_cq_advance(&ring->uring, count);
    ring->reaped += count;
    return count;
}

/* Results may exist that the kernel has not shown yet; it may also say so when it has shown the last one. */
static bool more_results(struct ring *ring)
{
    return IO_URING_READ_ONCE(*ring->uring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

void ring_collect(struct loop *loop)
{
    struct ring *ring = loop->engine;
    struct uring_socket *socket = ring->done, *before = NULL;
    while (socket) { /* the list is newest first; who was ready first comes first */
        struct uring_socket *next = socket->next_done;
        socket->next_done = before;
        before = socket;
        socket = next;
    }
    ring->done = NULL;
    for (socket = before; socket; socket = socket->next_done) {
        socket->listed = false;
        loop_queue_locked(loop, &socket->common, EVENT_RING);
    }
}

/* ---- submitting and sleeping -------------------------------------------------------------------------- */

struct io_uring_sqe *ring_entry(struct ring *ring)
{
    struct io_uring_sqe *entry;
    while (!(entry = io_uring_get_sqe(&ring->uring))) {
        if (io_uring_submit(&ring->uring) < 0) { /* no room for results, or no memory for now */
            io_uring_get_events(&ring->uring);
            reap(ring);
            /* Not left to the next wait(): until then a socket may be closed, and is looked for on the run list. */
            lock_take(&ring->loop->lock);
            ring_collect(ring->loop);
            lock_release(&ring->loop->lock);
        }
    }
    return entry;
}

struct message *ring_message(struct ring *ring, struct io_uring_sqe *entry)
{
    return &ring->messages[entry - ring->uring.sq.sqes];
}

/* Has the kernel show the results that it has.  It may say that there are more when it has shown the last one, and
 * it brings a limited number at a time, of which some are no results but parts of transfers that go on: so many calls
 * bring all. */
static void take_results(struct ring *ring)
{
    unsigned vain = 0;
    reap(ring);
    while (more_results(ring) && ring->reaped < REAP_LIMIT && vain < 2 + ring->inside / 8) {
        io_uring_get_events(&ring->uring);
        vain = reap(ring) ? 0 : vain + 1;
    }
    ring->told = ring->reaped >= REAP_LIMIT;
}

/* What the kernel does not take now (it has no memory, or no room for results) it is given again. */
static void submit_all(struct ring *ring)
{
    int result = io_uring_submit_and_get_events(&ring->uring);
    assert((result >= 0 || result == -EINTR || result == -EBUSY || result == -EAGAIN || result == -ENOMEM) &&
           "io_uring_enter");
    (void)result;
    reap(ring);
    if (io_uring_sq_ready(&ring->uring))
        ring->told = true;
}

/* The ring has an eventfd, which is the loop's own: it tells of results as it tells of wakes. */
void ring_sleep(struct loop *loop, uint64_t until)
{
    struct ring *ring = loop->engine;
    if (!ring->running) {
        int error = uring_enable(&ring->uring, ring->features);
        assert(error == 0 && "a loop has one thread");
        (void)error;
        ring->running = true;
    }
    ring->reaped = 0;
    if (io_uring_sq_ready(&ring->uring))
        submit_all(ring);
    loop_sleep(loop, ring->told || ring->done ? 0 : until);
    for (int i = 0; i < loop->event_count && !ring->told; i++)
        ring->told = loop->events[i].data.u64 == LOOP_WAKE;
    /* A ring that is not DEFERRED has a result already when the call ends that told of the event: such a transfer may
     * have taken the reason of an end that the event tells. */
    if (ring->told)
        take_results(ring);
    else
        reap(ring);
}
