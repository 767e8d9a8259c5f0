/*
 * order.c - two threads that use the same memory: once with what the WDK has to put them in order, once without
 * (registry value Sound = 0).  One small driver for each thing that orders, chosen by the registry value Case.
 *
 * What is not ordered is kept apart by time alone, so that nothing goes wrong but the order.
 */
#include <ntddk.h>

#include "order_cases.h"

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD OrderUnload;

#define ORDER_TAG 'drOO'

static BOOLEAN Sound;
static PVOID Threads[2];
static PDEVICE_OBJECT Device;

static ULONG Value; /* what is shared */
static LONG volatile Flag;
static KEVENT Event, Other, Ran;

static DECLSPEC_NOINLINE VOID Put(VOID)
{
    Value++;
}

static volatile ULONG Seen[64]; /* by each thread: one's own is nobody else's */

static DECLSPEC_NOINLINE VOID Get(VOID)
{
    Seen[(ULONG_PTR)PsGetCurrentThreadId() / 4 % 64] = Value;
}

static VOID Pause(VOID)
{
    LARGE_INTEGER Time;

    Time.QuadPart = -20000; /* 2 ms */
    KeDelayExecutionThread(KernelMode, FALSE, &Time);
}

static VOID Wait(PVOID Object)
{
    KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, NULL);
}

static PVOID Start(PKSTART_ROUTINE Routine, PVOID Context)
{
    HANDLE Handle;
    PVOID Thread = NULL;

    if (NT_SUCCESS(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Routine, Context))) {
        ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &Thread, NULL);
        ZwClose(Handle);
    }
    return Thread;
}

static VOID Join(PVOID Thread)
{
    Wait(Thread);
    ObDereferenceObject(Thread);
}

/* The first thread tells, the second waits for it, or just for a while. */
#define TOLD(Name, Tell, Await)                                                                              \
    static VOID Name##First(VOID)                                                                            \
    {                                                                                                        \
        Put();                                                                                               \
        Tell;                                                                                                \
    }                                                                                                        \
    static VOID Name##Second(VOID)                                                                           \
    {                                                                                                        \
        if (Sound) {                                                                                         \
            Await;                                                                                           \
        } else {                                                                                             \
            Pause();                                                                                         \
            Pause();                                                                                         \
        }                                                                                                    \
        Put();                                                                                               \
    }

/* Both take the lock, or neither. */
#define LOCKED(Name, Acquire, Release, SecondAcquire, SecondRelease, SecondUse)                              \
    static VOID Name##First(VOID)                                                                            \
    {                                                                                                        \
        if (Sound) {                                                                                         \
            Acquire;                                                                                         \
        }                                                                                                    \
        Put();                                                                                               \
        if (Sound) {                                                                                         \
            Release;                                                                                         \
        }                                                                                                    \
    }                                                                                                        \
    static VOID Name##Second(VOID)                                                                           \
    {                                                                                                        \
        if (Sound) {                                                                                         \
            SecondAcquire;                                                                                   \
        }                                                                                                    \
        SecondUse;                                                                                           \
        if (Sound) {                                                                                         \
            SecondRelease;                                                                                   \
        }                                                                                                    \
    }
#define LOCKED_ALIKE(Name, Acquire, Release) LOCKED(Name, Acquire, Release, Acquire, Release, Put())

/* What the thread did before it queued the routine is done for the routine; what it does afterwards is not. */
#define QUEUED(Name, Queue)                                                                                  \
    static VOID Name##First(VOID)                                                                            \
    {                                                                                                        \
        if (Sound) {                                                                                         \
            Put();                                                                                           \
        }                                                                                                    \
        Queue;                                                                                               \
        if (!Sound) {                                                                                        \
            Put();                                                                                           \
        }                                                                                                    \
        Wait(&Ran);                                                                                          \
    }                                                                                                        \
    static VOID Name##Second(VOID)                                                                           \
    {                                                                                                        \
    }

