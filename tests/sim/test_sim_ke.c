/*
 * test_sim_ke.c - the executive in the simulator: the same code that runs on threads, under thousands of schedules.
 *
 * Strategy: one program with everything in it that waits or wakes - threads, processors, spin locks of both kinds,
 * events, a semaphore, a mutex, DPCs, timers, work items, the pool - whose outcome is known exactly.  Each seed runs
 * it in a world that is as new; a schedule that loses a wake-up or spins without letting others run ends otherwise
 * than SIM_DONE.
 */
#include "../nt/ke_test.h"

#include "host/sim/sim.h"
#include "nt/ex/ex.h"

enum { THREADS = 3, ROUNDS = 4, TICKS = 3 };

#define TAG 'miSt'

static struct world {
    KSPIN_LOCK lock, queued;
    KEVENT go, tick;
    KSEMAPHORE items;
    KMUTEX mutex;
    KTIMER timer;
    KDPC dpc[THREADS], timer_dpc;
    int under_lock, under_queued, under_mutex;
    uint32_t dpcs, ticks;
} * world;

static VOID on_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    EXPECT_EQ(ke_current_irql(), DISPATCH_LEVEL);
    __atomic_add_fetch(&world->dpcs, 1, __ATOMIC_RELAXED);
    KeReleaseSemaphore(&world->items, 0, 1, FALSE);
}

static VOID on_tick(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    if (__atomic_add_fetch(&world->ticks, 1, __ATOMIC_RELAXED) == TICKS)
        KeSetEvent(&world->tick, 0, FALSE);
}

static VOID worker(PVOID context)
{
    PKDPC dpc = context;

    KeWaitForSingleObject(&world->go, Executive, KernelMode, FALSE, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        KLOCK_QUEUE_HANDLE handle;
        LARGE_INTEGER pause = after(MS(1));
        void *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100 + 100 * (unsigned)i, TAG);
        KIRQL irql;

        EXPECT(block != NULL);
        KeAcquireSpinLock(&world->lock, &irql);
        EXPECT_EQ(world->under_lock++ & 1, 0);
        world->under_lock++;
        KeReleaseSpinLock(&world->lock, irql);
        KeAcquireInStackQueuedSpinLock(&world->queued, &handle);
        EXPECT_EQ(world->under_queued++ & 1, 0);
        world->under_queued++;
        KeReleaseInStackQueuedSpinLock(&handle);
        KeWaitForSingleObject(&world->mutex, Executive, KernelMode, FALSE, NULL);
        EXPECT_EQ(world->under_mutex++ & 1, 0);
        KeDelayExecutionThread(KernelMode, FALSE, &pause);
        world->under_mutex++;
        KeReleaseMutex(&world->mutex, FALSE);
        while (!KeInsertQueueDpc(dpc, NULL, NULL))
            KeDelayExecutionThread(KernelMode, FALSE, &pause);
        ExFreePoolWithTag(block, TAG);
    }
}

