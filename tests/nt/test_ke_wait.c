/*
 * test_ke_wait.c - dispatcher objects and waits.
 *
 * Strategy: each object's rules one by one with polls (a zero timeout shows and takes the state), then
 * threads that really wait, then races: events on stacks that die when the waiter runs on, timeouts against
 * signals, tokens that are passed around and must never be lost or doubled.
 */
#include "ke_test.h"

static NTSTATUS poll(PVOID object)
{
    LARGE_INTEGER zero = {.QuadPart = 0};

    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &zero);
}

static NTSTATUS wait_forever(PVOID object)
{
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
}

/* ---- events ------------------------------------------------------------------------------------------- */

TEST(event_initial_state, "K-EVENT-01")
{
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    EXPECT_EQ(KeReadStateEvent(&event), 0);
    EXPECT_STATUS(poll(&event), STATUS_TIMEOUT);
    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    EXPECT_NE(KeReadStateEvent(&event), 0);
    EXPECT_STATUS(poll(&event), STATUS_SUCCESS);
    EXPECT_STATUS(poll(&event), STATUS_TIMEOUT);
}

TEST(notification_event_stays_signalled, "K-EVENT-02")
{
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(poll(&event), STATUS_SUCCESS);
    KeClearEvent(&event);
    EXPECT_STATUS(poll(&event), STATUS_TIMEOUT);
}

TEST(synchronization_event_serves_one_later_wait, "K-EVENT-03")
{
    KEVENT event;

    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    KeSetEvent(&event, 0, FALSE);
    KeSetEvent(&event, 0, FALSE); /* no count */
    EXPECT_STATUS(poll(&event), STATUS_SUCCESS);
    EXPECT_STATUS(poll(&event), STATUS_TIMEOUT);
}

TEST(event_functions_return_the_former_state, "K-EVENT-04")
{
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    EXPECT_EQ(KeSetEvent(&event, 0, FALSE), 0);
    EXPECT_NE(KeSetEvent(&event, 0, FALSE), 0);
    EXPECT_NE(KeResetEvent(&event), 0);
    EXPECT_EQ(KeResetEvent(&event), 0);
}

static KEVENT shared_event;
static uint32_t woken;

static VOID wait_shared(PVOID context)
{
    (void)context;
    EXPECT_STATUS(wait_forever(&shared_event), STATUS_SUCCESS);
    __atomic_fetch_add(&woken, 1, __ATOMIC_RELEASE);
}

/* Until that many threads wait for the object, as reports see it. */
static const volatile void *counted_object;
static void count_waiter(void *count, const struct ke_thread *thread)
{
    if (__atomic_load_n(&thread->waits_for, __ATOMIC_RELAXED) == counted_object)
        ++*(int *)count;
}

static void until_waiting(PVOID object, int wanted)
{
    int count;

    counted_object = object;
    do {
        count = 0;
        ke_each_thread(count_waiter, &count);
        host_yield();
    } while (count < wanted);
    (void)KeReadStateEvent(
        object); /* they announce themselves under the dispatcher lock: now they are listed */
}

TEST(notification_event_releases_all, "K-EVENT-02")
{
    struct ke_thread *threads[5];

    KeInitializeEvent(&shared_event, NotificationEvent, FALSE);
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(wait_shared, NULL);
    until_waiting(&shared_event, 5);
    KeSetEvent(&shared_event, 0, FALSE);
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
    EXPECT_EQ(woken, 5);
    EXPECT_NE(KeReadStateEvent(&shared_event), 0);
}

TEST(synchronization_event_releases_one_at_a_time, "K-EVENT-03")
{
    struct ke_thread *threads[5];

    KeInitializeEvent(&shared_event, SynchronizationEvent, FALSE);
    for (int i = 0; i < 5; i++)
        threads[i] = start_thread(wait_shared, NULL);
    until_waiting(&shared_event, 5);
    for (uint32_t i = 1; i <= 5; i++) {
        KeSetEvent(&shared_event, 0, FALSE);
        EXPECT_EQ(KeReadStateEvent(&shared_event), 0); /* taken by a waiter */
        EXPECT_SOON(__atomic_load_n(&woken, __ATOMIC_ACQUIRE) == i);
        sleep_ms(5);
        EXPECT_EQ(__atomic_load_n(&woken, __ATOMIC_ACQUIRE), i);
    }
    for (int i = 0; i < 5; i++)
        join_thread(threads[i]);
}

