/*
 * test_host_sim_time.c - virtual time: deadlines, timers, who is woken first, delays.
 */
#include "host_sim.h"

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
