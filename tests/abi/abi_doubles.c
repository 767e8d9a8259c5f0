/* abi_doubles.c - doubles of the functions that the headers' inline code calls. */
#include "abi_doubles.h"

struct abi_seen abi_seen;
int uwsk_points_enabled;

static void *abi_return_to[5];

void uwsk_point(int kind, const volatile void *object)
{
    abi_seen.points++;
    abi_seen.point_kind = kind;
    abi_seen.object = object;
}

VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4)
{
    (void)BugCheckParameter2;
    (void)BugCheckParameter3;
    (void)BugCheckParameter4;
    abi_seen.bug_check = BugCheckCode;
    abi_seen.bug_check_parameter = BugCheckParameter1;
    __builtin_longjmp(abi_return_to, 1);
}

__attribute__((__noinline__)) BOOLEAN abi_bug_checks(void (*f)(void *), void *argument)
{
    if (__builtin_setjmp(abi_return_to) != 0)
        return TRUE;
    f(argument);
    return FALSE;
}

VOID RtlAssert(PVOID VoidFailedAssertion, PVOID VoidFileName, ULONG LineNumber, PSTR MutableMessage)
{
    (void)VoidFailedAssertion;
    (void)VoidFileName;
    (void)LineNumber;
    (void)MutableMessage;
    abi_seen.assertions++;
}

KIRQL KeGetCurrentIrql(VOID)
{
    return abi_seen.irql;
}

PVOID MmMapLockedPagesSpecifyCache(PMDLX MemoryDescriptorList, KPROCESSOR_MODE AccessMode,
                                   MEMORY_CACHING_TYPE CacheType, PVOID RequestedAddress,
                                   ULONG BugCheckOnFailure, ULONG Priority)
{
    (void)MemoryDescriptorList;
    (void)AccessMode;
    (void)CacheType;
    (void)RequestedAddress;
    (void)Priority;
    abi_seen.maps++;
    abi_seen.bug_check_on_failure = BugCheckOnFailure;
    return NULL;
}

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    (void)NumberOfBytes;
    (void)Tag;
    abi_seen.allocations++;
    abi_seen.pool_type = PoolType;
    return NULL;
}

/* One thread only: a plain list in the place of the atomic one. */
PSLIST_ENTRY ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry)
{
    PSLIST_ENTRY first = FirstEntrySList(ListHead);

    ListEntry->Next = first;
    ListHead->HeaderX64.NextEntry = (ULONG_PTR)ListEntry >> 4;
    ListHead->HeaderX64.Depth++;
    return first;
}

PSLIST_ENTRY ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead)
{
    PSLIST_ENTRY first = FirstEntrySList(ListHead);

    if (first != NULL) {
        ListHead->HeaderX64.NextEntry = (ULONG_PTR)first->Next >> 4;
        ListHead->HeaderX64.Depth--;
    }
    return first;
}

USHORT ExQueryDepthSList(PSLIST_HEADER ListHead)
{
    return (USHORT)ListHead->HeaderX64.Depth;
}
