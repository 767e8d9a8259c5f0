/*
 * Cancellation: IoCancelIrp, cancel routines, the cancel spin lock, and the races between them.
 */
#include "bugcheck.h"
#include "host/host.h"
#include "nt/ex/ex.h"
#include "nt/io/io.h"

static LONG cancels;
static PIRP cancelled_irp;
static BOOLEAN lock_held, flag_seen;
static KIRQL level_inside;
static PDRIVER_CANCEL routine_seen;

static VOID NTAPI cancel(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    level_inside = KeGetCurrentIrql();
    flag_seen = __atomic_load_n(&irp->Cancel, __ATOMIC_RELAXED);
    routine_seen = __atomic_load_n(&irp->CancelRoutine, __ATOMIC_RELAXED);
    IoReleaseCancelSpinLock(irp->CancelIrql);
    lock_held = KeGetCurrentIrql() != level_inside;
    cancelled_irp = irp;
    InterlockedIncrement(&cancels);
}

TEST(cancel_without_routine_sets_the_flag, "K-CANCEL-01 K-CANCEL-02")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT(!IoCancelIrp(irp));
    EXPECT(irp->Cancel);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT(!IoCancelIrp(irp));
    IoFreeIrp(irp);
}

TEST(cancel_calls_the_routine_under_the_lock, "K-CANCEL-01 K-CANCEL-02 K-CANCEL-04")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT(IoSetCancelRoutine(irp, cancel) == NULL);
    EXPECT(IoCancelIrp(irp));
    EXPECT_EQ(cancels, 1);
    EXPECT(cancelled_irp == irp);
    EXPECT_EQ(level_inside, DISPATCH_LEVEL);
    EXPECT(lock_held); /* it was the routine that lowered the level */
    EXPECT(flag_seen && routine_seen == NULL);
    EXPECT(irp->Cancel);
    EXPECT_EQ(irp->CancelIrql, PASSIVE_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    EXPECT(!IoCancelIrp(irp)); /* once */
    EXPECT_EQ(cancels, 1);
    IoFreeIrp(irp);
}

TEST(cancel_at_dispatch_gives_that_level_back, "K-CANCEL-01")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    KIRQL irql;

    IoSetCancelRoutine(irp, cancel);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT(IoCancelIrp(irp));
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    EXPECT_EQ(irp->CancelIrql, DISPATCH_LEVEL);
    KeLowerIrql(irql);
    IoFreeIrp(irp);
}

TEST(set_routine_is_an_exchange, "K-CANCEL-03")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT(IoSetCancelRoutine(irp, cancel) == NULL);
    EXPECT(IoSetCancelRoutine(irp, NULL) == cancel);
    EXPECT(io_set_cancel_routine(irp, cancel) == NULL);
    EXPECT(io_mark_irp_cancelled(irp) == cancel); /* D-26: flag set, routine taken away, not called */
    EXPECT(irp->Cancel);
    EXPECT_EQ(cancels, 0);
    IoFreeIrp(irp);
}

TEST(one_cancel_lock, "K-CANCEL-15")
{
    KIRQL irql = 99;

    IoAcquireCancelSpinLock(&irql);
    EXPECT_EQ(irql, PASSIVE_LEVEL);
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    IoReleaseCancelSpinLock(irql);
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

static KSPIN_LOCK queue_lock;

static VOID NTAPI keeps_the_cancel_lock(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    (void)irp;
}

static VOID NTAPI keeps_another_lock(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    KeAcquireSpinLockAtDpcLevel(&queue_lock);
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

/* Called at DISPATCH_LEVEL it comes back at the right level all the same. */
static void cancelled_at_dispatch_level(PDRIVER_CANCEL routine)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    KeInitializeSpinLock(&queue_lock);
    io_prepare_lower(irp);
    IoSetCancelRoutine(irp, routine);
    (void)KeRaiseIrqlToDpcLevel();
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, IoCancelIrp(irp));
    EXPECT_BUGCHECK_PARAMETER(1, 0x40009);
    EXPECT_BUGCHECK_PARAMETER(3, routine);
}

TEST(cancel_routine_comes_back_with_the_cancel_lock, "K-CANCEL-11")
{
    cancelled_at_dispatch_level(keeps_the_cancel_lock);
}

TEST(cancel_routine_comes_back_with_a_lock_of_its_own, "K-CANCEL-11")
{
    cancelled_at_dispatch_level(keeps_another_lock);
    EXPECT_BUGCHECK_PARAMETER(2, &queue_lock);
}

TEST(routine_in_a_completed_irp_is_fatal, "K-CANCEL-14")
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    io_prepare_lower(irp);
    IoSetCancelRoutine(irp, cancel);
    io_complete_request(irp, STATUS_SUCCESS, 0); /* forgot to take its cancel routine back */
    EXPECT_BUGCHECK(CANCEL_STATE_IN_COMPLETED_IRP, IoCancelIrp(irp));
    EXPECT_BUGCHECK_PARAMETER(1, irp);
    EXPECT_BUGCHECK_PARAMETER(2, cancel);
}

static NTSTATUS NTAPI on_cancel(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    (void)device;
    (void)irp;
    InterlockedIncrement((LONG *)context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(marking_makes_cancel_only_routines_run, "D-26 K-COMPL-03")
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    LONG calls = 0;

    IoSetCompletionRoutine(irp, on_cancel, &calls, FALSE, FALSE, TRUE);
    io_prepare_lower(irp);
    io_mark_irp_cancelled(irp);
    io_complete_request(irp, STATUS_CANCELLED, 0);
    EXPECT_EQ(calls, 1);
    IoFreeIrp(irp);
}

/* ---- the race: a holder takes its routine back while another thread cancels --------------------------- */

struct race {
    PIRP irp;
    volatile LONG go;
    volatile LONG done;
    volatile LONG stop;
    LONG cancelled;
};

static void canceller(void *context)
{
    struct race *race = context;

    for (;;) {
        while (!InterlockedCompareExchange(&race->go, 0, 1)) {
            if (ReadAcquire(&race->stop))
                return;
            host_yield();
        }
        race->cancelled = IoCancelIrp(race->irp);
        InterlockedExchange(&race->done, 1);
    }
}

TEST(either_the_holder_or_the_routine_gets_it, "K-CANCEL-03 K-CANCEL-04")
{
    static struct race race;
    long rounds = test_scale(20000), holder = 0, routine = 0;

    race.irp = IoAllocateIrp(1, FALSE);
    EXPECT_EQ(host_thread_start(canceller, &race, "canceller", 0), 0);
    for (long i = 0; i < rounds; i++) {
        PDRIVER_CANCEL taken;

        IoReuseIrp(race.irp, STATUS_SUCCESS);
        cancels = 0;
        IoSetCancelRoutine(race.irp, cancel);
        InterlockedExchange(&race.go, 1);
        for (long spin = i % 7 * 40; spin; spin--)
            YieldProcessor();
        taken = IoSetCancelRoutine(race.irp, NULL);
        while (!InterlockedCompareExchange(&race.done, 0, 1))
            host_yield();
        EXPECT(race.irp->Cancel);
        EXPECT_EQ(race.cancelled, taken == NULL);
        EXPECT_EQ(cancels, taken == NULL);
        taken ? holder++ : routine++;
    }
    EXPECT_EQ(holder + routine, rounds);
    TEST_NOTE("the holder won %ld times, the cancel routine %ld times", holder, routine);
    InterlockedExchange(&race.stop, 1);
}
