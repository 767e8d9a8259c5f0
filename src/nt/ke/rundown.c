/*
 * rundown.c - run-down protection: counted grants that a single waiter can put an end to.
 *
 * The word: bit 0 = run-down has begun (or is over), the rest = grants out, two a piece.  The release that
 * ends a run-down touches the word last with its subtraction: the waiter may free it at once.
 */
#include "nt/ke/internal.h"
#include "nt/ex/ex.h"

#define RUNDOWN_ACTIVE 1ull
#define RUNDOWN_GRANT  2ull

void ex_initialize_rundown_protection(PEX_RUNDOWN_REF ref)
{
    __atomic_store_n(&ref->Count, 0, __ATOMIC_RELEASE); /* K-RUND-01 */
}

void ex_re_initialize_rundown_protection(PEX_RUNDOWN_REF ref)
{
    __atomic_store_n(&ref->Count, 0, __ATOMIC_RELEASE); /* K-RUND-06 */
}

void ex_rundown_completed(PEX_RUNDOWN_REF ref)
{
    __atomic_store_n(&ref->Count, RUNDOWN_ACTIVE, __ATOMIC_RELEASE); /* K-RUND-05 */
}

BOOLEAN ex_acquire_rundown_protection_ex(PEX_RUNDOWN_REF ref, ULONG count)
{
    ULONG_PTR word = __atomic_load_n(&ref->Count, __ATOMIC_RELAXED);

    host_point(HOST_POINT_ATOMIC, ref);
    do {
        if (word & RUNDOWN_ACTIVE) /* K-RUND-02 */
            return FALSE;
    } while (!__atomic_compare_exchange_n(&ref->Count, &word, word + count * RUNDOWN_GRANT, 0,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return TRUE;
}

static void release(PEX_RUNDOWN_REF ref, ULONG count, void *caller)
{
    ULONG_PTR grants = count * RUNDOWN_GRANT, word;

    host_point(HOST_POINT_ATOMIC, ref);
    word = __atomic_fetch_sub(&ref->Count, grants, __ATOMIC_ACQ_REL);
    if (word < grants) /* K-RUND-08 */
        ke_bug_check_from(REFERENCE_BY_POINTER, 0, (ULONG_PTR)ref, 0, word, caller);
    if (word - grants == RUNDOWN_ACTIVE && grants) /* K-RUND-03 */
        host_unpark((const volatile uint32_t *)&ref->Count, INT32_MAX);
}

void ex_release_rundown_protection_ex(PEX_RUNDOWN_REF ref, ULONG count)
{
    release(ref, count, __builtin_return_address(0));
}

BOOLEAN ex_acquire_rundown_protection(PEX_RUNDOWN_REF ref)
{
    return ex_acquire_rundown_protection_ex(ref, 1);
}

void ex_release_rundown_protection(PEX_RUNDOWN_REF ref)
{
    release(ref, 1, __builtin_return_address(0));
}

/* K-RUND-04 */
void ex_wait_for_rundown_protection_release(PEX_RUNDOWN_REF ref)
{
    ULONG_PTR word = __atomic_or_fetch(&ref->Count, RUNDOWN_ACTIVE, __ATOMIC_ACQ_REL);

    host_point(HOST_POINT_WAIT, ref);
    ke_check_may_wait(ref, NULL);
    while (word != RUNDOWN_ACTIVE) {
        ke_park(ref, (const volatile uint32_t *)&ref->Count, (uint32_t)word);
        word = __atomic_load_n(&ref->Count, __ATOMIC_ACQUIRE);
    }
    OBSERVE(order, ref, OBSERVE_ACQUIRE);
}

/* ---- cache-aware: the same rules; there are too few processors here to make a count for each worth it ---- */

struct _EX_RUNDOWN_REF_CACHE_AWARE {
    EX_RUNDOWN_REF ref;
};

static PEX_RUNDOWN_REF plain(PEX_RUNDOWN_REF_CACHE_AWARE ref)
{
    return &ref->ref;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* No grants, none refused.  Any IRQL.  (wdm ExInitializeRundownProtection) */
VOID ExInitializeRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    ex_initialize_rundown_protection(RunRef);
}

/* After a run-down: grants are given again.  (wdm ExReInitializeRundownProtection) */
VOID ExReInitializeRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    ex_re_initialize_rundown_protection(RunRef);
}

/* TRUE = granted, to be released; FALSE once run-down has begun.  IRQL <= DISPATCH_LEVEL.
 * (wdm ExAcquireRundownProtection) */
BOOLEAN ExAcquireRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    return ex_acquire_rundown_protection(RunRef);
}

