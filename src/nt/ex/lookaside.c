/*
 * lookaside.c - the beginning and the end of lookaside lists.
 *
 * Taking and giving entries is inline in the headers, as in the WDK: newest first, surplus to the deallocator
 * (K-LOOK-01, 02).  Entries keep their content but for the first pointer, which links them while they are
 * free (D-21, K-LOOK-04).
 */
#include "nt/ex/pool.h"
#include "nt/observe.h"
#include <string.h>

enum { LIST_DEPTH = 64 };

static LONG outstanding;

LONG ex_lookaside_outstanding(void)
{
    return __atomic_load_n(&outstanding, __ATOMIC_ACQUIRE);
}

static PVOID NTAPI default_allocate(POOL_TYPE type, SIZE_T bytes, ULONG tag)
{
    return pool_allocate_typed(type, 0, bytes, tag, __builtin_return_address(0));
}

static PVOID NTAPI default_allocate_ex(POOL_TYPE type, SIZE_T bytes, ULONG tag, PLOOKASIDE_LIST_EX list)
{
    UNREFERENCED_PARAMETER(list);
    return pool_allocate_typed(type, 0, bytes, tag, __builtin_return_address(0));
}

static VOID NTAPI default_free(PVOID entry)
{
    ex_free_pool_from(entry, 0, EX_POOL_PLAIN, __builtin_return_address(0));
}

static VOID NTAPI default_free_ex(PVOID entry, PLOOKASIDE_LIST_EX list)
{
    UNREFERENCED_PARAMETER(list);
    ex_free_pool_from(entry, 0, EX_POOL_PLAIN, __builtin_return_address(0));
}

/* The part that all lists share; GENERAL_LOOKASIDE_POOL is the same structure without its padding. */
static void begin(PGENERAL_LOOKASIDE_POOL list, POOL_TYPE type, SIZE_T bytes, ULONG tag, void *caller)
{
    memset(list, 0, sizeof(*list));
    InitializeSListHead(&list->ListHead);
    list->Depth = LIST_DEPTH;
    list->MaximumDepth = EX_MAXIMUM_LOOKASIDE_DEPTH_BASE;
    list->Type = type;
    list->Tag = tag;
    list->Size = (ULONG)(bytes < LOOKASIDE_MINIMUM_BLOCK_SIZE ? LOOKASIDE_MINIMUM_BLOCK_SIZE : bytes);
    list->ListEntry.Flink = list->ListEntry.Blink = &list->ListEntry;
    __atomic_add_fetch(&outstanding, 1, __ATOMIC_RELAXED);
    OBSERVE(born, OBSERVE_LOOKASIDE, list, tag, list->Size, caller);
}

static void begin_plain(PGENERAL_LOOKASIDE list, PALLOCATE_FUNCTION allocate, PFREE_FUNCTION free,
                        POOL_TYPE type, SIZE_T bytes, ULONG tag, void *caller)
{
    begin((PGENERAL_LOOKASIDE_POOL)list, type, bytes, tag, caller);
    list->Allocate = allocate ? allocate : default_allocate;
    list->Free = free ? free : default_free;
}

static void end(void *list)
{
    __atomic_sub_fetch(&outstanding, 1, __ATOMIC_RELEASE);
    OBSERVE(dead, OBSERVE_LOOKASIDE, list);
}

static void end_plain(PGENERAL_LOOKASIDE list)
{
    PVOID entry;

    while ((entry = ex_pop_entry_slist(&list->ListHead)) != NULL)
        list->Free(entry);
    end(list);
}

static void flush_ex(PLOOKASIDE_LIST_EX list)
{
    PVOID entry;

    while ((entry = ex_pop_entry_slist(&list->L.ListHead)) != NULL)
        list->L.FreeEx(entry, list);
}

/*
 * ExInitializeNPagedLookasideList - a list of non-paged blocks of Size bytes.  Allocate and Free may be NULL:
 * the pool. Flags: 0, POOL_NX_ALLOCATION, POOL_RAISE_IF_ALLOCATION_FAILURE.  Depth is ignored.  IRQL <=
 * DISPATCH_LEVEL. Page: wdm ExInitializeNPagedLookasideList.
 */
VOID NTAPI ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                           PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag,
                                           USHORT Depth)
{
    UNREFERENCED_PARAMETER(Depth);
    begin_plain(&Lookaside->L, Allocate, Free, (POOL_TYPE)(NonPagedPoolBase | Flags), Size, Tag,
                __builtin_return_address(0));
}

/* ExDeleteNPagedLookasideList - frees the entries on the list; those in use are the driver's.  <=
 * DISPATCH_LEVEL. */
VOID NTAPI ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside)
{
    end_plain(&Lookaside->L);
}

/* ExInitializePagedLookasideList - the same for paged pool.  IRQL <= APC_LEVEL. */
VOID NTAPI ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                          PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag,
                                          USHORT Depth)
{
    UNREFERENCED_PARAMETER(Depth);
    begin_plain(&Lookaside->L, Allocate, Free, (POOL_TYPE)(PagedPool | Flags), Size, Tag,
                __builtin_return_address(0));
}

/* ExDeletePagedLookasideList - see ExDeleteNPagedLookasideList.  IRQL <= APC_LEVEL. */
VOID NTAPI ExDeletePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside)
{
    end_plain(&Lookaside->L);
}

/*
 * ExInitializeLookasideListEx - a list whose allocator and deallocator, if not NULL, also get the list
 * (D-21).  Flags: 0, EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL or _FAIL_NO_RAISE.  STATUS_SUCCESS;
 * STATUS_INVALID_PARAMETER_5 for other flags.  IRQL <= DISPATCH_LEVEL.  Page: wdm
 * ExInitializeLookasideListEx.
 */
NTSTATUS NTAPI ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PALLOCATE_FUNCTION_EX Allocate,
                                           PFREE_FUNCTION_EX Free, POOL_TYPE PoolType, ULONG Flags,
                                           SIZE_T Size, ULONG Tag, USHORT Depth)
{
    ULONG type = PoolType;

    UNREFERENCED_PARAMETER(Depth);
    if (Flags > EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE)
        return STATUS_INVALID_PARAMETER_5;
    if (Flags == EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL)
        type |= POOL_RAISE_IF_ALLOCATION_FAILURE;
    if (Flags == EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE)
        type |= POOL_QUOTA_FAIL_INSTEAD_OF_RAISE;
    begin(&Lookaside->L, (POOL_TYPE)type, Size, Tag, __builtin_return_address(0));
    Lookaside->L.AllocateEx = Allocate ? Allocate : default_allocate_ex;
    Lookaside->L.FreeEx = Free ? Free : default_free_ex;
    return STATUS_SUCCESS;
}

/* ExFlushLookasideListEx - frees the entries on the list.  IRQL <= DISPATCH_LEVEL. */
VOID NTAPI ExFlushLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
    flush_ex(Lookaside);
}

/* ExDeleteLookasideListEx - frees the entries on the list and ends it.  IRQL <= DISPATCH_LEVEL. */
VOID NTAPI ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
    flush_ex(Lookaside);
    end(Lookaside);
}
