/* Addresses, dual mode, and who may have a port (D-18, W-06). */
#include "datagrams.h"
#include "net.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

TEST_FIXTURE(net_up, net_down);
TEST_MATRIX(NET_EACH("pumped/natural"));

static int32_t try_bind(int family, int port, int any, int dual, struct transport_socket **out)
{
    struct transport_socket *socket = net_open(family);
    struct transport_address address = net_loopback(family, port);
    if (any)
        memset(address.bytes + (family == PEER_INET ? 4 : 8), 0, family == PEER_INET ? 4 : 16);
    if (dual)
        EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_V6ONLY, 0), STATUS_SUCCESS);
    int32_t status = net->bind(socket, &address);
    if (out && status == STATUS_SUCCESS)
        *out = socket;
    else
        net->close(socket);
    return status;
}

TEST(second_live_bind_is_refused, "D-18")
{
    int port = 0;
    struct transport_socket *listener = net_listener(PEER_INET, &port), *bound;
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(try_bind(PEER_INET, port, 1, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(try_bind(PEER_INET6, port, 1, 1, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(try_bind(PEER_INET6, port, 1, 0, NULL), STATUS_SUCCESS);
    net->close(listener);

    /* Also one that does not listen yet. */
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, &bound), STATUS_SUCCESS);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    struct transport_address address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(net->bind(bound, &address), STATUS_INVALID_DEVICE_STATE);
    net->close(bound);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_SUCCESS);
}

TEST(bind_of_another_process_is_respected, "D-18")
{
    int port = 0;
    int listener = peer_listen(PEER_INET, &port);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    peer_close(listener);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_SUCCESS);
}

TEST(bind_while_old_connections_are_in_time_wait, "D-18")
{
    int port = 0;
    struct transport_socket *listener = net_listener(PEER_INET, &port);
    struct io accept;
    char byte;
    int peer = peer_connect(PEER_INET, port, 5000);
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
    net->close(accept.connection.accepted); /* the first to close is the one that waits */
    peer_expect_fin(peer);
    peer_close(peer);
    net->close(listener);
    EXPECT_EQ(peer_port_is_free(PEER_INET, port), 0); /* TIME_WAIT is there */

    listener = net_listener(PEER_INET, &port);
    /* ... and a connection that still lives does not stop the next listener either. */
    peer = peer_connect(PEER_INET, port, 5000);
    io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
    EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
    net->close(listener);
    listener = net_listener(PEER_INET, &port);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    peer_send(peer, "x", 1);
    net_receive_all(accept.connection.accepted, &byte, 1);
    net->close(accept.connection.accepted);
    net->close(listener);
    peer_close(peer);
}

/* A connection socket with a port of its own: held while it lives, free after it, TIME_WAIT or not. */
TEST(connection_with_an_explicit_port, "D-18")
{
    int target = 0, port = 0;
    int listener = peer_listen(PEER_INET, &target);
    net->close(net_listener(PEER_INET, &port)); /* a port that is free, and nobody takes one after it */
    for (int round = 0; round < 2; round++) {
        struct transport_socket *socket;
        struct io connect, acked;
        EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, &socket), STATUS_SUCCESS);
        io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
        connect.connection.address = net_loopback(PEER_INET, target);
        EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
        int peer = peer_accept(listener);
        EXPECT_EQ(peer_remote_port(peer), port);
        EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
        if (round == 0) { /* aborted: no TIME_WAIT, so the same four numbers can be used again */
            EXPECT_STATUS(net->abort(socket), STATUS_SUCCESS);
            EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
        } else {
            EXPECT_STATUS(net->shutdown(socket), STATUS_SUCCESS);
            io_init(&acked, TRANSPORT_WATCH_FIN_ACKED, NULL, 0);
            EXPECT_STATUS(io_run(socket, &acked), STATUS_SUCCESS);
            peer_expect_fin(peer);
        }
        peer_close(peer);
        net->close(socket);
    }
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_SUCCESS);
    peer_close(listener);
}

