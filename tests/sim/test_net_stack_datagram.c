/*
 * test_net_stack_datagram.c - datagrams of the runtime's stack on the simulated network: what transport.h promises of
 * them, among its own sockets and with peers, over seeds and weathers.  The test's fiber is the loop, too.
 */
#include "net_test.h"

static const struct transport_ops *const stack = &transport_sim;
static struct transport *transport;

enum { MAIL_MOST = 64, LONGEST = 65507 };

/* One operation: of a send `count` datagrams of lengths[], all from `data` one behind the other. */
struct mail {
    struct transport_datagram_op op;
    int over; /* 1 = inline, 2 = by complete() */
    unsigned char *data;
    size_t lengths[MAIL_MOST];
    size_t room; /* receive: segments end here */
    /* what a batch has brought, looked at in complete() */
    void (*look)(struct mail *mail);
    size_t taken;
};

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

/* Until it is over, or for so long: 1 when it is. */
static int until(struct mail *mail, uint64_t timeout_ns)
{
    uint64_t deadline = host_now() + timeout_ns;
    while (!mail->over && host_now() < deadline) {
        stack->wait(transport, 0, deadline);
        while (stack->dispatch(transport, 0))
            ;
    }
    return mail->over;
}

static int32_t start(struct transport_socket *socket, struct mail *mail, int kind, unsigned flags)
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

static int32_t finish(struct mail *mail)
{
    EXPECT(until(mail, 1000 * S));
    return mail->op.op.status;
}

static int32_t send_mail(struct transport_socket *socket, struct mail *mail)
{
    start(socket, mail, TRANSPORT_SEND_TO, 0);
    return finish(mail);
}

static struct mail one_mail(const void *data, size_t bytes, struct transport_address to)
{
    struct mail mail = {
        .op = {.count = 1, .about.remote = to}, .data = (unsigned char *)data, .lengths = {bytes}};
    return mail;
}

static int32_t send_one(struct transport_socket *socket, const void *data, size_t bytes,
                        struct transport_address to)
{
    struct mail mail = one_mail(data, bytes, to);
    int32_t status = send_mail(socket, &mail);
    EXPECT_EQ(mail.op.done, status == STATUS_SUCCESS);
    EXPECT_EQ(mail.op.op.bytes, status == STATUS_SUCCESS ? bytes : 0);
    return status;
}

/* One datagram into `room` bytes: how many, or -1 when none comes. */
static long receive_one(struct transport_socket *socket, void *data, size_t room,
                        struct transport_datagram *about, uint64_t timeout_ns)
{
    struct mail mail = {.data = data, .room = room};
    start(socket, &mail, TRANSPORT_RECEIVE_FROM, net_seed() % 2 ? TRANSPORT_NO_INLINE : 0);
    if (!until(&mail, timeout_ns)) {
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

static struct transport_socket *new_socket(int family)
{
    struct transport_socket *socket;
    EXPECT_STATUS(stack->open(transport, 0, family, TRANSPORT_DATAGRAM, 17, &socket), STATUS_SUCCESS);
    return socket;
}

/* Bound, and where it is. */
static struct transport_socket *socket_at(const char *text, int port, struct transport_address *at)
{
    struct transport_address local = net_at(text, port);
    struct transport_socket *socket = new_socket(local.family);
    EXPECT_STATUS(stack->bind(socket, &local), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(socket, 0, &local), STATUS_SUCCESS);
    if (at)
        *at = local;
    return socket;
}

static struct net_datagram *peer_at(int host, const char *text, int port, struct transport_address *at)
{
    struct transport_address local = net_at(text, port);
    struct net_datagram *peer = net_datagram_open(host, &local);
    EXPECT(peer);
    if (at)
        net_datagram_address_of(peer, at);
    return peer;
}

static int port_of(const struct transport_address *at)
{
    return at->bytes[2] << 8 | at->bytes[3];
}

static int same_address(const struct transport_address *a, const struct transport_address *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static int same_ip(const struct transport_address *a, const char *text)
{
    struct transport_address b = net_at(text, port_of(a));
    return same_address(a, &b);
}

static void (*within)(void);

static void attached(void)
{
    struct transport_config config = {.loops = 1};
    EXPECT_EQ(net_host_add("10.0.0.2"), 1);
    EXPECT_EQ(net_host_add("10.0.0.3"), 2);
    EXPECT_EQ(net_host_add("fd00::4"), 3);
    EXPECT_STATUS(stack->attach(&config, &transport), STATUS_SUCCESS);
    within();
    stack->detach(transport);
    net_say(host_now());
}

static struct sim_result run(const struct net_weather *weather, uint64_t seed, void (*body)(void))
{
    within = body;
    return net_run(weather, seed, attached);
}

static unsigned run_seeds(const struct net_weather *weather, void (*body)(void))
{
    within = body;
    return net_run_seeds(weather, attached);
}

/* ---- sockets and ports --------------------------------------------------------------------------------------- */

static void ports(void)
{
    struct transport_address at, any = net_at("0.0.0.0", 0), far = net_at("192.0.2.1", 9), multicast;
    struct transport_socket *socket, *other;
    struct transport_op op = {.kind = TRANSPORT_CONNECT, .address = net_at("10.0.0.2", 9)};
    EXPECT_STATUS(stack->open(transport, 0, TRANSPORT_AF_INET, TRANSPORT_RAW, 17, &socket),
                  STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(stack->open(transport, 0, TRANSPORT_AF_INET, TRANSPORT_DATAGRAM, 6, &socket),
                  STATUS_PROTOCOL_UNREACHABLE);
    socket = new_socket(TRANSPORT_AF_INET);
    EXPECT_STATUS(stack->address(socket, 0, &at), STATUS_ADDRESS_NOT_ASSOCIATED);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("10.0.0.2", 9)), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->listen(socket, 1), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->connect(socket, &op), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->abort(socket), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->bind(socket, &far), STATUS_INVALID_ADDRESS_COMPONENT);
    multicast = net_at("224.1.2.3", 7);
    EXPECT_STATUS(stack->bind(socket, &multicast), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(stack->bind(socket, &any), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(socket, 0, &at), STATUS_SUCCESS);
    EXPECT(port_of(&at) >= 49152);
    EXPECT_STATUS(stack->bind(socket, &at), STATUS_INVALID_DEVICE_STATE);

    /* A second live bind is refused, whoever makes it; TCP's ports and other hosts' are apart. */
    other = new_socket(TRANSPORT_AF_INET);
    EXPECT_STATUS(stack->bind(other, &at), STATUS_ADDRESS_ALREADY_EXISTS);
    struct transport_address own = net_at("127.0.0.1", port_of(&at));
    EXPECT_STATUS(stack->bind(other, &own), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT(net_datagram_open(0, &own) == NULL);
    EXPECT(net_port_is_free(0, &own));
    struct net_socket *listener = net_listen(0, &at, 1);
    EXPECT(listener);
    struct net_datagram *peer = net_datagram_open(1, &at);
    EXPECT(peer);
    stack->close(socket);
    EXPECT_STATUS(stack->bind(other, &own), STATUS_SUCCESS);
    socket = socket_at("10.0.0.1", port_of(&at), NULL); /* another address: no conflict */
    stack->close(socket);

    /* :: takes IPv4's, too, when it is not only IPv6's. */
    struct transport_address any6 = net_at("::", port_of(&at));
    socket = new_socket(TRANSPORT_AF_INET6);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_V6ONLY, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(socket, &any6), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_V6ONLY, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(socket, &any6), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_V6ONLY, 0), STATUS_INVALID_PARAMETER);
    stack->close(socket);
    stack->close(other);
    net_datagram_close(peer);
    net_close(listener);

    /* Of a stream socket datagrams are not known. */
    EXPECT_STATUS(stack->open(transport, 0, TRANSPORT_AF_INET, TRANSPORT_STREAM, 6, &socket), STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(socket, &any), STATUS_SUCCESS);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("10.0.0.2", 9)), STATUS_INVALID_DEVICE_STATE);
    multicast = net_at("224.1.2.3", 0);
    EXPECT_STATUS(stack->group(socket, 1, &multicast, NULL, 0), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_BROADCAST, 1), STATUS_NOT_SUPPORTED);
    stack->close(socket);
}

