#include "net.h"
#include "transport/uring/uring.h"
#include "transport/common/internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct transport_ops *net;
struct transport *transport;

enum { THREAD_LOOPS = 2 };
static struct test_thread *threads[THREAD_LOOPS];
static _Atomic int stopping;

int net_is_pumped(void)
{
    return !test_mode_has("threads");
}

int net_carries_receives(void)
{
    return net == &transport_uring_all;
}

int net_carries_sends(void)
{
    return net == &transport_uring || net_carries_receives();
}

/* sim/internal.h, which names the same structures, cannot be included beside common/internal.h. */
extern const struct transport_ops transport_sim;
int net_transport_tcp_state(struct transport_socket *socket);
long net_transport_buffers_out(struct transport *transport);

int net_state_of(struct transport_socket *socket)
{
    return net == &transport_sim ? net_transport_tcp_state(socket) : socket_tcp_state(socket);
}

long net_buffers_out(void)
{
    return net == &transport_sim ? net_transport_buffers_out(transport) : buffers_out(transport);
}

static void choose(void)
{
    char reason[200];
    if (test_mode_has("sim")) {
        net = &transport_sim;
        return;
    }
    net = test_mode_has("uring")                                       ? &transport_uring
          : test_mode_has("uring-all") || test_mode_has("uring-plain") ? &transport_uring_all
                                                                       : &transport_epoll;
    if (test_mode_has("uring-plain"))
        uring_without = ~0u;
    if (net_carries_sends() && !uring_probe(reason, sizeof(reason))) {
        TEST_NOTE("skipped: %s", reason);
        fflush(NULL);
        _exit(0);
    }
    test_runs_on(net_carries_sends() ? "io_uring" : "epoll");
}

static void drive(void *argument)
{
    unsigned loop = (unsigned)(uintptr_t)argument;
    while (!atomic_load(&stopping)) {
        net->wait(transport, loop, host_now() + 1000000000);
        while (net->dispatch(transport, loop))
            ;
    }
}

void net_up(void)
{
    choose();
    struct transport_config config = {.loops = net_is_pumped() ? 1 : THREAD_LOOPS,
                                      .one_byte = test_mode_has("one-byte"),
                                      /* beside every op, and what net_connected says */
                                      .ahead = {.around = {{-4096, 128}, {1 << 20, 64}}, .bytes = {1, 4096}}};
    EXPECT_STATUS(net->attach(&config, &transport), STATUS_SUCCESS);
    for (uintptr_t i = 0; !net_is_pumped() && i < THREAD_LOOPS; i++)
        threads[i] = test_thread_start(drive, (void *)i);
}

void net_down(void)
{
    atomic_store(&stopping, 1);
    for (unsigned i = 0; !net_is_pumped() && i < THREAD_LOOPS; i++) {
        net->wake(transport, i);
        test_thread_join(threads[i]);
    }
    net->detach(transport);
}

void net_pump(int milliseconds)
{
    if (!net_is_pumped()) {
        test_sleep_ms(1);
        return;
    }
    net->wait(transport, 0, host_now() + (uint64_t)milliseconds * 1000000);
    while (net->dispatch(transport, 0))
        ;
}

/* ---- operations --------------------------------------------------------------------------------------- */

static void complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct io *io = (struct io *)op;
    EXPECT_EQ(atomic_fetch_add(&io->completions, 1), 0);
    EXPECT_STATUS(op->status, status);
    EXPECT_EQ(op->bytes, bytes);
    io->status = status;
    io->bytes = bytes;
    if (io->then)
        io->then(io);
    else
        atomic_store(&io->over, 1); /* the io may be gone after this */
}

static size_t segments(struct transport_op *op, size_t offset, struct transport_segment *out, size_t count)
{
    struct io *io = (struct io *)op;
    size_t used = 0;
    while (used < count && offset < op->length) {
        size_t length = io->piece - offset % io->piece;
        if (length > op->length - offset)
            length = op->length - offset;
        out[used].base = io->memory + offset;
        out[used++].length = length;
        offset += length;
    }
    return used;
}

void io_init(struct io *io, int kind, void *memory, size_t length)
{
    memset(io, 0, sizeof(*io));
    io->op.complete = complete;
    io->op.kind = kind;
    io->op.flags = test_mode_has("no-inline") ? TRANSPORT_NO_INLINE : 0;
    io->op.length = length;
    io->op.segments = segments;
    io->memory = memory;
    io->piece = length ? length : 1;
}

static int32_t start(struct transport_socket *socket, struct io *io)
{
    switch (io->op.kind) {
    case TRANSPORT_ACCEPT:
        return net->accept(socket, &io->connection);
    case TRANSPORT_CONNECT:
        return net->connect(socket, &io->connection);
    case TRANSPORT_SEND:
        return net->send(socket, &io->op);
    case TRANSPORT_RECEIVE:
        return net->receive(socket, &io->op);
    default:
        return net->watch(socket, &io->op);
    }
}

int32_t io_start(struct transport_socket *socket, struct io *io)
{
    atomic_store(&io->completions, 0);
    atomic_store(&io->over, 0);
    int32_t status = start(socket, io);
    if (status != STATUS_PENDING) {
        EXPECT_STATUS(io->op.status, status);
        EXPECT_EQ(atomic_load(&io->completions), 0);
        io->status = status;
        io->bytes = io->op.bytes;
        atomic_store(&io->over, 1);
    }
    return status;
}

int32_t io_wait(struct io *io)
{
    EXPECT_PUMPED(atomic_load(&io->over));
    return io->status;
}

