/*
 * test_strsafe.c - ntstrsafe.h and ntintsafe.h (K-STR-04).
 *
 * Strategy: each function meets a target that is too small, exact, roomy, of size zero and NULL; guard bytes
 * behind the target must survive every call.
 */
#include "uwsk_test.h"

#include <wdm.h>

#include <ntintsafe.h>
#include <ntstrsafe.h>
#include <string.h>
#include <wchar.h>

#define GUARD 'z'

static char narrow[16];
static wchar_t wide[16];

/* Fills both buffers, so that a write too far is seen. */
static void reset(void)
{
    memset(narrow, GUARD, sizeof(narrow));
    for (size_t i = 0; i < 16; i++)
        wide[i] = GUARD;
}

static void check_narrow(int line, NTSTATUS status, NTSTATUS expected, const char *text, size_t units)
{
    uwsk_test_equal_status(__FILE__, line, "status", status, "expected", expected);
    uwsk_test_equal_string(__FILE__, line, "target", narrow, text);
    for (size_t i = units; i < sizeof(narrow); i++)
        uwsk_test_equal(__FILE__, line, "guard", narrow[i], "GUARD", GUARD);
}

static void check_wide(int line, NTSTATUS status, NTSTATUS expected, const wchar_t *text, size_t units)
{
    uwsk_test_equal_status(__FILE__, line, "status", status, "expected", expected);
    if (wcscmp(wide, text) != 0)
        uwsk_test_fail(__FILE__, line, "other text");
    for (size_t i = units; i < 16; i++)
        uwsk_test_equal(__FILE__, line, "guard", wide[i], "GUARD", GUARD);
}

/* A call on a target of `units` characters, and what it must leave there. */
#define NARROW(call, status, text, units) check_narrow(__LINE__, call, status, text, units)
#define WIDE(call, status, text, units)   check_wide(__LINE__, call, status, text, units)

TEST(strsafe_copy, "K-STR-04")
{
    reset();
    NARROW(RtlStringCchCopyA(narrow, 4, "abc"), STATUS_SUCCESS, "abc", 4);
    NARROW(RtlStringCchCopyA(narrow, 4, "abcd"), STATUS_BUFFER_OVERFLOW, "abc", 4);
    NARROW(RtlStringCchCopyA(narrow, 1, "abcd"), STATUS_BUFFER_OVERFLOW, "", 4);
    NARROW(RtlStringCbCopyA(narrow, 4, "xyz"), STATUS_SUCCESS, "xyz", 4);
    EXPECT_STATUS(RtlStringCchCopyA(narrow, 0, "a"), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchCopyA(narrow, (size_t)NTSTRSAFE_MAX_CCH + 1, "a"), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchCopyA(NULL, 4, "a"), STATUS_INVALID_PARAMETER);
    EXPECT_STR(narrow, "xyz");

    reset();
    WIDE(RtlStringCchCopyW(wide, 4, L"abcd"), STATUS_BUFFER_OVERFLOW, L"abc", 4);
    WIDE(RtlStringCbCopyW(wide, 9, L"abcd"), STATUS_BUFFER_OVERFLOW, L"abc",
         4); /* half a character is no room */
    WIDE(RtlStringCbCopyW(wide, 10, L"abcd"), STATUS_SUCCESS, L"abcd", 5);
    EXPECT_STATUS(RtlStringCbCopyW(wide, 1, L""), STATUS_INVALID_PARAMETER);

    reset();
    NARROW(RtlStringCchCopyNA(narrow, 4, "abcdef", 2), STATUS_SUCCESS, "ab", 3);
    NARROW(RtlStringCchCopyNA(narrow, 4, "abcdef", 4), STATUS_BUFFER_OVERFLOW, "abc", 4);
    NARROW(RtlStringCchCopyNA(narrow, 4, "a", 4), STATUS_SUCCESS, "a", 4);
    NARROW(RtlStringCchCopyNA(narrow, 4, "a", (size_t)-1), STATUS_INVALID_PARAMETER, "", 4);
    WIDE(RtlStringCbCopyNW(wide, 16, L"abcdef", 4), STATUS_SUCCESS, L"ab", 8);
    char unterminated[] = {'q', 'r'};
    NARROW(RtlStringCchCopyNA(narrow, 8, unterminated, 2), STATUS_SUCCESS, "qr", 8);
}

