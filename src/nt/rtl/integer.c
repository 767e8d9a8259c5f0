/*
 * integer.c - integers to counted strings and back, and pseudo-random ones.
 */
#include "nt/rtl/rtl.h"

/* Bases: 0 means 10 on output; on input it asks for the prefix 0x, 0o or 0b, and without one means 10. */
static BOOLEAN valid_base(ULONG base)
{
    return base == 2 || base == 8 || base == 10 || base == 16;
}

static NTSTATUS print(ULONGLONG value, ULONG base, PUNICODE_STRING string)
{
    WCHAR digits[64];
    size_t count = 0;

    if (base == 0)
        base = 10;
    if (!valid_base(base))
        return STATUS_INVALID_PARAMETER;
    do
        digits[count++] = (WCHAR) "0123456789ABCDEF"[value % base];
    while (value /= base);
    if (count * sizeof(WCHAR) > string->MaximumLength)
        return STATUS_BUFFER_OVERFLOW;
    string->Length = (USHORT)(count * sizeof(WCHAR));
    for (size_t i = 0; i < count; i++)
        string->Buffer[i] = digits[count - 1 - i];
    if (string->Length + sizeof(WCHAR) <= string->MaximumLength)
        string->Buffer[count] = 0;
    return STATUS_SUCCESS;
}

/* Reads space, sign, prefix and digits, and stops at whatever comes behind; no digits are the number 0, and a
 * number that is too large loses its upper bits.  unit(text, i) is 0 behind the end. */
static NTSTATUS parse(WCHAR (*unit)(const void *text, size_t at), const void *text, ULONG base, PULONG value)
{
    size_t at = 0;
    BOOLEAN negative = FALSE;
    ULONG number = 0;

    while (unit(text, at) && unit(text, at) <= ' ')
        at++;
    if (unit(text, at) == '+' || unit(text, at) == '-')
        negative = unit(text, at++) == '-';
    if (base == 0) {
        base = 10;
        if (unit(text, at) == '0') {
            WCHAR letter = unit(text, at + 1);
            base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
            if (base != 10)
                at += 2;
        }
    } else if (!valid_base(base)) {
        return STATUS_INVALID_PARAMETER;
    }
    for (;; at++) {
        WCHAR letter = unit(text, at);
        ULONG digit = letter >= '0' && letter <= '9'   ? letter - '0' + 0u
                      : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10u
                      : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10u
                                                       : 99;
        if (digit >= base)
            break;
        number = number * base + digit;
    }
    *value = negative ? 0 - number : number;
    return STATUS_SUCCESS;
}

static WCHAR wide_unit(const void *text, size_t at)
{
    PCUNICODE_STRING string = text;

    return at < string->Length / sizeof(WCHAR) ? string->Buffer[at] : 0;
}

static WCHAR narrow_unit(const void *text, size_t at)
{
    return ((const UCHAR *)text)[at];
}

/* ---- what drivers call -------------------------------------------------------------------------------- */

/* Upper-case digits, terminated when there is room.  STATUS_SUCCESS, STATUS_BUFFER_OVERFLOW (unchanged),
 * STATUS_INVALID_PARAMETER (base).  PASSIVE_LEVEL.  Page: RtlIntegerToUnicodeString (wdm). */
NTSTATUS NTAPI RtlIntegerToUnicodeString(ULONG Value, ULONG Base, PUNICODE_STRING String)
{
    return print(Value, Base, String);
}

NTSTATUS NTAPI RtlInt64ToUnicodeString(ULONGLONG Value, ULONG Base, PUNICODE_STRING String)
{
    return print(Value, Base, String);
}

/* Page: RtlUnicodeStringToInteger (wdm). */
NTSTATUS NTAPI RtlUnicodeStringToInteger(PCUNICODE_STRING String, ULONG Base, PULONG Value)
{
    return parse(wide_unit, String, Base, Value);
}

NTSTATUS NTAPI RtlCharToInteger(PCSZ String, ULONG Base, PULONG Value)
{
    return parse(narrow_unit, String, Base, Value);
}

/* The next number of the seed's sequence, from 0 to 0x7ffffffe; the seed becomes it.  Any IRQL; not for
 * secrets. Page: RtlRandomEx (ntddk). */
ULONG NTAPI RtlRandomEx(PULONG Seed)
{
    *Seed = (ULONG)(((ULONGLONG)*Seed * 0x7fffffed + 0x7fffffc3) % 0x7fffffff);
    return *Seed;
}
