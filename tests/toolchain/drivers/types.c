/* types.c: sizes, interlocked operations on both spellings of a long, what DbgPrint means, macros that are
 * tested. */
#include "check.h"

#ifndef InterlockedExchangePointer
#error InterlockedExchangePointer is a macro where drivers look for it (T-06)
#endif
#ifndef InterlockedIncrementRelease
#error InterlockedIncrementRelease (T-06)
#endif
#ifndef InterlockedCompareExchangePointer
#error InterlockedCompareExchangePointer (T-06)
#endif

C_ASSERT(sizeof(LONG) == 4 && sizeof(ULONG) == 4 && sizeof(DWORD) == 4);
C_ASSERT(sizeof(LONGLONG) == 8 && sizeof(ULONG_PTR) == 8 && sizeof(SIZE_T) == 8 && sizeof(HANDLE) == 8);
C_ASSERT(sizeof(WCHAR) == 2 && sizeof(BOOLEAN) == 1 && sizeof(KIRQL) == 1 && sizeof(NTSTATUS) == 4);

/* Bit-fields and padding are MSVC's. */
struct bits {
    UCHAR a : 4;
    ULONG b : 4;
    UCHAR c : 4;
};
C_ASSERT(sizeof(struct bits) == 12);

static volatile LONG counter;
static volatile long windows_spelling;
static PVOID slot;

static void interlocked(void)
{
    CHECK(InterlockedIncrement(&counter) == 1);
    CHECK(InterlockedExchangeAdd(&counter, 5) == 1);
    CHECK(InterlockedCompareExchange(&counter, 9, 6) == 6 && counter == 9);
    CHECK(InterlockedDecrement(&counter) == 8);
    CHECK(InterlockedIncrement(&windows_spelling) == 1);
    CHECK(InterlockedExchange(&windows_spelling, 7) == 1 && windows_spelling == 7);
    CHECK(InterlockedExchangePointer(&slot, &counter) == NULL && slot == (PVOID)&counter);
}

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNICODE_STRING counted = RTL_CONSTANT_STRING(L"counted");
    ANSI_STRING ansi = RTL_CONSTANT_STRING("counted");
    ULONG big = 0xFFFFFFFFu;
    LONG negative = -2;
    SIZE_T size = (SIZE_T)-1;

    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    interlocked();
    DbgPrint("printed: %lu %ld %I64d %Iu %Id %wZ %Z %ws %ls %S %hs\n", big, negative, 123456789012LL, size,
             (LONG_PTR)-5, &counted, &ansi, L"wide", L"wide", L"wide", "narrow");
    return CHECK_RESULT();
}
