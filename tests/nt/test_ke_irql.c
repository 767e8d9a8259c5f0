/*
 * test_ke_irql.c - levels, processors and spin locks.
 *
 * Strategy: single steps first, then counters under every kind of lock with more threads than processors (a
 * lost increment is a broken lock), locks that die the instant they are released, then each misuse with the
 * bug check it must raise.
 */
#include "ke_test.h"

TEST(irql_is_per_thread, "K-IRQL-01")
{
    KIRQL old;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    KeRaiseIrql(APC_LEVEL, &old);
    EXPECT_EQ(old, PASSIVE_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
    EXPECT_EQ(KeRaiseIrqlToDpcLevel(), APC_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KeRaiseIrql(DISPATCH_LEVEL, &old); /* to the same level is no raise, but allowed */
    EXPECT_EQ(old, DISPATCH_LEVEL);
    KeLowerIrql(APC_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
    KeLowerIrql(PASSIVE_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

#define PROCESSORS 2
#define HAMMERS    6

static uint32_t inside[PROCESSORS];
static long per_processor[PROCESSORS];
static long rounds;

/* Per-processor data without any lock: safe at DISPATCH_LEVEL (D-22). */
static VOID own_a_processor(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        KIRQL old = KeRaiseIrqlToDpcLevel();
        ULONG number = KeGetCurrentProcessorNumberEx(NULL);

        EXPECT(number < PROCESSORS);
        EXPECT_EQ(__atomic_fetch_add(&inside[number], 1, __ATOMIC_ACQUIRE), 0);
        per_processor[number]++;
        if (i % 64 == 0)
            host_yield();
        EXPECT_EQ(KeGetCurrentProcessorNumberEx(NULL), number);
        EXPECT_EQ(__atomic_fetch_sub(&inside[number], 1, __ATOMIC_RELEASE), 1);
        KeLowerIrql(old);
    }
}

TEST(at_dispatch_level_a_thread_owns_its_processor, "K-IRQL-07 D-22")
{
    struct ke_thread *threads[HAMMERS];
    long sum = 0;

    rounds = test_scale(100000);
    start_processors(PROCESSORS);
    for (int i = 0; i < HAMMERS; i++)
        threads[i] = start_thread(own_a_processor, NULL);
    for (int i = 0; i < HAMMERS; i++)
        join_thread(threads[i]);
    for (int i = 0; i < PROCESSORS; i++)
        sum += per_processor[i];
    EXPECT_EQ(sum, HAMMERS * rounds);
    ke_stop();
}

/* A processor's own thread gets its turn although everybody else keeps the processors busy, and the other way
 * round. */
static uint32_t stop_hogging, starved_rounds;

static VOID hog(PVOID context)
{
    (void)context;
    while (!__atomic_load_n(&stop_hogging, __ATOMIC_RELAXED)) {
        KIRQL old = KeRaiseIrqlToDpcLevel();

        KeStallExecutionProcessor(20);
        KeLowerIrql(old);
    }
}

static VOID count_round(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)context, (void)argument1, (void)argument2;
    __atomic_fetch_add(&starved_rounds, 1, __ATOMIC_RELAXED);
    if (!__atomic_load_n(&stop_hogging, __ATOMIC_RELAXED))
        KeInsertQueueDpc(dpc, NULL, NULL); /* the loop is never idle */
}

TEST(nobody_starves_for_a_processor, "K-IRQL-07")
{
    struct ke_thread *threads[4];
    KDPC dpc;

    start_processors(1);
    KeInitializeDpc(&dpc, count_round, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(hog, NULL);
    for (int i = 0; i < 20; i++) { /* this thread is the one that could starve */
        KIRQL old = KeRaiseIrqlToDpcLevel();

        KeLowerIrql(old);
        sleep_ms(1);
    }
    EXPECT_SOON(__atomic_load_n(&starved_rounds, __ATOMIC_RELAXED) > 20);
    __atomic_store_n(&stop_hogging, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    KeFlushQueuedDpcs();
    ke_stop();
}

TEST(processor_numbers, "D-22")
{
    PROCESSOR_NUMBER number;
    KAFFINITY all;

    start_processors(3);
    EXPECT_EQ(KeQueryActiveProcessorCount(&all), 3);
    EXPECT_EQ(all, 7);
    EXPECT_EQ(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), 3);
    EXPECT_EQ(KeQueryMaximumProcessorCountEx(0), 3);
    EXPECT(KeGetCurrentProcessorNumberEx(&number) < 3);
    EXPECT_EQ(number.Group, 0);
    EXPECT_STATUS(KeGetProcessorNumberFromIndex(2, &number), STATUS_SUCCESS);
    EXPECT_EQ(number.Number, 2);
    EXPECT_EQ(KeGetProcessorIndexFromNumber(&number), 2);
    EXPECT_STATUS(KeGetProcessorNumberFromIndex(3, &number), STATUS_INVALID_PARAMETER);
    ke_stop();
}

/* ---- spin locks --------------------------------------------------------------------------------------- */

TEST(spin_lock_raises_and_restores, "K-SPIN-01")
{
    KSPIN_LOCK lock;
    KIRQL old, inner;

    KeInitializeSpinLock(&lock);
    EXPECT(KeTestSpinLock(&lock));
    KeRaiseIrql(APC_LEVEL, &inner);
    KeAcquireSpinLock(&lock, &old);
    EXPECT_EQ(old, APC_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    EXPECT(!KeTestSpinLock(&lock));
    EXPECT(ke_holds_spin_lock(&lock));
    EXPECT(!KeTryToAcquireSpinLockAtDpcLevel(&lock));
    KeReleaseSpinLock(&lock, old);
    EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
    EXPECT(!ke_holds_spin_lock(&lock));
    KeLowerIrql(inner);
}

/* Released in the order of acquisition, the levels swapped: legal hand-over-hand locking. */
TEST(spin_locks_hand_over_hand, "K-SPIN-01")
{
    KSPIN_LOCK a, b;
    KIRQL at_a, at_b;

    KeInitializeSpinLock(&a);
    KeInitializeSpinLock(&b);
    KeAcquireSpinLock(&a, &at_a);
    KeAcquireSpinLock(&b, &at_b);
    KeReleaseSpinLock(&a, at_b);
    EXPECT(ke_holds_spin_lock(&b));
    EXPECT(!ke_holds_spin_lock(&a));
    KeReleaseSpinLock(&b, at_a);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

static KSPIN_LOCK counter_lock;
static long counter;

static VOID count_ordinary(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        KIRQL old;

        KeAcquireSpinLock(&counter_lock, &old);
        counter++;
        if (i % 256 == 0)
            host_yield(); /* lose the processor with the lock held */
        KeReleaseSpinLock(&counter_lock, old);
    }
}

static VOID count_queued(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        KLOCK_QUEUE_HANDLE handle;

        KeAcquireInStackQueuedSpinLock(&counter_lock, &handle);
        counter++;
        if (i % 256 == 0)
            host_yield();
        KeReleaseInStackQueuedSpinLock(&handle);
        EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    }
}

static void hammer(PKSTART_ROUTINE routine, unsigned processors)
{
    struct ke_thread *threads[HAMMERS];

    start_processors(processors);
    KeInitializeSpinLock(&counter_lock);
    for (int i = 0; i < HAMMERS; i++)
        threads[i] = start_thread(routine, NULL);
    for (int i = 0; i < HAMMERS; i++)
        join_thread(threads[i]);
    EXPECT_EQ(counter, HAMMERS * rounds);
    EXPECT(KeTestSpinLock(&counter_lock));
    ke_stop();
}

TEST(spin_lock_excludes, "K-SPIN-01")
{
    rounds = test_scale(100000);
    hammer(count_ordinary, 4); /* more processors than cores: owners do lose theirs */
}

TEST(queued_spin_lock_excludes, "K-SPIN-01")
{
    rounds = test_scale(50000);
    hammer(count_queued, 4);
}

/* The lock dies the instant it is released: the last of two owners poisons its memory. */
struct dying {
    KSPIN_LOCK lock;
    uint32_t left;
};

static struct dying *volatile dying;
static uint32_t dying_round;

static void use_dying(struct dying *now)
{
    KIRQL old;
    uint32_t last;

    KeAcquireSpinLock(&now->lock, &old);
    last = --now->left == 0;
    KeReleaseSpinLock(&now->lock, old);
    if (last) {
        now->lock = 0xDEADDEADDEADDEADull; /* a touch by the releaser would be seen as a broken lock */
        __atomic_fetch_add(&dying_round, 1, __ATOMIC_RELEASE);
    }
}

static VOID second_user(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        struct dying *now;

        while (!(now = __atomic_load_n(&dying, __ATOMIC_ACQUIRE)))
            host_yield();
        __atomic_store_n(&dying, NULL, __ATOMIC_RELEASE);
        use_dying(now);
    }
}

TEST(spin_lock_may_die_when_released, "K-SPIN-01 D-09")
{
    struct ke_thread *thread;

    rounds = test_scale(20000);
    start_processors(2);
    thread = start_thread(second_user, NULL);
    for (long i = 0; i < rounds; i++) {
        struct dying on_stack = {.left = 2};

        KeInitializeSpinLock(&on_stack.lock);
        __atomic_store_n(&dying, &on_stack, __ATOMIC_RELEASE);
        use_dying(&on_stack);
        while (__atomic_load_n(&dying_round, __ATOMIC_ACQUIRE) != (uint32_t)i + 1)
            host_yield();
        EXPECT_EQ(on_stack.lock, 0xDEADDEADDEADDEADull);
    }
    join_thread(thread);
    ke_stop();
}

/* ---- misuse ------------------------------------------------------------------------------------------- */

BUG_TEST(raise_to_a_lower_level, "K-IRQL-02", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x30)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeRaiseIrql(APC_LEVEL, &old);
}

BUG_TEST(lower_to_a_higher_level, "K-IRQL-03", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31)
{
    KeLowerIrql(DISPATCH_LEVEL);
}

static KSPIN_LOCK bad_lock;

BUG_TEST(spin_lock_twice, "K-SPIN-07", SPIN_LOCK_ALREADY_OWNED, &bad_lock)
{
    KIRQL old;

    KeAcquireSpinLock(&bad_lock, &old);
    KeAcquireSpinLock(&bad_lock, &old);
}

BUG_TEST(queued_spin_lock_twice, "K-SPIN-07", SPIN_LOCK_ALREADY_OWNED, &bad_lock)
{
    KLOCK_QUEUE_HANDLE first, second;

    KeAcquireInStackQueuedSpinLock(&bad_lock, &first);
    KeAcquireInStackQueuedSpinLock(&bad_lock, &second);
}

BUG_TEST(spin_lock_above_dispatch_level, "K-SPIN-02", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL + 1, &old);
    KeAcquireSpinLock(&bad_lock, &old);
}

BUG_TEST(spin_lock_released_below_dispatch_level, "K-SPIN-03", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x32)
{
    KIRQL old;

    KeAcquireSpinLock(&bad_lock, &old);
    KeLowerIrql(old);
    KeReleaseSpinLock(&bad_lock, old);
}

BUG_TEST(spin_lock_released_twice, "K-SPIN-09", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007)
{
    KIRQL old = KeRaiseIrqlToDpcLevel();

    KeAcquireSpinLockAtDpcLevel(&bad_lock);
    KeReleaseSpinLockFromDpcLevel(&bad_lock);
    KeReleaseSpinLock(&bad_lock, old);
}

static VOID take_and_leave(PVOID context)
{
    KIRQL old;

    (void)context;
    KeAcquireSpinLock(&bad_lock, &old);
    __atomic_store_n(&inside[0], 1, __ATOMIC_RELEASE);
    for (;;)
        host_yield();
}

BUG_TEST(spin_lock_released_by_another_thread, "K-SPIN-09", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1004)
{
    start_processors(2);
    (void)start_thread(take_and_leave, NULL);
    while (!__atomic_load_n(&inside[0], __ATOMIC_ACQUIRE))
        host_yield();
    KeRaiseIrqlToDpcLevel();
    KeReleaseSpinLock(&bad_lock, PASSIVE_LEVEL);
}

BUG_TEST(at_dpc_level_pair_below_it, "K-SPIN-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40)
{
    KeAcquireSpinLockAtDpcLevel(&bad_lock);
}

BUG_TEST(from_dpc_level_below_it, "K-SPIN-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x41)
{
    KIRQL old;

    KeAcquireSpinLock(&bad_lock, &old);
    KeLowerIrql(old);
    KeReleaseSpinLockFromDpcLevel(&bad_lock);
}

BUG_TEST(ordinary_acquire_of_a_queued_lock, "K-SPIN-05", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1008)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL old;

    KeAcquireInStackQueuedSpinLock(&bad_lock, &handle);
    KeAcquireSpinLock(&bad_lock, &old);
}

BUG_TEST(ordinary_release_of_a_queued_lock, "K-SPIN-05", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1009)
{
    KLOCK_QUEUE_HANDLE handle;

    KeAcquireInStackQueuedSpinLock(&bad_lock, &handle);
    KeReleaseSpinLock(&bad_lock, PASSIVE_LEVEL);
}

/* ---- the gate ----------------------------------------------------------------------------------------- */

#include "nt/rtl/call.h"

static void comes_back_raised(void)
{
    (void)KeRaiseIrqlToDpcLevel();
}

BUG_TEST(completion_routine_comes_back_raised, "K-IRQL-06", DRIVER_VERIFIER_DETECTED_VIOLATION, 0xFA)
{
    RTL_CALL(OBSERVE_ROUTINE, NULL, "routine", comes_back_raised, comes_back_raised());
}

BUG_TEST(work_routine_comes_back_raised, "K-IRQL-06", WORKER_THREAD_RETURNED_AT_BAD_IRQL, comes_back_raised)
{
    RTL_CALL(OBSERVE_WORK_ROUTINE, NULL, "routine", comes_back_raised, comes_back_raised());
}

/* At DISPATCH_LEVEL the level is the same with one lock more. */
static void comes_back_with_a_lock(void)
{
    KeAcquireSpinLockAtDpcLevel(&bad_lock);
}

BUG_TEST(completion_routine_comes_back_with_a_lock, "", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40009)
{
    KeInitializeSpinLock(&bad_lock);
    (void)KeRaiseIrqlToDpcLevel();
    RTL_CALL(OBSERVE_ROUTINE, NULL, "routine", comes_back_with_a_lock, comes_back_with_a_lock());
}

/* The caller's own lock counts for the caller. */
TEST(routine_is_called_with_a_lock_held, "")
{
    KSPIN_LOCK lock, inner;
    KIRQL irql, inner_irql;

    KeInitializeSpinLock(&lock);
    KeInitializeSpinLock(&inner);
    KeAcquireSpinLock(&lock, &irql);
    RTL_CALL(OBSERVE_ROUTINE, NULL, "routine", NULL, {
        KeAcquireSpinLock(&inner, &inner_irql);
        KeReleaseSpinLock(&inner, inner_irql);
    });
    KeReleaseSpinLock(&lock, irql);
}

BUG_TEST(unload_comes_back_raised, "K-IRQL-06", DRIVER_VERIFIER_IOMANAGER_VIOLATION, 5)
{
    RTL_CALL(OBSERVE_DRIVER_UNLOAD, NULL, "unload", comes_back_raised, comes_back_raised());
}

BUG_TEST(callback_comes_back_raised, "K-IRQL-08", IRQL_UNEXPECTED_VALUE,
         DISPATCH_LEVEL << 16 | PASSIVE_LEVEL << 8 | OBSERVE_CALLBACK)
{
    RTL_CALL(OBSERVE_CALLBACK, NULL, "callback", comes_back_raised, comes_back_raised());
}

static void drops_too_far(void)
{
    KeLowerIrql(PASSIVE_LEVEL);
}

BUG_TEST(callback_drops_below_its_level, "K-IRQL-03", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31)
{
    (void)KeRaiseIrqlToDpcLevel();
    RTL_CALL(OBSERVE_CALLBACK, NULL, "callback", drops_too_far, drops_too_far());
}
