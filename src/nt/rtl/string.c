/*
 * string.c - counted strings: initialise, copy, compare, append, change case.
 *
 * All of them work at any IRQL on resident memory, except those that allocate (PASSIVE_LEVEL).
 */
#include "crt/crt.h"
#include "nt/ex/ex.h"
#include "nt/rtl/rtl.h"

#include <string.h>

#define MAX_BYTES 65534u      /* even: the most that MaximumLength may say */
#define TAG       0x67727453u /* "Strg" */

void rtl_init_unicode_string(PUNICODE_STRING target, PCWSTR text)
{
    size_t bytes = text ? wcslen(text) * sizeof(WCHAR) : 0;

    if (bytes > MAX_BYTES - sizeof(WCHAR))
        bytes = MAX_BYTES - sizeof(WCHAR); /* K-STR-02 */
    target->Length = (USHORT)bytes;
    target->MaximumLength = text ? (USHORT)(bytes + sizeof(WCHAR)) : 0;
    target->Buffer = (PWSTR)text;
}

BOOLEAN rtl_valid_unicode_string(PCUNICODE_STRING string)
{
    return string->Length <= string->MaximumLength && string->Length % sizeof(WCHAR) == 0 &&
           string->MaximumLength % sizeof(WCHAR) == 0 && (string->Buffer || !string->MaximumLength);
}

static void terminate_if_room(PUNICODE_STRING string)
{
    if (string->Length + sizeof(WCHAR) <= string->MaximumLength)
        string->Buffer[string->Length / sizeof(WCHAR)] = 0;
}

void rtl_copy_unicode_string(PUNICODE_STRING target, PCUNICODE_STRING source)
{
    USHORT bytes = source ? source->Length : 0;

    if (bytes > target->MaximumLength)
        bytes = target->MaximumLength & ~1u;
    if (bytes)
        memmove(target->Buffer, source->Buffer, bytes);
    target->Length = bytes;
    terminate_if_room(target);
}

LONG rtl_compare_unicode_string(PCUNICODE_STRING left, PCUNICODE_STRING right, BOOLEAN ignore_case)
{
    size_t left_units = left->Length / sizeof(WCHAR), right_units = right->Length / sizeof(WCHAR);
    size_t units = left_units < right_units ? left_units : right_units;

    for (size_t i = 0; i < units; i++) {
        WCHAR a = left->Buffer[i], b = right->Buffer[i];
        if (a != b && ignore_case) {
            a = uwskcrt_upcase(a);
            b = uwskcrt_upcase(b);
        }
        if (a != b)
            return (LONG)a - (LONG)b;
    }
    return (LONG)left_units - (LONG)right_units;
}

BOOLEAN rtl_equal_unicode_string(PCUNICODE_STRING left, PCUNICODE_STRING right, BOOLEAN ignore_case)
{
    return left->Length == right->Length && rtl_compare_unicode_string(left, right, ignore_case) == 0;
}

NTSTATUS rtl_append_units(PUNICODE_STRING target, const WCHAR *units, size_t bytes)
{
    if (bytes > (size_t)(target->MaximumLength - target->Length))
        return STATUS_BUFFER_TOO_SMALL;
    if (bytes)
        memmove((char *)target->Buffer + target->Length, units, bytes);
    target->Length = (USHORT)(target->Length + bytes);
    terminate_if_room(target);
    return STATUS_SUCCESS;
}

/* Writes the characters of source, mapped one by one; a target to be allocated is the caller's to free. */
static NTSTATUS map(PUNICODE_STRING target, PCUNICODE_STRING source, BOOLEAN allocate, WCHAR (*change)(WCHAR),
                    void *caller)
{
    if (allocate) {
        target->Buffer = ex_allocate_pool_for(POOL_FLAG_PAGED, source->Length, TAG, EX_POOL_PLAIN, caller);
        if (!target->Buffer)
            return STATUS_NO_MEMORY;
        target->MaximumLength = source->Length;
    } else if (source->Length > target->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    target->Length = source->Length;
    for (size_t i = 0; i < source->Length / sizeof(WCHAR); i++)
        target->Buffer[i] = change(source->Buffer[i]);
    return STATUS_SUCCESS;
}

/* ---- what drivers call -------------------------------------------------------------------------------- */

/* Any IRQL.  Page: RtlInitUnicodeString (wdm). */
VOID NTAPI RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
    rtl_init_unicode_string(DestinationString, SourceString);
}

