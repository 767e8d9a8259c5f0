/*
 * mdl.c - memory descriptor lists: allocation, building, locking, mapping.
 *
 * Which flag means what:
 *   MDL_SOURCE_IS_NONPAGED_POOL   built over non-paged memory: nothing to lock, the system address is the
 * buffer's own MDL_PAGES_LOCKED              between MmProbeAndLockPages and MmUnlockPages (D-24)
 *   MDL_MAPPED_TO_SYSTEM_VA       MappedSystemVa is valid
 *   MDL_PARTIAL                   built from another MDL; _HAS_BEEN_MAPPED: has a mapping of its own
 */
#include "nt/mm/mm.h"
#include "nt/ex/ex.h"
#include "nt/ke/ke.h"
#include "nt/ke/seh.h"
#include "host/host.h"

#define MDL_TAG 0x206C644Du /* "Mdl " */

static PVOID start_of(PMDL mdl)
{
    return (PUCHAR)mdl->StartVa + mdl->ByteOffset;
}

/* Page numbers, for those who look: of the one address space there is. */
static void fill_pages(PMDL mdl)
{
    PPFN_NUMBER pages = MmGetMdlPfnArray(mdl);
    ULONG count = ADDRESS_AND_SIZE_TO_SPAN_PAGES(start_of(mdl), mdl->ByteCount);

    for (ULONG i = 0; i < count; i++)
        pages[i] = ((ULONG_PTR)mdl->StartVa >> PAGE_SHIFT) + i;
}

PMDL mm_allocate_mdl(PVOID address, ULONG length, BOOLEAN secondary, PIRP irp, void *caller)
{
    SIZE_T bytes = MmSizeOfMdl(address, length);
    PMDL mdl;

    mdl = ex_allocate_pool_for(POOL_FLAG_NON_PAGED, bytes, MDL_TAG, EX_POOL_MDL, caller);
    if (!mdl)
        return NULL;
    MmInitializeMdl(mdl, address, length);
    if (irp) { /* K-MDL-02 */
        PMDL *end = &irp->MdlAddress;

        while (secondary && *end)
            end = &(*end)->Next;
        *end = mdl;
    }
    return mdl;
}

PMDL mm_allocate_mdl_non_paged(PVOID address, ULONG length, void *caller)
{
    PMDL mdl = mm_allocate_mdl(address, length, FALSE, NULL, caller);

    if (mdl)
        mm_build_mdl_for_non_paged_pool(mdl);
    return mdl;
}

void mm_build_mdl_for_non_paged_pool(PMDL mdl)
{
    if (mdl->MdlFlags & MDL_PAGES_LOCKED)
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x7C, mdl, (USHORT)mdl->MdlFlags, 0);
    mdl->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
    mdl->MappedSystemVa = start_of(mdl); /* K-MDL-04 */
    mdl->Process = NULL;
    fill_pages(mdl);
}

/* A partial MDL's mapping is the buffer's own, nothing is to be undone; and whether this is an MDL at all only the pool
 * knows, so nothing of it is read or written before (K-MDL-13). */
void mm_free_mdl(PMDL mdl)
{
    ex_free_pool_from(mdl, 0, EX_POOL_MDL, __builtin_return_address(0));
}

/* Room for the page array?  Size is 16 bits wide and so wrong from 16 MiB on; then the pool knows. */
static BOOLEAN has_room(PMDL mdl, SIZE_T bytes)
{
    struct ex_pool_block block;

    return (SIZE_T)(USHORT)mdl->Size >= bytes ||
           (ex_pool_query(mdl, &block) && block.address == mdl && block.bytes >= bytes);
}

void mm_build_partial_mdl(PMDL source, PMDL target, PVOID address, ULONG length)
{
    ULONG offset = (ULONG)((PUCHAR)address - (PUCHAR)start_of(source));
    ULONG rest = source->ByteCount - offset;
    CSHORT shared = source->MdlFlags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA | MDL_IO_SPACE);

    /* Outside the source, or over a mapping that MmPrepareMdlForReuse has to drop first (K-MDL-12). */
    KE_ASSERT((PUCHAR)address >= (PUCHAR)start_of(source) && offset <= source->ByteCount && length <= rest);
    KE_ASSERT(!(target->MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED));
    if (!length)
        length = rest; /* K-MDL-11 */
    KE_ASSERT(has_room(target, MmSizeOfMdl(address, length)));
    target->Process = source->Process;
    target->StartVa = PAGE_ALIGN(address);
    target->ByteOffset = BYTE_OFFSET(address);
    target->ByteCount = length;
    target->MdlFlags = (CSHORT)((target->MdlFlags & (MDL_ALLOCATED_FIXED_SIZE | MDL_ALLOCATED_MUST_SUCCEED)) |
                                MDL_PARTIAL | shared);
    if (shared & MDL_MAPPED_TO_SYSTEM_VA)
        target->MdlFlags |= MDL_PARENT_MAPPED_SYSTEM_VA;
    target->MappedSystemVa = shared & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)
                                 ? (PUCHAR)source->MappedSystemVa + offset
                                 : NULL;
    fill_pages(target);
}

