#include "sim_world.h"

#include "host/host.h"
#include "host/sim/sim.h"
#include "transport/sim/net.h"
#include "uwsk_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEEDS = 20, SEEDS_OF_RACES = 1000, RACES_IN_A_QUICK_CHECK = 50 };

const char *sim_world_driver;
static void (*body_of_test)(void);
static uint64_t seed_now;

/* ---- the seeds -------------------------------------------------------------------------------------------- */

static uint64_t number_in(const char *variable)
{
    const char *text = getenv(variable);

    return text && *text ? strtoull(text, NULL, 0) : 0;
}

static long runs(void)
{
    int full = uwsk_test_full();

    if (!test_mode_has("sim") || number_in("UWSK_SIM_SEED"))
        return 1;
    if (number_in("UWSK_SIM_SEEDS"))
        return (long)number_in("UWSK_SIM_SEEDS");
    if (test_mode_has("races"))
        return full ? SEEDS_OF_RACES : test_sanitizer() ? RACES_IN_A_QUICK_CHECK / 5 : RACES_IN_A_QUICK_CHECK;
    return full ? SEEDS : test_sanitizer() ? 1 : 2;
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

/* LeakSanitizer's: from here on the caller's allocations are not looked for. */
extern void __lsan_disable(void) __attribute__((weak));

static void first_fiber(void *argument)
{
    struct net_weather today = weather();

    (void)argument;
    if (__lsan_disable) /* a run that a bug check ends is thrown away with all that its fibers held */
        __lsan_disable();
    if (net_start(&today, seed_now) != 0)
        uwsk_test_fail(__FILE__, __LINE__, "no network");
    peer_backend = &peer_sim;
    body_of_test();
    if (net_open_count() != 0)
        uwsk_test_fail(__FILE__, __LINE__, "%lu sockets are left open", (unsigned long)net_open_count());
    net_stop(); /* what other fibers still do, they do here: the backend stays until the run has ended */
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

static int scheduler_of(uint64_t seed)
{
    const char *schedule = getenv("UWSK_SIM_SCHEDULE");

    if (!schedule || !*schedule)
        return seed % 2 ? SIM_RANDOM : SIM_PCT;
    if (strcmp(schedule, "default") == 0)
        return SIM_REPLAY;
    return strcmp(schedule, "pct") == 0 ? SIM_PCT : SIM_RANDOM;
}

/* One run in this process: how many steps it took. */
static uint64_t run(uint64_t seed, uint64_t expected_steps)
{
    static const char *const ends[] = {
        [SIM_STOPPED] = "was stopped",    [SIM_EXITED] = "exits",
        [SIM_DEADLOCK] = "is a deadlock", [SIM_STUCK] = "is stuck",
        [SIM_ENDLESS] = "has no end",     [SIM_HUNG] = "hangs in a fiber without points",
        [SIM_DIVERGED] = "diverged",      [SIM_CRASHED] = "crashes",
    };
    struct sim_plan plan = {.seed = seed,
                            .scheduler = scheduler_of(seed),
                            .depth = 2 + (unsigned)(seed / 2 % 3),
                            .expected_steps = expected_steps,
                            .step_limit = 400000000};
    struct sim_result result;

    seed_now = seed;
    if (sim_run(&plan, first_fiber, NULL, at_end, &result) != 0)
        uwsk_test_fail(__FILE__, __LINE__, "no run");
    peer_backend = NULL;
    if (result.end != SIM_DONE)
        uwsk_test_fail(__FILE__, __LINE__, "the run %s (%d) after %llu steps and %llu ms of its time",
                       ends[result.end], result.exit_status, (unsigned long long)result.steps,
                       (unsigned long long)(result.virtual_ns / 1000000));
    TEST_NOTE("seed %llu: %llu steps, hash %016llx", (unsigned long long)seed,
              (unsigned long long)result.steps, (unsigned long long)result.hash);
    return result.steps;
}

/* The same in a child: its end, as waitpid() tells it.  Every seed expects as many steps as the first one took: that
 * one alone is needed to run any other again. */
static int run_in_child(uint64_t seed, uint64_t *steps)
{
    int status;

    fflush(NULL);
    pid_t child = fork();

    if (child < 0)
        uwsk_test_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        uint64_t taken = run(seed, *steps);

        if (seed == 1)
            *steps = taken;
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            uwsk_test_fail(__FILE__, __LINE__, "waitpid: %s", strerror(errno));
    return status;
}

static void say_how_to_repeat(uint64_t seed)
{
    const char *schedule = getenv("UWSK_SIM_SCHEDULE");

    dprintf(STDERR_FILENO, "-- seed %llu fails; again: UWSK_SIM_SEED=%llu %s%s %s --only %s --modes %s\n",
            (unsigned long long)seed, (unsigned long long)seed,
            schedule && *schedule ? "UWSK_SIM_SCHEDULE=" : "", schedule ? schedule : "",
            program_invocation_name, uwsk_test_name(), test_mode());
}

static void world(void (*body)(void))
{
    if (!test_mode_has("sim")) {
        body();
        return;
    }
    char why[300];
    uint64_t only = number_in("UWSK_SIM_SEED"), last = only ? only : (uint64_t)runs();
    uint64_t *steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (steps == MAP_FAILED)
        uwsk_test_fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
    test_runs_on("sim");
    body_of_test = body;
    if (sim_world_driver && !sim_module_load(sim_world_driver, why, sizeof why))
        uwsk_test_fail(__FILE__, __LINE__, "%s", why);
    if (only > 1)
        run_in_child(1, steps); /* what it expects comes from there */
    if (only) {
        run(only, *steps);
        return;
    }
    for (uint64_t seed = 1; seed <= last; seed++) {
        int status = run_in_child(seed, steps);

        if (status == 0)
            continue;
        say_how_to_repeat(seed);
        if (WIFEXITED(status))
            _exit(WEXITSTATUS(status)); /* and has said why */
        uwsk_test_fail(__FILE__, __LINE__, "seed %llu ends by signal %d", (unsigned long long)seed,
                       WTERMSIG(status));
    }
    munmap(steps, sizeof *steps);
}

__attribute__((constructor)) static void make_world(void)
{
    uwsk_test_set_world(world, runs);
}