BOOLEAN ExAcquireRundownProtectionEx(PEX_RUNDOWN_REF RunRef, ULONG Count)
{
    return ex_acquire_rundown_protection_ex(RunRef, Count); /* K-RUND-07 */
}

/* Gives a grant back; the last one lets the waiter go.  IRQL <= DISPATCH_LEVEL.
 * (wdm ExReleaseRundownProtection) */
VOID ExReleaseRundownProtection(PEX_RUNDOWN_REF RunRef)
{
    release(RunRef, 1, __builtin_return_address(0));
}

VOID ExReleaseRundownProtectionEx(PEX_RUNDOWN_REF RunRef, ULONG Count)
{
    release(RunRef, Count, __builtin_return_address(0));
}

/* Stops new grants and waits for those that are out.  IRQL <= APC_LEVEL.
 * (wdm ExWaitForRundownProtectionRelease) */
VOID ExWaitForRundownProtectionRelease(PEX_RUNDOWN_REF RunRef)
{
    ex_wait_for_rundown_protection_release(RunRef);
}

/* Marks it run down: waits return at once, acquisitions fail.  (wdm ExRundownCompleted) */
VOID ExRundownCompleted(PEX_RUNDOWN_REF RunRef)
{
    ex_rundown_completed(RunRef);
}

/* Bytes to hand to ExInitializeRundownProtectionCacheAware.  (wdm ExSizeOfRundownProtectionCacheAware) */
SIZE_T ExSizeOfRundownProtectionCacheAware(VOID)
{
    return sizeof(struct _EX_RUNDOWN_REF_CACHE_AWARE);
}

VOID ExInitializeRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware, SIZE_T RunRefSize)
{
    (void)RunRefSize;
    ex_initialize_rundown_protection(plain(RunRefCacheAware));
}

/* From nonpaged pool under PoolTag, to be freed with ExFreeCacheAwareRundownProtection; NULL when exhausted.
 * (wdm ExAllocateCacheAwareRundownProtection) */
PEX_RUNDOWN_REF_CACHE_AWARE ExAllocateCacheAwareRundownProtection(POOL_TYPE PoolType, ULONG PoolTag)
{
    PEX_RUNDOWN_REF_CACHE_AWARE ref = ex_allocate_pool_for(POOL_FLAG_NON_PAGED, sizeof *ref, PoolTag,
                                                           EX_POOL_PLAIN, __builtin_return_address(0));

    (void)PoolType;
    if (ref)
        ex_initialize_rundown_protection(plain(ref));
    return ref;
}

VOID ExFreeCacheAwareRundownProtection(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware)
{
    ex_free_pool(RunRefCacheAware);
}

VOID ExReInitializeRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware)
{
    ex_re_initialize_rundown_protection(plain(RunRefCacheAware));
}

BOOLEAN ExAcquireRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware)
{
    return ex_acquire_rundown_protection(plain(RunRefCacheAware));
}

BOOLEAN ExAcquireRundownProtectionCacheAwareEx(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware, ULONG Count)
{
    return ex_acquire_rundown_protection_ex(plain(RunRefCacheAware), Count);
}

VOID ExReleaseRundownProtectionCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware)
{
    release(plain(RunRefCacheAware), 1, __builtin_return_address(0));
}

VOID ExReleaseRundownProtectionCacheAwareEx(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware, ULONG Count)
{
    release(plain(RunRefCacheAware), Count, __builtin_return_address(0));
}

VOID ExWaitForRundownProtectionReleaseCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware)
{
    ex_wait_for_rundown_protection_release(plain(RunRefCacheAware));
}

VOID ExRundownCompletedCacheAware(PEX_RUNDOWN_REF_CACHE_AWARE RunRefCacheAware)
{
    ex_rundown_completed(plain(RunRefCacheAware));
}
