/*
 * test_net_weather.c - each dial of the weather, over 200 seeds: what it may do, that it does it, and that the same
 * seed does the same.
 */
#include "net_test.h"

static uint64_t longest; /* over the seeds: what a dial reaches */

/* ---- delays ------------------------------------------------------------------------------------------------ */

static void time_of_a_connect(void)
{
    struct transport_address at;
    struct net_socket *client, *listener = net_server(0, "127.0.0.1", &at);
    uint64_t before = host_now();
    EXPECT_EQ(net_connect(0, &at, 1 * S, &client), NET_OK);
    uint64_t took = host_now() - before;
    EXPECT(took >= 2 * 10 * US && took < 2 * 100 * US + 20 * US);
    longest = took > longest ? took : longest;
    net_say(took);
    net_close(client);
    net_close(listener);
}

TEST(net_weather_latency, "")
{
    EXPECT(net_run_seeds(&net_calm, time_of_a_connect) > SEEDS / 2);
    EXPECT(longest > 150 * US);
}

static void time_of_a_fin(void)
{
    struct net_socket *a, *b;
    char byte;
    EXPECT(net_pair(&a, &b));
    uint64_t before = host_now();
    EXPECT_EQ(net_shutdown(a), NET_OK);
    EXPECT_EQ(net_receive(b, &byte, 1, 1 * S), 0);
    uint64_t took = host_now() - before;
    EXPECT(took < 10 * MS + 200 * US);
    longest = took > longest ? took : longest;
    net_say(took);
    net_close(a);
    net_close(b);
}

TEST(net_weather_fin_delay, "")
{
    struct net_weather weather = net_calm;
    net_run_seeds(&weather, time_of_a_fin);
    EXPECT(longest < 200 * US);
    weather.fin_delay_max_ns = 10 * MS;
    net_run_seeds(&weather, time_of_a_fin);
    EXPECT(longest > 8 * MS);
}

/* A full send buffer has room again when the ACK is there. */
static void time_of_an_ack(void)
{
    static char memory[1000];
    struct net_socket *a, *b;
    EXPECT(net_pair(&a, &b));
    net_set_send_buffer(a, sizeof(memory));
    EXPECT_EQ(net_send(a, memory, sizeof(memory), 1 * S), (long)sizeof(memory));
    uint64_t before = host_now();
    EXPECT_EQ(net_send(a, memory, sizeof(memory), 1 * S), (long)sizeof(memory));
    uint64_t took = host_now() - before;
    EXPECT(took >= 20 * US - 10 * US && took < 40 * MS + 300 * US);
    longest = took > longest ? took : longest;
    net_say(took);
    net_close(a);
    net_close(b);
}

TEST(net_weather_ack_delay, "")
{
    struct net_weather weather = net_calm;
    net_run_seeds(&weather, time_of_an_ack);
    EXPECT(longest < 300 * US);
    weather.ack_delay_max_ns = 40 * MS;
    net_run_seeds(&weather, time_of_an_ack);
    EXPECT(longest > 30 * MS);
}

/* ---- pieces ------------------------------------------------------------------------------------------------ */

static unsigned most_pieces, fewest_pieces;

static void pieces(void)
{
    static char memory[1000];
    struct net_socket *a, *b;
    unsigned count = 0;
    net_pattern(memory, 0, sizeof(memory));
    EXPECT(net_pair(&a, &b));
    EXPECT_EQ(net_send(a, memory, sizeof(memory), 1 * S), (long)sizeof(memory));
    for (size_t done = 0; done < sizeof(memory); count++) {
        char piece[1000];
        long got = net_receive(b, piece, sizeof(piece), 1 * S);
        EXPECT(got > 0);
        EXPECT_EQ(net_same(piece, done, (size_t)got), (size_t)got);
        done += (size_t)got;
        net_say((uint64_t)got);
    }
    most_pieces = count > most_pieces ? count : most_pieces;
    fewest_pieces = count < fewest_pieces ? count : fewest_pieces;
    net_close(a);
    net_close(b);
}

static void count_pieces(size_t least, size_t most)
{
    struct net_weather weather = net_calm;
    weather.segment_min = least;
    weather.segment_max = most;
    most_pieces = 0;
    fewest_pieces = ~0u;
    net_run_seeds(&weather, pieces);
}

TEST(net_weather_segments, "")
{
    count_pieces(65536, 65536);
    EXPECT_EQ(most_pieces, 1);
    count_pieces(300, 300);
    EXPECT(most_pieces == 4 && fewest_pieces < 4); /* 300, 300, 300, 100, or some of them together */
    count_pieces(1, 50);
    EXPECT(most_pieces > 5);
}

