/*
 * list.c - lists that several threads share: sequenced singly linked lists, lists under a spin lock, and sums
 * under one.
 *
 * A sequenced list (SLIST_HEADER) is changed by one 16-byte compare-and-exchange; a sequence number that
 * grows with every change keeps a slow thread from mistaking a new first entry for the old one (K-LIST-05).
 * To take the first entry off, a thread must read its link; on Windows the entry may meanwhile be freed, and
 * the kernel mends the page fault that the read may cause.  Here a thread that pops claims the list first, by
 * a bit of the header that aligned entries leave free: as long as it is set nobody else removes, so that the
 * link stays readable, while pushes go on.
 */
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "host/sanitizer.h"

/* In Region: a thread is popping. */
#define CLAIMED     1ull
#define LINK_MASK   (~15ull)
#define DEPTH_MASK  0xffffull
#define ONE_CHANGE  0x10000ull
#define CLAIM_SPINS 200

struct slist_word {
    ULONGLONG alignment; /* depth in 16 bits, sequence in 48 */
    ULONGLONG region;    /* address of the first entry, and CLAIMED */
};

/* Both halves; not one step, so that the exchange may have to correct it. */
static struct slist_word slist_read(PSLIST_HEADER head)
{
    struct slist_word word;

    word.alignment = __atomic_load_n(&head->Alignment, __ATOMIC_ACQUIRE);
    word.region = __atomic_load_n(&head->Region, __ATOMIC_ACQUIRE);
    return word;
}

/* Stores wanted when the header is *expected; else *expected becomes what it is.  Not a builtin: gcc's calls
 * libatomic, and clang's does so unless the whole file is compiled for cx16. */
static BOOLEAN slist_exchange(PSLIST_HEADER head, struct slist_word *expected, struct slist_word wanted)
{
    host_point(HOST_POINT_ATOMIC, head);
#if HOST_TSAN
    /* It must see the exchange, or it would miss what the list orders. */
    unsigned __int128 __tsan_atomic128_compare_exchange_val(volatile unsigned __int128 *, unsigned __int128,
                                                            unsigned __int128, int, int);
    unsigned __int128 before = (unsigned __int128)expected->region << 64 | expected->alignment;
    unsigned __int128 after = (unsigned __int128)wanted.region << 64 | wanted.alignment;
    unsigned __int128 found = __tsan_atomic128_compare_exchange_val(
        (volatile unsigned __int128 *)head, before, after, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    expected->alignment = (ULONGLONG)found;
    expected->region = (ULONGLONG)(found >> 64);
    return found == before;
#else
    BOOLEAN done;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(struct slist_word *)head), "+a"(expected->alignment),
                       "+d"(expected->region)
                     : "b"(wanted.alignment), "c"(wanted.region)
                     : "memory");
    return done;
#endif
}

static PSLIST_ENTRY slist_first(struct slist_word word)
{
    return (PSLIST_ENTRY)(ULONG_PTR)(word.region & LINK_MASK);
}

/* The header one change later, with this depth and first entry. */
static struct slist_word slist_next(struct slist_word word, ULONGLONG depth, ULONGLONG region)
{
    struct slist_word next = {((word.alignment & ~DEPTH_MASK) + ONE_CHANGE) | (depth & DEPTH_MASK), region};

    return next;
}

/* The thread that popped is only a few instructions from done: spin, then let others run. */
static void slist_wait(unsigned *tries)
{
    if (++*tries < CLAIM_SPINS)
        host_cpu_relax();
    else
        host_yield();
}

/* Links an entry in front; returns the former first one.  Any IRQL.  Page: ExInterlockedPushEntrySList (wdm).
 */
PSLIST_ENTRY NTAPI ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry)
{
    struct slist_word word = slist_read(ListHead), next;

    KE_ASSERT(((ULONG_PTR)ListHead & 15) == 0 && ((ULONG_PTR)ListEntry & 15) == 0); /* K-LIST-05 */
    do {
        ListEntry->Next = slist_first(word);
        next = slist_next(word, word.alignment + 1, (ULONG_PTR)ListEntry | (word.region & CLAIMED));
    } while (!slist_exchange(ListHead, &word, next));
    return slist_first(word);
}

PSLIST_ENTRY ex_pop_entry_slist(PSLIST_HEADER head)
{
    struct ke_thread *thread = ke_current_thread();
    struct slist_word word = slist_read(head), next;
    unsigned tries = 0;

    thread->internal_locks++; /* a claim is a lock: no __try of the driver's takes a fault while it is held */
    do {                      /* claim the list */
        for (; word.region & CLAIMED; word = slist_read(head))
            slist_wait(&tries);
        if (!slist_first(word)) {
            thread->internal_locks--;
            return NULL; /* empty at some moment of this call: a header without an entry is never claimed */
        }
        next = slist_next(word, word.alignment, word.region | CLAIMED);
    } while (!slist_exchange(head, &word, next));
    word = next;
    do /* meanwhile others may push, nothing else */
        next = slist_next(word, word.alignment - 1, (ULONG_PTR)slist_first(word)->Next);
    while (!slist_exchange(head, &word, next));
    thread->internal_locks--;
    return slist_first(word);
}

