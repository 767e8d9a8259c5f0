/*
 * test_ke_timer.c - timers and DPCs.
 *
 * Strategy: the return values and states step by step, expiry against the clock (never early, not absurdly
 * late), many timers at random distances so that every level of the wheel is used, then races of set, cancel
 * and expiry with a count that must come out even.
 */
#include "ke_test.h"

static void start(void)
{
    start_processors(2);
}

static void stop(void)
{
    if (!bug.raised) /* else a processor hangs in its bug check */
        ke_stop();
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

TEST_FIXTURE(start, stop);

static NTSTATUS wait_ms(PVOID object, int ms)
{
    LARGE_INTEGER timeout = after(MS(ms));

    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
}

/* ---- DPCs --------------------------------------------------------------------------------------------- */

static uint32_t calls;
static KEVENT done;

static VOID check_call(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    EXPECT(dpc != NULL);
    EXPECT(context == &done);
    EXPECT_EQ((ULONG_PTR)argument1, 11);
    EXPECT_EQ((ULONG_PTR)argument2, 22);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    calls++;
    KeSetEvent(&done, 0, FALSE);
}

TEST(dpc_runs_with_its_arguments, "K-DPC-03")
{
    KDPC dpc;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    KeInitializeDpc(&dpc, check_call, &done);
    EXPECT(KeInsertQueueDpc(&dpc, (PVOID)11, (PVOID)22));
    EXPECT_STATUS(wait_ms(&done, 10000), STATUS_SUCCESS);
    EXPECT_EQ(calls, 1);
}

static VOID count_on_this_thread(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)argument1, (void)argument2;
    EXPECT(KeGetCurrentThread() == (PKTHREAD)context);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    calls++;
}

/* Nobody else can run it: the processor is ours from the raise to the end of the lowering. */
TEST(dpc_of_the_own_processor_runs_before_the_level_drops, "K-DPC-03 D-22")
{
    static const KIRQL levels[] = {DISPATCH_LEVEL, HIGH_LEVEL};

    for (uint32_t i = 0; i < 2; i++) {
        KDPC dpc;
        KIRQL old;

        KeInitializeDpc(&dpc, count_on_this_thread, KeGetCurrentThread());
        KeRaiseIrql(levels[i], &old);
        EXPECT(KeInsertQueueDpc(&dpc, NULL, NULL));
        EXPECT_EQ(calls, i);
        KeLowerIrql(old);
        EXPECT_EQ(calls, i + 1);
        EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    }
}

/* Both processors kept busy: what is queued stays queued. */
static uint32_t blocked, unblock;

static VOID block(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    __atomic_fetch_add(&blocked, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&unblock, __ATOMIC_ACQUIRE))
        host_yield();
}

static KDPC blockers[2];

static void block_processors(void)
{
    for (int i = 0; i < 2; i++) {
        KeInitializeDpc(&blockers[i], block, NULL);
        KeSetTargetProcessorDpc(&blockers[i], (CCHAR)i);
        EXPECT(KeInsertQueueDpc(&blockers[i], NULL, NULL));
    }
    EXPECT_SOON(__atomic_load_n(&blocked, __ATOMIC_ACQUIRE) == 2);
}

static void unblock_processors(void)
{
    __atomic_store_n(&unblock, 1, __ATOMIC_RELEASE);
}

static PVOID order[8];
static uint32_t ordered;

static VOID note_order(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument2;
    order[ordered++] = argument1;
}

TEST(dpc_is_queued_once, "K-DPC-01 K-DPC-04")
{
    KDPC first, second, high;

    block_processors();
    KeInitializeDpc(&first, note_order, NULL);
    KeInitializeDpc(&second, note_order, NULL);
    KeInitializeDpc(&high, note_order, NULL);
    KeSetTargetProcessorDpc(&first, 0);
    KeSetTargetProcessorDpc(&second, 0);
    KeSetTargetProcessorDpc(&high, 0);
    KeSetImportanceDpc(&high, HighImportance);
    EXPECT(!KeRemoveQueueDpc(&first)); /* not queued yet */
    EXPECT(KeInsertQueueDpc(&first, (PVOID)1, NULL));
    EXPECT(!KeInsertQueueDpc(&first, (PVOID)9, NULL)); /* keeps its first arguments */
    EXPECT(KeInsertQueueDpc(&second, (PVOID)2, NULL));
    EXPECT(KeInsertQueueDpc(&high, (PVOID)3, NULL));
    EXPECT(KeRemoveQueueDpc(&second));
    EXPECT(!KeRemoveQueueDpc(&second));
    unblock_processors();
    KeFlushQueuedDpcs();
    EXPECT_EQ(ordered, 2); /* the removed one did not run */
    EXPECT_EQ((ULONG_PTR)order[0], 3);
    EXPECT_EQ((ULONG_PTR)order[1], 1);
}

