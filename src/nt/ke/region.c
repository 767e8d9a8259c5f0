/*
 * region.c - critical and guarded regions, and the mutexes built on levels: fast mutexes.
 *
 * There are no APCs here; what remains of them is the bookkeeping that drivers can see and get wrong.
 */
#include "nt/ke/internal.h"

/* ---- regions ------------------------------------------------------------------------------------------ */

static void check_irql(ULONG kind, void *caller)
{
    KIRQL irql = ke_current_irql();

    if (irql > APC_LEVEL) /* K-MUTEX-04 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, kind, irql, 0, 0, caller);
}

void ke_enter_critical_region(void)
{
    check_irql(0x11A, __builtin_return_address(0));
    ke_current_thread()->apc_disable++;
}

void ke_leave_critical_region(void)
{
    struct ke_thread *thread = ke_current_thread();

    check_irql(0x11B, __builtin_return_address(0));
    if (thread->apc_disable <= 0)
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3E, 0, 0, 0);
    thread->apc_disable--;
}

void ke_enter_guarded_region(void)
{
    check_irql(0x11A, __builtin_return_address(0));
    ke_current_thread()->special_apc_disable++;
}

void ke_leave_guarded_region(void)
{
    struct ke_thread *thread = ke_current_thread();

    check_irql(0x11B, __builtin_return_address(0));
    if (thread->special_apc_disable <= 0)
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3E, 0, 0, 0);
    thread->special_apc_disable--;
}

BOOLEAN ke_are_all_apcs_disabled(void)
{
    struct ke_thread *thread = ke_current_thread();

    return thread->special_apc_disable > 0 || thread->irql >= APC_LEVEL;
}

BOOLEAN ke_are_apcs_disabled(void)
{
    return ke_current_thread()->apc_disable > 0 || ke_are_all_apcs_disabled();
}

/* ---- fast mutexes: Count is 1 when free and falls by one for the holder and each waiter --------------- */

void ex_initialize_fast_mutex(PFAST_MUTEX mutex)
{
    mutex->Count = 1;
    mutex->Owner = NULL;
    mutex->Contention = 0;
    ke_initialize_event(&mutex->Event, SynchronizationEvent, FALSE);
    mutex->OldIrql = 0;
}

static int fast_owned_by(PFAST_MUTEX mutex, struct ke_thread *thread)
{
    return __atomic_load_n((PVOID *)&mutex->Owner, __ATOMIC_RELAXED) == (PVOID)thread;
}

static void fast_take(PFAST_MUTEX mutex, void *caller)
{
    struct ke_thread *thread = ke_current_thread();

    host_point(HOST_POINT_LOCK, mutex);
    if (fast_owned_by(mutex, thread)) /* K-MUTEX-01: it would wait for itself */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x1000, (ULONG_PTR)mutex, 0, 0, caller);
    if (__atomic_sub_fetch(&mutex->Count, 1, __ATOMIC_ACQUIRE) != 0) {
        __atomic_add_fetch(&mutex->Contention, 1, __ATOMIC_RELAXED);
        (void)ke_wait_for_single_object(&mutex->Event, Executive, KernelMode, FALSE, NULL);
    }
    __atomic_store_n((PVOID *)&mutex->Owner, (PVOID)thread, __ATOMIC_RELAXED);
    OBSERVE(lock, mutex, 1);
}

static void fast_drop(PFAST_MUTEX mutex, void *caller)
{
    struct ke_thread *thread = ke_current_thread();

    if (!fast_owned_by(mutex, thread))
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, mutex->Owner ? 0x1004 : 0x1007,
                          (ULONG_PTR)mutex, (ULONG_PTR)mutex->Owner, (ULONG_PTR)thread, caller);
    OBSERVE(lock, mutex, 0);
    __atomic_store_n((PVOID *)&mutex->Owner, NULL, __ATOMIC_RELAXED);
    /* Without a waiter this is the last touch; with one, the mutex lives at least until the event lets it go.
     */
    if (__atomic_add_fetch(&mutex->Count, 1, __ATOMIC_RELEASE) <= 0)
        (void)ke_set_event(&mutex->Event, 0, FALSE);
    host_point(HOST_POINT_UNLOCK, mutex);
}

static void fast_acquire(PFAST_MUTEX mutex, void *caller)
{
    KIRQL irql = ke_current_irql();

    if (irql > APC_LEVEL) /* K-MUTEX-01 */
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x33, irql, (ULONG_PTR)mutex, 0, caller);
    irql = ke_raise_irql(APC_LEVEL); /* K-MUTEX-02 */
    fast_take(mutex, caller);
    mutex->OldIrql = irql;
}