static void program(void *argument)
{
    struct ke_thread *threads[THREADS];
    LARGE_INTEGER due = after(MS(2));

    (void)argument;
    EXPECT(ke_current_thread() != NULL);
    start_processors(2);
    world = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *world, TAG);
    EXPECT(world != NULL);
    KeInitializeSpinLock(&world->lock);
    KeInitializeSpinLock(&world->queued);
    KeInitializeEvent(&world->go, NotificationEvent, FALSE);
    KeInitializeEvent(&world->tick, SynchronizationEvent, FALSE);
    KeInitializeSemaphore(&world->items, 0, 1000);
    KeInitializeMutex(&world->mutex, 0);
    KeInitializeTimerEx(&world->timer, SynchronizationTimer);
    KeInitializeDpc(&world->timer_dpc, on_tick, NULL);
    for (int i = 0; i < THREADS; i++) {
        KeInitializeDpc(&world->dpc[i], on_dpc, NULL);
        threads[i] = start_thread(worker, &world->dpc[i]);
    }
    KeSetTimerEx(&world->timer, due, 1, &world->timer_dpc);
    KeSetEvent(&world->go, 0, FALSE);
    for (int i = 0; i < THREADS * ROUNDS; i++)
        EXPECT_STATUS(KeWaitForSingleObject(&world->items, Executive, KernelMode, FALSE, NULL),
                      STATUS_SUCCESS);
    EXPECT_STATUS(KeWaitForSingleObject(&world->tick, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    EXPECT(KeCancelTimer(&world->timer));
    KeFlushQueuedDpcs();
    EXPECT_EQ(world->dpcs, THREADS * ROUNDS);
    EXPECT_EQ(world->under_lock, 2 * THREADS * ROUNDS);
    EXPECT_EQ(world->under_queued, 2 * THREADS * ROUNDS);
    EXPECT_EQ(world->under_mutex, 2 * THREADS * ROUNDS);
    EXPECT(world->ticks >= TICKS);
    ExFreePoolWithTag(world, TAG);
    ke_stop();
}

static struct sim_result run_program(const struct sim_plan *plan, void (*main)(void *argument))
{
    struct sim_result result;

    sim_restore();
    EXPECT_EQ(sim_run(plan, main, NULL, NULL, &result), 0);
    if (result.end != SIM_DONE)
        TEST_NOTE("seed %llu, scheduler %d: end %d, step %llu", (unsigned long long)plan->seed,
                  plan->scheduler, result.end, (unsigned long long)result.steps);
    EXPECT_EQ(result.end, SIM_DONE);
    return result;
}

static struct sim_result run(const struct sim_plan *plan)
{
    return run_program(plan, program);
}

static uint64_t seeds(void)
{
    return test_sanitizer() ? 200 : (uint64_t)test_scale(50000);
}

TEST(executive_holds_under_random_schedules, "", TEST_TIMEOUT(120))
{
    EXPECT_EQ(sim_snapshot(), 0);
    for (uint64_t seed = 0; seed < seeds(); seed++) {
        struct sim_plan plan = {.seed = seed, .scheduler = SIM_RANDOM};

        if (seed % 4 == 1) {
            plan.delay_one_in = 10;
            plan.delay_ns = 300000;
        }
        run(&plan);
    }
}

TEST(executive_holds_under_pct_schedules, "", TEST_TIMEOUT(120))
{
    struct sim_plan first = {.scheduler = SIM_REPLAY};
    uint64_t steps;

    EXPECT_EQ(sim_snapshot(), 0);
    steps = run(&first).steps;
    for (uint64_t seed = 0; seed < seeds(); seed++) {
        struct sim_plan plan = {
            .seed = seed, .scheduler = SIM_PCT, .depth = 2 + seed % 4, .expected_steps = steps};

        run(&plan);
    }
}

/* ---- the rooms above ----------------------------------------------------------------------------------- */

static struct upper {
    ERESOURCE resource;
    FAST_MUTEX fast;
    EX_RUNDOWN_REF rundown;
    SLIST_HEADER list;
    SLIST_ENTRY entries[THREADS];
    LOOKASIDE_LIST_EX lookaside;
    KEVENT worked;
    WORK_QUEUE_ITEM items[THREADS];
    LONG left, value, readers;
    LONG ended; /* the run-down is over */
} * upper;

static VOID on_work(PVOID context)
{
    (void)context;
    if (InterlockedDecrement(&upper->left) == 0)
        KeSetEvent(&upper->worked, 0, FALSE);
}

static VOID user(PVOID context)
{
    unsigned number = (unsigned)(ULONG_PTR)context;
    LARGE_INTEGER timeout = after(MS(1));
    KEVENT own;
    PVOID objects[2] = {&own, &upper->worked};
    PSLIST_ENTRY mine = &upper->entries[number]; /* whichever it got last */
    NTSTATUS status;

    KeInitializeEvent(&own, SynchronizationEvent, FALSE);
    for (int i = 0; i < ROUNDS; i++) {
        PVOID block;

        if (!ExAcquireRundownProtection(&upper->rundown))
            break;
        EXPECT_EQ(upper->ended, 0);
        block = ExAllocateFromLookasideListEx(&upper->lookaside);
        EXPECT(block != NULL);
        KeEnterCriticalRegion();
        ExAcquireResourceExclusiveLite(&upper->resource, TRUE);
        EXPECT_EQ(InterlockedIncrement(&upper->value), 1);
        EXPECT_EQ(upper->readers, 0);
        InterlockedDecrement(&upper->value);
        ExConvertExclusiveToSharedLite(&upper->resource);
        InterlockedIncrement(&upper->readers);
        EXPECT_EQ(upper->value, 0);
        InterlockedDecrement(&upper->readers);
        ExReleaseResourceLite(&upper->resource);
        KeLeaveCriticalRegion();
        ExAcquireFastMutex(&upper->fast);
        InterlockedPushEntrySList(&upper->list, mine);
        ExReleaseFastMutex(&upper->fast);
        while (!(mine = InterlockedPopEntrySList(&upper->list)))
            YieldProcessor();
        ExReleaseRundownProtection(&upper->rundown);
        ExFreeToLookasideListEx(&upper->lookaside, block);
    }
    status = KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &timeout, NULL);
    EXPECT(status == STATUS_TIMEOUT || status == STATUS_WAIT_1);
    ExQueueWorkItem(&upper->items[number], DelayedWorkQueue);
}