/* ---- D-09 --------------------------------------------------------------------------------------------- */

struct dying {
    KEVENT event;
    LONGLONG canary;
};

static struct dying *volatile handed;
static long rounds;

static VOID set_dying(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        struct dying *now;

        while (!(now = __atomic_exchange_n(&handed, NULL, __ATOMIC_ACQ_REL)))
            host_yield();
        if (i % 3 == 0)
            host_yield(); /* the waiter sleeps in some rounds and is on its way in others */
        KeSetEvent(&now->event, 0, FALSE);
    }
}

/* Everything that an event's memory becomes after the wait must survive: any late touch by the setter breaks
 * it. */
static __attribute__((noinline)) void one_dying_event(long round, PVOID other)
{
    struct dying on_stack = {.canary = round};
    LARGE_INTEGER zero = {.QuadPart = 0}, soon = after(MS(2));
    PVOID objects[2] = {&on_stack.event, other};
    NTSTATUS status;

    KeInitializeEvent(&on_stack.event, round % 2 ? NotificationEvent : SynchronizationEvent, FALSE);
    __atomic_store_n(&handed, &on_stack, __ATOMIC_RELEASE);
    switch (round % 4) {
    case 0:
        status = wait_forever(&on_stack.event);
        break;
    case 1: /* polls only, never waits */
        while ((status = KeWaitForSingleObject(&on_stack.event, Executive, KernelMode, FALSE, &zero)) ==
               STATUS_TIMEOUT)
            host_yield();
        break;
    case 2: /* a timeout may race with the signal */
        while ((status = KeWaitForSingleObject(&on_stack.event, Executive, KernelMode, FALSE, &soon)) ==
               STATUS_TIMEOUT)
            host_yield();
        break;
    default:
        status = KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        break;
    }
    EXPECT_STATUS(status, STATUS_SUCCESS);
    RtlFillMemory(&on_stack.event, sizeof on_stack.event, 0xA5);
    for (int i = 0; i < 20; i++)
        host_cpu_relax();
    for (size_t i = 0; i < sizeof on_stack.event; i++)
        EXPECT_EQ(((volatile UCHAR *)&on_stack.event)[i], 0xA5);
    EXPECT_EQ(on_stack.canary, round);
}

TEST(event_may_die_when_its_waiter_runs, "D-09 K-EVENT-06", TEST_TIMEOUT(120))
{
    struct ke_thread *thread;
    KEVENT never;

    rounds = test_scale(100000);
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    thread = start_thread(set_dying, NULL);
    for (long i = 0; i < rounds; i++)
        one_dying_event(i, &never);
    join_thread(thread);
}

/* Who saw the event signalled through KeReadStateEvent may let it die, too. */
TEST(event_may_die_when_it_was_seen_signalled, "D-09")
{
    struct ke_thread *thread;

    rounds = test_scale(50000);
    thread = start_thread(set_dying, NULL);
    for (long i = 0; i < rounds; i++) {
        struct dying on_stack;

        KeInitializeEvent(&on_stack.event, NotificationEvent, FALSE);
        __atomic_store_n(&handed, &on_stack, __ATOMIC_RELEASE);
        while (!KeReadStateEvent(&on_stack.event))
            host_yield();
        RtlFillMemory(&on_stack, sizeof on_stack, 0xA5);
        for (size_t n = 0; n < sizeof on_stack; n++)
            EXPECT_EQ(((volatile UCHAR *)&on_stack)[n], 0xA5);
    }
    join_thread(thread);
}

/* ---- time --------------------------------------------------------------------------------------------- */

