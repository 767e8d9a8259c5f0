/*
 * client.c - the load: echo (connections that send a message, wait for it and send the next) and churn
 * (connections that come, echo one message and go), and a sink (accepts and never reads or writes).
 *
 *   client echo  PORT CONNECTIONS BYTES SECONDS SERVER-PID CPU
 *   client churn PORT CONNECTIONS BYTES SECONDS SERVER-PID CPU
 *   client sink  PORT
 *
 * Prints operations, seconds and the CPU time of the server and of itself over the same interval, in ns. The
 * first eight bytes of every message count up and are checked when they come back.
 */
#include "net.h"

#include <stdbool.h>
#include <sys/epoll.h>

enum state { CONNECTING, TALKING, LEAVING };

struct connection {
    int fd;
    enum state state;
    size_t sent, received;
    uint64_t number;
    bool wants_room; /* EPOLLOUT is asked for */
};

static struct {
    unsigned port;
    bool churn;
    size_t connections, bytes;
    double seconds;
    pid_t server;
    int epoll;
    unsigned next_source;
    uint64_t operations;
    size_t met; /* connections that have been answered */
    char *message, *answer;
    struct connection *all;
} load;

static void watch(struct connection *c, bool room, int how)
{
    struct epoll_event event = {.events = EPOLLIN | (room ? EPOLLOUT : 0), .data.ptr = c};

    c->wants_room = room;
    CHECK(epoll_ctl(load.epoll, how, c->fd, &event));
}

static void start(struct connection *c)
{
    struct sockaddr_in server = loopback(INADDR_LOOPBACK, load.port);
    /* Many source addresses: connections in TIME_WAIT never use the ports up. */
    struct sockaddr_in source = loopback(INADDR_LOOPBACK + load.next_source++ % 250, 0);
    int on = 1;

    *c = (struct connection){.fd = CHECK(socket(AF_INET, SOCK_STREAM | (load.churn ? SOCK_NONBLOCK : 0), 0)),
                             .state = load.churn ? CONNECTING : TALKING};
    tune(c->fd);
    CHECK(setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on));
    CHECK(bind(c->fd, (struct sockaddr *)&source, sizeof source));
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        die("connect");
    watch(c, c->state == CONNECTING, EPOLL_CTL_ADD);
}

static void send_more(struct connection *c)
{
    while (c->sent < load.bytes) {
        ssize_t sent;

        if (c->sent < sizeof c->number)
            memcpy(load.message, &c->number, sizeof c->number);
        sent = send(c->fd, load.message + c->sent, load.bytes - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            die("send");
        if (sent < 0)
            break;
        c->sent += (size_t)sent;
    }
    if ((c->sent < load.bytes) != c->wants_room)
        watch(c, c->sent < load.bytes, EPOLL_CTL_MOD);
}

/* The whole message is back. */
static void answered(struct connection *c)
{
    c->sent = c->received = 0;
    load.met += c->number++ == 0;
    if (load.churn) {
        c->state = LEAVING;
        CHECK(shutdown(c->fd, SHUT_WR));
    } else {
        load.operations++;
        send_more(c);
    }
}

static void readable(struct connection *c)
{
    size_t room = c->state == LEAVING ? 1 : load.bytes - c->received;
    ssize_t got = recv(c->fd, load.answer, room, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got < 0)
        die("recv");
    if (c->state == LEAVING && got == 0) {
        close(c->fd);
        load.operations++;
        start(c);
        return;
    }
    if (got == 0 || c->state == LEAVING ||
        (c->received == 0 && (size_t)got >= sizeof c->number &&
         memcmp(load.answer, &c->number, sizeof c->number) != 0)) {
        fprintf(stderr, "client: not an echo (%zd bytes after %zu)\n", got, c->received);
        exit(1);
    }
    c->received += (size_t)got;
    if (c->received == load.bytes)
        answered(c);
}

static void run_until(uint64_t end)
{
    struct epoll_event events[256];

    while (now_ns(CLOCK_MONOTONIC) < end) {
        int count = epoll_wait(load.epoll, events, 256, 100);

        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;

            if (c->state == CONNECTING || c->wants_room) {
                c->state = TALKING;
                send_more(c);
            }
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                readable(c);
        }
    }
}

static int generate(void)
{
    uint64_t begin, server, self, operations;
    struct linger reset = {1, 0};
    clockid_t clock;

    many_descriptors();
    if (clock_getcpuclockid(load.server, &clock) != 0)
        die("the server's CPU clock");
    load.epoll = CHECK(epoll_create1(0));
    load.message = calloc(1, load.bytes);
    load.answer = calloc(1, load.bytes);
    load.all = calloc(load.connections, sizeof *load.all);
    if (!load.message || !load.answer || !load.all)
        die("memory");
    for (size_t i = 0; i < load.connections; i++)
        start(&load.all[i]);
    for (size_t i = 0; !load.churn && i < load.connections; i++)
        send_more(&load.all[i]);
    /* Everything is warm when the clock starts, and no connection is in its first moments. */
    do
        run_until(now_ns(CLOCK_MONOTONIC) + (uint64_t)((load.seconds > 0.4 ? load.seconds : 0.4) * 0.2e9));
    while (load.met < load.connections);
    begin = now_ns(CLOCK_MONOTONIC);
    server = now_ns(clock);
    self = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    operations = load.operations;
    run_until(begin + (uint64_t)(load.seconds * 1e9));
    operations = load.operations - operations;
    printf("%llu %.6f %llu %llu\n", (unsigned long long)operations,
           (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e9, (unsigned long long)(now_ns(clock) - server),
           (unsigned long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - self));
    for (size_t i = 0; i < load.connections; i++) {
        setsockopt(load.all[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(load.all[i].fd);
    }
    return 0;
}

/* Accepts, and closes what the other side has reset. */
_Noreturn static void sink(void)
{
    int listener = listen_on(load.port, SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];

    many_descriptors();
    load.epoll = CHECK(epoll_create1(0));
    CHECK(epoll_ctl(load.epoll, EPOLL_CTL_ADD, listener, &event));
    for (;;) {
        int count = epoll_wait(load.epoll, events, 256, -1);

        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;

            if (fd != listener) {
                close(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                CHECK(epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event));
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc >= 3)
        load.port = (unsigned)atoi(argv[2]);
    if (argc == 3 && strcmp(argv[1], "sink") == 0)
        sink();
    if (argc != 8) {
        fprintf(stderr,
                "usage: client echo|churn PORT CONNECTIONS BYTES SECONDS PID CPU | client sink PORT\n");
        return 2;
    }
    load.churn = strcmp(argv[1], "churn") == 0;
    load.connections = (size_t)atol(argv[3]);
    load.bytes = (size_t)atol(argv[4]);
    load.seconds = atof(argv[5]);
    load.server = (pid_t)atol(argv[6]);
    pin(atoi(argv[7]));
    return generate();
}