static void fast_release(PFAST_MUTEX mutex, void *caller)
{
    KIRQL irql = ke_current_irql(), old_irql = (KIRQL)mutex->OldIrql;

    if (irql != APC_LEVEL)
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x34, irql, (ULONG_PTR)mutex, 0, caller);
    fast_drop(mutex, caller);
    ke_lower_irql(old_irql);
}

static BOOLEAN fast_try(PFAST_MUTEX mutex, void *caller)
{
    struct ke_thread *thread = ke_current_thread();
    KIRQL irql = thread->irql;
    LONG free = 1;

    if (irql > APC_LEVEL)
        ke_bug_check_from(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x33, irql, (ULONG_PTR)mutex, 0, caller);
    host_point(HOST_POINT_LOCK, mutex);
    if (!__atomic_compare_exchange_n(&mutex->Count, &free, 0, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return FALSE;
    __atomic_store_n((PVOID *)&mutex->Owner, (PVOID)thread, __ATOMIC_RELAXED);
    mutex->OldIrql = ke_raise_irql(APC_LEVEL);
    OBSERVE(lock, mutex, 1);
    return TRUE;
}

void ex_acquire_fast_mutex(PFAST_MUTEX mutex)
{
    fast_acquire(mutex, __builtin_return_address(0));
}

void ex_release_fast_mutex(PFAST_MUTEX mutex)
{
    fast_release(mutex, __builtin_return_address(0));
}

BOOLEAN ex_try_to_acquire_fast_mutex(PFAST_MUTEX mutex)
{
    return fast_try(mutex, __builtin_return_address(0));
}

void ex_acquire_fast_mutex_unsafe(PFAST_MUTEX mutex)
{
    fast_take(mutex, __builtin_return_address(0));
}

void ex_release_fast_mutex_unsafe(PFAST_MUTEX mutex)
{
    fast_drop(mutex, __builtin_return_address(0));
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* No normal kernel APCs from here to the matching leave.  IRQL <= APC_LEVEL.  (ntddk KeEnterCriticalRegion)
 */
VOID KeEnterCriticalRegion(VOID)
{
    ke_enter_critical_region();
}

VOID KeLeaveCriticalRegion(VOID)
{
    ke_leave_critical_region();
}

/* No APCs at all from here to the matching leave.  IRQL <= APC_LEVEL.  (wdm KeEnterGuardedRegion) */
VOID KeEnterGuardedRegion(VOID)
{
    ke_enter_guarded_region();
}

VOID KeLeaveGuardedRegion(VOID)
{
    ke_leave_guarded_region();
}

/* TRUE inside a critical or guarded region, or at APC_LEVEL and above.  (wdm KeAreApcsDisabled) */
BOOLEAN KeAreApcsDisabled(VOID)
{
    return ke_are_apcs_disabled();
}

/* TRUE inside a guarded region, or at APC_LEVEL and above.  (wdm KeAreAllApcsDisabled) */
BOOLEAN KeAreAllApcsDisabled(VOID)
{
    return ke_are_all_apcs_disabled();
}

/* Waits for the mutex; the holder runs at APC_LEVEL.  IRQL <= APC_LEVEL, never twice.  (wdm
 * ExAcquireFastMutex) */
VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex)
{
    fast_acquire(FastMutex, __builtin_return_address(0));
}

/* Frees it and goes back to the level of the acquisition.  APC_LEVEL.  (wdm ExReleaseFastMutex) */
VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex)
{
    fast_release(FastMutex, __builtin_return_address(0));
}

/* TRUE = acquired, now at APC_LEVEL.  IRQL <= APC_LEVEL.  (wdm ExTryToAcquireFastMutex) */
BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex)
{
    return fast_try(FastMutex, __builtin_return_address(0));
}

/* Without a change of level: the caller is at APC_LEVEL or inside a critical region.
 * (wdm ExAcquireFastMutexUnsafe) */
VOID ExAcquireFastMutexUnsafe(PFAST_MUTEX FastMutex)
{
    fast_take(FastMutex, __builtin_return_address(0));
}

VOID ExReleaseFastMutexUnsafe(PFAST_MUTEX FastMutex)
{
    fast_drop(FastMutex, __builtin_return_address(0));
}
