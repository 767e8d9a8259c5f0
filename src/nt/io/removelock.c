/*
 * removelock.c - IO_REMOVE_LOCK: a count of those who use a device, and a wait for them to be gone.
 *
 * Removed and IoCount are one eight-byte word, changed by compare-and-swap: so a failed acquisition counts
 * nothing (K-RMLK-01), and once the removal has begun the count only falls.  IoCount is one more than there are
 * acquisitions until then.  The release that makes it zero sets the event and touches nothing else (D-09); any
 * other ends with its compare-and-swap.
 *
 * The lock of a debug build is larger.  It has a block for each acquisition, so that a release with a tag that
 * nobody acquired with is noticed (K-RMLK-03, 04).
 */
#include "nt/io/io.h"
#include "nt/ke/internal.h"

#define COMMON_BYTES sizeof(IO_REMOVE_LOCK_COMMON_BLOCK)
#define DBG_BYTES    (COMMON_BYTES + sizeof(IO_REMOVE_LOCK_DBG_BLOCK))
#define REMOVED      1ull
#define ONE          (1ull << 32)
#define SIGNATURE    0x4F4C4D52 /* "RMLO" */

struct _IO_REMOVE_LOCK_TRACKING_BLOCK {
    PIO_REMOVE_LOCK_TRACKING_BLOCK next;
    PVOID tag;
    PCSTR file;
    ULONG line;
};

_Static_assert(__builtin_offsetof(IO_REMOVE_LOCK_COMMON_BLOCK, IoCount) == 4, "one word with Removed");

static uint64_t *word_of(PIO_REMOVE_LOCK lock)
{
    return (uint64_t *)&lock->Common.Removed;
}

static LONG count_in(uint64_t word)
{
    return (LONG)(word >> 32);
}

/* NULL for a lock without the debug part, whatever this file is compiled with. */
static IO_REMOVE_LOCK_DBG_BLOCK *debug_of(PIO_REMOVE_LOCK lock, ULONG bytes)
{
    return bytes >= DBG_BYTES ? (IO_REMOVE_LOCK_DBG_BLOCK *)((char *)lock + COMMON_BYTES) : NULL;
}

static void note_acquired(IO_REMOVE_LOCK_DBG_BLOCK *debug, PVOID tag, PCSTR file, ULONG line)
{
    PIO_REMOVE_LOCK_TRACKING_BLOCK block = ke_allocate(sizeof *block);

    ke_lock_acquire((struct ke_lock *)&debug->Spin);
    if (block) {
        block->tag = tag;
        block->file = file;
        block->line = line;
        block->next = debug->Blocks;
        debug->Blocks = block;
    } else {
        debug->LowMemoryCount++;
    }
    ke_lock_release((struct ke_lock *)&debug->Spin);
}

/* Before the count falls: the lock may be gone afterwards. */
static void note_released(PIO_REMOVE_LOCK lock, IO_REMOVE_LOCK_DBG_BLOCK *debug, PVOID tag, ULONG kind,
                          void *caller)
{
    PIO_REMOVE_LOCK_TRACKING_BLOCK *link, block;
    PVOID expected;
    int known;

    ke_lock_acquire((struct ke_lock *)&debug->Spin);
    for (link = &debug->Blocks; *link && (*link)->tag != tag; link = &(*link)->next)
        ;
    block = *link;
    if (block)
        *link = block->next;
    known = block || debug->LowMemoryCount > 0;
    if (!block && known)
        debug->LowMemoryCount--;
    expected = debug->Blocks ? debug->Blocks->tag : NULL;
    ke_lock_release((struct ke_lock *)&debug->Spin);
    if (!known) /* K-RMLK-03, 04: P2 lock, P3 tag, P4 a tag that it was acquired with */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, kind, (ULONG_PTR)lock, (ULONG_PTR)tag,
                          (ULONG_PTR)expected, caller);
    if (block)
        ke_free(block, sizeof *block);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A lock that nobody has.  The limits given for a debug build (minutes, acquisitions) are kept, not enforced.
 * PASSIVE_LEVEL.  (wdm IoInitializeRemoveLock) */