/* ---- dispatcher objects ------------------------------------------------------------------------------- */

static KSEMAPHORE Units;
static KMUTEX MutexObject;
static KTIMER Timer;
static KDPC Deferred;

TOLD(Event, KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), Wait(&Event))
TOLD(EventPolled, KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), while (!KeReadStateEvent(&Event)) Pause())
TOLD(Semaphore, KeReleaseSemaphore(&Units, IO_NO_INCREMENT, 1, FALSE), Wait(&Units))
LOCKED_ALIKE(Mutex, Wait(&MutexObject), KeReleaseMutex(&MutexObject, FALSE))

static KEVENT Synchronization;

TOLD(SynchronizationEvent, KeSetEvent(&Synchronization, IO_NO_INCREMENT, FALSE), Wait(&Synchronization))

static VOID WaitForBoth(WAIT_TYPE Type)
{
    PVOID Objects[2] = {&Event, &Other};

    KeWaitForMultipleObjects(2, Objects, Type, Executive, KernelMode, FALSE, NULL, NULL);
}

TOLD(WaitAny, KeSetEvent(&Other, IO_NO_INCREMENT, FALSE), WaitForBoth(WaitAny))
TOLD(
    WaitAll,
    {
        KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
        KeSetEvent(&Other, IO_NO_INCREMENT, FALSE);
    },
    WaitForBoth(WaitAll))

static VOID SetTimer(PKDPC Dpc)
{
    LARGE_INTEGER Time;

    Time.QuadPart = -10000;
    KeSetTimer(&Timer, Time, Dpc);
}

TOLD(TimerWait, SetTimer(NULL), Wait(&Timer))

/* ---- routines of the driver ---------------------------------------------------------------------------- */

static VOID DpcRoutine(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    Put();
    KeSetEvent(&Ran, IO_NO_INCREMENT, FALSE);
}

QUEUED(TimerDpc, SetTimer(&Deferred))
QUEUED(Dpc, KeInsertQueueDpc(&Deferred, NULL, NULL))

static VOID FlushDpcsFirst(VOID)
{
    KeInsertQueueDpc(&Deferred, NULL, NULL);
    if (Sound) {
        KeFlushQueuedDpcs();
    } else {
        Pause();
    }
    Put();
    Wait(&Ran);
}

static VOID FlushDpcsSecond(VOID)
{
}

static WORK_QUEUE_ITEM Work;

static VOID WorkRoutine(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Put();
    KeSetEvent(&Ran, IO_NO_INCREMENT, FALSE);
}

QUEUED(WorkItem, ExQueueWorkItem(&Work, DelayedWorkQueue))

static VOID IoWorkRoutine(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Put();
    IoFreeWorkItem((PIO_WORKITEM)Context);
    KeSetEvent(&Ran, IO_NO_INCREMENT, FALSE);
}

static VOID QueueIoWork(VOID)
{
    PIO_WORKITEM Item = IoAllocateWorkItem(Device);

    IoQueueWorkItem(Item, IoWorkRoutine, DelayedWorkQueue, Item);
}

QUEUED(IoWorkItem, QueueIoWork())

static VOID ThirdThread(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Put();
    KeSetEvent(&Ran, IO_NO_INCREMENT, FALSE);
}

static PVOID Third;

QUEUED(ThreadStart, Third = Start(ThirdThread, NULL))

static VOID ThreadEndFirst(VOID)
{
    Third = Start(ThirdThread, NULL);
    if (Sound) {
        Wait(Third);
    } else {
        Pause();
    }
    Put();
}

static VOID ThreadEndSecond(VOID)
{
}

/* ---- locks --------------------------------------------------------------------------------------------- */