static VOID queue_again(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)context, (void)argument1;
    if (++calls < (uint32_t)(ULONG_PTR)argument2)
        EXPECT(KeInsertQueueDpc(dpc, NULL, argument2)); /* off the queue before it runs */
    else
        KeSetEvent(&done, 0, FALSE);
}

TEST(dpc_may_queue_itself, "K-DPC-02")
{
    KDPC dpc;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    KeInitializeDpc(&dpc, queue_again, NULL);
    KeInsertQueueDpc(&dpc, NULL, (PVOID)1000);
    EXPECT_STATUS(wait_ms(&done, 10000), STATUS_SUCCESS);
    EXPECT_EQ(calls, 1000);
}

static KDPC twice;

static VOID run_twice(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)context, (void)argument1, (void)argument2;
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELEASE);
    if (KeGetCurrentProcessorNumberEx(NULL) == 0) {
        KeSetTargetProcessorDpc(dpc, 1);
        EXPECT(KeInsertQueueDpc(dpc, NULL, NULL));
        while (__atomic_load_n(&calls, __ATOMIC_ACQUIRE) != 2) /* the other one runs meanwhile */
            host_yield();
    }
}

TEST(dpc_may_run_on_two_processors_at_once, "K-DPC-02 D-22")
{
    KeInitializeDpc(&twice, run_twice, NULL);
    KeSetTargetProcessorDpc(&twice, 0);
    KeInsertQueueDpc(&twice, NULL, NULL);
    KeFlushQueuedDpcs();
    KeFlushQueuedDpcs();
    EXPECT_EQ(calls, 2);
}

static VOID check_processor(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument2;
    EXPECT_EQ(KeGetCurrentProcessorNumberEx(NULL), (ULONG)(ULONG_PTR)argument1);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

TEST(targeted_dpc_runs_on_its_processor, "D-22")
{
    PROCESSOR_NUMBER number = {.Number = 1};
    uint32_t expected = 0;
    KDPC dpc;

    for (int i = 0; i < 200; i++) {
        KeInitializeDpc(&dpc, check_processor, NULL);
        if (i % 3)
            KeSetTargetProcessorDpc(&dpc, (CCHAR)(i % 2));
        else
            EXPECT_STATUS(KeSetTargetProcessorDpcEx(&dpc, &number), STATUS_SUCCESS);
        KeInsertQueueDpc(&dpc, (PVOID)(ULONG_PTR)(i % 3 ? i % 2 : 1), NULL);
        KeFlushQueuedDpcs();
        EXPECT_EQ(calls, ++expected);
    }
    number.Number = 2;
    EXPECT_STATUS(KeSetTargetProcessorDpcEx(&dpc, &number), STATUS_INVALID_PARAMETER);
}

/* After the flush the routine has returned: its DPC and context may go. */
struct flushed {
    KDPC dpc;
    long state;
};

static VOID slow_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct flushed *flushed = context;

    (void)dpc, (void)argument1, (void)argument2;
    flushed->state = 1;
    KeStallExecutionProcessor(20);
    flushed->state = 2;
}

TEST(flush_waits_to_the_end, "K-DPC-05")
{
    for (long i = 0; i < test_scale(10000); i++) {
        struct flushed flushed = {.state = 0};

        KeInitializeDpc(&flushed.dpc, slow_dpc, &flushed);
        EXPECT(KeInsertQueueDpc(&flushed.dpc, NULL, NULL));
        KeFlushQueuedDpcs();
        EXPECT_EQ(flushed.state, 2);
        RtlFillMemory(&flushed, sizeof flushed, 0xA5);
    }
}

