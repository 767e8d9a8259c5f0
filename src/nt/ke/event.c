/*
 * event.c - KEVENT.
 */
#include "nt/ke/internal.h"

void ke_initialize_event(PRKEVENT event, EVENT_TYPE type, BOOLEAN state)
{
    ke_initialize_header(&event->Header, (UCHAR)type, sizeof *event, state != FALSE);
}

/* K-EVENT-05 */
static void check_irql(PRKEVENT event, BOOLEAN wait)
{
    KIRQL irql = ke_current_irql();

    if (irql > (wait ? APC_LEVEL : DISPATCH_LEVEL))
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x80, irql, event, 0);
}

LONG ke_set_event(PRKEVENT event, KPRIORITY increment, BOOLEAN wait)
{
    struct ke_thread *ready = NULL;
    LONG former;

    (void)increment;
    check_irql(event, wait);
    ke_lock_dispatcher();
    former = event->Header.SignalState;
    event->Header.SignalState = 1;
    OBSERVE(order, event, OBSERVE_RELEASE);
    ke_test_waiters(&event->Header, &ready);
    /* The event is not touched any more (D-09). */
    ke_unlock_dispatcher(ready);
    return former;
}

LONG ke_reset_event(PRKEVENT event)
{
    LONG former;

    ke_lock_dispatcher();
    former = event->Header.SignalState;
    event->Header.SignalState = 0;
    OBSERVE(order, event, OBSERVE_ACQUIRE);
    ke_unlock_dispatcher(NULL);
    return former;
}

void ke_clear_event(PRKEVENT event)
{
    (void)ke_reset_event(event);
}

LONG ke_read_state_event(PRKEVENT event)
{
    LONG state;

    /* Under the lock: who has seen 1 may let the event's memory die, and the setter is then through with it.
     */
    ke_lock_dispatcher();
    state = event->Header.SignalState;
    OBSERVE(order, event, OBSERVE_ACQUIRE);
    ke_unlock_dispatcher(NULL);
    return state;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* Makes *Event a notification or synchronization event; the storage is the caller's.  (wdm KeInitializeEvent)
 */
VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
    ke_initialize_event(Event, Type, State);
}

/* Signals; returns the former state.  IRQL <= DISPATCH_LEVEL, with Wait <= APC_LEVEL.  (wdm KeSetEvent) */
LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    return ke_set_event(Event, Increment, Wait);
}

/* Takes the signal away; returns the former state.  IRQL <= DISPATCH_LEVEL.  (wdm KeResetEvent) */
LONG KeResetEvent(PRKEVENT Event)
{
    return ke_reset_event(Event);
}

/* Takes the signal away.  IRQL <= DISPATCH_LEVEL.  (wdm KeClearEvent) */
VOID KeClearEvent(PRKEVENT Event)
{
    ke_clear_event(Event);
}

/* The state, non-zero = signalled.  IRQL <= DISPATCH_LEVEL.  (wdm KeReadStateEvent) */
LONG KeReadStateEvent(PRKEVENT Event)
{
    return ke_read_state_event(Event);
}