TEST(strsafe_append, "K-STR-04")
{
    reset();
    strcpy(narrow, "ab");
    NARROW(RtlStringCchCatA(narrow, 5, "cd"), STATUS_SUCCESS, "abcd", 5);
    NARROW(RtlStringCchCatA(narrow, 5, "e"), STATUS_BUFFER_OVERFLOW, "abcd", 5);
    NARROW(RtlStringCchCatA(narrow, 5, ""), STATUS_SUCCESS, "abcd", 5);
    NARROW(RtlStringCchCatA(narrow, 8, "efgh"), STATUS_BUFFER_OVERFLOW, "abcdefg", 8);
    NARROW(RtlStringCchCatNA(narrow, 12, "hijk", 2), STATUS_SUCCESS, "abcdefghi", 12);
    EXPECT_STATUS(RtlStringCchCatA(narrow, 3, "x"),
                  STATUS_INVALID_PARAMETER); /* no terminator within the size */
    EXPECT_STR(narrow, "abcdefghi");
    reset();
    wcscpy(wide, L"ab");
    WIDE(RtlStringCbCatW(wide, 10, L"cdef"), STATUS_BUFFER_OVERFLOW, L"abcd", 5);
    WIDE(RtlStringCbCatNW(wide, 16, L"efgh", 4), STATUS_SUCCESS, L"abcdef", 8);
}

TEST(strsafe_format, "K-STR-04 T-03")
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"name");

    reset();
    NARROW(RtlStringCchPrintfA(narrow, 8, "%s=%lu", "a", 5000000000ul), STATUS_BUFFER_OVERFLOW, "a=70503", 8);
    NARROW(RtlStringCbPrintfA(narrow, 4, "%03d", 7), STATUS_SUCCESS, "007", 8);
    EXPECT_STATUS(RtlStringCchPrintfA(narrow, 0, "x"), STATUS_INVALID_PARAMETER);
    WIDE(RtlStringCchPrintfW(wide, 8, L"%wZ%d", &name, 42), STATUS_SUCCESS, L"name42", 8);
    WIDE(RtlStringCbPrintfW(wide, 8, L"%s", L"name"), STATUS_BUFFER_OVERFLOW, L"nam", 8);
    WIDE(RtlStringCbPrintfW(wide, 8, L"%S", "abc"), STATUS_SUCCESS, L"abc", 8);
}

