/*
 * test_world.c - the public API of the simulator (include/uwsk/sim.h), as a program outside uses it.
 */
#include <uwsk/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uwsk_test.h"

#define MILLISECOND 1000000ull

static const char echo_script[] = "unload after-peers\n"
                                  "peer first\n"
                                  " connect 127.0.0.1:5007\n"
                                  " send 300\n"
                                  " expect echo\n"
                                  " shutdown\n"
                                  " expect fin\n"
                                  "end\n";

static struct uwsk_world *world;
static struct uwsk_problem problem;

static const char *path(const char *folder, const char *name)
{
    static char text[2][1000];
    static int turn;

    turn ^= 1;
    snprintf(text[turn], sizeof text[turn], "%s/%s", getenv(folder) ? getenv(folder) : ".", name);
    return text[turn];
}

static void create(const struct uwsk_world_options *options)
{
    EXPECT_STATUS(uwsk_world_create(options, &world, &problem), 0);
}

static void create_echo(uint64_t seed, int trace)
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;

    options.seed = seed;
    options.trace = trace;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "echo/echo.so"), &problem), 0);
}

static struct uwsk_world_result run(void (*director)(struct uwsk_world *world, void *context), void *context)
{
    struct uwsk_world_result result;
    int32_t status = uwsk_world_run(world, director, context, &result, &problem);

    if (status)
        TEST_NOTE("%s", problem.text);
    EXPECT_STATUS(status, 0);
    return result;
}

static void expect_clean(const struct uwsk_world_result *result)
{
    if (result->kind)
        TEST_NOTE("%s: %s", result->kind, result->text);
    EXPECT(result->kind == NULL);
    EXPECT_STR(result->text, "");
}

/* ---- a run -------------------------------------------------------------------------------------------- */

TEST(world_script_against_echo, "")
{
    struct uwsk_world_result result;

    create_echo(1, 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", echo_script, &problem), 0);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        EXPECT(result.steps > 100);
        EXPECT(result.fibers > 5);
        EXPECT(result.choices > 0);
        EXPECT(result.virtual_ns > 0);
    }
    uwsk_world_destroy(world);
}

TEST(world_draws_peers_without_a_script, "")
{
    struct uwsk_world_result result;
    unsigned connected = 0;

    create_echo(1, 1);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        connected += uwsk_world_trace(world, NULL, NULL) > 20;
    }
    EXPECT(connected > 10);
    uwsk_world_destroy(world);
}

TEST(world_same_seed_same_run, "", TEST_TIMEOUT(240))
{
    uint64_t hash[40];
    unsigned different = 0;

    create_echo(1, 0);
    for (uint64_t seed = 0; seed < 40; seed++) {
        uwsk_world_reseed(world, seed + 1);
        hash[seed] = run(NULL, NULL).hash;
        different += seed > 0 && hash[seed] != hash[0];
    }
    EXPECT(different > 30);
    for (uint64_t seed = 40; seed-- > 0;) { /* in another order: no run sees another */
        uwsk_world_reseed(world, seed + 1);
        EXPECT_EQ(run(NULL, NULL).hash, hash[seed]);
    }
    uwsk_world_destroy(world);
}

TEST(world_trace_does_not_change_the_run, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    uint64_t plain;

    options.seed = 5;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "echo/echo.so"), &problem), 0);
    plain = run(NULL, NULL).hash;
    options.trace = 1;
    EXPECT_STATUS(uwsk_world_set(world, &options, &problem), 0);
    EXPECT_EQ(run(NULL, NULL).hash, plain);
    uwsk_world_destroy(world);
}

TEST(world_replays_a_schedule, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_switch *schedule;
    struct uwsk_world_result result;
    uint64_t hash;

    options.seed = 9;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "echo/echo.so"), &problem), 0);
    result = run(NULL, NULL);
    hash = result.hash;
    EXPECT(result.schedule_count > 0);
    schedule = malloc(result.schedule_count * sizeof *schedule);
    EXPECT(schedule != NULL);
    memcpy(schedule, result.schedule, result.schedule_count * sizeof *schedule);
    options.scheduler = UWSK_SCHEDULER_REPLAY;
    options.schedule = schedule;
    options.schedule_count = result.schedule_count;
    EXPECT_STATUS(uwsk_world_set(world, &options, &problem), 0);
    result = run(NULL, NULL);
    EXPECT_EQ(result.hash, hash);
    EXPECT_EQ(result.diverged, 0);
    schedule[0].fiber = 60; /* there is no such thread */
    EXPECT_STATUS(uwsk_world_set(world, &options, &problem), 0);
    EXPECT_EQ(run(NULL, NULL).diverged, 1);
    free(schedule);
    uwsk_world_destroy(world);
}

TEST(world_pct, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_world_result result;
    uint64_t first = 0, other = 0;

    options.scheduler = UWSK_SCHEDULER_PCT;
    options.expected_steps = 7000;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "echo/echo.so"), &problem), 0);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        first = seed == 1 ? result.hash : first;
        other += result.hash != first;
    }
    EXPECT(other > 15);
    uwsk_world_destroy(world);
}

