/*
 * mutex.c - KMUTEX: recursive, owned by a thread, waited for like any dispatcher object (K-MUTEX-03).
 */
#include "nt/ke/internal.h"

void ke_initialize_mutex(PRKMUTEX mutex, ULONG level)
{
    (void)level;
    ke_initialize_header(&mutex->Header, MutantObject, sizeof *mutex, 1);
    mutex->MutantListEntry.Flink = mutex->MutantListEntry.Blink = &mutex->MutantListEntry;
    mutex->OwnerThread = NULL;
    mutex->Abandoned = FALSE;
    mutex->ApcDisable = 1; /* the owner is inside a critical region */
}

LONG ke_release_mutex(PRKMUTEX mutex, BOOLEAN wait)
{
    struct ke_thread *thread = ke_current_thread(), *ready = NULL;
    PKTHREAD owner;
    LONG former;

    (void)wait;
    ke_lock_dispatcher();
    former = mutex->Header.SignalState;
    owner = mutex->OwnerThread;
    if (owner != (PKTHREAD)thread) { /* also when it is free */
        ke_unlock_dispatcher(NULL);
        ke_bug_check_ex(THREAD_NOT_MUTEX_OWNER, thread, owner, mutex, 0);
    }
    if (++mutex->Header.SignalState == 1) {
        mutex->OwnerThread = NULL;
        thread->mutexes_held--;
        thread->apc_disable -= mutex->ApcDisable;
        OBSERVE(order, mutex, OBSERVE_RELEASE);
        ke_test_waiters(&mutex->Header, &ready);
    }
    ke_unlock_dispatcher(ready);
    return former;
}

LONG ke_read_state_mutex(PRKMUTEX mutex)
{
    LONG state;

    ke_lock_dispatcher();
    state = mutex->Header.SignalState;
    OBSERVE(order, mutex, OBSERVE_ACQUIRE);
    ke_unlock_dispatcher(NULL);
    return state;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A free mutex; Level is not used.  (wdm KeInitializeMutex) */
VOID KeInitializeMutex(PRKMUTEX Mutex, ULONG Level)
{
    ke_initialize_mutex(Mutex, Level);
}

/* One release for each acquisition, by the owner (else bug check 0x11); returns the former state, 0 = it is
 * free now. IRQL <= DISPATCH_LEVEL.  (wdm KeReleaseMutex) */
LONG KeReleaseMutex(PRKMUTEX Mutex, BOOLEAN Wait)
{
    return ke_release_mutex(Mutex, Wait);
}

/* 1 = free.  (wdm KeReadStateMutex) */
LONG KeReadStateMutex(PRKMUTEX Mutex)
{
    return ke_read_state_mutex(Mutex);
}
