/*
 * loop.c - the loops: collecting events, the run list, back-off timers, waking, freeing what was closed.
 *
 * wait() only collects: each event is or-ed into its socket's pending mask and the socket is put on the run
 * list. dispatch() takes sockets off the run list one step at a time, in order, so that no connection starves
 * another.
 */
#include "transport/common/internal.h"
#include "transport/common/system.h"
#include "transport/errno_status.h"
#include "host/host.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <ntstatus.h>

/* ---- attach and detach -------------------------------------------------------------------------------- */

static void close_loop(struct loop *loop)
{
    free(loop->watched);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->event_fd >= 0)
        close(loop->event_fd);
}

static int open_loop(struct loop *loop, struct transport *transport)
{
    loop->transport = transport;
    link_init(&loop->run);
    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        link_init(&loop->timers[level]);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Edge-triggered: every write is one event, and the counter never needs to be read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = LOOP_WAKE};
    if (loop->epoll_fd < 0 || loop->event_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &event) < 0)
        return errno;
    return transport->engine->loop_open(loop);
}

int32_t loop_attach(const struct engine *engine, const struct transport_config *config,
                    struct transport **out)
{
    unsigned loops = config->loops ? config->loops : 1;
    struct transport *transport = calloc(1, sizeof(*transport) + loops * sizeof(transport->loops[0]));
    if (!transport)
        return STATUS_INSUFFICIENT_RESOURCES;
    transport->resolver = resolver_create();
    if (!transport->resolver) {
        free(transport);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    transport->engine = engine;
    transport->config = *config;
    transport->netlink_fd = -1;
    link_init(&transport->leaving);
    transport->one_cpu = loops == 1 && host_processor_count() == 1;
    for (unsigned bucket = 0; bucket < PORT_BUCKETS; bucket++)
        link_init(&transport->ports[bucket]);

    int error = 0;
    while (transport->loop_count < loops && error == 0)
        error = open_loop(&transport->loops[transport->loop_count++], transport);
    if (error) {
        for (unsigned i = 0; i + 1 < transport->loop_count; i++) /* the last one is not open */
            engine->loop_close(&transport->loops[i]);
        for (unsigned i = 0; i < transport->loop_count; i++)
            close_loop(&transport->loops[i]);
        resolver_close(transport->resolver);
        free(transport);
        return transport_errno_status(error);
    }
    *out = transport;
    return STATUS_SUCCESS;
}

static void empty_graveyard(struct loop *loop)
{
    lock_take(&loop->lock);
    struct transport_socket *dead = loop->graveyard;
    loop->graveyard = NULL;
    loop->graveyard_count = 0;
    lock_release(&loop->lock);
    while (dead) {
        struct transport_socket *next = dead->grave_next;
        /* AddressSanitizer wants to see them freed. */
        if (!HOST_ASAN && loop->spare_count < SPARE_SOCKETS) {
            dead->grave_next = loop->spare;
            loop->spare = dead;
            loop->spare_count++;
        } else {
            socket_free(dead);
        }
        dead = next;
    }
}

struct transport_socket *loop_take_spare(struct loop *loop)
{
    struct transport_socket *spare = loop->spare;
    if (spare) {
        loop->spare = spare->grave_next;
        loop->spare_count--;
    }
    return spare;
}

void loop_detach(struct transport *transport)
{
    leaving_end_all(transport);
    assert(atomic_load(&transport->sockets) == 0 && "detach: every socket was closed");
    assert(buffers_out(transport) == 0 && "detach: every provided buffer was given back");
    resolver_close(transport->resolver); /* first: its threads wake loops */
    if (transport->netlink_fd >= 0)
        close(transport->netlink_fd);
    for (unsigned i = 0; i < transport->loop_count; i++) {
        struct loop *loop = &transport->loops[i];
        empty_graveyard(loop);
        for (struct transport_socket *spare; (spare = loop_take_spare(loop));)
            socket_free(spare);
        assert(link_empty(&loop->run) && loop->timer_count == 0);
        transport->engine->loop_close(loop);
        buffer_drain(loop);
        datagrams_free(loop);
        close_loop(loop);
    }
    free(transport);
}

/* ---- waking ------------------------------------------------------------------------------------------- */

static void wake_by_event(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written;
    do
        written = write(loop->event_fd, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
}

/* RUNNING -> NOTIFIED costs nothing: wait() sees it before it sleeps.  Only SLEEPING -> NOTIFIED writes,
 * once. */
static void wake(struct loop *loop)
{
    if (atomic_exchange(&loop->state, LOOP_NOTIFIED) == LOOP_SLEEPING)
        wake_by_event(loop);
}

void loop_wake(struct transport *transport, unsigned loop)
{
    assert(loop < transport->loop_count);
    wake(&transport->loops[loop]);
}

/* After work was queued or a timer set: the loop's own thread looks at both before it sleeps. */
static void nudge(struct loop *loop)
{
    if (!loop_is_mine(loop))
        wake(loop);
}

/* ---- the run list ------------------------------------------------------------------------------------- */

void loop_queue_locked(struct loop *loop, struct transport_socket *socket, uint32_t events)
{
    if (socket->pending == 0)
        link_append(&loop->run, &socket->run);
    socket->pending |= events;
}

void loop_queue(struct transport_socket *socket, uint32_t events)
{
    struct loop *loop = socket->loop;
    socket->known = true;
    lock_take(&loop->lock);
    loop_queue_locked(loop, socket, events);
    lock_release(&loop->lock);
    nudge(loop);
}

/* What may tell that an op of this kind can go on.  EPOLLERR and EPOLLHUP are always reported. */
static const uint32_t events_of[OP_KINDS] = {
    [TRANSPORT_ACCEPT] = EPOLLIN,
    [TRANSPORT_CONNECT] = EPOLLOUT,
    [TRANSPORT_SEND] = EPOLLOUT,
    [TRANSPORT_RECEIVE] = EPOLLIN,
    [TRANSPORT_WATCH_SENT] = EPOLLOUT,
    [TRANSPORT_WATCH_ACKED] = EPOLLIN | EPOLLOUT,
    [TRANSPORT_WATCH_FIN_ACKED] = EPOLLOUT,
    [TRANSPORT_WATCH_READABLE] = EPOLLIN,
    [TRANSPORT_SEND_TO] = EPOLLOUT,
    [TRANSPORT_RECEIVE_FROM] = EPOLLIN,
};

/* loop->lock is held.  False: there is no memory. */
static bool give_name(struct loop *loop, struct transport_socket *socket)
{
    unsigned fd = (unsigned)socket->fd, count = loop->watched_count;
    if (fd >= count) {
        count = 2 * fd < WATCHED_LEAST ? WATCHED_LEAST : 2 * fd;
        struct watched *more = realloc(loop->watched, count * sizeof(*more));
        if (!more)
            return false;
        memset(more + loop->watched_count, 0, (count - loop->watched_count) * sizeof(*more));
        loop->watched = more;
        loop->watched_count = count;
    }
    if (++loop->last_name == 0)
        loop->last_name = 1;
    socket->name = loop->last_name;
    loop->watched[fd].socket = socket;
    loop->watched[fd].name = socket->name;
    return true;
}

/* loop->lock is held.  NULL: a socket that is buried, or none. */
static struct transport_socket *whose(const struct loop *loop, uint64_t data)
{
    const struct watched *watched = &loop->watched[(uint32_t)data];
    return watched->name == data >> 32 ? watched->socket : NULL;
}

static int32_t change_interest(struct transport_socket *socket, uint32_t interest)
{
    struct epoll_event event = {.events = interest,
                                .data.u64 = (uint64_t)socket->name << 32 | (uint32_t)socket->fd};
    int how = socket->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    /* Both report what is ready at this moment, so nothing before it is missed. */
    if (epoll_ctl(socket->loop->epoll_fd, how, socket->fd, &event) < 0)
        return transport_errno_status(errno);
    socket->fresh = how == EPOLL_CTL_ADD && (socket->always & EPOLLIN) && socket->phase == PHASE_CONNECTED &&
                    !(socket->transport->engine->carried & 1u << TRANSPORT_RECEIVE);
    socket->interest = interest;
    return STATUS_SUCCESS;
}

int32_t loop_register(struct transport_socket *socket, struct transport_op *op)
{
    uint32_t needed = events_of[op->kind];
    /* Of our FIN's ACK after the peer's FIN: that is the connection's end. */
    if (op->kind == TRANSPORT_WATCH_FIN_ACKED && socket->peer_fin)
        needed = 0;
    uint32_t interest = socket->interest | EPOLLRDHUP | EPOLLET | socket->always | needed;
    if (socket->interest == interest)
        return STATUS_SUCCESS;
    if (!socket->name) {
        lock_take(&socket->loop->lock);
        bool named = give_name(socket->loop, socket);
        lock_release(&socket->loop->lock);
        if (!named)
            return STATUS_INSUFFICIENT_RESOURCES;
        socket->known = true;
    }
    return change_interest(socket, interest);
}

void loop_unwatch(struct transport_socket *socket, uint32_t events)
{
    uint32_t interest = socket->interest & ~(events & ~socket->always);
    if (socket->interest != interest)
        change_interest(socket, interest); /* if not: one event too many */
}

void loop_repoll(struct transport_socket *socket)
{
    int32_t status = change_interest(socket, socket->interest);
    assert(status == STATUS_SUCCESS);
    (void)status;
}

void loop_bury(struct transport_socket *socket, int fd)
{
    struct loop *loop = socket->loop;
    if (!socket->known) {
        socket_free(socket);
        return;
    }
    lock_take(&loop->lock);
    /* Another socket may have the number by now. */
    if (socket->name && loop->watched[fd].name == socket->name)
        loop->watched[fd].name = 0;
    socket->pending = 0;
    link_remove(&socket->run);
    if (!link_empty(&socket->timer)) {
        link_remove(&socket->timer);
        loop->timer_count--;
    }
    socket->grave_next = loop->graveyard;
    loop->graveyard = socket;
    bool full = ++loop->graveyard_count == GRAVEYARD_LIMIT;
    lock_release(&loop->lock);
    /* socket may be gone here: the loop's thread may have passed through wait(). */
    if (full)
        nudge(loop);
}

/* ---- back-off timers ---------------------------------------------------------------------------------- */

static void set_timer(struct transport_socket *socket, unsigned level, bool only_sooner)
{
    struct loop *loop = socket->loop;
    if (level >= TIMER_LEVELS)
        level = TIMER_LEVELS - 1;
    socket->known = true;
    lock_take(&loop->lock);
    bool set = !link_empty(&socket->timer);
    if (set && only_sooner && socket->timer_level <= level) {
        lock_release(&loop->lock);
        return;
    }
    if (set)
        link_remove(&socket->timer);
    else
        loop->timer_count++;
    /* The clock is read under the lock: so each level's list stays in order. */
    socket->timer_level = level;
    socket->timer_deadline = host_now() + (TIMER_UNIT_NS << level);
    link_append(&loop->timers[level], &socket->timer);
    bool sooner = socket->timer_deadline < loop->sleep_until;
    lock_release(&loop->lock);
    if (sooner)
        nudge(loop);
}

void loop_arm_timer(struct transport_socket *socket, unsigned level)
{
    set_timer(socket, level, true);
}

void loop_rearm_timer(struct transport_socket *socket)
{
    /* Only the loop's thread expires and re-arms, so the level of an expired timer stands still. */
    set_timer(socket, socket->timer_level + 1, true);
}

static uint64_t next_timer(struct loop *loop)
{
    uint64_t next = HOST_FOREVER;
    for (unsigned level = 0; loop->timer_count && level < TIMER_LEVELS; level++) {
        if (link_empty(&loop->timers[level]))
            continue;
        struct transport_socket *first = LINK_OWNER(loop->timers[level].next, struct transport_socket, timer);
        if (first->timer_deadline < next)
            next = first->timer_deadline;
    }
    return next;
}

static void expire_timers(struct loop *loop)
{
    uint64_t now = loop->timer_count ? host_now() : 0;
    for (unsigned level = 0; loop->timer_count && level < TIMER_LEVELS; level++) {
        while (!link_empty(&loop->timers[level])) {
            struct transport_socket *first =
                LINK_OWNER(loop->timers[level].next, struct transport_socket, timer);
            if (first->timer_deadline > now)
                break;
            link_remove(&first->timer);
            loop->timer_count--;
            loop_queue_locked(loop, first, EVENT_TIMER);
        }
    }
}

/* epoll_pwait2 with nanoseconds; where a sandbox refuses it, milliseconds, rounded up. */
void loop_sleep(struct loop *loop, uint64_t until)
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
        if (count >= 0) {
            loop->event_count = (int)count;
            return;
        }
        if (count == -ENOSYS || count == -EPERM)
            atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
        else
            assert(count == -EINTR);
    }
}

