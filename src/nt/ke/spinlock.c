/*
 * spinlock.c - KSPIN_LOCK, ordinary and in-stack queued.
 *
 * The word of an ordinary lock is 0 or its owner, with KE_SPIN_PARKED when somebody may be parked on it.  The
 * word of a queued lock is 0 or the last KSPIN_LOCK_QUEUE of the waiting line, marked KE_SPIN_QUEUED: so
 * mixing the two kinds shows (K-SPIN-05).  A waiter tries about 200 times, then parks.  The exchange that
 * releases is the last touch of the word; waking names its address only, since the memory may be free by
 * then.
 */
#include "nt/ke/internal.h"
#include "nt/ke/quick.h"

/* ---- what a thread holds ------------------------------------------------------------------------------ */

static inline void note_locked(struct ke_thread *thread, const volatile void *lock)
{
    if (thread->locks_held < KE_THREAD_LOCKS)
        thread->locks[thread->locks_held] = lock;
    thread->locks_held++;
    OBSERVE(lock, (const void *)lock, 1);
}

/* Not the last one that was taken, or one too many to be known. */
static void note_unlocked_in_between(struct ke_thread *thread, const volatile void *lock)
{
    unsigned known = thread->locks_held < KE_THREAD_LOCKS ? thread->locks_held : KE_THREAD_LOCKS;

    for (unsigned i = known; i-- > 0;) {
        if (thread->locks[i] == lock) {
            for (; i + 1 < known; i++)
                thread->locks[i] = thread->locks[i + 1];
            thread->locks[known - 1] = NULL;
            break;
        }
    }
    if (thread->locks_held > 0)
        thread->locks_held--;
}

static inline void note_unlocked(struct ke_thread *thread, const volatile void *lock)
{
    unsigned last = thread->locks_held - 1; /* none held: out of range */

    OBSERVE(lock, (const void *)lock, 0);
    if (__builtin_expect(last < KE_THREAD_LOCKS && thread->locks[last] == lock, 1)) {
        thread->locks[last] = NULL;
        thread->locks_held = last;
    } else {
        note_unlocked_in_between(thread, lock);
    }
}

void ke_note_locked(struct ke_thread *thread, const volatile void *lock)
{
    note_locked(thread, lock);
}

void ke_note_unlocked(struct ke_thread *thread, const volatile void *lock)
{
    note_unlocked(thread, lock);
}

int ke_thread_holds(const struct ke_thread *thread, const volatile void *lock)
{
    for (unsigned i = 0; i < thread->locks_held && i < KE_THREAD_LOCKS; i++) {
        if (thread->locks[i] == lock)
            return 1;
    }
    return 0;
}

int ke_holds_spin_lock(const volatile void *lock)
{
    return ke_thread_holds(ke_current_thread(), lock);
}

/* ---- ordinary ----------------------------------------------------------------------------------------- */

