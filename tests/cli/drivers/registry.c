/* registry.c: prints the values of its Parameters key. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD Unload;

VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    union {
        KEY_VALUE_FULL_INFORMATION information;
        UCHAR room[512];
    } out;
    OBJECT_ATTRIBUTES attributes;
    HANDLE service, key;
    ULONG length;
    NTSTATUS status;

    DriverObject->DriverUnload = Unload;
    InitializeObjectAttributes(&attributes, RegistryPath, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwOpenKey(&service, KEY_READ, &attributes);
    if (!NT_SUCCESS(status))
        return status;
    ZwClose(service);
    status = IoOpenDriverRegistryKey(DriverObject, DriverRegKeyParameters, KEY_READ, 0, &key);
    if (!NT_SUCCESS(status))
        return status;
    for (ULONG i = 0;
         ZwEnumerateValueKey(key, i, KeyValueFullInformation, &out, sizeof out, &length) == STATUS_SUCCESS;
         i++) {
        PUCHAR data = out.room + out.information.DataOffset;

        DbgPrint("%.*ws type %u length %u: %02x%02x%02x%02x", (int)(out.information.NameLength / 2),
                 out.information.Name, out.information.Type, out.information.DataLength, data[0], data[1],
                 data[2], data[3]);
    }
    return ZwClose(key);
}
