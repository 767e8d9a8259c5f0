#include "net_test.h"

struct said {
    uint64_t number, steps, hash;
};
static struct said now;
static uint64_t seed_now;
static void (*body_now)(void);
static const struct net_weather *weather_now;
static uint32_t running;

void net_say(uint64_t number)
{
    now.number = (now.number ^ number) * 0x9E3779B97F4A7C15u;
    now.number ^= now.number >> 29;
}

uint64_t net_seed(void)
{
    return seed_now;
}

static void first_fiber(void *argument)
{
    (void)argument;
    EXPECT_EQ(net_start(weather_now, seed_now), 0);
    body_now();
    EXPECT_EQ(net_open_count(), 0);
    net_stop();
}

static struct sim_result run(const struct net_weather *weather, const struct sim_plan *plan,
                             void (*body)(void))
{
    struct sim_result result;
    uint64_t seed = plan->seed;
    seed_now = seed;
    body_now = body;
    weather_now = weather;
    running = 0;
    memset(&now, 0, sizeof(now));
    EXPECT_EQ(sim_run(plan, first_fiber, NULL, NULL, &result), 0);
    sim_restore();
    if (result.end != SIM_DONE)
        uwsk_test_fail(__FILE__, __LINE__, "seed %llu ends as %d after %llu steps, %llu ms",
                       (unsigned long long)seed, result.end, (unsigned long long)result.steps,
                       (unsigned long long)(result.virtual_ns / MS));
    now.steps = result.steps;
    now.hash = result.hash;
    return result;
}

struct sim_result net_run(const struct net_weather *weather, uint64_t seed, void (*body)(void))
{
    struct sim_plan plan = {.seed = seed, .scheduler = SIM_RANDOM};
    return run(weather, &plan, body);
}

/* The schedule that a run has recorded, as a plan of its own. */
static void replay(const struct net_weather *weather, uint64_t seed, const struct sim_result *result,
                   void (*body)(void))
{
    size_t bytes = result->choice_count * sizeof(*result->choices);
    struct sim_choice *choices = malloc(bytes + 1);
    EXPECT(choices);
    memcpy(choices, result->choices, bytes);
    struct sim_plan plan = {
        .seed = seed, .scheduler = SIM_REPLAY, .choices = choices, .choice_count = result->choice_count};
    run(weather, &plan, body);
    free(choices);
}

unsigned net_run_seeds(const struct net_weather *weather, void (*body)(void))
{
    static uint64_t numbers[SEEDS_MOST];
    unsigned different = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_plan plan = {.seed = seed,
                                .scheduler = seed % 4 < 2 ? SIM_PCT : SIM_RANDOM,
                                .depth = 3,
                                .expected_steps = now.steps};
        struct sim_result result = run(weather, &plan, body);
        struct said once = now;
        if (seed % 2)
            replay(weather, seed, &result, body);
        else
            run(weather, &plan, body);
        if (once.number != now.number || once.steps != now.steps || once.hash != now.hash)
            uwsk_test_fail(__FILE__, __LINE__, "seed %llu is not the same twice: %llu and %llu steps",
                           (unsigned long long)seed, (unsigned long long)once.steps,
                           (unsigned long long)now.steps);
        bool is_new = true;
        for (unsigned i = 0; i < different; i++)
            is_new = is_new && numbers[i] != now.number;
        if (is_new)
            numbers[different++] = now.number;
    }
    return different;
}

/* ---- fibers ------------------------------------------------------------------------------------------------ */

struct start {
    void (*main)(void *argument);
    void *argument;
};

static void fiber_main(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    start.main(start.argument);
    running--;
    host_unpark(&running, 1);
}

void net_fiber(void (*main)(void *argument), void *argument)
{
    struct start *start = malloc(sizeof(*start));
    *start = (struct start){main, argument};
    running++;
    EXPECT_EQ(host_thread_start(fiber_main, start, "peer", 0), 0);
}

void net_join(void)
{
    uint32_t left;
    while ((left = running) != 0)
        host_park(&running, left, HOST_FOREVER);
}

void net_pause(uint64_t ns)
{
    static uint32_t never;
    uint64_t until = host_now() + ns;
    while (host_now() < until)
        host_park(&never, 0, until);
}

/* ---- peers ------------------------------------------------------------------------------------------------- */

struct transport_address net_at(const char *text, int port)
{
    struct transport_address address;
    EXPECT_EQ(net_address(text, (uint16_t)port, &address), 0);
    return address;
}

struct net_socket *net_server(int host, const char *text, struct transport_address *at)
{
    *at = net_at(text, 0);
    struct net_socket *listener = net_listen(host, at, 16);
    EXPECT(listener);
    net_address_of(listener, 0, at);
    return listener;
}

int net_pair(struct net_socket **client, struct net_socket **server)
{
    struct transport_address at;
    struct net_socket *listener = net_server(0, "127.0.0.1", &at);
    int result = net_connect(0, &at, 300 * S, client);
    if (result == NET_OK && net_accept(listener, 1 * S, server) != NET_OK) {
        net_close(*client); /* it was accepted by nobody: the weather got it in between */
        result = NET_RESET;
    }
    net_close(listener);
    return result == NET_OK;
}

void net_pattern(void *memory, size_t at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)memory)[i] = (unsigned char)((at + i) * 7 + (at + i) / 251);
}

size_t net_same(const void *memory, size_t at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (((const unsigned char *)memory)[i] != (unsigned char)((at + i) * 7 + (at + i) / 251))
            return i;
    return bytes;
}