/* ---- peers in C --------------------------------------------------------------------------------------- */

struct talk {
    int connected, came_back, ended;
    long received;
};

static void talker(struct uwsk_peer *peer, void *context)
{
    struct talk *talk = context;
    char data[8];

    uwsk_peer_patience(peer, 50 * MILLISECOND);
    talk->connected = uwsk_peer_connect(peer, "127.0.0.1", 5008) == 0;
    EXPECT_EQ(uwsk_peer_send_data(peer, "hello", 5), 0);
    uwsk_peer_expect_data(peer, "hello", 5);
    uwsk_peer_send(peer, 1000);
    uwsk_peer_expect_echo(peer);
    talk->came_back = 1;
    uwsk_peer_wait(peer, MILLISECOND);
    uwsk_peer_shutdown(peer);
    talk->received = uwsk_peer_receive(peer, data, sizeof data);
    talk->ended = talk->received == 0;
}

static void resetter(struct uwsk_peer *peer, void *context)
{
    (void)context;
    if (uwsk_peer_connect(peer, "::1", 5007) == 0)
        uwsk_peer_reset(peer);
    EXPECT_EQ(uwsk_peer_send(peer, 1), -1);
}

static void server(struct uwsk_peer *peer, void *context)
{
    uwsk_peer_patience(peer, 100 * MILLISECOND);
    EXPECT_EQ(uwsk_peer_host(peer, *(int *)context), 0);
    EXPECT_EQ(uwsk_peer_host(peer, 99), -1);
    EXPECT_EQ(uwsk_peer_listen(peer, "10.0.0.7", 80), 0);
    if (uwsk_peer_accept(peer) != 0)
        return;
    uwsk_peer_expect(peer, 10);
    uwsk_peer_expect_fin(peer);
}

static void guest(struct uwsk_peer *peer, void *context)
{
    (void)context;
    EXPECT_EQ(uwsk_peer_connect(peer, "10.0.0.7", 80), 0);
    uwsk_peer_send(peer, 10);
    uwsk_peer_close(peer);
}

TEST(world_peers_in_c, "")
{
    struct talk talk;
    struct uwsk_world_result result;
    int host;

    create_echo(1, 0);
    EXPECT_STATUS(uwsk_world_host(world, "10.0.0.7", &host, &problem), 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", "unload after-peers\n", &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "talker", 0, talker, &talk, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "resetter", 0, resetter, NULL, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "server", 0, server, &host, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "guest", MILLISECOND, guest, NULL, &problem), 0);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        memset(&talk, 0, sizeof talk);
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        EXPECT(talk.connected && talk.came_back && talk.ended);
    }
    uwsk_world_destroy(world);
}

static void drains(struct uwsk_peer *peer, void *context)
{
    long *drained = context;

    EXPECT_EQ(uwsk_peer_connect(peer, "127.0.0.1", 5007), 0);
    EXPECT_EQ(uwsk_peer_send(peer, 100), 0);
    EXPECT_EQ(uwsk_peer_shutdown(peer), 0);
    *drained = uwsk_peer_drain(peer);
}

static void waits_for_the_end(struct uwsk_peer *peer, void *context)
{
    (void)context;
    EXPECT_EQ(uwsk_peer_connect(peer, "127.0.0.1", 5007), 0);
    uwsk_peer_send(peer, 3);
    uwsk_peer_expect_echo(peer);
    uwsk_peer_shutdown(peer);
    uwsk_peer_expect_end(peer);
}

/* What comes back to it is not acknowledged: nobody hears of it any more. */
static void vanishes(struct uwsk_peer *peer, void *context)
{
    char data[8];

    (void)context;
    uwsk_peer_patience(peer, 10 * MILLISECOND);
    EXPECT_EQ(uwsk_peer_connect(peer, "127.0.0.1", 5007), 0);
    EXPECT_EQ(uwsk_peer_send(peer, 3), 0);
    uwsk_peer_vanish(peer);
    EXPECT_EQ(uwsk_peer_receive(peer, data, sizeof data), -1);
}

static void resets_its_guest(struct uwsk_peer *peer, void *context)
{
    EXPECT_EQ(uwsk_peer_host(peer, *(int *)context), 0);
    EXPECT_EQ(uwsk_peer_listen(peer, "10.0.0.7", 80), 0);
    EXPECT_EQ(uwsk_peer_accept(peer), 0);
    EXPECT_EQ(uwsk_peer_reset(peer), 0);
}

static void is_reset(struct uwsk_peer *peer, void *context)
{
    (void)context;
    EXPECT_EQ(uwsk_peer_connect(peer, "10.0.0.7", 80), 0);
    uwsk_peer_expect_rst(peer);
}

TEST(world_ends_of_peers_in_c, "")
{
    struct uwsk_world_result result;
    long drained;
    int host;

    create_echo(1, 0);
    EXPECT_STATUS(uwsk_world_host(world, "10.0.0.7", &host, &problem), 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", "unload after-peers\nweather calm\n", &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "drains", 0, drains, &drained, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "waits", 0, waits_for_the_end, NULL, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "vanishes", 0, vanishes, NULL, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "resets", 0, resets_its_guest, &host, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "is reset", MILLISECOND, is_reset, NULL, &problem), 0);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        drained = 0;
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        EXPECT_EQ(drained, 100);
    }
    uwsk_world_destroy(world);
}

