/*
 * test_net_close.c - how connections begin and end: the orders that docs/linux-facts.md measured, seen by peers.
 *
 * Strategy: each body runs under 200 seeds, each twice, in calm weather with small segments.
 */
#include "net_test.h"

static struct net_weather small(void)
{
    struct net_weather weather = net_calm;
    weather.segment_min = 1;
    weather.segment_max = 400;
    weather.send_buffer = 4000;
    weather.receive_buffer = 3000;
    return weather;
}

static void each_seed(void (*body)(void))
{
    struct net_weather weather = small();
    net_run_seeds(&weather, body);
}

static size_t drain(struct net_socket *socket, long *end)
{
    char memory[1000];
    size_t done = 0;
    while ((*end = net_receive(socket, memory, sizeof(memory), 300 * S)) > 0) {
        EXPECT_EQ(net_same(memory, done, (size_t)*end), (size_t)*end);
        done += (size_t)*end;
    }
    return done;
}

static void send_pattern(struct net_socket *socket, size_t bytes)
{
    static char memory[20000];
    net_pattern(memory, 0, bytes);
    EXPECT_EQ(net_send(socket, memory, bytes, 300 * S), (long)bytes);
}

/* ---- FIN --------------------------------------------------------------------------------------------------- */

static void half_close(void)
{
    struct net_socket *a, *b;
    long end;
    EXPECT(net_pair(&a, &b));
    send_pattern(a, 2500);
    EXPECT_EQ(net_shutdown(a), NET_OK);
    EXPECT_EQ(net_send_some(a, "x", 1), NET_RESET); /* not after our own FIN */
    EXPECT_EQ(drain(b, &end), 2500);
    EXPECT_EQ(end, 0);
    EXPECT_EQ(net_receive(b, &end, 1, 0), 0); /* again and again */
    send_pattern(b, 2000);
    EXPECT_EQ(net_shutdown(b), NET_OK);
    EXPECT_EQ(drain(a, &end), 2000);
    EXPECT_EQ(end, 0);
    net_close(a);
    net_close(b);
}

TEST(net_half_close, "")
{
    each_seed(half_close);
}

/* What was handed over goes before the FIN of a close, although nobody owns it any more. */
static void close_sends_the_rest(void)
{
    struct net_socket *a, *b;
    long end;
    EXPECT(net_pair(&a, &b));
    send_pattern(a, 6000); /* the receiver's buffer is full, and more than half of the sender's */
    net_close(a);
    net_pause(10 * MS);
    EXPECT_EQ(drain(b, &end), 6000);
    EXPECT_EQ(end, 0);
    net_close(b);
}

TEST(net_close_sends_the_rest, "")
{
    each_seed(close_sends_the_rest);
}

/* ---- RST --------------------------------------------------------------------------------------------------- */

static void reset_after_data(void)
{
    struct net_socket *a, *b;
    long end;
    EXPECT(net_pair(&a, &b));
    send_pattern(a, 1000);
    while (!net_is_quiet())
        net_pause(10 * US);
    net_reset(a);
    net_close(a);
    net_pause(10 * MS);
    EXPECT_EQ(net_send_some(b, "x", 1), NET_RESET);
    EXPECT_EQ(drain(b, &end), 1000); /* a receive first gives what came before */
    EXPECT_EQ(end, NET_RESET);
    EXPECT_EQ(net_shutdown(b), NET_RESET);
    net_close(b);
}

TEST(net_reset_after_data, "")
{
    each_seed(reset_after_data);
}

static void reset_drops_what_is_unsent(void)
{
    struct net_socket *a, *b;
    long end;
    EXPECT(net_pair(&a, &b));
    send_pattern(a, 6500);
    net_reset(a);
    net_close(a);
    size_t got = drain(b, &end);
    EXPECT_EQ(end, NET_RESET);
    EXPECT(got <= 3000); /* what the window let out */
    net_say(got);
    net_close(b);
}

TEST(net_reset_drops_what_is_unsent, "")
{
    each_seed(reset_drops_what_is_unsent);
}