TEST(wait_timeouts, "K-WAIT-01 K-WAIT-03 K-WAIT-13")
{
    LARGE_INTEGER relative = after(MS(30)), absolute, past = {.QuadPart = 1};
    uint64_t start = host_now(), wall;
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    EXPECT_STATUS(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &relative), STATUS_TIMEOUT);
    EXPECT(host_now() - start >= NS(30)); /* never early */
    EXPECT(NT_SUCCESS(STATUS_TIMEOUT));

    KeQuerySystemTime(&absolute);
    wall = (uint64_t)absolute.QuadPart;
    absolute.QuadPart += MS(30);
    EXPECT_STATUS(KeWaitForSingleObject(&event, Executive, KernelMode, TRUE, &absolute), STATUS_TIMEOUT);
    KeQuerySystemTimePrecise(&absolute);
    EXPECT((uint64_t)absolute.QuadPart - wall >= (uint64_t)MS(30));

    /* 1601 has gone by: this comes back, before the test's time is over. */
    EXPECT_STATUS(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &past), STATUS_TIMEOUT);
    EXPECT_STATUS(poll(&event), STATUS_TIMEOUT);
}

/* A far away timeout does not wrap round. */
static VOID wait_for_ages(PVOID context)
{
    LARGE_INTEGER ages = {.QuadPart = context ? INT64_MIN : INT64_MAX};

    EXPECT_STATUS(KeWaitForSingleObject(&shared_event, Executive, KernelMode, FALSE, &ages), STATUS_SUCCESS);
}

TEST(wait_timeout_of_ages, "K-WAIT-01")
{
    struct ke_thread *relative, *absolute;

    KeInitializeEvent(&shared_event, NotificationEvent, FALSE);
    relative = start_thread(wait_for_ages, &shared_event);
    absolute = start_thread(wait_for_ages, NULL);
    until_waiting(&shared_event, 2);
    sleep_ms(20);
    KeSetEvent(&shared_event, 0, FALSE);
    join_thread(relative);
    join_thread(absolute);
}

/* Signals to the threads, as reports send them to get at stacks, end no wait. */
static void ignore_stack(void *context, struct host_thread *thread, void *const *frames, size_t count)
{
    (void)context, (void)thread, (void)frames, (void)count;
}

TEST(kernel_waits_are_not_interrupted, "K-WAIT-12")
{
    struct ke_thread *threads[2];

    KeInitializeEvent(&shared_event, NotificationEvent, FALSE);
    for (int i = 0; i < 2; i++)
        threads[i] = start_thread(wait_shared, NULL);
    until_waiting(&shared_event, 2);
    for (int i = 0; i < 20; i++)
        host_each_thread(ignore_stack, NULL);
    EXPECT_EQ(__atomic_load_n(&woken, __ATOMIC_ACQUIRE), 0);
    KeSetEvent(&shared_event, 0, FALSE);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
    EXPECT_EQ(woken, 2);
}

TEST_PARTIAL(clocks, "K-WAIT-02",
             "the system clock cannot be set here: the slice of absolute waits is by design only")
{
    LARGE_INTEGER before, later, frequency, ticks, interval = after(MS(40));
    ULONGLONG start = KeQueryInterruptTime();

    KeQueryTickCount(&ticks);
    before = KeQueryPerformanceCounter(&frequency);
    EXPECT_STATUS(KeDelayExecutionThread(KernelMode, FALSE, &interval), STATUS_SUCCESS);
    later = KeQueryPerformanceCounter(NULL);
    EXPECT_EQ(frequency.QuadPart, 10000000);
    EXPECT(later.QuadPart - before.QuadPart >= MS(40));
    EXPECT(KeQueryInterruptTime() - start >= (ULONGLONG)MS(40));
    EXPECT_EQ(KeQueryTimeIncrement(), 156250);
    KeQueryTickCount(&later);
    EXPECT(later.QuadPart >= ticks.QuadPart + 2);
}

