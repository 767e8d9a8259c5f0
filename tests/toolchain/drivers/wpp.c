/* wpp.c: a driver whose messages are WPP's. Every line that it prints is expected in test_wpp.c. */
#include <ntddk.h>
#include "wpp_trace.h"
#include "wpp.tmh"

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD Unload;

VOID Unload(PDRIVER_OBJECT DriverObject)
{
    TraceEvents(TRACE_LEVEL_INFORMATION, TRACE_DRIVER, "bye");
    WPP_CLEANUP(DriverObject);
}

static void Types(void)
{
    GUID guid = {0x12345678, 0x9abc, 0xdef0, {1, 2, 3, 4, 5, 6, 7, 8}};
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"wide");
    UCHAR six[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

    DoTraceMessage(TRACE_DATA, "%s=%d %!GUID! %wZ", "text", 42, &guid, &name);
    DoTraceMessage(TRACE_DATA, "%!IPADDR!:%!PORT! %!IPV6ADDR! 100%%!", 0x0100007fu, (USHORT)0x5000, six);
    DoTraceMessage(TRACE_DATA, "%!bool! %!BOOLEAN! %!irql! %!WINERROR! %!HRESULT!", 1, FALSE,
                   (int)KeGetCurrentIrql(), 5, 0x80004005);
    DoTraceMessage(TRACE_DATA, "%!delta! %!TIMESTAMP!", 90061000LL, 116444736000000000LL);
    DoTraceMessage(TRACE_DATA, "%!color! %!color! %!bits! %I64d", 1, 7, 5, -1LL);
    DoTraceMessage(TRACE_DATA, "%!FILE! %!FUNC! %!FLAGS! %!COMPNAME! %!LEVEL!|");
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    WPP_INIT_TRACING(DriverObject, RegistryPath);
    DriverObject->DriverUnload = Unload;
    TraceEvents(TRACE_LEVEL_WARNING, TRACE_SOCKET, "hello %d", 1);
    TraceEvents(TRACE_LEVEL_WARNING, TRACE_SOCKET, "comma", );
    TraceEvents(TRACE_LEVEL_WARNING, TRACE_SOCKET, "comma %d", 2, );
    TraceEvents(4, TRACE_DATA, "two\nlines\n");
    TraceError("%!STATUS!", STATUS_INVALID_PARAMETER);
    if (DriverObject)
        TraceError("plain");
    else
        TraceError("never");
    TraceBad(TRACE_LEVEL_ERROR, STATUS_SUCCESS, "not this %d", 1);
    TraceBad(TRACE_LEVEL_ERROR, STATUS_UNSUCCESSFUL, "this %d", 2);
    TraceExit(STATUS_CANCELLED);
    TraceOld((TRACE_LEVEL_VERBOSE, "old %s", "style"));
    if (WPP_LEVEL_FLAGS_ENABLED(TRACE_LEVEL_VERBOSE, TRACE_DATA))
        Types();
    return STATUS_SUCCESS;
}