TEST(world_expectation_that_fails, "")
{
    struct uwsk_world_result result;

    create_echo(1, 0);
    EXPECT_STATUS(
        uwsk_world_script(world, "wrong.scn",
                          "unload after-peers\npeer a\nconnect 127.0.0.1:5007\nsend 3\nexpect \"abc\"\nend\n",
                          &problem),
        0);
    result = run(NULL, NULL);
    EXPECT_STR(result.kind, "expectation");
    EXPECT(strstr(result.text, "wrong.scn:5: a expected byte 0") != NULL);
    uwsk_world_destroy(world);
}

/* ---- peers with UDP sockets --------------------------------------------------------------------------- */

static void create_with(const char *driver, const char *script)
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;

    create(&options);
    if (driver)
        EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", driver), &problem), 0);
    EXPECT_STATUS(uwsk_world_script(world, "udp.scn", script, &problem), 0);
}

struct post {
    int host;
    long long_one, empty, drained;
    int over;
};

/* Answers two with what they begin with, loses one, and says so often the same. */
static void post_office(struct uwsk_peer *peer, void *context)
{
    struct post *post = context;
    char data[4];

    EXPECT_EQ(uwsk_peer_host(peer, post->host), 0);
    EXPECT_EQ(uwsk_peer_udp_bind(peer, "10.0.0.1", 53), -1); /* another host's */
    EXPECT_EQ(uwsk_peer_udp_bind(peer, "10.0.0.7", 53), 0);
    EXPECT_EQ(uwsk_peer_send_data(peer, "x", 1), -1); /* to nobody yet */
    EXPECT_EQ(uwsk_peer_answer(peer, 0, "x", 1), -1);
    post->long_one = uwsk_peer_receive(peer, data, sizeof data);
    EXPECT(memcmp(data, "long", 4) == 0);
    EXPECT_EQ(uwsk_peer_answer(peer, 4, "er", 2), 0);
    post->empty = uwsk_peer_receive(peer, data, sizeof data);
    EXPECT_EQ(uwsk_peer_answer(peer, 4, NULL, 0), 0);
    uwsk_peer_expect(peer, 3);
    EXPECT_EQ(uwsk_peer_send_data(peer, "done", 4), 0);
    uwsk_peer_lose(peer, 100);
    uwsk_peer_patience(peer, 10 * MILLISECOND);
    EXPECT_EQ(uwsk_peer_receive(peer, data, sizeof data), -1);
    uwsk_peer_lose(peer, 0);
    EXPECT_EQ(uwsk_peer_send_data(peer, "again", 5), 0);
    post->drained = uwsk_peer_drain(peer);
    uwsk_peer_close(peer);
    EXPECT_EQ(uwsk_peer_receive(peer, data, sizeof data), -1);
    EXPECT_EQ(uwsk_peer_udp_bind(peer, "10.0.0.7", 53), 0); /* the port is free again */
}

static void posts(struct uwsk_peer *peer, void *context)
{
    struct post *post = context;

    EXPECT_EQ(uwsk_peer_udp(peer, "10.0.0.7", 53), 0);
    EXPECT_EQ(uwsk_peer_send_data(peer, "longer than four", 16), 0);
    uwsk_peer_expect_data(peer, "longer", 6);
    EXPECT_EQ(uwsk_peer_send_data(peer, "", 0), 0);
    uwsk_peer_patience(peer, MILLISECOND);
    uwsk_peer_expect_echo(peer); /* "longer than four" does not come back: of both only the empty one does */
    EXPECT(!"reached: that is an expectation which fails");
    post->over = 1;
}

static void posts_more(struct uwsk_peer *peer, void *context)
{
    struct post *post = context;

    EXPECT_EQ(uwsk_peer_udp(peer, "10.0.0.7", 53), 0);
    EXPECT_EQ(uwsk_peer_send_data(peer, "longer than four", 16), 0);
    uwsk_peer_expect_data(peer, "longer", 6);
    EXPECT_EQ(uwsk_peer_send_data(peer, "", 0), 0);
    uwsk_peer_expect_data(peer, "", 0);
    EXPECT_EQ(uwsk_peer_burst(peer, 2, 100), 0);
    EXPECT_EQ(uwsk_peer_send(peer, 9000), 0);
    EXPECT_EQ(uwsk_peer_send(peer, 65508), -1); /* longer than any */
    uwsk_peer_expect_data(peer, "done", 4);
    EXPECT_EQ(uwsk_peer_burst(peer, 3, 7), 0); /* lost */
    uwsk_peer_expect_data(peer, "again", 5);
    EXPECT_EQ(uwsk_peer_burst(peer, 3, 7), 0);
    uwsk_peer_patience(peer, MILLISECOND);
    uwsk_peer_expect_intact(peer);
    post->over = 1;
}

