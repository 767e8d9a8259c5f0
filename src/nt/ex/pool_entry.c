/*
 * pool_entry.c - what a driver calls: ExAllocatePool*, ExFreePool*.
 *
 * A request for nothing succeeds (KA10); a tag of 0 is refused: NULL from ExAllocatePool2 (K-POOL-03), bug
 * check 0xC2/0x9B from the older functions (K-POOL-08).
 */
#include "nt/ex/pool.h"
#include "nt/ke/seh.h"

#define POOL_PAGES (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED)
#define POOL_KNOWN                                                                                           \
    (POOL_PAGES | POOL_FLAG_USE_QUOTA | POOL_FLAG_UNINITIALIZED | POOL_FLAG_SESSION |                        \
     POOL_FLAG_CACHE_ALIGNED | POOL_FLAG_RAISE_ON_FAILURE)
C_ASSERT((EX_POOL_RAW & POOL_KNOWN) == 0); /* so a driver cannot ask for it */
#define POOL_REQUIRED_MASK 0xFFFFFFFFull

/* Bits of a POOL_TYPE next to its page type. */
enum {
    TYPE_BASE_MASK = 1,
    TYPE_CACHE_ALIGNED = 4,
    TYPE_QUOTA_FAILS = 8,
    TYPE_RAISES = 16,
    TYPE_NX = 512,
    TYPE_ZERO = 1024
};

/* Flags that say the same as a POOL_TYPE, content undefined. */
static POOL_FLAGS flags_of_type(POOL_TYPE type)
{
    POOL_FLAGS flags = POOL_FLAG_UNINITIALIZED;

    if (type & TYPE_BASE_MASK)
        flags |= POOL_FLAG_PAGED;
    else
        flags |= type & TYPE_NX ? POOL_FLAG_NON_PAGED : POOL_FLAG_NON_PAGED_EXECUTE; /* K-POOL-05 */
    if (type & TYPE_CACHE_ALIGNED)
        flags |= POOL_FLAG_CACHE_ALIGNED;
    if (type & TYPE_RAISES)
        flags |= POOL_FLAG_RAISE_ON_FAILURE;
    if (type & TYPE_ZERO)
        flags &= ~(POOL_FLAGS)POOL_FLAG_UNINITIALIZED;
    return flags;
}

static PVOID allocate(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, void *caller)
{
    PVOID block = ex_allocate_pool_for(flags, bytes, tag, EX_POOL_PLAIN, caller);

    if (!block && flags & POOL_FLAG_RAISE_ON_FAILURE) /* K-POOL-06 */
        ke_raise_status(STATUS_INSUFFICIENT_RESOURCES);
    return block;
}

void *pool_allocate_typed(POOL_TYPE type, POOL_FLAGS also, SIZE_T bytes, ULONG tag, void *caller)
{
    POOL_FLAGS flags = flags_of_type(type) | also;

    if (!tag)
        ke_bug_check_from(BAD_POOL_CALLER, 0x9B, type, bytes, (ULONG_PTR)caller, caller);
    if (also & POOL_FLAG_USE_QUOTA && !(type & TYPE_QUOTA_FAILS))
        flags |= POOL_FLAG_RAISE_ON_FAILURE;
    return allocate(flags, bytes, tag, caller);
}

/*
 * ExAllocatePool2 - zeroed memory unless POOL_FLAG_UNINITIALIZED.  Flags: POOL_FLAG_* with exactly one page
 * type; NumberOfBytes; Tag not 0.  The block is the caller's until ExFreePool.  NULL for wrong flags, tag 0
 * or exhaustion (raised instead with POOL_FLAG_RAISE_ON_FAILURE); flags of the upper 32 bits are hints
 * (K-POOL-02..04). IRQL <= DISPATCH_LEVEL, paged pool <= APC_LEVEL.  Page: wdm ExAllocatePool2.
 */
PVOID NTAPI ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    POOL_FLAGS pages = Flags & POOL_PAGES;
    POOL_FLAGS required = Flags & POOL_REQUIRED_MASK;

    if (!Tag || !pages || pages & (pages - 1) || required & ~(POOL_FLAGS)POOL_KNOWN) {
        if (Flags & POOL_FLAG_RAISE_ON_FAILURE)
            ke_raise_status(STATUS_INVALID_PARAMETER);
        return NULL;
    }
    return allocate(required, NumberOfBytes, Tag, __builtin_return_address(0));
}

/*
 * ExAllocatePoolWithTag - memory of undefined content.  NULL on exhaustion, unless the type asks to raise.
 * IRQL <= DISPATCH_LEVEL, paged pool <= APC_LEVEL.  Page: wdm ExAllocatePoolWithTag.
 */
PVOID NTAPI ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return pool_allocate_typed(PoolType, 0, NumberOfBytes, Tag, __builtin_return_address(0));
}

/* ExAllocatePool - ExAllocatePoolWithTag with the tag that Windows gives to those who name none: "None". */
PVOID NTAPI ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes)
{
    return pool_allocate_typed(PoolType, 0, NumberOfBytes, 0x656E6F4E, __builtin_return_address(0));
}

/* ExAllocatePoolWithTagPriority - ExAllocatePoolWithTag; the priority has no effect, memory is never that
 * short. */
PVOID NTAPI ExAllocatePoolWithTagPriority(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag,
                                          EX_POOL_PRIORITY Priority)
{
    UNREFERENCED_PARAMETER(Priority);
    return pool_allocate_typed(PoolType, 0, NumberOfBytes, Tag, __builtin_return_address(0));
}

/* ExAllocatePoolWithQuotaTag - raises on exhaustion unless POOL_QUOTA_FAIL_INSTEAD_OF_RAISE; there are no
 * quotas. */
PVOID NTAPI ExAllocatePoolWithQuotaTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return pool_allocate_typed(PoolType, POOL_FLAG_USE_QUOTA, NumberOfBytes, Tag,
                               __builtin_return_address(0));
}

/* ExFreePoolWithTag - frees a block; Tag 0 frees whatever its tag (K-POOL-10).  IRQL <= DISPATCH_LEVEL. */
VOID NTAPI ExFreePoolWithTag(PVOID P, ULONG Tag)
{
    ex_free_pool_from(P, Tag, EX_POOL_PLAIN, __builtin_return_address(0));
}

#undef ExFreePool
/* ExFreePool - frees a block without looking at its tag.  IRQL <= DISPATCH_LEVEL.  Page: ntddk ExFreePool. */
VOID NTAPI ExFreePool(PVOID P)
{
    ex_free_pool_from(P, 0, EX_POOL_PLAIN, __builtin_return_address(0));
}