NTSTATUS mm_probe_and_lock_pages(PMDL mdl, LOCK_OPERATION operation)
{
    if (mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL)) /* K-MDL-07 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xB0, mdl, (USHORT)mdl->MdlFlags, 0);
    if (host_fault(HOST_FAULT_MDL))
        return STATUS_WORKING_SET_QUOTA;
    /* Data that is only read may lie in read-only memory (D-24). */
    if (mdl->ByteCount && host_memory_probe(start_of(mdl), mdl->ByteCount, operation != IoReadAccess) != 0)
        return STATUS_ACCESS_VIOLATION;
    mdl->MdlFlags |= MDL_PAGES_LOCKED;
    if (operation == IoReadAccess)
        mdl->MdlFlags &= (CSHORT)~MDL_WRITE_OPERATION;
    else
        mdl->MdlFlags |= MDL_WRITE_OPERATION;
    mdl->Process = NULL;
    fill_pages(mdl);
    return STATUS_SUCCESS;
}

void mm_unlock_pages(PMDL mdl)
{
    if (mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL) /* K-MDL-07 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x7D, mdl, (USHORT)mdl->MdlFlags, 0);
    if (mdl->MdlFlags & MDL_PARTIAL) /* K-MDL-12 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xB4, mdl, (USHORT)mdl->MdlFlags, 0);
    if (!(mdl->MdlFlags & MDL_PAGES_LOCKED)) /* K-MDL-09 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x7C, mdl, (USHORT)mdl->MdlFlags, 0);
    mdl->MdlFlags &= (CSHORT) ~(MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA);
    mdl->MappedSystemVa = NULL;
}

PVOID mm_mdl_address(PMDL mdl)
{
    if (!mdl)
        return NULL;
    if (mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL))
        return mdl->MappedSystemVa;
    return start_of(mdl);
}

/* ---- what a driver calls ------------------------------------------------------------------------------ */

/* MmSizeOfMdl - bytes of an MDL with its page array for [Base, Base+Length).  Any IRQL. */
SIZE_T NTAPI MmSizeOfMdl(PVOID Base, SIZE_T Length)
{
    SIZE_T pages = (BYTE_OFFSET(Base) + Length + PAGE_SIZE - 1) >> PAGE_SHIFT;

    return sizeof(MDL) + pages * sizeof(PFN_NUMBER);
}

/*
 * IoAllocateMdl - an MDL for [VirtualAddress, +Length), the caller's until IoFreeMdl; NULL on exhaustion
 * (K-MDL-02, 03). With an IRP it becomes MdlAddress, with SecondaryBuffer the end of the chain.  ChargeQuota
 * has no effect.  IRQL <= DISPATCH_LEVEL.  Page: wdm IoAllocateMdl.
 */
PMDL NTAPI IoAllocateMdl(PVOID VirtualAddress, ULONG Length, BOOLEAN SecondaryBuffer, BOOLEAN ChargeQuota,
                         PIRP Irp)
{
    UNREFERENCED_PARAMETER(ChargeQuota);
    return mm_allocate_mdl(VirtualAddress, Length, SecondaryBuffer, Irp, __builtin_return_address(0));
}

/* IoFreeMdl - frees this one MDL, not its chain (K-MDL-13, 14).  IRQL <= DISPATCH_LEVEL. */
VOID NTAPI IoFreeMdl(PMDL Mdl)
{
    ex_free_pool_from(Mdl, 0, EX_POOL_MDL, __builtin_return_address(0));
}

/*
 * IoBuildPartialMdl - TargetMdl describes [VirtualAddress, +Length) of SourceMdl, Length 0 meaning to its
 * end, and shares its mapping (K-MDL-11).  TargetMdl must have room for the pages.  IRQL <= DISPATCH_LEVEL.
 */
VOID NTAPI IoBuildPartialMdl(PMDL SourceMdl, PMDL TargetMdl, PVOID VirtualAddress, ULONG Length)
{
    mm_build_partial_mdl(SourceMdl, TargetMdl, VirtualAddress, Length);
}

/* MmBuildMdlForNonPagedPool - makes an MDL over non-paged memory usable (K-MDL-04).  IRQL <= DISPATCH_LEVEL.
 */
VOID NTAPI MmBuildMdlForNonPagedPool(PMDL MemoryDescriptorList)
{
    mm_build_mdl_for_non_paged_pool(MemoryDescriptorList);
}

/*
 * MmProbeAndLockPages - checks that the range can be read (and written, unless Operation is IoReadAccess) and
 * sets MDL_PAGES_LOCKED; raises STATUS_ACCESS_VIOLATION on a bad range (D-24), so it stands in a __try. IRQL
 * <= DISPATCH_LEVEL, for pageable memory <= APC_LEVEL.  Page: wdm MmProbeAndLockPages.
 */
VOID NTAPI MmProbeAndLockPages(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode,
                               LOCK_OPERATION Operation)
{
    NTSTATUS status = mm_probe_and_lock_pages(MemoryDescriptorList, Operation);

    UNREFERENCED_PARAMETER(AccessMode);
    if (!NT_SUCCESS(status))
        ke_raise_status(status);
}

/* MmUnlockPages - undoes MmProbeAndLockPages; anything else is bug check 0xC4 (K-MDL-07, 09, 12). */
VOID NTAPI MmUnlockPages(PMDL MemoryDescriptorList)
{
    mm_unlock_pages(MemoryDescriptorList);
}

/*
 * MmMapLockedPagesSpecifyCache - the buffer's system address, byte offset included; the same on every call
 * (K-MDL-05). NULL only when a fault is planned and BugCheckOnFailure is FALSE.  IRQL <= DISPATCH_LEVEL.
 */
PVOID NTAPI MmMapLockedPagesSpecifyCache(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode,
                                         MEMORY_CACHING_TYPE CacheType, PVOID RequestedAddress,
                                         ULONG BugCheckOnFailure, ULONG Priority)
{
    PMDL mdl = MemoryDescriptorList;

    UNREFERENCED_PARAMETER(AccessMode);
    UNREFERENCED_PARAMETER(CacheType);
    UNREFERENCED_PARAMETER(RequestedAddress);
    UNREFERENCED_PARAMETER(Priority);
    if (mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL))
        return mdl->MappedSystemVa;
    if (!(BugCheckOnFailure & 1) && host_fault(HOST_FAULT_MDL))
        return NULL;
    mdl->MappedSystemVa = start_of(mdl);
    mdl->MdlFlags |= mdl->MdlFlags & MDL_PARTIAL ? MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED
                                                 : MDL_MAPPED_TO_SYSTEM_VA;
    return mdl->MappedSystemVa;
}

