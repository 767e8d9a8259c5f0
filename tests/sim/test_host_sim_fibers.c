/*
 * test_host_sim_fibers.c - fibers come and go, on stacks that are as new, with memory that is as new.
 */
#include "host_sim.h"

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
