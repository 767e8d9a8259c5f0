/*
 * uring.c - the engine of the io_uring transport: attaching and detaching its rings.
 */
#include "transport/uring/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <ntstatus.h>

static _Atomic unsigned features_here; /* as attach() has found them */

static int uring_loop_open(struct loop *loop)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return ENOMEM;
    int error = uring_setup(&ring->uring, atomic_load(&features_here), &ring->features);
    if (error) {
        free(ring);
        return -error;
    }
    error = io_uring_register_eventfd(&ring->uring, loop->event_fd);
    if (error == 0 && !(ring->messages = calloc(ring->uring.sq.ring_entries, sizeof(ring->messages[0]))))
        error = -ENOMEM;
    if (error) {
        io_uring_queue_exit(&ring->uring);
        free(ring);
        return -error;
    }
    ring->loop = loop;
    loop->engine = ring;
    return 0;
}

static void uring_loop_close(struct loop *loop)
{
    struct ring *ring = loop->engine;
    io_uring_queue_exit(&ring->uring);
    ring_free_buffers(loop);
    free(ring->messages);
    free(ring);
}

#define ENGINE(events_, carried_)                                                                            \
    {                                                                                                        \
        .socket_size = sizeof(struct uring_socket), .events = (events_), .carried = (carried_),              \
        .loop_open = uring_loop_open, .loop_close = uring_loop_close, .sleep = ring_sleep,                   \
        .collect = ring_collect, .hold = transfer_hold, .results = transfer_results,                         \
        .proceed = transfer_proceed, .recall = transfer_recall,                                              \
    }

/* Receives and accepts cost less in the epoll set than in the ring (README.md), sends as much. */
static const struct engine engine_sends = ENGINE(EPOLLIN | EPOLLPRI, 1u << TRANSPORT_SEND);
static const struct engine engine_all =
    ENGINE(0, 1u << TRANSPORT_ACCEPT | 1u << TRANSPORT_SEND | 1u << TRANSPORT_RECEIVE);

static int32_t attach(const struct engine *engine, const struct transport_config *config,
                      struct transport **out)
{
    int features = uring_probe_features(NULL, 0);
    if (features < 0)
        return STATUS_NOT_SUPPORTED;
    atomic_store(&features_here, (unsigned)features);
    return loop_attach(engine, config, out);
}

static int32_t uring_attach(const struct transport_config *config, struct transport **out)
{
    return attach(&engine_sends, config, out);
}

static int32_t uring_all_attach(const struct transport_config *config, struct transport **out)
{
    return attach(&engine_all, config, out);
}

const struct transport_ops transport_uring = {.name = "uring", .attach = uring_attach, COMMON_TRANSPORT_OPS};
const struct transport_ops transport_uring_all = {
    .name = "uring-all", .attach = uring_all_attach, COMMON_TRANSPORT_OPS};
