/*
 * strsafe_unicode.c - the RtlUnicodeString functions of ntstrsafe.h: targets that count instead of
 * terminating.
 */
#include "crt.h"
#include "format.h"
#include "strsafe.h"

#define STRING_MAX_BYTES (NTSTRSAFE_UNICODE_STRING_MAX_CCH * sizeof(wchar_t))

/* Text to be put into a target. */
struct source {
    const wchar_t *text;
    size_t units;
};

/* K-STR-01, K-STR-03: lengths are even, Length fits MaximumLength, and only an empty string has no buffer. */
CRT_API NTSTATUS RtlUnicodeStringValidateEx(PCUNICODE_STRING string, ULONG flags)
{
    if (flags & ~(ULONG)STRSAFE_VALID_FLAGS)
        return STATUS_INVALID_PARAMETER;
    if (!string)
        return flags & STRSAFE_IGNORE_NULLS ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    if (string->Length % sizeof(wchar_t) || string->MaximumLength % sizeof(wchar_t) ||
        string->Length > string->MaximumLength || string->MaximumLength > STRING_MAX_BYTES ||
        (!string->Buffer && string->MaximumLength))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

CRT_API NTSTATUS RtlUnicodeStringValidate(PCUNICODE_STRING string)
{
    return RtlUnicodeStringValidateEx(string, 0);
}

CRT_API NTSTATUS RtlUnicodeStringInitEx(PUNICODE_STRING target, const wchar_t *text, ULONG flags)
{
    if (flags & ~(ULONG)STRSAFE_IGNORE_NULLS)
        return STATUS_INVALID_PARAMETER;
    if (!target)
        return flags & STRSAFE_IGNORE_NULLS && !text ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    target->Length = target->MaximumLength = 0;
    target->Buffer = NULL;
    if (!text)
        return STATUS_SUCCESS;
    size_t length = wcsnlen(text, NTSTRSAFE_UNICODE_STRING_MAX_CCH + 1);
    if (length > NTSTRSAFE_UNICODE_STRING_MAX_CCH)
        return STATUS_INVALID_PARAMETER;
    target->Buffer = (wchar_t *)text;
    target->Length = (USHORT)(length * sizeof(wchar_t));
    target->MaximumLength =
        (USHORT)(length < NTSTRSAFE_UNICODE_STRING_MAX_CCH ? target->Length + sizeof(wchar_t)
                                                           : STRING_MAX_BYTES);
    return STATUS_SUCCESS;
}

CRT_API NTSTATUS RtlUnicodeStringInit(PUNICODE_STRING target, const wchar_t *text)
{
    return RtlUnicodeStringInitEx(target, text, 0);
}

/* Sets the target's length, does what the flags ask for and reports the rest. */
static NTSTATUS finish(PUNICODE_STRING target, NTSTATUS status, size_t length, PUNICODE_STRING remaining,
                       ULONG flags)
{
    if (target) {
        size_t units = target->MaximumLength / sizeof(wchar_t);
        if (status == STATUS_SUCCESS) {
            if (flags & STRSAFE_FILL_BEHIND && units > length)
                memset(target->Buffer + length, (int)(flags & 0xff), (units - length) * sizeof(wchar_t));
        } else {
            if (flags & STRSAFE_NO_TRUNCATION)
                length = target->Length / sizeof(wchar_t); /* nothing was written */
            if (flags & STRSAFE_FILL_ON_FAILURE && units) {
                memset(target->Buffer, (int)(flags & 0xff), units * sizeof(wchar_t));
                length = 0;
            }
            if (flags & STRSAFE_ZERO_LENGTH_ON_FAILURE)
                length = 0;
        }
        target->Length = (USHORT)(length * sizeof(wchar_t));
    }
    if (remaining && (status == STATUS_SUCCESS || status == STATUS_BUFFER_OVERFLOW)) {
        remaining->Length = 0;
        remaining->MaximumLength = target ? target->MaximumLength - target->Length : 0;
        remaining->Buffer = target && target->Buffer ? target->Buffer + length : NULL;
    }
    return status;
}

/* What a target without room answers to a source that is not empty. */
static NTSTATUS no_room(PCUNICODE_STRING target, ULONG flags)
{
    return (flags & STRSAFE_IGNORE_NULLS) && (!target || !target->Buffer) ? STATUS_INVALID_PARAMETER
                                                                          : STATUS_BUFFER_OVERFLOW;
}

/* The body of every Copy and Cat; source->text is NULL when the caller's source was no good. */
static NTSTATUS place(PUNICODE_STRING target, int append, const struct source *source,
                      PUNICODE_STRING remaining, ULONG flags)
{
    NTSTATUS status = RtlUnicodeStringValidateEx(target, flags);

    if (status != STATUS_SUCCESS)
        return status;
    size_t units = target ? target->MaximumLength / sizeof(wchar_t) : 0;
    size_t kept = target && append ? target->Length / sizeof(wchar_t) : 0;
    if (!source->text)
        return finish(target, STATUS_INVALID_PARAMETER, kept, remaining, flags);

    size_t count = source->units;
    if (count > units - kept) {
        status = units ? STATUS_BUFFER_OVERFLOW : no_room(target, flags);
        count = units - kept;
        if (flags & STRSAFE_NO_TRUNCATION)
            count = 0;
    }
    for (size_t i = 0; i < count; i++)
        target->Buffer[kept + i] = source->text[i];
    return finish(target, status, kept + count, remaining, flags);
}

/* A terminated source of at most limit units; one unit more than a target can take is as good as all of it.
 */
static struct source from_text(const wchar_t *text, size_t limit, ULONG flags)
{
    struct source source = {text, 0};

    if (!text && flags & STRSAFE_IGNORE_NULLS)
        source.text = L"";
    if (limit > NTSTRSAFE_UNICODE_STRING_MAX_CCH && limit != STRSAFE_ALL)
        source.text = NULL;
    if (source.text)
        source.units =
            wcsnlen(source.text, limit == STRSAFE_ALL ? NTSTRSAFE_UNICODE_STRING_MAX_CCH + 1 : limit);
    return source;
}

static struct source from_string(PCUNICODE_STRING string, size_t limit, ULONG flags)
{
    struct source source = {NULL, 0};

    if (RtlUnicodeStringValidateEx(string, flags & STRSAFE_IGNORE_NULLS) != STATUS_SUCCESS ||
        (limit > NTSTRSAFE_UNICODE_STRING_MAX_CCH && limit != STRSAFE_ALL))
        return source;
    source.text = string && string->Buffer ? string->Buffer : L"";
    source.units = string ? string->Length / sizeof(wchar_t) : 0;
    if (source.units > limit)
        source.units = limit;
    return source;
}

/* A bound that a caller passes: STRSAFE_ALL is no valid one. */
#define BOUND(limit) ((limit) == STRSAFE_ALL ? STRSAFE_ALL - 1 : (limit))

/* The plain and the Ex form of a function that takes its source whole, and of those that bound it. */
#define DEFINE_PLACE(name, append, type, from)                                                               \
    CRT_API NTSTATUS RtlUnicodeString##name##Ex(PUNICODE_STRING target, type input,                          \
                                                PUNICODE_STRING remaining, ULONG flags)                      \
    {                                                                                                        \
        struct source source = from(input, STRSAFE_ALL, flags);                                              \
        return place(target, append, &source, remaining, flags);                                             \
    }                                                                                                        \
    CRT_API NTSTATUS RtlUnicodeString##name(PUNICODE_STRING target, type input)                              \
    {                                                                                                        \
        return RtlUnicodeString##name##Ex(target, input, NULL, 0);                                           \
    }
