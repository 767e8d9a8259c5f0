/*
 * test_list.c - doubly linked lists and their checks, lists under a spin lock, sequenced lists (K-LIST).
 *
 * Strategy: the rules one by one on one thread; then threads that pop, free and push again.  They give every
 * page of an entry back at once, so that a pop that still reads the link of an entry that is gone faults.
 */
#include <wdm.h>

#include "bugcheck.h"
#include "host/host.h"
#include "uwsk_test.h"

#include <string.h>

TEST(list_entry_basics, "K-LIST-01")
{
    LIST_ENTRY head, a, b, c;

    InitializeListHead(&head);
    EXPECT(head.Flink == &head && head.Blink == &head && IsListEmpty(&head));
    EXPECT(RemoveHeadList(&head) == &head && RemoveTailList(&head) == &head);
    InsertTailList(&head, &b);
    InsertHeadList(&head, &a);
    InsertTailList(&head, &c);
    EXPECT(head.Flink == &a && a.Flink == &b && b.Flink == &c && c.Flink == &head);
    EXPECT(head.Blink == &c && c.Blink == &b && b.Blink == &a && a.Blink == &head);
    EXPECT(!RemoveEntryList(&b));
    EXPECT(RemoveTailList(&head) == &c);
    EXPECT(RemoveEntryList(&a)); /* the list became empty */
    EXPECT(IsListEmpty(&head));
}

TEST(list_insert_checks_neighbours, "K-LIST-07")
{
    LIST_ENTRY head, a, b;

    InitializeListHead(&head);
    InsertTailList(&head, &a);
    a.Flink = &b; /* a link overwritten */
    EXPECT_BUGCHECK(0x139, InsertTailList(&head, &b));
    EXPECT_BUGCHECK_PARAMETER(1, 3);
}

TEST(list_remove_checks_neighbours, "K-LIST-07")
{
    LIST_ENTRY head, a, b;

    InitializeListHead(&head);
    InsertTailList(&head, &a);
    InsertTailList(&head, &b);
    b.Blink = &head;
    EXPECT_BUGCHECK(0x139, RemoveEntryList(&a));
    EXPECT_BUGCHECK_PARAMETER(1, 3);
}

TEST(list_entry_removed_twice, "K-LIST-06")
{
    LIST_ENTRY head, a, b;

    InitializeListHead(&head);
    InsertTailList(&head, &a);
    InsertTailList(&head, &b);
    RemoveEntryList(&a);
    EXPECT_BUGCHECK(0x139, RemoveEntryList(&a));
    EXPECT_BUGCHECK_PARAMETER(1, 3);
}

TEST(list_entry_freed_while_linked, "K-LIST-06")
{
    LIST_ENTRY head, a, b;

    InitializeListHead(&head);
    InsertTailList(&head, &a);
    memset(&a, 0xdd, sizeof(a)); /* what the pool does to a freed block */
    a.Flink = a.Blink = &b;      /* and its next user */
    InitializeListHead(&b);
    EXPECT_BUGCHECK(0x139, RemoveHeadList(&head));
    EXPECT_BUGCHECK_PARAMETER(1, 3);
}

TEST(interlocked_list, "K-LIST-02")
{
    LIST_ENTRY head, a, b, c;
    KSPIN_LOCK lock;
    KIRQL irql;

    InitializeListHead(&head);
    KeInitializeSpinLock(&lock);
    EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == NULL);
    EXPECT(ExInterlockedInsertTailList(&head, &a, &lock) == NULL);
    EXPECT(ExInterlockedInsertTailList(&head, &b, &lock) == &a); /* the former last */
    EXPECT(ExInterlockedInsertHeadList(&head, &c, &lock) == &a); /* the former first */
    EXPECT(KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &c);
    EXPECT(KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeLowerIrql(irql);
    EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &a);
    EXPECT(ExInterlockedInsertHeadList(&head, &a, &lock) == &b);
    EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &a);
    EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &b);
    EXPECT(ExInterlockedInsertHeadList(&head, &a, &lock) == NULL);

    SINGLE_LIST_ENTRY top = {NULL}, one, two;
    EXPECT(ExInterlockedPopEntryList(&top, &lock) == NULL);
    EXPECT(ExInterlockedPushEntryList(&top, &one, &lock) == NULL);
    EXPECT(ExInterlockedPushEntryList(&top, &two, &lock) == &one);
    EXPECT(ExInterlockedPopEntryList(&top, &lock) == &two);
    EXPECT(PopEntryList(&top) == &one && PopEntryList(&top) == NULL);

    ULONG sum = 40;
    EXPECT_EQ(ExInterlockedAddUlong(&sum, 2, &lock), 40);
    EXPECT_EQ(sum, 42);
    LARGE_INTEGER large = {.QuadPart = 0xffffffff}, add = {.QuadPart = 1};
    EXPECT_EQ(ExInterlockedAddLargeInteger(&large, add, &lock).QuadPart, 0xffffffff);
    EXPECT_EQ(large.QuadPart, 0x100000000);
}

