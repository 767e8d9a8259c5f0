/* etw.c: a driver that writes events. Every line that it prints is expected in test_wpp.c. */
#ifdef __cplusplus
extern "C" { /* as many a C++ driver has it */
#endif
#include <ntddk.h>
#include <TraceLoggingProvider.h>
#ifdef __cplusplus
}
#endif

TRACELOGGING_DECLARE_PROVIDER(Provider);
TRACELOGGING_DEFINE_PROVIDER(Provider, "Echo.Driver",
                             (0xb3864c38, 0x4273, 0x58c5, 0x54, 0x5b, 0x8b, 0x36, 0x08, 0x34, 0x34, 0x71));

static const GUID Id = {0x12345678, 0x9abc, 0xdef0, {1, 2, 3, 4, 5, 6, 7, 8}};
static REGHANDLE Handle;

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD Unload;
static ETWENABLECALLBACK Enabled;

static VOID NTAPI Enabled(LPCGUID Source, ULONG Code, UCHAR Level, ULONGLONG Any, ULONGLONG All,
                          PEVENT_FILTER_DESCRIPTOR Filter, PVOID Context)
{
    DbgPrint("enabled %08x code %u level %u any %I64x all %I64x %d", Source->Data1, Code, Level, Any, All,
             Filter == NULL && Context == &Handle);
}

VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    TraceLoggingUnregister(Provider);
    TraceLoggingWrite(Provider, "Never", TraceLoggingValue(1));
    DbgPrint("unregistered %08x %08x", EtwUnregister(Handle), EtwUnregister(Handle));
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    EVENT_DESCRIPTOR event = {5, 1, 0, 4, 2, 3, 0x10};
    EVENT_DATA_DESCRIPTOR data[2];
    ULONG count = 7;
    USHORT port = 0x5000;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"wide");
    LONGLONG big = -5000000000LL;
    BOOLEAN yes = TRUE;
    const char *text = "text";
    const WCHAR *wide = L"broad";

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    TraceLoggingWrite(Provider, "TooEarly");
    (void)TraceLoggingRegister(Provider);
    TraceLoggingWrite(Provider, "Bare");
    TraceLoggingWrite(Provider, "Start", TraceLoggingLevel(WINEVENT_LEVEL_INFO), TraceLoggingKeyword(0x2),
                      TraceLoggingUInt32(count), TraceLoggingString(text, "name"),
                      TraceLoggingNTStatus(STATUS_CANCELLED, "status", "why it ended"),
                      TraceLoggingUnicodeString(&name, "wide"), TraceLoggingBoolean(yes));
    TraceLoggingWrite(Provider, "Values", TraceLoggingValue(count), TraceLoggingValue(big, "big"),
                      TraceLoggingValue(text), TraceLoggingValue(wide), TraceLoggingValue(1.5, "half"),
                      TraceLoggingHexInt32(-1, "hex"));
    TraceLoggingWrite(Provider, "More", TraceLoggingStruct(2, "peer"),
                      TraceLoggingIPv4Address(0x0100007f, "address"), TraceLoggingPort(port),
                      TraceLoggingGuid(Id), TraceLoggingBinary("abc", 3, "data"),
                      TraceLoggingCountedString("abcdef", 2, "cut"));
    if (!TraceLoggingProviderEnabled(Provider, 5, 0))
        return STATUS_UNSUCCESSFUL;
    if (EtwRegister(&Id, Enabled, &Handle, &Handle) != STATUS_SUCCESS || !EtwEventEnabled(Handle, &event) ||
        !EtwProviderEnabled(Handle, 5, 1) || EtwEventEnabled(Handle + 1, &event))
        return STATUS_UNSUCCESSFUL;
    EventDataDescCreate(&data[0], &count, sizeof count);
    EventDataDescCreate(&data[1], text, 4);
    if (EtwWrite(Handle, &event, NULL, 2, data) != STATUS_SUCCESS ||
        EtwWriteTransfer(Handle, &event, &Id, NULL, 0, NULL) != STATUS_SUCCESS ||
        EtwWriteString(Handle, 4, 0x10, NULL, L"message") != STATUS_SUCCESS ||
        EtwWrite(Handle + 1, &event, NULL, 0, NULL) != STATUS_INVALID_HANDLE ||
        EtwWrite(Handle, NULL, NULL, 0, NULL) != STATUS_INVALID_PARAMETER ||
        EtwRegister(NULL, NULL, NULL, &Handle) != STATUS_INVALID_PARAMETER)
        return STATUS_UNSUCCESSFUL;
    return STATUS_SUCCESS;
}
