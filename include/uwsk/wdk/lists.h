/*
 * Doubly and singly linked lists, and sequenced lists (SLISTs).
 *
 * Insertion and removal check both neighbours first (K-LIST-07): a link that
 * does not point back is bug check 0x139 with parameters 3, the entry that
 * was looked at, 0 and 0. None of the inline functions locks; the caller does.
 */
#ifndef UWSK_WDK_LISTS_H
#define UWSK_WDK_LISTS_H

#include "uwsk/wdk/base.h"
#include "uwsk/wdk/interlocked.h"

UWSK_BEGIN_C

#define UWSK_LIST_CORRUPT(entry) KeBugCheckEx(0x139, FAST_FAIL_CORRUPT_LIST_ENTRY, (ULONG_PTR)(entry), 0, 0)

/* Makes an empty list: the head points to itself (K-LIST-01). */
UWSK_INLINE VOID InitializeListHead(_Out_ PLIST_ENTRY ListHead)
{
    ListHead->Flink = ListHead->Blink = ListHead;
}

/* TRUE if nothing is linked to the head. */
UWSK_INLINE BOOLEAN IsListEmpty(_In_ const LIST_ENTRY *ListHead)
{
    return (BOOLEAN)(ListHead->Flink == ListHead);
}

/* Bug checks unless both neighbours of the entry point back to it. */
UWSK_INLINE VOID RtlpCheckListEntry(_In_ PLIST_ENTRY Entry)
{
    if (Entry->Flink->Blink != Entry || Entry->Blink->Flink != Entry)
        UWSK_LIST_CORRUPT(Entry);
}

/* Unlinks an entry. Returns TRUE if the list is empty afterwards. */
UWSK_INLINE BOOLEAN RemoveEntryList(_In_ PLIST_ENTRY Entry)
{
    PLIST_ENTRY next = Entry->Flink;
    PLIST_ENTRY previous = Entry->Blink;

    if (next->Blink != Entry || previous->Flink != Entry)
        UWSK_LIST_CORRUPT(Entry);
    previous->Flink = next;
    next->Blink = previous;
    return (BOOLEAN)(next == previous);
}

/* Unlinks the first entry and returns it; the head itself if the list is empty. */
UWSK_INLINE PLIST_ENTRY RemoveHeadList(_Inout_ PLIST_ENTRY ListHead)
{
    PLIST_ENTRY entry = ListHead->Flink;
    PLIST_ENTRY next = entry->Flink;

    if (entry->Blink != ListHead || next->Blink != entry)
        UWSK_LIST_CORRUPT(ListHead);
    ListHead->Flink = next;
    next->Blink = ListHead;
    return entry;
}

/* Unlinks the last entry and returns it; the head itself if the list is empty. */
UWSK_INLINE PLIST_ENTRY RemoveTailList(_Inout_ PLIST_ENTRY ListHead)
{
    PLIST_ENTRY entry = ListHead->Blink;
    PLIST_ENTRY previous = entry->Blink;

    if (entry->Flink != ListHead || previous->Flink != entry)
        UWSK_LIST_CORRUPT(ListHead);
    ListHead->Blink = previous;
    previous->Flink = ListHead;
    return entry;
}

/* Links an entry in front. */
UWSK_INLINE VOID InsertHeadList(_Inout_ PLIST_ENTRY ListHead, _Out_ PLIST_ENTRY Entry)
{
    PLIST_ENTRY next = ListHead->Flink;

    RtlpCheckListEntry(ListHead);
    if (next->Blink != ListHead)
        UWSK_LIST_CORRUPT(ListHead);
    Entry->Flink = next;
    Entry->Blink = ListHead;
    next->Blink = Entry;
    ListHead->Flink = Entry;
}

/* Links an entry at the end. */
UWSK_INLINE VOID InsertTailList(_Inout_ PLIST_ENTRY ListHead, _Out_ PLIST_ENTRY Entry)
{
    PLIST_ENTRY previous = ListHead->Blink;

    RtlpCheckListEntry(ListHead);
    if (previous->Flink != ListHead)
        UWSK_LIST_CORRUPT(ListHead);
    Entry->Flink = ListHead;
    Entry->Blink = previous;
    previous->Flink = Entry;
    ListHead->Blink = Entry;
}

/* Links a ring of entries that has no head of its own to the end of a list. */
UWSK_INLINE VOID AppendTailList(_Inout_ PLIST_ENTRY ListHead, _Inout_ PLIST_ENTRY ListToAppend)
{
    PLIST_ENTRY end = ListHead->Blink;

    RtlpCheckListEntry(ListHead);
    RtlpCheckListEntry(ListToAppend);
    ListHead->Blink->Flink = ListToAppend;
    ListHead->Blink = ListToAppend->Blink;
    ListToAppend->Blink->Flink = ListHead;
    ListToAppend->Blink = end;
}

/* Unlinked variants without the checks. */
UWSK_INLINE BOOLEAN RemoveEntryListUnsafe(_In_ PLIST_ENTRY Entry)
{
    PLIST_ENTRY next = Entry->Flink;
    PLIST_ENTRY previous = Entry->Blink;

    previous->Flink = next;
    next->Blink = previous;
    return (BOOLEAN)(next == previous);
}

/* Singly linked: takes the entry behind the head off; NULL if there is none. */
UWSK_INLINE PSINGLE_LIST_ENTRY PopEntryList(_Inout_ PSINGLE_LIST_ENTRY ListHead)
{
    PSINGLE_LIST_ENTRY first = ListHead->Next;

    if (first != NULL)
        ListHead->Next = first->Next;
    return first;
}