static KSPIN_LOCK Lock;
static EX_SPIN_LOCK ExLock;
static FAST_MUTEX Fast;
static KGUARDED_MUTEX Guarded;
static EX_PUSH_LOCK Push;
static ERESOURCE ResourceObject;
static EX_RUNDOWN_REF RundownObject;
static IO_REMOVE_LOCK RemoveLockObject;
static RTL_RUN_ONCE Once = RTL_RUN_ONCE_INIT;
static KIRQL Irqls[2];
static KLOCK_QUEUE_HANDLE Handles[2];

LOCKED(SpinLock, KeAcquireSpinLock(&Lock, &Irqls[0]), KeReleaseSpinLock(&Lock, Irqls[0]),
       KeAcquireSpinLock(&Lock, &Irqls[1]), KeReleaseSpinLock(&Lock, Irqls[1]), Put())
LOCKED(QueuedSpinLock, KeAcquireInStackQueuedSpinLock(&Lock, &Handles[0]),
       KeReleaseInStackQueuedSpinLock(&Handles[0]), KeAcquireInStackQueuedSpinLock(&Lock, &Handles[1]),
       KeReleaseInStackQueuedSpinLock(&Handles[1]), Put())
LOCKED(SharedSpinLock, Irqls[0] = ExAcquireSpinLockExclusive(&ExLock),
       ExReleaseSpinLockExclusive(&ExLock, Irqls[0]), Irqls[1] = ExAcquireSpinLockShared(&ExLock),
       ExReleaseSpinLockShared(&ExLock, Irqls[1]), Get())
LOCKED(CancelSpinLock, IoAcquireCancelSpinLock(&Irqls[0]), IoReleaseCancelSpinLock(Irqls[0]),
       IoAcquireCancelSpinLock(&Irqls[1]), IoReleaseCancelSpinLock(Irqls[1]), Put())
LOCKED_ALIKE(FastMutex, ExAcquireFastMutex(&Fast), ExReleaseFastMutex(&Fast))
LOCKED_ALIKE(GuardedMutex, KeAcquireGuardedMutex(&Guarded), KeReleaseGuardedMutex(&Guarded))
LOCKED_ALIKE(PushLock, ExAcquirePushLockExclusive(&Push), ExReleasePushLockExclusive(&Push))
LOCKED(PushLockReader, ExAcquirePushLockExclusive(&Push), ExReleasePushLockExclusive(&Push),
       ExAcquirePushLockShared(&Push), ExReleasePushLockShared(&Push), Get())
LOCKED_ALIKE(Resource, ExAcquireResourceExclusiveLite(&ResourceObject, TRUE),
             ExReleaseResourceLite(&ResourceObject))
LOCKED(ResourceReader, ExAcquireResourceExclusiveLite(&ResourceObject, TRUE),
       ExReleaseResourceLite(&ResourceObject), ExAcquireResourceSharedLite(&ResourceObject, TRUE),
       ExReleaseResourceLite(&ResourceObject), Get())
TOLD(Rundown, ExReleaseRundownProtection(&RundownObject), ExWaitForRundownProtectionRelease(&RundownObject))
TOLD(RemoveLock, IoReleaseRemoveLock(&RemoveLockObject, NULL),
     IoReleaseRemoveLockAndWait(&RemoveLockObject, NULL))

static ULONG NTAPI OnceRoutine(PRTL_RUN_ONCE RunOnce, PVOID Parameter, PVOID *Context)
{
    UNREFERENCED_PARAMETER(RunOnce);
    UNREFERENCED_PARAMETER(Parameter);
    UNREFERENCED_PARAMETER(Context);
    Put();
    return TRUE;
}

static VOID RunOnceFirst(VOID)
{
    RtlRunOnceExecuteOnce(&Once, OnceRoutine, NULL, NULL);
}

static VOID RunOnceSecond(VOID)
{
    if (Sound) {
        RtlRunOnceExecuteOnce(&Once, OnceRoutine, NULL, NULL);
    } else {
        Pause();
    }
    Get();
}

/* ---- interlocked operations --------------------------------------------------------------------------- */

static LONG PlainlyVolatile(VOID)
{
    return *(volatile LONG *)&Flag;
}

