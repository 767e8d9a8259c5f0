/* runtime.c: the C run time that a kernel driver has, 16-bit characters, and names that must be free (T-02).
 */
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "check.h"

/* Drivers define these themselves. */
typedef long long ssize_t;
typedef int socklen_t;
typedef int pid_t;
struct timeval {
    int tv_sec, tv_usec;
};

static unsigned short htons(unsigned short v)
{
    return (unsigned short)(v << 8 | v >> 8);
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void narrow(void)
{
    char text[32];
    int numbers[5] = {5, 3, 1, 4, 2};

    CHECK(strlen("four") == 4);
    CHECK(strcmp("a", "b") < 0 && strncmp("abc", "abd", 2) == 0);
    CHECK(strchr("hello", 'l') != NULL && strrchr("hello", 'l')[1] == 'o' && strstr("hello", "ell") != NULL);
    memset(text, 'x', sizeof(text));
    memcpy(text, "copy", 5);
    CHECK(memcmp(text, "copy", 5) == 0 && text[5] == 'x');
    memmove(text + 1, text, 4);
    CHECK(strncmp(text, "ccopy", 5) == 0);
    strcpy(text, "one");
    strcat(text, "two");
    CHECK(strcmp(text, "onetwo") == 0);
    CHECK(_stricmp("ABC", "abc") == 0);
    CHECK(_snprintf(text, sizeof(text), "%d-%s", 7, "x") == 3 && strcmp(text, "7-x") == 0);
    qsort(numbers, 5, sizeof(numbers[0]), by_value);
    CHECK(numbers[0] == 1 && numbers[4] == 5);
    CHECK(atoi("42") == 42 && toupper('a') == 'A' && isdigit('7') && !isdigit('x'));
}

static void wide(void)
{
    WCHAR text[32];

    CHECK(sizeof(wchar_t) == 2 && sizeof(L"ab") == 6);
    CHECK(wcslen(L"four") == 4);
    CHECK(wcscmp(L"a", L"b") < 0);
    wcscpy(text, L"one");
    wcscat(text, L"two");
    CHECK(wcscmp(text, L"onetwo") == 0);
    CHECK(wcsstr(text, L"two") == text + 3 && wcschr(text, L'w') == text + 4);
    CHECK(_snwprintf(text, 32, L"%d-%s", 7, L"x") == 3 && wcscmp(text, L"7-x") == 0);
}

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    struct timeval tv = {1, 2};

    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    CHECK(sizeof(ssize_t) + sizeof(socklen_t) + sizeof(pid_t) == 16 && tv.tv_sec == 1);
    CHECK(htons(0x1234) == 0x3412);
    CHECK(INT_MAX == 2147483647 && LONG_MAX == INT_MAX && UCHAR_MAX == 255);
    CHECK(sizeof(int32_t) == 4 && sizeof(uint64_t) == 8 && sizeof(size_t) == 8);
    CHECK(offsetof(struct timeval, tv_usec) == 4);
    narrow();
    wide();
    return CHECK_RESULT();
}
