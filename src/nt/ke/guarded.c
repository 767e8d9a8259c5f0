/*
 * guarded.c - KGUARDED_MUTEX: since Windows 8 a fast mutex by another name (K-MUTEX-02).
 */
#include "nt/ke/ke.h"

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A free mutex.  IRQL <= DISPATCH_LEVEL.  (wdm KeInitializeGuardedMutex) */
VOID KeInitializeGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    ex_initialize_fast_mutex(Mutex);
}

/* Waits for it; the holder runs at APC_LEVEL.  IRQL <= APC_LEVEL, never twice.  (wdm KeAcquireGuardedMutex) */
VOID KeAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    ex_acquire_fast_mutex(Mutex);
}

/* Frees it and goes back to the level of the acquisition.  APC_LEVEL.  (wdm KeReleaseGuardedMutex) */
VOID KeReleaseGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    ex_release_fast_mutex(Mutex);
}

/* TRUE = acquired.  (wdm KeTryToAcquireGuardedMutex) */
BOOLEAN KeTryToAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    return ex_try_to_acquire_fast_mutex(Mutex);
}

/* Without a change of level: the caller is at APC_LEVEL or inside a guarded region.
 * (wdm KeAcquireGuardedMutexUnsafe, KeReleaseGuardedMutexUnsafe) */
VOID KeAcquireGuardedMutexUnsafe(PKGUARDED_MUTEX Mutex)
{
    ex_acquire_fast_mutex_unsafe(Mutex);
}

VOID KeReleaseGuardedMutexUnsafe(PKGUARDED_MUTEX Mutex)
{
    ex_release_fast_mutex_unsafe(Mutex);
}
