/*
 * test_sim_snapshot.c - the memory of the runtime and of loaded modules is brought back between runs, and nothing
 * else is.
 */
#include "host/backend.h"
#include "host/sim/sim.h"
#include "module_for_sim.h"
#include "uwsk_test.h"

#include <stdio.h>
#include <string.h>

static __typeof__(change) *change_it;
static __typeof__(is_as_new) *is_new;
static __typeof__(sum) *total;

static void load(void)
{
    char error[256] = "";
    void *module = sim_module_load(TEST_MODULE, error, sizeof error);

    if (!module)
        TEST_NOTE("%s", error);
    EXPECT(module != NULL);
    EXPECT(sim_module_load(TEST_MODULE, error, sizeof error) == module);
    change_it = (__typeof__(change_it))host_module_symbol(module, "change");
    is_new = (__typeof__(is_new))host_module_symbol(module, "is_as_new");
    total = (__typeof__(total))host_module_symbol(module, "sum");
    EXPECT(change_it && is_new && total);
}

static void program(void *argument)
{
    void *module = host_module_load(TEST_MODULE, NULL, 0);

    EXPECT(module != NULL);
    EXPECT((void *)host_module_symbol(module, "change") == (void *)change_it);
    EXPECT(is_new());
    change_it(*(int *)argument);
    EXPECT(!is_new());
    host_module_unload(module);
}

TEST(module_is_as_new_in_every_run, "")
{
    load();
    EXPECT_EQ(sim_snapshot(), 0);
    for (int i = 1; i < 200; i++) {
        struct sim_plan plan = {.seed = 1, .scheduler = SIM_RANDOM};
        struct sim_result result;

        EXPECT_EQ(sim_run(&plan, program, &i, NULL, &result), 0);
        EXPECT_EQ(result.end, SIM_DONE);
        EXPECT(!is_new());
        sim_restore();
        EXPECT(is_new());
    }
}

TEST(snapshot_can_be_taken_again, "")
{
    load();
    change_it(7);
    EXPECT_EQ(sim_snapshot(), 0);
    change_it(8);
    sim_restore();
    EXPECT_EQ(total(), 1 + 7);
    change_it(1);
    EXPECT_EQ(sim_snapshot(), 0);
    change_it(2);
    EXPECT_EQ(total(), 1 + 7 + 1 + 2);
    sim_restore();
    EXPECT_EQ(total(), 1 + 7 + 1);
}

static unsigned lines;

static void count_line(void *context, int level, const char *text)
{
    (void)context, (void)level, (void)text;
    lines++;
}

static int fail_all(void *context, int kind)
{
    (void)context, (void)kind;
    return 1;
}

static void exit_42(const struct host_exception *exception)
{
    (void)exception;
    host_exit(42);
}

static void crash(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

/* The log's sink, the plan of failures and the names of addresses are the embedding program's; what the runtime has
 * set up for itself goes. */
TEST(books_of_the_process_survive, "")
{
    struct sim_plan plan = {.seed = 1, .scheduler = SIM_RANDOM};
    struct sim_result result;
    uint64_t start = host_now();
    char text[200];

    EXPECT_EQ(sim_snapshot(), 0);
    host_set_log_sink(count_line, NULL);
    host_set_fault_plan(fail_all, NULL);
    host_symbolize((void *)&test_books_of_the_process_survive, text, sizeof text);
    host_set_exception_handler(exit_42);
    EXPECT_EQ(sim_run(&plan, crash, NULL, NULL, &result), 0);
    EXPECT_EQ(result.end, SIM_EXITED);
    EXPECT_EQ(result.exit_status, 42);
    for (int i = 0; i < 3; i++) {
        sim_restore();
        host_log(HOST_LOG_INFO, "one");
        EXPECT_EQ(lines, i + 1);
        EXPECT_EQ(host_fault(HOST_FAULT_POOL), 1);
        host_symbolize((void *)&test_books_of_the_process_survive, text, sizeof text);
        EXPECT(strncmp(text, "test_books_of", 13) == 0);
        EXPECT_EQ(sim_run(&plan, crash, NULL, NULL, &result), 0);
        EXPECT_EQ(result.end, SIM_CRASHED); /* the handler was the runtime's */
        EXPECT(host_now() >= start);
    }
}

/* A write that a guarded probe makes reaches a page that is watched, as any other. */
TEST(probes_reach_watched_pages, "")
{
    EXPECT_EQ(sim_snapshot(), 0);
    EXPECT_EQ(host_memory_probe(&uwsk_points_enabled, sizeof uwsk_points_enabled, 1), 0);
    uwsk_points_enabled = 5;
    sim_restore();
    EXPECT_EQ(uwsk_points_enabled, 0);
}

/* Its contents would not be brought back with the pointers to it. */
TEST(snapshot_is_refused_when_the_runtime_holds_pages, "")
{
    void *page = host_pages_allocate(4096, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);

    host_set_log_sink(count_line, NULL);
    EXPECT(page != NULL);
    EXPECT_EQ(sim_snapshot(), -1);
    EXPECT_EQ(lines, 1);
    host_pages_free(page, 4096);
    EXPECT_EQ(sim_snapshot(), 0);
}
