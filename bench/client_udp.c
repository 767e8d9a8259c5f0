/*
 * client_udp.c - the UDP load: `client_udp echo|sink|source plain|cut PORT SOCKETS FLIGHT SECONDS PID CPU`.
 *
 * Each socket keeps FLIGHT datagrams of UDP_BYTES under way.  echo: what comes back is sent again; sink: FLIGHT
 * datagrams, then the question how many came; source: a question that is answered with UDP_BURST datagrams.
 * plain: sendmmsg() and recvmmsg(); cut: with UDP_SEGMENT and UDP_GRO.
 *
 * What has not come when a socket has heard nothing for PATIENCE is lost, and is counted as lost unless it comes
 * yet.  Prints datagrams, seconds, CPU time of the server and of itself in ns, and the lost datagrams.
 */
#include "udp.h"

#include <sys/epoll.h>

#define PATIENCE 200000000ull /* ns */
enum { SOCKETS_MOST = 64, ROOM = 1 << 20 };

struct peer {
    int fd;
    unsigned flight; /* datagrams under way, or expected */
    uint32_t epoch;  /* rises with each loss: an answer of an earlier one is late */
    uint64_t heard;
};

static struct {
    enum { ECHO, SINK, SOURCE } kind;
    bool cut;
    unsigned sockets, window;
    int epoll;
    uint64_t operations, lost;
    /* Of a sink: what the server said first and last, what was sent in all, whether the questions are the last. */
    uint64_t first, counted, sent;
    bool known, draining;
    unsigned silent;
    struct peer all[SOCKETS_MOST];
    struct udp_batch in;
} load;

static void ask(struct peer *peer)
{
    char question[UDP_ASK] = {0};

    send(peer->fd, question, sizeof question, 0);
}

/* Sends datagrams that carry the epoch; at most the window. */
static void send_some(struct peer *peer, unsigned count)
{
    static char bytes[UDP_LIST][UDP_BYTES];
    _Alignas(struct cmsghdr) char control[64];
    struct mmsghdr headers[UDP_LIST];
    struct iovec parts[UDP_LIST];

    while (count) {
        unsigned now = count < UDP_LIST ? count : UDP_LIST;

        for (unsigned i = 0; i < now; i++) {
            memcpy(bytes[i], &peer->epoch, sizeof peer->epoch);
            parts[i] = (struct iovec){.iov_base = bytes[i], .iov_len = UDP_BYTES};
            headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        }
        if (load.cut) {
            headers[0].msg_hdr.msg_iovlen = now;
            udp_cut(&headers[0].msg_hdr, control, UDP_BYTES);
        }
        udp_send(peer->fd, headers, load.cut ? 1 : (int)now);
        count -= now;
    }
}

static void begin(struct peer *peer)
{
    if (load.kind == SOURCE) {
        peer->flight = UDP_BURST;
        ask(peer);
        return;
    }
    peer->flight = load.window;
    send_some(peer, load.window);
    if (load.kind == SINK) {
        load.sent += load.window;
        ask(peer);
    }
}

static void came(struct peer *peer, const char *bytes, size_t length, unsigned *again)
{
    uint32_t epoch;

    if (load.kind == SINK) {
        if (length != UDP_ASK)
            goto wrong;
        uint64_t counted;

        memcpy(&counted, bytes, sizeof counted);
        if (counted > load.counted) /* answers are not read in the order in which they were sent */
            load.counted = counted;
        if (!load.known)
            load.first = counted;
        load.known = true;
        if (load.draining)
            load.silent++;
        else
            begin(peer);
        return;
    }
    if (length != UDP_BYTES)
        goto wrong;
    load.operations++;
    memcpy(&epoch, bytes, sizeof epoch);
    if (load.kind == ECHO && epoch != peer->epoch) {
        load.lost--;
        return;
    }
    if (peer->flight)
        peer->flight--;
    if (load.kind == ECHO)
        ++*again;
    return;
wrong:
    fprintf(stderr, "client_udp: a datagram of %zu bytes\n", length);
    exit(1);
}

