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

TEST(same_plan_gives_the_same_run, "", TEST_TIMEOUT(120))
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

        all = (all ^ result.hash) * 31 + result.steps + shared.entropy;
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

/* ---- schedules ----------------------------------------------------------------------------------------- */

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
    EXPECT_EQ(host_thread_start(increment, NULL, "one", 0), 0);
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

/* ---- time ---------------------------------------------------------------------------------------------- */

static void sleeper(void *argument)
{
    uint64_t *woke = argument;
    uint32_t never = 0;

    EXPECT_EQ(host_park(&never, 0, *woke), HOST_TIMEOUT);
    EXPECT(host_now() >= *woke);
    *woke = host_now();
}

static void sleep_long(void *argument)
{
    static uint64_t deadlines[3];
    uint64_t start = host_now(), wall = host_wall();
    uint32_t never = 0;

    (void)argument;
    for (int i = 0; i < 3; i++) {
        deadlines[i] = start + (uint64_t)(3 - i) * 3600 * 1000 * MS;
        EXPECT_EQ(host_thread_start(sleeper, &deadlines[i], "sleeper", 0), 0);
    }
    sim_progress();
    EXPECT_EQ(host_park(&never, 0, start + 4ull * 3600 * 1000 * MS), HOST_TIMEOUT);
    EXPECT(deadlines[0] > deadlines[1] && deadlines[1] > deadlines[2]);
    EXPECT(host_wall() - wall >= 4ull * 3600 * 10000000);
    EXPECT(host_wall() - wall < 4ull * 3600 * 10000000 + 10000);
    EXPECT_EQ(host_park(&never, 0, 0), HOST_TIMEOUT);
    EXPECT_EQ(host_park(&never, 1, HOST_FOREVER), HOST_CHANGED);
}

TEST(hours_pass_in_no_time, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM, .idle_limit_ns = 5ull * 3600 * 1000 * MS};
    struct sim_result result = run(&plan, sleep_long, NULL);

    EXPECT_EQ(result.end, SIM_DONE);
    EXPECT(result.virtual_ns >= 4ull * 3600 * 1000 * MS);
    EXPECT(result.steps < 100);
}

static struct sim_timer timers[4];
static int fired[8], fired_count;
static uint32_t timers_done;

static void fire(struct sim_timer *timer)
{
    EXPECT_EQ(sim_fiber(), 0);
    EXPECT(host_now() >= timer->due_ns);
    fired[fired_count++] = (int)(timer - timers);
    if (timer == &timers[3]) {
        sim_timer_set(&timers[2], host_now() + 10);
    } else if (timer == &timers[2] && fired_count >= 4) {
        timers_done = 1;
        host_unpark(&timers_done, 1);
    }
}

static void use_timers(void *argument)
{
    uint64_t now = host_now();

    (void)argument;
    memset(timers, 0, sizeof timers);
    fired_count = 0;
    timers_done = 0;
    for (int i = 0; i < 4; i++)
        timers[i].fire = fire;
    sim_timer_set(&timers[0], now + 5 * MS);
    sim_timer_set(&timers[1], now + 2 * MS);
    sim_timer_set(&timers[2], now + 2 * MS); /* same moment: in the order of setting */
    sim_timer_set(&timers[3], now + 9 * MS);
    sim_timer_set(&timers[3], now + 3 * MS); /* moved */
    EXPECT_EQ(sim_timer_cancel(&timers[0]), 1);
    EXPECT_EQ(sim_timer_cancel(&timers[0]), 0);
    while (!timers_done)
        host_park(&timers_done, 0, HOST_FOREVER);
    EXPECT_EQ(fired_count, 4);
    EXPECT(fired[0] == 1 && fired[1] == 2 && fired[2] == 3 && fired[3] == 2);
    EXPECT(host_now() >= now + 3 * MS + 10 && host_now() < now + 4 * MS);
}

TEST(timers_fire_in_order_between_fibers, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};

    for (plan.seed = 0; plan.seed < 20; plan.seed++)
        EXPECT_EQ(run(&plan, use_timers, NULL).end, SIM_DONE);
}

static uint32_t gate;
static unsigned order[3], woken;

static void gate_waiter(void *argument)
{
    while (host_park(&gate, 0, HOST_FOREVER) != HOST_WOKEN)
        ;
    order[woken++] = (unsigned)(uintptr_t)argument;
}

