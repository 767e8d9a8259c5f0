/*
 * Work items and worker threads.
 */
#include "bugcheck.h"
#include "host/host.h"
#include "nt/ex/ex.h"
#include "nt/io/io.h"
#include <string.h>

static KEVENT done, gate;
static volatile LONG runs;
static volatile LONG at_passive;
static PVOID volatile seen_object, seen_context, seen_item;

static void expect_done(void)
{
    LARGE_INTEGER timeout;

    timeout.QuadPart = -10 * 10000000ll;
    EXPECT_STATUS(KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, &timeout), STATUS_SUCCESS);
}

static void begin(void)
{
    KeInitializeEvent(&done, SynchronizationEvent, FALSE);
}

static void end(void)
{
    ex_workers_shutdown();
    EXPECT_EQ(ex_work_outstanding(), 0);
}
TEST_FIXTURE(begin, end);

static VOID NTAPI plain(PDEVICE_OBJECT device, PVOID context)
{
    seen_object = device;
    seen_context = context;
    at_passive = KeGetCurrentIrql() == PASSIVE_LEVEL;
    InterlockedIncrement(&runs);
    KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

static VOID NTAPI extended(PVOID object, PVOID context, PIO_WORKITEM item)
{
    seen_item = item;
    plain(object, context);
}

static PDEVICE_OBJECT new_device(PDRIVER_OBJECT *driver)
{
    PDEVICE_OBJECT device = NULL;

    *driver = io_driver_create("work", "");
    EXPECT_STATUS(IoCreateDevice(*driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device), STATUS_SUCCESS);
    return device;
}

TEST(item_runs_once_at_passive, "K-WORK-01 K-WORK-02")
{
    PDRIVER_OBJECT driver;
    PDEVICE_OBJECT device = new_device(&driver);
    PIO_WORKITEM item = IoAllocateWorkItem(device);
    KIRQL irql;

    EXPECT(item != NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoQueueWorkItem(item, plain, DelayedWorkQueue, &gate);
    KeLowerIrql(irql);
    expect_done();
    EXPECT(seen_object == device && seen_context == &gate);
    EXPECT(at_passive);
    IoQueueWorkItemEx(item, extended, DelayedWorkQueue, &done);
    expect_done();
    EXPECT(seen_item == item && seen_context == &done && seen_object == device);
    EXPECT_EQ(runs, 2);
    EXPECT_SOON(ex_work_outstanding() == 0);
    IoFreeWorkItem(item);
    io_driver_delete(driver);
}

TEST(item_in_driver_memory, "K-WORK-01 D-10")
{
    PDRIVER_OBJECT driver = io_driver_create("work", "");
    PIO_WORKITEM item = ExAllocatePool2(POOL_FLAG_NON_PAGED, IoSizeofWorkItem(), 'kroW');

    IoInitializeWorkItem(driver, item);
    IoQueueWorkItemEx(item, extended, DelayedWorkQueue, NULL);
    expect_done();
    EXPECT(seen_object == driver);
    EXPECT_SOON(ex_work_outstanding() == 0);
    IoUninitializeWorkItem(item);
    ExFreePool(item);
    io_driver_delete(driver);
}

static VOID NTAPI free_itself(PVOID object, PVOID context, PIO_WORKITEM item)
{
    (void)object;
    (void)context;
    IoFreeWorkItem(item);
    KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

static VOID NTAPI queue_again(PVOID object, PVOID context, PIO_WORKITEM item)
{
    (void)object;
    if (InterlockedIncrement(&runs) < 10)
        IoQueueWorkItemEx(item, queue_again, DelayedWorkQueue, context);
    else
        IoQueueWorkItemEx(item, free_itself, DelayedWorkQueue, context);
}

TEST(routine_may_queue_again_and_free, "K-WORK-03")
{
    PDRIVER_OBJECT driver;
    PDEVICE_OBJECT device = new_device(&driver);
    SIZE_T blocks, bytes;

    IoQueueWorkItemEx(IoAllocateWorkItem(device), queue_again, DelayedWorkQueue, NULL);
    expect_done();
    EXPECT_EQ(runs, 10);
    IoDeleteDevice(device); /* may still be referenced by the last run: its memory then goes with that */
    ex_workers_shutdown();
    ex_pool_driver_usage(&blocks, &bytes);
    EXPECT_EQ(blocks, 0);
    io_driver_delete(driver);
}

static VOID NTAPI legacy(PVOID context)
{
    ExFreePool(context);
    KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

TEST(legacy_item_may_be_freed_in_its_routine, "K-WORK-02 K-WORK-03")
{
    PWORK_QUEUE_ITEM item = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*item), 'kroW');

    ExInitializeWorkItem(item, legacy, item);
    ExQueueWorkItem(item, DelayedWorkQueue);
    expect_done();
}

/* ---- blocked workers hold nobody up ------------------------------------------------------------------- */

enum { BLOCKED = 40 };
static volatile LONG blocked;

static void block(void *context)
{
    (void)context;
    InterlockedIncrement(&blocked);
    KeWaitForSingleObject(&gate, Executive, KernelMode, FALSE, NULL);
    InterlockedDecrement(&blocked);
}

static void run(void *context)
{
    (void)context;
    KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

TEST(blocked_work_delays_nobody, "K-WORK-02")
{
    static struct ex_work blockers[BLOCKED], work;

    KeInitializeEvent(&gate, NotificationEvent, FALSE);
    for (ULONG i = 0; i < BLOCKED; i++)
        ex_queue_worker(&blockers[i], block, NULL);
    ex_queue_worker(&work, run, NULL);
    expect_done();
    EXPECT_SOON(ReadAcquire(&blocked) == BLOCKED); /* all of them at once */
    KeSetEvent(&gate, IO_NO_INCREMENT, FALSE);
    EXPECT_SOON(ReadAcquire(&blocked) == 0);
}

static volatile uint32_t host_gate;

static void block_in_host(void *context)
{
    (void)context;
    InterlockedIncrement(&blocked);
    while (!__atomic_load_n(&host_gate, __ATOMIC_ACQUIRE))
        host_park(&host_gate, 0, HOST_FOREVER);
    InterlockedDecrement(&blocked);
}

TEST(work_blocked_in_the_host_delays_nobody, "K-WORK-02")
{
    static struct ex_work blockers[8], work;

    for (ULONG i = 0; i < 8; i++)
        ex_queue_worker(&blockers[i], block_in_host, NULL);
    ex_queue_worker(&work, run, NULL);
    expect_done();
    EXPECT_SOON(ReadAcquire(&blocked) == 8);
    __atomic_store_n(&host_gate, 1, __ATOMIC_RELEASE);
    host_unpark(&host_gate, 100);
    EXPECT_SOON(ReadAcquire(&blocked) == 0);
}

static int refuse_threads(void *context, int kind)
{
    if (kind == HOST_FAULT_THREAD)
        InterlockedIncrement((volatile LONG *)context);
    return kind == HOST_FAULT_THREAD;
}

/* All workers are blocked, the host has no thread for another one; then it has. Nothing is queued meanwhile. */
TEST(a_refused_worker_is_asked_for_again, "K-WORK-02")
{
    static struct ex_work blocker, work;
    static volatile LONG refused;

    KeInitializeEvent(&gate, NotificationEvent, FALSE);
    ex_queue_worker(&blocker, block, NULL);
    EXPECT_SOON(ReadAcquire(&blocked) == 1);
    host_set_fault_plan(refuse_threads, (void *)&refused);
    ex_queue_worker(&work, run, NULL);
    EXPECT_SOON(ReadAcquire(&refused) > 3); /* at once, and again and again */
    EXPECT_EQ(KeReadStateEvent(&done), 0);
    host_set_fault_plan(NULL, NULL);
    expect_done();
    KeSetEvent(&gate, IO_NO_INCREMENT, FALSE);
    EXPECT_SOON(ReadAcquire(&blocked) == 0);
}

/* Not one worker: what was queued runs when there is one. */
TEST(the_first_worker_is_asked_for_again, "K-WORK-02")
{
    static struct ex_work work;
    static volatile LONG refused;

    host_set_fault_plan(refuse_threads, (void *)&refused);
    ex_queue_worker(&work, run, NULL);
    EXPECT_SOON(ReadAcquire(&refused) > 1);
    EXPECT_EQ(KeReadStateEvent(&done), 0);
    host_set_fault_plan(NULL, NULL);
    expect_done();
}

static void count_run(void *context)
{
    (void)context;
    InterlockedIncrement(&runs);
}

static void count_thread(void *context, const struct ke_thread *thread)
{
    (void)thread;
    ++*(ULONG *)context;
}

TEST(many_short_pieces_need_few_threads, "")
{
    static struct ex_work works[2000];
    ULONG threads = 0;

    for (ULONG i = 0; i < 2000; i++)
        ex_queue_worker(&works[i], count_run, NULL);
    EXPECT_SOON(ReadAcquire(&runs) == 2000);
    ke_each_thread(count_thread, &threads);
    EXPECT(threads < 64);
}

TEST(shutdown_runs_what_is_queued, "")
{
    static struct ex_work works[100];

    for (ULONG i = 0; i < 100; i++)
        ex_queue_worker(&works[i], count_run, NULL);
    ex_workers_shutdown();
    EXPECT_EQ(runs, 100);
    KeClearEvent(&done);
    ex_queue_worker(&works[0], run, NULL); /* and it starts again */
    ex_workers_shutdown();
    EXPECT_EQ(KeReadStateEvent(&done), 1);
}

/* ---- misuse ------------------------------------------------------------------------------------------- */

static PIO_WORKITEM stuck_item(void)
{
    PDRIVER_OBJECT driver;
    PDEVICE_OBJECT device = new_device(&driver);
    PIO_WORKITEM item = IoAllocateWorkItem(device);

    /* Marked as queued by hand: a really queued item would be taken off by a worker at any moment. */
    ((struct ex_work *)item)->next = (struct ex_work *)item;
    return item;
}

TEST(queued_item_is_not_queued_again, "K-WORK-04")
{
    PIO_WORKITEM item = stuck_item();

    EXPECT_BUGCHECK(WORKER_INVALID, IoQueueWorkItem(item, plain, DelayedWorkQueue, NULL));
    EXPECT_BUGCHECK_PARAMETER(1, 1);
    EXPECT_BUGCHECK_PARAMETER(2, item);
}

TEST(queued_item_is_not_freed, "K-WORK-05")
{
    PIO_WORKITEM item = stuck_item();

    EXPECT_BUGCHECK(WORKER_INVALID, IoFreeWorkItem(item));
    EXPECT_BUGCHECK_PARAMETER(1, 2);
    EXPECT_BUGCHECK_PARAMETER(2, item);
}

TEST(queued_legacy_item_is_not_queued_again, "K-WORK-04")
{
    WORK_QUEUE_ITEM item;

    ExInitializeWorkItem(&item, legacy, NULL);
    item.List.Flink = &item.List;
    EXPECT_BUGCHECK(WORKER_INVALID, ExQueueWorkItem(&item, DelayedWorkQueue));
    EXPECT_BUGCHECK_PARAMETER(2, &item);
}

static int fail_items(void *context, int kind)
{
    (void)context;
    return kind == HOST_FAULT_WORK_ITEM;
}

TEST(no_memory_no_item, "K-WORK-01")
{
    host_set_fault_plan(fail_items, NULL);
    EXPECT(IoAllocateWorkItem(NULL) == NULL);
}
