/* test_net_hosts.c - hosts, addresses, ports and names. */
#include "net_test.h"

static void once(void (*body)(void))
{
    net_run(&net_calm, 1, body);
}

static int can_connect(int from, struct transport_address at)
{
    struct net_socket *socket;
    int result = net_connect(from, &at, 5 * S, &socket);
    if (result == NET_OK)
        net_close(socket);
    return result;
}

static int port_of(const struct transport_address *address)
{
    return address->bytes[2] << 8 | address->bytes[3];
}

static int is_at(struct net_socket *socket, int remote, const char *text)
{
    struct transport_address address, wanted;
    net_address_of(socket, remote, &address);
    wanted = net_at(text, port_of(&address));
    return address.length == wanted.length && memcmp(address.bytes, wanted.bytes, wanted.length) == 0;
}

static void addresses_in_text(void)
{
    static const char *const bad[] = {
        "",        "1.2.3",   "1.2.3.4.5", "256.1.1.1",     "1.2.3.x",           ":",
        "1::2::3", "12345::", "g::",       "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:"};
    struct transport_address address;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT_EQ(net_address(bad[i], 1, &address), -1);
    address = net_at("1.2.3.4", 0x1234);
    EXPECT_EQ(address.length, 16);
    EXPECT(memcmp(address.bytes, "\2\0\x12\x34\1\2\3\4", 8) == 0);
    address = net_at("fd00::1:2", 80);
    EXPECT_EQ(address.length, 28);
    EXPECT(memcmp(address.bytes + 8, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\1\0\2", 16) == 0);
    address = net_at("1:2:3:4:5:6:7:8", 80);
    EXPECT(memcmp(address.bytes + 8, "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x8", 16) == 0);
    address = net_at("::", 80);
    EXPECT(memcmp(address.bytes + 8, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
}

TEST(net_addresses_in_text, "")
{
    once(addresses_in_text);
}

static void several_hosts(void)
{
    struct transport_address at, at6, loop;
    struct net_socket *client, *server;
    int seven = net_host_add("10.0.0.7"), six = net_host_add("fd00::7");
    EXPECT_EQ(seven, 1);
    EXPECT_EQ(six, 2);
    EXPECT_EQ(net_host_add("10.0.0.7"), -1); /* somebody's */
    EXPECT_EQ(net_host_add("127.0.0.1"), -1);
    EXPECT_EQ(net_host_add("nonsense"), -1);

    /* From host to host, each under its own address. */
    struct net_socket *listener = net_server(seven, "10.0.0.7", &at);
    EXPECT_EQ(net_connect(0, &at, 1 * S, &client), NET_OK);
    EXPECT_EQ(net_accept(listener, 1 * S, &server), NET_OK);
    EXPECT(is_at(client, 0, "10.0.0.1") && is_at(client, 1, "10.0.0.7"));
    EXPECT(is_at(server, 0, "10.0.0.7") && is_at(server, 1, "10.0.0.1"));
    net_close(client);
    net_close(server);
    EXPECT_EQ(can_connect(six, at), NET_UNREACHABLE); /* it has no IPv4 address to speak from */
    struct net_socket *listener6 = net_server(six, "fd00::7", &at6);
    EXPECT_EQ(can_connect(0, at6), NET_OK);

    /* Loopback is each host's own. */
    struct net_socket *inner = net_server(seven, "127.0.0.1", &loop);
    EXPECT_EQ(can_connect(seven, loop), NET_OK);
    EXPECT_EQ(can_connect(0, loop), NET_REFUSED);
    /* The whole of 127/8 is; and a listener of one address is not found under another. */
    at = net_at("127.0.0.9", port_of(&loop));
    EXPECT_EQ(can_connect(seven, at), NET_REFUSED);
    struct net_socket *nine = net_listen(seven, &at, 4);
    EXPECT(nine);
    EXPECT_EQ(can_connect(seven, at), NET_OK);
    at = net_at("10.0.0.1", 0);
    EXPECT(net_listen(seven, &at, 4) == NULL); /* not its own */
    net_close(listener);
    net_close(listener6);
    net_close(inner);
    net_close(nine);
}

TEST(net_several_hosts, "")
{
    once(several_hosts);
}

static void ports(void)
{
    struct transport_address at, any = net_at("0.0.0.0", 0), own;
    struct net_socket *listener = net_server(0, "127.0.0.1", &at), *client, *server;
    EXPECT(port_of(&at) >= 49152);
    EXPECT(net_listen(0, &at, 1) == NULL);
    any = net_at("0.0.0.0", port_of(&at));
    EXPECT(net_listen(0, &any, 1) == NULL); /* overlaps */
    own = net_at("10.0.0.1", port_of(&at));
    struct net_socket *other = net_listen(0, &own, 1);
    EXPECT(other);
    EXPECT_EQ(net_port_is_free(0, &at), 0);

    /* The first to close waits; its port is not free for a plain bind, but for one that reuses. */
    EXPECT_EQ(net_connect(0, &at, 1 * S, &client), NET_OK);
    EXPECT_EQ(net_accept(listener, 1 * S, &server), NET_OK);
    net_close(listener);
    net_close(server);
    net_pause(5 * MS);
    net_close(client);
    net_pause(5 * MS);
    EXPECT(net_is_quiet());
    EXPECT_EQ(net_port_is_free(0, &at), 0);
    listener = net_listen(0, &at, 1);
    EXPECT(listener);
    net_close(listener);
    net_pause(61 * S);
    EXPECT_EQ(net_port_is_free(0, &at), 1);
    net_close(other);

    /* A wildcard listener is found under each address, a special one goes before it. */
    any = net_at("0.0.0.0", 0);
    listener = net_listen(0, &any, 4);
    EXPECT(listener);
    net_address_of(listener, 0, &any);
    at = net_at("10.0.0.1", port_of(&any));
    EXPECT_EQ(can_connect(0, at), NET_OK);
    at = net_at("127.0.0.1", port_of(&any));
    EXPECT_EQ(can_connect(0, at), NET_OK);
    net_close(listener);
    EXPECT_EQ(can_connect(0, at), NET_REFUSED);
}

TEST(net_ports, "")
{
    once(ports);
}

static void address_changes(void)
{
    struct transport_address at, at2;
    struct net_socket *client, *server;
    char byte;
    int seven = net_host_add("10.0.0.7");
    EXPECT_EQ(net_address_change("10.0.0.2", 1), 0);
    EXPECT_EQ(net_address_change("10.0.0.2", 1), -1);
    EXPECT_EQ(net_address_change("10.0.0.3", 0), -1);
    struct net_socket *listener = net_server(0, "10.0.0.2", &at2), *first = net_server(0, "10.0.0.1", &at);
    EXPECT_EQ(can_connect(seven, at), NET_OK);
    EXPECT_EQ(net_connect(seven, &at2, 1 * S, &client), NET_OK);
    EXPECT_EQ(net_accept(listener, 1 * S, &server), NET_OK);
    EXPECT_EQ(net_address_change("10.0.0.2", 0), 0);
    EXPECT_EQ(net_send(client, "x", 1, 1 * S), 1);
    EXPECT_EQ(net_receive(server, &byte, 1, 5 * S), NET_TIMEOUT); /* cut */
    EXPECT_EQ(can_connect(seven, at2), NET_UNREACHABLE);
    EXPECT_EQ(can_connect(seven, at), NET_OK);
    EXPECT_EQ(net_receive(client, &byte, 1, HOST_FOREVER), NET_TIMEOUT); /* and given up in the end */
    net_close(client);
    net_close(server);
    net_close(listener);
    net_close(first);
}

TEST(net_address_changes, "")
{
    once(address_changes);
}

static void names(void)
{
    struct transport_address found[3], wanted = net_at("10.0.0.7", 0);
    EXPECT_EQ(net_name_add("server.test", "10.0.0.7"), 0);
    EXPECT_EQ(net_name_add("server.test", "fd00::7"), 0);
    EXPECT_EQ(net_name_add("other.test", "10.0.0.8"), 0);
    EXPECT_EQ(net_name_add("other.test", "nonsense"), -1);
    EXPECT_EQ(net_name_find("Server.TEST", 0, found, 3), 2);
    EXPECT(memcmp(&found[0], &wanted, 16) == 0);
    EXPECT_EQ(found[1].family, TRANSPORT_AF_INET6);
    EXPECT_EQ(net_name_find("server.test", TRANSPORT_AF_INET6, found, 3), 1);
    EXPECT_EQ(found[0].family, TRANSPORT_AF_INET6);
    EXPECT_EQ(net_name_find("server.test", 0, found, 1), 2);
    EXPECT_EQ(net_name_find("nobody.test", 0, found, 3), 0);
}

TEST(net_names, "")
{
    once(names);
}
