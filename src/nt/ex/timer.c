/*
 * timer.c - EX_TIMER: timers that the system allocates, with a callback (K-TIMER-10).
 *
 * A KTIMER, its DPC, and another DPC that frees the lot.  All DPCs are bound to one processor, which runs them one
 * after the other and in order of arrival: so when the freeing one runs, no callback runs or will run any more, whether
 * the deletion came from outside or from the callback itself.  Once ke_cancel_timer has answered, an expired timer's
 * DPC is in the queue already (K-TIMER-06), and the freeing one comes to stand behind it.
 *
 * The end of the runtime does not race with a deletion: ke_stop comes when no driver is loaded and nothing of one is
 * left, no thread either (uwsk_runtime_stop refuses before), so nobody is in ExDeleteTimer then.  A freeing DPC that
 * ke_stop still finds was queued by a driver that did not wait for it and is gone with its delete callback: it is
 * dropped, and its block with it, until the process ends.
 */
#include "nt/ke/internal.h"

#define ATTRIBUTES (EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE | EX_TIMER_NOTIFICATION)
#define UNITS_A_MS 10000 /* 100 ns units */

struct _EX_TIMER {
    KTIMER timer; /* first: KeWaitForSingleObject gets a PEX_TIMER */
    KDPC expired;
    KDPC last; /* in the place of `expired` when the expiry is the last one */
    KDPC end;
    PEXT_CALLBACK callback;
    PVOID context;
    LONGLONG due; /* as set; a relative one as interrupt time, negative */
    uint32_t deleted;
    PEXT_DELETE_CALLBACK delete_callback;
    PVOID delete_context;
    uint32_t *over; /* parking word of the one who waits for the end */
};

static void finish(PEX_TIMER timer)
{
    PEXT_DELETE_CALLBACK callback = timer->delete_callback;
    PVOID context = timer->delete_context;
    uint32_t *over = timer->over;

    ke_free(timer, sizeof *timer);
    if (callback)
        RTL_CALL(OBSERVE_DPC_ROUTINE, context, "EXT_DELETE_CALLBACK", callback, callback(context));
    if (over) {
        __atomic_store_n(over, 1, __ATOMIC_RELEASE); /* last touch: the waiter's stack may go */
        host_unpark(over, 1);
    }
}

static VOID end_routine(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)argument1, (void)argument2;
    finish(context);
}

/* Once for each timer: by its deletion, or by the expiry that the deletion let it have. */
static void begin_end(PEX_TIMER timer)
{
    (void)ke_insert_queue_dpc(&timer->end, NULL, NULL);
}

static void call_back(PEX_TIMER timer)
{
    if (timer->callback)
        RTL_CALL(OBSERVE_DPC_ROUTINE, timer, "EXT_CALLBACK", timer->callback,
                 timer->callback(timer, timer->context));
}

/* Touches nothing after the callback, which may delete the timer. */
static VOID expired_routine(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)argument1, (void)argument2;
    call_back(context);
}

