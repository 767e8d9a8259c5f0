/*
 * test_net_stack_datagram.c - datagrams of the runtime's stack on the simulated network: ports, one at a time to everybody,
 * and what nobody gets (transport.h), over seeds and weathers.
 */
#include "mail.h"

/* ---- sockets and ports --------------------------------------------------------------------------------------- */

static void ports(void)
{
    struct transport_address at, any = net_at("0.0.0.0", 0), far = net_at("192.0.2.1", 9), multicast;
    struct transport_socket *socket, *other;
    struct transport_connection_op op = {.op.kind = TRANSPORT_CONNECT, .address = net_at("10.0.0.2", 9)};
    EXPECT_STATUS(stack->open(mail_transport, 0, TRANSPORT_AF_INET, TRANSPORT_RAW, 17, &socket),
                  STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(stack->open(mail_transport, 0, TRANSPORT_AF_INET, TRANSPORT_DATAGRAM, 6, &socket),
                  STATUS_PROTOCOL_UNREACHABLE);
    socket = mail_socket(TRANSPORT_AF_INET);
    EXPECT_STATUS(stack->address(socket, 0, &at), STATUS_ADDRESS_NOT_ASSOCIATED);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("10.0.0.2", 9)), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->listen(socket, 1), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->connect(socket, &op), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->abort(socket), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->bind(socket, &far), STATUS_INVALID_ADDRESS_COMPONENT);
    multicast = net_at("224.1.2.3", 7);
    EXPECT_STATUS(stack->bind(socket, &multicast), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(stack->bind(socket, &any), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(socket, 0, &at), STATUS_SUCCESS);
    EXPECT(mail_port_of(&at) >= 49152);
    EXPECT_STATUS(stack->bind(socket, &at), STATUS_INVALID_DEVICE_STATE);

    /* A second live bind is refused, whoever makes it; TCP's ports and other hosts' are apart. */
    other = mail_socket(TRANSPORT_AF_INET);
    EXPECT_STATUS(stack->bind(other, &at), STATUS_ADDRESS_ALREADY_EXISTS);
    struct transport_address own = net_at("127.0.0.1", mail_port_of(&at));
    EXPECT_STATUS(stack->bind(other, &own), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT(net_datagram_open(0, &own) == NULL);
    EXPECT(net_port_is_free(0, &own));
    struct net_socket *listener = net_listen(0, &at, 1);
    EXPECT(listener);
    struct net_datagram *peer = net_datagram_open(1, &at);
    EXPECT(peer);
    stack->close(socket);
    EXPECT_STATUS(stack->bind(other, &own), STATUS_SUCCESS);
    socket = mail_socket_at("10.0.0.1", mail_port_of(&at), NULL); /* another address: no conflict */
    stack->close(socket);

    /* :: takes IPv4's, too, when it is not only IPv6's. */
    struct transport_address any6 = net_at("::", mail_port_of(&at));
    socket = mail_socket(TRANSPORT_AF_INET6);
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
    EXPECT_STATUS(stack->open(mail_transport, 0, TRANSPORT_AF_INET, TRANSPORT_STREAM, 6, &socket),
                  STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(socket, &any), STATUS_SUCCESS);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("10.0.0.2", 9)), STATUS_INVALID_DEVICE_STATE);
    multicast = net_at("224.1.2.3", 0);
    EXPECT_STATUS(stack->group(socket, 1, &multicast, NULL, 0), STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_BROADCAST, 1), STATUS_NOT_SUPPORTED);
    stack->close(socket);
}

TEST(net_stack_datagram_ports, "")
{
    mail_run(&net_calm, 1, ports);
}