TOLD(Interlocked, InterlockedExchange(&Flag, 1), while (InterlockedCompareExchange(&Flag, 2, 1) == 0) Pause())
TOLD(AcquireRelease, WriteRelease(&Flag, 1), while (ReadAcquire(&Flag) == 0) Pause())
TOLD(VolatileFlag, *(volatile LONG *)&Flag = 1, while (PlainlyVolatile() == 0) Pause())

/* Whoever counts down to zero is alone. */
static VOID CountDown(VOID)
{
    if (Sound) {
        Get();
        if (InterlockedDecrement(&Flag) == 0) {
            Put();
        }
    } else {
        Put();
        InterlockedDecrement(&Flag);
    }
}

static VOID InterlockedCountFirst(VOID)
{
    CountDown();
}

static VOID InterlockedCountSecond(VOID)
{
    CountDown();
}

static SLIST_HEADER Sequenced;
static SLIST_ENTRY SequencedEntry;
static LIST_ENTRY List, ListEntry;

TOLD(SequencedList, InterlockedPushEntrySList(&Sequenced, &SequencedEntry),
     while (InterlockedPopEntrySList(&Sequenced) == NULL) Pause())
TOLD(InterlockedList, ExInterlockedInsertTailList(&List, &ListEntry, &Lock),
     while (ExInterlockedRemoveHeadList(&List, &Lock) == NULL) Pause())

static DRIVER_CANCEL CancelIt;
static PIRP Irp;

static VOID CancelIt(PDEVICE_OBJECT DeviceObject, PIRP Cancelled)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    IoReleaseCancelSpinLock(Cancelled->CancelIrql);
    Put();
}

static VOID CancelRoutineFirst(VOID)
{
    if (Sound) {
        Put();
    }
    (VOID) IoSetCancelRoutine(Irp, CancelIt);
    if (!Sound) {
        Put();
    }
}

