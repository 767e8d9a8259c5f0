#include "sim_world.h"

#include "host/host.h"
#include "host/sim/sim.h"
#include "transport/sim/net.h"
#include "uwsk_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*body_of_test)(void);

static uint64_t seed(void)
{
    const char *text = getenv("UWSK_SIM_SEED");

    return text && *text ? strtoull(text, NULL, 0) : 1;
}

static struct net_weather weather(void)
{
    struct net_weather calm = {
        .latency_min_ns = 1000, .latency_max_ns = 20000, .segment_min = 65536, .segment_max = 65536};

    if (test_mode_has("windy")) {
        calm.latency_max_ns = 300000;
        calm.ack_delay_max_ns = 2000000;
        calm.fin_delay_max_ns = 1000000;
        calm.segment_min = 1;
        calm.segment_max = 1460;
        calm.coalesce_percent = 20;
    }
    return calm;
}

static void first_fiber(void *argument)
{
    struct net_weather today = weather();

    (void)argument;
    if (net_start(&today, seed()) != 0)
        uwsk_test_fail(__FILE__, __LINE__, "no network");
    peer_backend = &peer_sim;
    body_of_test();
    if (net_open_count() != 0)
        uwsk_test_fail(__FILE__, __LINE__, "%lu sockets are left open", (unsigned long)net_open_count());
    net_stop();
    peer_backend = NULL;
}

/* ---- when a run does not end by its return ------------------------------------------------------------- */

static void show_frames(void *const *frames, size_t count)
{
    char line[300];

    for (size_t i = 0; i < count && i < 16; i++) {
        host_symbolize(frames[i], line, sizeof line);
        dprintf(STDERR_FILENO, "    %s\n", line);
    }
}

static void show_fiber(void *context, struct host_thread *thread, void *const *frames, size_t count)
{
    (void)context;
    dprintf(STDERR_FILENO, "-- fiber %llu %s\n", (unsigned long long)thread->id, thread->name);
    show_frames(frames, count);
}

static void at_end(void *argument, const struct sim_result *result)
{
    (void)argument;
    if (result->end == SIM_DONE)
        return;
    host_each_thread(show_fiber, NULL);
    if (result->frame_count) {
        dprintf(STDERR_FILENO, "-- where fiber %u stands\n", result->fiber);
        show_frames(result->frames, result->frame_count);
    }
}

static void world(void (*body)(void))
{
    static const char *const ends[] = {
        [SIM_STOPPED] = "was stopped",    [SIM_EXITED] = "exits",
        [SIM_DEADLOCK] = "is a deadlock", [SIM_STUCK] = "is stuck",
        [SIM_ENDLESS] = "has no end",     [SIM_HUNG] = "hangs in a fiber without points",
        [SIM_DIVERGED] = "diverged",      [SIM_CRASHED] = "crashes",
    };
    const char *schedule = getenv("UWSK_SIM_SCHEDULE");
    struct sim_result result;

    if (!test_mode_has("sim")) {
        body();
        return;
    }
    struct sim_plan plan = {.seed = seed(),
                            .scheduler =
                                schedule && strcmp(schedule, "default") == 0 ? SIM_REPLAY : SIM_RANDOM,
                            .step_limit = 4000000000ull};

    body_of_test = body;
    if (sim_run(&plan, first_fiber, NULL, at_end, &result) != 0)
        uwsk_test_fail(__FILE__, __LINE__, "no run");
    peer_backend = NULL;
    if (result.end != SIM_DONE)
        uwsk_test_fail(__FILE__, __LINE__, "the run %s (%d) after %llu steps and %llu ms of its time",
                       ends[result.end], result.exit_status, (unsigned long long)result.steps,
                       (unsigned long long)(result.virtual_ns / 1000000));
}

__attribute__((constructor)) static void make_world(void)
{
    uwsk_test_set_world(world);
}
