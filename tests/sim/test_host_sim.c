/*
 * test_host_sim.c - the simulator's host by itself: what a run is, that it is a function of its plan, and how it
 * ends.
 *
 * Strategy: small programs of fibers that use host calls only.  A program is run under many plans; what must hold is
 * exact: the same plan gives the same hash, a recorded schedule replays it, every end has its cause.
 */
#include "host/backend.h"
#include "host/sim/sim.h"
#include "uwsk_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS 1000000u /* ns */

/* ---- a program with something to disagree about -------------------------------------------------------- */

enum { WORKERS = 4, ROUNDS = 20 };

static struct {
    uint32_t lock, done;
    unsigned log[WORKERS * ROUNDS], count; /* who entered, in order */
    uint64_t entropy;
} shared;

static void lock_take(uint32_t *lock)
{
    uint32_t free = 0;

    host_point(HOST_POINT_LOCK, lock);
    while (!__atomic_compare_exchange_n(lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        host_park(lock, free, HOST_FOREVER);
        free = 0;
    }
}

static void lock_drop(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
    host_unpark(lock, 1);
    host_point(HOST_POINT_UNLOCK, lock);
}

static void worker(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&shared.lock);
        shared.log[shared.count++] = number;
        host_point(HOST_POINT_ATOMIC, &shared);
        lock_drop(&shared.lock);
        if (i % 7 == 3)
            host_yield();
        if (i % 9 == 5) {
            uint32_t word = 0;

            EXPECT_EQ(host_park(&word, 0, host_now() + number * 1000), HOST_TIMEOUT);
        }
    }
    if (__atomic_add_fetch(&shared.done, 1, __ATOMIC_ACQ_REL) == WORKERS)
        host_unpark(&shared.done, 1);
}

static void program(void *argument)
{
    uint32_t done;

    (void)argument;
    memset(&shared, 0, sizeof shared);
    host_entropy(&shared.entropy, sizeof shared.entropy);
    for (uintptr_t i = 0; i < WORKERS; i++)
        EXPECT_EQ(host_thread_start(worker, (void *)i, "worker", 0), 0);
    while ((done = __atomic_load_n(&shared.done, __ATOMIC_ACQUIRE)) != WORKERS)
        host_park(&shared.done, done, HOST_FOREVER);
    EXPECT_EQ(shared.count, WORKERS * ROUNDS);
}

static struct sim_result run(const struct sim_plan *plan, void (*main)(void *), void *argument)
{
    struct sim_result result;

    EXPECT_EQ(sim_run(plan, main, argument, NULL, &result), 0);
    return result;
}

/* ---- determinism --------------------------------------------------------------------------------------- */

TEST(same_plan_gives_the_same_run, "")
{
    uint64_t hashes[100];
    unsigned different = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct sim_plan plan = {.seed = seed, .scheduler = SIM_RANDOM};
            struct sim_result result = run(&plan, program, NULL);

            EXPECT_EQ(result.end, SIM_DONE);
            EXPECT_EQ(result.fibers, WORKERS + 1);
            if (round)
                EXPECT_EQ(result.hash, hashes[seed]);
            hashes[seed] = result.hash;
            different += seed > 0 && hashes[seed] != hashes[seed - 1];
        }
    }
    EXPECT(different > 190);
}

TEST(recorded_choices_replay_the_run, "")
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
