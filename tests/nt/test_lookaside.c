/*
 * Lookaside lists.
 */
#include "bugcheck.h"
#include "nt/ex/ex.h"
#include <string.h>

#define TAG 'kooL'

static SIZE_T driver_blocks(void)
{
    SIZE_T blocks, bytes;

    ex_pool_driver_usage(&blocks, &bytes);
    return blocks;
}

TEST(list_before_pool, "K-LOOK-01 K-LOOK-02 K-LOOK-04 D-21")
{
    NPAGED_LOOKASIDE_LIST list;
    PUCHAR a, b;

    ExInitializeNPagedLookasideList(&list, NULL, NULL, POOL_NX_ALLOCATION, 200, TAG, 0);
    EXPECT_EQ(ex_lookaside_outstanding(), 1);
    EXPECT_EQ(list.L.Size, 200);
    EXPECT_EQ(list.L.Tag, TAG);
    EXPECT_EQ(list.L.Type, NonPagedPoolNx);
    a = ExAllocateFromNPagedLookasideList(&list);
    b = ExAllocateFromNPagedLookasideList(&list);
    EXPECT(a && b && a != b);
    EXPECT_EQ(driver_blocks(), 2);
    memset(a, 0x11, 200);
    memset(b, 0x22, 200);
    ExFreeToNPagedLookasideList(&list, a);
    ExFreeToNPagedLookasideList(&list, b);
    EXPECT_EQ(driver_blocks(), 2);
    EXPECT(ExAllocateFromNPagedLookasideList(&list) == b); /* newest first */
    EXPECT(ExAllocateFromNPagedLookasideList(&list) == a);
    for (ULONG i = sizeof(PVOID); i < 200; i++) {
        EXPECT_EQ(a[i], 0x11); /* content stays, but for the link */
        EXPECT_EQ(b[i], 0x22);
    }
    ExFreeToNPagedLookasideList(&list, a);
    ExFreePoolWithTag(b, TAG); /* an entry is an ordinary block of the list's tag */
    ExDeleteNPagedLookasideList(&list);
    EXPECT_EQ(driver_blocks(), 0);
    EXPECT_EQ(ex_lookaside_outstanding(), 0);
}

TEST(surplus_goes_to_the_pool, "K-LOOK-02")
{
    PAGED_LOOKASIDE_LIST list;
    PVOID entries[500];

    ExInitializePagedLookasideList(&list, NULL, NULL, 0, 64, TAG, 0);
    for (ULONG i = 0; i < 500; i++)
        entries[i] = ExAllocateFromPagedLookasideList(&list);
    for (ULONG i = 0; i < 500; i++)
        ExFreeToPagedLookasideList(&list, entries[i]);
    EXPECT_EQ(driver_blocks(), list.L.Depth);
    EXPECT(list.L.Depth > 0 && list.L.Depth <= list.L.MaximumDepth);
    ExDeletePagedLookasideList(&list);
    EXPECT_EQ(driver_blocks(), 0);
}

static ULONG allocated, freed;
static PLOOKASIDE_LIST_EX list_seen;
static UCHAR memory[2][64] __attribute__((aligned(16)));

static PVOID NTAPI own_allocate(POOL_TYPE type, SIZE_T bytes, ULONG tag, PLOOKASIDE_LIST_EX list)
{
    EXPECT_EQ(type, NonPagedPoolNx);
    EXPECT_EQ(tag, TAG);
    EXPECT_EQ(bytes, list->L.Size);
    list_seen = list;
    return allocated < 2 ? memory[allocated++] : NULL;
}

static VOID NTAPI own_free(PVOID entry, PLOOKASIDE_LIST_EX list)
{
    EXPECT(entry == memory[0] || entry == memory[1]);
    EXPECT(list == list_seen);
    freed++;
}

TEST(custom_allocators_get_the_list, "D-21 K-LOOK-01")
{
    LOOKASIDE_LIST_EX list;
    PVOID a, b;

    EXPECT_STATUS(ExInitializeLookasideListEx(&list, own_allocate, own_free, NonPagedPoolNx, 0, 48, TAG, 0),
                  STATUS_SUCCESS);
    EXPECT_EQ(list.L.Size, 48);
    a = ExAllocateFromLookasideListEx(&list);
    b = ExAllocateFromLookasideListEx(&list);
    EXPECT(a == memory[0] && b == memory[1] && list_seen == &list);
    EXPECT(ExAllocateFromLookasideListEx(&list) == NULL); /* failure is NULL */
    ExFreeToLookasideListEx(&list, a);
    EXPECT(ExAllocateFromLookasideListEx(&list) == a);
    ExFreeToLookasideListEx(&list, a);
    EXPECT_EQ(freed, 0);
    ExFlushLookasideListEx(&list);
    EXPECT_EQ(freed, 1);
    ExFreeToLookasideListEx(&list, b);
    ExDeleteLookasideListEx(&list);
    EXPECT_EQ(freed, 2);
}

TEST(ex_list_takes_from_pool_by_default, "K-LOOK-01")
{
    LOOKASIDE_LIST_EX list;
    PVOID entry;

    EXPECT_STATUS(ExInitializeLookasideListEx(&list, NULL, NULL, PagedPool, 4, 48, TAG, 0),
                  STATUS_INVALID_PARAMETER_5);
    EXPECT_STATUS(ExInitializeLookasideListEx(&list, NULL, NULL, PagedPool,
                                              EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE, 48, TAG, 0),
                  STATUS_SUCCESS);
    entry = ExAllocateFromLookasideListEx(&list);
    EXPECT(entry != NULL);
    ExFreeToLookasideListEx(&list, entry);
    EXPECT_EQ(driver_blocks(), 1);
    ExDeleteLookasideListEx(&list);
    EXPECT_EQ(driver_blocks(), 0);
}

static int fail_pool(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_POOL;
}

TEST(failure_is_null, "K-LOOK-01")
{
    NPAGED_LOOKASIDE_LIST list;

    ExInitializeNPagedLookasideList(&list, NULL, NULL, POOL_NX_ALLOCATION, 64, TAG, 0);
    host_set_fault_plan(fail_pool, NULL);
    EXPECT(ExAllocateFromNPagedLookasideList(&list) == NULL);
    host_set_fault_plan(NULL, NULL);
    ExDeleteNPagedLookasideList(&list);
}

static NPAGED_LOOKASIDE_LIST shared;
static volatile LONG finished;

static void churn(void *context)
{
    long rounds = test_scale(200000);

    while (rounds--) {
        ULONG_PTR *entry = ExAllocateFromNPagedLookasideList(&shared);

        EXPECT(entry != NULL);
        entry[1] = entry[2] = (ULONG_PTR)context;
        if (rounds % 16 == 0)
            host_yield();
        EXPECT_EQ(entry[1], context); /* nobody else has it meanwhile */
        EXPECT_EQ(entry[2], context);
        ExFreeToNPagedLookasideList(&shared, entry);
    }
    InterlockedIncrement(&finished);
}

TEST(threads_share_a_list, "K-LOOK-03", TEST_TIMEOUT(120))
{
    ExInitializeNPagedLookasideList(&shared, NULL, NULL, POOL_NX_ALLOCATION, 64, TAG, 0);
    for (ULONG_PTR i = 1; i <= 4; i++)
        EXPECT_EQ(host_thread_start(churn, (void *)i, "churn", 0), 0);
    while (ReadAcquire(&finished) < 4)
        test_sleep_ms(1);
    ExDeleteNPagedLookasideList(&shared);
    EXPECT_EQ(driver_blocks(), 0);
}
