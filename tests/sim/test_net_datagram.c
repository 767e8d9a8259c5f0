/* test_net_datagram.c - datagrams between peers: loss, duplicates, the order. */
#include "net_test.h"

enum { DATAGRAMS = 20 };

static unsigned came, doubles, overtaken;

static void twenty(void)
{
    int host = net_host_add("10.0.0.9");
    struct transport_address at = net_at("10.0.0.9", 5353), any = net_at("0.0.0.0", 0), from, own;
    struct net_datagram *to = net_datagram_open(host, &at), *out = net_datagram_open(0, &any);
    unsigned seen[DATAGRAMS] = {0}, count = 0, last = 0;
    char memory[100];
    EXPECT(to && out);
    net_datagram_address_of(out, &own);
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        memset(memory, (int)i, 1 + i);
        EXPECT_EQ(net_datagram_send_to(out, memory, 1 + i, &at), NET_OK);
        net_pause(5 * US);
    }
    long got;
    while ((got = net_datagram_receive_from(to, memory, sizeof(memory), &from, 1 * S)) > 0) {
        unsigned number = (unsigned char)memory[0];
        EXPECT(number < DATAGRAMS);
        EXPECT_EQ(got, (long)number + 1); /* its bounds are kept */
        for (long i = 0; i < got; i++)
            EXPECT_EQ(memory[i], (char)number);
        EXPECT_EQ(from.family, TRANSPORT_AF_INET);
        EXPECT(memcmp(from.bytes + 2, own.bytes + 2, 2) == 0 && memcmp(from.bytes + 4, "\12\0\0\1", 4) == 0);
        doubles += seen[number]++ != 0;
        overtaken += number < last;
        last = number;
        count++;
        net_say(number);
    }
    EXPECT_EQ(got, NET_TIMEOUT);
    came += count;
    net_datagram_close(to);
    net_datagram_close(out);
}

static void count_in(struct net_weather weather)
{
    came = doubles = overtaken = 0;
    net_run_seeds(&weather, twenty);
}

TEST(net_datagrams, "")
{
    struct net_weather weather = net_calm;
    unsigned all = 2 * SEEDS * DATAGRAMS;
    weather.latency_min_ns = weather.latency_max_ns = 20 * US;
    count_in(weather);
    EXPECT(came == all && doubles == 0 && overtaken == 0);
    weather.loss_percent = 25;
    count_in(weather);
    EXPECT(came > all / 2 && came < all * 9 / 10 && doubles == 0 && overtaken == 0);
    weather.loss_percent = 0;
    weather.duplicate_percent = 25;
    count_in(weather);
    EXPECT_EQ(came - doubles, all);
    EXPECT(doubles > all / 8 && doubles < all / 2);
    weather.duplicate_percent = 0;
    weather.reorder_percent = 30;
    count_in(weather);
    EXPECT(came == all && overtaken > all / 20);
    weather.loss_percent = 100;
    count_in(weather);
    EXPECT_EQ(came, 0);
}

static void datagram_ports(void)
{
    struct transport_address at = net_at("127.0.0.1", 700), any = net_at("0.0.0.0", 700),
                             far = net_at("192.0.2.1", 9), tcp = at;
    char memory[10];
    struct net_datagram *socket = net_datagram_open(0, &at);
    EXPECT(socket);
    EXPECT(net_datagram_open(0, &at) == NULL);
    EXPECT(net_datagram_open(0, &any) == NULL);
    struct net_socket *listener = net_listen(0, &tcp, 1); /* TCP's ports are others */
    EXPECT(listener);
    EXPECT_EQ(net_datagram_send_to(socket, "x", 1, &far), NET_UNREACHABLE);
    any = net_at("127.0.0.1", 701);
    EXPECT_EQ(net_datagram_send_to(socket, "x", 1, &any), NET_OK); /* nobody there: nobody tells */
    EXPECT_EQ(net_datagram_send_to(socket, "abcdef", 6, &at), NET_OK);
    EXPECT_EQ(net_datagram_receive_from(socket, memory, 3, NULL, 1 * S), 6); /* cut */
    EXPECT(memcmp(memory, "abc", 3) == 0);
    net_datagram_close(socket);
    socket = net_datagram_open(0, &at);
    EXPECT(socket);
    net_datagram_close(socket);
    net_close(listener);
}

TEST(net_datagram_ports, "")
{
    net_run(&net_calm, 1, datagram_ports);
}
