/*
 * test_net_stream.c - connections between peers: what arrives, in what order, in calm and in rough weather.
 *
 * Strategy: every body runs under 200 seeds, each twice; what may depend on the weather is said (net_say) and must
 * be the same twice, what may not is expected.
 */
#include "net_test.h"

/* ---- data -------------------------------------------------------------------------------------------------- */

enum { LENGTH = 100000 };

static void send_all(void *argument)
{
    static char memory[LENGTH];
    struct net_socket *socket = argument;
    net_pattern(memory, 0, LENGTH);
    for (size_t done = 0; done < LENGTH;) {
        size_t piece = 1 + (done * 13 + net_seed()) % 5000;
        if (piece > LENGTH - done)
            piece = LENGTH - done;
        EXPECT_EQ(net_send(socket, memory + done, piece, 300 * S), (long)piece);
        done += piece;
    }
    EXPECT_EQ(net_shutdown(socket), NET_OK);
}

static size_t receive_all(struct net_socket *socket)
{
    static char memory[8192];
    size_t done = 0;
    long got;
    while ((got = net_receive(socket, memory, 1 + (done + net_seed()) % sizeof(memory), 300 * S)) > 0) {
        EXPECT_EQ(net_same(memory, done, (size_t)got), (size_t)got);
        done += (size_t)got;
        net_say((uint64_t)got);
    }
    EXPECT_EQ(got, 0);
    return done;
}

static void echo_back(void *argument)
{
    char memory[3000];
    struct net_socket *socket = argument;
    long got;
    while ((got = net_receive(socket, memory, sizeof(memory), 300 * S)) > 0)
        EXPECT_EQ(net_send(socket, memory, (size_t)got, 300 * S), got);
    EXPECT_EQ(got, 0);
    EXPECT_EQ(net_shutdown(socket), NET_OK);
}

static void data_both_ways(void)
{
    struct net_socket *client, *server;
    EXPECT(net_pair(&client, &server));
    net_fiber(send_all, client);
    net_fiber(echo_back, server);
    EXPECT_EQ(receive_all(client), LENGTH);
    net_join();
    net_close(client);
    net_close(server);
    net_say(host_now());
}

TEST(net_data_is_whole_and_in_order, "", TEST_TIMEOUT(120))
{
    EXPECT(net_run_seeds(&net_calm, data_both_ways) > SEEDS / 2);
}

TEST(net_one_byte_segments, "", TEST_TIMEOUT(120))
{
    struct net_weather weather = net_calm;
    weather.segment_min = weather.segment_max = 1;
    weather.send_buffer = weather.receive_buffer = 700;
    net_run(&weather, 3, data_both_ways);
}
