/*
 * epoll.c - the engine of the epoll transport: the loop sleeps in the epoll set, and every op that would
 * block waits there for an event after which it is tried again.
 */
#include "transport/common/internal.h"

#include <ntstatus.h>

static int epoll_loop_open(struct loop *loop)
{
    (void)loop;
    return 0;
}

static void epoll_loop_close(struct loop *loop)
{
    (void)loop;
}

static void epoll_collect(struct loop *loop)
{
    (void)loop;
}

static uint32_t epoll_results(struct transport_socket *socket, uint32_t events)
{
    (void)socket;
    return events;
}

static int32_t epoll_proceed(struct transport_socket *socket, struct transport_op *op, try_function try_,
                             bool worth)
{
    return worth ? try_(socket, op) : STATUS_PENDING;
}

static void epoll_recall(struct transport_socket *socket, int kind)
{
    (void)socket;
    (void)kind;
    assert(!"the kernel carries out nothing here");
}

static const struct engine engine = {
    .socket_size = sizeof(struct transport_socket),
    .events = EPOLLIN | EPOLLPRI, /* EPOLLOUT is there at once: it would be an event of each new connection */
    .loop_open = epoll_loop_open,
    .loop_close = epoll_loop_close,
    .sleep = loop_sleep,
    .collect = epoll_collect,
    .hold = loop_register,
    .results = epoll_results,
    .proceed = epoll_proceed,
    .recall = epoll_recall,
};

static int32_t epoll_attach(const struct transport_config *config, struct transport **out)
{
    return loop_attach(&engine, config, out);
}

const struct transport_ops transport_epoll = {.name = "epoll", .attach = epoll_attach, COMMON_TRANSPORT_OPS};
