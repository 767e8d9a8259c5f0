/* Listening, accepting, connecting, sending and receiving, against plain Linux peers. */
#include "net.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_MODES);

static void fill_pattern(char *memory, size_t length)
{
    for (size_t i = 0; i < length; i++)
        memory[i] = (char)(i * 7 + i / 251);
}

static size_t scaled(size_t length)
{
    return test_mode_has("one-byte") ? length / 50 : length;
}

static void connects(int family)
{
    int port = 0, peer;
    int listener = peer_listen(family, &port);
    struct transport_socket *socket = net_open(family);
    struct transport_address address;
    EXPECT_STATUS(net->address(socket, 1, &address), STATUS_CONNECTION_INVALID);
    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_ADDRESS_NOT_ASSOCIATED);

    struct io connect;
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(family, port);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
    peer = peer_accept(listener);
    EXPECT_STATUS(net->address(socket, 1, &address), STATUS_SUCCESS);
    EXPECT_EQ(address.family, family);
    EXPECT_EQ(net_port(&address), port);
    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_SUCCESS);
    EXPECT_EQ(net_port(&address), peer_remote_port(peer));
    struct transport_address expected = net_loopback(family, net_port(&address));
    EXPECT(memcmp(&expected.bytes, &address.bytes, address.length) == 0);

    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(family, port);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_CONNECTION_ACTIVE);
    net->close(socket);
    peer_expect_fin(peer);
    peer_close(peer);
    peer_close(listener);
}

TEST(connect_v4, "")
{
    connects(PEER_INET);
}

TEST(connect_v6, "")
{
    connects(PEER_INET6);
}

static void accepts(int family)
{
    int port = 0;
    struct transport_socket *listener = net_listener(family, &port);
    struct io accept;
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_start(listener, &accept), STATUS_PENDING);
    io_expect_pending(&accept, 20);
    int peer = peer_connect(family, port, 5000);
    EXPECT_STATUS(io_wait(&accept), STATUS_SUCCESS);
    EXPECT_EQ(accept.connection.address.family, family);
    EXPECT_EQ(net_port(&accept.connection.address), peer_local_port(peer));
    EXPECT_EQ(net_port(&accept.connection.local), port);
    struct transport_address address;
    EXPECT_STATUS(net->address(accept.connection.accepted, 1, &address), STATUS_SUCCESS);
    EXPECT_EQ(net_port(&address), peer_local_port(peer));
    net->close(accept.connection.accepted);
    peer_expect_fin(peer);
    peer_close(peer);

    /* One waits already: inline, unless that is forbidden. */
    peer = peer_connect(family, port, 5000);
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_start(listener, &accept), test_mode_has("no-inline") ? STATUS_PENDING : STATUS_SUCCESS);
    EXPECT_STATUS(io_wait(&accept), STATUS_SUCCESS);
    net->close(accept.connection.accepted);
    net->close(listener);
    peer_close(peer);
}

TEST(accept_v4, "")
{
    accepts(PEER_INET);
}

TEST(accept_v6, "")
{
    accepts(PEER_INET6);
}

/* What waits is accepted one after the other, in order; then nothing, until another comes. */
TEST(accepts_all_that_wait_and_no_more, "")
{
    enum { MOST = 4 };
    int port = 0, peers[MOST];
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    struct io accept;
    for (int waiting = 1; waiting <= MOST; waiting++) {
        for (int i = 0; i < waiting; i++)
            peers[i] = peer_connect(PEER_INET, port, 5000);
        for (int i = 0; i < waiting; i++) {
            io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
            EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
            EXPECT_EQ(net_port(&accept.connection.address), peer_local_port(peers[i]));
            net->close(accept.connection.accepted);
        }
        io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
        EXPECT_STATUS(io_start(listener, &accept), STATUS_PENDING);
        io_expect_pending(&accept, 5);
        if (waiting % 2) { /* the next one comes by an event */
            int peer = peer_connect(PEER_INET, port, 5000);
            EXPECT_STATUS(io_wait(&accept), STATUS_SUCCESS);
            EXPECT_EQ(net_port(&accept.connection.address), peer_local_port(peer));
            net->close(accept.connection.accepted);
            peer_close(peer);
        } else {
            io_cancel(listener, &accept);
        }
        for (int i = 0; i < waiting; i++)
            peer_close(peers[i]);
    }
    net->close(listener);
}