TEST(strsafe_length, "K-STR-04")
{
    size_t length = 99;

    EXPECT_STATUS(RtlStringCchLengthA("abc", 4, &length), STATUS_SUCCESS);
    EXPECT_EQ(length, 3);
    EXPECT_STATUS(RtlStringCchLengthA("abc", 3, &length), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(length, 0);
    EXPECT_STATUS(RtlStringCbLengthW(L"abc", 8, &length), STATUS_SUCCESS);
    EXPECT_EQ(length, 6);
    EXPECT_STATUS(RtlStringCbLengthW(L"abc", 7, &length), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchLengthW(NULL, 8, &length), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchLengthW(L"a", 8, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(RtlUnalignedStringCchLengthW(L"ab", 8, &length), STATUS_SUCCESS);
    EXPECT_EQ(length, 2);
}

TEST(strsafe_ex_reports_the_end, "K-STR-04")
{
    char *end;
    wchar_t *wide_end;
    size_t remaining;

    reset();
    NARROW(RtlStringCchCopyExA(narrow, 8, "abc", &end, &remaining, 0), STATUS_SUCCESS, "abc", 8);
    EXPECT(end == narrow + 3);
    EXPECT_EQ(remaining, 5);
    NARROW(RtlStringCchCatExA(narrow, 8, "defghi", &end, &remaining, 0), STATUS_BUFFER_OVERFLOW, "abcdefg",
           8);
    EXPECT(end == narrow + 7);
    EXPECT_EQ(remaining, 1);
    WIDE(RtlStringCbCopyExW(wide, 17, L"abc", &wide_end, &remaining, 0), STATUS_SUCCESS, L"abc", 8);
    EXPECT(wide_end == wide + 3);
    EXPECT_EQ(remaining, 11); /* bytes, the odd one included */
    WIDE(RtlStringCchPrintfExW(wide, 8, &wide_end, &remaining, 0, L"%d", 12), STATUS_SUCCESS, L"12", 8);
    EXPECT_EQ(remaining, 6);
    NARROW(RtlStringCbPrintfExA(narrow, 8, &end, &remaining, 0, "%d", 123456789), STATUS_BUFFER_OVERFLOW,
           "1234567", 8);
    EXPECT_EQ(remaining, 1);
    NARROW(RtlStringCchCopyNExA(narrow, 8, "abcdef", 2, &end, &remaining, 0), STATUS_SUCCESS, "ab", 8);
    EXPECT_EQ(remaining, 6);
    NARROW(RtlStringCchCatNExA(narrow, 8, "cdef", 1, &end, NULL, 0), STATUS_SUCCESS, "abc", 8);
    EXPECT(end == narrow + 3);
}

TEST(strsafe_ex_flags, "K-STR-04")
{
    char *end = narrow;
    size_t remaining = 99;

    reset();
    NARROW(RtlStringCchCopyExA(narrow, 8, "abc", NULL, NULL, STRSAFE_FILL_BYTE('#')), STATUS_SUCCESS, "abc",
           8);
    EXPECT(memcmp(narrow + 4, "####z", 5) == 0);
    NARROW(RtlStringCchCopyExA(narrow, 4, "abcdef", &end, &remaining, STRSAFE_NULL_ON_FAILURE),
           STATUS_BUFFER_OVERFLOW, "", 8);
    EXPECT(end == narrow && remaining == 4);
    NARROW(RtlStringCchCopyExA(narrow, 4, "abcdef", &end, &remaining, STRSAFE_FAILURE_BYTE('!')),
           STATUS_BUFFER_OVERFLOW, "!!!", 8);
    EXPECT(end == narrow + 3 && remaining == 1);
    NARROW(RtlStringCchCopyExA(narrow, 4, "abcdef", &end, &remaining, STRSAFE_NO_TRUNCATION),
           STATUS_BUFFER_OVERFLOW, "", 8);
    strcpy(narrow, "ab");
    NARROW(RtlStringCchCatExA(narrow, 4, "cdef", &end, &remaining, STRSAFE_NO_TRUNCATION),
           STATUS_BUFFER_OVERFLOW, "ab", 8);
    EXPECT(end == narrow + 2 && remaining == 2);
    NARROW(RtlStringCchCopyExA(narrow, 4, NULL, &end, &remaining, STRSAFE_IGNORE_NULLS), STATUS_SUCCESS, "",
           8);
    EXPECT_STATUS(RtlStringCchCopyExA(NULL, 0, NULL, &end, &remaining, STRSAFE_IGNORE_NULLS), STATUS_SUCCESS);
    EXPECT(end == NULL && remaining == 0);
    EXPECT_STATUS(RtlStringCchCopyExA(NULL, 0, "a", NULL, NULL, STRSAFE_IGNORE_NULLS),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchCopyExA(narrow, 0, "a", NULL, NULL, STRSAFE_IGNORE_NULLS),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_STATUS(RtlStringCchCopyExA(narrow, 4, "a", NULL, NULL, 0x2000), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchCopyExA(narrow, 4, NULL, NULL, NULL, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlStringCchPrintfExA(narrow, 4, NULL, NULL, STRSAFE_NO_TRUNCATION, "%d", 123456),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_STR(narrow, "");
    EXPECT_STATUS(RtlStringCchPrintfExA(narrow, 8, NULL, NULL, STRSAFE_FILL_BYTE(0), "%d", 12),
                  STATUS_SUCCESS);
    EXPECT(memcmp(narrow, "12\0\0\0\0\0\0z", 9) == 0);
}

static int holds(PCUNICODE_STRING string, const wchar_t *text)
{
    return string->Length == wcslen(text) * sizeof(WCHAR) &&
           memcmp(string->Buffer, text, string->Length) == 0;
}

TEST(strsafe_unicode_init_and_validate, "K-STR-01 K-STR-03 K-STR-04")
{
    static WCHAR longest[32770];
    UNICODE_STRING string;

    EXPECT_STATUS(RtlUnicodeStringInit(&string, L"abc"), STATUS_SUCCESS);
    EXPECT(string.Length == 6 && string.MaximumLength == 8);
    EXPECT_STATUS(RtlUnicodeStringInit(&string, NULL), STATUS_SUCCESS);
    EXPECT(string.Length == 0 && string.MaximumLength == 0 && string.Buffer == NULL);
    EXPECT_STATUS(RtlUnicodeStringInitEx(NULL, NULL, STRSAFE_IGNORE_NULLS), STATUS_SUCCESS);
    EXPECT_STATUS(RtlUnicodeStringInitEx(NULL, L"a", STRSAFE_IGNORE_NULLS), STATUS_INVALID_PARAMETER);
    wmemset(longest, 'a', 32768);
    EXPECT_STATUS(RtlUnicodeStringInit(&string, longest), STATUS_INVALID_PARAMETER);
    longest[32767] = 0;
    EXPECT_STATUS(RtlUnicodeStringInit(&string, longest), STATUS_SUCCESS);
    EXPECT(string.Length == 65534 && string.MaximumLength == 65534);

    static const struct {
        UNICODE_STRING string;
        NTSTATUS status;
    } cases[] = {{{4, 6, wide}, STATUS_SUCCESS},           {{0, 0, NULL}, STATUS_SUCCESS},
                 {{3, 6, wide}, STATUS_INVALID_PARAMETER}, {{4, 5, wide}, STATUS_INVALID_PARAMETER},
                 {{6, 4, wide}, STATUS_INVALID_PARAMETER}, {{0, 6, NULL}, STATUS_INVALID_PARAMETER}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        EXPECT_STATUS(RtlUnicodeStringValidate(&cases[i].string), cases[i].status);
    EXPECT_STATUS(RtlUnicodeStringValidate(NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(RtlUnicodeStringValidateEx(NULL, STRSAFE_IGNORE_NULLS), STATUS_SUCCESS);
}

TEST(strsafe_unicode_targets, "K-STR-01 K-STR-04")
{
    UNICODE_STRING target = {0, 8, wide}, source = RTL_CONSTANT_STRING(L"xyz"), rest, none = {0, 0, NULL};

    reset();
    EXPECT_STATUS(RtlUnicodeStringCopyString(&target, L"abcd"), STATUS_SUCCESS); /* no terminator is needed */
    EXPECT(holds(&target, L"abcd") && wide[4] == GUARD);
    EXPECT_STATUS(RtlUnicodeStringCopyString(&target, L"efghi"), STATUS_BUFFER_OVERFLOW);
    EXPECT(holds(&target, L"efgh") && wide[4] == GUARD);
    EXPECT_STATUS(RtlUnicodeStringCopy(&target, &source), STATUS_SUCCESS);
    EXPECT(holds(&target, L"xyz"));
    EXPECT_STATUS(RtlUnicodeStringCat(&target, &source), STATUS_BUFFER_OVERFLOW);
    EXPECT(holds(&target, L"xyzx"));
    EXPECT_STATUS(RtlUnicodeStringCchCopyN(&target, &source, 2), STATUS_SUCCESS);
    EXPECT(holds(&target, L"xy"));
    EXPECT_STATUS(RtlUnicodeStringCatString(&target, L"!"), STATUS_SUCCESS);
    EXPECT_STATUS(RtlUnicodeStringCbCatStringN(&target, L"?+", 2), STATUS_SUCCESS);
    EXPECT(holds(&target, L"xy!?"));
    EXPECT_STATUS(RtlUnicodeStringCbCopyStringN(&target, L"hello", 4), STATUS_SUCCESS);
    EXPECT(holds(&target, L"he"));
    EXPECT_STATUS(RtlUnicodeStringPrintf(&target, L"%d", 1234), STATUS_SUCCESS);
    EXPECT(holds(&target, L"1234") && wide[4] == GUARD);
    EXPECT_STATUS(RtlUnicodeStringPrintf(&target, L"%d", 12345), STATUS_BUFFER_OVERFLOW);
    EXPECT(holds(&target, L"1234") && wide[4] == GUARD);
    EXPECT_STATUS(RtlUnicodeStringCopyString(&none, L""), STATUS_SUCCESS);
    EXPECT_STATUS(RtlUnicodeStringCopyString(&none, L"a"), STATUS_BUFFER_OVERFLOW);
    EXPECT_STATUS(RtlUnicodeStringCopyString(NULL, L"a"), STATUS_INVALID_PARAMETER);

    EXPECT_STATUS(RtlUnicodeStringCopyStringEx(&target, L"ab", &rest, STRSAFE_FILL_BEHIND), STATUS_SUCCESS);
    EXPECT(holds(&target, L"ab") && wide[2] == 0 && wide[3] == 0 && wide[4] == GUARD);
    EXPECT(rest.Buffer == wide + 2 && rest.Length == 0 && rest.MaximumLength == 4);
    EXPECT_STATUS(RtlUnicodeStringCatStringEx(&target, L"cdefg", NULL, STRSAFE_NO_TRUNCATION),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT(holds(&target, L"ab") && wide[2] == 0);
    EXPECT_STATUS(RtlUnicodeStringPrintfEx(&target, NULL, STRSAFE_NO_TRUNCATION, L"%d", 12345),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT(holds(&target, L"ab"));
    EXPECT_STATUS(RtlUnicodeStringCopyStringEx(&target, L"12345", &rest, STRSAFE_ZERO_LENGTH_ON_FAILURE),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT(target.Length == 0 && rest.MaximumLength == 8);

    WIDE(RtlStringCchCopyUnicodeString(wide, 8, &source), STATUS_SUCCESS, L"xyz", 8);
    WIDE(RtlStringCbCopyUnicodeString(wide, 6, &source), STATUS_BUFFER_OVERFLOW, L"xy", 8);
    wchar_t *end;
    size_t remaining;
    WIDE(RtlStringCchCopyUnicodeStringEx(wide, 8, &source, &end, &remaining, 0), STATUS_SUCCESS, L"xyz", 8);
    EXPECT(end == wide + 3 && remaining == 5);
    source.Length = 3;
    WIDE(RtlStringCchCopyUnicodeString(wide, 8, &source), STATUS_INVALID_PARAMETER, L"", 8);
}

TEST(intsafe_arithmetic, "K-STR-04 T-03")
{
    ULONG ulong;
    LONG along;
    USHORT ushort;
    ULONGLONG ulonglong;
    SIZE_T size;
    INT8 small;
    LONGLONG longlong;

    EXPECT_STATUS(RtlULongAdd(0xfffffffe, 1, &ulong), STATUS_SUCCESS);
    EXPECT_EQ(ulong, 0xffffffffu);
    EXPECT_STATUS(RtlULongAdd(0xffffffff, 1, &ulong), STATUS_INTEGER_OVERFLOW);
    EXPECT_EQ(ulong, ULONG_ERROR);
    EXPECT_STATUS(RtlULongSub(1, 2, &ulong), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlULongSub(2, 1, &ulong), STATUS_SUCCESS);
    EXPECT_EQ(ulong, 1);
    EXPECT_STATUS(RtlULongMult(65536, 65535, &ulong), STATUS_SUCCESS);
    EXPECT_STATUS(RtlULongMult(65536, 65536, &ulong), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlUShortAdd(65535, 1, &ushort), STATUS_INTEGER_OVERFLOW);
    EXPECT_EQ(ushort, USHORT_ERROR);
    EXPECT_STATUS(RtlLongAdd(LONG_MAX, 1, &along), STATUS_INTEGER_OVERFLOW);
    EXPECT_EQ(along, -1);
    EXPECT_STATUS(RtlLongSub(LONG_MIN, 1, &along), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlULongLongAdd(~0ull, 1, &ulonglong), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlULongLongMult(1ull << 32, 1ull << 31, &ulonglong), STATUS_SUCCESS);
    EXPECT_EQ(ulonglong, 1ull << 63);
    EXPECT_STATUS(RtlLongLongMult(LONGLONG_MIN, -1, &longlong), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlSIZETAdd(~(SIZE_T)0, 1, &size), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlSizeTMult(1ull << 33, 1ull << 31, &size), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlInt8Add(127, 1, &small), STATUS_INTEGER_OVERFLOW);
}

TEST(intsafe_conversions, "K-STR-04 T-03")
{
    ULONG ulong;
    LONG along;
    USHORT ushort;
    UCHAR uchar;
    CHAR ch;
    SIZE_T size;

    EXPECT_STATUS(RtlSizeTToULong(0xffffffff, &ulong), STATUS_SUCCESS);
    EXPECT_EQ(ulong, 0xffffffffu);
    EXPECT_STATUS(RtlSizeTToULong(0x100000000, &ulong), STATUS_INTEGER_OVERFLOW);
    EXPECT_EQ(ulong, ULONG_ERROR);
    EXPECT_STATUS(RtlULongToUShort(65535, &ushort), STATUS_SUCCESS);
    EXPECT_STATUS(RtlULongToUShort(65536, &ushort), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlLongToULong(-1, &ulong), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlULongToLong(0x80000000, &along), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlLongLongToUChar(256, &uchar), STATUS_INTEGER_OVERFLOW);
    EXPECT_EQ(uchar, UCHAR_ERROR);
    EXPECT_STATUS(RtlIntToChar(200, &ch), STATUS_INTEGER_OVERFLOW);
    EXPECT_EQ(ch, CHAR_ERROR);
    EXPECT_STATUS(RtlLongLongToSIZET(-1, &size), STATUS_INTEGER_OVERFLOW);
    EXPECT_STATUS(RtlULongLongToSizeT(~0ull, &size), STATUS_SUCCESS);
}
