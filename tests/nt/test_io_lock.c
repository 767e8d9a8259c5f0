/*
 * test_io_lock.c - remove locks, cancel-safe queues, and IRPs that are passed down and waited for.
 */
#include "ke_test.h"

#include "nt/io/io.h"

static uint32_t stage;

static void wait_for_stage(uint32_t wanted)
{
    uint64_t end = host_now() + NS(20000);

    while (__atomic_load_n(&stage, __ATOMIC_ACQUIRE) < wanted) {
        EXPECT(host_now() < end);
        host_yield();
    }
}

/* ---- remove locks ------------------------------------------------------------------------------------- */

static IO_REMOVE_LOCK remove_lock;
static int tag_a, tag_b;

TEST(remove_lock_refuses_after_the_removal, "K-RMLK-01 K-RMLK-02")
{
    KIRQL old;

    IoInitializeRemoveLock(&remove_lock, 'kcoL', 1, 100);
    EXPECT_STATUS(IoAcquireRemoveLock(&remove_lock, &tag_a), STATUS_SUCCESS);
    old = KeRaiseIrqlToDpcLevel();
    EXPECT_STATUS(IoAcquireRemoveLock(&remove_lock, &tag_b), STATUS_SUCCESS);
    EXPECT_STATUS(IoAcquireRemoveLock(&remove_lock, NULL), STATUS_SUCCESS);
    EXPECT_EQ(remove_lock.Common.IoCount, 4);
    IoReleaseRemoveLock(&remove_lock, &tag_b);
    IoReleaseRemoveLock(&remove_lock, NULL);
    KeLowerIrql(old);
    EXPECT(!remove_lock.Common.Removed);
    IoReleaseRemoveLockAndWait(&remove_lock, &tag_a); /* nobody else: at once */
    EXPECT(remove_lock.Common.Removed);
    EXPECT_EQ(remove_lock.Common.IoCount, 0);
    EXPECT_STATUS(IoAcquireRemoveLock(&remove_lock, &tag_a), STATUS_DELETE_PENDING);
    EXPECT_EQ(remove_lock.Common.IoCount, 0); /* failure counts nothing */
}

TEST(remove_lock_of_a_release_build, "K-RMLK-01 K-RMLK-02")
{
    IO_REMOVE_LOCK_COMMON_BLOCK small[2];
    PIO_REMOVE_LOCK lock = (PIO_REMOVE_LOCK)small;

    memset(small, 0xA5, sizeof small);
    IoInitializeRemoveLockEx(lock, 'kcoL', 0, 0, sizeof small[0]);
    EXPECT_STATUS(IoAcquireRemoveLockEx(lock, &tag_a, "", 1, sizeof small[0]), STATUS_SUCCESS);
    EXPECT_STATUS(IoAcquireRemoveLockEx(lock, &tag_a, "", 1, sizeof small[0]), STATUS_SUCCESS);
    IoReleaseRemoveLockEx(lock, &tag_b, sizeof small[0]); /* knows no tags */
    IoReleaseRemoveLockAndWaitEx(lock, &tag_b, sizeof small[0]);
    EXPECT_STATUS(IoAcquireRemoveLockEx(lock, &tag_a, "", 1, sizeof small[0]), STATUS_DELETE_PENDING);
    for (size_t i = 0; i < sizeof small[1]; i++)
        EXPECT_EQ(((UCHAR *)&small[1])[i], 0xA5); /* nothing behind it is touched */
}

static PIO_REMOVE_LOCK volatile handed;
static uint32_t inside;
static long rounds;

static VOID use_device(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        PIO_REMOVE_LOCK lock;

        while (!(lock = __atomic_exchange_n(&handed, NULL, __ATOMIC_ACQ_REL)))
            host_yield();
        if (i % 2)
            host_yield();
        __atomic_fetch_sub(&inside, 1, __ATOMIC_RELAXED);
        IoReleaseRemoveLock(lock, lock); /* its memory may die at once */
    }
}

TEST(remove_lock_waits_for_the_last_user, "K-RMLK-02 D-09", TEST_TIMEOUT(120))
{
    struct ke_thread *user;

    rounds = test_scale(20000);
    user = start_thread(use_device, NULL);
    for (long i = 0; i < rounds; i++) {
        IO_REMOVE_LOCK lock;

        IoInitializeRemoveLock(&lock, 'kcoL', 0, 0);
        EXPECT_STATUS(IoAcquireRemoveLock(&lock, &tag_a), STATUS_SUCCESS);
        EXPECT_STATUS(IoAcquireRemoveLock(&lock, &lock), STATUS_SUCCESS);
        __atomic_fetch_add(&inside, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&handed, &lock, __ATOMIC_RELEASE);
        if (i % 3 == 0)
            host_yield();
        IoReleaseRemoveLockAndWait(&lock, &tag_a);
        EXPECT_EQ(__atomic_load_n(&inside, __ATOMIC_RELAXED), 0);
        memset(&lock, 0xEE, sizeof lock);
    }
    join_thread(user);
}