TEST(accept_needs_a_listener, "")
{
    struct transport_socket *socket = net_open(PEER_INET);
    struct io accept;
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(socket, &accept), STATUS_INVALID_DEVICE_STATE);
    net->close(socket);
}

/* What waits in the listener's queue is reset when the listener goes. */
TEST(close_of_a_listener_resets_its_queue, "")
{
    int port = 0;
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    int peer = peer_connect(PEER_INET, port, 5000);
    net->close(listener);
    peer_expect_reset(peer);
    peer_close(peer);
}

TEST(connect_is_refused_and_tried_again, "")
{
    int port = peer_closed_port(PEER_INET);
    struct transport_socket *socket = net_open(PEER_INET);
    struct io connect;
    for (int i = 0; i < 3; i++) {
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, port);
        EXPECT_STATUS(io_run(socket, &connect), STATUS_CONNECTION_REFUSED);
    }
    port = 0;
    int listener = peer_listen(PEER_INET, &port);
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
    int peer = peer_accept(listener);
    peer_send(peer, "a", 1);
    char byte;
    net_receive_all(socket, &byte, 1);
    EXPECT_EQ(byte, 'a');
    net->close(socket);
    peer_close(peer);
    peer_close(listener);
}

TEST(connect_needs_an_address_that_can_be_reached, "")
{
    struct transport_socket *socket = net_open(PEER_INET);
    struct io connect;
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(PEER_INET, 80);
    memset(connect.connection.address.bytes + 4, 0, 4); /* 0.0.0.0, which Linux takes for itself */
    EXPECT_STATUS(io_run(socket, &connect), STATUS_INVALID_ADDRESS_COMPONENT);
    connect.connection.address = net_loopback(PEER_INET, 0);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_INVALID_ADDRESS_COMPONENT);
    connect.connection.address = net_loopback(PEER_INET6, 80);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_INVALID_ADDRESS_COMPONENT);
    connect.connection.address.length = 0;
    EXPECT_STATUS(io_run(socket, &connect), STATUS_INVALID_ADDRESS_COMPONENT);
    net->close(socket);
}

TEST(connect_into_a_black_hole_is_taken_back, "")
{
    int port = peer_black_hole_port(PEER_INET);
    struct transport_socket *socket = net_open(PEER_INET);
    struct io connect, receive;
    char byte;
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(io_start(socket, &connect), STATUS_PENDING);
    io_expect_pending(&connect, 50);
    io_init(&receive, TRANSPORT_RECEIVE, &byte, 1);
    EXPECT_STATUS(io_run(socket, &receive), STATUS_CONNECTION_INVALID);
    io_cancel(socket, &connect);
    EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
    net->close(socket);
}

TEST(open_refuses_what_it_cannot_do, "D-18")
{
    struct transport_socket *socket;
    EXPECT_STATUS(net->open(transport, 0, PEER_INET, TRANSPORT_STREAM, 0, &socket),
                  STATUS_PROTOCOL_UNREACHABLE);
    EXPECT_STATUS(net->open(transport, 0, PEER_INET, TRANSPORT_STREAM, 17, &socket),
                  STATUS_PROTOCOL_UNREACHABLE);
    EXPECT_STATUS(net->open(transport, 0, 1, TRANSPORT_STREAM, 6, &socket), STATUS_PROTOCOL_UNREACHABLE);
    EXPECT_STATUS(net->open(transport, 0, PEER_INET, 4, 6, &socket), STATUS_NOT_SUPPORTED);
}