TEST(bind_refuses_bad_addresses, "")
{
    struct transport_socket *socket = net_open(PEER_INET);
    struct transport_address address = net_loopback(PEER_INET6, 0);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_INVALID_ADDRESS_COMPONENT);
    address = net_loopback(PEER_INET, 0);
    memcpy(address.bytes + 4, "\xc0\0\2\1", 4); /* 192.0.2.1 is nobody's */
    EXPECT_STATUS(net->bind(socket, &address), STATUS_INVALID_ADDRESS_COMPONENT);
    address = net_loopback(PEER_INET, 0);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
    net->close(socket);
}

TEST(v6_only_is_the_default, "D-18")
{
    struct transport_socket *listener, *socket = net_open(PEER_INET6);
    uint64_t value = 0;
    EXPECT_STATUS(net->get_option(socket, TRANSPORT_OPTION_V6ONLY, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 1);
    net->close(socket);
    EXPECT_STATUS(try_bind(PEER_INET6, 0, 1, 0, &listener), STATUS_SUCCESS);
    EXPECT_STATUS(net->listen(listener, 0), STATUS_SUCCESS);
    struct transport_address address;
    EXPECT_STATUS(net->address(listener, 0, &address), STATUS_SUCCESS);
    EXPECT_EQ(peer_connect(PEER_INET, net_port(&address), 1000), -1);
    net->close(listener);
}

/* Dual mode: IPv4 peers in IPv6 form, in both directions. */
TEST(dual_mode, "D-18")
{
    static const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    struct transport_socket *listener, *socket;
    struct transport_address address;
    struct io accept, connect;
    EXPECT_STATUS(try_bind(PEER_INET6, 0, 1, 1, &listener), STATUS_SUCCESS);
    EXPECT_STATUS(net->listen(listener, 5), STATUS_SUCCESS);
    EXPECT_STATUS(net->address(listener, 0, &address), STATUS_SUCCESS);
    int port = net_port(&address);
    for (int family = PEER_INET; family <= PEER_INET6; family += PEER_INET6 - PEER_INET) {
        int peer = peer_connect(family, port, 5000);
        EXPECT(peer >= 0);
        io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
        EXPECT_STATUS(io_run(listener, &accept), STATUS_SUCCESS);
        EXPECT_EQ(accept.connection.address.family, TRANSPORT_AF_INET6);
        EXPECT_EQ(accept.connection.address.length, 28);
        EXPECT_EQ(memcmp(accept.connection.address.bytes + 8, mapped, 16) == 0, family == PEER_INET);
        EXPECT_EQ(memcmp(accept.connection.local.bytes + 8, mapped, 16) == 0, family == PEER_INET);
        net->close(accept.connection.accepted);
        peer_close(peer);
    }
    net->close(listener);

    int target = 0;
    int plain = peer_listen(PEER_INET, &target);
    socket = net_open(PEER_INET6);
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_V6ONLY, 0), STATUS_SUCCESS);
    io_init(&connect, TRANSPORT_CONNECT, NULL, 0);
    connect.connection.address = net_loopback(PEER_INET6, target);
    memcpy(connect.connection.address.bytes + 8, mapped, 16);
    EXPECT_STATUS(io_run(socket, &connect), STATUS_SUCCESS);
    EXPECT_STATUS(net->address(socket, 1, &address), STATUS_SUCCESS);
    EXPECT_EQ(address.family, TRANSPORT_AF_INET6);
    EXPECT(memcmp(address.bytes + 8, mapped, 16) == 0);
    int peer = peer_accept(plain);
    net->close(socket);
    peer_close(peer);
    peer_close(plain);
}

