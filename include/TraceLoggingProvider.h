/*
 * TraceLoggingProvider.h: events that describe themselves. Each is a trace line
 * "TraceLogging Provider.Event level 4 field=value ...", from TraceLoggingRegister to TraceLoggingUnregister.
 */
#ifndef _TRACELOGGINGPROVIDER_
#define _TRACELOGGINGPROVIDER_

#include <wdm.h>
#include <winmeta.h>

#ifdef __cplusplus
extern "C" {
#endif

struct _TlgProvider_t {
    const char *Name;
    GUID Id;
    volatile LONG Registered;
};
typedef struct _TlgProvider_t const *TraceLoggingHProvider;

/* Kinds of what follows an event's name: a number, then the name of the field, then its value. */
enum uwsk_tracelogging {
    UWSK_TL_END,
    UWSK_TL_LEVEL,
    UWSK_TL_KEYWORD,
    UWSK_TL_SKIP, /* an option that no line shows */
    UWSK_TL_I32,
    UWSK_TL_U32,
    UWSK_TL_I64,
    UWSK_TL_U64,
    UWSK_TL_X32,
    UWSK_TL_X64,
    UWSK_TL_BOOL,
    UWSK_TL_DOUBLE,
    UWSK_TL_CHAR,
    UWSK_TL_POINTER,
    UWSK_TL_STATUS,
    UWSK_TL_STRING,
    UWSK_TL_WIDE,
    UWSK_TL_ANSI,    /* PCANSI_STRING */
    UWSK_TL_UNICODE, /* PCUNICODE_STRING */
    UWSK_TL_COUNTED, /* text, characters */
    UWSK_TL_COUNTED_WIDE,
    UWSK_TL_BINARY, /* data, bytes */
    UWSK_TL_GUID,
    UWSK_TL_IPV4,
    UWSK_TL_IPV6,
    UWSK_TL_PORT,
    UWSK_TL_STRUCT, /* number of the fields that follow and belong to it */
};

NTSTATUS uwsk_tracelogging_register(TraceLoggingHProvider provider, PETWENABLECALLBACK callback,
                                    PVOID context);
void uwsk_tracelogging_unregister(TraceLoggingHProvider provider);
BOOLEAN uwsk_tracelogging_enabled(TraceLoggingHProvider provider);
void uwsk_tracelogging_write(TraceLoggingHProvider provider, const char *event, ...);

#ifdef __cplusplus
}
#define UWSK_TL_EXTERN extern "C"
#else
#define UWSK_TL_EXTERN extern
#endif

#define UWSK_TL_ID(a, b, c, d, e, f, g, h, i, j, k)                                                          \
    {                                                                                                        \
        a, b, c,                                                                                             \
        {                                                                                                    \
            d, e, f, g, h, i, j, k                                                                           \
        }                                                                                                    \
    }
#define TRACELOGGING_DECLARE_PROVIDER(Handle) UWSK_TL_EXTERN const TraceLoggingHProvider Handle
#define TRACELOGGING_DEFINE_PROVIDER(Handle, ProviderName, ProviderId, ...)                                  \
    static struct _TlgProvider_t Handle##_uwsk_storage = {ProviderName, UWSK_TL_ID ProviderId, 0};           \
    TRACELOGGING_DECLARE_PROVIDER(Handle);                                                                   \
    const TraceLoggingHProvider Handle = &Handle##_uwsk_storage

#define TraceLoggingRegister(Provider) uwsk_tracelogging_register((Provider), NULL, NULL)
#define TraceLoggingRegisterEx(Provider, Callback, Context)                                                  \
    uwsk_tracelogging_register((Provider), (Callback), (Context))
#define TraceLoggingUnregister(Provider) uwsk_tracelogging_unregister((Provider))
#define TraceLoggingProviderEnabled(Provider, Level, Keyword)                                                \
    ((void)(Level), (void)(Keyword), uwsk_tracelogging_enabled((Provider)))
#define TraceLoggingProviderId(Provider) ((Provider)->Id)