/* A driver that holds the lock it passes waits for itself: noticed, not a hang. */
TEST(interlocked_list_with_its_lock_held, "K-LIST-04")
{
    LIST_ENTRY head, a;
    KSPIN_LOCK lock;
    KIRQL irql;

    InitializeListHead(&head);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    ke_set_bugcheck_handler(test_bugcheck_handler);
    test_bugcheck.active = 1;
    if (!__builtin_setjmp(test_bugcheck.jump)) {
        ExInterlockedInsertTailList(&head, &a, &lock);
        EXPECT(!"the call came back");
    }
    EXPECT_NE(test_bugcheck.code, 0);
}

TEST(slist_basics, "K-LIST-05")
{
    SLIST_HEADER head;
    SLIST_ENTRY entries[3];

    EXPECT_EQ(sizeof(SLIST_HEADER), 16);
    EXPECT_EQ(__alignof__(SLIST_HEADER), 16);
    EXPECT_EQ(__alignof__(SLIST_ENTRY), 16);
    InitializeSListHead(&head);
    EXPECT(ExQueryDepthSList(&head) == 0 && FirstEntrySList(&head) == NULL);
    EXPECT(InterlockedPopEntrySList(&head) == NULL && InterlockedFlushSList(&head) == NULL);
    EXPECT(InterlockedPushEntrySList(&head, &entries[0]) == NULL);
    EXPECT(InterlockedPushEntrySList(&head, &entries[1]) == &entries[0]);
    EXPECT(ExInterlockedPushEntrySList(&head, &entries[2], (PKSPIN_LOCK)NULL) == &entries[1]);
    EXPECT(QueryDepthSList(&head) == 3 && FirstEntrySList(&head) == &entries[2]);
    EXPECT(ExInterlockedPopEntrySList(&head, (PKSPIN_LOCK)NULL) == &entries[2]);
    EXPECT(InterlockedPopEntrySList(&head) == &entries[1]);
    EXPECT_EQ(QueryDepthSList(&head), 1);
    InterlockedPushEntrySList(&head, &entries[2]);
    PSLIST_ENTRY all = ExInterlockedFlushSList(&head);
    EXPECT(all == &entries[2] && all->Next == &entries[0] && all->Next->Next == NULL);
    EXPECT(ExQueryDepthSList(&head) == 0 && InterlockedPopEntrySList(&head) == NULL);
    /* the sequence tells this empty list from the one at the start */
    EXPECT(head.HeaderX64.Sequence != 0 && head.HeaderX64.Reserved == 0);
}

#define THREADS 4
#define OWN     3 /* entries that each thread brings */

struct shared_entry {
    SLIST_ENTRY link;
    LONG owners; /* threads that think it is theirs */
};

static SLIST_HEADER shared_list;
static LONG shared_running;
static LONG shared_ready;
static LONG shared_entries;
static long shared_rounds;

static struct shared_entry *new_entry(void)
{
    struct shared_entry *entry = host_pages_allocate(4096, 4096, HOST_PAGE_READ | HOST_PAGE_WRITE);

    EXPECT(entry != NULL);
    return entry;
}

static void take(PSLIST_ENTRY link)
{
    struct shared_entry *entry = (struct shared_entry *)link;

    EXPECT_EQ(InterlockedIncrement(&entry->owners), 1); /* nobody else got it, too */
    EXPECT_EQ(InterlockedDecrement(&entry->owners), 0);
}

