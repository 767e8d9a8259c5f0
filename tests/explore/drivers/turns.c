/*
 * turns.c - no network: two threads take turns in counting to two without a lock.  Small enough to try every
 * schedule of it.  With -DRACE each of them reads, then writes: with one preemption an increment is lost, and the
 * unload waits for ever.  With -DLATE 70 threads have come and gone before.
 */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD TurnsUnload;
static KSTART_ROUTINE TurnsThread;

static PVOID TurnsThreads[2];
static volatile LONG TurnsCount;
static KEVENT TurnsDone;

static VOID TurnsThread(PVOID Context)
{
    LONG Count;

    UNREFERENCED_PARAMETER(Context);
#ifdef RACE
    Count = ReadAcquire(&TurnsCount) + 1;
    WriteRelease(&TurnsCount, Count);
#else
    Count = InterlockedIncrement(&TurnsCount);
#endif
    if (Count == 2) {
        KeSetEvent(&TurnsDone, IO_NO_INCREMENT, FALSE);
    }
}

static NTSTATUS TurnsStart(PKSTART_ROUTINE Routine, PVOID *Thread)
{
    OBJECT_ATTRIBUTES Attributes;
    HANDLE Handle;
    NTSTATUS Status;

    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, Routine, NULL);
    if (NT_SUCCESS(Status)) {
        ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, Thread, NULL);
        ZwClose(Handle);
    }
    return Status;
}

#ifdef LATE
static KSTART_ROUTINE TurnsNothing;

static VOID TurnsNothing(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
}
#endif

static VOID TurnsUnload(PDRIVER_OBJECT DriverObject)
{
    ULONG Index;

    UNREFERENCED_PARAMETER(DriverObject);
    for (Index = 0; Index < 2; Index++) {
        KeWaitForSingleObject(TurnsThreads[Index], Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(TurnsThreads[Index]);
    }
    KeWaitForSingleObject(&TurnsDone, Executive, KernelMode, FALSE, NULL);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG Index;

    UNREFERENCED_PARAMETER(RegistryPath);
    KeInitializeEvent(&TurnsDone, NotificationEvent, FALSE);
#ifdef LATE
    for (Index = 0; Index < 70; Index++) {
        PVOID Thread;

        if (!NT_SUCCESS(TurnsStart(TurnsNothing, &Thread))) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(Thread);
    }
#endif
    for (Index = 0; Index < 2; Index++) {
        if (!NT_SUCCESS(TurnsStart(TurnsThread, &TurnsThreads[Index]))) {
            return STATUS_INSUFFICIENT_RESOURCES; /* the test lets nothing fail */
        }
    }
    DriverObject->DriverUnload = TurnsUnload;
    return STATUS_SUCCESS;
}
