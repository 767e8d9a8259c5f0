/*
 * test_host_sim_schedules.c - who goes on at each step: the default rule, the schedulers, the exhaustive search.
 */
#include "host_sim.h"

/* Two fibers with a read and a write of one word each: an update is lost in some schedules only. */
static uint32_t word, finished;

static void increment(void *argument)
{
    uint32_t seen;

    (void)argument;
    seen = word;
    host_point(HOST_POINT_ATOMIC, &word);
    word = seen + 1;
    finished++;
    host_unpark(&finished, 1);
}

static void increment_twice(void *argument)
{
    (void)argument;
    word = finished = 0;
    EXPECT_EQ(host_thread_start(increment, NULL, "one", 0), 0);
    EXPECT_EQ(host_thread_start(increment, NULL, "two", 0), 0);
    while (finished < 2)
        host_park(&finished, finished, HOST_FOREVER);
}

TEST(every_scheduler_finds_a_lost_update, "")
{
    static const int schedulers[] = {SIM_RANDOM, SIM_PCT};

    for (int i = 0; i < 2; i++) {
        unsigned lost = 0;

        for (uint64_t seed = 0; seed < 200; seed++) {
            struct sim_plan plan = {
                .seed = seed, .scheduler = schedulers[i], .depth = 2, .expected_steps = 15};

            EXPECT_EQ(run(&plan, increment_twice, NULL).end, SIM_DONE);
            lost += word == 1;
        }
        EXPECT(lost > 0 && lost < 200);
    }
}

TEST(default_schedule_goes_on_while_it_can, "")
{
    struct sim_plan plan = {.scheduler = SIM_REPLAY};
    struct sim_result result = run(&plan, increment_twice, NULL);

    EXPECT_EQ(result.end, SIM_DONE);
    EXPECT_EQ(word, 2);
    EXPECT_EQ(result.choice_count, 0);
    EXPECT_EQ(result.preemptions, 0);
    EXPECT_EQ(result.fibers, 3);
}

/* Depth first over the decisions: every schedule once. */
TEST(search_visits_every_schedule, "", TEST_TIMEOUT(120))
{
    struct sim_choice prefix[64];
    size_t count = 0;
    unsigned runs = 0, lost = 0;
    uint64_t tried[64] = {0}; /* alternatives at each decision of the present path */

    for (;;) {
        struct sim_plan plan = {.scheduler = SIM_SEARCH, .choices = prefix, .choice_count = count};
        struct sim_result result = run(&plan, increment_twice, NULL);
        size_t depth;

        EXPECT_EQ(result.end, SIM_DONE);
        EXPECT(result.decision_count < 64);
        EXPECT_EQ(result.decisions[0].first, 0);
        lost += word == 1;
        EXPECT(++runs < 100000);
        for (size_t i = 0; i < result.decision_count; i++)
            if (!tried[i])
                tried[i] = 1ull << result.decisions[i].chosen;
        for (depth = result.decision_count; depth > 0; depth--) {
            const struct sim_decision *last = &result.decisions[depth - 1];
            uint64_t left = last->runnable & ~tried[depth - 1];

            EXPECT(last->runnable >> last->chosen & 1);
            if (!left) {
                tried[depth - 1] = 0;
                continue;
            }
            unsigned next = (unsigned)__builtin_ctzll(left);

            tried[depth - 1] |= 1ull << next;
            for (count = 0; count < depth; count++)
                prefix[count] = (struct sim_choice){.step = result.decisions[count].step,
                                                    .fiber = result.decisions[count].chosen};
            prefix[depth - 1].fiber = next;
            break;
        }
        if (depth == 0)
            break;
    }
    EXPECT_EQ(runs, 2536);
    EXPECT_EQ(lost, 1404);
}

static void come_and_go(void *argument)
{
    ++*(uint32_t *)argument;
    host_unpark(argument, 1);
}

/* Numbers 66 and 67, and main's among them, where there is a choice. */
static void increment_late(void *argument)
{
    uint32_t gone = 0;

    for (uint32_t i = 0; i < 64; i++) {
        EXPECT_EQ(host_thread_start(come_and_go, &gone, "short", 0), 0);
        while (gone == i)
            host_park(&gone, i, HOST_FOREVER);
    }
    increment_twice(argument);
}

TEST(search_tells_of_fibers_of_every_number, "")
{
    struct sim_plan plan = {.scheduler = SIM_SEARCH};
    struct sim_result result = run(&plan, increment_late, NULL);
    unsigned both = 0, with_main = 0;

    EXPECT_EQ(result.end, SIM_DONE);
    EXPECT_EQ(result.fibers, 67);
    for (size_t i = 0; i < result.decision_count; i++) {
        const struct sim_decision *at = &result.decisions[i];

        EXPECT_EQ(at->first % 64, 0);
        EXPECT(at->runnable != 0);
        both += at->first == 64 && at->runnable == (1u << 2 | 1u << 3);
        with_main += at->first == 64 && i > 0 && at[-1].step == at->step && at[-1].first == 0 &&
                     at[-1].runnable == 1u << 1 && at[-1].chosen == at->chosen;
    }
    EXPECT(both > 0);
    EXPECT(with_main > 0);
}

TEST(choice_of_a_fiber_that_cannot_run_is_told, "")
{
    struct sim_choice nobody = {.step = 3, .fiber = 9};
    struct sim_choice late[] = {{.step = 3, .fiber = 1}, {.step = 3, .fiber = 2}};
    struct sim_plan plan = {.scheduler = SIM_REPLAY, .choices = &nobody, .choice_count = 1};

    EXPECT_EQ(run(&plan, increment_twice, NULL).end, SIM_DIVERGED);
    plan.choices = late;
    plan.choice_count = 2;
    EXPECT_EQ(run(&plan, increment_twice, NULL).end, SIM_DIVERGED);
}

static void flag_setter(void *argument)
{
    *(volatile uint32_t *)argument = 1;
}

/* Whoever spins for another's doing, with a relaxing hint, with points only, or by looking at the clock. */
static void spin_for_another(void *argument)
{
    static volatile uint32_t flag;
    int how = *(int *)argument;

    flag = 0;
    EXPECT_EQ(host_thread_start(flag_setter, (void *)&flag, "setter", 0), 0);
    while (!flag) {
        if (how == 0)
            host_cpu_relax();
        else if (how == 1)
            host_yield();
        else if (how == 2)
            host_point(HOST_POINT_ATOMIC, NULL);
        else
            host_now();
    }
}

TEST(spinning_ends_under_every_scheduler, "")
{
    static const int schedulers[] = {SIM_RANDOM, SIM_PCT, SIM_REPLAY, SIM_SEARCH};

    for (int how = 0; how < 4; how++) {
        for (int i = 0; i < 4; i++) {
            for (uint64_t seed = 0; seed < 10; seed++) {
                struct sim_plan plan = {
                    .seed = seed, .scheduler = schedulers[i], .depth = 3, .expected_steps = 10};

                EXPECT_EQ(run(&plan, spin_for_another, &how).end, SIM_DONE);
            }
        }
    }
}
