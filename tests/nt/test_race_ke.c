/*
 * test_race_ke.c - interleavings of the executive that its other tests meet only by chance.
 *
 * Strategy: each test stands for one hand-over - a stop against a loop that goes to sleep, a wake against the
 * end of the poller, a removal against a DPC that starts, a fault inside a lock - and repeats it with
 * shifting delays while other threads press on the same place.  What must hold is counted exactly; a lost
 * wake-up shows as a time-out.
 */
#include "ke_test.h"

#include "nt/ex/ex.h"
#include "nt/io/io.h"
#include "nt/ke/seh.h"
#include "uwsk/seh.h"

#define TAG 'ecaR'

/* A pause of 0 ... `most` us that differs from round to round. */
static void jitter(long round, ULONG most)
{
    KeStallExecutionProcessor((ULONG)((unsigned long)round * 2654435761u >> 7) % (most + 1));
}

/* ---- starting and stopping processors ----------------------------------------------------------------- */

TEST(stop_reaches_a_processor_that_goes_to_sleep, "", TEST_TIMEOUT(120))
{
    long rounds = test_scale(10000);

    for (long i = 0; i < rounds; i++) {
        start_processors(3);
        jitter(i, 120);
        ke_stop();
    }
}

/* The poller's context is gone once ke_stop has returned: nobody may still be in its wake function, or call
 * it. */
static struct {
    uint32_t word[2];
    uint32_t gone;
    uint32_t late;
    uint32_t end;
} poller_state;

static void poller_wait(void *context, unsigned processor, uint64_t deadline)
{
    (void)context;
    host_park(&poller_state.word[processor], 0, deadline);
    __atomic_store_n(&poller_state.word[processor], 0, __ATOMIC_SEQ_CST);
}

static int poller_dispatch(void *context, unsigned processor)
{
    (void)context, (void)processor;
    return 0;
}

static void poller_wake(void *context, unsigned processor)
{
    static uint32_t calls;

    (void)context;
    /* Now and then as slow as a thread that loses its CPU here. */
    KeStallExecutionProcessor(__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % 8 ? 0 : 200);
    if (__atomic_load_n(&poller_state.gone, __ATOMIC_SEQ_CST))
        __atomic_store_n(&poller_state.late, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&poller_state.word[processor], 1, __ATOMIC_SEQ_CST);
    host_unpark(&poller_state.word[processor], 1);
}

static VOID nothing_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
}

static VOID keep_waking(PVOID context)
{
    KDPC dpc;

    KeInitializeDpc(&dpc, nothing_dpc, NULL);
    KeSetTargetProcessorDpc(&dpc, (CCHAR)(ULONG_PTR)context);
    while (!__atomic_load_n(&poller_state.end, __ATOMIC_RELAXED)) {
        KeInsertQueueDpc(&dpc, NULL, NULL);
        KeRemoveQueueDpc(&dpc);
    }
}