TEST(world_udp_peers_in_c, "")
{
    struct post post;

    create_with(NULL, "unload after-peers\nweather calm\n");
    EXPECT_STATUS(uwsk_world_host(world, "10.0.0.7", &post.host, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "office", 0, post_office, &post, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "posts", MILLISECOND, posts_more, &post, &problem), 0);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct uwsk_world_result result;

        post.over = 0;
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        EXPECT_EQ(post.over, 1);
        EXPECT_EQ(post.long_one, 16);
        EXPECT_EQ(post.empty, 0);
        EXPECT_EQ(post.drained, 21);
    }
    uwsk_world_destroy(world);
}

TEST(world_udp_drops_are_missed, "")
{
    struct uwsk_world_result result;
    struct post post = {0};

    create_with(NULL, "unload after-peers\nweather calm\n");
    EXPECT_STATUS(uwsk_world_host(world, "10.0.0.7", &post.host, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "office", 0, post_office, &post, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "posts", MILLISECOND, posts, &post, &problem), 0);
    result = run(NULL, NULL);
    EXPECT_STR(result.kind, "expectation");
    EXPECT_STR(result.text, "posts expected 2 datagrams back; after 1 came nothing in time\n");
    uwsk_world_destroy(world);
}

/* What a peer says that is sent a text, and what it does not take for an echo. */
static const struct {
    const char *office, *posts, *text;
} letters[] = {
    {"answer 99", "expect echo", NULL},
    {"answer 99", "expect intact", NULL},
    {"wait 1ms", "expect intact", NULL},
    {"answer 99\nanswer 99", "expect intact",
     "expected each datagram back once, there came one of 5 bytes again"},
    {"answer 4", "expect intact", "expected its own datagrams back, there came another one, of 4 bytes"},
    {"answer 4 \"x\"", "expect echo", "expected its own datagrams back, there came another one, of 5 bytes"},
    {"answer 99 \"x\"", "expect \"hello\"",
     "expected a datagram of 5 bytes, there came another one, of 6 bytes"},
    {"wait 1ms", "expect \"hello\"", "expected a datagram of 5 bytes, there came nothing in time"},
    {"send \"1\"\nburst 1 1", "expect 3", "expected 3 datagrams; after 2 came nothing in time"},
    {"wait 1ms", "expect fin", "expected FIN, but has a UDP socket"},
    {"wait 1ms", "udp-bind 10.0.0.7:53",
     "expected a UDP socket at 10.0.0.7:53, which is in use or not its host's"},
};

TEST(world_udp_scripts, "")
{
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        struct uwsk_world_result result;
        char script[500], text[200];

        snprintf(script, sizeof script,
                 "unload after-peers\nhost 10.0.0.7\nweather calm\npeer office from 10.0.0.7\nudp-bind "
                 "10.0.0.7:53\n"
                 "receive 1\n%s\nend\npeer posts at 1ms\nudp 10.0.0.7:53\nsend \"hello\"\n%s\nend\n",
                 letters[i].office, letters[i].posts);
        create_with(NULL, script);
        result = run(NULL, NULL);
        snprintf(text, sizeof text, "udp.scn:%d: posts %s\n", strchr(letters[i].office, '\n') ? 13 : 12,
                 letters[i].text ? letters[i].text : "");
        EXPECT_STR(result.text, letters[i].text ? text : "");
        uwsk_world_destroy(world);
    }
}

/* All comes back where nothing is lost; where much is, nothing but what was sent. */
TEST(world_udp_script_against_udp_echo, "")
{
    static const char
        fair[] = "weather calm\nunload after-peers\npeer a times 2\nudp 127.0.0.1:5021\nburst 20 100\n"
                 "burst 1 0\nsend 9000\nexpect echo\nsend \"hello\"\nexpect \"hello\"\nend\n",
        foul[] = "weather rough\nweather loss 30%\nunload after-peers\npeer a times 2\nudp [::1]:5021\n"
                 "patience 100ms\nburst 20 100\nexpect intact\nlose 50%\nburst 20 50\nexpect intact\n"
                 "burst 5 1\nvanish\nwait 1ms\nend\n";

    for (int is_foul = 0; is_foul <= 1; is_foul++) {
        create_with("udp-echo/udp-echo.so", is_foul ? foul : fair);
        for (uint64_t seed = 1; seed <= 30; seed++) {
            struct uwsk_world_result result;

            uwsk_world_reseed(world, seed);
            result = run(NULL, NULL);
            expect_clean(&result);
        }
        uwsk_world_destroy(world);
    }
}

static void is_told(void *context, const struct uwsk_event *event)
{
    unsigned *told = context;

    told[0] += strstr(event->text, "WskReceiveFromEvent begins") != NULL;
    told[1] += strstr(event->text, "receives a datagram of ") != NULL;
}

/* Without a scenario its datagram sockets get peers. */
TEST(world_draws_udp_peers, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    unsigned told[2] = {0, 0};

    options.trace = 1;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "udp-echo/udp-echo.so"), &problem), 0);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct uwsk_world_result result;

        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        uwsk_world_trace(world, is_told, told);
    }
    EXPECT(told[0] > 20);
    EXPECT(told[1] > 20);
    uwsk_world_destroy(world);
}

