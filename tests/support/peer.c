/*
 * peer.c - plain Linux sockets at the other end of the wire (peer.h).
 */
#include "peer_backend.h"
#include "uwsk_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FAIL(...) uwsk_test_fail(__FILE__, __LINE__, __VA_ARGS__)

enum { PATIENCE_MS = 10000 };

const struct peer_backend *peer_backend;
static __thread int last_error;

int peer_last_error(void)
{
    return last_error;
}

/* ---- addresses ---------------------------------------------------------------------------------------- */

static socklen_t loopback(struct sockaddr_storage *storage, int family, int port)
{
    memset(storage, 0, sizeof *storage);
    if (family == PEER_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)storage;

        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof *in;
    }
    if (family != PEER_INET6)
        FAIL("peer: family %d is neither PEER_INET nor PEER_INET6", family);
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    in6->sin6_addr = in6addr_loopback;
    return sizeof *in6;
}

static int port_of(const struct sockaddr_storage *storage)
{
    if (storage->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)storage)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)storage)->sin6_port);
}

static int new_socket(int family, int flags)
{
    int fd = socket(family == PEER_INET ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        FAIL("peer: socket: %s", strerror(errno));
    return fd;
}

int peer_local_port(int peer)
{
    if (peer_backend)
        return peer_backend->port(peer, 0);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    if (getsockname(peer, (struct sockaddr *)&address, &length) != 0)
        FAIL("peer: getsockname: %s", strerror(errno));
    return port_of(&address);
}

int peer_remote_port(int peer)
{
    if (peer_backend)
        return peer_backend->port(peer, 1);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    if (getpeername(peer, (struct sockaddr *)&address, &length) != 0)
        FAIL("peer: getpeername: %s", strerror(errno));
    return port_of(&address);
}

/* Waits for poll events until a deadline in test_now_ms() units: the events, 0 when time is up. */
static int wait_for(int fd, short events, long long until)
{
    for (;;) {
        struct pollfd entry = {.fd = fd, .events = events};
        long long left = until - test_now_ms();
        int ready = poll(&entry, 1, left > 0 ? (int)left : 0);

        if (ready > 0)
            return entry.revents;
        if (ready == 0 && left <= 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            FAIL("peer: poll: %s", strerror(errno));
    }
}

/* ---- connections -------------------------------------------------------------------------------------- */

/* bind(); for port 0 also where the system has none to give, because connections in TIME_WAIT have them all: those
 * do not count for a port that is asked for by its number. */
static int bind_to(int fd, struct sockaddr_storage *address, socklen_t length)
{
    int on = 1;

    if (bind(fd, (struct sockaddr *)address, length) == 0)
        return 0;
    if (errno != EADDRINUSE || port_of(address) != 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    for (int port = 20000 + getpid() % 10000; port < 32000; port++) {
        if (address->ss_family == AF_INET)
            ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
        else
            ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
        if (bind(fd, (struct sockaddr *)address, length) == 0)
            return 0;
    }
    errno = EADDRINUSE;
    return -1;
}

int peer_listen(int family, int *port)
{
    if (peer_backend)
        return peer_backend->listen(family, port);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, family, *port);
    int fd = new_socket(family, 0);
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind_to(fd, &address, length) != 0)
        FAIL("peer: bind to port %d: %s", *port, strerror(errno));
    if (listen(fd, 1024) != 0)
        FAIL("peer: listen: %s", strerror(errno));
    *port = peer_local_port(fd);
    return fd;
}

int peer_accept_within(int listener, int timeout_ms)
{
    if (peer_backend)
        return peer_backend->accept_within(listener, timeout_ms, &last_error);
    if (!wait_for(listener, POLLIN, test_now_ms() + timeout_ms)) {
        last_error = ETIMEDOUT;
        return -1;
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        FAIL("peer: accept: %s", strerror(errno));
    return fd;
}

int peer_accept(int listener)
{
    int fd = peer_accept_within(listener, PATIENCE_MS);

    if (fd < 0)
        FAIL("peer: no connection to accept within %d ms", PATIENCE_MS);
    return fd;
}

int peer_connect_start(int family, int port)
{
    if (peer_backend)
        return peer_backend->connect_start(family, port);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, family, port);
    int fd = new_socket(family, SOCK_NONBLOCK);

    if (connect(fd, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS &&
        errno != ECONNREFUSED)
        FAIL("peer: connect to port %d: %s", port, strerror(errno));
    return fd;
}

int peer_connect_finish(int peer, int timeout_ms)
{
    if (peer_backend) {
        int result = peer_backend->connect_finish(peer, timeout_ms);

        if (result)
            last_error = result;
        return result;
    }
    int error = 0;
    socklen_t length = sizeof error;

    if (!wait_for(peer, POLLOUT, test_now_ms() + timeout_ms))
        return last_error = ETIMEDOUT;
    if (getsockopt(peer, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        FAIL("peer: SO_ERROR: %s", strerror(errno));
    if (error)
        return last_error = error;
    struct sockaddr_storage address;
    socklen_t address_length = sizeof address;

    if (getpeername(peer, (struct sockaddr *)&address, &address_length) != 0) {
        if (errno != ENOTCONN)
            return last_error = errno;
        /* Reset since the first look, and this one tells: only what connect() has told itself is told no more. */
        if (getsockopt(peer, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
            FAIL("peer: SO_ERROR: %s", strerror(errno));
        return last_error = error ? error : ECONNREFUSED;
    }
    if (fcntl(peer, F_SETFL, fcntl(peer, F_GETFL) & ~O_NONBLOCK) != 0)
        FAIL("peer: fcntl: %s", strerror(errno));
    return 0;
}

int peer_connect(int family, int port, int timeout_ms)
{
    int fd = peer_connect_start(family, port);

    if (peer_connect_finish(fd, timeout_ms) == 0)
        return fd;
    peer_close(fd);
    return -1;
}

/* ---- data --------------------------------------------------------------------------------------------- */

long peer_send_some(int peer, const void *data, unsigned long length)
{
    if (peer_backend)
        return peer_backend->send_some(peer, data, length, &last_error);
    ssize_t sent = send(peer, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    last_error = errno;
    return -1;
}

void peer_send(int peer, const void *data, unsigned long length)
{
    if (peer_backend) {
        int error = peer_backend->send(peer, data, length, PATIENCE_MS);

        if (error)
            FAIL("peer: send of %lu bytes: %s", length, strerror(error));
        return;
    }
    const char *at = data;
    long long until = test_now_ms() + PATIENCE_MS;

    while (length) {
        if (!wait_for(peer, POLLOUT, until))
            FAIL("peer: %lu bytes could not be sent within %d ms", length, PATIENCE_MS);
        long sent = peer_send_some(peer, at, length);

        if (sent < 0)
            FAIL("peer: send: %s", strerror(last_error));
        at += sent;
        length -= (unsigned long)sent;
    }
}

long peer_receive(int peer, void *data, unsigned long length, int timeout_ms)
{
    if (peer_backend)
        return peer_backend->receive(peer, data, length, timeout_ms, &last_error);
    long long until = test_now_ms() + timeout_ms;

    for (;;) {
        if (!wait_for(peer, POLLIN, until))
            return -2;
        ssize_t got = recv(peer, data, length, MSG_DONTWAIT);

        if (got >= 0)
            return got;
        if (errno != EAGAIN && errno != EINTR) {
            last_error = errno;
            return -1;
        }
    }
}

void peer_receive_all(int peer, void *data, unsigned long length)
{
    char *at = data;
    long long until = test_now_ms() + PATIENCE_MS;

    while (length) {
        long got = peer_receive(peer, at, length, (int)(until - test_now_ms()));

        if (got <= 0)
            FAIL("peer: %lu more bytes expected, but %s", length,
                 got == 0    ? "FIN"
                 : got == -2 ? "nothing came"
                             : strerror(last_error));
        at += got;
        length -= (unsigned long)got;
    }
}

void peer_shutdown(int peer)
{
    if (peer_backend) {
        peer_backend->shutdown(peer);
        return;
    }
    if (shutdown(peer, SHUT_WR) != 0 && errno != ENOTCONN) /* reset already: nothing to say any more */
        FAIL("peer: shutdown: %s", strerror(errno));
}

void peer_close(int peer)
{
    if (peer_backend) {
        peer_backend->close(peer);
        return;
    }
    if (close(peer) != 0)
        FAIL("peer: close: %s", strerror(errno));
}

void peer_reset(int peer)
{
    if (peer_backend) {
        peer_backend->reset(peer);
        return;
    }
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now) != 0)
        FAIL("peer: SO_LINGER: %s", strerror(errno));
    peer_close(peer);
}

static void set_option(int peer, int level, int option, int value)
{
    if (setsockopt(peer, level, option, &value, sizeof value) != 0)
        FAIL("peer: option %d/%d: %s", level, option, strerror(errno));
}

void peer_set_rcvbuf(int peer, int bytes)
{
    if (peer_backend) {
        peer_backend->set_rcvbuf(peer, bytes);
        return;
    }
    set_option(peer, SOL_SOCKET, SO_RCVBUF, bytes);
}

void peer_set_sndbuf(int peer, int bytes)
{
    if (peer_backend) {
        peer_backend->set_sndbuf(peer, bytes);
        return;
    }
    set_option(peer, SOL_SOCKET, SO_SNDBUF, bytes);
}

void peer_set_nodelay(int peer)
{
    if (peer_backend) {
        peer_backend->set_nodelay(peer);
        return;
    }
    set_option(peer, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* ---- datagrams ---------------------------------------------------------------------------------------- */

int peer_datagram(int family, int *port)
{
    if (peer_backend)
        return peer_backend->datagram(family, port);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, family, *port);
    int fd = socket(family == PEER_INET ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0)
        FAIL("peer: datagram socket on port %d: %s", *port, strerror(errno));
    *port = peer_local_port(fd);
    return fd;
}

void peer_datagram_send(int peer, int port, const void *data, unsigned long length)
{
    if (peer_backend) {
        peer_backend->datagram_send(peer, port, data, length);
        return;
    }
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    if (getsockname(peer, (struct sockaddr *)&address, &size) != 0)
        FAIL("peer: getsockname: %s", strerror(errno));
    size = loopback(&address, address.ss_family == AF_INET ? PEER_INET : PEER_INET6, port);
    if (sendto(peer, data, length, 0, (struct sockaddr *)&address, size) != (ssize_t)length)
        FAIL("peer: a datagram of %lu bytes to port %d: %s", length, port, strerror(errno));
}

long peer_datagram_receive(int peer, void *data, unsigned long length, int *port, int timeout_ms)
{
    if (peer_backend)
        return peer_backend->datagram_receive(peer, data, length, port, timeout_ms);
    struct sockaddr_storage from;
    socklen_t size = sizeof from;

    if (!wait_for(peer, POLLIN, test_now_ms() + timeout_ms))
        return -2;
    ssize_t bytes = recvfrom(peer, data, length, MSG_DONTWAIT, (struct sockaddr *)&from, &size);

    if (bytes < 0)
        FAIL("peer: a datagram: %s", strerror(errno));
    if (port)
        *port = port_of(&from);
    return bytes;
}

/* ---- what the wire said ------------------------------------------------------------------------------- */

static const char *answer(long got)
{
    static __thread char text[32];

    if (got > 0) {
        snprintf(text, sizeof text, "%ld bytes", got);
        return text;
    }
    return got == 0 ? "FIN" : got == -2 ? "nothing" : strerror(last_error);
}

void peer_expect_fin(int peer)
{
    char byte;
    long got = peer_receive(peer, &byte, 1, PATIENCE_MS);

    if (got != 0)
        FAIL("peer: expected FIN, saw %s", answer(got));
}

void peer_expect_reset(int peer)
{
    char byte;
    long got = peer_receive(peer, &byte, 1, PATIENCE_MS);

    if (got != -1 || last_error != ECONNRESET)
        FAIL("peer: expected RST, saw %s", answer(got));
}

void peer_expect_silence(int peer, int ms)
{
    char byte;
    long got = peer_receive(peer, &byte, 1, ms);

    if (got != -2)
        FAIL("peer: expected silence for %d ms, saw %s", ms, answer(got));
}

static unsigned long drain(int peer, long long until, long *last)
{
    char buffer[16384];
    unsigned long total = 0;

    while ((*last = peer_receive(peer, buffer, sizeof buffer, (int)(until - test_now_ms()))) > 0)
        total += (unsigned long)*last;
    return total;
}

unsigned long peer_drain_to_fin(int peer)
{
    long last;
    unsigned long total = drain(peer, test_now_ms() + PATIENCE_MS, &last);

    if (last != 0)
        FAIL("peer: expected FIN after the bytes (%lu), saw %s", total, answer(last));
    return total;
}

unsigned long peer_drain_to_reset(int peer)
{
    long last;
    unsigned long total = drain(peer, test_now_ms() + PATIENCE_MS, &last);

    if (last != -1 || last_error != ECONNRESET)
        FAIL("peer: expected RST after the bytes (%lu), saw %s", total, answer(last));
    return total;
}

/* ---- ports where nothing answers ---------------------------------------------------------------------- */

/* A filter that lets nothing in: on a connection nothing is acknowledged any more, on a listener every SYN is
 * lost. */
void peer_drop_incoming(int peer)
{
    if (peer_backend) {
        peer_backend->drop_incoming(peer);
        return;
    }
    struct sock_filter reject = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &reject};

    if (setsockopt(peer, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        FAIL("peer: SO_ATTACH_FILTER: %s", strerror(errno));
}

int peer_black_hole_port(int family)
{
    if (peer_backend)
        return peer_backend->black_hole_port(family);
    int port = 0;
    int listener = peer_listen(family, &port); /* stays open until the process ends */

    peer_drop_incoming(listener);
    return port;
}

int peer_closed_port(int family)
{
    if (peer_backend)
        return peer_backend->closed_port(family);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, family, 0);
    int fd =
        new_socket(family, 0); /* bound, never listening: nobody else gets the port, connects are refused */

    if (bind_to(fd, &address, length) != 0)
        FAIL("peer: bind: %s", strerror(errno));
    return peer_local_port(fd);
}

int peer_port_is_free(int family, int port)
{
    if (peer_backend)
        return peer_backend->port_is_free(family, port);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, family, port);
    int fd = new_socket(family, 0);
    int is_free = bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 1) == 0;

    close(fd);
    return is_free;
}

/* ---- addresses that come and go ----------------------------------------------------------------------- */

static int have_network;

static void set_interface(int up)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0};
    int fd = new_socket(PEER_INET, 0);

    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        FAIL("peer: the loopback of a new network: %s", strerror(errno));
    close(fd);
}

void peer_own_network(void)
{
    if (peer_backend || (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0))
        return;
    set_interface(1);
    have_network = 1;
}

int peer_interface(int up)
{
    if (have_network)
        set_interface(up);
    return have_network;
}

int peer_address_change(int family, int present)
{
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg about;
        struct rtattr local;
        unsigned char address[16];
    } request = {0};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[sizeof request];
    } answer;
    unsigned bytes = family == PEER_INET ? 4 : 16;

    if (peer_backend)
        return peer_backend->address_change(family, present);
    if (!have_network)
        return 0;
    request.header.nlmsg_type = present ? RTM_NEWADDR : RTM_DELADDR;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (present ? NLM_F_CREATE | NLM_F_EXCL : 0);
    request.header.nlmsg_len = (unsigned)offsetof(__typeof__(request), address) + bytes;
    request.about.ifa_family = family == PEER_INET ? AF_INET : AF_INET6;
    request.about.ifa_prefixlen = (unsigned char)(bytes * 8);
    request.about.ifa_index = 1;
    request.local.rta_type = IFA_LOCAL;
    request.local.rta_len = (unsigned short)(sizeof request.local + bytes);
    memcpy(request.address, family == PEER_INET ? "\x7f\0\0\x4d" : "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x77",
           bytes);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0 ||
        recv(fd, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.header + sizeof answer.error.error))
        FAIL("peer: rtnetlink: %s", strerror(errno));
    close(fd);
    return answer.error.error == 0;
}