/* ---- timers ------------------------------------------------------------------------------------------- */

static LARGE_INTEGER in_ms(int ms)
{
    return after(MS(ms));
}

TEST(timer_signals_at_expiry, "K-TIMER-02 K-TIMER-04 K-WAIT-13")
{
    uint64_t begun = host_now();
    KTIMER timer;

    KeInitializeTimer(&timer);
    EXPECT(!KeReadStateTimer(&timer));
    EXPECT(!KeSetTimer(&timer, in_ms(20), NULL));
    EXPECT_STATUS(wait_ms(&timer, 10000), STATUS_SUCCESS);
    EXPECT(host_now() - begun >= NS(20));
    EXPECT_STATUS(wait_ms(&timer, 0), STATUS_SUCCESS); /* notification: stays signalled */
    EXPECT(KeReadStateTimer(&timer));
    KeInitializeTimerEx(&timer, SynchronizationTimer);
    KeSetTimer(&timer, in_ms(1), NULL);
    EXPECT_STATUS(wait_ms(&timer, 10000), STATUS_SUCCESS);
    EXPECT_STATUS(wait_ms(&timer, 0), STATUS_TIMEOUT); /* one waiter only */
}

TEST(setting_a_queued_timer_voids_the_old_setting, "K-TIMER-01")
{
    BOOLEAN queued, slow;
    uint64_t begun, set;
    KTIMER timer;
    KDPC old;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    KeInitializeDpc(&old, queue_again, NULL);
    KeInitializeTimer(&timer);
    do { /* who was stopped in between for as long as that has seen nothing */
        KeCancelTimer(&timer);
        KeFlushQueuedDpcs();
        calls = 0;
        begun = host_now();
        EXPECT(!KeSetTimer(&timer, in_ms(200), &old));
        set = host_now();
        queued = KeSetTimer(&timer, in_ms(400), NULL);
        slow = host_now() >= begun + NS(200);
    } while (slow);
    EXPECT(queued);
    sleep_ms(250);
    EXPECT(!KeReadStateTimer(&timer) ||
           host_now() >= set + NS(400)); /* who slept too long has seen nothing */
    EXPECT_STATUS(wait_ms(&timer, 10000), STATUS_SUCCESS);
    EXPECT(!KeSetTimer(&timer, in_ms(10000), NULL)); /* not queued any more; clears the signal */
    EXPECT(!KeReadStateTimer(&timer));
    EXPECT(KeCancelTimer(&timer));
    KeFlushQueuedDpcs();
    EXPECT_EQ(calls, 0);
}

TEST(cancel_tells_whether_it_was_queued, "K-TIMER-05")
{
    KTIMER timer;

    KeInitializeTimer(&timer);
    EXPECT(!KeCancelTimer(&timer));
    KeSetTimer(&timer, in_ms(10000), NULL);
    EXPECT(KeCancelTimer(&timer));
    EXPECT(!KeCancelTimer(&timer));
    KeSetTimer(&timer, in_ms(1), NULL);
    EXPECT_STATUS(wait_ms(&timer, 10000), STATUS_SUCCESS);
    EXPECT(!KeCancelTimer(&timer)); /* expired */
    KeSetTimerEx(&timer, in_ms(1), 1, NULL);
    sleep_ms(10);
    EXPECT(KeCancelTimer(&timer)); /* a periodic one is always queued */
}

static VOID count_call(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

TEST(periodic_timer, "K-TIMER-03 K-TIMER-02")
{
    uint64_t begun = host_now();
    KTIMER timer;
    KDPC dpc;
    uint32_t at_end;

    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, count_call, NULL);
    EXPECT(!KeSetTimerEx(&timer, in_ms(5), 5, &dpc));
    EXPECT_SOON(__atomic_load_n(&calls, __ATOMIC_RELAXED) >= 10);
    EXPECT(host_now() - begun >= NS(50));
    EXPECT(KeCancelTimer(&timer));
    KeFlushQueuedDpcs();
    at_end = __atomic_load_n(&calls, __ATOMIC_RELAXED);
    sleep_ms(20);
    EXPECT_EQ(__atomic_load_n(&calls, __ATOMIC_RELAXED), at_end);
    EXPECT(!KeSetTimerEx(&timer, in_ms(1), 0, &dpc)); /* period 0: once */
    EXPECT_SOON(__atomic_load_n(&calls, __ATOMIC_RELAXED) > at_end);
    sleep_ms(20);
    EXPECT_EQ(__atomic_load_n(&calls, __ATOMIC_RELAXED), at_end + 1);
}

