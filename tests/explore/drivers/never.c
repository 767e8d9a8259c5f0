/* never.c - never becomes quiet: a thread that polls, and an unload that waits for what nobody does. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD NeverUnload;
static KEVENT NeverEvent;

static VOID NeverUnload(PDRIVER_OBJECT DriverObject)
{
    LARGE_INTEGER Moment;

    UNREFERENCED_PARAMETER(DriverObject);
    Moment.QuadPart = -10 * 1000 * 1000;
    while (KeWaitForSingleObject(&NeverEvent, Executive, KernelMode, FALSE, &Moment) == STATUS_TIMEOUT) {
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    KeInitializeEvent(&NeverEvent, NotificationEvent, FALSE);
    DriverObject->DriverUnload = NeverUnload;
    return STATUS_SUCCESS;
}