static VOID CancelRoutineSecond(VOID)
{
    while (!IoCancelIrp(Irp)) {
        Pause();
    }
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static UCHAR Bytes[256], More[256];

static VOID CopiedMemoryFirst(VOID)
{
    RtlCopyMemory(Bytes, More, sizeof(Bytes) - (ULONG)Flag);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
}

static VOID CopiedMemorySecond(VOID)
{
    if (Sound) {
        Wait(&Event);
    } else {
        Pause();
    }
    Bytes[77]++;
}

static ULONG *Published;

static VOID StackOfAnotherFirst(VOID)
{
    ULONG Local = 1;

    Published = &Local;
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    Pause();
    if (Sound) {
        Wait(&Other);
    }
    Pause();
    (*(ULONG *volatile *)&Published)[0]++;
    Wait(&Other);
}

static VOID StackOfAnotherSecond(VOID)
{
    Wait(&Event);
    Published[0]++;
    KeSetEvent(&Other, IO_NO_INCREMENT, FALSE);
}

/* Reads do not race with each other, and none of them is forgotten when there is room. */
static VOID Reader(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Get();
}

static VOID ReadByManyFirst(VOID)
{
    PVOID Readers[3];

    for (ULONG Index = 0; Index < 3; Index++) {
        Readers[Index] = Start(Reader, NULL);
    }
    for (ULONG Index = 0; Index < 3; Index++) {
        if (Sound || Index != 1) {
            Wait(Readers[Index]);
        }
    }
    Put();
    for (ULONG Index = 0; Index < 3; Index++) {
        Join(Readers[Index]);
    }
}

static VOID ReadByManySecond(VOID)
{
}

/* Different bytes of the same eight. */
static DECLSPEC_ALIGN(8) UCHAR Neighbours[8];

static VOID NeighboursFirst(VOID)
{
    for (ULONG Index = 0; Index < 8; Index += 2) {
        Neighbours[Index]++;
    }
}

static VOID NeighboursSecond(VOID)
{
    for (ULONG Index = 1; Index < 8; Index += 2) {
        Neighbours[Index]++;
    }
}

static VOID FreedFirst(VOID)
{
    PULONG Block = (PULONG)ExAllocatePool2(POOL_FLAG_NON_PAGED, 40, ORDER_TAG);

    if (Block != NULL) {
        Block[9] = 1;
        if (Sound) {
            Value = *(volatile ULONG *)&Block[9];
        }
        ExFreePoolWithTag(Block, ORDER_TAG);
        if (!Sound) {
            Value = *(volatile ULONG *)&Block[9];
        }
    }
}

static VOID FreedSecond(VOID)
{
}

static VOID FreedIrpFirst(VOID)
{
    PIRP Mine = IoAllocateIrp(1, FALSE);

    Mine->IoStatus.Information = 1;
    IoFreeIrp(Mine);
    if (!Sound) {
        Mine->IoStatus.Information = 2;
    }
}

static VOID FreedIrpSecond(VOID)
{
}

static VOID FreedMdlFirst(VOID)
{
    PMDL Mdl = IoAllocateMdl(Bytes, sizeof(Bytes), FALSE, FALSE, NULL);

    Value = Mdl->ByteCount;
    IoFreeMdl(Mdl);
    if (!Sound) {
        Value = *(volatile ULONG *)&Mdl->ByteCount;
    }
}

static VOID FreedMdlSecond(VOID)
{
}

/* A device takes a block that another thread has freed: it is memory like any other, and what was before is over. */
enum { BLOCKS = 80, BLOCK_BYTES = 4000, EXTENSION_BYTES = 3000 };

static PUCHAR Blocks[BLOCKS]; /* more than one thread keeps for itself */

static VOID DeviceInFreedBlockFirst(VOID)
{
    for (ULONG i = 0; i < BLOCKS; i++) {
        Blocks[i] = (PUCHAR)ExAllocatePool2(POOL_FLAG_NON_PAGED, BLOCK_BYTES, ORDER_TAG);
        if (Blocks[i] != NULL) {
            RtlFillMemory(Blocks[i], BLOCK_BYTES, 1);
        }
    }
    for (ULONG i = 0; i < BLOCKS; i++) {
        if (Blocks[i] != NULL) {
            ExFreePoolWithTag(Blocks[i], ORDER_TAG);
        }
    }
    if (!Sound) {
        Value = *(volatile UCHAR *)Blocks[0];
    }
}

static VOID DeviceInFreedBlockSecond(VOID)
{
    PDEVICE_OBJECT Taker;

    Pause();
    Pause();
    if (NT_SUCCESS(IoCreateDevice(Device->DriverObject, EXTENSION_BYTES, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE,
                                  &Taker))) {
        RtlFillMemory(Taker->DeviceExtension, EXTENSION_BYTES, 2);
        Taker->Flags &= ~DO_DEVICE_INITIALIZING;
        IoDeleteDevice(Taker);
    }
}

/* Whichever comes first, it is reported: as a race, or as a use after the free. */
static PULONG SharedBlock;

static VOID FreedWhileUsedFirst(VOID)
{
    SharedBlock[3]++;
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
}

static VOID FreedWhileUsedSecond(VOID)
{
    if (Sound) {
        Wait(&Event);
    } else {
        Pause();
    }
    ExFreePoolWithTag(SharedBlock, ORDER_TAG);
}

/* ---- the table ----------------------------------------------------------------------------------------- */

typedef struct _ORDER_CASE {
    VOID (*First)(VOID);
    VOID (*Second)(VOID);
} ORDER_CASE;

#define ORDER_CASE_ENTRY(Name, Kind) {Name##First, Name##Second},
static CONST ORDER_CASE Cases[] = {ORDER_CASES(ORDER_CASE_ENTRY)};

static VOID Thread(PVOID Context)
{
    VOID (*Routine)(VOID) = (VOID(*)(VOID))Context;

    Routine();
}

static ULONG Setting(PUNICODE_STRING RegistryPath, PCWSTR Name)
{
    UNICODE_STRING Folder = RTL_CONSTANT_STRING(L"\\Parameters"), Path, ValueName;
    WCHAR Buffer[300];
    OBJECT_ATTRIBUTES Attributes;
    union {
        KEY_VALUE_PARTIAL_INFORMATION Information;
        UCHAR Bytes[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + sizeof(ULONG)];
    } Read;
    HANDLE Key;
    ULONG Length, Number = 0;

    RtlInitEmptyUnicodeString(&Path, Buffer, sizeof(Buffer));
    RtlCopyUnicodeString(&Path, RegistryPath);
    RtlAppendUnicodeStringToString(&Path, &Folder);
    RtlInitUnicodeString(&ValueName, Name);
    InitializeObjectAttributes(&Attributes, &Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwOpenKey(&Key, KEY_READ, &Attributes))) {
        return 0;
    }
    if (NT_SUCCESS(
            ZwQueryValueKey(Key, &ValueName, KeyValuePartialInformation, &Read, sizeof(Read), &Length))) {
        RtlCopyMemory(&Number, Read.Information.Data, sizeof(Number));
    }
    ZwClose(Key);
    return Number;
}