static void ways(void)
{
    struct transport_address at;
    struct transport_socket *socket = mail_socket_at("0.0.0.0", 0, &at);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("192.0.2.1", 9)), STATUS_NETWORK_UNREACHABLE);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("10.0.0.99", 9)), STATUS_SUCCESS); /* nobody tells */
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("10.0.0.2", 9)), STATUS_SUCCESS);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("10.0.0.2", 0)), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("0.0.0.0", 9)), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, net_at("::1", 9)), STATUS_INVALID_ADDRESS_COMPONENT);
    EXPECT_STATUS(mail_send_one(socket, "x", 1, (struct transport_address){0}),
                  STATUS_INVALID_ADDRESS_COMPONENT);

    struct mail mail = mail_one("x", 1, net_at("10.0.0.2", 9));
    mail.op.about.known = TRANSPORT_KNOWS_LOCAL;
    mail.op.about.local = net_at("10.0.0.2", 0);
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_PARAMETER); /* not of this host */
    mail.op.about.local = net_at("127.0.0.1", 0);
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_PARAMETER); /* nobody could answer */
    mail.op.about.known = TRANSPORT_KNOWS_INTERFACE;
    mail.op.about.interface = 1;
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_NETWORK_UNREACHABLE);
    mail.op.about.interface = 3;
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_PARAMETER);
    mail.op.about.interface = 2;
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_SUCCESS);
    mail.op.about.known = TRANSPORT_KNOWS_HOPS;
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_PARAMETER);
    mail.op.about.known = TRANSPORT_KNOWS_CLASS;
    mail.op.about.traffic_class = 256;
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_INVALID_PARAMETER);
    stack->close(socket);

    /* What may not be fragmented must fit into a packet of the network. */
    static unsigned char data[2000];
    socket = mail_socket_at("10.0.0.1", 0, &at);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_DONTFRAGMENT, 1), STATUS_SUCCESS);
    EXPECT_STATUS(mail_send_one(socket, data, 1472, net_at("10.0.0.2", 9)), STATUS_SUCCESS);
    EXPECT_STATUS(mail_send_one(socket, data, 1473, net_at("10.0.0.2", 9)), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_STATUS(mail_send_one(socket, data, 1473, at), STATUS_SUCCESS);
    stack->close(socket);
}

TEST(net_stack_datagram_ways, "")
{
    mail_run(&net_calm, 1, ways);
}

/* ---- one at a time ------------------------------------------------------------------------------------------- */

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
        EXPECT_STATUS(mail_start(to, &watch, TRANSPORT_WATCH_READABLE, 0), STATUS_PENDING);
        EXPECT_STATUS(mail_send_one(from, sent, lengths[i], *target), STATUS_SUCCESS);
        EXPECT_STATUS(mail_finish(&watch), STATUS_SUCCESS);
        EXPECT_EQ(stack->query(to, TRANSPORT_READABLE), (long)lengths[i]);
        EXPECT_STATUS(mail_start(to, &watch, TRANSPORT_WATCH_READABLE, 0), STATUS_SUCCESS);
        memset(in, 0, sizeof(in));
        EXPECT_EQ(mail_receive_one(to, in, sizeof(in), &about, 1 * S), (long)lengths[i]);
        EXPECT_EQ(net_same(in, 3, lengths[i]), lengths[i]);
        EXPECT(mail_same_address(&about.remote, source) && mail_same_address(&about.local, target));
        EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_HOPS);
        EXPECT_EQ(about.interface, 1);
        EXPECT_EQ(about.hops, (uint32_t)hops);
        EXPECT_EQ(about.flags, 0);

        /* Into too little room: cut, and it says so. */
        EXPECT_STATUS(mail_send_one(from, sent, lengths[i], *target), STATUS_SUCCESS);
        in[lengths[i] / 2] = 99;
        EXPECT_EQ(mail_receive_one(to, in, lengths[i] / 2, &about, 1 * S), (long)lengths[i] / 2);
        EXPECT_EQ(net_same(in, 3, lengths[i] / 2), lengths[i] / 2);
        EXPECT_EQ(in[lengths[i] / 2], 99);
        EXPECT_EQ(about.flags, lengths[i] ? (unsigned)TRANSPORT_TRUNCATED : 0);
        EXPECT_EQ(mail_receive_one(to, in, sizeof(in), &about, 1 * MS), -1); /* the rest is gone */
    }
    size_t most = target->family == TRANSPORT_AF_INET ? LONGEST : LONGEST + 20;
    EXPECT_STATUS(mail_send_one(from, sent, most, *target), STATUS_SUCCESS);
    EXPECT_EQ(mail_receive_one(to, in, sizeof(in), &about, 1 * S), (long)most);
    EXPECT_STATUS(mail_send_one(from, sent, most + 1, *target), STATUS_INVALID_BUFFER_SIZE);
}