#define DEFINE_PLACE_N(name, append, type, from, unit)                                                       \
    CRT_API NTSTATUS RtlUnicodeString##name##Ex(PUNICODE_STRING target, type input, size_t limit,            \
                                                PUNICODE_STRING remaining, ULONG flags)                      \
    {                                                                                                        \
        struct source source = from(input, BOUND(limit / (unit)), flags);                                    \
        return place(target, append, &source, remaining, flags);                                             \
    }                                                                                                        \
    CRT_API NTSTATUS RtlUnicodeString##name(PUNICODE_STRING target, type input, size_t limit)                \
    {                                                                                                        \
        return RtlUnicodeString##name##Ex(target, input, limit, NULL, 0);                                    \
    }

DEFINE_PLACE(CopyString, 0, const wchar_t *, from_text)
DEFINE_PLACE(CatString, 1, const wchar_t *, from_text)
DEFINE_PLACE(Copy, 0, PCUNICODE_STRING, from_string)
DEFINE_PLACE(Cat, 1, PCUNICODE_STRING, from_string)
DEFINE_PLACE_N(CchCopyStringN, 0, const wchar_t *, from_text, 1)
DEFINE_PLACE_N(CbCopyStringN, 0, const wchar_t *, from_text, sizeof(wchar_t))
DEFINE_PLACE_N(CchCatStringN, 1, const wchar_t *, from_text, 1)
DEFINE_PLACE_N(CbCatStringN, 1, const wchar_t *, from_text, sizeof(wchar_t))
DEFINE_PLACE_N(CchCopyN, 0, PCUNICODE_STRING, from_string, 1)
DEFINE_PLACE_N(CbCopyN, 0, PCUNICODE_STRING, from_string, sizeof(wchar_t))
DEFINE_PLACE_N(CchCatN, 1, PCUNICODE_STRING, from_string, 1)
DEFINE_PLACE_N(CbCatN, 1, PCUNICODE_STRING, from_string, sizeof(wchar_t))

