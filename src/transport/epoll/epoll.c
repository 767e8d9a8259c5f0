/*
 * epoll.c - the loops: collecting events, the run list, back-off timers, waking, freeing what was closed.
 *
 * wait() only collects: each event is or-ed into its socket's pending mask and the socket is put on the run
 * list. dispatch() takes sockets off the run list one step at a time, in order, so that no connection starves
 * another.
 */
#include "transport/epoll/internal.h"
#include "transport/errno_status.h"
#include "host/host.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <ntstatus.h>

static const uint32_t registered_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/* ---- attach and detach -------------------------------------------------------------------------------- */

static void loop_close(struct epoll_loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->event_fd >= 0)
        close(loop->event_fd);
    pthread_mutex_destroy(&loop->lock);
    pthread_mutex_destroy(&loop->buffer_lock);
}

static int loop_open(struct epoll_loop *loop, struct transport *transport)
{
    loop->transport = transport;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_mutex_init(&loop->buffer_lock, NULL);
    link_init(&loop->run);
    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        link_init(&loop->timers[level]);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->event_fd < 0)
        return errno;
    /* Edge-triggered: every write is one event, and the counter never needs to be read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &event) < 0 ? errno : 0;
}

static int32_t epoll_attach(const struct transport_config *config, struct transport **out)
{
    unsigned loops = config->loops ? config->loops : 1;
    struct transport *transport = calloc(1, sizeof(*transport) + loops * sizeof(transport->loops[0]));
    if (!transport)
        return STATUS_INSUFFICIENT_RESOURCES;
    transport->config = *config;
    pthread_mutex_init(&transport->bind, NULL);
    for (unsigned bucket = 0; bucket < PORT_BUCKETS; bucket++)
        link_init(&transport->ports[bucket]);

    int error = 0;
    while (transport->loop_count < loops && error == 0)
        error = loop_open(&transport->loops[transport->loop_count++], transport);
    if (error) {
        for (unsigned i = 0; i < transport->loop_count; i++)
            loop_close(&transport->loops[i]);
        pthread_mutex_destroy(&transport->bind);
        free(transport);
        return transport_errno_status(error);
    }
    *out = transport;
    return STATUS_SUCCESS;
}

static void empty_graveyard(struct epoll_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct transport_socket *dead = loop->graveyard;
    loop->graveyard = NULL;
    loop->graveyard_count = 0;
    pthread_mutex_unlock(&loop->lock);
    while (dead) {
        struct transport_socket *next = dead->grave_next;
        socket_free(dead);
        dead = next;
    }
}

static void epoll_detach(struct transport *transport)
{
    assert(atomic_load(&transport->sockets) == 0 && "detach: every socket was closed");
    assert(atomic_load(&transport->buffers_out) == 0 && "detach: every provided buffer was given back");
    for (unsigned i = 0; i < transport->loop_count; i++) {
        struct epoll_loop *loop = &transport->loops[i];
        empty_graveyard(loop);
        assert(link_empty(&loop->run) && loop->timer_count == 0);
        buffer_drain(loop);
        loop_close(loop);
    }
    pthread_mutex_destroy(&transport->bind);
    free(transport);
}

/* ---- waking ------------------------------------------------------------------------------------------- */

/* RUNNING -> NOTIFIED costs nothing: wait() sees it before it sleeps.  Only SLEEPING -> NOTIFIED writes,
 * once. */
static void loop_wake(struct epoll_loop *loop)
{
    if (atomic_exchange(&loop->state, LOOP_NOTIFIED) != LOOP_SLEEPING)
        return;
    uint64_t one = 1;
    ssize_t written;
    do
        written = write(loop->event_fd, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
}

void epoll_wake(struct transport *transport, unsigned loop)
{
    assert(loop < transport->loop_count);
    loop_wake(&transport->loops[loop]);
}

/* ---- the run list ------------------------------------------------------------------------------------- */

static void queue_locked(struct epoll_loop *loop, struct transport_socket *socket, uint32_t events)
{
    if (socket->closed)
        return; /* a stale event */
    if (socket->pending == 0)
        link_append(&loop->run, &socket->run);
    socket->pending |= events;
}

void loop_queue(struct transport_socket *socket, uint32_t events)
{
    struct epoll_loop *loop = socket->loop;
    socket->known = true;
    pthread_mutex_lock(&loop->lock);
    queue_locked(loop, socket, events);
    pthread_mutex_unlock(&loop->lock);
    loop_wake(loop);
}

int32_t loop_register(struct transport_socket *socket)
{
    if (socket->registered)
        return STATUS_SUCCESS;
    struct epoll_event event = {.events = registered_events, .data.ptr = socket};
    /* The kernel hands the pointer to the loop's thread; what it points to is handed over by the lock that
     * thread takes before it looks. */
    pthread_mutex_lock(&socket->loop->lock);
    socket->known = true;
    pthread_mutex_unlock(&socket->loop->lock);
    /* ADD reports what is ready at this moment, so nothing before it is missed. */
    if (epoll_ctl(socket->loop->epoll_fd, EPOLL_CTL_ADD, socket->fd, &event) < 0)
        return transport_errno_status(errno);
    socket->registered = true;
    return STATUS_SUCCESS;
}

void loop_repoll(struct transport_socket *socket)
{
    struct epoll_event event = {.events = registered_events, .data.ptr = socket};
    int result = epoll_ctl(socket->loop->epoll_fd, EPOLL_CTL_MOD, socket->fd, &event);
    assert(result == 0);
    (void)result;
}

void loop_bury(struct transport_socket *socket)
{
    struct epoll_loop *loop = socket->loop;
    if (!socket->known) {
        socket_free(socket);
        return;
    }
    pthread_mutex_lock(&loop->lock);
    socket->closed = true;
    socket->pending = 0;
    link_remove(&socket->run);
    if (!link_empty(&socket->timer)) {
        link_remove(&socket->timer);
        loop->timer_count--;
    }
    socket->grave_next = loop->graveyard;
    loop->graveyard = socket;
    bool full = ++loop->graveyard_count == GRAVEYARD_LIMIT;
    pthread_mutex_unlock(&loop->lock);
    /* socket may be gone here: the loop's thread may have passed through wait(). */
    if (full)
        loop_wake(loop);
}

/* ---- back-off timers ---------------------------------------------------------------------------------- */

static void set_timer(struct transport_socket *socket, unsigned level, bool only_sooner)
{
    struct epoll_loop *loop = socket->loop;
    if (level >= TIMER_LEVELS)
        level = TIMER_LEVELS - 1;
    socket->known = true;
    pthread_mutex_lock(&loop->lock);
    bool set = !link_empty(&socket->timer);
    if (set && only_sooner && socket->timer_level <= level) {
        pthread_mutex_unlock(&loop->lock);
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
    pthread_mutex_unlock(&loop->lock);
    if (sooner)
        loop_wake(loop);
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

static uint64_t next_timer(struct epoll_loop *loop)
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

static void expire_timers(struct epoll_loop *loop)
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
            queue_locked(loop, first, EVENT_TIMER);
        }
    }
}