/* Like RtlInitUnicodeString, but STATUS_NAME_TOO_LONG, with an empty target, for what it would cut. */
NTSTATUS NTAPI RtlInitUnicodeStringEx(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
    BOOLEAN fits =
        !SourceString || wcsnlen(SourceString, MAX_BYTES / sizeof(WCHAR)) < MAX_BYTES / sizeof(WCHAR);

    rtl_init_unicode_string(DestinationString, fits ? SourceString : NULL);
    return fits ? STATUS_SUCCESS : STATUS_NAME_TOO_LONG;
}

/* Any IRQL.  Text of more than 65534 bytes is cut.  Page: RtlInitAnsiString (wdm). */
VOID NTAPI RtlInitAnsiString(PANSI_STRING DestinationString, PCSZ SourceString)
{
    size_t bytes = SourceString ? strnlen(SourceString, MAX_BYTES) : 0;

    DestinationString->Length = (USHORT)bytes;
    DestinationString->MaximumLength = SourceString ? (USHORT)(bytes + 1) : 0;
    DestinationString->Buffer = (PCHAR)SourceString;
}

VOID NTAPI RtlInitString(PSTRING DestinationString, PCSZ SourceString)
{
    RtlInitAnsiString(DestinationString, SourceString);
}

/* Like RtlInitAnsiString, but STATUS_NAME_TOO_LONG, with an empty target, for what it would cut. */
NTSTATUS NTAPI RtlInitAnsiStringEx(PANSI_STRING DestinationString, PCSZ SourceString)
{
    BOOLEAN fits = !SourceString || strnlen(SourceString, MAX_BYTES + 1) <= MAX_BYTES;

    RtlInitAnsiString(DestinationString, fits ? SourceString : NULL);
    return fits ? STATUS_SUCCESS : STATUS_NAME_TOO_LONG;
}

/* Page: RtlInitStringEx (wdm). */
NTSTATUS NTAPI RtlInitStringEx(PSTRING DestinationString, PCSZ SourceString)
{
    return RtlInitAnsiStringEx(DestinationString, SourceString);
}

VOID NTAPI RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString)
{
    rtl_copy_unicode_string(DestinationString, SourceString);
}

/* Copies what fits; source NULL: empty. */
VOID NTAPI RtlCopyString(PSTRING DestinationString, const STRING *SourceString)
{
    USHORT bytes = SourceString ? SourceString->Length : 0;

    if (bytes > DestinationString->MaximumLength)
        bytes = DestinationString->MaximumLength;
    if (bytes)
        memmove(DestinationString->Buffer, SourceString->Buffer, bytes);
    DestinationString->Length = bytes;
}

LONG NTAPI RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                                   BOOLEAN CaseInSensitive)
{
    return rtl_compare_unicode_string(String1, String2, CaseInSensitive);
}

BOOLEAN NTAPI RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                                    BOOLEAN CaseInSensitive)
{
    return rtl_equal_unicode_string(String1, String2, CaseInSensitive);
}

/* Is String1 the beginning of String2? */
BOOLEAN NTAPI RtlPrefixUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                                     BOOLEAN CaseInSensitive)
{
    UNICODE_STRING head = {String1->Length, String1->Length, String2->Buffer};

    return String1->Length <= String2->Length && rtl_equal_unicode_string(String1, &head, CaseInSensitive);
}

