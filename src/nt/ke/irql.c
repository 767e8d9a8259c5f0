/*
 * irql.c - the interrupt request level of a thread.
 *
 * Levels are per thread here.  What a processor gives a thread at DISPATCH_LEVEL on Windows - no switch, its
 * own per-processor data - the ownership of a processor token gives here (K-IRQL-07, D-22; processor.c).
 */
#include "nt/ke/internal.h"

KIRQL ke_raise_irql(KIRQL new_irql)
{
    struct ke_thread *thread = ke_current_thread();
    KIRQL old = thread->irql;

    if (new_irql < old) /* K-IRQL-02 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x30, old, new_irql, 0);
    if (new_irql >= DISPATCH_LEVEL && old < DISPATCH_LEVEL) {
        /* A processor may take long to come: nobody who owns one must be waiting for our lock meanwhile. */
        KE_ASSERT(thread->internal_locks == 0);
        ke_take_processor(thread);
    }
    thread->irql = new_irql;
    if (new_irql != old)
        OBSERVE(irql, old, new_irql);
    return old;
}

void ke_lower_irql(KIRQL new_irql)
{
    struct ke_thread *thread = ke_current_thread();
    KIRQL old = thread->irql;

    if (new_irql > old) /* K-IRQL-03 */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31, old, new_irql, 0);
    if (thread->frames && new_irql < thread->frames->irql) /* a routine drops below where it was called */
        ke_bug_check_ex(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31, old, new_irql, 1);
    if (new_irql == old)
        return;
    if (new_irql < DISPATCH_LEVEL && old >= DISPATCH_LEVEL) {
        thread->irql = DISPATCH_LEVEL;
        ke_run_own_dpcs(thread);
    }
    thread->irql = new_irql;
    if (new_irql < DISPATCH_LEVEL && old >= DISPATCH_LEVEL)
        ke_give_processor(thread);
    OBSERVE(irql, old, new_irql);
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* The calling thread's level.  Any IRQL.  (wdm KeGetCurrentIrql) */
KIRQL KeGetCurrentIrql(VOID)
{
    return ke_current_irql();
}

/* Raises to NewIrql, returns the former level.  A level below the current one is a bug check.  (wdm
 * KeRaiseIrql) */
KIRQL KfRaiseIrql(KIRQL NewIrql)
{
    return ke_raise_irql(NewIrql);
}

/* Raises to DISPATCH_LEVEL, returns the former level.  (wdm KeRaiseIrqlToDpcLevel) */
KIRQL KeRaiseIrqlToDpcLevel(VOID)
{
    return ke_raise_irql(DISPATCH_LEVEL);
}

/* Back to the level that the matching raise returned.  (wdm KeLowerIrql) */
VOID KeLowerIrql(KIRQL NewIrql)
{
    ke_lower_irql(NewIrql);
}
