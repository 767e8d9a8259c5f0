/*
 * server_proxy.c - the plainest proxy: `server_proxy PORT TARGET-PORT`.  Level-triggered epoll, one recv and one send a
 * message, a buffer for each direction as large as that of drivers/proxy; no splice(2).
 *
 * As drivers/proxy it passes on bytes, FINs and RSTs, and receives nothing before what came before has gone.
 */
#include "net.h"

#include <stdbool.h>
#include <sys/epoll.h>

enum { CLIENT, TARGET, SIDES, BUFFER = 16384 };

struct flow;

struct end {
    struct flow *flow;
    int fd;
    uint32_t watched;
};

/* What one end says, on its way to the other. */
struct pump {
    size_t offset, left;
    bool fin; /* nothing more comes */
    char *buffer;
};

struct flow {
    struct end ends[SIDES];
    struct pump pumps[SIDES]; /* by the side that they take from */
    bool connecting, dead;
    struct flow *next_dead;
    char buffers[SIDES][BUFFER];
};

static int epoll;
static struct sockaddr_in target;
static struct flow *dead; /* freed when no event of this turn can name them */

static void watch(struct end *end, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = end};

    if (events != end->watched)
        CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, end->fd, &event));
    end->watched = events;
}

/* What each end is to tell of: bytes for a pump that is empty, room for one that is not. */
static void watch_both(struct flow *flow)
{
    for (int side = 0; side < SIDES && !flow->connecting; side++) {
        const struct pump *from = &flow->pumps[side], *to = &flow->pumps[!side];

        watch(&flow->ends[side], (from->left || from->fin ? 0 : EPOLLIN) | (to->left ? EPOLLOUT : 0));
    }
}

static void end(struct flow *flow, bool reset)
{
    struct linger hard = {1, 0};

    for (int side = 0; side < SIDES; side++) {
        if (reset)
            setsockopt(flow->ends[side].fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(flow->ends[side].fd);
    }
    flow->dead = true;
    flow->next_dead = dead;
    dead = flow;
}

/* Sends what the pump has. */
static void push(struct flow *flow, int side)
{
    struct pump *pump = &flow->pumps[side];
    ssize_t sent = send(flow->ends[!side].fd, pump->buffer + pump->offset, pump->left, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        end(flow, true);
    } else if (sent > 0) {
        pump->offset += (size_t)sent;
        pump->left -= (size_t)sent;
    }
}

static void pull(struct flow *flow, int side)
{
    struct pump *pump = &flow->pumps[side];
    ssize_t got = recv(flow->ends[side].fd, pump->buffer, BUFFER, 0);

    if (got > 0) {
        pump->offset = 0;
        pump->left = (size_t)got;
        push(flow, side);
    } else if (got < 0 && errno != EAGAIN) {
        end(flow, true);
    } else if (got == 0) {
        pump->fin = true;
        if (flow->pumps[!side].fin && !flow->pumps[!side].left)
            end(flow, false);
        else
            shutdown(flow->ends[!side].fd, SHUT_WR);
    }
}

static void add(struct flow *flow, int side, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = &flow->ends[side]};

    flow->ends[side] = (struct end){flow, fd, events};
    flow->pumps[side] = (struct pump){.buffer = flow->buffers[side]};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void begin(int fd)
{
    struct flow *flow = malloc(sizeof *flow);
    int other = CHECK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), on = 1;

    if (!flow)
        die("malloc");
    flow->dead = false;
    flow->connecting = true;
    CHECK(setsockopt(other, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    if (connect(other, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
        die("connect");
    add(flow, CLIENT, fd, 0);
    add(flow, TARGET, other, EPOLLOUT);
}

static void happened(struct end *at, uint32_t events)
{
    struct flow *flow = at->flow;
    int side = at == &flow->ends[TARGET];

    if (flow->dead)
        return;
    if (events & EPOLLERR) {
        end(flow, true);
        return;
    }
    if (flow->connecting && side == TARGET)
        flow->connecting = false;
    else if (events & EPOLLOUT && flow->pumps[!side].left)
        push(flow, !side);
    if (!flow->dead && !flow->connecting && events & (EPOLLIN | EPOLLHUP) && !flow->pumps[side].left &&
        !flow->pumps[side].fin)
        pull(flow, side);
    if (!flow->dead)
        watch_both(flow);
}

int main(int argc, char **argv)
{
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};
    int listener;

    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT TARGET-PORT\n", argv[0]);
        return 2;
    }
    target = loopback(INADDR_LOOPBACK, (unsigned)atoi(argv[2]));
    listener = listen_on(port_argument(2, argv), SOCK_NONBLOCK);
    many_descriptors();
    epoll = CHECK(epoll_create1(0));
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event));
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1), fd;

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                happened(events[i].data.ptr, events[i].events);
            else
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                    begin(fd);
        }
        while (dead) {
            struct flow *next = dead->next_dead;

            free(dead);
            dead = next;
        }
    }
}