static void readable(struct peer *peer, uint64_t now)
{
    int count = udp_receive(peer->fd, &load.in, MSG_DONTWAIT);
    unsigned again = 0;

    if (count < 0 && errno != EAGAIN)
        die("recvmmsg");
    for (int i = 0; i < count; i++) {
        size_t segment = udp_segment(&load.in, i), left = load.in.headers[i].msg_len;
        const char *at = load.in.parts[i].iov_base;

        for (; left; at += segment, left -= segment) {
            if (segment > left)
                segment = left;
            came(peer, at, segment, &again);
        }
    }
    if (count > 0)
        peer->heard = now;
    peer->flight += again;
    send_some(peer, again);
    if (load.kind == SOURCE && peer->flight == 0)
        begin(peer);
}

/* A sink's loss stands in its count; only the question is repeated. */
static void impatient(struct peer *peer, uint64_t now)
{
    if (now - peer->heard < PATIENCE)
        return;
    peer->heard = now;
    if (load.kind == SINK) {
        ask(peer);
        return;
    }
    load.lost += peer->flight;
    peer->epoch++;
    begin(peer);
}

static void run_until(uint64_t end)
{
    struct epoll_event events[SOCKETS_MOST];
    uint64_t now;

    while ((now = now_ns(CLOCK_MONOTONIC)) < end) {
        int count = epoll_wait(load.epoll, events, SOCKETS_MOST, 20);

        for (int i = 0; i < count; i++)
            readable(events[i].data.ptr, now);
        for (unsigned i = 0; i < load.sockets; i++)
            impatient(&load.all[i], now);
    }
}

static void start(unsigned port)
{
    struct sockaddr_in address = loopback(INADDR_LOOPBACK, port);

    load.epoll = CHECK(epoll_create1(0));
    udp_batch_init(&load.in, load.cut);
    for (unsigned i = 0; i < load.sockets; i++) {
        struct peer *peer = &load.all[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        int room = ROOM;

        peer->fd = CHECK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        CHECK(setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room));
        if (load.cut)
            udp_coalesce(peer->fd);
        CHECK(connect(peer->fd, (struct sockaddr *)&address, sizeof address));
        CHECK(epoll_ctl(load.epoll, EPOLL_CTL_ADD, peer->fd, &event));
        peer->heard = now_ns(CLOCK_MONOTONIC);
        if (load.kind != SINK)
            begin(peer);
    }
    for (unsigned i = 0; load.kind == SINK && i < load.sockets; i++)
        ask(&load.all[i]);
}

/* Every burst of a sink is over: what it has not counted is lost. */
static void drain(void)
{
    load.draining = true;
    for (int i = 0; i < 100 && load.silent < load.sockets; i++)
        run_until(now_ns(CLOCK_MONOTONIC) + 10000000);
    load.lost = load.sent - (load.counted - load.first);
}

static void measure(double seconds, clockid_t clock)
{
    uint64_t begin, end, server, self, operations, lost, counted;

    run_until(now_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 0.2e9)); /* warm */
    operations = load.operations;
    lost = load.lost;
    counted = load.counted;
    begin = now_ns(CLOCK_MONOTONIC);
    server = now_ns(clock);
    self = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    run_until(begin + (uint64_t)(seconds * 1e9));
    operations = load.operations - operations;
    lost = load.lost - lost;
    end = now_ns(CLOCK_MONOTONIC);
    server = now_ns(clock) - server;
    self = now_ns(CLOCK_PROCESS_CPUTIME_ID) - self;
    if (load.kind == SINK) {
        operations = load.counted - counted;
        drain();
        lost = load.lost;
    }
    printf("%llu %.6f %llu %llu %lld\n", (unsigned long long)operations, (double)(end - begin) / 1e9,
           (unsigned long long)server, (unsigned long long)self, (long long)lost);
}

int main(int argc, char **argv)
{
    clockid_t clock;

    if (argc != 9) {
        fprintf(stderr, "usage: client_udp echo|sink|source plain|cut PORT SOCKETS FLIGHT SECONDS PID CPU\n");
        return 2;
    }
    load.kind = strcmp(argv[1], "echo") == 0 ? ECHO : strcmp(argv[1], "sink") == 0 ? SINK : SOURCE;
    load.cut = strcmp(argv[2], "cut") == 0;
    load.sockets = (unsigned)atoi(argv[4]);
    load.window = (unsigned)atoi(argv[5]);
    if (load.sockets > SOCKETS_MOST)
        load.sockets = SOCKETS_MOST;
    if (clock_getcpuclockid((pid_t)atol(argv[7]), &clock) != 0)
        die("the server's CPU clock");
    pin(atoi(argv[8]));
    start((unsigned)atoi(argv[3]));
    measure(atof(argv[6]), clock);
    return 0;
}