TEST(nobody_wakes_a_poller_that_is_gone, "", TEST_TIMEOUT(120))
{
    struct ke_poller poller = {NULL, poller_wait, poller_dispatch, poller_wake};
    struct ke_config config = {.processors = 2, .poller = &poller};
    struct ke_thread *threads[2];
    long rounds = test_scale(2500);

    for (ULONG_PTR i = 0; i < 2; i++)
        threads[i] = start_thread(keep_waking, (PVOID)i);
    for (long i = 0; i < rounds; i++) {
        EXPECT_STATUS(ke_start(&config), STATUS_SUCCESS);
        jitter(i, 60);
        ke_stop();
        __atomic_store_n(&poller_state.gone, 1, __ATOMIC_SEQ_CST);
        jitter(i + 1, 30);
        EXPECT(!__atomic_load_n(&poller_state.late, __ATOMIC_SEQ_CST));
        __atomic_store_n(&poller_state.gone, 0, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&poller_state.end, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        join_thread(threads[i]);
}

/* What is still queued when the processors end is dropped, also what a DPC of the last turn queued elsewhere.
 */
static KDPC passed_on[2];

static VOID pass_on(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    KeInsertQueueDpc(&passed_on[dpc == &passed_on[0]], NULL, NULL);
}

TEST(no_dpc_is_queued_after_the_stop, "", TEST_TIMEOUT(120))
{
    long rounds = test_scale(10000);

    for (int i = 0; i < 2; i++) {
        KeInitializeDpc(&passed_on[i], pass_on, NULL);
        KeSetTargetProcessorDpc(&passed_on[i], (CCHAR)i);
    }
    for (long i = 0; i < rounds; i++) {
        start_processors(2);
        KeInsertQueueDpc(&passed_on[0], NULL, NULL);
        jitter(i, 150);
        ke_stop();
        EXPECT(!KeRemoveQueueDpc(&passed_on[0]));
        EXPECT(!KeRemoveQueueDpc(&passed_on[1]));
    }
}

static uint32_t flushing_ends;

static VOID flush_for_ever(PVOID context)
{
    (void)context;
    while (!__atomic_load_n(&flushing_ends, __ATOMIC_RELAXED))
        KeFlushQueuedDpcs();
}

/* A flush that has begun ends, although the processors that it waits for have. */
TEST(a_flush_ends_when_the_processors_stop, "K-DPC-05", TEST_TIMEOUT(120))
{
    long rounds = test_scale(10000);
    struct ke_thread *thread;

    start_processors(3);
    thread = start_thread(flush_for_ever, NULL);
    for (long i = 0; i < rounds; i++) {
        jitter(i, 100);
        ke_stop();
        jitter(i + 1, 20);
        start_processors(3);
    }
    jitter(rounds, 100);
    ke_stop();
    __atomic_store_n(&flushing_ends, 1, __ATOMIC_RELAXED);
    join_thread(thread);
}

/* ---- DPCs: queued, removed, running ------------------------------------------------------------------- */

#define DPCS 4

static KDPC shared_dpc[DPCS];
static long dpc_queued, dpc_removed, dpc_ran;
static long dpc_rounds;

static VOID count_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    __atomic_add_fetch(&dpc_ran, 1, __ATOMIC_RELAXED);
}

static VOID queue_and_remove(PVOID context)
{
    long me = (long)(ULONG_PTR)context;

    for (long i = 0; i < dpc_rounds; i++) {
        PKDPC dpc = &shared_dpc[(i + me) % DPCS];

        if (KeInsertQueueDpc(dpc, NULL, NULL))
            __atomic_add_fetch(&dpc_queued, 1, __ATOMIC_RELAXED);
        if (i % 3 == 0 && KeRemoveQueueDpc(&shared_dpc[(i * 5 + me) % DPCS]))
            __atomic_add_fetch(&dpc_removed, 1, __ATOMIC_RELAXED);
        if (i % 512 == 0)
            KeFlushQueuedDpcs();
    }
}

TEST(each_queued_dpc_runs_or_is_removed, "K-DPC-01 K-DPC-04 K-DPC-05", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[3];

    dpc_rounds = test_scale(1000000);
    start_processors(3);
    for (int i = 0; i < DPCS; i++) {
        KeInitializeDpc(&shared_dpc[i], count_dpc, NULL);
        if (i == 0)
            KeSetTargetProcessorDpc(&shared_dpc[i], 2);
        if (i == 1)
            KeSetImportanceDpc(&shared_dpc[i], HighImportance);
    }
    for (ULONG_PTR i = 0; i < 3; i++)
        threads[i] = start_thread(queue_and_remove, (PVOID)i);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    KeFlushQueuedDpcs();
    EXPECT_EQ(dpc_ran + dpc_removed, dpc_queued);
    ke_stop();
}

static VOID free_itself(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)argument2;
    KeStallExecutionProcessor((ULONG)(ULONG_PTR)argument1);
    ExFreePoolWithTag(dpc, TAG);
    __atomic_add_fetch((long *)context, 1,
                       __ATOMIC_RELAXED); /* last: not ordered by anything but the flush */
}

