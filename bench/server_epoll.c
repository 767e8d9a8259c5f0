/*
 * server_epoll.c - the plainest echo: level-triggered epoll, one recv and one send a message.
 */
#include "net.h"

#include <stdbool.h>
#include <sys/epoll.h>

struct connection {
    int fd;
    char *rest; /* what the socket did not take; nothing more is read until it has gone */
    size_t left, offset;
};

static int epoll;
static char buffer[65536];

static void watch(struct connection *c, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    CHECK(epoll_ctl(epoll, how, c->fd, &event));
}

static void end(struct connection *c)
{
    close(c->fd);
    free(c->rest);
    free(c);
}

/* FALSE: the connection is gone. */
static bool flush(struct connection *c)
{
    ssize_t sent = send(c->fd, c->rest + c->offset, c->left, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        end(c);
        return false;
    }
    if (sent > 0) {
        c->left -= (size_t)sent;
        c->offset += (size_t)sent;
    }
    if (c->left == 0)
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
    return true;
}

static void echo(struct connection *c)
{
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0), sent;

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            end(c);
        return;
    }
    sent = send(c->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        end(c);
        return;
    }
    if (sent < 0)
        sent = 0;
    if (sent < got) {
        if (!c->rest && !(c->rest = malloc(sizeof buffer)))
            die("malloc");
        c->left = (size_t)(got - sent);
        c->offset = 0;
        memcpy(c->rest, buffer + sent, c->left);
        watch(c, EPOLLOUT, EPOLL_CTL_MOD);
    }
}

int main(int argc, char **argv)
{
    struct connection listener = {.fd = listen_on(port_argument(argc, argv), SOCK_NONBLOCK)};
    struct epoll_event events[256];

    many_descriptors();
    epoll = CHECK(epoll_create1(0));
    watch(&listener, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1), fd;

        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == &listener) {
                while ((fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    c = calloc(1, sizeof *c);
                    if (!c)
                        die("calloc");
                    c->fd = fd;
                    watch(c, EPOLLIN, EPOLL_CTL_ADD);
                }
            } else if (!(events[i].events & EPOLLOUT) || !c->left || flush(c)) {
                if (events[i].events & EPOLLIN)
                    echo(c);
                else if (events[i].events & (EPOLLHUP | EPOLLERR) && !c->left)
                    end(c);
            }
        }
    }
}