/* A DNS server as a script: it loses the first query, answers the second with nonsense and then with two addresses. */
static const char dns_script[] =
    "weather calm\nhost 10.0.0.7\nunload after-peers\n"
    "registry Server=sz:10.0.0.7\nregistry Name=sz:two.test\n"
    "peer server from 10.0.0.7\n udp-bind 10.0.0.7:53\n receive 1\n receive 1\n answer 12\n"
    " answer 2 \"\\x81\\x80\\0\\x01\\0\\x02\\0\\0\\0\\0\\x03two\\x04test\\0\\0\\x01\\0\\x01"
    "\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\x3c\\0\\x04\\x0a\\x01\\x02\\x03"
    "\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\x3c\\0\\x04\\x0a\\x01\\x02\\xff\"\n"
    " wait 100ms\nend\n";

static void on_print(void *context, const struct uwsk_line *line)
{
    unsigned *printed = context;

    printed[0] += strstr(line->text, "no answer to query 1") != NULL;
    printed[1] += strstr(line->text, "two.test has address 10.1.2.") != NULL;
    printed[2] += strstr(line->text, "two.test: 0x00000000") != NULL;
}

TEST(world_udp_script_against_dns_query, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    unsigned printed[3] = {0, 0, 0};

    options.print = on_print;
    options.context = printed;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "dns-query/dns-query.so"), &problem), 0);
    EXPECT_STATUS(uwsk_world_script(world, "dns.scn", dns_script, &problem), 0);
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct uwsk_world_result result;

        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
        EXPECT_EQ(printed[0], seed);
        EXPECT_EQ(printed[1], 2 * seed);
        EXPECT_EQ(printed[2], seed);
    }
    uwsk_world_destroy(world);
}

/* ---- the proxy between two peers ------------------------------------------------------------------------ */

/* What the target and the client do, once they are connected through drivers/proxy. */
static const struct {
    const char *target, *client;
} ends[] = {
    {"expect 300\nexpect fin\nsend 200\nshutdown\nwait 50ms", "send 300\nshutdown\nexpect 200\nexpect fin"},
    {"send 200\nshutdown\nexpect 300\nexpect fin", "expect 200\nexpect fin\nsend 300\nshutdown\nwait 50ms"},
    {"send 200\nshutdown\nexpect 300\nexpect fin", "send 300\nshutdown\nexpect 200\nexpect fin"},
    {"expect 10\nexpect rst", "send 10\nwait 20ms\nreset"},
    {"expect 10\nreset", "send 10\nexpect rst"},
    {"expect 10\nexpect fin\nsend 5\nwait 20ms\ndrain", "send 10\nshutdown\nexpect 5\nreset"},
    {"expect 10\nshutdown\nwait 20ms\nreset", "send 10\nexpect fin\nwait 50ms\ndrain"},
    {"expect 10\nreset", "send 10\nwait 20ms\nreset"},
    {"expect 10\nexpect fin\nwait 300s\nsend 5\nwait 100s\nsend 6\nshutdown\nwait 50ms",
     "patience 500s\nsend 10\nshutdown\nexpect 5\nexpect 6\nexpect fin"},
    {NULL, "send 10\nexpect rst"}, /* nobody there */
    {NULL, "shutdown\nexpect rst"},
};

/* In each order of their ends, whatever the seed draws; and with the unload somewhere in the middle. */
TEST(world_proxy_in_every_order, "", TEST_TIMEOUT(240))
{
    for (size_t i = 0; i < 2 * sizeof ends / sizeof ends[0]; i++) {
        const char *target = ends[i / 2].target;
        char script[600];

        snprintf(script, sizeof script, "%s%s%s%speer client at 100us\nconnect 127.0.0.1:5031\n%s\nend\n",
                 i % 2 ? "" : "unload after-peers\n",
                 target ? "peer target\nlisten 127.0.0.1:5032\naccept\n" : "", target ? target : "",
                 target ? "\nend\n" : "", ends[i / 2].client);
        create_with("proxy/proxy.so", script);
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct uwsk_world_result result;

            uwsk_world_reseed(world, seed);
            result = run(NULL, NULL);
            expect_clean(&result);
        }
        uwsk_world_destroy(world);
    }
}

/* ---- the director ------------------------------------------------------------------------------------- */

static void directs(struct uwsk_world *directed, void *context)
{
    uint64_t *seen = context, before;

    EXPECT(directed == world);
    EXPECT_EQ(uwsk_world_load(directed), 0);
    before = uwsk_world_now(directed);
    uwsk_world_wait(directed, 3 * MILLISECOND);
    EXPECT(uwsk_world_now(directed) >= before + 3 * MILLISECOND);
    EXPECT_EQ(uwsk_world_start_peers(directed), 0);
    uwsk_world_step(directed, 10);
    EXPECT_EQ(uwsk_world_check(directed), 0);
    EXPECT_EQ(uwsk_world_wait_peers(directed), 0);
    uwsk_world_run_until_quiet(directed, 100 * MILLISECOND);
    seen[0] = uwsk_world_now(directed);
    EXPECT_EQ(uwsk_world_unload(directed), 0);
    seen[1] = 1;
}

