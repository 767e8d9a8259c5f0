/* leaks.c - keeps its first block when there is no memory for the second one: what a sweep is for. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD LeaksUnload;
static PVOID LeaksFirst, LeaksSecond;

static VOID LeaksUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    ExFreePool(LeaksFirst);
    ExFreePool(LeaksSecond);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    LeaksFirst = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, 'kaeL');
    if (LeaksFirst == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    LeaksSecond = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, 'kaeL');
    if (LeaksSecond == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    DriverObject->DriverUnload = LeaksUnload;
    return STATUS_SUCCESS;
}
