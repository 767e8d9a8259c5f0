/* crt_cpp.cpp - the C run time's headers in C++: overloads instead of macros, and arrays that know their
 * size. */
#include <ntddk.h>
#include <ntstrsafe.h>
#include <ntintsafe.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "uwsk_test.h"

static_assert(sizeof(wchar_t) == 2, "16-bit characters"); // K-STR-05

TEST(crt_headers_in_cpp, "T-02 T-04 K-STR-05")
{
    char narrow[4];
    wchar_t wide[8];
    nullptr_t nothing = nullptr;

    EXPECT(nothing == nullptr);
    EXPECT_EQ(strcpy_s(narrow, "abc"), 0);
    EXPECT_EQ(strcpy_s(narrow, "abcd"), ERANGE);
    EXPECT_EQ(wcscpy_s(wide, L"abc"), 0);
    EXPECT_EQ(wcscat_s(wide, L"def"), 0);
    EXPECT_EQ(wcslen(wide), 6);
    EXPECT_EQ(swprintf(wide, L"%d", 42), 2);
    EXPECT_EQ(swprintf(wide, 8, L"%s", L"far too long"), -1);
    EXPECT_EQ(swprintf_s(wide, L"%d", 7), 1);
    EXPECT_EQ(sprintf_s(narrow, "%d", 1234), -1);
    EXPECT(strchr("abc", 'b') != NULL);
    EXPECT(towupper(L'a') == L'A' && isdigit('7'));

    ULONG sum;
    EXPECT_STATUS(RtlULongAdd(1, 2, &sum), STATUS_SUCCESS);
    EXPECT_EQ(sum, 3);
    EXPECT_STATUS(RtlStringCchCopyW(wide, _countof(wide), L"0123456789"), STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(wcslen(wide), 7);
}