static void fails(struct uwsk_world *directed, void *context)
{
    (void)context;
    uwsk_world_load(directed);
    uwsk_world_fail(directed, "my-own", "because I say so");
    EXPECT(!"reached");
}

static void does_nothing(struct uwsk_world *directed, void *context)
{
    (void)directed, (void)context;
}

TEST(world_director, "")
{
    struct uwsk_world_result result;
    uint64_t seen[2] = {0, 0};

    create_echo(3, 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", echo_script, &problem), 0);
    result = run(directs, seen);
    expect_clean(&result);
    EXPECT(seen[0] > 0 && seen[1] == 1);
    result = run(fails, NULL);
    EXPECT_STR(result.kind, "my-own");
    EXPECT_STR(result.text, "because I say so\n");
    result = run(does_nothing, NULL);
    expect_clean(&result);
    uwsk_world_destroy(world);
}

/* ---- faults ------------------------------------------------------------------------------------------- */

TEST(world_faults, "", TEST_TIMEOUT(240))
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_world_result result;
    uint64_t points;

    options.faults = UWSK_FAULTS_ALL;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_DRIVERS", "echo/echo.so"), &problem), 0);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
    }
    options.faults = UWSK_FAULTS_NONE;
    EXPECT_STATUS(uwsk_world_set(world, &options, &problem), 0);
    points = run(NULL, NULL).fault_points;
    EXPECT(points > 5);
    for (options.fail_at = 1; options.fail_at <= points; options.fail_at++)
        for (options.fail_onwards = 0; options.fail_onwards <= 1; options.fail_onwards++) {
            EXPECT_STATUS(uwsk_world_set(world, &options, &problem), 0);
            result = run(NULL, NULL);
            expect_clean(&result);
        }
    uwsk_world_destroy(world);
}

/* A guest of echo that says how it fared; and one that takes nothing but the right answer. */
static void tries(struct uwsk_peer *peer, void *context)
{
    unsigned *fared = context;
    char data[4];

    uwsk_peer_patience(peer, 50 * MILLISECOND);
    fared[0]++;
    if (uwsk_peer_connect(peer, "127.0.0.1", 5007) == 0 && uwsk_peer_send(peer, 4) == 0 &&
        uwsk_peer_receive(peer, data, sizeof data) > 0)
        fared[1]++;
}

static void insists(struct uwsk_peer *peer, void *context)
{
    (void)context;
    EXPECT_EQ(uwsk_peer_connect(peer, "127.0.0.1", 5007), 0);
    uwsk_peer_send(peer, 100);
    uwsk_peer_expect_echo(peer);
}

/* A listener that has found no memory for a connection tries again when a socket is given back: there is one. */
static void stays(struct uwsk_peer *peer, void *context)
{
    insists(peer, context);
    uwsk_peer_wait(peer, 500 * MILLISECOND);
}

static void insists_in_vain(struct uwsk_peer *peer, void *context)
{
    (void)context;
    uwsk_peer_patience(peer, MILLISECOND);
    uwsk_peer_connect(peer, "127.0.0.1", 5007);
    uwsk_peer_expect(peer, 1);
}

struct weather_plan {
    int faults;
    uint64_t from, to; /* virtual time after the load */
};

static void faults_for_a_while(struct uwsk_world *directed, void *context)
{
    const struct weather_plan *plan = context;

    EXPECT_EQ(uwsk_world_load(directed), 0);
    EXPECT_EQ(uwsk_world_start_peers(directed), 0);
    uwsk_world_wait(directed, plan->from);
    uwsk_world_faults(directed, plan->faults);
    uwsk_world_wait(directed, plan->to - plan->from);
    uwsk_world_faults(directed, UWSK_FAULTS_NONE);
    uwsk_world_wait_peers(directed);
}

/* The director turns faults on and off: of each kind some guests meet some, and none of those who come before or
 * after. */
