#include "datagrams.h"

#include <stdlib.h>

/* ---- operations --------------------------------------------------------------------------------------- */

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

int32_t dio_start(struct transport_socket *socket, struct dio *io)
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

int32_t dio_finish(struct dio *io)
{
    EXPECT_PUMPED(atomic_load(&io->over));
    return io->status;
}

void dio_to(struct dio *io, const struct datagram *list, size_t count, struct transport_address remote)
{
    init(io, TRANSPORT_SEND_TO);
    io->list = list;
    io->op.count = count;
    io->op.about.remote = remote;
}

int32_t dio_send_one(struct transport_socket *socket, struct transport_address remote, const void *data,
                     size_t length)
{
    struct datagram one = {.length = length, .memory = (char *)data};
    struct dio io;
    dio_to(&io, &one, 1, remote);
    dio_start(socket, &io);
    int32_t status = dio_finish(&io);
    if (status == STATUS_SUCCESS) {
        EXPECT_EQ(io.op.done, 1);
        EXPECT_EQ(io.op.op.bytes, length);
    }
    return status;
}

void dio_into(struct dio *io, void *memory, size_t length)
{
    init(io, TRANSPORT_RECEIVE_FROM);
    io->memory = memory;
    io->op.op.length = length;
    io->op.count = 1;
}

void dio_batch(struct dio *io, struct datagram *came, size_t count)
{
    init(io, TRANSPORT_RECEIVE_FROM);
    io->op.op.flags |= TRANSPORT_PROVIDE;
    io->op.count = count;
    io->came = came;
}

/* ---- sockets ------------------------------------------------------------------------------------------ */

struct transport_socket *net_open_udp(int family)
{
    struct transport_socket *socket;
    EXPECT_STATUS(net->open(transport, 0, family, TRANSPORT_DATAGRAM, UDP, &socket), STATUS_SUCCESS);
    return socket;
}

struct transport_address net_any(int family, int port)
{
    struct transport_address address = net_loopback(family, port);
    memset(address.bytes + 4, 0, address.length - 4u);
    return address;
}

struct transport_address net_local(struct transport_socket *socket)
{
    struct transport_address address;
    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_SUCCESS);
    return address;
}

/* Bound to loopback; where it is. */
struct transport_socket *net_udp(int family, struct transport_address *where)
{
    struct transport_socket *socket = net_open_udp(family);
    struct transport_address address = net_loopback(family, 0);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
    *where = net_local(socket);
    EXPECT(net_port(where) != 0);
    return socket;
}

void expect_address(const struct transport_address *a, const struct transport_address *b)
{
    EXPECT_EQ(a->length, b->length);
    EXPECT(memcmp(a->bytes, b->bytes, a->length) == 0);
}

void net_set(struct transport_socket *socket, int option, uint64_t value)
{
    EXPECT_STATUS(net->set_option(socket, option, value), STATUS_SUCCESS);
}

char *net_pattern(size_t length, unsigned seed)
{
    char *memory = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        memory[i] = (char)(i * 7 + i / 256 + seed);
    return memory;
}

/* Receives one into `memory`, within its time. */
void dio_receive_one(struct transport_socket *socket, struct dio *io, void *memory, size_t length)
{
    dio_into(io, memory, length);
    dio_start(socket, io);
    EXPECT_STATUS(dio_finish(io), STATUS_SUCCESS);
    EXPECT_EQ(io->op.done, 1);
}