/* An event: options and fields in any order. Any IRQL. */
#define TraceLoggingWrite(Provider, Event, ...)                                                              \
    uwsk_tracelogging_write((Provider), (Event), ##__VA_ARGS__, UWSK_TL_END)
#define TraceLoggingWriteActivity(Provider, Event, Activity, Related, ...)                                   \
    ((void)(Activity), (void)(Related), TraceLoggingWrite(Provider, Event, ##__VA_ARGS__))

#define TraceLoggingLevel(Level)      UWSK_TL_LEVEL, "", (int)(Level)
#define TraceLoggingKeyword(Keyword)  UWSK_TL_KEYWORD, "", (ULONGLONG)(Keyword)
#define TraceLoggingOpcode(Opcode)    UWSK_TL_SKIP, "", (int)(Opcode)
#define TraceLoggingChannel(Channel)  UWSK_TL_SKIP, "", (int)(Channel)
#define TraceLoggingEventTag(Tag)     UWSK_TL_SKIP, "", (int)(Tag)
#define TraceLoggingDescription(Text) UWSK_TL_SKIP, "", 0

/* The name that the driver gives, or else the words of the value. */
#define UWSK_TL_SECOND(First, Second, ...)           Second
#define UWSK_TL_NAME(Words, ...)                     UWSK_TL_SECOND(0, ##__VA_ARGS__, Words, 0)
#define UWSK_TL_FIELD(Kind, Type, Value, Words, ...) Kind, UWSK_TL_NAME(Words, ##__VA_ARGS__), (Type)(Value)

#define TraceLoggingStruct(Fields, ...) UWSK_TL_STRUCT, UWSK_TL_NAME("", ##__VA_ARGS__), (int)(Fields)

#define TraceLoggingInt8(v, ...)        UWSK_TL_FIELD(UWSK_TL_I32, INT8, v, #v, ##__VA_ARGS__)
#define TraceLoggingUInt8(v, ...)       UWSK_TL_FIELD(UWSK_TL_U32, UINT8, v, #v, ##__VA_ARGS__)
#define TraceLoggingInt16(v, ...)       UWSK_TL_FIELD(UWSK_TL_I32, INT16, v, #v, ##__VA_ARGS__)
#define TraceLoggingUInt16(v, ...)      UWSK_TL_FIELD(UWSK_TL_U32, UINT16, v, #v, ##__VA_ARGS__)
#define TraceLoggingInt32(v, ...)       UWSK_TL_FIELD(UWSK_TL_I32, INT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingUInt32(v, ...)      UWSK_TL_FIELD(UWSK_TL_U32, UINT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingInt64(v, ...)       UWSK_TL_FIELD(UWSK_TL_I64, INT64, v, #v, ##__VA_ARGS__)
#define TraceLoggingUInt64(v, ...)      UWSK_TL_FIELD(UWSK_TL_U64, UINT64, v, #v, ##__VA_ARGS__)
#define TraceLoggingLong(v, ...)        UWSK_TL_FIELD(UWSK_TL_I32, LONG, v, #v, ##__VA_ARGS__)
#define TraceLoggingULong(v, ...)       UWSK_TL_FIELD(UWSK_TL_U32, ULONG, v, #v, ##__VA_ARGS__)
#define TraceLoggingIntPtr(v, ...)      UWSK_TL_FIELD(UWSK_TL_I64, INT_PTR, v, #v, ##__VA_ARGS__)
#define TraceLoggingUIntPtr(v, ...)     UWSK_TL_FIELD(UWSK_TL_U64, UINT_PTR, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexUInt8(v, ...)    UWSK_TL_FIELD(UWSK_TL_X32, UINT8, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexUInt16(v, ...)   UWSK_TL_FIELD(UWSK_TL_X32, UINT16, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexUInt32(v, ...)   UWSK_TL_FIELD(UWSK_TL_X32, UINT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexInt32(v, ...)    UWSK_TL_FIELD(UWSK_TL_X32, INT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexLong(v, ...)     UWSK_TL_FIELD(UWSK_TL_X32, LONG, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexULong(v, ...)    UWSK_TL_FIELD(UWSK_TL_X32, ULONG, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexUInt64(v, ...)   UWSK_TL_FIELD(UWSK_TL_X64, UINT64, v, #v, ##__VA_ARGS__)
#define TraceLoggingHexInt64(v, ...)    UWSK_TL_FIELD(UWSK_TL_X64, INT64, v, #v, ##__VA_ARGS__)
#define TraceLoggingBool(v, ...)        UWSK_TL_FIELD(UWSK_TL_BOOL, INT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingBoolean(v, ...)     UWSK_TL_FIELD(UWSK_TL_BOOL, UINT8, v, #v, ##__VA_ARGS__)
#define TraceLoggingFloat32(v, ...)     UWSK_TL_FIELD(UWSK_TL_DOUBLE, double, v, #v, ##__VA_ARGS__)
#define TraceLoggingFloat64(v, ...)     UWSK_TL_FIELD(UWSK_TL_DOUBLE, double, v, #v, ##__VA_ARGS__)
#define TraceLoggingChar(v, ...)        UWSK_TL_FIELD(UWSK_TL_CHAR, CHAR, v, #v, ##__VA_ARGS__)
#define TraceLoggingPointer(v, ...)     UWSK_TL_FIELD(UWSK_TL_POINTER, const VOID *, v, #v, ##__VA_ARGS__)
#define TraceLoggingPid(v, ...)         UWSK_TL_FIELD(UWSK_TL_U32, UINT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingTid(v, ...)         UWSK_TL_FIELD(UWSK_TL_U32, UINT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingPort(v, ...)        UWSK_TL_FIELD(UWSK_TL_PORT, UINT16, v, #v, ##__VA_ARGS__)
#define TraceLoggingIPv4Address(v, ...) UWSK_TL_FIELD(UWSK_TL_IPV4, UINT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingIPv6Address(v, ...) UWSK_TL_FIELD(UWSK_TL_IPV6, const VOID *, v, #v, ##__VA_ARGS__)
#define TraceLoggingWinError(v, ...)    UWSK_TL_FIELD(UWSK_TL_U32, UINT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingNTStatus(v, ...)    UWSK_TL_FIELD(UWSK_TL_STATUS, NTSTATUS, v, #v, ##__VA_ARGS__)
#define TraceLoggingHResult(v, ...)     UWSK_TL_FIELD(UWSK_TL_X32, INT32, v, #v, ##__VA_ARGS__)
#define TraceLoggingGuid(v, ...)        UWSK_TL_GUID, UWSK_TL_NAME(#v, ##__VA_ARGS__), (const GUID *)&(v)
#define TraceLoggingString(v, ...)      UWSK_TL_FIELD(UWSK_TL_STRING, PCSTR, v, #v, ##__VA_ARGS__)
#define TraceLoggingWideString(v, ...)  UWSK_TL_FIELD(UWSK_TL_WIDE, PCWSTR, v, #v, ##__VA_ARGS__)
#define TraceLoggingAnsiString(v, ...)  UWSK_TL_FIELD(UWSK_TL_ANSI, PCANSI_STRING, v, #v, ##__VA_ARGS__)
#define TraceLoggingUnicodeString(v, ...)                                                                    \
    UWSK_TL_FIELD(UWSK_TL_UNICODE, PCUNICODE_STRING, v, #v, ##__VA_ARGS__)
#define TraceLoggingCountedString(v, n, ...)                                                                 \
    UWSK_TL_FIELD(UWSK_TL_COUNTED, PCSTR, v, #v, ##__VA_ARGS__), (int)(n)
#define TraceLoggingCountedWideString(v, n, ...)                                                             \
    UWSK_TL_FIELD(UWSK_TL_COUNTED_WIDE, PCWSTR, v, #v, ##__VA_ARGS__), (int)(n)
#define TraceLoggingBinary(v, n, ...)                                                                        \
    UWSK_TL_FIELD(UWSK_TL_BINARY, const VOID *, v, #v, ##__VA_ARGS__), (int)(n)

/* A field of the value's own type. */
#ifdef __cplusplus
extern "C++" { /* many a driver includes this within extern "C" */
inline enum uwsk_tracelogging uwsk_tl_kind(bool)
{
    return UWSK_TL_BOOL;
}
inline enum uwsk_tracelogging uwsk_tl_kind(char)
{
    return UWSK_TL_CHAR;
}
inline enum uwsk_tracelogging uwsk_tl_kind(signed char)
{
    return UWSK_TL_I32;
}
inline enum uwsk_tracelogging uwsk_tl_kind(unsigned char)
{
    return UWSK_TL_U32;
}
inline enum uwsk_tracelogging uwsk_tl_kind(short)
{
    return UWSK_TL_I32;
}
inline enum uwsk_tracelogging uwsk_tl_kind(unsigned short)
{
    return UWSK_TL_U32;
}
inline enum uwsk_tracelogging uwsk_tl_kind(int)
{
    return UWSK_TL_I32;
}
inline enum uwsk_tracelogging uwsk_tl_kind(unsigned)
{
    return UWSK_TL_U32;
}
inline enum uwsk_tracelogging uwsk_tl_kind(long)
{
    return UWSK_TL_I64;
}
inline enum uwsk_tracelogging uwsk_tl_kind(unsigned long)
{
    return UWSK_TL_U64;
}
inline enum uwsk_tracelogging uwsk_tl_kind(long long)
{
    return UWSK_TL_I64;
}
inline enum uwsk_tracelogging uwsk_tl_kind(unsigned long long)
{
    return UWSK_TL_U64;
}
inline enum uwsk_tracelogging uwsk_tl_kind(double)
{
    return UWSK_TL_DOUBLE;
}
inline enum uwsk_tracelogging uwsk_tl_kind(const char *)
{
    return UWSK_TL_STRING;
}
inline enum uwsk_tracelogging uwsk_tl_kind(const wchar_t *)
{
    return UWSK_TL_WIDE;
}
inline enum uwsk_tracelogging uwsk_tl_kind(const void *)
{
    return UWSK_TL_POINTER;
}
}
#define UWSK_TL_KIND(v) uwsk_tl_kind(v)
#else
#define UWSK_TL_KIND(v)                                                                                      \
    _Generic((v), char: UWSK_TL_CHAR, signed char: UWSK_TL_I32, unsigned char: UWSK_TL_U32,                  \
             short: UWSK_TL_I32, unsigned short: UWSK_TL_U32, int: UWSK_TL_I32, unsigned: UWSK_TL_U32,       \
             long: UWSK_TL_I64, unsigned long: UWSK_TL_U64, long long: UWSK_TL_I64,                          \
             unsigned long long: UWSK_TL_U64, float: UWSK_TL_DOUBLE, double: UWSK_TL_DOUBLE,                 \
             char *: UWSK_TL_STRING, const char *: UWSK_TL_STRING, WCHAR *: UWSK_TL_WIDE,                    \
             const WCHAR *: UWSK_TL_WIDE, default: UWSK_TL_POINTER)
#endif
#define TraceLoggingValue(v, ...) UWSK_TL_KIND(v), UWSK_TL_NAME(#v, ##__VA_ARGS__), (v)

#endif
