/* kinds.c - its unload ends with a violation of nearly always another kind: the moment of the unload says which. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD KindsUnload;

static VOID KindsUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeBugCheckEx(0xE0000000 + (ULONG)(KeQueryPerformanceCounter(NULL).QuadPart % 100000), 0, 0, 0, 0);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = KindsUnload;
    return STATUS_SUCCESS;
}
