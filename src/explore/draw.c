/*
 * draw.c - what a seed draws: modes, weather, the moment of the unload, and peers for a driver of which nothing is
 * known but the addresses it listens on.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_WORLD = 1000,
    STREAM_PEERS = 1001,
    STREAM_NETWORK_FAULTS = 1003,
    STREAM_PROVIDER = 1004, /* of its own: the rest of a seed stays as it is */
    MICROSECOND = 1000,
    MILLISECOND = 1000000
};

static uint64_t between(struct sim_rng *rng, uint64_t low, uint64_t high)
{
    return low + sim_rng_below(rng, high - low + 1);
}

static int chance(struct sim_rng *rng, unsigned percent)
{
    return sim_rng_below(rng, 100) < percent;
}

/* ---- the world ---------------------------------------------------------------------------------------- */

/* Not a fault: what any network may do. */
static void draw_weather(struct sim_rng *rng, struct net_weather *weather)
{
    *weather = net_calm;
    switch (sim_rng_below(rng, 4)) {
    case 0: /* as fast as it can be: what the drivers do is what takes time */
        weather->latency_min_ns = weather->latency_max_ns = MICROSECOND;
        break;
    case 1:
        weather->latency_max_ns = 2 * MILLISECOND;
        break;
    default:
        break;
    }
    switch (sim_rng_below(rng, 8)) {
    case 0:
        weather->segment_min = weather->segment_max = 1;
        break;
    case 1:
        weather->segment_min = 1;
        weather->segment_max = 16;
        break;
    default:
        break;
    }
    if (chance(rng, 25))
        weather->coalesce_percent = 30;
    if (chance(rng, 25))
        weather->fin_delay_max_ns = 3 * MILLISECOND;
    if (chance(rng, 25))
        weather->ack_delay_max_ns = 40 * MILLISECOND;
    if (chance(rng, 15))
        weather->send_buffer = weather->receive_buffer = between(rng, 64, 1024);
}

static void add_faults(struct sim_rng *rng, struct net_weather *weather)
{
    weather->refuse_percent = chance(rng, 25) ? net_rough.refuse_percent : 0;
    weather->black_hole_percent = chance(rng, 25) ? net_rough.black_hole_percent : 0;
    weather->reset_percent = chance(rng, 50) ? 30 : net_rough.reset_percent;
    weather->half_open_percent = chance(rng, 50) ? 20 : net_rough.half_open_percent;
    weather->loss_percent = net_rough.loss_percent;
    weather->duplicate_percent = net_rough.duplicate_percent;
    weather->reorder_percent = net_rough.reorder_percent;
}

static int choose(struct sim_rng *rng, int option, int scenario, unsigned values)
{
    int drawn = (int)sim_rng_below(rng, values); /* always: the rest of the seed does not depend on options */

    if (option != UWSK_FROM_SEED)
        return option;
    return scenario != UWSK_FROM_SEED ? scenario : drawn;
}

static void draw_provider(const struct uwsk_world *world, struct drawn *drawn)
{
    const struct provider_times *times = &world->scenario.provider;
    struct sim_rng rng;

    sim_rng_seed(&rng, world->options.seed, STREAM_PROVIDER);
    drawn->provider_delay_ns = between(&rng, times->delay_min_ns, times->delay_max_ns);
    drawn->provider_leave_ns = between(&rng, times->leave_min_ns, times->leave_max_ns);
}

void draw_world(const struct uwsk_world *world, struct drawn *drawn)
{
    const struct uwsk_world_options *options = &world->options;
    const struct scenario *scenario = &world->scenario;
    struct sim_rng rng;
    unsigned processors;

    sim_rng_seed(&rng, options->seed, STREAM_WORLD);
    memset(drawn, 0, sizeof *drawn);
    drawn->completion = choose(&rng, options->completion, scenario->completion, 3);
    drawn->deliver = choose(&rng, options->deliver, scenario->deliver, 3);
    drawn->send_complete = choose(&rng, options->send_complete, scenario->send_complete, 3);
    processors = (unsigned)between(&rng, 1, 3);
    drawn->processors = options->processors    ? options->processors
                        : scenario->processors ? scenario->processors
                                               : processors;
    draw_weather(&rng, &drawn->weather);
    if (scenario->has_weather)
        drawn->weather = scenario->weather;
    drawn->fair = drawn->weather;
    if (options->faults & UWSK_FAULTS_NETWORK)
        add_faults(&rng, &drawn->weather);
    if (chance(&rng, 30)) { /* some threads are slow */
        drawn->delay_one_in = (unsigned)between(&rng, 20, 200);
        drawn->delay_ns = between(&rng, 10 * MICROSECOND, 500 * MICROSECOND);
    }
    drawn->unload = chance(&rng, 40) ? UNLOAD_AFTER_PEERS : UNLOAD_AT;
    drawn->unload_ns = chance(&rng, 20) ? 0 : between(&rng, 1, 3 * MILLISECOND);
    if (scenario->unload != UNLOAD_DRAWN) {
        drawn->unload = scenario->unload;
        drawn->unload_ns = scenario->unload_ns;
    }
    draw_provider(world, drawn);
}

void draw_faults(const struct uwsk_world *world, struct net_weather *weather)
{
    struct sim_rng rng;

    *weather = world->drawn.weather;
    if (world->options.faults & UWSK_FAULTS_NETWORK)
        return; /* drawn already */
    sim_rng_seed(&rng, world->options.seed, STREAM_NETWORK_FAULTS);
    add_faults(&rng, weather);
}