/* Chains of many small segments, in both directions, longer than the kernel's buffers. */
TEST(data_arrives_whole_and_in_order, "")
{
    size_t length = scaled(400000), done = 0;
    char *out = malloc(length), *in = malloc(length);
    fill_pattern(out, length);
    int peer;
    struct transport_socket *socket = net_accepted(PEER_INET, &peer);
    struct io send, receive;
    io_init(&send, TRANSPORT_SEND, out, length);
    send.piece = 101;
    io_start(socket, &send);
    while (done < length) {
        long got = peer_receive(peer, in + done, length - done, 1);
        EXPECT(got > 0 || got == -2);
        done += got > 0 ? (size_t)got : 0;
        net_pump(0);
    }
    EXPECT_STATUS(io_wait(&send), STATUS_SUCCESS);
    EXPECT_EQ(send.bytes, length);
    EXPECT(memcmp(in, out, length) == 0);

    memset(in, 0, length);
    size_t given = 0;
    for (done = 0; done < length;) {
        long took = given < length ? peer_send_some(peer, out + given, length - given) : 0;
        EXPECT(took >= 0);
        given += (size_t)took;
        io_init(&receive, TRANSPORT_RECEIVE, in + done, length - done);
        receive.piece = 13;
        EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
        EXPECT(receive.bytes > 0);
        if (test_mode_has("one-byte"))
            EXPECT_EQ(receive.bytes, 1);
        done += receive.bytes;
    }
    EXPECT(memcmp(in, out, length) == 0);
    net->close(socket);
    peer_close(peer);
    free(out);
    free(in);
}

TEST(receive_waits_for_data, "")
{
    int peer;
    char memory[8];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive;
    io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    io_expect_pending(&receive, 20);
    peer_send(peer, "abc", 3);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    if (!test_mode_has("windy"))
        EXPECT_EQ(receive.bytes, test_mode_has("one-byte") ? 1 : 3);
    EXPECT_EQ(memory[0], 'a');
    net->close(socket);
    peer_close(peer);
}

static void start_receive(struct transport_socket *socket, struct io *receive, char *memory, int32_t expected)
{
    io_init(receive, TRANSPORT_RECEIVE, memory, 8);
    EXPECT_STATUS(io_start(socket, receive), expected);
}

/* After one that took all there was a receive is not tried: the event of what came meanwhile ends it, whatever that is.
 * Once the event has been looked at, the next receive is tried again. */
TEST(receive_after_one_that_took_all_waits_for_the_event, "", TEST_MODES("epoll/pumped/natural"))
{
    int peer;
    char memory[8];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive, readable;
    start_receive(socket, &receive, memory, STATUS_PENDING);
    peer_send(peer, "a", 1);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);

    peer_send(peer, "b", 1);
    EXPECT_SOON(net->query(socket, TRANSPORT_READABLE) == 1);
    start_receive(socket, &receive, memory, STATUS_PENDING);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(memory[0], 'b');

    io_init(&readable, TRANSPORT_WATCH_READABLE, NULL, 0);
    EXPECT_STATUS(io_start(socket, &readable), STATUS_PENDING);
    peer_send(peer, "cdefghijk", 9);
    EXPECT_STATUS(io_wait(&readable), STATUS_SUCCESS);
    EXPECT_PUMPED(net->query(socket, TRANSPORT_READABLE) == 9);
    start_receive(socket, &receive, memory, STATUS_SUCCESS); /* fills its buffer: there may be more */
    start_receive(socket, &receive, memory, STATUS_SUCCESS);
    EXPECT_EQ(memory[0], 'k');

    peer_shutdown(peer);
    start_receive(socket, &receive, memory, STATUS_PENDING);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(receive.bytes, 0);
    start_receive(socket, &receive, memory, STATUS_SUCCESS);
    net->close(socket);
    peer_close(peer);

    socket = net_connected(PEER_INET, &peer);
    start_receive(socket, &receive, memory, STATUS_PENDING);
    peer_send(peer, "a", 1);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    peer_reset(peer);
    start_receive(socket, &receive, memory, STATUS_PENDING);
    EXPECT_STATUS(io_wait(&receive), STATUS_CONNECTION_RESET);
    net->close(socket);
}

static void *pump(void *stop)
{
    while (!atomic_load((_Atomic int *)stop))
        net_pump(5);
    return NULL;
}

