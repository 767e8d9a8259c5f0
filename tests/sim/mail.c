/*
 * mail.c - datagrams for the tests of the stack on the simulated network (mail.h).
 */
#include "mail.h"

struct transport *mail_transport;
unsigned char mail_big[LONGEST + 200];

static struct mail *mail_of(struct transport_op *op)
{
    return (struct mail *)((char *)op - offsetof(struct mail, op));
}

static size_t length_of(struct transport_datagram_op *op, size_t index)
{
    EXPECT(index >= op->done && index < op->count);
    return mail_of(&op->op)->lengths[index];
}

/* In pieces of 1000 bytes. */
static size_t cut(unsigned char *data, size_t offset, size_t bytes, struct transport_segment *out,
                  size_t count)
{
    size_t used = 0;
    for (; used < count && offset < bytes; used++) {
        size_t length = 1000 - offset % 1000;
        out[used].base = data + offset;
        out[used].length = length < bytes - offset ? length : bytes - offset;
        offset += out[used].length;
    }
    return used;
}

static size_t parts_of(struct transport_datagram_op *op, size_t index, size_t offset,
                       struct transport_segment *out, size_t count)
{
    struct mail *mail = mail_of(&op->op);
    unsigned char *data = mail->data;
    EXPECT(index >= op->done && offset < mail->lengths[index]);
    for (size_t i = 0; i < index; i++)
        data += mail->lengths[i];
    return cut(data, offset, mail->lengths[index], out, count);
}

static size_t segments_of(struct transport_op *op, size_t offset, struct transport_segment *out, size_t count)
{
    struct mail *mail = mail_of(op);
    return cut(mail->data, offset, mail->room, out, count);
}

static void completed(struct transport_op *op, int32_t status, size_t bytes)
{
    struct mail *mail = mail_of(op);
    EXPECT_EQ(mail->over, 0);
    EXPECT_STATUS(op->status, status);
    EXPECT_EQ(op->bytes, bytes);
    mail->over = 2;
    if (mail->look)
        mail->look(mail);
}

int mail_until(struct mail *mail, uint64_t timeout_ns)
{
    uint64_t deadline = host_now() + timeout_ns;
    while (!mail->over && host_now() < deadline) {
        stack->wait(mail_transport, 0, deadline);
        while (stack->dispatch(mail_transport, 0))
            ;
    }
    return mail->over;
}

int32_t mail_start(struct transport_socket *socket, struct mail *mail, int kind, unsigned flags)
{
    mail->over = 0;
    mail->op.op.kind = kind;
    mail->op.op.flags = flags;
    mail->op.op.complete = completed;
    mail->op.op.segments = segments_of;
    mail->op.op.length = mail->room;
    mail->op.length = length_of;
    mail->op.parts = parts_of;
    int32_t status = kind == TRANSPORT_SEND_TO        ? stack->send_to(socket, &mail->op)
                     : kind == TRANSPORT_RECEIVE_FROM ? stack->receive_from(socket, &mail->op)
                                                      : stack->watch(socket, &mail->op.op);
    if (status != STATUS_PENDING) {
        EXPECT_STATUS(mail->op.op.status, status);
        mail->over = 1;
    }
    return status;
}

int32_t mail_finish(struct mail *mail)
{
    EXPECT(mail_until(mail, 1000 * S));
    return mail->op.op.status;
}

int32_t mail_send(struct transport_socket *socket, struct mail *mail)
{
    mail_start(socket, mail, TRANSPORT_SEND_TO, 0);
    return mail_finish(mail);
}

struct mail mail_one(const void *data, size_t bytes, struct transport_address to)
{
    struct mail mail = {
        .op = {.count = 1, .about.remote = to}, .data = (unsigned char *)data, .lengths = {bytes}};
    return mail;
}

int32_t mail_send_one(struct transport_socket *socket, const void *data, size_t bytes,
                      struct transport_address to)
{
    struct mail mail = mail_one(data, bytes, to);
    int32_t status = mail_send(socket, &mail);
    EXPECT_EQ(mail.op.done, status == STATUS_SUCCESS);
    EXPECT_EQ(mail.op.op.bytes, status == STATUS_SUCCESS ? bytes : 0);
    return status;
}

long mail_receive_one(struct transport_socket *socket, void *data, size_t room,
                      struct transport_datagram *about, uint64_t timeout_ns)
{
    struct mail mail = {.data = data, .room = room};
    mail_start(socket, &mail, TRANSPORT_RECEIVE_FROM, net_seed() % 2 ? TRANSPORT_NO_INLINE : 0);
    if (!mail_until(&mail, timeout_ns)) {
        EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
        EXPECT_EQ(stack->cancel(socket, &mail.op.op), 0);
        return -1;
    }
    EXPECT_STATUS(mail.op.op.status, STATUS_SUCCESS);
    EXPECT_EQ(mail.op.done, 1);
    if (about)
        *about = mail.op.about;
    return (long)mail.op.op.bytes;
}

struct transport_socket *mail_socket(int family)
{
    struct transport_socket *socket;
    EXPECT_STATUS(stack->open(mail_transport, 0, family, TRANSPORT_DATAGRAM, 17, &socket), STATUS_SUCCESS);
    return socket;
}

struct transport_socket *mail_socket_at(const char *text, int port, struct transport_address *at)
{
    struct transport_address local = net_at(text, port);
    struct transport_socket *socket = mail_socket(local.family);
    EXPECT_STATUS(stack->bind(socket, &local), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(socket, 0, &local), STATUS_SUCCESS);
    if (at)
        *at = local;
    return socket;
}

struct net_datagram *mail_peer_at(int host, const char *text, int port, struct transport_address *at)
{
    struct transport_address local = net_at(text, port);
    struct net_datagram *peer = net_datagram_open(host, &local);
    EXPECT(peer);
    if (at)
        net_datagram_address_of(peer, at);
    return peer;
}

int mail_port_of(const struct transport_address *at)
{
    return at->bytes[2] << 8 | at->bytes[3];
}

int mail_same_address(const struct transport_address *a, const struct transport_address *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

int mail_same_ip(const struct transport_address *a, const char *text)
{
    struct transport_address b = net_at(text, mail_port_of(a));
    return mail_same_address(a, &b);
}

static void (*within)(void);

static void attached(void)
{
    struct transport_config config = {.loops = 1};
    EXPECT_EQ(net_host_add("10.0.0.2"), 1);
    EXPECT_EQ(net_host_add("10.0.0.3"), 2);
    EXPECT_EQ(net_host_add("fd00::4"), 3);
    EXPECT_STATUS(stack->attach(&config, &mail_transport), STATUS_SUCCESS);
    within();
    stack->detach(mail_transport);
    net_say(host_now());
}

struct sim_result mail_run(const struct net_weather *weather, uint64_t seed, void (*body)(void))
{
    within = body;
    return net_run(weather, seed, attached);
}

unsigned mail_run_seeds(const struct net_weather *weather, void (*body)(void))
{
    within = body;
    return net_run_seeds(weather, attached);
}
