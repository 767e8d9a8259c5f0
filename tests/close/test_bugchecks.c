/*
 * test_bugchecks.c - drivers that break a rule of closing in a way that Windows answers with a bug check.
 *
 * The world is left as it stood at the bug check, so no teardown runs.
 */
#include "close_test.h"

#include "../nt/bugcheck.h"

static void no_teardown(void)
{
    if (test_mode_has("sim") && KeGetCurrentIrql() > PASSIVE_LEVEL)
        KeLowerIrql(PASSIVE_LEVEL); /* where a simulated run's first thread ends */
}

TEST_FIXTURE(wt_setup, no_teardown);
TEST_MATRIX(WT_MODES);

/* ---- C-CLOSE-23: an IRP without a free stack location ------------------------------------------------- */

TEST(a_close_irp_without_a_stack_location, "C-CLOSE-23")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT(irp->StackCount == 1);
    IoSetNextIrpStackLocation(irp); /* the only one is used up */
    EXPECT_BUGCHECK(NO_MORE_IRP_STACK_LOCATIONS, wt_basic(socket)->WskCloseSocket(socket, irp));
    EXPECT_BUGCHECK_PARAMETER(1, irp);
}

/* ---- routines that do what they may not, on a thread of ours ------------------------------------------ */

static KEVENT never;

static NTSTATUS NTAPI wait_in_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* C-CLOSE-34: the routine waits; it was called at DISPATCH_LEVEL. */
TEST(a_close_routine_that_waits_at_dispatch_level, "C-CLOSE-34 C-CLOSE-21",
     TEST_MODES("inline/dispatch inline/passive inline/mixed"))
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);
    KIRQL irql;

    KeInitializeEvent(&never, NotificationEvent, FALSE);
    IoSetCompletionRoutine(irp, wait_in_routine, NULL, TRUE, TRUE, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, wt_basic(socket)->WskCloseSocket(socket, irp));
    EXPECT_BUGCHECK_PARAMETER(1, 0x121);
}

static KSPIN_LOCK lock;

static NTSTATUS NTAPI take_lock(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    KeAcquireSpinLock(&lock, &irql);
    KeReleaseSpinLock(&lock, irql);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* C-CLOSE-15: the cancelled IRP completes inside the call, its routine wants the lock that the caller holds.
 * Another thread may be quicker to deliver it and then waits for the lock: the driver had luck, and tries on.
 */
TEST(a_lock_held_that_a_cancelled_irps_routine_takes, "C-CLOSE-15", TEST_MODES("inline/passive inline/mixed"))
{
    volatile int tries;

    KeInitializeSpinLock(&lock);
    ke_set_bugcheck_handler(test_bugcheck_handler);
    for (tries = 0; tries < 200 && test_bugcheck.code == 0; tries++) {
        PIRP receive = IoAllocateIrp(1, FALSE);
        struct wt_buffer buffer;
        struct wt_op close;
        PWSK_SOCKET socket;
        KIRQL irql;
        int peer;

        socket = wt_connected(AF_INET, NULL, NULL, &peer);
        wt_buffer_init(&buffer, 10);
        IoSetCompletionRoutine(receive, take_lock, NULL, TRUE, TRUE, TRUE);
        EXPECT_STATUS(wt_connection(socket)->WskReceive(socket, &buffer.buf, 0, receive), STATUS_PENDING);
        wt_op_init(&close);
        test_bugcheck.active = 1;
        if (!__builtin_setjmp(test_bugcheck.jump)) {
            KeAcquireSpinLock(&lock, &irql);
            wt_close(socket, &close);
            test_bugcheck.active = 0;
            KeReleaseSpinLock(&lock, irql);
            wt_wait(&close);
            peer_close(peer);
        }
    }
    EXPECT_EQ(test_bugcheck.code, SPIN_LOCK_ALREADY_OWNED);
    EXPECT_BUGCHECK_PARAMETER(1, &lock);
}

/* C-CLOSE-32: freed by the routine, and then handed on for more processing that cannot be. */
static NTSTATUS NTAPI free_and_go_on(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    IoFreeIrp(Irp);
    IoFreeIrp(Irp); /* exactly once, says the rule */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(a_close_irp_freed_twice, "C-CLOSE-32", TEST_MODES("inline/dispatch inline/passive inline/mixed"))
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);

    if (test_sanitizer())
        return; /* the sanitizer ends the process at the second free: its handler wins */
    IoSetCompletionRoutine(irp, free_and_go_on, NULL, TRUE, TRUE, TRUE);
    ke_set_bugcheck_handler(test_bugcheck_handler);
    test_bugcheck.active = 1;
    if (!__builtin_setjmp(test_bugcheck.jump)) {
        wt_basic(socket)->WskCloseSocket(socket, irp);
        uwsk_test_fail(__FILE__, __LINE__, "no bug check");
    }
    EXPECT(test_bugcheck.code == BAD_POOL_CALLER || test_bugcheck.code == MULTIPLE_IRP_COMPLETE_REQUESTS ||
           test_bugcheck.code == DRIVER_VERIFIER_DETECTED_VIOLATION ||
           test_bugcheck.code == DRIVER_VERIFIER_IOMANAGER_VIOLATION);
}

/* C-DEREG-10: WskDeregister where it would wait for itself, at DISPATCH_LEVEL. */
static NTSTATUS NTAPI deregister_in_routine(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    WskReleaseProviderNPI(&wt_registration);
    WskDeregister(&wt_registration);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(deregistering_in_a_close_routine, "C-DEREG-10",
     TEST_MODES("inline/dispatch inline/passive inline/mixed"))
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);
    KIRQL irql;

    IoSetCompletionRoutine(irp, deregister_in_routine, NULL, TRUE, TRUE, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, wt_basic(socket)->WskCloseSocket(socket, irp));
    EXPECT_BUGCHECK_PARAMETER(1, 0x121);
}

/* A routine that comes back at another level. */
static NTSTATUS NTAPI stay_high(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(a_close_routine_that_comes_back_at_another_level, "C-CLOSE-34 K-IRQL-06",
     TEST_MODES("inline/dispatch inline/passive inline/mixed"))
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoSetCompletionRoutine(irp, stay_high, NULL, TRUE, TRUE, TRUE);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, wt_basic(socket)->WskCloseSocket(socket, irp));
    EXPECT_BUGCHECK_PARAMETER(1, 0xFA);
    EXPECT_BUGCHECK_PARAMETER(2, stay_high);
}

/* R-CLOSE-15: above DISPATCH_LEVEL nothing of WSK may be called; the first lock says so. */
TEST(a_close_above_dispatch_level, "R-CLOSE-15")
{
    PWSK_SOCKET socket = wt_open(AF_INET, WSK_FLAG_BASIC_SOCKET, NULL, NULL);
    PIRP irp = IoAllocateIrp(1, FALSE);
    KIRQL irql;

    KeRaiseIrql(HIGH_LEVEL, &irql);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, wt_basic(socket)->WskCloseSocket(socket, irp));
}
