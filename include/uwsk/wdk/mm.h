/*
 * Mm: pages and memory descriptor lists (MDLs). An MDL is a header followed
 * by one page number per page; drivers look at Next and MdlFlags, the rest
 * goes through the macros below (K-MDL-01).
 */
#ifndef UWSK_WDK_MM_H
#define UWSK_WDK_MM_H

#include "uwsk/wdk/ke.h"

UWSK_BEGIN_C

#define PAGE_SHIFT           12L
#define PAGE_SIZE            0x1000
#define PAGE_ALIGN(Va)       ((PVOID)((ULONG_PTR)(Va) & ~((ULONG_PTR)PAGE_SIZE - 1)))
#define BYTE_OFFSET(Va)      ((ULONG)((ULONG_PTR)(Va) & (PAGE_SIZE - 1)))
#define BYTES_TO_PAGES(Size) (((Size) >> PAGE_SHIFT) + (((Size) & (PAGE_SIZE - 1)) != 0))
#define ROUND_TO_PAGES(Size) (((ULONG_PTR)(Size) + PAGE_SIZE - 1) & ~((ULONG_PTR)PAGE_SIZE - 1))
#define ADDRESS_AND_SIZE_TO_SPAN_PAGES(Va, Size)                                                             \
    ((ULONG)((((ULONG_PTR)(Va) & (PAGE_SIZE - 1)) + (SIZE_T)(Size) + (PAGE_SIZE - 1)) >> PAGE_SHIFT))
#define COMPUTE_PAGES_SPANNED(Va, Size) ADDRESS_AND_SIZE_TO_SPAN_PAGES(Va, Size)

struct _MDL {
    struct _MDL *Next;
    CSHORT Size;
    CSHORT MdlFlags;
    USHORT AllocationProcessorNumber;
    USHORT Reserved;
    struct _EPROCESS *Process;
    PVOID MappedSystemVa;
    PVOID StartVa;
    ULONG ByteCount;
    ULONG ByteOffset;
};

#define MDL_MAPPED_TO_SYSTEM_VA     0x0001
#define MDL_PAGES_LOCKED            0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004
#define MDL_ALLOCATED_FIXED_SIZE    0x0008
#define MDL_PARTIAL                 0x0010
#define MDL_PARTIAL_HAS_BEEN_MAPPED 0x0020
#define MDL_IO_PAGE_READ            0x0040
#define MDL_WRITE_OPERATION         0x0080
#define MDL_LOCKED_PAGE_TABLES      0x0100
#define MDL_PARENT_MAPPED_SYSTEM_VA MDL_LOCKED_PAGE_TABLES
#define MDL_FREE_EXTRA_PTES         0x0200
#define MDL_DESCRIBES_AWE           0x0400
#define MDL_IO_SPACE                0x0800
#define MDL_NETWORK_HEADER          0x1000
#define MDL_MAPPING_CAN_FAIL        0x2000
#define MDL_PAGE_CONTENTS_INVARIANT 0x4000
#define MDL_ALLOCATED_MUST_SUCCEED  MDL_PAGE_CONTENTS_INVARIANT
#define MDL_INTERNAL                0x8000
#define MDL_MAPPING_FLAGS                                                                                    \
    (MDL_MAPPED_TO_SYSTEM_VA | MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL |                              \
     MDL_PARTIAL_HAS_BEEN_MAPPED | MDL_PARENT_MAPPED_SYSTEM_VA | MDL_IO_SPACE)

typedef enum _LOCK_OPERATION { IoReadAccess, IoWriteAccess, IoModifyAccess } LOCK_OPERATION;

typedef enum _MEMORY_CACHING_TYPE {
    MmNonCached = FALSE,
    MmCached = TRUE,
    MmWriteCombined = 2,
    MmHardwareCoherentCached,
    MmNonCachedUnordered,
    MmUSWCCached,
    MmMaximumCacheType,
    MmNotMapped = -1
} MEMORY_CACHING_TYPE;

typedef enum _MM_PAGE_PRIORITY {
    LowPagePriority,
    NormalPagePriority = 16,
    HighPagePriority = 32
} MM_PAGE_PRIORITY;
#define MdlMappingNoWrite       0x80000000
#define MdlMappingNoExecute     0x40000000
#define MdlMappingWithGuardPtes 0x20000000

/* Bytes of an MDL that describes Length bytes from Base, page array included. Any IRQL. */
NTKERNELAPI SIZE_T NTAPI MmSizeOfMdl(_In_ PVOID Base, _In_ SIZE_T Length);
/* Makes an MDL over nonpaged pool usable; the system address is the buffer's own. */
NTKERNELAPI VOID NTAPI MmBuildMdlForNonPagedPool(_Inout_ PMDLX MemoryDescriptorList);
/*
 * Makes pages resident and locks them; raises STATUS_ACCESS_VIOLATION on a
 * bad range, so it stands in a __try. MmUnlockPages undoes it. IRQL <= APC_LEVEL
 * for pageable memory.
 */