static void close_with_unread_data(void)
{
    struct net_socket *a, *b;
    char byte;
    EXPECT(net_pair(&a, &b));
    send_pattern(a, 100);
    EXPECT_EQ(net_readable(b, 1 * S), NET_OK);
    net_close(b);
    EXPECT_EQ(net_receive(a, &byte, 1, 1 * S), NET_RESET);
    net_close(a);

    /* Read, then closed: a FIN; what comes later is answered by a reset. */
    EXPECT(net_pair(&a, &b));
    net_close(b);
    EXPECT_EQ(net_receive(a, &byte, 1, 1 * S), 0);
    EXPECT_EQ(net_send(a, "x", 1, 1 * S), 1);
    net_pause(10 * MS);
    EXPECT_EQ(net_send_some(a, "x", 1), NET_RESET);
    net_close(a);
}

TEST(net_close_with_unread_data, "")
{
    each_seed(close_with_unread_data);
}

/* ---- windows ----------------------------------------------------------------------------------------------- */

static void closed_window(void)
{
    static char memory[20000];
    struct net_socket *a, *b;
    size_t given = 0, got = 0;
    net_pattern(memory, 0, sizeof(memory));
    EXPECT(net_pair(&a, &b));
    for (int still = 0; still < 3; net_pause(10 * MS)) {
        long taken = net_send_some(a, memory + given, sizeof(memory) - given);
        EXPECT(taken >= 0);
        given += (size_t)taken;
        still = taken ? 0 : still + 1;
    }
    EXPECT_EQ(given, 7000); /* both buffers, to the byte */
    EXPECT_EQ(net_send(a, "x", 1, 1 * S), NET_TIMEOUT);
    while (got < given) {
        long part = net_receive(b, memory, 1 + net_seed() % 900, 1 * S);
        EXPECT(part > 0);
        EXPECT_EQ(net_same(memory, got, (size_t)part), (size_t)part);
        got += (size_t)part;
    }
    EXPECT_EQ(net_receive(b, memory, 1, 10 * MS), NET_TIMEOUT);
    EXPECT_EQ(net_send(a, "x", 1, 1 * S), 1);
    EXPECT_EQ(net_receive(b, memory, 1, 1 * S), 1);
    net_close(a);
    net_close(b);
}

TEST(net_closed_window, "")
{
    each_seed(closed_window);
}

/* A buffer of a few bytes works, too. */
static void tiny_window(void)
{
    struct net_socket *a, *b;
    char memory[3];
    EXPECT(net_pair(&a, &b));
    net_set_receive_buffer(b, 1);
    net_set_send_buffer(a, 2);
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(net_send(a, "ab", 2, 1 * S), 2);
        EXPECT_EQ(net_receive(b, memory, 1, 1 * S), 1);
        EXPECT_EQ(net_receive(b, memory, 1, 1 * S), 1);
    }
    net_close(a);
    net_close(b);
}

TEST(net_tiny_window, "")
{
    struct net_weather weather = small();
    weather.receive_buffer = 2;
    net_run_seeds(&weather, tiny_window);
}

/* ---- connecting -------------------------------------------------------------------------------------------- */

static void connects_that_fail(void)
{
    struct transport_address at;
    struct net_socket *socket;
    uint64_t before = host_now();
    EXPECT_EQ(net_closed_port(TRANSPORT_AF_INET, &at), 0);
    EXPECT_EQ(net_connect(0, &at, HOST_FOREVER, &socket), NET_REFUSED);
    EXPECT(host_now() - before < 1 * MS);

    EXPECT_EQ(net_black_hole(TRANSPORT_AF_INET6, &at), 0);
    before = host_now();
    EXPECT_EQ(net_connect(0, &at, 3 * S, &socket), NET_TIMEOUT); /* taken back */
    EXPECT((host_now() - before) / S == 3);
    before = host_now();
    EXPECT_EQ(net_connect(0, &at, HOST_FOREVER, &socket), NET_TIMEOUT); /* 1 + 2 + 4 ... + 64 s */
    EXPECT_EQ((host_now() - before) / S, 127);

    at = net_at("192.0.2.1", 80);
    EXPECT_EQ(net_connect(0, &at, HOST_FOREVER, &socket), NET_UNREACHABLE);
    at = net_at("10.200.0.1", 80); /* near, and nobody's */
    before = host_now();
    EXPECT_EQ(net_connect(0, &at, HOST_FOREVER, &socket), NET_UNREACHABLE);
    EXPECT_EQ((host_now() - before) / S, 3);
}