TEST(delay, "K-WAIT-14")
{
    LARGE_INTEGER relative = after(MS(25)), absolute, zero = {.QuadPart = 0};
    uint64_t start = host_now();
    KIRQL old;

    KeRaiseIrql(APC_LEVEL, &old);
    EXPECT_STATUS(KeDelayExecutionThread(KernelMode, FALSE, &relative), STATUS_SUCCESS);
    KeLowerIrql(old);
    EXPECT(host_now() - start >= NS(25));
    KeQuerySystemTime(&absolute);
    absolute.QuadPart += MS(25);
    EXPECT_STATUS(KeDelayExecutionThread(KernelMode, FALSE, &absolute), STATUS_SUCCESS);
    EXPECT(ke_query_system_time() >= (uint64_t)absolute.QuadPart);
    EXPECT_STATUS(KeDelayExecutionThread(KernelMode, FALSE, &zero), STATUS_SUCCESS);
}

TEST(poll_takes_at_dispatch_level, "K-WAIT-04 K-WAIT-08")
{
    KEVENT event;
    KMUTEX mutex;
    KIRQL old;

    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    KeInitializeMutex(&mutex, 0);
    old = KeRaiseIrqlToDpcLevel();
    EXPECT_STATUS(poll(&event), STATUS_SUCCESS);
    EXPECT_STATUS(poll(&event), STATUS_TIMEOUT);
    EXPECT_STATUS(poll(&mutex), STATUS_SUCCESS);
    EXPECT_EQ(KeReadStateMutex(&mutex), 0);
    KeReleaseMutex(&mutex, FALSE);
    KeLowerIrql(old);
}

/* ---- several objects ---------------------------------------------------------------------------------- */

TEST(wait_any_and_all, "K-WAIT-05 K-WAIT-06")
{
    KEVENT events[64];
    PVOID objects[64];
    KWAIT_BLOCK blocks[64];
    LARGE_INTEGER zero = {.QuadPart = 0};

    for (int i = 0; i < 64; i++) {
        KeInitializeEvent(&events[i], SynchronizationEvent, FALSE);
        objects[i] = &events[i];
    }
#define WAIT(count, type, blocks)                                                                            \
    KeWaitForMultipleObjects((count), objects, (type), Executive, KernelMode, FALSE, &zero, (blocks))
    EXPECT_STATUS(WAIT(3, WaitAny, NULL), STATUS_TIMEOUT);
    KeSetEvent(&events[2], 0, FALSE);
    KeSetEvent(&events[1], 0, FALSE);
    EXPECT_STATUS(WAIT(3, WaitAll, NULL), STATUS_TIMEOUT); /* and takes none of them */
    EXPECT_STATUS(WAIT(3, WaitAny, NULL), STATUS_WAIT_0 + 1);
    EXPECT_STATUS(WAIT(3, WaitAny, NULL), STATUS_WAIT_0 + 2);
    EXPECT_STATUS(WAIT(3, WaitAny, NULL), STATUS_TIMEOUT);
    KeSetEvent(&events[63], 0, FALSE);
    EXPECT_STATUS(WAIT(64, WaitAny, blocks), STATUS_WAIT_0 + 63);
    for (int i = 0; i < 64; i++)
        KeSetEvent(&events[i], 0, FALSE);
    EXPECT_STATUS(WAIT(64, WaitAll, blocks), STATUS_SUCCESS);
    for (int i = 0; i < 64; i++)
        EXPECT_EQ(KeReadStateEvent(&events[i]), 0);
#undef WAIT
}

static KEVENT three[3];
static PVOID three_objects[3] = {&three[0], &three[1], &three[2]};

static VOID wait_for_all_three(PVOID context)
{
    (void)context;
    EXPECT_STATUS(
        KeWaitForMultipleObjects(3, three_objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL),
        STATUS_SUCCESS);
    __atomic_store_n(&woken, 1, __ATOMIC_RELEASE);
}

