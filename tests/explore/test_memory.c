/*
 * test_memory.c - drivers compiled with `uwsk cc --explore`: nothing is reported where the WDK puts threads in order,
 * and the same without that is (drivers/order.c, one case for each thing that orders).
 */
#include <uwsk/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uwsk_test.h"

#include "drivers/order_cases.h"

enum { SEEDS = 25 };

static const struct order_case {
    const char *name, *kind;
} cases[] = {
#define ORDER_CASE_ENTRY(Name, Kind) {#Name, Kind},
    ORDER_CASES(ORDER_CASE_ENTRY)
#undef ORDER_CASE_ENTRY
};

enum { CASES = sizeof cases / sizeof cases[0] };

static struct uwsk_world *world;
static struct uwsk_problem problem;

static void create(const char *driver, unsigned number, int sound, int detail)
{
    struct uwsk_world_options options = UWSK_WORLD_OPTIONS_INITIALIZER;
    const char *folder = getenv("UWSK_EXPLORE_DRIVERS");
    char text[1000];

    options.detail = options.trace = detail;
    EXPECT_STATUS(uwsk_world_create(&options, &world, &problem), 0);
    snprintf(text, sizeof text, "%s/%s.so", folder ? folder : ".", driver);
    EXPECT_STATUS(uwsk_world_driver(world, text, &problem), 0);
    snprintf(text, sizeof text, "Case=dword:%u", number);
    EXPECT_STATUS(uwsk_world_registry(world, text, &problem), 0);
    snprintf(text, sizeof text, "Sound=dword:%d", sound);
    EXPECT_STATUS(uwsk_world_registry(world, text, &problem), 0);
}

static struct uwsk_world_result run(uint64_t seed)
{
    struct uwsk_world_result result;
    int32_t status;

    uwsk_world_reseed(world, seed);
    status = uwsk_world_run(world, NULL, NULL, &result, &problem);
    if (status)
        TEST_NOTE("%s", problem.text);
    EXPECT_STATUS(status, 0);
    return result;
}

static unsigned number_of(const char *name)
{
    unsigned number = 0;

    while (number < CASES && strcmp(cases[number].name, name) != 0)
        number++;
    EXPECT(number < CASES);
    return number;
}

static void expect_sound(const char *driver, unsigned number)
{
    create(driver, number, 1, 0);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct uwsk_world_result result = run(seed);

        if (result.kind)
            TEST_NOTE("%s, seed %llu: %s: %s", cases[number].name, (unsigned long long)seed, result.kind,
                      result.text);
        EXPECT(result.kind == NULL);
    }
    uwsk_world_destroy(world);
}

/* Every run shows it: what is missing is the order, whatever comes first. */
static void expect_found(const char *driver, unsigned number)
{
    create(driver, number, 0, 0);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct uwsk_world_result result = run(seed);

        if (!result.kind || !cases[number].kind || strcmp(result.kind, cases[number].kind) != 0)
            TEST_NOTE("%s, seed %llu: %s", cases[number].name, (unsigned long long)seed,
                      result.kind ? result.text : "nothing");
        if (!cases[number].kind)
            EXPECT(result.kind == NULL);
        else
            EXPECT_STR(result.kind ? result.kind : "nothing", cases[number].kind);
    }
    uwsk_world_destroy(world);
}

static void all_sound(const char *driver)
{
    for (unsigned number = 0; number < CASES; number++)
        expect_sound(driver, number);
}

static void all_found(const char *driver)
{
    for (unsigned number = 0; number < CASES; number++)
        if (strcmp(cases[number].name, "FreedWhileUsed") != 0)
            expect_found(driver, number);
}

TEST(memory_in_order_is_clean_gcc, "")
{
    all_sound("explore_order_gcc");
}

TEST(memory_in_order_is_clean_clang, "")
{
    all_sound("explore_order_clang");
}

TEST(memory_in_order_is_clean_cplusplus, "")
{
    all_sound("explore_order_gcc_cplusplus");
    all_sound("explore_order_clang_cplusplus");
}

TEST(memory_out_of_order_is_found_gcc, "")
{
    all_found("explore_order_gcc");
}

TEST(memory_out_of_order_is_found_clang, "")
{
    all_found("explore_order_clang");
}

