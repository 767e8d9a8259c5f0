/*
 * convert.c - narrow strings to wide ones and back.  The ANSI code page is UTF-8 (src/crt/utf.h).
 */
#include "crt/utf.h"
#include "nt/ex/ex.h"
#include "nt/rtl/rtl.h"

#include <string.h>

#define TAG 0x67727453u /* "Strg" */

struct rtl_conversion rtl_utf16_to_utf8(char *target, size_t bytes, const WCHAR *source, size_t units)
{
    struct rtl_conversion result = {0, 0, FALSE};

    for (size_t at = 0, taken; at < units; at += taken) {
        char character[4];
        uint32_t code;
        taken = utf16_read(source + at, units - at, &code);
        if (code == UTF_REPLACEMENT && source[at] != UTF_REPLACEMENT)
            result.replaced = TRUE;
        size_t length = utf8_write(character, code);
        if (result.needed == result.written &&
            result.written + length <= bytes) { /* nothing behind the first gap */
            memcpy(target + result.written, character, length);
            result.written += length;
        }
        result.needed += length;
    }
    return result;
}

struct rtl_conversion rtl_utf8_to_utf16(WCHAR *target, size_t units, const char *source, size_t bytes)
{
    struct rtl_conversion result = {0, 0, FALSE};

    for (size_t at = 0, taken; at < bytes; at += taken) {
        WCHAR character[2];
        uint32_t code;
        taken = utf8_read(source + at, bytes - at, &code);
        if (code == UTF_REPLACEMENT && taken == 1)
            result.replaced = TRUE;
        size_t length = utf16_write(character, code);
        if (result.needed == result.written && result.written + length <= units) {
            memcpy(target + result.written, character, length * sizeof(WCHAR));
            result.written += length;
        }
        result.needed += length;
    }
    return result;
}

/* ---- what drivers call: all at PASSIVE_LEVEL ---------------------------------------------------------- */

/* Bytes that the converted string takes, with its terminator. */
ULONG NTAPI RtlxUnicodeStringToAnsiSize(PCUNICODE_STRING UnicodeString)
{
    return (ULONG)rtl_utf16_to_utf8(NULL, 0, UnicodeString->Buffer, UnicodeString->Length / sizeof(WCHAR))
               .needed +
           1;
}

ULONG NTAPI RtlxAnsiStringToUnicodeSize(PCANSI_STRING AnsiString)
{
    return (ULONG)((rtl_utf8_to_utf16(NULL, 0, AnsiString->Buffer, AnsiString->Length).needed + 1) *
                   sizeof(WCHAR));
}

/*
 * STATUS_SUCCESS; STATUS_INVALID_PARAMETER_2, longer than a UNICODE_STRING can be; STATUS_NO_MEMORY;
 * STATUS_BUFFER_OVERFLOW, no room for text and terminator (target unchanged).  An allocated buffer is freed
 * with RtlFreeUnicodeString.  Page: RtlAnsiStringToUnicodeString (wdm).
 */
