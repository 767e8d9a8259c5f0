/*
 * memory_short.c - the registry and the account when memory is short.
 */
#include "fs_host.h"
#include "ke_test.h"
#include "runner/runner.h"

enum { SMALLEST = 64, SIZES = 4, KEPT = 3 };

/* The keys that every machine has are all there afterwards, even when only the first few could be made at first. */
TEST(cm_half_a_planting_is_completed, "")
{
    PVOID kept[SIZES][KEPT];

    EXPECT_EQ(ke_current_irql(), PASSIVE_LEVEL); /* this thread has its object */
    for (unsigned size = 0; size < SIZES; size++)
        for (unsigned i = 0; i < KEPT; i++)
            EXPECT((kept[size][i] = ke_allocate(SMALLEST << size)) != NULL);
    disk_refuse_memory(1);
    for (unsigned size = 0; size < SIZES; size++)
        while (ke_allocate(SMALLEST << size))
            ;
    for (unsigned size = 0; size < SIZES; size++)
        for (unsigned i = 0; i < KEPT; i++)
            ke_free(kept[size][i], SMALLEST << size);
    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, (PWSTR)L""), STATUS_INSUFFICIENT_RESOURCES);
    disk_refuse_memory(0);
    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, (PWSTR)L""), STATUS_SUCCESS);
    EXPECT_STATUS(RtlCheckRegistryKey(RTL_REGISTRY_USER, (PWSTR)L""), STATUS_SUCCESS);
}

static char told[256];

static void one_line(void *context, const char *text)
{
    ++*(unsigned *)context;
    strncpy(told, text, sizeof told - 1);
}

/* What the account had no memory for is at least counted. */
TEST(account_tells_what_it_could_not_record, "")
{
    static int objects[3];
    unsigned lines = 0;

    EXPECT_EQ(runner_account_start(), 0);
    EXPECT_EQ(uwsk_account_report(NULL, one_line, &lines), 0);
    EXPECT_EQ(lines, 0);
    disk_refuse_memory(1);
    for (unsigned i = 0; i < ARRAYSIZE(objects); i++)
        OBSERVE(born, OBSERVE_TIMER, &objects[i], 0, sizeof objects[i], __builtin_return_address(0));
    disk_refuse_memory(0);
    EXPECT_EQ(uwsk_account_report(NULL, one_line, &lines), 0);
    EXPECT_EQ(lines, 1);
    EXPECT_STR(
        told, "  ... and 3 objects that could not be recorded, for want of memory: some of them may be left");
    runner_account_stop();
}