TEST(wait_all_takes_together, "K-WAIT-05")
{
    struct ke_thread *thread;

    for (int i = 0; i < 3; i++)
        KeInitializeEvent(&three[i], SynchronizationEvent, FALSE);
    thread = start_thread(wait_for_all_three, NULL);
    until_waiting(&three[0], 1);
    KeSetEvent(&three[0], 0, FALSE);
    KeSetEvent(&three[2], 0, FALSE);
    sleep_ms(5);
    EXPECT_EQ(__atomic_load_n(&woken, __ATOMIC_ACQUIRE), 0);
    EXPECT_STATUS(poll(&three[0]), STATUS_SUCCESS); /* not held back for the waiter */
    KeSetEvent(&three[1], 0, FALSE);
    sleep_ms(5);
    EXPECT_EQ(__atomic_load_n(&woken, __ATOMIC_ACQUIRE), 0);
    KeSetEvent(&three[0], 0, FALSE);
    join_thread(thread);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(KeReadStateEvent(&three[i]), 0);
}

/* One semaphore's units against any, all and timed waits: none lost, none doubled. */
static KSEMAPHORE units;
static KEVENT decoy;
static uint32_t taken, timed_out;

static VOID take_units(PVOID context)
{
    PVOID objects[2] = {&decoy, &units};

    for (long i = 0; i < rounds; i++) {
        LARGE_INTEGER soon = after(context ? 300 : MS(10000)); /* 30 us: often too early */
        NTSTATUS status =
            KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &soon, NULL);

        if (status == STATUS_TIMEOUT) {
            __atomic_fetch_add(&timed_out, 1, __ATOMIC_RELAXED);
            i--;
            continue;
        }
        EXPECT_STATUS(status, STATUS_WAIT_0 + 1);
        __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
    }
}

TEST(timeouts_race_with_signals, "K-WAIT-05 K-WAIT-13", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[4];

    rounds = test_scale(50000);
    KeInitializeSemaphore(&units, 0, INT32_MAX);
    KeInitializeEvent(&decoy, NotificationEvent, FALSE);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(take_units, i % 2 ? &units : NULL);
    for (long i = 0; i < 4 * rounds; i++)
        KeReleaseSemaphore(&units, 0, 1, FALSE);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    EXPECT_EQ(taken, 4 * rounds);
    EXPECT_EQ(KeReadStateSemaphore(&units), 0);
    TEST_NOTE("%u timeouts", timed_out);
}

/* ---- semaphores and mutexes --------------------------------------------------------------------------- */

TEST(semaphore_counts, "K-WAIT-04")
{
    KSEMAPHORE semaphore;

    KeInitializeSemaphore(&semaphore, 1, 3);
    EXPECT_EQ(KeReleaseSemaphore(&semaphore, 0, 2, FALSE), 1);
    for (int i = 3; i > 0; i--) {
        EXPECT_EQ(KeReadStateSemaphore(&semaphore), i);
        EXPECT_STATUS(poll(&semaphore), STATUS_SUCCESS);
    }
    EXPECT_STATUS(poll(&semaphore), STATUS_TIMEOUT);
}

static KMUTEX mutex;
static long guarded;

TEST(mutex_is_recursive, "K-MUTEX-03")
{
    KeInitializeMutex(&mutex, 0);
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
    EXPECT(!KeAreApcsDisabled());
    EXPECT_STATUS(wait_forever(&mutex), STATUS_SUCCESS);
    EXPECT_STATUS(wait_forever(&mutex), STATUS_SUCCESS);
    EXPECT_STATUS(poll(&mutex), STATUS_SUCCESS);
    EXPECT_EQ(KeReadStateMutex(&mutex), -2);
    EXPECT(KeAreApcsDisabled()); /* the owner is inside a critical region */
    EXPECT_NE(KeReleaseMutex(&mutex, FALSE), 0);
    EXPECT_NE(KeReleaseMutex(&mutex, FALSE), 0);
    EXPECT_EQ(KeReleaseMutex(&mutex, FALSE), 0); /* free now */
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
    EXPECT(!KeAreApcsDisabled());
}