VOID NTAPI IoInitializeRemoveLockEx(PIO_REMOVE_LOCK Lock, ULONG AllocateTag, ULONG MaxLockedMinutes,
                                    ULONG HighWatermark, ULONG RemlockSize)
{
    IO_REMOVE_LOCK_DBG_BLOCK *debug = debug_of(Lock, RemlockSize);

    ke_initialize_event(&Lock->Common.RemoveEvent, SynchronizationEvent, FALSE);
    if (debug) {
        __builtin_memset(debug, 0, sizeof *debug);
        debug->Signature = SIGNATURE;
        debug->HighWatermark = HighWatermark;
        debug->MaxLockedTicks = (LONGLONG)MaxLockedMinutes * 60 * 10000000 / KE_TIME_INCREMENT;
        debug->AllocateTag = (LONG)AllocateTag;
        debug->LockList.Flink = debug->LockList.Blink = &debug->LockList;
    }
    __atomic_store_n(word_of(Lock), ONE, __ATOMIC_RELEASE);
}

/* STATUS_SUCCESS, to be released with the same Tag; STATUS_DELETE_PENDING once the removal has begun.  IRQL <=
 * DISPATCH_LEVEL.  (wdm IoAcquireRemoveLock) */
NTSTATUS NTAPI IoAcquireRemoveLockEx(PIO_REMOVE_LOCK RemoveLock, PVOID Tag, PCSTR File, ULONG Line,
                                     ULONG RemlockSize)
{
    IO_REMOVE_LOCK_DBG_BLOCK *debug = debug_of(RemoveLock, RemlockSize);
    uint64_t word = __atomic_load_n(word_of(RemoveLock), __ATOMIC_RELAXED);

    host_point(HOST_POINT_ATOMIC, RemoveLock);
    do {
        if (word & REMOVED) /* K-RMLK-01 */
            return STATUS_DELETE_PENDING;
    } while (!__atomic_compare_exchange_n(word_of(RemoveLock), &word, word + ONE, 0, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    if (debug)
        note_acquired(debug, Tag, File, Line);
    return STATUS_SUCCESS;
}

/* Gives one acquisition back.  IRQL <= DISPATCH_LEVEL.  (wdm IoReleaseRemoveLock) */
VOID NTAPI IoReleaseRemoveLockEx(PIO_REMOVE_LOCK RemoveLock, PVOID Tag, ULONG RemlockSize)
{
    IO_REMOVE_LOCK_DBG_BLOCK *debug = debug_of(RemoveLock, RemlockSize);
    uint64_t word;

    if (debug)
        note_released(RemoveLock, debug, Tag, 0xD5, __builtin_return_address(0));
    host_point(HOST_POINT_ATOMIC, RemoveLock);
    word = __atomic_load_n(word_of(RemoveLock), __ATOMIC_RELAXED);
    do {
        if (count_in(word) < (word & REMOVED ? 1 : 2)) /* K-RMLK-04 */
            ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xD5, RemoveLock, Tag, 0);
    } while (!__atomic_compare_exchange_n(word_of(RemoveLock), &word, word - ONE, 0, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    if (count_in(word) == 1) /* the last one of a removal */
        (void)ke_set_event(&RemoveLock->Common.RemoveEvent, 0, FALSE);
}

/* Begins the removal - no acquisition succeeds from here on - gives the caller's own back and waits until all
 * others are gone (K-RMLK-02).  PASSIVE_LEVEL.  (wdm IoReleaseRemoveLockAndWait) */
VOID NTAPI IoReleaseRemoveLockAndWaitEx(PIO_REMOVE_LOCK RemoveLock, PVOID Tag, ULONG RemlockSize)
{
    IO_REMOVE_LOCK_DBG_BLOCK *debug = debug_of(RemoveLock, RemlockSize);
    uint64_t word;

    ke_check_may_wait(RemoveLock, NULL);
    if (debug)
        note_released(RemoveLock, debug, Tag, 0xD6, __builtin_return_address(0));
    host_point(HOST_POINT_ATOMIC, RemoveLock);
    word = __atomic_load_n(word_of(RemoveLock), __ATOMIC_RELAXED);
    do {
        if (word & REMOVED || count_in(word) < 2) /* K-RMLK-04 */
            ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xD6, RemoveLock, Tag, 0);
    } while (!__atomic_compare_exchange_n(word_of(RemoveLock), &word, (word - 2 * ONE) | REMOVED, 0,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    if (count_in(word) > 2)
        (void)ke_wait_for_single_object(&RemoveLock->Common.RemoveEvent, Executive, KernelMode, FALSE, NULL);
}