TEST(absolute_timer, "K-TIMER-02 K-WAIT-02")
{
    LARGE_INTEGER due;
    KTIMER timer;
    KDPC dpc;

    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, count_call, NULL);
    KeQuerySystemTimePrecise(&due);
    due.QuadPart += MS(30);
    EXPECT(!KeSetTimer(&timer, due, &dpc));
    EXPECT_STATUS(wait_ms(&timer, 10000), STATUS_SUCCESS);
    EXPECT(ke_query_system_time() >= (uint64_t)due.QuadPart);
    KeFlushQueuedDpcs();
    EXPECT_EQ(calls, 1);
    due.QuadPart = 1; /* long past */
    EXPECT(!KeSetTimer(&timer, due, &dpc));
    EXPECT(KeReadStateTimer(&timer));
    KeFlushQueuedDpcs();
    EXPECT_EQ(calls, 2);
    due.QuadPart = INT64_MAX;
    EXPECT(!KeSetTimer(&timer, due, &dpc));
    EXPECT(KeCancelTimer(&timer));
}

/* Distances from nothing to ages: every level of the wheel, all set and half of them cancelled in between. */
#define MANY 400
static struct timed {
    KTIMER timer;
    KDPC dpc;
    uint64_t due;
    uint32_t fired;
} many[MANY];

static VOID note_fired(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct timed *timed = context;

    (void)dpc, (void)argument1, (void)argument2;
    EXPECT(host_now() >= timed->due);
    __atomic_add_fetch(&timed->fired, 1, __ATOMIC_RELAXED);
}

TEST(timers_of_every_distance, "K-TIMER-02 K-TIMER-05 K-WAIT-13")
{
    unsigned random = 12345;

    for (int i = 0; i < MANY; i++) {
        struct timed *timed = &many[i];
        LONGLONG units;

        random = random * 1103515245 + 12345;
        units = (LONGLONG)(random >> 8) % 4000000; /* up to 400 ms */
        if (i % 8 == 7)
            units = MS(60000) << (i % 40); /* beyond the test, the last ones beyond all bounds */
        KeInitializeTimer(&timed->timer);
        KeInitializeDpc(&timed->dpc, note_fired, timed);
        timed->due = host_now() + (uint64_t)(units % 4000000) * 100;
        EXPECT(!KeSetTimer(&timed->timer, after(units), &timed->dpc));
        if (i % 64 == 0)
            sleep_ms(3);
    }
    for (int i = 0; i < MANY; i++) {
        if (i % 8 != 7) /* within 400 ms; a busy machine may be late */
            EXPECT_SOON(__atomic_load_n(&many[i].fired, __ATOMIC_RELAXED));
    }
    KeFlushQueuedDpcs();
    for (int i = 0; i < MANY; i++) {
        BOOLEAN queued = KeCancelTimer(&many[i].timer);

        EXPECT_EQ(queued, i % 8 == 7);
        EXPECT_EQ(many[i].fired, i % 8 != 7);
    }
}

/* Set and cancelled from two threads while it expires: each setting ends in exactly one of cancelled, voided,
 * run; after FALSE from a cancel, the flush makes sure that the DPC is over (K-TIMER-06). */
struct raced {
    KTIMER timer;
    KDPC dpc;
    uint32_t ran;
};

static VOID note_ran(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)argument1, (void)argument2;
    ((struct raced *)context)->ran++;
}