static VOID count_with_mutex(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        EXPECT_STATUS(wait_forever(&mutex), STATUS_SUCCESS);
        if (i % 3 == 0)
            EXPECT_STATUS(wait_forever(&mutex), STATUS_SUCCESS);
        guarded++;
        if (i % 3 == 0)
            KeReleaseMutex(&mutex, FALSE);
        KeReleaseMutex(&mutex, FALSE);
    }
}

TEST(mutex_excludes, "K-MUTEX-03")
{
    struct ke_thread *threads[4];

    rounds = test_scale(20000);
    KeInitializeMutex(&mutex, 0);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(count_with_mutex, NULL);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    EXPECT_EQ(guarded, 4 * rounds);
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
}

/* ---- fast mutexes and regions ------------------------------------------------------------------------- */

static FAST_MUTEX fast;

TEST(fast_mutex_holder_runs_at_apc_level, "K-MUTEX-02")
{
    ExInitializeFastMutex(&fast);
    ExAcquireFastMutex(&fast);
    EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
    EXPECT(KeAreAllApcsDisabled());
    ExReleaseFastMutex(&fast);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT(ExTryToAcquireFastMutex(&fast));
    EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
    EXPECT(!ExTryToAcquireFastMutex(&fast));
    ExReleaseFastMutex(&fast);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&fast);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    ExReleaseFastMutexUnsafe(&fast);
    KeLeaveCriticalRegion();
}

static VOID count_with_fast_mutex(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        if (i % 5 || !ExTryToAcquireFastMutex(&fast))
            ExAcquireFastMutex(&fast);
        guarded++;
        if (i % 64 == 0)
            host_yield();
        ExReleaseFastMutex(&fast);
    }
}

TEST(fast_mutex_excludes, "K-MUTEX-02")
{
    struct ke_thread *threads[4];

    rounds = test_scale(50000);
    ExInitializeFastMutex(&fast);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(count_with_fast_mutex, NULL);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    EXPECT_EQ(guarded, 4 * rounds);
    EXPECT_EQ(fast.Count, 1);
}

TEST(regions_nest, "K-MUTEX-04")
{
    KeEnterCriticalRegion();
    KeEnterCriticalRegion();
    KeLeaveCriticalRegion();
    EXPECT(KeAreApcsDisabled());
    EXPECT(!KeAreAllApcsDisabled());
    KeLeaveCriticalRegion();
    EXPECT(!KeAreApcsDisabled());
    KeEnterGuardedRegion();
    EXPECT(KeAreAllApcsDisabled());
    KeLeaveGuardedRegion();
    EXPECT(!KeAreAllApcsDisabled());
}

/* ---- misuse ------------------------------------------------------------------------------------------- */

BUG_TEST(wait_forever_at_dispatch_level, "K-WAIT-07", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x121)
{
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, TRUE); /* the state does not matter */
    (void)KeRaiseIrqlToDpcLevel();
    (void)wait_forever(&event);
}

BUG_TEST(wait_a_while_at_dispatch_level, "K-WAIT-07", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x122)
{
    LARGE_INTEGER soon = after(MS(1));
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    (void)KeRaiseIrqlToDpcLevel();
    (void)KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &soon);
}

BUG_TEST(poll_above_dispatch_level, "K-WAIT-07", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x120)
{
    KEVENT event;
    KIRQL old;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL + 1, &old);
    (void)poll(&event);
}

BUG_TEST(delay_at_dispatch_level, "K-WAIT-14", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x122)
{
    LARGE_INTEGER soon = after(MS(1));

    (void)KeRaiseIrqlToDpcLevel();
    (void)KeDelayExecutionThread(KernelMode, FALSE, &soon);
}