TEST(net_stack_datagram_ports, "")
{
    run(&net_calm, 1, ports);
}

static void ways(void)
{
    struct transport_address at;
    struct transport_socket *socket = socket_at("0.0.0.0", 0, &at);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("192.0.2.1", 9)), STATUS_NETWORK_UNREACHABLE);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("10.0.0.99", 9)), STATUS_SUCCESS); /* nobody tells */
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("10.0.0.2", 9)), STATUS_SUCCESS);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("10.0.0.2", 0)), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("0.0.0.0", 9)), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(send_one(socket, "x", 1, net_at("::1", 9)), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(send_one(socket, "x", 1, (struct transport_address){0}), STATUS_INVALID_ADDRESS_COMPONENT);

    struct mail mail = one_mail("x", 1, net_at("10.0.0.2", 9));
    mail.op.about.known = TRANSPORT_KNOWS_LOCAL;
    mail.op.about.local = net_at("10.0.0.2", 0);
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_PARAMETER); /* not of this host */
    mail.op.about.local = net_at("127.0.0.1", 0);
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_PARAMETER); /* nobody could answer */
    mail.op.about.known = TRANSPORT_KNOWS_INTERFACE;
    mail.op.about.interface = 1;
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_NETWORK_UNREACHABLE);
    mail.op.about.interface = 3;
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_PARAMETER);
    mail.op.about.interface = 2;
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_SUCCESS);
    mail.op.about.known = TRANSPORT_KNOWS_HOPS;
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_PARAMETER);
    mail.op.about.known = TRANSPORT_KNOWS_CLASS;
    mail.op.about.traffic_class = 256;
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_PARAMETER);
    stack->close(socket);

    /* What may not be fragmented must fit into a packet of the network. */
    static unsigned char data[2000];
    socket = socket_at("10.0.0.1", 0, &at);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_DONTFRAGMENT, 1), STATUS_SUCCESS);
    EXPECT_STATUS(send_one(socket, data, 1472, net_at("10.0.0.2", 9)), STATUS_SUCCESS);
    EXPECT_STATUS(send_one(socket, data, 1473, net_at("10.0.0.2", 9)), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_STATUS(send_one(socket, data, 1473, at), STATUS_SUCCESS);
    stack->close(socket);
}

TEST(net_stack_datagram_ways, "")
{
    run(&net_calm, 1, ways);
}

/* ---- one at a time ------------------------------------------------------------------------------------------- */

static unsigned char big[LONGEST + 200];

static void check_calm_pair(struct transport_socket *from, struct transport_address *source,
                            struct transport_socket *to, struct transport_address *target, int hops)
{
    static const size_t lengths[] = {0, 1, 999, 1000, 1472, 5000, 16384, 40000, LONGEST};
    static unsigned char sent[LONGEST + 40], in[LONGEST + 40];
    struct transport_datagram about;
    net_pattern(sent, 3, sizeof(sent));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct mail watch = {0};
        EXPECT_EQ(stack->query(to, TRANSPORT_READABLE), 0);
        EXPECT_STATUS(start(to, &watch, TRANSPORT_WATCH_READABLE, 0), STATUS_PENDING);
        EXPECT_STATUS(send_one(from, sent, lengths[i], *target), STATUS_SUCCESS);
        EXPECT_STATUS(finish(&watch), STATUS_SUCCESS);
        EXPECT_EQ(stack->query(to, TRANSPORT_READABLE), (long)lengths[i]);
        EXPECT_STATUS(start(to, &watch, TRANSPORT_WATCH_READABLE, 0), STATUS_SUCCESS);
        memset(in, 0, sizeof(in));
        EXPECT_EQ(receive_one(to, in, sizeof(in), &about, 1 * S), (long)lengths[i]);
        EXPECT_EQ(net_same(in, 3, lengths[i]), lengths[i]);
        EXPECT(same_address(&about.remote, source) && same_address(&about.local, target));
        EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_HOPS);
        EXPECT_EQ(about.interface, 1);
        EXPECT_EQ(about.hops, (uint32_t)hops);
        EXPECT_EQ(about.flags, 0);

        /* Into too little room: cut, and it says so. */
        EXPECT_STATUS(send_one(from, sent, lengths[i], *target), STATUS_SUCCESS);
        in[lengths[i] / 2] = 99;
        EXPECT_EQ(receive_one(to, in, lengths[i] / 2, &about, 1 * S), (long)lengths[i] / 2);
        EXPECT_EQ(net_same(in, 3, lengths[i] / 2), lengths[i] / 2);
        EXPECT_EQ(in[lengths[i] / 2], 99);
        EXPECT_EQ(about.flags, lengths[i] ? (unsigned)TRANSPORT_TRUNCATED : 0);
        EXPECT_EQ(receive_one(to, in, sizeof(in), &about, 1 * MS), -1); /* the rest is gone */
    }
    size_t most = target->family == TRANSPORT_AF_INET ? LONGEST : LONGEST + 20;
    EXPECT_STATUS(send_one(from, sent, most, *target), STATUS_SUCCESS);
    EXPECT_EQ(receive_one(to, in, sizeof(in), &about, 1 * S), (long)most);
    EXPECT_STATUS(send_one(from, sent, most + 1, *target), STATUS_INVALID_BUFFER_SIZE);
}

