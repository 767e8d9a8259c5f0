/* headers.c: small things that drivers expect of headers, in C and in C++ (T-02). */
#include "check.h"
#include <dontuse.h>
#include <float.h>
#include <ntifs.h>
#include <suppress.h>
/* min and max: of windef.h in C++, unless NOMINMAX. */
#if defined(__cplusplus) && (defined(min) || defined(max))
#error ntddk.h leaves min and max to C++
#endif
#include <windef.h>
#if defined(NOMINMAX) && defined(__cplusplus)
static int min(int a, int b)
{
    return a < b ? a : b;
}
static int max(int a, int b)
{
    return a > b ? a : b;
}
#endif
C_ASSERT(MAX_PATH == 260);

/* Four alignments, one inside another, each ended. */
#include <pshpack8.h>
#include <pshpack4.h>
struct by4 {
    UCHAR First;
    ULONGLONG Second;
};
#include <pshpack1.h>
struct by1 {
    UCHAR First;
    ULONG Second;
};
#include <pshpack2.h>
struct by2 {
    UCHAR First;
    ULONG Second;
};
#include <poppack.h>
struct by1_again {
    UCHAR First;
    ULONG Second;
};
#include <poppack.h>
#include <poppack.h>
struct by8 {
    UCHAR First;
    ULONGLONG Second;
};
#include <poppack.h>
C_ASSERT(sizeof(struct by1) == 5 && sizeof(struct by1_again) == 5);
C_ASSERT(sizeof(struct by2) == 6 && sizeof(struct by4) == 12 && sizeof(struct by8) == 16);
#pragma prefast(suppress : __WARNING_FAILING_TO_RELEASE_MEMORY, "a name of suppress.h")

C_ASSERT(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53 && LDBL_MANT_DIG == 53);
C_ASSERT(FLT_DIG == 6 && DBL_DIG == 15 && FLT_MAX_EXP == 128 && DBL_MIN_10_EXP == -307);

static void limits(void)
{
    volatile float one = 1.0f;
    volatile double large = DBL_MAX, small = DBL_MIN;

    CHECK(one + FLT_EPSILON > one && one + FLT_EPSILON / 2 == one);
    CHECK(large * 2 > large && small > DBL_TRUE_MIN && DBL_TRUE_MIN / 2 == 0);
    CHECK((double)FLT_MAX < large && FLT_MIN > FLT_TRUE_MIN && LDBL_MAX == DBL_MAX);
    CHECK(FLT_MAX > 3.402823e38f && FLT_MAX < 3.402824e38 && DBL_EPSILON < 2.3e-16 && DBL_EPSILON > 2.2e-16);
}

static void flags(void)
{
    ULONG mask = 0x100;
    BOOLEAN on = BooleanFlagOn(mask, 0x100); /* no bit is lost in the narrow type */

    CHECK(on == TRUE && !BooleanFlagOn(mask, 0xff) && FlagOn(mask, 0x300) == 0x100);
    SetFlag(mask, 3);
    CHECK(mask == 0x103);
    ClearFlag(mask, 0x102);
    CHECK(mask == 1);
}

static void extremes(void)
{
    volatile int one = 1;

    CHECK(min(one, 2) == 1 && max(one, 2) == 2);
}

static void two_words(void)
{
    __declspec(align(16)) LONG64 target[2] = {1, -2};
    LONG64 comparand[2] = {1, 2};

    CHECK(InterlockedCompareExchange128(target, 4, 3, comparand) == 0);
    CHECK(target[0] == 1 && target[1] == -2 && comparand[0] == 1 && comparand[1] == -2);
    CHECK(InterlockedCompareExchange128(target, 4, -3, comparand) == 1);
    CHECK(target[0] == -3 && target[1] == 4 && comparand[0] == 1 && comparand[1] == -2);
    CHECK(_InterlockedCompareExchange128(target, 0, 0, comparand) == 0 && comparand[0] == -3);
}

#define TRACE    __noop
#define TRACE_() __noop
#define SILENT   __noop;

static void nothing(int x)
{
    int zero = 0;

    if (x)
        __noop;
    else
        TRACE("never %d", zero++);
    __noop;
    TRACE;
    TRACE();
    TRACE_();
    TRACE_()("never", zero++);
    SILENT __noop(zero++);
    x ? TRACE("never %d", zero++) : (void)0;
    CHECK(zero == 0);
}

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

#ifdef __cplusplus
extern "C"
#endif
    NTSTATUS
    DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    limits();
    flags();
    extremes();
    two_words();
    nothing(check_failures);
    nothing(1);
    return CHECK_RESULT();
}