static void share(void *unused)
{
    (void)unused;
    for (int i = 0; i < OWN; i++) {
        InterlockedPushEntrySList(&shared_list, &new_entry()->link);
        InterlockedIncrement(&shared_entries);
    }
    InterlockedIncrement(&shared_ready);
    while (InterlockedCompareExchange(&shared_ready, 0, 0) < THREADS) /* all at once */
        YieldProcessor();
    for (long round = 0; round < shared_rounds; round++) {
        if (round % 64 == 63) { /* now and then all of them */
            PSLIST_ENTRY next = InterlockedFlushSList(&shared_list);
            while (next) {
                PSLIST_ENTRY entry = next;
                next = next->Next;
                take(entry);
                InterlockedPushEntrySList(&shared_list, entry);
            }
            continue;
        }
        PSLIST_ENTRY entry = InterlockedPopEntrySList(&shared_list);
        if (!entry)
            continue;
        take(entry);
        if (round % 256 == 0) { /* the entry and its memory are gone */
            host_pages_free(entry, 4096);
            entry = &new_entry()->link;
        }
        InterlockedPushEntrySList(&shared_list, entry);
    }
    InterlockedDecrement(&shared_running);
}

TEST(slist_shared_by_threads, "K-LIST-05", TEST_TIMEOUT(120))
{
    PSLIST_ENTRY entry;

    InitializeSListHead(&shared_list);
    shared_rounds = test_scale(8000000);
    shared_running = THREADS;
    for (int i = 0; i < THREADS; i++)
        EXPECT_EQ(host_thread_start(share, NULL, "sharer", 0), 0);
    long long until = test_now_ms() + 100000;
    while (InterlockedCompareExchange(&shared_running, 0, 0) && test_now_ms() < until)
        test_sleep_ms(1);
    EXPECT_EQ(InterlockedCompareExchange(&shared_running, 0, 0), 0);
    EXPECT_EQ(ExQueryDepthSList(&shared_list), THREADS * OWN);
    while ((entry = InterlockedPopEntrySList(&shared_list)) != NULL)
        shared_entries--;
    EXPECT_EQ(shared_entries, 0); /* none lost, none twice */
    EXPECT_EQ(ExQueryDepthSList(&shared_list), 0);
}

static LIST_ENTRY locked_list;
static KSPIN_LOCK locked_lock;

static void share_locked(void *unused)
{
    LIST_ENTRY own[OWN];

    (void)unused;
    for (int i = 0; i < OWN; i++)
        ExInterlockedInsertTailList(&locked_list, &own[i], &locked_lock);
    for (long round = 0; round < shared_rounds; round++) {
        PLIST_ENTRY entry = ExInterlockedRemoveHeadList(&locked_list, &locked_lock);
        if (entry && round % 2)
            ExInterlockedInsertHeadList(&locked_list, entry, &locked_lock);
        else if (entry)
            ExInterlockedInsertTailList(&locked_list, entry, &locked_lock);
    }
    InterlockedDecrement(&shared_running);
    while (InterlockedCompareExchange(&shared_running, 0, 0) >= 0) /* the entries lie on this stack */
        test_sleep_ms(1);
}

TEST(interlocked_list_shared_by_threads, "K-LIST-02", TEST_TIMEOUT(120))
{
    int entries = 0;

    InitializeListHead(&locked_list);
    KeInitializeSpinLock(&locked_lock);
    shared_rounds = test_scale(200000);
    shared_running = THREADS;
    for (int i = 0; i < THREADS; i++)
        EXPECT_EQ(host_thread_start(share_locked, NULL, "sharer", 0), 0);
    long long until = test_now_ms() + 100000;
    while (InterlockedCompareExchange(&shared_running, 0, 0) && test_now_ms() < until)
        test_sleep_ms(1);
    EXPECT_EQ(InterlockedCompareExchange(&shared_running, 0, 0), 0);
    while (ExInterlockedRemoveHeadList(&locked_list, &locked_lock))
        entries++;
    EXPECT_EQ(entries, THREADS * OWN);
    InterlockedExchange(&shared_running, -1);
}