static void pairs(void)
{
    static const char *const addresses[] = {"127.0.0.1", "10.0.0.1", "::1", "fd00::1"};
    int i = net_seed() % 4;
    struct transport_address a, b;
    struct transport_socket *one = socket_at(addresses[i], 0, &a), *two = socket_at(addresses[i], 0, &b);
    EXPECT_STATUS(stack->set_option(two, TRANSPORT_OPTION_RECEIVE_HOPS, 1), STATUS_SUCCESS);
    check_calm_pair(one, &a, two, &b, 128);
    EXPECT_STATUS(stack->set_option(one, i < 2 ? TRANSPORT_OPTION_TTL : TRANSPORT_OPTION_HOPLIMIT, 9),
                  STATUS_SUCCESS);
    if (net_seed() % 16 < 4)
        check_calm_pair(one, &a, two, &b, 9);
    stack->close(one);
    stack->close(two);
}

TEST(net_stack_datagram_pairs, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, pairs);
}

static void with_peer(void)
{
    struct transport_address at, own, peers;
    struct transport_datagram about, out = {0};
    struct transport_socket *socket = socket_at("0.0.0.0", 0, &at);
    struct net_datagram *peer = peer_at(1, "0.0.0.0", 700, NULL);
    struct net_datagram *peer6 = peer_at(3, "fd00::4", 700, NULL);
    char data[20];
    own = net_at("10.0.0.1", port_of(&at));
    peers = net_at("10.0.0.2", 700);
    EXPECT_STATUS(send_one(socket, "hello", 5, peers), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 4, &about, 1 * S), 5);
    EXPECT(memcmp(data, "hell", 4) == 0);
    EXPECT_EQ(about.flags, TRANSPORT_TRUNCATED);
    EXPECT(same_address(&about.remote, &own) && same_address(&about.local, &peers));
    EXPECT_EQ(about.interface, 2);
    EXPECT_EQ(about.hops, 128);
    EXPECT_EQ(about.traffic_class, 0);

    /* Class and hops: nothing is told that was not asked for. */
    out.remote = own;
    out.known = TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS;
    out.hops = 7;
    out.traffic_class = 0x2a;
    EXPECT_EQ(net_datagram_send(peer, "", 0, &out), NET_OK);
    EXPECT_EQ(receive_one(socket, data, 20, &about, 1 * S), 0);
    EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE);
    EXPECT(same_address(&about.remote, &peers) && same_address(&about.local, &own));
    EXPECT_EQ(about.interface, 2);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_CLASS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_HOPS, 1), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_send(peer, "", 0, &out), NET_OK);
    EXPECT_EQ(receive_one(socket, data, 20, &about, 1 * S), 0);
    EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_HOPS |
                               TRANSPORT_KNOWS_CLASS);
    EXPECT(about.hops == 7 && about.traffic_class == 0x2a);

    /* The option of the socket, and what a datagram says of itself before it. */
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_TOS, 0x10), STATUS_SUCCESS);
    struct mail mail = one_mail("x", 1, peers);
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 4, &about, 1 * S), 1);
    EXPECT_EQ(about.traffic_class, 0x10);
    EXPECT_EQ(net_address_change("10.0.0.9", 1), 0);
    mail.op.about.known = TRANSPORT_KNOWS_CLASS | TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_LOCAL;
    mail.op.about.traffic_class = 3;
    mail.op.about.hops = 1;
    mail.op.about.local = net_at("10.0.0.9", 1234);
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 4, &about, 1 * S), 1);
    own = net_at("10.0.0.9", port_of(&at));
    EXPECT(about.traffic_class == 3 && about.hops == 1 && same_address(&about.remote, &own));

    /* What was sent to an address that has gone since arrives nowhere. */
    EXPECT_EQ(net_datagram_send_to(peer, "x", 1, &own), NET_OK);
    EXPECT_EQ(net_address_change("10.0.0.9", 0), 0);
    EXPECT_EQ(receive_one(socket, data, 20, &about, 1 * S), -1);
    stack->close(socket);

    /* A socket of both families. */
    struct transport_address any6 = net_at("::", 0);
    socket = new_socket(TRANSPORT_AF_INET6);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_V6ONLY, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(socket, &any6), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(socket, 0, &at), STATUS_SUCCESS);
    own = net_at("10.0.0.1", port_of(&at));
    EXPECT_EQ(net_datagram_send_to(peer, "four", 4, &own), NET_OK);
    EXPECT_EQ(receive_one(socket, data, 20, &about, 1 * S), 4);
    EXPECT(about.remote.family == TRANSPORT_AF_INET6 && about.remote.length == 28);
    EXPECT(about.remote.bytes[18] == 0xff && memcmp(about.remote.bytes + 20, "\12\0\0\2", 4) == 0);
    EXPECT_STATUS(send_one(socket, "back", 4, about.remote), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 20, &about, 1 * S), 4);
    EXPECT(same_address(&about.remote, &own));
    own = net_at("fd00::1", port_of(&at));
    EXPECT_EQ(net_datagram_send_to(peer6, "six", 3, &own), NET_OK);
    EXPECT_EQ(receive_one(socket, data, 20, &about, 1 * S), 3);
    EXPECT(same_ip(&about.remote, "fd00::4"));
    stack->close(socket);
    net_datagram_close(peer);
    net_datagram_close(peer6);
}

TEST(net_stack_datagram_with_a_peer, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, with_peer);
}

/* ---- what nobody gets ---------------------------------------------------------------------------------------- */

static void expect_lost(struct transport_socket *socket, struct transport_address own,
                        struct transport_address to, int type, int code)
{
    struct transport_datagram about;
    char data[4];
    EXPECT_STATUS(send_one(socket, "lost", 4, to), STATUS_SUCCESS);
    EXPECT_EQ(receive_one(socket, data, sizeof data, &about, 10 * S), 0);
    EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_ERROR);
    EXPECT(same_address(&about.remote, &to) && same_address(&about.local, &own));
    EXPECT_EQ(about.error.v6, own.family == TRANSPORT_AF_INET6);
    EXPECT(about.error.type == type && about.error.code == code && about.error.mtu == 0);
}