/* ---- wait and dispatch -------------------------------------------------------------------------------- */

void loop_wait(struct transport *transport, unsigned index, uint64_t deadline_ns)
{
    assert(index < transport->loop_count);
    struct loop *loop = &transport->loops[index];
    atomic_store_explicit(&loop->owner, (uintptr_t)pthread_self(), memory_order_relaxed);
    empty_graveyard(loop);

    lock_take(&loop->lock);
    uint64_t until = next_timer(loop);
    if (deadline_ns < until)
        until = deadline_ns;
    if (!link_empty(&loop->run) || atomic_load(&loop->resolved))
        until = 0; /* collect what else there is, but do not sleep */
    loop->sleep_until = until;
    lock_release(&loop->lock);

    /* Who queues work or sets an earlier timer after the look above sets NOTIFIED: then this exchange fails.
     */
    int running = LOOP_RUNNING;
    if (until != 0 && !atomic_compare_exchange_strong(&loop->state, &running, LOOP_SLEEPING))
        until = 0;
    loop->event_count = 0;
    transport->engine->sleep(loop, until);
    /* A wake between here and the end of this function counts for this wait or, if it comes later, for the
     * next. */
    atomic_exchange(&loop->state, LOOP_RUNNING);

    lock_take(&loop->lock);
    loop->sleep_until = 0;
    transport->engine->collect(loop);
    for (int i = 0; i < loop->event_count; i++) {
        uint64_t data = loop->events[i].data.u64;
        if (data == LOOP_WAKE)
            continue;
        if (data == LOOP_ADDRESSES) {
            loop->addresses = true;
            continue;
        }
        struct transport_socket *socket = whose(loop, data);
        if (!socket)
            continue;
        __builtin_prefetch(&socket->bulk, 1); /* the step needs the other line, too */
        loop_queue_locked(loop, socket, loop->events[i].events);
    }
    expire_timers(loop);
    lock_release(&loop->lock);
}