BUG_TEST(remove_lock_released_with_another_tag, "K-RMLK-03", DRIVER_VERIFIER_DETECTED_VIOLATION, 0xD5)
{
    IoInitializeRemoveLock(&remove_lock, 'kcoL', 0, 0);
    (void)IoAcquireRemoveLock(&remove_lock, &tag_a);
    IoReleaseRemoveLock(&remove_lock, &tag_b);
}

BUG_TEST(remove_lock_waited_for_with_another_tag, "K-RMLK-03", DRIVER_VERIFIER_DETECTED_VIOLATION, 0xD6)
{
    IoInitializeRemoveLock(&remove_lock, 'kcoL', 0, 0);
    (void)IoAcquireRemoveLock(&remove_lock, &tag_a);
    IoReleaseRemoveLockAndWait(&remove_lock, &tag_b);
}

BUG_TEST(remove_lock_released_without_an_acquisition, "K-RMLK-04", DRIVER_VERIFIER_DETECTED_VIOLATION, 0xD5)
{
    IoInitializeRemoveLockEx(&remove_lock, 'kcoL', 0, 0, sizeof(IO_REMOVE_LOCK_COMMON_BLOCK));
    IoReleaseRemoveLockEx(&remove_lock, &tag_a, sizeof(IO_REMOVE_LOCK_COMMON_BLOCK));
}

/* ---- cancel-safe queues ------------------------------------------------------------------------------- */

struct queue {
    IO_CSQ csq;
    LIST_ENTRY list;
    KSPIN_LOCK lock;
    long cancelled;
    NTSTATUS refuse;
    PVOID insert_context;
};

static struct queue *queue_from(PIO_CSQ csq)
{
    return CONTAINING_RECORD(csq, struct queue, csq);
}

static VOID NTAPI insert_irp(PIO_CSQ csq, PIRP irp)
{
    InsertTailList(&queue_from(csq)->list, &irp->Tail.Overlay.ListEntry);
}

static NTSTATUS NTAPI insert_irp_ex(PIO_CSQ csq, PIRP irp, PVOID insert_context)
{
    struct queue *queue = queue_from(csq);

    queue->insert_context = insert_context;
    if (!NT_SUCCESS(queue->refuse))
        return queue->refuse;
    InsertHeadList(&queue->list, &irp->Tail.Overlay.ListEntry);
    return STATUS_PENDING;
}

static VOID NTAPI remove_irp(PIO_CSQ csq, PIRP irp)
{
    (void)csq;
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
}

static PIRP NTAPI peek_next(PIO_CSQ csq, PIRP irp, PVOID peek_context)
{
    struct queue *queue = queue_from(csq);
    PLIST_ENTRY entry = irp ? irp->Tail.Overlay.ListEntry.Flink : queue->list.Flink;

    for (; entry != &queue->list; entry = entry->Flink) {
        PIRP next = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);

        if (!peek_context || next->UserBuffer == peek_context)
            return next;
    }
    return NULL;
}

static VOID NTAPI lock_queue(PIO_CSQ csq, PKIRQL irql)
{
    KeAcquireSpinLock(&queue_from(csq)->lock, irql);
}

static VOID NTAPI unlock_queue(PIO_CSQ csq, KIRQL irql)
{
    KeReleaseSpinLock(&queue_from(csq)->lock, irql);
}

static VOID NTAPI complete_canceled(PIO_CSQ csq, PIRP irp)
{
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL); /* no lock is held */
    irp->IoStatus.Status = STATUS_CANCELLED;
    irp->IoStatus.Information = 0;
    __atomic_fetch_add(&queue_from(csq)->cancelled, 1, __ATOMIC_RELAXED);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static void make_queue(struct queue *queue)
{
    memset(queue, 0, sizeof *queue);
    InitializeListHead(&queue->list);
    KeInitializeSpinLock(&queue->lock);
    EXPECT_STATUS(IoCsqInitialize(&queue->csq, insert_irp, remove_irp, peek_next, lock_queue, unlock_queue,
                                  complete_canceled),
                  STATUS_SUCCESS);
}