CRT_API NTSTATUS RtlUnicodeStringVPrintfEx(PUNICODE_STRING target, PUNICODE_STRING remaining, ULONG flags,
                                           const wchar_t *format, va_list arguments)
{
    NTSTATUS status = RtlUnicodeStringValidateEx(target, flags);

    if (status != STATUS_SUCCESS)
        return status;
    if (!format && flags & STRSAFE_IGNORE_NULLS)
        format = L"";
    if (!format)
        return finish(target, STATUS_INVALID_PARAMETER, 0, remaining, flags);

    size_t units = target ? target->MaximumLength / sizeof(wchar_t) : 0;
    va_list measured;
    va_copy(measured, arguments);
    int length = uwskcrt_format_wide(NULL, 0, format, measured);
    va_end(measured);
    if (!(flags & STRSAFE_NO_TRUNCATION) || (length >= 0 && (size_t)length <= units))
        uwskcrt_format_wide(target ? target->Buffer : NULL, units, format, arguments);
    if (length < 0 || (size_t)length > units) {
        status = units ? STATUS_BUFFER_OVERFLOW : no_room(target, flags);
        length = (int)units;
    }
    return finish(target, status, (size_t)length, remaining, flags);
}

CRT_API NTSTATUS RtlUnicodeStringVPrintf(PUNICODE_STRING target, const wchar_t *format, va_list arguments)
{
    return RtlUnicodeStringVPrintfEx(target, NULL, 0, format, arguments);
}

CRT_API NTSTATUS RtlUnicodeStringPrintf(PUNICODE_STRING target, const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NTSTATUS status = RtlUnicodeStringVPrintfEx(target, NULL, 0, format, arguments);
    va_end(arguments);
    return status;
}

CRT_API NTSTATUS RtlUnicodeStringPrintfEx(PUNICODE_STRING target, PUNICODE_STRING remaining, ULONG flags,
                                          const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    NTSTATUS status = RtlUnicodeStringVPrintfEx(target, remaining, flags, format, arguments);
    va_end(arguments);
    return status;
}
