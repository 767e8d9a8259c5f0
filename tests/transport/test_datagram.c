/* Datagrams: UDP and raw sockets, sent to, received from, in batches, with what is told about each. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_WAYS(way) "epoll/" way " uring/" way
#define DATAGRAM_PUMPED                                                                                      \
    DATAGRAM_WAYS("pumped/natural") " " DATAGRAM_WAYS("pumped/no-inline") " " DATAGRAM_WAYS("pumped/"        \
                                                                                            "one-byte")
#define DATAGRAM_THREADS DATAGRAM_WAYS("threads/natural") " " DATAGRAM_WAYS("threads/no-inline")

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(DATAGRAM_PUMPED " " DATAGRAM_THREADS);

enum { UDP = 17, MOST = 65507, MANY = 512 };

/* ---- operations --------------------------------------------------------------------------------------- */

struct datagram { /* one to send, or one that came */
    size_t length;
    char *memory;
    struct transport_datagram about;
};

struct dio {
    struct transport_datagram_op op;
    char *memory;
    size_t piece;
    const struct datagram *list; /* to send */
    struct datagram *came;       /* copies of a batch */
    _Atomic int completions, over;
    int32_t status;
    size_t last_index; /* asked for */
    void (*then)(struct dio *io);
    void *context;
};

static void complete(struct transport_op *op, int32_t status, size_t bytes)
{
    struct dio *io = (struct dio *)op;
    EXPECT_EQ(atomic_fetch_add(&io->completions, 1), 0);
    EXPECT_STATUS(op->status, status);
    EXPECT_EQ(op->bytes, bytes);
    io->status = status;
    for (size_t i = 0; status == STATUS_SUCCESS && io->came && i < io->op.done; i++) {
        io->came[i].length = io->op.received[i].bytes;
        io->came[i].about = io->op.received[i].about;
        io->came[i].memory = malloc(io->came[i].length + 1);
        memcpy(io->came[i].memory, io->op.received[i].data, io->came[i].length);
    }
    if (io->then)
        io->then(io);
    else
        atomic_store(&io->over, 1);
}

static size_t cut(char *memory, size_t length, size_t piece, size_t offset, struct transport_segment *out,
                  size_t count)
{
    size_t used = 0;
    while (used < count && offset < length) {
        size_t bytes = piece - offset % piece;
        if (bytes > length - offset)
            bytes = length - offset;
        out[used].base = memory + offset;
        out[used++].length = bytes;
        offset += bytes;
    }
    return used;
}

static size_t segments(struct transport_op *op, size_t offset, struct transport_segment *out, size_t count)
{
    struct dio *io = (struct dio *)op;
    return cut(io->memory, op->length, io->piece, offset, out, count);
}

static void in_order(struct dio *io, size_t index)
{
    EXPECT(index >= io->op.done && index < io->op.count);
}

static size_t length_of(struct transport_datagram_op *op, size_t index)
{
    struct dio *io = (struct dio *)op;
    in_order(io, index);
    return io->list[index].length;
}

static size_t parts_of(struct transport_datagram_op *op, size_t index, size_t offset,
                       struct transport_segment *out, size_t count)
{
    struct dio *io = (struct dio *)op;
    in_order(io, index);
    return cut(io->list[index].memory, io->list[index].length, io->piece, offset, out, count);
}

static void init(struct dio *io, int kind)
{
    memset(io, 0, sizeof(*io));
    io->op.op.complete = complete;
    io->op.op.kind = kind;
    io->op.op.flags = test_mode_has("no-inline") ? TRANSPORT_NO_INLINE : 0;
    io->op.op.segments = segments;
    io->op.length = length_of;
    io->op.parts = parts_of;
    io->piece = 1 << 20;
}

