/*
 * peer_sim.c - peer.h on the simulated network: the other end is a socket on host 0's loopback, threads are fibers,
 * time is virtual.
 *
 * On Linux' loopback what one end does has happened at the other when the call returns.  Tests count on that.  The
 * wire here takes its time, so a peer lets it come to rest before and after each call (settle).
 */
#include "sim_world.h"

#include "host/host.h"
#include "host/sim/sim.h"
#include "peer_backend.h"
#include "transport/sim/net.h"
#include "uwsk_test.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FAIL(...) uwsk_test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define MS        1000000ull

enum { FIRST_HANDLE = 1000, HANDLES = 16384, REST_NS = 20000, REST_TRIES = 2000 };

static struct net_socket *sockets[HANDLES];
static int handles[HANDLES], free_handles, used_handles; /* those below `used` that are free again */

/* Handles behind those of the connections. */
enum { FIRST_DATAGRAM = FIRST_HANDLE + HANDLES, DATAGRAMS = 256 };
static struct net_datagram *datagrams[DATAGRAMS];

static void nap(uint64_t ns)
{
    static uint32_t never;
    uint64_t until = host_now() + ns;

    while (host_now() < until)
        host_park(&never, 0, until);
}

static void settle(void)
{
    for (int tries = 0; tries < REST_TRIES && !net_is_quiet(); tries++)
        nap(REST_NS);
}

static int handle_new(struct net_socket *socket)
{
    int handle = free_handles ? handles[--free_handles] : used_handles++;

    if (handle >= HANDLES)
        FAIL("peer: more than %d sockets", HANDLES);
    sockets[handle] = socket;
    return FIRST_HANDLE + handle;
}

static struct net_socket *of(int peer)
{
    int handle = peer - FIRST_HANDLE;

    if (handle < 0 || handle >= used_handles || !sockets[handle])
        FAIL("peer: %d is no socket", peer);
    return sockets[handle];
}

static void handle_free(int peer)
{
    sockets[peer - FIRST_HANDLE] = NULL;
    handles[free_handles++] = peer - FIRST_HANDLE;
}

static struct transport_address loopback(int family, int port)
{
    struct transport_address address;

    if (net_address(family == PEER_INET ? "127.0.0.1" : "::1", (uint16_t)port, &address))
        FAIL("peer: no address of family %d", family);
    return address;
}

static int port_of(const struct transport_address *address)
{
    return address->bytes[2] << 8 | address->bytes[3];
}

static int errno_of(long result)
{
    switch (result) {
    case NET_REFUSED:
        return ECONNREFUSED;
    case NET_TIMEOUT:
        return ETIMEDOUT;
    case NET_NO_MEMORY:
        return ENOMEM;
    case NET_UNREACHABLE:
        return ENETUNREACH;
    case NET_IN_USE:
        return EADDRINUSE;
    default:
        return ECONNRESET;
    }
}

/* ---- connections -------------------------------------------------------------------------------------- */

static int sim_port(int peer, int remote)
{
    struct transport_address address;

    net_address_of(of(peer), remote, &address);
    return port_of(&address);
}

static int sim_listen(int family, int *port)
{
    struct transport_address address = loopback(family, *port);
    struct net_socket *listener = net_listen(0, &address, 1024);

    if (!listener)
        FAIL("peer: bind to port %d: in use", *port);
    int peer = handle_new(listener);
    *port = sim_port(peer, 0);
    return peer;
}

static int sim_accept_within(int listener, int timeout_ms, int *error)
{
    struct net_socket *socket;

    settle();
    if (net_accept(of(listener), (uint64_t)timeout_ms * MS, &socket) != NET_OK) {
        *error = ETIMEDOUT;
        return -1;
    }
    return handle_new(socket);
}

static int sim_connect_start(int family, int port)
{
    struct transport_address address = loopback(family, port);
    struct net_socket *socket;
    int result = net_connect_start(0, &address, &socket);

    if (result != NET_OK)
        FAIL("peer: connect to port %d: %s", port, strerror(errno_of(result)));
    return handle_new(socket);
}

static int sim_connect_finish(int peer, int timeout_ms)
{
    int result = net_connect_finish(of(peer), (uint64_t)timeout_ms * MS);

    settle();
    return result == NET_OK ? 0 : errno_of(result);
}