static VOID Prepare(VOID)
{
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KeInitializeEvent(&Other, NotificationEvent, FALSE);
    KeInitializeEvent(&Ran, NotificationEvent, FALSE);
    KeInitializeEvent(&Synchronization, SynchronizationEvent, FALSE);
    KeInitializeSemaphore(&Units, 0, 1);
    KeInitializeMutex(&MutexObject, 0);
    KeInitializeTimer(&Timer);
    KeInitializeDpc(&Deferred, DpcRoutine, NULL);
    ExInitializeWorkItem(&Work, WorkRoutine, NULL);
    KeInitializeSpinLock(&Lock);
    ExInitializeFastMutex(&Fast);
    KeInitializeGuardedMutex(&Guarded);
    ExInitializePushLock(&Push);
    ExInitializeResourceLite(&ResourceObject);
    ExInitializeRundownProtection(&RundownObject);
    (VOID) ExAcquireRundownProtection(&RundownObject);
    IoInitializeRemoveLock(&RemoveLockObject, ORDER_TAG, 0, 0);
    (VOID) IoAcquireRemoveLock(&RemoveLockObject, NULL); /* the first thread's, and the second one's */
    (VOID) IoAcquireRemoveLock(&RemoveLockObject, NULL);
    InitializeSListHead(&Sequenced);
    InitializeListHead(&List);
}

static VOID OrderUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    Join(Threads[0]);
    Join(Threads[1]);
    if (Third != NULL) {
        Join(Third);
    }
    KeCancelTimer(&Timer);
    KeFlushQueuedDpcs();
    ExDeleteResourceLite(&ResourceObject);
    IoFreeIrp(Irp);
    IoDeleteDevice(Device);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG Case = Setting(RegistryPath, L"Case");
    NTSTATUS Status;

    Sound = Setting(RegistryPath, L"Sound") != 0;
    if (Case >= RTL_NUMBER_OF(Cases)) {
        return STATUS_INVALID_PARAMETER;
    }
    Status = IoCreateDevice(DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Prepare();
    Irp = IoAllocateIrp(1, FALSE);
    if (Cases[Case].First == FreedWhileUsedFirst) {
        SharedBlock = (PULONG)ExAllocatePool2(POOL_FLAG_NON_PAGED, 32, ORDER_TAG);
    }
    if (Cases[Case].First == InterlockedCountFirst) {
        Flag = 2;
    }
    Threads[0] = Start(Thread, (PVOID)Cases[Case].First);
    Threads[1] = Start(Thread, (PVOID)Cases[Case].Second);
    DriverObject->DriverUnload = OrderUnload;
    return STATUS_SUCCESS;
}