/* Singly linked: puts an entry behind the head. */
UWSK_INLINE VOID PushEntryList(_Inout_ PSINGLE_LIST_ENTRY ListHead, _Inout_ PSINGLE_LIST_ENTRY Entry)
{
    Entry->Next = ListHead->Next;
    ListHead->Next = Entry;
}

/* Sequenced lists: entry and header are aligned to 16 bytes (K-LIST-05). */
typedef struct DECLSPEC_ALIGN(16) _SLIST_ENTRY {
    struct _SLIST_ENTRY *Next;
} SLIST_ENTRY, *PSLIST_ENTRY;

typedef union DECLSPEC_ALIGN(16) _SLIST_HEADER {
    __extension__ struct {
        ULONGLONG Alignment;
        ULONGLONG Region;
    };
    struct {
        ULONGLONG Depth : 16;
        ULONGLONG Sequence : 48;
        ULONGLONG Reserved : 4;
        ULONGLONG NextEntry : 60;
    } HeaderX64;
} SLIST_HEADER, *PSLIST_HEADER;

/* Atomic push, pop and flush of a sequenced list, any IRQL up to DISPATCH_LEVEL. */
NTKERNELAPI PSLIST_ENTRY NTAPI ExpInterlockedPushEntrySList(_Inout_ PSLIST_HEADER ListHead,
                                                            _Inout_ PSLIST_ENTRY ListEntry);
NTKERNELAPI PSLIST_ENTRY NTAPI ExpInterlockedPopEntrySList(_Inout_ PSLIST_HEADER ListHead);
NTKERNELAPI PSLIST_ENTRY NTAPI ExpInterlockedFlushSList(_Inout_ PSLIST_HEADER ListHead);
/* Number of entries at some recent moment. */
NTKERNELAPI USHORT NTAPI ExQueryDepthSList(_In_ PSLIST_HEADER ListHead);

/* Makes a sequenced list empty. The header must be aligned to 16 bytes. */
UWSK_INLINE VOID InitializeSListHead(_Out_ PSLIST_HEADER ListHead)
{
    ListHead->Alignment = 0;
    ListHead->Region = 0;
}

/* First entry without taking it off; for use under the driver's own lock. */
UWSK_INLINE PSLIST_ENTRY FirstEntrySList(_In_ const SLIST_HEADER *ListHead)
{
    return (PSLIST_ENTRY)(ULONG_PTR)(ListHead->HeaderX64.NextEntry << 4);
}

#define ExInitializeSListHead(head)            InitializeSListHead(head)
#define RtlInitializeSListHead(head)           InitializeSListHead(head)
#define InterlockedPushEntrySList(head, entry) ExpInterlockedPushEntrySList(head, entry)
#define InterlockedPopEntrySList(head)         ExpInterlockedPopEntrySList(head)
#define InterlockedFlushSList(head)            ExpInterlockedFlushSList(head)
#define QueryDepthSList(head)                  ExQueryDepthSList(head)
/* The spin lock argument of these is not used on 64-bit systems. */
#define ExInterlockedPushEntrySList(head, entry, lock)                                                       \
    ((void)(lock), ExpInterlockedPushEntrySList(head, entry))
#define ExInterlockedPopEntrySList(head, lock) ((void)(lock), ExpInterlockedPopEntrySList(head))
#define ExInterlockedFlushSList(head)          ExpInterlockedFlushSList(head)

/*
 * Lists with a spin lock: the lock guards this list only and is not held by
 * the caller. Insertions return the former first or last entry, removals the
 * entry; NULL for an empty list (K-LIST-02). Any IRQL up to DISPATCH_LEVEL.
 */
NTKERNELAPI PLIST_ENTRY NTAPI ExInterlockedInsertHeadList(_Inout_ PLIST_ENTRY ListHead,
                                                          _Inout_ PLIST_ENTRY ListEntry,
                                                          _Inout_ PKSPIN_LOCK Lock);
NTKERNELAPI PLIST_ENTRY NTAPI ExInterlockedInsertTailList(_Inout_ PLIST_ENTRY ListHead,
                                                          _Inout_ PLIST_ENTRY ListEntry,
                                                          _Inout_ PKSPIN_LOCK Lock);
NTKERNELAPI PLIST_ENTRY NTAPI ExInterlockedRemoveHeadList(_Inout_ PLIST_ENTRY ListHead,
                                                          _Inout_ PKSPIN_LOCK Lock);
NTKERNELAPI PSINGLE_LIST_ENTRY NTAPI ExInterlockedPopEntryList(_Inout_ PSINGLE_LIST_ENTRY ListHead,
                                                               _Inout_ PKSPIN_LOCK Lock);
NTKERNELAPI PSINGLE_LIST_ENTRY NTAPI ExInterlockedPushEntryList(_Inout_ PSINGLE_LIST_ENTRY ListHead,
                                                                _Inout_ PSINGLE_LIST_ENTRY ListEntry,
                                                                _Inout_ PKSPIN_LOCK Lock);
/* Adds under a spin lock and returns the former value. */
NTKERNELAPI ULONG NTAPI ExInterlockedAddUlong(_Inout_ PULONG Addend, _In_ ULONG Increment,
                                              _Inout_ PKSPIN_LOCK Lock);
NTKERNELAPI LARGE_INTEGER NTAPI ExInterlockedAddLargeInteger(_Inout_ PLARGE_INTEGER Addend,
                                                             _In_ LARGE_INTEGER Increment,
                                                             _Inout_ PKSPIN_LOCK Lock);

UWSK_END_C

#endif
