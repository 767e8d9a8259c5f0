/*
 * test_ex_lock.c - locks that many may share: EX_SPIN_LOCK, push locks, resources; and guarded mutexes.
 *
 * Strategy: what one thread can see by itself first, then a second thread that must wait, then crowds that would
 * lose an update if the lock let two in.
 */
#include "ke_test.h"

static EX_SPIN_LOCK spin;
static EX_PUSH_LOCK push;
static ERESOURCE resource;
static uint32_t stage;

static void wait_for_stage(uint32_t wanted)
{
    uint64_t end = host_now() + NS(20000);

    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) < wanted) {
        EXPECT(host_now() < end);
        host_yield();
    }
}

static void set_stage(uint32_t now)
{
    __atomic_store_n(&stage, now, __ATOMIC_RELEASE);
}

/* ---- EX_SPIN_LOCK ------------------------------------------------------------------------------------- */

TEST(shared_spin_lock_raises_and_restores, "K-SPIN-13")
{
    KIRQL old;

    start_processors(2);
    old = ExAcquireSpinLockShared(&spin);
    EXPECT_EQ(old, PASSIVE_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    ExReleaseSpinLockShared(&spin, old);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT_EQ(spin, 0);
    old = ExAcquireSpinLockExclusive(&spin);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    EXPECT(spin != 0);
    ExReleaseSpinLockExclusive(&spin, old);
    EXPECT_EQ(spin, 0);
    old = KeRaiseIrqlToDpcLevel();
    ExAcquireSpinLockSharedAtDpcLevel(&spin);
    EXPECT(ExTryConvertSharedSpinLockExclusive(&spin));
    EXPECT(!ExTryConvertSharedSpinLockExclusive(&spin));
    ExReleaseSpinLockExclusiveFromDpcLevel(&spin);
    ExAcquireSpinLockExclusiveAtDpcLevel(&spin);
    ExReleaseSpinLockExclusiveFromDpcLevel(&spin);
    ExAcquireSpinLockSharedAtDpcLevel(&spin);
    ExReleaseSpinLockSharedFromDpcLevel(&spin);
    KeLowerIrql(old);
    EXPECT_EQ(spin, 0);
    ke_stop();
}

static VOID share_spin(PVOID context)
{
    KIRQL old = ExAcquireSpinLockShared(&spin);

    (void)context;
    set_stage(1);
    wait_for_stage(2);
    ExReleaseSpinLockShared(&spin, old);
}

static VOID try_from_elsewhere(PVOID context)
{
    ULONG_PTR wanted = (ULONG_PTR)context; /* 1: shared can be had, 2: exclusive, too */
    KIRQL old = KeRaiseIrqlToDpcLevel();
    LOGICAL got = ExTryAcquireSpinLockExclusiveAtDpcLevel(&spin);

    EXPECT_EQ(got != 0, wanted == 2);
    if (got)
        ExReleaseSpinLockExclusiveFromDpcLevel(&spin);
    got = ExTryAcquireSpinLockSharedAtDpcLevel(&spin);
    EXPECT_EQ(got != 0, wanted >= 1);
    if (got)
        ExReleaseSpinLockSharedFromDpcLevel(&spin);
    KeLowerIrql(old);
}

/* A try that fails leaves nothing behind: readers still come in after a writer's. */
TEST(shared_spin_lock_is_tried, "K-SPIN-13")
{
    KIRQL old;

    start_processors(2);
    join_thread(start_thread(try_from_elsewhere, (PVOID)2));
    old = KeRaiseIrqlToDpcLevel();
    EXPECT(ExTryAcquireSpinLockExclusiveAtDpcLevel(&spin));
    ExReleaseSpinLockExclusiveFromDpcLevel(&spin);
    KeLowerIrql(old);
    EXPECT_EQ(spin, 0);
    ke_stop();
}

static VOID hold_and_wait(PVOID context)
{
    KIRQL old = context ? ExAcquireSpinLockExclusive(&spin) : ExAcquireSpinLockShared(&spin);

    set_stage(1);
    wait_for_stage(2);
    if (context)
        ExReleaseSpinLockExclusive(&spin, old);
    else
        ExReleaseSpinLockShared(&spin, old);
}

TEST(shared_spin_lock_is_tried_while_held, "K-SPIN-13")
{
    start_processors(2);
    for (ULONG_PTR alone = 0; alone < 2; alone++) {
        struct ke_thread *holder;

        set_stage(0);
        holder = start_thread(hold_and_wait, (PVOID)alone);
        wait_for_stage(1);
        try_from_elsewhere((PVOID)(ULONG_PTR)!alone);
        set_stage(2);
        join_thread(holder);
        EXPECT_EQ(spin, 0);
    }
    ke_stop();
}

BUG_TEST(shared_spin_lock_tried_by_its_holder, "K-SPIN-07", SPIN_LOCK_ALREADY_OWNED, &spin)
{
    ExAcquireSpinLockShared(&spin);
    ExTryAcquireSpinLockSharedAtDpcLevel(&spin);
}

BUG_TEST(shared_spin_lock_tried_too_low, "K-SPIN-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40)
{
    ExTryAcquireSpinLockExclusiveAtDpcLevel(&spin);
}

TEST(shared_spin_lock_has_room_for_two, "K-SPIN-13")
{
    struct ke_thread *other;
    KIRQL old;

    start_processors(2);
    other = start_thread(share_spin, NULL);
    wait_for_stage(1);
    old = ExAcquireSpinLockShared(&spin);                /* at once, or the test hangs */
    EXPECT(!ExTryConvertSharedSpinLockExclusive(&spin)); /* another one reads */
    set_stage(2);
    while (!ExTryConvertSharedSpinLockExclusive(&spin))
        host_yield();
    ExReleaseSpinLockExclusive(&spin, old);
    join_thread(other);
    EXPECT_EQ(spin, 0);
    ke_stop();
}

static VOID want_spin_alone(PVOID context)
{
    KIRQL old;

    (void)context;
    old = ExAcquireSpinLockExclusive(&spin);
    EXPECT_EQ(__atomic_load_n(&stage, __ATOMIC_ACQUIRE), 2);
    set_stage(3);
    ExReleaseSpinLockExclusive(&spin, old);
}

static VOID share_behind_writer(PVOID context)
{
    KIRQL old = ExAcquireSpinLockShared(&spin);

    (void)context;
    EXPECT_EQ(__atomic_load_n(&stage, __ATOMIC_ACQUIRE), 3); /* the writer came first */
    ExReleaseSpinLockShared(&spin, old);
}

TEST(waiting_writer_keeps_readers_out, "K-SPIN-13")
{
    struct ke_thread *writer, *reader;
    EX_SPIN_LOCK alone;
    KIRQL old;

    start_processors(3);
    old = ExAcquireSpinLockShared(&spin);
    alone = spin;
    writer = start_thread(want_spin_alone, NULL);
    while (__atomic_load_n(&spin, __ATOMIC_ACQUIRE) == alone) /* until the word says that a writer waits */
        host_yield();
    EXPECT(!ExTryConvertSharedSpinLockExclusive(&spin));
    reader = start_thread(share_behind_writer, NULL);
    for (int i = 0; i < 100; i++)
        host_yield();
    set_stage(2);
    ExReleaseSpinLockShared(&spin, old);
    join_thread(writer);
    join_thread(reader);
    EXPECT_EQ(spin, 0);
    ke_stop();
}

static long count_a, count_b, rounds;

static VOID crowd_at_spin(PVOID context)
{
    long self = (long)(LONG_PTR)context;

    for (long i = 0; i < rounds; i++) {
        KIRQL old;

        if ((i + self) % 4) {
            old = ExAcquireSpinLockShared(&spin);
            EXPECT_EQ(count_a, count_b);
            if ((i + self) % 4 == 1 && ExTryConvertSharedSpinLockExclusive(&spin)) {
                count_a++;
                count_b++;
                ExReleaseSpinLockExclusive(&spin, old);
            } else {
                ExReleaseSpinLockShared(&spin, old);
            }
        } else {
            old = ExAcquireSpinLockExclusive(&spin);
            count_a++;
            EXPECT_EQ(count_a, count_b + 1);
            count_b++;
            ExReleaseSpinLockExclusive(&spin, old);
        }
    }
}

TEST(shared_spin_lock_in_a_crowd, "K-SPIN-13", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[4];

    rounds = test_scale(20000);
    start_processors(3);
    for (LONG_PTR i = 0; i < 4; i++)
        threads[i] = start_thread(crowd_at_spin, (PVOID)i);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    EXPECT_EQ(spin, 0);
    EXPECT_EQ(count_a, count_b);
    EXPECT(count_a >= rounds);
    ke_stop();
}

BUG_TEST(shared_spin_lock_taken_twice, "K-SPIN-07", SPIN_LOCK_ALREADY_OWNED, &spin)
{
    (void)ExAcquireSpinLockShared(&spin);
    ExAcquireSpinLockExclusiveAtDpcLevel(&spin);
}

BUG_TEST(shared_spin_lock_not_held, "K-SPIN-09", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007)
{
    (void)KeRaiseIrqlToDpcLevel();
    ExReleaseSpinLockSharedFromDpcLevel(&spin);
}

BUG_TEST(shared_spin_lock_given_back_the_other_way, "K-SPIN-09", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007)
{
    KIRQL old = ExAcquireSpinLockShared(&spin);

    ExReleaseSpinLockExclusive(&spin, old);
}

BUG_TEST(shared_spin_lock_below_its_level, "K-SPIN-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40)
{
    ExAcquireSpinLockSharedAtDpcLevel(&spin);
}

/* ---- push locks --------------------------------------------------------------------------------------- */

static VOID share_push(PVOID context)
{
    (void)context;
    KeEnterCriticalRegion();
    ExAcquirePushLockShared(&push);
    set_stage(1);
    wait_for_stage(2);
    ExReleasePushLockShared(&push);
    KeLeaveCriticalRegion();
}

TEST(push_lock_is_shared_or_alone, "")
{
    struct ke_thread *other;

    ExInitializePushLock(&push);
    EXPECT_EQ(push, 0);
    other = start_thread(share_push, NULL);
    wait_for_stage(1);
    KeEnterCriticalRegion();
    ExAcquirePushLockShared(&push); /* at once */
    ExReleasePushLockShared(&push);
    EXPECT(push != 0);
    set_stage(2);
    ExAcquirePushLockExclusive(&push); /* when the other one has left */
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    ExReleasePushLockExclusive(&push);
    KeLeaveCriticalRegion();
    join_thread(other);
    EXPECT_EQ(push, 0);
}

static VOID crowd_at_push(PVOID context)
{
    long self = (long)(LONG_PTR)context;

    for (long i = 0; i < rounds; i++) {
        KeEnterCriticalRegion();
        if ((i + self) % 3) {
            ExAcquirePushLockShared(&push);
            EXPECT_EQ(count_a, count_b);
            ExReleasePushLockShared(&push);
        } else {
            ExAcquirePushLockExclusive(&push);
            count_a++;
            if (i % 16 == 0)
                host_yield();
            count_b++;
            ExReleasePushLockExclusive(&push);
        }
        KeLeaveCriticalRegion();
    }
}

TEST(push_lock_in_a_crowd, "", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[4];

    rounds = test_scale(20000);
    for (LONG_PTR i = 0; i < 4; i++)
        threads[i] = start_thread(crowd_at_push, (PVOID)i);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    EXPECT_EQ(push, 0);
    EXPECT_EQ(count_a, count_b);
    EXPECT(count_a > 0);
}

BUG_TEST(push_lock_not_held, "", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007)
{
    ExInitializePushLock(&push);
    ExReleasePushLockShared(&push);
}

/* ---- resources ---------------------------------------------------------------------------------------- */

TEST(resource_counts_its_owner, "")
{
    EXPECT_STATUS(ExInitializeResourceLite(&resource), STATUS_SUCCESS);
    EXPECT_EQ(ExIsResourceAcquiredLite(&resource), 0);
    EXPECT(ExAcquireResourceSharedLite(&resource, FALSE));
    EXPECT(ExAcquireResourceSharedLite(&resource, TRUE));
    EXPECT(ExAcquireSharedStarveExclusive(&resource, FALSE));
    EXPECT(ExAcquireSharedWaitForExclusive(&resource, FALSE));
    EXPECT_EQ(ExIsResourceAcquiredSharedLite(&resource), 4);
    EXPECT(!ExIsResourceAcquiredExclusiveLite(&resource));
    EXPECT(!ExAcquireResourceExclusiveLite(&resource, FALSE)); /* its own share is in the way */
    for (int i = 0; i < 3; i++)
        ExReleaseResourceLite(&resource);
    ExReleaseResourceForThreadLite(&resource, ExGetCurrentResourceThread());
    EXPECT_EQ(ExIsResourceAcquiredLite(&resource), 0);

    EXPECT(ExAcquireResourceExclusiveLite(&resource, TRUE));
    EXPECT(ExAcquireResourceExclusiveLite(&resource, FALSE));
    EXPECT(ExAcquireResourceSharedLite(&resource, FALSE));
    EXPECT(ExIsResourceAcquiredExclusiveLite(&resource));
    EXPECT_EQ(ExIsResourceAcquiredLite(&resource), 3);
    EXPECT_EQ(resource.ActiveCount, 1);
    ExReleaseResourceLite(&resource);
    ExReleaseResourceLite(&resource);
    ExConvertExclusiveToSharedLite(&resource);
    EXPECT(!ExIsResourceAcquiredExclusiveLite(&resource));
    EXPECT_EQ(ExIsResourceAcquiredLite(&resource), 1);
    ExReleaseResourceLite(&resource);

    EXPECT(ExEnterCriticalRegionAndAcquireResourceExclusive(&resource) != NULL);
    EXPECT(KeAreApcsDisabled());
    ExReleaseResourceAndLeaveCriticalRegion(&resource);
    EXPECT(ExEnterCriticalRegionAndAcquireResourceShared(&resource) != NULL);
    ExReleaseResourceAndLeaveCriticalRegion(&resource);
    EXPECT(!KeAreApcsDisabled());
    EXPECT_STATUS(ExReinitializeResourceLite(&resource), STATUS_SUCCESS);
    EXPECT_STATUS(ExDeleteResourceLite(&resource), STATUS_SUCCESS);
}

static uint32_t sharers, came;

static VOID own_a_share(PVOID context)
{
    (void)context;
    EXPECT(ExAcquireResourceSharedLite(&resource, TRUE));
    EXPECT_EQ(ExIsResourceAcquiredSharedLite(&resource), 1);
    __atomic_fetch_add(&sharers, 1, __ATOMIC_RELEASE);
    wait_for_stage(2);
    ExReleaseResourceLite(&resource);
}

static VOID own_it_alone(PVOID context)
{
    (void)context;
    EXPECT(ExAcquireResourceExclusiveLite(&resource, TRUE));
    EXPECT(ExIsResourceAcquiredExclusiveLite(&resource));
    __atomic_fetch_add(&came, 1, __ATOMIC_RELEASE);
    wait_for_stage(3);
    ExReleaseResourceLite(&resource);
}

TEST(resource_hands_itself_over, "")
{
    struct ke_thread *shared[9], *alone, *late;

    EXPECT_STATUS(ExInitializeResourceLite(&resource), STATUS_SUCCESS);
    EXPECT(ExAcquireResourceExclusiveLite(&resource, TRUE));
    for (int i = 0; i < 9; i++) /* more than the first table holds */
        shared[i] = start_thread(own_a_share, NULL);
    while (ExGetSharedWaiterCount(&resource) < 9)
        host_yield();
    EXPECT_EQ(__atomic_load_n(&sharers, __ATOMIC_ACQUIRE), 0);
    ExReleaseResourceLite(&resource); /* to all of them */
    while (__atomic_load_n(&sharers, __ATOMIC_ACQUIRE) < 9)
        host_yield();
    EXPECT_EQ(resource.ActiveCount, 9);
    alone = start_thread(own_it_alone, NULL);
    while (ExGetExclusiveWaiterCount(&resource) < 1)
        host_yield();
    /* A waiter that wants it alone stops new shares, but not those who do not care. */
    EXPECT(!ExAcquireResourceSharedLite(&resource, FALSE));
    EXPECT(!ExAcquireSharedWaitForExclusive(&resource, FALSE));
    EXPECT(ExAcquireSharedStarveExclusive(&resource, FALSE));
    EXPECT(ExAcquireResourceSharedLite(&resource, FALSE)); /* an owner already */
    EXPECT(!ExAcquireSharedWaitForExclusive(&resource, FALSE));
    ExReleaseResourceLite(&resource);
    ExReleaseResourceLite(&resource);
    EXPECT_EQ(__atomic_load_n(&came, __ATOMIC_ACQUIRE), 0);
    set_stage(2);
    while (!__atomic_load_n(&came, __ATOMIC_ACQUIRE))
        host_yield();
    for (int i = 0; i < 9; i++)
        join_thread(shared[i]);
    late = start_thread(own_it_alone, NULL);
    while (ExGetExclusiveWaiterCount(&resource) < 1)
        host_yield();
    EXPECT_EQ(__atomic_load_n(&came, __ATOMIC_ACQUIRE), 1);
    set_stage(3);
    join_thread(alone);
    join_thread(late);
    EXPECT_EQ(came, 2);
    EXPECT_STATUS(ExDeleteResourceLite(&resource), STATUS_SUCCESS);
}

static VOID crowd_at_resource(PVOID context)
{
    long self = (long)(LONG_PTR)context;

    for (long i = 0; i < rounds; i++) {
        KeEnterCriticalRegion();
        switch ((i + self) % 4) {
        case 0:
            EXPECT(ExAcquireResourceExclusiveLite(&resource, TRUE));
            count_a++;
            EXPECT(ExAcquireResourceSharedLite(&resource, TRUE));
            count_b++;
            ExReleaseResourceLite(&resource);
            if (i % 8)
                ExConvertExclusiveToSharedLite(&resource);
            break;
        case 1:
            EXPECT(ExAcquireSharedStarveExclusive(&resource, TRUE));
            break;
        case 2:
            EXPECT(ExAcquireSharedWaitForExclusive(&resource, TRUE));
            break;
        default:
            EXPECT(ExAcquireResourceSharedLite(&resource, TRUE));
            break;
        }
        EXPECT_EQ(count_a, count_b);
        ExReleaseResourceLite(&resource);
        KeLeaveCriticalRegion();
    }
}

TEST(resource_in_a_crowd, "", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[6];

    rounds = test_scale(4000);
    EXPECT_STATUS(ExInitializeResourceLite(&resource), STATUS_SUCCESS);
    for (LONG_PTR i = 0; i < 6; i++)
        threads[i] = start_thread(crowd_at_resource, (PVOID)i);
    for (int i = 0; i < 6; i++)
        join_thread(threads[i]);
    EXPECT_EQ(count_a, count_b);
    EXPECT_EQ(resource.ActiveCount, 0);
    EXPECT_EQ(ExGetSharedWaiterCount(&resource) + ExGetExclusiveWaiterCount(&resource), 0);
    EXPECT_STATUS(ExDeleteResourceLite(&resource), STATUS_SUCCESS);
}

BUG_TEST(resource_not_owned, "", RESOURCE_NOT_OWNED, &resource)
{
    (void)ExInitializeResourceLite(&resource);
    ExReleaseResourceLite(&resource);
}

/* ---- guarded mutexes ---------------------------------------------------------------------------------- */

TEST(guarded_mutex_raises_to_apc_level, "K-MUTEX-02")
{
    KGUARDED_MUTEX mutex;

    KeInitializeGuardedMutex(&mutex);
    KeAcquireGuardedMutex(&mutex);
    EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
    EXPECT(KeAreAllApcsDisabled());
    EXPECT(!KeTryToAcquireGuardedMutex(&mutex));
    KeReleaseGuardedMutex(&mutex);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT(KeTryToAcquireGuardedMutex(&mutex));
    KeReleaseGuardedMutex(&mutex);
    KeEnterGuardedRegion();
    KeAcquireGuardedMutexUnsafe(&mutex);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    KeReleaseGuardedMutexUnsafe(&mutex);
    KeLeaveGuardedRegion();
}
