/*
 * turns.c - no network: two threads take turns in counting to two without a lock.  Small enough to try every
 * schedule of it.  With -DRACE each of them reads, then writes: with one preemption an increment is lost, and the
 * unload waits for ever.
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
    OBJECT_ATTRIBUTES Attributes;
    ULONG Index;

    UNREFERENCED_PARAMETER(RegistryPath);
    KeInitializeEvent(&TurnsDone, NotificationEvent, FALSE);
    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    for (Index = 0; Index < 2; Index++) {
        HANDLE Handle;

        if (!NT_SUCCESS(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, TurnsThread,
                                             NULL))) {
            return STATUS_INSUFFICIENT_RESOURCES; /* the test lets nothing fail */
        }
        ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &TurnsThreads[Index],
                                  NULL);
        ZwClose(Handle);
    }
    DriverObject->DriverUnload = TurnsUnload;
    return STATUS_SUCCESS;
}
