/*
 * slist_claim.c - a sequenced list keeps the first entry alive while a thread reads its link (K-LIST-05).
 *
 * Strategy: the first entry lies in a page that stops the popping thread at the very moment it reads the
 * link.  While it stands there, another thread must not get that entry (it might free it), but a push must go
 * through.
 */
#include <wdm.h>

#include "host/host.h"
#include "uwsk_test.h"

void *fault_page(void);
int fault_arm(void (*hook)(void));

static SLIST_HEADER list;
static SLIST_ENTRY bottom, late;
static PSLIST_ENTRY others; /* what the other thread got */
static LONG other_may_start;
static LONG other_done;
static LONG stops;
static int flushes; /* the other thread flushes instead of popping */

static void other(void *unused)
{
    (void)unused;
    while (!InterlockedCompareExchange(&other_may_start, 0, 0))
        test_sleep_ms(1);
    others = flushes ? InterlockedFlushSList(&list) : InterlockedPopEntrySList(&list);
    InterlockedExchange(&other_done, 1);
}

static void while_reading(void)
{
    stops++;
    InterlockedExchange(&other_may_start, 1);
    for (int i = 0; i < 50; i++) {
        EXPECT_EQ(InterlockedCompareExchange(&other_done, 0, 0), 0);
        test_sleep_ms(1);
    }
    EXPECT(InterlockedPushEntrySList(&list, &late) != NULL);
}

/* Pops with another thread in between; returns what this thread got. */
static PSLIST_ENTRY pop_against_other(PSLIST_ENTRY first)
{
    InitializeSListHead(&list);
    InterlockedPushEntrySList(&list, &bottom);
    InterlockedPushEntrySList(&list, first);
    EXPECT_EQ(host_thread_start(other, NULL, "other", 0), 0);
    EXPECT_EQ(fault_arm(while_reading), 0);
    PSLIST_ENTRY mine = InterlockedPopEntrySList(&list);
    EXPECT_EQ(stops, 1);
    EXPECT_SOON(InterlockedCompareExchange(&other_done, 0, 0));
    return mine;
}

TEST(slist_entry_stays_while_its_link_is_read, "K-LIST-05")
{
    PSLIST_ENTRY first = fault_page();

    EXPECT(first != NULL);
    EXPECT(pop_against_other(first) == &late); /* pushed meanwhile: the first one now */
    EXPECT(others == first);
    EXPECT_EQ(ExQueryDepthSList(&list), 1);
    EXPECT(InterlockedPopEntrySList(&list) == &bottom && InterlockedPopEntrySList(&list) == NULL);
}

TEST(slist_flush_waits_for_a_pop, "K-LIST-05")
{
    PSLIST_ENTRY first = fault_page();

    EXPECT(first != NULL);
    flushes = 1;
    EXPECT(pop_against_other(first) == &late);
    EXPECT(others == first && first->Next == &bottom && bottom.Next == NULL);
    EXPECT_EQ(ExQueryDepthSList(&list), 0);
}
