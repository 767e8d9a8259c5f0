/*
 * test_rundown.c - run-down protection, plain and cache-aware.
 */
#include "ke_test.h"

TEST(rundown_grants_until_it_begins, "K-RUND-01 K-RUND-02 K-RUND-04 K-RUND-06 K-RUND-07")
{
    EX_RUNDOWN_REF ref;
    KIRQL old;

    ExInitializeRundownProtection(&ref);
    EXPECT_EQ(ref.Count, 0);
    EXPECT_EQ(sizeof ref, 8);
    old = KeRaiseIrqlToDpcLevel();
    EXPECT(ExAcquireRundownProtection(&ref));
    EXPECT(ExAcquireRundownProtectionEx(&ref, 3));
    ExReleaseRundownProtectionEx(&ref, 2);
    ExReleaseRundownProtection(&ref);
    ExReleaseRundownProtection(&ref);
    KeLowerIrql(old);
    EXPECT_EQ(ref.Count, 0);
    ExWaitForRundownProtectionRelease(&ref); /* no grants: at once */
    EXPECT(!ExAcquireRundownProtection(&ref));
    EXPECT(!ExAcquireRundownProtectionEx(&ref, 2));
    ExWaitForRundownProtectionRelease(&ref); /* run down already: at once */
    ExReInitializeRundownProtection(&ref);
    EXPECT(ExAcquireRundownProtection(&ref));
    ExReleaseRundownProtection(&ref);
}

TEST(rundown_completed, "K-RUND-05")
{
    EX_RUNDOWN_REF ref;

    ExInitializeRundownProtection(&ref);
    ExRundownCompleted(&ref);
    EXPECT(!ExAcquireRundownProtection(&ref));
    ExWaitForRundownProtectionRelease(&ref);
}

TEST(cache_aware_rundown, "K-RUND-07")
{
    PEX_RUNDOWN_REF_CACHE_AWARE ref = ExAllocateCacheAwareRundownProtection(NonPagedPoolNx, 'nuRT');
    UCHAR storage[4096] __attribute__((aligned(64)));

    EXPECT(ref != NULL);
    EXPECT(ExAcquireRundownProtectionCacheAware(ref));
    EXPECT(ExAcquireRundownProtectionCacheAwareEx(ref, 2));
    ExReleaseRundownProtectionCacheAwareEx(ref, 2);
    ExReleaseRundownProtectionCacheAware(ref);
    ExWaitForRundownProtectionReleaseCacheAware(ref);
    EXPECT(!ExAcquireRundownProtectionCacheAware(ref));
    ExReInitializeRundownProtectionCacheAware(ref);
    EXPECT(ExAcquireRundownProtectionCacheAware(ref));
    ExReleaseRundownProtectionCacheAware(ref);
    ExRundownCompletedCacheAware(ref);
    EXPECT(!ExAcquireRundownProtectionCacheAware(ref));
    ExFreeCacheAwareRundownProtection(ref);
    EXPECT(ExSizeOfRundownProtectionCacheAware() <= sizeof storage);
    ref = (PEX_RUNDOWN_REF_CACHE_AWARE)storage;
    ExInitializeRundownProtectionCacheAware(ref, sizeof storage);
    EXPECT(ExAcquireRundownProtectionCacheAware(ref));
    ExReleaseRundownProtectionCacheAware(ref);
}

/* Holders come and go while one thread runs the object down; when its wait is over nobody is inside, and the
 * memory may go. */
struct protected
{
    EX_RUNDOWN_REF ref;
    uint32_t inside;
};

static struct protected *volatile current;
static uint32_t refused, finish;

static VOID use_protected(PVOID context)
{
    struct protected *last = NULL;

    (void)context;
    while (!__atomic_load_n(&finish, __ATOMIC_ACQUIRE)) {
        struct protected *now = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

        if (!now || now == last) {
            host_yield();
            last = NULL;
            continue;
        }
        if (!ExAcquireRundownProtection(&now->ref)) {
            __atomic_fetch_add(&refused, 1, __ATOMIC_RELEASE);
            while (__atomic_load_n(&current, __ATOMIC_ACQUIRE) == now &&
                   !__atomic_load_n(&finish, __ATOMIC_ACQUIRE))
                host_yield();
            continue;
        }
        __atomic_fetch_add(&now->inside, 1, __ATOMIC_RELAXED);
        host_yield();
        __atomic_fetch_sub(&now->inside, 1, __ATOMIC_RELAXED);
        ExReleaseRundownProtection(&now->ref);
    }
}

TEST(rundown_waits_for_holders, "K-RUND-03 K-RUND-04", TEST_TIMEOUT(120))
{
    static struct protected objects[2]; /* the one not in use may be looked at late, but is not inside */
    struct ke_thread *threads[3];
    long rounds = test_scale(20000);

    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(use_protected, NULL);
    for (long i = 0; i < rounds; i++) {
        struct protected *now = &objects[i % 2];

        ExInitializeRundownProtection(&now->ref);
        __atomic_store_n(&current, now, __ATOMIC_RELEASE);
        for (int n = 0; n < (int)(i % 4); n++)
            host_yield();
        ExWaitForRundownProtectionRelease(&now->ref);
        EXPECT_EQ(__atomic_load_n(&now->inside, __ATOMIC_RELAXED), 0);
        EXPECT(!ExAcquireRundownProtection(&now->ref));
    }
    __atomic_store_n(&finish, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
}

/* The last release is the last touch: the waiter's memory dies at once. */
static EX_RUNDOWN_REF *volatile handed;
static long release_rounds;

static VOID release_handed(PVOID context)
{
    (void)context;
    for (long i = 0; i < release_rounds; i++) {
        EX_RUNDOWN_REF *ref;

        while (!(ref = __atomic_exchange_n(&handed, NULL, __ATOMIC_ACQ_REL)))
            host_yield();
        if (i % 2)
            host_yield();
        ExReleaseRundownProtection(ref);
    }
}

TEST(rundown_may_die_when_the_wait_is_over, "K-RUND-03 D-09")
{
    struct ke_thread *thread;

    release_rounds = test_scale(50000);
    thread = start_thread(release_handed, NULL);
    for (long i = 0; i < release_rounds; i++) {
        EX_RUNDOWN_REF ref;

        ExInitializeRundownProtection(&ref);
        EXPECT(ExAcquireRundownProtection(&ref));
        __atomic_store_n(&handed, &ref, __ATOMIC_RELEASE);
        ExWaitForRundownProtectionRelease(&ref);
        ref.Count = 0xA5A5A5A5A5A5A5A5;
        host_cpu_relax();
        EXPECT_EQ(ref.Count, 0xA5A5A5A5A5A5A5A5);
    }
    join_thread(thread);
}

BUG_TEST(release_without_a_grant, "K-RUND-08", REFERENCE_BY_POINTER, 0)
{
    static EX_RUNDOWN_REF ref;

    ExInitializeRundownProtection(&ref);
    ExReleaseRundownProtection(&ref);
}

BUG_TEST(wait_for_rundown_at_dispatch_level, "K-RUND-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x121)
{
    static EX_RUNDOWN_REF ref;

    ExInitializeRundownProtection(&ref);
    (void)KeRaiseIrqlToDpcLevel();
    ExWaitForRundownProtectionRelease(&ref);
}
