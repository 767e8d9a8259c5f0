/*
 * cm_memory.c - the registry when memory is short.
 */
#include "fs_host.h"
#include "ke_test.h"

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