static void program_above(void *argument)
{
    struct ke_thread *threads[THREADS];

    (void)argument;
    start_processors(2);
    upper = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *upper, TAG);
    EXPECT(upper != NULL);
    EXPECT_STATUS(ExInitializeResourceLite(&upper->resource), STATUS_SUCCESS);
    ExInitializeFastMutex(&upper->fast);
    ExInitializeRundownProtection(&upper->rundown);
    InitializeSListHead(&upper->list);
    EXPECT_STATUS(ExInitializeLookasideListEx(&upper->lookaside, NULL, NULL, NonPagedPoolNx, 0, 64, TAG, 0),
                  STATUS_SUCCESS);
    KeInitializeEvent(&upper->worked, NotificationEvent, FALSE);
    upper->left = THREADS;
    for (ULONG_PTR i = 0; i < THREADS; i++) {
        ExInitializeWorkItem(&upper->items[i], on_work, NULL);
        threads[i] = start_thread(user, (PVOID)i);
    }
    ExWaitForRundownProtectionRelease(&upper->rundown);
    ExRundownCompleted(&upper->rundown);
    InterlockedExchange(&upper->ended, 1);
    EXPECT_STATUS(KeWaitForSingleObject(&upper->worked, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    ex_workers_shutdown();
    EXPECT_EQ(ExQueryDepthSList(&upper->list), 0);
    ExDeleteLookasideListEx(&upper->lookaside);
    EXPECT_STATUS(ExDeleteResourceLite(&upper->resource), STATUS_SUCCESS);
    ExFreePoolWithTag(upper, TAG);
    ke_stop();
}

TEST(rooms_above_hold_under_every_scheduler, "", TEST_TIMEOUT(120))
{
    struct sim_plan plan = {.scheduler = SIM_REPLAY};

    EXPECT_EQ(sim_snapshot(), 0);
    plan.expected_steps = run_program(&plan, program_above).steps;
    for (plan.seed = 0; plan.seed < seeds(); plan.seed++) {
        plan.scheduler = plan.seed % 2 ? SIM_PCT : SIM_RANDOM;
        plan.depth = 2 + plan.seed % 5;
        plan.delay_one_in = plan.seed % 3 ? 0 : 15;
        plan.delay_ns = 2000000;
        run_program(&plan, program_above);
    }
}

/* A run must not see an earlier one: not in the runtime's data, not in its memory. */
TEST(seeds_give_the_same_run_in_any_order, "", TEST_TIMEOUT(120))
{
    enum { SEEDS = 60 };
    uint64_t hashes[SEEDS];

    EXPECT_EQ(sim_snapshot(), 0);
    for (unsigned i = 0; i < SEEDS; i++)
        hashes[i] = run(&(struct sim_plan){.seed = i, .scheduler = SIM_RANDOM}).hash;
    for (unsigned i = SEEDS; i-- > 0;)
        EXPECT_EQ(run(&(struct sim_plan){.seed = i, .scheduler = SIM_RANDOM}).hash, hashes[i]);
}