/* Narrow strings compare as bytes, their ASCII letters as one case when asked. */
LONG NTAPI RtlCompareString(const STRING *String1, const STRING *String2, BOOLEAN CaseInSensitive)
{
    USHORT bytes = String1->Length < String2->Length ? String1->Length : String2->Length;

    for (USHORT i = 0; i < bytes; i++) {
        UCHAR a = (UCHAR)String1->Buffer[i], b = (UCHAR)String2->Buffer[i];
        if (CaseInSensitive) {
            a = a >= 'a' && a <= 'z' ? a - 32 : a;
            b = b >= 'a' && b <= 'z' ? b - 32 : b;
        }
        if (a != b)
            return (LONG)a - (LONG)b;
    }
    return (LONG)String1->Length - (LONG)String2->Length;
}

BOOLEAN NTAPI RtlEqualString(const STRING *String1, const STRING *String2, BOOLEAN CaseInSensitive)
{
    return String1->Length == String2->Length && RtlCompareString(String1, String2, CaseInSensitive) == 0;
}

/* Is String1 the beginning of String2? */
BOOLEAN NTAPI RtlPrefixString(const STRING *String1, const STRING *String2, BOOLEAN CaseInsensitive)
{
    STRING head = {String1->Length, String1->Length, String2->Buffer};

    return String1->Length <= String2->Length && RtlEqualString(String1, &head, CaseInsensitive);
}

/* STATUS_SUCCESS or STATUS_BUFFER_TOO_SMALL (nothing appended); Source NULL appends nothing. */
NTSTATUS NTAPI RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source)
{
    return rtl_append_units(Destination, Source, Source ? wcslen(Source) * sizeof(WCHAR) : 0);
}

NTSTATUS NTAPI RtlAppendUnicodeStringToString(PUNICODE_STRING Destination, PCUNICODE_STRING Source)
{
    return rtl_append_units(Destination, Source->Buffer, Source->Length);
}

WCHAR rtl_upcase_unicode_char(WCHAR unit)
{
    return uwskcrt_upcase(unit);
}

WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR SourceCharacter)
{
    return uwskcrt_upcase(SourceCharacter);
}

WCHAR NTAPI RtlDowncaseUnicodeChar(WCHAR SourceCharacter)
{
    return uwskcrt_downcase(SourceCharacter);
}

CHAR NTAPI RtlUpperChar(CHAR Character)
{
    return Character >= 'a' && Character <= 'z' ? (CHAR)(Character - 32) : Character;
}

/* Copies what fits, in upper case. */
VOID NTAPI RtlUpperString(PSTRING DestinationString, const STRING *SourceString)
{
    RtlCopyString(DestinationString, SourceString);
    for (USHORT i = 0; i < DestinationString->Length; i++)
        DestinationString->Buffer[i] = RtlUpperChar(DestinationString->Buffer[i]);
}

/* PASSIVE_LEVEL.  STATUS_SUCCESS, STATUS_BUFFER_OVERFLOW (target unchanged), STATUS_NO_MEMORY.  An allocated
 * buffer is freed with RtlFreeUnicodeString.  Page: RtlUpcaseUnicodeString (wdm). */
NTSTATUS NTAPI RtlUpcaseUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
    return map(DestinationString, SourceString, AllocateDestinationString, uwskcrt_upcase,
               __builtin_return_address(0));
}

NTSTATUS NTAPI RtlDowncaseUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString,
                                        BOOLEAN AllocateDestinationString)
{
    return map(DestinationString, SourceString, AllocateDestinationString, uwskcrt_downcase,
               __builtin_return_address(0));
}

/* 65599-hash (algorithm 1, also the default 0) of the string's characters, upper-cased when asked. */
NTSTATUS NTAPI RtlHashUnicodeString(PCUNICODE_STRING String, BOOLEAN CaseInSensitive, ULONG HashAlgorithm,
                                    PULONG HashValue)
{
    ULONG hash = 0;

    if (!String || !HashValue || HashAlgorithm > 1)
        return STATUS_INVALID_PARAMETER;
    for (size_t i = 0; i < String->Length / sizeof(WCHAR); i++)
        hash = hash * 65599u + (CaseInSensitive ? uwskcrt_upcase(String->Buffer[i]) : String->Buffer[i]);
    *HashValue = hash;
    return STATUS_SUCCESS;
}