/* OPTION_SHARE: beside others of this transport, whatever they said; not where other programs have the port. */
TEST(who_shares_is_bound_beside_others, "")
{
    int port = 0, foreign_port = 0;
    struct transport_socket *first = net_listener(PEER_INET, &port), *second = net_open(PEER_INET);
    struct transport_address address = net_loopback(PEER_INET, port);
    int foreign = peer_listen(PEER_INET, &foreign_port);
    uint64_t value = 7;

    EXPECT_STATUS(net->get_option(second, TRANSPORT_OPTION_SHARE, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, 0);
    EXPECT_STATUS(net->bind(second, &address), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(net->set_option(second, TRANSPORT_OPTION_SHARE, 1), STATUS_SUCCESS);
    address = net_loopback(PEER_INET, foreign_port);
    EXPECT_STATUS(net->bind(second, &address), STATUS_ADDRESS_ALREADY_EXISTS);
    address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(net->bind(second, &address), STATUS_SUCCESS);
    EXPECT_STATUS(net->listen(second, 5), STATUS_SUCCESS);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS); /* who does not */
    net->close(first);
    EXPECT_STATUS(try_bind(PEER_INET, port, 0, 0, NULL), STATUS_ADDRESS_ALREADY_EXISTS);
    net->close(second);
    peer_close(foreign);
}

/* A foreign datagram socket that says it shares, at an address of 127.0.0.0/24; port 0 for any; -1 when it is refused. */
static int foreign_sharer(int host, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)*port),
                                  .sin_addr = {htonl((INADDR_LOOPBACK & ~255u) | (unsigned)host)}};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

    EXPECT(fd >= 0);
    EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    if (bind(fd, (struct sockaddr *)&address, length) != 0) {
        EXPECT_EQ(errno, EADDRINUSE);
        close(fd);
        return -1;
    }
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* One that does not share. */
static int foreign_owner(int host, int *port)
{
    int fd = foreign_sharer(host, port), on = 0;

    EXPECT(fd >= 0);
    EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    return fd;
}

static int port_of_socket(struct transport_socket *socket)
{
    struct transport_address address;

    EXPECT_STATUS(net->address(socket, 0, &address), STATUS_SUCCESS);
    return address.bytes[2] << 8 | address.bytes[3];
}

/* What a refused bind has said to the kernel is taken back: a later one that does not share is alone. */
TEST(refused_share_is_taken_back, "", TEST_MODES(NET_LINUX("pumped/natural")))
{
    struct transport_socket *socket = net_open_udp(PEER_INET);
    struct transport_address address;
    int taken = 0, port;
    int foreign = foreign_owner(1, &taken);

    address = net_loopback(PEER_INET, taken);
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_SHARE, 1), STATUS_SUCCESS);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_STATUS(net->set_option(socket, TRANSPORT_OPTION_SHARE, 0), STATUS_SUCCESS);
    address = net_loopback(PEER_INET, 0);
    EXPECT_STATUS(net->bind(socket, &address), STATUS_SUCCESS);
    port = port_of_socket(socket);
    EXPECT_EQ(foreign_sharer(1, &port), -1);
    net->close(socket);
    close(foreign);
}

/* So is what it has said in the name of those that had the address: unless they share with another. */
TEST(refused_share_leaves_the_others_alone, "", TEST_MODES(NET_LINUX("pumped/natural")))
{
    struct transport_socket *first = net_open_udp(PEER_INET), *second = net_open_udp(PEER_INET),
                            *third = net_open_udp(PEER_INET);
    struct transport_address address = net_loopback(PEER_INET, 0), any;
    int port, sharer;

    EXPECT_STATUS(net->bind(first, &address), STATUS_SUCCESS);
    port = port_of_socket(first);
    int foreign = foreign_owner(2, &port);
    any = net_loopback(PEER_INET, port);
    memset(any.bytes + 4, 0, 4);
    EXPECT_STATUS(net->set_option(second, TRANSPORT_OPTION_SHARE, 1), STATUS_SUCCESS);
    EXPECT_STATUS(net->bind(second, &any), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_EQ(foreign_sharer(1, &port), -1);

    address = net_loopback(PEER_INET, port);
    EXPECT_STATUS(net->bind(second, &address), STATUS_SUCCESS);
    EXPECT_STATUS(net->set_option(third, TRANSPORT_OPTION_SHARE, 1), STATUS_SUCCESS);
    EXPECT_STATUS(net->bind(third, &any), STATUS_ADDRESS_ALREADY_EXISTS);
    sharer = foreign_sharer(1, &port);
    EXPECT(sharer >= 0); /* first and second go on sharing */
    close(sharer);
    net->close(first);
    net->close(second);
    net->close(third);
    close(foreign);
}
