/* Options in Windows' units, and what waits in the queues. */
#include "net.h"

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_EACH("pumped/natural"));

static uint64_t get(struct transport_socket *socket, int option)
{
    uint64_t value = ~0ull;
    EXPECT_STATUS(net->get_option(socket, option, &value), STATUS_SUCCESS);
    return value;
}

static void keeps(struct transport_socket *socket, int option, uint64_t value)
{
    EXPECT_STATUS(net->set_option(socket, option, value), STATUS_SUCCESS);
    EXPECT_EQ(get(socket, option), value);
}

TEST(options_read_as_they_were_set, "")
{
    for (int family = PEER_INET; family <= PEER_INET6; family += PEER_INET6 - PEER_INET) {
        struct transport_socket *socket = net_open(family);
        EXPECT_EQ(get(socket, TRANSPORT_OPTION_NODELAY), 0);
        EXPECT_EQ(get(socket, TRANSPORT_OPTION_KEEPALIVE), 0);
        EXPECT_EQ(get(socket, TRANSPORT_OPTION_DONTFRAGMENT), 0);
        EXPECT_EQ(get(socket, TRANSPORT_OPTION_ERROR), 0);
        keeps(socket, TRANSPORT_OPTION_KEEPALIVE, 1);
        keeps(socket, TRANSPORT_OPTION_NODELAY, 1);
        keeps(socket, TRANSPORT_OPTION_NODELAY, 0);
        keeps(socket, TRANSPORT_OPTION_KEEPIDLE, 30);
        keeps(socket, TRANSPORT_OPTION_KEEPINTVL, 5);
        keeps(socket, TRANSPORT_OPTION_KEEPCNT, 4);
        keeps(socket, TRANSPORT_OPTION_USER_TIMEOUT, 12345);
        keeps(socket, TRANSPORT_OPTION_DONTFRAGMENT, 1);
        keeps(socket, TRANSPORT_OPTION_DONTFRAGMENT, 0);
        for (uint64_t state = 0; state < 4; state++)
            keeps(socket, TRANSPORT_OPTION_MTU_DISCOVER, state);
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_MTU_DISCOVER, 4), STATUS_INVALID_PARAMETER);
        keeps(socket, TRANSPORT_OPTION_INTERFACE, 1);
        keeps(socket, TRANSPORT_OPTION_INTERFACE, 0);
        /* Below the kernel's least, ordinary, above its most: what was set. */
        for (int option = TRANSPORT_OPTION_RECEIVE_BUFFER; option <= TRANSPORT_OPTION_SEND_BUFFER; option++) {
            EXPECT(get(socket, option) > 1000);
            keeps(socket, option, 100);
            keeps(socket, option, 50000);
            keeps(socket, option, 1u << 30);
        }
        if (family == PEER_INET) {
            keeps(socket, TRANSPORT_OPTION_TTL, 42);
            keeps(socket, TRANSPORT_OPTION_TOS, 0x10);
            EXPECT(net->set_option(socket, TRANSPORT_OPTION_HOPLIMIT, 1) != STATUS_SUCCESS);
            EXPECT(net->set_option(socket, TRANSPORT_OPTION_V6ONLY, 1) != STATUS_SUCCESS);
        } else {
            keeps(socket, TRANSPORT_OPTION_HOPLIMIT, 42);
            keeps(socket, TRANSPORT_OPTION_TCLASS, 0x20);
            keeps(socket, TRANSPORT_OPTION_V6ONLY, 0);
        }
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_KEEPIDLE, 1ull << 40),
                      STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_KEEPCNT, 100000), STATUS_INVALID_PARAMETER);
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_ERROR, 0), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_MAX, 0), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(net->set_option(socket, 0, 0), STATUS_NOT_SUPPORTED);
        net->close(socket);
    }
}

TEST(accepted_sockets_inherit, "")
{
    int port = 0;
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    EXPECT_STATUS(net->set_option(listener, TRANSPORT_OPTION_NODELAY, 1), STATUS_SUCCESS);
    EXPECT_STATUS(net->set_option(listener, TRANSPORT_OPTION_RECEIVE_BUFFER, 30000), STATUS_SUCCESS);
    int peer = peer_connect(PEER_INET, port, 5000);
    struct io accept;
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
    EXPECT_EQ(get(accept.connection.accepted, TRANSPORT_OPTION_NODELAY), 1);
    EXPECT_EQ(get(accept.connection.accepted, TRANSPORT_OPTION_RECEIVE_BUFFER), 30000);
    net->close(accept.connection.accepted);
    net->close(listener);
    peer_close(peer);
}

TEST(queries, "")
{
    int peer;
    char memory[10];
    struct transport_socket *socket = net_connected(PEER_INET, &peer);
    struct io send;
    EXPECT_EQ(net->query(socket, TRANSPORT_READABLE), 0);
    peer_send(peer, "0123456789", 10);
    EXPECT_SOON(net->query(socket, TRANSPORT_READABLE) == 10);
    peer_drop_incoming(peer);
    io_init(&send, TRANSPORT_SEND, memory, 10);
    EXPECT_STATUS(io_run(socket, &send), STATUS_SUCCESS);
    EXPECT_EQ(net->query(socket, TRANSPORT_UNSENT), 0);
    EXPECT_EQ(net->query(socket, TRANSPORT_UNACKED), 10);
    EXPECT(net->query(socket, TRANSPORT_IDEAL_BACKLOG) > 0);
    EXPECT_EQ(net->query(socket, 99), -1);
    EXPECT_EQ(net->loop_of(socket), 0);
    net->abort(socket);
    net->close(socket);
    peer_close(peer);
}

TEST(addresses_of_this_host, "")
{
    struct transport_local four[64] = {0}, six[64];
    size_t count = net->addresses(transport, TRANSPORT_AF_INET, four, 64);
    bool loopback = false;
    EXPECT(count > 0 && count <= 64);
    for (size_t i = 0; i < count; i++) {
        EXPECT(four[i].address.length == 16 && four[i].address.family == TRANSPORT_AF_INET);
        EXPECT(four[i].interface > 0);
        loopback |= memcmp(four[i].address.bytes + 4, "\x7f\0\0\1", 4) == 0 && four[i].interface == 1;
    }
    EXPECT(loopback);
    EXPECT_EQ(net->addresses(transport, TRANSPORT_AF_INET, NULL, 0), count);
    count = net->addresses(transport, TRANSPORT_AF_INET6, six, 64);
    for (size_t i = 0; i < count && i < 64; i++)
        EXPECT(six[i].address.length == 28 && six[i].address.family == TRANSPORT_AF_INET6);
    EXPECT_STATUS(net->watch_addresses(transport), STATUS_SUCCESS);
    EXPECT_STATUS(net->watch_addresses(transport), STATUS_SUCCESS); /* harmless */
}