static void nobody_gets_it(void)
{
    struct transport_address at, six_at;
    struct transport_socket *socket = socket_at("0.0.0.0", 0, &at), *six = socket_at("fd00::1", 0, &six_at);
    struct transport_address own = net_at("10.0.0.1", port_of(&at));
    char data[4];
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(six, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_SUCCESS);
    expect_lost(socket, own, net_at("10.0.0.2", 701), 3, 3);
    expect_lost(socket, own, net_at("10.0.0.99", 701), 3, 1);
    expect_lost(six, six_at, net_at("fd00::4", 701), 1, 4);
    expect_lost(six, six_at, net_at("fd00::99", 701), 1, 3);
    stack->close(six);
    EXPECT_STATUS(send_one(socket, "lost", 4, net_at("10.0.0.99", 701)), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_ERRORS, 0), STATUS_SUCCESS);
    EXPECT_EQ(receive_one(socket, data, sizeof data, NULL, 10 * S), -1);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(send_one(socket, "lost", 4, net_at("10.0.0.99", 701)), STATUS_SUCCESS);
    stack->close(socket); /* while the answer is on its way */
}

TEST(net_stack_datagram_nobody_gets, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, nobody_gets_it);
}

/* ---- many at a time ------------------------------------------------------------------------------------------ */

static size_t arrived, batches;

static void look_at_batch(struct mail *mail)
{
    size_t sum = 0;
    EXPECT(mail->op.done >= 1 && mail->op.done <= mail->op.count);
    for (size_t i = 0; i < mail->op.done; i++) {
        const struct transport_received *received = &mail->op.received[i];
        size_t number = received->bytes ? *(unsigned char *)received->data : 0;
        EXPECT_EQ(received->bytes, number * 20);
        for (size_t at = 0; at < received->bytes; at++)
            EXPECT_EQ(((unsigned char *)received->data)[at], number);
        EXPECT(same_ip(&received->about.remote, "10.0.0.2") && received->about.interface == 2);
        EXPECT_EQ(received->about.flags, 0);
        net_say(number);
        sum += received->bytes;
    }
    EXPECT_EQ(mail->op.op.bytes, sum);
    mail->taken += mail->op.done;
    arrived += mail->op.done;
    batches++;
}

static void batch(void)
{
    struct transport_address at, target;
    struct transport_socket *socket = socket_at("0.0.0.0", 0, &at);
    struct net_datagram *peer = peer_at(1, "10.0.0.2", 700, NULL);
    struct mail mail = {.op.count = 1 + net_seed() % 9, .look = look_at_batch};
    unsigned char data[64 * 20];
    target = net_at("10.0.0.1", port_of(&at));
    for (int i = 0; i < 60; i++) {
        memset(data, i, sizeof(data));
        EXPECT_EQ(net_datagram_send_to(peer, data, (size_t)i * 20, &target), NET_OK);
        if (i == 40)
            net_pause(10 * MS); /* some wait already */
    }
    do { /* never inline, however much is there */
        EXPECT_STATUS(start(socket, &mail, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_PENDING);
        EXPECT_EQ(mail.over, 0);
    } while (until(&mail, 1 * S));
    EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
    net_say(mail.taken);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_batches, "", TEST_TIMEOUT(120))
{
    struct net_weather weather = net_calm;
    arrived = batches = 0;
    run_seeds(&weather, batch);
    EXPECT_EQ(arrived, 2 * SEEDS * 60); /* all that was sent */
    EXPECT(batches < arrived);
    weather = net_rough;
    weather.receive_buffer = 0;
    arrived = 0;
    run_seeds(&weather, batch);
    EXPECT(arrived > 2 * SEEDS * 60 / 2 && arrived < 2 * SEEDS * 60 * 11 / 10);
}

/* A send of many in order, each whole, held while the buffer is full. */
static unsigned held_sends, cancelled_sends;

static void burst(void)
{
    struct transport_address at, target = net_at("10.0.0.2", 700);
    struct transport_socket *socket = socket_at("10.0.0.1", 0, &at);
    struct net_datagram *peer = peer_at(1, "0.0.0.0", 700, NULL);
    static unsigned char data[MAIL_MOST * 640];
    struct mail mail = {.op = {.count = MAIL_MOST, .about.remote = target}, .data = data};
    unsigned char in[1000], *fill = data;
    bool cancel = net_seed() % 3 == 0;
    for (unsigned i = 0; i < MAIL_MOST; i++) {
        mail.lengths[i] = i * 10;
        memset(fill, (int)i, i * 10);
        fill += i * 10;
    }
    net_datagram_set_receive_buffer(peer, 1 << 20);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_SEND_BUFFER, 1000), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &mail, TRANSPORT_SEND_TO, net_seed() % 2 ? TRANSPORT_NO_INLINE : 0),
                  STATUS_PENDING);
    EXPECT(mail.op.done < MAIL_MOST);
    held_sends++;
    if (cancel) {
        until(&mail, (net_seed() % 40) * 10 * US);
        cancel = stack->cancel(socket, &mail.op.op) == 1;
        cancelled_sends += cancel && mail.op.done;
    }
    if (!cancel) {
        EXPECT_STATUS(finish(&mail), STATUS_SUCCESS);
        EXPECT_EQ(mail.op.done, MAIL_MOST);
        EXPECT_EQ(mail.op.op.bytes, MAIL_MOST * (MAIL_MOST - 1) / 2 * 10);
    } else {
        size_t sum = 0; /* bytes and done say what it had handed over */
        for (size_t i = 0; i < mail.op.done; i++)
            sum += mail.lengths[i];
        EXPECT_EQ(mail.op.op.bytes, sum);
    }
    unsigned count = 0; /* in their order: this weather does not reorder */
    long got;
    while ((got = net_datagram_receive_from(peer, in, sizeof(in), NULL, 1 * S)) >= 0) {
        EXPECT_EQ(got, (long)count * 10);
        EXPECT(got == 0 || in[got - 1] == count);
        count++;
    }
    EXPECT_EQ(count, mail.op.done);
    EXPECT_EQ(stack->query(socket, TRANSPORT_UNSENT), 0);
    net_say(count);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_sends_that_wait, "", TEST_TIMEOUT(120))
{
    held_sends = cancelled_sends = 0;
    run_seeds(&net_calm, burst);
    EXPECT(held_sends == 2 * SEEDS && cancelled_sends > SEEDS / 8);
}