/* The same on one CPU beside the loop's thread, which looks at the event before or after the receive is started. */
TEST(receives_of_another_thread_miss_no_event, "", TEST_MODES("epoll/pumped/natural"))
{
    int peer;
    char memory[8];
    _Atomic int stop = 0;
    pthread_t thread;
    cpu_set_t one;
    net_down();
    EXPECT(sched_getaffinity(0, sizeof(one), &one) == 0);
    for (int cpu = 0, found = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &one) && found++)
            CPU_CLR(cpu, &one);
    }
    EXPECT(sched_setaffinity(0, sizeof(one), &one) == 0);
    net_up();
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    net_pump(1); /* the last one of this thread */
    EXPECT_EQ(pthread_create(&thread, NULL, pump, &stop), 0);
    for (int i = 0; i < 2000; i++) {
        char byte = (char)i;
        struct io receive;
        bool before = i % 3 == 0;
        if (!before)
            peer_send(peer, &byte, 1);
        if (i % 3 == 1)
            sched_yield();
        io_init(&receive, TRANSPORT_RECEIVE, memory, 8);
        io_start(socket, &receive);
        if (before)
            peer_send(peer, &byte, 1);
        while (!atomic_load(&receive.over)) /* for ever, should the event be missed */
            sched_yield();
        EXPECT_STATUS(receive.status, STATUS_SUCCESS);
        EXPECT_EQ(receive.bytes, 1);
        EXPECT_EQ(memory[0], byte);
    }
    atomic_store(&stop, 1);
    EXPECT_EQ(pthread_join(thread, NULL), 0);
    net->close(socket);
    peer_close(peer);
}

TEST(receive_of_no_bytes_is_refused, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive;
    io_init(&receive, TRANSPORT_RECEIVE, NULL, 0);
    EXPECT_STATUS(net->receive(socket, &receive.op), STATUS_INVALID_PARAMETER);
    net->close(socket);
    peer_close(peer);
}

TEST(send_of_no_bytes_succeeds, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send;
    io_init(&send, TRANSPORT_SEND, NULL, 0);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    EXPECT_EQ(send.bytes, 0);
    net->close(socket);
    peer_close(peer);
}

TEST(end_of_stream_is_success_with_no_bytes, "")
{
    int peer;
    char memory[8];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive;
    io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    peer_shutdown(peer);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ(receive.bytes, 0);
    for (int i = 0; i < 2; i++) {
        io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
        EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
        EXPECT_EQ(receive.bytes, 0);
    }
    /* Half closed: the other direction still works. */
    struct io send;
    io_init(&send, TRANSPORT_SEND, "still", 5);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    peer_receive_all(peer, memory, 5);
    EXPECT(memcmp(memory, "still", 5) == 0);
    net->close(socket);
    peer_close(peer);
}

TEST(shutdown_closes_one_direction, "")
{
    int peer;
    char memory[8];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    peer_expect_fin(peer);
    peer_send(peer, "back", 4);
    net_receive_all(socket, memory, 4);
    EXPECT(memcmp(memory, "back", 4) == 0);
    struct io send;
    io_init(&send, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &send), STATUS_INVALID_DEVICE_STATE);
    net->close(socket);
    peer_close(peer);

    socket = net_open(PEER_INET);
    EXPECT_STATUS(net->shutdown(socket), STATUS_INVALID_DEVICE_STATE);
    net->close(socket);
}

/* The FIN leaves after the send that waits for room. */
TEST(shutdown_waits_for_the_send_inside, "")
{
    int peer;
    size_t length = 6000000;
    char *memory = malloc(length);
    fill_pattern(memory, length);
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send, more;
    if (test_mode_has("one-byte"))
        length = 400000;
    net_fill(socket, &send, memory, length);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    net_pump(5);
    EXPECT_EQ(atomic_load(&send.over), 0);
    EXPECT_EQ(net_drain_to_fin(peer), length);
    EXPECT_STATUS(io_wait(&send), STATUS_SUCCESS);
    io_init(&more, TRANSPORT_SEND, "x", 1);
    EXPECT_STATUS(io_run(socket, &more), STATUS_INVALID_DEVICE_STATE);
    net->close(socket);
    peer_close(peer);
    free(memory);
}

