/*
 * etw.c - event providers: EtwRegister, EtwWrite and the events of TraceLogging, as trace lines.
 *
 * There is no session to choose from: every provider is told at its registration that everything is on.  What
 * the data of an event means only its manifest knows, so it is printed as bytes; TraceLogging's fields come
 * with names and kinds (include/TraceLoggingProvider.h).
 */
#include <TraceLoggingProvider.h>

#include "nt/dbg/dbg.h"
#include "nt/dbg/trace.h"
#include "nt/ex/ex.h"
#include "nt/ke/internal.h"
#include "nt/observe.h"
#include "nt/rtl/rtl.h"

#define ETW_TAG 0x20777445u /* "Etw " */

enum { SHOWN_BYTES = 64, EVERY_LEVEL = 255 };

struct registration {
    struct registration *next;
    REGHANDLE handle;
    GUID id;
};

static struct {
    struct ke_lock lock;
    struct registration *first;
    REGHANDLE last; /* numbers are never given twice: a stale handle shows */
} etw;

static unsigned print_level(int level)
{
    static const unsigned levels[] = {DPFLTR_INFO_LEVEL,    DPFLTR_ERROR_LEVEL, DPFLTR_ERROR_LEVEL,
                                      DPFLTR_WARNING_LEVEL, DPFLTR_INFO_LEVEL,  DPFLTR_TRACE_LEVEL};

    return level >= 0 && level < 6 ? levels[level] : DPFLTR_INFO_LEVEL;
}

static void add_guid(struct trace_text *text, const GUID *guid)
{
    trace_add(text, "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", guid->Data1, guid->Data2,
              guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3], guid->Data4[4],
              guid->Data4[5], guid->Data4[6], guid->Data4[7]);
}

static void add_bytes(struct trace_text *text, const UCHAR *bytes, ULONG count)
{
    for (ULONG i = 0; i < count && i < SHOWN_BYTES; i++)
        trace_add(text, "%s%02x", i ? " " : "", bytes[i]);
    if (count > SHOWN_BYTES)
        trace_add(text, " ... (%u bytes)", count);
}

/* ---- providers ---------------------------------------------------------------------------------------- */

/* The provider behind a handle; FALSE for none. */
static BOOLEAN find_provider(REGHANDLE handle, GUID *id)
{
    struct registration *at;

    ke_raw_acquire(&etw.lock);
    for (at = etw.first; at && at->handle != handle; at = at->next)
        ;
    if (at)
        *id = at->id;
    ke_raw_release(&etw.lock);
    return at != NULL;
}

BOOLEAN dbg_provider_guid(const void *object, GUID *id)
{
    const struct registration *at;

    ke_raw_acquire(&etw.lock);
    for (at = etw.first; at && at != object; at = at->next)
        ;
    if (at)
        *id = at->id;
    ke_raw_release(&etw.lock);
    return at != NULL;
}

/* Registers a provider, which is told at once that everything is on.  PASSIVE_LEVEL.  STATUS_SUCCESS,
 * STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY.  (wdm EtwRegister) */
NTSTATUS NTAPI EtwRegister(LPCGUID ProviderId, PETWENABLECALLBACK EnableCallback, PVOID CallbackContext,
                           PREGHANDLE RegHandle)
{
    struct registration *fresh;
    REGHANDLE handle;
    GUID id;

    if (!ProviderId || !RegHandle)
        return STATUS_INVALID_PARAMETER;
    id = *ProviderId;
    *RegHandle = 0; /* an exception comes here, where nothing is held */
    fresh = ex_allocate_pool(POOL_FLAG_NON_PAGED, sizeof *fresh, ETW_TAG);
    if (!fresh)
        return STATUS_NO_MEMORY;
    fresh->id = id;
    ke_raw_acquire(&etw.lock);
    handle = fresh->handle = ++etw.last;
    fresh->next = etw.first;
    etw.first = fresh;
    ke_raw_release(&etw.lock);
    *RegHandle = handle;
    OBSERVE(born, OBSERVE_PROVIDER, fresh, 0, sizeof *fresh, __builtin_return_address(0));
    if (EnableCallback)
        EnableCallback(ProviderId, EVENT_CONTROL_CODE_ENABLE_PROVIDER, EVERY_LEVEL, ~0ull, 0, NULL,
                       CallbackContext);
    return STATUS_SUCCESS;
}