static VOID flush_what_was_queued(PVOID context)
{
    long ran = 0;

    (void)context;
    for (long i = 0; i < dpc_rounds; i++) {
        for (long j = 0; j < 2; j++) {
            PKDPC dpc = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *dpc, TAG);

            KeInitializeDpc(dpc, free_itself, &ran);
            if (j)
                KeSetTargetProcessorDpc(dpc, (CCHAR)(i % 3));
            EXPECT(KeInsertQueueDpc(dpc, (PVOID)(ULONG_PTR)(i % 7), NULL));
        }
        KeFlushQueuedDpcs();
        EXPECT_EQ(__atomic_load_n(&ran, __ATOMIC_RELAXED), 2 * (i + 1));
    }
}

TEST(flush_knows_every_dpc_that_was_queued, "K-DPC-02 K-DPC-05 D-09", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[3];

    dpc_rounds = test_scale(10000);
    start_processors(3);
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(flush_what_was_queued, NULL);
    for (int i = 0; i < 3; i++)
        join_thread(threads[i]);
    ke_stop();
}

/* ---- more threads at DISPATCH_LEVEL than processors, over locks of every kind ------------------------- */

static KSPIN_LOCK outer_lock, middle_lock, inner_lock; /* taken in this order */
static struct ke_lock book_lock = KE_LOCK_INITIALIZER;
static long in_outer, in_middle, in_inner, in_book;
static long lock_rounds;

static void through_all_locks(void)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL old;

    KeAcquireSpinLock(&outer_lock, &old);
    in_outer++;
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&middle_lock, &handle);
    in_middle++;
    KeAcquireSpinLockAtDpcLevel(&inner_lock);
    in_inner++;
    ke_lock_acquire(&book_lock);
    in_book++;
    ke_lock_release(&book_lock);
    KeReleaseSpinLockFromDpcLevel(&inner_lock);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    KeReleaseSpinLock(&outer_lock, old);
}

static VOID lock_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)context, (void)argument1, (void)argument2;
    through_all_locks();
    __atomic_add_fetch(&dpc_ran, 1, __ATOMIC_RELAXED);
}

static VOID lock_hammer(PVOID context)
{
    long me = (long)(ULONG_PTR)context;

    for (long i = 0; i < lock_rounds; i++) {
        KLOCK_QUEUE_HANDLE handle;

        if ((i + me) % 4 == 0) { /* below DISPATCH_LEVEL: its holder may lose its CPU at any moment */
            ke_lock_acquire(&book_lock);
            in_book++;
            ke_lock_release(&book_lock);
        } else if ((i + me) % 4 == 1) {
            KeAcquireInStackQueuedSpinLock(&middle_lock, &handle);
            in_middle++;
            KeReleaseInStackQueuedSpinLock(&handle);
        } else {
            through_all_locks();
        }
        if (i % 16 == 0 && KeInsertQueueDpc(&shared_dpc[me % DPCS], NULL, NULL))
            __atomic_add_fetch(&dpc_queued, 1, __ATOMIC_RELAXED);
    }
}

#define LOCK_HAMMERS 8

static void hammer_locks(unsigned processors)
{
    struct ke_thread *threads[LOCK_HAMMERS];
    long all = 0, quarter = 0;

    lock_rounds = test_scale(200000);
    start_processors(processors);
    for (int i = 0; i < DPCS; i++)
        KeInitializeDpc(&shared_dpc[i], lock_dpc, NULL);
    for (ULONG_PTR i = 0; i < LOCK_HAMMERS; i++)
        threads[i] = start_thread(lock_hammer, (PVOID)i);
    for (int i = 0; i < LOCK_HAMMERS; i++)
        join_thread(threads[i]);
    KeFlushQueuedDpcs();
    ke_stop();
    for (long me = 0; me < LOCK_HAMMERS; me++) {
        for (long i = 0; i < lock_rounds; i++) {
            quarter += (i + me) % 4 == 1;
            all += (i + me) % 4 > 1;
        }
    }
    EXPECT_EQ(dpc_ran, dpc_queued);
    EXPECT_EQ(in_outer, all + dpc_ran);
    EXPECT_EQ(in_inner, all + dpc_ran);
    EXPECT_EQ(in_middle, all + quarter + dpc_ran);
    EXPECT_EQ(in_book, LOCK_HAMMERS * lock_rounds - quarter + dpc_ran);
}

TEST(holders_of_locks_never_wait_for_the_one_processor, "K-IRQL-07 K-SPIN-01", TEST_TIMEOUT(120))
{
    hammer_locks(1);
}

