/*
 * test_race_io.c - hand-overs of work, IRPs and devices between threads.
 *
 * Strategy: as in test_race_ke.c.  Producers and the end of the workers run against each other; each piece of
 * work is counted once, and one that nobody takes up shows as a time-out far below the ten seconds after
 * which an idle worker would find it by itself.
 */
#include "ke_test.h"

#include "nt/ex/ex.h"
#include "nt/io/io.h"

#define TAG 'ecaR'

/* ---- work against the end of the workers -------------------------------------------------------------- */

struct piece {
    struct ex_work work;
    long *ran;
    PKEVENT done;
};

static uint32_t producers_left;
static long work_rounds;

static void run_piece(void *context)
{
    struct piece *piece = context;
    PKEVENT done = piece->done;
    long *ran = piece->ran;

    memset(piece, 0xee, sizeof *piece);
    ExFreePoolWithTag(piece, TAG); /* K-WORK-03 */
    __atomic_add_fetch(ran, 1, __ATOMIC_RELAXED);
    if (done)
        KeSetEvent(done, IO_NO_INCREMENT, FALSE);
}

static void queue_piece(long *ran, PKEVENT done)
{
    struct piece *piece = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *piece, TAG);

    piece->ran = ran;
    piece->done = done;
    ex_queue_worker(&piece->work, run_piece, piece);
}

static VOID produce(PVOID context)
{
    LARGE_INTEGER limit = after(MS(5000));
    long *ran = context;

    for (long i = 0; i < work_rounds; i++) {
        KEVENT done;

        KeInitializeEvent(&done, SynchronizationEvent, FALSE);
        queue_piece(ran, NULL);
        queue_piece(ran, &done);
        EXPECT_STATUS(KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, &limit), STATUS_SUCCESS);
    }
    __atomic_sub_fetch(&producers_left, 1, __ATOMIC_RELEASE);
}

TEST(work_is_taken_up_at_once, "K-WORK-02 K-WORK-03", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[4];
    long ran = 0;

    work_rounds = test_scale(20000);
    producers_left = 4;
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(produce, &ran);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    ex_workers_shutdown();
    EXPECT_EQ(ran, 4 * 2 * work_rounds);
}

TEST(work_is_taken_up_while_workers_are_told_to_end, "K-WORK-02 K-WORK-03", TEST_TIMEOUT(120))
{
    struct ke_thread *threads[4];
    long ran = 0;

    work_rounds = test_scale(5000);
    producers_left = 4;
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(produce, &ran);
    while (__atomic_load_n(&producers_left, __ATOMIC_ACQUIRE))
        ex_workers_shutdown();
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    ex_workers_shutdown();
    EXPECT_EQ(ran, 4 * 2 * work_rounds);
}

/* ---- IoSetCompletionRoutineEx: who waits for the end finds nothing left ------------------------------- */

static NTSTATUS NTAPI stop_here(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    (void)device, (void)irp, (void)context;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static struct {
    KEVENT go, done;
    PIRP irp;
    int end;
} completer;

static VOID complete_when_told(PVOID context)
{
    (void)context;
    for (;;) {
        KeWaitForSingleObject(&completer.go, Executive, KernelMode, FALSE, NULL);
        if (completer.end)
            return;
        io_complete_request(completer.irp, STATUS_SUCCESS, 0);
        KeSetEvent(&completer.done, IO_NO_INCREMENT, FALSE);
    }
}

TEST(held_completion_leaves_nothing_when_it_is_over, "K-COMPL-26", TEST_TIMEOUT(120))
{
    PDRIVER_OBJECT driver = io_driver_create("race", "\\Registry\\race");
    struct ke_thread *thread;
    long rounds = test_scale(20000);

    KeInitializeEvent(&completer.go, SynchronizationEvent, FALSE);
    KeInitializeEvent(&completer.done, SynchronizationEvent, FALSE);
    completer.irp = io_allocate_irp(1, FALSE, NULL); /* the runtime's: the driver holds the rest */
    thread = start_thread(complete_when_told, NULL);
    for (long i = 0; i < rounds; i++) {
        PDEVICE_OBJECT device;
        SIZE_T blocks, bytes;

        EXPECT_STATUS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                      STATUS_SUCCESS);
        EXPECT_STATUS(IoSetCompletionRoutineEx(device, completer.irp, stop_here, NULL, TRUE, TRUE, TRUE),
                      STATUS_SUCCESS);
        io_prepare_lower(completer.irp);
        IoDeleteDevice(device); /* held by the completion alone now */
        KeSetEvent(&completer.go, IO_NO_INCREMENT, FALSE);
        io_wait_completions(driver);
        ex_pool_driver_usage(&blocks, &bytes);
        EXPECT_EQ(blocks, 0);
        KeWaitForSingleObject(&completer.done, Executive, KernelMode, FALSE, NULL);
        io_reuse_irp(completer.irp, STATUS_SUCCESS);
    }
    completer.end = 1;
    KeSetEvent(&completer.go, IO_NO_INCREMENT, FALSE);
    join_thread(thread);
    io_free_irp(completer.irp);
    io_driver_delete(driver);
}