enum { BYTES = 20 };
static unsigned arrivals;

static void count_arrivals(void *argument)
{
    char memory[BYTES];
    long got;
    while ((got = net_receive(argument, memory, sizeof(memory), 1 * S)) > 0) {
        net_say((uint64_t)got);
        arrivals++;
    }
    EXPECT_EQ(got, 0);
}

/* A byte every 10 us, each 30 us on its way: alone, unless it is held up. */
static void bytes_in_a_row(void)
{
    struct net_socket *a, *b;
    EXPECT(net_pair(&a, &b));
    net_set_nodelay(a, 1);
    net_fiber(count_arrivals, b);
    for (int i = 0; i < BYTES; i++) {
        EXPECT_EQ(net_send(a, "x", 1, 1 * S), 1);
        net_pause(10 * US);
    }
    EXPECT_EQ(net_shutdown(a), NET_OK);
    net_join();
    net_close(a);
    net_close(b);
}

TEST(net_weather_coalesces, "")
{
    struct net_weather weather = net_calm;
    weather.latency_min_ns = weather.latency_max_ns = 30 * US;
    net_run_seeds(&weather, bytes_in_a_row);
    unsigned without = arrivals;
    arrivals = 0;
    weather.coalesce_percent = 50;
    EXPECT(net_run_seeds(&weather, bytes_in_a_row) > SEEDS / 2);
    TEST_NOTE("%u arrivals instead of %u", arrivals, without);
    EXPECT(arrivals > SEEDS * 2 && arrivals < without * 9 / 10);
}

/* ---- fates ------------------------------------------------------------------------------------------------- */

enum { TRIES = 10 };
static unsigned outcomes[8];

/* Connects in a row; `traffic` says whether something else goes on meanwhile. */
static void fates(int traffic, int *results)
{
    struct transport_address at;
    struct net_socket *client, *server, *listener = net_server(0, "127.0.0.1", &at);
    char byte = 0;
    for (int i = 0; i < TRIES; i++) {
        results[i] = net_connect(0, &at, HOST_FOREVER, &client);
        outcomes[-results[i]]++;
        net_say((uint64_t)results[i]);
        if (results[i] != NET_OK)
            continue;
        EXPECT_EQ(net_accept(listener, 1 * S, &server), NET_OK);
        for (int k = 0; traffic && k < 1 + i; k++) {
            EXPECT_EQ(net_send(client, &byte, 1, 1 * S), 1);
            EXPECT_EQ(net_receive(server, &byte, 1, 1 * S), 1);
        }
        net_close(client);
        net_close(server);
    }
    net_close(listener);
}

static int quiet_fates[TRIES], busy_fates[TRIES];

static void fates_in_quiet(void)
{
    fates(0, quiet_fates);
}

static void fates_in_traffic(void)
{
    fates(1, busy_fates);
}

TEST(net_weather_refuses_and_swallows, "")
{
    struct net_weather weather = net_calm;
    weather.refuse_percent = 30;
    weather.black_hole_percent = 20;
    EXPECT(net_run_seeds(&weather, fates_in_quiet) > SEEDS / 2);
    unsigned all = SEEDS * TRIES * 2;
    EXPECT_EQ(outcomes[-NET_OK] + outcomes[-NET_REFUSED] + outcomes[-NET_TIMEOUT], all);
    EXPECT(outcomes[-NET_REFUSED] > all / 5 && outcomes[-NET_REFUSED] < all * 2 / 5);
    EXPECT(outcomes[-NET_TIMEOUT] > all / 10 && outcomes[-NET_TIMEOUT] < all / 4);
}

/* One connection's weather does not depend on another's traffic. */
TEST(net_weather_streams_are_apart, "")
{
    struct net_weather weather = net_calm;
    weather.refuse_percent = 30;
    weather.black_hole_percent = 20;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        net_run(&weather, seed, fates_in_quiet);
        net_run(&weather, seed, fates_in_traffic);
        EXPECT(memcmp(quiet_fates, busy_fates, sizeof(quiet_fates)) == 0);
    }
}

static uint64_t shortest_life, longest_life;