NTSTATUS NTAPI RtlAnsiStringToUnicodeString(PUNICODE_STRING DestinationString, PCANSI_STRING SourceString,
                                            BOOLEAN AllocateDestinationString)
{
    ULONG bytes = RtlxAnsiStringToUnicodeSize(SourceString);

    if (bytes > 0xfffe)
        return STATUS_INVALID_PARAMETER_2;
    if (AllocateDestinationString) {
        DestinationString->Buffer =
            ex_allocate_pool_for(POOL_FLAG_PAGED, bytes, TAG, EX_POOL_PLAIN, __builtin_return_address(0));
        if (!DestinationString->Buffer)
            return STATUS_NO_MEMORY;
        DestinationString->MaximumLength = (USHORT)bytes;
    } else if (bytes > DestinationString->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    DestinationString->Length = (USHORT)(bytes - sizeof(WCHAR));
    rtl_utf8_to_utf16(DestinationString->Buffer, DestinationString->Length / sizeof(WCHAR),
                      SourceString->Buffer, SourceString->Length);
    DestinationString->Buffer[DestinationString->Length / sizeof(WCHAR)] = 0;
    return STATUS_SUCCESS;
}

/*
 * As above; on STATUS_BUFFER_OVERFLOW the target holds the whole characters that fit, terminated, if it has
 * any room. Page: RtlUnicodeStringToAnsiString (wdm).
 */
NTSTATUS NTAPI RtlUnicodeStringToAnsiString(PANSI_STRING DestinationString, PCUNICODE_STRING SourceString,
                                            BOOLEAN AllocateDestinationString)
{
    ULONG bytes = RtlxUnicodeStringToAnsiSize(SourceString);

    if (AllocateDestinationString) {
        if (bytes > 0xffff)
            return STATUS_INVALID_PARAMETER_2;
        DestinationString->Buffer =
            ex_allocate_pool_for(POOL_FLAG_PAGED, bytes, TAG, EX_POOL_PLAIN, __builtin_return_address(0));
        if (!DestinationString->Buffer)
            return STATUS_NO_MEMORY;
        DestinationString->MaximumLength = (USHORT)bytes;
    }
    if (!DestinationString->MaximumLength)
        return STATUS_BUFFER_OVERFLOW;
    DestinationString->Length =
        (USHORT)rtl_utf16_to_utf8(DestinationString->Buffer, DestinationString->MaximumLength - 1u,
                                  SourceString->Buffer, SourceString->Length / sizeof(WCHAR))
            .written;
    DestinationString->Buffer[DestinationString->Length] = 0;
    return bytes > DestinationString->MaximumLength ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* Frees a buffer that a conversion allocated and empties the string; an empty string is left alone. */
VOID NTAPI RtlFreeUnicodeString(PUNICODE_STRING UnicodeString)
{
    if (UnicodeString->Buffer)
        ex_free_pool(UnicodeString->Buffer);
    UnicodeString->Buffer = NULL;
    UnicodeString->Length = UnicodeString->MaximumLength = 0;
}

VOID NTAPI RtlFreeAnsiString(PANSI_STRING AnsiString)
{
    if (AnsiString->Buffer)
        ex_free_pool(AnsiString->Buffer);
    AnsiString->Buffer = NULL;
    AnsiString->Length = AnsiString->MaximumLength = 0;
}

/* What a conversion into a target (or, without one, the question for its size) answers. */
static NTSTATUS outcome(const struct rtl_conversion *result, const void *target, ULONG unit_bytes,
                        PULONG actual)
{
    if (actual)
        *actual = (ULONG)(target ? result->written : result->needed) * unit_bytes;
    if (target && result->written < result->needed)
        return STATUS_BUFFER_TOO_SMALL;
    return result->replaced ? STATUS_SOME_NOT_MAPPED : STATUS_SUCCESS;
}

/*
 * Converts without terminating; *Actual are the bytes written, or needed when the target is NULL.
 * STATUS_SUCCESS; STATUS_SOME_NOT_MAPPED, something became U+FFFD; STATUS_BUFFER_TOO_SMALL, cut at a whole
 * character; STATUS_INVALID_PARAMETER, neither target nor *Actual; STATUS_INVALID_PARAMETER_4, no source.
 * Page: RtlUnicodeToUTF8N (ntifs).
 */
NTSTATUS NTAPI RtlUnicodeToUTF8N(PCHAR UTF8StringDestination, ULONG UTF8StringMaxByteCount,
                                 PULONG UTF8StringActualByteCount, PCWCH UnicodeStringSource,
                                 ULONG UnicodeStringByteCount)
{
    if (!UnicodeStringSource)
        return STATUS_INVALID_PARAMETER_4;
    if (!UTF8StringDestination && !UTF8StringActualByteCount)
        return STATUS_INVALID_PARAMETER;
    struct rtl_conversion result =
        rtl_utf16_to_utf8(UTF8StringDestination, UTF8StringDestination ? UTF8StringMaxByteCount : 0,
                          UnicodeStringSource, UnicodeStringByteCount / sizeof(WCHAR));
    return outcome(&result, UTF8StringDestination, 1, UTF8StringActualByteCount);
}

NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR UnicodeStringDestination, ULONG UnicodeStringMaxByteCount,
                                 PULONG UnicodeStringActualByteCount, PCCH UTF8StringSource,
                                 ULONG UTF8StringByteCount)
{
    if (!UTF8StringSource)
        return STATUS_INVALID_PARAMETER_4;
    if (!UnicodeStringDestination && !UnicodeStringActualByteCount)
        return STATUS_INVALID_PARAMETER;
    struct rtl_conversion result = rtl_utf8_to_utf16(
        UnicodeStringDestination, UnicodeStringDestination ? UnicodeStringMaxByteCount / sizeof(WCHAR) : 0,
        UTF8StringSource, UTF8StringByteCount);
    return outcome(&result, UnicodeStringDestination, sizeof(WCHAR), UnicodeStringActualByteCount);
}
