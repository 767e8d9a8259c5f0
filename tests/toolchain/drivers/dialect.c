/* dialect.c: what MSVC takes and a driver's source therefore holds; valid C and C++ (T-04). */
#include "check.h"

#pragma warning(push)
#pragma warning(disable : 4100 4201)
#pragma prefast(disable : 28182, "not here")

#define POOL_TAG 'kswU'

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD DialectUnload;

#ifdef ALLOC_PRAGMA
#pragma alloc_text(INIT, DriverEntry)
#pragma alloc_text(PAGE, DialectUnload)
#endif

typedef struct _DIALECT {
    union {
        struct {
            ULONG Low;
            ULONG High;
        };
        ULONGLONG Whole;
    };
    UCHAR Data[ANYSIZE_ARRAY];
} DIALECT, *PDIALECT;

__declspec(align(64)) static ULONG Aligned;

static __declspec(noinline) _Must_inspect_result_ ULONG Sum(_In_ ULONG A, _In_opt_ PULONG B)
{
    return A + (B ? *B : 0);
}

FORCEINLINE ULONG Twice(ULONG A)
{
    return A * 2;
}

_Use_decl_annotations_ VOID DialectUnload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    PAGED_CODE();
}

#ifdef __cplusplus
extern "C"
#endif
    _Use_decl_annotations_ NTSTATUS
    DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    DIALECT d;
    unsigned __int64 wide = 0x100000002;

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = DialectUnload;
    d.Whole = wide;
    CHECK(d.Low == 2 && d.High == 1);
    CHECK(((ULONG_PTR)&Aligned & 63) == 0);
    CHECK(Sum(1, &d.Low) == 3 && Twice(4) == 8);
    CHECK(POOL_TAG == 0x6B737755);
    DbgPrint("trailing comma\n", );
    KdPrint(("double parentheses %d\n", 1));
    return CHECK_RESULT();
}

#pragma warning(pop)