/* ---- data --------------------------------------------------------------------------------------------- */

static long sim_send_some(int peer, const void *data, unsigned long length, int *error)
{
    settle();
    long sent = net_send_some(of(peer), data, length);

    settle();
    if (sent >= 0)
        return sent;
    *error = errno_of(sent);
    return -1;
}

static int sim_send(int peer, const void *data, unsigned long length, int timeout_ms)
{
    long sent = net_send(of(peer), data, length, (uint64_t)timeout_ms * MS);

    settle();
    return sent < 0 ? errno_of(sent) : 0;
}

static long sim_receive(int peer, void *data, unsigned long length, int timeout_ms, int *error)
{
    if (net_readable(of(peer), timeout_ms > 0 ? (uint64_t)timeout_ms * MS : 0) != NET_OK)
        return -2;
    long got = net_receive(of(peer), data, length, 0);

    if (got >= 0)
        return got;
    *error = errno_of(got);
    return -1;
}

static void sim_shutdown(int peer)
{
    net_shutdown(of(peer)); /* reset already: nothing to say any more */
    settle();
}

static void sim_close(int peer)
{
    if (peer >= FIRST_DATAGRAM) {
        net_datagram_close(datagrams[peer - FIRST_DATAGRAM]);
        datagrams[peer - FIRST_DATAGRAM] = NULL;
        return;
    }
    net_close(of(peer));
    handle_free(peer);
    settle();
}

static void sim_reset(int peer)
{
    net_reset(of(peer));
    sim_close(peer);
}

static void sim_set_rcvbuf(int peer, int bytes)
{
    net_set_receive_buffer(of(peer), (size_t)bytes);
}

static void sim_set_sndbuf(int peer, int bytes)
{
    net_set_send_buffer(of(peer), (size_t)bytes);
}

static void sim_set_nodelay(int peer)
{
    net_set_nodelay(of(peer), 1);
}

static void sim_drop_incoming(int peer)
{
    settle();
    net_drop_incoming(of(peer));
}

static int sim_black_hole_port(int family)
{
    struct transport_address address;

    if (net_black_hole(family, &address))
        FAIL("peer: no black hole");
    return port_of(&address);
}

static int sim_closed_port(int family)
{
    struct transport_address address;

    if (net_closed_port(family, &address))
        FAIL("peer: no closed port");
    return port_of(&address);
}

static int sim_port_is_free(int family, int port)
{
    struct transport_address address = loopback(family, port);

    settle();
    return net_port_is_free(0, &address);
}

static int sim_address_change(int family, int present)
{
    return net_address_change(family == PEER_INET ? "10.0.0.77" : "fd00::77", present) == 0;
}

/* ---- the process -------------------------------------------------------------------------------------- */

static int sim_count_fds(void)
{
    return (int)net_open_count() + used_handles - free_handles;
}

static void count_thread(void *context, struct host_thread *thread, void *const *frames, size_t count)
{
    (void)thread;
    (void)frames;
    (void)count;
    ++*(int *)context;
}