/* In a weather that holds something up a send may wait although its buffer is large. */
static unsigned waited;

static void one_after_the_other(void)
{
    struct transport_address at, target = net_at("10.0.0.2", 700);
    struct transport_socket *socket = socket_at("10.0.0.1", 0, &at);
    for (int i = 0; i < 10; i++) {
        struct mail mail = one_mail("x", 1, target);
        waited += start(socket, &mail, TRANSPORT_SEND_TO, 0) == STATUS_PENDING;
        if (mail.over == 0) /* it waits for those that were handed over before */
            EXPECT(stack->query(socket, TRANSPORT_UNSENT) > 0);
        EXPECT_STATUS(finish(&mail), STATUS_SUCCESS);
    }
    stack->close(socket);
}

TEST(net_stack_datagram_sends_that_are_held_up, "", TEST_TIMEOUT(120))
{
    struct net_weather weather = net_calm;
    waited = 0;
    run_seeds(&weather, one_after_the_other);
    EXPECT_EQ(waited, 0);
    weather.coalesce_percent = 30;
    run_seeds(&weather, one_after_the_other);
    EXPECT(waited > SEEDS * 2 && waited < SEEDS * 10);
}

static void stops_at_an_error(void)
{
    struct transport_address at;
    struct transport_socket *socket = socket_at("10.0.0.1", 0, &at);
    struct mail mail = one_mail(big, 10, at);
    mail.op.count = 3;
    mail.lengths[1] = LONGEST + 1;
    mail.lengths[2] = 10;
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_EQ(mail.op.done, 1);
    EXPECT_EQ(mail.op.op.bytes, 10);
    EXPECT_EQ(receive_one(socket, big, 20, NULL, 1 * S), 10);
    EXPECT_EQ(receive_one(socket, big, 20, NULL, 1 * S), -1);
    stack->close(socket);
}

TEST(net_stack_datagram_batch_stops_at_an_error, "")
{
    run(&net_calm, 1, stops_at_an_error);
}

/* What does not fit into the receiver's buffer is lost; one always fits; those without bytes count, too. */
static void overflow(void)
{
    struct transport_address at;
    struct transport_socket *socket = socket_at("10.0.0.1", 0, &at);
    unsigned count = 0;
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_BUFFER, 8000), STATUS_SUCCESS);
    for (int i = 0; i < 20; i++)
        EXPECT_STATUS(send_one(socket, big, 1000, at), STATUS_SUCCESS);
    net_pause(1 * S);
    while (receive_one(socket, big, 2000, NULL, 1 * MS) == 1000)
        count++;
    EXPECT_EQ(count, 8);
    EXPECT_STATUS(send_one(socket, big, 20000, at), STATUS_SUCCESS);
    EXPECT_STATUS(send_one(socket, big, 1, at), STATUS_SUCCESS);
    net_pause(1 * S);
    long first = receive_one(socket, big, 30000, NULL, 1 * MS);
    EXPECT(first == 20000 || first == 1);
    EXPECT_EQ(receive_one(socket, big, 30000, NULL, 1 * MS), -1);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_BUFFER, 5), STATUS_SUCCESS);
    for (int i = 0; i < 9; i++)
        EXPECT_STATUS(send_one(socket, big, 0, at), STATUS_SUCCESS);
    net_pause(1 * S);
    for (count = 0; receive_one(socket, big, 0, NULL, 1 * MS) == 0;)
        count++;
    EXPECT_EQ(count, 5);
    stack->close(socket);
}

TEST(net_stack_datagram_receive_buffer, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, overflow);
}

/* ---- cut and joined ------------------------------------------------------------------------------------------ */

static unsigned joined_seen, single_seen;

static void segments(void)
{
    struct transport_address at;
    struct transport_socket *socket = socket_at("10.0.0.1", 0, &at);
    struct net_datagram *peer = peer_at(1, "10.0.0.2", 700, NULL);
    struct transport_address target = net_at("10.0.0.2", 700), own = net_at("10.0.0.1", port_of(&at));
    static unsigned char out[3050], in[3050];
    struct transport_datagram about;
    net_pattern(out, 0, sizeof(out));
    struct mail mail = one_mail(out, sizeof(out), target);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_SEND_SEGMENT, 1000), STATUS_SUCCESS);
    for (unsigned segment = 1000; segment; segment = segment == 1000 ? 500 : 0) {
        EXPECT_STATUS(send_mail(socket, &mail), STATUS_SUCCESS);
        EXPECT_EQ(mail.op.op.bytes, sizeof(out));
        size_t pieces = 0, sum = 0;
        long got;
        while ((got = net_datagram_receive(peer, in, sizeof(in), &about, 1 * S)) >= 0) {
            EXPECT(got == (long)segment || got == 50);
            EXPECT_EQ(about.known & TRANSPORT_KNOWS_SEGMENT, 0);
            sum += (size_t)got;
            pieces++;
        }
        EXPECT(pieces == 3000 / segment + 1 && sum == sizeof(out));
        mail.op.about.known = TRANSPORT_KNOWS_SEGMENT; /* goes before the option */
        mail.op.about.segment = 500;
    }
    EXPECT_STATUS(send_one(socket, out, 0, target), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, in, sizeof(in), NULL, 1 * S), 0);

    /* Consecutive ones of one sender may come as one, each at its place. */
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_COALESCED, 2100), STATUS_SUCCESS);
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ(net_datagram_send_to(peer, out, 500, &own), NET_OK);
        if (i % 7 == 6)
            EXPECT_EQ(net_datagram_send_to(peer, out, 50, &own), NET_OK);
    }
    net_pause(1 * S);
    size_t sum = 0;
    long got;
    while ((got = receive_one(socket, in, sizeof(in), &about, 1 * MS)) >= 0) {
        EXPECT_EQ(about.flags, 0);
        net_say((uint64_t)got);
        sum += (size_t)got;
        if (!(about.known & TRANSPORT_KNOWS_SEGMENT)) {
            EXPECT(got == 500 || got == 50);
            EXPECT_EQ(about.segment, 0);
            single_seen++;
            continue;
        }
        joined_seen++;
        EXPECT(got > (long)about.segment && got <= 2100 && (about.segment == 500 || about.segment == 50));
        for (size_t at_piece = 0; at_piece < (size_t)got; at_piece += about.segment) {
            size_t piece = (size_t)got - at_piece < about.segment ? (size_t)got - at_piece : about.segment;
            EXPECT_EQ(net_same(in + at_piece, 0, piece), piece);
        }
    }
    EXPECT_EQ(sum, 20 * 500 + 2 * 50);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_segments, "", TEST_TIMEOUT(120))
{
    joined_seen = single_seen = 0;
    EXPECT(run_seeds(&net_calm, segments) > SEEDS / 2);
    EXPECT(joined_seen > SEEDS && single_seen > SEEDS);
}

