/*
 * faults.c - calls that are made to fail: now and then, from the seed, or one chosen point (the sweep).
 *
 * Only what drivers and the runtime do for them fails; the first fiber, which plays the part of `uwsk run`, is
 * spared.
 */
#include "explore/explore.h"
#include "explore/world.h"

#include "host/host.h"

enum { STREAM_FAULTS = 1002 };
/* Nothing fails for ever: after so many failures, and so long into the load or the unload, everything works again,
 * and then the run has to come to its end. */
#define HEALS_AFTER 500
#define HEALS_NS    1000000000ull

static int fails(struct uwsk_world *world, uint64_t point)
{
    static const unsigned rates[] = {10, 30, 100, 300};
    const struct uwsk_world_options *options = &world->options;

    if (world->faults_made >= HEALS_AFTER)
        return 0;
    if (world->phase != WORLD_RUNNING && host_now() - world->phase_since > HEALS_NS)
        return 0;
    if (options->fail_at)
        return point == options->fail_at || (options->fail_onwards && point > options->fail_at);
    if (!(world->faults & UWSK_FAULTS_MEMORY))
        return 0;
    if (!world->fault_one_in)
        world->fault_one_in = rates[sim_rng_below(&world->fault_rng, sizeof rates / sizeof rates[0])];
    return sim_rng_below(&world->fault_rng, world->fault_one_in) == 0;
}

static int plan(void *context, int kind)
{
    struct uwsk_world *world = context;
    int failed;

    (void)kind;
    if (!sim_running() || sim_fiber() == world->main_fiber || world->phase > WORLD_UNLOADING)
        return 0;
    failed = fails(world, ++world->fault_points);
    world->faults_made += (unsigned)failed;
    return failed;
}

int faults_since(const struct uwsk_world *world, uint64_t ns)
{
    return world->options.fail_at || world->faulty_until > ns;
}

static void set_faults(struct uwsk_world *world, int faults)
{
    if (faults)
        world->faulty_until = UINT64_MAX;
    else if (world->faults)
        world->faulty_until = host_now();
    world->faults = faults;
}

void uwsk_world_faults(struct uwsk_world *world, int faults)
{
    struct net_weather weather = world->drawn.fair;

    faults &= UWSK_FAULTS_ALL;
    if (faults & UWSK_FAULTS_NETWORK)
        draw_faults(world, &weather);
    net_weather_change(&weather);
    set_faults(world, faults);
}

void faults_start(struct uwsk_world *world)
{
    world->faults = 0;
    world->faulty_until = 0;
    set_faults(world, world->options.faults);
    world->fault_one_in = world->faults_made = 0;
    sim_stream(&world->fault_rng, STREAM_FAULTS);
    host_set_fault_plan(plan, world);
}

void faults_stop(void)
{
    host_set_fault_plan(NULL, NULL);
}
