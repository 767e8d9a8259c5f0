/*
 * once.c - one-time initialisation.
 *
 * The lowest two bits of the word are its state; once it is done, the others are the driver's context.  Who waits
 * for an initialisation parks on the low half of the word, whoever ends it wakes them all: the exchange is its last
 * touch, since the waking names the address only.
 */
#include "nt/ke/internal.h"

enum { ONCE_FRESH = 0, ONCE_RUNNING = 1, ONCE_DONE = 2, ONCE_ASYNC = 3, ONCE_STATE = 3 };

static void give_context(ULONG_PTR word, PVOID *context)
{
    if (context)
        *context = (PVOID)(word & ~(ULONG_PTR)ONCE_STATE);
}

static NTSTATUS begin(PRTL_RUN_ONCE once, ULONG flags, PVOID *context)
{
    ULONG_PTR wanted = flags & RTL_RUN_ONCE_ASYNC ? ONCE_ASYNC : ONCE_RUNNING;
    ULONG_PTR word = __atomic_load_n(&once->Value, __ATOMIC_ACQUIRE);

    host_point(HOST_POINT_ATOMIC, once);
    for (;;) {
        switch (word & ONCE_STATE) {
        case ONCE_DONE:
            OBSERVE(order, once, OBSERVE_ACQUIRE);
            give_context(word, context);
            return STATUS_SUCCESS;
        case ONCE_FRESH:
            if (flags & RTL_RUN_ONCE_CHECK_ONLY)
                return STATUS_UNSUCCESSFUL;
            OBSERVE(order, once, OBSERVE_ACQUIRE);
            if (__atomic_compare_exchange_n(&once->Value, &word, wanted, 0, __ATOMIC_ACQUIRE,
                                            __ATOMIC_ACQUIRE))
                return STATUS_PENDING;
            continue;
        default:
            if (flags & RTL_RUN_ONCE_CHECK_ONLY)
                return STATUS_UNSUCCESSFUL;
            if ((word & ONCE_STATE) != wanted) /* the two ways do not mix */
                return STATUS_INVALID_PARAMETER;
            if (wanted == ONCE_ASYNC)
                return STATUS_PENDING;
            ke_check_may_wait(once, NULL);
            ke_park(once, (const volatile uint32_t *)&once->Value, (uint32_t)word);
            word = __atomic_load_n(&once->Value, __ATOMIC_ACQUIRE);
        }
    }
}

static NTSTATUS complete(PRTL_RUN_ONCE once, ULONG flags, PVOID context)
{
    ULONG_PTR ends = flags & RTL_RUN_ONCE_ASYNC ? ONCE_ASYNC : ONCE_RUNNING, word;
    ULONG_PTR next = flags & RTL_RUN_ONCE_INIT_FAILED ? ONCE_FRESH : (ULONG_PTR)context | ONCE_DONE;

    if ((ULONG_PTR)context & ONCE_STATE || (flags & RTL_RUN_ONCE_INIT_FAILED && context))
        return STATUS_INVALID_PARAMETER_3;
    word = __atomic_load_n(&once->Value, __ATOMIC_RELAXED);
    OBSERVE(order, once, OBSERVE_RELEASE);
    do {
        if ((word & ONCE_STATE) == ONCE_DONE && ends == ONCE_ASYNC)
            return STATUS_OBJECT_NAME_COLLISION; /* another one was faster: its result counts */
        if ((word & ONCE_STATE) == ONCE_DONE || (word & ONCE_STATE) == ONCE_FRESH)
            return STATUS_UNSUCCESSFUL;
        if ((word & ONCE_STATE) != ends)
            return STATUS_INVALID_PARAMETER_2;
    } while (!__atomic_compare_exchange_n(&once->Value, &word, next, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    host_unpark((const volatile uint32_t *)&once->Value, INT32_MAX);
    return STATUS_SUCCESS;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* As good as RTL_RUN_ONCE_INIT.  Any IRQL.  (ntddk RtlRunOnceInitialize) */
VOID NTAPI RtlRunOnceInitialize(PRTL_RUN_ONCE RunOnce)
{
    __atomic_store_n(&RunOnce->Value, 0, __ATOMIC_RELEASE);
}

/* STATUS_PENDING: the caller has to initialise and to complete; STATUS_SUCCESS: done, *Context is the result;
 * STATUS_UNSUCCESSFUL: not done, and the caller only wanted to know; STATUS_INVALID_PARAMETER(_2): flags that do not
 * fit together or to what has begun.  Without RTL_RUN_ONCE_ASYNC it waits for another initialiser.  IRQL <=
 * APC_LEVEL.  (ntddk RtlRunOnceBeginInitialize) */
NTSTATUS NTAPI RtlRunOnceBeginInitialize(PRTL_RUN_ONCE RunOnce, ULONG Flags, PVOID *Context)
{
    ULONG both = RTL_RUN_ONCE_CHECK_ONLY | RTL_RUN_ONCE_ASYNC;

    if (Flags & ~both || (Flags & both) == both)
        return STATUS_INVALID_PARAMETER_2;
    return begin(RunOnce, Flags, Context);
}

/* Ends an initialisation: Context, its lowest two bits clear, is the result; with RTL_RUN_ONCE_INIT_FAILED the next
 * one may try.  STATUS_SUCCESS; STATUS_OBJECT_NAME_COLLISION: another asynchronous initialiser was faster;
 * STATUS_UNSUCCESSFUL: none was running; STATUS_INVALID_PARAMETER_2, _3.  IRQL <= APC_LEVEL.
 * (ntddk RtlRunOnceComplete) */
NTSTATUS NTAPI RtlRunOnceComplete(PRTL_RUN_ONCE RunOnce, ULONG Flags, PVOID Context)
{
    ULONG both = RTL_RUN_ONCE_INIT_FAILED | RTL_RUN_ONCE_ASYNC;

    if (Flags & ~both || (Flags & both) == both)
        return STATUS_INVALID_PARAMETER_2;
    return complete(RunOnce, Flags, Context);
}

/* Runs InitFn unless it has succeeded; *Context gets its result.  STATUS_SUCCESS, STATUS_UNSUCCESSFUL: InitFn
 * failed, the next caller may try.  The routine is a helper inside the driver's own call.  IRQL <= APC_LEVEL.
 * (ntddk RtlRunOnceExecuteOnce) */
NTSTATUS NTAPI RtlRunOnceExecuteOnce(PRTL_RUN_ONCE RunOnce, PRTL_RUN_ONCE_INIT_FN InitFn, PVOID Parameter,
                                     PVOID *Context)
{
    PVOID result = NULL;
    NTSTATUS status = begin(RunOnce, 0, Context);

    if (status != STATUS_PENDING)
        return status;
    if (!InitFn(RunOnce, Parameter, &result)) {
        (void)complete(RunOnce, RTL_RUN_ONCE_INIT_FAILED, NULL);
        return STATUS_UNSUCCESSFUL;
    }
    status = complete(RunOnce, 0, result);
    if (NT_SUCCESS(status) && Context)
        *Context = result;
    return status;
}
