/*
 * test_net_stack_datagram_groups.c - groups and broadcasts on the simulated network.
 */
#include "mail.h"

/* Sends one of each of them and looks who gets it: bit per receiver. */
static unsigned who_gets(struct transport_socket *from, struct transport_address to,
                         struct transport_socket **own, struct net_datagram **peers, unsigned flags)
{
    struct transport_datagram about;
    unsigned who = 0;
    char data[8];
    EXPECT_STATUS(mail_send_one(from, "all", 3, to), STATUS_SUCCESS);
    for (int i = 0; i < 2; i++) {
        if (!own[i] || mail_receive_one(own[i], data, 8, &about, 10 * MS) != 3)
            continue;
        who |= 1u << i;
        EXPECT_EQ(about.flags, flags);
        EXPECT(mail_same_address(&about.local, &to));
        EXPECT_EQ(mail_receive_one(own[i], data, 8, NULL, 1 * MS), -1); /* each once */
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
    struct transport_socket *from = mail_socket_at("0.0.0.0", 0, NULL);
    struct transport_socket *own[2] = {mail_socket_at("0.0.0.0", 900, NULL), NULL};
    struct net_datagram *peers[2] = {mail_peer_at(1, "0.0.0.0", 900, NULL),
                                     mail_peer_at(2, "0.0.0.0", 900, NULL)};
    unsigned flags = TRANSPORT_MULTICAST;
    own[1] = mail_socket_at("0.0.0.0", 901, NULL); /* another port: never */
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
    own[0] = mail_socket_at("0.0.0.0", 900, NULL);
    EXPECT_STATUS(stack->group(own[0], 1, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_STATUS(stack->set_option(own[0], TRANSPORT_OPTION_RECEIVE_HOPS, 1), STATUS_SUCCESS);
    struct transport_datagram about;
    char data[8];
    EXPECT_EQ(net_datagram_send_to(peers[0], "x", 1, &to), NET_OK);
    EXPECT_EQ(mail_receive_one(own[0], data, 8, &about, 1 * S), 1);
    EXPECT(about.flags == TRANSPORT_MULTICAST && about.hops == 1 && mail_same_ip(&about.remote, "10.0.0.2"));
    stack->close(own[0]);
    stack->close(own[1]);
    stack->close(from);
    net_datagram_close(peers[0]);
    net_datagram_close(peers[1]);
}

TEST(net_stack_datagram_groups, "", TEST_TIMEOUT(120))
{
    EXPECT_EQ(mail_run_seeds(&net_calm, groups) > SEEDS / 2, 1);
}

static void broadcasts(void)
{
    struct transport_address near = net_at("10.255.255.255", 900), all = net_at("255.255.255.255", 900);
    struct transport_address loopback = net_at("127.255.255.255", 900);
    struct transport_socket *from = mail_socket_at("0.0.0.0", 0, NULL);
    struct transport_socket *own[2] = {mail_socket_at("0.0.0.0", 900, NULL), NULL};
    struct net_datagram *peers[2] = {mail_peer_at(1, "10.0.0.2", 900, NULL),
                                     mail_peer_at(2, "0.0.0.0", 900, NULL)};
    EXPECT_STATUS(mail_send_one(from, "x", 1, near), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(mail_send_one(from, "x", 1, all), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(stack->set_option(from, TRANSPORT_OPTION_BROADCAST, 1), STATUS_SUCCESS);
    EXPECT_EQ(who_gets(from, near, own, peers, TRANSPORT_BROADCAST), 1 | 8);
    EXPECT_EQ(who_gets(from, all, own, peers, TRANSPORT_BROADCAST), 1 | 8);
    EXPECT_EQ(who_gets(from, loopback, own, peers, TRANSPORT_BROADCAST), 1);
    EXPECT_EQ(net_datagram_send_to(peers[0], "x", 1, &all), NET_OK);
    struct transport_datagram about;
    char data[8];
    EXPECT_EQ(mail_receive_one(own[0], data, 8, &about, 1 * S), 1);
    EXPECT(about.flags == TRANSPORT_BROADCAST && mail_same_address(&about.local, &all) &&
           mail_same_ip(&about.remote, "10.0.0.2"));
    stack->close(from);
    stack->close(own[0]);
    net_datagram_close(peers[0]);
    net_datagram_close(peers[1]);
}

TEST(net_stack_datagram_broadcasts, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, broadcasts);
}

static void groups6(void)
{
    struct transport_address group = net_at("ff05::77", 0), to = net_at("ff05::77", 900), to_loopback = to;
    struct transport_socket *from = mail_socket_at("::", 0, NULL), *own = mail_socket_at("::", 900, NULL);
    struct net_datagram *peer = mail_peer_at(3, "::", 900, NULL);
    struct transport_datagram about;
    char data[8];
    EXPECT_STATUS(stack->group(own, 1, &group, NULL, 0), STATUS_SUCCESS);
    EXPECT_EQ(net_datagram_group(peer, 1, &group, NULL, 2), NET_OK);
    EXPECT_STATUS(mail_send_one(from, "six", 3, to), STATUS_SUCCESS);
    EXPECT_EQ(mail_receive_one(own, data, 8, &about, 1 * S), 3);
    EXPECT(about.flags == TRANSPORT_MULTICAST && mail_same_address(&about.local, &to) &&
           mail_same_ip(&about.remote, "fd00::1"));
    EXPECT_EQ(net_datagram_receive(peer, data, 8, &about, 1 * S), 3);
    EXPECT(about.flags == TRANSPORT_MULTICAST && about.hops == 1 && mail_same_ip(&about.remote, "fd00::1"));
    EXPECT_STATUS(stack->group(own, 1, &group, NULL, 1), STATUS_SUCCESS);
    to_loopback.bytes[24] = 1; /* the scope says which interface */
    EXPECT_STATUS(mail_send_one(from, "six", 3, to_loopback), STATUS_SUCCESS);
    EXPECT_EQ(mail_receive_one(own, data, 8, &about, 1 * S), 3);
    EXPECT(about.interface == 1 && mail_same_ip(&about.remote, "::1"));
    EXPECT_EQ(net_datagram_receive(peer, data, 8, &about, 1 * S), NET_TIMEOUT);
    stack->close(from);
    stack->close(own);
    net_datagram_close(peer);
}

TEST(net_stack_datagram_groups_of_ipv6, "", TEST_TIMEOUT(120))
{
    mail_run_seeds(&net_calm, groups6);
}