/* Gives the registration back.  PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_INVALID_HANDLE.  (wdm EtwUnregister) */
NTSTATUS NTAPI EtwUnregister(REGHANDLE RegHandle)
{
    struct registration **link, *gone;

    ke_raw_acquire(&etw.lock);
    for (link = &etw.first; *link && (*link)->handle != RegHandle; link = &(*link)->next)
        ;
    gone = *link;
    if (gone)
        *link = gone->next;
    ke_raw_release(&etw.lock);
    if (!gone)
        return STATUS_INVALID_HANDLE;
    OBSERVE(dead, OBSERVE_PROVIDER, gone);
    ex_free_pool(gone);
    return STATUS_SUCCESS;
}

/* Whether somebody listens: always, to a registered provider.  Any IRQL.  (wdm EtwEventEnabled) */
BOOLEAN NTAPI EtwEventEnabled(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor)
{
    GUID id;

    (void)EventDescriptor;
    return find_provider(RegHandle, &id);
}

/* (wdm EtwProviderEnabled) */
BOOLEAN NTAPI EtwProviderEnabled(REGHANDLE RegHandle, UCHAR Level, ULONGLONG Keyword)
{
    GUID id;

    (void)Level, (void)Keyword;
    return find_provider(RegHandle, &id);
}

/* ---- events ------------------------------------------------------------------------------------------- */

/* "ETW {provider}": what each line begins with. */
static BOOLEAN begin_line(struct trace_text *text, REGHANDLE handle)
{
    GUID id;

    if (!find_provider(handle, &id))
        return FALSE;
    trace_begin(text);
    trace_add(text, "ETW ");
    add_guid(text, &id);
    return TRUE;
}

static void add_activity(struct trace_text *text, const char *what, LPCGUID activity)
{
    if (!activity)
        return;
    trace_add(text, " %s ", what);
    add_guid(text, activity);
}

static NTSTATUS write_event(REGHANDLE handle, PCEVENT_DESCRIPTOR event, LPCGUID activity, LPCGUID related,
                            ULONG count, PEVENT_DATA_DESCRIPTOR data)
{
    struct trace_text text;

    if (!event || (count && !data))
        return STATUS_INVALID_PARAMETER;
    if (!begin_line(&text, handle))
        return STATUS_INVALID_HANDLE;
    trace_add(&text, " event %u version %u level %u task %u opcode %u keyword 0x%llx", event->Id,
              event->Version, event->Level, event->Task, event->Opcode, event->Keyword);
    add_activity(&text, "activity", activity);
    add_activity(&text, "related", related);
    trace_add(&text, ":");
    for (ULONG i = 0; i < count; i++) {
        trace_add(&text, " [");
        add_bytes(&text, (const UCHAR *)(ULONG_PTR)data[i].Ptr, data[i].Size);
        trace_add(&text, "]");
    }
    trace_end(&text, print_level(event->Level));
    return STATUS_SUCCESS;
}

/* Writes an event.  Any IRQL.  STATUS_SUCCESS, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER.  (wdm
 * EtwWrite) */
NTSTATUS NTAPI EtwWrite(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor, LPCGUID ActivityId,
                        ULONG UserDataCount, PEVENT_DATA_DESCRIPTOR UserData)
{
    return write_event(RegHandle, EventDescriptor, ActivityId, NULL, UserDataCount, UserData);
}

/* EtwWrite of an event that follows from another activity.  (wdm EtwWriteTransfer) */
NTSTATUS NTAPI EtwWriteTransfer(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor, LPCGUID ActivityId,
                                LPCGUID RelatedActivityId, ULONG UserDataCount,
                                PEVENT_DATA_DESCRIPTOR UserData)
{
    return write_event(RegHandle, EventDescriptor, ActivityId, RelatedActivityId, UserDataCount, UserData);
}

