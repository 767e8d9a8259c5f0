/*
 * spinlock_shared.c - EX_SPIN_LOCK: a spin lock that many may share or one may hold alone (K-SPIN-13).
 *
 * The rules of level and pairing are those of KSPIN_LOCK, and so are the bug checks (K-SPIN-02..04, 07, 09).
 */
#include "nt/ke/shared.h"

static uint32_t *word_of(PEX_SPIN_LOCK lock)
{
    return (uint32_t *)lock;
}

static void violation(ULONG kind, PEX_SPIN_LOCK lock, void *caller)
{
    ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, kind, ke_current_irql(), (ULONG_PTR)lock, 0,
                      caller);
}

static void take(PEX_SPIN_LOCK lock, int alone, void *caller)
{
    struct ke_thread *thread = ke_current_thread();

    if (ke_thread_holds(thread, lock)) /* K-SPIN-07 */
        ke_bug_check_from(SPIN_LOCK_ALREADY_OWNED, (ULONG_PTR)lock, 0, 0, 0, caller);
    if (alone)
        ke_shared_acquire_alone(word_of(lock), KE_SHARED_SPIN);
    else
        ke_shared_acquire(word_of(lock), KE_SHARED_SPIN);
    ke_note_locked(thread, lock);
}

static void drop(PEX_SPIN_LOCK lock, int alone, void *caller)
{
    struct ke_thread *thread = ke_current_thread();

    /* The holder is known by the thread's list only. */
    if (thread->locks_held <= KE_THREAD_LOCKS && !ke_thread_holds(thread, lock)) /* K-SPIN-09 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007, (ULONG_PTR)lock, 0, 0, caller);
    ke_note_unlocked(thread, lock);
    if (!(alone ? ke_shared_release_alone(word_of(lock)) : ke_shared_release(word_of(lock))))
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007, (ULONG_PTR)lock, 0, 0, caller);
}

/* Once, without waiting. */
static LOGICAL try_at_dpc_level(PEX_SPIN_LOCK lock, int alone, void *caller)
{
    struct ke_thread *thread = ke_current_thread();

    if (ke_current_irql() < DISPATCH_LEVEL) /* K-SPIN-04 */
        violation(0x40, lock, caller);
    if (ke_thread_holds(thread, lock)) /* K-SPIN-07 */
        ke_bug_check_from(SPIN_LOCK_ALREADY_OWNED, (ULONG_PTR)lock, 0, 0, 0, caller);
    if (!(alone ? ke_shared_try_alone(word_of(lock)) : ke_shared_try(word_of(lock))))
        return FALSE;
    ke_note_locked(thread, lock);
    return TRUE;
}

static KIRQL acquire(PEX_SPIN_LOCK lock, int alone, void *caller)
{
    KIRQL old;

    if (ke_current_irql() > DISPATCH_LEVEL) /* K-SPIN-02 */
        violation(0x42, lock, caller);
    old = ke_raise_irql(DISPATCH_LEVEL);
    take(lock, alone, caller);
    return old;
}

static void release(PEX_SPIN_LOCK lock, KIRQL old_irql, int alone, void *caller)
{
    if (ke_current_irql() != DISPATCH_LEVEL) /* K-SPIN-03 */
        violation(0x32, lock, caller);
    drop(lock, alone, caller);
    ke_lower_irql(old_irql);
}

static void acquire_at_dpc_level(PEX_SPIN_LOCK lock, int alone, void *caller)
{
    if (ke_current_irql() < DISPATCH_LEVEL) /* K-SPIN-04 */
        violation(0x40, lock, caller);
    take(lock, alone, caller);
}

static void release_from_dpc_level(PEX_SPIN_LOCK lock, int alone, void *caller)
{
    if (ke_current_irql() < DISPATCH_LEVEL)
        violation(0x41, lock, caller);
    drop(lock, alone, caller);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Raises to DISPATCH_LEVEL and takes the lock together with others who share it; returns the former level.  A
 * writer that waits goes first.  IRQL <= DISPATCH_LEVEL.  (wdm ExAcquireSpinLockShared) */
KIRQL ExAcquireSpinLockShared(PEX_SPIN_LOCK SpinLock)
{
    return acquire(SpinLock, 0, __builtin_return_address(0));
}

/* The same alone.  (wdm ExAcquireSpinLockExclusive) */
KIRQL ExAcquireSpinLockExclusive(PEX_SPIN_LOCK SpinLock)
{
    return acquire(SpinLock, 1, __builtin_return_address(0));
}

/* Drops the lock, then goes back to OldIrql.  DISPATCH_LEVEL, the acquiring thread.
 * (wdm ExReleaseSpinLockShared, ExReleaseSpinLockExclusive) */
VOID ExReleaseSpinLockShared(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql)
{
    release(SpinLock, OldIrql, 0, __builtin_return_address(0));
}

VOID ExReleaseSpinLockExclusive(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql)
{
    release(SpinLock, OldIrql, 1, __builtin_return_address(0));
}

/* The same without a change of level, at DISPATCH_LEVEL.
 * (wdm ExAcquireSpinLockSharedAtDpcLevel and its three companions) */
VOID ExAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    acquire_at_dpc_level(SpinLock, 0, __builtin_return_address(0));
}

VOID ExAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    acquire_at_dpc_level(SpinLock, 1, __builtin_return_address(0));
}

VOID ExReleaseSpinLockSharedFromDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    release_from_dpc_level(SpinLock, 0, __builtin_return_address(0));
}

VOID ExReleaseSpinLockExclusiveFromDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    release_from_dpc_level(SpinLock, 1, __builtin_return_address(0));
}

/* The lock without waiting: non-zero, or 0 and nothing has changed.  DISPATCH_LEVEL.
 * (wdm ExTryAcquireSpinLockSharedAtDpcLevel, ExTryAcquireSpinLockExclusiveAtDpcLevel) */
LOGICAL ExTryAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    return try_at_dpc_level(SpinLock, 0, __builtin_return_address(0));
}

LOGICAL ExTryAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    return try_at_dpc_level(SpinLock, 1, __builtin_return_address(0));
}

/* Non-zero when the caller, which shares the lock, holds it alone now; 0 when others share it or a writer
 * waits: the caller still shares it.  DISPATCH_LEVEL.  (wdm ExTryConvertSharedSpinLockExclusive) */
LOGICAL ExTryConvertSharedSpinLockExclusive(PEX_SPIN_LOCK SpinLock)
{
    if (ke_current_irql() < DISPATCH_LEVEL)
        violation(0x40, SpinLock, __builtin_return_address(0));
    return (LOGICAL)ke_shared_convert(word_of(SpinLock));
}