static void pairs(void)
{
    static const char *const addresses[] = {"127.0.0.1", "10.0.0.1", "::1", "fd00::1"};
    int i = net_seed() % 4;
    struct transport_address a, b;
    struct transport_socket *one = mail_socket_at(addresses[i], 0, &a),
                            *two = mail_socket_at(addresses[i], 0, &b);
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
    mail_run_seeds(&net_calm, pairs);
}

static void with_peer(void)
{
    struct transport_address at, own, peers;
    struct transport_datagram about, out = {0};
    struct transport_socket *socket = mail_socket_at("0.0.0.0", 0, &at);
    struct net_datagram *peer = mail_peer_at(1, "0.0.0.0", 700, NULL);
    struct net_datagram *peer6 = mail_peer_at(3, "fd00::4", 700, NULL);
    char data[20];
    own = net_at("10.0.0.1", mail_port_of(&at));
    peers = net_at("10.0.0.2", 700);
    EXPECT_STATUS(mail_send_one(socket, "hello", 5, peers), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 4, &about, 1 * S), 5);
    EXPECT(memcmp(data, "hell", 4) == 0);
    EXPECT_EQ(about.flags, TRANSPORT_TRUNCATED);
    EXPECT(mail_same_address(&about.remote, &own) && mail_same_address(&about.local, &peers));
    EXPECT_EQ(about.interface, 2);
    EXPECT_EQ(about.hops, 128);
    EXPECT_EQ(about.traffic_class, 0);

    /* Class and hops: nothing is told that was not asked for. */
    out.remote = own;
    out.known = TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_CLASS;
    out.hops = 7;
    out.traffic_class = 0x2a;
    EXPECT_EQ(net_datagram_send(peer, "", 0, &out), NET_OK);
    EXPECT_EQ(mail_receive_one(socket, data, 20, &about, 1 * S), 0);
    EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE);
    EXPECT(mail_same_address(&about.remote, &peers) && mail_same_address(&about.local, &own));
    EXPECT_EQ(about.interface, 2);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_CLASS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_HOPS, 1), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_send(peer, "", 0, &out), NET_OK);
    EXPECT_EQ(mail_receive_one(socket, data, 20, &about, 1 * S), 0);
    EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_HOPS |
                               TRANSPORT_KNOWS_CLASS);
    EXPECT(about.hops == 7 && about.traffic_class == 0x2a);

    /* The option of the socket, and what a datagram says of itself before it. */
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_TOS, 0x10), STATUS_SUCCESS);
    struct mail mail = mail_one("x", 1, peers);
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 4, &about, 1 * S), 1);
    EXPECT_EQ(about.traffic_class, 0x10);
    EXPECT_EQ(net_address_change("10.0.0.9", 1), 0);
    mail.op.about.known = TRANSPORT_KNOWS_CLASS | TRANSPORT_KNOWS_HOPS | TRANSPORT_KNOWS_LOCAL;
    mail.op.about.traffic_class = 3;
    mail.op.about.hops = 1;
    mail.op.about.local = net_at("10.0.0.9", 1234);
    EXPECT_STATUS(mail_send(socket, &mail), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 4, &about, 1 * S), 1);
    own = net_at("10.0.0.9", mail_port_of(&at));
    EXPECT(about.traffic_class == 3 && about.hops == 1 && mail_same_address(&about.remote, &own));

    /* What was sent to an address that has gone since arrives nowhere. */
    EXPECT_EQ(net_datagram_send_to(peer, "x", 1, &own), NET_OK);
    EXPECT_EQ(net_address_change("10.0.0.9", 0), 0);
    EXPECT_EQ(mail_receive_one(socket, data, 20, &about, 1 * S), -1);
    stack->close(socket);

    /* A socket of both families. */
    struct transport_address any6 = net_at("::", 0);
    socket = mail_socket(TRANSPORT_AF_INET6);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_V6ONLY, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->bind(socket, &any6), STATUS_SUCCESS);
    EXPECT_STATUS(stack->address(socket, 0, &at), STATUS_SUCCESS);
    own = net_at("10.0.0.1", mail_port_of(&at));
    EXPECT_EQ(net_datagram_send_to(peer, "four", 4, &own), NET_OK);
    EXPECT_EQ(mail_receive_one(socket, data, 20, &about, 1 * S), 4);
    EXPECT(about.remote.family == TRANSPORT_AF_INET6 && about.remote.length == 28);
    EXPECT(about.remote.bytes[18] == 0xff && memcmp(about.remote.bytes + 20, "\12\0\0\2", 4) == 0);
    EXPECT_STATUS(mail_send_one(socket, "back", 4, about.remote), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_receive(peer, data, 20, &about, 1 * S), 4);
    EXPECT(mail_same_address(&about.remote, &own));
    own = net_at("fd00::1", mail_port_of(&at));
    EXPECT_EQ(net_datagram_send_to(peer6, "six", 3, &own), NET_OK);
    EXPECT_EQ(mail_receive_one(socket, data, 20, &about, 1 * S), 3);
    EXPECT(mail_same_ip(&about.remote, "fd00::4"));
    stack->close(socket);
    net_datagram_close(peer);
    net_datagram_close(peer6);
}