TEST(memory_out_of_order_is_found_cplusplus, "")
{
    all_found("explore_order_gcc_cplusplus");
    all_found("explore_order_clang_cplusplus");
}

/* Freed before the use or after it: the one is a use of freed memory, the other a race with it. */
TEST(memory_freed_while_used, "")
{
    unsigned number = number_of("FreedWhileUsed");

    create("explore_order_gcc", number, 0, 0);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct uwsk_world_result result = run(seed);

        EXPECT(result.kind != NULL);
        EXPECT(strcmp(result.kind, "use-after-free") == 0 ||
               (strcmp(result.kind, "data-race") == 0 && strstr(result.text, " frees in ")));
    }
    uwsk_world_destroy(world);
}

/* What WSK lends to a driver with received bytes is the next connection's when it was given back: no race. */
TEST(memory_that_was_lent_begins_anew, "")
{
    create("explore_lent", 0, 1, 0);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct uwsk_world_result result = run(seed);

        if (result.kind)
            TEST_NOTE("seed %llu: %s: %s", (unsigned long long)seed, result.kind, result.text);
        EXPECT(result.kind == NULL);
    }
    uwsk_world_destroy(world);
}

TEST(memory_that_was_lent_is_not_to_be_looked_at_later, "")
{
    unsigned found = 0;

    create("explore_lent", 0, 0, 0);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct uwsk_world_result result = run(seed);

        if (!result.kind) /* no bytes, or nobody left before the unload */
            continue;
        TEST_NOTE("seed %llu: %s", (unsigned long long)seed, result.text);
        EXPECT(strcmp(result.kind, "use-after-free") == 0 || strcmp(result.kind, "data-race") == 0);
        found += strstr(result.text, "byte 0 of received bytes") != NULL;
    }
    EXPECT(found > 0);
    uwsk_world_destroy(world);
}

/* Both stacks, and what the memory is. */
TEST(memory_race_is_told_with_both_stacks, "")
{
    struct uwsk_world_result result;

    create("explore_order_gcc", number_of("Event"), 0, 1);
    result = run(3);
    EXPECT_STR(result.kind, "data-race");
    TEST_NOTE("%s", result.text);
    EXPECT(strstr(result.text, "Put+") != NULL);
    EXPECT(strstr(result.text, "EventFirst") != NULL || strstr(result.text, "EventSecond") != NULL);
    EXPECT(strstr(result.text, "at step ") != NULL);
    EXPECT(strstr(result.text, "Value") != NULL);
    uwsk_world_destroy(world);
}

TEST(memory_freed_is_told_with_its_life, "")
{
    struct uwsk_world_result result;

    create("explore_order_gcc", number_of("Freed"), 0, 1);
    result = run(3);
    EXPECT_STR(result.kind, "use-after-free");
    TEST_NOTE("%s", result.text);
    EXPECT(strstr(result.text, "byte 36 of a block of 40 bytes") != NULL);
    EXPECT(strstr(result.text, "it was freed, at step ") != NULL);
    EXPECT(strstr(result.text, "it was allocated, at step ") != NULL);
    uwsk_world_destroy(world);
}

/* A run with memory watched is as repeatable as any other, in detail or not. */
TEST(memory_same_seed_same_run, "")
{
    uint64_t hash[12];

    create("explore_order_clang", number_of("ReadByMany"), 1, 0);
    for (uint64_t seed = 0; seed < 12; seed++)
        hash[seed] = run(seed + 1).hash;
    uwsk_world_destroy(world);
    create("explore_order_clang", number_of("ReadByMany"), 1, 1);
    for (uint64_t seed = 12; seed-- > 0;)
        EXPECT_EQ(run(seed + 1).hash, hash[seed]);
    uwsk_world_destroy(world);
}

/* The same file in a run without the simulator is an ordinary driver. */
TEST(memory_schedules_at_every_access, "")
{
    struct uwsk_world_result watched, unwatched;

    create("explore_order_gcc", number_of("CopiedMemory"), 1, 0);
    watched = run(1);
    EXPECT(watched.kind == NULL);
    uwsk_world_destroy(world);
    create("explore_order_plain", number_of("CopiedMemory"), 1, 0);
    unwatched = run(1);
    EXPECT(unwatched.kind == NULL);
    uwsk_world_destroy(world);
    EXPECT(watched.steps > unwatched.steps);
}
