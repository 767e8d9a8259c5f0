/*
 * pushlock.c - EX_PUSH_LOCK: a word that threads below DISPATCH_LEVEL share or hold alone.
 *
 * The low half of the word is used.  Who holds it is not recorded: a second acquisition by the holder waits for
 * itself, as on Windows.
 */
#include "nt/ke/shared.h"

static uint32_t *word_of(PEX_PUSH_LOCK lock)
{
    return (uint32_t *)lock;
}

static void not_held(PEX_PUSH_LOCK lock, void *caller)
{
    ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1007, (ULONG_PTR)lock, 0, 0, caller);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Makes *PushLock free, once, before its first use.  (wdm ExInitializePushLock) */
VOID ExInitializePushLock(PEX_PUSH_LOCK PushLock)
{
    __atomic_store_n(PushLock, 0, __ATOMIC_RELEASE);
}

/* Waits until nobody else holds it.  In a critical region, IRQL <= APC_LEVEL; Flags have no meaning here.
 * (wdm ExAcquirePushLockExclusive) */
VOID ExAcquirePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, EX_PUSH_LOCK_FLAGS Flags)
{
    (void)Flags;
    ke_check_may_wait(PushLock, NULL);
    ke_shared_acquire_alone(word_of(PushLock), KE_SHARED_PARK);
}

/* Waits until nobody holds it alone or waits to do so.  (wdm ExAcquirePushLockShared) */
VOID ExAcquirePushLockSharedEx(PEX_PUSH_LOCK PushLock, EX_PUSH_LOCK_FLAGS Flags)
{
    (void)Flags;
    ke_check_may_wait(PushLock, NULL);
    ke_shared_acquire(word_of(PushLock), KE_SHARED_PARK);
}

/* Gives it back; not held that way is bug check 0xC4/0x1007.  IRQL <= APC_LEVEL.
 * (wdm ExReleasePushLockExclusive, ExReleasePushLockShared) */
VOID ExReleasePushLockExclusiveEx(PEX_PUSH_LOCK PushLock, EX_PUSH_LOCK_FLAGS Flags)
{
    (void)Flags;
    if (!ke_shared_release_alone(word_of(PushLock)))
        not_held(PushLock, __builtin_return_address(0));
}

VOID ExReleasePushLockSharedEx(PEX_PUSH_LOCK PushLock, EX_PUSH_LOCK_FLAGS Flags)
{
    (void)Flags;
    if (!ke_shared_release(word_of(PushLock)))
        not_held(PushLock, __builtin_return_address(0));
}
