/*
 * guid.c - GUIDs to text and back: {00000000-0000-0000-0000-000000000000}.
 */
#include "nt/ex/ex.h"
#include "nt/rtl/rtl.h"

#include <ntstrsafe.h>

#define TEXT_UNITS 38
#define TAG        0x67727453u /* "Strg" */

/* Upper-case digits in a buffer that the caller frees with RtlFreeUnicodeString.  STATUS_SUCCESS or
 * STATUS_NO_MEMORY. PASSIVE_LEVEL.  Page: RtlStringFromGUID (wdm). */
NTSTATUS NTAPI RtlStringFromGUID(REFGUID Guid, PUNICODE_STRING GuidString)
{
    const UCHAR *tail = Guid->Data4;
    PWSTR buffer = ex_allocate_pool_for(POOL_FLAG_PAGED, (TEXT_UNITS + 1) * sizeof(WCHAR), TAG, EX_POOL_PLAIN,
                                        __builtin_return_address(0));

    if (!buffer)
        return STATUS_NO_MEMORY;
    RtlStringCchPrintfW(buffer, TEXT_UNITS + 1, L"{%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}",
                        Guid->Data1, Guid->Data2, Guid->Data3, tail[0], tail[1], tail[2], tail[3], tail[4],
                        tail[5], tail[6], tail[7]);
    GuidString->Buffer = buffer;
    GuidString->Length = TEXT_UNITS * sizeof(WCHAR);
    GuidString->MaximumLength = (TEXT_UNITS + 1) * sizeof(WCHAR);
    return STATUS_SUCCESS;
}

/* Reads `digits` hexadecimal digits at *text; FALSE when one is something else. */
static BOOLEAN read_hex(const WCHAR **text, int digits, ULONG *value)
{
    *value = 0;
    for (; digits; digits--, (*text)++) {
        WCHAR unit = **text;
        if (unit >= '0' && unit <= '9')
            *value = *value << 4 | (ULONG)(unit - '0');
        else if ((unit | 0x20) >= 'a' && (unit | 0x20) <= 'f')
            *value = *value << 4 | (ULONG)((unit | 0x20) - 'a' + 10);
        else
            return FALSE;
    }
    return TRUE;
}

/* STATUS_SUCCESS, or STATUS_INVALID_PARAMETER with *Guid unchanged.  PASSIVE_LEVEL.  Page: RtlGUIDFromString
 * (wdm). */
NTSTATUS NTAPI RtlGUIDFromString(PCUNICODE_STRING GuidString, GUID *Guid)
{
    static const char pattern[] = "{8-4-4-22-222222}"; /* digits of each field */
    const WCHAR *text = GuidString->Buffer;
    ULONG field[11];
    size_t fields = 0;

    if (GuidString->Length != TEXT_UNITS * sizeof(WCHAR))
        return STATUS_INVALID_PARAMETER;
    for (const char *at = pattern; *at; at++) {
        if (*at >= '0' && *at <= '9') {
            if (!read_hex(&text, *at - '0', &field[fields++]))
                return STATUS_INVALID_PARAMETER;
        } else if (*text++ != (WCHAR)*at) {
            return STATUS_INVALID_PARAMETER;
        }
    }
    Guid->Data1 = field[0];
    Guid->Data2 = (USHORT)field[1];
    Guid->Data3 = (USHORT)field[2];
    for (size_t i = 0; i < 8; i++)
        Guid->Data4[i] = (UCHAR)field[3 + i];
    return STATUS_SUCCESS;
}
