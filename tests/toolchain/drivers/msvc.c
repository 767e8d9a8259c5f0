/* msvc.c: what MSVC takes beside the standards; C and C++ (T-03, T-04). */
#include "check.h"

static_assert(sizeof(LONG) == 4, "a keyword, without a header");

struct unnamed {
    union {
        LONG Number;
        PVOID Pointer;
    } DUMMYUNIONNAME;
    struct {
        UCHAR Byte;
    } DUMMYSTRUCTNAME;
};

C_ASSERT(sizeof LIST_ENTRY == 16);
C_ASSERT(sizeof struct unnamed == 16);
C_ASSERT(sizeof LONG * 2 == 8);
C_ASSERT(0xFFui8 == 255 && 0x7Fi8 == 127 && sizeof 1ui16 == 2 && sizeof 1i16 == 2);
C_ASSERT(1ui32 == 1u && 1i32 == 1 && sizeof 1i32 == 4);
C_ASSERT(0x100000000ui64 == 0x100000000ull && sizeof 1i64 == 8 && 1UI64 << 40 == 0x10000000000ull);

C_ASSERT(STATUS_NDIS_ADAPTER_NOT_READY == (NTSTATUS)0xC0230011);

static LOOKASIDE_ALIGN LOOKASIDE_LIST_EX list;

VOID Release(_Frees_ptr_opt_ PVOID Memory);

FORCEINLINE LONG Forced(LONG x)
{
    return x < 1 ? 0 : 1 + Forced(x - 1);
}

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

#ifdef __cplusplus
#define AT(Type, pointer) ((Type *)(pointer))
extern "C"
#else
#define AT(Type, pointer) (pointer) /* C converts it by itself */
#endif
    NTSTATUS
    DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    struct {
        LONG low, high;
    } pair = {-1, 7};
    LONG64 wide = 0xFFFFFFFF;
    SHORT narrow[2] = {-1, 7};
    PVOID p = &pair, w = &wide, n = narrow;
    volatile void *v = &pair;
    const void *c = &pair;
    struct unnamed u;

    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;

    /* A void pointer is a LONG's, or what the name says: no neighbour changes. */
    CHECK(InterlockedIncrement(AT(LONG, p)) == 0 && pair.high == 7);
    CHECK(InterlockedDecrement(AT(volatile LONG, v)) == -1 && pair.high == 7);
    CHECK(InterlockedExchangeAdd(AT(LONG, p), 1) == -1 && pair.low == 0 && pair.high == 7);
    CHECK(InterlockedCompareExchange(AT(LONG, p), 5, 0) == 0 && pair.low == 5);
    CHECK(InterlockedOr(AT(LONG, p), 2) == 5 && InterlockedAnd(AT(LONG, p), 3) == 7);
    CHECK(ReadAcquire(AT(const LONG, c)) == 3 && ReadNoFence(AT(LONG, p)) == 3);
    WriteRelease(AT(LONG, p), 4);
    CHECK(InterlockedExchange(AT(LONG, p), 9) == 4 && pair.high == 7);
    CHECK(InterlockedIncrement64(AT(LONG64, w)) == 0x100000000);
    CHECK(ReadAcquire64(AT(LONG64, w)) == 0x100000000);
    CHECK(InterlockedAdd64(AT(LONG64, w), -1) == 0xFFFFFFFF);
    CHECK(InterlockedIncrement16(AT(SHORT, n)) == 0 && narrow[1] == 7);
    CHECK(ReadNoFence16(AT(SHORT, n)) == 0);

    u.Number = 1;
    u.Byte = 2;
    CHECK(u.Number == 1 && u.Byte == 2);
    CHECK(Forced(3) == 3);
    CHECK(((ULONG_PTR)&list & 63) == 0);
    ULONG index = 9;
    CHECK(BitScanForward(&index, 8) && index == 3 && BitTest(&index, 0));
    return CHECK_RESULT();
}