/* Writes a message without an event of its own.  Statuses of EtwWrite.  (wdm EtwWriteString) */
NTSTATUS NTAPI EtwWriteString(REGHANDLE RegHandle, UCHAR Level, ULONGLONG Keyword, LPCGUID ActivityId,
                              PCWSTR String)
{
    struct trace_text text;

    if (!String)
        return STATUS_INVALID_PARAMETER;
    if (!begin_line(&text, RegHandle))
        return STATUS_INVALID_HANDLE;
    trace_add(&text, " level %u keyword 0x%llx", Level, Keyword);
    add_activity(&text, "activity", ActivityId);
    trace_add(&text, ": %ls", (const wchar_t *)String);
    trace_end(&text, print_level(Level));
    return STATUS_SUCCESS;
}

/* ---- TraceLogging ------------------------------------------------------------------------------------- */

static volatile LONG *registered(TraceLoggingHProvider provider)
{
    return &((struct _TlgProvider_t *)provider)->Registered;
}

NTSTATUS uwsk_tracelogging_register(TraceLoggingHProvider provider, PETWENABLECALLBACK callback,
                                    PVOID context)
{
    if (!__atomic_exchange_n(registered(provider), 1, __ATOMIC_ACQ_REL))
        OBSERVE(born, OBSERVE_PROVIDER, provider, (ULONG_PTR)provider->Name, sizeof *provider,
                __builtin_return_address(0));
    if (callback)
        callback(&provider->Id, EVENT_CONTROL_CODE_ENABLE_PROVIDER, EVERY_LEVEL, ~0ull, 0, NULL, context);
    return STATUS_SUCCESS;
}

void uwsk_tracelogging_unregister(TraceLoggingHProvider provider)
{
    if (__atomic_exchange_n(registered(provider), 0, __ATOMIC_ACQ_REL))
        OBSERVE(dead, OBSERVE_PROVIDER, provider);
}

BOOLEAN uwsk_tracelogging_enabled(TraceLoggingHProvider provider)
{
    return __atomic_load_n(registered(provider), __ATOMIC_ACQUIRE) != 0;
}

/* Values that DbgPrint has a format for. */
static const char *format_of(int kind)
{
    static const struct {
        int kind;
        const char *format;
    } formats[] = {{UWSK_TL_I32, "%d"},       {UWSK_TL_U32, "%u"},       {UWSK_TL_I64, "%lld"},
                   {UWSK_TL_U64, "%llu"},     {UWSK_TL_X32, "0x%x"},     {UWSK_TL_X64, "0x%llx"},
                   {UWSK_TL_CHAR, "'%c'"},    {UWSK_TL_POINTER, "0x%p"}, {UWSK_TL_STRING, "\"%s\""},
                   {UWSK_TL_WIDE, "\"%ls\""}, {UWSK_TL_ANSI, "\"%Z\""},  {UWSK_TL_UNICODE, "\"%wZ\""}};

    for (size_t i = 0; i < ARRAYSIZE(formats); i++)
        if (formats[i].kind == kind)
            return formats[i].format;
    return NULL;
}

static void add_double(struct trace_text *text, double number)
{
    LONGLONG thousandths = (LONGLONG)(number * 1000 + (number < 0 ? -0.5 : 0.5));
    ULONGLONG size = thousandths < 0 ? 0 - (ULONGLONG)thousandths : (ULONGLONG)thousandths;

    trace_add(text, "%s%llu.%03u", thousandths < 0 ? "-" : "", size / 1000, (ULONG)(size % 1000));
}

static void add_status(struct trace_text *text, NTSTATUS status)
{
    const char *name = rtl_status_name(status);

    trace_add(text, name ? "0x%08x(%s)" : "0x%08x%s", (ULONG)status, name ? name : "");
}