TEST(world_faults_for_a_while, "", TEST_TIMEOUT(240))
{
    static const int kinds[] = {UWSK_FAULTS_NETWORK, UWSK_FAULTS_MEMORY, UWSK_FAULTS_ALL};
    struct weather_plan plan = {0, 200 * MILLISECOND, 400 * MILLISECOND};
    struct uwsk_world_result result;
    unsigned fared[3][2];

    create_echo(1, 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", "unload after-peers\nweather calm\n", &problem), 0);
    for (uint64_t i = 0; i < 4; i++) {
        EXPECT_STATUS(uwsk_world_peer(world, "before", i * MILLISECOND, tries, fared[0], &problem), 0);
        EXPECT_STATUS(uwsk_world_peer(world, "during", (210 + i) * MILLISECOND, tries, fared[1], &problem),
                      0);
        EXPECT_STATUS(uwsk_world_peer(world, "after", (600 + i) * MILLISECOND, tries, fared[2], &problem), 0);
    }
    EXPECT_STATUS(uwsk_world_peer(world, "stays", 0, stays, NULL, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "insists", 600 * MILLISECOND, insists, NULL, &problem), 0);
    EXPECT_STATUS(uwsk_world_peer(world, "in vain", 220 * MILLISECOND, insists_in_vain, NULL, &problem), 0);
    for (size_t kind = 0; kind < 3; kind++) {
        memset(fared, 0, sizeof fared);
        plan.faults = kinds[kind];
        for (uint64_t seed = 1; seed <= 25; seed++) {
            uwsk_world_reseed(world, seed);
            result = run(faults_for_a_while, &plan);
            expect_clean(&result);
        }
        TEST_NOTE("faults %d: %u of %u, %u of %u, %u of %u", plan.faults, fared[0][1], fared[0][0],
                  fared[1][1], fared[1][0], fared[2][1], fared[2][0]);
        EXPECT_EQ(fared[0][0], 100);
        EXPECT_EQ(fared[0][1], 100);
        EXPECT_EQ(fared[1][0], 100);
        EXPECT(fared[1][1] < 100);
        EXPECT_EQ(fared[2][0], 100);
        EXPECT_EQ(fared[2][1], 100);
    }
    uwsk_world_destroy(world);
}

/* ---- what is found ------------------------------------------------------------------------------------ */

static const char closers_script[] = "unload at 200us\n"
                                     "weather latency 10us 20us\n"
                                     "peer\n"
                                     " connect 127.0.0.1:7100\n"
                                     " wait 80us\n"
                                     "end\n";

static void contains(void *context, const struct uwsk_event *event)
{
    int *found = context;

    found[0] |= strstr(event->text, "!! ") != NULL;
    found[1] |= strstr(event->text, "WskCloseSocket on socket") != NULL;
    EXPECT(event->name != NULL);
}

TEST(world_finds_a_planted_bug, "", TEST_TIMEOUT(240))
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_world_result result = {0};
    char kind[96];
    uint64_t hash;
    int found[2] = {0, 0};

    options.trace = 1;
    create(&options);
    EXPECT_STATUS(uwsk_world_driver(world, path("UWSK_EXPLORE_DRIVERS", "explore_closers.so"), &problem), 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", closers_script, &problem), 0);
    for (options.seed = 1; options.seed <= 5000 && !result.kind; options.seed++) {
        uwsk_world_reseed(world, options.seed);
        result = run(NULL, NULL);
    }
    EXPECT(result.kind != NULL);
    EXPECT(result.step > 0);
    EXPECT(*result.text != 0);
    snprintf(kind, sizeof kind, "%s", result.kind);
    hash = result.hash;
    EXPECT(uwsk_world_trace(world, contains, found) > 10);
    EXPECT(found[0] && found[1]);
    result = run(NULL, NULL); /* the world is as good as new */
    EXPECT_STR(result.kind, kind);
    EXPECT_EQ(result.hash, hash);
    uwsk_world_destroy(world);
}

TEST(world_finds_nothing_without_it, "", TEST_TIMEOUT(240))
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    struct uwsk_world_result result;

    create(&options);
    EXPECT_STATUS(
        uwsk_world_driver(world, path("UWSK_EXPLORE_DRIVERS", "explore_closers_fixed.so"), &problem), 0);
    EXPECT_STATUS(uwsk_world_script(world, "inline", closers_script, &problem), 0);
    for (uint64_t seed = 1; seed <= 400; seed++) {
        uwsk_world_reseed(world, seed);
        result = run(NULL, NULL);
        expect_clean(&result);
    }
    uwsk_world_destroy(world);
}