static void open_gate(void *argument)
{
    uint32_t never = 0;

    (void)argument;
    gate = woken = 0;
    for (uintptr_t i = 0; i < 3; i++) {
        EXPECT_EQ(host_thread_start(gate_waiter, (void *)i, "waiter", 0), 0);
        host_park(&never, 0, host_now() + 1000); /* it has parked */
    }
    host_unpark(&gate, 1);
    host_park(&never, 0, host_now() + 1000);
    EXPECT_EQ(woken, 1);
    host_unpark(&gate, INT32_MAX);
    host_park(&never, 0, host_now() + 1000);
    EXPECT_EQ(woken, 3);
    EXPECT(order[0] == 0);
}

TEST(first_parked_is_first_woken, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};

    for (plan.seed = 0; plan.seed < 20; plan.seed++)
        EXPECT_EQ(run(&plan, open_gate, NULL).end, SIM_DONE);
}

TEST(delays_put_fibers_to_sleep, "")
{
    struct sim_plan plan = {.seed = 1, .scheduler = SIM_RANDOM};
    uint64_t before = run(&plan, program, NULL).virtual_ns;

    plan.delay_one_in = 5;
    plan.delay_ns = 1000 * MS;
    EXPECT(run(&plan, program, NULL).virtual_ns > before + 1000 * MS);
}

/* ---- ends ---------------------------------------------------------------------------------------------- */

struct ending {
    int seen;
    struct sim_result result;
    unsigned others; /* threads that host_each_thread showed */
    unsigned with_frames;
};

static void count_thread(void *context, struct host_thread *thread, void *const *frames, size_t count)
{
    struct ending *ending = context;

    (void)frames;
    EXPECT(thread->id > 0);
    ending->others++;
    ending->with_frames += count > 2;
}

static void at_end(void *argument, const struct sim_result *result)
{
    struct ending *ending = argument;

    EXPECT_EQ(sim_running(), 0);
    EXPECT_EQ(sim_fiber(), 0);
    ending->seen++;
    ending->result = *result;
    host_each_thread(count_thread, ending);
}

static struct ending end_of(const struct sim_plan *plan, void (*main)(void *))
{
    struct ending ending = {0};
    struct sim_result result;

    EXPECT_EQ(sim_run(plan, main, &ending, at_end, &result), 0);
    EXPECT_EQ(ending.seen, 1);
    EXPECT_EQ(ending.result.end, result.end);
    EXPECT_EQ(host_self()->stack_low < (void *)&result, 1); /* the system's thread again */
    /* The next run does not mind. */
    EXPECT_EQ(run(&(struct sim_plan){.scheduler = SIM_RANDOM}, program, NULL).end, SIM_DONE);
    return ending;
}

static void park_forever(void *argument)
{
    uint32_t never = 0;

    (void)argument;
    for (;;)
        host_park(&never, 0, HOST_FOREVER);
}

static void wait_for_each_other(void *argument)
{
    (void)argument;
    EXPECT_EQ(host_thread_start(park_forever, NULL, "other", 0), 0);
    park_forever(NULL);
}

TEST(nobody_to_run_is_a_deadlock, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};
    struct ending ending = end_of(&plan, wait_for_each_other);

    EXPECT_EQ(ending.result.end, SIM_DEADLOCK);
    EXPECT_EQ(ending.others, 2);
    EXPECT_EQ(ending.with_frames, 2);
}

static void poll_forever(void *argument)
{
    uint32_t never = 0;

    (void)argument;
    for (;;)
        host_park(&never, 0, host_now() + 100 * MS);
}

static void poll_with_progress(void *argument)
{
    uint32_t never = 0;

    (void)argument;
    for (int i = 0; i < 10000; i++) {
        host_park(&never, 0, host_now() + 100 * MS);
        sim_progress();
    }
}

TEST(time_without_progress_is_stuck, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};
    struct ending ending = end_of(&plan, poll_forever);

    EXPECT_EQ(ending.result.end, SIM_STUCK);
    EXPECT_EQ(ending.result.virtual_ns, 600ull * 1000 * MS);
    EXPECT_EQ(end_of(&plan, poll_with_progress).result.end, SIM_DONE);
}

static void point_forever(void *argument)
{
    (void)argument;
    for (;;)
        host_point(HOST_POINT_ATOMIC, NULL);
}

TEST(too_many_steps_are_endless, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM, .step_limit = 100000};
    struct ending ending = end_of(&plan, point_forever);

    EXPECT_EQ(ending.result.end, SIM_ENDLESS);
    EXPECT_EQ(ending.result.steps, 100001);
}

