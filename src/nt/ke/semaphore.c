/*
 * semaphore.c - KSEMAPHORE.
 */
#include "nt/ke/internal.h"
#include "nt/ke/seh.h"

void ke_initialize_semaphore(PRKSEMAPHORE semaphore, LONG count, LONG limit)
{
    ke_initialize_header(&semaphore->Header, SemaphoreObject, sizeof *semaphore, count);
    semaphore->Limit = limit;
}

LONG ke_release_semaphore(PRKSEMAPHORE semaphore, KPRIORITY increment, LONG adjustment, BOOLEAN wait)
{
    struct ke_thread *ready = NULL;
    LONG former, limit;

    (void)increment, (void)wait;
    ke_lock_dispatcher();
    former = semaphore->Header.SignalState;
    limit = semaphore->Limit;
    if (adjustment < 0 || adjustment > limit - former) {
        ke_unlock_dispatcher(NULL);
        ke_raise_status(STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    }
    semaphore->Header.SignalState = former + adjustment;
    OBSERVE(order, semaphore, OBSERVE_RELEASE);
    ke_test_waiters(&semaphore->Header, &ready);
    ke_unlock_dispatcher(ready);
    return former;
}

LONG ke_read_state_semaphore(PRKSEMAPHORE semaphore)
{
    LONG state;

    ke_lock_dispatcher();
    state = semaphore->Header.SignalState;
    OBSERVE(order, semaphore, OBSERVE_ACQUIRE);
    ke_unlock_dispatcher(NULL);
    return state;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A semaphore with Count of at most Limit units.  (wdm KeInitializeSemaphore) */
VOID KeInitializeSemaphore(PRKSEMAPHORE Semaphore, LONG Count, LONG Limit)
{
    ke_initialize_semaphore(Semaphore, Count, Limit);
}

/* Adds Adjustment units, returns the former count; beyond the limit it raises
 * STATUS_SEMAPHORE_LIMIT_EXCEEDED. IRQL <= DISPATCH_LEVEL.  (wdm KeReleaseSemaphore) */
LONG KeReleaseSemaphore(PRKSEMAPHORE Semaphore, KPRIORITY Increment, LONG Adjustment, BOOLEAN Wait)
{
    return ke_release_semaphore(Semaphore, Increment, Adjustment, Wait);
}

/* Units that are free.  (wdm KeReadStateSemaphore) */
LONG KeReadStateSemaphore(PRKSEMAPHORE Semaphore)
{
    return ke_read_state_semaphore(Semaphore);
}
