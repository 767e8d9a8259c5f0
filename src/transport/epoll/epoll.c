/*
 * epoll.c - the engine of the epoll transport: the loop sleeps in the epoll set, and every op that would
 * block waits there for an event after which it is tried again.
 */
#include "transport/common/internal.h"
#include "transport/common/system.h"
#include "host/host.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <ntstatus.h>

static int epoll_loop_open(struct loop *loop)
{
    /* Edge-triggered: every write is one event, and the counter never needs to be read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &event) < 0 ? errno : 0;
}

static void epoll_loop_close(struct loop *loop)
{
    (void)loop;
}

/* epoll_pwait2 with nanoseconds; where a sandbox refuses it, milliseconds, rounded up. */
static int wait_for_events(struct loop *loop, uint64_t until)
{
    static _Atomic bool only_milliseconds;
    for (;;) {
        uint64_t now = until == 0 || until == HOST_FOREVER ? 0 : host_now();
        uint64_t left = until > now ? until - now : 0;
        long count;
        if (atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
            uint64_t milliseconds = left / 1000000 + (left % 1000000 != 0);
            int timeout = until == HOST_FOREVER ? -1 : milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
            count = epoll_wait(loop->epoll_fd, loop->events, EVENT_BATCH, timeout);
            if (count < 0)
                count = -errno;
        } else {
            struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000),
                                       .tv_nsec = (long)(left % 1000000000)};
            count = system_epoll(loop->epoll_fd, loop->events, EVENT_BATCH,
                                 until == HOST_FOREVER ? NULL : &timeout);
        }
        if (count >= 0)
            return (int)count;
        if (count == -ENOSYS || count == -EPERM)
            atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
        else
            assert(count == -EINTR);
    }
}

static void epoll_sleep(struct loop *loop, uint64_t until)
{
    loop->event_count = wait_for_events(loop, until);
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
    .events = EPOLLIN | EPOLLPRI | EPOLLOUT,
    .loop_open = epoll_loop_open,
    .loop_close = epoll_loop_close,
    .sleep = epoll_sleep,
    .collect = epoll_collect,
    .wake = loop_wake_by_event,
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