/* ---- bad input ---------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *error;
} wrong[] = {
    {"pear\n",
     "bad:1: expected peer, host, weather, unload, provider, registry, completion, deliver, send-complete or "
     "processors, found \"pear\""},
    {"\n# nothing\ncompletion later\n",
     "bad:3: expected natural, always-pend or inline-when-possible, found \"later\""},
    {"processors 65\n", "bad:1: expected a number of processors (1 to 64), found \"65\""},
    {"processors\n", "bad:1: expected a number of processors (1 to 64), found \"the end of the line\""},
    {"weather foggy\n", "bad:1: expected calm, rough, latency,"},
    {"weather latency 10us\n", "bad:1: expected a time such as 5ms (ns, us, ms, s), found"},
    {"weather latency 10us 5us\n", "bad:1: expected the smaller time first"},
    {"weather reset 101%\n", "bad:1: expected a percentage (0 to 100), found \"101%\""},
    {"unload soon\n", "bad:1: expected \"after-peers\" or \"at TIME\", found \"soon\""},
    {"unload at 5\n", "bad:1: expected a time such as 5ms (ns, us, ms, s), found \"5\""},
    {"host nowhere\n", "bad:1: expected an address such as 10.0.0.7 or fd00::7, found \"nowhere\""},
    {"registry Port\n", "bad:1: expected a value such as Port=dword:5007, found \"Port\""},
    {"peer from 10.9.9.9\nend\n",
     "bad:1: expected the address of a host that a line \"host ADDRESS\" has named"},
    {"peer a b\n", "bad:1: expected \"at TIME\", \"from ADDRESS\" or \"times N\", found \"b\""},
    {"peer\nconnect 5007\nend\n",
     "bad:2: expected an address such as 127.0.0.1:5007 or [::1]:5007, found \"5007\""},
    {"peer\nconnect 127.0.0.1:99999\nend\n", "bad:2: expected an address such as"},
    {"peer\nsend\nend\n", "bad:2: expected a number of bytes or a string"},
    {"peer\nsend \"abc\nend\n", "bad:2: expected a quotation mark at the end of the string"},
    {"peer\nsend \"a\\q\"\nend\n",
     "bad:2: expected \\n, \\r, \\t, \\0, \\\\, \\\" or \\xNN after the backslash"},
    {"peer\nexpect nothing\nend\n", "bad:2: expected a number, a string, echo, intact, fin, rst or end"},
    {"peer\njump\nend\n", "bad:2: expected connect, listen, accept, udp, udp-bind, send,"},
    {"peer\nclose now\nend\n", "bad:2: expected nothing after \"close\", found \"now\""},
    {"peer\nclose\n", "bad:3: expected \"end\" of the peer that begins in line 1"},
    {"peer\nburst 1 1\nend\n", "bad:2: expected udp or udp-bind before \"burst\""},
    {"peer\nudp [::1]:9\nconnect [::1]:9\nexpect intact\nend\n",
     "bad:4: expected udp or udp-bind before \"expect\""},
    {"peer\nudp [::1]:9\nburst 0 1\nend\n", "bad:3: expected how many datagrams (1 to 1000), found \"0\""},
    {"peer\nudp [::1]:9\nburst 1\nend\n", "bad:3: expected a number of bytes (0 to 65507), found \"the end"},
    {"peer\nudp-bind [::1]:9\nanswer 1 x\nend\n", "bad:3: expected a string in quotation marks, found \"x\""},
    {"peer\nudp-bind [::1]:9\nlose 101\nend\n", "bad:3: expected a percentage (0 to 100), found \"101\""},
    {"deliver mixed mixed\n", "bad:1: expected nothing after \"mixed\", found \"mixed\""},
};

TEST(world_scenario_errors, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        create(&options);
        EXPECT_EQ((unsigned)uwsk_world_script(world, "bad", wrong[i].text, &problem), 0xC000000Du);
        if (strncmp(problem.text, wrong[i].error, strlen(wrong[i].error)) != 0)
            TEST_NOTE("\"%s\" is told as \"%s\"", wrong[i].text, problem.text);
        EXPECT(strncmp(problem.text, wrong[i].error, strlen(wrong[i].error)) == 0);
        uwsk_world_destroy(world);
    }
}

TEST(world_scenario_with_everything, "")
{
    static const char text[] =
        "# all that a scenario can say\n"
        "processors 2\ncompletion inline-when-possible\ndeliver mixed\nsend-complete acked\n"
        "weather rough\nweather calm\nweather latency 10us 1ms\nweather ack-delay 1ms\n"
        "weather fin-delay 1ms\nweather segment 1 16\nweather coalesce 10%\n"
        "weather refuse 0\nweather black-hole 0\nweather reset 0%\nweather half-open 0%\n"
        "weather loss 1\nweather duplicate 1\nweather reorder 1\nweather send-buffer 4096\n"
        "weather receive-buffer 4096\n"
        "registry Unused=dword:1\nhost 10.0.0.7\nhost fd00::7\nunload after-peers\n"
        "peer a at 1ms from 10.0.0.7 times 2\n"
        "  patience 100ms\n  connect 127.0.0.1:5007   # from 10.0.0.7? loopback is host 0's\n"
        "end\n";
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;

    create(&options);
    EXPECT_STATUS(uwsk_world_script(world, "all", text, &problem), 0);
    uwsk_world_destroy(world);
}

TEST(world_bad_input, "")
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    int host;

    options.scheduler = 77;
    EXPECT_EQ((unsigned)uwsk_world_create(&options, &world, &problem), 0xC000000Du);
    options.scheduler = UWSK_SCHEDULER_PCT;
    options.depth = 0;
    EXPECT_EQ((unsigned)uwsk_world_create(&options, &world, &problem), 0xC000000Du);
    options.depth = 66;
    EXPECT_EQ((unsigned)uwsk_world_create(&options, &world, &problem), 0xC000000Du);
    EXPECT_STR(problem.text, "a depth that is not from 1 to 65");
    options.depth = 65;
    create(&options);
    uwsk_world_destroy(world);
    options.scheduler = UWSK_SCHEDULER_RANDOM;
    options.size = 8;
    EXPECT_EQ((unsigned)uwsk_world_create(&options, &world, NULL), 0xC000000Du);
    options.size = sizeof options;
    create(&options);
    EXPECT_EQ((unsigned)uwsk_world_driver(world, "/nowhere/driver.so", &problem), 0xC0000034u);
    EXPECT(strstr(problem.text, "/nowhere/driver.so") != NULL);
    EXPECT_EQ((unsigned)uwsk_world_scenario(world, "/nowhere/file", &problem), 0xC0000034u);
    EXPECT_EQ((unsigned)uwsk_world_host(world, "none", &host, &problem), 0xC000000Du);
    EXPECT_EQ((unsigned)uwsk_world_registry(world, "none", &problem), 0xC000000Du);
    uwsk_world_destroy(world);
    uwsk_world_destroy(NULL);
}
