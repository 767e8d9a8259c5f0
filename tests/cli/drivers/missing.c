/* missing.c - needs two WDK functions that do not exist. */
#include <ntddk.h>

VOID KeFrobnicate(ULONG How);
VOID IoReticulateSplines(VOID);

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    KeFrobnicate(1);
    IoReticulateSplines();
    return STATUS_SUCCESS;
}