static int32_t start(struct transport_socket *socket, struct dio *io)
{
    atomic_store(&io->completions, 0);
    atomic_store(&io->over, 0);
    int32_t status = io->op.op.kind == TRANSPORT_SEND_TO ? net->send_to(socket, &io->op)
                                                         : net->receive_from(socket, &io->op);
    if (status != STATUS_PENDING) {
        EXPECT_STATUS(io->op.op.status, status);
        EXPECT_EQ(atomic_load(&io->completions), 0);
        io->status = status;
        atomic_store(&io->over, 1);
    }
    return status;
}

static int32_t finish(struct dio *io)
{
    EXPECT_PUMPED(atomic_load(&io->over));
    return io->status;
}

static void to(struct dio *io, const struct datagram *list, size_t count, struct transport_address remote)
{
    init(io, TRANSPORT_SEND_TO);
    io->list = list;
    io->op.count = count;
    io->op.about.remote = remote;
}

static int32_t send_one(struct transport_socket *socket, struct transport_address remote, const void *data,
                        size_t length)
{
    struct datagram one = {.length = length, .memory = (char *)data};
    struct dio io;
    to(&io, &one, 1, remote);
    start(socket, &io);
    int32_t status = finish(&io);
    if (status == STATUS_SUCCESS) {
        EXPECT_EQ(io.op.done, 1);
        EXPECT_EQ(io.op.op.bytes, length);
    }
    return status;
}

static void into(struct dio *io, void *memory, size_t length)
{
    init(io, TRANSPORT_RECEIVE_FROM);
    io->memory = memory;
    io->op.op.length = length;
    io->op.count = 1;
}

static void batch(struct dio *io, struct datagram *came, size_t count)
{
    init(io, TRANSPORT_RECEIVE_FROM);
    io->op.op.flags |= TRANSPORT_PROVIDE;
    io->op.count = count;
    io->came = came;
}

/* ---- sockets ------------------------------------------------------------------------------------------ */

static struct transport_socket *open_udp(int family)
{
    struct transport_socket *socket;
    EXPECT_STATUS(net->open(transport, 0, family, TRANSPORT_DATAGRAM, UDP, &socket), STATUS_SUCCESS);
    return socket;
}

static struct transport_address any(int family, int port)
{
    struct transport_address address = net_loopback(family, port);
    memset(address.bytes + 4, 0, address.length - 4u);
    return address;
}

static struct transport_address local_of(struct transport_socket *socket)
{
    struct transport_address address;
    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_SUCCESS);
    return address;
}

/* Bound to loopback; where it is. */
static struct transport_socket *udp(int family, struct transport_address *where)
{
    struct transport_socket *socket = open_udp(family);
    struct transport_address address = net_loopback(family, 0);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
    *where = local_of(socket);
    EXPECT(net_port(where) != 0);
    return socket;
}

static void expect_address(const struct transport_address *a, const struct transport_address *b)
{
    EXPECT_EQ(a->length, b->length);
    EXPECT(memcmp(a->bytes, b->bytes, a->length) == 0);
}

static char *pattern(size_t length, unsigned seed)
{
    char *memory = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        memory[i] = (char)(i * 7 + i / 256 + seed);
    return memory;
}

static const int families[] = {PEER_INET, PEER_INET6};

/* ---- one ---------------------------------------------------------------------------------------------- */

TEST(a_datagram_arrives_and_tells_from_where, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = udp(families[f], &here), *b = udp(families[f], &there);
        struct dio io;
        char memory[64];
        into(&io, memory, sizeof(memory));
        EXPECT_STATUS(start(b, &io), STATUS_PENDING); /* first waiting, then not */
        EXPECT_STATUS(send_one(a, there, "hello", 5), STATUS_SUCCESS);
        for (int i = 0; i < 2; i++) {
            EXPECT_STATUS(finish(&io), STATUS_SUCCESS);
            EXPECT_EQ(io.op.op.bytes, 5);
            EXPECT_EQ(io.op.done, 1);
            EXPECT(memcmp(memory, "hello", 5) == 0);
            expect_address(&io.op.about.remote, &here);
            expect_address(&io.op.about.local, &there);
            EXPECT_EQ(io.op.about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE);
            EXPECT_EQ(io.op.about.interface, 1);
            EXPECT_EQ(io.op.about.flags, 0);
            if (i == 0) {
                EXPECT_STATUS(send_one(a, there, "hello", 5), STATUS_SUCCESS);
                EXPECT_PUMPED(net->query(b, TRANSPORT_READABLE) == 5);
                into(&io, memory, sizeof(memory));
                EXPECT_STATUS(start(b, &io), test_mode_has("no-inline") ? STATUS_PENDING : STATUS_SUCCESS);
            }
        }
        net->close(a);
        net->close(b);
    }
}