TEST(net_connects_that_fail, "")
{
    each_seed(connects_that_fail);
}

static void full_backlog(void)
{
    enum { CALLERS = 5 };
    struct net_socket *callers[CALLERS], *accepted;
    struct transport_address at = net_at("127.0.0.1", 0);
    struct net_socket *listener = net_listen(0, &at, 1);
    int connected = 0;
    net_address_of(listener, 0, &at);
    for (int i = 0; i < CALLERS; i++)
        EXPECT_EQ(net_connect_start(0, &at, &callers[i]), NET_OK);
    net_pause(50 * MS);
    for (int i = 0; i < CALLERS; i++)
        connected += net_connect_finish(callers[i], 0) == NET_OK;
    EXPECT_EQ(connected, 2); /* the backlog and one, as on Linux */
    net_pause(10 * S);
    for (int i = 0; i < CALLERS; i++) { /* the others try again when there is room */
        EXPECT_EQ(net_accept(listener, 60 * S, &accepted), NET_OK);
        net_close(accepted);
    }
    for (int i = 0; i < CALLERS; i++) {
        EXPECT_EQ(net_connect_finish(callers[i], 60 * S), NET_OK);
        net_close(callers[i]);
    }
    net_close(listener);
}

TEST(net_full_backlog, "")
{
    each_seed(full_backlog);
}

static void listener_closed(void)
{
    struct transport_address at;
    struct net_socket *client, *late, *listener = net_server(0, "127.0.0.1", &at);
    char byte;
    EXPECT_EQ(net_connect(0, &at, 1 * S, &client), NET_OK);
    EXPECT_EQ(net_send(client, "x", 1, 1 * S), 1);
    EXPECT_EQ(net_connect_start(0, &at, &late), NET_OK);
    if (net_seed() % 2)
        net_pause(net_seed() * 300);
    net_close(listener);
    EXPECT_EQ(net_receive(client, &byte, 1, 1 * S), NET_RESET);
    int result = net_connect_finish(late, 1 * S); /* before, after or in the middle of it */
    net_say((uint64_t)result);
    if (result == NET_OK)
        EXPECT_EQ(net_receive(late, &byte, 1, 1 * S), NET_RESET);
    else
        EXPECT(result == NET_REFUSED);
    net_close(client);
    net_close(late);
}

TEST(net_listener_closed, "")
{
    each_seed(listener_closed);
}

/* ---- silence ----------------------------------------------------------------------------------------------- */

static void silent_peer(void)
{
    struct net_socket *a, *b;
    char byte;
    EXPECT(net_pair(&a, &b));
    net_drop_incoming(b);
    EXPECT_EQ(net_send(b, "x", 1, 1 * S), 1); /* it still speaks */
    EXPECT_EQ(net_receive(a, &byte, 1, 1 * S), 1);
    uint64_t before = host_now();
    EXPECT_EQ(net_send(a, "x", 1, 1 * S), 1);
    EXPECT_EQ(net_receive(a, &byte, 1, 10 * S), NET_TIMEOUT);
    EXPECT_EQ(net_receive(a, &byte, 1, HOST_FOREVER), NET_TIMEOUT); /* given up */
    EXPECT(host_now() - before > 50 * S);
    EXPECT_EQ(net_receive(b, &byte, 1, 10 * S), NET_TIMEOUT);
    net_close(a);
    net_close(b);
}

TEST(net_silent_peer, "")
{
    each_seed(silent_peer);
}