static VOID last_routine(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc, (void)argument1, (void)argument2;
    OBSERVE(dead, OBSERVE_EX_TIMER, context); /* before the callback, after which its driver may go */
    call_back(context);
    begin_end(context);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* A timer that is not set; NULL when memory is short or Attributes make no sense.  EX_TIMER_NOTIFICATION: it stays
 * signalled, else it lets one waiter go.  The other attributes have no meaning here: timers are as exact as they
 * can be.  IRQL <= DISPATCH_LEVEL.  (wdm ExAllocateTimer) */
PEX_TIMER NTAPI ExAllocateTimer(PEXT_CALLBACK Callback, PVOID CallbackContext, ULONG Attributes)
{
    ULONG resolutions = EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE;
    CCHAR processor = (CCHAR)ke_get_current_processor_number();
    PEX_TIMER timer;

    if (Attributes & ~ATTRIBUTES || (Attributes & resolutions) == resolutions)
        return NULL;
    timer = ke_allocate(sizeof *timer);
    if (!timer)
        return NULL;
    ke_initialize_timer_ex(&timer->timer,
                           Attributes & EX_TIMER_NOTIFICATION ? NotificationTimer : SynchronizationTimer);
    ke_initialize_dpc(&timer->expired, expired_routine, timer);
    ke_initialize_dpc(&timer->last, last_routine, timer);
    ke_initialize_dpc(&timer->end, end_routine, timer);
    ke_set_target_processor_dpc(&timer->expired, processor);
    ke_set_target_processor_dpc(&timer->last, processor);
    ke_set_target_processor_dpc(&timer->end, processor);
    timer->callback = Callback;
    timer->context = CallbackContext;
    OBSERVE(born, OBSERVE_EX_TIMER, timer, (uint64_t)(ULONG_PTR)Callback, sizeof *timer,
            __builtin_return_address(0));
    return timer;
}

/* Sets it to DueTime (100 ns; negative = relative, else system time), then again every Period (100 ns, rounded up to
 * milliseconds; 0 = once).  TRUE = it was set, that setting is void.  IRQL <= DISPATCH_LEVEL.  (wdm ExSetTimer) */
BOOLEAN NTAPI ExSetTimer(PEX_TIMER Timer, LONGLONG DueTime, LONGLONG Period, PEXT_SET_PARAMETERS Parameters)
{
    LARGE_INTEGER due = {.QuadPart = DueTime};

    (void)Parameters;
    if (__atomic_load_n(&Timer->deleted, __ATOMIC_ACQUIRE))
        return FALSE;
    Timer->due = DueTime < 0 ? DueTime - (LONGLONG)ke_query_interrupt_time() : DueTime;
    return ke_set_own_timer_ex(&Timer->timer, due, (LONG)((Period + UNITS_A_MS - 1) / UNITS_A_MS),
                               &Timer->expired); /* OBSERVE_EX_TIMER stands for it */
}

/* TRUE = it was set, and will not expire.  IRQL <= DISPATCH_LEVEL.  (wdm ExCancelTimer) */
BOOLEAN NTAPI ExCancelTimer(PEX_TIMER Timer, PEXT_CANCEL_PARAMETERS Parameters)
{
    (void)Parameters;
    return ke_cancel_timer(&Timer->timer);
}

/* Deletes it: at once when Cancel is TRUE, else after it has expired once more.  With Wait (and so Cancel) it returns
 * when a callback that has begun is over and the delete callback has run.  TRUE = it was cancelled.  IRQL <=
 * DISPATCH_LEVEL, with Wait <= APC_LEVEL and never in its callback.  (wdm ExDeleteTimer) */
BOOLEAN NTAPI ExDeleteTimer(PEX_TIMER Timer, BOOLEAN Cancel, BOOLEAN Wait, PEXT_DELETE_PARAMETERS Parameters)
{
    uint32_t over = 0;
    BOOLEAN was_set;

    if (Wait && !Cancel)
        ke_bug_check_ex(TIMER_OR_DPC_INVALID, 0, Timer, 0, 0);
    if (Wait)
        ke_check_may_wait(Timer, NULL);
    Timer->delete_callback = Parameters ? Parameters->DeleteCallback : NULL;
    Timer->delete_context = Parameters ? Parameters->DeleteContext : NULL;
    Timer->over = Wait ? &over : NULL;
    __atomic_store_n(&Timer->deleted, 1, __ATOMIC_RELEASE);
    was_set = ke_cancel_timer(&Timer->timer);
    if (!was_set || Cancel || !ke_running())
        OBSERVE(dead, OBSERVE_EX_TIMER, Timer); /* the end begins; else last_routine says so */
    if (!ke_running()) {                        /* nothing expires any more */
        finish(Timer);
    } else if (was_set && !Cancel) { /* once more; its DPC goes on from there */
        LARGE_INTEGER due = {.QuadPart = Timer->due};

        if (due.QuadPart < 0) {
            due.QuadPart += (LONGLONG)ke_query_interrupt_time();
            if (due.QuadPart >= 0)
                due.QuadPart = -1; /* a periodic one */
        }
        (void)ke_set_own_timer_ex(&Timer->timer, due, 0, &Timer->last);
    } else {
        begin_end(Timer);
        while (Wait && !__atomic_load_n(&over, __ATOMIC_ACQUIRE))
            ke_park(Timer, &over, 0);
    }
    return Cancel && was_set;
}