TEST(holders_of_locks_never_wait_for_one_of_two_processors, "K-IRQL-07 K-SPIN-01", TEST_TIMEOUT(120))
{
    hammer_locks(2);
}

/* ---- so many threads want the processor that one of them always starves: its own thread must get its turn,
 * too ---- */

#define CROWD 12

static uint32_t crowd_ends;
static long crowd_turns;

static VOID crowd(PVOID context)
{
    (void)context;
    while (!__atomic_load_n(&crowd_ends, __ATOMIC_RELAXED)) {
        KIRQL old = KeRaiseIrqlToDpcLevel();

        __atomic_add_fetch(&crowd_turns, 1, __ATOMIC_RELAXED);
        KeStallExecutionProcessor(2000); /* longer than anyone waits patiently */
        KeLowerIrql(old);
    }
}

TEST(a_crowd_does_not_starve_the_dpcs, "K-IRQL-07", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[CROWD];
    uint64_t began;
    KDPC dpc;

    start_processors(1);
    KeInitializeDpc(&dpc, count_dpc, NULL);
    for (int i = 0; i < CROWD; i++)
        threads[i] = start_thread(crowd, NULL);
    sleep_ms(20);
    began = host_now();
    for (long i = 1; i <= 20; i++) {
        KeInsertQueueDpc(&dpc, NULL, NULL);
        while (__atomic_load_n(&dpc_ran, __ATOMIC_RELAXED) < i && host_now() - began < NS(60000))
            host_yield();
    }
    __atomic_store_n(&crowd_ends, 1, __ATOMIC_RELAXED);
    TEST_NOTE("%ld turns of the crowd", __atomic_load_n(&crowd_turns, __ATOMIC_RELAXED));
    EXPECT_EQ(__atomic_load_n(&dpc_ran, __ATOMIC_RELAXED), 20);
    for (int i = 0; i < CROWD; i++)
        join_thread(threads[i]);
    ke_stop();
}

/* ---- a fault of the driver's inside a lock of the executive ------------------------------------------- */

static uint32_t fault_caught;

static void on_exception(const struct host_exception *exception)
{
    ke_seh_dispatch_fault(STATUS_ACCESS_VIOLATION, exception->address, exception->write, exception->ip);
    ke_bug_check_from(SYSTEM_THREAD_EXCEPTION_NOT_HANDLED, 0, (ULONG_PTR)exception->ip, 0, 0, exception->ip);
}

static VOID set_the_event(PVOID event)
{
    KeSetEvent(event, IO_NO_INCREMENT, FALSE);
}

static VOID pop_the_list(PVOID list)
{
    (void)InterlockedPopEntrySList(list);
}

static struct {
    VOID (*function)(PVOID);
    PVOID argument;
} faulty;

static VOID call_in_a_try(PVOID context)
{
    struct uwsk_seh_frame frame;

    (void)context;
    uwsk_seh_enter(&frame, 0);
    if (uwsk_seh_save(&frame) == 0)
        faulty.function(faulty.argument);
    else
        __atomic_store_n(&fault_caught, 1, __ATOMIC_SEQ_CST); /* with the lock held for ever */
    uwsk_seh_leave(&frame);
}

static void expect_not_caught(VOID (*function)(PVOID), PVOID argument)
{
    faulty.function = function;
    faulty.argument = argument;
    host_set_exception_handler(on_exception);
    ke_set_bugcheck_handler(record_bug);
    (void)start_thread(call_in_a_try, NULL);
    for (uint64_t end = host_now() + NS(10000); host_now() < end &&
                                                !__atomic_load_n(&fault_caught, __ATOMIC_SEQ_CST) &&
                                                !__atomic_load_n(&bug.raised, __ATOMIC_ACQUIRE);)
        host_yield(); /* no wait of ours: it would need the dispatcher lock */
    EXPECT(!__atomic_load_n(&fault_caught, __ATOMIC_SEQ_CST));
    EXPECT_EQ(bug.code, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED);
}

TEST(fault_under_the_dispatcher_lock_is_not_caught, "")
{
    expect_not_caught(set_the_event, host_pages_allocate(PAGE_SIZE, PAGE_SIZE, HOST_PAGE_NONE));
}