/* Looks at its frame, so that it has one: a caller is found by frame pointers. */
static __attribute__((noinline)) void hang_here(volatile int *forever)
{
    EXPECT(__builtin_frame_address(0) != NULL);
    while (*forever)
        ;
}

static void hang(void *argument)
{
    volatile int forever = 1;

    (void)argument;
    hang_here(&forever);
    EXPECT(0);
}

static int names(const struct sim_result *result, const char *function)
{
    char text[256];

    for (size_t i = 0; i < result->frame_count; i++) {
        host_symbolize(result->frames[i], text, sizeof text);
        if (strncmp(text, function, strlen(function)) == 0)
            return 1;
    }
    return 0;
}

TEST(hanging_fiber_is_caught_where_it_stands, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM, .watchdog_ms = 100};

    if (test_sanitizer() == 2)
        return; /* ThreadSanitizer keeps signals back until the next call */
    for (int i = 0; i < 2; i++) {
        struct ending ending = end_of(&plan, hang);

        EXPECT_EQ(ending.result.end, SIM_HUNG);
        EXPECT(names(&ending.result, "hang_here"));
        EXPECT(names(&ending.result, "hang+"));
    }
}

static __attribute__((noinline)) void touch_nothing(void *address)
{
    __asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory");
}

static void crash(void *argument)
{
    (void)argument;
    touch_nothing((void *)16);
    EXPECT(0);
}

static void *volatile nowhere;

static void crash_by_call(void *argument)
{
    ((void (*)(void *))nowhere)(argument);
    EXPECT(0);
}

static __attribute__((noinline)) uintptr_t dig(uintptr_t depth)
{
    volatile char room[512];

    room[0] = (char)depth;
    return depth == UINTPTR_MAX ? 1 : dig(depth + 1) + (uintptr_t)room[0];
}

static void crash_by_recursion(void *argument)
{
    (void)argument;
    EXPECT(dig(0) == 1);
}

static void crash_by_abort(void *argument)
{
    (void)argument;
    host_abort();
}

TEST(crash_ends_the_run_not_the_process, "", TEST_TIMEOUT(120))
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};

    for (int i = 0; i < 3; i++) {
        struct ending ending = end_of(&plan, crash);

        EXPECT_EQ(ending.result.end, SIM_CRASHED);
        EXPECT_EQ(ending.result.exit_status, SIGSEGV);
        EXPECT(names(&ending.result, "touch_nothing"));
        ending = end_of(&plan, crash_by_call);
        EXPECT_EQ(ending.result.end, SIM_CRASHED);
        EXPECT(names(&ending.result, "crash_by_call"));
        ending = end_of(&plan, crash_by_recursion);
        EXPECT_EQ(ending.result.end, SIM_CRASHED);
        EXPECT(names(&ending.result, "dig"));
        ending = end_of(&plan, crash_by_abort);
        EXPECT_EQ(ending.result.end, SIM_CRASHED);
        EXPECT_EQ(ending.result.exit_status, SIGABRT);
        EXPECT(names(&ending.result, "crash_by_abort"));
    }
}

static struct host_exception taken;

static void take_exception(const struct host_exception *exception)
{
    taken = *exception;
    host_exit(42);
}

TEST(exception_handler_comes_first, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};
    struct ending ending;

    host_set_exception_handler(take_exception);
    ending = end_of(&plan, crash);
    EXPECT_EQ(ending.result.end, SIM_EXITED);
    EXPECT_EQ(ending.result.exit_status, 42);
    EXPECT_EQ((uintptr_t)taken.address, 16);
    EXPECT_EQ(taken.stack_overflow, 0);
    ending = end_of(&plan, crash_by_recursion);
    EXPECT_EQ(ending.result.end, SIM_EXITED);
    EXPECT_EQ(taken.stack_overflow, 1);
    host_set_exception_handler(NULL);
}

static void exit_7(void *argument)
{
    (void)argument;
    EXPECT_EQ(host_thread_start(park_forever, NULL, "other", 0), 0);
    host_exit(7);
}

static void stop(void *argument)
{
    (void)argument;
    EXPECT_EQ(sim_running(), 1);
    sim_stop();
    EXPECT(0);
}

static void fire_stop(struct sim_timer *timer)
{
    (void)timer;
    sim_stop();
}

static void stop_by_timer(void *argument)
{
    static struct sim_timer timer;

    (void)argument;
    timer = (struct sim_timer){.fire = fire_stop};
    sim_timer_set(&timer, host_now() + MS);
    park_forever(NULL);
}