static int try_take(PKSPIN_LOCK lock, ULONG_PTR word)
{
    ULONG_PTR free = 0;

    return __atomic_compare_exchange_n(lock, &free, word, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Bug check if waiting for a lock with this word makes no sense. */
static void check_wait(PKSPIN_LOCK lock, ULONG_PTR word, ULONG_PTR self, void *caller)
{
    if (word & KE_SPIN_QUEUED) /* K-SPIN-05 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1008, (ULONG_PTR)lock, 0, 0, caller);
    if ((word & ~(ULONG_PTR)KE_SPIN_PARKED) == self) /* K-SPIN-07 */
        ke_bug_check_from(SPIN_LOCK_ALREADY_OWNED, (ULONG_PTR)lock, 0, 0, 0, caller);
}

static void wait_and_take(PKSPIN_LOCK lock, ULONG_PTR self, void *caller)
{
    ULONG_PTR word;

    for (int i = 0; i < KE_SPINS; i++) {
        word = __atomic_load_n(lock, __ATOMIC_RELAXED);
        if (word == 0 && try_take(lock, self))
            return;
        check_wait(lock, word, self, caller);
        host_cpu_relax();
    }
    for (;;) {
        word = __atomic_load_n(lock, __ATOMIC_RELAXED);
        if (word == 0) { /* others may be parked as well: we wake them when we release */
            if (try_take(lock, self | KE_SPIN_PARKED))
                return;
            continue;
        }
        check_wait(lock, word, self, caller);
        if (!(word & KE_SPIN_PARKED) && !__atomic_compare_exchange_n(lock, &word, word | KE_SPIN_PARKED, 0,
                                                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        host_park((const volatile uint32_t *)lock, (uint32_t)(word | KE_SPIN_PARKED), HOST_FOREVER);
    }
}

static inline void take(struct ke_thread *thread, PKSPIN_LOCK lock, void *caller)
{
    host_point(HOST_POINT_LOCK, lock);
    if (__builtin_expect(!try_take(lock, (ULONG_PTR)thread), 0))
        wait_and_take(lock, (ULONG_PTR)thread, caller);
    note_locked(thread, lock);
}

/* Bug check if this thread cannot release a lock with this word. */
static void check_drop(PKSPIN_LOCK lock, ULONG_PTR word, struct ke_thread *thread, void *caller)
{
    if (word & KE_SPIN_QUEUED) /* K-SPIN-05 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1009, (ULONG_PTR)lock, 0, 0, caller);
    if (word == 0) /* K-SPIN-09 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007, (ULONG_PTR)lock, 0, 0, caller);
    if ((word & ~(ULONG_PTR)KE_SPIN_PARKED) != (ULONG_PTR)thread)
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1004, (ULONG_PTR)lock,
                          word & ~(ULONG_PTR)KE_SPIN_PARKED, (ULONG_PTR)thread, caller);
}

static inline void drop(struct ke_thread *thread, PKSPIN_LOCK lock, void *caller)
{
    ULONG_PTR word = __atomic_load_n(lock, __ATOMIC_RELAXED);

    if (__builtin_expect(word != (ULONG_PTR)thread, 0))
        check_drop(lock, word, thread, caller);
    note_unlocked(thread, lock);
    word = __atomic_exchange_n(lock, 0, __ATOMIC_RELEASE);
    if (word & KE_SPIN_PARKED)
        host_unpark((const volatile uint32_t *)lock, 1);
    host_point(HOST_POINT_UNLOCK, lock);
}

static void check_irql(PKSPIN_LOCK lock, ULONG kind, int bad, void *caller)
{
    if (__builtin_expect(bad, 0))
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, kind, ke_current_irql(), (ULONG_PTR)lock, 0,
                          caller);
}

/* Most callers are at DISPATCH_LEVEL already, and stay there: then neither level nor processor changes. */
static __attribute__((noinline)) KIRQL acquire_slowly(PKSPIN_LOCK lock, void *caller)
{
    struct ke_thread *thread = ke_current_thread();
    KIRQL old = thread->irql;

    if (old != DISPATCH_LEVEL) {
        check_irql(lock, 0x42, old > DISPATCH_LEVEL, caller); /* K-SPIN-02 */
        ke_raise_irql(DISPATCH_LEVEL);
    }
    take(thread, lock, caller);
    return old;
}

static __attribute__((noinline)) void release_slowly(PKSPIN_LOCK lock, KIRQL old_irql, void *caller)
{
    struct ke_thread *thread = ke_current_thread();

    check_irql(lock, 0x32, thread->irql != DISPATCH_LEVEL, caller); /* K-SPIN-03 */
    drop(thread, lock, caller);
    if (old_irql != DISPATCH_LEVEL)
        ke_lower_irql(old_irql);
}

static inline KIRQL acquire(PKSPIN_LOCK lock, void *caller)
{
    struct ke_thread *thread = ke_unwatched_thread();

    if (__builtin_expect(thread && thread->irql == DISPATCH_LEVEL && ke_quick_take(thread, lock), 1))
        return DISPATCH_LEVEL;
    return acquire_slowly(lock, caller);
}

static inline void release(PKSPIN_LOCK lock, KIRQL old_irql, void *caller)
{
    struct ke_thread *thread = ke_unwatched_thread();

    if (__builtin_expect(thread && thread->irql == DISPATCH_LEVEL && old_irql == DISPATCH_LEVEL &&
                             ke_may_drop_quickly(thread, lock),
                         1))
        ke_quick_drop(thread, lock);
    else
        release_slowly(lock, old_irql, caller);
}

static __attribute__((noinline)) void acquire_at_dpc_slowly(PKSPIN_LOCK lock, void *caller)
{
    check_irql(lock, 0x40, ke_current_irql() < DISPATCH_LEVEL, caller); /* K-SPIN-04 */
    take(ke_current_thread(), lock, caller);
}

static __attribute__((noinline)) void release_at_dpc_slowly(PKSPIN_LOCK lock, void *caller)
{
    check_irql(lock, 0x41, ke_current_irql() < DISPATCH_LEVEL, caller);
    drop(ke_current_thread(), lock, caller);
}

static inline void acquire_at_dpc(PKSPIN_LOCK lock, void *caller)
{
    struct ke_thread *thread = ke_unwatched_thread();

    if (__builtin_expect(!thread || thread->irql < DISPATCH_LEVEL || !ke_quick_take(thread, lock), 0))
        acquire_at_dpc_slowly(lock, caller);
}

static inline void release_at_dpc(PKSPIN_LOCK lock, void *caller)
{
    struct ke_thread *thread = ke_unwatched_thread();

    if (__builtin_expect(thread && thread->irql >= DISPATCH_LEVEL && ke_may_drop_quickly(thread, lock), 1))
        ke_quick_drop(thread, lock);
    else
        release_at_dpc_slowly(lock, caller);
}

void ke_initialize_spin_lock(PKSPIN_LOCK lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

KIRQL ke_acquire_spin_lock(PKSPIN_LOCK lock)
{
    return acquire(lock, __builtin_return_address(0));
}

void ke_release_spin_lock(PKSPIN_LOCK lock, KIRQL old_irql)
{
    release(lock, old_irql, __builtin_return_address(0));
}

void ke_acquire_spin_lock_at_dpc_level(PKSPIN_LOCK lock)
{
    acquire_at_dpc(lock, __builtin_return_address(0));
}

void ke_release_spin_lock_from_dpc_level(PKSPIN_LOCK lock)
{
    release_at_dpc(lock, __builtin_return_address(0));
}

BOOLEAN ke_try_to_acquire_spin_lock_at_dpc_level(PKSPIN_LOCK lock)
{
    struct ke_thread *thread = ke_current_thread();

    check_irql(lock, 0x40, thread->irql < DISPATCH_LEVEL, __builtin_return_address(0));
    host_point(HOST_POINT_LOCK, lock);
    if (!try_take(lock, (ULONG_PTR)thread))
        return FALSE;
    note_locked(thread, lock);
    return TRUE;
}

BOOLEAN ke_test_spin_lock(PKSPIN_LOCK lock)
{
    return __atomic_load_n(lock, __ATOMIC_ACQUIRE) == 0;
}

KIRQL ke_acquire_spin_lock_for_dpc(PKSPIN_LOCK lock)
{
    return acquire(lock, __builtin_return_address(0));
}

void ke_release_spin_lock_for_dpc(PKSPIN_LOCK lock, KIRQL old_irql)
{
    release(lock, old_irql, __builtin_return_address(0));
}

/* ---- in-stack queued ----------------------------------------------------------------------------------
 * First come, first served: each waiter parks on its own handle.  While it waits, the low bit of the handle's
 * pointer to the lock is set; clearing it hands the lock over and is the last touch of a handle, which lies
 * on a stack. */

#define QUEUE_WAITING 1u

static ULONG_PTR queue_word(KSPIN_LOCK_QUEUE *entry)
{
    return (ULONG_PTR)entry | KE_SPIN_QUEUED;
}

static KSPIN_LOCK_QUEUE *queue_entry(ULONG_PTR word)
{
    return (KSPIN_LOCK_QUEUE *)(word & ~(ULONG_PTR)KE_SPIN_QUEUED);
}

/* Waits until the one before us hands the lock over. */
static void queue_wait(KSPIN_LOCK_QUEUE *entry, PKSPIN_LOCK lock)
{
    ULONG_PTR waiting = (ULONG_PTR)lock | QUEUE_WAITING;

    for (int i = 0; __atomic_load_n((ULONG_PTR *)&entry->Lock, __ATOMIC_ACQUIRE) == waiting; i++) {
        if (i < KE_SPINS)
            host_cpu_relax();
        else
            host_park((const volatile uint32_t *)&entry->Lock, (uint32_t)waiting, HOST_FOREVER);
    }
}

static void queue_take(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle, void *caller)
{
    struct ke_thread *thread = ke_current_thread();
    KSPIN_LOCK_QUEUE *entry = &handle->LockQueue, *before;
    ULONG_PTR word = __atomic_load_n(lock, __ATOMIC_RELAXED);

    if (ke_thread_holds(thread, lock)) /* K-SPIN-07 */
        ke_bug_check_from(SPIN_LOCK_ALREADY_OWNED, (ULONG_PTR)lock, 0, 0, 0, caller);
    host_point(HOST_POINT_LOCK, lock);
    __atomic_store_n((ULONG_PTR *)&entry->Next, 0, __ATOMIC_RELAXED);
    __atomic_store_n((ULONG_PTR *)&entry->Lock, (ULONG_PTR)lock | QUEUE_WAITING, __ATOMIC_RELAXED);
    do {
        if (word && !(word & KE_SPIN_QUEUED)) /* K-SPIN-05 */
            ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1008, (ULONG_PTR)lock, 0, 0, caller);
    } while (
        !__atomic_compare_exchange_n(lock, &word, queue_word(entry), 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    if (word) {
        before = queue_entry(word);
        __atomic_store_n((ULONG_PTR *)&before->Next, (ULONG_PTR)entry, __ATOMIC_RELEASE);
        queue_wait(entry, lock);
    } else {
        __atomic_store_n((ULONG_PTR *)&entry->Lock, (ULONG_PTR)lock, __ATOMIC_RELAXED);
    }
    note_locked(thread, lock);
}

static void queue_drop(PKLOCK_QUEUE_HANDLE handle, void *caller)
{
    struct ke_thread *thread = ke_current_thread();
    KSPIN_LOCK_QUEUE *entry = &handle->LockQueue;
    PKSPIN_LOCK lock = (PKSPIN_LOCK)__atomic_load_n((ULONG_PTR *)&entry->Lock, __ATOMIC_RELAXED);
    ULONG_PTR word = __atomic_load_n(lock, __ATOMIC_RELAXED), next;
    KSPIN_LOCK_QUEUE *after;

    if (word == 0) /* K-SPIN-09 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007, (ULONG_PTR)lock, 0, 0, caller);
    if (!(word & KE_SPIN_QUEUED)) /* K-SPIN-05 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1009, (ULONG_PTR)lock, 0, 0, caller);
    note_unlocked(thread, lock);
    next = __atomic_load_n((ULONG_PTR *)&entry->Next, __ATOMIC_ACQUIRE);
    if (!next) {
        word = queue_word(entry);
        if (__atomic_compare_exchange_n(lock, &word, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            host_point(HOST_POINT_UNLOCK, lock);
            return;
        }
        /* Somebody stands behind us and is about to tell us its name. */
        for (int i = 0; !(next = __atomic_load_n((ULONG_PTR *)&entry->Next, __ATOMIC_ACQUIRE)); i++) {
            if (i < KE_SPINS)
                host_cpu_relax();
            else
                host_yield();
        }
    }
    after = (KSPIN_LOCK_QUEUE *)next;
    __atomic_store_n((ULONG_PTR *)&after->Lock, (ULONG_PTR)lock, __ATOMIC_RELEASE);
    host_unpark((const volatile uint32_t *)&after->Lock, 1);
    host_point(HOST_POINT_UNLOCK, lock);
}

void ke_acquire_in_stack_queued_spin_lock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle)
{
    void *caller = __builtin_return_address(0);

    check_irql(lock, 0x42, ke_current_irql() > DISPATCH_LEVEL, caller);
    handle->OldIrql = ke_raise_irql(DISPATCH_LEVEL);
    queue_take(lock, handle, caller);
}

void ke_release_in_stack_queued_spin_lock(PKLOCK_QUEUE_HANDLE handle)
{
    KIRQL old_irql = handle->OldIrql;
    void *caller = __builtin_return_address(0);

    check_irql(handle->LockQueue.Lock, 0x32, ke_current_irql() != DISPATCH_LEVEL, caller);
    queue_drop(handle, caller);
    ke_lower_irql(old_irql);
}

void ke_acquire_in_stack_queued_spin_lock_at_dpc_level(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle)
{
    check_irql(lock, 0x40, ke_current_irql() < DISPATCH_LEVEL, __builtin_return_address(0));
    handle->OldIrql = ke_current_irql();
    queue_take(lock, handle, __builtin_return_address(0));
}

void ke_release_in_stack_queued_spin_lock_from_dpc_level(PKLOCK_QUEUE_HANDLE handle)
{
    check_irql(handle->LockQueue.Lock, 0x41, ke_current_irql() < DISPATCH_LEVEL, __builtin_return_address(0));
    queue_drop(handle, __builtin_return_address(0));
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Makes *SpinLock free; once, before its first use.  Any IRQL.  (wdm KeInitializeSpinLock) */
VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock)
{
    ke_initialize_spin_lock(SpinLock);
}

/* Raises to DISPATCH_LEVEL, takes the lock, returns the former level, which KeAcquireSpinLock stores last
 * (K-SPIN-01).  IRQL <= DISPATCH_LEVEL.  (wdm KeAcquireSpinLock) */
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    return acquire(SpinLock, __builtin_return_address(0));
}

/* Drops the lock, then goes back to NewIrql.  DISPATCH_LEVEL, the acquiring thread.  (wdm KeReleaseSpinLock)
 */
VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
    release(SpinLock, NewIrql, __builtin_return_address(0));
}

/* Takes and drops the lock without a change of level.  DISPATCH_LEVEL.  (wdm KeAcquireSpinLockAtDpcLevel) */
VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    acquire_at_dpc(SpinLock, __builtin_return_address(0));
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
    release_at_dpc(SpinLock, __builtin_return_address(0));
}

/* TRUE when it got the lock without waiting.  DISPATCH_LEVEL.  (wdm KeTryToAcquireSpinLockAtDpcLevel) */
BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    return ke_try_to_acquire_spin_lock_at_dpc_level(SpinLock);
}

/* TRUE = free right now.  (wdm KeTestSpinLock) */
BOOLEAN KeTestSpinLock(PKSPIN_LOCK SpinLock)
{
    return ke_test_spin_lock(SpinLock);
}

/* For DPCs that may be threaded ones: like the ordinary pair.  (wdm KeAcquireSpinLockForDpc) */
KIRQL KeAcquireSpinLockForDpc(PKSPIN_LOCK SpinLock)
{
    return acquire(SpinLock, __builtin_return_address(0));
}

VOID KeReleaseSpinLockForDpc(PKSPIN_LOCK SpinLock, KIRQL OldIrql)
{
    release(SpinLock, OldIrql, __builtin_return_address(0));
}

/* Fair spin lock; LockHandle, on the caller's stack, belongs to the lock until the release.  IRQL <=
 * DISPATCH_LEVEL. (wdm KeAcquireInStackQueuedSpinLock) */
VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    ke_acquire_in_stack_queued_spin_lock(SpinLock, LockHandle);
}

VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE LockHandle)
{
    ke_release_in_stack_queued_spin_lock(LockHandle);
}

VOID KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    ke_acquire_in_stack_queued_spin_lock_at_dpc_level(SpinLock, LockHandle);
}

VOID KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle)
{
    ke_release_in_stack_queued_spin_lock_from_dpc_level(LockHandle);
}

VOID KeAcquireInStackQueuedSpinLockForDpc(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    ke_acquire_in_stack_queued_spin_lock(SpinLock, LockHandle);
}

VOID KeReleaseInStackQueuedSpinLockForDpc(PKLOCK_QUEUE_HANDLE LockHandle)
{
    ke_release_in_stack_queued_spin_lock(LockHandle);
}
