/*
 * test_host_sim.c - a run is a function of its plan: repeated, replayed, watched.
 */
#include "host_sim.h"

/* ---- the same again ----------------------------------------------------------------------------------- */

TEST(same_plan_gives_the_same_run, "", TEST_TIMEOUT(120))
{
    uint64_t hashes[100];
    unsigned different = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct sim_plan plan = {.seed = seed, .scheduler = SIM_RANDOM};
            struct sim_result result = run(&plan, program, NULL);

            EXPECT_EQ(result.end, SIM_DONE);
            EXPECT_EQ(result.fibers, PROGRAM_FIBERS);
            if (round)
                EXPECT_EQ(result.hash, hashes[seed]);
            hashes[seed] = result.hash;
            different += seed > 0 && hashes[seed] != hashes[seed - 1];
        }
    }
    EXPECT(different > 190);
}

TEST(recorded_choices_replay_the_run, "", TEST_TIMEOUT(120))
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sim_plan plan = {.seed = seed,
                                .scheduler = seed % 2 ? SIM_PCT : SIM_RANDOM,
                                .depth = 3,
                                .expected_steps = 400,
                                .delay_one_in = seed % 3 ? 0 : 20,
                                .delay_ns = 5000};
        struct sim_result first = run(&plan, program, NULL), again;
        struct sim_choice *choices = malloc((first.choice_count + 1) * sizeof *choices);

        EXPECT_EQ(first.end, SIM_DONE);
        EXPECT(choices != NULL);
        memcpy(choices, first.choices, first.choice_count * sizeof *choices);
        plan.scheduler = SIM_REPLAY;
        plan.choices = choices;
        plan.choice_count = first.choice_count;
        again = run(&plan, program, NULL);
        EXPECT_EQ(again.end, SIM_DONE);
        EXPECT_EQ(again.hash, first.hash);
        EXPECT_EQ(again.steps, first.steps);
        EXPECT_EQ(again.preemptions, first.preemptions);
        EXPECT_EQ(again.choice_count, first.choice_count);
        EXPECT(memcmp(again.choices, choices, first.choice_count * sizeof *choices) == 0);
        free(choices);
    }
}

/* One number for a hundred schedules: the same in every process, at every address, from every compiler. */
TEST(hash_is_the_same_in_every_build, "")
{
    uint64_t all = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim_plan plan = {.seed = seed,
                                .scheduler = seed % 2 ? SIM_PCT : SIM_RANDOM,
                                .depth = 4,
                                .expected_steps = 500,
                                .delay_one_in = seed % 5 ? 0 : 10,
                                .delay_ns = 20000};
        struct sim_result result = run(&plan, program, NULL);

        all = (all ^ result.hash) * 31 + result.steps + program_entropy;
    }
    EXPECT_EQ(all, 0x80e22aed680abf8);
}

TEST(streams_of_one_seed_are_independent, "")
{
    struct sim_rng a, b, c;
    unsigned same = 0, buckets[10] = {0};

    sim_rng_seed(&a, 7, 1);
    sim_rng_seed(&b, 7, 2);
    sim_rng_seed(&c, 7, 1);
    for (int i = 0; i < 10000; i++) {
        uint64_t drawn = sim_rng_next(&a);

        same += drawn == sim_rng_next(&b);
        EXPECT(drawn == sim_rng_next(&c));
        buckets[sim_rng_below(&b, 10)]++;
    }
    EXPECT_EQ(same, 0);
    for (int i = 0; i < 10; i++)
        EXPECT(buckets[i] > 800 && buckets[i] < 1200);
    EXPECT_EQ(sim_rng_below(&a, 0), 0);
}

/* ---- watched ------------------------------------------------------------------------------------------ */

struct seen {
    uint64_t last, steps;
};

static void on_step(void *context, uint64_t step, struct host_thread *fiber, int kind,
                    const volatile void *object)
{
    struct seen *seen = context;

    (void)object;
    EXPECT_EQ(step, seen->last + 1);
    EXPECT_EQ(step, sim_step());
    EXPECT_EQ(fiber->id, sim_fiber());
    EXPECT(kind > 0);
    seen->last = step;
    seen->steps++;
}

TEST(on_step_sees_every_step_and_changes_nothing, "")
{
    struct seen seen = {0};
    struct sim_plan plan = {.seed = 3, .scheduler = SIM_RANDOM};
    struct sim_result plain = run(&plan, program, NULL), watched;

    plan.on_step = on_step;
    plan.context = &seen;
    watched = run(&plan, program, NULL);
    EXPECT_EQ(watched.hash, plain.hash);
    EXPECT_EQ(seen.steps, plain.steps);
}

static void one_point(void *argument)
{
    host_point(HOST_POINT_ATOMIC, argument);
}

static void never(struct sim_timer *timer)
{
    (void)timer;
    EXPECT(0);
}

/* Relaxes until a moment comes; what is nearer than that is taken back, or put off by progress, over and over. */
static void relax_for_long(void *argument)
{
    struct sim_timer timer = {.fire = never};
    uint64_t end = host_now() + 20 * MS;

    (void)argument;
    EXPECT_EQ(host_thread_start(one_point, NULL, "one", 0), 0);
    while (host_now() < end) {
        sim_timer_set(&timer, host_now() + MS / 2);
        host_cpu_relax();
        sim_progress();
        EXPECT_EQ(sim_timer_cancel(&timer), 1);
        for (int i = 0; i < 100; i++)
            host_cpu_relax();
    }
}

TEST(relaxing_is_the_same_traced_and_replayed, "")
{
    static const int schedulers[] = {SIM_RANDOM, SIM_PCT};

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct seen seen = {0};
        struct sim_choice choices[200];
        struct sim_plan plan = {.seed = seed,
                                .scheduler = schedulers[seed % 2],
                                .depth = 3,
                                .idle_limit_ns = seed % 4 < 2 ? 0 : 2 * MS};
        struct sim_result plain = run(&plan, relax_for_long, NULL), again;

        EXPECT_EQ(plain.end, SIM_DONE);
        EXPECT(plain.choice_count < sizeof choices / sizeof choices[0]);
        memcpy(choices, plain.choices, plain.choice_count * sizeof *choices);
        for (int traced = 0; traced < 2; traced++) {
            for (int replayed = !traced; replayed < 2; replayed++) {
                struct sim_plan other = plan;

                if (replayed) {
                    other.scheduler = SIM_REPLAY;
                    other.choices = choices;
                    other.choice_count = plain.choice_count;
                }
                seen = (struct seen){0};
                other.on_step = traced ? on_step : NULL;
                other.context = &seen;
                again = run(&other, relax_for_long, NULL);
                EXPECT_EQ(again.end, SIM_DONE);
                EXPECT_EQ(again.steps, plain.steps);
                EXPECT_EQ(again.virtual_ns, plain.virtual_ns);
                EXPECT_EQ(again.hash, plain.hash);
            }
        }
    }
}

static void on_trap(int signal)
{
    _exit(signal == SIGTRAP ? (int)sim_step() : 1);
}

/* Whoever traces the process gets the signal; here a handler does. */
TEST(break_at_step_raises_a_trap_there, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM, .break_at_step = 77};
    pid_t child = fork();
    int status;

    EXPECT(child >= 0);
    if (child == 0) {
        host_self();
        signal(SIGTRAP, on_trap);
        sim_run(&plan, program, NULL, NULL, NULL);
        _exit(2);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 77);
}
