/* exits.c - takes the process with it when it is unloaded: what no world can see from inside. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD ExitsUnload;

static VOID ExitsUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    __asm__ volatile("syscall" : : "a"(231), "D"(77) : "rcx", "r11", "memory"); /* exit_group(77) */
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = ExitsUnload;
    return STATUS_SUCCESS;
}