/* MmUnmapLockedPages - undoes the mapping; not for MDLs over non-paged pool (K-MDL-07). */
VOID NTAPI MmUnmapLockedPages(PVOID BaseAddress, PMDL MemoryDescriptorList)
{
    PMDL mdl = MemoryDescriptorList;

    if (mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL)
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x7D, mdl, (USHORT)mdl->MdlFlags, 0);
    KE_ASSERT(BaseAddress == mdl->MappedSystemVa);
    mdl->MdlFlags &= (CSHORT) ~(MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED);
    mdl->MappedSystemVa = NULL;
}

/* ---- probing user ranges ------------------------------------------------------------------------------ */

#define USER_LIMIT 0x00007FFFFFFF0000ull

static void check_user_range(const volatile void *address, SIZE_T length, ULONG alignment)
{
    ULONG_PTR first = (ULONG_PTR)address;

    if (first & (alignment - 1))
        ke_raise_status(STATUS_DATATYPE_MISALIGNMENT);
    if (first + length < first || first + length > USER_LIMIT)
        ke_raise_status(STATUS_ACCESS_VIOLATION);
}

/* MmIsAddressValid - TRUE: VirtualAddress can be read now; what another thread makes of it is not known.  IRQL <=
 * DISPATCH_LEVEL. */
BOOLEAN NTAPI MmIsAddressValid(PVOID VirtualAddress)
{
    return host_memory_probe(VirtualAddress, 1, 0) == 0;
}

/* ProbeForRead - raises for a misaligned or impossible user range; does not touch it.  Alignment 1, 2, 4,
 * 8, 16. */
VOID NTAPI ProbeForRead(const volatile VOID *Address, SIZE_T Length, ULONG Alignment)
{
    if (Length)
        check_user_range(Address, Length, Alignment);
}

/* ProbeForWrite - the same, and raises STATUS_ACCESS_VIOLATION when a page of it cannot be written. */
VOID NTAPI ProbeForWrite(volatile VOID *Address, SIZE_T Length, ULONG Alignment)
{
    if (!Length)
        return;
    check_user_range(Address, Length, Alignment);
    if (host_memory_probe(Address, Length, 1) != 0)
        ke_raise_status(STATUS_ACCESS_VIOLATION);
}
