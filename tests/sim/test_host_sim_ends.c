/*
 * test_host_sim_ends.c - every way in which a run ends, told as what it is; the next run does not mind.
 */
#include "host_sim.h"

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