/* ---- wait and dispatch -------------------------------------------------------------------------------- */

/* epoll_pwait2 with nanoseconds; where a sandbox refuses it, milliseconds, rounded up. */
static int wait_for_events(struct epoll_loop *loop, uint64_t until)
{
    static _Atomic bool only_milliseconds;
    for (;;) {
        uint64_t now = until == 0 || until == HOST_FOREVER ? 0 : host_now();
        uint64_t left = until > now ? until - now : 0;
        int count;
        if (atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
            uint64_t milliseconds = left / 1000000 + (left % 1000000 != 0);
            int timeout = until == HOST_FOREVER ? -1 : milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
            count = epoll_wait(loop->epoll_fd, loop->events, EVENT_BATCH, timeout);
        } else {
            struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000),
                                       .tv_nsec = (long)(left % 1000000000)};
            count = epoll_pwait2(loop->epoll_fd, loop->events, EVENT_BATCH,
                                 until == HOST_FOREVER ? NULL : &timeout, NULL);
        }
        if (count >= 0)
            return count;
        if (errno == ENOSYS || errno == EPERM)
            atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
        else
            assert(errno == EINTR);
    }
}

static void epoll_wait_loop(struct transport *transport, unsigned index, uint64_t deadline_ns)
{
    assert(index < transport->loop_count);
    struct epoll_loop *loop = &transport->loops[index];
    empty_graveyard(loop);

    pthread_mutex_lock(&loop->lock);
    uint64_t until = next_timer(loop);
    if (deadline_ns < until)
        until = deadline_ns;
    if (!link_empty(&loop->run))
        until = 0; /* collect what else there is, but do not sleep */
    loop->sleep_until = until;
    pthread_mutex_unlock(&loop->lock);

    /* Who queues work or sets an earlier timer after the look above sets NOTIFIED: then this exchange fails.
     */
    int running = LOOP_RUNNING;
    if (until != 0 && !atomic_compare_exchange_strong(&loop->state, &running, LOOP_SLEEPING))
        until = 0;
    int count = wait_for_events(loop, until);
    /* A wake between here and the end of this function counts for this wait or, if it comes later, for the
     * next. */
    atomic_exchange(&loop->state, LOOP_RUNNING);

    pthread_mutex_lock(&loop->lock);
    loop->sleep_until = 0;
    for (int i = 0; i < count; i++) {
        if (loop->events[i].data.ptr)
            queue_locked(loop, loop->events[i].data.ptr, loop->events[i].events);
    }
    expire_timers(loop);
    pthread_mutex_unlock(&loop->lock);
}

static int epoll_dispatch(struct transport *transport, unsigned index)
{
    assert(index < transport->loop_count);
    struct epoll_loop *loop = &transport->loops[index];
    for (int steps = 0; steps < DISPATCH_STEPS; steps++) {
        pthread_mutex_lock(&loop->lock);
        if (link_empty(&loop->run)) {
            pthread_mutex_unlock(&loop->lock);
            return 0;
        }
        struct transport_socket *socket = LINK_OWNER(loop->run.next, struct transport_socket, run);
        link_remove(&socket->run);
        uint32_t events = socket->pending;
        socket->pending = 0;
        pthread_mutex_unlock(&loop->lock);
        socket_step(socket, events);
    }
    pthread_mutex_lock(&loop->lock);
    int more = !link_empty(&loop->run);
    pthread_mutex_unlock(&loop->lock);
    return more;
}

const struct transport_ops transport_epoll = {
    .version = TRANSPORT_VERSION,
    .name = "epoll",
    .attach = epoll_attach,
    .detach = epoll_detach,
    .wait = epoll_wait_loop,
    .dispatch = epoll_dispatch,
    .wake = epoll_wake,
    .open = epoll_open,
    .bind = epoll_bind,
    .listen = epoll_listen,
    .accept = epoll_accept,
    .connect = epoll_connect,
    .send = epoll_send,
    .receive = epoll_receive,
    .watch = epoll_watch,
    .cancel = epoll_cancel,
    .recycle = epoll_recycle,
    .provided_size = epoll_provided_size,
    .shutdown = epoll_shutdown,
    .abort = epoll_abort,
    .close = epoll_close,
    .address = epoll_address,
    .set_option = epoll_set_option,
    .get_option = epoll_get_option,
    .query = epoll_query,
    .loop_of = epoll_loop_of,
};
