/*
 * net.h - what the load client and the programs that are measured beside uwsk have in common.
 */
#ifndef UWSK_BENCH_NET_H
#define UWSK_BENCH_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

#define CHECK(call)                                                                                          \
    ({                                                                                                       \
        __auto_type check_ = (call);                                                                         \
        if (check_ < 0)                                                                                      \
            die(#call);                                                                                      \
        check_;                                                                                              \
    })

static inline uint64_t now_ns(clockid_t clock)
{
    struct timespec time;

    CHECK(clock_gettime(clock, &time));
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set));
}

static inline void many_descriptors(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit));
}

/* Every socket of every side: no Nagle, cubic whatever the machine's default is. */
static inline void tune(int fd)
{
    int on = 1;

    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5));
}

static inline struct sockaddr_in loopback(unsigned host, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(host);
    return address;
}

/* A listening socket on 127.0.0.1; what it accepts inherits what tune() set. */
static inline int listen_on(unsigned port, int flags)
{
    struct sockaddr_in address = loopback(INADDR_LOOPBACK, port);
    int fd = CHECK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    int on = 1;

    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    tune(fd);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK(listen(fd, SOMAXCONN));
    return fd;
}

static inline unsigned port_argument(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        exit(2);
    }
    return (unsigned)atoi(argv[1]);
}

#endif