/* One that is longer than any datagram, cut as the send buffer has room; taken back in the middle of it. */
static void long_and_cut(void)
{
    enum { LENGTH = 200000, SEGMENT = 1400 };
    struct transport_address at, target = net_at("10.0.0.2", 700);
    struct transport_socket *socket = socket_at("10.0.0.1", 0, &at);
    struct net_datagram *peer = peer_at(1, "0.0.0.0", 700, NULL);
    static unsigned char out[LENGTH], in[SEGMENT];
    struct mail mail = one_mail(out, LENGTH, target);
    bool cancel = net_seed() % 2;
    net_pattern(out, 0, LENGTH);
    net_datagram_set_receive_buffer(peer, 1 << 20);
    EXPECT_STATUS(send_mail(socket, &mail), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_SEND_SEGMENT, SEGMENT), STATUS_SUCCESS);
    EXPECT_STATUS(start(socket, &mail, TRANSPORT_SEND_TO, 0), STATUS_PENDING);
    if (cancel) {
        EXPECT(!until(&mail, 100 * US));
        EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
        EXPECT(mail.op.done == 0 && mail.op.op.bytes == 0);
    } else {
        EXPECT_STATUS(finish(&mail), STATUS_SUCCESS);
        EXPECT(mail.op.done == 1 && mail.op.op.bytes == LENGTH);
    }
    size_t done = 0;
    long got;
    while ((got = net_datagram_receive_from(peer, in, sizeof(in), NULL, 1 * S)) >= 0) {
        EXPECT_EQ(got, LENGTH - done < SEGMENT ? (long)(LENGTH - done) : SEGMENT);
        EXPECT_EQ(net_same(in, done, (size_t)got), (size_t)got);
        done += (size_t)got;
    }
    EXPECT(cancel ? done > 0 && done < LENGTH : done == LENGTH);
    net_say(done);
    net_datagram_close(peer);
    stack->close(socket);
}

TEST(net_stack_datagram_long_and_cut, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, long_and_cut);
}

/* What a batch has brought stays until complete() returns, whatever complete() does to the socket. */
static struct transport_socket *busy;
static struct mail next;

static void close_and_look(struct mail *mail)
{
    bool last = net_seed() % 2;
    if (last) {
        stack->close(busy);
    } else {
        next = (struct mail){.op.count = 8};
        EXPECT_STATUS(start(busy, &next, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_PENDING);
    }
    net_pause(1 * MS); /* others go on */
    for (size_t i = 0; i < mail->op.done; i++) {
        EXPECT_EQ(mail->op.received[i].bytes, 700);
        EXPECT_EQ(net_same(mail->op.received[i].data, 0, 700), 700);
    }
    if (!last) {
        EXPECT_EQ(stack->cancel(busy, &next.op.op), 1);
        stack->close(busy);
    }
}

static void close_in_complete(void)
{
    struct transport_address at;
    struct mail mail = {.op.count = 0, .look = close_and_look};
    unsigned char out[700];
    busy = socket_at("10.0.0.1", 0, &at);
    EXPECT_STATUS(start(busy, &mail, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_INVALID_PARAMETER);
    mail.op.count = 8;
    net_pattern(out, 0, sizeof(out));
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(send_one(busy, out, sizeof(out), at), STATUS_SUCCESS);
    net_pause(net_seed() % 3 * 50 * US);
    EXPECT_STATUS(start(busy, &mail, TRANSPORT_RECEIVE_FROM, TRANSPORT_PROVIDE), STATUS_PENDING);
    EXPECT(until(&mail, 1 * S));
}

TEST(net_stack_datagram_closed_in_complete, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, close_in_complete);
}

/* Nothing of a network that was stopped goes on in the next one. */
static struct net_weather slow;

static void left_behind(void)
{
    struct transport_address target = net_at("10.0.0.2", 700);
    for (int round = 0; round < 2; round++) {
        EXPECT_EQ(net_host_add("10.0.0.2"), 1);
        peer_at(1, "0.0.0.0", 700, NULL);
        struct net_datagram *socket = peer_at(0, "0.0.0.0", 0, NULL);
        for (int i = 0; i < 20; i++)
            EXPECT_EQ(net_datagram_send_to(socket, big, 1000, &target), NET_OK);
        EXPECT_EQ(net_datagram_send_to(socket, big, LONGEST + 1, &target), NET_TOO_LONG);
        net_pause(net_seed() * US);
        EXPECT_EQ(net_is_quiet(), 0);
        net_stop();
        EXPECT_EQ(net_start(&slow, net_seed()), 0);
        net_pause(1 * S);
        EXPECT_EQ(net_is_quiet(), 1);
    }
}

TEST(net_datagrams_of_a_network_that_was_stopped, "")
{
    slow = net_calm;
    slow.latency_min_ns = 300 * US;
    slow.latency_max_ns = 400 * US;
    net_run_seeds(&slow, left_behind);
}

/* ---- groups and broadcasts ----------------------------------------------------------------------------------- */

/* Sends one of each of them and looks who gets it: bit per receiver. */
static unsigned who_gets(struct transport_socket *from, struct transport_address to,
                         struct transport_socket **own, struct net_datagram **peers, unsigned flags)
{
    struct transport_datagram about;
    unsigned who = 0;
    char data[8];
    EXPECT_STATUS(send_one(from, "all", 3, to), STATUS_SUCCESS);
    for (int i = 0; i < 2; i++) {
        if (!own[i] || receive_one(own[i], data, 8, &about, 10 * MS) != 3)
            continue;
        who |= 1u << i;
        EXPECT_EQ(about.flags, flags);
        EXPECT(same_address(&about.local, &to));
        EXPECT_EQ(receive_one(own[i], data, 8, NULL, 1 * MS), -1); /* each once */
    }
    for (int i = 0; i < 2; i++) {
        if (!peers[i] || net_datagram_receive(peers[i], data, 8, &about, 10 * MS) != 3)
            continue;
        who |= 4u << i;
        EXPECT_EQ(about.flags, flags);
        EXPECT_EQ(about.hops, flags & TRANSPORT_MULTICAST ? 1u : 128u);
        EXPECT_EQ(about.interface, 2);
        EXPECT_EQ(net_datagram_receive(peers[i], data, 8, NULL, 1 * MS), NET_TIMEOUT);
    }
    net_say(who);
    return who;
}

static void groups(void)
{
    struct transport_address group = net_at("239.1.2.3", 0), to = net_at("239.1.2.3", 900);
    struct transport_address no_group = net_at("10.0.0.2", 0), source = net_at("10.0.0.1", 0);
    struct transport_address stranger = net_at("10.0.0.3", 0);
    struct transport_socket *from = socket_at("0.0.0.0", 0, NULL);
    struct transport_socket *own[2] = {socket_at("0.0.0.0", 900, NULL), NULL};
    struct net_datagram *peers[2] = {peer_at(1, "0.0.0.0", 900, NULL), peer_at(2, "0.0.0.0", 900, NULL)};
    unsigned flags = TRANSPORT_MULTICAST;
    own[1] = socket_at("0.0.0.0", 901, NULL); /* another port: never */
    EXPECT_STATUS(stack->group(own[1], 1, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 0);

    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 2), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 3), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(stack->group(own[0], 1, &no_group, NULL, 0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(net_datagram_group(peers[1], 1, &group, NULL, 0), NET_OK);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 1 | 8);
    EXPECT_EQ(net_datagram_group(peers[0], 1, &group, &source, 2), NET_OK); /* of that sender only */
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 1 | 4 | 8);

    /* Not to members on the own host; not beyond it; on the loopback interface. */
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_MULTICAST_LOOP, 0), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 4 | 8);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_MULTICAST_LOOP, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_MULTICAST_HOPS, 0), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 1);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_MULTICAST_HOPS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_MULTICAST_INTERFACE, 1), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 0);
    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 1), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 1);
    EXPECT_STATUS(stack->group(own[0], 0, &group, NULL, 1), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 0);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_MULTICAST_INTERFACE, 2), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 1 | 4 | 8);

    /* Left, and only once; then by source. */
    EXPECT_STATUS(stack->group(own[0], 0, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->group(own[0], 0, &group, NULL, 0), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(stack->group(own[0], 1, &group, &stranger, 0), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 4 | 8);
    EXPECT_STATUS(stack->group(own[0], 1, &group, &source, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->group(own[0], 1, &group, &source, 0), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 0), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 1 | 4 | 8);
    EXPECT_STATUS(stack->group(own[0], 0, &group, &source, 0), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, to, own, peers, flags), 4 | 8);
    stack->close(own[0]);

    /* A peer sends: its copies are told as what they are. */
    own[0] = socket_at("0.0.0.0", 900, NULL);
    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(own[0], TRANSPORT_OPTION_RECEIVE_HOPS, 1), STATUS_SUCCESS);
    struct transport_datagram about;
    char data[8];
    EXPECT_EQ(net_datagram_send_to(peers[0], "x", 1, &to), NET_OK);
    EXPECT_EQ(receive_one(own[0], data, 8, &about, 1 * S), 1);
    EXPECT(about.flags == TRANSPORT_MULTICAST && about.hops == 1 && same_ip(&about.remote, "10.0.0.2"));
    stack->close(own[0]);
    stack->close(own[1]);
    stack->close(from);
    net_datagram_close(peers[0]);
    net_datagram_close(peers[1]);
}