/* The IRP comes back to its owner, who keeps it. */
static NTSTATUS NTAPI note_completion(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    (void)device, (void)irp;
    __atomic_fetch_add((long *)context, 1, __ATOMIC_RELEASE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP make_irp(long *completions, PVOID name)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    EXPECT(irp != NULL);
    IoSetCompletionRoutine(irp, note_completion, completions, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    irp->UserBuffer = name;
    return irp;
}

static void complete(PIRP irp)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

TEST(csq_gives_irps_back_by_order_context_and_name, "K-CANCEL-17")
{
    struct queue queue;
    IO_CSQ_IRP_CONTEXT context;
    long done[3] = {0, 0, 0};
    PIRP irps[3];

    start_processors(1);
    make_queue(&queue);
    EXPECT(IoCsqRemoveNextIrp(&queue.csq, NULL) == NULL);
    for (int i = 0; i < 3; i++) {
        irps[i] = make_irp(&done[i], &done[i]);
        IoCsqInsertIrp(&queue.csq, irps[i], i == 2 ? &context : NULL);
        EXPECT(IoGetCurrentIrpStackLocation(irps[i])->Control & SL_PENDING_RETURNED);
        EXPECT(irps[i]->CancelRoutine != NULL);
    }
    EXPECT(context.Irp == irps[2]);
    EXPECT(IoCsqRemoveNextIrp(&queue.csq, &done[1]) == irps[1]); /* by the peek context */
    EXPECT(irps[1]->CancelRoutine == NULL);
    EXPECT(IoCsqRemoveIrp(&queue.csq, &context) == irps[2]); /* by the IRP's context */
    EXPECT(IoCsqRemoveIrp(&queue.csq, &context) == NULL);
    EXPECT(IoCsqRemoveNextIrp(&queue.csq, NULL) == irps[0]); /* in order */
    EXPECT(IoCsqRemoveNextIrp(&queue.csq, NULL) == NULL);
    EXPECT(IsListEmpty(&queue.list));
    EXPECT_EQ(queue.cancelled, 0);
    for (int i = 0; i < 3; i++) {
        complete(irps[i]);
        EXPECT_EQ(done[i], 1);
        IoFreeIrp(irps[i]);
    }
    ke_stop();
}

TEST(csq_completes_what_is_cancelled, "K-CANCEL-17 K-CANCEL-01")
{
    struct queue queue;
    IO_CSQ_IRP_CONTEXT context;
    long done[3] = {0, 0, 0};
    PIRP irps[3];

    start_processors(1);
    make_queue(&queue);
    for (int i = 0; i < 3; i++)
        irps[i] = make_irp(&done[i], NULL);
    IoCsqInsertIrp(&queue.csq, irps[0], &context);
    IoCsqInsertIrp(&queue.csq, irps[1], NULL);
    EXPECT(IoCancelIrp(irps[0]));
    EXPECT_EQ(done[0], 1);
    EXPECT_STATUS(irps[0]->IoStatus.Status, STATUS_CANCELLED);
    EXPECT(context.Irp == NULL);
    EXPECT(IoCsqRemoveIrp(&queue.csq, &context) == NULL);
    EXPECT(IoCancelIrp(irps[1]));
    EXPECT(!IoCancelIrp(irps[2])); /* not in the queue: only marked */
    IoCsqInsertIrp(&queue.csq, irps[2], &context);
    EXPECT_EQ(done[2], 1); /* cancelled at the insertion */
    EXPECT(context.Irp == NULL);
    EXPECT_EQ(queue.cancelled, 3);
    EXPECT(IsListEmpty(&queue.list));
    for (int i = 0; i < 3; i++)
        IoFreeIrp(irps[i]);
    ke_stop();
}

TEST(csq_insertion_may_be_refused, "K-CANCEL-17")
{
    struct queue queue;
    IO_CSQ_IRP_CONTEXT context;
    long done = 0;
    PIRP irp;

    start_processors(1);
    make_queue(&queue);
    EXPECT_STATUS(IoCsqInitializeEx(&queue.csq, insert_irp_ex, remove_irp, peek_next, lock_queue,
                                    unlock_queue, complete_canceled),
                  STATUS_SUCCESS);
    irp = make_irp(&done, NULL);
    queue.refuse = STATUS_DEVICE_BUSY;
    EXPECT_STATUS(IoCsqInsertIrpEx(&queue.csq, irp, &context, &done), STATUS_DEVICE_BUSY);
    EXPECT(queue.insert_context == &done);
    EXPECT(irp->CancelRoutine == NULL);
    EXPECT(!(IoGetCurrentIrpStackLocation(irp)->Control & SL_PENDING_RETURNED));
    EXPECT(context.Irp == NULL);
    queue.refuse = STATUS_SUCCESS;
    EXPECT_STATUS(IoCsqInsertIrpEx(&queue.csq, irp, &context, NULL), STATUS_PENDING);
    EXPECT(IoCsqRemoveIrp(&queue.csq, &context) == irp);
    complete(irp);
    EXPECT_EQ(done, 1);
    IoFreeIrp(irp);
    ke_stop();
}

/* One thread cancels while another takes IRPs out: each IRP is completed once, by one of them. */
static struct queue race;
static PIRP volatile victim;
static long race_done;

static VOID cancel_victims(PVOID context)
{
    (void)context;
    for (long i = 0; i < rounds; i++) {
        PIRP irp;

        while (!(irp = __atomic_exchange_n(&victim, NULL, __ATOMIC_ACQ_REL)))
            host_yield();
        if (i % 3 == 0)
            host_yield();
        (void)IoCancelIrp(irp);
        __atomic_store_n(&stage, (uint32_t)i + 1, __ATOMIC_RELEASE);
    }
}

TEST(csq_race_of_cancel_and_removal, "K-CANCEL-17", TEST_TIMEOUT(120))
{
    struct ke_thread *canceller;
    long removed = 0;

    rounds = test_scale(20000);
    start_processors(2);
    make_queue(&race);
    canceller = start_thread(cancel_victims, NULL);
    for (long i = 0; i < rounds; i++) {
        PIRP irp = make_irp(&race_done, NULL), taken;
        IO_CSQ_IRP_CONTEXT context;

        if (i % 2)
            __atomic_store_n(&victim, irp, __ATOMIC_RELEASE);
        IoCsqInsertIrp(&race.csq, irp, &context);
        if (!(i % 2))
            __atomic_store_n(&victim, irp, __ATOMIC_RELEASE);
        if (i % 5 == 0)
            host_yield();
        taken = i % 4 < 2 ? IoCsqRemoveIrp(&race.csq, &context) : IoCsqRemoveNextIrp(&race.csq, NULL);
        EXPECT(taken == NULL || taken == irp);
        if (taken) {
            removed++;
            complete(taken);
        }
        wait_for_stage((uint32_t)i + 1);
        while (__atomic_load_n(&race_done, __ATOMIC_ACQUIRE) != i + 1)
            host_yield();
        EXPECT(IsListEmpty(&race.list));
        IoFreeIrp(irp);
    }
    join_thread(canceller);
    EXPECT_EQ(removed + race.cancelled, rounds);
    ke_stop();
}

/* ---- forwarding --------------------------------------------------------------------------------------- */

static PIRP held_irp;

static NTSTATUS NTAPI lower_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);

    (void)device;
    if (location->MinorFunction) { /* later */
        IoMarkIrpPending(irp);
        __atomic_store_n(&held_irp, irp, __ATOMIC_RELEASE);
        return STATUS_PENDING;
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 7;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID complete_held(PVOID context)
{
    PIRP irp;

    (void)context;
    while (!(irp = __atomic_load_n(&held_irp, __ATOMIC_ACQUIRE)))
        host_yield();
    irp->IoStatus.Status = STATUS_DEVICE_BUSY;
    irp->IoStatus.Information = 9;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

TEST(forwarded_irp_comes_back, "")
{
    PDRIVER_OBJECT driver = io_driver_create("lower", "\\Registry\\lower");
    struct ke_thread *completer;
    PDEVICE_OBJECT device;
    long done = 0;
    PIRP irp;

    start_processors(1);
    driver->MajorFunction[IRP_MJ_PNP] = lower_dispatch;
    EXPECT_STATUS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device), STATUS_SUCCESS);
    io_driver_started(driver);
    irp = IoAllocateIrp(2, FALSE);
    IoSetCompletionRoutine(irp, note_completion, &done, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    IoGetCurrentIrpStackLocation(irp)->MajorFunction = IRP_MJ_PNP;
    EXPECT(IoForwardIrpSynchronously(device, irp));
    EXPECT_STATUS(irp->IoStatus.Status, STATUS_SUCCESS);
    EXPECT_EQ(irp->IoStatus.Information, 7);
    EXPECT_EQ(done, 0); /* still the caller's */
    completer = start_thread(complete_held, NULL);
    IoGetCurrentIrpStackLocation(irp)->MinorFunction = 1;
    EXPECT(IoForwardIrpSynchronously(device, irp));
    EXPECT_STATUS(irp->IoStatus.Status, STATUS_DEVICE_BUSY);
    EXPECT_EQ(irp->IoStatus.Information, 9);
    join_thread(completer);
    complete(irp);
    EXPECT_EQ(done, 1);
    IoFreeIrp(irp);

    irp = make_irp(&done, NULL); /* no location left */
    EXPECT(!IoForwardIrpSynchronously(device, irp));
    complete(irp);
    IoFreeIrp(irp);
    IoDeleteDevice(device);
    io_driver_delete(driver);
    ke_stop();
}