/* ---- IoCancelIrp against the holder who completes: the IRP dies at once in either case (K-CANCEL-03, D-09)
 * ---- */

static struct {
    PIRP irp;
    uint32_t turn; /* counts the rounds: the canceller goes ahead with each */
    uint32_t cancelled;
    long by_routine, by_holder;
    int end;
} cancel_race;

static VOID NTAPI cancel_routine(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    IoReleaseCancelSpinLock(irp->CancelIrql);
    cancel_race.by_routine++;
    io_complete_request(irp, STATUS_CANCELLED, 0);
}

static NTSTATUS NTAPI count_end(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    (void)device, (void)irp;
    __atomic_add_fetch((uint32_t *)context, 1, __ATOMIC_RELEASE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID cancel_in_turn(PVOID context)
{
    uint32_t turn = 0, now;

    (void)context;
    for (;;) {
        while ((now = __atomic_load_n(&cancel_race.turn, __ATOMIC_ACQUIRE)) == turn)
            host_yield();
        turn = now;
        if (cancel_race.end)
            return;
        IoCancelIrp(cancel_race.irp);
        __atomic_store_n(&cancel_race.cancelled, turn, __ATOMIC_RELEASE);
    }
}

TEST(irp_ends_once_whoever_is_faster, "K-CANCEL-03 K-CANCEL-04 K-CANCEL-06", TEST_TIMEOUT(120))
{
    struct ke_thread *thread = start_thread(cancel_in_turn, NULL);
    long rounds = test_scale(50000);
    uint32_t ended = 0;

    for (long i = 1; i <= rounds; i++) {
        PIRP irp = IoAllocateIrp(1, FALSE);

        IoSetCompletionRoutine(irp, count_end, &ended, TRUE, TRUE, TRUE);
        io_prepare_lower(irp);
        io_mark_irp_pending(irp);
        IoSetCancelRoutine(irp, cancel_routine);
        cancel_race.irp = irp;
        __atomic_store_n(&cancel_race.turn, (uint32_t)i, __ATOMIC_RELEASE);
        KeStallExecutionProcessor((ULONG)i % 3);
        if (IoSetCancelRoutine(irp, NULL)) {
            cancel_race.by_holder++;
            io_complete_request(irp, STATUS_SUCCESS, 0);
        }
        while (__atomic_load_n(&cancel_race.cancelled, __ATOMIC_ACQUIRE) != (uint32_t)i)
            host_yield();
        EXPECT_EQ(__atomic_load_n(&ended, __ATOMIC_ACQUIRE), i);
        IoFreeIrp(irp);
    }
    EXPECT_EQ(cancel_race.by_holder + cancel_race.by_routine, rounds);
    cancel_race.end = 1;
    __atomic_store_n(&cancel_race.turn, (uint32_t)rounds + 1, __ATOMIC_RELEASE);
    join_thread(thread);
}