TEST(net_stack_datagram_groups, "", TEST_TIMEOUT(120))
{
    EXPECT_EQ(run_seeds(&net_calm, groups) > SEEDS / 2, 1);
}

static void broadcasts(void)
{
    struct transport_address near = net_at("10.255.255.255", 900), all = net_at("255.255.255.255", 900);
    struct transport_address loopback = net_at("127.255.255.255", 900);
    struct transport_socket *from = socket_at("0.0.0.0", 0, NULL);
    struct transport_socket *own[2] = {socket_at("0.0.0.0", 900, NULL), NULL};
    struct net_datagram *peers[2] = {peer_at(1, "10.0.0.2", 900, NULL), peer_at(2, "0.0.0.0", 900, NULL)};
    EXPECT_STATUS(send_one(from, "x", 1, near), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(send_one(from, "x", 1, all), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_BROADCAST, 1), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, near, own, peers, TRANSPORT_BROADCAST), 1 | 8);
    EXPECT_EQ(who_gets(from, all, own, peers, TRANSPORT_BROADCAST), 1 | 8);
    EXPECT_EQ(who_gets(from, loopback, own, peers, TRANSPORT_BROADCAST), 1);
    EXPECT_EQ(net_datagram_send_to(peers[0], "x", 1, &all), NET_OK);
    struct transport_datagram about;
    char data[8];
    EXPECT_EQ(receive_one(own[0], data, 8, &about, 1 * S), 1);
    EXPECT(about.flags == TRANSPORT_BROADCAST && same_address(&about.local, &all) &&
           same_ip(&about.remote, "10.0.0.2"));
    stack->close(from);
    stack->close(own[0]);
    net_datagram_close(peers[0]);
    net_datagram_close(peers[1]);
}

TEST(net_stack_datagram_broadcasts, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, broadcasts);
}