static void life_until(int wanted)
{
    struct net_socket *a, *b;
    char byte = 0;
    if (!net_pair(&a, &b)) { /* over already */
        shortest_life = 0;
        return;
    }
    uint64_t born = host_now();
    long got = 1;
    while (got == 1) {
        got = net_send(a, &byte, 1, 1 * S);
        if (got == 1)
            got = net_receive(b, &byte, 1, 200 * S);
        net_pause(20 * US);
    }
    EXPECT_EQ(got, wanted);
    uint64_t life = host_now() - born;
    shortest_life = life < shortest_life ? life : shortest_life;
    longest_life = life > longest_life ? life : longest_life;
    net_say(life);
    EXPECT_EQ(net_receive(a, &byte, 1, HOST_FOREVER), wanted);
    EXPECT_EQ(net_receive(b, &byte, 1, HOST_FOREVER), wanted);
    net_close(a);
    net_close(b);
}

static void life_until_a_reset(void)
{
    life_until(NET_RESET);
}

static void life_until_silence(void)
{
    life_until(NET_TIMEOUT);
}

TEST(net_weather_resets, "")
{
    struct net_weather weather = net_calm;
    weather.reset_percent = 100;
    shortest_life = HOST_FOREVER;
    EXPECT(net_run_seeds(&weather, life_until_a_reset) > SEEDS / 2);
    EXPECT(shortest_life < 100 * US && longest_life > 5 * MS);
}

TEST(net_weather_half_open, "")
{
    struct net_weather weather = net_calm;
    weather.half_open_percent = 100;
    shortest_life = HOST_FOREVER;
    EXPECT(net_run_seeds(&weather, life_until_silence) > SEEDS / 2);
    EXPECT(longest_life > 60 * S);
}

/* ---- everything at once ------------------------------------------------------------------------------------ */

static unsigned ended_well, ended_badly;

static void serve(void *argument)
{
    char memory[2000];
    struct net_socket *socket = argument;
    long got;
    while ((got = net_receive(socket, memory, sizeof(memory), 100 * S)) > 0)
        if (net_send(socket, memory, (size_t)got, 100 * S) != got)
            break;
    net_shutdown(socket);
    net_close(socket);
}

static void serve_all(void *argument)
{
    struct net_socket *listener = argument, *socket;
    while (net_accept(listener, 200 * S, &socket) == NET_OK)
        net_fiber(serve, socket);
    net_close(listener);
}

static struct transport_address rough_at;

static void call(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    char out[3000], in[3000];
    size_t length = 1 + (number * 997 + net_seed() * 31) % sizeof(out), done = 0;
    struct net_socket *socket;
    long got = 1;
    net_pattern(out, number, length);
    int result = net_connect(0, &rough_at, HOST_FOREVER, &socket);
    net_say((uint64_t)result);
    if (result == NET_OK) {
        if (net_send(socket, out, length, 100 * S) == (long)length && net_shutdown(socket) == NET_OK) {
            while (got > 0) {
                got = net_receive(socket, in + done, sizeof(in) - done, 100 * S);
                done += got > 0 ? (size_t)got : 0;
            }
            EXPECT(got == 0 || got == NET_RESET || got == NET_TIMEOUT);
            EXPECT(memcmp(in, out, done) == 0); /* whatever came is right */
            if (got == 0)
                EXPECT_EQ(done, length);
        } else
            got = -1;
        net_close(socket);
    }
    if (result == NET_OK && got == 0)
        ended_well++;
    else
        ended_badly++;
}

static void rough(void)
{
    net_fiber(serve_all, net_server(0, "127.0.0.1", &rough_at));
    for (uintptr_t i = 0; i < 20; i++)
        net_fiber(call, (void *)i);
    net_join();
    net_say(host_now());
}

TEST(net_weather_rough, "", TEST_TIMEOUT(120))
{
    EXPECT(net_run_seeds(&net_rough, rough) > SEEDS / 2);
    TEST_NOTE("%u connections went well, %u did not", ended_well, ended_badly);
    EXPECT(ended_well > ended_badly && ended_badly > 0);
}

/* The presets as they are told in net.h. */
TEST(net_weather_calm_is_calm, "")
{
    EXPECT_EQ(net_calm.refuse_percent + net_calm.black_hole_percent + net_calm.reset_percent +
                  net_calm.half_open_percent + net_calm.loss_percent + net_calm.duplicate_percent,
              0);
    EXPECT(net_rough.refuse_percent && net_rough.black_hole_percent && net_rough.reset_percent &&
           net_rough.half_open_percent && net_rough.loss_percent && net_rough.duplicate_percent &&
           net_rough.reorder_percent && net_rough.coalesce_percent && net_rough.fin_delay_max_ns &&
           net_rough.ack_delay_max_ns);
}