/* ... and when that send is taken back, after what it had handed over. */
TEST(shutdown_after_a_cancelled_send, "")
{
    int peer;
    size_t length = 6000000;
    char *memory = calloc(1, length);
    struct transport_socket *socket = net_connected_narrow(&peer);
    struct io send;
    net_fill(socket, &send, memory, test_mode_has("one-byte") ? 400000 : length);
    EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
    io_cancel(socket, &send);
    EXPECT_EQ(peer_drain_to_fin(peer), send.op.bytes);
    net->close(socket);
    peer_close(peer);
    free(memory);
}

TEST(reset_ends_what_is_inside_and_what_comes, "")
{
    int peer;
    char memory[8];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive, send;
    io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    peer_reset(peer);
    EXPECT_STATUS(io_wait(&receive), STATUS_CONNECTION_RESET);
    for (int i = 0; i < 2; i++) {
        io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
        EXPECT_STATUS(io_run(socket, &receive), STATUS_CONNECTION_RESET);
        io_init(&send, TRANSPORT_SEND, memory, 1);
        EXPECT_STATUS(io_run(socket, &send), STATUS_CONNECTION_RESET);
    }
    EXPECT_STATUS(net->shutdown(socket), STATUS_CONNECTION_RESET);
    uint64_t error = 0;
    EXPECT_STATUS(net->get_option(socket, TRANSPORT_OPTION_ERROR, &error), STATUS_SUCCESS);
    EXPECT_STATUS((int32_t)error, STATUS_CONNECTION_RESET);
    struct transport_address address;
    EXPECT_STATUS(net->address(socket, 1, &address), STATUS_SUCCESS);
    net->close(socket);
}

/* A reset that follows the peer's FIN is EPIPE on Linux. */
TEST(reset_after_fin_is_a_reset, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io reset;
    peer_shutdown(peer);
    io_init(&reset, TRANSPORT_WATCH_RESET, NULL, 0);
    EXPECT_STATUS(io_start(socket, &reset), STATUS_PENDING);
    io_expect_pending(&reset, 10);
    peer_reset(peer);
    EXPECT_STATUS(io_wait(&reset), STATUS_CONNECTION_RESET);
    net->close(socket);
}

TEST(data_before_a_reset_is_not_lost, "")
{
    int peer;
    char memory[8];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io receive, reset;
    peer_send(peer, "last", 4);
    peer_reset(peer);
    io_init(&reset, TRANSPORT_WATCH_RESET, NULL, 0);
    EXPECT_STATUS(io_run(socket, &reset), STATUS_CONNECTION_RESET);
    net_receive_all(socket, memory, 4);
    EXPECT(memcmp(memory, "last", 4) == 0);
    io_init(&receive, TRANSPORT_RECEIVE, memory, sizeof(memory));
    EXPECT_STATUS(io_run(socket, &receive), STATUS_CONNECTION_RESET);
    net->close(socket);
}

TEST(provided_buffers, "")
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    size_t size = net->provided_size(transport);
    char *memory = malloc(size * 2);
    fill_pattern(memory, size * 2);
    struct io receive;
    io_init(&receive, TRANSPORT_RECEIVE, NULL, size * 2);
    receive.op.flags |= TRANSPORT_PROVIDE;
    EXPECT_STATUS(io_start(socket, &receive), STATUS_PENDING);
    io_expect_pending(&receive, 10);
    peer_send(peer, memory, 100);
    EXPECT_STATUS(io_wait(&receive), STATUS_SUCCESS);
    EXPECT_EQ((uintptr_t)receive.op.provided % 64, 0);
    if (!test_mode_has("windy"))
        EXPECT_EQ(receive.bytes, test_mode_has("one-byte") ? 1 : 100);
    EXPECT(memcmp(receive.op.provided, memory, receive.bytes) == 0);
    net->recycle(transport, receive.op.provided);

    /* Many at once, more than the cache holds, given back in another order. */
    void *kept[100];
    peer_send(peer, memory, size * 2);
    for (int i = 0; i < 100; i++) {
        io_init(&receive, TRANSPORT_RECEIVE, NULL, 10);
        receive.op.flags |= TRANSPORT_PROVIDE;
        EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
        EXPECT_EQ(receive.bytes, test_mode_has("one-byte") ? 1 : 10);
        kept[i] = receive.op.provided;
    }
    for (int i = 0; i < 100; i += 2)
        net->recycle(transport, kept[i]);
    for (int i = 99; i > 0; i -= 2)
        net->recycle(transport, kept[i]);
    /* A receive without data, and one at the end: no buffer. */
    peer_shutdown(peer);
    do {
        io_init(&receive, TRANSPORT_RECEIVE, NULL, size);
        receive.op.flags |= TRANSPORT_PROVIDE;
        EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
        if (receive.bytes)
            net->recycle(transport, receive.op.provided);
    } while (receive.bytes);
    EXPECT(receive.op.provided == NULL);
    net->close(socket);
    peer_close(peer);
    free(memory);
}

