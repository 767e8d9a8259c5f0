/* files.c - reads and writes files below --files. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD Unload;

static NTSTATUS open_file(PCWSTR path, ACCESS_MASK access, ULONG disposition, HANDLE *file)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;

    RtlInitUnicodeString(&name, path);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    return ZwCreateFile(file, access, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ,
                        disposition, FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE, NULL, 0);
}

VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static CHAR text[64];
    IO_STATUS_BLOCK io;
    HANDLE file;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    status = open_file(L"\\SystemRoot\\System32\\config.txt", GENERIC_READ, FILE_OPEN, &file);
    DbgPrint("config: %08x\n", status);
    if (!NT_SUCCESS(status))
        return STATUS_SUCCESS;
    status = ZwReadFile(file, NULL, NULL, NULL, &io, text, sizeof text - 1, NULL, NULL);
    ZwClose(file);
    DbgPrint("read %08x: %s\n", status, text);
    status = open_file(L"\\??\\C:\\log.txt", FILE_APPEND_DATA | SYNCHRONIZE, FILE_OPEN_IF, &file);
    if (NT_SUCCESS(status)) {
        status = ZwWriteFile(file, NULL, NULL, NULL, &io, "a line\n", 7, NULL, NULL);
        ZwClose(file);
    }
    DbgPrint("wrote %08x\n", status);
    return STATUS_SUCCESS;
}