/* ---- the process -------------------------------------------------------------------------------------- */

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    if (!folder)
        FAIL("peer: %s: %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            count++;
    closedir(folder);
    return count;
}

int peer_count_fds(void)
{
    if (peer_backend)
        return peer_backend->count_fds();
    return count_entries("/proc/self/fd") - 1; /* not the one that reads the folder */
}

int peer_thread_count(void)
{
    if (peer_backend)
        return peer_backend->thread_count();
    return count_entries("/proc/self/task");
}

/* ---- threads ------------------------------------------------------------------------------------------ */

struct test_thread {
    pthread_t thread;
    void (*main)(void *argument);
    void *argument;
};

static void *thread_main(void *context)
{
    struct test_thread *thread = context;

    thread->main(thread->argument);
    return NULL;
}

struct test_thread *test_thread_start(void (*main)(void *argument), void *argument)
{
    if (peer_backend)
        return peer_backend->thread_start(main, argument);
    struct test_thread *thread = malloc(sizeof *thread);
    int error;

    if (!thread)
        FAIL("test thread: out of memory");
    thread->main = main;
    thread->argument = argument;
    error = pthread_create(&thread->thread, NULL, thread_main, thread);
    if (error)
        FAIL("test thread: %s", strerror(error));
    return thread;
}

void test_thread_join(struct test_thread *thread)
{
    if (peer_backend) {
        peer_backend->thread_join(thread);
        return;
    }
    struct timespec until;
    int error;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    error = pthread_timedjoin_np(thread->thread, NULL, &until);
    if (error)
        FAIL("test thread does not end: %s", strerror(error));
    free(thread);
}

struct test_barrier {
    pthread_barrier_t barrier;
};

struct test_barrier *test_barrier_create(int count)
{
    if (peer_backend)
        return peer_backend->barrier_create(count);
    struct test_barrier *barrier = malloc(sizeof *barrier);

    if (!barrier || pthread_barrier_init(&barrier->barrier, NULL, (unsigned)count) != 0)
        FAIL("test barrier: out of memory");
    return barrier;
}

void test_barrier_wait(struct test_barrier *barrier)
{
    if (peer_backend) {
        peer_backend->barrier_wait(barrier);
        return;
    }
    pthread_barrier_wait(&barrier->barrier);
}

void test_barrier_free(struct test_barrier *barrier)
{
    if (peer_backend) {
        peer_backend->barrier_free(barrier);
        return;
    }
    pthread_barrier_destroy(&barrier->barrier);
    free(barrier);
}
