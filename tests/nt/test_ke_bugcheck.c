/*
 * test_ke_bugcheck.c - the end: one report, whoever else comes to grief meanwhile.
 */
#include "ke_test.h"

static uint32_t reports, arrived;

static void report_slowly(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4, void *caller)
{
    (void)code, (void)caller;
    EXPECT_EQ(p1, 1);
    EXPECT_EQ(p2, 2);
    EXPECT_EQ(p3, 3);
    EXPECT_EQ(p4, 4);
    __atomic_fetch_add(&reports, 1, __ATOMIC_RELEASE);
    for (;;)
        host_yield();
}

static VOID crash(PVOID context)
{
    (void)context;
    __atomic_fetch_add(&arrived, 1, __ATOMIC_RELEASE);
    KeBugCheckEx(MANUALLY_INITIATED_CRASH, 1, 2, 3, 4);
}

TEST(only_the_first_bug_check_is_reported, "")
{
    ke_set_bugcheck_handler(report_slowly);
    for (int i = 0; i < 4; i++)
        (void)start_thread(crash, NULL);
    EXPECT_SOON(__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) == 4);
    EXPECT_SOON(__atomic_load_n(&reports, __ATOMIC_ACQUIRE) == 1);
    sleep_ms(20);
    EXPECT_EQ(__atomic_load_n(&reports, __ATOMIC_ACQUIRE), 1);
}

BUG_TEST(bug_check_without_parameters, "", MANUALLY_INITIATED_CRASH, 0)
{
    KeBugCheck(MANUALLY_INITIATED_CRASH);
}