int32_t io_run(struct transport_socket *socket, struct io *io)
{
    io_start(socket, io);
    return io_wait(io);
}

void io_expect_pending(struct io *io, int milliseconds)
{
    long long until = test_now_ms() + milliseconds;
    do {
        net_pump(2);
        if (atomic_load(&io->over))
            uwsk_test_fail(__FILE__, __LINE__, "kind %d is over with status %#x, %zu bytes", io->op.kind,
                           (unsigned)io->status, io->bytes);
    } while (test_now_ms() < until);
}

void io_cancel(struct transport_socket *socket, struct io *io)
{
    int taken = net->cancel(socket, &io->op);
    EXPECT_EQ(net->cancel(socket, &io->op), 0);
    if (taken) {
        EXPECT_EQ(atomic_load(&io->completions), 0);
        return;
    }
    EXPECT(io->op.kind == TRANSPORT_SEND ? net_carries_sends() : net_carries_receives());
    EXPECT_STATUS(io_wait(io), STATUS_CANCELLED);
    EXPECT_EQ(atomic_load(&io->completions), 1);
}

/* ---- sockets ------------------------------------------------------------------------------------------ */

struct transport_address net_loopback(int family, int port)
{
    struct transport_address address = {0};
    uint16_t network_port = htons((uint16_t)port);
    address.length = family == PEER_INET ? 16 : 28;
    address.family = (uint16_t)family;
    memcpy(address.bytes + 2, &network_port, 2);
    if (family == PEER_INET)
        memcpy(address.bytes + 4, "\x7f\0\0\1", 4);
    else
        address.bytes[8 + 15] = 1;
    return address;
}

int net_port(const struct transport_address *address)
{
    uint16_t port;
    memcpy(&port, address->bytes + 2, 2);
    return ntohs(port);
}

struct transport_socket *net_open(int family)
{
    struct transport_socket *socket;
    EXPECT_STATUS(net->open(transport, 0, family, TRANSPORT_STREAM, 6, &socket), STATUS_SUCCESS);
    return socket;
}

struct transport_socket *net_listener(int family, int *port)
{
    struct transport_socket *socket = net_open(family);
    struct transport_address address = net_loopback(family, *port);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
    EXPECT_STATUS(net->listen(socket, 1024), STATUS_SUCCESS);
    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_SUCCESS);
    *port = net_port(&address);
    return socket;
}

static struct transport_socket *connected(int family, int *peer, int receive_buffer)
{
    int port = 0;
    int listener = peer_listen(family, &port);
    if (receive_buffer)
        peer_set_rcvbuf(listener, receive_buffer); /* before there is a window to go back on */
    struct transport_socket *socket = net_open(family);
    struct io connect;
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(family, port);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
    net->ahead(socket)[0] = (const void *)1; /* never read */
    net->ahead(socket)[1] = &port;
    *peer = peer_accept(listener);
    peer_close(listener);
    return socket;
}

struct transport_socket *net_connected(int family, int *peer)
{
    return connected(family, peer, 0);
}

struct transport_socket *net_connected_narrow(int *peer)
{
    return connected(PEER_INET, peer, 4096);
}

struct transport_socket *net_accepted(int family, int *peer)
{
    int port = 0;
    struct transport_socket *listener = net_listener(family, &port);
    struct io accept;
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    *peer = peer_connect(family, port, 5000);
    EXPECT(*peer >= 0);
    EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
    net->close(listener);
    return accept.connection.accepted;
}

void net_receive_all(struct transport_socket *socket, void *memory, size_t length)
{
    size_t done = 0;
    while (done < length) {
        struct io receive;
        io_init(&receive, TRANSPORT_RECEIVE, (char *)memory + done, length - done);
        EXPECT_STATUS(io_run(socket, &receive), STATUS_SUCCESS);
        EXPECT(receive.bytes > 0);
        done += receive.bytes;
    }
}

void net_fill(struct transport_socket *socket, struct io *io, void *memory, size_t length)
{
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_SEND_BUFFER, 16384), STATUS_SUCCESS);
    io_init(io, TRANSPORT_SEND, memory, length);
    EXPECT_STATUS(io_start(socket, io), STATUS_PENDING);
    /* Closed when nothing moves any more. */
    int64_t unsent = -1;
    for (int still = 0; still < 20;) {
        net_pump(5);
        int64_t now = net->query(socket, TRANSPORT_UNSENT);
        still = now > 0 && now == unsent ? still + 1 : 0;
        unsent = now;
    }
    EXPECT_EQ(atomic_load(&io->over), 0);
}

size_t net_drain_to_fin(int peer)
{
    static char memory[1 << 16];
    size_t total = 0;
    long got;
    while ((got = peer_receive(peer, memory, sizeof(memory), 1)) != 0) {
        EXPECT(got > 0 || got == -2);
        total += got > 0 ? (size_t)got : 0;
        net_pump(0);
    }
    return total;
}

long net_loss_probes(void)
{
    static char names[16384], values[16384];
    long probes = -1;
    FILE *file = test_mode_has("sim") ? NULL : fopen("/proc/net/netstat", "re");
    if (!file)
        return 0;
    if (fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) { /* TcpExt: a line each */
        char *name_end, *value_end;
        char *name = strtok_r(names, " \n", &name_end), *value = strtok_r(values, " \n", &value_end);
        for (; name && value && probes < 0;
             name = strtok_r(NULL, " \n", &name_end), value = strtok_r(NULL, " \n", &value_end))
            if (strcmp(name, "TCPLossProbes") == 0)
                probes = atol(value);
    }
    fclose(file);
    EXPECT(probes >= 0);
    return probes;
}