static int sim_thread_count(void)
{
    int count = 1; /* this one */

    host_each_thread(count_thread, &count);
    return count;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

struct test_thread {
    void (*main)(void *argument);
    void *argument;
    uint32_t ended;
};

static void thread_main(void *context)
{
    struct test_thread *thread = context;

    thread->main(thread->argument);
    thread->ended = 1;
    host_unpark(&thread->ended, 1);
}

static struct test_thread *sim_thread_start(void (*main)(void *argument), void *argument)
{
    struct test_thread *thread = calloc(1, sizeof *thread);

    if (!thread)
        FAIL("test thread: out of memory");
    thread->main = main;
    thread->argument = argument;
    if (host_thread_start(thread_main, thread, "test thread", 0) != 0)
        FAIL("test thread: refused");
    return thread;
}

static void sim_thread_join(struct test_thread *thread)
{
    uint64_t until = host_now() + 20000 * MS;

    while (!thread->ended)
        if (host_park(&thread->ended, 0, until) == HOST_TIMEOUT && !thread->ended)
            FAIL("test thread does not end");
    free(thread); /* its fiber may still be on the way out, but not through this memory */
}

struct test_barrier {
    int count, waiting, inside;
    uint32_t round;
};

static struct test_barrier *sim_barrier_create(int count)
{
    struct test_barrier *barrier = calloc(1, sizeof *barrier);

    if (!barrier)
        FAIL("test barrier: out of memory");
    barrier->count = count;
    return barrier;
}

static void sim_barrier_wait(struct test_barrier *barrier)
{
    uint32_t round = barrier->round;

    barrier->inside++;
    if (++barrier->waiting == barrier->count) {
        barrier->waiting = 0;
        barrier->round++;
        host_unpark(&barrier->round, INT_MAX);
    }
    while (barrier->round == round)
        host_park(&barrier->round, round, HOST_FOREVER);
    barrier->inside--;
}

static void sim_barrier_free(struct test_barrier *barrier)
{
    while (barrier->inside) /* others are on the way out of it */
        nap(REST_NS);
    free(barrier);
}

/* ---- datagrams ---------------------------------------------------------------------------------------- */

static struct net_datagram *datagram_of(int peer)
{
    if (peer < FIRST_DATAGRAM || peer >= FIRST_DATAGRAM + DATAGRAMS || !datagrams[peer - FIRST_DATAGRAM])
        FAIL("peer: %d is no datagram socket", peer);
    return datagrams[peer - FIRST_DATAGRAM];
}

static int sim_datagram(int family, int *port)
{
    struct transport_address address = loopback(family, *port);
    int handle = 0;

    while (handle < DATAGRAMS && datagrams[handle])
        handle++;
    if (handle == DATAGRAMS)
        FAIL("peer: more than %d datagram sockets", DATAGRAMS);
    datagrams[handle] = net_datagram_open(0, &address);
    if (!datagrams[handle])
        FAIL("peer: datagram socket on port %d: in use", *port);
    net_datagram_address_of(datagrams[handle], &address);
    *port = port_of(&address);
    return FIRST_DATAGRAM + handle;
}

static void sim_datagram_send(int peer, int port, const void *data, unsigned long length)
{
    struct transport_address own;
    struct transport_address to;

    net_datagram_address_of(datagram_of(peer), &own);
    to = loopback(own.family, port);
    settle();
    if (net_datagram_send_to(datagram_of(peer), data, length, &to) != NET_OK)
        FAIL("peer: a datagram of %lu bytes to port %d", length, port);
    settle();
}

static long sim_datagram_receive(int peer, void *data, unsigned long length, int *port, int timeout_ms)
{
    struct transport_address from;

    settle();
    long bytes = net_datagram_receive_from(datagram_of(peer), data, length, &from, (uint64_t)timeout_ms * MS);

    if (bytes < 0)
        return -2;
    if (port)
        *port = port_of(&from);
    return bytes < (long)length ? bytes : (long)length;
}

/* ---- time --------------------------------------------------------------------------------------------- */

static long long sim_now_ms(void)
{
    return (long long)(host_now() / MS);
}

static void sim_sleep_ms(int milliseconds)
{
    nap((uint64_t)milliseconds * MS);
}

const struct peer_backend peer_sim = {
    .listen = sim_listen,
    .accept_within = sim_accept_within,
    .connect_start = sim_connect_start,
    .connect_finish = sim_connect_finish,
    .send_some = sim_send_some,
    .send = sim_send,
    .receive = sim_receive,
    .datagram = sim_datagram,
    .datagram_send = sim_datagram_send,
    .datagram_receive = sim_datagram_receive,
    .shutdown = sim_shutdown,
    .close = sim_close,
    .reset = sim_reset,
    .set_rcvbuf = sim_set_rcvbuf,
    .set_sndbuf = sim_set_sndbuf,
    .set_nodelay = sim_set_nodelay,
    .port = sim_port,
    .black_hole_port = sim_black_hole_port,
    .closed_port = sim_closed_port,
    .drop_incoming = sim_drop_incoming,
    .port_is_free = sim_port_is_free,
    .address_change = sim_address_change,
    .count_fds = sim_count_fds,
    .thread_count = sim_thread_count,
    .thread_start = sim_thread_start,
    .thread_join = sim_thread_join,
    .barrier_create = sim_barrier_create,
    .barrier_wait = sim_barrier_wait,
    .barrier_free = sim_barrier_free,
    .now_ms = sim_now_ms,
    .sleep_ms = sim_sleep_ms,
};