/* Takes the first entry off; NULL when there is none.  Any IRQL.  Page: ExInterlockedPopEntrySList (wdm). */
PSLIST_ENTRY NTAPI ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead)
{
    return ex_pop_entry_slist(ListHead);
}

/* Takes all entries off and returns the first, linked to the others.  Any IRQL.  Page:
 * ExInterlockedFlushSList. */
PSLIST_ENTRY NTAPI ExpInterlockedFlushSList(PSLIST_HEADER ListHead)
{
    struct slist_word word = slist_read(ListHead);
    unsigned tries = 0;

    do {
        for (; word.region & CLAIMED; word = slist_read(ListHead))
            slist_wait(&tries);
        if (!slist_first(word))
            return NULL;
    } while (!slist_exchange(ListHead, &word, slist_next(word, 0, 0)));
    return slist_first(word);
}

/* Entries at this moment, modulo 65536.  Any IRQL.  Page: ExQueryDepthSList (wdm). */
USHORT NTAPI ExQueryDepthSList(PSLIST_HEADER ListHead)
{
    return (USHORT)(__atomic_load_n(&ListHead->Alignment, __ATOMIC_RELAXED) & DEPTH_MASK);
}

/* ---- under a spin lock: the driver uses it for nothing else and does not hold it (K-LIST-03, K-LIST-04) ---- */

/* At DISPATCH_LEVEL and above the level stays. */
static KIRQL acquire(PKSPIN_LOCK lock)
{
    KIRQL irql = ke_current_irql();

    if (irql < DISPATCH_LEVEL)
        return ke_acquire_spin_lock(lock);
    ke_acquire_spin_lock_at_dpc_level(lock);
    return irql;
}

static void release(PKSPIN_LOCK lock, KIRQL irql)
{
    if (irql < DISPATCH_LEVEL)
        ke_release_spin_lock(lock, irql);
    else
        ke_release_spin_lock_from_dpc_level(lock);
}

/* Links an entry in front; returns the former first one, NULL when the list was empty (K-LIST-02).  Any IRQL.
 */
PLIST_ENTRY NTAPI ExInterlockedInsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry, PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    PLIST_ENTRY first = IsListEmpty(ListHead) ? NULL : ListHead->Flink;

    InsertHeadList(ListHead, ListEntry);
    release(Lock, irql);
    return first;
}

/* Links an entry at the end; returns the former last one, NULL when the list was empty (K-LIST-02).  Any
 * IRQL. */
PLIST_ENTRY NTAPI ExInterlockedInsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry, PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    PLIST_ENTRY last = IsListEmpty(ListHead) ? NULL : ListHead->Blink;

    InsertTailList(ListHead, ListEntry);
    release(Lock, irql);
    return last;
}

/* Takes the first entry off; NULL when there is none (K-LIST-02).  Any IRQL. */
PLIST_ENTRY NTAPI ExInterlockedRemoveHeadList(PLIST_ENTRY ListHead, PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    PLIST_ENTRY first = IsListEmpty(ListHead) ? NULL : RemoveHeadList(ListHead);

    release(Lock, irql);
    return first;
}

PSINGLE_LIST_ENTRY NTAPI ExInterlockedPopEntryList(PSINGLE_LIST_ENTRY ListHead, PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    PSINGLE_LIST_ENTRY first = PopEntryList(ListHead);

    release(Lock, irql);
    return first;
}

PSINGLE_LIST_ENTRY NTAPI ExInterlockedPushEntryList(PSINGLE_LIST_ENTRY ListHead, PSINGLE_LIST_ENTRY ListEntry,
                                                    PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    PSINGLE_LIST_ENTRY first = ListHead->Next;

    PushEntryList(ListHead, ListEntry);
    release(Lock, irql);
    return first;
}

/* Adds; returns the former value.  Any IRQL. */
ULONG NTAPI ExInterlockedAddUlong(PULONG Addend, ULONG Increment, PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    ULONG before = *Addend;

    *Addend = before + Increment;
    release(Lock, irql);
    return before;
}

LARGE_INTEGER NTAPI ExInterlockedAddLargeInteger(PLARGE_INTEGER Addend, LARGE_INTEGER Increment,
                                                 PKSPIN_LOCK Lock)
{
    KIRQL irql = acquire(Lock);
    LARGE_INTEGER before = *Addend;

    Addend->QuadPart = before.QuadPart + Increment.QuadPart;
    release(Lock, irql);
    return before;
}