static void groups6(void)
{
    struct transport_address group = net_at("ff05::77", 0), to = net_at("ff05::77", 900), to_loopback = to;
    struct transport_socket *from = socket_at("::", 0, NULL), *own = socket_at("::", 900, NULL);
    struct net_datagram *peer = peer_at(3, "::", 900, NULL);
    struct transport_datagram about;
    char data[8];
    EXPECT_STATUS(stack->group(own, 1, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_group(peer, 1, &group, NULL, 2), NET_OK);
    EXPECT_STATUS(send_one(from, "six", 3, to), STATUS_SUCCESS);
    EXPECT_EQ(receive_one(own, data, 8, &about, 1 * S), 3);
    EXPECT(about.flags == TRANSPORT_MULTICAST && same_address(&about.local, &to) &&
           same_ip(&about.remote, "fd00::1"));
    EXPECT_EQ(net_datagram_receive(peer, data, 8, &about, 1 * S), 3);
    EXPECT(about.flags == TRANSPORT_MULTICAST && about.hops == 1 && same_ip(&about.remote, "fd00::1"));
    EXPECT_STATUS(stack->group(own, 1, &group, NULL, 1), STATUS_SUCCESS);
    to_loopback.bytes[24] = 1; /* the scope says which interface */
    EXPECT_STATUS(send_one(from, "six", 3, to_loopback), STATUS_SUCCESS);
    EXPECT_EQ(receive_one(own, data, 8, &about, 1 * S), 3);
    EXPECT(about.interface == 1 && same_ip(&about.remote, "::1"));
    EXPECT_EQ(net_datagram_receive(peer, data, 8, &about, 1 * S), NET_TIMEOUT);
    stack->close(from);
    stack->close(own);
    net_datagram_close(peer);
}

TEST(net_stack_datagram_groups_of_ipv6, "", TEST_TIMEOUT(120))
{
    run_seeds(&net_calm, groups6);
}

/* ---- traffic in every weather -------------------------------------------------------------------------------- */

/* A server that sends back what comes, from a batch or one at a time; callers that ask again until they hear. */
static struct transport_address server_at;
static int callers_left;
static unsigned questions, answers;

static void ask(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    static const char *const from[] = {"10.0.0.2", "10.0.0.3", "127.0.0.1"};
    struct net_datagram *peer =
        peer_at(number % 3 == 2 ? 0 : 1 + (int)(number % 3), from[number % 3], 0, NULL);
    unsigned char out[3000], in[3000];
    struct transport_address to = number % 3 == 2 ? net_at("127.0.0.1", port_of(&server_at)) : server_at;
    for (unsigned round = 0; round < 5; round++) {
        size_t length = 8 + (number * 997 + net_seed() * 31 + round * 77) % 2900;
        net_pattern(out, length, length);
        out[0] = (unsigned char)round;
        out[1] = (unsigned char)number;
        for (int tries = 0; tries < 100; tries++) {
            long got;
            questions++;
            EXPECT_EQ(net_datagram_send_to(peer, out, length, &to), NET_OK);
            do { /* an answer to an earlier question may come late */
                got = net_datagram_receive_from(peer, in, sizeof(in), NULL, 100 * MS);
                EXPECT(got < 0 || in[1] == number);
            } while (got >= 0 && in[0] != round);
            if (got < 0)
                continue;
            EXPECT_EQ(got, (long)length);
            EXPECT(memcmp(in, out, length) == 0);
            answers++;
            break;
        }
    }
    net_datagram_close(peer);
    callers_left--;
    stack->wake(transport, 0);
}

static void answer(struct transport_socket *socket, const void *data, size_t bytes,
                   const struct transport_datagram *about)
{
    struct mail mail = one_mail(data, bytes, about->remote);
    mail.op.about.known = TRANSPORT_KNOWS_LOCAL;
    mail.op.about.local = about->local;
    int32_t status = start(socket, &mail, TRANSPORT_SEND_TO, net_seed() % 2 ? TRANSPORT_NO_INLINE : 0);
    while (!mail.over) {
        stack->wait(transport, 0, HOST_FOREVER);
        while (stack->dispatch(transport, 0))
            ;
    }
    waited += status == STATUS_PENDING;
    EXPECT(mail.op.op.status == STATUS_SUCCESS || mail.op.op.status == STATUS_INSUFFICIENT_RESOURCES);
}

static struct { /* copied out of a batch */
    size_t bytes;
    struct transport_datagram about;
    unsigned char data[3000];
} kept[8];

static void keep(struct mail *mail)
{
    for (size_t i = 0; i < mail->op.done; i++) {
        const struct transport_received *received = &mail->op.received[i];
        EXPECT(received->bytes <= sizeof(kept[i].data));
        kept[i].bytes = received->bytes;
        kept[i].about = received->about;
        memcpy(kept[i].data, received->data, received->bytes);
    }
}

static int faults;
static struct sim_rng chance;

static int fail_some(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_TRANSPORT && sim_rng_below(&chance, 10) == 0;
}

static void traffic(void)
{
    struct transport_address at;
    struct transport_socket *socket = socket_at("0.0.0.0", 0, &at);
    unsigned flags = net_seed() % 3 ? TRANSPORT_PROVIDE : 0;
    server_at = net_at("10.0.0.1", port_of(&at));
    callers_left = 4;
    sim_rng_seed(&chance, net_seed(), 77);
    if (faults)
        host_set_fault_plan(fail_some, NULL);
    for (int i = 0; i < 4; i++)
        net_fiber(ask, (void *)(uintptr_t)i);
    while (callers_left) {
        struct mail mail = {.data = kept[0].data, .room = sizeof(kept[0].data), .op.count = 8};
        if (flags)
            mail.look = keep;
        if (start(socket, &mail, TRANSPORT_RECEIVE_FROM, flags) == STATUS_INSUFFICIENT_RESOURCES)
            continue; /* refused: again */
        while (!mail.over && callers_left) {
            stack->wait(transport, 0, HOST_FOREVER);
            while (stack->dispatch(transport, 0))
                ;
        }
        if (!mail.over) {
            EXPECT_EQ(stack->cancel(socket, &mail.op.op), 1);
            break;
        }
        EXPECT_STATUS(mail.op.op.status, STATUS_SUCCESS);
        if (!flags) {
            kept[0].bytes = mail.op.op.bytes;
            kept[0].about = mail.op.about;
        }
        for (size_t i = 0; i < mail.op.done; i++)
            answer(socket, kept[i].data, kept[i].bytes, &kept[i].about);
    }
    host_set_fault_plan(NULL, NULL);
    net_join();
    stack->close(socket);
}

static void try_traffic(const struct net_weather *weather)
{
    questions = answers = waited = 0;
    EXPECT(run_seeds(weather, traffic) > SEEDS / 2);
    TEST_NOTE("%u questions, %u sends waited", questions, waited);
    EXPECT_EQ(answers, 2 * SEEDS * 4 * 5);
}

TEST(net_stack_datagram_traffic_in_calm, "", TEST_TIMEOUT(120))
{
    try_traffic(&net_calm);
    EXPECT_EQ(questions, answers);
}

TEST(net_stack_datagram_traffic_in_rough, "", TEST_TIMEOUT(120))
{
    try_traffic(&net_rough);
    EXPECT(questions > answers && waited > 0);
}

/* Every start may be refused: what was asked again is answered in the end. */
TEST(net_stack_datagram_traffic_with_faults, "", TEST_TIMEOUT(120))
{
    faults = 1;
    try_traffic(&net_calm);
    EXPECT(questions > answers);
}