TEST(net_stack_datagram_with_a_peer, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, with_peer);
}

/* ---- what nobody gets ---------------------------------------------------------------------------------------- */

static void expect_lost(struct transport_socket *socket, struct transport_address own,
                        struct transport_address to, int type, int code)
{
    struct transport_datagram about;
    char data[4];
    EXPECT_STATUS(mail_send_one(socket, "lost", 4, to), STATUS_SUCCESS);
    EXPECT_EQ(mail_receive_one(socket, data, sizeof data, &about, 10 * S), 0);
    EXPECT_EQ(about.known, TRANSPORT_KNOWS_LOCAL | TRANSPORT_KNOWS_INTERFACE | TRANSPORT_KNOWS_ERROR);
    EXPECT(mail_same_address(&about.remote, &to) && mail_same_address(&about.local, &own));
    EXPECT_EQ(about.error.v6, own.family == TRANSPORT_AF_INET6);
    EXPECT(about.error.type == type && about.error.code == code && about.error.mtu == 0);
}

static void nobody_gets_it(void)
{
    struct transport_address at, six_at;
    struct transport_socket *socket = mail_socket_at("0.0.0.0", 0, &at),
                            *six = mail_socket_at("fd00::1", 0, &six_at);
    struct transport_address own = net_at("10.0.0.1", mail_port_of(&at));
    char data[4];
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(six, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_SUCCESS);
    expect_lost(socket, own, net_at("10.0.0.2", 701), 3, 3);
    expect_lost(socket, own, net_at("10.0.0.99", 701), 3, 1);
    expect_lost(six, six_at, net_at("fd00::4", 701), 1, 4);
    expect_lost(six, six_at, net_at("fd00::99", 701), 1, 3);
    stack->close(six);
    EXPECT_STATUS(mail_send_one(socket, "lost", 4, net_at("10.0.0.99", 701)), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_ERRORS, 0), STATUS_SUCCESS);
    EXPECT_EQ(mail_receive_one(socket, data, sizeof data, NULL, 10 * S), -1);
    EXPECT_STATUS(stack->set_option(socket, TRANSPORT_OPTION_RECEIVE_ERRORS, 1), STATUS_SUCCESS);
    EXPECT_STATUS(mail_send_one(socket, "lost", 4, net_at("10.0.0.99", 701)), STATUS_SUCCESS);
    stack->close(socket); /* while the answer is on its way */
}

TEST(net_stack_datagram_nobody_gets, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, nobody_gets_it);
}
