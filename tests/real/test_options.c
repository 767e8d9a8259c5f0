/*
 * Options whose defaults or meanings differ from Windows (fact 19).
 */
#include "peer.h"
#include "uwsk_test.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int new_stream(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    EXPECT(fd >= 0);
    return fd;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;

    EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static int bind_any(int fd, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
}

TEST(fact_19_ipv6_only_is_off, "")
{
    int fd = new_stream(AF_INET6);
    int on = 1;

    EXPECT_EQ(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0); /* Windows: 1 */
    EXPECT_EQ(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), 0);
    EXPECT_EQ(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

TEST(fact_19_receive_buffer_reads_back_doubled, "")
{
    int fd = new_stream(AF_INET);

    peer_set_rcvbuf(fd, 20000);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_RCVBUF), 40000);
    peer_set_sndbuf(fd, 30000);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_SNDBUF), 60000);
}

TEST(fact_19_reuse_address_does_not_share_a_listener, "")
{
    int port = 0;
    int listener = peer_listen(PEER_INET, &port);
    int second = new_stream(AF_INET);
    int on = 1;

    EXPECT_EQ(setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    EXPECT_EQ(bind_any(second, port), EADDRINUSE); /* on Windows this bind steals the port */
    peer_close(listener);
    EXPECT_EQ(bind_any(second, port), 0);
}

TEST(fact_19_time_wait_holds_a_port_without_reuse_address, "")
{
    int port = 0;
    int listener = peer_listen(PEER_INET, &port);
    int client = peer_connect(PEER_INET, port, 5000);
    int accepted = peer_accept(listener);
    int on = 1;

    peer_close(accepted); /* the listener's side closes first: TIME_WAIT stays on its port */
    peer_expect_fin(client);
    peer_close(client);
    peer_close(listener);

    int again = new_stream(AF_INET);

    EXPECT_EQ(bind_any(again, port), EADDRINUSE);
    EXPECT_EQ(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    EXPECT_EQ(bind_any(again, port), 0); /* on Windows a bind succeeds here without the option */
}

TEST(fact_19_dual_mode_takes_ipv4, "")
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    int listener = new_stream(AF_INET6);

    EXPECT_EQ(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
    EXPECT_EQ(listen(listener, 5), 0);
    EXPECT(peer_connect(PEER_INET, peer_local_port(listener), 5000) >= 0);
    int accepted = peer_accept(listener);
    struct sockaddr_in6 from;
    socklen_t length = sizeof from;

    EXPECT_EQ(getpeername(accepted, (struct sockaddr *)&from, &length), 0);
    EXPECT_EQ(from.sin6_family, AF_INET6);
    EXPECT(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
}

/* ---- fact 41: who shares counts as it stands when another one comes ----------------------------------- */

TEST(fact_41_a_listener_shares_once_it_is_marked_later, "")
{
    int port = 0;
    int listener = peer_listen(PEER_INET, &port);
    int second = new_stream(AF_INET);
    int on = 1;

    EXPECT_EQ(setsockopt(second, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    EXPECT_EQ(bind_any(second, port), EADDRINUSE);
    EXPECT_EQ(setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0); /* it listens already */
    EXPECT_EQ(bind_any(second, port), 0);
    EXPECT_EQ(listen(second, 1), 0);
}