/* Text or bytes that come with their length. */
static void add_counted(struct trace_text *text, int kind, va_list *arguments)
{
    const UCHAR *bytes = va_arg(*arguments, const UCHAR *);
    int length = va_arg(*arguments, int);

    if (kind == UWSK_TL_COUNTED) {
        trace_add(text, "\"%.*s\"", length, (const char *)bytes);
    } else if (kind == UWSK_TL_COUNTED_WIDE) {
        trace_add(text, "\"%.*ls\"", length, (const wchar_t *)bytes);
    } else {
        trace_add(text, "[");
        add_bytes(text, bytes, (ULONG)length);
        trace_add(text, "]");
    }
}

static void add_value(struct trace_text *text, int kind, va_list *arguments)
{
    const char *format = format_of(kind);
    const UCHAR *bytes;
    ULONG value;

    if (format) {
        trace_add_list(text, format, arguments);
        return;
    }
    switch (kind) {
    case UWSK_TL_BOOL:
        trace_add(text, "%s", va_arg(*arguments, int) ? "true" : "false");
        break;
    case UWSK_TL_DOUBLE:
        add_double(text, va_arg(*arguments, double));
        break;
    case UWSK_TL_STATUS:
        add_status(text, va_arg(*arguments, NTSTATUS));
        break;
    case UWSK_TL_IPV4:
        value = va_arg(*arguments, ULONG);
        trace_add(text, "%u.%u.%u.%u", value & 255, value >> 8 & 255, value >> 16 & 255, value >> 24);
        break;
    case UWSK_TL_PORT:
        value = va_arg(*arguments, ULONG);
        trace_add(text, "%u", (value & 255) << 8 | (value >> 8 & 255));
        break;
    case UWSK_TL_COUNTED:
    case UWSK_TL_COUNTED_WIDE:
    case UWSK_TL_BINARY:
        add_counted(text, kind, arguments);
        break;
    case UWSK_TL_GUID:
        add_guid(text, va_arg(*arguments, const GUID *));
        break;
    case UWSK_TL_IPV6:
        bytes = va_arg(*arguments, const UCHAR *);
        for (int i = 0; i < 16; i += 2)
            trace_add(text, "%s%x", i ? ":" : "", (ULONG)bytes[i] << 8 | bytes[i + 1]);
        break;
    }
}

/* What TraceLoggingWrite makes of an event: kind, name and value of each option and field, then UWSK_TL_END. */
void uwsk_tracelogging_write(TraceLoggingHProvider provider, const char *event, ...)
{
    struct trace_text text, fields;
    ULONGLONG keyword = 0;
    int level = WINEVENT_LEVEL_VERBOSE, kind, inside = 0;
    va_list arguments;

    if (!uwsk_tracelogging_enabled(provider))
        return;
    trace_begin(&fields);
    va_start(arguments, event);
    while ((kind = va_arg(arguments, int)) != UWSK_TL_END) {
        const char *name = va_arg(arguments, const char *);

        if (kind == UWSK_TL_LEVEL) {
            level = va_arg(arguments, int);
        } else if (kind == UWSK_TL_KEYWORD) {
            keyword |= va_arg(arguments, ULONGLONG);
        } else if (kind == UWSK_TL_SKIP) {
            (void)va_arg(arguments, int);
        } else if (kind == UWSK_TL_STRUCT) {
            inside = va_arg(arguments, int);
            trace_add(&fields, " %s={", name);
        } else {
            trace_add(&fields, " %s=", name);
            add_value(&fields, kind, &arguments);
            if (inside > 0 && --inside == 0)
                trace_add(&fields, " }");
        }
    }
    va_end(arguments);
    trace_begin(&text);
    trace_add(&text, "TraceLogging %s.%s level %d", provider->Name, event, level);
    if (keyword)
        trace_add(&text, " keyword 0x%llx", keyword);
    trace_add(&text, "%.*s", (int)fields.length, fields.data);
    trace_drop(&fields);
    trace_end(&text, print_level(level));
}