BUG_TEST(four_objects_without_wait_blocks, "K-WAIT-06", MAXIMUM_WAIT_OBJECTS_EXCEEDED, 0)
{
    PVOID objects[4] = {&shared_event, &shared_event, &shared_event, &shared_event};

    KeInitializeEvent(&shared_event, NotificationEvent, TRUE);
    (void)KeWaitForMultipleObjects(4, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
}

BUG_TEST(sixty_five_objects, "K-WAIT-06", MAXIMUM_WAIT_OBJECTS_EXCEEDED, 0)
{
    KWAIT_BLOCK blocks[65];
    PVOID objects[65];

    for (int i = 0; i < 65; i++)
        objects[i] = &shared_event;
    KeInitializeEvent(&shared_event, NotificationEvent, TRUE);
    (void)KeWaitForMultipleObjects(65, objects, WaitAny, Executive, KernelMode, FALSE, NULL, blocks);
}

BUG_TEST(wait_for_an_object_never_initialised, "K-WAIT-10", KERNEL_SECURITY_CHECK_FAILURE, 3)
{
    static KEVENT event;

    (void)wait_forever(&event);
}

BUG_TEST(semaphore_beyond_its_limit, "", KMODE_EXCEPTION_NOT_HANDLED,
         (LONG_PTR)STATUS_SEMAPHORE_LIMIT_EXCEEDED)
{
    KSEMAPHORE semaphore;

    KeInitializeSemaphore(&semaphore, 1, 2);
    KeReleaseSemaphore(&semaphore, 0, 2, FALSE); /* raises, and nobody catches it */
}

BUG_TEST(set_event_above_dispatch_level, "K-EVENT-05", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x80)
{
    KIRQL old;

    KeInitializeEvent(&shared_event, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL + 1, &old);
    KeSetEvent(&shared_event, 0, FALSE);
}

BUG_TEST(set_event_with_wait_at_dispatch_level, "K-EVENT-05", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x80)
{
    KeInitializeEvent(&shared_event, NotificationEvent, FALSE);
    (void)KeRaiseIrqlToDpcLevel();
    KeSetEvent(&shared_event, 0, TRUE);
}

static struct ke_thread *culprit_thread;

static VOID hold_mutex(PVOID context)
{
    (void)context;
    EXPECT_STATUS(wait_forever(&mutex), STATUS_SUCCESS);
    KeSetEvent(&shared_event, 0, FALSE);
    EXPECT_STATUS(wait_forever(&decoy), STATUS_SUCCESS);
}

BUG_TEST(mutex_released_by_another_thread, "K-MUTEX-03", THREAD_NOT_MUTEX_OWNER, culprit_thread)
{
    KeInitializeMutex(&mutex, 0);
    KeInitializeEvent(&shared_event, NotificationEvent, FALSE);
    KeInitializeEvent(&decoy, NotificationEvent, FALSE);
    (void)start_thread(hold_mutex, NULL);
    EXPECT_STATUS(wait_forever(&shared_event), STATUS_SUCCESS);
    culprit_thread = ke_current_thread();
    KeReleaseMutex(&mutex, FALSE);
}

BUG_TEST(fast_mutex_twice, "K-MUTEX-01", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1000)
{
    ExInitializeFastMutex(&fast);
    ExAcquireFastMutex(&fast);
    ExAcquireFastMutex(&fast);
}

BUG_TEST(fast_mutex_at_dispatch_level, "K-MUTEX-01", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x33)
{
    ExInitializeFastMutex(&fast);
    (void)KeRaiseIrqlToDpcLevel();
    ExAcquireFastMutex(&fast);
}

BUG_TEST(fast_mutex_released_at_passive_level, "K-MUTEX-01", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x34)
{
    ExInitializeFastMutex(&fast);
    ExAcquireFastMutex(&fast);
    KeLowerIrql(PASSIVE_LEVEL);
    ExReleaseFastMutex(&fast);
}

BUG_TEST(critical_region_left_without_entering, "K-MUTEX-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3E)
{
    KeLeaveCriticalRegion();
}

BUG_TEST(critical_region_at_dispatch_level, "K-MUTEX-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x11A)
{
    (void)KeRaiseIrqlToDpcLevel();
    KeEnterCriticalRegion();
}