/* ---- peers -------------------------------------------------------------------------------------------- */

/* "127.0.0.1" for what listens on any address. */
static void address_text(const struct transport_address *address, char *text, size_t bytes, uint16_t *port)
{
    const uint8_t *raw = address->bytes;

    *port = (uint16_t)(raw[2] << 8 | raw[3]);
    if (address->family == TRANSPORT_AF_INET) {
        if (raw[4] | raw[5] | raw[6] | raw[7])
            snprintf(text, bytes, "%u.%u.%u.%u", raw[4], raw[5], raw[6], raw[7]);
        else
            snprintf(text, bytes, "127.0.0.1");
        return;
    }
    if (memcmp(raw + 8, (const uint8_t[16]){0}, 16) == 0) {
        snprintf(text, bytes, "::1");
        return;
    }
    for (int i = 0, length = 0; i < 8; i++)
        length += snprintf(text + length, bytes - (size_t)length, "%s%x", i ? ":" : "",
                           raw[8 + 2 * i] << 8 | raw[9 + 2 * i]);
}

static uint64_t draw_size(struct sim_rng *rng)
{
    static const uint16_t sizes[] = {1, 1, 5, 16, 30, 100, 300, 1000};

    return sizes[sim_rng_below(rng, sizeof sizes / sizeof sizes[0])];
}

static void draw_talk(struct sim_rng *rng, struct peer_plan *plan)
{
    uint64_t rounds = sim_rng_below(rng, 4);

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t bytes = draw_size(rng);

        peer_plan_add(plan, PEER_SEND, bytes);
        if (chance(rng, 60))
            peer_plan_add(plan, PEER_RECEIVE, bytes);
        if (chance(rng, 25))
            peer_plan_add(plan, PEER_WAIT, between(rng, 1, MILLISECOND));
    }
}

static void draw_end(struct sim_rng *rng, struct peer_plan *plan)
{
    switch (sim_rng_below(rng, 7)) {
    case 0:
    case 1:
        peer_plan_add(plan, PEER_SHUTDOWN, 0);
        peer_plan_add(plan, PEER_DRAIN, 0);
        break;
    case 2:
        peer_plan_add(plan, PEER_CLOSE, 0); /* FIN, or RST when unread bytes are there */
        break;
    case 3:
        peer_plan_add(plan, PEER_RESET, 0);
        break;
    case 4:
        peer_plan_add(plan, PEER_SHUTDOWN, 0);
        peer_plan_add(plan, PEER_WAIT, between(rng, 1, MILLISECOND));
        peer_plan_add(plan, PEER_RESET, 0);
        break;
    default: /* stays, until the driver ends it */
        peer_plan_add(plan, PEER_PATIENCE, 20000ull * MILLISECOND);
        peer_plan_add(plan, PEER_DRAIN, 0);
        break;
    }
}

/* Nothing is known of what the driver answers, so nothing is expected. */
static void draw_datagrams(struct sim_rng *rng, struct peer_plan *plan)
{
    uint64_t rounds = between(rng, 1, 4);

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t count = chance(rng, 50) ? 1 : between(rng, 2, 20);
        struct peer_step *step;

        if (chance(rng, 15))
            peer_plan_add(plan, PEER_LOSE, sim_rng_below(rng, 101));
        step = peer_plan_add(plan, PEER_BURST, chance(rng, 5) ? 0 : draw_size(rng));
        if (step)
            step->count = count;
        if (chance(rng, 60))
            peer_plan_add(plan, PEER_RECEIVE, between(rng, 1, count));
        if (chance(rng, 25))
            peer_plan_add(plan, PEER_WAIT, between(rng, 1, MILLISECOND));
    }
    if (chance(rng, 70))
        peer_plan_add(plan, PEER_DRAIN, 0);
}

struct peer_plan *draw_peers(uint64_t seed, const struct target *target, size_t count, size_t *peers)
{
    struct peer_plan *plans;
    struct sim_rng rng;
    size_t wanted;

    *peers = 0;
    if (!count)
        return NULL;
    sim_rng_seed(&rng, seed, STREAM_PEERS);
    wanted = (size_t)between(&rng, 1, 3);
    plans = calloc(wanted, sizeof *plans);
    for (size_t i = 0; plans && i < wanted; i++) {
        struct peer_plan *plan = &plans[i];
        const struct target *at;
        struct peer_step *step;

        snprintf(plan->name, sizeof plan->name, "peer%u", (unsigned)i + 1);
        plan->at_ns = chance(&rng, 50) ? 0 : sim_rng_below(&rng, 2 * MILLISECOND);
        peer_plan_add(plan, PEER_PATIENCE, 2000ull * MILLISECOND);
        at = &target[sim_rng_below(&rng, count)];
        step = peer_plan_add(plan, at->datagram ? PEER_UDP : PEER_CONNECT, 0);
        if (step)
            address_text(&at->address, step->address, sizeof step->address, &step->port);
        peer_plan_add(plan, PEER_PATIENCE, between(&rng, 1, 20) * MILLISECOND);
        if (at->datagram) {
            draw_datagrams(&rng, plan);
        } else {
            draw_talk(&rng, plan);
            draw_end(&rng, plan);
        }
        ++*peers;
    }
    return plans;
}