static int fail_transport(void *context, int kind)
{
    return kind == HOST_FAULT_TRANSPORT && ++*(int *)context;
}

TEST(faults_refuse_every_start, "")
{
    int peer, port = 0, asked = 0;
    char byte;
    struct transport_socket *socket = net_connected(PEER_INET, &peer), *other;
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    host_set_fault_plan(fail_transport, &asked);
    EXPECT_STATUS(net->open(transport, 0, PEER_INET, TRANSPORT_STREAM, 6, &other),
                  STATUS_INSUFFICIENT_RESOURCES);
    for (int kind = TRANSPORT_RECEIVE; kind <= TRANSPORT_WATCH_READABLE; kind++) {
        struct io io;
        io_init(&io, kind, &byte, 1);
        EXPECT_STATUS(io_start(kind == TRANSPORT_ACCEPT ? listener : socket, &io),
                      STATUS_INSUFFICIENT_RESOURCES);
    }
    EXPECT_EQ(asked, 11);
    host_set_fault_plan(NULL, NULL);
    net->close(listener);
    net->close(socket);
    peer_close(peer);
}

/* Out of descriptors: refused, and the connection waits until there is one again. */
TEST(out_of_descriptors, "", TEST_MODES(NET_LINUX("pumped/natural") " " NET_LINUX("pumped/no-inline")))
{
    int port = 0;
    struct transport_socket *listener = net_listener(PEER_INET, &port), *other;
    struct io accept;
    int peer = peer_connect(PEER_INET, port, 5000);
    struct rlimit before, now;
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(0);
    close(lowest);
    now = before;
    now.rlim_cur = (rlim_t)lowest;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
    EXPECT_STATUS(net->open(transport, 0, PEER_INET, TRANSPORT_STREAM, 6, &other),
                  STATUS_INSUFFICIENT_RESOURCES);
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(listener, &accept), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT(accept.connection.accepted == NULL);
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
    net->close(accept.connection.accepted);
    net->close(listener);
    peer_close(peer);
}

static void send_one(struct transport_socket *socket, unsigned flags)
{
    struct io send;
    io_init(&send, TRANSPORT_SEND, "x", 1);
    send.op.flags |= flags;
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
}

/* Four small sends, the third of them with TRANSPORT_NODELAY; what was unsent after the last three. 0 when a loss probe
 * came in between. */
static int send_four(uint64_t unsent[3])
{
    int peer;
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    uint64_t on = 1;
    long probes = net_loss_probes();
    peer_drop_incoming(peer); /* so that no ACK ever comes */
    send_one(socket, 0);
    for (int i = 0; i < 3; i++) {
        send_one(socket, i == 1 ? TRANSPORT_NODELAY : 0);
        unsent[i] = (uint64_t)net->query(socket, TRANSPORT_UNSENT);
    }
    probes = net_loss_probes() - probes;
    EXPECT_STATUS(net->get_option(socket, TRANSPORT_OPTION_NODELAY, &on), STATUS_SUCCESS);
    EXPECT_EQ(on, 0);
    net->abort(socket);
    net->close(socket);
    peer_close(peer);
    return probes == 0;
}

/* TRANSPORT_NODELAY: the second small send does not wait for the first one's ACK; the option reads as before.
 */
TEST(nodelay_flag_flushes_nagle, "")
{
    uint64_t unsent[3];
    while (!send_four(unsent))
        ;
    EXPECT_EQ(unsent[0], 1); /* Nagle is on, as on Windows */
    EXPECT_EQ(unsent[1], 0);
    EXPECT_EQ(unsent[2], 1);
}