TEST(cancel_races_with_expiry, "K-TIMER-05 K-TIMER-06", TEST_TIMEOUT(120))
{
    long cancelled = 0, rounds = test_scale(20000);

    for (long i = 0; i < rounds; i++) {
        struct raced raced = {.ran = 0};
        uint64_t until;

        KeInitializeTimer(&raced.timer);
        KeInitializeDpc(&raced.dpc, note_ran, &raced);
        EXPECT(!KeSetTimer(&raced.timer, after(i % 2000), &raced.dpc)); /* up to 200 us */
        until = host_now() + (uint64_t)(i % 1999) * 150;
        while (host_now() < until)
            host_cpu_relax();
        if (KeCancelTimer(&raced.timer)) {
            cancelled++;
            KeFlushQueuedDpcs();
            EXPECT_EQ(raced.ran, 0);
        } else {
            KeFlushQueuedDpcs();
            EXPECT_EQ(raced.ran, 1);
        }
        RtlFillMemory(&raced, sizeof raced, 0xA5);
    }
    TEST_NOTE("%ld of %ld cancelled", cancelled, rounds);
}

/* ---- the poller --------------------------------------------------------------------------------------- */

static struct polled {
    uint32_t woken[2], dispatched[2], waited[2];
} polled;

static void poller_wait(void *context, unsigned processor, uint64_t deadline)
{
    struct polled *counts = context;

    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    __atomic_fetch_add(&counts->waited[processor], 1, __ATOMIC_RELAXED);
    if (deadline)
        host_park(&counts->woken[processor], 0, deadline);
    __atomic_store_n(&counts->woken[processor], 0, __ATOMIC_SEQ_CST);
}

static int poller_dispatch(void *context, unsigned processor)
{
    struct polled *counts = context;

    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    EXPECT_EQ(KeGetCurrentProcessorNumberEx(NULL), processor);
    EXPECT(ke_on_processor_thread());
    return __atomic_add_fetch(&counts->dispatched[processor], 1, __ATOMIC_RELAXED) % 3 == 0;
}

static void poller_wake(void *context, unsigned processor)
{
    struct polled *counts = context;

    __atomic_store_n(&counts->woken[processor], 1, __ATOMIC_SEQ_CST);
    host_unpark(&counts->woken[processor], 1);
}

TEST(poller_is_served_beside_dpcs_and_timers, "K-DPC-03 D-22")
{
    static struct ke_poller poller = {&polled, poller_wait, poller_dispatch, poller_wake};
    struct ke_config config = {.processors = 2, .poller = &poller};
    uint64_t begun;
    KTIMER timer;
    KDPC dpc;

    ke_stop();
    EXPECT_STATUS(ke_start(&config), STATUS_SUCCESS);
    KeInitializeDpc(&dpc, count_call, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        KeSetTargetProcessorDpc(&dpc, (CCHAR)(i % 2));
        EXPECT(KeInsertQueueDpc(&dpc, NULL, NULL));
        KeFlushQueuedDpcs();
        EXPECT_EQ(calls, i + 1);
    }
    begun = host_now();
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, in_ms(20), NULL);
    EXPECT_STATUS(wait_ms(&timer, 10000), STATUS_SUCCESS);
    EXPECT(host_now() - begun >= NS(20));
    for (int i = 0; i < 2; i++) { /* it sleeps when there is nothing to do */
        EXPECT(__atomic_load_n(&polled.dispatched[i], __ATOMIC_RELAXED) > 0);
        EXPECT(__atomic_load_n(&polled.waited[i], __ATOMIC_RELAXED) < 2000);
    }
}

/* ---- misuse ------------------------------------------------------------------------------------------- */

static VOID waits(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    (void)KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
}

static ULONG_PTR anything(void)
{
    return bug.p[0];
}

BUG_TEST(wait_in_a_dpc, "K-WAIT-09", ATTEMPTED_SWITCH_FROM_DPC, anything())
{
    static KDPC dpc;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    KeInitializeDpc(&dpc, waits, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    sleep_ms(60000);
}

static VOID enters_region(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    ke_current_thread()->apc_disable++;
}

BUG_TEST(dpc_changes_the_apc_count, "K-DPC-07", TIMER_OR_DPC_INVALID, 4)
{
    static KDPC dpc;

    KeInitializeDpc(&dpc, enters_region, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    sleep_ms(60000);
}

static VOID lowers(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    KeLowerIrql(PASSIVE_LEVEL);
}

BUG_TEST(dpc_lowers_its_level, "K-IRQL-03", DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31)
{
    static KDPC dpc;

    KeInitializeDpc(&dpc, lowers, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    sleep_ms(60000);
}
