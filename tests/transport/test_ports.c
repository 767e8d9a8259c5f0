/* A bind to no port in particular, when connections in TIME_WAIT have every port that the system would pick: old
 * connections do not count, live binds do.  In a network of the test's own, whose range of ports is small. */
#include "net.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FIRST = 45000, PORTS = 8 };

static void skip(const char *what)
{
    TEST_NOTE("skipped: %s: %s", what, strerror(errno));
    fflush(NULL);
    _exit(0);
}

static void enter_a_network(void)
{
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    FILE *range;
    int fd;

    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        skip("a network of its own");
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT(fd >= 0);
    if (ioctl(fd, SIOCSIFFLAGS, &loopback) != 0)
        skip("loopback");
    close(fd);
    range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
    if (!range || fprintf(range, "%d %d\n", FIRST, FIRST + PORTS - 1) < 0 || fclose(range) != 0)
        skip("the range of ports");
}

static void network_up(void)
{
    enter_a_network();
    net_up();
}

TEST_FIXTURE(network_up, net_down);
TEST_MATRIX(NET_LINUX("pumped/natural"));

static socklen_t address_of(struct sockaddr_storage *storage, int family, int port)
{
    struct transport_address address = net_loopback(family, port);

    memset(storage, 0, sizeof *storage);
    memcpy(storage, address.bytes, address.length);
    storage->ss_family = family == PEER_INET ? AF_INET : AF_INET6;
    return (socklen_t)address.length;
}

static int plain_socket(int family, int port, int reuse)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(&address, family, port);
    int fd = socket(family == PEER_INET ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    EXPECT(fd >= 0);
    EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), 0);
    if (bind(fd, (struct sockaddr *)&address, length) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A connection to this port whose end there is the first to close. */
static void leave_time_wait(int family, int port)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(&address, family, port);
    int listener = plain_socket(family, port, 1), client = plain_socket(family, port - 10000, 1), end;
    char byte;

    EXPECT(listener >= 0 && client >= 0);
    EXPECT_EQ(listen(listener, 1), 0);
    EXPECT_EQ(connect(client, (struct sockaddr *)&address, length), 0);
    end = accept(listener, NULL, NULL);
    EXPECT(end >= 0);
    close(end);
    EXPECT_EQ(read(client, &byte, 1), 0);
    close(client);
    close(listener);
}

static int port_in_range(int port)
{
    return port >= FIRST && port < FIRST + PORTS;
}

TEST(old_connections_do_not_take_every_port, "D-18")
{
    static const int families[] = {PEER_INET, PEER_INET6};

    for (int i = 0; i < 2; i++) {
        struct transport_socket *listener[PORTS], *extra;
        struct transport_address any = net_loopback(families[i], 0);
        int port[PORTS], peer;

        for (int k = 0; k < PORTS; k++)
            leave_time_wait(families[i], FIRST + k);
        EXPECT_EQ(plain_socket(families[i], 0, 0), -1); /* the system has none to give */
        EXPECT_EQ(errno, EADDRINUSE);
        for (int k = 0; k < PORTS; k++) { /* we have, each of them once */
            port[k] = 0;
            listener[k] = net_listener(families[i], &port[k]);
            EXPECT(port_in_range(port[k]));
            for (int other = 0; other < k; other++)
                EXPECT_NE(port[k], port[other]);
        }
        extra = net_open(families[i]);
        EXPECT_STATUS(net->bind(extra, &any), STATUS_ADDRESS_ALREADY_EXISTS);
        net->close(extra);

        /* The one that is given back is the one that is found. */
        net->close(listener[PORTS / 2]);
        port[0] = 0;
        listener[PORTS / 2] = net_listener(families[i], &port[0]);
        EXPECT_EQ(port[0], port[PORTS / 2]);

        /* It is a listener like others; so is a plain peer's, which finds a port beyond the range. */
        peer = plain_socket(families[i], FIRST - 5000, 1);
        struct sockaddr_storage address;
        socklen_t length = address_of(&address, families[i], port[0]);
        struct io accept;
        EXPECT_EQ(connect(peer, (struct sockaddr *)&address, length), 0);
        io_init(&accept, TRANSPORT_ACCEPT, NULL, 0);
        EXPECT_STATUS(io_run(listener[PORTS / 2], &accept), STATUS_SUCCESS);
        net->close(accept.connection.accepted);
        close(peer);
        port[0] = 0;
        peer = peer_listen(families[i], &port[0]);
        EXPECT(port[0] != 0 && !port_in_range(port[0]));
        peer_close(peer);
        for (int k = 0; k < PORTS; k++)
            net->close(listener[k]);
    }
}