/* The list would stay claimed, and the next pop wait for ever. */
TEST(fault_in_a_sequenced_list_is_not_caught, "K-LIST-05")
{
    static SLIST_HEADER list;
    PSLIST_ENTRY gone = host_pages_allocate(PAGE_SIZE, PAGE_SIZE, HOST_PAGE_READ | HOST_PAGE_WRITE);

    InitializeSListHead(&list);
    InterlockedPushEntrySList(&list, gone);
    EXPECT_EQ(host_pages_protect(gone, PAGE_SIZE, HOST_PAGE_NONE), 0);
    expect_not_caught(pop_the_list, &list);
}

static VOID register_a_provider(PVOID handle)
{
    static const GUID id = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};

    EXPECT_STATUS(EtwRegister(&id, NULL, NULL, handle), STATUS_SUCCESS);
}

static VOID end_at_once(PVOID context)
{
    (void)context;
}

static VOID create_a_thread(PVOID handle)
{
    EXPECT_STATUS(PsCreateSystemThread(handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, end_at_once, NULL),
                  STATUS_SUCCESS);
}

/* An exception leaves nothing held: the same call works afterwards. */
TEST(fault_that_is_caught_leaves_nothing_held, "")
{
    PVOID nowhere = host_pages_allocate(PAGE_SIZE, PAGE_SIZE, HOST_PAGE_NONE);
    PVOID object = ob_create_object(&ob_event_type, sizeof(KEVENT));
    REGHANDLE provider = 0;
    HANDLE handle;

    host_set_exception_handler(on_exception);
    faulty.argument = nowhere;
    faulty.function = register_a_provider;
    call_in_a_try(NULL);
    EXPECT_EQ(fault_caught, 1);
    register_a_provider(&provider);
    EXPECT_STATUS(EtwUnregister(provider), STATUS_SUCCESS);
    EXPECT_EQ(provider, 1); /* and the first attempt has made none */

    fault_caught = 0;
    faulty.function = create_a_thread;
    call_in_a_try(NULL);
    EXPECT_EQ(fault_caught, 1);
    EXPECT_EQ(ob_handle_count(), 0);
    create_a_thread(&handle);
    EXPECT_STATUS(ZwWaitForSingleObject(handle, FALSE, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);

    EXPECT_STATUS(ob_open_handle(object, nowhere), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ob_open_handle(object, &handle), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);
    EXPECT_EQ(ob_dereference_object(object), 0);
}

/* ---- threads that end while others look at all of them ------------------------------------------------ */

static uint32_t looking_ends;

static void look_at(void *context, const struct ke_thread *thread)
{
    *(uint64_t *)context += thread->id + (thread->header.Type == ThreadObject) + (UCHAR)thread->name[0];
}

static VOID look_at_all(PVOID context)
{
    uint64_t *sum = context;

    while (!__atomic_load_n(&looking_ends, __ATOMIC_RELAXED))
        ke_each_thread(look_at, sum);
}

static VOID live_shortly(PVOID context)
{
    KeSetEvent(context, IO_NO_INCREMENT, FALSE);
}

TEST(threads_end_while_they_are_looked_at, "K-THREAD-03 D-09", TEST_TIMEOUT(120))
{
    uint64_t sum = 0;
    struct ke_thread *looker = start_thread(look_at_all, &sum);
    long rounds = test_scale(5000);

    for (long i = 0; i < rounds; i++) {
        KEVENT event; /* dies before its setter has ended */
        HANDLE handle;
        PVOID thread = NULL;

        KeInitializeEvent(&event, NotificationEvent, FALSE);
        EXPECT_STATUS(
            PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, live_shortly, &event),
            STATUS_SUCCESS);
        if (i % 2) {
            EXPECT_STATUS(
                ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL),
                STATUS_SUCCESS);
        }
        EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);
        EXPECT_STATUS(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
        if (thread) {
            EXPECT_STATUS(KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
            ObDereferenceObject(thread);
        }
    }
    __atomic_store_n(&looking_ends, 1, __ATOMIC_RELAXED);
    join_thread(looker);
    EXPECT(sum > 0);
}