static void end_main(void *argument)
{
    (void)argument;
    EXPECT_EQ(host_thread_start(park_forever, NULL, "other", 0), 0);
    host_thread_exit();
}

TEST(runs_end_in_every_other_way, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};
    struct ending ending = end_of(&plan, exit_7);

    EXPECT_EQ(ending.result.end, SIM_EXITED);
    EXPECT_EQ(ending.result.exit_status, 7);
    EXPECT_EQ(end_of(&plan, stop).result.end, SIM_STOPPED);
    EXPECT_EQ(end_of(&plan, stop_by_timer).result.end, SIM_STOPPED);
    EXPECT_EQ(end_of(&plan, end_main).result.end, SIM_DONE);
    EXPECT_EQ(sim_running(), 0);
}

/* A forked child goes on with runs of its own, watched like its parent's. */
TEST(runs_go_on_in_a_forked_child, "")
{
    struct sim_plan plan = {.seed = 9, .scheduler = SIM_RANDOM};
    uint64_t hash = run(&plan, program, NULL).hash;
    pid_t child = fork();
    int status;

    EXPECT(child >= 0);
    if (child == 0) {
        if (run(&plan, program, NULL).hash != hash)
            _exit(1);
        plan.watchdog_ms = 100;
        _exit(test_sanitizer() == 2 || run(&plan, hang, NULL).end == SIM_HUNG ? 0 : 2);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(run(&plan, program, NULL).hash, hash);
}

/* ---- fibers -------------------------------------------------------------------------------------------- */

static uint32_t born, ended;

static void short_life(void *argument)
{
    volatile double x = 1.0 / 3.0;
    uint64_t id = host_self()->id;
    char *low = host_self()->stack_low, *high = host_self()->stack_high;

    (void)argument;
    EXPECT((char *)&low >= low && (char *)&low < high);
    EXPECT(high - low >= 1 << 20);
    born++;
    host_point(HOST_POINT_ATOMIC, NULL);
    EXPECT_EQ(id, host_self()->id);
    EXPECT_EQ(id, sim_fiber());
    EXPECT(x * 3.0 == 1.0);
    ended++;
    host_unpark(&ended, 1);
    if (id % 2)
        host_thread_exit();
}

static void many_lives(void *argument)
{
    (void)argument;
    born = ended = 0;
    for (uint32_t i = 0; i < 300; i++) {
        EXPECT_EQ(host_thread_start(short_life, NULL, "short", i % 10 ? 0 : (size_t)3 << 20), 0);
        while (i % 50 == 49 && ended < i + 1)
            host_park(&ended, ended, HOST_FOREVER);
    }
    while (ended < 300)
        host_park(&ended, ended, HOST_FOREVER);
}

TEST(fibers_come_and_go, "", TEST_TIMEOUT(120))
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};

    for (plan.seed = 0; plan.seed < (test_sanitizer() ? 4 : 20); plan.seed++) {
        struct sim_result result = run(&plan, many_lives, NULL);

        EXPECT_EQ(result.end, SIM_DONE);
        EXPECT_EQ(result.fibers, 301);
    }
}

/* Frames that come and go between two points, with something in them. */
static __attribute__((noinline)) char leave_traces(unsigned depth)
{
    volatile char room[4096];

    for (size_t i = 0; i < sizeof room; i++)
        room[i] = (char)0xA5;
    return depth ? (char)(leave_traces(depth - 1) ^ room[depth]) : room[0];
}

static void use_stack(void *argument)
{
    *(volatile char *)argument = leave_traces(40);
}

/* Whatever is below a fiber's first frames: nobody has been there. */
static void find_traces(void *argument)
{
    const char *here = __builtin_frame_address(0);
    const uint64_t *at = (const uint64_t *)host_self()->stack_low;
    uint64_t found = 0;

    for (; (const char *)at < here - 16 * 1024; at++)
        found |= *at;
    *(uint64_t *)argument = found;
}

TEST(stack_is_as_new_in_every_run, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM};
    uint64_t found = 1;
    char last;

    EXPECT_EQ(run(&plan, use_stack, &last).end, SIM_DONE);
    EXPECT_EQ(run(&plan, find_traces, &found).end, SIM_DONE);
    EXPECT_EQ(found, 0);
}

static void note_exit(struct host_thread *thread)
{
    *(unsigned *)thread->executive += (unsigned)thread->id;
    host_point(HOST_POINT_ATOMIC, NULL);
    thread->executive = NULL;
}