int loop_dispatch(struct transport *transport, unsigned index)
{
    assert(index < transport->loop_count);
    struct loop *loop = &transport->loops[index];
    struct {
        struct transport_socket
            *socket; /* closed meanwhile: it lies in the graveyard until the next wait() */
        uint32_t events;
    } ready[DISPATCH_STEPS];
    int count = 0;
    if (loop->addresses) {
        loop->addresses = false;
        local_dispatch(transport);
    }
    lock_take(&loop->lock);
    for (; count < DISPATCH_STEPS && !link_empty(&loop->run); count++) {
        struct transport_socket *socket = LINK_OWNER(loop->run.next, struct transport_socket, run);
        link_remove(&socket->run);
        ready[count].socket = socket;
        ready[count].events = socket->pending;
        socket->pending = 0;
    }
    int more = !link_empty(&loop->run);
    lock_release(&loop->lock);
    for (int i = 0; i < count; i++) {
        if (i + AHEAD_STEPS < count)
            socket_ahead(ready[i + AHEAD_STEPS].socket);
        socket_step(ready[i].socket, ready[i].events);
    }
    if (atomic_load_explicit(&loop->resolved, memory_order_acquire) && resolver_dispatch(loop))
        return 1;
    if (count == 0 || more)
        return more;
    lock_take(&loop->lock); /* what these steps have queued */
    more = !link_empty(&loop->run);
    lock_release(&loop->lock);
    return more;
}