NTKERNELAPI VOID NTAPI MmProbeAndLockPages(_Inout_ PMDLX MemoryDescriptorList,
                                           _In_ KPROCESSOR_MODE AccessMode, _In_ LOCK_OPERATION Operation);
NTKERNELAPI VOID NTAPI MmUnlockPages(_Inout_ PMDLX MemoryDescriptorList);
/* Maps locked pages; NULL on failure unless BugCheckOnFailure. Unmap with MmUnmapLockedPages. */
NTKERNELAPI PVOID NTAPI MmMapLockedPagesSpecifyCache(_In_ PMDLX MemoryDescriptorList,
                                                     _In_ KPROCESSOR_MODE AccessMode,
                                                     _In_ MEMORY_CACHING_TYPE CacheType,
                                                     _In_opt_ PVOID RequestedAddress,
                                                     _In_ ULONG BugCheckOnFailure, _In_ ULONG Priority);
NTKERNELAPI VOID NTAPI MmUnmapLockedPages(_In_ PVOID BaseAddress, _In_ PMDLX MemoryDescriptorList);

/* Raise STATUS_ACCESS_VIOLATION or STATUS_DATATYPE_MISALIGNMENT for a bad user range. */
NTKERNELAPI VOID NTAPI ProbeForRead(_In_ const volatile VOID *Address, _In_ SIZE_T Length,
                                    _In_ ULONG Alignment);
NTKERNELAPI VOID NTAPI ProbeForWrite(_Inout_ volatile VOID *Address, _In_ SIZE_T Length,
                                     _In_ ULONG Alignment);

/* Can the byte be read? Nothing keeps it so: for reports, not for decisions. IRQL <= DISPATCH_LEVEL. */
NTKERNELAPI BOOLEAN NTAPI MmIsAddressValid(_In_ PVOID VirtualAddress);

#define MmGetMdlByteCount(Mdl)      ((Mdl)->ByteCount)
#define MmGetMdlByteOffset(Mdl)     ((Mdl)->ByteOffset)
#define MmGetMdlBaseVa(Mdl)         ((Mdl)->StartVa)
#define MmGetMdlVirtualAddress(Mdl) ((PVOID)((PCHAR)((Mdl)->StartVa) + (Mdl)->ByteOffset))
#define MmGetMdlPfnArray(Mdl)       ((PPFN_NUMBER)((Mdl) + 1))
#define MmInitializeMdl(Mdl, BaseVa, Length)                                                                 \
    do {                                                                                                     \
        (Mdl)->Next = NULL;                                                                                  \
        (Mdl)->Size =                                                                                        \
            (CSHORT)(sizeof(MDL) + sizeof(PFN_NUMBER) * ADDRESS_AND_SIZE_TO_SPAN_PAGES((BaseVa), (Length))); \
        (Mdl)->MdlFlags = 0;                                                                                 \
        (Mdl)->StartVa = PAGE_ALIGN(BaseVa);                                                                 \
        (Mdl)->ByteOffset = BYTE_OFFSET(BaseVa);                                                             \
        (Mdl)->ByteCount = (ULONG)(Length);                                                                  \
    } while (0)
/* Readies a partial MDL for another IoBuildPartialMdl (K-MDL-12). */
#define MmPrepareMdlForReuse(Mdl)                                                                            \
    do {                                                                                                     \
        if (((Mdl)->MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED) != 0)                                            \
            MmUnmapLockedPages((Mdl)->MappedSystemVa, (Mdl));                                                \
    } while (0)

/*
 * System address of the buffer, byte offset included; the same on every call.
 * NULL if it cannot be mapped (the form without Safe bug checks instead).
 * IRQL <= DISPATCH_LEVEL.
 */
UWSK_INLINE PVOID MmGetSystemAddressForMdlSafe(_Inout_ PMDL Mdl, _In_ ULONG Priority)
{
    if ((Mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)) != 0)
        return Mdl->MappedSystemVa;
    return MmMapLockedPagesSpecifyCache(Mdl, KernelMode, MmCached, NULL, FALSE, Priority);
}
UWSK_INLINE PVOID uwsk_mdl_system_address(PMDL Mdl)
{
    if ((Mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)) != 0)
        return Mdl->MappedSystemVa;
    return MmMapLockedPagesSpecifyCache(Mdl, KernelMode, MmCached, NULL, TRUE, HighPagePriority);
}
#define MmGetSystemAddressForMdl(Mdl) uwsk_mdl_system_address(Mdl)
#define MmMapLockedPages(Mdl, Mode)                                                                          \
    MmMapLockedPagesSpecifyCache((Mdl), (Mode), MmCached, NULL, TRUE, HighPagePriority)

UWSK_END_C

#endif