static void with_executive(void *argument)
{
    host_self()->executive = argument;
}

static void exits(void *argument)
{
    uint32_t never = 0;

    EXPECT_EQ(host_thread_start(with_executive, argument, "two", 0), 0);
    EXPECT_EQ(host_thread_start(with_executive, argument, "three", 0), 0);
    host_park(&never, 0, host_now() + MS);
    host_self()->executive = argument;
}

TEST(exit_hook_runs_on_fibers, "")
{
    unsigned sum = 0;

    host_set_thread_exit_hook(note_exit);
    EXPECT_EQ(run(&(struct sim_plan){.scheduler = SIM_RANDOM}, exits, &sum).end, SIM_DONE);
    EXPECT_EQ(sum, 1 + 2 + 3);
    EXPECT(host_self()->executive == NULL);
    host_set_thread_exit_hook(NULL);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static int is_zero(const char *pages, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (pages[i])
            return 0;
    return 1;
}

enum { BLOCKS = 20 };

static void use_pages(void *argument)
{
    char **first = argument, *blocks[BLOCKS] = {NULL};
    size_t sizes[BLOCKS];
    struct sim_rng rng;

    sim_stream(&rng, 1000);
    for (int i = 0; i < 400; i++) {
        unsigned at = (unsigned)sim_rng_below(&rng, BLOCKS);
        size_t alignment = (size_t)4096 << sim_rng_below(&rng, 6);
        int execute = sim_rng_below(&rng, 4) == 0 ? HOST_PAGE_EXECUTE : 0;

        if (blocks[at]) {
            EXPECT(blocks[at][0] == (char)at && blocks[at][sizes[at] - 1] == (char)at);
            host_pages_free(blocks[at], sizes[at]);
            blocks[at] = NULL;
            continue;
        }
        sizes[at] = (size_t)4096 << sim_rng_below(&rng, test_sanitizer() ? 5 : 8);
        blocks[at] = host_pages_allocate(sizes[at], alignment, HOST_PAGE_READ | HOST_PAGE_WRITE | execute);
        EXPECT(blocks[at] != NULL);
        EXPECT_EQ((uintptr_t)blocks[at] & (alignment - 1), 0);
        EXPECT(is_zero(blocks[at], sizes[at]));
        if (!*first)
            *first = blocks[at];
        if (i == 0)
            EXPECT(blocks[at] == *first); /* the same in every run */
        memset(blocks[at], (int)at, sizes[at]);
    }
    char *page = host_pages_allocate(4096, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);

    EXPECT_EQ(host_memory_probe(page, 4096, 1), 0);
    EXPECT_EQ(host_pages_protect(page, 4096, HOST_PAGE_READ), 0);
    EXPECT_EQ(host_memory_probe(page, 4096, 0), 0);
    EXPECT_EQ(host_memory_probe(page, 4096, 1), -1);
    host_pages_free(page, 4096);
    page = host_pages_allocate(4096, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);
    EXPECT_EQ(host_memory_probe(page, 4096, 1), 0);
    EXPECT(host_pages_allocate((size_t)1 << 46, 4096, HOST_PAGE_READ) == NULL);
    EXPECT(host_pages_allocate(0, 4096, HOST_PAGE_READ) == NULL);
}

TEST(arena_hands_out_zeroed_pages, "", TEST_TIMEOUT(120))
{
    struct sim_plan plan = {.seed = 5, .scheduler = SIM_RANDOM};
    char *first = NULL;

    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(run(&plan, use_pages, &first).end, SIM_DONE);
        sim_restore(); /* no snapshot: empties the arena */
    }
}

static void load_a_driver(void *argument)
{
    char error[128] = "";

    (void)argument;
    EXPECT(host_module_load("/nowhere.so", error, sizeof error) == NULL);
    EXPECT(strstr(error, "before") != NULL);
    EXPECT_EQ(host_processor_count(), 5);
    EXPECT_EQ(sim_run(&(struct sim_plan){.scheduler = SIM_RANDOM}, program, NULL, NULL, NULL), -1);
}

TEST(run_has_its_own_processors_and_modules, "")
{
    struct sim_plan plan = {.scheduler = SIM_RANDOM, .processors = 5};

    EXPECT_EQ(run(&plan, load_a_driver, NULL).end, SIM_DONE);
    EXPECT(sim_module_load("/nowhere.so", NULL, 0) == NULL);
}