TEST(a_batch_takes_what_is_there, "")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, there;
        struct transport_socket *a = udp(families[f], &here), *b = udp(families[f], &there);
        struct datagram list[100], came[100];
        struct dio io;
        size_t bytes = 0, total = 0;
        for (int i = 0; i < 100; i++) {
            list[i].length = i % 10 == 0 ? 0 : (size_t)(i * 37 % 1400);
            list[i].memory = pattern(list[i].length, (unsigned)i);
            bytes += list[i].length;
        }
        EXPECT_STATUS(net->set_option(b, TRANSPORT_OPTION_RECEIVE_BUFFER, 1 << 20), STATUS_SUCCESS);
        to(&io, list, 100, there);
        start(a, &io);
        EXPECT_STATUS(finish(&io), STATUS_SUCCESS);
        EXPECT_EQ(io.op.done, 100);
        EXPECT_EQ(io.op.op.bytes, bytes);
        for (size_t at = 0; at < 100; at += io.op.done) {
            batch(&io, came, 100 - at);
            EXPECT_STATUS(start(b, &io), STATUS_PENDING); /* never inline */
            EXPECT_STATUS(finish(&io), STATUS_SUCCESS);
            EXPECT(io.op.done >= 1 && io.op.done <= 100 - at);
            for (size_t i = 0; i < io.op.done; i++) {
                EXPECT_EQ(came[i].length, list[at + i].length);
                EXPECT(memcmp(came[i].memory, list[at + i].memory, came[i].length) == 0);
                expect_address(&came[i].about.remote, &here);
                expect_address(&came[i].about.local, &there);
                EXPECT_EQ(came[i].about.flags, 0);
                free(came[i].memory);
            }
            total += io.op.op.bytes;
        }
        EXPECT_EQ(total, bytes);
        batch(&io, came, 100);
        EXPECT_STATUS(start(b, &io), STATUS_PENDING);
        net_pump(5);
        EXPECT_EQ(atomic_load(&io.over), 0);
        EXPECT_EQ(net->cancel(b, &io.op.op), 1);
        for (int i = 0; i < 100; i++)
            free(list[i].memory);
        net->close(a);
        net->close(b);
    }
}

TEST(what_can_not_be_sent_to_is_refused, "D-18")
{
    for (int f = 0; f < 2; f++) {
        struct transport_address here, wrong = {0};
        struct transport_socket *a = udp(families[f], &here), *unbound = open_udp(families[f]);
        EXPECT_STATUS(send_one(unbound, here, "x", 1), STATUS_INVALID_DEVICE_STATE);
        EXPECT_STATUS(send_one(a, wrong, "x", 1), STATUS_INVALID_ADDRESS_COMPONENT);
        EXPECT_STATUS(send_one(a, any(families[f], 7), "x", 1), STATUS_INVALID_ADDRESS_COMPONENT);
        EXPECT_STATUS(send_one(a, net_loopback(families[f], 0), "x", 1), STATUS_INVALID_ADDRESS_COMPONENT);
        EXPECT_STATUS(send_one(a, net_loopback(families[!f], 7), "x", 1), STATUS_INVALID_ADDRESS_COMPONENT);
        net->close(a);
        net->close(unbound);
    }
}
